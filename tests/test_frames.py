"""Frames as they come: with bent details, as large as they may be, and in floods."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
import gc
import json
import ssl
import threading
import time
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from custom_components.bmw_wallbox_victron.wallbox import frames as room
from simulators.wallbox import DELTA, Car, SimulatedWallbox
from simulators.wallbox.quirks import Bent

from .kit.site import CHARGE_POINT_ID, Site, settle

# What a wallbox does, whichever Home Assistant it is shown by.
pytestmark = [pytest.mark.any_homeassistant, pytest.mark.usefixtures("unpaced")]

MakeWallbox = Callable[..., SimulatedWallbox]
#: No frame may hold up Home Assistant for longer, in s.
LONGEST = 0.05


def dial(site: Site, context: ssl.SSLContext) -> connect:
    """Connect with a bare client."""
    return connect(
        f"{site.url}/{CHARGE_POINT_ID}",
        ssl=context,
        subprotocols=[Subprotocol("ocpp2.0.1")],
        proxy=None,
        compression=None,
    )


async def exchange(websocket: ClientConnection, frames: list[str]) -> list[Any]:
    """Send CALLs with the ids 0, 1, ... at once; return what answers them, in order."""
    sending = asyncio.create_task(send(websocket, frames))
    answers: list[Any] = []
    async with asyncio.timeout(60):
        while len(answers) < len(frames):
            frame = json.loads(await websocket.recv())
            if frame[0] != 2 and frame[1] != "-1":
                assert frame[1] == str(len(answers)), "answered in order"
            if frame[0] != 2:
                answers.append(frame)
    await sending
    return answers


async def send(websocket: ClientConnection, frames: list[str]) -> None:
    for frame in frames:
        await websocket.send(frame)


@asynccontextmanager
async def saying(
    site: Site, context: ssl.SSLContext, frames: list[str]
) -> AsyncGenerator[list[Any]]:
    """Say something, and stay; in a thread: what it costs is nobody's fault here."""
    loop, stay = asyncio.get_running_loop(), threading.Event()
    answered: asyncio.Future[list[Any]] = loop.create_future()

    async def talk() -> None:
        async with dial(site, context) as websocket:
            answers = await exchange(websocket, frames)
            loop.call_soon_threadsafe(answered.set_result, answers)
            await asyncio.to_thread(stay.wait)

    talking = asyncio.create_task(asyncio.to_thread(asyncio.run, talk()))
    await asyncio.wait((talking, answered), return_when=asyncio.FIRST_COMPLETED)
    try:
        yield answered.result()
    finally:
        stay.set()
        await talking


def event(number: int, kind: str, at: datetime, **more: Any) -> str:
    """Write a TransactionEvent; its message id is its number."""
    payload = {
        "eventType": kind,
        "timestamp": stamp(at),
        "triggerReason": "MeterValuePeriodic",
        "seqNo": number,
        "transactionInfo": {"transactionId": "T1", "chargingState": "Charging"},
    }
    return json.dumps([2, str(number), "TransactionEvent", payload | more])


def stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def measured(at: datetime, wh: float, **bent: Any) -> dict[str, Any]:
    """Write the meter values of one moment."""
    return {
        "timestamp": stamp(at),
        "sampledValue": [
            {"measurand": "Energy.Active.Import.Register", "value": wh},
            {"measurand": "Power.Active.Import", "value": 2300.0},
            {"measurand": "Current.Import", "phase": "L1", "value": 10.0},
            {"measurand": "Voltage", "phase": "L1-N", "value": 230.0, **bent},
        ],
    }


class Longest:
    """The longest time that the loop was busy in one go, as CPU time of its thread."""

    seconds = 0.0


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch, hass: HomeAssistant) -> Iterator[Longest]:
    """Measure all that runs on Home Assistant's loop."""
    found, loop_thread = Longest(), threading.get_ident()
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        if threading.get_ident() == loop_thread:
            found.seconds = max(found.seconds, time.thread_time() - began)

    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    # What all the tests have left is not this one's to be collected.
    gc.collect()
    gc.freeze()
    yield found
    gc.unfreeze()


# One bent detail costs that detail


@pytest.mark.parametrize("bent", Bent)
async def test_session_of_a_box_with_a_bent_detail(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox, bent: Bent
) -> None:
    """Whatever it is: the box is known, charges, is measured, and ends its session."""
    wallbox = make_wallbox(replace(DELTA, bent=frozenset({bent})))
    await wallbox.connect()
    await settle(hass, wallbox)
    assert site.device().model == "EIAW-E22KTSE6B04"
    assert site.binary("connected") == "on"
    await wallbox.plug_in(Car())
    for _ in range(6):
        await wallbox.tick(10)
        await settle(hass, wallbox)
    assert site.state("status") == "charging"
    assert site.number("power") > 3000
    assert site.number("energy_total") > 1234
    await wallbox.unplug()
    await settle(hass, wallbox)
    assert site.binary("charging") == "off"
    assert site.state("charging_state") == "idle"
    assert site.number("energy_session") > 0
    assert wallbox.violations == []


async def test_the_end_counts_once(
    hass: HomeAssistant, all_entities: Site, client_context: ssl.SSLContext
) -> None:
    """Refused for a reason that nobody knows, said again, then said better."""
    site, now = all_entities, dt_util.utcnow() - timedelta(minutes=5)
    later = now + timedelta(minutes=4)
    bent = {
        "triggerReason": "Boredom",
        "transactionInfo": {"transactionId": "T1", "stoppedReason": "Boredom"},
        "meterValue": [measured(later, 2000.0)],
    }
    good = bent | {
        "triggerReason": "EVDeparted",
        "transactionInfo": {"transactionId": "T1", "stoppedReason": "EVDisconnected"},
    }
    frames = [
        event(0, "Started", now, meterValue=[measured(now, 1000.0)]),
        event(1, "Ended", later, **bent),
        event(1, "Ended", later, **bent).replace('"1"', '"2"', 1),
        event(1, "Ended", later, **good).replace('"1"', '"3"', 1),
    ]
    async with saying(site, client_context, frames) as answers:
        await hass.async_block_till_done()
        assert [each[0] for each in answers] == [3, 4, 4, 3]
        assert {each[2] for each in answers[1:3]} == {"PropertyConstraintViolation"}
        assert site.number("energy_session") == pytest.approx(1.0)
        assert site.number("energy_total") == pytest.approx(2.0)
        assert site.binary("charging") != "on"
        sessions = site.entry.runtime_data.stations[CHARGE_POINT_ID].ledger.sessions
        assert len(sessions) == 1


async def test_number_that_is_none_costs_that_number(
    hass: HomeAssistant, site: Site, client_context: ssl.SSLContext
) -> None:
    """NaN is no JSON: the answer says so, and the rest counts all the same."""
    now = dt_util.utcnow()
    frame = event(0, "Started", now, meterValue=[measured(now, 5000.0, value=-7777)])
    frames = [frame.replace("-7777", "NaN")]
    async with saying(site, client_context, frames) as answers:
        assert answers[0][:3] == [4, "-1", "RpcFrameworkError"]
        await site.until("energy_total", "5.0")


@pytest.mark.parametrize(
    "bent",
    [
        pytest.param({"eventType": None}, id="no type"),
        pytest.param({"transactionInfo": None}, id="no transaction"),
        pytest.param(
            {"transactionInfo": {"transactionId": 5, "stoppedReason": "Local"}},
            id="a number as id",
        ),
        pytest.param(
            {"transactionInfo": {"transactionId": "T" * 37, "stoppedReason": "Local"}},
            id="an id too long",
        ),
        pytest.param({"seqNo": -2}, id="a number below zero"),
    ],
)
async def test_an_end_with_a_bent_detail(
    hass: HomeAssistant,
    all_entities: Site,
    client_context: ssl.SSLContext,
    bent: dict[str, Any],
) -> None:
    """It ends the session that runs, with its energy."""
    site, began = all_entities, dt_util.utcnow() - timedelta(minutes=5)
    ended = began + timedelta(minutes=4)
    good = {
        "transactionInfo": {"transactionId": "T1", "stoppedReason": "Local"},
        "meterValue": [measured(ended, 2000.0)],
    }
    frames = [
        event(0, "Started", began, meterValue=[measured(began, 1000.0)]),
        event(1, "Ended", ended, **good | bent),
    ]
    async with saying(site, client_context, frames):
        await hass.async_block_till_done()
        assert site.number("energy_session") == pytest.approx(1.0)
        assert site.binary("charging") != "on"
        sessions = site.entry.runtime_data.stations[CHARGE_POINT_ID].ledger.sessions
        assert [each.energy_wh for each in sessions] == [1000]


@pytest.mark.parametrize(
    "bent",
    [
        pytest.param({"seqNo": 2**63 - 1}, id="the last number that there is"),
        pytest.param({"at": "9999-12-31T23:59:59Z"}, id="read in a far future"),
        pytest.param({"at": "1970-01-01T00:00:00Z"}, id="read before all time"),
        pytest.param({"at": "soon"}, id="read at no time"),
        pytest.param({"numberOfPhasesUsed": -1}, id="less than no phase"),
        pytest.param({"numberOfPhasesUsed": 2**40}, id="many phases"),
    ],
)
async def test_what_follows_a_bent_detail_counts(
    hass: HomeAssistant,
    all_entities: Site,
    client_context: ssl.SSLContext,
    bent: dict[str, Any],
) -> None:
    """What is said once and is not so stands in the way of nothing."""
    site, began = all_entities, dt_util.utcnow() - timedelta(minutes=5)
    times = [began + timedelta(minutes=each) for each in range(4)]
    middle = measured(times[1], 1100.0)
    middle["timestamp"] = bent.get("at", middle["timestamp"])
    more = {key: value for key, value in bent.items() if key != "at"}
    frames = [
        event(0, "Started", times[0], meterValue=[measured(times[0], 1000.0)]),
        event(1, "Updated", times[1], meterValue=[middle], **more),
        event(2, "Updated", times[2], meterValue=[measured(times[2], 1200.0)]),
    ]
    async with saying(site, client_context, frames):
        await hass.async_block_till_done()
        assert site.number("energy_total") == pytest.approx(1.2)
        assert site.number("phases_used") == 1
    frames.append(event(3, "Ended", times[3], meterValue=[measured(times[3], 1300.0)]))
    async with saying(site, client_context, frames):
        await hass.async_block_till_done()
        assert site.number("energy_session") == pytest.approx(0.3)
        assert site.binary("charging") != "on"
        sessions = site.entry.runtime_data.stations[CHARGE_POINT_ID].ledger.sessions
        assert [each.energy_wh for each in sessions] == [300]


async def test_meter_values_of_a_bent_evse(
    hass: HomeAssistant, site: Site, client_context: ssl.SSLContext
) -> None:
    """The box has one."""
    payload = {"evseId": "1", "meterValue": [measured(dt_util.utcnow(), 5000.0)]}
    frames = [json.dumps([2, "0", "MeterValues", payload])]
    async with saying(site, client_context, frames) as answers:
        assert answers[0][:3] == [4, "0", "TypeConstraintViolation"]
        await site.until("energy_total", "5.0")


# As large as may be


async def test_a_small_frame_of_bent_details(
    hass: HomeAssistant,
    site: Site,
    client_context: ssl.SSLContext,
    longest: Longest,
) -> None:
    """Four thousand of them fit in 8 kB."""
    payload = {"evseId": 1, "meterValue": [0] * 4000}
    frames = [json.dumps([2, "0", "MeterValues", payload], separators=(",", ":"))]
    assert len(frames[0]) <= room.LARGE
    await asyncio.sleep(0)
    longest.seconds = 0.0
    async with saying(site, client_context, frames) as answers:
        assert answers[0][0] == 4
    assert longest.seconds < LONGEST


@pytest.mark.parametrize("bent", [{}, {"surplus": 1}], ids=["whole", "bent"])
@pytest.mark.parametrize("count", [720, 9000], ids=["12 h of minutes", "3 MB"])
async def test_end_with_all_samples_of_the_session(
    hass: HomeAssistant,
    all_entities: Site,
    client_context: ssl.SSLContext,
    longest: Longest,
    count: int,
    bent: dict[str, Any],
) -> None:
    """Taken, and Home Assistant goes on meanwhile."""
    site, began = all_entities, dt_util.utcnow() - timedelta(seconds=count)
    values = [
        measured(began + timedelta(seconds=each), 1000.0 + each)
        for each in range(count)
    ]
    frames = [
        event(0, "Started", began, meterValue=values[:1]),
        event(
            1,
            "Ended",
            began + timedelta(seconds=count),
            transactionInfo={"transactionId": "T1", "stoppedReason": "Remote"},
            meterValue=values,
            **bent,
        ),
    ]
    assert len(frames[1]) < 4 * 1024 * 1024
    await asyncio.sleep(0)
    longest.seconds = 0.0  # what the test itself has done is over
    async with saying(site, client_context, frames) as answers:
        assert answers[1][0] == (4 if bent else 3)
        await site.until("stopped_reason", "remote")
        assert site.number("energy_session") == pytest.approx((count - 1) / 1000)
        assert site.binary("charging") != "on"
    assert longest.seconds < LONGEST


# Floods


async def test_a_flood_slows_who_sends_it(
    hass: HomeAssistant,
    site: Site,
    client_context: ssl.SSLContext,
    longest: Longest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thousand meter values a second: everybody else has the loop after each."""
    monkeypatch.setattr(room, "FRAMES_AT_ONCE", 600)
    now, rounds = dt_util.utcnow(), 0

    async def go_round() -> None:
        nonlocal rounds
        while True:
            await asyncio.sleep(0)
            rounds += 1

    going = asyncio.create_task(go_round())
    payload = {"evseId": 1, "meterValue": [measured(now, 1000.0)]}
    frames = [
        json.dumps([2, str(number), "MeterValues", payload]) for number in range(700)
    ]
    began = time.monotonic()
    async with saying(site, client_context, frames) as answers:
        took = time.monotonic() - began
    going.cancel()
    assert {each[0] for each in answers} == {3}
    assert took > 1.5, "what is more than a queue may hold is waited for"
    assert rounds > len(frames)
    assert longest.seconds < LONGEST


async def test_pings_without_end(
    hass: HomeAssistant,
    site: Site,
    client_context: ssl.SSLContext,
    longest: Longest,
) -> None:
    """A ping is six bytes: many come in one go, and not all are answered in one.

    A busy machine only makes it longer, so the best of some tries counts.
    """

    async def talk() -> None:
        async with dial(site, client_context) as websocket:
            websocket.transport.write(bytes((0x89, 0x80, 0, 0, 0, 0)) * 100_000)
            async with asyncio.timeout(60):
                await (await websocket.ping())

    tries: list[float] = []
    while len(tries) < 3 and min(tries, default=1.0) >= LONGEST:
        await asyncio.sleep(0)
        longest.seconds = 0.0  # what the test itself has done is over
        await asyncio.to_thread(asyncio.run, talk())
        tries.append(longest.seconds)
    assert min(tries) < LONGEST


async def test_a_replayed_queue_is_not_slowed(
    hass: HomeAssistant, site: Site, client_context: ssl.SSLContext
) -> None:
    """Five hundred events after an outage, as fast as they are answered."""
    began = dt_util.utcnow() - timedelta(seconds=500)
    frames = [
        event(
            number,
            "Updated" if number else "Started",
            began + timedelta(seconds=number),
            offline=True,
        )
        for number in range(500)
    ]
    async with saying(site, client_context, frames) as answers:
        assert {each[0] for each in answers} == {3}


# Signs of life


async def test_a_box_that_answers_no_ping_stays(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Its Heartbeats are life enough."""
    wallbox = make_wallbox(replace(DELTA, no_pong=True))
    await wallbox.connect()
    for _ in range(20):
        freezer.tick(10)
        await wallbox.tick(10)
        await settle(hass, wallbox)
        assert site.binary("connected") == "on"
    assert wallbox.connected


async def test_stop_goes_to_the_line_that_lives(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Among three that are half-open."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    left = await wallbox.leave_half_open()
    beside = await wallbox.open_half()
    await wallbox.connect(boot=False)
    await settle(hass, wallbox)
    last = await wallbox.open_half()
    freezer.tick(6)
    await wallbox.tick(6)
    await settle(hass, wallbox)
    count = len(wallbox.calls("SetChargingProfile"))
    async with asyncio.timeout(5):
        await hass.services.async_call(
            "button",
            "press",
            {"entity_id": site.entity_id("button", "stop_charging")},
            blocking=True,
        )
    limits = [
        call.payload["chargingProfile"]["chargingSchedule"][0][
            "chargingSchedulePeriod"
        ][0]["limit"]
        for call in wallbox.calls("SetChargingProfile")[count:]
    ]
    assert limits[0] == 0
    for each in (left, beside, last):
        await each.close()
    await settle(hass, wallbox)
    assert site.binary("connected") == "on"
