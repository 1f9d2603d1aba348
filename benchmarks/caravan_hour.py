"""One hour of the caravan for the benchmark, and how well something showed it."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from custom_components.bmw_wallbox_victron.readings import Value
from custom_components.bmw_wallbox_victron.victron.decoder import Decoder
from custom_components.bmw_wallbox_victron.victron.records import Reading
from simulators.caravan.devices import WELL, Frame, Quirks, fit_out
from simulators.caravan.identity import ALTERNATOR_CHARGER
from simulators.caravan.physics import Caravan, Plan

PACE_S: Final = 0.2
"""How often each device is heard."""
SECONDS: Final = 3600
_PLAN: Final = Plan(
    cycle_h=24.0,
    start_h=19.5,
    mains=((19.5 + 10 / 60, 19.5 + 30 / 60),),
    driving=((19.5 + 40 / 60, 19.5 + 50 / 60),),
)
"""An evening: 20 minutes at the mains, 10 on the road."""

QUANTITIES: Final = {
    "voltage": "V",
    "current": "A",
    "power": "W",
    "soc": "%",
    "consumed_ah": "Ah",
    "time_to_go": "min",
}
"""What is compared, of the SmartShunt, and its unit."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What is in the air at one moment."""

    frames: tuple[Frame, ...]
    """One of each device that is heard."""
    said: Mapping[str, Mapping[str, Value]]
    """By address: what these devices say."""


def play(seconds: float = SECONDS, *, seed: int = 1) -> Iterator[Tick]:
    """Return the hour, tick by tick. The seed is of what is switched on, and when."""
    caravan = Caravan(soc=0.6, plan=_PLAN, seed=seed)
    devices = fit_out(caravan)
    decoders = {each.identity.address: Decoder(each.identity.key) for each in devices}
    for index in range(round(seconds / PACE_S)):
        now = index * PACE_S
        caravan.advance(PACE_S)
        frames = []
        said = {}
        for device in devices:
            if device.identity is ALTERNATOR_CHARGER:
                # Mounted near the engine: heard only while the car is there.
                device.quirks = WELL if caravan.driving else Quirks(silent=True)
            if frame := device.transmit(now):
                outcome = decoders[frame.address].hear(frame.data, now)
                if not isinstance(outcome, Reading):
                    raise RuntimeError(f"{frame.address} is not understood: {outcome}")
                frames.append(frame)
                said[frame.address] = outcome.values
        yield Tick(tuple(frames), said)


class Watch:
    """How wrong one quantity is shown, where an error may last for some time.

    The error of a moment counts as far as it was there in all the looks since then,
    until the time that it may last was over: the least of them.
    """

    def __init__(self, patience_s: float) -> None:
        """Take how long an error may last, s."""
        # An error that lasts longer than that is there in one look more.
        self._looks = round(patience_s / PACE_S) + 2
        self._recent: deque[tuple[int, float, float]] = deque()
        self._count = 0
        self.worst = 0.0
        """The largest error, in the unit of the quantity."""
        self.worst_of = 0.0
        """What was shown wrongly then."""
        self.seen = False
        """Whether it was shown at all."""

    def look(self, said: float | None, shown: float | None) -> None:
        """Compare what a device says with what is shown."""
        if said is None and shown is None:
            error, of = 0.0, 0.0
        elif said is None or shown is None:
            error, of = float("inf"), said or 0.0
        else:
            self.seen = True
            error, of = abs(said - shown), said
        recent = self._recent
        while recent and recent[-1][1] >= error:
            recent.pop()
        recent.append((self._count, error, of))
        self._count += 1
        if recent[0][0] <= self._count - 1 - self._looks:
            recent.popleft()
        if self._count >= self._looks and recent[0][1] > self.worst:
            self.worst, self.worst_of = recent[0][1:]
