"""A wallbox's connection for scripts/bench: it takes every limit and knows nothing."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
import json
import time
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from demo.layout import CHARGE_POINT_ID, WALLBOX_PASSWORD, Layout


class Line:
    """A bare connection of a wallbox, that takes every limit and knows nothing."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self._answers: dict[str, asyncio.Future[None]] = {}
        self.calls: asyncio.Queue[list[Any]] = asyncio.Queue()
        """What it was asked, as long as it is to be silent."""
        self.silent = False

    async def listen(self) -> None:
        """Take what comes, until the connection ends."""
        try:
            async for text in self._socket:
                frame = json.loads(text)
                if frame[0] == 2:
                    if self.silent:
                        self.calls.put_nowait(frame)
                    else:
                        await self.answer(frame)
                elif (answer := self._answers.pop(frame[1], None)) is not None:
                    if frame[0] == 4:
                        answer.set_exception(RuntimeError(f"refused: {frame}"))
                    else:
                        answer.set_result(None)
        except ConnectionClosed:
            pass
        for answer in self._answers.values():
            answer.set_exception(RuntimeError("hung up on"))

    async def answer(self, call: Sequence[Any]) -> None:
        """Answer what it was asked."""
        if call[2] in ("SetChargingProfile", "ClearChargingProfile"):
            frame = [3, call[1], {"status": "Accepted"}]
        else:
            frame = [4, call[1], "NotSupported", "", {}]
        await self._socket.send(json.dumps(frame))

    async def send_raw(
        self, text: str, message_id: str = "raw"
    ) -> asyncio.Future[None]:
        """Send a frame and return what its answer ends."""
        answer = self._answers[message_id] = asyncio.get_running_loop().create_future()
        await self._socket.send(text)
        return answer

    async def send(self, action: str, payload: dict[str, Any]) -> asyncio.Future[None]:
        """Call and return what the answer ends."""
        self._number += 1
        message_id = str(self._number)
        return await self.send_raw(
            json.dumps([2, message_id, action, payload]), message_id
        )

    async def ping(self, count: int) -> None:
        """Send pings without a pause, and wait for the pong of the last."""
        pong = await self._socket.ping()
        # One by one the client would be what is slow.
        transport = self._socket.transport
        transport.write(bytes((0x89, 0x80, 0, 0, 0, 0)) * count)
        await pong
        await (await self._socket.ping())

    async def ask(self, action: str, payload: dict[str, Any]) -> float:
        """Call and wait for the answer and return the time that took, in s."""
        start = time.perf_counter()
        await (await self.send(action, payload))
        return time.perf_counter() - start


@asynccontextmanager
async def connected(layout: Layout, ocpp_port: int) -> AsyncIterator[Line]:
    """Connect as the wallbox."""
    secret = f"{CHARGE_POINT_ID}:{WALLBOX_PASSWORD}"
    login = base64.b64encode(secret.encode()).decode()
    async with connect(
        f"wss://localhost:{ocpp_port}/{CHARGE_POINT_ID}",
        ssl=layout.tls.client_context(),
        subprotocols=[Subprotocol("ocpp2.0.1")],
        additional_headers={"Authorization": f"Basic {login}"},
        proxy=None,
        max_queue=None,
        ping_interval=None,
        compression=None,
    ) as socket:
        line = Line(socket)
        listening = asyncio.create_task(line.listen())
        try:
            yield line
        finally:
            listening.cancel()
