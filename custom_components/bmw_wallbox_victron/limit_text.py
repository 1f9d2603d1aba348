"""What sets a limit, and until when, in the owner's language."""

from datetime import datetime, timedelta
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_cached_translations
from homeassistant.util import dt as dt_util

from .charging.status import LimitMessage
from .const import DOMAIN

_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: So long a weekday says which day is meant.
_WEEK: Final = timedelta(days=len(_WEEKDAYS))


def local_iso(moment: datetime) -> str:
    """Return a moment in ISO 8601, with the offset of Home Assistant's time zone."""
    return dt_util.as_local(moment.replace(microsecond=0)).isoformat()


def variants(message: LimitMessage, limit_a: int, until: datetime | None) -> list[str]:
    """Return the keys of the sentences that fit, the best one first."""
    forms = ["_open", ""] if until is None else [""]
    if not limit_a:
        forms = [*(f"_pause{form}" for form in forms), *forms]
    return [f"{message}{form}" for form in forms]


def limit_sentence(
    hass: HomeAssistant, message: LimitMessage, limit_a: int, until: datetime | None
) -> str | None:
    """Return what sets a limit, in a sentence."""
    texts = async_get_cached_translations(
        hass, hass.config.language, "selector", DOMAIN
    )
    place = f"component.{DOMAIN}.selector.limit_message.options."
    for key in variants(message, limit_a, until):
        if (text := texts.get(f"{place}{key}")) is not None:
            when = "" if until is None else local_time(texts, until)
            return text.format(limit=limit_a, until=when)
    return None


def local_time(texts: dict[str, str], moment: datetime) -> str:
    """Return a moment as clocks show it, with the day where that is not today."""
    local = dt_util.as_local(moment + timedelta(seconds=30))
    ahead = local.date() - dt_util.now().date()
    if not ahead:
        return f"{local:%H:%M}"
    if not timedelta(0) < ahead < _WEEK:
        return f"{local:%Y-%m-%d %H:%M}"
    day = _WEEKDAYS[local.weekday()]
    day = texts.get(f"component.{DOMAIN}.selector.weekday.options.{day}", day)
    return f"{day} {local:%H:%M}"
