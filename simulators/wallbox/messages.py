"""What the box sends: an outbox, emptied in the order of the events.

Every change of the box's state is synchronous and ends in messages in the outbox; one
task empties it while the box is connected. So the order of the messages is the order of
the events, online and after an outage alike.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from . import strict
from .bent import bend
from .connection import Connection
from .metering import sample
from .records import CallFailed, Message, Payload
from .state import WallboxState
from .strict import Kind

_QUEUE_LIMIT: Final = 500
"""Messages kept during an outage."""

_KEPT_OFFLINE: Final = frozenset(
    {"TransactionEvent", "StatusNotification", "SecurityEventNotification"}
)
"""What is worth telling after an outage."""

_ATTEMPTS: Final = 3
"""MessageAttempts of the inventory, for transaction messages."""


class Messages(WallboxState):
    """A wallbox that has something to say."""

    # --- The outbox ---

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
            Message(
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

    @property
    def has_queue(self) -> bool:
        """Whether transaction messages wait to be sent."""
        return any(each.action == "TransactionEvent" for each in self._outbox)

    def _drop_what_is_not_queued(self) -> None:
        """Empty the outbox at the beginning of an outage, but for what it keeps."""
        kept = [each for each in self._outbox if each.action in _KEPT_OFFLINE]
        self._outbox = deque(kept if self.quirks.replay_queue else [])

    async def flush(self) -> None:
        """Wait until the outbox is empty, or cannot be emptied now."""
        await self.wait_until(
            lambda: not self._outbox or not self.online or self._timers.hold > 0,
            timeout_s=None,
        )

    async def settle(self, rounds: int = 3) -> None:
        """Let the conversation come to rest, without a timer.

        A pong comes after everything that the central system sent before it.
        """
        for _ in range(rounds):
            await self.flush()
            if (connection := self._connection) is None or not self.connected:
                return
            await (await connection.websocket.ping())
            await self.wait_until(
                partial(self._at_rest, connection), timeout_s=self._message_timeout_s
            )
        await self.flush()

    @staticmethod
    def _at_rest(connection: Connection) -> bool:
        return connection.idle or connection.closed.is_set()

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

    async def _deliver(self, message: Message) -> None:
        if (connection := self._connection) is None:
            raise ConnectionError("the connection is gone")
        message.attempts += 1
        try:
            answer = await connection.call(
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

    def _sent(self, message: Message) -> None:
        if self._outbox and self._outbox[0] is message:
            self._outbox.popleft()

    # --- Frames by hand ---

    async def send_call(self, action: str, payload: Payload) -> Payload:
        """Send any CALL, unchecked, and return the payload of its answer.

        Raises CallFailed on a CALLERROR, TimeoutError, ConnectionError.
        """
        if self._connection is None:
            raise ConnectionError("not connected")
        return await self._connection.call(action, payload)

    async def send_raw(self, text: str | bytes) -> None:
        """Send any text, or bytes as a binary frame; `next_frame` has the answer."""
        if self._connection is None:
            raise ConnectionError("not connected")
        await self._connection.send_raw(text)

    async def next_frame(self, timeout_s: float = 5.0) -> str | bytes:
        """Wait for the next answer to a raw frame, CALLERROR "-1" included."""
        strays = self.journal.strays
        await self.wait_until(lambda: bool(strays), timeout_s=timeout_s)
        return strays.popleft()

    async def exchange(self, text: str | bytes, timeout_s: float = 5.0) -> str | bytes:
        """Send a raw frame and wait for the answer to it."""
        await self.send_raw(text)
        return await self.next_frame(timeout_s)

    # --- Messages of the box as a whole ---

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

    def send_meter_values(self) -> None:
        """Send MeterValues on demand."""
        measurands = self.model.members("AlignedDataCtrlr", "Measurands")
        if values := self._sample(measurands, "Trigger"):
            self.send("MeterValues", {"evseId": 1, "meterValue": values})

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
