"""The life of one connection: greeting, provisioning, metering, end.

Not every connection is the live one. A wallbox that lost its network leaves a half-open
line behind, and a line may open and stay silent. The station owns the live connection;
here each asks before it acts whether it is that.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import nullcontext, suppress
from functools import partial
import itertools
import logging
from typing import Any, Final

from ocpp.v201 import call, call_result
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from ..problem import Problem
from . import liveness
from .calls import Calls, Request
from .check_log import Exchange, Message
from .device_model import Variables, learn
from .errors import CallFailedError, log_bug
from .frames import Frames, Gate, Received
from .handlers import HANDLERS, Context, Handled, Payload
from .json_text import dismantle, one_at_a_time
from .meter_polling import Heard, ReadingRequests, heard, reading_due
from .payloads import to_json
from .provisioning import Provisioning
from .remote_requests import RemoteStart
from .schemas import Schemas
from .state import WallboxState
from .station import Station

_LOGGER = logging.getLogger(__name__)

#: A station that boots says so at once; later, it has only reconnected, in s.
BOOT_GRACE: Final = 5
#: So many calls in a row are not answered before that is a problem.
_MANY_LOSSES: Final = 3
#: So many boots within so many seconds are no accident.
_MANY_BOOTS: Final = 3
_BOOTS_WITHIN_S: Final = 60
#: A wallbox that boots is asked for all no more often than this, in s.
_PROVISIONING_PACE: Final = 10
#: How often a large message is looked at in a thread, while other things happen to the
#: wallbox, before these wait for it.
_TRIES_BESIDE: Final = 3

_LOST: Final = "the connection was lost"
_REPLACED: Final = "a newer connection replaces this one"

type _Work = Callable[[], Coroutine[Any, Any, None]]

_numbers = itertools.count(1)


class Connection:
    """Serves one connection of a station.

    Frames are handled one after the other, in the order in which they came; our own
    calls go out beside them, one at a time.
    """

    def __init__(
        self, station: Station, socket: ServerConnection, schemas: Schemas
    ) -> None:
        """Take a connection that passed the handshake."""
        self.station = station
        self.id: str = station.config.charge_point_id
        """The charge point's id."""
        self.number = next(_numbers)
        """The higher, the newer."""
        self.ended = asyncio.Event()
        """Set once it is over."""
        self._socket = socket
        gate = Gate(schemas, frozenset(HANDLERS))
        self._frames = Frames(
            socket,
            gate,
            clock=self._steady,
            on_life=self._lives,
            on_bad_frame=self._report,
            trace=station.trace,
            number=self.number,
        )
        self._calls = Calls(
            self._frames.send,
            gate,
            first=self._turn,
            clock=self._steady,
            on_answer=self._answered,
            on_bad_answer=self._report,
            on_exchange=self._exchanged,
        )
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        """What goes on beside, for as long as it is open."""
        self._liveness = liveness.Liveness(
            socket,
            clock=self._steady,
            pause=self._pause,
            start=self._start,
            on_life=self._lives,
            on_death=self._dies,
        )
        self._live = asyncio.Event()
        self._greeted = asyncio.Event()
        self._wanted = asyncio.Event()
        """Set where the wallbox is to be asked for all."""
        self._booted = False
        self._known = False
        self.status_heard = False
        """Whether the wallbox told its status by itself, on this connection."""
        self.remote_start: RemoteStart | None = None
        """The start that was accepted last."""
        self.reset_at: float | None = None
        """When a reset was accepted, by the steady clock, in s."""
        self.readings = ReadingRequests(self._heard, self._trigger)
        self._provisioning = Provisioning(self)
        self._polling: asyncio.Task[None] | None = None

    # Its life

    async def serve(self) -> None:
        """Serve until the connection ends."""
        self.station.trace.opened(self.number)
        tasks = [
            asyncio.create_task(self._guard(work))
            for work in (
                self._listen,
                self._calls.run,
                self._liveness.watch,
                self._come_alive,
                self._get_to_know,
            )
        ]
        try:
            await tasks[0]
        finally:
            self._end(_LOST, ours=False)
            tasks += self._tasks
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def close(self, reason: str, *, code: int = 1000) -> None:
        """End the connection; calls that wait fail at once."""
        if not self._closed:
            self._end(reason)
            # Who does not answer that is hung up on, after the server's close timeout.
            self._start(partial(self._socket.close, code, reason))

    def _end(self, reason: str, *, ours: bool = True) -> None:
        """Take part in nothing any more; `ours`: because we end it."""
        if self._closed:
            return
        self._closed = True
        self.station.trace.closed(self.number, ours=ours)
        self._calls.close(reason)
        self.station.detach(self)
        self.ended.set()

    def _start(self, work: _Work) -> asyncio.Task[None]:
        """Do work beside everything else, for as long as the connection lasts."""
        task = asyncio.create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guard(self, work: _Work) -> None:
        """Do work; a bug in it is logged, and ends the connection."""
        try:
            await work()
        except ConnectionClosed:
            pass
        except Exception as err:  # noqa: BLE001 - whatever it is, it is ours
            log_bug(err)
            self.close("an error of the server", code=1011)

    async def _listen(self) -> None:
        """Handle what comes, until the connection ends."""
        while not self._closed:
            message = await self._frames.recv()
            if self.closed:
                return  # it was not answered, so it comes again on the newer one
            if isinstance(message, Received):
                await self._handle(message)
                if message.large:
                    await asyncio.to_thread(dismantle, message.call.payload)
            elif not self._calls.take(message):
                _LOGGER.debug("Dropped an answer of %s to no call", self.id)

    async def _pause(self, seconds: float) -> None:
        """Let time pass, by the clock's alarm."""
        over = asyncio.Event()
        cancel = self.station.call_later(seconds, over.set)
        try:
            await over.wait()
        finally:
            cancel()

    # Whether it is the live one

    @property
    def closed(self) -> bool:
        """Whether no call can be made any more."""
        return self._closed

    @property
    def told_to_reboot(self) -> bool:
        """Whether the wallbox goes because it was told to."""
        return self._calls.told_to_reboot

    @property
    def _is_live(self) -> bool:
        """Whether it is the station's live connection."""
        return not self._closed and self.station.connection is self

    def _steady(self) -> float:
        """Return the steady clock's seconds."""
        return self.station.now().steady

    def _lives(self) -> None:
        """Take note of a sign of life: a frame, whatever it is, or a pong.

        With it, a connection takes the place of an older one. One that a newer one has
        overtaken is closed.
        """
        if self._closed:
            return
        self._liveness.heard()
        other = self.station.connection
        if other is None or other.number < self.number:
            self._take_over()
        elif other is not self:
            self.close(_REPLACED)

    def _take_over(self) -> None:
        """Become the live connection; an older one is closed."""
        self.station.attach(self)
        self._live.set()

    async def _come_alive(self) -> None:
        """Become the live connection, where no older one is better.

        One that has shown no life does not replace one that does, if only by a frame
        now and then; of two silent ones, the newer is the better guess.
        """
        while not self._live.is_set() and not self._closed:
            older = self.station.connection
            if older is None:
                self._take_over()
            elif older.number > self.number:
                self.close(_REPLACED)
            else:
                older.probe()
                try:
                    async with asyncio.timeout(BOOT_GRACE):
                        await older.ended.wait()
                except TimeoutError:
                    long_ago = self._steady() - liveness.DEAD_AFTER
                    if self.station.connection is older and not older.lived_since(
                        long_ago
                    ):
                        self._lives()

    def _turn(self) -> Request | None:
        """Return what the control loop wants to ask, if this is the live connection."""
        return self.station.controller.next_call(self) if self._is_live else None

    def wake(self) -> None:
        """Look whether the control loop has something to ask."""
        self._calls.wake()

    def lived_since(self, moment: float) -> bool:
        """Return whether it showed life after a moment of the steady clock."""
        return self._liveness.since(moment)

    def probe(self) -> None:
        """Ask for a sign of life."""
        if not self._closed:
            self._liveness.probe()

    def _dies(self) -> None:
        """End a connection that shows no life any more."""
        _LOGGER.debug("Wallbox %s shows no life any more", self.id)
        self.close("no sign of life", code=1011)

    # What the wallbox says

    async def _handle(self, message: Received) -> None:
        """Handle a CALL, and answer it where that is still to be done.

        An own bug is answered as such, and does not end the connection.
        """
        try:
            handled = await self._understand(message)
            self._take(handled, repeats=message.refused)
            if not message.refused:
                await self._frames.answer(message.call, to_json(handled.answer))
        except ConnectionClosed:
            raise
        except Exception as err:  # noqa: BLE001 - the next message may do better
            log_bug(err)
            if not message.refused:
                await self._frames.fail(message.call)
        self._greeted.set()

    async def _understand(self, message: Received) -> Handled:
        """Find what a message leads to; what takes long, beside everything else."""
        station = self.station
        if station.witness is not None and self._is_live:
            station.witness.said(Message.of(message.call, self._steady()))

        def look(state: WallboxState) -> Handled:
            with one_at_a_time() if message.huge else nullcontext():
                payload: Payload = message.call.payload
                return HANDLERS[message.call.action](state, payload, context)

        context = Context(now=station.now(), accepts=station.config.accepts)
        for _ in range(_TRIES_BESIDE if message.large else 0):
            state = station.state
            handled = await asyncio.to_thread(look, state)
            if station.state is state:
                return handled
            # Something else happened to the wallbox meanwhile, which counts as well.
        return look(station.state)

    def _take(self, handled: Handled, *, repeats: bool) -> None:
        """Take what a message leads to.

        `repeats`: whether the wallbox may say it again and again, for it was refused.
        """
        if handled.status_heard:
            self.status_heard = True
            self._take_status(handled.state)
        else:
            self.station.update(handled.state, replayed=handled.replayed)
        if (report := handled.report) is not None:
            self.take_variables(report.found)
            self._provisioning.report_part(report.request_id, last=report.last)
        if handled.booted and not (repeats and self._greeted.is_set()):
            self._booted = True
            self._wanted.set()
            self._note_boot()
        if handled.limit_changed and self._is_live:
            self.station.controller.recheck()
        if handled.triggered:
            self.readings.event_came()
        if handled.unmetered:
            self.poll()

    def _take_status(self, state: WallboxState) -> None:
        """Take a state in which a free socket may end a session.

        Right after a reconnect its real end may follow, from the wallbox's queue.
        """
        ends = self.station.state.active is not None and state.active is None
        self.station.update(state, replayed=ends and not self._known)

    def take_variables(self, found: Variables) -> None:
        """Take what variables of the device model say of the wallbox."""
        self._take_status(
            learn(
                self.station.state,
                found,
                self.station.now(),
                status_known=self.status_heard,
                ends_session=not self._provisioning.queue_expected,
            )
        )

    def _report(self, reason: str) -> None:
        """Report that a wallbox sends frames that OCPP 2.0.1 does not know."""
        _LOGGER.debug("Wallbox %s sent a bad frame: %s", self.id, reason)
        self.station.problems.report(Problem.BAD_FRAMES, self.id, reason=reason)
        if self.station.witness is not None:
            self.station.witness.bent(reason)

    def _note_boot(self) -> None:
        """Report that a wallbox boots again and again."""
        boots, now = self.station.boots, self._steady()
        boots.append(now)
        while now - boots[0] >= _BOOTS_WITHIN_S:
            boots.popleft()
        problems = self.station.problems
        if len(boots) >= _MANY_BOOTS or problems.is_open(Problem.REBOOTS, self.id):
            problems.report(Problem.REBOOTS, self.id)

    # What it is asked

    async def request[A](self, payload: object, answer: Callable[..., A]) -> A:
        """Make a call; see `Caller`."""
        return await self._calls.request(payload, answer)

    async def request_late[A](
        self, choose: Callable[[], object | None], answer: Callable[..., A]
    ) -> A | None:
        """Make the next call; see `Caller`."""
        return await self._calls.request_late(choose, answer)

    async def _trigger(
        self, message: call.TriggerMessage
    ) -> call_result.TriggerMessage:
        """Request a message."""
        return await self.request(message, call_result.TriggerMessage)

    def _exchanged(self, exchange: Exchange) -> None:
        """Tell whoever listens of a call that is over."""
        if self.station.witness is not None:
            self.station.witness.answered(exchange)

    def _answered(self, took: float | None) -> None:
        """Report that a wallbox does not answer, unless that is only now and then.

        `took`: how long an answer took, in s; None: none came.
        """
        if took is not None:
            self.station.controller.answered(took)
            self.station.unanswered = 0
            self.station.problems.resolve(Problem.UNRESPONSIVE, self.id)
            return
        self.station.unanswered += 1
        if self.station.unanswered >= _MANY_LOSSES:
            self.station.problems.report(Problem.UNRESPONSIVE, self.id)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is being asked, and nothing waits to be asked."""
        return (
            self._known
            and not self._wanted.is_set()
            and not self._provisioning.running
            and not self.station.controller.busy
            and self._calls.idle
            and (self._polling is None or self._polling.done())
        )

    async def _get_to_know(self) -> None:
        """Ask the station what it does not say by itself, once it may be asked.

        It may not be before its BootNotification is answered. One that only reconnected
        sends none: any other message shows that, or its silence.
        """
        await self._live.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(BOOT_GRACE):
                await self._greeted.wait()
        self._wanted.clear()
        self.station.controller.connected(self)
        while self._is_live:
            booted, self._booted = self._booted, False
            began = self._steady()
            await self._provisioning.run(booted=booted)
            self._known = True
            await self._wanted.wait()
            self._wanted.clear()
            if self._booted:
                await self._restore_limit(began + _PROVISIONING_PACE - self._steady())

    async def _restore_limit(self, pause: float) -> None:
        """Set the limit at once: a wallbox that has booted may have forgotten it.

        `pause`: in how many seconds it may be asked for all else. One that boots again
        and again until then has its limit set once more.
        """
        controller = self.station.controller
        controller.connected(self)
        if pause > 0:
            await self._pause(pause)
            if self._wanted.is_set():
                self._wanted.clear()
                controller.connected(self)

    def refresh(self) -> None:
        """Ask again for all that the wallbox was asked when it connected."""
        self._wanted.set()

    def poll(self) -> None:
        """Ask for a reading where a session runs and none came for an interval."""
        station = self.station
        if self._polling is not None and not self._polling.done():
            return
        if not self._is_live or self._provisioning.running:
            return
        if reading_due(station.state, station.config.meter_interval, self._steady()):
            self._polling = self._start(self._poll)

    async def _poll(self) -> None:
        """Ask once."""
        with suppress(CallFailedError):
            await self.readings.ask()

    def _heard(self) -> Heard:
        """Return what is known of the current, and since when."""
        return heard(self.station.state, self._steady())
