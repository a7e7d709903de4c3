"""The steps of undoing a merge (`crm.care.merging`): each client, person and number goes back to where it was."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.do_not_call import DoNotCall, lift
from crm.base.joined import ClientJoin, OrganisationMerge, PersonJoin
from crm.base.people import Person
from crm.base.phone_numbers import PhoneNumber
from crm.care.carrying import carry
from crm.care.merge_journal import Journal
from crm.clientele.clients import get_client
from crm.clientele.groups import MoveCause, move
from crm.deals.deals import Deal
from crm.group import Group
from crm.offers.offers import Offer
from crm.offers.opt_outs import OptOut
from crm.plan.callbacks import Callback, CallbackState, open_callback
from crm.plan.outcome_chain import Outcome
from crm.plan.plan_entries import EntryState, PlanEntry, set_states
from crm.wrap_up.contacts import Contact


async def part_clients(
    session: AsyncSession, made: OrganisationMerge, journal: Journal, *, now: datetime, author_id: int | None
) -> list[str]:
    """Joined clients are their own again, with their promises, deals and groups."""
    await session.execute(delete(ClientJoin).where(ClientJoin.merge_id == made.id))
    left = await _keep_settled_promises(session, journal, now)
    left += await journal.take_back(session, frozenset({"callbacks", "former_owners", "deals", "clients"}))
    for callback_id in journal.withdrawn:
        promise = await session.get_one(Callback, callback_id, with_for_update=True)
        reopened = promise.state is CallbackState.WITHDRAWN and promise.due_at > now
        if not reopened or await open_callback(session, promise.client_id) is not None:
            left.append(f"callbacks:{callback_id} state")
            continue
        promise.state, promise.settled_at = CallbackState.OPEN, None
        await session.flush()
    for client_id, was, after in journal.groups:
        client = await get_client(session, client_id, lock=True)
        if client.group is not Group(after):
            left.append(f"clients:{client_id} group")
            continue
        await move(session, client=client, to=Group(was), at=now, cause=MoveCause.USER, author_id=author_id, note="≠")
    return left


async def _keep_settled_promises(session: AsyncSession, journal: Journal, now: datetime) -> list[str]:
    """Promises that were kept or broken under the other client since stay there; the open ones leave its plan."""
    left = []
    for change in [each for each in journal.changed if each[0] == "callbacks"]:
        promise = await session.get_one(Callback, change[1], with_for_update=True)
        if promise.state is not CallbackState.OPEN:
            journal.changed.remove(change)
            left.append(f"callbacks:{promise.id} client_id")
            continue
        await set_states(
            session,
            update(PlanEntry)
            .where(PlanEntry.callback_id == promise.id, PlanEntry.state == EntryState.WAITING)
            .values(reason="callback", done_at=now),
            was=EntryState.WAITING, on="callback", now=EntryState.DROPPED, client=promise.client_id,
        )  # fmt: skip
    return left


async def part_people(
    session: AsyncSession, made: OrganisationMerge, journal: Journal, survivor_id: int, duplicate_id: int
) -> list[str]:
    """The clients that were carried over go back with their contacts, and the people; who has been named since by a
    contact of the survivor's own stays there, and a copy goes."""
    joins = (await session.execute(select(PersonJoin).where(PersonJoin.merge_id == made.id))).scalars().all()
    same = {each.into_person_id: each.person_id for each in joins}
    clients = [await get_client(session, client_id, lock=True) for client_id in journal.carried]
    clients = [client for client in clients if client.organisation_id == survivor_id]
    moved = (await session.scalars(select(Person).where(Person.id.in_(journal.moved)).with_for_update())).all()
    people = [person for person in moved if person.organisation_id == survivor_id]
    carried = await carry(session, clients=clients, people=people, to=duplicate_id, same=same)
    originals = {person_id for person_id, _ in carried.copied}
    left = [f"people:{person.id} organisation_id" for person in people if person.id in originals]
    left += await journal.take_back(session, frozenset({"phone_numbers"}))
    journal.changed = [each for each in journal.changed if each[0] != "phone_numbers"]
    for each in joins:
        await session.delete(each)
    await session.flush()
    for _, copy_id in journal.copied:
        if not await _is_named(session, copy_id):
            await session.delete(await session.get_one(Person, copy_id))
        else:
            left.append(f"people:{copy_id}")
    for change in [each for each in journal.changed if each[0] == "people"]:
        if await session.scalar(select(Contact.id).where(Contact.person_id == change[1], Contact.main).limit(1)):
            journal.changed.remove(change)
            left.append(f"people:{change[1]} decides")
    await session.flush()
    return left + await journal.take_back(session, frozenset({"people"}))


async def _is_named(session: AsyncSession, person_id: int) -> bool:
    for column in (
        Contact.person_id,
        Outcome.person_id,
        PhoneNumber.person_id,
        DoNotCall.person_id,
        Deal.person_id,
        Offer.person_id,
        OptOut.person_id,
    ):
        if await session.scalar(select(column).where(column == person_id).limit(1)) is not None:
            return True
    return False


async def lift_repeated(session: AsyncSession, journal: Journal, *, now: datetime, author_id: int | None) -> None:
    """The requests that were repeated for the survivor were the duplicate's alone."""
    for request_id in journal.requests:
        request = await session.get_one(DoNotCall, request_id)
        if request.lifted_at is None:
            await lift(session, request_id=request_id, reason="≠", now=now, author_id=author_id)
