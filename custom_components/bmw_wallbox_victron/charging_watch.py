"""Wallboxes, meters, prices and time -> the limit of each wallbox."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time
import logging
import math
from typing import Any, Final, TypedDict, Unpack

from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .charging.brain import Brain, Outcome
from .charging.inputs import Box, House
from .charging.prices import Prices
from .charging.receipt import Receipt, Tariff
from .charging.settings import ChargingMode, HouseSettings
from .charging.status import ChargingStatus
from .charging_settings import house_entities_of, house_settings_of, tells_of
from .const import CONF_PRICE
from .problem import Problem, Problems
from .publish import Cancel
from .site_meters import LimitUnit, SiteMeters
from .site_prices import SitePrices
from .wallbox import remote_control, transitions
from .wallbox.box import box_of
from .wallbox.errors import CommandError
from .wallbox.state import WallboxState
from .wallbox.station import Station

_LOGGER = logging.getLogger(__name__)

#: Decisions follow each other no faster than this, in s: messages come in bursts.
_PACE_S: Final = 0.1


#: After a bug of ours it is tried again so often, in s.
_RETRY_S: Final = 10.0


class SettingChanges(TypedDict, total=False):
    """What of `ChargingSettings` an owner changes."""

    charging_mode: ChargingMode
    target_energy: float
    ready_by: time
    start_at: datetime | None
    plan: bool


class ChargingWatch:
    """Keeps the limit of each wallbox what it is to be."""

    def __init__(
        self,
        hass: HomeAssistant,
        stations: Mapping[str, Station],
        *,
        problems: Problems,
        call_later: Callable[[float, Callable[[], None]], Cancel],
        shown: Callable[[str], WallboxState | None],
        on_change: Callable[[], None],
    ) -> None:
        """Initialize with the wallboxes, by charge point id.

        `shown`: what is shown of one of them, which is on the disk. `on_change`: what
        is shown of charging changed.
        """
        self._shown = shown
        self._hass = hass
        self._stations = stations
        self._problems = problems
        self._call_later = call_later
        self._on_change = on_change
        self._brain = Brain(dt_util.get_default_time_zone())
        self._meters = SiteMeters(hass, self.look)
        self._prices = SitePrices(
            hass,
            problems=problems,
            call_later=call_later,
            on_change=self._on_prices,
        )
        self._settings = HouseSettings()
        self._looked_at = -math.inf
        self._due = math.inf
        self._cancel: Cancel | None = None
        self._deciding = False
        self._failed = False
        self._stopped = True
        self._silent: frozenset[str] = frozenset()
        self._has_prices = False
        self.house = House()
        """What the house measures."""
        self.statuses: Mapping[str, ChargingStatus] = {}
        """What is shown of each wallbox, by charge point id."""
        self.tells: frozenset[str] = frozenset()
        """The keys of the entities that what is configured brings."""

    @callback
    def async_configure(self, options: Mapping[str, Any]) -> None:
        """Follow what is set by the options, from now on."""
        self._stopped = False
        self._settings = house_settings_of(options)
        entities = house_entities_of(options)
        phases = [phase for phase, _ in entities.house_currents]
        self._brain.configure(self._settings, phases)
        self._meters.async_follow(entities)
        self._prices.async_follow(options.get(CONF_PRICE))
        self._has_prices = CONF_PRICE in options
        self._on_prices()
        before, self.tells = self.tells, tells_of(options)
        if self.tells != before:
            self._on_change()

    @callback
    def async_stop(self) -> None:
        """Stop following, and all timers."""
        self._stopped = True
        self._meters.async_stop()
        self._prices.async_stop()
        self._look_again(math.inf, 0.0)

    @callback
    def _on_prices(self) -> None:
        """Take what energy costs now."""
        tariff = Tariff(
            prices=self.prices,
            fixed_price=self._settings.fixed_price,
            feed_in_price=self._settings.feed_in_price,
            awaited=self._has_prices,
        )
        for station in self._stations.values():
            station.set_tariff(tariff)
        self._decide()

    @property
    def prices(self) -> Prices:
        """What energy costs, as far as that is known."""
        return self._prices.prices

    # What an owner sets

    @callback
    def set(self, station: Station, **changes: Unpack[SettingChanges]) -> None:
        """Change what is set for a wallbox."""
        settings = replace(station.state.target.charging, **changes)
        if changes.keys() & {"ready_by", "plan"}:
            settings = replace(settings, planned_from=dt_util.utcnow())
        station.update(
            transitions.target_set(station.state, {"charging": settings}), look=True
        )
        self._decide()

    @callback
    def cancel_start(self, station: Station) -> None:
        """Forget the moment that charging waits for, if there is one."""
        if station.state.target.charging.start_at is not None:
            self.set(station, start_at=None)

    @callback
    def started(self, station: Station) -> None:
        """Take note that an owner has charging start now: nothing waits any more.

        A session whose target was reached goes on.
        """
        self.cancel_start(station)
        settings, active = station.state.target.charging, station.state.active
        if active is None or not (
            0 < settings.target_energy * 1000 <= active.energy.counted_wh
        ):
            return
        record = replace(active.record, waived=settings.target_energy)
        active = replace(active, record=record)
        station.update(replace(station.state, transaction=active))
        self._decide()

    # Time, readings and states

    @callback
    def look(self) -> None:
        """Decide again, because something was heard; now, but at a pace."""
        if not self._stopped and not self._deciding:
            now = self._hass.loop.time()
            self._look_again(max(now, self._looked_at + _PACE_S), now)

    @callback
    def _look_again(self, due: float, now: float) -> None:
        """Set a timer for what is due first; an earlier one may stay."""
        if self._cancel is not None:
            if self._due <= due < math.inf:
                return
            self._cancel()
            self._cancel = None
        self._due = due
        if due < math.inf:
            self._cancel = self._call_later(max(0.0, due - now), self._on_due)

    @callback
    def _on_due(self) -> None:
        """Decide, because it is time."""
        self._cancel, self._due = None, math.inf
        self._decide()

    @callback
    def _decide(self) -> None:
        """Decide on all limits, and have the wallboxes told."""
        if self._stopped or self._deciding:
            return
        self._deciding = True
        now = self._looked_at = self._hass.loop.time()
        try:
            outcomes, due = self._step(now)
        except Exception:  # a bug of ours must not leave a fuse unwatched
            if not self._failed:
                _LOGGER.exception("Limits cannot be decided on; it is tried again")
            self._failed = True
            self._play_safe()
            self._look_again(now + _RETRY_S, now)
            return
        finally:
            self._deciding = False
        self._failed = False
        self._look_again(due, now)
        statuses = {
            key: _status(outcome, self._shown(key) or WallboxState())
            for key, outcome in outcomes.items()
        }
        if statuses != self.statuses:
            self.statuses = statuses
            self._on_change()

    def _step(self, now: float) -> tuple[dict[str, Outcome], float]:
        """Decide, tell the wallboxes, and return when to look again at the latest."""
        self._allow_what_waited()
        self._brain.set_time_zone(dt_util.get_default_time_zone())
        boxes = [box_of(each, self._settings) for each in self._stations.values()]
        self.house = self._house(now)
        self._tell_grid(boxes, self.house, now)
        awaited_until = self._prices.awaited_until or now
        outcomes, due = self._brain.step(
            boxes,
            self.house,
            None if now < awaited_until else self.prices,
            now=now,
            wall=dt_util.utcnow(),
        )
        for charge_point_id, outcome in outcomes.items():
            self._tell(self._stations[charge_point_id], outcome)
        due = math.inf if due is None else due
        return outcomes, min(due, awaited_until) if now < awaited_until else due

    def _play_safe(self) -> None:
        """Give no more than is safe, where somebody counts on being watched."""
        if self._settings.main_fuse_a is None and not self._meters.has_external_limit:
            return
        for station in self._stations.values():
            cap_a = station.state.cap_a
            safe_a = self._settings.safe_current_a
            station.cap(safe_a if cap_a is None else min(cap_a, safe_a), forced=True)

    def _tell_grid(self, boxes: Sequence[Box], house: House, now: float) -> None:
        """Tell the receipts where the energy of now comes from."""
        import_w, stands_s = None, 0.0
        if house.grid is not None:
            import_w, reported_at = house.grid
            stands_s = max(reported_at + self._settings.meter_timeout_s - now, 0.0)
        drawn_w = sum(box.power_w or 0.0 for box in boxes)
        for box in boxes:
            self._stations[box.key].grid_heard(
                import_w,
                others_w=drawn_w - (box.power_w or 0.0),
                stands_s=stands_s,
            )

    def _tell(self, station: Station, outcome: Outcome) -> None:
        """Have a wallbox do what was decided."""
        station.cap(outcome.cap_a, forced=outcome.forced)
        active = station.state.active
        if active is not None and outcome.record != active.record:
            active = replace(active, record=outcome.record)
            station.update(replace(station.state, transaction=active))

    def _allow_what_waited(self) -> None:
        """Let those cars charge that were to wait until now."""
        wall = dt_util.utcnow()
        for station in self._stations.values():
            settings = station.state.target.charging
            if settings.start_at is not None and settings.start_at <= wall:
                settings = replace(settings, start_at=None)
                station.update(
                    transitions.target_set(station.state, {"charging": settings})
                )
                self._hass.async_create_task(
                    self._allow(station), f"Start of {station.config.charge_point_id}"
                )

    async def _allow(self, station: Station) -> None:
        """Let a car charge at the time that was set."""
        try:
            await remote_control.allow(station, True)
        except CommandError as err:
            # It is allowed all the same, and the wallbox is told as soon as it can be.
            _LOGGER.debug(
                "Wallbox %s does not start: %s", station.config.charge_point_id, err.key
            )

    def _house(self, now: float) -> House:
        """Return what the house measures."""
        meters = self._meters
        grid, limit = meters.grid_power, meters.external_limit
        amps, watts = None, None
        if limit is not None and limit.unit is LimitUnit.AMPERE:
            amps = limit.value
        elif limit is not None:
            watts = limit.value
        self._report_silence(now)
        return House(
            currents={
                phase: None if reading is None else (reading.value, reading.at)
                for phase, reading in meters.house_currents.items()
            },
            grid=None if grid is None else (grid.value, grid.at),
            external_a=amps,
            external_w=watts,
            external_unknown=meters.has_external_limit and limit is None,
        )

    def _report_silence(self, now: float) -> None:
        """Report which meters say nothing, and which do again."""
        timeout_s = self._settings.meter_timeout_s
        silent = self._meters.silent(now - timeout_s)
        for entity_id in silent:
            self._problems.report(
                Problem.METER_SILENT,
                entity_id,
                expected=True,
                timeout=f"{timeout_s:.0f}",
            )
        for entity_id in self._silent - silent:
            self._problems.resolve(Problem.METER_SILENT, entity_id)
        self._silent = silent


def _status(outcome: Outcome, state: WallboxState) -> ChargingStatus:
    """Return what is shown of a wallbox."""
    decision, plan = outcome.decision, outcome.plan
    receipt = Receipt() if state.transaction is None else state.transaction.receipt
    return ChargingStatus(
        limit_a=decision.limit_a,
        reason=decision.reason,
        message=decision.message,
        until=decision.until,
        car_asleep=outcome.asleep,
        cost=receipt.cost,
        solar_share=receipt.solar_share,
        plan=() if plan is None or state.active is None else plan.slots,
    )
