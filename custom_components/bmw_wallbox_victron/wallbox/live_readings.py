"""The live readings of a session, and how long each of them is true."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from .clock import LIVE_TIMEOUT_S, Now
from .meter_values import Sample
from .state import PHASE_IN_USE_A, ChargingState, WallboxState

#: A reading that may be from before the clock was set back is shown so long, in s.
DOUBT_TIMEOUT_S = 20.0
#: More than this is energy that flows, in W.
FLOWING_W = 100
#: The readings that are zero where nothing flows.
_FLOW = ("power", "current", "current_l1", "current_l2", "current_l3")


def is_flowing(sample: Sample) -> bool:
    """Return whether the car draws something."""
    amps = (sample.current_l1, sample.current_l2, sample.current_l3)
    if (sample.power or 0) >= FLOWING_W or max(a or 0 for a in amps) >= PHASE_IN_USE_A:
        return True
    return amps == (None, None, None) and (sample.current or 0) >= PHASE_IN_USE_A


def show(state: WallboxState, sample: Sample, now: Now) -> WallboxState:
    """Lay the readings of a sample over the live ones, unless it is of the past."""
    if (
        not sample.live
        or state.clock.is_past(sample.at, now)
        or (state.meter is not None and sample.at < state.meter.at)
    ):
        return state
    readings = sample.readings
    meter = state.meter or Sample(at=sample.at)
    return replace(
        _flowed(state, sample),
        meter=replace(meter, at=sample.at, **readings),
        meter_heard_at=now.steady,
        said_at={**state.said_at, **dict.fromkeys(readings, now.steady)},
    )


def _flowed(state: WallboxState, sample: Sample) -> WallboxState:
    """Keep with the running session what flows in it."""
    active = state.active
    if active is None or not is_flowing(sample):
        return state
    amps = (sample.current_l1, sample.current_l2, sample.current_l3)
    carrying = {
        phase for phase, each in enumerate(amps, 1) if (each or 0) >= PHASE_IN_USE_A
    }
    phases = tuple(sorted({*active.phases, *carrying}))
    if phases == active.phases and active.charged:
        return state
    return replace(state, transaction=replace(active, phases=phases, charged=True))


def aged(state: WallboxState, now: Now) -> WallboxState:
    """Forget each reading that nothing has renewed for too long."""
    if state.meter is None or state.charging_state is not ChargingState.CHARGING:
        return state  # nothing flows, and nothing needs to be said about it
    oldest = now.steady - LIVE_TIMEOUT_S
    doubted = state.clock.behind_since
    if doubted is not None and now.steady - doubted >= DOUBT_TIMEOUT_S:
        # It may be that all that was live is of the time before a clock was set.
        oldest = max(oldest, doubted)
    fresh = {
        quantity: said_at
        for quantity, said_at in state.said_at.items()
        if said_at > oldest
    }
    if not fresh:
        return forget(state)
    old: dict[str, Any] = dict.fromkeys(state.said_at.keys() - fresh.keys())
    if not old:
        return state
    return replace(state, meter=replace(state.meter, **old), said_at=fresh)


def forget(state: WallboxState) -> WallboxState:
    """Know nothing of what flows."""
    return replace(state, meter=None, meter_heard_at=None, said_at={})


def stopped(state: WallboxState, at: datetime, now: Now) -> WallboxState:
    """Know that nothing flows."""
    meter = nothing_flows(state.meter, at)
    # Of phases that it never told of, nothing is heard by that.
    told = [quantity for quantity in _FLOW if quantity in state.said_at] or ["current"]
    said_at = {**state.said_at, **dict.fromkeys(told, now.steady)}
    return replace(state, meter=meter, meter_heard_at=now.steady, said_at=said_at)


def nothing_flows(meter: Sample | None, at: datetime) -> Sample:
    """Return the reading of a session in which nothing flows: voltages stand."""
    meter = meter or Sample(at=at)
    return replace(meter, at=max(at, meter.at), **dict.fromkeys(_FLOW, 0.0))
