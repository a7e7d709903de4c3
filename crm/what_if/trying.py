"""Trying rules on a period: the facts are read and replayed in steps, and whoever asks may break off between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from crm.errors import Refused
from crm.preparation.campaigns import Campaign
from crm.time_zones import local
from crm.what_if.as_it_was import AsItWas, look_back
from crm.what_if.candidates import read_candidates, read_people
from crm.what_if.drafts import Draft, Rules, drafted, order_differs, present
from crm.what_if.facts import Facts, Period, read_elsewhere, read_facts
from crm.what_if.outcome import Outcome
from crm.what_if.replay import Replay
from crm.what_if.turns import most_wanted

USUAL_DAYS: Final = 30
MOST_DAYS: Final = 92


def period_of(campaign: Campaign, first: date | None, last: date | None, *, now: datetime) -> Period:
    """The days that were named, by themselves the last thirty that are over. Raises `Refused` for days that are not
    over, the wrong way round, or too many."""
    yesterday = local(now, campaign.time_zone).date() - timedelta(days=1)
    last = last or yesterday
    first = first or last - timedelta(days=USUAL_DAYS - 1)
    if last > yesterday or first > last:
        raise Refused("what_if.days")
    if (last - first).days >= MOST_DAYS:
        raise Refused("what_if.too_many_days", most=MOST_DAYS)
    return Period.of(campaign, first, last)


async def try_rules(
    session: AsyncSession, campaign: Campaign, draft: Draft, period: Period
) -> AsyncIterator[Outcome | None]:
    """Yields `None` after every step of some milliseconds, and at the end the outcome. Raises `Refused` as saving the
    rules would."""
    before, after = await present(session, campaign), await drafted(session, campaign, draft)
    with_order = order_differs(before, after)
    facts = Facts(period)
    async for _ in read_all(session, facts, before, after, with_order=with_order):
        yield None
    was = AsItWas()
    for _ in look_back(facts, before, was, with_order=with_order):
        yield None
    replay = Replay(facts, after, was, with_order=with_order)
    for _ in replay.run():
        yield None
    yield replay.outcome


async def read_all(
    session: AsyncSession, facts: Facts, before: Rules, after: Rules, *, with_order: bool
) -> AsyncIterator[None]:
    """Fills `facts`, with those whose turn might have come where the order is tried, a step at a time."""
    campaign = before.campaign
    async for _ in read_facts(session, campaign, facts):
        yield
    if with_order:
        await read_people(session, facts)
        most = max(most_wanted(rules.campaign, len(facts.tries), len(facts.people)) for rules in (before, after))
        async for _ in read_candidates(session, campaign, facts, most):
            yield
    async for _ in read_elsewhere(session, campaign, facts):
        yield
