"""The demo's house: its meters in Home Assistant, its car, its days."""

from datetime import UTC, datetime, timedelta
from typing import Any

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockModule,
    MockPlatform,
    mock_integration,
    mock_platform,
)
import voluptuous as vol

from custom_components.bmw_wallbox_victron.charging_settings import (
    house_entities_of,
    house_settings_of,
)
from demo import house
from demo.house import sensor
from demo.household import TELL, ZONE, Household
from demo.layout import HOUSE_CURRENTS, HOUSE_DOMAIN, HOUSE_GRID, HOUSE_PRICE
from demo.past.house_days import behind_s
from demo.seed import HOUSE_OPTIONS
from simulators.wallbox import Car, SimulatedWallbox

MONDAY = datetime(2026, 6, 22, 6, 0, tzinfo=ZONE)


@pytest.fixture
async def meters(hass: HomeAssistant) -> None:
    """The demo's own integration."""
    mock_integration(
        hass,
        MockModule(
            HOUSE_DOMAIN,
            async_setup=house.async_setup,
        ),
    )
    mock_platform(
        hass,
        f"{HOUSE_DOMAIN}.{Platform.SENSOR}",
        MockPlatform(async_setup_platform=sensor.async_setup_platform),
    )
    assert await async_setup_component(hass, HOUSE_DOMAIN, {HOUSE_DOMAIN: {}})
    await hass.async_block_till_done()


async def tell(hass: HomeAssistant, told: dict[str, Any]) -> None:
    """Say what the meters tell."""
    domain, _, service = TELL.partition(".")
    await hass.services.async_call(domain, service, told, blocking=True)
    await hass.async_block_till_done()


def make_box() -> SimulatedWallbox:
    """Make a wallbox that nobody connects."""
    box = SimulatedWallbox(url="wss://localhost:1", charge_point_id="demo")
    box.charger.allowed = True
    return box


@pytest.mark.usefixtures("meters")
async def test_home_assistant_has_the_meters(hass: HomeAssistant) -> None:
    household = Household(make_box(), MONDAY)
    await tell(hass, household.tell())
    state = hass.states.get(HOUSE_GRID)
    assert state is not None
    assert float(state.state) == pytest.approx(household.house.grid_w, abs=1)
    assert state.attributes["unit_of_measurement"] == "W"
    assert state.attributes["device_class"] == "power"
    for entity_id, amperes in zip(HOUSE_CURRENTS, household.house.phase_a, strict=True):
        state = hass.states.get(entity_id)
        assert state is not None
        assert float(state.state) == pytest.approx(amperes, abs=0.01)
    reported = state.last_reported
    # The same again was reported all the same.
    await tell(hass, household.tell())
    state = hass.states.get(HOUSE_GRID)
    assert state is not None
    assert state.last_reported > reported
    with pytest.raises(vol.Invalid):
        await tell(hass, {"grid_power": "much"})


@pytest.mark.usefixtures("meters")
async def test_prices_of_today_and_tomorrow(hass: HomeAssistant) -> None:
    household = Household(make_box(), MONDAY)
    await tell(hass, household.tell())
    state = hass.states.get(HOUSE_PRICE)
    assert state is not None
    today = state.attributes["raw_today"]
    assert len(today) == 96
    assert state.attributes["raw_tomorrow"] == []
    assert float(state.state) == today[24]["value"]
    assert today[24]["start"] == "2026-06-22T06:00:00+02:00"
    # Nothing new is not told; what is, is told.
    household.advance(600)
    assert "price" not in household.tell()
    household.advance(300)
    assert household.tell()["price"] == today[25]["value"]
    household.advance(7 * 3600)
    told = household.tell()
    assert len(told["tomorrow"]) == 96
    await tell(hass, told)
    state = hass.states.get(HOUSE_PRICE)
    assert state is not None
    assert state.attributes["tomorrow_valid"]
    household.forget()
    assert household.tell()["price"] == told["price"]


def test_the_options_name_the_meters() -> None:
    entities = house_entities_of(HOUSE_OPTIONS)
    assert entities.grid_power == HOUSE_GRID
    assert [each for _, each in entities.house_currents] == list(HOUSE_CURRENTS)
    settings = house_settings_of(HOUSE_OPTIONS)
    assert (settings.main_fuse_a, settings.phase_order) == (25, "231")


async def test_the_car_takes_its_current_from_the_house() -> None:
    box = make_box()
    household = Household(box, MONDAY)
    box.charger.plug_in(Car(phases=1, max_current_a=16.0))
    box.charger.allowed = True
    before = household.house.phase_a
    household.advance(1)
    moved = [
        new - old for new, old in zip(household.house.phase_a, before, strict=True)
    ]
    # The wallbox's L1 is the house's second phase.
    assert moved == pytest.approx([0, 16, 0], abs=0.5)


async def test_the_car_is_away_in_the_morning(monkeypatch: pytest.MonkeyPatch) -> None:
    box = make_box()

    async def plug_in(car: Car) -> None:
        box.charger.plug_in(car)

    async def unplug() -> None:
        box.charger.unplug()

    monkeypatch.setattr(box, "plug_in", plug_in)
    monkeypatch.setattr(box, "unplug", unplug)
    household, said = Household(box, MONDAY), list[str]()
    for _ in range(24):
        await household.attend_car(said.append)
        household.advance(1800)
    assert said == [
        "Monday 06:00: the car comes home",
        "Monday 07:30: the car leaves",
        "Monday 10:00: the car comes home",
    ]
    stays = Household(make_box(), MONDAY + timedelta(hours=2), stays=True)
    monkeypatch.setattr(stays._box, "plug_in", plug_in)
    assert await stays.attend_car(said.append)


def test_fast_days_begin_at_a_midnight() -> None:
    now = datetime(2026, 11, 30, 13, 0, tzinfo=UTC)
    for speed, days in ((2, 0), (60, 0), (1440, 6)):
        begin = (now - timedelta(seconds=behind_s(now, speed))).astimezone(ZONE)
        assert (begin.hour, begin.minute, begin.second) == (0, 0, 0)
        assert now.date() - begin.date() == timedelta(days=days)
