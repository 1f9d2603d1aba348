"""Whether a key is right for what was heard of its device.

A key is wrong after `FAILURES_FOR_WRONG` failures in a row; one that was proven right
not before `RIGHT_FOR_SECONDS` have passed since then. A key that was found wrong, and
never proven right, has to be proven by two advertisements that agree before anything is
shown.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from .advertisement import Refusal
from .plausibility import Judgement, agree, jumps
from .records import Reading

#: So many failures in a row make a key wrong.
FAILURES_FOR_WRONG = 5
#: A key that was right within this time is not taken for wrong, in s: what does not fit
#: it is somebody else's, or corrupt.
RIGHT_FOR_SECONDS = 3600.0
#: The same advertisement counts as one failure within this time: on power-off devices
#: repeat a corrupt frame for some seconds.
REPEAT_SECONDS = 10.0


class KeyVerdict(StrEnum):
    """What is known of a key."""

    UNKNOWN = "unknown"
    """No advertisement has shown it yet."""
    RIGHT = "right"
    """It decrypts."""
    WRONG = "wrong"
    """It does not: several failures in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyWatch:
    """What the advertisements of one device have shown of its key so far."""

    shown: Reading | None = None
    """The last reading that was accepted."""
    shown_at: float = 0.0
    """When it was heard, s of a clock that does not jump."""
    earlier: Reading | None = None
    """The one accepted before that."""
    earlier_at: float = 0.0
    """When that was heard, s."""
    pending: Reading | None = None
    """The last reading, if it waits for a second one to agree."""
    pending_at: float = 0.0
    """When that was heard, s."""
    proven: bool = False
    """Whether two readings agreed once: the key is, or was, right."""
    failures: int = 0
    """Failures since the last accepted reading."""
    failed: bytes | None = None
    """The last advertisement that counted as a failure."""
    failed_at: float = 0.0
    """When that counted, s."""

    @property
    def verdict(self) -> KeyVerdict:
        """Return what is known of the key."""
        lasts = not self.proven or self.failed_at - self.shown_at >= RIGHT_FOR_SECONDS
        if self.failures >= FAILURES_FOR_WRONG and lasts:
            return KeyVerdict.WRONG
        return KeyVerdict.UNKNOWN if self.shown is None else KeyVerdict.RIGHT


def fail(watch: KeyWatch, data: bytes, now: float) -> KeyWatch:
    """Count an advertisement of a known record that the key does not fit."""
    if data == watch.failed and now - watch.failed_at < REPEAT_SECONDS:
        return watch
    return replace(
        watch,
        pending=None,
        failures=watch.failures + 1,
        failed=data,
        failed_at=now,
    )


def persist(watch: KeyWatch, now: float) -> tuple[KeyWatch, Reading | Refusal]:
    """Accept a reading that waits, from a device that sends nothing else any more."""
    pending = watch.pending
    if pending is None or not watch.proven or now - watch.pending_at < REPEAT_SECONDS:
        return watch, Refusal.UNCONFIRMED
    watch = replace(
        watch,
        shown=pending,
        shown_at=now,
        earlier=watch.shown,
        earlier_at=watch.shown_at,
        pending=None,
        failures=0,
        failed=None,
    )
    return watch, pending


def accept(
    watch: KeyWatch, reading: Reading, judgement: Judgement, now: float
) -> tuple[KeyWatch, Reading | Refusal]:
    """Accept a reading that is possible, or wait for a second one that agrees."""
    shown, pending = watch.shown, watch.pending
    after = now - watch.shown_at
    agrees = False
    # Odd noise is not rare enough for less.
    strictly = judgement is Judgement.ODD
    # Set up anew, or one corrupt byte of the envelope: the next one tells.
    other_kind = shown is not None and shown.kind is not reading.kind
    if (
        watch.proven
        and judgement is not Judgement.ODD
        and not other_kind
        and (
            shown is None
            or not jumps(shown, reading, after)
            # A corrupt frame that slipped through must not cost the next good one.
            or (
                watch.earlier is not None
                and not jumps(watch.earlier, reading, now - watch.earlier_at)
            )
        )
    ):
        good = True
    elif (shown is not None and agree(shown, reading, after, strictly=strictly)) or (
        pending is not None
        and agree(pending, reading, now - watch.pending_at, strictly=strictly)
    ):
        good = agrees = True
    elif judgement is Judgement.ODD or watch.proven:
        good = False
    else:
        # The first: at once, unless several failures already spoke against the key.
        good = shown is None and watch.verdict is not KeyVerdict.WRONG
    if not good:
        return replace(watch, pending=reading, pending_at=now), Refusal.UNCONFIRMED
    watch = replace(
        watch,
        shown=reading,
        shown_at=now,
        earlier=shown,
        earlier_at=watch.shown_at,
        pending=None,
        proven=watch.proven or agrees,
        failures=0,
        failed=None,
    )
    return watch, reading
