"""Charging sessions: what is told while they run, and the ledger of ended ones."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ..charging.receipt import Receipt, more_complete
from .state import ChargingState, Transaction, WallboxState

#: How many sessions of a wallbox are kept: more than five years of one a day.
KEPT_SESSIONS: Final = 2000
#: Ids are unique, by OCPP. Of one that began to count again, no more is remembered
#: than a few sessions: what lies so far apart is another one.
_ID_PAUSE: Final = timedelta(days=1)
_SUSPENDED: Final = {
    ChargingState.SUSPENDED_EVSE: "wallbox",
    ChargingState.SUSPENDED_EV: "car",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session that ended."""

    transaction_id: str
    """Chosen by the wallbox."""
    repeat: int = 0
    """How many sessions had that id before it, as far as was remembered."""
    start: datetime
    """When it began."""
    end: datetime
    """When it ended, or was last heard of."""
    energy_wh: float
    """What it delivered, Wh."""
    id_token: str | None
    """Who charged."""
    stop_reason: str | None
    """Why it ended, in snake case; None: its end was never heard."""
    receipt: Receipt = field(default_factory=Receipt)
    """Where its energy came from, and what it cost; empty: nobody wrote it down."""

    @property
    def duration(self) -> timedelta:
        """How long it lasted."""
        return self.end - self.start


class SessionEventType(StrEnum):
    """What happens in a session."""

    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """Something that happened in a session."""

    type: SessionEventType
    """What happened."""
    energy_wh: float
    """Delivered until then, Wh."""
    duration: timedelta
    """How long the session had lasted."""
    reason: str | None = None
    """Who paused it (`wallbox` or `car`), or why it ended."""


def session_events(before: WallboxState, after: WallboxState) -> list[SessionEvent]:
    """Return what happened to the wallbox's session between two states."""
    events: list[SessionEvent] = []
    old, new = before.active, after.active
    if old is not None and (new is None or new.key != old.key):
        ended = _find(after, old.key) or old
        events.append(_event(SessionEventType.ENDED, ended, ended.stopped_reason))
    if new is None:
        return events
    if old is None or old.key != new.key:
        if before.transaction is None or before.transaction.key != new.key:
            events.append(_event(SessionEventType.STARTED, new))
        else:
            # It was taken for ended, and is not.
            events.append(_event(SessionEventType.RESUMED, new))
        if new.charging_state in _SUSPENDED:
            reason = _SUSPENDED[new.charging_state]
            events.append(_event(SessionEventType.PAUSED, new, reason))
        return events
    was, now = old.charging_state, new.charging_state
    if was not in _SUSPENDED and now in _SUSPENDED:
        events.append(_event(SessionEventType.PAUSED, new, _SUSPENDED[now]))
    elif was in _SUSPENDED and now is ChargingState.CHARGING:
        events.append(_event(SessionEventType.RESUMED, new))
    return events


def _event(
    kind: SessionEventType, transaction: Transaction, reason: str | None = None
) -> SessionEvent:
    return SessionEvent(
        type=kind,
        energy_wh=transaction.energy.counted_wh,
        duration=transaction.updated_at - transaction.started_at,
        reason=reason,
    )


def _find(state: WallboxState, key: tuple[str, int]) -> Transaction | None:
    """Find a transaction that is remembered."""
    return next(
        (
            item
            for item in (state.transaction, *state.recent)
            if item is not None and item.key == key
        ),
        None,
    )


def ended_sessions(state: WallboxState) -> list[Session]:
    """List the remembered sessions that ended, or must have, oldest first."""
    over = list(state.recent)
    current = state.transaction
    if current is not None and current is not state.active:
        over.insert(0, current)
    return [
        Session(
            transaction_id=item.id,
            repeat=item.repeat,
            start=item.started_at,
            # The wallbox's clock may have been set back meanwhile.
            end=max(item.ended_at or item.updated_at, item.started_at),
            energy_wh=item.energy.counted_wh,
            id_token=item.id_token,
            stop_reason=item.stopped_reason,
            receipt=item.receipt.totals,
        )
        for item in reversed(over)
    ]


def _merge(known: Session, newer: Session) -> Session:
    """Put together what is known of a session."""
    return Session(
        transaction_id=known.transaction_id,
        repeat=known.repeat,
        start=min(known.start, newer.start),
        end=max(known.end, newer.end),
        energy_wh=max(known.energy_wh, newer.energy_wh),
        id_token=known.id_token or newer.id_token,
        stop_reason=newer.stop_reason or known.stop_reason,
        receipt=more_complete(known.receipt, newer.receipt),
    )


class Ledger:
    """The sessions of one wallbox, in the order of their start."""

    def __init__(self, sessions: Iterable[Session] = ()) -> None:
        """Start with those that were stored."""
        self._sessions = list(sessions)
        self._lines: dict[tuple[str, int], Session] = {}
        """What was written of those that are remembered, by id and repeat."""
        self._changed = False

    @property
    def sessions(self) -> tuple[Session, ...]:
        """All sessions, oldest first."""
        return tuple(self._sessions)

    def record(self, state: WallboxState) -> bool:
        """Take the ended sessions of a state; tell whether anything is new.

        A late event may still complete a session that was written. It takes nothing
        away: a repeat of an event that is long forgotten knows less.
        """
        changed = False
        lines: dict[tuple[str, int], Session] = {}
        for session in ended_sessions(state):
            key = session.transaction_id, session.repeat
            known = self._lines.get(key)
            if known is not None and session.start <= known.end:
                # The same one, whatever a clock that was set back makes of its times.
                merged = replace(
                    _merge(known, session), start=session.start, end=session.end
                )
            elif (known := self._find(session)) is not None:
                merged = _merge(known, session)
            elif self._too_old(session):
                continue
            else:
                merged = session
            lines[key] = merged
            if merged == known:
                continue
            if known is not None:
                self._sessions.remove(known)
            self._sessions.append(merged)
            changed = True
        self._lines = lines
        if changed:
            self._sessions.sort(key=lambda session: session.start)
            del self._sessions[:-KEPT_SESSIONS]
            self._changed = True
        return changed

    def take_changes(self) -> bool:
        """Return whether anything was recorded since this was asked last."""
        changed, self._changed = self._changed, False
        return changed

    def _too_old(self, session: Session) -> bool:
        """Return whether a session would be the first to be dropped."""
        return (
            len(self._sessions) >= KEPT_SESSIONS
            and session.start <= self._sessions[0].start
        )

    def _find(self, session: Session) -> Session | None:
        """Find what was written of a session before it was remembered.

        Its times may have been corrected: a wallbox's clock is set back. What begins
        after its end is another session, that has the same id.
        """
        for known in reversed(self._sessions):
            if (
                known.transaction_id == session.transaction_id
                and known.repeat == session.repeat
                and known.end >= session.start
                and session.end >= known.start - _ID_PAUSE
            ):
                return known
        return None
