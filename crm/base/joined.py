"""Organisations that were merged into others, with their clients and people: what stays behind, and who stands for it.

What happened stays with the rows that it happened to: attempts, moves and outcomes are append-only. A client of the
merged organisation whose campaign has a client of the survivor too is *joined* to that one: it is called no more and
read together with it.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    Subquery,
    bindparam,
    exists,
    or_,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased, mapped_column
from sqlalchemy.orm.attributes import InstrumentedAttribute

from crm.mapping import Base, UtcDateTime, json_column

_IN_FORCE: Final = text("undone_at IS NULL")
_IN_ONE_STATEMENT: Final = 10_000  # PostgreSQL takes 32,767 values


class OrganisationMerge(Base):
    """`duplicate_id` was merged into `survivor_id`; `journal` is what `crm.care.merging` needs to take it back."""

    __tablename__ = "organisation_merges"
    __table_args__ = (
        CheckConstraint("survivor_id <> duplicate_id", name="two"),
        Index(
            "uq_organisation_merges_duplicate", "duplicate_id", unique=True, sqlite_where=_IN_FORCE,
            postgresql_where=_IN_FORCE,
        ),
        Index(None, "survivor_id"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    survivor_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    duplicate_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    merged_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    journal: Mapped[dict[str, Any]] = mapped_column(json_column(), default=dict)
    undone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    undone_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))


class ClientJoin(Base):
    """A client that is read and called as another one of its campaign."""

    __tablename__ = "client_joins"
    __table_args__ = (Index(None, "into_client_id"),)

    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"), primary_key=True, autoincrement=False)
    into_client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    merge_id: Mapped[int] = mapped_column(ForeignKey("organisation_merges.id"))


class PersonJoin(Base):
    """A person's record that stays behind, because contacts name it, and the record that is used now."""

    __tablename__ = "person_joins"

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    into_person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    merge_id: Mapped[int] = mapped_column(ForeignKey("organisation_merges.id"))


def is_merged(organisation_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """As a condition: the organisation was merged into another one."""
    return exists().where(OrganisationMerge.duplicate_id == organisation_id, OrganisationMerge.undone_at.is_(None))


def is_joined(client_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """As a condition: the client is read as another one."""
    return exists().where(ClientJoin.client_id == client_id)


async def read_as_one(session: AsyncSession, client_id: int) -> list[int]:
    """The client's id and those of the clients that are read with it, for `of_clients`: mostly none, and of one client
    both databases read an index in its order, which they cannot do when the ids are a question of their own."""
    read, further = [client_id], [client_id]
    while further:
        further = list(await session.scalars(_joined_directly(len(further) > 1), {"into": _one_or_all(further)}))
        read += further
    return read


@functools.cache
def _joined_directly(several: bool) -> Select[int]:
    """Put together once: it is asked for each card several times."""
    joined = select(ClientJoin.client_id)
    if several:
        return joined.where(ClientJoin.into_client_id.in_(bindparam("into", expanding=True)))
    return joined.where(ClientJoin.into_client_id == bindparam("into"))


def _one_or_all(these: list[int]) -> int | list[int]:
    return these if len(these) > 1 else these[0]


def of_clients(column: InstrumentedAttribute[int], client_ids: Sequence[int]) -> ColumnElement[bool]:
    """As a condition: the row is one of these clients'."""
    return column.in_(client_ids) if len(client_ids) > 1 else column == client_ids[0]


def merged_into(organisation_id: int) -> Select[int]:
    """Ids of the organisations that were merged into this one, and into those."""
    direct = select(OrganisationMerge.duplicate_id).where(
        OrganisationMerge.survivor_id == organisation_id, OrganisationMerge.undone_at.is_(None)
    )
    merged = direct.cte("merged", recursive=True)
    before = aliased(OrganisationMerge)
    further = select(before.duplicate_id).join(merged, before.survivor_id == merged.c.duplicate_id)
    merged = merged.union_all(further.where(before.undone_at.is_(None)))
    return select(merged.c.duplicate_id)


def standing_clients() -> Subquery:
    """Of every client that is joined (`client_id`): the one that it is read as in the end (`into_id`)."""
    direct = select(ClientJoin.client_id, ClientJoin.into_client_id.label("into_id"))
    steps = direct.cte("joined", recursive=True)
    further = aliased(ClientJoin)
    steps = steps.union_all(
        select(steps.c.client_id, further.into_client_id).join(further, further.client_id == steps.c.into_id)
    )
    ends = select(steps.c.client_id, steps.c.into_id).where(~exists().where(ClientJoin.client_id == steps.c.into_id))
    return ends.subquery("standing")


async def standing_client(session: AsyncSession, client_id: int) -> int:
    """The client that is called and read: this one, or the one that it is joined to."""
    found = await session.scalar(select(ClientJoin.into_client_id).where(ClientJoin.client_id == client_id))
    return client_id if found is None else await standing_client(session, found)


async def survivors(session: AsyncSession, organisation_ids: Iterable[int]) -> dict[int, int]:
    """For those of the organisations that were merged: who stands for them."""
    wanted, direct = list(set(organisation_ids)), dict[int, int]()
    if not wanted:
        return {}
    merges = select(OrganisationMerge.duplicate_id, OrganisationMerge.survivor_id)
    merges = merges.where(OrganisationMerge.undone_at.is_(None))
    for first in range(0, len(wanted), _IN_ONE_STATEMENT):
        some = wanted[first : first + _IN_ONE_STATEMENT]
        direct |= dict((await session.execute(merges.where(OrganisationMerge.duplicate_id.in_(some)))).all())
    further = await survivors(session, direct.values())
    return {merged: further.get(survivor, survivor) for merged, survivor in direct.items()}


async def with_merged(session: AsyncSession, organisation_ids: Collection[int]) -> dict[int, set[int]]:
    """Of each organisation its id, and those of the organisations that were merged into it, and into those."""
    under = defaultdict[int, set[int]](set)
    further, seen = set(organisation_ids), set[int]()
    while further:
        seen |= further
        merges = select(OrganisationMerge.survivor_id, OrganisationMerge.duplicate_id).where(
            OrganisationMerge.survivor_id.in_(further), OrganisationMerge.undone_at.is_(None)
        )
        further = set[int]()
        for survivor, duplicate in await session.execute(merges):
            under[survivor].add(duplicate)
            further.add(duplicate)
        further -= seen
    return {each: _reached(each, under) for each in organisation_ids}


async def records_of(session: AsyncSession, person_ids: Collection[int]) -> dict[int, set[int]]:
    """Of each person the ids of all records of them: the one that is used now, and those that it is used instead of."""
    beside = defaultdict[int, set[int]](set)
    further, seen = set(person_ids), set[int]()
    while further:
        seen |= further
        joins = select(PersonJoin.person_id, PersonJoin.into_person_id).where(
            or_(PersonJoin.person_id.in_(further), PersonJoin.into_person_id.in_(further))
        )
        further = set[int]()
        for one, other in await session.execute(joins):
            beside[one].add(other)
            beside[other].add(one)
            further |= {one, other}
        further -= seen
    return {each: _reached(each, beside) for each in person_ids}


def _reached(start: int, steps: Mapping[int, set[int]]) -> set[int]:
    reached, further = {start}, {start}
    while further:
        further = {each for one in further for each in steps.get(one, ())} - reached
        reached |= further
    return reached
