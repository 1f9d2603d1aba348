"""One table: record type -> bit fields with unit, scale and "not available".

The layouts are those that Victron published ("Extra manufacturer data", 2022-12-14),
bits counted from the start of the encrypted part. What that document leaves open comes
from captured advertisements: the AC charger, the Orion XS (0x0F), and a current that is
not available as 0x1FFFFF as well as the published 0x3FFFFF. 0x07 (GX device) is left
out because its layout is announced to change. Of 0x0E (Smart BMS), which is not
published, only what a captured record shows is read.

Victron never changes a layout, only appends to it. No captured record ends before its
last field, so a record must be complete: a shorter one is a corrupt frame.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType

from ..readings import Flags, Value
from .models import BATTERY_SENSE


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


class Unit(StrEnum):
    """What a number counts."""

    VOLT = "V"
    AMPERE = "A"
    WATT = "W"
    VOLT_AMPERE = "VA"
    AMPERE_HOUR = "Ah"
    KILOWATT_HOUR = "kWh"
    PERCENT = "%"
    MINUTE = "min"
    CELSIUS = "°C"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Some bits of a record: a number, a state or a set of flags."""

    key: str
    """Its name in a reading."""
    start: int
    """First bit, counted from the least significant one of the first byte."""
    width: int
    """How many bits."""
    unit: Unit | None = None
    """Unit of the value; None: a state, flags, or a bare code."""
    signed: bool = False
    """Whether the number is in two's complement."""
    per_unit: int = 1
    """How many steps of the raw number make one unit; negative: counted down."""
    offset: float = 0
    """What is added after that, in the unit."""
    not_available: tuple[int, ...] = ()
    """Raw bits (never negative) that stand for no value."""
    states: Mapping[int, str] | None = None
    """Raw number -> state, where the field is one of several states."""
    flags: Mapping[int, str] | None = None
    """Bit within the field -> flag, where the field is a set of flags."""
    pairs: Mapping[int, str] | None = None
    """Pair of bits -> flag, where each says whether there is a warning or an alarm.

    A pair is 0: not available, 1: fine, 2: a warning, 3: an alarm. The flag of a
    warning ends in `_warning`. Where no pair is available, neither is the set.
    """
    when: int | None = None
    """Which raw value of the record's selector gives the bits this meaning."""

    @property
    def end(self) -> int:
        """The first bit after it."""
        return self.start + self.width

    @property
    def mask(self) -> int:
        """As many set bits as the field has."""
        return (1 << self.width) - 1

    @property
    def is_set(self) -> bool:
        """Whether it is a set of flags."""
        return self.flags is not None or self.pairs is not None

    @property
    def options(self) -> tuple[str, ...] | None:
        """All states it can show; None: a number."""
        if self.flags is not None:
            return ("none", *dict.fromkeys(self.flags.values()))
        if self.pairs is not None:
            warnings = (f"{name}_warning" for name in self.pairs.values())
            return ("none", *self.pairs.values(), *warnings)
        if self.states is not None:
            return tuple(dict.fromkeys(self.states.values()))
        return None


@dataclass(frozen=True)
class Record:
    """The layout of one record type."""

    kind: Kind
    """What sends it."""
    type: int
    """Its number in the advertisement."""
    fields: tuple[Field, ...]
    """What it carries, in the order of the bits."""
    selector: Field | None = None
    """Which of several meanings the fields with `when` have."""
    power_of: tuple[tuple[str, str], ...] = ()
    """Keys of voltages and currents whose products make up the value `power`, in W."""
    unshown: frozenset[str] = frozenset()
    """Keys that the device never fills: read to judge the reading, not to be shown."""

    @cached_property
    def bits(self) -> int:
        """How many bits the fields span."""
        return max(field.end for field in self.fields)

    @cached_property
    def minimum_bytes(self) -> int:
        """How many bytes a complete record has at least."""
        return (self.bits + 7) // 8

    @cached_property
    def padding(self) -> int:
        """Mask of the unused bits in the last byte, which are set as published."""
        return (1 << 8 * self.minimum_bytes) - (1 << self.bits)

    @cached_property
    def shown(self) -> tuple[Field, ...]:
        """The fields that the device fills."""
        return tuple(field for field in self.fields if field.key not in self.unshown)


_STATES = {
    0: "off",
    1: "low_power",
    2: "fault",
    3: "bulk",
    4: "absorption",
    5: "float",
    6: "storage",
    7: "equalize_manual",
    8: "passthru",
    9: "inverting",
    10: "assisting",
    11: "power_supply",
    244: "sustain",
    245: "starting_up",
    246: "repeated_absorption",
    247: "recondition",
    248: "battery_safe",
    249: "load_detect",
    250: "blocked",
    251: "test",
    252: "external_control",
}
#: The Smart BatteryProtect uses one number for something of its own.
_PROTECT_STATES = _STATES | {249: "active"}

_CHARGER_ERRORS = {
    0: "no_error",
    1: "battery_temperature_high",
    2: "battery_voltage_high",
    3: "remote_temperature_sensor_3",
    4: "remote_temperature_sensor_4",
    5: "remote_temperature_sensor_5",
    6: "remote_voltage_sense_6",
    7: "remote_voltage_sense_7",
    8: "remote_voltage_sense_8",
    11: "battery_high_ripple",
    14: "battery_temperature_low",
    17: "charger_temperature_high",
    18: "charger_over_current",
    20: "bulk_time_limit",
    21: "current_sensor",
    22: "internal_temperature_sensor_22",
    23: "internal_temperature_sensor_23",
    24: "fan",
    26: "terminals_overheated",
    27: "short_circuit",
    28: "power_stage",
    29: "over_charge_protection",
    33: "input_voltage_high",
    34: "input_current_high",
    35: "input_power_high",
    38: "input_shutdown_battery_voltage",
    39: "input_shutdown_reverse_current",
    40: "input_shutdown_failed",
    41: "inverter_shutdown_41",
    42: "inverter_shutdown_42",
    43: "inverter_shutdown_ground_fault",
    50: "inverter_overload",
    51: "inverter_temperature_high",
    52: "inverter_peak_current",
    53: "inverter_output_voltage_53",
    54: "inverter_output_voltage_54",
    55: "inverter_self_test_55",
    56: "inverter_self_test_56",
    57: "inverter_voltage_on_output",
    58: "inverter_self_test_58",
    65: "communication_lost",
    66: "incompatible_device",
    67: "bms_connection_lost",
    68: "network_misconfigured_68",
    69: "network_misconfigured_69",
    70: "network_misconfigured_70",
    71: "network_misconfigured_71",
    80: "pv_input_shutdown_80",
    81: "pv_input_shutdown_81",
    82: "pv_input_shutdown_82",
    83: "pv_input_shutdown_83",
    84: "pv_input_shutdown_84",
    85: "pv_input_shutdown_85",
    86: "pv_input_shutdown_86",
    87: "pv_input_shutdown_87",
    114: "cpu_temperature_high",
    116: "calibration_lost",
    117: "incompatible_firmware",
    119: "settings_lost",
    121: "tester_failed",
    200: "internal_dc_voltage_200",
    201: "internal_dc_voltage_201",
    202: "residual_current_self_test",
    203: "internal_supply_voltage_203",
    205: "internal_supply_voltage_205",
    212: "internal_supply_voltage_212",
    215: "internal_supply_voltage_215",
}

_ALARMS = dict(
    enumerate(
        (
            "low_voltage",
            "high_voltage",
            "low_soc",
            "low_starter_voltage",
            "high_starter_voltage",
            "low_temperature",
            "high_temperature",
            "mid_voltage",
            "overload",
            "dc_ripple",
            "low_v_ac_out",
            "high_v_ac_out",
            "short_circuit",
            "bms_lockout",
            "bms_cable_failure",
        )
    )
)
_OFF_REASONS = dict(
    enumerate(
        (
            "no_input_power",
            "switched_off_switch",
            "switched_off_register",
            "remote_input",
            "protection_active",
            "pay_as_you_go_out_of_credit",
            "bms",
            "engine_shutdown",
            "analysing_input_voltage",
            "low_battery_temperature",
            "no_pv_power",
            "low_battery",
            "low_mains",
            "no_can_sync",
            "not_enough_inverters",
            "active_alarm",
        )
    )
)
_BMS_FLAGS = {
    9: "high_voltage_alarm",
    10: "high_voltage_warning",
    11: "low_voltage_alarm",
    12: "low_voltage_warning",
    15: "high_temperature_alarm",
    16: "high_temperature_warning",
    22: "low_temperature",
    24: "internal_failure",
    25: "allow_to_charge",
    26: "allow_to_discharge",
    28: "contactor",
    29: "high_current",
    30: "cell_imbalance",
}
#: Pair of bits -> what it warns of.
_LYNX_ALARMS = {
    0: "low_cell_voltage",
    1: "high_current",
    2: "high_internal_temperature",
    3: "contactor",
    4: "bms_cable",
    5: "load_disconnect",
    6: "low_soc",
    8: "high_temperature",
}
_BALANCER = {0: "unknown", 1: "balanced", 2: "balancing", 3: "imbalance"}
_OUTPUT_STATES = {
    0: "shutdown",
    1: "on",
    2: "connecting",
    3: "activating",
    4: "off",
}
_AC_INPUTS = {0: "ac_in_1", 1: "ac_in_2", 2: "not_connected"}
_NOTIFICATIONS = {0: "none", 1: "warning", 2: "alarm"}
_PERMISSIONS = {1: "yes", 2: "no", 3: "no"}
#: Negative numbers in two's complement are sources, positive ones are loads.
_MONITOR_MODES = {
    number & 0xFFFF: name
    for number, name in {
        -9: "solar_charger",
        -8: "wind_charger",
        -7: "shaft_generator",
        -6: "alternator",
        -5: "fuel_cell",
        -4: "water_generator",
        -3: "dc_dc_charger",
        -2: "ac_charger",
        -1: "generic_source",
        1: "generic_load",
        2: "electric_drive",
        3: "fridge",
        4: "water_pump",
        5: "bilge_pump",
        6: "dc_system",
        7: "inverter",
        8: "water_heater",
    }.items()
}

_NO_U16 = (0xFFFF,)
_NO_S16 = (0x7FFF,)
_KELVIN = -273.15


def _volts(
    key: str, start: int, *, signed: bool = True, when: int | None = None
) -> Field:
    """Make a 16-bit voltage in steps of 0.01 V."""
    return Field(
        key=key,
        start=start,
        width=16,
        unit=Unit.VOLT,
        signed=signed,
        per_unit=100,
        not_available=_NO_S16 if signed else _NO_U16,
        when=when,
    )


def _amperes(key: str, start: int) -> Field:
    """Make a signed 16-bit current in steps of 0.1 A."""
    return Field(
        key=key,
        start=start,
        width=16,
        unit=Unit.AMPERE,
        signed=True,
        per_unit=10,
        not_available=_NO_S16,
    )


def _milliamperes(key: str, start: int) -> Field:
    """Make a signed 22-bit current in steps of 1 mA."""
    return Field(
        key=key,
        start=start,
        width=22,
        unit=Unit.AMPERE,
        signed=True,
        per_unit=1000,
        not_available=(0x3FFFFF, 0x1FFFFF),
    )


def _short_volts(key: str, start: int, width: int) -> Field:
    """Make a voltage of less than 16 bits in steps of 0.01 V."""
    return Field(
        key=key,
        start=start,
        width=width,
        unit=Unit.VOLT,
        per_unit=100,
        not_available=((1 << width) - 1,),
    )


def _short_amperes(key: str, start: int, width: int) -> Field:
    """Make a current of less than 16 bits in steps of 0.1 A."""
    return Field(
        key=key,
        start=start,
        width=width,
        unit=Unit.AMPERE,
        per_unit=10,
        not_available=((1 << width) - 1,),
    )


def _watts(key: str, start: int, width: int = 16, *, signed: bool = True) -> Field:
    """Make a power in steps of 1 W."""
    return Field(
        key=key,
        start=start,
        width=width,
        unit=Unit.WATT,
        signed=signed,
        not_available=((1 << (width - signed)) - 1,),
    )


def _celsius(key: str, start: int) -> Field:
    """Make a 7-bit temperature in steps of 1 °C from -40 °C."""
    return Field(
        key=key,
        start=start,
        width=7,
        unit=Unit.CELSIUS,
        offset=-40,
        not_available=(0x7F,),
    )


def _yield_today(start: int) -> Field:
    """Make the energy from the sun since the morning."""
    return Field(
        key="yield_today",
        start=start,
        width=16,
        unit=Unit.KILOWATT_HOUR,
        per_unit=100,
        not_available=_NO_U16,
    )


def _time_to_go(start: int) -> Field:
    """Make the time until the battery is empty; 0xFFFF: infinite or unknown."""
    return Field(
        key="time_to_go",
        start=start,
        width=16,
        unit=Unit.MINUTE,
        not_available=_NO_U16,
    )


def _consumed(start: int) -> Field:
    """Make what was taken from the full battery: 0 or negative."""
    return Field(
        key="consumed_ah",
        start=start,
        width=20,
        unit=Unit.AMPERE_HOUR,
        per_unit=-10,
        not_available=(0xFFFFF,),
    )


def _soc(start: int) -> Field:
    """Make the state of charge in steps of 0.1 %."""
    return Field(
        key="soc",
        start=start,
        width=10,
        unit=Unit.PERCENT,
        per_unit=10,
        not_available=(0x3FF,),
    )


def _state(
    key: str, start: int, states: Mapping[int, str] = _STATES, width: int = 8
) -> Field:
    """Make a state; all ones: not available."""
    return Field(
        key=key,
        start=start,
        width=width,
        not_available=((1 << width) - 1,),
        states=states,
    )


def _flags(key: str, start: int, width: int, flags: Mapping[int, str]) -> Field:
    """Make a set of flags."""
    return Field(key=key, start=start, width=width, flags=flags)


def _aux_temperature(start: int) -> Field:
    """Make the temperature of the probe at the auxiliary input.

    Without a probe it reads 0xFFFF: 382.2 °C.
    """
    return Field(
        key="temperature",
        start=start,
        width=16,
        unit=Unit.CELSIUS,
        per_unit=100,
        offset=_KELVIN,
        not_available=_NO_U16,
        when=2,
    )


_AUX_INPUT = Field(key="aux_input", start=64, width=2)

_MONITOR_FIELDS = (
    _time_to_go(0),
    _volts("voltage", 16),
    _flags("alarm", 32, 16, _ALARMS),
    _volts("starter_voltage", 48, when=0),
    _volts("midpoint_voltage", 48, signed=False, when=1),
    _aux_temperature(48),
    _milliamperes("current", 66),
    _consumed(88),
    _soc(108),
)

_CHARGER_OUTPUTS = tuple(
    field
    for index in (0, 1, 2)
    for field in (
        _short_volts(f"output_voltage_{index + 1}", 16 + 24 * index, 13),
        _short_amperes(f"output_current_{index + 1}", 29 + 24 * index, 11),
    )
)

RECORDS: tuple[Record, ...] = (
    Record(
        kind=Kind.SOLAR_CHARGER,
        type=0x01,
        fields=(
            _state("charge_state", 0),
            _state("charger_error", 8, _CHARGER_ERRORS),
            _volts("battery_voltage", 16),
            _amperes("battery_current", 32),
            _yield_today(48),
            _watts("pv_power", 64, signed=False),
            _short_amperes("load_current", 80, 9),
        ),
        power_of=(("battery_voltage", "battery_current"),),
    ),
    Record(
        kind=Kind.BATTERY_MONITOR,
        type=0x02,
        fields=_MONITOR_FIELDS,
        selector=_AUX_INPUT,
        power_of=(("voltage", "current"),),
    ),
    Record(
        kind=Kind.INVERTER,
        type=0x03,
        fields=(
            _state("device_state", 0),
            _flags("alarm", 8, 16, _ALARMS),
            _volts("battery_voltage", 24),
            Field(
                key="ac_apparent_power",
                start=40,
                width=16,
                unit=Unit.VOLT_AMPERE,
                not_available=_NO_U16,
            ),
            _short_volts("ac_voltage", 56, 15),
            _short_amperes("ac_current", 71, 11),
        ),
    ),
    Record(
        kind=Kind.DC_DC_CONVERTER,
        type=0x04,
        fields=(
            _state("charge_state", 0),
            _state("charger_error", 8, _CHARGER_ERRORS),
            _volts("input_voltage", 16, signed=False),
            _volts("output_voltage", 32),
            _flags("off_reason", 48, 32, _OFF_REASONS),
        ),
    ),
    Record(
        kind=Kind.SMART_LITHIUM,
        type=0x05,
        fields=(
            _flags("bms_flags", 0, 32, _BMS_FLAGS),
            Field(key="error", start=32, width=16),
            *(
                # The ends of the range stand for "or less" and "or more".
                Field(
                    key=f"cell_voltage_{cell + 1}",
                    start=48 + 7 * cell,
                    width=7,
                    unit=Unit.VOLT,
                    per_unit=100,
                    offset=2.6,
                    not_available=(0x7F,),
                )
                for cell in range(8)
            ),
            _short_volts("battery_voltage", 104, 12),
            _state("balancer_status", 116, _BALANCER, 4),
            _celsius("battery_temperature", 120),
        ),
    ),
    Record(
        kind=Kind.INVERTER_RS,
        type=0x06,
        fields=(
            _state("device_state", 0),
            _state("charger_error", 8, _CHARGER_ERRORS),
            _volts("battery_voltage", 16),
            _amperes("battery_current", 32),
            _watts("pv_power", 48, signed=False),
            _yield_today(64),
            _watts("ac_out_power", 80),
        ),
        power_of=(("battery_voltage", "battery_current"),),
    ),
    Record(
        kind=Kind.AC_CHARGER,
        type=0x08,
        fields=(
            _state("charge_state", 0),
            _state("charger_error", 8, _CHARGER_ERRORS),
            *_CHARGER_OUTPUTS,
            _celsius("temperature", 88),
            _short_amperes("ac_current", 95, 9),
        ),
        power_of=tuple(
            (f"output_voltage_{index}", f"output_current_{index}")
            for index in (1, 2, 3)
        ),
    ),
    Record(
        kind=Kind.BATTERY_PROTECT,
        type=0x09,
        fields=(
            _state("device_state", 0, _PROTECT_STATES),
            _state("output_state", 8, _OUTPUT_STATES),
            _state("error_code", 16, _CHARGER_ERRORS),
            _flags("alarm", 24, 16, _ALARMS),
            _flags("warning", 40, 16, _ALARMS),
            _volts("input_voltage", 56),
            _volts("output_voltage", 72, signed=False),
            _flags("off_reason", 88, 32, _OFF_REASONS),
        ),
    ),
    Record(
        kind=Kind.LYNX_SMART_BMS,
        type=0x0A,
        fields=(
            Field(key="error", start=0, width=8),
            _time_to_go(8),
            _volts("voltage", 24),
            _amperes("current", 40),
            Field(
                key="allow_to_charge",
                start=58,
                width=2,
                not_available=(0,),
                states=_PERMISSIONS,
            ),
            Field(
                key="allow_to_discharge",
                start=60,
                width=2,
                not_available=(0,),
                states=_PERMISSIONS,
            ),
            Field(key="alarm", start=72, width=18, pairs=_LYNX_ALARMS),
            _soc(90),
            _consumed(100),
            _celsius("temperature", 120),
        ),
        power_of=(("voltage", "current"),),
    ),
    Record(
        kind=Kind.MULTI_RS,
        type=0x0B,
        fields=(
            _state("device_state", 0),
            _state("charger_error", 8, _CHARGER_ERRORS),
            _amperes("battery_current", 16),
            _short_volts("battery_voltage", 32, 14),
            _state("active_ac_in", 46, _AC_INPUTS, 2),
            _watts("active_ac_in_power", 48),
            _watts("ac_out_power", 64),
            _watts("pv_power", 80, signed=False),
            _yield_today(96),
        ),
        power_of=(("battery_voltage", "battery_current"),),
    ),
    Record(
        kind=Kind.VE_BUS,
        type=0x0C,
        fields=(
            _state("device_state", 0),
            Field(key="vebus_error", start=8, width=8, not_available=(0xFF,)),
            _amperes("battery_current", 16),
            _short_volts("battery_voltage", 32, 14),
            _state("active_ac_in", 46, _AC_INPUTS, 2),
            _watts("active_ac_in_power", 48, 19),
            _watts("ac_out_power", 67, 19),
            _state("alarm", 86, _NOTIFICATIONS, 2),
            _celsius("battery_temperature", 88),
            Field(
                key="soc",
                start=95,
                width=7,
                unit=Unit.PERCENT,
                not_available=(0x7F,),
            ),
        ),
        power_of=(("battery_voltage", "battery_current"),),
    ),
    Record(
        kind=Kind.DC_ENERGY_METER,
        type=0x0D,
        fields=(
            Field(key="monitor_mode", start=0, width=16, states=_MONITOR_MODES),
            _volts("voltage", 16),
            _flags("alarm", 32, 16, _ALARMS),
            _volts("starter_voltage", 48, when=0),
            _aux_temperature(48),
            _milliamperes("current", 66),
        ),
        selector=_AUX_INPUT,
        power_of=(("voltage", "current"),),
    ),
    Record(
        kind=Kind.ORION_XS,
        type=0x0F,
        fields=(
            _state("charge_state", 0),
            _state("charger_error", 8, _CHARGER_ERRORS),
            # Which of the two stands for "not available" is not published here.
            Field(
                key="output_voltage",
                start=16,
                width=16,
                unit=Unit.VOLT,
                signed=True,
                per_unit=100,
                not_available=(0x7FFF, 0xFFFF),
            ),
            Field(
                key="output_current",
                start=32,
                width=16,
                unit=Unit.AMPERE,
                signed=True,
                per_unit=10,
                not_available=(0x7FFF, 0xFFFF),
            ),
            _volts("input_voltage", 48, signed=False),
            _short_amperes("input_current", 64, 16),
            _flags("off_reason", 80, 32, _OFF_REASONS),
        ),
        power_of=(("output_voltage", "output_current"),),
    ),
    Record(
        kind=Kind.SMART_BMS,
        type=0x0E,
        # Not published: from one captured record. What these voltages are of is not
        # known, nor which of the two stands for "not available".
        fields=tuple(
            Field(
                key=f"voltage_{index + 1}",
                start=24 + 16 * index,
                width=16,
                unit=Unit.VOLT,
                signed=True,
                per_unit=100,
                not_available=(0x7FFF, 0xFFFF),
            )
            for index in (0, 1, 2)
        ),
    ),
)

BATTERY_SENSE_RECORD = Record(
    kind=Kind.BATTERY_SENSE,
    type=0x02,
    fields=_MONITOR_FIELDS,
    selector=_AUX_INPUT,
    unshown=frozenset(
        {
            "time_to_go",
            "alarm",
            "starter_voltage",
            "midpoint_voltage",
            "current",
            "consumed_ah",
            "soc",
        }
    ),
)

_BY_TYPE = MappingProxyType({record.type: record for record in RECORDS})
BY_KIND = MappingProxyType(
    {record.kind: record for record in (*RECORDS, BATTERY_SENSE_RECORD)}
)


def find(record_type: int, model_id: int) -> Record | None:
    """Find the layout of what a model sends; None: not known."""
    record = _BY_TYPE.get(record_type)
    if record is not None and record.type == 0x02 and model_id in BATTERY_SENSE:
        return BATTERY_SENSE_RECORD
    return record


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a device said in one advertisement."""

    kind: Kind
    """What the device is, in this mode of operation."""
    values: Mapping[str, Value]
    """Key -> number in its unit, state or flags; None: not available."""
    unknown: Mapping[str, int]
    """Key -> raw number or flag bits that have no name here."""


_NO_FLAGS = Flags.of(())
#: Of a pair of bits: a warning; one more is an alarm.
_WARNING = 2


def decode(record: Record, data: bytes) -> Reading | None:
    """Read a decrypted record; None: it is shorter than its layout."""
    if len(data) < record.minimum_bytes:
        return None
    bits = int.from_bytes(data, "little")
    selector = record.selector
    selected = selector and bits >> selector.start & selector.mask
    values: dict[str, Value] = {}
    unknown: dict[str, int] = {}
    for field in record.fields:
        key = field.key
        width = field.width
        raw = bits >> field.start & ((1 << width) - 1)
        value: Value = None
        if (
            field.when is not None and field.when != selected
        ) or raw in field.not_available:
            pass
        elif field.states is not None:
            value = field.states.get(raw)
            if value is None:
                unknown[key] = raw
        elif field.flags is not None:
            value = _read_flags(field.flags, raw, unknown, key) if raw else _NO_FLAGS
        elif field.pairs is not None:
            value = _read_pairs(field.pairs, raw, unknown, key) if raw else None
        else:
            if field.signed and raw >> (width - 1):
                raw -= 1 << width
            value = raw
            if field.per_unit != 1:
                # The sum turns -0.0 into 0.0.
                value = raw / field.per_unit + 0.0
            if field.offset:
                value = round(value + field.offset, 2)
        values[key] = value
    if record.power_of:
        values["power"] = _power(record, values)
    return Reading(kind=record.kind, values=values, unknown=unknown)


def _read_flags(
    flags: Mapping[int, str], raw: int, unknown: dict[str, int], key: str
) -> Flags:
    """Name the set bits, and note those without a name."""
    names = []
    nameless = raw
    for bit, name in flags.items():
        if raw >> bit & 1:
            names.append(name)
            nameless &= ~(1 << bit)
    if nameless:
        unknown[key] = nameless
    return Flags.of(names)


def _read_pairs(
    pairs: Mapping[int, str], raw: int, unknown: dict[str, int], key: str
) -> Flags:
    """Name the pairs that warn, the lowest first, and note those without a name."""
    names = []
    # What is not a warning or an alarm in a pair without a name says nothing.
    nameless = 0
    for pair in range((raw.bit_length() + 1) // 2):
        level = raw >> 2 * pair & 3
        if level < _WARNING:
            continue
        if (name := pairs.get(pair)) is None:
            nameless |= level << 2 * pair
        else:
            names.append(f"{name}_warning" if level == _WARNING else name)
    if nameless:
        unknown[key] = nameless
    return Flags.of(names)


def _power(record: Record, values: Mapping[str, Value]) -> float | None:
    """Return the power of all outputs in W; None: that of one is not known."""
    total: float | None = None
    for keys in record.power_of:
        volts, amperes = (values[key] for key in keys)
        if volts is None and amperes is None:
            continue  # there is no such output
        if not isinstance(volts, float) or not isinstance(amperes, float):
            return None
        total = (total or 0.0) + volts * amperes
    return None if total is None else round(total, 2)
