"""Sending offers: may it go, is it written, whose turn it is, and what the mail server said."""

from __future__ import annotations

import enum
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls.letters import LONGEST_NOTE, Channel, note_letter
from crm.calls.time_rules import Verdict
from crm.clientele.clients import get_client
from crm.errors import Conflict, NotFound, Refused
from crm.mail.outbox import GOES_OUT_AFTER, MOST_TRIES, wait_after
from crm.offers.addresses import Whither, letter_address
from crm.offers.batches import OfferBatch, batch_of, is_of_a_batch, unless_of
from crm.offers.letter_rules import Had, may_send
from crm.offers.offers import LONGEST_ERROR, Offer, OfferState, file_of, hold_offer, note_offer, turn
from crm.offers.readers import consents_for
from crm.offers.rendering import Rendered, render, values_for
from crm.offers.templates import Language, OfferTemplate, OfferText

_KEY: Final = re.compile(r"[0-9a-f]{32}")


class Lane(enum.Enum):
    """Two senders, so that nobody's single offer waits behind one that goes to thousands."""

    SINGLE = enum.auto()
    BATCH = enum.auto()


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


async def prepare(
    session: AsyncSession,
    to: Whither,
    *,
    text_id: int,
    now: datetime,
    sender_id: int | None = None,
    unless: Had | None = None,
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
    verdict = await may_send(session, to, now=now, unless=unless)
    agreed = await consents_for(session, to, organisation_id=client.organisation_id)
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
    batch: OfferBatch | None = None,
) -> Offer:
    """Write the offer, to go out when it cannot be taken back any more; one of a `batch`, which the caller holds, at
    once. `key`, 32 hexadecimal digits, is of this sending: clicked twice it is written once. Raises `Refused` where it
    may not go, `Conflict` where something of it has changed since it was looked at."""
    if not _KEY.fullmatch(key):
        raise Refused("offer.key")
    await get_client(session, prepared.to.client_id, lock=True)
    known = await session.scalar(select(Offer).where(Offer.key == key))
    if known is not None:
        if known.client_id != prepared.to.client_id:
            raise Refused("offer.key")
        return known
    again = await prepare(
        session, prepared.to, text_id=prepared.text_id, now=now, sender_id=sender_id,
        unless=await unless_of(session, batch) if batch else None,
    )  # fmt: skip
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
        state=OfferState.WAITING, next_try_at=now if batch else now + GOES_OUT_AFTER,
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


def _in_lane(lane: Lane) -> ColumnElement[bool]:
    return ~is_of_a_batch() if lane is Lane.SINGLE else is_of_a_batch()


async def is_any_due(session: AsyncSession, *, now: datetime, lane: Lane = Lane.SINGLE) -> bool:
    """Whether there is something to do in the lane: to send, or to call doubtful what a service left behind."""
    left = and_(Offer.state == OfferState.HANDING_OVER, Offer.claimed_until < now)
    due = and_(Offer.state == OfferState.WAITING, Offer.next_try_at <= now)
    return bool(await session.scalar(select(exists().where(or_(due, left), _in_lane(lane)))))


async def doubt_left(session: AsyncSession, *, now: datetime) -> int:
    """Whoever handed these over was gone without a word: they may have arrived. Returns how many."""
    left = select(Offer).where(Offer.state == OfferState.HANDING_OVER, Offer.claimed_until < now).order_by(Offer.id)
    found = list(await session.scalars(left.with_for_update(skip_locked=True)))
    for offer in found:
        await turn(session, offer, OfferState.DOUBTFUL, on="left behind", now=now)
    return len(found)


async def claim_due(
    session: AsyncSession, *, now: datetime, node: str, lease: timedelta, lane: Lane = Lane.SINGLE
) -> Offer | None:
    """The next offer of the lane whose time has come and that may go, for this node alone until the lease is over. What
    may not go any more is withdrawn, what may go later waits."""
    due = select(Offer).where(_is_due(now), _in_lane(lane)).order_by(Offer.next_try_at, Offer.id).limit(1)
    while (offer := await session.scalar(due.with_for_update(skip_locked=True))) is not None:
        to = Whither(offer.client_id, offer.person_id, offer.channel, offer.address, offer.asked_for)
        batch = await batch_of(session, offer.id) if lane is Lane.BATCH else None
        unless = await unless_of(session, batch) if batch else None
        verdict = await may_send(session, to, now=now, unless=unless, at_turn=offer)
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
