from aiobmsble import BMSConfig, BMSInfo, BMSSample
from bleak.backends.device import BLEDevice

class BaseBMS:
    INFO: BMSInfo
    accept_secret: bool
    def __init__(
        self,
        ble_device: BLEDevice,
        config: BMSConfig | None = None,
        logger_name: str = "",
    ) -> None: ...
    @property
    def is_connected(self) -> bool: ...
    async def async_update(self, raw: bool = False) -> BMSSample: ...
    async def device_info(self) -> BMSInfo: ...
    async def disconnect(self, reset: bool = False) -> None: ...
