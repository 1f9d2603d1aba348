"""Start, stop and limit: what is wished, what the wallbox does, and what is shown.

Here time stands still unless a test lets it pass: timers, timeouts and slow answers of
both sides go by the frozen clock.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
import itertools
import logging
from typing import Any, Final

from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from custom_components.bmw_wallbox_victron.const import DOMAIN
from simulators.wallbox import (
    DELTA,
    WORST,
    Car,
    LedVariable,
    Quirks,
    SimulatedWallbox,
)
from simulators.wallbox.profiles import ProfileTable

from .kit.bench import (
    FULL,
    KEEPS_NO_LIMIT,
    TOLERANCE,
    Bench,
    MakeBench,
    charge,
    profile_of,
    turn_until,
)
from .kit.site import CHARGE_POINT_ID

# What a wallbox does, whichever Home Assistant it is shown by.
pytestmark = pytest.mark.any_homeassistant


MakeWallbox = Callable[..., SimulatedWallbox]

#: How long a limit may take from the answer that allowed it, s.
PROMISE = timedelta(seconds=10)
#: How long a conversation may take until that answer, with lost ones, s.
CONVERSATION_S = 180


# A connection of the same id that stays silent


@pytest.mark.parametrize("no_pong", [False, True])
async def test_a_silent_connection_does_not_replace_one_that_lives(
    make_bench: MakeBench, no_pong: bool
) -> None:
    """A wallbox that answers no ping lives all the same: by a frame now and then."""
    bench = make_bench(replace(DELTA, no_pong=no_pong))
    await charge(bench)
    silent = await bench.box.open_half()
    await bench.pass_time(20)
    bench.press("stop_charging")
    await bench.pass_time(3)
    assert bench.amps == 0
    await bench.succeed()
    await bench.pass_time(80)
    assert bench.box.connected
    await silent.close()


# Whatever the wallbox is like


class Outcome(StrEnum):
    """How an awkward answer may end."""

    HOLDS = "holds"
    """The limit is kept, whatever the wallbox answers."""
    SHOWN = "shown"
    """At some of the wishes it is not, and that is shown."""


@dataclass(frozen=True)
class Awkward:
    """An awkward answer of HARDWARE.md."""

    quirks: tuple[tuple[str, Any], ...]
    """Switches of the simulated wallbox."""
    lost: bool = False
    """The first answer after each wish gets lost."""
    vanishes: bool = False
    """The box vanishes at the first profile after each wish, and comes back."""

    def __str__(self) -> str:
        """Name it, for the test's name."""
        if self.lost:
            return "answer_lost"
        if self.vanishes:
            return "vanishes"
        return ",".join(
            name if value is True else f"{name}={value:g}"
            for name, value in self.quirks
        )


def awkward(**quirks: Any) -> Awkward:
    """Switch something on."""
    return Awkward(tuple(quirks.items()))


OUTCOMES: Final = {
    awkward(): Outcome.HOLDS,
    awkward(answer_delay_s=1.0): Outcome.HOLDS,
    Awkward((), lost=True): Outcome.HOLDS,
    Awkward((), vanishes=True): Outcome.HOLDS,
    awkward(stack_level_above_zero_rejected=True): Outcome.HOLDS,
    awkward(tx_profile_id_reuse_rejects_all=True): Outcome.HOLDS,
    awkward(tx_profile_dropped_while_suspended=True): Outcome.HOLDS,
    awkward(tx_profile_poisoned_after_suspend=True): Outcome.HOLDS,
    awkward(tx_profile_applies_after_s=120.0): Outcome.HOLDS,
    awkward(default_profile_next_session_only=True): Outcome.HOLDS,
    awkward(default_profile_rejected_after_restart=True): Outcome.HOLDS,
    awkward(default_profile_never=True): Outcome.HOLDS,
    awkward(station_profile_never=True): Outcome.HOLDS,
    awkward(station_profile_rejected=True): Outcome.HOLDS,
    awkward(composite_shows_target=True): Outcome.HOLDS,
    awkward(trigger_meter_values_rejected=True): Outcome.HOLDS,
    awkward(meter_values_missing_in_updates=True): Outcome.HOLDS,
    awkward(metering_settings_rejected=True): Outcome.HOLDS,
    awkward(frozen_unphased_current=True): Outcome.HOLDS,
    awkward(get_variables_rejected_in_bulk=True): Outcome.HOLDS,
    awkward(notify_charging_limit_when_idle=True): Outcome.HOLDS,
    awkward(boots_on_connect=True): Outcome.HOLDS,
    awkward(clock_offset_s=300.0): Outcome.HOLDS,
    awkward(clock_offset_s=-300.0): Outcome.HOLDS,
    awkward(auth_enabled=True): Outcome.HOLDS,
    awkward(duplicate_frames=True): Outcome.HOLDS,
    awkward(phases=3): Outcome.HOLDS,
    awkward(default_profile_never=True, station_profile_rejected=True): Outcome.HOLDS,
    # What leaves no way at all.
    awkward(**KEEPS_NO_LIMIT): Outcome.SHOWN,
}
"""What each awkward answer, alone, leads to."""

_NOT_PAIRED: Final = frozenset(
    {
        "stack_level_above_zero_rejected",
        "frozen_unphased_current",
        "get_variables_rejected_in_bulk",
        "notify_charging_limit_when_idle",
        "meter_values_missing_in_updates",
        "boots_on_connect",
        "duplicate_frames",
        "phases",
    }
)
SWITCHES: Final = [
    each
    for each in OUTCOMES
    if each.lost
    or each.vanishes
    or (
        len(each.quirks) == 1
        and each.quirks[0][0] not in _NOT_PAIRED
        and each.quirks[0][1] != 300
    )
]
"""What is also switched on in pairs: what bears on a limit and its proof."""


class Trial:
    """One wallbox, and the wishes that are made while a car charges at it."""

    def __init__(
        self, bench: Bench, oddities: tuple[Awkward, ...], *, step: float = 1.0
    ) -> None:
        """Take the wallbox, what is awkward about it, and the steps of time, s."""
        self.bench = bench
        self.step = step
        self.lost = any(each.lost for each in oddities)
        self.vanishes = any(each.vanishes for each in oddities)
        self.shown = False
        """Whether a problem was ever shown."""

    async def run(self) -> None:
        """Charge at full, at 10 A, pause, go on at 16 A."""
        bench, box = self.bench, self.bench.box
        await bench.connect()
        await self.confirmed()
        phases = box.charger.phases
        await box.plug_in(Car(phases=phases))
        if box.quirks.auth_enabled:
            await bench.rest()
            await box.authorize("04A1B2C3")
        await self.confirmed()
        assert self.judge(FULL), self.story("full")
        await self.target(10, lambda: bench.limit(10))
        await self.target(0, lambda: bench.allow(False))
        bench.limit(16)
        await self.target(16, lambda: bench.allow(True))

    async def confirmed(self) -> None:
        """Wait until the wallbox has confirmed what is wished."""
        await self.bench.rest()
        for _ in range(CONVERSATION_S):
            if not self.bench.pending("number", "current_limit"):
                break
            await self.bench.pass_time(2, step=self.step)

    def judge(self, amps: int) -> bool:
        """Tell whether a limit holds, or is shown not to."""
        if self.bench.problem():
            self.shown = True
            return True
        return self.bench.keeps(amps)

    async def target(self, amps: int, make: Callable[[], None]) -> None:
        """Make a wish; 10 s after the answer that allowed it, it holds or is shown."""
        bench, box = self.bench, self.bench.box
        before = len(box.replies)
        if self.lost:
            lost = frozenset({box.journal.reply_count + 1})
            box.quirks = replace(box.quirks, lost_answers=lost)
        if self.vanishes:
            gone = frozenset({"SetChargingProfile"})
            box.quirks = replace(box.quirks, drop_on_actions=gone)
        make()
        await bench.rest()
        for _ in range(CONVERSATION_S):
            if not box.connected:
                box.quirks = replace(box.quirks, drop_on_actions=frozenset())
                await bench.pass_time(15, step=5)
                await bench.connect(boot=False)
            allowed = self.allowed_since(before, amps)
            if allowed and dt_util.utcnow() - allowed >= PROMISE:
                break
            waits = self.lost and not allowed
            await bench.pass_time(5 if waits else self.step, step=5)
        assert self.judge(amps), self.story(str(amps))
        err = await bench.outcome()
        assert err is None or err.translation_key in (
            "connection_lost",
            "limit_refused",
            "no_answer",
        )

    def allowed_since(self, before: int, amps: int) -> datetime | None:
        """Tell when the box gave the newest answer to a profile of this wish."""
        box = self.bench.box
        ours = {
            call.message_id
            for call in box.calls("SetChargingProfile")
            if profile_of(call)[1] == amps
        }
        times = [
            answer.time for answer in box.replies[before:] if answer.message_id in ours
        ]
        if not times:
            return None
        return times[-1] - timedelta(seconds=box.quirks.clock_offset_s)

    def story(self, target: str) -> str:
        """Tell what happened, where it went wrong."""
        bench = self.bench
        box = bench.box
        heard = sorted(
            [(call.time, f"> {call.action}") for call in box.received_calls]
            + [(reply.time, f"< {reply.action}") for reply in box.replies]
            + [(call.time, f"  {call.action}") for call in box.sent]
        )
        said = "\n".join(f"{time:%M:%S} {what}" for time, what in heard[-60:])
        return (
            f"wish {target}: {bench.amps} A flow, enforced {bench.enforced}, "
            f"problem {bench.problem()}, now {box.now():%M:%S}\n{said}"
        )


def combined(oddities: tuple[Awkward, ...]) -> Quirks:
    """Switch on all that is awkward, on a box that is otherwise well behaved."""
    quirks: dict[str, Any] = {}
    for each in oddities:
        quirks |= dict(each.quirks)
    return Quirks(**quirks)


@pytest.mark.parametrize(("oddity", "outcome"), OUTCOMES.items(), ids=str)
async def test_one_awkward_answer(
    make_bench: MakeBench, oddity: Awkward, outcome: Outcome
) -> None:
    """A table of quirk by outcome: each switch alone."""
    trial = Trial(make_bench(combined((oddity,))), (oddity,))
    await trial.run()
    assert trial.shown is (outcome is Outcome.SHOWN)


@pytest.mark.parametrize("quirks", [DELTA, WORST], ids=["delta", "worst"])
async def test_all_awkward_answers(make_bench: MakeBench, quirks: Quirks) -> None:
    """What real boxes are like, all at once."""
    slow = min(1.0, quirks.answer_delay_s)
    trial = Trial(make_bench(replace(quirks, answer_delay_s=slow)), ())
    await trial.run()
    assert not trial.shown


@pytest.mark.parametrize("first", SWITCHES[:-1], ids=str)
async def test_two_awkward_answers(make_bench: MakeBench, first: Awkward) -> None:
    """Each pair of switches: within 10 s the limit holds, or is shown not to."""
    faults: list[str] = []
    for one, two in itertools.combinations(SWITCHES, 2):
        if one is not first or {name for name, _ in one.quirks} & {
            name for name, _ in two.quirks
        }:
            continue
        bench = make_bench(combined((one, two)))
        trial = Trial(bench, (one, two), step=2)
        try:
            await trial.run()
        except AssertionError as err:
            faults.append(f"{one} and {two}: {err}")
        await bench.box.unplug()
        await bench.rest()
        await bench.box.disconnect()
        await bench.rest()
        bench.limit(FULL)
        bench.allow(True)
        await bench.outcome()
    assert not faults, "\n\n".join(faults)


# Counted on the wire


@pytest.mark.parametrize(
    "stop",
    [lambda bench: bench.allow(False), lambda bench: bench.press("stop_charging")],
    ids=["switch", "button"],
)
async def test_stop_is_the_first_call(
    charging: Bench, stop: Callable[[Bench], None]
) -> None:
    """Between pressing stop and the frame that limits charging lies no other call."""
    bench, box = charging, charging.box
    before = len(box.received_calls)
    stop(bench)
    await bench.rest()
    assert profile_of(bench.calls_since(before)[0]) == ("TxDefaultProfile", 0)
    assert bench.amps == 0
    await bench.succeed()
    await bench.pass_time(5)
    assert bench.site.state("status") == "paused"
    assert bench.enforced == "0.0"
    assert not bench.pending("switch", "charging")


async def test_stop_overtakes_a_queue(make_bench: MakeBench) -> None:
    """With a poll on the wire and others waiting, a stop is the very next call."""
    bench = make_bench(replace(DELTA, metering_settings_rejected=True))
    box = bench.box
    await charge(bench)
    box.quirks = replace(box.quirks, answer_delay_s=8.0)
    before, answered = len(box.calls("TriggerMessage")), len(box.replies)
    while len(box.calls("TriggerMessage")) == before:
        await bench.pass_time(1)
        assert len(box.replies) - answered < 3, "no poll came"
    assert box.received_calls[-1].action == "TriggerMessage"
    asked, answered = len(box.received_calls), len(box.replies)
    for _ in range(3):
        bench.press("refresh")
    await bench.rest()
    bench.allow(False)
    await bench.rest()
    assert len(box.received_calls) == asked, "one call at a time"
    assert len(box.replies) == answered
    await bench.pass_time(10)
    first = bench.calls_since(asked)[0]
    assert first.action == "SetChargingProfile"
    assert profile_of(first) == ("TxDefaultProfile", 0)
    box.quirks = replace(box.quirks, answer_delay_s=0.0)
    await bench.pass_time(30)
    assert bench.keeps(0)
    await bench.succeed()


@pytest.mark.parametrize(
    ("target", "amps"),
    [(lambda bench: bench.allow(False), 0), (lambda bench: bench.limit(8), 8)],
    ids=["stop", "limit"],
)
async def test_a_target_follows_a_target_at_once(
    charging: Bench, target: Callable[[Bench], None], amps: int
) -> None:
    """With a limit on the wire and others waiting, a wish is the very next call."""
    bench, box = charging, charging.box
    box.quirks = replace(box.quirks, answer_delay_s=5.0)
    bench.limit(20)
    await bench.rest()
    before = len(box.received_calls)
    assert profile_of(box.received_calls[-1]) == ("TxDefaultProfile", 20)
    bench.press("refresh")
    await bench.rest()
    target(bench)
    await bench.rest()
    assert len(box.received_calls) == before, "one call at a time"
    await bench.pass_time(6)
    first = bench.calls_since(before)[0]
    assert first.action == "SetChargingProfile"
    assert profile_of(first) == ("TxDefaultProfile", amps)
    box.quirks = replace(box.quirks, answer_delay_s=0.0)
    await bench.pass_time(20)
    await bench.succeed()


@pytest.mark.parametrize("delay", [0.0, 0.4])
@pytest.mark.parametrize("apart", [0.0, 0.1])
async def test_ten_limits_within_a_second(
    charging: Bench, delay: float, apart: float
) -> None:
    """They send at most two profiles, and the last one is the newest wish."""
    bench, box = charging, charging.box
    box.quirks = replace(box.quirks, answer_delay_s=delay)
    before = len(box.received_calls)
    for amps in range(10, 20):
        bench.limit(amps)
        await bench.pass_time(apart)
    await bench.pass_time(20)
    sent = bench.limits_since(before)
    assert len(sent) <= 2
    assert sent[-1:] == [("TxDefaultProfile", 19)]
    assert bench.keeps(19)
    await bench.succeed()


async def test_stop_keeps_the_transaction(charging: Bench) -> None:
    """Stop pauses, start goes on: one transaction, and nothing that ends it."""
    bench, box = charging, charging.box
    assert box.transaction is not None
    transaction = box.transaction.id
    for _ in range(3):
        bench.press("stop_charging")
        await bench.pass_time(12)
        assert bench.keeps(0)
        assert bench.site.state("status") == "paused"
        assert bench.site.state("charging", "switch") == STATE_OFF
        bench.press("start_charging")
        await bench.pass_time(12)
        assert bench.keeps(FULL)
        assert bench.site.state("status") == "charging"
        assert bench.site.state("charging", "switch") == STATE_ON
    await bench.succeed()
    assert box.transaction.id == transaction
    assert not box.calls("RequestStopTransaction")
    assert not box.calls("RequestStartTransaction")
    assert not box.calls("ClearChargingProfile")


async def test_stop_in_the_middle_of_a_change(charging: Bench) -> None:
    """A stop right after a change of the limit does not wait for the pace of limits."""
    bench, box = charging, charging.box
    before = len(box.received_calls)
    bench.limit(20)
    await bench.rest()
    bench.limit(21)
    await bench.rest()
    bench.press("stop_charging")
    await bench.rest()
    assert bench.limits_since(before)[-1] == ("TxDefaultProfile", 0)
    assert bench.amps == 0
    await bench.succeed()
    assert box.transaction is not None


# Which connection gets the calls


async def half_open(bench: Bench) -> ClientConnection:
    """Open a connection of the same wallbox that says nothing and hears nothing."""
    box = bench.box
    connection = await connect(
        box.address,
        ssl=box.ssl_context,
        subprotocols=[Subprotocol("ocpp2.0.1")],
        proxy=None,
        ping_interval=None,
    )
    connection.transport.pause_reading()
    return connection


async def test_a_half_open_connection_gets_no_call(make_bench: MakeBench) -> None:
    """One that opened just before the live one does not take the calls from it."""
    bench = make_bench()
    dead = await half_open(bench)
    bench.freezer.tick(0.5)
    await charge(bench)
    await bench.pass_time(6)
    bench.press("stop_charging")
    await bench.rest()
    assert bench.amps == 0
    await bench.succeed()
    assert not bench.problem()
    dead.transport.abort()


# Whatever the clocks show


@pytest.mark.parametrize("shown", [-3, -56 * 365, 73 * 365], ids="{} days".format)
async def test_a_limit_knows_no_clock(charging: Bench, shown: int) -> None:
    """The box's clock jumps in mid-session: what is wished next counts at once."""
    bench, box = charging, charging.box
    bench.limit(10)
    await bench.pass_time(10)
    box.quirks = replace(box.quirks, clock_offset_s=shown * 86_400.0)
    assert bench.amps == 10
    bench.limit(8)
    await bench.rest()
    assert bench.amps == 8
    await bench.pass_time(1)
    bench.press("stop_charging")
    await bench.rest()
    assert bench.amps == 0
    await bench.pass_time(20)
    await bench.succeed()
    assert bench.keeps(0)
    await bench.box.unplug()


# Before a session, and at its turns


async def test_the_default_profile_is_there_before_a_session(
    make_bench: MakeBench,
) -> None:
    """A car never begins above the wish, and the limit is confirmed at its start."""
    bench = make_bench()
    box = bench.box
    bench.limit(10)
    await bench.succeed()
    await bench.connect()
    await bench.pass_time(2)
    assert bench.limits_since(0) == [("TxDefaultProfile", 10)]
    assert bench.enforced == "10.0"
    assert not bench.pending("number", "current_limit")

    asked = len(box.calls("GetCompositeSchedule"))
    await box.plug_in(Car())
    assert bench.amps == 10
    await bench.rest()
    assert len(box.calls("GetCompositeSchedule")) > asked, "confirmed at its start"
    for _ in range(20):
        await bench.pass_time(1)
        assert bench.amps == 10
    assert bench.keeps(10)


@pytest.mark.parametrize("who", ["car", "wallbox"])
async def test_confirmed_after_a_pause(charging: Bench, who: str) -> None:
    """On leaving a suspended state the composite schedule is asked for again."""
    bench, box = charging, charging.box
    bench.limit(12)
    await bench.pass_time(10)
    if who == "car":
        await box.car_pauses()
    else:
        bench.allow(False)
    await bench.pass_time(5)
    assert bench.site.state("charging_state").startswith("suspended")
    asked = len(box.calls("GetCompositeSchedule"))
    if who == "car":
        await box.car_resumes()
    else:
        bench.allow(True)
    await bench.rest()
    assert len(box.calls("GetCompositeSchedule")) > asked
    await bench.pass_time(12)
    assert bench.keeps(12)
    await bench.succeed()


async def test_a_limit_that_was_never_set(make_bench: MakeBench) -> None:
    """What the installation bears is enforced from the first connection on."""
    bench = make_bench()
    await bench.connect()
    await bench.pass_time(1)
    assert bench.limits_since(0) == [("TxDefaultProfile", FULL)]
    assert float(bench.site.state("current_limit", "number")) == FULL


# While the wallbox is away


async def test_targets_while_it_is_away(make_bench: MakeBench) -> None:
    """They are recognisable as wishes, and applied when it is back."""
    bench = make_bench()
    bench.limit(12)
    bench.allow(False)
    await bench.succeed()
    assert float(bench.site.state("current_limit", "number")) == 12
    assert bench.site.state("charging", "switch") == STATE_OFF
    assert bench.pending("number", "current_limit")
    assert bench.pending("switch", "charging")

    await bench.connect()
    await bench.pass_time(2)
    assert bench.limits_since(0) == [("TxDefaultProfile", 0)]
    assert not bench.pending("number", "current_limit")
    assert not bench.pending("switch", "charging")

    await bench.box.disconnect()
    await bench.rest()
    bench.allow(True)
    await bench.succeed()
    assert bench.pending("switch", "charging")
    await bench.connect(boot=False)
    await bench.pass_time(2)
    assert bench.limits_since(0)[-1] == ("TxDefaultProfile", 12)
    assert not bench.pending("switch", "charging")
    assert not bench.pending("number", "current_limit")


async def test_a_target_waits_for_its_answer(charging: Bench) -> None:
    """Until the wallbox has confirmed it, a wish is shown as pending."""
    bench, box = charging, charging.box
    box.quirks = replace(box.quirks, answer_delay_s=3.0)
    bench.limit(9)
    await bench.rest()
    assert float(bench.site.state("current_limit", "number")) == 9
    assert bench.pending("number", "current_limit")
    assert bench.pending("switch", "charging")
    assert bench.enforced == "32.0", "what the wallbox confirmed last"
    await bench.pass_time(20)
    await bench.succeed()
    assert not bench.pending("number", "current_limit")
    assert bench.enforced == "9.0"


async def test_a_target_survives_a_reload(
    hass: HomeAssistant, charging: Bench, hass_storage: dict[str, Any]
) -> None:
    """It is on the disk, and stands after the entry was loaded again."""
    bench = charging
    bench.limit(14)
    await bench.pass_time(10)
    bench.allow(False)
    await bench.pass_time(10)
    await bench.succeed()
    await bench.box.disconnect()
    await bench.rest()
    entry = bench.site.entry
    stored = hass_storage[f"{DOMAIN}.{entry.entry_id}"]["data"]["wallboxes"]
    target = stored[next(iter(entry.subentries))]["wish"]
    assert (target["current_limit"], target["charging_allowed"]) == (14, False)

    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert float(bench.site.state("current_limit", "number")) == 14
    assert bench.site.state("charging", "switch") == STATE_OFF
    assert bench.pending("number", "current_limit")

    before = len(bench.box.received_calls)
    await bench.connect(boot=False)
    await bench.pass_time(12)
    assert bench.limits_since(before) == [("TxDefaultProfile", 0)]
    assert bench.keeps(0)
    bench.allow(True)
    await bench.pass_time(12)
    assert bench.keeps(14)
    await bench.succeed()


@pytest.mark.parametrize("power_cut", [False, True])
async def test_a_reboot_in_the_middle_of_a_session(
    charging: Bench, power_cut: bool
) -> None:
    """A box that has forgotten everything is told again."""
    bench, box = charging, charging.box
    bench.limit(10)
    await bench.pass_time(10)
    await bench.succeed()
    before = len(box.received_calls)
    box.profiles = ProfileTable()
    await box.reboot(power_cut=power_cut)
    await bench.rest()
    assert set(bench.limits_since(before)) == {("TxDefaultProfile", 10)}
    assert bench.amps == 10
    await bench.pass_time(12)
    assert bench.keeps(10)


async def test_the_connection_is_lost_at_a_target(charging: Bench) -> None:
    """The error says that the wish is kept; and it is."""
    bench, box = charging, charging.box
    gone = frozenset({"SetChargingProfile"})
    box.quirks = replace(box.quirks, drop_on_actions=gone)
    bench.limit(10)
    assert await bench.fail() == "connection_lost"
    assert bench.pending("number", "current_limit")
    box.quirks = replace(box.quirks, drop_on_actions=frozenset())
    await bench.pass_time(15)
    await bench.connect(boot=False)
    await bench.pass_time(12)
    assert bench.keeps(10)


# Slow answers


@pytest.mark.parametrize("delay", [20.0, 29.0])
async def test_slow_answers(
    make_bench: MakeBench, caplog: pytest.LogCaptureFixture, delay: float
) -> None:
    """With every answer 20 s late nothing times out, and the wish is applied."""
    caplog.set_level(logging.DEBUG)
    bench = make_bench(replace(DELTA, answer_delay_s=delay))
    box = bench.box
    await bench.connect()
    await bench.pass_time(5)
    await box.plug_in(Car())
    await bench.pass_time(300)
    before = len(box.received_calls)
    pressed = dt_util.utcnow()
    bench.limit(10)
    while bench.amps > 10 + TOLERANCE:
        await bench.pass_time(1)
        assert dt_util.utcnow() - pressed < timedelta(seconds=2 * delay + 2)
    assert bench.limits_since(before) == [("TxDefaultProfile", 10)]
    await bench.pass_time(3 * delay)
    assert bench.keeps(10)
    assert not bench.pending("number", "current_limit")
    bench.press("stop_charging")
    await bench.pass_time(5 * delay)
    assert bench.keeps(0)
    await bench.succeed()
    assert box.calls("SetVariables"), "the interview came to its end"
    told = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("custom_components.")
        and any(
            sign in record.getMessage()
            for sign in ("late answer", "to no call", "30 s")
        )
    ]
    assert told == []


# A limit that does not hold


async def test_a_limit_that_does_not_hold(charging: Bench) -> None:
    """It is shown, with an issue; and it is gone when the limit holds again."""
    bench, box = charging, charging.box
    assert not bench.problem()
    box.quirks = replace(box.quirks, **KEEPS_NO_LIMIT)
    bench.limit(10)
    await bench.pass_time(15)
    assert bench.problem()
    assert bench.amps == FULL
    assert bench.pending("number", "current_limit")
    ways = {way for way, _ in bench.limits_since(0)}
    assert ways == {"TxDefaultProfile", "ChargingStationMaxProfile", "TxProfile"}
    assert not box.calls("Reset")

    box.quirks = DELTA
    await bench.pass_time(60)
    assert not bench.problem()
    assert bench.keeps(10)
    assert not bench.pending("number", "current_limit")
    await bench.outcome()


async def test_a_limit_that_is_refused(make_bench: MakeBench) -> None:
    """The action fails with the wallbox's reason, and the issue repeats it."""
    bench = make_bench(
        replace(
            DELTA,
            default_profile_rejected_after_restart=True,
            restart_window_s=1e9,
            station_profile_rejected=True,
        )
    )
    await bench.connect()
    await bench.pass_time(15)
    bench.limit(10)
    await bench.pass_time(15)
    err = await bench.outcome()
    assert err is not None
    assert err.translation_key == "limit_refused"
    assert "NotSupported" in str(err)
    assert bench.problem()


async def test_it_is_seen_by_the_current_alone(charging: Bench) -> None:
    """A composite schedule that repeats the wish hides nothing."""
    bench, box = charging, charging.box
    box.quirks = replace(box.quirks, **KEEPS_NO_LIMIT, composite_shows_target=True)
    bench.limit(10)
    await bench.pass_time(15)
    assert bench.amps == FULL
    assert bench.problem()
    await bench.outcome()


async def test_what_stops_to_hold_later(charging: Bench) -> None:
    """A limit that held and does no more is seen, sent again, or shown."""
    bench, box = charging, charging.box
    bench.limit(10)
    await bench.pass_time(20)
    assert bench.keeps(10)
    await bench.succeed()
    box.profiles = ProfileTable()
    await bench.pass_time(30)
    assert bench.keeps(10)
    box.profiles = ProfileTable()
    box.quirks = replace(box.quirks, **KEEPS_NO_LIMIT)
    await bench.pass_time(40)
    assert bench.problem()


async def test_no_reboot_without_leave(charging: Bench) -> None:
    """However long a limit does not hold, nothing is rebooted unasked."""
    bench, box = charging, charging.box
    box.quirks = replace(box.quirks, **KEEPS_NO_LIMIT)
    bench.limit(10)
    await bench.pass_time(30)
    await bench.skip(4000)
    assert bench.problem()
    assert not box.calls("Reset")
    await bench.outcome()


class TestAllowedToReboot:
    """With the option `allow_reboot`."""

    @pytest.fixture
    def entry(self, hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
        """Set the option."""
        hass.config_entries.async_update_entry(entry, options={"allow_reboot": True})
        return entry

    @staticmethod
    async def _until_reset(bench: Bench) -> None:
        bench.box.quirks = replace(bench.box.quirks, **KEEPS_NO_LIMIT)
        bench.limit(10)
        await bench.pass_time(15)
        assert bench.problem()
        assert not bench.box.calls("Reset"), "everything is tried twice before"
        for _ in range(60):
            if bench.box.calls("Reset"):
                break
            await bench.pass_time(1)
        assert [call.payload for call in bench.box.calls("Reset")] == [
            {"type": "Immediate"}
        ]

    async def test_one_reboot_an_hour(self, charging: Bench) -> None:
        """A limit that does not hold reboots it, and not again for an hour."""
        bench, box = charging, charging.box
        await self._until_reset(bench)
        await bench.pass_time(80, step=5)
        assert box.connected
        assert bench.amps == FULL, "it charges by itself after a reboot"
        await bench.skip(3300)
        assert bench.problem()
        assert len(box.calls("Reset")) == 1
        await bench.skip(900)
        assert len(box.calls("Reset")) == 2
        await bench.outcome()

    async def test_a_reboot_that_helps(self, charging: Bench) -> None:
        """After it the limit holds, and nothing more is shown."""
        bench, box = charging, charging.box
        await self._until_reset(bench)
        box.quirks = DELTA
        await bench.pass_time(80, step=5)
        await bench.pass_time(12)
        assert bench.keeps(10)
        await bench.skip(4000)
        assert len(box.calls("Reset")) == 1
        await bench.outcome()

    async def test_a_limit_that_holds(self, charging: Bench) -> None:
        """Nothing is rebooted."""
        bench, box = charging, charging.box
        bench.limit(10)
        await bench.pass_time(15)
        assert bench.keeps(10)
        assert not box.calls("Reset")
        await bench.succeed()

    async def test_a_restart_forgets_no_reboot(
        self, hass: HomeAssistant, charging: Bench
    ) -> None:
        """Nor is it rebooted again because Home Assistant was restarted."""
        bench, box = charging, charging.box
        await self._until_reset(bench)
        await bench.pass_time(80, step=5)
        await box.disconnect()
        await bench.rest()
        await bench.outcome()
        await hass.config_entries.async_reload(bench.site.entry.entry_id)
        await hass.async_block_till_done()
        await bench.connect(boot=False)
        await bench.pass_time(60)
        assert bench.problem()
        assert len(box.calls("Reset")) == 1


# Start


@pytest.fixture
def wallbox_data(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings of the wallbox; a test may add to them."""
    extra: dict[str, Any] = getattr(request, "param", {})
    return {"charge_point_id": CHARGE_POINT_ID, "max_current": FULL} | extra


@pytest.mark.parametrize(
    ("wallbox_data", "token"),
    [
        ({}, {"idToken": "", "type": "NoAuthorization"}),
        ({"rfid_token": "04CAFE"}, {"idToken": "04CAFE", "type": "ISO14443"}),
        (
            {"rfid_token": "04CAFE", "allowed_tokens": ["04BEEF"]},
            {"idToken": "04CAFE", "type": "ISO14443"},
        ),
    ],
    indirect=["wallbox_data"],
    ids=["no token", "token", "token beside cards"],
)
async def test_start_requests_a_transaction(
    make_bench: MakeBench, token: dict[str, str]
) -> None:
    """Where a card is needed, a start presents the configured token, or none."""
    bench = make_bench(replace(DELTA, auth_enabled=True))
    box = bench.box
    await bench.connect()
    bench.limit(10)
    await box.plug_in(Car())
    await bench.pass_time(5)
    assert bench.amps == 0
    bench.press("start_charging")
    await bench.pass_time(5)
    await bench.succeed()
    (request,) = box.calls("RequestStartTransaction")
    assert request.payload["idToken"] == token
    assert request.payload["evseId"] == 1
    assert bench.site.state("status") == "charging"
    assert bench.amps == 10


async def test_start_after_a_stop_resumes(make_bench: MakeBench) -> None:
    """A session that runs is gone on with, not asked for again."""
    bench = make_bench(replace(DELTA, auth_enabled=True))
    box = bench.box
    await bench.connect()
    await box.plug_in(Car())
    await box.authorize("04A1B2C3")
    await bench.pass_time(5)
    bench.press("stop_charging")
    await bench.pass_time(5)
    bench.press("start_charging")
    await bench.pass_time(5)
    await bench.succeed()
    assert bench.site.state("status") == "charging"
    assert not box.calls("RequestStartTransaction")


async def test_start_without_a_wallbox(make_bench: MakeBench) -> None:
    """It is not connected."""
    bench = make_bench()
    bench.press("start_charging")
    assert await bench.fail() == "not_connected"


async def test_start_without_a_cable(make_bench: MakeBench) -> None:
    """No car is connected."""
    bench = make_bench()
    await bench.connect()
    await bench.pass_time(5)
    bench.press("start_charging")
    assert await bench.fail() == "no_cable"
    assert not bench.box.calls("RequestStartTransaction")


async def test_start_that_is_rejected(charging: Bench) -> None:
    """A box that was stopped by others wants its cable pulled; the reason is told."""
    bench, box = charging, charging.box
    box.stop_remotely()
    await box.flush()
    await bench.pass_time(5)
    assert box.finishing
    bench.press("start_charging")
    await bench.pass_time(5)
    err = await bench.outcome()
    assert err is not None
    assert err.translation_key == "start_rejected"
    assert "NotReady" in str(err)


async def test_start_of_a_faulted_box(charging: Bench) -> None:
    """A fault is named as such."""
    await charging.box.fault()
    await charging.pass_time(5)
    charging.press("start_charging")
    assert await charging.fail() == "faulted"


async def test_start_of_a_box_out_of_service(charging: Bench) -> None:
    """So is a box that is out of service."""
    await charging.box.inoperative()
    await charging.pass_time(5)
    charging.press("start_charging")
    assert await charging.fail() == "out_of_service"


async def test_start_that_leads_to_nothing(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that is accepted and not followed by a session is no success."""
    bench = make_bench(replace(DELTA, auth_enabled=True))
    monkeypatch.setattr(bench.box, "start_remotely", lambda *_: None)
    await bench.connect()
    await bench.box.plug_in(Car())
    await bench.pass_time(5)
    bench.press("start_charging")
    await bench.pass_time(50)
    assert not bench.asked[0].done()
    await bench.pass_time(15)
    assert await bench.fail() == "start_not_followed"


# Light, service, buttons


@pytest.mark.parametrize("boot", [True, False], ids=["booted", "reconnected"])
@pytest.mark.parametrize(
    "variable", [LedVariable.STATUS_LED, LedVariable.CHARGING_STATION]
)
async def test_the_light(
    make_bench: MakeBench, variable: LedVariable, boot: bool
) -> None:
    """Its brightness is what the wallbox says, until another one is wished."""
    bench = make_bench(replace(DELTA, led_variable=variable))
    assert bench.site.state("led_brightness", "number") == STATE_UNAVAILABLE
    await bench.connect(boot=boot)
    await bench.pass_time(5)
    assert bench.site.state("led_brightness", "number") == "30"
    assert not bench.pending("number", "led_brightness")
    bench.act("number", "set_value", "led_brightness", value=75)
    await bench.succeed()
    (written,) = bench.box.calls("SetVariables")[-1].payload["setVariableData"]
    name = f"{written['component']['name']}.{written['variable']['name']}"
    assert (name, written["attributeValue"]) == (variable.value, "75")
    assert bench.site.state("led_brightness", "number") == "75"
    assert not bench.pending("number", "led_brightness")


@pytest.mark.parametrize("boot", [True, False], ids=["booted", "reconnected"])
async def test_a_box_that_gives_less(make_bench: MakeBench, boot: bool) -> None:
    """A box of 16 A behind a limit of 32 A does all that it can: no problem."""
    bench = make_bench(phases=3, max_current_a=16)
    await bench.connect(boot=boot)
    await bench.box.plug_in(Car(phases=3))
    await bench.pass_time(20)
    assert float(bench.enforced) == 16
    assert not bench.problem()
    assert not bench.pending("number", "current_limit")


async def test_no_light(make_bench: MakeBench) -> None:
    """A box without one has nothing to set."""
    bench = make_bench(replace(DELTA, led_variable=LedVariable.NONE))
    await bench.connect(boot=False)
    await bench.pass_time(5)
    assert bench.site.state("led_brightness", "number") == STATE_UNAVAILABLE


async def test_a_light_that_is_refused(make_bench: MakeBench) -> None:
    """The action fails, and the wish is shown as what it is."""
    bench = make_bench(replace(DELTA, light_rejected=True))
    await bench.connect(boot=False)
    await bench.pass_time(5)
    bench.act("number", "set_value", "led_brightness", value=75)
    assert await bench.fail() == "led_brightness_refused"
    assert bench.pending("number", "led_brightness")
    written = len(bench.box.calls("SetVariables"))
    await bench.pass_time(60)
    assert len(bench.box.calls("SetVariables")) == written, "it is not asked forever"


async def test_a_light_is_set_again_after_a_reconnect(make_bench: MakeBench) -> None:
    """A brightness that is wished while the wallbox is away reaches it."""
    bench = make_bench()
    await bench.connect(boot=False)
    await bench.pass_time(5)
    await bench.box.disconnect()
    await bench.rest()
    bench.act("number", "set_value", "led_brightness", value=5)
    await bench.succeed()
    assert bench.pending("number", "led_brightness")
    await bench.connect(boot=False)
    await bench.pass_time(5)
    assert not bench.pending("number", "led_brightness")
    assert ("5",) in {
        tuple(item["attributeValue"] for item in call.payload["setVariableData"])
        for call in bench.box.calls("SetVariables")
    }


async def test_out_of_service_and_back(make_bench: MakeBench) -> None:
    """The switch takes the wallbox out of service, and brings it back."""
    bench = make_bench()
    await bench.connect()
    await bench.pass_time(5)
    assert bench.site.state("availability", "switch") == STATE_ON
    for service, status, operative in (
        ("turn_off", "unavailable", "Inoperative"),
        ("turn_on", "available", "Operative"),
    ):
        bench.act("switch", service, "availability")
        await bench.succeed()
        call = bench.box.calls("ChangeAvailability")[-1]
        assert call.payload["operationalStatus"] == operative
        assert bench.site.state("status") == status
        assert not bench.pending("switch", "availability")
    assert len(bench.box.calls("ChangeAvailability")) == 2


async def test_out_of_service_after_the_session(charging: Bench) -> None:
    """While a car charges it is scheduled, and shown as pending until it is so."""
    bench, box = charging, charging.box
    bench.act("switch", "turn_off", "availability")
    await bench.succeed()
    assert bench.site.state("availability", "switch") == STATE_OFF
    assert bench.pending("switch", "availability")
    await bench.pass_time(20)
    assert bench.pending("switch", "availability")
    assert bench.site.state("status") == "charging"
    assert len(box.calls("ChangeAvailability")) == 1
    await box.unplug()
    await bench.pass_time(2)
    assert bench.site.state("status") == "unavailable"
    assert not bench.pending("switch", "availability")


async def test_the_reboot_button(charging: Bench) -> None:
    """It reboots at once; the wallbox comes back, and keeps the limit."""
    bench, box = charging, charging.box
    bench.limit(10)
    await bench.pass_time(10)
    bench.press("reboot")
    await bench.succeed()
    assert [call.payload for call in box.calls("Reset")] == [{"type": "Immediate"}]
    assert bench.site.state("status") == "disconnected"
    assert bench.site.state("reboot", "button") == STATE_UNAVAILABLE
    await bench.pass_time(61)
    await bench.pass_time(12)
    assert bench.keeps(10)


async def test_the_refresh_button(charging: Bench) -> None:
    """It asks for all again: who and how it is, what it enforces, what it measures."""
    bench, box = charging, charging.box
    before = len(box.received_calls)
    bench.press("refresh")
    await bench.pass_time(1)
    await bench.succeed()
    asked = {call.action for call in bench.calls_since(before)}
    assert asked >= {"GetVariables", "GetCompositeSchedule", "TriggerMessage"}
    assert {
        call.payload["requestedMessage"]
        for call in bench.calls_since(before)
        if call.action == "TriggerMessage"
    } >= {"TransactionEvent"}


# Things that meet


async def test_start_right_after_a_reconnect(make_bench: MakeBench) -> None:
    """The limit that was wished meanwhile is in place before the session begins."""
    bench = make_bench(
        replace(
            DELTA,
            auth_enabled=True,
            security_event_on_connect=False,
            notify_charging_limit_when_idle=False,
        )
    )
    await bench.connect()
    await bench.box.plug_in(Car())
    await bench.pass_time(10)
    await bench.box.disconnect()
    await bench.rest()
    bench.limit(8)
    await bench.rest()
    before = len(bench.box.received_calls)
    station = bench.site.entry.runtime_data.stations[CHARGE_POINT_ID]
    connecting = asyncio.create_task(bench.box.connect(boot=False))
    await turn_until(lambda: station.connection is not None)
    bench.press("start_charging")
    await bench.rest()
    await connecting
    await bench.pass_time(12)
    await bench.succeed()
    actions = [call.action for call in bench.calls_since(before)]
    assert actions.index("SetChargingProfile") < actions.index(
        "RequestStartTransaction"
    )
    assert bench.keeps(8)


async def test_stopped_before_it_started(make_bench: MakeBench) -> None:
    """A stop that comes while a start waits for the limit is the newer wish."""
    bench = make_bench(replace(DELTA, auth_enabled=True))
    await bench.connect()
    await bench.box.plug_in(Car())
    bench.allow(False)
    await bench.pass_time(10)
    bench.box.quirks = replace(bench.box.quirks, answer_delay_s=3.0)
    before = len(bench.box.received_calls)
    bench.press("start_charging")
    await bench.rest()
    bench.press("stop_charging")
    await bench.pass_time(30)
    await bench.succeed()
    actions = [call.action for call in bench.calls_since(before)]
    assert "RequestStartTransaction" not in actions
    assert bench.amps == 0


async def test_one_refusal_is_not_anothers(make_bench: MakeBench) -> None:
    """A light that was refused says nothing about the availability."""
    bench = make_bench(replace(DELTA, light_rejected=True))
    await bench.connect(boot=False)
    await bench.pass_time(5)
    bench.act("number", "set_value", "led_brightness", value=75)
    assert await bench.fail() == "led_brightness_refused"
    bench.act("switch", "turn_off", "availability")
    await bench.pass_time(5)
    await bench.succeed()
    assert bench.site.state("status") == "unavailable"


async def test_nothing_is_left_of_the_issue(
    hass: HomeAssistant, charging: Bench
) -> None:
    """What is not watched any more is not known to be wrong."""
    bench = charging
    bench.box.quirks = replace(bench.box.quirks, **KEEPS_NO_LIMIT)
    bench.limit(10)
    await bench.pass_time(15)
    assert bench.problem()
    await hass.config_entries.async_unload(bench.site.entry.entry_id)
    assert not [
        issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN
    ]
    await bench.box.disconnect()
    bench.asked.clear()
    assert await hass.config_entries.async_setup(bench.site.entry.entry_id)
    await hass.async_block_till_done()


async def test_clearing_does_not_end_a_pause(
    hass: HomeAssistant, make_bench: MakeBench
) -> None:
    """Also where another profile than the default one holds it."""
    bench = make_bench(replace(DELTA, default_profile_never=True))
    await charge(bench)
    bench.allow(False)
    await bench.pass_time(12)
    await bench.succeed()
    assert bench.keeps(0)
    clearing = asyncio.create_task(
        hass.services.async_call(
            DOMAIN,
            "clear_charging_profiles",
            {"device_id": bench.site.device().id},
            blocking=True,
        )
    )
    bench.asked.append(clearing)
    for _ in range(12):
        await bench.pass_time(1)
        assert bench.amps == 0
    await bench.succeed()
