"""What an outcome says now, to be corrected: the form begins with it, on the page and from the command line."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.errors import NotFound, Refused
from crm.experts.referrals import ReferralState, last_referral
from crm.plan.callbacks import Callback, CallbackState
from crm.plan.outcome_chain import UNDONE, Outcome, versions_of
from crm.wrap_up.contracts import signed_by
from crm.wrap_up.outcomes import OutcomeForm


async def as_it_stands(session: AsyncSession, outcome: Outcome) -> OutcomeForm:
    """The form as the outcome fills it. Of its promise the day that it has now, while it is open: words such as
    "tomorrow" mean another day by now."""
    return OutcomeForm(
        disposition=outcome.disposition,
        person_id=outcome.person_id,
        summary=outcome.summary,
        reason=outcome.reason,
        competitor=outcome.competitor,
        callback_at_local=await _still_promised(session, outcome),
        asked_by=outcome.asked_by,
        number_only=outcome.number_only,
        note=outcome.note,
        expert_id=await _expert(session, outcome),
        signed=await signed_by(session, outcome),
    )


async def _expert(session: AsyncSession, outcome: Outcome) -> int | None:
    """Who has the client by this call, while somebody has it."""
    referral = await last_referral(session, outcome.attempt_id)
    live = referral is not None and referral.state in (ReferralState.OFFERED, ReferralState.ACCEPTED)
    return referral.expert_id if referral is not None and live else None


async def version_of(session: AsyncSession, attempt_id: str, version: int) -> Outcome:
    """The outcome that is that version of the call's, counted from 1. Raises `NotFound` where there is none, `Refused`
    for one that was taken back at once."""
    chain = await versions_of(session, attempt_id)
    if not 1 <= version <= len(chain):
        raise NotFound("outcome.no_version", version=version)
    outcome = chain[version - 1]
    if outcome.disposition == UNDONE:
        raise Refused("outcome.nothing_to_correct")
    return outcome


async def _still_promised(session: AsyncSession, outcome: Outcome) -> datetime | None:
    return await session.scalar(
        select(Callback.local_at).where(
            Callback.made_by_attempt_id == outcome.attempt_id, Callback.state == CallbackState.OPEN
        )
    )
