"""What a device that is heard by Bluetooth is, and what it measures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """A set of flags."""

    state: str
    """The lowest flag that is set, or `none`."""
    names: frozenset[str]
    """All flags that are set and have a name."""

    @classmethod
    def of(cls, names: Iterable[str]) -> Flags:
        """Collect flags, the lowest first."""
        ordered = tuple(names)
        return cls(state=ordered[0] if ordered else "none", names=frozenset(ordered))


#: A number in its unit, a state, flags; None: not available.
type Value = float | int | str | Flags | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceIdentity:
    """What a device that is heard by Bluetooth is, by its own account."""

    kind: str | None = None
    """A kind of Victron record, or a BMS; None: it was never heard."""
    model_id: int | None = None
    """The maker's number of its model; None: not known, or there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """What is shown of a device that is heard by Bluetooth."""

    identity: DeviceIdentity = DeviceIdentity()
    """What it is."""
    fresh: bool = False
    """Whether it was heard within the time that its values count."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """Key -> value, in the unit that the key has for this kind.

    The keys are those of the kind's record: `victron.records` is the table of them.
    """
    last_heard: datetime | None = None
    """When it was heard; up to a minute old while it is fresh."""
    signal_strength: int | None = None
    """How strongly, in dBm; as old as `last_heard`."""
