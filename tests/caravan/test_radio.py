"""The receiver, through Home Assistant's own Bluetooth."""

from collections.abc import AsyncGenerator, Callable
from datetime import timedelta

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import bluetooth
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.bmw_wallbox_victron.victron.decoder import Decoder
from custom_components.bmw_wallbox_victron.victron.records import Reading
from demo import radio
from demo.layout import RADIO_DOMAIN
from simulators.caravan.devices import Quirks, SmartShunt
from simulators.caravan.identity import IDENTITIES, SHUNT
from simulators.caravan.physics import Caravan
from simulators.caravan.scanner import SOURCE, Receiver, register

type Heard = list[bluetooth.BluetoothServiceInfoBleak]


@pytest.fixture(autouse=True)
def _bluetooth(enable_bluetooth: None) -> None:
    """Home Assistant's Bluetooth, without a radio."""


@pytest.fixture
async def receiver(hass: HomeAssistant) -> AsyncGenerator[Receiver]:
    """A receiver that Home Assistant listens to."""
    made = Receiver()
    remove = register(hass, made)
    yield made
    remove()


@pytest.fixture
def heard(hass: HomeAssistant) -> Heard:
    """What Home Assistant calls back with for the shunt."""
    infos: Heard = []
    bluetooth.async_register_callback(
        hass,
        lambda info, _: infos.append(info),
        bluetooth.BluetoothCallbackMatcher(address=SHUNT.address, connectable=False),
        bluetooth.BluetoothScanningMode.PASSIVE,
    )
    return infos


def test_it_is_no_local_radio(hass: HomeAssistant, receiver: Receiver) -> None:
    scanner = bluetooth.async_scanner_by_source(hass, SOURCE)
    assert scanner is receiver
    assert not receiver.connectable


def test_home_assistant_hears_what_a_device_sends(
    receiver: Receiver, heard: Heard
) -> None:
    device = SmartShunt(Caravan())
    frame = device.transmit(0.0)
    assert frame is not None
    now = bluetooth.MONOTONIC_TIME()
    receiver.hear(frame, now)
    (info,) = heard
    assert (info.name, info.address) == (SHUNT.name, SHUNT.address)
    assert (info.rssi, info.time, info.connectable) == (frame.rssi, now, False)
    assert info.manufacturer_data == {0x02E1: frame.data}
    outcome = Decoder(SHUNT.key).hear(info.manufacturer_data[0x02E1], now)
    assert isinstance(outcome, Reading)


def test_home_assistant_calls_back_for_what_is_new(
    hass: HomeAssistant, receiver: Receiver, heard: Heard
) -> None:
    device = SmartShunt(Caravan())
    now = bluetooth.MONOTONIC_TIME()
    for index in range(50):
        if frame := device.transmit(now + index / 5):
            receiver.hear(frame, now + index / 5)
    assert len(heard) == 10
    last = bluetooth.async_last_service_info(hass, SHUNT.address, connectable=False)
    assert last is not None
    assert last.time == now + 49 / 5


def test_a_bare_advertisement_has_its_address_for_a_name(
    receiver: Receiver, heard: Heard
) -> None:
    frame = SmartShunt(Caravan(), quirks=Quirks(bare=True)).transmit(0.0)
    assert frame is not None
    receiver.hear(frame, bluetooth.MONOTONIC_TIME())
    assert [info.name for info in heard] == [SHUNT.address]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], float]:
    """The radio's clock; call it with the seconds that pass."""
    now = bluetooth.MONOTONIC_TIME()

    def advance(seconds: float) -> float:
        nonlocal now
        now += seconds
        return now

    monkeypatch.setattr(radio, "MONOTONIC_TIME", lambda: now)
    return advance


@pytest.mark.parametrize(("speed", "chargers"), [(1.0, 3), (60.0, 2)])
async def test_the_radio_lets_the_caravan_live(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    clock: Callable[[float], float],
    speed: float,
    chargers: int,
) -> None:
    config = radio.CONFIG_SCHEMA({RADIO_DOMAIN: {"speed": speed}})
    assert await radio.async_setup(hass, config)

    async def pass_time(seconds: float) -> None:
        clock(seconds)
        freezer.tick(timedelta(seconds=0.3))
        async_fire_time_changed(hass, dt_util.utcnow())
        await hass.async_block_till_done()

    def heard_since(moment: float) -> set[str]:
        return {
            info.address
            for info in bluetooth.async_discovered_service_info(hass, connectable=False)
            if info.time > moment
        }

    await pass_time(1)
    begin = clock(0)
    assert heard_since(begin - 1) == {each.address for each in IDENTITIES}
    # Two hours of the caravan's day at speed 60: the mains are gone by then.
    for _ in range(3):
        await pass_time(55)
    assert len(heard_since(begin + 111)) == chargers

    # What was discovered is still being looked at.
    await hass.async_block_till_done(wait_background_tasks=True)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    assert bluetooth.async_scanner_by_source(hass, SOURCE) is None
