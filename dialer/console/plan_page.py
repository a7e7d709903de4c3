"""Today's plan: what each operator has done against what is planned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.my_day import MyDay, my_day
from crm.overdue import OverdueRow, overdue_count, overdue_promises
from crm.plan_entries import EntryKind
from crm.users import Role, User
from dialer.console.day import overdue_text
from dialer.console.deps import DEPS
from dialer.console.formats import long_day, naive_moment
from dialer.console.pages import office_page
from dialer.console.visitors import words_of, zone_of
from dialer.crm_words import explain
from dialer.words import Words


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One operator's day."""

    name: str
    done: int
    planned: int
    percent: int
    contacts: int
    main_contacts: int
    callbacks: int
    overdue: int


@dataclass(frozen=True, slots=True)
class OverdueLine:
    """A promise that was not kept in time. `agreed` is on the client's clock; `why` the client cannot be called now."""

    client_id: int
    client: str
    owner: str
    agreed: str
    late: str
    why: str


async def plan(request: web.Request) -> web.StreamResponse:
    """GET /plan"""
    deps, zone = request.app[DEPS], zone_of(request)
    now = deps.clock()
    today = now.astimezone(zone).date()
    async with deps.database.reading() as session:
        rows = [
            _row(user.name, await my_day(session, operator_id=user.id, now=now), today, zone)
            for user in await _callers(session)
        ]
        overdue = await overdue_promises(session, now=now)
        overdue_in_all = await overdue_count(session, now=now)
    words = words_of(request)
    context = {
        "rows": rows,
        "day": long_day(words, today),
        "overdue": [_overdue_row(words, row, now) for row in overdue],
        "more_overdue": overdue_in_all - len(overdue),
    }
    return await office_page(request, "plan.html", context)


def _overdue_row(words: Words, row: OverdueRow, now: datetime) -> OverdueLine:
    return OverdueLine(
        client_id=row.client_id,
        client=row.organisation,
        owner=row.owner,
        agreed=naive_moment(words, row.local_at),
        late=overdue_text(words, row.due_at, now),
        why="" if row.verdict.allowed else explain(words, row.verdict.code, row.verdict.params),
    )


async def _callers(session: AsyncSession) -> list[User]:
    found = await session.scalars(
        select(User).where(User.active, User.role.in_((Role.OPERATOR, Role.EXPERT))).order_by(User.name)
    )
    return list(found)


def _row(name: str, day: MyDay, today: date, zone: tzinfo) -> PlanRow:
    due = [row for row in day.now if row.kind is EntryKind.CALLBACK]
    later = [row for row in day.later if row.at is not None and row.at.astimezone(zone).date() == today]
    return PlanRow(
        name=name,
        done=day.done_count,
        planned=day.planned_count,
        percent=round(100 * day.done_count / day.planned_count) if day.planned_count else 0,
        contacts=day.contacts,
        main_contacts=day.main_contacts,
        callbacks=len(due) + len(later),
        overdue=sum(row.overdue for row in due),
    )
