"""Prices of energy over time."""

from dataclasses import dataclass
from datetime import datetime


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
