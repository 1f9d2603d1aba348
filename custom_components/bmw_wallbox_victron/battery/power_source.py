"""Where the power comes from: mains, alternator, sun or the battery itself.

Every answer has three values: yes, no, and unknown (None). What is unavailable is
unknown, never a no.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .sources import MEASURING, Role, Source, fresh_of

#: A plug that is on and passes on at least one of these feeds something: W, A.
PLUG_MIN_POWER_W: Final = 2.0
PLUG_MIN_CURRENT_A: Final = 0.05
#: A charger that delivers more than one of these charges: A, W.
CHARGER_MIN_CURRENT_A: Final = 1.0
CHARGER_MIN_POWER_W: Final = 30.0
#: A battery that takes more than this is charged, until it takes no more than that: A.
CHARGING_MIN_CURRENT_A: Final = 0.30
CHARGING_OFF_CURRENT_A: Final = 0.20
#: The phases of charging, as Victron's chargers name them.
CHARGING_PHASES: Final = frozenset(
    {
        "bulk",
        "absorption",
        "float",
        "storage",
        "equalize_manual",
        "repeated_absorption",
        "recondition",
        "battery_safe",
    }
)
#: States in which a DC-DC charger delivers, where its record tells no current.
DELIVERING_STATES: Final = frozenset(
    {"bulk", "absorption", "float", "storage", "power_supply", "external_control"}
)


class PowerSource(StrEnum):
    """Where the power comes from."""

    MAINS = "mains"
    ALTERNATOR = "alternator"
    SOLAR = "solar"
    OTHER = "other"
    """The battery is charged, and by none of these."""
    BATTERY = "battery"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """The plug that feeds mains in: what its entities say."""

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
        """Whether mains is there, as far as the plug can tell now."""
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


#: Where the records of solar and DC-DC chargers, and meters of them, tell a current.
_CURRENTS: Final = ("battery_current", "output_current", "current")


def delivered_a(source: Source) -> float | None:
    """Return what a charger delivers, in A; None: it does not tell."""
    for key in _CURRENTS:
        if (amperes := source.number(key)) is not None:
            return amperes
    return None


def delivered_w(source: Source) -> float | None:
    """Return what a solar or DC-DC charger delivers, in W; None: it does not tell."""
    for key in ("pv_power", "power"):
        if (watts := source.number(key)) is not None:
            return watts
    amperes = delivered_a(source)
    volts = source.quantity("voltage")
    return None if amperes is None or volts is None else amperes * volts


def _delivers(source: Source) -> bool | None:
    """Return whether a charger charges; None: it does not say."""
    amperes, watts = delivered_a(source), delivered_w(source)
    if amperes is None and watts is None:
        state = source.text("charge_state")
        return None if state is None else state in DELIVERING_STATES
    return (amperes is not None and amperes > CHARGER_MIN_CURRENT_A) or (
        watts is not None and watts > CHARGER_MIN_POWER_W
    )


def alternator_charging(sources: Sequence[Source]) -> bool | None:
    """Return whether a DC-DC charger charges; None: none is fresh."""
    return _any(map(_delivers, fresh_of(sources, Role.DC_DC_CHARGER)))


def solar_charging(sources: Sequence[Source]) -> bool | None:
    """Return whether a solar charger charges; None: none is fresh."""
    return _any(map(_delivers, fresh_of(sources, Role.SOLAR_CHARGER)))


#: An inverter/charger is connected to mains, or to a generator, at one of these.
AC_INPUTS: Final = frozenset({"ac_in_1", "ac_in_2"})


def _ac_connected(sources: Sequence[Source]) -> bool | None:
    """Return whether an AC input is connected; None: no inverter/charger tells."""
    states = [
        state
        for source in fresh_of(sources, Role.INVERTER_CHARGER)
        if (state := source.text("active_ac_in")) is not None
    ]
    return any(state in AC_INPUTS for state in states) if states else None


def mains_present(
    plug: bool | None, sources: Sequence[Source], *, plug_may_tell: bool
) -> bool | None:
    """Return whether mains is there.

    What the plug says stands; then what an inverter/charger says of its AC input. Where
    neither says anything, a fresh AC charger that is not off tells that there is mains;
    one that is off tells nothing. While the plug is about to say something
    (`plug_may_tell`), nobody else is asked.
    """
    if plug is not None:
        return plug
    if plug_may_tell:
        return None
    connected = _ac_connected(sources)
    if connected is not None:
        return connected
    charges = any(
        (state := source.text("charge_state")) is not None and state != "off"
        for source in fresh_of(sources, Role.AC_CHARGER)
    )
    return True if charges else None


def measuring(sources: Sequence[Source]) -> Source | None:
    """Return who measures the battery's own current; None: nobody does."""
    fresh = fresh_of(sources, *MEASURING)
    return next((each for each in fresh if each.quantity("current") is not None), None)


def charging_now(amperes: float | None, before: bool | None) -> bool | None:
    """Return whether a current charges the battery; None: it is not known.

    `before`: whether it did until now, because noise about a threshold is no news.
    """
    if amperes is None:
        return None
    if before:
        return amperes > CHARGING_OFF_CURRENT_A
    return amperes > CHARGING_MIN_CURRENT_A


def power_source(
    *,
    mains: bool | None,
    alternator: bool | None,
    solar: bool | None,
    charging: bool | None,
) -> PowerSource:
    """Return where the power comes from.

    It is the battery's where mains is known to be off, or, where mains cannot be told,
    its current shows no charging.
    """
    if mains:
        return PowerSource.MAINS
    if alternator:
        return PowerSource.ALTERNATOR
    if solar:
        return PowerSource.SOLAR
    if charging:
        return PowerSource.OTHER
    if mains is False or charging is False:
        return PowerSource.BATTERY
    return PowerSource.UNKNOWN


#: Do not charge without mains.
_FED_BY_MAINS: Final = (Role.AC_CHARGER, Role.INVERTER_CHARGER)


def charging_phase(sources: Sequence[Source], mains: bool | None) -> str | None:
    """Return the phase of the charger that charges, else off; None: none is fresh.

    Mains chargers first, then solar, then DC-DC. Without mains a charger that is fed
    by it does not charge, whatever it said last.
    """
    states = [
        (role, state)
        for role, key in (
            (Role.AC_CHARGER, "charge_state"),
            (Role.INVERTER_CHARGER, "device_state"),
            (Role.SOLAR_CHARGER, "charge_state"),
            (Role.DC_DC_CHARGER, "charge_state"),
        )
        for source in fresh_of(sources, role)
        if (state := source.text(key)) is not None
    ]
    for role, state in states:
        fed = mains is not False or role not in _FED_BY_MAINS
        if fed and state in CHARGING_PHASES:
            return state
    return "off" if states else None
