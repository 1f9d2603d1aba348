"""All wallboxes of a house, from readings and settings to the limit of each.

It remembers what the rules need of the past, and says when it is to be asked again.
`decide.py` has what is decided.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
import math
from typing import Final

from .allot import Allotted, allot
from .decide import (
    CAR_BELOW_A,
    Decision,
    Shared,
    Situation,
    decide,
)
from .fuse import FuseGuard, Rooms
from .inputs import Box, House
from .memory import Memory
from .plan import Plan
from .planning import PLAN_S, planned
from .prices import Prices
from .record import SessionRecord
from .settings import MIN_CURRENT_A, ChargingMode, HouseSettings, LimitReason
from .share import Circuit, Load
from .sun import Sun, SunLimits, SunLoad

#: What a wallbox draws that has been away for so long is the house's, in s.
_AWAY_S: Final = 90.0


#: Where these pause a car, it is not to charge whatever it takes.
_AT_STAKE: Final = (
    LimitReason.MAIN_FUSE,
    LimitReason.EXTERNAL_LIMIT,
    LimitReason.NO_METER,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is decided of a wallbox."""

    decision: Decision
    """Its limit."""
    cap_a: float | None
    """The most that it is allowed beside what its owner allows, A; None: anything."""
    forced: bool
    """Whether no car may draw more, whatever it takes: the main fuse is at stake."""
    record: SessionRecord
    """What was decided in its session."""
    asleep: bool
    """Whether its car may charge, and does not take it up."""
    plan: Plan | None
    """When it is to charge; None: nothing is planned."""


class Brain:
    """Decides on the limits of all wallboxes of a house."""

    def __init__(self, time_zone: tzinfo) -> None:
        """Begin without readings; `time_zone` is that of `ready_by`."""
        self._time_zone = time_zone
        self._settings = HouseSettings()
        self._house_phases: tuple[int, ...] = ()
        self._guard: FuseGuard | None = None
        self._sun = Sun(meter_timeout_s=self._settings.meter_timeout_s)
        self._memories: dict[str, Memory] = {}

    def configure(self, settings: HouseSettings, house_phases: Sequence[int]) -> None:
        """Take what is set for the house, and which of its phases are measured.

        Where what the fuse needs changes, its readings begin anew.
        """
        phases = tuple(house_phases)
        before, self._settings = self._settings, settings
        self._sun.configure(meter_timeout_s=settings.meter_timeout_s)
        if (_of_fuse(settings), phases) == (_of_fuse(before), self._house_phases):
            return
        self._house_phases = phases
        self._guard = None
        if settings.main_fuse_a is not None and phases:
            self._guard = FuseGuard(
                fuse_a=settings.main_fuse_a,
                phase_order=settings.phase_order,
                meter_timeout_s=settings.meter_timeout_s,
                house_phases=phases,
            )

    def set_time_zone(self, time_zone: tzinfo) -> None:
        """Take another time zone for `ready_by`."""
        self._time_zone = time_zone

    def step(
        self,
        boxes: Sequence[Box],
        house: House,
        prices: Prices | None,
        *,
        now: float,
        wall: datetime,
    ) -> tuple[dict[str, Outcome], float | None]:
        """Decide; return what of each wallbox, and when to ask again at the latest.

        `prices` are None while nobody has told them yet. `now` is by the steady clock,
        in s, `wall` wall time. To be asked at each new reading, setting and state of a
        wallbox.
        """
        boxes = sorted(boxes, key=_rank)
        self._forget({box.key for box in boxes})
        gone = self._gone(boxes, now)
        here = [box for box in boxes if box.key not in gone]
        self._note(here, house, now)
        settled = {box.key for box in here if self._memories[box.key].settle(box, now)}
        if settled and self._guard is not None:
            self._guard.reconsider()
        dues: list[float] = []
        situations: dict[str, Situation] = {}
        for box in boxes:
            memory = self._remember(box)
            situations[box.key] = self._situation(box, memory, now, wall, prices)
        sun = self._shine(boxes, situations, house, now)
        rooms = None if self._guard is None else self._guard.rooms(now)
        left = self._share(boxes, situations, house, rooms, gone)
        unknown = (rooms is not None and rooms.unknown) or house.external_unknown
        outcomes = {
            box.key: self._decide(
                box, situations[box.key], left[box.key], now, unknown=unknown
            )
            for box in boxes
        }
        if self._guard is not None:
            for box in here:
                # A car may follow before there is a word of it.
                limit = outcomes[box.key].decision.limit_a
                self._guard.note_wallbox(
                    box.key,
                    limit_a=max(box.in_force_a, limit),
                    lowest_a=min(box.lowest_a, limit),
                    idle=box.idle,
                    now=now,
                )
        if sun is not None and sun.due is not None:
            dues.append(sun.due)
        if rooms is not None and rooms.due is not None:
            dues.append(rooms.due)
        for box in boxes:
            dues.extend(self._dues(box, now, wall))
        return outcomes, min((due for due in dues if due > now), default=None)

    # What is known

    def _forget(self, keys: set[str]) -> None:
        """Forget wallboxes that are there no more."""
        for key in self._memories.keys() - keys:
            del self._memories[key]
            self._sun.remove(key)
            if self._guard is not None:
                self._guard.remove(key)

    def _gone(self, boxes: Sequence[Box], now: float) -> set[str]:
        """Return which wallboxes are away: what they draw belongs to the house.

        Nobody waits for what they would have to give up first.
        """
        gone: set[str] = set()
        for box in boxes:
            memory = self._memories.setdefault(box.key, Memory())
            if box.connected:
                memory.away_since = None
            elif memory.away_since is None:
                memory.away_since = now
            elif now >= memory.away_since + _AWAY_S:
                gone.add(box.key)
                if self._guard is not None:
                    self._guard.remove(box.key)
        return gone

    def _remember(self, box: Box) -> Memory:
        """Return what is remembered of a wallbox: of this session."""
        memory = self._memories[box.key]
        if memory.new:
            memory.new = False
            if box.charging:
                self._sun.resume(box.key)
        memory.follow(box)
        return memory

    def _note(self, boxes: Sequence[Box], house: House, now: float) -> None:
        """Take what was read."""
        guard = self._guard
        for box in boxes:
            self._sun.note_idle(box.key, idle=box.idle, now=now)
            if box.heard_at is not None and box.power_w is not None:
                self._sun.note_power(box.key, box.power_w, box.heard_at)
            if guard is None:
                continue
            guard.note_wallbox(
                box.key,
                limit_a=box.in_force_a,
                lowest_a=min(box.lowest_a, box.in_force_a),
                idle=box.idle,
                now=now,
            )
            if box.heard_at is not None and box.currents:
                guard.note_currents(box.key, box.currents, box.heard_at)
        if guard is not None:
            for phase in self._house_phases:
                reading = house.currents.get(phase)
                guard.note_house(phase, *(reading or (None, now)))
        self._sun.note_grid(*(house.grid or (None, now)))

    def _situation(
        self,
        box: Box,
        memory: Memory,
        now: float,
        wall: datetime,
        prices: Prices | None,
    ) -> Situation:
        """Return what bears on a wallbox by itself."""
        settings, record = box.settings, box.record
        target_wh = settings.target_energy * 1000
        reached = (
            target_wh > 0
            and box.session is not None
            and box.energy_wh >= target_wh
            and record.waived != settings.target_energy
        )
        waits = settings.start_at is not None and settings.start_at > wall
        plan = None
        if settings.plan and target_wh > 0 and not reached:
            plan = planned(box, memory, now, wall, prices, self._time_zone)
        else:
            memory.plan = None
        return Situation(
            current_limit_a=box.current_limit_a,
            allowed=box.allowed,
            scheduled_a=box.scheduled_a,
            scheduled_until=box.scheduled_until,
            start_at=settings.start_at if waits else None,
            # Without a grid meter there is no such choice to be made.
            mode=settings.charging_mode
            if self._settings.has_grid
            else ChargingMode.FAST,
            plan=plan,
            target_reached=reached,
            hold=box.charged and memory.mode_on and not record.pauses_left,
            in_session=box.session is not None,
            charging=box.charging,
            car_paused=box.car_paused,
            full=box.full,
            asleep=memory.car.asleep,
            out_of_service=box.out_of_service,
            # A car that takes less than it may does so of another limit, too.
            drawn_a=box.drawn_a
            if memory.takes_less or memory.taken_up(box, now)
            else None,
            given_a=box.given_a,
        )

    # What follows from it

    def _shine(
        self,
        boxes: Sequence[Box],
        situations: dict[str, Situation],
        house: House,
        now: float,
    ) -> SunLimits | None:
        """Add to the situations what the sun gives."""
        loads = []
        for box in boxes:
            situation = situations[box.key]
            planned = situation.plan is not None and situation.plan.active
            if situation.mode is ChargingMode.FAST or planned:
                continue
            # What else holds it back leaves the sun to others.
            wish = decide(replace(situation, mode=ChargingMode.FAST, plan=None))
            loads.append(
                SunLoad(
                    key=box.key,
                    # One that is not paused any more holds 6 A, as that mode does.
                    mode=ChargingMode.SOLAR_MIN if situation.hold else situation.mode,
                    watts_per_amp=box.watts_per_amp,
                    wish_a=wish.limit_a,
                    idle=box.session is None or box.full or wish.limit_a == 0,
                    charging=box.charging,
                )
            )
        sun = self._sun.take(loads, now)
        silent = (
            house.grid is None or now - house.grid[1] >= self._settings.meter_timeout_s
        )
        for key, limit in sun.limits.items():
            situations[key] = replace(
                situations[key], sun_a=float(limit.amps), grid_silent=silent
            )
        return sun if loads else None

    def _share(
        self,
        boxes: Sequence[Box],
        situations: Mapping[str, Situation],
        house: House,
        rooms: Rooms | None,
        gone: Set[str],
    ) -> dict[str, Allotted]:
        """Return what is left for each of what they share."""
        circuits: list[Circuit] = []
        if self._guard is not None and rooms is not None:
            phases = {box.key: box.phases for box in boxes}
            circuits += self._guard.circuits(rooms, phases)
        if house.external_a is not None:
            circuits.append(
                Circuit(
                    reason=LimitReason.EXTERNAL_LIMIT,
                    capacity=house.external_a,
                    weights={box.key: 1.0 for box in boxes},
                )
            )
        if house.external_w is not None:
            circuits.append(
                Circuit(
                    reason=LimitReason.EXTERNAL_LIMIT,
                    capacity=house.external_w,
                    weights={
                        box.key: self._memories[box.key].watts_per_amp(box)
                        for box in boxes
                    },
                )
            )
        loads = [
            Load(
                key=box.key,
                wish_a=decide(situations[box.key]).limit_a,
                idle=box.session is None,
            )
            for box in boxes
        ]
        return allot(
            loads,
            {box.key: box.most_a for box in boxes},
            circuits,
            held=None if rooms is None else rooms.held,
            gone=gone,
            rooms_a=() if rooms is None else rooms.amps.values(),
        )

    def _decide(
        self,
        box: Box,
        situation: Situation,
        left: Allotted,
        now: float,
        *,
        unknown: bool,
    ) -> Outcome:
        """Decide on a wallbox, and remember what the next decision needs."""
        memory, record = self._memories[box.key], box.record
        if record.waived != box.settings.target_energy:
            record = replace(record, waived=None)
        # Whether mode and plan pause it, and nothing else does.
        free = replace(situation, mode=ChargingMode.FAST, plan=None)
        alone = decide(situation)
        if decide(free).limit_a >= MIN_CURRENT_A:
            on = alone.mode_a >= MIN_CURRENT_A
            if memory.mode_on and not on and box.charged:
                record = replace(record, pauses=record.pauses + 1)
            memory.mode_on = on
        bounds: list[Shared] = []
        if left.share.reason is not None:
            bounds.append(Shared(amps=left.share.amps, reason=left.share.reason))
        if self._guard is not None and memory.waits_for_room(now):
            bounds.append(Shared(amps=0.0, reason=LimitReason.MAIN_FUSE))
        if self._guard is not None and not memory.settled and not unknown:
            # The one of before the start may be any, and it is not to rise.
            least = Shared(amps=MIN_CURRENT_A, reason=LimitReason.MAIN_FUSE)
            bounds.append(least)
        if unknown:
            safe = self._settings.safe_current_a
            bounds.append(Shared(amps=safe, reason=LimitReason.NO_METER))
        if bounds:
            strictest = min(bounds, key=lambda bound: bound.amps)
            situation = replace(situation, shared=strictest)
        decision = decide(situation)
        record = replace(record, takes_a=_takes(box, memory, decision, now))
        record = memory.limit(decision, now, record=record, charged=box.charged)
        if memory.taken_up(box, now):
            memory.takes_less = box.charging and decision.reason is LimitReason.CAR
        memory.car = memory.car.step(
            now,
            waits=(
                box.session is not None
                and box.authorized
                and not box.charging
                and not box.full
                and not box.out_of_service
                and decision.limit_a >= MIN_CURRENT_A
                and (box.holds or memory.car.off_until is not None)
            ),
            wakes=record.wakes,
        )
        if memory.car.woken:
            record = replace(record, wakes=record.wakes + 1)
        off = memory.car.off_until is not None and now < memory.car.off_until
        caps = [decision.cap_a, left.at_once_a, 0.0 if off else None]
        cap_a = min(amps for amps in caps if amps is not None)
        return Outcome(
            decision=decision,
            cap_a=None if math.isinf(cap_a) else cap_a,
            forced=decision.reason in _AT_STAKE,
            record=record,
            asleep=memory.car.asleep,
            plan=memory.plan,
        )

    def _dues(self, box: Box, now: float, wall: datetime) -> list[float]:
        """Return when anything of a wallbox changes by itself, in s."""
        memory = self._memories[box.key]
        dues: list[float] = []
        if memory.car.due is not None:
            dues.append(memory.car.due)
        if memory.settles_at is not None:
            dues.append(memory.settles_at)
        if memory.away_since is not None:
            dues.append(memory.away_since + _AWAY_S)
        dues.append(memory.room_waits_until)
        moments = [box.settings.start_at, box.scheduled_until]
        if memory.plan is not None:
            dues.append(memory.planned_at + PLAN_S)
            moments.append(memory.plan.next_change(wall))
        dues += [
            now + (moment - wall) / timedelta(seconds=1)
            for moment in moments
            if moment is not None and moment > wall
        ]
        return dues


def _of_fuse(settings: HouseSettings) -> tuple[object, ...]:
    """Return what is set for the main fuse."""
    return settings.main_fuse_a, settings.phase_order, settings.meter_timeout_s


def _takes(box: Box, memory: Memory, decision: Decision, now: float) -> float | None:
    """Return the most that a car took where it might have taken more, in whole A."""
    before = box.record.takes_a
    if not box.charging or not memory.taken_up(box, now) or box.drawn_a is None:
        return before
    takes = float(math.ceil(box.drawn_a))
    if before is not None:
        return max(before, takes)
    return takes if box.drawn_a < decision.limit_a - CAR_BELOW_A else None


def _rank(box: Box) -> tuple[bool, bool, float, str]:
    """Return the place of a wallbox: the session that began first comes first.

    A car that is full comes after those that are not, and so does a wallbox that gives
    nothing: it would keep what it leaves.
    """
    leaves = box.full or box.out_of_service
    if box.session is None or box.began is None:
        return box.session is None, leaves, math.inf, box.key
    return False, leaves, box.began.timestamp(), box.key
