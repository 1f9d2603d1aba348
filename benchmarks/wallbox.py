"""What a wallbox costs, and how long it keeps Home Assistant from anything else.

Measured in the real thing: Home Assistant in its own process with its recorder and web
server, TLS, and a client that only sends, waits and answers what it is asked.
"""

import asyncio
from collections.abc import Iterable, Sequence
import json
import os
from pathlib import Path
import signal
import statistics
import tempfile
import time
from typing import Any, Final

from custom_components.bmw_wallbox_victron.publish import PACE_S
from demo.client import Client
from demo.furnishing import find_entity
from demo.layout import CHARGE_POINT_ID, DOMAIN, Layout, prepare
from demo.ports import choose_ocpp_port, free_port
from demo.process import Instance, logged_in, wait_running
from simulators.wallbox.clock import utc_now
from simulators.wallbox.records import wire_time

from .connection import Line, connected
from .instance import Longest

_TICKS_PER_S: Final = 100
"""Unit of the times in /proc/PID/stat on Linux (USER_HZ)."""
_WARM_UP: Final = 200
_RECORDER_LIMIT_S: Final = 300.0
_LIMIT_S: Final = 120.0
_FLOOD_S: Final = 5
_FLOOD_A_SECOND: Final = 1000
_TRIES: Final = 3
"""How often a phase is measured; the median counts."""
_PRESSES: Final = 10
_SHOWN: Final = 40
_ALLOWED_S: Final = 0.05
"""So long anything may keep the event loop."""
_MOST: Final = 4 * 1024 * 1024
"""What a frame may have, in bytes."""


def tell(what: str, figures: str) -> None:
    """Print a line."""
    print(f"{what:<34} {figures}", flush=True)


def _sampled(wh: float, power: float) -> list[dict[str, Any]]:
    """Make what is measured at one moment."""
    return [
        {"measurand": "Energy.Active.Import.Register", "value": wh},
        {"measurand": "Power.Active.Import", "value": power},
        {"measurand": "Current.Import", "value": power / 230, "phase": "L1"},
        {"measurand": "Voltage", "value": 230.4, "phase": "L1-N"},
    ]


def _event(
    number: int, power: float, moments: int = 1, *, session: str = "bench"
) -> dict[str, Any]:
    """Make a TransactionEvent as a Delta box sends it every ten seconds."""
    stamp = wire_time(utc_now())
    value = {
        "timestamp": stamp,
        "sampledValue": _sampled(1_000_000 + number / 10, power),
    }
    return {
        "eventType": "Started" if number == 0 else "Updated",
        "timestamp": stamp,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": number,
        "transactionInfo": {"transactionId": session, "chargingState": "Charging"},
        "meterValue": [value] * moments,
    }


class _Watched:
    """The process whose event loop is watched."""

    def __init__(self, pid: int, file: Path) -> None:
        self.pid = pid
        self._file = file

    async def longest(self) -> Longest:
        """Return what kept its loop longest since this was asked last."""
        self._file.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR1)
        async with asyncio.timeout(_LIMIT_S):
            while not self._file.exists():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.05)
        return Longest(**json.loads(self._file.read_text(encoding="utf-8")))

    def loop_seconds(self) -> float:
        """Read the processor time of its main thread: of its event loop."""
        path = Path(f"/proc/{self.pid}/task/{self.pid}/stat")
        fields = path.read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _milliseconds(times: Sequence[float]) -> str:
    """Return p50, p99 and the maximum, as text."""
    ordered = sorted(times)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return (
        f"p50 {statistics.median(ordered) * 1000:6.2f} ms   "
        f"p99 {p99 * 1000:6.2f} ms   max {ordered[-1] * 1000:6.2f} ms"
    )


def _tell_longest(what: str, found: Sequence[Longest], took: Sequence[float]) -> None:
    """Print the medians of a phase."""

    def median(values: Iterable[float]) -> str:
        return f"{statistics.median(values) * 1000:5.1f}"

    tell(
        what,
        f"cpu {median(each.cpu for each in found)} ms   "
        f"wall {median(each.wall for each in found)} ms   "
        f"timer late {median(each.late for each in found)} ms   "
        f"garbage {median(each.collecting for each in found)} ms   "
        f"answered in {median(took)} ms",
    )
    worst = max(found, key=lambda each: each.cpu)
    if worst.cpu > _ALLOWED_S:
        tell("", f"longest: {worst.what}")


async def measure_answers(
    line: Line, watched: _Watched, messages: int, *, what: str
) -> None:
    """Measure how fast messages of a kind are answered.

    No more than a wallbox may send at once: what is more waits for its turn.
    """

    def event(number: int) -> dict[str, Any]:
        return _event(number, 5000 + number % 500, session=what)

    for number in range(_WARM_UP):
        await line.ask("TransactionEvent", event(number))
    numbers = range(_WARM_UP, _WARM_UP + messages)
    if what == "Heartbeat":
        times = [await line.ask("Heartbeat", {}) for _ in numbers]
        tell("answer to a Heartbeat", _milliseconds(times))
    elif what == "TransactionEvent":
        times = [
            await line.ask("TransactionEvent", event(number)) for number in numbers
        ]
        tell("answer to a TransactionEvent", _milliseconds(times))
    else:
        used, start = watched.loop_seconds(), time.perf_counter()
        for number in numbers:
            last = await line.send("TransactionEvent", event(number))
        await last
        took, used = time.perf_counter() - start, watched.loop_seconds() - used
        tell("messages without a pause", f"{messages / took:6.0f} a second")
        tell("event-loop time a message", f"{used / messages * 1e6:6.0f} microseconds")


async def measure_shown(line: Line, client: Client) -> None:
    """Measure how fast a frame is shown: what is news, and not too soon after other."""
    entity_id = await find_entity(client, "power")
    await line.ask("TransactionEvent", _event(0, 3000, session="shown"))
    await client.ask("subscribe_events", event_type="state_changed")
    shown = []
    for number in range(1, _SHOWN + 1):
        await asyncio.sleep(PACE_S * 1.1)
        power = round(3000 * 1.05**number)
        start = time.perf_counter()
        answer = await line.send(
            "TransactionEvent", _event(number, power, session="shown")
        )
        async with asyncio.timeout(_LIMIT_S):
            while True:
                data = (await client.next_event())["data"]
                if data["entity_id"] == entity_id and (
                    data["new_state"]["state"] in (f"{power}", f"{power}.0")
                ):
                    break
        shown.append(time.perf_counter() - start)
        await answer
    tell("from frame to state, at a browser", _milliseconds(shown))


def _hostile() -> dict[str, str]:
    """Make frames that mean nothing and take long to read."""

    def inside(text: str) -> str:
        return f'[2,"raw","TransactionEvent",{{"a":{text}}}]'

    return {
        "a million empty lists": inside(f"[{','.join(['[]'] * 1_000_000)}]"),
        "lists in lists": inside(f"[{','.join(['[[[[[[[[[[]]]]]]]]]]'] * 190_000)}]"),
        "300,000 keys": inside(
            f"{{{','.join(f'"{key:07d}":1' for key in range(300_000))}}}"
        ),
    }


async def _flood(line: Line) -> float:
    """Send a thousand meter values a second, for some seconds."""
    start = time.perf_counter()
    for number in range(_FLOOD_S * _FLOOD_A_SECOND):
        if (early := start + number / _FLOOD_A_SECOND - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        value = {
            "timestamp": wire_time(utc_now()),
            "sampledValue": _sampled(1_000_000, 5000 + number % 50),
        }
        # Its answer is not waited for: a flood is slowed.
        await line.send("MeterValues", {"evseId": 1, "meterValue": [value]})
    return time.perf_counter() - start


async def _refused(line: Line, text: str) -> float:
    """Send a frame that is not taken and return the time its answer took, in s."""
    start = time.perf_counter()
    try:
        await (await line.send_raw(text))
    except RuntimeError as err:
        if "refused" not in str(err):
            raise
    return time.perf_counter() - start


async def measure_longest(layout: Layout, ocpp_port: int, watched: _Watched) -> None:
    """Measure how long the event loop is kept in one go.

    Each time with a new connection, which may send at once what a queue holds.
    """
    print("\nLongest time on the event loop in one go, by what is sent:", flush=True)
    found, took = [], []
    await watched.longest()
    for _ in range(_TRIES):
        await asyncio.sleep(2)
        found.append(await watched.longest())
        took.append(0.0)
    _tell_longest("nothing", found, took)
    phases = {
        "1,000 MeterValues a second": None,
        "a TransactionEvent of 240 kB": _large(240_000),
        "a TransactionEvent of 3 MB": _large(3_000_000),
        **_hostile(),
    }
    for what, text in phases.items():
        found, took = [], []
        for _ in range(_TRIES):
            async with connected(layout, ocpp_port) as line:
                await line.ask("Heartbeat", {})
                await asyncio.sleep(1)  # it is asked for all that it is
                await watched.longest()
                if text is None:
                    took.append(await _flood(line))
                else:
                    took.append(await _refused(line, text))
                await asyncio.sleep(0.2)
                found.append(await watched.longest())
        _tell_longest(what, found, took)
    found, took = [], []
    for _ in range(_TRIES):
        async with connected(layout, ocpp_port) as line:
            await line.ask("Heartbeat", {})
            await asyncio.sleep(1)
            await watched.longest()
            start = time.perf_counter()
            await line.ping(200_000)
            took.append(time.perf_counter() - start)
            found.append(await watched.longest())
    _tell_longest("200,000 pings", found, took)


def _large(size: int) -> str:
    """Write a TransactionEvent of some bytes."""
    one = len(json.dumps(_event(1, 5000)["meterValue"][0])) + 2
    text = json.dumps([2, "raw", "TransactionEvent", _event(1, 5000, size // one)])
    if len(text) > _MOST:
        raise ValueError("no frame may be as long")
    return text


async def measure_press(line: Line, client: Client) -> None:
    """Measure what lies between pressing stop and the limit on the wire."""
    print("\nFrom pressing stop to the limit of 0 A on the wire:", flush=True)
    switch = await find_entity(client, "charging", "switch")
    device = next(
        each["id"]
        for each in await client.ask("config/device_registry/list")
        if [DOMAIN, CHARGE_POINT_ID] in each["identifiers"]
    )
    number = 0

    async def press(action: str) -> None:
        await client.post(f"/api/services/switch/turn_{action}", {"entity_id": switch})

    async def measured(power: float) -> None:
        nonlocal number
        await line.ask("TransactionEvent", _event(number, power))
        number += 1

    async def limited(*, zero: bool) -> int:
        """Answer until the limit comes and return how many other frames came first."""
        frames = 0
        async with asyncio.timeout(_LIMIT_S):
            while True:
                call = await line.calls.get()
                if call[2] == "SetChargingProfile":
                    periods = call[3]["chargingProfile"]["chargingSchedule"][0][
                        "chargingSchedulePeriod"
                    ]
                    if (periods[0]["limit"] == 0) is zero:
                        calls.append(call)
                        return frames
                frames += 1
                await line.answer(call)

    calls: list[list[Any]] = []
    await measured(5000)
    await asyncio.sleep(3)
    for waiting in (0, 5):
        times, frames = [], []
        for _ in range(_PRESSES):
            line.silent = True
            asking = [
                asyncio.create_task(
                    client.post(
                        f"/api/services/{DOMAIN}/get_variables?return_response",
                        {
                            "device_id": device,
                            "variables": [
                                {"component": "ChargingStation", "variable": "Model"}
                            ],
                        },
                    )
                )
                for _ in range(waiting)
            ]
            on_wire = await line.calls.get() if waiting else None
            await asyncio.sleep(0.2)  # the others wait
            start = time.perf_counter()
            pressing = asyncio.create_task(press("off"))
            if on_wire is not None:
                await asyncio.sleep(0.2)
                start = time.perf_counter()
                await line.answer(on_wire)
            frames.append(await limited(zero=True))
            times.append(time.perf_counter() - start)
            line.silent = False
            await line.answer(calls.pop())
            while not line.calls.empty():
                await line.answer(line.calls.get_nowait())
            await measured(0)
            await pressing
            await asyncio.gather(*asking, return_exceptions=True)
            await press("on")
            await measured(5000)
            await asyncio.sleep(0.5)
        what = "one call on the wire, 4 wait" if waiting else "nothing else asked"
        tell(what, f"{max(frames)} other frames   {_milliseconds(times)}")
    tell("", "(of a call on the wire, from its answer on)")


async def _let_it_record(client: Client) -> float:
    """Wait until the recorder has taken what was changed and return the time, in s.

    Thousands of states a second are more than it keeps up with. Home Assistant does
    not stop before all of them are in its database.
    """
    start = time.perf_counter()
    while (await client.ask("recorder/info"))["backlog"]:
        if time.perf_counter() - start > _RECORDER_LIMIT_S:
            raise RuntimeError("the recorder does not keep up")
        await asyncio.sleep(0.5)
    return time.perf_counter() - start


async def bench_wallbox(messages: int) -> None:
    """Start a Home Assistant, measure it, stop it."""
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder) / "bench")
        layout.folder.mkdir()
        await asyncio.to_thread(prepare, layout)
        port = free_port()
        ocpp_port = choose_ocpp_port(None, other=port)
        instance = Instance(
            layout, port=port, ocpp_port=ocpp_port, module="benchmarks.instance"
        )
        try:
            await instance.start()
            watched = _Watched(instance.pid, layout.folder / "longest.json")
            # A login for each: who does not listen for a minute is hung up on.
            async with logged_in(instance) as client:
                await wait_running(client, instance)
                async with connected(layout, ocpp_port) as line:
                    await measure_press(line, client)
            await measure_longest(layout, ocpp_port, watched)
            print(flush=True)
            for what in ("Heartbeat", "TransactionEvent", "flood"):
                async with connected(layout, ocpp_port) as line:
                    await measure_answers(line, watched, messages, what=what)
            async with logged_in(instance) as client:
                async with connected(layout, ocpp_port) as line:
                    await measure_shown(line, client)
                tell("recorder, behind by", f"{await _let_it_record(client):6.1f} s")
        finally:
            await instance.stop()
