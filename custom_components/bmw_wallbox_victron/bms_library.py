"""What aiobmsble offers, as the integration wants it.

Nothing else imports aiobmsble, and this does not before it is called: aiobmsble may
have to be installed first, importing it blocks, and it takes the Bluetooth client of
that moment, which has to be Home Assistant's.
"""

from collections.abc import Mapping
import logging
from types import ModuleType
from typing import Final

from bleak.backends.device import BLEDevice
from homeassistant.components.bluetooth import BluetoothServiceInfoBleak

from .bms_model import BmsClient, BmsModel

#: aiobmsble has one to copy from.
_NO_MODEL: Final = "dummy_bms"


#: What aiobmsble logs of a request that has a secret in it.
_secrets: Final[set[str]] = set()


def _quieten(record: logging.LogRecord) -> bool:
    """Log at most at DEBUG: each failed poll would be an error otherwise.

    And nothing that has a secret in it, which a request has.
    """
    if record.levelno > logging.DEBUG:
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    if not _LIBRARY_LOGGER.isEnabledFor(logging.DEBUG):
        return False
    message = record.getMessage()
    return not any(secret in message for secret in _secrets)


_LIBRARY_LOGGER: Final = logging.getLogger(__name__).getChild("aiobmsble")
_LIBRARY_LOGGER.addFilter(_quieten)


def model_of(module: ModuleType) -> BmsModel:
    """Return the model of a module of aiobmsble."""
    from aiobmsble import BMSConfig
    from aiobmsble.basebms import BaseBMS
    from aiobmsble.utils import bms_supported

    bms: type[BaseBMS] = module.BMS

    def make_client(device: BLEDevice, secret: str) -> BmsClient:
        if secret:
            _secrets.update((secret, secret.encode().hex(" ")))
        # Kept until what the device is was read, too: whoever reads it disconnects.
        config = BMSConfig(keep_alive=True, secret=secret)
        return bms(device, config, _LIBRARY_LOGGER.name)

    def matches(info: BluetoothServiceInfoBleak) -> bool:
        return bms_supported(bms, info.advertisement, info.address)

    info = bms.INFO
    # They had another name before 0.30.
    return BmsModel(
        manufacturer=info.get("manufacturer") or info.get("default_manufacturer", ""),
        model=info.get("model") or info.get("default_model", ""),
        takes_secret=bms.accept_secret,
        make_client=make_client,
        matches=matches,
    )


def load_models() -> Mapping[str, BmsModel]:
    """Return all models, by the names that aiobmsble has for them. Blocks."""
    from aiobmsble.utils import load_bms_plugins

    models = {
        name: model_of(module)
        for module in load_bms_plugins()
        if (name := module.__name__.rpartition(".")[2]) != _NO_MODEL
    }
    return dict(sorted(models.items()))
