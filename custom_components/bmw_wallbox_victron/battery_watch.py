"""From the devices and the plug to the battery's entities, each when it is due."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
import math
from typing import Any, Final

from homeassistant.const import (
    STATE_OFF,
    STATE_ON,
    UnitOfElectricCurrent,
    UnitOfPower,
)
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey
from homeassistant.util.unit_conversion import (
    BaseUnitConverter,
    ElectricCurrentConverter,
    PowerConverter,
)

from .battery.bank import BankMode
from .battery.battery import (
    DRAINING_FAST_V,
    Battery,
    BatteryState,
    Settings,
    is_silent,
)
from .battery.counters import Counters, Meter
from .battery.power_source import (
    CHARGING_MIN_CURRENT_A,
    CHARGING_OFF_CURRENT_A,
    Plug,
)
from .battery.sources import METER, Role, Source, role_of
from .battery.status import CRITICAL_SOC, LOW_SOC, OK_SOC
from .battery.tellable import tellable
from .battery_settings import MainsEntities
from .const import DOMAIN
from .entity_numbers import number_in
from .feed import Feed
from .publish import (
    TIME_TO_GO,
    Cancel,
    Publication,
    Rule,
    publish,
    rule_for,
    steady,
    within,
)

#: Where the status changes; and a battery that is full, or empty, is shown so.
_SOC_THRESHOLDS: Final = (0.0, CRITICAL_SOC, LOW_SOC, OK_SOC, 100.0)
_DATA_PAST: Final[HassKey[dict[str, Past]]] = HassKey(f"{DOMAIN}_past")
#: What was away for longer begins anew, in s.
_LONGEST_RELOAD_S: Final = 60.0
#: What is counted is brought up to date so often at least, in s.
_COUNT_S: Final = 300.0
#: Charging and draining are detected after minutes: how long a voltage has to be beyond
#: their thresholds before that alone is worth a row, in s.
_DETECTION_HOLD_S: Final = 60.0


def rules_of(settings: Settings, scale: float) -> dict[str, Rule]:
    """Return how closely what is shown follows the battery.

    What an owner sees is on the same side of a threshold as what follows from it. What
    follows from the voltage and its change does so after minutes, so that noise about a
    threshold is no news. `scale`: what a voltage for a 12 V battery counts times.
    """
    return {
        # Loads come and go: it moves by more than ripple does.
        "voltage": within(
            0.05,
            settings.charge_detect_v * scale,
            hold_s=_DETECTION_HOLD_S,
            ripple_s=0.0,
        ),
        "current": within(0.2, CHARGING_OFF_CURRENT_A, CHARGING_MIN_CURRENT_A),
        "power": within(5),
        "soc": steady(0.5, *_SOC_THRESHOLDS),
        "time_to_go": TIME_TO_GO,
        "consumed_ah": steady(0.2),
        "temperature": rule_for("temperature", "°C"),
        "voltage_change_15m": within(
            0.05,
            DRAINING_FAST_V * scale,
            settings.charge_detect_min_rise * scale,
            hold_s=_DETECTION_HOLD_S,
        ),
        "voltage_mean_15m": within(0.05),
        "solar_power": within(5),
        "load_power": within(5),
    }


@dataclass
class Past:
    """What outlives a reload of the entry, but not a restart of Home Assistant."""

    battery: Battery | None = None
    """The battery, with its trend and its delays."""
    meter: Meter | None = None
    """What counts its energy and its history."""
    at: float = -math.inf
    """When it was brought up to date, in s."""
    heard_at: dict[str, float] = field(default_factory=dict)
    """When each device was heard, or listening for it began, in s, by address."""
    stopped_at: float = -math.inf
    """When listening ended, in s."""

    def take(self, counters: Counters, now: float) -> tuple[Battery, Meter]:
        """Return battery and meter; new ones where the old ones missed too much.

        `counters`: what was stored.
        """
        if (
            self.battery is None
            or self.meter is None
            or now - self.at > _LONGEST_RELOAD_S
        ):
            self.battery = Battery(counters.nominal_voltage)
            self.meter = Meter(counters, now=now, utcnow=dt_util.utcnow())
        return self.battery, self.meter

    def keep_heard_at(self, heard_at: dict[str, float], now: float) -> None:
        """Keep when each device was heard, now that listening ends."""
        self.heard_at, self.stopped_at = heard_at, now

    def take_heard_at(self, now: float) -> dict[str, float]:
        """Return when each device was heard; nothing after a long time without."""
        return {} if now - self.stopped_at > _LONGEST_RELOAD_S else self.heard_at


@callback
def async_get_past(hass: HomeAssistant, entry_id: str) -> Past:
    """Return what outlives a reload of an entry."""
    return hass.data.setdefault(_DATA_PAST, {}).setdefault(entry_id, Past())


@callback
def async_forget_past(hass: HomeAssistant, entry_id: str) -> None:
    """Forget an entry that was removed."""
    hass.data.get(_DATA_PAST, {}).pop(entry_id, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A device that may know something of the battery."""

    feed: Feed
    """What it says."""
    address: str
    """Its Bluetooth address."""
    name: str
    """What its owner calls it."""
    is_bms: bool
    """Whether it is a BMS, and cannot be anything else."""

    @property
    def kind(self) -> str:
        """The kind of its record, or a BMS; empty: not known yet."""
        return "bms" if self.is_bms else self.feed.state.identity.kind or ""

    @property
    def is_known(self) -> bool:
        """Whether it is known what it is; a meter tells with its readings."""
        return bool(self.kind) and (self.kind != METER or bool(self.feed.reading))

    @property
    def role(self) -> Role | None:
        """What it is to the battery; None: nothing, or it is not known yet."""
        return role_of(self.kind, self.feed.reading)


def _main_of(
    members: Iterable[Member], role: Role, chosen: Feed | None
) -> Member | None:
    """Return the one of a role that counts: the chosen one, else the first."""
    having = [member for member in members if member.role is role]
    main = [member for member in having if member.feed is chosen]
    return next(iter(main or having), None)


async def async_get_messages(hass: HomeAssistant) -> dict[str, str]:
    """Return the messages of the battery's summary, in the owner's language."""
    texts = await async_get_translations(
        hass, hass.config.language, "selector", [DOMAIN]
    )
    prefix = f"component.{DOMAIN}.selector.summary_message.options."
    return {
        key.removeprefix(prefix): text
        for key, text in texts.items()
        if key.startswith(prefix)
    }


class BatteryWatch:
    """Keeps the battery up to date, without asking anybody at intervals."""

    def __init__(
        self,
        hass: HomeAssistant,
        *,
        past: Past,
        counters: Counters,
        call_later: Callable[[float, Callable[[], None]], Cancel],
        on_change: Callable[[], None],
        on_count: Callable[[Counters], None],
    ) -> None:
        """Initialize with what outlives it; `on_change`: what is shown changed.

        `counters`: what was stored of them. `on_count` is told of what they are.
        """
        self._hass = hass
        self._members: list[Member] = []
        self._main_monitor: Feed | None = None
        self._main_bms: Feed | None = None
        self._latest = -math.inf
        self._mains = MainsEntities()
        self._settings = Settings()
        self._call_later = call_later
        self._on_change = on_change
        self._past = past
        self._on_count = on_count
        self._battery, self._meter = past.take(counters, hass.loop.time())
        self._publication = Publication()
        self._rules: Mapping[str, Rule] = {}
        self._scaled: float | None = None
        """The scale that the rules are for; None: they are to be made anew."""
        self._due = math.inf
        self._cancel_due: Cancel | None = None
        self._stop_tracking: Cancel | None = None
        self.shown = BatteryState()
        """What is shown of the battery."""

    @callback
    def async_follow(
        self,
        *,
        members: Iterable[Member],
        main_monitor: Feed | None,
        main_bms: Feed | None,
        mains: MainsEntities,
        settings: Settings,
    ) -> None:
        """Follow these from now on.

        `main_monitor`, `main_bms`: the battery monitor and the BMS that count; None:
        the first. What is known of the battery stays.
        """
        self._members = list(members)
        self._main_monitor, self._main_bms = main_monitor, main_bms
        if mains != self._mains:
            self._mains = mains
            self._follow_mains()
        self._settings = settings
        self._scaled = None
        self.update()

    @callback
    def _follow_mains(self) -> None:
        """Follow the plug's entities, and no others."""
        if self._stop_tracking is not None:
            self._stop_tracking()
            self._stop_tracking = None
        if entities := self._mains.all:
            self._stop_tracking = async_track_state_change_event(
                self._hass, entities, self._on_mains
            )

    @callback
    def async_stop(self) -> None:
        """Stop following, and all timers."""
        if self._stop_tracking is not None:
            self._stop_tracking()
            self._stop_tracking = None
        if self._cancel_due is not None:
            self._cancel_due()
            self._cancel_due = None

    @property
    def nominal(self) -> int | None:
        """The nominal voltage, in V, as set or found; None: not known yet."""
        return self._settings.nominal_voltage or self._battery.nominal

    @property
    def tells(self) -> frozenset[str]:
        """The keys of all that can be told of the battery."""
        return tellable(
            [(member.kind, member.role) for member in self._members],
            has_plug=bool(self._mains.all),
        )

    @property
    def _monitor(self) -> Member | None:
        """The battery monitor that counts."""
        return _main_of(self._members, Role.BATTERY_MONITOR, self._main_monitor)

    @property
    def monitor(self) -> str | None:
        """The address of the battery monitor that counts; None: there is none."""
        return None if (monitor := self._monitor) is None else monitor.address

    @property
    def is_known(self) -> bool:
        """Whether it is known what each of the devices is."""
        return all(member.is_known for member in self._members)

    @property
    def settings(self) -> Settings:
        """Return the settings of the rules."""
        return self._settings

    @callback
    def set_settings(self, settings: Settings) -> None:
        """Apply the settings of the rules."""
        self._settings = settings
        self._scaled = None
        self.update()
        self._on_change()

    @callback
    def _on_mains(self, _: Event[EventStateChangedData]) -> None:
        """Handle a change of the plug."""
        if self.update():
            self._on_change()

    @callback
    def _on_due(self) -> None:
        """Update what is due."""
        self._cancel_due = None
        # At least when it was due: timers and clocks round differently.
        now = max(self._due, self._hass.loop.time())
        self._due = math.inf
        if self.update(now):
            self._on_change()

    @callback
    def update(self, now: float | None = None) -> bool:
        """Update the battery; return whether what is shown has changed."""
        # A timer may be ahead of the clock by its resolution.
        now = self._latest = max(self._latest, now or self._hass.loop.time())
        self._past.at = now
        sources = [source for _, source in self._sources()]
        due = self._battery.update(sources, self._plug(), self._settings, now)
        self._count(now)
        due = min(due or math.inf, now + _COUNT_S)
        scale = self._battery.scale(self._settings)
        if scale != self._scaled:
            self._scaled, self._rules = scale, rules_of(self._settings, scale)
        first = not self._publication.shown
        publication, waits = publish(
            self._publication,
            self._battery.state.by_key,
            self._rules,
            # What is known before anything was heard may change at once.
            -math.inf if first else now,
        )
        self._look_again(min(due, waits or math.inf), now)
        before, self._publication = self._publication, publication
        silent = self._battery.state.silent
        if publication.shown is before.shown and silent == self.shown.silent:
            return False
        shown: dict[str, Any] = publication.values
        self.shown = BatteryState(**shown, silent=silent)
        return True

    @callback
    def _count(self, now: float) -> None:
        """Count what flowed until now."""
        meter = self._meter
        meter.take(
            self._battery.sources,
            self._battery.state,
            self._settings,
            nominal_voltage=self._battery.nominal,
            now=now,
            utcnow=dt_util.utcnow(),
        )
        self._on_count(meter.counters)

    @callback
    def reset_counters(self, counters: Counters) -> None:
        """Begin anew with these totals."""
        self._meter.reset(counters)
        self._on_count(self._meter.counters)

    def silent(self) -> list[Feed]:
        """Return the battery monitors and BMSs that are silent for too long."""
        now = max(self._latest, self._hass.loop.time())
        return [
            feed
            for feed, source in self._sources()
            if is_silent(source, self._settings, now)
        ]

    @callback
    def _look_again(self, due: float, now: float) -> None:
        """Set a timer for what is due first; an earlier one may stay."""
        if self._cancel_due is not None:
            if self._due <= due:
                return
            self._cancel_due()
            self._cancel_due = None
        if due < math.inf:
            self._due = due
            self._cancel_due = self._call_later(max(0.0, due - now), self._on_due)

    def _sources(self) -> list[tuple[Feed, Source]]:
        """Return the readings of the devices that have to do with the battery."""
        roles = [
            (member, role)
            for member in self._members
            if (role := member.role) is not None
        ]
        monitor = self._monitor
        main_bms = None
        if self._settings.bank_mode is BankMode.MAIN:
            main_bms = _main_of(self._members, Role.BMS, self._main_bms)
        sources = []
        for member, role in roles:
            feed = member.feed
            if (role is Role.BATTERY_MONITOR and member is not monitor) or (
                role is Role.BMS and main_bms is not None and member is not main_bms
            ):
                role = Role.OTHER_MONITOR
            source = Source(
                role=role,
                kind=member.kind,
                fresh=feed.state.fresh,
                values=feed.reading if feed.state.fresh else {},
                heard_at=feed.heard_at,
                read_at=feed.read_at,
                stood_until=feed.stood_until,
                id=member.address,
                name=member.name,
            )
            sources.append((feed, source))
        return sources

    def _plug(self) -> Plug:
        """Return the state of the plug."""
        mains = self._mains
        return Plug(
            has_switch=mains.switch is not None,
            has_power=mains.power is not None,
            has_current=mains.current is not None,
            is_on=self._is_on(mains.switch),
            power_w=self._number(mains.power, PowerConverter, UnitOfPower.WATT),
            current_a=self._number(
                mains.current, ElectricCurrentConverter, UnitOfElectricCurrent.AMPERE
            ),
        )

    def _is_on(self, entity_id: str | None) -> bool | None:
        """Return whether an entity is on; None: unavailable."""
        state = None if entity_id is None else self._hass.states.get(entity_id)
        if state is None or state.state not in (STATE_ON, STATE_OFF):
            return None
        return state.state == STATE_ON

    def _number(
        self, entity_id: str | None, converter: type[BaseUnitConverter], unit: str
    ) -> float | None:
        """Return an entity's number in a unit; None: unavailable."""
        state = None if entity_id is None else self._hass.states.get(entity_id)
        return number_in(state, converter, unit)
