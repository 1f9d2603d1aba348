"""What integrations put into attributes and responses, as prices."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from homeassistant import components
from homeassistant.util.yaml import load_yaml
from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.charging.price_actions import PRICE_ACTIONS
from custom_components.bmw_wallbox_victron.charging.price_shapes import (
    PricesNotUnderstoodError,
    read_prices,
    read_response,
)
from custom_components.bmw_wallbox_victron.charging.prices import Prices

BERLIN = ZoneInfo("Europe/Berlin")
TODAY = date(2026, 11, 30)
#: Midnight in Berlin.
MIDNIGHT = datetime(2026, 11, 29, 23, tzinfo=UTC)


def local(hour: float) -> datetime:
    """Return a time of the day in Berlin."""
    return (MIDNIGHT + timedelta(hours=hour)).astimezone(BERLIN)


def iso(hour: float) -> str:
    """Return the same as text, as most have it."""
    return local(hour).isoformat()


def read(
    attributes: Mapping[str, Any], unit: str | None = None, today: date = TODAY
) -> Prices:
    """Return the prices."""
    return read_prices(attributes, unit=unit, time_zone=BERLIN, today=today)


def told(prices: Prices) -> list[tuple[float, float, float]]:
    """Return prices as begin and end in h after midnight, and price."""
    hour = timedelta(hours=1)
    return [
        (
            (slot.start - MIDNIGHT) / hour,
            (slot.end - MIDNIGHT) / hour,
            round(slot.price, 6),
        )
        for slot in prices
    ]


#: The same two hours as each integration tells them, with the entity's unit.
TWO_HOURS: dict[str, tuple[str | None, dict[Any, Any]]] = {
    "Nord Pool of HACS": (
        "SEK/kWh",
        {
            "unit": "kWh",
            "currency": "SEK",
            "price_in_cents": False,
            "tomorrow_valid": False,
            "today": [0.25, -0.05],
            "tomorrow": [9.0, 9.0],
            "raw_today": [
                {"start": local(1), "end": local(2), "value": 0.25},
                {"start": local(2), "end": local(3), "value": -0.05},
            ],
            "raw_tomorrow": [],
        },
    ),
    "Nord Pool of HACS in öre": (
        "Öre/kWh",
        {
            "unit": "kWh",
            "currency": "SEK",
            "price_in_cents": True,
            "raw_today": [{"start": local(1), "end": local(2), "value": 25.0}],
            "raw_tomorrow": [{"start": local(2), "end": local(3), "value": -5.0}],
        },
    ),
    "Nord Pool of HACS by MWh": (
        "EUR/MWh",
        {
            "unit": "MWh",
            "currency": "EUR",
            "raw_today": [
                {"start": local(1), "end": local(2), "value": 250.0},
                {"start": local(2), "end": local(3), "value": -50.0},
            ],
        },
    ),
    "Tibber Data": (
        "NOK/kWh",
        {
            "raw_today": [
                {"time": iso(1), "end": iso(2), "total": 0.25, "energy": 0.2},
                {"time": iso(2), "end": iso(3), "total": -0.05, "energy": -0.1},
            ],
        },
    ),
    "Tibber Prices, as for a chart": (
        "EUR/kWh",
        {
            "timestamp": iso(1),
            "data": {
                "data": [
                    {"start_time": iso(1), "price_per_kwh": 0.25},
                    {"start_time": iso(2), "price_per_kwh": -0.05},
                ],
                "metadata": {"currency": "EUR"},
            },
        },
    ),
    "Tibber, as its interface tells it": (
        "EUR/kWh",
        {
            "prices": [
                {"startsAt": iso(1), "energy": 0.2, "tax": 0.05, "total": 0.25},
                {"startsAt": iso(2), "energy": -0.1, "tax": 0.05, "total": -0.05},
            ],
        },
    ),
    "ENTSO-e": (
        "EUR/kWh",
        {
            "prices_today": [{"time": iso(1), "price": 0.25}],
            "prices_tomorrow": [{"time": iso(2), "price": -0.05}],
            "prices": [
                {"time": iso(1).replace("T", " "), "price": 0.25},
                {"time": iso(2).replace("T", " "), "price": -0.05},
            ],
        },
    ),
    "EPEX Spot": (
        "EUR/kWh",
        {
            "data": [
                {"start_time": iso(1), "end_time": iso(2), "price_per_kwh": 0.25},
                {"start_time": iso(2), "end_time": iso(3), "price_per_kwh": -0.05},
            ],
        },
    ),
    "EPEX Spot before": (
        "EUR/MWh",
        {
            "price_ct_per_kwh": 25.0,
            "data": [
                {
                    "start_time": iso(1),
                    "end_time": iso(2),
                    "price_eur_per_mwh": 250.0,
                    "price_ct_per_kwh": 25.0,
                },
                {
                    "start_time": iso(2),
                    "end_time": iso(3),
                    "price_eur_per_mwh": -50.0,
                    "price_ct_per_kwh": -5.0,
                },
            ],
        },
    ),
    "Octopus Energy": (
        None,
        {
            "event_type": "octopus_energy_electricity_current_day_rates",
            "rates": [
                {"start": local(1), "end": local(2), "value_inc_vat": 0.25},
                {"start": local(2), "end": local(3), "value_inc_vat": -0.05},
            ],
        },
    ),
    "Octopus, as its interface tells it": (
        None,
        {
            "results": [
                {"valid_from": iso(2), "valid_to": iso(3), "value_inc_vat": -5.0},
                {"valid_from": iso(1), "valid_to": iso(2), "value_inc_vat": 25.0},
            ],
        },
    ),
    "aWATTar": (
        None,
        {
            "data": [
                {
                    "start_timestamp": int(local(1).timestamp() * 1000),
                    "end_timestamp": int(local(2).timestamp() * 1000),
                    "marketprice": 250.0,
                    "unit": "Eur/MWh",
                },
                {
                    "start_timestamp": int(local(2).timestamp() * 1000),
                    "end_timestamp": int(local(3).timestamp() * 1000),
                    "marketprice": -50.0,
                    "unit": "Eur/MWh",
                },
            ],
        },
    ),
    "energy-charts": (
        "EUR / MWh",
        {
            "unix_seconds": [int(local(1).timestamp()), int(local(2).timestamp())],
            "price": [250.0, -50.0],
        },
    ),
    "Energi Data Service": (
        "DKK/kWh",
        {
            "use_cent": False,
            "today": [0.25],
            "raw_today": [
                {"hour": local(1), "price": 0.25},
                {"hour": local(2), "price": -0.05},
            ],
            "raw_tomorrow": None,
            "forecast": [{"hour": local(2), "price": 7.0}],
        },
    ),
    "Frank Energie": (
        "€/kWh",
        {
            "prices": [
                {"from": local(1), "till": local(2), "price": 0.25},
                {"from": local(2), "till": local(3), "price": -0.05},
            ],
        },
    ),
    "Zonneplan": (
        "€/kWh",
        {
            "forecast": [
                {
                    "datetime": "2026-11-30T00:00:00.000000Z",
                    "electricity_price": 2_500_000,
                    "electricity_price_excl_tax": 1_100_000,
                    "tariff_group": "normal",
                },
                {
                    "datetime": "2026-11-30T01:00:00.000000Z",
                    "electricity_price": -500_000,
                    "electricity_price_excl_tax": -900_000,
                },
            ],
        },
    ),
    "Amber": (
        "$/kWh",
        {
            "channel_type": "general",
            "forecasts": [
                {
                    "duration": 60,
                    "date": "2026-11-30",
                    "nem_date": iso(2),
                    "per_kwh": 0.25,
                    "spot_per_kwh": 0.1,
                    # It begins a second late.
                    "start_time": (local(1) + timedelta(seconds=1)).isoformat(),
                    "end_time": iso(2),
                },
                {
                    "duration": 60,
                    "date": "2026-11-30",
                    "nem_date": iso(3),
                    "per_kwh": -0.05,
                    "spot_per_kwh": -0.2,
                    "start_time": (local(2) + timedelta(seconds=1)).isoformat(),
                    "end_time": iso(3),
                },
            ],
        },
    ),
    "GE-Spot": (
        "öre/kWh",
        {
            "today_interval_prices": [
                {"time": iso(1), "value": 25.0, "raw_value": 11.0},
                {"time": iso(2), "value": -5.0, "raw_value": -9.0},
            ],
            "raw_today": [{"time": iso(1), "price": 25.0}],
        },
    ),
    "Strømligning": (
        "DKK/kWh",
        {
            "prices": [
                {"price": 0.25, "start": iso(1), "end": iso(2)},
                {"price": -0.05, "start": iso(2), "end": iso(3)},
            ],
        },
    ),
    "Pstryk": (
        "PLN/kWh",
        {
            "Best prices": [{"start": "2026-11-30T02:00:00", "price": -0.05}],
            "All prices": [
                {"start": "2026-11-30T01:00:00", "price": 0.25},
                {"start": "2026-11-30T02:00:00", "price": -0.05},
            ],
        },
    ),
    "Elpriset just nu": (
        None,
        {
            "today": [
                {
                    "SEK_per_kWh": 0.25,
                    "EUR_per_kWh": 0.02,
                    "EXR": 11.0,
                    "time_start": iso(1),
                    "time_end": iso(2),
                },
                {
                    "SEK_per_kWh": -0.05,
                    "EUR_per_kWh": -0.01,
                    "EXR": 11.0,
                    "time_start": iso(2),
                    "time_end": iso(3),
                },
            ],
        },
    ),
    "OMIE": (
        "EUR/MWh",
        {"today_hours": {local(1): 250.0, local(2): -50.0, local(3): None}},
    ),
    "PVPC": (
        "€/kWh",
        {"tariff": "2.0TD", "price_01h": 0.25, "price_02h": -0.05, "price_ratio": 0.5},
    ),
}


@pytest.mark.parametrize("name", TWO_HOURS)
def test_integrations(name: str) -> None:
    unit, attributes = TWO_HOURS[name]

    assert told(read(attributes, unit)) == [(1, 2, 0.25), (2, 3, -0.05)]


@pytest.mark.parametrize(
    ("day", "count", "minutes"),
    [
        pytest.param(date(2026, 11, 30), 24, 60, id="hours"),
        pytest.param(date(2026, 11, 30), 48, 30, id="halves"),
        pytest.param(date(2026, 11, 30), 96, 15, id="quarters"),
        pytest.param(date(2026, 3, 29), 23, 60, id="23 hours"),
        pytest.param(date(2026, 3, 29), 92, 15, id="23 hours of quarters"),
        pytest.param(date(2026, 10, 25), 25, 60, id="25 hours"),
        pytest.param(date(2026, 10, 25), 100, 15, id="25 hours of quarters"),
    ],
)
def test_numbers_of_a_day(day: date, count: int, minutes: int) -> None:
    numbers = [index / 100 for index in range(count)]
    prices = read({"today": numbers}, today=day)

    assert [slot.price for slot in prices] == numbers
    assert all(slot.end - slot.start == timedelta(minutes=minutes) for slot in prices)
    assert prices[0].start.astimezone(BERLIN).date() == day
    assert prices[0].start.astimezone(BERLIN).hour == 0
    assert prices[-1].end.astimezone(BERLIN).hour == 0
    # A list of tomorrow follows it.
    assert read({"today": numbers, "tomorrow": [1.0] * 24}, today=day)[
        : len(numbers)
    ] == (prices)


def test_24_numbers_of_a_day_with_25_hours_are_by_the_clock() -> None:
    day = date(2026, 10, 25)
    prices = read({"today": [float(hour) for hour in range(24)]}, today=day)

    for slot in prices:
        assert slot.start.astimezone(BERLIN).hour == slot.price
    assert prices[2].end - prices[2].start == timedelta(hours=2)


def test_times_without_a_zone_on_the_day_with_25_hours() -> None:
    prices = read(
        {
            "prices": [
                {"start": f"2026-10-25 {hour:02}:00", "price": price}
                for price, hour in enumerate((1, 2, 2, 3))
            ]
        }
    )

    assert [slot.price for slot in prices] == [0, 1, 2, 3]
    assert all(slot.end - slot.start == timedelta(hours=1) for slot in prices)


def test_a_day_that_is_not_whole_is_not_read() -> None:
    with pytest.raises(PricesNotUnderstoodError):
        read({"today": [0.1] * 17})
    with pytest.raises(PricesNotUnderstoodError):
        read_prices({"today": [0.1] * 24}, unit=None, time_zone=BERLIN)


def test_hour_that_is_missing_is_not_invented() -> None:
    rows = [
        {"start": iso(hour), "price": hour / 10}
        for hour in (0, 1, 2, 4, 5)
        if hour != 3
    ]

    assert [slot[:2] for slot in told(read({"prices": rows}))] == [
        (0, 1),
        (1, 2),
        (2, 3),
        (4, 5),
        (5, 6),
    ]


def test_tariff_of_two_times_a_day() -> None:
    rows = [{"start": iso(hour), "rate": hour / 10} for hour in (0, 7, 22)]

    assert told(read({"rates": rows})) == [(0, 7, 0), (7, 22, 0.7), (22, 37, 2.2)]


def test_prices_of_what_is_fed_in_are_not_taken_for_those_of_power() -> None:
    attributes = {
        "sell_prices": [{"start": iso(1), "price": 0.01}],
        "prices": [{"start": iso(2), "price": 0.3}],
    }

    assert told(read(attributes)) == [(2, 3, 0.3)]


@pytest.mark.parametrize(
    ("unit", "price"),
    [
        ("EUR/kWh", 30.0),
        ("€/kWh", 30.0),
        ("EUR", 30.0),
        (None, 30.0),
        ("ct/kWh", 0.3),
        ("c/kWh", 0.3),
        ("¢/kWh", 0.3),
        ("cents per kWh", 0.3),
        ("p/kWh", 0.3),
        ("Øre/kWh", 0.3),
        ("öre/kWh", 0.3),
        ("gr/kWh", 0.3),
        ("EUR/MWh", 0.03),
        ("€ / MWh", 0.03),
        ("EUR/Wh", 30_000.0),
    ],
)
def test_units(unit: str | None, price: float) -> None:
    prices = read({"prices": [{"start": iso(1), "price": 30.0}]}, unit)

    assert [slot.price for slot in prices] == [pytest.approx(price)]


def test_what_is_not_sold_by_energy_is_no_price_of_power() -> None:
    with pytest.raises(PricesNotUnderstoodError, match="unit €/m³"):
        read({"prices": [{"start": iso(1), "price": 1.2}]}, "€/m³")


def test_names_are_told_and_no_values() -> None:
    with pytest.raises(PricesNotUnderstoodError) as caught:
        read({"friendly_name": "My house", "rows": [{"when": "noon", "ore": 5}]}, "kr")

    assert caught.value.found == "friendly_name, rows (when, ore); unit kr"


NAMES = st.sampled_from(
    [
        "prices",
        "raw_today",
        "today",
        "tomorrow",
        "forecast",
        "unit",
        "price_02h",
        "data",
    ]
) | st.text(max_size=5)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.datetimes()
    | st.datetimes(timezones=st.timezones())
    | st.sampled_from([iso(1), iso(2), "2026-11-30 04:00", 1_780_000_000, 0.2])
)
ROWS = st.dictionaries(
    st.sampled_from(["start", "end", "price", "value", "time", "till", "unit"])
    | st.text(max_size=3),
    SCALARS,
)


@given(
    st.dictionaries(
        NAMES,
        SCALARS
        | st.lists(SCALARS | ROWS, max_size=30)
        | st.dictionaries(SCALARS, SCALARS, max_size=5),
        max_size=6,
    ),
    st.none() | st.text(max_size=8) | st.sampled_from(["EUR/MWh", "ct/kWh"]),
)
def test_whatever_is_there(attributes: dict[str, Any], unit: str | None) -> None:
    """All that comes of garbage is prices in order, or that there are none."""
    for response in (False, True):
        try:
            if response:
                prices = read_response(attributes, unit=unit, time_zone=BERLIN)
            else:
                prices = read(attributes, unit)
        except PricesNotUnderstoodError:
            continue
        assert all(slot.start < slot.end for slot in prices)
        assert all(slot.end <= after.start for slot, after in pairwise(prices))
        assert all(slot.start.tzinfo is UTC for slot in prices)


@pytest.mark.parametrize("domain", PRICE_ACTIONS)
def test_actions_are_called_as_home_assistant_describes_them(domain: str) -> None:
    action = PRICE_ACTIONS[domain]
    services = load_yaml(str(Path(components.__path__[0]) / domain / "services.yaml"))
    assert isinstance(services, dict)
    fields = services[action.service]["fields"]
    data = action.data("1234", TODAY)

    assert data.keys() <= fields.keys()
    required = {name for name, field in fields.items() if field.get("required")}
    assert required <= data.keys()


def test_nordpool_action() -> None:
    action = PRICE_ACTIONS["nordpool"]
    response = {
        "SE3": [
            {"start": iso(1), "end": iso(1.25), "price": 250.0},
            {"start": iso(1.25), "end": iso(1.5), "price": -50.0},
        ],
        "SE4": [{"start": iso(1), "end": iso(1.25), "price": 999.0}],
    }

    prices = read_response(response, unit=action.unit, time_zone=BERLIN)

    assert told(prices) == [(1, 1.25, 0.25), (1.25, 1.5, -0.05)]
    other = read_response(response, unit=action.unit, time_zone=BERLIN, name="SE4")
    assert told(other) == [(1, 1.25, 0.999)]
    # Tomorrow before it is published.
    assert read_response({"SE3": []}, unit="MWh", time_zone=BERLIN) == ()


def test_tibber_action() -> None:
    action = PRICE_ACTIONS["tibber"]
    response = {
        "prices": {
            "Cabin": [],
            "Home": [
                {"start_time": iso(1), "price": 0.25},
                {"start_time": iso(1.25), "price": -0.05},
            ],
        }
    }

    prices = read_response(response, unit=action.unit, time_zone=BERLIN)

    assert told(prices) == [(1, 1.25, 0.25), (1.25, 1.5, -0.05)]


@pytest.mark.parametrize("domain", ["energyzero", "easyenergy"])
def test_actions_with_vat(domain: str) -> None:
    action = PRICE_ACTIONS[domain]
    assert action.data("1234", TODAY)["config_entry"] == "1234"
    response = {
        "prices": [
            {"timestamp": str(local(1).astimezone(UTC)), "price": 0.25},
            {"timestamp": str(local(2).astimezone(UTC)), "price": -0.05},
        ]
    }

    prices = read_response(response, unit=action.unit, time_zone=BERLIN)

    assert told(prices) == [(1, 2, 0.25), (2, 3, -0.05)]


@pytest.mark.parametrize(
    "response", [None, {}, {"prices": "x"}, {"prices": [{"a": 1}]}]
)
def test_response_without_prices(response: Any) -> None:
    with pytest.raises(PricesNotUnderstoodError):
        read_response(response, unit=None, time_zone=BERLIN)
