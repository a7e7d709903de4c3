"""The groups of clients, and the moves between them, kept for ever."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.orm.attributes import set_committed_value

from crm import transitions
from crm.base.joined import of_clients, read_as_one
from crm.errors import Refused
from crm.group import Group
from crm.mapping import Base, UtcDateTime, one_of
from crm.office.users import User

if TYPE_CHECKING:
    from crm.clientele.clients import Client


class MoveCause(enum.StrEnum):
    """Why a client moved."""

    IMPORT = "import"
    CALL = "call"
    USER = "user"
    RULE = "rule"


class GroupMove(Base):
    """One move. Triggers refuse to change or delete it, refuse a `from_group` that is not the client's group, and carry
    `to_group` over to the client, so that the group and its history can never differ. `note` says which rule it was,
    without which the database takes no move by rule, or what else is to be said of it."""

    __tablename__ = "group_moves"
    __table_args__ = (
        CheckConstraint("from_group <> to_group", name="moves"),
        CheckConstraint("cause <> 'call' OR attempt_id IS NOT NULL", name="call_names_attempt"),
        ForeignKeyConstraint(["attempt_id", "client_id"], ["attempts.id", "attempts.client_id"]),
        Index(None, "client_id", "id"),
        Index(None, "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    from_group: Mapped[Group] = mapped_column(one_of(Group, "from_group"))
    to_group: Mapped[Group] = mapped_column(one_of(Group, "to_group"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    cause: Mapped[MoveCause] = mapped_column(one_of(MoveCause, "cause"))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    attempt_id: Mapped[str | None] = mapped_column(String(32))
    note: Mapped[str] = mapped_column(Text, default="")


@dataclass(frozen=True, slots=True)
class MoveRow:
    """A move to be read: when, from where to where, and why; `attempt_id` names the call, `author` who did it ("" for
    nobody)."""

    at: datetime
    left: Group
    entered: Group
    cause: MoveCause
    note: str
    attempt_id: str | None
    author: str


async def move(
    session: AsyncSession,
    *,
    client: Client,
    to: Group,
    at: datetime,
    cause: MoveCause,
    author_id: int | None,
    attempt_id: str | None = None,
    note: str = "",
) -> GroupMove | None:
    """Move `client` to group `to`; `None` when it is there already. A move by rule says which in `note`; without one it
    raises `Refused`."""
    if cause is MoveCause.RULE and not note.strip():
        raise Refused("group.rule_without_words")
    await session.flush()
    await session.refresh(client, ["group", "version"], with_for_update=True)
    if client.group is to:
        return None
    made = GroupMove(
        client_id=client.id,
        from_group=client.group,
        to_group=to,
        at=at,
        cause=cause,
        author_id=author_id,
        attempt_id=attempt_id,
        note=note,
    )
    session.add(made)
    await session.flush()
    transitions.note(session, "client", client=client.id, was=made.from_group, on=cause, now=to, call=attempt_id)
    set_committed_value(client, "group", to)  # the database's trigger has written it
    return made


async def moves_of(session: AsyncSession, client_id: int) -> list[GroupMove]:
    """All moves of a client, the oldest first."""
    found = await session.scalars(select(GroupMove).where(GroupMove.client_id == client_id).order_by(GroupMove.id))
    return list(found)


async def move_rows(session: AsyncSession, client_id: int) -> list[MoveRow]:
    """All moves of a client, and of those who are read with it, with their authors, the newest first."""
    client_ids = await read_as_one(session, client_id)
    found = await session.execute(
        select(GroupMove, User.name)
        .outerjoin(User, User.id == GroupMove.author_id)
        .where(of_clients(GroupMove.client_id, client_ids))
        .order_by(GroupMove.at.desc(), GroupMove.id.desc())
    )
    return [
        MoveRow(made.at, made.from_group, made.to_group, made.cause, made.note, made.attempt_id, author or "")
        for made, author in found
    ]
