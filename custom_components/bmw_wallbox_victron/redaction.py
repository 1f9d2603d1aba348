"""What is nobody else's business is cut short, or found in any text and left out."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, time
import re
from typing import Any, Final

from homeassistant.components.diagnostics import REDACTED
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_ADDRESS, CONF_PASSWORD

from .const import (
    CONF_ALLOWED_TOKENS,
    CONF_CHARGE_POINT_ID,
    CONF_ENCRYPTION_KEY,
    CONF_RFID_TOKEN,
    CONF_SECRET,
)
from .coordinator import SiteConfigEntry
from .wallbox.cards import card_key, read_card

#: What is shorter is found in any text by chance.
_SHORTEST_SECRET: Final = 4


def short_id(charge_point_id: str) -> str:
    """Return an id cut short, so that two can be distinguished."""
    if len(charge_point_id) < 12:
        return REDACTED
    return f"{charge_point_id[:3]}…{charge_point_id[-3:]}"


def short_address(address: str) -> str:
    """Return the manufacturer and the last byte of an address."""
    return f"{address[:8]}:…:{address[-2:]}"


def _names(entry: SiteConfigEntry) -> set[str]:
    """Return the names of people: what an owner calls the cards."""
    return {
        name
        for subentry in entry.subentries.values()
        for line in _texts(subentry.data.get(CONF_ALLOWED_TOKENS))
        if (name := read_card(line).name)
    }


def _texts(value: Any) -> list[str]:
    """Return the texts in a setting, of whatever type: it may be damaged."""
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]


def _secrets(entry: SiteConfigEntry) -> set[str]:
    """Return all that must not be in it, in any text."""
    found: set[str | None] = set()
    for subentry in entry.subentries.values():
        for key in (
            CONF_ADDRESS,
            CONF_ALLOWED_TOKENS,
            CONF_CHARGE_POINT_ID,
            CONF_ENCRYPTION_KEY,
            CONF_PASSWORD,
            CONF_RFID_TOKEN,
            CONF_SECRET,
        ):
            # Of whatever type: a damaged subentry has its secrets, too.
            found.update(_texts(subentry.data.get(key)))
        for line in _texts(subentry.data.get(CONF_ALLOWED_TOKENS)):
            token = read_card(line).token
            found |= {token, card_key(token)}
    if entry.state is ConfigEntryState.LOADED:
        for station in entry.runtime_data.stations.values():
            state = station.state
            current = () if state.transaction is None else (state.transaction,)
            found.add(state.identity.serial_number)
            for transaction in (*current, *state.recent):
                found |= {transaction.id, transaction.id_token}
            for session in station.ledger.sessions:
                found |= {session.transaction_id, session.id_token}
    return {text for text in found if text and len(text) >= _SHORTEST_SECRET}


def secrets_of(entry: SiteConfigEntry) -> re.Pattern[str] | None:
    """Return what finds everything that is secret; None: nothing is."""
    secrets = sorted(_secrets(entry), key=len, reverse=True)
    # A name may be part of any word: `Max` is none of max_current.
    names = (rf"(?<!\w){re.escape(name)}(?!\w)" for name in sorted(_names(entry)))
    parts = [*map(re.escape, secrets), *names]
    pattern = re.compile("|".join(parts), re.IGNORECASE)
    return pattern if parts else None


def redact(content: dict[str, Any], entry: SiteConfigEntry) -> dict[str, Any]:
    """Return plain data, with all texts searched for secrets."""
    redacted: dict[str, Any] = plain(content, secrets_of(entry))
    return redacted


def plain(value: Any, secrets: re.Pattern[str] | None = None) -> Any:
    """Return a value as what JSON can express."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {item.name: getattr(value, item.name) for item in fields(value)}
    if isinstance(value, Mapping):
        return {
            plain(str(key), secrets): plain(item, secrets)
            for key, item in value.items()
        }
    if isinstance(value, datetime | time):
        return value.isoformat()
    if isinstance(value, str):
        return str(value) if secrets is None else secrets.sub(REDACTED, value)
    if isinstance(value, set | frozenset):
        return sorted(plain(item, secrets) for item in value)
    if isinstance(value, Iterable):
        return [plain(item, secrets) for item in value]
    return value
