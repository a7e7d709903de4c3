"""Referrals: one client given to one expert because of one outcome. It is offered, and then accepted or given back, or
it lapses by the campaign's limit and goes to the next expert; an outcome that is undone or corrected withdraws it.

A client has at most one that is offered, and while it is offered the client and its promise stay with whoever spoke:
nothing is without somebody who answers for it.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Final

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    and_,
    exists,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import transitions
from crm.clientele.clients import Client
from crm.errors import NotFound
from crm.mapping import Base, UtcDateTime, one_of
from crm.preparation.campaign_setup import CampaignExpert

LONGEST_REASON: Final = 500
"""Characters."""


class ReferralState(enum.StrEnum):
    """What became of a referral."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    GIVEN_BACK = "given_back"
    LAPSED = "lapsed"  # not taken within the campaign's limit
    MOVED = "moved"  # given to another expert by hand, or with everything that somebody had
    WITHDRAWN = "withdrawn"  # the outcome was undone or corrected


class ChosenBy(enum.StrEnum):
    """Why it is this expert."""

    NAME = "name"  # somebody chose them
    OWNER = "owner"  # the client is theirs already
    INDUSTRY = "industry"
    LOAD = "load"
    TAKEN = "taken"  # nobody had it, and they took it
    NOBODY = "nobody"  # no expert was there, or each had let it pass


_OFFERED = text("state = 'offered'")


class Referral(Base):
    """A referral. `expert_id` `None`: no expert has it, and any of the campaign may take it. `due_at`: until when it is
    to be accepted, `None` for no limit. `accepted_at` stays when it is given back or withdrawn later; `settled_by`: who
    did what its state says. `previous_id`: the referral that this one goes on with. Triggers refuse to delete one, and
    to change what has been settled."""

    __tablename__ = "referrals"
    __table_args__ = (
        CheckConstraint("(state = 'offered') = (accepted_at IS NULL AND ended_at IS NULL)", name="offered"),
        CheckConstraint("(state IN ('offered', 'accepted')) = (ended_at IS NULL)", name="ended"),
        CheckConstraint("state <> 'accepted' OR accepted_at IS NOT NULL", name="accepted"),
        CheckConstraint("accepted_at IS NULL OR expert_id IS NOT NULL", name="accepted_by_somebody"),
        CheckConstraint("(expert_id IS NULL) = (chosen_by = 'nobody')", name="chosen"),
        CheckConstraint("(state = 'given_back') = (length(trim(reason)) > 0)", name="reason"),
        CheckConstraint(f"length(reason) <= {LONGEST_REASON}", name="reason_length"),
        ForeignKeyConstraint(["outcome_id", "attempt_id"], ["outcomes.id", "outcomes.attempt_id"]),
        UniqueConstraint("previous_id"),
        Index("uq_referrals_offered_of_client", "client_id", unique=True, sqlite_where=_OFFERED,
              postgresql_where=_OFFERED),
        Index("ix_referrals_due", "due_at", sqlite_where=_OFFERED, postgresql_where=_OFFERED),
        Index(None, "expert_id", "state", "id"),
        Index(None, "client_id", "id"),
        Index(None, "attempt_id"),
        Index(None, "offered_at"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    outcome_id: Mapped[int]
    attempt_id: Mapped[str] = mapped_column(String(32))
    expert_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    chosen_by: Mapped[ChosenBy] = mapped_column(one_of(ChosenBy, "chosen_by"))
    state: Mapped[ReferralState] = mapped_column(one_of(ReferralState, "state"), default=ReferralState.OFFERED)
    offered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    settled_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(Text, default="")
    previous_id: Mapped[int | None] = mapped_column(ForeignKey("referrals.id"))


# Written into the statements, so that the partial indexes serve them.
OFFERED: Final = literal(ReferralState.OFFERED, Referral.__table__.c.state.type, literal_execute=True)


def offered_to(expert_id: int | None) -> ColumnElement[bool]:
    """As a condition on `Referral` whose `Client` is at hand: it waits for this expert, or for any of the campaign's of
    whom this is one."""
    is_expert = exists().where(CampaignExpert.campaign_id == Client.campaign_id, CampaignExpert.user_id == expert_id)
    anybodys = and_(Referral.expert_id.is_(None), is_expert.correlate(Client))
    return and_(Referral.state == OFFERED, or_(Referral.expert_id == expert_id, anybodys))


async def get_referral(session: AsyncSession, referral_id: int, *, lock: bool = False) -> Referral:
    """The referral; `lock` reads it anew and holds its row: hold its client first. Raises `NotFound`."""
    found = await session.get(Referral, referral_id, with_for_update=lock or None, populate_existing=lock)
    if found is None:
        raise NotFound("referral.unknown")
    return found


async def offered_referral(session: AsyncSession, client_id: int) -> Referral | None:
    """The client's referral that nobody has taken yet: there is at most one."""
    return await session.scalar(select(Referral).where(Referral.client_id == client_id, Referral.state == OFFERED))


async def last_referral(session: AsyncSession, attempt_id: str) -> Referral | None:
    """What this call's outcome came to: the last of its referrals."""
    of_call = select(Referral).where(Referral.attempt_id == attempt_id)
    return await session.scalar(of_call.order_by(Referral.id.desc()).limit(1))


async def chain_of(session: AsyncSession, referral: Referral) -> list[Referral]:
    """The referral with those that it goes on with, the last first."""
    chain = [referral]
    while chain[-1].previous_id is not None:
        chain.append(await session.get_one(Referral, chain[-1].previous_id))
    return chain


def set_state(
    session: AsyncSession, referral: Referral, state: ReferralState, *, now: datetime, author_id: int | None, on: str
) -> None:
    """The referral goes to `state` because of `on`, a code; with its line in the log. Hold its client."""
    transitions.note(
        session, "referral", referral=referral.id, client=referral.client_id, expert=referral.expert_id,
        was=referral.state, on=on, now=state,
    )  # fmt: skip
    referral.state, referral.settled_by = state, author_id
    if state is ReferralState.ACCEPTED:
        referral.accepted_at = now
    else:
        referral.ended_at = now
