"""docs/evcc.md: what evcc reads of a wallbox, and what comes of what it sets.

evcc reads states over Home Assistant's REST API: one that is unknown or unavailable
is a reading that is missing, every other one has to be a word that it knows.
"""

import asyncio
from pathlib import Path
import re
from typing import Any, Final

from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import parse_yaml
import pytest

from simulators.wallbox import Car

from .kit.bench import Bench, MakeBench
from .kit.site import Site

PAGE: Final = (Path(__file__).parents[1] / "docs" / "evcc.md").read_text()
EXAMPLES: Final[list[Any]] = [
    parse_yaml(body) for body in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
]
#: What is set in evcc, and the sensor for an evcc that knows no other words.
CONFIGURATION, TEMPLATE = EXAMPLES
CHARGER: Final[dict[str, str]] = CONFIGURATION["chargers"][0]

#: The words that evcc knows by itself, since it lets its owner add others.
KNOWN: Final = {
    **dict.fromkeys(("a", "disconnected", "not_plugged"), "A"),
    **dict.fromkeys(
        ("b", "connected", "plugged", "starting", "stopped", "paused", "complete"), "B"
    ),
    **dict.fromkeys(("c", "charging"), "C"),
}
#: What its template asks for.
PARAMETERS: Final = {
    *("uri", "status", "statusA", "statusB", "statusC", "enabled", "enable"),
    *("setMaxCurrent", "power", "energy", "phases"),
    *(f"{kind}L{phase}" for kind in ("current", "voltage") for phase in (1, 2, 3)),
}


class Evcc:
    """A charger of evcc's, as the page has it."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Take the Home Assistant that it asks."""
        self.hass = hass
        self.known = KNOWN | {
            word.strip(): status
            for status in "ABC"
            for word in CHARGER.get(f"status{status}", "").split(",")
            if word.strip()
        }

    def read(self, entity_id: str) -> str | None:
        """Return a state; None: it is missing."""
        state = self.hass.states.get(entity_id)
        assert state is not None, entity_id
        missing = state.state in (STATE_UNAVAILABLE, STATE_UNKNOWN)
        return None if missing else state.state

    def status(self, entity_id: str | None = None) -> str | None:
        """Return A, B or C; None: missing. Raises KeyError for a word unknown to it."""
        word = self.read(entity_id or CHARGER["status"])
        return None if word is None else self.known[word.lower()]

    def number(self, parameter: str) -> float | None:
        """Return what a sensor measures; None: missing."""
        state = self.read(CHARGER[parameter])
        return None if state is None else float(state)

    def enabled(self) -> bool:
        """Return whether it may charge."""
        return {"on": True, "off": False}[str(self.read(CHARGER["enabled"]))]

    def enable(self, on: bool) -> asyncio.Task[object]:
        """Let it charge, or not."""
        return self._call("switch", "turn_on" if on else "turn_off", "enable")

    def limit(self, amps: float) -> asyncio.Task[object]:
        """Set the current."""
        return self._call("number", "set_value", "setMaxCurrent", value=amps)

    def _call(
        self, domain: str, service: str, parameter: str, **data: Any
    ) -> asyncio.Task[object]:
        data["entity_id"] = CHARGER[parameter]
        call = self.hass.services.async_call(domain, service, data, blocking=True)
        return asyncio.create_task(call)


@pytest.fixture
def evcc(hass: HomeAssistant, site: Site) -> Evcc:
    """What reads and steers the wallbox of the site."""
    return Evcc(hass)


def test_its_template_knows_each_parameter() -> None:
    """And asks for no other that it needs."""
    given = CHARGER.keys() - {"name", "type", "template"}
    assert given <= PARAMETERS
    assert given >= {"uri", "status", "enabled", "enable", "setMaxCurrent"}


async def test_evcc_follows_a_session(
    hass: HomeAssistant, evcc: Evcc, make_bench: MakeBench
) -> None:
    """A, B and C as the car comes, charges, waits and goes; nothing of a box away."""
    assert await async_setup_component(hass, "template", TEMPLATE)
    await hass.async_block_till_done()
    bench: Bench = make_bench(phases=3, max_current_a=16)

    def statuses() -> set[str | None]:
        # By an evcc of now, and by one that knows no other words.
        return {evcc.status(), evcc.status("sensor.wallbox_for_evcc")}

    async def expect(status: str | None, state: str | None) -> None:
        await bench.pass_time(60, step=3)
        await bench.succeed()
        await hass.async_block_till_done()
        assert evcc.read(CHARGER["status"]) == state
        assert statuses() == {status}

    await expect(None, None)  # no word of a car that left
    await bench.connect()
    await expect("A", "idle")

    bench.asked.append(evcc.enable(False))
    await bench.box.plug_in(Car(phases=3, max_current_a=16))
    await expect("B", "suspended_evse")
    assert not evcc.enabled()
    assert bench.amps == 0

    bench.asked += [evcc.limit(8), evcc.enable(True)]
    await expect("C", "charging")
    assert evcc.enabled()
    assert bench.amps == pytest.approx(8, abs=0.5)
    for phase in (1, 2, 3):
        assert evcc.number(f"currentL{phase}") == pytest.approx(8, abs=0.5)
    assert evcc.number("power") == pytest.approx(3 * 8 * 230, rel=0.1)
    energy = evcc.number("energy")
    assert energy is not None
    assert energy > 0

    await bench.box.car_pauses()
    await expect("B", "suspended_ev")

    await bench.box.disconnect()
    await expect(None, None)
    # What the page warns of: by this word the car would have left.
    assert evcc.status("sensor.bmw_wallbox_status") == "A"
    assert evcc.enabled()
    assert evcc.number("power") is None
    assert evcc.number("energy") is not None


async def test_each_word_of_the_charging_state_is_known(
    hass: HomeAssistant, evcc: Evcc
) -> None:
    """Also a car that is connected without a session, and whatever comes to be."""
    state = hass.states.get(CHARGER["status"])
    assert state is not None
    words = {word: evcc.known[word] for word in state.attributes["options"]}
    assert words["ev_connected"] == "B"
    assert sorted(words.values()) == ["A", "B", "B", "B", "C"]


@pytest.mark.parametrize("amps", [5, 33])
async def test_what_is_out_of_bounds_is_refused(evcc: Evcc, amps: float) -> None:
    """So the loadpoint has to stay within."""
    with pytest.raises(ServiceValidationError):
        await evcc.limit(amps)
