"""What is used of aiobmsble, which comes without `py.typed`: 0.26 to 0.31 alike."""

from typing import TypedDict

class BMSConfig:
    def __init__(self, keep_alive: bool = True, secret: str = "") -> None: ...

class BMSInfo(TypedDict, total=False):
    manufacturer: str
    model: str
    # Until 0.29.
    default_manufacturer: str
    default_model: str

class BMSSample(TypedDict, total=False):
    battery_level: float
    cell_voltages: list[float]
    chrg_mosfet: bool
    current: float
    cycle_charge: float
    cycles: int
    dischrg_mosfet: bool
    problem: bool
    runtime: int
    temperature: float
    voltage: float
