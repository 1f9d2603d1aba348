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
from probatio import Optional, Required, Schema
import pytest

from custom_components.bmw_wallbox_victron.const import DOMAIN

from .kit.files import (
    MANIFEST,
    PROJECT,
    Changer,
    assert_refused,
    drop,
    put,
    read_json,
    refuse,
)


@pytest.fixture(autouse=True)
def _real_world() -> None:
    """Do without a Home Assistant: all tests here only read files."""


# HACS

HACS = read_json(PROJECT / "hacs.json")


def _oldest(value: str) -> str:
    """Check the oldest Home Assistant: what the tests run with."""
    pins = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    match = re.search(r"# Home Assistant (\S+)\nha-minimum", pins)
    assert match is not None
    return value if value == match[1] else refuse(f"{match[1]} is tested")


def _name(value: str) -> str:
    return value if value == MANIFEST["name"] else refuse("not the manifest's name")


#: What HACS allows in it, but for what is of no use here.
HACS_SCHEMA = Schema(
    {
        Required("name"): _name,
        Required("homeassistant"): _oldest,
        Optional("hide_default_branch"): bool,
        Optional("hacs"): str,
    }
)


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


def test_hacs() -> None:
    """HACS knows the integration by its name, and who may install it."""
    HACS_SCHEMA(HACS)
    assert AwesomeVersion(HACS["homeassistant"]) <= __version__


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (put("name", value="Wallbox"), "manifest's name"),
        (drop("name"), "name"),
        (put("homeassistant", value="2025.1.0"), "is tested"),
        (drop("homeassistant"), "homeassistant"),
        (put("domains", value=["sensor"]), "domains"),
        (put("content_in_root", value=True), "content_in_root"),
    ],
)
def test_a_broken_hacs_file_is_refused(change: Changer, why: str) -> None:
    """None of these gets through."""
    assert_refused(HACS_SCHEMA, HACS, change, why)


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


# Workflows

WORKFLOWS = {
    path.stem: load_yaml_dict(str(path))
    for path in sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
}


def _steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def check_workflow(workflow: dict[str, Any]) -> None:
    """Check what a workflow may do, and whose actions it trusts with that."""
    if workflow["permissions"] != {"contents": "read"}:
        refuse("more than reading")
    for job in workflow["jobs"].values():
        if "timeout-minutes" not in job:
            refuse("no end")
        if job.get("continue-on-error"):
            refuse("failure counts for nothing")
    for step in _steps(workflow):
        uses = step.get("uses", "actions/x@v1")
        if not re.fullmatch(r"(actions|home-assistant|hacs)/[\w/-]+@\w+", uses):
            refuse(f"somebody else's action: {uses}")
        if step.get("continue-on-error"):
            refuse("failure counts for nothing")
        given = step.get("with", {})
        if uses.startswith("actions/checkout@") and given.get(
            "persist-credentials", True
        ):
            refuse("what comes after could write with our credentials")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows(name: str) -> None:
    """They do not more than they have to, and end."""
    check_workflow(WORKFLOWS[name])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (put("permissions", value="write-all"), "more than reading"),
        (drop("jobs", "hassfest", "timeout-minutes"), "no end"),
        (
            put("jobs", "hassfest", "continue-on-error", value=True),
            "counts for nothing",
        ),
        (put("jobs", "hacs", "steps", value=[{"uses": "x/y@main"}]), "somebody else"),
        (
            put("jobs", "hacs", "steps", value=[{"uses": "hacs/action"}]),
            "somebody else",
        ),
        (
            put(
                "jobs", "hacs", "steps", value=[{"run": "x", "continue-on-error": True}]
            ),
            "counts for nothing",
        ),
        (
            put("jobs", "hacs", "steps", value=[{"uses": "actions/checkout@v6"}]),
            "credentials",
        ),
    ],
)
def test_a_broken_workflow_is_refused(change: Changer, why: str) -> None:
    """None of these gets through."""
    assert_refused(check_workflow, WORKFLOWS["validate"], change, why)


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
