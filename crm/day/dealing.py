"""Dealing the day's clients out: each person at work is given as many as the campaign says one person calls a day.

Clients that somebody keeps go to them, operators and experts alike; the others to the operators, so that everybody has
the same mix of groups, time zones and shares. Who is not dealt out today waits for another day.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import Row, Select, bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation
from crm.base.sources import Source
from crm.calls.owners import is_kept
from crm.clientele.clients import Client
from crm.day.order_rules import (
    LOOKED_AT,
    NO_SHARE,
    Turn,
    Wanted,
    deal_out,
    in_plan_order,
    in_rounds,
    room_left,
    shares_in,
)
from crm.day.whose_turn import of_share, whose_turn
from crm.group import Group
from crm.office.absences import away_on
from crm.office.users import CALLERS, Role, User
from crm.plan.attempt_rows import Attempt
from crm.plan.callbacks import Callback, CallbackState
from crm.plan.plan_entries import CLAIMED, OF_GROUP, PROMISED, WAITING, EntryKind, EntryState, PlanEntry, adding_new
from crm.preparation.campaigns import Campaign
from crm.preparation.plan_rules import SharesBy, order_of
from crm.time_zones import instant

_MOST_AT_ONCE: Final = 10_000  # both databases allow some 32,000 parameters in a statement
_IS_ONE_OF: Final = Client.id.in_(bindparam("some", expanding=True))


@dataclass(slots=True)
class _Search:
    """How far one person's own clients have been looked through, group by group."""

    user_id: int
    wanted: int  # clients, still
    groups: list[Group]  # not yet looked through
    last: int = 0  # id, of the first of them
    looked_at: int = 1  # for each client that is wanted
    found: list[Turn] = field(default_factory=list)

    def take(self, turn: Turn) -> None:
        """Unless there are enough."""
        if self.wanted:
            self.wanted -= 1
            self.found.append(turn)


async def deal(session: AsyncSession, *, campaign: Campaign, day: date, now: datetime) -> int:
    """Fill everybody's day up; returns how many clients were added to the plan."""
    room = await rooms(session, campaign=campaign, day=day)
    operators = await _operators(session, room)
    await _deal_left_over(session, campaign, day, room, operators)
    columns = _columns(campaign, whose_turn(campaign, day))
    kept = columns.where(is_kept(campaign, now), _IS_ONE_OF).order_by(Client.id)
    searches = await _kept_by_each(session, kept, room, order_of(campaign.group_order))
    others = columns.where(or_(Client.owner_id.is_(None), ~is_kept(campaign, now))).order_by(Client.id)
    dealing = deal_out(campaign, {search.user_id: search.found for search in searches}, room, operators)
    dealt = await _asked(session, campaign, others, dealing)
    rows = list(_rows(dealt, campaign, day))
    if not rows:
        return 0
    connection = await session.connection()
    return len((await connection.execute(adding_new(session).returning(PlanEntry.__table__.c.id), rows)).all())


async def _asked(
    session: AsyncSession,
    campaign: Campaign,
    others: Select[int, Group, str, str],
    dealing: Generator[Wanted, Sequence[Turn], list[tuple[int, Turn]]],
) -> list[tuple[int, Turn]]:
    """What `deal_out` comes to, with every client that it asks for from the database; `others`: whom nobody keeps."""
    named = list(shares_in(campaign))
    try:
        wanted = next(dealing)
        while True:
            these = others.where(Client.group == wanted.group).limit(wanted.most)
            if wanted.share == NO_SHARE:
                these = these.where(or_(of_share(campaign).is_(None), of_share(campaign).not_in(named)))
            elif wanted.share is not None:
                these = these.where(of_share(campaign) == wanted.share)
            wanted = dealing.send(_turns(await session.execute(these)))
    except StopIteration as end:
        dealt: list[tuple[int, Turn]] = end.value
        return dealt


async def has_room(session: AsyncSession, *, campaign: Campaign, day: date) -> bool:
    """Whether anybody could be given another client."""
    return campaign.calls_a_day is None or any((await rooms(session, campaign=campaign, day=day)).values())


async def rooms(session: AsyncSession, *, campaign: Campaign, day: date) -> dict[int, int]:
    """How many clients more each person at work that day may be given, by user id: what was called, waits, or was
    promised for the day counts."""
    assert campaign.calls_a_day is not None  # the caller has looked
    at_work = select(User.id).where(User.active, User.role.in_(CALLERS), ~away_on(User.id, day)).order_by(User.id)
    people, taken = list(await session.scalars(at_work)), list[tuple[int | None, int]]()
    midnight, next_midnight = (
        instant(datetime.combine(each, time()), campaign.time_zone) for each in (day, day + timedelta(days=1))
    )
    # Of what is there the few of the day are looked for, not the campaign's clients, who may be a million.
    here = (Client.campaign_id == campaign.id).is_(True)
    for counted in (
        select(Attempt.operator_id, func.count())
        .where(Attempt.opened_at >= midnight, Attempt.opened_at < next_midnight, Attempt.wrapped_up_at.is_not(None))
        .where(~Attempt.imported, Attempt.client_id == Client.id, here)
        .group_by(Attempt.operator_id),
        select(PlanEntry.operator_id, func.count())
        .where(PlanEntry.campaign_id == campaign.id, PlanEntry.day == day, PlanEntry.operator_id.is_not(None))
        .where(PlanEntry.state == WAITING, PlanEntry.kind != PROMISED)
        .group_by(PlanEntry.operator_id),
        select(PlanEntry.claimed_by, func.count())
        .where(PlanEntry.campaign_id == campaign.id, PlanEntry.state == CLAIMED)
        .group_by(PlanEntry.claimed_by),
        select(Callback.owner_id, func.count())
        .where(Callback.state == CallbackState.OPEN, Callback.due_at < next_midnight)
        .where(Callback.client_id == Client.id, here)
        .group_by(Callback.owner_id),
    ):
        taken += [(user_id, count) for user_id, count in await session.execute(counted)]
    return room_left(people, campaign.calls_a_day, taken)


async def _operators(session: AsyncSession, room: Iterable[int]) -> list[int]:
    these = select(User.id).where(User.id.in_(list(room)), User.role == Role.OPERATOR).order_by(User.id)
    return list(await session.scalars(these))


async def _deal_left_over(
    session: AsyncSession, campaign: Campaign, day: date, room: dict[int, int], operators: list[int]
) -> None:
    """What waits for nobody in particular: of those who are away, or from before the campaign dealt its clients out."""
    left_over = (
        select(PlanEntry.id)
        .where(PlanEntry.campaign_id == campaign.id, PlanEntry.day == day, PlanEntry.state == WAITING)
        .where(PlanEntry.kind == OF_GROUP, PlanEntry.operator_id.is_(None))
        .order_by(PlanEntry.rank, PlanEntry.id)
        .limit(sum(room[user_id] for user_id in operators))
    )
    for user_id, entry_id in in_rounds(list(await session.scalars(left_over)), operators, room):
        await session.execute(
            update(PlanEntry)
            .where(PlanEntry.id == entry_id)
            .values(operator_id=user_id)
            .execution_options(synchronize_session=False)
        )


async def _kept_by_each(
    session: AsyncSession, kept: Select[int, Group, str, str], room: dict[int, int], groups: tuple[Group, ...]
) -> list[_Search]:
    """Of each person's clients as many as there is room for; `kept`: of some, those who are kept and in turn. Asked for
    all people at once, since working out how to answer takes a database longer than answering for one of them."""
    searches = [_Search(user_id, most, list(groups)) for user_id, most in sorted(room.items())]
    while unfinished := [search for search in searches if search.wanted and search.groups]:
        whose: dict[int, _Search] = {}
        for search in unfinished:
            whose |= dict.fromkeys(await _further(session, search), search)
            if len(whose) >= _MOST_AT_ONCE:
                break
        if whose:
            for turn in _turns(await session.execute(kept, {"some": list(whose)})):
                whose[turn.client_id].take(turn)
    return searches


async def _further(session: AsyncSession, search: _Search) -> list[int]:
    """Ids of the person's next clients, whoever they are: ever more, and few where few are wanted, which no database
    can be told otherwise."""
    count = min(search.wanted * search.looked_at, _MOST_AT_ONCE)
    of_group = select(Client.id).where(Client.owner_id == search.user_id, Client.group == search.groups[0])
    found = list(await session.scalars(of_group.where(Client.id > search.last).order_by(Client.id).limit(count)))
    if len(found) < count:
        search.groups.pop(0)
        search.last, search.looked_at = 0, 1
    else:
        search.last, search.looked_at = found[-1], search.looked_at * LOOKED_AT
    return found


def _columns(campaign: Campaign, turns: Select[Any]) -> Select[int, Group, str, str]:
    if campaign.shares_by is SharesBy.SOURCE:
        turns = turns.join(Source, Source.id == Client.source_id, isouter=True)
    return turns.with_only_columns(Client.id, Client.group, Organisation.time_zone, of_share(campaign))


def _turns(found: Iterable[Row[int, Group, str, str]]) -> list[Turn]:
    return [Turn(client_id, group, stored_zone, share or "") for client_id, group, stored_zone, share in found]


def _rows(dealt: list[tuple[int, Turn]], campaign: Campaign, day: date) -> Iterator[dict[str, object]]:
    for window, rank, user_id, turn in in_plan_order(campaign, dealt, day):
        yield {
            "client_id": turn.client_id, "campaign_id": campaign.id, "day": day, "rank": rank,
            "opens_at": window.opens_at, "closes_at": window.closes_at, "kind": EntryKind.GROUP,
            "state": EntryState.WAITING, "reason": "", "operator_id": user_id, "assigned": False,
        }  # fmt: skip
