"""One configured wallbox, over all its connections."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
import hmac
from typing import TYPE_CHECKING

from . import state as transitions
from .state import WallboxState

if TYPE_CHECKING:
    from .charge_point import ChargePoint


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
    """Cards that may charge; empty: every card."""
    max_current: int = 32
    """The most that the installation bears, A."""
    meter_interval: int = 10
    """Seconds between two meter readings while a session runs."""

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
        """Tell whether a token may charge. OCPP compares tokens without regard to case.

        A wallbox that needs no card (AuthCtrlr.Enabled false) presents NoAuthorization:
        that is its own setting and no card that could be refused.
        """
        if kind == "NoAuthorization" or not self.allowed_tokens:
            return True
        allowed = {token.casefold() for token in self.allowed_tokens}
        if self.rfid_token is not None:
            allowed.add(self.rfid_token.casefold())
        return id_token.casefold() in allowed


class Station:
    """Holds the state of one wallbox and says when it changes."""

    def __init__(
        self,
        config: StationConfig,
        *,
        state: WallboxState,
        clock: Callable[[], datetime],
        on_change: Callable[[], None],
    ) -> None:
        """Start from `state`, as it was stored or empty."""
        self.config = config
        self.state = state
        self.clock = clock
        self._on_change = on_change
        self.link: ChargePoint | None = None
        self.reported_bad_frame = False

    def update(self, state: WallboxState) -> None:
        """Take the next state."""
        if state != self.state:
            self.state = state
            self._on_change()

    def attach(self, link: ChargePoint) -> None:
        """Make `link` the live connection; an older one is replaced and ends."""
        older, self.link = self.link, link
        if older is not None:
            older.close("a newer connection replaces this one")
        self.update(transitions.connected(self.state))

    def detach(self, link: ChargePoint) -> None:
        """Take note that a connection ended, if it was still the live one."""
        if self.link is link:
            self.link = None
            self.update(transitions.disconnected(self.state))

    def poll(self) -> None:
        """Do what time demands; called every `meter_interval`."""
        self.update(transitions.expired(self.state, self.clock()))
        if self.link is not None:
            self.link.poll()
