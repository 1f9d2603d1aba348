"""A day of the demo's caravan in fast motion, against the truth of its simulator.

The reference here is reckoned from what the simulator knows, in the plainest way, and
shares no code with the integration.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from simulators.caravan.devices import WELL, Device, Quirks, fit_out
from simulators.caravan.identity import ALTERNATOR_CHARGER, MAINS_CHARGER, SHUNT
from simulators.caravan.physics import Caravan, ChargeState, Plan

from .kit.radio import Radio
from .kit.site import Site

# What the rules say, whichever Home Assistant they are shown by.
pytestmark = pytest.mark.any_homeassistant


STEP_S = 20
TIMEOUT_S = 300
#: Hours: morning at the hook-up, driving, an afternoon without mains.
PLAN = Plan(cycle_h=24.0, start_h=7.5, mains=((7.5, 10.0),), driving=((12.0, 13.5),))
HOURS = 11
#: From when to when (hours of the day) something is wrong with a device.
SILENT = {
    SHUNT.address: ((8.5, 9.0), (16.0, 16.2)),
    MAINS_CHARGER.address: ((8.7, 9.0),),
    ALTERNATOR_CHARGER.address: ((12.6, 13.0),),
}
PLUG = "switch.plug"
#: What shunts measure is noisy.
NOISE = {"voltage": 0.02, "current": 0.06, "power": 1.5}
DEADBAND = {
    "voltage": 0.05,
    "current": 0.2,
    "power": 5,
    "soc": 0.55,
    "consumed_ah": 0.25,
}


@pytest.fixture
def caravan_keys() -> dict[str, str]:
    """The devices of the demo."""
    found = (SHUNT, MAINS_CHARGER, ALTERNATOR_CHARGER)
    return {identity.address: identity.key.hex() for identity in found}


@pytest.fixture
def mains_options(hass: HomeAssistant, caravan_entry: MockConfigEntry) -> None:
    """Have a plug."""
    hass.states.async_set(PLUG, "on")
    hass.config_entries.async_update_entry(
        caravan_entry, options={"mains_switch": PLUG}
    )


@dataclass
class Truth:
    """What somebody knows who hears the devices and remembers all."""

    caravan: Caravan
    now: float = 0.0
    heard: dict[str, float] = field(default_factory=dict)
    """When each device was heard."""
    said: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The truth at that time."""
    voltages: list[tuple[float, float | None]] = field(default_factory=list)
    """The battery's voltage, from when on."""
    recent_minutes: deque[int | None] = field(
        default_factory=lambda: deque(maxlen=70 // STEP_S)
    )
    """The time to go of the last minute: it is written once in it."""
    plug_since: float = -100.0
    plug: bool = True

    def hear(self, device: Device) -> None:
        """Remember the truth at a device's advertisement."""
        caravan, address = self.caravan, device.identity.address
        self.heard[address] = self.now
        if address == SHUNT.address:
            self.recent_minutes.append(caravan.time_to_go_min)
            self.said[address] = {
                "voltage": caravan.voltage_v,
                "current": caravan.current_a,
                "power": caravan.voltage_v * caravan.current_a,
                "soc": caravan.soc * 100,
                "consumed_ah": caravan.consumed_ah,
                "time_to_go": caravan.time_to_go_min,
            }
        elif address == MAINS_CHARGER.address:
            charger = caravan.mains_charger
            volts = caravan.voltage_v + 0.003 * charger.current_a
            self.said[address] = {
                "voltage": volts,
                "current": charger.current_a,
                "power": volts * charger.current_a,
                "state": charger.state,
            }
        else:
            self.said[address] = {"state": caravan.alternator_charger.state}

    def is_fresh(self, address: str) -> bool | None:
        """Tell whether a device counts; None: that is about to change."""
        silent_s = self.now - self.heard.get(address, -1e9)
        if silent_s <= TIMEOUT_S:
            return True
        return False if silent_s > TIMEOUT_S + 2 else None

    def best(self, quantity: str) -> float | None:
        """Give a quantity of the battery; None: nobody fresh knows it."""
        for address in (SHUNT.address, MAINS_CHARGER.address):
            if self.is_fresh(address) and quantity in self.said[address]:
                value: float | None = self.said[address][quantity]
                return value
        return None

    def note_voltage(self) -> None:
        """Remember the battery's voltage."""
        voltage = self.best("voltage")
        if not self.voltages or self.voltages[-1][1] != voltage:
            self.voltages.append((self.now, voltage))

    def window(self) -> list[tuple[float, float]]:
        """Give the voltages of the last 15 minutes, with how long each counted, s."""
        ends = [begin for begin, _ in self.voltages[1:]] + [self.now]
        start = self.now - 900
        return [
            (voltage, end - max(begin, start))
            for (begin, voltage), end in zip(self.voltages, ends, strict=True)
            if voltage is not None and (end > start or end == self.now)
        ]

    def mains(self) -> bool | None:
        """Tell whether the plug says that there is mains; None: not for 2 s yet."""
        return self.plug if self.now - self.plug_since > 3 else None

    def alternator(self) -> bool | None:
        """Tell whether the Orion charges; None: it is not fresh."""
        if not self.is_fresh(ALTERNATOR_CHARGER.address):
            return None
        state: ChargeState = self.said[ALTERNATOR_CHARGER.address]["state"]
        return state is not ChargeState.OFF


def _phase(truth: Truth) -> str | None:
    """Return the phase of what charges, else off; None: nothing is fresh."""
    charger = truth.is_fresh(MAINS_CHARGER.address)
    state = truth.said[MAINS_CHARGER.address]["state"] if charger else ChargeState.OFF
    if truth.mains() and state is not ChargeState.OFF:
        return str(state)
    if truth.alternator():
        return str(truth.said[ALTERNATOR_CHARGER.address]["state"])
    return "off" if charger or truth.alternator() is not None else None


def _states(site: Site) -> Iterator[tuple[str, str]]:
    for key in (*DEADBAND, "time_to_go", "source", "power_source", "status"):
        yield key, site.state(key, owner="battery")
    for key in ("charging_phase", "voltage_change_15m", "voltage_mean_15m"):
        yield key, site.state(key, owner="battery")
    for key in ("mains_present", "alternator_charging", "charging_now"):
        yield key, site.state(key, "binary_sensor", "battery")


def check(site: Site, truth: Truth) -> None:
    """Compare what is shown with the truth."""
    shown = dict(_states(site))
    where = f"at {truth.caravan.hour:.3f} h: {shown}"
    for key, deadband in DEADBAND.items():
        expected = truth.best(key)
        if expected is None:
            assert shown[key] == "unknown", f"{key} {where}"
        else:
            tolerance = deadband + NOISE.get(key, 0)
            assert float(shown[key]) == pytest.approx(expected, abs=tolerance), (
                f"{key} {where}"
            )
    shunt, charger = (
        truth.is_fresh(SHUNT.address),
        truth.is_fresh(MAINS_CHARGER.address),
    )
    source = "battery_monitor" if shunt else "charger" if charger else "none"
    assert shown["source"] == source, where
    if not shunt:
        assert shown["time_to_go"] == shown["charging_now"] == "unknown", where
    else:
        assert any(
            shown["time_to_go"] == "unknown"
            if minutes is None
            else shown["time_to_go"] != "unknown"
            and abs(float(shown["time_to_go"]) - minutes) <= max(5, minutes * 0.12)
            for minutes in truth.recent_minutes
        ), where
    mains, alternator = truth.mains(), truth.alternator()
    if mains is not None:
        assert shown["mains_present"] == ("on" if mains else "off"), where
        expected_source = (
            "mains" if mains else "alternator" if alternator else "battery"
        )
        assert shown["power_source"] == expected_source, where
    names = {True: "on", False: "off", None: "unknown"}
    assert shown["alternator_charging"] == names[alternator], where
    if shunt and abs(truth.said[SHUNT.address]["current"] - 0.3) > 0.1:
        charging = truth.said[SHUNT.address]["current"] > 0.3
        assert shown["charging_now"] == names[charging], where
    if mains is not None:
        assert shown["charging_phase"] == (_phase(truth) or "unknown"), where
    window = truth.window()
    if truth.best("voltage") is None:
        assert shown["voltage_change_15m"] == shown["voltage_mean_15m"] == "unknown"
    else:
        change = window[-1][0] - window[0][0]
        known_s = sum(seconds for _, seconds in window)
        mean = sum(volts * seconds for volts, seconds in window) / max(known_s, 1e-9)
        assert float(shown["voltage_change_15m"]) == pytest.approx(change, abs=0.08), (
            where
        )
        if known_s:
            assert float(shown["voltage_mean_15m"]) == pytest.approx(mean, abs=0.07), (
                where
            )


async def test_a_day(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    radio: Radio,
    mains_options: None,
    caravan: Site,
) -> None:
    """At every minute the battery is what it was, as far as it could be heard."""
    model = Caravan(plan=PLAN, soc=0.5)
    devices = fit_out(model)
    truth = Truth(model)
    seen: set[str] = set()
    for step in range(1, HOURS * 3600 // STEP_S):
        freezer.tick(timedelta(seconds=STEP_S))
        truth.now += STEP_S
        model.advance(STEP_S)
        if model.mains is not truth.plug:
            truth.plug, truth.plug_since = model.mains, truth.now
            hass.states.async_set(PLUG, "on" if model.mains else "off")
        for device in devices:
            spans = SILENT[device.identity.address]
            silent = any(begin <= model.hour < end for begin, end in spans)
            device.quirks = Quirks(silent=True) if silent else WELL
            if frame := device.transmit(truth.now):
                radio.send(frame.data, frame.address, rssi=frame.rssi)
                truth.hear(device)
        truth.note_voltage()
        async_fire_time_changed(hass)
        if step % (60 // STEP_S) == 0:
            # What is shown may be a second old.
            freezer.tick(timedelta(seconds=1))
            truth.now += 1
            model.advance(0)
            async_fire_time_changed(hass)
            await hass.async_block_till_done()
            check(caravan, truth)
            seen.add(caravan.state("power_source", owner="battery"))
            seen.add(caravan.state("source", owner="battery"))
    assert seen == {
        "mains",
        "alternator",
        "battery",
        "battery_monitor",
        "charger",
        "none",
    }
