"""One connection of the box: frames in and out, strictly checked.

Three things run at once: the reader, the worker that answers the central system's
calls one after the other, and whoever sends. That is why a call of the central
system is answered while one of the box's own is still open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
import json
from typing import Final, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame as WebSocketFrame, Opcode

from .journal import Journal
from .records import Answer, CallFailed, Payload, ReceivedCall, SentCall, keep
from .strict import (
    ACTIONS,
    MAX_ID_LENGTH,
    Frame,
    FrameFault,
    Kind,
    decode,
    parse,
    payload_faults,
)

_TOLERANCE: Final = 0.95
"""A central system whose clock runs a little fast is not at fault."""


class _BoxProtocol(ClientProtocol):
    """The protocol of a box that may leave pings unanswered."""

    answers_pings: Callable[[], bool]

    def send_frame(self, frame: WebSocketFrame) -> None:
        """Send a frame, unless it is a pong that the box keeps to itself."""
        if frame.opcode is not Opcode.PONG or self.answers_pings():
            super().send_frame(frame)


class BoxWebSocket(ClientConnection):
    """The box's end of a WebSocket connection."""

    def answer_pings_if(self, answers_pings: Callable[[], bool]) -> None:
        """Answer pings only while that is so."""
        # The library makes the protocol itself and has no place to pass another.
        protocol = self.protocol
        protocol.__class__ = _BoxProtocol
        if isinstance(protocol, _BoxProtocol):
            protocol.answers_pings = answers_pings


@dataclass(kw_only=True)
class HalfOpen:
    """A connection whose other end is gone, which nothing tells the central system.

    It neither sends nor answers a ping, and does not notice that it is closed.
    """

    websocket: ClientConnection

    def __post_init__(self) -> None:
        """Read nothing more, pings and close frames included."""
        self.websocket.transport.pause_reading()

    async def close(self) -> None:
        """Let go of it, without a close frame."""
        self.websocket.transport.abort()
        await self.websocket.wait_closed()


class Host(Protocol):
    """What a connection needs of the box that it belongs to."""

    def now(self) -> datetime:
        """Time by the box's own clock."""

    def changed(self) -> None:
        """Learn that something came in."""

    async def answer(self, connection: Connection, call: Frame, raw: str) -> None:
        """Answer a call of the central system."""


@dataclass(frozen=True, kw_only=True)
class _Open:
    """A call of the box that waits for its answer."""

    action: str
    answer: asyncio.Future[Payload]


class Connection:
    """A live connection to the central system."""

    def __init__(
        self,
        *,
        websocket: ClientConnection,
        journal: Journal,
        host: Host,
        new_id: Callable[[], str],
        message_timeout_s: float,
        on_lost: Callable[[Connection], Awaitable[None]],
    ) -> None:
        """Take over a connection; `start` begins to read."""
        self.websocket = websocket
        self._journal = journal
        self._host = host
        self._new_id = new_id
        self._timeout_s = message_timeout_s
        self._on_lost = on_lost
        self._pending: dict[str, _Open] = {}
        self._spare: dict[str, str] = {}
        self._late: dict[str, str] = {}
        self._raw: dict[str, str] = {}
        self._raw_errors = 0
        self._inbox: asyncio.Queue[tuple[Frame, str]] = asyncio.Queue()
        self._busy = False
        self._asked: tuple[str, float] | None = None
        self._call_lock = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self.closed = asyncio.Event()
        self.boot_pending = False
        """Whether BootNotification waits for its answer."""
        self.rejected = False
        """Whether the answer was Rejected."""

    def start(self) -> None:
        """Begin to read and to answer."""
        self._tasks = [
            asyncio.create_task(self._read(), name="wallbox reader"),
            asyncio.create_task(self._work(), name="wallbox worker"),
        ]

    @property
    def idle(self) -> bool:
        """Whether nothing of the central system waits for an answer."""
        return self._inbox.empty() and not self._busy

    # --- Sending ---

    async def call(
        self, action: str, payload: Payload, *, twice: bool = False
    ) -> Payload:
        """Send a CALL and wait for its answer, one at a time.

        Raises CallFailed, TimeoutError or ConnectionError. With `twice` the same
        frame goes out a second time, as after a lost acknowledgement.
        """
        async with self._call_lock:
            if self.closed.is_set():
                raise ConnectionError("the connection is gone")
            message_id = self._new_id()
            loop = asyncio.get_running_loop()
            answer: asyncio.Future[Payload] = loop.create_future()
            self._pending[message_id] = _Open(action=action, answer=answer)
            text = _dump([int(Kind.CALL), message_id, action, payload])
            keep(
                self._journal.sent,
                SentCall(
                    time=self._host.now(),
                    message_id=message_id,
                    action=action,
                    payload=payload,
                ),
            )
            try:
                if twice:
                    _remember(self._spare, message_id, action)
                    await self._send(text)
                await self._send(text)
                return await asyncio.wait_for(answer, self._timeout_s)
            except TimeoutError:
                _remember(self._late, message_id, action)
                self._journal.blame(f"no answer to {action}")
                raise
            finally:
                self._pending.pop(message_id, None)

    async def send_raw(self, raw: str | bytes) -> None:
        """Send any text or bytes; what answers it goes to the strays."""
        try:
            parts = decode(raw)
        except ValueError:
            parts = None
        match parts:
            case [3 | 4, *_]:
                pass  # an answer, however odd, is never answered
            case [2, str(message_id), str(action), *_] if (
                len(message_id) <= MAX_ID_LENGTH
            ):
                _remember(self._raw, message_id, action)
            case [_, str(message_id), *_]:
                _remember(self._raw, message_id, "")
                self._raw_errors += 1
            case _:
                self._raw_errors += 1
        try:
            await self.websocket.send(raw, text=True if isinstance(raw, str) else None)
        except ConnectionClosed as error:
            raise ConnectionError("the connection is gone") from error

    async def reply(
        self, call: Frame, text: str, *, error: str | None, payload: Payload
    ) -> None:
        """Answer a CALL of the central system."""
        keep(
            self._journal.replies,
            Answer(
                time=self._host.now(),
                message_id=call.message_id,
                action=call.action,
                payload=payload,
                error=error,
            ),
        )
        if self._asked and self._asked[0] == call.message_id:
            self._asked = None
        await self._send(text)

    async def reply_error(self, call: Frame, code: str, description: str) -> None:
        """Answer a CALL of the central system with a CALLERROR."""
        parts = [int(Kind.ERROR), call.message_id, code, description, {}]
        await self.reply(call, _dump(parts), error=code, payload={})

    async def _send(self, text: str) -> None:
        try:
            await self.websocket.send(text)
        except ConnectionClosed as error:
            raise ConnectionError("the connection is gone") from error

    # --- Ending ---

    async def close(self, *, abort: bool, code: int = 1000) -> None:
        """Close; with abort vanish without a close frame, as on a power cut."""
        self.closed.set()
        if abort:
            self.websocket.transport.abort()
        else:
            await self.websocket.close(code)
        # The worker may be the one that closes: it cannot wait for itself.
        ending = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        if abort:
            await self.websocket.wait_closed()
        self._fail_pending()

    async def abandon(self) -> HalfOpen:
        """Leave the connection half-open: alive for whoever is at its other end."""
        left = HalfOpen(websocket=self.websocket)
        self.closed.set()
        ending = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._fail_pending()
        return left

    def _fail_pending(self) -> None:
        for waiting in self._pending.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(ConnectionError("the connection is gone"))
                # Whoever waited may be gone too; then nobody reads this.
                waiting.answer.exception()

    # --- Receiving ---

    async def _read(self) -> None:
        try:
            async for raw in self.websocket:
                self._take(raw)
                self._host.changed()
        except ConnectionClosed:
            pass
        finally:
            self.closed.set()
            self._fail_pending()
            self._host.changed()
        await self._on_lost(self)

    async def _work(self) -> None:
        # A call may make the box go away; then there is nothing left to answer.
        while not self.closed.is_set():
            call, raw = await self._inbox.get()
            self._busy = True
            try:
                await self._host.answer(self, call, raw)
            except ConnectionError:
                return
            finally:
                self._busy = False
                self._host.changed()

    def _take(self, raw: str | bytes) -> None:
        keep(self._journal.frames, raw)
        try:
            frame = parse(raw)
        except FrameFault as fault:
            self._journal.blame(f"{fault}: {raw[:200]!r}")
            return
        if frame.kind is Kind.CALL and isinstance(raw, str):
            self._take_call(frame, raw)
        else:
            self._take_answer(frame, raw)

    def _take_call(self, frame: Frame, raw: str) -> None:
        blame = self._journal.blame
        now = asyncio.get_running_loop().time()
        if not self._journal.is_new_id(frame.message_id):
            blame(f"{frame.action}: message id {frame.message_id} was used before")
        if self.boot_pending:
            blame(f"{frame.action} before BootNotification was answered")
        elif self.rejected and (
            frame.payload.get("requestedMessage") != "BootNotification"
        ):
            blame(f"{frame.action} to a station that was Rejected")
        if self._asked and now - self._asked[1] < self._timeout_s * _TOLERANCE:
            blame(f"{frame.action} while {self._asked[0]} was not answered yet")
        self._asked = (frame.message_id, now)
        for fault in payload_faults(Kind.CALL, frame.action, frame.payload):
            blame(fault)
        keep(
            self._journal.received_calls,
            ReceivedCall(
                time=self._host.now(),
                message_id=frame.message_id,
                action=frame.action,
                payload=frame.payload,
            ),
        )
        self._inbox.put_nowait((frame, raw))

    def _take_answer(self, frame: Frame, raw: str | bytes) -> None:
        waiting = self._pending.get(frame.message_id)
        action = (
            waiting.action
            if waiting
            else self._late.get(frame.message_id)
            or self._spare.get(frame.message_id)
            or self._raw.get(frame.message_id, "")
        )
        if frame.kind is Kind.RESULT and action in ACTIONS:
            for fault in payload_faults(Kind.RESULT, action, frame.payload):
                self._journal.blame(fault)
        keep(
            self._journal.answers,
            Answer(
                time=self._host.now(),
                message_id=frame.message_id,
                action=action,
                payload=frame.payload,
                error=frame.code or None,
            ),
        )
        if waiting and waiting.action == "BootNotification":
            # Here, because the next frame may be read before the caller wakes up.
            self.boot_pending = False
            self.rejected = frame.payload.get("status") == "Rejected"
        if waiting and not waiting.answer.done():
            if frame.kind is Kind.RESULT:
                waiting.answer.set_result(frame.payload)
            else:
                waiting.answer.set_exception(
                    CallFailed(frame.code, frame.description, frame.payload)
                )
        elif frame.message_id in self._raw:
            self._journal.strays.append(raw)
        elif frame.kind is Kind.ERROR and frame.message_id == "-1":
            # About a frame that had no readable id: ours to blame only if raw.
            if self._raw_errors:
                self._raw_errors -= 1
            else:
                self._journal.blame(f"CALLERROR -1 to a good frame: {frame.code}")
            self._journal.strays.append(raw)
        elif frame.message_id in self._spare:
            del self._spare[frame.message_id]
        elif frame.message_id in self._late:
            del self._late[frame.message_id]
        elif not self.closed.is_set():
            # Whoever waited for it may have left when the connection began to close.
            self._journal.blame(f"an answer to nothing: {frame.message_id}")


def _dump(parts: list[object]) -> str:
    return json.dumps(parts, separators=(",", ":"))


def _remember(known: dict[str, str], message_id: str, action: str) -> None:
    known[message_id] = action
    if len(known) > 1_000:
        del known[next(iter(known))]
