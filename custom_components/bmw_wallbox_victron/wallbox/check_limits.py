"""What a wallbox made of the limits of a check -> what is different about it.

Pure functions, as those in `check_verdicts`.
"""

from dataclasses import dataclass, field
from typing import Final

from ocpp.v201 import call

from .check_log import CheckLog, Exchange
from .check_verdicts import Details
from .enforcement import Enforcement
from .findings import Detail
from .observation import ROUNDING_A
from .target import ProfileKind, ProfilePurpose

#: A car follows within 5 s (IEC 61851-1), and is asked every other second; in s.
SLOW_LIMIT_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A limit that was tried, and what became of it."""

    amps: float
    """The limit, A."""
    since: float
    """From when on it was wished for, by the steady clock, in s."""
    until: float
    """Until when."""
    followed_at: float | None
    """When a current was first measured that keeps it; None: never."""
    metered: bool
    """Whether a current was to be measured: a car charges, or did before it."""
    after: Enforcement
    """How far the wallbox had got with it at its end."""
    again: bool = False
    """Whether it was tried before: what was sent then may be followed only now."""

    @property
    def held(self) -> bool:
        """Whether it held, as far as that could be told."""
        told = self.followed_at is not None or not self.metered
        return told and (self.after.holds or self.metered)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """A profile that was sent for a level."""

    at: float
    """When its answer came."""
    purpose: ProfilePurpose
    kind: ProfileKind
    accepted: bool


@dataclass(slots=True)
class _Burst:
    """Profiles that were sent one after the other."""

    sent: list[_Sent] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)
    """What composite schedules said after it, A."""


def _bursts(log: CheckLog, level: Level) -> list[_Burst]:
    """Return the profiles of a level, in those bursts in which they were sent.

    After each burst the composite schedule was asked for; there is another one only
    where the limit did not hold with those before.
    """
    bursts: list[_Burst] = []
    asked = True
    for exchange in log.exchanges:
        if not level.since <= exchange.at <= level.until or exchange.lost:
            continue
        match exchange.request:
            case call.GetCompositeSchedule() if bursts:
                asked = True
                if (amps := _composite_a(exchange)) is not None:
                    bursts[-1].shown.append(amps)
            case call.SetChargingProfile() as request:
                profile = request.charging_profile
                schedule = profile.charging_schedule[0]
                if schedule.charging_schedule_period[0].limit != level.amps:
                    continue
                kind = ProfileKind.RELATIVE
                if schedule.start_schedule is not None:
                    epoch = schedule.start_schedule.startswith("1970")
                    kind = ProfileKind.EPOCH if epoch else ProfileKind.NOW
                if asked:
                    bursts.append(_Burst())
                    asked = False
                bursts[-1].sent.append(
                    _Sent(
                        at=exchange.at,
                        purpose=ProfilePurpose(profile.charging_profile_purpose),
                        kind=kind,
                        accepted=exchange.status == "Accepted",
                    )
                )
    return bursts


def _holding(bursts: list[_Burst]) -> _Sent | None:
    """Return which profile holds a limit that held; None: it cannot be told."""
    failed = _failed(bursts[:-1])
    last = [
        each
        for each in (bursts[-1].sent if bursts else ())
        if each.accepted and (each.purpose, each.kind) not in failed
    ]
    # The session's own counts in place of the default.
    order = (ProfilePurpose.TX, ProfilePurpose.TX_DEFAULT, ProfilePurpose.STATION_MAX)
    return min(last, key=lambda each: order.index(each.purpose), default=None)


def _failed(bursts: list[_Burst]) -> set[tuple[ProfilePurpose, ProfileKind]]:
    """Return what was accepted, and not kept."""
    return {
        (each.purpose, each.kind)
        for burst in bursts
        for each in burst.sent
        if each.accepted
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is said of limits."""

    details: tuple[Detail, ...] = ()
    """What is different."""
    holding: tuple[ProfilePurpose, ProfileKind] | None = None
    """What held; None: nothing did."""
    refused_at: float | None = None
    """When the default profile was refused, by the steady clock, in s."""


def takes_limits(log: CheckLog, enforcement: Enforcement) -> Details:
    """Judge whether it has smart charging at all."""
    if enforcement.unable:
        return (Detail.NO_SMART_CHARGING,)
    asked = log.asked(call.SetChargingProfile)
    told = [each for _, each in asked if not each.lost]
    if not told:
        return None
    if any(each.status == "Accepted" for each in told):
        return ()
    purposes = {
        str(each.charging_profile.charging_profile_purpose) for each, _ in asked
    }
    return (Detail.ALL_REFUSED,) if len(purposes) > 1 else None


def limits(log: CheckLog, levels: list[Level]) -> Limits:
    """Judge what it makes of limits; there is one level at least."""
    first = levels[0]
    bursts = _bursts(log, first)
    sent = [each for burst in bursts for each in burst.sent]
    holder = _holding(bursts) if first.held else None
    vain = bursts[:-1] if first.held else bursts
    failed = _failed(vain)
    found: list[Detail] = list(composite(log))
    waits = _waits(log, levels)
    slow = bool(waits) and min(waits) > SLOW_LIMIT_S
    # Or it may be slow: then what did not hold at first may have done so later.
    untold = first.held and first.metered and not waits
    if slow:
        found.append(Detail.SLOW_LIMITS)
    elif holder is not None and holder.purpose is not ProfilePurpose.TX:
        if holder.kind is not ProfileKind.EPOCH:
            found.append(Detail.EPOCH_FAILS)
        if holder.kind is ProfileKind.NOW:
            found.append(Detail.RELATIVE_FAILS)
    for purpose, detail in (
        (ProfilePurpose.TX_DEFAULT, Detail.DEFAULT_IGNORED),
        (ProfilePurpose.STATION_MAX, Detail.STATION_IGNORED),
    ):
        last = [kind for each, kind in failed if each is purpose]
        if not last:
            continue
        # Each is tried only once those before it have failed.
        kinds = list(ProfileKind)
        tried = kinds[: 1 + max(kinds.index(kind) for kind in last)]
        shown = _shown(vain, purpose, first.amps)
        if (slow or untold) and shown is not False:
            continue
        if shown:
            found.append(Detail.COMPOSITE_WRONG)
        # With a kind that is not followed at all, it is not the purpose's fault.
        if holder is None or (holder.purpose is not purpose and holder.kind in tried):
            found.append(detail)
    answers = {each.purpose: each for each in sent}
    station = answers.get(ProfilePurpose.STATION_MAX)
    if station is not None and not station.accepted:
        found.append(Detail.STATION_REFUSED)
    if not all(each.held for each in levels):
        found.append(Detail.NOTHING_HELD)
    default = [each for each in sent if each.purpose is ProfilePurpose.TX_DEFAULT]
    refused = default and not any(each.accepted for each in default)
    return Limits(
        details=tuple(dict.fromkeys(found)),
        holding=None if holder is None or slow else (holder.purpose, holder.kind),
        refused_at=default[-1].at if refused else None,
    )


def _waits(log: CheckLog, levels: list[Level]) -> list[float]:
    """Return after how many seconds limits were followed with which all was known.

    The first is late as well where another profile purpose had to be found.
    """
    return [
        level.followed_at - sent[0].at
        for level in levels[1:]
        if level.followed_at is not None
        and level.metered
        and not level.again
        and (
            sent := [
                each
                for burst in _bursts(log, level)
                for each in burst.sent
                if each.accepted
            ]
        )
    ]


def _shown(bursts: list[_Burst], purpose: ProfilePurpose, amps: float) -> bool | None:
    """Return whether the composite schedule showed a limit that was not kept.

    As long as it was set with one purpose alone. None: it says nothing.
    """
    shown: bool | None = None
    accepted = False
    for burst in bursts:
        purposes = {each.purpose for each in burst.sent if each.accepted}
        accepted = accepted or purpose in purposes
        if accepted and purposes - {purpose}:
            break
        if accepted and burst.shown:
            shown = burst.shown[-1] <= amps + ROUNDING_A
    return shown


def _composite_a(exchange: Exchange) -> float | None:
    """Return what a composite schedule allows at once, A; None: it does not say."""
    schedule = (exchange.answer or {}).get("schedule") or {}
    periods = schedule.get("charging_schedule_period") or []
    if not periods or schedule.get("charging_rate_unit") != "A":
        return None
    amps: float = periods[0]["limit"]
    return amps if amps >= 0 else None


def composite(log: CheckLog) -> tuple[Detail, ...]:
    """Judge how it tells the composite schedule."""
    told: list[bool] = []
    watts = False
    for _, exchange in log.asked(call.GetCompositeSchedule):
        if exchange.status != "Accepted" or exchange.answer is None:
            continue
        schedule = exchange.answer.get("schedule") or {}
        periods = schedule.get("charging_schedule_period") or []
        told.append(bool(periods) and periods[0]["limit"] >= 0)
        watts = watts or schedule.get("charging_rate_unit") == "W"
    if told and not any(told):
        return (Detail.COMPOSITE_SILENT,)
    return (Detail.COMPOSITE_ODD,) if watts or not all(told) else ()


def refused_after(log: CheckLog, since: float) -> bool | None:
    """Return whether the default profile was refused from then on; None: not sent."""
    sent = [
        exchange.status == "Accepted"
        for request, exchange in log.asked(call.SetChargingProfile)
        if exchange.at >= since
        and not exchange.lost
        and request.charging_profile.charging_profile_purpose
        == ProfilePurpose.TX_DEFAULT
    ]
    return not any(sent) if sent else None
