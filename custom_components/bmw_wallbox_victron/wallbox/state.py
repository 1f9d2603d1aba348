"""What is known of one wallbox, and how each message changes it.

Everything here is a value: a transition takes a state and a message and gives the next
state. Time comes in with the message. The rules for what may overwrite what:

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
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from .clock import (
    CLOCKS_AGREE,
    JITTER_S,
    LIVE_TIMEOUT_S,
    DeviceClock,
    Now,
    moved_back,
)
from .control import Enforcement, Situation, Wish
from .energy import ROUNDING_WH, RegisterCount, lifetime
from .meter import CLOCK_NEVER_SET, Sample

#: A phase that carries less than this is not in use, in A.
PHASE_IN_USE_A = 0.5
#: A phase that shows less than this is not connected, in V.
VOLTAGE_CARRIED_V = 50.0
#: How many transactions before the current one may still be completed by late events.
REMEMBERED_TRANSACTIONS = 8
#: How many messages may be in doubt at a time.
MOST_DOUBTED = 16
#: A reading that may be from before the clock was set back is shown so long, in s.
DOUBT_TIMEOUT_S = 20.0
#: More than this is energy that flows, in W.
FLOWING_W = 100
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
    stamp: datetime | None = None
    """What the wallbox wrote, where `at` was put in order already."""
    timeless: bool = False
    """Whether that is no time to put it in order by, against other transactions."""
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
    remote_start_id: int | None = None
    """TransactionInfo.remoteStartId: the RequestStartTransaction that led to it."""
    phases_used: int | None = None
    """How many phases the car draws from, where the wallbox tells."""
    samples: tuple[Sample, ...] = ()
    """What the meter said, oldest first."""

    @property
    def written(self) -> datetime:
        """What the wallbox wrote as its time."""
        return self.at if self.stamp is None else self.stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One charging session, from the cable's going in to its coming out."""

    id: str
    """Chosen by the wallbox."""
    repeat: int = 0
    """How many sessions had that id before it: a wallbox may count anew."""
    started_at: datetime
    """When it began, or when it was first heard of: to be shown."""
    updated_at: datetime
    """When its newest event happened: to be shown."""
    start_stamp: datetime | None = None
    """What the wallbox wrote as the time of its Started: a repeat writes the same."""
    start_order: datetime | None = None
    """Its start on the wallbox's clock as it runs now; None: `started_at`."""
    newest_order: datetime | None = None
    """Its newest event on the wallbox's clock as it runs now; None: `updated_at`."""
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
    remote_start_id: int | None = None
    """remoteStartId of the RequestStartTransaction that an event named last."""
    phases_used: int | None = None
    """Phases in use, where the wallbox tells."""
    abandoned: bool = False
    """Whether the socket was free after its newest event: its end was lost."""
    replaced: bool = False
    """Whether a newer one took its place: it never becomes the current one again."""
    state_sequence: int = -1
    """Number of the event that named the charging state."""
    energy: RegisterCount = field(default_factory=RegisterCount)
    """Energy of the session."""

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from all others that are remembered."""
        return self.id, self.repeat

    @property
    def began(self) -> datetime:
        """Its start, on the wallbox's clock as it runs now."""
        return self.started_at if self.start_order is None else self.start_order

    @property
    def newest(self) -> datetime:
        """Its newest event, on the wallbox's clock as it runs now."""
        return self.updated_at if self.newest_order is None else self.newest_order


@dataclass(frozen=True, slots=True)
class Doubt:
    """A message that is a replay, or else the wallbox's clock was set back."""

    item: TransactionEvent | tuple[ConnectorStatus, datetime]
    """The event, or the status of the connector and when it was reported."""
    heard: Now
    """When it came."""


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
    """SmartChargingCtrlr.Available and .Enabled; None: it does not tell."""
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
    doubted: tuple[Doubt, ...] = ()
    """What was not taken yet, oldest first: the next message tells what it is."""
    session_heard_at: float | None = None
    """When the current transaction gave a sign of life, by the steady clock, in s."""
    freed: bool = False
    """Whether the socket was reported free since."""

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
        return len(self._carrying()) or None

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
        phases = [f"current_l{phase}" for phase in (1, 2, 3)]
        told = [quantity for quantity in phases if quantity in self.said_at]
        heard = [
            self.said_at[quantity]
            for quantity in told or ["current"]
            if quantity in self.said_at
        ]
        return min(heard, default=None)

    @property
    def voltage(self) -> float | None:
        """Voltage to neutral, V: the mean of the phases that carry one."""
        phases = self._phases("voltage")
        if not (carrying := self._carrying()):
            return max(phases, default=None)
        return round(sum(carrying) / len(carrying), 1)

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

    def _carrying(self) -> list[float]:
        """Give the voltages of the phases that are connected."""
        phases = self._phases("voltage")
        return [volts for volts in phases if volts >= VOLTAGE_CARRIED_V]

    def _phases(self, quantity: str) -> list[float]:
        """Give the per-phase readings that there are."""
        found = (self.live(f"{quantity}_l{phase}") for phase in (1, 2, 3))
        return [value for value in found if value is not None]


# Transitions


def connected(state: WallboxState) -> WallboxState:
    """Take note of a live connection."""
    return replace(state, connected=True, clock=state.clock.undoubted())


def disconnected(state: WallboxState) -> WallboxState:
    """Take note that the connection is gone: what was live is not any more."""
    state = _settled(replace(state, clock=state.clock.undoubted()))
    return _forget(replace(state, connected=False, surveyed=False))


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
            state, energy = _count(state, active, sample.register, sample.at)
            if active is not None:
                state = replace(state, transaction=replace(active, energy=energy))
        # To the second: the meter's clock may tick in whole ones.
        if (
            active is not None
            and not sample.begin
            and sample.at >= active.newest.replace(microsecond=0)
        ):
            state = _show(state, sample, now)
    return state


def _lives_on(state: WallboxState, sample: Sample, now: Now) -> WallboxState:
    """Take a current that flows as a sign of life of the current transaction."""
    current = state.transaction
    if (
        current is None
        or current.ended_at is not None
        or (current.abandoned and not state.freed)  # not by the socket's word alone
        or not _flowing(sample)
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


def _flowing(sample: Sample) -> bool:
    """Tell whether the car draws something."""
    amps = (sample.current_l1, sample.current_l2, sample.current_l3)
    if (sample.power or 0) >= FLOWING_W or max(a or 0 for a in amps) >= PHASE_IN_USE_A:
        return True
    return amps == (None, None, None) and (sample.current or 0) >= PHASE_IN_USE_A


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
    if state.meter is None or state.charging_state is not ChargingState.CHARGING:
        return state  # nothing flows, and nothing needs to be said about it
    oldest = now.steady - LIVE_TIMEOUT_S
    doubted = state.clock.behind_since
    if doubted is not None and now.steady - doubted >= DOUBT_TIMEOUT_S:
        # It may be that all that was live is of the time before a clock was set.
        oldest = max(oldest, doubted)
    fresh = {
        quantity: said_at
        for quantity, said_at in state.said_at.items()
        if said_at > oldest
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
    known = _known(state, event, now)
    if not event.offline and _numbered(known, event):
        state = clock_heard(state, event.at, now, written=event.written)
        known = _known(state, event, now)
        if (
            known is not None
            and _numbered(known, event)
            and known is state.active
            and event.event_type is not EventType.ENDED
            and state.clock.behind_since is not None
            and event.at < known.newest
        ):
            return _doubt(state, Doubt(event, now))
    return _happened(state, event, now)


def _happened(state: WallboxState, event: TransactionEvent, now: Now) -> WallboxState:
    """Take an event that is in order, or late for good."""
    known = _known(state, event, now)
    in_order = _numbered(known, event)
    if known is not None and in_order and event.at < known.newest:
        back = known.newest - event.at
        if event.event_type is EventType.ENDED:
            if known is state.transaction:
                state = _clock_set_back(state, event.at, now, least=back)
                known = state.transaction
            else:
                known = _transaction_set_back(known, back)
        elif _seconds(back) <= JITTER_S:
            event = _lifted(event, back)
        elif not event.offline and abs(state.clock.lag_s(event.at, now)) <= JITTER_S:
            # It is live: the clock was ahead when the newest one happened offline.
            known = _transaction_set_back(known, back)
        else:
            in_order = False
    transaction = known or _begin(state, event, now)

    current = state.transaction
    takes_over = False
    if current is not None and current.key != transaction.key:
        takes_over = in_order and _takes_over(state, current, known, event)
        if takes_over and event.at < current.newest:
            back = current.newest - event.at
            if event.offline:
                state = _set_back(state, back)
            else:
                state = _clock_set_back(state, event.at, now, least=back)
            current = state.transaction
            transaction = known or _begin(state, event, now)

    for sample in event.samples:
        if sample.register is not None:
            at = transaction.began if sample.begin else sample.at
            begins = sample.begin or event.event_type is EventType.STARTED
            state, energy = _count(
                state, transaction, sample.register, at, begins=begins
            )
            transaction = replace(transaction, energy=energy)
    transaction = (_follow if in_order else _complete)(transaction, event, now)

    flowed = state.charging_state is ChargingState.CHARGING
    if current is not None and transaction.key != current.key:
        if not takes_over:
            return replace(state, recent=_remember(state.recent, transaction))
        current = replace(current, replaced=True)
        recent = tuple(item for item in state.recent if item.key != transaction.key)
        state = _forget(replace(state, recent=_remember(recent, current)))
        flowed = False
    state = replace(state, transaction=transaction)
    if in_order and not event.offline:
        state = replace(state, session_heard_at=now.steady, freed=False)

    if transaction.ended_at is not None:
        return _stopped(state, event.at, now) if in_order else state
    flows = transaction.charging_state is ChargingState.CHARGING
    if flows and not flowed:
        # Something flows now: the zeros from before are not true any more.
        state = _forget(state)
    begins = event.event_type is EventType.STARTED
    live = [
        sample
        for sample in event.samples
        if sample.live and (begins or not sample.begin)
    ]
    if live and in_order and not event.offline:
        for sample in live:
            state = _show(state, sample, now)
    elif not flows and (in_order or flowed):
        state = _stopped(state, event.at, now)
    return state


def _takes_over(
    state: WallboxState,
    current: Transaction,
    known: Transaction | None,
    event: TransactionEvent,
) -> bool:
    """Tell whether an event makes its transaction the current one."""
    if known is not None and known.replaced:
        return False
    idle = current.ended_at is not None or current.abandoned
    if event.at < current.newest:
        # Nothing runs, and something begins: the clock was set back. But a register
        # that stood there before tells of something older.
        begins = {EventType.STARTED}
        if not event.offline:
            begins.add(EventType.UPDATED)
        return idle and event.event_type in begins and not _stood_before(state, event)
    if idle:
        return True
    # One that runs gives way to what certainly is newer: not to an end in the same
    # second, nor to what happened offline and has no time of its own (a clock that was
    # ahead, or never set).
    if event.offline and event.timeless:
        return False
    return event.event_type is not EventType.ENDED or event.at > current.newest


def _stood_before(state: WallboxState, event: TransactionEvent) -> bool:
    """Tell whether an event's register is one that a newer reading has passed."""
    newest = state.energy.last_wh
    return newest is not None and any(
        sample.register is not None and 0 < sample.register < newest - ROUNDING_WH
        for sample in event.samples
    )


def _numbered(known: Transaction | None, event: TransactionEvent) -> bool:
    """Tell whether an event is the newest of its transaction, by its number."""
    return known is None or (
        known.ended_at is None and event.sequence_number > known.sequence_number
    )


def _in_order(state: WallboxState, at: datetime, now: Now) -> datetime:
    """Return the time by which something is put in order, on the wallbox's clock.

    A clock that was never set says nothing: then it is the time at which it came.
    """
    if at >= CLOCK_NEVER_SET:
        return at
    return state.clock.expected(now) or state.energy.last_at or now.wall


def _told(at: datetime, now: Now) -> datetime:
    """Return the time that is shown for what the wallbox wrote.

    Its clock may be ahead, or never set.
    """
    return at if CLOCK_NEVER_SET <= at <= now.wall else now.wall


def _seconds(passed: timedelta) -> float:
    return passed.total_seconds()


def _lifted(event: TransactionEvent, by: timedelta) -> TransactionEvent:
    """Return an event of a clock that was set back a little as it would have been."""
    return replace(
        event,
        at=event.at + by,
        samples=tuple(replace(sample, at=sample.at + by) for sample in event.samples),
    )


# A clock that is set back, and what is in doubt until that is known


def _doubt(state: WallboxState, doubt: Doubt) -> WallboxState:
    """Keep a message until the next one tells what it is."""
    return replace(state, doubted=(*state.doubted, doubt)[-MOST_DOUBTED:])


def _settled(state: WallboxState) -> WallboxState:
    """Take what was in doubt: in order where the clock was set back, else late."""
    doubted, state = state.doubted, replace(state, doubted=())
    for doubt in doubted:
        if isinstance(doubt.item, TransactionEvent):
            state = _happened(state, doubt.item, doubt.heard)
        else:
            state = _connector(state, *doubt.item, doubt.heard)
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
        transaction=current and _transaction_set_back(current, by),
        meter=meter and replace(meter, at=moved_back(meter.at, by)),
        energy=state.energy.set_back(by),
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
    return _set_back(state, ahead) if _seconds(ahead) > JITTER_S else state


def _transaction_set_back(transaction: Transaction, by: timedelta) -> Transaction:
    """Follow the wallbox's clock back. What is shown of it stays."""
    return replace(
        transaction,
        start_order=moved_back(transaction.began, by),
        newest_order=moved_back(transaction.newest, by),
        energy=transaction.energy.set_back(by),
    )


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
    return replace(_forget(state), meter=_nothing_flows(None, transaction.newest))


# Transactions


def _known(
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
        (item for item in same if _seconds(item.began - event.at) <= JITTER_S), same[-1]
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
    """Tell whether an event is of another transaction, to which the same id was given.

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
        and event.sequence_number < known.sequence_number
        and abs(state.clock.lag_s(event.at, now)) <= JITTER_S
    )


def _remember(
    recent: tuple[Transaction, ...], transaction: Transaction
) -> tuple[Transaction, ...]:
    """Put a transaction in front of those that late events may complete."""
    others = tuple(item for item in recent if item.key != transaction.key)
    return (transaction, *others)[:REMEMBERED_TRANSACTIONS]


def _begin(state: WallboxState, event: TransactionEvent, now: Now) -> Transaction:
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


def _start_stamp(event: TransactionEvent) -> datetime | None:
    """Return what was written as the time of a start; None: it is none."""
    return event.written if event.event_type is EventType.STARTED else None


def _follow(transaction: Transaction, event: TransactionEvent, now: Now) -> Transaction:
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


def _complete(
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
        total = lifetime(total, wh, at, session_start=first, begins=begins and first)
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
    return last_at is not None and last_at >= transaction.began


def _followed_by(
    state: WallboxState, transaction: Transaction | None, at: datetime
) -> float:
    """Give a reading taken after a late one: of the session that came next, in Wh."""
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
    # Of phases that it never told of, nothing is heard by that.
    told = [quantity for quantity in _FLOW if quantity in state.said_at] or ["current"]
    said_at = {**state.said_at, **dict.fromkeys(told, now.steady)}
    return replace(state, meter=meter, meter_heard_at=now.steady, said_at=said_at)


def _nothing_flows(meter: Sample | None, at: datetime) -> Sample:
    """Give the reading of a session in which nothing flows: voltages stand."""
    meter = meter or Sample(at=at)
    return replace(meter, at=max(at, meter.at), **dict.fromkeys(_FLOW, 0.0))
