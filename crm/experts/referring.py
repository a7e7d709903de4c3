"""Giving clients to experts: offered, accepted, given back, passed on when the limit is over, withdrawn.

Whoever does something with a referral holds its client first, so nobody else does.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.calls.owners import set_owner
from crm.clientele.clients import Client, get_client
from crm.errors import Conflict, NotAllowed, Refused
from crm.experts.choosing import Choice, candidates, choose, named
from crm.experts.limits import after_working_minutes
from crm.experts.referrals import (
    LONGEST_REASON,
    OFFERED,
    ChosenBy,
    Referral,
    ReferralState,
    chain_of,
    get_referral,
    offered_referral,
    set_state,
)
from crm.office.users import CALLERS, User
from crm.plan.attempt_rows import Attempt
from crm.plan.callbacks import open_callback
from crm.plan.handovers import hand_over_one
from crm.plan.outcome_chain import Outcome
from crm.plan.plan_entries import RANK_HANDPICKED, EntryKind, EntryState, active_entries, put_in_plan
from crm.plan.reachable import reachable
from crm.preparation.calling_hours import Window, window_at_or_after
from crm.preparation.campaign_setup import CampaignExpert
from crm.preparation.campaigns import Campaign
from crm.text_rules import required
from crm.time_zones import local


async def refer(
    session: AsyncSession,
    *,
    client: Client,
    outcome: Outcome,
    caller_id: int,
    now: datetime,
    expert_id: int | None = None,
) -> Referral | None:
    """Offer the client to an expert because of this outcome: to `expert_id`, or by the campaign's rule. Nothing happens
    where the campaign has no experts, where an expert has called who is to go on, and while the client is offered
    already. A correction goes on with what the outcome before it had come to. Hold the client's row. Raises `Refused`
    for somebody who is no expert of the campaign."""
    people = await candidates(session, client, now=now)
    keeps_it = expert_id in (None, caller_id) and any(each.user.id == caller_id for each in people)
    if not people or keeps_it:
        return None
    if await offered_referral(session, client.id) is not None:
        return None
    before = await _corrected(session, outcome, now)
    if before is not None and before.expert_id is not None and expert_id in (None, before.expert_id):
        return await _go_on(session, before, outcome, now=now)
    if expert_id is not None:
        choice = Choice(named(expert_id, people), ChosenBy.NAME)
    else:
        choice = await choose(session, client, now=now, among=people)
    return await _offer(
        session, client, choice, outcome_id=outcome.id, attempt_id=outcome.attempt_id, previous=before, now=now,
        author_id=outcome.author_id,
    )  # fmt: skip


async def _corrected(session: AsyncSession, outcome: Outcome, now: datetime) -> Referral | None:
    """What the outcome that this one corrects had come to, withdrawn at this moment."""
    if outcome.supersedes_id is None:
        return None
    ended = select(Referral).where(Referral.attempt_id == outcome.attempt_id, Referral.ended_at == now)
    ended = ended.where(Referral.state == ReferralState.WITHDRAWN).order_by(Referral.id.desc())
    return await session.scalar(ended.limit(1))


async def _go_on(session: AsyncSession, before: Referral, outcome: Outcome, *, now: datetime) -> Referral:
    """The same expert, since the same moment, as far as it had come."""
    accepted = before.accepted_at is not None
    referral = Referral(
        client_id=before.client_id, outcome_id=outcome.id, attempt_id=outcome.attempt_id, expert_id=before.expert_id,
        chosen_by=before.chosen_by, state=ReferralState.ACCEPTED if accepted else ReferralState.OFFERED,
        offered_at=before.offered_at, due_at=before.due_at, accepted_at=before.accepted_at,
        settled_by=before.expert_id if accepted else None, previous_id=before.id,
    )  # fmt: skip
    session.add(referral)
    await session.flush()
    _note(session, referral, audit.CLIENT_REFERRED, now=now, author_id=outcome.author_id)
    return referral


async def _offer(
    session: AsyncSession,
    client: Client,
    choice: Choice,
    *,
    outcome_id: int,
    attempt_id: str,
    previous: Referral | None,
    now: datetime,
    author_id: int | None,
) -> Referral:
    referral = Referral(
        client_id=client.id, outcome_id=outcome_id, attempt_id=attempt_id,
        expert_id=choice.expert.user.id if choice.expert else None, chosen_by=choice.by, state=ReferralState.OFFERED,
        offered_at=now, due_at=await _due_at(session, client, choice, now),
        previous_id=previous.id if previous is not None else None,
    )  # fmt: skip
    session.add(referral)
    await session.flush()
    # Asked after the row is there: whoever switches the expert off at this moment waits for it.
    if referral.expert_id and not await session.scalar(select(User.active).where(User.id == referral.expert_id)):
        raise Refused("referral.no_expert")
    _note(session, referral, audit.CLIENT_REFERRED, now=now, author_id=author_id)
    return referral


async def _due_at(session: AsyncSession, client: Client, choice: Choice, now: datetime) -> datetime | None:
    campaign = await session.get_one(Campaign, client.campaign_id)
    if choice.expert is None or campaign.referral_limit_min is None:
        return None
    return after_working_minutes(campaign, now, campaign.referral_limit_min)


async def accept(session: AsyncSession, *, referral_id: int, expert_id: int, now: datetime) -> Referral:
    """The client is this expert's from now on, with what it was promised; without a promise it comes up in their plan
    of the day. Raises `NotFound`, `NotAllowed` for another one's, `Conflict` for one that is offered no more."""
    client, referral = await _held(session, referral_id)
    await _assert_theirs(session, client, referral, expert_id)
    if referral.state is not ReferralState.OFFERED:
        raise Conflict("referral.not_offered")
    await _accept(session, client, referral, expert_id=expert_id, now=now)
    if await _pass_promise(session, client, to=expert_id, now=now, author_id=expert_id):
        return referral
    for entry in await active_entries(session, client.id):
        if entry.state is EntryState.CLAIMED and entry.claimed_by != expert_id:
            return referral  # whoever has the client now writes down what comes of it
    campaign = await session.get_one(Campaign, client.campaign_id)
    window = window_at_or_after(campaign, campaign.time_zone, now)
    opens_at = max(window.opens_at, now)
    planned = await put_in_plan(
        session, client=client, day=local(opens_at, campaign.time_zone).date(), kind=EntryKind.HANDPICKED,
        rank=RANK_HANDPICKED, window=Window(opens_at, window.closes_at), operator_id=expert_id,
    )  # fmt: skip
    if planned is not None:
        planned.assigned = True
        await session.flush()
    return referral


async def take_up(session: AsyncSession, *, client: Client, expert_id: int, now: datetime) -> None:
    """Who has talked with a client that is offered to them, or to any expert of whom they are one, has accepted it.
    Hold the client's row."""
    referral = await offered_referral(session, client.id)
    if referral is not None and await _is_theirs(session, client, referral, expert_id):
        await _accept(session, client, referral, expert_id=expert_id, now=now)


async def _accept(session: AsyncSession, client: Client, referral: Referral, *, expert_id: int, now: datetime) -> None:
    if referral.expert_id is None:
        referral.expert_id, referral.chosen_by = expert_id, ChosenBy.TAKEN
    set_state(session, referral, ReferralState.ACCEPTED, now=now, author_id=expert_id, on="accepted")
    await session.flush()
    _note(session, referral, audit.REFERRAL_ACCEPTED, now=now, author_id=expert_id)
    await set_owner(session, client=client, owner_id=expert_id, now=now, author_id=expert_id)


async def give_back(
    session: AsyncSession, *, referral_id: int, expert_id: int, reason: str, now: datetime
) -> Referral | None:
    """The expert cannot look after this client, and says why: it goes to the next one, whom it returns; `None` where
    there is nobody left. One that was accepted is the caller's again until somebody takes it. Raises `NotFound`,
    `NotAllowed` for another one's, `Conflict` for one that is neither offered nor accepted, `Refused` without a
    reason."""
    client, referral = await _held(session, referral_id)
    if referral.expert_id != expert_id:
        raise NotAllowed("referral.not_yours")
    if referral.state not in (ReferralState.OFFERED, ReferralState.ACCEPTED):
        raise Conflict("referral.not_offered")
    reason = required(reason, "referral.needs_reason")
    if len(reason) > LONGEST_REASON:
        raise Refused("referral.reason_too_long", limit=LONGEST_REASON)
    if referral.state is ReferralState.ACCEPTED:
        if client.owner_id != expert_id or await offered_referral(session, client.id) is not None:
            raise Conflict("referral.not_offered")
        await _to_caller(session, client, referral, now=now, author_id=expert_id)
    referral.reason = reason
    set_state(session, referral, ReferralState.GIVEN_BACK, now=now, author_id=expert_id, on="given back")
    await session.flush()
    _note(session, referral, audit.REFERRAL_GIVEN_BACK, now=now, author_id=expert_id, reason=reason)
    return await _to_next(session, client, referral, now=now, author_id=expert_id)


async def _to_caller(
    session: AsyncSession, client: Client, referral: Referral, *, now: datetime, author_id: int | None
) -> None:
    """The client is whose it was before it was accepted, with its promise, if they still call."""
    caller = await session.scalar(
        select(User).join(Attempt, Attempt.operator_id == User.id).where(Attempt.id == referral.attempt_id)
    )
    if caller is None or not caller.active or caller.role not in CALLERS:
        return
    await set_owner(session, client=client, owner_id=caller.id, now=now, author_id=author_id)
    await _pass_promise(session, client, to=caller.id, now=now, author_id=author_id)


async def give_to(
    session: AsyncSession, *, referral_id: int, expert_id: int, now: datetime, author_id: int | None
) -> Referral:
    """Whoever answers for the result offers it to another expert. Raises `NotFound`, `Conflict` for one that is offered
    no more, `Refused` for somebody who is no expert of the campaign."""
    client, referral = await _held(session, referral_id)
    if referral.state is not ReferralState.OFFERED:
        raise Conflict("referral.not_offered")
    if referral.expert_id == expert_id:
        return referral
    choice = Choice(named(expert_id, await candidates(session, client, now=now)), ChosenBy.NAME)
    return await pass_to(session, client, referral, choice, now=now, author_id=author_id)


async def pass_to(
    session: AsyncSession, client: Client, referral: Referral, choice: Choice, *, now: datetime, author_id: int | None
) -> Referral:
    """Offer it to somebody else, with a limit of their own. Hold the client's row, and the referral's."""
    set_state(session, referral, ReferralState.MOVED, now=now, author_id=author_id, on="moved")
    await session.flush()
    return await _offer(
        session, client, choice, outcome_id=referral.outcome_id, attempt_id=referral.attempt_id, previous=referral,
        now=now, author_id=author_id,
    )  # fmt: skip


async def carry_over(
    session: AsyncSession, referral: Referral, client: Client | None, *, now: datetime, author_id: int | None
) -> None:
    """The offer goes on as it is for another client of the same company, or with `None` ends: one is there already."""
    set_state(session, referral, ReferralState.MOVED, now=now, author_id=author_id, on="merged")
    await session.flush()
    if client is None:
        return
    session.add(
        Referral(
            client_id=client.id, outcome_id=referral.outcome_id, attempt_id=referral.attempt_id,
            expert_id=referral.expert_id, chosen_by=referral.chosen_by, state=ReferralState.OFFERED,
            offered_at=referral.offered_at, due_at=referral.due_at, previous_id=referral.id,
        )
    )  # fmt: skip
    await session.flush()


async def withdraw_of_call(session: AsyncSession, *, attempt_id: str, now: datetime, author_id: int | None) -> None:
    """The outcome of this call is taken back, and its referral with it. Hold the client's row."""
    of_call = select(Referral).where(Referral.attempt_id == attempt_id)
    live = of_call.where(Referral.state.in_((ReferralState.OFFERED, ReferralState.ACCEPTED)))
    for referral in (await session.scalars(live.order_by(Referral.id))).all():
        set_state(session, referral, ReferralState.WITHDRAWN, now=now, author_id=author_id, on="taken back")
        await session.flush()
        _note(session, referral, audit.REFERRAL_WITHDRAWN, now=now, author_id=author_id)


async def pass_on_lapsed(session: AsyncSession, *, now: datetime) -> list[int]:
    """What was not accepted in time goes to the next expert, and what nobody had to one who is there by now. Returns
    the ids of those that lapsed. Asked again it changes nothing; a client who cannot be called waits."""
    waiting = or_(Referral.due_at <= now, Referral.expert_id.is_(None))
    late = (
        select(Referral.id)
        .join(Client, Client.id == Referral.client_id)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .where(Referral.state == OFFERED, waiting, *reachable())
        .order_by(Referral.client_id)
    )
    left = []
    for referral_id in (await session.scalars(late)).all():
        client, referral = await _held(session, referral_id)
        if referral.state is not ReferralState.OFFERED:
            continue
        if referral.expert_id is None:
            await _place(session, client, referral, now=now)
        elif referral.due_at is not None and referral.due_at <= now:
            set_state(session, referral, ReferralState.LAPSED, now=now, author_id=None, on="limit is over")
            await session.flush()
            _note(session, referral, audit.REFERRAL_LAPSED, now=now, author_id=None)
            await _to_next(session, client, referral, now=now, author_id=None)
            left.append(referral.id)
    return left


async def _place(session: AsyncSession, client: Client, referral: Referral, *, now: datetime) -> None:
    """Nobody was there: somebody may be now, other than those who let it pass."""
    had = {each.expert_id for each in await chain_of(session, referral) if each.expert_id}
    choice = await choose(
        session, client, now=now, without=had, among=await candidates(session, client, now=now)
    )  # fmt: skip
    if choice.expert is None:
        return
    due_at = await _due_at(session, client, choice, now)
    referral.expert_id, referral.chosen_by, referral.due_at = choice.expert.user.id, choice.by, due_at
    await session.flush()
    _note(session, referral, audit.CLIENT_REFERRED, now=now, author_id=None)


async def _to_next(
    session: AsyncSession, client: Client, referral: Referral, *, now: datetime, author_id: int | None
) -> Referral | None:
    had = {each.expert_id for each in await chain_of(session, referral) if each.expert_id}
    among = await candidates(session, client, now=now)
    choice = await choose(session, client, now=now, without=had, among=among)
    offered = await _offer(
        session, client, choice, outcome_id=referral.outcome_id, attempt_id=referral.attempt_id, previous=referral,
        now=now, author_id=author_id,
    )  # fmt: skip
    return offered if offered.expert_id is not None else None


async def _held(session: AsyncSession, referral_id: int) -> tuple[Client, Referral]:
    found = await get_referral(session, referral_id)
    client = await get_client(session, found.client_id, lock=True)
    return client, await get_referral(session, referral_id, lock=True)


async def _is_theirs(session: AsyncSession, client: Client, referral: Referral, expert_id: int) -> bool:
    if referral.expert_id is None:
        return await session.get(CampaignExpert, (client.campaign_id, expert_id)) is not None
    return referral.expert_id == expert_id


async def _assert_theirs(session: AsyncSession, client: Client, referral: Referral, expert_id: int) -> None:
    if not await _is_theirs(session, client, referral, expert_id):
        raise NotAllowed("referral.not_yours")


async def _pass_promise(
    session: AsyncSession, client: Client, *, to: int, now: datetime, author_id: int | None
) -> bool:
    """Whether the client was promised a call: whoever has the client keeps the promise."""
    promise = await open_callback(session, client.id)
    if promise is None:
        return False
    if promise.owner_id != to:
        await hand_over_one(session, promise, to=to, now=now, author_id=author_id)
    return True


def _note(
    session: AsyncSession, referral: Referral, action: str, *, now: datetime, author_id: int | None, reason: str = ""
) -> None:
    details = {"referral": referral.id, "expert": referral.expert_id, "by": referral.chosen_by.value}
    if reason:
        details["reason"] = reason
    audit.note(
        session, at=now, user_id=author_id, action=action, subject=f"client:{referral.client_id}", details=details
    )
