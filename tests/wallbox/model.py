"""A model of a wallbox and a car, second by second, and the loop that limits them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
import math

from custom_components.bmw_wallbox_victron.wallbox import enforcement, smart_charging
from custom_components.bmw_wallbox_victron.wallbox.clock import CLOCKS_AGREE
from custom_components.bmw_wallbox_victron.wallbox.enforcement import (
    Enforcement,
    Observed,
)
from custom_components.bmw_wallbox_victron.wallbox.profiles import (
    EPOCH,
    HEAD_START,
    set_charging_profile,
)
from custom_components.bmw_wallbox_victron.wallbox.steps import (
    AskComposite,
    AskReading,
    Call,
    ClearTxProfile,
    Outcome,
    SetLimit,
    StopTransaction,
    Wait,
)
from custom_components.bmw_wallbox_victron.wallbox.target import (
    ChargingSchedule,
    Fallback,
    ProfileKind,
    ProfilePurpose,
    Target,
)

from ..kit.wallbox import at

MAX_CURRENT = 32
#: What the model's car draws where nothing limits it, A.
FULL_A = 32.0


class Obedience(StrEnum):
    """What a wallbox makes of one kind of profile."""

    KEEPS = "keeps"
    REFUSES = "refuses"
    IGNORES = "ignores"
    NEXT_SESSION = "next_session"


@dataclass(frozen=True)
class Profile:
    """A charging profile as a wallbox reads it."""

    periods: tuple[tuple[int, float], ...]
    """From how many seconds after its beginning on which limit holds, A."""
    begun: datetime | None = None
    """When it begins, by the wallbox's clock; None: it is relative, or always has."""

    def limit_a(self, clock: datetime) -> float | None:
        """Return its limit at a time, A; None: it has not begun."""
        if self.begun is None:
            return self.periods[0][1]
        elapsed = (clock - self.begun).total_seconds()
        passed = [amps for begin, amps in self.periods if begin <= elapsed]
        return passed[-1] if passed else None


def constant(amps: float) -> Profile:
    """Make a profile of one limit, A."""
    return Profile(((0, amps),))


def read(call: SetLimit, shown: datetime, second: float) -> Profile:
    """Read a limit as it goes on the wire; `shown`: what its clock seems to show."""
    begun = EPOCH if call.kind is not ProfileKind.NOW else shown - HEAD_START
    sent = replace(call, profile_id=call.profile_id or 9)
    payload = set_charging_profile(
        sent, begun=begun, device_time=shown, now=second
    ).charging_profile
    (schedule,) = payload.charging_schedule
    start = schedule.start_schedule
    return Profile(
        tuple(
            (period.start_period, period.limit)
            for period in schedule.charging_schedule_period
        ),
        None if start is None else datetime.fromisoformat(start),
    )


@dataclass
class Box:
    """A wallbox and a car, second by second."""

    default: Obedience = Obedience.KEEPS
    station: Obedience = Obedience.KEEPS
    transaction: Obedience = Obedience.KEEPS
    shows_target: bool = False
    """Its composite schedule shows what it accepted, not what it enforces."""
    shows_nothing: bool = False
    """It refuses to give a composite schedule."""
    reads: bool = True
    """It sends meter values."""
    session: str | None = None
    heeds: frozenset[ProfileKind] = frozenset(ProfileKind)
    """In which forms it heeds a profile; others it refuses, or accepts and ignores."""
    refuses_kinds: bool = False
    clock_s: float = 0.0
    """How far its clock is ahead, s."""
    profiles: dict[ProfilePurpose, Profile] = field(default_factory=dict)
    from_start: Profile | None = None
    """The default profile that the session began with."""

    def obedience(self, purpose: ProfilePurpose) -> Obedience:
        """Tell what it makes of a profile."""
        return {
            ProfilePurpose.TX_DEFAULT: self.default,
            ProfilePurpose.STATION_MAX: self.station,
            ProfilePurpose.TX: self.transaction,
        }[purpose]

    def plug_in(self, name: str) -> None:
        """Begin a session."""
        self.session = name
        self.from_start = self.profiles.get(ProfilePurpose.TX_DEFAULT)

    def unplug(self) -> None:
        """End it."""
        self.session = None
        self.profiles.pop(ProfilePurpose.TX, None)

    def shows(self, second: float) -> datetime:
        """Return the time that its clock shows."""
        return at(second + self.clock_s)

    def limit_a(self, second: float) -> float:
        """Return what it allows, in A."""
        found: dict[ProfilePurpose, float] = {}
        for purpose, profile in self.profiles.items():
            effective: Profile | None = None
            match self.obedience(purpose):
                case Obedience.KEEPS:
                    effective = profile
                case Obedience.NEXT_SESSION:
                    effective = self.from_start if self.session else profile
            if effective is not None:
                amps = effective.limit_a(self.shows(second))
                if amps is not None:
                    found[purpose] = amps
        if ProfilePurpose.TX in found:
            found.pop(ProfilePurpose.TX_DEFAULT, None)
        return min([FULL_A, *found.values()])

    def amps(self, second: float) -> float:
        """Give what the car draws, in A."""
        return self.limit_a(second) if self.session else 0.0

    def composite_a(self, second: float) -> float:
        """Give what it says that it allows."""
        if not self.shows_target:
            return self.limit_a(second)
        target_changed = (
            each.limit_a(self.shows(second)) for each in self.profiles.values()
        )
        return min([FULL_A, *(amps for amps in target_changed if amps is not None)])

    def answer(
        self, call: Call, second: float, shown: datetime
    ) -> tuple[Outcome, float | None]:
        """Carry a call out; `shown` is what its clock is believed to show."""
        match call:
            case SetLimit():
                if self.obedience(call.purpose) is Obedience.REFUSES:
                    return Outcome.REFUSED, None
                if (
                    call.purpose is ProfilePurpose.TX
                    and call.transaction_id != self.session
                ):
                    return Outcome.REFUSED, None
                if call.kind in self.heeds:
                    self.profiles[call.purpose] = read(call, shown, second)
                elif self.refuses_kinds:
                    return Outcome.REFUSED, None
            case ClearTxProfile():
                if self.profiles.pop(ProfilePurpose.TX, None) is None:
                    return Outcome.REFUSED, None
            case StopTransaction():
                self.unplug()
            case AskComposite():
                if self.shows_nothing:
                    return Outcome.REFUSED, None
                return Outcome.ACCEPTED, self.composite_a(second)
            case AskReading():
                return (Outcome.ACCEPTED if self.reads else Outcome.REFUSED), None
        return Outcome.ACCEPTED, None


class World:
    """A box, what is wished of it, the wire between them, and the time."""

    def __init__(self, box: Box, *, allow_reboot: bool = False) -> None:
        """Begin connected, with no session."""
        self.box = box
        self.allow_reboot = allow_reboot
        self.target = Target()
        self.second = 0.0
        self.state = enforcement.ready(Enforcement())
        self.calls: list[tuple[float, Call]] = []
        self.delay_s = 0
        self.lose = 0
        self._wire: tuple[Call, float, Outcome, float | None] | None = None
        self._read: tuple[float, float] | None = None
        self._clock_heard = (box.shows(0), 0.0)
        self._begun: datetime | None = None
        self.wall_s = 0.0
        self._over_s = 0.0
        self.longest_over_s = 0.0
        self.cap_a: float | None = None
        self.cap_forced = False
        self.fallback: Fallback | None = None
        self.fate: Callable[[Call], Outcome | None] = lambda call: None
        """What becomes of a call that the box does not get; None: it gets it."""
        self.lag_s = 0
        """How long the car takes to follow."""
        self._drawn: list[float] = []
        self.under_s = 0
        """How many seconds it allowed less than was wished."""
        self._alarm = 0.0
        """When to look again, though nothing happens."""
        self._seen: tuple[object, ...] = ()
        """What it has looked at."""

    @property
    def schedule(self) -> ChargingSchedule:
        return self.target.limits(MAX_CURRENT)

    @property
    def target_a(self) -> float:
        limits = self.schedule
        if self.cap_a is not None:
            limits = limits.capped(self.cap_a)
        return limits.limit_at(self.second)

    @property
    def drawn_a(self) -> float:
        """What the car draws."""
        now = self.box.amps(self.second)
        return self._drawn[-self.lag_s] if len(self._drawn) >= self.lag_s > 0 else now

    @property
    def shown(self) -> datetime:
        """What the box's clock is believed to show."""
        heard, since = self._clock_heard
        return heard + timedelta(seconds=self.second - since)

    def _hear(self) -> None:
        """Hear a reading, with the time of the box's clock."""
        self._read = (self.drawn_a, self.second)
        self._clock_heard = (self.box.shows(self.second), self.second)

    @property
    def observed(self) -> Observed:
        amps, heard = self._read or (None, None)
        flowing = self.box.amps(self.second) > 0
        return Observed(
            transaction_id=self.box.session,
            charging=flowing,
            suspended=self.box.session is not None and not flowing,
            current_a=amps if flowing else 0.0,
            current_heard_at=heard,
            device_time=self.shown,
            clocks_agree=abs(self.shown - at(self.second + self.wall_s))
            <= CLOCKS_AGREE * (2 if self._stepping else 1),
        )

    @property
    def _stepping(self) -> bool:
        return any(taken.step for taken in self.state.accepted.values())

    @property
    def busy(self) -> bool:
        """Whether a call is on the wire."""
        return self._wire is not None

    def look(self) -> None:
        """Do what is to be done now, one call at a time."""
        for _ in range(50):
            self.state, step, look_at = smart_charging.advance(
                self.state,
                self.schedule,
                self.observed,
                self.second,
                allow_reboot=self.allow_reboot,
                cap_a=self.cap_a,
                cap_forced=self.cap_forced,
                fallback=self.fallback,
            )
            if self.busy or step is None or isinstance(step, Wait):
                until = step.until if isinstance(step, Wait) else math.inf
                self._alarm = min(until, math.inf if look_at is None else look_at)
                self._seen = self._situation
                return
            self._send(step)
        raise AssertionError("it asks without end")

    @property
    def _situation(self) -> tuple[object, ...]:
        """What a step depends on, but for the time."""
        return (
            self.state,
            self.target,
            self.cap_a,
            self.fallback,
            self.wall_s,
            self.box.session,
            self.box.amps(self.second) > 0,
            self._read,
            self._clock_heard,
        )

    def _send(self, call: Call) -> None:
        if isinstance(call, SetLimit) and call.purpose is ProfilePurpose.TX:
            call = replace(call, profile_id=1000 + len(self.calls))
        self.calls.append((self.second, call))
        self.state = enforcement.sent(self.state, call, self.second)
        self._begun = None
        if isinstance(call, SetLimit) and call.kind is ProfileKind.NOW:
            self._begun = self.shown - HEAD_START
        if (fate := self.fate(call)) is not None:
            late = 30 if fate is Outcome.LOST else 0
            self._wire = (call, self.second + late, fate, None)
            self._receive()
            return
        if self.lose:
            self.lose -= 1
            # It may have been carried out all the same.
            if self.lose % 2:
                self.box.answer(call, self.second, self.shown)
            self._wire = (call, self.second + 30, Outcome.LOST, None)
            return
        outcome, composite = self.box.answer(call, self.second, self.shown)
        self._wire = (call, self.second + self.delay_s, outcome, composite)
        if isinstance(call, AskReading) and outcome is Outcome.ACCEPTED:
            self._hear()
        if self.delay_s == 0:
            self._receive()

    def _receive(self) -> None:
        if self._wire is None or self._wire[1] > self.second:
            return
        call, _, outcome, composite = self._wire
        self._wire = None
        self.state = enforcement.answered(
            self.state,
            call,
            outcome,
            self.second,
            composite_a=composite,
            begun=self._begun,
            refusal="NotReady" if outcome is Outcome.REFUSED else None,
        )

    def run(self, seconds: int) -> None:
        """Let time pass; it is looked when something happens, or when it has to be."""
        for _ in range(seconds):
            if self.second >= self._alarm or self._situation != self._seen:
                self.look()
            self.second += 1
            if self.box.reads and self.second % 10 == 0 and self.box.session:
                self._hear()
            self._receive()
            self._drawn.append(self.box.amps(self.second))
            if self.state.ready and self.box.limit_a(self.second) < self.target_a - 0.5:
                self.under_s += 1
            if self.state.ready and self.box.amps(self.second) > self.target_a + 0.5:
                self._over_s += 1
                self.longest_over_s = max(self.longest_over_s, self._over_s)
            else:
                self._over_s = 0
        self.look()

    def disconnect(self) -> None:
        self.state = enforcement.disconnected(self.state)
        self._wire, self._read = None, None

    def connect(self) -> None:
        self.state = enforcement.ready(self.state)

    def restart(self) -> None:
        """Home Assistant starts again: it remembers the wish alone."""
        self.disconnect()
        self.state = enforcement.ready(Enforcement())

    def reboot(self) -> None:
        """The box boots, and has forgotten all."""
        self.disconnect()
        self.box.unplug()
        self.box.profiles.clear()
        self.connect()

    @property
    def profiles(self) -> list[tuple[float, SetLimit]]:
        return [(when, call) for when, call in self.calls if isinstance(call, SetLimit)]
