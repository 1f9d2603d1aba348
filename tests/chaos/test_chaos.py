"""The chaos test: days of charging with faults of all kinds, in random order and pairs.

After every step SPEC's "What always holds" is looked at. Twelve days here, a
thousand each week, and as many as one likes by hand: `scripts/chaos 5000`.
"""

from collections.abc import Generator
import logging
import ssl

import pytest

from simulators import pki

from .script import KINDS, make_day
from .world import shrink

#: So many days are lived through, and so many of them in one test.
DAYS = 12
CHUNK = 3


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Check payloads at once, not in a thread, and write no logs but of errors."""
    monkeypatch.setattr("ocpp.messages.ASYNC_VALIDATION", False)
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def test_a_day_without_faults(
    pki_files: pki.Files, client_context: ssl.SSLContext
) -> None:
    """What a fault is blamed for does not come of the day itself."""
    assert shrink(make_day(0, kinds=()), pki_files, client_context) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_day_with_one_kind(
    pki_files: pki.Files, client_context: ssl.SSLContext, kind: str
) -> None:
    """Each kind of fault alone."""
    judge(0, 1, pki_files, client_context, (kind,))


@pytest.mark.parametrize("first", range(0, DAYS, CHUNK))
def test_days(pki_files: pki.Files, client_context: ssl.SSLContext, first: int) -> None:
    """Kinds in pairs, and more of them on some days."""
    judge(first, first + CHUNK, pki_files, client_context)


def judge(
    first: int,
    end: int,
    pki_files: pki.Files,
    context: ssl.SSLContext,
    kinds: tuple[str, ...] | None = None,
) -> None:
    """Live through days; the first that goes wrong is told as shortly as can be."""
    for seed in range(first, end):
        whole = make_day(seed, kinds)
        if (found := shrink(whole, pki_files, context)) is not None:
            day, fault, story = found
            told = "\n".join(story)
            pytest.fail(f"seed {seed}, {day.kinds}, {day.quirks}: {fault}\n{told}")
