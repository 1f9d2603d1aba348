"""A limit or a schedule <-> OCPP 2.0.1 charging profiles (Part 2, K)."""

from datetime import UTC, datetime, timedelta
from typing import Final

from ocpp.v201 import call
from ocpp.v201.datatypes import (
    ChargingProfileType,
    ChargingSchedulePeriodType,
    ChargingScheduleType,
    ClearChargingProfileType,
)
from ocpp.v201.enums import (
    ChargingProfileKindEnumType,
    ChargingRateUnitEnumType,
)

from .payloads import CompositeSchedule
from .steps import ClearTxProfile, SetLimit
from .target import ProfileKind, ProfilePurpose

#: The ids of our profiles. One for a transaction needs an id that was never used.
PROFILE_IDS: Final = {ProfilePurpose.TX_DEFAULT: 1, ProfilePurpose.STATION_MAX: 2}
#: A box has one EVSE; a profile for the whole station is for EVSE 0 (K01).
_EVSE: Final = {
    ProfilePurpose.TX_DEFAULT: 1,
    ProfilePurpose.STATION_MAX: 0,
    ProfilePurpose.TX: 1,
}
#: How far the composite schedule is asked for, in s: only the present counts.
_HORIZON_S: Final = 60
_NOMINAL_V: Final = 230.0
#: SmartChargingCtrlr.PeriodsPerSchedule of a Delta box.
MOST_PERIODS: Final = 33
#: No clock stands before this.
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: How long before now a schedule begins where it cannot begin in 1970.
HEAD_START: Final = timedelta(hours=12)


def set_charging_profile(
    sent: SetLimit, *, begun: datetime, device_time: datetime, now: float
) -> call.SetChargingProfile:
    """Write a limit as a charging profile (K01).

    `begun`: when it begins, by the wallbox's clock, which shows `device_time` at second
    `now` of the steady clock. What comes later counts from the beginning: a clock that
    was set back since then finds the limit of now, not none.
    """
    offset = (device_time - begun).total_seconds() - now
    # Of two in the same second the later one counts.
    limits = {0: sent.setpoint.amps}
    for begin, amps in sent.setpoint.changes[: MOST_PERIODS - 1]:
        limits[max(round(begin + offset), 0)] = amps
    periods = [
        ChargingSchedulePeriodType(start_period=start, limit=_tenths(amps))
        for start, amps in limits.items()
    ]
    relative = sent.kind is ProfileKind.RELATIVE
    profile_id = PROFILE_IDS.get(sent.purpose, sent.profile_id)
    assert profile_id is not None, "a TxProfile gets its id before it is written"  # noqa: S101 - a bug of ours
    return call.SetChargingProfile(
        evse_id=_EVSE[sent.purpose],
        charging_profile=ChargingProfileType(
            id=profile_id,
            stack_level=0,
            charging_profile_purpose=sent.purpose,
            charging_profile_kind=(
                ChargingProfileKindEnumType.relative
                if relative
                else ChargingProfileKindEnumType.absolute
            ),
            transaction_id=sent.transaction_id,
            charging_schedule=[
                ChargingScheduleType(
                    id=1,
                    start_schedule=None
                    if relative
                    else begun.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    charging_rate_unit=ChargingRateUnitEnumType.amps,
                    charging_schedule_period=periods,
                )
            ],
        ),
    )


def _tenths(amps: float) -> float:
    """Return a limit with the one decimal that OCPP has, never above what it was."""
    return int(amps * 10 + 1e-6) / 10


def clear_tx_profile(sent: ClearTxProfile) -> call.ClearChargingProfile:
    """Write a request that rids the transaction of its profile (K10)."""
    if sent.profile_id is not None:
        return call.ClearChargingProfile(charging_profile_id=sent.profile_id)
    return clear_purpose(ProfilePurpose.TX)


def clear_purpose(purpose: ProfilePurpose) -> call.ClearChargingProfile:
    """Write a request that clears all profiles of a purpose.

    One purpose at a time: criteria may not be empty (K10).
    """
    return call.ClearChargingProfile(
        charging_profile_criteria=ClearChargingProfileType(
            charging_profile_purpose=purpose
        )
    )


def ask_composite(duration: int = _HORIZON_S) -> call.GetCompositeSchedule:
    """Write a request for what all profiles make together, for so many s (K08)."""
    return call.GetCompositeSchedule(
        duration=duration,
        evse_id=1,
        charging_rate_unit=ChargingRateUnitEnumType.amps,
    )


def composite_limit(
    schedule: CompositeSchedule | None,
    *,
    phases: int | None = None,
    voltage: float | None = None,
) -> float | None:
    """Read the limit of this moment from a CompositeScheduleType, in A.

    `phases` and `voltage` (V) are what is measured, for a box that answers in W; None
    where the answer says nothing that can be believed.
    """
    if schedule is None or not schedule["charging_schedule_period"]:
        return None
    first = min(
        schedule["charging_schedule_period"], key=lambda period: period["start_period"]
    )
    limit = first["limit"]
    if limit < 0:
        return None  # some boxes say -1 where nothing limits
    if schedule["charging_rate_unit"] == "W":
        used = first.get("number_phases") or phases
        if used is None:
            return None  # a third of it, or all: cannot be told
        limit /= (voltage or _NOMINAL_V) * used
    return limit
