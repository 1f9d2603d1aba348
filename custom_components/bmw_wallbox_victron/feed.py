"""One device that is heard by Bluetooth: how long it counts, and what of it is shown.

The clock is that of the event loop, in s; timers and times must agree on it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from .publish import Cancel, Publisher, Rule
from .readings import DeviceIdentity, DeviceState, Value

#: How often `last_heard` and `signal_strength` are written at most, in s.
_PACE_HEARD_S: Final = 60.0
#: The end of freshness is put off no more often than this, in s: it may be so late.
_PUT_OFF_S: Final = 1.0


class Feed:
    """Keeps the readings of one device, and decides what of them is shown."""

    def __init__(
        self,
        *,
        timeout_s: float,
        rules_of: Callable[[DeviceIdentity], Mapping[str, Rule]],
        now: Callable[[], float],
        utcnow: Callable[[], datetime],
        call_later: Callable[[float, Callable[[], None]], Cancel],
        on_news: Callable[[bool], None],
        identity: DeviceIdentity | None = None,
        began_at: float | None = None,
    ) -> None:
        """Initialize with how long a reading counts, in s.

        `identity`: what the device is, as it was stored. `began_at`: since when it is
        listened for, if that was before now. `on_news` is called with each new reading
        and at the end of freshness, and with whether that changed what is shown.
        """
        self.state = DeviceState(identity=identity or DeviceIdentity())
        """What is shown."""
        self.reading: Mapping[str, Value] = {}
        """Its last reading, exactly, also once it is not fresh any more."""
        self._timeout_s = timeout_s
        self._rules_of = rules_of
        self._now = now
        self._utcnow = utcnow
        self._call_later = call_later
        self._on_news = on_news
        self._rules: Mapping[str, Rule] = {}
        self._publisher = Publisher(now=now, call_later=call_later, on_due=self._on_due)
        self.read_at = float("-inf")
        """When it said that for the first time, in s."""
        self.stood_until = float("-inf")
        """When what it had said before was last heard, in s."""
        self._began_at = now() if began_at is None else began_at
        self._heard_at = float("-inf")
        self._shown_heard_at = float("-inf")
        self._put_off_at = float("-inf")
        self._cancel_silence: Cancel | None = None

    @property
    def heard_at(self) -> float:
        """Return when it was heard, in s; before that, when listening began."""
        never = self._heard_at == float("-inf")
        return self._began_at if never else self._heard_at

    def hear(
        self,
        identity: DeviceIdentity,
        values: Mapping[str, Value],
        *,
        age_s: float = 0.0,
        signal_strength: int | None = None,
    ) -> None:
        """Handle a reading that was heard `age_s` seconds ago."""
        now = self._now()
        heard_at = now - age_s
        if age_s >= self._timeout_s or heard_at < self._heard_at:
            return  # too old, or older than what is known
        last_heard_at, self._heard_at = self._heard_at, heard_at
        before = self.state
        anew = not before.fresh or identity != before.identity
        if anew:
            # What is shown next does not follow from what was shown before.
            self._rules = self._rules_of(identity)
            self._publisher.forget()
            self.reading = {}
            self._shown_heard_at = float("-inf")
        if anew or heard_at - self._put_off_at >= _PUT_OFF_S:
            self._put_off_silence(heard_at, now)
        state = before
        if anew:
            state = replace(state, identity=identity, fresh=True)
        if heard_at - self._shown_heard_at >= _PACE_HEARD_S:
            self._shown_heard_at = heard_at
            state = replace(
                state,
                last_heard=self._utcnow() - timedelta(seconds=age_s),
                signal_strength=signal_strength,
            )
        news = anew or values is not self.reading
        if news:
            # The same reading again has nothing new, and what waits has its timer.
            self.reading = values
            self.read_at, self.stood_until = heard_at, last_heard_at
            state = self._show(state)
        self._take(state, news=news)

    def set_timeout(self, timeout_s: float) -> None:
        """Set how long a reading counts, in s, also one that no longer did."""
        before, self._timeout_s = self._timeout_s, timeout_s
        now = self._now()
        if self.state.fresh:
            if timeout_s != before:
                self._put_off_silence(self._heard_at, now)
        elif now - self._heard_at < timeout_s:
            self._publisher.forget()
            self._put_off_silence(self._heard_at, now)
            self._take(self._show(replace(self.state, fresh=True)), news=True)

    def _show(self, state: DeviceState) -> DeviceState:
        """Return the state with what is worth showing of the reading."""
        if not self._publisher.take(self.reading, self._rules):
            return state
        return replace(state, values=self._publisher.values)

    def _on_due(self) -> None:
        """Show what has waited for its pace."""
        self._take(self._show(self.state), news=False)

    def _take(self, state: DeviceState, *, news: bool) -> None:
        """Set what is shown, and call `on_news` where anything is new."""
        shown = state is not self.state
        self.state = state
        if news or shown:
            self._on_news(shown)

    def _put_off_silence(self, heard_at: float, now: float) -> None:
        """Restart the timer that ends freshness."""
        if self._cancel_silence is not None:
            self._cancel_silence()
        self._put_off_at = heard_at
        end = heard_at + self._timeout_s + _PUT_OFF_S
        self._cancel_silence = self._call_later(max(0.0, end - now), self._on_silence)

    def _on_silence(self) -> None:
        """End freshness: show no reading any more."""
        self._cancel_silence = None
        self._publisher.close()
        silent_s = max(0.0, self._now() - self._heard_at)
        self._take(
            replace(
                self.state,
                fresh=False,
                values={},
                last_heard=self._utcnow() - timedelta(seconds=silent_s),
            ),
            news=True,
        )

    def close(self) -> None:
        """Stop all timers."""
        self._publisher.close()
        if self._cancel_silence is not None:
            self._cancel_silence()
            self._cancel_silence = None
