"""The calendar of sessions, and the action that lists those of a range."""

from datetime import datetime, timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed
import voluptuous as vol

from custom_components.bmw_wallbox_victron.const import DOMAIN
from simulators.wallbox import Car, SimulatedWallbox

from .kit.site import MakeWallbox, Site, get_sessions, reload, settle
from .kit.time import until

pytestmark = pytest.mark.usefixtures("unpaced")

BERLIN = dt_util.get_time_zone("Europe/Berlin")


@pytest.fixture(autouse=True)
async def _berlin(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """Be in Berlin: an hour ahead of UTC in winter."""
    await hass.config.async_set_time_zone("Europe/Berlin")
    freezer.move_to(datetime(2026, 11, 29, 17, 30, tzinfo=BERLIN))
    # Every step of the frozen clock looks like a slow one.
    hass.loop.slow_callback_duration = 1e9


async def events(hass: HomeAssistant, site: Site, **span: datetime) -> list[Any]:
    """Ask the calendar for what it has in a range."""
    entity_id = site.entity_id("calendar", "sessions")
    response: Any = await hass.services.async_call(
        "calendar",
        "get_events",
        {
            "entity_id": entity_id,
            "start_date_time": span["start"].isoformat(),
            "end_date_time": span["end"].isoformat(),
        },
        blocking=True,
        return_response=True,
    )
    found: list[Any] = response[entity_id]["events"]
    return found


async def session(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    wallbox: SimulatedWallbox,
    start: datetime,
) -> None:
    """Charge for twenty minutes."""
    await until(hass, freezer, start, wallbox)
    await wallbox.plug_in(Car(phases=1, max_current_a=10))
    await until(hass, freezer, start + timedelta(minutes=20), wallbox)
    await wallbox.unplug()
    await settle(hass, wallbox)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            ("Charging session, not over yet", "Duration: ", "Ended: Car unplugged"),
        ),
        (
            "de",
            (
                "Ladevorgang, noch nicht beendet",
                "Dauer: ",
                "Ende: Auto ausgesteckt",
            ),
        ),
    ],
)
async def test_a_session(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    language: str,
    words: tuple[str, str, str],
) -> None:
    """It is on while a session runs; then the session has energy, duration, reason."""
    hass.config.language = language
    await reload(hass, site)
    running, duration, reason = words
    entity_id = site.entity_id("calendar", "sessions")
    assert site.state("sessions", "calendar") == "off"
    start = datetime(2026, 11, 29, 18, 0, tzinfo=BERLIN)
    wallbox = make_wallbox()
    await wallbox.connect()
    await until(hass, freezer, start, wallbox)
    await wallbox.plug_in(Car(phases=1, max_current_a=10))
    await settle(hass, wallbox)
    state = hass.states.get(entity_id)
    assert state is not None
    assert (state.state, state.attributes["message"]) == ("on", running)
    await until(hass, freezer, start + timedelta(hours=1), wallbox)
    assert hass.states.get(entity_id) is state, "it writes while nothing changed"
    day = {"start": start - timedelta(hours=18), "end": start + timedelta(hours=6)}
    (now,) = await events(hass, site, **day)
    assert now["summary"] == running
    assert datetime.fromisoformat(now["end"]) == dt_util.utcnow().replace(microsecond=0)
    # It may run for days; away or not.
    await wallbox.disconnect()
    await site.until("status", "disconnected")
    for day_later in (1, 2, 3):
        freezer.move_to(start + timedelta(days=day_later))
        async_fire_time_changed(hass, dt_util.utcnow())
        await hass.async_block_till_done()
        assert site.state("sessions", "calendar") == "on"
    await wallbox.connect(boot=False)
    await settle(hass, wallbox)
    await wallbox.unplug()
    await settle(hass, wallbox)
    assert site.state("sessions", "calendar") == "off"
    (over,) = await events(hass, site, **day)
    energy = site.number("energy_session")
    number = f"{energy:.1f}".replace(".", "." if language == "en" else ",")
    assert over["summary"] == f"{number} kWh"
    assert over["description"].splitlines() == [f"{duration}72 h 0 min", reason]
    assert datetime.fromisoformat(over["start"]) == start
    assert over["start"].endswith("+01:00")


async def test_ranges(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """The calendar shows what touches a range; the action lists each session once."""
    wallbox = make_wallbox()
    november = datetime(2026, 11, 29, 20, 0, tzinfo=BERLIN)
    over_midnight = datetime(2026, 11, 30, 23, 50, tzinfo=BERLIN)
    december = datetime(2026, 12, 5, 8, 0, tzinfo=BERLIN)
    await wallbox.connect()
    for start in (november, over_midnight, december):
        await session(hass, freezer, wallbox, start)
    ends = [
        datetime.fromisoformat(each["end"]) for each in await get_sessions(hass, site)
    ]
    assert [end.day for end in ends] == [29, 1, 5]

    async def days(**given: object) -> list[int]:
        response: Any = await hass.services.async_call(
            DOMAIN,
            "get_sessions",
            {"device_id": site.device().id, **given},
            blocking=True,
            return_response=True,
        )
        assert all(each["end"].endswith("+01:00") for each in response["sessions"])
        return [
            datetime.fromisoformat(each["end"]).day for each in response["sessions"]
        ]

    assert await days(start="2026-11-01 00:00:00", end="2026-12-01 00:00:00") == [29]
    assert await days(start="2026-12-01 00:00:00") == [1, 5]
    assert await days(start="2026-12-01", end="2026-12-05") == [1, 5]
    assert await days(start=december.date(), end=december.date()) == [5]
    # The second ends at 0:10 in Berlin, which is 23:10 in UTC.
    assert await days(end="2026-11-30T23:00:00+00:00") == [29]
    assert await days(end="2026-11-30T23:30:00+00:00") == [29, 1]
    assert await days(end="2026-11-01 00:00:00") == []
    with pytest.raises(ServiceValidationError, match="empty") as err:
        await days(start="2026-12-02 00:00:00", end="2026-12-01 00:00:00")
    assert err.value.translation_key == "range_is_empty"
    for odd in ({"start": "yesterday"}, {"start": "0001-01-01"}, {"end": "9999-12-31"}):
        with pytest.raises(vol.Invalid):
            await days(**odd)

    new_year = datetime(2026, 12, 1, tzinfo=BERLIN)
    before = {"start": new_year - timedelta(days=30), "end": new_year}
    after = {"start": new_year, "end": new_year + timedelta(days=30)}
    shown = [await events(hass, site, **each) for each in (before, after)]
    assert [len(each) for each in shown] == [2, 2]
    assert shown[0][1] == shown[1][0]


async def test_the_night_when_clocks_are_put_back(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A session that ends at an earlier hour than it began spoils no calendar."""
    start = datetime(2027, 10, 31, 2, 40, tzinfo=BERLIN)
    day = {"start": start - timedelta(days=1), "end": start + timedelta(days=1)}
    wallbox = make_wallbox()
    await wallbox.connect()
    await until(hass, freezer, start, wallbox)
    await wallbox.plug_in(Car(phases=1, max_current_a=10))
    half_past = dt_util.as_utc(start) + timedelta(minutes=30)
    await until(hass, freezer, half_past, wallbox)
    assert dt_util.as_local(half_past).hour == 2
    await reload(hass, site)
    assert site.state("sessions", "calendar") == "on"
    (running,) = await events(hass, site, **day)
    assert running["summary"] == "Charging session, not over yet"
    await wallbox.connect()
    await wallbox.unplug()
    await settle(hass, wallbox)
    (over,) = await events(hass, site, **day)
    assert over["start"] == "2027-10-31T02:40:00+02:00"
    assert over["description"].startswith("Duration: 0 h 30 min")
