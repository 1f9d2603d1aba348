"""The blueprints, in automations that run."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA
from homeassistant.components.blueprint.models import Blueprint
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util.yaml import load_yaml_dict
import pytest
from pytest_homeassistant_custom_component.common import async_mock_service

from .kit.blueprints import BLUEPRINTS, SOURCE, Automaton, rest, use_blueprint
from .kit.site import Site

NOON = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def _config_folder(
    hass: HomeAssistant, tmp_path: Path, freezer: FrozenDateTimeFactory
) -> None:
    """Have a configuration folder of one's own, at noon in UTC."""
    hass.config.config_dir = str(tmp_path)
    await hass.config.async_set_time_zone("UTC")
    freezer.move_to(NOON)
    # Every step of the frozen clock looks like a slow one.
    hass.loop.slow_callback_duration = 1e9


# What all have


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_they_are_complete(name: str) -> None:
    blueprint = Blueprint(
        load_yaml_dict(str(SOURCE / f"{name}.yaml")),
        expected_domain="automation",
        schema=AUTOMATION_BLUEPRINT_SCHEMA,
    )
    assert blueprint.metadata["source_url"].endswith(f"/{name}.yaml")
    assert blueprint.metadata["homeassistant"] == {"min_version": "2026.10.0"}
    assert blueprint.validate() is None
    for key, field in blueprint.inputs.items():
        assert field["name"], key
        assert field["selector"], key


def test_all_are_there() -> None:
    assert BLUEPRINTS == (
        "battery_alerts",
        "house_load_limiting",
        "off_peak_charging",
        "solar_surplus_charging",
    )


# Battery alerts

STATUS = "sensor.battery_status"
DRAINING = "binary_sensor.battery_draining_fast"
CRITICAL_TITLE = "Battery critical"
DRAINING_TITLE = "Battery draining fast"
RECOVERED_TITLE = "Battery recovered"


@pytest.fixture
def battery(hass: HomeAssistant) -> None:
    """A battery that is well."""
    hass.states.async_set(STATUS, "ok")
    hass.states.async_set(DRAINING, "off")
    hass.states.async_set(
        "sensor.battery_state_of_charge", "14.8", {"unit_of_measurement": "%"}
    )


async def alerts(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, **inputs: Any
) -> Automaton:
    async_mock_service(hass, "persistent_notification", "create")
    automaton = await use_blueprint(hass, freezer, "battery_alerts", **inputs)
    assert automaton.accepted
    return automaton


@pytest.mark.usefixtures("battery")
async def test_critical_is_told_once_and_its_recovery(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    bench = await alerts(hass, freezer)
    await bench.show(STATUS, "low", "critical")
    await bench.wait(seconds=115)
    assert bench.told() == []
    await bench.wait(seconds=10)
    ((_, data),) = bench.calls("persistent_notification")
    assert data["title"] == CRITICAL_TITLE
    # One line: where it breaks is the phone's matter.
    assert data["message"] == (
        "The battery is nearly empty: charge it, or switch off what you can. "
        "sensor.battery_state_of_charge 14.8 %"
    )
    await bench.wait(minutes=90, step_s=30)
    await bench.show(STATUS, "low")
    await bench.wait(minutes=4)
    assert bench.told() == []
    await bench.wait(minutes=2)
    assert bench.told() == [RECOVERED_TITLE]
    await bench.wait(minutes=60, step_s=30)
    assert bench.told() == []
    assert not bench.running


@pytest.mark.usefixtures("battery")
@pytest.mark.parametrize(
    ("language", "title", "message"),
    [
        ("de", "Batterie fast leer", "Die Batterie ist fast leer"),
        ("pl", "Akumulator prawie pusty", "Akumulator jest prawie pusty"),
        ("pt", "Bateria quase vazia", "A bateria está quase vazia"),
    ],
)
async def test_told_in_the_language_that_was_chosen(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    language: str,
    title: str,
    message: str,
) -> None:
    bench = await alerts(hass, freezer, language=language)
    await bench.show(STATUS, "low", "critical")
    await bench.wait(minutes=2, seconds=5)
    ((_, data),) = bench.calls("persistent_notification")
    assert data["title"] == title
    assert data["message"].startswith(message)
    assert data["message"].endswith("14.8 %")


@pytest.mark.usefixtures("battery")
async def test_critical_for_too_short_is_not_told(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    bench = await alerts(hass, freezer)
    for _ in range(5):
        await bench.show(STATUS, "critical")
        await bench.wait(seconds=110)
        await bench.show(STATUS, "unavailable")
        await bench.wait(seconds=10)
    assert bench.told() == []


@pytest.mark.usefixtures("battery")
async def test_the_cooldown(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    bench = await alerts(hass, freezer, recovery=False)
    await bench.show(STATUS, "critical")
    await bench.wait(minutes=3)
    assert bench.told() == [CRITICAL_TITLE]
    await bench.show(STATUS, "low")
    await bench.wait(minutes=10)
    await bench.show(STATUS, "critical")
    await bench.wait(minutes=40, step_s=30)
    assert bench.told() == []
    # It still is when the cooldown is over.
    await bench.wait(minutes=15)
    assert bench.told() == [CRITICAL_TITLE]


@pytest.mark.usefixtures("battery")
async def test_one_alert_does_not_hide_the_other(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    bench = await alerts(hass, freezer)
    await bench.show(DRAINING, "on")
    await bench.wait(minutes=4.5)
    assert bench.told() == []
    await bench.show(STATUS, "critical")
    await bench.wait(minutes=1)
    assert bench.told() == [DRAINING_TITLE]
    await bench.wait(minutes=2)
    assert bench.told() == [CRITICAL_TITLE]
    # It is over when both are.
    await bench.show(DRAINING, "off")
    await bench.wait(minutes=30, step_s=30)
    assert bench.told() == []
    await bench.show(STATUS, "ok")
    await bench.wait(minutes=6)
    assert bench.told() == [RECOVERED_TITLE]


@pytest.mark.parametrize("state", ["unknown", "unavailable"])
@pytest.mark.usefixtures("battery")
async def test_unknown_is_no_recovery(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, state: str
) -> None:
    bench = await alerts(hass, freezer)
    await bench.show(STATUS, "critical")
    await bench.show(DRAINING, "on")
    await bench.wait(minutes=6)
    told = [data for _, data in bench.calls("persistent_notification")]
    assert [data["title"] for data in told] == [CRITICAL_TITLE, DRAINING_TITLE]
    assert not any("\n" in data["message"] for data in told)
    assert "falls fast, and there is no mains. sensor." in told[1]["message"]
    await bench.show(STATUS, state)
    await bench.show(DRAINING, state)
    await bench.wait(minutes=30, step_s=30)
    assert bench.told() == []


@pytest.mark.usefixtures("battery")
async def test_any_target_is_told_even_if_another_one_fails(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    sent = async_mock_service(hass, "notify", "send_message")
    failing = async_mock_service(
        hass, "notify", "old", raise_exception=HomeAssistantError("no network")
    )
    bench = await alerts(
        hass,
        freezer,
        notify_entities=["notify.phone", "notify.tablet"],
        notify_actions=[
            {
                "action": "notify.old",
                "data": {"title": "{{ title }}", "message": "{{ message }}"},
            },
        ],
    )
    await bench.show(STATUS, "critical")
    await bench.wait(minutes=3)
    (call,) = sent
    assert call.data["entity_id"] == ["notify.phone", "notify.tablet"]
    assert call.data["title"] == CRITICAL_TITLE
    assert [call.data["title"] for call in failing] == [CRITICAL_TITLE]
    # And it goes on.
    await bench.show(STATUS, "ok")
    await bench.wait(minutes=6)
    assert [call.data["title"] for call in sent[1:]] == [RECOVERED_TITLE]


# The wallbox: its number and its switch are the integration's own

GRID = "sensor.grid"
HOUSE = "sensor.house"
PRICE = "sensor.price"
TARIFF = "binary_sensor.tariff"
OVERRIDE = "input_boolean.override"
WATT = {"unit_of_measurement": "W"}
AMPERE = {"unit_of_measurement": "A"}
GAPS = ["unknown", "unavailable"]


class Wallbox:
    """The wallbox as its owner sees it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.limit_id = site.entity_id("number", "current_limit")
        self.charging_id = site.entity_id("switch", "charging")
        self.power_id = site.entity_id("sensor", "power")
        self.current_id = site.entity_id("sensor", "current")

    @property
    def inputs(self) -> dict[str, str]:
        """What blueprints ask for."""
        return {"limit": self.limit_id, "charging": self.charging_id}

    @property
    def limit(self) -> float:
        """The limit, A."""
        return float(self.site.state("current_limit", "number"))

    def allowed(self) -> bool:
        """Whether the car may charge."""
        return self.site.state("charging", "switch") == "on"

    async def allow(self, allowed: bool) -> None:
        """Switch by hand."""
        await self.site.hass.services.async_call(
            "switch",
            "turn_on" if allowed else "turn_off",
            {"entity_id": self.charging_id},
            blocking=True,
        )

    async def set_limit(self, limit: float) -> None:
        """Limit by hand."""
        await self.site.hass.services.async_call(
            "number",
            "set_value",
            {"entity_id": self.limit_id, "value": limit},
            blocking=True,
        )


@pytest.fixture
async def wallbox(hass: HomeAssistant, site: Site) -> AsyncGenerator[Wallbox]:
    """A wallbox that may charge with all that it can."""
    box = Wallbox(site)
    assert (box.limit, box.allowed()) == (32, True)
    yield box
    # One that waits would be waited for.
    await hass.services.async_call(
        "automation", "turn_off", {"entity_id": "all"}, blocking=True
    )


# Solar surplus


@dataclass
class Sun:
    """An automation that follows the sun, on three phases: 690 W are 1 A."""

    bench: Automaton
    box: Wallbox
    sign: str = "import"

    async def shine(self, surplus: float, *, car: float = 0) -> None:
        """Leave so much for the car, W, of which it takes some."""
        await self.bench.show(self.box.power_id, car, **WATT)
        grid = {"import": car - surplus, "export": surplus - car}
        await self.bench.show(GRID, grid.get(self.sign, surplus), **WATT)

    async def settle(self, surplus: float, *, car: float = 0) -> tuple[float, bool]:
        """Leave so much, and wait until that has lasted; gives what the box does."""
        await self.shine(surplus, car=car)
        await self.bench.wait(minutes=7)
        return self.box.limit, self.box.allowed()


async def follow_sun(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, box: Wallbox, **inputs: Any
) -> Sun:
    bench = await use_blueprint(
        hass,
        freezer,
        "solar_surplus_charging",
        **box.inputs,
        wallbox_power=box.power_id,
        grid_power=GRID,
        **inputs,
    )
    assert bench.accepted
    return Sun(bench, box, inputs.get("sign", "import"))


@pytest.mark.parametrize("sign", ["import", "export", "without_wallbox"])
async def test_charging_follows_the_sun(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox, sign: str
) -> None:
    sun = await follow_sun(hass, freezer, wallbox, sign=sign)
    # The reserve is 100 W, and 200 W more it takes to go up.
    assert await sun.settle(10 * 690 + 350, car=9000) == (10, True)
    assert await sun.settle(14 * 690 + 310, car=6900) == (14, True)
    assert await sun.settle(14 * 690 + 110, car=6900) == (14, True)
    assert await sun.settle(14 * 690 + 90, car=6900) == (13, True)
    assert await sun.settle(100_000, car=6900) == (32, True)
    assert await sun.settle(6 * 690 + 110, car=6900) == (6, True)
    assert await sun.settle(6 * 690 + 90, car=4100) == (6, False)
    assert await sun.settle(6 * 690 + 290) == (6, False)
    assert await sun.settle(6 * 690 + 310) == (6, True)
    assert await sun.settle(6 * 690 + 110, car=4100) == (6, True)


async def test_the_sun_on_one_phase_in_kilowatts(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox
) -> None:
    sun = await follow_sun(hass, freezer, wallbox, phases="1", sign="export")
    await sun.bench.show(wallbox.power_id, 1.0, unit_of_measurement="kW")
    await sun.bench.show(GRID, 1.0, unit_of_measurement="kW")
    await sun.bench.wait(minutes=1)
    assert wallbox.limit == 8


async def test_a_cloud_and_a_gleam_are_too_short(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox
) -> None:
    sun = await follow_sun(hass, freezer, wallbox)
    assert await sun.settle(7500, car=6900) == (10, True)
    await sun.shine(0, car=6900)
    await sun.bench.wait(seconds=10)
    # At once the least, in case that it passes.
    assert (wallbox.limit, wallbox.allowed()) == (6, True)
    await sun.bench.wait(minutes=4)
    assert wallbox.allowed()
    assert await sun.settle(7500, car=4000) == (10, True)
    assert await sun.settle(0, car=4000) == (6, False)
    await sun.shine(7500)
    await sun.bench.wait(minutes=4)
    assert not wallbox.allowed()
    await sun.shine(1000)
    await sun.bench.wait(minutes=4)
    await sun.shine(7500)
    await sun.bench.wait(minutes=4)
    assert not wallbox.allowed()
    await sun.bench.wait(minutes=2)
    assert (wallbox.limit, wallbox.allowed()) == (10, True)


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("sign", ["import", "export", "without_wallbox"])
async def test_an_unknown_sun_does_not_shine(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    wallbox: Wallbox,
    gap: str,
    sign: str,
) -> None:
    sun = await follow_sun(hass, freezer, wallbox, sign=sign, reserve=-5000)
    assert await sun.settle(2500, car=6900) == (10, True)
    await sun.bench.show(GRID, gap)
    await sun.bench.wait(seconds=10)
    assert (wallbox.limit, wallbox.allowed()) == (6, True)
    await sun.bench.wait(minutes=6)
    assert not wallbox.allowed()
    await sun.bench.wait(minutes=20, step_s=10)
    assert not wallbox.allowed()


@pytest.mark.parametrize("gap", GAPS)
async def test_an_unknown_car_counts_as_nothing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox, gap: str
) -> None:
    sun = await follow_sun(hass, freezer, wallbox)
    assert await sun.settle(9000, car=4000) == (12, True)
    await sun.bench.show(wallbox.power_id, gap)
    await sun.bench.wait(minutes=1)
    assert wallbox.limit == 7


async def test_the_override_leaves_the_wallbox_to_its_owner(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox
) -> None:
    hass.states.async_set(OVERRIDE, "on")
    sun = await follow_sun(hass, freezer, wallbox, override=OVERRIDE)
    assert await sun.settle(0) == (32, True)
    await sun.bench.show(OVERRIDE, "off")
    assert await sun.settle(0) == (6, False)


async def test_what_does_not_change_is_not_said_again(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox
) -> None:
    sun = await follow_sun(hass, freezer, wallbox)
    await sun.settle(7500, car=6900)
    assert len(sun.bench.calls("number", "switch")) == 1
    for surplus in (7600, 7400, 7350, 7500):
        await sun.shine(surplus, car=6900)
        await sun.bench.wait(minutes=1)
    assert sun.bench.calls("number", "switch") == []


# Off-peak


async def off_peak(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, box: Wallbox, **inputs: Any
) -> Automaton:
    bench = await use_blueprint(
        hass, freezer, "off_peak_charging", charging=box.charging_id, **inputs
    )
    assert bench.accepted
    return bench


async def until(
    bench: Automaton, freezer: FrozenDateTimeFactory, hour: int, minute: int = 0
) -> None:
    """Go straight to a time of the day: today, else tomorrow."""
    now = datetime.now(UTC)
    then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if then <= now:
        then += timedelta(days=1)
    freezer.move_to(then)
    await bench.wait(seconds=1)


@pytest.mark.parametrize(
    ("begin", "end", "allowed"),
    [
        ("22:00:00", "06:00:00", [(21, False), (22, True), (5, True), (6, False)]),
        ("13:30:00", "15:00:00", [(13, False), (14, True), (15, False)]),
        ("14:00:00", "14:00:00", [(14, False), (15, False), (13, False)]),
    ],
)
async def test_charging_between_two_times(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    wallbox: Wallbox,
    begin: str,
    end: str,
    allowed: list[tuple[int, bool]],
) -> None:
    await wallbox.allow(False)
    bench = await off_peak(hass, freezer, wallbox, begin=begin, end=end)
    seen = []
    for hour, _ in allowed:
        while datetime.now(UTC).hour != hour:
            await bench.wait(minutes=30, step_s=1800)
        seen.append((hour, wallbox.allowed()))
    assert seen == allowed


async def test_what_its_owner_does_stands_until_the_next_change(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox
) -> None:
    bench = await off_peak(hass, freezer, wallbox)
    await bench.wait(minutes=30, step_s=30)
    assert wallbox.allowed()
    await until(bench, freezer, 22)
    await wallbox.allow(False)
    await bench.wait(minutes=90, step_s=30)
    assert not wallbox.allowed()
    await until(bench, freezer, 6)
    await wallbox.allow(True)
    await bench.wait(minutes=90, step_s=30)
    assert wallbox.allowed()


@pytest.mark.parametrize(
    ("by", "entity_id", "dear", "cheap"),
    [
        ({"cheap_by": "price", "price": PRICE}, PRICE, "0.21", "0.2"),
        ({"cheap_by": "price", "price": PRICE, "threshold": 0}, PRICE, "1", "-3.5"),
        ({"cheap_by": "entity", "cheap_entity": TARIFF}, TARIFF, "off", "on"),
    ],
)
async def test_charging_while_it_is_cheap(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    wallbox: Wallbox,
    by: dict[str, Any],
    entity_id: str,
    dear: str,
    cheap: str,
) -> None:
    hass.states.async_set(entity_id, "unknown")
    bench = await off_peak(hass, freezer, wallbox, **by)
    await bench.show(entity_id, dear)
    assert not wallbox.allowed()
    await bench.show(entity_id, cheap)
    assert wallbox.allowed()
    # Times are not what counts.
    for hour in (22, 6):
        await until(bench, freezer, hour)
        assert wallbox.allowed()
    bench.calls()
    # A gap that is too short is none, and does not undo what its owner did.
    await wallbox.allow(False)
    await bench.show(entity_id, "unavailable")
    await bench.wait(minutes=4)
    await bench.show(entity_id, cheap)
    assert not wallbox.allowed()
    await wallbox.allow(True)
    await bench.show(entity_id, "unknown")
    await bench.wait(minutes=4)
    assert wallbox.allowed()
    # One that lasts is not cheap.
    await bench.wait(minutes=1)
    assert not wallbox.allowed()
    await bench.show(entity_id, cheap)
    assert wallbox.allowed()
    await bench.show(entity_id, "unknown", dear)
    assert not wallbox.allowed()


async def test_the_same_verdict_again_changes_nothing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox
) -> None:
    hass.states.async_set(PRICE, "0.1")
    bench = await off_peak(hass, freezer, wallbox, cheap_by="price", price=PRICE)
    await wallbox.allow(False)
    await bench.show(PRICE, 0.12, 0.15, 0.2)
    assert not wallbox.allowed()
    await bench.show(PRICE, 0.3)
    await wallbox.allow(True)
    await bench.show(PRICE, 0.4, 0.5)
    assert wallbox.allowed()


async def test_the_override_charges_at_any_time(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox
) -> None:
    hass.states.async_set(OVERRIDE, "off")
    bench = await off_peak(hass, freezer, wallbox, override=OVERRIDE)
    await wallbox.allow(False)
    await bench.show(OVERRIDE, "on")
    assert wallbox.allowed()
    await until(bench, freezer, 22)
    await until(bench, freezer, 6)
    assert wallbox.allowed()
    await bench.show(OVERRIDE, "off")
    assert not wallbox.allowed()
    # Ending it while it is cheap changes nothing, nor does it vanish into charging.
    await until(bench, freezer, 22)
    await bench.show(OVERRIDE, "on")
    await wallbox.allow(False)
    await bench.show(OVERRIDE, "off")
    assert not wallbox.allowed()
    await until(bench, freezer, 6)
    await bench.show(OVERRIDE, "on", "unavailable")
    assert not wallbox.allowed()


@pytest.mark.parametrize(
    ("state", "allowed"), [("on", True), ("off", False), ("unavailable", False)]
)
async def test_what_was_missed_is_made_up_for(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    wallbox: Wallbox,
    state: str,
    allowed: bool,
) -> None:
    hass.states.async_set(TARIFF, state)
    await wallbox.allow(not allowed)
    bench = await off_peak(
        hass, freezer, wallbox, cheap_by="entity", cheap_entity=TARIFF
    )
    hass.bus.async_fire("automation_reloaded")
    await rest()
    assert wallbox.allowed() is allowed
    assert len(bench.calls("switch")) == 1


# House load


class House:
    """A house with a car that takes what it is allowed, up to what it can."""

    def __init__(self, bench: Automaton, box: Wallbox) -> None:
        self.bench = bench
        self.box = box
        self.others = 5.0
        self.car = 32.0
        self.highest = 0.0
        """The highest load that was ever seen after the wallbox had its turn."""

    async def live(
        self, others: float | None = None, *, minutes: float = 0, seconds: float = 1
    ) -> None:
        """Let time pass, with something else switched on."""
        if others is not None:
            self.others = others
        left = minutes * 60 or seconds
        while left > 0:
            taken = min(self.box.limit, self.car) if self.box.allowed() else 0.0
            await self.bench.show(self.box.current_id, taken, **AMPERE)
            await self.bench.show(HOUSE, self.others + taken, **AMPERE)
            taken = min(self.box.limit, self.car) if self.box.allowed() else 0.0
            self.highest = max(self.highest, self.others + taken)
            await self.bench.wait(seconds=min(left, 10))
            left -= 10


async def limit_load(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, box: Wallbox, **inputs: Any
) -> House:
    async_mock_service(hass, "persistent_notification", "create")
    hass.states.async_set(HOUSE, "5", AMPERE)
    bench = await use_blueprint(
        hass,
        freezer,
        "house_load_limiting",
        **{
            **box.inputs,
            "wallbox_current": box.current_id,
            "house": [HOUSE],
            **inputs,
        },
    )
    assert bench.accepted
    return House(bench, box)


async def test_the_limit_falls_at_once_and_rises_slowly(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox
) -> None:
    house = await limit_load(hass, freezer, wallbox)
    # 25 A, and a margin of 2 A.
    await house.live(5)
    assert wallbox.limit == 18
    await house.live(13.5)
    assert wallbox.limit == 9
    await house.live(5, seconds=50)
    assert wallbox.limit == 9
    await house.live(seconds=30)
    assert wallbox.limit == 11
    await house.live(minutes=10)
    # In full steps only.
    assert wallbox.limit == 17
    assert house.highest <= 23
    assert wallbox.allowed()
    assert house.bench.told() == []


async def test_a_load_that_comes_and_goes_keeps_the_limit_low(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox
) -> None:
    house = await limit_load(hass, freezer, wallbox)
    for _ in range(5):
        await house.live(13, seconds=10)
        await house.live(5, seconds=40)
        assert wallbox.limit == 10
    assert house.highest <= 23


async def test_charging_pauses_below_the_least_and_goes_on(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox
) -> None:
    house = await limit_load(hass, freezer, wallbox)
    await house.live(18)
    assert not wallbox.allowed()
    assert wallbox.limit == 6
    await house.live(minutes=10)
    # Room for 6 A is not enough.
    await house.live(16, minutes=10)
    assert not wallbox.allowed()
    await house.live(14, minutes=4)
    assert not wallbox.allowed()
    await house.live(minutes=2)
    assert wallbox.allowed()
    await house.live(minutes=5)
    assert wallbox.limit == 8
    assert house.highest <= 23


async def test_a_pause_of_its_owner_stands(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox
) -> None:
    house = await limit_load(hass, freezer, wallbox)
    await wallbox.allow(False)
    await house.live(20, minutes=2)
    await house.live(0, minutes=10)
    assert not wallbox.allowed()
    assert wallbox.limit == 32


async def test_it_does_not_go_on_where_that_is_not_wanted(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox
) -> None:
    house = await limit_load(hass, freezer, wallbox, resume=False)
    await house.live(20)
    await house.live(0, minutes=10)
    assert not wallbox.allowed()


async def test_its_owner_may_not_overload_the_house(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox
) -> None:
    house = await limit_load(hass, freezer, wallbox)
    await house.live(10, minutes=1)
    await wallbox.set_limit(32)
    await house.live()
    assert wallbox.limit == 13
    await house.live(20)
    assert not wallbox.allowed()
    await wallbox.allow(True)
    await house.live(seconds=10)
    assert not wallbox.allowed()


async def test_it_rises_no_further_than_it_may(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox
) -> None:
    house = await limit_load(hass, freezer, wallbox, breaker=63, target_current=15)
    await wallbox.set_limit(10)
    await house.live(0, minutes=6)
    assert wallbox.limit == 15


@pytest.mark.parametrize("state", [*GAPS, "nonsense"])
async def test_an_unknown_load_is_safe_and_told(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox, state: str
) -> None:
    house = await limit_load(hass, freezer, wallbox)
    await house.live(minutes=1)
    await house.bench.show(HOUSE, state)
    assert (wallbox.limit, wallbox.allowed()) == (6, True)
    assert house.bench.told() == []
    await house.bench.wait(seconds=40)
    assert house.bench.told() == ["House load unknown"]
    # Also when somebody asks for more meanwhile.
    await wallbox.set_limit(32)
    await rest()
    assert wallbox.limit == 6
    await house.bench.wait(minutes=30, step_s=10)
    assert house.bench.told() == []
    await house.live()
    assert house.bench.told() == ["House load known again"]
    assert wallbox.limit == 6
    await house.live(minutes=10)
    assert wallbox.limit == 18
    assert house.bench.told() == []


async def test_a_sensor_that_stands_still_is_unknown(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox
) -> None:
    house = await limit_load(hass, freezer, wallbox)
    await house.live(minutes=1)
    await house.bench.wait(minutes=9)
    assert wallbox.limit == 18
    await house.bench.wait(minutes=2)
    assert wallbox.limit == 6
    assert house.bench.told() == ["House load unknown"]


@pytest.mark.parametrize(
    ("states", "inputs", "limit"),
    [
        ({HOUSE: ("7.36", "kW")}, {}, 14),
        ({HOUSE: ("7360", "W")}, {}, 14),
        ({HOUSE: ("22080", "W")}, {"sensor_phases": "3"}, 14),
        ({HOUSE: ("9", "A"), "sensor.l2": ("33", "A")}, {}, 13),
        ({HOUSE: ("26", "V")}, {}, 6),
        ({HOUSE: ("20", "A"), "sensor.l2": ("unavailable", "A")}, {}, 6),
    ],
)
async def test_what_a_house_may_be_measured_with(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    wallbox: Wallbox,
    states: dict[str, tuple[str, str]],
    inputs: dict[str, str],
    limit: float,
) -> None:
    for entity_id, (state, unit) in states.items():
        hass.states.async_set(entity_id, state, {"unit_of_measurement": unit})
    house = await limit_load(
        hass,
        freezer,
        wallbox,
        house=list(states),
        breaker=30,
        margin=0,
        **inputs,
    )
    await house.bench.show(wallbox.current_id, 16, **AMPERE)
    state, unit = states[HOUSE]
    await house.bench.show(HOUSE, state, unit_of_measurement=unit)
    assert wallbox.limit == limit


async def test_an_unknown_wallbox_counts_as_nothing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wallbox: Wallbox
) -> None:
    house = await limit_load(hass, freezer, wallbox)
    await house.live(minutes=1)
    await house.bench.show(wallbox.current_id, "unavailable")
    await house.bench.show(HOUSE, "24", **AMPERE)
    assert not wallbox.allowed()


# What is refused


@pytest.mark.parametrize(
    ("name", "inputs", "reason"),
    [
        ("solar_surplus_charging", {}, "Missing input"),
        ("off_peak_charging", {}, "Missing input charging"),
        ("house_load_limiting", {"limit": "number.x"}, "Missing input"),
        ("battery_alerts", {"status": "no entity"}, "no entity"),
        ("battery_alerts", {"critical_minutes": "soon"}, "soon"),
        ("battery_alerts", {"notify_actions": [{"act": "notify.me"}]}, "act"),
        ("off_peak_charging", {"charging": "switch.x", "begin": "late"}, "late"),
        ("off_peak_charging", {"charging": "nothing"}, "nothing"),
    ],
)
async def test_inputs_that_are_refused(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    name: str,
    inputs: dict[str, Any],
    reason: str,
) -> None:
    bench = await use_blueprint(hass, freezer, name, **inputs)
    assert not bench.accepted
    assert reason in caplog.text
