"""A Chromium without a window that looks at a Home Assistant of this computer.

Runs in the environment of `scripts/setup --browser`:

    async with open_browser() as browser:
        async with open_page(browser, url, size=PHONE, dark=True) as page:
            await go(page, "/lovelace")
            await take(page, Path("overview.png"))

Playwright finds what is in open shadow roots by itself: `page.locator("ha-card")`. It
is imported where a browser is: what needs none can be tested without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
import io
import json
from pathlib import Path
import shutil
import time
from typing import TYPE_CHECKING, Final

import aiohttp
from PIL import Image

from demo.client import get_tokens

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""What the program is called, where it is installed."""
_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Text looks the same on every computer.
    "--font-render-hinting=none",
)
_LIMIT_MS: Final = 30_000.0
"""For anything that is waited for in a page."""
_SETTLED_LIMIT_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.1
_SAME_LOOKS: Final = 4
"""So often in a row a page has to look the same to be complete."""
_LARGEST_BYTES: Final = 120_000
"""A larger picture is stored with fewer colors."""


class BrowserError(Exception):
    """There is no browser, or a page does not get ready; the text says why."""


@dataclass(frozen=True, slots=True)
class Size:
    """The window of a device."""

    width: int
    height: int
    scale: int = 1
    """Pixels of the screen for each of the page."""
    touch: bool = False


PHONE: Final = Size(390, 844, scale=2, touch=True)
DESKTOP: Final = Size(1280, 800)


# In all open shadow roots: what says that something is still to come, and how much is
# there. Charts draw on a canvas; what they draw is not looked at.
_LOOK: Final = """() => {
  const waiting = new Set([
    "ha-launch-screen", "ha-init-page", "hass-loading-screen", "ha-spinner",
    "ha-circular-progress", "ha-fade-in", "wa-spinner", "md-circular-progress",
    "ha-skeleton", "wa-skeleton", "hui-loading-card",
  ]);
  const pending = [];
  let count = 0, text = 0;
  const visible = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && element.checkVisibility({
      checkOpacity: true, checkVisibilityCSS: true });
  };
  const look = (root) => {
    for (const animation of root.getAnimations()) {
      const timing = animation.effect?.getComputedTiming();
      if (animation.playState === "running" && isFinite(timing?.endTime)) {
        pending.push("an animation");
      }
    }
    for (const element of root.querySelectorAll("*")) {
      count += 1;
      const name = element.localName;
      if (waiting.has(name) || element.id === "ha-launch-screen") {
        if (visible(element)) pending.push(name || element.id);
      } else if (name === "img" && !element.complete && visible(element)) {
        pending.push("a picture");
      } else if (name.includes("-") && !customElements.get(name) && visible(element)) {
        pending.push(name);
      }
      if (element.shadowRoot) look(element.shadowRoot);
    }
  };
  if (document.readyState !== "complete") pending.push("the page");
  if (document.fonts.status !== "loaded") pending.push("a font");
  const all = document.querySelector("home-assistant")?.shadowRoot;
  if (!all?.querySelector("home-assistant-main")) pending.push("the frame");
  look(document);
  return { pending: [...new Set(pending)], size: `${location.href} ${count}` };
}"""


def find_chromium(own: Path) -> str:
    """Return the path of a Chromium: the system's, or Playwright's `own` if there.

    Raises BrowserError that says what to install.
    """
    for name in NAMES:
        if path := shutil.which(name):
            return path
    if own.exists():
        return str(own)
    raise BrowserError(
        "there is no Chromium: install one (on Debian: apt-get install chromium), or "
        "let Playwright do it (.venv-browser/bin/playwright install chromium)"
    )


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Start Chromium, and end it. Raises BrowserError where there is none."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        path = await asyncio.to_thread(find_chromium, own)
        browser = await playwright.chromium.launch(
            executable_path=path, args=list(_ARGUMENTS)
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def open_page(
    browser: Browser,
    url: str,
    *,
    size: Size = DESKTOP,
    dark: bool = False,
    language: str = "en",
    timezone: str = "Europe/Berlin",
    login: bool = True,
) -> AsyncIterator[Page]:
    """Open a page of its own (storage included) of a Home Assistant, logged in.

    `url` is without a path. Nothing is loaded yet: `go` somewhere. `language` is of
    the browser; Home Assistant follows it unless its user chose one.
    """
    context = await browser.new_context(
        base_url=url,
        viewport={"width": size.width, "height": size.height},
        device_scale_factor=size.scale,
        has_touch=size.touch,
        is_mobile=size.touch,
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        locale=language,
        timezone_id=timezone,
        # It would show what was loaded before, and ask to reload.
        service_workers="block",
    )
    context.set_default_timeout(_LIMIT_MS)
    try:
        if login:
            await context.add_init_script(await keep_tokens(url))
        yield await context.new_page()
    finally:
        await context.close()


async def keep_tokens(url: str) -> str:
    """Log in and return the script that leaves the tokens where the page looks."""
    async with aiohttp.ClientSession() as session:
        tokens = await get_tokens(session, url)
    tokens |= {
        "hassUrl": url,
        "clientId": f"{url}/",
        "expires": round((time.time() + tokens["expires_in"]) * 1000),
    }
    # Only where there are none: a page that was loaded anew has fresher ones.
    return (
        "if (!localStorage.hassTokens) "
        f"localStorage.hassTokens = {json.dumps(json.dumps(tokens))};"
        # Else the sidebar is drawn narrow or wide by what is loaded first.
        "localStorage.dockedSidebar = localStorage.dockedSidebar || '\"docked\"';"
    )


async def go(page: Page, path: str) -> None:
    """Load a path of Home Assistant, and wait until all of it is there."""
    await page.goto(path)
    await settle(page)


async def settle(page: Page, *, limit_s: float = _SETTLED_LIMIT_S) -> None:
    """Wait until nothing loads, moves or is added any more.

    Raises BrowserError that names what the page still waits for.
    """
    from playwright.async_api import Error as PlaywrightError

    end = time.monotonic() + limit_s
    last, same = "", 0
    pending: list[str] = []
    while same < _SAME_LOOKS:
        if time.monotonic() > end:
            what = ", ".join(pending) or "changes all the time"
            raise BrowserError(f"{page.url} is not ready after {limit_s:.0f} s: {what}")
        try:
            look = await page.evaluate(_LOOK)
        except PlaywrightError:
            # It goes to another page right now.
            same = 0
        else:
            pending = look["pending"]
            same = same + 1 if not pending and look["size"] == last else 0
            last = look["size"]
        await asyncio.sleep(_LOOK_EVERY_S)


async def take(
    page: Page, path: Path, *, whole: bool = False, width: int | None = None
) -> Path:
    """Take a picture of the page once it is settled; `whole`: beyond the window, too.

    Home Assistant's pages scroll inside, so `whole` makes the window as high as what is
    in it. `width`: only so much of it, in px. Gives the path.
    """
    await settle(page)
    before = page.viewport_size
    if whole and before and (height := await page.evaluate(_HEIGHT)) > before["height"]:
        await page.set_viewport_size({"width": before["width"], "height": height})
        await settle(page)
    data = await page.screenshot(animations="disabled", caret="hide")
    if whole and before:
        await page.set_viewport_size(before)
    await asyncio.to_thread(store, data, path, width=width)
    return path


_HEIGHT: Final = """() => {
  let most = document.documentElement.scrollHeight;
  const look = (root) => {
    for (const element of root.querySelectorAll("*")) {
      const hidden = element.scrollHeight - element.clientHeight;
      if (hidden > 0 && /auto|scroll/.test(getComputedStyle(element).overflowY)) {
        most = Math.max(most, innerHeight + hidden);
      }
      if (element.shadowRoot) look(element.shadowRoot);
    }
  };
  look(document);
  return Math.min(most, 6000);
}"""


def store(
    data: bytes,
    path: Path,
    *,
    width: int | None = None,
    largest: int = _LARGEST_BYTES,
) -> None:
    """Store a picture, with fewer colors if it is large. Blocks."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    if width is not None:
        picture = picture.crop((0, 0, width, picture.height))
    path.parent.mkdir(parents=True, exist_ok=True)
    for fewer in _colours(picture):
        fewer.save(path, "PNG", optimize=True)
        if path.stat().st_size <= largest:
            return


def _colours(picture: Image.Image) -> Iterator[Image.Image]:
    """Yield it with all its colors, then with fewer."""
    yield picture
    for colours in (256, 128, 64):
        yield picture.quantize(colours, dither=Image.Dither.NONE)
