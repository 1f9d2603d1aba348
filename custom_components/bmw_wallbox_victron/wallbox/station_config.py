"""What its owner set for a wallbox."""

from collections.abc import Mapping
from dataclasses import dataclass, field
import hmac

from .cards import card_key
from .target import Fallback


@dataclass(frozen=True, slots=True, kw_only=True)
class StationConfig:
    """What its owner set for a wallbox."""

    charge_point_id: str
    """The OCPP identity, asterisks and all; compared without regard to case."""
    password: str | None = None
    """HTTP Basic password of OCPP security profile 2; None: none is asked for."""
    rfid_token: str | None = None
    """What a start from Home Assistant presents."""
    allowed_tokens: frozenset[str] = frozenset()
    """Cards that may charge, as their owner wrote them; empty: every card."""
    card_names: Mapping[str, str] = field(default_factory=dict)
    """What their owner calls them, by `card_key`."""
    max_current: int = 32
    """The most that the installation bears, A."""
    meter_interval: int = 10
    """Seconds between two meter readings while a session runs."""
    allow_reboot: bool = False
    """Whether a limit that does not hold may be answered with a reboot."""
    fallback_s: float | None = None
    """After how many seconds without Home Assistant the wallbox steps down; None: it
    never does."""
    safe_current_a: float = 6.0
    """To which limit it does, A; 0: a pause."""

    @property
    def fallback(self) -> Fallback | None:
        """What the wallbox does without Home Assistant; None: it goes on."""
        if self.fallback_s is None:
            return None
        return Fallback(after_s=self.fallback_s, most_a=self.safe_current_a)

    def admits(self, credentials: str | None) -> bool:
        """Check HTTP Basic credentials: the user is the station's id (Part 2, A00)."""
        if self.password is None:
            return True
        # Not split at the colon: an identity may have colons of its own.
        length = len(self.charge_point_id)
        given = credentials or ""
        return given[:length].casefold() == self.charge_point_id.casefold() and (
            hmac.compare_digest(given[length:].encode(), f":{self.password}".encode())
        )

    def accepts(self, id_token: str, kind: str) -> bool:
        """Return whether a token may charge. OCPP compares tokens ignoring case.

        How the bytes of a card are set apart does not count either.

        A wallbox that needs no card (AuthCtrlr.Enabled false) presents NoAuthorization:
        that is its own setting and no card that could be refused.
        """
        if kind == "NoAuthorization" or not self.allowed_tokens:
            return True
        allowed = {card_key(token) for token in self.allowed_tokens}
        if self.rfid_token is not None:
            allowed.add(card_key(self.rfid_token))
        return card_key(id_token) in allowed

    def card_name(self, id_token: str | None) -> str | None:
        """Return what its owner calls a card; None: it has no name."""
        return None if id_token is None else self.card_names.get(card_key(id_token))
