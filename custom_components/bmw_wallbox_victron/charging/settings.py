"""What an owner sets for charging: of a wallbox, and of the house."""

from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from typing import Final

#: Less than this is a pause (IEC 61851-1), in A.
MIN_CURRENT_A: Final = 6.0


class ChargingMode(StrEnum):
    """How much a car may draw when nothing else holds it back."""

    FAST = "fast"
    """Up to the owner's limit."""
    SOLAR = "solar"
    """Surplus only."""
    SOLAR_MIN = "solar_min"
    """6 A at least, and more with surplus."""


class LimitReason(StrEnum):
    """What sets the limit, the one that counts first where two are as strict."""

    MAIN_FUSE = "main_fuse"
    EXTERNAL_LIMIT = "external_limit"
    NO_METER = "no_meter"
    PAUSED = "paused"
    START_AT = "start_at"
    PLAN = "plan"
    SOLAR = "solar"
    TARGET_REACHED = "target_reached"
    CURRENT_LIMIT = "current_limit"
    WALLBOX = "wallbox"
    CAR = "car"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingSettings:
    """What an owner sets for the charging of a wallbox; it is stored."""

    charging_mode: ChargingMode = ChargingMode.FAST
    """How much the car may draw when nothing else holds it back."""
    target_energy: float = 0.0
    """What each session is to have, kWh; 0: no target."""
    ready_by: time = time(7)
    """By what time of day a session is to have it, in Home Assistant's time zone."""
    start_at: datetime | None = None
    """When charging is allowed, once; None: nothing waits."""
    plan: bool = False
    """Whether a session has its energy by then at the cheapest hours."""
    planned_from: datetime | None = None
    """Since when `ready_by` and `plan` are as they are: the next such time counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseSettings:
    """What an owner sets for the house, in the options; nothing is required."""

    has_grid: bool = False
    """Whether the grid is measured: without it there is no surplus to follow."""
    main_fuse_a: float | None = None
    """What the main fuse bears on each phase, A; None: nobody watches it."""
    phase_order: str = "unknown"
    """Which house phases the wallbox's L1 to L3 are; unknown: the worst counts."""
    meter_timeout_s: float = 60.0
    """A reading that was not reported for so long is none any more, s."""
    safe_current_a: float = 6.0
    """The limit while a reading is missing, A; 0: a pause."""
    fallback_min: float = 0.0
    """So long after Home Assistant died the wallbox falls back to that, min; 0: off."""
    feed_in_price: float = 0.0
    """What a kWh of sun would have earned, in Home Assistant's currency."""
    fixed_price: float | None = None
    """What a kWh from the grid always costs, in Home Assistant's currency."""
