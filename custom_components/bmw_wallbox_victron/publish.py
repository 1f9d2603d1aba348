"""Which change is worth a row in the database.

Advertisements arrive several times a second; what is shown follows them by a deadband,
and at most once a second. So it is never wrong by more than the deadband for longer
than a second, and a value that stands still writes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

type Value = float | int | str | None

#: What is shown is written no more often than this, in s.
PACE_S: Final = 1.0
#: Time to go is written once a minute at most, in s.
PACE_TIME_TO_GO_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How closely what is shown follows a quantity."""

    deadband: Callable[[float], float] = lambda _: 0.0
    """By how much the shown value may be wrong, in the unit of the quantity."""
    pace_s: float = PACE_S
    """How long a shown value stands at least, in s."""


def within(amount: float) -> Rule:
    """Make a rule with a fixed deadband."""
    return Rule(deadband=lambda _: amount)


VOLTAGE: Final = within(0.05)
CURRENT: Final = within(0.2)
POWER: Final = within(5)
SOC: Final = within(0.5)
CHARGE: Final = within(0.2)
#: Minutes: the larger of 5 min and 10 %.
TIME_TO_GO: Final = Rule(
    deadband=lambda shown: max(5.0, 0.1 * shown), pace_s=PACE_TIME_TO_GO_S
)
TEMPERATURE: Final = within(1)
EXACT: Final = Rule()


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

    @property
    def values(self) -> dict[str, Value]:
        """The values alone."""
        return {key: item.value for key, item in self.shown.items()}


def _moved(rule: Rule, shown: Value, value: Value) -> bool:
    """Tell whether a value has left the deadband around what is shown."""
    if shown == value:
        return False
    if (
        isinstance(shown, str)
        or isinstance(value, str)
        or shown is None
        or value is None
    ):
        return True
    return abs(value - shown) > rule.deadband(shown)


def publish(
    before: Publication,
    values: Mapping[str, Value],
    rules: Mapping[str, Rule],
    now: float,
) -> tuple[Publication, float | None]:
    """Bring what is shown up to date with what was read.

    Becoming known or unknown, and a new state, are written at once; a number that has
    moved waits for its pace. Gives what is shown now and, where something waits, when
    to ask again.
    """
    shown = dict(before.shown)
    due: float | None = None
    for key, value in values.items():
        rule = rules.get(key, EXACT)
        old = shown.get(key)
        if old is None:
            shown[key] = Shown(value, now)
            continue
        if not _moved(rule, old.value, value):
            continue
        is_number = isinstance(value, float | int) and not isinstance(old.value, str)
        if is_number and old.value is not None and now < old.since + rule.pace_s:
            moment = old.since + rule.pace_s
            due = moment if due is None else min(due, moment)
            continue
        shown[key] = Shown(value, now)
    for key in shown.keys() - values.keys():
        del shown[key]
    if shown == before.shown:
        return before, due
    return replace(before, shown=shown), due
