"""What a session cost: energy from grid and from sun, each at its price.

Energy comes from a register that is read now and then: what flowed between two readings
is spread evenly over the time between them, and split where the price changes. All in
UTC: a local hour may be there twice. Who reads the registers calls `Receipt.add` with
each reading, and `Receipt.settled` when more prices are known.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from .prices import Prices, PriceSlot

#: What waits for its price is sorted by these, which no price changes within.
_QUARTER: Final = timedelta(minutes=15)
#: So many of them wait at most.
_MOST_OPEN: Final = 400


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which a kWh from the grid has one price."""

    begin: datetime
    """When it begins, UTC."""
    share: float
    """How much of the whole time it is, 0 to 1."""
    end: datetime
    """When it ends, UTC."""
    price: float | None
    """What a kWh costs; None: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What energy costs, as far as that is known."""

    prices: Prices = ()
    """What a kWh from the grid costs over time; also of the past, as far as known."""
    fixed_price: float | None = None
    """What it costs where there is no such price; None: that is not known."""
    feed_in_price: float = 0.0
    """What a kWh of sun would have earned."""
    awaited: bool = False
    """Whether more prices will come: what has none waits for them."""

    @property
    def known(self) -> bool:
        """Return whether anything of the grid has a price, or will have."""
        return bool(self.prices) or self.fixed_price is not None or self.awaited

    def over(self, begin: datetime, end: datetime) -> Iterator[Span]:
        """Yield the prices of a time, which may be a moment, in order."""
        begin, end = begin.astimezone(UTC), end.astimezone(UTC)
        if end <= begin:
            yield Span(begin, 1.0, begin, self._at(begin))
            return
        at = begin
        first = max(bisect_right(self.prices, begin, key=_start) - 1, 0)
        for slot in self.prices[first : bisect_right(self.prices, end, key=_start)]:
            # In local time two moments with an hour between them may compare as one.
            start, until = max(_start(slot), begin), min(_end(slot), end)
            if start < until:
                if at < start:
                    yield Span(
                        at, (start - at) / (end - begin), start, self.fixed_price
                    )
                yield Span(start, (until - start) / (end - begin), until, slot.price)
                at = until
        if at < end:
            yield Span(at, (end - at) / (end - begin), end, self.fixed_price)

    def _at(self, moment: datetime) -> float | None:
        """Return what a kWh from the grid costs at a moment."""
        index = bisect_right(self.prices, moment, key=_start) - 1
        if index >= 0 and moment < _end(self.prices[index]):
            return self.prices[index].price
        return self.fixed_price


def _start(slot: PriceSlot) -> datetime:
    return slot.start.astimezone(UTC)


def _end(slot: PriceSlot) -> datetime:
    return slot.end.astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """Energy from the grid that waits for its price."""

    begin: datetime
    """When it began to flow, UTC."""
    end: datetime
    """When it had flowed, UTC: in the same quarter of an hour."""
    wh: float
    """How much it is, Wh."""


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
    open: tuple[Unpriced, ...] = ()
    """Of what has no price, that which waits for one, in the order of time."""

    @property
    def solar_share(self) -> float | None:
        """Return the share of the sun, in %; None: nobody knows where any came from."""
        if self.energy_wh <= 0 or self.unmetered_wh >= self.energy_wh:
            return None
        return self.solar_wh / self.energy_wh * 100

    @property
    def totals(self) -> Self:
        """Return what lasts of it, once its session is over."""
        return replace(self, until=None, open=())

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
        cost, unpriced_wh = self.cost, self.unpriced_wh
        waiting: list[Unpriced] = []
        for span in tariff.over(begin, end):
            wh = grid_wh * span.share
            if span.price is not None:
                cost = (cost or 0.0) + wh * span.price / 1000
            elif wh > 0:
                unpriced_wh += wh
                if tariff.awaited:
                    waiting += _quarters(span.begin, span.end, wh)
        if tariff.known and solar_wh > 0:
            cost = (cost or 0.0) + solar_wh * tariff.feed_in_price / 1000
        elif not tariff.known:
            unpriced_wh += solar_wh
        return replace(
            self,
            energy_wh=self.energy_wh + gained,
            grid_wh=self.grid_wh + grid_wh,
            solar_wh=self.solar_wh + solar_wh,
            unmetered_wh=self.unmetered_wh + (gained if grid_share is None else 0.0),
            unpriced_wh=unpriced_wh,
            cost=cost,
            until=max(begin.astimezone(UTC), end.astimezone(UTC)),
            open=_joined(self.open, waiting) if waiting else self.open,
        )

    def settled(self, tariff: Tariff) -> Self:
        """Return it with a price for what waited, as far as that is known by now."""
        cost, unpriced_wh = self.cost, self.unpriced_wh
        waiting: list[Unpriced] = []
        for part in self.open:
            spans = list(tariff.over(part.begin, part.end))
            prices = [span.price for span in spans if span.price is not None]
            if len(prices) < len(spans):
                waiting.append(part)
                continue
            unpriced_wh = max(unpriced_wh - part.wh, 0.0)
            for span, price in zip(spans, prices, strict=True):
                cost = (cost or 0.0) + part.wh * span.share * price / 1000
        if len(waiting) == len(self.open):
            return self
        if not waiting and unpriced_wh < _ROUNDING_WH:
            unpriced_wh = 0.0
        return replace(self, cost=cost, unpriced_wh=unpriced_wh, open=tuple(waiting))


#: What adding up may be off by, in Wh.
_ROUNDING_WH: Final = 1e-6


def _quarters(begin: datetime, end: datetime, wh: float) -> Iterator[Unpriced]:
    """Yield energy by quarters of an hour."""
    at, total = begin, end - begin
    while (until := _quarter(at) + _QUARTER) < end:
        yield Unpriced(begin=at, end=until, wh=wh * ((until - at) / total))
        at = until
    yield Unpriced(begin=at, end=end, wh=wh * ((end - at) / total) if total else wh)


def _quarter(moment: datetime) -> datetime:
    """Return when the quarter of an hour began: all zones have whole ones."""
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)


def _joined(known: tuple[Unpriced, ...], newer: list[Unpriced]) -> tuple[Unpriced, ...]:
    """Put together what waits, by quarters of an hour; not without end."""
    found: dict[datetime, Unpriced] = {_quarter(part.begin): part for part in known}
    for part in newer:
        quarter = _quarter(part.begin)
        if (other := found.get(quarter)) is not None:
            part = Unpriced(
                begin=min(part.begin, other.begin),
                end=max(part.end, other.end),
                wh=part.wh + other.wh,
            )
        found[quarter] = part
    return tuple(found[quarter] for quarter in sorted(found)[-_MOST_OPEN:])


def more_complete(known: Receipt, newer: Receipt) -> Receipt:
    """Return which of two receipts of one session accounts for more of it."""
    return max(
        newer,
        known,
        key=lambda item: (item.energy_wh, -item.unpriced_wh, -item.unmetered_wh),
    )
