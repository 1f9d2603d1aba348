"""Which change is worth a row in the database.

Advertisements arrive several times a second, and a wallbox's meter values never
stand still; what is shown follows them by a deadband, and at most once a second. So it
is never wrong by more than the deadband for longer than a second, and a value that
stands still writes nothing.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final

from .readings import Value

type Cancel = Callable[[], None]

#: What is shown is written no more often than this, in s.
PACE_S: Final = 1.0
#: Time to go is written once a minute at most, in s.
PACE_TIME_TO_GO_S: Final = 60.0
#: The energy of a wallbox while it counts up, in s: statistics look at it every 5 min.
PACE_ENERGY_S: Final = 120.0
#: The limit of its charging, in s.
PACE_LIMIT_S: Final = 60.0
#: What a session has cost moves with every reading, in s.
PACE_COST_S: Final = 180.0
_COST_CREDIT: Final = 5
#: What turns again after no more than this ripples, in s.
RIPPLE_S: Final = 600.0
#: After so many turns in a row, what turns is a ripple.
_RIPPLE_TURNS: Final = 2
#: How exactly the middle of a ripple is shown, in digits after the point.
_RIPPLE_DIGITS: Final = 2
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
    credit: int = 0
    """So many may stand for a second only; one more each time that `pace_s` is over."""
    rest: float | None = None
    """What is shown as soon as it is reached, however near what is shown is to it.

    It may be left by as much as the deadband: noise about it is no news.
    """
    ripple_s: float = 0.0
    """What turns again and again is shown in the middle, turns no further apart, in s.

    By a deadband a quantity can follow a ripple as wide as that from end to end, and
    write at each; in the middle of it, it follows one that is twice as wide, and rests.
    """


def within(
    amount: float,
    *thresholds: float,
    hold_s: float = 0.0,
    ripple_s: float = RIPPLE_S,
) -> Rule:
    """Return a rule with a fixed deadband, by default in the middle of ripple."""
    return Rule(
        deadband=lambda _: amount,
        thresholds=thresholds,
        hold_s=hold_s,
        ripple_s=ripple_s,
    )


def steady(amount: float, *thresholds: float) -> Rule:
    """Return a rule with a fixed deadband for what is counted and has no noise."""
    return within(amount, *thresholds, ripple_s=0.0)


EXACT: Final = Rule()
TIME_TO_GO: Final = Rule(
    # Minutes: the larger of 5 min and 10 %.
    deadband=lambda shown: max(5.0, 0.1 * shown),
    pace_s=PACE_TIME_TO_GO_S,
)
#: A wallbox's meter values, ripple and all: W, A of a phase, V to neutral.
CHARGING_POWER: Final = Rule(
    # The larger of 50 W and 2 %.
    deadband=lambda shown: max(50.0, 0.02 * abs(shown)),
    rest=0.0,
    ripple_s=RIPPLE_S,
)
CHARGING_CURRENT: Final = replace(within(0.3), rest=0.0)
CHARGING_VOLTAGE: Final = replace(within(2.0), rest=0.0)
#: What a wallbox has delivered, kWh: each Wh at first, then every two minutes; and
#: exact where a session begins, pauses or ends.
CHARGING_ENERGY: Final = Rule(pace_s=PACE_ENERGY_S, credit=10)
#: The limit of its charging, A, while it follows the sun or the house: each at first,
#: then once a minute.
CHARGING_LIMIT: Final = Rule(pace_s=PACE_LIMIT_S, credit=10)
#: What a session has cost, in any currency, and how much of it came from the sun, %.
SESSION_COST: Final = Rule(
    deadband=lambda _: 0.01, pace_s=PACE_COST_S, credit=_COST_CREDIT
)
SESSION_SHARE: Final = Rule(
    deadband=lambda _: 1.0, pace_s=PACE_COST_S, credit=_COST_CREDIT
)
#: By key, where the unit is not enough.
_BY_KEY: Final[Mapping[str, Rule]] = {
    "time_to_go": TIME_TO_GO,
    # A battery that is full, or empty, is shown so.
    "soc": steady(0.5, 0.0, 100.0),
}
_BY_UNIT: Final[Mapping[str, Rule]] = {
    "V": within(0.05),
    "A": within(0.2),
    "W": within(5),
    "VA": within(5),
    "%": steady(0.5),
    "Ah": steady(0.2),
    # Chargers send whole degrees: one to and fro is no news.
    "°C": within(1.5),
}
#: All that a cell does between full and empty happens within some 0.5 V.
_CELL_VOLTAGE: Final = within(0.01)


def rule_for(key: str, unit: str | None) -> Rule:
    """Return the rule of a quantity. What has no unit is followed exactly."""
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
    paid_until: float = -inf
    """Until when its pace would have it stand, with those that came before theirs."""
    occasion: Hashable = None
    """What was going on then."""
    step: float = 0.0
    """By how much it differed from what was shown before; 0: there was nothing."""
    turns: int = 0
    """How often in a row it went up after it had gone down, or down after up."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What of a device is shown."""

    shown: Mapping[str, Shown] = field(default_factory=dict)
    """By key."""
    crossed: Mapping[str, float] = field(default_factory=dict)
    """Since when what was read is beyond a threshold that what is shown is not."""

    @property
    def values(self) -> dict[str, Value]:
        """Return the values alone."""
        return {key: item.value for key, item in self.shown.items()}


def _moved(rule: Rule, shown: Value, value: Value) -> bool:
    """Return whether a value has left the deadband around what is shown."""
    if shown == value:
        return False
    if not isinstance(shown, float | int) or not isinstance(value, float | int):
        return True
    return value == rule.rest or abs(value - shown) >= rule.deadband(shown) - _NOISE


def _crosses(rule: Rule, shown: Value, value: Value) -> bool:
    """Return whether a threshold lies between a value and what is shown."""
    if not isinstance(shown, float | int) or not isinstance(value, float | int):
        return False
    return any(
        (shown < threshold) is not (value < threshold)
        or (shown > threshold) is not (value > threshold)
        for threshold in rule.thresholds
    )


def _next(rule: Rule, old: Shown, value: Value, now: float) -> Shown:
    """Return what is shown in place of `old`: a value, or the middle of its ripple."""
    if not isinstance(old.value, float | int) or not isinstance(value, float | int):
        return Shown(value, now)
    step = value - old.value
    if abs(step) >= 2 * rule.deadband(old.value) or now - old.since > rule.ripple_s:
        return Shown(value, now, step=step)
    turns = old.turns + 1 if step * old.step < 0 else 0
    middle = round(old.value + step / 2, _RIPPLE_DIGITS)
    if (
        turns >= _RIPPLE_TURNS
        and not _moved(rule, middle, value)
        and not _crosses(rule, middle, value)
    ):
        value = middle
    return Shown(value, now, step=step, turns=turns)


def publish(
    before: Publication,
    values: Mapping[str, Value],
    rules: Mapping[str, Rule],
    now: float,
    occasion: Hashable = None,
) -> tuple[Publication, float | None]:
    """Bring what is shown up to date with what was read.

    Where something else is going on (`occasion`) than when a value was written, no
    deadband counts, and no pace longer than a second.

    Return what is shown now and, where a change waits for its pace, when to ask again.
    """
    changed: dict[str, Shown] = {}
    crossed: dict[str, float] = {}
    due: float | None = None
    for key, value in values.items():
        rule = rules.get(key, EXACT)
        old = before.shown.get(key)
        if old is None:
            # What was unknown from the start may become known at once.
            since = -inf if value is None else now
            changed[key] = Shown(value, since, since + rule.pace_s, occasion)
            continue
        moment = old.since + PACE_S
        if occasion != old.occasion:
            rule = EXACT
        elif value is not None:
            # What is not known any more is not shown for longer than needs be.
            moment = max(moment, old.paid_until - rule.credit * rule.pace_s)
        if not _moved(rule, old.value, value):
            if not _crosses(rule, old.value, value):
                continue
            crossed[key] = before.crossed.get(key, now)
            moment = max(moment, crossed[key] + rule.hold_s)
        if now < moment:
            due = moment if due is None else min(due, moment)
        else:
            paid_from = max(now, old.paid_until) if rule.credit else now
            changed[key] = replace(
                _next(rule, old, value, now),
                paid_until=paid_from + rule.pace_s,
                occasion=occasion,
            )
    if not changed and before.shown.keys() == values.keys():
        if crossed != before.crossed:
            before = replace(before, crossed=crossed)
        return before, due
    shown = {key: changed.get(key) or before.shown[key] for key in values}
    return Publication(shown, crossed), due


class Publisher:
    """Keeps what is shown, and comes back when a change that waits is due.

    The clock is that of the event loop, in s; timers and times must agree on it.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], Cancel],
        on_due: Callable[[], None],
    ) -> None:
        """Initialize with a clock; `on_due` is called when `take` is due once more."""
        self._now = now
        self._call_later = call_later
        self._on_due = on_due
        self._publication = Publication()
        self._due: float | None = None
        self._cancel: Cancel | None = None
        self._not_before = -inf

    @property
    def values(self) -> dict[str, Value]:
        """Return what is shown."""
        return self._publication.values

    def take(
        self,
        values: Mapping[str, Value],
        rules: Mapping[str, Rule],
        occasion: Hashable = None,
    ) -> bool:
        """Take readings; return whether what is shown changed."""
        # A timer may be early by the grain of the clock.
        now = max(self._not_before, self._now())
        before = self._publication
        self._publication, due = publish(before, values, rules, now, occasion)
        if due != self._due:
            self.close()
            if due is not None:
                self._due = due
                self._cancel = self._call_later(max(0.0, due - now), self._come_back)
        return self._publication.shown is not before.shown

    def _come_back(self) -> None:
        """Call `on_due`, when that is due."""
        due, self._due, self._cancel = self._due, None, None
        if due is not None:
            self._not_before = due
            self._on_due()

    def forget(self) -> None:
        """Show nothing: what comes next does not follow from it."""
        self.close()
        self._publication = Publication()

    def close(self) -> None:
        """Stop waiting."""
        self._due = None
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
