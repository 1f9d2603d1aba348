"""What is wished beside limits: the light, whether it is in service, a session's end.

Each is asked for once on a connection, and again when it is wished again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from ocpp.v201 import call
from ocpp.v201.datatypes import ComponentType, SetVariableDataType, VariableType
from ocpp.v201.enums import OperationalStatusEnumType

from .errors import CallFailedError, CommandError, refusal
from .state import ChargingState, WallboxState

#: A current up to this is noise of the meter, in A: no car draws less than 6 A.
NOISE_A: Final = 2.0
#: CALLERRORs of a wallbox that does not know a call at all.
_UNSUPPORTED: Final = ("NotImplemented", "NotSupported")
#: It cannot limit where everything was refused so many times.
_ROUNDS_IN_VAIN: Final = 2


class Kind(StrEnum):
    """What is set; the first two are fields of `Wish`."""

    LED_BRIGHTNESS = "led_brightness"
    OPERATIVE = "operative"
    END = "end"
    """The end of a transaction, by RequestStopTransaction."""


#: The sentences that say what the wallbox refused.
_SENTENCES: Final = {
    Kind.LED_BRIGHTNESS: "led_brightness_refused",
    Kind.OPERATIVE: "operative_refused",
    Kind.END: "stop_rejected",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing to ask for."""

    kind: Kind
    wanted: int | str
    """Brightness in %, whether it is to be in service, or a transaction's id."""
    attempt: int = 0
    """What the wallbox says instead (%), or how many times limits were tried: where
    that changes, it is asked for anew."""


def cannot_limit(state: WallboxState) -> bool:
    """Tell whether a wallbox takes no limit, in whatever way.

    Smart charging is optional in OCPP 2.0.1: that is a fact, no failure.
    """
    if state.smart_charging is False:
        return True
    enforcement = state.enforcement
    if not enforcement.failing or enforcement.used or enforcement.refusal is None:
        return False
    return enforcement.refusal in _UNSUPPORTED or enforcement.rounds >= _ROUNDS_IN_VAIN


def _all_tried(state: WallboxState) -> bool:
    """Tell whether every way was tried, and the wallbox took none."""
    enforcement = state.enforcement
    return (
        enforcement.failing
        and enforcement.retry_at is not None
        and enforcement.plan not in enforcement.accepted.values()
    )


def _limits_failed(state: WallboxState) -> bool:
    """Tell whether no limit does what a pause has to do."""
    enforcement = state.enforcement
    if enforcement.plan in enforcement.accepted.values():
        # It takes limits and keeps none: seen by the current, after all ways.
        return (
            enforcement.failing
            and enforcement.exceeded
            and enforcement.retry_at is not None
        )
    return cannot_limit(state) or _all_tried(state)


def draws_current(state: WallboxState) -> bool:
    """Tell whether the car is measured to draw current in a session."""
    amps = None if state.active is None else state.current
    return amps is not None and amps > NOISE_A


def _flows(state: WallboxState) -> bool:
    """Tell whether the car draws current, or may do so unseen."""
    active = state.active
    if active is None:
        return False
    if draws_current(state):
        return True
    if active.state_sequence < 0:  # chargingState is optional
        return active.remote_start_id is not None or active.id_token is not None
    return state.current is None and active.charging_state is ChargingState.CHARGING


def transaction_to_end(state: WallboxState) -> str | None:
    """Return the id of the transaction whose end is the last way to stop the car.

    Only where no limit does it: a Delta box does not start again after that until the
    cable was pulled.
    """
    active = state.active
    if (
        active is None
        or state.wish.charging_allowed
        or not _flows(state)
        or not _limits_failed(state)
    ):
        return None
    return active.id


class Settings:
    """Knows what one wallbox was asked to set on its connection, and its answers."""

    def __init__(self) -> None:
        """Start with nothing asked."""
        self._asked: set[Setting] = set()
        self._refusals: dict[Setting, str] = {}
        self._sent: Setting | None = None
        self._wished: set[str] = set()
        """Fields of `Wish` that were wished since they were last asked for."""
        self._operative: tuple[bool, bool] | None = None
        """Which availability was last asked for and not refused, and whether that is
        certain. One that is scheduled is reported by no wallbox, and outlasts a
        connection (G03)."""

    @property
    def under_way(self) -> bool:
        """Whether an answer is to come."""
        return self._sent is not None

    def connected(self) -> None:
        """Ask for all again."""
        self._asked.clear()
        self._refusals.clear()

    def wished(self, names: Iterable[str]) -> None:
        """Take note of fields that are wished anew, if only the same."""
        names = set(names)
        self._wished |= names
        if "charging_allowed" in names:
            names.add(Kind.END)
        self._asked = {each for each in self._asked if each.kind not in names}

    def due(self, state: WallboxState) -> list[Setting]:
        """List what is to be asked for now."""
        wish, light = state.wish, state.light
        found: list[Setting] = []
        if (transaction_id := transaction_to_end(state)) is not None:
            rounds = state.enforcement.rounds
            found.append(Setting(Kind.END, transaction_id, rounds))
        if (
            wish.led_brightness is not None
            and light is not None
            and wish.led_brightness != light.brightness
        ):
            found.append(
                Setting(Kind.LED_BRIGHTNESS, wish.led_brightness, light.brightness)
            )
        if wish.operative is not None and self._differs(state, wish.operative):
            found.append(Setting(Kind.OPERATIVE, wish.operative))
        return [setting for setting in found if setting not in self._asked]

    def _differs(self, state: WallboxState, wanted: bool) -> bool:
        """Tell whether the wallbox is, or will be, in another state of service."""
        wished = Kind.OPERATIVE in self._wished
        if state.operative is None:
            # It may be said yet; after that, only asking for it makes sure.
            return wished or state.surveyed
        if state.operative is not wanted:
            return True
        if self._operative is not None:
            return self._operative != (wanted, True)
        # What was scheduled before Home Assistant started is not known.
        return wished and state.active is not None

    def send(self, setting: Setting, state: WallboxState) -> Any:
        """Take note that it is asked for, and return one of `ocpp.v201.call`."""
        self._asked.add(setting)
        self._refusals.pop(setting, None)
        self._sent = setting
        self._wished.discard(setting.kind)
        match setting.kind:
            case Kind.OPERATIVE:
                return call.ChangeAvailability(
                    operational_status=OperationalStatusEnumType.operative
                    if setting.wanted
                    else OperationalStatusEnumType.inoperative
                )
            case Kind.END:
                return call.RequestStopTransaction(transaction_id=str(setting.wanted))
            case Kind.LED_BRIGHTNESS:
                return _brightness(setting, state)

    def take(self, answer: Any, state: WallboxState) -> WallboxState:
        """Take the answer to what was sent, or the CallFailedError in its place."""
        setting, self._sent = self._sent, None
        if setting is None:
            return state
        reason = None
        if isinstance(answer, CallFailedError):
            reason = answer.reason
            if not answer.answered:
                if setting.kind is Kind.OPERATIVE:  # it may have been taken
                    self._operative = (bool(setting.wanted), False)
                elif setting.kind is Kind.END:
                    self._asked.discard(setting)
        elif setting.kind is Kind.LED_BRIGHTNESS:
            reason = answer.set_variable_result[0]["attribute_status"]
            if reason in ("Accepted", "RebootRequired") and state.light is not None:
                reason = None
                light = replace(state.light, brightness=int(setting.wanted))
                state = replace(state, light=light)
        elif answer.status == "Rejected":
            reason = refusal(answer)
        elif setting.kind is Kind.OPERATIVE:  # Accepted or Scheduled
            self._operative = (bool(setting.wanted), True)
        if reason is not None:
            self._refusals[setting] = reason
        return state

    def wish_done(self, changes: Mapping[str, Any], state: WallboxState) -> bool:
        """Tell whether these were asked for. Raises CommandError where one is refused.

        `changes`: fields of `Wish` and what was wished.
        """
        for name, value in changes.items():
            if getattr(state.wish, name) != value:
                return True  # there is a newer wish
            self._raise_refusal(Kind(name), value)
        return not any(setting.kind in changes for setting in self._unanswered(state))

    def end_done(self, transaction_id: str, state: WallboxState) -> bool:
        """Tell whether a transaction is over, or what flows in it is.

        Raises CommandError where the wallbox does not end it.
        """
        if (
            state.active is None
            or state.active.id != transaction_id
            or state.wish.charging_allowed  # there is a newer wish
            or state.enforcement.holds
            or not _flows(state)
        ):
            return True
        self._raise_refusal(Kind.END, transaction_id)
        return False

    def _raise_refusal(self, kind: Kind, wanted: int | str) -> None:
        """Raise CommandError where the wallbox refused it."""
        for setting, reason in self._refusals.items():
            if (setting.kind, setting.wanted) == (kind, wanted) and (
                setting in self._asked
            ):
                raise CommandError(_SENTENCES[kind], reason=reason)

    def _unanswered(self, state: WallboxState) -> list[Setting]:
        """List what waits to be asked, or for its answer."""
        waiting = self.due(state)
        if self._sent is not None:
            waiting.append(self._sent)
        return waiting


def _brightness(setting: Setting, state: WallboxState) -> call.SetVariables | None:
    """Write a brightness of the light."""
    light = state.light
    if light is None:
        return None
    return call.SetVariables(
        set_variable_data=[
            SetVariableDataType(
                component=ComponentType(name=light.component),
                variable=VariableType(name=light.variable),
                attribute_value=str(setting.wanted),
            )
        ]
    )
