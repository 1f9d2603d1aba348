"""What is known of one wallbox. Everything here is a value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from ..charging.receipt import Receipt
from ..charging.record import SessionRecord
from ..charging.settings import MIN_CURRENT_A
from .clock import CLOCKS_AGREE, DeviceClock, Now
from .energy import Flow, RegisterCount
from .enforcement import Enforcement, Observed
from .findings import NOTHING_LEARNED, CheckResult, Lesson
from .identity import Identity, Light
from .meter_values import Sample
from .target import Target

#: A phase that carries less than this is not in use, in A.
PHASE_IN_USE_A = 0.5
#: A phase that shows less than this is not connected, in V.
VOLTAGE_CARRIED_V = 50.0


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
    phases: tuple[int, ...] = ()
    """Which phases of the wallbox, of 1 to 3, have carried current in it."""
    charged: bool = False
    """Whether energy ever flowed in it."""
    full: bool = False
    """Whether the car stopped by itself after that, and charges no more."""
    abandoned: bool = False
    """Whether the socket was free after its newest event: its end was lost."""
    replaced: bool = False
    """Whether a newer one took its place: it never becomes the current one again."""
    state_sequence: int = -1
    """Number of the event that named the charging state."""
    energy: RegisterCount = field(default_factory=RegisterCount)
    """Energy of the session."""
    receipt: Receipt = field(default_factory=Receipt)
    """What that cost, as far as it was accounted for."""
    record: SessionRecord = field(default_factory=SessionRecord)
    """What was decided in it."""

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
    host: str | None = None
    """The host name by which it came last; None: not known."""
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
    target: Target = field(default_factory=Target)
    """What its owner wants."""
    cap_a: float | None = None
    """The most that is allowed now of what its owner wants, A (`Station.cap`); less
    than 6 A is a pause. None: all of it."""
    cap_forced: bool = False
    """Whether a pause by the cap may end a transaction that no limit pauses."""
    check_cap_a: float | None = None
    """The same for a check that runs (`Station.check_cap`), A; None: none does."""
    check: CheckResult | None = None
    """What the last check found; None: there was none."""
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
    flowed: tuple[Flow, ...] = field(default=(), compare=False)
    """What waits for the receipts, in the order in which it was told."""

    # What follows from these

    @property
    def lesson(self) -> Lesson:
        """What a check has found of this firmware, for the control loop."""
        firmware = self.identity.firmware_version
        if self.check is None or not self.check.holds_for(firmware):
            return NOTHING_LEARNED
        return self.check.lesson

    @property
    def capped_a(self) -> float | None:
        """The lower of both caps, A; None: there is none."""
        caps = [each for each in (self.cap_a, self.check_cap_a) if each is not None]
        return min(caps, default=None)

    @property
    def pause_forced(self) -> bool:
        """Whether it is the cap that pauses, and may end a transaction for that."""
        return self.cap_forced and (self.cap_a or 0.0) < MIN_CURRENT_A

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

    def observed(self, now: Now) -> Observed:
        """Return what bears on a limit."""
        active, state = self.active, self.charging_state
        device_time = self.clock.shows(now)
        return Observed(
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
            and abs(device_time - now.wall) <= self._clocks_may_differ,
        )

    @property
    def _clocks_may_differ(self) -> timedelta:
        """By how much the clocks may differ: twice as much where they agreed before.

        Or a message that takes a second longer would have a schedule sent again.
        """
        setpoint, accepted = self.enforcement.setpoint, self.enforcement.accepted
        agreed = (setpoint is not None and setpoint.following) or any(
            each.step is not None for each in accepted.values()
        )
        return CLOCKS_AGREE * (2 if agreed else 1)

    @property
    def phases_known(self) -> int | None:
        """How many phases the box has told of; None: of none yet."""
        return len(self._carrying()) or None

    @property
    def in_doubt(self) -> bool:
        """Whether a session runs, and what was heard last may not be of now."""
        return self.clock.behind_since is not None and self.active is not None

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
        """Return a live reading by its name in `Sample`: 0 with no session."""
        if self.active is None:
            return 0.0 if self._heard else None
        return None if self.meter is None else getattr(self.meter, quantity)

    @property
    def phase_currents(self) -> tuple[float | None, float | None, float | None]:
        """The currents measured now on the wallbox's L1 to L3, A; None: not told.

        They are 0 where no session runs.
        """
        return (
            self.live("current_l1"),
            self.live("current_l2"),
            self.live("current_l3"),
        )

    @property
    def supplied_phases(self) -> frozenset[int]:
        """The phases of the wallbox, of 1 to 3, that are connected, as far as told."""
        return frozenset(phase for phase in (1, 2, 3) if self.tells_phase(phase))

    @property
    def session_phases(self) -> frozenset[int]:
        """The phases, of 1 to 3, that carried current in this session.

        Before any did: in the last session in which one did.
        """
        sessions = (self.transaction, *self.recent)
        known = (item.phases for item in sessions if item is not None and item.phases)
        return frozenset(next(known, ()))

    def tells_phase(self, phase: int) -> bool:
        """Return whether the wallbox tells of a phase, of one that is connected."""
        if self.meter is None:
            return False
        current, voltage = f"current_l{phase}", f"voltage_l{phase}"
        if (volts := getattr(self.meter, voltage)) is not None:
            return bool(volts >= VOLTAGE_CARRIED_V)
        return current in self.said_at

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
        """Return the voltages of the phases that are connected."""
        phases = self._phases("voltage")
        return [volts for volts in phases if volts >= VOLTAGE_CARRIED_V]

    def _phases(self, quantity: str) -> list[float]:
        """Return the per-phase readings that there are."""
        found = (self.live(f"{quantity}_l{phase}") for phase in (1, 2, 3))
        return [value for value in found if value is not None]
