"""The meters of the newcomer's house: a sunny noon at any time of the day."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from demo.client import Client
from demo.household import TELL, ZONE
from simulators.house.prices import SLOT
from simulators.wallbox import SimulatedWallbox

SOLAR_W: Final = 11_000.0
_LOADS_W: Final = 900.0
_VOLTS: Final = 230.0
_TELL_EVERY_S: Final = 2.0
_CHEAP: Final = 0.19
_DEAR: Final = 0.34


class House:
    """Tells Home Assistant what its meters tell."""

    def __init__(self, client: Client, box: SimulatedWallbox) -> None:
        """Take who is told, and the wallbox that the house feeds."""
        self._client = client
        self._box = box
        self.solar_w = SOLAR_W

    async def run(self) -> None:
        """Tell it until cancelled."""
        while True:
            # The client's socket is for the stations, one question at a time.
            await self._client.post(
                f"/api/services/{TELL.replace('.', '/')}",
                self._tell(datetime.now(ZONE)),
            )
            await asyncio.sleep(_TELL_EVERY_S)

    def _tell(self, now: datetime) -> dict[str, Any]:
        """Return what is told."""
        readings = self._box.charger.readings
        drawn = [
            each + (_LOADS_W - self.solar_w) / 3 / _VOLTS for each in readings.current_a
        ]
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        today = [*_prices(midnight, now)]
        return {
            "solar_power": self.solar_w,
            "grid_power": round(sum(drawn) * _VOLTS),
            **{
                f"current_l{number}": round(abs(each), 1)
                for number, each in enumerate(drawn, 1)
            },
            "price": next(
                each["value"]
                for each in reversed(today)
                if each["start"] <= now.isoformat()
            ),
            "today": today,
            "tomorrow": [*_prices(midnight + timedelta(days=1), now)],
        }


def _prices(midnight: datetime, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the quarter hours of a day: cheap from now on, and again later."""
    begin = midnight
    while begin < midnight + timedelta(days=1):
        ahead = (begin + SLOT - now) / timedelta(hours=1)
        cheap = 0 < ahead <= 0.75 or 4 <= ahead < 5
        yield {
            "start": begin.isoformat(),
            "end": (begin + SLOT).isoformat(),
            "value": _CHEAP if cheap else _DEAR,
        }
        begin += SLOT
