"""The way, station by station."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
import re
from typing import Any, Final
from urllib.parse import urlsplit

from homeassistant.util.yaml import load_yaml_dict
from playwright.async_api import Locator

from demo.layout import (
    BATTERY_LEVEL,
    CHARGE_POINT_ID,
    DOMAIN,
    PLUG_SWITCH,
    ROOT,
    WALLBOX_PASSWORD,
)
from demo.ports import choose_ocpp_port
from demo.scenario import CAR_A, make_wallbox
from simulators import pki
from simulators.caravan.identity import (
    ALTERNATOR_CHARGER,
    MAINS_CHARGER,
    SHUNT,
    Identity,
)
from simulators.wallbox import Car, SimulatedWallbox

from ..browser import go, settle
from .charging import ChargingStations
from .checking import CheckStations
from .stations import INTEGRATION, WalkError, above, check_protocol

_BLUEPRINT: Final = "battery_alerts.yaml"
#: The sidebar and the first column of a dashboard, in px: the graphs beside them need
#: hours to have anything to show.
_FIRST_COLUMN: Final = 768
_SECOND_ID: Final = "DE*BMW*EDEMO00000002"
_SECOND_CONNECTED: Final = "binary_sensor.bmw_wallbox_de_bmw_edemo00000002_connected"
_WRONG: Final = re.compile("Entity not found|Configuration error|not available")
"""What Home Assistant shows in place of a card."""
_RAW: Final = "unknown|unavailable|[a-z0-9]+(?:_[a-z0-9]+)+"
"""What a state looks like that nobody has translated."""


class Walk(ChargingStations, CheckStations):
    """The way, station by station."""

    def stations(self) -> Mapping[str, Callable[[], Any]]:
        """Return the stations by what is done there."""
        return {
            "add the integration": self._add_integration,
            "be told of a wrong certificate, and mend it": self._set_up_server,
            "add the wallbox": self._add_wallbox,
            "see the wallbox connect and charge": self._connect,
            "be told of a certificate that the wallbox refuses, and mend it": (
                self._be_refused
            ),
            "find the Victron devices discovered": self._discover,
            "be told of a wrong key, and mend it": self._add_shunt,
            "add the other Victron devices": self._add_chargers,
            "choose the plug of mains": self._choose_plug,
            "import the dashboards": self._import_dashboards,
            "import the blueprint": self._import_blueprint,
            "make an automation of it": self._make_automation,
            "be alerted of an empty battery": self._be_alerted,
            "add a second wallbox, and remove it": self._add_second_wallbox,
            "find what the SmartShunt measures": self._find_battery,
            "make an automation by target, which fires": self._automate_by_target,
            **self.charging_stations(),
            "see the dashboards in German": self._look_in_german,
            "see the session in the calendar": self._see_session,
            "look back": self._look_back,
            **self.check_stations(),
        }

    async def _add_integration(self) -> None:
        person = self._person
        await go(self._page, "/")
        await person.open_settings("Devices & services")
        await person.click("Add integration")
        await self._page.keyboard.type("BMW")
        await person.picture("add-integration")
        await person.follow(INTEGRATION, inside="dialog-add-integration")
        # Where Victron devices are heard already, these are offered first.
        await person.follow(f"Set up another instance of {INTEGRATION}")
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
        await self._type_wallbox(CHARGE_POINT_ID)
        await person.picture("wallbox")
        await person.click("Submit")
        await person.picture("installer-app")
        self._box = await self._make_told(CHARGE_POINT_ID)
        await person.click("Skip and finish")

    async def _type_wallbox(self, charge_point_id: str) -> None:
        await self._person.type(charge_point_id, into="Charge point ID")
        await self._person.type(WALLBOX_PASSWORD, into="Password")

    async def _make_told(self, charge_point_id: str) -> SimulatedWallbox:
        """Make a wallbox whose installer's app is given what the page says."""
        told = await self._page.locator("ha-dialog").get_by_text("wss://").inner_text()
        server = urlsplit(told.strip())
        if server.hostname is None or server.port is None:
            raise WalkError(f"the page names no server for the installer app: {told}")
        authority = pki.Files(
            *(
                self._layout.folder / "ssl" / f"{each}.pem"
                for each in ("fullchain", "privkey", "authority")
            )
        )
        return make_wallbox(
            server.port,
            authority.client_context(),
            1_234_567.0,
            charge_point_id=charge_point_id,
            name=server.hostname,
        )

    async def _connect(self) -> None:
        box = self._first_box()
        self._living = asyncio.create_task(box.run(1.0, retry_s=2.0))
        await self._open_integration()
        row = self._page.locator("ha-config-entry-device-row")
        await row.filter(has_text="BMW Wallbox").first.click()
        await self._wait_state("binary_sensor.bmw_wallbox_connected", "on")
        await box.plug_in(Car(phases=3, max_current_a=CAR_A, wants_energy_wh=11_000.0))
        await self._wait_state("sensor.bmw_wallbox_status", "charging")
        await self._wait_state("sensor.bmw_wallbox_power", above(10_000))
        await self._see("Status", "Charging")
        await self._person.picture("wallbox-charges")

    async def _be_refused(self) -> None:
        """Choose another authority's certificate: what the wallbox says is a notice."""
        person, connected = self._person, "binary_sensor.bmw_wallbox_connected"
        await self._reconfigure_server("ssl/old/")
        await person.read("wallboxes will not accept this certificate")
        await person.read("wss://")
        await person.click("Close")
        await self._wait_state(connected, "off")
        await person.open_settings("System")
        await person.follow("Repairs")
        await person.follow(
            "A device at 127.0.0.1 does not trust the certificate for wallboxes"
        )
        await person.read("use a certificate of a public authority")
        await self._page.keyboard.press("Escape")
        await self._reconfigure_server("ssl/")
        await person.read("The server was changed.")
        await person.click("Close")
        await self._wait_state(connected, "on")
        if await self._client.ask("repairs/list_issues") != {"issues": []}:
            raise WalkError("the wallbox is back, and a notice is still there")
        await self._wait_state("sensor.bmw_wallbox_power", above(10_000))

    async def _reconfigure_server(self, folder: str) -> None:
        """Choose the certificate and the key of a folder."""
        await self._open_integration()
        await self._choose("Reconfigure", of=self._page.locator("ha-config-entry-row"))
        await self._person.type(f"{folder}fullchain.pem", into="Certificate file")
        await self._person.type(f"{folder}privkey.pem", into="Private key file")
        await self._person.click("Submit")

    async def _discover(self) -> None:
        person = self._person
        await person.open_settings("Devices & services")
        for device in (SHUNT, MAINS_CHARGER, ALTERNATOR_CHARGER):
            await self._card_of(device).wait_for()
        await person.picture("discovered")

    def _card_of(self, device: Identity) -> Locator:
        """Find our card: Home Assistant's own integration discovers them as well."""
        cards = self._page.locator("ha-config-flow-card")
        return cards.filter(has_text=device.name).filter(has_text=INTEGRATION)

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
        await person.follow("General")
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
        # The editor asks whether comments may go, where it sees one.
        self._page.on("dialog", lambda dialog: dialog.accept())
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
            await person.read(re.compile(r"^\s*Saved"))  # not "Unsaved changes"
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
        await self._wait_state("sensor.bmw_wallbox_power", above(10_000))
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
        await self._import(_BLUEPRINT, picture="import-blueprint")

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

    async def _add_second_wallbox(self) -> None:
        person = self._person
        await self._page.keyboard.press("Escape")  # the notifications
        await self._open_integration()
        await person.click("Add wallbox")
        await self._type_wallbox(_SECOND_ID)
        await person.click("Submit")
        await person.read("wss://")
        await person.picture("second-wallbox")
        box = await self._make_told(_SECOND_ID)
        await person.click("Finish")
        living = asyncio.create_task(box.run(1.0, retry_s=2.0))
        try:
            await self._wait_state(_SECOND_CONNECTED, "on")
        finally:
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)
            await box.disconnect()
        check_protocol(box)
        await self._wait_state("binary_sensor.bmw_wallbox_connected", "on")
        row = self._page.locator("ha-config-sub-entry-row").filter(has_text=_SECOND_ID)
        await self._choose("Delete", of=row)
        await person.click("Delete", inside="ha-dialog")
        await row.wait_for(state="detached")
        there = {each["entity_id"] for each in await self._client.ask("get_states")}
        if _SECOND_CONNECTED in there:
            raise WalkError(
                "the second wallbox was removed, and its entities are there"
            )

    async def _find_battery(self) -> None:
        """Go from the page of the SmartShunt to that of the battery it measures."""
        await self._open_integration()
        row = self._page.locator("ha-config-entry-device-row")
        await row.filter(has_text=SHUNT.name).first.click()
        await settle(self._page)
        via = self._page.get_by_text("Connected via")
        await via.get_by_role("link", name="Battery", exact=True).click()
        await settle(self._page)
        await self._see("State of charge", "8%")
        voltage = await self._see("Voltage", "V")
        await voltage.scroll_into_view_if_needed()
        await self._person.picture("battery-measured")

    async def _automate_by_target(self) -> None:
        """Have the battery's own trigger, found by its device, notify."""
        person, adding = self._person, "add-automation-element-dialog"
        await person.open_settings("Automations & scenes")
        await person.click("Create automation")
        await person.follow("Start with an empty automation from scratch")
        await person.click("Add trigger")
        await person.follow("Devices", inside=adding)
        await person.follow("Battery", inside=adding)
        # Beside it, in the same line, is the target.
        trigger = self._page.locator(adding).get_by_text("Power source changed")
        await trigger.scroll_into_view_if_needed()
        await person.picture("triggers-of-the-battery")
        await trigger.click()
        await settle(self._page)
        await person.click("Add action")
        await self._page.keyboard.type("persistent")
        await settle(self._page)
        await person.follow(
            "Shows a persistent notification on the notifications panel."
        )
        row = self._page.locator("ha-settings-row").filter(has_text="Message")
        await person.type("The power comes from elsewhere.", into=row.first)
        await person.click("Save")
        await self._page.keyboard.type("Power source")
        await person.click("Save", inside="ha-dialog")
        await self._wait_state("automation.power_source", "on")
        await self._do("number.set_value", BATTERY_LEVEL, value=60)
        await self._do("switch.turn_on", PLUG_SWITCH)
        await self._wait_state("sensor.battery_power_source", "mains")
        await person.follow("Notifications", inside="ha-sidebar")
        await person.read("The power comes from elsewhere.")
        await self._page.keyboard.press("Escape")
        if not any(
            each["entity_id"] == "automation.power_source"
            and each["attributes"]["last_triggered"]
            for each in await self._client.ask("get_states")
        ):
            raise WalkError("the automation by target has never fired")

    async def _look_in_german(self) -> None:
        """Look at the dashboards as who has set up Home Assistant in German."""
        english = await self._names()
        await self._set_language("de")
        changed = english - await self._names()
        if not changed:
            raise WalkError("the names of the entities are still in English")
        words = "|".join(re.escape(name) for name in sorted(changed))
        wrong = re.compile(rf"^\s*(?:{words}|{_RAW})\s*$")
        for name, sentence in (
            ("battery", "Der Landstrom lädt die Batterie."),
            ("wallbox", "Das Auto lädt."),
        ):
            await go(self._phone, f"/dashboard-{name}")
            await self._phone.get_by_text(sentence).wait_for()
            await self._person.picture(
                f"dashboard-{name}-german", page=self._phone, whole=True
            )
            found = self._phone.locator("hui-view").get_by_text(wrong)
            if texts := await found.filter(visible=True).all_inner_texts():
                raise WalkError(f"the dashboard {name} says in German: {texts}")
        await self._set_language("en")

    async def _set_language(self, language: str) -> None:
        """Set the language of Home Assistant and that of the user."""
        await self._client.ask("config/core/update", language=language)
        await self._client.ask(
            "frontend/set_user_data", key="language", value={"language": language}
        )
        # Names come with the next start; this does without one.
        for each in await self._client.ask("config_entries/get", domain=DOMAIN):
            path = f"/api/config/config_entries/entry/{each['entry_id']}/reload"
            await self._client.post(path, {})
        await self._wait_state("sensor.bmw_wallbox_power", above(10_000))
        await self._wait_state("sensor.battery_power_source", "mains")
        await go(self._page, "/")

    async def _names(self) -> set[str]:
        """Return the names of the integration's entities."""
        listed = await self._client.ask("config/entity_registry/list")
        ours = (each for each in listed if each["platform"] == DOMAIN)
        return {each["original_name"] for each in ours} - {None}

    async def _see_session(self) -> None:
        person = self._person
        await self._first_box().unplug()
        await self._wait_state("sensor.bmw_wallbox_status", "available")
        await person.follow("Calendar", inside="ha-sidebar")
        await self._page.locator(".fc-event").get_by_text("kWh").first.click()
        await settle(self._page)
        await person.read("Ended: Car unplugged")
        await person.picture("session")
        await self._page.keyboard.press("Escape")

    async def _look_back(self) -> None:
        """Look for what went wrong although nobody saw it."""
        check_protocol(self._first_box())
        text = await asyncio.to_thread(
            self._layout.log.read_text, "utf-8", errors="replace"
        )
        if errors := [line for line in text.splitlines() if " ERROR (" in line]:
            raise WalkError(f"Home Assistant's log has an error: {errors[0]}")


def _entities_of(config: Any) -> Iterator[str]:
    """Return the entities that a dashboard shows in any case."""
    if isinstance(config, dict):
        if "visibility" in config:
            return  # hidden where its entity does not exist
        for key, value in config.items():
            if key == "entity" and isinstance(value, str):
                yield value
            else:
                yield from _entities_of(value)
    elif isinstance(config, list):
        for each in config:
            yield from _entities_of(each)
