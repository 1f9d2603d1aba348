"""JSON as a wallbox sends it, read so that everybody else goes on meanwhile.

What is compiled lets no other thread run until it is done, the event loop's included:
`json` takes 40 ms for a million empty lists, 110 ms for 300,000 keys, and as long again
to forget them. What is large is read by the same module's Python half, ten times as
slow: other threads get their turn every 5 ms.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
import gc
import json
import json.scanner
import math
from threading import Lock
from typing import Any, Final

#: What is longer is large, in characters: the compiled half reads that in 3 ms.
LARGE: Final = 64 * 1024
#: No message of OCPP is nested deeper, custom data included.
MAX_DEPTH: Final = 64
#: Integers have 64 bits at most: nothing that stores them takes more.
_MAX_INTEGER: Final = 2**63 - 1
_MAX_DIGITS: Final = 20

#: The Python half of a module of which only the compiled one has types.
_PYTHON: Final[Any] = json.scanner
_NESTS: Final = (dict, list)
_turn: Final = Lock()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let nobody else read something large, in a thread.

    Several threads would take their 5 ms one after the other. Nor does Python look for
    garbage meanwhile: new objects by the hundred thousand make it look at all that
    there are, in one go, and JSON has no cycles.
    """
    with _turn:
        collects = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if collects:
                gc.enable()


def parse(text: str) -> tuple[object, str | None]:
    """Parse JSON, and tell what about its numbers is none (they are null then).

    Raises ValueError or RecursionError where it cannot be read at all, or is nested
    deeper than any message.
    """
    faults: list[str] = []

    def no_number(_: str) -> None:
        faults.append("NaN")

    def number(text: str) -> float | None:
        if math.isfinite(value := float(text)):
            return value
        faults.append("an endless number")
        return None

    def integer(text: str) -> int | None:
        # Not read before it is measured: that takes the square of its length.
        if len(text) <= _MAX_DIGITS and abs(value := int(text)) <= _MAX_INTEGER:
            return value
        faults.append("too many digits")
        return None

    decoder: Any = json.JSONDecoder(
        parse_constant=no_number, parse_float=number, parse_int=integer
    )
    if len(text) > LARGE:
        decoder.object_pairs_hook = _object
        decoder.scan_once = _PYTHON.py_make_scanner(decoder)
    value = decoder.decode(text)
    surrogates = "\\ud" in text or "\\uD" in text
    if surrogates or len(text) > MAX_DEPTH:
        try:
            _look_through(value, surrogates=surrogates)
        except RecursionError, ValueError:
            dismantle(value)
            raise
    return value, faults[0] if faults else None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object; `dict` would do so in one go."""
    return {key: value for key, value in pairs}  # noqa: C416 - so that others can go on


def _items(nest: dict[str, object] | list[object]) -> Collection[object]:
    """Return what is in an object or a list."""
    return nest.values() if isinstance(nest, dict) else nest


def _look_through(value: object, *, surrogates: bool) -> None:
    """Raise RecursionError where it is too deep, ValueError at a lone surrogate."""
    level: list[dict[str, object] | list[object]] = [[value]]
    for _ in range(MAX_DEPTH):
        inner: list[dict[str, object] | list[object]] = []
        for outer in level:
            items = _items(outer)
            inner += [each for each in items if isinstance(each, _NESTS)]
            if surrogates:
                for text in (*outer, *items):
                    if isinstance(text, str):
                        text.encode()
        if not inner:
            return
        level = inner
    raise RecursionError


def dismantle(value: object) -> None:
    """Forget JSON that nobody needs any more, piece by piece.

    Left alone it is forgotten in one go, by whoever lets go of it.
    """
    pieces = [value]
    while pieces:
        piece = pieces.pop()
        if isinstance(piece, _NESTS):
            items = _items(piece)
            pieces += [each for each in items if isinstance(each, _NESTS)]
            piece.clear()
