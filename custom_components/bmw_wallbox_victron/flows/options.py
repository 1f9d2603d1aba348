"""The options: how wallboxes are controlled, and what the battery is."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigFlowResult,
    ConfigSubentry,
)
from homeassistant.const import CONF_ADDRESS
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntityWithDeviceFilterSelectorConfig,
)
import voluptuous as vol

from ..battery.bank import BankMode
from ..battery.battery import Chemistry
from ..const import (
    CONF_ALLOW_REBOOT,
    CONF_BMS_BANK,
    CONF_CAPACITY_AH,
    CONF_CHEMISTRY,
    CONF_FRESHNESS_TIMEOUT,
    CONF_MAIN_BMS,
    CONF_MAIN_MONITOR,
    CONF_MAINS_CURRENT,
    CONF_MAINS_POWER,
    CONF_MAINS_SWITCH,
    CONF_MAX_CURRENT,
    CONF_METER_INTERVAL,
    CONF_NOMINAL_VOLTAGE,
    DEFAULT_FRESHNESS_TIMEOUT,
    DEFAULT_METER_INTERVAL,
    MAX_CAPACITY_AH,
    MAX_FRESHNESS_TIMEOUT,
    MAX_METER_INTERVAL,
    MIN_FRESHNESS_TIMEOUT,
    MIN_METER_INTERVAL,
    NOMINAL_AUTO,
    NOMINAL_VOLTAGES,
    SUBENTRY_BMS,
    SUBENTRY_VICTRON,
    SUBENTRY_WALLBOX,
)
from ..subentries import subentries_of
from .base import whole_number
from .charging import ChargingSteps
from .options_base import choice, entity_field, numbers
from .victron import battery_monitors, device_field
from .wallbox import MAX_CURRENT_FIELD

_OPTIONS: Final[Mapping[vol.Marker, Any]] = {
    vol.Required(CONF_METER_INTERVAL, default=DEFAULT_METER_INTERVAL): whole_number(
        MIN_METER_INTERVAL, MAX_METER_INTERVAL, "s"
    ),
    vol.Required(
        CONF_FRESHNESS_TIMEOUT, default=DEFAULT_FRESHNESS_TIMEOUT
    ): whole_number(MIN_FRESHNESS_TIMEOUT, MAX_FRESHNESS_TIMEOUT, "s"),
    vol.Required(CONF_ALLOW_REBOOT, default=False): BooleanSelector(),
}


#: What is offered as the plug of mains.
_MAINS_FILTERS: Final[Mapping[str, list[EntityWithDeviceFilterSelectorConfig]]] = {
    CONF_MAINS_SWITCH: [
        EntityWithDeviceFilterSelectorConfig(
            domain=["switch", "binary_sensor", "input_boolean"]
        )
    ],
    CONF_MAINS_POWER: numbers("power"),
    CONF_MAINS_CURRENT: numbers("current"),
}

#: What is asked of any battery.
_BATTERY: Final[Mapping[vol.Marker, Any]] = {
    vol.Required(CONF_NOMINAL_VOLTAGE, default=NOMINAL_AUTO): choice(
        CONF_NOMINAL_VOLTAGE, [NOMINAL_AUTO, *NOMINAL_VOLTAGES]
    ),
    vol.Required(CONF_CHEMISTRY, default=Chemistry.UNKNOWN.value): choice(
        CONF_CHEMISTRY, [each.value for each in Chemistry]
    ),
    vol.Optional(CONF_CAPACITY_AH): whole_number(1, MAX_CAPACITY_AH, "Ah"),
}
#: And where there are several BMSs.
_SEVERAL_BMSS: Final[Mapping[vol.Marker, Any]] = {
    vol.Required(CONF_BMS_BANK, default=BankMode.PARALLEL.value): choice(
        CONF_BMS_BANK, [each.value for each in BankMode]
    ),
}


class SiteOptionsFlow(ChargingSteps):
    """Tunes how wallboxes are controlled, and what the battery is and follows."""

    _wallbox: ConfigSubentry | None = None

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask what is to be set; without a device there is no battery."""
        if user_input is not None:  # a program that sends the form at once
            return await self.async_step_general(user_input)
        has_wallbox = bool(subentries_of(self.config_entry, SUBENTRY_WALLBOX))
        has_battery = any(
            subentries_of(self.config_entry, each)
            for each in (SUBENTRY_VICTRON, SUBENTRY_BMS)
        )
        return self.async_show_menu(
            step_id="init",
            menu_options=[
                "general",
                *(["charging"] if has_wallbox else ()),
                *(["battery"] if has_battery else ()),
            ],
        )

    async def async_step_general(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the options. With one wallbox, also for the most that it may draw."""
        entry = self.config_entry
        wallboxes = subentries_of(entry, SUBENTRY_WALLBOX)
        wallbox = wallboxes[0] if len(wallboxes) == 1 else None
        if self._opened is None:
            self._wallbox = wallbox
        if user_input is not None:
            return self._save_general(user_input, wallbox)
        shown = dict(entry.options)
        fields: dict[vol.Marker, Any] = {}
        if wallbox is not None:
            shown[CONF_MAX_CURRENT] = wallbox.data[CONF_MAX_CURRENT]
            fields |= MAX_CURRENT_FIELD
        fields |= {**_OPTIONS, **_mains_fields(self.hass, entry)}
        return self._show(fields, shown, step_id="general")

    async def async_step_battery(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask what the battery is; nobody has to for a 12 V battery with a shunt."""
        if user_input is not None:
            return self._save(self._opened, user_input)
        entry = self.config_entry
        shown = dict(entry.options)
        fields: dict[vol.Marker, Any] = dict(_BATTERY)
        packs = {
            subentry.data[CONF_ADDRESS]: subentry.title
            for subentry in subentries_of(entry, SUBENTRY_BMS)
        }
        for key, devices in (
            (CONF_MAIN_MONITOR, battery_monitors(entry)),
            (CONF_MAIN_BMS, packs),
        ):
            if shown.get(key) not in devices:
                shown.pop(key, None)
            if len(devices) < 2:
                continue
            if key == CONF_MAIN_BMS:
                fields |= _SEVERAL_BMSS
            fields |= device_field(key, devices, next(iter(devices)))
        return self._show(fields, shown, step_id="battery")

    @callback
    def _save_general(
        self, user_input: Mapping[str, Any], wallbox: ConfigSubentry | None
    ) -> ConfigFlowResult:
        """Take what was changed in the form. `wallbox`: the only one that there is."""
        opened, sent = dict(self._opened or {}), dict(user_input)
        shown = opened.pop(CONF_MAX_CURRENT, None)
        current = sent.pop(CONF_MAX_CURRENT, None)
        if (
            wallbox is not None
            and wallbox is self._wallbox
            and current not in (None, shown)
        ):
            self.hass.config_entries.async_update_subentry(
                self.config_entry,
                wallbox,
                data={**wallbox.data, CONF_MAX_CURRENT: current},
            )
        return self._save(opened, sent)


def _mains_fields(
    hass: HomeAssistant, entry: ConfigEntry
) -> dict[vol.Marker, EntitySelector]:
    """Return the fields that ask for entities of the plug of mains.

    Our own say what follows from the plug: none of them is one.
    """
    fields: dict[vol.Marker, EntitySelector] = {}
    for key, filters in _MAINS_FILTERS.items():
        fields |= entity_field(hass, entry, key, filters)
    return fields
