"""Parts of what is sent. The library asks for enums, and takes any string."""

from dataclasses import dataclass

@dataclass
class EVSEType:
    id: int
    connector_id: int | None = None

@dataclass
class ComponentType:
    name: str
    instance: str | None = None
    evse: EVSEType | None = None

@dataclass
class VariableType:
    name: str
    instance: str | None = None

@dataclass
class GetVariableDataType:
    component: ComponentType
    variable: VariableType
    attribute_type: str | None = None

@dataclass
class SetVariableDataType:
    attribute_value: str
    component: ComponentType
    variable: VariableType
    attribute_type: str | None = None

@dataclass
class IdTokenType:
    id_token: str
    type: str

@dataclass
class IdTokenInfoType:
    status: str

@dataclass
class ChargingSchedulePeriodType:
    start_period: int
    limit: float
    number_phases: int | None = None
    phase_to_use: int | None = None

@dataclass
class ChargingScheduleType:
    id: int
    charging_rate_unit: str
    charging_schedule_period: list[ChargingSchedulePeriodType]
    start_schedule: str | None = None
    duration: int | None = None
    min_charging_rate: float | None = None

@dataclass
class ChargingProfileType:
    id: int
    stack_level: int
    charging_profile_purpose: str
    charging_profile_kind: str
    charging_schedule: list[ChargingScheduleType]
    valid_from: str | None = None
    valid_to: str | None = None
    transaction_id: str | None = None
    recurrency_kind: str | None = None

@dataclass
class ClearChargingProfileType:
    evse_id: int | None = None
    charging_profile_purpose: str | None = None
    stack_level: int | None = None
