"""What was counted of the battery, on the disk."""

from collections.abc import Callable
import logging
from typing import Final

from homeassistant.core import HomeAssistant, callback

from .battery.counters import Counters, moved
from .const import DOMAIN
from .disk import Budget, DiskFile, Json, Writer
from .problem import Problems
from .stored_form import dump_counters, load_counters

_LOGGER = logging.getLogger(__name__)

#: What was counted is written once in a while, in s: the disk is a card in many a Home
#: Assistant, and wears out. So long a power cut may cost.
PACE_S: Final = 300.0


class BatteryStore:
    """Keeps the counters of the battery in `.storage`.

    No more is shown than is on the disk: after a power cut it would fall.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry_id: str,
        *,
        problems: Problems | None = None,
        on_written: Callable[[], None] | None = None,
    ) -> None:
        """Take the config entry that it belongs to.

        `on_written` is called when there is more to show.
        """
        self._file = DiskFile(hass, f"{DOMAIN}.{entry_id}.battery")
        self._writer = Writer(hass, self._file, problems, self._dump, self._ended)
        self._on_written = on_written
        self._budget = Budget(1, PACE_S, moment_s=1.0)
        self._planned = Counters()
        self._writing = Counters()
        self.counters = Counters()
        """What was counted."""
        self.shown = Counters()
        """What is on the disk of it."""

    async def async_load(self) -> None:
        """Read what was stored."""
        lost: list[str] = []
        counters = load_counters(await self._file.async_read(), lost)
        if lost:
            _LOGGER.warning(
                "Starting afresh: of what %s has for the battery, this cannot be "
                "read: %s",
                self._file.path,
                ", ".join(lost),
            )
        self.counters = self.shown = self._planned = counters

    async def async_remove(self) -> None:
        """Remove the file."""
        await self._file.async_remove()

    async def async_save(self) -> None:
        """Write now, and return when it is on the disk. Raises NotStoredError."""
        self._writer.change(0.0)
        await self._writer.flush()

    async def async_close(self) -> None:
        """Write what there is, and end."""
        if self.counters != self.shown:
            self._writer.change(0.0)
        await self._writer.close()

    @callback
    def async_keep(self, counters: Counters) -> None:
        """Have the counters written once enough was counted, at a pace."""
        self.counters = counters
        if moved(self._planned, counters):
            self._planned = counters
            self._writer.change(self._budget)

    def _dump(self) -> Json:
        """Return what is written: the newest."""
        self._writing = self._planned = self.counters
        return dump_counters(self._writing)

    def _ended(self, written: bool) -> None:
        """Show what is on the disk now."""
        if written:
            self.shown = self._writing
            if self._on_written is not None:
                self._on_written()
