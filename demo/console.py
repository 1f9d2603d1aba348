"""What the demo tells the person who started it."""

import contextlib
from datetime import datetime


class DemoError(Exception):
    """The demo cannot go on; the text says why, to the person who started it."""


def say(text: str) -> None:
    """Print for the person who started it."""
    # Whoever listened may be gone: a closed terminal is no reason not to tidy up.
    with contextlib.suppress(OSError):
        print(f"demo: {text}", flush=True)


def tell(text: str) -> None:
    """Print what happens at the wallbox, and when."""
    say(f"{datetime.now().astimezone():%H:%M:%S} {text}")
