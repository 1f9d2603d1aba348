"""What must survive a restart: energy, sessions, targets, what devices are.

Home Assistant may be killed at any moment. So what its owner sets is on the disk before
the call that sets it returns, and no more energy is shown than is on the disk: see
`as_stored`.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
import logging
from typing import Final

from homeassistant.core import HomeAssistant, callback

from .charging.receipt import Receipt
from .const import DOMAIN
from .disk import Budget, DiskFile, Json, Writer
from .problem import Problems
from .readings import DeviceIdentity
from .stored_form import (
    dump_wallbox,
    lasting_target,
    load_devices,
    load_ledgers,
    load_numbers,
    load_wallbox,
    mapping,
)
from .wallbox.energy import RegisterCount
from .wallbox.sessions import Session
from .wallbox.state import Transaction, WallboxState
from .wallbox.target import LIMITING, Target

_LOGGER = logging.getLogger(__name__)

#: What may be heard again, and sessions that ended, which are in two files, wait so
#: long for company, in s.
_DELAY_S: Final = 1.0


def as_stored(state: WallboxState, stored: WallboxState) -> WallboxState:
    """Return what is shown of a state while `stored` is on the disk.

    No more energy than that: after a power cut it would fall. A transaction that is
    not on the disk has none yet.
    """
    known = [item for item in (stored.transaction, *stored.recent) if item is not None]

    def gated(transaction: Transaction) -> Transaction:
        # An id may be used again, and a start be learned of late.
        alike = (
            item
            for item in known
            if item.id == transaction.id
            and (
                item.started_at == transaction.started_at
                or item.updated_at >= transaction.started_at
            )
        )
        found = min(
            alike,
            key=lambda item: abs(item.started_at - transaction.started_at),
            default=None,
        )
        energy, receipt = RegisterCount(), Receipt()
        if found is not None:
            energy, receipt = found.energy, found.receipt
        if energy.counted_wh >= transaction.energy.counted_wh:
            return transaction
        # With what that much of it cost.
        return replace(transaction, energy=energy, receipt=receipt)

    current = state.transaction
    return replace(
        state,
        energy=_lower(state.energy, stored.energy),
        transaction=None if current is None else gated(current),
        recent=tuple(map(gated, state.recent)),
    )


def _lower(one: RegisterCount, other: RegisterCount) -> RegisterCount:
    """Return what counted less."""
    return one if one.counted_wh <= other.counted_wh else other


class SiteStore:
    """Keeps the lasting part of each wallbox's state in `.storage`."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry_id: str,
        *,
        problems: Problems | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        """Take the config entry that it belongs to.

        `on_end` is called when a write has ended: see `shown` and `settled`.
        """
        self._hass = hass
        self._file = DiskFile(hass, f"{DOMAIN}.{entry_id}")
        self._writer = Writer(hass, self._file, problems, self._dump, self._ended)
        self._on_end = on_end
        self._wallboxes: dict[str, WallboxState] = {}
        self._writing: Mapping[str, WallboxState] = {}
        self._on_disk: Mapping[str, WallboxState] = {}
        self._stored: frozenset[str] | None = frozenset()
        """The wallboxes that were stored, until it is known which are still there."""
        # The disk is a card in many a Home Assistant, and wears out. A session's
        # beginning, pauses and end: all but a car that cannot decide are at once.
        self._steps = Budget(10, 1.0, moment_s=0.02)
        # Readings come without end: after a while what is shown of their energy steps
        # once a minute.
        self._readings = Budget(10, 60.0, moment_s=1.0)
        self.devices: Mapping[str, DeviceIdentity] = {}
        """What the devices heard by Bluetooth are, by subentry."""
        self.numbers: Mapping[str, float] = {}
        """What the owner has set for the battery, in V by key."""

    async def async_load(
        self, set_up: Collection[str] = ()
    ) -> Mapping[str, WallboxState]:
        """Read what was stored, by subentry: a wallbox's id may be corrected later.

        `set_up`: wallboxes that were set up before. Where nothing is stored of one of
        these, that is no first start: the target is lost.
        """
        stored = await self._file.async_read() or {}
        self.devices = load_devices(mapping(stored.get("devices")))
        self.numbers = load_numbers(mapping(stored.get("battery")))
        wallboxes = mapping(stored.get("wallboxes"))
        self._stored = frozenset(wallboxes)
        states: dict[str, WallboxState] = {}
        for subentry_id, wallbox in wallboxes.items():
            lost: list[str] = []
            states[subentry_id] = load_wallbox(wallbox, lost)
            if lost:
                _LOGGER.warning(
                    "Starting afresh: of what %s has for %s, this cannot be read: %s",
                    self._file.path,
                    subentry_id,
                    ", ".join(lost),
                )
        # Whatever is written before the first `async_keep` must not lose them.
        self._wallboxes = dict(states)
        self._on_disk = dict(states)
        for subentry_id in set_up:
            if subentry_id not in states:
                states[subentry_id] = WallboxState(target=Target(lost=LIMITING))
        return states

    async def async_remove(self) -> None:
        """Remove the file."""
        await self._file.async_remove()

    async def async_save(self) -> None:
        """Write now what waits, and return when it is on the disk.

        Raises NotStoredError.
        """
        await self._writer.flush()

    async def async_save_targets(self, wallboxes: Mapping[str, WallboxState]) -> None:
        """Return when the target in these states is on the disk.

        Raises NotStoredError; it is tried again.
        """
        self.async_keep(wallboxes)
        for subentry_id, state in wallboxes.items():
            on_disk = self._on_disk.get(subentry_id)
            if on_disk is None or _target(on_disk) != _target(state):
                await self._writer.flush()
                return

    async def async_close(self) -> None:
        """Write what waits, and end."""
        await self._writer.close()

    def shown(self, subentry_id: str, state: WallboxState) -> WallboxState:
        """Return what may be shown of a state: no more energy than is on the disk."""
        return as_stored(state, self._on_disk.get(subentry_id, WallboxState()))

    @property
    def settled(self) -> int:
        """The newest revision that was written, or could not be."""
        return self._writer.tried

    @callback
    def async_keep_devices(self, devices: Mapping[str, DeviceIdentity]) -> None:
        """Schedule a write of what the devices are, if that is new."""
        if devices != self.devices:
            self.devices = devices
            self._writer.change(_DELAY_S)

    @callback
    def async_keep_numbers(self, numbers: Mapping[str, float]) -> None:
        """Schedule a write of what the owner has set for the battery."""
        self.numbers = numbers
        self._writer.change(_DELAY_S)

    @callback
    def async_keep(
        self, wallboxes: Mapping[str, WallboxState], *, at_once: bool = False
    ) -> int:
        """Schedule a write of what lasts of these states; return its revision.

        `at_once`: something happened in a session that waits for the disk to be told.
        """
        before, self._wallboxes = self._wallboxes, dict(wallboxes)
        stored, self._stored = self._stored, None
        changed = any(
            _lasting(state) != _lasting(before.get(subentry_id))
            for subentry_id, state in wallboxes.items()
        )
        if stored is not None and stored != wallboxes.keys():
            # The first call brings what was loaded. A wallbox that was removed since is
            # to be forgotten, with its cards and sessions. One that is new, or of which
            # nothing was stored, is written at once: where nothing is stored of it
            # later, the file was lost.
            self._writer.change(0.0)
        elif any(
            _target(state) != _target(before.get(subentry_id, WallboxState()))
            for subentry_id, state in wallboxes.items()
        ):
            self._writer.change(0.0)
        elif at_once or any(
            _session(state) != _session(before.get(subentry_id))
            for subentry_id, state in wallboxes.items()
        ):
            self._writer.change(self._steps)
        elif changed:
            self._writer.change(self._readings)
        return self._writer.wanted

    def _dump(self) -> Json:
        """Return what lasts."""
        self._writing = dict(self._wallboxes)
        return {
            "wallboxes": {
                subentry_id: dump_wallbox(state)
                for subentry_id, state in self._writing.items()
            },
            "devices": dict(self.devices),
            "battery": dict(self.numbers),
        }

    def _ended(self, written: bool) -> None:
        """Handle the end of a write."""
        if written:
            self._on_disk = self._writing
        if self._on_end is not None:
            self._on_end()


class SessionStore:
    """Keeps the ledgers, which are long and seldom change, in a file of their own."""

    def __init__(
        self, hass: HomeAssistant, entry_id: str, *, problems: Problems | None = None
    ) -> None:
        """Take the config entry that it belongs to."""
        self._hass = hass
        self._file = DiskFile(hass, f"{DOMAIN}.{entry_id}.sessions")
        self._writer = Writer(hass, self._file, problems, self._dump)
        self._ledgers: Mapping[str, tuple[Session, ...]] = {}

    async def async_load(self) -> Mapping[str, list[Session]]:
        """Read the sessions, by subentry."""
        stored = await self._file.async_read() or {}
        # There may be thousands.
        ledgers, lost = await self._hass.async_add_executor_job(load_ledgers, stored)
        for subentry_id, number in lost.items():
            _LOGGER.warning(
                "Of the sessions that %s has for %s, %d cannot be read",
                self._file.path,
                subentry_id,
                number,
            )
        return ledgers

    async def async_remove(self) -> None:
        """Remove the file."""
        await self._file.async_remove()

    async def async_save(self) -> None:
        """Write now what waits, and return when it is on the disk.

        Raises NotStoredError.
        """
        await self._writer.flush()

    async def async_close(self) -> None:
        """Write what waits, and end."""
        await self._writer.close()

    @callback
    def async_keep(self, ledgers: Mapping[str, tuple[Session, ...]]) -> None:
        """Schedule a write of the sessions. Until then the states still have them."""
        self._ledgers = ledgers
        self._writer.change(_DELAY_S)

    def _dump(self) -> Json:
        """Return the sessions."""
        return dict(self._ledgers)


def _lasting(state: WallboxState | None) -> object:
    """Return the part of a state that is stored."""
    if state is None:
        return None
    return (
        state.energy,
        state.transaction,
        state.recent,
        state.identity,
        state.host,
        _target(state),
        state.enforcement.rebooted_at,
        state.check,
    )


def _target(state: WallboxState) -> Target:
    """Return the target, as it is stored."""
    return lasting_target(state.target)


def _session(state: WallboxState | None) -> object:
    """Return which session there is, and whether it ended."""
    if state is None or state.transaction is None:
        return None
    return state.transaction.id, state.transaction.ended_at
