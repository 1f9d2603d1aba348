"""The ledger of sessions and the session event, from the socket to Home Assistant."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import (
    Event,
    EventStateChangedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.bmw_wallbox_victron.charging.receipt import Receipt
from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.storage import SessionStore
from custom_components.bmw_wallbox_victron.wallbox.sessions import (
    KEPT_SESSIONS,
    Session,
)
from simulators.wallbox import DELTA, Car

from .kit.site import (
    MakeWallbox,
    Site,
    get_sessions,
    reload,
    settle,
    subentry_id,
    switch_charging,
)
from .kit.time import later

# What a wallbox does, whichever Home Assistant it is shown by.
pytestmark = [pytest.mark.any_homeassistant, pytest.mark.usefixtures("unpaced")]

type Storage = dict[str, Any]

OTHER_ID = "DE*BMW*E2"
OLD = datetime(2020, 5, 17, 7, 30, 0, 123456, timezone(timedelta(hours=2)))


def old_session(number: int) -> Session:
    """Make a session of years ago."""
    start = OLD + timedelta(hours=number)
    return Session(
        transaction_id=f"old-{number}",
        start=start,
        end=start + timedelta(minutes=30),
        energy_wh=1000.0 + number,
        id_token=None,
        stop_reason="ev_disconnected",
    )


def stored(hass_storage: Storage, site: Site) -> dict[str, list[dict[str, Any]]]:
    """Read the sessions' file, by subentry."""
    key = f"{DOMAIN}.{site.entry.entry_id}.sessions"
    found: dict[str, list[dict[str, Any]]] = hass_storage.get(key, {}).get("data", {})
    return found


class Events:
    """What the session event tells, in order."""

    def __init__(self, hass: HomeAssistant, site: Site) -> None:
        """Listen. Going and coming back with the same event is none."""
        self._entity_id = site.entity_id("event", "session")
        self._last = self._key(hass.states.get(self._entity_id))
        self.told: list[dict[str, Any]] = []
        async_track_state_change_event(hass, self._entity_id, self._heard)

    @staticmethod
    def _key(state: State | None) -> object:
        if state is None or state.state in ("unavailable", "unknown"):
            return None
        return state.state, dict(state.attributes)

    @callback
    def _heard(self, event: Event[EventStateChangedData]) -> None:
        state = event.data["new_state"]
        if state is None or (key := self._key(state)) in (None, self._last):
            return
        self._last = key
        self.told.append(
            {
                name: state.attributes[name]
                for name in ("event_type", "energy", "duration", "reason")
            }
        )

    @property
    def types(self) -> list[str]:
        """What happened."""
        return [item["event_type"] for item in self.told]


@pytest.fixture
def events(hass: HomeAssistant, site: Site) -> Events:
    """Listen to the session event."""
    return Events(hass, site)


# The ledger


async def test_a_session(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """It is listed when it ended, with energy, duration, token and stop reason."""
    wallbox = make_wallbox(replace(DELTA, auth_enabled=True), register_wh=1_000_000)
    await wallbox.connect()
    await settle(hass, wallbox)
    plugged = dt_util.utcnow()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 60, wallbox)
    await wallbox.authorize("04A1B2C3")
    await later(hass, freezer, 1800, wallbox)
    assert await get_sessions(hass, site) == []
    await wallbox.unplug()
    await settle(hass, wallbox)
    (session,) = await get_sessions(hass, site)
    start = dt_util.parse_datetime(session.pop("start"))
    end = dt_util.parse_datetime(session.pop("end"))
    assert start is not None
    assert end is not None
    assert start.tzinfo is not None
    assert abs(start - plugged) < timedelta(seconds=1)
    assert abs(end - dt_util.utcnow()) < timedelta(seconds=1)
    delivered = (wallbox.charger.register_wh - 1_000_000) / 1000
    assert delivered > 3
    assert session == {
        "energy": pytest.approx(delivered, abs=0.002),
        "duration": pytest.approx(1860, abs=1),
        "id_token": "04A1B2C3",
        "card": None,
        "stop_reason": "ev_disconnected",
        "cost": None,
        "solar_share": None,
    }
    assert type(session["duration"]) is int


async def test_stop_reasons(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Why a session ended is kept; the sessions stand in their order."""
    wallbox = make_wallbox(replace(DELTA, auth_enabled=True))
    await wallbox.connect()
    await wallbox.start("04AB", Car())
    await later(hass, freezer, 60, wallbox)
    await wallbox.authorize("04AB")
    await wallbox.unplug()
    await later(hass, freezer, 60, wallbox)
    await wallbox.start("04CD", Car())
    await later(hass, freezer, 60, wallbox)
    await wallbox.reboot()
    await settle(hass, wallbox)
    sessions = await get_sessions(hass, site)
    assert [(item["id_token"], item["stop_reason"]) for item in sessions[:2]] == [
        ("04AB", "local"),
        ("04CD", "reboot"),
    ]
    starts = [item["start"] for item in sessions]
    assert starts == sorted(starts)


async def test_survives_a_reload(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Sessions are kept, and those of before and after are one list."""
    wallbox = make_wallbox()
    await wallbox.connect()
    for _ in range(2):
        await wallbox.plug_in(Car())
        await later(hass, freezer, 600, wallbox)
        await wallbox.unplug()
        await later(hass, freezer, 60, wallbox)
    before = await get_sessions(hass, site)
    assert len(before) == 2
    await wallbox.plug_in(Car())
    await later(hass, freezer, 300, wallbox)
    await reload(hass, site)
    assert await get_sessions(hass, site) == before
    await wallbox.wait_closed()
    await wallbox.connect(boot=False)
    await later(hass, freezer, 300, wallbox)
    await wallbox.unplug()
    await settle(hass, wallbox)
    *kept, last = await get_sessions(hass, site)
    assert kept == before
    assert last["duration"] == pytest.approx(600, abs=1)
    assert last["energy"] == pytest.approx(before[0]["energy"], rel=0.01)


async def test_written_at_once(
    hass: HomeAssistant,
    hass_storage: Storage,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A power cut seconds after the end costs nothing; readings write nothing."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 300, wallbox)
    assert stored(hass_storage, site) == {}
    await wallbox.unplug()
    await settle(hass, wallbox)
    await later(hass, freezer, 2)
    (session,) = stored(hass_storage, site)[subentry_id(site.entry)]
    assert session["stop_reason"] == "ev_disconnected"
    hass_storage.clear()
    for _ in range(3):
        await later(hass, freezer, 120, wallbox)
    await wallbox.plug_in(Car())
    await later(hass, freezer, 120, wallbox)
    assert stored(hass_storage, site) == {}


async def test_an_end_that_comes_late(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """What an outage hid is added when the wallbox replays it: nothing is doubled."""
    wallbox = make_wallbox(register_wh=1_000_000)
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 600, wallbox)
    await wallbox.disconnect(abort=True)
    await site.until("status", "disconnected")
    freezer.tick(600)
    await wallbox.tick(600)
    await wallbox.unplug()
    first = (wallbox.charger.register_wh - 1_000_000) / 1000
    # Another one, from its beginning to its end.
    freezer.tick(60)
    await wallbox.tick(60)
    await wallbox.plug_in(Car(max_current_a=10))
    freezer.tick(300)
    await wallbox.tick(300)
    await wallbox.unplug()
    second = (wallbox.charger.register_wh - 1_000_000) / 1000 - first
    await wallbox.connect(boot=False)
    await settle(hass, wallbox)
    sessions = await get_sessions(hass, site)
    assert [
        (item["energy"], item["duration"], item["stop_reason"]) for item in sessions
    ] == [
        (
            pytest.approx(first, abs=0.002),
            pytest.approx(1200, abs=1),
            "ev_disconnected",
        ),
        (
            pytest.approx(second, abs=0.002),
            pytest.approx(300, abs=1),
            "ev_disconnected",
        ),
    ]
    await reload(hass, site)
    assert await get_sessions(hass, site) == sessions


async def test_an_end_that_is_lost(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A session whose end nobody tells is listed up to when it was last heard."""
    wallbox = make_wallbox(replace(DELTA, replay_queue=False))
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 600, wallbox)
    energy = site.number("energy_session")
    await wallbox.disconnect()
    freezer.tick(600)
    await wallbox.tick(600)
    await wallbox.unplug()
    await wallbox.connect(boot=False)
    await settle(hass, wallbox)
    (session,) = await get_sessions(hass, site)
    assert session["stop_reason"] is None
    assert session["duration"] == pytest.approx(600, abs=11)
    assert session["energy"] == pytest.approx(energy, abs=0.001)


async def test_repeats(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    events: Events,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A box that says everything twice has one session, told once."""
    wallbox = make_wallbox(replace(DELTA, duplicate_frames=True))
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 60, wallbox)
    await wallbox.car_pauses()
    await later(hass, freezer, 60, wallbox)
    await wallbox.unplug()
    await settle(hass, wallbox)
    for sent in wallbox.sent_of("TransactionEvent"):
        await wallbox.send_call("TransactionEvent", sent.payload)
    await settle(hass, wallbox)
    assert len(await get_sessions(hass, site)) == 1
    assert events.types == ["started", "paused", "ended"]


# Storage


async def test_round_trip(hass: HomeAssistant, hass_storage: Storage) -> None:
    """Every field of a session comes back to the last bit."""
    sessions = [
        old_session(1),
        Session(
            transaction_id='"\u2028 🚗',
            repeat=2,
            start=OLD,
            end=datetime.max.replace(tzinfo=UTC),
            energy_wh=0.1 + 0.2,
            id_token="04 ÄB",
            stop_reason=None,
            receipt=Receipt(
                energy_wh=0.1 + 0.2,
                grid_wh=0.1,
                solar_wh=0.2,
                unmetered_wh=1e-9,
                unpriced_wh=0.05,
                cost=-0.1 - 0.2,
            ),
        ),
    ]
    assert {item.name for item in fields(Session)} == {
        "transaction_id",
        "repeat",
        "start",
        "end",
        "energy_wh",
        "id_token",
        "stop_reason",
        "receipt",
    }
    store = SessionStore(hass, "entry-id")
    store.async_keep({"box": tuple(sessions), "other": ()})
    await store.async_save()
    assert await SessionStore(hass, "entry-id").async_load() == {
        "box": sessions,
        "other": [],
    }
    hass_storage.clear()
    await store.async_save()
    assert hass_storage == {}, "saved twice"
    await store.async_remove()
    assert await SessionStore(hass, "entry-id").async_load() == {}


@pytest.mark.parametrize(("many", "gone"), [(1000, 0), (KEPT_SESSIONS, 1)])
async def test_many(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    many: int,
    gone: int,
) -> None:
    """At least 1,000 sessions are kept; beyond the bound the oldest goes."""
    assert KEPT_SESSIONS >= 1000
    await hass.config_entries.async_unload(site.entry.entry_id)
    store = SessionStore(hass, site.entry.entry_id)
    old = tuple(old_session(number) for number in range(many))
    store.async_keep({subentry_id(site.entry): old})
    await store.async_save()
    assert await hass.config_entries.async_setup(site.entry.entry_id)
    await hass.async_block_till_done()
    sessions = await get_sessions(hass, site)
    assert [item["start"] for item in sessions] == [
        dt_util.as_local(item.start).isoformat() for item in old
    ]
    assert [item["energy"] for item in sessions] == [
        round(1 + number / 1000, 3) for number in range(many)
    ]
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 60, wallbox)
    await wallbox.unplug()
    await settle(hass, wallbox)
    *kept, last = await get_sessions(hass, site)
    assert kept == sessions[gone:]
    assert last["duration"] == pytest.approx(60, abs=1)
    await reload(hass, site)
    assert await get_sessions(hass, site) == [*kept, last]


async def test_removed_wallbox(
    hass: HomeAssistant,
    hass_storage: Storage,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Who removes a wallbox removes its sessions, with the cards in them."""
    hass.config_entries.async_add_subentry(
        site.entry,
        ConfigSubentry(
            subentry_type="wallbox",
            title="Other",
            data=MappingProxyType({"charge_point_id": OTHER_ID, "max_current": 16}),
            unique_id=OTHER_ID,
        ),
    )
    await hass.async_block_till_done()
    wallbox, other = make_wallbox(), make_wallbox(charge_point_id=OTHER_ID)
    for each in (wallbox, other):
        await each.connect()
        await each.plug_in(Car())
        await later(hass, freezer, 60, each)
        await each.unplug()
        await settle(hass, each)
    await later(hass, freezer, 2)
    mine, others = subentry_id(site.entry), subentry_id(site.entry, OTHER_ID)
    assert stored(hass_storage, site).keys() == {mine, others}
    before = await get_sessions(hass, site)
    hass.config_entries.async_remove_subentry(site.entry, others)
    await hass.async_block_till_done()
    await later(hass, freezer, 2)
    assert stored(hass_storage, site).keys() == {mine}
    assert await get_sessions(hass, site) == before
    # Nor do they come back with the next session or restart.
    await reload(hass, site)
    assert await get_sessions(hass, site) == before
    assert stored(hass_storage, site).keys() == {mine}


async def test_removed_entry(
    hass: HomeAssistant,
    hass_storage: Storage,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Nothing stays when the integration is removed."""
    store = SessionStore(hass, entry.entry_id)
    store.async_keep({subentry_id(entry): (old_session(1),)})
    await store.async_save()
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await hass.config_entries.async_remove(entry.entry_id)
    freezer.tick(3600)
    async_fire_time_changed(hass, dt_util.utcnow())
    await hass.async_block_till_done()
    assert [key for key in hass_storage if key.startswith(DOMAIN)] == []


async def test_corrected_id(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> None:
    """Sessions belong to the wallbox, whatever its charge point id."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await wallbox.unplug()
    await settle(hass, wallbox)
    manager = hass.config_entries.subentries
    form = await manager.async_init(
        (site.entry.entry_id, "wallbox"),
        context={"source": "reconfigure", "subentry_id": subentry_id(site.entry)},
    )
    await manager.async_configure(
        form["flow_id"], {"charge_point_id": OTHER_ID, "max_current": 32}
    )
    await hass.async_block_till_done()
    (station,) = site.entry.runtime_data.stations.values()
    assert station.config.charge_point_id == OTHER_ID
    assert len(station.ledger.sessions) == 1


# The event


async def test_told(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    events: Events,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Started, paused by the wallbox and by the car, resumed, ended."""
    wallbox = make_wallbox(register_wh=1_000_000)
    await wallbox.connect()
    await later(hass, freezer, 2, wallbox)
    assert events.told == []

    def delivered() -> Any:
        return pytest.approx((wallbox.charger.register_wh - 1_000_000) / 1000, abs=0.03)

    def lasted(seconds: int) -> Any:
        return pytest.approx(seconds, abs=1)

    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    expected = [{"event_type": "started", "energy": 0, "duration": 0, "reason": None}]
    assert events.told == expected
    await later(hass, freezer, 600, wallbox)
    await switch_charging(hass, site, "off")
    await later(hass, freezer, 2, wallbox)
    expected.append(
        {
            "event_type": "paused",
            "energy": delivered(),
            "duration": pytest.approx(601, abs=2),
            "reason": "wallbox",
        }
    )
    assert events.told == expected
    await later(hass, freezer, 298, wallbox)
    await switch_charging(hass, site, "on")
    await later(hass, freezer, 1, wallbox)
    expected.append(
        {
            "event_type": "resumed",
            "energy": delivered(),
            "duration": pytest.approx(901, abs=2),
            "reason": None,
        }
    )
    assert events.told == expected
    await later(hass, freezer, 299, wallbox)
    await wallbox.car_pauses()
    await settle(hass, wallbox)
    expected.append(
        {
            "event_type": "paused",
            "energy": delivered(),
            "duration": lasted(1200),
            "reason": "car",
        }
    )
    assert events.told == expected
    await later(hass, freezer, 100, wallbox)
    await wallbox.car_resumes()
    await settle(hass, wallbox)
    expected.append(
        {
            "event_type": "resumed",
            "energy": delivered(),
            "duration": lasted(1300),
            "reason": None,
        }
    )
    assert events.told == expected
    await later(hass, freezer, 300, wallbox)
    await wallbox.unplug()
    await settle(hass, wallbox)
    expected.append(
        {
            "event_type": "ended",
            "energy": delivered(),
            "duration": lasted(1600),
            "reason": "ev_disconnected",
        }
    )
    assert events.told == expected
    (session,) = await get_sessions(hass, site)
    for name in ("energy", "duration"):
        assert session[name] == events.told[-1][name]


async def test_known_already(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    events: Events,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A restart tells nothing again, of an ended session nor of a running one."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 60, wallbox)
    await wallbox.unplug()
    await later(hass, freezer, 60, wallbox)
    await wallbox.plug_in(Car())
    await later(hass, freezer, 60, wallbox)
    before = ["started", "ended", "started"]
    assert events.types == before
    await reload(hass, site)
    assert events.types == before
    await wallbox.wait_closed()
    await wallbox.connect(boot=False)
    await later(hass, freezer, 60, wallbox)
    assert events.types == before
    await wallbox.unplug()
    await settle(hass, wallbox)
    assert events.types == [*before, "ended"]
    assert events.told[-1]["duration"] == pytest.approx(120, abs=1)
    await reload(hass, site)
    assert events.types == [*before, "ended"]


async def test_first_heard_in_its_middle(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    events: Events,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A session that began before the wallbox was added is told when it is heard."""
    wallbox = make_wallbox(replace(DELTA, replay_queue=False))
    await wallbox.plug_in(Car())
    await wallbox.tick(60)
    await wallbox.connect(boot=False)
    await later(hass, freezer, 5, wallbox)
    assert events.types == ["started"]


async def test_connection_comes_and_goes(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    events: Events,
    freezer: FrozenDateTimeFactory,
) -> None:
    """An outage is no event of the session; the entity stays."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 60, wallbox)
    for _ in range(2):
        await wallbox.disconnect(abort=True)
        await site.until("status", "disconnected")
        assert site.state("session", "event") != "unavailable"
        freezer.tick(60)
        await wallbox.tick(60)
        await wallbox.connect(boot=False)
        await later(hass, freezer, 5, wallbox)
    assert events.types == ["started"]


async def test_ended_during_an_outage(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    events: Events,
    freezer: FrozenDateTimeFactory,
) -> None:
    """The end is told once, with all that the session delivered and its reason."""
    wallbox = make_wallbox(register_wh=1_000_000)
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 600, wallbox)
    await wallbox.disconnect(abort=True)
    await site.until("status", "disconnected")
    freezer.tick(600)
    await wallbox.tick(600)
    await wallbox.unplug()
    await wallbox.connect(boot=False)
    await later(hass, freezer, 5, wallbox)
    assert events.types == ["started", "ended"]
    delivered = (wallbox.charger.register_wh - 1_000_000) / 1000
    assert events.told[-1] == {
        "event_type": "ended",
        "energy": pytest.approx(delivered, abs=0.002),
        "duration": pytest.approx(1200, abs=1),
        "reason": "ev_disconnected",
    }


async def test_another_car_during_an_outage(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    events: Events,
    freezer: FrozenDateTimeFactory,
) -> None:
    """One session ends, then the next one starts."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 600, wallbox)
    await wallbox.disconnect(abort=True)
    await site.until("status", "disconnected")
    freezer.tick(60)
    await wallbox.tick(60)
    await wallbox.unplug()
    freezer.tick(60)
    await wallbox.tick(60)
    await wallbox.plug_in(Car())
    await wallbox.connect(boot=False)
    await later(hass, freezer, 5, wallbox)
    assert events.types == ["started", "ended", "started"]
    assert events.told[1]["reason"] == "ev_disconnected"
    assert events.told[1]["duration"] == pytest.approx(660, abs=1)


async def test_an_end_that_nobody_tells(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    events: Events,
    freezer: FrozenDateTimeFactory,
) -> None:
    """It is told without a reason when the socket is found free."""
    wallbox = make_wallbox(replace(DELTA, replay_queue=False))
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 60, wallbox)
    await wallbox.disconnect()
    await wallbox.unplug()
    await wallbox.connect(boot=False)
    await later(hass, freezer, 5, wallbox)
    assert events.types == ["started", "ended"]
    assert events.told[-1]["reason"] is None
