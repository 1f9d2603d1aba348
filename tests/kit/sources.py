"""Devices as the battery's rules see them."""

from typing import Any

from custom_components.bmw_wallbox_victron.battery.sources import Source, role_of


def source(kind: str, *, fresh: bool = True, **values: Any) -> Source:
    """Return a device of a kind."""
    role = role_of(kind, values)
    assert role is not None
    return Source(role=role, kind=kind, fresh=fresh, values=values, heard_at=0.0)


def monitor(**values: Any) -> Source:
    return source("battery_monitor", **values)


def bms(**values: Any) -> Source:
    return source("bms", **values)


def charger(state: str | None, **values: Any) -> Source:
    return source("ac_charger", charge_state=state, **values)


def multiplus(state: str | None, ac_in: str | None = None, **values: Any) -> Source:
    return source("ve_bus", device_state=state, active_ac_in=ac_in, **values)


def orion(state: str | None, **values: Any) -> Source:
    kind = "orion_xs" if "output_current" in values else "dc_dc_converter"
    return source(kind, charge_state=state, **values)


def solar(state: str | None, **values: Any) -> Source:
    return source("solar_charger", charge_state=state, **values)
