"""What docs/energy.md says of the Energy dashboard and the battery, done."""

from collections.abc import Callable

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.energy import data, validate
from homeassistant.components.recorder import Recorder
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
    do_adhoc_statistics,
)

from custom_components.bmw_wallbox_victron.victron.records import Kind
from simulators.wallbox import Car, SimulatedWallbox

from .kit.battery import MONITOR
from .kit.energy import example, number
from .kit.radio import Radio
from .kit.site import Site
from .kit.time import later, let_pass

type MakeWallbox = Callable[..., SimulatedWallbox]


@pytest.fixture(autouse=True)
def _real_world(
    recorder_mock: Recorder, enable_custom_integrations: None, socket_enabled: None
) -> None:
    """Load our integration as for all tests, with a recorder before anything else."""


@pytest.fixture(autouse=True)
def _no_slow_callbacks(hass: HomeAssistant) -> None:
    """Every step of the frozen clock looks like a slow one."""
    hass.loop.slow_callback_duration = 1e9


# The Energy dashboard


async def issues(hass: HomeAssistant) -> set[str]:
    """Let statistics be made; then tell what the dashboard complains about."""
    await async_wait_recording_done(hass)
    do_adhoc_statistics(hass)
    await async_wait_recording_done(hass)
    found = (await validate.async_validate(hass)).as_dict()
    assert any(found.values())
    return {
        issue["type"] for lists in found.values() for each in lists for issue in each
    }


async def test_the_dashboard_takes_the_wallbox(
    hass: HomeAssistant,
    make_wallbox: MakeWallbox,
    site: Site,
    freezer: FrozenDateTimeFactory,
) -> None:
    """As a device, with power and with an upstream one, also when it is away."""
    upstream = "sensor.garage"
    hass.states.async_set(
        upstream,
        "1",
        {
            "device_class": "energy",
            "state_class": "total_increasing",
            "unit_of_measurement": "kWh",
        },
    )
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 300, wallbox)
    assert await async_setup_component(hass, "energy", {})
    manager = await data.async_get_manager(hass)
    await manager.async_update(
        {
            "energy_sources": [],
            "device_consumption": [
                {"stat_consumption": upstream},
                {
                    "stat_consumption": site.entity_id("sensor", "energy_total"),
                    "stat_rate": site.entity_id("sensor", "power"),
                    "included_in_stat": upstream,
                },
            ],
        }
    )
    assert await issues(hass) == set()
    await wallbox.disconnect()
    await site.until("status", "disconnected")
    assert await issues(hass) == set()


# The battery


@pytest.fixture
async def page_sensors(hass: HomeAssistant) -> None:
    """Have the page's sensors in the configuration."""
    config = example("template")
    for domain in config:
        assert await async_setup_component(hass, domain, config)


async def test_the_battery_as_energy(
    hass: HomeAssistant,
    page_sensors: None,
    radio: Radio,
    caravan: Site,
    freezer: FrozenDateTimeFactory,
) -> None:
    """The page's sensors count each direction, and no silence."""

    async def flow(volts: float, amps: float, minutes: int) -> None:
        for _ in range(minutes):
            radio.say(
                Kind.BATTERY_MONITOR, MONITOR | {"voltage": volts, "current": amps}
            )
            await let_pass(hass, freezer, 30)
            await let_pass(hass, freezer, 30)

    await flow(12.5, -10, 60)
    await flow(13.5, 20, 30)
    await flow(12.5, -4, 12)
    charged = "sensor.battery_energy_charged"
    discharged = "sensor.battery_energy_discharged"
    assert number(hass, charged) == pytest.approx(0.135, rel=0.02)
    assert number(hass, discharged) == pytest.approx(0.135, rel=0.02)
    assert await async_setup_component(hass, "energy", {})
    manager = await data.async_get_manager(hass)
    await manager.async_update(
        {
            "device_consumption": [],
            "energy_sources": [
                {
                    "type": "battery",
                    "stat_energy_from": discharged,
                    "stat_energy_to": charged,
                    "stat_soc": caravan.entity_id("sensor", "soc", "battery"),
                    "power_config": {
                        "stat_rate_inverted": caravan.entity_id(
                            "sensor", "power", "battery"
                        )
                    },
                }
            ],
        }
    )
    await hass.async_block_till_done()
    assert await issues(hass) == set()
    # It counts on until the readings are not fresh any more: 300 s.
    for _ in range(60):
        await let_pass(hass, freezer, 60)
    assert caravan.state("power", owner="battery") == "unknown"
    await flow(12.5, -4, 1)
    silence = 0.05 * 300 / 3600
    assert number(hass, charged) == pytest.approx(0.135, rel=0.02)
    assert number(hass, discharged) == pytest.approx(0.135 + silence, rel=0.02)
