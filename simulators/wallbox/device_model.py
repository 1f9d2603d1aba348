"""The variables of the box (OCPP 2.0.1 part 2 B, device model)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from .quirks import LedVariable, Quirks
from .records import Payload

MEASURANDS: Final = (
    "Current.Import",
    "Power.Active.Import",
    "Voltage",
    "Energy.Active.Import.Register",
)
"""All that the meter of the box measures (inventory)."""

IDENTITY: Final = frozenset({"model", "vendorname", "serialnumber", "firmwareversion"})


class Mutability(StrEnum):
    """Who may do what with a variable."""

    READ_ONLY = "ReadOnly"
    WRITE_ONLY = "WriteOnly"
    READ_WRITE = "ReadWrite"


class DataType(StrEnum):
    """Type of a variable's value, which is always sent as a string."""

    STRING = "string"
    DECIMAL = "decimal"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATE_TIME = "dateTime"
    OPTION_LIST = "OptionList"
    MEMBER_LIST = "MemberList"


class VariableStatus(StrEnum):
    """Answers about one variable."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    UNKNOWN_COMPONENT = "UnknownComponent"
    UNKNOWN_VARIABLE = "UnknownVariable"
    NOT_SUPPORTED_ATTRIBUTE = "NotSupportedAttributeType"


@dataclass(frozen=True, kw_only=True)
class VariableId:
    """Where a variable is; names are compared without regard to case."""

    component: str
    variable: str
    instance: str = ""
    """Instance of the variable."""
    evse: int | None = None
    connector: int | None = None

    @property
    def key(self) -> tuple[str, str, str, int | None, int | None]:
        """What two spellings of the same place have in common."""
        return (
            self.component.casefold(),
            self.variable.casefold(),
            self.instance.casefold(),
            self.evse,
            self.connector,
        )


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One variable with its value."""

    place: VariableId
    value: str
    mutability: Mutability = Mutability.READ_ONLY
    data_type: DataType = DataType.STRING
    unit: str = ""
    """Unit of measure, empty where there is none."""
    choices: tuple[str, ...] = ()
    """Values of an option or member list."""
    minimum: float | None = None
    maximum: float | None = None

    def accepts(self, value: str) -> bool:
        """Return whether a value has the variable's type, range and choices."""
        match self.data_type:
            case DataType.BOOLEAN:
                return value.lower() in ("true", "false")
            case DataType.INTEGER | DataType.DECIMAL:
                try:
                    number = (
                        int(value)
                        if self.data_type is DataType.INTEGER
                        else float(value)
                    )
                except ValueError:
                    return False
                return (self.minimum is None or number >= self.minimum) and (
                    self.maximum is None or number <= self.maximum
                )
            case DataType.OPTION_LIST:
                return value in self.choices
            case DataType.MEMBER_LIST:
                return all(each in self.choices for each in value.split(",") if each)
            case _:
                return True

    def report(self) -> Payload:
        """Describe it for NotifyReport."""
        attribute: Payload = {"type": "Actual", "mutability": self.mutability.value}
        if self.mutability is not Mutability.WRITE_ONLY:
            attribute["value"] = self.value
        kind: Payload = {
            "dataType": self.data_type.value,
            "supportsMonitoring": False,
        }
        if self.unit:
            kind["unit"] = self.unit
        if self.choices:
            kind["valuesList"] = ",".join(self.choices)
        if self.minimum is not None:
            kind["minLimit"] = self.minimum
        if self.maximum is not None:
            kind["maxLimit"] = self.maximum
        component: Payload = {"name": self.place.component}
        if self.place.evse is not None:
            component["evse"] = {"id": self.place.evse}
            if self.place.connector is not None:
                component["evse"]["connectorId"] = self.place.connector
        name: Payload = {"name": self.place.variable}
        if self.place.instance:
            name["instance"] = self.place.instance
        return {
            "component": component,
            "variable": name,
            "variableAttribute": [attribute],
            "variableCharacteristics": kind,
        }


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who the box says it is."""

    model: str
    vendor: str
    serial: str
    firmware: str


@dataclass
class DeviceModel:
    """All variables of the box."""

    _variables: dict[tuple[str, str, str, int | None, int | None], Variable] = field(
        default_factory=dict
    )

    def add(self, variable: Variable) -> None:
        """Add a variable or replace it."""
        self._variables[variable.place.key] = variable

    def find(self, place: VariableId) -> Variable | VariableStatus:
        """Look a variable up, or tell what of it is unknown."""
        if found := self._variables.get(place.key):
            return found
        component, _, _, evse, connector = place.key
        known = any(
            (key[0], key[3], key[4]) == (component, evse, connector)
            for key in self._variables
        )
        return (
            VariableStatus.UNKNOWN_VARIABLE
            if known
            else VariableStatus.UNKNOWN_COMPONENT
        )

    def text(self, component: str, variable: str, instance: str = "") -> str:
        """Value of a variable of the station itself that is known to exist."""
        place = VariableId(component=component, variable=variable, instance=instance)
        return self._variables[place.key].value

    def number(self, component: str, variable: str, instance: str = "") -> float:
        """Value as a number."""
        return float(self.text(component, variable, instance))

    def members(self, component: str, variable: str) -> tuple[str, ...]:
        """Value as a list of members, in the order in which they were set."""
        return tuple(each for each in self.text(component, variable).split(",") if each)

    def set(self, place: VariableId, value: str) -> None:
        """Change the value of a variable, if there is such a variable."""
        if found := self._variables.get(place.key):
            self._variables[place.key] = replace(found, value=value)

    def report(self, *, writable_only: bool) -> list[Payload]:
        """Describe all variables, or those that can be written."""
        return [
            variable.report()
            for variable in self._variables.values()
            if not writable_only or variable.mutability is not Mutability.READ_ONLY
        ]


def build(
    identity: Identity, quirks: Quirks, *, phases: int, max_current_a: float
) -> DeviceModel:
    """Build the device model of a Delta box as the inventory shows it."""
    model = DeviceModel()
    ro, rw, wo = Mutability.READ_ONLY, Mutability.READ_WRITE, Mutability.WRITE_ONLY

    def add(
        component: str,
        variable: str,
        value: str,
        mutability: Mutability = ro,
        data_type: DataType = DataType.STRING,
        *,
        instance: str = "",
        evse: int | None = None,
        connector: int | None = None,
        unit: str = "",
        choices: tuple[str, ...] = (),
        minimum: float | None = None,
        maximum: float | None = None,
    ) -> None:
        model.add(
            Variable(
                place=VariableId(
                    component=component,
                    variable=variable,
                    instance=instance,
                    evse=evse,
                    connector=connector,
                ),
                value=value,
                mutability=mutability,
                data_type=data_type,
                unit=unit,
                choices=choices,
                minimum=minimum,
                maximum=maximum,
            )
        )

    whole, truth, decimal = DataType.INTEGER, DataType.BOOLEAN, DataType.DECIMAL
    members = DataType.MEMBER_LIST

    add("ChargingStation", "Model", identity.model)
    add("ChargingStation", "VendorName", identity.vendor)
    add("ChargingStation", "SerialNumber", identity.serial)
    add("ChargingStation", "FirmwareVersion", identity.firmware)
    add(
        "ChargingStation",
        "MaxCurrent",
        f"{max_current_a:g}",
        rw,
        decimal,
        unit="A",
        minimum=6,
        maximum=max_current_a,
    )
    places: tuple[tuple[str, int | None, int | None], ...] = (
        ("ChargingStation", None, None),
        ("EVSE", 1, None),
        ("Connector", 1, 1),
    )
    states = ("Available", "Occupied", "Reserved", "Unavailable", "Faulted")
    for component, evse, connector in places:
        add(
            component,
            "AvailabilityState",
            "Available",
            ro,
            DataType.OPTION_LIST,
            evse=evse,
            connector=connector,
            choices=states,
        )
        add(component, "Available", "true", ro, truth, evse=evse, connector=connector)
        if not quirks.supply_phases_unknown:
            add(
                component,
                "SupplyPhases",
                str(phases),
                ro,
                whole,
                evse=evse,
                connector=connector,
            )
    add("EVSE", "ACCurrent", "0", ro, decimal, evse=1, unit="A")
    add("EVSE", "Power", "0", ro, decimal, evse=1, unit="W", maximum=22_000)
    add("Connector", "ConnectorType", "cType2", evse=1, connector=1)

    light: tuple[str, str] | None
    match quirks.led_variable:
        case LedVariable.STATUS_LED:
            light = ("StatusLED", "brightness")
        case LedVariable.CHARGING_STATION:
            light = ("ChargingStation", "StatusLedBrightness")
        case LedVariable.NONE:
            light = None
    if light:
        brightness = "inf" if quirks.led_report_inf else "30"
        add(*light, brightness, rw, whole, unit="%", minimum=0, maximum=100)

    energy = MEASURANDS[-1]
    for point in ("TxStarted", "TxUpdated", "TxEnded"):
        # Energy only from the factory; the others must be asked for (inventory).
        add(
            "SampledDataCtrlr",
            f"{point}Measurands",
            energy,
            rw,
            members,
            choices=MEASURANDS,
        )
    every_minute = "60" if quirks.ended_carries_all_samples else "0"
    for point, interval in (("TxUpdated", "0"), ("TxEnded", every_minute)):
        add(
            "SampledDataCtrlr",
            f"{point}Interval",
            interval,
            rw,
            whole,
            unit="s",
            minimum=0,
            maximum=86_400,
        )
    add("SampledDataCtrlr", "Enabled", "true", rw, truth)
    add("SampledDataCtrlr", "Available", "true", ro, truth)
    aligned = f"{energy},Voltage" if quirks.aligned_measurands_only else None
    every = aligned or ",".join(MEASURANDS)
    add("AlignedDataCtrlr", "Measurands", every, rw, members, choices=MEASURANDS)
    add("AlignedDataCtrlr", "Interval", "0", rw, whole, unit="s", minimum=0)
    add("MeteringCtrlr", "AggregationInterval", "300", ro, whole, unit="s")

    comm = "OCPPCommCtrlr"
    add(comm, "HeartbeatInterval", "10", rw, whole, unit="s", minimum=1)
    add(comm, "WebSocketPingInterval", "300", rw, whole, unit="s", minimum=0)
    add(comm, "MessageTimeout", "30", ro, whole, instance="Default", unit="s")
    add(comm, "RetryBackOffWaitMinimum", "15", rw, whole, unit="s", minimum=1)
    add(comm, "RetryBackOffRepeatTimes", "3", rw, whole, minimum=0)
    add(comm, "RetryBackOffRandomRange", "0", rw, whole, unit="s", minimum=0)
    add(comm, "MessageAttempts", "3", rw, whole, instance="TransactionEvent")
    add(
        comm,
        "MessageAttemptInterval",
        "60",
        rw,
        whole,
        instance="TransactionEvent",
        unit="s",
    )
    queues = "true" if quirks.replay_queue else "false"
    add(comm, "QueueAllMessages", queues, rw, truth)
    add(comm, "OfflineThreshold", "60", rw, whole, unit="s", minimum=0)

    add("SecurityCtrlr", "SecurityProfile", "2", ro, whole)
    add("SecurityCtrlr", "BasicAuthPassword", "", wo)
    add("SecurityCtrlr", "OrganizationName", identity.vendor, rw)

    auth = "true" if quirks.auth_enabled else "false"
    add("AuthCtrlr", "Enabled", auth, rw, truth)
    add("AuthCtrlr", "LocalPreAuthorize", "false", rw, truth)
    add("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "true", rw, truth)

    smart = "SmartChargingCtrlr"
    if quirks.smart_charging_unavailable:
        add(smart, "Available", "false", ro, truth)
        add(smart, "Enabled", "false", ro, truth)
    else:
        add(smart, "Enabled", "true", rw, truth)
    add(smart, "RateUnit", "A,W", ro, members, choices=("A", "W"))
    add(smart, "PeriodsPerSchedule", "33", ro, whole)
    add(smart, "Entries", "15", ro, whole, instance="ChargingProfiles")
    add(smart, "ProfileStackLevel", "5", ro, whole)
    add(smart, "LimitChangeSignificance", "5", rw, decimal, unit="%")

    points = (
        "ParkingBayOccupancy",
        "EVConnected",
        "Authorized",
        "DataSigned",
        "PowerPathClosed",
        "EnergyTransfer",
    )
    starts = "EVConnected,Authorized,EnergyTransfer"
    add("TxCtrlr", "TxStartPoint", starts, rw, members, choices=points)
    add("TxCtrlr", "TxStopPoint", "PowerPathClosed", rw, members, choices=points)
    add("TxCtrlr", "EVConnectionTimeOut", "60", rw, whole, unit="s", minimum=0)
    add("TxCtrlr", "StopTxOnEVSideDisconnect", "true", ro, truth)
    add("TxCtrlr", "StopTxOnInvalidId", "true", rw, truth)

    add("DeviceDataCtrlr", "ItemsPerMessage", "50", ro, whole, instance="GetVariables")
    add("DeviceDataCtrlr", "ItemsPerMessage", "50", ro, whole, instance="SetVariables")
    add("DeviceDataCtrlr", "ItemsPerMessage", "10", ro, whole, instance="GetReport")
    add("ClockCtrlr", "DateTime", "", ro, DataType.DATE_TIME)
    add("ClockCtrlr", "TimeSource", "Heartbeat", rw)
    return model
