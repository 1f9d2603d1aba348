"""Simulated BMSs: peripherals that Home Assistant connects to by its own means."""

from .battery import Battery
from .peripheral import Fault, SimulatedBms
from .protocol import Humsienk, Jbd
from .radio import BmsRadio

__all__ = ["Battery", "BmsRadio", "Fault", "Humsienk", "Jbd", "SimulatedBms"]
