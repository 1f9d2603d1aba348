"""What a session cost: energy from grid and from sun, each at its price.

Energy comes from a register that is read now and then: what flowed between two readings
is spread evenly over the time between them, and split where the price changes. All in
UTC: a local hour may be there twice. Who reads the registers calls `Receipt.add` with
each; `GridShare` says how much of that time's energy was import.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from .prices import Prices, PriceSlot

#: What adding shares up may be off by.
_ROUNDING: Final = 1e-9
#: So many times with one grid share each are remembered, and for so long, in s.
_PIECES: Final = 2000
_REMEMBERED_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What energy costs, as far as that is known."""

    prices: Prices = ()
    """What a kWh from the grid costs over time; also of the past, as far as known."""
    fixed_price: float | None = None
    """What it costs where there is no such price; None: that is not known."""
    feed_in_price: float = 0.0
    """What a kWh of sun would have earned."""

    @property
    def known(self) -> bool:
        """Return whether any price of the grid is known."""
        return bool(self.prices) or self.fixed_price is not None

    def over(self, begin: datetime, end: datetime) -> Iterator[tuple[float, float]]:
        """Yield a share of the time, and what a kWh from the grid cost then.

        Shares of which the price is not known are left out. A moment is a time, too.
        """
        begin, end = begin.astimezone(UTC), end.astimezone(UTC)
        end = max(begin, end)
        index = max(bisect_right(self.prices, begin, key=_start) - 1, 0)
        last = bisect_right(self.prices, end, key=_start)
        total, known = (end - begin) / _SECOND, 0.0
        for slot in self.prices[index:last]:
            # In local time two moments with an hour between them may compare as one.
            first, until = max(_start(slot), begin), _end(slot)
            if total == 0:
                if first <= begin < until:
                    known = 1.0
                    yield known, slot.price
            elif first < (until := min(until, end)):
                share = (until - first) / _SECOND / total
                known += share
                yield share, slot.price
        if self.fixed_price is not None and known < 1.0:
            yield 1.0 - known, self.fixed_price


_SECOND: Final = timedelta(seconds=1)


def _start(slot: PriceSlot) -> datetime:
    return slot.start.astimezone(UTC)


def _end(slot: PriceSlot) -> datetime:
    return slot.end.astimezone(UTC)


def remembered(known: Prices, newer: Prices, oldest: datetime) -> Prices:
    """Return the slots of `newer`, and those of `known` from before them.

    Energy may be told a day after it flowed, and few sources tell yesterday's prices.
    What ended before `oldest` is forgotten.
    """
    if not newer:
        return known
    first = _start(newer[0])
    kept = (slot for slot in known if oldest < _end(slot) <= first)
    return (*kept, *newer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The receipt of a session, so far; empty: nothing was accounted for."""

    energy_wh: float = 0.0
    """The session's energy that it accounts for, Wh: the sum of the next two."""
    grid_wh: float = 0.0
    """Of it, from the grid, or from where nobody knows, Wh."""
    solar_wh: float = 0.0
    """Of it, from the sun, Wh."""
    unmetered_wh: float = 0.0
    """Of it, flowed while no reading of the grid told where from, Wh."""
    unpriced_wh: float = 0.0
    """Of it, without a known price and so not in `cost`, Wh."""
    cost: float | None = None
    """What it cost, in Home Assistant's currency; None: no price was ever known."""
    until: datetime | None = None
    """The time of the newest reading that is in it, UTC; None: there is none."""

    @property
    def solar_share(self) -> float | None:
        """Return the share of the sun, in %; None: nobody knows where any came from."""
        if self.energy_wh <= 0 or self.unmetered_wh >= self.energy_wh:
            return None
        return self.solar_wh / self.energy_wh * 100

    def add(
        self,
        energy_wh: float,
        *,
        begin: datetime,
        end: datetime,
        grid_share: float | None,
        tariff: Tariff,
    ) -> Self:
        """Account for a session's energy so far, `energy_wh` Wh.

        What is new of it flowed from `begin` to `end`, `grid_share` (0 to 1; None: not
        known, so all) of it from the grid. What is accounted for already, and less than
        that, adds nothing: the same reading may come again.
        """
        gained = max(energy_wh - self.energy_wh, 0.0)
        share = 1.0 if grid_share is None else min(max(grid_share, 0.0), 1.0)
        # One is the rest of the other: they add up.
        grid_wh = gained * share
        solar_wh = gained - grid_wh
        cost, priced = 0.0, 0.0
        for part, price in tariff.over(begin, end):
            cost += grid_wh * part * price / 1000
            priced += part
        known = priced > 0
        unpriced_wh = grid_wh * (1.0 - priced) if priced < 1.0 - _ROUNDING else 0.0
        if tariff.known:
            cost += solar_wh * tariff.feed_in_price / 1000
            known = known or solar_wh > 0
        else:
            unpriced_wh += solar_wh
        return replace(
            self,
            energy_wh=self.energy_wh + gained,
            grid_wh=self.grid_wh + grid_wh,
            solar_wh=self.solar_wh + solar_wh,
            unmetered_wh=self.unmetered_wh + (gained if grid_share is None else 0.0),
            unpriced_wh=self.unpriced_wh + unpriced_wh,
            cost=(self.cost or 0.0) + cost if known else self.cost,
            until=max(begin.astimezone(UTC), end.astimezone(UTC)),
        )


def more_complete(known: Receipt, newer: Receipt) -> Receipt:
    """Return which of two receipts of one session accounts for more of it."""
    if newer.energy_wh != known.energy_wh:
        return max(known, newer, key=lambda receipt: receipt.energy_wh)
    return newer if newer.unpriced_wh < known.unpriced_wh else known


@dataclass(frozen=True, slots=True)
class _Piece:
    """A time in which nothing changed."""

    begin: float
    """When it began, s."""
    end: float
    """When it ended, s."""
    power_w: float
    """What the wallbox drew, W."""
    grid_share: float
    """How much of that was import, 0 to 1."""


class GridShare:
    """How much of what one wallbox draws is import, over time.

    All times are those of the steady clock, in s.
    """

    def __init__(self) -> None:
        """Begin without a reading."""
        self._pieces: deque[_Piece] = deque(maxlen=_PIECES)
        self._stands: _Piece | None = None
        """What was heard last, and until when it counts at most."""

    def heard(
        self,
        *,
        at: float,
        import_w: float | None,
        power_w: float | None,
        others_w: float = 0.0,
        stands_until: float,
    ) -> None:
        """Take what grid and wallbox say at `at`; call it when either says anything.

        `import_w`: from the grid, W, negative: into it; `power_w`: what this wallbox
        draws, W; None: not known. `others_w`: what the other wallboxes draw, W: import
        is shared in proportion. It counts until the next call, `stands_until` at most:
        when the older of the two readings is too old to say anything.
        """
        self._close(at)
        if import_w is None or power_w is None:
            self._stands = None
            return
        drawn_w = max(power_w, 0.0) + max(others_w, 0.0)
        share = min(max(import_w, 0.0) / drawn_w, 1.0) if drawn_w > 0 else 1.0
        self._stands = _Piece(at, stands_until, max(power_w, 0.0), share)

    def mean(self, begin: float, end: float) -> float | None:
        """Return the share of the energy from `begin` to `end` that was import, 0 to 1.

        Where it is not known, all counts as import. None: it is nowhere known.
        """
        drawn = imported = covered_s = 0.0
        pieces = list(self._pieces)
        if self._stands is not None:
            pieces.append(self._stands)
        for piece in reversed(pieces):
            if piece.end <= begin:
                break
            seconds = min(piece.end, end) - max(piece.begin, begin)
            if seconds > 0:
                covered_s += seconds
                drawn += piece.power_w * seconds
                imported += piece.power_w * piece.grid_share * seconds
        if drawn <= 0 or end <= begin:
            return None
        known = min(covered_s / (end - begin), 1.0)
        return 1.0 - known * (1.0 - imported / drawn)

    def _close(self, at: float) -> None:
        """End what was heard last."""
        piece, self._stands = self._stands, None
        if piece is None:
            return
        piece = replace(piece, end=min(piece.end, at))
        if piece.end <= piece.begin:
            return
        last = self._pieces[-1] if self._pieces else None
        if last is not None and replace(piece, begin=last.begin) == replace(
            last, end=piece.end if last.end == piece.begin else last.end
        ):
            self._pieces.pop()
            piece = replace(piece, begin=last.begin)
        self._pieces.append(piece)
        while self._pieces[0].end < at - _REMEMBERED_S:
            self._pieces.popleft()
