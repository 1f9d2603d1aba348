"""From Home Assistant's bluetooth stack to readings: one listener a device."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
import logging
from typing import Final

from homeassistant.components import bluetooth
from homeassistant.components.bluetooth import (
    BluetoothCallbackMatcher,
    BluetoothCallbackReplay,
    BluetoothChange,
    BluetoothScanningMode,
    BluetoothServiceInfoBleak,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .feed import Feed
from .publish import Rule, rule_for
from .readings import DeviceIdentity
from .victron.advertisement import COMPANY_ID, Refusal, is_instant_readout, parse
from .victron.decoder import Decoder
from .victron.key_verdict import REPEAT_SECONDS, KeyVerdict, KeyWatch
from .victron.order import Order, Place
from .victron.records import BY_KIND, Kind, Reading, Record, find

_LOGGER = logging.getLogger(__name__)

_DATA_STARTED: Final[HassKey[float]] = HassKey(f"{DOMAIN}_started")
_DATA_HEARD: Final[HassKey[dict[str, BluetoothServiceInfoBleak]]] = HassKey(
    f"{DOMAIN}_heard"
)
_DATA_UNREADABLE: Final[HassKey[_Unreadable]] = HassKey(f"{DOMAIN}_unreadable")
#: Of more devices than this the one that was found first is forgotten: anybody may
#: send as many as they like.
_MOST_UNREADABLE: Final = 64
_MOST_HEARD: Final = 256
#: Instant Readout comes about once a second; it is waited for so long, in s.
_WAIT_S: Final = 5


@callback
def async_note_start(hass: HomeAssistant) -> None:
    """Note when Home Assistant started: what it heard before does not count."""
    hass.data[_DATA_STARTED] = bluetooth.MONOTONIC_TIME()


@callback
def last_advertisement(
    hass: HomeAssistant, address: str
) -> BluetoothServiceInfoBleak | None:
    """Return what Home Assistant heard last from a device, since it started.

    That is its Instant Readout, where it sends that, whatever it sends beside it.
    """
    info = bluetooth.async_last_service_info(hass, address, connectable=False)
    if info is not None and not _sends_instant_readout(info):
        info = hass.data.get(_DATA_HEARD, {}).get(address, info)
    if info is None or info.time < hass.data.get(_DATA_STARTED, 0.0):
        return None
    return info


def _sends_instant_readout(info: BluetoothServiceInfoBleak) -> bool:
    """Return whether an advertisement is Instant Readout."""
    return is_instant_readout(info.manufacturer_data.get(COMPANY_ID, b""))


@callback
def async_remember(hass: HomeAssistant, info: BluetoothServiceInfoBleak) -> None:
    """Remember the Instant Readout of a device.

    Home Assistant remembers the last advertisement only, which in a VE.Smart network is
    often another. Of too many devices the one that came first is forgotten.
    """
    heard = hass.data.setdefault(_DATA_HEARD, {})
    if info.address not in heard and len(heard) >= _MOST_HEARD:
        del heard[next(iter(heard))]
    heard[info.address] = info


@callback
def async_heard(hass: HomeAssistant) -> list[BluetoothServiceInfoBleak]:
    """Return what is known of each device of Victron's that is heard."""
    return [
        heard
        for info in bluetooth.async_discovered_service_info(hass, connectable=False)
        if COMPANY_ID in info.manufacturer_data
        and (heard := last_advertisement(hass, info.address)) is not None
    ]


async def async_wait_for_instant_readout(
    hass: HomeAssistant, address: str, *, max_age_s: float
) -> None:
    """Wait for the Instant Readout of a device that is heard with something else."""
    info = bluetooth.async_last_service_info(hass, address, connectable=False)
    known = last_advertisement(hass, address)
    if (
        info is None
        or COMPANY_ID not in info.manufacturer_data
        or (
            known is not None
            and _sends_instant_readout(known)
            and age_of(known) < max_age_s
        )
    ):
        return
    with suppress(TimeoutError):
        info = await bluetooth.async_process_advertisements(
            hass,
            _sends_instant_readout,
            BluetoothCallbackMatcher(address=address, connectable=False),
            BluetoothScanningMode.ACTIVE,
            _WAIT_S,
        )
        async_remember(hass, info)


def age_of(info: BluetoothServiceInfoBleak) -> float:
    """Return how long ago an advertisement was heard, in s."""
    return max(0.0, bluetooth.MONOTONIC_TIME() - info.time)


def record_of(identity: DeviceIdentity) -> Record | None:
    """Return the record that a device sends; None: not known, or not Victron's."""
    try:
        return BY_KIND[Kind(identity.kind or "")]
    except ValueError:
        return None


def rules_of(identity: DeviceIdentity) -> dict[str, Rule]:
    """Return how closely what is shown of a Victron device follows it."""
    record = record_of(identity)
    if record is None:
        return {}
    rules = {field.key: rule_for(field.key, field.unit) for field in record.shown}
    if record.power_of:
        rules["power"] = rule_for("power", "W")
    return rules


class VictronListener:
    """Hears one Victron device."""

    def __init__(
        self,
        hass: HomeAssistant,
        *,
        address: str,
        key: bytes,
        feed: Feed,
        on_verdict: Callable[[], None],
    ) -> None:
        """Initialize with the key; `on_verdict` is called after a new verdict."""
        self._hass = hass
        self._address = address
        self._decoder = Decoder(key)
        self._feed = feed
        self._on_verdict = on_verdict
        self._verdict = KeyVerdict.UNKNOWN
        self._identity: DeviceIdentity | None = None
        self._model_id: int | None = None
        self._order = Order()
        self._cancel_wait: Callable[[], None] | None = None
        self._stops: list[Callable[[], None]] = []
        self.refusal: Refusal | None = None
        """Why the last advertisement gave no reading; None: it gave one."""

    @property
    def watch(self) -> KeyWatch:
        """Return what is known of the key, and its last reading."""
        return self._decoder.watch

    @property
    def records(self) -> list[Mapping[str, object]]:
        """Return the last records, decrypted, to be shown to others."""
        return self._decoder.records

    @property
    def key_is_wrong(self) -> bool:
        """Return whether the key does not fit what is heard."""
        return self._verdict is KeyVerdict.WRONG

    @property
    def key_is_right(self) -> bool:
        """Return whether the key fits what is heard."""
        return self._verdict is KeyVerdict.RIGHT

    @callback
    def async_start(self) -> None:
        """Start listening. Advertisements that change nothing count as well."""
        self._stops = [
            # Asks for active scanning; the advertisements themselves come below.
            bluetooth.async_register_callback(
                self._hass,
                _ignore,
                BluetoothCallbackMatcher(address=self._address, connectable=False),
                BluetoothScanningMode.ACTIVE,
                replay=BluetoothCallbackReplay.DISABLED,
            ),
            bluetooth.async_register_advertisement_callback(
                self._hass, self._hear, self._address
            ),
        ]
        if (info := last_advertisement(self._hass, self._address)) is not None:
            self._hear(info)

    @callback
    def async_stop(self) -> None:
        """Stop listening."""
        for stop in self._stops:
            stop()
        self._stops = []
        self._stop_waiting()

    @callback
    def _hear(self, info: BluetoothServiceInfoBleak) -> None:
        """Handle an advertisement."""
        data = info.manufacturer_data.get(COMPANY_ID, b"")
        if not is_instant_readout(data) or info.time < self._hass.data.get(
            _DATA_STARTED, 0.0
        ):
            return
        async_remember(self._hass, info)
        advertisement = parse(data)
        place = Place.FOLLOWS
        if not isinstance(advertisement, Refusal):
            place = self._order.place(advertisement.counter, info.time)
            if place is Place.STRAY:
                # Sent again by somebody else, or passed on late by another receiver.
                return
        watch = self._decoder.watch
        outcome = self._decoder.hear(data, info.time)
        if isinstance(outcome, Refusal) and place is Place.ANEW:
            # What comes from nowhere and cannot be read says nothing about the key.
            self._decoder.watch = watch if outcome.against_key else self._decoder.watch
        elif not isinstance(advertisement, Refusal) and (
            outcome is Refusal.UNCONFIRMED or isinstance(outcome, Reading)
        ):
            self._order.take(advertisement.counter, info.time)
        if self._decoder.verdict is not self._verdict:
            self._verdict = self._decoder.verdict
            self._on_verdict()
        self.refusal = outcome if isinstance(outcome, Refusal) else None
        self._stop_waiting()
        if outcome is Refusal.UNCONFIRMED:
            self._cancel_wait = async_call_later(
                self._hass, REPEAT_SECONDS, partial(self._confirm, info)
            )
        if isinstance(outcome, Refusal):
            if _LOGGER.isEnabledFor(logging.DEBUG):
                _LOGGER.debug("%s gives no reading: %s", self._address, outcome.value)
            return
        self._show(outcome, info)

    @callback
    def _confirm(self, info: BluetoothServiceInfoBleak, _: datetime) -> None:
        """Show what waits for another advertisement: none came."""
        self._cancel_wait = None
        reading = self._decoder.confirm(bluetooth.MONOTONIC_TIME())
        if reading is not None:
            self.refusal = None
            self._show(reading, info)

    @callback
    def _stop_waiting(self) -> None:
        """Stop the timer for what waits for another advertisement."""
        if self._cancel_wait is not None:
            self._cancel_wait()
            self._cancel_wait = None

    def _show(self, reading: Reading, info: BluetoothServiceInfoBleak) -> None:
        """Pass a reading on."""
        data = info.manufacturer_data[COMPANY_ID]
        self._feed.hear(
            self._identify(reading.kind, data[2] | data[3] << 8),
            reading.values,
            age_s=age_of(info),
            signal_strength=info.rssi,
        )

    def _identify(self, kind: Kind, model_id: int) -> DeviceIdentity:
        """Return what the device is. Another model counts when sent twice."""
        known = self._feed.state.identity
        if known.kind == kind and known.model_id == model_id:
            self._model_id = model_id
            return known
        sent_before, self._model_id = self._model_id, model_id
        if known.model_id is not None and sent_before != model_id:
            model_id = known.model_id
        identity = self._identity
        if identity is None or (identity.kind, identity.model_id) != (kind, model_id):
            identity = self._identity = DeviceIdentity(kind=kind, model_id=model_id)
        return identity


@callback
def _ignore(_: BluetoothServiceInfoBleak, __: BluetoothChange) -> None:
    """Ignore what the advertisement callback handles."""


def is_readable(info: BluetoothServiceInfoBleak) -> bool:
    """Return whether an advertisement carries a record that is known here."""
    advertisement = parse(info.manufacturer_data.get(COMPANY_ID, b""))
    return (
        not isinstance(advertisement, Refusal)
        and find(advertisement.record_type, advertisement.model_id) is not None
    )


class _Unreadable:
    """Watches devices that were discovered before they could be read."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Initialize without any."""
        self._hass = hass
        self._addresses: dict[str, None] = {}
        self._stop: Callable[[], None] | None = None

    @callback
    def async_add(self, address: str) -> None:
        """Watch one more."""
        if len(self._addresses) >= _MOST_UNREADABLE:
            del self._addresses[next(iter(self._addresses))]
        self._addresses[address] = None
        if self._stop is None:
            self._stop = bluetooth.async_register_callback(
                self._hass,
                self._hear,
                BluetoothCallbackMatcher(manufacturer_id=COMPANY_ID, connectable=False),
                BluetoothScanningMode.PASSIVE,
                replay=BluetoothCallbackReplay.DISABLED,
            )

    @callback
    def _hear(self, info: BluetoothServiceInfoBleak, _: BluetoothChange) -> None:
        """Rediscover it once it can be read; stop after the last one."""
        if info.address not in self._addresses or not is_readable(info):
            return
        del self._addresses[info.address]
        if not self._addresses and self._stop is not None:
            self._stop()
            self._stop = None
        bluetooth.async_rediscover_address(self._hass, info.address)


@callback
def async_wait_until_readable(hass: HomeAssistant, address: str) -> None:
    """Rediscover a device once it sends a record that is known here.

    Home Assistant passes on the first advertisement of a device only. That may be cut
    off, or a record of another sort: devices can be set up anew.
    """
    if (unreadable := hass.data.get(_DATA_UNREADABLE)) is None:
        unreadable = hass.data[_DATA_UNREADABLE] = _Unreadable(hass)
    unreadable.async_add(address)
