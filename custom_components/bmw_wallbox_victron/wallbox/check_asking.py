"""What can be asked of a wallbox at any time: who it is, metering, light, service."""

import asyncio
from collections.abc import Callable
from typing import Final

from ocpp.v201 import call, call_result
from ocpp.v201.datatypes import (
    ComponentType,
    EVSEType,
    GetVariableDataType,
    SetVariableDataType,
    VariableType,
)
from ocpp.v201.enums import MessageTriggerEnumType, OperationalStatusEnumType

from .availability import brightness_call
from .check_pace import Pace
from .check_verdicts import Details
from .device_model import parse_variables
from .errors import CallFailedError
from .findings import Detail, Line
from .state import ConnectorStatus
from .station import Station

#: How long a message may take that was asked for, in s.
_MESSAGE_S: Final = 3.0
#: How long what was changed is tried to be set back, in s.
_RESTORE_S: Final = 60.0
_STEP_S: Final = 1.0
#: So many readings are asked for.
_READINGS: Final = 3
#: By how much the light is changed for a moment, in %.
_LIGHT_STEP: Final = 10
_STATION: Final = ComponentType(name="ChargingStation")
_IDENTITY: Final = tuple(
    (_STATION, name) for name in ("Model", "VendorName", "FirmwareVersion")
)
_METERING: Final = (
    (ComponentType(name="SampledDataCtrlr"), "TxUpdatedMeasurands"),
    (ComponentType(name="SampledDataCtrlr"), "TxUpdatedInterval"),
    (ComponentType(name="AlignedDataCtrlr"), "Measurands"),
)
#: What cannot be tried within five minutes without harm, and why.
_NEVER: Final = {
    Line.SESSION_LIMIT: Detail.HARMS_SESSION,
    Line.PROFILE_IDS: Detail.NOT_NEEDED,
    Line.SESSION_PROFILE: Detail.HARMS_SESSION,
    Line.START_AFTER_STOP: Detail.SESSION_RUNS,
}


class Asking(Pace):
    """Asks, and notes what is different and what was not tried."""

    def __init__(self, station: Station, duration_s: float) -> None:
        """Start with nothing known of the wallbox."""
        super().__init__(station, duration_s)
        self._found: dict[Line, Details] = {}
        """What is different of each line that was tried."""
        self._reasons: dict[Line, Detail] = dict(_NEVER)
        """Why others were not."""

    async def _ask(self) -> None:
        """Ask who it is, and whether it takes what metering needs."""
        data = [
            GetVariableDataType(component=component, variable=VariableType(name=name))
            for component, name in (*_IDENTITY, *_METERING)
        ]
        found: dict[tuple[str, str], str] = {}
        answer = await self._call(
            call.GetVariables(get_variable_data=data), call_result.GetVariables
        )
        results = [] if answer is None else answer.get_variable_result
        if all(each["attribute_status"] == "Rejected" for each in results):
            for item in data:
                answer = await self._call(
                    call.GetVariables(get_variable_data=[item]),
                    call_result.GetVariables,
                )
                if answer is not None:
                    found |= parse_variables(answer.get_variable_result)
        else:
            found = parse_variables(results)
        for component, name in _METERING:
            # What it is set to already: that changes nothing, but it may be refused.
            if (value := found.get((component.name, name))) and not self._losses:
                await self._write(component, name, value)
        await self._trigger(MessageTriggerEnumType.status_notification, connector=1)
        for _ in range(_READINGS):  # some of them say zero now and then
            await self._trigger(MessageTriggerEnumType.meter_values)
        if self._session is not None:
            await self._trigger(MessageTriggerEnumType.transaction_event)
        await self._pause(_MESSAGE_S)

    async def _write(self, component: ComponentType, name: str, value: str) -> None:
        """Write a variable."""
        await self._call(
            call.SetVariables(
                set_variable_data=[
                    SetVariableDataType(
                        component=component,
                        variable=VariableType(name=name),
                        attribute_value=value,
                    )
                ]
            ),
            call_result.SetVariables,
        )

    async def _trigger(
        self, message: MessageTriggerEnumType, connector: int | None = None
    ) -> None:
        """Request a message."""
        await self._call(
            call.TriggerMessage(
                requested_message=message,
                evse=EVSEType(id=1, connector_id=connector),
            ),
            call_result.TriggerMessage,
        )

    async def _try_light(self) -> None:
        """Change the light a little, and set it back."""
        light = self._state.light
        if light is None:
            known = self._state.surveyed
            self._found[Line.LIGHT] = (Detail.NO_LIGHT,) if known else None
            return
        before = light.brightness
        other = (
            before - _LIGHT_STEP if before >= 2 * _LIGHT_STEP else before + _LIGHT_STEP
        )
        self._look()  # from here on, there is something to set back
        self._reasons[Line.LIGHT] = Detail.UNANSWERED
        try:
            answer = await self._call(
                brightness_call(other, light), call_result.SetVariables
            )
            if answer is not None:
                status = answer.set_variable_result[0]["attribute_status"]
                taken = status in ("Accepted", "RebootRequired")
                self._found[Line.LIGHT] = () if taken else (Detail.LIGHT_REFUSED,)
                if not taken:
                    return
        finally:
            if self._found.get(Line.LIGHT) != (Detail.LIGHT_REFUSED,):
                payload = brightness_call(before, light)
                await self._restore(payload, call_result.SetVariables)

    async def _try_availability(self) -> None:
        """Take it out of service for a moment, where nothing is going on."""
        state, line = self._state, Line.AVAILABILITY
        if state.active is not None or state.cable_connected:
            self._reasons[line] = Detail.SESSION_RUNS
            return
        if not state.operative or state.target.operative is False:
            self._reasons[line] = Detail.OUT_OF_SERVICE
            return
        self._look()  # from here on, there is something to set back
        self._reasons[line] = Detail.UNANSWERED
        try:
            answer = await self._call(
                _availability(operative=False), call_result.ChangeAvailability
            )
            if answer is not None:
                taken = answer.status == "Accepted" and await self._until(
                    lambda: self._state.connector_status is ConnectorStatus.UNAVAILABLE,
                    _MESSAGE_S,
                )
                self._found[line] = () if taken else (Detail.AVAILABILITY_REFUSED,)
        finally:
            payload = _availability(operative=True)
            await self._restore(payload, call_result.ChangeAvailability)
        await self._until(lambda: self._state.operative is True, _MESSAGE_S)

    async def _restore(self, payload: object, answer: Callable[..., object]) -> None:
        """Set back what was changed, whatever happened; once it is back, if it went.

        Where Home Assistant stops, this is asked before the connection is closed.
        """
        end = self._now + _RESTORE_S
        while self._now < end:
            connection = self._station.connection
            if connection is not None:
                try:
                    await connection.request(payload, answer)
                except CallFailedError as err:
                    if err.answered:
                        return
                else:
                    return
            passed = asyncio.Event()
            cancel = self._station.call_later(_STEP_S, passed.set)
            try:
                await passed.wait()
            finally:
                cancel()


def _availability(*, operative: bool) -> call.ChangeAvailability:
    """Write a request to go in or out of service."""
    status = (
        OperationalStatusEnumType.operative
        if operative
        else OperationalStatusEnumType.inoperative
    )
    return call.ChangeAvailability(operational_status=status)
