"""The cheapest parts of a time whose prices change on a grid: dynamic programming.

Exact, and as fast whatever the prices are. One piece at most is used in part: so what
of it is used follows from the number of the whole ones, and from whether the first and
the last piece, which are shorter, are used.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

#: More pieces take too long.
MOST_PIECES: Final = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What is asked: pieces of one length, the first and the last not longer."""

    lengths: list[int]
    """How long each piece is."""
    costs: list[float]
    """What the whole of each costs."""
    late: list[bool]
    """Of which only the end may be used when not all of it is."""
    needed: int
    """How long the parts are together."""
    max_windows: int
    """How many windows there may be."""
    window_cost: float
    """What each window costs beside."""
    going_on: bool
    """Whether a window runs: it costs `window_cost` to end, nothing to go on."""


class _State(NamedTuple):
    """Where a way through the pieces is."""

    cut: bool
    """Whether a piece was used in part."""
    edge: int
    """Before a cut: whether the first piece is used; after it: whether the last is."""
    windows: int
    """How many windows began."""
    inside: bool
    """Whether the piece before is used to its end."""
    whole: int
    """Whole pieces that are used (before a cut), that are still to be used (after)."""


class _Option(NamedTuple):
    """A way to a state."""

    cost: float
    before: _State
    use: int
    """Of the piece: 0 nothing, 1 all of it, 2 its end, 3 its beginning."""


#: By edge, windows, inside: costs by count.
type _Table = dict[tuple[int, int, bool], list[float]]


def _least(first: list[float], second: list[float]) -> list[float]:
    """Return the least of two, one by one."""
    return list(map(min, first, second, strict=True))


class GridSearch:
    """One search."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._step = grid.lengths[1]
        self._inner = len(grid.lengths) - 2
        first, last = grid.lengths[0], grid.lengths[-1]
        #: By use of the first and the last piece: whole pieces, and what is cut.
        self._cuts: dict[tuple[int, int], tuple[int, int]] = {}
        for begin in (0, 1):
            for end in (0, 1):
                rest = grid.needed - begin * first - end * last
                if rest >= 0:
                    self._cuts[begin, end] = divmod(rest, self._step)
        self._most = min(max(whole for whole, _ in self._cuts.values()), self._inner)
        self._never = [inf] * (self._most + 1)
        self._whole: list[_Table] = []
        self._cut: list[_Table] = []

    def _starts(self) -> Iterator[tuple[_State, float, int]]:
        """Yield the states behind the first piece: cost, and use of it."""
        grid = self._grid
        begin = grid.window_cost
        outside = begin if grid.going_on else 0.0
        yield _State(False, 0, 0, False, 0), outside, 0
        if (1, 0) in self._cuts:
            cost = grid.costs[0] + (0.0 if grid.going_on else begin)
            yield _State(False, 1, 1, True, 0), cost, 1
        for end in (0, 1):
            if (0, end) not in self._cuts:
                continue
            count, rest = self._cuts[0, end]
            if count > self._most or not 0 < rest < grid.lengths[0]:
                continue
            cost = grid.costs[0] * rest / grid.lengths[0]
            yield _State(True, end, 1, True, count), outside + begin + cost, 2
            if grid.going_on and not grid.late[0]:
                yield _State(True, end, 1, False, count), cost, 3

    def _tables(self) -> None:
        """Fill the tables, piece by piece."""
        whole: _Table = {}
        cut: _Table = {}
        for state, cost, _ in self._starts():
            table = cut if state.cut else whole
            key = state.edge, state.windows, state.inside
            costs = table.setdefault(key, self._never.copy())
            costs[state.whole] = min(costs[state.whole], cost)
        self._whole, self._cut = [whole], [cut]
        for index in range(1, self._inner + 1):
            before = whole
            whole = self._wholly(before, index)
            cut = self._in_part(before, cut, index)
            self._whole.append(whole)
            self._cut.append(cut)

    def _wholly(self, table: _Table, index: int) -> _Table:
        """Return the table behind a piece, of ways without a cut."""
        cost, begin = self._grid.costs[index], self._grid.window_cost
        result: _Table = {}
        for (edge, windows, inside), costs in table.items():
            key = edge, windows, False
            result[key] = _least(result[key], costs) if key in result else costs
            used = windows if inside else windows + 1
            if used <= self._grid.max_windows:
                more = cost if inside else cost + begin
                after = [inf, *(value + more for value in costs[:-1])]
                key = edge, used, True
                result[key] = _least(result[key], after) if key in result else after
        return result

    def _in_part(self, whole: _Table, table: _Table, index: int) -> _Table:
        """Return the table behind a piece, of ways with a cut, in it or before it."""
        grid = self._grid
        cost, begin = grid.costs[index], grid.window_cost
        result: _Table = {}

        def take(key: tuple[int, int, bool], costs: list[float]) -> None:
            """Keep what is the least."""
            result[key] = _least(result[key], costs) if key in result else costs

        for (edge, windows, inside), costs in table.items():
            take((edge, windows, False), costs)
            used = windows if inside else windows + 1
            if used <= grid.max_windows:
                more = cost if inside else cost + begin
                take((edge, used, True), [*(value + more for value in costs[1:]), inf])
        for (edge, windows, inside), costs in whole.items():
            for end in (0, 1):
                count, rest = self._cuts.get((edge, end), (0, 0))
                if not rest:
                    continue
                # By what is still to be used, instead of by what is.
                backwards = (
                    costs[count::-1]
                    if count <= self._most
                    else ([inf] * (count - self._most) + costs[::-1])
                )
                part = cost * rest / self._step
                size = self._most + 1
                paid = [value + part for value in backwards[:size]]
                paid += [inf] * (size - len(paid))
                if inside and not grid.late[index]:
                    take((end, windows, False), paid)
                if windows < grid.max_windows:
                    take((end, windows + 1, True), [value + begin for value in paid])
        return result

    def _value(self, index: int, state: _State) -> float:
        """Return the least cost of a state behind a piece."""
        table = (self._cut if state.cut else self._whole)[index]
        costs = table.get((state.edge, state.windows, state.inside))
        if costs is None or not 0 <= state.whole <= self._most:
            return inf
        return costs[state.whole]

    def _options(self, index: int, state: _State) -> Iterator[_Option]:
        """Yield the ways to a state behind an inner piece."""
        grid = self._grid
        cost, begin = grid.costs[index], grid.window_cost
        fewer = state.windows - 1
        count = state.whole + (1 if state.cut else -1)
        ways: list[tuple[_State, float, int]] = []
        if state.inside:
            ways = [
                (state._replace(whole=count), cost, 1),
                (
                    state._replace(whole=count, windows=fewer, inside=False),
                    cost + begin,
                    1,
                ),
            ]
        else:
            ways = [(state._replace(inside=inside), 0.0, 0) for inside in (False, True)]
        for edge in (0, 1) if state.cut else ():
            whole, rest = self._cuts.get((edge, state.edge), (0, 0))
            if not rest:
                continue
            part = cost * rest / self._step
            before = _State(False, edge, state.windows, True, whole - state.whole)
            if state.inside:
                for inside in (False, True):
                    way = before._replace(windows=fewer, inside=inside)
                    ways.append((way, part + begin, 2))
            elif not grid.late[index]:
                ways.append((before, part, 3))
        for before, more, use in ways:
            yield _Option(self._value(index - 1, before) + more, before, use)

    def _ends(self) -> Iterator[_Option]:
        """Yield the ways to the end, through the last piece."""
        grid = self._grid
        length, cost, late = grid.lengths[-1], grid.costs[-1], grid.late[-1]
        keys = [
            (table, cut) for table, cut in ((self._whole, False), (self._cut, True))
        ]
        for tables, cut in keys:
            for edge, windows, inside in tables[-1]:
                state = _State(cut, edge, windows, inside, 0)
                begin = 0.0 if inside else grid.window_cost
                room = inside or windows < grid.max_windows
                if cut:
                    if edge == 0:
                        yield _Option(self._value(self._inner, state), state, 0)
                    elif room:
                        value = self._value(self._inner, state)
                        yield _Option(value + begin + cost, state, 1)
                    continue
                for count in range(self._most + 1):
                    used = edge * grid.lengths[0] + count * self._step
                    rest = grid.needed - used
                    if not 0 <= rest <= length:
                        continue
                    state = _State(cut, edge, windows, inside, count)
                    value = self._value(self._inner, state) + cost * rest / length
                    if rest == 0:
                        yield _Option(value, state, 0)
                    elif rest == length:
                        if room:
                            yield _Option(value + begin, state, 1)
                    else:
                        if inside and not late:
                            yield _Option(value, state, 3)
                        if windows < grid.max_windows:
                            yield _Option(value + grid.window_cost, state, 2)

    def result(self) -> list[int] | None:
        """Return the use of each piece, as in an option; None: there is no way."""
        self._tables()
        option = min(self._ends(), key=lambda way: way.cost, default=None)
        if option is None or option.cost == inf:
            return None
        uses = [option.use]
        for index in range(self._inner, 0, -1):
            option = min(self._options(index, option.before), key=lambda way: way.cost)
            uses.append(option.use)
        first = [
            (cost, use) for state, cost, use in self._starts() if state == option.before
        ]
        uses.append(min(first)[1])
        return uses[::-1]
