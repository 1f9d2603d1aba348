"""The target beside limits: its availability (G03), and how bright its light is.

Each is asked for once on a connection, and again when it is set again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from ocpp.v201 import call, call_result
from ocpp.v201.datatypes import ComponentType, SetVariableDataType, VariableType
from ocpp.v201.enums import OperationalStatusEnumType

from .calls import Request, Turn
from .errors import CallFailedError, CommandError, refusal
from .identity import Light
from .state import WallboxState

type SettingAnswer = (
    call_result.ChangeAvailability | call_result.SetVariables | CallFailedError
)


class Kind(StrEnum):
    """What is set: a field of `Target`."""

    LED_BRIGHTNESS = "led_brightness"
    OPERATIVE = "operative"


#: The sentences that say what the wallbox refused.
_SENTENCES: Final = {
    Kind.LED_BRIGHTNESS: "led_brightness_refused",
    Kind.OPERATIVE: "operative_refused",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing to ask for."""

    kind: Kind
    wanted: int
    """Brightness in %, or whether it is to be in service."""
    reported: int = 0
    """What the wallbox says instead, %: where that changes, it is asked for anew."""


class Settings:
    """Knows what one wallbox was asked to set on its connection, and its answers."""

    def __init__(self) -> None:
        """Start with nothing asked."""
        self._asked: set[Setting] = set()
        self._refusals: dict[Setting, str] = {}
        self._sent: Setting | None = None
        self._with_target: set[str] = set()
        """Fields of `Target` that were set since they were last asked for."""
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

    def target_changed(self, names: Iterable[str]) -> None:
        """Take note of fields that are set anew, if only to the same."""
        names = set(names)
        self._with_target |= names
        self._asked = {each for each in self._asked if each.kind not in names}

    def due(self, state: WallboxState) -> list[Setting]:
        """List what is to be asked for now."""
        target, light = state.target, state.light
        found: list[Setting] = []
        if (
            target.led_brightness is not None
            and light is not None
            and target.led_brightness != light.brightness
        ):
            found.append(
                Setting(Kind.LED_BRIGHTNESS, target.led_brightness, light.brightness)
            )
        if target.operative is not None and self._differs(state, target.operative):
            found.append(Setting(Kind.OPERATIVE, target.operative))
        return [setting for setting in found if setting not in self._asked]

    def _differs(self, state: WallboxState, wanted: bool) -> bool:
        """Return whether the wallbox is, or will be, in another state of service."""
        target_changed = Kind.OPERATIVE in self._with_target
        if state.operative is None:
            # It may be said yet; after that, only asking for it makes sure.
            return target_changed or state.surveyed
        if state.operative is not wanted:
            return True
        if self._operative is not None:
            return self._operative != (wanted, True)
        # What was scheduled before Home Assistant started is not known.
        return target_changed and state.active is not None

    def call(
        self,
        setting: Setting,
        state: WallboxState,
        take: Callable[[SettingAnswer], None],
    ) -> Request:
        """Take note that it is asked for, and return the call; `take` gets its answer.

        What `take` gets is for `answered`.
        """
        self._asked.add(setting)
        self._refusals.pop(setting, None)
        self._sent = setting
        self._with_target.discard(setting.kind)
        match setting.kind:
            case Kind.OPERATIVE:
                status = (
                    OperationalStatusEnumType.operative
                    if setting.wanted
                    else OperationalStatusEnumType.inoperative
                )
                return Turn(
                    call.ChangeAvailability(operational_status=status),
                    call_result.ChangeAvailability,
                    take,
                )
            case Kind.LED_BRIGHTNESS:
                light = state.light
                assert light is not None, "due only where there is one"  # noqa: S101 - a bug of ours
                return Turn(
                    brightness_call(setting.wanted, light),
                    call_result.SetVariables,
                    take,
                )

    def answered(self, answer: SettingAnswer, state: WallboxState) -> WallboxState:
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
        elif isinstance(answer, call_result.SetVariables):
            reason = answer.set_variable_result[0]["attribute_status"]
            if reason in ("Accepted", "RebootRequired") and state.light is not None:
                reason = None
                light = replace(state.light, brightness=setting.wanted)
                state = replace(state, light=light)
        elif answer.status == "Rejected":
            reason = refusal(answer)
        else:  # Accepted or Scheduled
            self._operative = (bool(setting.wanted), True)
        if reason is not None:
            self._refusals[setting] = reason
        return state

    def target_done(self, changes: Mapping[str, Any], state: WallboxState) -> bool:
        """Return whether these were asked for. Raises CommandError if one is refused.

        `changes`: fields of `Target` and the target.
        """
        for name, value in changes.items():
            if getattr(state.target, name) != value:
                return True  # there is a newer target
            self._raise_refusal(Kind(name), value)
        return not any(setting.kind in changes for setting in self._unanswered(state))

    def _raise_refusal(self, kind: Kind, wanted: int) -> None:
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


def brightness_call(wanted: int, light: Light) -> call.SetVariables:
    """Write a brightness of the light, in %."""
    return call.SetVariables(
        set_variable_data=[
            SetVariableDataType(
                component=ComponentType(name=light.component),
                variable=VariableType(name=light.variable),
                attribute_value=str(wanted),
            )
        ]
    )
