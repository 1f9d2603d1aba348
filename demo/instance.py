"""The demo's Home Assistant: a process of its own, started by demo.process.

It differs from the program `hass`: it ends when the process that started it is gone, it
loads neither pictures nor voices, no socket of it can be reached from elsewhere, and it
uses none of this computer's radios.
"""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import importlib.util
import logging
import os
from pathlib import Path
import signal
import sys
import threading
from types import ModuleType
from typing import Any, Final
from unittest import mock

from homeassistant import bootstrap
from homeassistant.__main__ import main as home_assistant
from homeassistant.components import zeroconf
from homeassistant.components.http import server
from homeassistant.components.zeroconf.models import HaZeroconf
from homeassistant.util import package

from demo.silence import no_radios

from .layout import (
    HOUSE_DOMAIN,
    LOOPBACK,
    RADIO_DOMAIN,
    ROOT,
    USUAL,
    Layout,
    WallboxSettings,
)
from .rigs import CARAVAN, RIGS
from .seed import seed

_LEFT_OUT: Final = frozenset(
    {
        "ai_task",
        "assist_satellite",
        "camera",
        "conversation",
        "image",
        "image_processing",
        "media_player",
        "stt",
        "tts",
        "wake_word",
    }
)
"""Pictures and voices: nothing here has any, they take time to load, and they need
programs and libraries that many computers lack (ffmpeg, libjpeg-turbo, a compiler)."""

_SOUND_LIBRARIES: Final = {"pymicro_vad": "MicroVad", "pyspeex_noise": "AudioProcessor"}
"""What the code of the voices imports, and what from it."""


def _end_with_parent() -> None:
    """Wait for the end of the other process, which holds standard input open."""
    # Not sys.stdin: a thread that waits inside it breaks the interpreter's end.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _replace_sound_libraries() -> None:
    """Let the code of the voices be imported without its libraries.

    The page asks which actions there are, and the answer needs every module whose
    features an action may ask for, set up or not. Nor is there anything to install: a
    discovered Bluetooth device asks for what the proxies of all makes need, and one of
    those has a microphone.
    """
    for name, content in _SOUND_LIBRARIES.items():
        if importlib.util.find_spec(name) is None:
            module = ModuleType(name)
            vars(module)[content] = object
            sys.modules[name] = module
    real = package.is_installed

    def is_installed(requirement: str) -> bool:
        name = requirement.partition("==")[0].replace("-", "_")
        return name in _SOUND_LIBRARIES or real(requirement)

    mock.patch.object(package, "is_installed", is_installed).start()


_create_server: Final = asyncio.BaseEventLoop.create_server


async def _create_loopback_server(
    loop: asyncio.BaseEventLoop, factory: Any, host: Any = None, *args: Any, **more: Any
) -> asyncio.Server:
    """Listen on loopback where no address is given: that would be everywhere.

    The integration's own server gives none, unless its entry was seeded with one.
    """
    if host is None and more.get("sock") is None:
        host = LOOPBACK
    return await _create_server(loop, factory, host, *args, **more)


class _LoopbackZeroconf(HaZeroconf):
    """Looks up names in the local network, without being a part of it.

    Home Assistant makes one with its first HTTP client, whether or not `zeroconf` is
    set up, and then listens for mDNS on all interfaces.
    """

    def __init__(self, **_: Any) -> None:
        """Open a socket that hears only who it asked, and asks only this computer."""
        super().__init__(interfaces=[LOOPBACK], unicast=True)


def _is_no_matter_of_ours(record: logging.LogRecord) -> bool:
    """Keep Home Assistant from warning of the demo's own parts.

    What it says about the integration itself is what all users see.
    """
    text = record.getMessage()
    return RADIO_DOMAIN not in text and HOUSE_DOMAIN not in text


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Keep Home Assistant off the network, also where no setting does it."""
    with (
        mock.patch.object(zeroconf, "HaZeroconf", _LoopbackZeroconf),
        mock.patch.object(
            asyncio.BaseEventLoop, "create_server", _create_loopback_server
        ),
        # The recovery mode's last resort, if the port was taken meanwhile.
        mock.patch.object(server, "DEFAULT_BIND", [LOOPBACK]),
    ):
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare the storage and run Home Assistant."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ocpp-port", type=int, help="without: nothing is set up")
    parser.add_argument("--rig", choices=RIGS, default=CARAVAN.name)
    parser.add_argument("--added", action="store_true", help="the rig is set up, too")
    parser.add_argument("--house", action="store_true", help="there is a house")
    parser.add_argument("--max-current", type=int, default=USUAL.max_current)
    parser.add_argument("--meter-interval", type=int, default=USUAL.meter_interval)
    options = parser.parse_args(arguments)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    layout = Layout(options.folder)
    asyncio.run(
        seed(
            layout,
            port=options.port,
            ocpp_port=options.ocpp_port,
            rig=RIGS[options.rig],
            added=options.added,
            house=options.house,
            wallbox=WallboxSettings(options.max_current, options.meter_interval),
        )
    )

    _replace_sound_libraries()
    bootstrap.DEFAULT_INTEGRATIONS.difference_update(_LEFT_OUT)
    # The integration comes from the configuration folder, as it does for users.
    sys.path[:] = [entry for entry in sys.path if entry not in ("", str(ROOT))]
    # Files may be named as seen from there.
    os.chdir(layout.folder)
    sys.argv = ["hass", "--config", str(layout.config), "--log-no-color"]
    logging.getLogger("homeassistant.loader").addFilter(_is_no_matter_of_ours)
    with _on_loopback(), no_radios():
        return home_assistant()


if __name__ == "__main__":
    sys.exit(main())
