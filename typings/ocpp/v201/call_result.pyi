"""Payloads of answers.

What a station answered is in them as it was parsed: the library makes no objects of the
parts, and no enums of the strings.
"""

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from ocpp.v201 import datatypes

class _StatusInfo(TypedDict):
    reason_code: str
    additional_info: NotRequired[str]

class _Evse(TypedDict):
    id: int
    connector_id: NotRequired[int]

class _Component(TypedDict):
    name: str
    instance: NotRequired[str]
    evse: NotRequired[_Evse]

class _Variable(TypedDict):
    name: str
    instance: NotRequired[str]

class _VariableResult(TypedDict):
    attribute_status: str
    attribute_type: NotRequired[str]
    component: _Component
    variable: _Variable

class _GetVariableResult(_VariableResult):
    attribute_value: NotRequired[str]

class _Period(TypedDict):
    start_period: int
    limit: float
    number_phases: NotRequired[int]
    phase_to_use: NotRequired[int]

class _CompositeSchedule(TypedDict):
    evse_id: int
    duration: int
    schedule_start: str
    charging_rate_unit: str
    charging_schedule_period: list[_Period]

@dataclass
class _Answer:
    status: str
    status_info: _StatusInfo | None = None

# What a station answers

@dataclass
class ChangeAvailability(_Answer): ...

@dataclass
class ClearChargingProfile(_Answer): ...

@dataclass
class GetBaseReport(_Answer): ...

@dataclass
class GetChargingProfiles(_Answer): ...

@dataclass
class GetCompositeSchedule(_Answer):
    schedule: _CompositeSchedule | None = None

@dataclass
class GetTransactionStatus:
    messages_in_queue: bool
    ongoing_indicator: bool | None = None

@dataclass
class GetVariables:
    get_variable_result: list[_GetVariableResult]

@dataclass
class RequestStartTransaction(_Answer):
    transaction_id: str | None = None

@dataclass
class RequestStopTransaction(_Answer): ...

@dataclass
class Reset(_Answer): ...

@dataclass
class SetChargingProfile(_Answer): ...

@dataclass
class SetVariables:
    set_variable_result: list[_VariableResult]

@dataclass
class TriggerMessage(_Answer): ...

@dataclass
class UnlockConnector(_Answer): ...

# What it is answered

@dataclass
class Authorize:
    id_token_info: datatypes.IdTokenInfoType

@dataclass
class BootNotification:
    current_time: str
    interval: int
    status: str

@dataclass
class ClearedChargingLimit: ...

@dataclass
class DataTransfer:
    status: str

@dataclass
class FirmwareStatusNotification: ...

@dataclass
class Get15118EVCertificate:
    status: str
    exi_response: str

@dataclass
class GetCertificateStatus:
    status: str

@dataclass
class Heartbeat:
    current_time: str

@dataclass
class LogStatusNotification: ...

@dataclass
class MeterValues: ...

@dataclass
class NotifyChargingLimit: ...

@dataclass
class NotifyCustomerInformation: ...

@dataclass
class NotifyDisplayMessages: ...

@dataclass
class NotifyEVChargingNeeds:
    status: str

@dataclass
class NotifyEVChargingSchedule:
    status: str

@dataclass
class NotifyEvent: ...

@dataclass
class NotifyMonitoringReport: ...

@dataclass
class NotifyReport: ...

@dataclass
class PublishFirmwareStatusNotification: ...

@dataclass
class ReportChargingProfiles: ...

@dataclass
class ReservationStatusUpdate: ...

@dataclass
class SecurityEventNotification: ...

@dataclass
class SignCertificate:
    status: str

@dataclass
class StatusNotification: ...

@dataclass
class TransactionEvent:
    total_cost: float | None = None
    charging_priority: int | None = None
    id_token_info: datatypes.IdTokenInfoType | None = None
