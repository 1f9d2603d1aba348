"""A simulated BMS within reach of Home Assistant's real Bluetooth."""

from collections.abc import AsyncGenerator

from homeassistant.components import bluetooth
from homeassistant.core import HomeAssistant
import pytest

from demo.bms import BmsRadio, Humsienk, Jbd, SimulatedBms

ADDRESS = "A4:C1:37:00:11:22"


@pytest.fixture
async def radio(
    hass: HomeAssistant, enable_bluetooth: None
) -> AsyncGenerator[BmsRadio]:
    """A proxy that can connect, registered with Home Assistant."""
    scanner = BmsRadio()
    unsetup = scanner.async_setup()
    unregister = bluetooth.async_register_scanner(hass, scanner)
    yield scanner
    unregister()
    unsetup()


@pytest.fixture
def jbd() -> SimulatedBms:
    """A JBD BMS, not heard yet."""
    return SimulatedBms(Jbd(), ADDRESS)


@pytest.fixture
def humsienk() -> SimulatedBms:
    """A Humsienk BMS, not heard yet."""
    return SimulatedBms(Humsienk(), "13:C2:A7:00:11:22")
