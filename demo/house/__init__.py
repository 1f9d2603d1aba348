"""Only in the demo's Home Assistant: the meters of the simulated house, and its price.

The house lives beside the wallbox, in the process of `scripts/demo`, which says by the
action `demo_house.tell` what its meters tell. `demo.layout` links this into the demo's
configuration, with a manifest, as the custom integration `demo_house`.
"""

from typing import Any, Final

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, ServiceCall, callback
from homeassistant.helpers.discovery import async_load_platform
from homeassistant.helpers.dispatcher import async_dispatcher_send
import voluptuous as vol

from demo.layout import HOUSE_DOMAIN

from .sensor import KEYS, SIGNAL

_NUMBERS: Final = (
    "grid_power",
    "solar_power",
    "current_l1",
    "current_l2",
    "current_l3",
)
_SLOT: Final = vol.Schema({"start": str, "end": str, "value": vol.Coerce(float)})
_TOLD: Final = vol.Schema(
    {
        **{vol.Optional(key): vol.Coerce(float) for key in KEYS},
        vol.Optional("price"): vol.Coerce(float),
        vol.Optional("today"): [_SLOT],
        vol.Optional("tomorrow"): [_SLOT],
    }
)
CONFIG_SCHEMA: Final = vol.Schema({HOUSE_DOMAIN: dict}, extra=vol.ALLOW_EXTRA)


async def async_setup(hass: HomeAssistant, config: dict[str, Any]) -> bool:
    """Offer the action, and add the meters."""

    @callback
    def tell(call: ServiceCall) -> None:
        async_dispatcher_send(hass, SIGNAL, dict(call.data))

    hass.services.async_register(HOUSE_DOMAIN, "tell", tell, schema=_TOLD)
    hass.async_create_task(
        async_load_platform(hass, Platform.SENSOR, HOUSE_DOMAIN, {}, config)
    )
    return True
