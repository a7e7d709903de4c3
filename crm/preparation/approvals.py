"""What the customer has signed: rubrics, sources, the offer, the script, a trained operator. Call lists carry their own
approval (`crm.preparation.call_lists`).

An approval holds for the content that was there when it was given, known by its digest; with another content it holds
no more, whoever made the change and however.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit, transitions
from crm.errors import Refused
from crm.mapping import Base, UtcDateTime, one_of
from crm.preparation.campaign_setup import note_setup, setup_of
from crm.preparation.campaigns import Campaign, get_campaign
from crm.preparation.candidates import Candidate, CandidateState
from crm.preparation.materials import MaterialKind, materials_of
from crm.preparation.scripts import script_of
from crm.text_rules import required
from crm.time_zones import local


class Subject(enum.StrEnum):
    """What is approved."""

    RUBRICS = "rubrics"
    SOURCES = "sources"
    OFFER = "offer"
    SCRIPT = "script"
    OPERATOR = "operator"


_STANDS: Final = text("reopened_at IS NULL")
_STANDS_ALONE: Final = text("reopened_at IS NULL AND candidate_id IS NULL")


class Approval(Base):
    """One signature. `signer`: who signed for the customer, in words; `digest`: SHA-256 of what was signed. It stands
    until it is reopened; another one may follow."""

    __tablename__ = "approvals"
    __table_args__ = (
        CheckConstraint("length(trim(signer)) > 0", name="signed"),
        CheckConstraint("(subject = 'operator') = (candidate_id IS NOT NULL)", name="operator_is_named"),
        Index(
            "uq_approvals_standing",
            "campaign_id",
            "subject",
            unique=True,
            sqlite_where=_STANDS_ALONE,
            postgresql_where=_STANDS_ALONE,
        ),
        Index("uq_approvals_of_candidate", "candidate_id", unique=True, sqlite_where=_STANDS, postgresql_where=_STANDS),
        Index(None, "campaign_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    subject: Mapped[Subject] = mapped_column(one_of(Subject, "subject"))
    candidate_id: Mapped[int | None] = mapped_column(ForeignKey("candidates.id"))
    signer: Mapped[str] = mapped_column(Text)
    signed_on: Mapped[date]
    digest: Mapped[str] = mapped_column(String(64))
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    reopened_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


@dataclass(frozen=True, slots=True)
class Signature:
    """The last approval of a subject; `holds` unless the content has changed since."""

    signer: str
    signed_on: date
    holds: bool


async def approve(
    session: AsyncSession,
    *,
    campaign: Campaign,
    subject: Subject,
    signer: str,
    now: datetime,
    signed_on: date | None = None,
    candidate_id: int | None = None,
    author_id: int | None = None,
) -> Approval:
    """Note that `signer` has approved what there is now; one that stood before is replaced. `signed_on`: today by the
    campaign's clock unless given. Raises `Refused` without a signer, for a day to come, and where there is nothing to
    sign."""
    signer = required(signer, "approval.needs_signer")
    today = local(now, campaign.time_zone).date()
    signed_on = signed_on or today
    if signed_on > today:
        raise Refused("approval.in_future")
    await get_campaign(session, campaign.id, lock=True)
    digest = await digest_of(session, campaign.id, subject, candidate_id)
    if not digest:
        raise Refused("approval.nothing")
    for standing in await _standing(session, campaign.id):
        if (standing.subject, standing.candidate_id) == (subject, candidate_id):
            standing.reopened_at = now
    await session.flush()
    approval = Approval(
        campaign_id=campaign.id, subject=subject, candidate_id=candidate_id, signer=signer, signed_on=signed_on,
        digest=digest, noted_at=now, author_id=author_id,
    )  # fmt: skip
    session.add(approval)
    details = {"subject": subject.value, "signer": signer, "on": signed_on.isoformat(), "digest": digest}
    note_setup(session, campaign.id, audit.APPROVED, _named(details, candidate_id), now=now, author_id=author_id)
    transitions.note(session, "approval", campaign=campaign.id, subject=subject, was="open", on="signed", now="stands")
    await session.flush()
    return approval


async def reopen_changed(
    session: AsyncSession, *, campaign_id: int, now: datetime, author_id: int | None = None
) -> list[Approval]:
    """Reopen the approvals of what is no longer as it was signed; to be called after every change of it."""
    reopened = []
    for approval in await _standing(session, campaign_id):
        if await digest_of(session, campaign_id, approval.subject, approval.candidate_id) == approval.digest:
            continue
        approval.reopened_at = now
        details = _named({"subject": approval.subject.value, "signer": approval.signer}, approval.candidate_id)
        note_setup(session, campaign_id, audit.APPROVAL_REOPENED, details, now=now, author_id=author_id)
        transitions.note(
            session, "approval", campaign=campaign_id, subject=approval.subject, was="stands", on="changed", now="open"
        )
        reopened.append(approval)
    await session.flush()
    return reopened


def _named(details: dict[str, str], candidate_id: int | None) -> dict[str, object]:
    return {**details, **({} if candidate_id is None else {"candidate": candidate_id})}


async def _standing(session: AsyncSession, campaign_id: int) -> list[Approval]:
    these = select(Approval).where(Approval.campaign_id == campaign_id, Approval.reopened_at.is_(None))
    return list(await session.scalars(these.order_by(Approval.id)))


async def signatures(session: AsyncSession, campaign_id: int) -> dict[tuple[Subject, int | None], Signature]:
    """The last approval of everything that was ever approved, by subject and candidate."""
    found: dict[tuple[Subject, int | None], Signature] = {}
    these = select(Approval).where(Approval.campaign_id == campaign_id).order_by(Approval.id)
    for approval in await session.scalars(these):
        holds = approval.reopened_at is None and approval.digest == await digest_of(
            session, campaign_id, approval.subject, approval.candidate_id
        )
        found[approval.subject, approval.candidate_id] = Signature(approval.signer, approval.signed_on, holds)
    return found


async def digest_of(session: AsyncSession, campaign_id: int, subject: Subject, candidate_id: int | None = None) -> str:
    """SHA-256 of what there is to approve now, "" for nothing."""
    content = await _content(session, campaign_id, subject, candidate_id)
    return hashlib.sha256(content.encode()).hexdigest() if content else ""


async def _content(session: AsyncSession, campaign_id: int, subject: Subject, candidate_id: int | None) -> str:
    match subject:
        case Subject.RUBRICS:
            return "\n".join(sorted((await setup_of(session, campaign_id)).rubric_names))
        case Subject.SOURCES:
            return "\n".join(sorted((await setup_of(session, campaign_id)).source_names))
        case Subject.OFFER:
            offers = [each for each in await materials_of(session, campaign_id) if each.kind is MaterialKind.OFFER]
            return "\n".join(sorted(each.sha256 for each in offers))
        case Subject.SCRIPT:
            script = await script_of(session, campaign_id)
            return script.script if script is not None else ""
        case Subject.OPERATOR:
            candidate = await session.get(Candidate, candidate_id) if candidate_id is not None else None
            if candidate is None or candidate.campaign_id != campaign_id:
                return ""
            trained = candidate.state is CandidateState.TRAINED
            return f"{candidate.name}\n{candidate.user_id}\n{candidate.score}" if trained else ""
