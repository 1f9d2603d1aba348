"""Setting up Victron devices: which are heard, and whether a key fits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from homeassistant.components import bluetooth
from homeassistant.components.bluetooth import BluetoothServiceInfoBleak
from homeassistant.config_entries import ConfigEntry, ConfigEntryState, ConfigSubentry
from homeassistant.const import CONF_ADDRESS
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
from homeassistant.helpers.translation import async_get_translations
import voluptuous as vol

from .battery.sources import ROLES, Role
from .const import CONF_ENCRYPTION_KEY, CONF_MAIN_MONITOR, DOMAIN, SUBENTRY_VICTRON
from .listener import age_of, is_readable, last_advertisement
from .subentries import device_subentries, subentries_of
from .victron.advertisement import (
    COMPANY_ID,
    Advertisement,
    Refusal,
    parse,
    parse_address,
    parse_key,
)
from .victron.decoder import Decoder
from .victron.models import model_name
from .victron.records import find

#: An advertisement that is older says nothing about the key that counts now, in s.
_LIVE_S: Final = 300.0

KEY_SELECTOR: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.TEXT))
KEY_SCHEMA: Final = vol.Schema({vol.Required(CONF_ENCRYPTION_KEY): KEY_SELECTOR})


@dataclass(frozen=True, slots=True)
class VictronDevice:
    """A device that was checked, and how it is called."""

    data: Mapping[str, str]
    """The settings of its subentry."""
    title: str
    """What it calls itself, else its model."""
    placeholders: Mapping[str, str]
    """What a flow says of it."""
    other_monitors: Mapping[str, str]
    """The battery monitors that there are already, if this is one, too."""


@callback
def addresses_of(
    entry: ConfigEntry | None, *, except_for: ConfigSubentry | None = None
) -> set[str]:
    """Return the addresses of the Victron devices and BMSs of the entry."""
    if entry is None:
        return set()
    return {
        subentry.data[CONF_ADDRESS]
        for subentry in device_subentries(entry)
        if subentry is not except_for
    }


def _envelope(info: BluetoothServiceInfoBleak | None) -> Advertisement | None:
    """Return the readable part of an advertisement."""
    if info is None:
        return None
    advertisement = parse(info.manufacturer_data.get(COMPANY_ID, b""))
    return None if isinstance(advertisement, Refusal) else advertisement


def _title(info: BluetoothServiceInfoBleak | None, address: str) -> str:
    """Name a device: as it calls itself, else by its model, else by its address."""
    if info is not None and info.name and info.name != address:
        return info.name
    if (advertisement := _envelope(info)) is not None:
        return model_name(advertisement.model_id)
    return f"Victron {address}"


async def async_describe(
    hass: HomeAssistant, address: str, info: BluetoothServiceInfoBleak | None
) -> dict[str, str]:
    """Say what a device is, as far as it is heard."""
    described = {"name": _title(info, address), "address": address}
    if (advertisement := _envelope(info)) is None:
        return described | {"model": "?", "kind": "?"}
    record = find(advertisement.record_type, advertisement.model_id)
    kind = "?" if record is None else record.kind.value
    texts = await async_get_translations(
        hass, hass.config.language, "selector", [DOMAIN]
    )
    return described | {
        "model": model_name(advertisement.model_id),
        "kind": texts.get(f"component.{DOMAIN}.selector.kind.options.{kind}", kind),
    }


async def async_device_schema(
    hass: HomeAssistant, entry: ConfigEntry | None, *, only: str | None = None
) -> vol.Schema:
    """Ask for one of the devices that are heard, or an address, and for its key.

    `only`: the address of the one that is asked about.
    """
    taken = addresses_of(entry)
    options = []
    for info in bluetooth.async_discovered_service_info(hass, connectable=False):
        if (
            info.address in taken
            or (only is not None and info.address != only)
            or not is_readable(info)
        ):
            continue
        said = await async_describe(hass, info.address, info)
        options.append(
            SelectOptionDict(
                value=info.address,
                label=f"{said['name']}: {said['model']} ({info.address})",
            )
        )
    options.sort(key=lambda option: option["label"])
    return vol.Schema(
        {
            vol.Required(CONF_ADDRESS): SelectSelector(
                SelectSelectorConfig(
                    options=options, custom_value=True, mode=SelectSelectorMode.DROPDOWN
                )
            ),
            vol.Required(CONF_ENCRYPTION_KEY): KEY_SELECTOR,
        }
    )


@callback
def battery_monitors(entry: ConfigEntry | None) -> dict[str, str]:
    """Return the battery monitors of the entry: address -> title."""
    if entry is None or entry.state is not ConfigEntryState.LOADED:
        return {}
    states = entry.runtime_data.devices.states
    return {
        address: subentry.title
        for subentry in subentries_of(entry, SUBENTRY_VICTRON)
        if (address := subentry.data[CONF_ADDRESS]) in states
        and ROLES.get(states[address].identity.kind or "") is Role.BATTERY_MONITOR
    }


def is_battery_monitor(info: BluetoothServiceInfoBleak | None) -> bool:
    """Return whether what is heard is a battery monitor."""
    if (advertisement := _envelope(info)) is None:
        return False
    record = find(advertisement.record_type, advertisement.model_id)
    return record is not None and ROLES.get(record.kind) is Role.BATTERY_MONITOR


def main_monitor(entry: ConfigEntry, device: VictronDevice) -> str:
    """Return the battery monitor that is the main one so far."""
    main: str | None = entry.options.get(CONF_MAIN_MONITOR)
    if main is not None and main in (*device.other_monitors, device.data[CONF_ADDRESS]):
        return main
    return next(iter(device.other_monitors))


def monitor_schema(device: VictronDevice, main: str) -> vol.Schema:
    """Ask which of several battery monitors is the main one: so far `main`."""
    monitors = {
        **device.other_monitors,
        device.data[CONF_ADDRESS]: device.placeholders["name"],
    }
    return vol.Schema(
        {vol.Required(CONF_MAIN_MONITOR, default=main): monitor_selector(monitors)}
    )


def monitor_selector(monitors: Mapping[str, str]) -> SelectSelector:
    """Offer battery monitors."""
    return SelectSelector(
        SelectSelectorConfig(
            options=[
                SelectOptionDict(value=address, label=f"{title} ({address})")
                for address, title in monitors.items()
            ],
            mode=SelectSelectorMode.LIST,
        )
    )


@callback
def check_encryption_key(
    hass: HomeAssistant, address: str, text: str
) -> tuple[str, dict[str, str]]:
    """Check a key, against what the device says if it is heard.

    Gives the key as it is stored, and errors.
    """
    key = parse_key(text)
    if key is None:
        return "", {CONF_ENCRYPTION_KEY: "invalid_key"}
    info = last_advertisement(hass, address)
    data = b"" if info is None else info.manufacturer_data.get(COMPANY_ID, b"")
    if info is not None and data and age_of(info) < _LIVE_S:
        outcome = Decoder(key).hear(data, info.time)
        if outcome is Refusal.UNKNOWN_RECORD:
            return "", {"base": "unsupported_device"}
        if isinstance(outcome, Refusal) and outcome.against_key:
            return "", {CONF_ENCRYPTION_KEY: "wrong_key"}
    return key.hex(), {}


async def async_check_device(
    hass: HomeAssistant,
    entry: ConfigEntry | None,
    user_input: Mapping[str, Any],
    *,
    only: str | None = None,
) -> tuple[VictronDevice | None, dict[str, str]]:
    """Check what was typed; gives the device, or errors.

    `only`: the address of the one that was asked about.
    """
    address = parse_address(user_input[CONF_ADDRESS])
    if address is None:
        return None, {CONF_ADDRESS: "invalid_address"}
    if only is not None and address != only:
        return None, {CONF_ADDRESS: "other_device"}
    if address in addresses_of(entry):
        return None, {CONF_ADDRESS: "device_already_configured"}
    key, errors = check_encryption_key(hass, address, user_input[CONF_ENCRYPTION_KEY])
    if errors:
        return None, errors
    info = last_advertisement(hass, address)
    device = VictronDevice(
        data={CONF_ADDRESS: address, CONF_ENCRYPTION_KEY: key},
        title=_title(info, address),
        placeholders=await async_describe(hass, address, info),
        other_monitors=battery_monitors(entry) if is_battery_monitor(info) else {},
    )
    return device, {}
