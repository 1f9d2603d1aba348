"""What an owner can have a wallbox do, each until it is done or it says why not."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
import secrets
from typing import Any, Final

from ocpp.v201 import call, call_result
from ocpp.v201.datatypes import (
    ComponentType,
    EVSEType,
    GetVariableDataType,
    IdTokenType,
    SetVariableDataType,
    VariableType,
)
from ocpp.v201.enums import (
    IdTokenEnumType,
    MessageTriggerEnumType,
    ResetEnumType,
)

from . import profiles
from .calls import LiveConnection
from .errors import CallFailedError, CommandError, refusal
from .payloads import CompositeSchedule, ReadResult, VariableResult
from .remote_requests import RemoteStart, draws_current
from .state import ChargingState, Status, WallboxState
from .station import Station
from .target import ChargingSchedule

#: How long a wallbox may take from accepting a start to beginning a session, in s.
START_PATIENCE_S: Final = 60
#: How long it may take from accepting a stop to ending a transaction, in s.
STOP_PATIENCE_S: Final = 30
#: How long a transaction's profile may take to be cleared, in s.
CLEAR_PATIENCE_S: Final = 60
#: A limit is in vain where every profile purpose was refused so many times.
_ROUNDS_IN_VAIN: Final = 2
#: A wallbox that took a reset is not asked again for so long, in s.
RESET_PATIENCE_S: Final = 10
#: The names of what is shared by all who ask for it at the same time.
_START: Final = "start"
_REBOOT: Final = "reboot"
_REFRESH: Final = "refresh"


def _connection(station: Station) -> LiveConnection:
    """Return the connection. Raises CommandError."""
    if station.connection is None:
        raise CommandError("not_connected")
    return station.connection


async def _call[A](station: Station, payload: object, answer: Callable[..., A]) -> A:
    """Make a call, see `Caller`. Raises CommandError with the reason."""
    try:
        return await _connection(station).request(payload, answer)
    except CallFailedError as err:
        raise CommandError("call_failed", action=err.action, reason=err.reason) from err


async def allow(station: Station, allowed: bool) -> None:
    """Let the car charge, or not; this may be set while the wallbox is away.

    A session that was ended, because the wallbox cannot pause, is begun anew. Raises
    CommandError.
    """
    if not allowed:
        await stop(station)
        return
    state = station.state
    ended = state.transaction
    if (
        state.connected
        and not state.target.charging_allowed
        and state.active is None
        and state.cable_connected
        and ended is not None
        and ended.stopped_reason == "remote"
    ):
        await start(station)
    else:
        await _target_to_charge(station)


async def start(station: Station) -> None:
    """Resume, or have a session begin. Raises CommandError that says why not.

    Who starts while a start is under way joins it.
    """
    _connection(station)
    state = station.state
    if state.status is Status.FAULTED:
        raise CommandError("faulted")
    if state.status is Status.UNAVAILABLE:
        raise CommandError("out_of_service")
    if state.cable_connected is False:
        raise CommandError("no_cable")
    # The limit first: a session must not begin at full power.
    await _target_to_charge(station)
    if station.state.target.charging_allowed and not _runs(station.state):
        await station.remote_requests.join(_START, lambda: _begin_session(station))


async def _begin_session(station: Station) -> None:
    """Begin a session, unless it is stopped meanwhile. Raises CommandError."""
    connection = _connection(station)
    while station.state.target.charging_allowed and not _runs(station.state):
        begun = connection.remote_start
        if begun is None or begun.until <= station.now().steady:
            begun = connection.remote_start = await _request_start(station, connection)
        if begun is not None and await _follow(station, begun):
            connection.remote_start = None
            return


async def _target_to_charge(station: Station) -> None:
    """Allow the car to charge. Raises CommandError where a limit is refused.

    A wallbox that cannot limit may charge all the same, and so may one that does not
    take the limit where none is needed.
    """
    try:
        await station.controller.target(charging_allowed=True)
    except CommandError as err:
        state = station.state
        refused = err.key == "limit_refused" and (
            not station.controller.restricts(state) or _limits_in_vain(state)
        )
        if err.key != "cannot_limit" and not refused:
            raise


def cannot_limit(state: WallboxState) -> bool:
    """Return whether a wallbox has no smart charging: optional, a fact, no failure."""
    return state.smart_charging is False or state.enforcement.unable


def _limits_in_vain(state: WallboxState) -> bool:
    """Return whether a wallbox has refused every limit, more than once."""
    enforcement = state.enforcement
    return not enforcement.used and enforcement.rounds >= _ROUNDS_IN_VAIN


def _runs(state: WallboxState) -> bool:
    """Return whether a session runs that needs no start."""
    active = state.active
    return active is not None and (
        active.charging_state is not ChargingState.EV_CONNECTED
        or active.remote_start_id is not None
        or draws_current(state)
    )


async def _request_start(
    station: Station, connection: LiveConnection
) -> RemoteStart | None:
    """Request a transaction; None: it was stopped before the request was sent.

    Raises CommandError.
    """
    known = station.state.transaction
    start_id = secrets.randbelow(2**31)
    request = call.RequestStartTransaction(
        evse_id=1, remote_start_id=start_id, id_token=_token(station)
    )
    try:
        # Chosen late: a stop that comes before it is on the wire is the newer target.
        answer = await connection.request_late(
            lambda: request if station.state.target.charging_allowed else None,
            call_result.RequestStartTransaction,
        )
    except CallFailedError as err:
        if connection.closed:
            raise CommandError("connection_lost") from err
        raise CommandError("call_failed", action=err.action, reason=err.reason) from err
    if answer is None:
        return None
    if answer.status != "Accepted":
        raise CommandError("start_rejected", reason=refusal(answer))
    return RemoteStart(
        id=start_id,
        before=None if known is None else known.id,
        until=station.now().steady + START_PATIENCE_S,
    )


async def _follow(station: Station, begun: RemoteStart) -> bool:
    """Wait until a session begins that was requested, and return whether it did.

    A stop ends the wait, but not where only the end of that session stops the car.
    Raises CommandError.
    """

    def over(state: WallboxState) -> bool:
        stopped = not state.target.charging_allowed and not cannot_limit(state)
        return stopped or begun.led_to(state)

    try:
        patience = begun.until - station.now().steady
        await station.controller.until(over, patience)
    except TimeoutError as err:
        if station.state.target.charging_allowed:
            raise CommandError("start_not_followed") from err
    return begun.led_to(station.state)


def _token(station: Station) -> IdTokenType:
    """Return what a start presents: the configured token, or none."""
    token = station.config.rfid_token
    if token is None:
        return IdTokenType(id_token="", type=IdTokenEnumType.no_authorization)
    return IdTokenType(id_token=token, type=IdTokenEnumType.iso14443)


async def stop(station: Station) -> None:
    """Pause, and keep the session. Raises CommandError.

    Where no limit does it and the car still draws current, the controller ends the
    session.
    """
    try:
        await station.controller.target(charging_allowed=False)
    except CommandError as err:
        asked = station.state.enforcement.stop_asked_at is not None
        if err.key != "limit_refused" or not asked:
            raise
        try:
            await station.controller.until(
                lambda state: not draws_current(state), STOP_PATIENCE_S
            )
        except TimeoutError:
            raise err from None
    if cannot_limit(station.state) and await station.remote_requests.over(_START):
        # What a start that was under way began has to end as well.
        if not station.state.target.charging_allowed:
            await station.controller.target(charging_allowed=False)


async def reboot(station: Station) -> None:
    """Reboot now; a session ends. Raises CommandError."""
    connection = _connection(station)
    if connection.reset_at is None or (
        station.now().steady - connection.reset_at > RESET_PATIENCE_S
    ):
        await station.remote_requests.join(
            _REBOOT, lambda: _reboot(station, connection)
        )


async def _reboot(station: Station, connection: LiveConnection) -> None:
    """Reboot, as the only one. Raises CommandError."""
    answer = await _call(
        station, call.Reset(type=ResetEnumType.immediate), call_result.Reset
    )
    if answer.status == "Rejected":
        raise CommandError("reboot_rejected", reason=refusal(answer))
    connection.reset_at = station.now().steady


async def refresh(station: Station) -> None:
    """Ask for everything again. Raises CommandError."""
    _connection(station)
    await station.remote_requests.join(_REFRESH, lambda: _refresh(station))


async def _refresh(station: Station) -> None:
    """Ask for everything again, as the only one. Raises CommandError."""
    connection = _connection(station)
    connection.refresh()
    station.controller.recheck(at_once=True)
    try:
        await connection.readings.ask()
    except CallFailedError as err:
        raise CommandError("call_failed", action=err.action, reason=err.reason) from err


async def set_schedule(
    station: Station, periods: Iterable[tuple[int, float]], duration: int | None
) -> None:
    """Set limits over time, from now on. Raises CommandError.

    `periods`: seconds from now and limit in A, the first at 0. After `duration` s they
    limit no more.
    """
    schedule = list(periods)
    if duration is not None:
        schedule.append((duration, float(station.config.max_current)))
    now = station.now()
    await station.controller.target(
        schedule=ChargingSchedule(
            periods=tuple(schedule), start=now.wall, anchor=now.steady
        )
    )


async def clear_profiles(station: Station) -> None:
    """Clear all limits but the target.

    What holds that one is not cleared: it is replaced in place, or the car would draw
    all it can until the next one is there. Raises CommandError.
    """
    _connection(station)
    await station.controller.target(schedule=None)
    for purpose in station.state.enforcement.dispensable:
        await _call(
            station,
            profiles.clear_purpose(purpose),
            call_result.ClearChargingProfile,
        )
    before = station.state.enforcement.tx_profile
    suspended = station.state.observed(station.now()).suspended
    station.controller.restart()
    if before is not None and not suspended:
        # That of the transaction holds the limit: it is cleared, and set anew at once.
        # In a pause it would be accepted and dropped.
        with suppress(TimeoutError):
            await station.controller.until(
                lambda state: state.enforcement.tx_profile != before, CLEAR_PATIENCE_S
            )


async def composite_schedule(station: Station, duration: int) -> CompositeSchedule:
    """Return the limits that the wallbox enforces for `duration` s, as it says.

    Raises CommandError.
    """
    answer = await _call(
        station, profiles.ask_composite(duration), call_result.GetCompositeSchedule
    )
    if answer.status != "Accepted" or answer.schedule is None:
        raise CommandError("rejected", reason=refusal(answer))
    return answer.schedule


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
) -> Sequence[ReadResult]:
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
        call_result.GetVariables,
    )
    return answer.get_variable_result


async def set_variables(
    station: Station, wanted: Iterable[Mapping[str, Any]]
) -> Sequence[VariableResult]:
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
        call_result.SetVariables,
    )
    return answer.set_variable_result


async def trigger(station: Station, message: str) -> None:
    """Request a message. Raises CommandError with the wallbox's reason."""
    # A status is that of a connector (F06).
    connector = 1 if message == MessageTriggerEnumType.status_notification else None
    answer = await _call(
        station,
        call.TriggerMessage(
            requested_message=MessageTriggerEnumType(message),
            evse=EVSEType(id=1, connector_id=connector),
        ),
        call_result.TriggerMessage,
    )
    if answer.status != "Accepted":
        raise CommandError("rejected", reason=refusal(answer))


async def unlock(station: Station) -> None:
    """Let go of the plug. Raises CommandError with the wallbox's reason."""
    answer = await _call(
        station,
        call.UnlockConnector(evse_id=1, connector_id=1),
        call_result.UnlockConnector,
    )
    if answer.status != "Unlocked":
        raise CommandError("unlock_failed", reason=refusal(answer))
