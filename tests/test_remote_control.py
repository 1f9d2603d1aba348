"""Start and stop by remote control, also of wallboxes that are not Delta's."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest

from simulators.wallbox import DELTA, Car, Quirks, SimulatedWallbox, SmartCharging
from simulators.wallbox.connection import Connection
from simulators.wallbox.strict import Frame

from .kit.bench import FULL, Bench, MakeBench, charge
from .kit.site import Site

# What a wallbox does, whichever Home Assistant it is shown by.
pytestmark = pytest.mark.any_homeassistant


WITH_CARD = replace(DELTA, auth_enabled=True)


class Foreign(SimulatedWallbox):
    """A wallbox that leaves out what OCPP 2.0.1 leaves optional."""

    unsupported: frozenset[str] = frozenset()
    """Calls that it answers with `error`."""
    error = "NotImplemented"
    omitted: tuple[str, ...] = ()
    """What its TransactionEvents don't carry in transactionInfo."""
    other_start_id: int | None = None
    """A remoteStartId that it gives in place of the one that was asked for."""

    async def answer(self, connection: Connection, call: Frame, raw: str) -> None:
        """Answer, unless the call is not known here."""
        if call.action in self.unsupported:
            await connection.reply_error(call, self.error, "")
        else:
            await super().answer(connection, call, raw)

    def send(
        self,
        action: str,
        payload: dict[str, Any],
        on_answer: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        """Send a message, without what is left out."""
        if action == "TransactionEvent":
            info = payload["transactionInfo"]
            for name in self.omitted:
                info.pop(name, None)
            if self.other_start_id is not None and "remoteStartId" in info:
                info["remoteStartId"] = self.other_start_id
        super().send(action, payload, on_answer)


class NoLimits(Foreign):
    """A wallbox without smart charging."""

    unsupported = frozenset(
        {"SetChargingProfile", "GetCompositeSchedule", "ClearChargingProfile"}
    )


@pytest.fixture
def make_foreign(
    make_bench: MakeBench, site: Site, client_context: Any
) -> Callable[..., Bench]:
    """Make benches with a wallbox of another kind."""

    def make(kind: type[Foreign], quirks: Quirks = WITH_CARD, **fields: Any) -> Bench:
        bench = make_bench(quirks)
        bench.box.__class__ = kind
        for name, value in fields.items():
            setattr(bench.box, name, value)
        return bench

    return make


MakeForeign = Callable[..., Bench]


async def with_car(bench: Bench) -> None:
    """Connect, and plug a car in."""
    await bench.connect()
    await bench.box.plug_in(Car())
    await bench.pass_time(5)


def starts(bench: Bench) -> int:
    """Count the sessions that were asked for."""
    return len(bench.box.calls("RequestStartTransaction"))


def ends(bench: Bench) -> int:
    """Count the sessions whose end was asked for."""
    return len(bench.box.calls("RequestStopTransaction"))


# When a start is done


@pytest.mark.parametrize(
    "omitted",
    [("chargingState",), ("chargingState", "remoteStartId"), ("remoteStartId",)],
    ids=["no state", "neither", "no id"],
)
@pytest.mark.parametrize("running", [True, False], ids=["transaction", "none"])
async def test_start_is_done_with_the_event(
    make_foreign: MakeForeign, omitted: tuple[str, ...], running: bool
) -> None:
    """`remoteStartId` tells it, or that a session begins: the state is optional."""
    bench = make_foreign(Foreign, omitted=omitted)
    if running:
        await with_car(bench)
    else:
        await bench.connect()
        bench.box.charger.plug_in(Car())
        bench.box.send_status()
        await bench.pass_time(5)
    bench.press("start_charging")
    # Where nothing else tells it, a reading of the current does.
    await bench.pass_time(15 if running and len(omitted) == 2 else 2)
    await bench.succeed()
    # Nor is what runs already asked for again.
    bench.press("start_charging")
    await bench.pass_time(2)
    await bench.succeed()
    assert starts(bench) == 1


async def test_another_start_is_not_ours(make_foreign: MakeForeign) -> None:
    """An event with another `remoteStartId`, and nothing that flows, proves nothing."""
    bench = make_foreign(Foreign, omitted=("chargingState",), other_start_id=-7)
    await bench.connect()
    await bench.box.plug_in(Car(wants_energy_wh=0.0))
    await bench.pass_time(5)
    bench.press("start_charging")
    await bench.pass_time(50)
    assert not bench.asked[0].done()
    await bench.pass_time(15)
    assert await bench.fail() == "start_not_followed"


# Presses that meet


async def test_five_starts_at_once(make_bench: MakeBench) -> None:
    """One request, five successes."""
    bench = make_bench(WITH_CARD)
    await with_car(bench)
    for _ in range(5):
        bench.press("start_charging")
    await bench.pass_time(3)
    assert len(bench.asked) == 5
    await bench.succeed()
    assert starts(bench) == 1
    assert bench.site.state("status") == "charging"


async def test_starts_one_after_the_other_while_nothing_begins(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who joins has the outcome; after a failure a press tries anew."""
    bench = make_bench(WITH_CARD)
    begin = bench.box.start_remotely
    monkeypatch.setattr(bench.box, "start_remotely", lambda *_: None)
    await with_car(bench)
    for _ in range(3):
        bench.press("start_charging")
        await bench.pass_time(10)
    assert starts(bench) == 1
    await bench.pass_time(40)
    asked, bench.asked = bench.asked, []
    for task in asked:
        bench.asked = [task]
        assert await bench.fail() == "start_not_followed"
    monkeypatch.setattr(bench.box, "start_remotely", begin)
    bench.press("start_charging")
    await bench.pass_time(3)
    await bench.succeed()
    assert starts(bench) == 2


async def test_rejected_for_all(charging_finished: Bench) -> None:
    """Who joins a start that is rejected is told so; and it is asked for again."""
    bench = charging_finished
    for _ in range(3):
        bench.press("start_charging")
    await bench.pass_time(3)
    asked, bench.asked = bench.asked, []
    for task in asked:
        bench.asked = [task]
        assert await bench.fail() == "start_rejected"
    assert starts(bench) == 1
    bench.press("start_charging")
    await bench.pass_time(3)
    assert await bench.fail() == "start_rejected"
    assert starts(bench) == 2


@pytest.fixture
async def charging_finished(make_bench: MakeBench) -> Bench:
    """A Delta box that was stopped by others: it rejects a start."""
    bench = make_bench()
    await charge(bench)
    bench.box.stop_remotely()
    await bench.box.flush()
    await bench.pass_time(5)
    return bench


async def test_stop_during_a_start(make_bench: MakeBench) -> None:
    """The newest wish counts: both presses end well, and nothing flows."""
    bench = make_bench(WITH_CARD)
    await with_car(bench)
    bench.box.quirks = replace(bench.box.quirks, answer_delay_s=3.0)
    bench.press("start_charging")
    await bench.pass_time(5)
    assert starts(bench) == 1, "it is on the wire"
    bench.press("stop_charging")
    for _ in range(30):
        await bench.pass_time(1)
    await bench.succeed()
    assert bench.amps == 0
    assert bench.site.state("charging", "switch") == "off"


async def test_start_stop_start(make_bench: MakeBench) -> None:
    """The newest wish counts: a session begins, and is asked for once."""
    bench = make_bench(WITH_CARD)
    await with_car(bench)
    bench.box.quirks = replace(bench.box.quirks, answer_delay_s=2.0)
    for key in ("start_charging", "stop_charging", "start_charging"):
        bench.press(key)
        await bench.pass_time(3)
    for _ in range(20):
        await bench.pass_time(1)
    await bench.succeed()
    assert starts(bench) == 1
    assert bench.site.state("status") == "charging"
    assert bench.amps == FULL


async def test_start_while_a_pause_is_on_the_wire(make_bench: MakeBench) -> None:
    """The pause is answered, and then undone."""
    bench = make_bench()
    await charge(bench)
    bench.box.quirks = replace(bench.box.quirks, answer_delay_s=2.0)
    before = len(bench.box.received_calls)
    bench.press("stop_charging")
    await bench.rest()
    assert bench.limits_since(before) == [("TxDefaultProfile", 0)]
    bench.press("start_charging")
    for _ in range(20):
        await bench.pass_time(1)
    await bench.succeed()
    assert starts(bench) == 0
    assert bench.keeps(FULL)


@pytest.mark.parametrize("when", ["the request", "the session"])
async def test_connection_lost_during_a_start(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """All who wait are told so."""
    bench = make_bench(WITH_CARD)
    await with_car(bench)
    if when == "the request":
        lost = frozenset({"RequestStartTransaction"})
        bench.box.quirks = replace(bench.box.quirks, drop_on_actions=lost)
    else:
        monkeypatch.setattr(bench.box, "start_remotely", lambda *_: None)
    for _ in range(5):
        bench.press("start_charging")
    await bench.pass_time(3)
    await bench.box.disconnect()
    await bench.rest()
    asked, bench.asked = bench.asked, []
    assert len(asked) == 5
    for task in asked:
        bench.asked = [task]
        assert await bench.fail() == "connection_lost"
    assert starts(bench) == 1


async def test_who_gives_up_ends_it_for_nobody_else(make_bench: MakeBench) -> None:
    """An automation that is stopped while it starts takes no other with it."""
    bench = make_bench(WITH_CARD)
    await with_car(bench)
    bench.box.quirks = replace(bench.box.quirks, answer_delay_s=3.0)
    for _ in range(2):
        bench.press("start_charging")
    await bench.pass_time(1)
    first = bench.asked.pop(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    for _ in range(10):
        await bench.pass_time(1)
    await bench.succeed()
    assert starts(bench) == 1


async def test_five_refreshes(make_bench: MakeBench) -> None:
    """Everything is asked for once."""
    bench = make_bench()
    await bench.connect()
    await bench.pass_time(5)
    before = len(bench.box.received_calls)
    for _ in range(5):
        bench.press("refresh")
    await bench.pass_time(3)
    await bench.succeed()
    asked = [
        call.payload["requestedMessage"]
        for call in bench.calls_since(before)
        if call.action == "TriggerMessage"
    ]
    assert asked.count("MeterValues") == 1


async def test_two_reboots(make_bench: MakeBench) -> None:
    """Pressed twice it reboots once; and again once it is back."""
    bench = make_bench()
    await bench.connect()
    await bench.pass_time(5)
    bench.box.quirks = replace(bench.box.quirks, answer_delay_s=1.0)
    bench.press("reboot")
    bench.press("reboot")
    await bench.pass_time(4)
    await bench.succeed()
    assert len(bench.box.calls("Reset")) == 1
    bench.box.quirks = replace(bench.box.quirks, answer_delay_s=0.0)
    await bench.pass_time(80, step=5)
    assert bench.box.connected
    bench.press("reboot")
    await bench.pass_time(2)
    await bench.succeed()
    assert len(bench.box.calls("Reset")) == 2


# A wallbox that cannot limit


@pytest.mark.parametrize("error", ["NotImplemented", "NotSupported"])
@pytest.mark.parametrize("limit", [None, 10], ids=["no limit", "limit"])
async def test_start_and_stop_without_smart_charging(
    make_foreign: MakeForeign, error: str, limit: int | None
) -> None:
    """A session is begun and ended by remote control, again and again."""
    quirks = replace(WITH_CARD, start_rejected_after_stop=False)
    bench = make_foreign(NoLimits, quirks, error=error)
    await with_car(bench)
    if limit is not None:
        bench.limit(limit)
        await bench.pass_time(3)
        assert await bench.fail() == "cannot_limit"
    for round_ in (1, 2):
        bench.press("start_charging")
        await bench.pass_time(10)
        await bench.succeed()
        assert starts(bench) == round_
        assert bench.amps == FULL
        transaction = bench.box.transaction
        assert transaction is not None
        bench.press("stop_charging")
        await bench.pass_time(10)
        await bench.succeed()
        assert ends(bench) == round_
        request = bench.box.calls("RequestStopTransaction")[-1]
        assert request.payload == {"transactionId": transaction.id}
        assert bench.amps == 0


async def test_it_is_said_once_that_it_cannot_limit(
    make_foreign: MakeForeign, caplog: pytest.LogCaptureFixture
) -> None:
    """With no limit wished that is no problem, and one line in the log tells it."""
    bench = make_foreign(NoLimits)
    for boot in (True, False, True):
        await bench.connect(boot=boot)
        await bench.box.plug_in(Car())
        await bench.pass_time(20)
        assert not bench.problem()
        await bench.box.unplug()
        await bench.box.disconnect()
        await bench.rest()
    assert caplog.text.count("cannot limit the current") == 1
    # After an update it can.
    vars(bench.box)["unsupported"] = frozenset()
    await bench.connect()
    await bench.pass_time(10)
    assert caplog.text.count("takes limits now") == 1
    assert bench.enforced == "32.0"


async def test_the_switch_without_smart_charging(make_foreign: MakeForeign) -> None:
    """It is no one-way street: on begins what off has ended."""
    quirks = replace(WITH_CARD, start_rejected_after_stop=False)
    bench = make_foreign(NoLimits, quirks)
    await with_car(bench)
    bench.press("start_charging")
    await bench.pass_time(10)
    bench.allow(False)
    await bench.pass_time(10)
    assert (bench.amps, ends(bench)) == (0, 1)
    bench.allow(True)
    await bench.pass_time(10)
    await bench.succeed()
    assert (bench.amps, starts(bench)) == (FULL, 2)


async def test_neither_smart_charging_nor_states(make_foreign: MakeForeign) -> None:
    """Where no state is told, the current tells that something is to be ended."""
    quirks = replace(
        WITH_CARD, charging_state_omitted=True, start_rejected_after_stop=False
    )
    bench = make_foreign(NoLimits, quirks)
    await with_car(bench)
    for round_ in (1, 2):
        bench.press("start_charging")
        await bench.pass_time(15)
        await bench.succeed()
        bench.press("stop_charging")
        await bench.pass_time(15)
        await bench.succeed()
        assert bench.amps == 0
        assert (starts(bench), ends(bench)) == (round_, round_)


@pytest.mark.parametrize("limit", [None, 10], ids=["no limit", "limit"])
async def test_a_box_that_refuses_each_limit(
    make_bench: MakeBench, limit: int | None
) -> None:
    """It starts, though not at once above a limit that is wished; and it stops."""
    bench = make_bench(replace(WITH_CARD, smart_charging=SmartCharging.REJECTED))
    await with_car(bench)
    if limit is not None:
        bench.limit(limit)
        await bench.pass_time(3)
        assert await bench.fail() == "limit_refused"
        bench.press("start_charging")
        await bench.pass_time(3)
        # It may have been a moment's refusal, and no fuse falls for that.
        assert await bench.fail() == "limit_refused"
        await bench.pass_time(90, step=3)
    bench.press("start_charging")
    await bench.pass_time(10)
    await bench.succeed()
    assert bench.amps == FULL
    assert bench.problem() is (limit is not None)
    bench.press("stop_charging")
    await bench.pass_time(30)
    await bench.succeed()
    assert (bench.amps, ends(bench)) == (0, 1)


async def test_a_session_that_begins_while_stopped(make_foreign: MakeForeign) -> None:
    """Where a car charges by itself, a stop that stands ends that as well."""
    bench = make_foreign(NoLimits, replace(DELTA, start_rejected_after_stop=False))
    await bench.connect()
    bench.allow(False)
    await bench.pass_time(10)
    await bench.box.plug_in(Car())
    await bench.pass_time(15)
    assert ends(bench) == 1
    assert bench.amps == 0
    await bench.outcome()


async def test_stop_during_a_start_without_smart_charging(
    make_foreign: MakeForeign,
) -> None:
    """The session that the start begins is ended at once."""
    bench = make_foreign(NoLimits)
    await with_car(bench)
    bench.box.quirks = replace(bench.box.quirks, answer_delay_s=3.0)
    bench.press("start_charging")
    while not starts(bench):
        await bench.pass_time(1)
    bench.press("stop_charging")
    for _ in range(60):
        await bench.pass_time(1)
    await bench.succeed()
    assert (starts(bench), ends(bench)) == (1, 1)
    assert bench.amps == 0


async def test_a_session_that_is_not_ended(
    make_foreign: MakeForeign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what the wallbox refuses nor what it promises in vain is a success."""
    bench = make_foreign(NoLimits)
    await with_car(bench)
    bench.press("start_charging")
    await bench.pass_time(10)
    await bench.succeed()
    assert isinstance(bench.box, NoLimits)
    bench.box.unsupported |= {"RequestStopTransaction"}
    bench.press("stop_charging")
    await bench.pass_time(10)
    assert await bench.fail() == "stop_rejected"
    bench.box.unsupported -= {"RequestStopTransaction"}
    monkeypatch.setattr(bench.box, "stop_remotely", lambda: None)
    bench.press("stop_charging")
    await bench.pass_time(75)
    assert await bench.fail() == "stop_not_followed"


async def test_a_box_that_can_limit_keeps_its_session(make_bench: MakeBench) -> None:
    """A Delta box would not start again: it is paused."""
    bench = make_bench()
    await charge(bench)
    bench.press("stop_charging")
    await bench.pass_time(60)
    await bench.succeed()
    assert bench.keeps(0)
    assert ends(bench) == 0


async def test_a_box_that_refuses_all_limits_is_stopped(
    make_bench: MakeBench, freezer: FrozenDateTimeFactory
) -> None:
    """Once every limit failed and current still flows, the session is ended."""
    bench = make_bench()
    await charge(bench)
    bench.box.quirks = replace(
        bench.box.quirks,
        default_profile_rejected_after_restart=True,
        restart_window_s=1e9,
        station_profile_rejected=True,
    )
    transaction = bench.box.transaction
    assert transaction is not None
    transaction.refuses_profiles = True
    bench.press("stop_charging")
    await bench.pass_time(20)
    await bench.succeed()
    assert ends(bench) == 1
    assert bench.amps == 0


# In and out of service


def availability(bench: Bench) -> list[str]:
    """List what was asked for of the availability."""
    return [
        call.payload["operationalStatus"]
        for call in bench.box.calls("ChangeAvailability")
    ]


def set_availability(bench: Bench, on: bool) -> None:
    """Turn the switch."""
    bench.act("switch", "turn_on" if on else "turn_off", "availability")


async def test_what_is_scheduled_is_taken_back(make_bench: MakeBench) -> None:
    """Off in a session is scheduled; on is a request of its own, and the newest."""
    bench = make_bench()
    await charge(bench)
    set_availability(bench, on=False)
    await bench.pass_time(5)
    assert bench.box.inoperative_scheduled
    set_availability(bench, on=True)
    await bench.pass_time(5)
    await bench.succeed()
    assert availability(bench) == ["Inoperative", "Operative"]
    await bench.box.unplug()
    await bench.pass_time(5)
    assert bench.site.state("status") == "available"
    # And once more, each once.
    await bench.pass_time(300, step=30)
    assert availability(bench) == ["Inoperative", "Operative"]


async def test_off_on_off_in_a_session(make_bench: MakeBench) -> None:
    """Whichever wish is the newest is what comes at the session's end."""
    bench = make_bench()
    await charge(bench)
    for on in (False, True, False):
        set_availability(bench, on=on)
        await bench.pass_time(2)
    await bench.succeed()
    assert availability(bench) == ["Inoperative", "Operative", "Inoperative"]
    await bench.box.unplug()
    await bench.pass_time(5)
    assert bench.site.state("status") == "unavailable"
    assert not bench.pending("switch", "availability")


async def test_taken_back_while_it_is_away(make_bench: MakeBench) -> None:
    """What was scheduled on a connection before is taken back on the next."""
    bench = make_bench()
    await charge(bench)
    set_availability(bench, on=False)
    await bench.pass_time(5)
    await bench.box.disconnect()
    await bench.rest()
    set_availability(bench, on=True)
    await bench.rest()
    await bench.connect(boot=False)
    await bench.pass_time(5)
    await bench.succeed()
    assert availability(bench) == ["Inoperative", "Operative"]
    await bench.box.unplug()
    await bench.pass_time(5)
    assert bench.site.state("status") == "available"


@pytest.mark.parametrize("status", ["faulted", "unknown"])
async def test_off_where_the_status_is_not_known(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """It is sent, once."""
    bench = make_bench()
    if status == "unknown":
        monkeypatch.setattr(bench.box, "send_status", lambda: None)
        monkeypatch.setattr(bench.box, "refresh_model", lambda: None)
        for place, evse in (("EVSE", 1), ("Connector", 1)):
            connector = 1 if place == "Connector" else None
            key = (place.casefold(), "availabilitystate", "", evse, connector)
            del bench.box.model._variables[key]
    await bench.connect(boot=False)
    if status == "faulted":
        await bench.box.fault()
    await bench.pass_time(10)
    assert availability(bench) == []
    set_availability(bench, on=False)
    await bench.pass_time(5)
    await bench.succeed()
    assert availability(bench) == ["Inoperative"]
    await bench.pass_time(120, step=10)
    assert availability(bench) == ["Inoperative"]


async def test_an_answer_that_is_lost_may_have_been_taken(
    make_bench: MakeBench,
) -> None:
    """Then the next wish is sent, also where the wallbox seems to be so already."""
    bench = make_bench()
    await charge(bench)
    lost = frozenset({bench.box.journal.reply_count + 1})
    bench.box.quirks = replace(bench.box.quirks, lost_answers=lost)
    set_availability(bench, on=False)
    await bench.rest()
    await bench.pass_time(35, step=5)
    assert await bench.fail() == "operative_refused"
    set_availability(bench, on=True)
    await bench.pass_time(5)
    await bench.succeed()
    assert availability(bench) == ["Inoperative", "Operative"]
    assert not bench.box.inoperative_scheduled
