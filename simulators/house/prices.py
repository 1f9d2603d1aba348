"""A dynamic price by quarter hours: tomorrow's is known from 13:00."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
import math
import random
from typing import Final

from .weather import DAY_S, weather_of

SLOT: Final = timedelta(minutes=15)
PUBLISHED: Final = time(13)
"""When the prices of tomorrow become known."""

_BESIDE_EUR: Final = 0.13
"""What a kWh costs beside the market's price: grid, taxes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A quarter hour and its price."""

    start: datetime
    """When it begins, in the house's time zone."""
    end: datetime
    """When it ends."""
    price: float
    """What a kWh from the grid costs, EUR."""


class Tariff:
    """The prices of a house, by seed and date."""

    def __init__(self, zone: tzinfo, *, seed: int = 1) -> None:
        """Take the house's time zone."""
        self._zone = zone
        self._seed = seed
        self._days: dict[date, tuple[Slot, ...]] = {}

    def day(self, day: date) -> tuple[Slot, ...]:
        """Return the 92, 96 or 100 quarter hours of a day."""
        if day not in self._days:
            self._days[day] = self._make(day)
        return self._days[day]

    def known(self, now: datetime) -> tuple[Slot, ...]:
        """Return what is known at a moment: today's, and tomorrow's after one."""
        local = now.astimezone(self._zone)
        slots = self.day(local.date())
        if local.time() >= PUBLISHED:
            slots += self.day(local.date() + timedelta(days=1))
        return slots

    def at(self, now: datetime) -> float:
        """Return what a kWh costs at a moment, EUR."""
        day = self.day(now.astimezone(self._zone).date())
        return day[int((now - day[0].start) / SLOT)].price

    def _make(self, day: date) -> tuple[Slot, ...]:
        chance = random.Random(f"prices {self._seed} {day}")
        begin = datetime.combine(day, time(), self._zone).astimezone(UTC)
        end = datetime.combine(day + timedelta(days=1), time(), self._zone).astimezone(
            UTC
        )
        season = -math.cos(math.tau * (day.timetuple().tm_yday - 20) / 365.25)
        sun_eur = weather_of(day, self._seed).clearness * (0.14 + 0.11 * season)
        wind_eur = chance.uniform(-0.03, 0.03)
        slots: list[Slot] = []
        while begin < end:
            local = begin.astimezone(self._zone)
            hour = (local.hour * 3600 + local.minute * 60) / DAY_S * 24
            price = (
                0.09
                + wind_eur
                + 0.06 * math.exp(-(((hour - 7.5) / 1.6) ** 2))
                + 0.10 * math.exp(-(((hour - 19.0) / 2.0) ** 2))
                - 0.02 * math.exp(-(((hour - 3.0) / 2.5) ** 2))
                - sun_eur * math.exp(-(((hour - 13.2) / 2.6) ** 2))
                + chance.gauss(0, 0.006)
            )
            slots.append(
                Slot(
                    start=local,
                    end=(begin + SLOT).astimezone(self._zone),
                    price=round(_BESIDE_EUR + price, 4),
                )
            )
            begin += SLOT
        return tuple(slots)
