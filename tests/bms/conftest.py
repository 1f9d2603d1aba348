"""A simulated BMS within reach of Home Assistant's real Bluetooth."""

import pytest

from simulators.bms import BmsRadio, Humsienk, Jbd, SimulatedBms

from ..kit.bms import ADDRESS


@pytest.fixture
def radio(proxy: BmsRadio) -> BmsRadio:
    """The proxy that hears the BMSs."""
    return proxy


@pytest.fixture
def jbd() -> SimulatedBms:
    """A JBD BMS, not heard yet."""
    return SimulatedBms(Jbd(), ADDRESS)


@pytest.fixture
def humsienk() -> SimulatedBms:
    """A Humsienk BMS, not heard yet."""
    return SimulatedBms(Humsienk(), "13:C2:A7:00:11:22")
