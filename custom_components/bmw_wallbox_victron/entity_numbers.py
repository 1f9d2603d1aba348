"""Numbers of other integrations' entities, in the unit that is asked for."""

import math

from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT
from homeassistant.core import State
from homeassistant.util.unit_conversion import BaseUnitConverter


def number_of(state: State | None) -> float | None:
    """Return an entity's number, as it is; None: it has none now."""
    if state is None:
        return None
    try:
        number = float(state.state)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def unit_of(state: State) -> str | None:
    """Return an entity's unit; None: it has none."""
    unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
    return unit if isinstance(unit, str) else None


def number_in(
    state: State | None, converter: type[BaseUnitConverter], unit: str
) -> float | None:
    """Return an entity's number in a unit; one of another sort is taken as it is."""
    number = number_of(state)
    if state is None or number is None:
        return None
    given = unit_of(state)
    if given is None or given not in converter.VALID_UNITS:
        return number
    converted = converter.convert(number, given, unit)
    return converted if math.isfinite(converted) else None
