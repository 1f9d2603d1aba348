"""What is used of aiobmsble, which comes without `py.typed`: 0.26 to 0.31 alike."""

from enum import IntEnum
from typing import TypedDict

class BMSConfig:
    def __init__(self, keep_alive: bool = True, secret: str = "") -> None: ...

class BMSInfo(TypedDict, total=False):
    manufacturer: str
    model: str
    # Until 0.29.
    default_manufacturer: str
    default_model: str
    fw_version: str
    hw_version: str
    model_id: str
    serial_number: str
    sw_version: str

class TempSensor:
    class T(IntEnum):
        GENERIC = 0
        CELL = 1
        CELL_MAX = 2
        CELL_MIN = 3
        MOSFET = 4
        PCB = 5
        HEATER = 6
        BALANCER = 7
        AMBIENT = 8

    # Its arguments have these names.
    def __init__(self, value: float, type: T = ...) -> None: ...  # noqa: A002
    @property
    def value(self) -> float: ...
    @property
    def type(self) -> T: ...

class BMSSample(TypedDict, total=False):
    balancer: int
    battery_health: float
    battery_level: float
    cell_voltages: list[float]
    chrg_mosfet: bool
    current: float
    cycle_charge: float
    cycles: int
    design_capacity: int
    dischrg_mosfet: bool
    heater: bool
    problem: bool
    problem_code: int
    runtime: int
    temp_values: list[TempSensor]
    temperature: float
    voltage: float
