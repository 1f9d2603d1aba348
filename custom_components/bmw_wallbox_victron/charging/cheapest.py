"""The cheapest parts of a time that has prices, in a few windows: in plain numbers.

Exact, by dynamic programming: piece by piece, it keeps the cheapest way to each state.
No more than one piece need be used in part, and how much of it follows from the lengths
of the others. With a price for time itself, what the rest can gain at most is known
(Lagrange's bound), so that few states are left to look at.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import gcd, inf
from typing import Final

#: So many of the most promising states are followed at first: to know what is too dear.
_NARROW: Final = 32
#: So many ways are looked at, before only as many are followed again. Prices by the
#: quarter hour never need as many, lengths that have nothing in common may.
_MOST_WAYS: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of the time that has one price; each begins where the one before ends."""

    start: int
    """When it begins, in any unit."""
    end: int
    """When it ends, in the same unit."""
    price: float
    """What a unit of it costs."""
    late: bool = False
    """Whether only its end may be used when not all of it is."""

    @property
    def length(self) -> int:
        """Return how long it is."""
        return self.end - self.start


#: What a rest of the pieces gains at most, and how much of it is used then.
type _Gain = tuple[float, int]
#: Of each rest: outside a window and inside one, by how many may still begin.
type _Gains = list[tuple[list[_Gain], list[_Gain]]]
#: Whether a window runs, how many may still begin, whether a piece was used in part,
#: and how much is used.
type _State = tuple[bool, int, bool, int]
#: A part that is used, and those before it.
type _Way = tuple[tuple[int, int], _Way] | None
#: How promising it is, what it cost, and the way to it.
type _Value = tuple[float, float, _Way]
type _Layer = dict[_State, _Value]


class _Search:
    """One search."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        needed: int,
        max_windows: int,
        window_cost: float,
        *,
        going_on: bool,
    ) -> None:
        self._pieces = pieces
        self._needed = needed
        self._max_windows = max_windows
        self._window_cost = window_cost
        self._going_on = going_on
        self._total = sum(piece.length for piece in pieces)
        # Of what is used, all but the first and the last piece is made of these.
        self._grain = gcd(*(piece.length for piece in pieces[1:-1])) or self._total + 1
        self._tails = {0, pieces[-1].length % self._grain}
        self._looked_at = 0

    def result(self) -> list[tuple[int, int]]:
        """Return what is to be used, in order."""
        time_price, gains = self._bound()
        found, cost = self._follow(time_price, gains, self._latest(), inf, narrow=True)
        found, _ = self._follow(time_price, gains, found, cost, narrow=False)
        parts = []
        while found is not None:
            part, found = found
            parts.append(part)
        return parts[::-1]

    def _latest(self) -> _Way:
        """Return the latest way."""
        way: _Way = None
        begin = self._pieces[-1].end - self._needed
        for piece in self._pieces:
            if piece.end > begin:
                way = (max(piece.start, begin), piece.end), way
        return way

    # Lagrange's bound

    def _gains(self, time_price: float) -> _Gains:
        """Return the most that each rest of the pieces gains at that price of time."""
        outside = inside = [(0.0, 0)] * (self._max_windows + 1)
        gains = [(outside, inside)]
        for piece in reversed(self._pieces):
            length = piece.length
            gain = (time_price - piece.price) * length
            begun = gain - self._window_cost
            later = outside
            outside = later[:1] + [
                max(out, (on + begun, used + length))
                for out, (on, used) in zip(later[1:], inside, strict=False)
            ]
            inside = [
                max(out, (on + gain, used + length))
                for out, (on, used) in zip(later, inside, strict=True)
            ]
            gains.append((outside, inside))
        gains.reverse()
        return gains

    def _starts(self) -> list[tuple[_State, float]]:
        """Return the states before the first piece, and what they cost."""
        outside = (False, self._max_windows, False, 0)
        if not self._going_on:
            return [(outside, 0.0)]
        return [(outside, self._window_cost), ((True, outside[1] - 1, False, 0), 0.0)]

    def _bound(self) -> tuple[float, _Gains]:
        """Return the price of time at which the best choice is about long enough.

        And what can be gained at it.
        """
        least_used, least_cost = 0, self._starts()[0][1]
        most_used = self._total
        most_cost = sum(piece.price * piece.length for piece in self._pieces)
        most_cost += 0.0 if self._going_on else self._window_cost
        while True:
            time_price = (most_cost - least_cost) / (most_used - least_used)
            gains = self._gains(time_price)
            gain, used = max(
                (gains[0][inside][left][0] - cost, gains[0][inside][left][1])
                for (inside, left, _, _), cost in self._starts()
            )
            known = time_price * most_used - most_cost
            if gain <= known + 1e-9 * abs(known) + 1e-12 or used in (
                least_used,
                most_used,
            ):
                return time_price, gains
            if used >= self._needed:
                most_used, most_cost = used, time_price * used - gain
            else:
                least_used, least_cost = used, time_price * used - gain

    # Dynamic programming: all costs are without the price of time

    def _follow(
        self,
        time_price: float,
        gains: _Gains,
        known: _Way,
        most: float,
        *,
        narrow: bool,
    ) -> tuple[_Way, float]:
        """Return the cheapest way, and its cost; `known` where none is below `most`."""
        layer: _Layer = {state: (0.0, cost, None) for state, cost in self._starts()}
        for index, rest in enumerate(gains[1:]):
            layer = self._after(index, layer, time_price, rest, most)
            if len(layer) > _NARROW and (narrow or self._looked_at > _MOST_WAYS):
                promising = sorted(layer.items(), key=lambda item: item[1][0])
                layer = dict(promising[:_NARROW])
        return min(
            ((way, cost) for _, cost, way in layer.values()),
            key=lambda item: item[1],
            default=(known, most),
        )

    def _after(
        self,
        index: int,
        layer: _Layer,
        time_price: float,
        rest: tuple[list[_Gain], list[_Gain]],
        most: float,
    ) -> _Layer:
        """Return the states behind a piece that can cost less than `most`.

        `rest`: the most that all behind it gains.
        """
        piece, window_cost = self._pieces[index], self._window_cost
        start, end, length = piece.start, piece.end, piece.length
        price = piece.price - time_price
        needed, behind = self._needed, self._pieces[-1].end - end
        following: _Layer = {}

        def push(
            inside: bool, left: int, cut: bool, used: int, cost: float, way: _Way
        ) -> None:
            """Keep the way to a state, if it can become the cheapest."""
            self._looked_at += 1
            missing = needed - used
            if not 0 <= missing <= behind or (missing and not inside and not left):
                return
            bound = cost - rest[inside][left][0]
            if bound >= most:
                return
            state = inside, left, cut, used
            if state not in following or cost < following[state][1]:
                following[state] = bound, cost, way

        for (inside, left, cut, used), (_, cost, way) in layer.items():
            goes_on = inside and index == 0
            begun = cost + window_cost
            if not goes_on:
                push(False, left, cut, used, cost, way)
            if inside or left:
                paid = (cost if inside else begun) + price * length
                fewer = left if inside else left - 1
                push(True, fewer, cut, used + length, paid, ((start, end), way))
            for part in () if cut else self._parts(index, used):
                after, paid = used + part, price * part
                if left and not goes_on:
                    cut_way = (end - part, end), way
                    push(True, left - 1, True, after, begun + paid, cut_way)
                if inside and not piece.late:
                    cut_way = (start, start + part), way
                    push(False, left, True, after, cost + paid, cut_way)
        return following

    def _parts(self, index: int, used: int) -> Iterator[int]:
        """Yield how much of a piece may be used, where it is the one used in part."""
        length, missing = self._pieces[index].length, self._needed - used
        if index == len(self._pieces) - 1:
            if 0 < missing < length:
                yield missing
            return
        for rest in {(missing - tail) % self._grain for tail in self._tails}:
            yield from range(rest or self._grain, length, self._grain)


def cheapest_parts(
    pieces: Sequence[Piece],
    needed: int,
    *,
    max_windows: int,
    window_cost: float,
    later: float,
    going_on: bool,
) -> list[tuple[int, int]]:
    """Return the cheapest parts of `pieces` that are `needed` long together, in order.

    Not more than `max_windows` windows without a gap; each costs `window_cost` beside
    the price of its time. A unit of time costs `later` more for each unit of time that
    it is earlier. `going_on`: a window runs, which costs nothing to go on with, and
    `window_cost` to end. `needed` is more than 0 and not more than there is.
    """
    last = pieces[-1].end
    priced = [
        replace(
            piece, price=piece.price + later * (last - (piece.start + piece.end) / 2)
        )
        for piece in pieces
    ]
    return _Search(priced, needed, max_windows, window_cost, going_on=going_on).result()
