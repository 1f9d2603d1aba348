"""Our side of a simulated day: a Home Assistant with our integration, and its disk."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from copy import deepcopy
from datetime import datetime
import socket
from types import MappingProxyType
from typing import Any, Final
from unittest import mock

from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.loader import DATA_CUSTOM_COMPONENTS
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_test_home_assistant,
    mock_storage,
)

from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.coordinator import SiteCoordinator
from custom_components.bmw_wallbox_victron.wallbox import liveness
from custom_components.bmw_wallbox_victron.wallbox.sessions import Session
from custom_components.bmw_wallbox_victron.wallbox.station import Station
from simulators import pki

CHARGE_POINT_ID: Final = "DE*BMW*E1234567890ABCDEF"
MAX_CURRENT: Final = 32
#: So often is looked whether a line is dead, in s: a whole day of it takes real time.
_PING_AFTER_S: Final = 300


class Site:
    """A Home Assistant with our integration, over many lives of the integration."""

    def __init__(
        self, files: pki.Files, *, wall: Callable[[], datetime], meter_interval: int
    ) -> None:
        """Begin with an empty disk; `wall` is the clock of the computer."""
        self._files = files
        self._wall = wall
        self._meter_interval = meter_interval
        self._stack = AsyncExitStack()
        self._disk: dict[str, Any] = {}
        self._entry: MockConfigEntry | None = None
        self._hass: HomeAssistant | None = None
        self.running = False
        """Whether the integration is there."""
        self.port = 0

    # Its life

    async def start(self) -> None:
        """Begin, with what is on the disk."""
        if self._hass is None:
            await self._begin()
        assert self._entry is not None
        assert await self.hass.config_entries.async_setup(self._entry.entry_id)
        await self.hass.async_block_till_done()
        self.running = True
        assert self._coordinator.server.port is not None
        self.port = self._coordinator.server.port

    async def _begin(self) -> None:
        """Begin an instance, with a disk."""
        stack, files = self._stack, self._files
        stack.enter_context(mock.patch("homeassistant.util.dt.utcnow", self._wall))
        # What lasts goes by the loop's seconds, in which a day passes in no time.
        steady = asyncio.get_running_loop().time
        stack.enter_context(mock.patch("time.monotonic", steady))
        line = mock.patch.multiple(
            liveness, PING_AFTER=_PING_AFTER_S, DEAD_AFTER=_PING_AFTER_S + 30
        )
        stack.enter_context(line)
        self._disk = stack.enter_context(mock_storage())
        self._hass = await stack.enter_async_context(async_test_home_assistant())
        self.hass.data.pop(DATA_CUSTOM_COMPONENTS)
        self._entry = MockConfigEntry(
            domain=DOMAIN,
            unique_id=DOMAIN,
            data={
                "host": "127.0.0.1",
                "port": _free_port(),
                "ssl_cert": str(files.certificate),
                "ssl_key": str(files.key),
            },
            options=MappingProxyType({"meter_interval": self._meter_interval}),
            subentries_data=[
                ConfigSubentryData(
                    subentry_type="wallbox",
                    title="Wallbox",
                    data={
                        "charge_point_id": CHARGE_POINT_ID,
                        "max_current": MAX_CURRENT,
                    },
                    unique_id=CHARGE_POINT_ID,
                )
            ],
        )
        self._entry.add_to_hass(self.hass)

    async def stop(self) -> None:
        """End the integration, which writes what it has to write."""
        if self.running and self._entry is not None:
            self.running = False
            await self.hass.config_entries.async_unload(self._entry.entry_id)
            await self.hass.async_block_till_done()

    async def kill(self) -> None:
        """End without warning: what was not on the disk by now never gets there."""
        disk = deepcopy(self._disk)
        await self.stop()
        self._disk.clear()
        self._disk.update(disk)

    async def end(self) -> None:
        """End for good."""
        await self.stop()
        if self._hass is not None:
            await self.hass.async_stop(force=True)
        await self._stack.aclose()

    @property
    def hass(self) -> HomeAssistant:
        """The instance."""
        assert self._hass is not None
        return self._hass

    @property
    def _coordinator(self) -> SiteCoordinator:
        assert self._entry is not None
        coordinator: SiteCoordinator = self._entry.runtime_data
        return coordinator

    @property
    def _station(self) -> Station:
        return self._coordinator.stations[CHARGE_POINT_ID]

    # What is wished

    def _act(
        self, platform: str, service: str, key: str, **data: Any
    ) -> Awaitable[None]:
        entity_id = self._entity_id(platform, key)

        async def act() -> None:
            await self.hass.services.async_call(
                platform, service, {"entity_id": entity_id} | data, blocking=True
            )

        return act()

    def _entity_id(self, platform: str, key: str) -> str:
        unique_id = f"{CHARGE_POINT_ID}_{key}"
        registry = er.async_get(self.hass)
        found = registry.async_get_entity_id(platform, DOMAIN, unique_id)
        assert found is not None, f"no {platform} {key}"
        return found

    def limit(self, amps: int) -> Awaitable[None]:
        """Wish a limit."""
        return self._act("number", "set_value", "current_limit", value=amps)

    def allow(self, on: bool) -> Awaitable[None]:
        """Wish that the car may charge, or not."""
        return self._act("switch", "turn_on" if on else "turn_off", "charging")

    def press_start(self) -> Awaitable[None]:
        """Press start."""
        return self._act("button", "press", "start_charging")

    def press_stop(self) -> Awaitable[None]:
        """Press stop."""
        return self._act("button", "press", "stop_charging")

    @staticmethod
    def is_refusal(err: BaseException) -> bool:
        """Tell whether an error is one that names why the wallbox did not."""
        return isinstance(err, HomeAssistantError) and err.translation_key is not None

    # What is shown

    def _number(self, key: str) -> float | None:
        state = self.hass.states.get(self._entity_id("sensor", key))
        if state is None or state.state in ("unknown", "unavailable"):
            return None
        return float(state.state)

    @property
    def current_a(self) -> float | None:
        """The current that is shown, A."""
        return self._number("current")

    @property
    def energy_wh(self) -> float | None:
        """The total that is shown, Wh."""
        energy = self._number("energy_total")
        return None if energy is None else energy * 1000

    @property
    def failing(self) -> bool:
        """Whether `limit_not_enforced` is shown."""
        return self._is_on("limit_not_enforced")

    @property
    def connected(self) -> bool:
        """Whether the wallbox is shown as connected."""
        return self.running and self._is_on("connected")

    def _is_on(self, key: str) -> bool:
        state = self.hass.states.get(self._entity_id("binary_sensor", key))
        return state is not None and state.state == "on"

    @property
    def session(self) -> tuple[str, float] | None:
        """Id and energy in Wh of the session that was published last."""
        # Both from one snapshot: an entity alone does not tell whose energy it shows.
        active = self._coordinator.data.wallboxes[CHARGE_POINT_ID].active
        return None if active is None else (active.id, active.energy.counted_wh)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The ledger."""
        return self._station.ledger.sessions

    def describe(self) -> str:
        """Return what bears on a limit, for whoever reads a failure."""
        state = self._station.state
        return f"{state.target} {state.enforcement}"[:600]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
