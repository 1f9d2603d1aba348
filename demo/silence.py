"""Home Assistant's Bluetooth without the radios of this computer."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from bleak_retry_connector import BleakSlotManager
from bluetooth_adapters import AdapterDetails, BluetoothAdapters
from habluetooth.channels.bluez import MGMTBluetoothCtl
from homeassistant.components import bluetooth, usb


class _NoAdapters(BluetoothAdapters):
    """A computer without a Bluetooth adapter."""

    @property
    def adapters(self) -> dict[str, AdapterDetails]:
        """Return the adapters."""
        return {}

    @property
    def default_adapter(self) -> str:
        """Return the name of the adapter that older entries mean."""
        return ""


@contextmanager
def no_radios() -> Iterator[None]:
    """Keep Home Assistant from the radios and what else hangs on the USB.

    `bluetooth` brings `usb` with it, which would discover this computer's sticks.
    """
    with (
        mock.patch.object(bluetooth, "get_adapters", _NoAdapters),
        mock.patch.object(BleakSlotManager, "async_setup", _nothing),
        # Talks to the kernel about its adapters, and complains if it may not.
        mock.patch.object(MGMTBluetoothCtl, "setup", _not_there),
        mock.patch.object(usb.USBDiscovery, "async_setup", _nothing),
    ):
        yield


async def _nothing(_: object) -> None:
    """Do nothing."""


async def _not_there(_: object) -> None:
    """Fail as where the kernel has no Bluetooth."""
    raise OSError("there is no Bluetooth here")
