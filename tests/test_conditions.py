"""The conditions for the automation editor, in automations that are asked."""

from collections.abc import Mapping
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.bmw_wallbox_victron.condition import CONDITIONS
from custom_components.bmw_wallbox_victron.const import BATTERY_DEVICE, DOMAIN
from custom_components.bmw_wallbox_victron.victron.records import Kind
from simulators.wallbox import Car

from .kit.automations import automate, show
from .kit.radio import Radio
from .kit.site import MakeWallbox, Site, settle, switch_charging
from .kit.time import later, let_pass
from .kit.victron import GOOD

GONE = "unavailable"
NOT_KNOWN = ("unknown", GONE, None)
#: A condition of the battery, its entity, and the states that mean no and yes.
OF_BATTERY: list[tuple[dict[str, Any], tuple[str, str], str, str]] = [
    ({"condition": "on_mains"}, ("binary_sensor", "mains_present"), "off", "on"),
    (
        {"condition": "battery_charging"},
        ("binary_sensor", "charging_now"),
        "off",
        "on",
    ),
    (
        {"condition": "battery_at_least", "options": {"percentage": 50}},
        ("sensor", "soc"),
        "49.9",
        "50.0",
    ),
]


# The battery


@pytest.mark.parametrize(("condition", "source", "no", "yes"), OF_BATTERY)
async def test_battery(
    hass: HomeAssistant,
    caravan: Site,
    condition: dict[str, Any],
    source: tuple[str, str],
    no: str,
    yes: str,
) -> None:
    """What is not known fulfils nothing."""
    entity_id = caravan.entity_id(*source, owner=BATTERY_DEVICE)
    automation = await automate(hass, conditions=[condition])
    assert not await automation.asked()
    for unknown in NOT_KNOWN:
        await show(hass, entity_id, unknown)
        assert not await automation.asked()
        await show(hass, entity_id, yes)
        assert await automation.asked()
        await show(hass, entity_id, no)
        assert not await automation.asked()


@pytest.mark.parametrize("condition", [condition for condition, *_ in OF_BATTERY])
async def test_a_caravan_from_its_start(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    radio: Radio,
    caravan_entry: MockConfigEntry,
    condition: dict[str, Any],
) -> None:
    """A battery that comes later counts; what is no longer heard does not."""
    automation = await automate(hass, conditions=[condition])
    assert not await automation.asked()
    hass.states.async_set("switch.plug", "on")
    hass.config_entries.async_update_entry(
        caravan_entry, options={"mains_switch": "switch.plug"}
    )
    assert await hass.config_entries.async_setup(caravan_entry.entry_id)
    await hass.async_block_till_done()
    monitor = GOOD[Kind.BATTERY_MONITOR]
    radio.say(Kind.BATTERY_MONITOR, monitor | {"soc": 61.0, "current": 5.0})
    await let_pass(hass, freezer, 3)
    assert await automation.asked()
    await let_pass(hass, freezer, 600)
    hass.states.async_set("switch.plug", GONE)
    await let_pass(hass, freezer, 3)
    assert not await automation.asked()
    await hass.config_entries.async_unload(caravan_entry.entry_id)
    await hass.async_block_till_done()


@pytest.mark.parametrize(("condition", "source", "no", "yes"), OF_BATTERY)
async def test_for_a_time(
    hass: HomeAssistant,
    caravan: Site,
    freezer: FrozenDateTimeFactory,
    condition: dict[str, Any],
    source: tuple[str, str],
    no: str,
    yes: str,
) -> None:
    """It has to have been so; what was not known meanwhile was not."""
    entity_id = caravan.entity_id(*source, owner=BATTERY_DEVICE)
    await show(hass, entity_id, no)
    options = {**condition.get("options", {}), "for": {"minutes": 5}}
    automation = await automate(hass, conditions=[{**condition, "options": options}])
    await show(hass, entity_id, yes)
    freezer.tick(299)
    assert not await automation.asked()
    freezer.tick(1)
    assert await automation.asked()
    await show(hass, entity_id, GONE, yes)
    freezer.tick(299)
    assert not await automation.asked()
    freezer.tick(1)
    assert await automation.asked()


@pytest.mark.parametrize(
    ("percentage", "states"),
    [
        (0, {"0": True, "0.0": True, "unknown": False}),
        (80, {"79.99": False, "80": True, "100": True, "nan": False, "full": False}),
        (99.5, {"99.4": False, "99.5": True}),
    ],
)
async def test_battery_at_least(
    hass: HomeAssistant, caravan: Site, percentage: float, states: Mapping[str, bool]
) -> None:
    entity_id = caravan.entity_id("sensor", "soc", owner=BATTERY_DEVICE)
    automation = await automate(
        hass,
        conditions=[
            {"condition": "battery_at_least", "options": {"percentage": percentage}}
        ],
    )
    for state, fulfilled in states.items():
        await show(hass, entity_id, state)
        assert await automation.asked() is fulfilled, state


async def test_several(hass: HomeAssistant, caravan: Site) -> None:
    """They stand beside each other, as in any automation."""
    mains = caravan.entity_id("binary_sensor", "mains_present", owner=BATTERY_DEVICE)
    soc = caravan.entity_id("sensor", "soc", owner=BATTERY_DEVICE)
    automation = await automate(
        hass, conditions=[condition for condition, *_ in (OF_BATTERY[0], OF_BATTERY[2])]
    )
    await show(hass, mains, "on")
    await show(hass, soc, "20")
    assert not await automation.asked()
    await show(hass, soc, "60")
    assert await automation.asked()


@pytest.mark.parametrize(
    "condition",
    [
        {"condition": "battery_at_least"},
        {"condition": "battery_at_least", "options": {"percentage": 101}},
        {"condition": "battery_at_least", "options": {"percentage": "full"}},
        {"condition": "on_mains", "target": {"entity": "binary_sensor.plug"}},
        {"condition": "wallbox_charging"},
    ],
)
async def test_refused(hass: HomeAssistant, condition: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="the automation is refused"):
        await automate(hass, conditions=[condition])


# Wallboxes


async def test_wallbox_charging(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    automation = await automate(
        hass,
        conditions=[
            {
                "condition": "wallbox_charging",
                "target": {"device_id": site.device().id},
            }
        ],
    )
    assert site.binary("charging") == GONE
    assert not await automation.asked()
    wallbox = make_wallbox()
    await wallbox.connect()
    await settle(hass, wallbox)
    assert not await automation.asked()
    await wallbox.plug_in(Car())
    await later(hass, freezer, 60, wallbox)
    assert await automation.asked()
    # The switch that allows it has the same name, and is on.
    await switch_charging(hass, site, "off")
    await later(hass, freezer, 10, wallbox)
    assert not await automation.asked()
    await switch_charging(hass, site, "on")
    await later(hass, freezer, 10, wallbox)
    assert await automation.asked()
    await wallbox.disconnect()
    await site.until("status", "disconnected")
    assert site.binary("charging") == GONE
    assert not await automation.asked()


@pytest.mark.parametrize(
    ("behavior", "states", "fulfilled"),
    [
        ("any", ("off", "on"), True),
        ("any", (GONE, "on"), True),
        ("any", ("off", "off"), False),
        ("any", (GONE, "unknown"), False),
        ("all", ("on", "on"), True),
        ("all", ("off", "on"), False),
        ("all", (GONE, "on"), False),
        ("all", ("unknown", "on"), False),
        ("all", (GONE, GONE), False),
        ("all", (None, None), False),
    ],
)
async def test_several_wallboxes(
    hass: HomeAssistant,
    site: Site,
    behavior: str,
    states: tuple[str | None, ...],
    fulfilled: bool,
) -> None:
    """One of which nothing is known does not charge, as far as anybody knows."""
    registry = er.async_get(hass)
    boxes = [
        registry.async_get_or_create(
            "binary_sensor",
            DOMAIN,
            f"{name}_charging",
            config_entry=site.entry,
            translation_key="charging",
        ).entity_id
        for name in ("a", "b")
    ]
    for box, state in zip(boxes, states, strict=True):
        await show(hass, box, state)
    # What is no wallbox counts for nothing.
    other = registry.async_get_or_create("binary_sensor", "test", "charging").entity_id
    await show(hass, other, "on" if behavior == "any" and not fulfilled else "off")
    automation = await automate(
        hass,
        conditions=[
            {
                "condition": "wallbox_charging",
                "target": {"entity_id": [*boxes, other]},
                "options": {"behavior": behavior},
            }
        ],
    )
    assert await automation.asked() is fulfilled


# The editor


async def test_the_editor_offers_them(
    hass: HomeAssistant, site: Site, hass_ws_client: WebSocketGenerator
) -> None:
    """All are described, and the wallbox's is offered for its device."""
    assert await async_setup_component(hass, "websocket_api", {})
    client = await hass_ws_client(hass)
    await client.send_json_auto_id({"type": "condition_platforms/subscribe"})
    assert (await client.receive_json())["success"]
    described: set[str] = set()
    while f"{DOMAIN}.on_mains" not in described:
        described |= (await client.receive_json())["event"].keys()
    assert {name for name in described if name.startswith(f"{DOMAIN}.")} == {
        f"{DOMAIN}.{name}" for name in CONDITIONS
    }
    await client.send_json_auto_id(
        {
            "type": "get_conditions_for_target",
            "target": {"device_id": [site.device().id]},
        }
    )
    offered = (await client.receive_json())["result"]
    assert {name for name in offered if name.startswith(f"{DOMAIN}.")} == {
        f"{DOMAIN}.wallbox_charging"
    }


async def test_the_editor_shows_what_becomes_of_them(
    hass: HomeAssistant, caravan: Site, hass_ws_client: WebSocketGenerator
) -> None:
    """It tests a condition while it is edited, without asking again."""
    assert await async_setup_component(hass, "websocket_api", {})
    mains = caravan.entity_id("binary_sensor", "mains_present", owner=BATTERY_DEVICE)
    await show(hass, mains, "off")
    client = await hass_ws_client(hass)
    await client.send_json_auto_id(
        {
            "type": "subscribe_condition",
            "condition": {"condition": f"{DOMAIN}.on_mains", "options": {}},
        }
    )
    assert (await client.receive_json())["success"]
    assert (await client.receive_json())["event"] == {"result": False}
    for state, result in (("on", True), (GONE, False), ("on", True)):
        await show(hass, mains, state)
        assert (await client.receive_json())["event"] == {"result": result}
