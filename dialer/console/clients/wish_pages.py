"""What people wish, from the client's page: they agree to be called, or ask not to be, or wish it no more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base import do_not_call
from crm.base.concerning import concerns
from crm.base.do_not_call import DoNotCall
from crm.base.people import person_at
from crm.base.phone_numbers import get_number
from crm.base.whom import Whom
from crm.clientele import consents
from crm.clientele.clients import get_client
from crm.clientele.consents import ConsentGiven
from crm.errors import NotFound
from crm.plan.silence import keep_request
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import see_other
from dialer.console.web.visitors import visitor

Kind = type[DoNotCall] | type[ConsentGiven]
Deed = Callable[..., Awaitable[Any]]


async def ask_off(request: web.Request) -> web.StreamResponse:
    """POST /clients/{client_id}/do-not-call with `evidence` and `whom` (the company, "person:7", "number:7"): they ask
    off; or with `lift` (the request's number) and `reason`."""

    async def lift(session: AsyncSession, number: int, **said: Any) -> None:
        await do_not_call.lift(session, request_id=number, **said)

    return await _settle(request, "lift", DoNotCall, lift, keep_request)


async def agree(request: web.Request) -> web.StreamResponse:
    """POST /clients/{client_id}/consents with `evidence` and `whom`, or with `withdraw` (its number) and `reason`."""

    async def withdraw(session: AsyncSession, number: int, **said: Any) -> None:
        await consents.withdraw_consent(session, consent_id=number, **said)

    return await _settle(request, "withdraw", ConsentGiven, withdraw, consents.give)


async def _settle(request: web.Request, ending: str, kind: Kind, end: Deed, keep: Deed) -> web.StreamResponse:
    """Where the form has the field `ending`, that wish of this client's ends; else a new one is kept."""
    deps, fields, client_id = request.app[DEPS], await request.post(), int(request.match_info["client_id"])
    by = {"now": deps.clock(), "author_id": visitor(request).user_id}
    async with deps.database.transaction() as session:
        client = await get_client(session, client_id, lock=True)
        if fields.get(ending):
            mine = select(kind.id).where(concerns(kind, client.organisation_id))
            found = await session.scalar(mine.where(kind.id == sent.number(str(fields[ending]))))
            await end(session, found or 0, reason=str(fields.get("reason", "")), **by)
        else:
            whom, target = await _whom(session, client.organisation_id, str(fields.get("whom", "")))
            await keep(session, whom=whom, target=target, evidence=str(fields.get("evidence", "")), **by)
    return see_other(f"/clients/{client_id}")


async def _whom(session: AsyncSession, organisation_id: int, chosen: str) -> tuple[Whom, int | str]:
    """Whom a form names: the organisation, or "person:7" or "number:7" of it. Raises `NotFound`."""
    kind, _, number = chosen.partition(":")
    if kind == "person":
        person = await person_at(session, organisation_id=organisation_id, person_id=sent.number(number))
        return Whom.PERSON, person.id
    if kind == "number":
        found = await get_number(session, sent.number(number))
        if found.organisation_id != organisation_id:
            raise NotFound("phone.unknown")
        return Whom.NUMBER, found.e164
    return Whom.ORGANISATION, organisation_id
