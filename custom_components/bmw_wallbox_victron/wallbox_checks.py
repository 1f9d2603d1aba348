"""The checks of wallboxes that run: one a wallbox at most."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from homeassistant.components import persistent_notification
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError

from .check_text import CheckTexts
from .const import DOMAIN
from .wallbox.errors import CommandError
from .wallbox.findings import CheckResult
from .wallbox.self_check import SelfCheck
from .wallbox.station import Station

#: What was changed is set back within this where Home Assistant stops, in s.
_LAST_WORDS_S: Final = 5.0
#: The button's key: it begins a check, and ends one that runs.
CHECK: Final = "check_wallbox"


class WallboxChecks:
    """Starts and stops checks, and keeps what they find."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Start with none."""
        self._hass = hass
        self._running: dict[Station, tuple[SelfCheck, asyncio.Task[CheckResult]]] = {}

    async def async_check(self, station: Station, *, reboot: bool) -> CheckResult:
        """Check a wallbox. Raises CommandError."""
        return await asyncio.shield(self._start(station, reboot=reboot))

    @callback
    def _start(self, station: Station, *, reboot: bool) -> asyncio.Task[CheckResult]:
        """Begin a check. Raises CommandError."""
        if station in self._running:
            raise CommandError("check_runs")
        if station.connection is None:
            raise CommandError("not_connected")
        check = SelfCheck(station, reboot=reboot)
        task = self._hass.async_create_background_task(
            self._run(station, check),
            f"Check of {station.config.charge_point_id}",
            eager_start=False,
        )
        self._running[station] = check, task
        station.trace.asked(CHECK)
        return task

    async def _run(self, station: Station, check: SelfCheck) -> CheckResult:
        """Check, and keep what is found."""
        try:
            result = await check.run()
        finally:
            del self._running[station]
        station.update(replace(station.state, check=result))
        return result

    async def async_stop(self, station: Station) -> CheckResult | None:
        """Stop a check, and return what it has found; None: none runs."""
        running = self._running.get(station)
        if running is None:
            return None
        check, task = running
        self._stop(station, check)
        return await asyncio.shield(task)

    def _stop(self, station: Station, check: SelfCheck) -> None:
        """End a check: its owner wants that."""
        station.trace.asked(CHECK)
        check.stop()

    @callback
    def async_toggle(self, station: Station, name: str) -> None:
        """Begin a check that ends with a notification; or stop the one that runs.

        Raises CommandError.
        """
        if station in self._running:
            self._stop(station, self._running[station][0])
            return
        task = self._start(station, reboot=False)
        task.add_done_callback(lambda done: self._notify(station, name, done))

    @callback
    def _notify(
        self, station: Station, name: str, done: asyncio.Task[CheckResult]
    ) -> None:
        """Say what was found."""
        if done.cancelled():
            return
        texts = CheckTexts(self._hass)
        err = done.exception()
        if isinstance(err, CommandError):
            reason = HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key=err.key,
                translation_placeholders=err.placeholders,
            )
            message = str(reason)
        elif err is not None:
            return  # a bug of ours, which asyncio logs
        else:
            message = texts.message(done.result())
        persistent_notification.async_create(
            self._hass,
            message,
            title=texts.title(name, done=err is None),
            notification_id=f"{DOMAIN}_check_{station.config.charge_point_id}",
        )

    async def async_shutdown(self) -> None:
        """End all checks, while wallboxes are still connected."""
        running: Mapping[Station, tuple[SelfCheck, asyncio.Task[CheckResult]]]
        running = dict(self._running)
        for check, _ in running.values():
            check.stop()
        tasks = [task for _, task in running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_WORDS_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
