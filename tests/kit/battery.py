"""The battery, as its entities show it."""

from typing import Any

from custom_components.bmw_wallbox_victron.victron.records import Kind

from .radio import SHUNT
from .site import Site
from .victron import GOOD

MONITOR = GOOD[Kind.BATTERY_MONITOR]
SWITCH, POWER, CURRENT = "switch.plug", "sensor.plug_power", "sensor.plug_current"


def shows(site: Site, *keys: str) -> Any:
    """Give states of the battery's sensors."""
    states = [site.state(key, owner="battery") for key in keys]
    return states[0] if len(keys) == 1 else states


def tells(site: Site, key: str) -> str:
    """Give the state of a binary sensor of the battery."""
    return site.state(key, "binary_sensor", "battery")


def fresh(site: Site, address: str = SHUNT) -> str:
    """Give the state of `data_fresh`."""
    return site.state("data_fresh", "binary_sensor", address)
