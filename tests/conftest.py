"""What all tests share: certificates, a set-up site, a simulated wallbox."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
import contextlib
import functools
import itertools
import logging
import socket
import ssl
import threading
import time
from typing import Any
from unittest import mock

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import bluetooth
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity import Entity
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.bmw_wallbox_victron import site_sensor
from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
from custom_components.bmw_wallbox_victron.publish import Publisher
from custom_components.bmw_wallbox_victron.wallbox.schemas import Schemas
from simulators import pki
from simulators.bms import BmsRadio
from simulators.wallbox import DELTA, Quirks, SimulatedWallbox
from simulators.wallbox.replay import ReplayedWallbox
from simulators.wallbox.trace import Trace

from .kit.bench import Bench, MakeBench, charge
from .kit.radio import SHUNT, Radio
from .kit.replay import MakeReplay, Replay
from .kit.site import CHARGE_POINT_ID, Site
from .kit.victron import KEY


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    parser.addoption(
        "--only-with-hass",
        action="store_true",
        help="leave out the tests that say the same with any Home Assistant: they use "
        "none, or are marked so",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Add our markers."""
    config.addinivalue_line(
        "markers",
        "any_homeassistant: long, and about a wallbox or a caravan: what it needs of a "
        "Home Assistant is tested beside it",
    )


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave tests out if that is asked for."""
    if config.getoption("--only-with-hass"):
        parts: dict[bool, list[pytest.Item]] = {True: [], False: []}
        for item in items:
            uses = isinstance(item, pytest.Function) and "hass" in item.fixturenames
            marked = item.get_closest_marker("any_homeassistant") is not None
            parts[uses and not marked].append(item)
        config.hook.pytest_deselected(items=parts[False])
        items[:] = parts[True]


# Home Assistant's plugin has every statement of a recorder logged.
logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)


def in_its_thread[**P, R](call: Callable[P, R]) -> Callable[P, R]:
    """Return a method of an event loop that no other thread may call."""
    own = threading.get_ident()

    @functools.wraps(call)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        assert threading.get_ident() == own, "called from another thread"
        return call(*args, **kwargs)

    return checked


@pytest.fixture(autouse=True)
async def enable_event_loop_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find calls from other threads, as the debug mode of event loops does.

    Home Assistant's own plugin switches that on. It also notes the stack of every
    callback, task and future, and that takes as long as all the rest.
    """
    loop = asyncio.get_running_loop()
    for name in ("call_soon", "call_at"):
        monkeypatch.setattr(loop, name, in_its_thread(getattr(loop, name)))


@pytest.fixture(scope="session", autouse=True)
def _schemas_once() -> Iterator[None]:
    """Read OCPP's schemas once: that takes most of a site's set-up."""
    with mock.patch.object(Schemas, "load", functools.cache(Schemas.load)):
        yield


@pytest.fixture(autouse=True)
def _real_world(request: pytest.FixtureRequest, socket_enabled: None) -> None:
    """Load our integration where there is a Home Assistant; talk over loopback."""
    if "hass" in request.fixturenames:
        request.getfixturevalue("enable_custom_integrations")


# Made before any test freezes the time: what is imported then keeps a frozen clock.
@pytest.fixture(scope="session", autouse=True)
def pki_files(tmp_path_factory: pytest.TempPathFactory) -> pki.Files:
    """A certificate for localhost, and the authority that issued it."""
    return pki.issue(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def client_context(pki_files: pki.Files) -> ssl.SSLContext:
    """The TLS context of a wallbox that trusts the authority."""
    return pki_files.client_context()


_PORTS = itertools.count()


@pytest.fixture
def unused_tcp_port(worker_id: str) -> int:
    """A port that nobody else takes between now and its use.

    Below those that the system gives to outgoing connections, and others in each
    process that runs tests.
    """
    worker = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 9
    for number in _PORTS:
        port = 12_000 + 2_000 * worker + number % 2_000
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("there are ports without end")


@pytest.fixture
def wallbox_data() -> dict[str, Any]:
    """The settings of the wallbox; a test may parametrize it."""
    return {"charge_point_id": CHARGE_POINT_ID, "max_current": 32}


@pytest.fixture
def entry(
    hass: HomeAssistant,
    pki_files: pki.Files,
    unused_tcp_port: int,
    wallbox_data: Mapping[str, Any],
) -> MockConfigEntry:
    """An entry with a server and one wallbox, not set up yet."""
    config_entry = MockConfigEntry(
        domain=DOMAIN,
        title=NAME,
        unique_id=DOMAIN,
        data={
            "host": "127.0.0.1",
            "port": unused_tcp_port,
            "ssl_cert": str(pki_files.certificate),
            "ssl_key": str(pki_files.key),
        },
        subentries_data=[
            ConfigSubentryData(
                subentry_type="wallbox",
                title="BMW Wallbox",
                data=wallbox_data,
                unique_id=wallbox_data["charge_point_id"],
            )
        ],
    )
    config_entry.add_to_hass(hass)
    return config_entry


@pytest.fixture
async def site(hass: HomeAssistant, entry: MockConfigEntry) -> AsyncGenerator[Site]:
    """A site that is set up, and shut down afterwards."""
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    yield Site(hass, entry)
    if hass.config_entries.async_get_entry(entry.entry_id):
        await hass.config_entries.async_unload(entry.entry_id)
        await hass.async_block_till_done()


@pytest.fixture
async def all_entities(hass: HomeAssistant, site: Site) -> Site:
    """The site with the entities enabled that are off by default."""
    registry = er.async_get(hass)
    for entity in er.async_entries_for_config_entry(registry, site.entry.entry_id):
        registry.async_update_entity(entity.entity_id, disabled_by=None)
    await hass.config_entries.async_reload(site.entry.entry_id)
    await hass.async_block_till_done()
    return site


@pytest.fixture
async def make_wallbox(
    site: Site, client_context: ssl.SSLContext
) -> AsyncGenerator[Callable[..., SimulatedWallbox]]:
    """Make simulated wallboxes; they hang up when the test ends."""
    made: list[SimulatedWallbox] = []

    def make(quirks: Quirks | None = None, **kwargs: Any) -> SimulatedWallbox:
        settings: dict[str, Any] = {
            "url": site.url,
            "charge_point_id": CHARGE_POINT_ID,
            "ssl_context": client_context,
        }
        if quirks is not None:
            settings["quirks"] = quirks
        wallbox = SimulatedWallbox(**settings | kwargs)
        made.append(wallbox)
        return wallbox

    yield make
    for wallbox in made:
        with contextlib.suppress(Exception):
            await wallbox.disconnect()
        assert wallbox.violations == []


@pytest.fixture
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a wallbox measures is shown at once, where a test's clock stands still.

    To what paces it a minute passes from one look to the next.
    """

    class Unpaced(Publisher):
        def __init__(self, *, now: Callable[[], float], **rest: Any) -> None:
            looks = itertools.count()
            super().__init__(now=lambda: now() + 60 * next(looks), **rest)

    monkeypatch.setattr(site_sensor, "Publisher", Unpaced)


@pytest.fixture
def radio(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> Radio:
    """What is on the air. Its clock is the one that tests freeze."""

    def monotonic() -> float:
        # Looked up at each call: it may be frozen only after this.
        return time.monotonic()

    monkeypatch.setattr(bluetooth, "MONOTONIC_TIME", monotonic)
    return Radio(hass)


@pytest.fixture
async def proxy(
    hass: HomeAssistant, enable_bluetooth: None
) -> AsyncGenerator[BmsRadio]:
    """A Bluetooth proxy that can connect."""
    scanner = BmsRadio()
    unsetup = scanner.async_setup()
    unregister = bluetooth.async_register_scanner(hass, scanner)
    yield scanner
    unregister()
    unsetup()


@pytest.fixture
def caravan_keys() -> Mapping[str, str]:
    """The devices of the caravan, by address; a test may parametrize it."""
    return {SHUNT: KEY.hex()}


@pytest.fixture
def caravan_entry(
    hass: HomeAssistant, caravan_keys: Mapping[str, str]
) -> MockConfigEntry:
    """An entry with Victron devices alone, not set up yet."""
    config_entry = MockConfigEntry(
        domain=DOMAIN,
        title=NAME,
        unique_id=DOMAIN,
        data={},
        subentries_data=[
            ConfigSubentryData(
                subentry_type="victron_device",
                title=f"Victron {address[-2:]}",
                data={"address": address, "encryption_key": key},
                unique_id=address,
            )
            for address, key in caravan_keys.items()
        ],
    )
    config_entry.add_to_hass(hass)
    return config_entry


@pytest.fixture
async def caravan(
    hass: HomeAssistant, radio: Radio, caravan_entry: MockConfigEntry
) -> AsyncGenerator[Site]:
    """A caravan that is listened to, with all its entities enabled."""
    with mock.patch.object(Entity, "entity_registry_enabled_default", new=True):
        assert await hass.config_entries.async_setup(caravan_entry.entry_id)
        await hass.async_block_till_done()
        yield Site(hass, caravan_entry)
    # What was discovered is still being looked at.
    await hass.async_block_till_done(wait_background_tasks=True)
    if hass.config_entries.async_get_entry(caravan_entry.entry_id):
        await hass.config_entries.async_unload(caravan_entry.entry_id)
        await hass.async_block_till_done()


@pytest.fixture
async def make_bench(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: Callable[..., SimulatedWallbox],
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncGenerator[MakeBench]:
    """Make benches; what still waits when the test ends is given up."""
    # A thread for each check of a payload: most of the time that hundreds of sessions
    # take.
    monkeypatch.setattr("ocpp.messages.ASYNC_VALIDATION", False)
    made: list[Bench] = []

    def make(quirks: Quirks = DELTA, **kwargs: Any) -> Bench:
        bench = Bench(hass, site, freezer, make_wallbox(quirks, **kwargs))
        made.append(bench)
        return bench

    yield make
    for bench in made:
        await bench.box.disconnect()
        await bench.rest()
        await asyncio.gather(*bench.asked, return_exceptions=True)


@pytest.fixture
async def make_replay(
    hass: HomeAssistant,
    site: Site,
    client_context: ssl.SSLContext,
    freezer: FrozenDateTimeFactory,
) -> AsyncGenerator[MakeReplay]:
    """Make wallboxes of traces; they hang up when the test ends."""
    made: list[Replay] = []

    def make(trace: Trace, *, step_s: float = 1.0) -> Replay:
        box = ReplayedWallbox(
            trace,
            url=site.url,
            charge_point_id=CHARGE_POINT_ID,
            ssl_context=client_context,
        )
        made.append(Replay(hass, site, freezer, box, step_s=step_s))
        return made[-1]

    yield make
    for replay in made:
        await replay.close()


@pytest.fixture
async def charging(make_bench: MakeBench) -> Bench:
    """A Delta box at which a car charges at full power."""
    bench = make_bench()
    await charge(bench)
    return bench
