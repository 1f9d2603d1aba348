"""What a station reports by the state of its wallbox."""

from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from custom_components.bmw_wallbox_victron.problem import Problem
from custom_components.bmw_wallbox_victron.wallbox.enforcement import Enforcement
from custom_components.bmw_wallbox_victron.wallbox.sessions import Ledger
from custom_components.bmw_wallbox_victron.wallbox.state import WallboxState
from custom_components.bmw_wallbox_victron.wallbox.station import Station
from custom_components.bmw_wallbox_victron.wallbox.station_config import StationConfig
from custom_components.bmw_wallbox_victron.wallbox.target import Target

from ..kit.problems import Reports

WALLBOX = "DE*BMW*E1"


def report(
    reports: Reports, enforcement: Enforcement, **target: Any
) -> AbstractSet[Problem]:
    """Let a station report, and return what is open then."""
    station = Station(
        StationConfig(charge_point_id=WALLBOX),
        state=WallboxState(),
        clock=lambda: datetime.now(UTC),
        call_later=lambda *_: lambda: None,
        on_change=lambda: None,
        ledger=Ledger(),
        problems=reports,
        steady=lambda: 0.0,
    )
    station.state = replace(
        station.state, enforcement=enforcement, target=Target(**target)
    )
    station.report_problems()
    assert {subject for _, subject in reports.open} <= {WALLBOX}
    return {problem for problem, _ in reports.open}


@pytest.mark.parametrize(
    ("enforcement", "target", "expected"),
    [
        (Enforcement(), {}, set()),
        (Enforcement(holds=True), {}, set()),
        (Enforcement(failing=True), {}, {Problem.LIMIT_NOT_ENFORCED}),
        (Enforcement(unable=True), {}, {Problem.CANNOT_LIMIT}),
        (
            Enforcement(unable=True, failing=True),
            {},
            {Problem.CANNOT_LIMIT, Problem.LIMIT_WITHOUT_EFFECT},
        ),
        (
            Enforcement(unable=True, failing=True),
            {"charging_allowed": False},
            {
                Problem.CANNOT_LIMIT,
                Problem.LIMIT_WITHOUT_EFFECT,
                Problem.STOP_WITHOUT_EFFECT,
            },
        ),
        (Enforcement(), {"lost": ("current_limit",)}, {Problem.TARGET_UNREADABLE}),
    ],
)
def test_what_the_state_tells(
    enforcement: Enforcement, target: dict[str, Any], expected: set[Problem]
) -> None:
    """A limit that is not kept, by a wallbox that can limit or not; a lost target."""
    assert report(Reports(), enforcement, **target) == expected


def test_the_facts() -> None:
    """The reason is the wallbox's own; where it gives none, that is not made up."""
    reports = Reports()
    report(reports, Enforcement(failing=True), lost=("schedule", "current_limit"))
    report(reports, Enforcement(failing=True, refusal="Rejected"))
    assert reports.of(Problem.LIMIT_NOT_ENFORCED) == [
        {"reason": ""},
        {"reason": "Rejected"},
    ]
    (facts,) = reports.of(Problem.TARGET_UNREADABLE)
    assert facts == {"lost": "schedule, current_limit"}


def test_what_is_not_known_is_not_over() -> None:
    """While it is away, one that could not limit still cannot."""
    reports = Reports()
    report(reports, Enforcement(unable=True))
    assert report(reports, Enforcement()) == {Problem.CANNOT_LIMIT}
    assert report(reports, Enforcement(failing=True)) == {
        Problem.CANNOT_LIMIT,
        Problem.LIMIT_WITHOUT_EFFECT,
    }
