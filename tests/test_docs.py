"""What README and docs say is there: pages, pictures, entities, automations."""

from collections.abc import Iterator
from pathlib import Path
import re
import shutil
import ssl
import subprocess
from typing import Any, Final
from urllib.parse import unquote

import hass_frontend
from homeassistant.components.automation.config import async_validate_config_item
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import parse_yaml
import pytest

from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
from custom_components.bmw_wallbox_victron.victron.records import Kind
from custom_components.bmw_wallbox_victron.wallbox.certificate import (
    examine,
    load_context,
    objection,
)
from custom_components.bmw_wallbox_victron.wallbox.findings import Line

from .kit.client import dial
from .kit.files import CORE, read_json
from .kit.radio import SHUNT, Radio
from .kit.site import Site
from .kit.strings import STRINGS, leaves
from .kit.victron import GOOD

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = (
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
)
_CODE: Final = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(
    r'\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"'  # Markdown, and HTML within it
)


def prose(page: Path) -> str:
    """Give a page without its examples."""
    return _CODE.sub("", page.read_text())


def links(page: Path) -> Iterator[str]:
    """Find what a page points to within the repository."""
    for markdown, html in _LINK.findall(prose(page)):
        link = markdown or html
        if "://" not in link:
            yield link


def anchors(page: Path) -> set[str]:
    """Name a page's headings as GitHub does."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = unquote(link).partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_every_page_is_found() -> None:
    """The README leads to all pages, and the pages to all pictures."""
    known = {
        (page.parent / link.partition("#")[0]) for page in PAGES for link in links(page)
    }
    found = {path.resolve() for path in known}
    assert found >= set((ROOT / "docs").glob("*.md"))
    assert found >= set((ROOT / "docs" / "images").rglob("*.png"))


def test_the_readme_is_short() -> None:
    """It says what this is and how to begin; the rest is on pages of its own."""
    assert len((ROOT / "README.md").read_text().split()) <= 1600


FRONTEND: Final = Path(hass_frontend.__file__).parent / "static" / "translations"
UTILITY_METER: Final = CORE / "utility_meter" / "translations" / "en.json"


@pytest.fixture(scope="module")
def labels() -> set[str]:
    """What Home Assistant's pages and ours say, in English."""
    files = [UTILITY_METER, *FRONTEND.rglob("en-[0-9a-f]*.json")]
    said = (text for path in files for _, text in leaves(read_json(path)))
    return {NAME, *said, *(text for _, text in leaves(STRINGS))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_ways_through_the_settings_are_there(page: Path, labels: set[str]) -> None:
    """Each part of *Settings > System > Repairs* and the like is what a page says."""
    for way in re.findall(r"(?<![*])[*](Settings >[^*]+)[*]", prose(page)):
        for part in " ".join(way.split()).split(" > "):
            assert part in labels, way


MAP: Final = (
    (ROOT / "docs" / "development.md")
    .read_text()
    .partition("## A map of the code\n")[2]
)
CODE: Final = ROOT / "custom_components" / DOMAIN


def test_the_map_names_what_is_there() -> None:
    """A name that follows a file is defined in that file."""
    named = re.findall(r"\]\(\.\./([^)]+\.py)\) `(\w+)`", MAP)
    assert len(named) > 10
    for path, name in named:
        defined = rf"^ *(async def|def|class) {name}\b|^{name}\b.* = "
        assert re.search(defined, (ROOT / path).read_text(), re.MULTILINE), name


def test_the_map_has_every_module() -> None:
    """The picture of the code shows each of them, and none that is not there."""
    (picture,) = (body for _, body in _CODE.findall(MAP))
    ours = picture[: picture.index("simulators/")]
    shown = set(re.findall(r"\b\w+\.py\b", ours))
    assert shown - {"__init__.py"} == {
        path.name for path in CODE.rglob("*.py") if path.name != "__init__.py"
    }


def test_a_check_has_each_line_of_the_hardware() -> None:
    """The table of what a wallbox does has as many lines as the check."""
    text = (ROOT / "docs" / "hardware.md").read_text()
    table = text.partition("## The wallbox\n")[2].partition("### ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    assert len(rows[2:]) == len(Line)


async def test_every_entity_is_named(
    hass: HomeAssistant, radio: Radio, site: Site, caravan: Site
) -> None:
    """The tables of both pages name each entity of a wallbox and of the battery."""
    radio.say(Kind.BATTERY_MONITOR, GOOD[Kind.BATTERY_MONITOR])
    await hass.async_block_till_done()
    pages = (ROOT / "docs" / name for name in ("wallbox.md", "battery.md"))
    text = " ".join(" ".join(map(Path.read_text, pages)).casefold().split())
    devices = dr.async_get(hass)
    seen = set()
    for entity in er.async_get(hass).entities.values():
        assert entity.device_id is not None
        device = devices.async_get(entity.device_id)
        assert device is not None
        if (DOMAIN, SHUNT) in device.identifiers:
            continue  # of the devices' records there are more than a table holds
        assert entity.original_name is not None
        # "Current L1 to L3" names three.
        name = re.sub(" L[23]$", " L1", entity.original_name)
        assert name.casefold() in text, name
        seen.add(name)
    assert {"Current limit", "Power source", "Certificate expiry"} <= seen


def examples() -> list[Any]:
    """Find the pages' automations and actions, each with its place."""
    return [
        pytest.param(body, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, (language, body) in enumerate(_CODE.findall(page.read_text()))
        if language == "yaml" and "action" in body
    ]


@pytest.mark.parametrize("example", examples())
async def test_examples_are_taken(
    hass: HomeAssistant, site: Site, example: str
) -> None:
    """Home Assistant takes each as an automation, or as an action of one."""
    assert await async_setup_component(hass, "automation", {})
    config = parse_yaml(example)
    assert isinstance(config, dict)
    if "action" in config:
        config = {"actions": [config]}
    config = {"triggers": [], "actions": [], **config}
    validated = await async_validate_config_item(hass, "example", config)
    assert validated is not None
    assert validated.validation_error is None


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the steps need openssl")
async def test_own_authority(site: Site, tmp_path: Path) -> None:
    """The steps to one give a certificate for a wallbox that was given its root."""
    (steps,) = (
        body
        for kind, body in _CODE.findall((ROOT / "docs" / "wallbox.md").read_text())
        if kind == "sh" and "root.pem" in body
    )
    host = "wallbox.example.com"

    def make() -> tuple[Any, ssl.SSLContext]:
        """Type them in; return what is said of the certificate, and the wallbox's."""
        subprocess.run(  # noqa: S603 - our own page
            ["/bin/sh", "-e", "-c", steps],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
        chain, key = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
        info = examine(load_context(str(chain), str(key)), str(chain))
        strict = ssl.create_default_context(cafile=str(tmp_path / "root.pem"))
        return objection(info, [host]), strict

    hass = site.hass
    said, context = await hass.async_add_executor_job(make)
    assert said is None
    paths = {"ssl_cert": "fullchain.pem", "ssl_key": "privkey.pem"}
    files = {key: str(tmp_path / name) for key, name in paths.items()}
    hass.config_entries.async_update_entry(
        site.entry, data={**site.entry.data, **files}
    )
    await hass.async_block_till_done()
    async with dial(site, context, server_hostname=host) as connection:
        assert connection.subprotocol == "ocpp2.0.1"
