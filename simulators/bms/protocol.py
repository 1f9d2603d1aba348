"""What two kinds of BMS answer: request bytes in, notifications out."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Final, override

from bleak.uuids import normalize_uuid_str

from .battery import Battery


class BmsProtocol(ABC):
    """One kind of BMS: its characteristics, and what it answers."""

    service: str
    """UUID of the service, which is advertised too."""
    notify: str
    """UUID of the characteristic that answers come from."""
    write: str
    """UUID of the characteristic that takes requests."""
    chunk_size: int
    """How many bytes one notification carries at most."""
    local_name: str
    """How it calls itself in advertisements."""

    unlocked = False
    """Whether its secret was said in this connection."""

    @abstractmethod
    def answer(self, request: bytes, battery: Battery) -> bytes | None:
        """Return the frame that answers a request; None: it stays silent."""

    def notifications(self, frame: bytes) -> Iterator[bytes]:
        """Cut a frame into what notifications carry."""
        for start in range(0, len(frame), self.chunk_size):
            yield frame[start : start + self.chunk_size]


class Jbd(BmsProtocol):
    """JBD (Jiabaida): frames from 0xDD to 0x77, big endian, in chunks of 20 bytes."""

    service = normalize_uuid_str("ff00")
    notify = normalize_uuid_str("ff01")
    write = normalize_uuid_str("ff02")
    chunk_size = 20
    local_name = "JBD-SP04S034"

    _START: Final = 0xDD
    _READ: Final = 0xA5
    _END: Final = 0x77
    _BASIC: Final = 0x03
    _CELLS: Final = 0x04
    _HARDWARE: Final = 0x05
    _LOGIN: Final = bytes((0xFF, 0xAA, 0x15))

    def __init__(self, secret: str = "") -> None:
        """Take what has to be said in each connection before it answers."""
        self.secret = secret

    def _log_in(self, request: bytes) -> bytes | None:
        """Return what answers the secret; without one it knows no such frame."""
        said, checksum = request[4:-1], request[-1]
        if not self.secret or checksum != sum(request[2:-1]) & 0xFF:
            return None
        self.unlocked = said == self.secret.encode()
        checked = bytes((*self._LOGIN[2:], 1, not self.unlocked))
        return self._LOGIN[:2] + checked + bytes((sum(checked) & 0xFF,))

    @override
    def answer(self, request: bytes, battery: Battery) -> bytes | None:
        if request.startswith(self._LOGIN):
            return self._log_in(request)
        if self.secret and not self.unlocked:
            return None
        if len(request) < 7 or (request[0], request[1], request[-1]) != (
            self._START,
            self._READ,
            self._END,
        ):
            return None
        command = request[2]
        if request[4:6] != self._checksum(request[2:4]):
            return None
        if command == self._BASIC:
            body = self._basic(battery)
        elif command == self._CELLS:
            body = b"".join(_millis(cell).to_bytes(2) for cell in battery.cells)
        elif command == self._HARDWARE:
            body = self.local_name.encode()
        else:
            return None
        checked = bytes((0, len(body))) + body
        return (
            bytes((self._START, command))
            + checked
            + self._checksum(checked)
            + bytes((self._END,))
        )

    @staticmethod
    def _checksum(data: bytes) -> bytes:
        """Return what brings the sum of all to 0x10000."""
        return (-sum(data) & 0xFFFF).to_bytes(2)

    @staticmethod
    def _basic(battery: Battery) -> bytes:
        """Return the basic information: hundredths of V, A and Ah."""
        switches = battery.charge_enabled | battery.discharge_enabled << 1
        return b"".join(
            (
                _hundredths(battery.voltage).to_bytes(2),
                _hundredths(battery.current).to_bytes(2, signed=True),
                _hundredths(battery.remaining_ah).to_bytes(2),
                _hundredths(battery.capacity_ah).to_bytes(2),
                battery.cycles.to_bytes(2),
                bytes((0x31, 0x4B)),  # made on 2024-10-11
                # Cells 1 to 16, then 17 to 32.
                (battery.balancing & 0xFFFF).to_bytes(2),
                (battery.balancing >> 16).to_bytes(2),
                battery.problem_code.to_bytes(2),
                bytes((0x80, battery.soc, switches)),
                bytes((len(battery.cells), len(battery.temperatures))),
                *(
                    round(2731 + 10 * degrees).to_bytes(2)
                    for degrees in battery.temperatures
                ),
            )
        )


class Humsienk(BmsProtocol):
    """Humsienk: frames from 0xAA on, little endian, each in one notification."""

    service = normalize_uuid_str("0001")
    notify = normalize_uuid_str("0003")
    write = normalize_uuid_str("0002")
    chunk_size = 244
    local_name = "HS12V150"

    _START: Final = 0xAA
    _INIT: Final = 0x00
    _MODEL: Final = 0x11
    _STATUS: Final = 0x20
    _BATTERY: Final = 0x21
    _CELLS: Final = 0x22
    _HARDWARE: Final = 0xF5
    _CELL_COUNT: Final = 24
    _PROBES: Final = 6

    @override
    def answer(self, request: bytes, battery: Battery) -> bytes | None:
        if len(request) != 5 or request[0] != self._START:
            return None
        if request[3:] != self._checksum(request[1:3]):
            return None
        command = request[1]
        match command:
            case self._INIT:
                body = b""
            case self._MODEL:
                body = b"BMC-04S001"
            case self._HARDWARE:
                body = b"1.0"
            case self._STATUS:
                body = self._status(battery)
            case self._BATTERY:
                body = self._state(battery)
            case self._CELLS:
                cells = [_millis(cell).to_bytes(2, "little") for cell in battery.cells]
                body = b"".join(cells).ljust(2 * self._CELL_COUNT, b"\0")
            case _:
                return None
        checked = bytes((command, len(body))) + body
        return bytes((self._START,)) + checked + self._checksum(checked)

    @staticmethod
    def _checksum(data: bytes) -> bytes:
        """Return the sum of all bytes."""
        return (sum(data) & 0xFFFF).to_bytes(2, "little")

    @staticmethod
    def _status(battery: Battery) -> bytes:
        """Return the running time in s, alarms and switches, and cells at fault."""
        bits = (
            battery.problem_code
            | battery.charge_enabled << 7
            | battery.heating << 15
            | battery.discharge_enabled << 23
        )
        return b"".join(
            (
                (86_400).to_bytes(4, "little"),
                bits.to_bytes(4, "little"),
                battery.balancing.to_bytes(3, "little"),
                bytes(5),
            )
        )

    @classmethod
    def _state(cls, battery: Battery) -> bytes:
        """Return thousandths of V, A and Ah, and whole °C."""
        degrees = [round(degree) for degree in battery.temperatures[: cls._PROBES]]
        degrees += [degrees[-1] if degrees else 0] * (cls._PROBES - len(degrees))
        return b"".join(
            (
                _millis(battery.voltage).to_bytes(4, "little"),
                _millis(battery.current).to_bytes(4, "little", signed=True),
                bytes((battery.soc, battery.health)),
                _millis(battery.remaining_ah).to_bytes(4, "little"),
                _millis(battery.capacity_ah).to_bytes(4, "little"),
                battery.cycles.to_bytes(2, "little"),
                *(degree.to_bytes(1, signed=True) for degree in degrees),
            )
        )


def _hundredths(value: float) -> int:
    """Return a value in hundredths."""
    return round(100 * value)


def _millis(value: float) -> int:
    """Return a value in thousandths."""
    return round(1000 * value)
