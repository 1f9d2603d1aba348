"""What is known of one wallbox, and how each message changes it.

Everything here is a value: a transition takes a state and a message and gives the next
state. Time comes in with the message. The rules for what may overwrite what:

- Within a transaction `seqNo` gives the order (OCPP 2.0.1 E04): an event with a number
  that was passed already, or a timestamp before the newest one, is late. Only an end
  needs no newer timestamp: nothing comes after it, so the clock was set back.
- Late and offline events count for energy and for their own session. They never replace
  a newer reading or state.
- A reading is live while it is young by the wallbox's own clock (`DeviceClock`).
- A transaction that a newer one replaced is over, whatever comes of it later.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from .clock import CLOCKS_AGREE, LIVE_TIMEOUT_S, DeviceClock, Now
from .control import Enforcement, Situation, Wish
from .energy import RegisterCount, lifetime
from .meter import Sample

#: A phase that carries less than this is not in use, in A.
PHASE_IN_USE_A = 0.5
#: How many transactions before the current one may still be completed by late events.
REMEMBERED_TRANSACTIONS = 8
#: The readings that are zero where nothing flows.
_FLOW = ("power", "current", "current_l1", "current_l2", "current_l3")


class ChargingState(StrEnum):
    """TransactionInfo.chargingState in the words of Home Assistant."""

    IDLE = "idle"
    EV_CONNECTED = "ev_connected"
    CHARGING = "charging"
    SUSPENDED_EVSE = "suspended_evse"
    SUSPENDED_EV = "suspended_ev"


class ConnectorStatus(StrEnum):
    """StatusNotification.connectorStatus in the words of Home Assistant."""

    AVAILABLE = "available"
    OCCUPIED = "occupied"
    RESERVED = "reserved"
    UNAVAILABLE = "unavailable"
    FAULTED = "faulted"


class Status(StrEnum):
    """The wallbox in one word."""

    DISCONNECTED = "disconnected"
    AVAILABLE = "available"
    CONNECTED = "connected"
    CHARGING = "charging"
    PAUSED = "paused"
    CAR_PAUSED = "car_paused"
    FAULTED = "faulted"
    UNAVAILABLE = "unavailable"
    RESERVED = "reserved"


class EventType(StrEnum):
    """TransactionEvent.eventType in the words of Home Assistant."""

    STARTED = "started"
    UPDATED = "updated"
    ENDED = "ended"


_STATUS_OF_TRANSACTION = {
    ChargingState.CHARGING: Status.CHARGING,
    ChargingState.SUSPENDED_EVSE: Status.PAUSED,
    ChargingState.SUSPENDED_EV: Status.CAR_PAUSED,
    ChargingState.EV_CONNECTED: Status.CONNECTED,
}
_STATUS_OF_CONNECTOR = {
    ConnectorStatus.AVAILABLE: Status.AVAILABLE,
    ConnectorStatus.OCCUPIED: Status.CONNECTED,
    ConnectorStatus.RESERVED: Status.RESERVED,
    ConnectorStatus.UNAVAILABLE: Status.UNAVAILABLE,
    ConnectorStatus.FAULTED: Status.FAULTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the wallbox says of itself; None: not said yet."""

    vendor: str | None = None
    """ChargingStation.vendorName."""
    model: str | None = None
    """ChargingStation.model."""
    serial_number: str | None = None
    """ChargingStation.serialNumber."""
    firmware_version: str | None = None
    """ChargingStation.firmwareVersion."""

    def known(self) -> bool:
        """Tell whether nothing is left to ask for."""
        return self.vendor is not None and self.model is not None

    def completed_by(self, newer: Identity) -> Identity:
        """Take from `newer` all that it says."""
        return replace(
            self,
            **{
                item.name: value
                for item in fields(newer)
                if (value := getattr(newer, item.name)) is not None
            },
        )


@dataclass(frozen=True, slots=True)
class Light:
    """The light of the wallbox."""

    component: str
    """Component of the device model that has it."""
    variable: str
    """Variable of that component."""
    brightness: int
    """How bright it is, %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionEvent:
    """A TransactionEventRequest, as far as it is used."""

    transaction_id: str
    """TransactionInfo.transactionId, chosen by the wallbox."""
    event_type: EventType
    """Started, Updated or Ended."""
    at: datetime
    """When it happened, by the wallbox's clock (`meter.device_time`)."""
    sequence_number: int
    """Its place in the transaction, from 0."""
    trigger_reason: str
    """Why it was sent, in snake case."""
    offline: bool = False
    """Whether it happened while there was no connection."""
    charging_state: ChargingState | None = None
    """The state after it, where it changed."""
    stopped_reason: str | None = None
    """Why the transaction ended, in snake case."""
    id_token: str | None = None
    """The card or token that was presented."""
    phases_used: int | None = None
    """How many phases the car draws from, where the wallbox tells."""
    samples: tuple[Sample, ...] = ()
    """What the meter said, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One charging session, from the cable's going in to its coming out."""

    id: str
    """Chosen by the wallbox."""
    started_at: datetime
    """When it began, or when it was first heard of."""
    updated_at: datetime
    """Timestamp of its newest event."""
    sequence_number: int
    """Number of its newest event."""
    event_type: EventType
    """Type of its newest event."""
    trigger_reason: str | None = None
    """Reason of its newest event."""
    charging_state: ChargingState = ChargingState.EV_CONNECTED
    """What car and wallbox are doing."""
    ended_at: datetime | None = None
    """When it ended; None while it runs."""
    stopped_reason: str | None = None
    """Why it ended."""
    id_token: str | None = None
    """Who started it."""
    phases_used: int | None = None
    """Phases in use, where the wallbox tells."""
    abandoned: bool = False
    """Whether the socket was free after its newest event: its end was lost."""
    replaced: bool = False
    """Whether a newer one took its place: it never becomes the current one again."""
    state_sequence: int = -1
    """Number of the event that named the charging state."""
    state_at: datetime | None = None
    """When that event happened."""
    energy: RegisterCount = field(default_factory=RegisterCount)
    """Energy of the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WallboxState:
    """All that is known of one wallbox. Readings are W, A, V; see `Sample`."""

    identity: Identity = field(default_factory=Identity)
    """What the wallbox says of itself."""
    connected: bool = False
    """Whether it has a live connection."""
    connector_status: ConnectorStatus | None = None
    """What the socket reported last; None: not heard since the start."""
    connector_at: datetime | None = None
    """When it reported that."""
    transaction: Transaction | None = None
    """The current transaction, or the last one."""
    recent: tuple[Transaction, ...] = ()
    """Transactions before it, newest first, for events that come late."""
    meter: Sample | None = None
    """Live readings of the running transaction."""
    meter_heard_at: float | None = None
    """When these arrived, by the steady clock, in s."""
    energy: RegisterCount = field(default_factory=RegisterCount)
    """Energy delivered over the wallbox's life."""
    last_heartbeat: datetime | None = None
    """When the last Heartbeat arrived, by wall time."""
    ceiling_a: float | None = None
    """The most that the wallbox gives, A; None: it does not tell."""
    smart_charging: bool | None = None
    """Whether it says that it can limit; None: it does not say."""
    surveyed: bool = False
    """Whether it was asked for that on this connection."""
    light: Light | None = None
    """Its light; None: it has none that can be set."""
    wish: Wish = field(default_factory=Wish)
    """What its owner wants."""
    enforcement: Enforcement = field(default_factory=Enforcement)
    """How far it has got with that."""
    said_at: Mapping[str, float] = field(default_factory=dict)
    """When each of the live readings arrived, by the steady clock, in s."""
    clock: DeviceClock = field(default_factory=DeviceClock)
    """What the wallbox's clock shows."""

    # What follows from these

    @property
    def active(self) -> Transaction | None:
        """The running transaction."""
        current = self.transaction
        if current is None or current.ended_at is not None or current.abandoned:
            return None
        return current

    @property
    def charging_state(self) -> ChargingState | None:
        """The state machine's state; None: nothing was heard yet."""
        if (active := self.active) is not None:
            return active.charging_state
        if self.connector_status is None:
            return None
        if self.connector_status is ConnectorStatus.OCCUPIED:
            return ChargingState.EV_CONNECTED
        return ChargingState.IDLE

    @property
    def status(self) -> Status | None:
        """The wallbox in one word; None: connected and nothing heard yet."""
        if not self.connected:
            return Status.DISCONNECTED
        if self.connector_status is ConnectorStatus.FAULTED:
            return Status.FAULTED
        if (active := self.active) is not None and (
            status := _STATUS_OF_TRANSACTION.get(active.charging_state)
        ):
            return status
        if self.connector_status is None:
            return None
        return _STATUS_OF_CONNECTOR[self.connector_status]

    @property
    def cable_connected(self) -> bool | None:
        """Whether a car hangs on the cable; None: cannot be told."""
        if (active := self.active) is not None:
            if active.charging_state is not ChargingState.IDLE:
                return True
        elif self.connector_status in (
            None,
            ConnectorStatus.UNAVAILABLE,
            ConnectorStatus.FAULTED,
        ):
            return None
        return self.connector_status is ConnectorStatus.OCCUPIED

    @property
    def operative(self) -> bool | None:
        """Whether it is in service; None: cannot be told."""
        if self.connector_status in (None, ConnectorStatus.FAULTED):
            return None
        return self.connector_status is not ConnectorStatus.UNAVAILABLE

    def situation(self, now: Now) -> Situation:
        """Return what bears on a limit."""
        active, state = self.active, self.charging_state
        device_time = self.clock.shows(now)
        return Situation(
            transaction_id=None if active is None else active.id,
            charging=state is ChargingState.CHARGING,
            suspended=state
            in (ChargingState.SUSPENDED_EVSE, ChargingState.SUSPENDED_EV),
            current_a=None if active is None else self.current,
            current_heard_at=self.current_heard_at,
            ceiling_a=self.ceiling_a,
            surveyed=self.surveyed,
            smart_charging=self.smart_charging,
            device_time=device_time,
            clocks_agree=device_time is not None
            and abs(device_time - now.wall) <= CLOCKS_AGREE,
        )

    @property
    def phases_known(self) -> int | None:
        """How many phases the box has told of; None: of none yet."""
        return len(self._phases("voltage")) or None

    @property
    def awaits_reading(self) -> bool:
        """Whether energy flows and nothing has been said about how much."""
        return self.meter is None and self.charging_state is ChargingState.CHARGING

    @property
    def energy_total(self) -> float | None:
        """Energy over the wallbox's life, Wh; None: no reading but zero so far."""
        return self.energy.counted_wh or None

    @property
    def energy_session(self) -> float | None:
        """Energy of the current or the last session, Wh."""
        return None if self.transaction is None else self.transaction.energy.counted_wh

    def live(self, quantity: str) -> float | None:
        """Give a live reading by its name in `Sample`: 0 with no session."""
        if self.active is None:
            return 0.0 if self._heard else None
        return None if self.meter is None else getattr(self.meter, quantity)

    @property
    def current(self) -> float | None:
        """The car's current, A: that of the highest phase."""
        phases = self._phases("current")
        return max(phases) if phases else self.live("current")

    @property
    def current_heard_at(self) -> float | None:
        """When the oldest of the readings behind `current` arrived.

        By the steady clock, in s; None: no session runs, or nothing was heard of it. A
        reading of something else does not renew it; an event that says that nothing
        flows does.
        """
        if self.active is None or self.meter is None:
            return None
        phases = [
            f"current_l{phase}"
            for phase in (1, 2, 3)
            if getattr(self.meter, f"current_l{phase}") is not None
        ]
        heard = [
            self.said_at[quantity]
            for quantity in phases or ["current"]
            if quantity in self.said_at
        ]
        return min(heard, default=None)

    @property
    def voltage(self) -> float | None:
        """Voltage to neutral, V: the mean of the phases that are measured."""
        phases = self._phases("voltage")
        return round(sum(phases) / len(phases), 1) if phases else None

    @property
    def phases_used(self) -> int | None:
        """How many phases carry current."""
        if self.charging_state is not ChargingState.CHARGING:
            return 0 if self._heard else None
        if (active := self.active) is not None and active.phases_used is not None:
            return active.phases_used
        phases = self._phases("current")
        return sum(amps >= PHASE_IN_USE_A for amps in phases) if phases else None

    @property
    def _heard(self) -> bool:
        """Whether anything was said of what the socket does, if only that it ended."""
        return self.charging_state is not None or self.meter is not None

    def _phases(self, quantity: str) -> list[float]:
        """Give the per-phase readings that there are."""
        found = (self.live(f"{quantity}_l{phase}") for phase in (1, 2, 3))
        return [value for value in found if value is not None]


# Transitions


def connected(state: WallboxState) -> WallboxState:
    """Take note of a live connection."""
    clock = replace(state.clock, behind_since=None)
    return replace(state, connected=True, clock=clock)


def disconnected(state: WallboxState) -> WallboxState:
    """Take note that the connection is gone: what was live is not any more."""
    return _forget(replace(state, connected=False, surveyed=False))


def identified(state: WallboxState, identity: Identity) -> WallboxState:
    """Take what the wallbox says of itself."""
    return replace(state, identity=state.identity.completed_by(identity))


def heartbeat(state: WallboxState, now: Now) -> WallboxState:
    """Take note of a Heartbeat."""
    return replace(state, last_heartbeat=now.wall)


def clock_heard(state: WallboxState, at: datetime, now: Now) -> WallboxState:
    """Take note of the time that the wallbox gave to what has just happened."""
    before = state.clock
    if before.at is None and state.energy.last_at is not None:
        # After a restart of ours: it went on at least from its last reading.
        before = DeviceClock(at=state.energy.last_at, heard_at=now.steady)
    clock = before.hears(at, now)
    state = replace(state, clock=clock)
    if before.at is not None and clock.at is not None and clock.at < before.at:
        return _set_back(state, at)
    return state


def connector(
    state: WallboxState, status: ConnectorStatus, at: datetime
) -> WallboxState:
    """Take a connector's status as of `at`, unless a newer one is known."""
    if state.connector_at is not None and at < state.connector_at:
        return state
    state = replace(state, connector_status=status, connector_at=at)
    current = state.transaction
    if current is not None and at > current.updated_at:
        state = _freed(state)
    return state


def connector_asked(
    state: WallboxState, status: ConnectorStatus, *, ends_session: bool = True
) -> WallboxState:
    """Take the status that the wallbox gave when asked; its clock did not speak.

    `ends_session`: whether a free socket tells that a session's end was lost.
    """
    state = replace(state, connector_status=status)
    return _freed(state) if ends_session else state


def metered(state: WallboxState, samples: Iterable[Sample], now: Now) -> WallboxState:
    """Take meter values that name no transaction: they belong to the running one."""
    samples = tuple(samples)
    if samples:
        state = clock_heard(state, max(sample.at for sample in samples), now)
    for sample in samples:
        active = state.active
        if active is not None and sample.at < active.started_at:
            active = None  # of a session before
        if sample.register is not None:
            state, energy = _count(state, active, sample.register, sample.at)
            if active is not None:
                state = replace(state, transaction=replace(active, energy=energy))
        # To the second: the meter's clock may tick in whole ones.
        if active is not None and sample.at >= active.updated_at.replace(microsecond=0):
            state = _show(state, sample, now)
    return state


def transaction_checked(
    state: WallboxState, transaction_id: str, *, ongoing: bool
) -> WallboxState:
    """Take the wallbox's word for whether a transaction still runs."""
    current = state.transaction
    if ongoing or current is None or current.id != transaction_id or current.ended_at:
        return state
    return _abandon(state, current)


def expired(state: WallboxState, now: Now) -> WallboxState:
    """Forget each live reading that nothing has renewed for `LIVE_TIMEOUT_S`."""
    if state.meter is None or state.charging_state is not ChargingState.CHARGING:
        return state  # nothing flows, and nothing needs to be said about it
    fresh = {
        quantity: said_at
        for quantity, said_at in state.said_at.items()
        if now.steady - said_at < LIVE_TIMEOUT_S
    }
    if not fresh:
        return _forget(state)
    old: dict[str, Any] = dict.fromkeys(state.said_at.keys() - fresh.keys())
    if not old:
        return state
    return replace(state, meter=replace(state.meter, **old), said_at=fresh)


def transaction_event(
    state: WallboxState, event: TransactionEvent, now: Now
) -> WallboxState:
    """Take a TransactionEvent, in order, late, repeated or replayed."""
    if not event.offline:
        state = clock_heard(state, event.at, now)
    known = _find(state, event.transaction_id)
    if known is not None and _ends_in_the_past(known, event):
        if known is state.transaction:
            state = _set_back(state, event.at)
        known = _transaction_set_back(known, event.at)
    current = state.transaction
    transaction = known or _begin(state, event)
    for sample in event.samples:
        if sample.register is not None:
            state, energy = _count(state, transaction, sample.register, sample.at)
            transaction = replace(transaction, energy=energy)

    in_order = known is None or (
        known.ended_at is None
        and event.sequence_number > known.sequence_number
        and event.at >= known.updated_at
    )
    transaction = (_follow if in_order else _complete)(transaction, event)

    flowed = state.charging_state is ChargingState.CHARGING
    if current is not None and transaction.id != current.id:
        if not in_order or not _takes_over(current, known, event, now):
            return replace(state, recent=_remember(state.recent, transaction))
        current = replace(current, replaced=True)
        state = _forget(replace(state, recent=_remember(state.recent, current)))
        flowed = False
    state = replace(state, transaction=transaction)

    if transaction.ended_at is not None:
        return _stopped(state, event.at, now) if in_order else state
    flows = transaction.charging_state is ChargingState.CHARGING
    if flows and not flowed:
        # Something flows now: the zeros from before are not true any more.
        state = _forget(state)
    live = [sample for sample in event.samples if sample.live]
    if live and in_order and not event.offline:
        for sample in live:
            state = _show(state, sample, now)
    elif not flows and (in_order or flowed):
        state = _stopped(state, event.at, now)
    return state


def _takes_over(
    current: Transaction,
    known: Transaction | None,
    event: TransactionEvent,
    now: Now,
) -> bool:
    """Tell whether an event makes its transaction the current one."""
    if event.at < current.updated_at or (known is not None and known.replaced):
        return False
    if current.ended_at is not None or current.abandoned:
        return True
    # One that runs gives way to what certainly is newer: not to an end in the same
    # second, nor to what happened offline and has no time of its own (a clock that is
    # ahead dates all to its arrival).
    if event.offline and event.at >= now.wall:
        return False
    return event.event_type is not EventType.ENDED or event.at > current.updated_at


def _ends_in_the_past(transaction: Transaction, event: TransactionEvent) -> bool:
    """Tell whether the end of a transaction has a timestamp before what it ends."""
    return (
        event.event_type is EventType.ENDED
        and transaction.ended_at is None
        and event.sequence_number > transaction.sequence_number
        and event.at < transaction.updated_at
    )


def _set_back(state: WallboxState, at: datetime) -> WallboxState:
    """Follow the wallbox's clock back: nothing that is known happened after `at`."""
    current, meter = state.transaction, state.meter
    return replace(
        state,
        connector_at=state.connector_at and min(state.connector_at, at),
        transaction=current and _transaction_set_back(current, at),
        meter=meter and replace(meter, at=min(meter.at, at)),
        energy=state.energy.set_back(at),
    )


def _transaction_set_back(transaction: Transaction, at: datetime) -> Transaction:
    """Let nothing of a transaction have happened after `at`."""
    return replace(
        transaction,
        started_at=min(transaction.started_at, at),
        updated_at=min(transaction.updated_at, at),
        ended_at=transaction.ended_at and min(transaction.ended_at, at),
        state_at=transaction.state_at and min(transaction.state_at, at),
        energy=transaction.energy.set_back(at),
    )


def _freed(state: WallboxState) -> WallboxState:
    """Let a free socket end a transaction whose own end was lost."""
    active = state.active
    if active is None or state.connector_status is not ConnectorStatus.AVAILABLE:
        return state
    return _abandon(state, active)


def _abandon(state: WallboxState, transaction: Transaction) -> WallboxState:
    """End the current transaction without its own word."""
    state = replace(state, transaction=replace(transaction, abandoned=True))
    return replace(_forget(state), meter=_nothing_flows(None, transaction.updated_at))


def _find(state: WallboxState, transaction_id: str) -> Transaction | None:
    """Find a transaction among those remembered."""
    everything = (state.transaction, *state.recent)
    return next(
        (item for item in everything if item and item.id == transaction_id), None
    )


def _remember(
    recent: tuple[Transaction, ...], transaction: Transaction
) -> tuple[Transaction, ...]:
    """Put a transaction in front of those that late events may complete."""
    others = tuple(item for item in recent if item.id != transaction.id)
    return (transaction, *others)[:REMEMBERED_TRANSACTIONS]


def _begin(state: WallboxState, event: TransactionEvent) -> Transaction:
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
    return Transaction(
        id=event.transaction_id,
        started_at=event.at,
        updated_at=event.at,
        sequence_number=event.sequence_number,
        event_type=event.event_type,
        energy=energy,
    )


def _follow(transaction: Transaction, event: TransactionEvent) -> Transaction:
    """Bring a transaction to where an event in order leaves it."""
    ended = event.event_type is EventType.ENDED
    phases = event.phases_used
    return _name_state(
        replace(
            transaction,
            updated_at=event.at,
            sequence_number=event.sequence_number,
            event_type=event.event_type,
            trigger_reason=event.trigger_reason,
            abandoned=transaction.abandoned and event.offline,
            ended_at=event.at if ended else None,
            stopped_reason=event.stopped_reason or ("local" if ended else None),
            id_token=event.id_token or transaction.id_token,
            phases_used=transaction.phases_used if phases is None else phases,
        ),
        event,
    )


def _complete(transaction: Transaction, event: TransactionEvent) -> Transaction:
    """Learn from a late event what no newer one has said."""
    phases = transaction.phases_used
    transaction = _name_state(
        replace(
            transaction,
            id_token=transaction.id_token or event.id_token,
            phases_used=event.phases_used if phases is None else phases,
        ),
        event,
    )
    if event.event_type is EventType.STARTED:
        return replace(transaction, started_at=min(event.at, transaction.started_at))
    return transaction


def _name_state(transaction: Transaction, event: TransactionEvent) -> Transaction:
    """Take the charging state of an event, unless a newer one named it."""
    if (
        event.charging_state is None
        or event.sequence_number <= transaction.state_sequence
    ):
        return transaction
    if transaction.state_at is not None and event.at < transaction.state_at:
        return transaction
    return replace(
        transaction,
        charging_state=event.charging_state,
        state_sequence=event.sequence_number,
        state_at=event.at,
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


def _count(
    state: WallboxState, transaction: Transaction | None, wh: float, at: datetime
) -> tuple[WallboxState, RegisterCount]:
    """Count a register reading once for its session and once for the total."""
    total = state.energy
    before = RegisterCount() if transaction is None else transaction.energy
    newest = total.last_at is None or at >= total.last_at
    first = transaction is not None and not _metered(transaction)
    current = state.transaction
    in_current = current and transaction and current.id == transaction.id
    if before.last_at is not None and at < before.last_at:
        after = before.earlier_start(wh, at)
    elif first and before.last_wh is not None:
        after = before.advance(wh, at, session_start=True)
    elif first and newest and total.last_wh is not None and wh < total.last_wh:
        # The register restarted, or it stutters: what is known of it will tell.
        after = _from_here(total).advance(wh, at, session_start=True)
        after = replace(after, first_wh=wh - after.counted_wh, first_at=at)
    else:
        after = before.advance(wh, at)
    if newest or total.counted_wh == 0:
        total = lifetime(total, wh, at, session_start=first)
    elif in_current and before.fell_at_start and total.fell_at_start:
        total = total.since_fall(after.counted_wh - before.counted_wh)
    else:
        total = total.late(
            wh,
            after.counted_wh - before.counted_wh,
            followed_by_wh=_followed_by(state, transaction, at),
        )
    return replace(state, energy=total), after


def _metered(transaction: Transaction) -> bool:
    """Tell whether a transaction has a reading of its own already."""
    last_at = transaction.energy.last_at
    return last_at is not None and last_at >= transaction.started_at


def _followed_by(
    state: WallboxState, transaction: Transaction | None, at: datetime
) -> float:
    """Give a reading taken after a late one: of the session that came next, in Wh."""
    current = state.transaction
    if (
        transaction is not None
        and current is not None
        and current.id != transaction.id
        and current.energy.first_wh is not None
        and current.energy.first_at is not None
        and current.energy.first_at >= max(current.started_at, at)
    ):
        return current.energy.first_wh
    return state.energy.highest_wh


def _show(state: WallboxState, sample: Sample, now: Now) -> WallboxState:
    """Lay the readings of a sample over the live ones, unless it is of the past."""
    if (
        not sample.live
        or state.clock.is_past(sample.at, now)
        or (state.meter is not None and sample.at < state.meter.at)
    ):
        return state
    readings = sample.readings
    meter = state.meter or Sample(at=sample.at)
    return replace(
        state,
        meter=replace(meter, at=sample.at, **readings),
        meter_heard_at=now.steady,
        said_at={**state.said_at, **dict.fromkeys(readings, now.steady)},
    )


def _forget(state: WallboxState) -> WallboxState:
    """Know nothing of what flows."""
    return replace(state, meter=None, meter_heard_at=None, said_at={})


def _stopped(state: WallboxState, at: datetime, now: Now) -> WallboxState:
    """Know that nothing flows."""
    meter = _nothing_flows(state.meter, at)
    said_at = {**state.said_at, **dict.fromkeys(_FLOW, now.steady)}
    return replace(state, meter=meter, meter_heard_at=now.steady, said_at=said_at)


def _nothing_flows(meter: Sample | None, at: datetime) -> Sample:
    """Give the reading of a session in which nothing flows: voltages stand."""
    meter = meter or Sample(at=at)
    return replace(meter, at=max(at, meter.at), **dict.fromkeys(_FLOW, 0.0))
