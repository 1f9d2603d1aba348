"""The house at our own pace, and its meters in Home Assistant."""

import asyncio
from collections.abc import Callable
import time
from typing import Final

import aiohttp

from .client import NotReadyError, RefusedError
from .household import TELL, Household
from .process import Instance, logged_in

_EVERY_S: Final = 5.0
"""How often the meters tell."""
_LONGEST_S: Final = 300.0
"""A computer that slept does not catch up on what was missed, s."""
_AGAIN_S: Final = 2.0


async def live_house(
    household: Household, instance: Instance, *, say: Callable[[str], None]
) -> None:
    """Let the house live until cancelled, also while Home Assistant restarts."""
    domain, _, service = TELL.partition(".")
    last = time.monotonic()
    while True:
        try:
            async with logged_in(instance) as client:
                household.forget()
                while True:
                    now = time.monotonic()
                    household.advance(min(now - last, _LONGEST_S))
                    last = now
                    await household.attend_car(say)
                    await client.ask(
                        "call_service",
                        domain=domain,
                        service=service,
                        service_data=household.tell(),
                    )
                    await asyncio.sleep(_EVERY_S)
        except (
            aiohttp.ClientError,
            aiohttp.WSMessageTypeError,
            ConnectionError,
            NotReadyError,
            RefusedError,
            TimeoutError,
        ):
            await asyncio.sleep(_AGAIN_S)
