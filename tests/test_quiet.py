"""The log: a healthy day says nothing, and a fault says when it begins and ends."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
import socket
import ssl
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from websockets.exceptions import InvalidHandshake

from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
from simulators import pki
from simulators.bms import BmsRadio, Fault as BmsFault, Jbd, SimulatedBms
from simulators.caravan.devices import WELL, Quirks as DeviceQuirks, fit_out
from simulators.caravan.identity import IDENTITIES, SHUNT
from simulators.caravan.physics import Caravan, Plan
from simulators.wallbox import DELTA, Car, RegisterRestarts
from simulators.wallbox.handlers import smart_charging

from .kit.bench import KEEPS_NO_LIMIT, MakeBench
from .kit.client import basic, dial
from .kit.log import Log
from .kit.radio import Radio
from .kit.site import CHARGE_POINT_ID
from .kit.world import PASSWORD, PLUG, TOKEN, World

# What a wallbox does, whichever Home Assistant it is shown by.
pytestmark = pytest.mark.any_homeassistant


HOUR = 3600.0
#: Devices count for 300 s.
NIGHT_S = 240.0
BMS = "A4:C1:37:00:11:22"


@pytest.fixture
def files(tmp_path: Path) -> pki.Files:
    """Certificate files that a test may renew."""
    return pki.issue(tmp_path / "pki")


@pytest.fixture
def client_context(files: pki.Files) -> ssl.SSLContext:
    """The TLS context of a wallbox that trusts their authority."""
    return files.client_context()


@pytest.fixture
def entry(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    files: pki.Files,
    unused_tcp_port: int,
    proxy: BmsRadio,
    radio: Radio,
) -> MockConfigEntry:
    """An entry with all that there can be, not set up yet; the clock is frozen."""
    data: dict[str, Any] = {
        "charge_point_id": CHARGE_POINT_ID,
        "max_current": 32,
        "password": PASSWORD,
        "rfid_token": TOKEN,
    }
    subentries = [
        ConfigSubentryData(
            subentry_type="wallbox",
            title="BMW Wallbox",
            data=data,
            unique_id=CHARGE_POINT_ID,
        ),
        ConfigSubentryData(
            subentry_type="bms",
            title="House battery",
            data={"address": BMS, "model": "jbd_bms"},
            unique_id=BMS,
        ),
        *(
            ConfigSubentryData(
                subentry_type="victron_device",
                title=each.name,
                data={"address": each.address, "encryption_key": each.key.hex()},
                unique_id=each.address,
            )
            for each in IDENTITIES
        ),
    ]
    config_entry = MockConfigEntry(
        domain=DOMAIN,
        title=NAME,
        unique_id=DOMAIN,
        data={
            "host": "127.0.0.1",
            "port": unused_tcp_port,
            "ssl_cert": str(files.certificate),
            "ssl_key": str(files.key),
        },
        options={"mains_switch": PLUG},
        subentries_data=subentries,
    )
    config_entry.add_to_hass(hass)
    return config_entry


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    """What is logged, and never a secret."""
    keys = [each.key.hex() for each in IDENTITIES]
    return Log(caplog, (PASSWORD, TOKEN, *keys))


@pytest.fixture
async def world(
    log: Log, make_bench: MakeBench, radio: Radio, proxy: BmsRadio
) -> World:
    """All of it, and well."""
    caravan = Caravan(
        plan=Plan(
            cycle_h=24.0,
            start_h=6.0,
            mains=((7.5, 10.0), (18.0, 23.0)),
            driving=((12.0, 13.5),),
        ),
        soc=0.6,
    )
    bms = SimulatedBms(Jbd(), BMS)
    proxy.hear(bms)
    bench = make_bench(DELTA, password=PASSWORD)
    # Home Assistant itself has something to say of a test's surroundings.
    assert not [each for each in log.lines() if each.name.startswith("custom_")]
    return World(bench, radio, proxy, bms, caravan, fit_out(caravan))


async def session(world: World, *, limit: int) -> None:
    """Let a car charge with a limit, a pause and an end."""
    bench = world.bench
    await bench.box.plug_in(Car())
    await world.live(20, step=5)
    bench.limit(limit)
    await world.live(20, step=5)
    await bench.succeed()
    await world.live(HOUR / 4)
    assert bench.keeps(limit)
    bench.allow(False)
    await world.live(20, step=5)
    assert bench.keeps(0)
    await world.live(HOUR / 4, step=NIGHT_S)
    bench.allow(True)
    await world.live(20, step=5)
    await bench.succeed()
    assert bench.keeps(limit)
    await world.live(HOUR / 4, step=NIGHT_S)
    await bench.box.unplug()
    await world.live(20, step=5)


async def test_a_healthy_day(world: World, log: Log, files: pki.Files) -> None:
    """Whatever a healthy day has, the log says nothing of it."""
    bench, hass = world.bench, world.hass
    _, _, alternator = world.devices
    await bench.connect()
    await world.live(HOUR, step=NIGHT_S)
    await session(world, limit=16)
    pki.issue(files.certificate.parent)
    bench.box.ssl_context = files.client_context()
    await world.live(2 * HOUR, step=NIGHT_S)
    alternator.quirks = DeviceQuirks(silent=True)
    await world.live(2 * HOUR, step=NIGHT_S)
    alternator.quirks = WELL
    await session(world, limit=10)
    await world.live(3 * HOUR, step=NIGHT_S)
    bench.press("reboot")
    await world.live(120, step=5)
    await bench.succeed()
    assert bench.site.state("status") == "available"
    await world.live(3 * HOUR, step=NIGHT_S)
    await hass.config_entries.async_reload(bench.site.entry.entry_id)
    await hass.async_block_till_done()
    await bench.rest()
    assert not bench.box.connected
    await world.live(15)
    await bench.connect(boot=False)
    await session(world, limit=6)
    await world.live(24 * HOUR - world.now, step=NIGHT_S)
    assert bench.site.state("status") == "available"
    assert bench.site.state("source", owner="battery") == "battery_monitor"
    assert world.bms.opened > 300
    assert "\n".join(log.texts()) == ""


# Faults: how each begins and goes on, and how it ends

KEY_THAT_PASSES = bytes((SHUNT.key[0], *bytes(15)))
NOT_JSON = '[2,"1","Heartbeat",'
#: Longer than anything that is waited for before a fault is over.
LONG_S = 1.5 * HOUR

type Course = AsyncGenerator[None]
type Play = Callable[[World], Course]


async def knock(world: World, path: str = CHARGE_POINT_ID, **more: Any) -> None:
    """Let somebody try to connect, in vain."""
    context = more.pop("ssl_context", world.bench.box.ssl_context)
    with pytest.raises((OSError, InvalidHandshake)):
        await dial(world.bench.site, context, path, **more)


async def stranger(world: World) -> Course:
    """An unknown charge point knocks for hours."""
    for _ in range(20):
        await knock(world, "DE*BMW*ESTRANGER")
        await world.live(120)
    yield
    await world.live(LONG_S, step=NIGHT_S)


async def wrong_password(world: World) -> Course:
    """The wallbox comes with a wrong password, again and again."""
    for _ in range(20):
        await knock(world, additional_headers=basic(CHARGE_POINT_ID, "wrong"))
        await world.live(60)
    yield
    await world.bench.connect()


async def wrong_protocol(world: World) -> Course:
    """The wallbox is set to another version of OCPP."""
    headers = basic(CHARGE_POINT_ID, PASSWORD)
    for _ in range(20):
        await knock(world, additional_headers=headers, subprotocols=["ocpp1.6"])
        await world.live(60)
    yield
    await world.bench.connect()


async def untrusted(world: World) -> Course:
    """A client does not trust the certificate."""
    for _ in range(20):
        await knock(world, ssl_context=ssl.create_default_context())
        await world.live(60)
    yield
    await world.live(LONG_S, step=NIGHT_S)


async def gone(world: World) -> Course:
    """The wallbox loses its connection, and returns."""
    await world.bench.connect()
    await world.live(120)
    await world.bench.box.disconnect(abort=True)
    await world.live(HOUR)
    yield
    await world.bench.connect(boot=False)
    await world.live(180)


async def bad_line(world: World) -> Course:
    """The wallbox comes and goes, again and again."""
    for _ in range(15):
        await world.bench.connect(boot=False)
        await world.live(20, step=10)
        await world.bench.box.disconnect(abort=True)
        await world.bench.rest()
        await world.live(60)
    yield
    await world.bench.connect(boot=False)
    await world.live(180)


async def mute(world: World) -> Course:
    """The wallbox is connected and answers nothing."""
    box = world.bench.box
    await world.bench.connect()
    await world.bench.box.plug_in(Car())
    await world.live(60, step=5)
    begin = box.journal.reply_count
    box.quirks = replace(DELTA, lost_answers=frozenset(range(begin, begin + 10_000)))
    await world.live(HOUR / 2)
    yield
    box.quirks = DELTA
    await world.live(HOUR / 6, step=20)


async def no_limit(world: World) -> Course:
    """The wallbox accepts every limit and keeps none."""
    bench = world.bench
    bench.box.quirks = replace(DELTA, **KEEPS_NO_LIMIT)
    await bench.connect()
    await bench.box.plug_in(Car())
    await world.live(60, step=5)
    bench.limit(10)
    await world.live(HOUR)
    yield
    bench.box.quirks = DELTA
    await world.live(HOUR / 6, step=20)
    assert bench.keeps(10)


async def bad_frames(world: World) -> Course:
    """The wallbox sends what is no OCPP, again and again."""
    await world.bench.connect()
    for _ in range(20):
        await world.bench.box.send_raw(NOT_JSON)
        await world.live(60)
    yield
    await world.live(LONG_S, step=NIGHT_S)


def _spoil(path: Path) -> None:
    """Leave an empty file."""
    path.write_bytes(b"")


async def broken_renewal(world: World) -> Course:
    """What renews the certificate breaks it."""
    certificate = Path(world.bench.site.entry.data["ssl_cert"])
    _spoil(certificate)
    await world.bench.connect()
    await world.live(HOUR)
    yield
    pki.issue(certificate.parent)
    await world.live(HOUR / 2, step=NIGHT_S)


async def expiring(world: World) -> Course:
    """The certificate is not renewed in time, and then it is."""
    folder = Path(world.bench.site.entry.data["ssl_cert"]).parent
    await world.bench.connect()
    pki.issue(folder, not_after=datetime.now(UTC) + timedelta(days=10))
    await world.live(HOUR)
    yield
    pki.issue(folder)
    await world.live(HOUR / 2, step=NIGHT_S)


async def expired(world: World) -> Course:
    """The certificate is not renewed at all."""
    folder = Path(world.bench.site.entry.data["ssl_cert"]).parent
    await world.bench.connect()
    pki.issue(folder, not_after=datetime.now(UTC) + timedelta(minutes=-30))
    await world.live(HOUR)
    yield
    pki.issue(folder)
    await world.live(HOUR / 2, step=NIGHT_S)


async def port_taken(world: World) -> Course:
    """Another program has the port when the entry is reloaded."""
    entry = world.bench.site.entry
    await world.hass.config_entries.async_unload(entry.entry_id)
    with socket.create_server(("127.0.0.1", entry.data["port"])):
        await world.hass.config_entries.async_setup(entry.entry_id)
        await world.live(HOUR / 4)
        await world.hass.config_entries.async_reload(entry.entry_id)
        await world.live(HOUR / 4)
    yield
    await world.live(180)
    await world.bench.connect()


async def unusable_certificate(world: World) -> Course:
    """There is no certificate to listen with when the entry is reloaded."""
    entry = world.bench.site.entry
    certificate = Path(entry.data["ssl_cert"])
    _spoil(certificate)
    await world.hass.config_entries.async_reload(entry.entry_id)
    await world.live(HOUR / 4)
    yield
    pki.issue(certificate.parent)
    await world.live(180)


def device(number: int, *, minutes: float = 30, **quirks: Any) -> Play:
    """A device of the caravan has quirks for some time."""

    async def play(world: World) -> Course:
        await world.live(30, step=10)
        world.devices[number].quirks = DeviceQuirks(**quirks)
        await world.live(minutes * 60)
        yield
        world.devices[number].quirks = WELL
        await world.live(12 * 60)

    return play


def silent_over_a_reload(world: World) -> Course:
    """The battery monitor is silent, and the entry is reloaded meanwhile."""

    async def play() -> Course:
        await world.live(30, step=10)
        world.devices[0].quirks = DeviceQuirks(silent=True)
        for _ in range(3):
            await world.live(HOUR / 4)
            await world.hass.config_entries.async_reload(
                world.bench.site.entry.entry_id
            )
        yield
        world.devices[0].quirks = WELL
        await world.live(12 * 60)

    return play()


def bms(fault: BmsFault) -> Play:
    """The BMS has a fault for an hour."""

    async def play(world: World) -> Course:
        await world.live(120, step=20)
        world.bms.fault = fault
        await world.live(HOUR / 6, step=5)
        yield
        world.bms.fault = None
        await world.live(180, step=10)

    return play


FAULTS: dict[str, tuple[Play, str, str]] = {
    "unknown charge point": (
        stranger,
        "An unknown charge point knocks, with the id 'DE*BMW*ESTRANGER': if it is",
        "The unknown charge point 'DE*BMW*ESTRANGER' does not knock any more",
    ),
    "wrong password": (
        wrong_password,
        f"Wallbox {CHARGE_POINT_ID} came with a wrong password or none: set the same",
        f"Wallbox {CHARGE_POINT_ID} has the right password now",
    ),
    "another protocol": (
        wrong_protocol,
        f"Wallbox {CHARGE_POINT_ID} does not speak OCPP 2.0.1: set its protocol",
        f"Wallbox {CHARGE_POINT_ID} speaks OCPP 2.0.1 now",
    ),
    "certificate not trusted": (
        untrusted,
        "127.0.0.1 tries to connect again and again, and TLS fails",
        "TLS with 127.0.0.1 does not fail any more",
    ),
    "gone": (
        gone,
        f"Wallbox {CHARGE_POINT_ID} is not connected any more",
        f"Wallbox {CHARGE_POINT_ID} is connected again",
    ),
    "comes and goes": (
        bad_line,
        f"Wallbox {CHARGE_POINT_ID} is not connected any more",
        f"Wallbox {CHARGE_POINT_ID} is connected again",
    ),
    "no answers": (
        mute,
        f"Wallbox {CHARGE_POINT_ID} is connected but does not answer",
        f"Wallbox {CHARGE_POINT_ID} answers again",
    ),
    "no limit is kept": (
        no_limit,
        f"Wallbox {CHARGE_POINT_ID} does not keep the limit",
        f"Wallbox {CHARGE_POINT_ID} keeps its limit again",
    ),
    "bad frames": (
        bad_frames,
        f"Wallbox {CHARGE_POINT_ID} sent a frame that was refused",
        f"Wallbox {CHARGE_POINT_ID} has sent no bad frame",
    ),
    "broken renewal": (
        broken_renewal,
        "The certificate of the server is not good any more",
        "The certificate of the server is good again",
    ),
    "certificate expires": (
        expiring,
        "The certificate of the server expires on",
        "The certificate of the server was renewed",
    ),
    "certificate expired": (
        expired,
        "The certificate of the server is not good any more (certificate: expired)",
        "The certificate of the server is good again",
    ),
    "port taken": (
        port_taken,
        "The Victron devices go on without it",
        "The server for wallboxes can start now",
    ),
    "no certificate": (
        unusable_certificate,
        "The Victron devices go on without it",
        "The server for wallboxes can start now",
    ),
    "short frames": (
        device(0, sends_bytes=4),
        f"{SHUNT.name} has given no reading for 7 min",
        f"{SHUNT.name} is heard again",
    ),
    "silent": (
        device(0, silent=True),
        f"{SHUNT.name} has given no reading for 7 min: close VictronConnect",
        f"{SHUNT.name} is heard again",
    ),
    "silent over a reload": (
        silent_over_a_reload,
        f"{SHUNT.name} has given no reading for 7 min: close VictronConnect",
        f"{SHUNT.name} is heard again",
    ),
    **{
        f"BMS {fault}": (
            bms(fault),
            "BMS House battery cannot be read",
            "BMS House battery answers again",
        )
        for fault in BmsFault
    },
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_logged_at_its_start_and_at_its_end(
    world: World, log: Log, fault: str
) -> None:
    """However often it recurs, and however long it lasts."""
    play, start, end = FAULTS[fault]
    course = play(world)
    await anext(course)
    (line,) = log.texts()
    assert line.startswith("WARNING ")
    assert start in line
    await anext(course, None)
    (line,) = log.texts()
    assert line.startswith("INFO ")
    assert end in line


@pytest.mark.parametrize(
    "key", [bytes(16), KEY_THAT_PASSES], ids=["refused", "one that passes"]
)
async def test_another_key_is_told_after_an_hour(
    world: World, log: Log, key: bytes
) -> None:
    """A key that was right within the hour is not asked for: garbage may be in the air.

    Until then there is no reading, and that is said.
    """
    course = device(0, minutes=75, key=key)(world)
    await anext(course)
    silence, fault = log.texts()
    assert f"{SHUNT.name} has given no reading for 7 min" in silence
    assert f"The encryption key does not fit {SHUNT.name} any more" in fault
    await anext(course, None)
    assert any(f"The encryption key fits {SHUNT.name} again" in x for x in log.texts())


# What is coped with


async def test_what_a_wallbox_says_is_one_line(
    world: World,
    log: Log,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It can neither forge a line nor colour one, and is cut where it goes on."""
    bench = world.bench
    said = "a\r\n2026-11-21\x1b[31m ERROR\u2028\u202eforged " + "x" * 400
    monkeypatch.setattr(
        smart_charging,
        "status_info",
        lambda code: {"reasonCode": code, "additionalInfo": said},
    )
    monkeypatch.setattr(bench.box.profiles, "put", lambda _: False)
    await bench.connect()
    await bench.box.plug_in(Car())
    await world.live(60, step=5)
    bench.limit(10)
    await world.live(120, step=5)
    assert "OutOfStorage, a 2026-11-21 [31m ERROR forged xxx" in str(
        await bench.outcome()
    )
    (line,) = log.texts()
    assert "OutOfStorage, a 2026-11-21 [31m ERROR forged xxx" in line
    assert len(line) < 500
    told = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("custom_components.")
        and "forged" in record.getMessage()
    ]
    assert len(told) > 1
    assert [each for each in told if not each.isprintable()] == []


async def a_session(world: World) -> None:
    """Let a car charge for a while, with two limits, and leave."""
    bench = world.bench
    await bench.connect()
    await world.live(70, step=10)
    await bench.box.plug_in(Car())
    await world.live(60, step=5)
    bench.limit(10)
    await world.live(300, step=10)
    bench.limit(16)
    await world.live(300, step=10)
    await bench.box.unplug()
    await world.live(60, step=5)


COPED: dict[str, dict[str, Any]] = {
    "what it refuses to set": {
        "metering_settings_rejected": True,
        "default_profile_rejected_after_restart": True,
        "light_rejected": True,
        "duplicate_frames": True,
    },
    "what it refuses to tell": {
        "trigger_meter_values_rejected": True,
        "trigger_transaction_event_rejected": True,
        "identity_unknown": True,
        "get_variables_rejected_in_bulk": True,
        "clock_offset_s": -86_400.0,
    },
    "what it tells wrongly": {
        "register_restarts": RegisterRestarts.BOTH,
        "register_zero_readings": True,
        "clock_offset_s": 86_400.0,
    },
    "what it does not answer": {
        "lost_answers": frozenset((4, 9, 17, 26)),
        "station_profile_rejected": True,
    },
}


@pytest.mark.parametrize("quirks", COPED)
async def test_what_is_coped_with_is_not_logged(
    world: World, log: Log, quirks: str
) -> None:
    """Nobody has to do anything about it."""
    world.bench.box.quirks = replace(DELTA, **COPED[quirks])
    await a_session(world)
    assert log.texts() == []


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(
    "quirks",
    [{"silent": True}, {"powers_off": True}, {"sends_bytes": 4}, {"lingers_s": 600}],
    ids=str,
)
async def test_a_charger_that_is_off_is_not_logged(
    world: World, log: Log, number: int, quirks: dict[str, Any]
) -> None:
    """That is its ordinary life."""
    async for _ in device(number, minutes=12, **quirks)(world):
        pass
    assert log.texts() == []
