"""The simulated wallbox itself: its clock, its quirks, its ways to go.

Against a central system of a few lines, so that nothing here depends on ours.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
import contextlib
from datetime import UTC, datetime, timedelta
import json
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from simulators.wallbox import (
    Bent,
    Car,
    CompositeOddity,
    Quirks,
    RegisterPhases,
    RegisterRestarts,
    SimulatedWallbox,
    SmartCharging,
    strict,
)
from simulators.wallbox.device_model import VariableId

type Payload = dict[str, Any]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EPOCH = "1970-01-01T00:00:00Z"
#: A CALLERROR in the answers of the box.
NO_PAYLOAD: Payload = {}


class Csms:
    """Answers what a box says, and asks what a test wants asked."""

    def __init__(self) -> None:
        self.connections: list[ServerConnection] = []
        self.refused: set[str] = set()
        """Actions that broke their schema, and were answered with a CALLERROR."""
        self.heard: list[tuple[str, Payload]] = []
        self._answers: dict[str, asyncio.Future[tuple[str | None, Payload]]] = {}
        self._ids = 0

    async def serve(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        with contextlib.suppress(ConnectionClosed):
            async for text in connection:
                match json.loads(text):
                    case [2, message_id, action, payload]:
                        self.heard.append((action, payload))
                        if strict.payload_faults(strict.Kind.CALL, action, payload):
                            self.refused.add(action)
                            error = [4, message_id, "FormatViolation", "", {}]
                            await connection.send(json.dumps(error))
                        else:
                            answer = json.dumps([3, message_id, self.answer(action)])
                            await connection.send(answer)
                    case [3, message_id, payload]:
                        self._answers.pop(message_id).set_result((None, payload))
                    case [4, message_id, code, *_]:
                        self._answers.pop(message_id).set_result((code, NO_PAYLOAD))

    def answer(self, action: str) -> Payload:
        match action:
            case "BootNotification":
                time = {"currentTime": "2027-01-01T00:00:00Z"}
                return time | {"interval": 10, "status": "Accepted"}
            case "Heartbeat":
                return {"currentTime": "2027-01-01T00:00:00Z"}
            case "Authorize" | "TransactionEvent":
                return {"idTokenInfo": {"status": "Accepted"}}
            case "NotifyEVChargingNeeds":
                return {"status": "Rejected"}
            case _:
                return {}

    async def ask(
        self, action: str, payload: Payload | None = None
    ) -> tuple[str | None, Payload]:
        """Ask, and return the code of an error and the answer."""
        self._ids += 1
        message_id = str(self._ids)
        answer = asyncio.get_running_loop().create_future()
        self._answers[message_id] = answer
        call = [2, message_id, action, payload or {}]
        await self.connections[-1].send(json.dumps(call))
        async with asyncio.timeout(5):
            result: tuple[str | None, Payload] = await answer
        return result

    def of(self, action: str) -> list[Payload]:
        return [payload for heard, payload in self.heard if heard == action]

    async def limit(self, *periods: tuple[int, float], **profile: Any) -> str:
        """Set a limit and return the status or the error."""
        schedule: Payload = {
            "id": 1,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [
                {"startPeriod": start, "limit": limit} for start, limit in periods
            ],
        }
        for name in ("startSchedule", "duration"):
            if (value := profile.pop(name, None)) is not None:
                schedule[name] = value
        error, answer = await self.ask(
            "SetChargingProfile",
            {
                "evseId": 1,
                "chargingProfile": {
                    "id": 1,
                    "stackLevel": 0,
                    "chargingProfilePurpose": "TxDefaultProfile",
                    "chargingProfileKind": "Absolute",
                    "chargingSchedule": [schedule],
                }
                | profile,
            },
        )
        return error or str(answer["status"])

    async def composite(self) -> Payload:
        asked = {"evseId": 1, "duration": 3600, "chargingRateUnit": "A"}
        _, answer = await self.ask("GetCompositeSchedule", asked)
        schedule: Payload = answer["schedule"]
        return schedule


MakeBox = Callable[..., SimulatedWallbox]


@pytest.fixture
def csms() -> Csms:
    return Csms()


@pytest.fixture
async def server(csms: Csms) -> AsyncGenerator[Server]:
    protocols = [Subprotocol("ocpp2.0.1")]
    async with serve(csms.serve, "127.0.0.1", 0, subprotocols=protocols) as running:
        yield running


@pytest.fixture
async def make_box(server: Server) -> AsyncGenerator[MakeBox]:
    """Make boxes whose time passes by `tick` alone."""
    made: list[SimulatedWallbox] = []

    def make(**quirks: Any) -> SimulatedWallbox:
        host, port = server.sockets[0].getsockname()
        box = SimulatedWallbox(
            url=f"ws://{host}:{port}",
            charge_point_id="BOX",
            quirks=Quirks(**quirks),
            clock=lambda: NOON,
        )
        made.append(box)
        return box

    yield make
    for box in made:
        await box.disconnect()


@pytest.fixture
async def charging(make_box: MakeBox) -> SimulatedWallbox:
    """A box without quirks at which a car charges."""
    box = make_box()
    await charge(box)
    return box


async def charge(box: SimulatedWallbox) -> None:
    await box.connect()
    await box.plug_in(Car())


def amps(box: SimulatedWallbox) -> float:
    return max(box.charger.readings.current_a)


def wire(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


# Its clock


async def test_its_clock_is_set_and_time_passes_on(charging: SimulatedWallbox) -> None:
    """What its clock shows jumps; the car and the timers know nothing of it."""
    charging.set_clock(datetime(1970, 1, 1, tzinfo=UTC))
    before = charging.charger.session_wh
    await charging.tick(60)
    assert charging.now() == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
    assert charging.charger.session_wh > before
    heartbeats = charging.sent_of("Heartbeat")
    assert len(heartbeats) == 6
    charging.shift_clock(-86_400)
    assert charging.now() == datetime(1969, 12, 31, 0, 1, tzinfo=UTC)
    charging.stop_clock()
    await charging.tick(60)
    assert charging.now() == datetime(1969, 12, 31, 0, 1, tzinfo=UTC)
    charging.set_clock(NOON)
    await charging.tick(60)
    assert charging.now() == NOON
    charging.run_clock()
    await charging.tick(60)
    assert charging.now() == NOON + timedelta(seconds=60)
    assert len(charging.sent_of("Heartbeat")) == 24


async def test_its_clock_is_not_the_computers(make_box: MakeBox) -> None:
    """A computer's clock that is set is followed by no box that left it."""
    moment = NOON
    box = make_box()
    box.clock = type(box.clock)(lambda: moment)
    assert box.now() == NOON
    moment += timedelta(hours=1)
    assert box.now() == moment
    moment -= timedelta(hours=1)
    assert box.now() == NOON + timedelta(hours=1)
    box.leave_computer_clock()
    moment += timedelta(days=3)
    assert box.now() == NOON + timedelta(hours=1)
    await box.tick(5)
    assert box.now() == NOON + timedelta(hours=1, seconds=5)


async def test_its_clock_follows_the_central_systems(
    make_box: MakeBox, csms: Csms
) -> None:
    box = make_box(clock_from_central_system=True)
    await box.connect()
    assert box.now() == datetime(2027, 1, 1, tzinfo=UTC)
    await box.tick(15)
    # The Heartbeat after ten seconds said the same again.
    assert box.now() == datetime(2027, 1, 1, 0, 0, 5, tzinfo=UTC)


async def test_absolute_schedules_go_by_what_its_clock_shows(
    charging: SimulatedWallbox, csms: Csms
) -> None:
    """The start, each period, and the end of a schedule."""
    start = wire(NOON + timedelta(seconds=60))
    periods = ((0, 10.0), (60, 16.0))
    assert await csms.limit(*periods, startSchedule=start, duration=120) == "Accepted"
    assert amps(charging) == 32
    await charging.tick(60)
    assert amps(charging) == 10
    charging.shift_clock(60)
    assert amps(charging) == 16
    charging.shift_clock(60)
    assert amps(charging) == 32
    charging.set_clock(datetime(1970, 1, 1, tzinfo=UTC))
    assert amps(charging) == 32
    charging.set_clock(NOON + timedelta(seconds=61))
    assert amps(charging) == 10
    charging.stop_clock()
    await charging.tick(300)
    assert amps(charging) == 10
    charging.run_clock()
    await charging.tick(60)
    assert amps(charging) == 16


async def test_validity_goes_by_what_its_clock_shows(
    charging: SimulatedWallbox, csms: Csms
) -> None:
    span = {
        "validFrom": wire(NOON + timedelta(seconds=60)),
        "validTo": wire(NOON + timedelta(seconds=120)),
    }
    assert await csms.limit((0, 8.0), startSchedule=EPOCH, **span) == "Accepted"
    assert amps(charging) == 32
    charging.shift_clock(90)
    assert amps(charging) == 8
    charging.shift_clock(30)
    assert amps(charging) == 32


async def test_relative_schedules_know_no_clock(
    charging: SimulatedWallbox, csms: Csms
) -> None:
    """They count from the transaction's start, whatever the clock shows."""
    await charging.tick(30)
    limits = ((0, 10.0), (60, 16.0))
    assert await csms.limit(*limits, chargingProfileKind="Relative") == "Accepted"
    assert amps(charging) == 10
    for moment in (datetime(1970, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)):
        charging.set_clock(moment)
        assert amps(charging) == 10
    schedule = await csms.composite()
    assert schedule["chargingSchedulePeriod"][1]["startPeriod"] == 30
    charging.stop_clock()
    await charging.tick(30)
    assert amps(charging) == 16


# Its connection


async def test_half_open_beside_the_working_one(
    charging: SimulatedWallbox, csms: Csms
) -> None:
    """It is open for the central system, silent, and answers no ping."""
    half = await charging.open_half()
    assert len(csms.connections) == 2
    working, silent = csms.connections
    await silent.send("[2]")
    pong = asyncio.ensure_future(await silent.ping())
    await (await working.ping())
    await charging.tick(10)
    assert not pong.done()
    assert charging.connected
    heard = len(csms.heard)
    await half.close()
    await silent.wait_closed()
    assert len(csms.heard) == heard
    assert charging.connected


async def test_left_half_open(charging: SimulatedWallbox, csms: Csms) -> None:
    """The box connects anew; the older connection stays open at the other end."""
    left = await charging.leave_half_open()
    assert not charging.connected
    await charging.tick(20)
    await charging.connect(boot=False)
    older, newer = csms.connections
    pong = asyncio.ensure_future(await older.ping())
    await (await newer.ping())
    assert not pong.done()
    assert older.close_code is None
    await left.close()
    await older.wait_closed()


async def test_no_pong(make_box: MakeBox, csms: Csms) -> None:
    box = make_box(no_pong=True)
    await charge(box)
    pong = asyncio.ensure_future(await csms.connections[-1].ping())
    await box.tick(30)
    assert len(csms.of("Heartbeat")) == 3
    assert not pong.done()
    # It is only the pong that it keeps to itself.
    assert (await csms.ask("GetTransactionStatus"))[0] is None
    box.quirks = Quirks()
    await (await csms.connections[-1].ping())


@pytest.mark.parametrize("every", [True, False])
async def test_unresponsive(make_box: MakeBox, csms: Csms, every: bool) -> None:
    """Neither answered nor acted on, while readings go on."""
    every_call: Payload = {"unresponsive": True}
    some = {"unresponsive_actions": frozenset({"SetChargingProfile"})}
    box = make_box(**every_call if every else some)
    await charge(box)
    asked = asyncio.create_task(csms.limit((0, 8.0), startSchedule=EPOCH))
    await box.wait_for_call("SetChargingProfile")
    await box.tick(30)
    assert not asked.done()
    assert amps(box) == 32
    assert len(csms.of("Heartbeat")) == 3
    if not every:
        assert (await csms.ask("GetTransactionStatus"))[0] is None
    asked.cancel()


async def test_dies_and_comes_back(make_box: MakeBox, csms: Csms) -> None:
    """With its queue and its profiles it tells of the end, and the limit holds."""
    box = make_box()
    await charge(box)
    await csms.limit((0, 8.0), startSchedule=EPOCH)
    await box.die()
    energy = box.charger.total_wh
    await box.tick(60)
    await box.unplug()
    await box.plug_in(Car())
    assert not box.connected
    assert box.transaction is None
    assert box.charger.total_wh == energy
    await box.power_up()
    ended = csms.of("TransactionEvent")[-3:]
    assert [each["eventType"] for each in ended] == ["Ended", "Started", "Updated"]
    assert ended[0]["offline"]
    assert amps(box) == 8


async def test_dies_and_forgets(make_box: MakeBox, csms: Csms) -> None:
    """Without queue and profiles: no end of the session is told, no limit holds."""
    box = make_box()
    await charge(box)
    await csms.limit((0, 8.0), startSchedule=EPOCH)
    await box.die(keep_queue=False, keep_profiles=False)
    await box.tick(60)
    await box.power_up(connect=False)
    assert amps(box) == 32
    await box.connect()
    kinds = [each["eventType"] for each in csms.of("TransactionEvent")]
    assert "Ended" not in kinds
    assert kinds.count("Started") == 2


async def test_boots_again_and_again(make_box: MakeBox, csms: Csms) -> None:
    box = make_box(boot_every_s=2.0)
    await box.connect()
    await box.tick(30)
    assert len(csms.of("BootNotification")) == 16


async def test_notifies_after_each_answer(make_box: MakeBox, csms: Csms) -> None:
    box = make_box(notify_limit_after_answer_s=0.01)
    await box.connect()
    await csms.ask("GetTransactionStatus")
    await box.wait_until(lambda: bool(box.sent_of("NotifyChargingLimit")))
    await csms.ask("GetTransactionStatus")
    await box.disconnect()
    await asyncio.sleep(0.02)
    assert len(box.sent_of("NotifyChargingLimit")) == 1


# What it refuses


@pytest.mark.parametrize("kind", SmartCharging)
async def test_smart_charging(
    make_box: MakeBox, csms: Csms, kind: SmartCharging
) -> None:
    box = make_box(smart_charging=kind, smart_charging_unavailable=True)
    await charge(box)
    status = await csms.limit((0, 8.0), startSchedule=EPOCH)
    error, _ = await csms.ask("GetCompositeSchedule", {"evseId": 1, "duration": 60})
    if kind is SmartCharging.FULL:
        assert (status, error, amps(box)) == ("Accepted", None, 8)
    elif kind is SmartCharging.REJECTED:
        assert (status, error, amps(box)) == ("Rejected", None, 32)
    else:
        assert (status, error, amps(box)) == (kind.value, kind.value, 32)
    for variable in ("Available", "Enabled"):
        place = {
            "component": {"name": "SmartChargingCtrlr"},
            "variable": {"name": variable},
        }
        _, answer = await csms.ask("GetVariables", {"getVariableData": [place]})
        assert answer["getVariableResult"][0]["attributeValue"] == "false"
    assert box.violations == []


@pytest.mark.parametrize(
    ("quirk", "relative", "recent", "epoch"),
    [
        ("relative_rejected", 32, 10, 10),
        ("relative_only", 10, 32, 32),
        ("absolute_epoch_rejected", 10, 10, 32),
        ("absolute_epoch_ignored", 10, 10, 32),
    ],
)
async def test_kinds_of_schedules(
    make_box: MakeBox, csms: Csms, quirk: str, relative: int, recent: int, epoch: int
) -> None:
    """What each kind of a limit of 10 A leads to."""
    box = make_box(**{quirk: True})
    await charge(box)
    kinds: list[tuple[Payload, int]] = [
        ({"chargingProfileKind": "Relative"}, relative),
        ({"startSchedule": wire(NOON)}, recent),
        ({"startSchedule": EPOCH}, epoch),
    ]
    for kind, expected in kinds:
        box.profiles.remove(box.profiles.all())
        status = await csms.limit((0, 10.0), **kind)
        refused = expected == 32 and "reject" in quirk
        assert status == ("Rejected" if refused else "Accepted")
        assert amps(box) == expected
        schedule = await csms.composite()
        assert schedule["chargingSchedulePeriod"][0]["limit"] == expected


async def test_another_id_for_the_same_transaction(
    make_box: MakeBox, csms: Csms
) -> None:
    """K01.FR.39: replaced by its own id, or cleared by it first."""
    box = make_box(tx_profile_other_id_rejected=True)
    await charge(box)
    assert box.transaction is not None
    profile = {
        "chargingProfilePurpose": "TxProfile",
        "transactionId": box.transaction.id,
        "startSchedule": EPOCH,
    }
    assert await csms.limit((0, 8.0), id=5, **profile) == "Accepted"
    assert await csms.limit((0, 16.0), id=6, **profile) == "Rejected"
    assert amps(box) == 8
    assert await csms.limit((0, 10.0), id=5, **profile) == "Accepted"
    assert amps(box) == 10
    _, answer = await csms.ask("ClearChargingProfile", {"chargingProfileId": 5})
    assert answer["status"] == "Accepted"
    assert await csms.limit((0, 16.0), id=6, **profile) == "Accepted"
    assert amps(box) == 16


async def test_obeys_after_a_while(make_box: MakeBox, csms: Csms) -> None:
    box = make_box(limit_applies_after_s=5.0)
    await charge(box)
    await csms.limit((0, 8.0), startSchedule=EPOCH)
    await box.tick(4)
    assert amps(box) == 32
    await box.tick(1)
    assert amps(box) == 8


async def test_out_of_service_after_the_session(
    charging: SimulatedWallbox, csms: Csms
) -> None:
    """Scheduled until the session ends, unless it is taken back."""
    for operative, status in ((False, "Scheduled"), (True, "Accepted")):
        asked = {"operationalStatus": "Operative" if operative else "Inoperative"}
        _, answer = await csms.ask("ChangeAvailability", asked)
        assert answer["status"] == status
    await charging.unplug()
    assert charging.operative
    await charging.plug_in(Car())
    await csms.ask("ChangeAvailability", {"operationalStatus": "Inoperative"})
    assert charging.operative
    await charging.unplug()
    assert not charging.operative


# What it tells


async def test_aligned_measurands(make_box: MakeBox, csms: Csms) -> None:
    """TriggerMessage answers with what is aligned, or with what a session samples."""
    box = make_box(aligned_measurands_only=True, aligned_settings_rejected=True)
    await charge(box)
    await set_measurands(csms, "SampledDataCtrlr", "TxUpdatedMeasurands")
    status = await set_measurands(csms, "AlignedDataCtrlr", "Measurands")
    assert status == "Rejected"
    await csms.ask("TriggerMessage", {"requestedMessage": "MeterValues"})
    await box.settle()
    told = measurands(csms.of("MeterValues")[-1])
    assert told == {"Energy.Active.Import.Register", "Voltage"}
    await csms.ask("TriggerMessage", {"requestedMessage": "TransactionEvent"})
    await box.settle()
    told = measurands(csms.of("TransactionEvent")[-1])
    assert told == {"Current.Import", "Voltage"}
    box.quirks = Quirks()
    status = await set_measurands(csms, "AlignedDataCtrlr", "Measurands")
    assert status == "Accepted"
    await csms.ask("TriggerMessage", {"requestedMessage": "MeterValues"})
    await box.settle()
    assert measurands(csms.of("MeterValues")[-1]) == {"Current.Import", "Voltage"}


async def set_measurands(csms: Csms, component: str, variable: str) -> str:
    item = {
        "component": {"name": component},
        "variable": {"name": variable},
        "attributeValue": "Current.Import,Voltage",
    }
    _, answer = await csms.ask("SetVariables", {"setVariableData": [item]})
    status: str = answer["setVariableResult"][0]["attributeStatus"]
    return status


def samples(payload: Payload) -> list[Payload]:
    return [each for value in payload["meterValue"] for each in value["sampledValue"]]


def measurands(payload: Payload) -> set[str]:
    return {each["measurand"] for each in samples(payload)}


async def test_register_phases(make_box: MakeBox, csms: Csms) -> None:
    for kind, phases in (
        (RegisterPhases.NONE, [None]),
        (RegisterPhases.FIRST, ["L1"]),
        (RegisterPhases.EACH, ["L1", "L2", "L3"]),
    ):
        box = make_box(register_phases=kind, phases=3)
        await box.connect()
        await box.plug_in(Car(phases=3))
        told = samples(csms.of("TransactionEvent")[-1])
        assert [each.get("phase") for each in told] == phases
        total = sum(each["value"] for each in told)
        assert total == pytest.approx(box.charger.register_wh, abs=0.2)


async def test_samples_of_the_begin_beside(make_box: MakeBox, csms: Csms) -> None:
    """Before the live one and after it, in turn."""
    box = make_box(begin_sample_beside=True)
    await charge(box)
    begin = box.charger.register_wh
    await box.tick(600)
    orders = set()
    for _ in range(2):
        await csms.ask("TriggerMessage", {"requestedMessage": "TransactionEvent"})
        await box.settle()
        values = [each["value"] for each in samples(csms.of("TransactionEvent")[-1])]
        assert min(values) == begin
        assert max(values) == pytest.approx(box.charger.register_wh, abs=0.1)
        orders.add(values[0] == begin)
    assert orders == {True, False}


async def test_no_volts_on_absent_phases(make_box: MakeBox, csms: Csms) -> None:
    box = make_box(zero_volts_on_absent_phases=True)
    await box.connect()
    await csms.ask("TriggerMessage", {"requestedMessage": "MeterValues"})
    await box.settle()
    volts = {
        each["phase"]: each["value"]
        for each in samples(csms.of("MeterValues")[-1])
        if each["measurand"] == "Voltage"
    }
    assert volts["L1-N"] > 220
    assert (volts["L2-N"], volts["L3-N"]) == (0.0, 0.0)


@pytest.mark.parametrize("interval", [None, "0"])
async def test_all_samples_at_the_end(
    make_box: MakeBox, csms: Csms, interval: str | None
) -> None:
    box = make_box(ended_carries_all_samples=True)
    await charge(box)
    if interval is not None:
        item = {
            "component": {"name": "SampledDataCtrlr"},
            "variable": {"name": "TxEndedInterval"},
            "attributeValue": interval,
        }
        await csms.ask("SetVariables", {"setVariableData": [item]})
    await box.tick(600)
    await box.unplug()
    [ended] = [
        each for each in csms.of("TransactionEvent") if each["eventType"] == "Ended"
    ]
    assert len(ended["meterValue"]) == (11 if interval is None else 1)


@pytest.mark.parametrize("omitted", [True, False])
async def test_what_a_transaction_may_omit(
    make_box: MakeBox, csms: Csms, omitted: bool
) -> None:
    box = make_box(
        charging_state_omitted=omitted,
        remote_start_id_omitted=omitted,
        auth_enabled=True,
    )
    await charge(box)
    token = {"idToken": "04", "type": "ISO14443"}
    asked = {"idToken": token, "remoteStartId": 7, "evseId": 1}
    await csms.ask("RequestStartTransaction", asked)
    await box.settle()
    infos = [each["transactionInfo"] for each in csms.of("TransactionEvent")]
    assert any("chargingState" in each for each in infos) is not omitted
    assert any(each.get("remoteStartId") == 7 for each in infos) is not omitted
    assert amps(box) == 32


async def test_ids_from_one(make_box: MakeBox, csms: Csms) -> None:
    """Each boot counts transactions anew, and each of them its events."""
    box = make_box(transaction_ids_restart=True)
    await charge(box)
    await box.unplug()
    await box.reboot()
    await box.plug_in(Car())
    told = [
        (each["transactionInfo"]["transactionId"], each["seqNo"])
        for each in csms.of("TransactionEvent")
        if each["eventType"] == "Started"
    ]
    assert told == [("1", 0), ("1", 0)]


async def test_available_in_session(make_box: MakeBox, csms: Csms) -> None:
    box = make_box(available_in_session=True)
    await charge(box)
    await csms.limit((0, 0.0), startSchedule=EPOCH)
    await box.settle()
    told = [each["connectorStatus"] for each in csms.of("StatusNotification")]
    assert told[-1] == "Available"
    assert box.transaction is not None
    await box.unplug()
    await box.plug_in(Car())
    box.quirks = Quirks()
    box.send_status()
    await box.settle()
    assert csms.of("StatusNotification")[-1]["connectorStatus"] == "Occupied"


async def test_a_register_that_restarts_somewhere(make_box: MakeBox) -> None:
    box = make_box(
        register_restarts=RegisterRestarts.AFTER_REBOOT, register_restart_wh=1000.0
    )
    await charge(box)
    await box.tick(60)
    flowed = box.charger.total_wh
    await box.unplug()
    await box.reboot()
    assert box.charger.register_wh == 1000
    assert box.charger.total_wh == flowed > 0


@pytest.mark.parametrize(
    ("oddity", "unit", "limits"),
    [
        (CompositeOddity.NONE, "A", [32, 10]),
        (CompositeOddity.UNLIMITED_IS_MINUS_ONE, "A", [-1, 10]),
        (CompositeOddity.ALWAYS_MINUS_ONE, "A", [-1, -1]),
        (CompositeOddity.WATTS_OF_ONE_PHASE, "W", [7360, 2300]),
    ],
)
async def test_composite_oddities(
    make_box: MakeBox,
    csms: Csms,
    oddity: CompositeOddity,
    unit: str,
    limits: list[float],
) -> None:
    box = make_box(composite_oddity=oddity, phases=3)
    await charge(box)
    await csms.limit((0, 32.0), (600, 10.0), startSchedule=wire(NOON))
    schedule = await csms.composite()
    assert schedule["chargingRateUnit"] == unit
    periods = schedule["chargingSchedulePeriod"]
    assert [each["limit"] for each in periods] == limits


async def test_composite_schedule_that_is_missing(
    make_box: MakeBox, csms: Csms
) -> None:
    box = make_box(composite_oddity=CompositeOddity.MISSING)
    await box.connect()
    error, answer = await csms.ask("GetCompositeSchedule", {"evseId": 1, "duration": 9})
    assert (error, answer) == (None, {"status": "Accepted"})
    assert box.violations == []


async def test_brightness_without_end(make_box: MakeBox, csms: Csms) -> None:
    box = make_box(led_report_inf=True)
    await box.connect()
    await csms.ask("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    await box.settle()
    told = [
        item["variableAttribute"][0]["value"]
        for part in csms.of("NotifyReport")
        for item in part["reportData"]
        if item["variable"]["name"] == "brightness"
    ]
    assert told == ["inf"]


@pytest.mark.parametrize("bent", Bent)
async def test_bent_details(make_box: MakeBox, csms: Csms, bent: Bent) -> None:
    """Each breaks the schema of some message, is no fault of the central system's."""
    box = make_box(bent=frozenset({bent}))
    set_up_metering(box)
    await charge(box)
    await box.tick(60)
    await box.unplug()
    match bent:
        case Bent.FIRMWARE_TOO_LONG | Bent.FIRMWARE_NULL:
            assert csms.refused == {"BootNotification"}
        case Bent.STATUS_OF_1_6:
            assert csms.refused == {"StatusNotification"}
        case Bent.TIME_WITHOUT_ZONE | Bent.TIME_IN_EPOCH_SECONDS:
            assert csms.refused == {"StatusNotification", "TransactionEvent"}
        case _:
            assert csms.refused == {"TransactionEvent"}
    assert box.violations == []
    assert len(csms.of("Heartbeat")) == 6


def set_up_metering(box: SimulatedWallbox) -> None:
    for point in ("TxStarted", "TxUpdated", "TxEnded"):
        place = VariableId(component="SampledDataCtrlr", variable=f"{point}Measurands")
        box.model.set(place, "Voltage,Energy.Active.Import.Register")
