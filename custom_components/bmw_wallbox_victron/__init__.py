"""BMW wallboxes over OCPP 2.0.1 and Victron devices over Bluetooth."""

from homeassistant.components import bluetooth
from homeassistant.const import CONF_ADDRESS
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import ConfigType

from .battery_watch import async_forget_past
from .const import DOMAIN, PLATFORMS, SUBENTRY_BMS, SUBENTRY_VICTRON
from .coordinator import SiteConfigEntry, SiteCoordinator, subentries_of
from .issues import async_setup_issues
from .listener import async_note_start
from .services import async_setup_services
from .storage import SessionStore, SiteStore
from .victron.advertisement import parse_address

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register the actions, which are there even while no entry is loaded."""
    async_note_start(hass)
    async_setup_issues(hass)
    async_setup_services(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: SiteConfigEntry) -> bool:
    """Set up the site: its server, its wallboxes and their entities."""
    _tidy_addresses(hass, entry)
    coordinator = SiteCoordinator(hass, entry)
    await coordinator.async_start()
    entry.runtime_data = coordinator
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    entry.async_on_unload(entry.add_update_listener(_async_reload))
    return True


@callback
def _tidy_addresses(hass: HomeAssistant, entry: SiteConfigEntry) -> None:
    """Spell addresses as Home Assistant does: otherwise nothing is heard."""
    for subentry in (
        *subentries_of(entry, SUBENTRY_VICTRON),
        *subentries_of(entry, SUBENTRY_BMS),
    ):
        address = parse_address(subentry.data[CONF_ADDRESS])
        if address is not None and address != subentry.data[CONF_ADDRESS]:
            hass.config_entries.async_update_subentry(
                entry, subentry, data={**subentry.data, CONF_ADDRESS: address}
            )


async def async_unload_entry(hass: HomeAssistant, entry: SiteConfigEntry) -> bool:
    """Unload the site."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: SiteConfigEntry) -> None:
    """Forget what was stored for the site."""
    await SiteStore(hass, entry.entry_id).async_remove()
    await SessionStore(hass, entry.entry_id).async_remove()
    async_forget_past(hass, entry.entry_id)
    for subentry in subentries_of(entry, SUBENTRY_VICTRON):
        bluetooth.async_rediscover_address(hass, subentry.data[CONF_ADDRESS])


async def _async_reload(hass: HomeAssistant, entry: SiteConfigEntry) -> None:
    """Make a changed server, subentry or option count.

    A step of a flow may change several of them: the reload waits for its end, or it
    would miss what is changed while it runs.
    """
    coordinator = entry.runtime_data
    here = {subentry.data[CONF_ADDRESS] for subentry in coordinator.device_subentries}
    for address in coordinator.feeds.keys() - here:
        # Whoever removed a device finds it among the discovered ones.
        bluetooth.async_rediscover_address(hass, address)
    if not coordinator.reload_pending:
        coordinator.reload_pending = True
        hass.async_create_task(
            hass.config_entries.async_reload(entry.entry_id), eager_start=False
        )
