"""Calendars."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sumprod
from typing import Final, override

from homeassistant.components.calendar import (
    CalendarEntity,
    CalendarEntityDescription,
    CalendarEvent,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.translation import (
    async_get_cached_translations,
    async_get_translations,
)
from homeassistant.util import dt as dt_util

from .charging.plan import PlanSlot
from .charging.receipt import Receipt
from .const import DOMAIN
from .coordinator import SiteConfigEntry
from .entity import WallboxEntity, WallboxEntityDescription
from .helpers import add_wallbox_entities
from .wallbox.sessions import Session
from .wallbox.state import Transaction

PARALLEL_UPDATES = 0

#: A calendar wants to know when an event ends. Nobody knows it of a session that runs:
#: it is taken to last until that many days later at least.
_OPEN_DAYS: Final = 2


@dataclass(frozen=True, kw_only=True)
class WallboxCalendarEntityDescription(
    WallboxEntityDescription, CalendarEntityDescription
):
    """Describes a calendar of a wallbox."""


SESSIONS = WallboxCalendarEntityDescription(
    key="sessions",
    # What happened stays true while the wallbox is away.
    available_fn=lambda _: True,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SiteConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the calendar of each wallbox."""
    add_wallbox_entities(entry, async_add_entities, WallboxCalendar, [SESSIONS])


class WallboxCalendar(WallboxEntity, CalendarEntity):
    """The charging sessions: those that ended, that run, and that are planned."""

    entity_description: WallboxCalendarEntityDescription

    @property
    @override
    def event(self) -> CalendarEvent | None:
        """Return the session that runs."""
        if (running := self.wallbox.active) is None:
            return None
        return self._running(
            running, dt_util.start_of_local_day() + timedelta(days=_OPEN_DAYS)
        )

    @override
    async def async_get_events(
        self, hass: HomeAssistant, start_date: datetime, end_date: datetime
    ) -> list[CalendarEvent]:
        """Return the sessions of which something lies in a range, oldest first."""
        language = hass.config.language
        texts = {
            **await async_get_translations(hass, language, "entity", [DOMAIN]),
            **await async_get_translations(hass, language, "selector", [DOMAIN]),
        }
        point = "." if language == "en" else ","
        events = [
            _event(
                session,
                texts,
                point=point,
                currency=hass.config.currency,
                card=self.station.config.card_name(session.id_token),
            )
            for session in self.station.ledger.sessions
            if session.start < end_date and session.end >= start_date
        ]
        if (running := self.wallbox.active) is not None:
            now = dt_util.utcnow()
            if running.started_at < end_date and now >= start_date:
                events.append(self._running(running, now))
        now = dt_util.utcnow()
        status = self.charging_status
        events += [
            _planned(slot, texts, point=point, currency=hass.config.currency)
            for slot in _windows(() if status is None else status.plan)
            if slot.start < end_date and slot.end > max(start_date, now)
        ]
        return events

    def _running(self, running: Transaction, end: datetime) -> CalendarEvent:
        """Return the session that runs, as an event until then."""
        # The wallbox's clock may be ahead; or ours was put back an hour since.
        start = min(dt_util.as_local(running.started_at), dt_util.now())
        texts = async_get_cached_translations(
            self.hass, self.hass.config.language, "selector", DOMAIN
        )
        return CalendarEvent(
            start=start,
            end=max(dt_util.as_local(end), start),
            summary=_text(texts, "running"),
        )

    @property
    @override
    def shown(self) -> object:
        """Return what the state is made of."""
        running = self.wallbox.active
        return None if running is None else (running.key, running.started_at)


def _windows(plan: Iterable[PlanSlot]) -> Iterator[PlanSlot]:
    """Yield the slots of a plan, those that follow each other as one: at their mean."""
    window: PlanSlot | None = None
    for slot in plan:
        if window is None or slot.start != window.end:
            if window is not None:
                yield window
            window = slot
        else:
            window = PlanSlot(
                start=window.start, end=slot.end, price=_mean_price(window, slot)
            )
    if window is not None:
        yield window


def _mean_price(*slots: PlanSlot) -> float | None:
    """Return what a kWh costs in slots on average; None: that is not known of all."""
    prices = [slot.price for slot in slots if slot.price is not None]
    if len(prices) < len(slots):
        return None
    lasts = [(slot.end - slot.start) / timedelta(hours=1) for slot in slots]
    return sumprod(prices, lasts) / sum(lasts)


def _planned(
    slot: PlanSlot, texts: dict[str, str], *, point: str, currency: str
) -> CalendarEvent:
    """Return a time of the plan as an event, with what a kWh costs in it."""
    start, end = dt_util.as_local(slot.start), dt_util.as_local(slot.end)
    return CalendarEvent(
        start=start,
        # Calendars compare what clocks show: see `_event`.
        end=max(end, start.replace(fold=1)),
        summary=_text(texts, "planned"),
        description=None
        if slot.price is None
        else _text(texts, "planned_price").format(
            price=f"{round(slot.price, 4):g}".replace(".", point), currency=currency
        ),
    )


def _text(texts: dict[str, str], key: str) -> str:
    """Return a text of a session, with places for what it is of this one."""
    return texts.get(f"component.{DOMAIN}.selector.session_text.options.{key}", key)


def _receipt(
    receipt: Receipt, texts: dict[str, str], *, point: str, currency: str
) -> Iterator[str]:
    """Yield what is known of what a session cost, and how much of it was sun."""
    if receipt.cost is not None:
        cost = f"{receipt.cost:.2f}".replace(".", point)
        yield _text(texts, "cost").format(cost=cost, currency=currency)
    if receipt.solar_share is not None:
        yield _text(texts, "sun").format(share=round(receipt.solar_share))


def _event(
    session: Session,
    texts: dict[str, str],
    *,
    point: str,
    currency: str,
    card: str | None,
) -> CalendarEvent:
    """Return a session that ended as an event: its energy, receipt, why it ended."""
    energy = f"{session.energy_wh / 1000:.1f}".replace(".", point)
    minutes = round(session.duration / timedelta(minutes=1))
    lines = [
        _text(texts, "duration").format(hours=minutes // 60, minutes=minutes % 60),
        *_receipt(session.receipt, texts, point=point, currency=currency),
    ]
    if card is not None:
        lines.append(_text(texts, "card").format(card=card))
    ended = _text(texts, "unheard")
    if (reason := session.stop_reason) is not None:
        place = f"component.{DOMAIN}.entity.sensor.stopped_reason.state.{reason}"
        ended = _text(texts, "reason").format(reason=texts.get(place, reason))
    lines.append(ended)
    start = dt_util.as_local(session.start)
    return CalendarEvent(
        start=start,
        # Home Assistant compares what clocks show. In the night when they are put back
        # it ends at the latest when they show its start again, for want of better.
        end=max(dt_util.as_local(session.end), start.replace(fold=1)),
        summary=f"{energy} kWh",
        description="\n".join(lines),
    )
