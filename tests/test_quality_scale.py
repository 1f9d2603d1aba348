"""What quality_scale.yaml claims, as far as a program can tell whether it is true."""

import ast
from collections.abc import Callable, Iterator
import importlib
from typing import Any

from homeassistant import exceptions
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity import EntityCategory
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict
from probatio import All, Any as AnyOf, Length, Required, Schema
import pytest

import custom_components.bmw_wallbox_victron as integration
from custom_components.bmw_wallbox_victron import config_flow, diagnostics
from custom_components.bmw_wallbox_victron.const import DOMAIN, PLATFORMS
from custom_components.bmw_wallbox_victron.victron.records import Kind

from .kit.files import (
    CORE,
    DESCRIPTIONS,
    MANIFEST,
    PROJECT_TABLE,
    ROOT,
    SOURCES,
    Changer,
    assert_refused,
    drop,
    put,
    refuse,
)
from .kit.radio import Radio
from .kit.site import Site
from .kit.victron import GOOD

SCALE = load_yaml_dict(str(ROOT / "quality_scale.yaml"))


def _status(rule: str) -> str:
    claim = SCALE["rules"][rule]
    status: str = claim if isinstance(claim, str) else claim["status"]
    return status


# The file


def _known_rules() -> set[str]:
    """Collect the rules that Home Assistant's own integrations are measured by."""
    return {
        rule
        for path in CORE.glob("*/quality_scale.yaml")
        for rule in load_yaml_dict(str(path))["rules"]
    }


RULES = _known_rules()


def _complete(rules: dict[str, Any]) -> dict[str, Any]:
    if missing := RULES - rules.keys():
        refuse(f"no word about {missing}")
    if unknown := rules.keys() - RULES:
        refuse(f"no such rule: {unknown}")
    return rules


COMMENT = All(str, Length(min=20))
SCHEMA = Schema(
    {
        Required("rules"): All(
            {
                str: AnyOf(
                    "done",
                    {Required("status"): "done", Required("comment"): COMMENT},
                    {Required("status"): "exempt", Required("comment"): COMMENT},
                    {Required("status"): "todo", Required("comment"): COMMENT},
                )
            },
            _complete,
        )
    }
)


def test_every_rule_is_spoken_of() -> None:
    """The rules are those of the installed Home Assistant; exceptions have reasons."""
    assert len(RULES) > 50
    SCHEMA(SCALE)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (drop("rules", "brands"), "no word about"),
        (put("rules", "brand", value="done"), "no such rule"),
        (put("rules", "brands", value="finished"), "brands"),
        (put("rules", "brands", value="exempt"), "brands"),
        (put("rules", "brands", value={"status": "exempt"}), "comment"),
        (put("rules", "brands", value={"status": "todo", "comment": "No"}), "comment"),
        (put("tier", value="platinum"), "tier"),
    ],
)
def test_a_broken_file_is_refused(change: Changer, why: str) -> None:
    """None of these gets through."""
    assert_refused(SCHEMA, SCALE, change, why)


def test_nothing_is_open() -> None:
    assert not {rule for rule in RULES if _status(rule) == "todo"}


# Claims, by looking at the code


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for path, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield str(path), node


def _raised() -> Iterator[tuple[str, ast.Call]]:
    """Find the exceptions of Home Assistant that the code raises."""
    for where, call in _calls():
        kind = getattr(exceptions, ast.unparse(call.func).rpartition(".")[2], None)
        if isinstance(kind, type) and issubclass(kind, HomeAssistantError):
            yield where, call


def _imports(*names: str) -> bool:
    """Tell whether the code imports one of these packages or functions."""
    for tree in SOURCES.values():
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                imported = {alias.name for alias in node.names}
                if isinstance(node, ast.ImportFrom):
                    imported.add(node.module or "")
                if {name.partition(".")[0] for name in imported} & {*names}:
                    return True
    return False


def _parallel_updates() -> bool:
    return all(
        isinstance(
            importlib.import_module(f"{integration.__name__}.{name}").PARALLEL_UPDATES,
            int,
        )
        for name in PLATFORMS
    )


def _flow_has(*steps: str) -> bool:
    return all(
        callable(getattr(config_flow.SiteConfigFlow, f"async_step_{step}", None))
        for step in steps
    )


def _runtime_data() -> bool:
    """Whether what runs is kept with the entry."""
    return any(
        isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "entry.runtime_data"
        for node in ast.walk(SOURCES[ROOT.joinpath("__init__.py").relative_to(ROOT)])
    )


def _exceptions_are_translated() -> bool:
    raised = [*_raised()]
    return bool(raised) and all(
        {"translation_domain", "translation_key"}
        <= {each.arg for each in call.keywords}
        and not call.args
        for _, call in raised
    )


def _icons_are_translated() -> bool:
    return not any(
        keyword.arg == "icon" for _, call in _calls() for keyword in call.keywords
    ) and not any(
        isinstance(node, ast.Name | ast.Attribute)
        and ast.unparse(node).endswith("_attr_icon")
        for tree in SOURCES.values()
        for node in ast.walk(tree)
    )


def _strictly_typed() -> bool:
    mypy = PROJECT_TABLE["tool"]["mypy"]
    return mypy["strict"] is True and f"custom_components/{DOMAIN}" in mypy["files"]


CLAIMS: dict[str, Callable[[], bool]] = {
    "config-entry-unloading": lambda: hasattr(integration, "async_unload_entry"),
    "config-flow": lambda: MANIFEST["config_flow"] is True,
    "diagnostics": lambda: hasattr(diagnostics, "async_get_config_entry_diagnostics"),
    "discovery": lambda: "bluetooth" in MANIFEST and _flow_has("bluetooth"),
    "exception-translations": _exceptions_are_translated,
    "icon-translations": _icons_are_translated,
    "integration-owner": lambda: bool(MANIFEST["codeowners"]),
    "parallel-updates": _parallel_updates,
    "reauthentication-flow": lambda: _flow_has("reauth", "reauth_confirm"),
    "reconfiguration-flow": lambda: _flow_has("reconfigure"),
    "runtime-data": _runtime_data,
    "strict-typing": _strictly_typed,
    "test-coverage": lambda: (
        PROJECT_TABLE["tool"]["coverage"]["report"]["fail_under"] >= 95
    ),
}


@pytest.mark.parametrize("rule", CLAIMS)
def test_claims(rule: str) -> None:
    """A rule that is met is done, and one that is done is met."""
    assert CLAIMS[rule]() == (_status(rule) == "done")


def test_no_http() -> None:
    """Who makes no requests needs no session; what is exempt is so for that reason."""
    requests = _imports("aiohttp", "async_get_clientsession", "httpx", "requests")
    assert requests == (_status("inject-websession") != "exempt")
    assert _imports("websockets")


# Claims, by looking at what runs


async def test_actions_are_there_without_an_entry(hass: HomeAssistant) -> None:
    """An automation can be checked while nothing is set up."""
    assert await async_setup_component(hass, DOMAIN, {})
    names = {name for name in DESCRIPTIONS["services"] if not name.startswith(".")}
    assert hass.services.async_services_for_domain(DOMAIN).keys() == names
    assert _status("action-setup") == "done"


async def _look_at(hass: HomeAssistant, site: Site) -> list[er.RegistryEntry]:
    """Check the entities of a site, and give them."""
    registry = er.async_get(hass)
    found = er.async_entries_for_config_entry(registry, site.entry.entry_id)
    assert found
    for entity in found:
        assert entity.has_entity_name
        assert entity.translation_key
        assert entity.device_id
        assert entity.unique_id
    ours = {f"{platform}." for platform in PLATFORMS}
    for state in hass.states.async_all():
        if state.entity_id.startswith(tuple(ours)):
            assert registry.async_get(state.entity_id) is not None
    return found


async def test_entities_of_a_wallbox(hass: HomeAssistant, site: Site) -> None:
    """They are named after their device, translated, and some are off by default."""
    entities = await _look_at(hass, site)
    assert any(
        entity.disabled_by is er.RegistryEntryDisabler.INTEGRATION
        for entity in entities
    )
    assert any(
        entity.entity_category is EntityCategory.DIAGNOSTIC for entity in entities
    )
    assert any(entity.entity_category is EntityCategory.CONFIG for entity in entities)
    assert any(entity.original_device_class for entity in entities)
    for rule in (
        *("devices", "entity-category", "entity-device-class", "entity-unique-id"),
        *("entity-disabled-by-default", "entity-translations", "has-entity-name"),
    ):
        assert _status(rule) == "done"


async def test_entities_of_a_caravan(
    hass: HomeAssistant, radio: Radio, caravan: Site
) -> None:
    """The battery's and the devices' entities are no other."""
    radio.say(Kind.BATTERY_MONITOR, GOOD[Kind.BATTERY_MONITOR])
    await hass.async_block_till_done()
    entities = await _look_at(hass, caravan)
    assert len({entity.device_id for entity in entities}) > 1
