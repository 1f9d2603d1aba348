"""Frames, and what checks them. Payloads are JSON, as far as it was parsed."""

from collections.abc import Mapping

from jsonschema import Draft4Validator

ASYNC_VALIDATION: bool

def get_validator(
    message_type_id: int, action: str, ocpp_version: str
) -> Draft4Validator: ...

class Call:
    unique_id: str
    action: str
    payload: dict[str, object]
    def __init__(
        self, unique_id: str, action: str, payload: dict[str, object]
    ) -> None: ...

class CallResult:
    unique_id: str
    payload: object
    def __init__(self, unique_id: str, payload: object) -> None: ...

class CallError:
    unique_id: str
    error_code: str
    error_description: str
    error_details: Mapping[str, object]
    def __init__(
        self,
        unique_id: str,
        error_code: str,
        error_description: str,
        error_details: Mapping[str, object],
    ) -> None: ...
