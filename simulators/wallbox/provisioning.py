"""Provisioning: how the box says hello, and what it says of itself."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime

from .device_model import VariableId
from .profiles import Purpose
from .quirks import RegisterRestarts
from .records import Payload
from .state import Registration
from .transactions import Transactions


class Provisioning(Transactions):
    """A wallbox that a central system may ask and tell things."""

    # --- BootNotification ---

    def send_boot(self, reason: str) -> None:
        """Send BootNotification on demand."""
        payload: Payload = {
            "reason": reason,
            "chargingStation": {
                "model": self.identity.model,
                "vendorName": self.identity.vendor,
            },
        }
        if self.online:
            self.send("BootNotification", payload, self._booted)
        else:
            self._timers.boot_retry = 0.0

    def _booted(self, answer: Payload) -> None:
        """Do as the answer to BootNotification says (part 2 B01 to B03)."""
        self._set_clock_by(answer)
        before = self.registration
        self.registration = Registration(answer["status"])
        interval: int = answer["interval"]
        if self.registration is Registration.ACCEPTED:
            self._timers.boot_retry = None
            if interval > 0:
                place = VariableId(
                    component="OCPPCommCtrlr", variable="HeartbeatInterval"
                )
                self.model.set(place, str(interval))
            if before is not Registration.ACCEPTED:
                self._welcome()
        else:
            self._timers.boot_retry = float(interval) or 10.0

    def _set_clock_by(self, answer: Payload) -> None:
        """Set the clock by the central system's, where the box does that."""
        if self.quirks.clock_from_central_system and "currentTime" in answer:
            self.set_clock(datetime.fromisoformat(answer["currentTime"]))

    def _welcome(self) -> None:
        """Report where things stand; the queue of an outage comes after that."""
        queued, self._outbox = self._outbox, deque()
        self.send_status()
        if self.quirks.security_event_on_connect:
            event = {"type": "SettingSystemTime", "timestamp": self.wire_now()}
            self.send("SecurityEventNotification", event)
        if self.quirks.notify_charging_limit_when_idle:
            limit = {"chargingLimitSource": "SO", "isGridCritical": False}
            self.send("NotifyChargingLimit", {"chargingLimit": limit})
        self._outbox.extend(queued)
        if self.charger.plugged and not self.finishing:
            self._plugged()
        if self._sender is not None and self._sender is not asyncio.current_task():
            self._sender.cancel()
        self._sender = asyncio.create_task(self._send_outbox(), name="wallbox sender")
        self._outbox_filled.set()

    def _restarted(self) -> None:
        """Forget what does not survive a reboot."""
        self.finishing = False
        self.poisoned = False
        self.reset_scheduled = False
        self._reset_pending = False
        self.charger.allowed = False
        self._transactions = 0
        self.profiles.remove(self.profiles.of(Purpose.TX))
        if self.quirks.register_restarts in (
            RegisterRestarts.AFTER_REBOOT,
            RegisterRestarts.BOTH,
        ):
            self.charger.restart_register(self.quirks.register_restart_wh)

    # --- Calls of the central system ---

    def refresh_model(self) -> None:
        """Bring the variables that follow the box's state up to date."""
        readings = self.charger.readings
        status = self.connector_status
        for component, connector in (("EVSE", None), ("Connector", 1)):
            place = VariableId(
                component=component,
                variable="AvailabilityState",
                evse=1,
                connector=connector,
            )
            self.model.set(place, status)
        whole = status if status in ("Unavailable", "Faulted") else "Available"
        self.model.set(
            VariableId(component="ChargingStation", variable="AvailabilityState"), whole
        )
        current = f"{max(readings.current_a):.1f}"
        self.model.set(
            VariableId(component="EVSE", variable="ACCurrent", evse=1), current
        )
        power = f"{readings.power_w:.1f}"
        self.model.set(VariableId(component="EVSE", variable="Power", evse=1), power)
        self.model.set(
            VariableId(component="ClockCtrlr", variable="DateTime"), self.wire_now()
        )

    def afterwards(self, act: Callable[[], None]) -> None:
        """Do something once the call that is being answered has its answer."""
        self._afterwards.append(act)
