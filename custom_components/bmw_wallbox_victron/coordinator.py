"""The coordinator of a site: publishes snapshots of all that its entities show."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
import logging
from typing import override

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigEntryState,
    ConfigSubentry,
)
from homeassistant.const import (
    CONF_ADDRESS,
    EVENT_HOMEASSISTANT_STOP,
)
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.event import async_call_later, async_track_time_interval
from homeassistant.helpers.translation import async_get_translations
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.util import dt as dt_util

from .battery.battery import BatteryState, Settings
from .battery.counters import Counters
from .battery_store import BatteryStore
from .charging.status import ChargingStatus
from .charging_watch import ChargingWatch
from .const import (
    CONF_CHARGE_POINT_ID,
    CONF_METER_INTERVAL,
    DEFAULT_METER_INTERVAL,
    DOMAIN,
    SUBENTRY_WALLBOX,
)
from .devices import Devices
from .disk import NotStoredError
from .readings import DeviceState
from .server import Server
from .session_events import SessionEvents
from .site_problems import async_get_problems
from .storage import SessionStore, SiteStore
from .subentries import device_subentries, subentries_of
from .wallbox.certificate import CertificateInfo
from .wallbox.errors import CommandError
from .wallbox.sessions import Ledger, session_events
from .wallbox.state import WallboxState
from .wallbox.station import Station
from .wallbox_checks import WallboxChecks
from .wallbox_settings import foundation, station_config

_LOGGER = logging.getLogger(__name__)

#: How often the certificate is read again, and are keys checked.
_CHECK_INTERVAL = timedelta(minutes=10)

type SiteConfigEntry = ConfigEntry[SiteCoordinator]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteData:
    """All that entities show."""

    wallboxes: Mapping[str, WallboxState] = field(default_factory=dict)
    """State of each wallbox, by charge point id; energy as far as it is stored."""
    devices: Mapping[str, DeviceState] = field(default_factory=dict)
    """State of each device that is heard by Bluetooth, by address."""
    battery: BatteryState | None = None
    """What is shown of the battery; None: no device could know of one."""
    battery_tells: frozenset[str] = frozenset()
    """The keys of all that can be told of the battery: it has entities for these."""
    battery_counters: Counters | None = None
    """What was counted of the battery, as far as it is stored; None: nothing yet."""
    battery_settings: Settings | None = None
    """The settings of the battery's rules; None: there is no battery."""
    charging: Mapping[str, ChargingStatus] = field(default_factory=dict)
    """What is shown of the charging of each wallbox, by charge point id."""
    charging_tells: frozenset[str] = frozenset()
    """The keys of the entities of charging that what is configured brings."""
    certificate: CertificateInfo | None = None
    """The server's certificate; None: there is no server."""


class SiteCoordinator(DataUpdateCoordinator[SiteData]):
    """Owns the server and what is heard by Bluetooth, and publishes snapshots."""

    config_entry: SiteConfigEntry

    def __init__(self, hass: HomeAssistant, entry: SiteConfigEntry) -> None:
        """Initialize the coordinator."""
        super().__init__(hass, _LOGGER, config_entry=entry, name=DOMAIN)
        self.data = SiteData()
        self.stations: dict[str, Station] = {}
        """By charge point id."""
        self._stations: dict[str, Station] = {}
        """By subentry: its id may be corrected while they are connected by the old."""
        self._subentries = subentries_of(entry, SUBENTRY_WALLBOX)
        self._problems = async_get_problems(hass)
        self._store = SiteStore(
            hass, entry.entry_id, problems=self._problems, on_end=self._stored
        )
        self._sessions = SessionStore(hass, entry.entry_id, problems=self._problems)
        self._battery = BatteryStore(
            hass,
            entry.entry_id,
            problems=self._problems,
            on_written=self._publish_devices,
        )
        self._published: Mapping[str, WallboxState] = {}
        """The states of the wallboxes, by subentry, with energy that is not stored."""
        self.session_events = SessionEvents(self._store)
        self.devices = Devices(
            hass,
            entry,
            store=self._store,
            battery_store=self._battery,
            problems=self._problems,
            call_later=self._call_later,
            on_change=self._publish_devices,
        )
        self._foundation = foundation(entry)
        self._titles: dict[str, str] = {}
        self._changed = False
        self._changing = asyncio.Lock()
        self._interval = 0
        self._cancel_poll: Callable[[], None] | None = None
        self.charging = ChargingWatch(
            hass,
            self.stations,
            problems=self._problems,
            call_later=self._call_later,
            shown=self._shown,
            on_change=self._publish_charging,
        )
        self.checks = WallboxChecks(hass)
        """The checks of wallboxes that run."""
        self.server = Server(
            hass, entry, problems=self._problems, stations=self.stations
        )
        self.english: Mapping[str, str] = {}
        """The English names of entities, by their place in the translations."""

    @property
    def wallbox_subentries(self) -> list[ConfigSubentry]:
        """Return the subentries of the wallboxes that are served.

        One that was added, or whose id was corrected, while all this started waits for
        the reload that follows.
        """
        return [
            subentry
            for subentry in subentries_of(self.config_entry, SUBENTRY_WALLBOX)
            if (station := self._stations.get(subentry.subentry_id)) is not None
            and station.config.charge_point_id == subentry.data[CONF_CHARGE_POINT_ID]
        ]

    async def async_start(self) -> None:
        """Load what was stored and listen. Raises ConfigEntryNotReady."""
        self.config_entry.async_on_unload(
            self.hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, self._async_stop)
        )
        self.english = await async_get_translations(self.hass, "en", "entity", [DOMAIN])
        stored = await self._store.async_load(self._set_up_before())
        ledgers = await self._sessions.async_load()
        await self._battery.async_load()
        options = self.config_entry.options
        for subentry in self._subentries:
            self._titles[subentry.subentry_id] = subentry.title
            config = station_config(subentry, options)
            station = Station(
                config,
                state=stored.get(subentry.subentry_id, WallboxState()),
                clock=dt_util.utcnow,
                call_later=self._call_later,
                on_change=self._publish,
                ledger=Ledger(ledgers.get(subentry.subentry_id, ())),
                problems=self._problems,
            )
            self.stations[config.charge_point_id] = station
            self._stations[subentry.subentry_id] = station
            # It may have ended in the last moment before a power cut.
            station.ledger.record(station.state)
        if not ledgers.keys() <= {item.subentry_id for item in self._subentries}:
            self._keep_sessions()  # without those of a wallbox that was removed
        self._keep_problems()
        # Before a wallbox connects: it is told no more than it may.
        self.charging.async_configure(options)
        await self.server.async_start()
        await self.devices.async_apply()
        self._publish()
        self._set_interval()
        self.config_entry.async_on_unload(
            async_track_time_interval(
                self.hass, self._async_check, _CHECK_INTERVAL, cancel_on_shutdown=True
            )
        )

    def _set_up_before(self) -> set[str]:
        """Return the wallboxes, by subentry, that are not here for the first time."""
        entities = er.async_entries_for_config_entry(
            er.async_get(self.hass), self.config_entry.entry_id
        )
        set_up = {entity.config_subentry_id for entity in entities}
        return {
            subentry.subentry_id
            for subentry in self._subentries
            if subentry.subentry_id in set_up
        }

    @callback
    def async_apply_changes(self) -> None:
        """Apply changes of the entry, once the step that makes them is over.

        Such a step may make several.
        """
        if not self._changed:
            self._changed = True
            self.config_entry.async_create_task(
                self.hass, self._async_apply_changes(), eager_start=False
            )

    async def _async_apply_changes(self) -> None:
        """Apply changes of the entry: by a reload only where that is needed."""
        async with self._changing:
            self._changed = False
            if self.config_entry.state is not ConfigEntryState.LOADED:
                return  # it is read when the entry is set up again
            if foundation(self.config_entry) != self._foundation:
                self.hass.config_entries.async_schedule_reload(
                    self.config_entry.entry_id
                )
                return
            self._configure_wallboxes()
            self.charging.async_configure(self.config_entry.options)
            await self.devices.async_apply()
            self._keep_problems()

    @callback
    def _keep_problems(self) -> None:
        """Forget the problems of what was removed."""
        devices = device_subentries(self.config_entry)
        self._problems.async_keep(
            self._subentries, [each.data[CONF_ADDRESS] for each in devices]
        )

    @callback
    def _configure_wallboxes(self) -> None:
        """Apply the settings of wallboxes that need no other connection."""
        self._set_interval()
        for subentry in self._subentries:
            station = self._station(subentry)
            config = station_config(subentry, self.config_entry.options)
            if config != station.config:
                station.configure(config)
                self._publish()
            if self._titles[subentry.subentry_id] != subentry.title:
                self._titles[subentry.subentry_id] = subentry.title
                self._update_device(subentry)

    @callback
    def _set_interval(self) -> None:
        """Poll wallboxes at the interval that is set."""
        interval = self.config_entry.options.get(
            CONF_METER_INTERVAL, DEFAULT_METER_INTERVAL
        )
        if interval == self._interval:
            return
        self._interval = interval
        if self._cancel_poll is not None:
            self._cancel_poll()
        self._cancel_poll = async_track_time_interval(
            self.hass, self._poll, timedelta(seconds=interval), cancel_on_shutdown=True
        )

    async def _async_stop(self, _: Event) -> None:
        """Stop with Home Assistant, which does not unload its entries."""
        await self.async_shutdown()

    @override
    async def async_shutdown(self) -> None:
        """Stop listening and write what waits to be written."""
        await super().async_shutdown()
        if self._cancel_poll is not None:
            self._cancel_poll()
        await self.checks.async_shutdown()
        self.charging.async_stop()
        self.devices.async_stop()
        await self.server.async_stop()
        for station in self.stations.values():
            station.close()
        self._problems.async_unload()
        await self._store.async_close()
        await self._sessions.async_close()
        await self._battery.async_close()

    @override
    async def _async_update_data(self) -> SiteData:
        """Return a snapshot, for `homeassistant.update_entity`."""
        return self._snapshot()

    def _snapshot(self) -> SiteData:
        """Return a snapshot."""
        return SiteData(
            wallboxes={
                subentry.data[CONF_CHARGE_POINT_ID]: self._store.shown(
                    subentry.subentry_id, self._published[subentry.subentry_id]
                )
                for subentry in self._subentries
            },
            devices=self.devices.states,
            battery=self.devices.battery_state,
            battery_tells=self.devices.battery_tells,
            battery_counters=self.devices.battery_counters,
            battery_settings=self.devices.battery_settings,
            charging=self.charging.statuses,
            charging_tells=self.charging.tells,
            certificate=self.server.certificate,
        )

    @callback
    def _publish_devices(self) -> None:
        """Publish what is heard by Bluetooth."""
        self.async_set_updated_data(
            replace(
                self.data,
                devices=self.devices.states,
                battery=self.devices.battery_state,
                battery_tells=self.devices.battery_tells,
                battery_counters=self.devices.battery_counters,
                battery_settings=self.devices.battery_settings,
            )
        )

    @callback
    def _publish(self) -> None:
        """Publish the states of the wallboxes, and store what lasts of them."""
        before, self._published = self._published, self._states()
        steps: list[tuple[str, WallboxState, WallboxState]] = []
        recorded = False
        for subentry in self._subentries:
            subentry_id = subentry.subentry_id
            old, state = before.get(subentry_id), self._published[subentry_id]
            if old is not None and old.identity != state.identity:
                self._update_device(subentry)
            if old is not None and session_events(old, state):
                steps.append((subentry_id, old, state))
            station = self._station(subentry)
            station.report_problems()
            recorded = station.ledger.take_changes() or recorded
        revision = self._store.async_keep(self._published, at_once=bool(steps))
        for step in steps:
            self.session_events.async_add(*step, revision=revision)
        if recorded:
            self._keep_sessions()
        self.async_set_updated_data(self._snapshot())
        self.session_events.async_fire()
        self.charging.look()

    def _shown(self, charge_point_id: str) -> WallboxState | None:
        """Return what is shown of a wallbox; None: nothing yet."""
        return self.data.wallboxes.get(charge_point_id)

    @callback
    def _publish_charging(self) -> None:
        """Publish what is decided of the limits."""
        if self._published:
            self.async_set_updated_data(
                replace(
                    self.data,
                    charging=self.charging.statuses,
                    charging_tells=self.charging.tells,
                )
            )

    def _states(self) -> dict[str, WallboxState]:
        """Return the state of each wallbox, by subentry."""
        return {
            subentry.subentry_id: self._station(subentry).state
            for subentry in self._subentries
        }

    @callback
    def _stored(self) -> None:
        """Publish what waited for the disk; one that fails holds back energy alone."""
        if not self._published:
            return
        wallboxes = self._snapshot().wallboxes
        if wallboxes != self.data.wallboxes:
            self.async_set_updated_data(replace(self.data, wallboxes=wallboxes))
            self.charging.look()
        self.session_events.async_fire()

    async def async_reset_counters(self, counters: Counters) -> None:
        """Count the battery anew, and return once stored. Raises CommandError."""
        if self.devices.battery is not None:
            self.devices.battery.reset_counters(counters)
        try:
            await self._battery.async_save()
        except NotStoredError as err:
            raise CommandError("not_stored", reason=err.reason) from err

    async def async_save_targets(self) -> None:
        """Return when all targets are on the disk. Raises CommandError."""
        try:
            await self._store.async_save_targets(self._states())
        except NotStoredError as err:
            raise CommandError("not_stored", reason=err.reason) from err

    def _station(self, subentry: ConfigSubentry) -> Station:
        """Return the station of a subentry."""
        return self._stations[subentry.subentry_id]

    @callback
    def _keep_sessions(self) -> None:
        """Store the ledgers, soon."""
        self._sessions.async_keep(
            {
                subentry.subentry_id: self._station(subentry).ledger.sessions
                for subentry in self._subentries
            }
        )

    def wallbox_device_info(self, subentry: ConfigSubentry) -> DeviceInfo:
        """Return a wallbox's device, as it described itself."""
        identity = self._station(subentry).state.identity
        return DeviceInfo(
            identifiers={(DOMAIN, subentry.data[CONF_CHARGE_POINT_ID])},
            name=subentry.title,
            manufacturer=identity.vendor,
            model=identity.model,
            serial_number=identity.serial_number,
            sw_version=identity.firmware_version,
        )

    @callback
    def _update_device(self, subentry: ConfigSubentry) -> None:
        """Update the device registry with what a wallbox described itself as."""
        dr.async_get(self.hass).async_get_or_create(
            config_entry_id=self.config_entry.entry_id,
            config_subentry_id=subentry.subentry_id,
            **self.wallbox_device_info(subentry),
        )

    @callback
    def _call_later(
        self, delay: float, action: Callable[[], None]
    ) -> Callable[[], None]:
        """Call back after so many seconds, by Home Assistant's clock."""

        @callback
        def call(_: datetime) -> None:
            action()

        return async_call_later(self.hass, delay, call)

    @callback
    def _poll(self, _: datetime) -> None:
        """Poll the wallboxes, and look for what is silent."""
        for station in self.stations.values():
            station.poll()
        self.devices.look_for_silence()
        self._problems.async_sweep()

    async def _async_check(self, _: datetime) -> None:
        """Check whether the certificate was renewed, and which keys fit by now."""
        # A device could not be asked about while its owner changed something else.
        self.devices.check_keys()
        await self.server.async_check_certificate()
        if self.server.certificate != self.data.certificate:
            self._publish()
