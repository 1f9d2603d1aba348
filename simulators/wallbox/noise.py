"""A charger at a real socket: its voltage and its currents never stand still."""

from dataclasses import replace
import math
import random
from typing import Any, Final

from .physics import Charger, Readings

#: What a meter says of a current that stands still is wrong by so much, A.
_CURRENT_JITTER_A: Final = 0.2
#: From one reading to the next the voltage moves by so much, V, beside its ripple.
_VOLTAGE_JITTER_V: Final = 0.2
#: The neighbours cook: so many V up and down, in so many s.
_DRIFT_V: Final = 2.0
_DRIFT_PERIOD_S: Final = 2400.0


class NoisyCharger(Charger):
    """A charger whose readings are those of another, with noise. It counts them."""

    def __init__(self, *, seed: int = 1, **settings: Any) -> None:
        """Take the seed of the noise, and what every charger takes."""
        super().__init__(seed=seed, **settings)
        self._noise = random.Random(seed)
        self._phase = self._noise.uniform(0, math.tau)
        self._jitter: tuple[tuple[float, float], ...] = ()
        self._stir()

    def _stir(self) -> None:
        """Choose the noise of the next moment: V and A, of each phase."""
        self._jitter = tuple(
            (
                self._noise.uniform(-_VOLTAGE_JITTER_V, _VOLTAGE_JITTER_V),
                self._noise.uniform(-_CURRENT_JITTER_A, _CURRENT_JITTER_A),
            )
            for _ in range(self.phases)
        )

    @property
    def readings(self) -> Readings:
        """What the meter shows now."""
        calm = super().readings
        turn = math.tau * self.elapsed_s / _DRIFT_PERIOD_S + self._phase
        drift = _DRIFT_V * math.sin(turn)
        voltage = tuple(
            round(volts + drift + jitter, 1)
            for volts, (jitter, _) in zip(calm.voltage_v, self._jitter, strict=True)
        )
        current = tuple(
            round(amperes + jitter, 2) if amperes else 0.0
            for amperes, (_, jitter) in zip(calm.current_a, self._jitter, strict=True)
        )
        power = sum(v * a for v, a in zip(voltage, current, strict=True))
        return replace(
            calm, voltage_v=voltage, current_a=current, power_w=round(power, 1)
        )

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        super().advance(seconds)
        self._stir()
