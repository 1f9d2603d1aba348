"""Where the power comes from: mains, alternator, sun or the battery itself.

Every answer has three values: yes, no, and unknown (None). What is unavailable is
unknown, never a no.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .sources import Role, Source, fresh_of

#: A plug that is on and passes on at least one of these feeds something: W, A.
PLUG_MIN_POWER_W: Final = 2.0
PLUG_MIN_CURRENT_A: Final = 0.05
#: A charger that delivers more than one of these charges: A, W.
CHARGER_MIN_CURRENT_A: Final = 1.0
CHARGER_MIN_POWER_W: Final = 30.0
#: A battery monitor that shows more than this charges: A.
CHARGING_MIN_CURRENT_A: Final = 0.30
#: States in which a charger charges, where its record has no current.
CHARGING_STATES: Final = frozenset({"bulk", "absorption", "float", "storage"})


class PowerSource(StrEnum):
    """Where the power comes from."""

    MAINS = "mains"
    ALTERNATOR = "alternator"
    SOLAR = "solar"
    BATTERY = "battery"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """The plug that feeds mains in: the states of its entities."""

    has_switch: bool = False
    """Whether it has a switch."""
    has_power: bool = False
    """Whether it measures power."""
    has_current: bool = False
    """Whether it measures current."""
    is_on: bool | None = None
    """Whether the switch is on; None: unavailable."""
    power_w: float | None = None
    """What it passes on, in W; None: unavailable."""
    current_a: float | None = None
    """What it passes on, in A; None: unavailable."""

    @property
    def verdict(self) -> bool | None:
        """Return whether there is mains; None: the plug does not know."""
        if self.has_switch and self.is_on is not True:
            return self.is_on
        load = _any(
            None if value is None else value >= least
            for has, value, least in (
                (self.has_power, self.power_w, PLUG_MIN_POWER_W),
                (self.has_current, self.current_a, PLUG_MIN_CURRENT_A),
            )
            if has
        )
        if not self.has_power and not self.has_current:
            return self.is_on
        return load


def _any(answers: Iterable[bool | None]) -> bool | None:
    """Return whether one is a yes; a no needs all of them."""
    known = list(answers)
    if any(known):
        return True
    return None if not known or None in known else False


def _delivers(source: Source, current: str, power: str | None) -> bool | None:
    """Return whether a charger charges; None: unknown."""
    amperes = source.number(current)
    watts = None if power is None else source.number(power)
    if power is None and amperes is not None:
        volts = source.number("output_voltage")
        watts = None if volts is None else volts * amperes
    if amperes is None and watts is None:
        state = source.values.get("charge_state")
        return None if state is None else state in CHARGING_STATES
    return (amperes is not None and amperes > CHARGER_MIN_CURRENT_A) or (
        watts is not None and watts > CHARGER_MIN_POWER_W
    )


def alternator_charging(sources: Sequence[Source]) -> bool | None:
    """Return whether a DC-DC charger charges; None: none is fresh."""
    return _any(
        _delivers(source, "output_current", None)
        for source in fresh_of(sources, Role.DC_DC_CHARGER)
    )


def solar_charging(sources: Sequence[Source]) -> bool | None:
    """Return whether a solar charger charges; None: none is fresh."""
    return _any(
        _delivers(source, "battery_current", "pv_power")
        for source in fresh_of(sources, Role.SOLAR_CHARGER)
    )


def charger_not_off(sources: Sequence[Source]) -> bool | None:
    """Return whether an AC charger is not off; None: unknown, or none is fresh."""
    return _any(
        None if (state := source.values.get("charge_state")) is None else state != "off"
        for source in fresh_of(sources, Role.AC_CHARGER)
    )


def mains_present(
    plug: bool | None, sources: Sequence[Source], *, plug_may_tell: bool
) -> bool | None:
    """Return whether mains is there.

    The plug decides. Where its state is unknown, a fresh AC charger that is not off
    means that there is mains; one that is off means nothing. While the plug is about
    to be known (`plug_may_tell`), nothing else counts.
    """
    if plug is not None:
        return plug
    if plug_may_tell:
        return None
    return True if charger_not_off(sources) else None


def charging_now(sources: Sequence[Source]) -> bool | None:
    """Return whether the battery is charged; None: no fresh battery monitor knows."""
    for source in fresh_of(sources, Role.BATTERY_MONITOR):
        amperes = source.number("current")
        if amperes is not None:
            return amperes > CHARGING_MIN_CURRENT_A
    return None


def power_source(
    *,
    mains: bool | None,
    alternator: bool | None,
    solar: bool | None,
    charging: bool | None,
) -> PowerSource:
    """Return where the power comes from.

    It is the battery's where mains is known to be off, or, where mains cannot be told,
    a fresh battery monitor shows no charging.
    """
    if mains:
        return PowerSource.MAINS
    if alternator:
        return PowerSource.ALTERNATOR
    if solar:
        return PowerSource.SOLAR
    if mains is False or charging is False:
        return PowerSource.BATTERY
    return PowerSource.UNKNOWN


def charging_phase(sources: Sequence[Source]) -> str | None:
    """Return the phase of the AC charger, else of another charger that is not off."""
    off = None
    for source in fresh_of(sources, Role.AC_CHARGER):
        state = source.values.get("charge_state")
        if isinstance(state, str):
            if state != "off":
                return state
            off = state
    if off is not None:
        return off
    for source in fresh_of(sources, Role.SOLAR_CHARGER, Role.DC_DC_CHARGER):
        state = source.values.get("charge_state")
        if isinstance(state, str) and state != "off":
            return state
    return None
