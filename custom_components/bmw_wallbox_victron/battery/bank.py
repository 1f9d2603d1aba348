"""Several BMSs: packs in parallel, or one that counts."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from statistics import fmean
from typing import Final

from ..readings import Value
from .sources import Role, Source

#: Below this state of charge what is left of a pack does not tell its capacity, in %.
_LEAST_SOC: Final = 20.0


class BankMode(StrEnum):
    """How several BMSs belong together."""

    PARALLEL = "parallel"
    """Their packs are wired in parallel."""
    MAIN = "main"
    """One of them counts."""


def capacity_of(pack: Source) -> float | None:
    """Return the capacity of a pack, in Ah; None: it does not tell."""
    told = pack.number("capacity_ah")
    if told is not None and told > 0:
        return told
    left, soc = pack.number("remaining_ah"), pack.number("soc")
    if left is None or soc is None or soc < _LEAST_SOC:
        return None
    return left / soc * 100.0


def bank(packs: Sequence[Source]) -> Source | None:
    """Return packs in parallel as one source; None: there is none.

    What adds up, and the state of charge, needs every pack: without one of them a sum
    is wrong. Voltage and temperature go on with those that are heard.
    """
    if len(packs) < 2:
        return next(iter(packs), None)
    fresh = [pack for pack in packs if pack.fresh]
    values: dict[str, Value] = {}
    if fresh:
        voltages = _known(fresh, "voltage")
        temperatures = _known(fresh, "temperature")
        values["voltage"] = round(fmean(voltages), 3) if voltages else None
        values["temperature"] = min(temperatures, default=None)
    if len(fresh) == len(packs):
        values |= _sums(packs)
    return Source(
        role=Role.BMS,
        kind="bms",
        fresh=bool(fresh),
        values=values,
        heard_at=min(pack.heard_at for pack in packs),
        read_at=max(pack.read_at for pack in packs),
        stood_until=max(pack.stood_until for pack in packs),
        id="bank",
    )


def _known(packs: Sequence[Source], key: str) -> list[float]:
    """Return what those say that say it."""
    numbers = (pack.number(key) for pack in packs)
    return [number for number in numbers if number is not None]


def _sum(packs: Sequence[Source], key: str) -> float | None:
    """Return what all packs say together; None: one does not say it."""
    numbers = _known(packs, key)
    return round(sum(numbers), 3) if len(numbers) == len(packs) else None


def _sums(packs: Sequence[Source]) -> Mapping[str, Value]:
    """Return what adds up, and what is weighted by the capacity of each pack."""
    current, left = _sum(packs, "current"), _sum(packs, "remaining_ah")
    capacities = [capacity_of(pack) for pack in packs]
    known = [capacity for capacity in capacities if capacity is not None]
    whole = len(known) == len(packs)
    charges = _known(packs, "soc")
    soc = None
    if len(charges) == len(packs):
        # Where a capacity is not known, packs in parallel are taken for alike.
        soc = round(fmean(charges, weights=known if whole else None), 2)
    time_to_go = None
    if current is not None and current < 0 and left is not None:
        time_to_go = round(left / -current * 60.0)
    return {
        "current": current,
        "power": _sum(packs, "power"),
        "soc": soc,
        "remaining_ah": left,
        "consumed_ah": _sum(packs, "consumed_ah"),
        "capacity_ah": round(sum(known), 2) if whole else None,
        "time_to_go": time_to_go,
    }


def with_bank(sources: Sequence[Source], mode: BankMode) -> list[Source]:
    """Return the sources with all BMSs as one.

    Where one of them counts, the others are no BMSs of this battery to begin with.
    """
    packs = [source for source in sources if source.role is Role.BMS]
    if len(packs) < 2 or mode is BankMode.MAIN:
        return list(sources)
    whole = bank(packs)
    others = [source for source in sources if source.role is not Role.BMS]
    return others if whole is None else [*others, whole]
