"""The left column: what is due now, what comes later, what is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from sqlalchemy.ext.asyncio import AsyncSession

from crm.day.nobody_to_call import why_nobody
from crm.plan.dispositions import DISPOSITIONS
from crm.reading.my_day import DayRow, MyDay, my_day
from dialer.crm_words import explain
from dialer.shown.card import Card
from dialer.shown.formats import clock_time, near_moment
from dialer.words import Words

MOST_NOW, MOST_LATER, MOST_DONE = 6, 5, 8


@dataclass(frozen=True, slots=True)
class DayLine:
    """One line. `mark` is the group of the disposition, for its shape."""

    client_id: int
    when: str
    name: str
    detail: str = ""
    late: bool = False
    current: bool = False
    mark: str = ""
    attempt_id: str = ""


@dataclass(frozen=True, slots=True)
class Day:
    """The operator's day as it is shown; `waiting` counts the plan's clients that have no line of their own. `nobody`
    says why there is nobody to call, "" while a card is in front or may be coming."""

    now: tuple[DayLine, ...]
    later: tuple[DayLine, ...]
    finished: tuple[DayLine, ...]
    done: int
    planned: int
    percent: int
    contacts: int
    main_contacts: int
    waiting: int
    nobody: str


async def read_day(
    session: AsyncSession,
    words: Words,
    zone: tzinfo,
    *,
    operator_id: int,
    current: DayLine | None,
    none_left: bool,
    now: datetime,
) -> Day:
    """`current` is the client whose card is in front: it is claimed, so it is in no list. `none_left`: the desk has
    asked for the next client, and there was none."""
    found = await my_day(session, operator_id=operator_id, now=now)
    due = [
        _due_line(words, zone, row, now) for row in found.now if current is None or row.client_id != current.client_id
    ]
    return Day(
        now=tuple(([replace(current, current=True)] if current else []) + due)[:MOST_NOW],
        later=tuple(_later_line(words, zone, row, now) for row in found.later[:MOST_LATER]),
        finished=tuple(_done_line(zone, row) for row in found.done if row.disposition is not None)[:MOST_DONE],
        done=found.done_count,
        planned=found.planned_count,
        percent=found.percent,
        contacts=found.contacts,
        main_contacts=found.main_contacts,
        waiting=max(0, found.waiting_count - len(found.now)),
        nobody="" if current or not none_left else await _nobody(session, words, zone, operator_id, found, now),
    )


async def _nobody(
    session: AsyncSession, words: Words, zone: tzinfo, operator_id: int, found: MyDay, now: datetime
) -> str:
    """Why there is no card, and when there will be one."""
    verdict = await why_nobody(session, operator_id=operator_id, now=now)
    sentences = [explain(words, verdict.code, verdict.params)]
    if verdict.next_at is not None:
        at = near_moment(words, verdict.next_at, zone, now)
        sentences.append(words.gettext("It goes on at {time}.", time=at))
    if found.later and found.later[0].at:
        at = near_moment(words, found.later[0].at, zone, now)
        sentences.append(words.gettext("The next promise is at {time}; it comes up by itself.", time=at))
    return " ".join(sentences)


def current_line(words: Words, zone: tzinfo, card: Card, now: datetime) -> DayLine:
    """The line of the client whose card is in front."""
    if card.due_at is None:
        return DayLine(card.client_id, "▸", card.name)
    late = overdue_text(words, card.due_at, now)
    return DayLine(card.client_id, clock_time(card.due_at, zone), card.name, detail=late, late=bool(late))


def overdue_text(words: Words, due_at: datetime, now: datetime) -> str:
    """`просрочено на 2 мин`; "" while it is not late by a whole minute."""
    late_min = int((now - due_at).total_seconds() // 60)
    if late_min < 1:
        return ""
    if late_min < 90:
        return words.ngettext("{n} minute late", "{n} minutes late", late_min)
    return words.ngettext("{n} hour late", "{n} hours late", late_min // 60)


def _due_line(words: Words, zone: tzinfo, row: DayRow, now: datetime) -> DayLine:
    detail = overdue_text(words, row.at, now) if row.overdue and row.at else ""
    return DayLine(
        client_id=row.client_id,
        when=clock_time(row.at, zone) if row.at else "",
        name=row.organisation,
        detail=detail,
        late=bool(detail),
    )


def _later_line(words: Words, zone: tzinfo, row: DayRow, now: datetime) -> DayLine:
    assert row.at is not None  # a promise has its moment
    here = row.at.astimezone(zone)
    same_day = here.date() == now.astimezone(zone).date()
    there = row.client_local_at
    notes = [] if same_day else [here.strftime("%H:%M")]
    if there is not None and there != here.replace(tzinfo=None):
        notes.append(words.gettext("{time} at the client's", time=there.strftime("%H:%M")))
    return DayLine(
        client_id=row.client_id,
        when=here.strftime("%H:%M") if same_day else here.strftime("%d.%m"),
        name=row.organisation,
        detail=", ".join(notes),
    )


def _done_line(zone: tzinfo, row: DayRow) -> DayLine:
    chosen = DISPOSITIONS.get(row.disposition or "")
    return DayLine(
        client_id=row.client_id,
        when=clock_time(row.at, zone) if row.at else "",
        name=row.organisation,
        mark=chosen.group.value if chosen is not None and chosen.group else "",
        attempt_id=row.attempt_id or "",
    )
