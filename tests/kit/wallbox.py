"""What the tests of the wallbox half share: a clock, readings, events."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings

from custom_components.bmw_wallbox_victron.wallbox.clock import Now
from custom_components.bmw_wallbox_victron.wallbox.meter_values import Sample
from custom_components.bmw_wallbox_victron.wallbox.state import (
    EventType,
    TransactionEvent,
    WallboxState,
)
from custom_components.bmw_wallbox_victron.wallbox.transitions import (
    connected,
    transaction_event,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
#: What the steady clock shows at that moment, in s.
STEADY = 5000.0

#: For the property-based tests: quick, and leaving nothing behind.
RULE = settings(
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def at(seconds: float) -> datetime:
    """Give the moment so many seconds after the start."""
    return START + timedelta(seconds=seconds)


def now(seconds: float) -> Now:
    """Give that moment by both of our own clocks; the steady one began elsewhere."""
    return Now(at(seconds), STEADY + seconds)


def event(
    number: int,
    seconds: float,
    kind: EventType = EventType.UPDATED,
    *,
    register: float | None = None,
    readings: dict[str, float] | None = None,
    transaction_id: str = "A",
    trigger_reason: str = "meter_value_periodic",
    **rest: Any,
) -> TransactionEvent:
    """Make the event with that `seqNo`; its sample was taken at the same moment."""
    sampled: tuple[Sample, ...] = ()
    if register is not None or readings:
        sampled = (Sample(at=at(seconds), register=register, **readings or {}),)
    return TransactionEvent(
        transaction_id=transaction_id,
        event_type=kind,
        at=at(seconds),
        sequence_number=number,
        trigger_reason=trigger_reason,
        samples=sampled,
        **rest,
    )


def started(number: int, seconds: float, **rest: Any) -> TransactionEvent:
    """Make a Started event."""
    return event(number, seconds, EventType.STARTED, **rest)


def ended(number: int, seconds: float, **rest: Any) -> TransactionEvent:
    """Make an Ended event."""
    return event(number, seconds, EventType.ENDED, **rest)


def play(
    events: Iterable[TransactionEvent],
    state: WallboxState | None = None,
    *,
    now: float | None = None,
) -> WallboxState:
    """Hand events to a wallbox, in the order given; all of them arrive at `now` s.

    By default that is when the newest of them happened, and a moment more.
    """
    state = connected(WallboxState()) if state is None else state
    events = list(events)
    newest = max((item.at for item in events), default=START)
    seconds = (newest - START).total_seconds() + 0.5 if now is None else now
    arrival = Now(at(seconds), STEADY + seconds)
    for item in events:
        state = transaction_event(state, item, arrival)
    return state
