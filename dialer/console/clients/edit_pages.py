"""What is known of a client, to be changed: the organisation, its people and numbers, and what the customer's own base
tells. Each record is a form with its version: who saves what somebody else has changed meanwhile sees both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from aiohttp import web
from babel.dates import format_date
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.addresses import AddressKind, add_address, address_at, addresses_of, change_address
from crm.base.competitors import Satisfaction, competitor_named, used_by, uses
from crm.base.organisations import get_organisation
from crm.base.past_deals import PastDeal, add_deal, add_former_owner, deals_of, former_owners_of, read_amount
from crm.base.people import people_at
from crm.base.phone_numbers import numbers_of
from crm.care.editing import add_numbers, change_number, change_organisation, set_person
from crm.clientele.clients import Client, get_client
from crm.errors import Conflict, CrmError, NotFound
from crm.office.users import User
from dialer.console.web import fields, sent
from dialer.console.web.deps import DEPS
from dialer.console.web.fields import Field, Shown, Unreadable
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import scope_of, visitor, words_of
from dialer.shown.formats import phone
from dialer.shown.labels import ADDRESS_KINDS, SATISFACTIONS
from dialer.words import Words, mark

FIELDS: Final[Mapping[str, tuple[Field, ...]]] = {
    "organisation": (
        Field("name", mark("Name of the organisation")),
        Field("city", mark("City")),
        Field("time_zone", mark("Time zone")),
        Field("industry", mark("Industry")),
        Field("headcount", mark("Headcount"), "number", may_be_empty=True),
        Field("tax_number", mark("Tax number")),
        Field("site", mark("Site")),
        Field("email", mark("E-mail")),
        Field("note", mark("Note"), "lines"),
    ),
    "person": (
        Field("full_name", mark("Full name")),
        Field("position", mark("Position")),
        Field("note", mark("Note")),
        Field("decides", mark("decides"), "tick"),
    ),
    "number": (
        Field("extension", mark("Extension")),
        Field("rank", mark("Place in the order"), "number"),
        Field("state", mark("State"), "choice", choices=(("ok", mark("works")), ("dead", mark("does not work")))),
    ),
    "numbers": (Field("written", mark("Numbers"), hint=mark("several with commas; extensions as “ext. 12”")),),
    "address": (
        Field("kind", mark("Kind"), "choice", choices=tuple(ADDRESS_KINDS.items())),
        Field("written", mark("Address"), "lines", hint=mark("empty: it is taken away")),
    ),
    "competitor": (
        Field("name", mark("Competitor")),
        Field("satisfaction", mark("How satisfied"), "choice", choices=tuple(SATISFACTIONS.items())),
        Field("note", mark("Note")),
    ),
    "deal": (
        Field("made_on", mark("Day"), "date"),
        Field("amount", mark("Amount")),
        Field("currency", mark("Currency")),
        Field("what", mark("What was bought")),
        Field("seller", mark("Who sold it")),
    ),
    "former-owner": (
        Field("name", mark("Who looked after them before")),
        Field("left_on", mark("Until"), "date", may_be_empty=True),
    ),
}
_NEW: Final[Mapping[str, Mapping[str, str]]] = {
    "person": {},
    "numbers": {},
    "address": {"kind": AddressKind.POSTAL.value},
    "competitor": {"satisfaction": Satisfaction.UNKNOWN.value},
    "deal": {"currency": "RUB"},
    "former-owner": {},
}


@dataclass(frozen=True, slots=True)
class Form:
    """A record in its form. `row_id` "" for a new one; `heading` names it where no field does."""

    what: str
    row_id: str
    version: int
    heading: str
    fields: list[Shown]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Typed:
    """What was sent, and why it was not taken."""

    what: str
    row_id: str
    values: Mapping[str, str]
    refusal: Unreadable | CrmError


async def edit_page(request: web.Request) -> web.StreamResponse:
    """GET /clients/{client_id}/edit"""
    return await _page(request)


async def save(request: web.Request) -> web.StreamResponse:
    """POST /clients/{client_id}/edit with `record`, `id` ("" for a new one), `version` and the fields."""
    deps = request.app[DEPS]
    typed = {name: str(value) for name, value in (await request.post()).items()}
    what, row_id = typed.get("record", ""), typed.get("id", "")
    if what not in FIELDS or (row_id and not sent.number(row_id)):
        raise Trouble.unreadable()
    try:
        values = fields.read(FIELDS[what], typed)
        async with deps.database.transaction() as session:
            client = await _client(request, session, lock=True)
            common = {"now": deps.clock(), "author_id": visitor(request).user_id}
            await _save(session, client, what, sent.number(row_id), fields.version_of(typed), values, common, request)
    except NotFound:
        raise
    except (Unreadable, CrmError) as refusal:
        return await _page(request, Typed(what, row_id, typed, refusal))
    return see_other(f"/clients/{client.id}/edit#{what}")


async def _save(
    session: AsyncSession,
    client: Client,
    what: str,
    row_id: int,
    version: int,
    values: dict[str, Any],
    common: dict[str, Any],
    request: web.Request,
) -> None:
    at = client.organisation_id
    match what:
        case "organisation":
            await change_organisation(session, organisation_id=at, version=version, **values, **common)
        case "person":
            await set_person(session, organisation_id=at, person_id=row_id or None, version=version, **values, **common)
        case "number":
            await change_number(session, organisation_id=at, number_id=row_id, version=version, **values, **common)
        case "numbers":
            region = request.app[DEPS].settings.dialing.region
            await add_numbers(session, organisation_id=at, written=values["written"], region=region, **common)
        case "address" if row_id:
            address = await address_at(session, organisation_id=at, address_id=row_id)
            kind = AddressKind(values["kind"])
            await change_address(
                session, address=address, kind=kind, written=values["written"], version=version, **common
            )
        case "address":
            kind = AddressKind(values["kind"])
            await add_address(session, organisation_id=at, kind=kind, written=values["written"], **common)
        case "competitor":
            named, _ = await competitor_named(session, values["name"], **common)
            satisfaction = Satisfaction(values["satisfaction"])
            await uses(
                session, organisation_id=at, competitor=named, satisfaction=satisfaction, note=values["note"], **common
            )
        case "deal":
            values["amount"] = read_amount(values["amount"])
            await add_deal(session, organisation_id=at, **values, **common)
        case _:
            await add_former_owner(session, client_id=client.id, **values, **common)


async def _page(request: web.Request, typed: Typed | None = None) -> web.StreamResponse:
    words = words_of(request)
    async with request.app[DEPS].database.reading() as session:
        client = await _client(request, session)
        organisation = await get_organisation(session, client.organisation_id)
        forms = [_form(words, "organisation", organisation, "", typed)]
        forms += [
            _form(words, "person", each, "", typed)
            for each in await people_at(session, organisation.id)
            if each.erased_at is None
        ]
        forms += [
            _form(words, "number", each, phone(each.e164), typed) for each in await numbers_of(session, organisation.id)
        ]
        forms += [_form(words, "address", each, "", typed) for each in await addresses_of(session, organisation.id)]
        known = await _known(session, words, client)
    forms += [_new(words, what, typed) for what in _NEW]
    context = {
        "client_id": client.id,
        "name": organisation.name,
        "forms": {what: [form for form in forms if form.what == what] for what in FIELDS},
        "known": known,
    }
    response = await office_page(request, "edit_client.html", context)
    if typed is not None:
        response.set_status(409 if isinstance(typed.refusal, Conflict) else 422)
    return response


def _form(words: Words, what: str, record: Any, heading: str, typed: Typed | None) -> Form:
    shown, trouble = fields.shown(FIELDS[what], record), ""
    row_id = "" if what == "organisation" else str(record.id)
    if typed is not None and (typed.what, typed.row_id) == (what, row_id):
        trouble = fields.told(words, typed.refusal)
        if isinstance(typed.refusal, Conflict):
            shown = fields.beside(FIELDS[what], typed.values, record, words)
        else:
            shown = fields.as_sent(FIELDS[what], typed.values)
    return Form(what, row_id, record.version, heading, shown, trouble)


def _new(words: Words, what: str, typed: Typed | None) -> Form:
    if typed is not None and (typed.what, typed.row_id) == (what, ""):
        return Form(what, "", 0, "", fields.as_sent(FIELDS[what], typed.values), fields.told(words, typed.refusal))
    return Form(what, "", 0, "", fields.as_sent(FIELDS[what], _NEW[what]))


async def _known(session: AsyncSession, words: Words, client: Client) -> dict[str, list[str]]:
    """What is added to and not changed, in words."""
    competitors = [
        ", ".join(part for part in (named.name, words.gettext(SATISFACTIONS[use.satisfaction.value]), use.note) if part)
        for use, named in await used_by(session, client.organisation_id)
    ]
    deals = [_deal(words, each) for each in await deals_of(session, client.organisation_id)]
    former = []
    for each in await former_owners_of(session, client.id):
        user = await session.get(User, each.user_id) if each.user_id else None
        name = user.name if user else each.name
        former.append(f"{name}, {_day(words, each.left_on)}" if each.left_on else name)
    return {"competitor": competitors, "deal": deals, "former-owner": former}


def _deal(words: Words, deal: PastDeal) -> str:
    amount = "" if deal.amount is None else f"{deal.amount} {deal.currency}"
    return ", ".join(part for part in (_day(words, deal.made_on), amount, deal.what, deal.seller) if part)


def _day(words: Words, day: date) -> str:
    return format_date(day, "d MMM y", locale=words.locale)


async def _client(request: web.Request, session: AsyncSession, *, lock: bool = False) -> Client:
    client_id = await scope_of(request).standing_client(session, int(request.match_info["client_id"]))
    return await get_client(session, client_id, lock=lock)
