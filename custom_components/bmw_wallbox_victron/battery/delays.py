"""Conditions that count once they have lasted."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Steady:
    """An answer that counts once it was the same for a while."""

    value: bool | None = None
    """What counts; None: unknown."""
    settled: bool = False
    """Whether any answer has ever counted."""
    heard: bool | None = None
    """The last answer."""
    since: float = 0.0
    """Since when, in s."""


def steady(
    before: Steady, heard: bool | None, now: float, hold_s: float
) -> tuple[Steady, float | None]:
    """Return what counts after an answer, and when that may change."""
    since = before.since if heard is before.heard else now
    if not before.settled and heard is None:
        return Steady(None, settled=False, heard=None, since=since), None
    if heard is before.value and before.settled:
        return Steady(heard, settled=True, heard=heard, since=since), None
    if now - since >= hold_s:
        return Steady(heard, settled=True, heard=heard, since=since), None
    waiting = Steady(before.value, settled=before.settled, heard=heard, since=since)
    return waiting, since + hold_s


@dataclass(frozen=True, slots=True)
class Delayed:
    """A condition that is met, or not, only after it has lasted."""

    value: bool | None = None
    """What counts; None: the condition is unknown."""
    met: bool | None = None
    """Whether it is met now."""
    since: float = 0.0
    """Since when, in s."""


def delayed(
    before: Delayed, met: bool | None, now: float, *, on_s: float, off_s: float
) -> tuple[Delayed, float | None]:
    """Return what counts of a condition, and when that may change.

    What is unknown is so at once, and begins afresh.
    """
    if met is None:
        return Delayed(), None
    since = before.since if met is before.met else now
    value = before.value or False
    if met is value:
        return Delayed(value, met, since), None
    due = since + (on_s if met else off_s)
    if now >= due:
        return Delayed(met, met, since), None
    return Delayed(value, met, since), due
