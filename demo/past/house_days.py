"""Days of the house in fast motion, with Home Assistant's page open."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
import math
import time
from typing import Final, override

from demo.household import TELL, ZONE, Household
from demo.past.guide import BoxClock, Guide, Week
from simulators.wallbox import SimulatedWallbox

_SEEN_S: Final = 420.0
"""Seven minutes of days: time enough to log in and to look."""
_STEP_REAL_S: Final = 0.02
"""What a step takes of our time, about, s."""
_FINEST_S: Final = 5.0
_COARSEST_S: Final = 30.0
"""A step of theirs, s: the meter tells once in it, and is silent after 60 s."""


def behind_s(now: datetime, speed: float) -> float:
    """Return how far back the days begin, s: at a midnight."""
    days = math.ceil(speed * _SEEN_S / 86_400)
    midnight = now.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    return (now - (midnight - timedelta(days=days - 1))).total_seconds()


class HouseDays(Week):
    """Lets wallbox, house and Home Assistant live, `speed` times as fast as we do."""

    def __init__(
        self,
        guide: Guide,
        box: SimulatedWallbox,
        clock: BoxClock,
        household: Household,
        *,
        speed: float,
        say: Callable[[str], None],
    ) -> None:
        """Take a household that begins where the guide is."""
        super().__init__(guide, box, clock, lambda _: None, (), ())
        self._household = household
        self._speed = speed
        self._tell = say
        self._due = time.monotonic()

    @property
    @override
    def _pace_s(self) -> float:
        return min(max(self._speed * _STEP_REAL_S, _FINEST_S), _COARSEST_S)

    @override
    async def _happen(self, before_h: float) -> bool:
        return await self._household.attend_car(self._tell)

    @override
    async def _live_beside(self, seconds: float) -> None:
        self._household.advance(seconds)
        await self._guide.act(TELL, self._household.tell())
        # No faster than was asked for; what was too slow is not caught up.
        self._due = max(self._due + seconds / self._speed, time.monotonic() - 1)
        await asyncio.sleep(self._due - time.monotonic())
