"""BMW wallboxes over OCPP 2.0.1 and Victron devices over Bluetooth."""

from homeassistant.components import bluetooth
from homeassistant.const import CONF_ADDRESS
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import ConfigType

from .battery_link import async_lead_to_battery
from .battery_store import BatteryStore
from .battery_watch import async_forget_past
from .const import DOMAIN, PLATFORMS, SUBENTRY_VICTRON
from .coordinator import SiteConfigEntry, SiteCoordinator
from .listener import async_note_start
from .services import async_setup_services
from .site_problems import async_setup_problems
from .storage import SessionStore, SiteStore
from .subentries import device_subentries, subentries_of
from .victron.advertisement import parse_address

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register the actions, which are there even while no entry is loaded."""
    async_note_start(hass)
    async_setup_problems(hass)
    async_setup_services(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: SiteConfigEntry) -> bool:
    """Set up the site: its server, its wallboxes and their entities."""
    _tidy_addresses(hass, entry)
    coordinator = SiteCoordinator(hass, entry)
    await coordinator.async_start()
    entry.runtime_data = coordinator
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    async_lead_to_battery(entry)
    entry.async_on_unload(entry.add_update_listener(_async_apply_changes))
    coordinator.async_apply_changes()  # what was changed meanwhile
    return True


@callback
def _tidy_addresses(hass: HomeAssistant, entry: SiteConfigEntry) -> None:
    """Spell addresses as Home Assistant does: otherwise nothing is heard."""
    for subentry in device_subentries(entry):
        address = parse_address(subentry.data[CONF_ADDRESS])
        if address is not None and address != subentry.data[CONF_ADDRESS]:
            hass.config_entries.async_update_subentry(
                entry, subentry, data={**subentry.data, CONF_ADDRESS: address}
            )


async def async_unload_entry(hass: HomeAssistant, entry: SiteConfigEntry) -> bool:
    """Unload the site."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: SiteConfigEntry) -> None:
    """Remove what was stored for the site."""
    await SiteStore(hass, entry.entry_id).async_remove()
    await SessionStore(hass, entry.entry_id).async_remove()
    await BatteryStore(hass, entry.entry_id).async_remove()
    async_forget_past(hass, entry.entry_id)
    for subentry in subentries_of(entry, SUBENTRY_VICTRON):
        bluetooth.async_rediscover_address(hass, subentry.data[CONF_ADDRESS])


async def _async_apply_changes(hass: HomeAssistant, entry: SiteConfigEntry) -> None:
    """Apply a changed server, subentry or option."""
    entry.runtime_data.async_apply_changes()
