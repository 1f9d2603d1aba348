"""What was decided in a session, as far as later decisions depend on it."""

from dataclasses import dataclass
from typing import Final

#: Cars stop taking charge up after some seven pauses in a session: so many at most come
#: from mode and plan together, ...
MAX_PAUSES: Final = 5
#: ... and fewer where the main fuse paused it as well, up to so many of all.
_MAX_OF_ALL: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """What was decided in a session; it is stored with it."""

    pauses: int = 0
    """How many times mode or plan paused a car that had charged."""
    fuse_pauses: int = 0
    """How many times the main fuse did."""
    wakes: int = 0
    """How many times a car was woken."""
    takes_a: float | None = None
    """The most that the car took, once it took less than it might have, A; None: it has
    always taken what it might."""
    waived: float | None = None
    """The target that was reached when its owner let it go on, kWh; None: never."""

    @property
    def pauses_left(self) -> int:
        """How many times mode and plan may still pause it."""
        of_all = _MAX_OF_ALL - self.pauses - self.fuse_pauses
        return max(0, min(MAX_PAUSES - self.pauses, of_all))
