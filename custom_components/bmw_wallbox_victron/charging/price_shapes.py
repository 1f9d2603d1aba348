"""Prices as integrations put them into attributes, or into responses to actions.

Read by their structure, not by who wrote them: a list of mappings with a time and a
number under one of the names in use; a mapping of times to numbers; numbers for each
hour or quarter of a day; or an attribute for each hour.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice, pairwise
from math import isfinite
import re
from statistics import median
from typing import Any, Final

from .price_units import Unit, unit_of, unit_of_attributes, unit_of_key
from .prices import Prices, PriceSlot, merged

#: Names are compared without case and separators. What comes first counts first.
_STARTS: Final = (
    "start",
    "starttime",
    "startsat",
    "from",
    "time",
    "timestart",
    "starttimestamp",
    "validfrom",
    "datetime",
    "timestamp",
    "hour",
    "begin",
    "begintime",
    "periodstart",
    "intervalstart",
    "deliverystart",
    "readingstart",
    "unixseconds",
    "date",
)
_ENDS: Final = (
    "end",
    "endtime",
    "endsat",
    "till",
    "to",
    "until",
    "timeend",
    "endtimestamp",
    "validto",
    "validuntil",
    "stop",
    "periodend",
    "intervalend",
    "deliveryend",
    "readingend",
)
#: What a customer pays before what a part of it costs.
_VALUES: Final = (
    "total",
    "pricetotal",
    "totalprice",
    "allin",
    "priceallin",
    "valueincvat",
    "valueinclvat",
    "priceincvat",
    "priceinclvat",
    "pricewithvat",
    "price",
    "perkwh",
    "priceperkwh",
    "value",
    "electricityprice",
    "rate",
    "unitrate",
    "tariff",
    "cost",
    "amount",
    "energyprice",
    "marketprice",
    "spotprice",
)
#: A price by its name, with the unit in it.
_PRICE_WITH_UNIT: Final = re.compile(
    r"(price|cost|rate|value).*[kmw]wh$|^[a-z]{3}perkwh$"
)
#: Zonneplan tells ten-millionths of a euro, in whole numbers under this name.
_TEN_MILLIONTHS: Final = "electricityprice"
#: Nothing costs so much; in those units all does.
_NO_PRICE: Final = 10_000.0
#: What is paid for what is fed in, what is no price of power, and parts of lists.
_OTHER: Final = re.compile(
    r"sell|sold|feed|export|return|produc|inject|gas|yesterday|volume|rank|quantile|best|"
    r"worst|cheapest|expensive|lowest|highest|peak|history"
)
_FORECAST: Final = re.compile(r"forecast|predict|estimate")
#: One attribute for each hour, as the Spanish tariff has it; `d`: the second time.
_HOUR: Final = re.compile(r"price_(next_day_)?(\d\d)h(_d)?")
#: How often prices change in a list of bare numbers, min.
_STEPS: Final = (60, 30, 15, 5)
#: Starts that are further apart than most of their list: the list has a gap, min.
_LONGEST_STEP: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_LONGEST_TEXT: Final = 500
_LONGEST_LIST: Final = 5000


class PricesNotUnderstoodError(Exception):
    """No prices are in what was given."""

    def __init__(self, found: str) -> None:
        super().__init__(f"no prices are understood in: {found}")
        self.found = found
        """Names of what there is, without values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A price of which the end may not be said."""

    start: datetime
    end: datetime | None
    price: float


def _plain(name: Any) -> str:
    """Return a name to compare."""
    return re.sub(r"[^a-z0-9]", "", name.lower()) if isinstance(name, str) else ""


def _number(value: Any) -> float | None:
    """Return a number, also one that is written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError, OverflowError:
        return None
    return number if isfinite(number) else None


def _moment(value: Any, time_zone: tzinfo) -> datetime | None:
    """Return a time in UTC, to the minute; without a zone it is of `time_zone`."""
    try:
        if isinstance(value, str):
            if ":" not in value:
                return None
            value = datetime.fromisoformat(value.strip())
        elif isinstance(value, int | float) and not isinstance(value, bool):
            # Seconds or ms since 1970.
            seconds = value / 1000 if value > 1e11 else value
            value = datetime.fromtimestamp(seconds, UTC)
        if not isinstance(value, datetime) or not 2000 < value.year < 2200:
            return None
        if value.tzinfo is None:
            value = value.replace(tzinfo=time_zone)
        moment: datetime = value.astimezone(UTC) + timedelta(seconds=30)
    except ValueError, OverflowError, OSError:
        return None
    return moment.replace(second=0, microsecond=0)


def _items(value: Any) -> list[Any]:
    """Return the items of a list."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return list(islice(value, _LONGEST_LIST))
    return []


def _key(item: Mapping[Any, Any], names: Iterable[str]) -> Any:
    """Return under which key an item has one of the names, the first that it has."""
    keys = {_plain(key): key for key in item if isinstance(key, str)}
    return next((keys[name] for name in names if name in keys), None)


def _value_key(item: Mapping[Any, Any]) -> str | None:
    """Return under which key an item has its price."""
    named = _key(item, _VALUES)
    if named is None or _plain(named) not in ("total", "price"):
        for key in item:
            if isinstance(key, str) and _PRICE_WITH_UNIT.search(_plain(key)):
                # The one a kWh before the one a MWh.
                if unit_of_key(key).kwh == 1.0 or named is None:
                    return key
    return named if isinstance(named, str) else None


def _of_mappings(items: list[Any], unit: Unit, time_zone: tzinfo) -> Iterator[_Entry]:
    """Yield what a list of mappings says."""
    rows = [item for item in items if isinstance(item, Mapping)]
    if not rows:
        return
    value_key = _value_key(rows[0])
    start_key = _key(rows[0], _STARTS)
    end_key = _key(rows[0], _ENDS)
    if value_key is None or start_key is None:
        return
    numbers = [_number(row.get(value_key)) for row in rows]
    known = [abs(number) for number in numbers if number is not None]
    own = unit_of_key(value_key)
    if _plain(start_key) == "validfrom" and "vat" in _plain(value_key):
        # Octopus' own interface, in pence.
        own = own.otherwise(Unit(hundredths=True))
    tiny = _plain(value_key) == _TEN_MILLIONTHS and known and median(known) > _NO_PRICE
    earlier: set[datetime] = set()
    for row, number in zip(rows, numbers, strict=True):
        start = _fold(row.get(start_key), earlier)
        moment = _moment(start, time_zone)
        if moment is None or number is None:
            continue
        if tiny:
            price = number / 1e7
        else:
            price = (
                number * own.otherwise(unit_of(row.get("unit"))).otherwise(unit).factor
            )
        end = None if end_key is None else _moment(row.get(end_key), time_zone)
        yield _Entry(start=moment, end=end, price=price)


def _fold(start: Any, earlier: set[datetime]) -> Any:
    """Return a start without a zone that is there twice as the later one."""
    try:
        local = datetime.fromisoformat(start) if isinstance(start, str) else start
    except ValueError:
        return start
    if not isinstance(local, datetime) or local.tzinfo is not None:
        return start
    if local in earlier:
        return local.replace(fold=1)
    earlier.add(local)
    return local


def _of_times(
    values: Mapping[Any, Any], unit: Unit, time_zone: tzinfo
) -> Iterator[_Entry]:
    """Yield what a mapping of times to numbers says."""
    for key, value in values.items():
        if not isinstance(key, str | datetime):
            return
        moment, number = _moment(key, time_zone), _number(value)
        if moment is not None and number is not None:
            yield _Entry(start=moment, end=None, price=number * unit.factor)


def _of_day(
    items: list[Any], day: date, unit: Unit, time_zone: tzinfo
) -> Iterator[_Entry]:
    """Yield what a list with a number for each hour, or quarter, of a day says."""
    midnight = datetime.combine(day, time(), time_zone).astimezone(UTC)
    length = datetime.combine(day + _DAY, time(), time_zone).astimezone(UTC) - midnight
    for minutes in _STEPS:
        step = timedelta(minutes=minutes)
        if len(items) * step == length:
            starts = [midnight + index * step for index in range(len(items) + 1)]
            break
        if len(items) * step == _DAY:
            # By the clock, also on the days that are shorter or longer.
            local = datetime.combine(day, time())
            starts = [
                (local + index * step).replace(tzinfo=time_zone).astimezone(UTC)
                for index in range(len(items) + 1)
            ]
            break
    else:
        return
    for (start, end), value in zip(pairwise(starts), items, strict=True):
        number = _number(value)
        if number is not None and start < end:
            yield _Entry(start=start, end=end, price=number * unit.factor)


def _of_hours(
    attributes: Mapping[Any, Any], today: date, unit: Unit, time_zone: tzinfo
) -> Iterator[_Entry]:
    """Yield what attributes for each hour say."""
    for name, value in attributes.items():
        match = _HOUR.fullmatch(name) if isinstance(name, str) else None
        number = _number(value)
        if match is None or number is None or int(match[2]) > 23:
            continue
        day = today + _DAY if match[1] else today
        local = datetime.combine(day, time(int(match[2]), fold=1 if match[3] else 0))
        start = local.replace(tzinfo=time_zone).astimezone(UTC)
        yield _Entry(
            start=start, end=start + timedelta(hours=1), price=number * unit.factor
        )


def _slots(entries: Iterable[_Entry]) -> Prices:
    """Return entries in order, each until its end or the next."""
    by_start = {entry.start: entry for entry in entries}
    ordered = sorted(by_start.values(), key=lambda entry: entry.start)
    steps = [after.start - entry.start for entry, after in pairwise(ordered)]
    usual = sorted(steps)[len(steps) // 2] if steps else _LONGEST_STEP
    slots: list[PriceSlot] = []
    for index, entry in enumerate(ordered):
        end = entry.end
        if index < len(steps):
            step = steps[index]
            if end is None and usual <= _LONGEST_STEP < step:
                step = usual
            end = (
                entry.start + step
                if end is None
                else min(end, ordered[index + 1].start)
            )
        elif end is None:
            last = slots[-1].end - slots[-1].start if slots else _LONGEST_STEP
            end = entry.start + last
        if end > entry.start:
            slots.append(PriceSlot(start=entry.start, end=end, price=entry.price))
    return tuple(slots)


def _joined(lists: Iterable[Prices]) -> Prices:
    """Return several lists as one; where two know a price, that of the first counts."""
    joined: Prices = ()
    for prices in lists:
        joined = merged(prices, joined)
    return joined


def read_prices(
    attributes: Mapping[Any, Any],
    *,
    unit: str | None,
    time_zone: tzinfo,
    today: date | None = None,
) -> Prices:
    """Return the prices that the attributes of an entity carry, in UTC.

    In the currency, a kWh. `unit`: the entity's unit of measurement. `time_zone`: of
    times that carry none. `today`: of which day a list `today` is that has no times;
    None: such lists are not read. PricesNotUnderstoodError: there are none.
    """
    common = unit_of_attributes(attributes, unit)
    prices: Prices = ()
    if common.is_price:
        named = dict(_named(attributes))
        # What is for something else counts where there is nothing but that.
        others = {name for name in named if _OTHER.search(name)}
        for names in (named.keys() - others, others):
            prices = prices or _timed(
                {name: named[name] for name in names}, common, time_zone
            )
        if not prices:
            prices = _slots(_parallel(attributes, common, time_zone))
        if not prices and today is not None:
            prices = _joined(
                _slots(entries)
                for entries in (
                    _of_hours(named, today, common, time_zone),
                    *_of_days(named, today, common, time_zone),
                )
            )
    if not prices:
        raise PricesNotUnderstoodError(_found(attributes, unit))
    return prices


def _named(attributes: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Yield attributes by their names in lower case, without what is not valid."""
    for name, value in attributes.items():
        if not isinstance(name, str):
            continue
        if _is_of_tomorrow(name.lower()) and attributes.get("tomorrow_valid") is False:
            continue
        yield name.lower(), value


def _is_of_tomorrow(name: str) -> bool:
    """Return whether an attribute is of tomorrow, by its name."""
    return "tomorrow" in name or "next_day" in name


def _timed(named: Mapping[str, Any], unit: Unit, time_zone: tzinfo) -> Prices:
    """Return what all lists with times say: forecasts least, long lists most."""
    ranked: list[tuple[bool, int, str, Prices]] = []
    for name, value in named.items():
        if isinstance(value, Mapping):
            entries = list(_of_times(value, unit, time_zone))
            lists = [] if entries else [items for _, items in _lists(value, None, 2)]
        else:
            entries, lists = [], [_items(value)]
        for items in lists:
            entries += _of_mappings(items, unit, time_zone)
        forecast = _FORECAST.search(name) is not None
        ranked.append((forecast, -len(entries), name, _slots(entries)))
    return _joined(
        prices for _, _, _, prices in sorted(ranked, key=lambda row: row[:3])
    )


def _of_days(
    named: Mapping[str, Any], today: date, unit: Unit, time_zone: tzinfo
) -> Iterator[Iterator[_Entry]]:
    """Yield what each list of bare numbers says."""
    for name, value in named.items():
        tomorrow = _is_of_tomorrow(name)
        if (tomorrow or "today" in name) and not _OTHER.search(name):
            day = today + _DAY if tomorrow else today
            yield _of_day(_items(value), day, unit, time_zone)


def _parallel(
    attributes: Mapping[Any, Any], unit: Unit, time_zone: tzinfo
) -> Iterator[_Entry]:
    """Yield what two lists say of which one has the times, the other the numbers."""
    lists = {
        name: items for name, value in attributes.items() if (items := _items(value))
    }
    starts = lists.get(_key(lists, _STARTS), [])
    values = lists.get(_key(lists, _VALUES), [])
    if len(starts) != len(values):
        return
    for start, value in zip(starts, values, strict=True):
        moment, number = _moment(start, time_zone), _number(value)
        if moment is not None and number is not None:
            yield _Entry(start=moment, end=None, price=number * unit.factor)


def read_response(
    response: Any, *, unit: str | None, time_zone: tzinfo, name: str | None = None
) -> Prices:
    """Return the prices that an action responded, in UTC, in the currency, a kWh.

    `name`: which of several lists, where they are told by area or by home; None, or one
    that is not there: the first that has prices.
    """
    found = list(_lists(response, None, 3))
    found.sort(key=lambda entry: entry[0] != name)
    for _, items in found:
        prices = _slots(_of_mappings(items, unit_of(unit), time_zone))
        if prices:
            return prices
    if found and not any(items for _, items in found):
        return ()
    raise PricesNotUnderstoodError(
        _found(response if isinstance(response, Mapping) else {}, unit)
    )


def _lists(
    value: Any, name: str | None, depth: int
) -> Iterator[tuple[str | None, list[Any]]]:
    """Yield the lists in a response, with the names they are under."""
    if isinstance(value, Mapping) and depth:
        for key, inner in value.items():
            yield from _lists(inner, key if isinstance(key, str) else None, depth - 1)
    elif isinstance(value, list):
        yield name, value[:_LONGEST_LIST]


def _found(attributes: Mapping[Any, Any], unit: str | None) -> str:
    """Return the names of what there is, without values."""
    names = []
    for name, value in attributes.items():
        if not isinstance(name, str):
            continue
        items = _items(value)
        inner = items[0] if items else value
        text = name[:40]
        if isinstance(inner, Mapping):
            keys = ", ".join(
                str(key)[:40] for key in list(inner)[:8] if isinstance(key, str)
            )
            text += f" ({keys})"
        names.append(text)
    text = ", ".join(names) or "nothing"
    if isinstance(unit, str) and unit:
        text = f"{text}; unit {unit[:20]}"
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
