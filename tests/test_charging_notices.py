"""The blueprint of notices about charging, in automations that run."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest
from pytest_homeassistant_custom_component.common import async_mock_service

from .kit.blueprints import Automaton, use_blueprint
from .kit.site import Site

#: A Sunday.
NOON = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)
COST = "sensor.cost"
ASLEEP = "binary_sensor.asleep"
REASON = "sensor.limit_reason"
DONE = "The car is done"
MISSING = "No car is plugged in"
SLEEPS = "The car does not charge"


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


class Notices:
    """The automation, and the wallbox that it looks at."""

    def __init__(self, bench: Automaton, site: Site) -> None:
        self.bench = bench
        self.status_id = site.entity_id("sensor", "status")
        self.energy_id = site.entity_id("sensor", "energy_session")
        self.session_id = site.entity_id("event", "session")

    async def show(self, status: str, *, energy: float | str = 0.0) -> None:
        """Have the wallbox show a status and the energy of its session, kWh."""
        await self.bench.show(self.energy_id, energy, unit_of_measurement="kWh")
        await self.bench.show(self.status_id, status)

    async def charge(self, energy: float, *, status: str = "car_paused") -> None:
        """Have a car charge so much, kWh, and then be in a status."""
        await self.show("charging")
        await self.bench.wait(minutes=1)
        await self.show(status, energy=energy)

    async def end(self, energy: float) -> None:
        """Have the session end."""
        await self.bench.show(
            self.session_id,
            "2026-06-21T14:00:00.000+00:00",
            event_type="ended",
            energy=energy,
            duration=3600,
            reason="ev_disconnected",
        )
        await self.show("available", energy=energy)

    def told(self) -> list[tuple[str, str]]:
        """Give titles and messages since this was asked last."""
        return [
            (data["title"], data["message"])
            for _, data in self.bench.calls("persistent_notification")
        ]


@pytest.fixture
async def site_of_notices(hass: HomeAssistant, site: Site) -> AsyncGenerator[Site]:
    """A site whose automations end with the test."""
    async_mock_service(hass, "persistent_notification", "create")
    yield site
    # One that waits would be waited for.
    await hass.services.async_call(
        "automation", "turn_off", {"entity_id": "all"}, blocking=True
    )


async def make_notices(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, site: Site, **inputs: Any
) -> Notices:
    bench = await use_blueprint(
        hass,
        freezer,
        "charging_notices",
        status=site.entity_id("sensor", "status"),
        energy=site.entity_id("sensor", "energy_session"),
        session=site.entity_id("event", "session"),
        **inputs,
    )
    assert bench.accepted
    notices = Notices(bench, site)
    await notices.show("available")
    notices.told()
    return notices


async def test_a_full_car_is_told_once_a_session(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, site_of_notices: Site
) -> None:
    notices = await make_notices(hass, freezer, site_of_notices)
    await notices.charge(21.44)
    await notices.bench.wait(minutes=4.5)
    assert notices.told() == []
    await notices.bench.wait(minutes=1)
    assert notices.told() == [(DONE, "It has taken 21.4 kWh.")]
    # It warms itself, and is full again; then it is unplugged.
    await notices.charge(21.9)
    await notices.bench.wait(minutes=10)
    await notices.end(21.9)
    assert notices.told() == []
    # The next one is told.
    await notices.charge(5)
    await notices.bench.wait(minutes=6)
    assert notices.told() == [(DONE, "It has taken 5.0 kWh.")]


@pytest.mark.parametrize(
    ("language", "title", "message"),
    [
        ("en", DONE, "It has taken 7.3 kWh for 2.19 €."),
        ("de", "Das Auto ist fertig", "Es hat 7,3 kWh geladen, für 2.19 €."),
        ("pl", "Ładowanie zakończone", "Samochód pobrał 7,3 kWh za 2.19 €."),
        ("pt", "O carro está carregado", "Recebeu 7,3 kWh por 2.19 €."),
    ],
)
async def test_what_it_cost_in_the_language_that_was_chosen(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    site_of_notices: Site,
    language: str,
    title: str,
    message: str,
) -> None:
    hass.states.async_set(COST, "2.19", {"unit_of_measurement": "€"})
    notices = await make_notices(
        hass, freezer, site_of_notices, cost=COST, language=language
    )
    await notices.charge(7.3)
    await notices.bench.wait(minutes=6)
    assert notices.told() == [(title, message)]


@pytest.mark.parametrize("cost", ["unknown", "unavailable"])
async def test_a_cost_that_is_not_known_is_left_out(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    site_of_notices: Site,
    cost: str,
) -> None:
    hass.states.async_set(COST, cost)
    notices = await make_notices(hass, freezer, site_of_notices, cost=COST)
    await notices.charge(7.3)
    await notices.bench.wait(minutes=6)
    assert notices.told() == [(DONE, "It has taken 7.3 kWh.")]


async def test_a_target_that_is_reached(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, site_of_notices: Site
) -> None:
    hass.states.async_set(REASON, "current_limit")
    notices = await make_notices(hass, freezer, site_of_notices, limit_reason=REASON)
    await notices.charge(10, status="paused")
    await notices.bench.show(REASON, "target_reached")
    assert notices.told() == [(DONE, "It has taken 10.0 kWh.")]


@pytest.mark.parametrize(
    ("when", "told"),
    [("ended", [(DONE, "It has taken 8.0 kWh.")]), ("never", []), ("full", [])],
)
async def test_the_end_of_a_session(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    site_of_notices: Site,
    when: str,
    told: list[tuple[str, str]],
) -> None:
    notices = await make_notices(hass, freezer, site_of_notices, tell_finished=when)
    await notices.charge(8)
    await notices.bench.wait(minutes=2)
    await notices.end(8)
    await notices.bench.wait(minutes=10)
    assert notices.told() == told


@pytest.mark.parametrize("energy", [0.0, 0.05, "unknown"])
async def test_a_car_that_took_nothing_is_not_done(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    site_of_notices: Site,
    energy: float | str,
) -> None:
    notices = await make_notices(hass, freezer, site_of_notices)
    await notices.show("connected")
    await notices.show("car_paused", energy=energy)
    await notices.bench.wait(minutes=30, step_s=30)
    assert notices.told() == []


@pytest.mark.parametrize(
    ("status", "inputs", "told"),
    [
        ("available", {}, True),
        ("available", {"missing_days": ["sun"]}, True),
        ("available", {"missing_days": ["mon", "sat"]}, False),
        ("available", {"tell_missing": False}, False),
        ("connected", {}, False),
        ("charging", {}, False),
        # Nobody knows.
        ("disconnected", {}, False),
        ("unavailable", {}, False),
    ],
)
async def test_no_car_by_a_time(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    site_of_notices: Site,
    status: str,
    inputs: dict[str, Any],
    told: bool,
) -> None:
    notices = await make_notices(
        hass,
        freezer,
        site_of_notices,
        **{"tell_missing": True, "missing_at": "12:30:00", **inputs},
    )
    await notices.show(status)
    await notices.bench.wait(minutes=29)
    assert notices.told() == []
    await notices.bench.wait(minutes=2)
    assert [title for title, _ in notices.told()] == ([MISSING] if told else [])


async def test_a_car_that_sleeps_is_told_beside_one_that_was_full(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, site_of_notices: Site
) -> None:
    hass.states.async_set(ASLEEP, "off")
    notices = await make_notices(hass, freezer, site_of_notices, asleep=ASLEEP)
    await notices.bench.show(ASLEEP, "on")
    await notices.bench.wait(minutes=4)
    await notices.bench.show(ASLEEP, "off")
    await notices.bench.wait(minutes=4)
    assert notices.told() == []
    # Its session was told already, and goes on.
    await notices.charge(5)
    await notices.bench.wait(minutes=6)
    assert [title for title, _ in notices.told()] == [DONE]
    await notices.bench.show(ASLEEP, "on")
    await notices.bench.wait(minutes=6)
    assert [title for title, _ in notices.told()] == [SLEEPS]


async def test_any_target_is_told_even_if_another_one_fails(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, site_of_notices: Site
) -> None:
    sent = async_mock_service(hass, "notify", "send_message")
    failing = async_mock_service(
        hass, "notify", "old", raise_exception=HomeAssistantError("no network")
    )
    notices = await make_notices(
        hass,
        freezer,
        site_of_notices,
        notify_entities=["notify.phone"],
        notify_actions=[
            {
                "action": "notify.old",
                "data": {"title": "{{ kind }}", "message": "{{ message }}"},
            },
        ],
    )
    await notices.charge(5)
    await notices.bench.wait(minutes=6)
    assert [call.data["title"] for call in sent] == [DONE]
    assert sent[0].data["entity_id"] == ["notify.phone"]
    assert [call.data["title"] for call in failing] == ["finished"]
