"""Every string that the code asks for is there, and no other."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
import importlib
import inspect
import itertools
import json
from pathlib import Path
import pkgutil
import re
from types import ModuleType
from typing import Any

from homeassistant.config_entries import ConfigFlow, ConfigSubentryFlow, OptionsFlow
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity import EntityDescription
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

import custom_components.bmw_wallbox_victron as integration
from custom_components.bmw_wallbox_victron import config_flow
from custom_components.bmw_wallbox_victron.binary_sensor import BATTERY_BINARY_SENSORS
from custom_components.bmw_wallbox_victron.charging.status import LimitMessage
from custom_components.bmw_wallbox_victron.condition import CONDITIONS
from custom_components.bmw_wallbox_victron.entity import WallboxEntityDescription
from custom_components.bmw_wallbox_victron.limit_text import variants
from custom_components.bmw_wallbox_victron.readings import DeviceIdentity, DeviceState
from custom_components.bmw_wallbox_victron.sensors.battery import BATTERY_SENSORS
from custom_components.bmw_wallbox_victron.sensors.device import describe_device
from custom_components.bmw_wallbox_victron.targets import Source, WallboxSource
from custom_components.bmw_wallbox_victron.trigger import TRIGGERS
from custom_components.bmw_wallbox_victron.victron.records import Kind
from custom_components.bmw_wallbox_victron.wallbox.findings import (
    Detail,
    Line,
    Verdict,
)
from custom_components.bmw_wallbox_victron.wallbox.state import Status

from .kit.files import ROOT, read_json
from .kit.site import Site
from .kit.strings import STRINGS, TRIGGERS_YAML, described, find, leaves, placeholders

LANGUAGES = sorted((ROOT / "translations").glob("*.json"))
#: What Home Assistant itself says in a flow, by the helper that says it.
REASONS_OF_HELPERS = {
    "async_update_and_abort": "reconfigure_successful",
    "async_update_reload_and_abort": "reconfigure_successful",
    "_abort_if_unique_id_configured": "already_configured",
    "_abort_if_unique_id_mismatch": "unique_id_mismatch",
    "_async_bms_models": "bms_library_missing",
    "_get_reconfigure_subentry": "damaged",
}
#: What may be the same as in English: names, abbreviations, and words that are shared.
NAMES_OF_THINGS = {
    *("12 V", "24 V", "36 V", "48 V", "LiFePO4"),
    *("BMS", "Inverter RS", "Lynx Smart BMS", "Multi RS", "OK", "Smart BMS"),
    "{name}",
}
SAME_AS_ENGLISH = {
    "de": {
        *("Alarm", "Balancer", "Limit", "Plan", "Port", "Problem", "Solar", "Status"),
        *("Test", "Wallbox"),
    },
    "pl": {
        *("Alarm", "Alternator", "Limit", "Model", "Plan", "Port", "Problem"),
        *("Status", "Wallbox"),
        # Victron's own words for these phases in Polish
        *("Bulk", "Float", "Storage"),
    },
    "pt": {"Contactor", "Solar", "Wallbox"},
}
#: What Home Assistant itself calls the entry in its menus that texts point to.
RECONFIGURE = {
    "en": "Reconfigure",
    "de": "Neu konfigurieren",
    "pl": "Rekonfiguracja",
    "pt": "Reconfigurar",
}


ICONS = read_json(ROOT / "icons.json")


SERVICES_YAML = described("services")
CONDITIONS_YAML = described("conditions")


def _modules() -> Iterator[ModuleType]:
    """Import all modules of the integration."""
    yield integration
    for info in pkgutil.walk_packages([str(ROOT)], f"{integration.__name__}."):
        yield importlib.import_module(info.name)


MODULES = tuple(_modules())
TREES = tuple(ast.parse(inspect.getsource(module)) for module in MODULES)
NODES = tuple(node for tree in TREES for node in ast.walk(tree))
#: Every text and every name in the code.
TEXTS = {
    node.value
    for node in NODES
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
}
NAMES = {node.attr for node in NODES if isinstance(node, ast.Attribute)}


# What flows show: test_config_flow.py has every result looked at


def _sections() -> dict[tuple[str, ...], type]:
    """Give each section of strings that belongs to a flow, with its class."""
    sections: dict[tuple[str, ...], type] = {}
    for item in vars(config_flow).values():
        if inspect.isclass(item) and item.__module__.startswith(integration.__name__):
            if issubclass(item, OptionsFlow):
                sections["options",] = item
            elif issubclass(item, ConfigFlow):
                sections["config",] = item
                types = item.async_get_supported_subentry_types(MockConfigEntry())
                for name, handler in types.items():
                    assert issubclass(handler, ConfigSubentryFlow)
                    sections["config_subentries", name] = handler
    return sections


SECTIONS = _sections()


def _calls(handler: type) -> list[ast.Call]:
    """Give all calls in a class and in those of ours that it inherits from."""
    sources = [
        inspect.getsource(item)
        for item in handler.__mro__
        if item.__module__.startswith(integration.__name__)
    ]
    return [
        node
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
    ]


def _words(calls: Iterable[ast.Call], keyword: str, *functions: str) -> set[str]:
    """Give the texts that calls of these functions pass as this keyword."""
    return {
        node.value
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in functions
        for argument in call.keywords
        if argument.arg == keyword
        for node in ast.walk(argument.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_each_flow_has_its_strings() -> None:
    """There are strings for each flow, and no others."""
    assert ("config",) in SECTIONS
    assert {name for kind, *rest in SECTIONS for name in rest} == set(
        STRINGS["config_subentries"]
    )
    assert (("options",) in SECTIONS) == ("options" in STRINGS)


@pytest.mark.parametrize("section", SECTIONS, ids=".".join)
def test_steps_and_endings(section: tuple[str, ...]) -> None:
    """A flow's steps, endings and its entries in the menu are those with strings."""
    strings, calls = find(section), _calls(SECTIONS[section])
    names = {call.func.attr for call in calls if isinstance(call.func, ast.Attribute)}
    assert strings["step"].keys() == _words(
        calls, "step_id", "async_show_form", "async_show_menu", "_step_key", "_show"
    )
    assert set(strings.get("create_entry", ())) == _words(
        calls, "description", "async_create_entry", "_async_add"
    )
    assert _words(calls, "menu_options", "async_show_menu") == {
        option
        for step in strings["step"].values()
        for option in step.get("menu_options", ())
    }
    of_helpers = {
        reason for helper, reason in REASONS_OF_HELPERS.items() if helper in names
    }
    reasons = of_helpers | _words(
        calls, "reason", "async_abort", "async_update_and_abort", "_step_key"
    )
    if section == ("config",):
        # What was added to an entry says the same as what began with one.
        reasons -= {"_added"}
        reasons |= {f"{description}_added" for description in strings["create_entry"]}
    assert set(strings.get("abort", ())) == reasons
    if section[0] == "config_subentries":
        assert strings["entry_type"]
        ways = {
            way
            for way in ("user", "reconfigure")
            if hasattr(SECTIONS[section], f"async_step_{way}")
        }
        assert strings["initiate_flow"].keys() == ways


@pytest.mark.parametrize("section", SECTIONS, ids=".".join)
def test_no_error_is_unused(section: tuple[str, ...]) -> None:
    """Each error with a string is one that the code knows."""
    assert set(find(section).get("error", ())) <= TEXTS


# Entities


def _descriptions(value: object) -> Iterator[EntityDescription]:
    """Find the entity descriptions in a module's content."""
    if isinstance(value, EntityDescription):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _descriptions(item)
    elif isinstance(value, (tuple, list, set, frozenset)):
        for item in value:
            yield from _descriptions(item)


def _platform(description: EntityDescription) -> str:
    """Tell which platform a description is for."""
    prefix = "homeassistant.components."
    return next(
        base.__module__.removeprefix(prefix).partition(".")[0]
        for base in type(description).__mro__
        if base.__module__.startswith(prefix)
    )


def _all_descriptions() -> Iterator[EntityDescription]:
    """Find those that are written down, and those made from Victron's records."""
    for module in MODULES:
        for value in vars(module).values():
            yield from _descriptions(value)
    for kind in Kind:
        identity = DeviceIdentity(kind=kind)
        yield from describe_device(DeviceState(identity=identity))


def _by_key() -> dict[tuple[str, str], list[EntityDescription]]:
    """Sort them by platform and translation key: several may share their strings."""
    found: dict[tuple[str, str], list[EntityDescription]] = {}
    for description in _all_descriptions():
        key = description.translation_key or description.key
        found.setdefault((_platform(description), key), []).append(description)
    return found


ENTITIES = _by_key()
ENTITY_STRINGS = {
    (platform, key) for platform, keys in STRINGS["entity"].items() for key in keys
}


def _attribute(description: EntityDescription, name: str) -> Any:
    """Read what not every platform's description has."""
    return getattr(description, name, None)


def _states(platform: str, descriptions: list[EntityDescription]) -> set[str]:
    """Give the states of an entity that have a word of their own."""
    if platform in ("binary_sensor", "switch"):
        return {"on", "off"}
    return {
        state
        for description in descriptions
        for state in _attribute(description, "options") or ()
    }


async def test_every_entity_is_found(hass: HomeAssistant, all_entities: Site) -> None:
    """The entities of a running site are among those that these tests look at."""
    found = er.async_entries_for_config_entry(
        er.async_get(hass), all_entities.entry.entry_id
    )
    assert found
    for entity in found:
        assert entity.translation_key is not None
        assert (entity.domain, entity.translation_key) in ENTITIES
        assert entity.original_name == find(
            ("entity", entity.domain, entity.translation_key, "name")
        )


def test_entities_have_strings_and_strings_have_entities() -> None:
    """Each entity has its strings, and each entity's strings have an entity."""
    assert set(ENTITIES) == ENTITY_STRINGS


@pytest.mark.parametrize(("platform", "key"), ENTITIES)
def test_words_for_states(platform: str, key: str) -> None:
    """Each state of an enum has its word; no word is for a state that never comes."""
    descriptions = ENTITIES[platform, key]
    description = descriptions[0]
    strings = STRINGS["entity"][platform][key]
    assert strings["name"].strip()
    states = _states(platform, descriptions)
    if platform in ("sensor", "select"):
        assert set(strings.get("state", ())) == states
    else:
        assert set(strings.get("state", ())) <= states
    events = find(("state_attributes", "event_type", "state"), strings)
    assert set(events) == set(_attribute(description, "event_types") or ())
    flags = find(("state_attributes", "flags", "state"), strings)
    if any(_attribute(each, "has_flags") for each in descriptions):
        assert {"none", *flags} == states
    else:
        assert not flags
    if "unit_of_measurement" in strings:
        assert _attribute(description, "native_unit_of_measurement") is None


@pytest.mark.parametrize("key", ["charging_detected", "data_fresh"])
def test_words_of_its_own(key: str) -> None:
    """Its device class's words would contradict what stands beside it.

    The battery may be charging and no rise of its voltage be detected; a device that
    advertises is heard, and not connected.
    """
    assert STRINGS["entity"]["binary_sensor"][key].get("state", {}).keys() == {
        "on",
        "off",
    }


def test_each_status_has_a_sentence() -> None:
    """What a wallbox's status means is said for each, and for no other."""
    assert STRINGS["selector"]["status_message"]["options"].keys() == {*Status}


def test_each_line_of_a_check_has_its_sentences() -> None:
    """Each line, verdict and detail is said, and no other."""
    for key, kind in (("line", Line), ("verdict", Verdict), ("detail", Detail)):
        assert STRINGS["selector"][f"check_{key}"]["options"].keys() == {*kind}
    assert STRINGS["selector"]["check_text"]["options"].keys() <= TEXTS


#: What these say is never a pause, and when this ends is always known.
NEVER_A_PAUSE = {"current_limit", "plan_charging", "solar", "wallbox", "car"}
ALWAYS_UNTIL = {"start_at"}


def test_each_limit_has_a_sentence() -> None:
    """What sets the limit is said with what is known of it, and nothing else is."""
    options = STRINGS["selector"]["limit_message"]["options"]
    said = set()
    for message, limit, until in itertools.product(
        LimitMessage, (0, 6), (None, datetime.now(UTC))
    ):
        if (message in NEVER_A_PAUSE and not limit) or (
            message in ALWAYS_UNTIL and until is None
        ):
            continue
        key = next(key for key in variants(message, limit, until) if key in options)
        said.add(key)
        known = {"limit" if limit else "", "" if until is None else "until"}
        assert placeholders(options[key]) <= known, key
    assert said == options.keys()
    assert len(STRINGS["selector"]["weekday"]["options"]) == 7


@pytest.mark.parametrize(("platform", "key"), ENTITIES)
def test_icon(platform: str, key: str) -> None:
    """An entity that has no icon from its device class has one of ours."""
    descriptions = ENTITIES[platform, key]
    icon = find(("entity", platform, key), ICONS)
    if any(each.device_class in (None, "enum") for each in descriptions):
        assert icon["default"].startswith("mdi:")
    assert set(icon.get("state", ())) <= _states(platform, descriptions)


def test_no_icon_is_unused() -> None:
    """Each icon belongs to an entity."""
    icons = {
        (platform, key) for platform, keys in ICONS["entity"].items() for key in keys
    }
    assert icons <= set(ENTITIES)


# Actions, devices, exceptions, repair issues


@pytest.mark.parametrize(
    ("kind", "icon", "described"),
    [
        ("services", "service", SERVICES_YAML),
        ("triggers", "trigger", TRIGGERS_YAML),
        ("conditions", "condition", CONDITIONS_YAML),
    ],
)
def test_actions_triggers_and_conditions(
    kind: str, icon: str, described: Mapping[str, Any]
) -> None:
    """Each of them and each of their fields has its strings, and each has its icon."""
    strings, icons = STRINGS[kind], ICONS[kind]
    assert strings.keys() == described.keys() == icons.keys()
    for name, description in described.items():
        assert icons[name][icon].startswith("mdi:")
        assert strings[name]["name"].strip()
        assert strings[name]["description"].strip()
        fields = description.get("fields", {})
        texts = strings[name].get("fields", {})
        assert texts.keys() == fields.keys()
        for field, text in texts.items():
            assert text["name"].strip()
            assert text["description"].strip()
            select = fields[field].get("selector", {}).get("select", {})
            if "translation_key" in select:
                words = find(("selector", select["translation_key"], "options"))
                assert words.keys() == set(select["options"])


def test_sources_of_triggers_and_conditions() -> None:
    """They look for entities that there are, at wallboxes for what only these have."""
    items: list[Any] = [*TRIGGERS.values(), *CONDITIONS.values()]
    for item in items:
        source: Source = item._source
        if isinstance(source, WallboxSource):
            found = ENTITIES[source.platform, source.key]
            assert all(isinstance(each, WallboxEntityDescription) for each in found)
        else:
            keys = {
                each.key
                for each in (*BATTERY_SENSORS, *BATTERY_BINARY_SENSORS)
                if _platform(each) == source.platform
            }
            assert source.key in keys


def test_triggers_and_conditions_are_described() -> None:
    """What the code has and what the editor is told of are the same."""
    assert TRIGGERS_YAML.keys() == TRIGGERS.keys()
    assert CONDITIONS_YAML.keys() == CONDITIONS.keys()


def _translated() -> Iterator[tuple[str, set[str], set[str] | None]]:
    """Find what the code has translated: kind, keys, placeholders if they are seen."""
    for call in NODES:
        if not isinstance(call, ast.Call):
            continue
        given = {item.arg: item.value for item in call.keywords}
        function = ast.unparse(call.func).rpartition(".")[2]
        if "translation_key" not in given or function.endswith("Description"):
            continue
        if function in ("DeviceInfo", "async_get_or_create"):
            kind = "device"
        else:
            kind = "exceptions"
        names: set[str] | None = set()
        if "translation_placeholders" in given:
            values = given["translation_placeholders"]
            names = (
                {ast.literal_eval(name) for name in values.keys if name is not None}
                if isinstance(values, ast.Dict)
                else None
            )
        yield kind, _constants(given["translation_key"]), names


def _constants(value: ast.expr) -> set[str]:
    """Give the texts that an expression can be; of a condition, both."""
    if isinstance(value, ast.IfExp):
        return _constants(value.body) | _constants(value.orelse)
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return {value.value}
    return set()


TRANSLATED = tuple(_translated())


@pytest.mark.parametrize("kind", ["device", "exceptions"])
def test_other_strings(kind: str) -> None:
    """Devices and exceptions have their strings, and no string is unused."""
    strings = STRINGS.get(kind, {})
    used = set().union(*(keys for what, keys, _ in TRANSLATED if what == kind))
    assert used <= strings.keys()
    assert strings.keys() <= TEXTS
    for what, keys, names in TRANSLATED:
        if what == kind and names is not None:
            for key in keys:
                needed = set().union(
                    *(placeholders(text) for _, text in leaves(strings[key]))
                )
                assert needed <= names, key


def test_the_code_is_seen() -> None:
    """These tests find what they look for: an empty list would pass them all."""
    assert {kind for kind, keys, _ in TRANSLATED if keys} >= {"device", "exceptions"}
    assert {"sensor", "binary_sensor"} <= {platform for platform, _ in ENTITIES}
    assert "async_show_form" in NAMES


# Languages


def test_english_is_there() -> None:
    """English is the language that the others fall back to."""
    assert "en" in {path.stem for path in LANGUAGES}


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_languages(path: Path) -> None:
    """Each language has the same strings with the same placeholders, none empty."""
    english = dict(leaves(STRINGS))
    own = dict(leaves(read_json(path)))
    assert list(own) == list(english)
    for key, text in own.items():
        assert text, key
        assert text == text.strip(), key
        assert placeholders(text) == placeholders(english[key]), key
        assert text.count("{") == text.count("}") == len(re.findall(r"{\w+}", text))


TRANSLATIONS = [path for path in LANGUAGES if path.stem != "en"]
CODE = re.compile(r"`[^`]*`")
LINK = re.compile(r"\[[^]]*\]\(([^)]*)\)")
STRONG = re.compile(r"\*\*\S[^*]*\*\*")
EMPHASIS = re.compile(r"(?<!\*)\*(\w[^*]*)\*(?!\*)")


def markup(text: str) -> tuple[object, ...]:
    """Tell how a text is marked up: what has to be alike in all languages."""
    plain = CODE.sub("", text)
    return (
        CODE.findall(text),
        LINK.findall(plain),
        len(STRONG.findall(plain)),
        len(EMPHASIS.findall(plain)),
        [(bool(line), line.startswith("- ")) for line in text.split("\n")],
    )


def numbers(text: str) -> list[str]:
    """Find a text's numbers, in whatever order; a decimal comma counts as a point."""
    return sorted(re.findall(r"\d+(?:\.\d+)*", text.replace(",", ".")))


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_form(path: Path) -> None:
    """A file is written like all others, and its texts have no stray blanks."""
    strings = read_json(path)
    written = json.dumps(strings, ensure_ascii=False, indent=2) + "\n"
    assert path.read_text(encoding="utf-8") == written
    for key, text in leaves(strings):
        assert all(line == line.strip() for line in text.split("\n")), key
        assert "  " not in text, key
        assert not set(text) & set("\t\r\u00a0\u200b"), key


@pytest.mark.parametrize("path", TRANSLATIONS, ids=lambda path: path.stem)
def test_markup(path: Path) -> None:
    """A translation is marked up as the English text, with the same numbers."""
    own = dict(leaves(read_json(path)))
    for key, text in leaves(STRINGS):
        assert markup(own[key]) == markup(text), key
        assert numbers(own[key]) == numbers(text), key
        for end in (".", ":", "?"):
            assert own[key].endswith(end) == text.endswith(end), key


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_emphasis_is_on_names(path: Path) -> None:
    """What a text points to with emphasis has just that name in this language."""
    texts = dict(leaves(read_json(path)))
    for key, text in texts.items():
        for name in EMPHASIS.findall(CODE.sub("", text)):
            assert name in {RECONFIGURE[path.stem], *texts.values()}, key


@pytest.mark.parametrize("path", TRANSLATIONS, ids=lambda path: path.stem)
def test_nothing_is_left_in_english(path: Path) -> None:
    """Only names and words that both languages share are as in English."""
    own = dict(leaves(read_json(path)))
    same = {text for key, text in leaves(STRINGS) if own[key] == text}
    assert same - NAMES_OF_THINGS == SAME_AS_ENGLISH[path.stem]


@pytest.mark.parametrize("path", TRANSLATIONS, ids=lambda path: path.stem)
def test_states_can_be_told_apart(path: Path) -> None:
    """An entity's states have different words where they have them in English."""
    own = read_json(path)
    for platform, entities in STRINGS["entity"].items():
        for key, strings in entities.items():
            states = strings.get("state", {})
            words = find(("entity", platform, key, "state"), own)
            assert len(set(words.values())) == len(set(states.values())), key
