"""The strings, and what flows show of them."""

from collections.abc import Iterable, Iterator, Mapping
import re
from typing import Any

from homeassistant.data_entry_flow import FlowResultType

from .files import DESCRIPTIONS, ROOT, read_json

STRINGS = read_json(ROOT / "translations" / "en.json")


def described(kind: str) -> dict[str, Any]:
    """Read actions, triggers or conditions, without the anchors for several."""
    return {
        name: description or {}
        for name, description in DESCRIPTIONS[kind].items()
        if not name.startswith(".")
    }


TRIGGERS_YAML = described("triggers")


def leaves(strings: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Give all strings with their paths."""
    for key, value in strings.items():
        where = f"{path}.{key}".removeprefix(".")
        if isinstance(value, Mapping):
            yield from leaves(value, where)
        else:
            yield where, value


def placeholders(text: str) -> set[str]:
    """Find the placeholders of a string."""
    return set(re.findall(r"{(\w+)}", text))


def find(path: Iterable[str], strings: Mapping[str, Any] = STRINGS) -> Any:
    """Find what lies at a path; nothing, if it is not there."""
    found: Any = strings
    for key in path:
        found = found.get(key, {})
    return found


def assert_translated(result: Mapping[str, Any], *section: str) -> None:
    """Check that all that a flow shows has its string, and gets its placeholders."""
    strings = find(section)
    given = set(result.get("description_placeholders") or ())
    shown: list[str] = []
    kind = result["type"]
    if kind is FlowResultType.ABORT:
        if "translation_domain" in result:
            return  # Home Assistant's own
        shown = [strings["abort"][result["reason"]]]
    elif kind is FlowResultType.CREATE_ENTRY:
        shown = [strings["create_entry"][result["description"]]]
    else:
        step = strings["step"][result["step_id"]]
        shown = [text for _, text in leaves(step)]
        if kind is FlowResultType.MENU:
            assert step["menu_options"].keys() == set(result["menu_options"])
            assert (
                step["menu_option_descriptions"].keys() == step["menu_options"].keys()
            )
        else:
            fields = {str(field) for field in result["data_schema"].schema}
            assert step["data"].keys() == fields
            assert step["data_description"].keys() == fields
            errors = result.get("errors") or {}
            shown += [strings["error"][error] for error in errors.values()]
    assert set().union(*map(placeholders, shown)) == given
