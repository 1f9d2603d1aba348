"""What the tests themselves rely on."""

import asyncio

import pytest


async def test_another_thread_may_not_use_the_loop() -> None:
    """A call of the event loop from another thread fails."""
    loop = asyncio.get_running_loop()
    for call in (
        lambda: loop.call_soon(print),
        lambda: loop.call_later(1, print),
    ):
        with pytest.raises(AssertionError, match="another thread"):
            await loop.run_in_executor(None, call)
