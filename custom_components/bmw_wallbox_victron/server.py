"""The central system that wallboxes connect to: its start, retry and certificate."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
import errno
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

from .const import (
    CONF_HOST,
    CONF_SSL_CERT,
    CONF_SSL_KEY,
    DOMAIN,
    SERVER_DEVICE,
)
from .installer_app import async_objection, async_reason, installer_url
from .problem import Problem
from .site_problems import SiteProblems
from .subentries import device_subentries
from .wallbox.central_system import CentralSystem, ServerConfig
from .wallbox.certificate import (
    CertificateError,
    CertificateInfo,
    CertificateStore,
    check_validity,
)
from .wallbox.schemas import Schemas
from .wallbox.station import Station

#: How long after a failure the server is tried again, in s.
_RETRY_S: Final = 60.0
#: What is no problem where there is to be no server.
_OF_A_SERVER: Final = (
    Problem.PORT_IN_USE,
    Problem.CERTIFICATE_INVALID,
    Problem.CERTIFICATE_EXPIRES,
    Problem.CERTIFICATE_UNTRUSTED,
)
#: So long before it expires a certificate is to be renewed.
_EXPIRES_SOON: Final = timedelta(days=14)


class Server:
    """Owns the central system of a config entry."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        *,
        problems: SiteProblems,
        stations: Mapping[str, Station],
    ) -> None:
        """Initialize with the stations, by charge point id."""
        self._hass = hass
        self._entry = entry
        self._problems = problems
        self._stations = stations
        self._central_system: CentralSystem | None = None
        self._cancel_retry: Callable[[], None] | None = None
        self._stopped = False
        self.certificates: CertificateStore | None = None
        """The certificate that it has; None: there is no server."""
        self.device_id: str | None = None
        """Its device; None: it did not start."""

    @property
    def port(self) -> int | None:
        """Return the port that wallboxes connect to; None: there is no server."""
        return None if self._central_system is None else self._central_system.port

    @property
    def certificate(self) -> CertificateInfo | None:
        """Return the content of its certificate; None: there is none."""
        return None if self.certificates is None else self.certificates.info

    @property
    def accepted_certificate(self) -> CertificateInfo | None:
        """Return the certificate with which a wallbox got in; None: none has yet."""
        return None if self._central_system is None else self._central_system.accepted

    @property
    def hosts(self) -> frozenset[str]:
        """Return the names by which wallboxes came last."""
        found = (station.state.host for station in self._stations.values())
        return frozenset(host for host in found if host is not None)

    async def async_start(self) -> None:
        """Start, where there is to be a server.

        Where devices are heard by Bluetooth the site goes on without it, and it is
        tried again. Else raises ConfigEntryNotReady.
        """
        if CONF_SSL_CERT not in self._entry.data:
            for problem in _OF_A_SERVER:
                self._problems.withdraw(problem)
        elif device_subentries(self._entry):
            await self._async_try()
        else:
            try:
                await self._async_listen()
            except ConfigEntryNotReady:
                self._problems.async_note(Problem.SERVER_NOT_STARTED)
                await self._async_judge_certificate()
                raise

    async def _async_try(self) -> None:
        """Start, or go on without: either half of the site works by itself."""
        try:
            await self._async_listen()
        except ConfigEntryNotReady as err:
            if self._is_stopped():
                return
            self._problems.report(Problem.SERVER_NOT_STARTED, reason=str(err))
            await self._async_judge_certificate()
            if self._is_stopped():
                return
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
            problems=self._problems,
        )
        try:
            await central_system.start()
        except CertificateError as err:
            if self._is_stopped():
                return
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
                self._problems.report(Problem.PORT_IN_USE, port=config.port)
            else:
                self._problems.resolve(Problem.PORT_IN_USE)
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
        self._problems.resolve(Problem.PORT_IN_USE)
        self._problems.resolve(Problem.SERVER_NOT_STARTED)
        await self._async_judge_certificate()
        if self._problems.is_open(Problem.CERTIFICATE_UNTRUSTED):
            await self._async_judge_trust()  # it may be mended by that
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
            await self._async_judge_certificate()
            await self._async_judge_trust()

    async def _async_judge_certificate(self) -> None:
        """Report what is wrong with the certificate, or soon will be."""
        if (certificates := self.certificates) is None:
            return
        info, fault = certificates.info, certificates.fault
        now = dt_util.utcnow()
        if fault is None and info is not None:
            try:
                check_validity(info, now)
            except CertificateError as err:
                fault = err
        if fault is not None:
            # The same words as where its path is typed in.
            reason = await async_reason(self._hass, fault.fault)
            if self._is_stopped():
                return
            self._problems.withdraw(Problem.CERTIFICATE_EXPIRES)
            self._problems.report(
                Problem.CERTIFICATE_INVALID,
                error=str(fault),
                reason=reason,
                path=certificates.key if fault.in_key else certificates.certificate,
            )
            return
        self._problems.resolve(Problem.CERTIFICATE_INVALID)
        if info is None or info.not_after - now > _EXPIRES_SOON:
            self._problems.resolve(Problem.CERTIFICATE_EXPIRES)
            return
        self._problems.report(
            Problem.CERTIFICATE_EXPIRES,
            days=(info.not_after - now).days,
            date=dt_util.as_local(info.not_after).date().isoformat(),
            path=certificates.certificate,
        )

    async def _async_judge_trust(self) -> None:
        """Report where wallboxes do not accept the certificate that is in use.

        What one has accepted is good, whatever speaks against it; after a start they
        have until the first check to come.
        """
        if (certificates := self.certificates) is None or certificates.info is None:
            return
        info, reason = certificates.info, None
        if info != self.accepted_certificate:
            reason = await async_objection(self._hass, info, self.hosts)
        if self._is_stopped():
            return
        if reason is None:
            self._problems.resolve(Problem.CERTIFICATE_UNTRUSTED)
            return
        port = self.port or self._entry.data[CONF_PORT]
        self._problems.report(
            Problem.CERTIFICATE_UNTRUSTED,
            reason=reason,
            path=certificates.certificate,
            url=installer_url(self._hass, info.names, hosts=self.hosts, port=port),
        )

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
