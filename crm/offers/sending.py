"""Sending offers: may it go, is it written, whose turn it is, and what the mail server said."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.do_not_call import request_of, request_of_any
from crm.base.organisations import Organisation
from crm.base.whom import Whom
from crm.calls.dial_rules import attempts_today, of_the_client
from crm.calls.letters import LONGEST_NOTE, Channel, note_letter
from crm.calls.time_rules import ALLOWED, Verdict, of_the_hours, of_the_tries
from crm.clientele.clients import Client, get_client
from crm.clientele.consents import ConsentGiven
from crm.errors import Conflict, NotFound, Refused
from crm.mail.outbox import GOES_OUT_AFTER, MOST_TRIES, wait_after
from crm.offers.addresses import letter_address
from crm.offers.offers import LONGEST_ERROR, Offer, OfferState, file_of, hold_offer, note_offer, turn, waiting_offers
from crm.offers.opt_outs import opt_out_of
from crm.offers.readers import consents_to, readers_of
from crm.offers.rendering import Rendered, render, values_for
from crm.offers.templates import Language, OfferTemplate, OfferText
from crm.preparation.call_lists import CallList
from crm.preparation.campaigns import Campaign
from crm.preparation.plan_rules import Consent

_KEY: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Whither:
    """To whom something is to go: `address` as it is sent to."""

    client_id: int
    person_id: int | None
    channel: Channel
    address: str
    asked_for: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """An offer as it would go out. `consents`: the evidence of those that allow it. `digest` is that of all of it, so
    that what was looked at is what is sent, to whom, and on whose word."""

    to: Whither
    text_id: int
    language: Language
    rendered: Rendered
    verdict: Verdict
    consents: tuple[str, ...]
    file_name: str

    @property
    def digest(self) -> str:
        to = (self.to.channel, self.to.address, self.to.person_id, self.to.asked_for)
        told = (self.text_id, to, self.rendered.subject, self.rendered.body, self.consents)
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def whither(
    client_id: int,
    *,
    channel: Channel,
    address: str,
    region: str,
    person_id: int | None = None,
    asked_for: bool = False,
) -> Whither:
    """With the address as it is sent to: a number in E.164. Raises `Refused`."""
    return Whither(client_id, person_id, channel, letter_address(address, channel, region=region), asked_for)


async def may_send(session: AsyncSession, to: Whither, *, now: datetime, except_offer: int | None = None) -> Verdict:
    """Whether a letter may go there now: the one function that decides. Who asked not to be called gets no letters
    either. What the client asked for waits for no caps and hours. Raises `NotFound`."""
    found = await session.execute(
        select(Client, Campaign, CallList, Organisation.time_zone)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .join(CallList, CallList.id == Client.call_list_id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .where(Client.id == to.client_id)
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("client.unknown")
    client, campaign, call_list, time_zone = row
    verdict = await of_the_client(session, client, campaign, call_list)
    if verdict.allowed:
        verdict = await _of_the_readers(session, to, client, campaign)
    if not verdict.allowed or to.asked_for:
        return verdict
    zone = time_zone or campaign.time_zone
    if to.channel is Channel.FAX and (closed := of_the_hours(campaign, zone, promised_at=None, now=now)):
        return closed  # a fax rings where it arrives
    same: ColumnElement[bool] = Offer.client_id.in_(
        select(Client.id).where(Client.organisation_id == client.organisation_id)
    )
    if except_offer is not None:
        same = and_(same, Offer.id != except_offer)
    on_the_way = await session.scalar(waiting_offers(same)) or 0
    tried = await attempts_today(session, organisation_id=client.organisation_id, campaign=campaign, now=now)
    if tried + on_the_way >= campaign.attempts_a_day:
        return of_the_tries(campaign, zone, company=tried + on_the_way, numbers={}, now=now)
    return ALLOWED


async def _of_the_readers(session: AsyncSession, to: Whither, client: Client, campaign: Campaign) -> Verdict:
    """By what the people who read it, the number and the address have said."""
    if to.channel is Channel.FAX and await request_of(session, Whom.NUMBER, to.address) is not None:
        return Verdict(False, "dial.number_do_not_call")
    readers = await _readers(session, to, client)
    if await request_of_any(session, Whom.PERSON, readers) is not None:
        return Verdict(False, "offer.person_do_not_call")
    if await opt_out_of(session, organisation_id=client.organisation_id, readers=readers, address=to.address):
        return Verdict(False, "offer.opted_out")
    if campaign.consent is Consent.REQUIRED and not await _consents(session, to, client, readers):
        return Verdict(False, "offer.no_consent")
    return ALLOWED


async def _readers(session: AsyncSession, to: Whither, client: Client) -> frozenset[int]:
    return await readers_of(
        session, organisation_id=client.organisation_id, person_id=to.person_id, channel=to.channel, address=to.address
    )


async def _consents(session: AsyncSession, to: Whither, client: Client, readers: Collection[int]) -> list[ConsentGiven]:
    return await consents_to(
        session, organisation_id=client.organisation_id, readers=readers, channel=to.channel, address=to.address
    )


async def prepare(
    session: AsyncSession, to: Whither, *, text_id: int, now: datetime, sender_id: int | None = None
) -> Prepared:
    """The offer as it would go out now, to be looked at. Raises `NotFound`, also for a text that is not the campaign's
    or whose template is not in use."""
    client = await get_client(session, to.client_id)
    found = await session.execute(
        select(OfferText, OfferTemplate)
        .join(OfferTemplate, OfferTemplate.id == OfferText.template_id)
        .where(OfferText.id == text_id, OfferTemplate.campaign_id == client.campaign_id)
        .where(OfferTemplate.retired_at.is_(None))
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("offer.template_unknown")
    written, template = row
    values = await values_for(
        session, client_id=client.id, language=written.language, now=now, person_id=to.person_id, sender_id=sender_id
    )
    rendered = render(written.subject, written.body, values)
    verdict = await may_send(session, to, now=now)
    agreed = await _consents(session, to, client, await _readers(session, to, client))
    name = re.sub(r'[\\/:*?"<>|]', " ", template.name).strip(". ") or "offer"
    consents = tuple([each.evidence for each in agreed])
    return Prepared(to, written.id, written.language, rendered, verdict, consents, f"{name}.pdf")


async def queue_offer(
    session: AsyncSession,
    prepared: Prepared,
    *,
    pdf: bytes,
    key: str,
    now: datetime,
    sender_id: int | None = None,
) -> Offer:
    """Write the offer, to go out when it cannot be taken back any more. `key`, 32 hexadecimal digits, is of this
    sending: clicked twice it is written once. Raises `Refused` where it may not go, `Conflict` where something of it
    has changed since it was looked at."""
    if not _KEY.fullmatch(key):
        raise Refused("offer.key")
    await get_client(session, prepared.to.client_id, lock=True)
    known = await session.scalar(select(Offer).where(Offer.key == key))
    if known is not None:
        if known.client_id != prepared.to.client_id:
            raise Refused("offer.key")
        return known
    again = await prepare(session, prepared.to, text_id=prepared.text_id, now=now, sender_id=sender_id)
    if again.digest != prepared.digest:
        raise Conflict("offer.looks_otherwise")
    if again.rendered.missing:
        raise Refused("offer.missing", fields=", ".join(again.rendered.missing))
    if not again.verdict.allowed:
        raise Refused(again.verdict.code, **again.verdict.params)
    offer = Offer(
        key=key, client_id=prepared.to.client_id, person_id=prepared.to.person_id, text_id=prepared.text_id,
        channel=prepared.to.channel, address=prepared.to.address, subject=prepared.rendered.subject,
        body=prepared.rendered.body, asked_for=prepared.to.asked_for, queued_at=now, author_id=sender_id,
        state=OfferState.WAITING, next_try_at=now + GOES_OUT_AFTER,
    )  # fmt: skip
    session.add(offer)
    await session.flush()
    session.add(file_of(pdf, prepared.file_name, offer.id))
    await session.flush()
    note_offer(session, offer, now=now, author_id=sender_id)
    return offer


def _is_due(now: datetime) -> ColumnElement[bool]:
    nobodys = or_(Offer.claimed_until.is_(None), Offer.claimed_until < now)
    return and_(Offer.state == OfferState.WAITING, Offer.next_try_at <= now, nobodys)


async def is_any_due(session: AsyncSession, *, now: datetime) -> bool:
    """Whether there is something to do: to send, or to call doubtful what a service left behind."""
    left = and_(Offer.state == OfferState.HANDING_OVER, Offer.claimed_until < now)
    due = and_(Offer.state == OfferState.WAITING, Offer.next_try_at <= now)
    return bool(await session.scalar(select(exists().where(or_(due, left)))))


async def doubt_left(session: AsyncSession, *, now: datetime) -> int:
    """Whoever handed these over was gone without a word: they may have arrived. Returns how many."""
    left = select(Offer).where(Offer.state == OfferState.HANDING_OVER, Offer.claimed_until < now).order_by(Offer.id)
    found = list(await session.scalars(left.with_for_update(skip_locked=True)))
    for offer in found:
        await turn(session, offer, OfferState.DOUBTFUL, on="left behind", now=now)
    return len(found)


async def claim_due(session: AsyncSession, *, now: datetime, node: str, lease: timedelta) -> Offer | None:
    """The next offer whose time has come and that may go, for this node alone until the lease is over. What may not go
    any more is withdrawn, what may go later waits."""
    due = select(Offer).where(_is_due(now)).order_by(Offer.next_try_at, Offer.id).limit(1)
    while (offer := await session.scalar(due.with_for_update(skip_locked=True))) is not None:
        to = Whither(offer.client_id, offer.person_id, offer.channel, offer.address, offer.asked_for)
        verdict = await may_send(session, to, now=now, except_offer=offer.id)
        if verdict.allowed:
            offer.claimed_by, offer.claimed_until = node, now + lease
            await session.flush()
            return offer
        if verdict.next_at is not None:
            offer.next_try_at = verdict.next_at
            await session.flush()
        else:
            await turn(session, offer, OfferState.WITHDRAWN, on=verdict.code, now=now, last_error=verdict.code)
    return None


async def mark_handing_over(
    session: AsyncSession, *, offer_id: int, node: str, now: datetime, lease: timedelta
) -> None:
    """Committed before the message itself is said: from now on it may have been taken. Raises `Conflict` where it was
    withdrawn meanwhile, or another node has it."""
    offer = await session.get_one(Offer, offer_id, with_for_update=True, populate_existing=True)
    if offer.claimed_by != node:
        raise Conflict("offer.overtaken")
    await turn(session, offer, OfferState.HANDING_OVER, on="handed over", now=now, claimed_until=now + lease)


async def mark_sent(session: AsyncSession, *, offer_id: int, now: datetime, author_id: int | None = None) -> None:
    """The mail server has taken it: it counts as a letter from now on."""
    offer = await hold_offer(session, offer_id)
    letter = await note_letter(
        session, client_id=offer.client_id, channel=offer.channel, note=offer.subject[:LONGEST_NOTE], now=now,
        sent_by=offer.author_id, author_id=author_id,
    )  # fmt: skip
    on = "taken by the server" if offer.state is OfferState.HANDING_OVER else "it arrived"
    await turn(
        session, offer, OfferState.SENT, on=on, now=now, letter_id=letter.id, tries=offer.tries + 1, last_error=""
    )


async def mark_tried(
    session: AsyncSession, *, offer_id: int, reason: str, now: datetime, for_good: bool = False, in_doubt: bool = False
) -> None:
    """It did not go: refused `for_good`, it has bounced; `in_doubt`, somebody must look; else it is tried again later
    and later, and given up after as many tries as other mail."""
    offer = await session.get_one(Offer, offer_id, with_for_update=True, populate_existing=True)
    told = {"tries": offer.tries + 1, "last_error": reason.replace("\0", "")[:LONGEST_ERROR]}
    if in_doubt:
        return await turn(session, offer, OfferState.DOUBTFUL, on="no answer", now=now, **told)
    if for_good:
        return await turn(session, offer, OfferState.BOUNCED, on="refused", now=now, **told)
    if offer.tries + 1 >= MOST_TRIES:
        return await turn(session, offer, OfferState.GIVEN_UP, on="tried in vain", now=now, **told)
    later = {**told, "next_try_at": now + wait_after(offer.tries + 1)}
    return await turn(session, offer, OfferState.WAITING, on="not taken", now=now, **later)


async def settle_doubt(session: AsyncSession, *, offer_id: int, now: datetime, author_id: int | None = None) -> None:
    """It arrived, as somebody has found out. Raises `Conflict` where there is no doubt."""
    offer = await hold_offer(session, offer_id)
    if offer.state is not OfferState.DOUBTFUL:
        raise Conflict("offer.overtaken")
    await mark_sent(session, offer_id=offer_id, now=now, author_id=author_id)
