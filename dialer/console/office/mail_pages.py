"""The outbox, for the office: what was sent, what waits and why, and what was given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from aiohttp import web

from crm.mail import outbox
from crm.mail.outbox import MailState, OutgoingMail, Purpose
from crm.offers.incoming import IncomingRow, list_incoming, of_no_offer
from crm.offers.offers import Offer, is_troubled, list_offers
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of
from dialer.crm_words import in_language
from dialer.mailing.labels import PURPOSES, STATES
from dialer.reasons import unpacked
from dialer.shown.formats import moment, naive_moment, zone_named
from dialer.shown.labels import INCOMING, offer_state
from dialer.words import Words


@dataclass(frozen=True, slots=True)
class OfferLine:
    """An offer, or a message that came back to one, in words."""

    client_id: int
    when: str
    address: str
    subject: str
    state: str
    troubled: bool


@dataclass(frozen=True, slots=True)
class MailRow:
    """A message in the list, in words. `failed`: it may be tried again."""

    id: int
    client_id: int
    reader: str
    address: str
    organisation: str
    when: str
    purpose: str
    written: str
    state: str
    tries: int
    trouble: str
    failed: bool


async def mail(request: web.Request) -> web.StreamResponse:
    """GET /mail"""
    deps, words, known = request.app[DEPS], words_of(request), visitor(request)
    zone = zone_named(known.zone_name, deps.service.time_zone)
    async with deps.database.reading() as session:
        rows = [_row(words, zone, each, name) for each, name in await outbox.list_mail(session)]
        offers = [_offer(words, zone, each.offer) for each in await list_offers(session)]
        incoming = [_incoming(words, zone, each) for each in await list_incoming(session)]
        left_alone = await of_no_offer(session)
    health, inbox = deps.mail_health(), deps.inbox_health()
    context = {
        "rows": rows,
        "offers": offers,
        "incoming": incoming,
        "left_alone": left_alone,
        "may_change": known.role in RULE_ROLES,
        "off": not deps.settings.mail.host,
        "trouble": in_language(words, health.trouble) if health.trouble else "",
        "inbox_trouble": in_language(words, inbox.trouble) if inbox.trouble else "",
    }
    return await office_page(request, "mail.html", context)


def _row(words: Words, zone: tzinfo, each: OutgoingMail, reader: str) -> MailRow:
    return MailRow(
        id=each.id,
        client_id=each.client_id,
        reader=reader,
        address=each.address,
        organisation=each.organisation,
        when=naive_moment(words, each.local_at),
        purpose=words.gettext(PURPOSES[Purpose(each.purpose)]),
        written=moment(words, each.created_at, zone),
        state=words.gettext(STATES[MailState(each.state)]),
        tries=each.tries,
        trouble=in_language(words, unpacked(each.last_error)),
        failed=each.state is MailState.FAILED,
    )


def _offer(words: Words, zone: tzinfo, offer: Offer) -> OfferLine:
    return OfferLine(
        client_id=offer.client_id,
        when=moment(words, offer.queued_at, zone),
        address=offer.address,
        subject=offer.subject,
        state=offer_state(words, offer.state.value, offer.tries),
        troubled=is_troubled(offer),
    )


def _incoming(words: Words, zone: tzinfo, row: IncomingRow) -> OfferLine:
    return OfferLine(
        client_id=row.client_id,
        when=moment(words, row.mail.came_at, zone),
        address=row.mail.sender,
        subject=row.mail.subject,
        state=words.gettext(INCOMING[row.mail.kind.value]),
        troubled=False,
    )


async def retry(request: web.Request) -> web.StreamResponse:
    """POST /mail/{mail_id}/retry"""
    deps = request.app[DEPS]
    async with deps.database.transaction() as session:
        await outbox.send_again(
            session, mail_id=int(request.match_info["mail_id"]), now=deps.clock(), author_id=visitor(request).user_id
        )
    return see_other("/mail")
