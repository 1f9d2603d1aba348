"""Whether a car that may charge does, and waking one that does not."""

from dataclasses import dataclass, replace
from typing import Final

#: A car that has not begun so long after it may is asleep, in s.
ASLEEP_S: Final = 180.0
#: The limit is off for so long to wake it, in s: long enough for a car to see it.
OFF_S: Final = 15.0
#: It is woken so many times in a session at most.
MAX_WAKES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CarWatch:
    """What is known of a car that may charge. Times are in steady seconds."""

    waits_since: float | None = None
    """Since when it may charge and does not; None: it does, or may not."""
    off_until: float | None = None
    """Until when the limit is off to wake it."""
    asleep: bool = False
    """Whether it should have begun long since."""
    woken: bool = False
    """Whether that was just begun: it counts."""

    @property
    def due(self) -> float | None:
        """When to look again, though nothing happens meanwhile."""
        if self.off_until is not None:
            return self.off_until
        return None if self.waits_since is None else self.waits_since + ASLEEP_S

    def step(self, now: float, *, waits: bool, wakes: int) -> CarWatch:
        """Look at the car.

        `waits`: whether it is there, may charge and does not, and had not stopped by
        itself; asked with the limit that it has while it is not being woken. `wakes`:
        how many times it was woken in this session.
        """
        if self.off_until is not None and now < self.off_until:
            return replace(self, woken=False)
        if not waits:
            return CarWatch()
        if self.waits_since is None or self.off_until is not None:
            return CarWatch(waits_since=now, asleep=self.asleep)
        if now < self.waits_since + ASLEEP_S:
            return replace(self, woken=False)
        if wakes < MAX_WAKES:
            return CarWatch(
                waits_since=self.waits_since,
                off_until=now + OFF_S,
                asleep=True,
                woken=True,
            )
        return replace(self, asleep=True, woken=False)
