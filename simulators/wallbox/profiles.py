"""Charging profiles of OCPP 2.0.1 (part 2 K): reading, storing, combining them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from .physics import NOMINAL_VOLTAGE_V
from .records import Payload, wire_time

MAX_PROFILES: Final = 15
"""SmartChargingCtrlr.Entries of the inventory."""

_NO_CLOCK_BEFORE: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""A schedule that starts before is one that no clock is meant to reach."""

MAX_PERIODS: Final = 33
"""SmartChargingCtrlr.PeriodsPerSchedule of the inventory."""


class Purpose(StrEnum):
    """What a profile is for."""

    EXTERNAL = "ChargingStationExternalConstraints"
    STATION_MAX = "ChargingStationMaxProfile"
    TX_DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"


class ProfileKind(StrEnum):
    """What a schedule's time counts from."""

    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"


class Recurrency(StrEnum):
    """How often a recurring schedule begins again."""

    DAILY = "Daily"
    WEEKLY = "Weekly"


class RateUnit(StrEnum):
    """Unit of a limit."""

    AMPERE = "A"
    WATT = "W"


_RECURS: Final = {
    Recurrency.DAILY: timedelta(days=1),
    Recurrency.WEEKLY: timedelta(weeks=1),
}


@dataclass(frozen=True, kw_only=True)
class Period:
    """A limit from some moment of the schedule on."""

    start_s: int
    """Seconds from the schedule's start."""
    limit: float
    """In the schedule's unit: A for each phase, or W in all."""
    phases: int | None = None
    """Phases that may be used; 3 where none are named."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A charging profile as it was set."""

    id: int
    evse_id: int
    stack_level: int
    purpose: Purpose
    kind: ProfileKind
    unit: RateUnit
    periods: tuple[Period, ...]
    raw: Payload
    """As it came, camelCase, for the report of profiles."""
    recurrency: Recurrency | None = None
    transaction_id: str | None = None
    start: datetime | None = None
    duration_s: int | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None

    @property
    def before_any_clock(self) -> bool:
        """Whether its schedule starts in a past that no clock stands before."""
        return self.start is not None and self.start < _NO_CLOCK_BEFORE

    def limit_a(self, at: datetime, started: datetime, phases: int) -> float | None:
        """Limit in A at a moment, or None where the profile is silent.

        A relative schedule counts from `started`, the transaction's start.
        """
        if (self.valid_from and at < self.valid_from) or (
            self.valid_to and at >= self.valid_to
        ):
            return None
        offset = (at - self._begin(at, started)).total_seconds()
        if offset < 0 or (self.duration_s is not None and offset >= self.duration_s):
            return None
        running = [period for period in self.periods if period.start_s <= offset]
        if not running:
            return None
        period = running[-1]
        if self.unit is RateUnit.AMPERE:
            return period.limit
        return period.limit / (NOMINAL_VOLTAGE_V * min(phases, period.phases or 3))

    def changes(self, begin: datetime, end: datetime, started: datetime) -> list[float]:
        """Seconds after `begin` at which the limit may change, up to `end`."""
        marks = [moment for moment in (self.valid_from, self.valid_to) if moment]
        step = _RECURS.get(self.recurrency) if self.recurrency else None
        base = self._begin(begin, started)
        while base < end:
            marks += [base + timedelta(seconds=each.start_s) for each in self.periods]
            if self.duration_s is not None:
                marks.append(base + timedelta(seconds=self.duration_s))
            if step is None or self.kind is not ProfileKind.RECURRING:
                break
            base += step
        return [(mark - begin).total_seconds() for mark in marks if begin < mark < end]

    def _begin(self, at: datetime, started: datetime) -> datetime:
        if self.kind is ProfileKind.RELATIVE or self.start is None:
            return started
        if self.kind is ProfileKind.RECURRING and self.recurrency and at > self.start:
            step = _RECURS[self.recurrency]
            return self.start + ((at - self.start) // step) * step
        return self.start


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_profile(evse_id: int, raw: Payload) -> Profile:
    """Read a profile that fits its schema; the first schedule counts."""
    schedule: dict[str, Any] = raw["chargingSchedule"][0]
    recurrency = raw.get("recurrencyKind")
    return Profile(
        id=raw["id"],
        evse_id=evse_id,
        stack_level=raw["stackLevel"],
        purpose=Purpose(raw["chargingProfilePurpose"]),
        kind=ProfileKind(raw["chargingProfileKind"]),
        recurrency=Recurrency(recurrency) if recurrency else None,
        transaction_id=raw.get("transactionId"),
        unit=RateUnit(schedule["chargingRateUnit"]),
        start=_time(schedule.get("startSchedule")),
        duration_s=schedule.get("duration"),
        valid_from=_time(raw.get("validFrom")),
        valid_to=_time(raw.get("validTo")),
        periods=tuple(
            Period(
                start_s=period["startPeriod"],
                limit=period["limit"],
                phases=period.get("numberPhases"),
            )
            for period in schedule["chargingSchedulePeriod"]
        ),
        raw=raw,
    )


def profile_faults(profile: Profile) -> list[str]:
    """Name the rules of part 2 K01 that a profile breaks, whatever the box."""
    faults = []
    needs_start = profile.kind is not ProfileKind.RELATIVE
    if needs_start and profile.start is None:
        faults.append(f"a {profile.kind} profile needs startSchedule")
    if profile.kind is ProfileKind.RELATIVE and profile.start is not None:
        faults.append("a Relative profile has no startSchedule")
    if profile.kind is ProfileKind.RECURRING and profile.recurrency is None:
        faults.append("a Recurring profile needs recurrencyKind")
    if profile.periods[0].start_s != 0:
        faults.append("the first period does not start at 0")
    starts = [period.start_s for period in profile.periods]
    if starts != sorted(set(starts)):
        faults.append("periods are not in order")
    if any(period.limit < 0 for period in profile.periods):
        faults.append("a limit below 0")
    if any(round(period.limit, 1) != period.limit for period in profile.periods):
        faults.append("a limit with more than one decimal")
    if profile.stack_level < 0:
        faults.append("a stackLevel below 0")
    if profile.purpose is Purpose.EXTERNAL:
        faults.append("external constraints are not the central system's to set")
    if profile.purpose is Purpose.STATION_MAX and profile.evse_id != 0:
        faults.append("ChargingStationMaxProfile is for evseId 0 only")
    if profile.purpose is Purpose.TX:
        if profile.evse_id == 0:
            faults.append("TxProfile needs an evseId above 0")
        if profile.transaction_id is None:
            faults.append("TxProfile needs a transactionId")
    elif profile.transaction_id is not None:
        faults.append(f"{profile.purpose} has no transactionId")
    return faults


class ProfileTable:
    """The profiles a box keeps."""

    def __init__(self) -> None:
        """Start with none."""
        self._profiles: list[Profile] = []

    def all(self) -> tuple[Profile, ...]:
        """Every profile, oldest first."""
        return tuple(self._profiles)

    def of(self, purpose: Purpose) -> tuple[Profile, ...]:
        """Those for one purpose."""
        return tuple(each for each in self._profiles if each.purpose is purpose)

    def put(self, profile: Profile) -> bool:
        """Store a profile; False where the box is full.

        The same id replaces, and so does the same purpose, level and EVSE (K01.FR.05).
        """
        kept = [
            each
            for each in self._profiles
            if each.id != profile.id
            and (each.purpose, each.stack_level, each.evse_id)
            != (profile.purpose, profile.stack_level, profile.evse_id)
        ]
        if len(kept) >= MAX_PROFILES:
            return False
        self._profiles = [*kept, profile]
        return True

    def bind(self, purpose: Purpose, transaction_id: str) -> None:
        """Tie profiles that came with a remote start to the transaction."""
        self._profiles = [
            replace(each, transaction_id=transaction_id)
            if each.purpose is purpose and each.transaction_id is None
            else each
            for each in self._profiles
        ]

    def remove(self, doomed: Iterable[Profile]) -> bool:
        """Forget profiles; False where there was none."""
        gone = list(doomed)
        self._profiles = [each for each in self._profiles if each not in gone]
        return bool(gone)


def limit_at(
    profiles: Iterable[Profile], at: datetime, started: datetime, phases: int
) -> float | None:
    """Combine profiles into one limit in A, None where nothing limits (K01).

    Within a purpose the highest level that speaks wins; TxProfile stands in for
    TxDefaultProfile; the lowest of what is left counts.
    """
    limits: dict[Purpose, float] = {}
    for profile in sorted(profiles, key=lambda each: (each.stack_level, each.evse_id)):
        limit = profile.limit_a(at, started, phases)
        if limit is not None:
            limits[profile.purpose] = limit
    if Purpose.TX in limits:
        limits.pop(Purpose.TX_DEFAULT, None)
    return min(limits.values(), default=None)


def composite(
    profiles: Iterable[Profile],
    *,
    begin: datetime,
    duration_s: int,
    started: datetime,
    phases: int,
    hardware_limit_a: float,
    unit: RateUnit,
    evse_id: int,
) -> Payload:
    """Work out a composite schedule (K08) as it goes on the wire."""
    known = tuple(profiles)
    end = begin + timedelta(seconds=duration_s)
    marks = {0.0}
    for profile in known:
        marks.update(profile.changes(begin, end, started))
    periods: list[Payload] = []
    for mark in sorted(marks):
        # Just after the mark, or rounding could fall into the period before it.
        at = begin + timedelta(seconds=mark, microseconds=1)
        limit = limit_at(known, at, started, phases)
        amperes = hardware_limit_a if limit is None else min(limit, hardware_limit_a)
        value = (
            amperes if unit is RateUnit.AMPERE else amperes * NOMINAL_VOLTAGE_V * phases
        )
        value = round(value, 1)
        if not periods or periods[-1]["limit"] != value:
            periods.append(
                {"startPeriod": int(mark), "limit": value, "numberPhases": phases}
            )
    return {
        "evseId": evse_id,
        "duration": duration_s,
        "scheduleStart": wire_time(begin),
        "chargingRateUnit": unit.value,
        "chargingSchedulePeriod": periods,
    }
