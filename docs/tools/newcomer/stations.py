"""What stations have in common: where the person sits, and what is waited for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
import time
from typing import Any, Final

from aiohttp import web
from playwright.async_api import Locator, Page

from demo.client import Client
from demo.console import DemoError
from demo.layout import LOOPBACK, ROOT, Layout
from simulators.wallbox import SimulatedWallbox

from ..browser import settle
from .person import Person

INTEGRATION: Final = "BMW Wallbox & Victron"
BLUEPRINTS: Final = ROOT / "blueprints" / "automation" / "bmw_wallbox_victron"
_STATE_LIMIT_S: Final = 60.0
_POLL_S: Final = 0.25


class WalkError(DemoError):
    """The way ends here; the text says why, to the person who started it."""


def say(text: str) -> None:
    """Print for the person who started it."""
    with suppress(OSError):
        print(f"newcomer: {text}", flush=True)


@asynccontextmanager
async def _serving_blueprint(name: str) -> AsyncIterator[str]:
    """Serve a blueprint on loopback, in GitHub's place and return its address."""
    app = web.Application()
    app.router.add_static("/", BLUEPRINTS)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://{LOOPBACK}:{port}/{name}"
    finally:
        await runner.cleanup()


class Stations:
    """Stations of the way, before one Home Assistant."""

    def __init__(
        self,
        person: Person,
        client: Client,
        phone: Page,
        layout: Layout,
        web_port: int,
    ) -> None:
        """Stand at the beginning, with a phone as well."""
        self._person = person
        self._page = person.page
        self._client = client
        self._phone = phone
        self._layout = layout
        self._web_port = web_port
        self._box: SimulatedWallbox | None = None
        self._living: asyncio.Task[None] | None = None
        self._house: asyncio.Task[None] | None = None

    async def end(self) -> None:
        """Switch the wallbox and the meters of the house off."""
        for task in (self._living, self._house):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def _first_box(self) -> SimulatedWallbox:
        if self._box is None:
            raise WalkError("there is no wallbox yet")
        return self._box

    async def _import(self, name: str, *, picture: str | None = None) -> None:
        """Import a blueprint, by its file's name."""
        person = self._person
        async with _serving_blueprint(name) as address:
            say(f"         the blueprint comes from {address}, not from GitHub")
            await person.open_settings("Automations & scenes")
            await person.follow("Blueprints")
            await person.click("Import blueprint")
            await person.type(address, into=self._page.locator("ha-dialog").last)
            await person.click("Preview")
            await person.read("Blueprint path")
            if picture is not None:
                await person.picture(picture)
            await person.click("Import blueprint", inside="ha-dialog")
            await person.read(name)

    async def _choose(self, action: str, *, of: Locator) -> None:
        """Choose from the menu of a row."""
        await of.first.get_by_role("button", name="Menu").first.click()
        await settle(self._page)
        await self._person.follow(action)

    async def _open_integration(self) -> None:
        await self._person.open_settings("Devices & services")
        card = self._page.locator("ha-integration-card")
        await card.filter(has_text=INTEGRATION).click()
        await settle(self._page)

    async def _see(self, name: str, value: str) -> Locator:
        """Wait until the page of a device says so, and return where."""
        row = self._page.locator("hui-generic-entity-row")
        named = row.filter(has=self._page.get_by_text(name, exact=True))
        found = named.filter(has_text=value).first
        await found.wait_for()
        return found

    async def _do(self, action: str, entity_id: str, **data: Any) -> None:
        """Do something to the simulated caravan."""
        domain, _, service = action.partition(".")
        await self._client.ask(
            "call_service",
            domain=domain,
            service=service,
            service_data={"entity_id": entity_id, **data},
        )

    async def _wait_state(
        self,
        entity_id: str,
        wanted: str | Callable[[str], bool],
        *,
        limit_s: float = _STATE_LIMIT_S,
    ) -> None:
        """Wait until an entity has a state."""
        end = time.monotonic() + limit_s
        state = None
        while time.monotonic() < end:
            for task in (self._living, self._house):
                if task is not None and task.done():
                    await task
            for each in await self._client.ask("get_states"):
                if each["entity_id"] == entity_id:
                    state = each["state"]
            if state is not None and (
                wanted(state) if callable(wanted) else state == wanted
            ):
                return
            await asyncio.sleep(_POLL_S)
        what = "is not there" if state is None else f"is {state}"
        raise WalkError(f"{entity_id} {what} after {limit_s:.0f} s")


def check_protocol(box: SimulatedWallbox) -> None:
    """Raise WalkError where the box found fault with a frame."""
    if box.violations:
        raise WalkError(f"the protocol was broken: {'; '.join(box.violations)}")


def above(least: float) -> Callable[[str], bool]:
    """Make a condition: a number above `least`."""

    def holds(state: str) -> bool:
        try:
            return float(state) > least
        except ValueError:
            return False

    return holds
