"""Rigs: what is wired to a battery, what it says, and what is shown of that."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from unittest import mock

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity import Entity
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
from custom_components.bmw_wallbox_victron.victron.records import Kind
from simulators.bms import Battery, BmsRadio, Fault, Jbd, SimulatedBms

from .kit.battery import SWITCH, shows, tells
from .kit.flows import Form, open_form
from .kit.radio import Radio
from .kit.site import Site
from .kit.time import let_pass
from .kit.victron import GOOD, KEY, model_of

type Say = tuple[Kind, Mapping[str, Any]]
type MakeRig = Callable[["Rig"], Awaitable["Wired"]]

#: What exists because something tells the battery's voltage.
VOLTAGE: Final = {
    "voltage",
    "voltage_change_15m",
    "voltage_mean_15m",
    "charging_detected",
    "charge_detect_min_voltage",
    "charge_detect_min_rise",
    "draining_fast",
    "source",
    "min_voltage",
    "max_voltage",
}
#: Its state of charge.
SOC: Final = {
    "soc",
    "status",
    "summary",
    "battery_low",
    "drain_fast_min_drop",
    "deepest_discharge",
    "average_discharge",
    "last_discharge",
    "last_full",
}
#: Its own current.
CURRENT: Final = {
    "current",
    "power",
    "charging_now",
    "power_source",
    "summary",
    "load_power",
    "load_energy",
    "energy_charged",
    "energy_discharged",
    "discharged_ah",
    "cycles",
    "history_coverage",
}
SHUNT: Final = VOLTAGE | SOC | CURRENT | {"time_to_go", "consumed_ah", "temperature"}
PACK: Final = VOLTAGE | SOC | CURRENT | {"time_to_go", "temperature"}
MAINS: Final = {"mains_present", "mains_energy", "charging_phase", "power_source"}
SUN: Final = {
    "solar_charging",
    "solar_power",
    "solar_energy",
    "charging_phase",
    "power_source",
}
ALTERNATOR: Final = {"alternator_charging", "charging_phase", "power_source"}


@dataclass(frozen=True, kw_only=True)
class Rig:
    """What is wired to a battery, and what is shown once all of it has spoken."""

    says: tuple[Say, ...] = ()
    """What each Victron device says."""
    packs: tuple[Battery, ...] = ()
    """What each JBD measures."""
    options: Mapping[str, Any] = field(default_factory=dict)
    plug: str | None = None
    """The state of the plug; None: there is none."""
    shows: Mapping[str, Any]
    """What sensors show; numbers as such."""
    tells: Mapping[str, str] = field(default_factory=dict)
    """What binary sensors tell."""
    exist: set[str]
    """The keys of all entities of the battery."""


SHUNT_SAYS: Final = GOOD[Kind.BATTERY_MONITOR]
SUN_SAYS: Final = GOOD[Kind.SOLAR_CHARGER]
VE_BUS_SAYS: Final = GOOD[Kind.VE_BUS]
MULTI_RS_SAYS: Final = GOOD[Kind.MULTI_RS]


def shunt(**values: Any) -> Say:
    return Kind.BATTERY_MONITOR, {**SHUNT_SAYS, **values}


def sun(**values: Any) -> Say:
    return Kind.SOLAR_CHARGER, {**SUN_SAYS, **values}


def multiplus(**values: Any) -> Say:
    return Kind.VE_BUS, {**VE_BUS_SAYS, **values}


RIGS: Final[dict[str, Rig]] = {
    "B3: SmartShunt and MultiPlus": Rig(
        says=(
            shunt(voltage=13.5, current=45.0),
            multiplus(
                device_state="bulk",
                battery_voltage=13.5,
                battery_current=45.0,
                active_ac_in_power=700,
                ac_out_power=0,
            ),
        ),
        shows={
            "source": "battery_monitor",
            "current": 45.0,
            "power": 607.5,
            "load_power": 92.5,
            "temperature": 32.0,
            "power_source": "mains",
            "charging_phase": "bulk",
            "summary": "charging",
        },
        tells={"mains_present": "on", "charging_now": "on", "draining_fast": "off"},
        exist=SHUNT | MAINS | {"problem"},
    ),
    "B4: JBD and sun, at noon": Rig(
        says=(sun(charge_state="bulk", pv_power=280, battery_current=20.0),),
        packs=(Battery(current=20.0),),
        shows={
            "source": "bms",
            "voltage": 13.28,
            "current": 20.0,
            "soc": 76.0,
            "temperature": 18.0,
            "solar_power": 280.0,
            "power_source": "solar",
            "charging_phase": "bulk",
            "summary": "charging",
        },
        tells={"charging_now": "on", "solar_charging": "on", "problem": "off"},
        exist=PACK | SUN | {"problem"},
    ),
    "B4: at night": Rig(
        says=(sun(charge_state="off", pv_power=0, battery_current=0.0),),
        packs=(Battery(current=-8.0),),
        shows={
            "current": -8.0,
            "power_source": "battery",
            "charging_phase": "off",
            "solar_power": 0.0,
            "load_power": 106.24,
            "time_to_go": 855.0,
        },
        tells={"charging_now": "off", "solar_charging": "off"},
        exist=PACK | SUN | {"problem"},
    ),
    "B6: plug off, a booster that does not talk": Rig(
        says=(shunt(voltage=13.9, current=20.0),),
        plug="off",
        shows={"power_source": "other", "summary": "charging"},
        tells={"mains_present": "off", "charging_now": "on"},
        exist=SHUNT | {"mains_present", "problem"},
    ),
    "B7: two JBDs": Rig(
        packs=(
            Battery(
                voltage=13.2, current=-20.0, soc=80, remaining_ah=80, capacity_ah=100
            ),
            Battery(
                voltage=13.3, current=-20.0, soc=50, remaining_ah=100, capacity_ah=200
            ),
        ),
        shows={
            "source": "bms",
            "voltage": 13.25,
            "current": -40.0,
            "power": -530.0,
            "soc": 60.0,
            "time_to_go": 270.0,
            "power_source": "battery",
        },
        tells={"charging_now": "off", "problem": "off"},
        exist=PACK | {"problem"},
    ),
    "B16: sun and Orion-Tr": Rig(
        says=(
            sun(battery_voltage=13.2),
            (
                Kind.DC_DC_CONVERTER,
                {
                    "charge_state": "off",
                    "charger_error": "no_error",
                    "input_voltage": 12.4,
                    "output_voltage": 0.0,
                },
            ),
        ),
        shows={
            "source": "other",
            "voltage": 13.2,
            "solar_power": 70.0,
            "power_source": "solar",
        },
        tells={"solar_charging": "on", "alternator_charging": "off"},
        exist=VOLTAGE | SUN | ALTERNATOR,
    ),
    "B16: Battery Sense": Rig(
        says=((Kind.BATTERY_SENSE, GOOD[Kind.BATTERY_SENSE]),),
        shows={"source": "other", "voltage": 12.9, "temperature": 21.85},
        exist=VOLTAGE | {"temperature"},
    ),
    "B16: Smart Lithium": Rig(
        says=((Kind.SMART_LITHIUM, GOOD[Kind.SMART_LITHIUM]),),
        shows={"source": "other", "voltage": 13.2, "temperature": 20.0},
        exist=VOLTAGE | {"temperature"},
    ),
    "24 V lead with SmartShunt": Rig(
        says=(shunt(voltage=25.1, current=-10.0, soc=28.0, starter_voltage=25.0),),
        options={"chemistry": "lead"},
        shows={
            "voltage": 25.1,
            "power": -251.0,
            "status": "low",
            "summary": "attention",
            "load_power": 251.0,
        },
        tells={"battery_low": "on", "charging_now": "off"},
        exist=SHUNT | {"problem"},
    ),
    "48 V Multi RS": Rig(
        says=(
            (
                Kind.MULTI_RS,
                {
                    **MULTI_RS_SAYS,
                    "device_state": "bulk",
                    "battery_voltage": 53.0,
                    "battery_current": 30.0,
                    "active_ac_in": "ac_in_1",
                    "active_ac_in_power": 1500,
                    "ac_out_power": 200,
                    "pv_power": 400,
                },
            ),
        ),
        shows={
            "source": "inverter_charger",
            "voltage": 53.0,
            "current": 30.0,
            "power": 1590.0,
            "solar_power": 400.0,
            "load_power": 310.0,
            "power_source": "mains",
            "charging_phase": "bulk",
        },
        tells={"mains_present": "on", "charging_now": "on"},
        exist=VOLTAGE | CURRENT | MAINS | {"solar_power", "solar_energy"},
    ),
    "two JBDs and sun": Rig(
        says=(sun(charge_state="absorption", pv_power=420, battery_current=30.0),),
        packs=(
            Battery(current=10.0, soc=90, remaining_ah=90, capacity_ah=100),
            Battery(current=14.0, soc=80, remaining_ah=80, capacity_ah=100),
        ),
        shows={
            "current": 24.0,
            "soc": 85.0,
            "power": 318.72,
            "load_power": 101.28,
            "charging_phase": "absorption",
            "power_source": "solar",
            "time_to_go": "unknown",
        },
        tells={"charging_now": "on"},
        exist=PACK | SUN | {"problem"},
    ),
    "MultiPlus without a shunt, no shore power": Rig(
        says=(
            multiplus(
                device_state="inverting",
                battery_voltage=12.6,
                battery_current=-25.0,
                soc=64.0,
                active_ac_in="not_connected",
                active_ac_in_power=0,
                ac_out_power=280,
            ),
        ),
        shows={
            "source": "inverter_charger",
            "voltage": 12.6,
            "current": -25.0,
            "power": -315.0,
            "soc": 64.0,
            "temperature": 32.0,
            "power_source": "battery",
            "charging_phase": "off",
            "status": "good",
        },
        tells={"mains_present": "off", "charging_now": "off"},
        exist=VOLTAGE | SOC | CURRENT | MAINS | {"temperature"},
    ),
    "Orion XS and sun": Rig(
        says=(
            sun(charge_state="off", pv_power=0, battery_current=0.0),
            (Kind.ORION_XS, GOOD[Kind.ORION_XS]),
        ),
        shows={
            "source": "other",
            "voltage": 13.2,
            "power_source": "alternator",
            "charging_phase": "bulk",
        },
        tells={"alternator_charging": "on", "solar_charging": "off"},
        exist=VOLTAGE | SUN | ALTERNATOR | {"alternator_energy"},
    ),
    "a DC energy meter as alternator": Rig(
        says=(
            shunt(voltage=13.6, current=18.0),
            (
                Kind.DC_ENERGY_METER,
                {"monitor_mode": "alternator", "voltage": 13.7, "current": 25.0},
            ),
        ),
        shows={
            "voltage": 13.6,
            "power_source": "alternator",
            "load_power": 97.7,
            "charging_phase": "unknown",
        },
        tells={"alternator_charging": "on", "charging_now": "on"},
        exist=SHUNT | ALTERNATOR | {"alternator_energy", "problem"},
    ),
}


@dataclass
class Wired:
    """A rig that is set up and listened to."""

    hass: HomeAssistant
    freezer: FrozenDateTimeFactory
    radio: Radio
    site: Site
    packs: list[SimulatedBms]

    async def hear(self, *says: Say) -> None:
        """Hear all Victron devices; a leap counts with the next advertisement."""
        for _ in range(2):
            for number, (kind, values) in enumerate(says):
                self.radio.say(
                    kind, dict(values), address(number), model_id=model_of(kind)
                )
            await self.wait(2)

    async def wait(self, seconds: float) -> None:
        """Let time pass; packs answer within it, one after the other."""
        await let_pass(self.hass, self.freezer, seconds)
        if self.packs:
            # A refused connection is tried again within a second.
            for _ in range(20):
                self.freezer.tick(0.05)
                await self.hass.async_block_till_done()
        await self.hass.async_block_till_done(wait_background_tasks=True)

    def keys(self) -> set[str]:
        """Return the keys of the battery's entities."""
        found = er.async_entries_for_config_entry(
            er.async_get(self.hass), self.site.entry.entry_id
        )
        return {
            each.unique_id.removeprefix("battery_")
            for each in found
            if each.unique_id.startswith("battery_")
        }

    def shown(self, key: str) -> Any:
        """Return a sensor's state: a number if it is one."""
        state: str = shows(self.site, key)
        try:
            return float(state)
        except ValueError:
            return state


def address(number: int) -> str:
    return f"F8:5C:00:00:00:{number + 1:02X}"


def pack_address(number: int) -> str:
    return f"A4:C1:37:00:11:{number + 1:02X}"


def subentry(kind: str, title: str, **data: Any) -> ConfigSubentryData:
    return ConfigSubentryData(
        subentry_type=kind, title=title, data=data, unique_id=data["address"]
    )


@pytest.fixture(autouse=True)
def _all_on() -> Iterator[None]:
    """Have all entities that are off by default."""
    with mock.patch.object(Entity, "entity_registry_enabled_default", new=True):
        yield


@pytest.fixture
async def make_rig(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    proxy: BmsRadio,
    radio: Radio,
) -> AsyncGenerator[MakeRig]:
    """Wire a rig up, and let all of it speak."""
    made: list[MockConfigEntry] = []

    async def make(rig: Rig) -> Wired:
        plug = {} if rig.plug is None else {"mains_switch": SWITCH}
        if rig.plug is not None:
            hass.states.async_set(SWITCH, rig.plug)
        entry = MockConfigEntry(
            domain=DOMAIN,
            title=NAME,
            unique_id=DOMAIN,
            data={},
            options={**plug, **rig.options},
            subentries_data=[
                *(
                    subentry(
                        "victron_device",
                        f"Victron {number + 1}",
                        address=address(number),
                        encryption_key=KEY.hex(),
                    )
                    for number in range(len(rig.says))
                ),
                *(
                    subentry(
                        "bms",
                        f"Pack {number + 1}",
                        address=pack_address(number),
                        model="jbd_bms",
                    )
                    for number in range(len(rig.packs))
                ),
            ],
        )
        entry.add_to_hass(hass)
        made.append(entry)
        packs = [
            SimulatedBms(Jbd(), pack_address(number), battery)
            for number, battery in enumerate(rig.packs)
        ]
        for pack in packs:
            proxy.hear(pack)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done(wait_background_tasks=True)
        wired = Wired(hass, freezer, radio, Site(hass, entry), packs)
        for _ in packs:
            await wired.wait(20)
        await wired.hear(*rig.says)
        return wired

    yield make
    for entry in made:
        await hass.async_block_till_done(wait_background_tasks=True)
        await hass.config_entries.async_unload(entry.entry_id)
        await hass.async_block_till_done()


@pytest.mark.parametrize("rig", RIGS.values(), ids=list(RIGS))
async def test_a_rig(make_rig: MakeRig, rig: Rig) -> None:
    wired = await make_rig(rig)
    shown = {key: wired.shown(key) for key in rig.shows}
    assert shown == {
        key: pytest.approx(value) if isinstance(value, float) else value
        for key, value in rig.shows.items()
    }
    assert {key: tells(wired.site, key) for key in rig.tells} == rig.tells
    assert wired.keys() == rig.exist


async def test_b2_from_absorption_to_float_drains_nothing(make_rig: MakeRig) -> None:
    """At noon a full battery's voltage falls by 0.7 V, and it still is charged."""
    full = {"soc": 100.0, "consumed_ah": 0.0, "time_to_go": None}

    def now(volts: float, amperes: float, phase: str) -> tuple[Say, Say]:
        return (
            shunt(voltage=volts, current=amperes, **full),
            sun(battery_voltage=volts, charge_state=phase, pv_power=40),
        )

    wired = await make_rig(
        Rig(
            says=now(14.2, 4.0, "absorption"),
            options={"chemistry": "lifepo4"},
            shows={},
            exist=set(),
        )
    )
    for _ in range(10):
        await wired.wait(60)
        await wired.hear(*now(14.2, 4.0, "absorption"))
    for _ in range(22):
        await wired.wait(60)
        await wired.hear(*now(13.5, 0.4, "float"))
        assert tells(wired.site, "draining_fast") == "off"
        assert tells(wired.site, "charging_now") == "on"
    assert wired.shown("charging_phase") == "float"
    assert wired.shown("power_source") == "solar"


async def test_b5_a_battery_that_recovers_is_not_charged(make_rig: MakeRig) -> None:
    """After 100 A for 8 min its voltage rises at rest, and the shunt says -3 A."""
    rig = Rig(
        says=(shunt(voltage=13.3, current=-3.0),),
        options={"chemistry": "lifepo4"},
        shows={},
        exist=set(),
    )
    wired = await make_rig(rig)
    for volts, amperes, minutes in ((12.8, -100.0, 8), (13.32, -3.0, 13)):
        for _ in range(minutes):
            await wired.hear(shunt(voltage=volts, current=amperes))
            await wired.wait(56)
            assert tells(wired.site, "charging_detected") == "off"
    assert wired.shown("voltage_change_15m") > 0.15


async def test_b7_a_pack_falls_silent(hass: HomeAssistant, make_rig: MakeRig) -> None:
    """Sums and SoC are unknown, voltage goes on, and the pack is named."""
    rig = RIGS["B7: two JBDs"]
    charger = (
        Kind.AC_CHARGER,
        {**GOOD[Kind.AC_CHARGER], "charge_state": "bulk", "output_current_1": 12.0},
    )
    wired = await make_rig(
        Rig(
            says=(charger,),
            packs=rig.packs,
            options={"freshness_timeout": 60},
            shows={},
            exist=set(),
        )
    )
    entity_id = wired.site.entity_id("binary_sensor", "problem", "battery")

    def problem() -> tuple[str, list[str]]:
        state = hass.states.get(entity_id)
        assert state is not None
        return state.state, state.attributes["silent"]

    assert wired.shown("current") == -40.0
    assert problem() == ("off", [])
    wired.packs[1].fault = Fault.BUSY
    for _ in range(5):
        await wired.wait(20)
        await wired.hear(charger)
    for key in ("current", "power", "soc", "time_to_go", "status"):
        assert wired.shown(key) == "unknown", key
    assert (wired.shown("source"), wired.shown("voltage")) == ("bms", 13.2)
    assert wired.shown("temperature") == 18.0
    assert tells(wired.site, "charging_now") == "unknown"
    assert problem() == ("off", [])
    for _ in range(7):
        await wired.wait(20)
        await wired.hear(charger)
    assert problem() == ("on", ["Pack 2"])
    wired.packs[1].fault = None
    for _ in range(4):
        await wired.wait(20)
    assert problem() == ("off", [])
    assert wired.shown("current") == -40.0


async def test_a_pack_is_taken_out(hass: HomeAssistant, make_rig: MakeRig) -> None:
    """The bank's state of charge leaps from 60 to 50 %, and nothing drains it."""
    wired = await make_rig(Rig(packs=RIGS["B7: two JBDs"].packs, shows={}, exist=set()))
    assert wired.shown("soc") == 60.0
    first = next(iter(wired.site.entry.subentries))
    hass.config_entries.async_remove_subentry(wired.site.entry, first)
    await hass.async_block_till_done(wait_background_tasks=True)
    for _ in range(20):
        await wired.wait(20)
    assert (wired.shown("soc"), wired.shown("current")) == (50.0, -20.0)
    assert tells(wired.site, "draining_fast") == "off"


# The options of the battery


async def open_battery(wired: Wired) -> tuple[str, Form]:
    return await open_form(wired.hass, wired.site.entry, "battery")


async def save(wired: Wired, **changes: Any) -> None:
    """Change something in the battery's form, and save it."""
    flow_id, shown = await open_battery(wired)
    result = await wired.hass.config_entries.options.async_configure(
        flow_id, shown | changes
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await wired.hass.async_block_till_done(wait_background_tasks=True)


async def test_options_of_one_monitor(make_rig: MakeRig) -> None:
    """Nothing was set: the defaults of any battery, and no question about packs."""
    wired = await make_rig(Rig(says=(shunt(),), shows={}, exist=set()))
    _, shown = await open_battery(wired)
    assert shown == {"nominal_voltage": "auto", "chemistry": "unknown"}
    await save(wired, nominal_voltage="24", chemistry="lead", capacity_ah=220.0)
    stored = wired.site.entry.options
    assert stored == {
        "nominal_voltage": "24",
        "chemistry": "lead",
        "capacity_ah": 220,
    }
    assert type(stored["capacity_ah"]) is int
    _, shown = await open_battery(wired)
    assert shown == stored


async def test_options_of_two_monitors_and_two_packs(make_rig: MakeRig) -> None:
    wired = await make_rig(
        Rig(
            says=(shunt(voltage=12.9), shunt(voltage=12.4)),
            packs=RIGS["B7: two JBDs"].packs,
            shows={},
            exist=set(),
        )
    )
    _, shown = await open_battery(wired)
    assert shown == {
        "nominal_voltage": "auto",
        "chemistry": "unknown",
        "main_monitor": address(0),
        "bms_bank": "parallel",
        "main_bms": pack_address(0),
    }
    assert wired.shown("voltage") == 12.9
    await save(wired, main_monitor=address(1))
    await wired.hear(shunt(voltage=12.9), shunt(voltage=12.4))
    assert wired.site.entry.options["main_monitor"] == address(1)
    assert wired.shown("voltage") == 12.4


async def test_one_pack_that_counts(make_rig: MakeRig) -> None:
    """The other one is no part of the sums; and back again."""
    wired = await make_rig(RIGS["B7: two JBDs"])
    await save(wired, bms_bank="main", main_bms=pack_address(1))
    await wired.wait(20)
    assert [wired.shown(key) for key in ("current", "soc", "voltage")] == [
        -20.0,
        50.0,
        13.3,
    ]
    await save(wired, bms_bank="parallel")
    await wired.wait(20)
    assert [wired.shown(key) for key in ("current", "soc")] == [-40.0, 60.0]


@pytest.mark.parametrize(
    ("nominal", "detected"), [("12", "on"), ("24", "off"), ("auto", "on")]
)
async def test_a_nominal_voltage_scales_the_rules(
    make_rig: MakeRig, nominal: str, detected: str
) -> None:
    """13.2 V, and 13.6 V after a minute: charging at 12 V, at 24 V nothing is."""

    def sense(volts: float) -> Say:
        return Kind.BATTERY_SENSE, {"voltage": volts, "temperature": 20.0}

    wired = await make_rig(
        Rig(
            says=(sense(13.2),),
            options={"nominal_voltage": nominal},
            shows={},
            exist=set(),
        )
    )
    for _ in range(8):
        await wired.wait(60)
        await wired.hear(sense(13.6))
    assert tells(wired.site, "charging_detected") == detected
