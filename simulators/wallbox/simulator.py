"""The simulated wallbox: what it is, what it says, and when.

Every change of the box's state is synchronous and ends in messages in an outbox; one
task empties the outbox while the box is connected. So the order of the messages is
the order of the events, online and after an outage alike.

Nothing here sleeps but `run`, and the pause before an answer where a quirk asks for
one: `tick` lets time pass at once.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
import ssl
from typing import Any, Final
from urllib.parse import quote
import uuid

from websockets.asyncio.client import ClientConnection, connect as open_websocket
from websockets.exceptions import InvalidHandshake
from websockets.typing import Subprotocol

from . import strict
from .bent import bend
from .clock import Clock
from .device_model import Identity, VariableId, build
from .link import BoxConnection, HalfOpen, Journal, Link
from .metering import sample
from .physics import Car, Charger, ChargingState
from .profiles import Profile, ProfileKind, ProfileTable, Purpose, limit_at
from .quirks import DELTA, Quirks, RegisterRestarts
from .records import (
    Answer,
    CallFailed,
    Payload,
    ReceivedCall,
    SentCall,
    wire_time,
)
from .station import Station
from .strict import Frame, Kind

_SUBPROTOCOL: Final = "ocpp2.0.1"

_QUEUE_LIMIT: Final = 500
"""Messages kept during an outage."""

_KEPT_OFFLINE: Final = frozenset(
    {"TransactionEvent", "StatusNotification", "SecurityEventNotification"}
)
"""What is worth telling after an outage."""

_ATTEMPTS: Final = 3
"""MessageAttempts of the inventory, for transaction messages."""

_STEP_S: Final = 1.0
"""Longest step of the physical model in `tick`, s."""

_RECONNECT_LIMIT_S: Final = 120.0
"""Longest pause between two attempts to connect in `run`, s."""

_EVSE: Final[Payload] = {"id": 1, "connectorId": 1}


class Registration(StrEnum):
    """How the central system answered BootNotification."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


class EventType(StrEnum):
    """Type of a TransactionEvent."""

    STARTED = "Started"
    UPDATED = "Updated"
    ENDED = "Ended"


_MEASURANDS_OF: Final = {
    EventType.STARTED: ("TxStartedMeasurands", "Transaction.Begin"),
    EventType.UPDATED: ("TxUpdatedMeasurands", "Sample.Periodic"),
    EventType.ENDED: ("TxEndedMeasurands", "Transaction.End"),
}


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


@dataclass(kw_only=True)
class _Message:
    """A message that waits to be sent."""

    action: str
    payload: Payload
    on_answer: Callable[[Payload], None] | None = None
    attempts: int = 0
    bent: bool = False
    """Whether it breaks the schema, as a quirk wants it."""


@dataclass
class _Timers:
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
class _Waiters:
    """Whoever waits for something to happen."""

    futures: list[asyncio.Future[None]] = field(default_factory=list)

    def wake(self) -> None:
        """Let all of them look again."""
        waiting, self.futures = self.futures, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


def utc_now() -> datetime:
    """Return the time of the computer."""
    return datetime.now(UTC)


class SimulatedWallbox:
    """A Delta wallbox with one connector, as an OCPP 2.0.1 client.

    `violations` lists everything that the central system did against the protocol.
    """

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
        self._link: Link | None = None
        self._station: Station | None = None
        self._sender: asyncio.Task[None] | None = None
        self._outbox: deque[_Message] = deque()
        self._outbox_filled = asyncio.Event()
        self._afterwards: list[Callable[[], None]] = []
        self._timers = _Timers()
        self._waiters = _Waiters()
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
        return self._link is not None and not self._link.closed.is_set()

    @property
    def online(self) -> bool:
        """Whether there is a connection on which the box may talk."""
        return self.connected and self.registration is Registration.ACCEPTED

    @property
    def has_queue(self) -> bool:
        """Whether transaction messages wait to be sent."""
        return any(each.action == "TransactionEvent" for each in self._outbox)

    @property
    def subprotocol(self) -> str | None:
        """Subprotocol that the central system picked."""
        return self._link.connection.subprotocol if self._link else None

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

    def now(self) -> datetime:
        """Return the time that the box's own clock shows.

        Unless it was set, it follows the clock that was passed in and runs ahead of it
        by what `tick` let pass.
        """
        return self.clock.shown() + timedelta(seconds=self.quirks.clock_offset_s)

    def set_clock(self, moment: datetime) -> None:
        """Set the box's clock: to 1970, 2099 or any other time; it runs on from there.

        The time that passes for the car, the timers and relative schedules stays what
        it is. Limits are looked at at once: a schedule may begin or end by it.
        """
        self.clock.set(moment - timedelta(seconds=self.quirks.clock_offset_s))
        self._watch()

    def shift_clock(self, seconds: float) -> None:
        """Let the box's clock jump by so many seconds, negative ones back."""
        self.set_clock(self.now() + timedelta(seconds=seconds))

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
        """Tell the time as it goes on the wire."""
        return wire_time(self.now())

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
                len(self.calls(action)) >= count and (not self._link or self._link.idle)
            ),
            timeout_s=timeout_s,
        )
        return self.calls(action)[count - 1]

    async def wait_closed(self, *, timeout_s: float = 5.0) -> tuple[int | None, str]:
        """Wait for the end of the connection; gives its close code and reason."""
        if (link := self._link) is None:
            return None, ""
        await self.wait_until(link.closed.is_set, timeout_s=timeout_s)
        return link.connection.close_code, link.connection.close_reason or ""

    async def wait_until(
        self, ready: Callable[[], bool], *, timeout_s: float | None = 5.0
    ) -> None:
        """Wait until something is so; looked at whenever a frame came or went."""
        async with asyncio.timeout(timeout_s):
            while not ready():
                future = asyncio.get_running_loop().create_future()
                self._waiters.futures.append(future)
                await future

    async def settle(self, rounds: int = 3) -> None:
        """Let the conversation come to rest, without a timer.

        A pong comes after everything that the central system sent before it.
        """
        for _ in range(rounds):
            await self.flush()
            if (link := self._link) is None or not self.connected:
                return
            await (await link.connection.ping())
            await self.wait_until(
                partial(self._at_rest, link), timeout_s=self._message_timeout_s
            )
        await self.flush()

    @staticmethod
    def _at_rest(link: Link) -> bool:
        return link.idle or link.closed.is_set()

    def blame(self, fault: str) -> None:
        """Note a violation."""
        self.journal.blame(fault)

    def changed(self) -> None:
        """Wake whoever waits for a frame."""
        self._waiters.wake()

    # --- Connection ---

    @property
    def address(self) -> str:
        """URL with the charge point id, as the box asks for it."""
        safe = "" if self.quirks.percent_encoded_path else "*"
        return f"{self.url.rstrip('/')}/{quote(self.charge_point_id, safe=safe)}"

    async def connect(self, boot: bool = True, *, reason: str = "PowerUp") -> None:
        """Connect and say hello; raises what the handshake raises.

        With boot=False it is a reconnect of a box that was accepted before.
        """
        if self._link:
            await self.disconnect()
        await asyncio.to_thread(strict.load_schemas)
        connection = await self._open()
        if connection.subprotocol != _SUBPROTOCOL:
            await connection.close()
            self.blame(f"subprotocol {connection.subprotocol!r} was picked")
            raise ConnectionError("the central system does not speak OCPP 2.0.1")
        link = Link(
            connection=connection,
            journal=self.journal,
            host=self,
            new_id=lambda: str(uuid.uuid4()),
            message_timeout_s=self._message_timeout_s,
            on_lost=self._lost,
        )
        self._link = link
        self._station = Station(self, link)
        self._timers.since_start = 0.0
        self._timers.heartbeat = 0.0
        self._timers.hold = 0.0
        self._timers.away = None
        if boot or self.quirks.boots_on_connect:
            self.registration = None
            link.boot_pending = True
            link.start()
            await self._boot(link, reason)
        else:
            self.registration = Registration.ACCEPTED
            link.start()
            self._welcome()
        await self.flush()

    async def open_half(self) -> HalfOpen:
        """Open a second connection of the same id, which stays silent for ever.

        Beside the working one or before it. Raises what the handshake raises.
        """
        return HalfOpen(connection=await self._open())

    async def leave_half_open(self) -> HalfOpen:
        """Lose the connection without the central system learning of it.

        As where a router forgot it: the box is offline and may `connect` again.
        """
        if (link := self._link) is None:
            raise ConnectionError("not connected")
        self._go_offline()
        left = await link.abandon()
        self.changed()
        return left

    async def _open(self) -> ClientConnection:
        headers = {}
        if self.password is not None:
            secret = f"{self.charge_point_id}:{self.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(secret).decode()}"
        connection = await open_websocket(
            self.address,
            ssl=self.ssl_context,
            subprotocols=[Subprotocol(_SUBPROTOCOL)],
            additional_headers=headers,
            # A proxy from the environment has no place between box and server.
            proxy=None,
            ping_interval=None,
            create_connection=BoxConnection,
            **self._where(),
        )
        if isinstance(connection, BoxConnection):
            connection.answer_pings_if(lambda: not self.quirks.no_pong)
        return connection

    def _where(self) -> dict[str, Any]:
        where: dict[str, Any] = {}
        if self._host is not None:
            where["host"] = self._host
        if self._port is not None:
            where["port"] = self._port
        return where

    async def disconnect(self, abort: bool = False) -> None:
        """Close the connection; with abort vanish without a close frame."""
        if (link := self._link) is None:
            return
        self._go_offline()
        await link.close(abort=abort)
        self.changed()

    async def _lost(self, link: Link) -> None:
        """Notice that the connection is gone."""
        if self._link is link:
            self._go_offline()
        await link.close(abort=False)
        self.changed()

    def _go_offline(self) -> None:
        self._link = None
        self._station = None
        self._afterwards.clear()
        for notice in self._notices:
            notice.cancel()
        self._notices.clear()
        if self._sender and self._sender is not asyncio.current_task():
            self._sender.cancel()
        self._sender = None
        kept = [each for each in self._outbox if each.action in _KEPT_OFFLINE]
        self._outbox = deque(kept if self.quirks.replay_queue else [])
        self._timers.boot_retry = None

    async def _boot(self, link: Link, reason: str) -> None:
        payload: Payload = {
            "reason": reason,
            "chargingStation": {
                "model": self.identity.model,
                "vendorName": self.identity.vendor,
                "serialNumber": self.identity.serial,
                "firmwareVersion": self.identity.firmware,
            },
        }
        bent = bend("BootNotification", payload, self.quirks.bent)
        try:
            answer = await link.call("BootNotification", bent)
        except CallFailed:
            if bent == payload:
                raise
            # What it says of itself was refused; it goes on as if that were nothing.
            link.boot_pending = False
            answer = {"status": "Accepted", "interval": 0}
        if self._link is not link:
            raise ConnectionError("the connection is gone")
        self._booted(answer)

    def _set_clock_by(self, answer: Payload) -> None:
        """Set the clock by the central system's, where the box does that."""
        if self.quirks.clock_from_central_system and "currentTime" in answer:
            self.set_clock(datetime.fromisoformat(answer["currentTime"]))

    def _booted(self, answer: Payload) -> None:
        """Do as the answer to BootNotification says (part 2 B01 to B03)."""
        self._set_clock_by(answer)
        before = self.registration
        self.registration = Registration(answer["status"])
        interval: int = answer["interval"]
        if self.registration is Registration.ACCEPTED:
            self._timers.boot_retry = None
            if interval > 0:
                place = VariableId(
                    component="OCPPCommCtrlr", variable="HeartbeatInterval"
                )
                self.model.set(place, str(interval))
            if before is not Registration.ACCEPTED:
                self._welcome()
        else:
            self._timers.boot_retry = float(interval) or 10.0

    def _welcome(self) -> None:
        """Say where things stand; the queue of an outage comes after that."""
        queued, self._outbox = self._outbox, deque()
        self.send_status()
        if self.quirks.security_event_on_connect:
            event = {"type": "SettingSystemTime", "timestamp": self.wire_now()}
            self.send("SecurityEventNotification", event)
        if self.quirks.notify_charging_limit_when_idle:
            limit = {"chargingLimitSource": "SO", "isGridCritical": False}
            self.send("NotifyChargingLimit", {"chargingLimit": limit})
        self._outbox.extend(queued)
        if self.charger.plugged and not self.finishing:
            self._plugged()
        if self._sender is not None and self._sender is not asyncio.current_task():
            self._sender.cancel()
        self._sender = asyncio.create_task(self._send_outbox(), name="wallbox sender")
        self._outbox_filled.set()

    # --- Outbox ---

    def send(
        self,
        action: str,
        payload: Payload,
        on_answer: Callable[[Payload], None] | None = None,
    ) -> None:
        """Put a message into the outbox; it goes out when its turn comes."""
        if faults := strict.payload_faults(Kind.CALL, action, payload):
            raise ValueError(f"the simulator made a bad message: {faults}")
        if not self.online and (
            action not in _KEPT_OFFLINE or not self.quirks.replay_queue
        ):
            return
        bent = bend(action, payload, self.quirks.bent)
        self._outbox.append(
            _Message(
                action=action,
                payload=bent,
                on_answer=on_answer,
                bent=bent != payload,
            )
        )
        if len(self._outbox) > _QUEUE_LIMIT:
            # Readings in the middle of a session are the least missed.
            middle = [
                each
                for each in self._outbox
                if each.payload.get("triggerReason") == "MeterValuePeriodic"
            ]
            self._outbox.remove(middle[0] if middle else self._outbox[1])
        self._outbox_filled.set()

    async def flush(self) -> None:
        """Wait until the outbox is empty, or cannot be emptied now."""
        await self.wait_until(
            lambda: not self._outbox or not self.online or self._timers.hold > 0,
            timeout_s=None,
        )

    async def _send_outbox(self) -> None:
        while True:
            await self._outbox_filled.wait()
            if not self._outbox or self._timers.hold > 0:
                self._outbox_filled.clear()
                continue
            message = self._outbox[0]
            try:
                await self._deliver(message)
            except ConnectionError:
                return
            finally:
                self.changed()

    async def _deliver(self, message: _Message) -> None:
        if (link := self._link) is None:
            raise ConnectionError("the connection is gone")
        message.attempts += 1
        try:
            answer = await link.call(
                message.action, message.payload, twice=self.quirks.duplicate_frames
            )
        except CallFailed as error:
            if not message.bent:
                self.blame(f"{message.action} was answered with {error}")
            self._sent(message)
        except TimeoutError:
            retry = message.action == "TransactionEvent"
            if retry and message.attempts < _ATTEMPTS:
                self._timers.hold = self.model.number(
                    "OCPPCommCtrlr", "MessageAttemptInterval", "TransactionEvent"
                )
            else:
                self._sent(message)
        else:
            self._sent(message)
            if message.on_answer:
                message.on_answer(answer)

    def _sent(self, message: _Message) -> None:
        if self._outbox and self._outbox[0] is message:
            self._outbox.popleft()

    async def send_call(self, action: str, payload: Payload) -> Payload:
        """Send any CALL, unchecked, and give the payload of its answer.

        Raises CallFailed on a CALLERROR, TimeoutError, ConnectionError.
        """
        if self._link is None:
            raise ConnectionError("not connected")
        return await self._link.call(action, payload)

    async def send_raw(self, text: str | bytes) -> None:
        """Send any text, or bytes as a binary frame; `next_frame` has the answer."""
        if self._link is None:
            raise ConnectionError("not connected")
        await self._link.send_raw(text)

    async def next_frame(self, timeout_s: float = 5.0) -> str | bytes:
        """Wait for the next answer to a raw frame, CALLERROR "-1" included."""
        strays = self.journal.strays
        await self.wait_until(lambda: bool(strays), timeout_s=timeout_s)
        return strays.popleft()

    async def exchange(self, text: str | bytes, timeout_s: float = 5.0) -> str | bytes:
        """Send a raw frame and wait for the answer to it."""
        await self.send_raw(text)
        return await self.next_frame(timeout_s)

    # --- Calls of the central system ---

    def afterwards(self, act: Callable[[], None]) -> None:
        """Do something once the call that is being answered has its answer."""
        self._afterwards.append(act)

    async def answer(self, link: Link, call: Frame, raw: str) -> None:
        """Answer a call of the central system."""
        if self.quirks.mute or call.action in self.quirks.mute_actions:
            return
        if call.action in self.quirks.drop_on_actions:
            await self.disconnect(abort=True)
            return
        if self.quirks.answer_delay_s > 0:
            await self._sleep(self.quirks.answer_delay_s)
        self.journal.reply_count += 1
        lost = self.journal.reply_count in self.quirks.lost_answers
        if self._station is None or self._link is not link:
            return
        await self._station.answer(call, raw, lost=lost)
        self._notify_later()
        acts, self._afterwards = self._afterwards, []
        for act in acts:
            act()
        self._watch()
        if self._reset_pending:
            await self._leave()

    def _notify_later(self) -> None:
        """Tell of a charging limit some time after an answer, where it does that."""
        if (delay := self.quirks.notify_limit_after_answer_s) <= 0:
            return

        def notify() -> None:
            self._notices.discard(handle)
            limit = {"chargingLimitSource": "SO", "isGridCritical": False}
            self.send("NotifyChargingLimit", {"chargingLimit": limit})

        handle = asyncio.get_running_loop().call_later(delay, notify)
        self._notices.add(handle)

    def refresh_model(self) -> None:
        """Bring the variables that follow the box's state up to date."""
        readings = self.charger.readings
        status = self.connector_status
        for component, connector in (("EVSE", None), ("Connector", 1)):
            place = VariableId(
                component=component,
                variable="AvailabilityState",
                evse=1,
                connector=connector,
            )
            self.model.set(place, status)
        whole = status if status in ("Unavailable", "Faulted") else "Available"
        self.model.set(
            VariableId(component="ChargingStation", variable="AvailabilityState"), whole
        )
        current = f"{max(readings.current_a):.1f}"
        self.model.set(
            VariableId(component="EVSE", variable="ACCurrent", evse=1), current
        )
        power = f"{readings.power_w:.1f}"
        self.model.set(VariableId(component="EVSE", variable="Power", evse=1), power)
        self.model.set(
            VariableId(component="ClockCtrlr", variable="DateTime"), self.wire_now()
        )

    # --- What people and cars do ---

    async def plug_in(self, car: Car | None = None) -> None:
        """Plug a car in; without authorization charging starts by itself."""
        self.charger.plug_in(car or Car())
        self.send_status()
        self._plugged()
        await self.flush()

    async def unplug(self) -> None:
        """Pull the cable; a running transaction ends."""
        if self.transaction:
            self._end("EVCommunicationLost", "EVDisconnected", ChargingState.IDLE)
        self.charger.unplug()
        self.finishing = False
        self.send_status()
        await self.flush()

    async def authorize(self, token: str, kind: str = "ISO14443") -> str:
        """Hold a card to the reader; gives the status that the token has.

        The token of the running transaction stops it, another one starts charging.
        """
        id_token: Payload = {"idToken": token, "type": kind}
        if self.transaction and self.transaction.token == token:
            self._end(
                "StopAuthorized", "Local", ChargingState.EV_CONNECTED, token=id_token
            )
            self.finishing = self.charger.plugged
            await self.flush()
            return "Accepted"
        if self.dead:
            return "Invalid"
        status = "Accepted"
        if self.online:
            answer = await self.send_call("Authorize", {"idToken": id_token})
            status = str(answer["idTokenInfo"]["status"])
        if status == "Accepted" and self.operative:
            self._authorized(id_token, "Authorized")
            await self.flush()
        return status

    async def start(self, token: str, car: Car | None = None) -> None:
        """Hold a card to the reader and plug a car in."""
        await self.authorize(token)
        await self.plug_in(car)

    async def car_pauses(self) -> None:
        """Let the car stop drawing current."""
        self.charger.change_car(pauses=True)
        self._watch()
        await self.flush()

    async def car_resumes(self) -> None:
        """Let the car draw current again."""
        self.charger.change_car(pauses=False)
        self._watch()
        await self.flush()

    async def car_full(self) -> None:
        """Let the car have all that it wants."""
        if car := self.charger.car:
            taken = self.charger.car_taken_wh
            self.charger.plug_in(
                Car(
                    phases=car.phases,
                    max_current_a=car.max_current_a,
                    wants_energy_wh=0.0,
                )
            )
            self.charger.car_taken_wh = taken
        self._watch()
        await self.flush()

    async def fault(self) -> None:
        """Let something break: no current, connector Faulted."""
        self.charger.faulted = True
        self.send_status()
        self._watch("AbnormalCondition")
        await self.flush()

    async def clear_fault(self) -> None:
        """Repair what broke."""
        self.charger.faulted = False
        self.send_status()
        self._watch()
        await self.flush()

    async def inoperative(self, out_of_service: bool = True) -> None:
        """Take the box out of service on the spot, or back."""
        if out_of_service and self.transaction:
            self._end("AbnormalCondition", "Other", ChargingState.EV_CONNECTED)
        self.set_operative(not out_of_service)
        await self.flush()

    async def reboot(self, *, power_cut: bool = False) -> None:
        """Restart at once and connect again, without the pause of a reset.

        After a power cut the connection ends without a word, and the end of the
        transaction is told afterwards.
        """
        if power_cut:
            await self.disconnect(abort=True)
        if self.transaction:
            self._end(
                "AbnormalCondition" if power_cut else "ResetCommand",
                "PowerLoss" if power_cut else "Reboot",
                ChargingState.EV_CONNECTED,
            )
            await self.flush()
        await self.disconnect()
        self._restarted()
        await self.connect(reason="PowerUp" if power_cut else "LocalReset")

    async def die(self, *, keep_queue: bool = True, keep_profiles: bool = True) -> None:
        """Lose all power: no current, no word, no timer, until `power_up`.

        The running transaction ends; its end is told after the return, if the box
        keeps its queue. Without `keep_profiles` it comes back without any limit.
        """
        await self.disconnect(abort=True)
        self._end("AbnormalCondition", "PowerLoss", ChargingState.EV_CONNECTED)
        if not keep_queue:
            self._outbox.clear()
        self._keeps_profiles = keep_profiles
        self.charger.allowed = False
        self.dead = True

    async def power_up(self, *, connect: bool = True) -> None:
        """Come back from `die` and connect; raises what the handshake raises.

        With connect=False it comes back without a network, and charges.
        """
        self.dead = False
        self._timers.away = None
        self._restarted()
        if not self._keeps_profiles:
            self.profiles.remove(self.profiles.all())
        if connect:
            await self.connect(reason="PowerUp")
        elif not self.finishing:
            self._plugged()

    # --- Transactions ---

    def _plugged(self) -> None:
        """Go on after the cable went in."""
        if self.dead or not self.operative or not self.charger.plugged:
            return
        self._timers.cable = None
        if self.transaction is None:
            self._begin("CablePluggedIn")
        elif self.transaction.state is ChargingState.IDLE:
            self.transaction.state = ChargingState.EV_CONNECTED
            self._event(EventType.UPDATED, "CablePluggedIn")
        self._permit()
        self._watch()

    def _permit(self) -> None:
        """Let the car charge where that needs no card, or the card was good."""
        transaction = self.transaction
        allowed = (
            transaction is not None
            and self.charger.plugged
            and (transaction.authorized or not self.quirks.auth_enabled)
        )
        needs = allowed and not self.charger.allowed
        self.charger.allowed = allowed
        if needs and self.quirks.notify_ev_charging_needs and self.charger.car:
            mode = "three" if self.charger.car.phases == 3 else "single"
            wanted = {"requestedEnergyTransfer": f"AC_{mode}_phase"}
            self.send("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": wanted})

    def _begin(
        self,
        trigger: str,
        *,
        token: Payload | None = None,
        remote_start_id: int | None = None,
    ) -> None:
        self.charger.start_session()
        self.poisoned = self.poisoned and self.quirks.tx_profile_poisoned_after_suspend
        self.transaction = Transaction(
            id=self._new_transaction_id(),
            started=self.now(),
            began=self.clock.steady(),
            state=self.charger.state,
            authorized=token is not None,
            token=token["idToken"] if token else None,
            defaults=self.profiles.of(Purpose.TX_DEFAULT),
            begin_wh=self.charger.register_wh,
        )
        self._timers.meter = 0.0
        self._timers.ended_sample = 0.0
        self._event(
            EventType.STARTED, trigger, token=token, remote_start_id=remote_start_id
        )
        if not self.charger.plugged:
            self._timers.cable = self.model.number("TxCtrlr", "EVConnectionTimeOut")

    def _new_transaction_id(self) -> str:
        self._transactions += 1
        if self.quirks.transaction_ids_restart:
            return str(self._transactions)
        return str(uuid.uuid4())

    def _authorized(
        self, token: Payload, trigger: str, remote_start_id: int | None = None
    ) -> None:
        if self.transaction is None:
            self._begin(trigger, token=token, remote_start_id=remote_start_id)
        else:
            self.transaction.authorized = True
            self.transaction.token = token["idToken"]
            self._event(
                EventType.UPDATED,
                trigger,
                token=token,
                remote_start_id=remote_start_id,
            )
        self.finishing = False
        self._permit()
        self._watch()

    def start_remotely(
        self, token: Payload, remote_start_id: int, profile: Profile | None
    ) -> None:
        """Begin what RequestStartTransaction asked for."""
        self._authorized(token, "RemoteStart", remote_start_id)
        if profile and self.transaction:
            self.profiles.put(profile)
            self.profiles.bind(Purpose.TX, self.transaction.id)

    def stop_remotely(self) -> None:
        """End what RequestStopTransaction asked for."""
        self._end("RemoteStop", "Remote", ChargingState.EV_CONNECTED)
        self.finishing = self.charger.plugged

    def _end(
        self,
        trigger: str,
        reason: str,
        state: ChargingState,
        *,
        token: Payload | None = None,
    ) -> None:
        if (transaction := self.transaction) is None:
            return
        transaction.state = state if self.charger.plugged else ChargingState.IDLE
        self.charger.allowed = False
        self._event(EventType.ENDED, trigger, token=token, stopped_reason=reason)
        self.transaction = None
        self._timers.cable = None
        self.profiles.remove(self.profiles.of(Purpose.TX))
        if self.quirks.cleared_charging_limit:
            self.send(
                "ClearedChargingLimit", {"chargingLimitSource": "SO", "evseId": 1}
            )
        if self.inoperative_scheduled:
            self.set_operative(False)
        if self.reset_scheduled:
            self.begin_reset()

    def _token_answered(self, transaction: Transaction, answer: Payload) -> None:
        """Heed what the central system says about a token (part 2 C01, E05)."""
        info = answer.get("idTokenInfo")
        if info is None:
            self.blame("TransactionEvent with an idToken: no idTokenInfo in its answer")
        elif info["status"] != "Accepted" and self.transaction is transaction:
            self._end("Deauthorized", "DeAuthorized", ChargingState.EV_CONNECTED)
            self.finishing = self.charger.plugged

    def _event(
        self,
        event: EventType,
        trigger: str,
        *,
        token: Payload | None = None,
        remote_start_id: int | None = None,
        stopped_reason: str | None = None,
        context: str | None = None,
    ) -> None:
        """Tell of something that happened to the running transaction."""
        if (transaction := self.transaction) is None:
            return
        info: Payload = {"transactionId": transaction.id}
        if not self.quirks.charging_state_omitted:
            info["chargingState"] = transaction.state.value
        if stopped_reason:
            info["stoppedReason"] = stopped_reason
        if remote_start_id is not None and not self.quirks.remote_start_id_omitted:
            info["remoteStartId"] = remote_start_id
        payload: Payload = {
            "eventType": event.value,
            "timestamp": self.wire_now(),
            "triggerReason": trigger,
            "seqNo": transaction.seq_no,
            "transactionInfo": info,
            "evse": _EVSE,
        }
        transaction.seq_no += 1
        if not self.online:
            payload["offline"] = True
        if token:
            payload["idToken"] = token
        if self.quirks.reports_phases_used and self.charger.active_phases:
            payload["numberOfPhasesUsed"] = self.charger.active_phases
        if not (
            event is EventType.UPDATED and self.quirks.meter_values_missing_in_updates
        ):
            setting, usual = _MEASURANDS_OF[event]
            measurands = self.model.members("SampledDataCtrlr", setting)
            values = self._sample(measurands, context or usual)
            if event is EventType.ENDED:
                values = transaction.samples + values
            if values:
                payload["meterValue"] = values

        def heed(answer: Payload) -> None:
            self._token_answered(transaction, answer)

        self.send("TransactionEvent", payload, heed if token else None)

    def enforced_profiles(self) -> tuple[Profile, ...]:
        """Return the profiles that have an effect, which quirks may make fewer."""
        quirks, transaction = self.quirks, self.transaction
        effective: list[Profile] = []
        for profile in self.profiles.all():
            if profile.purpose is Purpose.TX and (
                transaction is None or profile.transaction_id != transaction.id
            ):
                continue
            if (
                profile.purpose is Purpose.TX
                and self.charger.state is ChargingState.CHARGING
                and self.charger.power_on_s < quirks.tx_profile_applies_after_s
            ):
                continue
            if profile.purpose is Purpose.TX_DEFAULT and (
                quirks.default_profile_never
                or (quirks.default_profile_next_session_only and transaction)
            ):
                continue
            if quirks.absolute_epoch_ignored and profile.before_any_clock:
                continue
            if quirks.relative_only and profile.kind is not ProfileKind.RELATIVE:
                continue
            if profile.purpose is Purpose.STATION_MAX and quirks.station_profile_never:
                continue
            effective.append(profile)
        if (
            quirks.default_profile_next_session_only
            and not quirks.default_profile_never
            and transaction
        ):
            effective.extend(transaction.defaults)
        return tuple(effective)

    def _watch(self, trigger: str = "ChargingStateChanged") -> None:
        """Apply the limit of this moment and tell of a new charging state."""
        if self.dead:
            return
        now, transaction = self.now(), self.transaction
        started, phases = self.transaction_began, self.charger.phases
        limit = limit_at(self.enforced_profiles(), now, started, phases)
        most = self.station_limit_a
        self._obey(most if limit is None else min(limit, most))
        if transaction is None or transaction.state is self.charger.state:
            return
        transaction.state = self.charger.state
        if (
            transaction.state is ChargingState.SUSPENDED_EVSE
            and self.quirks.tx_profile_poisoned_after_suspend
        ):
            self.poisoned = True
        self._event(EventType.UPDATED, trigger)
        if self.quirks.available_in_session:
            self.send_status()

    def _obey(self, limit_a: float) -> None:
        """Offer the car no more than a limit in A, as soon as the box does that."""
        now = self.clock.steady()
        last = self._limits[-1][1] if self._limits else self.charger.limit_a
        if limit_a != last:
            delay = timedelta(seconds=self.quirks.limit_applies_after_s)
            self._limits.append((now + delay, limit_a))
        while self._limits and self._limits[0][0] <= now:
            self.charger.limit_a = self._limits.popleft()[1]

    # --- Messages ---

    def send_status(self) -> None:
        """Send StatusNotification of the connector."""
        if self.dead:
            return
        status = self.connector_status
        if self.transaction and self.quirks.available_in_session:
            status = "Available"
        self.send(
            "StatusNotification",
            {
                "timestamp": self.wire_now(),
                "connectorStatus": status,
                "evseId": 1,
                "connectorId": 1,
            },
        )

    def send_boot(self, reason: str) -> None:
        """Send BootNotification on demand."""
        payload: Payload = {
            "reason": reason,
            "chargingStation": {
                "model": self.identity.model,
                "vendorName": self.identity.vendor,
            },
        }
        if self.online:
            self.send("BootNotification", payload, self._booted)
        else:
            self._timers.boot_retry = 0.0

    def send_meter_values(self) -> None:
        """Send MeterValues on demand."""
        measurands = self.model.members("AlignedDataCtrlr", "Measurands")
        if values := self._sample(measurands, "Trigger"):
            self.send("MeterValues", {"evseId": 1, "meterValue": values})

    def send_triggered_event(self) -> None:
        """Send TransactionEvent on demand."""
        self._event(EventType.UPDATED, "Trigger", context="Trigger")

    def _sample(self, measurands: tuple[str, ...], context: str) -> list[Payload]:
        self._readings_taken += 1
        return sample(
            self.charger.readings,
            measurands,
            context=context,
            time=self.wire_now(),
            quirks=self.quirks,
            number=self._readings_taken,
            begin_wh=self.transaction.begin_wh if self.transaction else None,
        )

    # --- Reset and availability ---

    def set_operative(self, operative: bool) -> None:
        """Take the box out of service or back."""
        self.inoperative_scheduled = False
        if self.operative == operative:
            return
        self.operative = operative
        self.send_status()
        if operative and not self.finishing:
            self._plugged()

    def begin_reset(self) -> None:
        """End the transaction and go away for as long as a reboot takes."""
        self.reset_scheduled = False
        if self.transaction:
            self._end("ResetCommand", "ImmediateReset", ChargingState.EV_CONNECTED)
        self._reset_pending = True

    async def _leave(self) -> None:
        self._reset_pending = False
        await self.flush()
        # First, because whoever waits for the disconnect may let time pass at once.
        self._timers.away = self.quirks.reboot_s
        await self.disconnect()

    def _restarted(self) -> None:
        """Forget what does not survive a reboot."""
        self.finishing = False
        self.poisoned = False
        self.reset_scheduled = False
        self._reset_pending = False
        self.charger.allowed = False
        self._transactions = 0
        self.profiles.remove(self.profiles.of(Purpose.TX))
        if self.quirks.register_restarts in (
            RegisterRestarts.AFTER_REBOOT,
            RegisterRestarts.BOTH,
        ):
            self.charger.restart_register(self.quirks.register_restart_wh)

    # --- Time ---

    async def tick(self, seconds: float, *, step_s: float = _STEP_S) -> None:
        """Let so many seconds pass at once, and send whatever falls due.

        In steps of `step_s`: nothing falls due more often than that.
        """
        begin = self.clock.begin()
        passed = 0.0
        try:
            while passed < seconds:
                step = min(step_s, seconds - passed)
                passed += step
                self.clock.hold(begin + timedelta(seconds=passed))
                self._step(step, step)
                await self._attend()
                # Let the connection's own tasks have a turn.
                await asyncio.sleep(0)
        finally:
            self.clock.hold(None)

    def pass_time(self, seconds: float) -> None:
        """Let so many seconds have passed, without a word; `attend` sends what is due.

        For whoever drives the clock that was passed in: what is waited for here may
        take time itself.
        """
        self._step(seconds, seconds)

    async def attend(self) -> None:
        """Do what a timer asked for and what needs the network."""
        await self._attend()

    def _step(self, physics_s: float, timers_s: float) -> None:
        """Let time pass; the demo's cars charge faster than its timers run."""
        if self.dead:
            return
        powered = self._timers.away is None
        if powered:
            self.charger.advance(physics_s)
            self._watch()
        self._run_timers(timers_s)

    def _run_timers(self, seconds: float) -> None:
        timers = self._timers
        timers.since_start += seconds
        if timers.hold > 0:
            timers.hold = max(0.0, timers.hold - seconds)
            if not timers.hold:
                self._outbox_filled.set()
        if timers.away is not None:
            timers.away -= seconds
        if timers.boot_retry is not None:
            timers.boot_retry -= seconds
        if timers.cable is not None:
            timers.cable -= seconds
            if timers.cable <= 0:
                timers.cable = None
                self._end("EVConnectTimeout", "Timeout", ChargingState.IDLE)
        if self.online:
            timers.heartbeat += seconds
            if timers.heartbeat >= self.model.number(
                "OCPPCommCtrlr", "HeartbeatInterval"
            ):
                timers.heartbeat = 0.0
                self.send("Heartbeat", {}, self._set_clock_by)
        self._run_meter_timers(seconds)

    def _run_meter_timers(self, seconds: float) -> None:
        timers = self._timers
        if self.transaction:
            timers.meter += seconds
            interval = self.model.number("SampledDataCtrlr", "TxUpdatedInterval")
            if 0 < interval <= timers.meter:
                timers.meter = 0.0
                self._event(EventType.UPDATED, "MeterValuePeriodic")
            self._sample_for_the_end(seconds)
        boots = self.quirks.boot_every_s
        timers.boot_every += seconds
        if 0 < boots <= timers.boot_every and self.online:
            timers.boot_every = 0.0
            self.send_boot("Unknown")
        every = self.quirks.notify_event_interval_s
        timers.notify_event += seconds
        if 0 < every <= timers.notify_event:
            timers.notify_event = 0.0
            self._notify_event()

    def _sample_for_the_end(self, seconds: float) -> None:
        """Take the samples that Ended will carry, where the box does that."""
        if (transaction := self.transaction) is None:
            return
        timers, setting = self._timers, "SampledDataCtrlr"
        timers.ended_sample += seconds
        interval = self.model.number(setting, "TxEndedInterval")
        if (
            self.quirks.ended_carries_all_samples
            and 0 < interval <= timers.ended_sample
        ):
            timers.ended_sample = 0.0
            measurands = self.model.members(setting, "TxEndedMeasurands")
            transaction.samples += self._sample(measurands, "Sample.Periodic")

    def _notify_event(self) -> None:
        self._event_id += 1
        event: Payload = {
            "eventId": self._event_id,
            "timestamp": self.wire_now(),
            "trigger": "Periodic",
            "actualValue": f"{self.charger.register_wh:.0f}",
            "eventNotificationType": "HardWiredNotification",
            "component": {"name": "MeteringCtrlr"},
            "variable": {"name": "AggregationInterval"},
        }
        self.send(
            "NotifyEvent",
            {"generatedAt": self.wire_now(), "seqNo": 0, "eventData": [event]},
        )

    async def _attend(self) -> None:
        """Do what a timer asked for and what needs the network."""
        timers = self._timers
        if self._reset_pending:
            await self._leave()
        if timers.away is not None and timers.away <= 0:
            timers.away = None
            self._restarted()
            try:
                await self.connect(reason="RemoteReset")
            except OSError, InvalidHandshake, TimeoutError, CallFailed:
                timers.away = self.model.number(
                    "OCPPCommCtrlr", "RetryBackOffWaitMinimum"
                )
        if timers.boot_retry is not None and timers.boot_retry <= 0 and self._link:
            timers.boot_retry = None
            try:
                await self._boot(self._link, "PowerUp")
            except ConnectionError, TimeoutError, CallFailed:
                timers.boot_retry = self.model.number(
                    "OCPPCommCtrlr", "RetryBackOffWaitMinimum"
                )
        await self.flush()

    async def run(
        self, speed: float = 1.0, *, step_s: float = 1.0, retry_s: float = 15.0
    ) -> None:
        """Live in real time until cancelled: connect, reconnect, charge.

        Cars charge `speed` times as fast; heartbeats and meter values keep their real
        pace. `step_s` is the step and `retry_s` the first pause before a reconnect, s.
        """
        pause, wait, booted = retry_s, 0.0, False
        try:
            while True:
                away = self.dead or self._timers.away is not None
                if not self.connected and not away and wait <= 0:
                    try:
                        await self.connect(boot=not booted)
                        booted, pause = True, retry_s
                    except OSError, InvalidHandshake, TimeoutError, CallFailed:
                        await self.disconnect(abort=True)
                        wait, pause = pause, min(pause * 2, _RECONNECT_LIMIT_S)
                await asyncio.sleep(step_s)
                wait -= step_s
                self._step(step_s * speed, step_s)
                await self._attend()
        finally:
            await self.disconnect()
