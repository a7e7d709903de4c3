"""Referrals to be read: what waits for an expert, what has come of a client, what was not taken in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from crm.base.do_not_call import asked
from crm.base.joined import of_clients, read_as_one
from crm.base.organisations import Organisation
from crm.base.whom import Whom
from crm.calls.attempts import Attempt
from crm.calls.recording_facts import Recording
from crm.clientele.clients import Client
from crm.experts.referrals import OFFERED, ChosenBy, Referral, ReferralState, offered_to
from crm.group import Group
from crm.office.users import User
from crm.plan.callbacks import Callback, CallbackState
from crm.plan.outcome_chain import Outcome
from crm.preparation.campaigns import Campaign

MOST_ROWS: Final = 200


@dataclass(frozen=True, slots=True)
class ReferralRow:
    """A referral with what the expert needs: who spoke with whom (`caller`, `person`), what was said, whether it can be
    heard, and the call that was promised (`promised_local` naive, on the client's clock). `expert`: "" for nobody;
    `first_at`: when the client was first handed over by this call; `passed_by`: who let it pass before, the last
    one."""

    id: int
    client_id: int
    attempt_id: str
    organisation: str
    group: Group
    campaign_id: int
    campaign: str
    caller: str
    person: str
    summary: str
    note: str
    heard_s: float | None
    promised_at: datetime | None
    promised_local: datetime | None
    expert_id: int | None
    expert: str
    chosen_by: ChosenBy
    state: ReferralState
    offered_at: datetime
    due_at: datetime | None
    accepted_at: datetime | None
    ended_at: datetime | None
    reason: str
    first_at: datetime
    passed_by: str


async def offered_rows(session: AsyncSession, *, expert_id: int) -> list[ReferralRow]:
    """What waits for this expert, or for any of a campaign's: the hot before the warm, of each the oldest first."""
    order = (case({Group.HOT: 0, Group.WARM: 1}, value=Client.group, else_=2), Referral.offered_at, Referral.id)
    return await _rows(session, _may_be_called(), offered_to(expert_id), order=order)


async def offered_count(session: AsyncSession, *, expert_id: int) -> int:
    """How many there are."""
    counting = select(func.count()).select_from(Referral).join(Client, Client.id == Referral.client_id)
    return await session.scalar(counting.where(offered_to(expert_id), _may_be_called())) or 0


async def accepted_rows(session: AsyncSession, *, expert_id: int) -> list[ReferralRow]:
    """What this expert has accepted, still has, and has not talked with since it was handed over."""
    talked = exists().where(
        Attempt.client_id == Referral.client_id, Attempt.operator_id == expert_id, Attempt.talked,
        Attempt.opened_at >= Referral.offered_at,
    )  # fmt: skip
    mine = and_(Referral.expert_id == expert_id, Referral.state == ReferralState.ACCEPTED, Client.owner_id == expert_id)
    order = (case({Group.HOT: 0, Group.WARM: 1}, value=Client.group, else_=2), Referral.offered_at, Referral.id)
    return await _rows(session, mine, ~talked.correlate(Referral), _may_be_called(), order=order)


async def passed_over_rows(session: AsyncSession) -> list[ReferralRow]:
    """What was let pass by somebody, or nobody has: whoever answers for the result sees every one, the oldest first."""
    escalated = or_(Referral.expert_id.is_(None), _passed_before())
    return await _rows(session, Referral.state == OFFERED, escalated, _may_be_called(), order=(Referral.id,))


async def passed_over_count(session: AsyncSession) -> int:
    """How many there are."""
    counting = select(func.count()).select_from(Referral).join(Client, Client.id == Referral.client_id)
    escalated = or_(Referral.expert_id.is_(None), _passed_before())
    return await session.scalar(counting.where(Referral.state == OFFERED, escalated, _may_be_called())) or 0


async def all_offered_rows(session: AsyncSession) -> list[ReferralRow]:
    """Whatever waits for an expert, the oldest first."""
    return await _rows(session, Referral.state == OFFERED, _may_be_called(), order=(Referral.id,))


async def referrals_of(session: AsyncSession, client_id: int) -> list[ReferralRow]:
    """All that there were of the client, and of those who are read with it, the newest first."""
    whose = of_clients(Referral.client_id, await read_as_one(session, client_id))
    return await _rows(session, whose, order=(Referral.id.desc(),))


def _may_be_called() -> ColumnElement[bool]:
    """While a client is on no list or has asked not to be called, nobody waits for it."""
    return and_(Client.off_list_reason == "", ~asked(Whom.ORGANISATION, Client.organisation_id))


def _passed_before() -> ColumnElement[bool]:
    before = aliased(Referral)
    let_pass = before.state.in_((ReferralState.LAPSED, ReferralState.GIVEN_BACK))
    return exists().where(before.id == Referral.previous_id, let_pass).correlate(Referral)


async def _rows(session: AsyncSession, *conditions: ColumnElement[bool], order: Sequence[Any]) -> list[ReferralRow]:
    caller, expert, before, passed = aliased(User), aliased(User), aliased(Referral), aliased(User)
    first = aliased(Referral)
    first_at = select(func.min(first.offered_at)).where(first.attempt_id == Referral.attempt_id).scalar_subquery()
    let_pass = before.state.in_((ReferralState.LAPSED, ReferralState.GIVEN_BACK))
    promise = and_(Callback.client_id == Referral.client_id, Callback.state == CallbackState.OPEN)
    heard = and_(Recording.attempt_id == Referral.attempt_id, Recording.playable)
    found = (
        select(
            Referral, Organisation.name, Client.group, Campaign.id, Campaign.name, caller.name, Outcome.full_name,
            Outcome.summary, Outcome.note, Recording.duration_s, Callback.due_at, Callback.local_at, expert.name,
            first_at, passed.name,
        )
        .join(Client, Client.id == Referral.client_id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .join(Attempt, Attempt.id == Referral.attempt_id)
        .join(caller, caller.id == Attempt.operator_id)
        .join(Outcome, Outcome.id == Referral.outcome_id)
        .outerjoin(Recording, heard)
        .outerjoin(Callback, promise)
        .outerjoin(expert, expert.id == Referral.expert_id)
        .outerjoin(before, and_(before.id == Referral.previous_id, let_pass))
        .outerjoin(passed, passed.id == before.expert_id)
        .where(*conditions)
        .order_by(*order)
        .limit(MOST_ROWS)
    )  # fmt: skip
    rows: Sequence[Any] = (await session.execute(found)).all()
    return [_row(*each) for each in rows]


def _row(
    referral: Referral, organisation: str, group: Group, campaign_id: int, campaign: str, caller: str, person: str,
    summary: str, note: str, heard_s: float | None, promised_at: datetime | None, promised_local: datetime | None,
    expert: str | None, first_at: datetime, passed_by: str | None,
) -> ReferralRow:  # fmt: skip
    return ReferralRow(
        id=referral.id, client_id=referral.client_id, attempt_id=referral.attempt_id, organisation=organisation,
        group=group, campaign_id=campaign_id, campaign=campaign, caller=caller, person=person, summary=summary,
        note=note, heard_s=heard_s, promised_at=promised_at, promised_local=promised_local,
        expert_id=referral.expert_id, expert=expert or "", chosen_by=referral.chosen_by, state=referral.state,
        offered_at=referral.offered_at, due_at=referral.due_at, accepted_at=referral.accepted_at,
        ended_at=referral.ended_at, reason=referral.reason, first_at=first_at, passed_by=passed_by or "",
    )  # fmt: skip
