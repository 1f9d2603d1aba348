"""Plays an hour of charging on three phases, and counts what the recorder writes.

At the wallbox's own limit, or with `--sky broken` by the sun of a simulated house. A
process of its own, as `benchmarks.caravan_replay` is: it holds the clock, so that the
hour takes some seconds, and prints its figures as one line of JSON.
"""

import argparse
import asyncio
from dataclasses import replace
from datetime import UTC, datetime
import json
from pathlib import Path
import sys
from typing import Any, Final

from demo.clock import SteppedClock

_STEP_S: Final = 1.0
_AROUND_S: Final = 60.0
"""What belongs to the hour: the car comes, and it leaves."""
_GRID: Final = "sensor.grid"
_GRID_INTERVAL_S: Final = 5.0
_NOON: Final = datetime(2026, 6, 21, 10, 30, tzinfo=UTC)
"""Half an hour before the sun is highest at the simulated house."""


async def _play(
    clock: SteppedClock,
    folder: Path,
    *,
    amperes: float,
    seconds: float,
    seed: int,
    sky: str | None,
) -> dict[str, Any]:
    """Play the hour and return the figures."""
    # Only now: they keep functions of the clock under names of their own.
    from homeassistant.components.recorder import get_instance
    from homeassistant.config_entries import ConfigSubentryData

    from demo.layout import CHARGE_POINT_ID, DOMAIN, LOOPBACK, Layout, prepare
    from demo.ports import free_port
    from demo.silence import no_radios
    from simulators.house.physics import House
    from simulators.house.weather import Sky
    from simulators.wallbox import DELTA, Car, SimulatedWallbox
    from simulators.wallbox.noise import NoisyCharger

    from .replayed import count_rows, count_rows_by_entity, make_entry, start

    layout = Layout(folder)
    await asyncio.to_thread(prepare, layout)
    port = free_port()
    entry = make_entry(
        DOMAIN,
        unique_id=DOMAIN,
        data={
            "host": LOOPBACK,
            "port": port,
            "ssl_cert": str(layout.tls.certificate),
            "ssl_key": str(layout.tls.key),
        },
        options={} if sky is None else {"grid_power": _GRID, "fixed_price": 0.3},
        subentries_data=[
            ConfigSubentryData(
                subentry_type="wallbox",
                title="Wallbox",
                data={"charge_point_id": CHARGE_POINT_ID, "max_current": 32},
                unique_id=CHARGE_POINT_ID,
            )
        ],
    )
    box = SimulatedWallbox(
        url=f"wss://localhost:{port}",
        charge_point_id=CHARGE_POINT_ID,
        ssl_context=layout.tls.client_context(),
        quirks=replace(DELTA, phases=3),
        clock=clock.now,
        host=LOOPBACK,
    )
    box.charger = NoisyCharger(phases=3, register_wh=910_000.0, seed=seed)
    house = None if sky is None else House(_NOON, seed=seed, sky=Sky(sky))
    with no_radios():
        hass = await start(layout.config)
        recorder = get_instance(hass)
        try:
            await hass.config_entries.async_add(entry)
            await hass.async_block_till_done()
            clock.hold()

            async def live(seconds: float) -> None:
                """Let time pass for all sides."""
                for _ in range(round(seconds / _STEP_S)):
                    clock.step(_STEP_S)
                    if house is not None:
                        house.draw([box.charger.readings.current_a])
                        house.advance(_STEP_S)
                        if house.elapsed_s % _GRID_INTERVAL_S == 0:
                            hass.states.async_set(
                                _GRID,
                                str(round(house.grid_w)),
                                {"unit_of_measurement": "W"},
                            )
                    await box.tick(_STEP_S)
                    await box.settle()
                    await hass.async_block_till_done()

            await box.connect()
            await live(_AROUND_S)
            if house is not None:
                await hass.services.async_call(
                    "select",
                    "select_option",
                    {
                        "entity_id": "select.wallbox_charging_mode",
                        "option": "solar",
                    },
                    blocking=True,
                )
                await live(_AROUND_S)
            await recorder.async_block_till_done()
            begin = clock.wall()
            await box.plug_in(Car(phases=3, max_current_a=amperes))
            await live(seconds)
            await box.unplug()
            await live(_AROUND_S)
            end = clock.wall()
            await recorder.async_block_till_done()
            clock.step(_STEP_S)
            await box.disconnect()
            clock.release()
        finally:
            await hass.async_stop(force=True)
    if box.violations:
        raise RuntimeError(str(box.violations))
    rows = count_rows(layout.config, begin, end)
    by_entity = count_rows_by_entity(layout.config, begin, end)
    rows["states"] -= by_entity.pop(_GRID, 0)  # the house's own
    return {
        "kwh": box.charger.register_wh / 1000 - 910,
        "readings": len(box.sent_of("TransactionEvent")),
        "limits": sum(
            call.action == "SetChargingProfile" for call in box.received_calls
        ),
        "rows": rows,
        "by_entity": by_entity,
    }


def main() -> int:
    """Play the hour."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--amperes", type=float, default=16.0, help="on each phase")
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=1, help="of the noise")
    parser.add_argument("--sky", help="clear, broken, overcast: charge by the sun")
    options = parser.parse_args()
    clock = SteppedClock()
    clock.install()
    figures = asyncio.run(
        _play(
            clock,
            options.folder,
            amperes=options.amperes,
            seconds=options.seconds,
            seed=options.seed,
            sky=options.sky,
        )
    )
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
