"""What an owner can have a wallbox do, each until it is done or it says why not."""

from collections.abc import Iterable, Mapping
import secrets
from typing import Any, Final

from ocpp.v201 import call
from ocpp.v201.datatypes import (
    ClearChargingProfileType,
    ComponentType,
    EVSEType,
    GetVariableDataType,
    IdTokenType,
    SetVariableDataType,
    VariableType,
)
from ocpp.v201.enums import (
    ChargingProfilePurposeEnumType,
    ChargingRateUnitEnumType,
    IdTokenEnumType,
    MessageTriggerEnumType,
    ResetEnumType,
)

from .charge_point import ChargePoint
from .control import Plan, Way
from .controller import refusal
from .errors import CallFailedError, CommandError
from .state import ChargingState, Status
from .station import Station

#: How long a wallbox may take from accepting a start to beginning a session, in s.
START_PATIENCE: Final = 60


def _link(station: Station) -> ChargePoint:
    """Give the connection. Raises CommandError."""
    if station.link is None:
        raise CommandError("not_connected")
    return station.link


async def _call(station: Station, payload: Any) -> Any:
    """Make a call. Raises CommandError with the reason."""
    try:
        return await _link(station).request(payload)
    except CallFailedError as err:
        raise CommandError("call_failed", action=err.action, reason=err.reason) from err


async def start(station: Station) -> None:
    """Resume, or have a session begin. Raises CommandError that says why not."""
    _link(station)
    state = station.state
    if state.status is Status.FAULTED:
        raise CommandError("faulted")
    if state.status is Status.UNAVAILABLE:
        raise CommandError("out_of_service")
    if state.cable_connected is False:
        raise CommandError("no_cable")
    # The limit first: a session must not begin at full power.
    await station.controller.wish(charging_allowed=True)
    if not station.state.wish.charging_allowed:
        return  # it was stopped meanwhile
    active = station.state.active
    if active is not None and active.charging_state is not ChargingState.EV_CONNECTED:
        return
    answer = await _call(
        station,
        call.RequestStartTransaction(
            evse_id=1,
            remote_start_id=secrets.randbelow(2**31),
            id_token=_token(station),
        ),
    )
    if answer.status != "Accepted":
        raise CommandError("start_rejected", reason=refusal(answer))
    try:
        await station.controller.until(
            lambda state: (
                state.active is not None
                and state.active.charging_state is not ChargingState.EV_CONNECTED
            ),
            START_PATIENCE,
        )
    except TimeoutError as err:
        raise CommandError("start_not_followed") from err


def _token(station: Station) -> IdTokenType:
    """Give what a start presents: the configured token, or none."""
    token = station.config.rfid_token
    if token is None:
        return IdTokenType(id_token="", type=IdTokenEnumType.no_authorization)
    return IdTokenType(id_token=token, type=IdTokenEnumType.iso14443)


async def stop(station: Station) -> None:
    """Pause, and keep the session. Raises CommandError."""
    await station.controller.wish(charging_allowed=False)


async def reboot(station: Station) -> None:
    """Reboot now; a session ends. Raises CommandError."""
    answer = await _call(station, call.Reset(type=ResetEnumType.immediate))
    if answer.status == "Rejected":
        raise CommandError("reboot_rejected", reason=refusal(answer))


async def refresh(station: Station) -> None:
    """Ask for everything again. Raises CommandError."""
    link = _link(station)
    link.refresh()
    station.controller.recheck(at_once=True)
    await _call(
        station,
        call.TriggerMessage(
            requested_message=MessageTriggerEnumType.meter_values, evse=EVSEType(id=1)
        ),
    )


async def set_schedule(
    station: Station, periods: Iterable[tuple[int, float]], duration: int | None
) -> None:
    """Have limits over time, from now on. Raises CommandError.

    `periods`: seconds from now and limit in A, the first at 0. After `duration` s they
    limit no more.
    """
    plan = list(periods)
    if duration is not None:
        plan.append((duration, float(station.config.max_current)))
    now = station.now()
    await station.controller.wish(
        schedule=Plan(periods=tuple(plan), start=now.wall, anchor=now.steady)
    )


async def clear_profiles(station: Station) -> None:
    """Have the wallbox forget all limits but the one that is wished.

    The default profile is not cleared: it is replaced in place, or the car would draw
    all it can until the next one is there. Raises CommandError.
    """
    _link(station)
    await station.controller.wish(schedule=None)
    for way in (Way.TRANSACTION, Way.STATION):
        if way in station.state.enforcement.used:
            continue  # ours, and perhaps what holds the limit: it was replaced as well
        # One purpose at a time: criteria may not be empty (K10).
        await _call(
            station,
            call.ClearChargingProfile(
                charging_profile_criteria=ClearChargingProfileType(
                    charging_profile_purpose=ChargingProfilePurposeEnumType(way.value)
                )
            ),
        )
    station.controller.restart()


async def composite_schedule(station: Station, duration: int) -> Mapping[str, Any]:
    """Give the limits that the wallbox enforces for `duration` s, as it says.

    Raises CommandError.
    """
    answer = await _call(
        station,
        call.GetCompositeSchedule(
            duration=duration,
            evse_id=1,
            charging_rate_unit=ChargingRateUnitEnumType.amps,
        ),
    )
    if answer.status != "Accepted" or answer.schedule is None:
        raise CommandError("rejected", reason=refusal(answer))
    schedule: Mapping[str, Any] = answer.schedule
    return schedule


def _component(item: Mapping[str, Any]) -> ComponentType:
    evse = item.get("evse")
    return ComponentType(
        name=item["component"],
        instance=item.get("component_instance"),
        evse=None
        if evse is None
        else EVSEType(id=evse, connector_id=item.get("connector")),
    )


def _variable(item: Mapping[str, Any]) -> VariableType:
    return VariableType(name=item["variable"], instance=item.get("variable_instance"))


async def get_variables(
    station: Station, wanted: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Read variables: GetVariableResult items of OCPP. Raises CommandError."""
    answer = await _call(
        station,
        call.GetVariables(
            get_variable_data=[
                GetVariableDataType(
                    component=_component(item), variable=_variable(item)
                )
                for item in wanted
            ]
        ),
    )
    results: list[Mapping[str, Any]] = answer.get_variable_result
    return results


async def set_variables(
    station: Station, wanted: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Write variables: SetVariableResult items of OCPP. Raises CommandError."""
    answer = await _call(
        station,
        call.SetVariables(
            set_variable_data=[
                SetVariableDataType(
                    component=_component(item),
                    variable=_variable(item),
                    attribute_value=item["value"],
                )
                for item in wanted
            ]
        ),
    )
    results: list[Mapping[str, Any]] = answer.set_variable_result
    return results


async def trigger(station: Station, message: str) -> None:
    """Have a message sent. Raises CommandError with the wallbox's reason."""
    # A status is that of a connector (F06).
    connector = 1 if message == MessageTriggerEnumType.status_notification else None
    answer = await _call(
        station,
        call.TriggerMessage(
            requested_message=MessageTriggerEnumType(message),
            evse=EVSEType(id=1, connector_id=connector),
        ),
    )
    if answer.status != "Accepted":
        raise CommandError("rejected", reason=refusal(answer))


async def unlock(station: Station) -> None:
    """Let go of the plug. Raises CommandError with the wallbox's reason."""
    answer = await _call(station, call.UnlockConnector(evse_id=1, connector_id=1))
    if answer.status != "Unlocked":
        raise CommandError("unlock_failed", reason=refusal(answer))
