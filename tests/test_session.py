"""A charging session on the socket, and what Home Assistant shows of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
import logging
import re
import time
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import (
    Event,
    EventStateChangedData,
    HomeAssistant,
    callback,
)
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.bmw_wallbox_victron.const import DOMAIN
from simulators.wallbox import DELTA, Car, RegisterRestarts, SimulatedWallbox

from .kit.site import CHARGE_POINT_ID, Site, settle

# What a wallbox does, whichever Home Assistant it is shown by.
pytestmark = [pytest.mark.any_homeassistant, pytest.mark.usefixtures("unpaced")]

MakeWallbox = Callable[..., SimulatedWallbox]

LIVE = ("power", "current", "current_l1")
#: A single-phase car at the full 32 A draws about this, W.
FULL_POWER = pytest.approx(7360, rel=0.05)


async def later(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    seconds: float,
    *wallboxes: SimulatedWallbox,
) -> None:
    """Let time pass, for Home Assistant and for the wallboxes.

    What is on the wire is answered first: it would take its time-out otherwise.
    """
    await settle(hass, *wallboxes)
    freezer.tick(seconds)
    async_fire_time_changed(hass, dt_util.utcnow())
    for wallbox in wallboxes:
        await wallbox.tick(seconds)
    await settle(hass, *wallboxes)


async def test_a_session_step_by_step(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Boot, status, plug, start, updates, end: the right state at every step."""
    assert site.state("status") == "disconnected"
    assert site.binary("connected") == STATE_OFF
    assert site.state("power") == STATE_UNAVAILABLE
    assert site.state("charging_state") == STATE_UNAVAILABLE

    wallbox = make_wallbox(register_wh=1_000_000)
    await wallbox.connect()
    await settle(hass, wallbox)
    assert site.binary("connected") == STATE_ON
    assert site.states("status", "charging_state", "connector_status") == {
        "status": "available",
        "charging_state": "idle",
        "connector_status": "available",
    }
    assert site.binary("cable_connected") == STATE_OFF
    assert site.binary("charging") == STATE_OFF
    assert {site.state(key) for key in LIVE} == {"0.0"}
    assert site.state("phases_used") == "0"

    await wallbox.plug_in(Car(phases=1))
    await settle(hass, wallbox)
    assert site.binary("cable_connected") == STATE_ON
    assert site.binary("charging") == STATE_ON
    assert site.states("status", "charging_state", "connector_status") == {
        "status": "charging",
        "charging_state": "charging",
        "connector_status": "occupied",
    }
    assert site.number("energy_session") == 0
    assert site.state("session_started") != STATE_UNKNOWN

    await later(hass, freezer, 60, wallbox)
    assert site.number("power") == FULL_POWER
    assert site.number("current") == pytest.approx(32, abs=0.5)
    assert site.number("current_l1") == site.number("current")
    assert site.number("voltage") == pytest.approx(230, abs=10)
    assert site.state("phases_used") == "1"

    await later(hass, freezer, 3600, wallbox)
    delivered = (wallbox.charger.register_wh - 1_000_000) / 1000
    assert delivered > 7
    assert site.number("energy_session") == pytest.approx(delivered, abs=0.03)
    assert site.number("energy_total") == pytest.approx(1000 + delivered, abs=0.03)

    await wallbox.car_pauses()
    await settle(hass, wallbox)
    assert site.states("status", "charging_state") == {
        "status": "car_paused",
        "charging_state": "suspended_ev",
    }
    assert site.number("power") == 0
    assert site.number("current") == 0

    await wallbox.unplug()
    await settle(hass, wallbox)
    assert site.states("status", "charging_state") == {
        "status": "available",
        "charging_state": "idle",
    }
    assert {site.state(key) for key in (*LIVE, "voltage", "voltage_l1")} == {"0.0"}
    assert site.binary("cable_connected") == STATE_OFF
    assert site.number("energy_session") == pytest.approx(delivered, abs=0.03)


async def test_three_phases(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A 16 A three-phase session shows each phase."""
    wallbox = make_wallbox(phases=3, max_current_a=16)
    await wallbox.connect()
    await wallbox.plug_in(Car(phases=3, max_current_a=16))
    await later(hass, freezer, 60, wallbox)
    for phase in (1, 2, 3):
        assert site.number(f"current_l{phase}") == pytest.approx(16, abs=0.5)
        assert site.number(f"voltage_l{phase}") == pytest.approx(230, abs=10)
    assert site.number("current") == pytest.approx(16, abs=0.5)
    assert site.number("power") == pytest.approx(3 * 16 * 230, rel=0.05)
    assert site.state("phases_used") == "3"


@pytest.mark.parametrize(
    ("box", "phases"),
    [
        ({"phases": 1}, 1),
        ({"quirks": replace(DELTA, zero_volts_on_absent_phases=True)}, 1),
        ({"phases": 3}, 3),
    ],
    ids=["single-phase", "zeros for the others", "three-phase"],
)
async def test_a_phase_is_shown_once_it_is_told_of(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    box: dict[str, Any],
    phases: int,
) -> None:
    """The car may use one alone; and what was told of once stays, away or not."""

    def shown() -> set[str]:
        found = er.async_entries_for_device(er.async_get(hass), site.device().id)
        keys = (
            entity.unique_id.removeprefix(f"{CHARGE_POINT_ID}_") for entity in found
        )
        return {key for key in keys if re.fullmatch("(current|voltage)_l.", key)}

    def of(count: int) -> set[str]:
        numbers = range(1, count + 1)
        return {f"{each}_l{n}" for each in ("current", "voltage") for n in numbers}

    assert shown() == of(1)
    wallbox = make_wallbox(**box)
    await wallbox.connect()
    await settle(hass, wallbox)
    assert shown() == of(1)
    await wallbox.plug_in(Car(phases=1))
    await later(hass, freezer, 60, wallbox)
    assert shown() == of(phases)
    await wallbox.disconnect()
    await hass.config_entries.async_reload(site.entry.entry_id)
    await hass.async_block_till_done()
    assert {key: site.state(key) for key in of(phases)} == dict.fromkeys(
        of(phases), STATE_UNAVAILABLE
    )


async def test_a_second_session_starts_from_zero(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """The energy of a session is its own, the total goes on."""
    wallbox = make_wallbox(register_wh=500_000)
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 1800, wallbox)
    await wallbox.unplug()
    await settle(hass, wallbox)
    first = site.number("energy_session")
    assert first > 3
    await later(hass, freezer, 600, wallbox)
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    assert site.number("energy_session") == pytest.approx(0, abs=0.03)
    await later(hass, freezer, 900, wallbox)
    assert site.number("energy_session") == pytest.approx(first / 2, rel=0.05)
    assert site.number("energy_total") == pytest.approx(500 + first * 1.5, rel=0.01)


async def test_details_of_the_protocol(
    hass: HomeAssistant, all_entities: Site, make_wallbox: MakeWallbox
) -> None:
    """The diagnostic sensors, off by default, follow the transaction."""
    site = all_entities
    wallbox = make_wallbox(replace(DELTA, auth_enabled=True))
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await wallbox.authorize("04A1B2C3")
    await settle(hass, wallbox)
    assert wallbox.transaction is not None
    assert site.state("transaction_id") == wallbox.transaction.id
    assert site.state("id_token") == "04A1B2C3"
    assert site.state("event_type") == "updated"
    # The newest of three: the last one is asked for, where it is in time.
    reasons = ("authorized", "charging_state_changed", "trigger")
    assert site.state("trigger_reason") in reasons
    assert int(site.state("sequence_number")) == wallbox.transaction.seq_no - 1
    await wallbox.unplug()
    await settle(hass, wallbox)
    assert site.state("event_type") == "ended"
    assert site.state("stopped_reason") == "ev_disconnected"
    assert site.state("transaction_id") == STATE_UNKNOWN
    await wallbox.send_call("Heartbeat", {})
    await hass.async_block_till_done()
    assert dt_util.parse_datetime(site.state("last_heartbeat")) is not None


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"meter_values_missing_in_updates": True},
        {"metering_settings_rejected": True},
        {"energy_measurand_omitted": True, "unit_multiplier": 3},
        {"get_variables_rejected_in_bulk": True},
        {"duplicate_frames": True},
        {"percent_encoded_path": True},
        {"clock_offset_s": 3600.0},
        {"clock_offset_s": -3600.0},
        {"identity_unknown": True},
        {"notify_ev_charging_needs": True, "cleared_charging_limit": True},
    ],
    ids=str,
)
async def test_live_values_whatever_the_box_is_like(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    change: dict[str, Any],
) -> None:
    """Every way of metering ends in the same readings, set or polled."""
    wallbox = make_wallbox(replace(DELTA, **change), register_wh=2_000_000)
    await wallbox.connect()
    await settle(hass, wallbox)
    await wallbox.plug_in(Car())
    for _ in range(12):
        await later(hass, freezer, 10, wallbox)
    assert site.state("status") == "charging"
    assert site.number("power") == FULL_POWER
    assert site.number("current") == pytest.approx(32, abs=0.5)
    delivered = (wallbox.charger.register_wh - 2_000_000) / 1000
    assert site.number("energy_session") == pytest.approx(delivered, abs=0.05)
    assert site.number("energy_total") == pytest.approx(2000 + delivered, abs=0.05)


async def test_metering_is_set_and_then_not_polled(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A box that does as it is told is not polled, nor its flash written again."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.wait_for_call("SetVariables")
    await settle(hass, wallbox)
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    assert site.number("power") == FULL_POWER
    for _ in range(6):
        await later(hass, freezer, 10, wallbox)
    asked = [
        call.payload["requestedMessage"] for call in wallbox.calls("TriggerMessage")
    ]
    assert asked.count("MeterValues") <= 1
    await wallbox.disconnect()
    await wallbox.connect(boot=False)
    await settle(hass, wallbox)
    assert len(wallbox.calls("SetVariables")) == 1


async def test_a_session_that_begins_is_asked_for_its_readings(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> None:
    """No zero is shown as the power of a car that charges until the first interval."""
    wallbox = make_wallbox(replace(DELTA, meter_values_missing_in_updates=True))
    await wallbox.connect()
    await settle(hass, wallbox)
    assert site.number("power") == 0
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    asked = [
        call.payload["requestedMessage"] for call in wallbox.calls("TriggerMessage")
    ]
    assert asked.count("MeterValues") == 1
    assert site.number("power") == FULL_POWER


async def test_nothing_is_polled_without_a_session(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A box in peace is left in peace."""
    wallbox = make_wallbox(replace(DELTA, metering_settings_rejected=True))
    await wallbox.connect()
    await settle(hass, wallbox)
    asked = len(wallbox.received_calls)
    for _ in range(10):
        await later(hass, freezer, 10, wallbox)
    assert len(wallbox.received_calls) == asked


async def test_readings_that_stop_coming_are_not_shown_as_live(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A box that goes on charging and says nothing: unknown, not an old number."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 20, wallbox)
    assert site.number("power") == FULL_POWER
    wallbox.quirks = replace(
        DELTA,
        meter_values_missing_in_updates=True,
        trigger_meter_values_rejected=True,
    )
    for _ in range(14):
        await later(hass, freezer, 10, wallbox)
    assert site.state("power") == STATE_UNKNOWN
    assert site.state("status") == "charging"


async def test_a_frozen_current_is_not_believed(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Current without a phase stands at an old value on Delta boxes."""
    wallbox = make_wallbox(
        replace(DELTA, frozen_unphased_current=True, frozen_current_a=13.4)
    )
    await wallbox.connect()
    await wallbox.plug_in(Car(max_current_a=20))
    await later(hass, freezer, 30, wallbox)
    assert site.number("current") == pytest.approx(20, abs=0.5)


@pytest.mark.parametrize(
    ("restarts", "zero"),
    [
        (RegisterRestarts.NEVER, True),
        (RegisterRestarts.AT_SESSION_START, False),
        (RegisterRestarts.AFTER_REBOOT, False),
        (RegisterRestarts.BOTH, True),
    ],
)
async def test_the_total_survives_the_register(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    restarts: RegisterRestarts,
    zero: bool,
) -> None:
    """Registers that restart or read zero: the total never falls and misses nothing."""
    totals: list[float] = []
    entity_id = site.entity_id("sensor", "energy_total")

    @callback
    def watch(event: Any) -> None:
        state = event.data["new_state"]
        if event.data["entity_id"] == entity_id and state.state != STATE_UNKNOWN:
            totals.append(float(state.state))

    hass.bus.async_listen("state_changed", watch)
    quirks = replace(DELTA, register_restarts=restarts, register_zero_readings=zero)
    wallbox = make_wallbox(quirks, register_wh=3_000_000)
    await wallbox.connect()
    delivered = 0.0
    for _ in range(3):
        await wallbox.plug_in(Car())
        await settle(hass, wallbox)
        for _ in range(6):
            await later(hass, freezer, 100, wallbox)
        delivered += wallbox.charger.session_wh / 1000
        await wallbox.unplug()
        await wallbox.reboot()
        await later(hass, freezer, 90, wallbox)
    assert totals == sorted(totals)
    start = (
        0
        if restarts in (RegisterRestarts.AT_SESSION_START, RegisterRestarts.BOTH)
        else 3000
    )
    assert totals[-1] - totals[0] == pytest.approx(delivered, abs=0.15)
    assert totals[-1] == pytest.approx(start + delivered, abs=0.15)


async def test_home_assistant_restarts_in_mid_session(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Transaction, session energy and total are kept; the rest is asked for."""
    wallbox = make_wallbox(register_wh=4_000_000)
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 1800, wallbox)
    before = site.states("energy_total", "energy_session", "session_started")

    await hass.config_entries.async_reload(site.entry.entry_id)
    await hass.async_block_till_done()
    assert site.state("status") == "disconnected"
    assert site.states("energy_total", "energy_session", "session_started") == before
    assert site.state("power") == STATE_UNAVAILABLE

    await wallbox.wait_closed()
    await wallbox.connect(boot=False)
    await settle(hass, wallbox)
    asked = [
        call.payload["requestedMessage"] for call in wallbox.calls("TriggerMessage")
    ]
    assert "TransactionEvent" in asked
    await later(hass, freezer, 20, wallbox)
    assert site.states("status", "charging_state") == {
        "status": "charging",
        "charging_state": "charging",
    }
    assert site.number("power") == FULL_POWER
    assert site.state("session_started") == before["session_started"]
    delivered = (wallbox.charger.register_wh - 4_000_000) / 1000
    assert site.number("energy_session") == pytest.approx(delivered, abs=0.05)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"get_variables_rejected_in_bulk": True},
        {"identity_unknown": True},
        {"trigger_transaction_event_rejected": True},
    ],
    ids=str,
)
async def test_a_box_that_does_not_boot_is_asked(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox, change: dict[str, Any]
) -> None:
    """Identity and status come from the device model when no BootNotification comes."""
    wallbox = make_wallbox(replace(DELTA, **change))
    await wallbox.connect(boot=False)
    await settle(hass, wallbox)
    device = site.device()
    assert device.model == "EIAW-E22KTSE6B04"
    assert device.serial_number == "SIM0000001"
    assert device.sw_version == "01.20.06.71"
    assert site.state("status") == "available"


async def test_a_session_that_ended_while_home_assistant_was_away(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """The transaction is asked for, not believed to run for ever."""
    wallbox = make_wallbox(replace(DELTA, replay_queue=False))
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 600, wallbox)
    await wallbox.disconnect()
    await wallbox.unplug()
    await wallbox.connect(boot=False)
    await settle(hass, wallbox)
    await later(hass, freezer, 2, wallbox)
    assert site.states("status", "charging_state") == {
        "status": "available",
        "charging_state": "idle",
    }
    assert site.number("power") == 0


async def test_a_box_vanishes_and_replays_its_queue(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Replayed events count for energy and never show as live readings."""
    wallbox = make_wallbox(register_wh=5_000_000)
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 600, wallbox)
    before = site.states("energy_total", "energy_session")
    await wallbox.disconnect(abort=True)
    await hass.async_block_till_done()
    await site.until("status", "disconnected")
    assert {site.state(key) for key in (*LIVE, "voltage")} == {STATE_UNAVAILABLE}
    assert site.states("energy_total", "energy_session") == before

    # It goes on charging, the car leaves, another one comes, all unheard.
    freezer.tick(1200)
    await wallbox.tick(1200)
    await wallbox.unplug()
    first = (wallbox.charger.register_wh - 5_000_000) / 1000
    freezer.tick(600)
    await wallbox.tick(600)
    await wallbox.plug_in(Car(max_current_a=10))
    freezer.tick(600)
    await wallbox.tick(600)

    powers: list[str] = []
    entity_id = site.entity_id("sensor", "power")

    @callback
    def watch(event: Any) -> None:
        if event.data["entity_id"] == entity_id:
            powers.append(event.data["new_state"].state)

    hass.bus.async_listen("state_changed", watch)
    await wallbox.connect(boot=False)
    await settle(hass, wallbox)
    await later(hass, freezer, 20, wallbox)
    delivered = (wallbox.charger.register_wh - 5_000_000) / 1000
    assert site.number("energy_total") == pytest.approx(5000 + delivered, abs=0.05)
    assert site.number("energy_session") == pytest.approx(delivered - first, abs=0.05)
    assert site.number("power") == pytest.approx(2300, rel=0.05)
    shown = {
        float(power) for power in powers if power not in ("unknown", "unavailable")
    }
    assert max(shown) < 3000, "a replayed 7 kW was shown as live"


async def test_late_and_repeated_events_change_nothing_newer(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> None:
    """Older timestamps and repeated sequence numbers do not overwrite."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await settle(hass, wallbox)
    now = dt_util.utcnow()

    async def event(
        seq: int, age: float, power: float, wh: float, **extra: Any
    ) -> None:
        stamp = (now - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        await wallbox.send_call(
            "TransactionEvent",
            {
                "eventType": "Started" if seq == 0 else "Updated",
                "timestamp": stamp,
                "triggerReason": "MeterValuePeriodic",
                "seqNo": seq,
                "transactionInfo": {
                    "transactionId": "t-1",
                    "chargingState": extra.pop("state", "Charging"),
                },
                "meterValue": [
                    {
                        "timestamp": stamp,
                        "sampledValue": [
                            {"value": power, "measurand": "Power.Active.Import"},
                            {"value": wh},
                        ],
                    }
                ],
                **extra,
            },
        )
        await hass.async_block_till_done()

    await event(0, 100, 1000, 10_000)
    await event(3, 40, 3000, 12_000)
    assert site.number("power") == 3000
    await event(2, 60, 2000, 11_000, state="SuspendedEV")
    await event(3, 40, 9000, 12_000)
    await event(4, 80, 4000, 11_500, state="SuspendedEVSE")
    await event(5, 20, 5000, 12_500, offline=True)
    # What is replayed is shown once the queue is empty.
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=2))
    await hass.async_block_till_done()
    assert site.number("power") == 3000
    assert site.state("charging_state") == "charging"
    assert site.number("energy_session") == pytest.approx(2.5)
    await event(6, 10, 6000, 13_000)
    assert site.number("power") == 6000
    assert site.number("energy_session") == pytest.approx(3)
    assert site.number("energy_total") == pytest.approx(13)


async def test_old_meter_values_after_a_reconnect(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Meter values have no mark of being replayed but their timestamp."""
    wallbox = make_wallbox(
        replace(
            DELTA,
            meter_values_missing_in_updates=True,
            trigger_meter_values_rejected=True,
        )
    )
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)

    async def meter_values(stamp: str, power: float) -> None:
        reading = {"value": power, "measurand": "Power.Active.Import"}
        meter_value = [{"timestamp": stamp, "sampledValue": [reading]}]
        await wallbox.send_call("MeterValues", {"evseId": 1, "meterValue": meter_value})
        await settle(hass, wallbox)

    queued = wallbox.wire_now()
    await meter_values(queued, 7360)
    assert site.number("power") == 7360
    await wallbox.disconnect()
    freezer.tick(3600)
    await wallbox.tick(3600)
    await wallbox.connect(boot=False)
    await settle(hass, wallbox)
    await later(hass, freezer, 2, wallbox)
    await meter_values(queued, 7360)
    assert site.state("status") == "charging"
    assert site.state("power") == STATE_UNKNOWN
    await meter_values(wallbox.wire_now(), 1400)
    assert site.number("power") == 1400


async def test_status_with_an_old_timestamp(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> None:
    """It is a replay or of a clock that was set back: the box is asked how it is."""
    quirks = replace(DELTA, security_event_on_connect=False, replay_queue=False)
    wallbox = make_wallbox(quirks)
    await wallbox.connect()
    await settle(hass, wallbox)
    await wallbox.disconnect()
    await wallbox.inoperative()
    wallbox.quirks = replace(quirks, clock_offset_s=-3600.0)
    await wallbox.connect(boot=False)
    await wallbox.send_call(
        "StatusNotification",
        {
            "timestamp": wallbox.wire_now(),
            "connectorStatus": "Unavailable",
            "evseId": 1,
            "connectorId": 1,
        },
    )
    await settle(hass, wallbox)
    assert site.state("status") == "unavailable"


async def test_energies_have_whole_watt_hours(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> None:
    """No 1000.0000000000001 kWh."""
    wallbox = make_wallbox(register_wh=1_000_000.1)
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await wallbox.tick(77)
    await settle(hass, wallbox)
    for key in ("energy_total", "energy_session"):
        assert len(site.state(key).partition(".")[2]) <= 3


async def test_faults_and_service(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> None:
    """A faulted socket and one out of service show as such."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.fault()
    await settle(hass, wallbox)
    assert site.state("status") == "faulted"
    assert site.binary("cable_connected") == STATE_UNKNOWN
    await wallbox.clear_fault()
    await wallbox.inoperative()
    await settle(hass, wallbox)
    assert site.state("status") == "unavailable"


async def test_from_frame_to_state(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> None:
    """A reading is the sensor's state when its answer has arrived."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    started = time.perf_counter()
    await wallbox.tick(10)
    assert site.number("power") == FULL_POWER
    assert time.perf_counter() - started < 1, "0.1 s is the benchmark's business"


async def test_a_healthy_day_is_quiet(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A session logs nothing of ours above DEBUG, and no token at any level."""
    caplog.set_level(logging.DEBUG)
    caplog.clear()
    token = "04DEADBEEF1234"
    wallbox = make_wallbox(
        replace(DELTA, auth_enabled=True), password="secret-16-chars!"
    )
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await wallbox.authorize(token)
    await later(hass, freezer, 3600, wallbox)
    await wallbox.unplug()
    await settle(hass, wallbox)
    ours = [
        record
        for record in caplog.records
        if record.name.startswith(("custom_components.", "ocpp", "websockets.server"))
    ]
    assert [record for record in ours if record.levelno > logging.DEBUG] == []
    for record in ours:
        assert token not in record.getMessage()
        assert "secret-16-chars!" not in record.getMessage()


async def test_a_state_is_written_only_when_it_changed(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> None:
    """A Heartbeat, or the same reading again, writes nothing."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await settle(hass, wallbox)
    written: list[str] = []

    @callback
    def watch(event: Any) -> None:
        written.append(event.data["entity_id"])

    hass.bus.async_listen("state_changed", watch)
    hass.bus.async_listen(
        "state_reported", watch, event_filter=callback(lambda _: True)
    )
    for _ in range(5):
        await wallbox.send_call("Heartbeat", {})
    await settle(hass, wallbox)
    assert written == []


async def test_a_replayed_queue_is_no_news(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Sessions that came and went during an outage are counted, not acted out."""
    wallbox = make_wallbox(register_wh=1_000_000)
    await wallbox.connect()
    await settle(hass, wallbox)
    await wallbox.disconnect(abort=True)
    await site.until("status", "disconnected")
    for _ in range(3):
        await wallbox.plug_in(Car())
        freezer.tick(600)
        await wallbox.tick(600)
        await wallbox.unplug()

    seen: list[str] = []

    @callback
    def keep(event: Event[EventStateChangedData]) -> None:
        if (new := event.data["new_state"]) is not None:
            seen.append(new.state)

    watched = [
        site.entity_id("sensor", "status"),
        site.entity_id("binary_sensor", "charging"),
        site.entity_id("event", "session"),
    ]
    unsubscribe = async_track_state_change_event(hass, watched, keep)
    await wallbox.connect(boot=False)
    await later(hass, freezer, 2, wallbox)
    unsubscribe()
    assert not {"charging", "connected", STATE_ON} & set(seen)
    assert site.state("status") == "available"
    assert site.number("energy_total") == pytest.approx(
        wallbox.charger.register_wh / 1000, abs=0.01
    )
    sessions = await hass.services.async_call(
        DOMAIN,
        "get_sessions",
        {"device_id": site.device().id},
        blocking=True,
        return_response=True,
    )
    assert sessions is not None
    listed = sessions["sessions"]
    assert isinstance(listed, list)
    assert len(listed) == 3
