"""What the tests of the Victron half share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
import json
from pathlib import Path
import random
from typing import Any

from custom_components.bmw_wallbox_victron.readings import Flags, Value
from custom_components.bmw_wallbox_victron.victron.records import (
    BY_KIND,
    Kind,
    Record,
)
from simulators.victron import seal

KEY = bytes.fromhex("aff4d0995b7d1e176c0c33ecb9e70dcd")
SHUNT = 0xA389

#: A good reading of each kind.
GOOD: Mapping[Kind, dict[str, Value]] = {
    Kind.SOLAR_CHARGER: {
        "charge_state": "bulk",
        "charger_error": "no_error",
        "battery_voltage": 13.2,
        "battery_current": 5.0,
        "yield_today": 0.4,
        "pv_power": 70,
        "load_current": 0.0,
    },
    Kind.BATTERY_MONITOR: {
        "voltage": 12.9,
        "current": -3.25,
        "consumed_ah": -40.0,
        "soc": 61.0,
        "time_to_go": 900,
        "starter_voltage": 12.6,
    },
    Kind.BATTERY_SENSE: {"voltage": 12.9, "temperature": 21.85},
    Kind.INVERTER: {
        "device_state": "inverting",
        "battery_voltage": 12.9,
        "ac_apparent_power": 230,
        "ac_voltage": 230.0,
        "ac_current": 1.0,
    },
    Kind.DC_DC_CONVERTER: {
        "charge_state": "bulk",
        "charger_error": "no_error",
        "input_voltage": 13.9,
        "output_voltage": 14.2,
    },
    Kind.SMART_LITHIUM: {
        **{f"cell_voltage_{cell}": 3.3 for cell in (1, 2, 3, 4)},
        "battery_voltage": 13.2,
        "balancer_status": "balanced",
        "battery_temperature": 20,
        "bms_flags": Flags.of(("allow_to_charge", "allow_to_discharge")),
    },
    Kind.INVERTER_RS: {
        "device_state": "inverting",
        "charger_error": "no_error",
        "battery_voltage": 52.0,
        "battery_current": -10.0,
        "pv_power": 100,
        "yield_today": 2.5,
        "ac_out_power": 600,
    },
    Kind.AC_CHARGER: {
        "charge_state": "float",
        "charger_error": "no_error",
        "output_voltage_1": 13.6,
        "output_current_1": 0.4,
        "temperature": 30,
    },
    Kind.BATTERY_PROTECT: {
        "device_state": "active",
        "output_state": "on",
        "error_code": "no_error",
        "input_voltage": 13.0,
        "output_voltage": 13.0,
    },
    Kind.LYNX_SMART_BMS: {
        "error": 0,
        "voltage": 26.0,
        "current": 12.0,
        "soc": 80.0,
        "consumed_ah": -40.0,
        "temperature": 18,
        "allow_to_charge": "yes",
    },
    Kind.MULTI_RS: {
        "device_state": "inverting",
        "charger_error": "no_error",
        "battery_current": -12.8,
        "battery_voltage": 51.71,
        "active_ac_in": "not_connected",
        "active_ac_in_power": 0,
        "ac_out_power": 722,
        "pv_power": 0,
        "yield_today": 5.32,
    },
    Kind.VE_BUS: {
        "device_state": "float",
        "vebus_error": 0,
        "battery_current": 23.2,
        "battery_voltage": 14.45,
        "active_ac_in": "ac_in_1",
        "active_ac_in_power": 1459,
        "ac_out_power": 1046,
        "alarm": "none",
        "battery_temperature": 32,
    },
    Kind.DC_ENERGY_METER: {
        "monitor_mode": "fridge",
        "voltage": 12.9,
        "current": -3.25,
    },
    Kind.ORION_XS: {
        "charge_state": "bulk",
        "charger_error": "no_error",
        "output_voltage": 14.2,
        "output_current": 30.0,
        "input_voltage": 13.9,
        "input_current": 32.0,
    },
    Kind.SMART_BMS: {"voltage_1": 12.56, "voltage_2": 12.55, "voltage_3": 12.15},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """An advertisement of a real device, and what it says."""

    kind: Kind
    model: str
    key: bytes
    data: bytes
    values: dict[str, float | str | None]


def captured() -> list[Captured]:
    """Give all captured advertisements."""
    path = Path(__file__).parents[1] / "victron" / "data" / "advertisements.json"
    return [
        Captured(
            kind=Kind(item["kind"]),
            model=item["model"],
            key=bytes.fromhex(item["key"]),
            data=bytes.fromhex(item["manufacturer_data"]),
            values=item["values"],
        )
        for item in json.loads(path.read_text())["advertisements"]
    ]


def model_of(kind: Kind) -> int:
    """Give a model that sends a kind's record."""
    return 0xA3A4 if kind is Kind.BATTERY_SENSE else SHUNT


def wrap(record: Record, plain: bytes, counter: int = 1, key: bytes = KEY) -> bytes:
    """Make the advertisement of a plain record."""
    return seal(
        plain,
        key=key,
        counter=counter,
        model_id=model_of(record.kind),
        record_type=record.type,
    )


def replayed(
    records: Iterable[Mapping[str, Any]], key: bytes = KEY, *, counter: int = 60_000
) -> list[tuple[float, bytes]]:
    """Make the advertisements of a device's `records` in the diagnostics.

    With when each was heard, in s. What was not decrypted is left out.
    """
    return [
        (
            each["at"],
            seal(
                bytes.fromhex(each["plain"]),
                key=key,
                counter=counter + each["counter"],
                model_id=each["model_id"],
                record_type=each["record_type"],
            ),
        )
        for each in records
        if each.get("plain") is not None
    ]


def noise(rng: random.Random, kind: Kind, counter: int) -> bytes:
    """Make what a wrong key that passes the check makes of any advertisement."""
    record = BY_KIND[kind]
    return wrap(record, rng.randbytes(record.minimum_bytes), counter)


def simple(value: Value) -> float | str | None:
    """Give a value as an entity would show it."""
    return value.state if isinstance(value, Flags) else value
