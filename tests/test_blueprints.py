"""The blueprints, in automations that run."""

from datetime import UTC, datetime
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

from .kit.blueprints import BLUEPRINTS, SOURCE, Automaton, use_blueprint

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
        "charging_notices",
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


# What is refused

WALLBOX = {"status": "sensor.x", "energy": "sensor.y", "session": "event.x"}


@pytest.mark.parametrize(
    ("name", "inputs", "reason"),
    [
        ("charging_notices", {"session": "nothing"}, "nothing"),
        ("battery_alerts", {"status": "no entity"}, "no entity"),
        ("battery_alerts", {"critical_minutes": "soon"}, "soon"),
        ("battery_alerts", {"notify_actions": [{"act": "notify.me"}]}, "act"),
        ("charging_notices", {**WALLBOX, "missing_at": "late"}, "late"),
        ("charging_notices", {**WALLBOX, "status": "nothing"}, "nothing"),
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
