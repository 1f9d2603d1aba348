"""Only in the demo's Home Assistant: lets it hear the simulated caravan.

Linked into the demo's configuration as the custom integration `demo_radio`.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from homeassistant.components.bluetooth import MONOTONIC_TIME
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval
import voluptuous as vol

from demo.caravan.devices import fit_out
from demo.caravan.physics import Caravan
from demo.caravan.scanner import Receiver, register

DOMAIN: Final = "demo_radio"

CONFIG_SCHEMA: Final = vol.Schema(
    {DOMAIN: vol.Schema({vol.Required("speed"): vol.Coerce(float)})},
    extra=vol.ALLOW_EXTRA,
)

_EVERY: Final = timedelta(seconds=0.2)
"""How often each device is heard."""
_LONGEST_S: Final = 60.0
"""A computer that slept does not catch up on what the caravan missed."""


async def async_setup(hass: HomeAssistant, config: dict[str, Any]) -> bool:
    """Let the caravan live, `speed` times as fast as time passes."""
    speed: float = config[DOMAIN]["speed"]
    caravan = Caravan()
    devices = fit_out(caravan)
    receiver = Receiver()
    unregister = register(hass, receiver)
    last = MONOTONIC_TIME()

    @callback
    def live(_: datetime) -> None:
        nonlocal last
        now = MONOTONIC_TIME()
        caravan.advance(min(now - last, _LONGEST_S) * speed)
        last = now
        for device in devices:
            if frame := device.transmit(now):
                receiver.hear(frame, now)

    stop = async_track_time_interval(hass, live, _EVERY, name=DOMAIN)

    @callback
    def end(_: Event) -> None:
        stop()
        unregister()

    hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, end)
    return True
