"""All that the integration serves, on a clock that a test turns; and what it logs."""

from collections.abc import Iterable
from dataclasses import dataclass
import logging

from homeassistant.core import HomeAssistant
import pytest

from custom_components.bmw_wallbox_victron.const import DOMAIN
from simulators.bms import BmsRadio, SimulatedBms
from simulators.caravan.devices import Device
from simulators.caravan.physics import Caravan

from .test_control import Bench, turn_until
from .victron.radio import Radio

PLUG = "switch.plug"
#: So much of a longer step the box counts, s.
BOX_S = 10.0
PASSWORD = "a-password-of-16"
TOKEN = "04DEADBEEF1234"
#: Who logs in our name: we, and the libraries that we call.
OURS = (f"custom_components.{DOMAIN}", "ocpp", "websockets", "aiobmsble", "bleak")


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


class Log:
    """What was logged."""

    def __init__(
        self, caplog: pytest.LogCaptureFixture, secrets: Iterable[str]
    ) -> None:
        """Take all of us, at every level."""
        caplog.set_level(logging.INFO)
        for name in OURS:
            caplog.set_level(logging.DEBUG, name)
        self._caplog = caplog
        self._secrets = tuple(secrets)
        self._seen = 0

    def lines(self) -> list[logging.LogRecord]:
        """Give what was logged since the last look, as far as somebody may read it.

        Of us everything above DEBUG, of all others warnings and worse.
        """
        records = self._caplog.get_records("setup") + self._caplog.get_records("call")
        new, self._seen = records[self._seen :], len(records)
        for record in new:
            told = record.getMessage()
            assert not [each for each in self._secrets if each in told], told
        return [
            record
            for record in new
            if record.levelno
            > (logging.DEBUG if record.name.startswith(OURS) else logging.INFO)
        ]

    def texts(self) -> list[str]:
        """Give the same as texts, with their levels."""
        return [f"{each.levelname} {each.getMessage()}" for each in self.lines()]
