"""The files of the project, and what is done to them to see it refused."""

import ast
from collections.abc import Callable
import copy
import json
from pathlib import Path
import re
import tomllib
from typing import Any

from homeassistant import components as core_components
from homeassistant.util.yaml import load_yaml_dict
import probatio
import pytest

import custom_components.bmw_wallbox_victron as integration

ROOT = Path(integration.__file__).parent
PROJECT = Path(__file__).parents[2]
CORE = Path(core_components.__file__).parent
type Changer = Callable[[Any], object]


def read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def refuse(message: str) -> Any:
    raise probatio.Invalid(message)


def put(*path: str, value: Any) -> Changer:
    """Give a change that puts a value at a path."""

    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


def drop(*path: str) -> Changer:
    """Give a change that removes what lies at a path."""

    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    return change


def assert_refused(
    check: Callable[[Any], object], good: Any, change: Changer, why: str
) -> None:
    """Check that what is right passes, and why a broken copy does not."""
    check(copy.deepcopy(good))
    broken = copy.deepcopy(good)
    change(broken)
    assert broken != good or list(broken) != list(good)
    with pytest.raises(probatio.Invalid) as raised:
        check(broken)
    errors = getattr(raised.value, "errors", [raised.value])
    said = "; ".join(f"{each.path}: {each.msg}" for each in errors)
    assert re.search(why, said, re.IGNORECASE), said


MANIFEST = read_json(ROOT / "manifest.json")
PROJECT_TABLE = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
SOURCES = {
    path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(ROOT.rglob("*.py"))
}
#: Actions, triggers and conditions, with the anchors for several.
DESCRIPTIONS = {
    kind: load_yaml_dict(str(ROOT / f"{kind}.yaml"))
    for kind in ("services", "triggers", "conditions")
}
