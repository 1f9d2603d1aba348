"""Joins the charging rules to the wallboxes and to what the house measures."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, time
from typing import TypedDict, Unpack

from homeassistant.util import dt as dt_util

from .charging.settings import ChargingMode
from .charging.status import ChargingStatus
from .wallbox import transitions
from .wallbox.station import Station


class SettingChanges(TypedDict, total=False):
    """What of `ChargingSettings` an owner changes."""

    charging_mode: ChargingMode
    target_energy: float
    ready_by: time
    start_at: datetime | None
    plan: bool


class ChargingWatch:
    """Keeps the limit of each wallbox what it is to be."""

    def __init__(self, stations: Mapping[str, Station]) -> None:
        """Initialize with the wallboxes, by charge point id."""
        self._stations = stations
        self.statuses: Mapping[str, ChargingStatus] = {}
        """What is shown of each wallbox, by charge point id."""
        self.tells: frozenset[str] = frozenset()
        """The keys of the entities that what is configured brings."""

    def set(self, station: Station, **changes: Unpack[SettingChanges]) -> None:
        """Change what is set for a wallbox."""
        settings = station.state.target.charging
        settings = replace(settings, **changes)
        if changes.keys() & {"ready_by", "plan"}:
            settings = replace(settings, planned_from=dt_util.utcnow())
        station.update(
            transitions.target_set(station.state, {"charging": settings}), look=True
        )

    def started(self, station: Station) -> None:
        """Take note that an owner has charging start now."""
        self.cancel_start(station)

    def cancel_start(self, station: Station) -> None:
        """Forget the moment that charging waits for, if there is one."""
        if station.state.target.charging.start_at is not None:
            self.set(station, start_at=None)
