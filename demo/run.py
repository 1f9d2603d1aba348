"""scripts/demo: Home Assistant with the integration and simulated devices."""

import argparse
import asyncio
from collections.abc import Sequence
import contextlib
from datetime import UTC, datetime
import os
from pathlib import Path
import signal
import sys
import time
from typing import Any, Final

from simulators.wallbox import SimulatedWallbox

from . import adding
from .arguments import parse_arguments
from .client import Client, RefusedError
from .console import DemoError, say, tell
from .furnishing import (
    find_entities,
    furnish,
    hang_up_dashboards,
    set_up_charging,
    wait_live,
)
from .greeting import greet
from .household import Household
from .household_life import live_house
from .layout import ROOT, USUAL, Layout, WallboxSettings, prepare
from .past.days import live_days
from .past.guide import LENGTH_S, BoxClock, Week
from .past.house_days import HouseDays, behind_s as days_behind_s
from .ports import choose_ocpp_port, why_not_free
from .process import Instance, logged_in, only_one, wait_running
from .replaying import behind_s as trace_behind_s, make_replay
from .rigs import CARAVAN, RIGS, Rig
from .scenario import Scenario, make_wallbox

FAILURES: Final = (DemoError, RefusedError, adding.NotAddedError)
"""What ends a demo with a sentence, and not with a traceback."""


async def _add_rig(client: Client, rig: Rig, *, add: bool) -> frozenset[str]:
    """Add the rig's devices if asked to, and return the addresses of the added."""
    if add and adding.reads_victron():
        for device in await adding.add_all(client, rig):
            say(f"{device.name} was discovered; adding it with its key")
        await adding.show(client, rig)
        await adding.show_energy(client)
    return await adding.find_added(client, rig)


async def _live_wallbox(box: SimulatedWallbox, speed: float, layout: Layout) -> None:
    """Let the wallbox live; the car leaves and the register is kept at the end."""
    try:
        await box.run(speed, retry_s=2.0)
    finally:
        layout.write_register(box.charger.register_wh)


async def _leave(box: SimulatedWallbox) -> None:
    """End the session, so that Home Assistant sees its end."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2):
            await box.unplug()


async def _end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def run(
    options: argparse.Namespace, layout: Layout, *, up: asyncio.Event | None = None
) -> None:
    """Run the demo until it is cancelled, time is over, or something ends.

    Sets `up` once there is everything to see.
    """
    begin = time.monotonic()
    if reason := why_not_free(options.port):
        raise DemoError(
            f"the web page cannot have port {options.port} ({reason}): "
            "choose another one with --port"
        )
    ocpp_port = choose_ocpp_port(options.ocpp_port, other=options.port)
    first = not layout.furnished.exists()
    rig = RIGS[options.rig]
    # A house's days are fast themselves; else it is what fills and empties.
    fast = options.house and options.speed > 1
    speed = 1.0 if fast or options.replay else options.speed
    past = {
        "--history": options.history,
        "--house with --speed": fast,
        "--replay": options.replay,
    }
    for argument in (name for name, given in past.items() if given):
        if layout.config.exists():
            raise DemoError(
                f"{argument} needs a fresh start, for nothing can be recorded into the "
                f"past: delete {layout.folder} first"
            )
    await asyncio.to_thread(
        prepare, layout, speed=speed, rig=rig.name, house=options.house
    )
    clock = BoxClock()
    box = make_wallbox(
        ocpp_port, layout.tls.client_context(), layout.read_register(), clock=clock
    )
    behind_s = LENGTH_S if options.history else 0.0
    wallbox = USUAL
    if fast:
        behind_s = days_behind_s(datetime.now(UTC), options.speed)
    elif options.replay is not None:
        trace = options.trace
        behind_s = trace_behind_s(trace, options.speed)
        wallbox = WallboxSettings(trace.max_current, trace.meter_interval)
    instance = Instance(
        layout,
        port=options.port,
        ocpp_port=ocpp_port,
        rig=rig,
        house=options.house,
        behind_s=behind_s,
        wallbox=wallbox,
    )
    try:
        say(f"starting Home Assistant{', the first start takes longer' * first}")
        await instance.start()
        guide = await instance.meet_guide() if behind_s else None
        if guide is not None and options.history:
            say("it lives through a week with the simulated devices, in fast motion")
            await Week(guide, box, clock, say=say).live()
        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(logged_in(instance))
            say(f"its page is there after {time.monotonic() - begin:.1f} s")
            await wait_running(client, instance)
            if first:
                await furnish(client)
                await hang_up_dashboards(client, house=options.house)
                if options.house:
                    await set_up_charging(client)
                layout.furnished.touch()
            add = options.add_caravan or options.history or rig.added
            added = await _add_rig(client, rig, add=add)
            if first and rig.totals is not None and not options.history:
                now = datetime.now(UTC)
                days = await asyncio.to_thread(live_days, now, rig.totals(now))
                await adding.show_days(client, days)
            say("it runs; switching the wallbox on")
            # Without an answer to this the page never gets beyond "Loading".
            await client.ask("get_services")
            replay = None
            if guide is not None and options.replay is not None:
                replay = make_replay(
                    options.replay,
                    options.trace,
                    guide,
                    await find_entities(client),
                    ocpp_port,
                    layout.tls.client_context(),
                    speed=options.speed,
                )
            if guide is not None and fast:
                household = Household(box, guide.now)
                await stack.aclose()
                greet(options, layout, ocpp_port, added)
                fast_days = HouseDays(
                    guide, box, clock, household, speed=options.speed, say=tell
                )
                if not await _caught_up(fast_days, options.seconds):
                    return
                story = live_house(household, instance, say=tell)
            elif options.house:
                household = Household(box, datetime.now(UTC), stays=True)
                story = live_house(household, instance, say=tell)
            elif replay is not None:
                story = replay.tell(tell)
            else:
                story = Scenario(box, speed=speed, say=tell).play()
            life = (
                _live_wallbox(box, speed, layout) if replay is None else replay.live()
            )
            living = asyncio.create_task(life)
            playing = asyncio.create_task(story)
            try:
                if replay is not None:
                    await stack.aclose()
                    greet(options, layout, ocpp_port, added)
                elif not fast:
                    power = await wait_live(client, box)
                    await stack.aclose()
                    does = (
                        f"charges with {power / 1000:.1f} kW" if power else "is paused"
                    )
                    say(
                        f"the wallbox is connected over TLS and {does} "
                        f"({time.monotonic() - begin:.1f} s)"
                    )
                    greet(options, layout, ocpp_port, added)
                if up is not None:
                    up.set()
                running = asyncio.create_task(instance.run())
                done, _ = await asyncio.wait(
                    {living, playing, running},
                    timeout=options.seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                await _check(done, running, instance)
                say("stopping")
            finally:
                await _end(playing)
                if replay is None:
                    await _leave(box)
                # To Home Assistant a wallbox that hangs up first is a fault.
                await instance.stop()
                await _end(living)
    finally:
        await instance.stop()
        _sum_up(box, layout)


async def _caught_up(days: HouseDays, limit_s: float | None) -> bool:
    """Live through days up to the present; tells whether there was time for that."""
    try:
        async with asyncio.timeout(limit_s):
            await days.live()
    except TimeoutError:
        say("stopping")
        return False
    say("that was until now: from here on time passes as it does")
    return True


async def _check(
    done: set[asyncio.Task[Any]], running: asyncio.Task[int], instance: Instance
) -> None:
    """Look at what ended by itself, if anything did."""
    if running in done:
        if await running:
            raise instance.explain_end()
        say("Home Assistant was stopped from its own page")
    else:
        await _end(running)
        for task in done:
            await task


def _sum_up(box: SimulatedWallbox, layout: Layout) -> None:
    """Print what went wrong although nothing ended."""
    for violation in box.violations:
        say(f"the integration broke the protocol: {violation}")
    if layout.log.exists():
        text = layout.log.read_text(encoding="utf-8", errors="replace")
        if errors := text.count(" ERROR ("):
            say(f"errors in {os.path.relpath(layout.log)}: {errors}")


async def _until_told(options: argparse.Namespace, layout: Layout) -> int:
    """Run the demo, and stop it when somebody asks for that."""
    demo = asyncio.create_task(run(options, layout))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        say("stopping")
        demo.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    try:
        await demo
    except asyncio.CancelledError:
        say("stopped")
    except FAILURES as err:
        say(str(err))
        return 1
    else:
        say("ended")
    return 0


def main(arguments: Sequence[str] | None = None, *, folder: Path | None = None) -> int:
    """Run the demo and return the exit code."""
    options = parse_arguments(arguments)
    home = ROOT / ".demo"
    if options.rig != CARAVAN.name:
        home /= options.rig
    if options.house:
        home /= "house"
    if options.replay is not None:
        home /= "replay"
    layout = Layout(folder or home)
    try:
        with only_one(layout):
            return asyncio.run(_until_told(options, layout))
    except DemoError as err:
        say(str(err))
        return 1


if __name__ == "__main__":
    sys.exit(main())
