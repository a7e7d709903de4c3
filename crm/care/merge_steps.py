"""The steps of a merge (`crm.care.merging`): what is the duplicate's becomes the survivor's, each change in the
journal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.addresses import Address
from crm.base.competitors import CompetitorUse
from crm.base.do_not_call import request_of
from crm.base.joined import ClientJoin, OrganisationMerge, PersonJoin, is_joined
from crm.base.organisations import Organisation
from crm.base.past_deals import FormerOwner, PastDeal
from crm.base.people import people_at
from crm.base.phone_numbers import numbers_of
from crm.base.whom import Whom
from crm.calls.owners import owning
from crm.care.carrying import carry
from crm.care.merge_journal import Journal
from crm.clientele.clients import Client
from crm.clientele.groups import MoveCause, move
from crm.deals.deals import Deal
from crm.errors import Refused
from crm.experts.referrals import offered_referral
from crm.experts.referring import carry_over
from crm.group import Group
from crm.mapping import WEAK_LOCK
from crm.plan.attempt_rows import Attempt
from crm.plan.callbacks import open_callback, withdraw
from crm.plan.plan_entries import CLAIMED, PlanEntry, drop_waiting
from crm.plan.silence import keep_request


@dataclass(slots=True)
class Merging:
    """One merge while it is made."""

    session: AsyncSession
    survivor: Organisation
    duplicate: Organisation
    take: frozenset[str]
    merge: OrganisationMerge
    now: datetime
    author_id: int | None
    journal: Journal = field(default_factory=Journal)


async def clients_by_campaign(session: AsyncSession, organisation_id: int) -> dict[int, Client]:
    """The organisation's clients, their rows held, by campaign; without those that are joined to others."""
    mine = select(Client).where(Client.organisation_id == organisation_id, ~is_joined(Client.id)).order_by(Client.id)
    found = await session.scalars(
        mine.with_for_update(key_share=WEAK_LOCK.key_share).execution_options(populate_existing=True)
    )
    return {client.campaign_id: client for client in found}


async def assert_not_called(session: AsyncSession, clients: Iterable[Client]) -> None:
    """Raises `Refused` while an operator has one of them, or a call of one is open."""
    ids = [client.id for client in clients]
    open_calls = select(Attempt.id).where(Attempt.client_id.in_(ids), Attempt.ended_at.is_(None))
    claims = select(PlanEntry.id).where(PlanEntry.client_id.in_(ids), PlanEntry.state == CLAIMED)
    if await session.scalar(open_calls) is not None or await session.scalar(claims) is not None:
        raise Refused("merge.being_called")


def take_fields(merging: Merging, columns: Iterable[str]) -> None:
    """Of the record: the columns in which the duplicate is right, and the attributes that the survivor lacks."""
    survivor, duplicate = merging.survivor, merging.duplicate
    for column in columns:
        if column in merging.take:
            merging.journal.set(survivor, column, getattr(duplicate, column))
    merging.journal.set(survivor, "attributes", {**duplicate.attributes, **survivor.attributes})


async def take_people_and_clients(
    merging: Merging, mine: dict[int, Client], theirs: dict[int, Client]
) -> dict[int, int]:
    """Carry over the clients of campaigns in which the survivor has none, and the people. Who is there already by the
    same name is one with them. Returns whose record is used instead of which."""
    session, survivor, journal = merging.session, merging.survivor, merging.journal
    known = {person.name_folded: person for person in await people_at(session, survivor.id)}
    people = await people_at(session, merging.duplicate.id)
    same = {person.id: known[person.name_folded].id for person in people if person.name_folded in known}
    for person in people:
        if person.id in same and person.decides:
            journal.set(known[person.name_folded], "decides", True)
    await session.flush()
    clients = [client for campaign_id, client in theirs.items() if campaign_id not in mine]
    carried = await carry(session, clients=clients, people=people, to=survivor.id, same=same)
    journal.carried = [client.id for client in clients]
    journal.moved = [person.id for person in carried.moved]
    journal.copied = [list(each) for each in carried.copied]
    for person_id, into_id in carried.same.items():
        session.add(PersonJoin(person_id=person_id, into_person_id=into_id, merge_id=merging.merge.id))
    await session.flush()
    return carried.same


async def take_numbers(merging: Merging, people: dict[int, int]) -> None:
    """The numbers that the survivor does not have, after its own."""
    mine = await numbers_of(merging.session, merging.survivor.id)
    held = {(number.e164, number.extension) for number in mine}
    rank = max((number.rank for number in mine), default=-1) + 1
    for number in await numbers_of(merging.session, merging.duplicate.id):
        if (number.e164, number.extension) in held:
            continue
        merging.journal.set(number, "organisation_id", merging.survivor.id)
        merging.journal.set(number, "rank", rank)
        if number.person_id is not None:
            merging.journal.set(number, "person_id", people.get(number.person_id, number.person_id))
        rank += 1
    await merging.session.flush()


async def take_requests(merging: Merging, people: dict[int, int]) -> None:
    """Who asked not to be called is not called under the other record either: the request is repeated with its
    evidence."""
    pairs = [(Whom.ORGANISATION, merging.duplicate.id, merging.survivor.id)]
    pairs += [(Whom.PERSON, person_id, into_id) for person_id, into_id in people.items()]
    for whom, from_id, to_id in pairs:
        theirs, ours = await request_of(merging.session, whom, from_id), await request_of(merging.session, whom, to_id)
        request = ours or theirs
        if request is None:
            continue
        repeated = await keep_request(
            merging.session, whom=whom, target=to_id, now=merging.now, evidence=request.evidence,
            attempt_id=request.attempt_id, author_id=merging.author_id,
        )  # fmt: skip
        if ours is None:
            merging.journal.requests.append(repeated.id)


async def join(merging: Merging, client: Client, into: Client, *, given: bool) -> None:
    """Read `client` with `into` from now on: it is called no more, and its promise is the other's. Of two promises the
    earlier one stands. `given`: what to take was said; else blanks are filled."""
    session, journal = merging.session, merging.journal
    session.add(ClientJoin(client_id=client.id, into_client_id=into.id, merge_id=merging.merge.id))
    journal.set(client, "off_list_reason", f"= {merging.survivor.name}")
    await drop_waiting(session, client_id=client.id, reason="dial.off_list", now=merging.now)
    await _join_promises(merging, client, into)
    await _join_referrals(merging, client, into)
    if "owner" in merging.take or (not given and into.owner_id is None):
        for column, value in owning(client.owner_id, client.owned_since).items():
            journal.set(into, column, value)
    await session.flush()
    if "group" in merging.take or (not given and into.group is Group.NEW):
        was = into.group
        moved = await move(
            session, client=into, to=client.group, at=merging.now, cause=MoveCause.USER, author_id=merging.author_id,
            note=f"= {merging.duplicate.name}",
        )  # fmt: skip
        if moved is not None:
            journal.groups.append([into.id, was.value, into.group.value])


async def _join_promises(merging: Merging, client: Client, into: Client) -> None:
    session, journal = merging.session, merging.journal
    theirs, ours = await open_callback(session, client.id), await open_callback(session, into.id)
    if theirs is not None and ours is not None:
        later = max((theirs, ours), key=lambda promise: promise.due_at)
        await withdraw(session, callback_id=later.id, now=merging.now)
        journal.withdrawn.append(later.id)
        theirs = None if later is theirs else theirs
    if theirs is not None:
        journal.set(theirs, "client_id", into.id)
        await session.flush()


async def take_deals(merging: Merging, theirs: Iterable[Client], people: dict[int, int]) -> None:
    """The deals of the duplicate's clients: those of one that is joined become the other's, and whom they name is who
    is used now."""
    session, journal = merging.session, merging.journal
    joins = select(ClientJoin.client_id, ClientJoin.into_client_id).where(ClientJoin.merge_id == merging.merge.id)
    into = dict((await session.execute(joins)).all())
    mine = select(Deal).where(Deal.client_id.in_([client.id for client in theirs])).order_by(Deal.id).with_for_update()
    for deal in list(await session.scalars(mine)):
        journal.set(deal, "client_id", into.get(deal.client_id, deal.client_id))
        if deal.person_id is not None:
            journal.set(deal, "person_id", people.get(deal.person_id, deal.person_id))
    await session.flush()


async def _join_referrals(merging: Merging, client: Client, into: Client) -> None:
    """What waits for an expert waits with the client that is called from now on, unless that one waits itself."""
    session = merging.session
    theirs, ours = await offered_referral(session, client.id), await offered_referral(session, into.id)
    if theirs is not None:
        going_on = into if ours is None else None
        await carry_over(session, theirs, going_on, now=merging.now, author_id=merging.author_id)


async def take_belongings(merging: Merging) -> None:
    """Addresses, deals, competitors, and who looked after the clients before."""
    session, journal = merging.session, merging.journal
    survivor_id, duplicate_id = merging.survivor.id, merging.duplicate.id
    for address in await session.scalars(select(Address).where(Address.organisation_id == duplicate_id)):
        journal.set(address, "organisation_id", survivor_id)
    for deal in await session.scalars(select(PastDeal).where(PastDeal.organisation_id == duplicate_id)):
        journal.set(deal, "organisation_id", survivor_id)
    there = set(
        await session.scalars(select(CompetitorUse.competitor_id).where(CompetitorUse.organisation_id == survivor_id))
    )
    for use in await session.scalars(select(CompetitorUse).where(CompetitorUse.organisation_id == duplicate_id)):
        if use.competitor_id not in there:
            journal.set(use, "organisation_id", survivor_id)
    joins = select(ClientJoin.client_id, ClientJoin.into_client_id).where(ClientJoin.merge_id == merging.merge.id)
    for client_id, into_id in (await session.execute(joins)).all():
        for former in await session.scalars(select(FormerOwner).where(FormerOwner.client_id == client_id)):
            journal.set(former, "client_id", into_id)
    await session.flush()
