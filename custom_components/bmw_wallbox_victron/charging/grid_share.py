"""How much of what a wallbox draws is import, over time."""

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Final

#: So many times with the same readings are remembered, and for so long, in s.
_MOST: Final = 4000
_REMEMBERED_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class _Time:
    """A time in which nothing changed."""

    begin: float
    """When it began, s."""
    end: float
    """When it ended, s."""
    import_w: float
    """What came from the grid, W."""
    power_w: float | None
    """What the wallbox drew, W; None: not known."""
    others_w: float
    """What the other wallboxes drew, W."""

    def flowed(self, mean_w: float, seconds: float) -> tuple[float, float]:
        """Return what the wallbox drew, and how much of that was import, in Ws.

        `mean_w`: what it drew where that is not known, W.
        """
        power_w = mean_w if self.power_w is None else self.power_w
        all_w = power_w + self.others_w
        share = min(self.import_w / all_w, 1.0) if all_w > 0 else 1.0
        return power_w * seconds, power_w * share * seconds


class GridShare:
    """How much of what one wallbox draws is import, over time.

    All times are those of the steady clock, in s.
    """

    def __init__(self) -> None:
        """Begin without a reading."""
        self._past: list[_Time] = []
        self._stands: _Time | None = None
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
        when the reading of the grid is too old to say anything.
        """
        self._close(at)
        if import_w is not None:
            self._stands = _Time(
                at,
                stands_until,
                max(import_w, 0.0),
                None if power_w is None else max(power_w, 0.0),
                max(others_w, 0.0),
            )

    def mean(self, begin: float, end: float, energy_wh: float) -> float | None:
        """Return the share of the energy from `begin` to `end` that was import, 0 to 1.

        `energy_wh`: how much it was, Wh, spread evenly where the wallbox told no power.
        Where the grid told nothing, all counts as import. None: that is all of it.
        """
        if end <= begin:
            return None
        mean_w = energy_wh * 3600 / (end - begin)
        drawn = imported = covered_s = 0.0
        first = bisect_right(self._past, begin, key=lambda time: time.end)
        last = bisect_right(self._past, end, key=lambda time: time.begin)
        times = self._past[first:last]
        if self._stands is not None:
            times.append(self._stands)
        for time in times:
            seconds = min(time.end, end) - max(time.begin, begin)
            if seconds > 0:
                covered_s += seconds
                flowed = time.flowed(mean_w, seconds)
                drawn += flowed[0]
                imported += flowed[1]
        if drawn <= 0:
            return None
        known = min(covered_s / (end - begin), 1.0)
        return 1.0 - known * (1.0 - imported / drawn)

    def _close(self, at: float) -> None:
        """End what was heard last."""
        stood, self._stands = self._stands, None
        if stood is None or min(stood.end, at) <= stood.begin:
            return
        stood = replace(stood, end=min(stood.end, at))
        last = self._past[-1] if self._past else None
        if (
            last is not None
            and last.end == stood.begin
            and replace(last, begin=stood.begin, end=stood.end) == stood
        ):
            self._past.pop()
            stood = replace(stood, begin=last.begin)
        self._past.append(stood)
        if len(self._past) > 2 * _MOST or self._past[0].end < at - 2 * _REMEMBERED_S:
            self._past = [
                time for time in self._past[-_MOST:] if time.end > at - _REMEMBERED_S
            ]
