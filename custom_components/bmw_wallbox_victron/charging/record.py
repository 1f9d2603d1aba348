"""What was decided in a session, as far as later decisions depend on it."""

from dataclasses import dataclass


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
