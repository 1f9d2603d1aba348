"""What can be wrong, and who is told of it.

Whoever sees a problem names it, and knows neither what its owner reads of it nor where:
that is in `problems.py`.
"""

from enum import StrEnum, unique
from typing import Protocol


@unique
class Problem(StrEnum):
    """What can be wrong. That of a repair issue is the key of its translation."""

    # Who connects
    UNKNOWN_CHARGE_POINT = "unknown_charge_point"
    """A charge point connects by an id that is not configured."""
    UNUSABLE_CHARGE_POINT_ID = "unusable_charge_point_id"
    """The same, and OCPP does not allow its id."""
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a name
    """A wallbox connects with a wrong password, or with none."""
    WRONG_PROTOCOL = "wrong_protocol"
    """A wallbox does not speak OCPP 2.0.1."""
    TLS_FAILED = "tls_failed"
    """TLS with an address fails again and again."""
    CERTIFICATE_REFUSED = "certificate_refused"
    """Because it does not accept the certificate."""
    CERTIFICATE_REFUSED_AUTHORITY = "certificate_refused_authority"
    """The same, for who issued it."""
    CERTIFICATE_REFUSED_NAME = "certificate_refused_name"
    """The same, for the name that it is for."""
    CERTIFICATE_REFUSED_EXPIRED = "certificate_refused_expired"
    """The same, for its dates."""
    CERTIFICATE_REFUSED_KEY = "certificate_refused_key"
    """The same, for the kind of its key."""

    # A wallbox
    CONNECTION_LOST = "connection_lost"
    """It is not connected any more."""
    UNRESPONSIVE = "unresponsive"
    """It is connected and does not answer."""
    BAD_FRAMES = "bad_frames"
    """It sends what OCPP 2.0.1 does not know."""
    REBOOTS = "reboots"
    """It boots again and again."""
    CANNOT_LIMIT = "cannot_limit"
    """It has no smart charging."""
    LIMIT_NOT_ENFORCED = "limit_not_enforced"
    """It does not keep a limit."""
    LIMIT_WITHOUT_EFFECT = "limit_without_effect"
    """The same, of one that cannot limit."""
    STOP_WITHOUT_EFFECT = "stop_without_effect"
    """One that cannot limit goes on charging though that is not allowed."""
    TARGET_UNREADABLE = "wish_unreadable"
    """What was set for it cannot be read any more."""

    # The server
    SERVER_NOT_STARTED = "server_not_started"
    """The server for wallboxes cannot start."""
    PORT_IN_USE = "port_in_use"
    """Because another program has its port."""
    CERTIFICATE_INVALID = "certificate_invalid"
    """Its certificate cannot be used."""
    CERTIFICATE_EXPIRES = "certificate_expires"
    """Its certificate is not renewed in time."""
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    """Its certificate is one that wallboxes do not accept."""

    # A device that is heard by Bluetooth
    WRONG_KEY = "wrong_key"
    """Its encryption key does not fit."""
    SILENT = "silent"
    """It gives no reading."""
    BMS_LIBRARY_MISSING = "bms_library_missing"
    """Because what reads BMSs is not installed, and cannot be."""
    BMS_MODEL_UNKNOWN = "bms_model_unknown"
    """Because nobody knows its model any more."""
    BMS_CANNOT_CONNECT = "bms_cannot_connect"
    """Because it takes no connection."""
    BMS_NO_ANSWER = "bms_no_answer"
    """Because it does not answer as its model would."""
    BMS_IMPLAUSIBLE = "bms_implausible"
    """Because it says what no battery can be."""
    BMS_WRONG_SECRET = "bms_wrong_secret"  # noqa: S105 - a name
    """Because it refuses its secret."""

    # The house
    METER_SILENT = "meter_silent"
    """A meter of the house has no reading."""
    PRICES_MISSING = "prices_missing"
    """No price of energy is known for the coming hours."""
    PRICES_UNREADABLE = "prices_unreadable"
    """The prices of energy are in a shape that nobody understands."""

    # The disk
    NOT_STORED = "not_stored"
    """A file cannot be written."""


class Problems(Protocol):
    """Who is told of problems, as often as they are seen.

    The subject is whose problem it is: a charge point id, an address, a path; empty
    where there is one only. Facts fill the blanks of what is said.
    """

    def report(
        self,
        problem: Problem,
        subject: str = "",
        *,
        expected: bool = False,
        **facts: str | int,
    ) -> None:
        """Report that there is a problem.

        `expected`: it may well be over soon, and only then is worth nothing.
        """
        ...

    def resolve(self, problem: Problem, subject: str = "", **facts: str | int) -> None:
        """Report that there is no such problem, or none any more."""
        ...

    def withdraw(self, problem: Problem, subject: str = "") -> None:
        """Report that it is not known any more whether there is a problem."""
        ...

    def is_open(self, problem: Problem, subject: str = "") -> bool:
        """Return whether a problem was reported, and is not over."""
        ...
