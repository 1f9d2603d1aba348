"""The demo's Bluetooth: all of Home Assistant's, and no radio of this computer."""

from unittest import mock

from bluetooth_adapters import BluetoothAdapters
from homeassistant.components import bluetooth, usb
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

from demo.silence import no_radios


async def test_bluetooth_without_radios(hass: HomeAssistant) -> None:
    with (
        mock.patch.object(BluetoothAdapters, "refresh", autospec=True) as refresh,
        mock.patch.object(usb, "AIOUSBWatcher") as watcher,
        no_radios(),
    ):
        assert await async_setup_component(hass, "bluetooth", {})
        await hass.async_block_till_done(wait_background_tasks=True)
    assert bluetooth.async_scanner_count(hass, connectable=False) == 0
    assert hass.config_entries.flow.async_progress() == []
    # Only of the computer without adapters.
    assert all(not call.args[0].adapters for call in refresh.call_args_list)
    watcher.assert_not_called()
