"""What all handlers stand on: a call of the central system, and its answer.

`ocpp.v201.ChargePoint` finds the handler of a call. The handlers read the payload as it
came on the wire, in camelCase.
"""

from __future__ import annotations

from collections.abc import Callable
import json
import logging
from typing import Any, Final

from ocpp import routing
from ocpp.v201 import ChargePoint
from ocpp.v201.enums import Action

from ..connection import Connection
from ..provisioning import Provisioning
from ..records import Payload
from ..strict import Frame, Kind, payload_faults

_LOGGER = logging.getLogger(__name__)

ACCEPTED: Final = "Accepted"
REJECTED: Final = "Rejected"


def on[F: Callable[..., object]](action: Action) -> Callable[[F], F]:
    """Register a handler.

    Payloads are checked here, by the strict reader, which is also far quicker.
    """
    return routing.on(action, skip_schema_validation=True)


def reply(make: Callable[..., object], **fields: Any) -> object:
    """Make an answer; it is checked against its schema before it goes."""
    return make(**fields)


def status_info(code: str) -> Payload:
    """Return the statusInfo of a refusal."""
    return {"reasonCode": code}


class Handler(ChargePoint):
    """Answers the calls that come over one connection, one after the other."""

    def __init__(self, box: Provisioning, connection: Connection) -> None:
        """Answer for a box over a connection."""
        super().__init__(box.charge_point_id, None, logger=_LOGGER)
        self.box = box
        self.connection = connection
        self.request = Frame(kind=Kind.CALL, message_id="", payload={})
        self._lost = False

    async def _send(self, message: str) -> None:
        """Send what the library made of the answer."""
        kind, _, *rest = json.loads(message)
        error: str | None = rest[0] if kind == Kind.ERROR else None
        payload: Payload = {} if error else rest[0]
        if error:
            # The request was good, so the answer that was made of it was not.
            self.box.blame(f"simulator: {self.request.action} failed: {rest}")
        else:
            for fault in payload_faults(Kind.RESULT, self.request.action, payload):
                self.box.blame(f"simulator: {fault}")
        if not self._lost:
            await self.connection.reply(
                self.request, message, error=error, payload=payload
            )
