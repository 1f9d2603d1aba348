"""The Home Assistant of a replay: its Bluetooth, its recorder and one integration."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
import time
from typing import Any, Final
from unittest import mock

from homeassistant.components.recorder import get_instance
from homeassistant.config_entries import ConfigEntry, ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity import Entity

from demo.clock import SteppedClock
from demo.layout import DOMAIN, Layout, prepare
from demo.silence import no_radios
from simulators.caravan.identity import IDENTITIES, SHUNT
from simulators.caravan.scanner import Receiver, register

from .caravan_hour import PACE_S, QUANTITIES, Tick, Watch, play
from .replayed import count_rows, make_entry, start

_CORE: Final = "victron_ble"
_CORE_NAMES: Final = {
    "soc": "state_of_charge",
    "consumed_ah": "consumed_ampere_hours",
    "time_to_go": "remaining_minutes",
}
"""What core calls the quantities that have another name there."""
_CATCH_UP_TICKS: Final = 500
"""After so many the recorder gets the time to write: it has an hour for an hour."""


@contextmanager
def _all_entities() -> Iterator[None]:
    """Enable entities that are off by default."""
    with mock.patch.object(Entity, "entity_registry_enabled_default", True):
        yield


def _entries(reader: str) -> list[ConfigEntry]:
    """Make the entries of the integration that reads the devices."""
    if reader == "ours":
        subentries = [
            ConfigSubentryData(
                subentry_type="victron_device",
                title=device.name,
                data={"address": device.address, "encryption_key": device.key.hex()},
                unique_id=device.address,
            )
            for device in IDENTITIES
        ]
        return [make_entry(DOMAIN, unique_id=DOMAIN, subentries_data=subentries)]
    if reader == "core":
        return [
            make_entry(
                _CORE, unique_id=device.address, data={"access_token": device.key.hex()}
            )
            for device in IDENTITIES
        ]
    return []


class _Viewer:
    """Looks at the entities that show what the SmartShunt says."""

    def __init__(self, hass: HomeAssistant, reader: str) -> None:
        self._hass = hass
        self._reader = reader
        self._watches: dict[str, tuple[str, Watch]] = {}

    @property
    def errors(self) -> dict[str, tuple[float, float]]:
        """The largest error of each quantity that is shown, and of how much."""
        errors: dict[str, tuple[float, float]] = {}
        for key, watch in self._watches.values():
            if watch.seen:
                worst = (watch.worst, watch.worst_of)
                errors[key] = max(errors.get(key, worst), worst)
        return errors

    def find(self) -> None:
        """Find the entities, which come with the first advertisement."""
        entities = er.async_get(self._hass)
        for key in QUANTITIES:
            if self._reader == "core":
                domain = _CORE
                unique_ids = [f"{SHUNT.address}-{_CORE_NAMES.get(key, key)}"]
            else:
                domain = DOMAIN
                unique_ids = [f"{SHUNT.address}_{key}", f"battery_{key}"]
            for unique_id in unique_ids:
                entity_id = entities.async_get_entity_id("sensor", domain, unique_id)
                if entity_id and entity_id not in self._watches:
                    patience_s = 60.0 if key == "time_to_go" else 1.0
                    self._watches[entity_id] = key, Watch(patience_s)

    def look(self, tick: Tick) -> None:
        """Compare what is shown with what the device says."""
        values = tick.said[SHUNT.address]
        for entity_id, (key, watch) in self._watches.items():
            if (state := self._hass.states.get(entity_id)) is None:
                continue
            value = values[key]
            said = value if isinstance(value, float | int) else None
            try:
                shown = float(state.state)
            except ValueError:
                shown = None
            watch.look(said, shown)


async def replay(
    clock: SteppedClock,
    folder: Path,
    *,
    reader: str,
    all_entities: bool,
    seconds: float,
    seed: int,
) -> dict[str, Any]:
    """Play the hour and return the figures."""
    layout = Layout(folder)
    prepare(layout)
    ticks = list(play(seconds, seed=seed))
    with ExitStack() as stack:
        stack.enter_context(no_radios())
        if all_entities:
            stack.enter_context(_all_entities())
        hass = await start(layout.config, "bluetooth")
        try:
            receiver = Receiver()
            remove = register(hass, receiver)
            for entry in _entries(reader):
                await hass.config_entries.async_add(entry)
            await hass.async_block_till_done()
            await get_instance(hass).async_block_till_done()
            clock.hold()
            begin = clock.wall()
            used_s, viewer = await _play(hass, clock, receiver, ticks, reader)
            end = clock.wall()
            await get_instance(hass).async_block_till_done()
            clock.release()
            remove()
        finally:
            await hass.async_stop(force=True)
    count = sum(len(tick.frames) for tick in ticks)
    return {
        "advertisements": count,
        "microseconds": used_s / count * 1e6,
        "rows": count_rows(layout.config, begin, end),
        "errors": viewer.errors,
    }


async def _play(
    hass: HomeAssistant,
    clock: SteppedClock,
    receiver: Receiver,
    ticks: list[Tick],
    reader: str,
) -> tuple[float, _Viewer]:
    """Play and return the processor time of the event loop, s."""
    viewer = _Viewer(hass, reader)
    recorder = get_instance(hass)
    used = 0.0
    for index, tick in enumerate(ticks):
        start = time.thread_time()
        clock.step(PACE_S)
        # Once for what is due to be put in line, once for it to run.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        now = clock.monotonic()
        for frame in tick.frames:
            receiver.hear(frame, now)
        await asyncio.sleep(0)
        used += time.thread_time() - start
        if index % _CATCH_UP_TICKS < 2:
            await hass.async_block_till_done()
            await recorder.async_block_till_done()
            viewer.find()
        viewer.look(tick)
    return used, viewer
