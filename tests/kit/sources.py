"""Sources of the battery's values."""

from typing import Any

from custom_components.bmw_wallbox_victron.battery.sources import Role, Source


def source(role: Role, *, fresh: bool = True, **values: Any) -> Source:
    """Make a source."""
    return Source(role=role, fresh=fresh, values=values, heard_at=0.0)


def monitor(**values: Any) -> Source:
    return source(Role.BATTERY_MONITOR, **values)


def charger(state: str | None, **values: Any) -> Source:
    return source(Role.AC_CHARGER, charge_state=state, **values)
