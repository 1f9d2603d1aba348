"""What a simulated BMS has to tell."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """A lithium iron phosphate battery of a caravan, as its BMS sees it."""

    voltage: float = 13.28
    """V."""
    current: float = -4.2
    """A; positive charges."""
    soc: int = 76
    """%."""
    remaining_ah: float = 114.0
    """Ah."""
    capacity_ah: float = 150.0
    """Ah."""
    cycles: int = 41
    """How often it was emptied, in whole capacities."""
    cells: tuple[float, ...] = (3.319, 3.321, 3.324, 3.316)
    """V."""
    temperatures: tuple[float, ...] = (18.0, 19.0)
    """°C."""
    charge_enabled: bool = True
    discharge_enabled: bool = True
    problem_code: int = 0
    """What the BMS protects from, as bits; 0: nothing."""
    balancing: int = 0
    """The cells that are being balanced, as bits, the first one lowest."""
    health: int = 100
    """%."""
    heating: bool = False
