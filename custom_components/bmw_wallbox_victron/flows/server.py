"""The server that wallboxes connect to: form and check."""

import asyncio
from collections.abc import Mapping
import errno
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import CONF_PORT
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.selector import TextSelector
from homeassistant.util import dt as dt_util
import voluptuous as vol

from ..const import (
    CONF_HOST,
    CONF_SSL_CERT,
    CONF_SSL_KEY,
    DEFAULT_PORT,
    DEFAULT_SSL_CERT,
    DEFAULT_SSL_KEY,
)
from ..installer_app import Prospect, async_prospect
from ..wallbox.certificate import (
    CertificateError,
    check_key,
    check_validity,
    load_context,
    read_certificate,
)
from .base import async_reload_if_not_loaded, whole_number

SERVER_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_PORT, default=DEFAULT_PORT): whole_number(1, 65535),
        vol.Required(CONF_SSL_CERT, default=DEFAULT_SSL_CERT): TextSelector(),
        vol.Required(CONF_SSL_KEY, default=DEFAULT_SSL_KEY): TextSelector(),
    }
)


#: Of an entry that has lost its server.
_DEFAULTS: Final = {
    CONF_PORT: DEFAULT_PORT,
    CONF_SSL_CERT: DEFAULT_SSL_CERT,
    CONF_SSL_KEY: DEFAULT_SSL_KEY,
}


def clean_server(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was typed, without stray blanks."""
    return {
        CONF_PORT: user_input[CONF_PORT],
        CONF_SSL_CERT: user_input[CONF_SSL_CERT].strip(),
        CONF_SSL_KEY: user_input[CONF_SSL_KEY].strip(),
    }


async def async_check_server(
    hass: HomeAssistant, server: Mapping[str, Any], entry: ConfigEntry | None
) -> dict[str, str]:
    """Return what is wrong with a server's settings, except its own port."""
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
        error := await _async_port_error(hass, data.get(CONF_HOST), server[CONF_PORT])
    ):
        errors[CONF_PORT] = error
    return errors


def _certificate_errors(certificate: str, key: str) -> dict[str, str]:
    """Return what is wrong with the files, each fault at its field. Blocks."""
    errors: dict[str, str] = {}
    try:
        check_validity(read_certificate(certificate), dt_util.utcnow())
    except CertificateError as err:
        errors[CONF_SSL_CERT] = err.fault.value
    try:
        check_key(key)
        if not errors:
            load_context(certificate, key)
    except CertificateError as err:
        errors[CONF_SSL_KEY] = err.fault.value
    return errors


async def _async_port_error(
    hass: HomeAssistant, host: str | None, port: int
) -> str | None:
    """Return why the port cannot be listened on."""
    try:
        server = await hass.loop.create_server(asyncio.Protocol, host, port)
    except OSError as err:
        if err.errno == errno.EADDRINUSE:
            return "port_in_use"
        return "port_not_permitted" if err.errno == errno.EACCES else "cannot_listen"
    server.close()
    return None


@callback
def async_change_server(
    hass: HomeAssistant, entry: ConfigEntry, server: Mapping[str, Any]
) -> None:
    """Change the server of an entry."""
    hass.config_entries.async_update_entry(entry, data={**entry.data, **server})
    async_reload_if_not_loaded(hass, entry)


async def async_server_prospect(
    hass: HomeAssistant, server: Mapping[str, Any], entry: ConfigEntry | None
) -> Prospect:
    """Return what the wallboxes of an entry will make of a server's settings."""
    server = {**_DEFAULTS, **server}
    if entry is None or entry.state is not ConfigEntryState.LOADED:
        return await async_prospect(hass, server, hosts=(), accepted=None)
    running = entry.runtime_data.server
    return await async_prospect(
        hass, server, hosts=running.hosts, accepted=running.accepted_certificate
    )
