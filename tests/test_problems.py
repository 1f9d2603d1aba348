"""Problems: the table has all of them, and what is said of one is said once."""

import ast
from collections.abc import Iterator
import json
import logging
from pathlib import Path
import re
from types import MappingProxyType
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest

import custom_components.bmw_wallbox_victron as integration
from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.problem import Problem
from custom_components.bmw_wallbox_victron.problems import (
    TABLE,
    About,
    ProblemDescription,
)
from custom_components.bmw_wallbox_victron.site_problems import SiteProblems

FOLDER = Path(integration.__file__).parent
ISSUES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text("utf-8"))["issues"]
    for path in (FOLDER / "translations").glob("*.json")
}
WALLBOX = "DE*BMW*E1"


# The table


def test_the_table_is_whole() -> None:
    """Each problem has its row, and each row says something somewhere."""
    assert set(TABLE) == set(Problem)
    for description in TABLE.values():
        assert description.start is not None or description.issue is not None


@pytest.mark.parametrize("problem", Problem)
def test_a_row_fits_the_others(problem: Problem) -> None:
    """What is said of a case ends with what is said of all of them."""
    row = TABLE[problem]
    # A line in the log must be over as well by the time that an issue is.
    assert row.issue is None or row.calm_s == 0
    assert row.faded is None or row.fades_s is not None
    # Nobody has to resolve what fades; all else has a line for that.
    assert row.start is None or row.end is not None or row.fades_s is not None
    if row.case_of is not None:
        main = TABLE[row.case_of]
        assert main.case_of is None
        assert main.about is row.about
        assert main.fades_s == row.fades_s
        assert row.issue is None or main.issue is not None
    for other in (*row.explains, *row.explained_by):
        assert TABLE[other].about is row.about


@pytest.mark.parametrize("language", ["de", "en", "pl", "pt"])
def test_issues_are_translated(language: str) -> None:
    """Each repair issue has its words and no words are unused; its facts fill them."""
    assert len(ISSUES) == 4
    issues = ISSUES[language]
    shown = {key: row.issue for key, row in TABLE.items() if row.issue is not None}
    assert issues.keys() == shown.keys()
    for key, issue in shown.items():
        words = issues[key]
        assert ("fix_flow" in words) is issue.is_fixable
        assert ("description" in words) is not issue.is_fixable
        needed = set(re.findall(r"{(\w+)}", json.dumps(words)))
        assert needed == set(issue.placeholders)
        assert issue.foreign.keys() <= needed


def _blanks(row: ProblemDescription) -> set[str]:
    """Return the facts that fill what is said of a problem."""
    lines = " ".join(filter(None, (row.start, row.end, row.faded)))
    blanks = set(re.findall(r"%\((\w+)\)", lines))
    if row.issue is not None:
        blanks |= set(row.issue.placeholders)
        blanks.discard("charge_point_id")  # that is its subject
    if row.about is About.WALLBOX:
        blanks.discard("name")  # its subentry has one
    return blanks - {"subject"}


def _reports(function: str) -> Iterator[tuple[set[Problem], set[str]]]:
    """Find what the code reports: the problems that it may be, and the facts."""
    for path in FOLDER.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(call, ast.Call) or not call.args:
                continue
            if not ast.unparse(call.func).endswith(f"problems.{function}"):
                continue
            names = {
                each.attr
                for each in ast.walk(call.args[0])
                if isinstance(each, ast.Attribute)
                and ast.unparse(each.value) == "Problem"
            }
            facts = {each.arg for each in call.keywords if each.arg is not None}
            yield {Problem[name] for name in names}, facts - {"expected"}


def test_reports_give_the_facts_that_are_said() -> None:
    """No more and no less; where the problem is looked up, what one of them needs."""
    seen = list(_reports("report"))
    assert len(seen) >= 15
    for problems, facts in seen:
        for problem in problems:
            assert facts == _blanks(TABLE[problem]), problem
        assert facts in [_blanks(row) for row in TABLE.values()]


def test_the_kernel_knows_no_sentences() -> None:
    """What it logs itself is for us: DEBUG, and bugs."""
    for folder in ("wallbox", "victron", "battery"):
        for path in (FOLDER / folder).rglob("*.py"):
            text = path.read_text("utf-8")
            assert not re.search(r"_LOGGER\.(info|warning)", text), path
            assert "homeassistant" not in text.replace("Home Assistant", ""), path


# What is said of one


@pytest.fixture
def problems(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> SiteProblems:
    """Those of a site, with a clock that a test turns."""
    caplog.set_level(logging.INFO)
    return SiteProblems(hass)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged, and start anew."""
    said = [
        f"{record.levelname} {record.getMessage()}"
        for record in caplog.records
        if record.name == SiteProblems.__module__
    ]
    caplog.clear()
    return said


def test_what_fades(
    problems: SiteProblems,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is over once nobody has reported it for so long."""
    for _ in range(3):
        problems.report(Problem.REBOOTS, WALLBOX)
        freezer.tick(599)
        problems.async_sweep()
    (line,) = lines(caplog)
    assert line.startswith(f"WARNING Wallbox {WALLBOX} reboots again and again")
    freezer.tick(1)
    problems.async_sweep()
    assert lines(caplog) == [f"INFO Wallbox {WALLBOX} does not reboot any more"]
    assert not problems.is_open(Problem.REBOOTS, WALLBOX)


def test_what_comes_and_goes(
    problems: SiteProblems,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is one problem, until it has been over for so long."""
    for _ in range(3):
        problems.report(Problem.CONNECTION_LOST, WALLBOX)
        freezer.tick(60)
        problems.resolve(Problem.CONNECTION_LOST, WALLBOX)
        freezer.tick(119)
        problems.async_sweep()
    assert len(lines(caplog)) == 1
    freezer.tick(1)
    problems.async_sweep()
    assert lines(caplog) == [f"INFO Wallbox {WALLBOX} is connected again"]


def test_what_is_expected(
    problems: SiteProblems,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is said if it lasts; where it does not, neither its start nor its end is."""
    for lasts_s, said in ((299, 0), (300, 1)):
        problems.report(Problem.CONNECTION_LOST, WALLBOX, expected=True)
        freezer.tick(lasts_s)
        problems.async_sweep()
        problems.resolve(Problem.CONNECTION_LOST, WALLBOX)
        freezer.tick(120)
        problems.async_sweep()
        assert len(lines(caplog)) == 2 * said


def test_what_says_more(
    problems: SiteProblems, caplog: pytest.LogCaptureFixture
) -> None:
    """Where one problem explains another one, the log has the one that says more."""
    problems.report(Problem.SILENT, "A4", name="Shunt", minutes=7)
    problems.report(Problem.WRONG_KEY, "A4", name="Shunt")
    assert len(lines(caplog)) == 2
    assert not problems.is_open(Problem.SILENT, "A4")
    problems.report(Problem.SILENT, "A4", name="Shunt", minutes=8)
    problems.report(Problem.SILENT, "A5", name="Charger", minutes=8)
    (line,) = lines(caplog)
    assert "Charger has given no reading" in line
    problems.resolve(Problem.WRONG_KEY, "A4", name="Renamed")
    assert lines(caplog) == ["INFO The encryption key fits Renamed again"]


def test_cases_of_one_problem(
    problems: SiteProblems, caplog: pytest.LogCaptureFixture
) -> None:
    """The first is said, and what resolves one of them resolves it."""
    for problem in (Problem.BMS_CANNOT_CONNECT, Problem.BMS_IMPLAUSIBLE):
        problems.report(problem, "A4", name="House battery", error="busy", interval=30)
    problems.report(Problem.SILENT, "A4", name="House battery", minutes=7)
    (line,) = lines(caplog)
    assert "It refuses the connection: close its app" in line
    problems.resolve(Problem.BMS_NO_ANSWER, "A4", name="House battery")
    assert lines(caplog) == ["INFO BMS House battery answers again"]
    assert not problems.is_open(Problem.SILENT, "A4")


def test_a_limit_that_is_not_kept(
    hass: HomeAssistant, problems: SiteProblems, caplog: pytest.LogCaptureFixture
) -> None:
    """One line and one issue, which says what is so; with no reason, none is shown."""
    subentry = ConfigSubentry(
        data=MappingProxyType({"charge_point_id": WALLBOX}),
        subentry_type="wallbox",
        title="Garage",
        unique_id=WALLBOX,
    )
    problems.async_keep([subentry], ())
    registry = ir.async_get(hass)
    issue_id = f"limit_not_enforced_{subentry.subentry_id}"
    for problem, key in (
        (Problem.LIMIT_NOT_ENFORCED, "limit_not_enforced"),
        (Problem.LIMIT_WITHOUT_EFFECT, "limit_without_effect"),
        (Problem.STOP_WITHOUT_EFFECT, "limit_without_effect"),
    ):
        problems.report(problem, WALLBOX, reason="")
        issue = registry.async_get_issue(DOMAIN, issue_id)
        assert issue is not None
        assert issue.translation_key == key
        assert issue.severity is ir.IssueSeverity.ERROR
        assert issue.translation_placeholders == {
            "name": "Garage",
            "charge_point_id": WALLBOX,
            "reason": "-",
        }
    (line,) = lines(caplog)
    assert "keep the limit that was set (it accepts and does not follow)" in line
    problems.withdraw(Problem.LIMIT_NOT_ENFORCED, WALLBOX)
    assert registry.async_get_issue(DOMAIN, issue_id) is None
    assert lines(caplog) == []
    problems.resolve(Problem.LIMIT_NOT_ENFORCED, WALLBOX)
    assert lines(caplog) == [f"INFO Wallbox {WALLBOX} keeps its limit again"]


def test_who_tries_many_names_says_nothing_new(
    problems: SiteProblems, caplog: pytest.LogCaptureFixture
) -> None:
    """Few are logged, of each problem by itself."""
    for number in range(100):
        problems.report(
            Problem.UNKNOWN_CHARGE_POINT, f"guess-{number}", address="192.0.2.1"
        )
    assert len(lines(caplog)) == 16
    problems.report(Problem.TLS_FAILED, "192.0.2.1", error="unknown ca")
    assert len(lines(caplog)) == 1


def test_of_what_was_removed_nothing_is_said(
    problems: SiteProblems,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither of a wallbox nor of a device; what is the site's goes on."""
    problems.report(Problem.REBOOTS, WALLBOX)
    problems.report(Problem.WRONG_KEY, "A4", name="Shunt")
    problems.report(Problem.WRONG_KEY, "A5", name="Charger")
    problems.report(Problem.NOT_STORED, "/config/file", reason="disk full")
    problems.async_keep((), ["A5"])
    assert len(lines(caplog)) == 4
    freezer.tick(3600)
    problems.async_sweep()
    problems.resolve(Problem.WRONG_KEY, "A4", name="Shunt")
    assert lines(caplog) == []
    problems.resolve(Problem.WRONG_KEY, "A5", name="Charger")
    problems.resolve(Problem.NOT_STORED, "/config/file")
    assert lines(caplog) == [
        "INFO The encryption key fits Charger again",
        "INFO /config/file can be written again",
    ]
