"""Walk the newcomer's way."""

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
import signal
import sys
import time
from typing import Final

from playwright.async_api import Error as PlaywrightError, Page

from demo.client import RefusedError
from demo.console import DemoError
from demo.layout import ROOT, Layout, clear, prepare
from demo.ports import free_port
from demo.process import Instance, logged_in, only_one, wait_running
from simulators import pki

from ..browser import PHONE, BrowserError, open_browser, open_page
from .person import Person
from .stations import WalkError, say
from .walk import Walk

_NAME: Final = "wallbox.example.com"
"""What the certificate is for: only the simulated wallbox looks it up, and finds us."""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/newcomer",
        description=(
            "Walks a newcomer's way in Chromium, by itself: from an empty Home "
            "Assistant with only the integration's folder to a wallbox that charges, "
            "Victron devices, an alert that fires, dashboards in German and a session "
            "in the calendar. Keeps a picture of each station. Ends with 1 where a "
            "step fails, and says which."
        ),
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT / "docs" / "images" / "newcomer",
        help="folder of the pictures (default: docs/images/newcomer)",
    )
    return parser.parse_args(arguments)


def lay_out(layout: Layout) -> None:
    """Make the folder anew: configuration, certificate, and a key of an older one.

    Blocks.
    """
    clear(layout)
    prepare(layout, house=True)
    pki.issue(layout.folder / "ssl", names=(_NAME,))
    pki.issue(layout.folder / "ssl" / "old", names=(_NAME,), without_chain=True)


async def _walk(options: argparse.Namespace, layout: Layout) -> None:
    """Walk; raises WalkError where the way ends too early."""
    begin = time.monotonic()
    port = free_port()
    await asyncio.to_thread(lay_out, layout)
    await asyncio.to_thread(_forget_pictures, options.output)
    instance = Instance(layout, port=port, ocpp_port=None)
    say("starting an empty Home Assistant")
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(open_browser())
        stack.push_async_callback(instance.stop)
        await instance.start()
        client = await stack.enter_async_context(logged_in(instance))
        await wait_running(client, instance)
        # Without an answer to this the page never gets beyond "Loading".
        await client.ask("get_services")
        page = await stack.enter_async_context(open_page(browser, instance.url))
        phone = await stack.enter_async_context(
            open_page(browser, instance.url, size=PHONE)
        )
        person = Person(page, options.output)
        walk = Walk(person, client, phone, layout, port)
        stack.push_async_callback(walk.end)
        for name, station in walk.stations().items():
            say(f"{time.monotonic() - begin:5.1f} s  {name}")
            try:
                await station()
            except (PlaywrightError, BrowserError, RefusedError, DemoError) as err:
                raise await _explain(name, err, page, layout) from err
        took = time.monotonic() - begin
        say(
            f"{took:5.1f} s  at the end; {person.pictures} pictures in {options.output}"
        )


def _forget_pictures(folder: Path) -> None:
    """Remove the pictures of an earlier walk. Blocks."""
    for old in folder.glob("[0-9][0-9]-*.png"):
        old.unlink()


async def _explain(
    station: str, err: Exception, page: Page, layout: Layout
) -> WalkError:
    """Return where the way ended, and keep a picture of it."""
    picture = layout.folder / "failed.png"
    told: list[str] = []
    with suppress(PlaywrightError):
        await page.screenshot(path=picture)
        told = await page.locator("ha-alert").filter(visible=True).all_inner_texts()
    what, _, log = str(err).partition("Call log:")
    # Of Playwright's log, what it waited for.
    reason = " ".join([*what.split(), *log.strip().partition("\n")[0].split()])
    if told:
        reason += f" The page says: {' '.join(told)}"
    return WalkError(
        f'could not "{station}": {reason}\n'
        f"    page     {page.url}\n    picture  {picture}\n    log      {layout.log}"
    )


async def _until_told(options: argparse.Namespace, layout: Layout) -> int:
    """Walk, and stop when somebody asks for that."""
    walk = asyncio.create_task(_walk(options, layout))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, walk.cancel)
    try:
        await walk
    except asyncio.CancelledError:
        say("stopped")
    except (DemoError, BrowserError, RefusedError) as err:
        say(str(err))
    else:
        return 0
    return 1


def main(arguments: Sequence[str] | None = None, *, folder: Path | None = None) -> int:
    """Walk and return the exit code."""
    options = parse_arguments(arguments)
    layout = Layout(folder or ROOT / ".newcomer")
    try:
        with only_one(layout):
            return asyncio.run(_until_told(options, layout))
    except DemoError as err:
        say(str(err))
        return 1


if __name__ == "__main__":
    sys.exit(main())
