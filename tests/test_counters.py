"""What is counted of the battery: on the disk, in the entities, and set anew."""

from collections.abc import Iterator
from contextlib import contextmanager
import errno
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import voluptuous as vol

from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.victron.records import Kind

from .kit.battery import shows
from .kit.radio import Radio
from .kit.site import Site, reload
from .kit.time import let_pass
from .kit.victron import GOOD

#: 10 A at 12 V: 0.12 kWh an hour.
CHARGING: dict[str, Any] = GOOD[Kind.BATTERY_MONITOR] | {
    "voltage": 12.0,
    "current": 10.0,
}
TOTALS = {
    "energy_charged": 812.5,
    "energy_discharged": 790.25,
    "solar_energy": 600.0,
    "mains_energy": 150.0,
    "alternator_energy": 90.0,
    "load_energy": 780.0,
    "cycles": 310.5,
    "discharged_ah": 61000.0,
    "deepest_discharge": 160.0,
}


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Keep the files of each test apart."""
    return hass_tmp_config_dir


@pytest.fixture
def hass_storage() -> dict[str, Any]:
    """Have the real storage in the place of the usual stand-in."""
    return {}


def path(hass: HomeAssistant, entry: MockConfigEntry) -> Path:
    return Path(hass.config.path(".storage", f"{DOMAIN}.{entry.entry_id}.battery"))


def stored(hass: HomeAssistant, site: Site) -> dict[str, Any]:
    """Read what is on the disk."""
    content = json.loads(path(hass, site.entry).read_text(encoding="utf-8"))
    data: dict[str, Any] = content["data"]
    return data


def charged(site: Site) -> float:
    return float(shows(site, "energy_charged"))


async def charge(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    radio: Radio,
    minutes: int,
) -> None:
    """Charge for so long; the shunt is heard every minute."""
    for minute in range(minutes):
        # A reading that changes is one that is told of.
        radio.say(Kind.BATTERY_MONITOR, CHARGING | {"soc": 50.0 + minute % 2})
        await let_pass(hass, freezer, 60)
        await hass.async_block_till_done(wait_background_tasks=True)


@contextmanager
def full_disk() -> Iterator[None]:
    """Have no space left on the device."""
    with patch(
        "custom_components.bmw_wallbox_victron.disk.os.fsync",
        side_effect=OSError(errno.ENOSPC, "No space left on device"),
    ):
        yield


def forget_past(hass: HomeAssistant) -> None:
    """Forget what outlives a reload, as a restart does."""
    hass.data.pop(f"{DOMAIN}_past", None)


async def restart(hass: HomeAssistant, site: Site) -> None:
    """Begin anew with what is on the disk."""
    assert await hass.config_entries.async_unload(site.entry.entry_id)
    forget_past(hass)
    assert await hass.config_entries.async_setup(site.entry.entry_id)
    await hass.async_block_till_done()


async def reset(hass: HomeAssistant, device_id: str, **totals: float) -> None:
    await hass.services.async_call(
        DOMAIN, "reset_history", {"device_id": device_id, **totals}, blocking=True
    )
    await hass.async_block_till_done()


async def test_an_hour_of_charging(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """What is shown is on the disk, in few writes; a reload and a restart keep it."""
    seen: list[float] = []
    file = path(hass, caravan.entry)
    writes: set[int] = set()
    for _ in range(61):
        await charge(hass, freezer, radio, 1)
        seen.append(charged(caravan))
        if file.exists():
            writes.add(file.stat().st_mtime_ns)
            assert stored(hass, caravan)["energy_charged"] >= seen[-1] - 0.005
        else:
            assert seen[-1] == 0.0
    assert seen == sorted(seen)
    # Five minutes at 120 W are 0.01 kWh.
    assert 0.105 <= seen[-1] <= 0.12
    assert len(writes) <= 13
    assert await hass.config_entries.async_unload(caravan.entry.entry_id)
    assert await hass.config_entries.async_setup(caravan.entry.entry_id)
    await hass.async_block_till_done()
    assert charged(caravan) == pytest.approx(0.12, abs=0.005)
    await restart(hass, caravan)
    assert charged(caravan) == pytest.approx(0.12, abs=0.005)
    assert float(shows(caravan, "history_coverage")) > 90


async def test_killed_at_any_moment(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """Set up again from the file of a moment, nothing has fallen."""
    file = path(hass, caravan.entry)
    moments: list[tuple[float, str]] = []
    for _ in range(30):
        await charge(hass, freezer, radio, 1)
        if file.exists():
            moments.append((charged(caravan), file.read_text(encoding="utf-8")))
    assert moments[-1][0] > 0.03
    for shown, content in moments[:: max(len(moments) // 4, 1)]:
        assert await hass.config_entries.async_unload(caravan.entry.entry_id)
        forget_past(hass)
        file.write_text(content, encoding="utf-8")
        assert await hass.config_entries.async_setup(caravan.entry.entry_id)
        await hass.async_block_till_done()
        assert charged(caravan) == pytest.approx(shown)


STORED = '{"version": 1, "minor_version": 1, "key": "x", "data": '
#: Of these only the sun's energy can be read.
BENT = '{"history": [], "energy_charged": -3, "solar_energy": 7.25, "days": 3}'


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ("no JSON", 0.0),
        (STORED + "[]}", 0.0),
        (STORED + BENT + "}", 7.25),
    ],
    ids=["cut", "no object", "fields"],
)
async def test_a_damaged_file(
    hass: HomeAssistant,
    radio: Radio,
    caravan: Site,
    caplog: pytest.LogCaptureFixture,
    content: str,
    left: float,
) -> None:
    """What can be read is kept, the rest begins anew, and it is said."""
    file = path(hass, caravan.entry)
    assert await hass.config_entries.async_unload(caravan.entry.entry_id)
    forget_past(hass)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    caplog.clear()
    assert await hass.config_entries.async_setup(caravan.entry.entry_id)
    await hass.async_block_till_done()
    assert charged(caravan) == 0.0
    assert float(shows(caravan, "solar_energy")) == left
    assert file.name in caplog.text


async def test_a_full_disk(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """Nothing is shown that is not stored; with space again nothing is lost."""
    await charge(hass, freezer, radio, 18)
    before = charged(caravan)
    with full_disk():
        await charge(hass, freezer, radio, 12)
        assert charged(caravan) == before
        with pytest.raises(HomeAssistantError, match="No space left"):
            await reset(hass, caravan.device("battery").id)
        # It was counted anew all the same, and is stored as soon as that is possible.
    await charge(hass, freezer, radio, 7)
    assert before >= 0.02
    assert 0 <= charged(caravan) < before
    assert stored(hass, caravan)["energy_charged"] < before


async def test_counting_goes_on_over_a_full_disk(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    with full_disk():
        await charge(hass, freezer, radio, 20)
        assert charged(caravan) == 0.0
    await charge(hass, freezer, radio, 3)
    assert charged(caravan) == pytest.approx(0.04, abs=0.011)


async def test_reset_to_nothing_and_to_totals(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: Radio, caravan: Site
) -> None:
    """It is on the disk, and shown, when the call returns; counting goes on."""
    await charge(hass, freezer, radio, 12)
    assert charged(caravan) > 0
    device_id = caravan.device("battery").id
    await reset(hass, device_id)
    assert charged(caravan) == 0.0
    assert stored(hass, caravan)["energy_charged"] == 0.0
    await reset(hass, device_id, **TOTALS)
    # What a shunt alone cannot tell has no entity, and is kept all the same.
    unseen = {"solar_energy", "mains_energy", "alternator_energy"}
    assert {key: float(shows(caravan, key)) for key in TOTALS.keys() - unseen} == {
        key: pytest.approx(TOTALS[key], abs=0.01) for key in TOTALS.keys() - unseen
    }
    await charge(hass, freezer, radio, 20)
    assert 812.5 < charged(caravan) <= 812.54
    assert {key: stored(hass, caravan)[key] for key in unseen} == {
        key: TOTALS[key] for key in unseen
    }
    await reload(hass, caravan)
    assert 812.53 <= charged(caravan) <= 812.55


async def test_reset_of_what_is_no_battery(hass: HomeAssistant, caravan: Site) -> None:
    with pytest.raises(ServiceValidationError) as raised:
        await reset(hass, "there is none")
    assert raised.value.translation_key == "no_such_battery"
    with pytest.raises(vol.Invalid):
        await reset(hass, caravan.device("battery").id, energy_charged=-1)
