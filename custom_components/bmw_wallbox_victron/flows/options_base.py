"""What the steps of the options have in common."""

from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigFlowResult, OptionsFlow
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    EntityWithDeviceFilterSelectorConfig,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import voluptuous as vol

from .stale_form import form_values, merged


class OptionsSteps(OptionsFlow):
    """Base of the steps of the options: forms that may have been open for long."""

    _opened: Mapping[str, Any] | None = None
    """What was stored of the fields when the form was opened; see `merged`."""
    _defaults: Mapping[str, Any] | None = None
    """What the form shows of fields that are not stored."""

    def _show(
        self,
        fields: Mapping[vol.Marker, Any],
        shown: Mapping[str, Any],
        *,
        step_id: str,
        errors: dict[str, str] | None = None,
    ) -> ConfigFlowResult:
        """Show the form of a step with what is set; after errors with what was sent."""
        schema = vol.Schema(dict(fields))
        if not errors:
            self._opened, self._defaults = form_values(shown, schema), schema({})
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, shown),
            errors=errors,
        )

    @callback
    def _merged(
        self, opened: Mapping[str, Any] | None, sent: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the options with what was changed in a form."""
        return merged(opened, sent, self.config_entry.options, self._defaults)

    @callback
    def _save(
        self, opened: Mapping[str, Any] | None, sent: Mapping[str, Any]
    ) -> ConfigFlowResult:
        """Store what was changed in a form; the options of the others stay."""
        return self.async_create_entry(data=self._merged(opened, sent))


def numbers(device_class: str) -> list[EntityWithDeviceFilterSelectorConfig]:
    """Return which entities are offered for a quantity."""
    return [
        EntityWithDeviceFilterSelectorConfig(
            domain="sensor", device_class=device_class
        ),
        EntityWithDeviceFilterSelectorConfig(domain=["number", "input_number"]),
    ]


def choice(key: str, options: list[str]) -> SelectSelector:
    """Return a field for one of a few settings."""
    return SelectSelector(
        SelectSelectorConfig(
            options=options, translation_key=key, mode=SelectSelectorMode.DROPDOWN
        )
    )


def entity_field(
    hass: HomeAssistant,
    entry: ConfigEntry,
    key: str,
    filters: list[EntityWithDeviceFilterSelectorConfig],
) -> dict[vol.Marker, EntitySelector]:
    """Return a field for an entity of another integration."""
    ours = [
        each.entity_id
        for each in er.async_entries_for_config_entry(
            er.async_get(hass), entry.entry_id
        )
    ]
    # One that was chosen all the same can stay.
    not_offered = [each for each in ours if each != entry.options.get(key)]
    return {
        vol.Optional(key): EntitySelector(
            EntitySelectorConfig(filter=filters, exclude_entities=not_offered)
        )
    }
