"""Portfolios that passed to others, as a client's history and a deal's page tell of them. Why somebody's portfolio
passed concerns them alone: it is told with the batch, and not here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from crm.base.joined import of_clients, read_as_one
from crm.care.portfolios import Belonging, PortfolioMove, PortfolioRow
from crm.clientele.clients import Client
from crm.office.users import User
from crm.preparation.campaigns import Campaign


@dataclass(frozen=True, slots=True)
class PassedOn:
    """What of one client passed from whom to whom in one batch, by whom. `receiver` "": any expert of the campaign may
    take it; `author` "" for nobody."""

    at: datetime
    giver: str
    receiver: str
    author: str
    what: tuple[Belonging, ...]


async def passed_of_client(session: AsyncSession, client_id: int, *, limit: int) -> list[PassedOn]:
    """The last of the client, and of those who are read with it, the newest first. Of deals only where its campaign
    sells by them."""
    whose = of_clients(PortfolioRow.client_id, await read_as_one(session, client_id))
    shown = or_(PortfolioRow.belonging != Belonging.DEAL, Campaign.sells_by_deals)
    return (await _passed(session, whose, shown))[:limit]


async def passed_of_deal(session: AsyncSession, deal_id: int) -> list[PassedOn]:
    """The same of one deal."""
    return await _passed(session, PortfolioRow.belonging == Belonging.DEAL, PortfolioRow.row_id == deal_id)


async def _passed(session: AsyncSession, *conditions: ColumnElement[bool]) -> list[PassedOn]:
    giver, receiver, author = aliased(User), aliased(User), aliased(User)
    found = await session.execute(
        select(
            PortfolioMove.id, PortfolioMove.at, giver.name, receiver.name, author.name, PortfolioRow.to_user_id,
            PortfolioRow.belonging,
        )
        .join(PortfolioMove, PortfolioMove.id == PortfolioRow.move_id)
        .join(Client, Client.id == PortfolioRow.client_id)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .join(giver, giver.id == PortfolioMove.from_user_id)
        .outerjoin(receiver, receiver.id == PortfolioRow.to_user_id)
        .outerjoin(author, author.id == PortfolioMove.author_id)
        .where(*conditions)
        .order_by(PortfolioMove.at.desc(), PortfolioMove.id.desc(), PortfolioRow.id)
    )  # fmt: skip
    passed: dict[tuple[int, int | None], PassedOn] = {}
    for move_id, at, from_name, to_name, by_name, to_id, belonging in found:
        before = passed.get((move_id, to_id))
        what = dict.fromkeys((*(before.what if before is not None else ()), belonging))
        passed[move_id, to_id] = PassedOn(at, from_name, to_name or "", by_name or "", tuple(what))
    return list(passed.values())
