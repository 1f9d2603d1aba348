"""Cards as their owner writes them: an ID, and a name if it has one."""

from collections.abc import Iterable
from dataclasses import dataclass
import re
from typing import Final

#: Bytes in hexadecimal digits, as readers and apps show the ID of a card.
_BYTES: Final = re.compile(
    r"(?:[0-9a-f]{2})+(?:[\s:-]+(?:[0-9a-f]{2})+)*", re.IGNORECASE
)
_SEPARATORS: Final = re.compile(r"[\s:-]+")
#: OCPP 2.0.1: an identifierString of up to 36 characters.
_ID_TOKEN: Final = re.compile(r"[A-Za-z0-9*\-_=:+|@.]{1,36}")
_LONGEST_NAME: Final = 50


@dataclass(frozen=True, slots=True)
class Card:
    """A card that its owner wrote down."""

    token: str
    """Its ID, as it was written."""
    name: str | None
    """What its owner calls it; None: it has no name."""

    @property
    def valid(self) -> bool:
        """Return whether any wallbox can present it, and whether a name is one."""
        token = _SEPARATORS.sub("", self.token) if _is_bytes(self.token) else self.token
        return _ID_TOKEN.fullmatch(token) is not None and (
            self.name is None or 0 < len(self.name) <= _LONGEST_NAME
        )


def card_key(token: str) -> str:
    """Return the ID of a card as it is compared: 04:A1 b2 is 04a1b2."""
    key = token.casefold()
    return _SEPARATORS.sub("", key) if _is_bytes(key) else key


def _is_bytes(token: str) -> bool:
    return _BYTES.fullmatch(token) is not None


def read_card(line: str) -> Card:
    """Read a line such as `04:55:66:77 = Anna`."""
    token, equals, name = line.partition("=")
    return Card(token.strip(), name.strip() if equals else None)


def allowed_tokens(lines: Iterable[str]) -> frozenset[str]:
    """Return the IDs in such lines.

    An ID may have a `=` of its own: where the line is a whole one, that counts, too.
    """
    found: set[str] = set()
    for line in lines:
        card = read_card(line)
        found.add(card.token)
        if not _is_bytes(card.token) and _ID_TOKEN.fullmatch(line):
            found.add(line)
    return frozenset(found - {""})


def card_names(lines: Iterable[str]) -> dict[str, str]:
    """Return the names in such lines, by `card_key`."""
    cards = map(read_card, lines)
    return {card_key(card.token): card.name for card in cards if card.name}
