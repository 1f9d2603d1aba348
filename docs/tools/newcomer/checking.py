"""The station of a check: its button, what it found, and the trace to report."""

import asyncio
from collections.abc import Callable, Mapping
import json
import re
import time
from typing import Any, Final

from simulators.wallbox import Car

from ..browser import settle
from .stations import Stations, WalkError

_CHECK_LIMIT_S: Final = 330.0
_POLL_S: Final = 1.0


class CheckStations(Stations):
    """What an owner learns of the wallbox, and sends to those who mend it."""

    def check_stations(self) -> Mapping[str, Callable[[], Any]]:
        """Return the stations by what is done there."""
        return {
            "check the wallbox": self._check,
            "download what a report needs": self._download,
        }

    async def _open_wallbox(self) -> None:
        await self._open_integration()
        row = self._page.locator("ha-config-entry-device-row")
        await row.filter(has_text="BMW Wallbox").first.click()
        await settle(self._page)

    async def _check(self) -> None:
        """Press the button, and read what was found."""
        person = self._person
        # Neither plan nor sun: it is checked with what it gives.
        await self._do("switch.turn_off", "switch.bmw_wallbox_plan")
        mode = "select.bmw_wallbox_charging_mode"
        await self._do("select.select_option", mode, option="fast")
        await self._first_box().plug_in(Car(phases=3))
        await self._wait_state("sensor.bmw_wallbox_status", "charging")
        await self._open_wallbox()
        button = await self._see("Check my wallbox", "")
        await button.scroll_into_view_if_needed()
        await button.get_by_role("button", name="Press").click()
        await self._wait_notified(re.compile("BMW Wallbox was checked"))
        await self._page.get_by_text("Notifications", exact=True).first.click()
        await settle(self._page)
        await person.read("BMW Wallbox was checked")
        await person.picture("checked")
        await self._page.keyboard.press("Escape")

    async def _wait_notified(self, title: re.Pattern[str]) -> None:
        """Wait until there is a notification."""
        end = time.monotonic() + _CHECK_LIMIT_S
        while time.monotonic() < end:
            for each in await self._client.ask("persistent_notification/get"):
                if title.fullmatch(each["title"] or ""):
                    return
            await asyncio.sleep(_POLL_S)
        raise WalkError(f"no notification says {title.pattern}")

    async def _download(self) -> None:
        """Download the diagnostics of the wallbox, and find the trace in them."""
        await self._open_wallbox()
        async with self._page.expect_download() as downloading:
            await self._page.get_by_text("Download diagnostics").last.click()
        path = await (await downloading.value).path()
        content = json.loads(await asyncio.to_thread(path.read_text))
        wallbox = content["data"]["wallbox"]
        if not wallbox["trace"] or wallbox["state"]["check"] is None:
            raise WalkError("the diagnostics have no trace, or no check")
