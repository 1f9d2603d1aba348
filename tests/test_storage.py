"""What survives a restart: every bit of it, in few writes, for nobody else's eyes."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
import itertools
import json
import os
from pathlib import Path
import ssl
import stat
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.storage import SiteStore
from custom_components.bmw_wallbox_victron.wallbox.clock import DeviceClock
from custom_components.bmw_wallbox_victron.wallbox.control import (
    Enforcement,
    Plan,
    Wish,
)
from custom_components.bmw_wallbox_victron.wallbox.energy import RegisterCount
from custom_components.bmw_wallbox_victron.wallbox.meter import Sample
from custom_components.bmw_wallbox_victron.wallbox.state import (
    ChargingState,
    ConnectorStatus,
    EventType,
    Identity,
    Light,
    Transaction,
    WallboxState,
)
from demo.wallbox import SimulatedWallbox

from .conftest import CHARGE_POINT_ID, Site, settle

type Storage = dict[str, Any]

ENTRY = "entry-id"
KEY = f"{DOMAIN}.{ENTRY}"
#: With microseconds, and not in UTC: both have to come back.
NOON = datetime(2026, 10, 3, 12, 0, 0, 123456, timezone(timedelta(hours=2)))
COUNT = RegisterCount(
    counted_wh=1234.5678901234567,
    first_wh=0.1,
    first_at=NOON - timedelta(days=2),
    last_wh=1e-9,
    last_at=NOON,
    suspect_wh=9_999_999.9,
    before_wh=77.7,
    before_at=NOON - timedelta(days=1),
    since_drop_wh=3.3,
    fell_at_start=True,
)
ENDED = Transaction(
    id="tx-1",
    started_at=NOON,
    updated_at=NOON + timedelta(hours=1),
    sequence_number=42,
    event_type=EventType.ENDED,
    trigger_reason="ev_departed",
    charging_state=ChargingState.SUSPENDED_EV,
    ended_at=NOON + timedelta(hours=1),
    stopped_reason="ev_disconnected",
    id_token="04ABCDEF",
    phases_used=3,
    abandoned=True,
    replaced=True,
    state_sequence=41,
    state_at=NOON + timedelta(minutes=59),
    energy=COUNT,
)
RUNNING = Transaction(
    id="tx-2",
    started_at=NOON,
    updated_at=NOON,
    sequence_number=0,
    event_type=EventType.STARTED,
)
FULL = WallboxState(
    identity=Identity(
        vendor="Delta Electronics",
        model="EIAW-E22KTSE6B04",
        serial_number="SIM Ü 1",
        firmware_version="01.20.06.71",
    ),
    transaction=ENDED,
    recent=(RUNNING, replace(ENDED, id="tx-0")),
    energy=COUNT,
    wish=Wish(
        current_limit=16,
        charging_allowed=False,
        schedule=Plan(periods=((0, 6.0), (3600, 0.0)), start=NOON),
        led_brightness=40,
        operative=True,
    ),
)
#: What is true only while there is a connection.
LIVE: dict[str, Any] = {
    "connected": True,
    "connector_status": ConnectorStatus.OCCUPIED,
    "connector_at": NOON,
    "meter": Sample(at=NOON, power=7400.0),
    "meter_heard_at": 5000.0,
    "last_heartbeat": NOON,
    "said_at": {"power": 5000.0},
    "clock": DeviceClock(at=NOON, heard_at=5000.0),
    "ceiling_a": 32.0,
    "surveyed": True,
    "light": Light("StatusLED", "brightness", 30),
    "enforcement": Enforcement(ready=True),
}


def state(wh: float, transaction: Transaction | None = None) -> WallboxState:
    """Make a state whose register was read."""
    energy = RegisterCount(counted_wh=wh, first_wh=0, last_wh=wh, last_at=NOON)
    return WallboxState(energy=energy, transaction=transaction)


def counted(storage: Storage) -> float | None:
    """Read what was written; None: nothing."""
    if KEY not in storage:
        return None
    energy: float = storage[KEY]["data"]["wallboxes"]["box"]["energy"]["counted_wh"]
    return energy


@pytest.fixture
def store(hass: HomeAssistant) -> SiteStore:
    """A store that has seen a wallbox."""
    result = SiteStore(hass, ENTRY)
    result.async_keep({"box": WallboxState()})
    return result


async def later(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float
) -> None:
    """Let time pass."""
    freezer.tick(seconds)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()


# What comes back


def test_nothing_is_left_out() -> None:
    """The state that these tests store has something in every field that lasts."""
    for value in (FULL, FULL.identity, FULL.wish, ENDED, COUNT):
        for item in fields(value):
            content = getattr(value, item.name)
            assert item.name in LIVE or content not in (item.default, ()), item.name
    assert {item.name for item in fields(WallboxState)} == LIVE.keys() | {
        "identity",
        "transaction",
        "recent",
        "energy",
        "wish",
    }


@pytest.mark.parametrize(
    "kept",
    [
        FULL,
        WallboxState(identity=Identity(vendor="Delta")),
        WallboxState(transaction=RUNNING),
        state(0.30000000000000004),
        replace(FULL, recent=(ENDED,) * 8),
    ],
)
async def test_round_trip(
    hass: HomeAssistant, hass_storage: Storage, store: SiteStore, kept: WallboxState
) -> None:
    """What was stored comes back equal; what was live does not come back."""
    other = state(5.0)
    store.async_keep({"box": replace(kept, **LIVE), "other": other})
    await store.async_save()
    loaded = await SiteStore(hass, ENTRY).async_load()
    assert loaded == {"box": kept, "other": other}
    transaction = loaded["box"].transaction
    if transaction is not None:
        assert type(transaction.event_type) is EventType
        assert type(transaction.charging_state) is ChargingState
        assert transaction.started_at.utcoffset() == timedelta(hours=2)


async def test_awkward_values(
    hass: HomeAssistant, hass_storage: Storage, store: SiteStore
) -> None:
    """Numbers, times and texts come back to the last bit."""
    numbers = (0.0, 5e-324, 0.1 + 0.2, 2**53 + 2.0, 1.7e308)
    times = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), NOON)
    texts = ("", '\0"\\\n\u2028', "🚗 \ud7ff", "x" * 10_000)
    kept = {
        f"{number} {at} {text}": WallboxState(
            identity=Identity(vendor=text),
            energy=RegisterCount(counted_wh=number, last_wh=number, last_at=at),
            transaction=replace(RUNNING, id=text, started_at=at, ended_at=at),
        )
        for number, at, text in itertools.product(numbers, times, texts)
    }
    store.async_keep(kept)
    await store.async_save()
    assert await SiteStore(hass, ENTRY).async_load() == kept


async def test_nothing_stored(hass: HomeAssistant, hass_storage: Storage) -> None:
    """The first start finds nothing, and writes nothing."""
    store = SiteStore(hass, ENTRY)
    assert await store.async_load() == {}
    store.async_keep({"box": WallboxState()})
    await store.async_save()
    assert KEY not in hass_storage


async def test_what_was_loaded_is_not_written_again(
    hass: HomeAssistant,
    hass_storage: Storage,
    store: SiteStore,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A restart alone writes nothing."""
    store.async_keep({"box": FULL})
    await store.async_save()
    again = SiteStore(hass, ENTRY)
    loaded = await again.async_load()
    hass_storage.clear()
    again.async_keep(loaded)
    again.async_keep({"box": replace(FULL, **LIVE)})
    await later(hass, freezer, 3600)
    await again.async_save()
    assert KEY not in hass_storage


class TestFile:
    """On a real disk."""

    @pytest.fixture
    def hass_config_dir(self, hass_tmp_config_dir: str) -> str:
        """Keep the files of each test apart."""
        return hass_tmp_config_dir

    @pytest.fixture
    def hass_storage(self) -> Storage:
        """Have the real storage in the place of the usual stand-in."""
        return {}

    async def test_private(self, hass: HomeAssistant, store: SiteStore) -> None:
        """The file has tokens in it: its owner alone may read it. It can be removed."""
        store.async_keep({"box": FULL})
        await store.async_save()
        file = Path(hass.config.path(".storage", KEY))
        self.check(file)
        assert await SiteStore(hass, ENTRY).async_load() == {"box": FULL}
        await SiteStore(hass, ENTRY).async_remove()
        assert KEY not in await hass.async_add_executor_job(os.listdir, file.parent)

    def check(self, file: Path) -> None:
        """Look at the file."""
        assert "04ABCDEF" in file.read_text(encoding="utf-8")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


# What cannot be read


@pytest.mark.parametrize(
    ("part", "content", "lost"),
    [
        ("energy", {"counted_wh": "much"}, "energy"),
        ("energy", {"counted_wh": True}, "energy"),
        ("energy", {"counted_wh": None}, "energy"),
        ("energy", {"last_at": "yesterday"}, "energy"),
        ("energy", {"last_at": "2026-10-03T12:00:00"}, "energy"),
        ("energy", None, "energy"),
        ("identity", {"vendor": 5}, "identity"),
        ("identity", [], "identity"),
        ("transaction", {"id": "tx-1"}, "transaction"),
        ("transaction", {"event_type": "exploded"}, "transaction"),
        ("transaction", {"energy": {"first_wh": []}}, "transaction"),
        ("recent", {"id": "tx-1"}, "recent"),
        ("recent", [{"id": "tx-1"}], "recent"),
    ],
    ids=str,
)
async def test_part_that_cannot_be_read(
    hass: HomeAssistant,
    hass_storage: Storage,
    store: SiteStore,
    caplog: pytest.LogCaptureFixture,
    part: str,
    content: Any,
    lost: str,
) -> None:
    """It starts afresh and is named; all else is kept."""
    store.async_keep({"box": FULL, "other": FULL})
    await store.async_save()
    stored = hass_storage[KEY]["data"]["wallboxes"]["box"]
    whole = isinstance(content, dict) and "id" not in content
    stored[part] = stored[part] | content if whole else content
    loaded = await SiteStore(hass, ENTRY).async_load()
    fresh = {lost: getattr(WallboxState(), lost)}
    assert loaded == {"box": replace(FULL, **fresh), "other": FULL}
    (warning,) = [item for item in caplog.records if item.levelname == "WARNING"]
    assert warning.getMessage().endswith(f"for box, this cannot be read: {lost}")


@pytest.mark.parametrize("content", [None, [], "box", 5])
async def test_wallbox_that_cannot_be_read(
    hass: HomeAssistant,
    hass_storage: Storage,
    store: SiteStore,
    caplog: pytest.LogCaptureFixture,
    content: Any,
) -> None:
    store.async_keep({"box": FULL, "other": FULL})
    await store.async_save()
    hass_storage[KEY]["data"]["wallboxes"]["box"] = content
    loaded = await SiteStore(hass, ENTRY).async_load()
    assert loaded == {"box": WallboxState(), "other": FULL}
    assert "for box, this cannot be read: everything" in caplog.text


async def test_fields_of_another_version(
    hass: HomeAssistant,
    hass_storage: Storage,
    store: SiteStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What is new there is left out, what is new here has its default."""
    store.async_keep({"box": FULL})
    await store.async_save()
    stored = hass_storage[KEY]["data"]["wallboxes"]["box"]
    stored["mood"] = "fine"
    stored["energy"]["colour"] = "green"
    stored["transaction"]["colour"] = 7
    del stored["transaction"]["replaced"], stored["identity"]["vendor"]
    del stored["energy"]["fell_at_start"], stored["recent"]
    kept = replace(
        FULL,
        identity=replace(FULL.identity, vendor=None),
        transaction=replace(ENDED, replaced=False),
        energy=replace(COUNT, fell_at_start=False),
        recent=(),
    )
    assert await SiteStore(hass, ENTRY).async_load() == {"box": kept}
    assert "cannot be read" not in caplog.text


@pytest.mark.parametrize("content", [{}, {"wallboxes": []}, {"wallboxes": None}])
async def test_no_wallboxes_in_the_file(
    hass: HomeAssistant, hass_storage: Storage, store: SiteStore, content: Any
) -> None:
    store.async_keep({"box": FULL})
    await store.async_save()
    hass_storage[KEY]["data"] = content
    assert await SiteStore(hass, ENTRY).async_load() == {}


# When it is written


async def test_readings_wait_for_company(
    hass: HomeAssistant,
    hass_storage: Storage,
    store: SiteStore,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A reading a second makes one write a minute, with the newest of them."""
    written = []
    for second in range(1, 183):
        store.async_keep({"box": state(second)})
        await later(hass, freezer, 1)
        if KEY in hass_storage:
            written.append((second, counted(hass_storage)))
            hass_storage.clear()
    assert len(written) == 3
    for second, energy in written:
        assert energy == second


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, RUNNING),
        (RUNNING, replace(RUNNING, ended_at=NOON)),
        (replace(RUNNING, ended_at=NOON), replace(RUNNING, id="tx-3")),
    ],
    ids=["begins", "ends", "another begins"],
)
@pytest.mark.parametrize("waiting", [False, True])
async def test_a_session_does_not_wait(
    hass: HomeAssistant,
    hass_storage: Storage,
    store: SiteStore,
    freezer: FrozenDateTimeFactory,
    before: Transaction | None,
    after: Transaction,
    waiting: bool,
) -> None:
    """A session's beginning and end are on the disk within a second."""
    store.async_keep({"box": state(1, before)})
    await store.async_save()
    hass_storage.clear()
    if waiting:
        store.async_keep({"box": state(2, before)})
        await later(hass, freezer, 5)
        assert KEY not in hass_storage
    store.async_keep({"box": state(3, after)})
    store.async_keep({"box": state(4, after)})
    await later(hass, freezer, 1)
    assert counted(hass_storage) == 4
    hass_storage.clear()
    # Neither does what had been waiting come a second time, nor is the next one lost.
    await later(hass, freezer, 3600)
    assert KEY not in hass_storage
    store.async_keep({"box": state(5, after)})
    await later(hass, freezer, 61)
    assert counted(hass_storage) == 5


async def test_what_is_live_is_not_written(
    hass: HomeAssistant,
    hass_storage: Storage,
    store: SiteStore,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A heartbeat, a connection, a power reading write nothing."""
    store.async_keep({"box": replace(WallboxState(), **LIVE)})
    await later(hass, freezer, 3600)
    await store.async_save()
    assert KEY not in hass_storage


@pytest.mark.parametrize(
    "changed",
    [
        {"identity": Identity(vendor="Delta")},
        {"recent": (ENDED,)},
        {"energy": COUNT},
        {"transaction": RUNNING},
    ],
    ids=lambda changed: next(iter(changed)),
)
async def test_every_lasting_change_is_written(
    hass: HomeAssistant,
    hass_storage: Storage,
    store: SiteStore,
    freezer: FrozenDateTimeFactory,
    changed: dict[str, Any],
) -> None:
    """Each part that lasts is written when it is all that changed."""
    store.async_keep({"box": replace(WallboxState(), **changed)})
    await later(hass, freezer, 61)
    loaded = await SiteStore(hass, ENTRY).async_load()
    assert loaded == {"box": replace(WallboxState(), **changed)}


async def test_save_now(
    hass: HomeAssistant,
    hass_storage: Storage,
    store: SiteStore,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Saving writes what waits, at once and once."""
    store.async_keep({"box": state(1)})
    await store.async_save()
    assert counted(hass_storage) == 1
    hass_storage.clear()
    await store.async_save()
    await later(hass, freezer, 3600)
    assert KEY not in hass_storage


@pytest.mark.parametrize("number", [2**63 - 1, 10**30])
async def test_a_number_that_json_cannot_hold(
    hass: HomeAssistant,
    hass_storage: Storage,
    site: Site,
    client_context: ssl.SSLContext,
    number: int,
) -> None:
    """A number that no counter reaches does not keep all the rest from the disk."""
    wallbox = SimulatedWallbox(
        url=site.url, charge_point_id=CHARGE_POINT_ID, ssl_context=client_context
    )
    await wallbox.connect()
    event = {
        "eventType": "Started",
        "timestamp": wallbox.wire_now(),
        "triggerReason": "CablePluggedIn",
        "seqNo": number,
        "transactionInfo": {"transactionId": "tx-1"},
    }
    await wallbox.send_raw(json.dumps([2, "id-1", "TransactionEvent", event]))
    await settle(hass, wallbox)
    await hass.config_entries.async_unload(site.entry.entry_id)
    stored = hass_storage[f"{DOMAIN}.{site.entry.entry_id}"]["data"]["wallboxes"]
    (box,) = stored.values()
    assert box["identity"]["serial_number"] == "SIM0000001"
    await wallbox.disconnect()
    assert await hass.config_entries.async_setup(site.entry.entry_id)
