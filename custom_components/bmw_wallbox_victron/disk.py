"""Files that outlive a power cut: written at once, one write at a time, tried again."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
import logging
import math
import os
from pathlib import Path
from typing import Any, Final, override

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .problem import Problem, Problems

_LOGGER = logging.getLogger(__name__)

_VERSION: Final = 1
#: A write that failed is tried again after this, then ever more seldom, in s.
_FIRST_RETRY_S: Final = 1.0
#: But this often at least, in s.
_RETRY_S: Final = 60.0

type Json = dict[str, Any]


class NotStoredError(Exception):
    """What was to be kept is not on the disk yet; `reason` says why."""

    def __init__(self, reason: str) -> None:
        """Take the reason, in a few words."""
        super().__init__(reason)
        self.reason = reason


class DiskFile(Store[Json]):
    """A file in `.storage` that outlives the power, and is read whatever is in it.

    It is a `Store` for what that does: versions, the cache of files at the start, a
    repair issue for what is no JSON. Three of its protected names are used, because its
    public way to write swallows a failure, puts the write off while Home Assistant
    stops, and leaves it to the system when it is on the disk.
    """

    def __init__(self, hass: HomeAssistant, key: str) -> None:
        """Take its name. What is written does not change: any thread may read it."""
        super().__init__(
            hass, _VERSION, key, private=True, serialize_in_event_loop=False
        )

    async def async_read(self) -> Json | None:
        """Return the content; None: there is none, or none that can be read.

        What cannot be read is moved aside, as `Store` does with what is no JSON.
        """
        try:
            stored = await self.async_load()
        except Exception as err:  # noqa: BLE001 - anything may be in a damaged file
            aside = f"{self.path}.corrupt.{dt_util.utcnow().isoformat()}"
            _LOGGER.error(
                "%s cannot be read (%s: %s) and is kept as %s",
                self.path,
                type(err).__name__,
                err,
                aside,
            )
            with suppress(OSError):
                await self.hass.async_add_executor_job(os.rename, self.path, aside)
            return None
        return stored if isinstance(stored, dict) else None

    async def async_write(self, content: Json) -> None:
        """Write it now. Raises HomeAssistantError or OSError."""
        self._manager.async_invalidate(self.key)
        await self._async_write_data(
            {
                "version": self.version,
                "minor_version": self.minor_version,
                "key": self.key,
                "data": content,
            }
        )

    @override
    def _write_prepared_data(self, mode: str, json_data: str | bytes) -> None:
        """Write all or nothing, and return when it is on the disk itself.

        Without the two `fsync` a power cut could bring back what was there before.
        Home Assistant's own helper has them, and logs each failure; ours are tried
        again until they succeed, and are logged once.
        """
        path = Path(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = json_data.encode() if isinstance(json_data, str) else json_data
        # For its owner's eyes only. There is one writer: the name needs not be unique,
        # and what a power cut leaves of it is written over.
        number = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._new.replace(path)
        with suppress(OSError):  # not every file system knows this
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    @override
    async def async_remove(self) -> None:
        """Remove it, and what a write left that was cut short."""
        await super().async_remove()
        await self.hass.async_add_executor_job(self._remove_new)

    def _remove_new(self) -> None:
        self._new.unlink(missing_ok=True)

    @property
    def _new(self) -> Path:
        """What is written, until it is complete."""
        return Path(f"{self.path}.new")


class Budget:
    """How often something may be done: some times at once, then once in a while.

    What is done again within a moment, because a queue is replayed, is done once.
    """

    def __init__(self, burst: int, period_s: float, *, moment_s: float) -> None:
        """Allow it `burst` times, and once more whenever `period_s` have passed."""
        self._slack_s = (burst - 1) * period_s
        self._period_s = period_s
        self._moment_s = moment_s
        self._used_up_at = -math.inf
        self._done_at = -math.inf

    def delay(self, now: float) -> float:
        """Return in how many seconds it may be done."""
        if 0 <= now - self._done_at < self._moment_s:
            return 0.0
        return max(0.0, self._used_up_at - self._slack_s - now)

    def take(self, now: float) -> None:
        """Take it for done as soon as it may be."""
        if 0 <= now - self._done_at < self._moment_s:
            return
        self._done_at = now if self.delay(now) == 0 else -math.inf
        self._used_up_at = max(self._used_up_at, now) + self._period_s


class Writer:
    """Writes one file: the newest content, one write at a time.

    What changes while a write is under way is in exactly one more write after it. So
    nobody is put off by who comes later.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        file: DiskFile,
        problems: Problems | None,
        write: Callable[[], Json],
        on_end: Callable[[bool], None] | None = None,
    ) -> None:
        """Take what is written. `on_end` hears of each write's end, and its success."""
        self._hass = hass
        self._file = file
        self._problems = problems
        self._write = write
        self._on_end = on_end
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._again = False
        self._cancel_timer: Callable[[], None] | None = None
        self._due: float | None = None
        self._retry_s = _FIRST_RETRY_S
        self._closed = False
        self.wanted = 0
        """How many changes there were."""
        self.tried = 0
        """How many of them were part of a write that has ended, if in vain."""
        self._written = 0

    def change(self, within: Budget | float) -> None:
        """Schedule a change after so many s, or as soon as a budget allows it.

        Where a write is planned that is earlier, it is in that one.
        """
        self.wanted += 1
        now = self._hass.loop.time()
        delay = within.delay(now) if isinstance(within, Budget) else within
        if self._due is not None and self._due <= now + delay:
            return
        if isinstance(within, Budget):
            within.take(now)
        self._plan(0.0 if self._closed else delay)

    async def flush(self) -> None:
        """Return when all that was changed is on the disk. Raises NotStoredError."""
        if self._written < self.wanted:
            future = self._hass.loop.create_future()
            self._waiting.append(future)
            self._start()
            await future

    async def close(self) -> None:
        """Write what is left, and end. What cannot be written is given up."""
        self._closed = True
        with suppress(NotStoredError):
            await self.flush()
        self._cancel()
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    def _plan(self, delay: float) -> None:
        """Write after `delay` s, or earlier where that is planned."""
        due = self._hass.loop.time() + delay
        if self._due is not None and self._due <= due:
            return
        self._cancel()
        if delay <= 0:
            self._start()
            return
        self._due = due
        self._cancel_timer = async_call_later(self._hass, delay, self._ring)

    @callback
    def _ring(self, _: datetime) -> None:
        """Write, because it is time."""
        self._due = self._cancel_timer = None
        self._start()

    def _cancel(self) -> None:
        """Plan nothing any more."""
        if self._cancel_timer is not None:
            self._cancel_timer()
        self._due = self._cancel_timer = None

    def _start(self) -> None:
        """Write now, or once more after the write that is under way."""
        self._again = True
        if self._task is None or self._task.done():
            self._task = self._hass.async_create_task(
                self._run(), f"Write {self._file.key}", eager_start=False
            )

    async def _run(self) -> None:
        """Write until all is written that was to be."""
        while self._again:
            self._again = False
            await self._write_once()

    async def _write_once(self) -> None:
        """Write what there is now, and tell those who wait for it."""
        self._cancel()  # what is planned goes with this
        revision = self.wanted
        waiting, self._waiting = self._waiting, []
        fault: NotStoredError | None = None
        try:
            await self._file.async_write(self._write())
        except (HomeAssistantError, OSError) as err:
            fault = NotStoredError(_reason(err))
        finally:
            # If this is a bug of ours, they must not wait for ever.
            for future in waiting:
                if future.done():
                    continue
                if fault is not None:
                    future.set_exception(fault)
                else:
                    future.set_result(None)
        self.tried = revision
        if fault is None:
            self._written = revision
            self._retry_s = _FIRST_RETRY_S
        elif not self._closed:
            self._plan(self._retry_s)
            self._retry_s = min(2 * self._retry_s, _RETRY_S)
        self._report(fault)
        if self._on_end is not None:
            self._on_end(fault is None)

    def _report(self, fault: NotStoredError | None) -> None:
        """Report that it cannot be written, or that it can."""
        if self._problems is None:
            return
        if fault is None:
            self._problems.resolve(Problem.NOT_STORED, self._file.path)
        else:
            self._problems.report(
                Problem.NOT_STORED, self._file.path, reason=fault.reason
            )


def _reason(err: BaseException) -> str:
    """Return why something could not be written."""
    if isinstance(err, OSError) and err.strerror:
        return err.strerror
    return str(err) or type(err).__name__
