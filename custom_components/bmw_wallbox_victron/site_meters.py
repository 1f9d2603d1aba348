"""What the house measures: Home Assistant's entities -> readings with their age.

How old a reading is depends on when it was last reported, not on when it changed: many
meters report the same again and again. It ages by a clock that is never set.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from homeassistant.const import (
    STATE_OFF,
    STATE_ON,
    UnitOfElectricCurrent,
    UnitOfPower,
)
from homeassistant.core import (
    Event,
    EventStateChangedData,
    EventStateReportedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers.event import (
    async_track_state_change_event,
    async_track_state_report_event,
)
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import (
    ElectricCurrentConverter,
    PowerConverter,
)

from .charging_settings import HouseEntities
from .entity_numbers import number_in, unit_of

#: What all wallboxes together may draw while their grid operator limits them, in W
#: (German Energy Industry Act, section 14a).
LIMITED_W: Final = 4200.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What an entity said."""

    value: float
    """The number, in the unit that is asked for."""
    at: float
    """When it was last reported, by the steady clock, in s."""


class LimitUnit(StrEnum):
    """What an external limit limits."""

    AMPERE = "A"
    WATT = "W"


@dataclass(frozen=True, slots=True)
class ExternalLimit:
    """What all wallboxes together may draw."""

    value: float | None
    """How much; None: there is no limit now."""
    unit: LimitUnit
    """A on each phase, or W."""


class SiteMeters:
    """Follows the entities that measure the house."""

    def __init__(self, hass: HomeAssistant, on_report: Callable[[], None]) -> None:
        """Initialize without entities; `on_report`: something was reported."""
        self._hass = hass
        self._on_report = on_report
        self._entities = HouseEntities()
        self._reported_at: dict[str, float] = {}
        """When each was last reported, by the steady clock, in s."""
        self._stop: list[Callable[[], None]] = []

    @callback
    def async_follow(self, entities: HouseEntities) -> None:
        """Follow these entities from now on."""
        if entities == self._entities:
            return
        self.async_stop()
        self._entities = entities
        followed = entities.all
        known = {
            entity_id: at
            for entity_id, at in self._reported_at.items()
            if entity_id in followed
        }
        self._reported_at = known
        if not followed:
            return
        if self._hass.is_running:
            # What is there while Home Assistant starts may be of before: restored.
            for entity_id in followed:
                if (state := self._hass.states.get(entity_id)) is not None:
                    known.setdefault(entity_id, self._reported(state))
        self._stop = [
            async_track_state_change_event(self._hass, followed, self._on_change),
            async_track_state_report_event(self._hass, followed, self._on_same),
        ]

    @callback
    def async_stop(self) -> None:
        """Follow nothing any more."""
        for stop in self._stop:
            stop()
        self._stop = []

    def _reported(self, state: State) -> float:
        """Return when a state that was there before was reported, by steady clock."""
        age = (dt_util.utcnow() - state.last_reported).total_seconds()
        return self._hass.loop.time() - max(age, 0.0)

    @callback
    def _on_change(self, event: Event[EventStateChangedData]) -> None:
        """Take another reading."""
        self._note(event.data["entity_id"])

    @callback
    def _on_same(self, event: Event[EventStateReportedData]) -> None:
        """Take the same reading again."""
        self._note(event.data["entity_id"])

    @callback
    def _note(self, entity_id: str) -> None:
        self._reported_at[entity_id] = self._hass.loop.time()
        self._on_report()

    # What they say

    @property
    def house_currents(self) -> dict[int, Reading | None]:
        """Current of the whole house, A, by phase; None: there is no reading."""
        found: dict[int, Reading | None] = {}
        for phase, entity_id in self._entities.house_currents:
            amps = number_in(
                self._hass.states.get(entity_id),
                ElectricCurrentConverter,
                UnitOfElectricCurrent.AMPERE,
            )
            at = self._reported_at.get(entity_id)
            found[phase] = (
                None if amps is None or at is None else Reading(abs(amps), at)
            )
        return found

    @property
    def grid_power(self) -> Reading | None:
        """What comes from the grid, W; below 0 goes to it. None: no reading."""
        entities = self._entities
        if entities.grid_power is None:
            return None
        power = self._watts(entities.grid_power)
        at = self._reported_at.get(entities.grid_power)
        if power is None or at is None:
            return None
        if entities.grid_power_inverted:
            power = -power
        if entities.grid_export is not None:
            exported = self._watts(entities.grid_export)
            exported_at = self._reported_at.get(entities.grid_export)
            if exported is None or exported_at is None:
                return None
            # A meter that reports changes alone leaves one of the two at 0 for hours.
            power, at = power - abs(exported), max(at, exported_at)
        return Reading(power, at)

    def _watts(self, entity_id: str) -> float | None:
        """Return an entity's power, in W."""
        state = self._hass.states.get(entity_id)
        return number_in(state, PowerConverter, UnitOfPower.WATT)

    @property
    def external_limit(self) -> ExternalLimit | None:
        """The external limit; None: it has no value that could be read."""
        entity_id = self._entities.external_limit
        state = None if entity_id is None else self._hass.states.get(entity_id)
        if state is None:
            return None
        if state.state == STATE_ON:
            return ExternalLimit(LIMITED_W, LimitUnit.WATT)
        if state.state == STATE_OFF:
            return ExternalLimit(None, LimitUnit.WATT)
        if unit_of(state) in PowerConverter.VALID_UNITS:
            unit, watts = (
                LimitUnit.WATT,
                number_in(state, PowerConverter, UnitOfPower.WATT),
            )
            return None if watts is None else ExternalLimit(max(watts, 0.0), unit)
        amps = number_in(state, ElectricCurrentConverter, UnitOfElectricCurrent.AMPERE)
        return None if amps is None else ExternalLimit(max(amps, 0.0), LimitUnit.AMPERE)

    @property
    def has_external_limit(self) -> bool:
        """Whether an external limit is configured."""
        return self._entities.external_limit is not None

    def silent(self, before: float) -> frozenset[str]:
        """Return the meters that have reported nothing since then, in s.

        One that has no value says nothing, too.
        """
        found = {
            entity_id
            for phase, entity_id in self._entities.house_currents
            if (reading := self.house_currents[phase]) is None or reading.at <= before
        }
        grid = self._entities.grid_power
        if grid is not None and (
            (reading := self.grid_power) is None or reading.at <= before
        ):
            found.add(grid)
        if self._entities.external_limit and self.external_limit is None:
            found.add(self._entities.external_limit)
        return frozenset(found)
