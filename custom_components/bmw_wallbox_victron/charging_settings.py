"""What is set for charging by the options: rules, and entities of the house."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .charging.settings import HouseSettings
from .const import (
    CONF_EXTERNAL_LIMIT,
    CONF_FALLBACK_MIN,
    CONF_FEED_IN_PRICE,
    CONF_FIXED_PRICE,
    CONF_GRID_EXPORT,
    CONF_GRID_POWER,
    CONF_GRID_POWER_INVERTED,
    CONF_HOUSE_CURRENTS,
    CONF_MAIN_FUSE,
    CONF_METER_TIMEOUT,
    CONF_PHASE_ORDER,
    CONF_PRICE,
    CONF_SAFE_CURRENT,
    DEFAULT_METER_TIMEOUT,
    DEFAULT_SAFE_CURRENT,
    PHASE_ORDER_UNKNOWN,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseEntities:
    """The entities that measure the house; None: there is none."""

    grid_power: str | None = None
    """What comes from the grid, in W or a unit of the same sort."""
    grid_power_inverted: bool = False
    """Whether it counts export as positive."""
    grid_export: str | None = None
    """What goes to the grid, where another reading says that."""
    house_currents: tuple[tuple[int, str], ...] = ()
    """Phase (1 to 3) and current of the whole house on it, in A or the like."""
    external_limit: str | None = None
    """A limit for all wallboxes together, in A, W or the like; or whether one holds."""

    @property
    def all(self) -> list[str]:
        """Return those that there are."""
        return [
            each
            for each in (
                self.grid_power,
                self.grid_export,
                *(entity_id for _, entity_id in self.house_currents),
                self.external_limit,
            )
            if each
        ]


def house_entities_of(options: Mapping[str, Any]) -> HouseEntities:
    """Return the entities that measure the house."""
    return HouseEntities(
        grid_power=options.get(CONF_GRID_POWER),
        grid_power_inverted=options.get(CONF_GRID_POWER_INVERTED, False),
        grid_export=options.get(CONF_GRID_EXPORT),
        house_currents=tuple(
            (phase, entity_id)
            for phase, key in enumerate(CONF_HOUSE_CURRENTS, 1)
            if (entity_id := options.get(key))
        ),
        external_limit=options.get(CONF_EXTERNAL_LIMIT),
    )


def house_settings_of(options: Mapping[str, Any]) -> HouseSettings:
    """Return what is set for the house."""
    return HouseSettings(
        has_grid=bool(options.get(CONF_GRID_POWER)),
        main_fuse_a=options.get(CONF_MAIN_FUSE),
        phase_order=options.get(CONF_PHASE_ORDER, PHASE_ORDER_UNKNOWN),
        meter_timeout_s=options.get(CONF_METER_TIMEOUT, DEFAULT_METER_TIMEOUT),
        safe_current_a=options.get(CONF_SAFE_CURRENT, DEFAULT_SAFE_CURRENT),
        fallback_min=options.get(CONF_FALLBACK_MIN, 0),
        feed_in_price=options.get(CONF_FEED_IN_PRICE, 0.0),
        fixed_price=options.get(CONF_FIXED_PRICE),
    )


def tells_of(options: Mapping[str, Any]) -> frozenset[str]:
    """Return the keys of the entities that what is configured brings."""
    tells: set[str] = set()
    if options.get(CONF_GRID_POWER):
        tells |= {"charging_mode", "session_solar_share"}
    if options.get(CONF_PRICE) or options.get(CONF_FIXED_PRICE) is not None:
        tells.add("session_cost")
    return frozenset(tells)
