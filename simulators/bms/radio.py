"""A Bluetooth proxy that hears simulated BMSs and connects to them."""

from bluetooth_data_tools import monotonic_time_coarse
from habluetooth import BaseHaRemoteScanner, HaBluetoothConnector

from .peripheral import SimulatedBms, SimulatedBmsClient


class BmsRadio(BaseHaRemoteScanner):
    """To be registered with Home Assistant by `bluetooth.async_register_scanner`."""

    def __init__(self, source: str = "AA:BB:CC:DD:EE:FF") -> None:
        """Take the address of the proxy."""
        self.peripherals: dict[str, SimulatedBms] = {}

        class Client(SimulatedBmsClient):
            """Connects to what this radio has in reach."""

            peripherals = self.peripherals

        super().__init__(
            source,
            "simulated",
            HaBluetoothConnector(
                client=Client, source=source, can_connect=lambda: True
            ),
            connectable=True,
        )

    def hear(self, bms: SimulatedBms, rssi: int = -60) -> None:
        """Hear an advertisement of a BMS, which is in reach from now on."""
        self.peripherals[bms.address] = bms
        self._async_on_advertisement(
            address=bms.address,
            rssi=rssi,
            local_name=bms.protocol.local_name,
            service_uuids=[bms.protocol.service],
            service_data={},
            manufacturer_data={},
            tx_power=None,
            details={},
            advertisement_monotonic_time=monotonic_time_coarse(),
        )
