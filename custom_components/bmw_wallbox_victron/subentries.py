"""What was added to the entry: wallboxes, Victron devices and BMSs."""

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import CONF_ADDRESS, CONF_PASSWORD

from .const import (
    CONF_ALLOWED_TOKENS,
    CONF_CHARGE_POINT_ID,
    CONF_MAX_CURRENT,
    CONF_RFID_TOKEN,
    SUBENTRY_BMS,
    SUBENTRY_VICTRON,
    SUBENTRY_WALLBOX,
)


def is_damaged(subentry: ConfigSubentry) -> bool:
    """Return whether what is stored of a subentry was edited beyond use.

    A Victron device can do without its key, and a BMS without its model: both are
    asked for.
    """
    data = subentry.data
    if subentry.subentry_type != SUBENTRY_WALLBOX:
        return not isinstance(data.get(CONF_ADDRESS), str)
    tokens = data.get(CONF_ALLOWED_TOKENS, [])
    return not (
        isinstance(data.get(CONF_CHARGE_POINT_ID), str)
        and isinstance(data.get(CONF_MAX_CURRENT), int | float)
        and isinstance(data.get(CONF_PASSWORD, ""), str)
        and isinstance(data.get(CONF_RFID_TOKEN, ""), str)
        and isinstance(tokens, list)
        and all(isinstance(token, str) for token in tokens)
    )


def subentries_of(entry: ConfigEntry, subentry_type: str) -> list[ConfigSubentry]:
    """Return the subentries of a type, without damaged ones."""
    return [
        subentry
        for subentry in entry.get_subentries_of_type(subentry_type)
        if not is_damaged(subentry)
    ]


def device_subentries(entry: ConfigEntry) -> list[ConfigSubentry]:
    """Return the subentries of all devices that are heard by Bluetooth."""
    return [
        *subentries_of(entry, SUBENTRY_VICTRON),
        *subentries_of(entry, SUBENTRY_BMS),
    ]
