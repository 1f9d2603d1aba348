"""The awkward behaviour of real boxes, each as a switch.

"bmw 18" and the like are issues of github.com/JoaoPedroBelo/bmw-wallbox-ha where
an owner met it; "inventory" is the full inventory of a single-phase box with
firmware 01.20.06.71; "evcc 15493" and the like issues of github.com/evcc-io/evcc. W1
to W29 were found by trying, on stations that nobody here wrote. Combine with
`dataclasses.replace(DELTA, ...)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class RegisterRestarts(StrEnum):
    """When the energy register goes back to zero."""

    NEVER = "never"
    AT_SESSION_START = "at_session_start"
    AFTER_REBOOT = "after_reboot"
    BOTH = "both"


class LedVariable(StrEnum):
    """Which variable holds the brightness of the light, if any."""

    STATUS_LED = "StatusLED.brightness"
    CHARGING_STATION = "ChargingStation.StatusLedBrightness"
    NONE = "none"


class SmartCharging(StrEnum):
    """What the box makes of smart charging, which OCPP 2.0.1 leaves optional."""

    FULL = "full"
    NOT_IMPLEMENTED = "NotImplemented"
    """Its calls get this CALLERROR."""
    NOT_SUPPORTED = "NotSupported"
    """Its calls get this CALLERROR."""
    REJECTED = "rejected"
    """Every SetChargingProfile is Rejected; the rest is answered."""


class RegisterPhases(StrEnum):
    """For which phases the energy register is told."""

    NONE = "none"
    """One value without a phase, for all of them."""
    FIRST = "first"
    """One value with phase L1, as a single-phase box may tell it."""
    EACH = "each"
    """A value for each phase and none for all."""


class CompositeOddity(StrEnum):
    """How GetCompositeSchedule says what is not so simple."""

    NONE = "none"
    UNLIMITED_IS_MINUS_ONE = "unlimited_is_minus_one"
    """A limit of -1 where nothing limits but the hardware (libocpp: no limit)."""
    ALWAYS_MINUS_ONE = "always_minus_one"
    """A limit of -1 whatever is in force, which tells nothing."""
    MISSING = "missing"
    """Accepted, and no schedule: it is optional in the answer."""
    WATTS_OF_ONE_PHASE = "watts_of_one_phase"
    """In W for one phase, whichever unit was asked for."""


class Bent(StrEnum):
    """A detail that breaks the schema in frames that are good otherwise."""

    FIRMWARE_TOO_LONG = "firmware_too_long"
    """BootNotification with a firmwareVersion of more than 50 characters."""
    FIRMWARE_NULL = "firmware_null"
    """BootNotification with a firmwareVersion that is null."""
    MEASURAND_OF_2_1 = "measurand_of_2_1"
    """A sampled value whose measurand only OCPP 2.1 knows, beside good ones."""
    TIME_WITHOUT_ZONE = "time_without_zone"
    """Times without Z or offset, in all messages."""
    TIME_IN_EPOCH_SECONDS = "time_in_epoch_seconds"
    """The timestamp of TransactionEvent and StatusNotification as a number."""
    EMPTY_SAMPLED_VALUE = "empty_sampled_value"
    """A meter value with no sampledValue at all, before a good one."""
    VALUE_AS_TEXT = "value_as_text"
    """A voltage as a string, beside good values."""
    REASON_OF_2_1 = "reason_of_2_1"
    """A triggerReason that only OCPP 2.1 knows."""
    FIELD_OF_2_1 = "field_of_2_1"
    """A field that only OCPP 2.1 knows, in each TransactionEvent."""
    STATUS_OF_1_6 = "status_of_1_6"
    """StatusNotification with a connectorStatus of OCPP 1.6."""


@dataclass(frozen=True, kw_only=True)
class Quirks:
    """How this box differs from what one would expect; all off is well behaved."""

    # --- Connection ---
    percent_encoded_path: bool = False
    """The id's asterisks arrive as %2A in the URL (some owners' logs)."""
    boots_on_connect: bool = False
    """BootNotification after every reconnect, not only after a boot."""
    security_event_on_connect: bool = False
    """SecurityEventNotification SettingSystemTime after connecting (bmw logs)."""
    clock_offset_s: float = 0.0
    """How far its clock is off, s; positive runs ahead."""
    replay_queue: bool = True
    """Replays after an outage what it queued (inventory: QueueAllMessages true)."""
    clock_from_central_system: bool = False
    """Sets its clock by each currentTime (ClockCtrlr.TimeSource Heartbeat)."""
    reboot_s: float = 60.0
    """How long a Reset takes it away, s (about 60: bmw docs)."""

    # --- Answers ---
    answer_delay_s: float = 0.0
    """Time before each answer, s (SetVariables 0.6: bmw 7; 0.9: bmw 10; 20: WiFi)."""
    lost_answers: frozenset[int] = frozenset()
    """Which of its answers never come, counted from 1 (bmw 14, 17)."""
    duplicate_frames: bool = False
    """Sends each of its calls twice, with the same message id."""
    drop_on_actions: frozenset[str] = frozenset()
    """Calls at which it vanishes without an answer, such as `SetChargingProfile`."""
    unresponsive: bool = False
    """Answers no call and acts on none, while its own messages go on (W5)."""
    unresponsive_actions: frozenset[str] = frozenset()
    """Calls that it neither answers nor acts on, as some answer no profile (W5)."""
    no_pong: bool = False
    """Never answers a ping, while its own messages go on (W16)."""
    bent: frozenset[Bent] = frozenset()
    """Details of its messages that break the schema (W15)."""
    boot_every_s: float = 0.0
    """BootNotification every so often on a standing connection, s; 0 never (W24)."""

    # --- What it refuses ---
    trigger_boot_rejected: bool = False
    """TriggerMessage BootNotification is Rejected (bmw docs)."""
    trigger_status_rejected: bool = False
    """TriggerMessage StatusNotification is Rejected (bmw docs)."""
    trigger_meter_values_rejected: bool = False
    """TriggerMessage MeterValues is Rejected, as on other boxes."""
    trigger_transaction_event_rejected: bool = False
    """TriggerMessage TransactionEvent is Rejected, as on other boxes."""
    identity_unknown: bool = False
    """Model, vendor, serial, firmware: UnknownComponent; only the report has them."""
    get_variables_rejected_in_bulk: bool = False
    """GetVariables of more than one variable: each of them Rejected."""
    metering_settings_rejected: bool = False
    """SetVariables SampledDataCtrlr is Rejected."""
    light_rejected: bool = False
    """SetVariables of the light's brightness is Rejected."""
    start_rejected_after_stop: bool = False
    """Start after RequestStopTransaction: Rejected until replug or boot (bmw docs)."""

    # --- Charging profiles ---
    smart_charging: SmartCharging = SmartCharging.FULL
    """What it makes of smart charging calls (W10; optional in OCPP 2.0.1)."""
    smart_charging_unavailable: bool = False
    """SmartChargingCtrlr.Available and Enabled are false (W10)."""
    relative_rejected: bool = False
    """Profiles of kind Relative are Rejected (Easee: evcc 15493)."""
    relative_only: bool = False
    """Takes profiles of any kind and heeds Relative alone (wallbox.com: evcc 25042)."""
    absolute_epoch_rejected: bool = False
    """A startSchedule before 2020 is Rejected (HARDWARE: not tried on a Delta)."""
    absolute_epoch_ignored: bool = False
    """A startSchedule before 2020 is Accepted, without effect (the same)."""
    tx_profile_other_id_rejected: bool = False
    """TxProfile at a level in use by another id is Rejected (K01.FR.39; W9)."""
    limit_applies_after_s: float = 0.0
    """Obeys a limit only so long after it came into force, s (slow power stages)."""
    stack_level_above_zero_rejected: bool = False
    """stackLevel above 0 is Rejected, though ProfileStackLevel says 5 (bmw 18)."""
    tx_profile_id_reuse_rejects_all: bool = False
    """TxProfile with an id in use: Rejected, and all after it for that tx (bmw 18)."""
    tx_profile_dropped_while_suspended: bool = False
    """TxProfile while suspended: Accepted, dropped, full power on resume (bmw 20)."""
    tx_profile_poisoned_after_suspend: bool = False
    """TxProfile after SuspendedEVSE or a fault stays until a reboot (bmw 25)."""
    tx_profile_applies_after_s: float = 0.0
    """Full power for so long before a TxProfile works, s (about 120: bmw 15)."""
    default_profile_next_session_only: bool = False
    """TxDefaultProfile works from the next session on (bmw 24)."""
    default_profile_rejected_after_restart: bool = False
    """TxDefaultProfile is Rejected right after a (re)start or reconnect (bmw 14)."""
    default_profile_never: bool = False
    """TxDefaultProfile is Accepted and ignored."""
    station_profile_never: bool = False
    """ChargingStationMaxProfile is Accepted and ignored."""
    station_profile_rejected: bool = False
    """ChargingStationMaxProfile is Rejected."""
    restart_window_s: float = 60.0
    """How long "right after a restart" lasts, s."""
    composite_shows_target: bool = False
    """GetCompositeSchedule tells what was accepted, not what is enforced."""
    composite_oddity: CompositeOddity = CompositeOddity.NONE
    """How GetCompositeSchedule tells it (W24)."""

    # --- Metering ---
    register_restarts: RegisterRestarts = RegisterRestarts.NEVER
    """When the register restarts at zero (an older document says each session)."""
    register_restart_wh: float = 0.0
    """Where the register restarts, Wh (W18: from 2,192 to 1,000)."""
    register_phases: RegisterPhases = RegisterPhases.NONE
    """For which phases the register is told (W18)."""
    register_zero_readings: bool = False
    """Every third reading of the register is 0 (owners' logs)."""
    meter_values_missing_in_updates: bool = False
    """TransactionEvent Updated comes without meterValue (bmw 7)."""
    frozen_unphased_current: bool = False
    """Current without a phase stands still at an old value (bmw docs)."""
    frozen_current_a: float = 13.4
    """The old value at which it stands, A."""
    energy_measurand_omitted: bool = False
    """Energy comes without its measurand, the default one of OCPP 2.0.1."""
    unit_multiplier: int = 0
    """Power of ten of energy and power: 3 sends kWh as Wh with multiplier 3."""
    reports_phases_used: bool = False
    """TransactionEvent carries numberOfPhasesUsed."""
    phases: int = 1
    """Phases it is wired to: 1 or 3 (single phase: inventory; 16 A x 3 exist)."""
    supply_phases_unknown: bool = False
    """There is no SupplyPhases variable."""

    aligned_measurands_only: bool = False
    """AlignedDataCtrlr.Measurands, which TriggerMessage MeterValues answers with, are
    energy and voltage until they are set (OCPP F06; W8)."""
    aligned_settings_rejected: bool = False
    """SetVariables AlignedDataCtrlr is Rejected (W8)."""
    begin_sample_beside: bool = False
    """Samples of Transaction.Begin beside the live ones, in one list, before them and
    after them in turn (W18)."""
    zero_volts_on_absent_phases: bool = False
    """A single-phase box tells 0 V on L2-N and L3-N (W29)."""
    ended_carries_all_samples: bool = False
    """Ended carries a sample a minute of the whole session, as TxEndedInterval says
    from the factory; none where that is set to 0 (W14)."""

    # --- Transactions ---
    charging_state_omitted: bool = False
    """TransactionEvent without chargingState, which is optional (W11)."""
    remote_start_id_omitted: bool = False
    """TransactionEvent without remoteStartId (W11, another member)."""
    transaction_ids_restart: bool = False
    """Transaction ids count from 1 again after each boot (W17)."""
    available_in_session: bool = False
    """StatusNotification Available in the middle of a session (W19)."""

    # --- Unasked messages ---
    notify_limit_after_answer_s: float = 0.0
    """NotifyChargingLimit so long after each of its answers, s; 0 never (W24)."""
    notify_charging_limit_when_idle: bool = False
    """NotifyChargingLimit with source SO, even when idle (bmw logs)."""
    notify_event_interval_s: float = 0.0
    """NotifyEvent of MeteringCtrlr every so often, s; 0 never (300: bmw logs)."""
    notify_ev_charging_needs: bool = False
    """NotifyEVChargingNeeds when a session starts (bmw logs)."""
    cleared_charging_limit: bool = False
    """ClearedChargingLimit when a session ends (bmw logs)."""

    # --- Other ---
    auth_enabled: bool = False
    """Charging waits for a card or a remote start (inventory: false)."""
    led_report_inf: bool = False
    """The brightness of the light is told as `inf` (W24)."""
    led_variable: LedVariable = LedVariable.STATUS_LED
    """Where the brightness of the light is (inventory: StatusLED.brightness)."""


DELTA: Final = Quirks(
    security_event_on_connect=True,
    trigger_boot_rejected=True,
    trigger_status_rejected=True,
    start_rejected_after_stop=True,
    stack_level_above_zero_rejected=True,
    frozen_unphased_current=True,
    energy_measurand_omitted=True,
    notify_charging_limit_when_idle=True,
    notify_event_interval_s=300.0,
    notify_ev_charging_needs=True,
    cleared_charging_limit=True,
)
"""What every Delta box does."""

WORST: Final = Quirks(
    percent_encoded_path=True,
    security_event_on_connect=True,
    answer_delay_s=0.05,
    trigger_boot_rejected=True,
    trigger_status_rejected=True,
    trigger_meter_values_rejected=True,
    identity_unknown=True,
    get_variables_rejected_in_bulk=True,
    start_rejected_after_stop=True,
    stack_level_above_zero_rejected=True,
    tx_profile_id_reuse_rejects_all=True,
    tx_profile_dropped_while_suspended=True,
    tx_profile_poisoned_after_suspend=True,
    tx_profile_applies_after_s=120.0,
    register_restarts=RegisterRestarts.BOTH,
    register_zero_readings=True,
    frozen_unphased_current=True,
    energy_measurand_omitted=True,
    unit_multiplier=3,
    notify_charging_limit_when_idle=True,
    notify_event_interval_s=300.0,
    notify_ev_charging_needs=True,
    cleared_charging_limit=True,
    led_variable=LedVariable.CHARGING_STATION,
)
"""All that owners met, at once, as far as it can come together."""
