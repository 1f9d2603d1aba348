"""When a wallbox is asked for a reading of the current, and by which message.

TriggerMessage(TransactionEvent) answers with SampledDataCtrlr.TxUpdatedMeasurands and
TriggerMessage(MeterValues) with AlignedDataCtrlr.Measurands (OCPP 2.0.1 F06). Stations
refuse one of them, or take it and tell no current.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
import math
from typing import Final

from ocpp.v201 import call, call_result
from ocpp.v201.datatypes import EVSEType
from ocpp.v201.enums import MessageTriggerEnumType

from .errors import CallFailedError
from .state import ChargingState, WallboxState

#: What may be asked for, the best first; the first only while a transaction runs.
TRIGGERS: Final = (
    MessageTriggerEnumType.transaction_event,
    MessageTriggerEnumType.meter_values,
)
#: A message that was asked for comes within this, in s.
PATIENCE_S: Final = 5.0
#: A reading is late after so many intervals; of a wallbox that sends none by itself, it
#: is asked for at each.
_PATIENCE: Final = 1.5
_PATIENCE_POLLED: Final = 0.5


@dataclass(frozen=True, slots=True)
class Heard:
    """What bears on the choice of a message."""

    transaction_id: str | None
    """The running transaction."""
    current_heard_at: float | None
    """When the current was last told, by the steady clock, in s."""
    now: float
    """This moment, by the steady clock, in s."""


def heard(state: WallboxState, now: float) -> Heard:
    """Return what is known of the current, at second `now` of the steady clock."""
    transaction_id = None if state.active is None else state.active.id
    return Heard(transaction_id, state.current_heard_at, now)


def reading_due(state: WallboxState, interval: int, now: float) -> bool:
    """Return whether a session runs and no reading came for an interval, in s.

    Where energy flows, a reading of something else than the current is none.
    """
    if state.active is None:
        return False
    heard_at = (
        state.current_heard_at
        if state.charging_state is ChargingState.CHARGING
        else state.meter_heard_at
    )
    patience = _PATIENCE_POLLED if state.lesson.polled else _PATIENCE
    return state.in_doubt or heard_at is None or now - heard_at >= interval * patience


class TriggerChoice:
    """Knows which messages told no current, on one connection."""

    def __init__(self) -> None:
        """Start with nothing known of the wallbox."""
        self._transaction_id: str | None = None
        self._refused: set[MessageTriggerEnumType] = set()
        self._fruitless: set[MessageTriggerEnumType] = set()
        self._asked_at: dict[MessageTriggerEnumType, float] = {}
        """When each was last asked for, until its message came."""
        self._promised_at: dict[MessageTriggerEnumType, float] = {}
        """When each was accepted, until it is known whether that was of use."""
        self._chosen_at = -math.inf
        """When one was last chosen."""

    def choose(self, heard: Heard) -> MessageTriggerEnumType | None:
        """Return what to ask for now; None: nothing that would be of use.

        One that did not tell the current is chosen only when the others did no better.
        """
        self._judge(heard)
        usable = [
            trigger
            for trigger in TRIGGERS[heard.transaction_id is None :]
            if trigger not in self._refused
        ]
        if self._fruitless.issuperset(usable):
            # Not at once: its coming is what lets us ask for the next.
            if heard.now - self._chosen_at < PATIENCE_S:
                return None
            self._fruitless.clear()
        for trigger in usable:
            if trigger not in self._fruitless:
                self._asked_at[trigger] = self._chosen_at = heard.now
                return trigger
        return None

    def answered(
        self, trigger: MessageTriggerEnumType, now: float, *, accepted: bool
    ) -> None:
        """Take the wallbox's answer. Accepted means only that a message will come."""
        if not accepted:
            self._refused.add(trigger)
        elif trigger in self._asked_at:  # else its message was faster
            self._promised_at[trigger] = now

    def came(self, trigger: MessageTriggerEnumType, heard: Heard) -> None:
        """Take note that a message has come because it was asked for."""
        self._promised_at.pop(trigger, None)
        asked_at = self._asked_at.pop(trigger, None)
        told_at = heard.current_heard_at
        if asked_at is not None and (told_at is None or told_at < asked_at):
            self._fruitless.add(trigger)

    def in_vain(self, trigger: MessageTriggerEnumType) -> bool:
        """Return whether a message did not tell the current when it came."""
        return trigger in self._fruitless

    def _judge(self, heard: Heard) -> None:
        """Look whether what was promised came, and told the current."""
        if heard.transaction_id != self._transaction_id:
            # One transaction is told of where another one was not.
            self._transaction_id = heard.transaction_id
            for known in (self._refused, self._fruitless, self._promised_at):
                known.clear()
        for trigger, promised_at in tuple(self._promised_at.items()):
            told_at = heard.current_heard_at
            asked_at = self._asked_at.get(trigger, promised_at)
            if told_at is not None and told_at >= asked_at:
                del self._promised_at[trigger]
            elif heard.now - promised_at >= PATIENCE_S:
                del self._promised_at[trigger]
                self._fruitless.add(trigger)


class ReadingRequests:
    """Asks for readings on one connection: the only place that does."""

    def __init__(
        self,
        look: Callable[[], Heard],
        request: Callable[[call.TriggerMessage], Awaitable[call_result.TriggerMessage]],
    ) -> None:
        """Take what tells how things stand, and what makes a call."""
        self._look = look
        self._request = request
        self._choice = TriggerChoice()

    def next_call(self) -> call.TriggerMessage | None:
        """Return the call that asks for a reading; None: there is none of use now.

        Its answer goes to `take`.
        """
        trigger = self._choice.choose(self._look())
        if trigger is None:
            return None
        return call.TriggerMessage(requested_message=trigger, evse=EVSEType(id=1))

    def take(
        self,
        asked: call.TriggerMessage,
        answer: call_result.TriggerMessage | CallFailedError,
    ) -> bool:
        """Take an answer, or the CallFailedError in its place.

        Return whether it was a refusal: then there may be another call.
        """
        lost = isinstance(answer, CallFailedError) and not answer.answered
        if lost:
            return False
        accepted = not isinstance(answer, CallFailedError) and (
            answer.status == "Accepted"
        )
        trigger = MessageTriggerEnumType(asked.requested_message)
        self._choice.answered(trigger, self._look().now, accepted=accepted)
        return not accepted

    def event_came(self) -> None:
        """Take note of a TransactionEvent that came because it was asked for."""
        self._choice.came(MessageTriggerEnumType.transaction_event, self._look())

    async def ask(self) -> None:
        """Request a reading, by the next message where one is refused or of no use.

        Raises CallFailedError where no answer comes.
        """
        tried: set[MessageTriggerEnumType] = set()
        while (payload := self.next_call()) is not None:
            trigger = MessageTriggerEnumType(payload.requested_message)
            if trigger in tried:
                return
            tried.add(trigger)
            answer: call_result.TriggerMessage | CallFailedError
            try:
                answer = await self._request(payload)
            except CallFailedError as err:
                if not err.answered:
                    raise
                answer = err
            if not self.take(payload, answer) and not self._choice.in_vain(trigger):
                return
