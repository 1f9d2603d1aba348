from types import ModuleType

from aiobmsble.basebms import BaseBMS
from bleak.backends.scanner import AdvertisementData

# Annotated there as if it took an instance.
def bms_supported(
    bms: type[BaseBMS], adv_data: AdvertisementData, mac_addr: str
) -> bool: ...
def load_bms_plugins() -> set[ModuleType]: ...
