"""The demo, as far as that goes without starting it: .ci/run does."""

import argparse
import asyncio
import base64
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import fields
from datetime import UTC, datetime, timedelta
import importlib
import json
import logging
from pathlib import Path
import shutil
import socket
import ssl
import sys
import time
from typing import Any, override
from unittest import mock

import bcrypt
from homeassistant.util import dt as dt_util, package
import pytest

from custom_components.bmw_wallbox_victron.stored_form import load_counters
from demo import adding, instance, ports, run as demo
from demo.arguments import parse_arguments
from demo.client import NotReadyError, log_in
from demo.console import DemoError
from demo.greeting import describe_rig
from demo.layout import (
    CHARGE_POINT_ID,
    PASSWORD,
    ROOT,
    USER,
    WALLBOX_PASSWORD,
    Layout,
    WallboxSettings,
    clear,
    prepare,
)
from demo.past.guide import Guide
from demo.ports import choose_ocpp_port, free_port, why_not_free
from demo.process import only_one
from demo.replaying import behind_s as replay_behind_s, make_replay
from demo.rigs import BOAT
from demo.scenario import CAR_A, Scenario, make_wallbox
from demo.seed import seed
from simulators import pki
from simulators.caravan.identity import IDENTITIES, SHUNT
from simulators.wallbox import Car
from simulators.wallbox.trace import read_trace

TRACE = ROOT / "tests" / "data" / "traces" / "delta.jsonl"
PLUG = {
    "mains_switch": "switch.caravan_plug",
    "mains_power": "sensor.caravan_plug_power",
    "mains_current": "sensor.caravan_plug_current",
}


@pytest.fixture(autouse=True)
def _time_zone() -> Iterator[None]:
    """Leave the time zone of a demo behind, which its Home Assistant sets for all."""
    yield
    dt_util.set_default_time_zone(UTC)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A folder that nothing was done to."""
    return Layout(tmp_path / "demo")


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def seed_apart(layout: Layout, *, port: int, ocpp_port: int | None) -> None:
    """Seed in a thread with a loop of its own: it makes a Home Assistant."""
    await asyncio.to_thread(
        lambda: asyncio.run(seed(layout, port=port, ocpp_port=ocpp_port))
    )


def assert_integrations(layout: Layout) -> None:
    """Look for the real integration, and the demo's with manifests of their own."""
    folder = layout.config / "custom_components"
    assert not folder.is_symlink()
    ours, radio = folder / "bmw_wallbox_victron", folder / "demo_radio"
    house = folder / "demo_house"
    assert {*folder.iterdir()} == {ours, radio, house}
    assert ours.resolve() == ROOT / "custom_components" / "bmw_wallbox_victron"
    assert not radio.is_symlink()
    manifest = json.loads((radio / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["domain"] == "demo_radio"
    modules = {each.name: each.resolve() for each in radio.glob("*.py")}
    assert modules == {each.name: each for each in (ROOT / "demo/radio").glob("*.py")}
    assert "__init__.py" in modules
    assert {"__init__.py", "sensor.py", "services.yaml", "manifest.json"} == {
        each.name for each in house.iterdir()
    }


def our_entry(hass_storage: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the stored entry of the integration."""
    (entry,) = [
        entry
        for entry in hass_storage["core.config_entries"]["data"]["entries"]
        if entry["domain"] == "bmw_wallbox_victron"
    ]
    return deepcopy(dict(entry))


# --- Arguments and ports ---


def test_no_arguments() -> None:
    assert parse_arguments([]) == argparse.Namespace(
        port=8123,
        ocpp_port=None,
        seconds=None,
        speed=1.0,
        rig="caravan",
        add_caravan=False,
        history=False,
        house=False,
        replay=None,
    )


def test_all_arguments() -> None:
    options = parse_arguments(
        [
            *("--port", "80", "--ocpp-port=9001", "--seconds", "0.5"),
            *("--speed", "60", "--add-caravan", "--rig=boat"),
        ]
    )
    assert options == argparse.Namespace(
        port=80,
        ocpp_port=9001,
        seconds=0.5,
        speed=60.0,
        rig="boat",
        add_caravan=True,
        history=False,
        house=False,
        replay=None,
    )
    assert parse_arguments(["--history"]).history
    assert parse_arguments(["--house", "--speed=1440"]).speed == 1440
    assert parse_arguments(["--replay", str(TRACE)]).trace.said


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--port", "0"], "1 to 65535"),
        (["--port", "65536"], "1 to 65535"),
        (["--port", "x"], "invalid"),
        (["--speed", "0.5"], "1 to 200"),
        (["--speed", "201"], "200 at most"),
        (["--house", "--speed", "3000"], "with --house to 2880"),
        (["--house", "--history"], "goes with neither"),
        (["--house", "--rig=boat"], "goes with neither"),
        (["--seconds", "-1"], "no time to wait"),
        (["--seconds", "nan"], "no time to wait"),
        (["now"], "unrecognized"),
        (["--history", "--speed=2"], "no --speed"),
        (["--replay", str(TRACE), "--house"], "goes with neither"),
        (["--replay", "nowhere.jsonl"], "cannot be read"),
        (["--replay", "pyproject.toml"], "is no trace"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_arguments(arguments)
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err


def test_a_port_is_free_or_not(taken_port: int) -> None:
    assert why_not_free(free_port()) is None
    assert why_not_free(taken_port)


def test_wallbox_gets_the_port_that_was_asked_for() -> None:
    port = free_port()
    assert choose_ocpp_port(port, other=1) == port


def test_wallbox_gets_the_next_free_port(
    taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, web = free_port(), free_port()
    monkeypatch.setattr(ports, "_OCPP_PORTS", (taken_port, web, free))
    assert choose_ocpp_port(None, other=web) == free
    monkeypatch.setattr(ports, "_OCPP_PORTS", (taken_port, web))
    with pytest.raises(DemoError, match="are all taken"):
        choose_ocpp_port(None, other=web)


def test_wallbox_cannot_have_a_taken_port(taken_port: int) -> None:
    with pytest.raises(DemoError, match="cannot have port"):
        choose_ocpp_port(taken_port, other=1)
    with pytest.raises(DemoError, match="the web page has it"):
        choose_ocpp_port(1, other=1)


def test_a_taken_port_ends_the_demo(
    layout: Layout, taken_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(["--port", str(taken_port)], folder=layout.folder) == 1
    assert f"cannot have port {taken_port}" in capsys.readouterr().out
    assert not layout.config.exists()


@pytest.mark.parametrize(
    "past", [["--history"], ["--house", "--speed=1440"], ["--replay", str(TRACE)]]
)
def test_the_past_needs_a_fresh_start(
    layout: Layout, past: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    layout.config.mkdir(parents=True)
    arguments = [*past, f"--port={free_port()}"]
    assert demo.main(arguments, folder=layout.folder) == 1
    assert f"delete {layout.folder} first" in capsys.readouterr().out


def test_boat_and_house_have_a_folder_of_their_own(
    tmp_path: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "ROOT", tmp_path)
    for arguments, folder in (
        ([], ".demo"),
        (["--rig=boat"], ".demo/boat"),
        (["--house"], ".demo/house"),
        (["--replay", str(TRACE)], ".demo/replay"),
    ):
        assert demo.main(["--port", str(taken_port), *arguments]) == 1
        assert (tmp_path / folder / "lock").exists()


def test_only_one_demo_in_a_folder(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_one(layout):
        assert demo.main(["--seconds=0"], folder=layout.folder) == 1
    assert "another demo is running" in capsys.readouterr().out


# --- The greeting ---


@pytest.mark.parametrize(
    ("able", "added", "lines"),
    [
        (False, set(), ["is there, but this version"]),
        (
            True,
            set(),
            ["Settings >", *(each.key.hex() for each in IDENTITIES), "Entities"],
        ),
        (True, {SHUNT.address}, ["Settings >", "is added", "key", "key", "Overview"]),
        (
            True,
            {each.address for each in IDENTITIES},
            [*["is added"] * 3, "switch.caravan_plug"],
        ),
    ],
)
def test_the_caravan_is_told(
    able: bool, added: set[str], lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "reads_victron", lambda: able)
    told = list(describe_rig(frozenset(added)))
    for text, part in zip(told, lines, strict=True):
        assert part in text


def test_the_boat_is_told() -> None:
    told = list(describe_rig(BOAT.addresses, BOAT))
    assert [line.rpartition(", ")[2] for line in told[:-1]] == ["is added"] * 4
    assert "switch.boat_shore_power" in told[-1]
    assert "model jbd_bms" in "".join(describe_rig(frozenset(), BOAT))


def test_the_integration_reads_victron() -> None:
    assert adding.reads_victron()


def test_home_assistant_does_not_warn_of_the_demos_own_part() -> None:
    def is_shown(domain: str) -> bool:
        record = logging.makeLogRecord({"msg": "custom %s", "args": (domain,)})
        return instance._is_no_matter_of_ours(record)

    assert is_shown("bmw_wallbox_victron")
    assert not is_shown("demo_radio")
    assert not is_shown("demo_house")


def test_nothing_has_to_be_compiled_for_voices() -> None:
    with mock.patch.dict(sys.modules):
        instance._replace_sound_libraries()
        try:
            assert package.is_installed("pymicro-vad==1.0.1")
            assert package.is_installed("pyspeex-noise==1.0.2")
            assert not package.is_installed("no-such-package==1.0.0")
            assert importlib.import_module("pymicro_vad").MicroVad
        finally:
            mock.patch.stopall()


@pytest.mark.usefixtures("socket_enabled")
async def test_no_server_listens_beyond_this_computer() -> None:
    """Not even the integration's own, which is told no address by its flow."""
    loop = asyncio.get_running_loop()
    with instance._on_loopback():
        everywhere = await loop.create_server(asyncio.Protocol, None, 0)
        named = await loop.create_server(asyncio.Protocol, "127.0.0.2", 0)
    try:
        addresses = [
            sock.getsockname()[0]
            for each in (everywhere, named)
            for sock in each.sockets
        ]
        assert addresses == ["127.0.0.1", "127.0.0.2"]
    finally:
        everywhere.close()
        named.close()


# --- The folder ---


def test_prepare_makes_what_is_needed(layout: Layout) -> None:
    prepare(layout)
    configuration = (layout.config / "configuration.yaml").read_text(encoding="utf-8")
    assert "\ndefault_config:" not in configuration
    assert_integrations(layout)
    assert isinstance(layout.tls.client_context(), ssl.SSLContext)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(layout.tls.certificate, layout.tls.key)


def test_a_cleared_folder_keeps_its_lock_and_what_it_links_to(layout: Layout) -> None:
    prepare(layout)
    (layout.folder / "link").symlink_to(ROOT / "demo")
    with only_one(layout):
        clear(layout)
        assert [each.name for each in layout.folder.iterdir()] == ["lock"]
    assert (ROOT / "custom_components" / "bmw_wallbox_victron" / "const.py").exists()
    assert (ROOT / "demo" / "layout.py").exists()


def test_prepare_keeps_what_is_there(layout: Layout) -> None:
    prepare(layout)
    certificate = layout.tls.certificate.read_bytes()
    made = {
        "automations.yaml": ("[]\n", "- alias: mine\n"),
        "scripts.yaml": ("{}\n", "mine:\n  sequence: []\n"),
    }
    configuration = (layout.config / "configuration.yaml").read_text(encoding="utf-8")
    for name, (nothing, mine) in made.items():
        assert f"!include {name}\n" in configuration
        assert (layout.config / name).read_text(encoding="utf-8") == nothing
        (layout.config / name).write_text(mine, encoding="utf-8")
    prepare(layout)
    assert layout.tls.certificate.read_bytes() == certificate
    for name, (_, mine) in made.items():
        assert (layout.config / name).read_text(encoding="utf-8") == mine


def test_prepare_renews_the_certificate(layout: Layout) -> None:
    prepare(layout)
    certificate = layout.tls.certificate.read_bytes()
    prepare(layout, now=datetime.now(UTC) + timedelta(days=70))
    renewed = layout.tls.certificate.read_bytes()
    assert renewed != certificate
    layout.tls.key.unlink()
    prepare(layout)
    assert layout.tls.certificate.read_bytes() != renewed
    assert layout.tls.key.exists()


def test_prepare_follows_a_checkout_that_was_moved(layout: Layout) -> None:
    layout.config.mkdir(parents=True)
    (layout.config / "custom_components").symlink_to("/nowhere/custom_components")
    prepare(layout)
    assert_integrations(layout)


def test_prepare_follows_a_checkout_that_was_moved_again(layout: Layout) -> None:
    prepare(layout)
    components = layout.config / "custom_components"
    for name in ("bmw_wallbox_victron", "demo_radio"):
        link = components / name
        if link.is_symlink():
            link.unlink()
        else:
            shutil.rmtree(link)
        link.symlink_to("/nowhere/" + name)
    prepare(layout)
    assert_integrations(layout)
    module = components / "demo_radio" / "sensor.py"
    module.unlink()
    module.symlink_to("/nowhere/sensor.py")
    (components / "demo_radio" / "gone.py").symlink_to("/nowhere/gone.py")
    prepare(layout)
    assert_integrations(layout)


def test_prepare_tells_the_speed(layout: Layout) -> None:
    prepare(layout, speed=60)
    text = (layout.config / "configuration.yaml").read_text(encoding="utf-8")
    assert "\ndemo_radio:\n  speed: 60\n  rig: caravan\n" in text
    assert "demo_house" not in text
    prepare(layout, house=True)
    text = (layout.config / "configuration.yaml").read_text(encoding="utf-8")
    assert "\ndemo_house:\n" in text


def test_the_register_is_kept(layout: Layout) -> None:
    layout.folder.mkdir()
    assert layout.read_register() == 1_234_567.0
    layout.write_register(2_000_000.04)
    assert layout.read_register() == 2_000_000.0
    layout.register.write_text("broken", encoding="utf-8")
    assert layout.read_register() == 1_234_567.0


# --- Home Assistant's storage ---


async def test_seed_replaces_onboarding(
    layout: Layout, hass_storage: dict[str, Any]
) -> None:
    await seed_apart(layout, port=18123, ocpp_port=9000)

    http = hass_storage["http"]["data"]
    assert http["stable"]["server_host"] == ["127.0.0.1"]
    assert http["stable"]["server_port"] == 18123
    assert http["pending"] is None
    assert http["yaml_migration_done"]
    assert set(hass_storage["onboarding"]["data"]["done"]) == {
        "user",
        "core_config",
        "analytics",
        "integration",
    }
    home = hass_storage["core.config"]["data"]
    assert (home["country"], home["currency"]) == ("DE", "EUR")
    (user,) = hass_storage["auth"]["data"]["users"]
    assert user["is_owner"]
    (login,) = hass_storage["auth_provider.homeassistant"]["data"]["users"]
    assert login["username"] == USER
    assert login["password"] != PASSWORD
    entry = our_entry(hass_storage)
    assert entry["unique_id"] == "bmw_wallbox_victron"
    assert entry["data"] == {
        "host": "127.0.0.1",
        "port": 9000,
        "ssl_cert": str(layout.tls.certificate),
        "ssl_key": str(layout.tls.key),
    }
    (wallbox,) = entry["subentries"]
    assert wallbox["subentry_type"] == "wallbox"
    assert wallbox["unique_id"] == CHARGE_POINT_ID
    assert wallbox["data"] == {
        "charge_point_id": CHARGE_POINT_ID,
        "max_current": 32,
        "password": WALLBOX_PASSWORD,
    }


async def test_seed_leaves_a_newcomers_home_assistant_empty(
    layout: Layout, hass_storage: dict[str, Any]
) -> None:
    """Onboarding is over, and nothing is set up."""
    await seed_apart(layout, port=18123, ocpp_port=None)
    assert set(hass_storage["onboarding"]["data"]["done"]) >= {"user", "integration"}
    assert [user["name"] for user in hass_storage["auth"]["data"]["users"]] == ["Demo"]
    stored = hass_storage.get("core.config_entries", {"data": {"entries": []}})
    assert stored["data"]["entries"] == []
    # A demo that goes on from here still tells the integration of the plug.
    assert not layout.plugged.exists()


async def test_seed_again_keeps_what_is_there(
    layout: Layout, hass_storage: dict[str, Any]
) -> None:
    await seed_apart(layout, port=18123, ocpp_port=9000)
    before = our_entry(hass_storage)
    users = deepcopy(hass_storage["auth"]["data"]["users"])
    # What people do in between: another entry, other settings, another password.
    entries = hass_storage["core.config_entries"]["data"]["entries"]
    entries.append(
        {
            **before,
            "domain": "sun",
            "entry_id": "1",
            "subentries": [],
            "unique_id": None,
        }
    )
    entries[0]["options"] = {"meter_interval": 30}
    wallbox = entries[0]["subentries"][0]["data"]
    wallbox["max_current"] = 10
    wallbox["password"] = "another"
    (login,) = hass_storage["auth_provider.homeassistant"]["data"]["users"]
    another = base64.b64encode(bcrypt.hashpw(b"another", bcrypt.gensalt(4))).decode()
    login["password"] = another

    await seed_apart(layout, port=18124, ocpp_port=9001)
    after = our_entry(hass_storage)
    assert after["entry_id"] == before["entry_id"]
    assert after["data"] == {**before["data"], "port": 9001}
    assert after["options"] == {"meter_interval": 30}
    (kept,) = after["subentries"]
    assert kept["data"]["max_current"] == 10
    assert kept["data"]["password"] == WALLBOX_PASSWORD
    assert len(hass_storage["core.config_entries"]["data"]["entries"]) == 2
    assert hass_storage["http"]["data"]["stable"]["server_port"] == 18124
    assert hass_storage["auth"]["data"]["users"] == users
    (login,) = hass_storage["auth_provider.homeassistant"]["data"]["users"]
    assert login["password"] != another


async def test_seed_with_the_caravan(
    layout: Layout, hass_storage: dict[str, Any]
) -> None:
    await asyncio.to_thread(
        lambda: asyncio.run(seed(layout, port=18123, ocpp_port=9000, added=True))
    )
    keys = {
        each["unique_id"]: each["data"].get("encryption_key")
        for each in our_entry(hass_storage)["subentries"]
    }
    assert keys == {
        CHARGE_POINT_ID: None,
        **{device.address: device.key.hex() for device in IDENTITIES},
    }


async def test_seed_with_other_settings(
    layout: Layout, hass_storage: dict[str, Any]
) -> None:
    """As those that a trace was recorded with."""
    settings = WallboxSettings(max_current=16, meter_interval=30)
    await asyncio.to_thread(
        lambda: asyncio.run(seed(layout, port=18123, ocpp_port=9000, wallbox=settings))
    )
    entry = our_entry(hass_storage)
    assert entry["options"]["meter_interval"] == 30
    assert entry["subentries"][0]["data"]["max_current"] == 16


async def test_seed_with_the_boat(layout: Layout, hass_storage: dict[str, Any]) -> None:
    await asyncio.to_thread(
        lambda: asyncio.run(
            seed(layout, port=18123, ocpp_port=9000, rig=BOAT, added=True)
        )
    )
    entry = our_entry(hass_storage)
    assert entry["options"] == {
        "meter_interval": 5,
        "chemistry": "lifepo4",
        "bms_bank": "parallel",
    }
    assert [
        (each["subentry_type"], each["data"].get("model"))
        for each in entry["subentries"]
    ] == [
        ("wallbox", None),
        *[("victron_device", None)] * 2,
        *[("bms", "jbd_bms")] * 2,
    ]
    # What it has counted so far, as the integration reads it.
    stored = hass_storage[f"bmw_wallbox_victron.{entry['entry_id']}.battery"]
    lost: list[str] = []
    counters = load_counters(stored["data"], lost)
    assert lost == []
    assert (counters.history.cycles, counters.solar_energy) == (40.21, 131.87)
    # Each field has a value, but what no device of a boat tells.
    assert [
        field.name
        for field in (*fields(counters), *fields(counters.history))
        if not getattr(
            counters, field.name, getattr(counters.history, field.name, None)
        )
    ] == ["alternator_energy", "days", "capacity_ah", "uncounted_ah", "full"]


async def test_seed_puts_the_wallbox_back(
    layout: Layout, hass_storage: dict[str, Any]
) -> None:
    await seed_apart(layout, port=18123, ocpp_port=9000)
    before = our_entry(hass_storage)
    entries = hass_storage["core.config_entries"]["data"]["entries"]
    entries[0]["subentries"] = []
    await seed_apart(layout, port=18123, ocpp_port=9000)
    (wallbox,) = our_entry(hass_storage)["subentries"]
    assert wallbox["data"] == before["subentries"][0]["data"]


async def test_seed_tells_which_plug_feeds_mains_in(
    layout: Layout, hass_storage: dict[str, Any]
) -> None:
    await seed_apart(layout, port=18123, ocpp_port=9000)
    assert our_entry(hass_storage)["options"] == {"meter_interval": 5, **PLUG}
    # Its user has no such plug any more.
    entries = hass_storage["core.config_entries"]["data"]["entries"]
    entries[0]["options"] = {"mains_switch": "switch.caravan_plug"}
    await seed_apart(layout, port=18123, ocpp_port=9000)
    assert our_entry(hass_storage)["options"] == {"mains_switch": "switch.caravan_plug"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"meter_interval": 30}, {"meter_interval": 30, **PLUG}),
        ({"mains_power": "sensor.mine"}, {"mains_power": "sensor.mine"}),
    ],
)
async def test_seed_tells_an_earlier_demo_of_the_plug(
    layout: Layout,
    hass_storage: dict[str, Any],
    options: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    await seed_apart(layout, port=18123, ocpp_port=9000)
    layout.plugged.unlink()
    entries = hass_storage["core.config_entries"]["data"]["entries"]
    entries[0]["options"] = options
    await seed_apart(layout, port=18123, ocpp_port=9000)
    assert our_entry(hass_storage)["options"] == expected


# --- What happens ---


async def test_nobody_to_log_in_to() -> None:
    with pytest.raises(NotReadyError):
        async with log_in(f"http://127.0.0.1:{free_port()}"):
            pass


async def test_a_car_comes_charges_and_leaves() -> None:
    told: list[str] = []
    box = make_wallbox(1, ssl.create_default_context(), 1000.0)
    scenario = Scenario(box, speed=1e9, say=told.append, pace_s=0.0)
    session = asyncio.create_task(scenario.session())
    currents: set[float] = set()
    while not session.done():
        await box.tick(30)
        if box.charger.contactor_closed:
            currents.add(box.charger.readings.current_a[2])
    await session
    assert [text.partition(",")[0] for text in told] == [
        "a car is plugged in",
        "the car is full",
        "the car is unplugged",
    ]
    assert 11_000 <= box.charger.register_wh <= 13_000
    assert len(currents) > 5
    assert all(CAR_A - 1 <= current <= CAR_A for current in currents)
    assert not box.charger.plugged


async def test_a_car_that_is_there_stays() -> None:
    told: list[str] = []
    box = make_wallbox(1, ssl.create_default_context(), 1000.0)
    await box.plug_in(Car(phases=3, max_current_a=CAR_A, wants_energy_wh=500))
    scenario = Scenario(box, speed=1e9, say=told.append, pace_s=0.0)
    session = asyncio.create_task(scenario.session())
    while not session.done():
        await box.tick(30)
    await session
    assert told == ["the car is full", "the car is unplugged"]
    assert box.charger.register_wh == pytest.approx(1500)


async def test_a_session_that_was_stopped_ends() -> None:
    told: list[str] = []
    box = make_wallbox(1, ssl.create_default_context(), 1000.0)
    scenario = Scenario(box, speed=1e9, say=told.append, pace_s=0.001)
    session = asyncio.create_task(scenario.session())
    await asyncio.sleep(0)
    box.stop_remotely()
    await session
    assert told[1:] == ["charging was stopped", "the car is unplugged"]


class RecordedGuide(Guide):
    """Takes note of what a Home Assistant would be told."""

    def __init__(self, behind_s: float) -> None:
        """Begin so far in the past."""
        self.now = datetime(2026, 6, 1, tzinfo=UTC)
        self.behind_s = behind_s
        self.passed_s = 0.0
        self.done: list[tuple[float, str, dict[str, Any]]] = []
        self.left = asyncio.Event()

    @override
    async def step(self, seconds: float) -> None:
        self.passed_s += seconds

    @override
    async def act(self, action: str, data: dict[str, Any]) -> None:
        self.done.append((round(self.passed_s, 3), action, data))

    @override
    async def leave(self) -> None:
        self.left.set()


async def test_home_assistant_lives_through_a_trace(pki_files: pki.Files) -> None:
    """Its time passes with the wallbox's, and its owner does what was done."""
    lines = (
        {"trace": 1, "max_current": 32, "meter_interval": 10, "target": {}},
        {"at": 0.0, "target": {"current_limit": None, "cap_a": 8.0}},
        {"at": 1.3, "asked": "stop_charging"},
        {"at": 1.3, "target": {"current_limit": None, "charging_allowed": False}},
        {"at": 4.0, "target": {"current_limit": 10, "charging_allowed": True}},
        {"at": 6.0, "states": {}},
    )
    trace = read_trace(json.dumps(line) for line in lines)
    speed = 20.0
    entity_ids = {
        ("button", "stop_charging"): "button.stop",
        ("number", "current_limit"): "number.limit",
        ("switch", "charging"): "switch.charging",
    }
    late_s = 7.0  # so long it took to start
    guide = RecordedGuide(replay_behind_s(trace, speed) + late_s)
    replay = make_replay(
        TRACE, trace, guide, entity_ids, 1, pki_files.client_context(), speed=speed
    )
    began = time.monotonic()
    living = asyncio.create_task(replay.live())
    await guide.left.wait()
    assert time.monotonic() - began == pytest.approx(6 / speed, abs=0.2)
    begin_s = guide.passed_s - 6
    assert guide.behind_s - begin_s == pytest.approx(6 - 6 / speed)
    assert [(at - begin_s, *what) for at, *what in guide.done] == [
        (pytest.approx(1.3), "button.press", {"entity_id": "button.stop"}),
        (
            pytest.approx(4),
            "number.set_value",
            {"entity_id": "number.limit", "value": 10},
        ),
        (pytest.approx(4), "switch.turn_on", {"entity_id": "switch.charging"}),
    ]
    assert not living.done()
    living.cancel()


async def test_home_assistant_ends_within_a_trace(pki_files: pki.Files) -> None:
    """As its owner may have it restart; that is said in a sentence."""
    ours, theirs = socket.socketpair()
    theirs.sendall(b'{"now": 0, "behind_s": 0}\n')
    guide = await Guide.meet(ours)
    theirs.close()
    trace = parse_arguments(["--replay", str(TRACE)]).trace
    replay = make_replay(
        TRACE, trace, guide, {}, 1, pki_files.client_context(), speed=2
    )
    with pytest.raises(DemoError, match="cannot go on"):
        await replay.live()


async def test_a_replay_tells_what_its_owner_did(pki_files: pki.Files) -> None:
    """And what was asked for that nobody asked for in the trace."""
    trace = parse_arguments(["--replay", str(TRACE)]).trace
    replay = make_replay(
        TRACE, trace, RecordedGuide(0), {}, 1, pki_files.client_context(), speed=2
    )
    told: list[str] = []
    telling = asyncio.create_task(replay.tell(told.append))
    await asyncio.sleep(0)
    assert told == [f"delta.jsonl plays, {trace.length_s / 2:.0f} s of it"]
    replay.box.position = 1_000
    replay.box.unknown_calls.append(("UnlockConnector", {}))
    await asyncio.sleep(0.5)
    telling.cancel()
    assert told[1:4] == [
        "14 s: its owner wanted 10 A",
        "35 s: its owner paused, with 10 A",
        "56 s: its owner wanted 10 A",
    ]
    assert told[4:] == ["1000 s: nobody asked for UnlockConnector in the trace"]
