"""Automations that tests run, and states that they set."""

from collections.abc import Sequence
from typing import Any, Final

from homeassistant.core import Event, HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import async_capture_events

from custom_components.bmw_wallbox_victron.const import DOMAIN

ASK: Final = "test_ask"
"""An event that has automations look at their conditions."""
_RAN: Final = "test_ran"
#: What an automation tells of its trigger.
_TOLD: Final = {
    "id": "{{ trigger.id | default }}",
    "from": "{{ trigger.from_state.state | default }}",
    "to": "{{ trigger.to_state.state | default }}",
    "entity_id": "{{ trigger.entity_id | default }}",
    "energy": "{{ trigger.energy | default }}",
    "duration": "{{ trigger.duration | default }}",
    "reason": "{{ trigger.reason | default }}",
}


class Automation:
    """An automation, and how often it ran."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Listen."""
        self.hass = hass
        self._ran: list[Event] = async_capture_events(hass, _RAN)

    @property
    def runs(self) -> list[dict[str, Any]]:
        """What each run told of its trigger."""
        return [dict(event.data) for event in self._ran]

    @property
    def changes(self) -> list[str]:
        """From which state to which the runs were."""
        return [f"{run['from']} > {run['to']}" for run in self.runs]

    async def asked(self) -> bool:
        """Tell whether it runs now, if its conditions let it."""
        before = len(self._ran)
        self.hass.bus.async_fire(ASK)
        await self.hass.async_block_till_done()
        return len(self._ran) > before


async def automate(
    hass: HomeAssistant,
    triggers: Sequence[dict[str, Any]] = (),
    conditions: Sequence[dict[str, Any]] = (),
) -> Automation:
    """Set up an automation, with triggers and conditions of the integration.

    Without a trigger it is one that can be asked.
    """
    automation = Automation(hass)
    config = {
        "triggers": [
            {**trigger, "trigger": f"{DOMAIN}.{trigger['trigger']}"}
            for trigger in triggers
        ]
        or [{"trigger": "event", "event_type": ASK}],
        "conditions": [
            {**condition, "condition": f"{DOMAIN}.{condition['condition']}"}
            for condition in conditions
        ],
        "actions": [{"event": _RAN, "event_data": _TOLD}],
        "mode": "parallel",
    }
    assert await async_setup_component(hass, "automation", {"automation": config})
    await hass.async_block_till_done()
    states = hass.states.async_all("automation")
    assert [state.state for state in states] == ["on"], "the automation is refused"
    return automation


async def show(hass: HomeAssistant, entity_id: str, *states: str | None) -> None:
    """Have an entity show states, one after the other; None: it is removed.

    The entities of a battery of which nothing is heard write none of their own.
    """
    for state in states:
        if state is None:
            hass.states.async_remove(entity_id)
        else:
            hass.states.async_set(entity_id, state)
        await hass.async_block_till_done()
