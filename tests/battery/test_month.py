"""A month of a battery in virtual time, against what truly flowed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
import gc
import math
import random
from typing import Final

import pytest

from custom_components.bmw_wallbox_victron.battery.bank import with_bank
from custom_components.bmw_wallbox_victron.battery.battery import Battery, Settings
from custom_components.bmw_wallbox_victron.battery.counters import Counters, Meter
from custom_components.bmw_wallbox_victron.battery.power_source import Plug
from custom_components.bmw_wallbox_victron.battery.sources import Source, role_of
from custom_components.bmw_wallbox_victron.readings import Value

START: Final = datetime(2026, 6, 1, tzinfo=UTC)
#: What is heard every 3 min here counts for 15: with the 5 of most sites a month takes
#: three times as long, and shows the same.
SETTINGS: Final = Settings(nominal_voltage=12, freshness_timeout_s=900.0)
STEP_S: Final = 180.0
DAY_S: Final = 86400.0
MONTH_S: Final = 30 * DAY_S
LOST: Final = 0.2
CAPACITY_AH: Final = 200.0
#: When Home Assistant is not there, in s: three restarts.
RESTARTS: Final = ((5.3 * DAY_S, 360.0), (14.6 * DAY_S, 3600.0), (22.1 * DAY_S, 540.0))
#: When nothing is heard though it is there: a proxy without power.
OUTAGES: Final = ((9.4 * DAY_S, 5 * 3600.0), (18.8 * DAY_S, 14 * 3600.0))

ENERGIES: Final = (
    "energy_charged",
    "energy_discharged",
    "solar_energy",
    "mains_energy",
    "alternator_energy",
    "load_energy",
)


@dataclass
class Truth:
    """A battery with sun, shore power every fifth night, and drives."""

    rng: random.Random
    soc_ah: float = CAPACITY_AH
    energies: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(ENERGIES, 0.0)
    )
    """What truly flowed while it could be heard, in kWh."""
    discharged_ah: float = 0.0
    """What was truly drawn while it could be heard, in Ah."""
    heard_s: float = 0.0
    """For how long it could be heard, in s."""
    today_kwh: float = 0.0
    """What the sun gave since midnight, in kWh."""
    load_w: float = 60.0

    def step(
        self, now: float, audible: bool
    ) -> dict[str, tuple[str, dict[str, Value]]]:
        """Let a step pass; return what the devices say at its end.

        `audible`: whether anything of this step can be heard. The sun's own counter
        goes on while nobody hears it. A charger without mains, and one of which the
        engine rests, say nothing.
        """
        day_s = now % DAY_S
        day = int(now // DAY_S)
        if self.rng.random() < 0.02:
            self.load_w = self.rng.choice((8.0, 25.0, 60.0, 130.0, 260.0))
        height = math.sin(math.pi * (day_s - 6 * 3600) / (14 * 3600))
        sun = max(0.0, 300 * height) if 6 * 3600 < day_s < 20 * 3600 else 0.0
        sun *= 0.3 + 0.7 * (day % 3 > 0)
        mains = 250.0 if day % 5 == 3 and (day_s > 20 * 3600) else 0.0
        drive = 300.0 if day % 4 == 1 and 10 * 3600 < day_s < 12 * 3600 else 0.0
        on_mains = mains > 0 or (day % 5 == 4 and day_s < 3600)
        engine = day % 4 == 1 and 9.5 * 3600 < day_s < 12.5 * 3600
        room = self.soc_ah < CAPACITY_AH
        if not room:  # the chargers give what is used, the sun first
            need = self.load_w
            sun = min(sun, need)
            mains = min(mains, need - sun)
            drive = min(drive, need - sun - mains)
        battery_w = sun + mains + drive - self.load_w
        volts = 13.0 + 0.6 * (battery_w > 0)
        amperes = battery_w / volts
        self.soc_ah = min(self.soc_ah + amperes * STEP_S / 3600, CAPACITY_AH)
        if day_s < STEP_S:
            self.today_kwh = 0.0
        hours = STEP_S / 3600
        self.today_kwh += sun * hours / 1000
        if audible:
            self.heard_s += STEP_S
            self.discharged_ah += max(-amperes, 0.0) * hours
            for key, watts in (
                ("energy_charged", max(battery_w, 0.0)),
                ("energy_discharged", max(-battery_w, 0.0)),
                ("mains_energy", mains),
                ("alternator_energy", drive),
                ("load_energy", self.load_w),
            ):
                self.energies[key] += watts * hours / 1000
        self.energies["solar_energy"] += sun * hours / 1000
        says: dict[str, tuple[str, dict[str, Value]]] = {
            "shunt": (
                "battery_monitor",
                {
                    "voltage": volts,
                    "current": amperes,
                    "power": battery_w,
                    "soc": round(100 * self.soc_ah / CAPACITY_AH, 1),
                    "consumed_ah": round(self.soc_ah - CAPACITY_AH, 1),
                },
            ),
            "mppt": (
                "solar_charger",
                {
                    "charge_state": "bulk" if sun else "off",
                    "battery_voltage": volts,
                    "battery_current": sun / volts,
                    "pv_power": sun,
                    "yield_today": math.floor(self.today_kwh * 100) / 100,
                },
            ),
        }
        if on_mains:
            says["ip22"] = (
                "ac_charger",
                {
                    "charge_state": "bulk" if mains else "off",
                    "output_voltage_1": volts,
                    "output_current_1": mains / volts,
                },
            )
        if engine:
            says["orion"] = (
                "orion_xs",
                {
                    "charge_state": "bulk" if drive else "off",
                    "output_voltage": volts,
                    "output_current": drive / volts,
                },
            )
        return says


class Listener:
    """What hears the devices, and counts; it may be restarted."""

    def __init__(self) -> None:
        self.now = 0.0
        self.counters = Counters()
        self.restart(0.0)

    def restart(self, now: float) -> None:
        """Begin with what was counted; nothing was heard yet."""
        self.wall = START + timedelta(seconds=now)
        self.devices: dict[str, Source] = {}
        self.battery = Battery()
        self.meter = Meter(self.counters, now=now, utcnow=self.wall)

    def hear(self, name: str, kind: str, values: dict[str, Value], now: float) -> None:
        """Hear a device; what it repeats stands for longer."""
        before = self.devices.get(name)
        fresh = before is not None and before.fresh
        repeated = fresh and before is not None and before.values == values
        role = role_of(kind, values)
        assert role is not None
        read_at, stood_until = now, 0.0 if before is None else before.heard_at
        if before is not None and repeated:
            read_at, stood_until = before.read_at, before.stood_until
        self.devices[name] = Source(
            role=role,
            kind=kind,
            fresh=True,
            values=values,
            heard_at=now,
            read_at=read_at,
            stood_until=stood_until,
            id=name,
            name=name,
        )

    def look(self, now: float) -> None:
        """Let what was not heard for long go, and count."""
        for name, device in self.devices.items():
            if device.fresh and now - device.heard_at >= SETTINGS.freshness_timeout_s:
                self.devices[name] = Source(
                    role=device.role,
                    kind=device.kind,
                    fresh=False,
                    values={},
                    heard_at=device.heard_at,
                    read_at=device.read_at,
                    stood_until=device.stood_until,
                    id=name,
                    name=name,
                )
        devices = list(self.devices.values())
        self.battery.update(devices, Plug(), SETTINGS, now)
        self.meter.take(
            with_bank(devices, SETTINGS.bank_mode),
            self.battery.state,
            SETTINGS,
            nominal_voltage=12,
            now=now,
            utcnow=START + timedelta(seconds=now),
        )
        self.counters = self.meter.counters


def within(now: float, spans: tuple[tuple[float, float], ...]) -> bool:
    return any(begin < now <= begin + length for begin, length in spans)


def totals(counters: Counters) -> Iterator[float]:
    for key in ENERGIES:
        yield getattr(counters, key)
    history = counters.history
    yield from (history.discharged_ah, history.cycles, history.covered_s)


@pytest.fixture
def _frozen_heap() -> Iterator[None]:
    """Spare what other tests left: looking through it takes most of a month."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_frozen_heap")
def test_a_month() -> None:
    """A fifth of what is said is lost, three restarts, two outages."""
    rng = random.Random(1)
    truth, listener = Truth(rng), Listener()
    away, before = False, tuple(totals(listener.counters))
    for number in range(1, int(MONTH_S / STEP_S) + 1):
        now = number * STEP_S
        gone, deaf = within(now, RESTARTS), within(now, OUTAGES)
        says = truth.step(now, not gone and not deaf)
        if gone:
            away = True
            continue
        if away:
            away = False
            listener.restart(now)
        if not deaf:
            for name, (kind, values) in says.items():
                if rng.random() >= LOST:
                    listener.hear(name, kind, values, now)
        listener.look(now)
        after = tuple(totals(listener.counters))
        assert all(new >= old for old, new in zip(before, after, strict=True))
        before = after

    counters, history = listener.counters, listener.counters.history
    counted = {key: getattr(counters, key) for key in ENERGIES}
    assert min(truth.energies.values()) > 0.5, truth.energies
    assert counted == pytest.approx(truth.energies, rel=0.02)
    assert history.discharged_ah == pytest.approx(truth.discharged_ah, rel=0.02)
    assert history.cycles == pytest.approx(truth.discharged_ah / CAPACITY_AH, rel=0.03)
    assert history.coverage == pytest.approx(100 * truth.heard_s / MONTH_S, abs=2)
    assert counters.capacity_ah == pytest.approx(CAPACITY_AH, rel=0.02)
