"""Taking back an outcome that was saved just now. Nothing is deleted: a reversal is appended to the chain, what
followed is taken back, and the call waits for its outcome again, with everything that was typed.

What goes out of the house because of an outcome waits in the outbox for longer than this is possible.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation
from crm.base.people import Person
from crm.calls.attempts import Attempt, hold_call
from crm.clientele.clients import Client
from crm.clientele.groups import MoveCause, move
from crm.day.claims import release
from crm.errors import Conflict, NotAllowed
from crm.experts.referrals import ChosenBy, last_referral
from crm.mail.outbox import UNDO_FOR
from crm.plan.outcome_chain import UNDONE, Outcome, current_outcome, superseded
from crm.plan.plan_entries import EntryState, claimed_entry, drop_waiting, get_entry, set_state
from crm.wrap_up.consequences import take_back, take_back_competitor
from crm.wrap_up.contracts import Signed, signed_by
from crm.wrap_up.outcomes import OutcomeDraft


@dataclass(frozen=True, slots=True)
class Undoable:
    """An outcome that its author may take back before `until`."""

    attempt_id: str
    organisation: str
    disposition: str
    until: datetime


async def undoable(session: AsyncSession, *, operator_id: int, now: datetime) -> Undoable | None:
    """The operator's last outcome while it can be undone."""
    found = (
        await session.execute(
            select(Outcome, Organisation.name)
            .join(Attempt, Attempt.id == Outcome.attempt_id)
            .join(Client, Client.id == Attempt.client_id)
            .join(Organisation, Organisation.id == Client.organisation_id)
            .where(Outcome.author_id == operator_id, Attempt.operator_id == operator_id, ~superseded())
            .where(Outcome.recorded_at > now - UNDO_FOR, Outcome.disposition != UNDONE)
            .order_by(Outcome.id.desc())
            .limit(1)
        )
    ).one_or_none()
    if found is None or await _is_correction(session, found[0]):
        return None
    outcome, organisation = found
    return Undoable(outcome.attempt_id, organisation, outcome.disposition, outcome.recorded_at + UNDO_FOR)


async def _is_correction(session: AsyncSession, outcome: Outcome) -> bool:
    if outcome.supersedes_id is None:
        return False
    return (await session.get_one(Outcome, outcome.supersedes_id)).disposition != UNDONE


async def undo(session: AsyncSession, *, attempt_id: str, operator_id: int, now: datetime, lease_s: float) -> Attempt:
    """Take the outcome back; the client is the operator's again, what they hold goes back to the plan. Raises
    `Conflict` once ten seconds have passed or others have gone on with the client, `NotAllowed` for another operator's
    call."""
    client, attempt = await hold_call(session, attempt_id)
    outcome = await current_outcome(session, attempt_id)
    if attempt.operator_id != operator_id or (outcome is not None and outcome.author_id != operator_id):
        raise NotAllowed("outcome.not_yours")
    if outcome is None or outcome.disposition == UNDONE or await _is_correction(session, outcome):
        raise Conflict("outcome.nothing_to_undo")
    if now >= outcome.recorded_at + UNDO_FOR:
        raise Conflict("outcome.undo_too_late", seconds=int(UNDO_FOR.total_seconds()))
    await _take_client(session, attempt, operator_id=operator_id, now=now, lease_s=lease_s)
    signed = await signed_by(session, outcome)
    taken = await take_back(session, outcome, attempt, client, author_id=operator_id, now=now)
    if taken.base_group is not None:
        await move(
            session, client=client, to=taken.base_group, at=now, cause=MoveCause.CALL, author_id=operator_id,
            attempt_id=attempt.id,
        )  # fmt: skip
    session.add(
        Outcome(
            attempt_id=attempt.id, disposition=UNDONE, recorded_at=now, author_id=operator_id, supersedes_id=outcome.id
        )
    )
    attempt.wrapped_up_at = None
    fields = await _as_typed(session, outcome, taken.deciding) | _contract_as_typed(signed)
    await session.merge(OutcomeDraft(attempt_id=attempt.id, fields=fields, updated_at=now))
    await session.flush()
    await take_back_competitor(taken)
    return attempt


async def _take_client(
    session: AsyncSession, attempt: Attempt, *, operator_id: int, now: datetime, lease_s: float
) -> None:
    """The entry of the call is claimed as before; what the outcome put into the plan is dropped."""
    held = await claimed_entry(session, operator_id)
    if held is not None:
        await release(session, entry_id=held.id, operator_id=operator_id)
    await drop_waiting(session, client_id=attempt.client_id, reason="undone", now=now)
    if attempt.plan_entry_id is None:
        return
    entry = await get_entry(session, attempt.plan_entry_id)
    try:
        async with session.begin_nested():
            set_state(session, entry, EntryState.CLAIMED, on="undone")
            entry.claimed_by, entry.claimed_at, entry.claimed_until = operator_id, now, now + timedelta(seconds=lease_s)
            entry.done_at = None
    except IntegrityError as error:
        raise Conflict("outcome.undo_overtaken") from error  # somebody else has the client already


async def _as_typed(session: AsyncSession, outcome: Outcome, deciding: int | None) -> dict[str, Any]:
    """The outcome as the operator's form keeps it. `deciding`: who was said to decide; that is asked of a name."""
    person = await session.get_one(Person, deciding) if deciding is not None else None
    return {
        "disposition": outcome.disposition,
        "person_id": str(outcome.person_id or "") if person is None else "",
        "person_name": person.full_name if person else "",
        "person_position": person.position if person else "",
        "person_decides": "yes" if person else "",
        "summary": outcome.summary,
        "reason": outcome.reason,
        "competitor": outcome.competitor,
        "when": outcome.callback_words,
        "asked_by": outcome.asked_by,
        "number_only": "yes" if outcome.number_only else "",
        "note": outcome.note,
        "expert_id": await _named_expert(session, outcome),
    }


def _contract_as_typed(signed: Signed | None) -> dict[str, Any]:
    if signed is None:
        return {}
    return {
        "contract_deal": str(signed.deal_id), "contract_product": signed.product,
        "contract_amount": f"{signed.amount:.2f}", "contract_on": str(signed.on),
    }  # fmt: skip


async def _named_expert(session: AsyncSession, outcome: Outcome) -> str:
    """Whom the operator had chosen; what a rule chose it chooses again."""
    referral = await last_referral(session, outcome.attempt_id)
    if referral is None or referral.outcome_id != outcome.id or referral.chosen_by is not ChosenBy.NAME:
        return ""
    return str(referral.expert_id)
