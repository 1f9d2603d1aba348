"""A wallbox as the rules of charging see it."""

from datetime import timedelta
from typing import Final

from ..charging.inputs import Box
from ..charging.record import SessionRecord
from ..charging.settings import HouseSettings
from .clock import Now
from .state import (
    VOLTAGE_CARRIED_V,
    ChargingState,
    Status,
    Transaction,
    WallboxState,
)
from .station import Station

_NOMINAL_V: Final = 230.0
_PHASES: Final = (1, 2, 3)
_NO_RECORD: Final = SessionRecord()
#: A car that has drawn so much uses no other phases later on, in Wh.
_PHASES_KNOWN_WH: Final = 100.0
#: Values of `phase_order` for a wallbox of a single phase.
_SINGLE_PHASE: Final = ("1", "2", "3")


def box_of(station: Station, house: HouseSettings) -> Box:
    """Return a wallbox as the rules of charging see it, now."""
    state, config, now = station.state, station.config, station.now()
    target, active = state.target, state.active
    limit = float(target.limit(config.max_current))
    scheduled_a, scheduled_until = None, None
    if (schedule := target.schedule) is not None:
        amps = schedule.limit_at(now.steady)
        if amps < limit:
            scheduled_a = amps
            if (change := schedule.next_change(now.steady)) is not None:
                scheduled_until = now.wall + timedelta(seconds=change - now.steady)
    connected = _connected_phases(state, house)
    phases = connected
    if (
        active is not None
        and active.phases
        and active.energy.counted_wh >= _PHASES_KNOWN_WH
    ):
        phases = active.phases
    volts = state.voltage
    if volts is None or volts < VOLTAGE_CARRIED_V:
        volts = _NOMINAL_V
    planned_phases = len(state.session_phases) or len(connected)
    charging = state.charging_state is ChargingState.CHARGING
    in_force = _in_force(state, config.max_current, now)
    drawn_a = state.current if active is not None else 0.0
    return Box(
        key=config.charge_point_id,
        settings=target.charging,
        current_limit_a=limit,
        most_a=float(config.max_current),
        allowed=target.charging_allowed,
        scheduled_a=scheduled_a,
        scheduled_until=scheduled_until,
        session=None if active is None else active.key,
        began=None if active is None else active.started_at,
        record=_NO_RECORD if active is None else active.record,
        energy_wh=0.0 if active is None else active.energy.counted_wh,
        authorized=active is not None and _authorized(active),
        charging=charging,
        car_paused=active is not None and _waits(active),
        charged=active is not None and active.charged,
        full=active is not None and active.full,
        connected=state.connected,
        idle=state.connected and active is None,
        currents=_currents(state, phases, drawn_a),
        drawn_a=drawn_a,
        takes_a=_takes(state),
        power_w=_power(state, volts, planned_phases, drawn_a),
        heard_at=state.current_heard_at,
        phases=phases,
        planned_phases=planned_phases,
        volts=volts,
        in_force_a=in_force[1],
        lowest_a=in_force[0],
        limit_known=state.connected and bool(state.enforcement.accepted),
        holds=state.connected and state.enforcement.holds,
        given_a=_given(state, now),
        out_of_service=state.status in (Status.FAULTED, Status.UNAVAILABLE),
    )


def _connected_phases(state: WallboxState, house: HouseSettings) -> tuple[int, ...]:
    """Return the phases that a car may use, as far as the wallbox has told."""
    if house.phase_order in _SINGLE_PHASE:
        return (1,)
    return tuple(sorted(state.supplied_phases)) or _PHASES


def _authorized(active: Transaction) -> bool:
    """Return whether a car may take what it is offered: it was, or shows it."""
    return (
        active.charging_state not in (ChargingState.IDLE, ChargingState.EV_CONNECTED)
        or active.id_token is not None
        or active.remote_start_id is not None
    )


def _waits(active: Transaction) -> bool:
    """Return whether it is the car that draws nothing."""
    return active.charging_state is ChargingState.SUSPENDED_EV or (
        active.charging_state is ChargingState.EV_CONNECTED and _authorized(active)
    )


def _currents(
    state: WallboxState, phases: tuple[int, ...], drawn_a: float | None
) -> dict[int, float]:
    """Return what is measured on each phase, A; nothing where nothing is."""
    told = {
        phase: amps
        for phase, amps in zip(_PHASES, state.phase_currents, strict=True)
        if amps is not None
    }
    if told or drawn_a is None:
        return told
    return dict.fromkeys(phases, drawn_a)


def _power(
    state: WallboxState, volts: float, phases: int, drawn_a: float | None
) -> float | None:
    """Return what a car draws, W; None: not known."""
    if state.active is None:
        return 0.0
    if (power := state.live("power")) is not None:
        return power
    return None if drawn_a is None else drawn_a * volts * phases


def _takes(state: WallboxState) -> float | None:
    """Return the most that the car takes, by this session or the last one, A."""
    sessions = (state.transaction, *state.recent)
    known = (each.record.takes_a for each in sessions if each is not None)
    return next((amps for amps in known if amps is not None), None)


def _in_force(state: WallboxState, max_current: int, now: Now) -> tuple[float, float]:
    """Return the lowest and the highest limit that may be in force, A."""
    enforcement = state.enforcement
    most = float(max_current) if state.ceiling_a is None else state.ceiling_a
    limits = [each.at(now.steady).amps for each in enforcement.accepted.values()]
    if not limits:
        return 0.0, most
    if enforcement.setpoint is not None:
        limits.append(enforcement.setpoint.amps)  # it does so before it answers
    if enforcement.composite_at is not None and enforcement.composite_a is not None:
        limits.append(enforcement.composite_a)
    return min(limits), most if enforcement.failing else max(limits)


def _given(state: WallboxState, now: Now) -> float | None:
    """Return the most that the wallbox says that it gives, A.

    That is less than it was told: what it was not told yet is no limit of its own.
    """
    enforcement, given = state.enforcement, state.enforcement.composite_a
    setpoint = enforcement.setpoint
    if (
        enforcement.holds
        and given is not None
        and enforcement.composite_at is not None
        and setpoint is not None
        and given < setpoint.amps
        and any(
            each.at(now.steady) == setpoint for each in enforcement.accepted.values()
        )
    ):
        return given
    return state.ceiling_a
