"""What the meters of the house tell, and what a kWh costs."""

from dataclasses import dataclass
from typing import Any, Final, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import UnitOfElectricCurrent, UnitOfPower
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.entity_platform import AddEntitiesCallback
from homeassistant.helpers.typing import ConfigType, DiscoveryInfoType
from homeassistant.util.signal_type import SignalType

from demo.layout import HOUSE_CURRENTS, HOUSE_GRID, HOUSE_PRICE, HOUSE_SOLAR

SIGNAL: Final[SignalType[dict[str, Any]]] = SignalType("demo_house_told")
"""Sent with what the meters tell."""


@dataclass(frozen=True, kw_only=True)
class MeterDescription(SensorEntityDescription):
    """Describes what a meter tells."""

    entity_id: str
    """How it is found: the options of the demo name it."""


def _current(number: int, entity_id: str) -> MeterDescription:
    return MeterDescription(
        key=f"current_l{number}",
        entity_id=entity_id,
        name=f"House current L{number}",
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
    )


METERS: Final = (
    MeterDescription(
        key="grid_power",
        entity_id=HOUSE_GRID,
        name="House grid power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        state_class=SensorStateClass.MEASUREMENT,
    ),
    MeterDescription(
        key="solar_power",
        entity_id=HOUSE_SOLAR,
        name="House solar power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        state_class=SensorStateClass.MEASUREMENT,
    ),
    *(_current(number, each) for number, each in enumerate(HOUSE_CURRENTS, 1)),
)


KEYS: Final = frozenset(each.key for each in METERS)
"""What the meters tell."""


async def async_setup_platform(
    _: HomeAssistant,
    __: ConfigType,
    async_add_entities: AddEntitiesCallback,
    discovery_info: DiscoveryInfoType | None = None,
) -> None:
    """Add them."""
    async_add_entities([*(Meter(each) for each in METERS), Price()])


class _Told(SensorEntity):
    """Shows what it is told."""

    _attr_should_poll = False

    @override
    async def async_added_to_hass(self) -> None:
        """Listen."""
        self.async_on_remove(
            async_dispatcher_connect(self.hass, SIGNAL, self._take_and_write)
        )

    @callback
    def _take_and_write(self, told: dict[str, Any]) -> None:
        if self._take(told):
            # Also where nothing changed: it was reported.
            self.async_write_ha_state()

    def _take(self, told: dict[str, Any]) -> bool:
        """Take what is told of it; tells whether anything is."""
        raise NotImplementedError


class Meter(_Told):
    """A meter of the house."""

    entity_description: MeterDescription

    def __init__(self, description: MeterDescription) -> None:
        """Be found under the entity id of the description."""
        self.entity_description = description
        self.entity_id = description.entity_id
        self._attr_unique_id = description.entity_id.partition(".")[2]

    @override
    def _take(self, told: dict[str, Any]) -> bool:
        value = told.get(self.entity_description.key)
        if value is None:
            return False
        self._attr_native_value = value
        return True


class Price(_Told):
    """What a kWh costs now, and in its attributes what it will cost."""

    _attr_icon = "mdi:cash-clock"
    _attr_name = "House electricity price"
    _attr_native_unit_of_measurement = "EUR/kWh"
    _attr_state_class = SensorStateClass.MEASUREMENT
    _attr_suggested_display_precision = 2
    # Two hundred lines that are new twice a day.
    _unrecorded_attributes = frozenset({"raw_today", "raw_tomorrow"})

    def __init__(self) -> None:
        """Be found under the entity id that the options name."""
        self.entity_id = HOUSE_PRICE
        self._attr_unique_id = HOUSE_PRICE.partition(".")[2]

    @override
    def _take(self, told: dict[str, Any]) -> bool:
        if "price" not in told:
            return False
        self._attr_native_value = told["price"]
        # As integrations of day-ahead prices have them.
        self._attr_extra_state_attributes = {
            "raw_today": told["today"],
            "raw_tomorrow": told["tomorrow"],
            "tomorrow_valid": bool(told["tomorrow"]),
        }
        return True
