"""Transactions: how they begin, what limits them, how they end."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
import uuid

from .messages import Messages
from .physics import ChargingState
from .profiles import Profile, ProfileKind, Purpose, limit_at
from .records import Payload
from .state import Transaction

_EVSE: Final[Payload] = {"id": 1, "connectorId": 1}


class EventType(StrEnum):
    """Type of a TransactionEvent."""

    STARTED = "Started"
    UPDATED = "Updated"
    ENDED = "Ended"


_MEASURANDS_OF: Final = {
    EventType.STARTED: ("TxStartedMeasurands", "Transaction.Begin"),
    EventType.UPDATED: ("TxUpdatedMeasurands", "Sample.Periodic"),
    EventType.ENDED: ("TxEndedMeasurands", "Transaction.End"),
}


class Transactions(Messages):
    """A wallbox that charges cars, in transactions."""

    # --- Beginning and end ---

    def _plugged(self) -> None:
        """Go on after the cable went in."""
        if self.dead or not self.operative or not self.charger.plugged:
            return
        self._timers.cable = None
        if self.transaction is None:
            self._begin("CablePluggedIn")
        elif self.transaction.state is ChargingState.IDLE:
            self.transaction.state = ChargingState.EV_CONNECTED
            self._event(EventType.UPDATED, "CablePluggedIn")
        self._permit()
        self._watch()

    def _permit(self) -> None:
        """Let the car charge where that needs no card, or the card was good."""
        transaction = self.transaction
        allowed = (
            transaction is not None
            and self.charger.plugged
            and (transaction.authorized or not self.quirks.auth_enabled)
        )
        needs = allowed and not self.charger.allowed
        self.charger.allowed = allowed
        if needs and self.quirks.notify_ev_charging_needs and self.charger.car:
            mode = "three" if self.charger.car.phases == 3 else "single"
            wanted = {"requestedEnergyTransfer": f"AC_{mode}_phase"}
            self.send("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": wanted})

    def _begin(
        self,
        trigger: str,
        *,
        token: Payload | None = None,
        remote_start_id: int | None = None,
    ) -> None:
        self.charger.start_session()
        self.poisoned = self.poisoned and self.quirks.tx_profile_poisoned_after_suspend
        self.transaction = Transaction(
            id=self._new_transaction_id(),
            started=self.now(),
            began=self.clock.steady(),
            state=self.charger.state,
            authorized=token is not None,
            token=token["idToken"] if token else None,
            defaults=self.profiles.of(Purpose.TX_DEFAULT),
            begin_wh=self.charger.register_wh,
        )
        self._timers.meter = 0.0
        self._timers.ended_sample = 0.0
        self._event(
            EventType.STARTED, trigger, token=token, remote_start_id=remote_start_id
        )
        if not self.charger.plugged:
            self._timers.cable = self.model.number("TxCtrlr", "EVConnectionTimeOut")

    def _new_transaction_id(self) -> str:
        self._transactions += 1
        if self.quirks.transaction_ids_restart:
            return str(self._transactions)
        return str(uuid.uuid4())

    def _authorized(
        self, token: Payload, trigger: str, remote_start_id: int | None = None
    ) -> None:
        if self.transaction is None:
            self._begin(trigger, token=token, remote_start_id=remote_start_id)
        else:
            self.transaction.authorized = True
            self.transaction.token = token["idToken"]
            self._event(
                EventType.UPDATED,
                trigger,
                token=token,
                remote_start_id=remote_start_id,
            )
        self.finishing = False
        self._permit()
        self._watch()

    def start_remotely(
        self, token: Payload, remote_start_id: int, profile: Profile | None
    ) -> None:
        """Begin what RequestStartTransaction asked for."""
        self._authorized(token, "RemoteStart", remote_start_id)
        if profile and self.transaction:
            self.profiles.put(profile)
            self.profiles.bind(Purpose.TX, self.transaction.id)

    def stop_remotely(self) -> None:
        """End what RequestStopTransaction asked for."""
        self._end("RemoteStop", "Remote", ChargingState.EV_CONNECTED)
        self.finishing = self.charger.plugged

    def _end(
        self,
        trigger: str,
        reason: str,
        state: ChargingState,
        *,
        token: Payload | None = None,
    ) -> None:
        if (transaction := self.transaction) is None:
            return
        transaction.state = state if self.charger.plugged else ChargingState.IDLE
        self.charger.allowed = False
        self._event(EventType.ENDED, trigger, token=token, stopped_reason=reason)
        self.transaction = None
        self._timers.cable = None
        self.profiles.remove(self.profiles.of(Purpose.TX))
        if self.quirks.cleared_charging_limit:
            self.send(
                "ClearedChargingLimit", {"chargingLimitSource": "SO", "evseId": 1}
            )
        if self.inoperative_scheduled:
            self.set_operative(False)
        if self.reset_scheduled:
            self.begin_reset()

    def _token_answered(self, transaction: Transaction, answer: Payload) -> None:
        """Heed what the central system says about a token (part 2 C01, E05)."""
        info = answer.get("idTokenInfo")
        if info is None:
            self.blame("TransactionEvent with an idToken: no idTokenInfo in its answer")
        elif info["status"] != "Accepted" and self.transaction is transaction:
            self._end("Deauthorized", "DeAuthorized", ChargingState.EV_CONNECTED)
            self.finishing = self.charger.plugged

    # --- Events ---

    def _event(
        self,
        event: EventType,
        trigger: str,
        *,
        token: Payload | None = None,
        remote_start_id: int | None = None,
        stopped_reason: str | None = None,
        context: str | None = None,
    ) -> None:
        """Report what happened to the running transaction (part 2 E02, E06)."""
        if (transaction := self.transaction) is None:
            return
        info: Payload = {"transactionId": transaction.id}
        if not self.quirks.charging_state_omitted:
            info["chargingState"] = transaction.state.value
        if stopped_reason:
            info["stoppedReason"] = stopped_reason
        if remote_start_id is not None and not self.quirks.remote_start_id_omitted:
            info["remoteStartId"] = remote_start_id
        payload: Payload = {
            "eventType": event.value,
            "timestamp": self.wire_now(),
            "triggerReason": trigger,
            "seqNo": transaction.seq_no,
            "transactionInfo": info,
            "evse": _EVSE,
        }
        transaction.seq_no += 1
        if not self.online:
            payload["offline"] = True
        if token:
            payload["idToken"] = token
        if self.quirks.reports_phases_used and self.charger.active_phases:
            payload["numberOfPhasesUsed"] = self.charger.active_phases
        if not (
            event is EventType.UPDATED and self.quirks.meter_values_missing_in_updates
        ):
            setting, usual = _MEASURANDS_OF[event]
            measurands = self.model.members("SampledDataCtrlr", setting)
            values = self._sample(measurands, context or usual)
            if event is EventType.ENDED:
                values = transaction.samples + values
            if values:
                payload["meterValue"] = values

        def on_answer(answer: Payload) -> None:
            self._token_answered(transaction, answer)

        self.send("TransactionEvent", payload, on_answer if token else None)

    def send_triggered_event(self) -> None:
        """Send TransactionEvent on demand."""
        self._event(EventType.UPDATED, "Trigger", context="Trigger")

    # --- Limits ---

    def enforced_profiles(self) -> tuple[Profile, ...]:
        """Return the profiles that have an effect, which quirks may make fewer."""
        quirks, transaction = self.quirks, self.transaction
        effective: list[Profile] = []
        for profile in self.profiles.all():
            if profile.purpose is Purpose.TX and (
                transaction is None or profile.transaction_id != transaction.id
            ):
                continue
            if (
                profile.purpose is Purpose.TX
                and self.charger.state is ChargingState.CHARGING
                and self.charger.power_on_s < quirks.tx_profile_applies_after_s
            ):
                continue
            if profile.purpose is Purpose.TX_DEFAULT and (
                quirks.default_profile_never
                or (quirks.default_profile_next_session_only and transaction)
            ):
                continue
            if quirks.absolute_epoch_ignored and profile.before_any_clock:
                continue
            if quirks.relative_only and profile.kind is not ProfileKind.RELATIVE:
                continue
            if profile.purpose is Purpose.STATION_MAX and quirks.station_profile_never:
                continue
            effective.append(profile)
        if (
            quirks.default_profile_next_session_only
            and not quirks.default_profile_never
            and transaction
        ):
            effective.extend(transaction.defaults)
        return tuple(effective)

    def _watch(self, trigger: str = "ChargingStateChanged") -> None:
        """Apply the limit of this moment and tell of a new charging state."""
        if self.dead:
            return
        now, transaction = self.now(), self.transaction
        started, phases = self.transaction_began, self.charger.phases
        limit = limit_at(self.enforced_profiles(), now, started, phases)
        most = self.station_limit_a
        self._obey(most if limit is None else min(limit, most))
        if transaction is None or transaction.state is self.charger.state:
            return
        transaction.state = self.charger.state
        if (
            transaction.state is ChargingState.SUSPENDED_EVSE
            and self.quirks.tx_profile_poisoned_after_suspend
        ):
            self.poisoned = True
        self._event(EventType.UPDATED, trigger)
        if self.quirks.available_in_session:
            self.send_status()

    def _obey(self, limit_a: float) -> None:
        """Offer the car no more than a limit in A, as soon as the box does that."""
        now = self.clock.steady()
        last = self._limits[-1][1] if self._limits else self.charger.limit_a
        if limit_a != last:
            delay = timedelta(seconds=self.quirks.limit_applies_after_s)
            self._limits.append((now + delay, limit_a))
        while self._limits and self._limits[0][0] <= now:
            self.charger.limit_a = self._limits.popleft()[1]

    def set_clock(self, moment: datetime) -> None:
        """Set the box's clock: to 1970, 2099 or any other time; it runs on from there.

        The time that passes for the car, the timers and relative schedules stays what
        it is. Limits are looked at at once: a schedule may begin or end by it.
        """
        self.clock.set(moment - timedelta(seconds=self.quirks.clock_offset_s))
        self._watch()

    def shift_clock(self, seconds: float) -> None:
        """Let the box's clock jump by so many seconds, negative ones back."""
        self.set_clock(self.now() + timedelta(seconds=seconds))

    # --- Availability and reset ---

    def set_operative(self, operative: bool) -> None:
        """Take the box out of service or back."""
        self.inoperative_scheduled = False
        if self.operative == operative:
            return
        self.operative = operative
        self.send_status()
        if operative and not self.finishing:
            self._plugged()

    def begin_reset(self) -> None:
        """End the transaction and go away for as long as a reboot takes."""
        self.reset_scheduled = False
        if self.transaction:
            self._end("ResetCommand", "ImmediateReset", ChargingState.EV_CONNECTED)
        self._reset_pending = True
