"""A simulated Delta wallbox: OCPP 2.0.1 over a real socket, with a physical model."""

from .physics import Car, Charger, ChargingState
from .quirks import DELTA, WORST, LedVariable, Quirks, RegisterRestarts
from .records import Answer, CallFailed, ReceivedCall, SentCall
from .simulator import SimulatedWallbox

__all__ = [
    "DELTA",
    "WORST",
    "Answer",
    "CallFailed",
    "Car",
    "Charger",
    "ChargingState",
    "LedVariable",
    "Quirks",
    "ReceivedCall",
    "RegisterRestarts",
    "SentCall",
    "SimulatedWallbox",
]
