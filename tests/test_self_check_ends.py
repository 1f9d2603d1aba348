"""Check my wallbox: how it is begun, how it ends, what stays of it.

Time stands still unless a test lets it pass.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
import json
from typing import Any, Final

from homeassistant.components.persistent_notification import (
    _async_get_or_create_notifications,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.translation import async_load_integrations
import pytest

from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.diagnostics import (
    async_get_config_entry_diagnostics,
)
from custom_components.bmw_wallbox_victron.wallbox import enforcement
from custom_components.bmw_wallbox_victron.wallbox.clock import Now
from custom_components.bmw_wallbox_victron.wallbox.findings import (
    CheckResult,
    Lesson,
    Line,
    Verdict,
)
from custom_components.bmw_wallbox_victron.wallbox.state import WallboxState
from custom_components.bmw_wallbox_victron.wallbox.target import (
    ProfileKind,
    ProfilePurpose,
)
from simulators.wallbox import DELTA, Quirks
from simulators.wallbox.quirks import RegisterRestarts

from .kit.bench import Bench, MakeBench
from .kit.files import ROOT, read_json
from .kit.self_check import (
    SEEN,
    WITH_CAR,
    Switch,
    begin,
    check,
    expected,
    found,
    live,
    quirks_of,
    station_of,
)
from .kit.site import reload

# What a wallbox does, whichever Home Assistant it is shown by.
pytestmark = pytest.mark.any_homeassistant

NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)


def press(bench: Bench) -> None:
    """Press the button."""
    bench.press("check_wallbox")


def notification(bench: Bench) -> str | None:
    """Return what the notification says; None: there is none."""
    shown = _async_get_or_create_notifications(bench.hass)
    texts = [each["message"] for key, each in shown.items() if "check" in key]
    return texts[0] if texts else None


def running(bench: Bench) -> bool:
    """Return whether a check runs."""
    return station_of(bench).witness is not None


async def at_level(bench: Bench, amps: float) -> None:
    """Let time pass until the check has come to a limit, and it is kept."""
    for _ in range(120):
        await bench.pass_time(1)
        if station_of(bench).state.check_cap_a == amps and bench.amps <= amps:
            return
    raise AssertionError(f"no {amps} A")


def unfinished(bench: Bench) -> set[str]:
    """Return the reasons for which lines were not tried."""
    result = station_of(bench).state.check
    assert result is not None
    return {
        str(finding.details[0])
        for finding in result.findings
        if finding.verdict is Verdict.NOT_TRIED
    }


# What it says


async def test_the_answer_has_all_lines(make_bench: MakeBench) -> None:
    """Each line once, with a sentence; a trace beside it, of JSON lines."""
    bench = make_bench(DELTA)
    await begin(bench)
    result = await check(bench)
    assert [each["line"] for each in result] == [*Line]
    for item in result:
        assert item["verdict"] in [*Verdict]
        assert " " in item["text"]
        assert (item["detail"] is None) is (item["verdict"] == "as_expected")
    assert found(bench) == {
        ("identity", "status_refused"),
        ("phaseless_current", "frozen"),
    }
    response: Any = await bench.hass.services.async_call(
        DOMAIN,
        "check_wallbox",
        {"device_id": bench.site.device().id, "stop": True},
        blocking=True,
        return_response=True,
    )
    assert response["result"] == result  # none runs: that of the last one
    assert all(isinstance(json.loads(line), dict) for line in response["trace"])
    diagnostics = await async_get_config_entry_diagnostics(bench.hass, bench.site.entry)
    lines = [
        each["line"]
        for each in diagnostics["wallboxes"][0]["state"]["check"]["findings"]
    ]
    assert lines == [*Line]


@pytest.mark.parametrize("switch", [*SEEN], ids=str)
async def test_without_a_car(make_bench: MakeBench, switch: Switch) -> None:
    """It goes as far as it goes; it was out of service for a moment, and is back."""
    bench = make_bench(quirks_of([switch]))
    await begin(bench, car=False)
    await check(bench)
    assert found(bench) == (set() if switch.name in WITH_CAR else expected(switch))
    await bench.pass_time(5)
    assert bench.box.operative
    asked = [
        call.payload["operationalStatus"]
        for call in bench.box.calls("ChangeAvailability")
    ]
    assert asked in ([], ["Inoperative", "Operative"])
    assert asked or switch.name == "unresponsive_actions"


async def test_the_button_ends_with_a_notification(
    make_bench: MakeBench, hass: HomeAssistant
) -> None:
    """In the owner's language: what differs, what was not tried, what is well."""
    hass.config.language = "de"
    await async_load_integrations(hass, {DOMAIN})
    bench = make_bench(DELTA)
    await begin(bench)
    press(bench)
    await bench.pass_time(2)
    await bench.succeed()
    assert running(bench)
    assert notification(bench) is None
    await live(bench, lambda: not running(bench))
    await bench.pass_time(5)
    text = notification(bench)
    assert text is not None
    words = read_json(ROOT / "translations" / "de.json")["selector"]
    for line in Line:
        assert words["check_line"]["options"][line] in text
    assert words["check_detail"]["options"]["frozen"] in text
    assert words["check_text"]["options"]["trace"] in text


# How it ends


async def test_a_second_press_stops_it(make_bench: MakeBench) -> None:
    """At once, and what it lowered is as it was."""
    bench = make_bench(Quirks())
    await begin(bench)
    press(bench)
    await at_level(bench, 6)
    press(bench)
    await bench.pass_time(3)
    await bench.succeed()
    assert not running(bench)
    assert bench.amps == 32
    assert "stopped" in unfinished(bench)
    assert notification(bench) is not None


async def test_one_at_a_time(make_bench: MakeBench) -> None:
    """Who asks for a second one is told; `stop` ends the first one."""
    bench = make_bench(Quirks())
    await begin(bench)
    first = asyncio.create_task(check(bench))
    await at_level(bench, 10)
    with pytest.raises(HomeAssistantError) as raised:
        await check(bench)
    assert raised.value.translation_key == "check_runs"
    bench.asked.clear()
    assert {each["verdict"] for each in await check(bench, stop=True)} >= {"not_tried"}
    await live(bench, first.done)
    assert bench.amps == 32


async def test_not_connected(make_bench: MakeBench) -> None:
    """There is nothing to check, and that is said."""
    bench = make_bench(Quirks())
    with pytest.raises(HomeAssistantError) as raised:
        await check(bench)
    assert raised.value.translation_key == "not_connected"
    bench.asked.clear()
    assert bench.site.state("check_wallbox", "button") == "unavailable"


async def test_the_car_goes(make_bench: MakeBench) -> None:
    """It ends, and the next car has all that it may."""
    bench = make_bench(Quirks())
    await begin(bench)
    press(bench)
    await at_level(bench, 6)
    await bench.box.unplug()
    await bench.pass_time(3)
    assert not running(bench)
    assert "car_gone" in unfinished(bench)
    await bench.box.plug_in()
    await bench.pass_time(3)
    assert bench.amps == 32


async def test_the_wallbox_goes(make_bench: MakeBench) -> None:
    """It ends, and nothing of it is there when the wallbox is back."""
    bench = make_bench(Quirks())
    await begin(bench)
    press(bench)
    await at_level(bench, 10)
    await bench.box.disconnect(abort=True)
    await bench.pass_time(10)
    assert not running(bench)
    assert "away" in unfinished(bench)
    await bench.connect(boot=False)
    await bench.pass_time(5)
    assert bench.amps == 32


@pytest.mark.parametrize("amps", [16, 0])
async def test_home_assistant_stops(make_bench: MakeBench, amps: int) -> None:
    """The wallbox has what it had before the connection is closed."""
    bench = make_bench(Quirks())
    await begin(bench)
    press(bench)
    await at_level(bench, amps)
    unload = asyncio.create_task(
        bench.hass.config_entries.async_unload(bench.site.entry.entry_id)
    )
    while not unload.done():
        await bench.box.tick(0.2)
        bench.freezer.tick(0.2)
        await asyncio.sleep(0)
    await bench.box.tick(5)
    assert bench.amps == 32
    assert await bench.hass.config_entries.async_setup(bench.site.entry.entry_id)


async def test_the_light_comes_back(make_bench: MakeBench) -> None:
    """Also where the connection is lost while it is changed."""
    bench = make_bench(Quirks(answer_delay_s=2.5))
    await begin(bench)
    press(bench)
    light = "StatusLED", "brightness"
    for _ in range(400):
        if bench.box.model.number(*light) != 30:
            break
        await bench.pass_time(1)
    assert bench.box.model.number(*light) == 20
    await bench.box.disconnect(abort=True)
    await bench.pass_time(15)
    await bench.connect(boot=False)
    await bench.pass_time(20)
    assert bench.box.model.number(*light) == 30


# Others act meanwhile


async def test_the_owner_wins(make_bench: MakeBench) -> None:
    """A lower limit is in force at once, stays, and what is above it is not tried."""
    bench = make_bench(Quirks())
    await begin(bench)
    press(bench)
    await at_level(bench, 16)
    bench.limit(8)
    await bench.pass_time(2)
    assert bench.amps <= 8
    seen: list[float] = []
    await live(bench, lambda: not running(bench), lambda: seen.append(bench.amps))
    assert max(seen) <= 8
    await bench.pass_time(5)
    assert bench.amps == 8
    assert bench.site.state("current_limit", "number") == "8"


async def test_the_fuse_wins(make_bench: MakeBench) -> None:
    """A cap of the charging brain lowers further, whatever the check is at."""
    bench = make_bench(Quirks())
    await begin(bench)
    press(bench)
    await at_level(bench, 10)
    bench.site.entry.runtime_data.charging.async_stop()  # here, we are the brain
    station_of(bench).cap(7)
    await bench.pass_time(2)
    seen: list[float] = []
    await live(bench, lambda: not running(bench), lambda: seen.append(bench.amps))
    assert max(seen) <= 7
    station_of(bench).cap(None)
    await bench.pass_time(3)
    assert bench.amps == 32


async def test_a_pause_stays_a_pause(make_bench: MakeBench) -> None:
    """What the owner has paused does not charge for a check."""
    bench = make_bench(Quirks())
    await begin(bench)
    bench.allow(False)
    await bench.pass_time(5)
    press(bench)
    await bench.pass_time(1)
    seen: list[float] = []
    await live(bench, lambda: not running(bench), lambda: seen.append(bench.amps))
    await bench.pass_time(5)
    assert max(seen) == 0
    assert found(bench) == set()
    assert "limit_lower" in unfinished(bench)


async def test_no_failing_limit_is_shown(make_bench: MakeBench) -> None:
    """That a limit of the check does not hold is a finding, and no alarm."""
    bench = make_bench(
        Quirks(
            default_profile_never=True,
            station_profile_never=True,
            tx_profile_applies_after_s=1e9,
        )
    )
    await begin(bench)
    press(bench)
    await bench.pass_time(1)
    seen: list[bool] = []
    await live(bench, lambda: not running(bench), lambda: seen.append(bench.problem()))
    await bench.pass_time(5)
    assert not any(seen)
    assert ("limits", "nothing_held") in found(bench)
    assert not bench.box.calls("Reset")


# A reboot, where that is asked for


@pytest.mark.parametrize("reboot", [False, True])
async def test_a_reboot_only_where_asked_for(
    make_bench: MakeBench, reboot: bool
) -> None:
    """Then it shows what a restart changes."""
    bench = make_bench(
        Quirks(
            register_restarts=RegisterRestarts.AFTER_REBOOT,
            transaction_ids_restart=True,
        )
    )
    await begin(bench)
    await check(bench, reboot=reboot)
    assert len(bench.box.calls("Reset")) == reboot
    assert ("register", "register_fell") in found(bench) or not reboot
    if not reboot:
        assert found(bench) == set()


# What stays of it


async def test_it_is_stored(make_bench: MakeBench, hass: HomeAssistant) -> None:
    """With its time and firmware, over a restart."""
    bench = make_bench(Quirks(metering_settings_rejected=True))
    await begin(bench)
    await check(bench)
    before = station_of(bench).state.check
    assert before is not None
    assert before.firmware_version == "01.20.06.71"
    assert before.lesson == Lesson(kind=ProfileKind.EPOCH, polled=True)
    await bench.box.disconnect()
    await reload(hass, bench.site)
    assert station_of(bench).state.check == before
    assert station_of(bench).state.lesson.polled


async def test_what_it_found_is_tried_first(
    make_bench: MakeBench, hass: HomeAssistant
) -> None:
    """After a restart the station's profile goes first, and the limit holds at once."""
    bench = make_bench(Quirks(default_profile_never=True))
    await begin(bench)
    await check(bench)
    await bench.box.disconnect()
    await reload(hass, bench.site)
    bench.limit(10)
    await bench.rest()
    await bench.outcome()
    count = len(bench.box.received_calls)
    await bench.connect(boot=False)
    await bench.pass_time(3)
    assert bench.limits_since(count)[0] == ("ChargingStationMaxProfile", 10)
    assert bench.amps == 10


@pytest.mark.parametrize("kind", [None, *ProfileKind])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(),
        Quirks(relative_rejected=True),
        Quirks(relative_only=True),
        Quirks(absolute_epoch_ignored=True),
        Quirks(station_profile_never=True),
        Quirks(default_profile_never=True),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_a_wrong_lesson_costs_time_alone(
    make_bench: MakeBench, kind: ProfileKind | None, fails: bool, quirks: Quirks
) -> None:
    """Whatever was found once, and holds no more: limits hold all the same."""
    bench = make_bench(quirks)
    station = station_of(bench)
    lesson = Lesson(kind=kind, default_fails=fails)
    begun = enforcement.restored(enforcement.Enforcement(), station.now(), lesson)
    station.update(replace(station.state, enforcement=begun))
    await begin(bench)
    for amps in (10, 16):
        bench.limit(amps)
        await bench.pass_time(30, step=3)
        assert bench.keeps(amps)


def test_a_lesson_is_of_a_firmware() -> None:
    """That of another one counts no more, and never for a profile of a session."""
    lesson = Lesson(kind=ProfileKind.NOW, default_fails=True, polled=True)
    state = WallboxState()
    result = CheckResult(
        at=NOON,
        firmware_version="1.0",
        lesson=lesson,
    )
    state = replace(state, check=result)
    assert state.lesson == Lesson()
    same = replace(state, identity=replace(state.identity, firmware_version="1.0"))
    assert same.lesson == lesson
    begun = enforcement.restored(state.enforcement, Now(NOON, 0.0), lesson)
    assert begun.used == {ProfilePurpose.STATION_MAX}
    assert ProfilePurpose.TX not in begun.kinds
