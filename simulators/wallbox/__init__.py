"""A simulated Delta wallbox: OCPP 2.0.1 over a real socket, with a physical model."""

from .connection import HalfOpen
from .physics import Car, Charger, ChargingState
from .quirks import (
    DELTA,
    WORST,
    Bent,
    CompositeOddity,
    LedVariable,
    Quirks,
    RegisterPhases,
    RegisterRestarts,
    SmartCharging,
)
from .records import Answer, CallFailed, ReceivedCall, SentCall
from .simulator import SimulatedWallbox

__all__ = [
    "DELTA",
    "WORST",
    "Answer",
    "Bent",
    "CallFailed",
    "Car",
    "Charger",
    "ChargingState",
    "CompositeOddity",
    "HalfOpen",
    "LedVariable",
    "Quirks",
    "ReceivedCall",
    "RegisterPhases",
    "RegisterRestarts",
    "SentCall",
    "SimulatedWallbox",
    "SmartCharging",
]
