"""Where the demo keeps its things, and under which names.

The passwords here are no secrets: they open a Home Assistant that only this computer
can reach, with nothing in it but simulated devices.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
import shutil
from typing import Final

from cryptography import x509

from simulators import pki

ROOT: Final = Path(__file__).resolve().parent.parent
"""The checkout."""

DOMAIN: Final = "bmw_wallbox_victron"
LOOPBACK: Final = "127.0.0.1"
USER: Final = "demo"
PASSWORD: Final = "demo"
CHARGE_POINT_ID: Final = "DE*BMW*EDEMO00000001"
WALLBOX_PASSWORD: Final = "simulated-wallbox"
PLUG_SWITCH: Final = "switch.caravan_plug"
PLUG_POWER: Final = "sensor.caravan_plug_power"
PLUG_CURRENT: Final = "sensor.caravan_plug_current"
BATTERY_LEVEL: Final = "number.caravan_battery"

HOUSE_GRID: Final = "sensor.house_grid_power"
HOUSE_SOLAR: Final = "sensor.house_solar_power"
HOUSE_CURRENTS: Final = tuple(f"sensor.house_current_l{each}" for each in (1, 2, 3))
HOUSE_PRICE: Final = "sensor.house_electricity_price"
HOUSE_FUSE_A: Final = 25
HOUSE_WIRING: Final = "231"
"""The house's phases of the wallbox."""

RADIO_DOMAIN: Final = "demo_radio"
HOUSE_DOMAIN: Final = "demo_house"
"""The demo's own custom integrations."""

_OWN: Final = {
    RADIO_DOMAIN: ("Demo radio", "radio", ["bluetooth"]),
    HOUSE_DOMAIN: ("Demo house", "house", []),
}
"""Their names, folders in here, and what they depend on."""

_RENEW_BEFORE: Final = timedelta(days=30)
"""The integration asks for a new certificate later than this."""

_CONFIGURATION: Final = """\
# Written by scripts/demo at every start.
#
# Not default_config: only what shows the integration, nothing that listens on the
# network, looks for devices there or wants the internet.
automation: !include automations.yaml
config:
energy:
frontend:
history:
logbook:
my:
recorder:
script: !include scripts.yaml
sun:

# The simulated devices: in place of a Bluetooth radio.
demo_radio:
  speed: {speed:g}
  rig: {rig}
{house}
logger:
  default: warning
  logs:
    custom_components.bmw_wallbox_victron: info
    # What they miss, nothing here needs: faster ways to make pictures small and to
    # compress pages.
    aiohttp_fast_zlib: error
    homeassistant.components.camera.img_util: critical
"""


@dataclass(frozen=True, slots=True)
class WallboxSettings:
    """What is set of the wallbox."""

    max_current: int = 32
    """The most that the installation bears, A."""
    meter_interval: int = 5
    """How often it is asked for readings, s: so that there is something to see."""


USUAL: Final = WallboxSettings()


@dataclass(frozen=True, slots=True)
class Layout:
    """The demo's folder."""

    folder: Path

    @property
    def config(self) -> Path:
        """Home Assistant's configuration folder."""
        return self.folder / "config"

    @property
    def log(self) -> Path:
        """Home Assistant's log."""
        return self.config / "home-assistant.log"

    @property
    def output(self) -> Path:
        """What Home Assistant prints: also what goes wrong before it has a log."""
        return self.folder / "output.log"

    @property
    def lock(self) -> Path:
        """Locked while a demo runs here."""
        return self.folder / "lock"

    @property
    def register(self) -> Path:
        """The energy register of the simulated wallbox, in Wh."""
        return self.folder / "register.txt"

    @property
    def furnished(self) -> Path:
        """Exists once what is only done at the first start has been done."""
        return self.folder / "furnished"

    @property
    def plugged(self) -> Path:
        """Exists once the options were told which plug feeds mains in."""
        return self.folder / "plugged"

    @property
    def tls(self) -> pki.Files:
        """The server's certificate, and the authority that the wallbox trusts."""
        folder = self.folder / "tls"
        return pki.Files(
            folder / "fullchain.pem", folder / "privkey.pem", folder / "authority.pem"
        )

    def read_register(self) -> float:
        """Return the register; a wallbox that is not new, if there is none yet."""
        try:
            return float(self.register.read_text(encoding="utf-8"))
        except OSError, ValueError:
            return 1_234_567.0

    def write_register(self, register_wh: float) -> None:
        """Keep the register for the next start."""
        self.register.write_text(f"{register_wh:.1f}\n", encoding="utf-8")


def clear(layout: Layout) -> None:
    """Remove everything from the folder but its lock. Blocks."""
    layout.folder.mkdir(parents=True, exist_ok=True)
    for path in layout.folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path != layout.lock:
            path.unlink()


def prepare(
    layout: Layout,
    *,
    speed: float = 1.0,
    rig: str = "caravan",
    house: bool = False,
    now: datetime | None = None,
) -> None:
    """Make the folder, or bring it up to date. Blocks.

    The time of the rig, by its name, passes `speed` times as fast as ours. With `house`
    there are its meters as well.
    """
    layout.config.mkdir(parents=True, exist_ok=True)
    (layout.config / "configuration.yaml").write_text(
        _CONFIGURATION.format(
            speed=speed, rig=rig, house=f"{HOUSE_DOMAIN}:\n" if house else ""
        ),
        encoding="utf-8",
    )
    # What is made in the UI is kept in them.
    for name, nothing in (("automations.yaml", "[]\n"), ("scripts.yaml", "{}\n")):
        path = layout.config / name
        if not path.exists():
            path.write_text(nothing, encoding="utf-8")
    components = layout.config / "custom_components"
    # A link itself, where an older demo made it.
    if components.is_symlink():
        components.unlink()
    components.mkdir(exist_ok=True)
    _link(components / DOMAIN, ROOT / "custom_components" / DOMAIN)
    for domain in _OWN:
        _lay_out(components, domain)
    now = now or datetime.now(UTC)
    if not _is_good(layout.tls, now):
        # Not of today: a demo may have lived for a week (demo.past).
        pki.issue(layout.tls.certificate.parent, not_before=now - timedelta(days=30))


def _lay_out(components: Path, domain: str) -> None:
    """Make the folder of an integration of the demo's own: a manifest, and links.

    The manifest is written where the demo runs: HACS takes a repository with more than
    one for something else than an integration.
    """
    folder = components / domain
    name, source, dependencies = _OWN[domain]
    # A link itself, where an older demo made it.
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    manifest = {
        "domain": domain,
        "name": name,
        "codeowners": [],
        "dependencies": dependencies,
        "documentation": "https://www.home-assistant.io/integrations/demo",
        "integration_type": "system",
        "iot_class": "local_push",
        "requirements": [],
        "version": "1.0.0",
    }
    text = json.dumps(manifest, indent=2)
    (folder / "manifest.json").write_text(f"{text}\n", encoding="utf-8")
    for path in (ROOT / "demo" / source).iterdir():
        if path.suffix == ".py" or path.name == "services.yaml":
            (folder / path.name).symlink_to(path)


def _link(link: Path, target: Path) -> None:
    """Make a link, also where the checkout was moved."""
    if link.is_symlink():
        if link.readlink() == target:
            return
        link.unlink()
    link.symlink_to(target, target_is_directory=True)


def _is_good(files: pki.Files, now: datetime) -> bool:
    """Return whether the certificate will do for some more weeks."""
    try:
        chain = files.certificate.read_bytes()
        certificate = x509.load_pem_x509_certificate(chain)
    except OSError, ValueError:
        return False
    return (
        files.key.exists()
        and files.authority.exists()
        and certificate.not_valid_before_utc <= now
        and certificate.not_valid_after_utc - _RENEW_BEFORE > now
    )
