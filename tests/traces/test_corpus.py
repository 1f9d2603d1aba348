"""Every trace of the corpus plays to what Home Assistant showed, at any speed."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
import itertools
import json
import os
from pathlib import Path
import random
import re
import ssl
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest

from custom_components.bmw_wallbox_victron.const import DOMAIN
from demo.replaying import step_s
from simulators.wallbox.replay import ReplayedWallbox
from simulators.wallbox.trace import (
    Trace,
    TraceError,
    Wanted,
    load_trace,
    read_trace,
)

from ..kit.replay import TRACES, MakeReplay, read
from ..kit.site import CHARGE_POINT_ID, Site
from .stories import CARD, STORIES

#: A trace that an owner sent need not be one of the stories.
NAMES = sorted(file.stem for file in TRACES.glob("*.jsonl"))
#: How many times as fast as we they live: the slower, the finer is their time, and the
#: longer it takes to try.
SPEEDS: Final = (0.5, 1, 2, 4, 8, 20)
THOROUGH: Final = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
PLAYED: Final = (
    [*itertools.product(NAMES, SPEEDS)]
    if THOROUGH
    else [*zip(NAMES, itertools.cycle(SPEEDS[2:])), ("card", 0.5), ("card", 1)]
)
DELAYED: Final = (
    [*itertools.product(NAMES, (4, 20))]
    if THOROUGH
    else [("answers_no_limit", 4), ("check", 20), ("outage", 4)]
)
PRIVATE = re.compile(
    rf"{re.escape(CHARGE_POINT_ID)}|{CARD}|SIM0+1|localhost"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-|\b20[23]\d-\d\d-\d\d",
    re.IGNORECASE,
)


def among(known: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str | None]:
    """Give the states of now of what there was when the trace was made."""
    return {key: now.get(key) for key in known}


def wishes(trace: Trace) -> list[Wanted]:
    """Give what its owner wanted, without when that was."""
    return [replace(wanted, at=0.0) for wanted in trace.wanted]


def test_corpus_is_there() -> None:
    """A trace for each story: `tests/traces/make.py` makes them."""
    assert set(STORIES) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_private(name: str) -> None:
    """No id, card, serial number or date; and it is small."""
    text = (TRACES / f"{name}.jsonl").read_text("utf-8")
    assert PRIVATE.findall(text) == []
    assert len(text) < 100_000


@pytest.mark.parametrize(("name", "speed"), PLAYED)
async def test_replay(
    name: str, speed: float, site: Site, make_replay: MakeReplay
) -> None:
    """It says and answers the same, so the same is shown, at each moment noted.

    And its owner did the same.
    """
    trace = read(name)
    replay = make_replay(trace, step_s=step_s(speed))
    for at, states in trace.states:
        await replay.play(at)
        assert among(states, replay.shown()) == states, f"after {at} s"
    # Within a second it may be asked for a reading before or after it tells one.
    unknown = {action for action, _ in replay.box.unknown_calls}
    assert unknown <= {"TriggerMessage"}
    recorded = site.entry.runtime_data.stations[CHARGE_POINT_ID].trace.lines()
    assert wishes(read_trace(recorded)) == wishes(trace)


@pytest.mark.parametrize(("name", "speed"), DELAYED)
async def test_the_delays_of_a_network(
    name: str, speed: float, make_replay: MakeReplay
) -> None:
    """Nothing comes at a whole second, and nothing at once: it ends with the same."""
    drawn = random.Random(name)
    head, *lines = (TRACES / f"{name}.jsonl").read_text("utf-8").splitlines()
    entries = [entry for line in lines if "states" not in (entry := json.loads(line))]
    at = 0.0
    for entry in entries:
        at = max(at + drawn.uniform(0.002, 0.06), entry["at"] + drawn.uniform(0, 0.3))
        entry["at"] = round(at, 3)
    replay = make_replay(
        read_trace([head, *map(json.dumps, entries)]), step_s=step_s(speed)
    )
    end, states = read(name).states[-1]
    await replay.play(end)
    now = replay.shown()
    # When it began is when that was heard, where the wallbox has a wrong clock.
    for each in (states, now):
        each.pop("sensor.session_started", None)
    assert among(states, now) == states


async def test_the_middle_of_a_session(
    hass: HomeAssistant, site: Site, make_replay: MakeReplay
) -> None:
    """The last frames of a wallbox that has been connected for days, and a new call."""
    lines = (TRACES / "delta.jsonl").read_text("utf-8").splitlines()
    begin = next(index for index, line in enumerate(lines) if '"Charging"' in line)
    replay = make_replay(read_trace([lines[0], *lines[begin:]]))
    at, states = replay.box.trace.states[1]
    await replay.play(at)
    now = replay.shown()
    # What was said before the trace begins nobody knows.
    for key in ("sensor.status", "sensor.current", "sensor.enforced_limit"):
        assert now[key] == states[key]
    device = {"device_id": site.device().id}
    with pytest.raises(HomeAssistantError, match="NotImplemented"):
        await hass.services.async_call(
            DOMAIN, "unlock_connector", device, blocking=True
        )
    assert ("UnlockConnector", {"evseId": 1, "connectorId": 1}) in (
        replay.box.unknown_calls
    )


async def test_in_the_present(site: Site, client_context: ssl.SSLContext) -> None:
    """As a demo goes on; what was no JSON then is none now."""
    lines = (TRACES / "delta.jsonl").read_text("utf-8").splitlines()
    lines.insert(20, '{"at":0.0,"connection":1,"in":null,"length":17}')
    box = ReplayedWallbox(
        read_trace(lines),
        url=site.url,
        charge_point_id=CHARGE_POINT_ID,
        ssl_context=client_context,
        password="any",
    )
    living = asyncio.create_task(box.run(step_s=0.02))
    await site.until("status", "charging")
    assert box.connected
    living.cancel()
    with pytest.raises(asyncio.CancelledError):
        await living
    await site.until("status", "disconnected")
    assert not box.connected


def test_what_owners_send(tmp_path: Path) -> None:
    """A trace is found in diagnostics as well, in lines or not."""
    lines = (TRACES / "delta.jsonl").read_text("utf-8").splitlines()
    expected = load_trace(TRACES / "delta.jsonl")
    file = tmp_path / "diagnostics.json"
    for trace in (lines, [json.loads(line) for line in lines]):
        file.write_text(
            json.dumps({"data": {"wallboxes": [{"a": 1}, {"trace": trace}]}})
        )
        assert load_trace(file) == expected
    file.write_text("{}")
    with pytest.raises(TraceError, match="no trace in"):
        load_trace(file)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ["[]"],
        ["{}"],
        ['{"trace": 2}'],
        ["nonsense"],
        ['{"trace": 1, "max_current": 32, "meter_interval": 10}', '{"in": [2]}'],
    ],
)
def test_what_is_no_trace(lines: list[str]) -> None:
    """It is said in a sentence."""
    with pytest.raises(TraceError):
        read_trace(lines)
