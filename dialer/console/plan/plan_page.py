"""Today's plan: what each operator has done against what is planned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls.owners import callers
from crm.day.overdue import OverdueRow, overdue_count, overdue_promises
from crm.day.standing_in import due_while_away, with_others
from crm.office.absences import absences_from
from crm.office.users import User
from crm.plan.plan_entries import EntryKind
from crm.preparation.campaigns import list_campaigns
from crm.reading.my_day import MyDay, my_day
from dialer.console.desk.day import overdue_text
from dialer.console.plan.passed_over import passed_over_lines, waiting_in_words
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page
from dialer.console.web.people import to_choose
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of, zone_of
from dialer.crm_words import explain
from dialer.shown.formats import long_day, naive_moment, short_day
from dialer.words import Words


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One person's day. `own` is what is planned for this person alone, `shared` what whoever is free is given; of that
    everybody's equal part is in `percent`."""

    user_id: int
    name: str
    done: int
    own: int
    shared: int
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


@dataclass(frozen=True, slots=True)
class AbsenceRow:
    """Who is away, and when. `passed`: who has how many of the promised calls, a line each; `count` of them."""

    user_id: int
    name: str
    days: str
    reason: str
    passed: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class PersonChoice:
    """Somebody to choose: who is to be away, with the calls promised for today, or who stands in."""

    user_id: int
    away: str
    stand_in: str


async def plan(request: web.Request) -> web.StreamResponse:
    """GET /plan"""
    deps, zone, words = request.app[DEPS], zone_of(request), words_of(request)
    now = deps.clock()
    today = now.astimezone(zone).date()
    async with deps.database.reading() as session:
        people = await callers(session)
        rows = [_row(user, await my_day(session, operator_id=user.id, now=now), today, zone) for user in people]
        overdue = await overdue_promises(session, now=now)
        overdue_in_all = await overdue_count(session, now=now)
        away = await _away(session, words, {user.id: user for user in people}, today, now)
        stand_ins = dict(await to_choose(session, words, people, today))
        choices = [await _choice(session, words, user, stand_ins[user.id], today, now) for user in people]
        passed_over = await passed_over_lines(session, words, zone, now=now)
        waited = await waiting_in_words(session, words, now=now)
        running = [(each.id, each.name) for each in await list_campaigns(session)]
    context = {
        "rows": rows,
        "day": long_day(words, today),
        "overdue": [_overdue_row(words, row, now) for row in overdue],
        "more_overdue": overdue_in_all - len(overdue),
        "passed_over": passed_over,
        "waited": waited,
        "today": today.isoformat(),
        "away": away,
        "choices": choices,
        "campaigns": running,
        "may_change": visitor(request).role in RULE_ROLES,
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


async def _away(
    session: AsyncSession, words: Words, people: Mapping[int, User], today: date, now: datetime
) -> list[AbsenceRow]:
    rows, told = [], set[int]()
    for absence in await absences_from(session, today):
        if absence.user_id not in people:
            continue
        # Who is back is back from all their days: the calls stand beside the first of them.
        passed = [] if absence.user_id in told else await with_others(session, absence.user_id, now=now)
        told.add(absence.user_id)
        owners = Counter(promise.owner_id for promise in passed)
        rows.append(
            AbsenceRow(
                absence.user_id,
                people[absence.user_id].name,
                f"{short_day(words, absence.first_day)} – {short_day(words, absence.last_day)}",
                absence.reason,
                tuple(
                    f"{_with_headset(words, people[owner_id], people[owner_id].name)}: {n}"
                    for owner_id, n in owners.items()
                ),
                len(passed),
            )
        )
    return rows


async def _choice(
    session: AsyncSession, words: Words, user: User, stand_in: str, today: date, now: datetime
) -> PersonChoice:
    due = await due_while_away(session, user=user, first_day=today, last_day=today, now=now)
    away = words.gettext("{name} (calls promised for today: {count})", name=user.name, count=len(due))
    return PersonChoice(user.id, away if due else user.name, _with_headset(words, user, stand_in))


def _with_headset(words: Words, user: User, name: str) -> str:
    return name if user.headset else words.gettext("{name} (no headset)", name=name)


def _row(user: User, day: MyDay, today: date, zone: tzinfo) -> PlanRow:
    due = [row for row in day.now if row.kind is EntryKind.CALLBACK]
    later = [row for row in day.later if row.at is not None and row.at.astimezone(zone).date() == today]
    return PlanRow(
        user_id=user.id,
        name=user.name,
        done=day.done_count,
        own=day.own_count,
        shared=day.shared_count,
        percent=day.percent,
        contacts=day.contacts,
        main_contacts=day.main_contacts,
        callbacks=len(due) + len(later),
        overdue=sum(row.overdue for row in due),
    )
