"""scripts/demo: Home Assistant with the integration and simulated devices."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
import contextlib
from datetime import datetime
import fcntl
import os
from pathlib import Path
import signal
import socket
import sys
import time
from typing import Any, Final

from homeassistant.util.yaml import load_yaml_dict

from simulators.caravan.identity import IDENTITIES
from simulators.wallbox import SimulatedWallbox

from . import adding
from .client import Client, NotReadyError, RefusedError, log_in
from .layout import (
    CHARGE_POINT_ID,
    DOMAIN,
    LOOPBACK,
    PASSWORD,
    PLUG_SWITCH,
    ROOT,
    USER,
    Layout,
    prepare,
)
from .past.guide import LENGTH_S, BoxClock, Guide, Week
from .scenario import Scenario, make_wallbox

_START_LIMIT_S: Final = 240.0
"""First start on a slow computer."""
_STOP_LIMIT_S: Final = 20.0
_LIVE_LIMIT_S: Final = 60.0
"""From a running Home Assistant to a reading of the wallbox."""
_CHARGING_LIMIT_S: Final = 20.0
"""To a reading above 0, where there is one."""
_POLL_S: Final = 0.25
_RESTART_CODE: Final = 100
"""How Home Assistant ends when it is to be restarted: homeassistant.const."""
_MOST_SPEED: Final = 200.0
"""The integration believes 10 kWh between two readings, 5 s apart at 11 kW."""
_OCPP_PORTS: Final = range(9000, 9020)
_FAVORITES: Final = (
    ("status", "sensor"),
    ("power", "sensor"),
    ("current", "sensor"),
    ("energy_session", "sensor"),
    ("energy_total", "sensor"),
    ("charging", "switch"),
    ("current_limit", "number"),
)
"""What the overview shows first, as far as the integration has it."""
_DASHBOARDS: Final = {"wallbox": "mdi:ev-station", "battery": "mdi:caravan"}
"""The dashboards, and their icons in the sidebar."""


class DemoError(Exception):
    """The demo cannot go on; the text says why, to the person who started it."""


FAILURES: Final = (DemoError, RefusedError, adding.NotAddedError)
"""What ends a demo with a sentence, and not with a traceback."""


def say(text: str) -> None:
    """Tell the person who started it."""
    # Whoever listened may be gone: a closed terminal is no reason not to tidy up.
    with contextlib.suppress(OSError):
        print(f"demo: {text}", flush=True)


def tell(text: str) -> None:
    """Return what happens at the wallbox, and when."""
    say(f"{datetime.now().astimezone():%H:%M:%S} {text}")


# --- Arguments and ports ---


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return number


def _speed(text: str) -> float:
    number = float(text)
    if not 1 <= number <= _MOST_SPEED:
        raise argparse.ArgumentTypeError(
            f"the speed is a number from 1 to {_MOST_SPEED:.0f}"
        )
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError("that is no time to wait")
    return number


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description=(
            "Runs Home Assistant on this computer, for this computer only, with the "
            "integration set up, a simulated wallbox that charges a car, and a "
            "simulated caravan with Victron devices for Home Assistant to discover. "
            "Its data stays in .demo; deleting that folder starts afresh."
        ),
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=8123,
        help="port of the web page (default: %(default)s)",
    )
    parser.add_argument(
        "--ocpp-port",
        type=_port,
        help="port that the wallbox connects to (default: 9000, or the next free one)",
    )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        help="end by itself so many seconds after it is up (default: run until Ctrl-C)",
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        help=(
            "how many times as fast cars charge and the caravan lives, 1 to 200: at 1 "
            "a session takes an hour, at 60 a minute or two (default: 1)"
        ),
    )
    parser.add_argument(
        "--add-caravan",
        action="store_true",
        help="add the caravan's devices, by the flows that their discovery began",
    )
    parser.add_argument(
        "--history",
        action="store_true",
        help=(
            "let Home Assistant and the simulated devices live through a week first, "
            "in a minute or two, so that the graphs are full; needs a fresh .demo, and "
            "adds the caravan's devices"
        ),
    )
    options = parser.parse_args(arguments)
    if options.history and options.speed != 1:
        parser.error("with --history time passes as fast as it does: no --speed")
    return options


def why_not_free(port: int) -> str | None:
    """Return why a port cannot be listened on; None: it can."""
    with socket.socket() as probe:
        # As servers do it: connections that just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as err:
            return os.strerror(err.errno) if err.errno else str(err)
    return None


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def choose_ocpp_port(wanted: int | None, *, other: int) -> int:
    """Choose the port for the wallbox; `other` is the web page's."""
    if wanted is not None:
        reason = "the web page has it" if wanted == other else why_not_free(wanted)
        if reason:
            raise DemoError(
                f"the wallbox cannot have port {wanted} ({reason}): "
                "choose another one with --ocpp-port"
            )
        return wanted
    for port in _OCPP_PORTS:
        if port != other and why_not_free(port) is None:
            return port
    raise DemoError(
        f"the ports {_OCPP_PORTS[0]} to {_OCPP_PORTS[-1]} are all taken: "
        "choose one for the wallbox with --ocpp-port"
    )


@contextlib.contextmanager
def only_one(layout: Layout) -> Iterator[None]:
    """Keep a second demo out of the folder."""
    layout.folder.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(
                f"another demo is running from {layout.folder}: stop that one first"
            ) from None
        yield


# --- Home Assistant's process ---


class Instance:
    """The Home Assistant of the demo, in a process of its own."""

    def __init__(
        self,
        layout: Layout,
        *,
        port: int,
        ocpp_port: int | None,
        behind_s: float = 0.0,
        module: str = "demo.instance",
    ) -> None:
        """Take the folder and the ports; no `ocpp_port`: nothing is set up.

        It first starts `behind_s` ago, s, and waits for a guide to the present.
        `module` is the program that is run.
        """
        self._module = module
        self._layout = layout
        self._behind_s = behind_s
        self._line: socket.socket | None = None
        self._arguments = [f"--folder={layout.folder}", f"--port={port}"]
        if ocpp_port is not None:
            self._arguments.append(f"--ocpp-port={ocpp_port}")
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"http://{LOOPBACK}:{port}"

    @property
    def pid(self) -> int:
        """The process's id."""
        if self._process is None:
            raise RuntimeError("Home Assistant was not started")
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None: it has not."""
        return None if self._process is None else self._process.returncode

    async def start(self) -> None:
        """Start it."""
        with contextlib.ExitStack() as stack:
            module = [self._module]
            lines: tuple[int, ...] = ()
            if self._behind_s:
                self._line, theirs = socket.socketpair()
                lines = (stack.enter_context(theirs).fileno(),)
                module = [
                    "demo.past.instance",
                    *(f"--behind={self._behind_s}", f"--line={lines[0]}", "--caravan"),
                ]
                # Started again, it starts in the present.
                self._behind_s = 0.0
            output = stack.enter_context(self._layout.output.open("wb"))
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *module,
                *self._arguments,
                cwd=ROOT,
                pass_fds=lines,
                # Never written to: its end tells the process that we are gone.
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                # Ctrl-C is for us; we stop Home Assistant in our own order.
                start_new_session=True,
            )

    async def meet_guide(self) -> Guide:
        """Wait until it has started in the past; its clock stands still then."""
        if self._line is None:
            raise RuntimeError("Home Assistant was started in the present")
        try:
            return await Guide.meet(self._line)
        except ConnectionError:
            # That it closed the line is known before how it ended.
            if self._process is not None:
                await self._process.wait()
            raise self.explain_end() from None

    async def run(self) -> int:
        """Wait for its end, and start it again when its user asks for that."""
        while self._process is not None:
            code = await self._process.wait()
            if code != _RESTART_CODE:
                return code
            say("Home Assistant restarts")
            await self.start()
        raise RuntimeError("Home Assistant was not started")

    async def stop(self) -> None:
        """Stop it, gently if it lets us."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_LIMIT_S):
                await process.wait()
        except TimeoutError:
            say("Home Assistant does not stop, ending it by force")
        finally:
            # Also when we are told a second time to stop.
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    def explain_end(self) -> DemoError:
        """Say how it ended, with the last that it said."""
        text = self._layout.output.read_text(encoding="utf-8", errors="replace")
        last = "\n".join(f"    {line}" for line in text.splitlines()[-15:])
        return DemoError(
            f"Home Assistant ended with code {self.exit_code}. It said:\n{last}"
        )


@contextlib.asynccontextmanager
async def logged_in(instance: Instance) -> AsyncIterator[Client]:
    """Wait until Home Assistant lets us in."""
    begin = reported = time.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        while True:
            try:
                client = await stack.enter_async_context(log_in(instance.url))
                break
            except NotReadyError:
                pass
            if instance.exit_code is not None:
                raise instance.explain_end()
            now = time.monotonic()
            if now - begin > _START_LIMIT_S:
                raise DemoError(
                    f"Home Assistant does not answer after {_START_LIMIT_S:.0f} s"
                )
            if now - reported >= 10:
                reported = now
                say(f"still starting, {now - begin:.0f} s")
            await asyncio.sleep(_POLL_S)
        yield client


async def wait_running(client: Client, instance: Instance) -> None:
    """Wait until everything is set up: pages are served long before."""
    begin = time.monotonic()
    while True:
        config = await client.ask("get_config")
        if config["recovery_mode"]:
            raise DemoError("Home Assistant came up in recovery mode")
        if config["state"] == "RUNNING":
            return
        if instance.exit_code is not None:
            raise instance.explain_end()
        if time.monotonic() - begin > _START_LIMIT_S:
            raise DemoError(f"Home Assistant does not get beyond {config['state']}")
        await asyncio.sleep(_POLL_S)


# --- What is looked at and furnished over its API ---


async def find_entity(client: Client, key: str, platform: str = "sensor") -> str | None:
    """Find an entity of the wallbox."""
    for entity in await client.ask("config/entity_registry/list"):
        entity_id: str = entity["entity_id"]
        if (
            entity["platform"] == DOMAIN
            and entity["unique_id"] == f"{CHARGE_POINT_ID}_{key}"
            and entity_id.startswith(f"{platform}.")
        ):
            return entity_id
    return None


async def _furnish(client: Client) -> None:
    """Return the wallbox a place, and the dashboards something to show."""
    user = await client.ask("auth/current_user")
    await client.ask(
        "person/create", name="Demo", user_id=user["id"], device_trackers=[]
    )
    area = await client.ask(
        "config/area_registry/create", name="Garage", icon="mdi:garage"
    )
    for device in await client.ask("config/device_registry/list"):
        if [DOMAIN, CHARGE_POINT_ID] in device["identifiers"]:
            await client.ask(
                "config/device_registry/update",
                device_id=device["id"],
                area_id=area["area_id"],
            )
    favorites = [await find_entity(client, key, what) for key, what in _FAVORITES]
    await client.ask(
        "frontend/set_system_data",
        key="home",
        value={
            "favorite_entities": [entity for entity in favorites if entity],
            # Else they are shown only together with those that usage predicts.
            "hide_suggested_entities": True,
            "welcome_banner_dismissed": True,
        },
    )
    if energy := await find_entity(client, "energy_total"):
        await client.ask(
            "energy/save_prefs", device_consumption=[{"stat_consumption": energy}]
        )


async def _hang_up_dashboards(client: Client) -> None:
    """Put up the dashboards that people can copy."""
    for name, icon in _DASHBOARDS.items():
        config = await asyncio.to_thread(
            load_yaml_dict, str(ROOT / "dashboards" / f"{name}.yaml")
        )
        # The path of a dashboard needs a hyphen.
        path = f"demo-{name}"
        await client.ask(
            "lovelace/dashboards/create",
            url_path=path,
            title=config["title"],
            icon=icon,
        )
        await client.ask("lovelace/config/save", url_path=path, config=config)


async def _wait_live(client: Client, box: SimulatedWallbox) -> float:
    """Wait until the wallbox's power arrives in Home Assistant; gives it in W.

    It stays 0 where charging was stopped in Home Assistant before the last stop.
    """
    entity = await find_entity(client, "power")
    if entity is None:
        raise DemoError("the integration made no power sensor: see its log")
    begin = time.monotonic()
    while True:
        power = await _read(client, entity)
        waited = time.monotonic() - begin
        if power is not None and (power > 0 or waited > _CHARGING_LIMIT_S):
            return power
        if waited > _LIVE_LIMIT_S:
            where = "shows no power" if box.online else "is not connected"
            raise DemoError(
                f"the wallbox {where} after {waited:.0f} s: see Home Assistant's log"
            )
        await asyncio.sleep(_POLL_S)


async def _read(client: Client, entity_id: str) -> float | None:
    """Read a sensor's number; None: it has none now."""
    for state in await client.ask("get_states"):
        if state["entity_id"] == entity_id:
            with contextlib.suppress(ValueError):
                return float(state["state"])
    return None


# --- The whole ---


async def _add_caravan(client: Client, *, add: bool) -> set[str]:
    """Add the caravan's devices if that is wished; gives the addresses of the added."""
    if add and adding.reads_victron():
        for device in await adding.add_all(client):
            say(f"{device.name} was discovered; adding it with its key")
        await adding.show(client)
    return await adding.find_added(client)


def _tell_caravan(added: set[str]) -> Iterator[str]:
    """Say how to add the caravan's devices."""
    if not adding.reads_victron():
        yield "is there, but this version of the integration reads no Victron devices"
        return
    if len(added) < len(IDENTITIES):
        # Home Assistant's own integration discovers them as well, as it does in life.
        yield "Settings > Devices & services > Discovered (those of this integration):"
    for device in IDENTITIES:
        what = "is added" if device.address in added else f"key {device.key.hex()}"
        yield f"{device.name}, {device.address}, {what}"
    where = "Overview" if added else "Settings > Devices & services > Entities"
    yield f"Caravan plug ({PLUG_SWITCH}): off pulls it from mains. {where}"


def _greet(
    options: argparse.Namespace, layout: Layout, ocpp_port: int, added: set[str]
) -> None:
    """Say what there is and how to stop it."""
    end = (
        "Ctrl-C"
        if options.seconds is None
        else f"Ctrl-C, or by itself in {options.seconds:g} s"
    )
    lines = (
        "",
        f"  Page       http://localhost:{options.port}",
        f"  Login      {USER}, password {PASSWORD} (no secret: this demo only)",
        f"  Wallbox    {CHARGE_POINT_ID}, at wss://localhost:{ocpp_port}",
        *(
            f"  {'' if index else 'Caravan':<9}  {text}"
            for index, text in enumerate(_tell_caravan(added))
        ),
        "  See        Overview; Settings > Devices & services > BMW Wallbox & Victron",
        f"  Speed      {options.speed:g} (--speed 60: a session takes a minute or two)",
        f"  Log        {os.path.relpath(layout.log)}",
        f"  Stop       {end}",
        "",
    )
    with contextlib.suppress(OSError):
        print("\n".join(lines), flush=True)


async def _live_wallbox(box: SimulatedWallbox, speed: float, layout: Layout) -> None:
    """Let the wallbox live; the car leaves and the register is kept at the end."""
    try:
        await box.run(speed, retry_s=2.0)
    finally:
        layout.write_register(box.charger.register_wh)


async def _leave(box: SimulatedWallbox) -> None:
    """End the session, so that Home Assistant sees its end."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2):
            await box.unplug()


async def _end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def run(
    options: argparse.Namespace, layout: Layout, *, up: asyncio.Event | None = None
) -> None:
    """Run the demo until it is cancelled, time is over, or something ends.

    Sets `up` once there is everything to see.
    """
    begin = time.monotonic()
    if reason := why_not_free(options.port):
        raise DemoError(
            f"the web page cannot have port {options.port} ({reason}): "
            "choose another one with --port"
        )
    ocpp_port = choose_ocpp_port(options.ocpp_port, other=options.port)
    first = not layout.furnished.exists()
    if options.history and layout.config.exists():
        raise DemoError(
            "--history needs a fresh start, for nothing can be recorded into the past: "
            f"delete {layout.folder} first"
        )
    await asyncio.to_thread(prepare, layout, speed=options.speed)
    clock = BoxClock()
    box = make_wallbox(
        ocpp_port, layout.tls.client_context(), layout.read_register(), clock=clock
    )
    scenario = Scenario(box, speed=options.speed, say=tell)
    instance = Instance(
        layout,
        port=options.port,
        ocpp_port=ocpp_port,
        behind_s=LENGTH_S if options.history else 0.0,
    )
    try:
        say(f"starting Home Assistant{', the first start takes longer' * first}")
        await instance.start()
        if options.history:
            guide = await instance.meet_guide()
            say("it lives through a week with the simulated devices, in fast motion")
            await Week(guide, box, clock, say=say).live()
        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(logged_in(instance))
            say(f"its page is there after {time.monotonic() - begin:.1f} s")
            await wait_running(client, instance)
            if first:
                await _furnish(client)
                await _hang_up_dashboards(client)
                layout.furnished.touch()
            added = await _add_caravan(client, add=options.add_caravan)
            say("it runs; switching the wallbox on")
            living = asyncio.create_task(_live_wallbox(box, options.speed, layout))
            playing = asyncio.create_task(scenario.play())
            try:
                # Without an answer to this the page never gets beyond "Loading".
                await client.ask("get_services")
                power = await _wait_live(client, box)
                await stack.aclose()
                does = f"charges with {power / 1000:.1f} kW" if power else "is paused"
                say(
                    f"the wallbox is connected over TLS and {does} "
                    f"({time.monotonic() - begin:.1f} s)"
                )
                _greet(options, layout, ocpp_port, added)
                if up is not None:
                    up.set()
                running = asyncio.create_task(instance.run())
                done, _ = await asyncio.wait(
                    {living, playing, running},
                    timeout=options.seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                await _check(done, running, instance)
                say("stopping")
            finally:
                await _end(playing)
                await _leave(box)
                # To Home Assistant a wallbox that hangs up first is a fault.
                await instance.stop()
                await _end(living)
    finally:
        await instance.stop()
        _sum_up(box, layout)


async def _check(
    done: set[asyncio.Task[Any]], running: asyncio.Task[int], instance: Instance
) -> None:
    """Look at what ended by itself, if anything did."""
    if running in done:
        if await running:
            raise instance.explain_end()
        say("Home Assistant was stopped from its own page")
    else:
        await _end(running)
        for task in done:
            await task


def _sum_up(box: SimulatedWallbox, layout: Layout) -> None:
    """Say what went wrong although nothing ended."""
    for violation in box.violations:
        say(f"the integration broke the protocol: {violation}")
    if layout.log.exists():
        text = layout.log.read_text(encoding="utf-8", errors="replace")
        if errors := text.count(" ERROR ("):
            say(f"errors in {os.path.relpath(layout.log)}: {errors}")


async def _until_told(options: argparse.Namespace, layout: Layout) -> int:
    """Run the demo, and stop it when somebody asks for that."""
    demo = asyncio.create_task(run(options, layout))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        say("stopping")
        demo.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    try:
        await demo
    except asyncio.CancelledError:
        say("stopped")
    except FAILURES as err:
        say(str(err))
        return 1
    else:
        say("ended")
    return 0


def main(arguments: Sequence[str] | None = None, *, folder: Path | None = None) -> int:
    """Run the demo; gives the exit code."""
    options = parse_arguments(arguments)
    layout = Layout(folder or ROOT / ".demo")
    try:
        with only_one(layout):
            return asyncio.run(_until_told(options, layout))
    except DemoError as err:
        say(str(err))
        return 1


if __name__ == "__main__":
    sys.exit(main())
