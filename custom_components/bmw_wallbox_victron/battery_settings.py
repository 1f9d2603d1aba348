"""What is set for the battery: by options, and by its number entities."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .battery.bank import BankMode
from .battery.battery import Chemistry, Settings
from .const import (
    CONF_BMS_BANK,
    CONF_CAPACITY_AH,
    CONF_CHEMISTRY,
    CONF_FRESHNESS_TIMEOUT,
    CONF_MAINS_CURRENT,
    CONF_MAINS_POWER,
    CONF_MAINS_SWITCH,
    CONF_NOMINAL_VOLTAGE,
    DEFAULT_FRESHNESS_TIMEOUT,
    NOMINAL_AUTO,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MainsEntities:
    """The entities of the plug that feeds mains in; None: there is none."""

    switch: str | None = None
    """On where mains is passed on."""
    power: str | None = None
    """What it passes on, in W or a unit of the same sort."""
    current: str | None = None
    """What it passes on, in A or a unit of the same sort."""

    @property
    def all(self) -> list[str]:
        """Return those that there are."""
        return [each for each in (self.switch, self.power, self.current) if each]


def mains_of(options: Mapping[str, Any]) -> MainsEntities:
    """Return the entities of the plug that feeds mains in."""
    return MainsEntities(
        switch=options.get(CONF_MAINS_SWITCH),
        power=options.get(CONF_MAINS_POWER),
        current=options.get(CONF_MAINS_CURRENT),
    )


def settings_of(options: Mapping[str, Any], numbers: Mapping[str, float]) -> Settings:
    """Return what is set for the battery, by options and by its number entities."""
    nominal = options.get(CONF_NOMINAL_VOLTAGE, NOMINAL_AUTO)
    return with_numbers(
        Settings(
            freshness_timeout_s=options.get(
                CONF_FRESHNESS_TIMEOUT, DEFAULT_FRESHNESS_TIMEOUT
            ),
            nominal_voltage=None if nominal == NOMINAL_AUTO else int(nominal),
            chemistry=Chemistry(options.get(CONF_CHEMISTRY, Chemistry.UNKNOWN)),
            capacity_ah=options.get(CONF_CAPACITY_AH),
            bank_mode=BankMode(options.get(CONF_BMS_BANK, BankMode.PARALLEL)),
        ),
        numbers,
    )


def with_numbers(settings: Settings, numbers: Mapping[str, float]) -> Settings:
    """Return settings with what was set by the number entities."""
    return replace(
        settings,
        charge_detect_min_voltage=numbers.get(
            "charge_detect_min_voltage", settings.charge_detect_min_voltage
        ),
        charge_detect_min_rise=numbers.get(
            "charge_detect_min_rise", settings.charge_detect_min_rise
        ),
        drain_fast_min_drop=numbers.get(
            "drain_fast_min_drop", settings.drain_fast_min_drop
        ),
    )
