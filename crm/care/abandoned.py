"""Abandoned clients: of the customer's base, and nobody looks after them any more. Found by a rule, listed, moved."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, case, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from crm import audit
from crm.base.joined import is_joined
from crm.base.organisations import Organisation
from crm.base.past_deals import FormerOwner, PastDeal
from crm.clientele.clients import Client, hold_clients
from crm.clientele.groups import MoveCause, move
from crm.deals.deal_stages import DealStage
from crm.deals.deals import Deal
from crm.errors import Refused
from crm.group import Group
from crm.office.users import User
from crm.plan.attempt_rows import Attempt
from crm.plan.callbacks import Callback, CallbackState
from crm.time_zones import instant
from crm.wrap_up.contacts import Contact

MOST_MONTHS: Final = 600


class Reason(enum.StrEnum):
    """Why a client counts as abandoned."""

    BOUGHT_ONCE = "bought_once"  # one deal, and it is long ago
    SILENT = "silent"  # the last deal and the last contact are long ago
    OWNER_LEFT = "owner_left"  # who looked after it works here no more, and nobody was given it
    NO_OWNER = "no_owner"  # it bought, and is nobody's


_STAYS: Final = (Group.ABANDONED, Group.HOT, Group.NONEXISTENT)


@dataclass(frozen=True, slots=True)
class AbandonedRule:
    """Whom to look for: each of `reasons` is enough; `months` without a deal or contact are long ago. Raises `Refused`
    when it would find nobody, or everybody."""

    reasons: frozenset[Reason] = frozenset(Reason)
    months: int = 12

    def __post_init__(self) -> None:
        if not self.reasons:
            raise Refused("abandoned.needs_reason")
        if not 1 <= self.months <= MOST_MONTHS:
            raise Refused("abandoned.months", most=MOST_MONTHS)

    def since(self, today: date) -> date:
        """The day before which it is long ago."""
        years, month = divmod(today.year * 12 + today.month - 1 - self.months, 12)
        for day in (today.day, 30, 29, 28):
            try:
                return date(years, month + 1, day)
            except ValueError:  # there is no 31 June
                continue
        raise AssertionError("every month has 28 days")


@dataclass(frozen=True, slots=True)
class AbandonedRow:
    """A client that the rule finds; `owner` and `former_owner` "" for nobody."""

    client_id: int
    organisation: str
    city: str
    group: Group
    owner: str
    former_owner: str
    deals: int
    last_deal: date | None
    last_contact: datetime | None
    reasons: tuple[Reason, ...]


async def abandoned_clients(
    session: AsyncSession, *, campaign_id: int, rule: AbandonedRule, today: date, limit: int | None = None
) -> list[AbandonedRow]:
    """Whom the rule finds in the campaign, by name. Hot ones, those with an open promise, and those taken off the list
    are none: somebody has them in mind."""
    wanted, asked = _found(campaign_id, rule, rule.since(today))
    rows, holds = [], list[bool]()
    for row in await session.execute(wanted.limit(limit)):
        client_id, name, city, group, owner, former_user, former_name, deals, last_deal, last_contact, *holds = row
        reasons = tuple(reason for reason, true in zip(asked, holds, strict=True) if true)
        former = former_user or former_name or ""
        rows.append(
            AbandonedRow(client_id, name, city, group, owner or "", former, deals, last_deal, last_contact, reasons)
        )
    return rows


async def move_abandoned(
    session: AsyncSession,
    *,
    campaign_id: int,
    rule: AbandonedRule,
    today: date,
    now: datetime,
    words: Mapping[Reason, str],
    only: Collection[int] | None = None,
    author_id: int | None = None,
) -> list[int]:
    """Move those whom the rule finds now into the group "abandoned", each by a group move that says why in `words`;
    `only` these, if they are still found. Returns the ids of the clients moved."""
    found = await abandoned_clients(session, campaign_id=campaign_id, rule=rule, today=today)
    rows = {row.client_id: row for row in found if only is None or row.client_id in only}
    moved = []
    for client in await hold_clients(session, rows):
        row = rows[client.id]
        note = ", ".join(words[reason] for reason in row.reasons)
        made = await move(
            session, client=client, to=Group.ABANDONED, at=now, cause=MoveCause.RULE, author_id=author_id, note=note
        )
        if made is not None:
            moved.append(client.id)
    if moved:
        details = {"months": rule.months, "reasons": sorted(rule.reasons), "clients": moved}
        audit.note(
            session, at=now, user_id=author_id, action=audit.ABANDONED_MOVED, subject=f"campaign:{campaign_id}",
            details=details,
        )  # fmt: skip
        await session.flush()
    return moved


class _Told:
    """What is known of a client, as columns: its deals (those of before, and the contracts of the sales book), its last
    contact and the last time it was spoken to, who looked after it."""

    def __init__(self, since: date) -> None:
        long_ago = instant(datetime.combine(since, time()), "UTC")
        mine, of_book = PastDeal.organisation_id == Client.organisation_id, _contracts_of_company()
        past = select(func.count()).where(mine).scalar_subquery()
        self.deals = past + select(func.count()).where(*of_book).scalar_subquery()
        self.last_deal = _later(
            select(func.max(PastDeal.made_on)).where(mine).scalar_subquery(),
            select(func.max(Deal.contract_on)).where(*of_book).scalar_subquery(),
        )
        self.last_contact = select(func.max(Contact.at)).where(Contact.client_id == Client.id).scalar_subquery()
        bought = exists().where(mine) | exists().where(*of_book)
        bought_lately = exists().where(mine, PastDeal.made_on >= since) | exists().where(
            *of_book, Deal.contract_on >= since
        )
        talked = exists().where(Contact.client_id == Client.id)
        talked_lately = exists().where(Contact.client_id == Client.id, Contact.at >= long_ago) | exists().where(
            Attempt.client_id == Client.id, Attempt.answered_at >= long_ago
        )
        keeper, before = aliased(User), aliased(FormerOwner)
        left = exists().where(keeper.id == Client.owner_id, ~keeper.active)
        had_owner = exists().where(before.client_id == Client.id)
        self.why: dict[Reason, ColumnElement[bool]] = {
            Reason.BOUGHT_ONCE: and_(self.deals == 1, ~bought_lately),
            Reason.SILENT: and_(bought | talked, ~bought_lately, ~talked_lately),
            Reason.OWNER_LEFT: or_(left, and_(Client.owner_id.is_(None), had_owner)),
            Reason.NO_OWNER: and_(Client.owner_id.is_(None), bought),
        }


def _contracts_of_company() -> tuple[ColumnElement[bool], ...]:
    """As conditions on `Deal`: a contract of the client's company, in whichever campaign."""
    theirs = aliased(Client)
    company = exists().where(theirs.id == Deal.client_id, theirs.organisation_id == Client.organisation_id)
    return Deal.stage == DealStage.CONTRACT, company.correlate(Deal, Client)


def _later(one: ScalarSelect[Any], other: ScalarSelect[Any]) -> ColumnElement[Any]:
    """The later of two days, of which each may be missing."""
    return case((or_(other.is_(None), one >= other), one), else_=other)


_Columns = tuple[int, str, str, Group, str | None, str | None, str | None, int, date | None, datetime | None]


def _found(campaign_id: int, rule: AbandonedRule, since: date) -> tuple[Select[*_Columns], list[Reason]]:
    """The rows of `AbandonedRow`, and behind their columns one for each reason."""
    told, asked = _Told(since), [reason for reason in Reason if reason in rule.reasons]
    former_user, each = aliased(User), aliased(FormerOwner)
    newest = select(func.max(each.id)).where(each.client_id == Client.id).scalar_subquery()
    rows: Select[*_Columns] = select(
        Client.id, Organisation.name, Organisation.city, Client.group, User.name, former_user.name, FormerOwner.name,
        told.deals, told.last_deal, told.last_contact,
    )  # fmt: skip
    rows = (
        rows.join(Organisation, Organisation.id == Client.organisation_id)
        .join(User, User.id == Client.owner_id, isouter=True)
        .join(FormerOwner, FormerOwner.id == newest, isouter=True)
        .join(former_user, former_user.id == FormerOwner.user_id, isouter=True)
        .where(
            Client.campaign_id == campaign_id,
            Client.group.not_in(_STAYS),
            Client.off_list_reason == "",
            ~is_joined(Client.id),
            ~exists().where(Callback.client_id == Client.id, Callback.state == CallbackState.OPEN),
            or_(*(told.why[reason] for reason in asked)),
        )
        .order_by(Client.name_folded, Client.id)
    )
    return rows.add_columns(*(told.why[reason] for reason in asked)), asked
