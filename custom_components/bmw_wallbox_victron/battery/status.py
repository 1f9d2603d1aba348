"""How full the battery is, and a summary."""

from enum import StrEnum
from typing import Final

from .power_source import PowerSource

#: Up to these states of charge, in %.
CRITICAL_SOC: Final = 15.0
LOW_SOC: Final = 30.0
OK_SOC: Final = 60.0


class Status(StrEnum):
    """How full the battery is."""

    CRITICAL = "critical"
    LOW = "low"
    OK = "ok"
    GOOD = "good"
    UNKNOWN = "unknown"


class Summary(StrEnum):
    """All of it in a word."""

    ATTENTION = "attention"
    CHARGING = "charging"
    OK = "ok"
    UNKNOWN = "unknown"


def status_of(soc: float | None) -> Status:
    """Return how full a battery is, from its state of charge in %."""
    if soc is None:
        return Status.UNKNOWN
    if soc <= CRITICAL_SOC:
        return Status.CRITICAL
    if soc <= LOW_SOC:
        return Status.LOW
    return Status.OK if soc <= OK_SOC else Status.GOOD


def summarize(
    status: Status, source: PowerSource, *, charging: bool | None
) -> tuple[Summary, str]:
    """Return the summary, and the name of the sentence that goes with it."""
    if status in (Status.CRITICAL, Status.LOW):
        return Summary.ATTENTION, f"{status}_charging" if charging else status.value
    if charging:
        return Summary.CHARGING, f"charging_{source}"
    if status is Status.UNKNOWN:
        return Summary.UNKNOWN, "unknown"
    return Summary.OK, f"ok_{source}"
