"""What comes from a wallbox, frame by frame: checked, answered or dropped.

The `ocpp` library trusts the shape of a frame: one that is not JSON goes unanswered, an
action that is a list ends the connection, error details echo tokens. It also logs each
frame with its tokens, parses it anew and renames its keys one by one with regular
expressions, 50 ms for one of 240 kB. So its `ChargePoint` is not used at all; its
schemas, messages and payload classes are.

A frame is taken apart here, checked against the OCPP 2.0.1 schemas, and either admitted
or answered with the CALLERROR that OCPP-J (Part 4, section 4) names for its fault.
Nothing that a wallbox sent is repeated in an answer or in a log.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from hashlib import blake2b
import json
from typing import Final, Protocol

from ocpp.messages import Call, CallError, CallResult
from ocpp.v201.enums import Action

from . import json_text
from .payloads import to_snake
from .schemas import Schemas
from .trace import WHOLE, Entry, Trace

#: A message id is a string of at most 36 characters (Part 4, 4.1.4).
MAX_ID: Final = 36
_CALL, _CALL_RESULT, _CALL_ERROR = 2, 3, 4
_KNOWN_ACTIONS: Final = frozenset(action.value for action in Action)
#: What is longer is read in a thread, in characters: that takes 1 ms.
LARGE: Final = 8 * 1024
#: So many frames a second a wallbox may send for long, and so many at once: what it
#: replays after a night without a network is no flood. A large frame counts as many.
FRAMES_A_SECOND: Final = 50
FRAMES_AT_ONCE: Final = 2000
#: How many answers are kept for requests that come twice.
_REMEMBERED_ANSWERS: Final = 32
#: No answer to a call of ours is longer, in characters: what is says nothing.
_MAX_ANSWER: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame that is answered with a CALLERROR."""

    answer: str
    """The CALLERROR, ready to be sent."""
    reason: str
    """What was wrong, without anything that the wallbox sent but known names."""
    whole: Call | None = None
    """What is left of it without what was wrong, to be used all the same."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A frame that OCPP forbids to answer."""

    reason: str
    """What was wrong."""


type Verdict = Call | CallResult | CallError | Refused | Dropped


class Gate:
    """Admits frames of one wallbox."""

    def __init__(self, schemas: Schemas, supported: frozenset[str]) -> None:
        """Take the actions that are served; of the others only the names are known."""
        self._schemas = schemas
        self._supported = supported

    def admit(self, raw: str | bytes) -> Verdict:
        """Take a frame apart. Never raises, whatever it is."""
        return self.read(raw)[0]

    def read(self, raw: str | bytes) -> tuple[Verdict, object]:
        """Take a frame apart; return also all that it says, for `dismantle`."""
        if isinstance(raw, bytes):
            return _refuse("-1", "RpcFrameworkError", "not JSON: binary"), None
        try:
            frame, fault = json_text.parse(raw)
        except RecursionError:
            return _refuse("-1", "RpcFrameworkError", "nested too deeply"), None
        except ValueError as err:
            fault = f"not JSON: {type(err).__name__}"
            return _refuse("-1", "RpcFrameworkError", fault), None
        if not isinstance(frame, list) or not frame:
            return _refuse("-1", "RpcFrameworkError", "not an OCPP frame"), frame
        if fault is not None:
            return self._not_json(frame, fault), frame
        verdict = self._frame(frame)
        if isinstance(verdict, CallResult) and len(raw) > _MAX_ANSWER:
            verdict = CallResult(verdict.unique_id, None)
        return verdict, frame

    def _not_json(self, frame: list[object], fault: str) -> Refused:
        """Refuse what is JSON but for some numbers; what else it says may count."""
        verdict = self._frame(frame)
        refused = _refuse("-1", "RpcFrameworkError", f"not JSON: {fault}")
        if isinstance(verdict, Call):
            return replace(refused, whole=verdict)
        if isinstance(verdict, Refused):
            return replace(refused, whole=verdict.whole)
        return refused

    def _frame(self, frame: list[object]) -> Verdict:
        """Check a frame by its kind."""
        kind = frame[0] if type(frame[0]) is int else None
        unique_id = frame[1] if len(frame) > 1 else None
        if kind in (_CALL_RESULT, _CALL_ERROR):
            if not isinstance(unique_id, str):
                return Dropped("an answer without an id")
            return _answer(kind, unique_id, frame)
        if not isinstance(unique_id, str) or not 0 < len(unique_id) <= MAX_ID:
            return _refuse("-1", "RpcFrameworkError", "no readable message id")
        if kind != _CALL:
            return _refuse(unique_id, "MessageTypeNotSupported", "unknown message type")
        return self._call(unique_id, frame)

    def _call(self, unique_id: str, frame: list[object]) -> Call | Refused:
        """Check a CALL."""
        if len(frame) != 4 or not isinstance(frame[2], str):
            return _refuse(
                unique_id, "RpcFrameworkError", "a CALL is [2, id, action, payload]"
            )
        _, _, action, payload = frame
        if action not in self._supported:
            if action in _KNOWN_ACTIONS:
                return _refuse(
                    unique_id, "NotSupported", f"{action} is not served here"
                )
            return _refuse(unique_id, "NotImplemented", "no action of OCPP 2.0.1")
        if not isinstance(payload, dict):
            return _refuse(unique_id, "FormatViolation", f"{action}: not an object")
        message = f"{action}Request"
        fault = self._schemas.fault(message, payload)
        if fault is None:
            return Call(unique_id, action, payload)
        refused = _refuse(unique_id, fault.code, f"{action}, {fault}")
        if (whole := self._schemas.whole(message, payload)) is None:
            return refused
        return replace(refused, whole=Call(unique_id, action, whole))

    def check_result(
        self, action: str, payload: object
    ) -> tuple[dict[str, object] | None, str | None]:
        """Find what is whole in the answer to a call of ours, and what is not.

        The first is None where it is of no use, the second where nothing is wrong.
        """
        message = f"{action}Response"
        if not isinstance(payload, dict):
            return None, f"{message}: not an object"
        if (fault := self._schemas.fault(message, payload)) is None:
            return payload, None
        return self._schemas.whole(message, payload), f"{message}, {fault}"


def call_error(unique_id: str, code: str, description: str) -> str:
    """Write a CALLERROR: the description at most 255 characters, details empty."""
    return json.dumps(
        [_CALL_ERROR, unique_id, code, description[:255], {}], separators=(",", ":")
    )


def _refuse(unique_id: str, code: str, description: str) -> Refused:
    """Refuse a frame with a CALLERROR."""
    return Refused(call_error(unique_id, code, description), f"{code}: {description}")


def _answer(
    kind: int, unique_id: str, frame: list[object]
) -> CallResult | CallError | Dropped:
    """Read an answer to a call of ours. One is never answered itself."""
    if kind == _CALL_RESULT:
        if len(frame) != 3:
            return Dropped("a CALLRESULT is [3, id, payload]")
        return CallResult(unique_id, frame[2])
    texts = [part if isinstance(part, str) else "" for part in (*frame, "", "")[2:4]]
    return CallError(unique_id, texts[0] or "GenericError", texts[1][:255], {})


def _in_snake_case(call: Call) -> Call:
    """Copy a CALL with its keys in snake case."""
    return Call(call.unique_id, call.action, to_snake(call.payload))


class Socket(Protocol):
    """A WebSocket, as far as it is used here."""

    async def recv(self) -> str | bytes:
        """Return the next frame."""
        ...

    async def send(self, message: str) -> None:
        """Send a text frame."""


@dataclass(frozen=True, slots=True)
class Received:
    """A CALL of the wallbox."""

    call: Call
    """What it says, as far as it is whole, with keys in snake case."""
    refused: bool
    """Whether it was answered with a CALLERROR already; nothing else is due then."""
    large: bool
    """Whether it says much: looking at all of it takes a thread."""
    huge: bool
    """Whether it says so much that only one of its kind may be looked at at a time."""


class Budget:
    """How fast frames are taken: a bucket of tokens that time fills."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start with all that may come at once. `clock` is a steady one, in s."""
        self._clock = clock
        self._tokens = float(FRAMES_AT_ONCE)
        self._at = clock()

    def spend(self, tokens: float) -> float:
        """Take tokens; return how long to wait for those that are not there yet, in s.

        Who waits owes nothing afterwards, whatever the clock did meanwhile.
        """
        now = self._clock()
        filled = self._tokens + (now - self._at) * FRAMES_A_SECOND
        self._at = now
        self._tokens = max(min(filled, FRAMES_AT_ONCE) - tokens, -tokens)
        return max(0.0, -self._tokens / FRAMES_A_SECOND)


class Frames:
    """The frames of one connection; only what is to be handled comes out.

    What is wrong is answered or dropped in here, what was asked before is answered
    again, and who sends too much is slowed: its frames wait on the wire.
    """

    def __init__(
        self,
        socket: Socket,
        gate: Gate,
        *,
        clock: Callable[[], float],
        on_life: Callable[[], None],
        on_bad_frame: Callable[[str], None],
        trace: Trace,
        number: int,
    ) -> None:
        """Take the connection; `trace` gets all frames of it, with its number.

        `on_life` is told of each frame, whatever it is; `on_bad_frame` what was wrong
        with one. `clock` is a steady one, in s.
        """
        self._socket = socket
        self._gate = gate
        self._budget = Budget(clock)
        self._on_life = on_life
        self._on_bad_frame = on_bad_frame
        self._trace = trace
        self._number = number
        self._answers: OrderedDict[str, tuple[bytes, str]] = OrderedDict()
        """By message id: what was asked, and the answer."""
        self._asked = b""

    async def recv(self) -> Received | CallResult | CallError:
        """Return the next message that is to be handled. Raises ConnectionClosed."""
        while True:
            # Everybody else first: frames that wait already would never let go.
            await asyncio.sleep(0)
            raw = await self._socket.recv()
            self._on_life()
            entry = self._trace.received(self._number, raw)
            large, huge = len(raw) > LARGE, len(raw) > json_text.LARGE
            if wait := self._budget.spend(1 + len(raw) / LARGE):
                await asyncio.sleep(wait)
            if large:
                verdict, asked = await asyncio.to_thread(self.read, raw, entry)
            else:
                verdict, asked = self.read(raw)
            match verdict:
                case Dropped():
                    self._on_bad_frame(verdict.reason)
                case CallResult() | CallError():
                    return verdict
                case Call() if not await self._answer_again(verdict, asked):
                    self._asked = asked
                    return Received(verdict, refused=False, large=large, huge=huge)
                case Refused(whole=None):
                    self._on_bad_frame(verdict.reason)
                    await self.send(verdict.answer)
                case Refused(whole=Call() as whole) if not await self._answer_again(
                    whole, asked
                ):
                    self._on_bad_frame(verdict.reason)
                    self._asked = asked
                    await self._answer(whole, verdict.answer)
                    return Received(whole, refused=True, large=large, huge=huge)

    def read(
        self, raw: str | bytes, entry: Entry | None = None
    ) -> tuple[Verdict, bytes]:
        """Read a frame, and take the print of it. May run in a thread.

        The payload's keys are in snake case then. `entry`: of the trace, which keeps a
        part of a frame that is long.
        """
        text = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
        asked = blake2b(text, digest_size=16).digest()
        huge = len(raw) > json_text.LARGE
        with json_text.one_at_a_time() if huge else nullcontext():
            verdict, frame = self._gate.read(raw)
            if entry is not None and len(raw) > WHOLE:
                entry.shorten(frame)
            if isinstance(verdict, Call):
                verdict = _in_snake_case(verdict)
            elif isinstance(verdict, Refused) and verdict.whole is not None:
                verdict = replace(verdict, whole=_in_snake_case(verdict.whole))
            if huge and not isinstance(verdict, CallResult):
                json_text.dismantle(frame)
        return verdict, asked

    async def _answer_again(self, call: Call, asked: bytes) -> bool:
        """Answer a message that came before; False: none such did.

        But a Heartbeat asks for the time of now, whatever its id.
        """
        known = self._answers.get(call.unique_id)
        if known is None or known[0] != asked or call.action == Action.heartbeat:
            return False
        await self.send(known[1])
        return True

    async def answer(self, call: Call, payload: dict[str, object]) -> None:
        """Send the CALLRESULT for the message that came last."""
        frame = [_CALL_RESULT, call.unique_id, payload]
        await self._answer(call, json.dumps(frame, separators=(",", ":")))

    async def fail(self, call: Call) -> None:
        """Send the CALLERROR that a bug of ours is answered with."""
        text = "An error of the server"
        await self._answer(call, call_error(call.unique_id, "InternalError", text))

    async def _answer(self, call: Call, text: str) -> None:
        """Send an answer, and keep it for the same message."""
        self._answers[call.unique_id] = (self._asked, text)
        self._answers.move_to_end(call.unique_id)
        if len(self._answers) > _REMEMBERED_ANSWERS:
            self._answers.popitem(last=False)
        await self.send(text)

    async def send(self, text: str) -> None:
        """Send a frame. Raises ConnectionClosed."""
        self._trace.sent(self._number, text)
        await self._socket.send(text)
