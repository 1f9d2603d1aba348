"""The poller: what it reads, that it lets go, what it logs.

Between it and the simulated BMS all is real: Home Assistant's Bluetooth, the connector
that tries again, aiobmsble.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from datetime import timedelta
import logging

from bleak.backends.device import BLEDevice
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.bmw_wallbox_victron import bms as bms_module
from custom_components.bmw_wallbox_victron.bms import (
    POLL_INTERVAL,
    BmsPoller,
    async_load_model,
)
from custom_components.bmw_wallbox_victron.bms_model import BmsValues
from custom_components.bmw_wallbox_victron.readings import Value
from custom_components.bmw_wallbox_victron.site_problems import SiteProblems
from simulators.bms import Battery, BmsRadio, Fault, Jbd, SimulatedBms

from ..kit.bms import SAYS_MORE

OUR_LOGGERS = (bms_module.__name__, SiteProblems.__module__, "aiobmsble")
EXPECTED = {
    "voltage": 13.28,
    "current": -4.2,
    "power": -55.78,
    "soc": 76,
    "remaining_ah": 114.0,
    "time_to_go": 1629,  # 114 Ah at 4.2 A
    "cycles": 41,
    "cell_voltage_min": 3.316,
    "cell_voltage_max": 3.324,
    "cell_voltage_delta": 0.008,
    "charge_enabled": True,
    "discharge_enabled": True,
    "cell_voltage_1": 3.319,
    "cell_voltage_2": 3.321,
    "cell_voltage_3": 3.324,
    "cell_voltage_4": 3.316,
    "temperature": 18.0,
    "temperature_1": 18.0,
    "temperature_2": 19.0,
    "capacity_ah": 150,
    "balancer": False,
    "problem": False,
    "problem_code": 0,
}


class Owner:
    """Owns a poller, and hears what it says."""

    def __init__(
        self,
        hass: HomeAssistant,
        freezer: FrozenDateTimeFactory,
        address: str,
        model: str,
    ) -> None:
        self.hass = hass
        self.poller = BmsPoller(
            hass,
            address,
            model,
            name="House battery",
            problems=SiteProblems(hass),
            on_model=lambda: None,
            on_values=self.hear,
        )
        self.heard: list[tuple[BmsValues, int | None]] = []
        self.took = 0.0
        """How long the last poll went on, s."""
        self._freezer = freezer

    def hear(self, values: BmsValues, rssi: int | None) -> None:
        self.heard.append((values, rssi))

    @property
    def values(self) -> BmsValues:
        return self.heard[-1][0]

    async def start(self) -> None:
        """Start, and let the first poll end."""
        self.poller.async_start()
        await self.settle()

    async def settle(self) -> None:
        """Let a poll that runs come to its end, as much time as that takes."""
        await self.hass.async_block_till_done()
        started = self._freezer.time_to_freeze
        while (task := self.poller._task) is not None and not task.done():
            for _ in range(20):
                await asyncio.sleep(0)
            self._freezer.tick(timedelta(seconds=0.1))
        self.took = (self._freezer.time_to_freeze - started).total_seconds()
        await self.hass.async_block_till_done()

    def advance(self, seconds: float = POLL_INTERVAL.total_seconds()) -> None:
        """Let time pass."""
        self._freezer.tick(timedelta(seconds=seconds))
        async_fire_time_changed(self.hass)

    async def poll(self, times: int = 1) -> None:
        """Let so many polls happen."""
        for _ in range(times):
            self.advance()
            await self.settle()


type MakeOwner = Callable[..., Awaitable[Owner]]


@pytest.fixture
async def make_owner(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, radio: BmsRadio
) -> AsyncGenerator[MakeOwner]:
    """Make owners of pollers, which stop when the test ends."""
    made: list[Owner] = []

    async def make(device: SimulatedBms, model: str = "jbd_bms") -> Owner:
        # Once it is loaded, a poller has it at once.
        assert await async_load_model(hass, model) is not None
        owner = Owner(hass, freezer, device.address, model)
        made.append(owner)
        return owner

    yield make
    for owner in made:
        await owner.poller.async_stop()


async def until(condition: Callable[[], object]) -> None:
    """Let everything run until something is so."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never is")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give what we, or the library in our name, logged above DEBUG."""
    return [
        record.message
        for record in caplog.records
        if record.name.startswith(OUR_LOGGERS) and record.levelno > logging.DEBUG
    ]


@pytest.mark.parametrize(
    ("kind", "model", "others"),
    [
        ("jbd", "jbd_bms", {"battery_health": None, "heater": None}),
        (
            "humsienk",
            "humsienk_bms",
            {f"temperature_{probe}": 19 for probe in range(3, 7)}
            | {
                "battery_health": 100,
                "heater": False if SAYS_MORE else None,
                # Its first probe was taken for that of its switches.
                "temperature": 18 if SAYS_MORE else 19,
            },
        ),
    ],
)
async def test_values_arrive(
    request: pytest.FixtureRequest,
    make_owner: MakeOwner,
    radio: BmsRadio,
    kind: str,
    model: str,
    others: Mapping[str, Value],
) -> None:
    device: SimulatedBms = request.getfixturevalue(kind)
    radio.hear(device, rssi=-71)
    owner = await make_owner(device, model)
    await owner.start()
    assert owner.heard == [({**EXPECTED, **others}, -71)]
    assert (device.opened, device.open_now) == (1, 0)


async def test_every_twenty_seconds_and_released_in_between(
    make_owner: MakeOwner,
    radio: BmsRadio,
    jbd: SimulatedBms,
    caplog: pytest.LogCaptureFixture,
) -> None:
    radio.hear(jbd)
    owner = await make_owner(jbd)
    await owner.start()
    for polls in range(2, 6):
        owner.advance(19)
        await owner.settle()
        assert jbd.opened == polls - 1
        jbd.battery = Battery(current=float(polls))
        owner.advance(1)
        await owner.settle()
        assert (jbd.opened, jbd.open_now) == (polls, 0)
        assert owner.values["current"] == polls
        assert owner.values["time_to_go"] is None
    assert jbd.refused == 0
    assert lines(caplog) == []


async def test_one_connection_at_a_time(
    make_owner: MakeOwner, radio: BmsRadio, jbd: SimulatedBms
) -> None:
    jbd.delay_s = 1e9
    radio.hear(jbd)
    owner = await make_owner(jbd)
    owner.poller.async_start()
    await until(lambda: jbd.requests)
    owner.advance()
    radio.hear(jbd)
    await asyncio.sleep(0)
    assert (jbd.opened, jbd.open_now, jbd.refused) == (1, 1, 0)
    await owner.poller.async_stop()
    assert jbd.open_now == 0


async def test_busy_and_free_again(
    make_owner: MakeOwner,
    radio: BmsRadio,
    jbd: SimulatedBms,
    caplog: pytest.LogCaptureFixture,
) -> None:
    jbd.fault = Fault.BUSY
    radio.hear(jbd)
    owner = await make_owner(jbd)
    await owner.start()
    await owner.poll()
    assert lines(caplog) == []  # it happens now and then
    await owner.poll(5)
    assert owner.heard == []
    assert jbd.opened == 0
    assert jbd.refused >= 7
    (line,) = lines(caplog)
    assert "close its app" in line
    jbd.fault = None
    await owner.poll(3)
    assert len(owner.heard) == 3
    assert jbd.open_now == 0
    (_, line) = lines(caplog)
    assert "answers again" in line


async def test_a_lost_poll_is_not_worth_a_line(
    make_owner: MakeOwner,
    radio: BmsRadio,
    jbd: SimulatedBms,
    caplog: pytest.LogCaptureFixture,
) -> None:
    radio.hear(jbd)
    owner = await make_owner(jbd)
    await owner.start()
    for fault in (Fault.BUSY, Fault.DROPS, Fault.GARBAGE, Fault.SILENT):
        jbd.fault = fault
        await owner.poll(2)
        jbd.fault = None
        await owner.poll()
    assert len(owner.heard) == 5
    assert jbd.open_now == 0
    assert lines(caplog) == []


@pytest.mark.parametrize("good", [1, 2])
async def test_one_that_comes_and_goes_has_one_fault(
    make_owner: MakeOwner,
    radio: BmsRadio,
    jbd: SimulatedBms,
    caplog: pytest.LogCaptureFixture,
    good: int,
) -> None:
    """It is over when three polls in a row are good, however many fail before."""
    radio.hear(jbd)
    owner = await make_owner(jbd)
    await owner.start()
    for _ in range(5):
        jbd.fault = Fault.BUSY
        await owner.poll(3)
        jbd.fault = None
        await owner.poll(good)
    jbd.fault = Fault.BUSY
    await owner.poll()
    jbd.fault = None
    await owner.poll(2)
    (line,) = lines(caplog)
    assert "close its app" in line
    await owner.poll()
    (_, line) = lines(caplog)
    assert "answers again" in line


async def test_what_the_library_logs_is_there_to_debug(
    make_owner: MakeOwner,
    radio: BmsRadio,
    jbd: SimulatedBms,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, bms_module.__name__)
    jbd.fault = Fault.BUSY
    radio.hear(jbd)
    owner = await make_owner(jbd)
    await owner.start()
    assert "failed to initialize BMS connection" in caplog.text
    assert lines(caplog) == []


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.SILENT, Fault.DROPS])
@pytest.mark.parametrize(
    ("kind", "model"), [("jbd", "jbd_bms"), ("humsienk", "humsienk_bms")]
)
async def test_a_bad_answer_gives_no_value(
    request: pytest.FixtureRequest,
    make_owner: MakeOwner,
    radio: BmsRadio,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    model: str,
    fault: Fault,
) -> None:
    device: SimulatedBms = request.getfixturevalue(kind)
    device.fault = fault
    radio.hear(device)
    owner = await make_owner(device, model)
    await owner.start()
    await owner.poll(3)
    assert owner.heard == []
    assert (device.opened, device.open_now) == (4, 0)
    (line,) = lines(caplog)
    assert "check that the model is the right one" in line


async def test_another_model_gives_no_value(
    make_owner: MakeOwner,
    radio: BmsRadio,
    jbd: SimulatedBms,
    caplog: pytest.LogCaptureFixture,
) -> None:
    radio.hear(jbd)
    owner = await make_owner(jbd, "humsienk_bms")
    await owner.start()
    await owner.poll(2)
    assert owner.heard == []
    assert (jbd.opened, jbd.open_now) == (3, 0)
    (line,) = lines(caplog)
    assert "check that the model is the right one" in line


@pytest.mark.parametrize(
    "battery",
    [Battery(voltage=0.0), Battery(voltage=320.0), Battery(soc=101)],
    ids=["no voltage", "320 V", "101 %"],
)
async def test_what_no_battery_can_be_is_refused(
    make_owner: MakeOwner,
    radio: BmsRadio,
    jbd: SimulatedBms,
    caplog: pytest.LogCaptureFixture,
    battery: Battery,
) -> None:
    radio.hear(jbd)
    owner = await make_owner(jbd)
    await owner.start()
    jbd.battery = battery
    await owner.poll(3)
    assert len(owner.heard) == 1
    (line,) = lines(caplog)
    assert "no battery" in line


async def test_a_bug_of_a_model_is_a_failed_poll(
    make_owner: MakeOwner,
    radio: BmsRadio,
    jbd: SimulatedBms,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(_: object) -> None:
        raise KeyError(7)

    radio.hear(jbd)
    owner = await make_owner(jbd)
    with monkeypatch.context() as patch:
        patch.setattr("aiobmsble.bms.jbd_bms.BMS._async_update", fail)
        await owner.start()
    assert owner.heard == []
    assert (jbd.opened, jbd.open_now) == (1, 0)
    await owner.poll()
    assert len(owner.heard) == 1


@pytest.mark.parametrize(
    ("fault", "delay_s", "opened", "advice"),
    [
        (Fault.STUCK, 0, 0, "close its app"),
        (None, 1e9, 3, "takes the connection but gives no answer"),
    ],
)
async def test_a_poll_ends_in_time(
    make_owner: MakeOwner,
    radio: BmsRadio,
    jbd: SimulatedBms,
    caplog: pytest.LogCaptureFixture,
    fault: Fault | None,
    delay_s: float,
    opened: int,
    advice: str,
) -> None:
    jbd.fault, jbd.delay_s = fault, delay_s
    radio.hear(jbd)
    owner = await make_owner(jbd)
    await owner.start()
    assert owner.took == pytest.approx(30, abs=1)
    await owner.poll(2)
    assert (jbd.opened, jbd.open_now) == (opened, 0)
    (line,) = lines(caplog)
    assert advice in line
    assert "timed out after" in line


@pytest.mark.parametrize("fault", [Fault.STUCK, Fault.SILENT])
async def test_stopping_lets_go(
    make_owner: MakeOwner,
    radio: BmsRadio,
    jbd: SimulatedBms,
    fault: Fault,
) -> None:
    jbd.fault = fault
    radio.hear(jbd)
    owner = await make_owner(jbd)
    owner.poller.async_start()
    if fault is Fault.SILENT:
        await until(lambda: jbd.requests)
        assert jbd.open_now == 1
    await owner.poller.async_stop()
    assert jbd.open_now == 0
    jbd.fault = None
    opened = jbd.opened
    await owner.poll(3)
    radio.hear(jbd)
    await owner.settle()
    assert jbd.opened == opened
    assert owner.heard == []


async def test_stopping_waits_for_a_slow_hang_up(
    make_owner: MakeOwner, radio: BmsRadio, jbd: SimulatedBms
) -> None:
    jbd.fault, jbd.hang_up_s = Fault.SILENT, 3
    radio.hear(jbd)
    owner = await make_owner(jbd)
    owner.poller.async_start()
    await until(lambda: jbd.requests)
    stops = [asyncio.create_task(owner.poller.async_stop()) for _ in range(2)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert jbd.open_now == 1
    # And is not cut short by who cannot wait for it.
    assert owner.poller._task is not None
    owner.poller._task.cancel()
    await owner.settle()
    await asyncio.gather(*stops)
    assert 2 < owner.took < 4
    assert jbd.open_now == 0


async def test_hanging_up_is_tried_again(
    make_owner: MakeOwner,
    radio: BmsRadio,
    jbd: SimulatedBms,
    caplog: pytest.LogCaptureFixture,
) -> None:
    jbd.clings = 1
    radio.hear(jbd)
    owner = await make_owner(jbd)
    await owner.start()
    assert (jbd.opened, jbd.open_now, jbd.clings) == (1, 0, 0)
    await owner.poll()
    assert len(owner.heard) == 2
    assert lines(caplog) == []


async def test_a_hang_up_that_fails_does_not_end_the_polls(
    make_owner: MakeOwner,
    radio: BmsRadio,
    jbd: SimulatedBms,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(_: object, reset: bool = False) -> None:
        raise RuntimeError

    radio.hear(jbd)
    owner = await make_owner(jbd)
    with monkeypatch.context() as patch:
        patch.setattr("aiobmsble.basebms.BaseBMS.disconnect", fail)
        await owner.start()
        assert (len(owner.heard), jbd.open_now) == (1, 1)
    await owner.poll()
    assert len(owner.heard) == 2
    assert jbd.open_now == 0


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.SILENT])
async def test_one_that_fails_often_is_reset(
    make_owner: MakeOwner,
    radio: BmsRadio,
    jbd: SimulatedBms,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
) -> None:
    """The Bluetooth stack may hold a connection that nobody has."""
    resets: list[str] = []

    async def close_stale_connections(device: BLEDevice, **_: object) -> None:
        resets.append(device.address)

    monkeypatch.setattr(
        "aiobmsble.basebms.close_stale_connections", close_stale_connections
    )
    jbd.fault = fault
    radio.hear(jbd)
    owner = await make_owner(jbd)
    await owner.start()
    await owner.poll()
    assert resets == []
    await owner.poll()
    assert resets == [jbd.address]
    await owner.poll()
    assert len(resets) == 2
    jbd.fault = None
    await owner.poll(3)
    assert len(resets) == 2
    assert len(owner.heard) == 3


async def test_what_it_is_is_read_once(
    make_owner: MakeOwner, radio: BmsRadio, jbd: SimulatedBms
) -> None:
    radio.hear(jbd)
    owner = await make_owner(jbd)
    await owner.start()
    assert dict(owner.poller.device_info) == {
        "manufacturer": "Jiabaida",
        "model": "smart BMS",
        **({"sw_version": "8.0"} if SAYS_MORE else {}),
        "hw_version": "JBD-SP04S034",
    }
    asked = len(jbd.requests)
    await owner.poll(3)
    assert len(jbd.requests) == asked + 3 * 2
    assert (jbd.opened, jbd.open_now) == (4, 0)


async def test_one_that_does_not_tell_what_it_is(
    make_owner: MakeOwner,
    radio: BmsRadio,
    jbd: SimulatedBms,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is asked three times, and its values count."""
    asked = 0

    async def fail(_: object) -> None:
        nonlocal asked
        asked += 1
        raise ValueError("BMS data incomplete.")

    monkeypatch.setattr("aiobmsble.bms.jbd_bms.BMS._fetch_device_info", fail)
    radio.hear(jbd)
    owner = await make_owner(jbd)
    await owner.start()
    await owner.poll(4)
    assert asked == 3
    assert len(owner.heard) == 5
    assert (jbd.open_now, lines(caplog)) == (0, [])


@pytest.mark.parametrize("packs", [2, 4])
async def test_several_are_polled_one_after_the_other(
    make_owner: MakeOwner, radio: BmsRadio, packs: int
) -> None:
    """They share an adapter's few connections: 5 s lie between the polls of two."""
    batteries = [SimulatedBms(Jbd(), f"A4:C1:37:00:11:{n:02X}") for n in range(packs)]
    for battery in batteries:
        radio.hear(battery)
    owners = [await make_owner(battery) for battery in batteries]
    for owner in owners:
        owner.poller.async_start()
    for owner in owners:
        await owner.settle()
    for turn in range(1, 3):
        for now in range(4):
            opened = [battery.opened for battery in batteries]
            expected = [turn if n <= now else turn - 1 for n in range(packs)]
            assert opened == expected
            owners[0].advance(5)
            for owner in owners:
                await owner.settle()


async def test_out_of_reach_is_no_fault(
    make_owner: MakeOwner,
    radio: BmsRadio,
    jbd: SimulatedBms,
    caplog: pytest.LogCaptureFixture,
) -> None:
    owner = await make_owner(jbd)
    await owner.start()
    await owner.poll(5)
    assert jbd.opened == 0
    assert lines(caplog) == []
    radio.hear(jbd)  # and it is polled at once
    await owner.settle()
    assert len(owner.heard) == 1
    radio.hear(jbd)  # not once for each advertisement
    await owner.settle()
    assert len(owner.heard) == 1
    await owner.poll()
    assert len(owner.heard) == 2


async def test_an_unknown_model_is_none(
    hass: HomeAssistant, enable_bluetooth: None
) -> None:
    assert await async_load_model(hass, "future_bms") is None
