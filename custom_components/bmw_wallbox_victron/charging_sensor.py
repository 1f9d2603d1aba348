"""The sensors of the charging of a wallbox."""

from collections.abc import Hashable
from datetime import datetime
import math
from typing import Any, override

from homeassistant.core import callback
from homeassistant.util import dt as dt_util

from .charging.plan import PlanSlot
from .const import ATTR_LIMIT, ATTR_MESSAGE, ATTR_SLOTS, ATTR_UNTIL
from .entity import WallboxEntity
from .limit_text import limit_sentence, local_iso
from .sensors.charging import (
    PlanSensorEntityDescription,
    ReceiptSensorEntityDescription,
    begun_before,
    same_moment,
    same_plan,
)
from .site_sensor import PacedSensor, SiteSensor
from .wallbox.target import Target


class ReceiptSensor(PacedSensor):
    """A sensor of what the energy of a session was."""

    entity_description: ReceiptSensorEntityDescription

    @property
    @override
    def _reading(self) -> float | None:
        """Return what is known of it."""
        status = self.charging_status
        return None if status is None else self.entity_description.value_fn(status)

    @property
    @override
    def native_unit_of_measurement(self) -> str | None:
        """Return its unit."""
        if self.entity_description.has_currency:
            return self.hass.config.currency
        return super().native_unit_of_measurement

    @property
    @override
    def last_reset(self) -> datetime | None:
        """Return when a cost began anew: with the session."""
        session = self.wallbox.transaction
        if session is None or not self.entity_description.has_currency:
            return None
        return session.started_at

    @property
    @override
    def native_value(self) -> float | None:
        """Return what is shown."""
        return self._paced

    @property
    @override
    def shown(self) -> object:
        """Return what the state is made of."""
        return self.native_value, self.last_reset


class LimitReasonSensor(PacedSensor):
    """What sets the limit of a wallbox, and the limit itself in an attribute."""

    _ends: tuple[object, datetime | None] = (None, None)
    """What it is about, and until when as that is shown."""

    @callback
    @override
    def _follow(self) -> None:
        """Follow the limit, and its end once that moved noticeably."""
        status = self.charging_status
        until = None if status is None else status.until
        about = status and status.message, self.wallbox.target
        before, shown = self._ends
        if about != before or not same_moment(until, shown, dt_util.utcnow()):
            self._ends = about, until
        super()._follow()

    @property
    @override
    def _reading(self) -> float | None:
        """Return the limit in whole A: a wallbox is never told more."""
        status = self.charging_status
        return None if status is None else math.floor(status.limit_a + 1e-9)

    @property
    @override
    def _occasion(self) -> Hashable:
        """Return what it is about: the limit is exact where that changes."""
        status = self.charging_status
        return super()._occasion, status and (status.reason, status.message)

    @property
    @override
    def native_value(self) -> str | None:
        """Return what sets the limit."""
        status = self.charging_status
        return None if status is None else status.reason

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return the limit in A, until when it is known, and what it means."""
        status, limit = self.charging_status, self._paced
        if status is None or limit is None:
            return {ATTR_MESSAGE: None, ATTR_LIMIT: None, ATTR_UNTIL: None}
        _, until = self._ends
        return {
            ATTR_MESSAGE: limit_sentence(self.hass, status.message, int(limit), until),
            ATTR_LIMIT: int(limit),
            ATTR_UNTIL: None if until is None else local_iso(until),
        }

    @property
    @override
    def shown(self) -> object:
        """Return what state and attributes are made of."""
        return self.native_value, tuple(self.extra_state_attributes.values())


class PlanStartSensor(WallboxEntity, SiteSensor):
    """When the plan of a session begins, and all its slots in an attribute."""

    entity_description: PlanSensorEntityDescription
    _plan: tuple[PlanSlot, ...] = ()
    _target: Target | None = None
    """What its owner had set when it was shown."""

    @callback
    def _follow(self) -> None:
        """Follow the plan, but not each time that it moves a little."""
        status = self.charging_status
        plan = () if status is None else status.plan
        now = dt_util.utcnow()
        plan = begun_before(plan, self._plan, now)
        target = self.wallbox.target
        if target != self._target or not same_plan(self._plan, plan, now):
            self._plan, self._target = plan, target

    @override
    async def async_added_to_hass(self) -> None:
        """Show what is planned."""
        self._follow()
        await super().async_added_to_hass()

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Write the state, if what is shown changed."""
        self._follow()
        super()._handle_coordinator_update()

    @property
    @override
    def native_value(self) -> datetime | None:
        """Return when the first slot begins; None: there is no plan."""
        return self._plan[0].start if self._plan else None

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return the slots, with what a kWh costs in each."""
        return {
            ATTR_SLOTS: [
                {
                    "start": local_iso(slot.start),
                    "end": local_iso(slot.end),
                    "price": slot.price,
                }
                for slot in self._plan
            ]
        }

    @property
    @override
    def shown(self) -> object:
        """Return what state and attributes are made of."""
        return self._plan
