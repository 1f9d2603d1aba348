"""What each wallbox may draw of what they share, and might if it wished more."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
import math

from .decide import whole
from .share import Circuit, Load, Share, rest_for, share


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotted:
    """What is left for a wallbox."""

    share: Share
    """What it may draw, as far as anything shared keeps it below what it may wish."""
    at_once_a: float = math.inf
    """The most that goes before the others have given anything up, A; infinite: as
    much as it may wish."""


def allot(
    loads: Sequence[Load],
    most_a: Mapping[str, float],
    circuits: Sequence[Circuit],
    *,
    held: Mapping[str, float] | None,
    gone: Set[str],
    rooms_a: Iterable[float | None],
) -> dict[str, Allotted]:
    """Return what is left for each wallbox; `held`: see `share`.

    `most_a` is what each may come to wish, A: its owner may allow more at any moment,
    and time, plan or sun do. `gone` are away; what is left for them is bounded by
    `rooms_a`, what the main fuse leaves on each phase, A.
    """
    least = min((amps for amps in rooms_a if amps is not None), default=math.inf)
    sessions = {load.key for load in loads if not load.idle}

    def now(loads: Sequence[Load]) -> dict[str, Share]:
        # When they come back they are told so before anything is heard of them.
        return rest_for(gone, share(loads, circuits, held), least, sessions)

    found = {key: Allotted(share=each) for key, each in now(loads).items()}
    for index, load in enumerate(loads):
        reason = found[load.key].share.reason
        if reason is None and load.wish_a < most_a[load.key]:
            more = replace(load, wish_a=most_a[load.key])
            asked = [*loads[:index], more, *loads[index + 1 :]]
            at_once = now(asked)[load.key]
            found[load.key] = Allotted(
                share=share(asked, circuits)[load.key],
                at_once_a=math.inf if at_once.reason is None else whole(at_once.amps),
            )
    return found
