"""The sensors of what is decided of the charging of a wallbox."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
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

#: A slot that moved by less is the same one.
_SAME: Final = timedelta(minutes=1)


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


def same_plan(one: tuple[PlanSlot, ...], other: tuple[PlanSlot, ...]) -> bool:
    """Return whether two plans are as good as one: it is made anew all the time."""
    return len(one) == len(other) and all(
        abs(before.start - after.start) <= _SAME
        and abs(before.end - after.end) <= _SAME
        and before.price == after.price
        for before, after in zip(one, other, strict=True)
    )
