"""What an owner sees and sets of charging."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
)
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util
import pytest

from custom_components.bmw_wallbox_victron.charging.plan import PlanSlot
from custom_components.bmw_wallbox_victron.charging.settings import LimitReason
from custom_components.bmw_wallbox_victron.charging.status import (
    ChargingStatus,
    LimitMessage,
)
from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.coordinator import (
    SiteCoordinator,
    SiteData,
)
from simulators.wallbox import DELTA, Car
from simulators.wallbox.noise import NoisyCharger

from .kit.automations import automate
from .kit.bench import Bench, MakeBench
from .kit.site import (
    CHARGE_POINT_ID,
    MakeWallbox,
    Site,
    reload,
    settle,
    switch_charging,
)
from .kit.strings import STRINGS
from .kit.time import let_pass

BERLIN = dt_util.get_time_zone("Europe/Berlin")
NOON = datetime(2026, 11, 30, 12, 0, tzinfo=BERLIN)
HELD = ChargingStatus(
    limit_a=13.8, reason=LimitReason.MAIN_FUSE, message=LimitMessage.MAIN_FUSE
)
DONE = ChargingStatus(
    limit_a=0, reason=LimitReason.TARGET_REACHED, message=LimitMessage.TARGET_REACHED
)
CONDITIONAL = {
    "charging_mode": "select",
    "session_cost": "sensor",
    "session_solar_share": "sensor",
}
ALWAYS = {
    "target_energy": "number",
    "ready_by": "time",
    "start_at": "datetime",
    "plan": "switch",
    "limit_reason": "sensor",
    "plan_start": "sensor",
    "car_asleep": "binary_sensor",
}


@pytest.fixture(autouse=True)
async def _berlin(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """Be in Berlin, at noon of a Monday in winter."""
    await hass.config.async_set_time_zone("Europe/Berlin")
    freezer.move_to(NOON)
    # Every step of the frozen clock looks like a slow one.
    hass.loop.slow_callback_duration = 1e9


class Shown:
    """What was decided of the wallbox and what the options bring, as a test has it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Begin with nothing."""
        self._monkeypatch = monkeypatch
        self._pinned: SiteCoordinator | None = None
        self._changes: dict[str, Any] = {"charging": {}, "charging_tells": frozenset()}
        self._connected: bool | None = None

    def pin(self, coordinator: SiteCoordinator) -> None:
        """Have the coordinator publish this, with all else as it is."""
        snapshot = coordinator._snapshot

        def pinned() -> SiteData:
            data = replace(snapshot(), **self._changes)
            if self._connected is None:
                return data
            box = replace(data.wallboxes[CHARGE_POINT_ID], connected=self._connected)
            return replace(data, wallboxes={CHARGE_POINT_ID: box})

        self._monkeypatch.setattr(coordinator, "_snapshot", pinned)
        self._pinned = coordinator

    async def __call__(
        self,
        site: Site,
        status: ChargingStatus | None = None,
        *,
        tells: set[str] | None = None,
        connected: bool | None = None,
    ) -> None:
        """Show a status, what the options bring, and whether the wallbox is there."""
        if status is not None:
            self._changes["charging"] = {CHARGE_POINT_ID: status}
        if tells is not None:
            self._changes["charging_tells"] = frozenset(tells)
        if connected is not None:
            self._connected = connected
        coordinator: SiteCoordinator = site.entry.runtime_data
        if coordinator is not self._pinned:
            self.pin(coordinator)
        await coordinator.async_refresh()
        await site.hass.async_block_till_done()


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Show a status of the charging."""
    return Shown(monkeypatch)


def attributes(site: Site, key: str) -> dict[str, Any]:
    """Return the attributes of a sensor."""
    state = site.hass.states.get(site.entity_id("sensor", key))
    assert state is not None
    return dict(state.attributes)


async def call(site: Site, platform: str, key: str, service: str, **data: Any) -> None:
    """Have an entity do something."""
    await site.hass.services.async_call(
        platform,
        service,
        {"entity_id": site.entity_id(platform, key), **data},
        blocking=True,
    )


def settings(site: Site) -> Any:
    """Return what is set for charging."""
    return site.entry.runtime_data.stations[CHARGE_POINT_ID].state.target.charging


def missing(site: Site) -> set[str]:
    """Return the entities that there are not."""
    registry = er.async_get(site.hass)
    return {
        key
        for key, platform in (CONDITIONAL | ALWAYS).items()
        if registry.async_get_entity_id(platform, DOMAIN, f"{CHARGE_POINT_ID}_{key}")
        is None
    }


# Which there are


async def test_they_come_and_go_with_what_is_configured(
    hass: HomeAssistant, site: Site
) -> None:
    """Without a restart; those that need nothing are always there."""

    async def configure(**options: Any) -> set[str]:
        hass.config_entries.async_update_entry(site.entry, options=options)
        await hass.async_block_till_done()
        return missing(site)

    coordinator = site.entry.runtime_data
    assert missing(site) == CONDITIONAL.keys()
    assert await configure(fixed_price=0.3) == CONDITIONAL.keys() - {"session_cost"}
    assert await configure(price="sensor.p") == CONDITIONAL.keys() - {"session_cost"}
    assert await configure(grid_power="sensor.g", fixed_price=0.3) == set()
    assert site.state("charging_mode", "select") == "fast"
    assert await configure(grid_power="sensor.g") == {"session_cost"}
    assert await configure() == CONDITIONAL.keys()
    assert await configure(grid_power="sensor.g", fixed_price=0.0) == set()
    assert site.entry.runtime_data is coordinator
    # What their owner calls them stays over a restart.
    mine = "select.how_fast"
    er.async_get(hass).async_update_entity(
        site.entity_id("select", "charging_mode"), new_entity_id=mine
    )
    await reload(hass, site)
    assert missing(site) == set()
    assert site.entity_id("select", "charging_mode") == mine


async def test_entity_ids_that_come_late(hass: HomeAssistant, site: Site) -> None:
    """They are like those of the wallbox, whichever area it has got meanwhile."""
    registry, devices = er.async_get(hass), dr.async_get(hass)
    first = registry.async_get(site.entity_id("sensor", "status"))
    assert first is not None
    assert first.device_id is not None
    area = ar.async_get(hass).async_create("Garage")
    devices.async_update_device(first.device_id, area_id=area.id)
    hass.config_entries.async_update_entry(
        site.entry, options={"grid_power": "sensor.g"}
    )
    await hass.async_block_till_done()
    assert (
        site.entity_id("select", "charging_mode") == "select.bmw_wallbox_charging_mode"
    )
    # Where their owner has given all of them other ones, it is like these.
    for entity in er.async_entries_for_device(registry, first.device_id):
        carports = entity.entity_id.replace("bmw_wallbox", "carport")
        registry.async_update_entity(entity.entity_id, new_entity_id=carports)
    hass.config_entries.async_update_entry(
        site.entry, options={"grid_power": "sensor.g", "fixed_price": 0.3}
    )
    await hass.async_block_till_done()
    assert site.entity_id("sensor", "session_cost") == "sensor.carport_session_cost"


async def test_controls_are_no_settings(site: Site, show: Shown) -> None:
    """They stand on the card of the device, and none is off by default."""
    await show(site, HELD, tells=set(CONDITIONAL))
    registry = er.async_get(site.hass)
    for key, platform in (CONDITIONAL | ALWAYS).items():
        entity = registry.async_get(site.entity_id(platform, key))
        assert entity is not None
        assert entity.entity_category is None
        assert entity.disabled_by is None


# What is set


@pytest.mark.parametrize(
    ("platform", "key", "service", "data", "state"),
    [
        ("number", "target_energy", "set_value", {"value": 12.5}, "12.5"),
        ("time", "ready_by", "set_value", {"time": "06:30:00"}, "06:30:00"),
        (
            "datetime",
            "start_at",
            "set_value",
            {"datetime": "2026-11-30 22:00:00"},
            "2026-11-30T21:00:00+00:00",
        ),
        ("switch", "plan", "turn_on", {}, "on"),
        ("select", "charging_mode", "select_option", {"option": "solar"}, "solar"),
    ],
)
async def test_set_while_the_wallbox_is_away(
    site: Site,
    platform: str,
    key: str,
    service: str,
    data: dict[str, Any],
    state: str,
    show: Shown,
) -> None:
    """It counts, is on the disk, and stands after a restart."""
    await show(site, tells=set(CONDITIONAL))
    assert site.state(key, platform) != STATE_UNAVAILABLE
    await call(site, platform, key, service, **data)
    assert settings(site) == replace(
        settings(site), **{key: settings(site).__getattribute__(key)}
    )
    if key in ALWAYS:
        assert site.state(key, platform) == state
    await reload(site.hass, site)
    await show(site, tells=set(CONDITIONAL))
    assert site.state(key, platform) == state


async def test_defaults(site: Site) -> None:
    """No target, ready at seven, nothing waits, no plan."""
    assert float(site.state("target_energy", "number")) == 0
    assert site.state("ready_by", "time") == "07:00:00"
    assert site.state("start_at", "datetime") == STATE_UNKNOWN
    assert site.state("plan", "switch") == STATE_OFF
    assert site.state("limit_reason") == STATE_UNAVAILABLE
    assert site.state("plan_start") == STATE_UNKNOWN


@pytest.mark.parametrize("value", [-0.5, 100.5, float("nan")])
async def test_no_such_target(site: Site, value: float) -> None:
    """A target has its limits."""
    with pytest.raises(ServiceValidationError):
        await call(site, "number", "target_energy", "set_value", value=value)
    assert settings(site).target_energy == 0


@pytest.mark.parametrize(
    "moment", [NOON, NOON - timedelta(days=1), NOON.replace(hour=0) - timedelta(days=1)]
)
async def test_a_start_that_has_passed(site: Site, moment: datetime) -> None:
    """It is refused with a sentence that says what to do."""
    with pytest.raises(ServiceValidationError) as raised:
        await call(
            site, "datetime", "start_at", "set_value", datetime=moment.isoformat()
        )
    assert raised.value.translation_key == "start_has_passed"
    assert settings(site).start_at is None


async def test_today_without_a_time(site: Site) -> None:
    """A dashboard sends midnight for a day; the time is chosen after that."""
    midnight = NOON.replace(hour=0)
    await call(site, "datetime", "start_at", "set_value", datetime=midnight.isoformat())
    assert settings(site).start_at == NOON.replace(hour=23, minute=59)


async def test_what_was_lost_is_not_shown(site: Site, show: Shown) -> None:
    """Until it is set again: nobody knows what it was."""
    station = site.entry.runtime_data.stations[CHARGE_POINT_ID]
    target = replace(station.state.target, lost=("charging",))
    station.update(replace(station.state, target=target))
    await show(site, tells={"charging_mode"})
    controls = {
        key: platform
        for key, platform in (CONDITIONAL | ALWAYS).items()
        if platform not in ("sensor", "binary_sensor")
    }
    assert len(controls) == 5
    for key, platform in controls.items():
        assert site.state(key, platform) == STATE_UNKNOWN
    await call(site, "switch", "plan", "turn_on")
    assert site.state("plan", "switch") == STATE_ON
    assert site.state("ready_by", "time") == "07:00:00"


@pytest.mark.parametrize("way", ["button", "on", "off"])
async def test_a_start_does_not_wait(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox, way: str
) -> None:
    """The button and the switch clear the moment that charging waits for."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car(phases=1))
    await settle(hass, wallbox)
    await call(
        site, "datetime", "start_at", "set_value", datetime="2026-11-30 22:00:00"
    )
    assert site.state("start_at", "datetime") == "2026-11-30T21:00:00+00:00"
    if way == "button":
        await call(site, "button", "start_charging", "press")
    else:
        await switch_charging(hass, site, way)
    assert site.state("start_at", "datetime") == STATE_UNKNOWN


async def test_a_start_that_fails_changes_nothing(site: Site) -> None:
    """While the wallbox is away, the button raises, and the moment stands."""
    await call(
        site, "datetime", "start_at", "set_value", datetime="2026-11-30 22:00:00"
    )
    with pytest.raises(HomeAssistantError):
        await call(site, "button", "start_charging", "press")
    assert site.state("start_at", "datetime") == "2026-11-30T21:00:00+00:00"


# What is shown


@pytest.fixture
async def connected(site: Site, show: Shown) -> Site:
    """The site with a wallbox."""
    await show(site, connected=True)
    return site


async def test_limit_reason(connected: Site, show: Shown) -> None:
    """What sets the limit, the limit in whole A, and a sentence."""
    await show(connected, HELD)
    assert connected.state("limit_reason") == "main_fuse"
    shown = attributes(connected, "limit_reason")
    assert shown["limit"] == 13
    assert shown["until"] is None
    assert shown["message"] == "The rest of the house leaves 13 A."


@pytest.mark.parametrize(
    ("until", "language", "said"),
    [
        (NOON.replace(hour=22), "en", "Charging begins: 22:00. "),
        (NOON + timedelta(hours=19), "en", "Charging begins: Tue 07:00. "),
        (NOON + timedelta(hours=19), "de", "Das Laden beginnt: Di 07:00. "),
        (NOON + timedelta(days=7), "pl", "Ładowanie zacznie się: 2026-12-07 12:00. "),
    ],
)
async def test_until_when(
    hass: HomeAssistant,
    connected: Site,
    until: datetime,
    language: str,
    said: str,
    show: Shown,
) -> None:
    """As clocks show it, with the day where that is not today."""
    hass.config.language = language
    await reload(hass, connected)
    status = ChargingStatus(
        limit_a=0,
        reason=LimitReason.START_AT,
        message=LimitMessage.START_AT,
        until=until.astimezone(dt_util.UTC),
    )
    await show(connected, status)
    shown = attributes(connected, "limit_reason")
    assert shown["message"].startswith(said)
    assert shown["until"] == until.isoformat()
    assert shown["limit"] == 0


async def test_a_charging_profile(
    hass: HomeAssistant, connected: Site, freezer: FrozenDateTimeFactory, show: Shown
) -> None:
    """It says that an action set it, until when, and how to end it."""
    status = ChargingStatus(
        limit_a=8,
        reason=LimitReason.CURRENT_LIMIT,
        message=LimitMessage.CHARGING_PROFILE,
        until=NOON + timedelta(hours=1),
    )
    await show(connected, status)
    said = attributes(connected, "limit_reason")["message"]
    assert "8 A until 13:00" in said
    assert STRINGS["services"]["clear_charging_profiles"]["name"] in said
    await show(connected, replace(status, until=None))
    assert "until" not in attributes(connected, "limit_reason")["message"]
    await let_pass(hass, freezer, 2)
    await show(connected, replace(status, limit_a=0))
    assert attributes(connected, "limit_reason")["message"].startswith("Paused until")


async def act(bench: Bench, service: str, **data: Any) -> None:
    """Have an action of ours done with the wallbox."""
    device = {"device_id": bench.site.device().id}
    task = bench.hass.async_create_task(
        bench.hass.services.async_call(DOMAIN, service, device | data, blocking=True)
    )
    await bench.pass_time(5)
    await task


async def test_an_action_sets_a_profile(
    hass: HomeAssistant, make_bench: MakeBench
) -> None:
    """From the action to the sentence, and from the other action to none."""
    bench = make_bench()
    await bench.connect()
    site = bench.site
    assert site.state("limit_reason") == "current_limit"
    said = attributes(site, "limit_reason")["message"]
    assert said == "Up to 32 A, as set by Current limit."
    await act(
        bench,
        "set_charging_profile",
        periods=[{"start_period": 0, "limit": 8}],
        duration=3600,
    )
    said = attributes(site, "limit_reason")["message"]
    assert said.startswith("A charging profile that an action set: 8 A until 13:00.")
    await act(bench, "clear_charging_profiles")
    said = attributes(site, "limit_reason")["message"]
    assert said == "Up to 32 A, as set by Current limit."


def count(hass: HomeAssistant, entity_id: str) -> Callable[[], int]:
    """Count the rows of an entity."""
    rows = 0

    @callback
    def on_change(_: Event[EventStateChangedData]) -> None:
        nonlocal rows
        rows += 1

    async_track_state_change_event(hass, entity_id, on_change)
    return lambda: rows


async def test_an_end_that_moves_a_little(
    hass: HomeAssistant, connected: Site, show: Shown
) -> None:
    """A plan is made anew with each reading: a few seconds are no news."""
    status = ChargingStatus(
        limit_a=16,
        reason=LimitReason.CURRENT_LIMIT,
        message=LimitMessage.PLAN_CHARGING,
        until=NOON + timedelta(hours=2),
    )
    await show(connected, status)
    rows = count(hass, connected.entity_id("sensor", "limit_reason"))
    for second in range(0, 600, 5):
        until = NOON + timedelta(hours=2, seconds=second)
        await show(connected, replace(status, until=until))
    assert 1 <= rows() <= 3
    shown = datetime.fromisoformat(attributes(connected, "limit_reason")["until"])
    assert until - timedelta(minutes=4) <= shown <= until
    # What its owner changes is shown exactly.
    await call(connected, "number", "target_energy", "set_value", value=5)
    assert attributes(connected, "limit_reason")["until"] == until.isoformat()
    paused = replace(status, message=LimitMessage.PLAN, until=until, limit_a=0)
    await show(connected, paused)
    assert attributes(connected, "limit_reason")["until"] == until.isoformat()


async def test_a_limit_that_moves_all_the_time_costs_little(
    hass: HomeAssistant, connected: Site, freezer: FrozenDateTimeFactory, show: Shown
) -> None:
    """The sun moves it every 10 s; what sets it is shown at once all the same."""
    rows = count(hass, connected.entity_id("sensor", "limit_reason"))
    status = replace(HELD, reason=LimitReason.SOLAR, message=LimitMessage.SOLAR)
    for step in range(360):
        await show(connected, replace(status, limit_a=6 + step % 10))
        await let_pass(hass, freezer, 10)
    assert 60 <= rows() <= 80
    await show(connected, HELD)
    assert connected.state("limit_reason") == "main_fuse"
    assert attributes(connected, "limit_reason")["limit"] == 13


async def test_a_status_that_says_the_same_writes_nothing(
    hass: HomeAssistant, connected: Site, freezer: FrozenDateTimeFactory, show: Shown
) -> None:
    """The limit is in whole A."""
    await show(connected, HELD)
    rows = count(hass, connected.entity_id("sensor", "limit_reason"))
    for tenth in range(10):
        await show(connected, replace(HELD, limit_a=13 + tenth / 10))
        await let_pass(hass, freezer, 60)
    assert rows() == 0


async def test_nobody_knows_what_limits_a_wallbox_that_is_away(
    site: Site, show: Shown
) -> None:
    """But what is planned, and what the session cost, stays true."""
    await show(site, replace(HELD, cost=2.5), tells={"session_cost"})
    assert site.state("limit_reason") == STATE_UNAVAILABLE
    assert site.binary("car_asleep") == STATE_UNAVAILABLE
    assert float(site.state("session_cost")) == 2.5
    assert site.state("plan_start") == STATE_UNKNOWN


def slot(hours: float, price: float | None = 0.25, length: float = 1) -> PlanSlot:
    """Return a slot so many hours from noon."""
    start = (NOON + timedelta(hours=hours)).astimezone(dt_util.UTC)
    return PlanSlot(start=start, end=start + timedelta(hours=length), price=price)


async def test_plan(hass: HomeAssistant, site: Site, show: Shown) -> None:
    """When the first slot begins, and all of them with their prices."""
    await show(site, replace(HELD, plan=(slot(10), slot(12, None, 0.5))))
    assert site.state("plan_start") == "2026-11-30T21:00:00+00:00"
    assert attributes(site, "plan_start")["slots"] == [
        {
            "start": "2026-11-30T22:00:00+01:00",
            "end": "2026-11-30T23:00:00+01:00",
            "price": 0.25,
        },
        {
            "start": "2026-12-01T00:00:00+01:00",
            "end": "2026-12-01T00:30:00+01:00",
            "price": None,
        },
    ]
    rows = count(hass, site.entity_id("sensor", "plan_start"))
    # It is made anew with each reading: the end of the last slot moves a little.
    for second in range(0, 1200, 5):
        length = 0.5 + second / 3600
        await show(site, replace(HELD, plan=(slot(10), slot(12, None, length))))
    assert 2 <= rows() <= 4
    await call(site, "number", "target_energy", "set_value", value=5)
    moved = slot(12, None, length).end
    shown = attributes(site, "plan_start")["slots"][1]["end"]
    assert abs(datetime.fromisoformat(shown) - moved) < timedelta(seconds=1)
    await show(site, HELD)
    assert site.state("plan_start") == STATE_UNKNOWN
    assert attributes(site, "plan_start")["slots"] == []


async def test_planned_in_the_calendar(
    hass: HomeAssistant, site: Site, show: Shown
) -> None:
    """Each time that is not over, beside the sessions; slots in a row are one."""
    row = (slot(10, 0.1234, 0.25), slot(10.25, 0.2, 0.75), slot(12, None), slot(13))
    await show(site, replace(HELD, plan=(slot(-2), slot(-0.5), *row)))
    entity_id = site.entity_id("calendar", "sessions")
    response: Any = await hass.services.async_call(
        "calendar",
        "get_events",
        {
            "entity_id": entity_id,
            "start_date_time": (NOON - timedelta(days=1)).isoformat(),
            "end_date_time": (NOON + timedelta(days=1)).isoformat(),
        },
        blocking=True,
        return_response=True,
    )
    assert response[entity_id]["events"] == [
        {
            "start": "2026-11-30T11:30:00+01:00",
            "end": "2026-11-30T12:30:00+01:00",
            "summary": "Charging by plan",
            "description": "Price: 0.25 EUR a kWh",
        },
        {
            "start": "2026-11-30T22:00:00+01:00",
            "end": "2026-11-30T23:00:00+01:00",
            "summary": "Charging by plan",
            "description": "Price: 0.1809 EUR a kWh",
        },
        {
            "start": "2026-12-01T00:00:00+01:00",
            "end": "2026-12-01T02:00:00+01:00",
            "summary": "Charging by plan",
        },
    ]


async def test_a_slot_that_runs_began_once(
    site: Site, show: Shown, freezer: FrozenDateTimeFactory
) -> None:
    """A plan that is made while it runs begins now; what is shown does not move."""
    await show(site, replace(HELD, plan=(slot(0), slot(5))))
    for minute in range(1, 60, 4):
        freezer.move_to(NOON + timedelta(minutes=minute))
        plan = (replace(slot(0), start=NOON + timedelta(minutes=minute)), slot(5))
        await show(site, replace(HELD, plan=plan))
        assert site.state("plan_start") == "2026-11-30T11:00:00+00:00"
    freezer.move_to(NOON + timedelta(minutes=60))
    await show(site, replace(HELD, plan=(slot(5),)))
    assert site.state("plan_start") == "2026-11-30T16:00:00+00:00"


async def test_cost(
    hass: HomeAssistant, connected: Site, freezer: FrozenDateTimeFactory, show: Shown
) -> None:
    """In Home Assistant's currency; a cent at a time costs no row each."""
    await hass.config.async_update(currency="PLN")
    await show(connected, replace(HELD, cost=0.0), tells={"session_cost"})
    shown = attributes(connected, "session_cost")
    assert shown["unit_of_measurement"] == "PLN"
    assert shown["device_class"] == "monetary"
    assert shown["state_class"] == "total"
    rows = count(hass, connected.entity_id("sensor", "session_cost"))
    for cents in range(360):
        await show(connected, replace(HELD, cost=cents / 100 + 0.001))
        await let_pass(hass, freezer, 10)
    assert 15 <= rows() <= 30
    assert connected.number("session_cost") == pytest.approx(3.59, abs=0.2)
    await let_pass(hass, freezer, 200)
    assert connected.number("session_cost") == 3.59


async def test_solar_share(connected: Site, show: Shown) -> None:
    """In whole percent; without energy there is none."""
    await show(connected, HELD, tells={"session_solar_share"})
    assert connected.state("session_solar_share") == STATE_UNKNOWN
    await show(connected, replace(HELD, solar_share=41.6))
    assert connected.number("session_solar_share") == 42


async def test_car_asleep(connected: Site, show: Shown) -> None:
    """It is a problem only where a car is there that may charge."""
    assert connected.binary("car_asleep") == STATE_UNKNOWN
    for asleep, state in ((False, STATE_OFF), (True, STATE_ON), (None, STATE_UNKNOWN)):
        await show(connected, replace(HELD, car_asleep=asleep))
        assert connected.binary("car_asleep") == state


@pytest.mark.parametrize(
    ("trigger", "before", "after", "change"),
    [
        (
            "car_asleep",
            replace(HELD, car_asleep=False),
            replace(HELD, car_asleep=True),
            "off > on",
        ),
        ("target_reached", HELD, DONE, "main_fuse > target_reached"),
    ],
)
async def test_triggers(
    hass: HomeAssistant,
    connected: Site,
    show: Shown,
    trigger: str,
    before: ChargingStatus,
    after: ChargingStatus,
    change: str,
) -> None:
    """A car that does not begin, and a target that is reached, trigger once."""
    target = {"device_id": connected.device().id}
    automation = await automate(hass, [{"trigger": trigger, "target": target}])
    await show(connected, before)
    await show(connected, after)
    await show(connected, replace(after, cost=1.0))
    assert automation.changes == [change]


async def test_an_hour_by_plan_with_all_that_is_configured(
    hass: HomeAssistant, make_bench: MakeBench
) -> None:
    """Meters that never stand still, a plan and a price: what it costs the database."""
    bench = make_bench(replace(DELTA, phases=3))
    bench.box.charger = NoisyCharger(phases=3)
    meters = {"sensor.grid": "W", **{f"sensor.l{each}": "A" for each in (1, 2, 3)}}
    for entity_id, unit in meters.items():
        hass.states.async_set(entity_id, "0", {"unit_of_measurement": unit})
    options: dict[str, Any] = {
        "grid_power": "sensor.grid",
        **{f"house_current_l{each}": f"sensor.l{each}" for each in (1, 2, 3)},
        "main_fuse": 35,
        "fixed_price": 0.3,
        "feed_in_price": 0.08,
    }
    hass.config_entries.async_update_entry(bench.site.entry, options=options)
    await hass.async_block_till_done()
    await bench.connect()
    site = bench.site
    await call(site, "number", "target_energy", "set_value", value=60)
    await call(site, "switch", "plan", "turn_on")
    await call(site, "time", "ready_by", "set_value", time="13:00:00")
    await bench.box.plug_in(Car(phases=3, max_current_a=16))
    await bench.pass_time(30)
    assert site.state("status") == "charging"
    rows = {
        key: count(hass, site.entity_id(platform, key))
        for key, platform in (CONDITIONAL | ALWAYS).items()
    }
    for step in range(360):
        for number, (entity_id, unit) in enumerate(meters.items()):
            value = (step * 7 + number) % 5 + (17 if unit == "A" else 12_000)
            hass.states.async_set(entity_id, str(value), {"unit_of_measurement": unit})
        await bench.pass_time(10, step=5)
    assert site.state("status") == "charging"
    assert site.number("session_cost") == pytest.approx(3.3, abs=0.5)
    found = {key: each() for key, each in rows.items()}
    assert sum(found.values()) <= 100, found
