"""Which transaction an event belongs to, and what it makes of it."""

from dataclasses import replace
from datetime import datetime, timedelta

from .clock import JITTER_S, Now, moved_back
from .energy import ROUNDING_WH, Flow, RegisterCount, lifetime
from .meter_values import CLOCK_NEVER_SET
from .state import (
    ChargingState,
    EventType,
    Transaction,
    TransactionEvent,
    WallboxState,
)

#: How many transactions before the current one may still be completed by late events.
REMEMBERED_TRANSACTIONS = 8
#: What is live so long after the end of a transaction is of another one, which has the
#: same id, though its start was lost.
AFTER_THE_END = timedelta(minutes=2)
#: So many readings wait for the receipts as they are.
MOST_FLOWS = 50


def find_transaction(
    state: WallboxState, event: TransactionEvent, now: Now
) -> Transaction | None:
    """Find the transaction of an event among those remembered; None: a new one."""
    same = _same_id(state, event.transaction_id)
    if not same:
        return None
    if event.event_type is EventType.STARTED:
        for item in same:
            if item.start_stamp == event.written:
                return item
    # Of an id that was used again, the newest that had begun by then.
    found = next(
        (item for item in same if (item.began - event.at).total_seconds() <= JITTER_S),
        same[-1],
    )
    return None if _is_another(state, found, event, now) else found


def _same_id(state: WallboxState, transaction_id: str) -> list[Transaction]:
    """List the transactions that had this id, the newest first."""
    everything = (state.transaction, *state.recent)
    same = [item for item in everything if item and item.id == transaction_id]
    return sorted(same, key=lambda item: item.repeat, reverse=True)


def _is_another(
    state: WallboxState, known: Transaction, event: TransactionEvent, now: Now
) -> bool:
    """Return whether an event is of another transaction with the same id.

    Ids are unique, by OCPP; but some wallboxes count anew after a reboot.
    """
    written = event.written
    newer = written == _told(written, now) and written > known.updated_at
    if event.event_type is EventType.STARTED:
        # One that is repeated is written as it was the first time.
        return newer or known.start_stamp not in (None, written)
    return (
        newer
        and known.ended_at is not None
        and not event.offline
        and (
            event.sequence_number < known.sequence_number
            or written - known.ended_at >= AFTER_THE_END
        )
        and abs(state.clock.lag_s(event.at, now)) <= JITTER_S
    )


def is_newest(known: Transaction | None, event: TransactionEvent) -> bool:
    """Return whether an event is the newest of its transaction, by its number."""
    return known is None or (
        known.ended_at is None and event.sequence_number > known.sequence_number
    )


def takes_over(
    state: WallboxState,
    current: Transaction,
    known: Transaction | None,
    event: TransactionEvent,
) -> bool:
    """Return whether an event makes its transaction the current one."""
    if known is not None and known.replaced:
        return False
    idle = current.ended_at is not None or current.abandoned
    if event.at < current.newest:
        # Nothing runs, and something begins: the clock was set back. But a register
        # that stood there before tells of something older.
        begins = {EventType.STARTED}
        if not event.offline:
            begins.add(EventType.UPDATED)
        # So does a queue that still has the current one's own beginning to tell.
        queued = event.offline and current.start_stamp is None
        return (
            idle
            and event.event_type in begins
            and not queued
            and not _stood_before(state, event)
        )
    if idle:
        return True
    # One that runs gives way to what certainly is newer: not to an end in the same
    # second, nor to what happened offline and has no time of its own (a clock that was
    # ahead, or never set).
    if event.offline and event.timeless:
        return False
    return event.event_type is not EventType.ENDED or event.at > current.newest


def _stood_before(state: WallboxState, event: TransactionEvent) -> bool:
    """Return whether an event's register is one that a newer reading has passed."""
    newest = state.energy.last_wh
    return newest is not None and any(
        sample.register is not None and 0 < sample.register < newest - ROUNDING_WH
        for sample in event.samples
    )


def remember(
    recent: tuple[Transaction, ...], transaction: Transaction
) -> tuple[Transaction, ...]:
    """Put a transaction in front of those that late events may complete."""
    others = tuple(item for item in recent if item.key != transaction.key)
    return (transaction, *others)[:REMEMBERED_TRANSACTIONS]


# What an event makes of its transaction


def begin(state: WallboxState, event: TransactionEvent, now: Now) -> Transaction:
    """Make a transaction of the first event that was heard of it."""
    energy = RegisterCount()
    total = state.energy
    if (
        event.event_type is EventType.STARTED
        and total.last_at is not None
        and event.at >= total.last_at
        and all(sample.register is None for sample in event.samples)
    ):
        # Until the session's own first reading: no energy flows between two sessions.
        energy = _from_here(total)
    same = _same_id(state, event.transaction_id)
    told = _told(event.written, now)
    return Transaction(
        id=event.transaction_id,
        repeat=same[0].repeat + 1 if same else 0,
        started_at=told,
        updated_at=told,
        start_stamp=_start_stamp(event),
        start_order=event.at,
        newest_order=event.at,
        sequence_number=event.sequence_number,
        event_type=event.event_type,
        energy=energy,
    )


def follow(transaction: Transaction, event: TransactionEvent, now: Now) -> Transaction:
    """Bring a transaction to where an event in order leaves it."""
    ended = event.event_type is EventType.ENDED
    phases = event.phases_used
    told = _told(event.written, now)
    started_at = transaction.started_at
    if told < started_at:
        # One of the clocks was set back: how long it lasted is known all the same.
        lasted = max(event.at - transaction.began, timedelta())
        started_at = moved_back(told, lasted)
    return _name_state(
        replace(
            transaction,
            started_at=started_at,
            updated_at=told,
            newest_order=event.at,
            sequence_number=event.sequence_number,
            event_type=event.event_type,
            trigger_reason=event.trigger_reason,
            abandoned=transaction.abandoned and event.offline,
            ended_at=told if ended else None,
            stopped_reason=event.stopped_reason or ("local" if ended else None),
            id_token=event.id_token or transaction.id_token,
            remote_start_id=transaction.remote_start_id
            if event.remote_start_id is None
            else event.remote_start_id,
            phases_used=transaction.phases_used if phases is None else phases,
        ),
        event,
    )


def complete(
    transaction: Transaction, event: TransactionEvent, now: Now
) -> Transaction:
    """Learn from a late event what no newer one has said."""
    phases = transaction.phases_used
    transaction = _name_state(
        replace(
            transaction,
            id_token=transaction.id_token or event.id_token,
            remote_start_id=event.remote_start_id
            if transaction.remote_start_id is None
            else transaction.remote_start_id,
            phases_used=event.phases_used if phases is None else phases,
        ),
        event,
    )
    if event.event_type is EventType.STARTED:
        return replace(
            transaction,
            started_at=min(_told(event.written, now), transaction.started_at),
            start_order=min(event.at, transaction.began),
            start_stamp=transaction.start_stamp or _start_stamp(event),
        )
    return transaction


def _name_state(transaction: Transaction, event: TransactionEvent) -> Transaction:
    """Take the charging state of an event, unless a newer one named it."""
    if (
        event.charging_state is None
        or event.sequence_number <= transaction.state_sequence
    ):
        return transaction
    return replace(
        transaction,
        charging_state=event.charging_state,
        state_sequence=event.sequence_number,
    )


def filled(
    transaction: Transaction, before: ChargingState, *, paused: bool
) -> Transaction:
    """Take note of a car that stopped by itself after it had charged: it is full.

    `before`: the state before the newest event. `paused`: whether we let nothing flow.
    """
    now = transaction.charging_state
    if now is ChargingState.CHARGING:
        return replace(transaction, full=False) if transaction.full else transaction
    stopped = before is ChargingState.CHARGING and now is ChargingState.SUSPENDED_EV
    if not stopped or paused or not transaction.charged:
        return transaction
    return replace(transaction, full=True)


def _start_stamp(event: TransactionEvent) -> datetime | None:
    """Return what was written as the time of a start; None: it is none."""
    return event.written if event.event_type is EventType.STARTED else None


def _told(at: datetime, now: Now) -> datetime:
    """Return the time that is shown for what the wallbox wrote.

    Its clock may be ahead, or never set.
    """
    return at if CLOCK_NEVER_SET <= at <= now.wall else now.wall


def moved(event: TransactionEvent, by: timedelta) -> TransactionEvent:
    """Return an event as it would have been on a clock that is ahead by so much."""
    return replace(
        event,
        at=event.at + by,
        samples=tuple(replace(sample, at=sample.at + by) for sample in event.samples),
    )


def transaction_set_back(transaction: Transaction, by: timedelta) -> Transaction:
    """Follow the wallbox's clock back. What is shown of it stays."""
    return replace(
        transaction,
        start_order=moved_back(transaction.began, by),
        newest_order=moved_back(transaction.newest, by),
        energy=transaction.energy.set_back(by),
    )


# Its energy


def counting(transaction: Transaction, energy: RegisterCount) -> Transaction:
    """Return a transaction with the energy that was counted for it."""
    charged = transaction.charged or energy.counted_wh > 0
    return replace(transaction, energy=energy, charged=charged)


def count_register(
    state: WallboxState,
    transaction: Transaction | None,
    wh: float,
    at: datetime,
    *,
    begins: bool = False,
) -> tuple[WallboxState, RegisterCount]:
    """Count a register reading once for its session and once for the total.

    `begins`: it was taken when the session began, so nothing has flowed in it yet.
    """
    total = state.energy
    before = RegisterCount() if transaction is None else transaction.energy
    newest = total.last_at is None or at >= total.last_at
    first = transaction is not None and not _metered(transaction)
    current = state.transaction
    in_current = current and transaction and current.key == transaction.key
    if before.last_at is not None and at < before.last_at:
        after = before.earlier_start(wh, at)
    elif first and before.last_wh is not None:
        after = before.advance(wh, at, session_start=True, begins=begins)
    elif first and newest and total.last_wh is not None and wh < total.last_wh:
        # The register restarted, or it stutters: what is known of it will tell.
        after = _from_here(total).advance(wh, at, session_start=True, begins=begins)
        after = replace(after, first_wh=wh - after.counted_wh, first_at=at)
    else:
        after = before.advance(wh, at)
    if newest or total.counted_wh == 0:
        total = lifetime(
            total,
            wh,
            at,
            session_start=first,
            begins=begins and (first or transaction is None),
        )
    elif in_current and before.fell_at_start and total.fell_at_start:
        total = total.since_fall(after.counted_wh - before.counted_wh)
    else:
        total = total.late(
            wh,
            after.counted_wh - before.counted_wh,
            followed_by_wh=_followed_by(state, transaction, at),
        )
    flowed = state.flowed
    if transaction is not None:
        flowed = _with_flow(flowed, transaction, wh, at, after)
    return replace(state, energy=total, flowed=flowed), after


def _with_flow(
    flowed: tuple[Flow, ...],
    transaction: Transaction,
    wh: float,
    at: datetime,
    after: RegisterCount,
) -> tuple[Flow, ...]:
    """Add to what waits for the receipts what a reading told of its session."""
    before, began = transaction.energy, transaction.began
    if before.last_at is None or at >= before.last_at:
        if after == before:
            return flowed
        flow = Flow(
            key=transaction.key,
            begin=min(began, at) if before.last_at is None else before.last_at,
            end=at,
            before_wh=before.counted_wh,
            counted_wh=after.counted_wh,
        )
    elif before.first_at is not None and after.first_at != before.first_at:
        # It had more before its first reading.
        flow = Flow(
            key=transaction.key,
            begin=at,
            end=before.first_at,
            before_wh=before.counted_wh,
            counted_wh=after.counted_wh,
            late=True,
        )
    elif before.last_wh is not None and before.before_wh is None:
        flow = Flow(
            key=transaction.key,
            begin=at,
            end=at,
            before_wh=before.counted_wh,
            counted_wh=before.counted_wh - (before.last_wh - wh),
            late=True,
        )
    else:
        return flowed
    return _appended(flowed, flow)


def _appended(flowed: tuple[Flow, ...], flow: Flow) -> tuple[Flow, ...]:
    """Add a flow; of many, those within a quarter of an hour are put together.

    No price changes within one, and a message may bring the readings of a whole day.
    """
    if len(flowed) < MOST_FLOWS:
        return (*flowed, flow)
    before, last = flowed[-2:]
    if last.key != flow.key or last.late is not flow.late:
        return (*flowed, flow) if len(flowed) < 2 * MOST_FLOWS else flowed
    if len(flowed) < 8 * MOST_FLOWS:
        # Of late ones the first and the last of the quarter stay.
        first = before.end if flow.late else last.begin
        if _quarter(first) != _quarter(flow.end):
            return (*flowed, flow)
    if flow.late:
        return (*flowed[:-1], flow)
    joined = replace(flow, begin=last.begin, before_wh=last.before_wh)
    return (*flowed[:-1], joined)


def _quarter(moment: datetime) -> datetime:
    """Return when its quarter of an hour began."""
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)


def flows_set_back(flowed: tuple[Flow, ...], by: timedelta) -> tuple[Flow, ...]:
    """Follow the wallbox's clock back."""
    return tuple(
        replace(flow, begin=moved_back(flow.begin, by), end=moved_back(flow.end, by))
        for flow in flowed
    )


def _from_here(total: RegisterCount) -> RegisterCount:
    """Count a session from where the register stands, with what is known of it."""
    return replace(
        total,
        counted_wh=0.0,
        first_wh=total.last_wh,
        first_at=total.last_at,
        suspect_wh=None,
    )


def _metered(transaction: Transaction) -> bool:
    """Return whether a transaction has a reading of its own already."""
    last_at = transaction.energy.last_at
    return last_at is not None and last_at >= transaction.began


def _followed_by(
    state: WallboxState, transaction: Transaction | None, at: datetime
) -> float:
    """Return a reading taken after a late one: of the session that came next, in Wh."""
    current = state.transaction
    if (
        transaction is not None
        and current is not None
        and current.key != transaction.key
        and current.energy.first_wh is not None
        and current.energy.first_at is not None
        and current.energy.first_at >= max(current.began, at)
    ):
        return current.energy.first_wh
    return state.energy.highest_wh
