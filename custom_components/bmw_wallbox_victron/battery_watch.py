"""From the devices and the plug to the battery's entities, each when it is due."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
import math
from typing import Any, Final

from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_OFF,
    STATE_ON,
    UnitOfElectricCurrent,
    UnitOfPower,
)
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util.hass_dict import HassKey
from homeassistant.util.unit_conversion import (
    BaseUnitConverter,
    ElectricCurrentConverter,
    PowerConverter,
)

from .battery.battery import (
    DRAINING_FAST_V,
    Battery,
    BatteryState,
    Settings,
    is_silent,
)
from .battery.power_source import CHARGING_MIN_CURRENT_A, Plug
from .battery.sources import ROLES, Role, Source
from .battery.status import CRITICAL_SOC, LOW_SOC, OK_SOC
from .const import DOMAIN
from .feed import Feed
from .publish import TIME_TO_GO, Cancel, Publication, Rule, publish, within

#: Where the status changes; and a battery that is full, or empty, is shown so.
_SOC_THRESHOLDS: Final = (0.0, CRITICAL_SOC, LOW_SOC, OK_SOC, 100.0)
_DATA_PAST: Final[HassKey[dict[str, Past]]] = HassKey(f"{DOMAIN}_past")
#: What was away for longer begins anew, in s.
_LONGEST_RELOAD_S: Final = 60.0
#: Charging and draining are detected after minutes: how long a voltage has to be beyond
#: their thresholds before that alone is worth a row, in s.
_DETECTION_HOLD_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MainsEntities:
    """The entities of the plug that feeds mains in; None: there is none."""

    switch: str | None = None
    """On where mains is passed on."""
    power: str | None = None
    """What it passes on, in W or a unit of the same sort."""
    current: str | None = None
    """What it passes on, in A or a unit of the same sort."""

    @property
    def all(self) -> list[str]:
        """Return those that there are."""
        return [each for each in (self.switch, self.power, self.current) if each]


def rules_of(settings: Settings) -> dict[str, Rule]:
    """Return how closely what is shown follows the battery.

    What an owner sees is on the same side of a threshold as what follows from it. What
    follows from the voltage and its change does so after minutes, so that noise about a
    threshold is no news.
    """
    return {
        "voltage": within(
            0.05, settings.charge_detect_min_voltage, hold_s=_DETECTION_HOLD_S
        ),
        "current": within(0.2, CHARGING_MIN_CURRENT_A),
        "power": within(5),
        "soc": within(0.5, *_SOC_THRESHOLDS),
        "time_to_go": TIME_TO_GO,
        "consumed_ah": within(0.2),
        "voltage_change_15m": within(
            0.05,
            DRAINING_FAST_V,
            settings.charge_detect_min_rise,
            hold_s=_DETECTION_HOLD_S,
        ),
        "voltage_mean_15m": within(0.05),
    }


@dataclass
class Past:
    """What outlives a reload of the entry, but not a restart of Home Assistant."""

    battery: Battery | None = None
    """The battery, with its trend and its delays."""
    at: float = -math.inf
    """When it was brought up to date, in s."""
    heard_at: dict[str, float] = field(default_factory=dict)
    """When each device was heard, or listening for it began, in s, by address."""
    stopped_at: float = -math.inf
    """When listening ended, in s."""

    def take(self, now: float) -> Battery:
        """Return the battery; a new one where the old one missed too much."""
        if self.battery is None or now - self.at > _LONGEST_RELOAD_S:
            self.battery = Battery()
        return self.battery

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
        call_later: Callable[[float, Callable[[], None]], Cancel],
        on_change: Callable[[], None],
    ) -> None:
        """Initialize with what outlives it; `on_change`: what is shown changed."""
        self._hass = hass
        self._feeds: list[tuple[Feed, Role | None]] = []
        self._main_monitor: Feed | None = None
        self._latest = -math.inf
        self._mains = MainsEntities()
        self._settings = Settings()
        self._call_later = call_later
        self._on_change = on_change
        self._past = past
        self._battery = past.take(hass.loop.time())
        self._publication = Publication()
        self._rules = rules_of(self._settings)
        self._due = math.inf
        self._cancel_due: Cancel | None = None
        self._stop_tracking: Cancel | None = None
        self.shown = BatteryState()
        """What is shown of the battery."""

    @callback
    def async_follow(
        self,
        *,
        feeds: Iterable[tuple[Feed, Role | None]],
        main_monitor: Feed | None,
        mains: MainsEntities,
        settings: Settings,
    ) -> None:
        """Follow these from now on, with the role of what cannot be anything else.

        `main_monitor`: the battery monitor that counts; None: the first. What is known
        of the battery stays.
        """
        self._feeds = list(feeds)
        self._main_monitor = main_monitor
        if mains != self._mains:
            self._mains = mains
            self._follow_mains()
        self._settings = settings
        self._rules = rules_of(settings)
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
    def settings(self) -> Settings:
        """Return the settings of the rules."""
        return self._settings

    @callback
    def set_settings(self, settings: Settings) -> None:
        """Apply the settings of the rules."""
        self._settings = settings
        self._rules = rules_of(settings)
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
        first = not self._publication.shown
        publication, waits = publish(
            self._publication,
            self._battery.state.by_key,
            self._rules,
            # What is known before anything was heard may change at once.
            -math.inf if first else now,
        )
        self._look_again(min(due or math.inf, waits or math.inf), now)
        before, self._publication = self._publication, publication
        if publication.shown is before.shown:
            return False
        shown: dict[str, Any] = publication.values
        self.shown = BatteryState(**shown)
        return True

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
        sources = []
        roles = [
            ROLES.get(feed.state.identity.kind or "") or role
            for feed, role in self._feeds
        ]
        monitors = [
            feed
            for (feed, _), role in zip(self._feeds, roles, strict=True)
            if role is Role.BATTERY_MONITOR
        ]
        main = self._main_monitor
        if main not in monitors:
            main = next(iter(monitors), None)
        for (feed, _), role in zip(self._feeds, roles, strict=True):
            state = feed.state
            if role is None:
                continue
            if role is Role.BATTERY_MONITOR and feed is not main:
                role = Role.OTHER_MONITOR
            source = Source(
                role=role,
                fresh=state.fresh,
                values=feed.reading if state.fresh else {},
                heard_at=feed.heard_at,
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
        if state is None:
            return None
        try:
            number = float(state.state)
        except ValueError:
            return None
        if not math.isfinite(number):
            return None
        given = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
        if isinstance(given, str) and given in converter.VALID_UNITS:
            return converter.convert(number, given, unit)
        return number
