"""Repairs that Home Assistant makes itself, once its owner agrees."""

from typing import Any

from homeassistant.components.repairs import (
    ConfirmRepairFlow,
    RepairsFlow,
    RepairsFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .const import CONF_CHARGE_POINT_ID, DOMAIN
from .flows.wallbox import WALLBOX_SCHEMA, async_add_wallbox


async def async_create_fix_flow(
    hass: HomeAssistant,
    issue_id: str,
    data: dict[str, str | int | float | None] | None,
) -> RepairsFlow:
    """Create the flow that fixes an issue."""
    if data is not None and CONF_CHARGE_POINT_ID in data:
        return UnknownChargePointFlow(
            {name: str(data.get(name)) for name in (CONF_CHARGE_POINT_ID, "address")}
        )
    return ConfirmRepairFlow()


class UnknownChargePointFlow(RepairsFlow):
    """Flow that adds an unknown charge point as a wallbox, or ignores it."""

    def __init__(self, placeholders: dict[str, str]) -> None:
        """Initialize with its id and its address."""
        self._placeholders = placeholders

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask whose it is."""
        return self.async_show_menu(
            step_id="init",
            menu_options=["wallbox", "ignore"],
            description_placeholders=self._placeholders,
        )

    async def async_step_wallbox(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Add it, with the checks of any other wallbox."""
        entries = self.hass.config_entries.async_entries(DOMAIN, include_ignore=False)
        if not entries:
            return self.async_abort(reason="entry_removed")
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = async_add_wallbox(self.hass, entries[0], user_input)
            if not errors:
                return self.async_create_entry(data={})
        known = {CONF_CHARGE_POINT_ID: self._placeholders[CONF_CHARGE_POINT_ID]}
        return self.async_show_form(
            step_id="wallbox",
            data_schema=self.add_suggested_values_to_schema(
                WALLBOX_SCHEMA, user_input or known
            ),
            description_placeholders=self._placeholders,
            errors=errors,
        )

    async def async_step_ignore(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Show it no more, however often it knocks."""
        registry = ir.async_get(self.hass)
        if registry.async_get_issue(DOMAIN, self.issue_id) is not None:
            registry.async_ignore(DOMAIN, self.issue_id, True)
        return self.async_abort(reason="ignored")
