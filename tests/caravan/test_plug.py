"""The plug that feeds mains in, and the battery: a hand on them, and what follows."""

from collections.abc import AsyncGenerator
from datetime import timedelta
import time

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import bluetooth
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers.event import async_track_state_change_event
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from demo.layout import (
    BATTERY_LEVEL,
    PLUG_CURRENT,
    PLUG_POWER,
    PLUG_SWITCH,
)
from demo.radio.entity import SYSTEM
from simulators.caravan.identity import IDENTITIES, MAINS_CHARGER
from simulators.caravan.physics import Caravan

from ..kit.demo import put_on_the_air
from ..kit.site import Site

PLUG = (PLUG_SWITCH, PLUG_POWER, PLUG_CURRENT)
OPTIONS = dict(zip(("mains_switch", "mains_power", "mains_current"), PLUG, strict=True))


class Demo:
    """The demo's caravan in a Home Assistant whose time is ours."""

    def __init__(self, hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
        self.hass = hass
        self._freezer = freezer
        self.changes: dict[str, list[str]] = {}
        caravan = hass.data[SYSTEM]
        assert isinstance(caravan, Caravan)
        self.caravan = caravan

    async def let_pass(self, seconds: float, step_s: float = 0.2) -> None:
        """Let the caravan live."""
        for _ in range(round(seconds / step_s)):
            self._freezer.tick(timedelta(seconds=step_s))
            async_fire_time_changed(self.hass)
            await self.hass.async_block_till_done()

    async def switch(self, service: str) -> None:
        """Switch the plug as its owner does."""
        await self.hass.services.async_call(
            "switch", service, {"entity_id": PLUG_SWITCH}, blocking=True
        )

    def plug(self) -> tuple[str, float, float]:
        """Return what the plug's entities say: on or off, W, A."""
        on, watts, amperes = (self.hass.states.get(each) for each in PLUG)
        assert on is not None
        assert watts is not None
        assert amperes is not None
        return on.state, float(watts.state), float(amperes.state)

    def follow(self, *entity_ids: str) -> None:
        """Remember from now on what is written."""
        self.changes = {each: [] for each in entity_ids}

        @callback
        def note(event: Event[EventStateChangedData]) -> None:
            state = event.data["new_state"]
            assert state is not None
            self.changes[event.data["entity_id"]].append(state.state)

        async_track_state_change_event(self.hass, entity_ids, note)


@pytest.fixture
def speed() -> float:
    """How fast the caravan lives; a test may parametrize it."""
    return 1.0


@pytest.fixture
async def demo(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    enable_bluetooth: None,
    monkeypatch: pytest.MonkeyPatch,
    speed: float,
) -> AsyncGenerator[Demo]:
    """A caravan that is on the air, and has a plug."""
    await put_on_the_air(hass, monkeypatch, speed=speed)
    await hass.async_block_till_done()
    yield Demo(hass, freezer)
    # What was discovered is still being looked at.
    await hass.async_block_till_done(wait_background_tasks=True)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()


@pytest.fixture
def caravan_keys() -> dict[str, str]:
    """The devices of the demo."""
    return {each.address: each.key.hex() for each in IDENTITIES}


@pytest.fixture
async def site(
    hass: HomeAssistant, demo: Demo, caravan_entry: MockConfigEntry
) -> AsyncGenerator[Site]:
    """The integration, which was told of the plug."""
    hass.config_entries.async_update_entry(caravan_entry, options=OPTIONS)
    assert await hass.config_entries.async_setup(caravan_entry.entry_id)
    await hass.async_block_till_done()
    yield Site(hass, caravan_entry)
    await hass.config_entries.async_unload(caravan_entry.entry_id)
    await hass.async_block_till_done()


async def test_the_plug_says_what_the_charger_takes(demo: Demo) -> None:
    """A few W at once, then what the charger makes 30 A of; nothing once it is off."""
    assert demo.plug() == ("on", 4.0, 0.02)
    await demo.let_pass(10)
    on, watts, amperes = demo.plug()
    assert on == "on"
    assert watts == pytest.approx(demo.caravan.voltage_v * 30 / 0.88 + 4, abs=5)
    assert amperes == pytest.approx(watts / 230, abs=0.05)
    await demo.switch("turn_off")
    await demo.hass.async_block_till_done()
    assert demo.plug() == ("off", 0, 0)
    await demo.switch("turn_on")
    await demo.hass.async_block_till_done()
    assert demo.plug()[:2] == ("on", 4.0)


async def test_the_plug_follows_the_plan(demo: Demo) -> None:
    """Two hours after the beginning the caravan is unhooked."""
    demo.follow(*PLUG)
    await demo.let_pass(2 * 3600, 10)
    assert demo.plug() == ("off", 0, 0)
    assert demo.changes[PLUG_SWITCH] == ["off"]
    # A deadband, not a row with every look.
    assert len(demo.changes[PLUG_POWER]) < 60
    assert len(demo.changes[PLUG_CURRENT]) < 60


@pytest.mark.parametrize("speed", [1.0, 60.0])
async def test_a_pulled_plug_is_no_mains(demo: Demo, site: Site) -> None:
    """Within 3 s, and for good, although the charger goes on for 20 s."""
    power_source = site.entity_id("sensor", "power_source", "battery")
    await demo.let_pass(8)
    demo.follow(power_source)
    assert site.state("power_source", owner="battery") == "mains"
    await demo.switch("turn_off")
    await demo.let_pass(3)
    assert demo.changes[power_source] == ["battery"]
    charger = bluetooth.async_last_service_info(
        demo.hass, MAINS_CHARGER.address, connectable=False
    )
    assert charger is not None
    assert time.monotonic() - charger.time < 1
    assert site.state("charge_state", owner=MAINS_CHARGER.address) == "bulk"
    await demo.let_pass(90, 0.5)
    assert demo.plug() == ("off", 0, 0)
    assert demo.changes[power_source] == ["battery"]
    await demo.switch("turn_on")
    await demo.let_pass(3)
    assert demo.changes[power_source] == ["battery", "mains"]


async def test_an_emptied_battery_is_critical(demo: Demo, site: Site) -> None:
    """At once, as its shunt says; and filled again it is good."""
    await demo.let_pass(3)
    level = demo.hass.states.get(BATTERY_LEVEL)
    assert level is not None
    assert level.state == "70"
    assert site.state("status", owner="battery") == "good"
    for percent, status in (("8", "critical"), ("90", "good")):
        await demo.hass.services.async_call(
            "number",
            "set_value",
            {"entity_id": BATTERY_LEVEL, "value": percent},
            blocking=True,
        )
        await demo.let_pass(3)
        level = demo.hass.states.get(BATTERY_LEVEL)
        assert level is not None
        assert level.state == percent
        assert site.state("status", owner="battery") == status
