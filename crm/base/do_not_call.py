"""Requests not to be called: by a number, a person, or a whole organisation; each with its evidence, and none deleted.

A request holds in every campaign, for what is there and for what comes later: a number that is imported again under
another company, an organisation that is taken into the next campaign.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, String, Text, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from crm import audit, transitions
from crm.base.whom import COLUMN_NAMES, OfWhom, Whom, column_of, one_of_each_in_force
from crm.errors import Conflict, NotFound, Refused
from crm.insert_or_read import insert_or_read
from crm.mapping import Base, UtcDateTime
from crm.text_rules import lines_of, required


class DoNotCall(OfWhom, Base):
    """A request. `whom` says which of `e164`, `person_id`, `organisation_id` is set. `evidence` is in words; without it
    the attempt in which it was asked for is the evidence. It holds until it is lifted."""

    __tablename__ = "do_not_call"
    __table_args__ = (
        *one_of_each_in_force("do_not_call", "lifted_at"),
        CheckConstraint("attempt_id IS NOT NULL OR length(trim(evidence)) > 0", name="evidence"),
        CheckConstraint("(lifted_at IS NULL) = (length(trim(lift_reason)) = 0)", name="lifted"),
        Index(None, "attempt_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    evidence: Mapped[str] = mapped_column(Text, default="")
    attempt_id: Mapped[str | None] = mapped_column(String(32), ForeignKey("attempts.id"))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    lifted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lifted_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    lift_reason: Mapped[str] = mapped_column(Text, default="")


def asked(whom: Whom, column: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """As a condition: the number, person or organisation in `column` is not to be called."""
    return exists().where(column_of(DoNotCall, whom) == column, DoNotCall.lifted_at.is_(None))


async def request_of(session: AsyncSession, whom: Whom, target: object) -> DoNotCall | None:
    """The request that is in force."""
    return await session.scalar(
        select(DoNotCall).where(column_of(DoNotCall, whom) == target, DoNotCall.lifted_at.is_(None))
    )


async def ask(
    session: AsyncSession,
    *,
    whom: Whom,
    target: str | int,
    now: datetime,
    evidence: str = "",
    attempt_id: str | None = None,
    author_id: int | None = None,
) -> DoNotCall:
    """Keep the request; `target` is an E.164 number or an id. Asked again the first one stays. Raises `Refused` without
    evidence."""
    evidence = lines_of(evidence)
    if attempt_id is None and not evidence:
        raise Refused("do_not_call.needs_evidence")
    known = await request_of(session, whom, target)
    if known is not None:
        return known
    request = DoNotCall(
        whom=whom, evidence=evidence, attempt_id=attempt_id, asked_at=now, author_id=author_id,
        **{COLUMN_NAMES[whom]: target},
    )  # fmt: skip
    request, made = await insert_or_read(session, request, lambda: request_of(session, whom, target))
    if not made:
        return request
    transitions.note(session, "do not call", request=request.id, whom=whom, was="none", on="asked", now="in force")
    _note(session, request, audit.DO_NOT_CALL_ASKED, {"evidence": evidence}, now=now, author_id=author_id)
    return request


async def lift(
    session: AsyncSession, *, request_id: int, reason: str, now: datetime, author_id: int | None = None
) -> DoNotCall:
    """The request holds no more. Raises `NotFound`, `Conflict` when it was lifted before, `Refused` without a
    reason."""
    request = await session.get(DoNotCall, request_id, with_for_update=True)
    if request is None:
        raise NotFound("do_not_call.unknown")
    if request.lifted_at is not None:
        raise Conflict("do_not_call.lifted")
    reason = required(reason, "do_not_call.needs_reason")
    request.lifted_at, request.lifted_by, request.lift_reason = now, author_id, reason
    await session.flush()
    transitions.note(
        session, "do not call", request=request.id, whom=request.whom, was="in force", on="lifted", now="lifted"
    )
    _note(session, request, audit.DO_NOT_CALL_LIFTED, {"reason": reason}, now=now, author_id=author_id)
    return request


async def lift_of_attempt(session: AsyncSession, *, attempt_id: str, now: datetime, author_id: int | None) -> None:
    """What was asked in this call was written down by mistake."""
    these = select(DoNotCall.id).where(DoNotCall.attempt_id == attempt_id, DoNotCall.lifted_at.is_(None))
    for request_id in list(await session.scalars(these)):
        await lift(session, request_id=request_id, reason="corrected", now=now, author_id=author_id)


async def requests(session: AsyncSession, *, in_force_only: bool = True) -> Sequence[DoNotCall]:
    """All requests, the newest first."""
    wanted = select(DoNotCall).order_by(DoNotCall.id.desc())
    if in_force_only:
        wanted = wanted.where(DoNotCall.lifted_at.is_(None))
    return list(await session.scalars(wanted))


def _note(
    session: AsyncSession,
    request: DoNotCall,
    action: str,
    details: dict[str, object],
    *,
    now: datetime,
    author_id: int | None,
) -> None:
    details = {**details, "whom": request.whom.value, "target": getattr(request, COLUMN_NAMES[request.whom])}
    audit.note(session, at=now, user_id=author_id, action=action, subject=f"do_not_call:{request.id}", details=details)
