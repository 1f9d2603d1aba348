"""scripts/newcomer: the way of somebody who has just installed the integration.

From a Home Assistant with nothing but the integration's folder to an alert that fires,
in a browser, by clicks and typing. What happens outside of the pages (the wallbox is
told its server, the battery is emptied) happens to the simulated ones.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
import re
import signal
import sys
import time
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web
from homeassistant.util.yaml import load_yaml_dict
from playwright.async_api import Error as PlaywrightError, Locator, Page

from demo.client import Client, RefusedError
from demo.home_assistant import (
    DemoError,
    Instance,
    choose_ocpp_port,
    free_port,
    logged_in,
    only_one,
    wait_running,
)
from demo.layout import (
    BATTERY_LEVEL,
    CHARGE_POINT_ID,
    LOOPBACK,
    PLUG_SWITCH,
    ROOT,
    WALLBOX_PASSWORD,
    Layout,
    clear,
    prepare,
)
from demo.scenario import CAR_A, make_wallbox
from simulators import pki
from simulators.caravan.identity import (
    ALTERNATOR_CHARGER,
    MAINS_CHARGER,
    SHUNT,
    Identity,
)
from simulators.wallbox import Car, SimulatedWallbox

from .browser import PHONE, BrowserError, go, open_browser, open_page, settle, take

_NAME: Final = "wallbox.example.com"
"""What the certificate is for: only the simulated wallbox looks it up, and finds us."""
_INTEGRATION: Final = "BMW Wallbox & Victron"
_BLUEPRINT: Final = "battery_alerts.yaml"
#: The sidebar and the first column of a dashboard, in px: the graphs beside them need
#: hours to have anything to show.
_FIRST_COLUMN: Final = 768
_STATE_LIMIT_S: Final = 60.0
_POLL_S: Final = 0.25
_WRONG: Final = re.compile("Entity not found|Configuration error|not available")
"""What Home Assistant shows in place of a card."""


class WalkError(DemoError):
    """The way ends here; the text says why, to the person who started it."""


def say(text: str) -> None:
    """Tell the person who started it."""
    with suppress(OSError):
        print(f"newcomer: {text}", flush=True)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/newcomer",
        description=(
            "Walks a newcomer's way in Chromium, by itself: from an empty Home "
            "Assistant with only the integration's folder to a wallbox that charges, "
            "Victron devices, dashboards and an alert that fires. Keeps a picture of "
            "each station. Ends with 1 where a step fails, and says which."
        ),
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT / "docs" / "images" / "newcomer",
        help="folder of the pictures (default: docs/images/newcomer)",
    )
    return parser.parse_args(arguments)


# --- What is there before the newcomer comes ---


def lay_out(layout: Layout) -> None:
    """Make the folder anew: configuration, certificate, and a key of an older one.

    Blocks.
    """
    clear(layout)
    prepare(layout)
    pki.issue(layout.folder / "ssl", names=(_NAME,))
    pki.issue(layout.folder / "ssl" / "old", names=(_NAME,))


@asynccontextmanager
async def _serving_blueprint() -> AsyncIterator[str]:
    """Serve the blueprint on loopback, in GitHub's place; gives its address."""
    app = web.Application()
    app.router.add_static(
        "/", ROOT / "blueprints" / "automation" / "bmw_wallbox_victron"
    )
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://{LOOPBACK}:{port}/{_BLUEPRINT}"
    finally:
        await runner.cleanup()


# --- How a person uses the pages ---


class Person:
    """Reads, clicks and types in a page, and takes pictures of it."""

    def __init__(self, page: Page, folder: Path) -> None:
        """Sit down before a page; pictures go to the folder."""
        self.page = page
        self._folder = folder
        self.pictures = 0

    async def picture(
        self, name: str, *, page: Page | None = None, width: int | None = None
    ) -> None:
        """Take the next picture, of this page or another one; `width` px of it."""
        self.pictures += 1
        # Nothing is pointed at: that would show its tooltip.
        await self.page.mouse.move(0, 799)
        file = f"{self.pictures:02}-{name}.png"
        await take(page or self.page, self._folder / file, width=width)

    async def click(self, name: str, *, inside: str | Locator | None = None) -> None:
        """Click a button by what is written on it, in a part of the page."""
        part: Page | Locator = self.page
        if inside is not None:
            part = self.page.locator(inside) if isinstance(inside, str) else inside
        await part.get_by_role("button", name=name, exact=True).last.click()
        await settle(self.page)

    async def follow(self, text: str, *, inside: str = "body") -> None:
        """Click a text."""
        found = self.page.locator(inside).get_by_text(text, exact=True)
        await found.filter(visible=True).last.click()
        await settle(self.page)

    async def read(self, text: str | re.Pattern[str]) -> str:
        """Wait until a text is there; gives all of the paragraph."""
        found = self.page.get_by_text(text).filter(visible=True).last
        await found.wait_for()
        return str(await found.inner_text())

    def _field(self, label: str) -> Locator:
        begins = re.compile(rf"^\s*{re.escape(label)}\b")
        return self.page.locator("ha-selector").filter(has_text=begins)

    async def type(self, text: str, *, into: str | Locator) -> None:
        """Type into a field, in place of what is there."""
        field = self._field(into) if isinstance(into, str) else into
        await field.locator("input").first.click()
        await self.page.keyboard.press("ControlOrMeta+a")
        await self.page.keyboard.type(text)

    async def pick(self, entity: str, *, into: str) -> None:
        """Pick an entity, by its name."""
        field = self._field(into)
        await field.locator("ha-entity-picker").click()
        await settle(self.page)
        await self.page.keyboard.type(entity)
        await settle(self.page)
        items = self.page.locator("ha-combo-box-item").filter(visible=True)
        await items.filter(has_text=entity).first.click()
        await settle(self.page)

    async def paste(self, text: str) -> None:
        """Paste into the editor of the page, in place of what is there."""
        editor = self.page.locator("ha-code-editor .cm-content").last
        await editor.click()
        await self.page.keyboard.press("ControlOrMeta+a")
        await editor.evaluate(
            """(editor, text) => {
              const data = new DataTransfer();
              data.setData("text/plain", text);
              editor.dispatchEvent(new ClipboardEvent("paste", {
                clipboardData: data, bubbles: true, cancelable: true }));
            }""",
            text,
        )
        await settle(self.page)

    async def open_settings(self, name: str) -> None:
        """Open a page of the settings."""
        await self.follow("Settings", inside="ha-sidebar")
        await self.follow(name, inside="ha-panel-config")


# --- The stations ---


class Walk:
    """The way, station by station."""

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

    def stations(self) -> Mapping[str, Callable[[], Any]]:
        """Return the stations by what is done there."""
        return {
            "add the integration": self._add_integration,
            "be told of a wrong certificate, and mend it": self._set_up_server,
            "add the wallbox": self._add_wallbox,
            "see the wallbox connect and charge": self._connect,
            "find the Victron devices discovered": self._discover,
            "be told of a wrong key, and mend it": self._add_shunt,
            "add the other Victron devices": self._add_chargers,
            "choose the plug of mains": self._choose_plug,
            "import the dashboards": self._import_dashboards,
            "import the blueprint": self._import_blueprint,
            "make an automation of it": self._make_automation,
            "be alerted of an empty battery": self._be_alerted,
            "look back": self._look_back,
        }

    async def end(self) -> None:
        """Switch the wallbox off."""
        if self._living is not None:
            self._living.cancel()
            await asyncio.gather(self._living, return_exceptions=True)

    async def _add_integration(self) -> None:
        person = self._person
        await go(self._page, "/")
        await person.open_settings("Devices & services")
        await person.click("Add integration")
        await self._page.keyboard.type("BMW")
        await person.picture("add-integration")
        await person.follow(_INTEGRATION, inside="dialog-add-integration")
        # Where Victron devices are heard already, these are offered first.
        await person.follow(f"Set up another instance of {_INTEGRATION}")
        await person.picture("what-to-add")
        await person.follow("BMW or Mini wallbox")

    async def _set_up_server(self) -> None:
        person = self._person
        await person.type("ssl/fullchain.pem", into="Certificate file")
        await person.type("ssl/old/privkey.pem", into="Private key file")
        await self._type_port()
        await person.click("Next")
        await person.read("This private key does not belong to the certificate.")
        await person.picture("wrong-certificate")
        await person.type("ssl/privkey.pem", into="Private key file")
        await self._type_port()
        await person.click("Next")

    async def _type_port(self) -> None:
        """Type a port that is free now: 9000, unless somebody has it."""
        port = choose_ocpp_port(None, other=self._web_port)
        await self._person.type(str(port), into="Port")

    async def _add_wallbox(self) -> None:
        person = self._person
        await person.type(CHARGE_POINT_ID, into="Charge point ID")
        await person.type(WALLBOX_PASSWORD, into="Password")
        await person.picture("wallbox")
        await person.click("Submit")
        told = await self._page.locator("ha-dialog").get_by_text("wss://").inner_text()
        await person.picture("installer-app")
        await person.click("Skip and finish")
        # What the installer's app is given is what the page said, and nothing else.
        server = urlsplit(told.strip())
        if server.hostname is None or server.port is None:
            raise WalkError(f"the page names no server for the installer app: {told}")
        authority = pki.Files(
            *(
                self._layout.folder / "ssl" / f"{each}.pem"
                for each in ("fullchain", "privkey", "authority")
            )
        )
        self._box = make_wallbox(
            server.port, authority.client_context(), 1_234_567.0, name=server.hostname
        )

    async def _connect(self) -> None:
        box = self._box
        if box is None:
            raise WalkError("there is no wallbox to switch on")
        self._living = asyncio.create_task(box.run(1.0, retry_s=2.0))
        await self._open_integration()
        row = self._page.locator("ha-config-entry-device-row")
        await row.filter(has_text="BMW Wallbox").first.click()
        await self._wait_state("binary_sensor.bmw_wallbox_connected", "on")
        await box.plug_in(Car(phases=3, max_current_a=CAR_A, wants_energy_wh=11_000.0))
        await self._wait_state("sensor.bmw_wallbox_status", "charging")
        await self._wait_state("sensor.bmw_wallbox_power", _above(10_000))
        await self._see("Status", "Charging")
        await self._person.picture("wallbox-charges")

    async def _discover(self) -> None:
        person = self._person
        await person.open_settings("Devices & services")
        for device in (SHUNT, MAINS_CHARGER, ALTERNATOR_CHARGER):
            await self._card_of(device).wait_for()
        await person.picture("discovered")

    async def _add_shunt(self) -> None:
        person = self._person
        await self._card_of(SHUNT).get_by_role("button", name="Add").click()
        await settle(self._page)
        await person.type(ALTERNATOR_CHARGER.key.hex(), into="Encryption key")
        await person.click("Submit")
        await person.read("What the device sends cannot be read with this key.")
        await person.picture("wrong-key")
        await person.type(SHUNT.key.hex(" ").upper(), into="Encryption key")
        await person.click("Submit")
        await person.read(f"{SHUNT.name} was added")
        await person.picture("device-added")
        await person.click("Close")

    async def _add_chargers(self) -> None:
        person = self._person
        for device, between in ((MAINS_CHARGER, ":"), (ALTERNATOR_CHARGER, "-")):
            await self._card_of(device).get_by_role("button", name="Add").click()
            await settle(self._page)
            await person.type(device.key.hex(between), into="Encryption key")
            await person.click("Submit")
            await person.read(f"{device.name} was added")
            await person.click("Close")

    async def _choose_plug(self) -> None:
        person = self._person
        await self._open_integration()
        await self._page.get_by_role("button", name="Configure").first.click()
        await settle(self._page)
        await person.pick("Caravan plug", into="Plug of mains: switch")
        await person.pick("Caravan plug power", into="Plug of mains: power")
        await person.pick("Caravan plug current", into="Plug of mains: current")
        await person.picture("mains-plug")
        await person.click("Submit")
        await person.read("Options successfully saved.")
        await person.click("Finish")
        await self._wait_state("sensor.battery_power_source", "mains")

    async def _import_dashboards(self) -> None:
        person = self._person
        for name in ("Battery", "Wallbox"):
            file = ROOT / "dashboards" / f"{name.lower()}.yaml"
            await person.open_settings("Dashboards")
            await person.click("Add dashboard")
            await person.follow("New dashboard from scratch")
            await person.type(name, into="Title")
            await person.click("Create")
            await person.follow(name, inside="ha-sidebar")
            await person.click("Edit dashboard")
            await self._page.locator("hui-root .toolbar ha-dropdown").click()
            await settle(self._page)
            await person.follow("Raw configuration editor")
            await person.paste(await asyncio.to_thread(file.read_text, "utf-8"))
            if name == "Battery":
                await person.picture("paste-dashboard")
            await person.click("Save")
            await person.read("Saved")
            await person.click("Close", inside="hui-editor")
            await person.click("Done")
            await self._check_dashboard(name, file)

    async def _check_dashboard(self, name: str, file: Path) -> None:
        """Look at a dashboard, on a computer and on a phone."""
        config = await asyncio.to_thread(load_yaml_dict, str(file))
        there = {each["entity_id"] for each in await self._client.ask("get_states")}
        if missing := sorted(set(_entities_of(config)) - there):
            raise WalkError(
                f"the dashboard {name} names what does not exist: {', '.join(missing)}"
            )
        # The wallbox was away while the options were changed.
        await self._wait_state("sensor.bmw_wallbox_power", _above(10_000))
        await settle(self._page)
        await self._person.picture(f"dashboard-{name.lower()}", width=_FIRST_COLUMN)
        await go(self._phone, urlsplit(self._page.url).path)
        await self._person.picture(f"dashboard-{name.lower()}-phone", page=self._phone)
        for page in (self._page, self._phone):
            wrong = page.get_by_text(_WRONG)
            if await wrong.count():
                text = await wrong.first.inner_text()
                raise WalkError(f"the dashboard {name} says: {text}")

    async def _import_blueprint(self) -> None:
        person = self._person
        async with _serving_blueprint() as address:
            say(f"         the blueprint comes from {address}, not from GitHub")
            await person.open_settings("Automations & scenes")
            await person.follow("Blueprints")
            await person.click("Import blueprint")
            await person.type(address, into=self._page.locator("ha-dialog").last)
            await person.click("Preview")
            await person.read("Blueprint path")
            await person.picture("import-blueprint")
            await person.click("Import blueprint", inside="ha-dialog")
            await person.read(_BLUEPRINT)

    async def _make_automation(self) -> None:
        person = self._person
        await person.follow("Battery alerts")
        await person.follow("Times")
        row = self._page.locator("ha-settings-row").filter(has_text="Critical for")
        # Nobody waits while a picture is taken.
        await person.type("0", into=row)
        await row.locator("input").first.blur()
        await person.picture("alert")
        await person.click("Save")
        await self._wait_state("automation.battery_alerts", "on")

    async def _be_alerted(self) -> None:
        person = self._person
        await self._do("switch.turn_off", PLUG_SWITCH)
        await self._do("number.set_value", BATTERY_LEVEL, value=8)
        await self._wait_state("sensor.battery_status", "critical")
        await person.follow("Battery", inside="ha-sidebar")
        await person.follow("Notifications", inside="ha-sidebar")
        await person.read("Battery critical")
        await person.picture("alerted", width=_FIRST_COLUMN)

    async def _look_back(self) -> None:
        """Look for what went wrong although nobody saw it."""
        box = self._box
        if box is not None and box.violations:
            raise WalkError(f"the protocol was broken: {'; '.join(box.violations)}")
        text = await asyncio.to_thread(
            self._layout.log.read_text, "utf-8", errors="replace"
        )
        if errors := [line for line in text.splitlines() if " ERROR (" in line]:
            raise WalkError(f"Home Assistant's log has an error: {errors[0]}")

    # What several stations need.

    async def _open_integration(self) -> None:
        await self._person.open_settings("Devices & services")
        card = self._page.locator("ha-integration-card")
        await card.filter(has_text=_INTEGRATION).click()
        await settle(self._page)

    def _card_of(self, device: Identity) -> Locator:
        """Find our card: Home Assistant's own integration discovers them as well."""
        cards = self._page.locator("ha-config-flow-card")
        return cards.filter(has_text=device.name).filter(has_text=_INTEGRATION)

    async def _see(self, name: str, value: str) -> None:
        """Wait until the page of a device says so."""
        row = self._page.locator("hui-generic-entity-row")
        await row.filter(has_text=name).filter(has_text=value).first.wait_for()

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
        self, entity_id: str, wanted: str | Callable[[str], bool]
    ) -> None:
        """Wait until an entity has a state."""
        end = time.monotonic() + _STATE_LIMIT_S
        state = None
        while time.monotonic() < end:
            if self._living is not None and self._living.done():
                await self._living
            for each in await self._client.ask("get_states"):
                if each["entity_id"] == entity_id:
                    state = each["state"]
            if state is not None and (
                wanted(state) if callable(wanted) else state == wanted
            ):
                return
            await asyncio.sleep(_POLL_S)
        what = "is not there" if state is None else f"is {state}"
        raise WalkError(f"{entity_id} {what} after {_STATE_LIMIT_S:.0f} s")


def _above(least: float) -> Callable[[str], bool]:
    """Make a condition: a number above `least`."""

    def holds(state: str) -> bool:
        try:
            return float(state) > least
        except ValueError:
            return False

    return holds


def _entities_of(config: Any) -> Iterator[str]:
    """Return the entities that a dashboard names."""
    if isinstance(config, dict):
        for key, value in config.items():
            if key == "entity" and isinstance(value, str):
                yield value
            else:
                yield from _entities_of(value)
    elif isinstance(config, list):
        for each in config:
            yield from _entities_of(each)


# --- The whole ---


async def _walk(options: argparse.Namespace, layout: Layout) -> None:
    """Walk; raises WalkError where the way ends too early."""
    begin = time.monotonic()
    port = free_port()
    await asyncio.to_thread(lay_out, layout)
    await asyncio.to_thread(_forget_pictures, options.output)
    instance = Instance(layout, port=port, ocpp_port=None)
    say("starting an empty Home Assistant")
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(open_browser())
        stack.push_async_callback(instance.stop)
        await instance.start()
        client = await stack.enter_async_context(logged_in(instance))
        await wait_running(client, instance)
        # Without an answer to this the page never gets beyond "Loading".
        await client.ask("get_services")
        page = await stack.enter_async_context(open_page(browser, instance.url))
        phone = await stack.enter_async_context(
            open_page(browser, instance.url, size=PHONE)
        )
        person = Person(page, options.output)
        walk = Walk(person, client, phone, layout, port)
        stack.push_async_callback(walk.end)
        for name, station in walk.stations().items():
            say(f"{time.monotonic() - begin:5.1f} s  {name}")
            try:
                await station()
            except (PlaywrightError, BrowserError, RefusedError, DemoError) as err:
                raise await _explain(name, err, page, layout) from err
        took = time.monotonic() - begin
        say(
            f"{took:5.1f} s  at the end; {person.pictures} pictures in {options.output}"
        )


def _forget_pictures(folder: Path) -> None:
    """Remove the pictures of an earlier walk. Blocks."""
    for old in folder.glob("[0-9][0-9]-*.png"):
        old.unlink()


async def _explain(
    station: str, err: Exception, page: Page, layout: Layout
) -> WalkError:
    """Say where the way ended, and keep a picture of it."""
    picture = layout.folder / "failed.png"
    told: list[str] = []
    with suppress(PlaywrightError):
        await page.screenshot(path=picture)
        told = await page.locator("ha-alert").filter(visible=True).all_inner_texts()
    what, _, log = str(err).partition("Call log:")
    # Of Playwright's log, what it waited for.
    reason = " ".join([*what.split(), *log.strip().partition("\n")[0].split()])
    if told:
        reason += f" The page says: {' '.join(told)}"
    return WalkError(
        f'could not "{station}": {reason}\n'
        f"    page     {page.url}\n    picture  {picture}\n    log      {layout.log}"
    )


async def _until_told(options: argparse.Namespace, layout: Layout) -> int:
    """Walk, and stop when somebody asks for that."""
    walk = asyncio.create_task(_walk(options, layout))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, walk.cancel)
    try:
        await walk
    except asyncio.CancelledError:
        say("stopped")
    except (DemoError, BrowserError, RefusedError) as err:
        say(str(err))
    else:
        return 0
    return 1


def main(arguments: Sequence[str] | None = None, *, folder: Path | None = None) -> int:
    """Walk; gives the exit code."""
    options = parse_arguments(arguments)
    layout = Layout(folder or ROOT / ".newcomer")
    try:
        with only_one(layout):
            return asyncio.run(_until_told(options, layout))
    except DemoError as err:
        say(str(err))
        return 1


if __name__ == "__main__":
    sys.exit(main())
