"""The examples of docs/energy.md."""

from pathlib import Path
import re
from typing import Any, Final

from homeassistant.core import HomeAssistant
from homeassistant.util.yaml import parse_yaml

PAGE: Final = (Path(__file__).parents[2] / "docs" / "energy.md").read_text(
    encoding="utf-8"
)
EXAMPLES: Final[list[Any]] = [
    parse_yaml(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
]


def example(key: str, value: str | None = None) -> Any:
    """Give the page's example that has this key, with this value."""
    (found,) = [each for each in EXAMPLES if key in each and value in (None, each[key])]
    return found


def number(hass: HomeAssistant, entity_id: str) -> float:
    """Give a state as a number."""
    state = hass.states.get(entity_id)
    assert state is not None, entity_id
    return float(state.state)
