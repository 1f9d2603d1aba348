"""The problems that there are: what is logged and shown of them, and when that ends.

They outlive a reload: what was seen before it is as true after it. Only a restart of
Home Assistant, which forgets them, and a disabled or removed entry end them all.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
import hashlib
import logging
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
from homeassistant.util.hass_dict import HassKey

from .const import CONF_CHARGE_POINT_ID, DOMAIN
from .problem import Problem
from .problems import TABLE, About, Issue

_LOGGER = logging.getLogger(__name__)

#: Where everything of ours is set up: the frontend opens it from an issue.
_OUR_PAGE: Final = f"homeassistant://config/integrations/integration/{DOMAIN}"
#: So many clients that are no devices of ours have one problem in the log, and so many
#: are shown: whoever tries many ids or addresses says nothing new.
_MAX_CLIENTS_LOGGED: Final = 16
_MAX_CLIENTS_SHOWN: Final = 3
#: A box that cannot get in knocks every minute or so. Who was quiet for this long makes
#: room for another, so that somebody who tries ids neither pushes it out nor has the
#: registry written with each of them, in s.
_QUIET_S: Final = 300.0

type _Facts = Mapping[str, str | int]
type _Key = tuple[Problem, str]


@dataclass(slots=True)
class _Logged:
    """A problem that is not over, as the log knows it."""

    facts: _Facts
    """What fills the blanks of its lines."""
    start: str | None
    """Line of its start; None: it is written."""
    start_at: float
    """When that is due, in s."""
    end: str | None = None
    """Line of its end."""
    end_at: float | None = None
    """When that is due, in s, unless it is reported again until then; None: it goes
    on."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A problem that is shown as a repair issue."""

    problem: Problem
    """Which."""
    facts: dict[str, str]
    """What fills its blanks."""
    shown_at: float
    """Since when these do, in s."""
    reported_at: float
    """When it was reported last, in s."""


class SiteProblems:
    """Keeps which problems there are, and has them logged and shown.

    Each is reported as often as it is seen. It is logged once when it begins and once
    when it is over, and shown for as long as it lasts.
    """

    def __init__(self, hass: HomeAssistant) -> None:
        """Initialize with nothing reported."""
        self._hass = hass
        self._registry = ir.async_get(hass)
        self._clock = hass.loop.time
        self._logged: dict[_Key, _Logged] = {}
        self._shown: dict[str, _Shown] = {}
        """By the id of the issue."""
        self._wallboxes: dict[str, ConfigSubentry] = {}
        """By charge point id."""
        self._passwords: dict[str, str | None] = {}
        """Of wallboxes, by subentry."""

    # What is reported: see `Problems`

    @callback
    def report(
        self,
        problem: Problem,
        subject: str = "",
        *,
        expected: bool = False,
        **facts: str | int,
    ) -> None:
        """Report that there is a problem."""
        description = TABLE[problem]
        for other in description.explains:
            self._logged.pop(_key(other, subject), None)
        facts["subject"] = subject
        if description.start is not None:
            self._log(problem, subject, facts, expected=expected)
        if description.issue is not None:
            self._show(problem, description.issue, subject, facts)

    @callback
    def resolve(self, problem: Problem, subject: str = "", **facts: str | int) -> None:
        """Report that there is no such problem, or none any more."""
        description, key = TABLE[problem], _key(problem, subject)
        if (logged := self._logged.get(key)) is not None:
            if logged.start is not None:
                del self._logged[key]
            else:
                logged.facts = {**logged.facts, **facts}
                self._end(logged, description.end, description.calm_s)
                self._look(key, logged)
        self.withdraw(problem, subject)

    @callback
    def withdraw(self, problem: Problem, subject: str = "") -> None:
        """Report that it is not known any more whether there is a problem."""
        issue_id = self._issue_id(problem, subject)
        if issue_id is not None:
            self._delete(issue_id)

    @callback
    def is_open(self, problem: Problem, subject: str = "") -> bool:
        """Return whether a problem was reported, and is not over."""
        return _key(problem, subject) in self._logged

    @callback
    def async_note(self, problem: Problem) -> None:
        """Record a problem of the site that Home Assistant itself logs and shows."""
        for other in TABLE[problem].explains:
            self._logged.pop(_key(other, ""), None)
        self._logged[_key(problem, "")] = _Logged({"subject": ""}, None, self._clock())

    # The log

    def _log(
        self, problem: Problem, subject: str, facts: _Facts, *, expected: bool
    ) -> None:
        """Log a problem, if that is new."""
        description, key = TABLE[problem], _key(problem, subject)
        logged = self._logged.get(key)
        if logged is None:
            if any(self.is_open(each, subject) for each in description.explained_by):
                return
            if description.about is About.CLIENT and (
                sum(each[0] is key[0] for each in self._logged) >= _MAX_CLIENTS_LOGGED
            ):
                return
            start_at = self._clock() + (description.delay_s if expected else 0.0)
            said = {
                name: facts[name] or text for name, text in description.defaults.items()
            }
            logged = _Logged({**facts, **said}, description.start, start_at)
            self._logged[key] = logged
        logged.end_at = None
        if description.fades_s is not None:
            self._end(logged, description.faded or description.end, description.fades_s)
        self._look(key, logged)

    def _end(self, logged: _Logged, line: str | None, after_s: float) -> None:
        """Let a problem be over after so long, unless it is before."""
        end_at = self._clock() + after_s
        if logged.end_at is None or end_at < logged.end_at:
            logged.end, logged.end_at = line, end_at

    def _look(self, key: _Key, logged: _Logged) -> None:
        """Write what is due of one problem."""
        now = self._clock()
        if logged.start is not None and now >= logged.start_at:
            _LOGGER.warning(logged.start, logged.facts)
            logged.start = None
        if logged.end_at is not None and now >= logged.end_at:
            del self._logged[key]
            if logged.end is not None:
                _LOGGER.info(logged.end, logged.facts)

    # Repair issues: the registry writes nothing where nothing changes

    def _show(
        self, problem: Problem, issue: Issue, subject: str, facts: _Facts
    ) -> None:
        """Show a problem, if something is new of it."""
        issue_id = self._issue_id(problem, subject)
        if issue_id is None:
            return
        shown, is_client = self._shown.get(issue_id), _is_client(problem)
        if is_client and self._is_ignored(issue_id):
            self._shown.pop(issue_id, None)
            return
        if is_client and shown is None and not self._make_room():
            return
        now = self._clock()
        words = self._words(issue, subject, facts)
        if (
            shown is None
            or shown.problem is not problem
            or (shown.facts != words and now - shown.shown_at >= issue.refresh_s)
        ):
            shown = _Shown(problem, words, now, now)
            self._create(issue_id, shown, issue)
        else:
            shown = replace(shown, reported_at=now)
            entry = self._registry.async_get_issue(DOMAIN, issue_id)
            if entry is None or not entry.active:
                self._create(issue_id, shown, issue)
        self._shown[issue_id] = shown

    def _words(self, issue: Issue, subject: str, facts: _Facts) -> dict[str, str]:
        """Return what fills the blanks of an issue."""
        known: _Facts = {CONF_CHARGE_POINT_ID: subject, **facts}
        if (subentry := self._wallboxes.get(subject.casefold())) is not None:
            known = {"name": subentry.title, **known}
        words = {name: str(known[name]) for name in issue.placeholders}
        return words | {name: tame(words[name]) for name, tame in issue.foreign.items()}

    def _create(self, issue_id: str, shown: _Shown, issue: Issue) -> None:
        """Show an issue."""
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            issue_id,
            data=dict(shown.facts) if issue.is_fixable else None,
            is_fixable=issue.is_fixable,
            learn_more_url=None if issue.is_fixable else _OUR_PAGE,
            severity=issue.severity,
            translation_key=shown.problem.value,
            translation_placeholders=shown.facts,
        )

    def _make_room(self) -> bool:
        """Return whether one more client can be shown."""
        clients = {
            issue_id: shown
            for issue_id, shown in self._shown.items()
            if _is_client(shown.problem)
        }
        for issue_id in tuple(clients):
            if self._is_ignored(issue_id):
                del clients[issue_id], self._shown[issue_id]
        if len(clients) < _MAX_CLIENTS_SHOWN:
            return True
        issue_id = min(clients, key=lambda each: clients[each].reported_at)
        if self._clock() - clients[issue_id].reported_at < _QUIET_S:
            return False
        self._take_back(issue_id)
        return True

    def _is_ignored(self, issue_id: str) -> bool:
        """Return whether the owner does not want to see an issue."""
        issue = self._registry.async_get_issue(DOMAIN, issue_id)
        return issue is not None and issue.dismissed_version is not None

    def _take_back(self, issue_id: str) -> None:
        """Show an issue no more; that it is ignored is not forgotten."""
        self._shown.pop(issue_id, None)
        if not self._is_ignored(issue_id):
            self._delete(issue_id)

    def _delete(self, issue_id: str) -> None:
        """Show an issue no more."""
        self._shown.pop(issue_id, None)
        ir.async_delete_issue(self._hass, DOMAIN, issue_id)

    def _issue_id(self, problem: Problem, subject: str) -> str | None:
        """Return the id of an issue; None: there is none, or not of this wallbox."""
        main = _main(problem)
        description = TABLE[main]
        if description.issue is None:
            return None
        if description.about is About.SITE:
            return main.value
        if description.about is About.CLIENT:
            return _client_issue(main, subject)
        subentry = self._wallboxes.get(subject.casefold())
        return None if subentry is None else f"{main}_{subentry.subentry_id}"

    # What time and changes end

    @callback
    def async_sweep(self) -> None:
        """Write what is due by now, and show no more what is over."""
        for key, logged in tuple(self._logged.items()):
            self._look(key, logged)
        now = self._clock()
        for issue_id, shown in tuple(self._shown.items()):
            fades_s = TABLE[shown.problem].fades_s
            if fades_s is not None and now - shown.reported_at >= fades_s:
                self._take_back(issue_id)

    @callback
    def async_keep(
        self, wallboxes: Iterable[ConfigSubentry], addresses: Collection[str]
    ) -> None:
        """Keep the problems of these wallboxes and devices; forget those of others."""
        self._wallboxes = {
            subentry.data[CONF_CHARGE_POINT_ID].casefold(): subentry
            for subentry in wallboxes
        }
        kept = {*self._wallboxes, *(address.casefold() for address in addresses)}
        for key in tuple(self._logged):
            about = TABLE[key[0]].about
            if about in (About.WALLBOX, About.DEVICE) and key[1] not in kept:
                del self._logged[key]
        for issue in tuple(self._registry.issues.values()):
            if issue.domain == DOMAIN and self._is_history(issue):
                self._delete(issue.issue_id)
        passwords = {
            subentry.subentry_id: subentry.data.get(CONF_PASSWORD)
            for subentry in self._wallboxes.values()
        }
        for subentry_id, password in self._passwords.items():
            if passwords.get(subentry_id) != password:
                self._delete(f"{Problem.WRONG_PASSWORD}_{subentry_id}")
        self._passwords = passwords
        self.async_sweep()

    def _is_history(self, issue: ir.IssueEntry) -> bool:
        """Return whether an issue is of a client or wallbox of before."""
        for problem, description in TABLE.items():
            if not issue.issue_id.startswith(f"{problem}_"):
                continue
            if description.about is About.WALLBOX:
                return issue.issue_id not in {
                    f"{problem}_{subentry.subentry_id}"
                    for subentry in self._wallboxes.values()
                }
            if description.about is About.CLIENT:
                # What is not active is left from before Home Assistant's restart.
                left_over = not issue.active and issue.dismissed_version is None
                return left_over or issue.issue_id in {
                    _client_issue(problem, charge_point_id)
                    for charge_point_id in self._wallboxes
                }
        return False

    @callback
    def async_unload(self) -> None:
        """Show no more what nobody looks at any more."""
        for issue_id, shown in tuple(self._shown.items()):
            issue = TABLE[shown.problem].issue
            if issue is not None and issue.while_loaded:
                self._take_back(issue_id)

    @callback
    def async_end(self) -> None:
        """Forget everything: the entry is disabled or removed."""
        self._logged.clear()
        self._shown.clear()
        self._passwords.clear()
        for domain, issue_id in tuple(self._registry.issues):
            if domain == DOMAIN:
                self._delete(issue_id)


def _main(problem: Problem) -> Problem:
    """Return the problem that one is a case of, or else itself."""
    return TABLE[problem].case_of or problem


def _key(problem: Problem, subject: str) -> _Key:
    """Return by what a problem is known."""
    return _main(problem), subject.casefold()


def _is_client(problem: Problem) -> bool:
    """Return whether a problem is one of somebody who is no device of ours."""
    return TABLE[problem].about is About.CLIENT


def _client_issue(problem: Problem, name: str) -> str:
    """Return the id of an issue, without what somebody else has chosen."""
    text = name.casefold().encode(errors="surrogatepass")
    return f"{problem}_{hashlib.sha256(text).hexdigest()[:16]}"


_DATA_PROBLEMS: Final[HassKey[SiteProblems]] = HassKey(f"{DOMAIN}_problems")


@callback
def async_setup_problems(hass: HomeAssistant) -> None:
    """Set up the problems of the site, before any entry is set up."""
    problems = hass.data[_DATA_PROBLEMS] = SiteProblems(hass)

    @callback
    def changed(change: ConfigEntryChange, entry: ConfigEntry) -> None:
        # What was discovered and ignored is an entry, too.
        is_ours = entry.domain == DOMAIN and entry.source != SOURCE_IGNORE
        if is_ours and (
            change is ConfigEntryChange.REMOVED or entry.disabled_by is not None
        ):
            problems.async_end()

    async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed)


@callback
def async_get_problems(hass: HomeAssistant) -> SiteProblems:
    """Return the problems of the site."""
    return hass.data[_DATA_PROBLEMS]
