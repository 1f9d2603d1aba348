"""The boat: books that add up, and devices that send what it does."""

import pytest

from custom_components.bmw_wallbox_victron.victron.decoder import Decoder
from custom_components.bmw_wallbox_victron.victron.records import Reading
from simulators.boat.devices import fit_out, fit_packs, measure
from simulators.boat.identity import IDENTITIES, PACKS
from simulators.boat.physics import PLAN, Boat
from simulators.caravan.identity import IDENTITIES as OF_THE_CARAVAN
from simulators.caravan.physics import ChargeState

HOUR_S = 3600.0


def after(hours: float) -> Boat:
    """Return a boat some hours after it is first seen."""
    boat = Boat()
    boat.advance(hours * HOUR_S)
    return boat


def test_two_days_stay_within_bounds() -> None:
    boat = Boat()
    stages: set[tuple[str, str]] = set()
    for _ in range(48 * 12):
        boat.advance(300)
        assert 0.3 < boat.soc <= 1
        assert 12.3 < boat.voltage_v < 14.25
        # The packs share what flows, and none is charged by the other for long.
        assert boat.current_a == pytest.approx(
            boat.solar_charger.current_a
            + boat.multiplus_a
            - boat.dc_load_w / boat.voltage_v,
            abs=1.0,
        )
        assert abs(boat.packs[0].soc - boat.packs[1].soc) < 0.05
        assert boat.mains or boat.mains_w == 0
        stages |= {
            ("shore", boat.charger.state),
            ("sun", boat.solar_charger.state),
        }
    assert stages >= {("shore", stage) for stage in ChargeState}
    assert stages >= {
        ("sun", stage) for stage in ("off", "bulk", "absorption", "float")
    }


def test_energy_is_where_it_came_from() -> None:
    """What came in went into the packs, was used, or is the loss of the inverter."""
    boat = Boat()
    used_wh = 0.0
    begin_ah = sum(pack.soc * pack.capacity_ah for pack in boat.packs)
    charge_ah = 0.0
    for _ in range(24 * 120):
        charge_ah += boat.current_a * 30 / HOUR_S
        used_wh += (boat.ac_load_w + boat.dc_load_w) * 30 / HOUR_S
        boat.advance(30)
    left_ah = sum(pack.soc * pack.capacity_ah for pack in boat.packs)
    assert left_ah - begin_ah == pytest.approx(charge_ah, abs=2.5)
    energies = boat.energies
    given_wh = energies.solar + energies.mains + energies.discharged
    lost_wh = given_wh - energies.charged - used_wh
    assert 0.03 * given_wh < lost_wh < 0.2 * given_wh


def test_the_same_boat_each_time() -> None:
    first, second = after(7), after(7)
    assert (first.soc, first.voltage_v) == (second.soc, second.voltage_v)


def test_a_hand_on_battery_and_plug() -> None:
    boat = Boat()
    assert not boat.mains
    boat.switch_mains(on=True)
    boat.advance(60)
    assert boat.multiplus_a > 30
    assert boat.mains_w > 500
    boat.fill(0.08)
    assert boat.soc == pytest.approx(0.08)
    assert {pack.soc for pack in boat.packs} == {0.08}
    with pytest.raises(ValueError, match="empty and full"):
        boat.fill(1.1)
    with pytest.raises(ValueError, match="empty and full"):
        Boat(soc=-0.1)


def test_an_empty_boat_inverts_nothing() -> None:
    boat = Boat(soc=0.0, plan=PLAN)
    assert not boat.inverts
    assert (boat.ac_load_w, boat.dc_load_w) == (0, 0)
    multiplus, _ = fit_out(boat)
    assert multiplus.read()["device_state"] == "off"


@pytest.mark.parametrize("hours", [0.0, 3.0, 7.1, 12.0, 20.0, 36.0])
def test_decoded_values_are_those_of_the_boat(hours: float) -> None:
    boat = after(hours)
    heard = []
    for device in fit_out(boat):
        frame = device.transmit(0.0)
        assert frame is not None
        assert frame.name is not None
        assert len(frame.name) + 2 <= 31
        outcome = Decoder(device.identity.key).hear(frame.data, 0.0)
        assert isinstance(outcome, Reading)
        heard.append(outcome.values)
    multiplus, sun = heard
    assert multiplus["battery_current"] == pytest.approx(boat.multiplus_a, abs=0.3)
    assert multiplus["battery_voltage"] == pytest.approx(boat.voltage_v, abs=0.03)
    assert multiplus["active_ac_in_power"] == pytest.approx(boat.mains_w, abs=1)
    assert multiplus["ac_out_power"] == pytest.approx(boat.ac_load_w, abs=1)
    assert multiplus["active_ac_in"] == ("ac_in_1" if boat.mains else "not_connected")
    if not boat.mains:
        assert multiplus["device_state"] == "inverting"
    assert multiplus["soc"] is None
    assert sun["charge_state"] == boat.solar_charger.state
    assert sun["pv_power"] == pytest.approx(boat.pv_w, abs=1)
    assert sun["yield_today"] == pytest.approx(boat.yield_today_wh / 1000, abs=0.011)


def test_yield_begins_anew_each_morning() -> None:
    boat, before = after(8), 0.0
    assert boat.yield_today_wh > 500
    fell = 0
    for _ in range(96):
        before = boat.yield_today_wh
        boat.advance(900)
        fell += boat.yield_today_wh < before
    assert fell == 1


async def test_packs_tell_what_they_measure_when_they_are_asked() -> None:
    boat = after(2)
    packs = fit_packs(boat)
    boat.advance(HOUR_S)
    for bms, pack, identity in zip(packs, boat.packs, PACKS, strict=True):
        assert bms.address == identity.address
        await bms.request(b"")
        assert bms.battery == measure(pack, boat.voltage_v)
        assert bms.battery.soc == round(pack.soc * 100)
        assert sum(bms.battery.cells) == pytest.approx(boat.voltage_v, abs=0.01)
    assert [bms.battery.cycles for bms in packs] == [41, 39]


def test_identities_are_apart() -> None:
    devices = (*IDENTITIES, *OF_THE_CARAVAN)
    addresses = {each.address for each in devices} | {each.address for each in PACKS}
    assert len(addresses) == 7
    assert len({each.key[0] for each in devices}) == 5
    assert [device.identity for device in fit_out(Boat())] == list(IDENTITIES)
