"""Two organisations become one, and two again.

The survivor keeps its record and takes what it lacks; what is the duplicate's goes over: numbers, people, addresses,
deals, and the clients of campaigns in which the survivor has none. Where both have a client the duplicate's is joined
to the survivor's (`crm.base.joined`). The duplicate's record stays, and nothing finds it but its history.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit, transitions
from crm.base.duplicates import PairState, settle_pair
from crm.base.joined import OrganisationMerge
from crm.base.organisations import Organisation, get_organisation, hold_organisations
from crm.care.duplicate_search import look_again
from crm.care.merge_journal import Journal
from crm.care.merge_steps import (
    Merging,
    assert_not_called,
    clients_by_campaign,
    join,
    take_belongings,
    take_deals,
    take_fields,
    take_numbers,
    take_people_and_clients,
    take_requests,
)
from crm.care.parting import lift_repeated, part_clients, part_people
from crm.errors import Conflict, Refused
from crm.plan.promise_mail import follow_clients_of

COLUMNS: Final = (
    "name", "city", "industry", "headcount", "tax_number", "site", "email", "code", "time_zone", "note",
)  # fmt: skip
"""Of the organisation: each is the survivor's or the duplicate's."""
OF_CLIENTS: Final = ("group", "owner")
"""Of two clients that are joined, likewise."""


async def merge(
    session: AsyncSession,
    *,
    survivor_id: int,
    duplicate_id: int,
    now: datetime,
    take: Collection[str] | None = None,
    author_id: int | None = None,
) -> OrganisationMerge:
    """Merge `duplicate_id` into `survivor_id`. `take`: of `COLUMNS` and `OF_CLIENTS` those in which the duplicate is
    right; by default those in which the survivor has nothing. Raises `Refused` while one of them is being called,
    `Conflict` when one was merged before, `NotFound`."""
    if survivor_id == duplicate_id:
        raise Refused("merge.one_organisation")
    for organisation_id in sorted((survivor_id, duplicate_id)):
        await session.get(Organisation, organisation_id, with_for_update=True, populate_existing=True)
    survivor = await get_organisation(session, survivor_id)
    duplicate = await get_organisation(session, duplicate_id)
    if await merge_of(session, survivor_id) or await merge_of(session, duplicate_id):
        raise Conflict("merge.merged_already")
    mine, theirs = await clients_by_campaign(session, survivor_id), await clients_by_campaign(session, duplicate_id)
    await assert_not_called(session, [*mine.values(), *theirs.values()])
    made = OrganisationMerge(survivor_id=survivor_id, duplicate_id=duplicate_id, merged_at=now, author_id=author_id)
    session.add(made)
    await session.flush()
    chosen = frozenset(default_take(survivor, duplicate) if take is None else take)
    merging = Merging(session, survivor, duplicate, chosen, made, now, author_id)
    take_fields(merging, COLUMNS)
    people = await take_people_and_clients(merging, mine, theirs)
    await take_numbers(merging, people)
    await take_requests(merging, people)
    for campaign_id, client in theirs.items():
        if campaign_id in mine:
            await join(merging, client, mine[campaign_id], given=take is not None)
    await take_deals(merging, theirs.values(), people)
    await take_belongings(merging)
    made.journal = merging.journal.stored()
    await follow_clients_of(session, [survivor_id, duplicate_id], now=now)
    await settle_pair(session, survivor_id, duplicate_id, PairState.MERGED, now=now, author_id=author_id)
    audit.note(
        session, at=now, user_id=author_id, action=audit.ORGANISATIONS_MERGED, subject=f"organisation:{survivor_id}",
        details={"merge": made.id, "duplicate": duplicate_id, "took": sorted(chosen)},
    )  # fmt: skip
    transitions.note(session, "organisation", organisation=duplicate_id, was="own", on="merged", now="merged")
    await session.flush()
    return made


def default_take(survivor: Organisation, duplicate: Organisation) -> list[str]:
    """The columns in which the survivor has nothing and the duplicate something."""
    return [
        column
        for column in COLUMNS
        if getattr(survivor, column) in ("", None) and getattr(duplicate, column) not in ("", None)
    ]


async def merge_of(session: AsyncSession, organisation_id: int) -> OrganisationMerge | None:
    """The merge in which the organisation went into another one, if it holds."""
    return await session.scalar(
        select(OrganisationMerge).where(
            OrganisationMerge.duplicate_id == organisation_id, OrganisationMerge.undone_at.is_(None)
        )
    )


async def undo(
    session: AsyncSession, *, merge_id: int, now: datetime, author_id: int | None = None
) -> tuple[OrganisationMerge, list[str]]:
    """Two organisations again, each with what was its own; what was done since with a client stays with that client.
    Returns the merge, and what was left as it is because it had been changed since ("table:id column"). Raises
    `Conflict` when it was undone before or a later merge builds on it, `Refused` while a client is being called."""
    made = await session.get(OrganisationMerge, merge_id, with_for_update=True)
    if made is None or made.undone_at is not None:
        raise Conflict("merge.undone")
    involved = (made.survivor_id, made.duplicate_id)
    await hold_organisations(session, involved)
    later = select(OrganisationMerge.id).where(
        OrganisationMerge.id > merge_id, OrganisationMerge.undone_at.is_(None),
        OrganisationMerge.survivor_id.in_(involved) | OrganisationMerge.duplicate_id.in_(involved),
    )  # fmt: skip
    if (first := await session.scalar(later.order_by(OrganisationMerge.id.desc()).limit(1))) is not None:
        raise Conflict("merge.later_one", number=first)
    survivor = await get_organisation(session, made.survivor_id)
    duplicate = await get_organisation(session, made.duplicate_id)
    await assert_not_called(session, list((await clients_by_campaign(session, survivor.id)).values()))
    journal = Journal.of(made.journal)
    left = await part_clients(session, made, journal, now=now, author_id=author_id)
    left += await part_people(session, made, journal, survivor.id, duplicate.id)
    left += await journal.take_back(session, frozenset({"addresses", "past_deals", "competitor_uses", "organisations"}))
    await lift_repeated(session, journal, now=now, author_id=author_id)
    await follow_clients_of(session, involved, now=now)
    made.undone_at, made.undone_by = now, author_id
    await settle_pair(session, *involved, PairState.OPEN, now=now, author_id=None)
    await look_again(session, survivor_id=survivor.id, duplicate_id=duplicate.id, since=made.merged_at)
    audit.note(
        session, at=now, user_id=author_id, action=audit.MERGE_UNDONE, subject=f"organisation:{survivor.id}",
        details={"merge": made.id, "duplicate": duplicate.id, "left": left},
    )  # fmt: skip
    transitions.note(session, "organisation", organisation=duplicate.id, was="merged", on="undone", now="own")
    await session.flush()
    return made, left
