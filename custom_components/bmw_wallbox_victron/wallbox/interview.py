"""What Home Assistant asks a wallbox once it is connected.

A reconnect is not a reboot: after a restart of Home Assistant no BootNotification
comes, and a Delta box rejects TriggerMessage for it and for StatusNotification. So
identity and status are read from the device model, and whether a session runs is asked
as such.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
import itertools
import logging
from typing import Any, Final, Protocol

from ocpp.v201 import call
from ocpp.v201.datatypes import (
    ComponentType,
    EVSEType,
    GetVariableDataType,
    SetVariableDataType,
    VariableType,
)
from ocpp.v201.enums import MessageTriggerEnumType, ReportBaseEnumType

from . import state as transitions
from .calls import Caller
from .errors import CallFailedError
from .station import Station

_LOGGER = logging.getLogger(__name__)
#: How long a wallbox may take for all parts of a report, in s.
REPORT_TIMEOUT: Final = 60
_STATION: Final = ComponentType(name="ChargingStation")
_EVSE: Final = ComponentType(name="EVSE", evse=EVSEType(id=1))
_CONNECTOR: Final = ComponentType(name="Connector", evse=EVSEType(id=1, connector_id=1))
#: Where the brightness of the light may be, in %; the first one that there is counts.
LIGHTS: Final = (
    ("StatusLED", "brightness"),
    ("ChargingStation", "StatusLedBrightness"),
)
_SETTINGS: Final = (
    (_STATION, "MaxCurrent"),
    *((ComponentType(name=component), variable) for component, variable in LIGHTS),
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
_SAMPLED_DATA: Final = ComponentType(name="SampledDataCtrlr")
#: All that a Delta box can measure.
MEASURANDS: Final = (
    "Energy.Active.Import.Register",
    "Power.Active.Import",
    "Current.Import",
    "Voltage",
)

_request_ids = itertools.count(1)


def parse_report(report: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """Read ReportData items: (component, variable) -> actual value, of EVSE 1 only."""
    found: dict[tuple[str, str], str] = {}
    for item in report:
        for attribute in item["variable_attribute"]:
            if attribute.get("type", "Actual") == "Actual" and "value" in attribute:
                _keep(found, item, attribute["value"])
    return found


def parse_variables(results: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """Read GetVariableResult items: (component, variable) -> actual value."""
    found: dict[tuple[str, str], str] = {}
    for item in results:
        if item["attribute_status"] == "Accepted" and "attribute_value" in item:
            _keep(found, item, item["attribute_value"])
    return found


def _keep(
    found: dict[tuple[str, str], str], item: Mapping[str, Any], value: str
) -> None:
    """Keep a value, unless it is another EVSE's or empty."""
    component = item["component"]
    if component.get("evse", {}).get("id", 1) == 1 and value.strip():
        found[component["name"], item["variable"]["name"]] = value.strip()


class InterviewedConnection(Caller, Protocol):
    """The connection of the wallbox that is asked."""

    id: str
    """The charge point's id."""
    station: Station
    """Whose connection it is."""

    def take_variables(self, found: Mapping[tuple[str, str], str]) -> None:
        """Take what variables of the device model say of the wallbox."""


class Interview:
    """Asks one connection's wallbox what it does not say by itself."""

    def __init__(self, link: InterviewedConnection) -> None:
        """Take the connection."""
        self._link = link
        self.running = False
        self.queue_expected = False
        self._report: tuple[int, asyncio.Event] | None = None

    async def run(self, *, booted: bool) -> None:
        """Ask. What the wallbox refuses to tell stays unknown.

        `booted`: it sent a BootNotification, and its status with it.
        """
        self.running = True
        try:
            await self._ask_transaction()
            if booted:
                self._link.take_variables(await self._get_variables(_SETTINGS))
            else:
                await self._ask_identity_and_status()
                await self._ask_event()
            station = self._link.station
            station.update(replace(station.state, surveyed=True))
            await self._set_metering()
        finally:
            self.running = False

    def report_part(self, request_id: int, *, last: bool) -> None:
        """Take note of a part of a report; its variables are taken elsewhere."""
        if last and self._report is not None and self._report[0] == request_id:
            self._report[1].set()

    async def _ask(self, payload: Any) -> Any:
        """Make a call; None where it has no success, whatever the reason."""
        try:
            return await self._link.request(payload)
        except CallFailedError as err:
            _LOGGER.debug("Wallbox %s did not tell: %s", self._link.id, err)
            return None

    async def _ask_identity_and_status(self) -> None:
        """Learn who and how the wallbox is, from its variables or its inventory."""
        found = await self._get_variables(_WANTED)
        self._link.take_variables(found)
        if not self._link.station.state.identity.known():
            await self._ask_inventory()

    async def _get_variables(
        self, wanted: Iterable[tuple[ComponentType, str]]
    ) -> dict[tuple[str, str], str]:
        """Read variables at once or, where that is refused, one by one."""
        data = [
            GetVariableDataType(component=component, variable=VariableType(name=name))
            for component, name in wanted
        ]
        answer = await self._ask(call.GetVariables(get_variable_data=data))
        if answer is not None:
            return parse_variables(answer.get_variable_result)
        found: dict[tuple[str, str], str] = {}
        for item in data:
            answer = await self._ask(call.GetVariables(get_variable_data=[item]))
            if answer is not None:
                found |= parse_variables(answer.get_variable_result)
        return found

    async def _ask_inventory(self) -> None:
        """Have the wallbox report all its variables, and wait for the last part."""
        request_id, done = next(_request_ids), asyncio.Event()
        self._report = (request_id, done)
        answer = await self._ask(
            call.GetBaseReport(
                request_id=request_id, report_base=ReportBaseEnumType.full_inventory
            )
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
        station = self._link.station
        self.queue_expected = False
        if (active := station.state.active) is None:
            return
        answer = await self._ask(call.GetTransactionStatus(transaction_id=active.id))
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
            )
        )

    async def _set_metering(self) -> None:
        """Have meter values sent during a session: a Delta box sends energy only.

        Where that is refused, or accepted and not done, `Connection.poll` asks.
        """
        measurands = ",".join(MEASURANDS)
        wanted = {
            "TxUpdatedInterval": str(self._link.station.config.meter_interval),
            "TxUpdatedMeasurands": measurands,
            "TxStartedMeasurands": measurands,
            "TxEndedMeasurands": measurands,
        }
        found = await self._get_variables((_SAMPLED_DATA, name) for name in wanted)
        missing = {
            name: value
            for name, value in wanted.items()
            if set(found.get(("SampledDataCtrlr", name), "").split(","))
            != set(value.split(","))
        }
        if not missing:
            return  # its flash memory is not written to without need
        answer = await self._ask(
            call.SetVariables(
                set_variable_data=[
                    SetVariableDataType(
                        component=_SAMPLED_DATA,
                        variable=VariableType(name=name),
                        attribute_value=value,
                    )
                    for name, value in missing.items()
                ]
            )
        )
        for result in [] if answer is None else answer.set_variable_result:
            if result["attribute_status"] != "Accepted":
                _LOGGER.debug(
                    "Wallbox %s: %r is %s",
                    self._link.id,
                    result["variable"]["name"],
                    result["attribute_status"],
                )
