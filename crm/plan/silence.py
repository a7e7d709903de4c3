"""Clients who are called no more, with what follows: promises to them hold no more, their turns are over."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.concerning import concerns
from crm.base.do_not_call import DoNotCall, ask
from crm.base.whom import Whom
from crm.clientele.clients import Client, hold_clients_of, take_off_list
from crm.plan.callbacks import open_callback, withdraw
from crm.plan.plan_entries import drop_waiting


async def keep_request(
    session: AsyncSession,
    *,
    whom: Whom,
    target: str | int,
    now: datetime,
    evidence: str = "",
    attempt_id: str | None = None,
    author_id: int | None = None,
) -> DoNotCall:
    """As `crm.base.do_not_call.ask`. A company is asked for in every campaign; of a number or a person the company's
    other numbers may still be called, and its promises stay."""
    # Before anything is asked: a promise that is being made at this moment is to be seen.
    clients = await hold_clients_of(session, [int(target)]) if whom is Whom.ORGANISATION else []
    request = await ask(
        session, whom=whom, target=target, now=now, evidence=evidence, attempt_id=attempt_id, author_id=author_id
    )
    for client in clients:
        await _turn_is_over(session, client.id, reason="dial.do_not_call", now=now, attempt_id=attempt_id)
    return request


async def requests_of(session: AsyncSession, organisation_id: int) -> list[DoNotCall]:
    """Those in force, the newest first: of the organisation with its people and numbers."""
    mine = select(DoNotCall).where(DoNotCall.lifted_at.is_(None), concerns(DoNotCall, organisation_id))
    return list(await session.scalars(mine.order_by(DoNotCall.id.desc())))


async def off_list(
    session: AsyncSession, *, client: Client, reason: str, now: datetime, author_id: int | None = None
) -> None:
    """As `crm.clientele.clients.take_off_list`."""
    await take_off_list(session, client=client, reason=reason, now=now, author_id=author_id)
    await _turn_is_over(session, client.id, reason="dial.off_list", now=now)


async def _turn_is_over(
    session: AsyncSession, client_id: int, *, reason: str, now: datetime, attempt_id: str | None = None
) -> None:
    promise = await open_callback(session, client_id)
    if promise is not None:
        await withdraw(session, callback_id=promise.id, now=now, attempt_id=attempt_id)
    await drop_waiting(session, client_id=client_id, reason=reason, now=now)
