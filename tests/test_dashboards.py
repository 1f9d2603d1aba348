"""The dashboards, against the entities of an installation with everything."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
import re
from types import MappingProxyType
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigSubentry, ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.template import Template
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import load_yaml_dict
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
from custom_components.bmw_wallbox_victron.victron.records import Kind
from simulators.bms import BmsRadio, Jbd, SimulatedBms

from .kit.blueprints import BLUEPRINTS, SOURCE
from .kit.radio import CHARGER, ORION, SHUNT, Radio
from .kit.site import CHARGE_POINT_ID, subentry_id
from .kit.time import let_pass
from .kit.victron import GOOD, KEY

FOLDER = Path(__file__).parents[1] / "dashboards"
NAMES = ("battery", "wallbox")
CARDS = {
    *("calendar", "gauge", "grid", "heading", "history-graph", "markdown"),
    *("statistic", "statistics-graph", "tile"),
}
FEATURES = {"numeric-input", "select-options", "toggle"}

SOLAR = "F8:5C:00:00:00:09"
ORION_XS = "F8:5C:00:00:00:0A"


def load(name: str) -> dict[str, Any]:
    return load_yaml_dict(str(FOLDER / f"{name}.yaml"))


def walk(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Give all that is in there, with the key of each."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name, inner
            yield from walk(inner, name)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, str):
                yield key, inner
            yield from walk(inner, key)


def entities(config: Any) -> set[str]:
    """Find the entities that are named, those in templates as well."""
    found = set()
    for key, value in walk(config):
        if key in ("entity", "entities", "default") and isinstance(value, str):
            found.add(value)
        elif key == "content":
            found |= set(re.findall(r"'(\w+\.\w+)'", value))
    return {each for each in found if re.fullmatch(r"[a-z_]+\.\w+", each)}


@pytest.fixture
async def installed(
    request: pytest.FixtureRequest,
    hass: HomeAssistant,
    radio: Radio,
    entry: MockConfigEntry,
) -> set[str]:
    """The entity ids of a wallbox, and of a caravan with all sorts of chargers."""
    hass.config.language = request.param
    registry = er.async_get(hass)
    # What brings the entities that charging has by the options.
    hass.config_entries.async_update_entry(
        entry,
        options={**entry.options, "grid_power": "sensor.grid", "fixed_price": 0.3},
    )
    for phase in (2, 3):  # of which the wallbox told in some session
        registry.async_get_or_create(
            "sensor",
            DOMAIN,
            f"{CHARGE_POINT_ID}_current_l{phase}",
            object_id_base=f"bmw_wallbox_current_l{phase}",
            config_entry=entry,
            config_subentry_id=subentry_id(entry),
        )
    for address, name in (
        (SHUNT, "Shunt"),
        (CHARGER, "IP22"),
        (ORION, "Orion"),
        (SOLAR, "MPPT"),
        (ORION_XS, "XS"),
    ):
        hass.config_entries.async_add_subentry(
            entry,
            ConfigSubentry(
                subentry_type="victron_device",
                title=name,
                data=MappingProxyType(
                    {"address": address, "encryption_key": KEY.hex()}
                ),
                unique_id=address,
            ),
        )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    radio.say(Kind.BATTERY_MONITOR, GOOD[Kind.BATTERY_MONITOR], SHUNT)
    radio.say(Kind.AC_CHARGER, GOOD[Kind.AC_CHARGER], CHARGER)
    radio.say(Kind.DC_DC_CONVERTER, GOOD[Kind.DC_DC_CONVERTER], ORION)
    radio.say(Kind.SOLAR_CHARGER, GOOD[Kind.SOLAR_CHARGER], SOLAR)
    radio.say(Kind.ORION_XS, GOOD[Kind.ORION_XS], ORION_XS)
    await hass.async_block_till_done()
    assert registry.async_get_entity_id("sensor", DOMAIN, f"{CHARGE_POINT_ID}_power")
    return {
        each.entity_id
        for each in er.async_entries_for_config_entry(registry, entry.entry_id)
        if each.disabled_by is None and hass.states.get(each.entity_id)
    }


def test_all_are_there() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == list(NAMES)


@pytest.mark.usefixtures("enable_bluetooth")
@pytest.mark.parametrize("installed", ["en", "de", "pl", "pt"], indirect=True)
async def test_every_entity_exists(hass: HomeAssistant, installed: set[str]) -> None:
    named = {name: entities(load(name)) for name in NAMES}
    assert len(named["wallbox"]) > 15
    assert len(named["battery"]) > 15
    for name, found in named.items():
        assert found <= installed, (name, found - installed)
    # So do those that blueprints take by default.
    for name in BLUEPRINTS:
        found = entities(load_yaml_dict(str(SOURCE / f"{name}.yaml"))["blueprint"])
        assert found <= installed, (name, found - installed)
    # What was discovered is still being looked at.
    await hass.async_block_till_done(wait_background_tasks=True)
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    assert await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize("name", NAMES)
def test_every_card_is_home_assistants_own(name: str) -> None:
    (view,) = load(name)["views"]
    assert view["type"] == "sections"
    assert view["path"] == name
    cards = [card for section in view["sections"] for card in section["cards"]]
    assert {each["type"] for each in [*view["sections"], *cards]} <= CARDS
    assert {each["type"] for each in view["badges"]} == {"entity"}
    features = [each for card in cards for each in card.get("features", [])]
    assert {each["type"] for each in features} <= FEATURES
    assert "custom:" not in (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    kinds = {card["type"] for card in cards}
    assert kinds >= {"heading", "gauge", "tile", "history-graph", "statistics-graph"}


@pytest.mark.parametrize(
    ("status", "colours"),
    [
        ("critical", ["red"]),
        ("low", ["orange"]),
        ("ok", [None]),
        ("good", [None]),
        ("unknown", [None]),
        ("unavailable", []),
    ],
)
def test_the_badge_of_the_status(status: str, colours: list[str | None]) -> None:
    """It is there once, where there is a battery, and its colour tells how urgent."""
    (view,) = load("battery")["views"]
    shown = []
    for badge in view["badges"]:
        if badge["entity"] == "sensor.battery_status":
            (condition,) = badge["visibility"]
            assert condition.keys() == {"condition", "entity", "state"}
            assert condition["entity"] == badge["entity"]
            states = condition["state"]
            if status in ([states] if isinstance(states, str) else states):
                shown.append(badge.get("color"))
    assert shown == colours


@pytest.mark.parametrize("name", NAMES)
def test_templates_are_valid(hass: HomeAssistant, name: str) -> None:
    for key, value in walk(load(name)):
        if key == "content":
            Template(value, hass).ensure_valid()


def test_nothing_unknown_is_shown() -> None:
    """Each value of the battery hides where it is not there, or not known."""
    (view,) = load("battery")["views"]
    seen = 0
    for section in view["sections"]:
        for card in section["cards"]:
            if card["type"] in ("gauge", "tile", "statistic"):
                assert {
                    "condition": "state",
                    "entity": card["entity"],
                    "state_not": ["unknown", "unavailable"],
                } in card["visibility"], card["entity"]
                seen += 1
    assert seen > 20


def test_what_the_options_bring_is_hidden_without_them() -> None:
    """Of charging: what is there only with a meter or a price, or not always known."""
    (view,) = load("wallbox")["views"]
    optional = {
        "select.bmw_wallbox_charging_mode",
        "sensor.bmw_wallbox_plan_start",
        "sensor.bmw_wallbox_session_cost",
        "sensor.bmw_wallbox_session_solar_share",
    }
    cards = [card for section in view["sections"] for card in section["cards"]]
    hidden = {
        card["entity"]
        for card in cards
        if {
            "condition": "state",
            "entity": card.get("entity"),
            "state_not": ["unknown", "unavailable"],
        }
        in card.get("visibility", [])
    }
    assert hidden >= optional


async def test_the_sentence_of_the_limit(hass: HomeAssistant) -> None:
    """What sets the limit, as the integration says it; else the word for it."""
    said = [str(v) for key, v in walk(load("wallbox")) if key == "content"]
    (text,) = [each for each in said if "limit_reason" in each]
    entity_id = "sensor.bmw_wallbox_limit_reason"
    hass.states.async_set(entity_id, "solar", {"message": "It waits for the sun."})
    template = Template(text, hass)
    assert template.async_render(parse_result=False) == "It waits for the sun."
    hass.states.async_set(entity_id, "solar", {"message": None})
    assert template.async_render(parse_result=False) == "solar"


async def test_the_times_of_a_plan(hass: HomeAssistant) -> None:
    """Those that follow each other are one, at the mean price."""
    await hass.config.async_set_time_zone("Europe/Berlin")
    (text,) = [
        value
        for key, value in walk(load("wallbox"))
        if key == "content" and "plan_start" in value
    ]

    def tell(*slots: tuple[str, str, float | None]) -> list[str]:
        hass.states.async_set(
            "sensor.bmw_wallbox_plan_start",
            f"2026-11-30T{slots[0][0]}:00+01:00",
            {
                "slots": [
                    {
                        "start": f"2026-11-30T{start}:00+01:00",
                        "end": f"2026-11-30T{end}:00+01:00",
                        "price": price,
                    }
                    for start, end, price in slots
                ]
            },
        )
        said = Template(text, hass).async_render(parse_result=False)
        return [line for line in said.splitlines() if line]

    assert tell(("22:10", "23:00", None)) == ["22:10 – 23:00"]
    hass.states.async_set(
        "sensor.bmw_wallbox_session_cost", "0", {"unit_of_measurement": "EUR"}
    )
    assert tell(
        ("01:10", "01:15", 0.12), ("01:15", "01:30", 0.2), ("03:00", "03:15", 0.3)
    ) == ["01:10 – 01:30 · 0.18 EUR/kWh", "03:00 – 03:15 · 0.30 EUR/kWh"]


def sentence(name: str) -> str:
    """Find the text that says how it is."""
    return str(next(v for key, v in walk(load(name)) if key == "content"))


@pytest.mark.parametrize(
    ("language", "away", "charging"),
    [
        ("en", "The wallbox is not connected. It ", "The car is charging."),
        ("de", "Die Wallbox ist nicht verbunden. Sie ", "Das Auto lädt."),
    ],
)
async def test_the_sentence_of_a_wallbox(
    hass: HomeAssistant, entry: MockConfigEntry, language: str, away: str, charging: str
) -> None:
    """It says how it is, in the owner's language; and what a session brought, in kW."""
    hass.config.language = language
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    template = Template(sentence("wallbox"), hass)
    assert template.async_render(parse_result=False).startswith(away)
    started = dt_util.utcnow() - timedelta(hours=2, minutes=3)
    for entity_id, state, attributes in (
        ("status", "charging", {"message": charging}),
        ("power", "11016", {}),
        ("session_energy", "20.21", {}),
        ("session_started", started.isoformat(), {}),
    ):
        hass.states.async_set(f"sensor.bmw_wallbox_{entity_id}", state, attributes)
    said = template.async_render(parse_result=False)
    assert said.splitlines() == [charging, "## 11.0 kW · 20.2 kWh · 2 h 3 min"]
    assert await hass.config_entries.async_unload(entry.entry_id)


def test_time_to_go_is_in_hours(hass: HomeAssistant) -> None:
    """Nobody has to divide by sixty."""
    hass.states.async_set("sensor.battery_summary", "ok", {"message": "All is well."})
    hass.states.async_set("sensor.battery_source", "battery_monitor")
    hass.states.async_set(
        "sensor.battery_time_to_go", "1234", {"friendly_name": "Battery Time to go"}
    )
    said = Template(sentence("battery"), hass).async_render(parse_result=False)
    wanted = "All is well. Battery Time to go: **20 h 34 min**"
    assert " ".join(said.split()) == wanted


def test_there_are_no_words_in_them() -> None:
    """Names are those of the entities, in Home Assistant's language."""
    for name in NAMES:
        (view,) = load(name)["views"]
        for key, value in walk(view["sections"]):
            if key in ("name", "title", "heading") and isinstance(value, str):
                assert value in ("", "kWh", "24 h", "L1", "L2", "L3")


def packs_template() -> str:
    """Find the text that tells of each pack of a bank."""
    (found,) = [
        value
        for key, value in walk(load("battery"))
        if key == "content" and "packs" in value
    ]
    return str(found)


@pytest.mark.parametrize("count", [1, 2])
async def test_packs(
    hass: HomeAssistant, proxy: BmsRadio, freezer: FrozenDateTimeFactory, count: int
) -> None:
    """Several are told of, each with its name; one alone is the battery itself."""
    packs = {f"A4:C1:37:00:11:2{each}": f"Pack {each}" for each in range(count)}
    entry = MockConfigEntry(
        domain=DOMAIN,
        title=NAME,
        unique_id=DOMAIN,
        subentries_data=[
            ConfigSubentryData(
                subentry_type="bms",
                title=name,
                data={"address": address, "model": "jbd_bms"},
                unique_id=address,
            )
            for address, name in packs.items()
        ],
    )
    entry.add_to_hass(hass)
    for address in packs:
        proxy.hear(SimulatedBms(Jbd(), address))
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    for _ in range(3):  # they take turns
        await let_pass(hass, freezer, 10)
        await hass.async_block_till_done(wait_background_tasks=True)
    for each in hass.states.async_entity_ids("sensor"):
        if each.startswith("sensor.pack_1"):
            hass.states.async_set(each, "unavailable")
    hass.states.async_set("binary_sensor.pack_1_data_fresh", "off")
    told = Template(packs_template(), hass).async_render(parse_result=False)
    lines = [line for line in told.splitlines() if line.strip()]
    if count == 1:
        assert lines == []
    else:
        assert len(lines) == count
        assert lines[0].startswith("**Pack 0**: 76.0 % · 114")
        assert "18" in lines[0]
        assert lines[1].startswith("**Pack 1**: ")
    assert await hass.config_entries.async_unload(entry.entry_id)
