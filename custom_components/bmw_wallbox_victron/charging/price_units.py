"""What a number is, of which it is only said somewhere that it is a price."""

from collections.abc import Mapping
from dataclasses import dataclass
import re
from typing import Any, Final

#: How many kWh a unit of energy is.
_ENERGIES: Final = {"kwh": 1.0, "mwh": 1000.0, "wh": 0.001}
#: A hundredth of a currency, by the names in use.
_HUNDREDTHS: Final = frozenset(
    (
        "c",
        "ct",
        "cts",
        "cent",
        "cents",
        "¢",
        "c€",
        "ct€",
        "€ct",
        "eurocent",
        "eurocents",
        "øre",
        "öre",
        "ore",
        "p",
        "pence",
        "penny",
        "gr",
        "grosz",
        "groszy",
        "snt",
        "rp",
        "rappen",
        "haléř",
        "fillér",
        "bani",
    )
)
#: Currencies as they are written in names and units.
_CURRENCIES: Final = frozenset(
    (
        "eur",
        "euro",
        "€",
        "sek",
        "nok",
        "dkk",
        "kr",
        "gbp",
        "£",
        "pln",
        "zł",
        "zl",
        "chf",
        "usd",
        "$",
        "aud",
        "nzd",
        "cad",
        "czk",
        "kč",
        "huf",
        "ft",
        "ron",
        "lei",
        "bgn",
    )
)
#: Attributes that say that all prices are in hundredths.
_IN_HUNDREDTHS: Final = ("price_in_cents", "use_cents", "use_cent", "in_cents")
#: Attributes that say the unit of all prices.
_UNIT_ATTRIBUTES: Final = ("unit", "unit_of_measurement", "price_unit", "currency")
#: Of what is not sold by energy.
_NO_ENERGY: Final = ("m³", "m3", "l", "ccf", "gj", "%", "w", "kw", "°c")


@dataclass(frozen=True, slots=True)
class Unit:
    """What a text says of a unit; None: nothing."""

    kwh: float | None = None
    """How many kWh the price is for."""
    hundredths: bool | None = None
    """Whether it is in hundredths of the currency."""
    is_price: bool = True
    """Whether it can be a price of energy."""

    def otherwise(self, other: Unit) -> Unit:
        """Return it with what `other` says where it says nothing itself."""
        return Unit(
            kwh=other.kwh if self.kwh is None else self.kwh,
            hundredths=other.hundredths if self.hundredths is None else self.hundredths,
            is_price=self.is_price and other.is_price,
        )

    @property
    def factor(self) -> float:
        """Return what such a number is to be multiplied by: currency per kWh."""
        return (0.01 if self.hundredths else 1.0) / (self.kwh or 1.0)


def unit_of(text: Any) -> Unit:
    """Return what a unit such as `ct/kWh`, `EUR / MWh`, `kWh`, `öre` says."""
    if not isinstance(text, str):
        return Unit()
    return _read(re.split(r"[\s/_]+|\bper\b", text.strip().lower())[:8])


def unit_of_key(key: str) -> Unit:
    """Return what the name of a price says, as `price_ct_per_kwh` does."""
    key = key.replace("kWh", "Kwh").replace("MWh", "Mwh")
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", key).lower()
    found = _read(re.split(r"[^a-z€$£¢åäöøł]+", words))
    return Unit(kwh=found.kwh, hundredths=found.hundredths)


def _read(words: list[str]) -> Unit:
    """Return what words say."""
    kwh = next((_ENERGIES[word] for word in words if word in _ENERGIES), None)
    hundredths = None
    if any(word in _HUNDREDTHS for word in words):
        hundredths = True
    elif any(word in _CURRENCIES for word in words):
        hundredths = False
    no_energy = kwh is None and any(word in _NO_ENERGY for word in words)
    return Unit(kwh=kwh, hundredths=hundredths, is_price=not no_energy)


def unit_of_attributes(attributes: Mapping[Any, Any], unit: str | None) -> Unit:
    """Return what attributes, and the entity's own unit, say of all prices in them.

    The unit first: a currency beside it is the one whose hundredths it may be in.
    """
    found = unit_of(unit)
    for name in _UNIT_ATTRIBUTES:
        found = found.otherwise(unit_of(attributes.get(name)))
    if any(attributes.get(name) is True for name in _IN_HUNDREDTHS):
        found = Unit(kwh=found.kwh, hundredths=True, is_price=found.is_price)
    return found
