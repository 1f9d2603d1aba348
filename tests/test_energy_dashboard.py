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
from .kit.energy import number
from .kit.radio import SHUNT, Radio
from .kit.site import Site
from .kit.time import later, let_pass
from .kit.victron import GOOD, KEY

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


# The battery and the sun

SUN = "F8:5C:00:00:00:09"


@pytest.mark.parametrize("caravan_keys", [{SHUNT: KEY.hex(), SUN: KEY.hex()}])
async def test_the_dashboard_takes_the_battery_and_the_sun(
    hass: HomeAssistant,
    radio: Radio,
    caravan: Site,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Without a helper; and they count what flowed, and no silence."""
    harvest = 0.0

    async def flow(volts: float, amperes: float, minutes: int, sun: float = 0) -> None:
        """Let the battery take `amperes`, and the sun give `sun` W."""
        nonlocal harvest
        for _ in range(minutes):
            harvest += sun / 60_000
            for _ in range(2):
                radio.say(
                    Kind.BATTERY_MONITOR,
                    MONITOR | {"voltage": volts, "current": amperes},
                )
                radio.say(
                    Kind.SOLAR_CHARGER,
                    GOOD[Kind.SOLAR_CHARGER]
                    | {"pv_power": sun, "yield_today": round(harvest, 2)},
                    SUN,
                )
                await let_pass(hass, freezer, 30)

    def entity_id(key: str) -> str:
        return caravan.entity_id("sensor", key, "battery")

    await flow(12.5, -10, 60)
    await flow(13.5, 20, 30, sun=300)
    await flow(12.5, -4, 12)
    await flow(12.5, 0, 6)
    charged, discharged = entity_id("energy_charged"), entity_id("energy_discharged")
    solar = entity_id("solar_energy")
    assert number(hass, charged) == pytest.approx(0.135, abs=0.01)
    assert number(hass, discharged) == pytest.approx(0.135, abs=0.01)
    assert number(hass, solar) == pytest.approx(0.15, abs=0.01)
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
                    "stat_soc": entity_id("soc"),
                    "power_config": {"stat_rate_inverted": entity_id("power")},
                },
                {
                    "type": "solar",
                    "stat_energy_from": solar,
                    "stat_rate": entity_id("solar_power"),
                    "config_entry_solar_forecast": None,
                },
            ],
        }
    )
    await hass.async_block_till_done()
    assert await issues(hass) == set()
    before = number(hass, charged), number(hass, discharged), number(hass, solar)
    # What is unknown for an hour neither counts nor is complained about.
    for _ in range(60):
        await let_pass(hass, freezer, 60)
    assert caravan.state("power", owner="battery") == "unknown"
    assert await issues(hass) == set()
    await flow(12.5, 0, 6)
    after = number(hass, charged), number(hass, discharged), number(hass, solar)
    assert after == pytest.approx(before, abs=0.01)
