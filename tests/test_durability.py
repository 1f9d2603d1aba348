"""A Home Assistant that may be killed at any moment: what is on its disk by then.

On a real disk, and through the public face: what was set is looked up in the file at
the moment its call returns, and "killed" means set up again from the files of a moment.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
import errno
import json
from pathlib import Path
import random
import threading
from typing import Any, Final
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.disk import DiskFile
from simulators.wallbox import DELTA, Car, SimulatedWallbox

from .kit.site import Site, settle

# What a wallbox does, whichever Home Assistant it is shown by.
pytestmark = pytest.mark.any_homeassistant


type MakeWallbox = Callable[..., SimulatedWallbox]
type Act = tuple[str, str, str, dict[str, Any]]

#: Domain, action, key of the entity, data.
STOP: Final[Act] = ("switch", "turn_off", "charging", {})
START: Final[Act] = ("switch", "turn_on", "charging", {})
PRESS_STOP: Final[Act] = ("button", "press", "stop_charging", {})
PRESS_START: Final[Act] = ("button", "press", "start_charging", {})


def limit(amps: int) -> Act:
    """Set the limit."""
    return "number", "set_value", "current_limit", {"value": amps}


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Keep the files of each test apart."""
    return hass_tmp_config_dir


@pytest.fixture
def hass_storage() -> dict[str, Any]:
    """Have the real storage in the place of the usual stand-in."""
    return {}


class Disk:
    """The files of an entry."""

    def __init__(self, hass: HomeAssistant, entry: MockConfigEntry) -> None:
        """Find them."""
        self.file = Path(hass.config.path(".storage", f"{DOMAIN}.{entry.entry_id}"))
        self.ledger = Path(f"{self.file}.sessions")
        (self._subentry_id,) = entry.subentries

    def all(self) -> set[Path]:
        """List all files that there are."""
        return set(self.file.parent.iterdir())

    def box(self) -> dict[str, Any]:
        """Read what is stored of the wallbox."""
        data = json.loads(self.file.read_text(encoding="utf-8"))["data"]
        stored: dict[str, Any] = data["wallboxes"][self._subentry_id]
        return stored

    def target(self, field: str) -> Any:
        """Read what is stored of the target."""
        return self.box()["wish"][field]

    def change_target(self, **fields: Any) -> None:
        """Damage the file."""
        stored = json.loads(self.file.read_text(encoding="utf-8"))
        stored["data"]["wallboxes"][self._subentry_id]["wish"] |= fields
        self.file.write_text(json.dumps(stored), encoding="utf-8")

    def copy(self) -> dict[Path, bytes | None]:
        """Take the files as they are now."""
        return {
            file: file.read_bytes() if file.exists() else None
            for file in (self.file, self.ledger)
        }

    @staticmethod
    def put_back(copy: dict[Path, bytes | None]) -> None:
        """Have the files as they were then."""
        for file, content in copy.items():
            file.unlink(missing_ok=True)
            if content is not None:
                file.write_bytes(content)


@pytest.fixture
def disk(hass: HomeAssistant, site: Site) -> Disk:
    """The files of the site."""
    return Disk(hass, site.entry)


async def act(hass: HomeAssistant, site: Site, what: Act) -> None:
    """Call an action, and return when it does."""
    domain, action, key, data = what
    target = {"entity_id": site.entity_id(domain, key)}
    await hass.services.async_call(domain, action, target | data, blocking=True)


async def later(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    seconds: float,
    *wallboxes: SimulatedWallbox,
) -> None:
    """Let time pass, for Home Assistant and for the wallboxes."""
    await settle(hass, *wallboxes)
    freezer.tick(seconds)
    for wallbox in wallboxes:
        await wallbox.tick(seconds)
    async_fire_time_changed(hass, dt_util.utcnow())
    await settle(hass, *wallboxes)


async def restart(
    hass: HomeAssistant, site: Site, files: dict[Path, bytes | None]
) -> None:
    """Start again from these files, as after a kill -9 at that moment."""
    await hass.config_entries.async_unload(site.entry.entry_id)
    await hass.async_add_executor_job(Disk.put_back, files)
    assert await hass.config_entries.async_setup(site.entry.entry_id)
    await hass.async_block_till_done()


async def act_and_wait(
    hass: HomeAssistant,
    site: Site,
    freezer: FrozenDateTimeFactory,
    wallbox: SimulatedWallbox,
    what: Act,
) -> None:
    """Call an action that lets time pass before it has its answer."""
    await settle(hass, wallbox)
    call = hass.async_create_task(act(hass, site, what))
    for _ in range(100):
        for _ in range(300):  # the loop's own clock stands still, too
            await asyncio.sleep(0)
        if call.done():
            break
        freezer.tick(0.5)
        await wallbox.tick(0.5)
        async_fire_time_changed(hass, dt_util.utcnow())
    await call


class SlowDisk:
    """A disk that begins to write and does not end before it may."""

    def __init__(self) -> None:
        """Write nothing yet."""
        self._may = threading.Event()
        self.writes = 0

    def go(self) -> None:
        """Let it write from now on."""
        self._may.set()

    @contextmanager
    def built_in(self) -> Iterator[None]:
        """Have it in the machine."""
        write = DiskFile._write_prepared_data

        def slowly(file: DiskFile, mode: str, data: str | bytes) -> None:
            self.writes += 1
            assert self._may.wait(10)
            write(file, mode, data)

        with patch.object(DiskFile, "_write_prepared_data", slowly):
            try:
                yield
            finally:
                self.go()


@pytest.fixture
def slow_disk() -> Iterator[SlowDisk]:
    """A slow disk, from the test's first line on."""
    disk = SlowDisk()
    with disk.built_in():
        yield disk


@contextmanager
def full_disk() -> Iterator[None]:
    """Have no space left on the device."""
    with patch(
        "custom_components.bmw_wallbox_victron.disk.os.fsync",
        side_effect=OSError(errno.ENOSPC, "No space left on device"),
    ):
        yield


# A target is on the disk before its call returns


ACTS: Final[dict[str, tuple[Act, str, Any]]] = {
    "stop": (PRESS_STOP, "charging_allowed", False),
    "switch off": (STOP, "charging_allowed", False),
    "limit": (limit(9), "current_limit", 9),
    "availability": (("switch", "turn_off", "availability", {}), "operative", False),
}


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("name", ACTS)
async def test_a_target_is_on_the_disk_when_its_call_returns(
    hass: HomeAssistant,
    site: Site,
    disk: Disk,
    make_wallbox: MakeWallbox,
    name: str,
    connected: bool,
) -> None:
    """Whether the wallbox is there or not. Nothing in between could be lost."""
    if connected:
        wallbox = make_wallbox()
        await wallbox.connect()
        await wallbox.plug_in(Car())
        await settle(hass, wallbox)
    what, field, value = ACTS[name]
    assert disk.target(field) != value
    await act(hass, site, what)
    assert disk.target(field) == value


async def test_a_schedule_is_on_the_disk_when_its_call_returns(
    hass: HomeAssistant, site: Site, disk: Disk, make_wallbox: MakeWallbox
) -> None:
    """So is that it was cleared."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await settle(hass, wallbox)
    device = {"device_id": site.device().id}
    periods = [{"start_period": 0, "limit": 6}, {"start_period": 60, "limit": 16}]
    await hass.services.async_call(
        DOMAIN, "set_charging_profile", device | {"periods": periods}, blocking=True
    )
    assert disk.target("schedule")["periods"] == [[0, 6.0], [60, 16.0]]
    await hass.services.async_call(
        DOMAIN, "clear_charging_profiles", device, blocking=True
    )
    assert disk.target("schedule") is None


async def test_targets_ten_a_second_and_then_a_stop(
    hass: HomeAssistant, site: Site, disk: Disk, freezer: FrozenDateTimeFactory
) -> None:
    """None puts off the write of another, at any pace."""
    for number in range(600):
        await act(hass, site, limit(6 + number % 20))
        assert disk.target("current_limit") == 6 + number % 20
        freezer.tick(0.1)
        async_fire_time_changed(hass, dt_util.utcnow())
    await act(hass, site, STOP)
    files = disk.copy()
    await restart(hass, site, files)
    assert site.state("charging", "switch") == STATE_OFF
    assert float(site.state("current_limit", "number")) == 6 + 599 % 20


async def test_targets_during_a_write_are_one_more_write(
    hass: HomeAssistant, site: Site, disk: Disk, slow_disk: SlowDisk
) -> None:
    """The first is not put off by those after it, and these do not each write."""
    calls = [hass.async_create_task(act(hass, site, limit(6)))]
    await asyncio.sleep(0.05)
    assert slow_disk.writes == 1
    before = slow_disk.writes
    calls += [hass.async_create_task(act(hass, site, limit(n))) for n in range(7, 27)]
    await asyncio.sleep(0.05)
    assert not any(call.done() for call in calls)
    slow_disk.go()
    await asyncio.gather(*calls)
    assert slow_disk.writes <= before + 1
    assert disk.target("current_limit") == 26


async def test_the_frame_does_not_wait_for_the_disk(
    hass: HomeAssistant, site: Site, disk: Disk, make_wallbox: MakeWallbox
) -> None:
    """The car stops at once; the call returns when that is stored."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    slow = SlowDisk()
    with slow.built_in():
        call = hass.async_create_task(act(hass, site, STOP))
        await wallbox.wait_until(lambda: wallbox.charger.offered_a == 0)
        await wallbox.settle()
        await asyncio.sleep(0.05)
        assert not call.done()
        assert disk.target("charging_allowed") is True
        slow.go()
        await call
    assert disk.target("charging_allowed") is False


async def test_a_target_that_ends_in_an_error_is_stored_all_the_same(
    hass: HomeAssistant, site: Site, disk: Disk, make_wallbox: MakeWallbox
) -> None:
    """It stands; the wallbox's error is what is told, once the target is stored."""
    wallbox = make_wallbox(replace(DELTA, light_rejected=True))
    await wallbox.connect()
    await settle(hass, wallbox)
    slow = SlowDisk()
    with slow.built_in():
        light: Act = ("number", "set_value", "led_brightness", {"value": 70})
        call = hass.async_create_task(act(hass, site, light))
        await wallbox.wait_until(lambda: bool(wallbox.calls("SetVariables")))
        await wallbox.settle()
        await asyncio.sleep(0.05)
        assert not call.done()
        slow.go()
        with pytest.raises(HomeAssistantError) as caught:
            await call
    assert caught.value.translation_key == "led_brightness_refused"
    assert disk.target("led_brightness") == 70


# A disk that is full


async def test_a_disk_that_is_full(
    hass: HomeAssistant,
    site: Site,
    disk: Disk,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The car stops; who asked is told; it is tried again, and said twice in all."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    with full_disk():
        with pytest.raises(HomeAssistantError) as caught:
            await act(hass, site, STOP)
        assert caught.value.translation_key == "not_stored"
        assert caught.value.translation_placeholders == {
            "reason": "No space left on device"
        }
        await settle(hass, wallbox)
        assert wallbox.charger.offered_a == 0
        assert disk.target("charging_allowed") is True
        for _ in range(20):
            await later(hass, freezer, 30, wallbox)
        assert caplog.text.count("No space left on device") == 1
    for _ in range(3):
        await later(hass, freezer, 30, wallbox)
    assert disk.target("charging_allowed") is False
    assert caplog.text.count("can be written again") == 1


async def test_a_start_while_the_disk_is_full(
    hass: HomeAssistant, site: Site, disk: Disk, make_wallbox: MakeWallbox
) -> None:
    """All that belongs to it is done, not only what comes before the storing."""
    wallbox = make_wallbox(DELTA)
    await wallbox.connect()
    await settle(hass, wallbox)
    await act(hass, site, STOP)
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    with full_disk():
        with pytest.raises(HomeAssistantError) as caught:
            await act(hass, site, PRESS_START)
        assert caught.value.translation_key == "not_stored"
        await settle(hass, wallbox)
        assert site.state("status") == "charging"
        # What changes no target has nothing to tell of it.
        await act(hass, site, ("button", "press", "refresh", {}))


async def test_the_retries_end_with_the_entry(
    hass: HomeAssistant, site: Site, disk: Disk, freezer: FrozenDateTimeFactory
) -> None:
    """What cannot be written then is given up: no timer, no task is left."""
    with full_disk():
        with pytest.raises(HomeAssistantError):
            await act(hass, site, STOP)
        await hass.config_entries.async_unload(site.entry.entry_id)
        before = disk.file.read_bytes()
    freezer.tick(3600)
    async_fire_time_changed(hass, dt_util.utcnow())
    await hass.async_block_till_done()
    assert disk.file.read_bytes() == before
    assert await hass.config_entries.async_setup(site.entry.entry_id)


async def test_a_write_that_was_cut_short(
    hass: HomeAssistant, site: Site, disk: Disk
) -> None:
    """What is there of the next file does not disturb, and goes with the entry."""
    half = Path(f"{disk.file}.new")
    await hass.async_add_executor_job(half.write_text, '{"version": 1, "da')
    files = disk.copy()
    await restart(hass, site, files)
    await act(hass, site, STOP)
    assert disk.target("charging_allowed") is False
    assert half not in disk.all()
    await hass.async_add_executor_job(half.write_text, "secret")
    await hass.config_entries.async_remove(site.entry.entry_id)
    assert not {half, disk.file, disk.ledger} & disk.all()


# A target that cannot be read


def lost_target(hass: HomeAssistant, site: Site) -> ir.IssueEntry | None:
    """Return the repair issue of a target that cannot be read."""
    (subentry_id,) = site.entry.subentries
    issue_id = f"wish_unreadable_{subentry_id}"
    return ir.async_get(hass).async_get_issue(DOMAIN, issue_id)


async def test_the_first_set_up_lost_nothing(
    hass: HomeAssistant, site: Site, disk: Disk
) -> None:
    """And the file is there from then on, so that its absence tells something."""
    assert lost_target(hass, site) is None
    assert disk.box()["wish"]["lost"] == []
    assert site.state("charging", "switch") == STATE_ON
    assert float(site.state("current_limit", "number")) == 32


#: What may have become of the file. None: it is gone.
DAMAGE: Final[list[bytes | None]] = [
    None,
    b"",
    b"\0\0\0\0",
    b'{"version": 1, "minor_ver',
    b"null",
    b"[]",
    b"5",
    b"{}",
    b'{"data": {}}',
    b'{"version": "one", "minor_version": 1, "data": {}}',
    b'{"version": 99, "minor_version": 1, "data": {}}',
    b'{"version": 0, "minor_version": 1, "data": {}}',
    b'{"version": 1, "minor_version": 1, "data": []}',
    b'{"version": 1, "minor_version": 1, "data": {"wallboxes": [1]}}',
    b'{"version": 1, "minor_version": 1, "data": {"wallboxes": {}}}',
    b"\xff\xfe\x00garbage",
]


@pytest.mark.parametrize("content", DAMAGE, ids=repr)
async def test_a_file_that_is_damaged(
    hass: HomeAssistant,
    site: Site,
    disk: Disk,
    caplog: pytest.LogCaptureFixture,
    content: bytes | None,
) -> None:
    """It starts, shows that it knows no target, and says so until one is set again."""
    await act(hass, site, limit(8))
    await act(hass, site, STOP)
    await restart(hass, site, {disk.file: content})
    await hass.async_block_till_done()
    issue = lost_target(hass, site)
    assert issue is not None
    assert issue.translation_key == "wish_unreadable"
    assert site.state("current_limit", "number") == STATE_UNKNOWN
    assert site.state("charging", "switch") == STATE_UNKNOWN
    assert caplog.text.count("cannot be read any more") == 1
    # It is remembered over another restart, and said no more.
    await hass.config_entries.async_reload(site.entry.entry_id)
    assert lost_target(hass, site) is not None
    assert caplog.text.count("cannot be read any more") == 1

    await act(hass, site, limit(8))
    assert lost_target(hass, site) is not None
    assert float(site.state("current_limit", "number")) == 8
    await act(hass, site, STOP)
    assert lost_target(hass, site) is None
    assert site.state("charging", "switch") == STATE_OFF
    assert disk.target("lost") == []
    assert caplog.text.count("is set again") == 1


async def test_a_folder_in_the_place_of_the_file(
    hass: HomeAssistant, site: Site, disk: Disk
) -> None:
    """Even this is survived, and makes room."""
    await hass.config_entries.async_unload(site.entry.entry_id)

    def damage() -> None:
        disk.file.unlink()
        disk.file.mkdir()

    await hass.async_add_executor_job(damage)
    assert await hass.config_entries.async_setup(site.entry.entry_id)
    await hass.async_block_till_done()
    assert lost_target(hass, site) is not None
    await act(hass, site, STOP)
    assert disk.target("charging_allowed") is False


@pytest.mark.parametrize(
    ("field", "content", "key", "platform"),
    [
        ("current_limit", "eight", "current_limit", "number"),
        ("charging_allowed", "off", "charging", "switch"),
    ],
)
async def test_one_field_that_cannot_be_read(
    hass: HomeAssistant,
    site: Site,
    disk: Disk,
    field: str,
    content: str,
    key: str,
    platform: str,
) -> None:
    """The others stand, and only this one is unknown."""
    await act(hass, site, limit(8))
    await act(hass, site, STOP)
    await hass.async_add_executor_job(lambda: disk.change_target(**{field: content}))
    files = disk.copy()
    await restart(hass, site, files)
    assert site.state(key, platform) == STATE_UNKNOWN
    assert lost_target(hass, site) is not None
    shown = {
        site.state("charging", "switch"),
        site.state("current_limit", "number"),
    } - {STATE_UNKNOWN}
    assert shown in ({STATE_OFF}, {"8"}, {"8.0"})


@pytest.mark.parametrize(
    "schedule", [{"periods": [], "start": "2026-10-03T12:00:00+00:00"}, "none"]
)
async def test_a_schedule_that_cannot_be_read_is_over_with_the_next_limit(
    hass: HomeAssistant,
    site: Site,
    disk: Disk,
    make_wallbox: MakeWallbox,
    schedule: Any,
) -> None:
    """The loop goes on with it; whoever sets a limit by hand asks for no schedule."""
    await hass.async_add_executor_job(lambda: disk.change_target(schedule=schedule))
    files = disk.copy()
    await restart(hass, site, files)
    assert lost_target(hass, site) is not None
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    await act(hass, site, limit(8))
    await settle(hass, wallbox)
    assert lost_target(hass, site) is None
    assert wallbox.charger.offered_a == 8


@pytest.mark.parametrize("paused", [True, False])
@pytest.mark.parametrize("lost", ["file", "current_limit", "charging_allowed", "both"])
async def test_no_more_is_sent_than_the_wallbox_enforces(
    hass: HomeAssistant,
    site: Site,
    disk: Disk,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    lost: str,
    paused: bool,
) -> None:
    """Until it is set again: full power is never taken for what is not known."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await act_and_wait(hass, site, freezer, wallbox, limit(8))
    if paused:
        await act_and_wait(hass, site, freezer, wallbox, STOP)
    await later(hass, freezer, 30, wallbox)
    enforced = wallbox.charger.offered_a
    assert enforced == (0 if paused else 8)
    bent: dict[str, Any] = {"current_limit": "eight", "charging_allowed": "?"}
    await hass.async_add_executor_job(
        lambda: disk.change_target(
            **{field: bent[field] for field in bent if lost in (field, "both")}
        )
    )
    files = disk.copy()
    if lost == "file":
        files[disk.file] = None
    await wallbox.disconnect()
    await restart(hass, site, files)
    sent = len(wallbox.calls("SetChargingProfile"))
    await wallbox.connect(boot=False)
    for _ in range(10):
        await later(hass, freezer, 30, wallbox)
        assert wallbox.charger.offered_a <= enforced
    for call in wallbox.calls("SetChargingProfile")[sent:]:
        (schedule,) = call.payload["chargingProfile"]["chargingSchedule"]
        for period in schedule["chargingSchedulePeriod"]:
            assert period["limit"] <= enforced
    await act_and_wait(hass, site, freezer, wallbox, limit(10))
    await act_and_wait(hass, site, freezer, wallbox, START)
    await later(hass, freezer, 10, wallbox)
    assert wallbox.charger.offered_a == 10
    assert lost_target(hass, site) is None


async def test_the_notice_goes_with_the_wallbox(
    hass: HomeAssistant, site: Site, disk: Disk
) -> None:
    """Nothing is to be set for what is not there any more."""
    await restart(hass, site, {disk.file: None})
    issue = lost_target(hass, site)
    assert issue is not None
    (subentry_id,) = site.entry.subentries
    hass.config_entries.async_remove_subentry(site.entry, subentry_id)
    await hass.async_block_till_done()
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue.issue_id) is None


# Energy is shown no further than it is stored


@pytest.fixture
async def shown(hass: HomeAssistant, site: Site) -> AsyncGenerator[dict[str, float]]:
    """What the energy sensors showed last."""
    newest: dict[str, float] = {}
    places = {
        site.entity_id("sensor", key): key for key in ("energy_total", "energy_session")
    }

    def look(event: Any) -> None:
        key, state = places.get(event.data["entity_id"]), event.data["new_state"]
        if key is not None and state is not None and state.state[0].isdigit():
            newest[key] = float(state.state)

    unsubscribe = hass.bus.async_listen("state_changed", look)
    yield newest
    unsubscribe()


@pytest.mark.parametrize("seed", range(3))
async def test_energy_does_not_fall_over_a_kill_at_any_moment(
    hass: HomeAssistant,
    site: Site,
    disk: Disk,
    shown: dict[str, float],
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    seed: int,
) -> None:
    """The total, and the energy of the session: what was shown is on the disk."""
    chance = random.Random(seed)
    wallbox = make_wallbox(phases=3, register_wh=2_000_000)
    await wallbox.connect()
    await wallbox.plug_in(Car(phases=3))
    moments: list[tuple[dict[Path, bytes | None], dict[str, float]]] = []
    for _ in range(60):
        await later(hass, freezer, chance.choice((3, 10, 25)), wallbox)
        if chance.random() < 0.3:
            moments.append((disk.copy(), dict(shown)))
    assert shown["energy_session"] > 1
    assert len(moments) > 5
    await wallbox.disconnect()
    for files, before in moments[-1:0:-3]:
        await restart(hass, site, files)
        for key, value in before.items():
            assert site.number(key) >= value, key


async def test_energy_follows_within_two_minutes(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """It may be late, by what flows in two minutes; at a pause it is exact."""
    wallbox = make_wallbox(phases=3, register_wh=2_000_000)
    await wallbox.connect()
    await wallbox.plug_in(Car(phases=3))
    for _ in range(180):
        await later(hass, freezer, 10, wallbox)
        late_wh = wallbox.charger.register_wh - site.number("energy_total") * 1000
        assert -1 <= late_wh < 22_500 * 135 / 3600
    await act(hass, site, STOP)
    await settle(hass, wallbox)
    assert site.number("energy_total") * 1000 == pytest.approx(
        wallbox.charger.register_wh, abs=2
    )


async def test_a_full_disk_holds_the_energy_and_nothing_else(
    hass: HomeAssistant,
    site: Site,
    disk: Disk,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Live readings and the session's end are shown; energy catches up afterwards."""
    wallbox = make_wallbox(phases=3, register_wh=2_000_000)
    await wallbox.connect()
    await wallbox.plug_in(Car(phases=3))
    await later(hass, freezer, 60, wallbox)
    await later(hass, freezer, 2)  # what is shown has a pace of its own
    before = site.states("energy_total", "energy_session")
    with full_disk():
        for _ in range(10):
            await later(hass, freezer, 60, wallbox)
        assert site.states("energy_total", "energy_session") == before
        assert site.number("power") > 20_000
        await wallbox.unplug()
        await settle(hass, wallbox)
        assert site.state("status") == "available"
        assert site.states("energy_total", "energy_session") == before
        event = hass.states.get(site.entity_id("event", "session"))
        assert event is not None
        assert event.attributes["event_type"] == "ended"
        assert event.attributes["energy"] == float(before["energy_session"])
        files = disk.copy()
    await later(hass, freezer, 61, wallbox)
    await later(hass, freezer, 61, wallbox)
    assert site.number("energy_session") == pytest.approx(
        wallbox.charger.session_wh / 1000, abs=0.01
    )
    await wallbox.disconnect()
    await restart(hass, site, files)
    assert site.states("energy_total", "energy_session") == before


async def test_an_end_is_told_with_all_its_energy(
    hass: HomeAssistant,
    site: Site,
    disk: Disk,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Not with what was stored a minute ago: the event waits for the disk."""
    wallbox = make_wallbox(phases=3, register_wh=2_000_000)
    await wallbox.connect()
    await wallbox.plug_in(Car(phases=3))
    for _ in range(40):
        await later(hass, freezer, 10, wallbox)
    told: list[dict[str, Any]] = []
    entity_id = site.entity_id("event", "session")

    def look(event: Any) -> None:
        if event.data["entity_id"] == entity_id:
            told.append(
                dict(event.data["new_state"].attributes)
                | {
                    "shown": site.number("energy_session"),
                    "stored": disk.box()["transaction"]["energy"]["counted_wh"],
                }
            )

    unsubscribe = hass.bus.async_listen("state_changed", look)
    await wallbox.unplug()
    await settle(hass, wallbox)
    unsubscribe()
    ended = told[-1]
    assert ended["event_type"] == "ended"
    assert ended["energy"] == pytest.approx(wallbox.charger.session_wh / 1000, abs=0.01)
    assert ended["energy"] == ended["shown"] <= round(ended["stored"] / 1000, 3)


# A session's line in the ledger


async def sessions(hass: HomeAssistant, site: Site) -> list[dict[str, Any]]:
    """Ask for the sessions."""
    response: Any = await hass.services.async_call(
        DOMAIN,
        "get_sessions",
        {"device_id": site.device().id},
        blocking=True,
        return_response=True,
    )
    listed: list[dict[str, Any]] = response["sessions"]
    return listed


@pytest.mark.parametrize("missing", ["ledger", "state", "neither"])
async def test_one_line_a_session_whichever_file_was_written_last(
    hass: HomeAssistant,
    site: Site,
    disk: Disk,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    missing: str,
) -> None:
    """A kill between the two writes at its end neither loses nor doubles it."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 300, wallbox)
    before = disk.copy()
    await wallbox.unplug()
    await later(hass, freezer, 5, wallbox)
    (line,) = await sessions(hass, site)
    files = disk.copy()
    if missing == "ledger":
        files[disk.ledger] = before[disk.ledger]
    elif missing == "state":
        files[disk.file] = before[disk.file]
    await wallbox.disconnect()
    await restart(hass, site, files)
    await wallbox.connect()
    await settle(hass, wallbox)
    await later(hass, freezer, 5, wallbox)
    assert await sessions(hass, site) == [line]


async def test_a_ledger_that_is_damaged(
    hass: HomeAssistant,
    site: Site,
    disk: Disk,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """What is left of it in the other file is taken, and nothing else suffers."""
    wallbox = make_wallbox()
    await wallbox.connect()
    for _ in range(2):
        await wallbox.plug_in(Car())
        await later(hass, freezer, 300, wallbox)
        await wallbox.unplug()
        await later(hass, freezer, 60, wallbox)
    lines = await sessions(hass, site)
    assert len(lines) == 2
    files = disk.copy()
    await wallbox.disconnect()
    await restart(hass, site, files | {disk.ledger: b'{"version": 7, "data": [[['})
    assert await sessions(hass, site) == lines
    assert lost_target(hass, site) is None


async def test_a_backup_of_before_is_restored(
    hass: HomeAssistant,
    site: Site,
    disk: Disk,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """As docs/backup.md says: the total catches up, what was set is the backup's."""
    wallbox = make_wallbox(register_wh=2_000_000)
    await wallbox.connect()
    await act_and_wait(hass, site, freezer, wallbox, limit(9))
    await wallbox.plug_in(Car())
    await later(hass, freezer, 600, wallbox)
    await wallbox.unplug()
    await later(hass, freezer, 5, wallbox)
    (line,) = await sessions(hass, site)
    backup = disk.copy()

    await act_and_wait(hass, site, freezer, wallbox, limit(16))
    await wallbox.plug_in(Car())
    await later(hass, freezer, 600, wallbox)
    await wallbox.unplug()
    await later(hass, freezer, 5, wallbox)
    assert len(await sessions(hass, site)) == 2

    await wallbox.disconnect()
    await restart(hass, site, backup)
    assert site.number("energy_total") * 1000 < wallbox.charger.register_wh - 500
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 30, wallbox)
    await later(hass, freezer, 30, wallbox)
    assert site.state("current_limit", "number") == "9"
    assert site.number("current") == pytest.approx(9, abs=0.5)
    # What it has of the session that runs is shown every two minutes.
    assert site.number("energy_total") * 1000 == pytest.approx(
        wallbox.charger.register_wh, abs=40
    )
    assert await sessions(hass, site) == [line]
