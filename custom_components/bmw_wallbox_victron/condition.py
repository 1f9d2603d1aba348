"""Conditions for the automation editor."""

from dataclasses import replace
from typing import ClassVar, Final, override

from homeassistant.const import CONF_OPTIONS, STATE_ON, Platform
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers.automation import DomainSpec
from homeassistant.helpers.condition import (
    ATTR_BEHAVIOR,
    BEHAVIOR_ANY,
    Condition,
    ConditionConfig,
    EntityConditionBase,
)
import voluptuous as vol

from .targets import (
    BATTERY_SCHEMA,
    BATTERY_TARGET,
    FOR,
    NOTHING_CHOSEN,
    BatterySource,
    Source,
    WallboxSource,
)

CONF_PERCENTAGE: Final = "percentage"

_PERCENTAGE_SCHEMA: Final = vol.Schema(
    {
        **BATTERY_TARGET,
        vol.Required(CONF_OPTIONS): {
            vol.Required(CONF_PERCENTAGE): vol.All(
                vol.Coerce(float), vol.Range(min=0, max=100)
            ),
            **FOR,
        },
    }
)


class _SiteCondition(EntityConditionBase):
    """A condition that no unknown state fulfills."""

    _source: ClassVar[Source]

    def __init__(self, hass: HomeAssistant, config: ConditionConfig) -> None:
        """Initialize the condition with its entities, of those that are targeted."""
        self._is_chosen = bool(config.target)
        super().__init__(
            hass,
            replace(
                config,
                target=config.target or NOTHING_CHOSEN,
                options={ATTR_BEHAVIOR: BEHAVIOR_ANY, **(config.options or {})},
            ),
        )
        self._domain_specs = {self._source.platform: DomainSpec()}

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Return the source's entities."""
        return self._source.find(self._hass, entities if self._is_chosen else None)

    @override
    def _should_include(self, _state: State) -> bool:
        """Return that all count: unknown and unavailable ones fulfill nothing."""
        return True

    @override
    def _check_all_match_state(self, states: list[State]) -> bool:
        """Return whether all fulfill it, and there is one."""
        return bool(states) and super()._check_all_match_state(states)


class _IsOnCondition(_SiteCondition):
    """A condition that an entity is on."""

    @property
    @override
    def _needs_duration_tracking(self) -> bool:
        """Return that the time of the state is enough: it is one state that lasts."""
        return False

    @override
    def is_valid_state(self, entity_state: State) -> bool:
        """Return whether it is on."""
        return entity_state.state == STATE_ON


class OnMainsCondition(_IsOnCondition):
    """The caravan is on mains."""

    _source = BatterySource(Platform.BINARY_SENSOR, "mains_present")
    _schema = BATTERY_SCHEMA


class BatteryAtLeastCondition(_SiteCondition):
    """The battery's state of charge is at least a percentage."""

    _source = BatterySource(Platform.SENSOR, "soc")
    _schema = _PERCENTAGE_SCHEMA

    def __init__(self, hass: HomeAssistant, config: ConditionConfig) -> None:
        """Initialize the condition."""
        super().__init__(hass, config)
        self._percentage: float = (config.options or {})[CONF_PERCENTAGE]

    @override
    def is_valid_state(self, entity_state: State) -> bool:
        """Return whether it is."""
        try:
            return float(entity_state.state) >= self._percentage
        except ValueError:
            return False


class BatteryChargingCondition(_IsOnCondition):
    """The battery is being charged, from whatever source."""

    _source = BatterySource(Platform.BINARY_SENSOR, "charging_now")
    _schema = BATTERY_SCHEMA


class WallboxChargingCondition(_IsOnCondition):
    """A wallbox charges a car."""

    _source = WallboxSource(Platform.BINARY_SENSOR, "charging")


CONDITIONS: Final[dict[str, type[Condition]]] = {
    "on_mains": OnMainsCondition,
    "battery_at_least": BatteryAtLeastCondition,
    "battery_charging": BatteryChargingCondition,
    "wallbox_charging": WallboxChargingCondition,
}


async def async_get_conditions(hass: HomeAssistant) -> dict[str, type[Condition]]:
    """Return the conditions."""
    return CONDITIONS
