"""How much wallboxes may draw without the house passing its main fuse.

House and wallboxes are measured at different moments, and a car goes from 0 to 16 A
within seconds. So what the house takes without it is known only within bounds, which
the limit in force and the wallbox's readings before and after the house's set. While no
phase is over the fuse, only what is certain lowers the room. Once one is, the worst
counts at once, as another reading would come too late.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, combinations, pairwise
from math import inf
from typing import Final

from .drawn import LAG_S, NEWS_S, STALE_S, Drawn
from .settings import MIN_CURRENT_A, LimitReason
from .share import Circuit

#: More room counts once it has lasted for this, s.
HOLD_S: Final = 30.0
#: For so long once the fuse was passed so many times within an hour, from none on, s:
#: what goes on and off, as an oven does, comes again.
_HOLDS_S: Final = (HOLD_S, HOLD_S, HOLD_S, 120.0, 480.0, 1800.0)
_HOUR_S: Final = 3600.0
#: It was passed another time where that is so much later than the last time, s.
_ANOTHER_S: Final = 60.0
#: Readings of the house that follow each other faster count as one, s.
_PACE_S: Final = 0.5
#: What the house takes varies by this without any new load, A.
_TOLERANCE_A: Final = 1.0

#: What creeps up, as with clouds, is taken to go on for so long, s: until a lower limit
#: is followed, and the next one could be.
_CREEP_S: Final = 10.0
#: But for no more than this, A: it comes on top of what is lowered.
_MOST_CREEP_A: Final = 4.0
#: So many readings in a row tell that it creeps; a new load is a step.
_CREEPING: Final = 3

UNKNOWN_ORDER: Final = "unknown"
_WALLBOX_PHASES: Final = (1, 2, 3)

#: Some wallboxes, by charge point id.
type Group = frozenset[str]


def wallbox_phases(phase_order: str, house_phase: int) -> tuple[int, ...]:
    """Return which phases of a wallbox hang, or may hang, on a phase of the house."""
    if phase_order == UNKNOWN_ORDER:
        return _WALLBOX_PHASES
    position = phase_order.find(str(house_phase))
    return () if position < 0 else (position + 1,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What is left for the wallboxes on each phase of the house."""

    amps: Mapping[int, float | None]
    """For all wallboxes together, A, by house phase; None: no reading tells. Negative
    where the house alone is over the fuse."""
    groups: Mapping[int, Mapping[Group, float]]
    """The same where only some of them are on that phase, as may be where the order of
    the phases is unknown; by house phase."""
    held: Mapping[str, float]
    """What each wallbox may still be drawing by its limits of the last 10 s, A."""
    due: float | None
    """When it changes next without a new reading, in s; None: never."""

    @property
    def unknown(self) -> bool:
        """Whether a phase has no reading."""
        return None in self.amps.values()


@dataclass(slots=True)
class _Reading:
    """What the house took at one moment, and what that left for wallboxes."""

    at: float
    amps: float
    least: dict[Group, float] = field(default_factory=dict)
    """The least that it can have left for wallboxes, A."""
    seen: bool = False
    """Whether it was acted upon."""
    final: bool = False
    """Whether later readings of the wallboxes tell no more of it."""


class _HousePhase:
    """What is known of one phase of the house."""

    def __init__(self) -> None:
        self.reported: float | None = None
        self.rooms: dict[Group, float] = {}
        self.readings: deque[_Reading] = deque()
        self.settled: deque[_Reading] = deque()
        """Older ones; those of each 30 s are one, with the least of each."""
        self.passed: list[float] = []
        """When the fuse was passed in the last hour."""
        self.above: list[float] = []
        """When it was first above the fuse of late, and again after each limit."""

    def note(self, amps: float | None, at: float, timeout_s: float) -> None:
        """Take a reading, A; None: it is unavailable."""
        if amps is None or self.silent(at, timeout_s):
            self.clear()
        if amps is None:
            return
        self.reported = at
        if self.readings and at - self.readings[-1].at < _PACE_S:
            last = self.readings[-1]
            if abs(amps) > last.amps:
                last.amps, last.seen, last.final = abs(amps), False, False
            return
        self.readings.append(_Reading(at=at, amps=abs(amps)))

    def expected(self, *, first: bool) -> float:
        """Return how much more the house is about to take, if it goes on so, A.

        `first`: its newest reading is above the fuse, and was not acted upon yet. One
        that is so again and again, after each limit, is on its way up.
        """
        last = list(self.readings)[-_CREEPING:]
        at = last[-1].at
        if first:
            self.above = [each for each in self.above if each > at - HOLD_S]
            if not self.above or at >= self.above[-1] + _CREEP_S / 2:
                self.above.append(at)
        again = 2 * _TOLERANCE_A * (len(self.above) - 1)
        slope = 0.0
        if len(last) == _CREEPING:
            slope = min(
                (later.amps - earlier.amps) / (later.at - earlier.at)
                for earlier, later in pairwise(last)
            )
        return min(max(slope * _CREEP_S, again, 0.0), _MOST_CREEP_A)

    def silent(self, now: float, timeout_s: float) -> bool:
        """Return whether it has not been reported for too long."""
        return self.reported is None or now >= self.reported + timeout_s

    def clear(self) -> None:
        """Forget all: no reading tells any more."""
        self.reported = None
        self.rooms.clear()
        self.readings.clear()
        self.settled.clear()

    def reconsider(self) -> None:
        """Begin anew with the readings that there are: other wallboxes count."""
        self.rooms.clear()
        self.settled.clear()
        for reading in self.readings:
            reading.final = False

    def passes(self, at: float) -> None:
        """Take that the fuse was passed while a wallbox drew something."""
        self.passed = [each for each in self.passed if each > at - _HOUR_S]
        if not self.passed or at >= self.passed[-1] + _ANOTHER_S:
            self.passed.append(at)

    def forget(self, now: float) -> None:
        """Keep of readings that are older than 30 s, and settled, the least alone."""
        while (
            len(self.readings) > 1
            and self.readings[1].at <= now - HOLD_S
            and (self.readings[0].final or self.readings[0].at < now - STALE_S)
        ):
            reading = self.readings.popleft()
            if not self.settled or reading.at >= self.settled[-1].at + HOLD_S:
                self.settled.append(reading)
                continue
            least = self.settled[-1].least
            for group, amps in reading.least.items():
                least[group] = min(least[group], amps)
        while len(self.settled) > 1 and self.settled[1].at <= now - max(_HOLDS_S):
            self.settled.popleft()

    def hold_s(self, now: float) -> float:
        """Return for how long more room has to last until it counts, s."""
        times = sum(at > now - _HOUR_S for at in self.passed)
        return _HOLDS_S[min(times, len(_HOLDS_S) - 1)]

    def rise(self, group: Group, now: float, hold_s: float) -> float:
        """Raise the room to the least of so long; return when it rises next."""
        room = self.rooms[group]
        least = rises_at = inf
        for reading in chain(reversed(self.readings), reversed(self.settled)):
            least = min(least, reading.least[group])
            if least <= room:
                break
            if reading.at <= now - hold_s:
                # It stood for the whole of that time, with those after it.
                self.rooms[group] = least
                break
            rises_at = reading.at + hold_s
        return rises_at


class FuseGuard:
    """What wallboxes may draw so that no phase of the house passes its main fuse."""

    def __init__(
        self,
        *,
        fuse_a: float,
        phase_order: str,
        meter_timeout_s: float,
        house_phases: Iterable[int],
    ) -> None:
        """Watch the phases of the house that have a sensor, without any reading yet."""
        self._fuse_a = fuse_a
        self._order = phase_order
        self._timeout_s = meter_timeout_s
        self._house = {phase: _HousePhase() for phase in house_phases}
        self._wallboxes: dict[str, Drawn] = {}
        self._groups: tuple[Group, ...] = (frozenset(),)

    def note_house(self, phase: int, amps: float | None, at: float) -> None:
        """Take the current of a house phase, A, as of when it was reported.

        Also where it is the same as before. None: the sensor is unavailable.
        """
        self._house[phase].note(amps, at, self._timeout_s)

    def note_currents(self, key: str, currents: Mapping[int, float], at: float) -> None:
        """Take the measured current of each phase of a wallbox, A."""
        self._wallbox(key).note_currents(currents, at)

    def note_wallbox(
        self,
        key: str,
        *,
        limit_a: float,
        idle: bool,
        now: float,
        lowest_a: float | None = None,
    ) -> None:
        """Take what is in force at a wallbox.

        `limit_a` is the highest limit that may be in force, A, and `lowest_a` the
        lowest: they differ from when a limit is sent until it is known to be in force.
        `idle`: it is connected and has no session, so it draws nothing, though it may
        begin to.
        """
        lowest = limit_a if lowest_a is None else lowest_a
        self._wallbox(key).note(limit_a, lowest, now, idle=idle)

    def _wallbox(self, key: str) -> Drawn:
        if key not in self._wallboxes:
            self._wallboxes[key] = Drawn()
            self._regroup()
        return self._wallboxes[key]

    def remove(self, key: str) -> None:
        """Forget a wallbox: what it draws belongs to the house from now on."""
        if self._wallboxes.pop(key, None) is not None:
            self._regroup()

    def reconsider(self) -> None:
        """Begin anew with what is in force now, which was not known before."""
        for house in self._house.values():
            house.reconsider()

    def _regroup(self) -> None:
        """Consider which wallboxes may be on one phase of the house together.

        By a known order all are, or those that are not draw nothing there. By an
        unknown one a phase may feed any of them, so each combination counts.
        """
        keys = sorted(self._wallboxes)
        sizes = [len(keys)]
        if self._order == UNKNOWN_ORDER:
            sizes = list(range(1, len(keys) + 1))
        self._groups = tuple(
            frozenset(group) for size in sizes for group in combinations(keys, size)
        )
        self.reconsider()

    def rooms(self, now: float) -> Rooms:
        """Return what is left for the wallboxes on each phase of the house."""
        dues: list[float] = []
        for phase, house in self._house.items():
            if house.reported is None or house.silent(now, self._timeout_s):
                house.clear()
                continue
            dues.append(house.reported + self._timeout_s)
            dues.extend(self._update(phase, house, now))
        for wallbox in self._wallboxes.values():
            wallbox.forget(now - 2 * STALE_S)
            if (bound_ends := wallbox.next_bound(now)) is not None:
                dues.append(bound_ends)
        everyone = frozenset(self._wallboxes)
        groups = {
            phase: {group: min(a, self._fuse_a) for group, a in house.rooms.items()}
            for phase, house in self._house.items()
        }
        return Rooms(
            amps={phase: rooms.get(everyone) for phase, rooms in groups.items()},
            groups=groups,
            held={key: wallbox.bound(now) for key, wallbox in self._wallboxes.items()},
            due=min(dues, default=None),
        )

    def _update(self, phase: int, house: _HousePhase, now: float) -> list[float]:
        """Lower and raise the room of a phase; return when it may change by itself."""
        dues: list[float] = []
        if not house.rooms:
            # What is in force stays so, until readings say otherwise.
            for group in self._groups:
                in_force = (self._wallboxes[key].bound(now) for key in group)
                house.rooms[group] = sum(in_force)
        idle = any(wallbox.idle for wallbox in self._wallboxes.values())
        for reading in house.readings:
            if reading.final:
                continue
            self._judge(reading, house, phase, now)
            lowers = self._fuse_a - reading.amps < max(house.rooms.values())
            if idle and lowers and not reading.final:
                dues.append(reading.at + LAG_S + NEWS_S)
        house.forget(now)
        hold_s = house.hold_s(now)
        dues.extend(house.rise(group, now, hold_s) for group in self._groups)
        return [due for due in dues if now < due < inf]

    def _judge(
        self, reading: _Reading, house: _HousePhase, phase: int, now: float
    ) -> None:
        """Lower the room by a reading, as far as what it leaves is known by now."""
        left = self._fuse_a - reading.amps
        phases = wallbox_phases(self._order, phase)
        draws = {
            key: wallbox.on(phases, reading.at, now)
            for key, wallbox in self._wallboxes.items()
        }
        reading.final = all(draw.final for draw in draws.values())
        first = not reading.seen
        reading.seen = True
        passed = False
        for group in self._groups:
            own = [draws[key] for key in group]
            least = left + sum(draw.least for draw in own)
            most = left + sum(draw.most for draw in own)
            room = house.rooms[group]
            falls = sum(draw.falls for draw in own)
            # While a lower limit is being followed, the house is over its fuse without
            # any new load.
            explained = (
                falls > 0
                and left + falls >= -_TOLERANCE_A
                and left + sum(draw.shown for draw in own) >= room - _TOLERANCE_A
            )
            worst = first and left < 0 and not explained
            passed = passed or (worst and left < -_TOLERANCE_A and most > left)
            reading.least[group] = min(least, self._fuse_a)
            lower = least if worst else most
            if left < 0 and most - least <= 2 * _TOLERANCE_A:
                # It is not a car that comes up to its limit. No car is paused for it.
                ahead = lower - house.expected(first=first)
                lower = max(ahead, min(lower, MIN_CURRENT_A * len(group)))
            house.rooms[group] = min(room, lower)
        if passed:
            house.passes(reading.at)

    def circuits(
        self, rooms: Rooms, phases: Mapping[str, tuple[int, ...]]
    ) -> tuple[Circuit, ...]:
        """Return the phases whose room is known, as what wallboxes share.

        `phases` are those of each wallbox that its car uses, or may use.
        """
        everywhere = {
            key
            for key, used in phases.items()
            if len(used) == len(_WALLBOX_PHASES) and key in self._wallboxes
        }
        return tuple(
            Circuit(
                reason=LimitReason.MAIN_FUSE,
                capacity=amps,
                weights={
                    key: 1.0
                    for key, used in phases.items()
                    if key in group
                    and set(used) & set(wallbox_phases(self._order, phase))
                },
            )
            for phase, groups in rooms.groups.items()
            for group, amps in groups.items()
            if everywhere <= group
        )
