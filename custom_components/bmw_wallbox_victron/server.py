"""The central system that wallboxes connect to: its start, retry and certificate."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
import errno
from typing import Final

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import CONF_PORT
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.event import async_call_later

from .const import (
    CONF_CHARGE_POINT_ID,
    CONF_HOST,
    CONF_SSL_CERT,
    CONF_SSL_KEY,
    DOMAIN,
    SERVER_DEVICE,
)
from .issues import SiteIssues
from .subentries import device_subentries
from .wallbox.central_system import Answer, CentralSystem, Knock, ServerConfig
from .wallbox.schemas import Schemas
from .wallbox.station import Station
from .wallbox.tls import CertificateError, CertificateInfo, CertificateStore

#: How long after a failure the server is tried again, in s.
_RETRY_S: Final = 60.0


class Server:
    """Owns the central system of a config entry."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        *,
        issues: SiteIssues,
        stations: Mapping[str, Station],
        subentries: Sequence[ConfigSubentry],
    ) -> None:
        """Take the stations to serve, by charge point id, and their subentries."""
        self._hass = hass
        self._entry = entry
        self._issues = issues
        self._stations = stations
        self._subentries = subentries
        self._central_system: CentralSystem | None = None
        self._cancel_retry: Callable[[], None] | None = None
        self._stopped = False
        self.certificates: CertificateStore | None = None
        """The certificate that it has; None: there is no server."""
        self.device_id: str | None = None
        """Its device; None: it did not start."""

    @property
    def port(self) -> int | None:
        """The port that wallboxes connect to; None: there is no server."""
        return None if self._central_system is None else self._central_system.port

    @property
    def certificate(self) -> CertificateInfo | None:
        """What its certificate says; None: there is none."""
        return None if self.certificates is None else self.certificates.info

    async def async_start(self) -> None:
        """Start, where there is to be a server.

        Where devices are heard by Bluetooth the site goes on without it, and it is
        tried again. Else raises ConfigEntryNotReady.
        """
        if CONF_SSL_CERT not in self._entry.data:
            self._issues.async_no_server()
        elif device_subentries(self._entry):
            await self._async_try()
        else:
            try:
                await self._async_listen()
            except ConfigEntryNotReady:
                self._issues.async_server_failed(None)
                raise

    async def _async_try(self) -> None:
        """Start, or go on without: either half of the site works by itself."""
        try:
            await self._async_listen()
        except ConfigEntryNotReady as err:
            if self._is_stopped():
                return
            self._issues.async_server_failed(str(err))
            self.certificates = None
            self._cancel_retry = async_call_later(
                self._hass, _RETRY_S, self._async_try_again
            )

    async def _async_try_again(self, _: datetime) -> None:
        """Check whether it can start now; its entities come with a reload."""
        await self._async_try()
        if self._central_system is not None and not self._is_stopped():
            self._hass.config_entries.async_schedule_reload(self._entry.entry_id)

    async def _async_listen(self) -> None:
        """Listen for wallboxes. Raises ConfigEntryNotReady.

        What is stopped while this waits gets no server, and reports nothing of it: by
        then another one may have the port.
        """
        data = self._entry.data
        config = ServerConfig(
            host=data.get(CONF_HOST),
            port=data[CONF_PORT],
            certificate=data[CONF_SSL_CERT],
            key=data[CONF_SSL_KEY],
        )
        self.certificates = CertificateStore(config.certificate, config.key)
        schemas = await self._hass.async_add_executor_job(Schemas.load)
        if self._is_stopped():
            return
        central_system = CentralSystem(
            config,
            stations=self._stations.values(),
            schemas=schemas,
            certificates=self.certificates,
            on_knock=self._on_knock,
            faults=self._issues.faults,
        )
        try:
            await central_system.start()
        except CertificateError as err:
            if self._is_stopped():
                return
            await self._issues.async_judge_certificate(self.certificates)
            raise ConfigEntryNotReady(
                translation_domain=DOMAIN,
                translation_key="certificate_unusable",
                translation_placeholders={"error": str(err)},
            ) from err
        except OSError as err:
            if self._is_stopped():
                return
            in_use = err.errno == errno.EADDRINUSE
            if in_use:
                self._issues.async_port_in_use(config.port)
            else:
                self._issues.async_port_free()
            await self._issues.async_judge_certificate(self.certificates)
            raise ConfigEntryNotReady(
                translation_domain=DOMAIN,
                translation_key="port_in_use" if in_use else "cannot_listen",
                translation_placeholders={
                    "port": str(config.port),
                    "error": err.strerror or str(err),
                },
            ) from err
        if self._is_stopped():
            await central_system.stop()
            return
        self._central_system = central_system
        self._issues.async_server_started()
        await self._issues.async_judge_certificate(self.certificates)
        if self._is_stopped():
            return
        device = dr.async_get(self._hass).async_get_or_create(
            config_entry_id=self._entry.entry_id,
            identifiers={(DOMAIN, SERVER_DEVICE)},
            translation_key="server",
            entry_type=dr.DeviceEntryType.SERVICE,
        )
        self.device_id = device.id

    async def async_check_certificate(self) -> None:
        """Check whether the certificate was renewed, or expires soon."""
        if self.certificates is not None:
            await self.certificates.context()
            await self._issues.async_judge_certificate(self.certificates)

    async def async_stop(self) -> None:
        """Stop listening, and trying to."""
        self._stopped = True
        if self._cancel_retry is not None:
            self._cancel_retry()
        if self._central_system is not None:
            await self._central_system.stop()
            self._central_system = None

    def _is_stopped(self) -> bool:
        """Return whether it was stopped, which may be while something is awaited."""
        return self._stopped

    @callback
    def _on_knock(self, knock: Knock) -> None:
        """Handle an attempt to connect."""
        if knock.answer is Answer.UNKNOWN:
            self._issues.async_stranger(knock.charge_point_id, knock.address)
            return
        for subentry in self._subentries:
            if subentry.data[CONF_CHARGE_POINT_ID] == knock.charge_point_id:
                if knock.answer is Answer.WRONG_PASSWORD:
                    self._issues.async_wrong_password(subentry, knock.address)
                    return
                self._issues.async_right_password(subentry)
                self._issues.async_protocol(
                    knock.charge_point_id, right=knock.answer is Answer.ADMITTED
                )
