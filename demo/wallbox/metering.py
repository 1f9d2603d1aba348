"""What the meter shows, as it goes on the wire (OCPP 2.0.1 part 2, MeterValueType)."""

from __future__ import annotations

from typing import Final

from .physics import Readings
from .quirks import Quirks
from .records import Payload

_ZERO_EVERY: Final = 3
"""With the quirk of zero readings, each third one is zero."""


def sample(
    readings: Readings,
    measurands: tuple[str, ...],
    *,
    context: str,
    time: str,
    quirks: Quirks,
    number: int,
) -> list[Payload]:
    """Make the meterValue of a message; empty where nothing is asked.

    `time` is the time of the reading on the wire, `number` counts the readings from 1.
    """
    values: list[Payload] = []

    def add(
        value: float, measurand: str | None, unit: str, phase: str | None = None
    ) -> None:
        sampled: Payload = {"value": value, "context": context}
        if measurand:
            sampled["measurand"] = measurand
        if phase:
            sampled["phase"] = phase
        multiplier = quirks.unit_multiplier if unit in ("W", "Wh") else 0
        if multiplier:
            sampled["value"] = round(value / 10**multiplier, 6)
            sampled["unitOfMeasure"] = {"unit": unit, "multiplier": multiplier}
        elif measurand:
            sampled["unitOfMeasure"] = {"unit": unit}
        values.append(sampled)

    for measurand in measurands:
        match measurand:
            case "Energy.Active.Import.Register":
                zero = quirks.register_zero_readings and number % _ZERO_EVERY == 0
                name = None if quirks.energy_measurand_omitted else measurand
                add(0.0 if zero else round(readings.register_wh, 1), name, "Wh")
            case "Power.Active.Import":
                add(readings.power_w, measurand, "W")
            case "Voltage":
                for phase, volts in enumerate(readings.voltage_v, 1):
                    add(volts, measurand, "V", f"L{phase}-N")
            case "Current.Import":
                frozen = quirks.frozen_unphased_current
                whole = quirks.frozen_current_a if frozen else max(readings.current_a)
                add(whole, measurand, "A")
                for phase, amperes in enumerate(readings.current_a, 1):
                    add(amperes, measurand, "A", f"L{phase}")
    return [{"timestamp": time, "sampledValue": values}] if values else []
