"""Random payloads: what `victron-ble` reads, and where we differ on purpose.

The purposeful differences, each with a reason:

- Sets of flags: the library knows one flag at a time and loses the reading (or raises)
  with two; so does any state that it does not know. Here that costs a name.
- Not available: a monitor's current as 0x3FFFFF and 0x1FFFFF, auxiliary values as
  0xFFFF (382.2 °C) or 0x7FFF, the SoC (0x3FF) of the Lynx BMS,
  the battery voltage (0x3FFF) and signed bytes of the Multi RS, the Orion XS' 0x7FFF.
- Signs: consumed Ah of the Lynx BMS is negative as published, the Orion XS' output is
  signed (an unsigned one reads 6553.4 A where 0.2 A flow back).
- Cells of the SmartLithium at the ends of the range: 2.6 and 3.86 V, not infinite.
- Units: a solar charger's yield in kWh as published, not in Wh.
- Short records: refused here, read with zeros or random bits there.
"""

from collections.abc import Mapping
from enum import Enum
import random
from typing import Any

import pytest
from victron_ble.devices import (
    AcCharger,
    BatteryMonitor,
    DcDcConverter,
    DcEnergyMeter,
    Device,
    Inverter,
    LynxSmartBMS,
    MultiRS,
    OrionXS,
    SmartBatteryProtect,
    SmartLithium,
    SolarCharger,
    VEBus,
)

from custom_components.bmw_wallbox_victron.victron.records import (
    BY_KIND,
    Field,
    Kind,
    Reading,
    decode,
)
from simulators.victron import encode

from ..kit.victron import GOOD

PAYLOADS_EACH = 2000

DEVICES: Mapping[Kind, type[Device]] = {
    Kind.SOLAR_CHARGER: SolarCharger,
    Kind.BATTERY_MONITOR: BatteryMonitor,
    Kind.INVERTER: Inverter,
    Kind.DC_DC_CONVERTER: DcDcConverter,
    Kind.SMART_LITHIUM: SmartLithium,
    Kind.AC_CHARGER: AcCharger,
    Kind.BATTERY_PROTECT: SmartBatteryProtect,
    Kind.LYNX_SMART_BMS: LynxSmartBMS,
    Kind.MULTI_RS: MultiRS,
    Kind.VE_BUS: VEBus,
    Kind.DC_ENERGY_METER: DcEnergyMeter,
    Kind.ORION_XS: OrionXS,
}

#: Our key -> the library's, where they differ.
THEIR_KEY = {
    Kind.SOLAR_CHARGER: {
        "battery_current": "battery_charging_current",
        "pv_power": "solar_power",
        "load_current": "external_device_load",
    },
    Kind.BATTERY_MONITOR: {"time_to_go": "remaining_mins"},
    Kind.DC_DC_CONVERTER: {"charge_state": "device_state"},
    Kind.SMART_LITHIUM: {"error": "error_flags"},
    Kind.AC_CHARGER: {
        f"output_{what}_{index}": f"output_{what}{index}"
        for what in ("voltage", "current")
        for index in (1, 2, 3)
    },
    Kind.BATTERY_PROTECT: {"alarm": "alarm_reason", "warning": "warning_reason"},
    Kind.LYNX_SMART_BMS: {
        "error": "error_flags",
        "time_to_go": "remaining_mins",
        "temperature": "battery_temperature",
    },
    Kind.MULTI_RS: {"ac_out_power": "active_ac_out_power"},
    Kind.VE_BUS: {
        "vebus_error": "error",
        "active_ac_in": "ac_in_state",
        "active_ac_in_power": "ac_in_power",
    },
    Kind.DC_ENERGY_METER: {"monitor_mode": "meter_type"},
    Kind.ORION_XS: {"charge_state": "device_state"},
}
#: What the library gives only as raw bits, or not at all.
OURS_ALONE = {
    (Kind.SMART_LITHIUM, "bms_flags"),
    (Kind.LYNX_SMART_BMS, "alarm"),
    (Kind.LYNX_SMART_BMS, "allow_to_charge"),
    (Kind.LYNX_SMART_BMS, "allow_to_discharge"),
}
MISSING = object()


def theirs(kind: Kind, field: Field, parsed: Mapping[str, Any]) -> object:
    """Give what the library says of a field, in our terms."""
    key = THEIR_KEY.get(kind, {}).get(field.key, field.key)
    if field.key.startswith("cell_voltage_"):
        value = parsed["cell_voltages"][int(field.key[-1]) - 1]
        return {float("-inf"): 2.6, float("inf"): 3.86}.get(value, value)
    if key == "temperature" and field.width == 16:
        kelvin = parsed.get("temperature_kelvin")
        return None if kelvin is None else round(kelvin - 273.15, 2)
    value = parsed.get(key) if field.when is not None else parsed[key]
    if value is None:
        return None
    raw = value.value if isinstance(value, Enum) else value
    if field.flags is not None:
        assert isinstance(raw, int)
        return raw
    if field.states is not None:
        return field.states.get(raw & field.mask, MISSING)
    if key == "yield_today" and kind is Kind.SOLAR_CHARGER:
        return raw / 1000
    if key == "consumed_ah" and kind is Kind.LYNX_SMART_BMS:
        return -raw + 0.0
    return raw


def differs_on_purpose(kind: Kind, field: Field, raw: int) -> bool:
    """Tell whether the library reads these bits wrongly."""
    if raw in field.not_available:
        return True
    return kind is Kind.ORION_XS and field.signed and raw >= 0x8000


def same(ours: object, their: object) -> bool:
    """Tell whether two values are the same but for the last bit of a float."""
    if isinstance(ours, float) and isinstance(their, float | int):
        return abs(ours - their) < 1e-9
    return ours == their


def payload(rng: random.Random, kind: Kind) -> bytes:
    """Make random bits with states and flags that the library knows."""
    record = BY_KIND[kind]
    bits = rng.getrandbits(8 * record.minimum_bytes)
    for field in record.fields:
        raw = None
        if rng.random() < 0.05 and field.not_available and field.states is None:
            raw = rng.choice(field.not_available)
        elif field.flags is not None and field.key != "bms_flags":
            raw = rng.choice([0, *(1 << bit for bit in field.flags)])
        elif field.states is not None:
            raw = rng.choice(list(field.states))
        if raw is not None:
            bits = bits & ~(field.mask << field.start) | raw << field.start
    return bits.to_bytes(record.minimum_bytes, "little")


@pytest.mark.parametrize("kind", DEVICES)
def test_random_payloads_agree(kind: Kind) -> None:
    rng = random.Random(kind)
    record, device = BY_KIND[kind], DEVICES[kind]("00" * 16)
    compared = 0
    while compared < PAYLOADS_EACH:
        plain = payload(rng, kind)
        reading = decode(record, plain)
        assert isinstance(reading, Reading)
        assert not set(reading.unknown) - {"bms_flags"} or kind is Kind.LYNX_SMART_BMS
        try:
            # It always gives its parsers a whole cipher block.
            parsed = device.parse_decrypted(plain.ljust(16, b"\0"))
        except ValueError:
            continue  # a state, or two flags, that the library does not know
        compared += 1
        bits = int.from_bytes(plain, "little")
        for field in record.fields:
            raw = bits >> field.start & field.mask
            if (kind, field.key) in OURS_ALONE:
                continue
            ours: object = reading.values[field.key]
            if field.flags is not None:
                ours = raw
            their = theirs(kind, field, parsed)
            if not same(ours, their) and not differs_on_purpose(kind, field, raw):
                pytest.fail(f"{field.key} {raw:#x}: {ours}, the library says {their}")


def test_each_purposeful_difference_is_one() -> None:
    def both(kind: Kind, key: str, raw: int) -> tuple[object, object]:
        record = BY_KIND[kind]
        field = next(field for field in record.fields if field.key == key)
        bits = int.from_bytes(encode(record.kind, GOOD[kind]), "little")
        if field.when is not None and record.selector:
            bits &= ~(record.selector.mask << record.selector.start)
            bits |= field.when << record.selector.start
        bits = bits & ~(field.mask << field.start) | raw << field.start
        plain = bits.to_bytes(record.minimum_bytes, "little")
        reading = decode(record, plain)
        assert reading is not None
        try:
            parsed = DEVICES[kind]("00" * 16).parse_decrypted(plain.ljust(16, b"\0"))
        except ValueError:
            return reading.values[key], "refused"
        return reading.values[key], theirs(kind, field, parsed)

    assert both(Kind.BATTERY_MONITOR, "current", 0x3FFFFF) == (None, -0.001)
    assert both(Kind.BATTERY_MONITOR, "current", 0x1FFFFF) == (None, 2097.151)
    assert both(Kind.BATTERY_MONITOR, "temperature", 0xFFFF) == (None, 382.2)
    assert both(Kind.DC_ENERGY_METER, "current", 0x3FFFFF) == (None, -0.001)
    assert both(Kind.LYNX_SMART_BMS, "soc", 0x3FF) == (None, 102.3)
    assert both(Kind.MULTI_RS, "battery_voltage", 0x3FFF) == (None, 163.83)
    assert both(Kind.MULTI_RS, "device_state", 252) == ("external_control", "refused")
    assert both(Kind.ORION_XS, "output_current", 0xFFFE) == (-0.2, 6553.4)
    assert both(Kind.ORION_XS, "charge_state", 99) == (None, "refused")
    flags, refused = both(Kind.DC_DC_CONVERTER, "off_reason", 0x81)
    assert refused == "refused"
    assert flags is not None
