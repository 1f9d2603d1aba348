"""What is counted of the battery: energy by where it comes from and goes, and history.

Energy is power over time between readings of a source that is fresh. Nothing is
invented over a gap; how much was heard is part of the history.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from .bank import capacity_of
from .battery import BatteryState, Settings
from .energy import Area, DayCounter, Integrator, count_day, kwh
from .history import History, depth_of, drawn, passed, seen
from .power_flow import alternator_w, mains_w
from .power_source import delivered_w, measuring
from .sources import MEASURING, METER, Role, Source, fresh_of

#: What a monitor has counted tells the capacity from this state of charge down, in %.
_CAPACITY_SOC: Final = 90.0
_FLOAT: Final = "float"
#: Differences of binary fractions are no energy.
_NOISE: Final = 1e-9
#: Who feeds it.
_FEEDING: Final = (
    Role.INVERTER_CHARGER,
    Role.AC_CHARGER,
    Role.SOLAR_CHARGER,
    Role.DC_DC_CHARGER,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What was counted; it is stored, and never falls."""

    energy_charged: float = 0.0
    """What went into the battery, in kWh."""
    energy_discharged: float = 0.0
    """What came out of it, in kWh."""
    solar_energy: float = 0.0
    """From the sun, in kWh."""
    mains_energy: float = 0.0
    """From mains, in kWh."""
    alternator_energy: float = 0.0
    """From the alternator, in kWh."""
    load_energy: float = 0.0
    """What was used, in kWh."""
    history: History = field(default_factory=History)
    """What became of the battery."""
    days: Mapping[str, DayCounter] = field(default_factory=dict)
    """What each charger's own counter of the day showed last, by address."""
    capacity_ah: float | None = None
    """The capacity as a battery monitor's readings tell it, in Ah."""
    nominal_voltage: int | None = None
    """The battery's nominal voltage as it was found, in V."""
    counted_at: datetime | None = None
    """Until when all this was counted."""


#: What is counted is worth a write once it moved by this: kWh, Ah, cycles, %.
_STEP_KWH: Final = 0.01
_STEP_AH: Final = 0.1
_STEP_CYCLES: Final = 0.01
_STEP_COVERAGE: Final = 1.0


def moved(before: Counters, after: Counters) -> bool:
    """Return whether enough was counted since `before` to be worth a write."""
    old, new = before.history, after.history
    steps = (
        (after.energy_charged - before.energy_charged, _STEP_KWH),
        (after.energy_discharged - before.energy_discharged, _STEP_KWH),
        (after.solar_energy - before.solar_energy, _STEP_KWH),
        (after.mains_energy - before.mains_energy, _STEP_KWH),
        (after.alternator_energy - before.alternator_energy, _STEP_KWH),
        (after.load_energy - before.load_energy, _STEP_KWH),
        (new.discharged_ah - old.discharged_ah, _STEP_AH),
        (new.cycles - old.cycles, _STEP_CYCLES),
        ((new.coverage or 0.0) - (old.coverage or 0.0), _STEP_COVERAGE),
        ((new.last_ah or 0.0) - (old.last_ah or 0.0), _STEP_AH),
        ((new.deepest_ah or 0.0) - (old.deepest_ah or 0.0), _STEP_AH),
    )
    if any(abs(step) >= least - _NOISE for step, least in steps):
        return True
    return (
        new.full,
        new.last_full,
        new.discharges,
        new.min_voltage,
        new.max_voltage,
        after.nominal_voltage,
    ) != (
        old.full,
        old.last_full,
        old.discharges,
        old.min_voltage,
        old.max_voltage,
        before.nominal_voltage,
    )


@dataclass(frozen=True, slots=True)
class _Timing:
    """When several sources were heard, in s."""

    at: float
    """The newest reading."""
    stood_until: float
    """Until when what they said before stood."""
    heard_at: float
    """The one that was silent for longest."""

    @classmethod
    def of(cls, sources: Iterable[Source], counted_until: float) -> _Timing:
        """Return it for sources that were counted until then."""
        heard = [source.heard_at for source in sources]
        # Those that say something new; a reading that is repeated stands until now.
        stood = [
            source.stood_until for source in sources if source.read_at > counted_until
        ]
        return cls(max(heard), max(stood, default=max(heard)), min(heard))


class _Flow:
    """Integrates what some sources say together."""

    def __init__(self) -> None:
        """Begin without a reading."""
        self._integrator = Integrator()
        self._until = 0.0
        self._ids: frozenset[str] = frozenset()

    def take(
        self,
        devices: Sequence[Source],
        sources: Sequence[Source],
        value: float | None,
        longest_gap_s: float,
    ) -> Area:
        """Take what `sources` say together; return what is certain now and was not.

        One that was among them and is not any more has said nothing since it was heard;
        `devices` are all that there are.
        """
        ids = frozenset(source.id for source in sources)
        area = Area()
        if value is None or not sources or self._ids - ids:
            heard = [each.heard_at for each in devices if each.id in self._ids - ids]
            if not heard:
                heard = [each.heard_at for each in devices if each.id in self._ids]
            last = min(heard, default=self._until)
            area += self._integrator.take(
                None,
                at=last,
                stood_until=last,
                heard_at=last,
                longest_gap_s=longest_gap_s,
            )
        if value is None or not sources:
            self._ids = frozenset()
            return area
        self._ids = ids
        timing = _Timing.of(sources, self._until)
        self._until = timing.at
        return area + self._integrator.take(
            value,
            at=timing.at,
            stood_until=timing.stood_until,
            heard_at=timing.heard_at,
            longest_gap_s=longest_gap_s,
        )


class Meter:
    """Counts; what it has counted is in `counters`."""

    def __init__(self, counters: Counters, *, now: float, utcnow: datetime) -> None:
        """Go on from what was stored; the time in between was not counted.

        `now`: s of a clock that never goes back, `utcnow` the same as wall time.
        """
        away_s = 0.0
        if counters.counted_at is not None:
            away_s = (utcnow - counters.counted_at).total_seconds()
        self.counters = replace(
            counters, history=passed(counters.history, away_s), counted_at=utcnow
        )
        self._now = now
        self._power = _Flow()
        self._current = _Flow()
        self._load = _Flow()
        self._flows: dict[str, _Flow] = {}
        """Those of the chargers, by address."""

    def take(
        self,
        sources: Sequence[Source],
        state: BatteryState,
        settings: Settings,
        *,
        nominal_voltage: int | None,
        now: float,
        utcnow: datetime,
    ) -> None:
        """Take what is said and known now; BMSs come as one source.

        `nominal_voltage`: as it was found, in V, to be kept.
        """
        gap_s = settings.freshness_timeout_s
        capacity_ah = self._capacity(sources, state, settings)
        self._count_battery(sources, capacity_ah, gap_s)
        self._count_chargers(sources, gap_s, utcnow.timestamp() - now)
        self._count_load(sources, state.load_power, gap_s)
        history = passed(self.counters.history, now - self._now)
        self._now = now
        self.counters = replace(
            self.counters,
            counted_at=utcnow,
            nominal_voltage=nominal_voltage,
            history=seen(
                history,
                voltage=state.voltage,
                soc=state.soc,
                depth_ah=depth_of(
                    consumed_ah=state.consumed_ah,
                    soc=state.soc,
                    capacity_ah=capacity_ah,
                ),
                in_float=_in_float(sources),
                capacity_ah=capacity_ah,
                now=utcnow,
            ),
        )

    def reset(self, counters: Counters) -> None:
        """Begin anew with these totals; what devices are stays known."""
        before = self.counters
        full = before.history.full
        self.counters = replace(
            counters,
            history=replace(counters.history, full=full),
            days=before.days,
            capacity_ah=before.capacity_ah,
            nominal_voltage=before.nominal_voltage,
            counted_at=before.counted_at,
        )

    def _capacity(
        self, sources: Sequence[Source], state: BatteryState, settings: Settings
    ) -> float | None:
        """Return the capacity, in Ah: as set, as a BMS tells it, or as it follows."""
        if settings.capacity_ah is not None:
            return settings.capacity_ah
        for pack in fresh_of(sources, Role.BMS):
            if (told := capacity_of(pack)) is not None:
                return told
        soc, consumed_ah = state.soc, state.consumed_ah
        if soc is not None and consumed_ah is not None and soc <= _CAPACITY_SOC:
            capacity_ah = round(abs(consumed_ah) / (1 - soc / 100))
            self.counters = replace(self.counters, capacity_ah=capacity_ah or None)
        return self.counters.capacity_ah

    def _count_battery(
        self, sources: Sequence[Source], capacity_ah: float | None, gap_s: float
    ) -> None:
        """Count what goes into the battery, and what comes out of it."""
        source = measuring(sources)
        read = [] if source is None else [source]
        watts = None if source is None else source.quantity("power")
        amperes = None if source is None else source.quantity("current")
        energy = self._power.take(sources, read, watts, gap_s)
        charge = self._current.take(sources, read, amperes, gap_s)
        if energy.covered_s > 0:
            self.counters = replace(
                self.counters,
                energy_charged=self.counters.energy_charged + kwh(energy.positive),
                energy_discharged=self.counters.energy_discharged
                + kwh(energy.negative),
            )
        if charge.covered_s > 0:
            self.counters = replace(
                self.counters,
                history=drawn(
                    self.counters.history,
                    charge.negative / 3600,
                    covered_s=charge.covered_s,
                    capacity_ah=capacity_ah,
                ),
            )

    def _count_chargers(
        self, sources: Sequence[Source], gap_s: float, wall_s: float
    ) -> None:
        """Count what each charger delivers.

        `wall_s`: how far wall time is ahead of the clock of the sources, in s.
        """
        counters = self.counters
        solar = mains = alternator = 0.0
        days = counters.days
        for source in sources:
            if source.role in (Role.SOLAR_CHARGER, Role.INVERTER_CHARGER):
                today = source.number("yield_today") if source.fresh else None
                if today is not None:
                    day = days.get(source.id, DayCounter())
                    # Others may have been heard since: what counts is when it was.
                    day, added = count_day(day, today, source.heard_at + wall_s)
                    days = {**days, source.id: day}
                    solar += added
            if source.role is Role.SOLAR_CHARGER and source.kind == METER:
                solar += self._delivered(source, delivered_w, gap_s)
            elif source.role in (Role.AC_CHARGER, Role.INVERTER_CHARGER):
                mains += self._delivered(source, mains_w, gap_s)
            elif source.role is Role.DC_DC_CHARGER:
                alternator += self._delivered(source, alternator_w, gap_s)
        self.counters = replace(
            counters,
            days=days,
            solar_energy=counters.solar_energy + solar,
            mains_energy=counters.mains_energy + mains,
            alternator_energy=counters.alternator_energy + alternator,
        )

    def _delivered(
        self, source: Source, watts: Callable[[Source], float | None], gap_s: float
    ) -> float:
        """Return what a charger has delivered and was not counted, in kWh."""
        flow = self._flows.setdefault(source.id, _Flow())
        value = watts(source) if source.fresh else None
        return kwh(flow.take([source], [source], value, gap_s).positive)

    def _count_load(
        self, sources: Sequence[Source], watts: float | None, gap_s: float
    ) -> None:
        """Count what is used."""
        read = [
            source
            for source in sources
            if source.fresh and source.role in (*MEASURING, *_FEEDING)
        ]
        area = self._load.take(sources, read, watts, gap_s)
        self.counters = replace(
            self.counters, load_energy=self.counters.load_energy + kwh(area.positive)
        )


def _in_float(sources: Sequence[Source]) -> bool:
    """Return whether a charger holds the battery in float."""
    return any(
        _FLOAT in (source.text("charge_state"), source.text("device_state"))
        for source in sources
        if source.fresh and source.role in _FEEDING
    )
