"""What is counted of the battery, over readings, gaps, restarts and resets."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.battery.bank import with_bank
from custom_components.bmw_wallbox_victron.battery.battery import Battery, Settings
from custom_components.bmw_wallbox_victron.battery.counters import Counters, Meter
from custom_components.bmw_wallbox_victron.battery.power_source import Plug
from custom_components.bmw_wallbox_victron.battery.sources import Source, role_of

START = datetime(2026, 6, 1, tzinfo=UTC)
SETTINGS = Settings(nominal_voltage=12)
HOUR = 3600.0


class Site:
    """Devices that are heard, a battery and its meter."""

    def __init__(self) -> None:
        self.now = 0.0
        self.wall = START
        self.devices: dict[str, Source] = {}
        self.battery = Battery()
        self.meter = Meter(Counters(), now=0.0, utcnow=START)

    def hear(self, name: str, kind: str, **values: Any) -> None:
        """Hear a device say something, new or again."""
        before = self.devices.get(name)
        role = role_of(kind, values)
        assert role is not None
        repeated = before is not None and before.fresh and before.values == values
        source = Source(
            role=role,
            kind=kind,
            fresh=True,
            values=values,
            heard_at=self.now,
            read_at=before.read_at if before and repeated else self.now,
            stood_until=before.heard_at if before and not repeated else 0.0,
            id=name,
            name=name,
        )
        if before is not None and repeated:
            source = replace(source, stood_until=before.stood_until)
        self.devices[name] = source
        if not repeated:
            self.look()

    def silence(self, name: str) -> None:
        """Let a device not be fresh any more."""
        self.devices[name] = replace(self.devices[name], fresh=False, values={})
        self.look()

    def look(self) -> None:
        """Bring all up to date."""
        devices = list(self.devices.values())
        self.battery.update(devices, Plug(), SETTINGS, self.now)
        self.meter.take(
            with_bank(devices, SETTINGS.bank_mode),
            self.battery.state,
            SETTINGS,
            nominal_voltage=self.battery.nominal,
            now=self.now,
            utcnow=self.wall,
        )

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.wall += timedelta(seconds=seconds)

    def restart(self, away_s: float) -> None:
        """Home Assistant is away for a while; the steady clock begins anew."""
        self.wall += timedelta(seconds=away_s)
        self.now = 5.0
        self.devices.clear()
        self.battery = Battery()
        self.meter = Meter(self.meter.counters, now=self.now, utcnow=self.wall)

    @property
    def counters(self) -> Counters:
        return self.meter.counters


def shunt(site: Site, amperes: float, **values: Any) -> None:
    site.hear(
        "shunt",
        "battery_monitor",
        voltage=12.0,
        current=amperes,
        power=12.0 * amperes,
        **values,
    )


def test_an_hour_of_charging_and_one_of_discharging() -> None:
    site = Site()
    for amperes in (10.0, -5.0):
        shunt(site, amperes)
        for _ in range(60):
            site.wait(60)
            shunt(site, amperes)
        site.look()
        site.devices.clear()
        site.look()
    assert site.counters.energy_charged == pytest.approx(0.12, rel=1e-6)
    assert site.counters.energy_discharged == pytest.approx(0.06, rel=1e-6)
    assert site.counters.history.discharged_ah == pytest.approx(5.0)
    assert site.counters.history.coverage == pytest.approx(100.0)


def test_a_restart_is_a_gap() -> None:
    site = Site()
    shunt(site, -10.0)
    site.wait(100)
    shunt(site, -10.5)
    before = site.counters
    site.restart(away_s=100)
    shunt(site, -10.0)
    assert site.counters.energy_discharged == before.energy_discharged
    assert site.counters.history.coverage == pytest.approx(50.0)
    site.wait(100)
    shunt(site, -10.5)
    assert site.counters.history.coverage == pytest.approx(200 / 3)


def test_a_monitor_that_falls_silent() -> None:
    site = Site()
    shunt(site, -10.0)
    site.wait(100)
    shunt(site, -10.0)
    site.wait(301)
    site.silence("shunt")
    assert site.counters.energy_discharged == pytest.approx(120 * 100 / 3.6e6)
    assert site.counters.history.coverage == pytest.approx(100 * 100 / 401)


def test_the_sun_is_the_chargers_own_counter_over_midnight() -> None:
    site = Site()
    for today in (1.20, 1.30, 1.30, 0.0, 0.25):
        site.hear("mppt", "solar_charger", yield_today=today, pv_power=10)
        site.wait(HOUR)
    assert site.counters.solar_energy == pytest.approx(0.35)


def test_the_sun_that_is_heard_once_a_minute_beside_others() -> None:
    """3 kW; what others said since it was heard is no reading of it."""
    site = Site()
    for minute in range(11):
        site.hear("mppt", "solar_charger", yield_today=0.05 * minute, pv_power=3000)
        for second in range(60):
            site.wait(1)
            shunt(site, 10.0 + second % 2)
    assert site.counters.solar_energy == pytest.approx(0.5)


def test_an_unplugged_charger_invents_nothing() -> None:
    """A charger that is unplugged stays fresh for five minutes."""
    site = Site()
    shunt(site, 10.0)
    charger = {
        "charge_state": "bulk",
        "output_voltage_1": 12.0,
        "output_current_1": 15.0,
    }
    site.hear("ip22", "ac_charger", **charger)
    for _ in range(60):
        site.wait(60)
        shunt(site, 10.0)
        site.hear("ip22", "ac_charger", **charger)
        site.look()
    for _ in range(5):
        site.wait(60)
        shunt(site, -5.0)
        site.look()
    site.silence("ip22")
    for _ in range(55):
        site.wait(60)
        shunt(site, -5.0)
        site.look()
    assert site.counters.mains_energy == pytest.approx(0.18, rel=1e-3)
    # 60 W are used all the time; that of the minutes in between is not known.
    assert site.counters.load_energy == pytest.approx(0.12 - 0.005, abs=0.002)


def test_the_capacity_follows_from_what_a_monitor_counts() -> None:
    site = Site()
    shunt(site, -5.0, soc=95.0, consumed_ah=-5.0)
    assert site.counters.capacity_ah is None
    site.wait(60)
    shunt(site, -5.0, soc=80.0, consumed_ah=-40.0)
    assert site.counters.capacity_ah == 200


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("shunt"), st.floats(-200, 200)),
            st.tuples(st.just("silence"), st.just(0.0)),
            st.tuples(st.just("wait"), st.floats(0, 900)),
            st.tuples(st.just("restart"), st.floats(-7200, 7200)),
            st.tuples(st.just("sun"), st.floats(0, 5)),
            st.tuples(st.just("charger"), st.floats(0, 60)),
        ),
        max_size=40,
    )
)
def test_nothing_ever_falls(steps: list[tuple[str, float]]) -> None:
    """Any order of readings, gaps, restarts and clocks that were set back."""
    site = Site()
    for what, amount in steps:
        before = site.counters
        if what == "shunt":
            shunt(site, amount)
        elif what == "silence" and "shunt" in site.devices:
            site.silence("shunt")
        elif what == "wait":
            site.wait(amount)
            site.look()
        elif what == "restart":
            site.restart(amount)
        elif what == "sun":
            site.hear("mppt", "solar_charger", yield_today=amount, pv_power=100)
        elif what == "charger":
            site.hear(
                "ip22",
                "ac_charger",
                charge_state="bulk",
                output_voltage_1=14.0,
                output_current_1=amount,
            )
        after = site.counters
        for name in (
            "energy_charged",
            "energy_discharged",
            "solar_energy",
            "mains_energy",
            "load_energy",
        ):
            assert getattr(after, name) >= getattr(before, name), name
        assert after.history.covered_s <= after.history.elapsed_s + 1e-6
        assert after.history.discharged_ah >= before.history.discharged_ah
