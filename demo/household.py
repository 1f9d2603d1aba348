"""The house beside the demo's wallbox: it lives here, and its meters are told."""

from collections.abc import Callable, Sequence
from datetime import datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from simulators.house.meter import GridMeter, MeterQuirks
from simulators.house.physics import House
from simulators.house.prices import Slot, Tariff
from simulators.house.weather import Roof
from simulators.wallbox import Car, SimulatedWallbox

from .layout import HOUSE_DOMAIN, HOUSE_WIRING
from .scenario import CAR_A

ZONE: Final = ZoneInfo("Europe/Berlin")
"""Where the demo is."""
ROOF: Final = Roof(peak_w=15_000.0, inverter_w=12_000.0)
"""Large: the demo has something to show in winter, too."""
TELL: Final = f"{HOUSE_DOMAIN}.tell"
"""The action that tells Home Assistant what the meters tell."""
_LEAVES: Final = time(7, 30)
_COMES: Final = time(10)
"""The car is away for so long each morning: there is sun to take when it is back."""
_NEEDS_WH: Final = 32_000.0
"""What it then needs."""


class Household:
    """A house, its meter and its price, and the car that comes and goes."""

    def __init__(
        self,
        box: SimulatedWallbox,
        begin: datetime,
        *,
        seed: int = 4,
        stays: bool = False,
    ) -> None:
        """Begin at a moment, with a wallbox that the house feeds.

        A car that `stays` is there from the beginning, and does not leave.
        """
        self._box = box
        self._stays = stays
        self.house = House(
            begin.astimezone(ZONE), seed=seed, roof=ROOF, wiring=(HOUSE_WIRING,)
        )
        self._tariff = Tariff(ZONE, seed=seed)
        self._meter = GridMeter(self.house, MeterQuirks())
        self._slot: Slot | None = None
        self._known = 0

    def advance(self, seconds: float) -> None:
        """Let time pass: with what the wallbox takes now."""
        self.house.draw((self._box.charger.readings.current_a,))
        self.house.advance(seconds)
        self._meter.look()

    async def attend_car(self, say: Callable[[str], None]) -> bool:
        """Let the car come or leave, if it is time; tells whether it did."""
        box = self._box
        home = self._stays or not _LEAVES <= self.house.now.time() < _COMES
        if home is box.charger.plugged:
            return False
        if home:
            say(f"{self.house.now:%A %H:%M}: the car comes home")
            car = Car(phases=3, max_current_a=CAR_A, wants_energy_wh=_NEEDS_WH)
            await box.plug_in(car)
        else:
            say(f"{self.house.now:%A %H:%M}: the car leaves")
            await box.unplug()
        return True

    def forget(self) -> None:
        """Tell all of it next time: Home Assistant was started anew."""
        self._slot = None

    def tell(self) -> dict[str, Any]:
        """Return what the meters tell: the price only where that is news."""
        reading, house = self._meter.reading, self.house
        told: dict[str, Any] = {"solar_power": round(house.pv_w)}
        if reading is not None:
            told["grid_power"] = reading.power_w
            for number, amperes in enumerate(reading.current_a, 1):
                told[f"current_l{number}"] = amperes
        known = self._tariff.known(house.now)
        (slot,) = [each for each in known if each.start <= house.now < each.end]
        if slot != self._slot or len(known) != self._known:
            self._slot, self._known = slot, len(known)
            today = len(self._tariff.day(house.now.date()))
            told["price"] = slot.price
            told["today"] = _slots(known[:today])
            told["tomorrow"] = _slots(known[today:])
        return told


def _slots(slots: Sequence[Slot]) -> list[dict[str, Any]]:
    """Return prices as integrations of day-ahead prices have them."""
    return [
        {
            "start": each.start.isoformat(),
            "end": each.end.isoformat(),
            "value": each.price,
        }
        for each in slots
    ]
