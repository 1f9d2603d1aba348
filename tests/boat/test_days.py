"""The days that the boat had before the demo."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from unittest import mock

import pytest

from demo.past import days
from demo.past.days import live_days
from demo.past.totals import totals

NOW = datetime(2026, 11, 29, 7, 24, 30, tzinfo=UTC)


def test_statistics_go_on_where_home_assistant_begins() -> None:
    with mock.patch.object(days, "_DAYS", 1):
        told = live_days(NOW, totals(NOW))
    by_key = {each.key: each for each in told}
    assert {each.metadata["has_sum"] for each in told} == {False, True}

    soc = by_key["soc"].rows
    times = [datetime.fromisoformat(row["start"]) for row in soc]
    end = NOW.replace(minute=0, second=0)
    assert times == [end - timedelta(hours=before) for before in range(24, 0, -1)]
    assert all(0 <= row["min"] <= row["mean"] <= row["max"] <= 100 for row in soc)
    # The sun shines by day, and the demo begins in the morning.
    sun = [row["mean"] for row in by_key["solar_power"].rows]
    assert sun[-1] > 50
    assert min(sun) == 0

    for key in ("energy_charged", "energy_discharged", "solar_energy", "load_energy"):
        rows = by_key[key].rows
        sums = [row["sum"] for row in rows]
        assert sums == sorted(sums)
        assert sums[0] == sums[1] < sums[-1] <= 0
        for row in rows:
            assert row["state"] - row["sum"] == pytest.approx(totals(NOW)[key])
    # What is charged in an hour is what the power was in it.
    for (before, after), row in zip(
        pairwise(by_key["solar_energy"].rows[1:]),
        by_key["solar_power"].rows[1:],
        strict=True,
    ):
        assert after["sum"] - before["sum"] == pytest.approx(
            row["mean"] / 1000, abs=0.01
        )
