"""The simulated wallbox: what people and cars do to it, and the time that passes.

What it is and how it behaves stands below it, a class on the other: `state`,
`messages`, `transactions`, `provisioning`, `network`.

Nothing here sleeps but `run`, and the pause before an answer where a quirk asks for
one: `tick` lets time pass at once.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from websockets.exceptions import InvalidHandshake

from .network import Networked
from .physics import Car, ChargingState
from .records import CallFailed, Payload
from .transactions import EventType

_STEP_S: Final = 1.0
"""Longest step of the physical model in `tick`, s."""

_RECONNECT_LIMIT_S: Final = 120.0
"""Longest pause between two attempts to connect in `run`, s."""


class SimulatedWallbox(Networked):
    """A Delta wallbox with one connector, as an OCPP 2.0.1 client.

    `violations` lists everything that the central system did against the protocol.
    """

    # --- What people and cars do ---

    async def plug_in(self, car: Car | None = None) -> None:
        """Plug a car in; without authorization charging starts by itself."""
        self.charger.plug_in(car or Car())
        self.send_status()
        self._plugged()
        await self.flush()

    async def unplug(self) -> None:
        """Pull the cable; a running transaction ends."""
        if self.transaction:
            self._end("EVCommunicationLost", "EVDisconnected", ChargingState.IDLE)
        self.charger.unplug()
        self.finishing = False
        self.send_status()
        await self.flush()

    async def authorize(self, token: str, kind: str = "ISO14443") -> str:
        """Hold a card to the reader and return the status that the token has.

        The token of the running transaction stops it, another one starts charging.
        """
        id_token: Payload = {"idToken": token, "type": kind}
        if self.transaction and self.transaction.token == token:
            self._end(
                "StopAuthorized", "Local", ChargingState.EV_CONNECTED, token=id_token
            )
            self.finishing = self.charger.plugged
            await self.flush()
            return "Accepted"
        if self.dead:
            return "Invalid"
        status = "Accepted"
        if self.online:
            answer = await self.send_call("Authorize", {"idToken": id_token})
            status = str(answer["idTokenInfo"]["status"])
        if status == "Accepted" and self.operative:
            self._authorized(id_token, "Authorized")
            await self.flush()
        return status

    async def start(self, token: str, car: Car | None = None) -> None:
        """Hold a card to the reader and plug a car in."""
        await self.authorize(token)
        await self.plug_in(car)

    async def car_pauses(self) -> None:
        """Let the car stop drawing current."""
        self.charger.change_car(pauses=True)
        self._watch()
        await self.flush()

    async def car_resumes(self) -> None:
        """Let the car draw current again."""
        self.charger.change_car(pauses=False)
        self._watch()
        await self.flush()

    async def car_full(self) -> None:
        """Let the car have all that it wants."""
        if car := self.charger.car:
            taken = self.charger.car_taken_wh
            self.charger.plug_in(
                Car(
                    phases=car.phases,
                    max_current_a=car.max_current_a,
                    wants_energy_wh=0.0,
                )
            )
            self.charger.car_taken_wh = taken
        self._watch()
        await self.flush()

    async def fault(self) -> None:
        """Let something break: no current, connector Faulted."""
        self.charger.faulted = True
        self.send_status()
        self._watch("AbnormalCondition")
        await self.flush()

    async def clear_fault(self) -> None:
        """Repair what broke."""
        self.charger.faulted = False
        self.send_status()
        self._watch()
        await self.flush()

    async def inoperative(self, out_of_service: bool = True) -> None:
        """Take the box out of service on the spot, or back."""
        if out_of_service and self.transaction:
            self._end("AbnormalCondition", "Other", ChargingState.EV_CONNECTED)
        self.set_operative(not out_of_service)
        await self.flush()

    async def reboot(self, *, power_cut: bool = False) -> None:
        """Restart at once and connect again, without the pause of a reset.

        After a power cut the connection ends without a word, and the end of the
        transaction is told afterwards.
        """
        if power_cut:
            await self.disconnect(abort=True)
        if self.transaction:
            self._end(
                "AbnormalCondition" if power_cut else "ResetCommand",
                "PowerLoss" if power_cut else "Reboot",
                ChargingState.EV_CONNECTED,
            )
            await self.flush()
        await self.disconnect()
        self._restarted()
        await self.connect(reason="PowerUp" if power_cut else "LocalReset")

    async def die(self, *, keep_queue: bool = True, keep_profiles: bool = True) -> None:
        """Lose all power: no current, no word, no timer, until `power_up`.

        The running transaction ends; its end is told after the return, if the box
        keeps its queue. Without `keep_profiles` it comes back without any limit.
        """
        await self.disconnect(abort=True)
        self._end("AbnormalCondition", "PowerLoss", ChargingState.EV_CONNECTED)
        if not keep_queue:
            self._outbox.clear()
        self._keeps_profiles = keep_profiles
        self.charger.allowed = False
        self.dead = True

    async def power_up(self, *, connect: bool = True) -> None:
        """Come back from `die` and connect; raises what the handshake raises.

        With connect=False it comes back without a network, and charges.
        """
        self.dead = False
        self._timers.away = None
        self._restarted()
        if not self._keeps_profiles:
            self.profiles.remove(self.profiles.all())
        if connect:
            await self.connect(reason="PowerUp")
        elif not self.finishing:
            self._plugged()

    # --- Time ---

    async def tick(self, seconds: float, *, step_s: float = _STEP_S) -> None:
        """Let so many seconds pass at once, and send whatever falls due.

        In steps of `step_s`: nothing falls due more often than that.
        """
        begin = self.clock.begin()
        passed = 0.0
        try:
            while passed < seconds:
                step = min(step_s, seconds - passed)
                passed += step
                self.clock.hold(begin + timedelta(seconds=passed))
                self._step(step, step)
                await self._attend()
                # Let the connection's own tasks have a turn.
                await asyncio.sleep(0)
        finally:
            self.clock.hold(None)

    def pass_time(self, seconds: float) -> None:
        """Let so many seconds have passed, without a word; `attend` sends what is due.

        For whoever drives the clock that was passed in: what is waited for here may
        take time itself.
        """
        self._step(seconds, seconds)

    async def attend(self) -> None:
        """Do what a timer asked for and what needs the network."""
        await self._attend()

    def _step(self, physics_s: float, timers_s: float) -> None:
        """Let time pass; the demo's cars charge faster than its timers run."""
        if self.dead:
            return
        powered = self._timers.away is None
        if powered:
            self.charger.advance(physics_s)
            self._watch()
        self._run_timers(timers_s)

    def _run_timers(self, seconds: float) -> None:
        timers = self._timers
        timers.since_start += seconds
        if timers.hold > 0:
            timers.hold = max(0.0, timers.hold - seconds)
            if not timers.hold:
                self._outbox_filled.set()
        if timers.away is not None:
            timers.away -= seconds
        if timers.boot_retry is not None:
            timers.boot_retry -= seconds
        if timers.cable is not None:
            timers.cable -= seconds
            if timers.cable <= 0:
                timers.cable = None
                self._end("EVConnectTimeout", "Timeout", ChargingState.IDLE)
        if self.online:
            timers.heartbeat += seconds
            if timers.heartbeat >= self.model.number(
                "OCPPCommCtrlr", "HeartbeatInterval"
            ):
                timers.heartbeat = 0.0
                self.send("Heartbeat", {}, self._set_clock_by)
        self._run_meter_timers(seconds)

    def _run_meter_timers(self, seconds: float) -> None:
        timers = self._timers
        if self.transaction:
            timers.meter += seconds
            interval = self.model.number("SampledDataCtrlr", "TxUpdatedInterval")
            if 0 < interval <= timers.meter:
                timers.meter = 0.0
                self._event(EventType.UPDATED, "MeterValuePeriodic")
            self._sample_for_the_end(seconds)
        boots = self.quirks.boot_every_s
        timers.boot_every += seconds
        if 0 < boots <= timers.boot_every and self.online:
            timers.boot_every = 0.0
            self.send_boot("Unknown")
        every = self.quirks.notify_event_interval_s
        timers.notify_event += seconds
        if 0 < every <= timers.notify_event:
            timers.notify_event = 0.0
            self._notify_event()

    def _sample_for_the_end(self, seconds: float) -> None:
        """Take the samples that Ended will carry, where the box does that."""
        if (transaction := self.transaction) is None:
            return
        timers, setting = self._timers, "SampledDataCtrlr"
        timers.ended_sample += seconds
        interval = self.model.number(setting, "TxEndedInterval")
        if (
            self.quirks.ended_carries_all_samples
            and 0 < interval <= timers.ended_sample
        ):
            timers.ended_sample = 0.0
            measurands = self.model.members(setting, "TxEndedMeasurands")
            transaction.samples += self._sample(measurands, "Sample.Periodic")

    async def _attend(self) -> None:
        """Do what a timer asked for and what needs the network."""
        timers = self._timers
        if self._reset_pending:
            await self._leave()
        if timers.away is not None and timers.away <= 0:
            timers.away = None
            self._restarted()
            try:
                await self.connect(reason="RemoteReset")
            except OSError, InvalidHandshake, TimeoutError, CallFailed:
                timers.away = self.model.number(
                    "OCPPCommCtrlr", "RetryBackOffWaitMinimum"
                )
        if (
            timers.boot_retry is not None
            and timers.boot_retry <= 0
            and self._connection
        ):
            timers.boot_retry = None
            try:
                await self._boot(self._connection, "PowerUp")
            except ConnectionError, TimeoutError, CallFailed:
                timers.boot_retry = self.model.number(
                    "OCPPCommCtrlr", "RetryBackOffWaitMinimum"
                )
        await self.flush()

    async def run(
        self, speed: float = 1.0, *, step_s: float = 1.0, retry_s: float = 15.0
    ) -> None:
        """Live in real time until cancelled: connect, reconnect, charge.

        Cars charge `speed` times as fast; heartbeats and meter values keep their real
        pace. `step_s` is the step and `retry_s` the first pause before a reconnect, s.
        """
        pause, wait, booted = retry_s, 0.0, False
        try:
            while True:
                away = self.dead or self._timers.away is not None
                if not self.connected and not away and wait <= 0:
                    try:
                        await self.connect(boot=not booted)
                        booted, pause = True, retry_s
                    except OSError, InvalidHandshake, TimeoutError, CallFailed:
                        await self.disconnect(abort=True)
                        wait, pause = pause, min(pause * 2, _RECONNECT_LIMIT_S)
                await asyncio.sleep(step_s)
                wait -= step_s
                self._step(step_s * speed, step_s)
                await self._attend()
        finally:
            await self.disconnect()
