"""What is shown of the charging of a wallbox."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .plan import PlanSlot
from .settings import LimitReason


class LimitMessage(StrEnum):
    """Which sentence says what sets the limit: `selector.limit_message`."""

    MAIN_FUSE = "main_fuse"
    EXTERNAL_LIMIT = "external_limit"
    NO_METER = "no_meter"
    PAUSED = "paused"
    START_AT = "start_at"
    TARGET_REACHED = "target_reached"
    CHARGING_PROFILE = "charging_profile"
    """Limits over time, which an action has set."""
    CURRENT_LIMIT = "current_limit"
    PLAN = "plan"
    """It waits for its next slot."""
    PLAN_CHARGING = "plan_charging"
    """It is in one."""
    SOLAR = "solar"
    SOLAR_WAITING = "solar_waiting"
    SOLAR_SILENT = "solar_silent"
    """The grid meter is silent: that counts as no surplus."""
    WALLBOX = "wallbox"
    OUT_OF_SERVICE = "out_of_service"
    CAR = "car"
    CAR_FULL = "car_full"
    """It stopped by itself after it had charged."""
    CAR_ASLEEP = "car_asleep"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingStatus:
    """What is shown of the charging of a wallbox."""

    limit_a: float
    """The limit of now, A; 0: a pause."""
    reason: LimitReason
    """What sets it."""
    message: LimitMessage
    """The sentence that says so."""
    until: datetime | None = None
    """Until when, where that is known."""
    car_asleep: bool | None = None
    """Whether the car may charge and does not; None: there is none."""
    cost: float | None = None
    """What the session has cost, in Home Assistant's currency; None: no price."""
    solar_share: float | None = None
    """How much of the session's energy came from the sun, %; None: no energy yet."""
    plan: tuple[PlanSlot, ...] = ()
    """When it charges by plan, the slot that runs included; empty: there is none."""
