"""Check my wallbox: what it finds of each quirk, and what it leaves behind: nothing.

Time stands still unless a test lets it pass.
"""

from dataclasses import fields
import itertools
import os
from typing import Final

import pytest

from simulators.wallbox import Quirks

from .kit.bench import Bench, MakeBench
from .kit.self_check import (
    ALONE,
    BESIDE,
    HARMLESS,
    IMPOSSIBLE,
    SEEN,
    UNSEEN,
    Switch,
    begin,
    check,
    expected,
    found,
    quirks_of,
)

# What a wallbox does, whichever Home Assistant it is shown by.
pytestmark = pytest.mark.any_homeassistant

SWITCHES: Final = tuple(each for each in (*SEEN, *BESIDE) if each.name not in ALONE)
PAIRS: Final = tuple(
    (one, two)
    for one, two in itertools.combinations(SWITCHES, 2)
    if one.name != two.name and frozenset({one.name, two.name}) not in IMPOSSIBLE
)
#: Those with a habit that the check does not name.
BESIDE_HARMLESS: Final = tuple(
    (one, two)
    for one, two in itertools.product(SWITCHES, HARMLESS)
    if one.name != two.name and frozenset({one.name, two.name}) not in IMPOSSIBLE
)
#: What is seen in another way where a limit was set before.
LIMITED: Final = tuple(
    pair
    for pair in PAIRS
    if "limit_applies_after_s" in {each.name for each in pair}
    and {"boot_every_s", "relative_only"} & {each.name for each in pair}
)
#: All of them take minutes: the gate tries every eleventh, which has each switch.
THOROUGH: Final = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
TRIED: Final = [
    *((*pair, False) for pair in (PAIRS if THOROUGH else PAIRS[::11])),
    *((*pair, True) for pair in (*LIMITED, *(BESIDE_HARMLESS if THOROUGH else ()))),
]
#: These take no limit, or are different only where there is none.
NO_LIMIT_BEFORE: Final = frozenset(
    {"smart_charging", "smart_charging_unavailable", "composite_oddity"}
)


def test_each_quirk_has_its_place() -> None:
    """It is seen, seen beside another one, or it is said why it cannot be."""
    seen = {each.name for each in (*SEEN, *BESIDE)}
    assert seen | UNSEEN.keys() == {field.name for field in fields(Quirks)}
    assert not seen & UNSEEN.keys()
    assert {each.name for each in HARMLESS} <= UNSEEN.keys()
    assert {each for pair in PAIRS[::11] for each in pair} == {*SWITCHES}


def left(bench: Bench) -> tuple[object, ...]:
    """Return what a check has to leave as it was."""
    box = bench.box
    led = [
        each["variableAttribute"]
        for each in box.model.report(writable_only=False)
        if "bright" in each["variable"]["name"].lower()
    ]
    return (
        bench.site.state("current_limit", "number"),
        bench.site.state("charging", "switch"),
        bench.site.state("availability", "switch"),
        box.operative,
        bench.amps,
        bench.problem(),
        led,
    )


async def limited(bench: Bench, *switches: Switch) -> int:
    """Set a limit before the check, where one is taken, and return what holds."""
    if {each.name for each in switches} & NO_LIMIT_BEFORE:
        return 32
    bench.limit(20)
    await bench.pass_time(80, step=2)
    return 20


@pytest.mark.parametrize("switch", [None, *SEEN, *BESIDE, *HARMLESS], ids=str)
async def test_one_quirk(make_bench: MakeBench, switch: Switch | None) -> None:
    """Exactly what is switched on is named, and all is left as it was."""
    switches = () if switch is None else (switch,)
    bench = make_bench(quirks_of(switches))
    await begin(bench)
    limit = await limited(bench, *switches)
    before = left(bench)
    await check(bench)
    assert found(bench) == expected(*switches)
    await bench.pass_time(35)
    assert left(bench) == before
    assert bench.amps == limit
    assert not bench.box.calls("Reset")
    assert not bench.box.calls("RequestStopTransaction")


@pytest.mark.parametrize(("one", "two", "limits"), TRIED, ids=str)
async def test_two_quirks(
    make_bench: MakeBench, one: Switch, two: Switch, limits: bool
) -> None:
    """Exactly those that are switched on are named; `limits`: a limit is set before."""
    bench = make_bench(quirks_of((one, two)))
    await begin(bench)
    if limits:
        await limited(bench, one, two)
    before = left(bench)
    await check(bench)
    assert found(bench) == expected(one, two)
    await bench.pass_time(35)
    assert left(bench) == before
