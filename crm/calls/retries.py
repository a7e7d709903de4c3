"""The next try at a client whom nobody reached, put into the plan by the campaign's rules."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls.dial_rules import attempts_today
from crm.calls.owners import keeper_of
from crm.calls.retry_rules import DEFAULTS, Rule, other_part_of_day, rule_for
from crm.clientele.clients import Client, time_zone_of
from crm.plan.attempt_rows import Attempt
from crm.plan.callbacks import Callback, open_callback
from crm.plan.plan_entries import RANK_CALLBACK, RANK_RETRY, EntryKind, put_in_plan
from crm.preparation.calling_hours import Window, promise_window, retry_window
from crm.preparation.campaigns import Campaign
from crm.preparation.results import OF_THE_CLIENT, Result
from crm.time_zones import local

IN_VAIN_BEFORE_OTHER_PART: Final = 2
_MOST_LOOKED_AT: Final = 50


async def tries_in_vain(session: AsyncSession, client_id: int) -> list[datetime]:
    """When the client was called in vain since it last answered, the newest first: at most 50 are looked at. What never
    came to the client (our line, the operator, a restart) is no try."""
    found = await session.execute(
        select(Attempt.opened_at, Attempt.result)
        .where(Attempt.client_id == client_id, ~Attempt.imported, Attempt.result.in_(OF_THE_CLIENT))
        .order_by(Attempt.opened_at.desc(), Attempt.id)
        .limit(_MOST_LOOKED_AT)
    )
    tries = []
    for opened_at, result in found:
        if result is Result.ANSWERED:
            break
        tries.append(opened_at)
    return tries


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
    if promise is not None:
        if promise.id == attempt.callback_id and attempt.result is not Result.ANSWERED:
            await _promise_again(session, promise, attempt, client, campaign, rule)
        return
    tried_today = await attempts_today(session, organisation_id=client.organisation_id, campaign=campaign, now=now)
    if tried_today >= campaign.attempts_a_day or (rule.after_min is None and not another_number):
        return
    window = await _window(session, attempt, client, campaign, None if another_number else rule, now)
    keeper = await keeper_of(session, client=client, campaign=campaign, now=now)
    await put_in_plan(
        session,
        client=client,
        day=local(window.opens_at, campaign.time_zone).date(),
        kind=EntryKind.RETRY,
        rank=RANK_RETRY,
        window=window,
        due_at=window.opens_at,
        operator_id=keeper.owner_id if keeper else None,
    )


async def _window(
    session: AsyncSession, attempt: Attempt, client: Client, campaign: Campaign, rule: Rule | None, now: datetime
) -> Window:
    """`rule` `None`: at once."""
    zone_name = await time_zone_of(session, client)
    if rule is not None and rule.other_part:
        tries = await tries_in_vain(session, client.id)
        if len(tries) >= IN_VAIN_BEFORE_OTHER_PART:
            return other_part_of_day(campaign, zone_name, tried_at=tries, now=now)
    wait = timedelta(minutes=rule.after_min or 0) if rule is not None else timedelta()
    due_at = now if rule is None else (attempt.ended_at or now) + wait
    return retry_window(campaign, zone_name, due_at=max(due_at, now))


async def _promise_again(
    session: AsyncSession, promise: Callback, attempt: Attempt, client: Client, campaign: Campaign, rule: Rule
) -> None:
    """The try at a promised call failed on our side or on the network: the promise stands, and comes back soon."""
    assert attempt.result is not None  # the caller has looked
    wait_min = rule.after_min or DEFAULTS[attempt.result].after_min or 0
    opens_at = (attempt.ended_at or attempt.opened_at) + timedelta(minutes=wait_min)
    window = promise_window(campaign, promise.time_zone, due_at=promise.due_at, now=opens_at)
    opens_at = max(window.opens_at, opens_at)
    await put_in_plan(
        session,
        client=client,
        day=local(opens_at, campaign.time_zone).date(),
        kind=EntryKind.CALLBACK,
        rank=RANK_CALLBACK,
        window=Window(opens_at, window.closes_at),
        due_at=promise.due_at,
        operator_id=promise.owner_id,
        callback_id=promise.id,
    )
