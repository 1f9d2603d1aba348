"""Triggers for the automation editor."""

from abc import abstractmethod
from asyncio import Task
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, override

from homeassistant.components.event import ATTR_EVENT_TYPE
from homeassistant.const import (
    CONF_OPTIONS,
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    Platform,
)
from homeassistant.core import (
    CALLBACK_TYPE,
    Context,
    CoreState,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.automation import DomainSpec
from homeassistant.helpers.target import (
    TargetStateChangedData,
    async_track_target_selector_state_change_event,
)
from homeassistant.helpers.trigger import (
    ENTITY_STATE_TRIGGER_SCHEMA,
    EntityTriggerBase,
    NotTriggeredReasonReporter,
    Trigger,
    TriggerActionRunner,
    TriggerConfig,
    TriggerNotTriggeredReporter,
)
from homeassistant.util import dt as dt_util
import voluptuous as vol

from .battery.power_source import PowerSource
from .battery.status import Status
from .charging.settings import LimitReason
from .targets import (
    BATTERY_SCHEMA,
    BATTERY_TARGET,
    FOR,
    NOTHING_CHOSEN,
    BatterySource,
    Source,
    WallboxSource,
)
from .wallbox.sessions import SessionEventType

CONF_FROM: Final = "from"
CONF_TO: Final = "to"

#: Unknown is no source that power comes from: nothing changes to it or from it.
POWER_SOURCES: Final = tuple(
    source.value for source in PowerSource if source is not PowerSource.UNKNOWN
)
#: After a start the battery's devices and plug are heard one after the other: for so
#: long what is first known of it may turn out otherwise without having changed.
SETTLING: Final = timedelta(seconds=60)
#: The attributes of the session event besides its type.
SESSION_VARIABLES: Final = ("energy", "duration", "reason")

_POWER_SOURCES: Final = vol.All(cv.ensure_list, [vol.In(POWER_SOURCES)])
_POWER_SOURCE_SCHEMA: Final = vol.Schema(
    {
        **BATTERY_TARGET,
        vol.Required(CONF_OPTIONS, default={}): {
            vol.Optional(CONF_FROM): _POWER_SOURCES,
            vol.Optional(CONF_TO): _POWER_SOURCES,
            **FOR,
        },
    }
)


class _SiteTrigger(EntityTriggerBase):
    """Compares a state with the last one that was known.

    While an entity is unavailable it does not trigger; what happened meanwhile
    triggers once it is back. The first state known after a start is no change.
    """

    _source: ClassVar[Source]
    _nothing_known: ClassVar[frozenset[str]] = frozenset(
        {STATE_UNAVAILABLE, STATE_UNKNOWN}
    )
    """States in which nothing is known."""
    _excluded_from_states: ClassVar[frozenset[str]] = frozenset()
    _settling: ClassVar[timedelta] = timedelta(0)
    """For how long after the first state that is known it does not trigger."""

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Initialize the trigger with its entities, of those that are targeted."""
        self._is_chosen = bool(config.target)
        super().__init__(hass, replace(config, target=config.target or NOTHING_CHOSEN))
        self._domain_specs = {self._source.platform: DomainSpec()}
        self._settled: dict[str, State] = {}
        """The state that a change is counted from, once an entity was away."""
        self._known_since: dict[str, datetime] = {}
        """When the first state became known, where that was seen."""
        self._started_at: datetime | None = None
        """When it was attached by a start of Home Assistant; None: later."""

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Return the source's entities."""
        return self._source.find(self._hass, entities if self._is_chosen else None)

    @override
    async def async_attach_runner(
        self,
        run_action: TriggerActionRunner,
        did_not_trigger: TriggerNotTriggeredReporter | None = None,
    ) -> CALLBACK_TYPE:
        """Remember states as long as the automation is on."""

        @callback
        def run(
            extra_trigger_payload: dict[str, Any],
            description: str,
            context: Context | None = None,
        ) -> Task[Any]:
            """Run the action with the last state that was known before the change."""
            before = self._last_known(extra_trigger_payload["from_state"])
            variables = self._variables(extra_trigger_payload["to_state"])
            return run_action(
                {**extra_trigger_payload, "from_state": before, **variables},
                description,
                context,
            )

        if self._hass.state is not CoreState.running:
            self._started_at = dt_util.utcnow()
        stop_remembering = await async_track_target_selector_state_change_event(
            self._hass,
            self._target,
            self._remember,
            self.entity_filter,
            primary_entities_only=self._primary_entities_only,
        )
        detach = await super().async_attach_runner(run, did_not_trigger)

        @callback
        def remove() -> None:
            stop_remembering()
            detach()

        return remove

    @callback
    def _remember(self, data: TargetStateChangedData) -> None:
        """Remember the state that ends here."""
        change = data.state_change_event.data
        entity_id, old, new = (
            change["entity_id"],
            change["old_state"],
            change["new_state"],
        )
        if new is None:
            self._settled.pop(entity_id, None)
            self._known_since.pop(entity_id, None)
        elif (
            old is None or old.state in self._nothing_known
        ) and entity_id not in self._settled:
            if new.state not in self._nothing_known:
                self._known_since[entity_id] = new.last_changed
        elif old is not None and old.state not in {*self._nothing_known, new.state}:
            # What has not lasted for as long as asked is not told yet: when the entity
            # comes back with it, that is still to be done.
            untold = (
                self._duration is not None
                and self._is_awaited(old)
                and new.last_changed - old.last_changed < self._duration
            )
            if not untold or entity_id not in self._settled:
                self._settled[entity_id] = old

    def _last_known(self, state: State) -> State | None:
        """Return the state, or the last before it that was known."""
        if state.state in self._nothing_known:
            return self._settled.get(state.entity_id)
        return state

    @override
    def is_valid_transition(self, from_state: State, to_state: State) -> bool:
        """Return whether something happened since the last known state."""
        before = self._last_known(from_state)
        if before is None or not self._happened(before, to_state):
            return False
        known_since = self._known_since.get(to_state.entity_id, self._started_at)
        return (
            known_since is None or to_state.last_changed - known_since >= self._settling
        )

    @override
    def is_valid_state(
        self, state: State, report_not_triggered: NotTriggeredReasonReporter
    ) -> bool:
        """Return whether a known state is one that is waited for."""
        return self._is_awaited(state)

    @abstractmethod
    def _is_awaited(self, state: State) -> bool:
        """Return whether a state is one that is waited for."""

    @abstractmethod
    def _happened(self, before: State, now: State) -> bool:
        """Return whether something happened between two known states."""

    def _variables(self, _: State) -> dict[str, Any]:
        """Return more variables of the trigger."""
        return {}


class PowerSourceChangedTrigger(_SiteTrigger):
    """The battery's power comes from another source."""

    _settling = SETTLING
    _source = BatterySource(Platform.SENSOR, "power_source")
    _schema = _POWER_SOURCE_SCHEMA

    @override
    def _is_awaited(self, state: State) -> bool:
        """Return whether it is one of those that were chosen; none chosen: any."""
        return state.state in (self._options.get(CONF_TO) or POWER_SOURCES)

    @override
    def _happened(self, before: State, now: State) -> bool:
        """Return whether it was another one, of those that were chosen."""
        return before.state != now.state and before.state in (
            self._options.get(CONF_FROM) or POWER_SOURCES
        )


class _BecameTrigger(_SiteTrigger):
    """Triggers when an entity gets one of some states from another one."""

    _states: ClassVar[frozenset[str]]

    @override
    def _is_awaited(self, state: State) -> bool:
        """Return whether it is so."""
        return state.state in self._states

    @override
    def _happened(self, before: State, now: State) -> bool:
        """Return whether it was not."""
        return before.state not in self._states


class BatteryBecameLowTrigger(_BecameTrigger):
    """The battery became low, or at once critical: not by recovering from that."""

    _settling = SETTLING
    _source = BatterySource(Platform.SENSOR, "status")
    _schema = BATTERY_SCHEMA
    _states = frozenset({Status.LOW, Status.CRITICAL})


class BatteryBecameCriticalTrigger(_BecameTrigger):
    """The battery became critical."""

    _settling = SETTLING
    _source = BatterySource(Platform.SENSOR, "status")
    _schema = BATTERY_SCHEMA
    _states = frozenset({Status.CRITICAL})


class BatteryDrainingFastTrigger(_BecameTrigger):
    """The battery's voltage began to fall fast."""

    _settling = SETTLING
    _source = BatterySource(Platform.BINARY_SENSOR, "draining_fast")
    _schema = BATTERY_SCHEMA
    _states = frozenset({STATE_ON})


class LimitNotEnforcedTrigger(_BecameTrigger):
    """A wallbox does not keep the target."""

    _source = WallboxSource(Platform.BINARY_SENSOR, "limit_not_enforced")
    _states = frozenset({STATE_ON})


class CarAsleepTrigger(_BecameTrigger):
    """A car may charge, and does not take it up."""

    _source = WallboxSource(Platform.BINARY_SENSOR, "car_asleep")
    _states = frozenset({STATE_ON})


class TargetReachedTrigger(_BecameTrigger):
    """A session has the energy that was set as its target."""

    _source = WallboxSource(Platform.SENSOR, "limit_reason")
    _states = frozenset({LimitReason.TARGET_REACHED})


class _SessionTrigger(_SiteTrigger):
    """Triggers on an event of a charging session."""

    _source = WallboxSource(Platform.EVENT, "session")
    _schema = ENTITY_STATE_TRIGGER_SCHEMA
    # Unknown is known: there was no event yet.
    _nothing_known = frozenset({STATE_UNAVAILABLE})
    _event_type: ClassVar[SessionEventType]

    @override
    def _is_awaited(self, state: State) -> bool:
        """Return whether that is what is waited for."""
        return state.attributes.get(ATTR_EVENT_TYPE) == self._event_type

    @override
    def _happened(self, before: State, now: State) -> bool:
        """Return whether this is a new event: the state is the time of the last one."""
        return before.state != now.state

    @override
    def _variables(self, state: State) -> dict[str, Any]:
        """Return the event's attributes: energy in kWh, duration in s, reason."""
        return {name: state.attributes.get(name) for name in SESSION_VARIABLES}


class SessionStartedTrigger(_SessionTrigger):
    """A charging session started."""

    _event_type = SessionEventType.STARTED


class SessionEndedTrigger(_SessionTrigger):
    """A charging session ended."""

    _event_type = SessionEventType.ENDED


TRIGGERS: Final[dict[str, type[Trigger]]] = {
    "power_source_changed": PowerSourceChangedTrigger,
    "battery_became_low": BatteryBecameLowTrigger,
    "battery_became_critical": BatteryBecameCriticalTrigger,
    "battery_draining_fast": BatteryDrainingFastTrigger,
    "session_started": SessionStartedTrigger,
    "session_ended": SessionEndedTrigger,
    "limit_not_enforced": LimitNotEnforcedTrigger,
    "car_asleep": CarAsleepTrigger,
    "target_reached": TargetReachedTrigger,
}


async def async_get_triggers(hass: HomeAssistant) -> dict[str, type[Trigger]]:
    """Return the triggers."""
    return TRIGGERS
