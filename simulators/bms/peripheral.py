"""A BMS as a Bluetooth peripheral, and a client that connects to it.

The client is what an adapter or a proxy gives to Home Assistant: below it there is no
radio but a simulated BMS, above it everything is real.
"""

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, override

from bleak.args import SizedBuffer
from bleak.assigned_numbers import CharacteristicPropertyName
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError

from .battery import Battery
from .protocol import BmsProtocol


class Fault(StrEnum):
    """What can be wrong with a BMS."""

    BUSY = "busy"
    """A phone app is connected: it refuses everybody else."""
    STUCK = "stuck"
    """A connection attempt never ends."""
    SILENT = "silent"
    """It takes requests and answers none."""
    GARBAGE = "garbage"
    """Bytes of its answers are wrong."""
    DROPS = "drops"
    """The connection is lost in the middle of an answer."""


class SimulatedBms:
    """A BMS that takes one connection at a time, and counts them."""

    def __init__(
        self, protocol: BmsProtocol, address: str, battery: Battery | None = None
    ) -> None:
        """Take its kind and its address."""
        self.protocol = protocol
        self.address = address
        self.battery = Battery() if battery is None else battery
        self.fault: Fault | None = None
        self.delay_s = 0.0
        """How long it takes to answer."""
        self.hang_up_s = 0.0
        """How long hanging up takes."""
        self.clings = 0
        """How many times hanging up will fail."""
        self.client: SimulatedBmsClient | None = None
        """Who is connected now."""
        self.opened = 0
        """Connections ever opened."""
        self.closed = 0
        """Connections ever closed, by either side."""
        self.refused = 0
        """Connections ever refused."""
        self.requests: list[bytes] = []
        """What it was ever asked."""

    @property
    def open_now(self) -> int:
        """How many connections are open."""
        return self.opened - self.closed

    async def connect(self, client: SimulatedBmsClient) -> None:
        """Take a connection, or refuse it."""
        if self.fault is Fault.STUCK:
            await asyncio.Event().wait()
        if self.fault is Fault.BUSY or self.client is not None:
            self.refused += 1
            raise BleakError("le-connection-refused by peer")
        self.client = client
        self.protocol.unlocked = False
        self.opened += 1

    def disconnect(self) -> None:
        """Lose the connection, from either side."""
        if self.client is not None:
            self.client = None
            self.closed += 1

    async def request(self, data: bytes) -> None:
        """Take a request and answer it."""
        self.requests.append(data)
        frame = self.protocol.answer(data, self.battery)
        if frame is None or self.fault is Fault.SILENT:
            return
        if self.fault is Fault.GARBAGE:
            middle = len(frame) // 2
            frame = (
                frame[:middle] + bytes((frame[middle] ^ 0x55,)) + frame[middle + 1 :]
            )
        await asyncio.sleep(self.delay_s)
        for part in self.protocol.notifications(frame):
            client = self.client
            if client is None:
                return
            if self.fault is Fault.DROPS:
                client.notify(part[: len(part) // 2])
                client.drop()
                return
            client.notify(part)


class SimulatedBmsClient(BaseBleakClient):
    """A connection to a simulated BMS."""

    peripherals: ClassVar[Mapping[str, SimulatedBms]] = {}
    """What is in reach, by address; each radio has a class of its own."""

    def __init__(self, address_or_ble_device: BLEDevice | str, **kwargs: Any) -> None:
        """Take the device to connect to."""
        super().__init__(address_or_ble_device, **kwargs)
        self._connected = False
        self._listeners: dict[str, NotifyCallback] = {}

    @property
    def _bms(self) -> SimulatedBms:
        """The peripheral."""
        try:
            return self.peripherals[self.address]
        except KeyError:
            raise BleakError(f"Device {self.address} was not found") from None

    @property
    @override
    def name(self) -> str:
        return self._bms.protocol.local_name

    @property
    @override
    def mtu_size(self) -> int:
        return 247

    @property
    @override
    def is_connected(self) -> bool:
        return self._connected

    @override
    async def connect(self, pair: bool, **kwargs: Any) -> None:
        await self._bms.connect(self)
        self._connected = True
        self.services = _services(self._bms.protocol)

    @override
    async def disconnect(self) -> None:
        if self._connected:
            await asyncio.sleep(self._bms.hang_up_s)
            if self._bms.clings:
                self._bms.clings -= 1
                raise BleakError("Failed to disconnect")
            self._connected = False
            self._bms.disconnect()

    def drop(self) -> None:
        """Lose the connection without having asked for it."""
        self._connected = False
        self._bms.disconnect()
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    def notify(self, data: bytes) -> None:
        """Pass on a notification."""
        listener = self._listeners.get(self._bms.protocol.notify)
        if listener is not None:
            listener(bytearray(data))

    @override
    async def pair(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    @override
    async def unpair(self) -> None:
        raise NotImplementedError

    @override
    async def read_gatt_char(
        self,
        characteristic: BleakGATTCharacteristic,
        *,
        use_cached: bool = False,
        **kwargs: Any,
    ) -> bytearray:
        raise NotImplementedError

    @override
    async def read_gatt_descriptor(
        self,
        descriptor: BleakGATTDescriptor,
        *,
        use_cached: bool = False,
        **kwargs: Any,
    ) -> bytearray:
        raise NotImplementedError

    @override
    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool
    ) -> None:
        if not self._connected:
            raise BleakError("Not connected")
        if characteristic.uuid == self._bms.protocol.write:
            await self._bms.request(bytes(data))

    @override
    async def write_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, data: SizedBuffer
    ) -> None:
        raise NotImplementedError

    @override
    async def start_notify(
        self,
        characteristic: BleakGATTCharacteristic,
        callback: NotifyCallback,
        **kwargs: Any,
    ) -> None:
        self._listeners[characteristic.uuid] = callback

    @override
    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        self._listeners.pop(characteristic.uuid, None)


def _services(protocol: BmsProtocol) -> BleakGATTServiceCollection:
    """Return the services that a client discovers."""
    services = BleakGATTServiceCollection()
    service = BleakGATTService(None, 1, protocol.service)
    services.add_service(service)
    characteristics: tuple[tuple[int, str, list[CharacteristicPropertyName]], ...] = (
        (2, protocol.notify, ["notify"]),
        (4, protocol.write, ["write-without-response", "write"]),
    )
    for handle, uuid, properties in characteristics:
        services.add_characteristic(
            BleakGATTCharacteristic(
                None, handle, uuid, properties, lambda: protocol.chunk_size, service
            )
        )
    return services
