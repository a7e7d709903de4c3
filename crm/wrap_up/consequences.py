"""What follows from an outcome, and how a correction takes it back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import transitions
from crm.base.competitors import competitor_named, uses
from crm.base.do_not_call import lift_of_attempt, request_of
from crm.base.phone_numbers import NumberState, PhoneNumber, first_working
from crm.base.whom import Whom
from crm.calls.attempts import Attempt
from crm.calls.disposition_sets import acts_as
from crm.calls.learnt import call_learnt
from crm.calls.owners import keeper_of, set_owner
from crm.calls.retries import plan_retry, tries_in_vain
from crm.calls.retry_rules import RETRIED
from crm.clientele.clients import Client
from crm.clientele.groups import MoveCause, move, moves_of
from crm.group import Group
from crm.office.users import User
from crm.plan.callbacks import Callback, CallbackState, agree, settle_by_attempt, withdraw
from crm.plan.dispositions import Disposition
from crm.plan.outcome_chain import Outcome
from crm.plan.plan_entries import EntryState, PlanEntry, set_state
from crm.plan.silence import keep_request
from crm.preparation.campaigns import Campaign
from crm.preparation.results import OF_THE_CLIENT, Result
from crm.wrap_up.contacts import Spoken, add_contact, contact_of


async def apply(
    session: AsyncSession,
    outcome: Outcome,
    attempt: Attempt,
    client: Client,
    *,
    disposition: Disposition,
    spoken: Spoken,
    base_group: Group | None,
    is_first: bool = True,
) -> None:
    """Let everything follow. `base_group` is the client's group as it would be without this attempt, `None` when later
    calls have moved the client on: then a correction leaves the group alone. `is_first`: no correction."""
    now = outcome.recorded_at
    await _contact(session, outcome, attempt, client, disposition, spoken)
    if disposition.acts_as == "nonexistent":
        await _set_number(session, attempt, NumberState.DEAD)
    if disposition.acts_as == "do_not_call":
        await _do_not_call(session, outcome, attempt, client, now)
    working = await first_working(session, client.organisation_id)
    if base_group is not None:
        target = await _group_after(session, disposition, attempt, client, base_group, has_number=working is not None)
        await move(
            session,
            client=client,
            to=target,
            at=now,
            cause=MoveCause.CALL,
            author_id=outcome.author_id,
            attempt_id=attempt.id,
        )
    await _owner(session, attempt, client, disposition, author_id=outcome.author_id, now=now)
    await _competitor(session, outcome, client, now)
    await _entry_done(session, attempt, now)
    await _promises(session, outcome, attempt, client, now)
    if is_first and working is not None:
        await _retry(session, attempt, client, disposition, now=now)
        if not await _is_asked_off(session, client):
            await call_learnt(session, attempt=attempt, client=client, now=now)


async def _owner(
    session: AsyncSession,
    attempt: Attempt,
    client: Client,
    disposition: Disposition,
    *,
    author_id: int,
    now: datetime,
) -> None:
    """Who spoke with a client that nobody keeps becomes its owner."""
    spoke = attempt.talked and disposition.acts_as not in ("do_not_call", "nonexistent")
    if not spoke and disposition.group not in (Group.HOT, Group.WARM, Group.ABANDONED):
        return
    campaign = await session.get_one(Campaign, client.campaign_id)
    keeps_none = campaign.owner_keeps_days == 0
    if client.owner_id is not None and (
        keeps_none or await keeper_of(session, client=client, campaign=campaign, now=now) is not None
    ):
        return
    await set_owner(session, client=client, owner_id=attempt.operator_id, now=now, author_id=author_id)


async def take_back(
    session: AsyncSession, outcome: Outcome, attempt: Attempt, client: Client, *, author_id: int, now: datetime
) -> Group | None:
    """Undo what followed from `outcome`, before its correction. Returns the base group (see `apply`); the group itself
    moves with the correction, once."""
    contact = await contact_of(session, attempt.id)
    if contact is not None:
        await session.delete(contact)
    acted_as = await acts_as(session, client.campaign_id, outcome.disposition)
    if acted_as == "nonexistent":
        await _set_number(session, attempt, NumberState.OK)
    if acted_as == "do_not_call":
        await lift_of_attempt(session, attempt_id=attempt.id, now=now, author_id=author_id)
    promised = await session.scalar(
        select(Callback).where(Callback.made_by_attempt_id == attempt.id, Callback.state == CallbackState.OPEN)
    )
    if promised is not None:
        await withdraw(session, callback_id=promised.id, now=now, attempt_id=attempt.id)
    await session.flush()
    return await _base_group(session, attempt, client)


async def _base_group(session: AsyncSession, attempt: Attempt, client: Client) -> Group | None:
    moves = await moves_of(session, client.id)
    later = [made for made in moves if made.at >= (attempt.ended_at or attempt.opened_at)]
    if any(made.attempt_id != attempt.id for made in later):
        return None
    return later[0].from_group if later else client.group


async def _group_after(
    session: AsyncSession,
    disposition: Disposition,
    attempt: Attempt,
    client: Client,
    base_group: Group,
    *,
    has_number: bool,
) -> Group:
    if disposition.group is None or (disposition.group is Group.NONEXISTENT and has_number):
        return base_group
    if disposition.group is not Group.NO_CONTACT or attempt.answered_at is not None:
        return disposition.group
    # What is known of a client weighs more than a telephone that nobody picked up; of a new one nothing is known.
    if base_group is not Group.NEW or attempt.result not in OF_THE_CLIENT:
        return base_group
    campaign = await session.get_one(Campaign, client.campaign_id)
    in_vain = len(await tries_in_vain(session, client.id))
    return Group.NO_CONTACT if in_vain >= campaign.tries_to_no_contact else base_group


async def _contact(
    session: AsyncSession,
    outcome: Outcome,
    attempt: Attempt,
    client: Client,
    disposition: Disposition,
    spoken: Spoken,
) -> None:
    may_be_main = disposition.acts_as != "not_main"
    judged = spoken if may_be_main else Spoken(None, False, spoken.full_name, spoken.summary)
    if not attempt.talked or not disposition.makes_contact or judged.missing:
        return
    await add_contact(
        session,
        client=client,
        spoken=spoken,
        at=attempt.answered_at,
        author_id=attempt.operator_id,
        attempt_id=attempt.id,
        main=judged.is_main,
    )


async def _set_number(session: AsyncSession, attempt: Attempt, state: NumberState) -> None:
    if attempt.phone_number_id is None:
        return
    number = await session.get_one(PhoneNumber, attempt.phone_number_id)
    if number.state is not state:
        on = attempt.result or "outcome"
        transitions.note(session, "phone number", phone_id=number.id, was=number.state, on=on, now=state)
    number.state = state
    await session.flush()


async def _do_not_call(
    session: AsyncSession, outcome: Outcome, attempt: Attempt, client: Client, now: datetime
) -> None:
    whom, target = (
        (Whom.NUMBER, attempt.dialled) if outcome.number_only else (Whom.ORGANISATION, client.organisation_id)
    )
    await keep_request(
        session, whom=whom, target=target, now=now, evidence=outcome.reason, attempt_id=attempt.id,
        author_id=outcome.author_id,
    )  # fmt: skip


async def _is_asked_off(session: AsyncSession, client: Client) -> bool:
    return await request_of(session, Whom.ORGANISATION, client.organisation_id) is not None


async def _competitor(session: AsyncSession, outcome: Outcome, client: Client, now: datetime) -> None:
    """Whose product they use becomes a record."""
    if outcome.competitor:
        named = await competitor_named(session, outcome.competitor, now=now, author_id=outcome.author_id)
        await uses(
            session, organisation_id=client.organisation_id, competitor=named, now=now, author_id=outcome.author_id
        )


async def _entry_done(session: AsyncSession, attempt: Attempt, now: datetime) -> None:
    if attempt.plan_entry_id is None:
        return
    entry = await session.get_one(PlanEntry, attempt.plan_entry_id)
    if entry.state in (EntryState.WAITING, EntryState.CLAIMED):
        set_state(session, entry, EntryState.DONE, on="outcome")
        entry.done_at = now
        await session.flush()


async def _promises(session: AsyncSession, outcome: Outcome, attempt: Attempt, client: Client, now: datetime) -> None:
    if attempt.callback_id is not None and (attempt.result in OF_THE_CLIENT or attempt.answered_at is not None):
        await settle_by_attempt(
            session, callback_id=attempt.callback_id, attempt_id=attempt.id, called_at=attempt.opened_at, now=now
        )
    if outcome.callback_at_local is not None and not await _is_asked_off(session, client):
        await agree(
            session,
            client=client,
            owner_id=await _promiser(session, outcome, attempt),
            local_at=outcome.callback_at_local,
            words=outcome.callback_words,
            asked_by=outcome.asked_by or outcome.full_name,
            attempt_id=attempt.id,
            now=now,
        )


async def _promiser(session: AsyncSession, outcome: Outcome, attempt: Attempt) -> int:
    """Whoever called keeps the promise; whoever writes it down does for a caller who has left meanwhile."""
    caller = await session.get_one(User, attempt.operator_id)
    return caller.id if caller.active else outcome.author_id


async def _retry(
    session: AsyncSession, attempt: Attempt, client: Client, disposition: Disposition, *, now: datetime
) -> None:
    if disposition.acts_as not in RETRIED or await _is_asked_off(session, client):
        return
    another_number = disposition.acts_as == "nonexistent" and attempt.result is not Result.ANSWERED
    if disposition.acts_as == "nonexistent" and not another_number:
        return
    await plan_retry(
        session, attempt=attempt, client=client, disposition=disposition.key, another_number=another_number, now=now
    )
