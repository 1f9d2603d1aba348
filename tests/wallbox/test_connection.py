"""Which connection is the live one, how long a line is alive, and what a boot leads to.

Lines without sockets: what they say and hear is in the test's hands, as is the time.
"""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
import json
from typing import Any, cast

from freezegun.api import FrozenDateTimeFactory
import pytest
from websockets.exceptions import ConnectionClosedOK

from custom_components.bmw_wallbox_victron.problem import Problem
from custom_components.bmw_wallbox_victron.wallbox import handlers
from custom_components.bmw_wallbox_victron.wallbox.connection import (
    BOOT_GRACE,
    Connection,
)
from custom_components.bmw_wallbox_victron.wallbox.frames import (
    FRAMES_A_SECOND,
    FRAMES_AT_ONCE,
    Budget,
)
from custom_components.bmw_wallbox_victron.wallbox.liveness import DEAD_AFTER
from custom_components.bmw_wallbox_victron.wallbox.schemas import Schemas
from custom_components.bmw_wallbox_victron.wallbox.sessions import Ledger
from custom_components.bmw_wallbox_victron.wallbox.state import Status, WallboxState
from custom_components.bmw_wallbox_victron.wallbox.station import (
    Station,
)
from custom_components.bmw_wallbox_victron.wallbox.station_config import StationConfig

from ..kit.problems import Reports

SCHEMAS = Schemas.load()
BOOT = {
    "reason": "PowerUp",
    "chargingStation": {"model": "EIAW-E22KTSE6B04", "vendorName": "Delta"},
}


class Line:
    """A line to a wallbox, which answers each call, or is dead."""

    def __init__(self, *, pongs: bool = True, dead: bool = False) -> None:
        """Take whether pings are answered, and whether anything is."""
        self.pongs = pongs and not dead
        self.dead = dead
        self.heard: list[list[Any]] = []
        """What the wallbox would have heard."""
        self.closing: tuple[int, str] | None = None
        self._frames: asyncio.Queue[str | None] = asyncio.Queue()
        self._number = 0

    def say(self, action: str, payload: dict[str, Any] | None = None) -> str:
        """Send a CALL of the wallbox; returns its id."""
        self._number += 1
        unique_id = f"box-{id(self)}-{self._number}"
        self._frames.put_nowait(json.dumps([2, unique_id, action, payload or {}]))
        return unique_id

    def calls(self, action: str) -> list[dict[str, Any]]:
        """Return the payloads of the calls of one action that were sent here."""
        return [each[3] for each in self.heard if each[0] == 2 and each[2] == action]

    @property
    def all_calls(self) -> list[str]:
        """The actions that were called here."""
        return [each[2] for each in self.heard if each[0] == 2]

    def limits(self) -> list[float]:
        """Return the limits that were set here."""
        return [
            each["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"][0][
                "limit"
            ]
            for each in self.calls("SetChargingProfile")
        ]

    async def recv(self) -> str:
        frame = await self._frames.get()
        if frame is None:
            raise ConnectionClosedOK(None, None)
        return frame

    async def send(self, text: str) -> None:
        if self.closing is not None:
            raise ConnectionClosedOK(None, None)
        frame = json.loads(text)
        self.heard.append(frame)
        if frame[0] == 2 and not self.dead:
            self._frames.put_nowait(json.dumps(answer(frame)))

    async def ping(self) -> asyncio.Future[float]:
        pong: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        if self.pongs:
            pong.set_result(0.0)
        return pong

    async def close(self, code: int, reason: str) -> None:
        if self.closing is None:
            self.closing = code, reason
            self._frames.put_nowait(None)


def answer(frame: list[Any]) -> list[Any]:
    """Answer a call as a box that can be limited, and little more."""
    if frame[2] == "GetVariables":
        results = [
            {**each, "attributeStatus": "UnknownVariable"}
            for each in frame[3]["getVariableData"]
        ]
        return [3, frame[1], {"getVariableResult": results}]
    if frame[2] == "SetChargingProfile":
        return [3, frame[1], {"status": "Accepted"}]
    return [4, frame[1], "NotSupported", "", {}]


class Bench:
    """A station, its lines, and a clock that the test turns."""

    def __init__(self, freezer: FrozenDateTimeFactory) -> None:
        """Make a station that nobody has connected to."""
        loop = asyncio.get_running_loop()
        self.freezer = freezer
        self.reports = Reports()
        self.station = Station(
            StationConfig(charge_point_id="DE*BMW*E1"),
            state=WallboxState(),
            clock=lambda: datetime.now(UTC),
            call_later=lambda seconds, act: loop.call_later(seconds, act).cancel,
            on_change=lambda: None,
            ledger=Ledger(),
            problems=self.reports,
        )
        self.tasks: list[asyncio.Task[None]] = []

    async def connect(self, line: Line) -> Connection:
        """Let a line come in."""
        connection = Connection(self.station, cast(Any, line), SCHEMAS)
        self.tasks.append(asyncio.create_task(connection.serve()))
        await self.rest()
        return connection

    async def rest(self) -> None:
        """Let everybody do what needs no time."""
        for _ in range(200):
            await asyncio.sleep(0)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, second by second."""
        while seconds > 0:
            self.freezer.tick(min(seconds, 1))
            seconds -= 1
            await self.rest()

    async def stop(self) -> None:
        """Have the car paused."""
        await self.station.controller.target(charging_allowed=False)


@pytest.fixture
async def bench(freezer: FrozenDateTimeFactory) -> AsyncGenerator[Bench]:
    """A station; its connections end with the test."""
    made = Bench(freezer)
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)
    made.station.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not [task for task in left if "Connection" in repr(task)]


# Which is the live one


async def test_half_open_first_then_a_live_one(bench: Bench) -> None:
    """The line that the wallbox lost holds back nothing."""
    half_open, line = Line(dead=True), Line()
    await bench.connect(half_open)
    live = await bench.connect(line)
    assert bench.station.connection is live
    await bench.pass_time(6)
    stop = asyncio.create_task(bench.stop())
    await bench.rest()
    assert stop.done()
    assert line.limits()[-1] == 0
    assert not half_open.all_calls
    assert half_open.closing is not None


async def test_live_first_then_a_half_open_one(bench: Bench) -> None:
    """It shows no life, so it replaces nobody, however long it stays."""
    line, half_open = Line(), Line(dead=True)
    live = await bench.connect(line)
    await bench.connect(half_open)
    for _ in range(8):
        await bench.pass_time(BOOT_GRACE)
        assert bench.station.connection is live
    await asyncio.wait_for(bench.stop(), 1)
    assert line.limits()[-1] == 0
    assert not half_open.heard
    await bench.pass_time(DEAD_AFTER)
    assert half_open.closing is not None
    assert bench.station.connection is live


async def test_of_two_silent_ones_the_newer(bench: Bench) -> None:
    """Nobody can tell; the wallbox opened the second for a reason."""
    first = await bench.connect(Line(dead=True))
    second = await bench.connect(Line(dead=True))
    assert bench.station.connection is first
    await bench.pass_time(BOOT_GRACE + 1)
    assert bench.station.connection is second
    assert first.closed


async def test_first_frame_of_one_that_answers_no_ping(bench: Bench) -> None:
    """It takes over with its first frame, before that is answered."""
    line = Line(pongs=False)
    older = await bench.connect(Line())
    newer = await bench.connect(line)
    assert bench.station.connection is older
    line.say("Heartbeat")
    await bench.rest()
    assert bench.station.connection is newer
    assert older.closed
    assert line.heard[0][0] == 3


async def test_three_rivals(bench: Bench) -> None:
    """Two half-open ones beside a live one; then a second live one comes."""
    first, last = Line(), Line()
    live = await bench.connect(first)
    for _ in range(2):
        await bench.connect(Line(dead=True))
    await bench.pass_time(20)
    assert bench.station.connection is live
    newest = await bench.connect(last)
    assert bench.station.connection is newest
    await bench.pass_time(20)
    await asyncio.wait_for(bench.stop(), 1)
    assert last.limits()[-1] == 0
    assert 0 not in first.limits()


async def test_straggler_does_not_come_back(bench: Bench) -> None:
    """What an older line still brings in does not replace a newer one."""
    old = Line(pongs=False)
    await bench.connect(Line())
    straggler = await bench.connect(old)
    newest = await bench.connect(Line())
    old.say("Heartbeat")
    await bench.rest()
    assert bench.station.connection is newest
    assert straggler.closed


async def test_the_newer_dies_without_a_sign_of_life(bench: Bench) -> None:
    """The older one stays; nothing was said of a lost connection."""
    live = await bench.connect(Line())
    line = Line(dead=True)
    await bench.connect(line)
    await line.close(1006, "")
    await bench.rest()
    assert bench.station.connection is live
    assert bench.station.state.status is not Status.DISCONNECTED


async def test_the_older_ends_while_the_newer_is_silent(bench: Bench) -> None:
    """Then there is nobody else."""
    line = Line()
    await bench.connect(line)
    newer = await bench.connect(Line(dead=True))
    await line.close(1000, "")
    await bench.rest()
    assert bench.station.connection is newer
    assert bench.station.state.connected


async def test_call_on_a_replaced_connection_fails_at_once(bench: Bench) -> None:
    """Its caller does not wait out the 30 s."""
    deaf = Line(dead=True)
    deaf.pongs = True
    await bench.connect(deaf)
    await bench.pass_time(BOOT_GRACE + 1)
    assert deaf.all_calls, "it was asked, and says nothing"
    line = Line()
    await bench.connect(line)
    await bench.pass_time(BOOT_GRACE + 1)
    await asyncio.wait_for(bench.stop(), 1)
    assert line.limits()[-1] == 0


# Whether a line is alive


async def test_heartbeats_are_life(bench: Bench) -> None:
    """A box that never answers a ping stays, as long as it says anything."""
    line = Line(pongs=False)
    live = await bench.connect(line)
    for _ in range(30):
        line.say("Heartbeat")
        await bench.pass_time(10)
    assert bench.station.connection is live


async def test_a_bad_frame_is_life(bench: Bench) -> None:
    line = Line(pongs=False)
    live = await bench.connect(line)
    for _ in range(6):
        line._frames.put_nowait("no frame at all")
        await bench.pass_time(25)
    assert bench.station.connection is live


async def test_pongs_are_life(bench: Bench) -> None:
    """A box that has nothing to say for an hour."""
    live = await bench.connect(Line())
    await bench.pass_time(600)
    assert bench.station.connection is live


async def test_one_heartbeat_a_minute_is_life(bench: Bench) -> None:
    """It is what the wallbox was told to send."""
    line = Line(pongs=False)
    live = await bench.connect(line)
    for _ in range(5):
        line.say("Heartbeat")
        await bench.pass_time(handlers.HEARTBEAT_INTERVAL + 1)
    assert bench.station.connection is live


async def test_silence_is_death(bench: Bench) -> None:
    """A little more than a minute of it."""
    line = Line()
    await bench.connect(line)
    line.dead, line.pongs = True, False
    await bench.pass_time(DEAD_AFTER + 31)
    assert bench.station.connection is None
    assert bench.station.state.status is Status.DISCONNECTED
    assert line.closing is not None


async def test_time_that_jumps_is_no_silence(bench: Bench) -> None:
    """A computer that slept has heard nothing, and asks first."""
    live = await bench.connect(Line())
    bench.freezer.tick(timedelta(hours=8))
    await bench.rest()
    assert bench.station.connection is live


# Boots, and bugs


async def test_boots_again_and_again(bench: Bench) -> None:
    """Every 2 s for 30 s: reported, and asked for all only every 10 s."""
    line = Line()
    await bench.connect(line)
    for _ in range(15):
        line.say("BootNotification", BOOT)
        await bench.pass_time(2)
    await bench.pass_time(20)
    rounds = [
        each
        for each in line.calls("GetVariables")
        if each["getVariableData"][0]["component"]["name"] == "SampledDataCtrlr"
    ]
    assert 3 <= len(rounds) <= 6
    assert 3 <= len(line.limits()) <= 2 * len(rounds)
    assert (Problem.REBOOTS, "DE*BMW*E1") in bench.reports.open
    assert len(bench.reports.of(Problem.REBOOTS)) == 13
    # As long as that has not ended, each further boot is one of them.
    await bench.pass_time(120)
    line.say("BootNotification", BOOT)
    await bench.pass_time(2)
    assert len(bench.reports.of(Problem.REBOOTS)) == 14


async def test_two_boots_are_no_fault(bench: Bench) -> None:
    """Nor is one a minute, for somebody tries something; each has the limit set."""
    line = Line()
    await bench.connect(line)
    for _ in range(4):
        before = len(line.limits())
        line.say("BootNotification", BOOT)
        await bench.pass_time(31)
        assert len(line.limits()) > before
    assert not bench.reports.of(Problem.REBOOTS)


async def test_boot_that_is_refused_is_served(bench: Bench) -> None:
    """It gets its CALLERROR, and what a booted box gets; a second try is no boot."""
    line = Line()
    await bench.connect(line)
    bent = {"reason": "PowerUp", "chargingStation": BOOT["chargingStation"]}
    bent["chargingStation"] = {
        **cast(dict[str, str], BOOT["chargingStation"]),
        "firmwareVersion": "x" * 51,
    }
    for _ in range(5):
        line.say("BootNotification", bent)
        await bench.pass_time(3)
    refused = [each for each in line.heard if each[0] == 4]
    assert [each[2] for each in refused] == ["PropertyConstraintViolation"] * 5
    assert line.heard[0] == refused[0], "no call before it is answered"
    identity = bench.station.state.identity
    assert (identity.vendor, identity.firmware_version) == ("Delta", None)
    assert line.limits()
    assert not bench.reports.of(Problem.REBOOTS)


async def test_bug_in_a_task_is_logged_once_and_ends_the_connection(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """So that the wallbox comes back, and nobody wonders."""

    async def broken(*_: object, **__: object) -> None:
        raise KeyError("what it was about")

    line = Line()
    monkeypatch.setattr(
        "custom_components.bmw_wallbox_victron.wallbox.connection.Provisioning.run",
        broken,
    )
    await bench.connect(line)
    line.say("Heartbeat")
    await bench.rest()
    assert line.closing is not None
    assert line.closing[0] == 1011
    assert bench.station.connection is None
    said = [record.getMessage() for record in caplog.records if record.levelno > 20]
    assert len(said) == 1
    assert "KeyError" in said[0]
    assert "what it was about" not in caplog.text


# How fast frames are taken


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_replayed_queue_waits_for_nothing() -> None:
    budget = Budget(Clock())
    assert sum(budget.spend(1) for _ in range(500)) == 0


def test_a_flood_is_slowed() -> None:
    """To the pace that is kept for long; and all is forgiven after a calm."""
    clock = Clock()
    budget = Budget(clock)
    for _ in range(5000):
        clock.now += budget.spend(1)
    expected = (5000 - FRAMES_AT_ONCE) / FRAMES_A_SECOND
    assert clock.now == pytest.approx(expected, abs=0.1)
    clock.now += 60
    assert sum(budget.spend(1) for _ in range(500)) == 0


def test_a_clock_that_stands_still_stops_nobody() -> None:
    budget = Budget(Clock())
    waits = [budget.spend(1) for _ in range(2000)]
    assert max(waits) <= 1 / FRAMES_A_SECOND + 1e-9
