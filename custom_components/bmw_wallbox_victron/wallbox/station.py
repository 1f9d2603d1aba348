"""One configured wallbox, over all its connections."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
import hmac
import time
from typing import TYPE_CHECKING, Final

from ..fault_log import FaultLog
from . import control, state as transitions
from .attempts import Attempts
from .clock import Now, SteadyClock
from .controller import CallLater, Controller
from .sessions import Ledger
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
    allow_reboot: bool = False
    """Whether a limit that does not hold may be answered with a reboot."""

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


#: A wallbox that replays its queue is shown once it has paused for so long, in s.
REPLAY_PAUSE: Final = 1


class Station:
    """Holds the state of one wallbox and says when it changes."""

    def __init__(
        self,
        config: StationConfig,
        *,
        state: WallboxState,
        clock: Callable[[], datetime],
        call_later: CallLater,
        on_change: Callable[[], None],
        ledger: Ledger,
        faults: FaultLog,
        steady: Callable[[], float] | None = None,
    ) -> None:
        """Start from `state` and `ledger`, as they were stored or empty.

        `clock` gives wall time, `steady` the seconds of a clock that is never set
        (None: those of the machine).
        """
        self.config = config
        # Looked up at each call: a test may freeze the time only after this was made.
        self._steady = SteadyClock(steady or (lambda: time.monotonic()))  # noqa: PLW0108
        self.clock = clock
        self.state = self._restored(state)
        self.ledger = ledger
        self._call_later = call_later
        self._on_change = on_change
        self._held: Callable[[], None] | None = None
        self.link: ChargePoint | None = None
        self.faults = faults
        self.unanswered = 0
        """How many calls in a row were not answered."""
        self.controller = Controller(self, call_later)
        self.attempts = Attempts()
        """What is being tried by remote control."""

    def now(self) -> Now:
        """Tell the time, by both clocks."""
        return Now(self.clock(), self._steady())

    def _restored(self, state: WallboxState) -> WallboxState:
        """Take a stored state: the steady clock began anew."""
        now, wish = self.now(), state.wish
        if wish.schedule is not None:
            wish = replace(wish, schedule=wish.schedule.anchored(now))
        enforcement = control.restored(state.enforcement, now)
        return replace(state, wish=wish, enforcement=enforcement)

    def configure(self, config: StationConfig) -> None:
        """Let other settings of the same wallbox count; its connection stays."""
        before, self.config = self.config, config
        if self.link is not None and config.meter_interval != before.meter_interval:
            self.link.refresh()
        self.update(self.state, look=True)

    def update(
        self, state: WallboxState, *, look: bool = False, replayed: bool = False
    ) -> None:
        """Take the next state, and do what follows from it.

        `look`: also where it is the same, because time has passed. `replayed`: it is a
        step of the past. What a queue replays within a moment is shown as what it
        leads to: its steps are no events of today.
        """
        if state == self.state and not look:
            return
        before, self.state = self.state, self.controller.look(state)
        if self.state != before:
            self.ledger.record(self.state)
            if replayed or self._held is not None:
                self._hold(restart=replayed)
            else:
                self._on_change()
        self.controller.act()

    def _hold(self, *, restart: bool) -> None:
        """Say later that the state has changed."""
        if self._held is not None:
            if not restart:
                return
            self._held()
        self._held = self._call_later(REPLAY_PAUSE, self._release)

    def _release(self) -> None:
        """Say now that it has changed."""
        self._held = None
        self._on_change()

    def close(self) -> None:
        """Stop for good; the connections are closed already."""
        self.controller.close()
        self.attempts.close()
        self._release_now()

    def _release_now(self) -> None:
        """Hold nothing back any longer."""
        if self._held is not None:
            self._held()
            self._release()

    def attach(self, link: ChargePoint) -> None:
        """Make `link` the live connection; an older one is replaced and ends."""
        older, self.link = self.link, link
        if older is not None:
            self.controller.disconnected()
            older.close("a newer connection replaces this one")
        self.update(transitions.connected(self.state))

    def detach(self, link: ChargePoint) -> None:
        """Take note that a connection ended, if it was still the live one."""
        if self.link is link:
            self.link = None
            self.update(transitions.disconnected(self.state))
            self.controller.disconnected()
            self._release_now()

    def poll(self) -> None:
        """Do what time demands; called every `meter_interval`."""
        self.update(transitions.expired(self.state, self.now()))
        if self.link is not None:
            self.link.poll()
