"""How wallboxes share what feeds them all."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from math import floor
from typing import Final

from .settings import MIN_CURRENT_A, LimitReason

#: Sums of fractions miss a whole number by less than this, A.
_EPSILON_A: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """What several wallboxes draw from, and how much it bears."""

    reason: LimitReason
    """What a limit is called that comes from here."""
    capacity: float
    """How much of it all wallboxes together may take, in A or W; it may be negative."""
    weights: Mapping[str, float]
    """How much of it an ampere of each wallbox takes: 1 of A, or phases times V of W.
    A wallbox that is not named takes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A wallbox that draws, or may begin to."""

    key: str
    """Its charge point id."""
    wish_a: float
    """The most that it would take, A on each phase; less than 6: nothing."""
    idle: bool = False
    """Whether it has no session: it gets what the others leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a wallbox may draw."""

    amps: float
    """The limit: 0, or 6 A at least; not rounded to whole amperes."""
    reason: LimitReason | None = None
    """Of the circuit that keeps it below its wish; None: none does."""


def share(
    loads: Sequence[Load],
    circuits: Sequence[Circuit],
    held: Mapping[str, float] | None = None,
) -> dict[str, Share]:
    """Return what each load may draw; the first in order comes first.

    Each has 6 A or nothing: where a circuit does not bear 6 A for each, those that come
    later give up first. What is left is shared max-min fair (progressive filling: all
    rise alike until their wish or a circuit stops them). The idle ones share what those
    with a session leave, so that no two of them can pass a circuit together.

    `held` is what each may be drawing until its last lower limit is followed, A: what
    another gives up is taken only then. None: nobody waits.
    """
    left = [circuit.capacity for circuit in circuits]
    shares: dict[str, Share] = {}
    for idle in (False, True):
        group = [load for load in loads if load.idle is idle]
        shares |= _fill(group, circuits, left)
    if held is not None:
        _wait(loads, circuits, held, shares)
    return shares


def rest_for(
    gone: Set[str], shares: Mapping[str, Share], room_a: float, counted: Set[str]
) -> dict[str, Share]:
    """Return the shares with no more for those that are `gone` than the rest leave.

    What they draw is in no circuit of the main fuse, of which `room_a` A are left.
    `counted` are those that may draw what they have.
    """
    rest = room_a - sum(shares[key].amps for key in counted - gone)
    found = dict(shares)
    for key in sorted(gone):
        if shares[key].amps > rest:
            amps = _exact(rest) if rest >= MIN_CURRENT_A else 0.0
            found[key] = Share(amps=amps, reason=LimitReason.MAIN_FUSE)
        if key in counted:
            rest -= found[key].amps
    return found


def _takes(circuit: Circuit, key: str) -> float:
    """Return how much of a circuit an ampere of a wallbox takes."""
    return circuit.weights.get(key, 0.0)


def _fill(
    loads: Sequence[Load], circuits: Sequence[Circuit], left: list[float]
) -> dict[str, Share]:
    """Return what each may draw of what is `left` of each circuit, which it lowers."""
    shares: dict[str, Share] = {}
    rising: dict[str, float] = {}
    for load in loads:
        if load.wish_a < MIN_CURRENT_A:
            shares[load.key] = Share(amps=0.0)
            continue
        full = _first_passed(circuits, left, load.key, MIN_CURRENT_A)
        if full is not None:
            shares[load.key] = Share(amps=0.0, reason=full.reason)
            continue
        rising[load.key] = load.wish_a
        for index, circuit in enumerate(circuits):
            left[index] -= MIN_CURRENT_A * _takes(circuit, load.key)
    level = MIN_CURRENT_A
    while rising:
        step = min(rising.values()) - level
        for index, circuit in enumerate(circuits):
            if taken := sum(_takes(circuit, key) for key in rising):
                step = min(step, max(left[index], 0.0) / taken)
        level += step
        for index, circuit in enumerate(circuits):
            left[index] -= step * sum(_takes(circuit, key) for key in rising)
        for key, wish in tuple(rising.items()):
            if wish <= level + _EPSILON_A:
                # Who has what he wished for is held back by nobody.
                shares[key] = Share(amps=_exact(wish))
            elif full := _first_passed(circuits, left, key, _EPSILON_A):
                shares[key] = Share(amps=_exact(level), reason=full.reason)
            else:
                continue
            del rising[key]
    return shares


def _first_passed(
    circuits: Sequence[Circuit], left: Sequence[float], key: str, amps: float
) -> Circuit | None:
    """Return the first circuit that does not bear so much more of a wallbox."""
    for circuit, rest in zip(circuits, left, strict=True):
        takes = _takes(circuit, key)
        if takes > 0 and amps * takes > rest + _EPSILON_A * takes / 2:
            return circuit
    return None


def _wait(
    loads: Sequence[Load],
    circuits: Sequence[Circuit],
    held: Mapping[str, float],
    shares: dict[str, Share],
) -> None:
    """Let those rise later that take what another has not given up yet."""
    may_draw = {
        load.key: max(held.get(load.key, 0.0), shares[load.key].amps) for load in loads
    }
    for load in reversed(loads):
        # Those that come last wait first.
        before, now = held.get(load.key, 0.0), shares[load.key]
        if now.amps <= before:
            continue
        for circuit in circuits:
            takes = _takes(circuit, load.key)
            if takes <= 0:
                continue
            others = sum(
                may_draw[key] * weight
                for key, weight in circuit.weights.items()
                if key in may_draw and key != load.key
            )
            rest = circuit.capacity - others
            if (now.amps - _EPSILON_A) * takes > rest:
                amps = max(rest / takes, before)
                now = Share(amps=_exact(amps), reason=circuit.reason)
        if now.amps < MIN_CURRENT_A:
            now = Share(amps=0.0, reason=now.reason)
        shares[load.key] = now
        may_draw[load.key] = max(now.amps, before)


def _exact(amps: float) -> float:
    """Return a current without the error of sums, so that 7 A is not 6.999999."""
    return floor(amps * 1000.0 + 1e-3) / 1000.0
