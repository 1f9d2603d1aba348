"""Smart charging: charging profiles, and what they come to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ocpp.v201 import call_result
from ocpp.v201.enums import Action

from ..physics import NOMINAL_VOLTAGE_V, ChargingState
from ..profiles import (
    MAX_PERIODS,
    Profile,
    ProfileKind,
    Purpose,
    RateUnit,
    composite,
    profile_faults,
    read_profile,
)
from ..quirks import CompositeOddity, SmartCharging
from ..records import Payload
from .base import ACCEPTED, REJECTED, Handler, on, reply, status_info


class SmartChargingHandlers(Handler):
    """Answers calls about charging profiles."""

    @on(Action.set_charging_profile)
    def on_set_charging_profile(self, **_: Any) -> object:
        """Take a charging profile or refuse it."""
        request: Payload = self.request.payload
        profile = read_profile(request["evseId"], request["chargingProfile"])
        reason = self._refusal(profile)
        if reason is None:
            return reply(call_result.SetChargingProfile, status=ACCEPTED)
        return reply(
            call_result.SetChargingProfile,
            status=REJECTED,
            status_info=status_info(reason),
        )

    def _refusal(self, profile: Profile) -> str | None:
        """Store a profile; why not, where it is refused."""
        box, quirks = self.box, self.box.quirks
        faults = profile_faults(profile)
        for fault in faults:
            box.blame(f"SetChargingProfile: {fault}")
        if faults:
            return "InvalidProfile"
        if quirks.smart_charging is SmartCharging.REJECTED:
            return "NotSupported"
        if quirks.relative_rejected and profile.kind is ProfileKind.RELATIVE:
            return "UnsupportedKind"
        if quirks.absolute_epoch_rejected and profile.before_any_clock:
            return "InvalidSchedule"
        if profile.evse_id > 1:
            return "UnknownEvse"
        if len(profile.periods) > MAX_PERIODS:
            return "TooManyElements"
        highest = 0 if quirks.stack_level_above_zero_rejected else 5
        if profile.stack_level > highest:
            return "InvalidStackLevel"
        if profile.purpose is Purpose.TX:
            return self._refusal_of_tx_profile(profile)
        if profile.purpose is Purpose.TX_DEFAULT and box.just_started:
            return "NotReady"
        if profile.purpose is Purpose.STATION_MAX and quirks.station_profile_rejected:
            return "NotSupported"
        return None if box.profiles.put(profile) else "OutOfStorage"

    def _refusal_of_tx_profile(self, profile: Profile) -> str | None:
        box, quirks = self.box, self.box.quirks
        transaction = box.transaction
        if transaction is None or transaction.id != profile.transaction_id:
            return "TxNotFound"
        if transaction.refuses_profiles:
            return "InternalError"
        present = box.profiles.of(Purpose.TX)
        if box.poisoned and present:
            return "InternalError"
        in_use = {each.id for each in box.profiles.all()}
        if quirks.tx_profile_id_reuse_rejects_all and profile.id in in_use:
            transaction.refuses_profiles = True
            return "DuplicateProfile"
        if quirks.tx_profile_other_id_rejected and any(
            each.id != profile.id and each.stack_level == profile.stack_level
            for each in present
        ):
            return "DuplicateProfile"
        if quirks.tx_profile_dropped_while_suspended and box.charger.state in (
            ChargingState.SUSPENDED_EVSE,
            ChargingState.SUSPENDED_EV,
        ):
            # Owners saw full power next, so the 0 A that paused it goes as well.
            box.profiles.remove(present)
            return None
        return None if box.profiles.put(profile) else "OutOfStorage"

    @on(Action.clear_charging_profile)
    def on_clear_charging_profile(self, **_: Any) -> object:
        """Forget profiles; Unknown where none matches."""
        request: Payload = self.request.payload
        criteria: Payload = request.get("chargingProfileCriteria", {})
        wanted = request.get("chargingProfileId")
        chosen = [
            each
            for each in self.box.profiles.all()
            if (wanted is None or each.id == wanted)
            and criteria.get("evseId", each.evse_id) == each.evse_id
            and criteria.get("stackLevel", each.stack_level) == each.stack_level
            and criteria.get("chargingProfilePurpose", each.purpose) == each.purpose
            and not (self.box.poisoned and each.purpose is Purpose.TX)
        ]
        gone = self.box.profiles.remove(chosen)
        return reply(
            call_result.ClearChargingProfile, status=ACCEPTED if gone else "Unknown"
        )

    @on(Action.get_charging_profiles)
    def on_get_charging_profiles(self, **_: Any) -> object:
        """Report the profiles, one message for each."""
        request: Payload = self.request.payload
        criterion: Payload = request["chargingProfile"]
        sources = criterion.get("chargingLimitSource", ["CSO"])
        box = self.box
        chosen = [
            each
            for each in box.profiles.all()
            if request.get("evseId", each.evse_id) == each.evse_id
            and criterion.get("chargingProfilePurpose", each.purpose) == each.purpose
            and criterion.get("stackLevel", each.stack_level) == each.stack_level
            and each.id in criterion.get("chargingProfileId", [each.id])
            and "CSO" in sources
        ]
        if not chosen:
            return reply(call_result.GetChargingProfiles, status="NoProfiles")

        def report(profiles: Iterable[Profile] = tuple(chosen)) -> None:
            for left, profile in enumerate(reversed(tuple(profiles))):
                box.send(
                    "ReportChargingProfiles",
                    {
                        "requestId": request["requestId"],
                        "chargingLimitSource": "CSO",
                        "evseId": profile.evse_id,
                        "chargingProfile": [profile.raw],
                        "tbc": left < len(chosen) - 1,
                    },
                )

        box.afterwards(report)
        return reply(call_result.GetChargingProfiles, status=ACCEPTED)

    @on(Action.get_composite_schedule)
    def on_get_composite_schedule(self, **_: Any) -> object:
        """Return what limits are in force for the next so many seconds."""
        request: Payload = self.request.payload
        box = self.box
        if request["evseId"] > 1:
            return reply(
                call_result.GetCompositeSchedule,
                status=REJECTED,
                status_info=status_info("UnknownEvse"),
            )
        now = box.now()
        known = (
            box.profiles.all()
            if box.quirks.composite_shows_target
            else box.enforced_profiles()
        )
        schedule = composite(
            known,
            begin=now,
            duration_s=request["duration"],
            started=box.transaction_began,
            phases=box.charger.phases,
            hardware_limit_a=box.station_limit_a,
            unit=RateUnit(request.get("chargingRateUnit", "A")),
            evse_id=request["evseId"],
        )
        match box.quirks.composite_oddity:
            case CompositeOddity.NONE:
                pass
            case CompositeOddity.MISSING:
                return reply(call_result.GetCompositeSchedule, status=ACCEPTED)
            case oddity:
                _make_odd(schedule, oddity, box.station_limit_a)
        return reply(
            call_result.GetCompositeSchedule, status=ACCEPTED, schedule=schedule
        )


def _make_odd(schedule: Payload, oddity: CompositeOddity, most_a: float) -> None:
    """Word a composite schedule another way; `most_a` is the hardware's limit in A."""
    periods: list[Payload] = schedule["chargingSchedulePeriod"]
    watts = schedule["chargingRateUnit"] == RateUnit.WATT.value
    for period in periods:
        phases: int = period["numberPhases"]
        ampere = NOMINAL_VOLTAGE_V * phases if watts else 1.0
        match oddity:
            case CompositeOddity.UNLIMITED_IS_MINUS_ONE:
                if period["limit"] >= most_a * ampere:
                    period["limit"] = -1.0
            case CompositeOddity.ALWAYS_MINUS_ONE:
                period["limit"] = -1.0
            case CompositeOddity.WATTS_OF_ONE_PHASE:
                amperes = period["limit"] / ampere
                period["limit"] = round(amperes * NOMINAL_VOLTAGE_V, 1)
                period["numberPhases"] = 1
            case _:
                pass
    if oddity is CompositeOddity.WATTS_OF_ONE_PHASE:
        schedule["chargingRateUnit"] = RateUnit.WATT.value
