"""Makes the corpus anew, or a part of it.

`.venv/bin/python -m pytest tests/traces/make.py -k delta`
"""

import asyncio
import json
from typing import Final

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest

from ..kit.bench import MakeBench
from ..kit.replay import TRACES, next_second, set_up, shown
from ..kit.site import CHARGE_POINT_ID, Site
from .stories import STORIES

#: So long after the last word of a story all is shown that is shown at a pace, s.
_SETTLES_S: Final = 30


@pytest.mark.parametrize("name", STORIES)
async def test_make(
    name: str,
    hass: HomeAssistant,
    site: Site,
    freezer: FrozenDateTimeFactory,
    make_bench: MakeBench,
) -> None:
    """Live through a story, and write what was said and what was shown of it."""
    story = STORIES[name]
    await set_up(site, story.max_current, story.meter_interval)
    bench = make_bench(story.quirks)
    begin = next_second(freezer)
    states: list[dict[str, object]] = []

    async def mark() -> None:
        at = (dt_util.utcnow() - begin).total_seconds()
        states.append({"at": at, "states": shown(hass, site, begin)})
        await bench.pass_time(1)

    await story.happens(bench, mark)
    for _ in range(_SETTLES_S):  # what is shown at a pace is shown
        freezer.tick(1)
        await bench.rest()
    await mark()
    station = site.entry.runtime_data.stations[CHARGE_POINT_ID]
    head, *content = await asyncio.to_thread(station.trace.content)
    assert content[0]["event"] == "opened", "it is too long"
    lines = sorted([*content, *states], key=lambda each: float(str(each["at"])))
    text = "".join(
        json.dumps(line, separators=(",", ":")) + "\n" for line in (head, *lines)
    )
    await asyncio.to_thread(
        (TRACES / f"{name}.jsonl").write_text, text, encoding="utf-8"
    )
