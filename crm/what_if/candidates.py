"""Whose turn might have come in a period, beside those who were called: read a few hundred rows at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Hashable, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.audit import AuditEntry
from crm.base.phone_numbers import PhoneNumber, may_be_dialled
from crm.clientele.clients import Client
from crm.day.order_rules import REST_DAYS
from crm.office.absences import Absence
from crm.office.users import CALLERS, Role, User
from crm.preparation.campaigns import Campaign
from crm.what_if.facts import AT_ONCE, Facts, Known, Person, Skipped, chunks, read_clients, read_earlier

LONGEST_REST: Final = timedelta(days=max(REST_DAYS.values()))


def alike(known: Known, facts: Facts) -> Hashable:
    """What clients have in common of whom the first ones come up first, whatever the rules of the order are."""
    return (
        known.group_at(facts.period.begins_at), known.stored_zone, known.industry, known.source, known.owner_id,
    )  # fmt: skip


async def read_people(session: AsyncSession, facts: Facts) -> None:
    """Adds who calls, when they were away, and whom they skipped."""
    callers = select(User.id, User.role, User.active).where(User.role.in_(CALLERS)).order_by(User.id)
    facts.people += [
        Person(user_id, role is Role.OPERATOR, active) for user_id, role, active in await session.execute(callers)
    ]
    period = facts.period
    away = select(Absence.user_id, Absence.first_day, Absence.last_day)
    away = away.where(Absence.first_day <= period.last, Absence.last_day >= period.first)
    facts.away += [(user_id, first, last) for user_id, first, last in await session.execute(away)]
    skipped = select(AuditEntry.at, AuditEntry.details).where(AuditEntry.action == audit.PLAN_SKIPPED)
    skipped = skipped.where(AuditEntry.at >= period.begins_at, AuditEntry.at < period.ends_at)
    for at, details in await session.execute(skipped.order_by(AuditEntry.at)):
        facts.skipped.append(Skipped(details["client"], at))


async def read_candidates(session: AsyncSession, campaign: Campaign, facts: Facts, most: int) -> AsyncIterator[None]:
    """Adds clients whom nobody called in the period, a step at a time: of those that are alike the first `most` that
    can be called and do not rest when it begins."""
    called, counts = frozenset(facts.clients), Counter[Hashable]()
    for some in chunks(sorted(called)):
        await _read_numbers(session, facts, some)
        yield
    last = 0
    while True:
        ids = select(Client.id).where(Client.campaign_id == campaign.id, Client.id > last)
        found = list(await session.scalars(ids.order_by(Client.id).limit(AT_ONCE)))
        some = [client_id for client_id in found if client_id not in called]
        if some:
            await _read_some(session, campaign, facts, some)
            yield
            for client_id in some:
                _keep_or_forget(facts, facts.clients[client_id], counts, most)
        yield
        if len(found) < AT_ONCE:
            return
        last = found[-1]


def _keep_or_forget(facts: Facts, known: Known, counts: Counter[Hashable], most: int) -> None:
    key = alike(known, facts)
    if not known.reachable or counts[key] >= most:
        del facts.clients[known.id]
        facts.earlier.pop(known.id, None)
        facts.promises.pop(known.id, None)
    elif known.called_before is None or known.called_before < facts.period.begins_at - LONGEST_REST:
        counts[key] += 1


async def _read_some(session: AsyncSession, campaign: Campaign, facts: Facts, some: Sequence[int]) -> None:
    await read_clients(session, facts, campaign, some)
    await read_earlier(session, facts, some)
    await _read_numbers(session, facts, some)


async def _read_numbers(session: AsyncSession, facts: Facts, some: Sequence[int]) -> None:
    """Of each the first that may be dialled."""
    found = await session.execute(
        select(Client.id, PhoneNumber.e164)
        .join(PhoneNumber, PhoneNumber.organisation_id == Client.organisation_id)
        .where(Client.id.in_(some), may_be_dialled())
        .order_by(PhoneNumber.rank.desc(), PhoneNumber.id.desc())
    )
    for client_id, number in found:
        facts.clients[client_id].number = number
