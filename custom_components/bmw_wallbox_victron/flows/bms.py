"""A BMS: which are heard, what models they are, whether they answer, and steps."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from homeassistant.components import bluetooth
from homeassistant.components.bluetooth import BluetoothServiceInfoBleak
from homeassistant.config_entries import (
    ConfigSubentry,
    ConfigSubentryData,
    SubentryFlowResult,
)
from homeassistant.const import CONF_ADDRESS
from homeassistant.data_entry_flow import AbortFlow, FlowResult
from homeassistant.helpers.selector import SelectOptionDict
import voluptuous as vol

from ..bms import BmsLibraryError, async_load_models, async_read
from ..bms_model import BmsError, BmsFault, BmsModel
from ..const import CONF_MODEL, SUBENTRY_BMS
from ..victron.advertisement import parse_address
from .base import SiteFlow, SiteSubentryFlow, dropdown
from .stale_form import form_values, merged
from .victron import taken_addresses

#: At which field a failed connection is shown.
_FIELDS: Final[Mapping[BmsFault, str]] = {
    BmsFault.CANNOT_CONNECT: "base",
    BmsFault.NO_ANSWER: CONF_MODEL,
    BmsFault.IMPLAUSIBLE: CONF_MODEL,
}


class BmsSteps[ResultT: FlowResult[Any, Any]](SiteFlow[ResultT]):
    """The step that adds a BMS."""

    async def async_step_bms(self, user_input: dict[str, Any] | None = None) -> ResultT:
        """Ask for a BMS and its model."""
        models = await self._async_bms_models()
        errors: dict[str, str] = {}
        if user_input is not None:
            data, name, errors = await self._async_check_bms(models, user_input)
            if not errors:
                return await self._async_add(
                    ConfigSubentryData(
                        subentry_type=SUBENTRY_BMS,
                        title=name,
                        data=data,
                        unique_id=data[CONF_ADDRESS],
                    ),
                    description="bms",
                    placeholders={
                        "name": name,
                        "model": models[data[CONF_MODEL]].label,
                        "address": data[CONF_ADDRESS],
                    },
                )
        schema, nearest = await self._async_bms_schema(models)
        return self.async_show_form(
            step_id="bms",
            data_schema=self.add_suggested_values_to_schema(
                schema, user_input or nearest
            ),
            errors=errors,
            last_step=True,
        )

    async def _async_bms_models(self) -> Mapping[str, BmsModel]:
        """Return all models. Aborts the flow if what reads them is not there."""
        try:
            return await async_load_models(self.hass)
        except BmsLibraryError as err:
            raise AbortFlow("bms_library_missing", {"error": str(err)}) from err

    async def _async_bms_schema(
        self, models: Mapping[str, BmsModel], this: ConfigSubentry | None = None
    ) -> tuple[vol.Schema, dict[str, str]]:
        """Return the form for one of the BMSs that are heard, or any address.

        And what it proposes: the nearest BMS that is heard, and its model.
        """
        taken = taken_addresses(self._entry, except_for=this)
        infos = [
            info
            for info in bluetooth.async_discovered_service_info(
                self.hass, connectable=True
            )
            if info.address not in taken
        ]
        # Each against each: too long for the event loop.
        heard = await self.hass.async_add_executor_job(_recognize, infos, models)
        devices = [
            SelectOptionDict(
                value=info.address,
                label=f"{info.name}: {models[model].label} ({info.address})",
            )
            for info, model in heard
        ]
        schema = vol.Schema(
            {
                vol.Required(CONF_ADDRESS): dropdown(devices, custom_value=True),
                vol.Required(CONF_MODEL): dropdown(_model_options(models)),
            }
        )
        if not heard:
            return schema, {}
        info, model = heard[0]
        return schema, {CONF_ADDRESS: info.address, CONF_MODEL: model}

    async def _async_check_bms(
        self,
        models: Mapping[str, BmsModel],
        user_input: Mapping[str, Any],
        this: ConfigSubentry | None = None,
    ) -> tuple[dict[str, str], str, dict[str, str]]:
        """Return the settings of what was typed, its name, and errors.

        It is connected to if it is in reach.
        """
        address = parse_address(user_input[CONF_ADDRESS])
        if address is None:
            return {}, "", {CONF_ADDRESS: "invalid_address"}
        if address in taken_addresses(self._entry, except_for=this):
            return {}, "", {CONF_ADDRESS: "device_already_configured"}
        model = user_input[CONF_MODEL]
        name = models[model].label
        device = bluetooth.async_ble_device_from_address(
            self.hass, address, connectable=True
        )
        if device is not None:
            try:
                await async_read(self.hass, address, models[model].make_client(device))
            except BmsError as err:
                return {}, "", {_FIELDS[err.fault]: err.fault.value}
        if device is not None and device.name and device.name != address:
            name = device.name
        return {CONF_ADDRESS: address, CONF_MODEL: model}, name, {}


class BmsSubentryFlow(BmsSteps[SubentryFlowResult], SiteSubentryFlow):
    """Handle a subentry flow, which adds a BMS or changes it."""

    async_step_user = BmsSteps[SubentryFlowResult].async_step_bms

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Change the BMS."""
        subentry = self._get_reconfigure_subentry()
        models = await self._async_bms_models()
        errors: dict[str, str] = {}
        if user_input is not None:
            sent = merged(self._opened, user_input, subentry.data)
            data, _, errors = await self._async_check_bms(models, sent, subentry)
            if not errors:
                return self._change(subentry, {**subentry.data, **data})
        schema, _ = await self._async_bms_schema(models, subentry)
        if user_input is None:
            self._opened = form_values(subentry.data, schema)
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                schema, user_input or subentry.data
            ),
            description_placeholders={"name": subentry.title},
            errors=errors,
        )


def _model_options(models: Mapping[str, BmsModel]) -> list[SelectOptionDict]:
    """Return the models to choose from, told apart where they share a label."""
    counts = Counter(model.label for model in models.values())
    options = [
        SelectOptionDict(
            value=name,
            label=model.label
            if counts[model.label] == 1
            else f"{model.label} ({name.removesuffix('_bms')})",
        )
        for name, model in models.items()
    ]
    return sorted(options, key=lambda option: option["label"].casefold())


def _recognize(
    infos: list[BluetoothServiceInfoBleak], models: Mapping[str, BmsModel]
) -> list[tuple[BluetoothServiceInfoBleak, str]]:
    """Return the BMSs among what is heard, with their models, the nearest first."""
    found = [
        (info, name)
        for info in infos
        if (name := next((n for n, m in models.items() if m.matches(info)), None))
    ]
    return sorted(found, key=lambda item: item[0].rssi, reverse=True)
