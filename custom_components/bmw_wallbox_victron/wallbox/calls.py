"""Our calls to a wallbox: one at a time, each waiting its full 30 s.

A Delta box answers late, and giving up before it does leaves it busy when the next call
comes. The `ocpp` library's own `call` waits for its turn outside its timeout and knows
no CALLERROR "-1"; here is one queue with one worker, and what is sent is chosen when
its turn has come.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
import json
from typing import Any, Final, Protocol
import uuid

from ocpp.messages import CallError, CallResult
from ocpp.v201 import call_result
from websockets.exceptions import ConnectionClosed

from .attempts import RemoteStart
from .errors import CallFailedError, log_bug
from .frames import ERROR_CODES, Gate
from .metering import ReadingRequests
from .payloads import to_json, to_result

#: MessageTimeout of a Delta box. Giving up earlier would orphan its answer, in s.
CALL_TIMEOUT: Final = 30
#: What a call failed of where no answer came.
_NO_ANSWER: Final = "no answer within 30 s"
#: What a call failed of where nobody is there to answer.
_CONNECTION_LOST: Final = "the connection was lost"
_UNKNOWN_CODE: Final = "an error code that OCPP 2.0.1 does not know"


class Caller(Protocol):
    """Who makes calls to a wallbox."""

    @property
    def closed(self) -> bool:
        """Whether no call can be made any more."""
        ...

    async def request(self, payload: Any) -> Any:
        """Make a call (one of `ocpp.v201.call`) and return its answer.

        The call waits for those before it. Once it is on the wire it stays there, even
        where the caller gives up. Raises CallFailedError.
        """
        ...

    async def request_late(self, choose: Callable[[], Any]) -> Any:
        """Make the next call, and choose only then which; None: none after all.

        It goes before all that wait: nothing but the call that is on the wire lies
        between pressing stop and the frame that limits charging.
        """
        ...


class LiveConnection(Caller, Protocol):
    """The live connection of a station, as others than itself see it."""

    number: int
    """The higher, the newer."""
    ended: asyncio.Event
    """Set once it is over."""
    remote_start: RemoteStart | None
    """The start that was accepted last."""
    reset_at: float | None
    """When a reset was accepted, by the steady clock, in s."""
    readings: ReadingRequests
    """Asks for readings of the current."""

    @property
    def at_rest(self) -> bool:
        """Whether nothing is being asked, and nothing waits to be asked."""
        ...

    def lived_since(self, moment: float) -> bool:
        """Return whether it showed life after a moment of the steady clock."""
        ...

    def wake(self) -> None:
        """Look whether the control loop has something to ask."""

    def probe(self) -> None:
        """Ask for a sign of life."""

    def close(self, reason: str) -> None:
        """End it; calls that wait fail at once."""

    def refresh(self) -> None:
        """Ask again for all that the wallbox was asked when it connected."""

    def poll(self) -> None:
        """Ask for meter values where a session runs and none came for an interval."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A call of the control loop, which decides on it when its turn has come."""

    payload: Any
    """One of `ocpp.v201.call`."""
    take: Callable[[Any], None]
    """Gets the matching one of `ocpp.v201.call_result`, or a CallFailedError."""

    def choose(self) -> Any:
        """Return the call: that is decided already."""
        return self.payload


@dataclass(slots=True, eq=False)
class _Request:
    """A call that waits for its turn or its answer."""

    choose: Callable[[], Any]
    """Returns one of `ocpp.v201.call` when its turn has come, or None."""
    result: asyncio.Future[Any]
    """Gets the matching one of `ocpp.v201.call_result`."""
    action: str
    """What is called, once that is chosen."""
    unique_id: str = ""
    """Under which id it is on the wire; empty: it is not."""
    sent_at: float = 0.0
    """When it went on the wire, by the steady clock, in s."""
    answer: asyncio.Future[CallResult | CallError] | None = None
    """Gets what comes back."""


class Calls:
    """Makes the calls of one connection."""

    def __init__(
        self,
        send: Callable[[str], Awaitable[None]],
        gate: Gate,
        *,
        first: Callable[[], Turn | None],
        clock: Callable[[], float],
        on_answer: Callable[[float | None], None],
        on_bad_answer: Callable[[str], None],
    ) -> None:
        """Take how frames are sent, and what knows how answers look.

        `first` is the control loop: it is asked each time before those that wait, so
        nothing but the call on the wire lies between a target and its frame.
        `on_answer` is told how long the answer to a call took, in s; None: it did not
        come. `on_bad_answer` is told what is wrong with one. `clock` is a steady one.
        """
        self._send = send
        self._gate = gate
        self._first = first
        self._clock = clock
        self._on_answer = on_answer
        self._on_bad_answer = on_bad_answer
        self._waiting: deque[_Request] = deque()
        self._awaited: _Request | None = None
        self._asked = asyncio.Event()
        self._closed: str | None = None
        self.told_to_reboot = False
        """Whether the wallbox goes because it was told to."""

    @property
    def idle(self) -> bool:
        """Whether nothing is on the wire, and nothing waits."""
        return self._awaited is None and not self._waiting

    async def request(self, payload: Any) -> Any:
        """Make a call after those that wait; see `Caller`."""
        request = self._request(type(payload).__name__, lambda: payload)
        self._waiting.append(request)
        self._asked.set()
        return await request.result

    async def request_late(self, choose: Callable[[], Any]) -> Any:
        """Make a call before those that wait; see `Caller`."""
        request = self._request("", choose)
        self._waiting.appendleft(request)
        self._asked.set()
        return await request.result

    def _request(self, action: str, choose: Callable[[], Any]) -> _Request:
        """Make a request, where there is still a connection."""
        if self._closed is not None:
            raise CallFailedError(action, _CONNECTION_LOST)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        return _Request(choose, future, action)

    def close(self, reason: str) -> None:
        """Tell all callers that no answer will come."""
        if self._closed is not None:
            return
        self._closed = reason
        if self._awaited is not None:
            _fail(self._awaited, reason)
        while self._waiting:
            _fail(self._waiting.popleft(), reason)

    def wake(self) -> None:
        """Look whether the control loop has something to ask."""
        self._asked.set()

    async def run(self) -> None:
        """Make the calls, until cancelled."""
        while True:
            self._asked.clear()
            if (turn := self._first()) is not None:
                request = self._request("", turn.choose)
                # Where the connection ends first, the loop hears of that by itself.
                request.result.add_done_callback(asyncio.Future.exception)
            elif self._waiting:
                request = self._waiting.popleft()
            else:
                await self._asked.wait()
                continue
            if request.result.done():
                continue  # its caller gave up before it was sent
            self._awaited = request
            try:
                await self._make(request)
            finally:
                self._awaited = None
            if turn is not None:
                turn.take(request.result.exception() or request.result.result())
            else:
                # Whoever had this answer goes first with what follows from it.
                await asyncio.sleep(0)

    async def _make(self, request: _Request) -> None:
        """Make one call, and hand its answer to who waits for it."""
        try:
            payload = request.choose()
            if payload is None:
                _succeed(request, None)
                return
            request.action = type(payload).__name__
            answer = await self._exchange(request, payload)
            if isinstance(answer, CallError):
                # Not its description: that may repeat what we sent, tokens included.
                code = answer.error_code
                known = code if code in ERROR_CODES else _UNKNOWN_CODE
                _fail(request, known, answered=True)
                return
            whole, fault = self._gate.check_result(request.action, answer.payload)
            if fault is not None:
                self._on_bad_answer(fault)
            if whole is None:
                _fail(request, "FormatViolation", answered=True)
                return
            result = to_result(request.action, whole)
            if isinstance(result, call_result.Reset):
                self.told_to_reboot = result.status != "Rejected"
            _succeed(request, result)
        except TimeoutError:
            self._on_answer(None)
            _fail(request, _NO_ANSWER)
        except ConnectionClosed:
            _fail(request, _CONNECTION_LOST)
            # No call after it would fare better, and none of them would ever wait.
            raise
        except Exception as err:  # noqa: BLE001 - or no call would ever go out again
            log_bug(err)
            _fail(request, "an error of the server")

    async def _exchange(
        self, request: _Request, payload: Any
    ) -> CallResult | CallError:
        """Send a call and wait for what comes back. Raises TimeoutError."""
        answer = request.answer = asyncio.get_running_loop().create_future()
        request.unique_id, request.sent_at = str(uuid.uuid4()), self._clock()
        frame = [2, request.unique_id, request.action, to_json(payload)]
        # A line that takes no more frames is no excuse: the wait is for both.
        async with asyncio.timeout(CALL_TIMEOUT):
            await self._send(json.dumps(frame, separators=(",", ":")))
            return await answer

    def take(self, frame: CallResult | CallError) -> bool:
        """Take an answer; False: no call waits for it, and it is dropped."""
        request = self._awaited
        if request is None or request.answer is None or request.answer.done():
            return False  # a second answer is one too many
        about_ours = isinstance(frame, CallError) and frame.unique_id == "-1"
        if frame.unique_id != request.unique_id and not about_ours:
            return False
        if about_ours:
            self._on_bad_answer(f"CALLERROR -1: it could not read our {request.action}")
        self._on_answer(self._clock() - request.sent_at)
        request.answer.set_result(frame)
        return True


def _succeed(request: _Request, result: Any) -> None:
    """Hand a caller the answer, if it still waits."""
    if not request.result.done():
        request.result.set_result(result)


def _fail(request: _Request, reason: str, *, answered: bool = False) -> None:
    """Tell a caller that its call had no success, if it still waits."""
    if not request.result.done():
        request.result.set_exception(
            CallFailedError(request.action, reason, answered=answered)
        )
