"""How each message changes what is known of a wallbox.

A transition takes a state and a message and gives the next state. Time comes in with
the message. The rules for what may overwrite what:

- Within a transaction `seqNo` gives the order (OCPP 2.0.1 E04). An event with a number
  that was passed already is late. One with a newer number and an older timestamp is in
  doubt: the clock was set back, or it is a replay. The next message tells which
  (`DeviceClock`), and what was in doubt is taken then. Only an end waits for nothing:
  nothing comes after it, so the clock was set back.
- Across transactions the wallbox's own timestamps give the order, compared with each
  other alone. Where its clock was set back, all that is known moves back with it.
- Late and offline events count for energy and for their own session. They never replace
  a newer reading or state.
- A reading is live while it is young by the wallbox's own clock (`DeviceClock`).
- An id that is used again, with a start of its own, is another transaction.
- A free socket ends no transaction that still gives signs of life.
- A transaction that a newer one replaced is over, whatever comes of it later.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ..charging.settings import MIN_CURRENT_A
from .clock import JITTER_S, LIVE_TIMEOUT_S, DeviceClock, Now, moved_back
from .identity import Identity
from .live_readings import aged, forget, is_flowing, nothing_flows, show, stopped
from .meter_values import CLOCK_NEVER_SET, Sample
from .state import (
    ChargingState,
    ConnectorStatus,
    Doubt,
    EventType,
    Transaction,
    TransactionEvent,
    WallboxState,
)
from .transactions import (
    begin,
    complete,
    count_register,
    counting,
    filled,
    find_transaction,
    flows_set_back,
    follow,
    is_newest,
    moved,
    remember,
    takes_over,
    transaction_set_back,
)

#: How many messages may be in doubt at a time.
MOST_DOUBTED = 16


def connected(state: WallboxState) -> WallboxState:
    """Take note of a live connection."""
    return replace(state, connected=True, clock=state.clock.undoubted())


def disconnected(state: WallboxState) -> WallboxState:
    """Take note that the connection is gone: what was live is not any more."""
    state = _settled(replace(state, clock=state.clock.undoubted()))
    return forget(replace(state, connected=False, surveyed=False))


def identified(state: WallboxState, identity: Identity) -> WallboxState:
    """Take what the wallbox says of itself."""
    return replace(state, identity=state.identity.completed_by(identity))


def heartbeat(state: WallboxState, now: Now) -> WallboxState:
    """Take note of a Heartbeat."""
    return replace(state, last_heartbeat=now.wall)


def clock_heard(
    state: WallboxState, at: datetime, now: Now, *, written: datetime | None = None
) -> WallboxState:
    """Take note of the time that the wallbox gave to what has just happened.

    `written`: what it wrote, where `at` was put in order already.
    """
    clock = state.clock
    if clock.at is None and state.energy.last_at is not None:
        # After a restart of ours: it went on at least from its last reading.
        clock = DeviceClock(at=state.energy.last_at, heard_at=now.steady)
    clock, back_s = clock.hears(at, now, written=written)
    state = replace(state, clock=clock)
    if clock.behind_since is not None:
        return state
    if back_s:
        state = _set_back(state, timedelta(seconds=back_s))
    if clock.at is not None:
        state = _none_later(state, clock.at)
    return _settled(state)


def connector(
    state: WallboxState, status: ConnectorStatus, at: datetime, now: Now
) -> WallboxState:
    """Take a connector's status as of `at`, unless a newer one is known."""
    written, at = at, _in_order(state, at, now)
    state = clock_heard(state, at, now, written=written)
    if (
        state.clock.behind_since is not None
        and state.connector_at is not None
        and at < state.connector_at
    ):
        return _doubt(state, Doubt((status, at), now))
    return _connector(state, status, at, now)


def connector_asked(
    state: WallboxState,
    status: ConnectorStatus,
    now: Now,
    *,
    ends_session: bool = True,
) -> WallboxState:
    """Take the status that the wallbox gave when asked; its clock did not speak.

    `ends_session`: whether a free socket tells that a session's end was lost.
    """
    state = replace(state, connector_status=status)
    return _freed(state, now) if ends_session else state


def _connector(
    state: WallboxState, status: ConnectorStatus, at: datetime, now: Now
) -> WallboxState:
    """Take a connector's status, unless a newer one is known."""
    if state.connector_at is not None and at < state.connector_at:
        return state
    state = replace(state, connector_status=status, connector_at=at)
    current = state.transaction
    if current is not None and at > current.newest:
        state = _freed(state, now)
    return state


def metered(state: WallboxState, samples: Iterable[Sample], now: Now) -> WallboxState:
    """Take meter values that name no transaction: they belong to the running one."""
    samples = tuple(samples)
    if samples:
        written = max(sample.at for sample in samples)
        samples = tuple(
            replace(sample, at=_in_order(state, sample.at, now)) for sample in samples
        )
        at = _in_order(state, written, now)
        state = clock_heard(state, at, now, written=written)
    for sample in samples:
        state = _lives_on(state, sample, now)
        active = state.active
        if active is not None and sample.begin:
            sample = replace(sample, at=active.began)
        if active is not None and sample.at < active.began:
            active = None  # of a session before
        if sample.register is not None:
            # Nothing flows between two sessions.
            idle = state.active is None and state.charging_state is not None
            state, energy = count_register(
                state,
                active,
                sample.register,
                sample.at,
                begins=idle and state.transaction is not None,
            )
            if active is not None:
                state = replace(state, transaction=counting(active, energy))
        # To the second: the meter's clock may tick in whole ones.
        if (
            active is not None
            and not sample.begin
            and sample.at >= active.newest.replace(microsecond=0)
        ):
            state = show(state, sample, now)
    return state


def _lives_on(state: WallboxState, sample: Sample, now: Now) -> WallboxState:
    """Take a current that flows as a sign of life of the current transaction."""
    current = state.transaction
    if (
        current is None
        or current.ended_at is not None
        or (current.abandoned and not state.freed)  # not by the socket's word alone
        or not is_flowing(sample)
        or sample.begin
        or sample.at < current.newest.replace(microsecond=0)
        or state.clock.is_past(sample.at, now)
    ):
        return state
    return replace(
        state,
        transaction=replace(current, abandoned=False),
        session_heard_at=now.steady,
        freed=False,
    )


def transaction_checked(
    state: WallboxState, transaction_id: str, *, ongoing: bool
) -> WallboxState:
    """Take the wallbox's word for whether a transaction still runs."""
    current = state.transaction
    if ongoing or current is None or current.id != transaction_id or current.ended_at:
        return state
    return _abandon(state, current)


def expired(state: WallboxState, now: Now) -> WallboxState:
    """Forget what nothing has renewed for too long."""
    if state.freed:
        state = _freed(state, now)
    return aged(state, now)


def transaction_event(
    state: WallboxState, event: TransactionEvent, now: Now
) -> WallboxState:
    """Take a TransactionEvent, in order, late, repeated or replayed."""
    at = _in_order(state, event.at, now)
    samples = tuple(
        replace(sample, at=_in_order(state, sample.at, now)) for sample in event.samples
    )
    event = replace(
        event,
        at=at,
        stamp=event.at,
        # It happened before now, so a clock that says later was wrong then.
        timeless=at != event.at or state.clock.lag_s(at, now) < -JITTER_S,
        samples=samples,
    )
    known = find_transaction(state, event, now)
    if not event.offline and is_newest(known, event):
        state = clock_heard(state, event.at, now, written=event.written)
        known = find_transaction(state, event, now)
        if (
            known is not None
            and is_newest(known, event)
            and known is state.active
            and event.event_type is not EventType.ENDED
            and state.clock.behind_since is not None
            and event.at < known.newest
        ):
            return _doubt(state, Doubt(event, now))
    return _happened(state, event, now)


def _happened(state: WallboxState, event: TransactionEvent, now: Now) -> WallboxState:
    """Take an event that is in order, or late for good."""
    known = find_transaction(state, event, now)
    in_order = is_newest(known, event)
    if known is not None and in_order and event.at < known.newest:
        back = known.newest - event.at
        if event.event_type is EventType.ENDED:
            if known is state.transaction:
                state = _clock_set_back(state, event.at, now, least=back)
                known = state.transaction
            else:
                known = transaction_set_back(known, back)
        elif back.total_seconds() <= JITTER_S:
            event = moved(event, back)
        elif not event.offline and abs(state.clock.lag_s(event.at, now)) <= JITTER_S:
            # It is live: the clock was ahead when the newest one happened offline.
            known = transaction_set_back(known, back)
        else:
            in_order = False
    transaction = known or begin(state, event, now)

    current = state.transaction
    newer = False
    if current is not None and current.key != transaction.key:
        newer = in_order and takes_over(state, current, known, event)
        if newer and event.at < current.newest:
            back = current.newest - event.at
            if event.offline:
                state = _set_back(state, back)
            else:
                state = _clock_set_back(state, event.at, now, least=back)
            current = state.transaction
            transaction = known or begin(state, event, now)

    for sample in event.samples:
        if sample.register is not None:
            at = transaction.began if sample.begin else sample.at
            begins = sample.begin or event.event_type is EventType.STARTED
            state, energy = count_register(
                state, transaction, sample.register, at, begins=begins
            )
            transaction = counting(transaction, energy)
    before = transaction.charging_state
    transaction = (follow if in_order else complete)(transaction, event, now)
    if in_order:
        transaction = filled(transaction, before, paused=_is_paused(state))

    flowed = state.charging_state is ChargingState.CHARGING
    if current is not None and transaction.key != current.key:
        if not newer:
            return replace(state, recent=remember(state.recent, transaction))
        current = replace(current, replaced=True)
        recent = tuple(item for item in state.recent if item.key != transaction.key)
        state = forget(replace(state, recent=remember(recent, current)))
        flowed = False
    state = replace(state, transaction=transaction)
    if in_order and not event.offline:
        state = replace(state, session_heard_at=now.steady, freed=False)

    if transaction.ended_at is not None:
        return stopped(state, event.at, now) if in_order else state
    flows = transaction.charging_state is ChargingState.CHARGING
    if flows and not flowed:
        # Something flows now: the zeros from before are not true any more.
        state = forget(state)
    begins = event.event_type is EventType.STARTED
    live = [
        sample
        for sample in event.samples
        if sample.live and (begins or not sample.begin)
    ]
    if live and in_order and not event.offline:
        for sample in live:
            state = show(state, sample, now)
    elif not flows and (in_order or flowed):
        state = stopped(state, event.at, now)
    return state


def _is_paused(state: WallboxState) -> bool:
    """Return whether the wallbox is told to let nothing flow."""
    setpoint = state.enforcement.setpoint
    return setpoint is not None and setpoint.amps < MIN_CURRENT_A


# The target


def target_set(state: WallboxState, changes: Mapping[str, Any]) -> WallboxState:
    """Take fields of the target that its owner set."""
    state = _known(state, **changes)
    if "charging_allowed" in changes:
        # Who stops again wants the transaction to be asked to end again, at once.
        enforcement = replace(state.enforcement, stop_asked_at=None)
        state = replace(state, enforcement=enforcement)
    pin_a = state.enforcement.pin_a
    if (
        state.target.unreadable
        and changes.get("charging_allowed")
        and pin_a is not None
    ):
        # Its owner wants it to charge, and nobody knows how much: the least.
        pin_a = max(pin_a, MIN_CURRENT_A)
        enforcement = replace(state.enforcement, pin_a=pin_a)
        state = replace(state, enforcement=enforcement)
    return state


def seen_to_charge(state: WallboxState, allowed: bool) -> WallboxState:
    """Take what the wallbox enforces for whether the car may charge.

    Where it may, that is not more than it enforces until a limit is set.
    """
    state = _known(state, charging_allowed=allowed)
    if allowed and "current_limit" not in state.target.lost:
        lost = (*state.target.lost, "current_limit")
        state = replace(state, target=replace(state.target, lost=lost))
    return state


def _known(state: WallboxState, **changes: Any) -> WallboxState:
    """Take fields of the target; they are not lost any more."""
    found = set(changes)
    if found & {"current_limit", "charging_allowed"}:
        found |= {"schedule", "charging"}  # who sets it by hand asks for no others
    lost = tuple(name for name in state.target.lost if name not in found)
    return replace(state, target=replace(state.target, **changes, lost=lost))


# A clock that is set back, and what is in doubt until that is known


def _in_order(state: WallboxState, at: datetime, now: Now) -> datetime:
    """Return the time by which something is put in order, on the wallbox's clock.

    A clock that was never set says nothing: then it is the time at which it came.
    """
    if at >= CLOCK_NEVER_SET:
        return at
    return state.clock.expected(now) or state.energy.last_at or now.wall


def _doubt(state: WallboxState, doubt: Doubt) -> WallboxState:
    """Keep a message until the next one tells what it is."""
    return replace(state, doubted=(*state.doubted, doubt)[-MOST_DOUBTED:])


def _settled(state: WallboxState) -> WallboxState:
    """Take what was in doubt: in order where the clock was set back, else late."""
    doubted, state = state.doubted, replace(state, doubted=())
    for doubt in doubted:
        item, now = doubt.item, doubt.heard
        at = item.at if isinstance(item, TransactionEvent) else item[1]
        # The clock may have been set twice: none of it happened later than it came.
        ahead_s = -state.clock.lag_s(at, now)
        by = timedelta(seconds=ahead_s if ahead_s > JITTER_S else 0)
        if isinstance(item, TransactionEvent):
            state = _happened(state, moved(item, -by), now)
        else:
            state = _connector(state, item[0], at - by, now)
    return state


def _clock_set_back(
    state: WallboxState, at: datetime, now: Now, *, least: timedelta
) -> WallboxState:
    """Let the wallbox's clock show `at` now: it was set back, by `least` at least."""
    back = max(timedelta(seconds=state.clock.lag_s(at, now)), least)
    clock = DeviceClock(at=at, heard_at=now.steady)
    return _settled(_set_back(replace(state, clock=clock), back))


def _set_back(state: WallboxState, by: timedelta) -> WallboxState:
    """Follow the wallbox's clock back: all that is known is as long ago as it was."""
    current, meter = state.transaction, state.meter
    return replace(
        state,
        connector_at=state.connector_at and moved_back(state.connector_at, by),
        transaction=current and transaction_set_back(current, by),
        meter=meter and replace(meter, at=moved_back(meter.at, by)),
        energy=state.energy.set_back(by),
        flowed=flows_set_back(state.flowed, by),
    )


def _none_later(state: WallboxState, shown: datetime) -> WallboxState:
    """Let nothing be later than what the wallbox's clock shows now.

    It was ahead when something happened offline, and has been corrected since.
    """
    current = state.transaction
    known = (
        state.connector_at,
        state.energy.last_at,
        None if current is None else current.newest,
    )
    newest = max((at for at in known if at is not None), default=shown)
    ahead = newest - shown
    return _set_back(state, ahead) if ahead.total_seconds() > JITTER_S else state


# What is live


def _freed(state: WallboxState, now: Now) -> WallboxState:
    """Let a free socket end a transaction whose own end was lost.

    Some report a free socket in the middle of one: it is over once nothing is heard of
    it any more.
    """
    active = state.active
    if active is None:
        return state
    if state.connector_status is not ConnectorStatus.AVAILABLE:
        return replace(state, freed=False)
    state = replace(state, freed=True)
    heard_at = state.session_heard_at
    if heard_at is not None and now.steady - heard_at < LIVE_TIMEOUT_S:
        return state
    return _abandon(state, active)


def _abandon(state: WallboxState, transaction: Transaction) -> WallboxState:
    """End the current transaction without its own word."""
    state = replace(state, transaction=replace(transaction, abandoned=True))
    return replace(forget(state), meter=nothing_flows(None, transaction.newest))
