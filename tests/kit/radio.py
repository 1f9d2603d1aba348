"""Advertisements for Home Assistant's bluetooth stack, as a proxy passes them on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from homeassistant.components import bluetooth
from homeassistant.components.bluetooth import BluetoothServiceInfoBleak
from homeassistant.core import HomeAssistant

from custom_components.bmw_wallbox_victron.victron.advertisement import COMPANY_ID
from custom_components.bmw_wallbox_victron.victron.records import Kind
from simulators.victron import advertise

from .victron import KEY, SHUNT as SHUNT_MODEL

SHUNT = "F8:5C:00:00:00:01"
CHARGER = "F8:5C:00:00:00:02"
ORION = "F8:5C:00:00:00:03"


def heard(
    data: bytes,
    address: str = SHUNT,
    *,
    name: str | None = None,
    rssi: int = -60,
    source: str = "24:6F:28:00:00:01",
    age_s: float = 0.0,
) -> BluetoothServiceInfoBleak:
    """Make what a passive proxy says it has heard."""
    manufacturer_data = {COMPANY_ID: data}
    return BluetoothServiceInfoBleak(
        name=name or address,
        address=address,
        rssi=rssi,
        manufacturer_data=manufacturer_data,
        service_data={},
        service_uuids=[],
        source=source,
        device=BLEDevice(address, name, {}),
        advertisement=AdvertisementData(
            local_name=name,
            manufacturer_data=manufacturer_data,
            service_data={},
            service_uuids=[],
            tx_power=None,
            rssi=rssi,
            platform_data=(),
        ),
        connectable=False,
        time=bluetooth.MONOTONIC_TIME() - age_s,
        tx_power=None,
    )


@dataclass
class Radio:
    """What is on the air around Home Assistant."""

    hass: HomeAssistant
    counters: dict[str, int] = field(default_factory=dict)

    def send(self, data: bytes, address: str = SHUNT, **more: Any) -> None:
        """Let an advertisement be heard, on the path that proxies use."""
        bluetooth.async_get_advertisement_callback(self.hass)(
            heard(data, address, **more)
        )

    def say(
        self,
        kind: Kind,
        values: dict[str, Any],
        address: str = SHUNT,
        *,
        key: bytes = KEY,
        model_id: int = SHUNT_MODEL,
        **more: Any,
    ) -> bytes:
        """Let a device say something new; gives the advertisement."""
        counter = self.counters[address] = self.counters.get(address, 0) + 1
        data = advertise(kind, values, key=key, counter=counter, model_id=model_id)
        self.send(data, address, **more)
        return data


@contextmanager
def callbacks() -> Iterator[list[object]]:
    """Collect the Bluetooth callbacks that are registered and have not ended."""
    active: list[object] = []

    def count(register: Callable[..., Callable[[], None]]) -> Callable[..., Any]:
        def registered(*args: Any, **more: Any) -> Callable[[], None]:
            stop, token = register(*args, **more), object()
            active.append(token)

            def end() -> None:
                active.remove(token)
                stop()

            return end

        return registered

    with ExitStack() as stack:
        for name in (
            "async_register_callback",
            "async_register_advertisement_callback",
        ):
            counted = count(getattr(bluetooth, name))
            stack.enter_context(patch.object(bluetooth, name, counted))
        yield active
