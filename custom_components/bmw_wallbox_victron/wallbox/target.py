"""What an owner sets a wallbox to, and the limits that follow from it."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from ..charging.settings import MIN_CURRENT_A, ChargingSettings
from .clock import Now

#: The fields of a target that bear on a limit. Where one of them is lost, its default
#: would be full power.
LIMITING: Final = ("current_limit", "charging_allowed", "schedule", "charging")


class ProfilePurpose(StrEnum):
    """How a limit is put to the wallbox: the purpose of its profile.

    In the order in which they are tried. A default profile holds in mid-session and is
    replaced in place. One for the whole station can only lower, so it is safe to leave
    behind. One for the transaction comes last: a single refusal makes the transaction
    refuse all others, and after a pause it can be neither cleared nor replaced.
    """

    TX_DEFAULT = "TxDefaultProfile"
    STATION_MAX = "ChargingStationMaxProfile"
    TX = "TxProfile"


class ProfileKind(StrEnum):
    """How a profile says since when it limits, in the order in which they are tried.

    What is known to be taken by a Delta box depends on its clock, so it comes last.
    Other makes refuse Relative, or follow nothing else.
    """

    EPOCH = "epoch"
    """Absolute, since a time that no clock can stand before."""
    RELATIVE = "relative"
    """Relative to the transaction's start: no clock at all."""
    NOW = "now"
    """Absolute, since shortly before now by the wallbox's clock."""


NEXT_KIND: Final = {
    ProfileKind.EPOCH: ProfileKind.RELATIVE,
    ProfileKind.RELATIVE: ProfileKind.NOW,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setpoint:
    """What a wallbox is told: a limit that holds from now on, and those that follow."""

    amps: float
    """The limit of now, A."""
    following: tuple[tuple[float, float], ...] = ()
    """At which second of the steady clock which limit begins, in A."""
    step: tuple[float, float] | None = field(default=None, compare=False)
    """From which second of the steady clock on no more than how much is allowed, in A,
    unless it is renewed before; None: it never steps down. Two setpoints are equal
    where they differ in that alone: it is no limit while Home Assistant lives."""

    def at(self, now: float) -> Setpoint:
        """Return what is left of it at `now`."""
        passed = sum(begin <= now for begin, _ in self.following)
        amps = self.following[passed - 1][1] if passed else self.amps
        left = Setpoint(amps=amps, following=self.following[passed:])
        if self.step is None:
            return left
        begin, most = self.step
        return left.stepping(begin, most) if now < begin else left.capped(most)

    def capped(self, most: float) -> Setpoint:
        """Return it with no limit above `most`, in A."""
        return Setpoint(
            amps=min(self.amps, most),
            following=tuple((begin, min(amps, most)) for begin, amps in self.following),
        )

    def stepping(self, begin: float, most: float) -> Setpoint:
        """Return it with a step down to `most` A, if that lowers anything."""
        lowers = any(amps > most for _, amps in _from(begin, self.amps, self.following))
        return replace(self, step=(begin, most) if lowers else None)

    @property
    def changes(self) -> tuple[tuple[float, float], ...]:
        """At which second of the steady clock which limit begins, its step included."""
        if self.step is None:
            return self.following
        begin, most = self.step
        return (
            *((at, amps) for at, amps in self.following if at < begin),
            *(
                (at, min(amps, most))
                for at, amps in _from(begin, self.amps, self.following)
            ),
        )


def _from(
    begin: float, amps: float, following: tuple[tuple[float, float], ...]
) -> list[tuple[float, float]]:
    """Return the limits from `begin` on, the one that is in force then first."""
    passed = [limit for at, limit in following if at <= begin]
    return [
        (begin, passed[-1] if passed else amps),
        *((at, limit) for at, limit in following if at > begin),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What a wallbox does by itself where Home Assistant is not heard of any more."""

    after_s: float
    """How long after the last profile, s."""
    most_a: float
    """How much it allows then at most, A; 0: a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingSchedule:
    """Limits over time, as a charging schedule has them."""

    periods: tuple[tuple[int, float], ...]
    """From how many seconds after `start` on which limit holds, in A; first at 0."""
    start: datetime | None = None
    """When the first period began, to be stored; None: it always has."""
    anchor: float | None = None
    """The same by the steady clock, in s."""

    def anchored(self, now: Now) -> ChargingSchedule:
        """Return it for this run of Home Assistant: the steady clock began anew."""
        if self.start is None:
            return self
        elapsed = (now.wall - self.start).total_seconds()
        return replace(self, anchor=now.steady - max(elapsed, 0.0))

    def capped(self, most: float) -> ChargingSchedule:
        """Return it with no limit above `most`, in A; less than 6 A is a pause."""
        if most < MIN_CURRENT_A:
            most = 0.0
        return replace(
            self,
            periods=tuple((begin, min(amps, most)) for begin, amps in self.periods),
        )

    def index_at(self, now: float) -> int:
        """Return which period runs."""
        if self.anchor is None:
            return 0
        passed = sum(self.anchor + begin <= now for begin, _ in self.periods)
        return max(passed - 1, 0)

    def limit_at(self, now: float) -> float:
        """Return the limit of the running period, in A."""
        return self.periods[self.index_at(now)][1]

    def next_change(self, now: float) -> float | None:
        """Return at which second the next period begins."""
        following = self.index_at(now) + 1
        if self.anchor is None or following >= len(self.periods):
            return None
        return self.anchor + self.periods[following][0]

    def setpoint(self, now: float, *, clocks_agree: bool) -> Setpoint:
        """Return what the wallbox is to be told now.

        Only one whose clock agrees with ours is told what comes later.
        """
        following: tuple[tuple[float, float], ...] = ()
        if clocks_agree and self.anchor is not None:
            later = self.periods[self.index_at(now) + 1 :]
            following = tuple((self.anchor + begin, amps) for begin, amps in later)
        return Setpoint(amps=self.limit_at(now), following=following)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the owner wants; it is stored, and stands until the next target."""

    current_limit: int | None = None
    """The most that the car may draw on a phase, A; None: never set."""
    charging_allowed: bool = True
    """Whether the car may charge at all."""
    schedule: ChargingSchedule | None = None
    """Limits over time, which lower `current_limit`."""
    led_brightness: int | None = None
    """Brightness of the light, %; None: never set."""
    operative: bool | None = None
    """Whether the wallbox is in service; None: never set."""
    charging: ChargingSettings = field(default_factory=ChargingSettings)
    """When, and how much below `current_limit`, the car is to charge."""
    lost: tuple[str, ...] = ()
    """Names of the fields above that were stored and cannot be read any more: until
    they are set again, nothing above what the wallbox enforces is sent."""

    @property
    def unreadable(self) -> bool:
        """Whether it is not known how much the car may draw."""
        return any(name in self.lost for name in LIMITING)

    def restricts(self, max_current: int, ceiling_a: float | None) -> bool:
        """Return whether it is less than the wallbox gives by itself.

        `max_current` is what the installation bears, `ceiling_a` the most that the
        wallbox gives, in A; None: it does not tell.
        """
        return (
            self.schedule is not None
            or not self.charging_allowed
            or self.unreadable
            or self.limit(max_current) < max_current
            or (ceiling_a is not None and max_current < ceiling_a)
        )

    def limit(self, max_current: int) -> int:
        """Return the limit without schedule and pause, in A."""
        return min(self.current_limit or max_current, max_current)

    def limits(self, max_current: int) -> ChargingSchedule:
        """Return the limits that follow; the installation bears `max_current`, in A."""
        if not self.charging_allowed:
            return ChargingSchedule(periods=((0, 0.0),))
        limit = float(self.limit(max_current))
        if self.schedule is None:
            return ChargingSchedule(periods=((0, limit),))
        return replace(
            self.schedule,
            periods=tuple(
                (begin, min(amps, limit)) for begin, amps in self.schedule.periods
            ),
        )
