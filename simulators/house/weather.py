"""Sun, clouds and temperature of a day, by seed and date."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
import math
import random
from typing import Final

DAY_S: Final = 86_400.0

_SOLAR_CONSTANT: Final = 1353.0
"""W/m²; with the powers of 0.7 and 0.678: Meinel's clear sky."""
_EDGE_S: Final = 20.0
"""How long the edge of a cloud takes to pass over a roof."""
_COLDEST_DAY: Final = 20
"""Of the year."""


class Sky(StrEnum):
    """What a day's sky is like."""

    CLEAR = "clear"
    BROKEN = "broken"
    OVERCAST = "overcast"


#: Sky -> what passes clouds, how long they stay and gaps between them are, s.
_CLOUDS: Final = {
    Sky.CLEAR: ((0.6, 0.9), 180.0, 5400.0),
    Sky.BROKEN: ((0.15, 0.6), 330.0, 480.0),
    Sky.OVERCAST: ((0.08, 0.4), 2400.0, 300.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a house stands."""

    latitude: float = 48.1
    """Degrees north."""
    longitude: float = 11.6
    """Degrees east."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """The weather of a day."""

    sky: Sky
    """What its sky is like."""
    mean_c: float
    """Its mean temperature outside, °C."""
    swing_c: float
    """The afternoon is so much warmer than that, and the night as much colder, K."""
    clouds: tuple[tuple[float, float], ...]
    """From when (s of the day) on how much of the sun passes, 0 to 1."""

    def outside_c(self, second: float) -> float:
        """Return the temperature at a second of the day, °C; warmest at three."""
        turn = math.tau * (second / DAY_S - 15 / 24)
        return self.mean_c + self.swing_c * math.cos(turn)

    @property
    def clearness(self) -> float:
        """How much of the sun passes from six to eighteen, 0 to 1."""
        begin, end = DAY_S / 4, DAY_S * 3 / 4
        passed = 0.0
        spans = zip(self.clouds, [*self.clouds[1:], (DAY_S, 0.0)], strict=True)
        for (since, share), (until, _) in spans:
            passed += share * max(0.0, min(until, end) - max(since, begin))
        return passed / (end - begin)


def weather_of(day: date, seed: int, sky: Sky | None = None) -> Weather:
    """Return the weather of a day; with a sky that is wished for, or one by chance."""
    chance = random.Random(f"weather {seed} {day}")
    drawn = chance.choices(tuple(Sky), (0.3, 0.4, 0.3))[0]
    sky = sky or drawn
    season = math.cos(math.tau * (day.timetuple().tm_yday - _COLDEST_DAY) / 365.25)
    (thin, thick), stays_s, gap_s = _CLOUDS[sky]
    clouds: list[tuple[float, float]] = []
    second, cloudy = 0.0, chance.random() < stays_s / (stays_s + gap_s)
    while second < DAY_S:
        share = chance.uniform(thin, thick) if cloudy else chance.uniform(0.95, 1.0)
        clouds.append((second, share))
        second += 20.0 + chance.expovariate(1 / (stays_s if cloudy else gap_s))
        cloudy = not cloudy
    return Weather(
        sky=sky,
        mean_c=10.0 - 9.5 * season + chance.gauss(0, 3),
        swing_c=2.0 if sky is Sky.OVERCAST else 5.0,
        clouds=tuple(clouds),
    )


class Clouds:
    """The clouds of a day, as they pass."""

    def __init__(self, weather: Weather) -> None:
        """Begin with the day."""
        self._clouds = weather.clouds
        self._next = 1
        self._share = self._clouds[0][1]

    def advance(self, seconds: float, second: float) -> float:
        """Let time pass until a second of the day; return what passes, 0 to 1."""
        while self._next < len(self._clouds) and self._clouds[self._next][0] <= second:
            self._next += 1
        towards = self._clouds[self._next - 1][1]
        self._share += (towards - self._share) * (1 - math.exp(-seconds / _EDGE_S))
        return self._share


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """Modules on a roof, and their inverter."""

    peak_w: float = 9_800.0
    """What the modules give at 1,000 W/m², W."""
    inverter_w: float = 8_500.0
    """Most that the inverter gives, W."""
    tilt: float = 35.0
    """Degrees from level."""
    azimuth: float = 180.0
    """Where it looks, degrees from north over east."""


class Sun:
    """The sun over a place at one date."""

    def __init__(self, day: date, place: Place) -> None:
        """Compute what stays the same for a day."""
        number = day.timetuple().tm_yday
        self._declination = math.radians(
            -23.44 * math.cos(math.tau * (number + 10) / 365.25)
        )
        turn = math.tau * (number - 81) / 364
        # Minutes by which a sundial is ahead of a clock.
        equation_min = (
            9.87 * math.sin(2 * turn) - 7.53 * math.cos(turn) - 1.5 * math.sin(turn)
        )
        self._latitude = math.radians(place.latitude)
        self._noon_s = DAY_S / 2 - place.longitude * 240 - equation_min * 60
        self._midnight = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()

    def clear_w(self, timestamp: float, roof: Roof) -> float:
        """Return what a roof gives under a clear sky, W; the time in s of the epoch."""
        angle = math.tau * (timestamp - self._midnight - self._noon_s) / DAY_S
        sin_d, cos_d = math.sin(self._declination), math.cos(self._declination)
        sin_l, cos_l = math.sin(self._latitude), math.cos(self._latitude)
        height = sin_l * sin_d + cos_l * cos_d * math.cos(angle)
        if height <= 0.01:
            return 0.0
        # The sun as a vector: to the south, to the west, up.
        south = sin_l * cos_d * math.cos(angle) - cos_l * sin_d
        west = cos_d * math.sin(angle)
        tilt = math.radians(roof.tilt)
        turned = math.radians(roof.azimuth - 180)
        facing = height * math.cos(tilt) + math.sin(tilt) * (
            south * math.cos(turned) + west * math.sin(turned)
        )
        direct = _SOLAR_CONSTANT * math.pow(0.7, math.pow(1 / height, 0.678))
        plane = direct * max(0.0, facing) + 0.1 * direct
        return min(roof.inverter_w, roof.peak_w * 0.9 * plane / 1000)
