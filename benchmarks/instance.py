"""The demo's Home Assistant with a watch on its event loop, for scripts/bench.

Told by SIGUSR1 it writes into a file what kept the loop longest since it was told last.
"""

import asyncio
from dataclasses import asdict, dataclass
import gc
import json
from pathlib import Path
import signal
import sys
import threading
import time
from typing import Any, Final
from unittest import mock

from demo.instance import main as instance

_BEAT_S: Final = 0.002


@dataclass(slots=True)
class Longest:
    """The longest of a phase, in s."""

    cpu: float = 0.0
    """One callback, as processor time of the loop's thread."""
    wall: float = 0.0
    """One callback, as time that passed: with all that others did meanwhile."""
    what: str = ""
    """Which one that was."""
    late: float = 0.0
    """How much too late a timer rang, whatever it was that held it up."""
    collecting: float = 0.0
    """One search for garbage, in whichever thread: nobody else runs meanwhile."""


class _Watch:
    """Measures what runs on the loop of the main thread."""

    def __init__(self, file: Path) -> None:
        """Take where the figures go."""
        self._file = file
        self._longest = Longest()
        self._run = asyncio.Handle._run  # noqa: SLF001 - nobody else can tell
        self._collecting_since = 0.0
        self._due = 0.0
        self._beats = False

    def install(self) -> None:
        """Measure from now on."""
        watch, main_thread = self, threading.get_ident()

        def timed(handle: asyncio.Handle) -> None:
            if threading.get_ident() != main_thread:
                watch._run(handle)
                return
            wall, cpu = time.perf_counter(), time.thread_time()
            watch._run(handle)
            longest = watch._longest
            used = time.thread_time() - cpu
            longest.wall = max(longest.wall, time.perf_counter() - wall)
            if used > longest.cpu:
                longest.cpu, longest.what = used, repr(handle)[:200]

        mock.patch.object(asyncio.Handle, "_run", timed).start()
        gc.callbacks.append(self._collects)
        signal.signal(signal.SIGUSR1, self._tell)

    def _collects(self, phase: str, _: dict[str, int]) -> None:
        """Measure a search for garbage."""
        now = time.perf_counter()
        if phase == "start":
            self._collecting_since = now
        else:
            longest = self._longest
            longest.collecting = max(longest.collecting, now - self._collecting_since)

    def _beat(self) -> None:
        """See how late it is."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._longest.late = max(self._longest.late, now - self._due)
        self._due = now + _BEAT_S
        loop.call_at(self._due, self._beat)

    def _start_beating(self) -> None:
        """Start the timer; it runs until the loop ends."""
        self._due = asyncio.get_running_loop().time()
        self._beat()

    def _tell(self, *_: Any) -> None:
        """Write the figures, and begin anew."""
        told, self._longest = self._longest, Longest()
        written = self._file.with_suffix(".new")
        written.write_text(json.dumps(asdict(told)), encoding="utf-8")
        written.replace(self._file)
        if not self._beats:
            self._beats = True
            asyncio.get_running_loop().call_soon_threadsafe(self._start_beating)


def main() -> int:
    """Run Home Assistant with a watch on it."""
    folder = next(
        each.removeprefix("--folder=")
        for each in sys.argv
        if each.startswith("--folder=")
    )
    _Watch(Path(folder) / "longest.json").install()
    return instance()


if __name__ == "__main__":
    sys.exit(main())
