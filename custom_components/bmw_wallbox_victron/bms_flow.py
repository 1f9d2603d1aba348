"""Setting up a BMS: which are heard, what models they are, whether they answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from homeassistant.components import bluetooth
from homeassistant.components.bluetooth import BluetoothServiceInfoBleak
from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import CONF_ADDRESS
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import AbortFlow
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import voluptuous as vol

from .bms import BmsLibraryError, async_load_models, async_read
from .bms_model import BmsError, BmsFault, BmsModel
from .const import CONF_MODEL
from .victron.advertisement import parse_address
from .victron_flow import addresses_of

#: At which field a failed connection is shown.
_FIELDS: Final[Mapping[BmsFault, str]] = {
    BmsFault.CANNOT_CONNECT: "base",
    BmsFault.NO_ANSWER: CONF_MODEL,
    BmsFault.IMPLAUSIBLE: CONF_MODEL,
}


@dataclass(frozen=True, slots=True)
class BmsDevice:
    """A BMS that was checked, and how it is called."""

    data: Mapping[str, str]
    """The settings of its subentry."""
    title: str
    """What it calls itself, else its model."""
    placeholders: Mapping[str, str]
    """What a flow says of it."""


@dataclass(frozen=True, slots=True)
class BmsForm:
    """What is asked for, and what is proposed."""

    schema: vol.Schema
    suggested: Mapping[str, str]
    """The nearest BMS that is heard, and its model; nothing without one."""


def _model_options(models: Mapping[str, BmsModel]) -> list[SelectOptionDict]:
    """Name all models; those of one name by their names in aiobmsble, too."""
    labels = [model.label for model in models.values()]
    options = [
        SelectOptionDict(
            value=name,
            label=label
            if labels.count(label) == 1
            else f"{label} ({name.removesuffix('_bms')})",
        )
        for name, label in zip(models, labels, strict=True)
    ]
    return sorted(options, key=lambda option: option["label"].casefold())


def _dropdown(options: list[SelectOptionDict], *, custom_value: bool) -> SelectSelector:
    """Ask for one of these."""
    return SelectSelector(
        SelectSelectorConfig(
            options=options,
            custom_value=custom_value,
            mode=SelectSelectorMode.DROPDOWN,
        )
    )


def _recognise(
    infos: Iterable[BluetoothServiceInfoBleak], models: Mapping[str, BmsModel]
) -> list[tuple[BluetoothServiceInfoBleak, str]]:
    """Find the BMSs among what is heard, with their models, the nearest first."""
    found = [
        (info, name)
        for info in infos
        if (name := next((n for n, m in models.items() if m.matches(info)), None))
    ]
    return sorted(found, key=lambda item: item[0].rssi, reverse=True)


async def _async_models(hass: HomeAssistant) -> Mapping[str, BmsModel]:
    """Return all models. Raises AbortFlow where what reads them is missing."""
    try:
        return await async_load_models(hass)
    except BmsLibraryError as err:
        raise AbortFlow("bms_library_missing", {"error": str(err)}) from err


async def async_bms_form(
    hass: HomeAssistant, entry: ConfigEntry | None, this: ConfigSubentry | None = None
) -> BmsForm:
    """Ask for one of the BMSs that are heard, or an address, and for its model."""
    models = await _async_models(hass)
    taken = addresses_of(entry, except_for=this)
    infos = [
        info
        for info in bluetooth.async_discovered_service_info(hass, connectable=True)
        if info.address not in taken
    ]
    # Each against each: too long for the event loop.
    heard = await hass.async_add_executor_job(_recognise, infos, models)
    return BmsForm(
        schema=vol.Schema(
            {
                vol.Required(CONF_ADDRESS): _dropdown(
                    [
                        SelectOptionDict(
                            value=info.address,
                            label=f"{info.name}: {models[name].label} ({info.address})",
                        )
                        for info, name in heard
                    ],
                    custom_value=True,
                ),
                vol.Required(CONF_MODEL): _dropdown(
                    _model_options(models), custom_value=False
                ),
            }
        ),
        suggested={CONF_ADDRESS: heard[0][0].address, CONF_MODEL: heard[0][1]}
        if heard
        else {},
    )


async def async_check_bms(
    hass: HomeAssistant,
    entry: ConfigEntry | None,
    user_input: Mapping[str, Any],
    this: ConfigSubentry | None = None,
) -> tuple[BmsDevice | None, dict[str, str]]:
    """Check what was typed, by a connection if it is in reach.

    Gives the device, or errors.
    """
    address = parse_address(user_input[CONF_ADDRESS])
    if address is None:
        return None, {CONF_ADDRESS: "invalid_address"}
    if address in addresses_of(entry, except_for=this):
        return None, {CONF_ADDRESS: "device_already_configured"}
    name = user_input[CONF_MODEL]
    model = (await _async_models(hass))[name]
    device = bluetooth.async_ble_device_from_address(hass, address, connectable=True)
    if device is not None:
        try:
            await async_read(hass, address, model.make_client(device))
        except BmsError as err:
            return None, {_FIELDS[err.fault]: err.fault.value}
    title = model.label
    if device is not None and device.name and device.name != address:
        title = device.name
    return BmsDevice(
        data={CONF_ADDRESS: address, CONF_MODEL: name},
        title=title,
        placeholders={"name": title, "model": model.label, "address": address},
    ), {}
