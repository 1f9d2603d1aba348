"""Owns the devices that are heard by Bluetooth, and the battery they measure.

Changes of subentries and options apply while it runs: devices come and go, keys and
models change, and nothing else notices.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from homeassistant.components import bluetooth
from homeassistant.config_entries import (
    SOURCE_BLUETOOTH,
    ConfigEntry,
    ConfigSubentry,
)
from homeassistant.const import CONF_ADDRESS
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import CONNECTION_BLUETOOTH, DeviceInfo
from homeassistant.util import dt as dt_util

from .battery.battery import BatteryState, Settings
from .battery.counters import Counters
from .battery_settings import mains_of, settings_of, with_numbers
from .battery_store import BatteryStore
from .battery_watch import (
    BatteryWatch,
    Member,
    async_get_messages,
    async_get_past,
)
from .bms import BmsPoller
from .bms_model import IDENTITY, RULES, BmsValues
from .const import (
    BATTERY_DEVICE,
    CONF_ENCRYPTION_KEY,
    CONF_MAIN_BMS,
    CONF_MAIN_MONITOR,
    CONF_MODEL,
    CONF_SECRET,
    DOMAIN,
    SUBENTRY_BMS,
)
from .feed import Feed
from .key_check import KeyCheck
from .listener import VictronListener, rules_of
from .problem import Problem, Problems
from .publish import Cancel, Rule
from .readings import DeviceIdentity, DeviceState
from .storage import SiteStore
from .subentries import device_subentries
from .victron.advertisement import parse_key
from .victron.models import MANUFACTURER, model_name


@dataclass(slots=True, kw_only=True, eq=False)
class Device:
    """One device, and what hears it."""

    address: str
    """Its Bluetooth address."""
    feed: Feed
    """Its readings, and how long they count."""
    setting: str | tuple[str, str] | None = None
    """What it is heard with, as it was set: a key, or a model and a secret."""
    listener: VictronListener | None = None
    """Hears it; None: it is a BMS, or its key cannot be read."""
    poller: BmsPoller | None = None
    """Polls it; None: it is no BMS."""
    info: DeviceInfo | None = None
    """Its entry in the device registry."""


class Devices:
    """Owns all that listens to Bluetooth, and the battery."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        *,
        store: SiteStore,
        battery_store: BatteryStore,
        problems: Problems,
        call_later: Callable[[float, Callable[[], None]], Cancel],
        on_change: Callable[[], None],
    ) -> None:
        """Initialize with the entry; `on_change`: what is shown changed."""
        self._hass = hass
        self._entry = entry
        self._store = store
        self._battery_store = battery_store
        self._problems = problems
        self._call_later = call_later
        self._on_change = on_change
        self._past = async_get_past(hass, entry.entry_id)
        self._heard_at = self._past.take_heard_at(hass.loop.time())
        """When those were heard that outlived a reload, in s, by address."""
        self._devices: dict[str, Device] = {}
        """By subentry."""
        self._stopped = False
        self._key_check = KeyCheck(hass, entry, problems)
        self.battery: BatteryWatch | None = None
        """The battery; None: there is no device that could know of one."""
        self.messages: Mapping[str, str] = {}
        """What goes with the battery's summary, by name, in the owner's language."""

    @property
    def states(self) -> dict[str, DeviceState]:
        """Return what is shown of each device, by address."""
        return {device.address: device.feed.state for device in self._devices.values()}

    @property
    def battery_state(self) -> BatteryState | None:
        """Return what is shown of the battery; None: there is none."""
        return None if self.battery is None else self.battery.shown

    @property
    def battery_counters(self) -> Counters | None:
        """What was counted of the battery, as far as it is stored; None: no battery."""
        return None if self.battery is None else self._battery_store.shown

    @property
    def battery_tells(self) -> frozenset[str]:
        """The keys of all that can be told of the battery."""
        return frozenset() if self.battery is None else self.battery.tells

    @property
    def battery_is_known(self) -> bool:
        """Whether it is known what each of the devices is."""
        return self.battery is not None and self.battery.is_known

    @property
    def battery_settings(self) -> Settings | None:
        """Return the settings of the battery's rules; None: there is no battery."""
        return None if self.battery is None else self.battery.settings

    def is_battery_monitor(self, address: str) -> bool:
        """Return whether a device is the battery monitor that counts."""
        return self.battery is not None and self.battery.monitor == address

    def get(self, address: str) -> Device | None:
        """Return a device; None: it was added or removed just now."""
        for device in self._devices.values():
            if device.address == address:
                return device
        return None

    def knows(self, subentry: ConfigSubentry) -> bool:
        """Return whether a subentry has its device; not if it was added just now."""
        return subentry.subentry_id in self._devices

    def device_info(self, subentry: ConfigSubentry) -> DeviceInfo:
        """Return how the device registry describes a device."""
        device = self._devices[subentry.subentry_id]
        info = DeviceInfo(
            connections={(CONNECTION_BLUETOOTH, device.address)},
            identifiers={(DOMAIN, device.address)},
            name=subentry.title,
        )
        if subentry.subentry_type == SUBENTRY_BMS:
            if device.poller is not None:
                info.update(device.poller.device_info)
            return info
        info["manufacturer"] = MANUFACTURER
        if (model_id := device.feed.state.identity.model_id) is not None:
            info["model"] = model_name(model_id)
            info["model_id"] = f"0x{model_id:04X}"
        return info

    # Subentries and options

    async def async_apply(self) -> None:
        """Apply the subentries and options, where they changed."""
        if not self.messages and device_subentries(self._entry):
            self.messages = await async_get_messages(self._hass)
        # What follows awaits nothing, so that nothing changes in its midst.
        if self._stopped:
            return
        wanted = {
            subentry.subentry_id: subentry
            for subentry in device_subentries(self._entry)
        }
        for subentry_id in self._devices.keys() - wanted.keys():
            self._remove(subentry_id)
        # The first monitor that was added is the main one.
        self._devices = {
            subentry_id: self._device(subentry)
            for subentry_id, subentry in wanted.items()
        }
        # What is added from now on is not one that has been silent for long.
        self._heard_at = {}
        unheard = [
            listener
            for subentry_id, subentry in wanted.items()
            if (listener := self._take(subentry, self._devices[subentry_id]))
        ]
        for device in self._devices.values():
            device.feed.set_timeout(self._timeout_s)
        for listener in unheard:
            listener.async_start()
        self.check_keys()
        self._forget_discovered()
        self._take_battery()
        self.publish()

    def _device(self, subentry: ConfigSubentry) -> Device:
        """Return the device of a subentry; a new one where its address is another."""
        address = subentry.data[CONF_ADDRESS]
        device = self._devices.get(subentry.subentry_id)
        if device is not None and device.address == address:
            return device
        if device is not None:
            self._stop(device)
        is_bms = subentry.subentry_type == SUBENTRY_BMS
        return Device(
            address=address,
            feed=self._make_feed(subentry, _rules_of_bms if is_bms else rules_of),
            info=None if device is None else device.info,
        )

    def _make_feed(
        self,
        subentry: ConfigSubentry,
        rules_of: Callable[[DeviceIdentity], Mapping[str, Rule]],
    ) -> Feed:
        """Return a feed for a device."""
        return Feed(
            timeout_s=self._timeout_s,
            rules_of=rules_of,
            now=self._hass.loop.time,
            utcnow=dt_util.utcnow,
            call_later=self._call_later,
            on_news=self._on_news,
            identity=self._store.devices.get(subentry.subentry_id),
            began_at=self._heard_at.get(subentry.data[CONF_ADDRESS]),
        )

    @property
    def _timeout_s(self) -> float:
        """Return how long a reading counts, in s."""
        return settings_of(self._entry.options, {}).freshness_timeout_s

    def _take(self, subentry: ConfigSubentry, device: Device) -> VictronListener | None:
        """Set up what hears a device; return a listener that is to be started."""
        unheard = None
        if subentry.subentry_type == SUBENTRY_BMS:
            self._poll(subentry, device)
        else:
            unheard = self._listen(subentry, device)
        self._describe(subentry, device)
        return unheard

    @callback
    def _describe(self, subentry: ConfigSubentry, device: Device) -> None:
        """Update the device registry, where its entry is another one."""
        info = self.device_info(subentry)
        if device.info is not None and device.info != info:
            dr.async_get(self._hass).async_get_or_create(
                config_entry_id=self._entry.entry_id,
                config_subentry_id=subentry.subentry_id,
                **info,
            )
        device.info = info

    def _listen(
        self, subentry: ConfigSubentry, device: Device
    ) -> VictronListener | None:
        """Listen to a Victron device with its key; return a new listener."""
        text = subentry.data.get(CONF_ENCRYPTION_KEY)
        setting = text if isinstance(text, str) else None
        if setting == device.setting:
            return None
        if device.listener is not None:
            device.listener.async_stop()
        device.setting = setting
        key = None if setting is None else parse_key(setting)
        device.listener = (
            None
            if key is None
            else VictronListener(
                self._hass,
                address=device.address,
                key=key,
                feed=device.feed,
                on_verdict=self.check_keys,
            )
        )
        return device.listener

    def _poll(self, subentry: ConfigSubentry, device: Device) -> None:
        """Poll a BMS as its model."""
        if device.poller is not None:
            device.poller.name = subentry.title
        setting = model_name, secret = _model_of(subentry), _secret_of(subentry)
        if setting == device.setting:
            return
        device.setting = setting
        self._stop_polling(device)
        device.poller = BmsPoller(
            self._hass,
            device.address,
            model_name,
            secret=secret,
            name=subentry.title,
            problems=self._problems,
            on_model=partial(self._on_model, subentry.subentry_id),
            on_values=partial(_hear_bms, device.feed),
        )
        device.poller.async_start()

    @callback
    def _on_model(self, subentry_id: str) -> None:
        """Update the device of a BMS, now that more is known of it."""
        if (subentry := self._entry.subentries.get(subentry_id)) is not None:
            self._describe(subentry, self._devices[subentry_id])

    @callback
    def _forget_discovered(self) -> None:
        """Abort the discovery of devices that meanwhile were added by hand."""
        flows = self._hass.config_entries.flow
        for flow in flows.async_progress_by_handler(
            DOMAIN, match_context={"source": SOURCE_BLUETOOTH}
        ):
            if self.get(flow["context"].get("unique_id") or "") is not None:
                flows.async_abort(flow["flow_id"])

    @callback
    def _take_battery(self) -> None:
        """Set up the battery that the devices measure."""
        if not self._devices:
            self._remove_battery()
            return
        options = self._entry.options
        main = self.get(options.get(CONF_MAIN_MONITOR, ""))
        main_bms = self.get(options.get(CONF_MAIN_BMS, ""))
        members = [
            Member(
                feed=device.feed,
                address=device.address,
                name=subentry.title,
                is_bms=subentry.subentry_type == SUBENTRY_BMS,
            )
            for subentry in device_subentries(self._entry)
            if (device := self._devices.get(subentry.subentry_id)) is not None
        ]
        if self.battery is None:
            self.battery = BatteryWatch(
                self._hass,
                past=self._past,
                counters=self._battery_store.counters,
                call_later=self._call_later,
                on_change=self._on_change,
                on_count=self._battery_store.async_keep,
            )
        self.battery.async_follow(
            members=members,
            main_monitor=None if main is None else main.feed,
            main_bms=None if main_bms is None else main_bms.feed,
            mains=mains_of(options),
            settings=settings_of(options, self._store.numbers),
        )

    @callback
    def _remove_battery(self) -> None:
        """Remove the battery, after the last device that could measure it."""
        if self.battery is not None:
            self.battery.async_stop()
            self.battery = None
        registry = dr.async_get(self._hass)
        for device in dr.async_entries_for_config_entry(registry, self._entry.entry_id):
            if (DOMAIN, BATTERY_DEVICE) in device.identifiers:
                registry.async_remove_device(device.id)

    @callback
    def set_battery_number(self, key: str, number: float) -> None:
        """Set and store a number of the battery's rules."""
        if self.battery is None:
            raise RuntimeError("there is no battery")
        self._store.async_keep_numbers({**self._store.numbers, key: number})
        settings = self.battery.settings
        self.battery.set_settings(with_numbers(settings, {key: number}))

    # What is heard

    @callback
    def _on_news(self, shown: bool) -> None:
        """Handle a reading of a device; `shown`: it changed what is shown of it."""
        if (self.battery is not None and self.battery.update()) or shown:
            self.publish()

    @callback
    def publish(self) -> None:
        """Publish a change, and store what the devices are."""
        identities: dict[str, DeviceIdentity] = {}
        for subentry in device_subentries(self._entry):
            device = self._devices.get(subentry.subentry_id)
            if device is not None and device.feed.state.identity.kind is not None:
                identities[subentry.subentry_id] = device.feed.state.identity
            elif (known := self._store.devices.get(subentry.subentry_id)) is not None:
                identities[subentry.subentry_id] = known
        self._store.async_keep_devices(identities)
        self._on_change()

    @callback
    def check_keys(self) -> None:
        """Ask for the key of a device that cannot be read."""
        self._key_check.async_check(
            {
                subentry_id: device.listener
                for subentry_id, device in self._devices.items()
            }
        )

    @property
    def wrong_keys(self) -> frozenset[str]:
        """Addresses of the devices whose key does not fit what they send."""
        return self._key_check.wrong_keys

    @callback
    def look_for_silence(self) -> None:
        """Report each battery monitor and BMS that is silent, or is heard again."""
        silent = [] if self.battery is None else self.battery.silent()
        for subentry in device_subentries(self._entry):
            device = self._devices.get(subentry.subentry_id)
            if device is None:
                continue
            if device.feed in silent:
                minutes = round((self._hass.loop.time() - device.feed.heard_at) / 60)
                self._problems.report(
                    Problem.SILENT,
                    device.address,
                    name=subentry.title,
                    minutes=minutes,
                )
            elif device.feed.state.fresh and device.listener is not None:
                self._problems.resolve(
                    Problem.SILENT, device.address, name=subentry.title
                )

    # The end

    @callback
    def async_stop(self) -> None:
        """Stop all that listens. What it heard outlives a reload."""
        self._stopped = True
        self._past.keep_heard_at(
            {device.address: device.feed.heard_at for device in self._devices.values()},
            self._hass.loop.time(),
        )
        for device in self._devices.values():
            self._stop(device)
        if self.battery is not None:
            self.battery.async_stop()

    @callback
    def _remove(self, subentry_id: str) -> None:
        """Forget a device that was removed."""
        device = self._devices.pop(subentry_id)
        self._stop(device)
        # Whoever removed a device finds it among the discovered ones.
        bluetooth.async_rediscover_address(self._hass, device.address)

    @callback
    def _stop(self, device: Device) -> None:
        """Stop listening to a device."""
        if device.listener is not None:
            device.listener.async_stop()
        self._stop_polling(device)
        device.feed.close()

    @callback
    def _stop_polling(self, device: Device) -> None:
        """Stop polling a BMS."""
        if device.poller is not None:
            # Hanging up takes its time; nobody else waits for it.
            self._hass.async_create_task(device.poller.async_stop())
            device.poller = None


def _model_of(subentry: ConfigSubentry) -> str:
    """Return the name of a BMS's model."""
    return str(subentry.data.get(CONF_MODEL, ""))


def _secret_of(subentry: ConfigSubentry) -> str:
    """Return the secret of a BMS; empty: it has none."""
    return str(subentry.data.get(CONF_SECRET, ""))


def _rules_of_bms(_: DeviceIdentity) -> Mapping[str, Rule]:
    """Return how closely what is shown of a BMS follows it."""
    return RULES


@callback
def _hear_bms(feed: Feed, values: BmsValues, signal_strength: int | None) -> None:
    """Pass the reading of a BMS to its feed."""
    feed.hear(IDENTITY, values, signal_strength=signal_strength)
