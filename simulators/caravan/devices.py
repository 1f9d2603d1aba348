"""The devices of the caravan: what they measure, as encrypted advertisements.

A device has a new advertisement about once a second and sends each several times, as
the hardware does. Their keys are printed by the demo: they protect nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import random
from typing import Final

from simulators.victron import COMPANY_ID, Encodable, Kind, advertise

from .identity import ALTERNATOR_CHARGER, MAINS_CHARGER, SHUNT, Identity
from .physics import Caravan, ChargeState, DcSystem

type Values = Mapping[str, Encodable]

NEW_EVERY_S: Final = 1.0
"""How long an advertisement is sent before the next one."""
_HEADER_BYTES: Final = 8
"""Of the envelope; the record begins behind it."""


@dataclass(frozen=True, kw_only=True)
class Quirks:
    """What real devices do besides working: each can be switched on."""

    silent: bool = False
    """Sends nothing: a phone is connected, or it is out of reach."""
    stands_still: bool = False
    """Sends the same advertisement again and again: alive, with nothing new to say."""
    lingers_s: float = 0.0
    """Sends what it measured last for so long after its power failed."""
    powers_off: bool = False
    """State 0xFF, counters used again and corrupt frames, as when the power fails."""
    sends_bytes: int | None = None
    """Sends only so many bytes of its record."""
    key: bytes | None = None
    """Encrypts with this key: VictronConnect gave it a new one."""
    bare: bool = False
    """Sends no name."""
    energy_meter: bool = False
    """A SmartShunt that is set up to measure one load or source."""


WELL: Final = Quirks()
"""A device without any quirk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One advertisement as it is in the air."""

    address: str
    """Who sends it."""
    name: str | None
    """Its name; None: a bare advertisement."""
    rssi: int
    """How strongly it is heard, dBm."""
    data: bytes
    """Victron's manufacturer data, without the company id."""

    @property
    def raw(self) -> bytes:
        """The bytes of the advertisement: flags, manufacturer data, name."""
        parts = [b"\x01\x06", b"\xff" + COMPANY_ID.to_bytes(2, "little") + self.data]
        if self.name is not None:
            parts.append(b"\x09" + self.name.encode())
        return b"".join(bytes((len(part),)) + part for part in parts)


class Device[System: DcSystem = Caravan]:
    """Sends what its kind measures; what exactly, a subclass knows."""

    kind: Kind
    """Which record it sends."""

    def __init__(
        self, system: System, identity: Identity, *, quirks: Quirks = WELL
    ) -> None:
        """Put a device into what it measures."""
        self.identity = identity
        self.quirks = quirks
        self._system = system
        # Its own: which devices are read, and how often, changes no other's noise.
        self._chance = random.Random(identity.address)
        self._counter = self._chance.randrange(0x10000)
        self._rssi = -70.0
        self._due_s: float | None = None
        self._data: bytes | None = None
        self._values: Values = {}
        self._powered_at: float | None = None

    @property
    def powered(self) -> bool:
        """Whether it has what it needs to send."""
        return True

    def read(self) -> Values:
        """Measure."""
        raise NotImplementedError

    def transmit(self, now: float) -> Frame | None:
        """Return what it sends at this moment (s, never going back); None: nothing."""
        if self.powered:
            self._powered_at = now
        if self.quirks.silent or not (self.powered or self._lingers(now)):
            # What comes after a silence is never what came before it.
            self._due_s = None
            return None
        if not self._is_same(now) or self._data is None:
            self._counter = (self._counter + 1) & 0xFFFF
            self._data = self._encode()
        self._rssi += self._chance.uniform(-2, 2) - (self._rssi + 70) / 20
        return Frame(
            address=self.identity.address,
            name=None if self.quirks.bare else self.identity.name,
            rssi=round(self._rssi),
            data=self._data,
        )

    def _lingers(self, now: float) -> bool:
        """Return whether it goes on without power."""
        since = self._powered_at
        return since is not None and now < since + self.quirks.lingers_s

    def _is_same(self, now: float) -> bool:
        """Return whether the last advertisement is still the one to send."""
        if self._due_s is not None and (self.quirks.stands_still or now < self._due_s):
            return True
        self._due_s = now + NEW_EVERY_S
        return False

    def _encode(self) -> bytes:
        quirks = self.quirks
        if self.powered:
            self._values = self.read()
        kind, values = self.kind, self._values
        if quirks.energy_meter and kind is Kind.BATTERY_MONITOR:
            kind = Kind.DC_ENERGY_METER
            known = ("voltage", "current", "starter_voltage")
            values = {
                "monitor_mode": "dc_system",
                **{key: values[key] for key in known},
            }
        counter = self._counter
        if quirks.powers_off:
            counter -= counter % 4
            if "charge_state" in values:
                values = {**values, "charge_state": None}
        data = advertise(
            kind,
            values,
            key=quirks.key or self.identity.key,
            counter=counter,
            model_id=self.identity.model_id,
        )
        if quirks.powers_off and self._counter % 2:
            data = data[:_HEADER_BYTES] + self._chance.randbytes(
                len(data) - _HEADER_BYTES
            )
        if quirks.sends_bytes is not None:
            data = data[: _HEADER_BYTES + quirks.sends_bytes]
        return data

    def _near(self, value: float, noise: float) -> float:
        """Measure a value with the noise (standard deviation) of this device."""
        return value + self._chance.gauss(0, noise)


class SmartShunt(Device):
    """Measures the battery."""

    kind = Kind.BATTERY_MONITOR

    def __init__(self, caravan: Caravan, *, quirks: Quirks = WELL) -> None:
        """Put it into a caravan."""
        super().__init__(caravan, SHUNT, quirks=quirks)

    def read(self) -> Values:
        """Measure."""
        caravan = self._system
        return {
            "voltage": self._near(caravan.voltage_v, 0.003),
            "current": self._near(caravan.current_a, 0.01),
            "consumed_ah": caravan.consumed_ah,
            "soc": caravan.soc * 100,
            "time_to_go": caravan.time_to_go_min,
            "starter_voltage": self._near(caravan.starter_v, 0.003),
        }


class MainsCharger(Device):
    """An IP22: without mains it is dead and sends nothing."""

    kind = Kind.AC_CHARGER

    def __init__(self, caravan: Caravan, *, quirks: Quirks = WELL) -> None:
        """Put it into a caravan."""
        super().__init__(caravan, MAINS_CHARGER, quirks=quirks)

    @property
    def powered(self) -> bool:
        """Whether there is mains."""
        return self._system.mains_charger.powered

    def read(self) -> Values:
        """Measure."""
        charger = self._system.mains_charger
        cable_v = 0.003 * charger.current_a
        return {
            "charge_state": charger.state.value,
            "charger_error": "no_error",
            "output_voltage_1": self._near(self._system.voltage_v + cable_v, 0.004),
            "output_current_1": max(0.0, self._near(charger.current_a, 0.03)),
            "temperature": self._system.mains_charger_c,
        }


class AlternatorCharger(Device):
    """An Orion Smart: it sends while it is off as well."""

    kind = Kind.DC_DC_CONVERTER

    def __init__(self, caravan: Caravan, *, quirks: Quirks = WELL) -> None:
        """Put it into a caravan."""
        super().__init__(caravan, ALTERNATOR_CHARGER, quirks=quirks)

    def read(self) -> Values:
        """Measure."""
        caravan, charger = self._system, self._system.alternator_charger
        values: dict[str, Encodable] = {
            "charge_state": charger.state.value,
            "charger_error": "no_error",
            "input_voltage": self._near(
                caravan.starter_v - 0.012 * charger.current_a, 0.004
            ),
        }
        if charger.state is not ChargeState.OFF:
            output_v = caravan.voltage_v + 0.004 * charger.current_a
            return {**values, "output_voltage": self._near(output_v, 0.004)}
        looks = ("analysing_input_voltage",) if charger.powered else ()
        return {**values, "off_reason": ("engine_shutdown", *looks)}


def fit_out(caravan: Caravan, *, mains_charger: Quirks = WELL) -> tuple[Device, ...]:
    """Return all devices of a caravan, its mains charger with these quirks."""
    return (
        SmartShunt(caravan),
        MainsCharger(caravan, quirks=mains_charger),
        AlternatorCharger(caravan),
    )
