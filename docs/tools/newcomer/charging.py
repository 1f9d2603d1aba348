"""The stations of charging: options, sun and plan, notices."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
import re
from typing import Any, Final

from playwright.async_api import Locator

from demo.household import ZONE
from demo.layout import CHARGE_POINT_ID, DOMAIN

from ..browser import go, settle
from .house import House
from .stations import Stations, WalkError, above

_AREA: Final = "Garage"
_NOTICES: Final = "charging_notices.yaml"
_SUN_LIMIT_S: Final = 180.0
_TARGET: Final = "18"


class ChargingStations(Stations):
    """What an owner has the limit follow, and is shown of it."""

    def charging_stations(self) -> Mapping[str, Callable[[], Any]]:
        """Return the stations by what is done there."""
        return {
            "be told that nobody could watch the fuse, and mend it": self._set_up,
            "charge with the sun": self._follow_the_sun,
            "plan the night": self._plan,
            "look at the page of the wallbox": self._look_at_device,
            "find the triggers of charging": self._find_triggers,
            "be told of charging": self._import_notices,
            "add the wallbox to the Energy dashboard": self._add_to_energy,
        }

    async def _set_up(self) -> None:
        person = self._person
        # Before what the options bring is there: its entity ids are none of the area.
        await self._put_into_area()
        self._house = asyncio.create_task(House(self._client, self._first_box()).run())
        await self._wait_state("sensor.house_grid_power", _is_number)
        await self._open_integration()
        await self._page.get_by_role("button", name="Configure").first.click()
        await settle(self._page)
        await person.follow("Charging")
        await person.pick("House grid power", into="Power at the grid")
        # Of an empty number, the label is no text of the page.
        fuse = self._page.locator("ha-selector").filter(has_text="What it bears")
        await person.type("35", into=fuse)
        await person.click("Submit")
        error = await person.read("Nobody could watch it.")
        field = self._page.get_by_text(error).last
        await field.scroll_into_view_if_needed()
        await person.picture("fuse-without-current")
        for phase in (1, 2, 3):
            await person.pick(
                f"House current L{phase}", into=f"Current of the house, L{phase}"
            )
        await self._pick_option(
            "L2, L3 and L1 of the house", into="Phases of the wallbox"
        )
        await self._pick_option("House electricity price", into="Price of energy")
        sun = self._page.locator("ha-selector").filter(has_text="that is fed in. A")
        await person.type("0.08", into=sun)
        await person.picture("charging-options", whole=True)
        await person.click("Submit")
        await person.read("Options successfully saved.")
        await person.click("Finish")
        await self._wait_state("select.bmw_wallbox_charging_mode", "fast")

    async def _put_into_area(self) -> None:
        """Put the wallbox into an area."""
        area = await self._client.ask("config/area_registry/create", name=_AREA)
        for device in await self._client.ask("config/device_registry/list"):
            if [DOMAIN, CHARGE_POINT_ID] in device["identifiers"]:
                await self._client.ask(
                    "config/device_registry/update",
                    device_id=device["id"],
                    area_id=area["area_id"],
                )

    async def _pick_option(self, option: str, *, into: str) -> None:
        """Pick an option of a list."""
        await self._person.field(into).locator("ha-select, ha-generic-picker").click()
        await settle(self._page)
        shown = self._page.get_by_text(option).filter(visible=True)
        await shown.last.click()
        await settle(self._page)

    async def _follow_the_sun(self) -> None:
        person = self._person
        await go(self._page, "/dashboard-wallbox")
        mode = self._card("Charging mode")
        await mode.locator("ha-control-select-menu").click()
        await settle(self._page)
        await person.picture("charging-modes", width=768)
        await person.follow("Solar only")
        await self._wait_state("select.bmw_wallbox_charging_mode", "solar")
        await self._wait_state(
            "sensor.bmw_wallbox_limit_reason", "solar", limit_s=_SUN_LIMIT_S
        )
        await self._wait_state(
            "sensor.bmw_wallbox_status", "charging", limit_s=_SUN_LIMIT_S
        )
        await person.read(re.compile("^Follows the sun: 1[0-9] A"))
        await go(self._phone, "/dashboard-wallbox")
        await person.picture("sun-phone", page=self._phone, whole=True)

    async def _plan(self) -> None:
        """Set a target and when it is to be reached on the phone's dashboard."""
        person = self._person
        await go(self._page, "/dashboard-wallbox")
        await self._open("Target energy")
        await person.picture("target-energy")
        dialog = self._page.locator("ha-more-info-dialog")
        await person.type(_TARGET, into=dialog)
        await self._page.keyboard.press("Enter")
        await self._wait_state("number.bmw_wallbox_target_energy", f"{_TARGET}.0")
        await self._page.keyboard.press("Escape")
        await self._card("Plan").locator("ha-control-switch").click()
        await self._wait_state("switch.bmw_wallbox_plan", "on")
        await self._open("Ready by")
        ready = datetime.now(ZONE) + timedelta(hours=7)
        await self._type_time(ready)
        await person.picture("ready-by")
        await self._wait_state("time.bmw_wallbox_ready_by", f"{ready:%H:%M}:00")
        await self._page.keyboard.press("Escape")
        await self._wait_state("sensor.bmw_wallbox_plan_start", _is_moment)
        # The cheapest hour is now.
        await self._wait_state("sensor.bmw_wallbox_power", above(10_000))
        for page, name in ((self._page, "plan"), (self._phone, "plan-phone")):
            await go(page, "/dashboard-wallbox")
            await person.picture(name, page=page, whole=True)

    async def _type_time(self, moment: datetime) -> None:
        dialog = self._page.locator("ha-more-info-dialog")
        fields = dialog.locator("ha-time-input input")
        for field, text in (
            (fields.nth(0), f"{moment:%I}"),
            (fields.nth(1), f"{moment:%M}"),
        ):
            await field.click()
            await self._page.keyboard.press("ControlOrMeta+a")
            await self._page.keyboard.type(text)
        await self._page.keyboard.press("Tab")
        await settle(self._page)
        await dialog.locator("ha-time-input ha-select").click()
        await settle(self._page)
        await self._person.follow(f"{moment:%p}")

    async def _look_at_device(self) -> None:
        person = self._person
        await self._open_integration()
        row = self._page.locator("ha-config-entry-device-row")
        await row.filter(has_text="BMW Wallbox").first.click()
        await settle(self._page)
        await self._see("Session cost", "€")
        await person.picture("wallbox-page", whole=True)

    async def _find_triggers(self) -> None:
        """Find the triggers of charging by the wallbox, in the automation editor."""
        person, adding = self._person, "add-automation-element-dialog"
        await person.open_settings("Automations & scenes")
        await person.click("Create automation")
        await person.follow("Start with an empty automation from scratch")
        for name in ("Car does not begin to charge", "Target energy reached"):
            await person.click("Add trigger")
            await person.follow(_AREA, inside=adding)
            trigger = self._page.locator(adding).get_by_text(name)
            await trigger.scroll_into_view_if_needed()
            await trigger.click()
            await settle(self._page)
        await person.picture("triggers-of-charging")
        # Nobody saves it.
        await go(self._page, "/")

    async def _import_notices(self) -> None:
        person = self._person
        await self._import(_NOTICES)
        await person.follow("Charging notices")
        await person.picture("notices", whole=True)
        await person.click("Save")
        await self._wait_state("automation.charging_notices", "on")

    async def _add_to_energy(self) -> None:
        """Look whether Home Assistant finds fault with what the sensors record."""
        wrong = await self._client.ask("recorder/validate_statistics")
        if ours := [each for each in wrong if "bmw_wallbox" in each]:
            raise WalkError(f"the recorder finds fault with {', '.join(ours)}")
        await self._client.ask(
            "energy/save_prefs",
            device_consumption=[
                {"stat_consumption": "sensor.bmw_wallbox_total_energy"}
            ],
        )
        found = await self._client.ask("energy/validate")
        faults = {
            fault["type"] for faults in found["device_consumption"] for fault in faults
        }
        # They come with the next five minutes.
        if faults - {"statistics_not_defined"}:
            raise WalkError(f"the Energy dashboard finds fault: {', '.join(faults)}")

    async def _open(self, name: str) -> None:
        """Open the details of a tile, beside what else is on it."""
        await self._card(name).click(position={"x": 100, "y": 28})
        await settle(self._page)

    def _card(self, name: str) -> Locator:
        """Find a tile of a dashboard by its name."""
        cards = self._page.locator("hui-tile-card")
        return cards.filter(has=self._page.get_by_text(name, exact=True)).first


def _is_number(state: str) -> bool:
    """Return whether a state is one."""
    return bool(re.fullmatch(r"-?\d+(\.\d+)?", state))


def _is_moment(state: str) -> bool:
    """Return whether a state is one."""
    return bool(re.match(r"\d{4}-\d\d-\d\dT", state))
