"""Repair issues: what Home Assistant tells its owner to mend, for as long as it is so.

And what the log says of it, once when it begins and once when it is over. Both outlive
a reload: what was seen before it is as true after it. Only a restart of Home Assistant,
which forgets them, and a disabled or removed entry end them all.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
import hashlib
import logging
import re
from typing import Final

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    SOURCE_IGNORE,
    ConfigEntry,
    ConfigEntryChange,
    ConfigSubentry,
)
from homeassistant.const import CONF_PASSWORD
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from .const import CONF_CHARGE_POINT_ID, DOMAIN
from .fault_log import SERVER, FaultLog, Key
from .wallbox.calls import NO_ANSWER, limit_fault, mute_fault
from .wallbox.central_system import connection_fault, is_identity
from .wallbox.state import WallboxState
from .wallbox.tls import (
    CertificateError,
    CertificateInfo,
    CertificateStore,
    check_validity,
)

_LOGGER = logging.getLogger(__name__)

#: Where everything of ours is set up: the frontend opens it from an issue.
_OUR_PAGE: Final = f"homeassistant://config/integrations/integration/{DOMAIN}"
#: So long before it expires a certificate is to be renewed.
_EXPIRES_SOON: Final = timedelta(days=14)
#: Who has not knocked for so long is gone.
_GONE: Final = timedelta(hours=1)
#: A box that cannot get in knocks every minute or so. Who was quiet for this long makes
#: room for another, so that somebody who tries ids neither pushes it out nor has the
#: registry written with each of them.
_QUIET: Final = timedelta(minutes=5)
_MAX_STRANGERS: Final = 3

_CERTIFICATE_EXPIRES: Final = "certificate_expires"
_CERTIFICATE_INVALID: Final = "certificate_invalid"
_PORT_IN_USE: Final = "port_in_use"
_STRANGER: Final = "unknown_charge_point_"
_LOST_TARGET: Final = "wish_unreadable_"

_START_FAULT: Final = (SERVER, "start")
_CERTIFICATE_FAULT: Final = (SERVER, "certificate")
_EXPIRY_FAULT: Final = (SERVER, "expiry")
_STRANGER_FAULT: Final = "stranger "


@dataclass(frozen=True, slots=True)
class _Visitor:
    """Somebody who knocks in vain."""

    address: str
    """Where it comes from, as it is shown."""
    shown_at: datetime
    """Since when that is shown."""
    knocked_at: datetime
    """When it knocked last."""


class SiteIssues:
    """Shows what is wrong, and takes it back when it is over."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Start with nothing known."""
        self._hass = hass
        self._registry = ir.async_get(hass)
        self._strangers: dict[str, _Visitor] = {}
        self._wrong_passwords: dict[str, _Visitor] = {}
        self._passwords: dict[str, str | None] = {}
        self.faults = FaultLog(hass.loop.time)
        """What the log has told of, and not that it is over."""

    @callback
    def async_begin(self, wallboxes: list[ConfigSubentry]) -> None:
        """Take the wallboxes that there are now."""
        configured = {
            _stranger_issue(subentry.data[CONF_CHARGE_POINT_ID])
            for subentry in wallboxes
        }
        for issue in tuple(self._registry.issues.values()):
            # What is not active is left from before Home Assistant's restart.
            left_over = not issue.active and issue.dismissed_version is None
            if (
                issue.domain == DOMAIN
                and issue.issue_id.startswith(_STRANGER)
                and (left_over or issue.issue_id in configured)
            ):
                self._strangers.pop(issue.issue_id, None)
                self._delete(issue.issue_id)
        passwords = {
            _password_issue(subentry): subentry.data.get(CONF_PASSWORD)
            for subentry in wallboxes
        }
        for issue_id, password in self._passwords.items():
            if issue_id not in passwords or passwords[issue_id] != password:
                self._wrong_passwords.pop(issue_id, None)
                self._delete(issue_id)
        self._passwords = passwords
        lost_targets = {_target_issue(subentry) for subentry in wallboxes}
        for domain, issue_id in tuple(self._registry.issues):
            if domain == DOMAIN and issue_id.startswith(_LOST_TARGET):
                if issue_id not in lost_targets:
                    self._delete(issue_id)
        self.async_sweep()

    @callback
    def async_sweep(self) -> None:
        """Take back what nobody has knocked for in a long time."""
        now = dt_util.utcnow()
        for visitors in (self._strangers, self._wrong_passwords):
            for issue_id, visitor in tuple(visitors.items()):
                if now - visitor.knocked_at >= _GONE:
                    del visitors[issue_id]
                    self._take_back(issue_id)

    @callback
    def async_end(self) -> None:
        """Take back everything: the entry is disabled or removed."""
        self._strangers.clear()
        self._wrong_passwords.clear()
        self._passwords.clear()
        self.faults.keep(())
        for domain, issue_id in tuple(self._registry.issues):
            if domain == DOMAIN:
                self._delete(issue_id)

    # Who knocks

    @callback
    def async_stranger(self, charge_point_id: str, address: str) -> None:
        """Take note that an unknown charge point knocks."""
        self._log_stranger(charge_point_id)
        issue_id = _stranger_issue(charge_point_id)
        if self._is_ignored(issue_id):
            self._strangers.pop(issue_id, None)
            return
        if issue_id not in self._strangers and not self._make_room():
            return
        shown = "".join(
            character if is_identity(character) else "\N{REPLACEMENT CHARACTER}"
            for character in charge_point_id
        )

        def show(address: str) -> None:
            if shown != charge_point_id:
                ir.async_create_issue(
                    self._hass,
                    DOMAIN,
                    issue_id,
                    is_fixable=False,
                    learn_more_url=_OUR_PAGE,
                    severity=ir.IssueSeverity.WARNING,
                    translation_key="unusable_charge_point_id",
                    translation_placeholders={
                        "charge_point_id": shown,
                        "address": address,
                    },
                )
                return
            ir.async_create_issue(
                self._hass,
                DOMAIN,
                issue_id,
                data={CONF_CHARGE_POINT_ID: charge_point_id, "address": address},
                is_fixable=True,
                severity=ir.IssueSeverity.WARNING,
                translation_key="unknown_charge_point",
                translation_placeholders={
                    "charge_point_id": shown,
                    "address": address,
                },
            )

        self._note(self._strangers, issue_id, address, show)

    def _log_stranger(self, charge_point_id: str) -> None:
        """Say that an unknown charge point knocks."""
        fault = (SERVER, f"{_STRANGER_FAULT}{charge_point_id.casefold()}")
        if not self.faults.has_room(fault, _STRANGER_FAULT):
            return
        self.faults.begin(
            _LOGGER,
            fault,
            "An unknown charge point knocks, with the id %r: if it is yours, add it as "
            "a wallbox or mend the id in its installer app",
            charge_point_id,
        )
        self.faults.end(
            _LOGGER,
            fault,
            "The unknown charge point %r does not knock any more",
            charge_point_id,
            calm_s=_GONE.total_seconds(),
        )

    def _make_room(self) -> bool:
        """Return whether one more stranger can be shown."""
        for issue_id in tuple(self._strangers):
            if self._is_ignored(issue_id):
                del self._strangers[issue_id]
        if len(self._strangers) < _MAX_STRANGERS:
            return True
        issue_id, quietest = min(
            self._strangers.items(), key=lambda item: item[1].knocked_at
        )
        if dt_util.utcnow() - quietest.knocked_at < _QUIET:
            return False
        del self._strangers[issue_id]
        self._take_back(issue_id)
        return True

    @callback
    def async_wrong_password(self, subentry: ConfigSubentry, address: str) -> None:
        """Take note that somebody came as a wallbox with a wrong password."""
        issue_id = _password_issue(subentry)
        charge_point_id = subentry.data[CONF_CHARGE_POINT_ID]
        fault = (charge_point_id, "password")
        self.faults.drop(connection_fault(charge_point_id))
        self.faults.begin(
            _LOGGER,
            fault,
            "Wallbox %s came with a wrong password or none: set the same one here and "
            "in its installer app",
            charge_point_id,
        )
        self.faults.end(
            _LOGGER,
            fault,
            "Nobody comes as wallbox %s with a wrong password any more",
            charge_point_id,
            calm_s=_GONE.total_seconds(),
        )

        def show(address: str) -> None:
            ir.async_create_issue(
                self._hass,
                DOMAIN,
                issue_id,
                is_fixable=False,
                learn_more_url=_OUR_PAGE,
                severity=ir.IssueSeverity.ERROR,
                translation_key="wrong_password",
                translation_placeholders={
                    "name": subentry.title,
                    "charge_point_id": subentry.data[CONF_CHARGE_POINT_ID],
                    "address": address,
                },
            )

        self._note(self._wrong_passwords, issue_id, address, show)

    @callback
    def async_right_password(self, subentry: ConfigSubentry) -> None:
        """Take note that a wallbox was let in."""
        issue_id = _password_issue(subentry)
        self._wrong_passwords.pop(issue_id, None)
        self._delete(issue_id)
        charge_point_id = subentry.data[CONF_CHARGE_POINT_ID]
        stranger = (SERVER, f"{_STRANGER_FAULT}{charge_point_id.casefold()}")
        for fault, message in (
            ((charge_point_id, "password"), "Wallbox %s has the right password now"),
            (stranger, "Wallbox %s, which was unknown, is let in"),
        ):
            self.faults.end(_LOGGER, fault, message, charge_point_id)

    @callback
    def async_protocol(self, charge_point_id: str, *, right: bool) -> None:
        """Take note of the protocol that a wallbox speaks."""
        fault = (charge_point_id, "protocol")
        if right:
            self.faults.end(
                _LOGGER, fault, "Wallbox %s speaks OCPP 2.0.1 now", charge_point_id
            )
            return
        self.faults.drop(connection_fault(charge_point_id))
        self.faults.begin(
            _LOGGER,
            fault,
            "Wallbox %s does not speak OCPP 2.0.1: set its protocol to OCPP 2.0.1 in "
            "its installer app",
            charge_point_id,
        )

    def _note(
        self,
        visitors: dict[str, _Visitor],
        issue_id: str,
        address: str,
        show: Callable[[str], None],
    ) -> None:
        """Take note of a knock; it is shown where it is new.

        Another address is shown once in a while only: who has many may use all.
        """
        now = dt_util.utcnow()
        visitor = visitors.get(issue_id)
        issue = self._registry.async_get_issue(DOMAIN, issue_id)
        if visitor is None or (
            visitor.address != address and now - visitor.shown_at >= _GONE
        ):
            visitor = _Visitor(address, now, now)
            show(address)
        elif issue is None or not issue.active:
            show(visitor.address)
        visitors[issue_id] = replace(visitor, knocked_at=now)

    # The server

    @callback
    def async_port_in_use(self, port: int) -> None:
        """Show that another program has the port."""
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            _PORT_IN_USE,
            is_fixable=False,
            learn_more_url=_OUR_PAGE,
            severity=ir.IssueSeverity.ERROR,
            translation_key="port_in_use",
            translation_placeholders={"port": str(port)},
        )

    @callback
    def async_port_free(self) -> None:
        """Take back that another program has the port."""
        self._delete(_PORT_IN_USE)

    @callback
    def async_server_failed(self, reason: str | None) -> None:
        """Take note that the server cannot start; None: Home Assistant says so itself.

        `reason` is a sentence without its full stop.
        """
        for fault in (_CERTIFICATE_FAULT, _EXPIRY_FAULT):
            self.faults.drop(fault)  # that there is no server tells more
        if reason is None:
            self.faults.note(_START_FAULT)
            return
        self.faults.begin(
            _LOGGER,
            _START_FAULT,
            "%s. The Victron devices go on without it. It is tried again every minute",
            reason,
        )

    @callback
    def async_server_started(self) -> None:
        """Take note that the server has started."""
        self.async_port_free()
        self.faults.end(_LOGGER, _START_FAULT, "The server for wallboxes can start now")

    async def async_judge_certificate(self, certificates: CertificateStore) -> None:
        """Show what is wrong with the certificate, or soon will be."""
        info, fault = certificates.info, certificates.fault
        now = dt_util.utcnow()
        if fault is None and info is not None:
            try:
                check_validity(info, now)
            except CertificateError as err:
                fault = err
        if fault is not None:
            self._delete(_CERTIFICATE_EXPIRES)
            path = certificates.key if fault.in_key else certificates.certificate
            await self._async_show_fault(fault, path)
            self._log_certificate(fault)
            return
        self._delete(_CERTIFICATE_INVALID)
        self.faults.end(
            _LOGGER, _CERTIFICATE_FAULT, "The certificate of the server is good again"
        )
        if info is not None and info.not_after - now <= _EXPIRES_SOON:
            self._show_expiry(info, now, certificates.certificate)
        else:
            self._delete(_CERTIFICATE_EXPIRES)
            self.faults.end(
                _LOGGER, _EXPIRY_FAULT, "The certificate of the server was renewed"
            )

    async def _async_show_fault(self, fault: CertificateError, path: str) -> None:
        """Show that the certificate is not valid."""
        # The same words as where it is typed in.
        texts = await async_get_translations(
            self._hass, self._hass.config.language, "config", [DOMAIN]
        )
        reason = texts.get(f"component.{DOMAIN}.config.error.{fault.fault}")
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            _CERTIFICATE_INVALID,
            is_fixable=False,
            learn_more_url=_OUR_PAGE,
            severity=ir.IssueSeverity.ERROR,
            translation_key="certificate_invalid",
            translation_placeholders={"reason": reason or str(fault), "path": path},
        )

    def _log_certificate(self, fault: CertificateError) -> None:
        """Say that something is wrong with the certificate, where there is a server."""
        self.faults.drop(_EXPIRY_FAULT)
        if not self.faults.is_on(_START_FAULT):
            self.faults.begin(
                _LOGGER,
                _CERTIFICATE_FAULT,
                "The certificate of the server is not good any more (%s): the server "
                "goes on with the one before, if it can. Renew it, and look whether "
                "what renews it still runs",
                fault,
            )

    def _show_expiry(self, info: CertificateInfo, now: datetime, path: str) -> None:
        """Show that the certificate expires soon."""
        self.faults.begin(
            _LOGGER,
            _EXPIRY_FAULT,
            "The certificate of the server expires on %s: renew it, and look whether "
            "what renews it still runs",
            dt_util.as_local(info.not_after).date().isoformat(),
        )
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            _CERTIFICATE_EXPIRES,
            is_fixable=False,
            learn_more_url=_OUR_PAGE,
            severity=ir.IssueSeverity.WARNING,
            translation_key="certificate_expires",
            translation_placeholders={
                "days": str((info.not_after - now).days),
                "date": dt_util.as_local(info.not_after).date().isoformat(),
                "path": path,
            },
        )

    @callback
    def async_no_server(self) -> None:
        """Take back what was shown of the server: there is none."""
        for issue_id in (_CERTIFICATE_EXPIRES, _CERTIFICATE_INVALID, _PORT_IN_USE):
            self._delete(issue_id)

    # The registry: it writes nothing where nothing changes

    def _is_ignored(self, issue_id: str) -> bool:
        """Return whether the owner does not want to see an issue."""
        issue = self._registry.async_get_issue(DOMAIN, issue_id)
        return issue is not None and issue.dismissed_version is not None

    def _take_back(self, issue_id: str) -> None:
        """Show an issue no more; that it is ignored is not forgotten."""
        if not self._is_ignored(issue_id):
            self._delete(issue_id)

    def _delete(self, issue_id: str) -> None:
        """Show an issue no more."""
        ir.async_delete_issue(self._hass, DOMAIN, issue_id)


_DATA_ISSUES: Final[HassKey[SiteIssues]] = HassKey(f"{DOMAIN}_issues")


@callback
def async_setup_issues(hass: HomeAssistant) -> None:
    """Get ready for issues, before any entry is set up."""
    issues = hass.data[_DATA_ISSUES] = SiteIssues(hass)

    @callback
    def changed(change: ConfigEntryChange, entry: ConfigEntry) -> None:
        # What was discovered and ignored is an entry, too.
        is_ours = entry.domain == DOMAIN and entry.source != SOURCE_IGNORE
        if is_ours and (
            change is ConfigEntryChange.REMOVED or entry.disabled_by is not None
        ):
            issues.async_end()

    async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed)


@callback
def async_get_issues(hass: HomeAssistant) -> SiteIssues:
    """Return what shows the issues."""
    return hass.data[_DATA_ISSUES]


@callback
def async_log_limit(
    hass: HomeAssistant, subentry: ConfigSubentry, state: WallboxState
) -> None:
    """Say in the log that a wallbox does not keep a limit, or that it does again."""
    enforcement, faults = state.enforcement, async_get_issues(hass).faults
    charge_point_id = subentry.data[CONF_CHARGE_POINT_ID]
    fault = limit_fault(charge_point_id)
    said = (
        enforcement.refusal == NO_ANSWER and faults.is_on(mute_fault(charge_point_id))
    ) or (
        state.target.charging_allowed and faults.is_on(_unable_fault(charge_point_id))
    )
    if enforcement.holds:
        faults.end(_LOGGER, fault, "Wallbox %s keeps its limit again", charge_point_id)
    elif enforcement.failing and not said:
        faults.begin(
            _LOGGER,
            fault,
            "Wallbox %s does not keep the limit that was set (%s). It is tried again "
            "and again. Until it does, the car may draw more: if that is too much, "
            "unplug it, or reboot the wallbox",
            charge_point_id,
            enforcement.refusal or "it accepts and does not follow",
        )


@callback
def async_show_limit_issue(
    hass: HomeAssistant, subentry: ConfigSubentry, state: WallboxState
) -> None:
    """Show that a wallbox does not keep a limit, or that it does again.

    Of one that cannot limit, another issue says why, and what helps others does not.
    """
    charge_point_id = subentry.data[CONF_CHARGE_POINT_ID]
    if not state.enforcement.failing:
        ir.async_delete_issue(hass, DOMAIN, _limit_issue(subentry))
        return
    unable = async_get_issues(hass).faults.is_on(_unable_fault(charge_point_id))
    ir.async_create_issue(
        hass,
        DOMAIN,
        _limit_issue(subentry),
        is_fixable=False,
        learn_more_url=_OUR_PAGE,
        severity=ir.IssueSeverity.ERROR,
        translation_key="limit_without_effect" if unable else "limit_not_enforced",
        translation_placeholders={
            "name": subentry.title,
            "charge_point_id": charge_point_id,
            "reason": _as_text(state.enforcement.refusal or "-"),
        },
    )


@callback
def async_show_unable(
    hass: HomeAssistant, subentry: ConfigSubentry, state: WallboxState
) -> None:
    """Show that a wallbox cannot limit at all, or that it takes limits.

    What was shown stands while nothing is known, as while the wallbox is away.
    """
    charge_point_id = subentry.data[CONF_CHARGE_POINT_ID]
    faults, fault = async_get_issues(hass).faults, _unable_fault(charge_point_id)
    if state.enforcement.able is False:
        faults.begin(
            _LOGGER,
            fault,
            "Wallbox %s cannot limit the current: it has no smart charging. It can be "
            "started and stopped all the same; look for newer firmware, or whether "
            "smart charging is switched off in its settings",
            charge_point_id,
        )
        ir.async_create_issue(
            hass,
            DOMAIN,
            _unable_issue(subentry),
            is_fixable=False,
            learn_more_url=_OUR_PAGE,
            severity=ir.IssueSeverity.WARNING,
            translation_key="cannot_limit",
            translation_placeholders={
                "name": subentry.title,
                "charge_point_id": charge_point_id,
            },
        )
    elif state.enforcement.able:
        faults.end(_LOGGER, fault, "Wallbox %s takes limits now", charge_point_id)
        ir.async_delete_issue(hass, DOMAIN, _unable_issue(subentry))


@callback
def async_forget_limit_issues(hass: HomeAssistant, subentry: ConfigSubentry) -> None:
    """Take back what was shown of limits: nobody looks any more whether it is so."""
    for issue_id in (_limit_issue(subentry), _unable_issue(subentry)):
        ir.async_delete_issue(hass, DOMAIN, issue_id)


@callback
def async_show_lost_target(
    hass: HomeAssistant, subentry: ConfigSubentry, state: WallboxState
) -> None:
    """Show that the target cannot be read any more, or that it is known again."""
    charge_point_id = subentry.data[CONF_CHARGE_POINT_ID]
    faults, fault = async_get_issues(hass).faults, (charge_point_id, "wish")
    if not state.target.lost:
        ir.async_delete_issue(hass, DOMAIN, _target_issue(subentry))
        faults.end(
            _LOGGER,
            fault,
            "Wallbox %s: what was lost of its settings is set again",
            charge_point_id,
        )
        return
    faults.begin(
        _LOGGER,
        fault,
        "Wallbox %s: what was set for it cannot be read any more (%s). It is given no "
        "more than it gives now until Current limit and Charging allowed are set again",
        charge_point_id,
        ", ".join(state.target.lost),
    )
    ir.async_create_issue(
        hass,
        DOMAIN,
        _target_issue(subentry),
        is_fixable=False,
        learn_more_url=_OUR_PAGE,
        severity=ir.IssueSeverity.ERROR,
        translation_key="wish_unreadable",
        translation_placeholders={
            "name": subentry.title,
            "charge_point_id": charge_point_id,
        },
    )


def _as_text(text: str) -> str:
    """Keep what somebody else wrote from being read as Markdown, or as a link."""
    return re.sub(r"([\\`*_{}\[\]()<>#!|~&:.@])", r"\\\1", text)


def _limit_issue(subentry: ConfigSubentry) -> str:
    """Name the issue."""
    return f"limit_not_enforced_{subentry.subentry_id}"


def _unable_issue(subentry: ConfigSubentry) -> str:
    """Name the issue."""
    return f"cannot_limit_{subentry.subentry_id}"


def _unable_fault(charge_point_id: str) -> Key:
    """Name the fault that a wallbox cannot limit at all."""
    return charge_point_id, "unable"


def _target_issue(subentry: ConfigSubentry) -> str:
    """Name the issue."""
    return f"{_LOST_TARGET}{subentry.subentry_id}"


def _password_issue(subentry: ConfigSubentry) -> str:
    """Name the issue."""
    return f"wrong_password_{subentry.subentry_id}"


def _stranger_issue(charge_point_id: str) -> str:
    """Name the issue, without what somebody else has chosen."""
    digest = hashlib.sha256(
        charge_point_id.casefold().encode(errors="surrogatepass")
    ).hexdigest()
    return f"{_STRANGER}{digest[:16]}"
