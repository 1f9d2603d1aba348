"""The sensors of what is decided of the charging of a wallbox."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import UnitOfRatio

from ..charging.plan import PlanSlot
from ..charging.settings import LimitReason
from ..charging.status import ChargingStatus
from ..entity import WallboxEntityDescription
from ..publish import CHARGING_LIMIT, SESSION_COST, SESSION_SHARE
from .wallbox import PacedSensorEntityDescription

#: What moved by less is the same moment.
_SAME: Final = timedelta(minutes=1)
#: Or by less than this part of the time until then, up to that.
_SAME_PART: Final = 40
_SAME_FAR: Final = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class PlanSensorEntityDescription(WallboxEntityDescription, SensorEntityDescription):
    """Describes a sensor of the plan of a session."""


@dataclass(frozen=True, kw_only=True)
class ReceiptSensorEntityDescription(PacedSensorEntityDescription):
    """Describes a sensor of what a session's energy was."""

    value_fn: Callable[[ChargingStatus], float | None]
    """What it is, in its unit."""
    has_currency: bool = False
    """Whether its unit is Home Assistant's currency."""


#: While the wallbox is away nobody knows what sets its limit.
LIMIT_REASON: Final = PacedSensorEntityDescription(
    key="limit_reason",
    rule=CHARGING_LIMIT,  # of the limit in its attribute
    device_class=SensorDeviceClass.ENUM,
    options=[reason.value for reason in LimitReason],
)
PLAN_START: Final = PlanSensorEntityDescription(
    key="plan_start",
    device_class=SensorDeviceClass.TIMESTAMP,
    # It is kept to once the wallbox is back.
    available_fn=lambda _: True,
)
#: Of the last session, like its energy: they stay true while the wallbox is away.
RECEIPT_SENSORS: Final = (
    ReceiptSensorEntityDescription(
        key="session_cost",
        device_class=SensorDeviceClass.MONETARY,
        # It may fall: prices can be negative.
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        has_currency=True,
        available_fn=lambda _: True,
        rule=SESSION_COST,
        value_fn=lambda status: None if status.cost is None else round(status.cost, 2),
    ),
    ReceiptSensorEntityDescription(
        key="session_solar_share",
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        available_fn=lambda _: True,
        rule=SESSION_SHARE,
        value_fn=lambda status: (
            None if status.solar_share is None else round(status.solar_share)
        ),
    ),
)


def same_moment(one: datetime | None, other: datetime | None, now: datetime) -> bool:
    """Return whether two moments are as good as one: the nearer, the closer.

    What is planned moves with each reading, by a part of the time that is left.
    """
    if one is None or other is None:
        return one is other
    left = max(one, other) - now
    return abs(one - other) <= min(max(_SAME, left / _SAME_PART), _SAME_FAR)


def begun_before(
    plan: tuple[PlanSlot, ...], shown: tuple[PlanSlot, ...], now: datetime
) -> tuple[PlanSlot, ...]:
    """Return a plan whose first slot runs since it began, where that is shown.

    One that is made while it runs begins at `now`.
    """
    if not plan or not shown:
        return plan
    first, former = plan[0], shown[0]
    if (
        former.start < first.start <= min(now + _SAME, former.end)
        and former.price == first.price
    ):
        return (replace(first, start=former.start), *plan[1:])
    return plan


def same_plan(
    one: tuple[PlanSlot, ...], other: tuple[PlanSlot, ...], now: datetime
) -> bool:
    """Return whether two plans are as good as one."""
    return len(one) == len(other) and all(
        same_moment(before.start, after.start, now)
        and same_moment(before.end, after.end, now)
        and before.price == after.price
        for before, after in zip(one, other, strict=True)
    )
