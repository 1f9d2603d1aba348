"""What is set for wallboxes, by their subentries and by options."""

from collections.abc import Mapping, Sequence
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import CONF_PASSWORD

from .charging_settings import house_settings_of
from .const import (
    CONF_ALLOW_REBOOT,
    CONF_ALLOWED_TOKENS,
    CONF_CHARGE_POINT_ID,
    CONF_MAX_CURRENT,
    CONF_METER_INTERVAL,
    CONF_RFID_TOKEN,
    DEFAULT_METER_INTERVAL,
    SUBENTRY_WALLBOX,
)
from .subentries import subentries_of
from .wallbox.cards import allowed_tokens, card_names
from .wallbox.station_config import StationConfig


def foundation(entry: ConfigEntry) -> tuple[object, ...]:
    """Return the settings of which a change needs a reload."""
    return (
        dict(entry.data),
        [
            (
                subentry.subentry_id,
                subentry.data[CONF_CHARGE_POINT_ID],
                subentry.data.get(CONF_PASSWORD),
            )
            for subentry in subentries_of(entry, SUBENTRY_WALLBOX)
        ],
    )


def station_config(
    subentry: ConfigSubentry, options: Mapping[str, Any]
) -> StationConfig:
    """Return a wallbox's settings."""
    data, house = subentry.data, house_settings_of(options)
    cards: Sequence[str] = data.get(CONF_ALLOWED_TOKENS, ())
    return StationConfig(
        charge_point_id=data[CONF_CHARGE_POINT_ID],
        password=data.get(CONF_PASSWORD),
        rfid_token=data.get(CONF_RFID_TOKEN),
        allowed_tokens=allowed_tokens(cards),
        card_names=card_names(cards),
        max_current=data[CONF_MAX_CURRENT],
        meter_interval=options.get(CONF_METER_INTERVAL, DEFAULT_METER_INTERVAL),
        allow_reboot=options.get(CONF_ALLOW_REBOOT, False),
        fallback_s=house.fallback_min * 60 or None,
        safe_current_a=house.safe_current_a,
    )
