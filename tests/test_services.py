"""Every action of a wallbox, as an automation calls it, and what the wallbox does."""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
import json
from types import MappingProxyType
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant, ServiceResponse
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)
import voluptuous as vol

from custom_components.bmw_wallbox_victron.const import DOMAIN
from simulators.wallbox import DELTA, Car, SimulatedWallbox

from .kit.site import Site, settle
from .kit.strings import STRINGS, placeholders

type MakeWallbox = Callable[..., SimulatedWallbox]
#: Calls an action for the wallbox.
type Act = Callable[..., Coroutine[Any, Any, Any]]

OTHER_ID = "DE*BMW*E2"
#: What each action needs, and what it gives.
CALLS: Mapping[str, tuple[Mapping[str, Any], bool]] = {
    "set_charging_profile": ({"periods": [{"start_period": 0, "limit": 10}]}, False),
    "clear_charging_profiles": ({}, False),
    "get_composite_schedule": ({}, True),
    "get_variables": (
        {"variables": [{"component": "ChargingStation", "variable": "Model"}]},
        True,
    ),
    "set_variables": (
        {
            "variables": [
                {"component": "StatusLED", "variable": "brightness", "value": "40"}
            ]
        },
        False,
    ),
    "trigger_message": ({"message": "Heartbeat"}, False),
    "unlock_connector": ({}, False),
    "get_sessions": ({}, True),
    "check_wallbox": ({"stop": True}, False),
}
#: These need a wallbox that is there; the others work with what is stored.
NEED_CONNECTION = CALLS.keys() - {
    "set_charging_profile",
    "get_sessions",
    "check_wallbox",
}


@pytest.fixture
def act(hass: HomeAssistant, site: Site) -> Act:
    """Call an action for the wallbox's device."""

    async def call(
        name: str, *, device_id: Any = None, response: bool = False, **data: Any
    ) -> ServiceResponse:
        return await hass.services.async_call(
            DOMAIN,
            name,
            {"device_id": device_id or site.device().id, **data},
            blocking=True,
            return_response=response,
        )

    return call


@pytest.fixture
async def wallbox(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> SimulatedWallbox:
    """Connect a wallbox; no car is there."""
    made = make_wallbox()
    await made.connect()
    await settle(hass, made)
    return made


def device_of(
    hass: HomeAssistant, entry: MockConfigEntry, charge_point_id: str
) -> dr.DeviceEntry:
    """Find a wallbox's device."""
    registry = dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(registry, entry.entry_id):
        if (DOMAIN, charge_point_id) in device.identifiers:
            return device
    raise AssertionError("no device")


@contextmanager
def refused(
    key: str, kind: type[HomeAssistantError] = HomeAssistantError, **given: str
) -> Generator[None]:
    """Expect an error that says so in the user's language."""
    with pytest.raises(kind) as info:
        yield
    error = info.value
    assert error.translation_domain == DOMAIN
    assert error.translation_key == key
    text = STRINGS["exceptions"][key]["message"]
    assert set(error.translation_placeholders or ()) == placeholders(text)
    assert (error.translation_placeholders or {}) == given
    assert str(error) == text.format(**given).removesuffix(".")


def periods(*pairs: tuple[float, float]) -> list[dict[str, float]]:
    """Write periods as the action takes them."""
    return [{"start_period": begin, "limit": limit} for begin, limit in pairs]


def profiles(wallbox: SimulatedWallbox) -> list[dict[str, Any]]:
    """Give the charging profiles that were sent."""
    return [
        call.payload["chargingProfile"] for call in wallbox.calls("SetChargingProfile")
    ]


def limits(profile: Mapping[str, Any]) -> list[float]:
    """Give the limits of a profile's schedule."""
    (schedule,) = profile["chargingSchedule"]
    return [period["limit"] for period in schedule["chargingSchedulePeriod"]]


def amps(wallbox: SimulatedWallbox) -> float:
    """Give what the car draws."""
    return max(wallbox.charger.readings.current_a)


async def live(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    seconds: int,
    *wallboxes: SimulatedWallbox,
) -> None:
    """Live through so many seconds, one by one, with one clock for both sides."""
    for _ in range(seconds):
        freezer.tick(1)
        for wallbox in wallboxes:
            await wallbox.tick(1)
        async_fire_time_changed(hass, dt_util.utcnow())
        await settle(hass, *wallboxes)


async def set_limit(hass: HomeAssistant, site: Site, limit: int) -> None:
    """Set the current limit."""
    await hass.services.async_call(
        "number",
        "set_value",
        {"entity_id": site.entity_id("number", "current_limit"), "value": limit},
        blocking=True,
    )


async def switch_charging(hass: HomeAssistant, site: Site, state: str) -> None:
    """Turn the charging switch on or off."""
    await hass.services.async_call(
        "switch",
        f"turn_{state}",
        {"entity_id": site.entity_id("switch", "charging")},
        blocking=True,
    )


# Which wallbox


def test_none_is_forgotten(hass: HomeAssistant, site: Site) -> None:
    """These tests know every action that there is of a wallbox."""
    names = hass.services.async_services_for_domain(DOMAIN).keys()
    assert names - {"reset_history"} == CALLS.keys()


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("way", ["text", "list", "target"])
async def test_device(
    hass: HomeAssistant, site: Site, wallbox: SimulatedWallbox, name: str, way: str
) -> None:
    """Every action takes its device as a text, as a list or as a target."""
    data, response = CALLS[name]
    device_id: Any = site.device().id if way == "text" else [site.device().id]
    result = await hass.services.async_call(
        DOMAIN,
        name,
        dict(data) if way == "target" else {**data, "device_id": device_id},
        blocking=True,
        target={"device_id": device_id} if way == "target" else None,
        return_response=response,
    )
    assert (result is not None) is response
    json.dumps(result)
    await settle(hass, wallbox)


@pytest.mark.parametrize("name", CALLS)
async def test_no_wallbox(
    hass: HomeAssistant,
    site: Site,
    wallbox: SimulatedWallbox,
    act: Act,
    name: str,
) -> None:
    """A device that is no wallbox of ours is refused with the reason."""
    data, response = CALLS[name]
    other = MockConfigEntry(domain="other")
    other.add_to_hass(hass)
    registry = dr.async_get(hass)
    foreign = registry.async_get_or_create(
        config_entry_id=other.entry_id,
        # The same identifier, in another integration's name.
        identifiers={("other", wallbox.charge_point_id)},
    )
    server = next(
        device
        for device in dr.async_entries_for_config_entry(registry, site.entry.entry_id)
        if device.entry_type is dr.DeviceEntryType.SERVICE
    )
    asked = len(wallbox.received_calls)
    for device_id in ("nonsense", foreign.id, server.id):
        with refused("no_such_wallbox", ServiceValidationError):
            await act(name, device_id=device_id, response=response, **data)
    assert len(wallbox.received_calls) == asked


@pytest.mark.parametrize("name", CALLS)
async def test_not_loaded(hass: HomeAssistant, site: Site, act: Act, name: str) -> None:
    """The actions are there while the entry is not, and say what is wrong."""
    data, response = CALLS[name]
    await hass.config_entries.async_unload(site.entry.entry_id)
    with refused("no_such_wallbox", ServiceValidationError):
        await act(name, response=response, **data)


@pytest.mark.parametrize("name", CALLS)
async def test_not_one_device(
    hass: HomeAssistant, site: Site, act: Act, name: str
) -> None:
    """No device, or several, are refused before anything is done."""
    data, response = CALLS[name]
    with pytest.raises(vol.Invalid):
        await act(
            name, device_id=[site.device().id, "other"], response=response, **data
        )
    with pytest.raises(vol.Invalid):
        await hass.services.async_call(
            DOMAIN, name, dict(data), blocking=True, return_response=response
        )
    with pytest.raises(vol.Invalid):
        await act(name, response=response, colour="green", **data)


async def test_the_right_one_of_two(
    hass: HomeAssistant,
    site: Site,
    wallbox: SimulatedWallbox,
    make_wallbox: MakeWallbox,
) -> None:
    """With two wallboxes, the one that is meant is asked."""
    hass.config_entries.async_add_subentry(
        site.entry,
        ConfigSubentry(
            subentry_type="wallbox",
            title="Other",
            data=MappingProxyType({"charge_point_id": OTHER_ID, "max_current": 16}),
            unique_id=OTHER_ID,
        ),
    )
    await hass.async_block_till_done()
    other = make_wallbox(charge_point_id=OTHER_ID)
    await wallbox.wait_closed()
    await wallbox.connect(boot=False)
    await other.connect()
    await settle(hass, wallbox, other)
    device = device_of(hass, site.entry, OTHER_ID)
    before = len(wallbox.sent_of("Heartbeat")), len(other.sent_of("Heartbeat"))
    await hass.services.async_call(
        DOMAIN,
        "trigger_message",
        {"device_id": device.id, "message": "Heartbeat"},
        blocking=True,
    )
    await settle(hass, wallbox, other)
    after = len(wallbox.sent_of("Heartbeat")), len(other.sent_of("Heartbeat"))
    assert (after[0] - before[0], after[1] - before[1]) == (0, 1)


@pytest.mark.parametrize("name", sorted(NEED_CONNECTION))
async def test_not_connected(site: Site, act: Act, name: str) -> None:
    """A wallbox that is away cannot be asked, and the error says so."""
    data, response = CALLS[name]
    with refused("not_connected"):
        await act(name, response=response, **data)


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("clear_charging_profiles", "ClearChargingProfile"),
        ("get_composite_schedule", "GetCompositeSchedule"),
        ("get_variables", "GetVariables"),
        ("set_variables", "SetVariables"),
        ("trigger_message", "TriggerMessage"),
        ("unlock_connector", "UnlockConnector"),
    ],
)
async def test_connection_lost(
    hass: HomeAssistant,
    site: Site,
    wallbox: SimulatedWallbox,
    act: Act,
    name: str,
    action: str,
) -> None:
    """A wallbox that vanishes instead of answering ends the wait at once."""
    data, response = CALLS[name]
    wallbox.quirks = replace(wallbox.quirks, drop_on_actions=frozenset({action}))
    with refused("call_failed", action=action, reason="the connection was lost"):
        await act(name, response=response, **data)


# Limits over time


async def test_profile_is_followed(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    site: Site,
    wallbox: SimulatedWallbox,
    act: Act,
) -> None:
    """The wallbox gets the schedule once, and follows it by itself until its end."""
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    assert amps(wallbox) == 32
    await live(hass, freezer, 2, wallbox)
    await act(
        "set_charging_profile",
        periods=periods((0, 10), (20, 0), (40, 16)),
        duration=60,
    )
    await live(hass, freezer, 10, wallbox)
    assert (amps(wallbox), site.number("enforced_limit")) == (10, 10)
    assert site.number("current") == pytest.approx(10, abs=0.5)
    sent = profiles(wallbox)
    profile = sent[-1]
    assert profile["chargingProfilePurpose"] == "TxDefaultProfile"
    (schedule,) = profile["chargingSchedule"]
    assert schedule["chargingRateUnit"] == "A"
    assert limits(profile) == [10, 0, 16, 32]
    await live(hass, freezer, 12, wallbox)
    assert (amps(wallbox), site.number("enforced_limit")) == (0, 0)
    assert site.state("status") == "paused"
    await live(hass, freezer, 20, wallbox)
    assert (amps(wallbox), site.number("enforced_limit")) == (16, 16)
    assert site.state("status") == "charging"
    assert site.number("current") == pytest.approx(16, abs=0.5)
    await live(hass, freezer, 20, wallbox)
    assert (amps(wallbox), site.number("enforced_limit")) == (32, 32)
    assert site.binary("limit_not_enforced") == "off"
    assert profiles(wallbox) == sent


async def test_last_period_goes_on(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    site: Site,
    wallbox: SimulatedWallbox,
    act: Act,
) -> None:
    """Without a duration the last period has no end."""
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    await live(hass, freezer, 2, wallbox)
    await act("set_charging_profile", periods=periods((0, 16), (5, 7)))
    await live(hass, freezer, 12, wallbox)
    assert (amps(wallbox), site.number("enforced_limit")) == (7, 7)
    # Nothing happens that the wallbox would tell by a change of its state.
    freezer.tick(3600)
    await wallbox.tick(3600)
    await live(hass, freezer, 1, wallbox)
    assert (amps(wallbox), site.number("enforced_limit")) == (7, 7)


async def test_profile_replaces_the_one_before(
    hass: HomeAssistant, site: Site, wallbox: SimulatedWallbox, act: Act
) -> None:
    """The newest schedule is the only one."""
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    await act("set_charging_profile", periods=periods((0, 8)))
    await act("set_charging_profile", periods=periods((0, 12)))
    await settle(hass, wallbox)
    assert (amps(wallbox), site.number("enforced_limit")) == (12, 12)


async def test_profile_before_the_car_comes(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    site: Site,
    wallbox: SimulatedWallbox,
    act: Act,
) -> None:
    """A schedule runs from when it was set, not from when the car comes."""
    await live(hass, freezer, 2, wallbox)
    await act("set_charging_profile", periods=periods((0, 8), (20, 12)))
    await live(hass, freezer, 10, wallbox)
    await wallbox.plug_in(Car())
    await live(hass, freezer, 1, wallbox)
    assert amps(wallbox) == 8
    await live(hass, freezer, 10, wallbox)
    assert (amps(wallbox), site.number("enforced_limit")) == (12, 12)


async def test_current_limit_lowers_it(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    site: Site,
    wallbox: SimulatedWallbox,
    act: Act,
) -> None:
    """The current limit stands above every period; it never raises one."""
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    await live(hass, freezer, 2, wallbox)
    await set_limit(hass, site, 9)
    await live(hass, freezer, 2, wallbox)
    await act("set_charging_profile", periods=periods((0, 20), (3600, 7)))
    assert limits(profiles(wallbox)[-1]) == [9, 7]
    await settle(hass, wallbox)
    assert amps(wallbox) == 9
    await live(hass, freezer, 2, wallbox)
    await set_limit(hass, site, 25)
    await settle(hass, wallbox)
    assert limits(profiles(wallbox)[-1]) == [20, 7]
    assert (amps(wallbox), site.number("enforced_limit")) == (20, 20)


async def test_pause_overrides(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    site: Site,
    wallbox: SimulatedWallbox,
    act: Act,
) -> None:
    """A pause stands above the schedule, which goes on behind it."""
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    await live(hass, freezer, 2, wallbox)
    await act("set_charging_profile", periods=periods((0, 8), (20, 12)))
    await live(hass, freezer, 5, wallbox)
    assert limits(profiles(wallbox)[-1]) == [8, 12]
    await switch_charging(hass, site, "off")
    await live(hass, freezer, 1, wallbox)
    assert (amps(wallbox), site.number("enforced_limit")) == (0, 0)
    await live(hass, freezer, 20, wallbox)
    assert amps(wallbox) == 0
    await switch_charging(hass, site, "on")
    await live(hass, freezer, 1, wallbox)
    assert limits(profiles(wallbox)[-1]) == [12]
    assert (amps(wallbox), site.number("enforced_limit")) == (12, 12)


async def test_profile_while_paused(
    hass: HomeAssistant, site: Site, wallbox: SimulatedWallbox, act: Act
) -> None:
    """Set during a pause, it does not end the pause, and counts afterwards."""
    await wallbox.plug_in(Car())
    await switch_charging(hass, site, "off")
    await settle(hass, wallbox)
    await act("set_charging_profile", periods=periods((0, 8)))
    await settle(hass, wallbox)
    assert amps(wallbox) == 0
    await switch_charging(hass, site, "on")
    await settle(hass, wallbox)
    assert amps(wallbox) == 8


async def test_profile_survives_a_reload(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    site: Site,
    wallbox: SimulatedWallbox,
    act: Act,
) -> None:
    """The schedule is stored with the time at which it began."""
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    await live(hass, freezer, 2, wallbox)
    await act("set_charging_profile", periods=periods((0, 8), (30, 12)))
    await live(hass, freezer, 10, wallbox)
    before = profiles(wallbox)
    await hass.config_entries.async_reload(site.entry.entry_id)
    await hass.async_block_till_done()
    await wallbox.wait_closed()
    # A box that forgot everything meanwhile.
    wallbox.profiles.remove(wallbox.profiles.all())
    await wallbox.connect(boot=False)
    await live(hass, freezer, 2, wallbox)
    assert len(profiles(wallbox)) > len(before)
    assert profiles(wallbox)[-1] == before[-1]
    assert (amps(wallbox), site.number("enforced_limit")) == (8, 8)
    await live(hass, freezer, 20, wallbox)
    assert (amps(wallbox), site.number("enforced_limit")) == (12, 12)


async def test_profile_for_a_wallbox_that_is_away(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox, act: Act
) -> None:
    """It is kept, and sent when the wallbox comes."""
    await act("set_charging_profile", periods=periods((0, 8)))
    wallbox = make_wallbox()
    await wallbox.connect()
    await settle(hass, wallbox)
    assert limits(profiles(wallbox)[-1]) == [8]
    assert site.number("enforced_limit") == 8


async def test_connection_lost_while_a_profile_is_set(
    hass: HomeAssistant, site: Site, wallbox: SimulatedWallbox, act: Act
) -> None:
    """The error says that the schedule is kept, and it is."""
    wallbox.quirks = replace(DELTA, drop_on_actions=frozenset({"SetChargingProfile"}))
    with refused("connection_lost"):
        await act("set_charging_profile", periods=periods((0, 8)))
    wallbox.quirks = DELTA
    await wallbox.connect(boot=False)
    await settle(hass, wallbox)
    assert limits(profiles(wallbox)[-1]) == [8]


async def test_profile_refused(
    hass: HomeAssistant,
    site: Site,
    wallbox: SimulatedWallbox,
    act: Act,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the wallbox takes no profile at all, its reason is given."""
    monkeypatch.setattr(wallbox.profiles, "put", lambda _: False)
    with refused("limit_refused", reason="Rejected, OutOfStorage"):
        await act("set_charging_profile", periods=periods((0, 8)))
    assert site.binary("limit_not_enforced") == "on"


@pytest.mark.parametrize(
    ("first", "most"),
    [((0, 6.5), 6.5), ((0, 6.55), 6.55), ((0, 15.99), 15.99), ((0, 10.04), 10.04)],
    ids=str,
)
async def test_fractions(
    hass: HomeAssistant,
    site: Site,
    wallbox: SimulatedWallbox,
    act: Act,
    first: tuple[float, float],
    most: float,
) -> None:
    """OCPP allows one decimal (K01): a finer limit goes out as no higher one."""
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    await act("set_charging_profile", periods=periods(first))
    await settle(hass, wallbox)
    assert most - 0.1 < amps(wallbox) <= most


@pytest.mark.parametrize(
    "wallbox_data", [{"charge_point_id": OTHER_ID, "max_current": 16}]
)
async def test_above_the_maximum(hass: HomeAssistant, site: Site) -> None:
    """A limit above what the installation bears is refused, not lowered silently."""
    device = device_of(hass, site.entry, OTHER_ID)
    data = {"device_id": device.id, "periods": periods((0, 6), (60, 16.1))}
    with refused("limit_too_high", ServiceValidationError, max_current="16"):
        await hass.services.async_call(
            DOMAIN, "set_charging_profile", data, blocking=True
        )
    data["periods"] = periods((0, 6), (60, 16))
    await hass.services.async_call(DOMAIN, "set_charging_profile", data, blocking=True)


@pytest.mark.parametrize(
    ("pairs", "duration"),
    [
        (((1, 10),), None),
        (((0, 10), (0, 12)), None),
        (((0, 10), (60, 12), (30, 14)), None),
        (((0, 10), (60, 12), (60, 14)), None),
        (((0, 10), (60, 12)), 60),
        (((0, 10), (60, 12)), 59),
        (((0, 10),), 0),
    ],
    ids=str,
)
async def test_periods_not_in_order(
    wallbox: SimulatedWallbox,
    act: Act,
    pairs: tuple[tuple[float, float], ...],
    duration: int | None,
) -> None:
    """Periods start at 0, ascend, and end before the duration; else nothing is sent."""
    asked = len(wallbox.received_calls)
    data = {} if duration is None else {"duration": duration}
    with refused("periods_not_in_order", ServiceValidationError):
        await act("set_charging_profile", periods=periods(*pairs), **data)
    assert len(wallbox.received_calls) == asked


@pytest.mark.parametrize(
    "bad",
    [
        {"periods": []},
        {"periods": periods((0, 5.9))},
        {"periods": periods((0, 0.1))},
        {"periods": periods((0, -1))},
        {"periods": periods((0, 63.1))},
        {"periods": periods((0, float("nan")))},
        {"periods": periods((0, float("inf")))},
        {"periods": periods((-1, 10))},
        {"periods": periods((0, 10), (7 * 86400 + 1, 10))},
        {"periods": periods(*((60 * number, 10) for number in range(33)))},
        {"periods": [{"start_period": 0}]},
        {"periods": [{"limit": 10}]},
        {"periods": [{"start_period": 0, "limit": 10, "phases": 1}]},
        {"periods": periods((0, 10)), "duration": -1},
        {"periods": periods((0, 10)), "duration": 7 * 86400 + 1},
        {},
    ],
    ids=lambda bad: str(bad)[:60],
)
async def test_bad_periods(
    wallbox: SimulatedWallbox, act: Act, bad: dict[str, Any]
) -> None:
    """What no wallbox could follow is refused before anything is sent."""
    asked = len(wallbox.received_calls)
    with pytest.raises(vol.Invalid):
        await act("set_charging_profile", **bad)
    assert len(wallbox.received_calls) == asked


async def test_as_many_periods_as_a_box_takes(
    hass: HomeAssistant, site: Site, wallbox: SimulatedWallbox, act: Act
) -> None:
    """32 periods, a duration, and a single period that is no list, are taken."""
    many = periods(*((60 * number, 6 + number % 2) for number in range(32)))
    await act("set_charging_profile", periods=many, duration=86400)
    await settle(hass, wallbox)
    assert len(limits(profiles(wallbox)[-1])) == 33
    assert site.number("enforced_limit") == 6
    await act("set_charging_profile", periods={"start_period": "0", "limit": "8"})
    await settle(hass, wallbox)
    assert limits(profiles(wallbox)[-1]) == [8]


# Clear


async def test_clear(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    site: Site,
    wallbox: SimulatedWallbox,
    act: Act,
) -> None:
    """Schedules are forgotten on both sides; the current limit is put back."""
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    await live(hass, freezer, 2, wallbox)
    await set_limit(hass, site, 14)
    await live(hass, freezer, 2, wallbox)
    await act("set_charging_profile", periods=periods((0, 8), (20, 12)))
    await live(hass, freezer, 2, wallbox)
    assert amps(wallbox) == 8
    await live(hass, freezer, 2, wallbox)
    await act("clear_charging_profiles")
    await settle(hass, wallbox)
    cleared = {
        call.payload["chargingProfileCriteria"]["chargingProfilePurpose"]
        for call in wallbox.calls("ClearChargingProfile")
    }
    # The default profile is replaced: cleared, the car would draw all it can meanwhile.
    assert cleared == {"ChargingStationMaxProfile", "TxProfile"}
    assert (amps(wallbox), site.number("enforced_limit")) == (14, 14)
    assert limits(profiles(wallbox)[-1]) == [14]
    await live(hass, freezer, 25, wallbox)
    assert (amps(wallbox), site.number("enforced_limit")) == (14, 14)


async def test_clear_nothing(
    hass: HomeAssistant, site: Site, wallbox: SimulatedWallbox, act: Act
) -> None:
    """A wallbox without profiles is as good as one that was cleared."""
    wallbox.profiles.remove(wallbox.profiles.all())
    await act("clear_charging_profiles")
    await settle(hass, wallbox)
    assert limits(profiles(wallbox)[-1]) == [32]


async def test_clear_keeps_a_pause(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    site: Site,
    wallbox: SimulatedWallbox,
    act: Act,
) -> None:
    """A car that was paused stays so."""
    await wallbox.plug_in(Car())
    await switch_charging(hass, site, "off")
    await settle(hass, wallbox)
    await live(hass, freezer, 2, wallbox)
    await act("clear_charging_profiles")
    await live(hass, freezer, 2, wallbox)
    assert amps(wallbox) == 0
    assert site.state("status") == "paused"


async def test_clear_that_fails_half_way(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    site: Site,
    wallbox: SimulatedWallbox,
    act: Act,
) -> None:
    """A limit that was cleared is put back, also where the rest goes wrong."""
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    await live(hass, freezer, 2, wallbox)
    await set_limit(hass, site, 8)
    await live(hass, freezer, 10, wallbox)
    # The first profile is cleared, the second answer never comes.
    lost = wallbox.journal.reply_count + 2
    wallbox.quirks = replace(DELTA, lost_answers=frozenset({lost}))
    with refused(
        "call_failed", action="ClearChargingProfile", reason="no answer within 30 s"
    ):
        clearing = asyncio.create_task(act("clear_charging_profiles"))
        await wallbox.wait_until(lambda: len(wallbox.calls("ClearChargingProfile")) > 1)
        await wallbox.settle()
        freezer.tick(31)
        await clearing
    await live(hass, freezer, 15, wallbox)
    assert amps(wallbox) == 8


# What the wallbox enforces


async def test_composite_schedule(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    site: Site,
    wallbox: SimulatedWallbox,
    act: Act,
) -> None:
    """It tells from when, for how long, and what."""
    freezer.move_to(dt_util.utcnow().replace(microsecond=0) + timedelta(seconds=1))
    await live(hass, freezer, 2, wallbox)
    await act("set_charging_profile", periods=periods((0, 10), (60, 16)))
    now = dt_util.utcnow()
    result = await act("get_composite_schedule", response=True, duration=120)
    assert dt_util.parse_datetime(result["start"]) == now
    assert result["duration"] == 120
    assert result["unit"] == "A"
    assert [
        (period["start_period"], period["limit"]) for period in result["periods"]
    ] == [(0, 10), (60, 16)]
    asked = wallbox.calls("GetCompositeSchedule")[-1].payload
    assert (asked["duration"], asked["chargingRateUnit"]) == (120, "A")
    await act("get_composite_schedule", response=True)
    assert wallbox.calls("GetCompositeSchedule")[-1].payload["duration"] == 3600


async def test_composite_schedule_refused(
    wallbox: SimulatedWallbox, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wallbox that does not tell is named as the one that refuses."""
    composite = "simulators.wallbox.handlers.smart_charging.composite"
    monkeypatch.setattr(composite, lambda *_, **__: None)
    with refused("rejected", reason="Accepted"):
        await act("get_composite_schedule", response=True)


# Variables


async def test_get_variables(wallbox: SimulatedWallbox, act: Act) -> None:
    """Values come in the words in which they were asked for, each with its status."""
    wanted: list[dict[str, Any]] = [
        {"component": "ChargingStation", "variable": "Model"},
        {"component": "EVSE", "evse": 1, "variable": "AvailabilityState"},
        {
            "component": "Connector",
            "evse": 1,
            "connector": 1,
            "variable": "ConnectorType",
        },
        {
            "component": "OCPPCommCtrlr",
            "variable": "MessageTimeout",
            "variable_instance": "Default",
        },
        {"component": "ChargingStation", "variable": "Colour"},
        {"component": "Toaster", "component_instance": "2", "variable": "Heat"},
        {"component": "SecurityCtrlr", "variable": "BasicAuthPassword"},
    ]
    result = await act("get_variables", response=True, variables=wanted)
    expected = [
        {"value": "EIAW-E22KTSE6B04", "status": "Accepted"},
        {"value": "Available", "status": "Accepted"},
        {"value": "cType2", "status": "Accepted"},
        {"value": "30", "status": "Accepted"},
        {"status": "UnknownVariable"},
        {"status": "UnknownComponent"},
        {"status": "Rejected"},
    ]
    assert result == {
        "variables": [
            asked | found for asked, found in zip(wanted, expected, strict=True)
        ]
    }


async def test_connector_without_evse(wallbox: SimulatedWallbox, act: Act) -> None:
    """A connector is one of an EVSE: without it, no other variable is asked for."""
    asked = len(wallbox.calls("GetVariables"))
    with pytest.raises(vol.Invalid):
        await act(
            "get_variables",
            response=True,
            variables={
                "component": "Connector",
                "connector": 1,
                "variable": "ConnectorType",
            },
        )
    assert len(wallbox.calls("GetVariables")) == asked


async def test_set_variables(wallbox: SimulatedWallbox, act: Act) -> None:
    """Values are written; with a response every outcome is told."""
    variables = [
        {"component": "StatusLED", "variable": "brightness", "value": "55"},
        {
            "component": "OCPPCommCtrlr",
            "variable": "MessageAttempts",
            "variable_instance": "TransactionEvent",
            "value": "4",
        },
    ]
    assert await act("set_variables", variables=variables) is None
    assert wallbox.model.text("StatusLED", "brightness") == "55"
    assert (
        wallbox.model.text("OCPPCommCtrlr", "MessageAttempts", "TransactionEvent")
        == "4"
    )
    variables[0]["value"] = "60"
    variables[1]["value"] = "many"
    result = await act("set_variables", response=True, variables=variables)
    assert [item["status"] for item in result["variables"]] == ["Accepted", "Rejected"]
    assert wallbox.model.text("StatusLED", "brightness") == "60"


@pytest.mark.parametrize(
    ("component", "variable", "reason"),
    [
        ("StatusLED", "brightness", "Rejected"),
        ("ChargingStation", "Colour", "UnknownVariable"),
        ("Toaster", "Heat", "UnknownComponent"),
    ],
)
async def test_variable_refused(
    wallbox: SimulatedWallbox, act: Act, component: str, variable: str, reason: str
) -> None:
    """Without a response a refusal is an error that names variable and reason."""
    with refused("variable_refused", variable=f"{component}.{variable}", reason=reason):
        await act(
            "set_variables",
            variables={"component": component, "variable": variable, "value": "101"},
        )


@pytest.mark.parametrize("name", ["get_variables", "set_variables"])
async def test_no_variables(wallbox: SimulatedWallbox, act: Act, name: str) -> None:
    """Nothing asked for, or something without a name, is refused at once."""
    asked = len(wallbox.received_calls)
    for variables in ([], [{"component": "ChargingStation"}], [{"variable": "Model"}]):
        with pytest.raises(vol.Invalid):
            await act(name, response=True, variables=variables)
    assert len(wallbox.received_calls) == asked


@pytest.mark.parametrize("name", ["get_variables", "get_sessions"])
async def test_without_a_response(act: Act, name: str) -> None:
    """An action that only reads is for those who take what it reads."""
    with pytest.raises(ServiceValidationError):
        await act(name, **CALLS[name][0])


# Messages and the plug


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ("Heartbeat", "Heartbeat"),
        ("MeterValues", "MeterValues"),
        ("LogStatusNotification", "LogStatusNotification"),
        ("FirmwareStatusNotification", "FirmwareStatusNotification"),
    ],
)
async def test_trigger(
    hass: HomeAssistant,
    site: Site,
    wallbox: SimulatedWallbox,
    act: Act,
    message: str,
    sent: str,
) -> None:
    """The wallbox sends what it was asked for."""
    before = len(wallbox.sent_of(sent))
    await act("trigger_message", message=message)
    await settle(hass, wallbox)
    assert len(wallbox.sent_of(sent)) == before + 1


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("BootNotification", "Rejected"),
        ("StatusNotification", "Rejected"),
        ("TransactionEvent", "Rejected"),
        ("SignV2GCertificate", "NotImplemented"),
    ],
)
async def test_trigger_refused(
    wallbox: SimulatedWallbox, act: Act, message: str, reason: str
) -> None:
    """What a Delta box does not send is an error with its own word."""
    with refused("rejected", reason=reason):
        await act("trigger_message", message=message)


async def test_trigger_unknown(wallbox: SimulatedWallbox, act: Act) -> None:
    """Only messages of OCPP 2.0.1 can be asked for."""
    asked = len(wallbox.received_calls)
    with pytest.raises(vol.Invalid):
        await act("trigger_message", message="Nonsense")
    assert len(wallbox.received_calls) == asked


async def test_unlock(
    hass: HomeAssistant, site: Site, wallbox: SimulatedWallbox, act: Act
) -> None:
    """The plug is let go, but not while a session runs."""
    await act("unlock_connector")
    assert wallbox.calls("UnlockConnector")[-1].payload == {
        "evseId": 1,
        "connectorId": 1,
    }
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    with refused("unlock_failed", reason="OngoingAuthorizedTransaction"):
        await act("unlock_connector")


# Sessions


async def test_sessions(
    hass: HomeAssistant, site: Site, wallbox: SimulatedWallbox, act: Act
) -> None:
    """Sessions are listed when they ended, also while the wallbox is away."""
    none: dict[str, Any] = {"sessions": []}
    assert await act("get_sessions", response=True) == none
    await wallbox.plug_in(Car())
    await settle(hass, wallbox)
    assert await act("get_sessions", response=True) == none
    await wallbox.unplug()
    await settle(hass, wallbox)
    await wallbox.disconnect()
    await site.until("status", "disconnected")
    (session,) = (await act("get_sessions", response=True))["sessions"]
    assert session.keys() == {
        "start",
        "end",
        "energy",
        "duration",
        "id_token",
        "card",
        "stop_reason",
        "cost",
        "solar_share",
    }


# Numbers


@pytest.mark.parametrize("key", ["current_limit", "led_brightness"])
async def test_what_is_no_number(
    hass: HomeAssistant, site: Site, wallbox: SimulatedWallbox, key: str
) -> None:
    """It is refused in words, and nothing is wished or sent."""
    entity_id = site.entity_id("number", key)
    before, asked = hass.states.get(entity_id), len(wallbox.received_calls)
    with refused("not_a_number", ServiceValidationError):
        await hass.services.async_call(
            "number",
            "set_value",
            {"entity_id": entity_id, "value": "nan"},
            blocking=True,
        )
    await settle(hass, wallbox)
    assert hass.states.get(entity_id) == before
    assert len(wallbox.received_calls) == asked


async def test_a_period_without_a_number(wallbox: SimulatedWallbox, act: Act) -> None:
    """A limit over time that is no number is refused as well."""
    with pytest.raises(vol.Invalid):
        await act("set_charging_profile", periods=periods((0, float("nan"))))
