"""A check of a wallbox on the bench, and what it has to find of each quirk."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.coordinator import SiteCoordinator
from custom_components.bmw_wallbox_victron.wallbox.station import Station
from simulators.wallbox import Car, LedVariable, Quirks
from simulators.wallbox.quirks import (
    Bent,
    CompositeOddity,
    RegisterPhases,
    RegisterRestarts,
    SmartCharging,
)

from .bench import Bench, charge
from .site import CHARGE_POINT_ID

#: How long a box takes until it comes back by itself, s (RetryBackOffWaitMinimum).
BACK_OFF_S: Final = 15


@dataclass(frozen=True)
class Switch:
    """A quirk that is switched on."""

    name: str
    """Its field."""
    value: Any
    """Its value."""

    def __str__(self) -> str:
        """Name it, for the test's name."""
        return self.name if self.value is True else f"{self.name}={self.value}"


#: What each quirk shows, as a line of the verdict and a detail of it.
SEEN: Final[dict[Switch, tuple[str, str]]] = {
    Switch("boots_on_connect", True): ("connection", "boots_on_connect"),
    Switch("clock_offset_s", 300.0): ("clock", "clock_off"),
    Switch("replay_queue", False): ("queue", "events_lost"),
    Switch("answer_delay_s", 2.5): ("answers", "slow_answers"),
    Switch("unresponsive_actions", frozenset({"SetVariables"})): (
        "responsive",
        "unanswered",
    ),
    Switch("bent", frozenset({Bent.VALUE_AS_TEXT})): ("frames", "bad_frames"),
    Switch("boot_every_s", 30.0): ("connection", "boots_again"),
    Switch("trigger_status_rejected", True): ("identity", "status_refused"),
    Switch("trigger_meter_values_rejected", True): (
        "metering",
        "meter_values_refused",
    ),
    Switch("trigger_transaction_event_rejected", True): ("metering", "events_refused"),
    Switch("identity_unknown", True): ("identity", "identity_unknown"),
    Switch("get_variables_rejected_in_bulk", True): ("identity", "one_by_one"),
    Switch("metering_settings_rejected", True): ("metering", "settings_refused"),
    Switch("aligned_settings_rejected", True): ("metering", "settings_refused"),
    Switch("light_rejected", True): ("light", "light_refused"),
    Switch("led_variable", LedVariable.NONE): ("light", "no_light"),
    Switch("led_report_inf", True): ("light", "no_light"),
    Switch("smart_charging", SmartCharging.NOT_IMPLEMENTED): (
        "smart_charging",
        "no_smart_charging",
    ),
    Switch("smart_charging", SmartCharging.NOT_SUPPORTED): (
        "smart_charging",
        "no_smart_charging",
    ),
    Switch("smart_charging", SmartCharging.REJECTED): ("smart_charging", "all_refused"),
    Switch("smart_charging_unavailable", True): ("smart_charging", "no_smart_charging"),
    Switch("relative_only", True): ("limits", "epoch_fails"),
    Switch("absolute_epoch_rejected", True): ("limits", "epoch_fails"),
    Switch("absolute_epoch_ignored", True): ("limits", "epoch_fails"),
    Switch("limit_applies_after_s", 20.0): ("limits", "slow_limits"),
    Switch("default_profile_never", True): ("limits", "default_ignored"),
    Switch("default_profile_next_session_only", True): ("limits", "default_ignored"),
    Switch("default_profile_rejected_after_restart", True): (
        "limit_after_restart",
        "default_refused",
    ),
    Switch("composite_oddity", CompositeOddity.MISSING): ("limits", "composite_silent"),
    Switch("composite_oddity", CompositeOddity.ALWAYS_MINUS_ONE): (
        "limits",
        "composite_silent",
    ),
    Switch("composite_oddity", CompositeOddity.UNLIMITED_IS_MINUS_ONE): (
        "limits",
        "composite_odd",
    ),
    Switch("composite_oddity", CompositeOddity.WATTS_OF_ONE_PHASE): (
        "limits",
        "composite_odd",
    ),
    Switch("register_zero_readings", True): ("register", "register_zero"),
    Switch("meter_values_missing_in_updates", True): (
        "metering",
        "events_without_values",
    ),
    Switch("frozen_unphased_current", True): ("phaseless_current", "frozen"),
    Switch("charging_state_omitted", True): ("sessions", "state_omitted"),
    Switch("available_in_session", True): ("sessions", "free_in_session"),
}

#: What is seen only beside one of the other quirks, or else is never asked for.
BESIDE: Final[dict[Switch, tuple[tuple[str, str], frozenset[str]]]] = {
    Switch("station_profile_never", True): (
        ("limits", "station_ignored"),
        frozenset(
            {
                "default_profile_never",
                "default_profile_next_session_only",
                "default_profile_rejected_after_restart",
            }
        ),
    ),
    Switch("station_profile_rejected", True): (
        ("limits", "station_refused"),
        frozenset(
            {
                "default_profile_never",
                "default_profile_next_session_only",
                "limit_applies_after_s",
            }
        ),
    ),
    Switch("relative_rejected", True): (
        ("limits", "relative_fails"),
        frozenset({"absolute_epoch_rejected", "absolute_epoch_ignored"}),
    ),
    Switch("composite_shows_target", True): (
        ("limits", "composite_wrong"),
        frozenset(
            {
                "default_profile_never",
                "default_profile_next_session_only",
                "absolute_epoch_ignored",
                "relative_only",
            }
        ),
    ),
}

#: Each has an effect that hides those: the check says of them that they were not tried.
_NO_LIMITS: Final = frozenset(
    {
        *(each.name for each, (line, _) in SEEN.items() if line.startswith("limit")),
        *(each.name for each in BESIDE),
        "charging_state_omitted",
    }
)
HIDES: Final[dict[str, frozenset[str]]] = {
    "smart_charging": _NO_LIMITS,
    "smart_charging_unavailable": _NO_LIMITS | {"smart_charging"},
    # Within the first minute no default profile is taken, and the session's own holds.
    "default_profile_rejected_after_restart": frozenset(
        {
            "default_profile_never",
            "default_profile_next_session_only",
            "station_profile_rejected",
        }
    ),
    # Whatever is followed late seems not to be followed at first.
    "limit_applies_after_s": frozenset(
        {
            "absolute_epoch_rejected",
            "absolute_epoch_ignored",
            "relative_only",
            "charging_state_omitted",
        }
    ),
    # Nothing is sent by itself, so nothing is queued; that it charges is not known.
    "metering_settings_rejected": frozenset({"replay_queue", "charging_state_omitted"}),
    "meter_values_missing_in_updates": frozenset({"charging_state_omitted"}),
    "led_variable": frozenset({"light_rejected"}),
    "led_report_inf": frozenset({"light_rejected"}),
    # There are no quiet thirty seconds in which a late limit could be waited for.
    "boot_every_s": frozenset({"limit_applies_after_s"}),
}
#: No current is told at all where all ways to ask for it fail.
_SILENT: Final = frozenset(
    {"metering_settings_rejected", "meter_values_missing_in_updates"}
)
#: What is seen only while a car charges.
WITH_CAR: Final = frozenset(
    {
        "replay_queue",
        "trigger_transaction_event_rejected",
        "meter_values_missing_in_updates",
        "charging_state_omitted",
        "available_in_session",
        "limit_applies_after_s",
        "default_profile_next_session_only",
    }
)
#: What makes no pairs: an accident, of which what fails depends on when it happens.
ALONE: Final = frozenset({"unresponsive_actions"})
#: Boxes that cannot be: it heeds one kind of profiles, and refuses just that; its clock
#: is off, and set by us.
IMPOSSIBLE: Final = frozenset(
    {
        frozenset({"relative_only", "relative_rejected"}),
        frozenset({"clock_offset_s", "clock_from_central_system"}),
    }
)

#: What no check of five minutes without a reboot can see, and why.
UNSEEN: Final[dict[str, str]] = {
    "percent_encoded_path": "the same id, as HTTP writes it",
    "security_event_on_connect": "OCPP allows it",
    "clock_from_central_system": "seen only where the clock was wrong before",
    "reboot_s": "needs a reboot",
    "lost_answers": "an accident of the network; the calls that fail are `unanswered`",
    "duplicate_frames": "OCPP allows to send again what may have been lost",
    "drop_on_actions": "an accident of the network",
    "unresponsive": "nothing can be checked then",
    "no_pong": "it lives all the same",
    "trigger_boot_rejected": "never asked: an accepted one would count as a boot",
    "start_rejected_after_stop": "would end the session",
    "tx_profile_other_id_rejected": "a try could bind the session",
    "stack_level_above_zero_rejected": "never asked for",
    "tx_profile_id_reuse_rejects_all": "a try could bind the session",
    "tx_profile_dropped_while_suspended": "a try could bind the session",
    "tx_profile_poisoned_after_suspend": "a try could bind the session",
    "tx_profile_applies_after_s": "a try could bind the session",
    "restart_window_s": "belongs to `default_profile_rejected_after_restart`",
    "register_restarts": "needs a reboot or a new session",
    "register_restart_wh": "belongs to `register_restarts`",
    "register_phases": "OCPP allows it",
    "frozen_current_a": "belongs to `frozen_unphased_current`",
    "energy_measurand_omitted": "OCPP allows it: it is the default",
    "unit_multiplier": "OCPP allows it",
    "reports_phases_used": "OCPP allows it",
    "phases": "how it is wired",
    "supply_phases_unknown": "optional in OCPP",
    "aligned_measurands_only": "until it is set, which happens when it connects",
    "begin_sample_beside": "OCPP allows it",
    "zero_volts_on_absent_phases": "OCPP allows it",
    "ended_carries_all_samples": "needs the end of the session",
    "remote_start_id_omitted": "needs a start",
    "transaction_ids_restart": "needs a reboot",
    "notify_limit_after_answer_s": "OCPP allows it",
    "notify_charging_limit_when_idle": "OCPP allows it",
    "notify_event_interval_s": "OCPP allows it",
    "notify_ev_charging_needs": "OCPP allows it",
    "cleared_charging_limit": "OCPP allows it",
    "auth_enabled": "how it is set up",
}
#: Values of these that are worth a try: none of them may be named.
HARMLESS: Final = (
    Switch("percent_encoded_path", True),
    Switch("security_event_on_connect", True),
    Switch("clock_from_central_system", True),
    Switch("duplicate_frames", True),
    Switch("no_pong", True),
    Switch("trigger_boot_rejected", True),
    Switch("start_rejected_after_stop", True),
    Switch("tx_profile_other_id_rejected", True),
    Switch("stack_level_above_zero_rejected", True),
    Switch("tx_profile_id_reuse_rejects_all", True),
    Switch("tx_profile_dropped_while_suspended", True),
    Switch("tx_profile_poisoned_after_suspend", True),
    Switch("tx_profile_applies_after_s", 120.0),
    Switch("register_restarts", RegisterRestarts.BOTH),
    Switch("register_phases", RegisterPhases.EACH),
    Switch("energy_measurand_omitted", True),
    Switch("unit_multiplier", 3),
    Switch("reports_phases_used", True),
    Switch("phases", 3),
    Switch("supply_phases_unknown", True),
    Switch("aligned_measurands_only", True),
    Switch("begin_sample_beside", True),
    Switch("zero_volts_on_absent_phases", True),
    Switch("ended_carries_all_samples", True),
    Switch("remote_start_id_omitted", True),
    Switch("transaction_ids_restart", True),
    Switch("notify_limit_after_answer_s", 0.5),
    Switch("notify_charging_limit_when_idle", True),
    Switch("notify_event_interval_s", 30.0),
    Switch("notify_ev_charging_needs", True),
    Switch("cleared_charging_limit", True),
)


def expected(*switches: Switch) -> set[tuple[str, str]]:
    """Return what a check with a car has to find, and nothing else."""
    names = {each.name for each in switches}
    hidden: set[str] = set()
    for name in names:
        hidden |= HIDES.get(name, frozenset())
    found = {
        SEEN[each] for each in switches if each in SEEN and each.name not in hidden
    }
    for each in switches:
        if each in BESIDE and each.name not in hidden:
            what, others = BESIDE[each]
            if names & others:
                found.add(what)
    if "trigger_meter_values_rejected" in names and names & _SILENT:
        found.add(("metering", "no_current"))
    return found


def quirks_of(switches: Iterable[Switch]) -> Quirks:
    """Switch them on, on a box that is otherwise well behaved."""
    return Quirks(**{each.name: each.value for each in switches})


async def check(bench: Bench, **data: Any) -> list[dict[str, Any]]:
    """Check the wallbox by the action, until it is over; it reconnects by itself."""
    task = asyncio.create_task(
        bench.hass.services.async_call(
            DOMAIN,
            "check_wallbox",
            {"device_id": bench.site.device().id, **data},
            blocking=True,
            return_response=True,
        )
    )
    bench.asked.append(task)
    await live(bench, task.done)
    response: Any = task.result()
    assert response["trace"]
    result: list[dict[str, Any]] = response["result"]
    return result


async def live(
    bench: Bench,
    over: Callable[[], bool],
    each: Callable[[], object] = lambda: None,
) -> None:
    """Let time pass until something is over; `each` is looked at every second."""
    passed = away = 0
    await bench.rest()
    while not over():
        await bench.pass_time(1)
        each()
        passed += 1
        away = 0 if bench.box.connected else away + 1
        if away >= BACK_OFF_S and bench.box._timers.away is None:
            await bench.connect(boot=False)
        assert passed <= 600, "the check goes on for ever"


def station_of(bench: Bench) -> Station:
    """Return the wallbox's station."""
    coordinator: SiteCoordinator = bench.site.entry.runtime_data
    return coordinator.stations[CHARGE_POINT_ID]


def found(bench: Bench) -> set[tuple[str, str]]:
    """Return what the last check has found to be different."""
    result = station_of(bench).state.check
    assert result is not None, "there was no check"
    return {
        (str(finding.line), str(detail))
        for finding in result.findings
        if finding.verdict == "differs"
        for detail in finding.details
    }


async def begin(bench: Bench, *, car: bool = True) -> None:
    """Connect, with a car that charges or none."""
    if car:
        await charge(bench, Car(phases=bench.box.charger.phases))
    else:
        await bench.connect()
        await bench.pass_time(12, step=3)
