"""Consents to being called, each with its evidence; a withdrawn one stays on record."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Text,
    exists,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.base.concerning import concerns
from crm.base.phone_numbers import PhoneNumber
from crm.base.whom import OfWhom, Whom, column_of, one_of_each_in_force
from crm.errors import Conflict, NotFound, Refused
from crm.insert_or_read import insert_or_read
from crm.mapping import Base, UtcDateTime
from crm.text_rules import lines_of, required


class ConsentGiven(OfWhom, Base):
    """Who agreed to be called: `whom` says which of `e164`, `person_id`, `organisation_id` is set. `evidence`: who said
    so, when and how."""

    __tablename__ = "consents"
    __table_args__ = (
        *one_of_each_in_force("consents", "withdrawn_at"),
        CheckConstraint("length(trim(evidence)) > 0", name="evidence"),
        CheckConstraint("(withdrawn_at IS NULL) = (length(trim(withdraw_reason)) = 0)", name="withdrawn"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    evidence: Mapped[str] = mapped_column(Text)
    given_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    withdrawn_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    withdraw_reason: Mapped[str] = mapped_column(Text, default="")


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
    column = column_of(ConsentGiven, whom)
    in_force = select(ConsentGiven).where(column == target, ConsentGiven.withdrawn_at.is_(None))
    known = await session.scalar(in_force)
    if known is not None:
        return known
    given = ConsentGiven(whom=whom, evidence=evidence, given_at=now, author_id=author_id, **{column.key: target})
    given, made = await insert_or_read(session, given, lambda: session.scalar(in_force))
    if not made:
        return given
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
    reason = required(reason, "consent.needs_reason")
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
        wanted = wanted.where(concerns(ConsentGiven, organisation_id))
    return list(await session.scalars(wanted))
