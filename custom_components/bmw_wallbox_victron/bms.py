"""Polls a BMS with aiobmsble, through Home Assistant's connections.

aiobmsble takes the Bluetooth client when it is imported, and importing it blocks: it is
imported in the executor, and only where Home Assistant's Bluetooth is set up already.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
import logging
from typing import TYPE_CHECKING, Final, cast

from aiobmsble import BMSConfig, BMSSample
from bleak_retry_connector import (
    BleakAbortedError,
    BleakConnectionError,
    BleakNotFoundError,
    BleakOutOfConnectionSlotsError,
)
from homeassistant.components import bluetooth
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.importlib import async_import_module
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .fault_log import FaultLog, Key
from .publish import Rule, rule_for
from .readings import DeviceIdentity, Value

if TYPE_CHECKING:
    from aiobmsble.basebms import BaseBMS
    from bleak.backends.device import BLEDevice
    from homeassistant.components.bluetooth import (
        BluetoothChange,
        BluetoothServiceInfoBleak,
    )

_LOGGER = logging.getLogger(__name__)

POLL_INTERVAL: Final = timedelta(seconds=20)
#: How long a poll may take, connecting included, in s.
POLL_LIMIT_S: Final = 30.0
#: How long hanging up may take, in s.
_RELEASE_LIMIT_S: Final = 10.0
#: So many polls in a row fail before it is worth a line in the log: Bluetooth loses
#: a connection now and then.
_FAILURES_WORTH_A_LINE: Final = 3
#: And so many good ones in a row, until it is well again.
_SUCCESSES_WORTH_A_LINE: Final = 3

#: What no battery of a vehicle exceeds, either way: V and A.
_MAX_VOLTAGE: Final = 80.0
_MAX_CURRENT: Final = 1000.0
#: What a cell can have, in V, and a battery that is in use, in °C.
_CELL_VOLTAGES: Final = (0.5, 5.0)
_TEMPERATURES: Final = (-50.0, 120.0)
#: A longer time to go says as much as none, in min: 10 days.
_MAX_TIME_TO_GO: Final = 14_400.0

#: Values by key; None: the BMS does not say it now.
type BmsValues = Mapping[str, Value]

IDENTITY: Final = DeviceIdentity(kind="bms")
#: What has a unit, by key.
UNITS: Final[Mapping[str, str]] = {
    "voltage": "V",
    "current": "A",  # positive charges
    "power": "W",
    "soc": "%",
    "remaining_ah": "Ah",
    "time_to_go": "min",
    "temperature": "°C",
    "cell_voltage_delta": "V",
    "cell_voltage_min": "V",
    "cell_voltage_max": "V",
}
#: How closely what is shown follows it; all else exactly.
RULES: Final[Mapping[str, Rule]] = {
    key: rule_for(key, unit) for key, unit in UNITS.items()
}

#: What connecting ends with, after all attempts; all else happens when connected.
_CONNECTION_ERRORS: Final = (
    BleakAbortedError,
    BleakConnectionError,
    BleakNotFoundError,
    BleakOutOfConnectionSlotsError,
)
#: aiobmsble has one to copy from.
_NO_MODEL: Final = "dummy_bms"
_DATA_LOCKS: Final[HassKey[defaultdict[str, asyncio.Lock]]] = HassKey(
    f"{DOMAIN}_bms_locks"
)


def _quieten(record: logging.LogRecord) -> bool:
    """Log at most at DEBUG: each failed poll would be an error otherwise."""
    if record.levelno > logging.DEBUG:
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return _LIBRARY_LOGGER.isEnabledFor(logging.DEBUG)


_LIBRARY_LOGGER: Final = _LOGGER.getChild("aiobmsble")
_LIBRARY_LOGGER.addFilter(_quieten)


class BmsFault(StrEnum):
    """Why a poll failed."""

    CANNOT_CONNECT = "cannot_connect"
    """Something else is connected, it is too far away or no connection is free."""
    NO_ANSWER = "no_answer"
    """Connected, but it does not answer as its model would."""
    IMPLAUSIBLE = "implausible"
    """What it says no battery can be."""


#: What its owner can do.
_ADVICE: Final[Mapping[BmsFault, str]] = {
    BmsFault.CANNOT_CONNECT: (
        "It refuses the connection: close its app on every phone, and check that a"
        " Bluetooth adapter or proxy near it can still take a connection"
    ),
    BmsFault.NO_ANSWER: (
        "It takes the connection but gives no answer: check that the model is the right"
        " one and the signal is good"
    ),
    BmsFault.IMPLAUSIBLE: (
        "It says what no battery can be: check that the model is the right one"
    ),
}


class BmsError(Exception):
    """A poll failed."""

    def __init__(self, fault: BmsFault, detail: str) -> None:
        """Take the fault, and what exactly happened."""
        super().__init__(f"{fault}: {detail}")
        self.fault = fault


async def async_load_model(hass: HomeAssistant, model: str) -> type[BaseBMS] | None:
    """Load a model of BMS; None: aiobmsble does not know it."""
    with suppress(ImportError):
        module = await async_import_module(hass, f"aiobmsble.bms.{model}")
        loaded: type[BaseBMS] = module.BMS
        return loaded
    return None


type BmsModels = Mapping[str, type[BaseBMS]]


async def async_load_models(hass: HomeAssistant) -> BmsModels:
    """Load all models of BMS, by the names that aiobmsble has for them."""
    return await hass.async_add_import_executor_job(_load_models)


def _load_models() -> Mapping[str, type[BaseBMS]]:
    """Load all models. Blocks."""
    from aiobmsble.utils import load_bms_plugins

    models = {
        module.__name__.rpartition(".")[2]: module.BMS for module in load_bms_plugins()
    }
    models.pop(_NO_MODEL, None)
    return dict(sorted(models.items()))


def is_of_model(info: BluetoothServiceInfoBleak, model: type[BaseBMS]) -> bool:
    """Return whether an advertisement is one of this model; load models before."""
    from aiobmsble.utils import bms_supported

    # Annotated as if it took an instance.
    return bms_supported(cast("BaseBMS", model), info.advertisement, info.address)


def make_client(model: type[BaseBMS], device: BLEDevice) -> BaseBMS:
    """Return what reads a BMS."""
    return model(device, BMSConfig(keep_alive=False), _LIBRARY_LOGGER.name)


def values_of(sample: BMSSample) -> BmsValues:
    """Return what a BMS says by our keys. Raises BmsError for what no battery can be.

    V, A (positive charges), W, %, Ah, min, °C.
    """
    voltage, current = sample.get("voltage"), sample.get("current")
    soc = sample.get("battery_level")
    for key, value, low, high in (
        ("voltage", voltage, 0.1, _MAX_VOLTAGE),
        ("current", current, -_MAX_CURRENT, _MAX_CURRENT),
        ("soc", soc, 0, 100),
    ):
        # Not a number is not between them, either.
        if value is not None and not low <= value <= high:
            raise BmsError(BmsFault.IMPLAUSIBLE, f"{key} {value}")
    if voltage is None and soc is None:
        raise BmsError(BmsFault.IMPLAUSIBLE, "neither voltage nor state of charge")
    cells = [
        cell
        for cell in sample.get("cell_voltages", ())
        if _CELL_VOLTAGES[0] <= cell <= _CELL_VOLTAGES[1]
    ]
    lowest, highest = (min(cells), max(cells)) if cells else (None, None)
    return {
        "voltage": voltage,
        "current": current,
        "power": (
            None if voltage is None or current is None else round(voltage * current, 2)
        ),
        "soc": soc,
        "remaining_ah": _between(sample.get("cycle_charge"), 0, 100_000),
        "time_to_go": _time_to_go(sample),
        "temperature": _between(sample.get("temperature"), *_TEMPERATURES),
        "cycles": _between(sample.get("cycles"), 0, 1_000_000),
        "cell_voltage_min": lowest,
        "cell_voltage_max": highest,
        "cell_voltage_delta": (
            None if lowest is None or highest is None else round(highest - lowest, 3)
        ),
        "charge_enabled": sample.get("chrg_mosfet"),
        "discharge_enabled": sample.get("dischrg_mosfet"),
        "problem": sample.get("problem"),
    }


def _between(value: float | None, low: float, high: float) -> float | None:
    """Return a value that can be; None for one that cannot."""
    return value if value is not None and low <= value <= high else None


def _time_to_go(sample: BMSSample) -> float | None:
    """Return the time to go in min; None while the battery does not discharge."""
    if sample.get("current", 0) >= 0:
        return None
    seconds = sample.get("runtime")
    if seconds is None:
        return None
    minutes = _between(seconds / 60, 0, _MAX_TIME_TO_GO)
    return None if minutes is None else round(minutes)


async def async_read(hass: HomeAssistant, address: str, bms: BaseBMS) -> BmsValues:
    """Connect, read all values, hang up. Raises BmsError.

    One at a time: a BMS takes one connection.
    """
    locks = hass.data.setdefault(_DATA_LOCKS, defaultdict(asyncio.Lock))
    async with locks[address]:
        return values_of(await _sample(bms))


async def _sample(bms: BaseBMS) -> BMSSample:
    """Connect, take a sample, hang up. Raises BmsError."""
    limit = asyncio.timeout(POLL_LIMIT_S)
    try:
        async with limit:
            return await bms.async_update()
    except TimeoutError as err:
        # That nothing can be connected to is another error, unless it takes too long.
        connecting = limit.expired() and not bms.is_connected
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
        await _release(bms)


async def _release(bms: BaseBMS) -> None:
    """Hang up, whatever happened, even while being cancelled."""
    task = asyncio.create_task(_hang_up(bms))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _hang_up(bms: BaseBMS) -> None:
    """Disconnect; with a second try, for nobody else connects until that is done."""
    for _ in range(2):
        try:
            async with asyncio.timeout(_RELEASE_LIMIT_S):
                await bms.disconnect()
        except Exception as err:  # noqa: BLE001 - whatever it is: once more, then go on
            _LOGGER.debug("Hanging up failed: %s", err)
        if not bms.is_connected:
            return


def silence_of(address: str) -> Key:
    """Name the fault that a device gives no reading."""
    return address, "silence"


class BmsPoller:
    """Polls one BMS, and gives what it says to its owner."""

    def __init__(
        self,
        hass: HomeAssistant,
        address: str,
        model: type[BaseBMS],
        heard: Callable[[BmsValues, int | None], None],
        *,
        name: str,
        faults: FaultLog,
    ) -> None:
        """Take the address, the class of its model and who is told.

        `name` is what its owner calls it. Told are the values, and the signal strength
        in dBm.
        """
        self._hass = hass
        self.address = address
        self._model = model
        self._heard = heard
        self.name = name
        self._faults = faults
        self._bms: BaseBMS | None = None
        self._device: BLEDevice | None = None
        self._begins_anew = True
        """Whether the last poll failed, so that the next one begins anew."""
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
        """Poll now and from now on."""
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

    async def async_stop(self) -> None:
        """Poll no more; when this returns, the connection is released."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe = []
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    @callback
    def _appeared(self, _: BluetoothServiceInfoBleak, change: BluetoothChange) -> None:
        """Poll at once what was out of reach."""
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
        """Read it once."""
        # Kept while all is well: it has learned how its device wants to be written to.
        # And while it could not hang up: it holds the connection that others need.
        if self._bms is None or (
            not self._bms.is_connected
            and (self._begins_anew or device is not self._device)
        ):
            self._device, self._begins_anew = device, False
            self._bms = make_client(self._model, device)
        try:
            values = await async_read(self._hass, self.address, self._bms)
        except BmsError as err:
            self._begins_anew = True
            self._failed(err)
            return
        self.failures, self.fault = 0, None
        self._successes += 1
        if self._successes >= _SUCCESSES_WORTH_A_LINE:
            self._faults.end(
                _LOGGER, silence_of(self.address), "BMS %s answers again", self.name
            )
        info = bluetooth.async_last_service_info(
            self._hass, self.address, connectable=True
        )
        self._heard(values, None if info is None else info.rssi)

    @callback
    def _failed(self, err: BmsError) -> None:
        """Say what went wrong, where it is no single failure."""
        self.failures += 1
        self._successes = 0
        self.fault = err.fault
        _LOGGER.debug("Poll %s of BMS %s failed: %s", self.failures, self.address, err)
        if self.failures >= _FAILURES_WORTH_A_LINE:
            self._faults.begin(
                _LOGGER,
                silence_of(self.address),
                "BMS %s cannot be read (%s). %s. It is tried again every %s s",
                self.name,
                err,
                _ADVICE[err.fault],
                POLL_INTERVAL.seconds,
            )
