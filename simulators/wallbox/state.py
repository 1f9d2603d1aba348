"""What a simulated wallbox is, and what a test looks at."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
import ssl

from .clock import Clock, utc_now
from .connection import Connection
from .device_model import Identity, build
from .journal import Journal
from .physics import Charger, ChargingState
from .profiles import Profile, ProfileTable
from .quirks import DELTA, Quirks, RegisterRestarts
from .records import Answer, Message, Payload, ReceivedCall, SentCall, wire_time


class Registration(StrEnum):
    """How the central system answered BootNotification."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


@dataclass(kw_only=True)
class Transaction:
    """A running transaction."""

    id: str
    started: datetime
    """By the box's own clock."""
    began: datetime
    """By the steady base of time."""
    state: ChargingState
    """State that was reported last."""
    authorized: bool = False
    token: str | None = None
    """Token that authorized it."""
    seq_no: int = 0
    """Number of the next event."""
    refuses_profiles: bool = False
    """Whether a rejected profile made it refuse all others."""
    defaults: tuple[Profile, ...] = ()
    """TxDefaultProfiles that were set when it began."""
    begin_wh: float = 0.0
    """The energy register when it began, Wh."""
    samples: list[Payload] = field(default_factory=list)
    """Meter values that its Ended will carry."""


@dataclass
class Timers:
    """Seconds since something was last done, or until it is due."""

    heartbeat: float = 0.0
    meter: float = 0.0
    ended_sample: float = 0.0
    boot_every: float = 0.0
    notify_event: float = 0.0
    since_start: float = 0.0
    hold: float = 0.0
    """Until the next attempt to send a transaction message."""
    away: float | None = None
    """Until it comes back from a reset."""
    boot_retry: float | None = None
    """Until it may send BootNotification again."""
    cable: float | None = None
    """Until a transaction without a cable gives up."""


@dataclass
class Waiters:
    """Whoever waits for something to happen."""

    futures: list[asyncio.Future[None]] = field(default_factory=list)

    def wake(self) -> None:
        """Let all of them look again."""
        waiting, self.futures = self.futures, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


class WallboxState:
    """The state of a wallbox, its clock, and the journal of all that was said."""

    def __init__(
        self,
        *,
        url: str,
        charge_point_id: str,
        ssl_context: ssl.SSLContext | None = None,
        password: str | None = None,
        quirks: Quirks = DELTA,
        clock: Callable[[], datetime] = utc_now,
        phases: int | None = None,
        max_current_a: float = 32.0,
        register_wh: float = 1_234_567.0,
        model: str = "EIAW-E22KTSE6B04",
        vendor: str = "Delta Electronics",
        serial: str = "SIM0000001",
        firmware: str = "01.20.06.71",
        seed: int = 1,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        message_timeout_s: float = 30.0,
        host: str | None = None,
        port: int | None = None,
    ) -> None:
        """Build a box that is switched off.

        The charge point id is appended to `url`. `phases` defaults to the quirks'.
        `register_wh` is the energy register in Wh, `max_current_a` the hardware's
        limit in A. `quirks` can be replaced at any time; those that are built in
        (phases, supply_phases_unknown, register_restarts at session start,
        led_variable, led_report_inf, smart_charging_unavailable,
        aligned_measurands_only, ended_carries_all_samples) count from the start only.
        `sleep` is used for slow answers only. `host` and `port` say where to connect,
        where the name in the URL does not resolve.
        """
        self.url = url
        self.charge_point_id = charge_point_id
        self.ssl_context = ssl_context
        self.password = password
        self.quirks = quirks
        self.identity = Identity(
            model=model, vendor=vendor, serial=serial, firmware=firmware
        )
        phases = phases or quirks.phases
        self.charger = Charger(
            phases=phases,
            hardware_limit_a=max_current_a,
            register_wh=register_wh,
            register_per_session=quirks.register_restarts
            in (RegisterRestarts.AT_SESSION_START, RegisterRestarts.BOTH),
            seed=seed,
        )
        self.model = build(
            self.identity, quirks, phases=phases, max_current_a=max_current_a
        )
        self.profiles = ProfileTable()
        self.transaction: Transaction | None = None
        self.operative = True
        self.finishing = False
        """Whether a transaction was stopped while the cable is still in."""
        self.poisoned = False
        """Whether TxProfiles can be neither cleared nor replaced."""
        self.reset_scheduled = False
        self.inoperative_scheduled = False
        self.registration: Registration | None = None
        self.journal = Journal()
        self.clock = Clock(clock)
        """Its clock: what it shows may be set; its steady base never goes back."""
        self._sleep = sleep
        self._message_timeout_s = message_timeout_s
        self._host = host
        self._port = port
        self._connection: Connection | None = None
        self._sender: asyncio.Task[None] | None = None
        self._outbox: deque[Message] = deque()
        self._outbox_filled = asyncio.Event()
        self._afterwards: list[Callable[[], None]] = []
        self._timers = Timers()
        self._waiters = Waiters()
        self._readings_taken = 0
        self._event_id = 0
        self._remote_start_id: int | None = None
        self._reset_pending = False
        self.dead = False
        """Whether it has no power."""
        self._keeps_profiles = True
        self._transactions = 0
        self._limits: deque[tuple[datetime, float]] = deque()
        """Limits that are to be obeyed, and from when on."""
        self._notices: set[asyncio.TimerHandle] = set()

    # --- What a test looks at ---

    @property
    def violations(self) -> list[str]:
        """Everything that the central system did against the protocol."""
        return self.journal.violations

    @property
    def received_calls(self) -> list[ReceivedCall]:
        """What the central system asked."""
        return self.journal.received_calls

    @property
    def replies(self) -> list[Answer]:
        """What the box answered to that."""
        return self.journal.replies

    @property
    def sent(self) -> list[SentCall]:
        """What the box sent by itself."""
        return self.journal.sent

    @property
    def answers(self) -> list[Answer]:
        """What the central system answered to that."""
        return self.journal.answers

    @property
    def frames(self) -> list[str | bytes]:
        """Every frame of the central system, as it came."""
        return self.journal.frames

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None and not self._connection.closed.is_set()

    @property
    def online(self) -> bool:
        """Whether there is a connection on which the box may talk."""
        return self.connected and self.registration is Registration.ACCEPTED

    @property
    def subprotocol(self) -> str | None:
        """Subprotocol that the central system picked."""
        return self._connection.websocket.subprotocol if self._connection else None

    def calls(self, action: str) -> list[ReceivedCall]:
        """Return the calls of one action that the central system made."""
        return [each for each in self.received_calls if each.action == action]

    def sent_of(self, action: str) -> list[SentCall]:
        """Return the calls of one action that the box made."""
        return [each for each in self.sent if each.action == action]

    async def wait_for_call(
        self, action: str, *, count: int = 1, timeout_s: float = 5.0
    ) -> ReceivedCall:
        """Wait until an action was asked `count` times in all, and answered."""
        await self.wait_until(
            lambda: (
                len(self.calls(action)) >= count
                and (not self._connection or self._connection.idle)
            ),
            timeout_s=timeout_s,
        )
        return self.calls(action)[count - 1]

    async def wait_closed(self, *, timeout_s: float = 5.0) -> tuple[int | None, str]:
        """Wait for the end of the connection and return its close code and reason."""
        if (connection := self._connection) is None:
            return None, ""
        await self.wait_until(connection.closed.is_set, timeout_s=timeout_s)
        return connection.websocket.close_code, connection.websocket.close_reason or ""

    async def wait_until(
        self, ready: Callable[[], bool], *, timeout_s: float | None = 5.0
    ) -> None:
        """Wait until something is so; looked at whenever a frame came or went."""
        async with asyncio.timeout(timeout_s):
            while not ready():
                future = asyncio.get_running_loop().create_future()
                self._waiters.futures.append(future)
                await future

    def blame(self, fault: str) -> None:
        """Note a violation."""
        self.journal.blame(fault)

    def changed(self) -> None:
        """Wake whoever waits for a frame."""
        self._waiters.wake()

    # --- What it is like now ---

    @property
    def connector_status(self) -> str:
        """Status of the connector as StatusNotification spells it."""
        if self.charger.faulted:
            return "Faulted"
        if not self.operative:
            return "Unavailable"
        if self.charger.plugged or self.transaction:
            return "Occupied"
        return "Available"

    @property
    def station_limit_a(self) -> float:
        """Limit of the hardware and of the setting MaxCurrent, A."""
        setting = self.model.number("ChargingStation", "MaxCurrent")
        return min(self.charger.hardware_limit_a, setting)

    @property
    def just_started(self) -> bool:
        """Whether it refuses a default profile because it has just (re)started."""
        return (
            self.quirks.default_profile_rejected_after_restart
            and self._timers.since_start < self.quirks.restart_window_s
        )

    # --- Its clock ---

    def now(self) -> datetime:
        """Return the time that the box's own clock shows.

        Unless it was set, it follows the clock that was passed in and runs ahead of it
        by what `tick` let pass.
        """
        return self.clock.shown() + timedelta(seconds=self.quirks.clock_offset_s)

    def stop_clock(self) -> None:
        """Let the box's clock stand still, while everything else goes on."""
        self.clock.stand()

    def run_clock(self) -> None:
        """Let a clock that stood still run on from what it shows."""
        self.clock.run()

    def leave_computer_clock(self) -> None:
        """Let time pass by `tick` alone from now on.

        For a test that sets the computer's clock, which is not the box's.
        """
        self.clock.leave_source()

    @property
    def transaction_began(self) -> datetime:
        """When the transaction began, as a relative schedule counts it.

        By what passed since then, put in terms of what the clock shows now. Without a
        transaction it is now.
        """
        if self.transaction is None:
            return self.now()
        return self.now() - (self.clock.steady() - self.transaction.began)

    def wire_now(self) -> str:
        """Return the time as it goes on the wire."""
        return wire_time(self.now())
