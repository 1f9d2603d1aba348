"""A client of Home Assistant, as the browser is one: it logs in, then it asks."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import aiohttp

from .layout import PASSWORD, USER

_LIMIT: Final = aiohttp.ClientTimeout(total=30)


class NotReadyError(Exception):
    """Home Assistant does not answer yet."""


class RefusedError(Exception):
    """Home Assistant refuses what it was asked."""


class Client:
    """A logged-in client; one question at a time."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        session: aiohttp.ClientSession,
        url: str,
        token: str,
    ) -> None:
        """Take a websocket that is logged in, and what else it needs for that."""
        self._socket = socket
        self._session = session
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._last_id = 0
        self._events: deque[dict[str, Any]] = deque()

    async def ask(self, command: str, **fields: Any) -> Any:
        """Send a command of the websocket API and return its result."""
        self._last_id += 1
        await self._socket.send_json({"id": self._last_id, "type": command, **fields})
        while True:
            answer = await self._socket.receive_json(timeout=_LIMIT.total)
            if answer["type"] != "event":
                break
            self._events.append(answer["event"])
        if not answer["success"]:
            raise RefusedError(f"{command}: {answer['error']['message']}")
        return answer["result"]

    async def get(self, path: str) -> Any:
        """Ask the REST API."""
        return await self._request("GET", path)

    async def post(self, path: str, body: Any) -> Any:
        """Post to the REST API and return its answer."""
        return await self._request("POST", path, json=body)

    async def _request(self, method: str, path: str, **arguments: Any) -> Any:
        async with self._session.request(
            method, f"{self._url}{path}", headers=self._headers, **arguments
        ) as response:
            if not response.ok:
                text = await response.text()
                raise RefusedError(f"{path}: {response.status} {text}")
            return await response.json()

    async def next_event(self) -> dict[str, Any]:
        """Wait for the next event of what was subscribed to."""
        if not self._events:
            answer = await self._socket.receive_json()
            self._events.append(answer["event"])
        return self._events.popleft()


@asynccontextmanager
async def log_in(url: str) -> AsyncIterator[Client]:
    """Log in with the login that the demo tells, and out again.

    Raises NotReadyError, and RefusedError if the login is wrong.
    """
    async with aiohttp.ClientSession(timeout=_LIMIT) as session:
        try:
            tokens = await get_tokens(session, url)
            socket = await session.ws_connect(f"{url}/api/websocket")
        except (aiohttp.ClientError, TimeoutError) as err:
            raise NotReadyError(str(err)) from err
        try:
            await socket.receive_json()
            await socket.send_json(
                {"type": "auth", "access_token": tokens["access_token"]}
            )
            answer = await socket.receive_json()
            if answer["type"] != "auth_ok":
                raise RefusedError(f"the websocket says {answer['type']}")
            yield Client(socket, session, url, tokens["access_token"])
        finally:
            await socket.close()
            revoked = {"token": tokens["refresh_token"]}
            # If it is going down: the token ends by itself some day.
            with suppress(aiohttp.ClientError, TimeoutError):
                await session.post(f"{url}/auth/revoke", data=revoked)


async def get_tokens(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """Log in as the login page does and return what the page would keep.

    Raises aiohttp's errors, and RefusedError if the login is wrong.
    """
    client_id = f"{url}/"

    async def post(path: str, **arguments: Any) -> dict[str, Any]:
        async with session.post(f"{url}{path}", **arguments) as response:
            response.raise_for_status()
            answer: dict[str, Any] = await response.json()
            return answer

    flow = await post(
        "/auth/login_flow",
        json={
            "client_id": client_id,
            "handler": ["homeassistant", None],
            "redirect_uri": client_id,
        },
    )
    step = await post(
        f"/auth/login_flow/{flow['flow_id']}",
        json={"client_id": client_id, "username": USER, "password": PASSWORD},
    )
    if step["type"] != "create_entry":
        raise RefusedError(f"the login {USER} with password {PASSWORD} does not work")
    return await post(
        "/auth/token",
        data={
            "client_id": client_id,
            "code": step["result"],
            "grant_type": "authorization_code",
        },
    )
