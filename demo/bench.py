"""scripts/bench: what the integration costs, and what it shows for that.

The wallbox: how fast a frame on the socket becomes an entity's state. Measured in the
real thing: Home Assistant in its own process with its recorder and web server, TLS, and
a client that only sends and waits.

The charging hour: three phases, readings every ten seconds, played as fast as it goes;
what the recorder writes of it.

The caravan: one hour of three Victron devices, five advertisements a second each,
played as fast as it goes through Home Assistant's Bluetooth into its recorder; the same
for Home Assistant's own victron_ble.

Times are of this computer, rows and errors are the same on any.
"""

import argparse
import asyncio
import base64
from collections.abc import Mapping, Sequence
import importlib.util
import json
from pathlib import Path
import statistics
import sys
import tempfile
import time
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from .caravan.hour import QUANTITIES
from .client import Client
from .home_assistant import (
    Instance,
    choose_ocpp_port,
    find_entity,
    free_port,
    logged_in,
    wait_running,
)
from .layout import CHARGE_POINT_ID, ROOT, WALLBOX_PASSWORD, Layout, prepare
from .wallbox.records import wire_time
from .wallbox.simulator import utc_now

_TICKS_PER_S: Final = 100
"""Unit of the times in /proc/PID/stat on Linux (USER_HZ)."""
_WARM_UP: Final = 200
_RECORDER_LIMIT_S: Final = 300.0


def _event(number: int, power: float) -> dict[str, Any]:
    """Make a TransactionEvent as a Delta box sends it every ten seconds."""
    stamp = wire_time(utc_now())

    def value(measurand: str, amount: float, **more: Any) -> dict[str, Any]:
        return {"measurand": measurand, "value": amount, **more}

    return {
        "eventType": "Started" if number == 0 else "Updated",
        "timestamp": stamp,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": number,
        "transactionInfo": {"transactionId": "bench", "chargingState": "Charging"},
        "meterValue": [
            {
                "timestamp": stamp,
                "sampledValue": [
                    value("Energy.Active.Import.Register", 1_000_000 + number / 10),
                    value("Power.Active.Import", power),
                    value("Current.Import", power / 230, phase="L1"),
                    value("Voltage", 230.4, phase="L1-N"),
                ],
            }
        ],
    }


class _Line:
    """A bare connection of a wallbox, that answers nothing."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0

    async def send(self, action: str, payload: dict[str, Any]) -> str:
        self._number += 1
        message_id = str(self._number)
        await self._socket.send(json.dumps([2, message_id, action, payload]))
        return message_id

    async def answered(self, message_id: str) -> None:
        while True:
            frame = json.loads(await self._socket.recv())
            if frame[0] != 2 and frame[1] == message_id:
                if frame[0] == 4:
                    raise RuntimeError(f"refused: {frame}")
                return

    async def ask(self, action: str, payload: dict[str, Any]) -> float:
        """Call and wait for the answer; gives the time that took, in s."""
        start = time.perf_counter()
        await self.answered(await self.send(action, payload))
        return time.perf_counter() - start


def _main_thread_seconds(pid: int) -> float:
    """Read the processor time of a process's main thread: of its event loop."""
    stat = Path(f"/proc/{pid}/task/{pid}/stat").read_text(encoding="ascii")
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _milliseconds(times: Sequence[float]) -> str:
    """Give p50, p99 and the maximum."""
    ordered = sorted(times)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return (
        f"p50 {statistics.median(ordered) * 1000:6.2f} ms   "
        f"p99 {p99 * 1000:6.2f} ms   max {ordered[-1] * 1000:6.2f} ms"
    )


def _tell(what: str, figures: str) -> None:
    print(f"{what:<34} {figures}", flush=True)


async def _measure(line: _Line, client: Client, pid: int, messages: int) -> None:
    """Measure and print."""
    number = 0
    for _ in range(_WARM_UP):
        await line.ask("TransactionEvent", _event(number, 5000 + number % 50))
        number += 1

    heartbeats = [await line.ask("Heartbeat", {}) for _ in range(messages)]
    _tell("answer to a Heartbeat", _milliseconds(heartbeats))

    answers = []
    for _ in range(messages):
        answers.append(
            await line.ask("TransactionEvent", _event(number, 5000 + number % 500))
        )
        number += 1
    _tell("answer to a TransactionEvent", _milliseconds(answers))

    used, start = _main_thread_seconds(pid), time.perf_counter()
    last = ""
    for _ in range(messages):
        last = await line.send("TransactionEvent", _event(number, 5000 + number % 500))
        number += 1
    await line.answered(last)
    took, used = time.perf_counter() - start, _main_thread_seconds(pid) - used
    _tell("messages without a pause", f"{messages / took:6.0f} a second")
    _tell("event-loop time a message", f"{used / messages * 1e6:6.0f} microseconds")

    entity_id = await find_entity(client, "power")
    await client.ask("subscribe_events", event_type="state_changed")
    shown = []
    for power in range(6000, 6000 + min(messages, 500)):
        start = time.perf_counter()
        message_id = await line.send("TransactionEvent", _event(number, power))
        number += 1
        while True:
            data = (await client.next_event())["data"]
            if data["entity_id"] == entity_id and (
                float(data["new_state"]["state"]) == power
            ):
                break
        shown.append(time.perf_counter() - start)
        await line.answered(message_id)
    _tell("from frame to state, at a browser", _milliseconds(shown))


async def _let_it_record(client: Client) -> float:
    """Wait until the recorder has taken what was changed; gives the time, in s.

    Thousands of states a second are more than it keeps up with. Home Assistant does
    not stop before all of them are in its database.
    """
    start = time.perf_counter()
    while (await client.ask("recorder/info"))["backlog"]:
        if time.perf_counter() - start > _RECORDER_LIMIT_S:
            raise RuntimeError("the recorder does not keep up")
        await asyncio.sleep(0.5)
    return time.perf_counter() - start


async def _bench(messages: int) -> None:
    """Start a Home Assistant, measure it, stop it."""
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder) / "bench")
        layout.folder.mkdir()
        await asyncio.to_thread(prepare, layout)
        port = free_port()
        ocpp_port = choose_ocpp_port(None, other=port)
        secret = f"{CHARGE_POINT_ID}:{WALLBOX_PASSWORD}"
        login = base64.b64encode(secret.encode()).decode()
        instance = Instance(layout, port=port, ocpp_port=ocpp_port)
        try:
            await instance.start()
            async with logged_in(instance) as client:
                await wait_running(client, instance)
                async with connect(
                    f"wss://localhost:{ocpp_port}/{CHARGE_POINT_ID}",
                    ssl=layout.tls.client_context(),
                    subprotocols=[Subprotocol("ocpp2.0.1")],
                    additional_headers={"Authorization": f"Basic {login}"},
                    proxy=None,
                    max_queue=None,
                ) as socket:
                    await _measure(_Line(socket), client, instance.pid, messages)
                _tell("recorder, behind by", f"{await _let_it_record(client):6.1f} s")
        finally:
            await instance.stop()


async def _replay(
    *arguments: str, module: str = "demo.caravan.replay"
) -> dict[str, Any]:
    """Play an hour in a process of its own; gives its figures."""
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            f"--folder={folder}",
            *arguments,
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        answer, complaints = await process.communicate()
    if process.returncode:
        raise RuntimeError(complaints.decode(errors="replace"))
    figures: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return figures


def _tell_rows(what: str, rows: Mapping[str, int]) -> None:
    """Print what the recorder wrote."""
    others = ", ".join(
        f"{count} {table}" for table, count in rows.items() if table != "states"
    )
    _tell(what, f"{rows['states']} states ({others})")


async def _bench_charging(seconds: float) -> None:
    """Play an hour of charging at three powers."""
    print(f"\n{seconds / 60:.0f} minutes of charging on three phases.", flush=True)
    for amperes in (6, 16, 32):
        figures = await _replay(
            f"--seconds={seconds}", f"--amperes={amperes}", module="demo.charging_hour"
        )
        _tell_rows(f"{amperes} A: rows of a charging hour", figures["rows"])


def _tell_replay(who: str, figures: Mapping[str, Any], bare: float) -> None:
    """Print what one reader of the advertisements costs, and how wrong it is."""
    _tell_rows(f"{who}: rows", figures["rows"])
    own = figures["microseconds"] - bare
    _tell(
        f"{who}: event-loop time",
        f"{own:.0f} microseconds an advertisement, beside Home Assistant's {bare:.0f}",
    )
    errors = [
        f"{key} {figures['errors'][key][0]:.3g} {unit}"
        + (f" of {figures['errors'][key][1]:.0f}" if key == "time_to_go" else "")
        for key, unit in QUANTITIES.items()
        if key in figures["errors"]
    ]
    _tell(f"{who}: largest error", ", ".join(errors) or "none of it is shown")


async def _bench_caravan(seconds: float) -> None:
    """Play the caravan's hour to nobody, to us and to core."""
    length = f"--seconds={seconds}"
    nobody = await _replay("--reader=nobody", length)
    bare = nobody["microseconds"]
    print(
        f"\nSmartShunt, IP22 and Orion, {nobody['advertisements']} advertisements in "
        f"{seconds / 60:.0f} minutes.\nErrors: of the SmartShunt's values, what lasts "
        "longer than a second (time to go: a minute).",
        flush=True,
    )
    _tell_replay("ours", await _replay("--reader=ours", length), bare)
    everything = await _replay("--reader=ours", "--all-entities", length)
    _tell_replay("ours, all entities", everything, bare)
    if importlib.util.find_spec("victron_ble_ha_parser") is None:
        _tell("victron_ble", "not run: its victron-ble-ha-parser is not installed")
    else:
        _tell_replay("victron_ble", await _replay("--reader=core", length), bare)


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--messages", type=int, default=2000, help="of each kind; 0: no wallbox"
    )
    parser.add_argument(
        "--seconds", type=float, default=3600, help="of the caravan; 0: no caravan"
    )
    parser.add_argument(
        "--charging", type=float, default=3600, help="seconds of charging; 0: none"
    )
    options = parser.parse_args()
    if options.messages:
        asyncio.run(_bench(options.messages))
    if options.charging:
        asyncio.run(_bench_charging(options.charging))
    if options.seconds:
        asyncio.run(_bench_caravan(options.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
