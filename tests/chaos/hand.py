"""What a process does that lives through days by hand."""

import logging
from pathlib import Path
import ssl
import tempfile

import ocpp.messages

from simulators import pki

from .script import make_day
from .world import play, shrink

_keys: tuple[pki.Files, ssl.SSLContext]


def prepare() -> None:
    """Get ready for days without end."""
    global _keys  # noqa: PLW0603 - once for each process
    ocpp.messages.ASYNC_VALIDATION = False
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(delete=False) as folder:
        files = pki.issue(Path(folder))
    _keys = files, files.client_context()


def live(
    seed: int, *, kinds: tuple[str, ...] | None, without: frozenset[str], short: bool
) -> tuple[int, str, str | None, list[str]]:
    """Live through one day; return what did not hold, and the story."""
    day = make_day(seed, kinds, without=without)
    fault, story = play(day, *_keys)
    if fault is not None and short and (found := shrink(day, *_keys)) is not None:
        day, fault, story = found
    about = f"{', '.join(day.kinds)}; {day.quirks}, every {day.meter_interval} s"
    return seed, about, fault, story
