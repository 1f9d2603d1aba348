"""Sensors."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import (
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfPower,
)
from homeassistant.core import HassJob, HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.typing import StateType
from ocpp.v201.enums import ReasonEnumType, TriggerReasonEnumType

from .battery_entities import BATTERY_SENSORS, BatterySensor, add_battery_entities
from .coordinator import SiteConfigEntry, SiteCoordinator, SiteData
from .device_sensor import DeviceSensor, describe_device
from .entity import (
    ServerEntity,
    WallboxEntity,
    WallboxEntityDescription,
    add_device_entities,
    add_wallbox_entities,
)
from .publish import (
    CHARGING_CURRENT,
    CHARGING_ENERGY,
    CHARGING_POWER,
    CHARGING_VOLTAGE,
    EXACT,
    Cancel,
    Publisher,
    Rule,
)
from .wallbox.payloads import snake_case
from .wallbox.state import (
    PHASE_IN_USE_A,
    ChargingState,
    ConnectorStatus,
    EventType,
    Status,
    Transaction,
    WallboxState,
)

PARALLEL_UPDATES = 0

#: What is shown of a phase says whether it is in use, as `phases_used` does.
_PHASE_CURRENT = replace(CHARGING_CURRENT, thresholds=(PHASE_IN_USE_A,))

type _Value = StateType | datetime


@dataclass(frozen=True, kw_only=True)
class WallboxSensorEntityDescription(WallboxEntityDescription, SensorEntityDescription):
    """Describes a sensor of a wallbox."""

    value_fn: Callable[[WallboxState], _Value]


@dataclass(frozen=True, kw_only=True)
class WallboxQuantityEntityDescription(WallboxSensorEntityDescription):
    """Describes a sensor of something that a wallbox measures."""

    value_fn: Callable[[WallboxState], float | None]
    rule: Rule
    """How closely what is shown follows it."""


@dataclass(frozen=True, kw_only=True)
class ServerSensorEntityDescription(SensorEntityDescription):
    """Describes a sensor of the server."""

    value_fn: Callable[[SiteData], _Value]


def _options(values: type[StrEnum]) -> list[str]:
    """List the states of an enum sensor."""
    return [value.value for value in values]


def _kwh(wh: float | None) -> float | None:
    """Give Wh in kWh, without the noise of the sum: meters count whole Wh."""
    return None if wh is None else round(wh / 1000, 3)


def _of_session(
    value_fn: Callable[[Transaction], _Value],
) -> Callable[[WallboxState], _Value]:
    """Read the current or the last transaction; None where there never was one."""

    def read(state: WallboxState) -> _Value:
        return None if state.transaction is None else value_fn(state.transaction)

    return read


def _live(quantity: str) -> Callable[[WallboxState], float | None]:
    """Read a live reading."""
    return lambda state: state.live(quantity)


def _kept(_: WallboxState) -> bool:
    """Be available while the wallbox is gone: what it said stays true."""
    return True


def _occasion(state: WallboxState) -> Hashable:
    """Return what is going on: what is shown is exact where that changes."""
    active = state.active
    return state.connected, active and active.id, state.charging_state


def _current(
    key: str,
    value_fn: Callable[[WallboxState], float | None],
    *,
    rule: Rule = CHARGING_CURRENT,
) -> WallboxQuantityEntityDescription:
    """Describe a current."""
    return WallboxQuantityEntityDescription(
        key=key,
        rule=rule,
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value_fn=value_fn,
    )


def _voltage(
    key: str, value_fn: Callable[[WallboxState], float | None]
) -> WallboxQuantityEntityDescription:
    """Describe a voltage."""
    return WallboxQuantityEntityDescription(
        key=key,
        rule=CHARGING_VOLTAGE,
        device_class=SensorDeviceClass.VOLTAGE,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=value_fn,
    )


def _diagnostic(
    key: str,
    value_fn: Callable[[WallboxState], _Value],
    *,
    options: list[str] | None = None,
) -> WallboxSensorEntityDescription:
    """Describe a detail of the protocol, off by default."""
    return WallboxSensorEntityDescription(
        key=key,
        device_class=None if options is None else SensorDeviceClass.ENUM,
        options=options,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=value_fn,
    )


WALLBOX_SENSORS = (
    WallboxSensorEntityDescription(
        key="status",
        device_class=SensorDeviceClass.ENUM,
        options=_options(Status),
        available_fn=_kept,
        value_fn=lambda state: state.status,
    ),
    WallboxSensorEntityDescription(
        key="charging_state",
        device_class=SensorDeviceClass.ENUM,
        options=_options(ChargingState),
        value_fn=lambda state: state.charging_state,
    ),
    WallboxSensorEntityDescription(
        key="connector_status",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        options=_options(ConnectorStatus),
        value_fn=lambda state: state.connector_status,
    ),
    WallboxQuantityEntityDescription(
        key="power",
        rule=CHARGING_POWER,
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=_live("power"),
    ),
    WallboxQuantityEntityDescription(
        key="energy_total",
        rule=CHARGING_ENERGY,
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        available_fn=_kept,
        value_fn=lambda state: _kwh(state.energy_total),
    ),
    WallboxQuantityEntityDescription(
        key="energy_session",
        rule=CHARGING_ENERGY,
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        available_fn=_kept,
        value_fn=lambda state: _kwh(state.energy_session),
    ),
    _current("current", lambda state: state.current),
    _current("current_l1", _live("current_l1"), rule=_PHASE_CURRENT),
    _current("current_l2", _live("current_l2"), rule=_PHASE_CURRENT),
    _current("current_l3", _live("current_l3"), rule=_PHASE_CURRENT),
    WallboxSensorEntityDescription(
        key="enforced_limit",
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value_fn=lambda state: state.enforcement.composite_a,
    ),
    _voltage("voltage", lambda state: state.voltage),
    _voltage("voltage_l1", _live("voltage_l1")),
    _voltage("voltage_l2", _live("voltage_l2")),
    _voltage("voltage_l3", _live("voltage_l3")),
    WallboxQuantityEntityDescription(
        key="phases_used",
        rule=EXACT,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=lambda state: state.phases_used,
    ),
    WallboxSensorEntityDescription(
        key="session_started",
        device_class=SensorDeviceClass.TIMESTAMP,
        available_fn=_kept,
        value_fn=_of_session(lambda transaction: transaction.started_at),
    ),
    _diagnostic(
        "transaction_id",
        lambda state: None if state.active is None else state.active.id,
    ),
    _diagnostic("id_token", _of_session(lambda transaction: transaction.id_token)),
    _diagnostic(
        "event_type",
        _of_session(lambda transaction: transaction.event_type),
        options=_options(EventType),
    ),
    _diagnostic(
        "trigger_reason",
        _of_session(lambda transaction: transaction.trigger_reason),
        options=[snake_case(reason.value) for reason in TriggerReasonEnumType],
    ),
    _diagnostic(
        "stopped_reason",
        _of_session(lambda transaction: transaction.stopped_reason),
        options=[snake_case(reason.value) for reason in ReasonEnumType],
    ),
    _diagnostic(
        "sequence_number", _of_session(lambda transaction: transaction.sequence_number)
    ),
    WallboxSensorEntityDescription(
        key="last_heartbeat",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        available_fn=_kept,
        value_fn=lambda state: state.last_heartbeat,
    ),
)

SERVER_SENSORS = (
    ServerSensorEntityDescription(
        key="certificate_expiry",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda data: (
            None if data.certificate is None else data.certificate.not_after
        ),
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensors of the server, of each wallbox and of each device."""
    coordinator = entry.runtime_data
    if coordinator.server.device_id is not None:
        async_add_entities(
            ServerSensor(coordinator, description) for description in SERVER_SENSORS
        )
    add_wallbox_entities(
        entry, async_add_entities, _make_wallbox_sensor, WALLBOX_SENSORS
    )
    add_device_entities(entry, async_add_entities, DeviceSensor, describe_device)
    add_battery_entities(entry, async_add_entities, BatterySensor, BATTERY_SENSORS)


class WallboxSensor(WallboxEntity, SensorEntity):
    """A sensor of a wallbox."""

    entity_description: WallboxSensorEntityDescription

    @property
    @override
    def native_value(self) -> _Value:
        """The value."""
        return self.entity_description.value_fn(self.wallbox)

    @property
    @override
    def shown(self) -> object:
        """What the state is made of."""
        return self.native_value


class WallboxQuantitySensor(WallboxSensor):
    """A sensor of something that a wallbox measures: shows what is worth a row."""

    entity_description: WallboxQuantityEntityDescription

    def __init__(
        self,
        coordinator: SiteCoordinator,
        subentry: ConfigSubentry,
        description: WallboxQuantityEntityDescription,
    ) -> None:
        """Show nothing yet."""
        super().__init__(coordinator, subentry, description)
        self._publisher = Publisher(
            now=coordinator.hass.loop.time,
            call_later=self._call_later,
            on_due=self._handle_coordinator_update,
        )

    @callback
    def _call_later(self, delay: float, action: Callable[[], None]) -> Cancel:
        """Call back after so many seconds, unless Home Assistant stops before."""

        @callback
        def call(_: datetime) -> None:
            action()

        return async_call_later(
            self.hass, delay, HassJob(call, cancel_on_shutdown=True)
        )

    @override
    async def async_added_to_hass(self) -> None:
        """Show what is known, and wait for nothing any more once it is removed."""
        self._follow()
        self.async_on_remove(self._publisher.close)
        await super().async_added_to_hass()

    @callback
    def _follow(self) -> None:
        """Follow what was measured, as closely as the rule says."""
        description, state = self.entity_description, self.wallbox
        if not self.available:
            self._publisher.forget()
            return
        self._publisher.take(
            {description.key: description.value_fn(state)},
            {description.key: description.rule},
            _occasion(state),
        )

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Write, if what is shown changed."""
        self._follow()
        super()._handle_coordinator_update()

    @property
    @override
    def native_value(self) -> float | None:
        """What is shown."""
        value = self._publisher.values.get(self.entity_description.key)
        return value if isinstance(value, float | int) else None


@callback
def _make_wallbox_sensor(
    coordinator: SiteCoordinator,
    subentry: ConfigSubentry,
    description: WallboxSensorEntityDescription,
) -> WallboxSensor:
    """Make a sensor of a wallbox."""
    if isinstance(description, WallboxQuantityEntityDescription):
        return WallboxQuantitySensor(coordinator, subentry, description)
    return WallboxSensor(coordinator, subentry, description)


class ServerSensor(ServerEntity, SensorEntity):
    """A sensor of the server."""

    entity_description: ServerSensorEntityDescription

    @property
    @override
    def native_value(self) -> _Value:
        """The value."""
        return self.entity_description.value_fn(self.coordinator.data)

    @property
    @override
    def shown(self) -> object:
        """What the state is made of."""
        return self.native_value
