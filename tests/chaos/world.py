"""A simulated day, and what must hold at every moment of it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import logging
import math
import ssl
from typing import Any, Final

from websockets.exceptions import InvalidHandshake

from simulators import pki
from simulators.wallbox import (
    CallFailed,
    Car,
    HalfOpen,
    Quirks,
    RegisterRestarts,
    SimulatedWallbox,
)
from simulators.wallbox.records import Payload
from simulators.wallbox.state import Transaction

from .script import DAY_S, Day, Step
from .site import CHARGE_POINT_ID, MAX_CURRENT, Site
from .virtual_time import VirtualLoop

_START: Final = datetime(2026, 3, 1, tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: A car may draw this much more than it is allowed before anybody minds, A.
_TOLERANCE_A: Final = 1.0
#: How long a limit may take on a box that answers at once: our pace, and the car's 5 s.
_ANSWER_S: Final = 10.0
#: How long until another way is taken, where a box accepts the first and ignores it, s.
_ANOTHER_WAY_S: Final = 25.0
#: How long a measured excess may go unseen, s; steps are a second long.
_UNSEEN_S: Final = 12.0
#: How long live readings may be wrong after something happened, s.
_LIVE_S: Final = 35.0
#: A call that gets no answer is waited for so long, s; another may wait behind it.
_CALL_S: Final = 31.0
#: A press may take so long before it says what is wrong, s.
_PRESS_S: Final = 130.0
#: After something happened, each second counts for so long, s.
_HOT_S: Final = 30.0
#: So much energy may be told late or rounded, Wh.
_ENERGY_WH: Final = 5.0

_HANDSHAKE: Final = (OSError, InvalidHandshake, TimeoutError, CallFailed)
_REFUSING: Final = (
    "smart_charging",
    "default_profile_never",
    "limit_applies_after_s",
    "default_profile_rejected_after_restart",
)
"""Quirks that are an excuse for a limit that is not obeyed, as long as it is shown."""


class Violation(AssertionError):  # noqa: N818 - it reads as what it is
    """Something did not hold."""


class _Errors(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f": {record.exc_info[1]!r}"
        self.lines.append(f"{record.name}: {text}")


class World:
    """A box, the site that it belongs to, and what happens to both."""

    def __init__(
        self,
        day: Day,
        files: pki.Files,
        context: ssl.SSLContext,
    ) -> None:
        """Take a day; it has not begun."""
        self.day = day
        self.loop = asyncio.get_running_loop()
        self.our_shift = timedelta()
        self.site = Site(files, wall=self.wall, meter_interval=day.meter_interval)
        self.quirks = Quirks(**day.quirks)
        self.box = SimulatedWallbox(
            url="",
            charge_point_id=CHARGE_POINT_ID,
            ssl_context=context,
            quirks=self.quirks,
            clock=lambda: _START + timedelta(seconds=self.loop.time()),
            register_wh=day.register_wh,
        )
        self.faults: list[str] = []
        self.story: list[str] = []
        self._switched: dict[str, Any] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._attending: asyncio.Task[None] | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._connect_at: float | None = None
        self._booted = False
        self._half_open: list[HalfOpen] = []
        self._presses: dict[asyncio.Future[None], tuple[str, float]] = {}
        self.wanted_a = MAX_CURRENT
        self.allowed = True
        self._hot_until = 0.0
        self._excess_since: float | None = None
        self._disobeyed_since: float | None = None
        self._measured_at: float | None = None
        self._excused_until = 0.0
        self._live_from = 0.0
        self._flowed: deque[tuple[float, float]] = deque([(0.0, 0.0)])
        self._energy_wh: float | None = None
        self._session: tuple[Transaction, str, float] | None = None
        self._on_the_way: dict[int, tuple[object, float | None, Transaction | None]]
        self._on_the_way = {}
        self._told_wh = 0.0
        self._energy_told = False
        # A register that begins anew may never have told where it stood.
        at_session = (RegisterRestarts.AT_SESSION_START, RegisterRestarts.BOTH)
        anew = self.quirks.register_restarts in at_session
        self._least_base_wh = 0.0 if anew else day.register_wh
        self._lost_wh = 0.0
        self._told_sessions: dict[int, Transaction] = {}
        self._lossy = self.quirks.register_zero_readings
        self._watch_box()

    # Clocks

    def wall(self) -> datetime:
        """Return the time of day by our clock."""
        return _START + timedelta(seconds=self.loop.time()) + self.our_shift

    @property
    def now(self) -> float:
        """Seconds of the day."""
        return self.loop.time()

    # What the box tells

    def _watch_box(self) -> None:
        """Keep what the box measured, and what of it was told."""
        box: Any = self.box
        send, sent, sampled, restart = (
            box.send,
            box._sent,
            box._sample,
            box.charger.restart_register,
        )

        def keep(action: str, payload: Payload, on_answer: Any = None) -> None:
            count = len(box._outbox)
            send(action, payload, on_answer)
            if action in ("TransactionEvent", "MeterValues") and (
                len(box._outbox) > count
            ):
                message = box._outbox[-1]
                wh = box.charger.total_wh if _tells_energy(payload) else None
                transaction = box.transaction if action != "MeterValues" else None
                self._on_the_way[id(message)] = (message, wh, transaction)

        def told(message: Any) -> None:
            sent(message)
            _, wh, transaction = self._on_the_way.pop(id(message), (None, None, None))
            if wh is not None:
                self._energy_told = True
                self._told_wh = max(self._told_wh, wh)
            if transaction is not None:
                self._told_sessions[id(transaction)] = transaction

        def measured(measurands: tuple[str, ...], context: str) -> list[Payload]:
            if (
                "Current.Import" in measurands
                and box.online
                and self._excess_since is not None
                and self._measured_at is None
            ):
                self._measured_at = self.now
            amps = max(box.charger.readings.current_a)
            if self._flowed[-1][1] != amps:
                self._flowed.append((self.now, amps))
            result: list[Payload] = sampled(measurands, context)
            return result

        def restarted(register_wh: float = 0.0) -> None:
            self._lost_wh += max(0.0, box.charger.total_wh - self._told_wh)
            if not self._energy_told:
                self._least_base_wh = 0.0
            restart(register_wh)

        box.send, box._sent, box._sample = keep, told, measured
        box.charger.restart_register = restarted

    # Time

    async def live(self, seconds: float) -> None:
        """Let time pass, and look at every step whether all holds."""
        end = self.now + seconds
        while (left := end - self.now) > 1e-6:
            step = min(self._pace(), left)
            await asyncio.sleep(step)
            self.box.pass_time(step)
            self._tend()
            self.check()

    def _pace(self) -> float:
        """Return how long nothing is looked at, s."""
        if self.now < self._hot_until or self._excess_since is not None:
            return 1.0
        if self.box.transaction or self._connect_at is not None:
            return float(self.day.meter_interval)
        return 900.0

    def _heat(self) -> None:
        self._hot_until = self.now + _HOT_S

    def _tend(self) -> None:
        """Let the box do what needs the network, in its own time."""
        if self._attending is None or self._attending.done():
            self._attending = self._spawn(self.box.attend())
        waiting = self.box.dead or self.box._timers.away is not None
        if not self.box.connected and not waiting:
            if self._connect_at is None:
                self._connect_at = self.now + 15
            if self.now >= self._connect_at and (
                self._connecting is None or self._connecting.done()
            ):
                self._connect_at = None
                self._connecting = self._spawn(self._connect())

    async def _connect(self) -> None:
        self.box.url = f"wss://localhost:{self.site.port}"
        try:
            await self.box.connect(boot=not self._booted)
        except _HANDSHAKE:
            await self.box.disconnect(abort=True)
            self._connect_at = self.now + 15
        else:
            self._booted = True
            self._heat()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _later(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something later, and look closely then."""

        async def wait() -> None:
            await asyncio.sleep(seconds)
            act()
            self._heat()

        self._spawn(wait())

    # What holds

    @property
    def target_a(self) -> float:
        """What is wished, A."""
        return self.wanted_a if self.allowed else 0.0

    def check(self) -> None:
        """See whether all holds now."""
        amps = max(self.box.charger.readings.current_a)
        if self._flowed[-1][1] != amps:
            self._flowed.append((self.now, amps))
        self._check_limit(amps)
        if self.site.running:
            self._check_live(amps)
            self._check_energy()
        self._check_presses()

    def _check_limit(self, amps: float) -> None:
        served = self.box.online and self.site.running
        if not served or amps <= self.target_a + _TOLERANCE_A:
            self._excess_since = self._disobeyed_since = self._measured_at = None
            return
        if self._excess_since is None:
            self._excess_since = self.now
        if self._disobeyed_since is None or self.now < self._excused_until:
            self._disobeyed_since = self.now
        slow = 3 * self.box.quirks.answer_delay_s
        measured_at = None if self.site.failing else self._measured_at
        if measured_at is not None and self.now - measured_at > _UNSEEN_S + slow:
            self._blame(
                f"unseen: {amps:g} A flow instead of {self.target_a:g}, measured "
                f"{self.now - measured_at:g} s ago"
            )
        patience = _ANSWER_S + slow
        if "schedules" in self.day.kinds:
            patience += _ANOTHER_WAY_S
        if not self._refuses() and self.now - self._disobeyed_since > patience:
            self._blame(
                f"not obeyed: {amps:g} A flow instead of {self.target_a:g} for "
                f"{self.now - self._disobeyed_since:g} s"
            )

    def _refuses(self) -> bool:
        """Tell whether the box cannot be expected to obey: it is to be shown."""
        return "cannot_limit" in self.day.kinds or not (
            self._switched.keys().isdisjoint(_REFUSING)
        )

    def _check_live(self, amps: float) -> None:
        if not (self.box.online and self.site.connected):
            self._live_from = self.now + _LIVE_S
            return
        shown = self.site.current_a
        # A reading comes once in an interval, and is looked for as often.
        window = _LIVE_S + 2 * self.day.meter_interval
        window += 3 * self.box.quirks.answer_delay_s
        if shown is None or self.now < self._live_from:
            return
        while len(self._flowed) > 1 and self._flowed[1][0] < self.now - window:
            self._flowed.popleft()
        if all(abs(shown - flowed) > 0.2 for _, flowed in self._flowed):
            self._blame(f"not live: {shown:g} A are shown and {amps:g} A flow")

    def _check_energy(self) -> None:
        energy = self.site.energy_wh
        if energy is None:
            if self._energy_wh is not None:
                self._blame("energy: the total is unknown again")
            return
        if self._energy_wh is not None and energy < self._energy_wh - 1e-6:
            self._blame(f"energy: the total fell from {self._energy_wh} to {energy}")
        self._energy_wh = energy
        most = self.day.register_wh + self.box.charger.total_wh
        if energy > most + _ENERGY_WH:
            self._blame(f"energy: the total is {energy}, but only {most} flowed")
        running, session = self.box.transaction, self.site.session
        # An id that is used again does not tell whose energy it is.
        again = self.box.quirks.transaction_ids_restart
        if again or running is None or session is None or session[0] != running.id:
            self._session = None
            return
        before, after = self._session, (running, *session)
        if before and before[:2] == after[:2] and after[2] < before[2] - 0.01:
            self._blame(f"session energy: it fell from {before[2]} to {after[2]}")
        self._session = after

    def _check_presses(self) -> None:
        for press, (what, since) in list(self._presses.items()):
            if press.done():
                del self._presses[press]
                if not press.cancelled() and (err := press.exception()) is not None:
                    self.story.append(f"{self.now:.1f} {what}: {err}")
                    if not self.site.is_refusal(err):
                        self._blame(f"press: {what} raised {err!r}")
            elif self.now - since > _PRESS_S:
                del self._presses[press]
                self._blame(f"press: {what} still waits after {_PRESS_S:g} s")

    def _blame(self, fault: str) -> None:
        text = f"{self.now:.1f} VIOLATED {fault}"
        self.story.append(text)
        self.faults.append(text)
        raise Violation(fault)

    # What happens

    async def run(self) -> None:
        """Live through the day."""
        await self.site.start()
        self._connect_at = 0.0
        self._tend()
        for step in self.day.steps:
            await self.live(step.gap_s)
            await self.step(step)
        await self.live(30)
        for name in list(self._switched):
            self._switch(name, None)
        await self.live(500)
        await self.unplug()
        await self.live(400)
        if self.now < DAY_S:
            await self.live(DAY_S - self.now)
        self._check_the_day()

    async def step(self, step: Step) -> None:
        """Let something happen."""
        self.story.append(f"{self.now:.1f} {step}")
        self._heat()
        happen: Callable[..., Awaitable[None]] = getattr(self, step.name)
        await happen(*step.args)
        self.check()

    def _check_the_day(self) -> None:
        told = [each.id for each in self._told_sessions.values()]
        lines = [each.transaction_id for each in self.site.sessions]
        if sorted(told) != sorted(lines):
            self._blame(f"ledger: sessions {told}, and the ledger has {lines}")
        energy = self.site.energy_wh or 0.0
        least = self._least_base_wh + self._told_wh - self._lost_wh
        most = self.day.register_wh + self.box.charger.total_wh
        if self._told_sessions and not (
            least - _ENERGY_WH <= energy <= most + _ENERGY_WH
        ):
            self._blame(
                f"energy: the total is {energy}, but {least} to {most} were told"
            )
        booked = math.fsum(each.energy_wh for each in self.site.sessions)
        if booked > self.box.charger.total_wh + _ENERGY_WH:
            self._blame(
                f"ledger energy: {booked} booked, but only {self.box.charger.total_wh}"
            )
        if not self._lossy and booked < self._told_wh - _ENERGY_WH:
            self._blame(
                f"ledger energy: {booked} booked, but {self._told_wh} were told"
            )
        if self.box.violations:
            self._blame(f"protocol: {self.box.violations}")

    async def end(self) -> None:
        """Hang up and stop; nothing is left."""
        self.box.quirks = Quirks()
        for half in self._half_open:
            await half.close()
        await self.box.disconnect()
        for press in self._presses:
            press.cancel()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, *self._presses, return_exceptions=True)
        await self.site.end()

    # Wishes

    def _press(self, what: str, press: Awaitable[None]) -> None:
        async def wait() -> None:
            await press

        self._presses[asyncio.ensure_future(wait())] = (what, self.now)

    def _target(self, what: str, make: Callable[[], Awaitable[None]]) -> None:
        # Whatever was disobeyed was so in view of another wish.
        self._excess_since = self._disobeyed_since = self._measured_at = None
        if self.site.running:
            self._press(what, make())

    async def limit(self, amps: int) -> None:
        """Wish a limit."""
        if self.site.running:
            self.wanted_a = amps
        self._target(f"limit {amps}", lambda: self.site.limit(amps))

    async def burst(self, *limits: int) -> None:
        """Wish limits in a row."""
        for amps in limits:
            await self.limit(amps)
            await asyncio.sleep(0.1)

    async def allow(self, on: bool) -> None:
        """Wish that the car may charge, or not."""
        if self.site.running:
            self.allowed = on
        self._target(f"allow {on}", lambda: self.site.allow(on))

    async def press_start(self) -> None:
        """Press start; where it is refused, the wish may stay what it was."""
        if self.site.running:
            self.allowed = True
        self._target("start", self.site.press_start)

    async def press_stop(self) -> None:
        """Press stop."""
        if self.site.running:
            self.allowed = False
        self._target("stop", self.site.press_stop)

    # The car

    async def plug_in(self, phases: int) -> None:
        """Plug a car in."""
        if not self.box.charger.plugged:
            self._spawn(self.box.plug_in(Car(phases=phases)))
            await asyncio.sleep(0)

    async def unplug(self) -> None:
        """Pull the cable."""
        if self.box.charger.plugged:
            self._spawn(self.box.unplug())
            await asyncio.sleep(0)
            # Nothing flows now, however soon the next car comes.
            self._flowed.append((self.now, 0.0))

    async def replug(self) -> None:
        """Another car comes at once."""
        await self.unplug()
        await self.plug_in(1)

    async def car_pauses(self) -> None:
        """The car stops drawing current."""
        self._spawn(self.box.car_pauses())

    async def car_resumes(self) -> None:
        """It goes on."""
        self._spawn(self.box.car_resumes())

    # Faults

    def _switch(self, name: str, value: Any) -> None:
        """Switch a quirk; None: back to what it is like on this day."""
        if value is None:
            value = getattr(self.quirks, name)
            self._switched.pop(name, None)
            self._excuse(self.now + _CALL_S + _ANSWER_S)
        else:
            self._switched[name] = value
        self.box.quirks = replace(self.box.quirks, **{name: value})

    def _excuse(self, until: float) -> None:
        self._excused_until = max(self._excused_until, until)

    async def quirk(self, seconds: float, name: str, value: Any) -> None:
        """Let the box be awkward for a while."""
        self._switch(name, value)
        self._later(seconds, lambda: self._switch(name, None))

    async def mute(self, seconds: float, actions: tuple[str, ...]) -> None:
        """Let the box answer nothing, or not these."""
        self._excuse(self.now + seconds + _CALL_S + _ANSWER_S)
        if actions:
            await self.quirk(seconds, "unresponsive_actions", frozenset(actions))
        else:
            await self.quirk(seconds, "unresponsive", True)

    async def slow(self, delay_s: float, seconds: float) -> None:
        """Let the box take its time."""
        await self.quirk(seconds, "answer_delay_s", delay_s)

    async def lose_answers(self, count: int) -> None:
        """Let the next answers get lost."""
        self._excuse(self.now + count * _CALL_S + 300)
        replies = self.box.journal.reply_count
        lost = frozenset(range(replies + 1, replies + 1 + count))
        await self.quirk(299, "lost_answers", lost)

    async def drop(self, seconds: float, abort: bool) -> None:
        """Lose the connection for a while."""
        self._connect_at = self.now + seconds
        await self.box.disconnect(abort=abort)

    async def half_open_beside(self, seconds: float) -> None:
        """Open a connection that stays silent; the box comes back after a while."""
        if self.box.dead:
            return
        self._connect_at = self.now + seconds
        self.box.url = f"wss://localhost:{self.site.port}"
        with suppress(*_HANDSHAKE):
            self._half_open.append(await self.box.open_half())

    async def half_open_live(self, seconds: float, closed_after_s: float) -> None:
        """Lose the connection unseen; the box connects anew after a while."""
        if not self.box.connected:
            return
        self._connect_at = self.now + seconds
        left = await self.box.leave_half_open()
        self._half_open.append(left)
        self._later(closed_after_s, lambda: self._spawn(left.close()))

    async def power_cut(
        self, seconds: float, keep_queue: bool, keep_profiles: bool
    ) -> None:
        """Cut the box's power for a while."""
        if self.box.dead:
            return
        self._lossy = self._lossy or not keep_queue
        await self.box.die(keep_queue=keep_queue, keep_profiles=keep_profiles)

        async def back() -> None:
            await asyncio.sleep(seconds)
            self.box.url = f"wss://localhost:{self.site.port}"
            self._heat()
            self._booted = False
            try:
                await self.box.power_up()
            except _HANDSHAKE:
                await self.box.disconnect(abort=True)
                self._connect_at = self.now + 15
            else:
                self._booted = True
            self._heat()

        self._spawn(back())

    async def reboot(self) -> None:
        """Let the box boot by itself."""
        if self.box.dead or not self.box.connected:
            return
        self.box.begin_reset()

    async def set_box_clock(self, year: int) -> None:
        """Set the box's clock to a year's begin."""
        self.box.set_clock(datetime(year, 1, 1, tzinfo=UTC))

    async def shift_box_clock(self, seconds: float) -> None:
        """Let the box's clock jump, but not before the begin of all computers' time."""
        moment = self.box.now() + timedelta(seconds=seconds)
        self.box.set_clock(max(moment, _EPOCH))

    async def stop_box_clock(self, seconds: float) -> None:
        """Let the box's clock stand for a while."""
        self.box.stop_clock()
        self._later(seconds, self.box.run_clock)

    async def shift_our_clock(self, seconds: float) -> None:
        """Let our own clock jump."""
        self.our_shift += timedelta(seconds=seconds)

    async def restart(self, seconds: float) -> None:
        """Stop the site, and start it again after a while."""
        if not self.site.running:
            return
        # A press of the same instant comes first: later, there is nothing to press.
        await asyncio.sleep(0.05)
        await self.site.stop()
        await self._begin_again(seconds)

    async def kill(self, seconds: float) -> None:
        """End the site without warning, and start it again after a while."""
        if not self.site.running:
            return
        self._check_presses()
        if self._presses:
            return  # only what was called and has returned is on the disk for sure
        await self.site.kill()
        await self._begin_again(seconds)

    async def _begin_again(self, seconds: float) -> None:
        await self.live(seconds)
        await self.site.start()
        self._excess_since = self._disobeyed_since = self._measured_at = None

    async def break_down(self, seconds: float) -> None:
        """Let the box have a fault for a while."""
        if self.box.dead:
            return
        self._spawn(self.box.fault())

        def repaired() -> None:
            if not self.box.dead:
                self._spawn(self.box.clear_fault())

        self._later(seconds, repaired)


def _tells_energy(payload: Payload) -> bool:
    """Tell whether a message has a register; one of zero is none."""
    energy = "Energy.Active.Import.Register"
    return any(
        sampled.get("measurand", energy) == energy and sampled["value"] > 0
        for value in payload.get("meterValue", [])
        for sampled in value["sampledValue"]
    )


def play(
    day: Day,
    files: pki.Files,
    context: ssl.SSLContext,
) -> tuple[str | None, list[str]]:
    """Live through a day; return what did not hold, if anything, and the story."""
    loop, executor = VirtualLoop(), ThreadPoolExecutor(1)
    loop.set_default_executor(executor)
    loop.set_exception_handler(lambda _, about: errors.lines.append(str(about)))
    errors = _Errors()
    logger = logging.getLogger("custom_components")
    logger.addHandler(errors)
    fault: str | None = None
    story: list[str] = []

    async def live() -> None:
        nonlocal fault, story
        world = World(day, files, context)
        story = world.story
        try:
            await world.run()
        except Violation as err:
            fault = str(err)
            story.append(world.site.describe())
        finally:
            await world.end()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left and fault is None:
            fault = f"left over: tasks {left}"

    try:
        loop.run_until_complete(live())
        executor.shutdown()
        if fault is None and loop.timers:
            fault = f"left over: timers {loop.timers}"
        if fault is None and errors.lines:
            fault = f"logged errors: {errors.lines}"
    finally:
        logger.removeHandler(errors)
        loop.close()
    return fault, story


def shrink(
    day: Day, files: pki.Files, context: ssl.SSLContext, *, patience: int = 60
) -> tuple[Day, str, list[str]] | None:
    """Leave steps out as long as something does not hold; None: all does."""
    fault, story = play(day, files, context)
    if fault is None:
        return None
    index = 0
    while index < len(day.steps) and patience > 0:
        patience -= 1
        rest = day.steps[:index] + day.steps[index + 1 :]
        # What comes after it still comes as long after the beginning.
        shorter = replace(day, steps=rest)
        found, told = play(shorter, files, context)
        if found is not None and found.split(":")[0] == fault.split(":")[0]:
            day, fault, story = shorter, found, told
        else:
            index += 1
    return day, fault, story
