"""Automations made from the blueprints, and the script; a clock that tests turn."""

import asyncio
from pathlib import Path
import shutil
from typing import Any, Final

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import EVENT_CALL_SERVICE
from homeassistant.core import Event, HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    async_capture_events,
    async_fire_time_changed,
)

FOLDER: Final = "blueprints/automation/bmw_wallbox_victron"
SOURCE: Final = Path(__file__).parents[2] / FOLDER
BLUEPRINTS: Final = tuple(sorted(path.stem for path in SOURCE.glob("*.yaml")))
SCRIPTS_FOLDER: Final = "blueprints/script/bmw_wallbox_victron"
SCRIPTS: Final = Path(__file__).parents[2] / SCRIPTS_FOLDER
MONTHLY_SESSIONS: Final = "monthly_sessions"
#: So many turns of the event loop an automation takes at most to come to rest.
_TURNS: Final = 25


async def rest() -> None:
    """Let automations go on until they wait. Those that wait for time never end."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class Automaton:
    """An automation made from a blueprint, and what it did."""

    def __init__(self, hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
        """Listen."""
        self.hass = hass
        self.freezer = freezer
        self._calls: list[Event] = async_capture_events(hass, EVENT_CALL_SERVICE)

    @property
    def accepted(self) -> bool:
        """Whether Home Assistant took it."""
        states = self.hass.states.async_all("automation")
        return [state.state for state in states] == ["on"]

    @property
    def running(self) -> bool:
        """Whether it is doing something, or waiting to."""
        (state,) = self.hass.states.async_all("automation")
        return bool(state.attributes["current"])

    def calls(self, *domains: str) -> list[tuple[str, dict[str, Any]]]:
        """Give the actions that were called since this was asked last."""
        called = [
            (event.data["service"], dict(event.data["service_data"]))
            for event in self._calls
            if event.data["domain"] in domains
        ]
        self._calls.clear()
        return called

    def told(self) -> list[str]:
        """Give the titles of what was told since this was asked last."""
        return [data["title"] for _, data in self.calls("persistent_notification")]

    async def show(
        self, entity_id: str, *states: str | float, **attributes: Any
    ) -> None:
        """Have an entity show states, with no time between."""
        for state in states:
            old = self.hass.states.get(entity_id)
            self.hass.states.async_set(
                entity_id,
                str(state),
                attributes or (dict(old.attributes) if old else None),
            )
            await rest()

    async def wait(
        self, *, minutes: float = 0, seconds: float = 0, step_s: float = 5
    ) -> None:
        """Let time pass, in small steps."""
        left = minutes * 60 + seconds
        while left > 0:
            step = min(left, step_s)
            left -= step
            self.freezer.tick(step)
            async_fire_time_changed(self.hass)
            await rest()


async def use_blueprint(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, name: str, **inputs: Any
) -> Automaton:
    """Set up an automation from a blueprint that was copied to the configuration."""
    target = Path(hass.config.path(FOLDER))
    await hass.async_add_executor_job(
        lambda: shutil.copytree(SOURCE, target, dirs_exist_ok=True)
    )
    automaton = Automaton(hass, freezer)
    config = {
        "alias": name,
        "use_blueprint": {
            "path": f"{SOURCE.name}/{name}.yaml",
            "input": inputs,
        },
    }
    assert await async_setup_component(hass, "automation", {"automation": config})
    await rest()
    return automaton
