"""What keeps the integration from loading, and what hassfest refuses most often.

hassfest and HACS check the rest themselves (`.github/workflows/validate.yml`): neither
is in a package that could be installed here. ``test_translations.py`` holds strings,
icons and code against each other.
"""

import ast
from collections.abc import Iterator, Mapping
import json
from pathlib import Path
import re
import string
from typing import Any

from awesomeversion import AwesomeVersion, AwesomeVersionStrategy
import hass_frontend
from homeassistant import loader
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.selector import (
    SelectSelector,
    TargetSelector,
    validate_selector,
)
from packaging.requirements import Requirement
import probatio
from probatio import All, Any as AnyOf, Optional, Required, Schema
import pytest

import custom_components.bmw_wallbox_victron as integration
from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
from custom_components.bmw_wallbox_victron.flows import charging, options
from custom_components.bmw_wallbox_victron.victron.records import Kind

from .kit.files import (
    CORE,
    DESCRIPTIONS,
    MANIFEST,
    PROJECT,
    PROJECT_TABLE,
    ROOT,
    SOURCES,
    Changer,
    assert_refused,
    drop,
    put,
    read_json,
    refuse,
)
from .kit.strings import STRINGS, leaves

# The manifest


@pytest.mark.usefixtures("enable_custom_integrations")
async def test_manifest(hass: HomeAssistant) -> None:
    """Home Assistant takes it, and it is ours; hassfest and HACS take it, too."""
    loaded = await loader.async_get_integration(hass, DOMAIN)
    assert not loaded.is_built_in
    assert (loaded.domain, loaded.name) == (ROOT.name, NAME)
    assert loaded.version == PROJECT_TABLE["project"]["version"]
    AwesomeVersion(loaded.version, ensure_strategy=AwesomeVersionStrategy.SEMVER)
    check_manifest(MANIFEST)
    for matcher in MANIFEST["bluetooth"]:
        assert matcher.keys() - {"connectable"}  # or it matches every device


def check_manifest(manifest: Mapping[str, Any]) -> None:
    """Check what hassfest and HACS ask of a custom integration's manifest."""
    MANIFEST_SCHEMA(manifest)
    if [*manifest] != sorted(manifest, key=lambda key: (key not in _FIRST, key)):
        refuse("keys are not in order: domain, name, then by the alphabet")
    if manifest["domain"] != ROOT.name:
        refuse("the domain is not the folder's name")


_FIRST = ("domain", "name")


def _https(value: str) -> str:
    if not re.fullmatch(r"https://[\w.-]+/\S+", value):
        refuse("no address of a page")
    return value


def _requirement(value: str) -> str:
    if " " in value:
        refuse("a blank in a requirement")
    return str(Requirement(value))


def _version(value: str) -> str:
    if not re.fullmatch(r"(0|[1-9]\d*)([.](0|[1-9]\d*)){2}((a|b|rc)\d+)?", value):
        refuse("no version that HACS can compare")
    return value


MANIFEST_SCHEMA = Schema(
    {
        Required("domain"): probatio.Match(r"^[a-z][a-z0-9_]*$"),
        Required("name"): All(str, probatio.Length(min=1)),
        Optional("bluetooth"): [
            {
                Optional("connectable"): bool,
                Optional("manufacturer_id"): int,
                Optional("manufacturer_data_start"): [int],
            }
        ],
        Required("codeowners"): [probatio.Match(r"^@[\w-]+(/[\w-]+)?$")],
        Required("config_flow"): True,
        Optional("dependencies"): [str],
        Optional("after_dependencies"): [str],
        Required("documentation"): _https,
        Required("integration_type"): "hub",
        Required("iot_class"): "local_push",
        Required("issue_tracker"): _https,
        Required("loggers"): [str],
        Optional("requirements"): [_requirement],
        Required("version"): _version,
    }
)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (put("homepage", value="https://example.org/x"), "homepage"),
        (put("codeowners", value=["octocat"]), "codeowners"),
        (put("documentation", value="http://example.org/x"), "page"),
        (put("issue_tracker", value="example.org"), "page"),
        (put("requirements", value=["ocpp >= 2"]), "blank"),
        (put("version", value="next"), "version"),
        (put("domain", value="wallbox"), "folder"),
        (put("after_dependencies", value=["http"]), "order"),
        (drop("version"), "version"),
        (drop("issue_tracker"), "issue_tracker"),
    ],
)
def test_a_broken_manifest_is_refused(change: Changer, why: str) -> None:
    """None of these gets through."""
    assert_refused(check_manifest, MANIFEST, change, why)


def test_loggers() -> None:
    """Debug logging asks for these by name: loggers of ours, which everything uses."""
    for name in MANIFEST["loggers"]:
        assert f"{integration.__name__}.".startswith(f"{name}.")
    for path, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
                "getLogger"
            ):
                assert [ast.unparse(each) for each in node.args] == ["__name__"], path


# What is imported from Home Assistant's components


def imported_components(tree: ast.AST) -> Iterator[str]:
    """Find the components that a module imports."""
    prefix = "homeassistant.components"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == prefix:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            if node.module.startswith(f"{prefix}."):
                yield node.module.split(".")[2]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith(f"{prefix}."):
                    yield alias.name.split(".")[2]


def undeclared(tree: ast.AST, manifest: Mapping[str, Any]) -> set[str]:
    """Find the components that a module imports, but that need not be set up for it."""
    declared = {*manifest["dependencies"], *manifest.get("after_dependencies", ())}
    declared.add("persistent_notification")  # which Home Assistant sets up by itself
    if "bluetooth_adapters" in declared:
        declared.add("bluetooth")  # which these set up
    # A platform of ours is loaded by the component whose platform it is.
    platforms = {path.stem for path in SOURCES if len(path.parts) == 1}
    return {*imported_components(tree)} - declared - platforms - {*Platform}


def test_dependencies() -> None:
    """What a module imports is set up before it, and there is such a component."""
    found = {path: undeclared(tree, MANIFEST) for path, tree in SOURCES.items()}
    assert {path: names for path, names in found.items() if names} == {}
    for name in MANIFEST["dependencies"]:
        assert (CORE / name / "manifest.json").is_file()


@pytest.mark.parametrize(
    "line",
    [
        "from homeassistant.components import recorder",
        "from homeassistant.components.recorder import history",
        "import homeassistant.components.recorder.history",
    ],
)
def test_an_undeclared_component_is_seen(line: str) -> None:
    """Each way to import one counts."""
    tree = ast.parse(line)
    assert undeclared(tree, MANIFEST) == {"recorder"}
    assert not undeclared(tree, MANIFEST | {"after_dependencies": ["recorder"]})


# Strings

_FORM = "description|(data|data_description)[.]@"
_MENU = "(menu_options|menu_option_descriptions)[.]@"
_SECTION = f"sections[.]@[.](name|{_FORM})"
_STEP = f"step[.]@[.](title|submit|{_FORM}|{_MENU}|{_SECTION})"
_FLOW = f"(flow_title|(error|abort|progress|create_entry)[.]@|{_STEP})"
#: The places of strings that Home Assistant knows; @ is a name of ours.
PLACES = re.compile(
    "|".join(
        (
            f"(config|options)[.]{_FLOW}",
            f"config_subentries[.]@[.]({_FLOW}|entry_type|initiate_flow[.]@)",
            "device[.]@[.]name",
            "entity[.]@[.]@[.](name|unit_of_measurement|state[.]@)",
            "entity[.]@[.]@[.]state_attributes[.]@[.](name|state[.]@)",
            "exceptions[.]@[.]message",
            f"issues[.]@[.](title|description|fix_flow[.]{_FLOW})",
            "selector[.]@[.](options[.]@|fields[.]@[.](name|description))",
            "(services|triggers|conditions)[.]@[.](name|description)",
            "(services|triggers|conditions)[.]@[.]fields[.]@[.](name|description)",
        )
    ).replace("@", "[a-z0-9]+([-_][a-z0-9]+)*")
)
#: Links do not survive the way through the translators.
ADDRESS = re.compile(r"\b(?:[a-z][a-z0-9+.-]*://|www\.)[a-z0-9]", re.IGNORECASE)


def check_strings(strings: Mapping[str, Any]) -> None:
    """Check where the strings are, and what may be in them."""
    for place, text in leaves(strings):
        if not PLACES.fullmatch(place):
            refuse(f"no place of strings: {place}")
        if not isinstance(text, str) or not text or text != text.strip():
            refuse(f"no text, or blanks around it: {place}")
        cv.string_with_no_html(text)
        if ADDRESS.search(text):
            refuse(f"an address, which belongs into a placeholder: {place}")
        if re.search(r"'{\w+}'", text):
            refuse(f"a placeholder in single quotes: {place}")
        if "[%" in text:
            refuse(f"a reference, which only Home Assistant's own have: {place}")
        for _, name, _, _ in string.Formatter().parse(text):
            if name is not None and (not name.isidentifier() or ".state." in place):
                refuse(f"a placeholder that nobody fills: {place}")
    for name, issue in strings["issues"].items():
        if ("description" in issue) == ("fix_flow" in issue):
            refuse(f"either a description or a flow that repairs it: {name}")
    for name, subentry in strings["config_subentries"].items():
        if "entry_type" not in subentry or "user" not in subentry["initiate_flow"]:
            refuse(f"no kind, or no button that adds one: {name}")
    for name, form in _forms(strings):
        if not form.get("data_description", {}).keys() <= form.get("data", {}).keys():
            refuse(f"a description of a field that is not there: {name}")


def _forms(strings: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Find the steps of all flows, and their sections, with their names."""
    fixes = (issue.get("fix_flow", {}) for issue in strings["issues"].values())
    subentries = strings["config_subentries"].values()
    for flow in (strings["config"], strings["options"], *subentries, *fixes):
        for name, step in flow.get("step", {}).items():
            yield name, step
            yield from step.get("sections", {}).items()


LANGUAGES = sorted((ROOT / "translations").iterdir())


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_strings(path: Path) -> None:
    """Each language's strings are in places that there are, and are good texts."""
    check_strings(read_json(path))
    # A custom integration's strings are in its translations alone.
    assert not (ROOT / "strings.json").exists()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (put("title", value="Wallbox"), "no place"),
        (put("config", "step", "user", "text", value="Hello"), "no place"),
        (put("config", "step", "User", value={"title": "User"}), "no place"),
        (put("config", "step", "user", "name", value="Hello"), "no place"),
        (put("entity", "sensor", "power__now", value={"name": "No"}), "no place"),
        (put("issues", "oops", value={"title": "Oops"}), "either"),
        (drop("config_subentries", "bms", "entry_type"), "no kind"),
        (drop("config_subentries", "bms", "initiate_flow", "user"), "no button"),
        (
            put(
                *("options", "step", "general", "data_description"),
                value={"oops": "Oops"},
            ),
            "field that is not there",
        ),
        (put("config", "error", "oops", value=""), "no text"),
        (put("config", "error", "oops", value="Oops "), "blanks"),
        (put("config", "error", "oops", value=1), "no text"),
        (put("config", "error", "oops", value="<b>Oops</b>"), "HTML"),
        (put("config", "error", "oops", value="See https://example.org"), "address"),
        (put("config", "error", "oops", value="See www.example.org"), "address"),
        (put("config", "error", "oops", value="No '{name}'"), "single quotes"),
        (put("config", "error", "oops", value="No {a b}"), "nobody fills"),
        (put("config", "error", "oops", value="[%key:common::x%]"), "reference"),
        (
            put("entity", "sensor", "status", "state", "charging", value="{what} on"),
            "nobody fills",
        ),
    ],
)
def test_broken_strings_are_refused(change: Changer, why: str) -> None:
    """None of these gets through."""
    assert_refused(check_strings, STRINGS, change, why)


# Actions, triggers, conditions

_FIELD = {
    Optional("default"): probatio.NotIn([None]),
    Optional("example"): probatio.NotIn([None]),
    Optional("required"): bool,
    Required("selector"): validate_selector,
}
_TARGET = {Optional("target"): TargetSelector.CONFIG_SCHEMA}
_DESCRIPTION = AnyOf(None, {**_TARGET, Optional("fields"): {cv.slug: _FIELD}})
_SHARED = probatio.Remove(All(str, probatio.Match(r"\.")))
DESCRIPTION_SCHEMAS = {
    # Keys for what is shared are for Home Assistant's own integrations alone.
    "services": Schema({cv.slug: _DESCRIPTION}),
    "triggers": Schema({_SHARED: object, cv.underscore_slug: _DESCRIPTION}),
    "conditions": Schema({_SHARED: object, cv.underscore_slug: _DESCRIPTION}),
}


@pytest.mark.parametrize("kind", DESCRIPTIONS)
def test_descriptions(kind: str) -> None:
    """Actions, triggers and conditions have fields whose selectors there are."""
    DESCRIPTION_SCHEMAS[kind](DESCRIPTIONS[kind])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (put(".device", value={"selector": {"text": None}}), r"\.device|slug"),
        (put("get_sessions", "name", value="It"), "name"),
        (put("get_sessions", "target", value={"entities": {}}), "target|entities"),
        (put("get_sessions", "fields", "field", value={}), "selector"),
        (
            put(
                *("get_sessions", "fields", "field"),
                value={"default": None, "selector": {"text": None}},
            ),
            "default",
        ),
        (
            put("get_sessions", "fields", "field", value={"selector": {"no": {}}}),
            "selector",
        ),
    ],
)
def test_a_broken_description_is_refused(change: Changer, why: str) -> None:
    """None of these gets through."""
    services = DESCRIPTIONS["services"]
    assert_refused(DESCRIPTION_SCHEMAS["services"], services, change, why)


def _selectors(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Find the selectors in a description, with their kinds."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "selector":
                yield from ((kind, config or {}) for kind, config in inner.items())
            yield from _selectors(inner)


def test_words_of_selectors() -> None:
    """Each selector's words are there, and no others; the code asks for the rest."""
    used: dict[str, set[tuple[str, str]]] = {}
    for kind, config in _selectors(DESCRIPTIONS):
        if "translation_key" in config:
            part = "options" if kind == "select" else "fields"
            used[config["translation_key"]] = {(part, name) for name in config[part]}
    words = {
        key: {(part, name) for part, texts in parts.items() for name in texts}
        for key, parts in STRINGS["selector"].items()
    }
    assert {key: words.get(key) for key in used} == used
    forms: dict[str, set[tuple[str, str]]] = {}
    for form in (*vars(options).values(), *vars(charging).values()):
        for field in form.values() if isinstance(form, dict) else ():
            if isinstance(field, SelectSelector):
                names = {("options", str(each)) for each in field.config["options"]}
                forms[field.config["translation_key"]] = names
    assert forms
    assert {key: words.get(key) for key in forms} == forms
    code = "".join(ast.unparse(tree) for tree in SOURCES.values())
    for key in words.keys() - used.keys() - forms.keys():
        assert f".selector.{key}.options." in code
    assert words["kind"] == {("options", kind) for kind in Kind}


# Icons

ICON_LIST = Path(hass_frontend.__file__).parent / "static" / "mdi" / "iconList.json"
MDI = {f"mdi:{icon['name']}" for icon in json.loads(ICON_LIST.read_text("utf-8"))}
ICON_PLACES = re.compile(
    (
        "entity[.]@[.]@[.](state_attributes[.]@[.])?(default|state[.]@)"
        "|services[.]@[.]service|triggers[.]@[.]trigger|conditions[.]@[.]condition"
    ).replace("@", "[a-z0-9]+(_[a-z0-9]+)*")
)


def check_icons(icons: Mapping[str, Any]) -> None:
    """Check where the icons are, that there are such, and that none is there twice."""
    for place, icon in leaves(icons):
        if not ICON_PLACES.fullmatch(place):
            refuse(f"no place of icons: {place}")
        if icon not in MDI:
            refuse(f"the frontend has no {icon}: {place}")
    for keys in icons["entity"].values():
        for key, icon in keys.items():
            if icon.get("default") in icon.get("state", {}).values():
                refuse(f"a state's icon that is the default as well: {key}")


ICONS = read_json(ROOT / "icons.json")


def test_icons() -> None:
    check_icons(ICONS)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (put("entity", "sensor", "status", "default", value="mdi:wallbox"), "has no"),
        (put("entity", "sensor", "status", "icon", value="mdi:car"), "no place"),
        (
            put(
                *("entity", "sensor", "status", "state", "charging"),
                value="mdi:ev-station",
            ),
            "default as well",
        ),
        (put("services", "get_sessions", value="mdi:car"), "no place"),
    ],
)
def test_broken_icons_are_refused(change: Changer, why: str) -> None:
    """None of these gets through."""
    assert_refused(check_icons, ICONS, change, why)


def test_the_frontend_has_every_icon() -> None:
    """A name that is spelled wrong in a dashboard would show nothing at all."""
    for folder in ("blueprints", "dashboards", "demo"):
        used = {
            name
            for path in (PROJECT / folder).rglob("*")
            if path.suffix in (".py", ".yaml", ".json", ".md")
            for name in re.findall(r"mdi:[a-z0-9-]+", path.read_text(encoding="utf-8"))
        }
        assert used
        assert used <= MDI


def test_no_icon_is_written_in_the_code() -> None:
    """Icons are in icons.json, where they follow the state."""
    for path, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.search(r"mdi:[a-z0-9-]+", node.value), path
