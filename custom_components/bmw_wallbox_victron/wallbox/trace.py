"""The last frames of a wallbox, to be shown to others: a trace.

Recording costs the event loop next to nothing: a frame is kept as the text that it is.
Only when somebody asks is it taken apart and made anonymous.

Each line of a trace is a JSON object. The first says how it was recorded; the others
happened `at` so many seconds after it began, on the `connection` of that number:

    {"at": 1.2, "connection": 1, "in": [2, "m1", "Heartbeat", {}]}
    {"at": 1.2, "connection": 1, "out": [3, "m1", {"currentTime": "@+1.200Z"}]}
    {"at": 9.0, "connection": 1, "event": "closed", "by": "wallbox"}
    {"at": 9.5, "target": {"current_limit": 10, "charging_allowed": true, ...}}
    {"at": 9.8, "asked": "reboot"}

What was asked for is called as its button is. Times are relative to when it began:
`@+1.200Z` is 1.2 s later, by wall time, with the zone that was written. `"cut": true`
is a frame of which lists were shortened; one that was no JSON is `null` with its
`length` in characters.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
import json
from typing import Final, Literal

from . import json_text
from .anonymous import Anonymizer
from .clock import Now
from .station_config import StationConfig

#: So many frames are kept, and no more than so many characters of them.
FRAMES: Final = 500
MOST_CHARACTERS: Final = 1024 * 1024
#: And no more than so many entries: a wallbox may connect and say nothing.
_ENTRIES: Final = 2 * FRAMES
#: A frame of more characters is shortened.
WHOLE: Final = 16 * 1024
#: Of a frame that is shortened: how many parts are kept, of each list how many at its
#: beginning and its end, and how much of a text, in characters.
_PARTS: Final = 400
_FIRST, _LAST = 12, 4
_TEXT: Final = 64
#: How a trace is written; raised when that changes.
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the owner wanted: what of a target bears on a limit."""

    current_limit: int | None = None
    """The limit, A; None: none was set."""
    charging_allowed: bool = True
    """Whether the car may charge."""
    cap_a: float | None = None
    """What else limits, A; None: nothing."""


type Kind = Literal["in", "out", "opened", "closed", "target", "asked"]


@dataclass(slots=True, kw_only=True)
class Entry:
    """Something that happened."""

    steady: float
    """When, by the steady clock, in s."""
    wall: float
    """When, by wall time, in s since 1970."""
    connection: int
    """On which connection; the higher, the newer. 0: on none."""
    kind: Kind
    """What it was: a frame of the wallbox, one of ours, or something else."""
    text: str | None = None
    """The frame, or what was asked for; None: there is none, or none that is a text."""
    length: int = 0
    """How long the frame was, in characters."""
    cut: bool = False
    """Whether it is shortened."""
    ours: bool = False
    """Whether the connection was closed by us."""
    settings: Settings | None = None
    """What the owner wanted from now on."""

    @property
    def cost(self) -> int:
        """How much it counts, in characters."""
        return min(self.length, WHOLE)

    def shorten(self, frame: object) -> None:
        """Keep what there is room for of a frame that is too long for all of it."""
        parts = _PARTS
        while parts:
            text = json.dumps(_shortened(frame, [parts]), separators=(",", ":"))
            if len(text) <= WHOLE:
                self.text = text
                return
            parts //= 2


def _shortened(value: object, left: list[int]) -> object:
    """Copy the beginning of JSON: as many parts as are `left`, of which it takes."""
    left[0] -= 1
    if isinstance(value, str):
        return value[:_TEXT]
    if isinstance(value, list):
        some = value
        if len(value) > _FIRST + _LAST:
            some = value[:_FIRST] + value[-_LAST:]
        return [_shortened(item, left) for item in some if left[0] > 0]
    if isinstance(value, dict):
        return {
            key: _shortened(item, left)
            for key, item in value.items()
            if left[0] > 0 and len(key) <= _TEXT
        }
    return value


class Trace:
    """Remembers the last frames of a wallbox, over all its connections."""

    def __init__(
        self, now: Callable[[], Now], config: Callable[[], StationConfig]
    ) -> None:
        """Start with nothing. `config`: how the wallbox is set up at the moment."""
        self._now = now
        self._config = config
        self._entries: deque[Entry] = deque()
        self._frames = self._characters = 0
        self._before: Settings | None = None
        """What the owner wanted before the oldest entry."""

    # What happens

    def opened(self, connection: int) -> None:
        """Take note that a connection was let in."""
        self._add(connection, "opened")
        self._forget()

    def closed(self, connection: int, *, ours: bool) -> None:
        """Take note that a connection ended, by us or not."""
        self._add(connection, "closed").ours = ours
        self._forget()

    def settings(self, settings: Settings) -> None:
        """Take note of what the owner wants from now on."""
        if not self._entries and self._before is None:
            self._before = settings
        else:
            self._add(0, "target").settings = settings
            self._forget()

    def asked(self, key: str) -> None:
        """Take note of what the owner asked for, as its button is called."""
        self._add(0, "asked").text = key
        self._forget()

    def received(self, connection: int, raw: str | bytes) -> Entry:
        """Keep a frame; one that is longer than `WHOLE` is to be shortened."""
        whole = isinstance(raw, str) and len(raw) <= WHOLE
        return self._frame(connection, "in", raw if whole else None, len(raw))

    def sent(self, connection: int, text: str) -> None:
        """Keep a frame of ours."""
        whole = text if len(text) <= WHOLE else None
        self._frame(connection, "out", whole, len(text))

    def _frame(
        self,
        connection: int,
        kind: Literal["in", "out"],
        text: str | bytes | None,
        length: int,
    ) -> Entry:
        """Keep a frame."""
        entry = self._add(connection, kind)
        entry.text = text if isinstance(text, str) else None
        entry.length, entry.cut = length, length > WHOLE
        self._frames += 1
        self._characters += entry.cost
        self._forget()
        return entry

    def _forget(self) -> None:
        """Forget the oldest entries where there are too many."""
        while (
            self._frames > FRAMES
            or self._characters > MOST_CHARACTERS
            or len(self._entries) > _ENTRIES
        ):
            oldest = self._entries.popleft()
            if oldest.kind in ("in", "out"):
                self._frames -= 1
                self._characters -= oldest.cost
            elif oldest.settings is not None:
                self._before = oldest.settings

    def _add(self, connection: int, kind: Kind) -> Entry:
        """Add an entry."""
        now = self._now()
        entry = Entry(
            steady=now.steady,
            wall=now.wall.timestamp(),
            connection=connection,
            kind=kind,
        )
        self._entries.append(entry)
        return entry

    # What is shown of it

    def content(self) -> list[dict[str, object]]:
        """Return the trace without what is private.

        Takes tens of ms where the wallbox said much: ask for it in a thread.
        """
        entries = tuple(self._entries)
        config = self._config()
        secrets = {
            config.charge_point_id,
            config.password or "",
            config.rfid_token or "",
            *config.allowed_tokens,
            *config.card_names,
            *config.card_names.values(),
        }
        head: dict[str, object] = {
            "trace": _FORMAT,
            "max_current": config.max_current,
            "meter_interval": config.meter_interval,
        }
        if self._before is not None:
            head["target"] = _told(self._before)
        return [head, *_tell(entries, Anonymizer(secrets))]

    def lines(self) -> list[str]:
        """Return the trace as JSON lines, without what is private; see `content`."""
        return [json.dumps(each, separators=(",", ":")) for each in self.content()]


def _told(settings: Settings) -> dict[str, object]:
    """Return settings as JSON."""
    return {
        "current_limit": settings.current_limit,
        "charging_allowed": settings.charging_allowed,
        "cap_a": settings.cap_a,
    }


def _tell(
    entries: tuple[Entry, ...], anonymizer: Anonymizer
) -> Iterable[dict[str, object]]:
    """Tell what happened, in its order."""
    frames = [_read(entry.text) for entry in entries]
    for frame in frames:
        anonymizer.learn(frame)
    numbers: dict[int, int] = {}
    for entry, frame in zip(entries, frames, strict=True):
        at = entry.steady - entries[0].steady
        told: dict[str, object] = {"at": round(at, 3)}
        if entry.connection:
            told["connection"] = numbers.setdefault(entry.connection, len(numbers) + 1)
        match entry.kind:
            case "opened":
                told["event"] = "opened"
            case "closed":
                told |= {"event": "closed", "by": "server" if entry.ours else "wallbox"}
            case "target":
                if entry.settings is not None:
                    told["target"] = _told(entry.settings)
            case "asked":
                told["asked"] = entry.text
            case _:
                told[entry.kind] = anonymizer.frame(frame, entry.wall - at)
                if frame is None:
                    told["length"] = entry.length
                elif entry.cut:
                    told["cut"] = True
        yield told


def _read(text: str | None) -> object:
    """Return what a frame says; None: it is no JSON."""
    try:
        return None if text is None else json_text.parse(text)[0]
    except RecursionError, ValueError:
        return None
