"""What docs/energy.md says of meters and months, done."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
import re
import shutil
from typing import Any, Final
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from simulators.wallbox import DELTA, Car, Quirks, RegisterRestarts, SimulatedWallbox

from .kit.blueprints import MONTHLY_SESSIONS, SCRIPTS, SCRIPTS_FOLDER
from .kit.energy import EXAMPLES, example, number
from .kit.site import Site, reload, settle
from .kit.time import later

pytestmark = pytest.mark.usefixtures("unpaced")

type MakeWallbox = Callable[..., SimulatedWallbox]

BERLIN: Final = ZoneInfo("Europe/Berlin")
METER: Final = {
    "name": "Month",
    "cycle": "monthly",
    "offset": 0,
    "tariffs": [],
    "net_consumption": False,
    "delta_values": False,
    "periodically_resetting": True,
    "always_available": True,
}


@pytest.fixture(autouse=True)
async def _berlin(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """Be in Berlin, on the last evening of October."""
    await hass.config.async_set_time_zone("Europe/Berlin")
    freezer.move_to(datetime(2026, 10, 31, 20, tzinfo=BERLIN))
    # Every step of the frozen clock looks like a slow one.
    hass.loop.slow_callback_duration = 1e9


@pytest.fixture
async def automations_end(hass: HomeAssistant) -> AsyncGenerator[None]:
    """Turn automations off at the end: they wait for their time."""
    yield
    await hass.services.async_call(
        "automation", "turn_off", {"entity_id": "all"}, blocking=True
    )


# Utility meters


@pytest.fixture
async def wallbox(
    hass: HomeAssistant,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    quirks: Quirks,
) -> SimulatedWallbox:
    """Connect a wallbox that has charged before: its total is known."""
    made = make_wallbox(quirks)
    await made.connect()
    await made.plug_in(Car())
    await later(hass, freezer, 300, made)
    await made.unplug()
    await settle(hass, made)
    return made


@pytest.fixture
def quirks() -> Quirks:
    """How the wallbox is; a test may parametrize it."""
    return DELTA


async def make_meter(hass: HomeAssistant, site: Site, **settings: Any) -> str:
    """Make the helper as the form does; gives its entry."""
    manager = hass.config_entries.flow
    form = await manager.async_init("utility_meter", context={"source": "user"})
    source = site.entity_id("sensor", "energy_total")
    result = await manager.async_configure(
        form["flow_id"], METER | {"source": source} | settings
    )
    await hass.async_block_till_done()
    entry_id: str = result["result"].entry_id
    return entry_id


@pytest.mark.parametrize(
    ("quirks", "resetting"),
    [
        (DELTA, True),
        (replace(DELTA, register_restarts=RegisterRestarts.BOTH), False),
    ],
    ids=["as it is", "a register that drops"],
)
async def test_a_meter_counts_what_was_charged(
    hass: HomeAssistant,
    wallbox: SimulatedWallbox,
    site: Site,
    freezer: FrozenDateTimeFactory,
    resetting: bool,
) -> None:
    """Over reloads, restarts, outages and a register that drops; anew each month."""
    meter = "sensor.bmw_wallbox_month"
    entry_id = await make_meter(hass, site, periodically_resetting=resetting)
    before = site.number("energy_total")
    shown = hass.states.get(meter)
    assert shown is not None
    assert shown.state == "unknown"
    delivered = 0.0

    async def charge(seconds: int) -> None:
        nonlocal delivered
        at_first = wallbox.charger.session_wh
        for _ in range(seconds // 300):
            await later(hass, freezer, 300, wallbox)
        delivered += (wallbox.charger.session_wh - at_first) / 1000

    def check() -> None:
        counted = site.number("energy_total") - before
        assert number(hass, meter) == pytest.approx(counted, abs=1e-6)
        assert counted == pytest.approx(delivered, abs=0.15)

    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    await charge(600)
    check()
    await reload(hass, site)
    await wallbox.wait_closed()
    await wallbox.connect(boot=False)
    await charge(300)
    check()
    # The register restarts, where it does.
    await wallbox.unplug()
    await wallbox.reboot()
    await later(hass, freezer, 90, wallbox)
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    await charge(600)
    check()
    # Home Assistant is off while the car charges.
    assert await hass.config_entries.async_unload(entry_id)
    assert await hass.config_entries.async_unload(site.entry.entry_id)
    await wallbox.wait_closed()
    freezer.tick(600)
    at_first = wallbox.charger.session_wh
    await wallbox.tick(600)
    delivered += (wallbox.charger.session_wh - at_first) / 1000
    assert await hass.config_entries.async_setup(entry_id)
    assert await hass.config_entries.async_setup(site.entry.entry_id)
    await hass.async_block_till_done()
    await wallbox.connect(boot=False)
    await charge(300)
    check()
    await wallbox.unplug()
    await settle(hass, wallbox)
    check()
    # November.
    october = number(hass, meter)
    await wallbox.disconnect()
    freezer.move_to(datetime(2026, 11, 1, 0, 0, 1, tzinfo=BERLIN))
    async_fire_time_changed(hass, dt_util.utcnow())
    await hass.async_block_till_done()
    state = hass.states.get(meter)
    assert state is not None
    assert float(state.state) == 0
    assert float(state.attributes["last_period"]) == pytest.approx(october, abs=1e-6)


@pytest.mark.usefixtures("automations_end")
async def test_tariffs(
    hass: HomeAssistant,
    wallbox: SimulatedWallbox,
    site: Site,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Each counts in its time: the page's automation switches at six and at ten."""
    await make_meter(hass, site, tariffs=["day", "night"], cycle="yearly")
    automation = {"automation": [example("alias", "Tariff of the wallbox")]}
    assert await async_setup_component(hass, "automation", automation)
    await hass.async_block_till_done()
    counted = {"day": 0.0}
    for tariff, moment in (
        ("night", datetime(2026, 10, 31, 22, 0, 1, tzinfo=BERLIN)),
        ("day", datetime(2026, 11, 1, 6, 0, 1, tzinfo=BERLIN)),
    ):
        await wallbox.disconnect()
        freezer.move_to(moment)
        async_fire_time_changed(hass, dt_util.utcnow())
        await hass.async_block_till_done()
        before = site.number("energy_total")
        await wallbox.connect()
        await wallbox.plug_in(Car())
        await settle(hass, wallbox)
        await later(hass, freezer, 300, wallbox)
        await wallbox.unplug()
        await settle(hass, wallbox)
        counted[tariff] = site.number("energy_total") - before
        assert counted[tariff] > 0.5
        for each, expected in counted.items():
            shown = number(hass, f"sensor.bmw_wallbox_month_{each}")
            assert shown == pytest.approx(expected, abs=1e-6), (tariff, each)


# The month's CSV


@pytest.mark.usefixtures("automations_end")
async def test_the_first_of_the_month(
    hass: HomeAssistant,
    wallbox: SimulatedWallbox,
    site: Site,
    freezer: FrozenDateTimeFactory,
    tmp_path: Path,
) -> None:
    """The page's automation tells the CSV on that day alone."""
    await wallbox.disconnect()
    hass.config.config_dir = str(tmp_path)
    await hass.async_add_executor_job(
        shutil.copytree, SCRIPTS, tmp_path / SCRIPTS_FOLDER
    )
    made = {
        "path": f"{SCRIPTS.name}/{MONTHLY_SESSIONS}.yaml",
        "input": {"wallbox": site.device().id},
    }
    config = {
        "automation": [example("alias", "Charging of last month")],
        "script": {MONTHLY_SESSIONS: {"use_blueprint": made}},
    }
    for domain in ("persistent_notification", *config):
        assert await async_setup_component(hass, domain, config)
    told: list[Any] = []

    async def take(call: Any) -> None:
        told.append({"day": dt_util.now().day, **call.data})

    hass.services.async_register("persistent_notification", "create", take)
    for day in (1, 2, 30):
        freezer.move_to(datetime(2026, 11, day, 6, 0, 1, tzinfo=BERLIN))
        async_fire_time_changed(hass, dt_util.utcnow())
        await hass.async_block_till_done()
    (notice,) = told
    assert notice["day"] == 1
    (charged,) = re.findall(r"^Charging 2026-10: (.+) kWh$", notice["title"])
    assert float(charged) == pytest.approx(site.number("energy_session"), abs=0.001)
    head, line, total = notice["message"].splitlines()
    assert head.startswith("Start;End;")
    assert line.startswith("2026-10-31 20:00:00;2026-10-31 20:05:00;0:05:00;")
    assert total.split(";")[3] == line.split(";")[3]
    assert float(total.split(";")[3].replace(",", ".")) == float(charged)


def test_every_example_is_used() -> None:
    assert len(EXAMPLES) == 2
