"""What energy costs: other integrations' entities and actions -> prices over time."""

import asyncio
from collections.abc import Callable
from datetime import date, timedelta
import logging
from typing import Final

from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util

from .charging.price_actions import PRICE_ACTIONS, PriceAction
from .charging.price_shapes import (
    PricesNotUnderstoodError,
    read_prices,
    read_response,
)
from .charging.prices import (
    Prices,
    merged,
    price_at,
    without_after,
    without_before,
)
from .entity_numbers import unit_of
from .problem import Problem, Problems
from .publish import Cancel

_LOGGER = logging.getLogger(__name__)

#: An action is asked again so often, in s, for what is not known yet; and it is looked
#: as often whether prices are missing.
_ASK_S: Final = 900.0
#: Who tells prices may start later than we do, by so much, in s.
_LATE_S: Final = 120.0
#: It is waited for so long, in s.
_PATIENCE_S: Final = 60.0
#: Prices of tomorrow are published after noon: before that they are not asked for.
_PUBLISHED_HOUR: Final = 12
#: And from then on they are missing.
_OVERDUE_HOUR: Final = 18
#: So much is said of why an action failed.
_MOST_SAID: Final = 200
#: Prices of the past are known for so long: energy may be told of late, and few sources
#: tell yesterday's.
_KEPT: Final = timedelta(days=7)


class SitePrices:
    """Follows who tells the prices of energy."""

    def __init__(
        self,
        hass: HomeAssistant,
        *,
        problems: Problems,
        call_later: Callable[[float, Callable[[], None]], Cancel],
        on_change: Callable[[], None],
    ) -> None:
        """Initialize without anybody to follow; `on_change`: prices are new."""
        self._hass = hass
        self._problems = problems
        self._call_later = call_later
        self._on_change = on_change
        self._source: str | None = None
        self._unsubscribe: Cancel | None = None
        self._stop: Cancel | None = None
        self._fault = ""
        """Why an action failed the last time."""
        self._missed = False
        """Whether prices were missing the last time that it was looked."""
        self.awaited_until: float | None = None
        """Until when they may come at first, by the loop's clock, in s; None: they
        have come, or cannot be read, or nobody tells any."""
        self.prices: Prices = ()
        """What a kWh costs, of late and as far ahead as is known."""

    @callback
    def async_follow(self, source: str | None) -> None:
        """Follow an entity, or the config entry of an integration with an action."""
        if source == self._source:
            return
        self.async_stop()
        if self._source is not None:
            self._problems.withdraw(Problem.PRICES_UNREADABLE, self._source)
            self._problems.withdraw(Problem.PRICES_MISSING, self._source)
        # What a source told before of the past stays true when it is removed.
        self.prices = without_after(self.prices, dt_util.utcnow())
        self._source, self._fault, self._missed = source, "", False
        self.awaited_until = None
        if source is None:
            return
        self.awaited_until = self._hass.loop.time() + _LATE_S
        if self._action is not None or "." not in source:
            self._ask_soon(0.0)
            return
        self._unsubscribe = async_track_state_change_event(
            self._hass, source, self._on_entity
        )
        self._read_entity()
        self._look_soon()

    @callback
    def async_stop(self) -> None:
        """Follow nobody any more."""
        for stop in (self._unsubscribe, self._stop):
            if stop is not None:
                stop()
        self._unsubscribe = self._stop = None

    # An entity

    @callback
    def _on_entity(self, _: Event[EventStateChangedData]) -> None:
        """Read what an entity says now."""
        self._read_entity()

    @callback
    def _look_soon(self) -> None:
        """Look now and then whether an entity still tells prices."""

        @callback
        def look() -> None:
            self._look()
            self._look_soon()

        self._stop = self._call_later(_ASK_S, look)

    @callback
    def _read_entity(self) -> None:
        """Read the prices of an entity; those of before stay while it is away."""
        source = self._source or ""
        state = self._hass.states.get(source)
        if state is None or state.state == STATE_UNAVAILABLE:
            return
        try:
            newer = read_prices(
                state.attributes,
                unit=unit_of(state),
                time_zone=dt_util.get_default_time_zone(),
                today=dt_util.now().date(),
            )
        except PricesNotUnderstoodError as err:
            if state.state != STATE_UNKNOWN:
                self._refuse(source, err)
            return
        self._take(source, newer)

    # An action

    @property
    def _action(self) -> PriceAction | None:
        """The action of the config entry that is followed; None: it has none."""
        entry = self._hass.config_entries.async_get_entry(self._source or "")
        return None if entry is None else PRICE_ACTIONS.get(entry.domain)

    @callback
    def _ask_soon(self, delay_s: float) -> None:
        """Ask an action after so many seconds, for what is not known by then."""

        @callback
        def ask() -> None:
            asking = self._hass.async_create_task(
                self._ask(), "Prices of energy", eager_start=False
            )

            def stop() -> None:
                asking.cancel()

            self._stop = stop

        self._stop = self._call_later(delay_s, ask)

    async def _ask(self) -> None:
        """Ask for the days that are not known yet, and again later."""
        source, action = self._source, self._action
        days = [self._day()]
        if dt_util.now().hour >= _PUBLISHED_HOUR:
            days.append(self._day(1))
        for day in days:
            if action is None or self._is_known(day):
                continue
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    response = await self._hass.services.async_call(
                        action.domain,
                        action.service,
                        dict(action.data(source or "", day)),
                        blocking=True,
                        return_response=True,
                    )
            except Exception as err:  # noqa: BLE001 - each fails in its own way
                _LOGGER.debug("No prices of %s from %s: %r", day, action.domain, err)
                self._fault = f"{type(err).__name__}: {err}"[:_MOST_SAID]
                continue
            if source != self._source:
                return
            self._fault = ""
            self._read_response(source or "", response, action)
        if source == self._source:
            self._look()
            self._ask_soon(_ASK_S)

    def _day(self, ahead: int = 0) -> date:
        """Return today, or a day after it."""
        return dt_util.now().date() + timedelta(days=ahead)

    def _is_known(self, day: date) -> bool:
        """Return whether the prices of a day are known: that of its noon is."""
        noon = dt_util.start_of_local_day(day) + timedelta(hours=12)
        return price_at(self.prices, noon) is not None

    @callback
    def _read_response(
        self, source: str, response: object, action: PriceAction
    ) -> None:
        """Read the response of an action; one without a price tells nothing yet."""
        try:
            newer = read_response(
                response,
                unit=action.unit,
                time_zone=dt_util.get_default_time_zone(),
            )
        except PricesNotUnderstoodError as err:
            self._refuse(source, err)
            return
        if newer:
            self._take(source, newer)

    # Either

    @property
    def _missing(self) -> bool:
        """Whether there are no prices where there should be some."""
        return price_at(self.prices, dt_util.utcnow()) is None or (
            self._action is not None
            and dt_util.now().hour >= _OVERDUE_HOUR
            and not self._is_known(self._day(1))
        )

    def _look(self) -> None:
        """Report whether prices are missing: not at once, they may be about to come."""
        source, missed = self._source or "", self._missed
        self._missed = self._missing
        if not self._missed:
            self._problems.resolve(Problem.PRICES_MISSING, source)
        elif missed and not self._problems.is_open(Problem.PRICES_UNREADABLE, source):
            found = self._fault or "-"
            self._problems.report(Problem.PRICES_MISSING, source, found=found)

    def _refuse(self, source: str, err: PricesNotUnderstoodError) -> None:
        """Report that prices are in a shape that nobody understands."""
        self.awaited_until = None
        self._problems.report(Problem.PRICES_UNREADABLE, source, found=err.found)

    def _take(self, source: str, newer: Prices) -> None:
        """Take prices that were read."""
        self.awaited_until = None
        self._problems.resolve(Problem.PRICES_UNREADABLE, source)
        prices = without_before(merged(self.prices, newer), dt_util.utcnow() - _KEPT)
        if prices != self.prices:
            self.prices = prices
            if not self._missing:
                self._look()
            self._on_change()
