"""What happened in a period, as values: read a few hundred rows at a time, so that nobody waits for it."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import Row, Select, and_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.joined import survivors
from crm.base.organisations import Organisation
from crm.base.sources import Source
from crm.calls.letters import Letter
from crm.clientele.clients import Client
from crm.clientele.groups import GroupMove
from crm.group import Group
from crm.plan.attempt_rows import Attempt
from crm.plan.callbacks import Callback, CallbackState
from crm.plan.outcome_chain import Outcome, superseded
from crm.plan.plan_entries import EntryKind, PlanEntry
from crm.plan.reachable import reachable
from crm.preparation.campaigns import Campaign
from crm.preparation.results import OF_THE_CLIENT, Result
from crm.time_zones import instant
from crm.wrap_up.contacts import Contact

AT_ONCE: Final = 500
"""Rows, or values in a statement: a step of some milliseconds."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Period:
    """Days of the campaign's calendar, both included, and the moments around them."""

    first: date
    last: date
    begins_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, campaign: Campaign, first: date, last: date) -> Period:
        """From the midnight before to the midnight after, on the campaign's clock."""
        begins_at, ends_at = (
            instant(datetime.combine(day, time()), campaign.time_zone) for day in (first, last + timedelta(days=1))
        )
        return cls(first, last, begins_at, ends_at)


@dataclass(frozen=True, slots=True)
class RecordedTry:
    """A call that was made and written down. `kind`: why the client was in the plan; `written_at`: when its outcome was
    written down; `contact`, `main`, `promised`: what came of it. `claimed_at`: when the client came up for its
    caller."""

    id: str
    client_id: int
    number: str
    kind: EntryKind
    opened_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    written_at: datetime
    result: Result
    disposition: str
    callback_id: int | None
    contact: bool
    main: bool
    promised: bool
    operator_id: int = 0
    claimed_at: datetime | None = None
    talked: bool = False

    @property
    def came_up_at(self) -> datetime:
        """When its caller was given the client."""
        return self.opened_at if self.claimed_at is None else min(self.claimed_at, self.opened_at)


@dataclass(slots=True)
class Known:
    """A client: the `company` that stands for its organisation, its clock, its group now and the moves to it, and
    whether it can be called at all today. `owner_id`, `owned_since`: whose it is now; `number`: the first to be dialled
    now; `called_before`: when it was called last before the period; `spoke`: who had last spoken with it when."""

    id: int
    company: int
    zone: str
    group: Group
    reachable: bool
    moves: list[tuple[datetime, Group]] = field(default_factory=list)
    stored_zone: str = ""
    industry: str = ""
    source: str = ""
    owner_id: int | None = None
    owned_since: datetime | None = None
    created_at: datetime | None = None
    number: str = ""
    called_before: datetime | None = None
    spoke: dict[int, datetime] = field(default_factory=dict)

    def group_at(self, moment: datetime) -> Group:
        """That of the client then: the one from which the first move after `moment` led away."""
        place = bisect_right(self.moves, moment, key=lambda move: move[0])
        return self.moves[place][1] if place < len(self.moves) else self.group


@dataclass(frozen=True, slots=True)
class Promised:
    """A promised call, as long as it was open."""

    id: int
    client_id: int
    due_at: datetime
    zone: str
    created_at: datetime
    settled_at: datetime | None
    made_by: str | None
    settled_by: str | None
    owner_id: int = 0


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A try at a company or a number that the campaign's rules have no say in: another campaign's, or a letter."""

    company: int
    number: str
    opened_at: datetime
    ended_at: datetime
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Person:
    """Who calls clients, an operator or an expert; `active` now."""

    id: int
    operator: bool
    active: bool


@dataclass(frozen=True, slots=True)
class Skipped:
    """A client that somebody did not want to call on that day."""

    client_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Moved:
    """A client that came into another group without a call of the period."""

    client_id: int
    at: datetime
    group: Group


@dataclass(slots=True)
class Facts:
    """What happened to the clients who were called in the period. `earlier`: of each, the tries in vain right before
    it, the oldest first; `moved_to`: the group into which a call has led. Where the order of the plan is tried,
    `clients` are also those whose turn might have come, with `people`, the days on which they were `away`, what was
    `skipped`, and the other `moves`."""

    period: Period
    tries: list[RecordedTry] = field(default_factory=list)
    clients: dict[int, Known] = field(default_factory=dict)
    promises: defaultdict[int, list[Promised]] = field(default_factory=lambda: defaultdict(list))
    elsewhere: list[Elsewhere] = field(default_factory=list)
    earlier: defaultdict[int, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    moved_to: dict[str, Group] = field(default_factory=dict)
    people: list[Person] = field(default_factory=list)
    away: list[tuple[int, date, date]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    moves: list[Moved] = field(default_factory=list)

    def is_away(self, user_id: int, day: date) -> bool:
        """Whether it was noted that the person is away that day."""
        return any(who == user_id and first <= day <= last for who, first, last in self.away)


async def read_facts(session: AsyncSession, campaign: Campaign, facts: Facts) -> AsyncIterator[None]:
    """Fills `facts`, a step at a time."""
    period = facts.period
    async for rows in _pages(session, _tries_of(campaign, period)):
        facts.tries += [_as_try(row) for row in rows]
        yield
    client_ids = sorted({each.client_id for each in facts.tries})
    for some in chunks(client_ids):
        await read_clients(session, facts, campaign, some)
        yield
        await read_earlier(session, facts, some)
        yield


async def read_elsewhere(session: AsyncSession, campaign: Campaign, facts: Facts) -> AsyncIterator[None]:
    """Adds what the campaign's rules have no say in, of the clients in `facts`, a step at a time."""
    companies, numbers = {each.company for each in facts.clients.values()}, {each.number for each in facts.tries}
    numbers |= {each.number for each in facts.clients.values() if each.number}
    async for rows in _pages(session, _of_others(campaign, facts.period)):
        await _keep_of_others(session, facts, rows, companies, numbers)
        yield
    await _read_letters(session, facts, companies)
    yield


async def _pages(session: AsyncSession, these: Select[*tuple[Any, ...]]) -> AsyncIterator[Sequence[Row[Any]]]:
    """In the order in which calls were opened, each step from where the last one ended."""
    these = these.order_by(Attempt.opened_at, Attempt.id).limit(AT_ONCE)
    rows = (await session.execute(these)).all()
    while rows:
        yield rows
        last = rows[-1]
        beyond = tuple_(Attempt.opened_at, Attempt.id) > tuple_(last.opened_at, last.id)
        rows = (await session.execute(these.where(beyond))).all() if len(rows) == AT_ONCE else []


def chunks(these: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """`AT_ONCE` at a time."""
    return (these[first : first + AT_ONCE] for first in range(0, len(these), AT_ONCE))


def _in_period(period: Period) -> tuple[Any, ...]:
    return (
        Attempt.opened_at >= period.begins_at, Attempt.opened_at < period.ends_at, ~Attempt.imported,
        Attempt.result.is_not(None),
    )  # fmt: skip


def _tries_of(campaign: Campaign, period: Period) -> Select[*tuple[Any, ...]]:
    promise = Callback.__table__.alias("promise")
    return (
        select(
            Attempt.id, Attempt.client_id, Attempt.dialled, Attempt.opened_at, Attempt.answered_at, Attempt.ended_at,
            Attempt.wrapped_up_at, Attempt.result, Attempt.callback_id, Attempt.operator_id, Attempt.talked,
            PlanEntry.kind, PlanEntry.claimed_at, Outcome.disposition,
            Contact.id.label("contact"), Contact.main, promise.c.id.label("promise"),
        )
        .join(Client, Client.id == Attempt.client_id)
        .outerjoin(PlanEntry, PlanEntry.id == Attempt.plan_entry_id)
        .outerjoin(Outcome, and_(Outcome.attempt_id == Attempt.id, ~superseded()))
        .outerjoin(Contact, Contact.attempt_id == Attempt.id)
        .outerjoin(
            promise,
            and_(
                promise.c.client_id == Attempt.client_id,
                promise.c.made_by_attempt_id == Attempt.id,
                promise.c.state != CallbackState.WITHDRAWN,
            ),
        )
        .where(Client.campaign_id == campaign.id, Attempt.wrapped_up_at.is_not(None), *_in_period(period))
    )  # fmt: skip


def _as_try(row: Row[Any]) -> RecordedTry:
    return RecordedTry(
        row.id, row.client_id, row.dialled, row.kind or EntryKind.GROUP, row.opened_at, row.answered_at, row.ended_at,
        row.wrapped_up_at, row.result, row.disposition or "", row.callback_id, row.contact is not None, bool(row.main),
        row.promise is not None, row.operator_id, row.claimed_at, row.talked,
    )  # fmt: skip


async def read_clients(session: AsyncSession, facts: Facts, campaign: Campaign, some: Sequence[int]) -> None:
    """Adds these clients with their moves and promises, at most `AT_ONCE`."""
    found = await session.execute(
        select(
            Client.id,
            Client.organisation_id,
            Client.group,
            Client.owner_id,
            Client.owned_since,
            Client.created_at,
            Organisation.time_zone,
            Organisation.industry,
            Source.name,
        )
        .join(Organisation, Organisation.id == Client.organisation_id)
        .outerjoin(Source, Source.id == Client.source_id)
        .where(Client.id.in_(some))
    )
    rows = found.all()
    standing = await survivors(session, [row.organisation_id for row in rows])
    callable_now = set(await session.scalars(select(Client.id).where(Client.id.in_(some), *reachable())))
    for row in rows:
        company = standing.get(row.organisation_id, row.organisation_id)
        zone = row.time_zone or campaign.time_zone
        facts.clients[row.id] = Known(
            row.id, company, zone, row.group, row.id in callable_now, [], row.time_zone, row.industry, row.name or "",
            row.owner_id, row.owned_since, row.created_at,
        )  # fmt: skip
    moves = select(GroupMove).where(GroupMove.client_id.in_(some)).order_by(GroupMove.at, GroupMove.id)
    for move in await session.scalars(moves):
        facts.clients[move.client_id].moves.append((move.at, move.from_group))
        if move.attempt_id is not None:
            facts.moved_to[move.attempt_id] = move.to_group
        elif facts.period.begins_at <= move.at < facts.period.ends_at:
            facts.moves.append(Moved(move.client_id, move.at, move.to_group))
    promises = select(Callback).where(Callback.client_id.in_(some), Callback.created_at < facts.period.ends_at)
    promises = promises.where(or_(Callback.settled_at.is_(None), Callback.settled_at >= facts.period.begins_at))
    for each in await session.scalars(promises.order_by(Callback.id)):
        facts.promises[each.client_id].append(
            Promised(
                each.id, each.client_id, each.due_at, each.time_zone, each.created_at, each.settled_at,
                each.made_by_attempt_id, each.settled_by_attempt_id, each.owner_id,
            )
        )  # fmt: skip


async def read_earlier(session: AsyncSession, facts: Facts, some: Sequence[int]) -> None:
    """Of each client's tries before the period, those in vain since the last answer, the last one, and who spoke."""
    found = await session.execute(
        select(Attempt.client_id, Attempt.opened_at, Attempt.result, Attempt.operator_id, Attempt.talked)
        .where(Attempt.client_id.in_(some), Attempt.opened_at < facts.period.begins_at, ~Attempt.imported)
        .order_by(Attempt.client_id, Attempt.opened_at, Attempt.id)
    )
    for client_id, opened_at, result, operator_id, talked in found:
        known = facts.clients[client_id]
        known.called_before = opened_at
        if talked:
            known.spoke[operator_id] = opened_at
        if result is Result.ANSWERED:
            facts.earlier[client_id].clear()
        elif result in OF_THE_CLIENT:
            facts.earlier[client_id].append(opened_at)


def _of_others(campaign: Campaign, period: Period) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Attempt.id, Client.organisation_id, Attempt.dialled, Attempt.opened_at, Attempt.ended_at,
            Attempt.answered_at,
        )
        .join(Client, Client.id == Attempt.client_id)
        .where(Client.campaign_id != campaign.id, Attempt.result.in_(OF_THE_CLIENT), *_in_period(period))
    )  # fmt: skip


async def _keep_of_others(
    session: AsyncSession, facts: Facts, rows: Sequence[Row[Any]], companies: Set[int], numbers: Set[str]
) -> None:
    standing = await survivors(session, {row.organisation_id for row in rows})
    for row in rows:
        company = standing.get(row.organisation_id, row.organisation_id)
        if company in companies or row.dialled in numbers:
            facts.elsewhere.append(Elsewhere(company, row.dialled, row.opened_at, row.ended_at, row.answered_at))


async def _read_letters(session: AsyncSession, facts: Facts, companies: Set[int]) -> None:
    found = await session.execute(
        select(Client.organisation_id, Letter.sent_at, Letter.noted_at)
        .join(Client, Client.id == Letter.client_id)
        .where(Letter.sent_at >= facts.period.begins_at, Letter.sent_at < facts.period.ends_at)
        .where(Letter.withdrawn_at.is_(None))
    )
    rows = found.all()
    standing = await survivors(session, {row.organisation_id for row in rows})
    for organisation_id, sent_at, noted_at in rows:
        company = standing.get(organisation_id, organisation_id)
        if company in companies:
            facts.elsewhere.append(Elsewhere(company, "", sent_at, noted_at, None))
