"""What somebody has, and how all of it passes to others when they leave: in one batch, written down row by row.

Whatever concerns one client goes to one person. What there is to have stands in one list, `BELONGINGS`.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, Select, Text, and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.base.organisations import Organisation
from crm.calls.attempts import Attempt
from crm.calls.owners import set_owners
from crm.clientele.clients import Client, hold_clients
from crm.deals.deal_stages import OPEN as OPEN_DEALS
from crm.deals.deal_stages import DealStage
from crm.deals.deals import Deal, change_deal
from crm.errors import Conflict, Refused
from crm.experts.choosing import Choice, candidates, choose, loads
from crm.experts.referrals import OFFERED, ChosenBy, Referral, get_referral
from crm.experts.referring import pass_to
from crm.mapping import Base, UtcDateTime, one_of
from crm.office.users import CALLERS, Role, User, hold_users, set_role
from crm.plan import handovers
from crm.plan.callbacks import Callback, CallbackState, get_callback
from crm.plan.plan_entries import EntryState, PlanEntry
from crm.plan.promise_mail import follow_all
from crm.preparation.campaign_setup import ExpertIndustry
from crm.text_rules import fold, required
from crm.time_zones import instant, local

_AT_ONCE: Final = 1_000  # values in one statement


class Belonging(enum.StrEnum):
    """What somebody may have of a client."""

    CLIENT = "client"
    CALLBACK = "callback"
    REFERRAL = "referral"
    DEAL = "deal"
    PLAN_ENTRY = "plan_entry"


class DealtBy(enum.StrEnum):
    """How a portfolio is dealt out among several: who has least to do, of all or of those who know the industry."""

    LOAD = "load"
    INDUSTRY = "industry"


class PortfolioMove(Base):
    """One batch: everything that `from_user_id` had. Append-only by triggers, but for blanking its reason."""

    __tablename__ = "portfolio_moves"
    __table_args__ = (CheckConstraint("length(trim(reason)) > 0", name="reason"), Index(None, "from_user_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    from_user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    dealt_by: Mapped[DealtBy] = mapped_column(one_of(DealtBy, "dealt_by"))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))


class PortfolioRow(Base):
    """What passed to whom: `row_id` is the number of what `belonging` says; `to_user_id` `None`: a client that waits
    for an expert and that none of the others can take, which any of its campaign's may. Append-only by triggers."""

    __tablename__ = "portfolio_rows"
    __table_args__ = (Index(None, "move_id", "id"), Index(None, "client_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    move_id: Mapped[int] = mapped_column(ForeignKey("portfolio_moves.id"))
    belonging: Mapped[Belonging] = mapped_column(one_of(Belonging, "belonging"))
    row_id: Mapped[int]
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    to_user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that somebody has. `to`: who would take it, `None` where nobody is chosen yet."""

    belonging: Belonging
    row_id: int
    client_id: int
    organisation: str
    industry: str
    campaign_id: int
    to: int | None = None


def _owned_clients(user_id: int) -> Select[int, int]:
    return select(Client.id, Client.id).where(Client.owner_id == user_id)


def _open_callbacks(user_id: int) -> Select[int, int]:
    mine = select(Callback.id, Callback.client_id)
    return mine.where(Callback.owner_id == user_id, Callback.state == CallbackState.OPEN)


def _offered_referrals(user_id: int) -> Select[int, int]:
    mine = select(Referral.id, Referral.client_id)
    return mine.where(Referral.expert_id == user_id, Referral.state == OFFERED)


def _running_deals(user_id: int) -> Select[int, int]:
    """Those that are open, and contracts that are not paid."""
    unpaid = and_(Deal.stage == DealStage.CONTRACT, Deal.paid_on.is_(None))
    return select(Deal.id, Deal.client_id).where(Deal.owner_id == user_id, or_(Deal.stage.in_(OPEN_DEALS), unpaid))


def _planned(user_id: int) -> Select[int, int]:
    """What waits in the plan, promises apart: their places go with them."""
    mine = select(PlanEntry.id, PlanEntry.client_id).where(PlanEntry.operator_id == user_id)
    active = PlanEntry.state.in_((EntryState.WAITING, EntryState.CLAIMED))
    return mine.where(active, PlanEntry.callback_id.is_(None))


BELONGINGS: Final[Mapping[Belonging, Callable[[int], Select[int, int]]]] = {
    Belonging.CLIENT: _owned_clients,
    Belonging.CALLBACK: _open_callbacks,
    Belonging.REFERRAL: _offered_referrals,
    Belonging.DEAL: _running_deals,
    Belonging.PLAN_ENTRY: _planned,
}
"""What may be somebody's: a query for the ids, with the client of each, by the user's id."""


async def portfolio_of(session: AsyncSession, user_id: int) -> list[Item]:
    """Everything that this user has, what is of one client together."""
    found = [
        (belonging, row_id, client_id)
        for belonging, query in BELONGINGS.items()
        for row_id, client_id in (await session.execute(query(user_id))).all()
    ]
    clients: dict[int, tuple[str, str, int]] = {}
    ids = sorted({client_id for _, _, client_id in found})
    for first in range(0, len(ids), _AT_ONCE):
        named = (
            select(Client.id, Organisation.name, Organisation.industry, Client.campaign_id)
            .join(Organisation, Organisation.id == Client.organisation_id)
            .where(Client.id.in_(ids[first : first + _AT_ONCE]))
        )
        for client_id, name, industry, campaign_id in await session.execute(named):
            clients[client_id] = (name, industry, campaign_id)
    order = list(BELONGINGS)
    items = [Item(belonging, row_id, client_id, *clients[client_id]) for belonging, row_id, client_id in found]
    return sorted(items, key=lambda item: (item.client_id, order.index(item.belonging), item.row_id))


async def counts_of(session: AsyncSession, user_id: int) -> dict[Belonging, int]:
    """How much of what this user has; what there is nothing of is left out."""
    return dict(Counter(item.belonging for item in await portfolio_of(session, user_id)))


async def preview(session: AsyncSession, *, of: User, to: Sequence[User], by: DealtBy, now: datetime) -> list[Item]:
    """What would go to whom. Raises `Refused` for nobody, and for somebody who cannot take clients."""
    _assert_takers(of, to)
    items = await portfolio_of(session, of.id)
    load = await loads(session, [each.id for each in to], until=_day_end(now, of.time_zone))
    knows = await _who_knows(session, to) if by is DealtBy.INDUSTRY else {}
    whose: dict[int, int] = {}
    for item in items:
        if item.client_id not in whose:
            those = [each for each in load if (item.campaign_id, fold(item.industry)) in knows.get(each, ())]
            whose[item.client_id] = min(those or load, key=lambda each: (load[each], each))
            load[whose[item.client_id]] += 1
    return [
        Item(each.belonging, each.row_id, each.client_id, each.organisation, each.industry, each.campaign_id,
             whose[each.client_id])
        for each in items
    ]  # fmt: skip


def digest_of(items: Iterable[Item]) -> str:
    """Of what would go to whom, so that what was shown is what passes."""
    told = sorted((each.belonging.value, each.row_id, each.client_id, each.to or 0) for each in items)
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _assert_takers(of: User, to: Sequence[User]) -> None:
    if not to:
        raise Refused("portfolio.needs_taker")
    for each in to:
        if each.id == of.id or not each.active or each.role not in CALLERS:
            raise Refused("portfolio.cannot_take", name=each.name)


def _day_end(now: datetime, time_zone: str) -> datetime:
    tomorrow = local(now, time_zone).date() + timedelta(days=1)
    return instant(datetime.combine(tomorrow, time()), time_zone)


async def _who_knows(session: AsyncSession, to: Sequence[User]) -> dict[int, set[tuple[int, str]]]:
    """By user the campaigns with the industries that they look after there."""
    found: dict[int, set[tuple[int, str]]] = {}
    rows = select(ExpertIndustry).where(ExpertIndustry.user_id.in_([each.id for each in to]))
    for row in await session.scalars(rows):
        found.setdefault(row.user_id, set()).add((row.campaign_id, fold(row.industry)))
    return found


async def hand_over(
    session: AsyncSession,
    *,
    of: User,
    to: Sequence[User],
    reason: str,
    now: datetime,
    by: DealtBy = DealtBy.LOAD,
    author_id: int | None = None,
    shown: str | None = None,
) -> list[Item]:
    """Everything that `of` has passes to these. `shown`: the digest of what somebody has looked at. Returns what went
    to whom. Raises as `preview`, `Refused` without a reason, or while `of` is in a call, and `Conflict` where something
    else would pass now than was shown."""
    reason = required(reason, "portfolio.needs_reason")
    await hold_users(session, User.id.in_([of.id, *(each.id for each in to)]))
    await _assert_no_call(session, of)
    await hold_clients(session, {item.client_id for item in await portfolio_of(session, of.id)})
    items = await preview(session, of=of, to=to, by=by, now=now)
    if shown is not None and shown != digest_of(items):
        raise Conflict("portfolio.looks_otherwise")
    if not items:
        return []
    move = PortfolioMove(from_user_id=of.id, dealt_by=by, reason=reason, at=now, author_id=author_id)
    session.add(move)
    await session.flush()
    items = await _carry_over(session, of, items, now=now, author_id=author_id)
    rows = [
        {"move_id": move.id, "belonging": item.belonging, "row_id": item.row_id, "client_id": item.client_id,
         "to_user_id": item.to}
        for item in items
    ]  # fmt: skip
    await session.execute(insert(PortfolioRow), rows)
    counts = Counter(item.belonging.value for item in items)
    audit.note(
        session, at=now, user_id=author_id, action=audit.PORTFOLIO_MOVED, subject=f"user:{of.id}",
        details={"move": move.id, "to": [each.id for each in to], "reason": reason, **counts},
    )  # fmt: skip
    await session.flush()
    return items


async def _assert_no_call(session: AsyncSession, of: User) -> None:
    calling = select(Attempt.id).where(Attempt.operator_id == of.id, Attempt.wrapped_up_at.is_(None), ~Attempt.imported)
    if await session.scalar(calling.limit(1)) is not None:
        raise Refused("portfolio.in_call", name=of.name)


async def _carry_over(
    session: AsyncSession, of: User, items: Sequence[Item], *, now: datetime, author_id: int | None
) -> list[Item]:
    """In the order of locks. Of referrals the one who has it then is not always the one who was meant."""
    parts = {each: [item for item in items if item.belonging is each] for each in BELONGINGS}
    await _give_clients(session, parts[Belonging.CLIENT], now=now, author_id=author_id)
    await _give_promises(session, of, parts[Belonging.CALLBACK], now=now, author_id=author_id)
    for item in parts[Belonging.PLAN_ENTRY]:
        await session.execute(
            update(PlanEntry)
            .where(PlanEntry.id == item.row_id)
            .values(operator_id=item.to, place=None)
            .execution_options(synchronize_session=False)
        )
    taken = {item.row_id: await _give_referral(session, item, now, author_id) for item in parts[Belonging.REFERRAL]}
    for item in parts[Belonging.DEAL]:
        await change_deal(session, deal_id=item.row_id, now=now, author_id=author_id, owner_id=item.to)
    return [
        Item(item.belonging, item.row_id, item.client_id, item.organisation, item.industry, item.campaign_id,
             taken[item.row_id] if item.belonging is Belonging.REFERRAL else item.to)
        for item in items
    ]  # fmt: skip


async def _give_clients(session: AsyncSession, items: Sequence[Item], *, now: datetime, author_id: int | None) -> None:
    if not items:
        return
    await set_owners(session, {item.row_id: (item.to, now) for item in items})
    for item in items:
        client = await session.get_one(Client, item.row_id)
        was_since = client.owned_since.isoformat() if client.owned_since is not None else None
        audit.note(
            session, at=now, user_id=author_id, action=audit.CLIENT_OWNED, subject=f"client:{item.row_id}",
            details={"was": client.owner_id, "was_since": was_since, "owner": item.to, "since": now.isoformat(),
                     "outcome": None},
        )  # fmt: skip
        session.expire(client)
    await session.flush()


async def _give_promises(
    session: AsyncSession, of: User, items: Sequence[Item], *, now: datetime, author_id: int | None
) -> None:
    passed: dict[int, list[int]] = {}
    for item in items:
        assert item.to is not None  # a portfolio goes to somebody
        promise = await get_callback(session, item.row_id, lock=True)
        await handovers.pass_on(session, promise, item.to, now=now, author_id=author_id)
        passed.setdefault(item.to, []).append(promise.id)
    await session.flush()
    await follow_all(session, [item.row_id for item in items], now=now)
    for receiver, callbacks in passed.items():
        audit.note(
            session, at=now, user_id=author_id, action=audit.CALLBACKS_HANDED_OVER, subject=f"user:{of.id}",
            details={"to": receiver, "callbacks": callbacks},
        )  # fmt: skip


async def _give_referral(session: AsyncSession, item: Item, now: datetime, author_id: int | None) -> int | None:
    """To whoever takes the client, if they are an expert of its campaign; otherwise by the campaign's rule."""
    client = await session.get_one(Client, item.client_id, populate_existing=True)
    referral = await get_referral(session, item.row_id, lock=True)
    people = [each for each in await candidates(session, client, now=now) if each.user.id != referral.expert_id]
    meant = next((each for each in people if each.user.id == item.to), None)
    choice = Choice(meant, ChosenBy.NAME) if meant else await choose(session, client, now=now, among=people)
    offered = await pass_to(session, client, referral, choice, now=now, author_id=author_id)
    return offered.expert_id


async def leave(
    session: AsyncSession,
    *,
    user: User,
    to: User | None,
    reason: str,
    now: datetime,
    author_id: int | None = None,
) -> list[Item]:
    """Let the user sign in no more, once everything that they had is in other hands; returns what went to whom. Raises
    `Refused` while they have something and nobody takes it."""
    items = await _empty(session, user=user, to=to, reason=reason, now=now, author_id=author_id)
    await handovers.switch_off(session, user=user, hand_over_to=None, now=now, author_id=author_id)
    return items


async def change_role(
    session: AsyncSession,
    *,
    user: User,
    role: Role,
    to: User | None,
    reason: str,
    now: datetime,
    author_id: int | None = None,
) -> list[Item]:
    """Let the user do something else from now on. An expert, and who will call nobody any more, gives everything away
    first; returns what went to whom. Raises `Refused` while they have something and nobody takes it."""
    items: list[Item] = []
    if user.role is not role and (role not in CALLERS or user.role is Role.EXPERT):
        items = await _empty(session, user=user, to=to, reason=reason, now=now, author_id=author_id)
    await set_role(session, user=user, role=role, now=now, author_id=author_id)
    return items


async def _empty(
    session: AsyncSession, *, user: User, to: User | None, reason: str, now: datetime, author_id: int | None
) -> list[Item]:
    """What went to whom; then nobody can give them anything until the transaction ends."""
    items: list[Item] = []
    if to is not None:
        items = await hand_over(session, of=user, to=[to], reason=reason, now=now, author_id=author_id)
    await session.execute(select(User.id).where(User.id == user.id).with_for_update())
    left = await counts_of(session, user.id)
    if left:
        raise Refused("user.owns_portfolio", login=user.login, count=sum(left.values()))
    return items


async def moves_of(session: AsyncSession, user_id: int) -> list[tuple[PortfolioMove, dict[Belonging, int]]]:
    """The batches of this user, the newest first, with how much of what passed."""
    found = []
    moves = select(PortfolioMove).where(PortfolioMove.from_user_id == user_id).order_by(PortfolioMove.id.desc())
    for move in (await session.scalars(moves)).all():
        rows = await session.scalars(select(PortfolioRow.belonging).where(PortfolioRow.move_id == move.id))
        found.append((move, dict(Counter(rows.all()))))
    return found
