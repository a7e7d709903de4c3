"""Whose client it is: who spoke with a client keeps it until the campaign's rule lets others call it.

Nothing is taken from the owner by that: the next one who speaks with the client becomes its owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import ColumnElement, and_, bindparam, exists, false, func, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from crm import audit
from crm.audit import AuditEntry
from crm.clientele.clients import Client
from crm.office.absences import away_on
from crm.office.users import CALLERS, User
from crm.plan.attempt_rows import Attempt
from crm.preparation.campaigns import Campaign
from crm.time_zones import local


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who keeps a client; `until` the rule lets others call it, `None` for ever."""

    owner_id: int
    name: str
    until: datetime | None


def is_kept(campaign: Campaign, now: datetime) -> ColumnElement[bool]:
    """As a condition on `Client`: its owner is at a desk, not away, and has spoken with it lately enough."""
    if campaign.owner_keeps_days == 0:
        return false()
    works = exists().where(User.id == Client.owner_id, User.active, User.role.in_(CALLERS)).correlate(Client)
    return and_(Client.owner_id.is_not(None), works, _present(campaign, now), _lately(campaign, now))


def _present(campaign: Campaign, now: datetime) -> ColumnElement[bool]:
    if campaign.away_keeps:
        return true()
    return ~away_on(Client.owner_id, _day(campaign, now))


def _lately(campaign: Campaign, now: datetime) -> ColumnElement[bool]:
    """Spoken with, or given to the owner, within the days; or neither was ever noted."""
    if campaign.owner_keeps_days is None:
        return true()
    since = now - timedelta(days=campaign.owner_keeps_days)
    # Not EXISTS, which PostgreSQL may answer by reading the talks of everybody.
    spoke = select(Attempt.id).where(_spoke(Client.id, Client.owner_id)).limit(1).correlate(Client)
    spoke_since = spoke.where(Attempt.opened_at >= since).scalar_subquery().is_not(None)
    never_spoke = spoke.scalar_subquery().is_(None)
    return or_(Client.owned_since >= since, spoke_since, and_(Client.owned_since.is_(None), never_spoke))


class KeepingRules(Protocol):
    """What a campaign says of whose clients are."""

    owner_keeps_days: int | None
    away_keeps: bool


def keeps(
    rules: KeepingRules, *, away: bool, owned_since: datetime | None, spoke_at: datetime | None, now: datetime
) -> bool:
    """As `is_kept`, by values: of an owner at a desk, `away` or not, who spoke with the client last at `spoke_at`."""
    if rules.owner_keeps_days == 0 or (away and not rules.away_keeps):
        return False
    known = [moment for moment in (owned_since, spoke_at) if moment is not None]
    return not known or rules.owner_keeps_days is None or max(known) >= now - timedelta(days=rules.owner_keeps_days)


def _spoke(
    client_id: InstrumentedAttribute[int] | int, operator_id: InstrumentedAttribute[int | None] | int | None
) -> ColumnElement[bool]:
    """Attempts in which they talked. A client has few, a user a great many: what compares the user is written so that
    the index of users cannot be chosen."""
    return and_(Attempt.client_id == client_id, (Attempt.operator_id == operator_id).is_(True), Attempt.talked)


def _day(campaign: Campaign, now: datetime) -> date:
    return local(now, campaign.time_zone).date()


async def keeper_of(session: AsyncSession, *, client: Client, campaign: Campaign, now: datetime) -> Keeper | None:
    """Who alone may call the client now, promises and the manager's decisions apart; `None` when anybody may."""
    if client.owner_id is None:
        return None
    kept = select(User.name).join(Client, Client.owner_id == User.id)
    name = await session.scalar(kept.where(Client.id == client.id, is_kept(campaign, now)))
    if name is None:
        return None
    until = None
    if campaign.owner_keeps_days is not None:
        spoke_at = await session.scalar(select(func.max(Attempt.opened_at)).where(_spoke(client.id, client.owner_id)))
        since = [moment for moment in (spoke_at, client.owned_since) if moment is not None]
        until = max(since) + timedelta(days=campaign.owner_keeps_days) if since else None
    return Keeper(client.owner_id, name, until)


def owning(owner_id: int | None, since: datetime | None) -> dict[str, Any]:
    """The columns of a client that are written together, wherever its owner is: whose it is, and since when."""
    return {"owner_id": owner_id, "owned_since": since if owner_id is not None else None}


async def set_owner(
    session: AsyncSession,
    *,
    client: Client,
    owner_id: int | None,
    now: datetime,
    author_id: int | None,
    since: datetime | None = None,
    outcome_id: int | None = None,
) -> None:
    """The client is this person's, from now on or `since`. Hold the client's row. `outcome_id`: what it follows from,
    for `give_back`."""
    if client.owner_id == owner_id:
        return
    before, own = (client.owner_id, client.owned_since), owning(owner_id, since or now)
    await _write(session, client, before, own, now=now, author_id=author_id, outcome_id=outcome_id)


async def set_owners(session: AsyncSession, owners: Mapping[int, tuple[int | None, datetime | None]]) -> None:
    """Many clients at once: each one's owner, and since when. Hold their rows; who gives them away writes the audit.
    Objects that the session holds go on saying what was there before."""
    clients = Client.metadata.tables["clients"]
    change = (
        update(clients)
        .where(clients.c.id == bindparam("of_id"))
        .values(**{column: bindparam(f"to_{column}") for column in owning(None, None)}, version=clients.c.version + 1)
    )
    values = [
        {"of_id": client_id, **{f"to_{column}": value for column, value in owning(owner_id, since).items()}}
        for client_id, (owner_id, since) in owners.items()
    ]
    await (await session.connection()).execute(change, values)


async def give_back(
    session: AsyncSession, *, client: Client, outcome_id: int, now: datetime, author_id: int | None
) -> None:
    """Whoever became the owner by this outcome is it no more: the client is whose it was, since when it was. Nothing
    happens once it was given on, or the new owner has spoken with the client in another call. Hold the client's row."""
    found = await session.scalars(
        select(AuditEntry)
        .where(AuditEntry.action == audit.CLIENT_OWNED, AuditEntry.subject == f"client:{client.id}")
        .order_by(AuditEntry.id.desc())
    )
    noted = next((entry.details for entry in found if entry.details.get("outcome") == outcome_id), None)
    if noted is None or (client.owner_id, _written(client.owned_since)) != (noted["owner"], noted["since"]):
        return
    since = datetime.fromisoformat(noted["since"])
    spoke = select(Attempt.id).where(_spoke(client.id, client.owner_id), Attempt.opened_at > since)
    if await session.scalar(spoke.limit(1)) is not None:
        return
    before = (client.owner_id, client.owned_since)
    was_since = noted["was_since"]
    own = owning(noted["was"], datetime.fromisoformat(was_since) if was_since else None)
    await _write(session, client, before, own, now=now, author_id=author_id, outcome_id=None)


async def _write(
    session: AsyncSession,
    client: Client,
    before: tuple[int | None, datetime | None],
    own: dict[str, Any],
    *,
    now: datetime,
    author_id: int | None,
    outcome_id: int | None,
) -> None:
    for column, value in own.items():
        setattr(client, column, value)
    details = {
        "was": before[0], "was_since": _written(before[1]), "owner": client.owner_id,
        "since": _written(client.owned_since), "outcome": outcome_id,
    }  # fmt: skip
    audit.note(
        session, at=now, user_id=author_id, action=audit.CLIENT_OWNED, subject=f"client:{client.id}", details=details
    )
    await session.flush()


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None


async def callers(session: AsyncSession) -> list[User]:
    """Everybody who is at a desk, by name."""
    found = await session.scalars(select(User).where(User.active, User.role.in_(CALLERS)).order_by(User.name, User.id))
    return list(found)
