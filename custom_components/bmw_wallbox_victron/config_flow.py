"""Setting up in the UI: the menu, what concerns the entry itself, and the options.

The steps that add a wallbox, a Victron device or a BMS are in `flows`.
"""

from collections.abc import Mapping
import re
from typing import Any, Final, override

from homeassistant.components.bluetooth import BluetoothServiceInfoBleak
from homeassistant.config_entries import (
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentry,
    ConfigSubentryData,
    ConfigSubentryFlow,
    OptionsFlow,
)
from homeassistant.const import CONF_ADDRESS
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    EntityWithDeviceFilterSelectorConfig,
)
import voluptuous as vol

from .const import (
    CONF_ALLOW_REBOOT,
    CONF_FRESHNESS_TIMEOUT,
    CONF_MAIN_MONITOR,
    CONF_MAINS_CURRENT,
    CONF_MAINS_POWER,
    CONF_MAINS_SWITCH,
    CONF_MAX_CURRENT,
    CONF_METER_INTERVAL,
    DEFAULT_FRESHNESS_TIMEOUT,
    DEFAULT_METER_INTERVAL,
    DOMAIN,
    MAX_FRESHNESS_TIMEOUT,
    MAX_METER_INTERVAL,
    MIN_FRESHNESS_TIMEOUT,
    MIN_METER_INTERVAL,
    NAME,
    SUBENTRY_BMS,
    SUBENTRY_VICTRON,
    SUBENTRY_WALLBOX,
)
from .flows.base import async_add_subentry, whole_number
from .flows.bms import BmsSteps, BmsSubentryFlow
from .flows.server import (
    SERVER_SCHEMA,
    async_change_server,
    async_check_server,
    clean_server,
)
from .flows.stale_form import form_values, merged
from .flows.victron import (
    VictronSteps,
    VictronSubentryFlow,
    async_describe,
    battery_monitors,
    main_monitor_field,
    taken_addresses,
)
from .flows.wallbox import MAX_CURRENT_FIELD, WallboxSteps, WallboxSubentryFlow
from .listener import async_remember, async_wait_until_readable, is_readable
from .subentries import subentries_of

_OPTIONS: Final[Mapping[vol.Marker, Any]] = {
    vol.Required(CONF_METER_INTERVAL, default=DEFAULT_METER_INTERVAL): whole_number(
        MIN_METER_INTERVAL, MAX_METER_INTERVAL, "s"
    ),
    vol.Required(
        CONF_FRESHNESS_TIMEOUT, default=DEFAULT_FRESHNESS_TIMEOUT
    ): whole_number(MIN_FRESHNESS_TIMEOUT, MAX_FRESHNESS_TIMEOUT, "s"),
    vol.Required(CONF_ALLOW_REBOOT, default=False): BooleanSelector(),
}


def _numbers(device_class: str) -> list[EntityWithDeviceFilterSelectorConfig]:
    """Return which entities are offered for a quantity."""
    return [
        EntityWithDeviceFilterSelectorConfig(
            domain="sensor", device_class=device_class
        ),
        EntityWithDeviceFilterSelectorConfig(domain=["number", "input_number"]),
    ]


#: What is offered as the plug of mains.
_MAINS_FILTERS: Final[Mapping[str, list[EntityWithDeviceFilterSelectorConfig]]] = {
    CONF_MAINS_SWITCH: [
        EntityWithDeviceFilterSelectorConfig(
            domain=["switch", "binary_sensor", "input_boolean"]
        )
    ],
    CONF_MAINS_POWER: _numbers("power"),
    CONF_MAINS_CURRENT: _numbers("current"),
}


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
        if description == "bms_unheard":
            return self.async_abort(
                reason="bms_unheard_added", description_placeholders=placeholders
            )
        subentry_type = subentry["subentry_type"]
        return self.async_abort(
            reason={
                SUBENTRY_WALLBOX: "wallbox_added",
                SUBENTRY_VICTRON: "victron_added",
                SUBENTRY_BMS: "bms_added",
            }[subentry_type],
            description_placeholders=placeholders,
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
                # Once more: the check takes long enough for another window.
                server = merged(self._opened, sent, entry.data)
                async_change_server(self.hass, entry, server)
                return self.async_abort(reason="reconfigure_successful")
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


class SiteOptionsFlow(OptionsFlow):
    """Handle the options: how wallboxes are controlled, what the battery follows."""

    _opened: Mapping[str, Any] | None = None
    _defaults: Mapping[str, Any] | None = None
    _wallbox: ConfigSubentry | None = None

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the options. With one wallbox, also for the most that it may draw."""
        entry = self.config_entry
        wallboxes = subentries_of(entry, SUBENTRY_WALLBOX)
        wallbox = wallboxes[0] if len(wallboxes) == 1 else None
        if self._opened is None:
            self._wallbox = wallbox
        if user_input is not None:
            return self._save(user_input, wallbox)
        monitors = battery_monitors(entry)
        shown = dict(entry.options)
        if shown.get(CONF_MAIN_MONITOR) not in monitors:
            shown.pop(CONF_MAIN_MONITOR, None)
        fields: dict[vol.Marker, Any] = {}
        if wallbox is not None:
            shown[CONF_MAX_CURRENT] = wallbox.data[CONF_MAX_CURRENT]
            fields |= MAX_CURRENT_FIELD
        fields |= {**_OPTIONS, **_mains_fields(self.hass, entry)}
        if len(monitors) > 1:
            fields |= main_monitor_field(monitors, next(iter(monitors)))
        schema = vol.Schema(fields)
        self._opened, self._defaults = form_values(shown, schema), schema({})
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(schema, shown),
        )

    @callback
    def _save(
        self, user_input: Mapping[str, Any], wallbox: ConfigSubentry | None
    ) -> ConfigFlowResult:
        """Store what was changed in the form. `wallbox`: the only one that there is."""
        entry = self.config_entry
        opened, sent = dict(self._opened or {}), dict(user_input)
        shown = opened.pop(CONF_MAX_CURRENT, None)
        current = sent.pop(CONF_MAX_CURRENT, None)
        if (
            wallbox is not None
            and wallbox is self._wallbox
            and current not in (None, shown)
        ):
            self.hass.config_entries.async_update_subentry(
                entry, wallbox, data={**wallbox.data, CONF_MAX_CURRENT: current}
            )
        return self.async_create_entry(
            data=merged(opened, sent, entry.options, self._defaults)
        )


def _mains_fields(
    hass: HomeAssistant, entry: ConfigEntry
) -> dict[vol.Marker, EntitySelector]:
    """Return the fields that ask for entities of the plug of mains."""
    # Our own say what follows from the plug: none of them is one.
    ours = [
        each.entity_id
        for each in er.async_entries_for_config_entry(
            er.async_get(hass), entry.entry_id
        )
    ]
    fields: dict[vol.Marker, EntitySelector] = {}
    for key, filters in _MAINS_FILTERS.items():
        # One that was chosen all the same can stay.
        not_offered = [each for each in ours if each != entry.options.get(key)]
        fields[vol.Optional(key)] = EntitySelector(
            EntitySelectorConfig(filter=filters, exclude_entities=not_offered)
        )
    return fields
