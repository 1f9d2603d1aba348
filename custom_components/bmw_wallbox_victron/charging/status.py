"""What is shown of the charging of a wallbox."""

from dataclasses import dataclass
from datetime import datetime

from .settings import LimitReason


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingStatus:
    """What is shown of the charging of a wallbox."""

    limit_a: float
    """The limit of now, A; 0: a pause."""
    reason: LimitReason
    """What sets it."""
    message: str
    """The key of the sentence that says so."""
    until: datetime | None = None
    """Until when, where that is known."""
    car_asleep: bool | None = None
    """Whether the car may charge and does not; None: there is none."""
    cost: float | None = None
    """What the session has cost, in Home Assistant's currency; None: no price."""
    solar_share: float | None = None
    """How much of the session's energy came from the sun, %; None: no energy yet."""
