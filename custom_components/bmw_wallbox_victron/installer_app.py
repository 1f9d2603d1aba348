"""What is typed into a wallbox's installer app, and whether it then connects."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from homeassistant.const import CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations

from .const import CONF_SSL_CERT, CONF_SSL_KEY, DOMAIN
from .wallbox.certificate import (
    CertificateError,
    CertificateInfo,
    examine,
    is_for,
    load_context,
    objection,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """How a wallbox connects to a server, and what it says of the certificate."""

    url: str
    """The server's URL, as the installer app takes it."""
    objection: str | None
    """Why the wallbox refuses the certificate, in a sentence; None: it does not."""


async def async_prospect(
    hass: HomeAssistant,
    server: Mapping[str, Any],
    *,
    hosts: Collection[str],
    accepted: CertificateInfo | None,
) -> Prospect:
    """Return what a wallbox will make of a server with these settings.

    `hosts`: the names by which wallboxes came last. `accepted`: the certificate with
    which one got in.
    """
    info: CertificateInfo | None = None
    with suppress(CertificateError):  # it was checked before; the server will say so
        info = await hass.async_add_executor_job(
            _examine, server[CONF_SSL_CERT], server[CONF_SSL_KEY]
        )
    names = () if info is None else info.names
    return Prospect(
        url=installer_url(hass, names, hosts=hosts, port=server[CONF_PORT]),
        objection=None
        if info is None or info == accepted
        else await async_objection(hass, info, hosts),
    )


def _examine(certificate: str, key: str) -> CertificateInfo:
    """Load a certificate, and have its chain looked at. Blocks."""
    return examine(load_context(certificate, key), certificate)


async def async_objection(
    hass: HomeAssistant, info: CertificateInfo, hosts: Iterable[str]
) -> str | None:
    """Return why a wallbox refuses a certificate, in a sentence; None: it does not."""
    found = objection(info, hosts)
    if found is None:
        return None
    return (await async_reason(hass, found.distrust)).replace("{host}", found.host)


async def async_reason(hass: HomeAssistant, fault: str) -> str:
    """Return what is wrong with a certificate, in the words of the config flow."""
    texts = await async_get_translations(hass, hass.config.language, "config", [DOMAIN])
    return texts.get(f"component.{DOMAIN}.config.error.{fault}", fault)


def installer_url(
    hass: HomeAssistant, names: tuple[str, ...], *, hosts: Iterable[str], port: int
) -> str:
    """Return the URL of the server, with a name that the wallbox will accept.

    It checks the name, so that comes from the certificate: the one by which wallboxes
    came last, or else by which Home Assistant is reached, if it is among them.
    """
    urls = (hass.config.internal_url, hass.config.external_url)
    used = [*sorted(hosts), *(urlsplit(url or "").hostname for url in urls)]
    host = next((each for each in used if each and is_for(names, each)), None)
    if host is None:
        host = names[0].replace("*", "homeassistant", 1) if names else None
    return f"wss://{host or 'homeassistant.local'}:{port}"
