"""The caravan's radios: what the decoder hears is what the caravan does."""

from collections.abc import Callable

import pytest

from custom_components.bmw_wallbox_victron.readings import Flags
from custom_components.bmw_wallbox_victron.victron.advertisement import (
    Advertisement,
    Refusal,
    parse,
)
from custom_components.bmw_wallbox_victron.victron.decoder import Decoder
from custom_components.bmw_wallbox_victron.victron.key_verdict import KeyVerdict
from custom_components.bmw_wallbox_victron.victron.records import (
    Kind,
    Reading,
)
from simulators.caravan.devices import (
    AlternatorCharger,
    Device,
    Frame,
    MainsCharger,
    Quirks,
    SmartShunt,
    fit_out,
)
from simulators.caravan.identity import IDENTITIES
from simulators.caravan.physics import Caravan

PACE_S = 0.2


def listen(device: Device, seconds: float, start: float = 0.0) -> list[Frame]:
    """Hear a device five times a second."""
    heard = (
        device.transmit(start + index * PACE_S)
        for index in range(round(seconds / PACE_S))
    )
    return [frame for frame in heard if frame is not None]


def decode(device: Device, frames: list[Frame]) -> list[Reading | Refusal]:
    """Read frames with the device's own key."""
    decoder = Decoder(device.identity.key)
    return [
        decoder.hear(frame.data, index * PACE_S) for index, frame in enumerate(frames)
    ]


def reading(device: Device) -> Reading:
    """Read a device once."""
    (outcome,) = decode(device, listen(device, PACE_S))
    assert isinstance(outcome, Reading)
    return outcome


def counters(frames: list[Frame]) -> list[int]:
    """Return the counters of frames."""
    parsed = [parse(frame.data) for frame in frames]
    return [each.counter for each in parsed if isinstance(each, Advertisement)]


def after(hours: float) -> Caravan:
    """Return a caravan some hours into its day."""
    caravan = Caravan()
    caravan.advance(hours * 3600)
    return caravan


@pytest.mark.parametrize("hours", [0.5, 1.3, 4, 6, 7, 13, 25.0, 27.0, 35.0])
def test_decoded_values_are_those_of_the_caravan(hours: float) -> None:
    caravan = after(hours)
    shunt, mains, alternator = fit_out(caravan)
    heard = reading(shunt).values
    assert heard["voltage"] == pytest.approx(caravan.voltage_v, abs=0.03)
    assert heard["current"] == pytest.approx(caravan.current_a, abs=0.06)
    assert heard["consumed_ah"] == pytest.approx(caravan.consumed_ah, abs=0.051)
    assert heard["soc"] == pytest.approx(caravan.soc * 100, abs=0.051)
    assert heard["starter_voltage"] == pytest.approx(caravan.starter_v, abs=0.03)
    assert heard["time_to_go"] == caravan.time_to_go_min

    assert (mains.transmit(0.0) is not None) == caravan.mains
    if caravan.mains:
        heard = reading(mains).values
        charger = caravan.mains_charger
        assert heard["charge_state"] == charger.state
        assert heard["charger_error"] == "no_error"
        assert heard["output_current_1"] == pytest.approx(charger.current_a, abs=0.25)
        assert heard["output_voltage_1"] == pytest.approx(caravan.voltage_v, abs=0.15)
        assert heard["output_voltage_2"] is heard["ac_current"] is None

    heard = reading(alternator).values
    assert heard["charge_state"] == caravan.alternator_charger.state
    off_reason = heard["off_reason"]
    assert isinstance(off_reason, Flags)
    if caravan.driving:
        assert off_reason.state == "none"
        assert heard["output_voltage"] == pytest.approx(caravan.voltage_v, abs=0.15)
    else:
        assert off_reason.state == "engine_shutdown"
        assert heard["output_voltage"] is None


def test_an_orion_looks_at_the_alternator_before_it_starts() -> None:
    caravan = after(5.5)
    caravan.advance(20)
    off_reason = reading(AlternatorCharger(caravan)).values["off_reason"]
    assert isinstance(off_reason, Flags)
    assert off_reason.names == {"engine_shutdown", "analysing_input_voltage"}


@pytest.mark.parametrize("speed", [1, 60, 200])
def test_a_day_is_believed(speed: int) -> None:
    caravan = Caravan()
    devices = fit_out(caravan)
    decoders = [Decoder(device.identity.key) for device in devices]
    refused = []
    for second in range(0, 48 * 3600 // speed, 1 if speed > 1 else 60):
        caravan.advance(speed if speed > 1 else 60)
        for device, decoder in zip(devices, decoders, strict=True):
            if frame := device.transmit(second):
                outcome = decoder.hear(frame.data, second)
                if isinstance(outcome, Refusal):
                    refused.append((second, device.identity.name, outcome))
    assert refused == []


def test_same_advertisement_several_times_a_new_one_each_second() -> None:
    device = SmartShunt(Caravan())
    frames = listen(device, 10)
    numbers = counters(frames)
    assert len(frames) == 50
    assert len(set(numbers)) == 10
    assert len({frame.data for frame in frames}) == 10
    assert sorted(numbers) == numbers or 0 in numbers
    assert len({frame.rssi for frame in frames}) > 3
    assert all(-100 < frame.rssi < -40 for frame in frames)


def test_a_frame_fits_into_advertisement_and_scan_response() -> None:
    for device in fit_out(Caravan()):
        for frame in listen(device, 1):
            assert frame.name is not None
            assert len(frame.raw) - len(frame.name) - 2 <= 31
            assert len(frame.name) + 2 <= 31


def test_identities_are_apart() -> None:
    assert len({each.address for each in IDENTITIES}) == 3
    assert len({each.key[0] for each in IDENTITIES}) == 3
    assert [device.identity for device in fit_out(Caravan())] == list(IDENTITIES)


def test_a_charger_without_mains_is_silent() -> None:
    assert listen(MainsCharger(after(3)), 5) == []


# --- Quirks ---


def test_silent() -> None:
    device = SmartShunt(Caravan(), quirks=Quirks(silent=True))
    assert listen(device, 2) == []
    device.quirks = Quirks()
    assert len(listen(device, 2, start=2)) == 10


def test_stands_still() -> None:
    caravan = Caravan()
    device = SmartShunt(caravan, quirks=Quirks(stands_still=True))
    frames = listen(device, 1)
    caravan.advance(3600)
    assert {frame.data for frame in (*frames, *listen(device, 60, start=1))} == {
        frames[0].data
    }
    device.quirks = Quirks()
    assert listen(device, 1, start=61)[0].data != frames[0].data


@pytest.mark.parametrize("make", [SmartShunt, MainsCharger, AlternatorCharger])
def test_powers_off(make: Callable[[Caravan], Device]) -> None:
    device = make(after(1))
    device.quirks = Quirks(powers_off=True)
    frames = listen(device, 40)
    assert len(set(counters(frames))) <= 11
    assert len({frame.data for frame in frames}) > 30
    outcomes = decode(device, frames)
    assert Refusal.IMPLAUSIBLE in outcomes or Refusal.UNCONFIRMED in outcomes
    good = [each for each in outcomes if isinstance(each, Reading)]
    assert good
    if not isinstance(device, SmartShunt):
        assert None in {each.values["charge_state"] for each in good}


def test_truncated() -> None:
    for size, refusal in ((10, Refusal.RECORD_TOO_SHORT), (-3, Refusal.TOO_SHORT)):
        device = SmartShunt(Caravan(), quirks=Quirks(sends_bytes=size))
        assert set(decode(device, listen(device, 3))) == {refusal}


def test_key_changed() -> None:
    device = SmartShunt(Caravan(), quirks=Quirks(key=bytes(range(50, 66))))
    decoder = Decoder(device.identity.key)
    for index, frame in enumerate(listen(device, 10)):
        assert decoder.hear(frame.data, index * PACE_S) is Refusal.WRONG_KEY
    assert decoder.verdict is KeyVerdict.WRONG


def test_bare() -> None:
    device = SmartShunt(Caravan(), quirks=Quirks(bare=True))
    (frame,) = listen(device, PACE_S)
    assert frame.name is None
    assert b"SmartShunt" not in frame.raw


def test_energy_meter() -> None:
    caravan = after(1)
    device = SmartShunt(caravan, quirks=Quirks(energy_meter=True))
    heard = reading(device)
    assert heard.kind is Kind.DC_ENERGY_METER
    assert heard.values["monitor_mode"] == "dc_system"
    assert heard.values["current"] == pytest.approx(caravan.current_a, abs=0.06)
    # No other device can be set up so.
    charger = MainsCharger(Caravan(), quirks=Quirks(energy_meter=True))
    assert reading(charger).kind is Kind.AC_CHARGER


def test_a_charger_goes_on_for_a_while_after_mains_is_gone() -> None:
    caravan = after(0.5)
    charger = MainsCharger(caravan, quirks=Quirks(lingers_s=20))
    last = listen(charger, 10)[-1]
    caravan.switch_mains(on=False)
    caravan.advance(5)
    frames = listen(charger, 60, start=10)
    assert len(frames) == pytest.approx(20 / PACE_S, abs=1)
    said = {
        each.values["charge_state"]
        for each in decode(charger, frames)
        if isinstance(each, Reading)
    }
    assert said == {"bulk"}
    # Its counter goes on: to Home Assistant it is all news.
    (before,) = counters([last])
    assert set(counters(frames)) == set(range(before + 1, before + 21))
    assert listen(charger, 600, start=70) == []
    caravan.switch_mains(on=True)
    assert reading(charger).values["charge_state"] == "off"


def test_a_charger_that_never_had_mains_says_nothing() -> None:
    assert listen(MainsCharger(after(4), quirks=Quirks(lingers_s=20)), 5) == []
