"""Polls a BMS with aiobmsble, through Home Assistant's connections.

aiobmsble is no requirement of the integration, which a wallbox needs as well: it is
installed when a BMS is set up, and where that fails, that BMS alone waits for it.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
import logging
from typing import Final

from bleak.backends.device import BLEDevice
from bleak_retry_connector import (
    BleakAbortedError,
    BleakConnectionError,
    BleakNotFoundError,
    BleakOutOfConnectionSlotsError,
)
from homeassistant.components import bluetooth
from homeassistant.components.bluetooth import (
    BluetoothChange,
    BluetoothServiceInfoBleak,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.event import async_call_later, async_track_time_interval
from homeassistant.helpers.importlib import async_import_module
from homeassistant.requirements import (
    RequirementsNotFound,
    async_clear_install_history,
    async_process_requirements,
)
from homeassistant.util.hass_dict import HassKey

from .bms_library import load_models, model_of
from .bms_model import (
    BmsClient,
    BmsError,
    BmsFault,
    BmsInfo,
    BmsModel,
    BmsSample,
    BmsValues,
    values_of,
)
from .const import DOMAIN
from .problem import Problem, Problems

_LOGGER = logging.getLogger(__name__)

#: What reads BMSs. 0.26 is the first with `BMSConfig`. No newer one is excluded, and
#: none is pinned: another integration may pin one, and there is one for all.
BMS_REQUIREMENT: Final = "aiobmsble>=0.26.0"
#: How long after a failure it is asked for again.
LIBRARY_RETRY: Final = timedelta(minutes=30)

POLL_INTERVAL: Final = timedelta(seconds=20)
#: How long a poll may take, connecting included, in s.
POLL_LIMIT_S: Final = 30.0
#: How far apart the polls of two BMSs are to be, in s: one after the other they share
#: an adapter's few connections. Four fit into the interval.
_APART_S: Final = 5.0
#: How long reading what the device is may take, in s.
_INFO_LIMIT_S: Final = 5.0
#: So often it is tried: not every BMS tells it.
_INFO_TRIES: Final = 3
#: How long disconnecting may take, in s.
_RELEASE_LIMIT_S: Final = 10.0
#: So many polls in a row fail before it is worth a line in the log: Bluetooth loses
#: a connection now and then.
_FAILURES_WORTH_A_LINE: Final = 3
#: So many in a row, and the Bluetooth stack may hold what it should not: each one that
#: fails from then on ends with a reset of the connection.
_FAILURES_WORTH_A_RESET: Final = 3
#: And so many good ones in a row, until it is well again.
_SUCCESSES_WORTH_A_LINE: Final = 3
#: What so many polls have read is kept, to be shown to others.
_POLLS_KEPT: Final = 20

#: What connecting ends with, after all attempts; all else happens when connected.
_CONNECTION_ERRORS: Final = (
    BleakAbortedError,
    BleakConnectionError,
    BleakNotFoundError,
    BleakOutOfConnectionSlotsError,
)
#: What a BMS answers with to a wrong secret, or to none, after it was connected to.
_REFUSALS: Final = (PermissionError, ConnectionRefusedError)
_DATA_LOCKS: Final[HassKey[defaultdict[str, asyncio.Lock]]] = HassKey(
    f"{DOMAIN}_bms_locks"
)
#: When each BMS is polled, in s of the event loop's clock, by address.
_DATA_PHASES: Final[HassKey[dict[str, float]]] = HassKey(f"{DOMAIN}_bms_phases")

_PROBLEMS: Final[Mapping[BmsFault, Problem]] = {
    BmsFault.CANNOT_CONNECT: Problem.BMS_CANNOT_CONNECT,
    BmsFault.NO_ANSWER: Problem.BMS_NO_ANSWER,
    BmsFault.IMPLAUSIBLE: Problem.BMS_IMPLAUSIBLE,
    BmsFault.WRONG_SECRET: Problem.BMS_WRONG_SECRET,
}


class BmsLibraryError(Exception):
    """What reads BMSs is not there, or not as it is known here."""


async def async_load_bms_library(hass: HomeAssistant) -> None:
    """Install and import what reads BMSs. Raises BmsLibraryError."""
    try:
        if not hass.config.skip_pip:
            # Home Assistant does not try again by itself what failed once.
            async_clear_install_history(hass)
            await async_process_requirements(
                hass, DOMAIN, [BMS_REQUIREMENT], is_built_in=False
            )
        await async_import_module(hass, "aiobmsble.utils")
    except (RequirementsNotFound, ImportError) as err:
        raise BmsLibraryError(str(err)) from err


async def async_load_model(hass: HomeAssistant, name: str) -> BmsModel | None:
    """Load a model of BMS; None: aiobmsble does not know it.

    Raises BmsLibraryError.
    """
    await async_load_bms_library(hass)
    try:
        module = await async_import_module(hass, f"aiobmsble.bms.{name}")
    except ImportError:
        return None
    return model_of(module)


async def async_load_models(hass: HomeAssistant) -> Mapping[str, BmsModel]:
    """Load all models of BMS, by the names that aiobmsble has for them.

    Raises BmsLibraryError.
    """
    await async_load_bms_library(hass)
    return await hass.async_add_import_executor_job(load_models)


async def async_read(
    hass: HomeAssistant,
    address: str,
    client: BmsClient,
    *,
    reset: bool = False,
    with_info: bool = False,
    on_sample: Callable[[BmsSample], None] = lambda _: None,
) -> tuple[BmsValues, BmsInfo | None]:
    """Connect, read all values, perhaps what it is, disconnect. Raises BmsError.

    One at a time: a BMS takes one connection. `reset`: where it fails, the Bluetooth
    stack is to drop what it still holds of the connection, too. `on_sample` is called
    with what was read, plausible or not.
    """
    locks = hass.data.setdefault(_DATA_LOCKS, defaultdict(asyncio.Lock))
    async with locks[address]:
        failed = True
        try:
            sample = await _sample(client)
            on_sample(sample)
            values = values_of(sample)
            info = await _info(client) if with_info else None
            failed = False
        finally:
            await _release(client, reset=reset and failed)
        return values, info


async def _sample(client: BmsClient) -> BmsSample:
    """Connect, and read a sample. Raises BmsError."""
    limit = asyncio.timeout(POLL_LIMIT_S)
    try:
        async with limit:
            return await client.async_update()
    except TimeoutError as err:
        # That nothing can be connected to is another error, unless it takes too long.
        connecting = limit.expired() and not client.is_connected
        raise BmsError(
            BmsFault.CANNOT_CONNECT if connecting else BmsFault.NO_ANSWER,
            f"timed out after {POLL_LIMIT_S:.0f} s" if limit.expired() else "timed out",
        ) from err
    except _CONNECTION_ERRORS as err:
        raise BmsError(BmsFault.CANNOT_CONNECT, str(err)) from err
    except _REFUSALS as err:
        raise BmsError(BmsFault.WRONG_SECRET, str(err)) from err
    except Exception as err:  # fifty models: each fails in its own way
        detail = f"{type(err).__name__}: {err}"
        raise BmsError(BmsFault.NO_ANSWER, detail) from err


async def _info(client: BmsClient) -> BmsInfo | None:
    """Read what the device is, which not every BMS tells; None: it does not."""
    try:
        async with asyncio.timeout(_INFO_LIMIT_S):
            return await client.device_info()
    except Exception as err:  # noqa: BLE001 - fifty models, each in its own way
        _LOGGER.debug("What the device is cannot be read: %s", err)
        return None


async def _release(client: BmsClient, *, reset: bool = False) -> None:
    """Disconnect, whatever happened, even while being cancelled."""
    task = asyncio.create_task(_disconnect(client, reset))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _disconnect(client: BmsClient, reset: bool) -> None:
    """Disconnect, with a second try: nobody else connects until that is done."""
    for _ in range(2):
        try:
            async with asyncio.timeout(_RELEASE_LIMIT_S):
                await client.disconnect(reset)
        except Exception as err:  # noqa: BLE001 - whatever it is: once more, then go on
            _LOGGER.debug("Disconnecting failed: %s", err)
        if not client.is_connected:
            return


class BmsPoller:
    """Polls one BMS."""

    def __init__(
        self,
        hass: HomeAssistant,
        address: str,
        model_name: str,
        *,
        name: str,
        problems: Problems,
        on_model: Callable[[], None],
        on_values: Callable[[BmsValues, int | None], None],
        secret: str = "",
    ) -> None:
        """Initialize with the name that aiobmsble has for its model.

        `name` is what its owner calls it. `on_model` is called once the model is
        loaded, and once the device has told what it is; `on_values` with what each poll
        read and the signal strength in dBm. `secret`: empty where there is none.
        """
        self._hass = hass
        self.address = address
        self._model_name = model_name
        self._secret = secret
        self.name = name
        self._problems = problems
        self._on_model = on_model
        self._on_values = on_values
        self.model: BmsModel | None = None
        """Its model; None: it is not loaded yet, or not known."""
        self.info: BmsInfo | None = None
        """What the device is by its own account; None: it has not told that."""
        self._info_tries = 0
        self._phase: float | None = None
        """When it is polled, in s of the event loop's clock; None: it is not yet."""
        self._client: BmsClient | None = None
        self._device: BLEDevice | None = None
        self._begins_anew = True
        """Whether the last poll failed, so that the next one begins anew."""
        self._loading: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: list[Callable[[], None]] = []
        self._away = False
        self.failures = 0
        """How many polls in a row have failed."""
        self._successes = 0
        """How many in a row had values, since it was last out of reach."""
        self.fault: BmsFault | None = None
        """Why the last one did; None: it did not."""
        self.polls: deque[tuple[float, BmsSample]] = deque(maxlen=_POLLS_KEPT)
        """What the last polls read, and when, in s of the event loop's clock."""

    @property
    def device_info(self) -> DeviceInfo:
        """Return what the device registry is told of it, as far as it is known."""
        info = DeviceInfo()
        if self.model is not None:
            info["manufacturer"] = self.model.manufacturer
            info["model"] = self.model.model
        told = self.info or {}
        if model_id := told.get("model_id") or told.get("model"):
            info["model_id"] = model_id
        if sw_version := told.get("fw_version") or told.get("sw_version"):
            info["sw_version"] = sw_version
        if hw_version := told.get("hw_version"):
            info["hw_version"] = hw_version
        if serial_number := told.get("serial_number"):
            info["serial_number"] = serial_number
        return info

    @callback
    def async_start(self) -> None:
        """Poll now and from now on, as soon as its model is loaded."""
        # In the background: where aiobmsble has to be installed, nobody waits for that.
        self._loading = self._hass.async_create_background_task(
            self._async_load(), f"load the model of BMS {self.address}"
        )

    async def _async_load(self) -> None:
        """Load its model, then poll; where that fails, try again later."""
        try:
            model = await async_load_model(self._hass, self._model_name)
        except BmsLibraryError as err:
            self._problems.report(
                Problem.BMS_LIBRARY_MISSING,
                self.address,
                name=self.name,
                error=str(err),
                interval=LIBRARY_RETRY // timedelta(minutes=1),
            )
            self._unsubscribe = [
                async_call_later(self._hass, LIBRARY_RETRY, self._load_again)
            ]
            return
        if model is None:
            self._problems.report(
                Problem.BMS_MODEL_UNKNOWN, self.address, name=self.name
            )
            return
        self.model = model
        self._on_model()
        if (delay_s := self._delay_s()) > 0:
            self._unsubscribe = [
                async_call_later(self._hass, delay_s, self._start_polling)
            ]
        else:
            self._start_polling()

    def _delay_s(self) -> float:
        """Return how long to wait, in s, so that it is not polled beside others."""
        phases = self._hass.data.setdefault(_DATA_PHASES, {})
        interval_s = POLL_INTERVAL.total_seconds()
        now = self._hass.loop.time()
        others = [phase for key, phase in phases.items() if key != self.address]

        def is_free(delay_s: float) -> bool:
            """Return whether nothing else is polled about then."""
            return all(
                # Half the interval is as far apart as they can be.
                abs(
                    (now + delay_s - other + interval_s / 2) % interval_s
                    - interval_s / 2
                )
                > _APART_S - 1
                for other in others
            )

        places = (place * _APART_S for place in range(round(interval_s / _APART_S)))
        delay_s = next(filter(is_free, places), 0.0)
        phases[self.address] = self._phase = now + delay_s
        return delay_s

    @callback
    def _start_polling(self, _: datetime | None = None) -> None:
        """Poll now, and from now on."""
        self._unsubscribe = [
            async_track_time_interval(
                self._hass,
                self._tick,
                POLL_INTERVAL,
                name=f"BMS {self.address}",
                cancel_on_shutdown=True,
            ),
            bluetooth.async_register_callback(
                self._hass,
                self._appeared,
                bluetooth.BluetoothCallbackMatcher(
                    address=self.address, connectable=True
                ),
                bluetooth.BluetoothScanningMode.PASSIVE,
            ),
        ]
        self._tick()

    @callback
    def _load_again(self, _: datetime) -> None:
        """Try again to load its model."""
        self._unsubscribe = []
        self.async_start()

    async def async_stop(self) -> None:
        """Poll no more; when this returns, the connection is released."""
        phases = self._hass.data.get(_DATA_PHASES, {})
        if phases.get(self.address) == self._phase:  # not where it is polled anew
            phases.pop(self.address, None)
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe = []
        tasks = [task for task in (self._loading, self._task) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._loading = self._task = None

    @callback
    def _appeared(self, _: BluetoothServiceInfoBleak, change: BluetoothChange) -> None:
        """Poll at once where it was out of reach."""
        if self._away:
            self._tick()

    @callback
    def _tick(self, _: datetime | None = None) -> None:
        """Poll, unless the last poll still runs or nothing is in reach."""
        if self._task is not None and not self._task.done():
            return
        device = bluetooth.async_ble_device_from_address(
            self._hass, self.address, connectable=True
        )
        self._away = device is None
        if device is None:
            _LOGGER.debug("BMS %s is out of reach", self.address)
            self._successes = 0
            return
        self._task = self._hass.async_create_background_task(
            self._poll(device), f"poll of BMS {self.address}"
        )

    async def _poll(self, device: BLEDevice) -> None:
        """Poll it once."""
        if self.model is None:
            raise RuntimeError("its model is not loaded")
        # Kept while all is well: it has learned how its device wants to be written to.
        # And while it could not disconnect: it holds the connection that others need.
        if self._client is None or (
            not self._client.is_connected
            and (self._begins_anew or device is not self._device)
        ):
            self._device, self._begins_anew = device, False
            self._client = self.model.make_client(device, self._secret)
        wants_info = self.info is None and self._info_tries < _INFO_TRIES
        try:
            values, info = await async_read(
                self._hass,
                self.address,
                self._client,
                reset=self.failures + 1 >= _FAILURES_WORTH_A_RESET,
                with_info=wants_info,
                on_sample=lambda sample: self.polls.append(
                    (self._hass.loop.time(), sample)
                ),
            )
        except BmsError as err:
            self._begins_anew = True
            self._failed(err)
            return
        self._info_tries += wants_info
        if info:
            self.info = info
            self._on_model()
        self.failures, self.fault = 0, None
        self._successes += 1
        if self._successes >= _SUCCESSES_WORTH_A_LINE:
            self._problems.resolve(Problem.BMS_NO_ANSWER, self.address, name=self.name)
        heard = bluetooth.async_last_service_info(
            self._hass, self.address, connectable=True
        )
        self._on_values(values, None if heard is None else heard.rssi)

    @callback
    def _failed(self, err: BmsError) -> None:
        """Report a failed poll, where it is no single failure."""
        self.failures += 1
        self._successes = 0
        self.fault = err.fault
        _LOGGER.debug("Poll %s of BMS %s failed: %s", self.failures, self.address, err)
        if self.failures >= _FAILURES_WORTH_A_LINE:
            self._problems.report(
                _PROBLEMS[err.fault],
                self.address,
                name=self.name,
                error=str(err),
                interval=POLL_INTERVAL.seconds,
            )
