"""What always holds of a limit: whatever the network, the power and the clocks do.

Each test is an input that once let a car draw more than was wished, or hid that it did.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest

from custom_components.bmw_wallbox_victron.const import DOMAIN
from simulators.wallbox import DELTA, Car
from simulators.wallbox.quirks import CompositeOddity, SmartCharging

from .kit.bench import FULL, Bench, MakeBench, charge

# What a wallbox does, whichever Home Assistant it is shown by.
pytestmark = pytest.mark.any_homeassistant


def setting(bench: Bench, **quirks: Any) -> None:
    """Switch something on at the wallbox."""
    bench.box.quirks = replace(bench.box.quirks, **quirks)


async def schedule(
    hass: HomeAssistant, bench: Bench, *periods: tuple[int, float]
) -> None:
    """Have limits over time."""
    await hass.services.async_call(
        DOMAIN,
        "set_charging_profile",
        {
            "device_id": bench.site.device().id,
            "periods": [
                {"start_period": begin, "limit": limit} for begin, limit in periods
            ],
        },
        blocking=True,
    )


# A wallbox that does not answer


@pytest.mark.parametrize("interval", [5, 10])
@pytest.mark.parametrize(
    "silence",
    [
        {"unresponsive": True},
        {"unresponsive_actions": frozenset({"SetChargingProfile"})},
        {
            "unresponsive_actions": frozenset(
                {"SetChargingProfile", "GetCompositeSchedule"}
            )
        },
    ],
    ids=["unresponsive", "no profile is answered", "nor what they make"],
)
async def test_a_wallbox_that_answers_nothing_and_charges_on(
    hass: HomeAssistant, make_bench: MakeBench, interval: int, silence: dict[str, Any]
) -> None:
    """It is shown within ten seconds, who pressed is told, and it is sent again."""
    bench = make_bench()
    hass.config_entries.async_update_entry(
        bench.site.entry, options={"meter_interval": interval}
    )
    await hass.async_block_till_done()
    await charge(bench)
    setting(bench, **silence)
    await bench.pass_time(3)
    bench.press("stop_charging")
    await bench.rest()
    shown_after = 0
    while not bench.problem():
        await bench.pass_time(1)
        shown_after += 1
        assert shown_after <= (10 if interval == 5 else 20), "it is not shown"
    await bench.pass_time(25)
    assert await bench.fail() == "no_answer"
    assert bench.amps == FULL
    setting(bench, unresponsive=False, unresponsive_actions=frozenset())
    await bench.pass_time(32)
    assert bench.amps == 0
    await bench.pass_time(15)
    assert bench.keeps(0)


@pytest.mark.parametrize("every_s", [4, 8])
async def test_targets_that_follow_each_other_hide_nothing(
    make_bench: MakeBench, every_s: int
) -> None:
    """What flows above each of them is shown, though none stands for 10 s."""
    bench = make_bench()
    await charge(bench)
    bench.limit(20)
    await bench.pass_time(20)
    assert bench.keeps(20)
    setting(bench, unresponsive=True)
    for amps in (18, 16, 14, 12, 10):
        bench.limit(amps)
        await bench.pass_time(every_s)
    assert bench.amps == 20
    assert bench.problem()
    setting(bench, unresponsive=False)
    await bench.pass_time(60)
    assert bench.keeps(10)
    await bench.outcome()


async def test_a_slow_answer_is_no_silence(charging: Bench) -> None:
    """A wallbox that is known to take its time is waited for."""
    bench = charging
    setting(bench, answer_delay_s=9.0)
    bench.press("refresh")
    await bench.pass_time(60)
    bench.press("stop_charging")
    await bench.pass_time(30)
    assert bench.amps == 0
    await bench.succeed()


# What counts as proof


async def test_a_reading_of_the_voltage_proves_nothing(
    hass: HomeAssistant, make_bench: MakeBench
) -> None:
    """A limit that was obeyed is not doubted for a current that was read before it."""
    bench = make_bench(
        replace(
            DELTA,
            aligned_measurands_only=True,
            aligned_settings_rejected=True,
            metering_settings_rejected=True,
            trigger_transaction_event_rejected=True,
        )
    )
    await charge(bench)
    bench.limit(16)
    await bench.pass_time(30)
    before = len(bench.box.calls("SetChargingProfile"))
    bench.limit(8)
    await bench.pass_time(3)
    assert bench.amps == 8
    for _ in range(60):
        await bench.pass_time(1)
        assert not bench.problem()
    assert len(bench.box.calls("SetChargingProfile")) == before + 1
    await bench.succeed()


# A schedule, and clocks that do not agree


@pytest.mark.parametrize("ahead_s", [3600, -3600, 7 * 86_400, -7 * 86_400])
async def test_a_schedule_where_the_clocks_do_not_agree(
    hass: HomeAssistant, make_bench: MakeBench, ahead_s: int
) -> None:
    """The period that runs now is sent, and the next one when it is due."""
    bench = make_bench(replace(DELTA, clock_offset_s=float(ahead_s)))
    await charge(bench)
    await schedule(hass, bench, (0, 6), (60, 20), (120, 0))
    await bench.rest()
    assert bench.amps == 6
    for _ in range(11):
        await bench.pass_time(5)
        assert bench.amps == 6
    await bench.pass_time(10)
    assert bench.keeps(20)
    await bench.pass_time(60)
    assert bench.amps == 0


async def test_a_schedule_when_the_boxs_clock_jumps_later(
    hass: HomeAssistant, make_bench: MakeBench
) -> None:
    """What was sent for clocks that agreed is replaced with the next message."""
    bench = make_bench()
    await charge(bench)
    await schedule(hass, bench, (0, 6), (1800, 32))
    await bench.pass_time(10)
    assert bench.keeps(6)
    setting(bench, clock_offset_s=7200.0)
    await bench.pass_time(25)
    assert bench.keeps(6)


# What a wallbox makes of the time at which a profile begins


@pytest.mark.parametrize(
    "quirks",
    [
        {"absolute_epoch_rejected": True},
        {"absolute_epoch_ignored": True},
        {"relative_rejected": True},
        {"relative_only": True},
        {"absolute_epoch_rejected": True, "relative_rejected": True},
        {"absolute_epoch_ignored": True, "relative_rejected": True},
    ],
    ids=",".join,
)
async def test_the_first_form_that_is_heeded(
    make_bench: MakeBench, quirks: dict[str, Any]
) -> None:
    """What is refused, or is not seen in the composite schedule, is sent otherwise."""
    bench = make_bench(replace(DELTA, **quirks))
    await charge(bench)
    bench.limit(10)
    await bench.pass_time(15)
    assert bench.keeps(10)
    sent = len(bench.box.calls("SetChargingProfile"))
    bench.press("stop_charging")
    await bench.rest()
    assert bench.amps == 0
    await bench.pass_time(10)
    assert bench.keeps(0)
    assert len(bench.box.calls("SetChargingProfile")) == sent + 1, "it is known by now"
    await bench.succeed()


async def test_a_clock_that_is_set_back_behind_a_profile(
    make_bench: MakeBench,
) -> None:
    """Where a profile has to begin by the clock, it is sent anew after a jump."""
    bench = make_bench(
        replace(DELTA, absolute_epoch_rejected=True, relative_rejected=True)
    )
    await charge(bench)
    bench.limit(10)
    await bench.pass_time(15)
    assert bench.keeps(10)
    setting(bench, clock_offset_s=-2 * 86_400.0)
    await bench.pass_time(40)
    assert bench.keeps(10)


# A transaction that has a profile of its own


async def test_a_transactions_profile_is_cleared_before_the_next(
    hass: HomeAssistant, make_bench: MakeBench
) -> None:
    """A station that refuses another id (K01.FR.39) gets rid of the old one first."""
    bench = make_bench(
        replace(
            DELTA,
            default_profile_never=True,
            station_profile_rejected=True,
            tx_profile_other_id_rejected=True,
        )
    )
    await charge(bench)
    bench.limit(8)
    await bench.pass_time(20)
    assert bench.keeps(8)
    bench.limit(16)
    await bench.pass_time(20)
    assert bench.keeps(16)
    await bench.outcome()


@pytest.mark.parametrize("other_id_rejected", [False, True])
@pytest.mark.parametrize("dropped_while_suspended", [False, True])
async def test_a_pause_that_a_transactions_profile_made_can_end(
    make_bench: MakeBench, other_id_rejected: bool, dropped_while_suspended: bool
) -> None:
    """Where nothing else is heeded, the 0 A of the pause is cleared for a start."""
    bench = make_bench(
        replace(
            DELTA,
            default_profile_never=True,
            station_profile_never=True,
            tx_profile_other_id_rejected=other_id_rejected,
            tx_profile_dropped_while_suspended=dropped_while_suspended,
        )
    )
    await charge(bench)
    bench.limit(16)
    await bench.pass_time(30)
    assert bench.keeps(16)
    bench.press("stop_charging")
    await bench.pass_time(20)
    assert bench.keeps(0)
    bench.press("start_charging")
    above = 0
    for _ in range(30):
        await bench.pass_time(1)
        above += bench.amps > 16
    assert above <= 2
    assert bench.keeps(16)
    await bench.succeed()


async def test_what_one_transaction_refused_the_next_may_take(
    make_bench: MakeBench,
) -> None:
    """After a power cut the limit is put to the new session as soon as it is known."""
    bench = make_bench(
        replace(DELTA, default_profile_never=True, station_profile_never=True)
    )
    await charge(bench)
    bench.limit(16)
    await bench.pass_time(30)
    assert bench.keeps(16)
    await bench.box.die(keep_profiles=False)
    await bench.pass_time(1)
    await bench.box.power_up(connect=False)
    await bench.pass_time(5)
    await bench.connect()
    await bench.pass_time(10)
    assert bench.amps == 16
    await bench.pass_time(10)
    assert bench.keeps(16)
    await bench.succeed()


async def test_clearing_clears_what_is_ours(
    hass: HomeAssistant, make_bench: MakeBench
) -> None:
    """Also a profile of the transaction that holds a limit down."""
    bench = make_bench(replace(DELTA, tx_profile_other_id_rejected=True))
    setting(bench, default_profile_never=True, station_profile_never=True)
    await charge(bench)
    bench.limit(8)
    await bench.pass_time(25)
    assert bench.keeps(8)
    setting(bench, default_profile_never=False, station_profile_never=False)
    bench.limit(16)
    await bench.pass_time(25)
    assert bench.keeps(16)
    await bench.outcome()
    before = len(bench.box.received_calls)
    await hass.services.async_call(
        DOMAIN,
        "clear_charging_profiles",
        {"device_id": bench.site.device().id},
        blocking=True,
    )
    assert "ClearChargingProfile" in {call.action for call in bench.calls_since(before)}
    await bench.pass_time(20)
    assert bench.keeps(16)


# A wallbox that cannot limit


UNABLE = {
    "not implemented": {"smart_charging": SmartCharging.NOT_IMPLEMENTED},
    "not supported": {"smart_charging": SmartCharging.NOT_SUPPORTED},
    "said so": {
        "smart_charging_unavailable": True,
        "smart_charging": SmartCharging.NOT_SUPPORTED,
    },
}


@pytest.mark.parametrize("quirks", UNABLE.values(), ids=UNABLE)
async def test_it_is_no_limit_that_does_not_hold(
    make_bench: MakeBench, quirks: dict[str, Any]
) -> None:
    """Where none was ever wished; and one that was wished is said not to hold."""
    bench = make_bench(replace(DELTA, **quirks))
    await bench.connect()
    for _ in range(20):
        await bench.pass_time(3)
        assert not bench.problem()
    await bench.box.plug_in(Car())
    for _ in range(20):
        await bench.pass_time(3)
        assert not bench.problem()
    bench.limit(10)
    await bench.pass_time(12)
    assert await bench.fail() == "cannot_limit"
    assert bench.problem()
    bench.limit(FULL)
    await bench.pass_time(3)
    await bench.succeed()
    assert not bench.problem(), "all that it gives is no limit"


@pytest.mark.parametrize("quirks", UNABLE.values(), ids=UNABLE)
async def test_a_stop_ends_the_transaction_where_no_limit_does(
    make_bench: MakeBench, quirks: dict[str, Any]
) -> None:
    """Nothing else stops the car."""
    bench = make_bench(replace(DELTA, **quirks))
    await charge(bench)
    assert bench.amps == FULL
    bench.press("stop_charging")
    await bench.pass_time(12)
    assert bench.amps == 0
    await bench.succeed()
    assert len(bench.box.calls("RequestStopTransaction")) == 1
    assert not bench.problem()


# What is odd, and no reason to doubt


@pytest.mark.parametrize("oddity", list(CompositeOddity))
async def test_an_odd_composite_schedule(
    make_bench: MakeBench, oddity: CompositeOddity
) -> None:
    """A limit that holds is not said to fail for the way in which it is told."""
    bench = make_bench(replace(DELTA, composite_oddity=oddity))
    await charge(bench)
    bench.limit(10)
    for _ in range(40):
        await bench.pass_time(1)
        assert not bench.problem()
    assert bench.amps == 10
    await bench.succeed()


async def test_a_notice_after_each_answer(make_bench: MakeBench) -> None:
    """It is looked at, at a pace, and not each time without end."""
    bench = make_bench(replace(DELTA, notify_limit_after_answer_s=0.3))
    await charge(bench)
    before = len(bench.box.received_calls)
    await bench.pass_time(10, step=0.5)
    asked = [call.action for call in bench.calls_since(before)]
    assert asked.count("GetCompositeSchedule") <= 2


@pytest.mark.parametrize(("given", "amps"), [(13.7, 13), (6.9, 6), (31.99, 31)])
async def test_a_fraction_of_an_ampere_is_not_added(
    hass: HomeAssistant, charging: Bench, given: float, amps: int
) -> None:
    """An automation that computes a limit never gets more than it asked for."""
    bench = charging
    bench.limit(given)  # type: ignore[arg-type]  # what automations do
    await bench.pass_time(12)
    await bench.succeed()
    assert bench.amps == amps
    assert bench.keeps(amps)


# A wish that cannot be read


async def restart(
    hass: HomeAssistant, bench: Bench, spoil: Callable[[dict[str, Any]], None]
) -> None:
    """Let Home Assistant start again, with a file that was spoiled meanwhile."""
    await bench.box.disconnect()
    await bench.rest()
    await bench.outcome()
    entry = bench.site.entry
    await hass.config_entries.async_unload(entry.entry_id)
    spoil(hass_stored(hass, entry.entry_id))
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()


@pytest.fixture(autouse=True)
def _stored(hass_storage: dict[str, Any]) -> None:
    """Let tests see what is stored."""
    _STORED.clear()
    _STORED.append(hass_storage)


_STORED: list[dict[str, Any]] = []


def hass_stored(hass: HomeAssistant, entry_id: str) -> dict[str, Any]:
    """Return all that is stored, by the name of the file."""
    return _STORED[0]


def without_file(stored: dict[str, Any]) -> None:
    """Lose the file."""
    for name in [each for each in stored if each.startswith(f"{DOMAIN}.")]:
        del stored[name]


def with_target(**fields: Any) -> Callable[[dict[str, Any]], None]:
    """Spoil fields of the wish."""

    def spoil(stored: dict[str, Any]) -> None:
        for name, file in stored.items():
            if name.startswith(f"{DOMAIN}.") and "wallboxes" in file["data"]:
                for wallbox in file["data"]["wallboxes"].values():
                    wallbox["wish"] |= fields

    return spoil


SPOILED: dict[str, Callable[[dict[str, Any]], None]] = {
    "no file": without_file,
    "a word": with_target(current_limit="eight"),
    "a negative number": with_target(current_limit=-8),
    "two fields": with_target(current_limit=None, charging_allowed="yes"),
    "all": with_target(current_limit={}, charging_allowed=2, schedule="never"),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
@pytest.mark.parametrize("enforced", [0, 8])
async def test_a_target_that_cannot_be_read(
    hass: HomeAssistant,
    make_bench: MakeBench,
    spoil: Callable[[dict[str, Any]], None],
    enforced: int,
) -> None:
    """Nothing above what the wallbox enforces is sent until its owner wished again."""
    bench = make_bench()
    await charge(bench)
    bench.limit(8)
    await bench.pass_time(12)
    if enforced == 0:
        bench.press("stop_charging")
        await bench.pass_time(12)
    assert bench.keeps(enforced)
    await restart(hass, bench, spoil)
    subentry_id = next(iter(bench.site.entry.subentries))
    issues = ir.async_get(hass)
    assert issues.async_get_issue(DOMAIN, f"wish_unreadable_{subentry_id}")
    before = len(bench.box.received_calls)
    await bench.connect(boot=False)
    for _ in range(20):
        await bench.pass_time(3)
        assert bench.amps <= enforced
    assert all(amps <= enforced for _, amps in bench.limits_since(before))
    assert not bench.problem()

    bench.limit(16)
    await bench.pass_time(12)
    bench.press("start_charging")
    await bench.pass_time(12)
    assert bench.keeps(16)
    await bench.succeed()
    assert not issues.async_get_issue(DOMAIN, f"wish_unreadable_{subentry_id}")


@pytest.mark.parametrize(
    ("quirks", "patience"),
    [
        ({"smart_charging": SmartCharging.NOT_IMPLEMENTED}, 12),
        # A question that is under way is waited for: 30 s.
        ({"unresponsive_actions": frozenset({"GetCompositeSchedule"})}, 33),
        ({"composite_oddity": CompositeOddity.ALWAYS_MINUS_ONE}, 12),
    ],
    ids=["cannot limit", "does not answer", "does not tell"],
)
async def test_a_stop_without_a_limit_that_can_be_read(
    hass: HomeAssistant,
    make_bench: MakeBench,
    quirks: dict[str, Any],
    patience: float,
) -> None:
    """A stop waits for nothing, though nobody knows what the wallbox enforces."""
    bench = make_bench()
    await charge(bench)
    bench.limit(8)
    await bench.pass_time(12)
    await restart(hass, bench, with_target(current_limit="eight"))
    setting(bench, **quirks)
    await bench.connect(boot=False)
    await bench.pass_time(12)
    assert bench.amps == 8
    before = len(bench.box.received_calls)
    bench.press("stop_charging")
    await bench.pass_time(patience)
    assert bench.amps == 0
    await bench.pass_time(60, step=3)
    await bench.outcome()
    assert all(amps == 0 for _, amps in bench.limits_since(before))


async def test_a_start_where_nobody_knows_what_is_enforced(
    hass: HomeAssistant, make_bench: MakeBench
) -> None:
    """Who asks for it is told, and does not wait without end."""
    bench = make_bench()
    await charge(bench)
    bench.limit(8)
    await bench.pass_time(12)
    await restart(hass, bench, with_target(current_limit="eight"))
    setting(bench, unresponsive_actions=frozenset({"GetCompositeSchedule"}))
    await bench.connect(boot=False)
    before = len(bench.box.received_calls)
    bench.press("start_charging")
    await bench.pass_time(60, step=3)
    assert await bench.fail() == "no_answer"
    assert not bench.limits_since(before)
    assert bench.amps == 8


async def test_start_without_a_limit_that_can_be_read(
    hass: HomeAssistant, make_bench: MakeBench
) -> None:
    """It charges with the least that a car takes, until a limit is set."""
    bench = make_bench()
    await charge(bench)
    bench.limit(20)
    bench.press("stop_charging")
    await bench.pass_time(12)
    await restart(hass, bench, with_target(current_limit="twenty"))
    await bench.connect(boot=False)
    await bench.pass_time(12)
    bench.press("start_charging")
    await bench.pass_time(12)
    await bench.succeed()
    assert bench.keeps(6)
    bench.limit(20)
    await bench.pass_time(12)
    assert bench.keeps(20)
    await bench.succeed()


# Frames from press to wire


@pytest.mark.parametrize(
    "target",
    [lambda bench: bench.press("stop_charging"), lambda bench: bench.limit(7)],
    ids=["stop", "limit"],
)
async def test_one_call_lies_between_a_target_and_its_frame(
    charging: Bench, target: Callable[[Bench], None]
) -> None:
    """The one that is on the wire: with a slow answer, and others waiting."""
    bench, box = charging, charging.box
    setting(bench, answer_delay_s=4.0)
    bench.press("refresh")
    await bench.pass_time(1)
    for _ in range(3):
        bench.press("refresh")
    await bench.rest()
    before = len(box.received_calls)
    target(bench)
    await bench.pass_time(9)
    first = bench.calls_since(before)[0]
    assert first.action == "SetChargingProfile"
    setting(bench, answer_delay_s=0.0)
    await bench.pass_time(20)
    await bench.succeed()


async def test_clocks_at_the_edge_of_agreeing(
    hass: HomeAssistant, make_bench: MakeBench
) -> None:
    """A schedule is not sent again and again for a second more or less."""
    bench = make_bench(replace(DELTA, clock_offset_s=14.0))
    await charge(bench)
    await schedule(hass, bench, (0, 6), (3600, 20))
    await bench.pass_time(15)
    sent = len(bench.box.calls("SetChargingProfile"))
    for offset in (16.0, 14.0, 17.0, 13.0):
        setting(bench, clock_offset_s=offset)
        await bench.pass_time(11)
    assert len(bench.box.calls("SetChargingProfile")) == sent
    assert bench.keeps(6)
