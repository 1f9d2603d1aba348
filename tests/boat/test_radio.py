"""The boat of the demo, from its radios to the battery of the integration."""

from collections.abc import AsyncGenerator
from datetime import timedelta

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.bmw_wallbox_victron.const import DOMAIN
from demo.radio.entity import SYSTEM
from demo.rigs import BOAT
from demo.seed import subentries
from simulators.boat.physics import Boat

from ..kit.battery import shows, tells
from ..kit.demo import put_on_the_air
from ..kit.site import Site


class Demo:
    """The demo's boat in a Home Assistant whose time is ours."""

    def __init__(
        self, hass: HomeAssistant, freezer: FrozenDateTimeFactory, site: Site
    ) -> None:
        self.hass = hass
        self._freezer = freezer
        self.site = site
        boat = hass.data[SYSTEM]
        assert isinstance(boat, Boat)
        self.boat = boat

    async def let_pass(self, seconds: float, step_s: float = 0.5) -> None:
        """Let the boat live, and its packs be polled."""
        for _ in range(round(seconds / step_s)):
            self._freezer.tick(timedelta(seconds=step_s))
            async_fire_time_changed(self.hass)
            await self.hass.async_block_till_done()
        await self.hass.async_block_till_done(wait_background_tasks=True)

    def number(self, key: str) -> float:
        """Return what a sensor of the battery shows."""
        return float(shows(self.site, key))


@pytest.fixture
async def demo(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    enable_bluetooth: None,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncGenerator[Demo]:
    """A boat that is on the air, and all of its devices added."""
    await put_on_the_air(hass, monkeypatch, speed=1, rig=BOAT.name)
    entry = MockConfigEntry(
        domain=DOMAIN,
        unique_id=DOMAIN,
        data={},
        options=dict(BOAT.options),
        subentries_data=subentries(BOAT),
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    yield Demo(hass, freezer, Site(hass, entry))
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()


async def test_the_battery_is_both_packs(demo: Demo) -> None:
    """Polled by the real library, over Home Assistant's connections."""
    await demo.let_pass(50)
    boat = demo.boat
    assert shows(demo.site, "source") == "bms"
    assert demo.number("current") == pytest.approx(boat.current_a, abs=1)
    assert demo.number("voltage") == pytest.approx(boat.voltage_v, abs=0.1)
    assert demo.number("soc") == pytest.approx(boat.soc * 100, abs=1)
    assert demo.number("solar_power") == pytest.approx(boat.pv_w, abs=10)
    assert shows(demo.site, "power_source", "charging_phase") == ["solar", "bulk"]
    assert tells(demo.site, "mains_present") == tells(demo.site, "problem") == "off"
    # The second pack is asked at another time than the first.
    for pack in BOAT.packs:
        assert float(demo.site.state("current", owner=pack.address)) < boat.current_a

    await demo.hass.services.async_call(
        "switch", "turn_on", {"entity_id": BOAT.plug}, blocking=True
    )
    await demo.let_pass(30)
    assert shows(demo.site, "power_source") == "mains"
    assert demo.number("current") > 50

    await demo.hass.services.async_call(
        "number", "set_value", {"entity_id": BOAT.level, "value": 8}, blocking=True
    )
    await demo.let_pass(50)
    assert shows(demo.site, "status") == "critical"
