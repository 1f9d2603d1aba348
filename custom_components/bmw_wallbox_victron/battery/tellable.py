"""What can ever be told of a battery, by what is wired to it.

What no device of a rig can tell has no entity there.
"""

from collections.abc import Collection, Iterable
from typing import Final

from .sources import MEASURING, ROLES, Role, tells

#: Of these kinds the record has no current, so that their energy is not known.
_WITHOUT_CURRENT: Final = frozenset({"dc_dc_converter"})
#: Have panels of their own.
_WITH_PANELS: Final = frozenset({"solar_charger", "multi_rs", "inverter_rs"})
#: Have an AC input.
_WITH_AC_INPUT: Final = frozenset({"ve_bus", "multi_rs"})

_BY_VOLTAGE: Final = (
    "voltage",
    "voltage_change_15m",
    "voltage_mean_15m",
    "charging_detected",
    "charge_detect_min_voltage",
    "charge_detect_min_rise",
    "draining_fast",
    "source",
    "min_voltage",
    "max_voltage",
)
_BY_SOC: Final = (
    "soc",
    "status",
    "summary",
    "battery_low",
    "drain_fast_min_drop",
    "deepest_discharge",
    "average_discharge",
    "last_discharge",
    "last_full",
)
_BY_MEASURING: Final = (
    "charging_now",
    "power_source",
    "summary",
    "load_power",
    "load_energy",
    "energy_charged",
    "energy_discharged",
    "discharged_ah",
    "cycles",
    "history_coverage",
)


def tellable(
    devices: Iterable[tuple[str, Role | None]], *, has_plug: bool
) -> frozenset[str]:
    """Return the keys of all that these can tell of the battery.

    `devices`: kind (empty: it was never heard, and may be anything) and role of each;
    `has_plug`: whether a plug tells of mains.
    """
    devices = list(devices)
    if not all(kind for kind, _ in devices):
        return EVERYTHING
    known = [(kind, role) for kind, role in devices if role is not None]
    kinds = {kind for kind, _ in known}
    roles = {role for _, role in known}
    keys: set[str] = set()
    if any(tells(kind, "voltage") for kind in kinds):
        keys.update(_BY_VOLTAGE)
    for key in ("current", "power", "time_to_go", "consumed_ah", "temperature"):
        if any(tells(kind, key) for kind in kinds):
            keys.add(key)
    if any(tells(kind, "soc") for kind in kinds):
        keys.update(_BY_SOC)
    if roles & {*MEASURING}:
        keys.update(_BY_MEASURING)
    keys.update(_of_chargers(kinds, roles, known))
    if has_plug or Role.AC_CHARGER in roles or kinds & _WITH_AC_INPUT:
        keys.update(("mains_present", "power_source"))
    if roles & {Role.BATTERY_MONITOR, Role.BMS}:
        keys.add("problem")
    return frozenset(keys)


def _of_chargers(
    kinds: Collection[str],
    roles: Collection[Role],
    known: Collection[tuple[str, Role]],
) -> set[str]:
    """Return the keys of what chargers tell."""
    keys: set[str] = set()
    if Role.AC_CHARGER in roles or _WITH_AC_INPUT & {*kinds}:
        keys.update(("mains_energy", "charging_phase"))
    if Role.SOLAR_CHARGER in roles:
        keys.update(("solar_charging", "charging_phase", "power_source"))
    if Role.SOLAR_CHARGER in roles or _WITH_PANELS & {*kinds}:
        keys.update(("solar_power", "solar_energy"))
    if Role.DC_DC_CHARGER in roles:
        keys.update(("alternator_charging", "charging_phase", "power_source"))
        if any(
            role is Role.DC_DC_CHARGER and kind not in _WITHOUT_CURRENT
            for kind, role in known
        ):
            keys.add("alternator_energy")
    return keys


#: What all kinds together can tell.
EVERYTHING: Final = tellable(ROLES.items(), has_plug=True)
