"""How the box answers the central system's calls, by OCPP's functional blocks."""

from __future__ import annotations

from typing import Final

from ..quirks import SmartCharging
from ..strict import ACTIONS, Frame, Kind, payload_faults
from .provisioning import ProvisioningHandlers
from .remote_control import RemoteControlHandlers
from .smart_charging import SmartChargingHandlers

_SMART_CHARGING: Final = frozenset(
    {
        "SetChargingProfile",
        "ClearChargingProfile",
        "GetChargingProfiles",
        "GetCompositeSchedule",
    }
)


class Handlers(ProvisioningHandlers, SmartChargingHandlers, RemoteControlHandlers):
    """Answers all calls that the box knows."""

    async def answer(self, call: Frame, raw: str, *, lost: bool) -> None:
        """Act on a call and answer it; a lost answer is not sent."""
        self.request = call
        self._lost = lost
        smart = self.box.quirks.smart_charging
        if call.action in _SMART_CHARGING and smart in (
            SmartCharging.NOT_IMPLEMENTED,
            SmartCharging.NOT_SUPPORTED,
        ):
            if not lost:
                await self.connection.reply_error(call, smart.value, "")
            return
        if call.action in self.route_map:
            if payload_faults(Kind.CALL, call.action, call.payload):
                if not lost:
                    await self.connection.reply_error(call, "FormatViolation", "")
            else:
                await self.route_message(raw)
            return
        # The library has these two the wrong way round for OCPP 2.0.1.
        known = call.action in ACTIONS
        code = "NotSupported" if known else "NotImplemented"
        if not lost:
            await self.connection.reply_error(call, code, "")
