"""The options of charging: each field, each error, forms that were open for long."""

from datetime import UTC, datetime, timedelta
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME

from .kit.flows import Form, open_form
from .kit.site import Site
from .kit.strings import STRINGS

DEFAULTS: Form = {
    "grid_power_inverted": False,
    "phase_order": "unknown",
    "meter_timeout": 60,
    "safe_current": 6,
    "fallback_min": 0,
    "feed_in_price": 0,
}
CURRENTS = {f"house_current_l{phase}": f"sensor.house_l{phase}" for phase in (1, 2, 3)}
ALL: Form = {
    "grid_power": "sensor.grid",
    "grid_power_inverted": True,
    "grid_export": "sensor.export",
    **CURRENTS,
    "main_fuse": 35,
    "phase_order": "231",
    "meter_timeout": 90,
    "external_limit": "number.limit",
    "safe_current": 8,
    "fallback_min": 10,
    "price": "sensor.price",
    "fixed_price": 0.31,
    "feed_in_price": 0.08,
}
UNITS = {
    "sensor.grid": "kW",
    "sensor.export": "W",
    **dict.fromkeys(CURRENTS.values(), "A"),
    "number.limit": "W",
    "sensor.price": "EUR/kWh",
}


@pytest.fixture(autouse=True)
def _house(hass: HomeAssistant) -> None:
    """What measures the house."""
    for entity_id, unit in UNITS.items():
        hass.states.async_set(entity_id, "1", {"unit_of_measurement": unit})


async def send(hass: HomeAssistant, flow_id: str, form: Form) -> Any:
    """Send the form."""
    result = await hass.config_entries.options.async_configure(flow_id, form)
    await hass.async_block_till_done()
    return result


async def save(hass: HomeAssistant, site: Site, **changes: Any) -> None:
    """Change something and save it; None empties a field."""
    flow_id, shown = await open_form(hass, site.entry, "charging")
    sent = {key: each for key, each in (shown | changes).items() if each is not None}
    result = await send(hass, flow_id, sent)
    assert result["type"] is FlowResultType.CREATE_ENTRY


# What it takes


async def test_nothing_is_required(hass: HomeAssistant, site: Site) -> None:
    """The defaults are shown, and saved as they are."""
    _, shown = await open_form(hass, site.entry, "charging")
    assert shown == DEFAULTS
    await save(hass, site)
    assert site.entry.options == DEFAULTS


async def test_all_of_it(hass: HomeAssistant, site: Site) -> None:
    """What was set is shown the next time, beside the other options."""
    hass.config_entries.async_update_entry(site.entry, options={"meter_interval": 20})
    await save(hass, site, **ALL)
    assert site.entry.options == ALL | {"meter_interval": 20}
    _, shown = await open_form(hass, site.entry, "charging")
    assert shown == ALL


async def test_a_field_that_is_emptied(hass: HomeAssistant, site: Site) -> None:
    """Its option goes."""
    await save(hass, site, **ALL)
    empty = [key for key in ALL if key not in DEFAULTS]
    await save(hass, site, **dict.fromkeys(empty))
    assert site.entry.options == {key: ALL[key] for key in DEFAULTS}


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("main_fuse", 16, 125),
        ("meter_timeout", 60, 600),
        ("safe_current", 0, 32),
        ("fallback_min", 0, 60),
        ("fixed_price", 0, 100_000),
        ("feed_in_price", 0, 100_000),
    ],
)
async def test_ranges(
    hass: HomeAssistant, site: Site, field: str, least: int, most: int
) -> None:
    """The ends of a range are taken, what lies beyond is refused."""
    flow_id, shown = await open_form(hass, site.entry, "charging")
    for bad in (least - 1, most + 1, "many"):
        with pytest.raises(InvalidData):
            await send(hass, flow_id, shown | {field: bad})
    hass.config_entries.options.async_abort(flow_id)
    for good in (least, most):
        await save(hass, site, **CURRENTS, **{field: good})
        assert site.entry.options[field] == good


@pytest.mark.parametrize("order", ["123", "321", "1", "3", "unknown"])
async def test_phase_order(hass: HomeAssistant, site: Site, order: str) -> None:
    """The order of the phases, or one of them."""
    await save(hass, site, phase_order=order)
    assert site.entry.options["phase_order"] == order


async def test_no_other_phase_order(hass: HomeAssistant, site: Site) -> None:
    """Only one of those."""
    flow_id, shown = await open_form(hass, site.entry, "charging")
    with pytest.raises(InvalidData):
        await send(hass, flow_id, shown | {"phase_order": "112"})


async def test_only_with_a_wallbox(hass: HomeAssistant) -> None:
    """Without one there is nothing to charge."""
    entry = MockConfigEntry(domain=DOMAIN, title=NAME, unique_id=DOMAIN, data={})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    menu = await hass.config_entries.options.async_init(entry.entry_id)
    assert menu["menu_options"] == ["general"]


@pytest.mark.parametrize("key", ["grid_power", "house_current_l1", "external_limit"])
async def test_nothing_of_ours_measures_the_house(
    hass: HomeAssistant, site: Site, key: str
) -> None:
    """What the wallbox draws is no reading of the house."""
    flow_id, shown = await open_form(hass, site.entry, "charging")
    mine = site.entity_id("sensor", "power")
    with pytest.raises(InvalidData):
        await send(hass, flow_id, shown | {key: mine})


# What is wrong with it


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"main_fuse": 35}, {"main_fuse": "fuse_without_current"}),
        ({"grid_export": "sensor.export"}, {"grid_export": "export_alone"}),
        (
            {"grid_power": "sensor.grid", "grid_export": "sensor.grid"},
            {"grid_export": "chosen_twice"},
        ),
        (
            CURRENTS | {"house_current_l3": "sensor.house_l1"},
            {"house_current_l3": "chosen_twice"},
        ),
        ({"grid_power": "sensor.house_l1"}, {"grid_power": "not_a_power"}),
        (
            {"grid_power": "sensor.grid", "grid_export": "sensor.price"},
            {"grid_export": "not_a_power"},
        ),
        ({"house_current_l2": "sensor.grid"}, {"house_current_l2": "not_a_current"}),
        ({"house_current_l1": "sensor.none"}, {"house_current_l1": "entity_not_found"}),
        ({"external_limit": "sensor.price"}, {"external_limit": "not_a_limit"}),
        ({"external_limit": "number.bare"}, {"external_limit": "not_a_limit"}),
        ({"external_limit": "number.none"}, {"external_limit": "entity_not_found"}),
        ({"safe_current": 5}, {"safe_current": "no_safe_current"}),
        ({"fallback_min": 5}, {"fallback_min": "no_fallback"}),
        ({"price": "sensor.none"}, {"price": "price_not_found"}),
        ({"price": "no entity at all"}, {"price": "price_not_found"}),
        (
            {"main_fuse": 35, "safe_current": 1},
            {"main_fuse": "fuse_without_current", "safe_current": "no_safe_current"},
        ),
    ],
    ids=str,
)
async def test_errors(
    hass: HomeAssistant, site: Site, changes: Form, said: dict[str, str]
) -> None:
    """Each at its field; the form keeps what was typed, and can be put right."""
    hass.states.async_set("number.bare", "4200")
    flow_id, shown = await open_form(hass, site.entry, "charging")
    result = await send(hass, flow_id, shown | changes)
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "charging"
    assert result["errors"] == said
    assert all(STRINGS["options"]["error"][each] for each in said.values())
    typed = {
        str(field): field.description["suggested_value"]
        for field in result["data_schema"].schema
        if field.description and "suggested_value" in field.description
    }
    assert typed == shown | changes
    result = await send(hass, flow_id, shown)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert site.entry.options == DEFAULTS


@pytest.mark.parametrize(
    ("field", "entity_id", "unit"),
    [
        ("house_current_l1", "sensor.bare", None),
        ("house_current_l1", "sensor.milli", "mA"),
        ("grid_power", "input_number.grid", None),
        ("external_limit", "binary_sensor.steered", None),
        ("external_limit", "input_boolean.steered", None),
        ("external_limit", "number.amperes", "A"),
        ("external_limit", "sensor.kilowatts", "kW"),
    ],
)
async def test_entities_that_fit(
    hass: HomeAssistant, site: Site, field: str, entity_id: str, unit: str | None
) -> None:
    """A unit that fits, or none where that leaves no doubt."""
    attributes = {} if unit is None else {"unit_of_measurement": unit}
    hass.states.async_set(entity_id, "1", attributes)
    await save(hass, site, **{field: entity_id})
    assert site.entry.options[field] == entity_id


async def test_an_entity_that_is_away(hass: HomeAssistant, site: Site) -> None:
    """The entity registry knows it, and its unit; one that was chosen stays."""
    registry = er.async_get(hass)
    for name, unit in (("away", "A"), ("price", "kW")):
        registry.async_get_or_create(
            "sensor", "meter", name, suggested_object_id=name, unit_of_measurement=unit
        )
    flow_id, shown = await open_form(hass, site.entry, "charging")
    sent = shown | {"house_current_l1": "sensor.away"}
    result = await send(hass, flow_id, sent | {"house_current_l2": "sensor.price"})
    assert result["errors"] == {"house_current_l2": "not_a_current"}
    await send(hass, flow_id, sent)
    registry.async_remove("sensor.away")
    await save(hass, site, main_fuse=25)
    assert site.entry.options["house_current_l1"] == "sensor.away"


# Prices


def coming_prices() -> dict[str, Any]:
    """Return attributes with the prices of some hours."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return {
        "unit_of_measurement": "EUR/kWh",
        "friendly_name": "Market price",
        "prices": [
            {"time": (start + timedelta(hours=hour)).isoformat(), "price": 0.2}
            for hour in range(8)
        ],
    }


async def test_prices_that_are_offered(hass: HomeAssistant, site: Site) -> None:
    """Integrations that are asked for them, entities that have them, and no others."""
    for domain, title in (
        ("nordpool", "Nord Pool"),
        ("tibber", "Home"),
        ("sun", "Sun"),
    ):
        MockConfigEntry(domain=domain, title=title, entry_id=domain).add_to_hass(hass)
    hass.states.async_set("sensor.market", "0.2", coming_prices())
    hass.states.async_set(
        "sensor.weather", "12", {"unit_of_measurement": "°C", "forecast": [1, 2, 3]}
    )
    result = await hass.config_entries.options.async_init(site.entry.entry_id)
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {"next_step_id": "charging"}
    )
    assert result["data_schema"] is not None
    selector = result["data_schema"].schema["price"]
    assert selector.config["options"] == [
        {"value": "nordpool", "label": "Nord Pool"},
        {"value": "tibber", "label": "Home"},
        {"value": "sensor.market", "label": "Market price (sensor.market)"},
    ]
    assert selector.config["custom_value"]
    unit = result["data_schema"].schema["fixed_price"].config["unit_of_measurement"]
    assert unit == "EUR/kWh"


async def test_a_price_that_is_taken(hass: HomeAssistant, site: Site) -> None:
    """What was offered, or any entity that there is; nothing else."""
    for domain in ("nordpool", "sun"):
        MockConfigEntry(domain=domain, entry_id=domain).add_to_hass(hass)
    er.async_get(hass).async_get_or_create(
        "sensor", "meter", "1", suggested_object_id="away"
    )
    for good in ("nordpool", "sensor.price", "sensor.away"):
        await save(hass, site, price=good)
        assert site.entry.options["price"] == good
    for bad in ("sun", site.entity_id("sensor", "power")):
        flow_id, shown = await open_form(hass, site.entry, "charging")
        result = await send(hass, flow_id, shown | {"price": bad})
        assert result["errors"] == {"price": "price_not_found"}


# Two windows


async def test_a_form_that_was_open_for_long(hass: HomeAssistant, site: Site) -> None:
    """It changes what its user changed, and puts nothing old back."""
    await save(hass, site, **ALL)
    stale, shown = await open_form(hass, site.entry, "charging")
    await save(hass, site, main_fuse=50, price=None, safe_current=10)
    await send(hass, stale, shown | {"fallback_min": 20})
    assert site.entry.options == {
        key: each
        for key, each in (ALL | {"main_fuse": 50, "safe_current": 10}).items()
        if key != "price"
    } | {"fallback_min": 20}


async def test_a_meter_goes_while_the_fuse_is_set(
    hass: HomeAssistant, site: Site
) -> None:
    """What counts is what is stored then, not what the form was opened with."""
    await save(hass, site, house_current_l1="sensor.house_l1")
    stale, shown = await open_form(hass, site.entry, "charging")
    await save(hass, site, house_current_l1=None)
    result = await send(hass, stale, shown | {"main_fuse": 35})
    assert result["errors"] == {"main_fuse": "fuse_without_current"}
    assert "main_fuse" not in site.entry.options
