"""The box in a network: it connects, boots, answers and hangs up."""

from __future__ import annotations

import asyncio
import base64
from typing import Any, Final
from urllib.parse import quote
import uuid

from websockets.asyncio.client import ClientConnection, connect as open_websocket
from websockets.typing import Subprotocol

from . import strict
from .bent import bend
from .connection import BoxWebSocket, Connection, HalfOpen
from .handlers import Handlers
from .provisioning import Provisioning
from .records import CallFailed, Payload
from .state import Registration
from .strict import Frame

_SUBPROTOCOL: Final = "ocpp2.0.1"


class Networked(Provisioning):
    """A wallbox that connects to a central system."""

    _handlers: Handlers | None = None
    """What answers on the live connection."""

    # --- Connecting ---

    @property
    def address(self) -> str:
        """URL with the charge point id, as the box asks for it."""
        safe = "" if self.quirks.percent_encoded_path else "*"
        return f"{self.url.rstrip('/')}/{quote(self.charge_point_id, safe=safe)}"

    async def connect(self, boot: bool = True, *, reason: str = "PowerUp") -> None:
        """Connect and say hello; raises what the handshake raises.

        With boot=False it is a reconnect of a box that was accepted before.
        """
        if self._connection:
            await self.disconnect()
        await asyncio.to_thread(strict.load_schemas)
        websocket = await self._open()
        if websocket.subprotocol != _SUBPROTOCOL:
            await websocket.close()
            self.blame(f"subprotocol {websocket.subprotocol!r} was picked")
            raise ConnectionError("the central system does not speak OCPP 2.0.1")
        connection = Connection(
            websocket=websocket,
            journal=self.journal,
            host=self,
            new_id=lambda: str(uuid.uuid4()),
            message_timeout_s=self._message_timeout_s,
            on_lost=self._lost,
        )
        self._connection = connection
        self._handlers = Handlers(self, connection)
        self._timers.since_start = 0.0
        self._timers.heartbeat = 0.0
        self._timers.hold = 0.0
        self._timers.away = None
        if boot or self.quirks.boots_on_connect:
            self.registration = None
            connection.boot_pending = True
            connection.start()
            await self._boot(connection, reason)
        else:
            self.registration = Registration.ACCEPTED
            connection.start()
            self._welcome()
        await self.flush()

    async def _open(self) -> ClientConnection:
        headers = {}
        if self.password is not None:
            secret = f"{self.charge_point_id}:{self.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(secret).decode()}"
        websocket = await open_websocket(
            self.address,
            ssl=self.ssl_context,
            subprotocols=[Subprotocol(_SUBPROTOCOL)],
            additional_headers=headers,
            # A proxy from the environment has no place between box and server.
            proxy=None,
            ping_interval=None,
            create_connection=BoxWebSocket,
            **self._where(),
        )
        if isinstance(websocket, BoxWebSocket):
            websocket.answer_pings_if(lambda: not self.quirks.no_pong)
        return websocket

    def _where(self) -> dict[str, Any]:
        where: dict[str, Any] = {}
        if self._host is not None:
            where["host"] = self._host
        if self._port is not None:
            where["port"] = self._port
        return where

    async def _boot(self, connection: Connection, reason: str) -> None:
        payload: Payload = {
            "reason": reason,
            "chargingStation": {
                "model": self.identity.model,
                "vendorName": self.identity.vendor,
                "serialNumber": self.identity.serial,
                "firmwareVersion": self.identity.firmware,
            },
        }
        bent = bend("BootNotification", payload, self.quirks.bent)
        try:
            answer = await connection.call("BootNotification", bent)
        except CallFailed:
            if bent == payload:
                raise
            # What it says of itself was refused; it goes on as if that were nothing.
            connection.boot_pending = False
            answer = {"status": "Accepted", "interval": 0}
        if self._connection is not connection:
            raise ConnectionError("the connection is gone")
        self._booted(answer)

    # --- Hanging up ---

    async def disconnect(self, abort: bool = False) -> None:
        """Close the connection; with abort vanish without a close frame."""
        if (connection := self._connection) is None:
            return
        self._go_offline()
        await connection.close(abort=abort)
        self.changed()

    async def _lost(self, connection: Connection) -> None:
        """Notice that the connection is gone."""
        if self._connection is connection:
            self._go_offline()
        await connection.close(abort=False)
        self.changed()

    def _go_offline(self) -> None:
        self._connection = None
        self._handlers = None
        self._afterwards.clear()
        for notice in self._notices:
            notice.cancel()
        self._notices.clear()
        if self._sender and self._sender is not asyncio.current_task():
            self._sender.cancel()
        self._sender = None
        self._drop_what_is_not_queued()
        self._timers.boot_retry = None

    async def open_half(self) -> HalfOpen:
        """Open a second connection of the same id, which stays silent for ever.

        Beside the working one or before it. Raises what the handshake raises.
        """
        return HalfOpen(websocket=await self._open())

    async def leave_half_open(self) -> HalfOpen:
        """Lose the connection without the central system learning of it.

        As where a router forgot it: the box is offline and may `connect` again.
        """
        if (connection := self._connection) is None:
            raise ConnectionError("not connected")
        self._go_offline()
        left = await connection.abandon()
        self.changed()
        return left

    async def _leave(self) -> None:
        self._reset_pending = False
        await self.flush()
        # First, because whoever waits for the disconnect may let time pass at once.
        self._timers.away = self.quirks.reboot_s
        await self.disconnect()

    # --- Calls of the central system ---

    async def answer(self, connection: Connection, call: Frame, raw: str) -> None:
        """Answer a call of the central system."""
        if self.quirks.unresponsive or call.action in self.quirks.unresponsive_actions:
            return
        if call.action in self.quirks.drop_on_actions:
            await self.disconnect(abort=True)
            return
        if self.quirks.answer_delay_s > 0:
            await self._sleep(self.quirks.answer_delay_s)
        self.journal.reply_count += 1
        lost = self.journal.reply_count in self.quirks.lost_answers
        if self._handlers is None or self._connection is not connection:
            return
        await self._handlers.answer(call, raw, lost=lost)
        self._notify_later()
        acts, self._afterwards = self._afterwards, []
        for act in acts:
            act()
        self._watch()
        if self._reset_pending:
            await self._leave()

    def _notify_later(self) -> None:
        """Report a charging limit some time after an answer, where it does that."""
        if (delay := self.quirks.notify_limit_after_answer_s) <= 0:
            return

        def notify() -> None:
            self._notices.discard(handle)
            limit = {"chargingLimitSource": "SO", "isGridCritical": False}
            self.send("NotifyChargingLimit", {"chargingLimit": limit})

        handle = asyncio.get_running_loop().call_later(delay, notify)
        self._notices.add(handle)
