"""Prices of energy over time."""

from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSlot:
    """A time in which a kWh has one price."""

    start: datetime
    """When it begins; with a time zone."""
    end: datetime
    """When it ends; with a time zone."""
    price: float
    """What a kWh costs, in Home Assistant's currency; it may be negative."""


#: Slots in the order of time that do not overlap; there may be gaps.
type Prices = tuple[PriceSlot, ...]


def in_utc(prices: Prices) -> Prices:
    """Return the same prices in UTC.

    Python compares and subtracts times of one zone by their clock, which is an hour
    wrong where daylight saving time changes in between.
    """
    return tuple(
        replace(slot, start=slot.start.astimezone(UTC), end=slot.end.astimezone(UTC))
        for slot in prices
    )


def price_at(prices: Prices, moment: datetime) -> float | None:
    """Return what a kWh costs at `moment`; None: not known."""
    moment = moment.astimezone(UTC)
    return next(
        (slot.price for slot in in_utc(prices) if slot.start <= moment < slot.end), None
    )


def merged(older: Prices, newer: Prices) -> Prices:
    """Return both in UTC; where both know a price, that of `newer` counts."""
    older, newer = in_utc(older), in_utc(newer)
    slots = list(newer)
    ends = [slot.end for slot in newer]
    for slot in older:
        start = slot.start
        for index in range(bisect_right(ends, start), len(newer)):
            other = newer[index]
            if other.start >= slot.end:
                break
            if other.start > start:
                slots.append(replace(slot, start=start, end=other.start))
            start = other.end
        if start < slot.end:
            slots.append(replace(slot, start=start))
    return tuple(sorted(slots, key=lambda slot: slot.start))


def without_before(prices: Prices, moment: datetime) -> Prices:
    """Return those that are not over at `moment`, in UTC; one that runs stays whole."""
    moment = moment.astimezone(UTC)
    return tuple(slot for slot in in_utc(prices) if slot.end > moment)


def without_after(prices: Prices, moment: datetime) -> Prices:
    """Return them as far as `moment`, in UTC; one that runs then ends."""
    moment = moment.astimezone(UTC)
    return tuple(
        replace(slot, end=min(slot.end, moment))
        for slot in in_utc(prices)
        if slot.start < moment
    )
