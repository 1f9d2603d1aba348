"""The log: a healthy day says nothing, and a fault says when it begins and ends."""

from collections.abc import AsyncGenerator
from pathlib import Path
import ssl
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import bluetooth
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
from demo import pki
from demo.bms import BmsRadio, Jbd, SimulatedBms
from demo.caravan.devices import WELL, Quirks as DeviceQuirks, fit_out
from demo.caravan.identity import IDENTITIES
from demo.caravan.physics import Caravan, Plan
from demo.wallbox import DELTA, Car

from .conftest import CHARGE_POINT_ID
from .quiet import PASSWORD, PLUG, TOKEN, Log, World
from .test_control import MakeBench, make_bench
from .victron.radio import Radio

__all__ = ["make_bench"]

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
async def proxy(
    hass: HomeAssistant, enable_bluetooth: None
) -> AsyncGenerator[BmsRadio]:
    """A proxy that can connect."""
    scanner = BmsRadio()
    unsetup = scanner.async_setup()
    unregister = bluetooth.async_register_scanner(hass, scanner)
    yield scanner
    unregister()
    unsetup()


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
    await world.live(6 * HOUR, step=NIGHT_S)
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
