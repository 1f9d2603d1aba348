"""What flows from where: sun, mains, alternator, and what is left for the loads."""

from collections.abc import Sequence
from dataclasses import dataclass

from .power_source import AC_INPUTS, DELIVERING_STATES, delivered_w
from .sources import Role, Source, fresh_of

_OUTPUTS = (1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerFlow:
    """What each sort of source gives now, in W; None: not known."""

    solar: float | None = None
    """From the sun; 0 while its chargers are silent."""
    mains: float | None = None
    """From mains: what AC chargers deliver, and inverter/chargers take."""
    alternator: float | None = None
    """From the alternator."""
    load: float | None = None
    """What is used: all of these less what the battery takes."""


def mains_w(source: Source) -> float | None:
    """Return what an AC or inverter/charger gets from mains, in W; None: unknown."""
    if source.role is Role.AC_CHARGER:
        outputs = [
            volts * amperes
            for index in _OUTPUTS
            if (volts := source.number(f"output_voltage_{index}")) is not None
            and (amperes := source.number(f"output_current_{index}")) is not None
        ]
        if outputs:
            return sum(outputs)
        return 0.0 if source.text("charge_state") == "off" else None
    state = source.text("active_ac_in")
    if state is not None and state not in AC_INPUTS:
        return 0.0
    return source.number("active_ac_in_power")


def alternator_w(source: Source) -> float | None:
    """Return what a DC-DC charger delivers, in W; None: it is on and does not tell."""
    watts = delivered_w(source)
    if watts is not None:
        return watts
    state = source.text("charge_state")
    return None if state is None or state in DELIVERING_STATES else 0.0


def _sum(watts: Sequence[float | None]) -> float | None:
    """Return what all give; None: one does not tell."""
    known = [each for each in watts if each is not None]
    return sum(known) if len(known) == len(watts) else None


def power_flow(sources: Sequence[Source], battery_w: float | None) -> PowerFlow:
    """Return what flows; `battery_w`: what the battery takes, in W.

    What is silent gives nothing: chargers are switched off, and the sun sets.
    """
    solar = _sum([delivered_w(each) for each in fresh_of(sources, Role.SOLAR_CHARGER)])
    inverters = fresh_of(sources, Role.INVERTER_CHARGER)
    if solar is not None:
        # A Multi RS and an Inverter RS have panels of their own.
        solar += sum(each.number("pv_power") or 0.0 for each in inverters)
    mains = _sum(
        [
            mains_w(each)
            for each in (*fresh_of(sources, Role.AC_CHARGER), *inverters)
            if each.kind != "inverter_rs"  # has no AC input
        ]
    )
    alternator = _sum(
        [alternator_w(each) for each in fresh_of(sources, Role.DC_DC_CHARGER)]
    )
    load = None
    if None not in (solar, mains, alternator, battery_w):
        given = (solar or 0.0) + (mains or 0.0) + (alternator or 0.0)
        load = max(given - (battery_w or 0.0), 0.0)
    return PowerFlow(solar=solar, mains=mains, alternator=alternator, load=load)
