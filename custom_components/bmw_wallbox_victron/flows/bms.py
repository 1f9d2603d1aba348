"""A BMS: which are heard, what models they are, whether they answer, and steps."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
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
from homeassistant.helpers.selector import (
    SelectOptionDict,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
import voluptuous as vol

from ..bms import BmsLibraryError, async_load_models, async_read
from ..bms_model import BmsError, BmsFault, BmsModel
from ..const import CONF_MODEL, CONF_SECRET, SUBENTRY_BMS
from ..victron.advertisement import parse_address
from .base import SiteFlow, SiteSubentryFlow, dropdown
from .stale_form import form_values, merged
from .victron import taken_addresses

#: Where Home Assistant's forms fill in the first option of a list that has to be
#: answered, one that may be left empty stays empty.
_MODEL_FIELD: Final = vol.Optional(CONF_MODEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bms:
    """What was typed, and what was found out about it."""

    data: Mapping[str, str]
    """What is stored of it."""
    name: str
    """What it calls itself, or its model."""
    heard: bool
    """Whether it is in reach; then it has answered."""


class BmsSteps[ResultT: FlowResult[Any, Any]](SiteFlow[ResultT]):
    """The step that adds a BMS."""

    async def async_step_bms(self, user_input: dict[str, Any] | None = None) -> ResultT:
        """Ask for a BMS and its model."""
        models = await self._async_bms_models()
        errors: dict[str, str] = {}
        if user_input is not None:
            bms, errors = await self._async_check_bms(models, user_input)
            if bms is not None:
                return await self._async_add(
                    ConfigSubentryData(
                        subentry_type=SUBENTRY_BMS,
                        title=bms.name,
                        data=bms.data,
                        unique_id=bms.data[CONF_ADDRESS],
                    ),
                    description="bms" if bms.heard else "bms_unheard",
                    placeholders={
                        "name": bms.name,
                        "model": models[bms.data[CONF_MODEL]].label,
                        "address": bms.data[CONF_ADDRESS],
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
        fields: dict[vol.Marker, Any] = {
            vol.Required(CONF_ADDRESS): dropdown(devices, custom_value=True),
            _MODEL_FIELD: dropdown(_model_options(models)),
        }
        if any(model.takes_secret for model in models.values()):
            fields[vol.Optional(CONF_SECRET)] = TextSelector(
                TextSelectorConfig(type=TextSelectorType.PASSWORD)
            )
        schema = vol.Schema(fields)
        if not heard:
            return schema, {}
        info, model = heard[0]
        return schema, {CONF_ADDRESS: info.address, CONF_MODEL: model}

    async def _async_check_bms(
        self,
        models: Mapping[str, BmsModel],
        user_input: Mapping[str, Any],
        this: ConfigSubentry | None = None,
    ) -> tuple[_Bms | None, dict[str, str]]:
        """Return the BMS that was typed; None with errors, where it cannot be.

        It is connected to if it is in reach.
        """
        address = parse_address(user_input[CONF_ADDRESS])
        if address is None:
            return None, {CONF_ADDRESS: "invalid_address"}
        if address in taken_addresses(self._entry, except_for=this):
            return None, {CONF_ADDRESS: "device_already_configured"}
        if (name := user_input.get(CONF_MODEL)) is None:
            return None, {CONF_MODEL: "model_missing"}
        model = models[name]
        secret = user_input.get(CONF_SECRET, "").strip()
        if secret and not model.takes_secret:
            return None, {CONF_SECRET: "secret_not_taken"}
        device = bluetooth.async_ble_device_from_address(
            self.hass, address, connectable=True
        )
        if device is not None:
            try:
                await async_read(self.hass, address, model.make_client(device, secret))
            except BmsError as err:
                return None, _error(err.fault, model, secret)
        heard_name = None if device is None else device.name
        data = {CONF_ADDRESS: address, CONF_MODEL: name}
        return (
            _Bms(
                data=data | {CONF_SECRET: secret} if secret else data,
                name=heard_name
                if heard_name and heard_name != address
                else model.label,
                heard=device is not None,
            ),
            {},
        )


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
            bms, errors = await self._async_check_bms(models, sent, subentry)
            if bms is not None:
                return self._change(subentry, bms.data)
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


def _error(fault: BmsFault, model: BmsModel, secret: str) -> dict[str, str]:
    """Return what failed, at the field where it can be put right."""
    if fault is BmsFault.CANNOT_CONNECT:
        return {"base": "cannot_connect"}
    if fault is BmsFault.IMPLAUSIBLE:
        return {CONF_MODEL: "implausible"}
    if not model.takes_secret:
        return {CONF_MODEL: "no_answer"}
    # Some refuse a wrong secret, others just say nothing.
    return {CONF_SECRET: "wrong_secret" if secret else "secret_needed"}


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
