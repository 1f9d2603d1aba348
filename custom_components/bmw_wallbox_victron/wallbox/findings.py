"""What a check of a wallbox found. Everything here is a value."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from .target import ProfileKind


class Line(StrEnum):
    """What is looked at: the lines of "What the hardware does", in its order."""

    METERING = "metering"
    IDENTITY = "identity"
    PHASELESS_CURRENT = "phaseless_current"
    REGISTER = "register"
    QUEUE = "queue"
    SESSIONS = "sessions"
    CLOCK = "clock"
    ANSWERS = "answers"
    CONNECTION = "connection"
    RESPONSIVE = "responsive"
    LIMITS = "limits"
    SMART_CHARGING = "smart_charging"
    SESSION_LIMIT = "session_limit"
    PROFILE_IDS = "profile_ids"
    LIMIT_AFTER_RESTART = "limit_after_restart"
    SESSION_PROFILE = "session_profile"
    START_AFTER_STOP = "start_after_stop"
    FRAMES = "frames"
    LIGHT = "light"
    AVAILABILITY = "availability"


class Verdict(StrEnum):
    """What is said of a line."""

    AS_EXPECTED = "as_expected"
    """It does what OCPP lets expect."""
    DIFFERS = "differs"
    """It has a habit of its own."""
    NOT_TRIED = "not_tried"
    """It is not known."""


class Detail(StrEnum):
    """What is different, or why it was not tried."""

    # Metering
    SETTINGS_REFUSED = "settings_refused"
    EVENTS_REFUSED = "events_refused"
    METER_VALUES_REFUSED = "meter_values_refused"
    EVENTS_WITHOUT_VALUES = "events_without_values"
    NO_CURRENT = "no_current"
    FROZEN = "frozen"
    REGISTER_ZERO = "register_zero"
    REGISTER_FELL = "register_fell"
    # Who and how it is
    IDENTITY_UNKNOWN = "identity_unknown"
    STATUS_REFUSED = "status_refused"
    ONE_BY_ONE = "one_by_one"
    # Its connection
    EVENTS_LOST = "events_lost"
    CLOCK_OFF = "clock_off"
    SLOW_ANSWERS = "slow_answers"
    UNANSWERED = "unanswered"
    BOOTS_ON_CONNECT = "boots_on_connect"
    BOOTS_AGAIN = "boots_again"
    STAYED_AWAY = "stayed_away"
    BAD_FRAMES = "bad_frames"
    # Its sessions
    FREE_IN_SESSION = "free_in_session"
    IDS_RESTART = "ids_restart"
    STATE_OMITTED = "state_omitted"
    # Its limits
    DEFAULT_IGNORED = "default_ignored"
    DEFAULT_REFUSED = "default_refused"
    STATION_IGNORED = "station_ignored"
    STATION_REFUSED = "station_refused"
    EPOCH_FAILS = "epoch_fails"
    RELATIVE_FAILS = "relative_fails"
    NOTHING_HELD = "nothing_held"
    SLOW_LIMITS = "slow_limits"
    STAYED_PAUSED = "stayed_paused"
    COMPOSITE_SILENT = "composite_silent"
    COMPOSITE_ODD = "composite_odd"
    COMPOSITE_WRONG = "composite_wrong"
    NO_SMART_CHARGING = "no_smart_charging"
    ALL_REFUSED = "all_refused"
    # Beside these
    LIGHT_REFUSED = "light_refused"
    NO_LIGHT = "no_light"
    AVAILABILITY_REFUSED = "availability_refused"

    # Why it was not tried
    NO_CAR = "no_car"
    """No car is plugged in."""
    CAR_GONE = "car_gone"
    """The car went, or another session began."""
    LIMIT_LOWER = "limit_lower"
    """No more than that is allowed now."""
    CHANGED = "changed"
    """Something else changed the limit, twice."""
    SESSION_RUNS = "session_runs"
    """It would end the session."""
    OUT_OF_SERVICE = "out_of_service"
    """It is out of service."""
    NO_LIMITS = "no_limits"
    """It takes no limits."""
    NOTHING_QUEUED = "nothing_queued"
    """Nothing happened while it was away."""
    HARMS_SESSION = "harms_session"
    """A try could bind the session until a reboot."""
    NOT_NEEDED = "not_needed"
    """It is never needed: level 0, and a new id for each limit of a session."""
    NOT_TOLD = "not_told"
    """It says nothing about it."""
    AWAY = "away"
    """The connection was lost."""
    STOPPED = "stopped"
    """The check was stopped."""
    TIME = "time"
    """The time was over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is said of one line."""

    line: Line
    """What was looked at."""
    verdict: Verdict
    """What is said of it."""
    details: tuple[Detail, ...] = ()
    """What is different, or why it was not tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What of it the control loop begins with: a wrong one costs time, no more."""

    kind: ProfileKind | None = None
    """The profile kind with which a limit held; None: it is not known."""
    default_fails: bool = False
    """Whether a default profile did not hold, and one for the station did."""
    polled: bool = False
    """Whether the current comes only where it is asked for."""


NOTHING_LEARNED: Final = Lesson()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What the last check found."""

    at: datetime
    """When it ended, by wall time."""
    firmware_version: str | None = None
    """Of which firmware that is true; None: it did not tell."""
    findings: tuple[Finding, ...] = ()
    """What it found, in the order of the lines."""
    lesson: Lesson = NOTHING_LEARNED
    """What the control loop begins with."""

    def holds_for(self, firmware_version: str | None) -> bool:
        """Return whether it was found of that firmware."""
        return self.firmware_version == firmware_version
