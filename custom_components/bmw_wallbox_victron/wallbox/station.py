"""One configured wallbox, over all its connections."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
import math
import time
from typing import Final

from ..charging.receipt import Tariff
from ..problem import Problem, Problems
from . import enforcement, transitions
from .calls import LiveConnection
from .check_log import Witness
from .clock import EVIDENCE_S, Now, SteadyClock
from .controller import CallLater, Controller
from .receipts import Receipts
from .remote_requests import RemoteRequests
from .sessions import Ledger
from .state import WallboxState
from .station_config import StationConfig
from .trace import Settings, Trace

#: A wallbox that replays its queue is shown once it has paused for so long, in s.
REPLAY_PAUSE: Final = 1
#: So long after a message that is a replay, or else of a clock that was set back, it is
#: asked for another one: time enough for a clock to show its pace, in s.
DOUBT_PAUSE: Final = EVIDENCE_S + 2


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
        problems: Problems,
        steady: Callable[[], float] | None = None,
    ) -> None:
        """Start from `state` and `ledger`, as they were stored or empty.

        `clock` gives wall time, `steady` the seconds of a clock that is never set
        (None: those of the machine).
        """
        self.config = config
        # Looked up at each call: a test may freeze the time only after this was made.
        source = steady or (lambda: time.monotonic())  # noqa: PLW0108 - as said above
        self._steady = SteadyClock(source)
        self.clock = clock
        self.state = self._restored(state)
        self.trace = Trace(self.now, lambda: self.config)
        """The last frames of all its connections."""
        self._traced: Settings | None = None
        self._trace_settings()
        self.ledger = ledger
        self._receipts = Receipts()
        self.call_later = call_later
        self._on_change = on_change
        self._held: Callable[[], None] | None = None
        self._doubt: Callable[[], None] | None = None
        self.connection: LiveConnection | None = None
        self.boots: deque[float] = deque()
        """When it booted lately, by the steady clock, in s."""
        self.problems = problems
        self.witness: Witness | None = None
        """Who is told of all that is said, while the wallbox is checked."""
        self.attached_at = -math.inf
        """When the live connection became that, by the steady clock, in s."""
        self.unanswered = 0
        """How many calls in a row were not answered."""
        self.controller = Controller(self, call_later)
        self.remote_requests = RemoteRequests()
        """What is being tried by remote control."""

    def now(self) -> Now:
        """Return the time, by both clocks."""
        return Now(self.clock(), self._steady())

    def _restored(self, state: WallboxState) -> WallboxState:
        """Take a stored state: the steady clock began anew."""
        now, target = self.now(), state.target
        if target.schedule is not None:
            target = replace(target, schedule=target.schedule.anchored(now))
        restored = enforcement.restored(state.enforcement, now, state.lesson)
        return replace(state, target=target, enforcement=restored)

    def configure(self, config: StationConfig) -> None:
        """Let other settings of the same wallbox count; its connection stays."""
        before, self.config = self.config, config
        if (
            self.connection is not None
            and config.meter_interval != before.meter_interval
        ):
            self.connection.refresh()
        self.update(self.state, look=True)

    def cap(self, amps: float | None, *, forced: bool = False) -> None:
        """Let no more than `amps` A flow on a phase; None: what the owner wishes.

        Less than 6 A is a pause, which keeps the transaction. `forced`: on a wallbox
        that takes no limit the pause ends it, as the owner's stop does. That is for
        what must not be exceeded: a mode that did so would never charge again.

        It is not stored: it holds until the next one, over all connections. A lower
        one goes out before anything else, a higher one at the pace of limits. OCPP has
        tenths of an ampere: what is less does not count.
        """
        amps = _tenths(amps)
        if (amps, forced) != (self.state.cap_a, self.state.cap_forced):
            state = replace(self.state, cap_a=amps, cap_forced=forced)
            self.update(state, look=True)

    def check_cap(self, amps: float | None) -> None:
        """Let no more than `amps` A flow for a check; None: that is over.

        It lowers beside `cap`, and is no target: nothing of it lasts.
        """
        amps = _tenths(amps)
        if amps != self.state.check_cap_a:
            self.update(replace(self.state, check_cap_a=amps), look=True)

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
        state = self._receipts.account(state, self.now())
        before, self.state = self.state, self.controller.look(state)
        if self.state != before:
            self.ledger.record(self.state)
            self._trace_settings()
            if replayed or self._held is not None:
                self._hold(restart=replayed)
            else:
                self._on_change()
        self.controller.act()
        self._resolve_doubt()

    def _trace_settings(self) -> None:
        """Let the trace say what limits from now on."""
        target = self.state.target
        settings = Settings(
            current_limit=target.current_limit,
            charging_allowed=target.charging_allowed,
            cap_a=self.state.capped_a,
        )
        if settings != self._traced:
            self._traced = settings
            self.trace.settings(settings)

    def _resolve_doubt(self) -> None:
        """Ask soon, where it is not known whether what was heard is of now."""
        if self.state.in_doubt and self.connection is not None:
            if self._doubt is None:
                self._doubt = self.call_later(DOUBT_PAUSE, self._ask)
        elif self._doubt is not None:
            self._doubt()
            self._doubt = None

    def _ask(self) -> None:
        """Ask for a message that tells."""
        self._doubt = None
        self.poll()
        self._resolve_doubt()

    def _hold(self, *, restart: bool) -> None:
        """Report later that the state has changed."""
        if self._held is not None:
            if not restart:
                return
            self._held()
        self._held = self.call_later(REPLAY_PAUSE, self._release)

    def _release(self) -> None:
        """Report now that it has changed."""
        self._held = None
        self._on_change()

    def set_tariff(self, tariff: Tariff) -> None:
        """Take what energy costs, each time that more is known of it."""
        if self._receipts.set_tariff(tariff):
            self.update(self.state, look=True)

    def grid_heard(
        self, import_w: float | None, *, others_w: float = 0.0, stands_s: float
    ) -> None:
        """Take each reading of the grid, in W, import positive; None: it is gone.

        `others_w`: what the other wallboxes draw, W. `stands_s`: for how many seconds
        from now the reading is true, if none follows.
        """
        self._receipts.grid_heard(
            self.state, import_w, others_w=others_w, stands_s=stands_s, now=self.now()
        )

    def report_problems(self) -> None:
        """Report what is wrong by the state of the wallbox.

        While it is not known whether it can limit, as while it is away, what was known
        before stands.
        """
        problems, charge_point_id = self.problems, self.config.charge_point_id
        enforcement, target = self.state.enforcement, self.state.target
        if enforcement.able is False:
            problems.report(Problem.CANNOT_LIMIT, charge_point_id)
        elif enforcement.able:
            problems.resolve(Problem.CANNOT_LIMIT, charge_point_id)
        if enforcement.failing:
            failing = [Problem.LIMIT_NOT_ENFORCED]
            if problems.is_open(Problem.CANNOT_LIMIT, charge_point_id):
                failing = [Problem.LIMIT_WITHOUT_EFFECT]
                if not target.charging_allowed:
                    failing.append(Problem.STOP_WITHOUT_EFFECT)
            for problem in failing:
                problems.report(
                    problem, charge_point_id, reason=enforcement.refusal or ""
                )
        elif enforcement.holds:
            problems.resolve(Problem.LIMIT_NOT_ENFORCED, charge_point_id)
        else:
            problems.withdraw(Problem.LIMIT_NOT_ENFORCED, charge_point_id)
        if target.lost:
            problems.report(
                Problem.TARGET_UNREADABLE, charge_point_id, lost=", ".join(target.lost)
            )
        else:
            problems.resolve(Problem.TARGET_UNREADABLE, charge_point_id)

    def close(self) -> None:
        """Stop for good; the connections are closed already."""
        self.controller.close()
        self.remote_requests.close()
        if self._doubt is not None:
            self._doubt()
            self._doubt = None
        self._release_now()

    def _release_now(self) -> None:
        """Hold nothing back any longer."""
        if self._held is not None:
            self._held()
            self._release()

    def attach(self, connection: LiveConnection) -> None:
        """Make `connection` the live connection; an older one is replaced and ends."""
        older, self.connection = self.connection, connection
        self.attached_at = self.now().steady
        if older is not None:
            self.controller.disconnected()
            older.close("a newer connection replaces this one")
        self.update(transitions.connected(self.state))

    def detach(self, connection: LiveConnection) -> None:
        """Take note that a connection ended, if it was still the live one."""
        if self.connection is connection:
            self.connection = None
            self.update(transitions.disconnected(self.state))
            self.controller.disconnected()
            self._release_now()

    def poll(self) -> None:
        """Do what time demands; called every `meter_interval`."""
        self.update(transitions.expired(self.state, self.now()))
        if self.connection is not None:
            self.connection.poll()


def _tenths(amps: float | None) -> float | None:
    """Return a cap with the one decimal that OCPP has."""
    return None if amps is None else math.floor(amps * 10 + 1e-6) / 10
