"""Which change is worth a row in the database.

Advertisements arrive several times a second; what is shown follows them by a deadband,
and at most once a second. So it is never wrong by more than the deadband for longer
than a second, and a value that stands still writes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final

from .readings import Value

#: What is shown is written no more often than this, in s.
PACE_S: Final = 1.0
#: Time to go is written once a minute at most, in s.
PACE_TIME_TO_GO_S: Final = 60.0
#: Sums of binary fractions miss a deadband by this much, and have reached it.
_NOISE: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How closely what is shown follows a quantity."""

    deadband: Callable[[float], float] = lambda _: 0.0
    """By how much a shown value may be wrong, in the unit of the quantity."""
    thresholds: tuple[float, ...] = ()
    """What is shown is on the same side of these as what was read, or equal to them."""
    hold_s: float = 0.0
    """How long a threshold has to be crossed before that counts, in s."""
    pace_s: float = PACE_S
    """How long a shown value stands at least, in s."""


def within(amount: float, *thresholds: float, hold_s: float = 0.0) -> Rule:
    """Make a rule with a fixed deadband."""
    return Rule(deadband=lambda _: amount, thresholds=thresholds, hold_s=hold_s)


EXACT: Final = Rule()
TIME_TO_GO: Final = Rule(
    # Minutes: the larger of 5 min and 10 %.
    deadband=lambda shown: max(5.0, 0.1 * shown),
    pace_s=PACE_TIME_TO_GO_S,
)
#: By key, where the unit does not tell.
_BY_KEY: Final[Mapping[str, Rule]] = {
    "time_to_go": TIME_TO_GO,
    # A battery that is full, or empty, is shown so.
    "soc": within(0.5, 0.0, 100.0),
}
_BY_UNIT: Final[Mapping[str, Rule]] = {
    "V": within(0.05),
    "A": within(0.2),
    "W": within(5),
    "VA": within(5),
    "%": within(0.5),
    "Ah": within(0.2),
    # Chargers tell whole degrees: one to and fro is no news.
    "°C": within(1.5),
}
#: All that a cell does between full and empty happens within some 0.5 V.
_CELL_VOLTAGE: Final = within(0.01)


def rule_for(key: str, unit: str | None) -> Rule:
    """Give the rule of a quantity. What has no unit is followed exactly."""
    if key.startswith("cell_voltage"):
        return _CELL_VOLTAGE
    return _BY_KEY.get(key) or _BY_UNIT.get(unit or "", EXACT)


@dataclass(frozen=True, slots=True)
class Shown:
    """A value that is shown, and since when."""

    value: Value
    """What is shown."""
    since: float
    """When it was written, in s of a clock that never goes back."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What of a device is shown."""

    shown: Mapping[str, Shown] = field(default_factory=dict)
    """By key."""
    crossed: Mapping[str, float] = field(default_factory=dict)
    """Since when what was read is beyond a threshold that what is shown is not."""

    @property
    def values(self) -> dict[str, Value]:
        """The values alone."""
        return {key: item.value for key, item in self.shown.items()}


def _moved(rule: Rule, shown: Value, value: Value) -> bool:
    """Tell whether a value has left the deadband around what is shown."""
    if shown == value:
        return False
    if not isinstance(shown, float | int) or not isinstance(value, float | int):
        return True
    return abs(value - shown) >= rule.deadband(shown) - _NOISE


def _crosses(rule: Rule, shown: Value, value: Value) -> bool:
    """Tell whether a threshold lies between a value and what is shown."""
    if not isinstance(shown, float | int) or not isinstance(value, float | int):
        return False
    return any(
        (shown < threshold) is not (value < threshold)
        or (shown > threshold) is not (value > threshold)
        for threshold in rule.thresholds
    )


def publish(
    before: Publication,
    values: Mapping[str, Value],
    rules: Mapping[str, Rule],
    now: float,
) -> tuple[Publication, float | None]:
    """Bring what is shown up to date with what was read.

    Gives what is shown now and, where a change waits for its pace, when to ask again.
    """
    changed: dict[str, Shown] = {}
    crossed: dict[str, float] = {}
    due: float | None = None
    for key, value in values.items():
        old = before.shown.get(key)
        if old is None:
            # What was unknown from the start may become known at once.
            changed[key] = Shown(value, -inf if value is None else now)
            continue
        rule = rules.get(key, EXACT)
        # What is not known any more is not shown for longer than needs be.
        moment = old.since + (PACE_S if value is None else rule.pace_s)
        if not _moved(rule, old.value, value):
            if not _crosses(rule, old.value, value):
                continue
            crossed[key] = before.crossed.get(key, now)
            moment = max(moment, crossed[key] + rule.hold_s)
        if now < moment:
            due = moment if due is None else min(due, moment)
        else:
            changed[key] = Shown(value, now)
    if not changed and before.shown.keys() == values.keys():
        if crossed != before.crossed:
            before = replace(before, crossed=crossed)
        return before, due
    shown = {key: changed.get(key) or before.shown[key] for key in values}
    return Publication(shown, crossed), due
