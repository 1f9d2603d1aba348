"""A house whose wallboxes do what the brain tells them, in time that a test turns."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from custom_components.bmw_wallbox_victron.charging.brain import Brain, Outcome
from custom_components.bmw_wallbox_victron.charging.inputs import Box, House
from custom_components.bmw_wallbox_victron.charging.prices import Prices
from custom_components.bmw_wallbox_victron.charging.settings import (
    ChargingMode,
    ChargingSettings,
    HouseSettings,
    LimitReason,
)

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
SOLAR = ChargingSettings(charging_mode=ChargingMode.SOLAR)
#: What 6 A on three phases take, W.
LEAST_W = 6 * 3 * 230.0


@dataclass
class World:
    """A house with wallboxes that do at once what they are told."""

    brain: Brain = field(default_factory=lambda: Brain(UTC))
    house: HouseSettings = field(default_factory=lambda: HouseSettings(has_grid=True))
    boxes: dict[str, Box] = field(default_factory=dict)
    surplus_w: float | None = None
    base_a: float | None = None
    external_w: float | None = None
    external_unknown: bool = False
    prices: Prices = ()
    most_a: float = 32.0
    """The most that a car takes, A."""
    late: int = 0
    """So many steps a limit takes until it is followed."""
    now: float = 1000.0
    wall: datetime = NOON
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    told: dict[str, list[float]] = field(default_factory=dict)
    """The limits of late, the newest last."""

    def __post_init__(self) -> None:
        """Have a grid that is measured."""
        self.brain.configure(self.house, [])

    def add(self, key: str = "box", **changes: Any) -> None:
        """Add a wallbox, with a car of three phases that takes what it may."""
        box = Box(
            key=key,
            settings=ChargingSettings(),
            current_limit_a=16.0,
            session=f"session of {key}",
            began=self.wall,
            authorized=True,
            idle=False,
            holds=True,
        )
        self.boxes[key] = replace(box, **changes)

    def change(self, key: str = "box", **changes: Any) -> None:
        """Change what is known of a wallbox."""
        self.boxes[key] = replace(self.boxes[key], **changes)

    def step(self, seconds: float = 1.0) -> None:
        """Let time pass, and decide."""
        self.now += seconds
        self.wall += timedelta(seconds=seconds)
        drawn_w = sum(box.power_w or 0.0 for box in self.boxes.values())
        drawn_a = sum(box.drawn_a or 0.0 for box in self.boxes.values())
        house = House(
            grid=None
            if self.surplus_w is None
            else (drawn_w - self.surplus_w, self.now),
            currents={}
            if self.base_a is None
            else dict.fromkeys((1, 2, 3), (self.base_a + drawn_a, self.now)),
            external_w=self.external_w,
            external_unknown=self.external_unknown,
        )
        self.outcomes, _ = self.brain.step(
            [*self.boxes.values()], house, self.prices, now=self.now, wall=self.wall
        )
        for key, outcome in self.outcomes.items():
            self._obey(key, outcome)

    def _obey(self, key: str, outcome: Outcome) -> None:
        box = self.boxes[key]
        own = box.current_limit_a if box.allowed else 0.0
        told = self.told.setdefault(key, [])
        told.append(own if outcome.cap_a is None else min(own, outcome.cap_a))
        del told[: -self.late - 1]
        amps = told[0]
        takes = box.authorized and not box.full and not box.car_paused
        drawn = min(amps, self.most_a) if box.session is not None and takes else 0.0
        watt_hours = drawn * 3 * 230 / 3600
        self.boxes[key] = replace(
            box,
            record=outcome.record,
            in_force_a=max(told),
            lowest_a=min(told),
            charging=drawn > 0,
            charged=box.charged or drawn > 0,
            currents=dict.fromkeys((1, 2, 3), drawn),
            drawn_a=drawn,
            power_w=drawn * 3 * 230,
            heard_at=self.now,
            energy_wh=box.energy_wh + watt_hours,
        )

    def run(self, seconds: int) -> Iterator[Outcome]:
        """Let time pass second by second; yield what is decided of the first."""
        for _ in range(seconds):
            self.step()
            yield next(iter(self.outcomes.values()))

    def limit(self, key: str = "box") -> float:
        """Return what a wallbox is to draw at most, A."""
        return self.outcomes[key].decision.limit_a

    def reason(self, key: str = "box") -> LimitReason:
        """Return what sets that."""
        return self.outcomes[key].decision.reason


def run(world: World, seconds: int) -> list[Outcome]:
    """Let time pass; return what was decided meanwhile."""
    return list(world.run(seconds))
