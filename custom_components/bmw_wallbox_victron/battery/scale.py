"""Which nominal voltage a battery has: the rules are written for 12 V."""

from typing import Final

#: A bank of 12 V is below the first, one of 24 V below the second, in V.
_BELOW: Final = ((17.0, 12), (34.0, 24))
_HIGHEST: Final = 48
#: No battery is below this: the output of a charger that is off may be, in V.
LEAST_V: Final = 7.0


def nominal_of(voltage: float) -> int:
    """Return the nominal voltage of a battery that has `voltage` V now, in V."""
    return next((nominal for below, nominal in _BELOW if voltage < below), _HIGHEST)


def scale_of(nominal: int | None) -> float:
    """Return what a voltage for a 12 V battery counts times; None: not known yet."""
    return 1.0 if nominal is None else nominal / 12
