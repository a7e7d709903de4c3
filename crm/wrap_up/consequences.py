"""What follows from an outcome, and how a correction takes it back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import transitions
from crm.base.competitors import competitor_named, unsay, uses
from crm.base.do_not_call import lift_of_attempt, request_of
from crm.base.people import Person, made_deciding_by, set_deciding
from crm.base.phone_numbers import NumberState, PhoneNumber, first_working
from crm.base.whom import Whom
from crm.calls.attempts import Attempt
from crm.calls.disposition_sets import disposition_then
from crm.calls.learnt import call_learnt
from crm.calls.next_try import is_tried_again
from crm.calls.owners import give_back, keeper_of, set_owner
from crm.calls.retries import plan_retry, tries_in_vain
from crm.clientele.clients import Client
from crm.clientele.groups import MoveCause, move, moves_of
from crm.experts.referring import refer, take_up, withdraw_of_call
from crm.group import Group
from crm.office.users import User
from crm.plan.callbacks import agree, reopen_ended_by, settle_by_attempt, unmake
from crm.plan.dispositions import Disposition
from crm.plan.outcome_chain import Outcome, versions_of
from crm.plan.plan_entries import EntryKind, EntryState, PlanEntry, active_entries, set_state
from crm.plan.silence import keep_request
from crm.preparation.campaigns import Campaign
from crm.preparation.results import OF_THE_CLIENT
from crm.wrap_up.contacts import Spoken, add_contact, contact_of, had_main_contact
from crm.wrap_up.contracts import Signed, sign, unsign
from crm.wrap_up.group_rules import becomes_owner, group_after
from crm.wrap_up.standing import NOTHING, Standing


@dataclass(frozen=True, slots=True)
class Following:
    """An outcome whose effects follow. `decides`: that the person spoken to decides was said in this talk.
    `base_group`: the client's group as it would be without this attempt, `None` when later calls have moved the client
    on: then a correction leaves the group alone. `is_first`: no correction; `retries`: a correction of one that had put
    the client into the plan again. `expert_id`: who was chosen, `None` for the campaign's rule; `signed`: the contract
    that the client has signed; `stands`: what the corrected outcome had made, and is not made anew."""

    session: AsyncSession
    outcome: Outcome
    attempt: Attempt
    client: Client
    disposition: Disposition
    spoken: Spoken
    base_group: Group | None
    decides: bool = False
    is_first: bool = True
    retries: bool = False
    expert_id: int | None = None
    signed: Signed | None = None
    stands: Standing = NOTHING

    @property
    def now(self) -> datetime:
        return self.outcome.recorded_at


@dataclass(slots=True)
class TakingBack:
    """An outcome whose effects are taken back, by `author_id`, `now`. What taking back finds out is for a correction:
    the `base_group`, the id of the person who had been `deciding` by this outcome, `retried`, as in `Following`."""

    session: AsyncSession
    outcome: Outcome
    attempt: Attempt
    client: Client
    disposition: Disposition
    author_id: int
    now: datetime
    stands: Standing = NOTHING
    base_group: Group | None = None
    deciding: int | None = None
    retried: bool = False


async def apply(act: Following, *, instead_of: TakingBack | None = None) -> None:
    """Let everything follow; `instead_of`: what `take_back` has begun, for a correction, is taken back to the end."""
    for effect in EFFECTS:
        await effect.follow(act)
    if instead_of is not None:
        await take_back_competitor(instead_of)
    await _competitor(act)


async def take_back(
    session: AsyncSession,
    outcome: Outcome,
    attempt: Attempt,
    client: Client,
    *,
    author_id: int,
    now: datetime,
    stands: Standing = NOTHING,
) -> TakingBack:
    """Undo what followed from `outcome`, but for what `stands`, before its correction; the caller goes on to
    `take_back_competitor` once all other rows are held."""
    disposition = await disposition_then(session, client.campaign_id, outcome.disposition)
    act = TakingBack(session, outcome, attempt, client, disposition, author_id, now, stands)
    for effect in reversed(EFFECTS):
        if effect.take_back is not None:
            await effect.take_back(act)
            await session.flush()
    return act


async def _decides(act: Following) -> None:
    if act.decides and act.spoken.person_id is not None:
        person = await act.session.get_one(Person, act.spoken.person_id)
        await set_deciding(
            act.session, person=person, decides=True, now=act.now, author_id=act.outcome.author_id,
            outcome_id=act.outcome.id,
        )  # fmt: skip


async def _decides_no_more(act: TakingBack) -> None:
    """A main contact of another talk rests on the mark, so then it stays."""
    person_id = await made_deciding_by(
        act.session, organisation_id=act.client.organisation_id, outcome_id=act.outcome.id
    )
    person = await act.session.get(Person, person_id, populate_existing=True) if person_id is not None else None
    if person is None or not person.decides or await had_main_contact(act.session, person.id):
        return
    act.deciding = person.id
    await set_deciding(act.session, person=person, decides=False, now=act.now, author_id=act.author_id)


async def _contact(act: Following) -> None:
    spoken, disposition = act.spoken, act.disposition
    judged = spoken if disposition.may_be_main else Spoken(None, False, spoken.full_name, spoken.summary)
    if not act.attempt.talked or not disposition.makes_contact or judged.missing:
        return
    await add_contact(
        act.session,
        client=act.client,
        spoken=spoken,
        at=act.attempt.answered_at,
        author_id=act.attempt.operator_id,
        attempt_id=act.attempt.id,
        main=judged.is_main,
    )


async def _no_contact(act: TakingBack) -> None:
    contact = await contact_of(act.session, act.attempt.id)
    if contact is not None:
        await act.session.delete(contact)


async def _number_dead(act: Following) -> None:
    if act.disposition.number_is_dead:
        await _set_number(act.session, act.attempt, NumberState.DEAD)


async def _number_works(act: TakingBack) -> None:
    if act.disposition.number_is_dead:
        await _set_number(act.session, act.attempt, NumberState.OK)


async def _asked_off(act: Following) -> None:
    if not act.disposition.asks_off:
        return
    whom, target = (
        (Whom.NUMBER, act.attempt.dialled)
        if act.outcome.number_only
        else (Whom.ORGANISATION, act.client.organisation_id)
    )
    await keep_request(
        act.session, whom=whom, target=target, now=act.now, evidence=act.outcome.reason, attempt_id=act.attempt.id,
        author_id=act.outcome.author_id,
    )  # fmt: skip


async def _not_asked_off(act: TakingBack) -> None:
    if act.disposition.asks_off:
        await lift_of_attempt(act.session, attempt_id=act.attempt.id, now=act.now, author_id=act.author_id)
        await _reopen_promises(act)


async def _group(act: Following) -> None:
    """It is not taken back by itself: a correction, or the undoing, moves the client once, from where it is."""
    if act.base_group is None:
        return
    working = await first_working(act.session, act.client.organisation_id)
    campaign = await act.session.get_one(Campaign, act.client.campaign_id)
    target = group_after(
        campaign,
        act.disposition,
        act.base_group,
        result=act.attempt.result,
        answered=act.attempt.answered_at is not None,
        in_vain=len(await tries_in_vain(act.session, act.client.id)) if act.base_group is Group.NEW else 0,
        has_number=working is not None,
    )
    await move(
        act.session,
        client=act.client,
        to=target,
        at=act.now,
        cause=MoveCause.CALL,
        author_id=act.outcome.author_id,
        attempt_id=act.attempt.id,
    )


async def _find_base_group(act: TakingBack) -> None:
    act.base_group = await _base_group(act.session, act.attempt, act.client)


async def _owner(act: Following) -> None:
    """Who spoke with a client that nobody keeps becomes its owner, from that talk on."""
    session, attempt, client, disposition = act.session, act.attempt, act.client, act.disposition
    if not becomes_owner(disposition, talked=attempt.talked):
        return
    campaign = await session.get_one(Campaign, client.campaign_id)
    keeps_none = campaign.owner_keeps_days == 0
    if client.owner_id is not None and (
        keeps_none or await keeper_of(session, client=client, campaign=campaign, now=act.now) is not None
    ):
        return
    await set_owner(
        session, client=client, owner_id=attempt.operator_id, now=act.now, author_id=act.outcome.author_id,
        since=attempt.opened_at, outcome_id=act.outcome.id,
    )  # fmt: skip


async def _owner_before(act: TakingBack) -> None:
    await give_back(
        act.session, client=act.client, outcome_id=act.outcome.id, now=act.now, author_id=act.author_id
    )  # fmt: skip


async def _competitor(act: Following) -> None:
    """Whose product they use becomes a record."""
    outcome = act.outcome
    if outcome.competitor:
        named, _ = await competitor_named(
            act.session, outcome.competitor, now=act.now, author_id=outcome.author_id, outcome_id=outcome.id
        )
        await uses(
            act.session, organisation_id=act.client.organisation_id, competitor=named, now=act.now,
            author_id=outcome.author_id, outcome_id=outcome.id,
        )  # fmt: skip


async def take_back_competitor(act: TakingBack) -> None:
    """Competitors come last in the order of locks: after what follows from a correction, and after all else that is
    undone."""
    await unsay(
        act.session, organisation_id=act.client.organisation_id, outcome_id=act.outcome.id, now=act.now,
        author_id=act.author_id,
    )  # fmt: skip


async def _entry_done(act: Following) -> None:
    """Only undoing takes it back, which gives the client to its caller again; a correction calls nobody."""
    if act.attempt.plan_entry_id is None:
        return
    entry = await act.session.get_one(PlanEntry, act.attempt.plan_entry_id)
    if entry.state in (EntryState.WAITING, EntryState.CLAIMED):
        set_state(act.session, entry, EntryState.DONE, on="outcome")
        entry.done_at = act.now
        await act.session.flush()


async def _promise_settled(act: Following) -> None:
    """Of the call, not of what was written down of it: so it stays."""
    attempt = act.attempt
    if attempt.callback_id is not None and (attempt.result in OF_THE_CLIENT or attempt.answered_at is not None):
        await settle_by_attempt(
            act.session, callback_id=attempt.callback_id, attempt_id=attempt.id, called_at=attempt.opened_at,
            now=act.now,
        )  # fmt: skip


async def _promise(act: Following) -> None:
    outcome = act.outcome
    if outcome.callback_at_local is None or act.stands.promise or await _is_asked_off(act.session, act.client):
        return
    await agree(
        act.session,
        client=act.client,
        owner_id=await _promiser(act.session, act.attempt, outcome.author_id),
        local_at=outcome.callback_at_local,
        words=outcome.callback_words,
        asked_by=outcome.asked_by or outcome.full_name,
        attempt_id=act.attempt.id,
        now=act.now,
    )


async def _no_promise(act: TakingBack) -> None:
    if act.stands.promise:
        return
    await unmake(act.session, attempt_id=act.attempt.id, now=act.now)
    await _reopen_promises(act)


async def _reopen_promises(act: TakingBack) -> None:
    versions = await versions_of(act.session, act.attempt.id)  # an earlier one's promise may have stood
    await reopen_ended_by(
        act.session,
        attempt_id=act.attempt.id,
        at=[each.recorded_at for each in versions],
        owner_id=await _promiser(act.session, act.attempt, act.author_id),
        now=act.now,
    )


async def _next_try(act: Following) -> None:
    working = await first_working(act.session, act.client.organisation_id)
    if working is None or not (act.is_first or act.retries):
        return
    await _retry(act.session, act.attempt, act.client, act.disposition, now=act.now)
    if act.is_first and not await _is_asked_off(act.session, act.client):
        await call_learnt(act.session, attempt=act.attempt, client=act.client, now=act.now)


async def _no_next_try(act: TakingBack) -> None:
    """What the plan holds because of a later call stays."""
    later = select(Attempt.id).where(Attempt.client_id == act.client.id, Attempt.opened_at > act.attempt.opened_at)
    if await act.session.scalar(later.limit(1)) is not None:
        return
    for entry in await active_entries(act.session, act.client.id):
        if entry.kind is EntryKind.RETRY and entry.state is EntryState.WAITING:
            set_state(act.session, entry, EntryState.DROPPED, on="undone")
            entry.reason, entry.done_at = "undone", act.now
            act.retried = True


async def _referral(act: Following) -> None:
    """An expert who was offered the client, and has talked with it, has accepted it. Whoever else finds somebody ready
    to look at an offer hands them to an expert."""
    if not act.attempt.talked:
        return
    await take_up(act.session, client=act.client, expert_id=act.attempt.operator_id, now=act.now)
    if act.disposition.hands_over and not await _is_asked_off(act.session, act.client):
        await refer(
            act.session, client=act.client, outcome=act.outcome, caller_id=act.attempt.operator_id, now=act.now,
            expert_id=act.expert_id,
        )  # fmt: skip


async def _no_referral(act: TakingBack) -> None:
    await withdraw_of_call(act.session, attempt_id=act.attempt.id, now=act.now, author_id=act.author_id)


async def _contract(act: Following) -> None:
    if act.signed is not None:
        await sign(act.session, act.signed, act.outcome, act.client)


async def _no_contract(act: TakingBack) -> None:
    if not act.stands.contract:
        await unsign(act.session, act.outcome, now=act.now, author_id=act.author_id)


async def _base_group(session: AsyncSession, attempt: Attempt, client: Client) -> Group | None:
    moves = await moves_of(session, client.id)
    later = [made for made in moves if made.at >= (attempt.ended_at or attempt.opened_at)]
    if any(made.attempt_id != attempt.id for made in later):
        return None
    return later[0].from_group if later else client.group


async def _set_number(session: AsyncSession, attempt: Attempt, state: NumberState) -> None:
    if attempt.phone_number_id is None:
        return
    number = await session.get_one(PhoneNumber, attempt.phone_number_id)
    if number.state is not state:
        on = attempt.result or "outcome"
        transitions.note(session, "phone number", phone_id=number.id, was=number.state, on=on, now=state)
    number.state = state
    await session.flush()


async def _is_asked_off(session: AsyncSession, client: Client) -> bool:
    return await request_of(session, Whom.ORGANISATION, client.organisation_id) is not None


async def _promiser(session: AsyncSession, attempt: Attempt, author_id: int) -> int:
    """Whoever called keeps the promise; whoever writes it down does for a caller who has left meanwhile."""
    caller = await session.get_one(User, attempt.operator_id)
    return caller.id if caller.active else author_id


async def _retry(
    session: AsyncSession, attempt: Attempt, client: Client, disposition: Disposition, *, now: datetime
) -> None:
    if not is_tried_again(disposition, attempt.result) or await _is_asked_off(session, client):
        return
    await plan_retry(
        session,
        attempt=attempt,
        client=client,
        disposition=disposition.key,
        another_number=disposition.number_is_dead,
        now=now,
    )


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that follows from an outcome, and how it is taken back; `None`: see at `follow` why it is not."""

    follow: Callable[[Following], Awaitable[None]]
    take_back: Callable[[TakingBack], Awaitable[None]] | None


# In the order in which they follow; they are taken back from the last one. Competitors are not in it: their rows are
# held after all others, so they come when a correction has taken back one outcome and let the other one follow.
EFFECTS: Final = (
    Effect(_decides, _decides_no_more),
    Effect(_contact, _no_contact),
    Effect(_number_dead, _number_works),
    Effect(_asked_off, _not_asked_off),
    Effect(_group, _find_base_group),
    Effect(_owner, _owner_before),
    Effect(_entry_done, None),
    Effect(_promise_settled, None),
    Effect(_promise, _no_promise),
    Effect(_next_try, _no_next_try),
    Effect(_referral, _no_referral),
    Effect(_contract, _no_contract),
)
