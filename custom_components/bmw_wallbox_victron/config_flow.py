"""Setting up in the UI: the menu, what concerns the entry itself, and the options.

The steps that add a wallbox, a Victron device or a BMS are in `flows`.
"""

from collections.abc import Mapping
import re
from typing import Any, override

from homeassistant.components.bluetooth import BluetoothServiceInfoBleak
from homeassistant.config_entries import (
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryData,
    ConfigSubentryFlow,
    OptionsFlow,
)
from homeassistant.const import CONF_ADDRESS
from homeassistant.core import callback

from .const import (
    DOMAIN,
    NAME,
    SUBENTRY_BMS,
    SUBENTRY_VICTRON,
    SUBENTRY_WALLBOX,
)
from .flows.base import async_add_subentry
from .flows.bms import BmsSteps, BmsSubentryFlow
from .flows.options import SiteOptionsFlow
from .flows.server import (
    SERVER_SCHEMA,
    async_change_server,
    async_check_server,
    async_server_prospect,
    clean_server,
)
from .flows.stale_form import form_values, merged
from .flows.victron import (
    VictronSteps,
    VictronSubentryFlow,
    async_describe,
    taken_addresses,
)
from .flows.wallbox import WallboxSteps, WallboxSubentryFlow
from .listener import async_remember, async_wait_until_readable, is_readable
from .subentries import subentries_of


class SiteConfigFlow(
    WallboxSteps[ConfigFlowResult],
    VictronSteps[ConfigFlowResult],
    BmsSteps[ConfigFlowResult],
    ConfigFlow,
    domain=DOMAIN,
):
    """Handle a config flow, which adds the integration or to it."""

    VERSION = 1

    _opened: Mapping[str, Any] | None = None
    _reauth_address: str | None = None

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return what can be added to the entry."""
        return {
            SUBENTRY_WALLBOX: WallboxSubentryFlow,
            SUBENTRY_VICTRON: VictronSubentryFlow,
            SUBENTRY_BMS: BmsSubentryFlow,
        }

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:
        """Return the flow of the options."""
        return SiteOptionsFlow()

    @property
    @override
    def _entry(self) -> ConfigEntry | None:
        """Return the one entry, if it is there already."""
        return next(iter(self._async_current_entries(include_ignore=False)), None)

    @override
    async def _async_add(
        self,
        subentry: ConfigSubentryData,
        *,
        description: str,
        placeholders: Mapping[str, str],
    ) -> ConfigFlowResult:
        """Create the entry with the subentry, or add the subentry to it."""
        if (entry := self._entry) is None:
            # Whoever was discovered has the unique id of the device so far.
            await self.async_set_unique_id(DOMAIN, raise_on_progress=False)
            return self.async_create_entry(
                title=NAME,
                data=self._typed_server or {},
                subentries=[subentry],
                description=description,
                description_placeholders=placeholders,
            )
        async_add_subentry(self.hass, entry, subentry)
        return self.async_abort(
            reason=f"{description}_added", description_placeholders=placeholders
        )

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask what to add."""
        # A window that was closed half-way must not lock its owner out.
        await self.async_set_unique_id(DOMAIN, raise_on_progress=False)
        return self.async_show_menu(
            step_id="user", menu_options=["wallbox", "victron", "bms"]
        )

    @override
    async def async_step_bluetooth(
        self, discovery_info: BluetoothServiceInfoBleak
    ) -> ConfigFlowResult:
        """Handle a Victron device that Home Assistant hears."""
        address = discovery_info.address
        async_remember(self.hass, discovery_info)
        await self.async_set_unique_id(address)
        self._abort_if_unique_id_configured()  # where it is ignored
        if address in taken_addresses(self._entry):
            return self.async_abort(reason="device_already_configured")
        if not is_readable(discovery_info):
            async_wait_until_readable(self.hass, address)
            return self.async_abort(reason="unsupported_device")
        described = await async_describe(self.hass, address, discovery_info)
        self.context["title_placeholders"] = {"name": described["name"]}
        self._discovered = address
        # Anybody may send a name: no Markdown of theirs is shown.
        name = re.sub(r"([^\w\s])", r"\\\1", described["name"])
        self._found = f"**{name}**: {described['model']}, {described['kind']}.\n\n"
        return await self.async_step_victron()

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change the server."""
        entry = self._get_reconfigure_entry()
        errors: dict[str, str] = {}
        if user_input is None:
            self._opened = form_values(entry.data, SERVER_SCHEMA)
        else:
            sent = clean_server(user_input)
            server = merged(self._opened, sent, entry.data)
            errors = await async_check_server(self.hass, server, entry)
            if not errors:
                prospect = await async_server_prospect(self.hass, server, entry)
                # Once more: the check takes long enough for another window.
                server = merged(self._opened, sent, entry.data)
                async_change_server(self.hass, entry, server)
                if prospect.objection is None:
                    return self.async_abort(
                        reason="reconfigure_successful",
                        description_placeholders={"url": prospect.url},
                    )
                return self.async_abort(
                    reason="reconfigure_untrusted",
                    description_placeholders={
                        "url": prospect.url,
                        "reason": prospect.objection,
                    },
                )
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                SERVER_SCHEMA, user_input or entry.data
            ),
            errors=errors,
        )

    async def async_step_reauth(
        self, entry_data: Mapping[str, Any]
    ) -> ConfigFlowResult:
        """Handle a Victron device whose key does not fit."""
        self._reauth_address = entry_data.get(CONF_ADDRESS)
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for its key again."""
        entry = self._get_reauth_entry()
        for subentry in subentries_of(entry, SUBENTRY_VICTRON):
            if self._reauth_address in (None, subentry.data[CONF_ADDRESS]):
                return self._step_key(
                    entry,
                    subentry,
                    user_input,
                    step_id="reauth_confirm",
                    reason="reauth_successful",
                )
        return self.async_abort(reason="device_removed")

    @callback
    @override
    def async_remove(self) -> None:
        """Ask for the next key: none could be asked for while this window was open."""
        entry = self.hass.config_entries.async_get_entry(
            self.context.get("entry_id", "")
        )
        if entry is not None and entry.state is ConfigEntryState.LOADED:
            entry.runtime_data.async_apply_changes()
