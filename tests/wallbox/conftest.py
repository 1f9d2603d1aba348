"""What the tests of the wallbox half share."""

import pytest


@pytest.fixture(autouse=True)
def _real_world() -> None:
    """No Home Assistant here."""
