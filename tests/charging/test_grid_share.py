"""How much of what a wallbox draws is import."""

from fractions import Fraction

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.charging.grid_share import GridShare


@st.composite
def courses(draw: st.DrawFn) -> list[tuple[int, float, float, float]]:
    """Draw seconds, import, power and power of the others, in whole W."""
    watts = st.integers(0, 11_000).map(float)
    imports = st.integers(-8000, 12_000).map(float)
    return draw(
        st.lists(st.tuples(st.integers(1, 30), imports, watts, watts), min_size=1)
    )


@given(courses(), st.integers(0, 50), st.integers(0, 50))
def test_the_share_is_what_flowed(
    course: list[tuple[int, float, float, float]], before: int, after: int
) -> None:
    """Of each second that of its readings; of a second without any, all."""
    share = GridShare()
    at, drawn, imported, known = 1000, Fraction(), Fraction(), 0
    for seconds, import_w, power_w, others_w in course:
        share.heard(
            at=at,
            import_w=import_w,
            power_w=power_w,
            others_w=others_w,
            stands_until=at + 20,
        )
        counted = min(seconds, 20)
        part = Fraction(1)
        if power_w + others_w > 0:
            part = min(Fraction(max(import_w, 0)) / Fraction(power_w + others_w), part)
        drawn += Fraction(power_w) * counted
        imported += Fraction(power_w) * part * counted
        known += counted
        at += seconds
    share.heard(at=at, import_w=None, power_w=None, stands_until=at + 20)
    mean = share.mean(1000 - before, at + after, 1)
    if mean is None:
        assert drawn == 0
        return
    of_time = Fraction(known, at + after - 1000 + before)
    assert mean == pytest.approx(float(1 - of_time + of_time * imported / drawn))
    assert 0 <= mean <= 1


def test_the_share_of_a_part() -> None:
    """What stands counts, too; what was heard before the time does not."""
    share = GridShare()
    share.heard(at=0, import_w=4000, power_w=4000, stands_until=60)
    share.heard(at=10, import_w=1000, power_w=4000, stands_until=70)
    share.heard(at=20, import_w=-1000, power_w=4000, stands_until=80)
    assert share.mean(10, 20, 1) == 0.25
    assert share.mean(15, 25, 1) == 0.125
    assert share.mean(20, 40, 1) == 0
    assert share.mean(60, 100, 1) == 0.5
    assert share.mean(80, 100, 1) is None
    assert share.mean(20, 20, 1) is None


def test_two_wallboxes_share_the_import() -> None:
    """In proportion to what they draw."""
    one, other = GridShare(), GridShare()
    one.heard(at=0, import_w=3000, power_w=4000, others_w=2000, stands_until=60)
    other.heard(at=0, import_w=3000, power_w=2000, others_w=4000, stands_until=60)
    assert one.mean(0, 10, 1) == other.mean(0, 10, 1) == 0.5


def test_a_long_silence() -> None:
    """What is older than an hour or two is forgotten, and nothing else."""
    share = GridShare()
    for at in (0, 10, 20_000, 20_010):
        share.heard(at=at, import_w=1000, power_w=2000, stands_until=at + 60)
    assert share.mean(20_000, 20_020, 1) == 0.5
    assert share.mean(0, 20, 1) is None


def test_readings_without_end() -> None:
    """What is remembered does not grow, and the newest is there."""
    share = GridShare()
    for second in range(20_000):
        share.heard(
            at=second,
            import_w=second % 3 * 1000,
            power_w=2000,
            stands_until=second + 60,
        )
    assert share.mean(19_000, 19_999, 1) == pytest.approx(0.5, abs=0.01)
    assert share.mean(0, 1000, 1) is None


def test_a_wallbox_that_tells_no_power() -> None:
    """What flowed is taken for its power, as after an outage of its connection."""
    share = GridShare()
    share.heard(at=0, import_w=1000, power_w=None, stands_until=3600)
    share.heard(at=1800, import_w=-500, power_w=None, stands_until=3600)
    # 2 kW for an hour: half of the first half was import.
    assert share.mean(0, 3600, 2000) == 0.25
    assert share.mean(0, 3600, 1000) == 0.5
    assert share.mean(0, 3600, 0) is None
