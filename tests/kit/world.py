"""All that the integration serves, on a clock that a test turns; and what it logs."""

from dataclasses import dataclass

from homeassistant.core import HomeAssistant

from simulators.bms import BmsRadio, SimulatedBms
from simulators.caravan.devices import Device
from simulators.caravan.physics import Caravan

from .bench import Bench, turn_until
from .radio import Radio

PLUG = "switch.plug"
#: So much of a longer step the box counts, s.
BOX_S = 10.0
PASSWORD = "a-password-of-16"
TOKEN = "04DEADBEEF1234"


@dataclass
class World:
    """A wallbox, a caravan with its devices, a BMS, and Home Assistant."""

    bench: Bench
    radio: Radio
    proxy: BmsRadio
    bms: SimulatedBms
    caravan: Caravan
    devices: tuple[Device, ...]
    now: float = 0.0

    @property
    def hass(self) -> HomeAssistant:
        """The Home Assistant."""
        return self.bench.hass

    async def live(self, seconds: float, *, step: float = 60.0) -> None:
        """Let time pass for all of them."""
        while seconds > 0:
            part = min(step, seconds)
            seconds -= part
            self.now += part
            self.bench.freezer.tick(part)
            self.caravan.advance(part)
            self.hass.states.async_set(PLUG, "on" if self.caravan.mains else "off")
            for device in self.devices:
                if frame := device.transmit(self.now):
                    self.radio.send(frame.data, frame.address, rssi=frame.rssi)
            # It counts every second, which takes the most time of all.
            await self.bench.box.tick(min(part, BOX_S))
            await self.bench.rest()
            await turn_until(lambda: self.bms.open_now == 0 or bool(self.bms.fault))
            await self.hass.async_block_till_done()
