"""What energy costs, as others tell it: over days, and while they tell nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta
import logging
from typing import Any
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant, ServiceCall, SupportsResponse
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.bmw_wallbox_victron.charging.prices import price_at
from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.site_prices import SitePrices
from custom_components.bmw_wallbox_victron.site_problems import SiteProblems

BERLIN = ZoneInfo("Europe/Berlin")
MORNING = datetime(2026, 11, 30, 9, tzinfo=BERLIN)
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
ISSUE = (DOMAIN, "prices_missing")


class Clock:
    """Time, and what waits for it."""

    def __init__(self, hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
        self._hass = hass
        self._freezer = freezer
        self.now = MORNING
        self._waiting: list[tuple[datetime, Callable[[], None]]] = []
        freezer.move_to(self.now)

    def call_later(
        self, delay_s: float, action: Callable[[], None]
    ) -> Callable[[], None]:
        """Call an action after so many seconds."""
        waits = (self.now + timedelta(seconds=delay_s), action)
        self._waiting.append(waits)

        def cancel() -> None:
            if waits in self._waiting:
                self._waiting.remove(waits)

        return cancel

    async def run(self, until: datetime) -> None:
        """Let time pass, a quarter hour at a time."""
        while True:
            for waits in [each for each in self._waiting if each[0] <= self.now]:
                self._waiting.remove(waits)
                waits[1]()
            await self._hass.async_block_till_done()
            if self.now >= until:
                return
            self.now += QUARTER
            self._freezer.move_to(self.now)


@pytest.fixture
def clock(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> Clock:
    return Clock(hass, freezer)


@pytest.fixture
async def prices(hass: HomeAssistant, clock: Clock) -> SitePrices:
    await hass.config.async_set_time_zone("Europe/Berlin")
    return SitePrices(
        hass,
        problems=SiteProblems(hass),
        call_later=clock.call_later,
        on_change=lambda: None,
    )


def tell(hass: HomeAssistant, begin: datetime, *costs: float) -> None:
    """Let an entity tell prices by the hour."""
    rows = [
        {
            "start": (begin + number * HOUR).isoformat(),
            "end": (begin + (number + 1) * HOUR).isoformat(),
            "value": cost,
        }
        for number, cost in enumerate(costs)
    ]
    attributes = {"unit_of_measurement": "EUR/kWh", "raw_today": rows}
    hass.states.async_set("sensor.price", str(costs[0]), attributes)


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    """Return what was logged of it: how bad, and the first words."""
    return [
        (record.levelno, record.getMessage())
        for record in caplog.records
        if record.name.startswith(f"custom_components.{DOMAIN}.site_problems")
    ]


async def test_an_action_that_fails_for_days(
    hass: HomeAssistant,
    clock: Clock,
    prices: SitePrices,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is said once when tomorrow's prices are overdue, and once when it is over."""
    caplog.set_level(logging.INFO)
    entry = MockConfigEntry(domain="nordpool")
    entry.add_to_hass(hass)
    fails = False

    async def answer(call: ServiceCall) -> Any:
        if fails:
            raise OSError("no *route*")
        begin = datetime.fromisoformat(str(call.data["date"])).replace(tzinfo=BERLIN)
        hours = [begin + hour * HOUR for hour in range(24)]
        return {
            "SE3": [
                {
                    "start": hour.isoformat(),
                    "end": (hour + HOUR).isoformat(),
                    "price": 100.0,
                }
                for hour in hours
            ]
        }

    hass.services.async_register(
        "nordpool",
        "get_prices_for_date",
        answer,
        supports_response=SupportsResponse.ONLY,
    )
    issues = ir.async_get(hass).issues
    prices.async_follow(entry.entry_id)
    await clock.run(MORNING + 2 * HOUR)
    assert price_at(prices.prices, clock.now) == pytest.approx(0.1)
    fails = True
    await clock.run(MORNING.replace(hour=17, minute=45))
    assert not said(caplog)
    assert ISSUE not in issues
    await clock.run(MORNING + timedelta(days=4))
    ((level, line),) = said(caplog)
    assert level == logging.WARNING
    assert "OSError: no *route*" in line
    assert (issues[ISSUE].translation_placeholders or {})["found"] == (
        r"OSError\: no \*route\*"
    )
    fails = False
    await clock.run(MORNING + timedelta(days=6))
    assert [level for level, _ in said(caplog)] == [logging.WARNING, logging.INFO]
    assert ISSUE not in issues
    prices.async_stop()


async def test_an_entity_that_tells_nothing_any_more(
    hass: HomeAssistant,
    clock: Clock,
    prices: SitePrices,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once what it told is over; a gap of minutes, as at midnight, is none."""
    caplog.set_level(logging.INFO)
    tell(hass, MORNING, 0.1, 0.2)
    prices.async_follow("sensor.price")
    await clock.run(MORNING + 2 * HOUR)
    tell(hass, MORNING + 2 * HOUR, 0.3)
    hass.states.async_set("sensor.price", STATE_UNAVAILABLE)
    await clock.run(MORNING + 3 * HOUR)
    assert not said(caplog)
    await clock.run(MORNING + timedelta(days=2))
    assert [level for level, _ in said(caplog)] == [logging.WARNING]
    assert ISSUE in ir.async_get(hass).issues
    tell(hass, clock.now, 0.1)
    assert [level for level, _ in said(caplog)] == [logging.WARNING, logging.INFO]
    assert ISSUE not in ir.async_get(hass).issues
    prices.async_stop()


async def test_prices_of_the_past(
    hass: HomeAssistant, clock: Clock, prices: SitePrices
) -> None:
    """They stay for a week, also of one that was removed, which has none to come."""
    tell(hass, MORNING, 0.1, 0.2, 0.3)
    prices.async_follow("sensor.price")
    tell(hass, MORNING + HOUR, 0.4)
    assert [slot.price for slot in prices.prices] == [0.1, 0.4, 0.3]
    await clock.run(MORNING + HOUR + 2 * QUARTER)
    prices.async_follow(None)
    assert [slot.price for slot in prices.prices] == [0.1, 0.4]
    assert price_at(prices.prices, clock.now) is None
    await clock.run(MORNING + timedelta(days=7))
    tell(hass, clock.now, 0.5)
    prices.async_follow("sensor.price")
    assert [slot.price for slot in prices.prices] == [0.1, 0.4, 0.5]
    tell(hass, clock.now + HOUR, 0.6)
    await clock.run(MORNING + timedelta(days=7) + HOUR)
    tell(hass, clock.now + HOUR, 0.7)
    assert [slot.price for slot in prices.prices] == [0.4, 0.5, 0.6, 0.7]
    prices.async_stop()
