"""What a wallbox is asked and told once it is connected.

A reconnect is not a reboot: after a restart of Home Assistant no BootNotification
comes, and a Delta box rejects TriggerMessage for it and for StatusNotification. So
identity and status are read from the device model, and whether a session runs is asked
as such.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
import itertools
import logging
from typing import Final, Protocol

from ocpp.v201 import call, call_result
from ocpp.v201.datatypes import (
    ComponentType,
    EVSEType,
    GetVariableDataType,
    SetVariableDataType,
    VariableType,
)
from ocpp.v201.enums import MessageTriggerEnumType, ReportBaseEnumType

from . import transitions
from .calls import Caller
from .device_model import LIGHTS, SMART_CHARGING, members, number, parse_variables
from .errors import CallFailedError, log_bug
from .station import Station

_LOGGER = logging.getLogger(__name__)
#: How long a wallbox may take for all parts of a report, in s.
REPORT_TIMEOUT: Final = 60
_STATION: Final = ComponentType(name="ChargingStation")
_EVSE: Final = ComponentType(name="EVSE", evse=EVSEType(id=1))
_CONNECTOR: Final = ComponentType(name="Connector", evse=EVSEType(id=1, connector_id=1))
_SETTINGS: Final = (
    (_STATION, "MaxCurrent"),
    *(
        (ComponentType(name=component), variable)
        for component, variable in (*LIGHTS, *SMART_CHARGING)
    ),
)
_WANTED: Final = (
    (_STATION, "VendorName"),
    (_STATION, "Model"),
    (_STATION, "SerialNumber"),
    (_STATION, "FirmwareVersion"),
    (_CONNECTOR, "AvailabilityState"),
    (_EVSE, "AvailabilityState"),
    *_SETTINGS,
)
_SAMPLED: Final = "SampledDataCtrlr"
_ALIGNED: Final = "AlignedDataCtrlr"
#: All that a Delta box can measure.
MEASURANDS: Final = (
    "Energy.Active.Import.Register",
    "Power.Active.Import",
    "Current.Import",
    "Voltage",
)
#: Which lists of measurands have to have these. Those of AlignedDataCtrlr are what
#: TriggerMessage(MeterValues) is answered with (F06).
_LISTS: Final = (
    (_SAMPLED, "TxUpdatedMeasurands"),
    (_SAMPLED, "TxStartedMeasurands"),
    (_SAMPLED, "TxEndedMeasurands"),
    (_ALIGNED, "Measurands"),
)
_INTERVAL: Final = (_SAMPLED, "TxUpdatedInterval")
#: Above 0, Ended carries all samples of a session: hundreds of kB after a night.
_ENDED_INTERVAL: Final = (_SAMPLED, "TxEndedInterval")

_request_ids = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Change:
    """A variable that is to have another value."""

    component: str
    """Its component, of the station itself."""
    variable: str
    """Its name."""
    value: str
    """What it is to be."""
    instead: str | None = None
    """What else will do, where that is rejected."""


def metering_changes(
    found: Mapping[tuple[str, str], str], interval: int
) -> list[Change]:
    """Return what has to be set for meter values to come during a session.

    Nothing that is so already, for flash memory wears, and nothing that is not known.
    What a station samples stays: lists are extended. `interval`: seconds between two
    readings.
    """
    changes: list[Change] = []
    for (component, variable), seconds in (
        (_INTERVAL, interval),
        (_ENDED_INTERVAL, 0),
    ):
        value = found.get((component, variable))
        if value is not None and number(value) != seconds:
            changes.append(Change(component, variable, str(seconds)))
    for component, variable in _LISTS:
        value = found.get((component, variable))
        if value is None:
            continue
        sampled = members(value)
        if missing := [each for each in MEASURANDS if each not in sampled]:
            ours = ",".join(MEASURANDS)
            extended = ",".join((*sampled, *missing))
            changes.append(
                Change(
                    component,
                    variable,
                    extended,
                    ours if set(sampled) - set(MEASURANDS) else None,
                )
            )
    return changes


class ProvisionedConnection(Caller, Protocol):
    """The connection of the wallbox that is asked."""

    id: str
    """The charge point's id."""
    station: Station
    """Whose connection it is."""
    status_heard: bool
    """Whether the wallbox told its status by itself, on this connection."""

    def take_variables(self, found: Mapping[tuple[str, str], str]) -> None:
        """Take what variables of the device model say of the wallbox."""


class Provisioning:
    """Asks one connection's wallbox what it does not say by itself."""

    def __init__(self, connection: ProvisionedConnection) -> None:
        """Take the connection."""
        self._connection = connection
        self.running = False
        self.queue_expected = False
        self._report: tuple[int, asyncio.Event] | None = None

    async def run(self, *, booted: bool) -> None:
        """Ask. What the wallbox refuses to tell stays unknown.

        `booted`: it sent a BootNotification, and its status with it.
        """
        self.running = True
        try:
            await self._step(self._ask_transaction)
            if booted:
                await self._step(self._ask_settings)
            else:
                await self._step(self._ask_status)
                await self._step(self._ask_identity_and_status)
                await self._step(self._ask_event)
            station = self._connection.station
            station.update(replace(station.state, surveyed=True))
            await self._step(self._set_metering)
        finally:
            self.running = False

    async def _step(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take one step. A bug in one costs that one."""
        try:
            await step()
        except Exception as err:  # noqa: BLE001 - the next step may well succeed
            log_bug(err)

    def report_part(self, request_id: int, *, last: bool) -> None:
        """Take note of a part of a report; its variables are taken elsewhere."""
        if last and self._report is not None and self._report[0] == request_id:
            self._report[1].set()

    async def _ask[A](self, payload: object, answer: Callable[..., A]) -> A | None:
        """Make a call, see `Caller`; None where it has no success, for any reason."""
        try:
            return await self._connection.request(payload, answer)
        except CallFailedError as err:
            _LOGGER.debug("Wallbox %s did not tell: %s", self._connection.id, err)
            return None

    async def _ask_settings(self) -> None:
        """Learn how the wallbox is set up."""
        self._connection.take_variables(await self._get_variables(_SETTINGS))

    async def _ask_status(self) -> None:
        """Request the status of the socket, unless it was sent already.

        Where that is refused, as by a Delta box, the device model has it.
        """
        if not self._connection.status_heard:
            await self._ask(
                call.TriggerMessage(
                    requested_message=MessageTriggerEnumType.status_notification,
                    evse=EVSEType(id=1, connector_id=1),
                ),
                call_result.TriggerMessage,
            )

    async def _ask_identity_and_status(self) -> None:
        """Learn who and how the wallbox is, from its variables or its inventory."""
        found = await self._get_variables(_WANTED)
        self._connection.take_variables(found)
        if not self._connection.station.state.identity.known():
            await self._ask_inventory()

    async def _get_variables(
        self, wanted: Iterable[tuple[ComponentType, str]]
    ) -> dict[tuple[str, str], str]:
        """Read variables at once or, where that is refused, one by one."""
        data = [
            GetVariableDataType(component=component, variable=VariableType(name=name))
            for component, name in wanted
        ]
        answer = await self._ask(
            call.GetVariables(get_variable_data=data), call_result.GetVariables
        )
        if answer is not None and not all(
            result["attribute_status"] == "Rejected"
            for result in answer.get_variable_result
        ):
            return parse_variables(answer.get_variable_result)
        found: dict[tuple[str, str], str] = {}
        for item in data:
            answer = await self._ask(
                call.GetVariables(get_variable_data=[item]), call_result.GetVariables
            )
            if answer is not None:
                found |= parse_variables(answer.get_variable_result)
        return found

    async def _ask_inventory(self) -> None:
        """Request a report of all variables, and wait for the last part."""
        request_id, done = next(_request_ids), asyncio.Event()
        self._report = (request_id, done)
        answer = await self._ask(
            call.GetBaseReport(
                request_id=request_id, report_base=ReportBaseEnumType.full_inventory
            ),
            call_result.GetBaseReport,
        )
        if answer is not None and answer.status == "Accepted":
            with suppress(TimeoutError):
                async with asyncio.timeout(REPORT_TIMEOUT):
                    await done.wait()
        self._report = None

    async def _ask_transaction(self) -> None:
        """Learn whether the session that is known still runs.

        Where messages wait in the wallbox's queue, these will tell its end, and how
        much it delivered: nobody else has to.
        """
        station = self._connection.station
        self.queue_expected = False
        if (active := station.state.active) is None:
            return
        answer = await self._ask(
            call.GetTransactionStatus(transaction_id=active.id),
            call_result.GetTransactionStatus,
        )
        if answer is None:
            return
        self.queue_expected = bool(answer.messages_in_queue)
        if answer.ongoing_indicator is not None and not self.queue_expected:
            station.update(
                transitions.transaction_checked(
                    station.state, active.id, ongoing=answer.ongoing_indicator
                )
            )

    async def _ask_event(self) -> None:
        """Learn whether any session runs."""
        await self._ask(
            call.TriggerMessage(
                requested_message=MessageTriggerEnumType.transaction_event,
                evse=EVSEType(id=1),
            ),
            call_result.TriggerMessage,
        )

    async def _set_metering(self) -> None:
        """Set up meter values during a session: a Delta box sends energy only.

        Where that is refused, or accepted and not done, `Connection.poll` asks.
        """
        found = await self._get_variables(
            (ComponentType(name=component), variable)
            for component, variable in (*_LISTS, _INTERVAL, _ENDED_INTERVAL)
        )
        interval = self._connection.station.config.meter_interval
        changes = metering_changes(found, interval)
        rejected = await self._set_variables(changes)
        await self._set_variables(
            [
                replace(change, value=change.instead)
                for change in rejected
                if change.instead is not None
            ]
        )

    async def _set_variables(self, changes: list[Change]) -> list[Change]:
        """Write variables at once or, where that is refused, one by one.

        Return those that are rejected.
        """
        if not changes:
            return []
        answer = await self._ask(_set_variables(changes), call_result.SetVariables)
        if answer is None:
            if len(changes) == 1:
                return changes
            rejected = [await self._set_variables([change]) for change in changes]
            return [change for each in rejected for change in each]
        statuses = {
            (result["component"]["name"], result["variable"]["name"]): result[
                "attribute_status"
            ]
            for result in answer.set_variable_result
        }
        rejected_ones: list[Change] = []
        for change in changes:
            status = statuses.get((change.component, change.variable))
            if status not in ("Accepted", "RebootRequired"):
                _LOGGER.debug(
                    "Wallbox %s: %r is %s", self._connection.id, change.variable, status
                )
                rejected_ones.append(change)
        return rejected_ones


def _set_variables(changes: Iterable[Change]) -> call.SetVariables:
    """Write variables of the station itself."""
    return call.SetVariables(
        set_variable_data=[
            SetVariableDataType(
                component=ComponentType(name=change.component),
                variable=VariableType(name=change.variable),
                attribute_value=change.value,
            )
            for change in changes
        ]
    )
