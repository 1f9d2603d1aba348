"""The site: owns the central system, and turns what it hears into snapshots."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
import errno
from functools import partial
import logging
from typing import TYPE_CHECKING, Any, Final, override

from homeassistant.config_entries import (
    SOURCE_BLUETOOTH,
    SOURCE_REAUTH,
    ConfigEntry,
    ConfigFlowContext,
    ConfigSubentry,
)
from homeassistant.const import (
    CONF_ADDRESS,
    CONF_PASSWORD,
    CONF_PORT,
    EVENT_HOMEASSISTANT_STOP,
)
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.event import async_call_later, async_track_time_interval
from homeassistant.helpers.translation import async_get_translations
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.util import dt as dt_util

from . import bms
from .battery.battery import Settings
from .battery.sources import Role
from .battery_watch import BatteryWatch, MainsEntities, async_get_past
from .const import (
    CONF_ALLOW_REBOOT,
    CONF_ALLOWED_TOKENS,
    CONF_CHARGE_POINT_ID,
    CONF_ENCRYPTION_KEY,
    CONF_FRESHNESS_TIMEOUT,
    CONF_HOST,
    CONF_MAIN_MONITOR,
    CONF_MAINS_CURRENT,
    CONF_MAINS_POWER,
    CONF_MAINS_SWITCH,
    CONF_MAX_CURRENT,
    CONF_METER_INTERVAL,
    CONF_MODEL,
    CONF_RFID_TOKEN,
    CONF_SSL_CERT,
    CONF_SSL_KEY,
    DEFAULT_FRESHNESS_TIMEOUT,
    DEFAULT_METER_INTERVAL,
    DOMAIN,
    SERVER_DEVICE,
    SUBENTRY_BMS,
    SUBENTRY_VICTRON,
    SUBENTRY_WALLBOX,
)
from .fault_log import SERVER, Key
from .feed import Feed
from .issues import (
    async_forget_limit_issue,
    async_get_issues,
    async_log_limit,
    async_show_limit_issue,
)
from .listener import VictronListener, rules_of
from .publish import Rule
from .readings import DeviceIdentity, DeviceState, Value
from .storage import SessionStore, SiteStore
from .victron.advertisement import parse_key
from .wallbox.central_system import Answer, CentralSystem, Knock, ServerConfig
from .wallbox.gate import Schemas
from .wallbox.sessions import Ledger
from .wallbox.state import Identity, WallboxState
from .wallbox.station import Station, StationConfig
from .wallbox.tls import CertificateError, CertificateInfo, CertificateStore

if TYPE_CHECKING:
    from aiobmsble.basebms import BaseBMS

_LOGGER = logging.getLogger(__name__)
#: A renewed certificate is taken with the next connection; what it says, after this.
#: So is what is over because nothing happens any more.
_LOOK_AFTER = timedelta(minutes=10)

#: Without this there is no device.
_IDENTIFIERS = {
    SUBENTRY_BMS: CONF_ADDRESS,
    SUBENTRY_VICTRON: CONF_ADDRESS,
    SUBENTRY_WALLBOX: CONF_CHARGE_POINT_ID,
}
#: How long after a failure the server is tried again, in s.
_SERVER_RETRY_S = 60.0
#: What the owner may set of the battery's rules.
BATTERY_NUMBERS = ("charge_detect_min_voltage", "charge_detect_min_rise")

#: A device that is heard for so long is back, in s: at the edge of a receiver's reach
#: it comes and goes.
_HEARD_S: Final = 600.0

type SiteConfigEntry = ConfigEntry[SiteCoordinator]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteData:
    """All that entities show."""

    wallboxes: Mapping[str, WallboxState]
    """State of each wallbox, by charge point id."""
    devices: Mapping[str, DeviceState]
    """State of each device that is heard by Bluetooth, by address."""
    battery: Mapping[str, Value]
    """What is shown of the battery: see `BatteryWatch.values`."""
    certificate: CertificateInfo | None
    """The server's certificate; None: there is no server."""


def subentries_of(entry: ConfigEntry, subentry_type: str) -> list[ConfigSubentry]:
    """Give the subentries of a type, without damaged ones."""
    return [
        subentry
        for subentry in entry.subentries.values()
        if subentry.subentry_type == subentry_type
        and isinstance(subentry.data.get(_IDENTIFIERS[subentry_type]), str)
    ]


class SiteCoordinator(DataUpdateCoordinator[SiteData]):
    """Owns all that listens, and publishes what it hears."""

    config_entry: SiteConfigEntry

    def __init__(self, hass: HomeAssistant, entry: SiteConfigEntry) -> None:
        """Take the config entry."""
        super().__init__(hass, _LOGGER, config_entry=entry, name=DOMAIN)
        self.data = SiteData(wallboxes={}, devices={}, battery={}, certificate=None)
        self.stations: dict[str, Station] = {}
        self.feeds: dict[str, Feed] = {}
        self.listeners: dict[str, VictronListener] = {}
        self.bms_models: dict[str, type[BaseBMS]] = {}
        """The model of each BMS, by address, as far as it is known."""
        self.pollers: list[bms.BmsPoller] = []
        self.wrong_keys: set[str] = set()
        """Addresses of the devices whose key does not fit what they say."""
        self.battery: BatteryWatch | None = None
        """The battery; None: there is no device that could know of one."""
        self.messages: dict[str, str] = {}
        """What goes with the battery's summary, by name, in the owner's language."""
        self._subentries = self.wallbox_subentries
        self.server_device_id: str | None = None
        self.reload_pending = False
        self._issues = async_get_issues(hass)
        self._faults = self._issues.faults
        self._past = async_get_past(hass, entry.entry_id)
        self._store = SiteStore(hass, entry.entry_id)
        self._sessions = SessionStore(hass, entry.entry_id)
        self._cancel_retry: Callable[[], None] | None = None
        self.certificates: CertificateStore | None = None
        self._server: CentralSystem | None = None

    @property
    def wallbox_subentries(self) -> list[ConfigSubentry]:
        """The subentries of wallboxes."""
        return subentries_of(self.config_entry, SUBENTRY_WALLBOX)

    @property
    def victron_subentries(self) -> list[ConfigSubentry]:
        """The subentries of Victron devices."""
        return subentries_of(self.config_entry, SUBENTRY_VICTRON)

    @property
    def bms_subentries(self) -> list[ConfigSubentry]:
        """The subentries of BMSs."""
        return subentries_of(self.config_entry, SUBENTRY_BMS)

    @property
    def device_subentries(self) -> list[ConfigSubentry]:
        """The subentries of all devices that are heard by Bluetooth."""
        return [*self.victron_subentries, *self.bms_subentries]

    async def async_start(self) -> None:
        """Load what was stored and listen. Raises ConfigEntryNotReady."""
        self.config_entry.async_on_unload(
            self.hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, self._async_stop)
        )
        stored = await self._store.async_load()
        ledgers = await self._sessions.async_load()
        options = self.config_entry.options
        interval = options.get(CONF_METER_INTERVAL, DEFAULT_METER_INTERVAL)
        for subentry in self._subentries:
            config = _station_config(subentry, options)
            self.stations[config.charge_point_id] = Station(
                config,
                state=stored.get(subentry.subentry_id, WallboxState()),
                clock=dt_util.utcnow,
                call_later=self._call_later,
                on_change=self._publish,
                ledger=Ledger(ledgers.get(subentry.subentry_id, ())),
                faults=self._faults,
            )
        if not ledgers.keys() <= {item.subentry_id for item in self._subentries}:
            self._keep_sessions()  # without those of a wallbox that was removed
        self._issues.async_begin(self._subentries)
        devices = [each.data[CONF_ADDRESS] for each in self.device_subentries]
        self._faults.keep({SERVER, *self.stations, *devices})
        if CONF_SSL_CERT not in self.config_entry.data:
            self._issues.async_no_server()
        elif self.device_subentries:
            await self._async_try_server()
        else:
            try:
                await self._async_start_server()
            except ConfigEntryNotReady:
                self._issues.async_server_failed(None)
                raise
        self._start_listening()
        await self._async_start_polling()
        await self._async_start_battery()
        self._publish()
        self.config_entry.async_on_unload(
            async_track_time_interval(
                self.hass,
                self._poll,
                timedelta(seconds=interval),
                cancel_on_shutdown=True,
            )
        )
        self.config_entry.async_on_unload(
            async_track_time_interval(
                self.hass, self._async_look_after, _LOOK_AFTER, cancel_on_shutdown=True
            )
        )

    async def _async_try_server(self) -> None:
        """Start the server, or go on without it: either half works by itself."""
        try:
            await self._async_start_server()
        except ConfigEntryNotReady as err:
            self._issues.async_server_failed(str(err))
            self.certificates = None
            self._cancel_retry = async_call_later(
                self.hass, _SERVER_RETRY_S, self._async_try_server_again
            )

    async def _async_try_server_again(self, _: datetime) -> None:
        """Look whether the server can start now; its entities come with a reload."""
        await self._async_try_server()
        if self._server is not None:
            self.hass.config_entries.async_schedule_reload(self.config_entry.entry_id)

    async def _async_start_server(self) -> None:
        """Start the server that wallboxes connect to."""
        data = self.config_entry.data
        config = ServerConfig(
            host=data.get(CONF_HOST),
            port=data[CONF_PORT],
            certificate=data[CONF_SSL_CERT],
            key=data[CONF_SSL_KEY],
        )
        self.certificates = CertificateStore(config.certificate, config.key)
        server = CentralSystem(
            config,
            stations=self.stations.values(),
            schemas=await self.hass.async_add_executor_job(Schemas.load),
            certificates=self.certificates,
            on_knock=self._on_knock,
            faults=self._faults,
        )
        try:
            await server.start()
        except CertificateError as err:
            await self._issues.async_judge_certificate(self.certificates)
            raise ConfigEntryNotReady(
                translation_domain=DOMAIN,
                translation_key="certificate_unusable",
                translation_placeholders={"error": str(err)},
            ) from err
        except OSError as err:
            if err.errno == errno.EADDRINUSE:
                self._issues.async_port_in_use(config.port)
            else:
                self._issues.async_port_free()
            await self._issues.async_judge_certificate(self.certificates)
            raise ConfigEntryNotReady(
                translation_domain=DOMAIN,
                translation_key=(
                    "port_in_use" if err.errno == errno.EADDRINUSE else "cannot_listen"
                ),
                translation_placeholders={
                    "port": str(config.port),
                    "error": err.strerror or str(err),
                },
            ) from err
        self._server = server
        self._issues.async_server_started()
        await self._issues.async_judge_certificate(self.certificates)
        device = dr.async_get(self.hass).async_get_or_create(
            config_entry_id=self.config_entry.entry_id,
            identifiers={(DOMAIN, SERVER_DEVICE)},
            translation_key="server",
            entry_type=dr.DeviceEntryType.SERVICE,
        )
        self.server_device_id = device.id

    @callback
    def _start_listening(self) -> None:
        """Listen to each Victron device."""
        for subentry in self.victron_subentries:
            address = subentry.data[CONF_ADDRESS]
            feed = self._add_feed(subentry, rules_of)
            text = subentry.data.get(CONF_ENCRYPTION_KEY)
            key = parse_key(text) if isinstance(text, str) else None
            if key is not None:
                self.listeners[address] = VictronListener(
                    self.hass,
                    address=address,
                    key=key,
                    feed=feed,
                    on_verdict=self._check_keys,
                )
        for listener in self.listeners.values():
            listener.async_start()
        self._check_keys()
        for flow in self.hass.config_entries.flow.async_progress_by_handler(
            DOMAIN, match_context={"source": SOURCE_BLUETOOTH}
        ):
            # Found by itself, and meanwhile added by hand.
            if flow["context"].get("unique_id") in self.feeds:
                self.hass.config_entries.flow.async_abort(flow["flow_id"])

    @callback
    def _add_feed(
        self,
        subentry: ConfigSubentry,
        rules_of: Callable[[DeviceIdentity], Mapping[str, Rule]],
    ) -> Feed:
        """Keep what a device says, and for how long it counts."""
        feed = Feed(
            timeout_s=self.config_entry.options.get(
                CONF_FRESHNESS_TIMEOUT, DEFAULT_FRESHNESS_TIMEOUT
            ),
            rules_of=rules_of,
            now=self.hass.loop.time,
            utcnow=dt_util.utcnow,
            call_later=self._call_later,
            on_news=self._on_news,
            identity=self._store.devices.get(subentry.subentry_id),
            began_at=self._past.heard_at.get(subentry.data[CONF_ADDRESS]),
        )
        self.feeds[subentry.data[CONF_ADDRESS]] = feed
        return feed

    async def _async_start_polling(self) -> None:
        """Poll each BMS."""
        for subentry in self.bms_subentries:
            address = subentry.data[CONF_ADDRESS]
            feed = self._add_feed(subentry, lambda _: bms.RULES)
            name = str(subentry.data.get(CONF_MODEL, ""))
            model = await bms.async_load_model(self.hass, name)
            if model is None:
                self._faults.begin(
                    _LOGGER,
                    bms.silence_of(address),
                    "The model of %s is not known any more: reconfigure it",
                    subentry.title,
                )
                continue
            self.bms_models[address] = model
            self.pollers.append(
                bms.BmsPoller(
                    self.hass,
                    address,
                    model,
                    partial(_hear_bms, feed),
                    name=subentry.title,
                    faults=self._faults,
                )
            )
        for poller in self.pollers:
            poller.async_start()

    async def _async_start_battery(self) -> None:
        """Join what the devices say to one battery."""
        if not self.feeds:
            return
        texts = await async_get_translations(
            self.hass, self.hass.config.language, "selector", [DOMAIN]
        )
        prefix = f"component.{DOMAIN}.selector.summary_message.options."
        self.messages = {
            key.removeprefix(prefix): text
            for key, text in texts.items()
            if key.startswith(prefix)
        }
        options = self.config_entry.options
        self.battery = BatteryWatch(
            self.hass,
            past=self._past,
            feeds=[
                (
                    self.feeds[subentry.data[CONF_ADDRESS]],
                    Role.BMS if subentry.subentry_type == SUBENTRY_BMS else None,
                )
                for subentry in self.device_subentries
            ],
            main_monitor=self.feeds.get(options.get(CONF_MAIN_MONITOR, "")),
            mains=MainsEntities(
                switch=options.get(CONF_MAINS_SWITCH),
                power=options.get(CONF_MAINS_POWER),
                current=options.get(CONF_MAINS_CURRENT),
            ),
            settings=Settings(
                freshness_timeout_s=options.get(
                    CONF_FRESHNESS_TIMEOUT, DEFAULT_FRESHNESS_TIMEOUT
                ),
                **{
                    key: number
                    for key, number in self._store.numbers.items()
                    if key in BATTERY_NUMBERS
                },
            ),
            call_later=self._call_later,
            on_change=self._publish_devices,
        )
        self.battery.async_start()

    @callback
    def set_battery_number(self, key: str, number: float) -> None:
        """Let a number of the battery's rules count, at once and for good."""
        if self.battery is None:
            raise RuntimeError("there is no battery")
        self._store.async_keep_numbers({**self._store.numbers, key: number})
        self.battery.set_settings(replace(self.battery.settings, **{key: number}))

    @callback
    def _on_news(self, shown: bool) -> None:
        """Take what a device said; `shown`: that changed what is shown of it."""
        if (self.battery is not None and self.battery.update()) or shown:
            self._publish_devices()

    @callback
    def _check_keys(self) -> None:
        """Ask for the key of a device that cannot be read, of one at a time."""
        wrong = [
            subentry
            for subentry in self.victron_subentries
            if (listener := self.listeners.get(subentry.data[CONF_ADDRESS])) is None
            or listener.key_is_wrong
        ]
        addresses = {subentry.data[CONF_ADDRESS] for subentry in wrong}
        for subentry in self.victron_subentries:
            address = subentry.data[CONF_ADDRESS]
            listener = self.listeners.get(address)
            if address in addresses:
                self._faults.drop(bms.silence_of(address))
                self._faults.begin(
                    _LOGGER,
                    key_fault(address),
                    "The encryption key does not fit %s any more: it was changed in "
                    "VictronConnect, or never was right. Home Assistant asks for it",
                    subentry.title,
                )
            elif listener is not None and listener.key_is_right:
                self._faults.end(
                    _LOGGER,
                    key_fault(address),
                    "The encryption key fits %s again",
                    subentry.title,
                )
        self.wrong_keys = addresses
        asked = None
        flows = self.config_entry.async_get_active_flows(self.hass, {SOURCE_REAUTH})
        for flow in list(flows):
            asked = flow["context"].get("unique_id")
            if asked in self.feeds and asked not in addresses:
                self.hass.config_entries.flow.async_abort(flow["flow_id"])
                asked = None
        if wrong and asked is None:
            address = wrong[0].data[CONF_ADDRESS]
            self.config_entry.async_start_reauth(
                self.hass,
                # The entry has one unique id, and a key for each device.
                ConfigFlowContext(
                    unique_id=address, title_placeholders={"name": wrong[0].title}
                ),
                {CONF_ADDRESS: address},
            )

    @property
    def port(self) -> int | None:
        """The port that wallboxes connect to; None: there is no server."""
        return None if self._server is None else self._server.port

    async def _async_stop(self, _: Event) -> None:
        """Stop with Home Assistant, which does not unload its entries."""
        await self.async_shutdown()

    @override
    async def async_shutdown(self) -> None:
        """Stop listening and write what waits to be written."""
        await super().async_shutdown()
        if self._cancel_retry is not None:
            self._cancel_retry()
        for listener in self.listeners.values():
            listener.async_stop()
        for poller in self.pollers:
            # Hanging up takes its time; wallboxes do not wait for it.
            self.hass.async_create_task(poller.async_stop())
        self._past.heard_at = {
            address: feed.heard_at for address, feed in self.feeds.items()
        }
        for feed in self.feeds.values():
            feed.close()
        if self.battery is not None:
            self.battery.async_stop()
        if self._server is not None:
            await self._server.stop()
            self._server = None
        for station in self.stations.values():
            station.close()
        for subentry in self._subentries:
            async_forget_limit_issue(self.hass, subentry)
        await self._store.async_save()
        await self._sessions.async_save()

    @override
    async def _async_update_data(self) -> SiteData:
        """Give what is known, to `homeassistant.update_entity`."""
        return self._snapshot()

    def _snapshot(self) -> SiteData:
        """Make a snapshot of all."""
        return SiteData(
            wallboxes={
                charge_point_id: station.state
                for charge_point_id, station in self.stations.items()
            },
            devices=self._devices(),
            battery={} if self.battery is None else self.battery.values,
            certificate=None if self.certificates is None else self.certificates.info,
        )

    def _devices(self) -> dict[str, DeviceState]:
        """Give what is shown of each device that is heard by Bluetooth."""
        return {address: feed.state for address, feed in self.feeds.items()}

    @callback
    def _publish_devices(self) -> None:
        """Publish what is new of what is heard by Bluetooth."""
        identities: dict[str, DeviceIdentity] = {}
        for subentry in self.device_subentries:
            feed = self.feeds.get(subentry.data[CONF_ADDRESS])
            if feed is not None and feed.state.identity.kind is not None:
                identities[subentry.subentry_id] = feed.state.identity
            elif (known := self._store.devices.get(subentry.subentry_id)) is not None:
                identities[subentry.subentry_id] = known
        self._store.async_keep_devices(identities)
        self.async_set_updated_data(
            replace(
                self.data,
                devices=self._devices(),
                battery={} if self.battery is None else self.battery.values,
            )
        )

    @callback
    def _publish(self) -> None:
        """Publish what is known now."""
        before, after = self.data, self._snapshot()
        states: dict[str, WallboxState] = {}
        recorded = False
        for subentry in self._subentries:
            charge_point_id = subentry.data[CONF_CHARGE_POINT_ID]
            state = after.wallboxes[charge_point_id]
            states[subentry.subentry_id] = state
            old = before.wallboxes.get(charge_point_id)
            if old is not None and old.identity != state.identity:
                self._update_device(subentry, state.identity)
            async_log_limit(self.hass, subentry, state)
            if old is None or old.enforcement.failing != state.enforcement.failing:
                async_show_limit_issue(self.hass, subentry, state)
            recorded = self._station(subentry).ledger.take_changes() or recorded
        self._store.async_keep(states)
        if recorded:
            self._keep_sessions()
        self.async_set_updated_data(after)

    def _station(self, subentry: ConfigSubentry) -> Station:
        """Give the station of a subentry."""
        return self.stations[subentry.data[CONF_CHARGE_POINT_ID]]

    @callback
    def _keep_sessions(self) -> None:
        """Have the ledgers written, soon."""
        self._sessions.async_keep(
            {
                subentry.subentry_id: self._station(subentry).ledger.sessions
                for subentry in self._subentries
            }
        )

    @callback
    def _update_device(self, subentry: ConfigSubentry, identity: Identity) -> None:
        """Tell the device registry what a wallbox said of itself."""
        dr.async_get(self.hass).async_get_or_create(
            config_entry_id=self.config_entry.entry_id,
            config_subentry_id=subentry.subentry_id,
            identifiers={(DOMAIN, subentry.data[CONF_CHARGE_POINT_ID])},
            manufacturer=identity.vendor,
            model=identity.model,
            serial_number=identity.serial_number,
            sw_version=identity.firmware_version,
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
        """Do what time demands."""
        for station in self.stations.values():
            station.poll()
        self._look_for_silence()
        self._faults.sweep()

    @callback
    def _look_for_silence(self) -> None:
        """Say which battery monitor or BMS gives no reading, and which does again."""
        silent = [] if self.battery is None else self.battery.silent()
        for subentry in self.device_subentries:
            address, name = subentry.data[CONF_ADDRESS], subentry.title
            fault, feed = bms.silence_of(address), self.feeds.get(address)
            if feed is None or self._faults.is_on(key_fault(address)):
                continue
            if feed in silent:
                minutes = round((self.hass.loop.time() - feed.heard_at) / 60)
                self._faults.begin(
                    _LOGGER,
                    fault,
                    "%s has given no reading for %s min: close VictronConnect and the "
                    "like on every phone, and check that it has power and that a "
                    "Bluetooth adapter or proxy is near enough",
                    name,
                    minutes,
                )
            elif feed.state.fresh and address in self.listeners:
                self._faults.end(
                    _LOGGER, fault, "%s is heard again", name, calm_s=_HEARD_S
                )

    async def _async_look_after(self, _: datetime) -> None:
        """Look whether the certificate was renewed, and what is over by now."""
        self._issues.async_sweep()
        # A device could not be asked about while its owner changed something else.
        self._check_keys()
        if self.certificates is not None:
            await self.certificates.context()
            await self._issues.async_judge_certificate(self.certificates)
            if self.certificates.info != self.data.certificate:
                self._publish()

    @callback
    def _on_knock(self, knock: Knock) -> None:
        """Take note of who wants to connect."""
        if knock.answer is Answer.UNKNOWN:
            self._issues.async_stranger(knock.charge_point_id, knock.address)
            return
        for subentry in self._subentries:
            if subentry.data[CONF_CHARGE_POINT_ID] == knock.charge_point_id:
                if knock.answer is Answer.WRONG_PASSWORD:
                    self._issues.async_wrong_password(subentry, knock.address)
                    return
                self._issues.async_right_password(subentry)
                self._issues.async_protocol(
                    knock.charge_point_id, right=knock.answer is Answer.ADMITTED
                )


def key_fault(address: str) -> Key:
    """Name the fault that a key does not fit."""
    return address, "key"


@callback
def _hear_bms(feed: Feed, values: bms.BmsValues, signal_strength: int | None) -> None:
    """Take what a BMS said just now."""
    feed.hear(bms.IDENTITY, values, signal_strength=signal_strength)


def _station_config(
    subentry: ConfigSubentry, options: Mapping[str, Any]
) -> StationConfig:
    """Read a wallbox's settings, and those of all."""
    data = subentry.data
    return StationConfig(
        charge_point_id=data[CONF_CHARGE_POINT_ID],
        password=data.get(CONF_PASSWORD),
        rfid_token=data.get(CONF_RFID_TOKEN),
        allowed_tokens=frozenset(data.get(CONF_ALLOWED_TOKENS, ())),
        max_current=data[CONF_MAX_CURRENT],
        meter_interval=options.get(CONF_METER_INTERVAL, DEFAULT_METER_INTERVAL),
        allow_reboot=options.get(CONF_ALLOW_REBOOT, False),
    )
