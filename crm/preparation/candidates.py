"""Candidates for the operator's chair: who was invited, hired, trained, and with what result."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any, Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit, transitions
from crm.errors import Conflict, NotFound, Refused
from crm.mapping import Base, UtcDateTime, Versioned, one_of
from crm.preparation.campaign_setup import note_setup
from crm.preparation.campaigns import Campaign
from crm.text_rules import required, tidy

MOST_WANTED: Final = 15
"""So many are usually seen; more are not refused."""
HIGHEST_SCORE: Final = 100


class CandidateState(enum.StrEnum):
    """How far a candidate has come."""

    INVITED = "invited"
    DECLINED = "declined"
    HIRED = "hired"
    TRAINED = "trained"
    FAILED = "failed"


STEPS: Final[dict[CandidateState, frozenset[CandidateState]]] = {
    CandidateState.INVITED: frozenset({CandidateState.DECLINED, CandidateState.HIRED}),
    CandidateState.DECLINED: frozenset({CandidateState.INVITED}),
    CandidateState.HIRED: frozenset({CandidateState.TRAINED, CandidateState.FAILED, CandidateState.DECLINED}),
    CandidateState.TRAINED: frozenset({CandidateState.HIRED, CandidateState.FAILED}),
    CandidateState.FAILED: frozenset({CandidateState.HIRED, CandidateState.DECLINED}),
}


class Candidate(Versioned, Base):
    """A candidate. `user_id`: once hired, who it is among the users. `score`: of the training, 0 to 100."""

    __tablename__ = "candidates"
    __table_args__ = (
        CheckConstraint("length(trim(name)) > 0", name="named"),
        CheckConstraint("score BETWEEN 0 AND 100", name="score"),
        Index(None, "campaign_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    name: Mapped[str] = mapped_column(Text)
    state: Mapped[CandidateState] = mapped_column(one_of(CandidateState, "state"), default=CandidateState.INVITED)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    score: Mapped[int | None]
    remarks: Mapped[str] = mapped_column(Text, default="")
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


async def add_candidate(
    session: AsyncSession, *, campaign: Campaign, name: str, now: datetime, author_id: int | None = None
) -> Candidate:
    """Somebody who was invited. Raises `Refused` without a name."""
    name = required(name, "candidate.needs_name")
    candidate = Candidate(campaign_id=campaign.id, name=name, changed_at=now)
    session.add(candidate)
    await session.flush()
    details = {"candidate": candidate.id, "name": name}
    note_setup(session, campaign.id, audit.CANDIDATE_ADDED, details, now=now, author_id=author_id)
    return candidate


async def change_candidate(
    session: AsyncSession,
    *,
    candidate: Candidate,
    now: datetime,
    author_id: int | None = None,
    version: int | None = None,
    **changes: Any,
) -> None:
    """Change `state`, `user_id`, `score`, `remarks`. Hold the row. The approval of a trained one is reopened by
    `crm.preparation.approvals.reopen_changed`. Raises `Conflict` when somebody has changed it since, `Refused` for a
    step that cannot be taken, a score out of range, a trained one without a score."""
    if version is not None and version != candidate.version:
        raise Conflict("candidate.changed_meanwhile")
    if "remarks" in changes:
        changes["remarks"] = tidy(changes["remarks"])
    was = candidate.state
    changed = {column: value for column, value in changes.items() if getattr(candidate, column) != value}
    to = changed.get("state", was)
    if to is not was and to not in STEPS[was]:
        raise Refused("candidate.step", was=was.value, to=to.value)
    details: dict[str, object] = {column: [getattr(candidate, column), value] for column, value in changed.items()}
    for column, value in changed.items():
        setattr(candidate, column, value)
    with session.no_autoflush:
        _assert_possible(candidate)
    if not changed:
        return
    candidate.changed_at = now
    if to is not was:
        transitions.note(session, "candidate", candidate=candidate.id, was=was, on="set", now=to)
    details["candidate"] = candidate.id
    note_setup(session, candidate.campaign_id, audit.CANDIDATE_CHANGED, details, now=now, author_id=author_id)
    await session.flush()


def _assert_possible(candidate: Candidate) -> None:
    if candidate.score is not None and not 0 <= candidate.score <= HIGHEST_SCORE:
        raise Refused("candidate.score")
    if candidate.state is CandidateState.TRAINED and candidate.score is None:
        raise Refused("candidate.needs_score")


async def candidates_of(session: AsyncSession, campaign_id: int) -> list[Candidate]:
    """All of the campaign's, in the order in which they were invited."""
    these = select(Candidate).where(Candidate.campaign_id == campaign_id)
    return list(await session.scalars(these.order_by(Candidate.id)))


async def get_candidate(session: AsyncSession, *, campaign_id: int, candidate_id: int, lock: bool = False) -> Candidate:
    """Raises `NotFound`."""
    found = await session.get(Candidate, candidate_id, with_for_update=lock or None, populate_existing=lock)
    if found is None or found.campaign_id != campaign_id:
        raise NotFound("candidate.unknown")
    return found
