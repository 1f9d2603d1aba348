"""The triggers for the automation editor, in automations that run."""

from collections.abc import Sequence
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.bmw_wallbox_victron.const import BATTERY_DEVICE, DOMAIN
from custom_components.bmw_wallbox_victron.trigger import (
    POWER_SOURCES,
    SETTLING,
    TRIGGERS,
)
from custom_components.bmw_wallbox_victron.victron.records import Kind
from simulators.wallbox import Car

from .kit.automations import Automation, automate, show
from .kit.radio import Radio
from .kit.site import CHARGE_POINT_ID, MakeWallbox, Site, settle, switch_charging
from .kit.strings import TRIGGERS_YAML
from .kit.time import later, let_pass
from .kit.victron import GOOD

GONE = "unavailable"
#: A trigger of the battery, its entity, and the states that mean no and yes.
BECAME = [
    ("battery_became_low", ("sensor", "status"), "ok", "low"),
    ("battery_became_critical", ("sensor", "status"), "low", "critical"),
    ("battery_draining_fast", ("binary_sensor", "draining_fast"), "off", "on"),
]


async def slowly(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    entity_id: str,
    *states: str | None,
) -> None:
    """Have an entity show states, a minute each."""
    for state in states:
        await show(hass, entity_id, state)
        freezer.tick(SETTLING)


# The battery


@pytest.mark.parametrize(
    ("options", "states", "changes"),
    [
        ({}, ["mains", "battery"], ["mains > battery"]),
        (
            {},
            ["mains", "alternator", "solar", "battery", "mains"],
            [
                "mains > alternator",
                "alternator > solar",
                "solar > battery",
                "battery > mains",
            ],
        ),
        # What hides between is not what it came from, and hides nothing.
        ({}, ["mains", GONE, "battery"], ["mains > battery"]),
        ({}, ["mains", "unknown", "battery"], ["mains > battery"]),
        ({}, ["mains", "unknown", GONE, "unknown", "solar"], ["mains > solar"]),
        ({}, ["mains", GONE, "mains"], []),
        ({}, ["mains", "unknown", "mains", GONE, "mains"], []),
        (
            {},
            ["mains", "battery", GONE, "battery", GONE, "mains"],
            ["mains > battery", "battery > mains"],
        ),
        # The first that is known is no change.
        ({}, ["unknown", "mains"], []),
        ({}, [GONE, "unknown", "mains"], []),
        ({}, [None, "mains"], []),
        ({}, ["mains", None, "battery"], []),
        ({}, ["unknown", "mains", "battery"], ["mains > battery"]),
        # Chosen ones.
        (
            {"from": ["mains"]},
            ["solar", "battery", "mains", GONE, "battery"],
            ["mains > battery"],
        ),
        (
            {"to": ["battery", "solar"]},
            ["alternator", "mains", "battery", "solar"],
            ["mains > battery", "battery > solar"],
        ),
        (
            {"from": "mains", "to": "battery"},
            ["mains", "solar", "battery", "mains", "battery"],
            ["mains > battery"],
        ),
        ({"from": [], "to": []}, ["mains", "battery"], ["mains > battery"]),
    ],
)
async def test_power_source_changed(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caravan: Site,
    options: dict[str, Any],
    states: Sequence[str | None],
    changes: Sequence[str],
) -> None:
    entity_id = caravan.entity_id("sensor", "power_source", owner=BATTERY_DEVICE)
    await show(hass, entity_id, states[0])
    automation = await automate(
        hass, [{"trigger": "power_source_changed", "options": options}]
    )
    await slowly(hass, freezer, entity_id, *states[1:])
    assert automation.changes == changes


@pytest.mark.parametrize(
    ("trigger", "states", "changes"),
    [
        # Critical is low as well: falling to it at once is told, falling on is not,
        # and recovering to low is no alarm.
        ("battery_became_low", ["ok", "critical"], ["ok > critical"]),
        ("battery_became_low", ["ok", "low", "critical", "low"], ["ok > low"]),
        ("battery_became_low", ["critical", "low", "ok"], []),
        ("battery_became_low", ["good", "ok"], []),
        ("battery_became_critical", ["ok", "low"], []),
        ("battery_became_critical", ["ok", "low", "critical"], ["low > critical"]),
        ("battery_became_critical", ["good", "critical"], ["good > critical"]),
        ("battery_became_critical", ["low", GONE, "critical"], ["low > critical"]),
    ],
)
async def test_battery_became(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caravan: Site,
    trigger: str,
    states: Sequence[str],
    changes: Sequence[str],
) -> None:
    entity_id = caravan.entity_id("sensor", "status", owner=BATTERY_DEVICE)
    await show(hass, entity_id, states[0])
    automation = await automate(hass, [{"trigger": trigger}])
    await slowly(hass, freezer, entity_id, *states[1:])
    assert automation.changes == changes


@pytest.mark.parametrize(("trigger", "source", "no", "yes"), BECAME)
async def test_what_is_not_known_hides_nothing_and_is_nothing(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caravan: Site,
    trigger: str,
    source: tuple[str, str],
    no: str,
    yes: str,
) -> None:
    entity_id = caravan.entity_id(*source, owner=BATTERY_DEVICE)
    automation = await automate(hass, [{"trigger": trigger}])
    # A first state is no change, whatever it is.
    await slowly(
        hass, freezer, entity_id, GONE, "unknown", yes, GONE, yes, "unknown", yes
    )
    assert automation.changes == []
    await slowly(hass, freezer, entity_id, no, yes)
    assert automation.changes == [f"{no} > {yes}"]
    await slowly(hass, freezer, entity_id, "unknown", yes, GONE, "unknown", no)
    assert automation.changes == [f"{no} > {yes}"]
    await slowly(hass, freezer, entity_id, "unknown", GONE, yes)
    assert automation.changes == [f"{no} > {yes}"] * 2


@pytest.mark.parametrize(("trigger", "source", "no", "yes"), BECAME)
async def test_for_a_time(
    hass: HomeAssistant,
    caravan: Site,
    freezer: FrozenDateTimeFactory,
    trigger: str,
    source: tuple[str, str],
    no: str,
    yes: str,
) -> None:
    entity_id = caravan.entity_id(*source, owner=BATTERY_DEVICE)
    await show(hass, entity_id, no)
    automation = await automate(
        hass, [{"trigger": trigger, "options": {"for": {"minutes": 2}}}]
    )
    await let_pass(hass, freezer, 600)
    # Too short.
    await show(hass, entity_id, yes)
    await let_pass(hass, freezer, 119)
    await show(hass, entity_id, no)
    await let_pass(hass, freezer, 300)
    assert automation.changes == []
    # Long enough; told once.
    await show(hass, entity_id, yes)
    await let_pass(hass, freezer, 119)
    assert automation.changes == []
    await let_pass(hass, freezer, 1)
    assert automation.changes == [f"{no} > {yes}"]
    await show(hass, entity_id, GONE, yes)
    await let_pass(hass, freezer, 300)
    assert automation.changes == [f"{no} > {yes}"]


@pytest.mark.parametrize(("trigger", "source", "no", "yes"), BECAME)
async def test_a_gap_within_the_time_loses_no_alarm(
    hass: HomeAssistant,
    caravan: Site,
    freezer: FrozenDateTimeFactory,
    trigger: str,
    source: tuple[str, str],
    no: str,
    yes: str,
) -> None:
    """Its time begins anew, and it is told once."""
    entity_id = caravan.entity_id(*source, owner=BATTERY_DEVICE)
    await show(hass, entity_id, no)
    automation = await automate(
        hass, [{"trigger": trigger, "options": {"for": "00:02:00"}}]
    )
    await let_pass(hass, freezer, 600)
    await show(hass, entity_id, yes)
    for _ in range(3):
        await let_pass(hass, freezer, 60)
        await show(hass, entity_id, GONE)
        await let_pass(hass, freezer, 60)
        await show(hass, entity_id, yes)
    assert automation.changes == []
    await let_pass(hass, freezer, 120)
    assert automation.changes == [f"{no} > {yes}"]
    # A recovery within the time counts, though it is hidden soon after.
    await show(hass, entity_id, no)
    await let_pass(hass, freezer, 10)
    await show(hass, entity_id, GONE, yes)
    await let_pass(hass, freezer, 120)
    assert automation.changes == [f"{no} > {yes}"] * 2


async def test_a_source_for_a_time(
    hass: HomeAssistant, caravan: Site, freezer: FrozenDateTimeFactory
) -> None:
    entity_id = caravan.entity_id("sensor", "power_source", owner=BATTERY_DEVICE)
    await show(hass, entity_id, "mains")
    automation = await automate(
        hass,
        [
            {
                "trigger": "power_source_changed",
                "options": {"to": ["battery"], "for": {"minutes": 5}},
            }
        ],
    )
    await show(hass, entity_id, "battery")
    await let_pass(hass, freezer, 200)
    await show(hass, entity_id, "solar")
    await let_pass(hass, freezer, 300)
    assert automation.changes == []
    await show(hass, entity_id, "battery")
    await let_pass(hass, freezer, 300)
    assert automation.changes == ["solar > battery"]


async def test_a_caravan_from_its_start(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    radio: Radio,
    caravan_entry: MockConfigEntry,
) -> None:
    """States that appear are no changes; what then happens is told, over gaps, too."""
    hass.set_state(CoreState.not_running)
    names = ["power_source_changed", *(name for name, *_ in BECAME)]
    automation = await automate(hass, [{"trigger": name, "id": name} for name in names])
    hass.states.async_set("switch.plug", "on")
    hass.config_entries.async_update_entry(
        caravan_entry, options={"mains_switch": "switch.plug"}
    )
    assert await hass.config_entries.async_setup(caravan_entry.entry_id)
    await hass.async_start()
    site = Site(hass, caravan_entry)

    async def say(**readings: float) -> None:
        # A leap is believed when it is said again.
        for _ in range(2):
            radio.say(Kind.BATTERY_MONITOR, GOOD[Kind.BATTERY_MONITOR] | readings)
            await let_pass(hass, freezer, 1)

    def told() -> list[tuple[str, str]]:
        runs = [(run["id"], f"{run['from']} > {run['to']}") for run in automation.runs]
        return runs[before:]

    before = 0
    # The plug's word counts after two seconds.
    radio.say(Kind.BATTERY_MONITOR, GOOD[Kind.BATTERY_MONITOR] | {"soc": 35.0})
    await hass.async_block_till_done()
    await let_pass(hass, freezer, 1)
    await say(soc=29.0)
    assert site.state("power_source", owner=BATTERY_DEVICE) == "mains"
    assert site.state("status", owner=BATTERY_DEVICE) == "low"
    assert told() == []
    # It goes silent while low, and is critical when it is heard again.
    await let_pass(hass, freezer, 600)
    assert site.state("status", owner=BATTERY_DEVICE) == "unknown"
    await say(soc=29.0)
    assert told() == []
    await let_pass(hass, freezer, 600)
    await say(soc=14.0)
    assert told() == [("battery_became_critical", "low > critical")]
    # Mains goes while nothing is heard, nor from the plug.
    before = len(automation.runs)
    await let_pass(hass, freezer, 600)
    hass.states.async_set("switch.plug", GONE)
    await let_pass(hass, freezer, 3)
    assert site.state("power_source", owner=BATTERY_DEVICE) == "unknown"
    hass.states.async_set("switch.plug", "off")
    await let_pass(hass, freezer, 3)
    await say(soc=14.0)
    assert told() == [("power_source_changed", "mains > battery")]
    # Its state of charge falls by 0.4 % a minute.
    before = len(automation.runs)
    for minute in range(20):
        await say(soc=14.0 - 0.4 * minute)
        await let_pass(hass, freezer, 58)
    assert told() == [("battery_draining_fast", "off > on")]
    await hass.config_entries.async_unload(caravan_entry.entry_id)
    await hass.async_block_till_done()


async def test_the_battery_comes_later_and_is_renamed(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    radio: Radio,
    caravan_entry: MockConfigEntry,
) -> None:
    """The automation follows the battery, not an entity id."""
    automation = await automate(hass, [{"trigger": "power_source_changed"}])
    assert await hass.config_entries.async_setup(caravan_entry.entry_id)
    await hass.async_block_till_done()
    entity_id = Site(hass, caravan_entry).entity_id(
        "sensor", "power_source", BATTERY_DEVICE
    )
    await slowly(hass, freezer, entity_id, "mains", "battery")
    assert automation.changes == ["mains > battery"]
    er.async_get(hass).async_update_entity(entity_id, new_entity_id="sensor.other")
    await hass.async_block_till_done()
    await slowly(hass, freezer, "sensor.other", "battery", "solar")
    await show(hass, entity_id, "solar", "battery")
    assert automation.changes == ["mains > battery", "battery > solar"]
    await hass.config_entries.async_unload(caravan_entry.entry_id)
    await hass.async_block_till_done()


async def test_nothing_while_it_is_off(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, caravan: Site
) -> None:
    """What happened while the automation was off is not told when it is on again."""
    entity_id = caravan.entity_id("sensor", "power_source", owner=BATTERY_DEVICE)
    await show(hass, entity_id, "mains")
    automation = await automate(hass, [{"trigger": "power_source_changed"}])
    for service, states in (
        ("turn_off", ["solar", GONE]),
        ("turn_on", ["battery"]),
    ):
        await hass.services.async_call(
            "automation", service, {"entity_id": "all"}, blocking=True
        )
        await slowly(hass, freezer, entity_id, *states)
    assert automation.changes == []
    await show(hass, entity_id, "mains")
    assert automation.changes == ["battery > mains"]


@pytest.mark.parametrize(
    "trigger",
    [
        {"trigger": "power_source_changed", "options": {"to": ["unknown"]}},
        {"trigger": "power_source_changed", "options": {"from": ["wind"]}},
        {"trigger": "battery_became_low", "target": {"entity": "sensor.soc"}},
        {"trigger": "battery_became_low", "options": {"for": "long"}},
        {"trigger": "session_started"},
        {"trigger": "limit_not_enforced", "options": {"behavior": "some"}},
    ],
)
async def test_refused(hass: HomeAssistant, trigger: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="the automation is refused"):
        await automate(hass, [trigger])


# Wallboxes


def of_wallbox(site: Site, name: str, **config: Any) -> dict[str, Any]:
    """Give a trigger of the wallbox."""
    return {
        "trigger": name,
        "id": name,
        "target": {"device_id": site.device().id},
        **config,
    }


@pytest.fixture
async def sessions(hass: HomeAssistant, site: Site) -> Automation:
    """An automation that runs when a session starts or ends."""
    return await automate(
        hass,
        [of_wallbox(site, "session_started"), of_wallbox(site, "session_ended")],
    )


@pytest.mark.usefixtures("unpaced")
async def test_sessions(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    sessions: Automation,
) -> None:
    """The first session of all is told, pauses are not, and what it came to is."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await settle(hass, wallbox)
    assert sessions.runs == []
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    (started,) = sessions.runs
    assert started["id"] == "session_started"
    assert started["entity_id"] == site.entity_id("event", "session")
    assert started["from"] == "unknown"
    assert started["energy"] == 0
    await later(hass, freezer, 3600, wallbox)
    for state in ("off", "on"):
        await switch_charging(hass, site, state)
        await later(hass, freezer, 10, wallbox)
    assert len(sessions.runs) == 1
    await wallbox.unplug()
    await settle(hass, wallbox)
    assert len(sessions.runs) == 2
    ended = sessions.runs[1]
    assert ended["id"] == "session_ended"
    assert ended["energy"] == site.number("energy_session") > 5
    assert ended["duration"] == pytest.approx(3620, abs=1)
    assert ended["reason"] == "ev_disconnected"


async def test_events_at_the_same_time(
    hass: HomeAssistant,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    sessions: Automation,
) -> None:
    """Time stands still between a session's start and its end: both are told."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await wallbox.unplug()
    await settle(hass, wallbox)
    assert [run["id"] for run in sessions.runs] == ["session_started", "session_ended"]


async def test_an_old_session_is_not_told_again(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    sessions: Automation,
) -> None:
    """Neither by a reload, nor by a wallbox that comes back; a new one is."""
    wallbox = make_wallbox()
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    assert len(sessions.runs) == 1
    await hass.config_entries.async_reload(site.entry.entry_id)
    await hass.async_block_till_done()
    await wallbox.wait_closed()
    await wallbox.connect(boot=False)
    await settle(hass, wallbox)
    assert len(sessions.runs) == 1
    await wallbox.unplug()
    await settle(hass, wallbox)
    assert [run["id"] for run in sessions.runs] == ["session_started", "session_ended"]


async def test_a_session_told_by_another_wallbox(
    hass: HomeAssistant, site: Site, sessions: Automation
) -> None:
    """Only what is targeted counts, and nothing of other integrations does."""
    registry = er.async_get(hass)
    for platform, unique_id in ((DOMAIN, "other_session"), ("test", "session")):
        entity_id = registry.async_get_or_create(
            "event",
            platform,
            unique_id,
            device_id=site.device().id if platform == "test" else None,
            config_entry=site.entry,
            translation_key="session",
        ).entity_id
        await hass.async_block_till_done()
        for second in range(2):
            hass.states.async_set(
                entity_id, f"2026-01-01T00:00:0{second}", {"event_type": "ended"}
            )
            await hass.async_block_till_done()
    assert sessions.runs == []


@pytest.mark.parametrize(
    "wallbox_data", [{"charge_point_id": CHARGE_POINT_ID, "max_current": 16}]
)
async def test_limit_not_enforced(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is told once, whatever becomes of the connection."""
    automation = await automate(hass, [of_wallbox(site, "limit_not_enforced")])
    wallbox = make_wallbox()
    # It accepts every profile and keeps none.
    monkeypatch.setattr(wallbox, "enforced_profiles", tuple)
    await wallbox.connect()
    await settle(hass, wallbox)
    assert site.binary("limit_not_enforced") == "off"
    await wallbox.plug_in(Car())
    for _ in range(10):
        await later(hass, freezer, 5, wallbox)
    assert site.binary("limit_not_enforced") == "on"
    assert automation.changes == ["off > on"]
    assert automation.runs[0]["entity_id"] == site.entity_id(
        "binary_sensor", "limit_not_enforced"
    )
    await wallbox.disconnect()
    await site.until("status", "disconnected")
    assert site.binary("limit_not_enforced") == GONE
    await wallbox.connect(boot=False)
    for _ in range(10):
        await later(hass, freezer, 5, wallbox)
    assert site.binary("limit_not_enforced") == "on"
    assert automation.changes == ["off > on"]


@pytest.mark.parametrize(
    ("behavior", "runs"), [("each", ["a", "b"]), ("first", ["a"]), ("all", ["b"])]
)
async def test_limits_of_several_wallboxes(
    hass: HomeAssistant, site: Site, behavior: str, runs: list[str]
) -> None:
    registry = er.async_get(hass)
    boxes = [
        registry.async_get_or_create(
            "binary_sensor",
            DOMAIN,
            f"{name}_limit_not_enforced",
            suggested_object_id=name,
            config_entry=site.entry,
            translation_key="limit_not_enforced",
        ).entity_id
        for name in ("a", "b")
    ]
    for box in boxes:
        await show(hass, box, "off")
    automation = await automate(
        hass,
        [
            {
                "trigger": "limit_not_enforced",
                "target": {"entity_id": boxes},
                "options": {"behavior": behavior},
            }
        ],
    )
    await show(hass, boxes[0], GONE, "on")
    await show(hass, boxes[1], "on")
    assert [
        run["entity_id"].removeprefix("binary_sensor.") for run in automation.runs
    ] == runs
    assert automation.changes == ["off > on"] * len(runs)


# The editor


async def test_the_editor_offers_them(
    hass: HomeAssistant, site: Site, hass_ws_client: WebSocketGenerator
) -> None:
    """All are described, and the wallbox's are offered for its device."""
    assert await async_setup_component(hass, "websocket_api", {})
    client = await hass_ws_client(hass)
    await client.send_json_auto_id({"type": "trigger_platforms/subscribe"})
    assert (await client.receive_json())["success"]
    described: set[str] = set()
    while f"{DOMAIN}.session_ended" not in described:
        described |= (await client.receive_json())["event"].keys()
    assert {name for name in described if name.startswith(f"{DOMAIN}.")} == {
        f"{DOMAIN}.{name}" for name in TRIGGERS
    }
    await client.send_json_auto_id(
        {
            "type": "get_triggers_for_target",
            "target": {"device_id": [site.device().id]},
        }
    )
    offered = (await client.receive_json())["result"]
    assert {name for name in offered if name.startswith(f"{DOMAIN}.")} == {
        f"{DOMAIN}.session_started",
        f"{DOMAIN}.session_ended",
        f"{DOMAIN}.limit_not_enforced",
        f"{DOMAIN}.car_asleep",
        f"{DOMAIN}.target_reached",
    }


def test_the_editor_offers_every_power_source() -> None:
    fields = TRIGGERS_YAML["power_source_changed"]["fields"]
    for field in ("from", "to"):
        assert fields[field]["selector"]["select"]["options"] == list(POWER_SOURCES)
