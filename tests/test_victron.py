"""Victron devices, from an advertisement to the states of entities."""

import logging
import random
from types import MappingProxyType
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import bluetooth
from homeassistant.config_entries import SOURCE_BLUETOOTH, SOURCE_REAUTH, ConfigSubentry
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
)

from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.readings import Flags
from custom_components.bmw_wallbox_victron.sensors.battery_counters import (
    COUNTER_SENSORS,
)
from custom_components.bmw_wallbox_victron.victron.records import BY_KIND, Kind
from simulators.victron import advertise

from .kit.battery import fresh
from .kit.radio import CHARGER, ORION, SHUNT, Radio, callbacks
from .kit.site import Site
from .kit.time import let_pass
from .kit.victron import GOOD, KEY, Captured, captured, model_of

MONITOR = GOOD[Kind.BATTERY_MONITOR]
CHARGING = GOOD[Kind.AC_CHARGER]
OTHER = "C8:5A:1C:21:47:0F"
"""A second SmartShunt."""


def value(site: Site, key: str, address: str = SHUNT) -> str:
    """Give the state of a device's sensor."""
    return site.state(key, owner=address)


def add_device(site: Site, key: str, address: str = SHUNT) -> None:
    """Add a device."""
    site.hass.config_entries.async_add_subentry(
        site.entry,
        ConfigSubentry(
            subentry_type="victron_device",
            title=f"Victron {address[-2:]}",
            data=MappingProxyType({"address": address, "encryption_key": key}),
            unique_id=address,
        ),
    )


def entities_of(site: Site) -> list[er.RegistryEntry]:
    """Give the entities of the Victron devices."""
    registry = er.async_get(site.hass)
    found = er.async_entries_for_config_entry(registry, site.entry.entry_id)
    return [entity for entity in found if not entity.unique_id.startswith("battery_")]


def devices_of(site: Site) -> list[dr.DeviceEntry]:
    """Give the Victron devices of the site."""
    registry = dr.async_get(site.hass)
    found = dr.async_entries_for_config_entry(registry, site.entry.entry_id)
    return [device for device in found if device.connections]


def flows(hass: HomeAssistant, source: str) -> list[Any]:
    """Give the flows of our integration that somebody has to answer."""
    return [
        flow
        for flow in hass.config_entries.flow.async_progress_by_handler(DOMAIN)
        if flow["context"]["source"] == source
    ]


# What is shown


def _number_or_text(text: str) -> float | str | None:
    """Read a state back."""
    if text == "unknown":
        return None
    try:
        return float(text)
    except ValueError:
        return text


@pytest.mark.parametrize("item", captured(), ids=lambda item: item.model)
@pytest.mark.parametrize("caravan_keys", [{}])
async def test_captured(
    hass: HomeAssistant, radio: Radio, caravan: Site, item: Captured
) -> None:
    """Each captured advertisement becomes its published reading."""
    add_device(caravan, item.key.hex())
    await hass.async_block_till_done()
    radio.send(item.data)
    await hass.async_block_till_done()
    assert fresh(caravan) == "on"
    shown = {key: _number_or_text(value(caravan, key)) for key in item.values}
    assert shown == item.values


@pytest.mark.parametrize("kind", Kind)
async def test_every_kind(
    hass: HomeAssistant, radio: Radio, caravan: Site, kind: Kind
) -> None:
    """Each record becomes a device with the sensors that it carries, and no other."""
    radio.say(kind, GOOD[kind], model_id=model_of(kind))
    await hass.async_block_till_done()
    record = BY_KIND[kind]
    keys = {field.key for field in record.shown} | {"last_heard", "signal_strength"}
    if record.power_of:
        keys.add("power")
    entities = entities_of(caravan)
    assert {entity.unique_id for entity in entities if entity.domain == "sensor"} == {
        f"{SHUNT}_{key}" for key in keys
    }
    for key, said in GOOD[kind].items():
        expected = said.state if isinstance(said, Flags) else said
        assert _number_or_text(value(caravan, key)) == pytest.approx(expected), key


async def test_enabled_by_default(
    hass: HomeAssistant, radio: Radio, caravan_entry: MockConfigEntry
) -> None:
    """What the battery's device shows is off, and inputs that nothing hangs on."""
    assert await hass.config_entries.async_setup(caravan_entry.entry_id)
    await hass.async_block_till_done()
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    entities = entities_of(Site(hass, caravan_entry))
    assert {entity.unique_id for entity in entities if not entity.disabled} == {
        f"{SHUNT}_data_fresh",
        f"{SHUNT}_alarm",
        f"{SHUNT}_starter_voltage",
    }


@pytest.mark.parametrize("caravan_keys", [{SHUNT: KEY.hex(), OTHER: KEY.hex()}])
@pytest.mark.parametrize(("main", "second"), [(SHUNT, OTHER), (OTHER, SHUNT)])
async def test_a_second_monitor_has_its_own_on(
    hass: HomeAssistant,
    radio: Radio,
    caravan_entry: MockConfigEntry,
    main: str,
    second: str,
) -> None:
    """Only what the battery's device shows of its monitor is off."""
    hass.config_entries.async_update_entry(
        caravan_entry, options={"main_monitor": main}
    )
    assert await hass.config_entries.async_setup(caravan_entry.entry_id)
    await hass.async_block_till_done()
    for address in (main, second):
        radio.say(Kind.BATTERY_MONITOR, MONITOR, address)
    # What was discovered is still being looked at.
    await hass.async_block_till_done(wait_background_tasks=True)
    entities = entities_of(Site(hass, caravan_entry))
    on = {entity.unique_id for entity in entities if not entity.disabled}
    canonical = {"voltage", "current", "power", "soc", "time_to_go", "consumed_ah"}
    assert on & {f"{main}_{key}" for key in canonical} == set()
    assert on >= {f"{second}_{key}" for key in canonical}


async def test_device(hass: HomeAssistant, radio: Radio, caravan: Site) -> None:
    """The device says what it is, as soon as that is heard."""
    (device,) = devices_of(caravan)
    assert (device.name, device.model) == ("Victron 01", None)
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    (device,) = devices_of(caravan)
    assert device.identifiers == {(DOMAIN, SHUNT)}
    assert device.connections == {("bluetooth", SHUNT)}
    assert device.manufacturer == "Victron Energy"
    assert (device.model, device.model_id) == ("SmartShunt 500A/50mV", "0xA389")


@pytest.mark.parametrize(
    ("names", "state"),
    [
        ((), "none"),
        (("engine_shutdown",), "engine_shutdown"),
        (("engine_shutdown", "no_input_power"), "no_input_power"),
    ],
)
async def test_flags(
    hass: HomeAssistant, radio: Radio, caravan: Site, names: tuple[str, ...], state: str
) -> None:
    """The lowest flag is the state, all of them are in the attribute."""
    said = {**GOOD[Kind.DC_DC_CONVERTER], "charge_state": "off", "off_reason": names}
    radio.say(Kind.DC_DC_CONVERTER, said)
    await hass.async_block_till_done()
    found = hass.states.get(caravan.entity_id("sensor", "off_reason", SHUNT))
    assert found is not None
    assert found.state == state
    assert set(found.attributes["flags"]) == set(names)


# How long it counts


async def test_silence(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """A device that falls silent counts for the timeout and 2 s more at most."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    await let_pass(hass, freezer, 0.9)
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    last = dt_util.utcnow()
    await let_pass(hass, freezer, 299.5)
    assert fresh(caravan) == "on"
    assert value(caravan, "voltage") == "12.9"
    await let_pass(hass, freezer, 2.4)
    assert fresh(caravan) == "off"
    assert value(caravan, "voltage") == value(caravan, "alarm") == "unavailable"
    assert value(caravan, "signal_strength") == "unavailable"
    assert dt_util.parse_datetime(value(caravan, "last_heard")) == last.replace(
        microsecond=0
    )
    await let_pass(hass, freezer, 3600)
    radio.say(Kind.BATTERY_MONITOR, MONITOR | {"voltage": 13.1})
    await hass.async_block_till_done()
    assert fresh(caravan) == "on"
    assert value(caravan, "voltage") == "13.1"


async def test_identical_advertisements(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """A device that repeats itself for an hour is alive, and writes nothing.

    But what flows all the time is counted: each five minutes at most.
    """
    data = radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await let_pass(hass, freezer, 2)
    writes: list[str] = []

    @callback
    def note(event: Event[Any]) -> None:
        writes.append(event.data["entity_id"])

    hass.bus.async_listen("state_changed", note)
    hass.bus.async_listen("state_reported", note, event_filter=callback(lambda _: True))
    for _ in range(60):
        await let_pass(hass, freezer, 60)
        radio.send(data)
    await hass.async_block_till_done()
    assert fresh(caravan) == "on"
    counters = {
        caravan.entity_id("sensor", each.key, "battery")
        for each in COUNTER_SENSORS
        if each.key in caravan.entry.runtime_data.data.battery_tells
    }
    assert set(writes) - counters == {caravan.entity_id("sensor", "last_heard", SHUNT)}
    assert all(writes.count(each) <= 2 * 13 for each in counters)


async def test_timeout_is_an_option(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """How long a device counts is an option; a reload forgets nothing."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    hass.config_entries.async_update_entry(
        caravan.entry, options={"freshness_timeout": 30}
    )
    await let_pass(hass, freezer, 1)
    assert value(caravan, "voltage") == "12.9"
    await let_pass(hass, freezer, 28)
    assert fresh(caravan) == "on"
    await let_pass(hass, freezer, 3)
    assert fresh(caravan) == "off"


async def test_from_before_the_start(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    radio: Radio,
    caravan_entry: MockConfigEntry,
) -> None:
    """What Home Assistant remembers from before it started does not count."""
    assert await async_setup_bluetooth(hass)
    data = radio.say(Kind.BATTERY_MONITOR, MONITOR, age_s=5)
    assert await hass.config_entries.async_setup(caravan_entry.entry_id)
    await hass.async_block_till_done()
    site = Site(hass, caravan_entry)
    assert fresh(site) == "off"
    await let_pass(hass, freezer, 1)
    radio.send(data)
    await hass.async_block_till_done()
    assert fresh(site) == "on"


async def async_setup_bluetooth(hass: HomeAssistant) -> bool:
    """Set up Home Assistant's bluetooth stack."""
    return await async_setup_component(hass, bluetooth.DOMAIN, {})


async def test_late_advertisement(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """What arrives late counts from when it was heard."""
    await let_pass(hass, freezer, 400)
    radio.say(Kind.BATTERY_MONITOR, MONITOR, age_s=299)
    await hass.async_block_till_done()
    assert fresh(caravan) == "on"
    await let_pass(hass, freezer, 3)
    assert fresh(caravan) == "off"
    radio.say(Kind.BATTERY_MONITOR, MONITOR, age_s=301)
    await hass.async_block_till_done()
    assert fresh(caravan) == "off"


async def test_restart(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """After a restart a device has its entities before it is heard."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    await hass.config_entries.async_unload(caravan.entry.entry_id)
    await let_pass(hass, freezer, 60)
    hass.data[f"{DOMAIN}_started"] = bluetooth.MONOTONIC_TIME()
    assert await hass.config_entries.async_setup(caravan.entry.entry_id)
    await hass.async_block_till_done()
    assert value(caravan, "voltage") == "unavailable"
    assert fresh(caravan) == "off"
    assert value(caravan, "last_heard") == "unknown"


async def test_two_receivers(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """One that passes on advertisements late does not turn time back."""
    old = radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await let_pass(hass, freezer, 2)
    radio.say(Kind.BATTERY_MONITOR, MONITOR | {"voltage": 13.2})
    await hass.async_block_till_done()
    await let_pass(hass, freezer, 2)
    radio.send(old, source="24:6F:28:00:00:02")
    await let_pass(hass, freezer, 2)
    assert value(caravan, "voltage") == "13.2"
    # The device began to count anew: only this receiver hears it now.
    await let_pass(hass, freezer, 20)
    radio.send(old, source="24:6F:28:00:00:02")
    await hass.async_block_till_done()
    assert value(caravan, "voltage") == "12.9"


async def test_set_up_anew(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """A shunt that becomes an energy meter has the entities of one."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    await let_pass(hass, freezer, 2)
    radio.say(Kind.DC_ENERGY_METER, GOOD[Kind.DC_ENERGY_METER])
    await let_pass(hass, freezer, 2)
    radio.say(Kind.DC_ENERGY_METER, GOOD[Kind.DC_ENERGY_METER])
    await hass.async_block_till_done()
    assert value(caravan, "monitor_mode") == "fridge"
    assert value(caravan, "soc") == "unknown"


# Bad advertisements


async def test_mutated_advertisements(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    radio: Radio,
    caravan: Site,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Noise costs nothing but itself, and the next good one is shown."""
    rng = random.Random(4)
    seen: set[str] = set()
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    voltage = caravan.entity_id("sensor", "voltage", SHUNT)

    @callback
    def look(event: Event[Any]) -> None:
        if event.data["entity_id"] == voltage and event.data["new_state"]:
            seen.add(event.data["new_state"].state)

    hass.bus.async_listen("state_changed", look)
    await let_pass(hass, freezer, 1)
    good = radio.say(Kind.BATTERY_MONITOR, MONITOR)
    for number in range(10_000):
        bad = bytearray(good)
        if number % 2:
            del bad[rng.randrange(len(bad)) :]
        for _ in range(rng.randint(1, 4) if bad else 0):
            bad[rng.randrange(len(bad))] ^= rng.randint(1, 255)
        radio.send(bytes(bad))
        if number % 20 == 0:
            good = radio.say(Kind.BATTERY_MONITOR, MONITOR)
        if number % 500 == 0:
            await let_pass(hass, freezer, 1)
    await let_pass(hass, freezer, 1)
    radio.say(Kind.BATTERY_MONITOR, MONITOR | {"voltage": 13.0})
    await let_pass(hass, freezer, 1)
    radio.say(Kind.BATTERY_MONITOR, MONITOR | {"voltage": 13.0})
    await hass.async_block_till_done()
    assert value(caravan, "voltage") == "13.0"
    assert all(8 <= float(state) <= 20 for state in seen - {"unknown", "unavailable"})
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]


# Keys


@pytest.mark.parametrize("caravan_keys", [{SHUNT: "ff" * 16}])
async def test_wrong_key(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    radio: Radio,
    caravan: Site,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A key that does not fit is asked for, once, and said once in the log."""
    for _ in range(60):
        radio.say(Kind.BATTERY_MONITOR, MONITOR)
        await let_pass(hass, freezer, 1)
    (flow,) = flows(hass, SOURCE_REAUTH)
    assert flow["step_id"] == "reauth_confirm"
    assert fresh(caravan) == "off"
    said = [record for record in caplog.records if "encryption key" in record.message]
    assert len(said) == 1
    assert KEY.hex() not in caplog.text
    assert "ff" * 16 not in caplog.text
    result = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"encryption_key": KEY.hex(" ").upper()}
    )
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    assert value(caravan, "voltage") == "12.9"
    assert not flows(hass, SOURCE_REAUTH)


async def test_key_was_changed_and_back(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    radio: Radio,
    caravan: Site,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where the key fits again, nobody is asked for it any more."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await let_pass(hass, freezer, 1)
    for _ in range(10):
        radio.say(Kind.BATTERY_MONITOR, MONITOR, key=bytes(16))
        await let_pass(hass, freezer, 1)
    assert len(flows(hass, SOURCE_REAUTH)) == 1
    for _ in range(3):
        radio.say(Kind.BATTERY_MONITOR, MONITOR)
        await let_pass(hass, freezer, 1)
    assert not flows(hass, SOURCE_REAUTH)
    assert "The encryption key fits Victron 01 again" in caplog.text


@pytest.mark.parametrize(
    "caravan_keys", [{SHUNT: "ff" * 16, CHARGER: "fe" * 16}, {SHUNT: "?", CHARGER: ""}]
)
async def test_two_wrong_keys(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """Keys are asked for one after the other."""
    for address in (CHARGER, SHUNT):
        for _ in range(2):
            for _ in range(10):
                for each in (SHUNT, CHARGER):
                    radio.say(Kind.BATTERY_MONITOR, MONITOR, each)
                await let_pass(hass, freezer, 1)
            found = flows(hass, SOURCE_REAUTH)
            if found and address == SHUNT:
                break
        (flow,) = flows(hass, SOURCE_REAUTH)
        result = await hass.config_entries.flow.async_configure(
            flow["flow_id"], {"encryption_key": KEY.hex()}
        )
        assert result["reason"] == "reauth_successful"
        await hass.async_block_till_done()
    for each in (SHUNT, CHARGER):
        radio.say(Kind.BATTERY_MONITOR, MONITOR, each)
    await hass.async_block_till_done()
    assert not flows(hass, SOURCE_REAUTH)
    assert fresh(caravan) == fresh(caravan, CHARGER) == "on"


@pytest.mark.parametrize(
    ("kind", "voltage"),
    [
        (Kind.BATTERY_MONITOR, "voltage"),
        (Kind.SOLAR_CHARGER, "battery_voltage"),
        (Kind.DC_DC_CONVERTER, "output_voltage"),
    ],
)
async def test_every_wrong_key(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    radio: Radio,
    caravan: Site,
    kind: Kind,
    voltage: str,
) -> None:
    """Of 256 wrong keys none shows a value: refused, or found out within a minute."""
    rng = random.Random(256)
    minute = []
    for number in range(60):
        said = GOOD[kind] | {voltage: 13.2 + rng.uniform(-0.05, 0.05)}
        minute.append(
            advertise(kind, said, key=KEY, counter=number, model_id=model_of(kind))
        )
    refused = found_out = 0
    for first in range(256):
        key = bytes((first, *rng.randbytes(15)))
        # A wrong key that the device's check cannot tell from its own is the worst.
        if first < 128:
            key = bytes((KEY[0], *key[1:]))
        manager = hass.config_entries.subentries
        address = f"F8:5C:00:00:01:{first:02X}"
        radio.send(minute[0], address)
        result = await manager.async_init(
            (caravan.entry.entry_id, "victron_device"), context={"source": "user"}
        )
        result = await manager.async_configure(
            result["flow_id"], {"address": address, "encryption_key": key.hex()}
        )
        if result["type"] == "form":
            assert result["errors"] == {"encryption_key": "wrong_key"}
            manager.async_abort(result["flow_id"])
            refused += 1
            continue
        await hass.async_block_till_done()
        for data in minute:
            radio.send(data, address)
            await hass.async_block_till_done()
            assert fresh(caravan, address) == "off"
        assert flows(hass, SOURCE_REAUTH)
        found_out += 1
        (subentry,) = (
            each
            for each in caravan.entry.subentries.values()
            if each.unique_id == address
        )
        hass.config_entries.async_remove_subentry(caravan.entry, subentry.subentry_id)
        await hass.async_block_till_done()
    assert refused + found_out == 256
    assert refused >= 128


# Removed


async def test_removed(hass: HomeAssistant, radio: Radio, caravan: Site) -> None:
    """With its subentry a device and its entities go, and it is discovered again."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    assert not flows(hass, SOURCE_BLUETOOTH)
    (subentry_id,) = caravan.entry.subentries
    hass.config_entries.async_remove_subentry(caravan.entry, subentry_id)
    await hass.async_block_till_done()
    assert not devices_of(caravan)
    assert not entities_of(caravan)
    await hass.async_block_till_done(wait_background_tasks=True)
    (flow,) = flows(hass, SOURCE_BLUETOOTH)
    assert flow["context"]["unique_id"] == SHUNT


async def test_entry_removed(hass: HomeAssistant, radio: Radio, caravan: Site) -> None:
    """With the entry all go, and are discovered again."""
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    await hass.config_entries.async_remove(caravan.entry.entry_id)
    await hass.async_block_till_done()
    await hass.async_block_till_done(wait_background_tasks=True)
    (flow,) = flows(hass, SOURCE_BLUETOOTH)
    assert flow["context"]["unique_id"] == SHUNT


@pytest.mark.parametrize("how", ["unload", "remove the device", "stop"])
async def test_the_end_of_listening(
    hass: HomeAssistant, radio: Radio, caravan: Site, how: str
) -> None:
    """No callback outlives the entry, its device or Home Assistant."""
    with callbacks() as active:
        assert await hass.config_entries.async_reload(caravan.entry.entry_id)
        await hass.async_block_till_done()
        before = len(active)
        add_device(caravan, KEY.hex(), ORION)
        await hass.async_block_till_done()
        assert len(active) > before > 0
        if how == "unload":
            await hass.config_entries.async_unload(caravan.entry.entry_id)
        elif how == "stop":
            hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
        else:
            for subentry_id in tuple(caravan.entry.subentries):
                hass.config_entries.async_remove_subentry(caravan.entry, subentry_id)
        await hass.async_block_till_done()
        assert active == []


# What does not belong


async def test_other_frames(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """Those of a VE.Smart network count as if they were not there."""
    rng = random.Random(10)
    for second in range(30):
        radio.say(Kind.BATTERY_MONITOR, MONITOR | {"voltage": 12.5 + second % 2})
        for first in (0x02, 0x00, 0xFF):
            radio.send(bytes((first, *rng.randbytes(rng.randrange(20)))))
        await let_pass(hass, freezer, 1)
        assert value(caravan, "voltage") == str(12.5 + second % 2)
    for _ in range(310):
        radio.send(bytes((0x02, *rng.randbytes(15))))
        await let_pass(hass, freezer, 1)
    # They are no sign of life either.
    assert fresh(caravan) == "off"


@pytest.mark.parametrize("moving", [True, False])
async def test_replay(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    radio: Radio,
    caravan: Site,
    moving: bool,
) -> None:
    """Yesterday's advertisements beside the real ones never show."""
    yesterday = [
        advertise(
            Kind.BATTERY_MONITOR,
            MONITOR | {"soc": 90.0, "voltage": 13.1},
            key=KEY,
            counter=40_000 + number * moving,
            model_id=0xA389,
        )
        for number in range(400)
    ]
    radio.say(Kind.BATTERY_MONITOR, MONITOR)
    await hass.async_block_till_done()
    for second in range(200):
        radio.send(yesterday[2 * second])
        await let_pass(hass, freezer, 0.5)
        radio.send(yesterday[2 * second + 1], source="24:6F:28:00:00:02")
        if second % 5:
            radio.say(Kind.BATTERY_MONITOR, MONITOR)
        await let_pass(hass, freezer, 0.5)
        assert value(caravan, "soc") == "61.0"
        assert value(caravan, "voltage") == "12.9"


async def test_counter_anew(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """A device that restarts is shown again within half a minute."""
    radio.counters[SHUNT] = 5000
    for _ in range(5):
        radio.say(Kind.BATTERY_MONITOR, MONITOR)
        await let_pass(hass, freezer, 1)
    radio.counters[SHUNT] = 0
    for _ in range(25):
        radio.say(Kind.BATTERY_MONITOR, MONITOR | {"voltage": 13.3})
        await let_pass(hass, freezer, 1)
    assert value(caravan, "voltage") == "13.3"


async def test_garbage(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """Garbage under a device's address asks for no key and shows nothing."""
    rng = random.Random(14)
    data = radio.say(Kind.BATTERY_MONITOR, MONITOR)
    for second in range(120):
        for _ in range(10):
            radio.send(data[:5] + rng.randbytes(len(data) - 5))
        if second % 3 == 0:
            radio.say(Kind.BATTERY_MONITOR, MONITOR)
        await let_pass(hass, freezer, 1)
        assert not flows(hass, SOURCE_REAUTH)
        assert value(caravan, "voltage") == "12.9"
    # Nor while the device itself is silent.
    for _ in range(120):
        for _ in range(10):
            radio.send(data[:5] + rng.randbytes(len(data) - 5))
        await let_pass(hass, freezer, 1)
    assert not flows(hass, SOURCE_REAUTH)


@pytest.mark.parametrize(
    ("changed", "shown"),
    [({"current": 2095.0}, None), ({"soc": 100.0, "consumed_ah": 0.0}, "100.0")],
)
async def test_leap(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    radio: Radio,
    caravan: Site,
    changed: dict[str, Any],
    shown: str | None,
) -> None:
    """What is possible but large waits for 10 s; what no model measures never shows."""
    for _ in range(3):
        radio.say(Kind.BATTERY_MONITOR, MONITOR)
        await let_pass(hass, freezer, 1)
    radio.say(Kind.BATTERY_MONITOR, MONITOR | changed)
    await let_pass(hass, freezer, 9)
    assert value(caravan, "soc") == "61.0"
    await let_pass(hass, freezer, 1.1)
    assert value(caravan, "soc") == (shown or "61.0")
    assert value(caravan, "current") == "-3.25"
