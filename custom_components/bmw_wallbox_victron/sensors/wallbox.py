"""The sensors of a wallbox."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfPower,
)
from homeassistant.helpers.typing import StateType
from ocpp.v201.enums import ReasonEnumType, TriggerReasonEnumType

from ..entity import WallboxEntityDescription
from ..publish import (
    CHARGING_CURRENT,
    CHARGING_ENERGY,
    CHARGING_POWER,
    CHARGING_VOLTAGE,
    EXACT,
    Rule,
)
from ..wallbox.payloads import snake_case
from ..wallbox.state import (
    PHASE_IN_USE_A,
    ChargingState,
    ConnectorStatus,
    EventType,
    Status,
    Transaction,
    WallboxState,
)

#: The state of a phase shows whether it is in use, as `phases_used` does.
_PHASE_CURRENT = replace(CHARGING_CURRENT, thresholds=(PHASE_IN_USE_A,))

type _Value = StateType | datetime


@dataclass(frozen=True, kw_only=True)
class WallboxSensorEntityDescription(WallboxEntityDescription, SensorEntityDescription):
    """Describes a sensor of a wallbox."""

    value_fn: Callable[[WallboxState], _Value]
    """The state."""
    has_message: bool = False
    """Whether the attribute `message` says the state in a sentence."""


@dataclass(frozen=True, kw_only=True)
class PacedSensorEntityDescription(WallboxEntityDescription, SensorEntityDescription):
    """Describes a sensor of something that moves all the time."""

    rule: Rule
    """How closely what is shown follows it."""


@dataclass(frozen=True, kw_only=True)
class WallboxQuantityEntityDescription(
    WallboxSensorEntityDescription, PacedSensorEntityDescription
):
    """Describes a sensor of something that a wallbox measures."""

    value_fn: Callable[[WallboxState], float | None]
    """What is measured, in the native unit."""


def _options(values: type[StrEnum]) -> list[str]:
    """Return the states of an enum sensor."""
    return [value.value for value in values]


def _kwh(wh: float | None) -> float | None:
    """Return Wh in kWh, without the noise of the sum: meters count whole Wh."""
    return None if wh is None else round(wh / 1000, 3)


def _of_session(
    value_fn: Callable[[Transaction], _Value],
) -> Callable[[WallboxState], _Value]:
    """Return a reader of the current or the last transaction, if there was one."""

    def read(state: WallboxState) -> _Value:
        return None if state.transaction is None else value_fn(state.transaction)

    return read


def _live(quantity: str) -> Callable[[WallboxState], float | None]:
    """Return a reader of a live measurand."""
    return lambda state: state.live(quantity)


def _kept(_: WallboxState) -> bool:
    """Return that it is available while the wallbox is away: it stays true."""
    return True


def _told(phase: int) -> Callable[[WallboxState], bool]:
    """Return whether there is a phase: the first always."""
    return lambda state: phase == 1 or state.tells_phase(phase)


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


def _phases() -> Iterator[WallboxQuantityEntityDescription]:
    """Describe what is measured of each phase: of one it repeats what is above."""
    for phase in (1, 2, 3):
        for description in (
            _current(
                f"current_l{phase}", _live(f"current_l{phase}"), rule=_PHASE_CURRENT
            ),
            _voltage(f"voltage_l{phase}", _live(f"voltage_l{phase}")),
        ):
            yield replace(
                description,
                entity_category=EntityCategory.DIAGNOSTIC,
                exists_fn=_told(phase),
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


WALLBOX_SENSORS: Final = (
    WallboxSensorEntityDescription(
        key="status",
        device_class=SensorDeviceClass.ENUM,
        options=_options(Status),
        available_fn=_kept,
        value_fn=lambda state: state.status,
        has_message=True,
    ),
    WallboxSensorEntityDescription(
        key="charging_state",
        device_class=SensorDeviceClass.ENUM,
        # Beside the status it is what OCPP calls it.
        entity_category=EntityCategory.DIAGNOSTIC,
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
    WallboxSensorEntityDescription(
        key="enforced_limit",
        # What is set, as a rule.
        entity_category=EntityCategory.DIAGNOSTIC,
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value_fn=lambda state: state.enforcement.composite_a,
    ),
    _voltage("voltage", lambda state: state.voltage),
    *_phases(),
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
