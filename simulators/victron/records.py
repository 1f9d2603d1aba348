"""The records of Instant Readout, as Victron publishes them.

From "Extra Manufacturer Data" (2022-12-14), row by row: start bit, number of bits,
meaning, unit and step, value that stands for "not available". Start bits are that
document's: they count the 32 bits of record type, nonce and key check as well. What it
leaves open is told where it stands.

Written for the simulator alone. The integration has a table of its own, and that both
say the same is what the tests of the round trip prove.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

HEADER_BITS: Final = 32
"""Where the first field of every record starts."""

_KELVIN: Final = -273.15


class Kind(StrEnum):
    """What sends a record."""

    SOLAR_CHARGER = "solar_charger"
    BATTERY_MONITOR = "battery_monitor"
    BATTERY_SENSE = "battery_sense"
    INVERTER = "inverter"
    DC_DC_CONVERTER = "dc_dc_converter"
    SMART_LITHIUM = "smart_lithium"
    INVERTER_RS = "inverter_rs"
    AC_CHARGER = "ac_charger"
    BATTERY_PROTECT = "battery_protect"
    LYNX_SMART_BMS = "lynx_smart_bms"
    MULTI_RS = "multi_rs"
    VE_BUS = "ve_bus"
    DC_ENERGY_METER = "dc_energy_meter"
    ORION_XS = "orion_xs"
    SMART_BMS = "smart_bms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bits:
    """A row of a record: some of its bits, and what they mean."""

    start: int
    """First bit, as the document counts them."""
    count: int
    """How many bits."""
    key: str
    """What the value is called."""
    absent: int = 0
    """The bits that stand for "not available"; 0 where none do."""
    aux: int | None = None
    """Which "aux input" the bits belong to; None: to none."""

    def encode(self, value: object) -> int:
        """Return the bits of a value."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Bits):
    """A number."""

    step: float = 1
    """What one more means, in the unit; negative: the record counts down."""
    unit: str | None = None
    """Its unit; None: a bare code."""
    base: float = 0
    """What the number 0 means, in the unit."""
    signed: bool = False
    """Whether it is in two's complement."""

    def encode(self, value: object) -> int:
        """Return the bits of a number; ValueError where it is too large or small."""
        if not isinstance(value, float | int):
            raise TypeError(f"{self.key} is a number, not {value!r}")
        number = round((value - self.base) / self.step)
        least = -(1 << self.count - 1) if self.signed else 0
        if not least <= number < least + (1 << self.count):
            raise ValueError(f"{self.key} cannot be {value}")
        return number % (1 << self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class State(Bits):
    """One of several states."""

    states: Mapping[str, int]
    """State -> number."""

    def encode(self, value: object) -> int:
        """Return the number of a state; ValueError where there is no such state."""
        if not isinstance(value, str) or value not in self.states:
            raise ValueError(f"{self.key} cannot be {value!r}")
        return self.states[value]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagSet(Bits):
    """Any of several flags."""

    flags: Mapping[str, int]
    """Flag -> its bits."""

    def encode(self, value: object) -> int:
        """Return the bits of some flags, named by an iterable or its `names`."""
        named = getattr(value, "names", value)
        if isinstance(named, str) or not hasattr(named, "__iter__"):
            raise TypeError(f"{self.key} is a set of flags, not {value!r}")
        bits = 0
        for name in named:
            bits |= self.flags[name]
        return bits


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSet(FlagSet):
    """Any of several flags of two bits each, of which those that are not set are 1."""

    def encode(self, value: object) -> int:
        """Return the bits of some flags: 1 is fine."""
        bits = FlagSet.encode(self, value)
        for flag in self.flags.values():
            pair = (flag.bit_length() - 1) // 2 * 2
            if not bits >> pair & 3:
                bits |= 1 << pair
        return bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one kind of device sends."""

    type: int
    """Its number in the advertisement."""
    rows: tuple[Bits, ...]
    """What it carries."""
    aux_input: Number | None = None
    """What tells which meaning the rows with `aux` have."""
    count: int = field(init=False)
    """How many bits, without the header."""

    def __post_init__(self) -> None:
        """Count the bits."""
        end = max(row.start + row.count for row in self.rows)
        object.__setattr__(self, "count", end - HEADER_BITS)


# --- States and flags, by the numbers of Victron's registers ---

#: VE_REG_DEVICE_STATE
_DEVICE_STATE: Final = {
    "off": 0,
    "low_power": 1,
    "fault": 2,
    "bulk": 3,
    "absorption": 4,
    "float": 5,
    "storage": 6,
    "equalize_manual": 7,
    "passthru": 8,
    "inverting": 9,
    "assisting": 10,
    "power_supply": 11,
    "sustain": 0xF4,
    "starting_up": 0xF5,
    "repeated_absorption": 0xF6,
    "recondition": 0xF7,
    "battery_safe": 0xF8,
    "load_detect": 0xF9,
    "blocked": 0xFA,
    "test": 0xFB,
    "external_control": 0xFC,
}
#: The same register of a Smart BatteryProtect.
_PROTECT_STATE: Final = {
    **{state: number for state, number in _DEVICE_STATE.items() if number != 0xF9},
    "active": 0xF9,
}
#: VE_REG_CHR_ERROR_CODE, by the errors that VictronConnect numbers
_CHARGER_ERROR: Final = {
    "no_error": 0,
    "battery_temperature_high": 1,
    "battery_voltage_high": 2,
    **{f"remote_temperature_sensor_{error}": error for error in (3, 4, 5)},
    **{f"remote_voltage_sense_{error}": error for error in (6, 7, 8)},
    "battery_high_ripple": 11,
    "battery_temperature_low": 14,
    "charger_temperature_high": 17,
    "charger_over_current": 18,
    "bulk_time_limit": 20,
    "current_sensor": 21,
    **{f"internal_temperature_sensor_{error}": error for error in (22, 23)},
    "fan": 24,
    "terminals_overheated": 26,
    "short_circuit": 27,
    "power_stage": 28,
    "over_charge_protection": 29,
    "input_voltage_high": 33,
    "input_current_high": 34,
    "input_power_high": 35,
    "input_shutdown_battery_voltage": 38,
    "input_shutdown_reverse_current": 39,
    "input_shutdown_failed": 40,
    **{f"inverter_shutdown_{error}": error for error in (41, 42)},
    "inverter_shutdown_ground_fault": 43,
    "inverter_overload": 50,
    "inverter_temperature_high": 51,
    "inverter_peak_current": 52,
    **{f"inverter_output_voltage_{error}": error for error in (53, 54)},
    **{f"inverter_self_test_{error}": error for error in (55, 56, 58)},
    "inverter_voltage_on_output": 57,
    "communication_lost": 65,
    "incompatible_device": 66,
    "bms_connection_lost": 67,
    **{f"network_misconfigured_{error}": error for error in range(68, 72)},
    **{f"pv_input_shutdown_{error}": error for error in range(80, 88)},
    "cpu_temperature_high": 114,
    "calibration_lost": 116,
    "incompatible_firmware": 117,
    "settings_lost": 119,
    "tester_failed": 121,
    **{f"internal_dc_voltage_{error}": error for error in (200, 201)},
    "residual_current_self_test": 202,
    **{f"internal_supply_voltage_{error}": error for error in (203, 205, 212, 215)},
}
#: VE_REG_ALARM_REASON, VE_REG_WARNING_REASON
_ALARM_REASON: Final = {
    "low_voltage": 0x0001,
    "high_voltage": 0x0002,
    "low_soc": 0x0004,
    "low_starter_voltage": 0x0008,
    "high_starter_voltage": 0x0010,
    "low_temperature": 0x0020,
    "high_temperature": 0x0040,
    "mid_voltage": 0x0080,
    "overload": 0x0100,
    "dc_ripple": 0x0200,
    "low_v_ac_out": 0x0400,
    "high_v_ac_out": 0x0800,
    "short_circuit": 0x1000,
    "bms_lockout": 0x2000,
    "bms_cable_failure": 0x4000,
}
#: VE_REG_DEVICE_OFF_REASON_2
_OFF_REASON: Final = {
    "no_input_power": 0x0001,
    "switched_off_switch": 0x0002,
    "switched_off_register": 0x0004,
    "remote_input": 0x0008,
    "protection_active": 0x0010,
    "pay_as_you_go_out_of_credit": 0x0020,
    "bms": 0x0040,
    "engine_shutdown": 0x0080,
    "analysing_input_voltage": 0x0100,
    "low_battery_temperature": 0x0200,
    "no_pv_power": 0x0400,
    "low_battery": 0x0800,
    "low_mains": 0x1000,
    "no_can_sync": 0x2000,
    "not_enough_inverters": 0x4000,
    "active_alarm": 0x8000,
}
#: VE_REG_BMS_FLAGS
_BMS_FLAG: Final = {
    "high_voltage_alarm": 1 << 9,
    "high_voltage_warning": 1 << 10,
    "low_voltage_alarm": 1 << 11,
    "low_voltage_warning": 1 << 12,
    "high_temperature_alarm": 1 << 15,
    "high_temperature_warning": 1 << 16,
    "low_temperature": 1 << 22,
    "internal_failure": 1 << 24,
    "allow_to_charge": 1 << 25,
    "allow_to_discharge": 1 << 26,
    "contactor": 1 << 28,
    "high_current": 1 << 29,
    "cell_imbalance": 1 << 30,
}
#: VE_REG_BMS_WARNINGS_ALARMS: of two bits each 2 is a warning, 3 an alarm.
_BMS_WARNED_OF: Final = {
    "low_cell_voltage": 0,
    "high_current": 2,
    "high_internal_temperature": 4,
    "contactor": 6,
    "bms_cable": 8,
    "load_disconnect": 10,
    "low_soc": 12,
    "high_temperature": 16,
}
_BMS_ALARM: Final = {
    **{name: 3 << bit for name, bit in _BMS_WARNED_OF.items()},
    **{f"{name}_warning": 2 << bit for name, bit in _BMS_WARNED_OF.items()},
}
_BALANCER: Final = {"unknown": 0, "balanced": 1, "balancing": 2, "imbalance": 3}
_OUTPUT: Final = {"shutdown": 0, "on": 1, "connecting": 2, "activating": 3, "off": 4}
_AC_IN: Final = {"ac_in_1": 0, "ac_in_2": 1, "not_connected": 2}
_VE_BUS_ALARM: Final = {"none": 0, "warning": 1, "alarm": 2}
#: VE_REG_BMS_IO: two bits each.
_ALLOWED: Final = {"yes": 1, "no": 2}
#: VE_REG_BMV_MONITOR_MODE: what gives is negative, what takes is positive.
_MONITOR_MODE: Final = {
    "solar_charger": -9 & 0xFFFF,
    "wind_charger": -8 & 0xFFFF,
    "shaft_generator": -7 & 0xFFFF,
    "alternator": -6 & 0xFFFF,
    "fuel_cell": -5 & 0xFFFF,
    "water_generator": -4 & 0xFFFF,
    "dc_dc_charger": -3 & 0xFFFF,
    "ac_charger": -2 & 0xFFFF,
    "generic_source": -1 & 0xFFFF,
    "generic_load": 1,
    "electric_drive": 2,
    "fridge": 3,
    "water_pump": 4,
    "bilge_pump": 5,
    "dc_system": 6,
    "inverter": 7,
    "water_heater": 8,
}


# --- Rows that several records have ---


def _number(
    start: int,
    count: int,
    key: str,
    step: float,
    unit: str,
    absent: int,
    *,
    signed: bool = False,
    base: float = 0,
    aux: int | None = None,
) -> Number:
    """Return a row in the order of the document's columns."""
    return Number(
        start=start,
        count=count,
        key=key,
        step=step,
        unit=unit,
        absent=absent,
        signed=signed,
        base=base,
        aux=aux,
    )


def _voltage(start: int, key: str, *, aux: int | None = None) -> Number:
    """Return a voltage from -327.68 to 327.66 V."""
    return _number(start, 16, key, 0.01, "V", 0x7FFF, signed=True, aux=aux)


def _current(start: int, key: str) -> Number:
    """Return a current from -3276.8 to 3276.6 A."""
    return _number(start, 16, key, 0.1, "A", 0x7FFF, signed=True)


def _state(start: int, count: int, key: str, states: Mapping[str, int]) -> State:
    """Return a state that all ones make not available."""
    return State(
        start=start, count=count, key=key, absent=(1 << count) - 1, states=states
    )


def _flags(start: int, count: int, key: str, flags: Mapping[str, int]) -> FlagSet:
    """Return flags; without any the bits are 0."""
    return FlagSet(start=start, count=count, key=key, flags=flags)


def _temperature(start: int, key: str) -> Number:
    """Return a temperature from -40 to 86 °C."""
    return _number(start, 7, key, 1, "°C", 0x7F, base=-40)


_AUX_INPUT: Final = Number(start=96, count=2, key="aux_input", absent=3)
_AUX_TEMPERATURE: Final = _number(
    80, 16, "temperature", 0.01, "°C", 0xFFFF, base=_KELVIN, aux=2
)
_SHUNT_CURRENT: Final = _number(98, 22, "current", 0.001, "A", 0x3FFFFF, signed=True)
_MONITOR: Final = Record(
    type=0x02,
    aux_input=_AUX_INPUT,
    rows=(
        _number(32, 16, "time_to_go", 1, "min", 0xFFFF),
        _voltage(48, "voltage"),
        _flags(64, 16, "alarm", _ALARM_REASON),
        _voltage(80, "starter_voltage", aux=0),
        _number(80, 16, "midpoint_voltage", 0.01, "V", 0xFFFF, aux=1),
        _AUX_TEMPERATURE,
        _SHUNT_CURRENT,
        _number(120, 20, "consumed_ah", -0.1, "Ah", 0xFFFFF),
        _number(140, 10, "soc", 0.1, "%", 0x3FF),
    ),
)

RECORDS: Final[Mapping[Kind, Record]] = MappingProxyType(
    {
        Kind.SOLAR_CHARGER: Record(
            type=0x01,
            rows=(
                _state(32, 8, "charge_state", _DEVICE_STATE),
                _state(40, 8, "charger_error", _CHARGER_ERROR),
                _voltage(48, "battery_voltage"),
                _current(64, "battery_current"),
                _number(80, 16, "yield_today", 0.01, "kWh", 0xFFFF),
                _number(96, 16, "pv_power", 1, "W", 0xFFFF),
                _number(112, 9, "load_current", 0.1, "A", 0x1FF),
            ),
        ),
        Kind.BATTERY_MONITOR: _MONITOR,
        # A Smart Battery Sense fills only voltage and temperature of it.
        Kind.BATTERY_SENSE: _MONITOR,
        Kind.INVERTER: Record(
            type=0x03,
            rows=(
                _state(32, 8, "device_state", _DEVICE_STATE),
                _flags(40, 16, "alarm", _ALARM_REASON),
                _voltage(56, "battery_voltage"),
                _number(72, 16, "ac_apparent_power", 1, "VA", 0xFFFF),
                _number(88, 15, "ac_voltage", 0.01, "V", 0x7FFF),
                _number(103, 11, "ac_current", 0.1, "A", 0x7FF),
            ),
        ),
        Kind.DC_DC_CONVERTER: Record(
            type=0x04,
            rows=(
                _state(32, 8, "charge_state", _DEVICE_STATE),
                _state(40, 8, "charger_error", _CHARGER_ERROR),
                _number(48, 16, "input_voltage", 0.01, "V", 0xFFFF),
                _voltage(64, "output_voltage"),
                _flags(80, 32, "off_reason", _OFF_REASON),
            ),
        ),
        Kind.SMART_LITHIUM: Record(
            type=0x05,
            rows=(
                _flags(32, 32, "bms_flags", _BMS_FLAG),
                Number(start=64, count=16, key="error"),
                *(
                    _number(start, 7, f"cell_voltage_{cell}", 0.01, "V", 0x7F, base=2.6)
                    for cell, start in enumerate(range(80, 136, 7), 1)
                ),
                _number(136, 12, "battery_voltage", 0.01, "V", 0xFFF),
                _state(148, 4, "balancer_status", _BALANCER),
                _temperature(152, "battery_temperature"),
            ),
        ),
        Kind.INVERTER_RS: Record(
            type=0x06,
            rows=(
                _state(32, 8, "device_state", _DEVICE_STATE),
                _state(40, 8, "charger_error", _CHARGER_ERROR),
                _voltage(48, "battery_voltage"),
                _current(64, "battery_current"),
                _number(80, 16, "pv_power", 1, "W", 0xFFFF),
                _number(96, 16, "yield_today", 0.01, "kWh", 0xFFFF),
                _number(112, 16, "ac_out_power", 1, "W", 0x7FFF, signed=True),
            ),
        ),
        Kind.AC_CHARGER: Record(
            type=0x08,
            rows=(
                _state(32, 8, "charge_state", _DEVICE_STATE),
                _state(40, 8, "charger_error", _CHARGER_ERROR),
                _number(48, 13, "output_voltage_1", 0.01, "V", 0x1FFF),
                _number(61, 11, "output_current_1", 0.1, "A", 0x7FF),
                _number(72, 13, "output_voltage_2", 0.01, "V", 0x1FFF),
                _number(85, 11, "output_current_2", 0.1, "A", 0x7FF),
                _number(96, 13, "output_voltage_3", 0.01, "V", 0x1FFF),
                _number(109, 11, "output_current_3", 0.1, "A", 0x7FF),
                _temperature(120, "temperature"),
                _number(127, 9, "ac_current", 0.1, "A", 0x1FF),
            ),
        ),
        Kind.BATTERY_PROTECT: Record(
            type=0x09,
            rows=(
                _state(32, 8, "device_state", _PROTECT_STATE),
                _state(40, 8, "output_state", _OUTPUT),
                _state(48, 8, "error_code", _CHARGER_ERROR),
                _flags(56, 16, "alarm", _ALARM_REASON),
                _flags(72, 16, "warning", _ALARM_REASON),
                _voltage(88, "input_voltage"),
                _number(104, 16, "output_voltage", 0.01, "V", 0xFFFF),
                _flags(120, 32, "off_reason", _OFF_REASON),
            ),
        ),
        Kind.LYNX_SMART_BMS: Record(
            type=0x0A,
            rows=(
                Number(start=32, count=8, key="error"),
                _number(40, 16, "time_to_go", 1, "min", 0xFFFF),
                _voltage(56, "voltage"),
                _current(72, "current"),
                # Of VE_REG_BMS_IO (88, 16) these two.
                State(start=90, count=2, key="allow_to_charge", states=_ALLOWED),
                State(start=92, count=2, key="allow_to_discharge", states=_ALLOWED),
                PairSet(start=104, count=18, key="alarm", flags=_BMS_ALARM),
                _number(122, 10, "soc", 0.1, "%", 0x3FF),
                _number(132, 20, "consumed_ah", -0.1, "Ah", 0xFFFFF),
                _temperature(152, "temperature"),
            ),
        ),
        Kind.MULTI_RS: Record(
            type=0x0B,
            rows=(
                _state(32, 8, "device_state", _DEVICE_STATE),
                _state(40, 8, "charger_error", _CHARGER_ERROR),
                _current(48, "battery_current"),
                _number(64, 14, "battery_voltage", 0.01, "V", 0x3FFF),
                _state(78, 2, "active_ac_in", _AC_IN),
                _number(80, 16, "active_ac_in_power", 1, "W", 0x7FFF, signed=True),
                _number(96, 16, "ac_out_power", 1, "W", 0x7FFF, signed=True),
                _number(112, 16, "pv_power", 1, "W", 0xFFFF),
                _number(128, 16, "yield_today", 0.01, "kWh", 0xFFFF),
            ),
        ),
        Kind.VE_BUS: Record(
            type=0x0C,
            rows=(
                _state(32, 8, "device_state", _DEVICE_STATE),
                Number(start=40, count=8, key="vebus_error", absent=0xFF),
                _current(48, "battery_current"),
                _number(64, 14, "battery_voltage", 0.01, "V", 0x3FFF),
                _state(78, 2, "active_ac_in", _AC_IN),
                _number(80, 19, "active_ac_in_power", 1, "W", 0x3FFFF, signed=True),
                _number(99, 19, "ac_out_power", 1, "W", 0x3FFFF, signed=True),
                _state(118, 2, "alarm", _VE_BUS_ALARM),
                _temperature(120, "battery_temperature"),
                _number(127, 7, "soc", 1, "%", 0x7F),
            ),
        ),
        Kind.DC_ENERGY_METER: Record(
            type=0x0D,
            aux_input=_AUX_INPUT,
            rows=(
                State(start=32, count=16, key="monitor_mode", states=_MONITOR_MODE),
                _voltage(48, "voltage"),
                _flags(64, 16, "alarm", _ALARM_REASON),
                _voltage(80, "starter_voltage", aux=0),
                _AUX_TEMPERATURE,
                _SHUNT_CURRENT,
            ),
        ),
        # Newer than the document: from captured advertisements.
        Kind.ORION_XS: Record(
            type=0x0F,
            rows=(
                _state(32, 8, "charge_state", _DEVICE_STATE),
                _state(40, 8, "charger_error", _CHARGER_ERROR),
                _voltage(48, "output_voltage"),
                _current(64, "output_current"),
                _number(80, 16, "input_voltage", 0.01, "V", 0xFFFF),
                _number(96, 16, "input_current", 0.1, "A", 0xFFFF),
                _flags(112, 32, "off_reason", _OFF_REASON),
            ),
        ),
        # From one captured record; what else it carries is not known.
        Kind.SMART_BMS: Record(
            type=0x0E,
            rows=tuple(
                _voltage(start, f"voltage_{index}")
                for index, start in enumerate((56, 72, 88), 1)
            ),
        ),
    }
)
