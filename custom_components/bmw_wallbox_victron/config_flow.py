"""Setting up in the UI: a server and wallbox, a Victron device or a BMS; then more."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
import errno
import re
from types import MappingProxyType
from typing import Any, Final, override
from urllib.parse import unquote, urlsplit

from homeassistant.components.bluetooth import BluetoothServiceInfoBleak
from homeassistant.config_entries import (
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentry,
    ConfigSubentryData,
    ConfigSubentryFlow,
    OptionsFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_ADDRESS, CONF_PASSWORD, CONF_PORT
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    EntityWithDeviceFilterSelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
from homeassistant.helpers.typing import UNDEFINED
from homeassistant.util import dt as dt_util
import voluptuous as vol

from .bms_flow import BmsDevice, async_bms_form, async_check_bms
from .const import (
    BATTERY_DEVICE,
    CONF_ALLOW_REBOOT,
    CONF_ALLOWED_TOKENS,
    CONF_CHARGE_POINT_ID,
    CONF_ENCRYPTION_KEY,
    CONF_FRESHNESS_TIMEOUT,
    CONF_HOST,
    CONF_MAIN_MONITOR,
    CONF_MAINS_CURRENT,
    CONF_MAINS_POWER,
    CONF_MAINS_SWITCH,
    CONF_MAX_CURRENT,
    CONF_METER_INTERVAL,
    CONF_RFID_TOKEN,
    CONF_SSL_CERT,
    CONF_SSL_KEY,
    DEFAULT_FRESHNESS_TIMEOUT,
    DEFAULT_MAX_CURRENT,
    DEFAULT_METER_INTERVAL,
    DEFAULT_PORT,
    DEFAULT_SSL_CERT,
    DEFAULT_SSL_KEY,
    DOMAIN,
    MAX_CURRENT,
    MAX_FRESHNESS_TIMEOUT,
    MAX_METER_INTERVAL,
    MIN_CURRENT,
    MIN_FRESHNESS_TIMEOUT,
    MIN_METER_INTERVAL,
    NAME,
    SERVER_DEVICE,
    SUBENTRY_BMS,
    SUBENTRY_VICTRON,
    SUBENTRY_WALLBOX,
)
from .forms import merged
from .listener import async_wait_until_readable, is_readable
from .subentries import subentries_of
from .victron_flow import (
    KEY_SCHEMA,
    VictronDevice,
    addresses_of,
    async_check_device,
    async_describe,
    async_device_schema,
    battery_monitors,
    check_encryption_key,
    main_monitor,
    monitor_schema,
    monitor_selector,
)
from .wallbox.central_system import is_identity
from .wallbox.tls import (
    CertificateError,
    check_key,
    check_validity,
    load_context,
    read_certificate,
)

#: Identifiers of devices that are no wallboxes.
_RESERVED: Final = frozenset({SERVER_DEVICE, BATTERY_DEVICE})
#: The title of the first wallbox, and so its device's name.
_TITLE: Final = "BMW Wallbox"


def _whole_number(minimum: int, maximum: int, unit: str | None = None) -> Any:
    """Ask for a whole number."""
    config = NumberSelectorConfig(
        min=minimum, max=maximum, step=1, mode=NumberSelectorMode.BOX
    )
    if unit is not None:
        config["unit_of_measurement"] = unit
    return vol.All(NumberSelector(config), vol.Coerce(int))


def _entity(
    domains: list[str], device_class: str | None, not_offered: list[str]
) -> EntitySelector:
    """Ask for an entity; sensors of one sort are offered."""
    offered = [
        EntityWithDeviceFilterSelectorConfig(domain=domain)
        if device_class is None or domain != "sensor"
        else EntityWithDeviceFilterSelectorConfig(
            domain=domain, device_class=device_class
        )
        for domain in domains
    ]
    return EntitySelector(
        EntitySelectorConfig(filter=offered, exclude_entities=not_offered)
    )


_SERVER_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_PORT, default=DEFAULT_PORT): _whole_number(1, 65535),
        vol.Required(CONF_SSL_CERT, default=DEFAULT_SSL_CERT): TextSelector(),
        vol.Required(CONF_SSL_KEY, default=DEFAULT_SSL_KEY): TextSelector(),
    }
)
WALLBOX_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_CHARGE_POINT_ID): TextSelector(),
        vol.Optional(CONF_PASSWORD): TextSelector(
            TextSelectorConfig(type=TextSelectorType.PASSWORD)
        ),
        vol.Optional(CONF_RFID_TOKEN): TextSelector(),
        vol.Optional(CONF_ALLOWED_TOKENS): TextSelector(
            TextSelectorConfig(multiple=True)
        ),
        vol.Required(CONF_MAX_CURRENT, default=DEFAULT_MAX_CURRENT): _whole_number(
            MIN_CURRENT, MAX_CURRENT, "A"
        ),
    }
)


def _certificate_errors(certificate: str, key: str) -> dict[str, str]:
    """Find what is wrong with the files, each fault at its field. Blocks."""
    errors: dict[str, str] = {}
    try:
        check_validity(read_certificate(certificate), dt_util.utcnow())
    except CertificateError as err:
        errors[CONF_SSL_CERT] = err.fault.value
    try:
        check_key(key)
    except CertificateError as err:
        errors[CONF_SSL_KEY] = err.fault.value
    if not errors:
        try:
            load_context(certificate, key)
        except CertificateError as err:
            errors[CONF_SSL_KEY] = err.fault.value
    return errors


async def _port_error(hass: HomeAssistant, host: str | None, port: int) -> str | None:
    """Return why the port cannot be listened on."""
    try:
        server = await hass.loop.create_server(asyncio.Protocol, host, port)
    except OSError as err:
        if err.errno == errno.EADDRINUSE:
            return "port_in_use"
        return "port_not_permitted" if err.errno == errno.EACCES else "cannot_listen"
    server.close()
    return None


async def _server_errors(
    hass: HomeAssistant, server: Mapping[str, Any], entry: ConfigEntry | None
) -> dict[str, str]:
    """Check a server's settings, except a port that it listens on already."""
    errors = await hass.async_add_executor_job(
        _certificate_errors, server[CONF_SSL_CERT], server[CONF_SSL_KEY]
    )
    data = {} if entry is None else entry.data
    is_ours = (
        entry is not None
        and entry.state is ConfigEntryState.LOADED
        and server[CONF_PORT] == data.get(CONF_PORT)
    )
    if not is_ours and (
        error := await _port_error(hass, data.get(CONF_HOST), server[CONF_PORT])
    ):
        errors[CONF_PORT] = error
    return errors


@callback
def _change_server(
    hass: HomeAssistant, entry: ConfigEntry, server: Mapping[str, Any]
) -> None:
    """Change the server of an entry."""
    hass.config_entries.async_update_entry(entry, data={**entry.data, **server})
    _reload_if_not_loaded(hass, entry)


@callback
def _reload_if_not_loaded(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Let a change count. An entry that is loaded reloads itself by its listener."""
    if entry.state is not ConfigEntryState.LOADED:
        hass.config_entries.async_schedule_reload(entry.entry_id)


@callback
def _set_main_monitor(
    hass: HomeAssistant,
    entry: ConfigEntry,
    user_input: Mapping[str, Any],
    shown: str | None,
) -> None:
    """Take the battery monitor that the battery's quantities come from.

    `shown` is the one that the form had.
    """
    options = merged({}, user_input, entry.options, {CONF_MAIN_MONITOR: shown})
    hass.config_entries.async_update_entry(entry, options=options)


@callback
def _is_known_as_wrong(entry: ConfigEntry, subentry: ConfigSubentry, key: str) -> bool:
    """Return whether a key is the one that was found not to fit."""
    return (
        entry.state is ConfigEntryState.LOADED
        and key == subentry.data.get(CONF_ENCRYPTION_KEY)
        and subentry.data[CONF_ADDRESS] in entry.runtime_data.devices.wrong_keys
    )


@callback
def _change_key(
    hass: HomeAssistant,
    entry: ConfigEntry,
    subentry: ConfigSubentry,
    user_input: Mapping[str, Any],
) -> dict[str, str]:
    """Change the key of a Victron device; gives errors."""
    key, errors = check_encryption_key(
        hass, subentry.data[CONF_ADDRESS], user_input[CONF_ENCRYPTION_KEY]
    )
    if not errors and _is_known_as_wrong(entry, subentry, key):
        # The device is silent now, but it has told already.
        errors = {CONF_ENCRYPTION_KEY: "wrong_key"}
    if not errors:
        hass.config_entries.async_update_subentry(
            entry, subentry, data={**subentry.data, CONF_ENCRYPTION_KEY: key}
        )
        _reload_if_not_loaded(hass, entry)
    return errors


def _clean_server(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Take what was typed, without stray blanks."""
    return {
        CONF_PORT: user_input[CONF_PORT],
        CONF_SSL_CERT: user_input[CONF_SSL_CERT].strip(),
        CONF_SSL_KEY: user_input[CONF_SSL_KEY].strip(),
    }


def _clean_wallbox(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Take what was typed, without stray blanks; an id may be copied from a URL."""
    charge_point_id = unquote(user_input[CONF_CHARGE_POINT_ID].strip())
    data: dict[str, Any] = {
        CONF_CHARGE_POINT_ID: charge_point_id,
        CONF_MAX_CURRENT: user_input[CONF_MAX_CURRENT],
    }
    if password := user_input.get(CONF_PASSWORD):
        data[CONF_PASSWORD] = password
    if token := user_input.get(CONF_RFID_TOKEN, "").strip():
        data[CONF_RFID_TOKEN] = token
    if tokens := [
        token.strip()
        for token in user_input.get(CONF_ALLOWED_TOKENS, ())
        if token.strip()
    ]:
        data[CONF_ALLOWED_TOKENS] = tokens
    return data


def _part(stored: Mapping[str, Any], schema: vol.Schema) -> dict[str, Any]:
    """Return what is stored of a form's fields."""
    return {str(key): stored[key] for key in schema.schema if key in stored}


def _server_of(
    entry: ConfigEntry | None, typed: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """Return the server's settings: those of the entry, else those that were typed.

    A server that was set up in another window meanwhile stays as it is.
    """
    if entry is not None and CONF_SSL_CERT in entry.data:
        return entry.data
    return typed


def _wallbox_errors(
    wallbox: Mapping[str, Any],
    entry: ConfigEntry | None,
    this: ConfigSubentry | None = None,
) -> dict[str, str]:
    """Check a wallbox's settings against the others of the entry."""
    charge_point_id = wallbox[CONF_CHARGE_POINT_ID]
    if not is_identity(charge_point_id) or charge_point_id in _RESERVED:
        return {CONF_CHARGE_POINT_ID: "invalid_charge_point_id"}
    for other in () if entry is None else entry.subentries.values():
        if (
            other.subentry_type == SUBENTRY_WALLBOX
            and (this is None or other.subentry_id != this.subentry_id)
            and other.data[CONF_CHARGE_POINT_ID].casefold()
            == charge_point_id.casefold()
        ):
            return {CONF_CHARGE_POINT_ID: "already_configured"}
    return {}


@callback
def async_add_wallbox(
    hass: HomeAssistant, entry: ConfigEntry, user_input: Mapping[str, Any]
) -> dict[str, str]:
    """Add a wallbox to an entry that has a server; gives errors."""
    wallbox = _clean_wallbox(user_input)
    errors = _wallbox_errors(wallbox, entry)
    if not errors:
        _add_wallbox(hass, entry, wallbox)
        _reload_if_not_loaded(hass, entry)
    return errors


@callback
def _add_wallbox(
    hass: HomeAssistant, entry: ConfigEntry, wallbox: Mapping[str, Any]
) -> None:
    """Add a wallbox that was checked."""
    hass.config_entries.async_add_subentry(
        entry,
        ConfigSubentry(
            subentry_type=SUBENTRY_WALLBOX,
            title=_title(wallbox, entry),
            data=MappingProxyType(dict(wallbox)),
            unique_id=wallbox[CONF_CHARGE_POINT_ID],
        ),
    )


def _title(wallbox: Mapping[str, Any], entry: ConfigEntry | None) -> str:
    """Name a wallbox: the first one plainly, others by their id."""
    others = () if entry is None else entry.subentries.values()
    if any(other.subentry_type == SUBENTRY_WALLBOX for other in others):
        return f"{_TITLE} {wallbox[CONF_CHARGE_POINT_ID]}"
    return _TITLE


async def _connection_hint(
    hass: HomeAssistant, server: Mapping[str, Any], wallbox: Mapping[str, Any]
) -> tuple[bool, dict[str, str]]:
    """Return what has to be typed into the wallbox's installer app.

    And whether the wallbox will trust the certificate.
    """
    trusted = True
    names: tuple[str, ...] = ()
    with suppress(CertificateError):
        info = await hass.async_add_executor_job(
            read_certificate, server[CONF_SSL_CERT]
        )
        names = info.names
        trusted = bool(names) and not info.self_signed
    return trusted, {
        "url": f"wss://{_host(hass, names)}:{server[CONF_PORT]}",
        "charge_point_id": wallbox[CONF_CHARGE_POINT_ID],
    }


def _host(hass: HomeAssistant, names: tuple[str, ...]) -> str:
    """Choose the host name that the wallbox will accept the certificate for.

    It checks the name, so the name comes from the certificate: the one that Home
    Assistant is reached by, if it is among them.
    """
    for url in (hass.config.internal_url, hass.config.external_url):
        host = urlsplit(url or "").hostname
        if host is None:
            continue
        if host in names or f"*.{host.partition('.')[2]}" in names:
            return host
    for name in names:
        return name.replace("*", "homeassistant", 1)
    return "homeassistant.local"


class SiteConfigFlow(ConfigFlow, domain=DOMAIN):
    """Adds the integration, or to it."""

    VERSION = 1

    def __init__(self) -> None:
        """Start with nothing known."""
        self._server: dict[str, Any] | None = None
        self._opened: Mapping[str, Any] | None = None
        self._address: str | None = None
        self._found = ""
        self._device: VictronDevice | None = None
        self._main: str | None = None

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Say what can be added to the entry."""
        return {
            SUBENTRY_WALLBOX: WallboxSubentryFlow,
            SUBENTRY_VICTRON: VictronSubentryFlow,
            SUBENTRY_BMS: BmsSubentryFlow,
        }

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:
        """Say what can be tuned."""
        return SiteOptionsFlow()

    @property
    def _entry(self) -> ConfigEntry | None:
        """The one entry, if it is there already."""
        return next(iter(self._async_current_entries(include_ignore=False)), None)

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask what to add."""
        # A window that was closed half-way must not lock its owner out.
        await self.async_set_unique_id(DOMAIN, raise_on_progress=False)
        return self.async_show_menu(
            step_id="user", menu_options=["wallbox", "victron", "bms"]
        )

    async def async_step_server(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask where the server listens, and with which certificate."""
        errors: dict[str, str] = {}
        if user_input is not None:
            server = _clean_server(user_input)
            errors = await _server_errors(self.hass, server, self._entry)
            if not errors:
                self._server = server
                return await self.async_step_wallbox()
        return self.async_show_form(
            step_id="server",
            data_schema=self.add_suggested_values_to_schema(_SERVER_SCHEMA, user_input),
            errors=errors,
            last_step=False,
        )

    async def async_step_wallbox(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a wallbox, after the server if there is none yet."""
        server = _server_of(self._entry, self._server)
        if server is None:
            return await self.async_step_server()
        errors: dict[str, str] = {}
        if user_input is not None:
            wallbox = _clean_wallbox(user_input)
            trusted, hint = await _connection_hint(self.hass, server, wallbox)
            errors = _wallbox_errors(wallbox, self._entry)
            if not errors:
                return self._finish(server, wallbox, trusted, hint)
        return self.async_show_form(
            step_id="wallbox",
            data_schema=self.add_suggested_values_to_schema(WALLBOX_SCHEMA, user_input),
            errors=errors,
            last_step=True,
        )

    @callback
    def _finish(
        self,
        server: Mapping[str, Any],
        wallbox: dict[str, Any],
        trusted: bool,
        hint: dict[str, str],
    ) -> ConfigFlowResult:
        """Create the entry with the wallbox, or add the wallbox to it."""
        entry = self._entry
        if entry is None:
            return self.async_create_entry(
                title=NAME,
                data=server,
                subentries=[
                    ConfigSubentryData(
                        subentry_type=SUBENTRY_WALLBOX,
                        title=_title(wallbox, entry),
                        data=wallbox,
                        unique_id=wallbox[CONF_CHARGE_POINT_ID],
                    )
                ],
                description="wallbox" if trusted else "wallbox_untrusted",
                description_placeholders=hint,
            )
        if CONF_SSL_CERT not in entry.data:
            _change_server(self.hass, entry, server)
        _add_wallbox(self.hass, entry, wallbox)
        _reload_if_not_loaded(self.hass, entry)
        return self.async_abort(reason="wallbox_added", description_placeholders=hint)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change the server."""
        entry = self._get_reconfigure_entry()
        errors: dict[str, str] = {}
        if user_input is None:
            self._opened = _part(entry.data, _SERVER_SCHEMA)
        else:
            sent = _clean_server(user_input)
            server = merged(self._opened, sent, entry.data)
            errors = await _server_errors(self.hass, server, entry)
            if not errors:
                server = merged(self._opened, sent, entry.data)
                _change_server(self.hass, entry, server)
                return self.async_abort(reason="reconfigure_successful")
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                _SERVER_SCHEMA, user_input or entry.data
            ),
            errors=errors,
        )

    @override
    async def async_step_bluetooth(
        self, discovery_info: BluetoothServiceInfoBleak
    ) -> ConfigFlowResult:
        """Take a Victron device that Home Assistant hears."""
        address = discovery_info.address
        await self.async_set_unique_id(address)
        self._abort_if_unique_id_configured()  # where it is ignored
        if address in addresses_of(self._entry):
            return self.async_abort(reason="device_already_configured")
        if not is_readable(discovery_info):
            async_wait_until_readable(self.hass, address)
            return self.async_abort(reason="unsupported_device")
        said = await async_describe(self.hass, address, discovery_info)
        self.context["title_placeholders"] = {"name": said["name"]}
        self._address = address
        name = re.sub(r"([^\w\s])", r"\\\1", said["name"])  # anybody may send one
        self._found = f"**{name}**: {said['model']}, {said['kind']}.\n\n"
        return await self.async_step_victron()

    async def async_step_victron(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a Victron device and its key."""
        entry = self._entry
        errors: dict[str, str] = {}
        if user_input is not None:
            device, errors = await async_check_device(
                self.hass, entry, user_input, only=self._address
            )
            if device is not None and device.other_monitors:
                self._device = device
                return await self.async_step_main_monitor()
            if device is not None:
                return await self._async_add_device(SUBENTRY_VICTRON, device)
        return self.async_show_form(
            step_id="victron",
            data_schema=self.add_suggested_values_to_schema(
                await async_device_schema(self.hass, entry, only=self._address),
                user_input or {CONF_ADDRESS: self._address},
            ),
            description_placeholders={"found": self._found},
            errors=errors,
            last_step=True,
        )

    async def async_step_main_monitor(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which battery monitor is the main one: this is not the first."""
        entry, device = self._entry, self._device
        if entry is None or device is None:
            return self.async_abort(reason="device_removed")
        if user_input is not None:
            _set_main_monitor(self.hass, entry, user_input, self._main)
            return await self._async_add_device(SUBENTRY_VICTRON, device)
        self._main = main_monitor(entry, device)
        return self.async_show_form(
            step_id="main_monitor",
            data_schema=monitor_schema(device, self._main),
            last_step=True,
        )

    async def async_step_bms(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a BMS and its model."""
        entry = self._entry
        errors: dict[str, str] = {}
        if user_input is not None:
            device, errors = await async_check_bms(self.hass, entry, user_input)
            if device is not None:
                return await self._async_add_device(SUBENTRY_BMS, device)
        form = await async_bms_form(self.hass, entry)
        return self.async_show_form(
            step_id="bms",
            data_schema=self.add_suggested_values_to_schema(
                form.schema, user_input or form.suggested
            ),
            errors=errors,
            last_step=True,
        )

    async def _async_add_device(
        self, subentry_type: str, device: VictronDevice | BmsDevice
    ) -> ConfigFlowResult:
        """Create the entry with the device, or add the device to it."""
        is_bms = subentry_type == SUBENTRY_BMS
        address = device.data[CONF_ADDRESS]
        if self._entry is None:
            await self.async_set_unique_id(DOMAIN, raise_on_progress=False)
        # Looked up again: the device was asked, which takes long enough for another
        # window to create the entry, and a second one would replace it.
        entry = self._entry
        if entry is None:
            return self.async_create_entry(
                title=NAME,
                data={},
                subentries=[
                    ConfigSubentryData(
                        subentry_type=subentry_type,
                        title=device.title,
                        data=device.data,
                        unique_id=address,
                    )
                ],
                description="bms" if is_bms else "victron",
                description_placeholders=device.placeholders,
            )
        self.hass.config_entries.async_add_subentry(
            entry,
            ConfigSubentry(
                subentry_type=subentry_type,
                title=device.title,
                data=MappingProxyType(dict(device.data)),
                unique_id=address,
            ),
        )
        _reload_if_not_loaded(self.hass, entry)
        return self.async_abort(
            reason="bms_added" if is_bms else "victron_added",
            description_placeholders=device.placeholders,
        )

    @callback
    @override
    def async_remove(self) -> None:
        """Have the next key asked for: while this window was open, none could be."""
        entry = self.hass.config_entries.async_get_entry(
            self.context.get("entry_id", "")
        )
        if entry is not None and entry.state is ConfigEntryState.LOADED:
            entry.runtime_data.async_take_changes()

    async def async_step_reauth(
        self, entry_data: Mapping[str, Any]
    ) -> ConfigFlowResult:
        """Take the device whose key does not fit."""
        self._address = entry_data.get(CONF_ADDRESS)
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the key of a Victron device again."""
        entry = self._get_reauth_entry()
        subentry = next(
            (
                subentry
                for subentry in subentries_of(entry, SUBENTRY_VICTRON)
                if self._address in (None, subentry.data[CONF_ADDRESS])
            ),
            None,
        )
        if subentry is None:
            return self.async_abort(reason="device_removed")
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = _change_key(self.hass, entry, subentry, user_input)
            if not errors:
                return self.async_abort(reason="reauth_successful")
        return self.async_show_form(
            step_id="reauth_confirm",
            data_schema=self.add_suggested_values_to_schema(KEY_SCHEMA, user_input),
            description_placeholders={
                "name": subentry.title,
                "address": subentry.data[CONF_ADDRESS],
            },
            errors=errors,
        )


class WallboxSubentryFlow(ConfigSubentryFlow):
    """Adds a wallbox to the entry, or changes it."""

    def __init__(self) -> None:
        """Start with nothing known."""
        self._server: dict[str, Any] | None = None
        self._opened: Mapping[str, Any] | None = None

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Start with the wallbox."""
        return await self.async_step_wallbox()

    async def async_step_server(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask where the server listens: the entry has had no wallbox so far."""
        errors: dict[str, str] = {}
        if user_input is not None:
            server = _clean_server(user_input)
            errors = await _server_errors(self.hass, server, self._get_entry())
            if not errors:
                self._server = server
                return await self.async_step_wallbox()
        return self.async_show_form(
            step_id="server",
            data_schema=self.add_suggested_values_to_schema(_SERVER_SCHEMA, user_input),
            errors=errors,
            last_step=False,
        )

    async def async_step_wallbox(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the wallbox."""
        entry = self._get_entry()
        server = _server_of(entry, self._server)
        if server is None:
            return await self.async_step_server()
        errors: dict[str, str] = {}
        if user_input is not None:
            wallbox = _clean_wallbox(user_input)
            trusted, hint = await _connection_hint(self.hass, server, wallbox)
            errors = _wallbox_errors(wallbox, entry)
            if not errors:
                if CONF_SSL_CERT not in entry.data:
                    _change_server(self.hass, entry, server)
                return self.async_create_entry(
                    title=_title(wallbox, entry),
                    data=wallbox,
                    unique_id=wallbox[CONF_CHARGE_POINT_ID],
                    description="wallbox" if trusted else "wallbox_untrusted",
                    description_placeholders=hint,
                )
        return self.async_show_form(
            step_id="wallbox",
            data_schema=self.add_suggested_values_to_schema(WALLBOX_SCHEMA, user_input),
            errors=errors,
            last_step=True,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Change the wallbox; with another id its history goes along."""
        entry, subentry = self._get_entry(), self._get_reconfigure_subentry()
        errors: dict[str, str] = {}
        if user_input is None:
            self._opened = _part(subentry.data, WALLBOX_SCHEMA)
        else:
            wallbox = merged(self._opened, _clean_wallbox(user_input), subentry.data)
            errors = _wallbox_errors(wallbox, entry, subentry)
            if not errors:
                old_id = subentry.data[CONF_CHARGE_POINT_ID]
                new_id = wallbox[CONF_CHARGE_POINT_ID]
                if new_id != old_id:
                    _rename(self.hass, entry, subentry, old_id, new_id)
                title = subentry.title
                self.hass.config_entries.async_update_subentry(
                    entry,
                    subentry,
                    data=wallbox,
                    unique_id=new_id,
                    title=title.replace(old_id, new_id),
                )
                return self.async_abort(reason="reconfigure_successful")
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                WALLBOX_SCHEMA, user_input or subentry.data
            ),
            errors=errors,
        )


class VictronSubentryFlow(ConfigSubentryFlow):
    """Adds a Victron device to the entry, or changes its key."""

    _device: VictronDevice
    _main: str | None = None

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Start with the device."""
        return await self.async_step_victron()

    async def async_step_victron(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the device and its key."""
        entry = self._get_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            device, errors = await async_check_device(self.hass, entry, user_input)
            if device is not None:
                self._device = device
                if device.other_monitors:
                    return await self.async_step_main_monitor()
                return self._add()
        return self.async_show_form(
            step_id="victron",
            data_schema=self.add_suggested_values_to_schema(
                await async_device_schema(self.hass, entry), user_input
            ),
            description_placeholders={"found": ""},
            errors=errors,
            last_step=True,
        )

    async def async_step_main_monitor(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which battery monitor is the main one: this is not the first."""
        entry = self._get_entry()
        if user_input is not None:
            _set_main_monitor(self.hass, entry, user_input, self._main)
            return self._add()
        self._main = main_monitor(entry, self._device)
        return self.async_show_form(
            step_id="main_monitor",
            data_schema=monitor_schema(self._device, self._main),
            last_step=True,
        )

    @callback
    def _add(self) -> SubentryFlowResult:
        """Add the device."""
        device = self._device
        return self.async_create_entry(
            title=device.title,
            data=device.data,
            unique_id=device.data[CONF_ADDRESS],
            description="victron",
            description_placeholders=device.placeholders,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Change the key."""
        entry, subentry = self._get_entry(), self._get_reconfigure_subentry()
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = _change_key(self.hass, entry, subentry, user_input)
            if not errors:
                return self.async_abort(reason="reconfigure_successful")
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(KEY_SCHEMA, user_input),
            description_placeholders={
                "name": subentry.title,
                "address": subentry.data[CONF_ADDRESS],
            },
            errors=errors,
        )


class BmsSubentryFlow(ConfigSubentryFlow):
    """Adds a BMS to the entry, or changes it."""

    _opened: Mapping[str, Any] | None = None

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Start with the BMS."""
        return await self.async_step_bms()

    async def async_step_bms(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the BMS and its model."""
        entry = self._get_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            device, errors = await async_check_bms(self.hass, entry, user_input)
            if device is not None:
                return self.async_create_entry(
                    title=device.title,
                    data=device.data,
                    unique_id=device.data[CONF_ADDRESS],
                    description="bms",
                    description_placeholders=device.placeholders,
                )
        form = await async_bms_form(self.hass, entry)
        return self.async_show_form(
            step_id="bms",
            data_schema=self.add_suggested_values_to_schema(
                form.schema, user_input or form.suggested
            ),
            errors=errors,
            last_step=True,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Change the BMS; with another address its history goes along."""
        entry, subentry = self._get_entry(), self._get_reconfigure_subentry()
        errors: dict[str, str] = {}
        if user_input is None:
            self._opened = dict(subentry.data)
        else:
            sent = merged(self._opened, user_input, subentry.data)
            device, errors = await async_check_bms(self.hass, entry, sent, subentry)
            if device is not None:
                old, new = subentry.data[CONF_ADDRESS], device.data[CONF_ADDRESS]
                if new != old:
                    _rename(self.hass, entry, subentry, old, new)
                self.hass.config_entries.async_update_subentry(
                    entry,
                    subentry,
                    data={**subentry.data, **device.data},
                    unique_id=new,
                )
                _reload_if_not_loaded(self.hass, entry)
                return self.async_abort(reason="reconfigure_successful")
        form = await async_bms_form(self.hass, entry, subentry)
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                form.schema, user_input or subentry.data
            ),
            description_placeholders={"name": subentry.title},
            errors=errors,
        )


@callback
def _rename(
    hass: HomeAssistant,
    entry: ConfigEntry,
    subentry: ConfigSubentry,
    old_id: str,
    new_id: str,
) -> None:
    """Let the device and entities of a subentry follow its corrected id.

    Only its own: the id of another wallbox may begin with this one's.
    """
    devices, entities = dr.async_get(hass), er.async_get(hass)
    for device in dr.async_entries_for_config_entry(devices, entry.entry_id):
        if (DOMAIN, old_id) in device.identifiers:
            connections = (
                {(dr.CONNECTION_BLUETOOTH, new_id)} if device.connections else UNDEFINED
            )
            devices.async_update_device(
                device.id,
                new_identifiers={(DOMAIN, new_id)},
                new_connections=connections,
            )
    for entity in er.async_entries_for_config_entry(entities, entry.entry_id):
        if entity.config_subentry_id == subentry.subentry_id:
            key = entity.unique_id.removeprefix(f"{old_id}_")
            entities.async_update_entity(
                entity.entity_id, new_unique_id=f"{new_id}_{key}"
            )


class SiteOptionsFlow(OptionsFlow):
    """Tunes how wallboxes are controlled, and what the battery follows."""

    def __init__(self) -> None:
        """Start with no form shown."""
        self._opened: Mapping[str, Any] | None = None
        self._defaults: Mapping[str, Any] = {}
        self._only: ConfigSubentry | None = None

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the options. With one wallbox, also for the most that it may draw."""
        entry = self.config_entry
        wallboxes = subentries_of(entry, SUBENTRY_WALLBOX)
        only = wallboxes[0] if len(wallboxes) == 1 else None
        if self._opened is None:
            self._only = only
        if user_input is not None:
            return self._save(user_input, only)
        schema: dict[vol.Marker, Any] = {}
        if only is not None:
            schema[vol.Required(CONF_MAX_CURRENT, default=DEFAULT_MAX_CURRENT)] = (
                _whole_number(MIN_CURRENT, MAX_CURRENT, "A")
            )
        schema[vol.Required(CONF_METER_INTERVAL, default=DEFAULT_METER_INTERVAL)] = (
            _whole_number(MIN_METER_INTERVAL, MAX_METER_INTERVAL, "s")
        )
        schema[
            vol.Required(CONF_FRESHNESS_TIMEOUT, default=DEFAULT_FRESHNESS_TIMEOUT)
        ] = _whole_number(MIN_FRESHNESS_TIMEOUT, MAX_FRESHNESS_TIMEOUT, "s")
        schema[vol.Required(CONF_ALLOW_REBOOT, default=False)] = BooleanSelector()
        # Our own say what follows from the plug: none of them is one.
        ours = [
            each.entity_id
            for each in er.async_entries_for_config_entry(
                er.async_get(self.hass), entry.entry_id
            )
        ]
        for key, domains, device_class in (
            (CONF_MAINS_SWITCH, ["switch", "binary_sensor", "input_boolean"], None),
            (CONF_MAINS_POWER, ["sensor", "number", "input_number"], "power"),
            (CONF_MAINS_CURRENT, ["sensor", "number", "input_number"], "current"),
        ):
            # One that was chosen all the same can stay.
            not_offered = [each for each in ours if each != entry.options.get(key)]
            schema[vol.Optional(key)] = _entity(domains, device_class, not_offered)
        if len(monitors := battery_monitors(entry)) > 1:
            schema[vol.Required(CONF_MAIN_MONITOR, default=next(iter(monitors)))] = (
                monitor_selector(monitors)
            )
        shown = {**entry.options}
        if shown.get(CONF_MAIN_MONITOR) not in monitors:
            shown.pop(CONF_MAIN_MONITOR, None)
        if only is not None:
            shown[CONF_MAX_CURRENT] = only.data[CONF_MAX_CURRENT]
        self._opened = _part(shown, vol.Schema(schema))
        self._defaults = vol.Schema(schema)({})
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(vol.Schema(schema), shown),
        )

    @callback
    def _save(
        self, user_input: Mapping[str, Any], only: ConfigSubentry | None
    ) -> ConfigFlowResult:
        """Take what was changed in the form. `only`: the one wallbox that there is."""
        entry = self.config_entry
        sent = dict(user_input)
        for key in (CONF_MAX_CURRENT, CONF_FRESHNESS_TIMEOUT, CONF_METER_INTERVAL):
            if key in sent:
                sent[key] = int(sent[key])
        opened = dict(self._opened or {})
        shown = opened.pop(CONF_MAX_CURRENT, None)
        current = sent.pop(CONF_MAX_CURRENT, None)
        if only is not None and only is self._only and current not in (None, shown):
            self.hass.config_entries.async_update_subentry(
                entry, only, data={**only.data, CONF_MAX_CURRENT: current}
            )
        return self.async_create_entry(
            data=merged(opened, sent, entry.options, self._defaults)
        )
