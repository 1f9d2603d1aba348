"""A wallbox that says what one said in a trace, and answers as that one answered."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
import contextlib
from datetime import datetime
import json
from math import inf
import re
import ssl
from typing import Any, Final
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect as open_websocket
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from .clock import utc_now
from .records import Payload
from .strict import Kind
from .trace import Asked, Said, Trace, Wanted, moved

_AT_ONCE_S: Final = 0.5
"""An answer that took less is given at once, s."""
_USED_S: Final = 5.0
"""An answer that was given already is taken again where the next is this far, s."""
_OTHER_S: Final = 30.0
"""One that was given before or after another change counts as this far off, s."""
_CHANGES: Final = frozenset(
    {
        "ChangeAvailability",
        "ClearChargingProfile",
        "RequestStartTransaction",
        "RequestStopTransaction",
        "Reset",
        "SetChargingProfile",
    }
)
"""Calls after which others are answered otherwise."""
_PATIENCE: Final = 100
"""How many round trips it waits for an answer that came in the trace."""
_FROM_CALLS: Final = frozenset({"requestId", "remoteStartId", "idToken"})
"""What the central system makes up, and the wallbox repeats."""
_A_TIME: Final = re.compile(r"@[+-]\d|\d{4}-\d\d-\d\dT", re.ASCII)
_LISTS: Final = {
    "GetVariables": ("getVariableData", "getVariableResult"),
    "SetVariables": ("setVariableData", "setVariableResult"),
}
"""Calls that ask for many things at once, each with a result of its own."""


class ReplayedWallbox:
    """Plays a trace; `pass_time` moves it on, and `run` does so in real time."""

    def __init__(
        self,
        trace: Trace,
        *,
        url: str,
        charge_point_id: str,
        ssl_context: ssl.SSLContext | None,
        password: str | None = None,
        clock: Callable[[], datetime] = utc_now,
        host: str | None = None,
    ) -> None:
        """Take the trace; `clock` tells what Home Assistant takes for the present."""
        self.trace = trace
        self.position = 0.0
        """How much of the trace has passed, s."""
        self.spoken = 0
        """How many frames were said so far, by both."""
        self.unknown_calls: list[tuple[str, Payload]] = []
        """Calls that were never made in the trace, which it cannot answer."""
        self.owner: Callable[[Wanted], Awaitable[None]] = _idle
        """Does what its owner did; by default nobody does."""
        self._address = f"{url.rstrip('/')}/{quote(charge_point_id, safe='*')}"
        self._ssl = ssl_context
        self._credentials = None
        if password is not None:
            secret = f"{charge_point_id}:{password}".encode()
            self._credentials = base64.b64encode(secret).decode()
        self._host = host
        self._clock = clock
        self._begin: datetime | None = None
        self._open: dict[int, ClientConnection] = {}
        self._readers: set[asyncio.Task[None]] = set()
        self._next = 0
        self._later: list[tuple[float, int, str]] = []
        """At which moment of the trace what is to be said on which connection."""
        self._used: set[int] = set()
        self._changed = 0
        """How many calls that change something were made in the trace until now."""
        self._same: dict[tuple[str, object], object] = {}
        """What stands in the trace for what the central system has made up now."""
        self._answered: set[str] = set()

    # --- How far it is ---

    @property
    def over(self) -> bool:
        """Whether all was said."""
        return self._next == len(self.trace.said) and not self._later

    @property
    def connected(self) -> bool:
        """Whether any connection is open."""
        return bool(self._open)

    @property
    def next_in_s(self) -> float:
        """How much time passes until something happens by itself, s."""
        moments = [at for at, _, _ in self._later]
        if self._next < len(self.trace.said):
            moments.append(self.trace.said[self._next].at)
        return min(moments, default=inf) - self.position

    async def ping(self) -> None:
        """Wait until the central system has read all, and what it said was read."""
        for connection in list(self._open.values()):
            with contextlib.suppress(ConnectionClosed):
                await (await connection.ping())

    async def settle(self) -> None:
        """Wait until nothing more is said, by either."""
        before = -1
        while before != self.spoken:
            before = self.spoken
            await self.ping()

    # --- Time ---

    async def pass_time(self, seconds: float) -> None:
        """Let so much time pass, and do what is due. Raises what a handshake raises."""
        if self._begin is None:
            self._begin = self._clock()
        self.position += seconds
        await self._do_what_is_due()

    async def run(self, *, step_s: float = 0.1) -> None:
        """Go on in real time, and stay connected until cancelled."""
        try:
            await self.pass_time(0)
            while True:
                await asyncio.sleep(step_s)
                await self.pass_time(step_s)
        finally:
            await self.close()

    async def close(self) -> None:
        """Hang up."""
        for number in list(self._open):
            await self._hang_up(number)

    async def _do_what_is_due(self) -> None:
        """Do what the wallbox had done by now."""
        while (
            self._next < len(self.trace.said)
            and self.trace.said[self._next].at <= self.position + 1e-6
        ):
            one = self.trace.said[self._next]
            self._next += 1
            await self._say_late(one.at)
            await self._do(one)
        await self._say_late(self.position)

    async def _say_late(self, until: float) -> None:
        """Say what was put off until a moment of the trace."""
        due = [each for each in self._later if each[0] <= until + 1e-6]
        self._later = [each for each in self._later if each not in due]
        for _, number, text in sorted(due, key=lambda each: each[0]):
            await self._send(number, text)

    async def _do(self, one: Said) -> None:
        """Do again what the wallbox did, or its owner."""
        if one.wanted is not None:
            await self.owner(one.wanted)
        elif one.opens:
            await self._connect(one.connection)
        elif one.closes:
            await self._hang_up(one.connection)
        elif one.frame is None:
            await self._send(one.connection, "?" * one.length)
        else:
            await self._have_answers(one)
            await self._send(one.connection, self._text(one.frame))

    async def _have_answers(self, one: Said) -> None:
        """Wait until its calls are answered that were answered then.

        Not for ever: the central system may have learned to leave one unanswered. By
        round trips, for time may stand still.
        """
        for _ in range(_PATIENCE):
            if one.connection not in self._open or self._answered.issuperset(one.after):
                return
            await self.ping()

    # --- Connections ---

    async def _connect(self, number: int) -> None:
        """Connect once more."""
        headers = {}
        if self._credentials is not None:
            headers["Authorization"] = f"Basic {self._credentials}"
        where: dict[str, Any] = {} if self._host is None else {"host": self._host}
        websocket = await open_websocket(
            self._address,
            ssl=self._ssl,
            subprotocols=[Subprotocol("ocpp2.0.1")],
            additional_headers=headers,
            proxy=None,
            ping_interval=None,
            **where,
        )
        self._open[number] = websocket
        reader = asyncio.create_task(self._read(number, websocket))
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)

    async def _hang_up(self, number: int) -> None:
        """End a connection."""
        if (websocket := self._open.pop(number, None)) is not None:
            await websocket.close()

    async def _read(self, number: int, websocket: ClientConnection) -> None:
        """Take what the central system says."""
        with contextlib.suppress(ConnectionClosed):
            async for raw in websocket:
                self.spoken += 1
                frame = json.loads(raw)
                if frame[0] == Kind.CALL:
                    await self._answer(number, frame)
                else:
                    self._answered.add(frame[1])
        if self._open.get(number) is websocket:
            del self._open[number]

    async def _send(self, number: int, text: str) -> None:
        """Say something, where that connection is still there."""
        if (websocket := self._open.get(number)) is not None:
            self.spoken += 1
            with contextlib.suppress(ConnectionClosed):
                await websocket.send(text)

    # --- Calls of the central system ---

    async def _answer(self, number: int, call: list[Any]) -> None:
        """Answer a call as it was answered in the trace."""
        _, message_id, action, payload = call
        asked = self._find(action, payload)
        if asked is None:
            self.unknown_calls.append((action, payload))
            await self._send(number, _dump(_refusal(message_id, action)))
            return
        self._learn(asked.payload, payload)
        if asked.answer is None:
            return
        answer = [asked.answer[0], message_id, *asked.answer[2:]]
        if answer[0] == Kind.RESULT and action in _LISTS:
            answer[2] = self._results(action, payload, answer[2])
        await self._say_at(self.position, asked.took_s, number, self._text(answer))
        for report in asked.reports:
            if report.frame is not None:
                late = report.at - asked.at
                text = self._text(report.frame)
                await self._say_at(self.position, late, number, text)

    async def _say_at(
        self, position: float, late_s: float, number: int, text: str
    ) -> None:
        """Say something so much later, by the trace's time."""
        if late_s < _AT_ONCE_S:
            await self._send(number, text)
        else:
            self._later.append((position + late_s, number, text))

    def _find(self, action: str, payload: Payload) -> Asked | None:
        """Find the call of the trace that is most like this one.

        Of those that are alike: the one that was made at about this time and after the
        same changes, and each once before any is taken again.
        """
        wanted = _parts(payload)
        found: tuple[float, float, int] | None = None
        for index, asked in enumerate(self.trace.asked):
            if asked.action != action:
                continue
            known = _parts(asked.payload)
            unlike = 1 - len(wanted & known) / max(len(wanted | known), 1)
            far = abs(asked.at - self.position) + _USED_S * (index in self._used)
            if action not in _CHANGES:
                far += _OTHER_S * abs(self._changes_before(index) - self._changed)
            if found is None or (unlike, far) < found[:2]:
                found = (unlike, far, index)
        if found is None:
            return None
        index = found[2]
        self._used.add(index)
        if action in _CHANGES:
            self._changed = self._changes_before(index) + 1
        return self.trace.asked[index]

    def _changes_before(self, index: int) -> int:
        """Return how many calls before this one changed something."""
        return sum(asked.action in _CHANGES for asked in self.trace.asked[:index])

    def _learn(self, known: object, now: object) -> None:
        """Take note of what the central system calls now what it called otherwise."""
        if isinstance(known, dict) and isinstance(now, dict):
            for key in known.keys() & now.keys():
                if key in _FROM_CALLS and not isinstance(known[key], dict):
                    self._same[key, known[key]] = now[key]
                else:
                    self._learn(known[key], now[key])

    def _results(self, action: str, payload: Payload, answer: Payload) -> Payload:
        """Put together the results for what is asked for, in its order.

        They may have been asked for otherwise, when the trace was made.
        """
        asks, answers = _LISTS[action]
        results = [*answer[answers]]
        for asked in self.trace.asked:
            if asked.action == action and asked.answer is not None:
                body = asked.answer[2]
                results += body.get(answers, ()) if isinstance(body, dict) else ()
        found: list[Payload] = []
        for each in payload[asks]:
            about = {"component": each["component"], "variable": each["variable"]}
            status = {"attributeStatus": "UnknownVariable"}
            result = next(
                (one for one in results if about.items() <= one.items()), about | status
            )
            found.append(result)
        return {answers: found}

    # --- What is said now ---

    def _text(self, frame: list[Any]) -> str:
        """Write a frame of the trace as one of now."""
        return _dump(self._now(frame, ""))

    def _now(self, value: Any, key: str) -> Any:
        """Return a part of a frame with the times and ids of now."""
        if isinstance(value, dict):
            return {name: self._now(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self._now(item, key) for item in value]
        if key in _FROM_CALLS:
            return self._same.get((key, value), value)
        if isinstance(value, str) and self._begin is not None:
            return moved(value, self._begin)
        return value


async def _idle(_: Wanted) -> None:
    """Do nothing."""


def _parts(payload: object, path: str = "") -> set[tuple[str, object]]:
    """Return what a call says, without times and what is made up for each."""
    if isinstance(payload, dict):
        return {
            part
            for key, item in payload.items()
            if key not in _FROM_CALLS or isinstance(item, dict)
            for part in _parts(item, f"{path}.{key}")
        }
    if isinstance(payload, list):
        return {
            part
            for index, item in enumerate(payload)
            for part in _parts(item, f"{path}.{index}")
        }
    if isinstance(payload, str) and _A_TIME.match(payload) is not None:
        return {(path, "")}
    return {(path, payload)}


def _refusal(message_id: str, action: str) -> list[Any]:
    """Return the answer to a call that was never made in the trace."""
    if action == "TriggerMessage":
        return [int(Kind.RESULT), message_id, {"status": "Rejected"}]
    return [int(Kind.ERROR), message_id, "NotImplemented", "", {}]


def _dump(frame: object) -> str:
    """Write a frame."""
    return json.dumps(frame, separators=(",", ":"))
