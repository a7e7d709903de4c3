"""What people wish, on the client's page: who agreed to be called, and who asked not to be; each with its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base import do_not_call
from crm.base.people import people_at, person_at
from crm.base.phone_numbers import get_number, numbers_of
from crm.base.whom import OfWhom, Whom
from crm.clientele import consents
from crm.clientele.clients import get_client
from crm.errors import NotFound
from crm.plan.silence import keep_request, requests_of
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.formats import phone
from dialer.console.web.pages import see_other
from dialer.console.web.visitors import visitor
from dialer.words import Words


@dataclass(frozen=True, slots=True)
class Wish:
    """A consent or a request that is in force: its number, who it is about, the evidence."""

    id: int
    whom: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is in force at a client. `choices`: who may wish something, as a form sends it and in words."""

    agreed: list[Wish]
    asked_off: list[Wish]
    choices: list[tuple[str, str]]


async def read_wishes(session: AsyncSession, words: Words, organisation_id: int) -> Wishes:
    """All that is in force about the organisation, its people and its numbers."""
    people = [each for each in await people_at(session, organisation_id) if each.erased_at is None]
    numbers = {each.e164: each.id for each in await numbers_of(session, organisation_id)}
    names = {each.id: each.full_name for each in people}
    return Wishes(
        agreed=[
            Wish(each.id, _named(words, each, names), each.evidence)
            for each in await consents.consents_of(session, organisation_id)
        ],
        asked_off=[
            Wish(each.id, _named(words, each, names), each.evidence or words.gettext("said in a call"))
            for each in await requests_of(session, organisation_id)
        ],
        choices=[
            ("", words.gettext("the company")),
            *((f"person:{person_id}", name) for person_id, name in names.items()),
            *((f"number:{number_id}", phone(e164)) for e164, number_id in numbers.items()),
        ],
    )


def _named(words: Words, wish: OfWhom, names: Mapping[int, str]) -> str:
    if wish.e164 is not None:
        return phone(wish.e164)
    if wish.person_id is not None:
        return names.get(wish.person_id, "—")
    return words.gettext("the company")


async def ask_off(request: web.Request) -> web.StreamResponse:
    """POST /clients/{client_id}/do-not-call with `evidence` and `whom` (the company, "person:7", "number:7"): they ask
    off; or with `lift` (the request's number) and `reason`."""
    deps, fields, author_id = request.app[DEPS], await request.post(), visitor(request).user_id
    async with deps.database.transaction() as session:
        client = await get_client(session, _id(request), lock=True)
        number = str(fields.get("lift", ""))
        if number:
            await do_not_call.lift(
                session, request_id=int(number) if sent.is_id(number) else 0, reason=str(fields.get("reason", "")),
                now=deps.clock(), author_id=author_id,
            )  # fmt: skip
        else:
            whom, target = await _whom(session, client.organisation_id, str(fields.get("whom", "")))
            await keep_request(
                session, whom=whom, target=target, now=deps.clock(), evidence=str(fields.get("evidence", "")),
                author_id=author_id,
            )  # fmt: skip
    return see_other(f"/clients/{_id(request)}")


async def agree(request: web.Request) -> web.StreamResponse:
    """POST /clients/{client_id}/consents with `evidence` and `whom`, or with `withdraw` (its number) and `reason`."""
    deps, fields, author_id = request.app[DEPS], await request.post(), visitor(request).user_id
    async with deps.database.transaction() as session:
        client = await get_client(session, _id(request), lock=True)
        number = str(fields.get("withdraw", ""))
        if number:
            await consents.withdraw_consent(
                session, consent_id=int(number) if sent.is_id(number) else 0, reason=str(fields.get("reason", "")),
                now=deps.clock(), author_id=author_id,
            )  # fmt: skip
        else:
            whom, target = await _whom(session, client.organisation_id, str(fields.get("whom", "")))
            await consents.give(
                session, whom=whom, target=target, evidence=str(fields.get("evidence", "")), now=deps.clock(),
                author_id=author_id,
            )  # fmt: skip
    return see_other(f"/clients/{_id(request)}")


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


def _id(request: web.Request) -> int:
    return int(request.match_info["client_id"])
