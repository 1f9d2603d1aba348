"""What was added to the entry: wallboxes, Victron devices and BMSs."""

from collections.abc import Mapping
from typing import Final

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import CONF_ADDRESS

from .const import (
    CONF_CHARGE_POINT_ID,
    SUBENTRY_BMS,
    SUBENTRY_VICTRON,
    SUBENTRY_WALLBOX,
)

#: Without this there is no device.
_IDENTIFIERS: Final[Mapping[str, str]] = {
    SUBENTRY_BMS: CONF_ADDRESS,
    SUBENTRY_VICTRON: CONF_ADDRESS,
    SUBENTRY_WALLBOX: CONF_CHARGE_POINT_ID,
}


def subentries_of(entry: ConfigEntry, subentry_type: str) -> list[ConfigSubentry]:
    """Return the subentries of a type, without damaged ones."""
    return [
        subentry
        for subentry in entry.subentries.values()
        if subentry.subentry_type == subentry_type
        and isinstance(subentry.data.get(_IDENTIFIERS[subentry_type]), str)
    ]


def device_subentries(entry: ConfigEntry) -> list[ConfigSubentry]:
    """Return the subentries of all devices that are heard by Bluetooth."""
    return [
        *subentries_of(entry, SUBENTRY_VICTRON),
        *subentries_of(entry, SUBENTRY_BMS),
    ]
