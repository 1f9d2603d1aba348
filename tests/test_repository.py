"""The repository as HACS and GitHub want it: hacs.json, files, workflows."""

import ast
from collections.abc import Iterator
from pathlib import Path
import re
import subprocess
from typing import Any

from awesomeversion import AwesomeVersion
from homeassistant.const import __version__
from homeassistant.util.yaml import load_yaml_dict
from packaging.requirements import Requirement
import pytest

from custom_components.bmw_wallbox_victron.bms import BMS_REQUIREMENT
from custom_components.bmw_wallbox_victron.const import DOMAIN

from .kit.files import MANIFEST, PROJECT, PROJECT_TABLE, read_json

# HACS


def test_hacs() -> None:
    """HACS knows the integration by its name, and who may install it."""
    pins = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    minimum = re.search(r"# Home Assistant (\S+)\nha-minimum", pins)
    assert minimum is not None
    assert read_json(PROJECT / "hacs.json") == {
        "name": MANIFEST["name"],
        "homeassistant": minimum[1],
    }
    assert AwesomeVersion(minimum[1]) <= __version__


def test_one_manifest_is_in_the_repository() -> None:
    """HACS refuses an integration's repository with a second one."""
    found = subprocess.run(  # noqa: S603 - a command of ours
        (
            *("git", "ls-files", "--cached", "--others", "--exclude-standard"),
            *("manifest.json", "**/manifest.json"),
        ),
        cwd=PROJECT,
        capture_output=True,
        check=True,
        text=True,
    )
    assert found.stdout.split() == [f"custom_components/{DOMAIN}/manifest.json"]


def test_one_integration_with_all_that_hacs_looks_for() -> None:
    """HACS installs one folder, and shows the README and the icon."""
    folders = [
        path
        for path in (PROJECT / "custom_components").iterdir()
        if path.name != "__pycache__"
    ]
    assert [path.name for path in folders] == [DOMAIN]
    assert (folders[0] / "brand" / "icon.png").is_file()
    assert {
        "codeowners",
        "documentation",
        "issue_tracker",
        "version",
    } <= MANIFEST.keys()
    assert len((PROJECT / "README.md").read_text(encoding="utf-8")) > 1000
    assert (PROJECT / "LICENSE").is_file()


# What is required


def _bounds() -> dict[str, Requirement]:
    """Read what Home Assistant may install for the integration."""
    return {
        requirement.name: requirement
        for requirement in map(
            Requirement, (BMS_REQUIREMENT, *MANIFEST["requirements"])
        )
    }


def _tested(group: str) -> dict[str, Requirement]:
    """Read what one of the two runs has of it."""
    return {
        requirement.name: requirement
        for each in PROJECT_TABLE["dependency-groups"][group]
        if isinstance(each, str)
        for requirement in [Requirement(each)]
    }


def test_both_ends_of_each_requirement_are_tested() -> None:
    """The newest with the newest Home Assistant, the lower bound with the oldest."""
    bounds, lower = _bounds(), _tested("minimum")
    assert _tested("dev") == bounds
    assert lower.keys() == bounds.keys()
    for name, requirement in bounds.items():
        # Another integration may want another version: a bound that is exact would
        # have both installed anew at each start.
        (bound,) = (each for each in requirement.specifier if each.operator != "<")
        assert bound.operator == ">=", name
        assert str(lower[name].specifier) == f"=={bound.version}"


# Workflows

WORKFLOWS = {
    path.stem: load_yaml_dict(str(path))
    for path in sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
}


def _steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows(name: str) -> None:
    """They end, and their failures count. What they may do is zizmor's to check."""
    for job in WORKFLOWS[name]["jobs"].values():
        assert job["timeout-minutes"] <= 60
        assert "continue-on-error" not in job
    for step in _steps(WORKFLOWS[name]):
        assert "continue-on-error" not in step
        uses = step.get("uses", "actions/x@v1")
        assert re.fullmatch(r"(actions|home-assistant|hacs)/[\w/-]+@\w+", uses)


def test_what_comes_is_tested_each_week() -> None:
    """The pin of that run is for that run alone; a change does not wait for it."""
    workflow = WORKFLOWS["next"]
    assert workflow[True].keys() == {"schedule", "workflow_dispatch"}
    runs = [step["run"] for step in _steps(workflow) if "run" in step]
    assert runs == ["scripts/pin-homeassistant newest", "bash .ci/run gate"]


def test_home_assistant_and_hacs_have_their_say() -> None:
    """Both check all they have, at each change and each week."""
    validate = WORKFLOWS["validate"]
    # YAML takes the key `on` for yes.
    assert {"push", "pull_request", "schedule"} <= validate[True].keys()
    uses = {step["uses"].partition("@")[0]: step for step in _steps(validate)}
    assert "home-assistant/actions/hassfest" in uses
    # With an input `ignore` HACS would leave checks out.
    assert uses["hacs/action"]["with"] == {"category": "integration"}


def test_the_release_is_the_integration() -> None:
    """What a release carries is named after the domain, and made from its folder."""
    runs = " ".join(step.get("run", "") for step in _steps(WORKFLOWS["release"]))
    assert f"--output={DOMAIN}.zip HEAD:custom_components/{DOMAIN}" in runs
    assert f"custom_components/{DOMAIN}/manifest.json" in runs
    assert WORKFLOWS["release"]["jobs"]["package"]["needs"] == "gate"


def test_what_a_report_has_to_say() -> None:
    """A fault is reported with what answers most questions."""
    form = load_yaml_dict(str(PROJECT / ".github/ISSUE_TEMPLATE/bug_report.yml"))
    required = {
        part["id"]
        for part in form["body"]
        if part.get("validations", {}).get("required")
    }
    assert required == {"version", "home-assistant", "what", "diagnostics"}
    assert "log" in {part.get("id") for part in form["body"]}


# The tests


@pytest.mark.parametrize(
    "path", sorted((PROJECT / "tests").rglob("*.py")), ids=lambda path: path.stem
)
def test_no_test_is_imported(path: Path) -> None:
    """What tests share is in tests/kit."""
    imported = {
        name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and (node.level or (node.module or "").partition(".")[0] == "tests")
        for name in (
            *(node.module or "").split("."),
            *(each.name for each in node.names),
        )
    }
    assert not {name for name in imported if name.startswith(("test_", "conftest"))}
