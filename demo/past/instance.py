"""The demo's Home Assistant with its clock set back, until it has caught up.

Started by demo.process, which says step by step how much time passes: so the
wallbox, which lives there, and Home Assistant agree on what time it is. At the present
its clock goes on by itself, and it is the demo as it always was.
"""

import argparse
import asyncio
import json
import socket
import sys
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from aiohttp import web

from demo.clock import SteppedClock
from demo.layout import DOMAIN

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant

_DAY_S: Final = 86_400.0
_CATCH_UP_S: Final = 3600.0
"""After so long the recorder gets the time to write what is in its line."""
_TURNS: Final = 4
"""For what is due after a step, and what follows from it."""
_MOST_TURNS: Final = 4096
"""Until all BMSs that are polled have answered, and all is on the disk."""
_TURN_S: Final = 2.0**-14
"""How long each is, s: what follows comes after what it follows from."""
_AWAITED: Final = ("poll of BMS ", f"Write {DOMAIN}.")
"""What belongs to a step, and not to the next one: the integration's names of it."""


def _is_busy() -> bool:
    """Return whether something goes on that is waited for."""
    return any(task.get_name().startswith(_AWAITED) for task in asyncio.all_tasks())


class _PatientResponse(web.WebSocketResponse):
    """A connection of a page, which is not asked whether it is still there."""

    def __init__(self, *, heartbeat: float | None = None, **options: Any) -> None:
        """Leave the heartbeat out."""
        super().__init__(**options)


class Follower:
    """Does in Home Assistant what the other process says."""

    def __init__(self, hass: HomeAssistant, clock: SteppedClock, line: int) -> None:
        """Take the clock, which runs yet; `line` is the socket's file descriptor."""
        self._hass = hass
        self._clock = clock
        self._line = line
        self._since_catch_up_s = 0.0

    async def follow(self) -> None:
        """Hold the clock, obey until the other process says no more, let it run."""
        reader, writer = await asyncio.open_connection(
            sock=socket.socket(fileno=self._line)
        )
        self._clock.hold()
        self._tell(writer)
        while order := await reader.readline():
            await self._obey(**json.loads(order))
            self._tell(writer)
        await self._catch_up()
        self._clock.step(max(0.0, self._clock.behind_s))
        self._clock.release()
        writer.close()

    def _tell(self, writer: asyncio.StreamWriter) -> None:
        """Return what time it is here."""
        answer = {"now": self._clock.wall(), "behind_s": self._clock.behind_s}
        writer.write(json.dumps(answer).encode() + b"\n")

    async def _obey(
        self,
        *,
        step_s: float = 0.0,
        action: str = "",
        data: dict[str, Any] | None = None,
    ) -> None:
        """Let time pass, or do what a user does: an action, with its data."""
        if action:
            domain, _, service = action.partition(".")
            # Its answer needs the wallbox, which lives where the order came from.
            self._hass.async_create_task(
                self._hass.services.async_call(domain, service, data)
            )
        turn_s = min(_TURN_S, step_s / _MOST_TURNS)
        self._clock.step(step_s - _MOST_TURNS * turn_s)
        left = _MOST_TURNS
        while left > _MOST_TURNS - _TURNS or (left and _is_busy()):
            await asyncio.sleep(0)
            self._clock.step(turn_s)
            left -= 1
        self._clock.step(left * turn_s)
        self._since_catch_up_s += step_s
        if self._since_catch_up_s >= _CATCH_UP_S:
            self._since_catch_up_s = 0.0
            await self._catch_up()

    async def _catch_up(self) -> None:
        """Wait until the recorder has written everything."""
        from homeassistant.components.recorder import get_instance

        await get_instance(self._hass).async_block_till_done()


def main() -> int:
    """Run Home Assistant in the past."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--behind", type=float, required=True)
    parser.add_argument("--line", type=int, required=True)
    options, others = parser.parse_known_args()
    clock = SteppedClock(behind_s=options.behind)
    clock.install()

    # Only now: they keep functions of the clock under names of their own.
    from homeassistant import bootstrap
    from homeassistant.auth import jwt_wrapper
    from homeassistant.const import EVENT_HOMEASSISTANT_STARTED

    from demo import instance

    # Whoever looks on would be taken for gone, and be logged out: half an hour there
    # is a second of a page's. What checks a token has the clock of the present.
    mock.patch.object(web, "WebSocketResponse", _PatientResponse).start()
    verify = jwt_wrapper.verify_and_decode

    def verify_patiently(*arguments: Any, **options_: Any) -> dict[str, Any]:
        return verify(*arguments, **{**options_, "leeway": options.behind + _DAY_S})

    mock.patch.object(jwt_wrapper, "verify_and_decode", verify_patiently).start()
    set_up = bootstrap.async_setup_hass

    async def set_up_and_follow(*arguments: Any) -> HomeAssistant | None:
        hass = await set_up(*arguments)
        if hass is not None:

            async def follow(_: object) -> None:
                follower = Follower(hass, clock, options.line)
                hass.async_create_background_task(follower.follow(), "past")

            hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STARTED, follow)
        return hass

    with mock.patch.object(bootstrap, "async_setup_hass", set_up_and_follow):
        return instance.main(others)


if __name__ == "__main__":
    sys.exit(main())
