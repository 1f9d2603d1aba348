"""The cheapest parts of a time that has prices, in a few windows: in plain numbers.

Exact, by a search that is led by Lagrange's bound: with a price for time itself, the
best choice of windows is found piece by piece, and bounds what any choice can cost. The
search follows what is within that bound only, which is little; where it is not, as with
prices that go up and down within each hour, dynamic programming on their grid does it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count, pairwise
from math import floor, gcd, inf
from typing import Final

from .cheapest_grid import MOST_PIECES, Grid, GridSearch

#: So many states are looked at before it goes on otherwise.
_MOST_STATES: Final = 300


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


@dataclass(frozen=True, slots=True)
class _Choice:
    """The best choice at a price of time: how long it is, and what it costs."""

    used: int
    cost: float
    runs: tuple[tuple[int, int], ...]
    """From which piece to before which one each window goes."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A piece that is used, and those before it."""

    index: int
    cut: int
    """0: wholly; -1: its end; 1: its beginning."""
    before: _Step | None


#: How promising it is, how far it is, a number; then its bound, where it is, what it
#: cost, and the way to it.
type _State = tuple[
    int, int, int, float, tuple[int, int, bool, int, int], float, _Step | None
]


class _Search:
    """One search."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        needed: int,
        max_windows: int,
        window_cost: float,
        *,
        later: float,
        going_on: bool,
    ) -> None:
        self._pieces = pieces
        self._later = later
        self._gave_up = False
        self._needed = needed
        self._max_windows = max_windows
        self._window_cost = window_cost
        self._going_on = going_on
        self._costs = [piece.price * piece.length for piece in pieces]

    def _gains(self, time_price: float) -> list[tuple[list[float], list[float]]]:
        """Return the most that each rest of the pieces gains at that price of time.

        For each number of windows that may still begin: outside one, and inside.
        """
        windows = range(self._max_windows)
        outside = [0.0] * (self._max_windows + 1)
        inside = outside
        gains = [(outside, inside)]
        for piece, cost in zip(
            reversed(self._pieces), reversed(self._costs), strict=True
        ):
            gain = time_price * piece.length - cost
            begin = gain - self._window_cost
            later = outside
            outside = [
                later[0],
                *(max(later[left + 1], begin + inside[left]) for left in windows),
            ]
            inside = [
                max(out, gain + on) for out, on in zip(later, inside, strict=True)
            ]
            gains.append((outside, inside))
        gains.reverse()
        return gains

    def _choice(
        self, time_price: float, gains: list[tuple[list[float], list[float]]]
    ) -> _Choice:
        """Return the choice that gains the most at that price of time."""
        left = self._max_windows
        begin: int | None = None
        cost = 0.0
        if self._going_on:
            if gains[0][1][left - 1] > gains[0][0][left] - self._window_cost:
                left, begin = left - 1, 0
            else:
                cost = self._window_cost
        used = 0
        runs = []
        for index, piece in enumerate(self._pieces):
            outside, inside = gains[index + 1]
            gain = time_price * piece.length - self._costs[index]
            if begin is None:
                use = (
                    left > 0
                    and gain - self._window_cost + inside[left - 1] > outside[left]
                )
                if use:
                    left -= 1
                    begin = index
                    cost += self._window_cost
            else:
                use = gain + inside[left] > outside[left]
                if not use:
                    runs.append((begin, index))
                    begin = None
            if use:
                used += piece.length
                cost += self._costs[index]
        if begin is not None:
            runs.append((begin, len(self._pieces)))
        return _Choice(used, cost, tuple(run for run in runs if run[0] < run[1]))

    def _bound(
        self,
    ) -> tuple[float, list[tuple[list[float], list[float]]], _Choice]:
        """Return the price of time that bounds best, its gains, and a choice above."""
        low = _Choice(0, self._window_cost if self._going_on else 0.0, ())
        total = sum(piece.length for piece in self._pieces)
        begin_cost = 0.0 if self._going_on else self._window_cost
        high = _Choice(total, sum(self._costs) + begin_cost, ((0, len(self._pieces)),))
        while True:
            time_price = (high.cost - low.cost) / (high.used - low.used)
            gains = self._gains(time_price)
            choice = self._choice(time_price, gains)
            gained = time_price * choice.used - choice.cost
            known = time_price * high.used - high.cost
            if gained <= known + 1e-9 * abs(known) + 1e-12 or choice.used in (
                low.used,
                high.used,
            ):
                return time_price, gains, high
            if choice.used >= self._needed:
                high = choice
            else:
                low = choice

    def _trimmed(self, choice: _Choice) -> tuple[float, list[tuple[int, int]]]:
        """Return what `choice` costs without the dearest of its ends, and its parts."""
        pieces = self._pieces
        excess = choice.used - self._needed
        runs = list(choice.runs)
        parts = [(piece.start, piece.end) for piece in pieces]
        while excess > 0:
            ends = [
                (pieces[index].price, run, index)
                for run, (begin, end) in enumerate(runs)
                for index in {begin, end - 1}
                if (index == begin and not (self._going_on and index == 0))
                or (index == end - 1 and not pieces[index].late)
                or (index == end - 1 and pieces[index].length <= excess)
            ]
            _, run, index = max(ends, default=(0.0, 0, 0))
            begin, end = runs[run]
            piece = pieces[index]
            if piece.length > excess:
                start, stop = parts[index]
                at_end = index == begin and (
                    piece.late or index > 0 or end - begin > 1 or not self._going_on
                )
                parts[index] = (
                    (start + excess, stop) if at_end else (start, stop - excess)
                )
                break
            excess -= piece.length
            if end - begin == 1:
                del runs[run]
            else:
                runs[run] = (begin + 1, end) if index == begin else (begin, end - 1)
        left = [index for begin, end in runs for index in range(begin, end)]
        used = [parts[index] for index in left]
        cost = sum(
            pieces[index].price * (parts[index][1] - parts[index][0]) for index in left
        )
        windows = 1 + sum(end < start for (_, end), (start, _) in pairwise(used))
        if self._going_on:
            windows += -1 if used[0][0] == pieces[0].start else 1
        return cost + windows * self._window_cost, used

    def result(self) -> list[tuple[int, int]]:
        """Return what is to be used: parts of pieces, in order."""
        time_price, gains, above = self._bound()
        most, parts = self._trimmed(above)
        found = self._search(time_price, gains, most)
        if self._gave_up:
            found = self._on_grid() or found
        return parts if found is None else found

    def _on_grid(self) -> list[tuple[int, int]] | None:
        """Return the cheapest parts of pieces on a grid; None: they are on none."""
        cells = list(self._cells())
        if not 3 <= len(cells) <= MOST_PIECES:
            return None
        grid = Grid(
            lengths=[cell.length for cell in cells],
            costs=[cell.price * cell.length for cell in cells],
            late=[cell.late for cell in cells],
            needed=self._needed,
            max_windows=self._max_windows,
            window_cost=self._window_cost,
            going_on=self._going_on,
        )
        uses = GridSearch(grid).result()
        if uses is None:
            return None
        whole = sum(
            cell.length for cell, use in zip(cells, uses, strict=True) if use == 1
        )
        rest = self._needed - whole
        parts = []
        for cell, use in zip(cells, uses, strict=True):
            start = cell.end - rest if use == 2 else cell.start
            end = cell.start + rest if use == 3 else cell.end
            if use:
                parts.append((start, end))
        return parts

    def _cells(self) -> Iterator[Piece]:
        """Yield the pieces, split where a grid is finer than they are."""
        step = gcd(*(piece.length for piece in self._pieces[1:-1]))
        if not step:
            return
        grid = self._pieces[0].end
        for piece in self._pieces:
            start = piece.start
            while start < piece.end:
                end = min(start + step - (start - grid) % step, piece.end)
                earlier = (piece.start + piece.end - start - end) / 2
                price = piece.price + self._later * earlier
                yield replace(piece, start=start, end=end, price=price)
                start = end

    def _search(
        self,
        time_price: float,
        gains: list[tuple[list[float], list[float]]],
        most: float,
    ) -> list[tuple[int, int]] | None:
        """Return the cheapest parts; None: none is cheaper than `most`."""
        pieces, needed, costs = self._pieces, self._needed, self._costs
        window_cost = self._window_cost
        ends = len(pieces)
        behind = [0] * (ends + 1)
        for index in range(ends - 1, -1, -1):
            behind[index] = behind[index + 1] + pieces[index].length
        order = count()
        best: tuple[_Step | None, int] | None = None
        heap: list[_State] = []
        least = time_price * needed - gains[0][0][self._max_windows]
        grain = max(window_cost, 1e-6 * abs(most), 1e-12)

        def push(
            index: int,
            left: int,
            inside: bool,
            cut: int,
            used: int,
            cost: float,
            steps: _Step | None,
        ) -> None:
            """Keep a state, if it can become the cheapest."""
            nonlocal best, most
            slack = 0 if cut < 0 else pieces[cut].length
            missing = needed - used
            if missing < 0 or missing > behind[index] + slack:
                return
            if index == ends:
                if (cut >= 0) != (missing > 0):
                    return
                if cut >= 0:
                    cost += pieces[cut].price * missing
                if cost < most:
                    best, most = (steps, missing), cost
                return
            bound = cost + time_price * missing - gains[index][inside][left]
            if cut >= 0:
                bound += min(0.0, costs[cut] - time_price * slack)
            if bound < most:
                # Of those as promising the one that is the furthest comes first.
                level = floor((bound - least) / grain)
                state = (index, left, inside, cut, used)
                heappush(heap, (level, -index, next(order), bound, state, cost, steps))

        windows = self._max_windows
        push(0, windows, False, -1, 0, window_cost if self._going_on else 0.0, None)
        if self._going_on:
            push(0, windows - 1, True, -1, 0, 0.0, None)
        seen: dict[tuple[int, int, bool, int, int], float] = {}
        for _ in range(_MOST_STATES):
            if not heap:
                break
            _, _, _, bound, state, cost, steps = heappop(heap)
            if bound >= most or seen.get(state, inf) <= cost:
                continue
            seen[state] = cost
            index, left, inside, cut, used = state
            piece = pieces[index]
            following = index + 1
            through = used + piece.length
            paid = cost + costs[index]
            step = _Step(index, 0, steps)
            if not (inside and index == 0):
                push(following, left, False, cut, used, cost, steps)
            if inside:
                push(following, left, True, cut, through, paid, step)
            elif left:
                paid += window_cost
                push(following, left - 1, True, cut, through, paid, step)
            if cut >= 0:
                continue
            if left and not (inside and index == 0):
                step = _Step(index, -1, steps)
                begun = cost + window_cost
                push(following, left - 1, True, index, used, begun, step)
            if inside and not piece.late:
                step = _Step(index, 1, steps)
                push(following, left, False, index, used, cost, step)
        else:
            self._gave_up = True
        return None if best is None else self._parts(*best)

    def _parts(self, step: _Step | None, rest: int) -> list[tuple[int, int]]:
        """Return the parts of a way through the pieces."""
        parts = []
        while step is not None:
            piece = self._pieces[step.index]
            start, end = piece.start, piece.end
            if step.cut < 0:
                start = end - rest
            elif step.cut > 0:
                end = start + rest
            parts.append((start, end))
            step = step.before
        parts.reverse()
        return parts


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
    search = _Search(
        priced, needed, max_windows, window_cost, later=later, going_on=going_on
    )
    return search.result()
