"""A trace of a wallbox, as the integration writes it: laid out for a replay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
import re
from typing import Any, Final

from .records import Payload
from .strict import Kind

_FORMAT: Final = 1
_TIME: Final = re.compile(r"@([+-]\d+\.\d{3})(Z|z|#|[+-]\d\d:\d\d)?", re.ASCII)
_UNANSWERED_S: Final = 2.0
"""So long before the end of a trace an answer may still have come after it, s."""
_ALLOWS: Final = {"start_charging": True, "stop_charging": False}
"""What is asked for that is a target as well: whether the car may charge."""
REPORTS: Final = frozenset({"NotifyReport", "ReportChargingProfiles"})
"""What a wallbox says because it was asked to, by `requestId`."""


class TraceError(ValueError):
    """A trace that cannot be read; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What its owner wanted from a moment on."""

    at: float
    """From when on, s after the trace began."""
    current_limit: int | None
    """The limit, A; None: none was set."""
    charging_allowed: bool
    """Whether the car might charge."""
    asked: str | None = None
    """What was asked for by then, as the button is called; None: nothing."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """Something that the wallbox did by itself, or that its owner wanted."""

    at: float
    """When, s after the trace began."""
    connection: int = 0
    """On which of its connections; 0: on none."""
    wanted: Wanted | None = None
    """What that was; None: the wallbox did something."""
    opens: bool = False
    """Whether it connected."""
    closes: bool = False
    """Whether it hung up."""
    frame: list[Any] | None = None
    """Its CALL; None: none, or what was no JSON."""
    length: int = 0
    """How long that was, in characters."""
    after: tuple[str, ...] = ()
    """The message ids of its calls whose answers it had by then."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A call of the central system, and how it was answered."""

    at: float
    """When it was asked, s after the trace began."""
    action: str
    payload: Payload
    answer: list[Any] | None
    """CALLRESULT or CALLERROR; None: there was none."""
    took_s: float
    """How long the answer took, s."""
    reports: tuple[Said, ...] = ()
    """What it said because it was asked."""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A trace, laid out."""

    said: tuple[Said, ...]
    asked: tuple[Asked, ...]
    wanted: tuple[Wanted, ...]
    before: Wanted
    """What its owner wanted when it began."""
    states: tuple[tuple[float, dict[str, str]], ...]
    """What was shown of it, and when, where somebody wrote that down."""
    max_current: int
    """The most that the installation bears, A."""
    meter_interval: int
    """How often it was asked for readings, s."""
    length_s: float
    """How long it lasts, s."""


def load_trace(path: Path) -> Trace:
    """Read a trace from JSON lines, or from diagnostics that have one.

    Raises TraceError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise TraceError(f"{path} cannot be read: {err}") from err
    try:
        content = json.loads(text)
    except ValueError:
        return read_trace(text.splitlines())
    for trace in _traces(content):
        return read_trace(
            line if isinstance(line, str) else json.dumps(line) for line in trace
        )
    raise TraceError(f"there is no trace in {path}")


def _traces(content: object) -> Iterator[list[Any]]:
    """Find the traces in what was downloaded, wherever they are."""
    if isinstance(content, dict):
        for key, item in content.items():
            if key == "trace" and isinstance(item, list) and item:
                yield item
            else:
                yield from _traces(item)
    elif isinstance(content, list):
        for item in content:
            yield from _traces(item)


def read_trace(lines: Iterable[str]) -> Trace:
    """Read the lines of a trace. Raises TraceError."""
    try:
        entries = [json.loads(line) for line in lines if line.strip()]
        head = entries[0]
        if head.get("trace") != _FORMAT:
            raise TraceError(f"a trace of format {head.get('trace')} is not known here")
        return _laid_out(head, entries[1:])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as err:
        if isinstance(err, TraceError):
            raise
        raise TraceError(f"this is no trace: {type(err).__name__} {err}") from err


def _laid_out(head: dict[str, Any], entries: list[dict[str, Any]]) -> Trace:
    """Lay out the entries of a trace."""
    end = max((float(entry["at"]) for entry in entries), default=0.0)
    before = _wanted(0.0, head.get("target") or {})
    wanted = dict(_all_wanted(entries, before))
    said, reports = _said(entries, wanted)
    return Trace(
        said=tuple(said),
        asked=tuple(_asked(entries, reports, end)),
        wanted=tuple(wanted.values()),
        before=before,
        states=tuple(
            (float(entry["at"]), entry["states"])
            for entry in entries
            if "states" in entry
        ),
        max_current=int(head["max_current"]),
        meter_interval=int(head["meter_interval"]),
        length_s=end,
    )


def _wanted(at: float, target: dict[str, Any]) -> Wanted:
    """Read what its owner wanted."""
    return Wanted(
        at=at,
        current_limit=target.get("current_limit"),
        charging_allowed=target.get("charging_allowed", True),
    )


def _all_wanted(
    entries: list[dict[str, Any]], before: Wanted
) -> Iterator[tuple[int, Wanted]]:
    """Find which entries tell that its owner wanted something else than `before`.

    A target tells what limits beside that as well.
    """
    for index, entry in enumerate(entries):
        at, asked = float(entry["at"]), entry.get("asked")
        if asked is not None:
            allowed = _ALLOWS.get(asked, before.charging_allowed)
            before = replace(before, at=at, charging_allowed=allowed, asked=asked)
            yield index, before
        elif "target" in entry:
            wanted = _wanted(at, entry["target"])
            if replace(before, at=at, asked=None) != wanted:
                before = wanted
                yield index, wanted


def _said(
    entries: list[dict[str, Any]], wanted: Mapping[int, Wanted]
) -> tuple[list[Said], dict[tuple[int, int], list[Said]]]:
    """Find what the wallbox did by itself, and what because it was asked to.

    That is by connection and `requestId`. `wanted` has its place among it, by entry.
    """
    requests = {
        (entry["connection"], entry["out"][3]["requestId"])
        for entry in entries
        if _is_call(entry.get("out")) and "requestId" in entry["out"][3]
    }
    said: list[Said] = []
    reports: dict[tuple[int, int], list[Said]] = {}
    open_before: set[int] = set()
    answered: dict[int, list[str]] = {}
    for index, entry in enumerate(entries):
        at, connection = float(entry["at"]), int(entry.get("connection", 0))
        if index in wanted:
            said.append(Said(at=at, wanted=wanted[index]))
        if entry.get("event") == "opened":
            open_before.add(connection)
            said.append(Said(at=at, connection=connection, opens=True))
            continue
        if connection and connection not in open_before:
            # It was there before the trace begins.
            open_before.add(connection)
            said.append(Said(at=at, connection=connection, opens=True))
        if entry.get("event") == "closed" and entry["by"] == "wallbox":
            said.append(Said(at=at, connection=connection, closes=True))
        if (ours := entry.get("out")) is not None and ours[0] != Kind.CALL:
            answered.setdefault(connection, []).append(ours[1])
        if "in" not in entry:
            continue
        frame = entry["in"]
        if frame is not None and frame[:1] in ([Kind.RESULT], [Kind.ERROR]):
            continue
        one = Said(
            at=at,
            connection=connection,
            frame=frame,
            length=int(entry.get("length", 0)),
            after=tuple(answered.get(connection, ())),
        )
        request = None
        if _is_call(frame) and frame[2] in REPORTS:
            request = (connection, frame[3].get("requestId"))
        if request is not None and request in requests:
            reports.setdefault(request, []).append(one)
        else:
            said.append(one)
    return said, reports


def _is_call(frame: Any) -> bool:
    """Return whether a frame is a whole CALL."""
    return (
        isinstance(frame, list)
        and len(frame) == 4
        and frame[0] == Kind.CALL
        and isinstance(frame[3], dict)
    )


def _asked(
    entries: list[dict[str, Any]],
    reports: dict[tuple[int, int], list[Said]],
    end: float,
) -> list[Asked]:
    """Find the calls of the central system, with their answers."""
    answers: dict[tuple[int, str], tuple[float, list[Any]]] = {}
    for entry in entries:
        frame = entry.get("in")
        if isinstance(frame, list) and frame[:1] in ([Kind.RESULT], [Kind.ERROR]):
            key = (entry["connection"], frame[1])
            answers.setdefault(key, (float(entry["at"]), frame))
    asked: list[Asked] = []
    for entry in entries:
        frame, at = entry.get("out"), float(entry["at"])
        if frame is None or not _is_call(frame):
            continue
        answer = answers.get((entry["connection"], frame[1]))
        if answer is None and end - at < _UNANSWERED_S:
            continue  # it may have come after the end
        asked.append(
            Asked(
                at=at,
                action=frame[2],
                payload=frame[3],
                answer=None if answer is None else answer[1],
                took_s=0.0 if answer is None else answer[0] - at,
                reports=tuple(
                    reports.get((entry["connection"], frame[3].get("requestId")), ())
                ),
            )
        )
    return asked


def moved(text: str, begin: datetime) -> Any:
    """Write a relative time of a trace as one of a replay that began at `begin`.

    What is no such time stays as it is.
    """
    if (found := _TIME.fullmatch(text)) is None:
        return text
    moment, zone = begin + timedelta(seconds=float(found[1])), found[2] or ""
    if zone == "#":
        return round(moment.timestamp())
    if zone not in ("Z", "z", ""):
        offset = datetime.fromisoformat(f"2000-01-01T00:00:00{zone}").tzinfo
        return moment.astimezone(offset).isoformat(timespec="milliseconds")
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", zone)
