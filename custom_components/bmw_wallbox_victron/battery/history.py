"""The battery's history, as a battery monitor keeps it and does not broadcast it.

Depths of discharge are Ah below full, positive. A discharge ends when the battery is
full again.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

#: From this state of charge on a battery is full, in %.
FULL_SOC: Final = 99.5
#: From this one on it is where its charger has gone to float, in %.
FULL_IN_FLOAT_SOC: Final = 95.0
#: What is drawn between two times of being full is a discharge from this depth on: as a
#: part of the capacity, and in Ah where that is not known.
_LEAST_DEPTH: Final = 0.01
_LEAST_DEPTH_AH: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What became of the battery since counting began."""

    elapsed_s: float = 0.0
    """How long ago that is, in s, the time in which nobody counted included."""
    covered_s: float = 0.0
    """For how much of it the current was known, in s."""
    discharged_ah: float = 0.0
    """What was drawn, in Ah."""
    cycles: float = 0.0
    """How many times the capacity was drawn."""
    uncounted_ah: float = 0.0
    """What was drawn while the capacity was not known, in Ah: in no cycle yet."""
    discharges: int = 0
    """How many discharges have ended."""
    discharges_ah: float = 0.0
    """The sum of their depths, in Ah."""
    deepest_ah: float | None = None
    """The deepest discharge, in Ah; None: there was none yet."""
    running_ah: float = 0.0
    """How deep it was since it was last full, in Ah."""
    last_ah: float | None = None
    """How deep the running discharge has been, or else the last one, in Ah."""
    full: bool | None = None
    """Whether the battery is full; None: that was never known."""
    last_full: datetime | None = None
    """When it became full, or when it ceased to be; None: it was not full yet."""
    min_voltage: float | None = None
    """The lowest voltage, in V."""
    max_voltage: float | None = None
    """The highest, in V."""

    @property
    def coverage(self) -> float | None:
        """Of how much of the time the current was known, in %; None: none passed."""
        if self.elapsed_s <= 0:
            return None
        return min(100.0 * self.covered_s / self.elapsed_s, 100.0)

    @property
    def average_ah(self) -> float | None:
        """The mean depth of the discharges that have ended, in Ah."""
        return self.discharges_ah / self.discharges if self.discharges else None


def passed(history: History, seconds: float) -> History:
    """Return it after some time; none passes where a clock was set back."""
    return replace(history, elapsed_s=history.elapsed_s + max(seconds, 0.0))


def drawn(
    history: History, ah: float, *, covered_s: float, capacity_ah: float | None
) -> History:
    """Return it after `ah` Ah were drawn, with the current known for `covered_s` s."""
    uncounted = history.uncounted_ah + ah
    cycles = history.cycles
    if capacity_ah is not None and capacity_ah > 0:
        cycles += uncounted / capacity_ah
        uncounted = 0.0
    return replace(
        history,
        covered_s=history.covered_s + covered_s,
        discharged_ah=history.discharged_ah + ah,
        cycles=cycles,
        uncounted_ah=uncounted,
    )


def seen(
    history: History,
    *,
    voltage: float | None,
    soc: float | None,
    depth_ah: float | None,
    in_float: bool,
    capacity_ah: float | None,
    now: datetime,
) -> History:
    """Return it after a reading.

    `voltage` in V, `soc` in %, `depth_ah`: Ah below full; None: not known.
    `in_float`: whether a charger holds the battery in float.
    """
    if voltage is not None:
        lowest, highest = history.min_voltage, history.max_voltage
        if lowest is None or voltage < lowest:
            history = replace(history, min_voltage=voltage)
        if highest is None or voltage > highest:
            history = replace(history, max_voltage=voltage)
    if soc is None:
        return history
    full = soc >= FULL_SOC or (in_float and soc >= FULL_IN_FLOAT_SOC)
    if full is not history.full:
        history = _turned(history, full, now)
    if full or depth_ah is None or depth_ah <= history.running_ah:
        return history
    least = _LEAST_DEPTH_AH if capacity_ah is None else _LEAST_DEPTH * capacity_ah
    return replace(
        history,
        running_ah=depth_ah,
        last_ah=depth_ah if depth_ah >= least else history.last_ah,
        deepest_ah=max(history.deepest_ah or 0.0, depth_ah),
    )


def _turned(history: History, full: bool, now: datetime) -> History:
    """Return it after the battery became full, or ceased to be."""
    if not full:
        # A discharge of which the beginning was not heard has none to note.
        since = history.last_full if history.full is None else now
        return replace(history, full=False, last_full=since)
    ended = history.running_ah > 0 and history.running_ah == history.last_ah
    return replace(
        history,
        full=True,
        last_full=now,
        running_ah=0.0,
        discharges=history.discharges + ended,
        discharges_ah=history.discharges_ah + (history.running_ah if ended else 0.0),
    )


def depth_of(
    *, consumed_ah: float | None, soc: float | None, capacity_ah: float | None
) -> float | None:
    """Return how many Ah the battery is below full; None: not known."""
    if consumed_ah is not None:
        return abs(consumed_ah)
    if soc is None or capacity_ah is None:
        return None
    return (100.0 - soc) / 100.0 * capacity_ah
