"""The next try at a client whom nobody reached, put into the plan by the campaign's rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls.dial_rules import attempts_today
from crm.calls.next_try import MOST_LOOKED_AT, OpenPromise, due_again, in_vain
from crm.calls.owners import keeper_of
from crm.calls.retry_rules import rule_for
from crm.clientele.clients import Client, time_zone_of
from crm.plan.attempt_rows import Attempt
from crm.plan.callbacks import Callback, open_callback
from crm.plan.plan_entries import RANK_CALLBACK, RANK_RETRY, EntryKind, put_in_plan
from crm.preparation.campaigns import Campaign
from crm.preparation.results import OF_THE_CLIENT
from crm.time_zones import local


async def tries_in_vain(session: AsyncSession, client_id: int) -> list[datetime]:
    """When the client was called in vain since it last answered, the newest first: at most 50 are looked at. What never
    came to the client (our line, the operator, a restart) is no try."""
    found = await session.execute(
        select(Attempt.opened_at, Attempt.result)
        .where(Attempt.client_id == client_id, ~Attempt.imported, Attempt.result.in_(OF_THE_CLIENT))
        .order_by(Attempt.opened_at.desc(), Attempt.id)
        .limit(MOST_LOOKED_AT)
    )
    return in_vain((opened_at, result) for opened_at, result in found)


async def plan_retry(
    session: AsyncSession, *, attempt: Attempt, client: Client, disposition: str, another_number: bool, now: datetime
) -> None:
    """Put the client into the plan again: by the rule for the result and the disposition, at once when the number was
    dead and there is another. A promise that is open goes first; at the campaign's daily cap nothing is planned."""
    if attempt.result is None:
        return
    campaign = await session.get_one(Campaign, client.campaign_id)
    rule = await rule_for(session, campaign_id=campaign.id, result=attempt.result, disposition=disposition)
    promise = await open_callback(session, client.id)
    due = due_again(
        campaign,
        await time_zone_of(session, client),
        rule=rule,
        result=attempt.result,
        another_number=another_number,
        promise=_as_open(promise, attempt) if promise else None,
        tried_today=await attempts_today(session, organisation_id=client.organisation_id, campaign=campaign, now=now),
        in_vain=await tries_in_vain(session, client.id) if rule.other_part else (),
        opened_at=attempt.opened_at,
        ended_at=attempt.ended_at,
        now=now,
    )
    if due is None:
        return
    window, entry = due.window, _Entry(EntryKind.RETRY, RANK_RETRY, due.window.opens_at)
    if due.of_promise and promise is not None:
        entry = _Entry(EntryKind.CALLBACK, RANK_CALLBACK, promise.due_at, promise.owner_id, promise.id)
    elif (keeper := await keeper_of(session, client=client, campaign=campaign, now=now)) is not None:
        entry = replace(entry, operator_id=keeper.owner_id)
    await put_in_plan(
        session,
        client=client,
        day=local(window.opens_at, campaign.time_zone).date(),
        kind=entry.kind,
        rank=entry.rank,
        window=window,
        due_at=entry.due_at,
        operator_id=entry.operator_id,
        callback_id=entry.callback_id,
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a next try is in the plan."""

    kind: EntryKind
    rank: int
    due_at: datetime
    operator_id: int | None = None
    callback_id: int | None = None


def _as_open(promise: Callback, attempt: Attempt) -> OpenPromise:
    return OpenPromise(promise.due_at, promise.time_zone, tried=promise.id == attempt.callback_id)
