"""Actions of other integrations that tell prices: how they are called.

Each is called for one day at a time, with a response asked for: prices of tomorrow that
are not published yet are an empty list with Nord Pool and Tibber, and an error of the
action with EnergyZero. The response goes to `read_response`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceAction:
    """An action that tells the prices of a day."""

    domain: str
    """Of which integration it is."""
    service: str
    """How it is called there."""
    unit: str | None
    """What its prices are for; None: a kWh."""
    data: Callable[[str, date], Mapping[str, Any]]
    """What it takes, for the id of a config entry and a day in local time."""


def _nordpool(entry_id: str, day: date) -> Mapping[str, Any]:
    """Return data: areas and currency are those of the config entry."""
    return {"config_entry": entry_id, "date": day.isoformat()}


def _tibber(entry_id: str, day: date) -> Mapping[str, Any]:
    """Return data: it tells all homes, and takes no config entry."""
    end = day + timedelta(days=1)
    return {
        "start": f"{day.isoformat()} 00:00:00",
        "end": f"{end.isoformat()} 00:00:00",
    }


def _with_vat(entry_id: str, day: date) -> Mapping[str, Any]:
    """Return data of EnergyZero and easyEnergy, for which the same day is all of it."""
    return {
        "config_entry": entry_id,
        "incl_vat": True,
        "start": day.isoformat(),
        "end": day.isoformat(),
    }


#: By the domain of the integration.
PRICE_ACTIONS: Final[Mapping[str, PriceAction]] = {
    action.domain: action
    for action in (
        PriceAction(
            domain="nordpool", service="get_prices_for_date", unit="MWh", data=_nordpool
        ),
        PriceAction(domain="tibber", service="get_prices", unit=None, data=_tibber),
        PriceAction(
            domain="energyzero", service="get_energy_prices", unit=None, data=_with_vat
        ),
        PriceAction(
            domain="easyenergy",
            service="get_energy_usage_prices",
            unit=None,
            data=_with_vat,
        ),
    )
}
