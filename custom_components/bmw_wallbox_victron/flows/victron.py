"""A Victron device: which are heard, whether a key fits, and steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from homeassistant.components.bluetooth import BluetoothServiceInfoBleak
from homeassistant.config_entries import (
    ConfigEntry,
    ConfigEntryState,
    ConfigSubentry,
    ConfigSubentryData,
    SubentryFlowResult,
)
from homeassistant.const import CONF_ADDRESS
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import AbortFlow, FlowResult
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
from homeassistant.helpers.translation import async_get_translations
import voluptuous as vol

from ..battery.sources import ROLES, Role
from ..const import (
    CONF_ENCRYPTION_KEY,
    CONF_MAIN_MONITOR,
    DOMAIN,
    SUBENTRY_BMS,
    SUBENTRY_VICTRON,
)
from ..listener import (
    age_of,
    async_heard,
    async_wait_for_instant_readout,
    is_readable,
    last_advertisement,
)
from ..subentries import subentries_of
from ..victron.advertisement import (
    COMPANY_ID,
    Refusal,
    parse,
    parse_address,
    parse_key,
)
from ..victron.decoder import Decoder
from ..victron.models import model_name
from ..victron.records import Record, find
from .base import (
    SiteFlow,
    SiteSubentryFlow,
    async_reload_if_not_loaded,
    dropdown,
    taken_ids,
)
from .stale_form import merged

#: An advertisement that is older says nothing about the key that counts now, in s.
_LIVE_S: Final = 300.0

_KEY_SCHEMA: Final = vol.Schema({vol.Required(CONF_ENCRYPTION_KEY): TextSelector()})


@dataclass(frozen=True, slots=True)
class _Device:
    """A device that was checked."""

    data: Mapping[str, str]
    """The settings of its subentry."""
    described: Mapping[str, str]
    """What it is: name, model, kind and address."""
    is_heard: bool
    """Whether it has told what it is; then its key was checked."""
    other_monitors: Mapping[str, str]
    """The battery monitors that there are already, if this is one, too."""


class VictronSteps[ResultT: FlowResult[Any, Any]](SiteFlow[ResultT]):
    """The steps that add a Victron device, and the one that asks for its key again."""

    _discovered: str | None = None
    """The address of the device that was discovered; None: any may be added."""
    _found = ""
    """What that one is, as the description of the form begins."""
    _device: _Device
    """The one that was checked, and waits for the choice of the main monitor."""
    _shown_monitor: str | None = None
    """The main monitor that the form was filled in with."""

    async def async_step_victron(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask for a Victron device and its key."""
        errors: dict[str, str] = {}
        if user_input is not None:
            device, errors = await self._async_check_victron(user_input)
            if device is not None:
                self._device = device
                if device.other_monitors:
                    return await self.async_step_main_monitor()
                return await self._async_add_device()
        return self.async_show_form(
            step_id="victron",
            data_schema=self.add_suggested_values_to_schema(
                await self._async_victron_schema(),
                user_input or {CONF_ADDRESS: self._discovered},
            ),
            description_placeholders={"found": self._found},
            errors=errors,
            last_step=True,
        )

    async def async_step_main_monitor(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask which battery monitor is the main one: this is not the first."""
        if (entry := self._entry) is None:
            raise AbortFlow("device_removed")
        if user_input is not None:
            options = merged(
                {}, user_input, entry.options, {CONF_MAIN_MONITOR: self._shown_monitor}
            )
            self.hass.config_entries.async_update_entry(entry, options=options)
            return await self._async_add_device()
        described = self._device.described
        monitors = {
            **self._device.other_monitors,
            described["address"]: described["name"],
        }
        shown = entry.options.get(CONF_MAIN_MONITOR)
        self._shown_monitor = shown if shown in monitors else next(iter(monitors))
        return self.async_show_form(
            step_id="main_monitor",
            data_schema=vol.Schema(
                device_field(CONF_MAIN_MONITOR, monitors, self._shown_monitor)
            ),
            last_step=True,
        )

    @callback
    def _step_key(
        self,
        entry: ConfigEntry,
        subentry: ConfigSubentry,
        user_input: dict[str, Any] | None,
        *,
        step_id: str,
        reason: str,
    ) -> ResultT:
        """Ask for the key of a device again."""
        address = subentry.data[CONF_ADDRESS]
        errors: dict[str, str] = {}
        if user_input is not None:
            key, errors = _check_key(self.hass, address, user_input)
            if (
                not errors
                and entry.state is ConfigEntryState.LOADED
                and key == subentry.data.get(CONF_ENCRYPTION_KEY)
                and address in entry.runtime_data.devices.wrong_keys
            ):
                # The device is silent now, but it has told already.
                errors = {CONF_ENCRYPTION_KEY: "wrong_key"}
            if not errors:
                self.hass.config_entries.async_update_subentry(
                    entry, subentry, data={**subentry.data, CONF_ENCRYPTION_KEY: key}
                )
                async_reload_if_not_loaded(self.hass, entry)
                return self.async_abort(reason=reason)
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(_KEY_SCHEMA, user_input),
            description_placeholders={"name": subentry.title, "address": address},
            errors=errors,
        )

    async def _async_victron_schema(self) -> vol.Schema:
        """Return the form for one of the devices that are heard, or any address."""
        taken = taken_addresses(self._entry)
        options = []
        for info in async_heard(self.hass):
            if (
                info.address in taken
                or self._discovered not in (None, info.address)
                or not is_readable(info)
            ):
                continue
            described = await async_describe(self.hass, info.address, info)
            options.append(
                SelectOptionDict(
                    value=info.address,
                    label=f"{described['name']}: {described['model']} ({info.address})",
                )
            )
        options.sort(key=lambda option: option["label"])
        device = {vol.Required(CONF_ADDRESS): dropdown(options, custom_value=True)}
        return vol.Schema(device).extend(_KEY_SCHEMA.schema)

    async def _async_check_victron(
        self, user_input: Mapping[str, Any]
    ) -> tuple[_Device | None, dict[str, str]]:
        """Return the device that was typed, or errors."""
        address = parse_address(user_input[CONF_ADDRESS])
        if address is None:
            return None, {CONF_ADDRESS: "invalid_address"}
        if self._discovered not in (None, address):
            return None, {CONF_ADDRESS: "other_device"}
        if address in taken_addresses(self._entry):
            return None, {CONF_ADDRESS: "device_already_configured"}
        await async_wait_for_instant_readout(self.hass, address, max_age_s=_LIVE_S)
        key, errors = _check_key(self.hass, address, user_input)
        if errors:
            return None, errors
        info = last_advertisement(self.hass, address)
        return _Device(
            data={CONF_ADDRESS: address, CONF_ENCRYPTION_KEY: key},
            described=await async_describe(self.hass, address, info),
            is_heard=_model_and_record(info)[1] is not None,
            other_monitors=(
                battery_monitors(self._entry) if _is_battery_monitor(info) else {}
            ),
        ), {}

    async def _async_add_device(self) -> ResultT:
        """Add the device that was checked."""
        device = self._device
        return await self._async_add(
            ConfigSubentryData(
                subentry_type=SUBENTRY_VICTRON,
                title=device.described["name"],
                data=device.data,
                unique_id=device.data[CONF_ADDRESS],
            ),
            description="victron" if device.is_heard else "victron_unheard",
            placeholders=device.described,
        )


class VictronSubentryFlow(VictronSteps[SubentryFlowResult], SiteSubentryFlow):
    """Handle a subentry flow, which adds a Victron device or changes its key."""

    async_step_user = VictronSteps[SubentryFlowResult].async_step_victron

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Change the key."""
        return self._step_key(
            self._entry,
            self._get_reconfigure_subentry(),
            user_input,
            step_id="reconfigure",
            reason="reconfigure_successful",
        )


def taken_addresses(
    entry: ConfigEntry | None, *, except_for: ConfigSubentry | None = None
) -> set[str]:
    """Return the addresses of the Victron devices and BMSs of the entry."""
    return taken_ids(entry, SUBENTRY_VICTRON, SUBENTRY_BMS, except_for=except_for)


async def async_describe(
    hass: HomeAssistant, address: str, info: BluetoothServiceInfoBleak | None
) -> dict[str, str]:
    """Return what a device is, as far as it is heard."""
    model, record = _model_and_record(info)
    name = model or f"Victron {address}"
    if info is not None and info.name and info.name != address:
        name = info.name
    described = {"name": name, "address": address, "model": model or "?", "kind": "?"}
    if record is not None:
        texts = await async_get_translations(
            hass, hass.config.language, "selector", [DOMAIN]
        )
        described["kind"] = texts.get(
            f"component.{DOMAIN}.selector.kind.options.{record.kind}", record.kind
        )
    return described


def _model_and_record(
    info: BluetoothServiceInfoBleak | None,
) -> tuple[str | None, Record | None]:
    """Return which model sent an advertisement, and which record."""
    if info is None:
        return None, None
    advertisement = parse(info.manufacturer_data.get(COMPANY_ID, b""))
    if isinstance(advertisement, Refusal):
        return None, None
    record = find(advertisement.record_type, advertisement.model_id)
    return model_name(advertisement.model_id), record


def _is_battery_monitor(info: BluetoothServiceInfoBleak | None) -> bool:
    """Return whether what is heard is a battery monitor."""
    _, record = _model_and_record(info)
    return record is not None and ROLES.get(record.kind) is Role.BATTERY_MONITOR


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


def device_field(
    key: str, devices: Mapping[str, str], default: str
) -> dict[vol.Marker, SelectSelector]:
    """Return the field that asks which of several devices counts."""
    selector = SelectSelectorConfig(
        options=[
            SelectOptionDict(value=address, label=f"{title} ({address})")
            for address, title in devices.items()
        ],
        mode=SelectSelectorMode.LIST,
    )
    return {vol.Required(key, default=default): SelectSelector(selector)}


@callback
def _check_key(
    hass: HomeAssistant, address: str, user_input: Mapping[str, Any]
) -> tuple[str, dict[str, str]]:
    """Return a key as it is stored, or errors.

    It is checked against what the device says if it is heard.
    """
    key = parse_key(user_input[CONF_ENCRYPTION_KEY])
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
