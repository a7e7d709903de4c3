"""Consents to being called, each with its evidence; a withdrawn one stays on record."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Text,
    exists,
    or_,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from crm import audit
from crm.base.do_not_call import Whom
from crm.base.people import Person
from crm.base.phone_numbers import PhoneNumber
from crm.errors import Conflict, NotFound, Refused
from crm.mapping import Base, UtcDateTime, one_of
from crm.text_rules import lines_of, tidy

_IN_FORCE: Final = text("withdrawn_at IS NULL")


def _once(name: str, column: str) -> Index:
    return Index(name, column, unique=True, sqlite_where=_IN_FORCE, postgresql_where=_IN_FORCE)


class ConsentGiven(Base):
    """Who agreed to be called: `whom` says which of `e164`, `person_id`, `organisation_id` is set. `evidence`: who said
    so, when and how."""

    __tablename__ = "consents"
    __table_args__ = (
        CheckConstraint(
            "(whom = 'number') = (e164 IS NOT NULL) AND (whom = 'person') = (person_id IS NOT NULL)"
            " AND (whom = 'organisation') = (organisation_id IS NOT NULL)",
            name="whom_is_named",
        ),
        CheckConstraint("length(trim(evidence)) > 0", name="evidence"),
        CheckConstraint("(withdrawn_at IS NULL) = (length(trim(withdraw_reason)) = 0)", name="withdrawn"),
        _once("uq_consents_number", "e164"),
        _once("uq_consents_person", "person_id"),
        _once("uq_consents_organisation", "organisation_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    whom: Mapped[Whom] = mapped_column(one_of(Whom, "whom"))
    e164: Mapped[str | None] = mapped_column(String(16))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"))
    evidence: Mapped[str] = mapped_column(Text)
    given_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    withdrawn_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    withdraw_reason: Mapped[str] = mapped_column(Text, default="")


_COLUMNS: Final[dict[Whom, InstrumentedAttribute[Any]]] = {
    Whom.NUMBER: ConsentGiven.e164,
    Whom.PERSON: ConsentGiven.person_id,
    Whom.ORGANISATION: ConsentGiven.organisation_id,
}


def is_agreed() -> ColumnElement[bool]:
    """As a condition on `PhoneNumber`: it, its person or its organisation has agreed to be called."""
    in_force = exists().where(ConsentGiven.withdrawn_at.is_(None))
    return or_(
        in_force.where(ConsentGiven.organisation_id == PhoneNumber.organisation_id),
        in_force.where(ConsentGiven.e164 == PhoneNumber.e164),
        in_force.where(ConsentGiven.person_id == PhoneNumber.person_id),
    )


async def agreed_numbers(session: AsyncSession, organisation_id: int) -> frozenset[int]:
    """Ids of the organisation's numbers at which it, they or their people have agreed to be called."""
    these = select(PhoneNumber.id).where(PhoneNumber.organisation_id == organisation_id, is_agreed())
    return frozenset(await session.scalars(these))


async def give(
    session: AsyncSession,
    *,
    whom: Whom,
    target: str | int,
    evidence: str,
    now: datetime,
    author_id: int | None = None,
) -> ConsentGiven:
    """Keep a consent; `target` is an E.164 number or an id. Given again the first one stays. Raises `Refused` without
    evidence."""
    evidence = lines_of(evidence)
    if not evidence:
        raise Refused("consent.needs_evidence")
    column = _COLUMNS[whom]
    known = await session.scalar(select(ConsentGiven).where(column == target, ConsentGiven.withdrawn_at.is_(None)))
    if known is not None:
        return known
    given = ConsentGiven(whom=whom, evidence=evidence, given_at=now, author_id=author_id, **{column.key: target})
    session.add(given)
    await session.flush()
    details: dict[str, object] = {"whom": whom.value, "target": target, "evidence": evidence}
    _note(session, given, audit.CONSENT_GIVEN, details, now=now, author_id=author_id)
    return given


async def withdraw_consent(
    session: AsyncSession, *, consent_id: int, reason: str, now: datetime, author_id: int | None = None
) -> ConsentGiven:
    """It holds no more, and stays on record. Raises `NotFound`, `Conflict` when it was withdrawn before, `Refused`
    without a reason."""
    given = await session.get(ConsentGiven, consent_id, with_for_update=True)
    if given is None:
        raise NotFound("consent.unknown")
    if given.withdrawn_at is not None:
        raise Conflict("consent.withdrawn")
    reason = tidy(reason)
    if not reason:
        raise Refused("consent.needs_reason")
    given.withdrawn_at, given.withdrawn_by, given.withdraw_reason = now, author_id, reason
    await session.flush()
    _note(session, given, audit.CONSENT_WITHDRAWN, {"reason": reason}, now=now, author_id=author_id)
    return given


def _note(
    session: AsyncSession,
    given: ConsentGiven,
    action: str,
    details: dict[str, object],
    *,
    now: datetime,
    author_id: int | None,
) -> None:
    audit.note(session, at=now, user_id=author_id, action=action, subject=f"consent:{given.id}", details=details)


async def consents_of(session: AsyncSession, organisation_id: int | None = None) -> list[ConsentGiven]:
    """Those in force, the newest first: of the organisation with its people and numbers, or all."""
    wanted = select(ConsentGiven).where(ConsentGiven.withdrawn_at.is_(None)).order_by(ConsentGiven.id.desc())
    if organisation_id is not None:
        numbers = select(PhoneNumber.e164).where(PhoneNumber.organisation_id == organisation_id)
        people = select(Person.id).where(Person.organisation_id == organisation_id)
        wanted = wanted.where(
            or_(
                ConsentGiven.organisation_id == organisation_id,
                ConsentGiven.e164.in_(numbers),
                ConsentGiven.person_id.in_(people),
            )
        )
    return list(await session.scalars(wanted))
