"""What no device can send: noise of a wrong key, and corrupt frames.

The key check is one byte: one wrong key in 256 passes it and turns every record into
noise. Three judgements keep noise from being shown without keeping a good device from
being seen:

- *impossible*: beyond what the hardware can measure. Refused, and counted against the
  key.
- *odd*: possible, but rare in good readings and common in noise, such as two states
  without a name at once. Shown once a second advertisement agrees.
- *plain*: all else. Noise is plain once in tens of thousands of advertisements, so the
  first plain one is shown at once, until the key is taken for wrong.

What follows from that for the key is in `key_verdict`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

from ..readings import Flags, Value
from .models import HIGH_VOLTAGE_MONITORS, NOMINAL_CURRENT
from .records import BY_KIND, Kind, Reading, Unit

_MAX_VOLTS = 80.0
_MAX_HIGH_VOLTS = 400.0


@dataclass(frozen=True, slots=True)
class Limit:
    """Bounds of a number in its unit."""

    low: float
    """Below this: impossible."""
    high: float
    """Above this: impossible."""
    usual_low: float | None = None
    """Below this: odd."""
    usual_high: float | None = None
    """Above this: odd."""


_BATTERY = Limit(-1, _MAX_VOLTS)
_SHUNT_CURRENT = Limit(-2100, 2100, -600, 600)
_CONSUMED = Limit(-12_000, 0, -2000)
_TIME_TO_GO = Limit(0, 65_535, None, 14_400)  # monitors stop at 240 h
_SOC = Limit(0, 100)
_CELSIUS = Limit(-40, 86, -30, 80)
_YIELD = Limit(0, 200, None, 60)

_LIMITS: Mapping[Kind, Mapping[str, Limit]] = {
    Kind.SOLAR_CHARGER: {
        "battery_voltage": _BATTERY,
        "battery_current": Limit(-110, 220, -60, 210),
        "yield_today": _YIELD,
        "pv_power": Limit(0, 15_000),
    },
    Kind.BATTERY_MONITOR: {
        "voltage": _BATTERY,
        "current": _SHUNT_CURRENT,
        "consumed_ah": _CONSUMED,
        "soc": _SOC,
        "time_to_go": _TIME_TO_GO,
    },
    Kind.BATTERY_SENSE: {"voltage": _BATTERY},
    Kind.INVERTER: {
        "battery_voltage": _BATTERY,
        "ac_apparent_power": Limit(0, 16_000, None, 6000),
        "ac_voltage": Limit(0, 300, None, 270),
        "ac_current": Limit(0, 150, None, 60),
    },
    Kind.DC_DC_CONVERTER: {
        "input_voltage": Limit(0, _MAX_VOLTS),
        "output_voltage": _BATTERY,
    },
    Kind.SMART_LITHIUM: {
        "battery_voltage": Limit(0, 36),
        "battery_temperature": _CELSIUS,
    },
    Kind.INVERTER_RS: {
        "battery_voltage": _BATTERY,
        "battery_current": Limit(-400, 400, -200, 200),
        "pv_power": Limit(0, 20_000),
        "yield_today": _YIELD,
        "ac_out_power": Limit(-20_000, 20_000, -8000, 8000),
    },
    Kind.AC_CHARGER: {
        **{f"output_voltage_{index}": Limit(0, 72) for index in (1, 2, 3)},
        **{f"output_current_{index}": Limit(0, 150, None, 110) for index in (1, 2, 3)},
        "temperature": _CELSIUS,
    },
    Kind.BATTERY_PROTECT: {
        "input_voltage": _BATTERY,
        "output_voltage": Limit(0, _MAX_VOLTS),
    },
    Kind.LYNX_SMART_BMS: {
        "time_to_go": _TIME_TO_GO,
        "voltage": _BATTERY,
        "current": _SHUNT_CURRENT,
        "soc": _SOC,
        "consumed_ah": _CONSUMED,
        "temperature": _CELSIUS,
    },
    Kind.MULTI_RS: {
        "battery_current": Limit(-400, 400, -200, 200),
        "battery_voltage": _BATTERY,
        "active_ac_in_power": Limit(-30_000, 30_000, -15_000, 15_000),
        "ac_out_power": Limit(-20_000, 20_000, -15_000, 15_000),
        "pv_power": Limit(0, 20_000),
        "yield_today": _YIELD,
    },
    Kind.VE_BUS: {
        "battery_current": Limit(-2100, 2100, -1000, 1000),
        "battery_voltage": _BATTERY,
        "active_ac_in_power": Limit(-200_000, 200_000, -60_000, 60_000),
        "ac_out_power": Limit(-200_000, 200_000, -60_000, 60_000),
        "battery_temperature": _CELSIUS,
        "soc": _SOC,
    },
    Kind.DC_ENERGY_METER: {"voltage": _BATTERY, "current": _SHUNT_CURRENT},
    Kind.ORION_XS: {
        "input_voltage": Limit(0, _MAX_VOLTS),
        "output_voltage": _BATTERY,
        "input_current": Limit(0, 120, None, 70),
        "output_current": Limit(-10, 120, None, 70),
    },
    # Of a 12 V system, starter battery and alternator included.
    Kind.SMART_BMS: {f"voltage_{index}": Limit(-1, 20, 8, 16) for index in (1, 2, 3)},
}
#: What a device may measure beyond the current that it is made for: its surges, and
#: what nothing measures.
_USUAL_OF_NOMINAL = 1.2
_MOST_OF_NOMINAL = 1.5
#: The currents that a model's name tells the bounds of.
_NOMINAL_OF: Mapping[Kind, tuple[str, ...]] = {
    Kind.SOLAR_CHARGER: ("battery_current",),
    Kind.BATTERY_MONITOR: ("current",),
    Kind.DC_ENERGY_METER: ("current",),
    Kind.LYNX_SMART_BMS: ("current",),
    Kind.AC_CHARGER: tuple(f"output_current_{index}" for index in (1, 2, 3)),
    Kind.ORION_XS: ("output_current",),
}

#: What hangs on the auxiliary input can be broken or missing while the rest is right:
#: beyond these limits the value alone is left out.
_AUXILIARY = {
    "starter_voltage": Limit(-1, _MAX_VOLTS),
    "midpoint_voltage": Limit(0, _MAX_VOLTS),
    "temperature": Limit(-50, 150),
}
_MONITORS = {Kind.BATTERY_MONITOR, Kind.BATTERY_SENSE, Kind.DC_ENERGY_METER}

#: More states and sets of flags without a name than this, or more nameless bits in one
#: set, come from no firmware.
_MAX_UNKNOWN = 2
_MAX_UNKNOWN_BITS = 3
#: More alarms or reasons at once than this: impossible, odd.
_MAX_FLAGS = 8
_USUAL_FLAGS = 3
#: Flags that are no alarms, with bits in use that have no published name.
_STATUS_FLAGS = {"bms_flags"}


class Judgement(IntEnum):
    """How likely a reading is real."""

    IMPOSSIBLE = 0
    ODD = 1
    PLAIN = 2


def judge(reading: Reading, model_id: int = 0) -> Judgement:
    """Judge one reading by itself."""
    odd = False
    values = reading.values
    nominal = NOMINAL_CURRENT.get(model_id)
    for key, limit in _LIMITS[reading.kind].items():
        value = values[key]
        if not isinstance(value, float | int):
            continue
        high = limit.high
        if high == _MAX_VOLTS and model_id in HIGH_VOLTAGE_MONITORS:
            high = _MAX_HIGH_VOLTS
        if nominal is not None and key in _NOMINAL_OF.get(reading.kind, ()):
            if abs(value) > _MOST_OF_NOMINAL * nominal:
                return Judgement.IMPOSSIBLE
            odd = odd or abs(value) > _USUAL_OF_NOMINAL * nominal
            if key == "current":
                continue  # the shunt alone sets its bounds
        if not limit.low <= value <= high:
            return Judgement.IMPOSSIBLE
        if (limit.usual_low is not None and value < limit.usual_low) or (
            limit.usual_high is not None and value > limit.usual_high
        ):
            odd = True
    unknown = {
        key: raw for key, raw in reading.unknown.items() if key not in _STATUS_FLAGS
    }
    if len(unknown) > _MAX_UNKNOWN:
        return Judgement.IMPOSSIBLE
    flags_set = 0
    for key, value in values.items():
        if isinstance(value, Flags) and key not in _STATUS_FLAGS:
            nameless = unknown.get(key, 0).bit_count()
            count = len(value.names) + nameless
            if nameless > _MAX_UNKNOWN_BITS or count > _MAX_FLAGS:
                return Judgement.IMPOSSIBLE
            flags_set = max(flags_set, count)
    rule = _RULES.get(reading.kind)
    by_rule = Judgement.PLAIN if rule is None else rule(values)
    if by_rule is Judgement.IMPOSSIBLE:
        return by_rule
    if odd or by_rule is Judgement.ODD or len(unknown) > 1 or flags_set > _USUAL_FLAGS:
        return Judgement.ODD
    return Judgement.PLAIN


def _number(values: Mapping[str, Value], key: str) -> float | None:
    """Return a value if it is a number."""
    value = values.get(key)
    return value if isinstance(value, float | int) else None


def _numbers(values: Mapping[str, Value], *keys: str) -> list[float]:
    """Return those of some values that are there."""
    found = (_number(values, key) for key in keys)
    return [number for number in found if number is not None]


def _monitor(values: Mapping[str, Value]) -> Judgement:
    """Judge a monitor: its time to go has to fit a battery of some size."""
    match _numbers(values, "time_to_go", "current"):
        case [minutes, amperes] if minutes / 60 * abs(amperes) > 20_000:
            return Judgement.ODD
    return Judgement.PLAIN


def _battery_sense(values: Mapping[str, Value]) -> Judgement:
    """Judge a Battery Sense: it measures neither current nor charge."""
    if _numbers(values, "time_to_go", "current", "consumed_ah", "soc"):
        return Judgement.IMPOSSIBLE
    return Judgement.PLAIN


def _solar_charger(values: Mapping[str, Value]) -> Judgement:
    """Judge a solar charger: the battery gets no more than the sun gives."""
    match _numbers(values, "battery_voltage", "battery_current", "pv_power"):
        case [volts, amperes, sun] if volts * amperes > 1.3 * sun + 200:
            return Judgement.ODD
    return Judgement.PLAIN


def _inverter(values: Mapping[str, Value]) -> Judgement:
    """Judge an inverter: apparent power is voltage times current."""
    match _numbers(values, "ac_apparent_power", "ac_voltage", "ac_current"):
        case [power, volts, amperes] if abs(power - volts * amperes) > 200 + power / 3:
            return Judgement.ODD
    return Judgement.PLAIN


def _smart_lithium(values: Mapping[str, Value]) -> Judgement:
    """Judge a battery: its cells come first to last and make up its voltage."""
    cells = [_number(values, f"cell_voltage_{index}") for index in range(1, 9)]
    known = [cell for cell in cells if cell is not None]
    volts = _number(values, "battery_voltage")
    error = _number(values, "error") or 0
    inside = all(2.6 < cell < 3.86 for cell in known)
    if known and inside and volts is not None and abs(sum(known) - volts) > 2:
        return Judgement.IMPOSSIBLE
    if (
        not inside
        or len(known) not in (4, 8)
        or None in cells[: len(known)]
        or int(error).bit_count() > 2
        or max(known) - min(known) > 0.6
    ):
        return Judgement.ODD
    return Judgement.PLAIN


def _ac_charger(values: Mapping[str, Value]) -> Judgement:
    """Judge a charger: one nominal voltage, and no more power than a socket gives."""
    volts = [_number(values, f"output_voltage_{index}") or 0 for index in (1, 2, 3)]
    amperes = [_number(values, f"output_current_{index}") or 0 for index in (1, 2, 3)]
    power = sum(v * a for v, a in zip(volts, amperes, strict=True))
    drawn = _number(values, "ac_current")
    if power > 7000:
        return Judgement.IMPOSSIBLE
    healthy = values["charge_state"] and values["charger_error"] == "no_error"
    if (
        power > 3500
        # Two outputs that are not there make a record hard to take for noise.
        or (not healthy and max(volts[1:]) > 0)
        or any(2 < v < max(volts) - 8 for v in volts)
        or (drawn is not None and power > 270 * drawn + 50)
        or (values["charge_state"] == "off" and max(amperes) > 2)
    ):
        return Judgement.ODD
    return Judgement.PLAIN


def _multi(values: Mapping[str, Value]) -> Judgement:
    """Judge an inverter and charger: what comes in goes out, less its losses."""
    flow = ("battery_voltage", "battery_current", "active_ac_in_power", "ac_out_power")
    numbers = _numbers(values, *flow)
    if len(numbers) == len(flow):
        volts, amperes, taken, given = numbers
        sun = (_number(values, "pv_power") or 0) if "pv_power" in values else 0
        lost = taken + sun - given - volts * amperes
        if abs(lost) > 500 + 0.3 * max(abs(taken), abs(given), sun):
            return Judgement.ODD
    return Judgement.PLAIN


def _ve_bus(values: Mapping[str, Value]) -> Judgement:
    """Judge a VE.Bus system: as all of its sort, and it rarely has an error."""
    return Judgement.ODD if values["vebus_error"] else _multi(values)


def _energy_meter(values: Mapping[str, Value]) -> Judgement:
    """Judge a meter: an alarm together with a mode without a name is odd."""
    alarm = values["alarm"]
    if values["monitor_mode"] is None and isinstance(alarm, Flags) and alarm.names:
        return Judgement.ODD
    return Judgement.PLAIN


def _smart_bms(values: Mapping[str, Value]) -> Judgement:
    """Judge a Smart BMS: what it measures is joined, but for what is switched off."""
    volts = _numbers(values, "voltage_1", "voltage_2", "voltage_3")
    if len(volts) < _SMART_BMS_VOLTAGES or max(volts) - min(volts) > _SMART_BMS_SPREAD:
        return Judgement.ODD
    return Judgement.PLAIN


def _lynx(values: Mapping[str, Value]) -> Judgement:
    """Judge a Lynx BMS: as a monitor, and it rarely has an error."""
    return Judgement.ODD if values["error"] else _monitor(values)


_SMART_BMS_VOLTAGES = 3
#: Two batteries of 12 V, one of them being charged, differ by this much at most, in V.
_SMART_BMS_SPREAD = 3.0

_RULES: Mapping[Kind, Callable[[Mapping[str, Value]], Judgement]] = {
    Kind.BATTERY_MONITOR: _monitor,
    Kind.BATTERY_SENSE: _battery_sense,
    Kind.SOLAR_CHARGER: _solar_charger,
    Kind.INVERTER: _inverter,
    Kind.SMART_LITHIUM: _smart_lithium,
    Kind.AC_CHARGER: _ac_charger,
    Kind.MULTI_RS: _multi,
    Kind.VE_BUS: _ve_bus,
    Kind.DC_ENERGY_METER: _energy_meter,
    Kind.LYNX_SMART_BMS: _lynx,
    Kind.SMART_BMS: _smart_bms,
}

#: The lowest mains voltage that there is, in V.
_LEAST_MAINS = 100.0
#: A charger takes no more VA than this many times its output in W, and so many more.
_VA_PER_WATT = 1.6
_VA_AT_REST = 60.0


def _takes_too_much(values: Mapping[str, Value]) -> bool:
    """Return whether an AC charger seems to take far more than it delivers.

    The current of some (Phoenix Smart IP43, 120-240 V) is in steps of another size.
    """
    drawn, given = _number(values, "ac_current"), _number(values, "power")
    return (
        drawn is not None
        and given is not None
        and drawn * _LEAST_MAINS > _VA_PER_WATT * given + _VA_AT_REST
    )


def without_absurd(reading: Reading) -> Reading:
    """Return a reading without what means nothing.

    That is the value of a broken or missing probe, a current from the mains that nobody
    can draw, and a set of flags with none but unknown ones: the state `none` would be
    wrong.
    """
    absurd: dict[str, Value] = {
        key: None
        for key in reading.unknown
        if isinstance(value := reading.values.get(key), Flags)
        and not value.names
        and key not in _STATUS_FLAGS
    }
    if reading.kind in _MONITORS:
        for key, limit in _AUXILIARY.items():
            number = _number(reading.values, key)
            if number is not None and not limit.low <= number <= limit.high:
                absurd[key] = None
    if reading.kind is Kind.AC_CHARGER and _takes_too_much(reading.values):
        absurd["ac_current"] = None
    if not absurd:
        return reading
    return replace(reading, values={**reading.values, **absurd})


#: Key -> (share of the value, step, per second): nothing changes more than their sum
#: between two readings. Powers and outputs that are switched change at will.
_JUMPS: Mapping[str, tuple[float, float, float]] = {
    # A heavy load on a weak battery may take more; then the next reading agrees.
    "voltage": (0.15, 0.8, 0.1),
    "battery_voltage": (0.15, 0.8, 0.1),
    "soc": (0, 3, 0.1),
    "consumed_ah": (0, 10, 0.6),
    # An inverter that starts at 12 V makes less; at 24 and 48 V the more so.
    "current": (0, 250, 25),
    "temperature": (0, 10, 0.5),
    "battery_temperature": (0, 10, 0.5),
}
_JUMPS_OF = {
    kind: tuple(
        (field.key, _JUMPS[field.key]) for field in record.fields if field.key in _JUMPS
    )
    for kind, record in BY_KIND.items()
}
#: What changes so rarely that two readings of one device agree on it.
_STEADY = (
    *("charger_error", "error_code", "error", "vebus_error", "monitor_mode"),
    *("alarm", "warning", "off_reason"),
)


def jumps(before: Reading, after: Reading, seconds: float) -> bool:
    """Return whether no device can have come from one reading to the other."""
    if before.kind is not after.kind:
        return False  # the device was set up anew
    seconds = max(0.0, seconds)
    for key, (share, step, rate) in _JUMPS_OF[after.kind]:
        old, new = _number(before.values, key), _number(after.values, key)
        if old is None or new is None:
            continue
        if abs(new - old) > share * abs(old) + step + rate * seconds:
            return True
    old, new = (_number(each.values, "yield_today") for each in (before, after))
    if old is None or new is None:
        return False
    # It restarts at zero in the morning, and never falls otherwise.
    return new > old + 20 + seconds / 180 or 1 < new < old - 0.1


def agree(
    before: Reading, after: Reading, seconds: float, *, strictly: bool = False
) -> bool:
    """Return whether two readings come from one device, not from noise.

    Strictly: no state has changed, and no voltage by more than 1 V.
    """
    if (
        before.kind is not after.kind
        or before.unknown != after.unknown
        or any(before.values.get(key) != after.values.get(key) for key in _STEADY)
        or jumps(before, after, seconds)
    ):
        return False
    if not strictly:
        return True
    for field in BY_KIND[after.kind].fields:
        old, new = before.values[field.key], after.values[field.key]
        if field.unit is None:
            if old != new:
                return False
        elif field.unit is Unit.VOLT:
            if not isinstance(old, float) or not isinstance(new, float):
                if old != new:
                    return False
            elif abs(new - old) > 1:
                return False
    return True
