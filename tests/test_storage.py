"""What survives a restart: every bit of it, in few writes, for nobody else's eyes."""

from collections.abc import AsyncGenerator
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime, time, timedelta, timezone
import itertools
import json
import math
import os
from pathlib import Path
import ssl
import stat
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.bmw_wallbox_victron.charging.receipt import Receipt, Unpriced
from custom_components.bmw_wallbox_victron.charging.record import SessionRecord
from custom_components.bmw_wallbox_victron.charging.settings import (
    ChargingMode,
    ChargingSettings,
)
from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.storage import SiteStore, as_stored
from custom_components.bmw_wallbox_victron.stored_form import load_ledgers
from custom_components.bmw_wallbox_victron.wallbox.clock import DeviceClock, Now
from custom_components.bmw_wallbox_victron.wallbox.energy import Flow, RegisterCount
from custom_components.bmw_wallbox_victron.wallbox.enforcement import Enforcement
from custom_components.bmw_wallbox_victron.wallbox.findings import (
    CheckResult,
    Detail,
    Finding,
    Lesson,
    Line,
    Verdict,
)
from custom_components.bmw_wallbox_victron.wallbox.identity import Identity, Light
from custom_components.bmw_wallbox_victron.wallbox.meter_values import Sample
from custom_components.bmw_wallbox_victron.wallbox.state import (
    ChargingState,
    ConnectorStatus,
    Doubt,
    EventType,
    Transaction,
    WallboxState,
)
from custom_components.bmw_wallbox_victron.wallbox.target import (
    ChargingSchedule,
    ProfileKind,
    Target,
)
from simulators.wallbox import SimulatedWallbox

from .kit.site import CHARGE_POINT_ID, Site, settle

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
    remote_start_id=7,
    phases_used=3,
    phases=(1, 3),
    charged=True,
    full=True,
    abandoned=True,
    replaced=True,
    state_sequence=41,
    repeat=1,
    start_stamp=NOON,
    start_order=NOON,
    newest_order=NOON + timedelta(hours=1),
    energy=COUNT,
    receipt=Receipt(
        energy_wh=1234.5,
        grid_wh=1000.25,
        solar_wh=234.25,
        unmetered_wh=0.5,
        unpriced_wh=100.0,
        cost=0.123456789,
        until=NOON,
        open=(Unpriced(begin=NOON, end=NOON + timedelta(minutes=5), wh=100.0),),
    ),
    record=SessionRecord(pauses=3, fuse_pauses=2, wakes=1, waived=10.0),
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
    host="wallbox.example.org",
    transaction=ENDED,
    recent=(RUNNING, replace(ENDED, id="tx-0")),
    energy=COUNT,
    target=Target(
        current_limit=16,
        charging_allowed=False,
        schedule=ChargingSchedule(periods=((0, 6.0), (3600, 0.0)), start=NOON),
        led_brightness=40,
        operative=True,
        charging=ChargingSettings(
            charging_mode=ChargingMode.SOLAR,
            target_energy=12.5,
            ready_by=time(6, 30),
            start_at=NOON + timedelta(days=1),
            plan=True,
            planned_from=NOON,
        ),
        lost=("schedule",),
    ),
    check=CheckResult(
        at=NOON,
        firmware_version="01.20.06.71",
        findings=(
            Finding(
                line=Line.LIMITS,
                verdict=Verdict.DIFFERS,
                details=(Detail.DEFAULT_IGNORED, Detail.EPOCH_FAILS),
            ),
        ),
        lesson=Lesson(kind=ProfileKind.RELATIVE, default_fails=True, polled=True),
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
    "doubted": (Doubt((ConnectorStatus.OCCUPIED, NOON), Now(NOON, 5000.0)),),
    "session_heard_at": 5000.0,
    "freed": True,
    "flowed": (
        Flow(key=("tx-1", 1), begin=NOON, end=NOON, before_wh=1.0, counted_wh=2.0),
    ),
    "ceiling_a": 32.0,
    "surveyed": True,
    "smart_charging": True,
    "light": Light("StatusLED", "brightness", 30),
    "cap_a": 10.0,
    "cap_forced": True,
    "check_cap_a": 6.0,
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
async def store(
    hass: HomeAssistant, hass_storage: Storage
) -> AsyncGenerator[SiteStore]:
    """A store that has seen a wallbox."""
    result = SiteStore(hass, ENTRY)
    result.async_keep({"box": WallboxState()})
    await result.async_save()
    hass_storage.pop(KEY, None)
    yield result
    await result.async_close()


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
    for value in (FULL, FULL.identity, FULL.target, ENDED, COUNT, ENDED.receipt):
        for item in fields(value):
            content = getattr(value, item.name)
            assert item.name in LIVE or content not in (item.default, ()), item.name
    assert {item.name for item in fields(WallboxState)} == LIVE.keys() | {
        "identity",
        "host",
        "transaction",
        "recent",
        "energy",
        "target",
        "check",
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
    """The first start finds nothing; without a wallbox it writes nothing."""
    store = SiteStore(hass, ENTRY)
    assert await store.async_load() == {}
    store.async_keep({})
    await store.async_save()
    await hass.async_block_till_done()
    assert KEY not in hass_storage


async def test_a_wallbox_is_stored_as_soon_as_it_is_there(
    hass: HomeAssistant, hass_storage: Storage
) -> None:
    """So that a file which lacks it later is known to be damaged."""
    store = SiteStore(hass, ENTRY)
    await store.async_load()
    store.async_keep({"box": WallboxState()})
    await hass.async_block_till_done()
    assert await SiteStore(hass, ENTRY).async_load({"box"}) == {"box": WallboxState()}


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


async def test_the_steady_clock_is_not_stored(
    hass: HomeAssistant, hass_storage: Storage, store: SiteStore
) -> None:
    """It begins anew with each start, and its passing is no change of a target."""
    assert FULL.target.schedule is not None
    schedule = replace(FULL.target.schedule, anchor=5000.0)
    anchored = replace(FULL, target=replace(FULL.target, schedule=schedule))
    store.async_keep({"box": anchored})
    await store.async_save()
    again = SiteStore(hass, ENTRY)
    loaded = await again.async_load()
    assert loaded == {"box": FULL}
    hass_storage.clear()
    again.async_keep({"box": anchored})
    await again.async_save_targets({"box": anchored})
    await again.async_close()
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


# What is shown while something is on the disk


class Life(RuleBasedStateMachine):
    """Energy that is counted, written, and lost with the power, in any order."""

    def __init__(self) -> None:
        """Start with nothing counted and nothing stored."""
        super().__init__()
        self.at = NOON
        self.state = self.on_disk = WallboxState()
        self.total = 0.0
        """The most that was shown, Wh."""
        self.sessions: dict[tuple[str, datetime], float] = {}
        """The most that was shown of each session, Wh."""

    @rule(wh=st.floats(0, 50_000), counts=st.booleans())
    def reading(self, wh: float, counts: bool) -> None:
        """Count energy, in the session where there is one."""
        self.at += timedelta(seconds=10)
        energy = replace(
            self.state.energy, counted_wh=self.state.energy.counted_wh + wh
        )
        current = self.state.transaction
        if current is not None and current.ended_at is None and counts:
            counted = current.energy.counted_wh + wh
            current = replace(
                current,
                updated_at=self.at,
                energy=replace(current.energy, counted_wh=counted),
            )
        self.state = replace(self.state, energy=energy, transaction=current)

    @rule(number=st.integers(1, 2))
    def session(self, number: int) -> None:
        """Begin a session, under an id that may have been used before."""
        self.at += timedelta(minutes=5)
        before = self.state.transaction
        recent = (*(() if before is None else (before,)), *self.state.recent)[:8]
        transaction = replace(
            RUNNING, id=f"tx-{number}", started_at=self.at, updated_at=self.at
        )
        self.state = replace(self.state, transaction=transaction, recent=recent)

    @rule()
    def end(self) -> None:
        """End the session."""
        if self.state.transaction is not None:
            ended = replace(self.state.transaction, ended_at=self.at)
            self.state = replace(self.state, transaction=ended)

    @rule()
    def write(self) -> None:
        """Have all on the disk."""
        self.on_disk = self.state

    @rule()
    def kill(self) -> None:
        """Start again from what is on the disk."""
        self.state = self.on_disk

    @invariant()
    def nothing_falls(self) -> None:
        """What is shown is on the disk, and no less than it ever was."""
        shown = as_stored(self.state, self.on_disk)
        assert self.total <= shown.energy.counted_wh <= self.on_disk.energy.counted_wh
        self.total = shown.energy.counted_wh
        stored = {
            (item.id, item.started_at): item.energy.counted_wh
            for item in (self.on_disk.transaction, *self.on_disk.recent)
            if item is not None
        }
        for item in (shown.transaction, *shown.recent):
            if item is None:
                continue
            key, counted_wh = (item.id, item.started_at), item.energy.counted_wh
            assert self.sessions.get(key, 0.0) <= counted_wh <= stored.get(key, 0.0)
            self.sessions[key] = counted_wh
        assert replace(shown, energy=COUNT, transaction=None, recent=()) == replace(
            self.state, energy=COUNT, transaction=None, recent=()
        )


TestLife = Life.TestCase


def test_a_start_that_is_learned_of_late() -> None:
    """It is the same session, and its energy does not fall."""
    energy = RegisterCount(counted_wh=5000)
    stored = WallboxState(
        transaction=replace(
            RUNNING, updated_at=NOON + timedelta(hours=1), energy=energy
        )
    )
    earlier = replace(
        RUNNING,
        started_at=NOON - timedelta(hours=1),
        energy=RegisterCount(counted_wh=7000),
    )
    shown = as_stored(WallboxState(transaction=earlier), stored)
    assert shown.transaction == replace(earlier, energy=energy)


# What cannot be read


@pytest.mark.parametrize(
    ("part", "content", "lost"),
    [
        ("energy", None, "energy"),
        ("energy", [1], "energy"),
        ("identity", [], "identity"),
        ("transaction", {"id": "tx-1"}, "transaction"),
        ("transaction", "tx-1", "transaction"),
        ("recent", {"id": "tx-1"}, "recent"),
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


#: A field of `FULL`, what stands there instead, what is lost beside it, and what else
#: follows from that.
BENT: list[tuple[str, Any, tuple[str, ...], dict[str, Any]]] = [
    ("energy.counted_wh", "much", (), {}),
    ("energy.counted_wh", True, (), {}),
    ("energy.counted_wh", None, (), {}),
    ("energy.counted_wh", -1.0, (), {}),
    ("energy.since_drop_wh", -0.1, (), {}),
    ("energy.last_at", "yesterday", ("energy.last_wh",), {}),
    ("energy.last_at", "2026-10-03T12:00:00", ("energy.last_wh",), {}),
    ("energy.last_wh", [], ("energy.last_at",), {}),
    ("energy.first_wh", {}, ("energy.first_at",), {}),
    ("energy.before_at", 5, ("energy.before_wh",), {}),
    ("energy.suspect_wh", "?", (), {}),
    ("energy.fell_at_start", 1, (), {}),
    ("identity.vendor", 5, (), {}),
    ("identity.serial_number", ["SIM"], (), {}),
    ("transaction.started_at", "?", (), {"started_at": ENDED.updated_at}),
    ("transaction.updated_at", 7, (), {"updated_at": ENDED.ended_at}),
    ("transaction.sequence_number", "42", (), {"sequence_number": -1}),
    ("transaction.event_type", "exploded", (), {"event_type": EventType.ENDED}),
    ("transaction.ended_at", "never", (), {"ended_at": ENDED.updated_at}),
    ("transaction.charging_state", 5, (), {}),
    ("transaction.trigger_reason", 5, (), {}),
    ("transaction.stopped_reason", {}, (), {}),
    ("transaction.id_token", 5, (), {}),
    ("transaction.phases_used", 3.5, (), {}),
    ("transaction.abandoned", None, (), {}),
    ("transaction.receipt", {"energy_wh": "?"}, (), {"receipt": Receipt()}),
    ("transaction.receipt", {"cost": "free"}, (), {"receipt": Receipt()}),
    ("transaction.energy.counted_wh", "", (), {}),
    ("transaction.energy.first_at", "", ("transaction.energy.first_wh",), {}),
]


def without(value: Any, path: list[str]) -> Any:
    """Return a dataclass with the default in one field, which may lie deeper."""
    name, *rest = path
    if rest:
        return replace(value, **{name: without(getattr(value, name), rest)})
    (item,) = (item for item in fields(value) if item.name == name)
    default = None if item.default is MISSING else item.default
    return replace(value, **{name: default})


@pytest.mark.parametrize(("path", "content", "with_it", "instead"), BENT, ids=str)
async def test_a_bent_field_costs_that_field(
    hass: HomeAssistant,
    hass_storage: Storage,
    store: SiteStore,
    caplog: pytest.LogCaptureFixture,
    path: str,
    content: Any,
    with_it: tuple[str, ...],
    instead: dict[str, Any],
) -> None:
    """All others are kept, and the log names it."""
    store.async_keep({"box": FULL})
    await store.async_save()
    *places, name = path.split(".")
    stored = hass_storage[KEY]["data"]["wallboxes"]["box"]
    for place in places:
        stored = stored[place]
    stored[name] = content
    expected: WallboxState = FULL
    for each in (path, *with_it):
        expected = without(expected, each.split("."))
    if instead and expected.transaction is not None:
        expected = replace(
            expected, transaction=replace(expected.transaction, **instead)
        )
    assert await SiteStore(hass, ENTRY).async_load() == {"box": expected}
    (warning,) = [item for item in caplog.records if item.levelname == "WARNING"]
    assert warning.getMessage().endswith(f"for box, this cannot be read: {path}")


@pytest.mark.parametrize(
    "bent",
    [
        *({"grid_wh": 5.0}, {"solar_wh": -1000.0, "grid_wh": 2234.5}),
        *({"unpriced_wh": -1.0}, {"unmetered_wh": 1e9}, {"energy_wh": -1.0}),
    ],
    ids=str,
)
@pytest.mark.parametrize("unreadable", [{}, {"cost": "much"}], ids=str)
def test_a_receipt_that_cannot_be_right(
    bent: dict[str, Any], unreadable: dict[str, Any]
) -> None:
    """It costs the receipt alone, of the state as in the ledger."""
    receipt = {
        "energy_wh": 1234.5,
        "grid_wh": 1000.25,
        "solar_wh": 234.25,
        "unpriced_wh": 0.0,
        "cost": 0.5,
    }
    line = {
        "transaction_id": "tx-1",
        "start": NOON.isoformat(),
        "end": NOON.isoformat(),
        "energy_wh": 1234.5,
        "id_token": None,
        "stop_reason": None,
        "receipt": receipt,
    }
    ledgers, lost = load_ledgers({"box": [line]})
    assert ledgers["box"][0].receipt.cost == 0.5
    receipt |= bent | unreadable
    ledgers, lost = load_ledgers({"box": [line]})
    (session,) = ledgers["box"]
    assert (session.energy_wh, session.receipt, lost) == (1234.5, Receipt(), {})


async def test_a_bent_session_of_several(
    hass: HomeAssistant,
    hass_storage: Storage,
    store: SiteStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Those beside it are kept. One that ended does not run again."""
    store.async_keep({"box": replace(FULL, recent=(ENDED, RUNNING, ENDED))})
    await store.async_save()
    recent = hass_storage[KEY]["data"]["wallboxes"]["box"]["recent"]
    recent[1] = {"id": "tx-1"}
    recent[2]["ended_at"] = recent[2]["updated_at"] = "?"
    loaded = await SiteStore(hass, ENTRY).async_load()
    assert loaded["box"].recent[0] == ENDED
    (rescued,) = loaded["box"].recent[1:]
    assert rescued.ended_at == rescued.updated_at == ENDED.started_at
    assert "cannot be read: recent.1, recent.2.updated_at, recent.2.ended_at" in (
        caplog.text
    )


LIMITING = ("current_limit", "charging_allowed", "schedule", "charging")
#: What a file of before may lack.
FIRST = LIMITING[:3]
START = "2026-10-03T12:00:00+00:00"


BENT_PERIODS: list[Any] = [
    *([], None, {}, "all", [[]], [[0]], [[0, 6, 7]], [0, 6]),
    *([[5, 6.0]], [[-5, 6.0], [0, 7.0]], [[0, 6.0], [60, 7.0], [30, 8.0]]),
    *([[0, 6.0], [0, 7.0]], [[0, -6.0]], [[0, 1e9]], [[0, math.inf]]),
    *([[0, math.nan]], [[0, "6"]], [[0, True]], [[0.5, 6.0]], [["0", 6.0]]),
    [[0, 6.0], [10**18, 7.0]],
]
UNREADABLE: dict[str, list[Any]] = {
    "current_limit": [
        *("eight", "8", 0, -8, 5, 64, 1e9, math.inf, 10**30, 13.7, True, False),
        *(math.nan, [8], {}, [[8]]),
    ],
    "charging_allowed": ["off", 0, 1, None, [], 0.0],
    "schedule": [
        *("none", [], 6, True),
        *({"start": START, "periods": periods} for periods in BENT_PERIODS),
        *(
            {"start": start, "periods": [[0, 6.0]]}
            for start in (
                *(None, 5, "now", "2026-10-03T12:00:00", "0001-01-01T00:00:00+00:00"),
                "9999-12-31T23:59:59+00:00",
            )
        ),
    ],
    "charging": [
        *(None, "fast", [], {"charging_mode": "slow"}, {"plan": 1}),
        *({"target_energy": energy} for energy in (-1.0, 101.0, math.nan, "10")),
        *({"ready_by": moment} for moment in ("25:00", 7, None)),
        *({"start_at": moment} for moment in ("07:00", 5, "2026-10-03T12:00:00")),
    ],
}


@pytest.mark.parametrize(
    ("field", "content"),
    [
        (field, content)
        for field, contents in UNREADABLE.items()
        for content in contents
    ],
    ids=str,
)
async def test_a_target_that_cannot_be_read_is_named_as_lost(
    hass: HomeAssistant,
    hass_storage: Storage,
    store: SiteStore,
    field: str,
    content: Any,
) -> None:
    """Neither full power is taken for it, nor do the others suffer."""
    target = replace(FULL.target, lost=())
    store.async_keep({"box": replace(FULL, target=target)})
    await store.async_save()
    hass_storage[KEY]["data"]["wallboxes"]["box"]["wish"][field] = content
    loaded = await SiteStore(hass, ENTRY).async_load()
    default = {field: getattr(Target(), field)}
    assert loaded["box"] == replace(
        FULL, target=replace(target, **default, lost=(field,))
    )


WHOLE: dict[str, Any] = {
    "current_limit": 8,
    "charging_allowed": True,
    "schedule": None,
}
PARTS: list[tuple[Any, tuple[str, ...]]] = [
    (None, LIMITING),
    ("8 A", LIMITING),
    ([], LIMITING),
    (5, LIMITING),
    ({}, FIRST),
    ({"lost": []}, FIRST),
    ({"current_limit": 8}, FIRST[1:]),
    ({"current_limit": 8, "charging_allowed": True}, FIRST[2:]),
    (WHOLE, ()),
    (WHOLE | {"lost": ["schedule", "current_limit"]}, ("current_limit", "schedule")),
    (WHOLE | {"lost": ["moon", "schedule"]}, ("schedule",)),
    (WHOLE | {"lost": "schedule"}, LIMITING),
    (WHOLE | {"lost": [5]}, LIMITING),
    (WHOLE | {"lost": None}, LIMITING),
]


@pytest.mark.parametrize(("target", "lost"), PARTS, ids=str)
async def test_a_target_of_which_parts_are_missing(
    hass: HomeAssistant, hass_storage: Storage, store: SiteStore, target: Any, lost: Any
) -> None:
    """What is not there is lost, too; and what was lost once stays it."""
    store.async_keep({"box": FULL})
    await store.async_save()
    hass_storage[KEY]["data"]["wallboxes"]["box"]["wish"] = target
    loaded = await SiteStore(hass, ENTRY).async_load()
    assert loaded["box"].target.lost == lost
    assert loaded["box"].energy == FULL.energy


@pytest.mark.parametrize(
    ("field", "content"),
    [
        ("led_brightness", "dim"),
        ("led_brightness", 101),
        ("led_brightness", -1),
        ("led_brightness", 40.0),
        ("operative", "yes"),
        ("operative", 1),
    ],
)
async def test_what_bears_on_no_limit_was_never_set_then(
    hass: HomeAssistant,
    hass_storage: Storage,
    store: SiteStore,
    caplog: pytest.LogCaptureFixture,
    field: str,
    content: Any,
) -> None:
    store.async_keep({"box": FULL})
    await store.async_save()
    hass_storage[KEY]["data"]["wallboxes"]["box"]["wish"][field] = content
    loaded = await SiteStore(hass, ENTRY).async_load()
    target = loaded["box"].target
    assert getattr(target, field) is None
    assert replace(target, **{field: getattr(FULL.target, field)}) == FULL.target
    assert not [item for item in caplog.records if item.levelname == "WARNING"]


@pytest.mark.parametrize("limit", [6, 13, 13.0, 63])
async def test_limits_that_can_be_read(
    hass: HomeAssistant, hass_storage: Storage, store: SiteStore, limit: float
) -> None:
    store.async_keep({"box": FULL})
    await store.async_save()
    hass_storage[KEY]["data"]["wallboxes"]["box"]["wish"]["current_limit"] = limit
    target = (await SiteStore(hass, ENTRY).async_load())["box"].target
    assert target == replace(FULL.target, current_limit=int(limit))
    assert type(target.current_limit) is int


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
    assert loaded == {"box": WallboxState(target=Target(lost=LIMITING)), "other": FULL}
    assert "for box, this cannot be read: everything" in caplog.text


async def test_a_wallbox_that_was_set_up_and_is_not_in_the_file(
    hass: HomeAssistant, hass_storage: Storage, store: SiteStore
) -> None:
    """Of one that is new, nothing was lost."""
    store.async_keep({"box": FULL})
    await store.async_save()
    loaded = await SiteStore(hass, ENTRY).async_load({"box", "other"})
    assert loaded == {"box": FULL, "other": WallboxState(target=Target(lost=LIMITING))}


#: As version 0.1.0 wrote it.
OF_0_1_0 = """
{
  "version": 1,
  "minor_version": 1,
  "key": "bmw_wallbox_victron.entry-id",
  "data": {
    "wallboxes": {
      "01KBOX": {
        "identity": {
          "vendor": "Delta Electronics",
          "model": "EIAW-E22KTSE6B04",
          "serial_number": "SIM0000001",
          "firmware_version": "01.20.06.71"
        },
        "energy": {
          "counted_wh": 4217345.5,
          "first_wh": 4200000.0,
          "first_at": "2026-10-01T18:00:00+00:00",
          "last_wh": 4217345.5,
          "last_at": "2026-11-02T06:31:10+00:00",
          "suspect_wh": null,
          "before_wh": null,
          "before_at": null,
          "since_drop_wh": 0.0,
          "fell_at_start": false
        },
        "transaction": {
          "id": "tx-17",
          "started_at": "2026-11-02T01:00:00+00:00",
          "updated_at": "2026-11-02T06:31:10+00:00",
          "sequence_number": 1987,
          "event_type": "updated",
          "trigger_reason": "meter_value_periodic",
          "charging_state": "suspended_evse",
          "ended_at": null,
          "stopped_reason": null,
          "id_token": null,
          "phases_used": 3,
          "abandoned": false,
          "replaced": false,
          "state_sequence": 1980,
          "state_at": "2026-11-02T06:30:00+00:00",
          "energy": {
            "counted_wh": 17345.5,
            "first_wh": 4200000.0,
            "first_at": "2026-11-02T01:00:00+00:00",
            "last_wh": 4217345.5,
            "last_at": "2026-11-02T06:31:10+00:00",
            "suspect_wh": null,
            "before_wh": null,
            "before_at": null,
            "since_drop_wh": 0.0,
            "fell_at_start": false
          }
        },
        "recent": [],
        "wish": {
          "current_limit": 10,
          "charging_allowed": false,
          "schedule": {
            "periods": [[0, 6.0], [3600, 0.0], [7200, 13.5]],
            "start": "2026-11-02T06:30:00.123456+00:00"
          },
          "led_brightness": 30,
          "operative": null
        },
        "enforcement": {"rebooted_at": "2026-11-01T12:00:00+00:00"}
      }
    },
    "devices": {},
    "battery": {"drain_fast_min_drop": 0.2}
  }
}
"""


async def test_a_file_of_version_0_1_0(
    hass: HomeAssistant, hass_storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    """All of it is taken, nothing is said, and all is there when it is written."""
    hass_storage[KEY] = json.loads(OF_0_1_0)
    store = SiteStore(hass, ENTRY)
    loaded = await store.async_load({"01KBOX"})
    box = loaded["01KBOX"]
    assert box.target == Target(
        current_limit=10,
        charging_allowed=False,
        schedule=ChargingSchedule(
            periods=((0, 6.0), (3600, 0.0), (7200, 13.5)),
            start=datetime(2026, 11, 2, 6, 30, 0, 123456, UTC),
        ),
        led_brightness=30,
    )
    assert box.energy.counted_wh == 4_217_345.5
    assert box.transaction is not None
    assert box.transaction.charging_state is ChargingState.SUSPENDED_EVSE
    assert box.enforcement.rebooted_at == datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert store.numbers == {"drain_fast_min_drop": 0.2}
    assert not [item for item in caplog.records if item.levelname == "WARNING"]
    store.async_keep(loaded)
    store.async_keep_numbers(store.numbers)
    await store.async_close()
    before = json.loads(OF_0_1_0)["data"]["wallboxes"]["01KBOX"]
    del before["transaction"]["state_at"]  # not kept any more
    after = json.loads(json.dumps(hass_storage[KEY]["data"]["wallboxes"]["01KBOX"]))
    for name, part in before.items():
        whole = after[name] | part if isinstance(part, dict) else part
        assert whole == after[name]


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
    stored["energy"]["color"] = "green"
    stored["transaction"]["color"] = 7
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
    """At first they are written as they come, then once a minute, with the newest."""
    written = []
    for number in range(1, 361):
        store.async_keep({"box": state(number)})
        await later(hass, freezer, 10)
        if KEY in hass_storage:
            written.append((number * 10, counted(hass_storage)))
            hass_storage.clear()
    early = [at for at, _ in written if at <= 120]
    assert len(early) >= 10
    assert 55 <= len(written) - len(early) <= 60
    for at, energy in written:
        assert energy == at / 10


async def test_what_is_replayed_is_no_reason_to_wait(
    hass: HomeAssistant,
    hass_storage: Storage,
    store: SiteStore,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Any number of readings in one moment is written with the newest of them."""
    freezer.tick(600)
    for number in range(1, 500):
        store.async_keep({"box": state(number)})
        if number % 7 == 0:
            await hass.async_block_till_done()
    await hass.async_block_till_done()
    assert counted(hass_storage) == 499


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, RUNNING),
        (RUNNING, replace(RUNNING, ended_at=NOON)),
        (replace(RUNNING, ended_at=NOON), replace(RUNNING, id="tx-3")),
    ],
    ids=["begins", "ends", "another begins"],
)
async def test_a_session_does_not_wait(
    hass: HomeAssistant,
    hass_storage: Storage,
    store: SiteStore,
    freezer: FrozenDateTimeFactory,
    before: Transaction | None,
    after: Transaction,
) -> None:
    """A session's beginning and end are on the disk at once, whatever waits."""
    for wh in range(15):
        store.async_keep({"box": state(wh, before)})
        await later(hass, freezer, 2)
    hass_storage.clear()
    store.async_keep({"box": state(20, before)})
    await hass.async_block_till_done()
    assert KEY not in hass_storage
    store.async_keep({"box": state(21, after)})
    await hass.async_block_till_done()
    assert counted(hass_storage) == 21
    hass_storage.clear()
    # Neither does what had been waiting come a second time, nor is the next one lost.
    await later(hass, freezer, 3600)
    assert KEY not in hass_storage
    store.async_keep({"box": state(22, after)})
    await later(hass, freezer, 61)
    assert counted(hass_storage) == 22


async def test_a_car_that_cannot_decide_wears_out_no_disk(
    hass: HomeAssistant,
    hass_storage: Storage,
    store: SiteStore,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Sessions that begin and end ten times a second are written once a second."""
    writes = 0
    for number in range(600):
        session = replace(RUNNING, id=f"tx-{number}")
        store.async_keep({"box": state(number, session)}, at_once=True)
        await later(hass, freezer, 0.1)
        writes += KEY in hass_storage
        hass_storage.clear()
    assert 60 <= writes <= 75
    await later(hass, freezer, 2)
    assert counted(hass_storage) == 599


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
