"""What the config flow and the subentry flows have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, override

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigEntryState,
    ConfigSubentry,
    ConfigSubentryData,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_ADDRESS
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import AbortFlow, FlowHandler, FlowResult
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
from homeassistant.helpers.typing import UNDEFINED
import voluptuous as vol

from ..const import (
    CONF_CHARGE_POINT_ID,
    DOMAIN,
    SUBENTRY_BMS,
    SUBENTRY_VICTRON,
    SUBENTRY_WALLBOX,
)
from ..subentries import is_damaged

#: Where the data of a subentry has the id of its device.
_IDS: Final[Mapping[str, str]] = {
    SUBENTRY_BMS: CONF_ADDRESS,
    SUBENTRY_VICTRON: CONF_ADDRESS,
    SUBENTRY_WALLBOX: CONF_CHARGE_POINT_ID,
}


class SiteFlow[ResultT: FlowResult[Any, Any]](FlowHandler[Any, ResultT, Any], ABC):
    """Base of the steps that add a subentry, whichever flow they are in."""

    @property
    @abstractmethod
    def _entry(self) -> ConfigEntry | None:
        """Return the config entry; None: there is none yet."""

    @abstractmethod
    async def _async_add(
        self,
        subentry: ConfigSubentryData,
        *,
        description: str,
        placeholders: Mapping[str, str],
    ) -> ResultT:
        """Add a subentry, to a new entry if there is none yet."""


class SiteSubentryFlow(SiteFlow[SubentryFlowResult], ConfigSubentryFlow):
    """Base of the flows that add a subentry to the entry, or change one."""

    _opened: Mapping[str, Any] | None = None
    """What was stored of the fields when the form was opened; see `merged`."""

    @property
    @override
    def _entry(self) -> ConfigEntry:
        """Return the config entry."""
        return self._get_entry()

    @override
    async def _async_add(
        self,
        subentry: ConfigSubentryData,
        *,
        description: str,
        placeholders: Mapping[str, str],
    ) -> SubentryFlowResult:
        """Add the subentry."""
        return self.async_create_entry(
            title=subentry["title"],
            data=subentry["data"],
            unique_id=subentry["unique_id"],
            description=description,
            description_placeholders=placeholders,
        )

    @callback
    @override
    def _get_reconfigure_subentry(self) -> ConfigSubentry:
        """Return the subentry that is changed. Aborts the flow if it is damaged."""
        subentry = super()._get_reconfigure_subentry()
        if is_damaged(subentry):
            raise AbortFlow("damaged")
        return subentry

    @callback
    def _change(
        self, subentry: ConfigSubentry, data: Mapping[str, Any]
    ) -> SubentryFlowResult:
        """Store what was changed; with another id, the history goes along."""
        entry = self._get_entry()
        key = _IDS[subentry.subentry_type]
        old_id, new_id = subentry.data[key], data[key]
        if new_id != old_id:
            _async_move(self.hass, entry, subentry, old_id, new_id)
        result = self.async_update_and_abort(
            entry,
            subentry,
            data=data,
            unique_id=new_id,
            title=subentry.title.replace(old_id, new_id),
            reason="reconfigure_successful",
        )
        async_reload_if_not_loaded(self.hass, entry)
        return result


def whole_number(minimum: int, maximum: int, unit: str | None = None) -> vol.All[Any]:
    """Return a field for a whole number."""
    config = NumberSelectorConfig(
        min=minimum, max=maximum, step=1, mode=NumberSelectorMode.BOX
    )
    if unit is not None:
        config["unit_of_measurement"] = unit
    return vol.All(NumberSelector(config), vol.Coerce(int))


def dropdown(
    options: list[SelectOptionDict], *, custom_value: bool = False
) -> SelectSelector:
    """Return a field for one of these, or what is typed instead."""
    return SelectSelector(
        SelectSelectorConfig(
            options=options,
            custom_value=custom_value,
            mode=SelectSelectorMode.DROPDOWN,
        )
    )


def taken_ids(
    entry: ConfigEntry | None,
    *subentry_types: str,
    except_for: ConfigSubentry | None = None,
) -> set[str]:
    """Return the ids that are taken by subentries of these types.

    Home Assistant lets nobody have the unique id of a damaged one, either.
    """
    if entry is None:
        return set()
    return {
        subentry.unique_id or ""
        if is_damaged(subentry)
        else subentry.data[_IDS[subentry_type]]
        for subentry_type in subentry_types
        for subentry in entry.get_subentries_of_type(subentry_type)
        if subentry is not except_for
    }


@callback
def async_add_subentry(
    hass: HomeAssistant, entry: ConfigEntry, subentry: ConfigSubentryData
) -> None:
    """Add a subentry to the entry."""
    hass.config_entries.async_add_subentry(
        entry,
        ConfigSubentry(
            subentry_type=subentry["subentry_type"],
            title=subentry["title"],
            data=MappingProxyType(dict(subentry["data"])),
            unique_id=subentry["unique_id"],
        ),
    )
    async_reload_if_not_loaded(hass, entry)


@callback
def async_reload_if_not_loaded(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Let a change count. An entry that is loaded reloads itself by its listener."""
    if entry.state is not ConfigEntryState.LOADED:
        hass.config_entries.async_schedule_reload(entry.entry_id)


@callback
def _async_move(
    hass: HomeAssistant,
    entry: ConfigEntry,
    subentry: ConfigSubentry,
    old_id: str,
    new_id: str,
) -> None:
    """Let the device and entities of a subentry follow its corrected id.

    Only its own: the id of another wallbox may begin with this one's.
    """
    devices, entities = dr.async_get(hass), er.async_get(hass)
    if device := devices.async_get_device_by_identifier(
        (DOMAIN, old_id), entry.entry_id
    ):
        devices.async_update_device(
            device.id,
            new_identifiers={(DOMAIN, new_id)},
            new_connections={(dr.CONNECTION_BLUETOOTH, new_id)}
            if device.connections
            else UNDEFINED,
        )
    for entity in er.async_entries_for_config_entry(entities, entry.entry_id):
        if entity.config_subentry_id == subentry.subentry_id:
            key = entity.unique_id.removeprefix(f"{old_id}_")
            entities.async_update_entity(
                entity.entity_id, new_unique_id=f"{new_id}_{key}"
            )
