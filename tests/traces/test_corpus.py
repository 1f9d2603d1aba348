"""Every trace of the corpus plays to what Home Assistant showed, at any speed."""

import asyncio
from collections.abc import Mapping
import json
from pathlib import Path
import re
import ssl

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest

from custom_components.bmw_wallbox_victron.const import DOMAIN
from simulators.wallbox.replay import ReplayedWallbox
from simulators.wallbox.trace import TraceError, load_trace, read_trace

from ..kit.replay import TRACES, MakeReplay, read
from ..kit.site import CHARGE_POINT_ID, Site
from .stories import CARD, STORIES

#: A trace that an owner sent need not be one of the stories.
NAMES = sorted(file.stem for file in TRACES.glob("*.jsonl"))
#: Some of them, for that takes twice as long.
SLOWLY = ("delta", "outage", "worst")
#: What lasts or begins otherwise where time passes faster.
OF_TIME = ("sensor.session_started",)
PRIVATE = re.compile(
    rf"{re.escape(CHARGE_POINT_ID)}|{CARD}|SIM0+1|localhost"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-|\b20[23]\d-\d\d-\d\d",
    re.IGNORECASE,
)


def among(known: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str | None]:
    """Give the states of now of what there was when the trace was made."""
    return {key: now.get(key) for key in known}


def test_corpus_is_there() -> None:
    """A trace for each story: `tests/traces/make.py` makes them."""
    assert set(STORIES) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_private(name: str) -> None:
    """No id, card, serial number or date; and it is small."""
    text = (TRACES / f"{name}.jsonl").read_text("utf-8")
    assert PRIVATE.findall(text) == []
    assert len(text) < 100_000


@pytest.mark.parametrize("name", NAMES)
async def test_replay(name: str, make_replay: MakeReplay) -> None:
    """It says and answers the same, so the same is shown, at each moment noted."""
    trace = read(name)
    replay = make_replay(trace)
    for at, states in trace.states:
        await replay.play(at)
        assert among(states, replay.shown()) == states, f"after {at} s"
    # Within a second it may be asked for a reading before or after it tells one.
    unknown = {action for action, _ in replay.box.unknown_calls}
    assert unknown <= {"TriggerMessage"}


@pytest.mark.parametrize(
    ("name", "speed"),
    [*((name, 2) for name in NAMES), *((name, 0.5) for name in SLOWLY)],
)
async def test_other_speeds(name: str, speed: float, make_replay: MakeReplay) -> None:
    """Twice as fast, or half: it ends with the same.

    Not at any: what says within 3 s what it had said in 10 s is a queue, and what is
    given up after 30 s is given up later in the story.
    """
    trace = read(name)
    replay = make_replay(trace, speed=speed)
    await replay.play()
    await replay.settle()
    _, states = trace.states[-1]
    now = replay.shown()
    for key in OF_TIME:
        assert (now.pop(key, None) is None) == (states.pop(key, None) is None)
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


async def test_in_real_time(site: Site, client_context: ssl.SSLContext) -> None:
    """As a demo plays it; what was no JSON then is none now."""
    lines = (TRACES / "delta.jsonl").read_text("utf-8").splitlines()
    lines.insert(20, '{"at":0.0,"connection":1,"in":null,"length":17}')
    box = ReplayedWallbox(
        read_trace(lines),
        url=site.url,
        charge_point_id=CHARGE_POINT_ID,
        ssl_context=client_context,
        password="any",
        speed=40,
    )
    playing = asyncio.create_task(box.run(step_s=0.02))
    await site.until("status", "charging")
    await site.until("status", "available")
    assert box.connected
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
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
