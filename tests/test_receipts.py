"""What a session cost, from meter and prices to action, calendar and diagnostics."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest

from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.diagnostics import (
    async_get_config_entry_diagnostics,
)
from simulators.wallbox import DELTA, Car, SimulatedWallbox

from .kit.site import MakeWallbox, Site, get_sessions, reload, settle
from .kit.time import later

CARD = "04A1B2C3"
NAME = "Anna Maria"
#: It draws 2,300 W.
CAR = Car(phases=1, max_current_a=10)


@pytest.fixture
def wallbox_data() -> dict[str, Any]:
    """Two cards; of one its owner wrote down the name."""
    return {
        "charge_point_id": "DE*BMW*E1234567890ABCDEF",
        "max_current": 32,
        "allowed_tokens": ["04:a1:b2:c3 = Anna Maria", "04D4E5F6"],
    }


@pytest.fixture
async def wallbox(
    hass: HomeAssistant,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> SimulatedWallbox:
    """A wallbox that asks for cards, where grid and prices are known."""
    hass.loop.slow_callback_duration = 1e9
    freezer.move_to(datetime(2026, 11, 29, 17, 30, tzinfo=UTC))
    hass.config.currency = "EUR"
    hass.config_entries.async_update_entry(
        site.entry,
        options={
            "grid_power": "sensor.grid",
            "fixed_price": 0.4,
            "feed_in_price": 0.1,
        },
    )
    await hass.async_block_till_done()
    result = make_wallbox(replace(DELTA, auth_enabled=True), register_wh=1_000_000)
    await result.connect()
    await settle(hass, result)
    return result


async def charge(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    wallbox: SimulatedWallbox,
    *imports_w: float | None,
    token: str = CARD,
) -> float:
    """Charge for five minutes at each of these imports; return the energy, in kWh."""
    before = wallbox.charger.register_wh
    await wallbox.start(token, CAR)
    await settle(hass, wallbox)
    for import_w in imports_w:
        for _ in range(30):
            hass.states.async_set(
                "sensor.grid",
                "unknown" if import_w is None else str(import_w),
                {"unit_of_measurement": "W"},
                force_update=True,
            )
            await later(hass, freezer, 10, wallbox)
    await wallbox.unplug()
    await settle(hass, wallbox)
    return (wallbox.charger.register_wh - before) / 1000


async def test_sun_and_grid(
    hass: HomeAssistant,
    site: Site,
    wallbox: SimulatedWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A half with sun alone, a half with half of it: three quarters are sun."""
    energy = await charge(hass, freezer, wallbox, -3000, 1150)
    (session,) = await get_sessions(hass, site)
    assert session["energy"] == pytest.approx(energy, abs=0.001)
    assert session["solar_share"] == pytest.approx(75, abs=2.5)
    sun = energy * session["solar_share"] / 100
    cost = sun * 0.1 + (energy - sun) * 0.4
    assert session["cost"] == pytest.approx(cost, abs=0.01)
    assert "unpriced" not in session
    assert (session["id_token"], session["card"]) == (CARD, NAME)
    # It is stored with its session.
    await reload(hass, site)
    assert await get_sessions(hass, site) == [session]


async def test_what_is_not_known(
    hass: HomeAssistant,
    site: Site,
    wallbox: SimulatedWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Without a meter no share; without a price no cost; a card without a name."""
    energy = await charge(hass, freezer, wallbox, None, token="04d4e5f6")
    (session,) = await get_sessions(hass, site)
    assert session["solar_share"] is None
    assert session["cost"] == pytest.approx(energy * 0.4, abs=0.01)
    assert (session["id_token"], session["card"]) == ("04d4e5f6", None)
    hass.config_entries.async_update_entry(site.entry, options={})
    await hass.async_block_till_done()
    energy = await charge(hass, freezer, wallbox, None)
    _, session = await get_sessions(hass, site)
    assert session["energy"] == pytest.approx(energy, abs=0.001)
    assert (session["cost"], session["solar_share"]) == (None, None)


async def test_what_comes_late(
    hass: HomeAssistant,
    site: Site,
    wallbox: SimulatedWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A session that ended in an outage has its energy and cost once it is told."""
    await wallbox.start(CARD, CAR)
    await later(hass, freezer, 60, wallbox)
    begun = wallbox.charger.register_wh
    await wallbox.disconnect()
    await site.until("status", "disconnected")
    for _ in range(6):
        freezer.tick(300)
        await wallbox.tick(300)
    await wallbox.unplug()
    assert wallbox.charger.register_wh > begun + 1000
    freezer.tick(7200)
    await wallbox.connect(boot=False)
    await settle(hass, wallbox)
    await later(hass, freezer, 10, wallbox)
    (session,) = await get_sessions(hass, site)
    assert session["energy"] == pytest.approx(
        (wallbox.charger.register_wh - 1_000_000) / 1000, abs=0.002
    )
    assert session["cost"] == pytest.approx(session["energy"] * 0.4, abs=0.01)


@pytest.mark.parametrize(
    ("language", "words", "point"),
    [
        ("en", ("Cost: ", "From the sun: 0 %", "Card: "), "."),
        ("de", ("Kosten: ", "Aus der Sonne: 0 %", "Karte: "), ","),
        ("pl", ("Koszt: ", "Ze słońca: 0 %", "Karta: "), ","),
        ("pt", ("Custo: ", "Do sol: 0 %", "Cartão: "), ","),
    ],
)
async def test_calendar(
    hass: HomeAssistant,
    site: Site,
    wallbox: SimulatedWallbox,
    freezer: FrozenDateTimeFactory,
    language: str,
    words: tuple[str, str, str],
    point: str,
) -> None:
    """A session says what it cost, what was sun, and whose card it was."""
    hass.config.language = language
    await charge(hass, freezer, wallbox, 20_000)
    (session,) = await get_sessions(hass, site)
    entity_id = site.entity_id("calendar", "sessions")
    now = dt_util.utcnow()
    response: Any = await hass.services.async_call(
        "calendar",
        "get_events",
        {
            "entity_id": entity_id,
            "start_date_time": (now - timedelta(hours=1)).isoformat(),
            "end_date_time": now.isoformat(),
        },
        blocking=True,
        return_response=True,
    )
    (event,) = response[entity_id]["events"]
    cost, sun, card = words
    said = f"{session['cost']:.2f}".replace(".", point)
    assert event["description"].splitlines()[1:4] == [
        f"{cost}{said} EUR",
        sun,
        f"{card}{NAME}",
    ]


async def test_names_stay_private(
    hass: HomeAssistant,
    site: Site,
    wallbox: SimulatedWallbox,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither a log nor diagnostics nor a state has a name, or the ID of its card."""
    caplog.clear()
    await charge(hass, freezer, wallbox, 1000)
    content = await async_get_config_entry_diagnostics(hass, site.entry)
    text = json.dumps(content, default=str).casefold()
    (about,) = content["wallboxes"]
    assert about["state"]["transaction"]["receipt"]["energy_wh"] > 0
    assert about["settings"]["allowed_tokens"] == 2
    states = [state for state in hass.states.async_all() if state.domain != "calendar"]
    shown = json.dumps([state.as_dict() for state in states], default=str).casefold()
    records = [item for item in caplog.records if DOMAIN in item.name]
    log = " ".join(item.getMessage() for item in records).casefold()
    for secret in (NAME, "Anna", "04:a1:b2:c3"):
        assert secret.casefold() not in text
        assert secret.casefold() not in log
        assert secret.casefold() not in shown
    assert CARD.casefold() not in text
    assert CARD.casefold() not in log
