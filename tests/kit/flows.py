"""Flows and forms as their users see them."""

from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigEntry,
    ConfigSubentry,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry
import voluptuous as vol

from custom_components.bmw_wallbox_victron.const import DOMAIN

from .site import CHARGE_POINT_ID
from .strings import STRINGS, assert_translated

OTHER_ID = "DE*BMW*E2"
WALLBOX = {"charge_point_id": CHARGE_POINT_ID, "max_current": 32}
SUBENTRY = ("config_subentries", "wallbox")
type Result = Mapping[str, Any]


class Flow:
    """A flow as its user sees it; each result is checked for its strings."""

    def __init__(self, manager: Any, *section: str) -> None:
        """Take the flow manager, and where the flow's strings are."""
        self._manager = manager
        self._section = section
        self._id = ""

    async def start(self, handler: Any, **context: Any) -> Result:
        """Open the flow."""
        return self._seen(await self._manager.async_init(handler, context=context))

    async def submit(self, user_input: Mapping[str, Any]) -> Result:
        """Send a form."""
        done = await self._manager.async_configure(self._id, dict(user_input))
        return self._seen(done)

    def _seen(self, result: Result) -> Result:
        self._id = result["flow_id"]
        assert_translated(result, *self._section)
        return result


async def add(hass: HomeAssistant) -> tuple[Flow, Result]:
    """Open the flow that adds the integration."""
    flow = Flow(hass.config_entries.flow, "config")
    return flow, await flow.start(DOMAIN, source=SOURCE_USER)


async def add_wallbox(hass: HomeAssistant) -> tuple[Flow, Result]:
    """Open the flow, and choose a wallbox in its menu."""
    flow, _ = await add(hass)
    return flow, await flow.submit({"next_step_id": "wallbox"})


async def reconfigure(
    hass: HomeAssistant, entry: MockConfigEntry
) -> tuple[Flow, Result]:
    """Open the flow that changes the server."""
    flow = Flow(hass.config_entries.flow, "config")
    return flow, await flow.start(
        DOMAIN, source=SOURCE_RECONFIGURE, entry_id=entry.entry_id
    )


async def subentry_flow(
    hass: HomeAssistant, entry: MockConfigEntry, subentry_id: str | None = None
) -> tuple[Flow, Result]:
    """Open the flow that adds a wallbox to the entry, or changes one."""
    flow = Flow(hass.config_entries.subentries, *SUBENTRY)
    handler = (entry.entry_id, "wallbox")
    if subentry_id is None:
        return flow, await flow.start(handler, source=SOURCE_USER)
    return flow, await flow.start(
        handler, source=SOURCE_RECONFIGURE, subentry_id=subentry_id
    )


def wallbox_subentry(entry: MockConfigEntry, charge_point_id: str) -> ConfigSubentry:
    """Find a wallbox among the subentries."""
    return next(
        subentry
        for subentry in entry.subentries.values()
        if subentry.data["charge_point_id"] == charge_point_id
    )


def device_of(
    hass: HomeAssistant, entry: MockConfigEntry, identifier: str
) -> dr.DeviceEntry | None:
    """Find a device of the entry."""
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return next(
        (item for item in devices if (DOMAIN, identifier) in item.identifiers), None
    )


def suggested(result: Result) -> dict[str, Any]:
    """Read what a form is filled in with."""
    return {
        str(field): field.description["suggested_value"]
        for field in result["data_schema"].schema
        if field.description and "suggested_value" in field.description
    }


type Form = dict[str, Any]


async def open_form(
    hass: HomeAssistant, entry: ConfigEntry, step: str = "general"
) -> tuple[str, Form]:
    """Open the options; return the flow's id and what the form is filled in with."""
    result = await hass.config_entries.options.async_init(entry.entry_id)
    assert result["type"] is FlowResultType.MENU
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {"next_step_id": step}
    )
    assert result["type"] is FlowResultType.FORM
    schema = result["data_schema"]
    assert schema is not None
    strings = STRINGS["options"]["step"][step]
    shown: Form = {}
    for field in schema.schema:
        assert strings["data"][field]
        assert strings["data_description"][field]
        suggested = (field.description or {}).get("suggested_value")
        if suggested is not None:
            shown[str(field)] = suggested
        elif isinstance(field, vol.Required):
            default: Any = field.default
            shown[str(field)] = default()
    return result["flow_id"], shown


async def save(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    **changes: Any,
) -> None:
    """Change something in the general form and save it."""
    flow_id, shown = await open_form(hass, entry)
    result = await hass.config_entries.options.async_configure(flow_id, shown | changes)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


def subentry_data(entry: MockConfigEntry, charge_point_id: str) -> dict[str, Any]:
    """Give what is stored of a wallbox."""
    for subentry in entry.subentries.values():
        if subentry.unique_id == charge_point_id:
            return dict(subentry.data)
    raise AssertionError("no such wallbox")
