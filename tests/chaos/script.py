"""What happens on a day: a list of steps, made from a seed before the day begins."""

from collections.abc import Callable
from dataclasses import dataclass, field
import random
from typing import Any, Final

from simulators.wallbox import (
    Bent,
    CompositeOddity,
    RegisterPhases,
    RegisterRestarts,
    SmartCharging,
)

DAY_S: Final = 86_400.0


@dataclass(frozen=True)
class Step:
    """Something that happens."""

    gap_s: float
    """How long after the step before it, s."""
    name: str
    """What: a method of `World`."""
    args: tuple[Any, ...] = ()

    def __str__(self) -> str:
        """Write it as one line of a story."""
        args = ", ".join(map(repr, self.args))
        return f"+{self.gap_s:g} s {self.name}({args})"


@dataclass(frozen=True)
class Day:
    """A day of a wallbox."""

    seed: int
    kinds: tuple[str, ...]
    """The faults of this day."""
    quirks: dict[str, Any] = field(default_factory=dict)
    """What the box is like all day."""
    steps: tuple[Step, ...] = ()
    meter_interval: int = 60
    register_wh: float = 1_234_567.0


_SOME_ACTIONS: Final = (
    ("SetChargingProfile",),
    ("GetCompositeSchedule",),
    ("TriggerMessage",),
    ("SetVariables", "GetVariables"),
)
_REFUSALS: Final[tuple[tuple[str, Any], ...]] = (
    ("smart_charging", SmartCharging.REJECTED),
    ("default_profile_never", True),
    ("limit_applies_after_s", 4.0),
    ("default_profile_rejected_after_restart", True),
)
_OF_A_SESSION: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "register": (
        {"register_restarts": RegisterRestarts.AT_SESSION_START},
        {"register_restarts": RegisterRestarts.AFTER_REBOOT},
        {"register_restarts": RegisterRestarts.BOTH},
        {"register_phases": RegisterPhases.FIRST},
        {"register_phases": RegisterPhases.EACH},
        {"register_zero_readings": True},
        {"begin_sample_beside": True},
    ),
    "transaction_ids": ({"transaction_ids_restart": True},),
    "metering": (
        {"aligned_measurands_only": True},
        {"aligned_measurands_only": True, "aligned_settings_rejected": True},
        {"metering_settings_rejected": True},
        {"trigger_transaction_event_rejected": True},
        {"trigger_meter_values_rejected": True},
        {"meter_values_missing_in_updates": True},
        {"zero_volts_on_absent_phases": True},
        {"ended_carries_all_samples": True},
        {"frozen_unphased_current": True, "energy_measurand_omitted": True},
    ),
    "schedules": (
        {"relative_rejected": True},
        {"relative_only": True},
        {"absolute_epoch_rejected": True},
        {"absolute_epoch_ignored": True},
        {"absolute_epoch_ignored": True, "relative_rejected": True},
        {"tx_profile_other_id_rejected": True, "default_profile_never": True},
        {"station_profile_rejected": True, "default_profile_never": True},
    ),
    "cannot_limit": (
        {"smart_charging": SmartCharging.NOT_IMPLEMENTED},
        {"smart_charging": SmartCharging.NOT_SUPPORTED},
        {"smart_charging": SmartCharging.REJECTED},
        {
            "smart_charging": SmartCharging.NOT_SUPPORTED,
            "smart_charging_unavailable": True,
        },
    ),
    "composite": tuple({"composite_oddity": oddity} for oddity in CompositeOddity),
    "omissions": (
        {"charging_state_omitted": True},
        {"remote_start_id_omitted": True},
        {"boots_on_connect": True},
        {"clock_from_central_system": True},
    ),
}
"""What a box is like all day, for kinds that are no event, and no excuse."""


def _drop(rng: random.Random) -> Step:
    return Step(0, "drop", (rng.choice([1, 5, 30, 200, 1500]), rng.random() < 0.5))


def _half_open(rng: random.Random) -> Step:
    if rng.random() < 0.5:
        return Step(0, "half_open_beside", (rng.choice([1, 5, 15]),))
    return Step(0, "half_open_live", (rng.choice([0, 1, 15]), rng.choice([5, 900])))


def _power_cut(rng: random.Random) -> Step:
    away = rng.choice([2, 30, 600, 4000])
    return Step(0, "power_cut", (away, rng.random() < 0.6, rng.random() < 0.5))


def _box_clock(rng: random.Random) -> Step:
    match rng.randrange(4):
        case 0:
            year = rng.choice([1970, 2000, 2099])
            return Step(0, "set_box_clock", (year,))
        case 1:
            return Step(0, "stop_box_clock", (rng.choice([60, 600, 3000]),))
        case _:
            days = rng.choice([-3, -1, -0.1, -0.02, -0.0005, 0.0005, 0.02, 1, 3])
            return Step(0, "shift_box_clock", (days * 86_400,))


def _our_clock(rng: random.Random) -> Step:
    days = rng.choice([-3, -1, -0.1, -0.001, 0.001, 0.1, 1, 3])
    return Step(0, "shift_our_clock", (days * 86_400,))


def _mute(rng: random.Random) -> Step:
    actions = rng.choice([(), *_SOME_ACTIONS])
    return Step(0, "mute", (rng.choice([5, 25, 100, 400]), actions))


def _answers(rng: random.Random) -> Step:
    match rng.randrange(3):
        case 0:
            return Step(0, "slow", (rng.choice([1, 5, 20]), rng.choice([60, 600])))
        case 1:
            return Step(0, "lose_answers", (rng.choice([1, 2, 3]),))
        case _:
            return Step(0, "quirk", (600, "duplicate_frames", True))


def _refusal(rng: random.Random) -> Step:
    name, value = rng.choice(_REFUSALS)
    return Step(0, "quirk", (rng.choice([10, 60, 400]), name, value))


def _unasked(rng: random.Random) -> Step:
    name, value = rng.choice(
        [
            ("boot_every_s", 2.0),
            ("notify_limit_after_answer_s", 0.3),
            ("available_in_session", True),
        ]
    )
    return Step(0, "quirk", (rng.choice([30, 90]), name, value))


def _bent(rng: random.Random) -> Step:
    bent = rng.sample(list(Bent), rng.choice([1, 1, 2]))
    return Step(0, "quirk", (rng.choice([60, 1200]), "bent", frozenset(bent)))


def _reboot(_: random.Random) -> Step:
    return Step(0, "reboot")


def _restart(rng: random.Random) -> Step:
    return Step(0, "restart", (rng.choice([0, 5, 120]),))


def _kill(rng: random.Random) -> Step:
    return Step(0, "kill", (rng.choice([0, 5, 120]),))


def _break(rng: random.Random) -> Step:
    return Step(0, "break_down", (rng.choice([5, 300]),))


FAULTS: Final[dict[str, Callable[[random.Random], Step]]] = {
    "drop": _drop,
    "half_open": _half_open,
    "power_cut": _power_cut,
    "reboot": _reboot,
    "box_clock": _box_clock,
    "our_clock": _our_clock,
    "mute": _mute,
    "answers": _answers,
    "refusals": _refusal,
    "unasked": _unasked,
    "bent": _bent,
    "restart": _restart,
    "kill": _kill,
    "broken": _break,
}
"""Faults that happen at a moment, by kind."""

KINDS: Final = (*FAULTS, *_OF_A_SESSION)
"""All kinds of faults."""

_GAPS: Final = (0.0, 0.2, 1.0, 3.0, 7.0, 12.0, 20.0, 45.0, 100.0, 400.0)


def _target(rng: random.Random) -> Step:
    match rng.randrange(8):
        case 0 | 1:
            return Step(0, "press_stop")
        case 2:
            return Step(0, "press_start")
        case 3:
            return Step(0, "allow", (rng.random() < 0.5,))
        case 4:
            limits = tuple(rng.randint(6, 32) for _ in range(5))
            return Step(0, "burst", limits)
        case _:
            return Step(0, "limit", (rng.randint(6, 32),))


def _car(rng: random.Random) -> Step:
    return Step(0, rng.choice(["car_pauses", "car_resumes", "car_resumes", "replug"]))


def _with_gap(step: Step, gap_s: float) -> Step:
    return Step(gap_s, step.name, step.args)


def make_day(
    seed: int,
    kinds: tuple[str, ...] | None = None,
    *,
    without: frozenset[str] = frozenset(),
) -> Day:
    """Make a day; `kinds` None: a pair of kinds, more of them on some days."""
    rng = random.Random(seed)
    if kinds is None:
        known = [kind for kind in KINDS if kind not in without]
        kinds = tuple(rng.sample(known, rng.choice([1, 2, 2, 2, 2, 4])))
    quirks: dict[str, Any] = {"phases": rng.choice([1, 1, 3])}
    for kind in kinds:
        if kind in _OF_A_SESSION:
            quirks |= rng.choice(_OF_A_SESSION[kind])
    register_wh = rng.choice([0.0, 1_234_567.0])
    if quirks.get("register_zero_readings"):
        # From a few Wh to 0: nobody could tell that from a register that begins anew.
        register_wh = 1_234_567.0
    faults = [kind for kind in kinds if kind in FAULTS]
    steps: list[Step] = []
    for _ in range(rng.choice([1, 1, 2, 3])):
        steps.append(Step(rng.uniform(300, 14_000), "plug_in", (rng.choice([1, 3]),)))
        for _ in range(rng.randint(4, 9)):
            gap = rng.choice(_GAPS)
            chance = rng.random()
            if faults and chance < 0.4:
                step = FAULTS[rng.choice(faults)](rng)
            elif chance < 0.9:
                step = _target(rng)
            else:
                step = _car(rng)
            steps.append(_with_gap(step, gap))
        steps.append(Step(rng.choice([20.0, 200.0, 900.0]), "unplug"))
        if faults and rng.random() < 0.5:
            step = FAULTS[rng.choice(faults)](rng)
            steps.append(_with_gap(step, rng.choice(_GAPS)))
        if rng.random() < 0.3:
            steps.append(_with_gap(_target(rng), rng.choice(_GAPS)))
    return Day(
        seed=seed,
        kinds=kinds,
        quirks=quirks,
        steps=tuple(steps),
        meter_interval=rng.choice([10, 60, 60, 60, 60]),
        register_wh=register_wh,
    )
