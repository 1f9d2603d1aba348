"""Payloads of calls to a charging station."""

from dataclasses import dataclass

from ocpp.v201 import datatypes

@dataclass
class ChangeAvailability:
    operational_status: str
    evse: datatypes.EVSEType | None = None

@dataclass
class ClearChargingProfile:
    charging_profile_id: int | None = None
    charging_profile_criteria: datatypes.ClearChargingProfileType | None = None

@dataclass
class GetBaseReport:
    request_id: int
    report_base: str

@dataclass
class GetCompositeSchedule:
    duration: int
    evse_id: int
    charging_rate_unit: str | None = None

@dataclass
class GetTransactionStatus:
    transaction_id: str | None = None

@dataclass
class GetVariables:
    get_variable_data: list[datatypes.GetVariableDataType]

@dataclass
class RequestStartTransaction:
    id_token: datatypes.IdTokenType
    remote_start_id: int
    evse_id: int | None = None
    group_id_token: datatypes.IdTokenType | None = None
    charging_profile: datatypes.ChargingProfileType | None = None

@dataclass
class RequestStopTransaction:
    transaction_id: str

@dataclass
class Reset:
    type: str
    evse_id: int | None = None

@dataclass
class SetChargingProfile:
    evse_id: int
    charging_profile: datatypes.ChargingProfileType

@dataclass
class SetVariables:
    set_variable_data: list[datatypes.SetVariableDataType]

@dataclass
class TriggerMessage:
    requested_message: str
    evse: datatypes.EVSEType | None = None

@dataclass
class UnlockConnector:
    evse_id: int
    connector_id: int
