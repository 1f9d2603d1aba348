"""Writes the receipts of a wallbox's sessions, as its register is read.

Readings come late and out of order. What flowed in a long gap between two of them is
spread evenly over it, until a reading from within tells better: so the readings since a
gap are kept for a while, and reckoned with anew.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

from ..charging.grid_share import GridShare
from ..charging.receipt import Receipt, Tariff
from .clock import CLOCKS_AGREE, JITTER_S, LIVE_TIMEOUT_S, Now
from .energy import Flow
from .state import VOLTAGE_CARRIED_V, Transaction, WallboxState

#: A late reading may lie in a gap that is longer than this.
_GAP: Final = timedelta(seconds=60)
#: So many readings since a gap are kept; after half of them another gap counts more.
_MOST_READINGS: Final = 500
#: What counting may be off by, in Wh.
_ROUNDING_WH: Final = 0.001
_NOMINAL_V: Final = 230.0


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a session had at some moment."""

    at: datetime
    """When, by our wall time."""
    steady: float
    """When, by the steady clock, in s."""
    counted_wh: float
    """What it had then, Wh."""
    grid_share: float | None = None
    """How much of what flowed since the reading before was import, 0 to 1."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """A receipt that readings from the past may still change."""

    base: Receipt
    """What does not change any more."""
    readings: tuple[_Reading, ...]
    """The moment at which that ends, and the readings since, in the order of time."""

    def receipt(self, tariff: Tariff) -> Receipt:
        """Return the receipt."""
        receipt, last = self.base.settled(tariff), self.readings[0]
        for reading in self.readings[1:]:
            receipt = receipt.add(
                reading.counted_wh,
                begin=last.at,
                end=reading.at,
                grid_share=reading.grid_share,
                tariff=tariff,
            )
            last = reading
        return receipt

    def then(self, reading: _Reading) -> Self:
        """Take a reading after all others."""
        return replace(self, readings=(*self.readings, reading))


class Receipts:
    """Writes the receipts of one wallbox: `Station` has it, and says what it hears."""

    def __init__(self) -> None:
        """Begin without a price and without a reading of the grid."""
        self.tariff = Tariff()
        """What energy costs, as far as that is known."""
        self._share = GridShare()
        self._import_w: float | None = None
        self._others_w = 0.0
        self._stands_until = 0.0
        """When the grid's reading is too old, by the steady clock, in s."""
        self._unsettled = False
        """Whether there are prices that what waits has not seen yet."""
        self._drafts: dict[tuple[str, int], _Draft] = {}
        self._redraw: set[tuple[str, int]] = set()
        """Those of which the receipts are to be reckoned anew."""

    def set_tariff(self, tariff: Tariff) -> bool:
        """Take what energy costs, of late as well; return whether that is new."""
        if tariff == self.tariff:
            return False
        self.tariff, self._unsettled = tariff, True
        return True

    def grid_heard(
        self,
        state: WallboxState,
        import_w: float | None,
        *,
        others_w: float = 0.0,
        stands_s: float,
        now: Now,
    ) -> None:
        """Take a reading of the grid, in W, import positive; None: there is none.

        `others_w`: what the other wallboxes draw, W. `stands_s`: for how many seconds
        from now the reading is true, if none follows.
        """
        self._import_w, self._others_w = import_w, others_w
        self._stands_until = now.steady + stands_s
        self._hear(state, now)

    def account(self, state: WallboxState, now: Now) -> WallboxState:
        """Return a state with its receipts brought to where its energy is."""
        self._hear(state, now)
        if state.flowed:
            for flow in state.flowed:
                if flow.late and flow.begin == flow.end:
                    self._between(flow, _wall(flow.begin, state, now), now)
                else:
                    state = self._with(self._redrawn(state), flow, now)
            state = replace(self._redrawn(state), flowed=())
            known = {item.key for item in _all(state)}
            for key in self._drafts.keys() - known:
                del self._drafts[key]
        if self._unsettled:
            self._unsettled = False
            state = _changed(
                state,
                lambda item: bool(item.receipt.open),
                lambda item: item.receipt.settled(self.tariff),
            )
        return state

    def _with(self, state: WallboxState, flow: Flow, now: Now) -> WallboxState:
        """Return a state with a flow in the receipt of its transaction."""
        return _changed(
            state,
            lambda item: item.key == flow.key,
            lambda item: self._accounted(item, flow, state, now),
        )

    def _redrawn(self, state: WallboxState) -> WallboxState:
        """Return a state with the receipts that readings from a gap have changed."""
        if not self._redraw:
            return state
        redraw, self._redraw = self._redraw, set()
        return _changed(
            state,
            lambda item: item.key in redraw,
            lambda item: self._drafts[item.key].receipt(self.tariff),
        )

    def _hear(self, state: WallboxState, now: Now) -> None:
        """Take what grid and wallbox say now."""
        self._share.heard(
            at=now.steady,
            import_w=self._import_w,
            power_w=_power(state),
            others_w=self._others_w,
            stands_until=self._stands_until,
        )

    def _accounted(
        self, transaction: Transaction, flow: Flow, state: WallboxState, now: Now
    ) -> Receipt:
        """Return a receipt with a flow in it."""
        begin, end = (_wall(at, state, now) for at in (flow.begin, flow.end))
        if flow.late:
            return self._late(transaction, flow, begin, end, now)
        receipt, key = transaction.receipt, transaction.key
        if receipt.energy_wh < flow.before_wh - _ROUNDING_WH:
            # It flowed while nobody wrote receipts: by a version before this one.
            first = receipt.until or min(transaction.started_at, begin)
            receipt = receipt.add(
                flow.before_wh,
                begin=min(first, begin),
                end=begin,
                grid_share=None,
                tariff=self.tariff,
            )
            self._drafts.pop(key, None)
        if receipt.until is None:
            # The reading before may be of the wallbox, from long before the session.
            begin = min(max(begin, _wall(transaction.began, state, now)), end)
        begin, end = _after(receipt.until, begin, end, now)
        gained = flow.counted_wh - receipt.energy_wh
        draft = self._drafts.get(key)
        if draft is not None and (
            draft.readings[-1].at != begin
            or abs(draft.readings[-1].counted_wh - receipt.energy_wh) > _ROUNDING_WH
        ):
            draft = None  # our clock was set
        gap = end - begin > _GAP or receipt == Receipt()
        most = _MOST_READINGS // 2 if gap else _MOST_READINGS
        if draft is not None and len(draft.readings) >= most:
            draft = None
        if draft is None and gap:
            draft = _Draft(
                receipt, (_Reading(begin, _steady(begin, now), receipt.energy_wh),)
            )
        reading = self._reading(begin, end, flow.counted_wh, gained, now)
        if draft is None:
            self._drafts.pop(key, None)
        else:
            self._drafts[key] = draft.then(reading)
        return receipt.add(
            flow.counted_wh,
            begin=begin,
            end=end,
            grid_share=reading.grid_share,
            tariff=self.tariff,
        )

    def _late(
        self,
        transaction: Transaction,
        flow: Flow,
        begin: datetime,
        end: datetime,
        now: Now,
    ) -> Receipt:
        """Return a receipt with what flowed before the first reading that it had."""
        key, receipt = transaction.key, transaction.receipt
        gained = flow.counted_wh - flow.before_wh
        draft = self._drafts.get(key)
        if draft is not None and draft.base == Receipt():
            draft = self._begun_earlier(draft, begin, gained, now)
            self._drafts[key] = draft
            return draft.receipt(self.tariff)
        self._drafts.pop(key, None)
        reading = self._reading(begin, end, flow.counted_wh, gained, now)
        return replace(
            receipt.add(
                receipt.energy_wh + gained,
                begin=begin,
                end=end,
                grid_share=reading.grid_share,
                tariff=self.tariff,
            ),
            until=receipt.until,
        )

    def _begun_earlier(
        self, draft: _Draft, at: datetime, gained: float, now: Now
    ) -> _Draft:
        """Take a reading from before the first one: more had flowed until that."""
        origin, *others = draft.readings
        later = [
            replace(reading, counted_wh=reading.counted_wh + gained)
            for reading in others
        ]
        first = replace(origin, at=at, steady=_steady(at, now))
        readings = [first] if at <= origin.at else [origin, first]
        return self._shared(replace(draft, readings=(*readings, *later)), len(readings))

    def _between(self, flow: Flow, at: datetime, now: Now) -> None:
        """Take a reading from between two others, if there is a gap."""
        draft = self._drafts.get(flow.key)
        if draft is None or len(draft.readings) >= _MOST_READINGS:
            return
        readings = draft.readings
        index = bisect_left(readings, at, key=lambda reading: reading.at)
        if not 0 < index < len(readings) or readings[index].at == at:
            return
        before, after = readings[index - 1], readings[index]
        if not before.counted_wh <= flow.counted_wh <= after.counted_wh:
            return
        reading = _Reading(at, _steady(at, now), flow.counted_wh)
        more = (*readings[:index], reading, *readings[index:])
        draft = self._shared(replace(draft, readings=more), index)
        self._drafts[flow.key] = self._shared(draft, index + 1)
        self._redraw.add(flow.key)

    def _shared(self, draft: _Draft, index: int) -> _Draft:
        """Return a draft with the grid's share until one of its readings."""
        readings = list(draft.readings)
        before, reading = readings[index - 1], readings[index]
        share = self._share.mean(
            before.steady, reading.steady, reading.counted_wh - before.counted_wh
        )
        readings[index] = replace(reading, grid_share=share)
        return replace(draft, readings=tuple(readings))

    def _reading(
        self, begin: datetime, end: datetime, counted_wh: float, gained: float, now: Now
    ) -> _Reading:
        """Return a reading, with the grid's share of what flowed until it."""
        steady = _steady(end, now)
        share = self._share.mean(_steady(begin, now), steady, gained)
        return _Reading(end, steady, counted_wh, share)


def _all(state: WallboxState) -> Iterable[Transaction]:
    """Return the transactions that are remembered."""
    current = state.transaction
    return state.recent if current is None else (current, *state.recent)


def _changed(
    state: WallboxState,
    which: Callable[[Transaction], bool],
    receipt: Callable[[Transaction], Receipt],
) -> WallboxState:
    """Return a state with other receipts for some of its transactions."""

    def changed(item: Transaction) -> Transaction:
        return replace(item, receipt=receipt(item)) if which(item) else item

    current = state.transaction
    return replace(
        state,
        transaction=None if current is None else changed(current),
        recent=tuple(map(changed, state.recent)),
    )


def _wall(at: datetime, state: WallboxState, now: Now) -> datetime:
    """Return when something happened by our wall time.

    Where the wallbox's clock agrees with ours, it is the time that it gave. Else what
    is live was as long ago as it says, and what was replayed has no time but that at
    which it came: nobody knows how its clock was set meanwhile.
    """
    expected = state.clock.expected(now)
    if expected is None or abs(expected - now.wall) <= CLOCKS_AGREE:
        return min(at, now.wall)
    ago = max(expected - at, timedelta())
    return now.wall - ago if ago.total_seconds() < LIVE_TIMEOUT_S else now.wall


def _after(
    until: datetime | None, begin: datetime, end: datetime, now: Now
) -> tuple[datetime, datetime]:
    """Return when that flowed which a reading after `until` added."""
    if until is None:
        return min(begin, end), end
    if until > now.wall:
        return now.wall, now.wall  # our clock was set back
    if end < until:
        # Clocks are corrected by a little; a time that is long past is none.
        back_s = (until - end).total_seconds()
        end = until if back_s <= JITTER_S else now.wall
    return until, end


def _steady(at: datetime, now: Now) -> float:
    """Return what the steady clock showed at some wall time, in s."""
    return now.steady - (now.wall - at).total_seconds()


def _power(state: WallboxState) -> float | None:
    """Return what the car draws, W; None: it is not known."""
    if (power := state.live("power")) is not None:
        return power
    amps = [state.live(f"current_l{phase}") for phase in (1, 2, 3)]
    if amps == [None, None, None]:
        return None
    volts = [state.live(f"voltage_l{phase}") or 0.0 for phase in (1, 2, 3)]
    return sum(
        (a or 0.0) * (v if v >= VOLTAGE_CARRIED_V else _NOMINAL_V)
        for a, v in zip(amps, volts, strict=True)
    )
