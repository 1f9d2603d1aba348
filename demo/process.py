"""The demo's Home Assistant as a process: start it, wait for it, stop it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from typing import Final

from .client import Client, NotReadyError, log_in
from .console import DemoError, say
from .layout import LOOPBACK, ROOT, USUAL, Layout, WallboxSettings
from .past.guide import Guide
from .rigs import CARAVAN, Rig

_START_LIMIT_S: Final = 240.0
"""First start on a slow computer."""
_STOP_LIMIT_S: Final = 20.0


_POLL_S: Final = 0.25
_RESTART_CODE: Final = 100
"""How Home Assistant ends when it is to be restarted: homeassistant.const."""


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


class Instance:
    """The Home Assistant of the demo, in a process of its own."""

    def __init__(
        self,
        layout: Layout,
        *,
        port: int,
        ocpp_port: int | None,
        rig: Rig = CARAVAN,
        house: bool = False,
        behind_s: float = 0.0,
        wallbox: WallboxSettings = USUAL,
        module: str = "demo.instance",
    ) -> None:
        """Take the folder and the ports; no `ocpp_port`: nothing is set up.

        It first starts `behind_s` ago, s, and waits for a guide to the present.
        With `house` there is one. `module` is the program that is run.
        """
        self._module = module
        self._layout = layout
        self._behind_s = behind_s
        self._line: socket.socket | None = None
        self._arguments = [
            f"--folder={layout.folder}",
            f"--port={port}",
            f"--rig={rig.name}",
            f"--max-current={wallbox.max_current}",
            f"--meter-interval={wallbox.meter_interval}",
        ]
        if rig.added or behind_s:
            self._arguments.append("--added")
        if house:
            self._arguments.append("--house")
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
                    *(f"--behind={self._behind_s}", f"--line={lines[0]}"),
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
        """Return how it ended, with the last that it printed."""
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
