"""Remote control: transactions and the connector."""

from __future__ import annotations

from typing import Any

from ocpp.v201 import call_result
from ocpp.v201.enums import Action

from ..profiles import Purpose, read_profile
from ..records import Payload
from .base import ACCEPTED, REJECTED, Handler, on, reply, status_info


class RemoteControlHandlers(Handler):
    """Answers what is asked of transactions and the connector."""

    @on(Action.get_transaction_status)
    def on_get_transaction_status(self, **_: Any) -> object:
        """Return whether a transaction runs and whether messages wait."""
        box = self.box
        wanted = self.request.payload.get("transactionId")
        running = box.transaction.id if box.transaction else None
        return reply(
            call_result.GetTransactionStatus,
            ongoing_indicator=None if wanted is None else wanted == running,
            messages_in_queue=box.has_queue,
        )

    @on(Action.request_start_transaction)
    def on_request_start_transaction(self, **_: Any) -> object:
        """Start a transaction, or authorize the one that waits for it."""
        request: Payload = self.request.payload
        box = self.box
        reason: str | None = None
        if box.finishing and box.quirks.start_rejected_after_stop:
            reason = "NotReady"
        elif request.get("evseId", 1) != 1:
            reason = "UnknownEvse"
        elif not box.operative or box.charger.faulted:
            reason = "NotEnabled"
        elif box.transaction and (
            box.transaction.authorized or not box.quirks.auth_enabled
        ):
            reason = "TxInProgress"
        profile = None
        if reason is None and "chargingProfile" in request:
            profile = read_profile(1, request["chargingProfile"])
            if profile.purpose is not Purpose.TX or profile.transaction_id:
                box.blame(
                    "RequestStartTransaction: its profile must be a TxProfile "
                    "without transactionId"
                )
                reason = "InvalidProfile"
        if reason:
            return reply(
                call_result.RequestStartTransaction,
                status=REJECTED,
                status_info=status_info(reason),
            )
        waiting = box.transaction
        box.afterwards(
            lambda: box.start_remotely(
                request["idToken"], request["remoteStartId"], profile
            )
        )
        return reply(
            call_result.RequestStartTransaction,
            status=ACCEPTED,
            transaction_id=waiting.id if waiting else None,
        )

    @on(Action.request_stop_transaction)
    def on_request_stop_transaction(self, **_: Any) -> object:
        """End the running transaction; the cable stays in."""
        box = self.box
        wanted = self.request.payload["transactionId"]
        if box.transaction is None or box.transaction.id != wanted:
            return reply(
                call_result.RequestStopTransaction,
                status=REJECTED,
                status_info=status_info("TxNotFound"),
            )
        box.afterwards(box.stop_remotely)
        return reply(call_result.RequestStopTransaction, status=ACCEPTED)

    @on(Action.unlock_connector)
    def on_unlock_connector(self, **_: Any) -> object:
        """Let go of the plug, unless a transaction runs."""
        request: Payload = self.request.payload
        if (request["evseId"], request["connectorId"]) != (1, 1):
            return reply(call_result.UnlockConnector, status="UnknownConnector")
        if self.box.transaction:
            return reply(
                call_result.UnlockConnector, status="OngoingAuthorizedTransaction"
            )
        return reply(call_result.UnlockConnector, status="Unlocked")
