"""OCPP's payloads: as JSON, and as the `ocpp` library's classes.

The library spells the keys of its classes in snake case and ships what converts them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
import re
from typing import Final, NotRequired, TypedDict

from ocpp.charge_point import (
    camel_to_snake_case,
    remove_nones,
    serialize_as_dict,
    snake_to_camel_case,
)

_BOUNDARY: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_case(text: str) -> str:
    """Spell one of OCPP's names as Home Assistant spells states."""
    return _BOUNDARY.sub("_", text).lower()


def ocpp_time(moment: datetime) -> str:
    """Write RFC 3339 with `Z` and milliseconds: some stations refuse `+00:00`."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


#: No name of OCPP 2.0.1 is longer, in characters.
_MAX_KEY: Final = 64


@lru_cache(maxsize=1024)
def _snake_key(key: str) -> str:
    """Spell a key as the library spells it, which takes 3 us."""
    return next(iter(camel_to_snake_case({key: None})))


def to_snake(payload: Mapping[str, object]) -> dict[str, object]:
    """Copy JSON with its keys in snake case."""
    return {
        # A key that no message has is not kept.
        (_snake_key if len(key) <= _MAX_KEY else _snake_key.__wrapped__)(key): (
            _snake_inside(each)
        )
        for key, each in payload.items()
    }


def _snake_inside(value: object) -> object:
    """Copy a part of JSON with its keys in snake case."""
    if isinstance(value, dict):
        return to_snake(value)
    if isinstance(value, list):
        return [_snake_inside(each) for each in value]
    return value


def camel_case(name: str) -> str:
    """Spell a name of the library's classes as OCPP spells it."""
    return next(iter(snake_to_camel_case({name: None})))


def to_json(payload: object) -> dict[str, object]:
    """Write one of `ocpp.v201.call` or `call_result` as what goes on the wire."""
    return remove_nones(snake_to_camel_case(serialize_as_dict(payload)))


# What is read of them, with keys in snake case. What `frames` lets be missing, because
# it is bent, is not required here either.


class StatusInfo(TypedDict):
    """Why an answer is what it is."""

    reason_code: str
    additional_info: NotRequired[str]


class Evse(TypedDict):
    """EVSEType."""

    id: int
    connector_id: NotRequired[int]


class Component(TypedDict):
    """ComponentType."""

    name: str
    instance: NotRequired[str]
    evse: NotRequired[Evse]


class Variable(TypedDict):
    """VariableType."""

    name: str
    instance: NotRequired[str]


class VariableResult(TypedDict):
    """SetVariableResultType."""

    attribute_status: str
    attribute_type: NotRequired[str]
    component: Component
    variable: Variable


class ReadResult(VariableResult):
    """GetVariableResultType."""

    attribute_value: NotRequired[str]


class VariableAttribute(TypedDict):
    """VariableAttributeType."""

    type: NotRequired[str]
    value: NotRequired[str]


class ReportData(TypedDict):
    """ReportDataType."""

    component: Component
    variable: Variable
    variable_attribute: list[VariableAttribute]


class SchedulePeriod(TypedDict):
    """ChargingSchedulePeriodType."""

    start_period: int
    limit: float
    number_phases: NotRequired[int]
    phase_to_use: NotRequired[int]


class CompositeSchedule(TypedDict):
    """CompositeScheduleType."""

    evse_id: int
    duration: int
    schedule_start: str
    charging_rate_unit: str
    charging_schedule_period: list[SchedulePeriod]


class UnitOfMeasure(TypedDict):
    """UnitOfMeasureType."""

    unit: NotRequired[str]
    multiplier: NotRequired[int]


class SampledValue(TypedDict):
    """SampledValueType."""

    value: float
    context: NotRequired[str]
    measurand: NotRequired[str]
    phase: NotRequired[str]
    location: NotRequired[str]
    unit_of_measure: NotRequired[UnitOfMeasure]


class MeterValue(TypedDict):
    """MeterValueType."""

    timestamp: NotRequired[str]
    sampled_value: list[SampledValue]


class IdToken(TypedDict):
    """IdTokenType."""

    id_token: str
    type: str


class ChargingStation(TypedDict, total=False):
    """ChargingStationType."""

    vendor_name: str
    model: str
    serial_number: str
    firmware_version: str


class TransactionInfo(TypedDict, total=False):
    """TransactionType."""

    transaction_id: str
    charging_state: str
    stopped_reason: str
    remote_start_id: int


class BootNotification(TypedDict, total=False):
    """BootNotificationRequest."""

    charging_station: ChargingStation


class StatusNotification(TypedDict, total=False):
    """StatusNotificationRequest."""

    timestamp: str
    connector_status: str
    evse_id: int


class TransactionEvent(TypedDict, total=False):
    """TransactionEventRequest."""

    event_type: str
    timestamp: str
    trigger_reason: str
    seq_no: int
    offline: bool
    number_of_phases_used: int
    transaction_info: TransactionInfo
    id_token: IdToken
    meter_value: list[MeterValue]


class MeterValues(TypedDict, total=False):
    """MeterValuesRequest."""

    evse_id: int
    meter_value: list[MeterValue]


class Authorize(TypedDict):
    """AuthorizeRequest."""

    id_token: IdToken


class NotifyReport(TypedDict):
    """NotifyReportRequest."""

    request_id: int
    tbc: NotRequired[bool]
    report_data: NotRequired[list[ReportData]]
