"""Our calls to a wallbox: one at a time, each waiting its full 30 s.

A Delta box answers late, and giving up before it does leaves it busy when the next call
comes. The `ocpp` library's own `call` waits for its turn outside its timeout and knows
no CALLERROR "-1"; here is one queue with one worker, and what is sent is chosen when
its turn has come.
"""

from abc import ABC, abstractmethod
import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
import json
from typing import Final, Protocol, override
import uuid

from ocpp.messages import CallError, CallResult
from ocpp.v201 import call
from websockets.exceptions import ConnectionClosed

from .check_log import Exchange
from .errors import CallFailedError, log_bug
from .frames import Gate
from .meter_polling import ReadingRequests
from .payloads import to_json, to_snake
from .remote_requests import RemoteStart
from .vocabulary import ERROR_CODES

#: MessageTimeout of a Delta box. Giving up earlier would orphan its answer, in s.
CALL_TIMEOUT: Final = 30
#: What a call failed of where no answer came.
_NO_ANSWER: Final = "no answer within 30 s"
#: What a call failed of where nobody is there to answer.
_CONNECTION_LOST: Final = "the connection was lost"
_NO_CALL: Final = "there was nothing to ask"
_UNKNOWN_CODE: Final = "an error code that OCPP 2.0.1 does not know"


class Caller(Protocol):
    """Who makes calls to a wallbox."""

    @property
    def closed(self) -> bool:
        """Whether no call can be made any more."""
        ...

    async def request[A](self, payload: object, answer: Callable[..., A]) -> A:
        """Make a call and return its answer.

        `payload`: one of `ocpp.v201.call`. `answer`: the one of the same name of
        `ocpp.v201.call_result`.

        The call waits for those before it. Once it is on the wire it stays there, even
        where the caller gives up. Raises CallFailedError.
        """
        ...

    async def request_late[A](
        self, choose: Callable[[], object | None], answer: Callable[..., A]
    ) -> A | None:
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


class Request(ABC):
    """A call that waits for its turn or its answer."""

    def __init__(self) -> None:
        """Start with a call that is not on the wire."""
        self.action = ""
        """What is called, once that is chosen."""
        self.unique_id = ""
        """Its message id on the wire; empty: it is not there."""
        self.sent_at = 0.0
        """When it went on the wire, by the steady clock, in s."""
        self.answer: asyncio.Future[CallResult | CallError] | None = None
        """Gets what comes back."""

    @abstractmethod
    def choose(self) -> object | None:
        """Return one of `ocpp.v201.call`, now that it can be sent; None: none."""

    @abstractmethod
    def succeed(self, payload: Mapping[str, object]) -> None:
        """Take the payload of the answer."""

    @abstractmethod
    def fail(self, reason: str, *, answered: bool = False) -> None:
        """Take why the call had no success, and whether the wallbox itself said so."""

    def skip(self) -> None:
        """Take note that there was no call after all: only some can do without."""
        self.fail(_NO_CALL)

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return False

    async def hand_over(self) -> None:
        """Let whoever had the answer go first with what follows from it."""
        await asyncio.sleep(0)


class Turn[A](Request):
    """A call of the control loop, which decides on it when its turn has come."""

    def __init__(
        self,
        payload: object,
        answer: Callable[..., A],
        take: Callable[[A | CallFailedError], None],
    ) -> None:
        """Take the call and its kind of answer, see `Caller.request`.

        `take` gets the answer, or why there is none. Where the connection ends first,
        the loop hears of that by itself.
        """
        super().__init__()
        self._payload = payload
        self._answer_type = answer
        self._take = take
        self._outcome: A | CallFailedError | None = None

    @override
    def choose(self) -> object:
        return self._payload

    @override
    def succeed(self, payload: Mapping[str, object]) -> None:
        if self._outcome is None:
            self._outcome = self._answer_type(**payload)

    @override
    def fail(self, reason: str, *, answered: bool = False) -> None:
        if self._outcome is None:
            self._outcome = CallFailedError(self.action, reason, answered=answered)

    @override
    async def hand_over(self) -> None:
        if self._outcome is not None:
            self._take(self._outcome)


class _Awaited[A](Request):
    """A call of a coroutine that waits for its answer."""

    def __init__(self, payload: object, answer: Callable[..., A]) -> None:
        """Take the call and its kind of answer, see `Caller.request`."""
        super().__init__()
        self._payload = payload
        self._answer_type = answer
        self.action = type(payload).__name__
        self.result: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        """Gets the answer."""

    @override
    def choose(self) -> object | None:
        return self._payload

    @override
    def succeed(self, payload: Mapping[str, object]) -> None:
        if not self.result.done():
            self.result.set_result(self._answer_type(**payload))

    @override
    def fail(self, reason: str, *, answered: bool = False) -> None:
        if not self.result.done():
            self.result.set_exception(
                CallFailedError(self.action, reason, answered=answered)
            )

    @property
    @override
    def given_up(self) -> bool:
        return self.result.done()


class _Late[A](_Awaited[A | None]):
    """A call that is chosen only when its turn has come."""

    def __init__(
        self, choose: Callable[[], object | None], answer: Callable[..., A]
    ) -> None:
        """Take what returns the call, and its kind of answer."""
        super().__init__(None, answer)
        self._choose = choose
        self.action = ""

    @override
    def choose(self) -> object | None:
        return self._choose()

    @override
    def skip(self) -> None:
        if not self.result.done():
            self.result.set_result(None)


class Calls:
    """Makes the calls of one connection."""

    def __init__(
        self,
        send: Callable[[str], Awaitable[None]],
        gate: Gate,
        *,
        first: Callable[[], Request | None],
        clock: Callable[[], float],
        on_answer: Callable[[float | None], None],
        on_bad_answer: Callable[[str], None],
        on_exchange: Callable[[Exchange], None],
    ) -> None:
        """Take how frames are sent, and what knows how answers look.

        `first` is the control loop: it is asked each time before those that wait, so
        nothing but the call on the wire lies between a target and its frame.
        `on_answer` is told how long the answer to a call took, in s; None: it did not
        come. `on_bad_answer` is told what is wrong with one. `on_exchange` is told of
        each call that is over. `clock` is a steady one.
        """
        self._send = send
        self._gate = gate
        self._first = first
        self._clock = clock
        self._on_answer = on_answer
        self._on_bad_answer = on_bad_answer
        self._on_exchange = on_exchange
        self._waiting: deque[Request] = deque()
        self._awaited: Request | None = None
        self._asked = asyncio.Event()
        self._closed: str | None = None
        self.told_to_reboot = False
        """Whether the wallbox goes because it was told to."""

    @property
    def idle(self) -> bool:
        """Whether nothing is on the wire, and nothing waits."""
        return self._awaited is None and not self._waiting

    async def request[A](self, payload: object, answer: Callable[..., A]) -> A:
        """Make a call after those that wait; see `Caller`."""
        request = _Awaited(payload, answer)
        self._waiting.append(self._asks(request))
        return await request.result

    async def request_late[A](
        self, choose: Callable[[], object | None], answer: Callable[..., A]
    ) -> A | None:
        """Make a call before those that wait; see `Caller`."""
        request = _Late(choose, answer)
        self._waiting.appendleft(self._asks(request))
        return await request.result

    def _asks(self, request: Request) -> Request:
        """Ask for a call, where there is still a connection."""
        if self._closed is not None:
            raise CallFailedError(request.action, _CONNECTION_LOST)
        self._asked.set()
        return request

    def close(self, reason: str) -> None:
        """Fail all calls: no answer will come."""
        if self._closed is not None:
            return
        self._closed = reason
        if self._awaited is not None:
            self._awaited.fail(reason)
        while self._waiting:
            self._waiting.popleft().fail(reason)

    def wake(self) -> None:
        """Look whether the control loop has something to ask."""
        self._asked.set()

    async def run(self) -> None:
        """Make the calls, until cancelled."""
        while True:
            self._asked.clear()
            if (request := self._first()) is None:
                if not self._waiting:
                    await self._asked.wait()
                    continue
                request = self._waiting.popleft()
            if request.given_up:
                continue  # before it was sent
            self._awaited = request
            try:
                await self._make(request)
            finally:
                self._awaited = None
            await request.hand_over()

    async def _make(self, request: Request) -> None:
        """Make one call, and hand its answer to who waits for it."""
        payload: object = None
        try:
            payload = request.choose()
            if payload is None:
                request.skip()
                return
            request.action = type(payload).__name__
            answer = await self._exchange(request, payload)
            if isinstance(answer, CallError):
                # Not its description: that may repeat what we sent, tokens included.
                code = answer.error_code
                known = code if code in ERROR_CODES else _UNKNOWN_CODE
                self._tell(request, payload, error=known)
                request.fail(known, answered=True)
                return
            whole, fault = self._gate.check_result(request.action, answer.payload)
            if fault is not None:
                self._on_bad_answer(fault)
            if whole is None:
                self._tell(request, payload, error="FormatViolation")
                request.fail("FormatViolation", answered=True)
                return
            if isinstance(payload, call.Reset):
                self.told_to_reboot = whole["status"] != "Rejected"
            taken = to_snake(whole)
            self._tell(request, payload, answer=taken)
            request.succeed(taken)
        except TimeoutError:
            self._on_answer(None)
            self._tell(request, payload)
            request.fail(_NO_ANSWER)
        except ConnectionClosed:
            request.fail(_CONNECTION_LOST)
            # No call after it would fare better, and none of them would ever wait.
            raise
        except Exception as err:  # noqa: BLE001 - or no call would ever go out again
            log_bug(err)
            request.fail("an error of the server")

    def _tell(
        self,
        request: Request,
        payload: object,
        *,
        answer: Mapping[str, object] | None = None,
        error: str | None = None,
    ) -> None:
        """Tell of a call that is over, and what came of it."""
        now = self._clock()
        took = now - request.sent_at
        self._on_exchange(
            Exchange(at=now, took=took, request=payload, answer=answer, error=error)
        )

    async def _exchange(
        self, request: Request, payload: object
    ) -> CallResult | CallError:
        """Send a call and wait for what comes back. Raises TimeoutError."""
        answer: asyncio.Future[CallResult | CallError]
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
