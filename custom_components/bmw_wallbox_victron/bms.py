"""Polls a BMS with aiobmsble, through Home Assistant's connections.

aiobmsble is no requirement of the integration, which a wallbox needs as well: it is
installed when a BMS is set up, and where that fails, that BMS alone waits for it.
"""

import asyncio
from collections import defaultdict
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
#: How long disconnecting may take, in s.
_RELEASE_LIMIT_S: Final = 10.0
#: So many polls in a row fail before it is worth a line in the log: Bluetooth loses
#: a connection now and then.
_FAILURES_WORTH_A_LINE: Final = 3
#: And so many good ones in a row, until it is well again.
_SUCCESSES_WORTH_A_LINE: Final = 3

#: What connecting ends with, after all attempts; all else happens when connected.
_CONNECTION_ERRORS: Final = (
    BleakAbortedError,
    BleakConnectionError,
    BleakNotFoundError,
    BleakOutOfConnectionSlotsError,
)
_DATA_LOCKS: Final[HassKey[defaultdict[str, asyncio.Lock]]] = HassKey(
    f"{DOMAIN}_bms_locks"
)

_PROBLEMS: Final[Mapping[BmsFault, Problem]] = {
    BmsFault.CANNOT_CONNECT: Problem.BMS_CANNOT_CONNECT,
    BmsFault.NO_ANSWER: Problem.BMS_NO_ANSWER,
    BmsFault.IMPLAUSIBLE: Problem.BMS_IMPLAUSIBLE,
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


async def async_read(hass: HomeAssistant, address: str, client: BmsClient) -> BmsValues:
    """Connect, read all values, disconnect. Raises BmsError.

    One at a time: a BMS takes one connection.
    """
    locks = hass.data.setdefault(_DATA_LOCKS, defaultdict(asyncio.Lock))
    async with locks[address]:
        return values_of(await _sample(client))


async def _sample(client: BmsClient) -> BmsSample:
    """Connect, read a sample, disconnect. Raises BmsError."""
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
    except Exception as err:  # fifty models: each fails in its own way
        detail = f"{type(err).__name__}: {err}"
        raise BmsError(BmsFault.NO_ANSWER, detail) from err
    finally:
        await _release(client)


async def _release(client: BmsClient) -> None:
    """Disconnect, whatever happened, even while being cancelled."""
    task = asyncio.create_task(_disconnect(client))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _disconnect(client: BmsClient) -> None:
    """Disconnect, with a second try: nobody else connects until that is done."""
    for _ in range(2):
        try:
            async with asyncio.timeout(_RELEASE_LIMIT_S):
                await client.disconnect()
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
    ) -> None:
        """Initialize with the name that aiobmsble has for its model.

        `name` is what its owner calls it. `on_model` is called once the model is
        loaded, `on_values` with what each poll read and the signal strength in dBm.
        """
        self._hass = hass
        self.address = address
        self._model_name = model_name
        self.name = name
        self._problems = problems
        self._on_model = on_model
        self._on_values = on_values
        self.model: BmsModel | None = None
        """Its model; None: it is not loaded yet, or not known."""
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
            self._client = self.model.make_client(device)
        try:
            values = await async_read(self._hass, self.address, self._client)
        except BmsError as err:
            self._begins_anew = True
            self._failed(err)
            return
        self.failures, self.fault = 0, None
        self._successes += 1
        if self._successes >= _SUCCESSES_WORTH_A_LINE:
            self._problems.resolve(Problem.BMS_NO_ANSWER, self.address, name=self.name)
        info = bluetooth.async_last_service_info(
            self._hass, self.address, connectable=True
        )
        self._on_values(values, None if info is None else info.rssi)

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
