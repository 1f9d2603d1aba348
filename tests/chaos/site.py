"""Our side of a simulated day: the wallbox half without Home Assistant.

The only module here that knows the rooms of the kernel; what it tells is what entities
show.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from custom_components.bmw_wallbox_victron.fault_log import FaultLog
from custom_components.bmw_wallbox_victron.wallbox import central_system, remote_control
from custom_components.bmw_wallbox_victron.wallbox.central_system import (
    CentralSystem,
    ServerConfig,
)
from custom_components.bmw_wallbox_victron.wallbox.errors import CommandError
from custom_components.bmw_wallbox_victron.wallbox.gate import Schemas
from custom_components.bmw_wallbox_victron.wallbox.sessions import Ledger, Session
from custom_components.bmw_wallbox_victron.wallbox.state import WallboxState
from custom_components.bmw_wallbox_victron.wallbox.station import (
    Station,
    StationConfig,
)
from custom_components.bmw_wallbox_victron.wallbox.tls import CertificateStore
from demo import pki

CHARGE_POINT_ID: Final = "DE*BMW*E1234567890ABCDEF"
MAX_CURRENT: Final = 32
_LASTING: Final = ("identity", "energy", "transaction", "recent", "wish")


@dataclass(frozen=True)
class Ground:
    """What all days share: it is read from disk once."""

    files: pki.Files
    schemas: Schemas

    @classmethod
    def prepare(cls, files: pki.Files) -> Ground:
        """Read it."""
        # So often is looked whether a line is dead, in s: a whole day of it takes time.
        central_system.PING_INTERVAL = 300  # type: ignore[misc]  # for this process
        return cls(files=files, schemas=Schemas.load())


class KernelSite:
    """A station and the central system that it connects to, over many lives."""

    def __init__(
        self, ground: Ground, *, wall: Callable[[], datetime], meter_interval: int
    ) -> None:
        """Begin with nothing stored; `wall` is the clock of the computer."""
        self._ground = ground
        self._wall = wall
        self._config = StationConfig(
            charge_point_id=CHARGE_POINT_ID,
            max_current=MAX_CURRENT,
            meter_interval=meter_interval,
        )
        self._state = WallboxState()
        self._sessions: tuple[Session, ...] = ()
        self._station: Station | None = None
        self._server: CentralSystem | None = None
        self.port = 0

    # Its life

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self._server is not None

    async def start(self) -> None:
        """Begin, with what lasted."""
        loop = asyncio.get_running_loop()
        files = self._ground.files
        faults = FaultLog(loop.time)

        def call_later(delay: float, act: Callable[[], None]) -> Callable[[], None]:
            return loop.call_later(delay, act).cancel

        self._station = Station(
            self._config,
            state=self._state,
            clock=self._wall,
            steady=loop.time,
            call_later=call_later,
            on_change=lambda: None,
            ledger=Ledger(self._sessions),
            faults=faults,
        )
        server = CentralSystem(
            ServerConfig(
                port=self.port,
                certificate=str(files.certificate),
                key=str(files.key),
                host="127.0.0.1",
            ),
            stations=[self._station],
            schemas=self._ground.schemas,
            certificates=CertificateStore(str(files.certificate), str(files.key)),
            on_knock=lambda _: None,
            faults=faults,
        )
        await server.start()
        self._server = server
        assert server.port is not None
        self.port = server.port

    async def stop(self) -> None:
        """End; what lasts is kept."""
        if self._server is None:
            return
        server, self._server = self._server, None
        await server.stop()
        self.station.close()
        lasting = {name: getattr(self.station.state, name) for name in _LASTING}
        self._state = replace(WallboxState(), **lasting)
        self._sessions = self.station.ledger.sessions

    def poll(self) -> None:
        """Do what time demands."""
        if self._server is not None:
            self.station.poll()

    # What is wished

    def limit(self, amps: int) -> Awaitable[None]:
        """Wish a limit."""
        return self.station.controller.wish(current_limit=amps)

    def allow(self, on: bool) -> Awaitable[None]:
        """Wish that the car may charge, or not."""
        return self.station.controller.wish(charging_allowed=on)

    def press_start(self) -> Awaitable[None]:
        """Press start."""
        return remote_control.start(self.station)

    def press_stop(self) -> Awaitable[None]:
        """Press stop."""
        return remote_control.stop(self.station)

    @staticmethod
    def is_refusal(err: BaseException) -> bool:
        """Tell whether an error is one that names why the wallbox did not."""
        return isinstance(err, CommandError)

    # What is shown

    @property
    def station(self) -> Station:
        """The wallbox as we know it."""
        assert self._station is not None
        return self._station

    @property
    def connected(self) -> bool:
        """Whether the wallbox is shown as connected."""
        return self.running and self.station.state.connected

    @property
    def current_a(self) -> float | None:
        """The current that is shown, A."""
        return self.station.state.current

    @property
    def energy_wh(self) -> float | None:
        """The total that is shown, Wh."""
        return self.station.state.energy_total

    @property
    def session(self) -> tuple[str, float] | None:
        """Id and energy in Wh of the session that is shown."""
        active = self.station.state.active
        return None if active is None else (active.id, active.energy.counted_wh)

    @property
    def failing(self) -> bool:
        """Whether `limit_not_enforced` is shown."""
        return self.station.state.enforcement.failing

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The ledger."""
        return self.station.ledger.sessions

    def describe(self) -> str:
        """Return what bears on a limit, for whoever reads a failure."""
        state = self.station.state
        return f"{state.wish} {state.enforcement}"[:600]
