"""What hassfest, Home Assistant's own check of integrations, would say of this one.

hassfest runs on GitHub, and no package has it. These are its rules in our own words,
with what the installed Home Assistant has of them; some go further, as for integrations
that are a part of Home Assistant. Each rule has a broken copy that it has to refuse.
``test_translations.py`` holds strings, icons and code against each other.
"""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
import json
from pathlib import Path
import re
import string
import tomllib
from typing import Any, get_args, get_type_hints

from awesomeversion import AwesomeVersion, AwesomeVersionStrategy
import hass_frontend
from homeassistant import loader
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.selector import TargetSelector, validate_selector
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
import probatio
from probatio import All, Any as AnyOf, In, Optional, Required, Schema
import pytest

import custom_components.bmw_wallbox_victron as integration
from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
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


@pytest.fixture(autouse=True)
def _real_world() -> None:
    """Do without a Home Assistant: nearly all tests here only read files."""


# The manifest

LOCK = tomllib.loads((PROJECT / "uv.lock").read_text(encoding="utf-8"))


def _lowercase(value: str) -> str:
    return value if value == value.lower() else refuse("not in lower case")


def _documentation(value: str) -> str:
    if not value.startswith("https://"):
        refuse("not https")
    if value.startswith("https://www.home-assistant.io"):
        refuse("Home Assistant does not document custom integrations")
    return value


def _version(value: str) -> str:
    if value != PROJECT_TABLE["project"]["version"]:
        refuse("not the version in pyproject.toml")
    AwesomeVersion(value, ensure_strategy=AwesomeVersionStrategy.SEMVER)
    return value


def _requirement(value: str) -> str:
    """Check a requirement: what is tested has to fulfil it."""
    requirement = Requirement(value)
    if requirement.url or not requirement.specifier:
        refuse("from another place than PyPI, or any version")
    if {each.operator for each in requirement.specifier} - {"==", ">=", "<", "~="}:
        refuse("an unusual version")
    versions = [
        package["version"]
        for package in LOCK["package"]
        if package["name"] == canonicalize_name(requirement.name)
    ]
    if not versions:
        refuse("not tested: it is not in uv.lock")
    if not all(requirement.specifier.contains(version) for version in versions):
        refuse("another version is tested")
    return value


def _component(value: str) -> str:
    found = (CORE / value / "manifest.json").is_file()
    return value if found else refuse("no such component")


def _matcher(value: dict[str, Any]) -> dict[str, Any]:
    if not value.keys() - {"connectable"}:
        refuse("matches every device")
    return value


def _in_order(manifest: dict[str, Any]) -> dict[str, Any]:
    if list(manifest) != [
        "domain",
        "name",
        *sorted(manifest.keys() - {"domain", "name"}),
    ]:
        refuse("not in order: domain, name, then by the alphabet")
    return manifest


def _apart(manifest: dict[str, Any]) -> dict[str, Any]:
    both = {*manifest["dependencies"]} & {*manifest.get("after_dependencies", ())}
    return refuse(f"both needed and waited for: {both}") if both else manifest


def _known_types() -> tuple[str, ...]:
    return get_args(get_type_hints(loader.Manifest)["integration_type"])


BYTE = All(int, probatio.Range(min=0, max=0xFF))
UUID = All(
    str, _lowercase, probatio.Match(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
)
MANIFEST_SCHEMA = All(
    _in_order,
    Schema(
        {
            Required("domain"): In([ROOT.name]),
            Required("name"): In([NAME]),
            Optional("after_dependencies"): [_component],
            Required("bluetooth"): [
                All(
                    {
                        Optional("connectable"): bool,
                        Optional("local_name"): str,
                        Optional("manufacturer_data_start"): [BYTE],
                        Optional("manufacturer_id"): All(
                            int, probatio.Range(min=0, max=0xFFFF)
                        ),
                        Optional("service_data_uuid"): UUID,
                        Optional("service_uuid"): UUID,
                    },
                    _matcher,
                )
            ],
            Required("codeowners"): [All(str, probatio.Match(r"@[\w-]+(/[\w-]+)?$"))],
            Required("config_flow"): True,
            Required("dependencies"): [_component],
            Required("documentation"): All(probatio.Url(), _documentation),
            Required("integration_type"): In(_known_types()),
            Required("iot_class"): In(
                [
                    *("assumed_state", "calculated", "cloud_polling", "cloud_push"),
                    *("local_polling", "local_push"),
                ]
            ),
            Required("issue_tracker"): All(probatio.Url(), _documentation),
            Required("loggers"): [str],
            # Home Assistant shows a tier only where it has checked it itself.
            Optional("quality_scale"): "custom",
            Required("requirements"): [All(str, _requirement)],
            Required("version"): All(str, _version),
        }
    ),
    _apart,
)


@pytest.mark.usefixtures("enable_custom_integrations")
async def test_manifest(hass: HomeAssistant) -> None:
    """The manifest is as Home Assistant wants it, and is ours."""
    MANIFEST_SCHEMA(MANIFEST)
    loaded = await loader.async_get_integration(hass, DOMAIN)
    assert not loaded.is_built_in
    assert loaded.version == MANIFEST["version"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (put("domain", value="other"), "domain"),
        (put("name", value="Wallbox"), "name"),
        (put("zzz", value=1), "zzz"),
        (lambda manifest: manifest.update(domain=manifest.pop("domain")), "in order"),
        (put("bluetooth", value=[{"connectable": False}]), "every device"),
        (put("bluetooth", value=[{"manufacturer_id": 65_536}]), "manufacturer_id"),
        (put("bluetooth", value=[{"service_uuid": "180F"}]), "lower case"),
        (put("bluetooth", value=[{"manufacturer_data_start": [256]}]), "data_start"),
        (put("codeowners", value=["octocat"]), "codeowners"),
        (put("config_flow", value=False), "config_flow"),
        (put("dependencies", value=["bluetooth_adaptors"]), "no such component"),
        (
            lambda manifest: manifest.update(
                {
                    key: manifest.pop(key)
                    for key in ["after_dependencies", *list(manifest)[2:]]
                    if manifest.setdefault("after_dependencies", ["bluetooth_adapters"])
                }
            ),
            "both needed",
        ),
        (put("documentation", value="http://example.org"), "not https"),
        (
            put("documentation", value="https://www.home-assistant.io/integrations/x"),
            "custom integrations",
        ),
        (put("integration_type", value="wallbox"), "integration_type"),
        (put("iot_class", value="local"), "iot_class"),
        (drop("iot_class"), "iot_class"),
        (drop("issue_tracker"), "issue_tracker"),
        (put("requirements", value=["ocpp"]), "any version"),
        (put("requirements", value=["ocpp @ https://example.org/x"]), "another place"),
        (put("requirements", value=["ocpp==2.0.0"]), "another version"),
        (put("requirements", value=["ocpp!=2.0.0"]), "unusual"),
        (put("requirements", value=["left-pad==1.0"]), "not tested"),
        (put("version", value="0.0.9"), "not the version"),
        (drop("version"), "version"),
    ],
)
def test_a_broken_manifest_is_refused(change: Changer, why: str) -> None:
    """None of these gets through."""
    assert_refused(MANIFEST_SCHEMA, MANIFEST, change, why)


def test_config_flow_is_there() -> None:
    """A flow that can start by itself tells devices apart by their unique ids."""
    source = (ROOT / "config_flow.py").read_text(encoding="utf-8")
    assert "async_set_unique_id(" in source
    assert "async def async_step_bluetooth(" in source


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
    if "bluetooth_adapters" in declared:
        declared.add("bluetooth")  # which these set up
    # A platform of ours is loaded by the component whose platform it is.
    platforms = {path.stem for path in SOURCES if len(path.parts) == 1}
    return {*imported_components(tree)} - declared - platforms - {*Platform}


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_components_are_declared(path: Path) -> None:
    """What a module imports is set up before it."""
    assert undeclared(SOURCES[path], MANIFEST) == set()


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


def test_bluetooth_needs_its_dependency() -> None:
    """Without the adapters nobody sets Bluetooth up."""
    found = undeclared(SOURCES[Path("listener.py")], MANIFEST | {"dependencies": []})
    assert found == {"bluetooth"}


# Strings

#: Links do not survive the way through the translators.
ADDRESS = re.compile(r"\b(?:[a-z][a-z0-9+.-]*://|www\.)[a-z0-9]", re.IGNORECASE)
QUOTED_PLACEHOLDER = re.compile(r"'{\w+}'")
KEY = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")


def _text(value: Any, *, placeholders: bool = True) -> str:
    """Check a text: what it may have in it."""
    if not isinstance(value, str):
        refuse("not a text")
    text = cv.string_with_no_html(value)
    if text != text.strip() or not text:
        refuse("blanks around it, or nothing in it")
    if ADDRESS.search(text):
        refuse("an address: it belongs into a placeholder")
    if QUOTED_PLACEHOLDER.search(text):
        refuse("a placeholder in single quotes")
    if "[%" in text or "%]" in text:
        refuse("a reference, which only Home Assistant's own strings have")
    for _, name, _, _ in string.Formatter().parse(text):
        if name is not None and not name.isidentifier():
            refuse("a placeholder without a name")
        if name is not None and not placeholders:
            refuse("a placeholder where nobody fills it")
    return text


LABEL = partial(_text, placeholders=False)


def _key(value: str) -> str:
    return value if KEY.fullmatch(value) else refuse(f"not a translation key: {value}")


def _platform(value: str) -> str:
    return value if value in {*Platform} else refuse(f"no platform: {value}")


def _each(value: Any, key: Callable[[str], str] = _key) -> Any:
    return cv.schema_with_slug_keys(value, slug_validator=key)


def _described_fields(value: dict[str, Any]) -> dict[str, Any]:
    """Check that what has a description has a name as well."""
    for step in value["step"].values():
        for part in (step, *step.get("sections", {}).values()):
            unknown = (
                part.get("data_description", {}).keys() - part.get("data", {}).keys()
            )
            if unknown:
                refuse(f"described, but not there: {unknown}")
        unknown = (
            step.get("menu_option_descriptions", {}).keys()
            - step.get("menu_options", {}).keys()
        )
        if unknown:
            refuse(f"described, but not there: {unknown}")
    return value


def _flow(**more: Any) -> Any:
    """Describe the strings of a flow."""
    texts = {str: _text}
    fields = {Optional("data"): texts, Optional("data_description"): texts}
    required: dict[Any, Any] = {Required(key): value for key, value in more.items()}
    return All(
        {
            Optional("flow_title"): _text,
            Required("step"): {
                cv.slug: {
                    **fields,
                    Optional("title"): _text,
                    Optional("description"): _text,
                    Optional("menu_options"): texts,
                    Optional("menu_option_descriptions"): texts,
                    Optional("submit"): _text,
                    Optional("sections"): {
                        str: {
                            **fields,
                            Optional("name"): _text,
                            Optional("description"): _text,
                        }
                    },
                }
            },
            Optional("error"): texts,
            Optional("abort"): texts,
            Optional("progress"): texts,
            Optional("create_entry"): texts,
            **required,
        },
        _described_fields,
    )


def _issue(value: dict[str, Any]) -> dict[str, Any]:
    if ("description" in value) == ("fix_flow" in value):
        refuse("an issue has either a description or a flow that repairs it")
    return value


_ACTION = {
    Required("name"): _text,
    Required("description"): _text,
    Optional("fields"): _each(
        {
            Required("name"): LABEL,
            Required("description"): _text,
            Optional("example"): _text,
        }
    ),
    Optional("sections"): _each(
        {Required("name"): LABEL, Optional("description"): _text}
    ),
}
STRINGS_SCHEMA = Schema(
    {
        Required("config"): _flow(),
        Optional("config_subentries"): _each(
            _flow(
                entry_type=_text, initiate_flow={Required("user"): _text, str: _text}
            ),
            cv.slug,
        ),
        Optional("options"): _flow(),
        Optional("device"): _each({Optional("name"): _text}),
        Optional("entity"): _each(
            _each(
                {
                    Optional("name"): _text,
                    Optional("state"): _each(LABEL),
                    Optional("state_attributes"): _each(
                        {Optional("name"): LABEL, Optional("state"): _each(LABEL)}
                    ),
                    Optional("unit_of_measurement"): LABEL,
                }
            ),
            _platform,
        ),
        Optional("exceptions"): _each({Required("message"): _text}, cv.slug),
        Optional("issues"): {
            cv.slug: All(
                {
                    Required("title"): _text,
                    Optional("description"): _text,
                    Optional("fix_flow"): _flow(),
                },
                _issue,
            )
        },
        Optional("selector"): _each(
            {
                Optional("choices"): _each(_text),
                Optional("fields"): _each(
                    {Required("name"): LABEL, Optional("description"): _text}
                ),
                Optional("options"): _each(_text),
                Optional("unit_of_measurement"): _each(_text),
            },
            cv.slug,
        ),
        Optional("services"): _each(_ACTION),
        Optional("conditions"): _each(_ACTION, cv.underscore_slug),
        Optional("triggers"): _each(_ACTION, cv.underscore_slug),
    }
)
LANGUAGES = {
    path.stem: read_json(path)
    for path in sorted((ROOT / "translations").glob("*.json"))
}
ENGLISH = LANGUAGES["en"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_strings(language: str) -> None:
    """Each language's strings are in sections that there are, and are good texts."""
    STRINGS_SCHEMA(LANGUAGES[language])


def test_no_other_files_of_strings() -> None:
    """A custom integration's strings are in its translations alone."""
    assert not (ROOT / "strings.json").exists()
    assert {path.suffix for path in (ROOT / "translations").iterdir()} == {".json"}


FIRST_ENTITY = (
    "entity",
    "binary_sensor",
    next(iter(ENGLISH["entity"]["binary_sensor"])),
)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (put("title", value="Wallbox"), "title"),
        (put("config", "title", value="Wallbox"), "title"),
        (put("config", "step", "user", "text", value="Hello"), "text"),
        (put("config", "step", "User", value={}), "User|slug"),
        (put("config", "error", "oops", value=""), "nothing in it"),
        (put("config", "error", "oops", value="Oops "), "blanks"),
        (put("config", "error", "oops", value="<b>Oops</b>"), "HTML"),
        (put("config", "error", "oops", value="See https://example.org"), "address"),
        (put("config", "error", "oops", value="See www.example.org"), "address"),
        (put("config", "error", "oops", value="No '{name}'"), "single quotes"),
        (put("config", "error", "oops", value="No {}"), "without a name"),
        (put("config", "error", "oops", value="No {a b}"), "without a name"),
        (put("config", "error", "oops", value="[%key:common::x%]"), "reference"),
        (put("config", "error", "oops", value=1), "error"),
        (
            put("config", "step", "user", "data_description", value={"nothing": "No"}),
            "not there",
        ),
        (
            put(
                *("config", "step", "user", "menu_option_descriptions"),
                value={"nothing": "No"},
            ),
            "not there",
        ),
        (drop("config_subentries", "wallbox", "entry_type"), "entry_type"),
        (drop("config_subentries", "wallbox", "initiate_flow", "user"), "user"),
        (put("entity", "sensors", value={}), "sensors"),
        (put("entity", "sensor", "Power", value={}), "translation key"),
        (put("entity", "sensor", "power__now", value={}), "translation key"),
        (put(*FIRST_ENTITY, "description", value="No"), "description"),
        (put(*FIRST_ENTITY, "state", value={"on": "{what} on"}), "nobody fills"),
        (put(*FIRST_ENTITY, "state", value={"On": "On"}), "translation key"),
        (put("exceptions", "oops", value={}), "message"),
        (put("exceptions", "oops", value={"text": "Oops"}), "text"),
        (put("issues", "oops", value={"title": "Oops"}), "either"),
        (
            put(
                *("issues", "oops"),
                value={
                    "title": "Oops",
                    "description": "It went wrong",
                    "fix_flow": {"step": {"confirm": {"title": "Repair"}}},
                },
            ),
            "either",
        ),
        (put("issues", "oops", value={"description": "No title"}), "title"),
        (drop("services", "get_sessions", "description"), "description"),
        (drop("triggers", "battery_became_low", "name"), "name"),
        (put("conditions", "on-mains", value={}), "on-mains|slug"),
        (put("selector", "periods", "texts", value={}), "texts"),
    ],
)
def test_broken_strings_are_refused(change: Changer, why: str) -> None:
    """None of these gets through."""
    assert_refused(STRINGS_SCHEMA, ENGLISH, change, why)


# Actions, triggers, conditions


def _something(value: Any) -> Any:
    return refuse("nothing where an example is expected") if value is None else value


_FIELD = {
    Optional("default"): _something,
    Optional("example"): _something,
    Optional("required"): bool,
    Required("selector"): validate_selector,
}
_TARGET = {Optional("target"): TargetSelector.CONFIG_SCHEMA}


def _once(fields: dict[str, Any]) -> dict[str, Any]:
    """Check that a section has no field that there is already outside of it."""
    names = [
        inner for name, field in fields.items() for inner in field.get("fields", [name])
    ]
    return fields if len(names) == len({*names}) else refuse("a field is there twice")


def _field_or_section(value: Any) -> Any:
    section = {Optional("collapsed"): bool, Required("fields"): {cv.slug: _FIELD}}
    return Schema(section if "fields" in value else _FIELD)(value)


ACTION_FIELDS = All({cv.slug: _field_or_section}, _once)
DESCRIPTION_SCHEMAS = {
    "services": Schema(
        {
            probatio.Remove(All(str, probatio.Match(r"\."))): object,
            cv.slug: AnyOf(None, {**_TARGET, Optional("fields"): ACTION_FIELDS}),
        }
    ),
    **{
        kind: Schema(
            {
                probatio.Remove(All(str, probatio.Match(r"\."))): object,
                cv.underscore_slug: AnyOf(
                    None, {**_TARGET, Optional("fields"): {cv.slug: _FIELD}}
                ),
            }
        )
        for kind in ("triggers", "conditions")
    },
}


@pytest.mark.parametrize("kind", DESCRIPTIONS)
def test_descriptions(kind: str) -> None:
    """Actions, triggers and conditions have fields whose selectors there are."""
    DESCRIPTION_SCHEMAS[kind](DESCRIPTIONS[kind])


@pytest.mark.parametrize("kind", DESCRIPTIONS)
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda each: each.update(name="It"), "name"),
        (lambda each: each.update(target={"entities": {}}), "target|entities"),
        (lambda each: each["fields"].update(Field={}), "Field|slug"),
        (lambda each: each["fields"].update(field={}), "selector"),
        (
            lambda each: each["fields"].update(field={"selector": {"no": {}}}),
            "selector",
        ),
        (
            lambda each: each["fields"].update(
                field={"selector": {"number": {"min": 1, "maximum": 2}}}
            ),
            "maximum",
        ),
        (
            lambda each: each["fields"].update(
                field={"selector": {"text": None}, "example": None}
            ),
            "example",
        ),
        (
            lambda each: each["fields"].update(
                field={"selector": {"text": None}, "needed": True}
            ),
            "needed",
        ),
    ],
)
def test_broken_descriptions_are_refused(kind: str, change: Changer, why: str) -> None:
    """None of these gets through."""
    names = [name for name, each in DESCRIPTIONS[kind].items() if "fields" in each]
    assert_refused(
        DESCRIPTION_SCHEMAS[kind],
        DESCRIPTIONS[kind],
        lambda content: change(content[names[0]]),
        why,
    )


def test_a_field_in_two_sections_is_refused() -> None:
    """A section's fields are the action's: their names are theirs alone."""
    field = {"selector": {"text": None}}
    assert_refused(
        DESCRIPTION_SCHEMAS["services"],
        DESCRIPTIONS["services"],
        put(
            *("get_sessions", "fields"),
            value={"text": field, "section": {"fields": {"text": field}}},
        ),
        "twice",
    )


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
        for key, parts in ENGLISH["selector"].items()
    }
    assert {key: words.get(key) for key in used} == used
    code = "".join(ast.unparse(tree) for tree in SOURCES.values())
    for key in words.keys() - used.keys():
        assert f".selector.{key}.options." in code
    assert words["kind"] == {("options", kind) for kind in Kind}


# Icons

ICON_LIST = Path(hass_frontend.__file__).parent / "static" / "mdi" / "iconList.json"
MDI = {f"mdi:{icon['name']}" for icon in json.loads(ICON_LIST.read_text("utf-8"))}


def _icon(value: str) -> str:
    return value if value in MDI else refuse(f"the frontend has no icon {value}")


def _range(value: Mapping[str, Any]) -> Mapping[str, Any]:
    numbers = [float(key) for key in value]
    return value if numbers == sorted(numbers) else refuse("a range that does not rise")


def _differing(value: dict[str, Any]) -> dict[str, Any]:
    """Check that a state has its own icon only where that is another one."""
    if value.get("default") in [*value.get("state", {}).values()]:
        refuse("a state's icon that is the default as well")
    return value


_ICONS: dict[Any, Any] = {
    Optional("default"): _icon,
    Optional("range"): All({probatio.Coerce(float): _icon}, _range),
    Optional("state"): _each(_icon),
}
ICONS_SCHEMA = Schema(
    {
        Optional("entity"): _each(
            _each(
                All(
                    {
                        **_ICONS,
                        Optional("state_attributes"): _each(
                            All({**_ICONS, Required("default"): _icon}, _differing)
                        ),
                    },
                    _differing,
                )
            ),
            _platform,
        ),
        Optional("services"): _each(
            {Required("service"): _icon, Optional("sections"): _each(_icon)}
        ),
        Optional("triggers"): _each({Required("trigger"): _icon}, cv.underscore_slug),
        Optional("conditions"): _each(
            {Required("condition"): _icon}, cv.underscore_slug
        ),
    }
)
ICONS = read_json(ROOT / "icons.json")


def test_icons() -> None:
    """Icons are in sections that there are, and the frontend has them."""
    assert len(MDI) > 7000
    ICONS_SCHEMA(ICONS)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (put("entity", "sensor", "status", "default", value="mdi:wallbox"), "no icon"),
        (put("entity", "sensor", "status", "default", value="ev-station"), "no icon"),
        (put("entity", "sensors", value={}), "sensors"),
        (put("entity", "sensor", "Status", value={}), "translation key"),
        (put("entity", "sensor", "status", "icon", value="mdi:car"), "icon"),
        (
            put(
                "entity",
                "sensor",
                "status",
                "state",
                "charging",
                value="mdi:ev-station",
            ),
            "default as well",
        ),
        (
            put(
                *("entity", "sensor", "status", "range"),
                value={"10": "mdi:battery-10", "0": "mdi:battery"},
            ),
            "does not rise",
        ),
        (put("services", "get_sessions", value="mdi:car"), "get_sessions"),
        (put("services", "get_sessions", "service", value="mdi:cars"), "no icon"),
        (put("triggers", "on", value={"icon": "mdi:car"}), "trigger"),
        (put("conditions", "on", value={}), "condition"),
    ],
)
def test_broken_icons_are_refused(change: Changer, why: str) -> None:
    """None of these gets through."""
    assert_refused(ICONS_SCHEMA, ICONS, change, why)


def _icons_in_use() -> dict[str, set[str]]:
    """Find the icons that dashboards, blueprints, the demo and the code name."""
    found: dict[str, set[str]] = {}
    for folder in ("blueprints", "custom_components", "dashboards", "demo"):
        for path in (PROJECT / folder).rglob("*"):
            if path.suffix in (".py", ".yaml", ".json", ".md"):
                names = re.findall(r"mdi:[a-z0-9-]+", path.read_text(encoding="utf-8"))
                if names:
                    found[str(path.relative_to(PROJECT))] = {*names}
    return found


def test_the_frontend_has_every_icon() -> None:
    """A name that is spelt wrong would show nothing at all."""
    used = _icons_in_use()
    assert {path.split("/")[0] for path in used} == {
        *("blueprints", "custom_components", "dashboards", "demo")
    }
    assert {path: names - MDI for path, names in used.items() if names - MDI} == {}


def test_no_icon_is_written_in_the_code() -> None:
    """Icons are in icons.json, where they follow the state."""

    def names(tree: ast.AST) -> Iterable[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from re.findall(r"mdi:[a-z0-9-]+", node.value)

    assert {
        str(path): [*names(tree)] for path, tree in SOURCES.items() if [*names(tree)]
    } == {}
