"""When to charge, so that a target is met by a deadline at the cheapest hours."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from itertools import pairwise
from math import ceil
from statistics import median
from typing import Final

from .cheapest import Piece, cheapest_parts
from .prices import Prices

#: A plan has so many windows at most: each ends in a pause, and cars bear few of them.
MAX_WINDOWS: Final = 4
#: So much more time is planned than is needed.
_RESERVE: Final = 1.05
#: A window less is worth this part of what all costs: no pause for next to nothing.
_WINDOW_SHARE: Final = 0.001
#: And this part of what a usual price would make of the time: of two plans that cost
#: the same the one with fewer windows counts.
_TIE_SHARE: Final = 1e-6
#: Then the later one: this part of a price an hour.
_LATER_SHARE: Final = 1e-8
#: What is not known costs this many times what is known: it comes last.
_UNKNOWN_FACTOR: Final = 100
#: And so much more for each hour that it is earlier: as late as is safe.
_UNKNOWN_LATER_SHARE: Final = 0.01
#: Costs that differ by this part of themselves are the same.
_SAME_SHARE: Final = 0.004
#: The plan before counts while it is that much of the time needed, reserve included.
_KEPT_FROM: Final = 0.7
#: It is made longer below this: power may vary by 3 % either way, and what is left is
#: enough all the same.
_KEPT_WHOLE_FROM: Final = 0.94
#: And shorter where more than this part of all its time is not needed: that is the
#: reserve, and what power may vary. It was made for less power then.
_KEPT_SPARE: Final = 0.1
#: For how long a plan goes on whose end nobody knows.
_UNKNOWN_END: Final = timedelta(days=1)

_MICROSECOND: Final = timedelta(microseconds=1)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1) // _MICROSECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSlot:
    """A time in which to charge."""

    start: datetime
    """When it begins, UTC."""
    end: datetime
    """When it ends, UTC."""
    price: float | None
    """What a kWh costs then, in Home Assistant's currency; None: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """When to charge."""

    slots: tuple[PlanSlot, ...] = ()
    """In order; a window without a gap has one for each price."""
    enough: bool
    """Whether the target can be met by the deadline."""
    prices: Prices = field(default=(), repr=False, compare=False)
    """Those that it was made with."""
    planned: timedelta = field(default=timedelta(), repr=False, compare=False)
    """How much time it had when nothing of it was over."""

    def active(self, now: datetime) -> bool:
        """Return whether to charge at `now`."""
        now = now.astimezone(UTC)
        return any(slot.start <= now < slot.end for slot in self.slots)

    @property
    def start(self) -> datetime | None:
        """Return when the first slot begins; None: there is none."""
        return self.slots[0].start if self.slots else None

    @property
    def windows(self) -> tuple[tuple[datetime, datetime], ...]:
        """Return beginning and end of each time without a gap."""
        windows: list[tuple[datetime, datetime]] = []
        for slot in self.slots:
            if windows and windows[-1][1] == slot.start:
                windows[-1] = (windows[-1][0], slot.end)
            else:
                windows.append((slot.start, slot.end))
        return tuple(windows)

    def next_change(self, now: datetime) -> datetime | None:
        """Return when the next window begins or ends after `now`; None: never."""
        now = now.astimezone(UTC)
        moments = (moment for window in self.windows for moment in window)
        return next((moment for moment in moments if moment > now), None)


def _pieces(
    prices: Prices, now: datetime, deadline: datetime
) -> Iterator[tuple[int, int, float | None]]:
    """Yield all of the time until the deadline by its prices, in µs from now.

    They change at whole minutes: some sources leave out a slot's last second.
    """
    last = (deadline - now) // _MICROSECOND
    reached = 0
    for slot in prices[bisect_right(prices, now, key=lambda slot: _minute(slot.end)) :]:
        start = max((_minute(slot.start) - now) // _MICROSECOND, reached)
        end = min((_minute(slot.end) - now) // _MICROSECOND, last)
        if end <= start:
            continue
        yield from _unknown_hours(reached, start)
        yield start, end, slot.price
        reached = end
    yield from _unknown_hours(reached, last)


def _minute(moment: datetime) -> datetime:
    """Return the whole minute that is the nearest, UTC."""
    nearest = moment.astimezone(UTC) + _MINUTE / 2
    return nearest.replace(second=0, microsecond=0)


def _unknown_hours(start: int, end: int) -> Iterator[tuple[int, int, None]]:
    """Yield a time without prices by the hour."""
    for begin in range(start, end, _HOUR):
        yield begin, min(begin + _HOUR, end), None


def _overlaps(
    part: tuple[int, int], pieces: list[Piece]
) -> Iterator[tuple[Piece, int, int]]:
    """Yield the pieces in a part, with what of them is in it."""
    for piece in pieces:
        begin, end = max(part[0], piece.start), min(part[1], piece.end)
        if begin < end:
            yield piece, begin, end


def _cost(parts: list[tuple[int, int]], pieces: list[Piece]) -> float:
    """Return what some parts cost."""
    return sum(
        piece.price * (end - begin)
        for part in parts
        for piece, begin, end in _overlaps(part, pieces)
    )


def _least(pieces: list[Piece], length: int) -> float:
    """Return what known prices make of that time at least, in any number of windows."""
    cost = 0.0
    for piece in sorted(pieces, key=lambda piece: piece.price):
        if not piece.late:
            cost += piece.price * min(piece.length, length)
            length -= min(piece.length, length)
    return cost


def _same(parts: list[tuple[int, int]], pieces: list[Piece]) -> float:
    """Return by how much another cost may differ that is the same."""
    known = [piece for piece in pieces if not piece.late]
    return _SAME_SHARE * abs(_cost(parts, known))


def _kept(
    before: Plan | None,
    pieces: list[Piece],
    needed: int,
    max_windows: int,
    now: datetime,
) -> list[tuple[int, int]]:
    """Return what is left of the plan before, if it is as long as is needed now."""
    if before is None or not before.enough:
        return []
    parts = [
        (begin, end)
        for start, stop in before.windows
        for _, begin, end in _overlaps(
            ((start - now) // _MICROSECOND, (stop - now) // _MICROSECOND), pieces
        )
    ]
    share = _length(parts) / needed
    if share < _KEPT_FROM or _windows(parts) > max_windows:
        return []
    return parts


def _windows(parts: list[tuple[int, int]]) -> int:
    """Return in how many windows some parts are."""
    return 1 + sum(end < start for (_, end), (start, _) in pairwise(parts))


def _length(parts: list[tuple[int, int]]) -> int:
    """Return how long some parts are together."""
    return sum(end - begin for begin, end in parts)


def make_plan(
    *,
    now: datetime,
    deadline: datetime,
    energy_wh: float,
    power_w: float,
    prices: Prices,
    max_windows: int = MAX_WINDOWS,
    charging: bool = False,
    before: Plan | None = None,
) -> Plan:
    """Return when to charge `energy_wh` Wh with `power_w` W until `deadline`.

    At the cheapest hours of the prices that are known, with a reserve of 5 %. Whole
    slots of prices, the dearest of them cut, in `max_windows` windows at most; of two
    that cost the same the one with fewer windows, then the later one. Time without a
    price is used where that with prices does not suffice, as late as is safe. Without
    time enough: from now on. `charging`: whether it charges now, which is not
    interrupted for nothing. `before`: the plan that was followed until now, which goes
    on while nothing is much cheaper: power, as it is measured, always varies a little.
    None where the target, the deadline or the limit is another now.
    """
    now, deadline = now.astimezone(UTC), deadline.astimezone(UTC)
    if energy_wh <= 0:
        return Plan(enough=True)
    if power_w <= 0:
        end = max(now, deadline) + _UNKNOWN_END
        return Plan(slots=(PlanSlot(start=now, end=end, price=None),), enough=False)
    needed = ceil(energy_wh * _RESERVE / power_w * _HOUR)
    available = (deadline - now) // _MICROSECOND
    times = list(_pieces(prices, now, deadline))
    known = [price for _, _, price in times if price is not None]
    scale = median(map(abs, known)) if known else 1.0
    scale = scale or max(map(abs, known)) or 1.0

    def unknown(start: int, end: int) -> float:
        """Return what time without a price counts as."""
        hours = (available - (start + end) / 2) / _HOUR
        factor = _UNKNOWN_FACTOR * (1 + hours * _UNKNOWN_LATER_SHARE)
        return max(known, default=0.0) + scale * factor

    pieces = [
        Piece(
            start=start,
            end=end,
            price=unknown(start, end) if price is None else price,
            late=price is None,
        )
        for start, end, price in times
    ]

    most = max(max_windows, 1)

    def cheapest(length: int) -> list[tuple[int, int]]:
        """Return the cheapest parts of that length."""
        least = max(_least(pieces, length), 0.0)
        return cheapest_parts(
            pieces,
            length,
            max_windows=most,
            window_cost=_WINDOW_SHARE * least + _TIE_SHARE * scale * length,
            later=_LATER_SHARE * scale / _HOUR,
            going_on=charging,
        )

    parts = _kept(before, pieces, needed, most, now)
    planned = timedelta() if before is None else before.planned
    spare = _KEPT_SPARE * (planned // _MICROSECOND)
    if _length(parts) > needed + spare:
        parts = []
    whole = _length(parts) >= needed * _KEPT_WHOLE_FROM
    if parts and before is not None and before.prices == prices:
        # What is left of the cheapest is the cheapest. Windows that are over are so:
        # each cost the car a pause.
        most = _windows(parts)
    elif parts and needed < available:
        # Of its own length, not of the one that is needed now: was it that before?
        other = cheapest(_length(parts))
        most_cost = _cost(other, pieces) + _same(other, pieces)
        whole = whole and _cost(parts, pieces) <= most_cost
    if not whole:
        parts = []
    if not parts and needed >= available:
        end = now + needed * _MICROSECOND
        return Plan(
            slots=(PlanSlot(start=now, end=end, price=None),),
            enough=needed <= available * _RESERVE,
        )
    if not parts:
        parts, planned = cheapest(needed), needed * _MICROSECOND
    return Plan(
        slots=_slots(parts, times, now), enough=True, prices=prices, planned=planned
    )


def _slots(
    parts: list[tuple[int, int]],
    times: list[tuple[int, int, float | None]],
    now: datetime,
) -> tuple[PlanSlot, ...]:
    """Return the parts as slots: adjacent ones of one price are one."""
    joined: list[tuple[int, int, float | None]] = []
    for start, end in parts:
        price = next(price for _, last, price in times if start < last)
        if joined and joined[-1][1:] == (start, price):
            joined[-1] = (joined[-1][0], end, price)
        else:
            joined.append((start, end, price))
    return tuple(
        PlanSlot(
            start=now + start * _MICROSECOND, end=now + end * _MICROSECOND, price=p
        )
        for start, end, p in joined
    )


def next_deadline(ready_by: time, since: datetime, tz: tzinfo) -> datetime:
    """Return the first moment at `ready_by` by the clocks of `tz` after `since`, UTC.

    It may lie in the past: then it was missed. A time that clocks leave out in spring
    counts as the moment after the gap, one that they show twice the first time.
    """
    since = since.astimezone(UTC)
    day = since.astimezone(tz).date() - timedelta(days=1)
    while True:
        moment = _moment(datetime.combine(day, ready_by.replace(tzinfo=None)), tz)
        if moment > since:
            return moment
        day += timedelta(days=1)


def _moment(local: datetime, tz: tzinfo) -> datetime:
    """Return a local time in UTC."""
    moment = local.replace(tzinfo=tz, fold=0).astimezone(UTC)
    if moment.astimezone(tz).replace(tzinfo=None) == local:
        return moment
    # It lies in a gap: when do the clocks change?
    begin, end = local.replace(tzinfo=tz, fold=1).astimezone(UTC), moment
    while end - begin > _MICROSECOND:
        middle = begin + (end - begin) / 2
        if middle.astimezone(tz).utcoffset() == end.astimezone(tz).utcoffset():
            end = middle
        else:
            begin = middle
    return end
