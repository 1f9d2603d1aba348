from typing import Protocol

from aiobmsble.basebms import BaseBMS
from bleak.backends.scanner import AdvertisementData

class BMSModule(Protocol):
    """A module below `aiobmsble.bms`."""

    __name__: str
    BMS: type[BaseBMS]

# Annotated there as if it took an instance.
def bms_supported(
    bms: type[BaseBMS], adv_data: AdvertisementData, mac_addr: str
) -> bool: ...
def load_bms_plugins() -> set[BMSModule]: ...
