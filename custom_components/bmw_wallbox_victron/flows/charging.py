"""The options of charging: what measures the house, what limits, what energy costs."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry, ConfigFlowResult
from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT, Platform
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntityWithDeviceFilterSelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
)
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import (
    ElectricCurrentConverter,
    PowerConverter,
)
import voluptuous as vol

from ..charging.price_actions import PRICE_ACTIONS
from ..charging.price_shapes import PricesNotUnderstoodError, read_prices
from ..const import (
    CONF_EXTERNAL_LIMIT,
    CONF_FALLBACK_MIN,
    CONF_FEED_IN_PRICE,
    CONF_FIXED_PRICE,
    CONF_GRID_EXPORT,
    CONF_GRID_POWER,
    CONF_GRID_POWER_INVERTED,
    CONF_HOUSE_CURRENTS,
    CONF_MAIN_FUSE,
    CONF_METER_TIMEOUT,
    CONF_PHASE_ORDER,
    CONF_PRICE,
    CONF_SAFE_CURRENT,
    DEFAULT_METER_TIMEOUT,
    DEFAULT_SAFE_CURRENT,
    DOMAIN,
    MAX_FALLBACK_MIN,
    MAX_MAIN_FUSE,
    MAX_METER_TIMEOUT,
    MAX_PRICE,
    MAX_SAFE_CURRENT,
    MIN_CURRENT,
    MIN_FALLBACK_MIN,
    MIN_MAIN_FUSE,
    MIN_METER_TIMEOUT,
    PHASE_ORDER_UNKNOWN,
    PHASE_ORDERS,
)
from .base import dropdown, whole_number
from .options_base import OptionsSteps, choice, entity_field, numbers

_POWER: Final = PowerConverter.VALID_UNITS
_CURRENT: Final = ElectricCurrentConverter.VALID_UNITS
#: What says by being on that a limit holds.
_SWITCHED: Final = (Platform.BINARY_SENSOR, "input_boolean")
_LIMITS: Final = [
    EntityWithDeviceFilterSelectorConfig(
        domain="sensor", device_class=["power", "current"]
    ),
    EntityWithDeviceFilterSelectorConfig(domain=["number", "input_number"]),
    EntityWithDeviceFilterSelectorConfig(domain=[*_SWITCHED]),
]
_FUSE: Final[Mapping[vol.Marker, Any]] = {
    vol.Optional(CONF_MAIN_FUSE): whole_number(MIN_MAIN_FUSE, MAX_MAIN_FUSE, "A"),
    vol.Required(CONF_PHASE_ORDER, default=PHASE_ORDER_UNKNOWN): choice(
        CONF_PHASE_ORDER, [*PHASE_ORDERS]
    ),
    vol.Required(CONF_METER_TIMEOUT, default=DEFAULT_METER_TIMEOUT): whole_number(
        MIN_METER_TIMEOUT, MAX_METER_TIMEOUT, "s"
    ),
}
_FALLBACK: Final[Mapping[vol.Marker, Any]] = {
    vol.Required(CONF_SAFE_CURRENT, default=DEFAULT_SAFE_CURRENT): whole_number(
        0, MAX_SAFE_CURRENT, "A"
    ),
    vol.Required(CONF_FALLBACK_MIN, default=0): whole_number(
        0, MAX_FALLBACK_MIN, "min"
    ),
}
#: Entities of these may carry coming prices.
_PRICED: Final = ("sensor", "event", "binary_sensor", "calendar")


class ChargingSteps(OptionsSteps):
    """The step that asks what the limits of charging follow from."""

    async def async_step_charging(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for it; nothing is required."""
        entry = self.config_entry
        fields = _fields(self.hass, entry)
        if user_input is None:
            return self._show(fields, entry.options, step_id="charging")
        after = self._merged(self._opened, user_input)
        if errors := dict(_errors(self.hass, after, entry.options)):
            return self._show(fields, user_input, step_id="charging", errors=errors)
        return self._save(self._opened, user_input)


@callback
def _fields(hass: HomeAssistant, entry: ConfigEntry) -> dict[vol.Marker, Any]:
    """Return the fields of the form."""
    fields: dict[vol.Marker, Any] = {
        **entity_field(hass, entry, CONF_GRID_POWER, numbers("power")),
        vol.Required(CONF_GRID_POWER_INVERTED, default=False): BooleanSelector(),
        **entity_field(hass, entry, CONF_GRID_EXPORT, numbers("power")),
    }
    for key in CONF_HOUSE_CURRENTS:
        fields |= entity_field(hass, entry, key, numbers("current"))
    return {
        **fields,
        **_FUSE,
        **entity_field(hass, entry, CONF_EXTERNAL_LIMIT, _LIMITS),
        **_FALLBACK,
        vol.Optional(CONF_PRICE): dropdown([*_price_sources(hass)], custom_value=True),
        vol.Optional(CONF_FIXED_PRICE): _price(hass),
        vol.Required(CONF_FEED_IN_PRICE, default=0): _price(hass),
    }


def _price(hass: HomeAssistant) -> NumberSelector:
    """Return a field for a price."""
    return NumberSelector(
        NumberSelectorConfig(
            min=0,
            max=MAX_PRICE,
            step="any",
            mode=NumberSelectorMode.BOX,
            unit_of_measurement=f"{hass.config.currency}/kWh",
        )
    )


@callback
def _price_sources(hass: HomeAssistant) -> Iterator[SelectOptionDict]:
    """Return what is known to have coming prices."""
    for domain in PRICE_ACTIONS:
        for entry in hass.config_entries.async_entries(domain):
            yield SelectOptionDict(value=entry.entry_id, label=entry.title)
    for state in hass.states.async_all(_PRICED):
        if _has_prices(state):
            yield SelectOptionDict(
                value=state.entity_id, label=f"{state.name} ({state.entity_id})"
            )


def _has_prices(state: State) -> bool:
    """Return whether the attributes of an entity carry prices."""
    if not any(
        isinstance(each, (list, tuple, dict)) for each in state.attributes.values()
    ):
        return False  # most have none, and there may be thousands of them
    try:
        read_prices(
            state.attributes,
            unit=state.attributes.get(ATTR_UNIT_OF_MEASUREMENT),
            time_zone=dt_util.get_default_time_zone(),
            today=dt_util.now().date(),
        )
    except PricesNotUnderstoodError:
        return False
    return True


# What is wrong with it


@callback
def _errors(
    hass: HomeAssistant, after: Mapping[str, Any], before: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Return what is wrong with the options, by field.

    What an entity is counts only where it was chosen just now: it may be away since.
    """
    changed = {key: each for key, each in after.items() if before.get(key) != each}
    for key in (CONF_GRID_POWER, CONF_GRID_EXPORT):
        if error := _entity_error(hass, changed.get(key), _POWER, "not_a_power"):
            yield key, error
    for key in CONF_HOUSE_CURRENTS:
        if error := _entity_error(hass, changed.get(key), _CURRENT, "not_a_current"):
            yield key, error
    if error := _limit_error(hass, changed.get(CONF_EXTERNAL_LIMIT)):
        yield CONF_EXTERNAL_LIMIT, error
    if (price := changed.get(CONF_PRICE)) and not _is_price_source(hass, price):
        yield CONF_PRICE, "price_not_found"
    for keys in ((CONF_GRID_POWER, CONF_GRID_EXPORT), CONF_HOUSE_CURRENTS):
        chosen = [key for key in keys if after.get(key)]
        for number, key in enumerate(chosen):
            if after[key] in [after[each] for each in chosen[:number]]:
                yield key, "chosen_twice"
    if after.get(CONF_GRID_EXPORT) and not after.get(CONF_GRID_POWER):
        yield CONF_GRID_EXPORT, "export_alone"
    if after.get(CONF_MAIN_FUSE) and not any(map(after.get, CONF_HOUSE_CURRENTS)):
        yield CONF_MAIN_FUSE, "fuse_without_current"
    if 0 < after.get(CONF_SAFE_CURRENT, 0) < MIN_CURRENT:
        yield CONF_SAFE_CURRENT, "no_safe_current"
    if 0 < after.get(CONF_FALLBACK_MIN, 0) < MIN_FALLBACK_MIN:
        yield CONF_FALLBACK_MIN, "no_fallback"


@callback
def _unit(hass: HomeAssistant, entity_id: str) -> str | None:
    """Return the unit of an entity. KeyError: there is no such entity."""
    if (state := hass.states.get(entity_id)) is not None:
        unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
        if unit is not None:
            return str(unit)
    entity = er.async_get(hass).async_get(entity_id)
    if entity is None and state is None:
        raise KeyError(entity_id)
    return None if entity is None else entity.unit_of_measurement


@callback
def _entity_error(
    hass: HomeAssistant, entity_id: str | None, units: set[str | None], error: str
) -> str | None:
    """Return what is wrong with an entity that was chosen; without a unit it fits."""
    if entity_id is None:
        return None
    try:
        unit = _unit(hass, entity_id)
    except KeyError:
        return "entity_not_found"
    return None if unit is None or unit in units else error


@callback
def _limit_error(hass: HomeAssistant, entity_id: str | None) -> str | None:
    """Return what is wrong with an external limit: as a number it needs a unit."""
    if entity_id is None:
        return None
    try:
        unit = _unit(hass, entity_id)
    except KeyError:
        return "entity_not_found"
    if entity_id.partition(".")[0] in _SWITCHED or unit in _CURRENT | _POWER:
        return None
    return "not_a_limit"


@callback
def _is_price_source(hass: HomeAssistant, price: str) -> bool:
    """Return whether prices can be asked of it."""
    entry = hass.config_entries.async_get_entry(price)
    if entry is not None:
        return entry.domain in PRICE_ACTIONS
    entities = er.async_get(hass)
    registered = entities.async_get(price)
    if registered is not None and registered.platform == DOMAIN:
        return False
    return registered is not None or hass.states.get(price) is not None
