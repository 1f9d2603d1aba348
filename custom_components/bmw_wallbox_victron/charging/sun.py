"""How much of the sun's surplus each wallbox may draw."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor, inf
from typing import Final

from .settings import MIN_CURRENT_A, ChargingMode

#: The surplus is averaged over this, s.
WINDOW_S: Final = 60.0
#: Room for 6 A counts once it has lasted for this, s.
START_S: Final = 120.0
#: And is missed once it has been missing for this, s.
END_S: Final = 300.0
#: A limit changes not more often than this, s.
PACE_S: Final = 10.0
#: A limit falls once so much was missing since it was set, A times s, in the last
#: minute: 3 A for 10 s, or half an ampere for a minute.
_MISSED_A_S: Final = 30.0
#: It rises no sooner after its last change, s: by then a late meter shows that, too.
_RISE_S: Final = 60.0
#: A rise that lasted for less was one for an oven that comes and goes, s: the next one
#: waits twice as long, ...
_LASTING_S: Final = 120.0
#: ... up to this, s.
_RISE_MOST_S: Final = 240.0
#: So long a car may take to use a limit, s; after it, what it leaves is for others.
_TAKE_UP_S: Final = 60.0
#: The power of a wallbox whose last reading is older counts as none, s.
_STALE_S: Final = 90.0
#: Readings of the surplus that differ by less than this are alike, W.
_STEP_W: Final = 10.0
#: Amperes that are whole but for the error of sums, A.
_EPSILON_A: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class SunLoad:
    """A wallbox whose mode is one of the sun's."""

    key: str
    """Its charge point id."""
    mode: ChargingMode
    """Solar, or solar_min: it is not paused."""
    watts_per_amp: float
    """Phases in use times their voltage, W per A."""
    wish_a: float
    """The most that it may draw by all other rules, A."""
    idle: bool = False
    """Whether it has no session: nothing is kept for it."""
    charging: bool = False
    """Whether energy flows: with room for it, a change of mode is no reason to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SunLimit:
    """What the sun lets a wallbox draw."""

    amps: int
    """The limit, A; 0: a pause, by the mode solar alone."""
    surplus: bool
    """Whether that is from surplus; off: it waits, or holds 6 A until the pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SunLimits:
    """What the sun lets wallboxes draw."""

    limits: Mapping[str, SunLimit]
    """By charge point id."""
    surplus_w: float
    """Mean of the last minute of what the wallboxes in a solar mode may draw, W."""
    due: float | None
    """When it changes next without a new reading, in s; None: never."""


class _Power:
    """The power of a wallbox over time; straight between readings."""

    def __init__(self) -> None:
        self.idle = False
        self._readings: deque[tuple[float, float]] = deque()

    def note(self, watts: float, at: float) -> None:
        """Take a reading, W."""
        if not self._readings or at > self._readings[-1][0]:
            self._readings.append((at, watts))

    def note_idle(self, now: float, *, idle: bool) -> None:
        """Take whether it certainly draws nothing."""
        if idle or self.idle:
            self.note(0.0, now)
        self.idle = idle

    def forget(self, before: float) -> None:
        """Drop what says nothing of a time after `before`."""
        while len(self._readings) > 1 and self._readings[1][0] <= before:
            self._readings.popleft()

    def known_until(self, now: float) -> float:
        """Return until when its power is known."""
        if self.idle or not self._readings:
            return now
        last = self._readings[-1][0]
        return last if now - last < _STALE_S else now

    def at(self, moment: float) -> float:
        """Return its power at a moment, W."""
        later: tuple[float, float] | None = None
        for at, watts in reversed(self._readings):
            if at <= moment:
                if later is None:
                    return watts if moment - at < _STALE_S and not self.idle else 0.0
                part = (moment - at) / (later[0] - at)
                return watts + (later[1] - watts) * part
            later = at, watts
        return 0.0 if later is None else later[1]

    def highest(self, since: float) -> float:
        """Return the highest of the readings since then, W."""
        return max((watts for at, watts in self._readings if at >= since), default=inf)


@dataclass(slots=True)
class _State:
    """How far a wallbox is on its way to a start or an end."""

    amps: int = 0
    """What it was let draw last, A."""
    changed: float = -inf
    """When that changed, in s."""
    running: bool = False
    """Whether room for 6 A has lasted, and has not been missing for long."""
    room: bool = False
    """Whether there is room for 6 A now."""
    since: float | None = None
    """Since when, in s; None: nobody has looked yet."""
    raised: float | None = None
    """When the limit rose, in s; None: it fell since."""
    rests_s: float = _RISE_S
    """How long after a change it may rise, s."""

    def limit(self, amps: int, now: float) -> None:
        """Take another limit."""
        if amps > self.amps:
            self.raised = now
        elif self.raised is not None:
            lasted = now - self.raised >= _LASTING_S
            self.rests_s = _RISE_S if lasted else min(2 * self.rests_s, _RISE_MOST_S)
            self.raised = None
        self.amps, self.changed = amps, now


@dataclass(frozen=True, slots=True)
class _Surplus:
    """What there was of the sun in the last minute, without what others keep."""

    parts: Sequence[tuple[float, float, float]]
    """From when to when how much, in s and W; the newest first."""
    now: float
    """In s."""
    kept: float = 0.0
    """What others keep, W."""

    @property
    def newest(self) -> float:
        """The last that was read, W."""
        return (self.parts[0][2] if self.parts else 0.0) - self.kept

    def mean(self, since: float = -inf) -> float:
        """Return the mean since then, W; of a minute at most."""
        since = max(since, self.now - WINDOW_S)
        area = seconds = 0.0
        for begins, ends, watts in self.parts:
            lasted = max(ends - max(begins, since), 0.0)
            area += lasted * watts
            seconds += lasted
        return area / seconds - self.kept if seconds else self.newest


class Sun:
    """The surplus of the sun, and what each wallbox may draw of it."""

    def __init__(self, *, meter_timeout_s: float) -> None:
        """Begin without any reading."""
        self._timeout_s = meter_timeout_s
        self._grid: deque[tuple[float, float]] = deque()
        self._reported: float | None = None
        self._powers: dict[str, _Power] = {}
        self._states: dict[str, _State] = {}

    def configure(self, *, meter_timeout_s: float) -> None:
        """Let readings count for so long; those that there are still do."""
        self._timeout_s = meter_timeout_s

    def resume(self, key: str) -> None:
        """Take a wallbox that charges from before this run: it does not begin anew."""
        self._states[key] = _State(running=True)

    def note_grid(self, watts: float | None, at: float) -> None:
        """Take the power from the grid, W, as of when it was reported.

        Negative: to the grid. Also where it is the same as before. None: the sensor is
        unavailable.
        """
        if watts is None or self._silent(at):
            self._forget_grid()
        if watts is not None and (self._reported is None or at > self._reported):
            self._reported = at
            self._grid.append((at, watts))

    def _silent(self, now: float) -> bool:
        """Return whether the grid has not been read for too long."""
        return self._reported is None or now >= self._reported + self._timeout_s

    def _forget_grid(self) -> None:
        """Forget what was read: there is no reading now."""
        self._reported = None
        self._grid.clear()

    def note_power(self, key: str, watts: float, at: float) -> None:
        """Take the measured power of a wallbox, W."""
        self._power(key).note(watts, at)

    def note_idle(self, key: str, *, idle: bool, now: float) -> None:
        """Take whether a wallbox is connected and has no session, so draws nothing."""
        self._power(key).note_idle(now, idle=idle)

    def _power(self, key: str) -> _Power:
        return self._powers.setdefault(key, _Power())

    def remove(self, key: str) -> None:
        """Forget a wallbox."""
        self._powers.pop(key, None)
        self._states.pop(key, None)

    def take(self, loads: Sequence[SunLoad], now: float) -> SunLimits:
        """Return what each may draw; the first in order is served first.

        Those that are not in `loads` any more begin anew when they come back.
        """
        keys = [load.key for load in loads]
        self._states = {key: self._states.get(key, _State()) for key in keys}
        surplus, changes_at = self._surplus(keys, now)
        dues: list[float | None] = [changes_at]
        left = surplus
        limits: dict[str, SunLimit] = {}
        for load in sorted(loads, key=lambda load: load.idle):
            state = self._states[load.key]
            dues.append(_step(state, load, left, now))
            limits[load.key] = SunLimit(
                amps=state.amps, surplus=state.running and state.room
            )
            if not load.idle:
                left = replace(left, kept=left.kept + self._kept(load, state, now))
        return SunLimits(
            limits=limits,
            surplus_w=surplus.mean(),
            due=min((due for due in dues if due is not None), default=None),
        )

    def _kept(self, load: SunLoad, state: _State, now: float) -> float:
        """Return what a wallbox keeps from those after it, W."""
        offered = state.amps * load.watts_per_amp
        if now - state.changed < _TAKE_UP_S:
            return offered
        used = self._power(load.key).highest(now - _TAKE_UP_S)
        return min(offered, used + load.watts_per_amp)

    def _surplus(
        self, keys: Iterable[str], now: float
    ) -> tuple[_Surplus, float | None]:
        """Return the surplus of the last minute, and when its mean changes.

        What the wallboxes drew at a reading of the grid is known once they have been
        read after it: readings of the grid that are younger wait.
        """
        if self._reported is None or self._silent(now):
            self._forget_grid()
            return _Surplus((), now), None
        powers = [self._power(key) for key in keys]
        known = min((power.known_until(now) for power in powers), default=now)
        until = max((at for at, _ in self._grid if at <= known), default=None)
        due = self._reported + self._timeout_s
        if until is None:
            return _Surplus((), now), due
        # A reading stands until the next one, and the last that counts until now.
        start = now - WINDOW_S
        while len(self._grid) > 1 and self._grid[1][0] <= min(start, until):
            self._grid.popleft()
        for power in self._powers.values():
            power.forget(self._grid[0][0])
        parts: list[tuple[float, float, float]] = []
        ends = now
        for at, watts in reversed(self._grid):
            if at > until:
                continue
            surplus = sum(power.at(at) for power in powers) - watts
            parts.append((at, ends, surplus))
            ends = at
            if abs(surplus - parts[0][2]) > _STEP_W:
                # The mean moves while the window does.
                due = min(due, now + PACE_S / 2)
        return _Surplus(parts, now), due


def _step(state: _State, load: SunLoad, left: _Surplus, now: float) -> float | None:
    """Take what is left for a wallbox; return when its limit changes by itself."""
    each_w = load.watts_per_amp
    room = left.mean() / each_w + _EPSILON_A >= MIN_CURRENT_A
    if state.since is None and load.charging and room:
        state.running = True
    if room is not state.room or state.since is None:
        state.room, state.since = room, now
    lasts_s = END_S if state.running else START_S
    due: float | None = None
    if room is not state.running:
        if now - state.since >= lasts_s:
            state.running = room
        else:
            due = state.since + lasts_s
    wanted = 0
    if state.running or load.mode is ChargingMode.SOLAR_MIN:
        wanted, looks_at = _wanted(state, left, each_w, now)
        if looks_at is not None:
            due = min(due or inf, looks_at)
        wanted = max(int(MIN_CURRENT_A), min(wanted, floor(load.wish_a)))
    if wanted != state.amps:
        if now - state.changed >= PACE_S:
            state.limit(wanted, now)
        else:
            due = min(due or inf, state.changed + PACE_S)
    return due


def _wanted(
    state: _State, left: _Surplus, each_w: float, now: float
) -> tuple[int, float | None]:
    """Return what a limit that is no pause is to be, A, and when to look again."""
    newest = left.newest / each_w + _EPSILON_A
    lasting = min(left.mean() / each_w + _EPSILON_A, newest)
    if state.amps == 0:
        return floor(lasting), None
    if newest < state.amps > MIN_CURRENT_A:
        since = max(state.changed, now - WINDOW_S)
        missed_a_s = (state.amps - left.mean(since) / each_w) * (now - since)
        if missed_a_s >= _MISSED_A_S:
            return floor(newest), None
        return state.amps, now + PACE_S / 2
    if lasting >= state.amps + 1:
        if now >= (rises_at := state.changed + state.rests_s):
            return floor(newest), None
        return state.amps, rises_at
    return state.amps, None
