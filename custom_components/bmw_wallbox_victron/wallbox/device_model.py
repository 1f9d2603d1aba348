"""What the variables of a wallbox's device model say (OCPP 2.0.1, part 2 B).

Each value is a text, of whatever sense: one that makes none is left out, alone.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
import math
from typing import Final

from . import transitions
from .clock import Now
from .identity import Identity, Light
from .payloads import Component, ReadResult, ReportData, Variable
from .state import ConnectorStatus, WallboxState

#: Component and variable -> value, of the station itself, EVSE 1 and its connector.
type Variables = Mapping[tuple[str, str], str]

#: Where the brightness of the light may be, in %; the first one that there is counts.
LIGHTS: Final = (
    ("StatusLED", "brightness"),
    ("ChargingStation", "StatusLedBrightness"),
)
#: What says whether smart charging is there and switched on; both are optional.
SMART_CHARGING: Final = (
    ("SmartChargingCtrlr", "Available"),
    ("SmartChargingCtrlr", "Enabled"),
)


def parse_report(report: Iterable[ReportData]) -> dict[tuple[str, str], str]:
    """Read ReportData items: their actual values."""
    found: dict[tuple[str, str], str] = {}
    for item in report:
        for attribute in item["variable_attribute"]:
            if attribute.get("type", "Actual") == "Actual" and "value" in attribute:
                _keep(found, item["component"], item["variable"], attribute["value"])
    return found


def parse_variables(results: Iterable[ReadResult]) -> dict[tuple[str, str], str]:
    """Read GetVariableResult items: the values that were accepted, empty ones too."""
    found: dict[tuple[str, str], str] = {}
    for item in results:
        if item["attribute_status"] == "Accepted":
            value = item.get("attribute_value", "")
            _keep(found, item["component"], item["variable"], value)
    return found


def _keep(
    found: dict[tuple[str, str], str],
    component: Component,
    variable: Variable,
    value: str,
) -> None:
    """Keep a value, unless it is another EVSE's."""
    evse = component.get("evse")
    if evse is None or evse.get("id", 1) == 1:
        found[component["name"], variable["name"]] = value.strip()


def number(text: str | None) -> float | None:
    """Return the number that a text is; None: it is none, or not a finite one."""
    if text is None or "_" in text:  # which Python would take
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def members(text: str) -> list[str]:
    """Return the members of a list, in its order, each once."""
    return list(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))


def learn(
    state: WallboxState,
    found: Variables,
    now: Now,
    *,
    status_known: bool,
    ends_session: bool,
) -> WallboxState:
    """Take what variables say of the wallbox.

    `status_known`: whether it has told its status by itself, which is newer.
    `ends_session`: whether a free socket tells that a session's end was lost.
    """
    station = "ChargingStation"
    state = transitions.identified(
        state,
        Identity(
            vendor=found.get((station, "VendorName")) or None,
            model=found.get((station, "Model")) or None,
            serial_number=found.get((station, "SerialNumber")) or None,
            firmware_version=found.get((station, "FirmwareVersion")) or None,
        ),
    )
    if not status_known:
        availability = found.get(("Connector", "AvailabilityState")) or found.get(
            ("EVSE", "AvailabilityState"), ""
        )
        with suppress(ValueError):  # a state of its own invention says nothing
            status = ConnectorStatus(availability.lower())
            state = transitions.connector_asked(
                state, status, now, ends_session=ends_session
            )
    ceiling = number(found.get((station, "MaxCurrent")))
    if ceiling is not None and ceiling > 0:
        state = replace(state, ceiling_a=ceiling)
    said = {found[place].lower() for place in SMART_CHARGING if place in found}
    if said & {"true", "false"}:
        state = replace(state, smart_charging="false" not in said)
    for component, variable in LIGHTS:
        brightness = number(found.get((component, variable)))
        if brightness is not None and 0 <= brightness <= 100:
            light = Light(component, variable, round(brightness))
            return replace(state, light=light)
    return state
