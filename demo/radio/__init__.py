"""Only in the demo's Home Assistant: the simulated rig, as far as that reaches it.

It hears the rig's devices, connects to its BMSs, has the plug that feeds mains in, and
can empty or fill the battery at once. `demo.layout` links it into the demo's
configuration, with a manifest, as the custom integration `demo_radio`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from homeassistant.components import bluetooth
from homeassistant.components.bluetooth import MONOTONIC_TIME
from homeassistant.const import EVENT_HOMEASSISTANT_STOP, Platform
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers.discovery import async_load_platform
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.helpers.event import async_track_time_interval
import voluptuous as vol

from demo.layout import RADIO_DOMAIN
from demo.rigs import BOAT, CARAVAN, RIGS, Rig
from simulators.bms import BmsRadio, SimulatedBms
from simulators.boat import devices as boat_devices
from simulators.boat.physics import Boat
from simulators.caravan.devices import Device, Quirks, fit_out
from simulators.caravan.physics import Caravan, DcSystem
from simulators.caravan.scanner import Receiver, register

from .entity import RIG, SIGNAL, SYSTEM

CONFIG_SCHEMA: Final = vol.Schema(
    {
        RADIO_DOMAIN: vol.Schema(
            {
                vol.Required("speed"): vol.Coerce(float),
                vol.Optional("rig", default=CARAVAN.name): vol.In(RIGS),
            }
        )
    },
    extra=vol.ALLOW_EXTRA,
)

_EVERY: Final = timedelta(seconds=0.2)
"""How often each device is heard."""
_LONGEST_S: Final = 300.0
"""A computer that slept does not catch up on what was missed."""
_PROXY: Final = "CA:5A:1C:00:00:01"

_LINGERS: Final = Quirks(lingers_s=20.0)
"""What makes it hard to tell that mains is gone."""


def _make(
    rig: Rig,
) -> tuple[DcSystem, Sequence[Device[Any]], Sequence[SimulatedBms]]:
    """Return what lives, the Victron devices that send it, and the BMSs."""
    if rig is BOAT:
        boat = Boat(capacities_ah=[pack.capacity_ah for pack in rig.packs])
        return boat, boat_devices.fit_out(boat), boat_devices.fit_packs(boat)
    caravan = Caravan()
    return caravan, fit_out(caravan, mains_charger=_LINGERS), ()


async def async_setup(hass: HomeAssistant, config: dict[str, Any]) -> bool:
    """Let the rig live, `speed` times as fast as time passes."""
    speed: float = config[RADIO_DOMAIN]["speed"]
    rig = hass.data[RIG] = RIGS[config[RADIO_DOMAIN]["rig"]]
    system, devices, packs = _make(rig)
    hass.data[SYSTEM] = system
    receiver, proxy = Receiver(), BmsRadio(_PROXY)
    undo = [register(hass, receiver)]
    if packs:
        undo += [proxy.async_setup(), bluetooth.async_register_scanner(hass, proxy)]
    last = MONOTONIC_TIME()

    @callback
    def live(_: datetime) -> None:
        nonlocal last
        now = MONOTONIC_TIME()
        system.advance(min(now - last, _LONGEST_S) * speed)
        last = now
        for device in devices:
            if frame := device.transmit(now):
                receiver.hear(frame, now)
        for pack in packs:
            proxy.hear(pack)
        async_dispatcher_send(hass, SIGNAL)

    undo.append(async_track_time_interval(hass, live, _EVERY, name=RADIO_DOMAIN))

    @callback
    def end(_: Event) -> None:
        for each in reversed(undo):
            each()

    hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, end)
    platforms = [Platform.NUMBER, Platform.SWITCH]
    if rig is CARAVAN:
        # The plug of the boat measures nothing: its MultiPlus tells what comes in.
        platforms.append(Platform.SENSOR)
    for platform in platforms:
        hass.async_create_task(
            async_load_platform(hass, platform, RADIO_DOMAIN, {}, config)
        )
    return True
