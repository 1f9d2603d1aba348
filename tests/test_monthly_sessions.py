"""The script that makes a month's CSV, of sessions that a wallbox really charged."""

from collections.abc import Callable, Coroutine
import csv
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import io
import itertools
import json
from pathlib import Path
import shutil
from typing import Any, Final
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.blueprint import BLUEPRINT_SCHEMA
from homeassistant.components.blueprint.models import Blueprint
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_mock_service,
)

from custom_components.bmw_wallbox_victron.charging.receipt import Receipt
from custom_components.bmw_wallbox_victron.storage import SessionStore
from custom_components.bmw_wallbox_victron.wallbox.sessions import Session
from simulators.wallbox import DELTA, Car, SimulatedWallbox

from .kit.blueprints import MONTHLY_SESSIONS, SCRIPTS, SCRIPTS_FOLDER
from .kit.site import Site, get_sessions, settle, subentry_id
from .kit.time import later, until

type MakeWallbox = Callable[..., SimulatedWallbox]
#: Runs the script made with some inputs; gives its response.
type Run = Callable[..., Coroutine[Any, Any, Any]]

BERLIN: Final = ZoneInfo("Europe/Berlin")
HEAD: Final = ["Start", "End", "Duration", "Energy (kWh)", "Card"]
COSTS: Final = ["Price of 1 kWh", "Cost"]


@pytest.fixture(autouse=True)
async def _berlin(
    hass: HomeAssistant, tmp_path: Path, freezer: FrozenDateTimeFactory
) -> None:
    """Have a configuration folder of one's own, in Berlin in autumn."""
    hass.config.config_dir = str(tmp_path)
    await hass.config.async_set_time_zone("Europe/Berlin")
    freezer.move_to(datetime(2026, 10, 20, 12, tzinfo=BERLIN))
    # Every step of the frozen clock looks like a slow one.
    hass.loop.slow_callback_duration = 1e9
    await hass.async_add_executor_job(
        shutil.copytree, SCRIPTS, tmp_path / SCRIPTS_FOLDER
    )


@pytest.fixture
def run(hass: HomeAssistant, site: Site) -> Run:
    """Make a script from the blueprint, and run it as an automation does."""

    async def make_and_run(month: object = None, **inputs: Any) -> Any:
        inputs = {"wallbox": site.device().id} | inputs
        path = f"{SCRIPTS.name}/{MONTHLY_SESSIONS}.yaml"
        config = {
            "script": {
                MONTHLY_SESSIONS: {"use_blueprint": {"path": path, "input": inputs}}
            }
        }
        # What is JSON is YAML.
        await hass.async_add_executor_job(
            Path(hass.config.path("configuration.yaml")).write_text, json.dumps(config)
        )
        assert await async_setup_component(hass, "script", {})
        await hass.services.async_call("script", "reload", blocking=True)
        return await hass.services.async_call(
            "script",
            MONTHLY_SESSIONS,
            {} if month is None else {"month": month},
            blocking=True,
            return_response=True,
        )

    return make_and_run


def rows(text: str, between: str = ";") -> list[list[str]]:
    """Read a CSV as a spreadsheet does."""
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=between))


async def store(hass: HomeAssistant, site: Site, *sessions: Session) -> None:
    """Start again with these sessions."""
    await hass.config_entries.async_unload(site.entry.entry_id)
    sessions_store = SessionStore(hass, site.entry.entry_id)
    sessions_store.async_keep({subentry_id(site.entry): sessions})
    await sessions_store.async_save()
    assert await hass.config_entries.async_setup(site.entry.entry_id)
    await hass.async_block_till_done()


def session(
    end: datetime,
    *,
    energy_wh: float = 1000,
    id_token: str | None = None,
    lasted: timedelta = timedelta(hours=1),
) -> Session:
    """Make a session that ended then."""
    end = end.astimezone(UTC)
    return Session(
        transaction_id=f"{end.isoformat()} {id_token}",
        start=end - lasted,
        end=end,
        energy_wh=energy_wh,
        id_token=id_token,
        stop_reason="ev_disconnected",
    )


# The blueprint


def test_it_is_complete() -> None:
    blueprint = Blueprint(
        load_yaml_dict(str(SCRIPTS / f"{MONTHLY_SESSIONS}.yaml")),
        expected_domain="script",
        schema=BLUEPRINT_SCHEMA,
    )
    assert blueprint.metadata["source_url"].endswith(
        f"{SCRIPTS_FOLDER}/{MONTHLY_SESSIONS}.yaml"
    )
    assert blueprint.metadata["homeassistant"] == {"min_version": "2026.10.0"}
    assert blueprint.validate() is None
    for key, field in blueprint.inputs.items():
        assert field["name"], key
        assert field["selector"], key


# Real sessions


async def test_a_month_of_charging(
    hass: HomeAssistant,
    site: Site,
    run: Run,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Each session is in one month, with its local times, also where clocks change."""
    wallbox = make_wallbox(replace(DELTA, auth_enabled=True), register_wh=1_000_000)
    await wallbox.connect()
    await settle(hass, wallbox)
    counted: list[float] = []

    async def at(moment: str) -> None:
        await until(hass, freezer, datetime.fromisoformat(moment), wallbox)

    async def charge(token: str, start: str, end: str) -> None:
        await at(start)
        before = wallbox.charger.register_wh
        await wallbox.start(token, Car(max_current_a=10))
        await at(end)
        await wallbox.unplug()
        await settle(hass, wallbox)
        counted.append(wallbox.charger.register_wh - before)

    # 30 minutes of real time: at three the clocks go back to two.
    await charge("04A1B2C3", "2026-10-25T02:45:00+02:00", "2026-10-25T02:15:00+01:00")
    await charge("04D4E5F6", "2026-10-31T23:30:00+01:00", "2026-10-31T23:59:00+01:00")
    # In UTC this one still is October's.
    await charge("04a1b2c3", "2026-10-31T23:59:30+01:00", "2026-11-01T00:30:00+01:00")
    # This one is in no month yet.
    await at("2026-11-01T06:00:00+01:00")
    await wallbox.start("04A1B2C3", Car())
    await later(hass, freezer, 60, wallbox)
    assert all(wh > 1000 for wh in counted)
    energy = [item["energy"] for item in await get_sessions(hass, site)]
    assert energy == [pytest.approx(wh / 1000, abs=0.002) for wh in counted]
    said = [f"{kwh:.3f}".replace(".", ",") for kwh in energy]

    october = await run()
    assert october["csv"].splitlines() == [
        "Start;End;Duration;Energy (kWh);Card",
        f"2026-10-25 02:45:00;2026-10-25 02:15:00;0:30:00;{said[0]};****B2C3",
        f"2026-10-31 23:30:00;2026-10-31 23:59:00;0:29:00;{said[1]};****E5F6",
        f"Total;;0:59:00;{energy[0] + energy[1]:.3f};".replace(".", ","),
    ]
    assert (october["month"], october["sessions"]) == ("2026-10", 2)
    assert october["energy"] == pytest.approx(energy[0] + energy[1], abs=1e-6)
    assert october["cost"] is None
    assert (await run("2026-10"))["csv"] == october["csv"]

    november = await run("2026-11")
    assert rows(november["csv"])[1:-1] == [
        ["2026-10-31 23:59:30", "2026-11-01 00:30:00", "0:30:30", said[2], "****b2c3"]
    ]
    # One card, however it is written.
    (line,) = rows((await run(card=" 04A1b2C3", whole_card=True))["csv"])[1:-1]
    assert line[3:] == [said[0], "04A1B2C3"]
    assert (await run("2026-11", card="04A1B2C3"))["csv"] == november["csv"]
    # The wallbox need not be there.
    await wallbox.disconnect()
    assert (await run())["csv"] == october["csv"]


# Months


@pytest.mark.parametrize(
    ("now", "month"),
    [
        ("2026-11-01T00:00:00+01:00", "2026-10"),
        # In UTC it still is February, or last year.
        ("2027-03-01T00:30:00+01:00", "2027-02"),
        ("2027-01-01T00:30:00+01:00", "2026-12"),
        ("2027-03-31T23:30:00+02:00", "2027-02"),
        ("2028-03-31T12:00:00+02:00", "2028-02"),
    ],
)
async def test_the_month_before_this_one(
    hass: HomeAssistant, run: Run, freezer: FrozenDateTimeFactory, now: str, month: str
) -> None:
    freezer.move_to(datetime.fromisoformat(now))
    assert (await run())["month"] == month
    assert (await run(""))["month"] == month


async def test_each_session_is_in_one_month(
    hass: HomeAssistant, site: Site, run: Run
) -> None:
    """At each hour around the ends of months, and by the time zone there is."""
    ends = [
        datetime(year, month, 1, tzinfo=BERLIN) + timedelta(hours=hours)
        for year, month in ((2026, 10), (2026, 11), (2027, 1), (2027, 4))
        for hours in range(-13, 14)
    ]
    await store(hass, site, *(session(end) for end in ends))
    months = [f"2026-{n:02}" for n in (9, 10, 11, 12)] + [
        f"2027-{n:02}" for n in (1, 2, 3, 4)
    ]
    for zone in ("Europe/Berlin", "Europe/Lisbon", "America/Los_Angeles"):
        await hass.config.async_set_time_zone(zone)
        listed = []
        for month in months:
            lines = rows((await run(month))["csv"])[1:-1]
            assert all(line[1].startswith(month) for line in lines)
            listed += [line[1] for line in lines]
        local = [end.astimezone(ZoneInfo(zone)) for end in ends]
        assert listed == [f"{end:%Y-%m-%d %H:%M:%S}" for end in local]


async def test_an_empty_month(run: Run) -> None:
    result = await run("2026-02", price=0.3)
    assert rows(result["csv"]) == [
        [*HEAD, *COSTS],
        ["Total", "", "0:00:00", "0,000", "", "", "0,00"],
    ]
    assert {key: result[key] for key in ("sessions", "energy", "cost")} == {
        "sessions": 0,
        "energy": 0,
        "cost": 0,
    }


@pytest.mark.parametrize("month", ["2026-13", "October", "2026-10-01", 202610])
async def test_what_is_no_month(run: Run, month: object) -> None:
    """The caller is told how to write it, in a sentence, and not with a template."""
    with pytest.raises(HomeAssistantError) as info:
        await run(month)
    said = str(info.value)
    assert said == f"TemplateNotFound: Write the month like 2026-10, not {month}."


async def test_a_wallbox_that_is_gone(
    hass: HomeAssistant, site: Site, run: Run
) -> None:
    """The action's own error is shown, and not an empty month."""
    with pytest.raises(ServiceValidationError) as info:
        await run(wallbox="0123456789abcdef0123456789abcdef")
    assert info.value.translation_key == "no_such_wallbox"


# Columns


async def test_what_it_cost(hass: HomeAssistant, site: Site, run: Run) -> None:
    """Each line is rounded half up, and the total is the sum of the lines."""
    end = datetime(2026, 9, 10, 12, tzinfo=BERLIN)
    await store(
        hass,
        site,
        *(
            session(end + timedelta(days=number), energy_wh=wh)
            for number, wh in enumerate((50, 150, 12_345.678, 33_333))
        ),
    )
    result = await run(price=0.3)
    assert rows(result["csv"]) == [
        [*HEAD, *COSTS],
        # 1.5, 4.5, 370.38 and 999.99 hundredths.
        *(
            [*line[:5], "0,3000", cost]
            for line, cost in zip(
                rows((await run())["csv"])[1:-1],
                ("0,02", "0,05", "3,70", "10,00"),
                strict=True,
            )
        ),
        ["Total", "", "4:00:00", "45,879", "", "", "13,77"],
    ]
    assert result["cost"] == 13.77
    assert result["energy"] == 45.879
    assert rows((await run(price=0.3512))["csv"])[-2][5:] == ["0,3512", "11,71"]


@pytest.mark.parametrize("price", [0, 0.25])
@pytest.mark.parametrize(
    ("language", "first", "total"),
    [
        ("en", "Start", "Total"),
        ("de", "Beginn", "Summe"),
        ("pl", "Początek", "Razem"),
        ("pt", "Início", "Total"),
    ],
)
async def test_styles(
    hass: HomeAssistant,
    site: Site,
    run: Run,
    price: float,
    language: str,
    first: str,
    total: str,
) -> None:
    """All lines have as many columns, with decimal commas or points."""
    lasted = timedelta(hours=31, minutes=5, seconds=9)
    end = datetime(2026, 9, 10, 12, tzinfo=BERLIN)
    await store(hass, site, session(end, energy_wh=12_345, lasted=lasted))
    for style, between, point in (("semicolon", ";", ","), ("comma", ",", ".")):
        result = await run(price=price, language=language, style=style)
        lines = rows(result["csv"], between)
        assert [len(line) for line in lines] == [7 if price else 5] * 3
        assert [line[0] for line in lines] == [first, "2026-09-09 04:54:51", total]
        assert all(lines[0])
        for line in lines[1:]:
            assert line[2:4] == ["31:05:09", f"12{point}345"]
            assert line[6:] == ([f"3{point}09"] if price else [])


def accounted(
    grid_wh: float, solar_wh: float, cost: float | None, *, unpriced_wh: float = 0
) -> Receipt:
    """Make the receipt of a session."""
    return Receipt(
        energy_wh=grid_wh + solar_wh,
        grid_wh=grid_wh,
        solar_wh=solar_wh,
        unpriced_wh=unpriced_wh,
        cost=cost,
    )


async def test_receipts(hass: HomeAssistant, site: Site, run: Run) -> None:
    """What the prices of the time made of it, what is sun, and nothing invented."""
    end = datetime(2026, 9, 10, 12, tzinfo=BERLIN)
    receipts = (
        accounted(3000, 1000, 1.005),
        accounted(2000, 0, -0.104),
        accounted(4000, 0, 0.6, unpriced_wh=2000),
        Receipt(),
    )
    await store(
        hass,
        site,
        *(
            replace(session(end + timedelta(days=number), energy_wh=wh), receipt=each)
            for number, (wh, each) in enumerate(
                zip((4000, 2000, 4000, 1500), receipts, strict=True)
            )
        ),
    )
    result = await run()
    lines = rows(result["csv"])
    assert lines[0] == [*HEAD, "From the sun (%)", *COSTS]
    assert [line[5:] for line in lines[1:-1]] == [
        ["25,0", "0,2500", "1,00"],
        ["0,0", "-0,0500", "-0,10"],
        ["0,0", "0,3000", "0,60"],
        ["", "", ""],
    ]
    assert lines[-1] == ["Total", "", "4:00:00", "11,500", "", "10,0", "", "1,50"]
    assert result["cost"] == 1.5
    # At one price all of it costs something.
    fixed = rows((await run(price=0.3))["csv"])
    assert [line[6:] for line in fixed[1:]] == [
        ["0,3000", "1,20"],
        ["0,3000", "0,60"],
        ["0,3000", "1,20"],
        ["0,3000", "0,45"],
        ["", "3,45"],
    ]
    # The columns of another month are the same.
    empty = await run("2026-08")
    assert rows(empty["csv"]) == [
        lines[0],
        ["Total", "", "0:00:00", "0,000", "", "", "", "0,00"],
    ]
    assert empty["cost"] == 0


async def test_names_of_cards(hass: HomeAssistant, site: Site, run: Run) -> None:
    """A card has the name that its owner gave it, and no formula in it."""
    (subentry,) = site.entry.subentries.values()
    names = ["04:A1 = Anna", "04A2 = =1+1", "04A3 = Bo; B", "04A4"]
    hass.config_entries.async_update_subentry(
        site.entry, subentry, data={**subentry.data, "allowed_tokens": names}
    )
    await hass.async_block_till_done()
    end = datetime(2026, 9, 10, 12, tzinfo=BERLIN)
    tokens = ("04a1", "04A2", "04A3", "04A4")
    await store(
        hass,
        site,
        *(
            session(end + timedelta(days=number), id_token=token)
            for number, token in enumerate(tokens)
        ),
    )
    lines = rows((await run())["csv"])[1:-1]
    assert [line[4] for line in lines] == ["Anna", "'=1+1", "Bo; B", "****A4"]
    lines = rows((await run(whole_card=True))["csv"])[1:-1]
    assert [line[4] for line in lines] == [
        "Anna (04a1)",
        "'=1+1 (04A2)",
        "Bo; B (04A3)",
        "04A4",
    ]
    for chosen in ("anna", "04A1", " Anna "):
        (line,) = rows((await run(card=chosen))["csv"])[1:-1]
        assert line[4] == "Anna"


NASTY: Final = "=+-@'\"\t\r\n\v,;|0E \\ä{}%"


async def test_no_card_breaks_the_table(
    hass: HomeAssistant, site: Site, run: Run
) -> None:
    """Whatever a card is called, it is one cell, and no formula."""
    tokens = [
        *NASTY,
        *map("".join, itertools.product(NASTY, repeat=2)),
        *(f"a{nasty}b" for nasty in NASTY),
        "=HYPERLINK(0)",
        "{{ 1 / 0 }}",
        "1234",
        "[1]",
    ]
    end = datetime(2026, 9, 1, tzinfo=BERLIN)
    sessions = [
        session(end + timedelta(seconds=number), id_token=token)
        for number, token in enumerate(tokens)
    ]
    await store(hass, site, *sessions)
    for style, between in (("semicolon", ";"), ("comma", ",")):
        result = await run(style=style, whole_card=True)
        lines = rows(result["csv"], between)[1:-1]
        assert {len(line) for line in lines} == {5}
        for token, line in zip(tokens, lines, strict=True):
            formula = token.lstrip()[:1] in {*"=+-@"} or token[:1].isspace()
            assert line[4] == ("'" if formula and token else "") + token


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (None, ""),
        ("7", "****"),
        ("04AB", "****AB"),
        ("04ABC", "****BC"),
        ("04A1B2C3", "****B2C3"),
        ("04A1B2C3D4E5F6", "****E5F6"),
        ('04A1B";"', '****B";"'),
    ],
)
async def test_a_card_is_not_given_away(
    hass: HomeAssistant, site: Site, run: Run, token: str | None, shown: str
) -> None:
    """No more than half of its ID is shown, nor more than four characters."""
    end = datetime(2026, 9, 10, 12, tzinfo=BERLIN)
    await store(hass, site, session(end, id_token=token))
    (line,) = rows((await run())["csv"])[1:-1]
    assert line[4] == shown


async def test_a_card_of_digits(hass: HomeAssistant, site: Site, run: Run) -> None:
    """A card that YAML takes for a number is found all the same."""
    end = datetime(2026, 9, 10, 12, tzinfo=BERLIN)
    others = (session(end, id_token="4321"), session(end, id_token=None))
    await store(hass, site, *others, session(end, id_token="1234"))
    (line,) = rows((await run(card=1234, whole_card=True))["csv"])[1:-1]
    assert line[4] == "1234"


# Where it goes


async def test_it_is_sent(hass: HomeAssistant, site: Site, run: Run) -> None:
    """Entities are told, and actions may use it."""
    sent = async_mock_service(hass, "notify", "send_message")
    done = async_mock_service(hass, "notify", "old")
    end = datetime(2026, 9, 10, 12, tzinfo=BERLIN)
    await store(hass, site, session(end))
    result = await run(
        notify_entities=["notify.phone"],
        notify_actions=[
            {
                "action": "notify.old",
                "data": {
                    "title": "{{ title }}",
                    "message": "{{ month }}: {{ result.energy }}\n{{ csv }}",
                },
            }
        ],
    )
    assert [call.data for call in sent] == [
        {
            "entity_id": ["notify.phone"],
            "title": "Charging 2026-09",
            "message": result["csv"],
        }
    ]
    assert [call.data for call in done] == [
        {"title": "Charging 2026-09", "message": f"2026-09: 1.0\n{result['csv']}"}
    ]


async def test_what_cannot_be_sent_is_an_error(hass: HomeAssistant, run: Run) -> None:
    failing = HomeAssistantError("no network")
    async_mock_service(hass, "notify", "send_message", raise_exception=failing)
    with pytest.raises(HomeAssistantError, match="no network"):
        await run(notify_entities=["notify.phone"])


async def test_into_a_file(
    hass: HomeAssistant, site: Site, run: Run, tmp_path: Path
) -> None:
    """The file integration writes two lines of its own first, then adds to them."""
    path = tmp_path / "charging.csv"
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    file_entry = MockConfigEntry(
        domain="file",
        version=2,
        data={"platform": "notify", "file_path": str(path)},
        options={"timestamp": False},
    )
    file_entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(file_entry.entry_id)
    await hass.async_block_till_done()
    (target,) = hass.states.async_entity_ids("notify")
    await store(hass, site, session(datetime(2026, 9, 10, 12, tzinfo=BERLIN)))
    september = (await run(notify_entities=[target]))["csv"]
    august = (await run("2026-08", notify_entities=[target]))["csv"]
    title, rule, *lines = path.read_text(encoding="utf-8").splitlines()
    assert title.startswith("Charging 2026-09 notifications (Log started: ")
    assert set(rule) == {"-"}
    assert lines == [*september.splitlines(), *august.splitlines()]
    # One that is not empty gets no such lines.
    await hass.async_add_executor_job(path.write_text, "Charging\n")
    await run(notify_entities=[target])
    assert path.read_text(encoding="utf-8") == f"Charging\n{september}\n"
