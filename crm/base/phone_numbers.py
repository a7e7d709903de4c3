"""Telephone numbers of organisations and people. Reading them out of text is `crm.base.phone_parsing`'s."""

from __future__ import annotations

import enum

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    and_,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm.base.do_not_call import asked
from crm.base.whom import Whom
from crm.errors import NotFound
from crm.mapping import Base, Versioned, one_of


class NumberState(enum.StrEnum):
    """Whether a number works, and whether it may be dialled."""

    OK = "ok"
    DEAD = "dead"  # proved not to work
    DO_NOT_CALL = "do_not_call"  # shown of a number that is in `crm.base.do_not_call`; stored of none


class PhoneNumber(Versioned, Base):
    """A number: `e164` with its plus, `extension` digits or "", `raw` as it was written. The lowest `rank` is dialled
    first."""

    __tablename__ = "phone_numbers"
    __table_args__ = (
        CheckConstraint("e164 LIKE '+%' AND length(e164) BETWEEN 4 AND 16", name="e164"),
        UniqueConstraint("organisation_id", "e164", "extension"),
        Index(None, "e164"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    e164: Mapped[str] = mapped_column(String(16))
    extension: Mapped[str] = mapped_column(String(16), default="")
    raw: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[NumberState] = mapped_column(one_of(NumberState, "state"), default=NumberState.OK)
    rank: Mapped[int] = mapped_column(default=0)


async def get_number(session: AsyncSession, phone_number_id: int) -> PhoneNumber:
    """Raises `NotFound`."""
    number = await session.get(PhoneNumber, phone_number_id)
    if number is None:
        raise NotFound("phone.unknown")
    return number


async def numbers_of(session: AsyncSession, organisation_id: int) -> list[PhoneNumber]:
    """All numbers of the organisation in the order in which they are dialled."""
    found = await session.scalars(
        select(PhoneNumber)
        .where(PhoneNumber.organisation_id == organisation_id)
        .order_by(PhoneNumber.rank, PhoneNumber.id)
    )
    return list(found)


async def first_working(session: AsyncSession, organisation_id: int) -> PhoneNumber | None:
    """The number to dial, or `None` when there is none that works and may be dialled."""
    return await session.scalar(
        select(PhoneNumber)
        .where(PhoneNumber.organisation_id == organisation_id, may_be_dialled())
        .order_by(PhoneNumber.rank, PhoneNumber.id)
        .limit(1)
    )


def may_be_dialled() -> ColumnElement[bool]:
    """As a condition: the number works, and neither it nor its person is in the register of requests."""
    return and_(PhoneNumber.state == NumberState.OK, ~_is_asked_off())


def _is_asked_off() -> ColumnElement[bool]:
    return or_(asked(Whom.NUMBER, PhoneNumber.e164), asked(Whom.PERSON, PhoneNumber.person_id))


async def asked_off(session: AsyncSession, organisation_id: int) -> frozenset[int]:
    """Ids of the organisation's numbers that are not to be called, or whose person is not."""
    these = select(PhoneNumber.id).where(PhoneNumber.organisation_id == organisation_id, _is_asked_off())
    return frozenset(await session.scalars(these))


async def shown_numbers(session: AsyncSession, organisation_id: int) -> list[tuple[PhoneNumber, NumberState]]:
    """All numbers of the organisation in the order in which they are dialled, with their state as it is shown: also
    that one is not to be called, or that its person is not."""
    found = await session.execute(
        select(PhoneNumber, _is_asked_off())
        .where(PhoneNumber.organisation_id == organisation_id)
        .order_by(PhoneNumber.rank, PhoneNumber.id)
    )
    return [(number, NumberState.DO_NOT_CALL if asked_off else number.state) for number, asked_off in found]
