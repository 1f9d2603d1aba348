"""Several wallboxes share what feeds them."""

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.charging.settings import LimitReason
from custom_components.bmw_wallbox_victron.charging.share import (
    Circuit,
    Load,
    Share,
    share,
)

FUSE, EXTERNAL = LimitReason.MAIN_FUSE, LimitReason.EXTERNAL_LIMIT
KEYS = ("a", "b", "c", "d")


def fuse(amps: float, *keys: str) -> Circuit:
    """Return a phase of the house that feeds some wallboxes."""
    return Circuit(reason=FUSE, capacity=amps, weights=dict.fromkeys(keys, 1.0))


def load(key: str, wish_a: float = 16.0, *, idle: bool = False) -> Load:
    """Return a wallbox."""
    return Load(key=key, wish_a=wish_a, idle=idle)


@pytest.mark.parametrize(
    ("amps", "wishes", "expected"),
    [
        (40.0, [16, 16], [16, 16]),
        (25.0, [16, 16], [12.5, 12.5]),
        (25.0, [8, 16], [8, 16]),
        (20.0, [8, 16], [8, 12]),
        (12.0, [16, 16], [6, 6]),
        # Not 6 A for each: the first has it.
        (11.9, [16, 16], [11.9, 0]),
        (11.9, [16, 5], [11.9, 0]),
        (5.9, [16, 16], [0, 0]),
        (-3.0, [16, 16], [0, 0]),
        (18.5, [16, 16, 16], [6.166, 6.166, 6.166]),
    ],
)
def test_shares(amps: float, wishes: list[float], expected: list[float]) -> None:
    """Alike, 6 A at least, and the first comes first."""
    keys = KEYS[: len(wishes)]
    loads = [load(key, wish) for key, wish in zip(keys, wishes, strict=True)]
    shares = share(loads, [fuse(amps, *keys)])
    assert [shares[key].amps for key in keys] == expected


def test_who_is_held_back_by_what() -> None:
    """The reason is that of the circuit that binds, and none where none does."""
    house = (fuse(20, "a", "b"), fuse(99, "a", "b"))
    external = Circuit(reason=EXTERNAL, capacity=4200, weights={"a": 690.0, "b": 230.0})
    loads = [load("a", 6), load("b")]
    assert share(loads, house) == {"a": Share(amps=6), "b": Share(amps=14, reason=FUSE)}
    assert share(loads, [*house, external]) == {
        "a": Share(amps=6),
        "b": Share(amps=0, reason=EXTERNAL),
    }


def test_one_on_another_phase_is_not_held_back() -> None:
    """Where the first phase is full, one that is not on it still has its wish."""
    shares = share(
        [load("a"), load("b"), load("c")], [fuse(10, "a", "b"), fuse(20, "c")]
    )
    assert [shares[key].amps for key in "abc"] == [10, 0, 16]


def test_the_idle_have_what_is_left() -> None:
    """They take nothing from those that charge, and share what these leave."""
    loads = [load("a", idle=True), load("b"), load("c", idle=True)]
    assert share(loads, [fuse(24, *KEYS)]) == {
        "b": Share(amps=16),
        "a": Share(amps=8, reason=FUSE),
        "c": Share(amps=0, reason=FUSE),
    }
    assert share(loads, [fuse(32, *KEYS)])["c"] == Share(amps=8, reason=FUSE)


def test_what_another_gives_up_is_taken_once_it_did() -> None:
    """One that rises waits for the one that falls; what is free it has at once."""
    loads = [load("a"), load("b")]
    circuits = [fuse(24, "a", "b")]
    at_first = share(loads, circuits, {"a": 16, "b": 0})
    assert at_first == {
        "a": Share(amps=12, reason=FUSE),
        "b": Share(amps=8, reason=FUSE),
    }
    assert share(loads, circuits, {"a": 20, "b": 0})["b"].amps == 0
    assert share(loads, circuits, {"a": 12, "b": 8})["b"].amps == 12


LOADS = st.lists(
    st.tuples(st.sampled_from([0.0, 6.0, 10.0, 16.0, 32.0]), st.booleans()),
    min_size=1,
    max_size=4,
).map(
    lambda rows: [
        load(key, wish, idle=idle)
        for key, (wish, idle) in zip(KEYS, rows, strict=False)
    ]
)
CIRCUITS = st.lists(
    st.builds(
        lambda capacity, weights, watts: Circuit(
            reason=EXTERNAL if watts else FUSE,
            capacity=capacity * (690.0 if watts else 1.0),
            weights=dict.fromkeys(weights, watts * 230.0 or 1.0),
        ),
        st.floats(-10, 80),
        st.sets(st.sampled_from(KEYS)),
        st.sampled_from([0, 1, 3]),
    ),
    max_size=4,
)


def drawn(circuit: Circuit, amps: dict[str, float]) -> float:
    """Return what all take of a circuit together."""
    return sum(circuit.weights.get(key, 0.0) * value for key, value in amps.items())


@given(loads=LOADS, circuits=CIRCUITS)
def test_no_circuit_is_passed(loads: list[Load], circuits: list[Circuit]) -> None:
    """Never more than a circuit bears, than a wish, or between 0 and 6 A."""
    shares = share(loads, circuits)
    amps = {key: value.amps for key, value in shares.items()}
    for each in loads:
        assert amps[each.key] == 0 or 6 <= amps[each.key] <= each.wish_a
    for circuit in circuits:
        assert drawn(circuit, amps) <= max(circuit.capacity, 0) + 1e-2


@given(loads=LOADS, circuits=CIRCUITS)
def test_nobody_is_held_back_without_need(
    loads: list[Load], circuits: list[Circuit]
) -> None:
    """One that has less than its wish is on a circuit that is full.

    And nobody on that circuit has more who could give some to it.
    """
    shares = share(loads, circuits)
    amps = {key: value.amps for key, value in shares.items()}
    idle = {each.key: each.idle for each in loads}
    for each in loads:
        own = amps[each.key]
        if each.wish_a < 6 or own >= each.wish_a:
            assert shares[each.key].reason is None
            continue
        more = 6.0 if own == 0 else 0.01
        full = [
            circuit
            for circuit in circuits
            if drawn(circuit, amps | {each.key: own + more}) > circuit.capacity
            and each.key in circuit.weights
        ]
        assert shares[each.key].reason in {circuit.reason for circuit in full}
        if own > 0:
            assert any(
                amps[key] <= own + 0.01 or idle[key] is not idle[each.key]
                for circuit in full
                for key in circuit.weights
                if key in amps and key != each.key
            ) or any({*circuit.weights} & {*amps} == {each.key} for circuit in full)


@given(
    loads=LOADS,
    circuits=CIRCUITS,
    held=st.dictionaries(st.sampled_from(KEYS), st.sampled_from([0.0, 6.0, 16.0])),
)
def test_no_circuit_is_passed_on_the_way(
    loads: list[Load], circuits: list[Circuit], held: dict[str, float]
) -> None:
    """Whoever rises leaves room for what the others may still draw."""
    shares = share(loads, circuits, held)
    amps = {key: value.amps for key, value in shares.items()}
    least = share(loads, circuits)
    on_the_way = {key: max(value, held.get(key, 0.0)) for key, value in amps.items()}
    before = {key: held.get(key, 0.0) for key in amps}
    for circuit in circuits:
        may_draw = drawn(circuit, on_the_way)
        assert may_draw <= max(circuit.capacity, drawn(circuit, before), 0) + 1e-2
    for key, value in amps.items():
        assert value <= least[key].amps
