"""Problems: what the log and Home Assistant's repairs say of each, and for how long."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
import re
from typing import Final

from homeassistant.helpers.issue_registry import IssueSeverity

from .problem import Problem
from .wallbox.central_system import is_identity

_HOUR_S: Final = 3600.0


class About(Enum):
    """What a problem is a problem of."""

    SITE = auto()
    """The server, or Home Assistant's disk."""
    WALLBOX = auto()
    """A configured wallbox, by its charge point id."""
    DEVICE = auto()
    """A configured device, by its Bluetooth address."""
    CLIENT = auto()
    """Whoever connects, by a name or an address that may be anything."""


def _literal(text: str) -> str:
    """Return a text that Markdown takes neither for formatting nor for a link."""
    return re.sub(r"([\\`*_{}\[\]()<>#!|~&:.@])", r"\\\1", text) or "-"


def _identity(text: str) -> str:
    """Return a charge point id without what OCPP does not allow in one."""
    return "".join(
        character if is_identity(character) else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """What a repair issue says; its words are in the translations."""

    severity: IssueSeverity
    """How bad it is."""
    placeholders: tuple[str, ...]
    """The facts that fill its blanks."""
    foreign: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    """What makes those harmless that somebody else wrote."""
    is_fixable: bool = False
    """Whether `repairs.py` mends it; otherwise it leads to our page."""
    refresh_s: float = 0.0
    """Other facts are shown no sooner than so long after the last ones, in s."""
    while_loaded: bool = False
    """Whether nobody looks any more whether it is so once the entry is unloaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemDescription:
    """All that is said of a problem."""

    about: About
    """What it is a problem of."""
    start: str | None = None
    """Line in the log when it begins: what is wrong, of what, and what to do."""
    end: str | None = None
    """Line in the log when it is over."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """What these lines say for a fact that is empty."""
    delay_s: float = 0.0
    """Where it was expected, it is said once it has lasted for so long, in s."""
    calm_s: float = 0.0
    """It is over once it has been so for this long, in s: some come and go."""
    fades_s: float | None = None
    """It is over where nobody reports it for so long, in s; None: it has to be
    resolved."""
    faded: str | None = None
    """Line in the log then; None: as when it is resolved."""
    case_of: Problem | None = None
    """The problem that this one is a case of: of them there is one at a time, and what
    resolves one resolves the other."""
    explains: tuple[Problem, ...] = ()
    """Of these, the log forgets what it has said: this says more."""
    explained_by: tuple[Problem, ...] = ()
    """While there is one of these, the log says nothing of this: that says more."""
    issue: Issue | None = None
    """The repair issue."""


def _unreadable_bms(advice: str) -> ProblemDescription:
    """Return what is said of a BMS that cannot be read."""
    return ProblemDescription(
        about=About.DEVICE,
        start=(
            "BMS %(name)s cannot be read (%(error)s). "
            f"{advice}. It is tried again every %(interval)s s"
        ),
        end="BMS %(name)s answers again",
        case_of=Problem.SILENT,
    )


_TLS_FAILED: Final = (
    "%(subject)s tries to connect again and again, and TLS fails (%(error)s). "
    "If it is a wallbox: check that the address in its installer app begins "
    "with wss:// and has the name that the certificate is for, and that the "
    "certificate comes from an authority that it trusts"
)
_UNKNOWN_CHARGE_POINT: Final = ProblemDescription(
    about=About.CLIENT,
    start=(
        "An unknown charge point knocks, with the id %(subject)r: if it is yours, "
        "add it as a wallbox or mend the id in its installer app"
    ),
    end="Wallbox %(subject)s, which was unknown, is let in",
    fades_s=_HOUR_S,
    faded="The unknown charge point %(subject)r does not knock any more",
    issue=Issue(
        severity=IssueSeverity.WARNING,
        placeholders=("charge_point_id", "address"),
        is_fixable=True,
        refresh_s=_HOUR_S,
    ),
)
_CERTIFICATE_REFUSED: Final = ProblemDescription(
    about=About.CLIENT,
    start=_TLS_FAILED,
    end="TLS with %(subject)s does not fail any more",
    fades_s=_HOUR_S,
    explains=(Problem.TLS_FAILED,),
    issue=Issue(
        severity=IssueSeverity.WARNING,
        placeholders=("address", "alert", "host", "names", "date"),
        refresh_s=_HOUR_S,
    ),
)
_LIMIT_NOT_ENFORCED: Final = ProblemDescription(
    about=About.WALLBOX,
    start=(
        "Wallbox %(subject)s does not keep the limit that was set (%(reason)s). It "
        "is tried again and again. Until it does, the car may draw more: if that "
        "is too much, unplug it, or reboot the wallbox"
    ),
    end="Wallbox %(subject)s keeps its limit again",
    defaults={"reason": "it accepts and does not follow"},
    explained_by=(Problem.UNRESPONSIVE,),
    issue=Issue(
        severity=IssueSeverity.ERROR,
        placeholders=("name", "charge_point_id", "reason"),
        foreign={"reason": _literal},
        refresh_s=float("inf"),
        while_loaded=True,
    ),
)

TABLE: Final[Mapping[Problem, ProblemDescription]] = {
    # Who connects
    Problem.UNKNOWN_CHARGE_POINT: _UNKNOWN_CHARGE_POINT,
    Problem.UNUSABLE_CHARGE_POINT_ID: replace(
        _UNKNOWN_CHARGE_POINT,
        case_of=Problem.UNKNOWN_CHARGE_POINT,
        issue=Issue(
            severity=IssueSeverity.WARNING,
            placeholders=("charge_point_id", "address"),
            foreign={"charge_point_id": _identity},
            refresh_s=_HOUR_S,
        ),
    ),
    Problem.WRONG_PASSWORD: ProblemDescription(
        about=About.WALLBOX,
        start=(
            "Wallbox %(subject)s came with a wrong password or none: set the same one "
            "here and in its installer app"
        ),
        end="Wallbox %(subject)s has the right password now",
        fades_s=_HOUR_S,
        faded="Nobody comes as wallbox %(subject)s with a wrong password any more",
        explains=(Problem.CONNECTION_LOST,),
        issue=Issue(
            severity=IssueSeverity.ERROR,
            placeholders=("name", "charge_point_id", "address"),
            refresh_s=_HOUR_S,
        ),
    ),
    Problem.WRONG_PROTOCOL: ProblemDescription(
        about=About.WALLBOX,
        start=(
            "Wallbox %(subject)s does not speak OCPP 2.0.1: set its protocol to OCPP "
            "2.0.1 in its installer app"
        ),
        end="Wallbox %(subject)s speaks OCPP 2.0.1 now",
        fades_s=_HOUR_S,
        faded="Nobody comes as wallbox %(subject)s with another protocol any more",
        explains=(Problem.CONNECTION_LOST,),
        issue=Issue(
            severity=IssueSeverity.ERROR,
            placeholders=("name", "charge_point_id", "offered"),
            refresh_s=_HOUR_S,
        ),
    ),
    Problem.TLS_FAILED: ProblemDescription(
        about=About.CLIENT,
        start=_TLS_FAILED,
        end="TLS with %(subject)s does not fail any more",
        calm_s=600,
        fades_s=_HOUR_S,
    ),
    Problem.CERTIFICATE_REFUSED: _CERTIFICATE_REFUSED,
    **{
        case: replace(
            _CERTIFICATE_REFUSED,
            case_of=Problem.CERTIFICATE_REFUSED,
            issue=Issue(
                severity=IssueSeverity.WARNING,
                placeholders=placeholders,
                refresh_s=_HOUR_S,
            ),
        )
        for case, placeholders in {
            Problem.CERTIFICATE_REFUSED_AUTHORITY: ("address", "alert"),
            Problem.CERTIFICATE_REFUSED_NAME: ("address", "host", "names"),
            Problem.CERTIFICATE_REFUSED_EXPIRED: ("address", "date"),
            Problem.CERTIFICATE_REFUSED_KEY: ("address",),
        }.items()
    },
    # A wallbox
    Problem.CONNECTION_LOST: ProblemDescription(
        about=About.WALLBOX,
        start=(
            "Wallbox %(subject)s is not connected any more. If it does not come back "
            "by itself within some minutes, check its power and its network"
        ),
        end="Wallbox %(subject)s is connected again",
        # Our own stop ends all connections, and a reboot takes a minute.
        delay_s=300,
        # A bad line comes and goes, and that it is dead is found within a minute.
        calm_s=120,
    ),
    Problem.UNRESPONSIVE: ProblemDescription(
        about=About.WALLBOX,
        start=(
            "Wallbox %(subject)s is connected but does not answer. If it goes on, "
            "check its network, or switch it off and on again"
        ),
        end="Wallbox %(subject)s answers again",
        explained_by=(Problem.LIMIT_NOT_ENFORCED,),
    ),
    Problem.BAD_FRAMES: ProblemDescription(
        about=About.WALLBOX,
        start=(
            "Wallbox %(subject)s sent a frame that was refused (%(reason)s). All "
            "others count, and so does what is right in it. If something is missing, "
            "look for newer firmware of the wallbox, and report this line with the "
            "diagnostics"
        ),
        fades_s=_HOUR_S,
        faded="Wallbox %(subject)s has sent no bad frame for an hour",
    ),
    Problem.REBOOTS: ProblemDescription(
        about=About.WALLBOX,
        start=(
            "Wallbox %(subject)s reboots again and again. If it does not stop, switch "
            "it off for a minute, check its power supply, and look for newer firmware"
        ),
        fades_s=600,
        faded="Wallbox %(subject)s does not reboot any more",
    ),
    Problem.CANNOT_LIMIT: ProblemDescription(
        about=About.WALLBOX,
        start=(
            "Wallbox %(subject)s cannot limit the current: it has no smart charging. "
            "It can be started and stopped all the same; look for newer firmware, or "
            "whether smart charging is switched off in its settings"
        ),
        end="Wallbox %(subject)s takes limits now",
        issue=Issue(
            severity=IssueSeverity.WARNING,
            placeholders=("name", "charge_point_id"),
            while_loaded=True,
        ),
    ),
    Problem.LIMIT_NOT_ENFORCED: _LIMIT_NOT_ENFORCED,
    Problem.LIMIT_WITHOUT_EFFECT: replace(
        _LIMIT_NOT_ENFORCED,
        start=None,  # that it cannot limit is said
        case_of=Problem.LIMIT_NOT_ENFORCED,
    ),
    Problem.STOP_WITHOUT_EFFECT: replace(
        _LIMIT_NOT_ENFORCED, case_of=Problem.LIMIT_NOT_ENFORCED, issue=None
    ),
    Problem.TARGET_UNREADABLE: ProblemDescription(
        about=About.WALLBOX,
        start=(
            "Wallbox %(subject)s: what was set for it cannot be read any more "
            "(%(lost)s). It is given no more than it gives now until Current limit and "
            "Charging allowed are set again"
        ),
        end="Wallbox %(subject)s: what was lost of its settings is set again",
        issue=Issue(
            severity=IssueSeverity.ERROR, placeholders=("name", "charge_point_id")
        ),
    ),
    # The server
    Problem.SERVER_NOT_STARTED: ProblemDescription(
        about=About.SITE,
        start=(
            "%(reason)s. The Victron devices go on without it. It is tried again every "
            "minute"
        ),
        end="The server for wallboxes can start now",
        explains=(Problem.CERTIFICATE_INVALID, Problem.CERTIFICATE_EXPIRES),
    ),
    Problem.PORT_IN_USE: ProblemDescription(
        about=About.SITE,
        issue=Issue(severity=IssueSeverity.ERROR, placeholders=("port",)),
    ),
    Problem.CERTIFICATE_INVALID: ProblemDescription(
        about=About.SITE,
        start=(
            "The certificate of the server is not good any more (%(error)s): the "
            "server goes on with the one before, if it can. Renew it, and look whether "
            "what renews it still runs"
        ),
        end="The certificate of the server is good again",
        explains=(Problem.CERTIFICATE_EXPIRES,),
        explained_by=(Problem.SERVER_NOT_STARTED,),
        issue=Issue(severity=IssueSeverity.ERROR, placeholders=("reason", "path")),
    ),
    Problem.CERTIFICATE_EXPIRES: ProblemDescription(
        about=About.SITE,
        start=(
            "The certificate of the server expires on %(date)s: renew it, and look "
            "whether what renews it still runs"
        ),
        end="The certificate of the server was renewed",
        explained_by=(Problem.SERVER_NOT_STARTED,),
        issue=Issue(
            severity=IssueSeverity.WARNING, placeholders=("days", "date", "path")
        ),
    ),
    Problem.CERTIFICATE_UNTRUSTED: ProblemDescription(
        about=About.SITE,
        start=(
            "Wallboxes do not accept the certificate of the server: the repair issue "
            "says why, and what to do"
        ),
        end="The certificate of the server is one that wallboxes accept",
        issue=Issue(
            severity=IssueSeverity.ERROR, placeholders=("reason", "path", "url")
        ),
    ),
    # A device that is heard by Bluetooth
    Problem.WRONG_KEY: ProblemDescription(
        about=About.DEVICE,
        start=(
            "The encryption key does not fit %(name)s any more: it was changed in "
            "VictronConnect, or never was right. Home Assistant asks for it"
        ),
        end="The encryption key fits %(name)s again",
        explains=(Problem.SILENT,),
    ),
    Problem.SILENT: ProblemDescription(
        about=About.DEVICE,
        start=(
            "%(name)s has given no reading for %(minutes)s min: close VictronConnect "
            "and the like on every phone, and check that it has power and that a "
            "Bluetooth adapter or proxy is near enough"
        ),
        end="%(name)s is heard again",
        explained_by=(Problem.WRONG_KEY,),
        # At the edge of a receiver's reach it comes and goes.
        calm_s=600,
    ),
    Problem.BMS_LIBRARY_MISSING: ProblemDescription(
        about=About.DEVICE,
        start=(
            "BMS %(name)s cannot be read: what reads BMSs could not be loaded "
            "(%(error)s). Check that Home Assistant reaches the internet. It is tried "
            "again every %(interval)s min"
        ),
        end="BMS %(name)s answers again",
        case_of=Problem.SILENT,
    ),
    Problem.BMS_MODEL_UNKNOWN: ProblemDescription(
        about=About.DEVICE,
        start="The model of %(name)s is not known any more: reconfigure it",
        end="BMS %(name)s answers again",
        case_of=Problem.SILENT,
    ),
    Problem.BMS_CANNOT_CONNECT: _unreadable_bms(
        "It refuses the connection: close its app on every phone, and check that a "
        "Bluetooth adapter or proxy near it can still take a connection"
    ),
    Problem.BMS_NO_ANSWER: _unreadable_bms(
        "It takes the connection but gives no answer: check that the model is the "
        "right one, its secret too if it has one, and that the signal is good"
    ),
    Problem.BMS_IMPLAUSIBLE: _unreadable_bms(
        "It says what no battery can be: check that the model is the right one"
    ),
    Problem.BMS_WRONG_SECRET: _unreadable_bms(
        "It refuses its secret, or to answer without one: reconfigure it"
    ),
    # The house
    Problem.METER_SILENT: ProblemDescription(
        about=About.SITE,
        start=(
            "%(subject)s, which measures the house, has reported nothing for "
            "%(timeout)s s. That is taken for no room and no surplus: look whether its "
            "integration still runs, and whether it reports though nothing changes"
        ),
        end="%(subject)s, which measures the house, reports again",
        delay_s=60,
    ),
    Problem.PRICES_MISSING: ProblemDescription(
        about=About.SITE,
        start=(
            "%(subject)s tells no prices of the coming hours any more (%(found)s): "
            "charging goes on without them. Look whether its integration works"
        ),
        end="%(subject)s tells prices again",
        issue=Issue(
            severity=IssueSeverity.WARNING,
            placeholders=("subject", "found"),
            foreign={"found": _literal},
            refresh_s=_HOUR_S,
            while_loaded=True,
        ),
    ),
    Problem.PRICES_UNREADABLE: ProblemDescription(
        about=About.SITE,
        start=(
            "The prices of %(subject)s cannot be read (%(found)s): charging goes on "
            "without them"
        ),
        end="The prices of %(subject)s can be read again",
        issue=Issue(
            severity=IssueSeverity.WARNING,
            placeholders=("subject", "found"),
            foreign={"found": _literal},
            while_loaded=True,
        ),
    ),
    # The disk
    Problem.NOT_STORED: ProblemDescription(
        about=About.SITE,
        start=(
            "%(subject)s cannot be written (%(reason)s). What is set counts, but a "
            "restart would bring back what was set before, and energy is shown as it "
            "was written last. Look whether the disk is full or broken. It is tried "
            "again and again"
        ),
        end="%(subject)s can be written again",
    ),
}
