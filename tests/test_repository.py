"""The repository as HACS and GitHub want it: hacs.json, files, workflows."""

import ast
from collections.abc import Iterator
import datetime as dt
from functools import partial
import os
from pathlib import Path
import re
import subprocess
import tomllib
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


# A release

RELEASE = WORKFLOWS["release"]
VERSION: str = MANIFEST["version"]
CHANGELOG = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_a_version_is_the_same_everywhere() -> None:
    """In the manifest, the project, its lock file, the changelog and the form."""
    assert PROJECT_TABLE["project"]["version"] == VERSION
    lock = tomllib.loads((PROJECT / "uv.lock").read_text(encoding="utf-8"))
    (locked,) = (each for each in lock["package"] if each["source"] == {"virtual": "."})
    assert locked["version"] == VERSION
    (newest, date), *_ = re.findall(
        r"^## \[(\d\S*)\] - (\S+)$", CHANGELOG, re.MULTILINE
    )
    assert newest == VERSION
    dt.date.fromisoformat(date)
    form = load_yaml_dict(str(PROJECT / ".github/ISSUE_TEMPLATE/bug_report.yml"))
    (field,) = (part for part in form["body"] if part.get("id") == "version")
    assert field["attributes"]["placeholder"] == VERSION


def test_a_release_waits_for_the_gate() -> None:
    """A tag makes it, once all of that has passed; it carries the integration."""
    assert RELEASE[True] == {
        "push": {"tags": ["v*"]}
    }  # YAML takes the key `on` for yes
    gate, release = RELEASE["jobs"]["gate"], RELEASE["jobs"]["release"]
    assert [step["run"] for step in gate["steps"] if "run" in step][
        -1
    ] == "bash .ci/run"
    assert release["needs"] == "gate"
    runs = " ".join(step.get("run", "") for step in release["steps"])
    assert f"--output={DOMAIN}.zip HEAD:custom_components/{DOMAIN}" in runs
    assert f'gh release create "$TAG" {DOMAIN}.zip' in runs


def _run_step(job: str, name: str, folder: Path, tag: str) -> str:
    """Run a step of the release in a folder; return what it complains of."""
    (step,) = (
        step
        for step in RELEASE["jobs"][job]["steps"]
        if step.get("name", "").startswith(name)
    )
    done = subprocess.run(  # noqa: S603 - a step of ours
        ("/bin/bash", "-eo", "pipefail", "-c", step["run"]),
        cwd=folder,
        env={**os.environ, "TAG": tag},
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode != 0) == bool(done.stdout), done.stderr
    return done.stdout.removeprefix("::error::").strip()


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    """A checkout of what is tagged, whose address is decided."""
    manifest = tmp_path / "custom_components" / DOMAIN / "manifest.json"
    manifest.parent.mkdir(parents=True)
    text = (PROJECT / manifest.relative_to(tmp_path)).read_text(encoding="utf-8")
    manifest.write_text(text.replace("OWNER/REPOSITORY", "octocat/hello"))
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    return tmp_path


def test_what_is_tagged_is_released_with_its_notes(tagged: Path) -> None:
    """They are the version's section of the changelog, and no other."""
    assert _run_step("gate", "Tag, manifest", tagged, f"v{VERSION}") == ""
    older = "\n## [0.0.1] - 2020-01-01\n\n- What was before\n"
    (tagged / "CHANGELOG.md").write_text(CHANGELOG + older)
    assert _run_step("release", "Take the changelog", tagged, f"v{VERSION}") == ""
    notes = (tagged / "notes.md").read_text()
    assert len(notes.split()) > 50
    assert "## [" not in notes
    assert "What was before" not in notes


def test_what_does_not_fit_is_not_released(tagged: Path) -> None:
    """Another tag, no section in the changelog, an address that is not decided."""
    check = partial(_run_step, "gate", "Tag, manifest", tagged)
    assert "the tag says v9.9.9" in check("v9.9.9")
    (tagged / "CHANGELOG.md").write_text("# Changelog\n")
    assert "no section" in check(f"v{VERSION}")
    (tagged / "CHANGELOG.md").write_text(CHANGELOG)
    (tagged / "custom_components" / "more.md").write_text("OWNER/REPOSITORY")
    assert "address" in check(f"v{VERSION}")


def test_what_a_report_has_to_say() -> None:
    """A fault is reported with what answers most questions."""
    form = load_yaml_dict(str(PROJECT / ".github/ISSUE_TEMPLATE/bug_report.yml"))
    required = {
        part["id"]
        for part in form["body"]
        if part.get("validations", {}).get("required")
    }
    assert required == {"version", "home-assistant", "what", "diagnostics"}
    asked = {part.get("id") for part in form["body"]}
    assert {"check", "trace", "log"} <= asked


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
