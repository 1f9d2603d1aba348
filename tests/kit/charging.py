"""A house around the wallbox of a bench: meters that report, and what is decided."""

from typing import Any

from custom_components.bmw_wallbox_victron.charging.settings import (
    LimitReason,
)
from custom_components.bmw_wallbox_victron.charging.status import ChargingStatus
from custom_components.bmw_wallbox_victron.coordinator import SiteCoordinator
from custom_components.bmw_wallbox_victron.wallbox.station import Station
from simulators.wallbox import Car

from .bench import Bench
from .site import CHARGE_POINT_ID

HOUSE = {f"house_current_l{phase}": f"sensor.house_l{phase}" for phase in (1, 2, 3)}
FUSE: dict[str, Any] = {**HOUSE, "main_fuse": 25, "phase_order": "123"}
GRID: dict[str, Any] = {"grid_power": "sensor.grid"}
CAR = Car(phases=3)


def configure(bench: Bench, **options: Any) -> None:
    """Change the options."""
    bench.hass.config_entries.async_update_entry(bench.site.entry, options=options)


def coordinator(bench: Bench) -> SiteCoordinator:
    """Return what decides."""
    found: SiteCoordinator = bench.site.entry.runtime_data
    return found


def station(bench: Bench) -> Station:
    """Return the wallbox, as Home Assistant knows it."""
    return coordinator(bench).stations[CHARGE_POINT_ID]


def status(bench: Bench) -> ChargingStatus:
    """Return what is shown."""
    return coordinator(bench).data.charging[CHARGE_POINT_ID]


def says(bench: Bench, amps: float, reason: LimitReason) -> bool:
    """Return whether that is the limit, and what sets it."""
    return (status(bench).limit_a, status(bench).reason) == (amps, reason)


async def live(
    bench: Bench,
    seconds: int,
    *,
    base_a: float | None = None,
    surplus_w: float | None = None,
    step: int = 1,
    unit: str = "A",
) -> None:
    """Let time pass, with meters that report each second what flows."""
    for _ in range(0, seconds, step):
        drawn = bench.box.charger.readings.current_a
        if base_a is not None:
            for phase in (1, 2, 3):
                bench.hass.states.async_set(
                    f"sensor.house_l{phase}",
                    f"{base_a + drawn[phase - 1]:.2f}",
                    {"unit_of_measurement": unit},
                )
        if surplus_w is not None:
            bench.hass.states.async_set(
                "sensor.grid",
                f"{(sum(drawn) * 230 - surplus_w) / 1000:.3f}",
                {"unit_of_measurement": "kW"},
            )
        await bench.pass_time(step)
