"""From Home Assistant's bluetooth stack to readings: one listener a device."""

from collections.abc import Callable
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
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .feed import Feed
from .publish import Rule, rule_for
from .readings import DeviceIdentity
from .victron.advertisement import COMPANY_ID, Refusal, parse
from .victron.decoder import Decoder
from .victron.key_verdict import KeyVerdict, KeyWatch
from .victron.records import BY_KIND, Kind, Record, find

_LOGGER = logging.getLogger(__name__)

_DATA_STARTED: Final[HassKey[float]] = HassKey(f"{DOMAIN}_started")
_DATA_UNREADABLE: Final[HassKey[_Unreadable]] = HassKey(f"{DOMAIN}_unreadable")
#: Of more devices than this the one that was found first is forgotten: anybody may
#: send as many as they like.
_MOST_UNREADABLE: Final = 64

#: A second receiver may be so many advertisements behind the first, for so long, in s.
_BEHIND: Final = 30
_BEHIND_S: Final = 10.0


@callback
def async_note_start(hass: HomeAssistant) -> None:
    """Note when Home Assistant started: what it heard before does not count."""
    hass.data[_DATA_STARTED] = bluetooth.MONOTONIC_TIME()


@callback
def last_advertisement(
    hass: HomeAssistant, address: str
) -> BluetoothServiceInfoBleak | None:
    """Return what Home Assistant heard last from a device, since it started."""
    info = bluetooth.async_last_service_info(hass, address, connectable=False)
    if info is None or info.time < hass.data.get(_DATA_STARTED, 0.0):
        return None
    return info


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
    if record.power_of is not None:
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
        self._source = ""
        self._counter = 0
        self._counted_at = float("-inf")
        self._stops: list[Callable[[], None]] = []
        self.refusal: Refusal | None = None
        """Why the last advertisement gave no reading; None: it gave one."""

    @property
    def watch(self) -> KeyWatch:
        """Return what is known of the key, and its last reading."""
        return self._decoder.watch

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

    @callback
    def _hear(self, info: BluetoothServiceInfoBleak) -> None:
        """Handle an advertisement."""
        data = info.manufacturer_data.get(COMPANY_ID)
        if (
            data is None
            or info.time < self._hass.data.get(_DATA_STARTED, 0.0)
            or self._is_behind(info, data)
        ):
            return
        outcome = self._decoder.hear(data, info.time)
        if self._decoder.verdict is not self._verdict:
            self._verdict = self._decoder.verdict
            self._on_verdict()
        self.refusal = outcome if isinstance(outcome, Refusal) else None
        if isinstance(outcome, Refusal):
            if _LOGGER.isEnabledFor(logging.DEBUG):
                _LOGGER.debug("%s gives no reading: %s", self._address, outcome.value)
            return
        self._feed.hear(
            self._identify(outcome.kind, data[2] | data[3] << 8),
            outcome.values,
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

    def _is_behind(self, info: BluetoothServiceInfoBleak, data: bytes) -> bool:
        """Return whether another receiver has already passed on something newer.

        Each that hears an advertisement passes it on, some of them late.
        """
        if len(data) < 7:
            return False
        counter = data[5] | data[6] << 8
        if (
            info.source != self._source
            and 0 < (self._counter - counter) & 0xFFFF <= _BEHIND
            and info.time - self._counted_at < _BEHIND_S
        ):
            return True
        self._source, self._counter, self._counted_at = info.source, counter, info.time
        return False


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
