"""What the traces of the corpus tell: a session at a box of each important habit."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from simulators.wallbox import (
    DELTA,
    WORST,
    Bent,
    Car,
    CompositeOddity,
    Quirks,
    RegisterPhases,
    RegisterRestarts,
    SmartCharging,
)

from ..kit.bench import KEEPS_NO_LIMIT, Bench, charge
from ..kit.self_check import live, station_of

CARD: Final = "04A1B2C3D4E5F6"

type Mark = Callable[[], Awaitable[None]]
"""Takes down what Home Assistant shows now; a second passes before anything else."""


async def session(bench: Bench, mark: Mark) -> None:
    """Charge, with a limit, a pause and a resume, until the car leaves."""
    await charge(bench, Car(phases=3))
    await mark()
    bench.limit(10)
    await bench.pass_time(20)
    await mark()
    bench.allow(False)
    await bench.pass_time(20)
    await mark()
    bench.allow(True)
    await bench.pass_time(20)
    await mark()
    await bench.box.unplug()
    await bench.pass_time(5)
    await mark()


async def patience(bench: Bench, mark: Mark) -> None:
    """Charge with a limit and a pause, with time for what is tried again."""
    await charge(bench)
    bench.limit(10)
    await bench.pass_time(80)
    await mark()
    bench.allow(False)
    await bench.pass_time(80)
    await mark()


async def card(bench: Bench, mark: Mark) -> None:
    """Charge with a card, then by a start from Home Assistant."""
    await bench.connect()
    await bench.box.start(CARD, Car())
    await bench.pass_time(15)
    await mark()
    await bench.box.unplug()
    await bench.pass_time(5)
    bench.press("start_charging")
    await bench.rest()
    await bench.box.plug_in(Car())
    await bench.pass_time(15)
    await mark()


async def outage(bench: Bench, mark: Mark) -> None:
    """Lose the network for a minute of a session; then all that was queued comes."""
    await charge(bench)
    await bench.box.disconnect(abort=True)
    await bench.pass_time(60)
    await mark()
    await bench.box.connect(boot=False)
    await bench.pass_time(20)
    await mark()


async def half_open(bench: Bench, mark: Mark) -> None:
    """Connect anew beside a connection that nobody closed."""
    await charge(bench)
    left = await bench.box.leave_half_open()
    await bench.connect(boot=False)
    await bench.pass_time(15)
    await mark()
    bench.limit(8)
    await bench.pass_time(15)
    await mark()
    await left.close()


async def power_cut(bench: Bench, mark: Mark) -> None:
    """Lose the power in a session, and begin another one afterwards."""
    await charge(bench)
    bench.limit(12)
    await bench.pass_time(10)
    await bench.box.die()
    await bench.pass_time(20)
    await mark()
    await bench.box.power_up()
    await bench.pass_time(20)
    await mark()


async def stops(bench: Bench, mark: Mark) -> None:
    """Charge, press stop, start, and stop again, where a pause ends the session."""
    await charge(bench)
    for press in ("stop_charging", "start_charging", "stop_charging"):
        bench.press(press)
        await bench.pass_time(25)
        await mark()
    await bench.box.unplug()
    await bench.pass_time(5)
    await mark()


async def reboot(bench: Bench, mark: Mark) -> None:
    """Charge with a limit, and have it reboot in the middle of that."""
    await charge(bench)
    bench.limit(12)
    await bench.pass_time(20)
    await mark()
    bench.press("reboot")
    await bench.pass_time(75)
    await mark()


async def check(bench: Bench, mark: Mark) -> None:
    """Charge with a limit, and have the wallbox checked meanwhile."""
    await charge(bench)
    bench.limit(20)
    await bench.pass_time(20)
    await mark()
    bench.press("check_wallbox")
    await live(bench, lambda: station_of(bench).state.check is not None)
    await mark()


@dataclass(frozen=True, kw_only=True)
class Story:
    """How a trace of the corpus comes to be."""

    quirks: Quirks
    """The habits of the box."""
    happens: Callable[[Bench, Mark], Awaitable[None]] = session
    """What happens at it."""
    max_current: int = 32
    """The most that the installation bears, A."""
    meter_interval: int = 10
    """How often it is asked for readings, s."""


def _quirks(**habits: Any) -> Quirks:
    """Give a Delta box more habits."""
    return replace(DELTA, **habits)


#: By the name of the trace.
STORIES: Final[Mapping[str, Story]] = {
    "delta": Story(quirks=DELTA),
    "worst": Story(quirks=WORST),
    "card": Story(quirks=_quirks(auth_enabled=True), happens=card),
    "outage": Story(quirks=DELTA, happens=outage),
    "half_open": Story(quirks=DELTA, happens=half_open),
    "power_cut": Story(quirks=_quirks(transaction_ids_restart=True), happens=power_cut),
    "stops": Story(
        quirks=_quirks(
            smart_charging=SmartCharging.NOT_IMPLEMENTED,
            start_rejected_after_stop=False,
        ),
        happens=stops,
    ),
    "reboot": Story(quirks=_quirks(transaction_ids_restart=True), happens=reboot),
    "small_fuse": Story(quirks=_quirks(phases=3), max_current=16, meter_interval=30),
    "check": Story(quirks=DELTA, happens=check),
    "boots_on_connect": Story(quirks=_quirks(boots_on_connect=True), happens=outage),
    "three_phases": Story(quirks=_quirks(phases=3, reports_phases_used=True)),
    "not_implemented": Story(
        quirks=_quirks(smart_charging=SmartCharging.NOT_IMPLEMENTED)
    ),
    "rejects_limits": Story(quirks=_quirks(smart_charging=SmartCharging.REJECTED)),
    "keeps_no_limit": Story(quirks=_quirks(**KEEPS_NO_LIMIT)),
    "answers_no_limit": Story(
        quirks=_quirks(unresponsive_actions=frozenset({"SetChargingProfile"}))
    ),
    "relative_only": Story(quirks=_quirks(relative_only=True)),
    "lost_answers": Story(
        quirks=_quirks(lost_answers=frozenset({4, 12})), happens=patience
    ),
    "slow_answers": Story(quirks=_quirks(answer_delay_s=2.0)),
    "duplicate_frames": Story(quirks=_quirks(duplicate_frames=True)),
    "bent": Story(quirks=_quirks(bent=frozenset(Bent))),
    "clock_ahead": Story(quirks=_quirks(clock_offset_s=3600.0)),
    "clock_never_set": Story(quirks=_quirks(clock_offset_s=-50 * 365 * 86400.0)),
    "register_of_phases": Story(
        quirks=_quirks(phases=3, register_phases=RegisterPhases.EACH, unit_multiplier=3)
    ),
    "register_restarts": Story(
        quirks=_quirks(register_restarts=RegisterRestarts.BOTH), happens=power_cut
    ),
    "few_readings": Story(
        quirks=_quirks(
            meter_values_missing_in_updates=True,
            trigger_transaction_event_rejected=True,
            aligned_measurands_only=True,
        )
    ),
    "no_charging_state": Story(
        quirks=_quirks(charging_state_omitted=True, remote_start_id_omitted=True)
    ),
    "available_in_session": Story(
        quirks=_quirks(available_in_session=True, zero_volts_on_absent_phases=True)
    ),
    "odd_schedules": Story(
        quirks=_quirks(
            composite_oddity=CompositeOddity.UNLIMITED_IS_MINUS_ONE,
            notify_limit_after_answer_s=0.3,
        )
    ),
}
