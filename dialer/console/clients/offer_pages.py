"""Offers to a client: chosen and looked at, with who agreed and what was sent before; sent, withdrawn, settled."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation, get_organisation
from crm.base.people import people_at
from crm.calls.letters import Channel
from crm.clientele.clients import Client, get_client
from crm.errors import CrmError, NotFound, Refused
from crm.offers.addresses import channel_of
from crm.offers.incoming import IncomingKind, IncomingRow, came_back_at, incoming_of
from crm.offers.offers import (
    OfferRow,
    OfferState,
    is_troubled,
    kept_file,
    offer_of,
    offers_of,
    send_again,
    withdraw_offer,
)
from crm.offers.opt_outs import OptOut, OptsOut, lift_opt_out, opt_out, opt_outs_at
from crm.offers.pdf import pdf_of
from crm.offers.sending import Prepared, prepare, queue_offer, settle_doubt, whither
from crm.offers.templates import newest_texts
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.uploads import attachment
from dialer.console.web.visitors import DESK_ROLES, RULE_ROLES, scope_of, visitor, words_of, zone_of
from dialer.crm_words import explain, in_language
from dialer.reasons import unpacked
from dialer.shown.formats import moment, phone
from dialer.shown.labels import CHANNELS, INCOMING, TEXT_LANGUAGES, offer_state
from dialer.shown.letters import read_letters

LAST: Final = 5
"""Letters that are shown before another one goes."""
_FIELDS: Final = ("text", "person", "address", "asked")


@dataclass(frozen=True, slots=True)
class ShownIncoming:
    """A message that came back, in words."""

    id: int
    when: str
    what: str
    sender: str
    subject: str
    body: str
    troubled: bool


@dataclass(frozen=True, slots=True)
class ShownOffer:
    """An offer in words. `steps`: what may be done with it, as a form sends it."""

    id: int
    when: str
    how: str
    address: str
    subject: str
    author: str
    state: str
    troubled: bool
    why: str
    steps: tuple[str, ...]


_STEPS: Final[Mapping[OfferState, tuple[str, ...]]] = {
    OfferState.WAITING: ("withdraw",),
    OfferState.DOUBTFUL: ("arrived", "again"),
    OfferState.GIVEN_UP: ("again", "withdraw"),
}


async def offers(request: web.Request) -> web.StreamResponse:
    """GET /clients/{client_id}/offers?text=&person=&address=&asked=: with a text and an address it is shown as it would
    go."""
    return await _page(request, {name: request.query.get(name, "") for name in _FIELDS})


async def send(request: web.Request) -> web.StreamResponse:
    """POST /clients/{client_id}/offers with what was looked at, its `digest`, and the `key` of this sending."""
    deps, form = request.app[DEPS], await request.post()
    fields = {name: str(form.get(name, "")) for name in _FIELDS}
    sender_id, now = visitor(request).user_id, deps.clock()
    try:
        async with deps.database.reading() as session:
            client = await _client(request, session)
            looked = await _prepared(request, session, client, fields)
        if looked is None or looked.digest != form.get("digest"):
            return await _page(request, fields, code="offer.looks_otherwise")
        pdf = await asyncio.to_thread(pdf_of, looked.rendered.subject, looked.rendered.body)
        async with deps.database.transaction() as session:
            await queue_offer(session, looked, pdf=pdf, key=str(form.get("key", "")), now=now, sender_id=sender_id)
    except NotFound:
        raise
    except CrmError as refusal:
        return await _page(request, fields, refusal=refusal)
    return see_other(f"/clients/{client.id}/offers")


async def _client(request: web.Request, session: AsyncSession, *, lock: bool = False) -> Client:
    """The one that is meant, if it is theirs to see; of one that was merged, the one that stands for it."""
    client_id = await scope_of(request).standing_client(session, int(request.match_info["client_id"]))
    return await get_client(session, client_id, lock=lock)


async def _prepared(
    request: web.Request, session: AsyncSession, client: Client, fields: Mapping[str, str]
) -> Prepared | None:
    """As it would go; `None` where nothing is chosen yet."""
    deps, address = request.app[DEPS], fields["address"].strip()
    if not sent.number(fields["text"]) or not address:
        return None
    whom = whither(
        client.id,
        channel=channel_of(address) if deps.settings.mail.fax_address else Channel.EMAIL,
        address=address,
        region=deps.settings.dialing.region,
        person_id=sent.number(fields["person"]) or None,
        asked_for=fields["asked"] == "yes",
    )
    return await prepare(
        session, whom, text_id=sent.number(fields["text"]), now=deps.clock(), sender_id=visitor(request).user_id
    )


async def _page(
    request: web.Request,
    fields: Mapping[str, str],
    *,
    refusal: CrmError | None = None,
    code: str = "",
    unwanted: tuple[str, str] = ("", ""),
) -> web.StreamResponse:
    """`unwanted`: an address to which no letters are to go, and who said so, as they were typed."""
    deps, words, looked = request.app[DEPS], words_of(request), None
    async with deps.database.reading() as session:
        client = await _client(request, session)
        organisation = await get_organisation(session, client.organisation_id)
        try:
            looked = await _prepared(request, session, client, fields)
        except NotFound:
            raise
        except CrmError as nonsense:  # an address that is none is told beside what was typed
            refusal = refusal or nonsense
        context = await _chosen_from(request, session, client, organisation)
        came_back = await came_back_at(session, looked.to.address) if looked else None
    trouble = explain(words, refusal.code, refusal.params) if refusal else explain(words, code, {}) if code else ""
    context |= {
        "client_id": client.id,
        "name": organisation.name,
        "fields": {**fields, "address": fields["address"] or organisation.email},
        "looked": looked,
        "address": _shown_address(looked.to.channel, looked.to.address) if looked else "",
        "refusal": explain(words, looked.verdict.code, looked.verdict.params)
        if looked and not looked.verdict.allowed
        else "",
        "came_back": moment(words, came_back, zone_of(request)) if came_back else "",
        "missing": ", ".join(looked.rendered.missing) if looked else "",
        "key": uuid4().hex,
        "trouble": trouble,
        "unwanted": unwanted,
        "off": not deps.settings.mail.host,
        "faxes": bool(deps.settings.mail.fax_address),
        "may_send": visitor(request).role in DESK_ROLES | RULE_ROLES,
        "may_lift": visitor(request).role in RULE_ROLES,
    }
    response = await office_page(request, "client_offers.html", context)
    if trouble:
        response.set_status(422)
    return response


async def _chosen_from(
    request: web.Request, session: AsyncSession, client: Client, organisation: Organisation
) -> dict[str, object]:
    words, zone = words_of(request), zone_of(request)
    rows = await offers_of(session, client.id)
    letters = await read_letters(session, words, zone, client_id=client.id)
    used = dict.fromkeys(
        [organisation.email, *(row.offer.address for row in rows if row.offer.channel is Channel.EMAIL)]
    )
    return {
        "texts": [
            (text.id, f"{template.name}, {words.gettext(TEXT_LANGUAGES[text.language.value])}")
            for template, text in await newest_texts(session, client.campaign_id)
        ],
        "campaign_id": client.campaign_id,
        "people": [(each.id, each.full_name) for each in await people_at(session, organisation.id)],
        "addresses": [each for each in used if each],
        "opt_outs": [(each.id, _no_letters(each)) for each in await opt_outs_at(session, organisation.id)],
        "letters": [each for each in letters if not each.withdrawn][:LAST],
        "offers": [_shown(request, row) for row in rows],
        "incoming": [shown_incoming(request, row) for row in await incoming_of(session, client.id)],
    }


def _shown(request: web.Request, row: OfferRow) -> ShownOffer:
    words, offer = words_of(request), row.offer
    why = offer.last_error
    return ShownOffer(
        id=offer.id,
        when=moment(words, offer.queued_at, zone_of(request)),
        how=words.gettext(CHANNELS[offer.channel.value]),
        address=_shown_address(offer.channel, offer.address),
        subject=offer.subject,
        author=row.author,
        state=offer_state(words, offer.state.value, offer.tries),
        troubled=is_troubled(offer),
        why=explain(words, why, {})
        if offer.state is OfferState.WITHDRAWN and why
        else in_language(words, unpacked(why)),
        steps=_STEPS.get(offer.state, ()),
    )


def shown_incoming(request: web.Request, row: IncomingRow) -> ShownIncoming:
    """In the words and on the clock of whoever looks."""
    words, mail = words_of(request), row.mail
    return ShownIncoming(
        id=mail.id,
        when=moment(words, mail.came_at, zone_of(request)),
        what=words.gettext(INCOMING[mail.kind.value]),
        sender=mail.sender,
        subject=mail.subject,
        body=mail.body,
        troubled=mail.kind in (IncomingKind.BOUNCED, IncomingKind.NO_MORE),
    )


def _no_letters(request: OptOut) -> str:
    """Where no letters go, and why."""
    if request.address is None:
        return request.evidence
    return f"{_shown_address(channel_of(request.address), request.address)}: {request.evidence}"


def _shown_address(channel: Channel, address: str) -> str:
    return phone(address) if channel is Channel.FAX and address.startswith("+") else address


async def file(request: web.Request) -> web.StreamResponse:
    """GET /clients/{client_id}/offers/{offer_id}.pdf: as it went."""
    async with request.app[DEPS].database.reading() as session:
        client = await _client(request, session)
        offer = await offer_of(session, int(request.match_info["offer_id"]), client_id=client.id)
        kept = await kept_file(session, offer.id)
    return attachment(kept.content, kept.file_name)


async def settle(request: web.Request) -> web.StreamResponse:
    """POST /clients/{client_id}/offers/{offer_id} with `step`: withdraw, arrived or again."""
    deps, step = request.app[DEPS], str((await request.post()).get("step", ""))
    now, author_id = deps.clock(), visitor(request).user_id
    async with deps.database.transaction() as session:
        client = await _client(request, session)
        offer = await offer_of(session, int(request.match_info["offer_id"]), client_id=client.id)
        if step == "withdraw":
            await withdraw_offer(session, offer_id=offer.id, now=now, author_id=author_id)
        elif step == "arrived":
            await settle_doubt(session, offer_id=offer.id, now=now, author_id=author_id)
        elif step == "again":
            await send_again(session, offer_id=offer.id, now=now, author_id=author_id)
        else:
            raise Trouble.unreadable()
    return see_other(f"/clients/{client.id}/offers")


async def want_none(request: web.Request) -> web.StreamResponse:
    """POST /clients/{client_id}/opt-outs with `evidence` and an `address` ("": the whole company); or, for those who
    set the rules, with `lift` (a request's number) and `reason`."""
    form = {name: str(value) for name, value in (await request.post()).items()}
    if form.get("lift"):
        return await _lift(request, sent.number(form["lift"]), form.get("reason", ""))
    deps, known = request.app[DEPS], visitor(request)
    address, evidence = form.get("address", "").strip(), form.get("evidence", "")
    try:
        async with deps.database.transaction() as session:
            client = await _client(request, session, lock=True)
            await opt_out(
                session, whom=OptsOut.ADDRESS if address else OptsOut.ORGANISATION,
                target=address or client.organisation_id, evidence=evidence, now=deps.clock(),
                author_id=known.user_id, noted_at_id=client.organisation_id, region=deps.settings.dialing.region,
            )  # fmt: skip
    except Refused as refusal:
        return await _page(request, dict.fromkeys(_FIELDS, ""), refusal=refusal, unwanted=(address, evidence))
    return see_other(f"/clients/{client.id}/offers")


async def _lift(request: web.Request, number: int, reason: str) -> web.StreamResponse:
    deps, known = request.app[DEPS], visitor(request)
    if known.role not in RULE_ROLES:
        raise Trouble.not_for_you()
    async with deps.database.transaction() as session:
        client = await _client(request, session, lock=True)
        if number not in {each.id for each in await opt_outs_at(session, client.organisation_id)}:
            raise NotFound("opt_out.unknown")
        await lift_opt_out(session, opt_out_id=number, reason=reason, now=deps.clock(), author_id=known.user_id)
    return see_other(f"/clients/{client.id}/offers")
