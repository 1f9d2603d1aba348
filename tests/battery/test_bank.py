"""Several BMSs: packs in parallel, or one that counts."""

from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.battery.bank import (
    BankMode,
    bank,
    capacity_of,
    with_bank,
)
from custom_components.bmw_wallbox_victron.battery.sources import Role, Source, choose


def pack(
    name: str, *, fresh: bool = True, heard_at: float = 0, **values: Any
) -> Source:
    """Return a BMS."""
    return Source(
        role=Role.BMS,
        kind="bms",
        fresh=fresh,
        values=values if fresh else {},
        heard_at=heard_at,
        id=name,
        name=name,
    )


FIRST: dict[str, Any] = {
    "voltage": 13.2,
    "current": -20.0,
    "power": -264.0,
    "soc": 80.0,
    "remaining_ah": 80.0,
    "temperature": 21.0,
}
SECOND: dict[str, Any] = {
    "voltage": 13.3,
    "current": -20.0,
    "power": -266.0,
    "soc": 50.0,
    "remaining_ah": 100.0,
    "temperature": 18.0,
}


def test_packs_in_parallel_add_up() -> None:
    """The state of charge is weighted by the capacity: 100 and 200 Ah."""
    both = choose(
        with_bank([pack("1", **FIRST), pack("2", **SECOND)], BankMode.PARALLEL)
    )
    assert both.source is Role.BMS
    assert both.voltage == pytest.approx(13.25)
    assert both.current == -40
    assert both.power == -530
    assert both.soc == pytest.approx(60)
    assert both.temperature == 18
    assert both.time_to_go == 270


def test_a_silent_pack_makes_no_wrong_sum() -> None:
    packs = [pack("1", **FIRST), pack("2", fresh=False)]
    one = choose(with_bank(packs, BankMode.PARALLEL))
    assert (one.current, one.power, one.soc, one.time_to_go) == (None,) * 4
    assert one.voltage == 13.2
    assert one.temperature == 21


def test_a_single_pack_is_itself() -> None:
    only = pack("1", **FIRST)
    assert with_bank([only], BankMode.PARALLEL) == [only]


def test_one_that_counts() -> None:
    """The others are told to be something else by who knows which one it is."""
    main, other = pack("1", **FIRST), pack("2", **SECOND)
    assert with_bank([main, other], BankMode.MAIN) == [main, other]


@pytest.mark.parametrize(
    ("values", "capacity"),
    [
        ({"capacity_ah": 120.0, "remaining_ah": 50.0, "soc": 50.0}, 120.0),
        ({"remaining_ah": 50.0, "soc": 50.0}, 100.0),
        ({"remaining_ah": 20.0, "soc": 20.0}, 100.0),
        ({"remaining_ah": 19.9, "soc": 19.9}, None),
        ({"soc": 50.0}, None),
        ({"capacity_ah": 0.0}, None),
    ],
)
def test_capacity(values: dict[str, Any], capacity: float | None) -> None:
    assert capacity_of(pack("1", **values)) == capacity


def test_without_capacities_packs_are_taken_for_alike() -> None:
    packs = [pack("1", soc=80.0), pack("2", soc=50.0)]
    assert choose(with_bank(packs, BankMode.PARALLEL)).soc == 65


@given(
    st.lists(
        st.tuples(st.booleans(), st.floats(-200, 200), st.floats(0, 100)),
        min_size=2,
        max_size=4,
    )
)
def test_any_bank(packs: list[tuple[bool, float, float]]) -> None:
    """A sum is of all packs, or there is none; the charge is between those of packs."""
    sources = [
        pack(str(index), fresh=fresh, current=current, soc=soc, voltage=13.0)
        for index, (fresh, current, soc) in enumerate(packs)
    ]
    whole = bank(sources)
    assert whole is not None
    assert whole.fresh is any(fresh for fresh, _, _ in packs)
    if all(fresh for fresh, _, _ in packs):
        assert whole.number("current") == pytest.approx(
            sum(current for _, current, _ in packs), abs=1e-3
        )
        charges = [soc for _, _, soc in packs]
        soc = whole.number("soc")
        assert soc is not None
        assert min(charges) - 0.01 <= soc <= max(charges) + 0.01
    else:
        assert whole.number("current") is None
        assert whole.number("soc") is None
