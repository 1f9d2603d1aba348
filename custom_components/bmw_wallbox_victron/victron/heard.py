"""The last records of one device, to be shown to others.

They are kept as they came, which costs nothing, and decrypted once somebody asks. What
is told has no key, no address and nothing of what was encrypted; counters are relative.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from .advertisement import Advertisement, Refusal, parse
from .records import find

#: So many are kept.
_KEPT: Final = 20
_COUNTERS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class _Entry:
    """An advertisement."""

    at: float
    """When it was heard, in s."""
    data: bytes
    """Its manufacturer data."""
    refusal: Refusal | None
    """Why it gave no reading; None: it gave one."""


class HeardRecords:
    """Remembers the last advertisements of one device."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        """Initialize without any."""
        self._entries: deque[_Entry] = deque(maxlen=_KEPT)

    def add(self, at: float, data: bytes, refusal: Refusal | None) -> None:
        """Keep an advertisement that was heard at `at`, in s."""
        self._entries.append(_Entry(at, data, refusal))

    def content(
        self, decrypt: Callable[[Advertisement], bytes | None]
    ) -> list[Mapping[str, object]]:
        """Return them, oldest first: seconds and counters relative to the first.

        `plain` is the record in hexadecimal digits; None where the key does not fit, or
        nobody knows what such a record says.
        """
        told: list[Mapping[str, object]] = []
        first: int | None = None
        for entry in self._entries:
            about: dict[str, object] = {
                "at": round(entry.at - self._entries[0].at, 2),
                "refusal": entry.refusal,
            }
            advertisement = parse(entry.data)
            if isinstance(advertisement, Advertisement):
                if first is None:
                    first = advertisement.counter
                known = find(advertisement.record_type, advertisement.model_id)
                plain = None if known is None else decrypt(advertisement)
                about |= {
                    "record_type": advertisement.record_type,
                    "model_id": advertisement.model_id,
                    "counter": (advertisement.counter - first) % _COUNTERS,
                    "plain": None if plain is None else plain.hex(),
                }
            told.append(about)
        return told
