"""The devices of the boat: what they measure, as they send it."""

from typing import Final, override

from simulators.bms import Battery, Jbd, SimulatedBms
from simulators.caravan.devices import Device, Values
from simulators.caravan.physics import ChargeState
from simulators.victron import Kind

from .identity import MULTIPLUS, PACKS, SOLAR_CHARGER, PackIdentity
from .physics import Boat, Pack

_SPREAD_V: Final = (0.0, 0.002, 0.005, -0.003)
"""How far each cell is from the mean, V."""
_CABIN_C: Final = 19.0


class MultiPlus(Device[Boat]):
    """An inverter/charger, by its VE.Bus Smart dongle. No battery monitor: no SoC."""

    kind = Kind.VE_BUS

    def __init__(self, boat: Boat) -> None:
        """Put it into a boat."""
        super().__init__(boat, MULTIPLUS)

    @override
    def read(self) -> Values:
        """Measure."""
        boat = self._system
        state = "inverting"
        if boat.mains:
            charges = boat.charger.state
            state = "bulk" if charges is ChargeState.OFF else charges.value
        elif not boat.inverts:
            state = "off"
        return {
            "device_state": state,
            "vebus_error": 0,
            "battery_current": self._near(boat.multiplus_a, 0.05),
            "battery_voltage": self._near(boat.voltage_v, 0.004),
            "active_ac_in": "ac_in_1" if boat.mains else "not_connected",
            "active_ac_in_power": round(boat.mains_w),
            "ac_out_power": round(boat.ac_load_w),
            "alarm": "none",
            "battery_temperature": round(_CABIN_C),
        }


class SolarCharger(Device[Boat]):
    """A SmartSolar: it sends at night as well, because the battery feeds it."""

    kind = Kind.SOLAR_CHARGER

    def __init__(self, boat: Boat) -> None:
        """Put it into a boat."""
        super().__init__(boat, SOLAR_CHARGER)

    @override
    def read(self) -> Values:
        """Measure."""
        boat, charger = self._system, self._system.solar_charger
        return {
            "charge_state": charger.state.value,
            "charger_error": "no_error",
            "battery_voltage": self._near(
                boat.voltage_v + 0.003 * charger.current_a, 0.004
            ),
            "battery_current": max(0.0, round(charger.current_a, 1)),
            "yield_today": int(boat.yield_today_wh / 10) / 100,
            "pv_power": round(boat.pv_w),
        }


def fit_out(boat: Boat) -> tuple[Device[Boat], ...]:
    """Return all Victron devices of a boat."""
    return MultiPlus(boat), SolarCharger(boat)


def measure(pack: Pack, voltage_v: float) -> Battery:
    """Return what the BMS of a pack measures."""
    warm_c = _CABIN_C + 0.05 * abs(pack.current_a)
    return Battery(
        voltage=voltage_v,
        current=pack.current_a,
        soc=round(pack.soc * 100),
        remaining_ah=pack.soc * pack.capacity_ah,
        capacity_ah=pack.capacity_ah,
        cycles=int(pack.drawn_ah / pack.capacity_ah),
        cells=tuple(voltage_v / 4 + spread_v for spread_v in _SPREAD_V),
        temperatures=(round(warm_c, 1), round(warm_c - 0.7, 1)),
    )


class BmsOfPack(SimulatedBms):
    """The BMS of a pack: measures when it is asked."""

    def __init__(self, boat: Boat, pack: Pack, identity: PackIdentity) -> None:
        """Put it onto a pack."""
        super().__init__(Jbd(), identity.address)
        self._boat = boat
        self._pack = pack

    @override
    async def request(self, data: bytes) -> None:
        """Take a request and answer it."""
        self.battery = measure(self._pack, self._boat.voltage_v)
        await super().request(data)


def fit_packs(boat: Boat) -> tuple[BmsOfPack, ...]:
    """Return the BMSs of a boat's packs."""
    return tuple(
        BmsOfPack(boat, pack, identity)
        for pack, identity in zip(boat.packs, PACKS, strict=True)
    )
