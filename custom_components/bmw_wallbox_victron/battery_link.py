"""The page of the battery monitor that counts leads to that of the battery.

What it measures is shown there, and off on its own page.
"""

from homeassistant.const import CONF_ADDRESS
from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr

from .const import BATTERY_DEVICE, DOMAIN
from .coordinator import SiteConfigEntry
from .subentries import device_subentries


@callback
def async_lead_to_battery(entry: SiteConfigEntry) -> None:
    """Keep the monitor's device connected by way of the battery's, and no other's."""
    coordinator = entry.runtime_data
    registry = dr.async_get(coordinator.hass)
    # The address of the monitor that leads there; empty: that of none yet.
    linked: str | None = ""

    def find(identifier: str) -> str | None:
        device = registry.async_get_device_by_identifier(
            (DOMAIN, identifier), entry.entry_id
        )
        return None if device is None else device.id

    @callback
    def link() -> None:
        nonlocal linked
        watch = coordinator.devices.battery
        address = None if watch is None else watch.monitor
        if address == linked:
            return  # it is asked at each advertisement
        monitor = None if address is None else find(address)
        battery = find(BATTERY_DEVICE)
        if address is None or (monitor is not None and battery is not None):
            linked = address
        for subentry in device_subentries(entry):
            device = find(subentry.data[CONF_ADDRESS])
            if device is not None:
                via = battery if device == monitor else None
                registry.async_update_device(device, via_device_id=via)

    link()
    entry.async_on_unload(coordinator.async_add_listener(link))
