"""A Bluetooth receiver without a radio: hears what the simulated devices send.

To Home Assistant it is what an ESPHome proxy is: a remote scanner that hands on the
bytes of each advertisement and makes no connections.
"""

from typing import Final

from homeassistant.components import bluetooth
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from .devices import Frame

SOURCE: Final = "CA:5A:1C:00:00:00"
NAME: Final = "Demo radio"


class Receiver(bluetooth.BaseHaRemoteScanner):
    """Hands frames on to Home Assistant."""

    def __init__(self) -> None:
        """Make one that is not registered yet."""
        super().__init__(SOURCE, NAME, connectable=False)

    def hear(self, frame: Frame, now: float) -> None:
        """Hear a frame at `now`, s as bluetooth.MONOTONIC_TIME() counts."""
        self._async_on_raw_advertisement(frame.address, frame.rssi, frame.raw, {}, now)


@callback
def register(hass: HomeAssistant, receiver: Receiver) -> CALLBACK_TYPE:
    """Make Home Assistant listen to the receiver and return what undoes that."""
    stop = receiver.async_setup()
    unregister = bluetooth.async_register_scanner(hass, receiver)

    @callback
    def remove() -> None:
        unregister()
        stop()

    return remove
