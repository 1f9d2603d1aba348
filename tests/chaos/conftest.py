"""A simulated day brings its own event loop and its own Home Assistant."""

import pytest


@pytest.fixture(autouse=True)
def enable_event_loop_debug() -> None:
    """Leave the loops of these days alone: nobody may slow them down."""


@pytest.fixture(autouse=True)
def _real_world(socket_enabled: None) -> None:
    """Let it talk over loopback; what else a test needs, a day brings along."""
