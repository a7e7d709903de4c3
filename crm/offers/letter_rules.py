"""May a letter go there now: one function decides, of one letter as of ten thousand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.do_not_call import DoNotCall
from crm.base.joined import with_merged
from crm.base.organisations import Organisation
from crm.calls.dial_rules import attempts_today_of, of_what_was_decided
from crm.calls.letters import Channel
from crm.calls.time_rules import ALLOWED, Verdict, of_the_hours, of_the_tries
from crm.clientele.clients import Client
from crm.clientele.consents import ConsentGiven
from crm.errors import NotFound
from crm.offers.addresses import Whither
from crm.offers.offers import Offer, may_have_gone, waiting_at
from crm.offers.opt_outs import OptOut
from crm.offers.readers import readers_of
from crm.offers.templates import OfferText
from crm.preparation.call_lists import CallList
from crm.preparation.campaigns import Campaign
from crm.preparation.plan_rules import Consent

_AT_ONCE: Final = 500  # in one statement


@dataclass(frozen=True, slots=True)
class Had:
    """That it is not to go to whom an offer from this template went from `since` on."""

    template_id: int
    since: datetime


async def may_send(
    session: AsyncSession, to: Whither, *, now: datetime, unless: Had | None = None, at_turn: Offer | None = None
) -> Verdict:
    """Whether a letter may go there now; `at_turn`, it is that offer, whose turn has come. Raises `NotFound`."""
    (verdict,) = await verdicts(session, (to,), now=now, unless=unless, at_turn=at_turn)
    return verdict


async def verdicts(
    session: AsyncSession,
    letters: Sequence[Whither],
    *,
    now: datetime,
    unless: Had | None = None,
    at_turn: Offer | None = None,
) -> list[Verdict]:
    """Of each of the letters, whatever becomes of the others. Who asked not to be called gets no letters either. What
    the client asked for waits for no caps and hours. Raises `NotFound`."""
    found = list[Verdict]()
    for first in range(0, len(letters), _AT_ONCE):
        some = letters[first : first + _AT_ONCE]
        known, readers = await _facts(session, some, now=now, unless=unless, at_turn=at_turn)
        found += [known.verdict(to, whose, now) for to, whose in zip(some, readers, strict=True)]
    return found


@dataclass(slots=True)
class _Said:
    """By whom."""

    organisations: set[int] = field(default_factory=set)
    people: set[int] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, rows: Iterable[Any]) -> _Said:
        made = cls()
        for organisation_id, person_id, address in rows:
            made.organisations |= {organisation_id} - {None}
            made.people |= {person_id} - {None}
            made.addresses |= {address} - {None}
        return made

    def is_anybodys(self, organisations: Collection[int], people: Collection[int], address: str) -> bool:
        """Whether any of these is among them."""
        of_them = self.organisations.isdisjoint(organisations) and self.people.isdisjoint(people)
        return not of_them or address in self.addresses


@dataclass(slots=True)
class _Facts:
    """What is known of the clients and of where the letters go. What was asked and agreed: ids of people and of
    organisations, numbers and addresses. Counts are by organisation."""

    clients: dict[int, tuple[Client, Campaign, CallList, str]]
    organisations: dict[int, set[int]]
    silent: _Said = field(default_factory=_Said)
    unwanted: _Said = field(default_factory=_Said)
    agreed: _Said = field(default_factory=_Said)
    had: set[int] = field(default_factory=set)
    waiting: Counter[int] = field(default_factory=Counter)
    tried: Counter[int] = field(default_factory=Counter)

    def verdict(self, to: Whither, readers: Collection[int], now: datetime) -> Verdict:
        if to.client_id not in self.clients:
            raise NotFound("client.unknown")
        client, campaign, call_list, time_zone = self.clients[to.client_id]
        is_silent = client.organisation_id in self.silent.organisations
        verdict = of_what_was_decided(client, campaign, call_list, is_silent=is_silent)
        if verdict.allowed:
            verdict = self._of_the_readers(to, readers, client, campaign)
        if not verdict.allowed or to.asked_for:
            return verdict
        return self._of_the_time(to, client, campaign, time_zone or campaign.time_zone, now)

    def _of_the_readers(self, to: Whither, readers: Collection[int], client: Client, campaign: Campaign) -> Verdict:
        """By what the people who read it, the number and the address have said, and by what they have had."""
        read, own, is_fax = (
            self.organisations[client.organisation_id],
            client.organisation_id,
            to.channel is Channel.FAX,
        )
        if is_fax and to.address in self.silent.addresses:
            return Verdict(False, "dial.number_do_not_call")
        if not self.silent.people.isdisjoint(readers):
            return Verdict(False, "offer.person_do_not_call")
        if self.unwanted.is_anybodys(read, readers, to.address.lower()):
            return Verdict(False, "offer.opted_out")
        needed = campaign.consent is Consent.REQUIRED
        if needed and not self.agreed.is_anybodys({own}, readers, to.address if is_fax else ""):
            return Verdict(False, "offer.no_consent")
        return ALLOWED if read.isdisjoint(self.had) else Verdict(False, "offer.had_already")

    def _of_the_time(self, to: Whither, client: Client, campaign: Campaign, zone: str, now: datetime) -> Verdict:
        if to.channel is Channel.FAX and (closed := of_the_hours(campaign, zone, promised_at=None, now=now)):
            return closed  # a fax rings where it arrives
        read = self.organisations[client.organisation_id]
        company = sum(self.tried[each] + self.waiting[each] for each in read)
        if company >= campaign.attempts_a_day:
            return of_the_tries(campaign, zone, company=company, numbers={}, now=now)
        return ALLOWED


async def _facts(
    session: AsyncSession, letters: Sequence[Whither], *, now: datetime, unless: Had | None, at_turn: Offer | None
) -> tuple[_Facts, list[frozenset[int]]]:
    """With who reads each of the letters."""
    found = await session.execute(
        select(Client, Campaign, CallList, Organisation.time_zone)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .join(CallList, CallList.id == Client.call_list_id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .where(Client.id.in_({to.client_id for to in letters}))
    )
    clients = {row[0].id: (row[0], row[1], row[2], row[3]) for row in found}
    own = {client.organisation_id for client, *_ in clients.values()}
    organisations = await with_merged(session, own)
    of_clients = {client.id: organisations[client.organisation_id] for client, *_ in clients.values()}
    readers = await readers_of(session, letters, of_clients)
    read, people = set[int]().union(*organisations.values()), set[int]().union(*readers)
    addresses = {to.address for to in letters}
    known = _Facts(clients, organisations)
    known.silent = await _said(session, DoNotCall, DoNotCall.e164, DoNotCall.lifted_at, (own, people, addresses))
    lowered = {each.lower() for each in addresses}
    known.unwanted = await _said(session, OptOut, OptOut.address, OptOut.lifted_at, (read, people, lowered))
    campaigns = {campaign.id: campaign for _, campaign, *_ in clients.values()}
    if any(campaign.consent is Consent.REQUIRED for campaign in campaigns.values()):
        these = (own, people, addresses)
        known.agreed = await _said(session, ConsentGiven, ConsentGiven.e164, ConsentGiven.withdrawn_at, these)
    if unless is not None:
        known.had = await _had(session, read, unless, at_turn)
    known.waiting = Counter(dict((await session.execute(waiting_at(read, at_turn=at_turn))).all()))
    for campaign in campaigns.values():  # mostly one
        of_it = {client.organisation_id for client, its, *_ in clients.values() if its.id == campaign.id}
        theirs = set[int]().union(*(organisations[each] for each in of_it))
        known.tried |= await attempts_today_of(session, organisation_ids=theirs, campaign=campaign, now=now)
    return known, readers


async def _said(
    session: AsyncSession,
    table: Any,
    address: Any,
    over_at: Any,
    whose: tuple[Collection[int], Collection[int], Collection[str]],
) -> _Said:
    """What is in force of these organisations, people and addresses."""
    organisations, people, addresses = whose
    theirs = or_(table.organisation_id.in_(organisations), table.person_id.in_(people), address.in_(addresses))
    in_force = select(table.organisation_id, table.person_id, address).where(theirs, over_at.is_(None))
    return _Said.of((await session.execute(in_force)).all())


async def _had(session: AsyncSession, read: Collection[int], unless: Had, at_turn: Offer | None) -> set[int]:
    """The organisations among these to which such an offer has gone, or is going."""
    other: ColumnElement[bool] = Offer.id != at_turn.id if at_turn is not None else true()
    these = (
        select(Client.organisation_id)
        .join(Offer, Offer.client_id == Client.id)
        .join(OfferText, OfferText.id == Offer.text_id)
        .where(Client.organisation_id.in_(read), OfferText.template_id == unless.template_id)
        .where(and_(Offer.queued_at >= unless.since, may_have_gone(), other))
    )
    return set(await session.scalars(these))
