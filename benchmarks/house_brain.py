"""The integration's own rules of charging, over days of a simulated house."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from custom_components.bmw_wallbox_victron.charging.brain import Brain
from custom_components.bmw_wallbox_victron.charging.inputs import Box, House
from custom_components.bmw_wallbox_victron.charging.prices import Prices, PriceSlot
from custom_components.bmw_wallbox_victron.charging.record import SessionRecord
from custom_components.bmw_wallbox_victron.charging.settings import (
    ChargingMode,
    ChargingSettings,
    HouseSettings,
    LimitReason,
)
from simulators.house.garage import Charging
from simulators.house.prices import Slot

from .house_day import BoxView, Day, Readings, Scenario
from .house_figures import Figures

MOST_A = 32.0
"""The owner's limit, A."""
_PHASES_KNOWN_WH = 100.0
_USED_A = 1.0


@dataclass(slots=True)
class _Session:
    """What is kept with a session, also over a restart."""

    since_s: float | None = None
    """When it began."""
    record: SessionRecord = field(default_factory=SessionRecord)
    """What was decided in it."""
    state: Charging = Charging.IDLE
    """The last state."""
    phases: frozenset[int] = frozenset()
    """On which phases it has charged."""
    before: frozenset[int] = frozenset()
    """On which the session before it had."""
    full: bool = False
    """Whether the car stopped by itself after it had charged."""


class BrainDecider:
    """Gives a day's readings to `charging/`, as the integration does."""

    def __init__(self, scenario: Scenario) -> None:
        """Take what is set from a scenario."""
        wish = scenario.wish
        self._zone = scenario.begin.tzinfo or scenario.begin.astimezone().tzinfo
        ready_by = scenario.begin + timedelta(seconds=wish.ready_by_s)
        self._settings = ChargingSettings(
            charging_mode=ChargingMode(wish.mode),
            target_energy=wish.target_kwh,
            ready_by=ready_by.time(),
            plan=wish.plan,
        )
        self._house = HouseSettings(
            has_grid=True,
            main_fuse_a=wish.main_fuse_a,
            phase_order=wish.phase_order,
        )
        # Yesterday's car was the same.
        self._sessions = [
            _Session(before=frozenset(range(1, visits[0].car.phases + 1)))
            for visits in scenario.visits
        ]
        self._slots: tuple[Slot, ...] = ()
        self._prices: Prices = ()
        self._limits = [MOST_A for _ in scenario.wiring]
        self._seen: object = None
        self._due_s = 0.0
        self.asked = 0
        """How often it was asked to decide."""
        self.chosen = 0
        """Most pauses of a session by mode or plan."""
        self.reasons: list[LimitReason] = []
        """What sets each limit."""
        self.restart()

    def restart(self) -> None:
        """Forget what is not stored."""
        if self._zone is None:
            raise ValueError("the day has a time zone")
        self._brain = Brain(self._zone)
        self._brain.configure(self._house, (1, 2, 3))
        self._seen = None

    def step(self, readings: Readings, now: float) -> Sequence[float]:
        """Return the limits, asked at each new reading, and when that is due."""
        seen = (id(readings.grid), *map(id, readings.boxes), id(readings.prices))
        if seen == self._seen and now < self._due_s:
            return self._limits
        self._seen = seen
        self.asked += 1
        if readings.prices is not self._slots:
            self._slots = readings.prices
            self._prices = tuple(
                PriceSlot(start=each.start, end=each.end, price=each.price)
                for each in readings.prices
            )
        boxes = [
            self._box(number, view, readings, now)
            for number, view in enumerate(readings.boxes)
        ]
        grid = readings.grid
        house = House()
        if grid is not None:
            at = grid.reported_s
            house = House(
                currents={
                    phase: (abs(amperes), at)
                    for phase, amperes in enumerate(grid.current_a, 1)
                },
                grid=(grid.power_w, at),
            )
        outcomes, due = self._brain.step(
            boxes, house, self._prices, now=now, wall=readings.wall
        )
        self._due_s = now + 60 if due is None else due
        self.reasons = []
        for number, session in enumerate(self._sessions):
            outcome = outcomes[str(number)]
            session.record = outcome.record
            self.chosen = max(self.chosen, outcome.record.pauses)
            cap_a = outcome.cap_a
            self._limits[number] = MOST_A if cap_a is None else min(MOST_A, cap_a)
            self.reasons.append(outcome.decision.reason)
        return self._limits

    def _box(self, number: int, view: BoxView, readings: Readings, now: float) -> Box:
        session = self._sessions[number]
        if view.session_since_s != session.since_s:
            session = self._sessions[number] = _Session(
                since_s=view.session_since_s, before=session.phases or session.before
            )
        if view.state is not session.state:
            if view.state is Charging.CHARGING:
                session.full = False
            elif (
                view.state is Charging.SUSPENDED_EV
                and session.state is Charging.CHARGING
            ):
                session.full = True
            session.state = view.state
        session.phases |= {
            phase
            for phase, amperes in enumerate(view.current_a, 1)
            if amperes > _USED_A
        }
        here = session.since_s is not None
        phases: tuple[int, ...] = (1, 2, 3)
        if session.phases and view.session_wh >= _PHASES_KNOWN_WH:
            phases = tuple(sorted(session.phases))
        sent_a = self._limits[number]
        return Box(
            key=str(number),
            settings=self._settings,
            current_limit_a=MOST_A,
            session=session.since_s,
            began=(
                None
                if session.since_s is None
                else readings.wall - timedelta(seconds=now - session.since_s)
            ),
            record=session.record,
            energy_wh=view.session_wh,
            authorized=here,
            charging=view.state is Charging.CHARGING,
            car_paused=view.state is Charging.SUSPENDED_EV,
            charged=view.session_wh > 0,
            full=session.full,
            idle=not here,
            currents=dict(enumerate(view.current_a, 1)),
            drawn_a=max(view.current_a),
            power_w=sum(view.current_a) * 230,
            heard_at=view.told_s,
            phases=phases,
            planned_phases=len(session.phases or session.before) or 3,
            in_force_a=max(view.limit_a, sent_a),
            lowest_a=min(view.limit_a, sent_a),
            holds=view.limit_a == sent_a,
            given_a=view.limit_a if view.limit_a == sent_a else None,
        )


def live(scenario: Scenario, *, step_s: float = 1.0) -> Figures:
    """Live through a day with the integration's rules, and measure it."""
    day, decider = Day(scenario, step_s=step_s), BrainDecider(scenario)
    restarts = sorted(scenario.restarts_s)
    while not day.over:
        if restarts and day.now_s >= restarts[0]:
            restarts.pop(0)
            decider.restart()
        day.obey(decider.step(day.readings, day.now_s))
        day.advance()
    return replace(day.figures(), chosen=decider.chosen)
