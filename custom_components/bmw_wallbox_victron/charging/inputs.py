"""What the limits of all wallboxes of a house depend on."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
import math

from .record import SessionRecord
from .settings import ChargingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A wallbox, as far as its limit depends on it."""

    key: str
    """Its charge point id."""
    settings: ChargingSettings
    """What its owner has set for charging."""
    current_limit_a: float
    """The most that its owner allows, A."""
    most_a: float = 32.0
    """The most that its owner can allow, A."""
    allowed: bool = True
    """Whether its owner lets the car charge."""
    scheduled_a: float | None = None
    """What a charging profile of its owner allows now, A; None: there is none."""
    scheduled_until: datetime | None = None
    """When that changes; None: never."""
    session: Hashable = None
    """What tells its session from others; None: there is none."""
    began: datetime | None = None
    """When the session began."""
    record: SessionRecord = field(default_factory=SessionRecord)
    """What was decided in the session."""
    energy_wh: float = 0.0
    """What the session has, Wh."""
    authorized: bool = False
    """Whether the car may take what it is offered."""
    charging: bool = False
    """Whether energy flows."""
    car_paused: bool = False
    """Whether the car draws nothing though it may."""
    charged: bool = False
    """Whether it has drawn anything in the session."""
    full: bool = False
    """Whether it stopped by itself after it had charged."""
    connected: bool = True
    """Whether it can be told anything."""
    idle: bool = True
    """Whether it is connected and has no session: it draws nothing."""
    currents: Mapping[int, float] = field(default_factory=dict)
    """What it draws on each of its phases, A."""
    drawn_a: float | None = None
    """The highest of them, A; None: not known."""
    takes_a: float | None = None
    """The most that the car of this session, or else of the last one, takes, A; None:
    all that it may."""
    power_w: float | None = None
    """What it draws, W; None: not known."""
    heard_at: float | None = None
    """When that was read, by the steady clock, in s."""
    phases: tuple[int, ...] = (1, 2, 3)
    """Its phases that the car uses, or may use."""
    planned_phases: int = 3
    """How many it is taken to use, where a power is made of a current."""
    volts: float = 230.0
    """Voltage of a phase, V."""
    in_force_a: float = math.inf
    """The highest limit that may be in force at it, A."""
    lowest_a: float = 0.0
    """The lowest limit that may be, A: one that was just sent may be, or not yet."""
    limit_known: bool = True
    """Whether it has taken a limit since it connected: one of before may be any."""
    holds: bool = False
    """Whether it has confirmed its limit."""
    given_a: float | None = None
    """The most that it says that it gives, A; None: it does not say."""
    out_of_service: bool = False
    """Whether it is faulted, or out of service."""

    @property
    def watts_per_amp(self) -> float:
        """What an ampere on each phase in use is, W."""
        return self.planned_phases * self.volts


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What the house measures now."""

    currents: Mapping[int, tuple[float, float] | None] = field(default_factory=dict)
    """Current of each phase, A, and when it was reported, by the steady clock, in s;
    None: there is no reading."""
    grid: tuple[float, float] | None = None
    """What comes from the grid, W, and when that was reported, in s."""
    external_a: float | None = None
    """What all wallboxes together may draw on a phase, A; None: no such limit."""
    external_w: float | None = None
    """What they may draw together, W; None: no such limit."""
    external_unknown: bool = False
    """Whether there is such a limit and nobody knows which."""
