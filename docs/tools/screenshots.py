"""scripts/screenshots: pictures of the demo for the README, and a look at each page."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
import contextlib
from dataclasses import dataclass
from pathlib import Path
import re
import signal
import ssl
import sys
import tempfile
import time
from typing import Any, Final

from PIL import Image, ImageDraw
from playwright.async_api import Browser, Error as PlaywrightError, Page
from websockets.exceptions import InvalidHandshake

from demo import run as demo
from demo.arguments import parse_arguments as parse_demo
from demo.client import Client, log_in
from demo.layout import CHARGE_POINT_ID, DOMAIN, LOOPBACK, ROOT, Layout
from demo.ports import choose_ocpp_port, free_port
from simulators.wallbox import SimulatedWallbox

from .browser import (
    DESKTOP,
    PHONE,
    BrowserError,
    Size,
    go,
    open_browser,
    open_page,
    settle,
    take,
)

_UNKNOWN: Final = "DE*BMW*EDEMO00000002"
"""A wallbox that nobody has added."""
_LOW_PHONE: Final = Size(390, 480, scale=2, touch=True)
"""For a page with little on it."""
_GRAPHS_LIMIT_S: Final = 30.0
_POLL_S: Final = 0.5
_LANGUAGE: Final = {
    "language": "en",
    "number_format": "language",
    "time_format": "24",
    "date_format": "language",
    "time_zone": "local",
    "first_weekday": "language",
}
_LEAST_DRAWN: Final = 200
"""Colored pixels of a graph that shows something."""

_WRONG: Final = re.compile(
    r"entity not found|configuration error|not available|no state history|"
    r"no statistics|undefined|\bnan\b|component\.[a-z_]+\.|^loading",
    re.IGNORECASE,
)
"""What Home Assistant writes where a card or a text is missing."""
_NO_VALUE: Final = re.compile(r"\b(unavailable|unknown)\b", re.IGNORECASE)
"""What it writes where a value is missing: on its own pages that may be the truth."""


class ShotError(Exception):
    """A page is not as it should be; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture to take."""

    name: str
    """Its file, without light or dark."""
    path: str
    """Of the page."""
    size: Size
    graphs: int = 0
    """How many there are on the page."""
    ours: bool = False
    """A view of ours: all of it is shown, each entity has a value, each name room."""
    act: Callable[[Page], Awaitable[None]] | None = None
    """What is done on the page first."""


# All text that is seen, in all open shadow roots; what is wider than the window; text
# that ends with dots for want of room; and of each graph how much is drawn.
_LOOK: Final = """() => {
  const texts = [], wide = [], cut = [], graphs = [];
  const seen = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && element.checkVisibility({
      checkOpacity: true, checkVisibilityCSS: true });
  };
  const drawn = (canvas) => {
    const { data } = canvas.getContext("2d").getImageData(
      0, 0, canvas.width, canvas.height);
    let coloured = 0;
    for (let i = 0; i < data.length; i += 4) {
      const [red, green, blue, opaque] = data.slice(i, i + 4);
      // Axes and letters are grey.
      const colour = Math.max(red, green, blue) - Math.min(red, green, blue);
      if (opaque >= 128 && colour > 40) coloured += 1;
    }
    return coloured;
  };
  const look = (root) => {
    for (const node of root.childNodes) {
      if (node.nodeType === Node.TEXT_NODE) {
        const text = node.textContent.trim();
        if (text && node.parentElement && seen(node.parentElement)) texts.push(text);
      }
      if (node.nodeType !== Node.ELEMENT_NODE) continue;
      if (["SCRIPT", "STYLE", "TEMPLATE"].includes(node.tagName)) continue;
      if (node.localName === "canvas" && seen(node)) graphs.push(drawn(node));
      if (seen(node)) {
        const box = node.getBoundingClientRect();
        const style = getComputedStyle(node);
        if (node.localName === "ha-card" && box.right > innerWidth + 1) {
          wide.push(node.getRootNode().host?.localName || "ha-card");
        }
        if (style.textOverflow === "ellipsis" && node.scrollWidth > node.clientWidth + 1
            && style.overflowX === "hidden" && node.innerText) {
          cut.push(node.innerText.trim());
        }
      }
      if (node.shadowRoot) look(node.shadowRoot);
      // What is in a slot is a child in the tree as well.
      look(node);
    }
  };
  look(document.body);
  if (document.documentElement.scrollWidth > innerWidth + 1) wide.push("the page");
  return { texts, wide: [...new Set(wide)], cut: [...new Set(cut)], graphs };
}"""


def say(text: str) -> None:
    """Print for the person who started it."""
    with contextlib.suppress(OSError):
        print(f"screenshots: {text}", flush=True)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/screenshots",
        description=(
            "Takes the screenshots of docs/images from a demo of its own, which has "
            "lived through a simulated week, in a Chromium without a window. "
            "Ends with 1 where something on a page is missing, cut off, or wider than "
            "the phone, and says what."
        ),
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT / "docs" / "images",
        help="folder for the pictures (default: docs/images)",
    )
    parser.add_argument(
        "--of",
        metavar="URL",
        help="of a demo that runs already, as http://localhost:8123",
    )
    parser.add_argument(
        "--ocpp-port",
        type=int,
        default=9000,
        help="where the wallbox of that demo connects to (default: %(default)s)",
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="NAME",
        help="only those whose name begins so; without the picture made of several",
    )
    return parser.parse_args(arguments)


# --- What is looked at ---


async def _open_history(page: Page) -> None:
    """Open the details of the car's current."""
    await page.locator("hui-gauge-card ha-card").click()


async def _open_repair(page: Page) -> None:
    """Open the only repair."""
    await page.locator("ha-config-repairs").get_by_text("unknown wallbox").click()


async def _find_device(client: Client, identifier: str) -> str:
    """Return the path of a device's page."""
    for device in await client.ask("config/device_registry/list"):
        if [DOMAIN, identifier] in device["identifiers"]:
            return f"/config/devices/device/{device['id']}"
    raise ShotError(f"the demo has no device {identifier}: see its log")


async def _plan(url: str) -> list[Shot]:
    """Return what to take. The repair comes last: it would be seen elsewhere, too."""
    async with log_in(url) as client:
        wallbox = await _find_device(client, CHARGE_POINT_ID)
        battery = await _find_device(client, "battery")
        # So that times have room below a graph.
        await client.ask(
            "frontend/set_user_data", key="language", value=dict(_LANGUAGE)
        )
    return [
        *(
            Shot(f"{name}-{where}", f"/demo-{name}/{name}", size, graphs=3, ours=True)
            for name in ("wallbox", "battery")
            for where, size in (("phone", PHONE), ("desktop", DESKTOP))
        ),
        Shot("history", "/demo-wallbox/wallbox", _LOW_PHONE, 1, act=_open_history),
        Shot("wallbox-device", wallbox, Size(1440, 2840)),
        Shot("battery-device", battery, Size(1440, 2480)),
        Shot(
            "integration",
            f"/config/integrations/integration/{DOMAIN}",
            Size(1280, 1340),
        ),
        Shot("repair", "/config/repairs", _LOW_PHONE, act=_open_repair),
    ]


async def _knock(ocpp_port: int) -> None:
    """Let a wallbox connect that nobody added: the integration asks about it."""
    # Its owner has not even looked who answers.
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    box = SimulatedWallbox(
        url=f"wss://localhost:{ocpp_port}",
        charge_point_id=_UNKNOWN,
        password="any",
        ssl_context=trusting,
        host=LOOPBACK,
    )
    with contextlib.suppress(InvalidHandshake):
        await box.connect()
        raise ShotError(f"{_UNKNOWN} was let in, although nobody added it")


# --- Looking ---


async def _look(page: Page, shot: Shot) -> None:
    """Look at a page; raises ShotError that names what is wrong with it."""
    end = time.monotonic() + _GRAPHS_LIMIT_S
    while True:
        look: dict[str, Any] = await page.evaluate(_LOOK)
        drawn = sum(pixels >= _LEAST_DRAWN for pixels in look["graphs"])
        if drawn == max(shot.graphs, len(look["graphs"])) or not shot.graphs:
            break
        if time.monotonic() > end:
            raise ShotError(f"{shot.name}: {drawn} of {shot.graphs} graphs show a line")
        await asyncio.sleep(_POLL_S)
    faults = [
        *(f'it says "{text}"' for text in look["texts"] if _is_wrong(text, shot)),
        *(f"wider than the window: {each}" for each in look["wide"]),
        *(f'cut off: "{text}"' for text in look["cut"] if shot.ours),
    ]
    if faults:
        raise ShotError(f"{shot.name}: {'; '.join(dict.fromkeys(faults))}")


def _is_wrong(text: str, shot: Shot) -> bool:
    return bool(_WRONG.search(text) or (shot.ours and _NO_VALUE.search(text)))


async def _take(
    browser: Browser, url: str, shot: Shot, *, dark: bool, folder: Path
) -> None:
    """Look at a page, and take its picture."""
    path = folder / f"{shot.name}-{'dark' if dark else 'light'}.png"
    async with open_page(browser, url, size=shot.size, dark=dark) as page:
        await go(page, shot.path)
        if shot.act is not None:
            await shot.act(page)
            await settle(page)
        await _look(page, shot)
        await take(page, path, whole=shot.ours)
    say(f"{path.name}, {path.stat().st_size / 1000:.0f} kB")


def _compose(folder: Path) -> Path:
    """Put two phones side by side: what the README begins with. Blocks."""
    # As high as what the owner wants to know first, in both.
    height, gap, radius = 1404, 64, 40
    phones = [
        Image.open(folder / f"{name}.png").convert("RGB")
        for name in ("wallbox-phone-light", "battery-phone-dark")
    ]
    width = phones[0].width
    picture = Image.new("RGBA", (2 * width + gap, height))
    shape = Image.new("L", (width, height))
    corners = (0, 0, width - 1, height - 1)
    ImageDraw.Draw(shape).rounded_rectangle(corners, radius, fill=255)
    for left, phone in zip((0, width + gap), phones, strict=True):
        screen = phone.crop((0, 0, width, height))
        ImageDraw.Draw(screen).rounded_rectangle(
            corners, radius, outline="#888888", width=2
        )
        picture.paste(screen, (left, 0), shape)
    path = folder / "hero.png"
    picture.save(path, optimize=True)
    return path


# --- The whole ---


@contextlib.asynccontextmanager
async def _demo() -> AsyncIterator[tuple[str, int]]:
    """Run a demo with a week behind it; yield its address and the wallbox's port."""
    port = free_port()
    ocpp_port = choose_ocpp_port(free_port(), other=port)
    options = parse_demo([f"--port={port}", f"--ocpp-port={ocpp_port}", "--history"])
    with tempfile.TemporaryDirectory() as folder:
        up = asyncio.Event()
        running = asyncio.create_task(
            demo.run(options, Layout(Path(folder) / "demo"), up=up)
        )
        waiting = asyncio.create_task(up.wait())
        try:
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await running
                raise ShotError("the demo ended")
            yield f"http://{LOOPBACK}:{port}", ocpp_port
        finally:
            waiting.cancel()
            running.cancel()
            await asyncio.gather(waiting, running, return_exceptions=True)


async def _take_all(url: str, ocpp_port: int, options: argparse.Namespace) -> int:
    """Take them all and return how many pages were not as they should be."""
    faults = 0
    async with open_browser() as browser:
        for shot in await _plan(url):
            if not shot.name.startswith(options.only):
                continue
            if shot.name == "repair":
                await _knock(ocpp_port)
            for dark in (False, True):
                try:
                    await _take(browser, url, shot, dark=dark, folder=options.output)
                except (ShotError, BrowserError, PlaywrightError) as err:
                    faults += 1
                    say(str(err))
    if not options.only and not faults:
        path = await asyncio.to_thread(_compose, options.output)
        say(f"{path.name}, {path.stat().st_size / 1000:.0f} kB")
    return faults


async def _run(options: argparse.Namespace) -> int:
    """Take the pictures and return the exit code."""
    begin = time.monotonic()
    try:
        if options.of:
            faults = await _take_all(options.of, options.ocpp_port, options)
        else:
            async with _demo() as (url, ocpp_port):
                faults = await _take_all(url, ocpp_port, options)
    except (ShotError, BrowserError, *demo.FAILURES) as err:
        say(str(err))
        return 1
    if faults:
        say(f"{faults} pages are not as they should be")
        return 1
    say(f"all pages are well, after {time.monotonic() - begin:.0f} s")
    return 0


async def _until_told(options: argparse.Namespace) -> int:
    """Take the pictures, and stop when somebody asks for that."""
    taking = asyncio.create_task(_run(options))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, taking.cancel)
    try:
        return await taking
    except asyncio.CancelledError:
        say("stopped")
        return 1


def main() -> int:
    """Take the screenshots and return the exit code."""
    return asyncio.run(_until_told(parse_arguments()))


if __name__ == "__main__":
    sys.exit(main())
