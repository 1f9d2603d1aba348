"""A wallbox and a car, as far as a fuse and the sun notice them: amperes over time.

Without messages, so that days of them cost seconds; `simulators.wallbox` is the one
that speaks. A limit is in force some time after it was sent, and the car follows it
some seconds later.
"""

from dataclasses import dataclass
from enum import StrEnum
import random
from typing import Final

LEAST_A: Final = 6.0
"""The least that a wallbox can offer, IEC 61851-1."""
_DOWN_A_S: Final = 10.0
"""How fast a car goes down, A/s."""


class Charging(StrEnum):
    """The states of OCPP 2.0.1, spelled as on the wire."""

    IDLE = "Idle"
    CHARGING = "Charging"
    SUSPENDED_EVSE = "SuspendedEVSE"
    SUSPENDED_EV = "SuspendedEV"


@dataclass(frozen=True, slots=True, kw_only=True)
class CarModel:
    """A car, and its habits."""

    phases: int = 3
    """Phases that its charger uses: 1 or 3."""
    most_a: float = 16.0
    """Most that it takes on each phase, A."""
    needs_wh: float = 40_000.0
    """What it takes until it is full, Wh."""
    follows_s: float = 1.5
    """How long after a change it begins to follow, s."""
    up_a_s: float = 2.0
    """How fast it goes up, A/s."""
    begins_s: float = 12.0
    """How long after it may again it begins, s."""
    pauses: int | None = None
    """So many pauses it bears; after that it takes no charge any more. None: any."""


class Garage:
    """A wallbox, and the car at it."""

    def __init__(self, *, seed: int = 1, most_a: float = 32.0) -> None:
        """Have no car; the wallbox enforces the most that it can."""
        self._chance = random.Random(f"garage {seed}")
        self._sent: list[tuple[float, float]] = []
        self.now_s = 0.0
        self.most_a = most_a
        self.limit_a = most_a
        """What the wallbox enforces, A; 0: a pause."""
        self.car: CarModel | None = None
        self.current_a = 0.0
        """What the car takes on each of its phases, A."""
        self.taken_wh = 0.0
        """What it has taken in this session, Wh."""
        self.pauses = 0
        """How often it was interrupted in this session."""
        self.sleeps = False
        """Whether it has had enough of that."""
        self._since_s = 0.0
        self._follows_from_s = 0.0

    @property
    def phases_a(self) -> tuple[float, float, float]:
        """What flows on each phase of the wallbox, A."""
        if self.car is None:
            return 0.0, 0.0, 0.0
        others = self.current_a if self.car.phases == 3 else 0.0
        return self.current_a, others, others

    @property
    def full(self) -> bool:
        """Whether the car takes no more."""
        return self.car is not None and self.taken_wh >= self.car.needs_wh

    @property
    def state(self) -> Charging:
        """What the wallbox says of it."""
        if self.car is None:
            return Charging.IDLE
        if self.limit_a < LEAST_A:
            return Charging.SUSPENDED_EVSE
        return Charging.CHARGING if self.current_a > 0 else Charging.SUSPENDED_EV

    def plug_in(self, car: CarModel) -> None:
        """Let a car come."""
        self.car = car
        self.taken_wh = 0.0
        self.pauses = 0
        self.sleeps = False
        self._since_s = self.now_s

    def unplug(self) -> None:
        """Let it leave."""
        self.car = None
        self.current_a = 0.0

    def send(self, limit_a: float) -> None:
        """Send a limit, A; it is in force within half a second to three."""
        due_s = self.now_s + self._chance.uniform(0.5, 3.0)
        # The next call waits for the answer of the one before.
        if self._sent:
            due_s = max(due_s, self._sent[-1][0] + 0.1)
        self._sent.append((due_s, min(limit_a, self.most_a)))

    def advance(self, seconds: float, voltage_v: float) -> None:
        """Let so many seconds pass."""
        self.now_s += seconds
        while self._sent and self._sent[0][0] <= self.now_s:
            self._enforce(self._sent.pop(0)[1])
        car = self.car
        if car is None:
            return
        self.taken_wh += sum(self.phases_a) * voltage_v * seconds / 3600
        if self.now_s < self._follows_from_s:
            return
        wanted_a = self._wanted_a(car)
        if wanted_a < self.current_a:
            self.current_a = max(wanted_a, self.current_a - _DOWN_A_S * seconds)
            if wanted_a == 0:
                self.current_a = 0.0
        elif wanted_a > self.current_a:
            least_a = self.current_a or min(LEAST_A, wanted_a)
            self.current_a = min(wanted_a, least_a + car.up_a_s * seconds)

    def _wanted_a(self, car: CarModel) -> float:
        offered_a = self.limit_a if self.limit_a >= LEAST_A else 0.0
        if self.full or self.sleeps or not offered_a:
            return 0.0
        if not self.current_a and self.now_s < self._since_s + car.begins_s:
            return 0.0
        return min(offered_a, car.most_a)

    def _enforce(self, limit_a: float) -> None:
        if limit_a == self.limit_a:
            return
        pauses, goes_on = limit_a < LEAST_A, self.limit_a < LEAST_A
        self.limit_a = limit_a
        car = self.car
        if car is None:
            return
        self._follows_from_s = self.now_s + car.follows_s
        if goes_on and not pauses:
            self._since_s = self.now_s
        if pauses and self.current_a > 0:
            self.pauses += 1
            self.sleeps = car.pauses is not None and self.pauses >= car.pauses
