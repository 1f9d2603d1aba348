"""What may be done next for a limit, and how that ended."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .target import ProfileKind, ProfilePurpose, Setpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLimit:
    """Send a charging profile."""

    purpose: ProfilePurpose
    setpoint: Setpoint
    kind: ProfileKind = ProfileKind.EPOCH
    transaction_id: str | None = None
    """The transaction that a TxProfile is for."""
    profile_id: int | None = None
    """The id of a TxProfile, which was never used before; set when it is sent."""
    renews: bool = False
    """Whether the wallbox has that limit already, and only its step down is newer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearTxProfile:
    """Rid a transaction of its profile, so that it takes another one (K10)."""

    transaction_id: str
    profile_id: int | None
    """None: of all that it has."""


@dataclass(frozen=True, slots=True)
class AskComposite:
    """Ask what the profiles make together."""


@dataclass(frozen=True, slots=True)
class AskReading:
    """Ask for meter values."""


@dataclass(frozen=True, slots=True)
class StopTransaction:
    """End the transaction: the last resort of a stop, where no limit is to be had."""

    transaction_id: str


@dataclass(frozen=True, slots=True)
class Reboot:
    """Reboot the wallbox: the last resort."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to be done before `until` (steady seconds), unless something happens."""

    until: float


type Call = (
    SetLimit | ClearTxProfile | AskComposite | AskReading | StopTransaction | Reboot
)
type Step = Call | Wait | None

#: What of that goes on the wire.
CALLS: Final = (
    SetLimit,
    ClearTxProfile,
    AskComposite,
    AskReading,
    StopTransaction,
    Reboot,
)


class Outcome(StrEnum):
    """How a call ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNSUPPORTED = "unsupported"
    """It has no such function at all."""
    LOST = "lost"
    """No answer came, so it may have been done or not."""
