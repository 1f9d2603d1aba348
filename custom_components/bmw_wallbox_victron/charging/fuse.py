"""How much wallboxes may draw without the house passing its main fuse.

House and wallboxes are measured at different moments, and a car goes from 0 to 16 A
within seconds. So what the house takes without it is known only within bounds, which
the limit in force and the wallbox's readings before and after the house's set. While no
phase is over the fuse, only what is certain lowers the room. Once one is, the worst
counts at once, as another reading would come too late.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

from ..wallbox.target import MIN_CURRENT_A
from .settings import LimitReason
from .share import Circuit

#: More room counts once it has lasted for this, s.
HOLD_S: Final = 30.0
#: A reading tells what was up to so long before it came, s.
_LAG_S: Final = 2.0
#: So long after a lower limit is in force a car may still draw more, s. (IEC 61851-1
#: gives a car 5 s; meters add their lag.)
SETTLE_S: Final = 10.0
#: So late comes the news that a session has begun, s.
_NEWS_S: Final = 5.0
#: A wallbox's reading says nothing of what is later than this, s.
_STALE_S: Final = 90.0
#: Readings of the house that follow each other faster count as one, s.
_PACE_S: Final = 0.5

UNKNOWN_ORDER: Final = "unknown"
_WALLBOX_PHASES: Final = (1, 2, 3)


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
    low: float = -inf
    """The least that it can have left for the wallboxes, A."""
    seen: bool = False
    """Whether it was acted upon."""
    final: bool = False
    """Whether later readings of the wallboxes tell no more of it."""


class _Wallbox:
    """What is known of the current of a wallbox."""

    def __init__(self) -> None:
        self.idle_since: float | None = None
        self._readings: deque[tuple[float, Mapping[int, float]]] = deque()
        self._limits: deque[tuple[float, float]] = deque()

    def note_currents(self, currents: Mapping[int, float], at: float) -> None:
        """Take a reading of each of its phases, A."""
        if not self._readings or at >= self._readings[-1][0]:
            self._readings.append((at, dict(currents)))

    def note(self, limit_a: float, now: float, *, idle: bool) -> None:
        """Take the limit in force, A, and whether it certainly draws nothing."""
        if not self._limits or self._limits[-1][1] != limit_a:
            self._limits.append((now, limit_a))
        if idle and self.idle_since is None:
            self.idle_since = now
            self.note_currents({}, now)
        elif not idle and self.idle_since is not None:
            self.note_currents({}, max(now - _NEWS_S, self.idle_since))
            self.idle_since = None

    def forget(self, before: float) -> None:
        """Drop what says nothing of a time after `before`."""
        while len(self._readings) > 1 and self._readings[1][0] <= before:
            self._readings.popleft()
        while len(self._limits) > 1 and self._limits[1][0] <= before:
            self._limits.popleft()

    def bound(self, at: float) -> float:
        """Return the most that its limits let it draw at a moment, A."""
        highest = -inf
        for index, (since, amps) in enumerate(self._limits):
            if since > at:
                break
            later = index + 1 < len(self._limits)
            if not later or self._limits[index + 1][0] > at - SETTLE_S:
                highest = max(highest, amps)
        if highest == -inf:
            return inf
        return highest if highest >= MIN_CURRENT_A else 0.0

    def next_bound(self, now: float) -> float | None:
        """Return when an earlier limit holds no more, in s; None: there is none."""
        ends = [
            since + SETTLE_S
            for since, _ in self._limits
            if since + SETTLE_S > now and since != self._limits[0][0]
        ]
        return min(ends, default=None)

    def range(
        self, at: float, now: float, phases: tuple[int, ...], watched: int
    ) -> tuple[float, float, bool]:
        """Return the least and the most that it drew, A, and whether that is final.

        It is asked for one house phase, on which one of its `phases` is; with several
        to choose from, and fewer that it has told of than the house has `watched`, it
        may be on another.
        """
        bound = self.bound(at)
        if not phases or bound == 0.0:
            return 0.0, 0.0, True
        around, before, after = self._around(at, now)
        if before is None or (after or at) - before > _STALE_S:
            return 0.0, bound, after is not None
        lows: list[float] = []
        highs: list[float] = []
        for currents in around:
            values = [currents[phase] for phase in phases if phase in currents]
            if not values or len(values) < watched <= len(phases):
                values.append(0.0)
            lows.append(min(values))
            highs.append(max(values))
        low = min(*lows, bound)
        if after is None:
            return low, bound, False
        return low, min(max(highs), bound), True

    def _around(
        self, at: float, now: float
    ) -> tuple[list[Mapping[int, float]], float | None, float | None]:
        """Return the readings around a moment, and when first and last were taken."""
        around: list[Mapping[int, float]] = []
        before: float | None = None
        after: float | None = None
        if self.idle_since is not None and now - _NEWS_S >= at + _LAG_S:
            around.append({})
            after = now - _NEWS_S
        for heard, currents in reversed(self._readings):
            if heard >= at + _LAG_S:
                around = [currents]
                after = heard
                continue
            around.append(currents)
            if heard <= at - _LAG_S:
                before = heard
                break
        return around, before, after


class _HousePhase:
    """What is known of one phase of the house."""

    def __init__(self) -> None:
        self.reported: float | None = None
        self.room: float | None = None
        self.readings: deque[_Reading] = deque()

    def note(self, amps: float | None, at: float) -> None:
        """Take a reading, A; None: it is unavailable."""
        if amps is None:
            self.clear()
            return
        self.reported = at
        if self.readings and at - self.readings[-1].at < _PACE_S:
            last = self.readings[-1]
            if abs(amps) > last.amps:
                last.amps, last.seen, last.final = abs(amps), False, False
            return
        self.readings.append(_Reading(at=at, amps=abs(amps)))

    def clear(self) -> None:
        """Forget all: no reading tells any more."""
        self.reported = self.room = None
        self.readings.clear()

    def forget(self, now: float) -> None:
        """Drop the readings that ended before the last 30 s and are settled."""
        while (
            len(self.readings) > 1
            and self.readings[1].at <= now - HOLD_S
            and (self.readings[0].final or self.readings[0].at < now - _STALE_S)
        ):
            self.readings.popleft()

    def rise(self, room: float, now: float) -> tuple[float, float | None]:
        """Return the room after it has risen, and when it does next by itself."""
        least, rises_at = inf, None
        for index in reversed(range(len(self.readings))):
            reading = self.readings[index]
            least = min(least, reading.low)
            if least <= room:
                break
            if reading.at <= now - HOLD_S:
                # It stood for the whole of the last 30 s, with those after it.
                return least, rises_at
            rises_at = reading.at + HOLD_S
        return room, rises_at


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
        self._wallboxes: dict[str, _Wallbox] = {}

    def note_house(self, phase: int, amps: float | None, at: float) -> None:
        """Take the current of a house phase, A, as of when it was reported.

        Also where it is the same as before. None: the sensor is unavailable.
        """
        self._house[phase].note(amps, at)

    def note_currents(self, key: str, currents: Mapping[int, float], at: float) -> None:
        """Take the measured current of each phase of a wallbox, A."""
        self._wallbox(key).note_currents(currents, at)

    def note_wallbox(self, key: str, *, limit_a: float, idle: bool, now: float) -> None:
        """Take what is in force at a wallbox.

        `limit_a` is the highest limit that may be in force, A. `idle`: it is connected
        and has no session, so it draws nothing, though it may begin to.
        """
        self._wallbox(key).note(limit_a, now, idle=idle)

    def _wallbox(self, key: str) -> _Wallbox:
        return self._wallboxes.setdefault(key, _Wallbox())

    def remove(self, key: str) -> None:
        """Forget a wallbox: what it draws belongs to the house from now on."""
        self._wallboxes.pop(key, None)

    def rooms(self, now: float) -> Rooms:
        """Return what is left for the wallboxes on each phase of the house."""
        dues: list[float | None] = []
        for phase, house in self._house.items():
            if house.reported is None or now >= house.reported + self._timeout_s:
                house.clear()
                continue
            dues.append(house.reported + self._timeout_s)
            dues.extend(self._update(phase, house, now))
        for wallbox in self._wallboxes.values():
            wallbox.forget(now - 2 * _STALE_S)
            dues.append(wallbox.next_bound(now))
        return Rooms(
            amps={phase: house.room for phase, house in self._house.items()},
            held={key: wallbox.bound(now) for key, wallbox in self._wallboxes.items()},
            due=min((due for due in dues if due is not None), default=None),
        )

    def _update(
        self, phase: int, house: _HousePhase, now: float
    ) -> Iterable[float | None]:
        """Lower and raise the room of a phase; return when it may change by itself."""
        phases = wallbox_phases(self._order, phase)
        room = house.room
        if room is None:
            # What is in force stays so, until readings say otherwise.
            room = sum(wallbox.bound(now) for wallbox in self._wallboxes.values())
            room = min(room, self._fuse_a)
        dues: list[float | None] = []
        idle = any(box.idle_since is not None for box in self._wallboxes.values())
        for reading in house.readings:
            if reading.final:
                continue
            most = self._judge(reading, phases, now)
            worst = reading.amps > self._fuse_a and not reading.seen
            room = min(room, reading.low if worst else most)
            reading.seen = True
            if idle and not reading.final:
                dues.append(reading.at + _LAG_S + _NEWS_S)
        house.forget(now)
        house.room, rises_at = house.rise(room, now)
        dues.append(rises_at)
        return [due for due in dues if due is not None and due > now]

    def _judge(self, reading: _Reading, phases: tuple[int, ...], now: float) -> float:
        """Put down the least that a reading leaves, and return the most, A."""
        low = high = self._fuse_a - reading.amps
        reading.final = True
        for wallbox in self._wallboxes.values():
            least, most, final = wallbox.range(
                reading.at, now, phases, len(self._house)
            )
            low += least
            high += most
            reading.final &= final
        reading.low = min(low, self._fuse_a)
        return high

    def circuits(
        self, rooms: Rooms, phases: Mapping[str, tuple[int, ...]]
    ) -> tuple[Circuit, ...]:
        """Return the phases whose room is known, as what wallboxes share.

        `phases` are those of each wallbox that its car uses, or may use.
        """
        return tuple(
            Circuit(
                reason=LimitReason.MAIN_FUSE,
                capacity=amps,
                weights={
                    key: 1.0
                    for key, used in phases.items()
                    if set(used) & set(wallbox_phases(self._order, phase))
                },
            )
            for phase, amps in rooms.amps.items()
            if amps is not None
        )
