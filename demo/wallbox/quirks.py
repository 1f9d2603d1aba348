"""The awkward behaviour of real boxes, each as a switch.

"bmw 18" and the like are issues of github.com/JoaoPedroBelo/bmw-wallbox-ha where
an owner met it; "inventory" is the full inventory of a single-phase box with
firmware 01.20.06.71. Combine with `dataclasses.replace(DELTA, ...)`.
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
    composite_shows_wish: bool = False
    """GetCompositeSchedule tells what was accepted, not what is enforced."""

    # --- Metering ---
    register_restarts: RegisterRestarts = RegisterRestarts.NEVER
    """When the register restarts at zero (an older document says each session)."""
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

    # --- Unasked messages ---
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
