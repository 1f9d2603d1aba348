"""What the meter shows, as it goes on the wire (OCPP 2.0.1 part 2, MeterValueType)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .physics import Readings
from .quirks import Quirks, RegisterPhases
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
    begin_wh: float | None = None,
) -> list[Payload]:
    """Make the meterValue of a message; empty where nothing is asked.

    `time` is the time of the reading on the wire, `number` counts the readings from 1,
    `begin_wh` is the register when the running transaction began.
    """
    values = _sampled_values(
        readings, measurands, context=context, quirks=quirks, number=number
    )
    if values and quirks.begin_sample_beside and begin_wh is not None:
        begin = _sampled_values(
            replace(
                readings,
                current_a=tuple(0.0 for _ in readings.current_a),
                power_w=0.0,
                register_wh=begin_wh,
            ),
            measurands,
            context="Transaction.Begin",
            quirks=quirks,
            number=number,
        )
        values = begin + values if number % 2 else values + begin
    return [{"timestamp": time, "sampledValue": values}] if values else []


def _sampled_values(
    readings: Readings,
    measurands: tuple[str, ...],
    *,
    context: str,
    quirks: Quirks,
    number: int,
) -> list[Payload]:
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
                register = 0.0 if zero else readings.register_wh
                match quirks.register_phases:
                    case RegisterPhases.NONE:
                        add(round(register, 1), name, "Wh")
                    case RegisterPhases.FIRST:
                        add(round(register, 1), name, "Wh", "L1")
                    case RegisterPhases.EACH:
                        phases = len(readings.current_a)
                        for phase in range(1, phases + 1):
                            add(round(register / phases, 1), name, "Wh", f"L{phase}")
            case "Power.Active.Import":
                add(readings.power_w, measurand, "W")
            case "Voltage":
                voltages = readings.voltage_v
                if quirks.zero_volts_on_absent_phases:
                    voltages = (*voltages, 0.0, 0.0)[:3]
                for phase, volts in enumerate(voltages, 1):
                    add(volts, measurand, "V", f"L{phase}-N")
            case "Current.Import":
                frozen = quirks.frozen_unphased_current
                whole = quirks.frozen_current_a if frozen else max(readings.current_a)
                add(whole, measurand, "A")
                for phase, amperes in enumerate(readings.current_a, 1):
                    add(amperes, measurand, "A", f"L{phase}")
    return values
