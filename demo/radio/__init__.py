"""Only in the demo's Home Assistant: the simulated caravan, as far as that reaches it.

It hears the caravan's devices, has the plug that feeds mains in, and can empty or fill
the battery at once. `demo.layout` links it into the demo's configuration, with a
manifest, as the custom integration `demo_radio`.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from homeassistant.components.bluetooth import MONOTONIC_TIME
from homeassistant.const import EVENT_HOMEASSISTANT_STOP, Platform
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers.discovery import async_load_platform
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.helpers.event import async_track_time_interval
import voluptuous as vol

from demo.layout import RADIO_DOMAIN
from simulators.caravan.devices import Quirks, fit_out
from simulators.caravan.physics import Caravan
from simulators.caravan.scanner import Receiver, register

from .entity import CARAVAN, SIGNAL

CONFIG_SCHEMA: Final = vol.Schema(
    {RADIO_DOMAIN: vol.Schema({vol.Required("speed"): vol.Coerce(float)})},
    extra=vol.ALLOW_EXTRA,
)

_EVERY: Final = timedelta(seconds=0.2)
"""How often each device is heard."""
_LONGEST_S: Final = 300.0
"""A computer that slept does not catch up on what the caravan missed."""

_LINGERS: Final = Quirks(lingers_s=20.0)
"""What makes it hard to tell that mains is gone."""


async def async_setup(hass: HomeAssistant, config: dict[str, Any]) -> bool:
    """Let the caravan live, `speed` times as fast as time passes."""
    speed: float = config[RADIO_DOMAIN]["speed"]
    caravan = hass.data[CARAVAN] = Caravan()
    devices = fit_out(caravan, mains_charger=_LINGERS)
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
        async_dispatcher_send(hass, SIGNAL)

    stop = async_track_time_interval(hass, live, _EVERY, name=RADIO_DOMAIN)

    @callback
    def end(_: Event) -> None:
        stop()
        unregister()

    hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, end)
    for platform in (Platform.NUMBER, Platform.SWITCH, Platform.SENSOR):
        hass.async_create_task(
            async_load_platform(hass, platform, RADIO_DOMAIN, {}, config)
        )
    return True
