"""Requests not to be called that meet an outcome which is being saved."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.whom import Whom
from crm.care.bulk_actions import BulkKind, Wanted, carry_out
from crm.clientele.clients import get_client
from crm.plan.callbacks import Callback, CallbackState, agree, bring_due, settle_by_attempt, withdraw
from crm.plan.silence import keep_request
from crm.reading.client_list import ClientFilters
from crm.wrap_up.outcomes import OutcomeForm, record
from tests.crm.builders import NOON, World, wall
from tests.crm.overlap import Work, overlap

TOMORROW = OutcomeForm("callback", callback_words="завтра в 11")


def saving(attempt_id: str, operator: int) -> Work:
    async def save(session: AsyncSession) -> None:
        at = NOON + timedelta(minutes=20)
        await record(session, attempt_id=attempt_id, form=TOMORROW, author_id=operator, now=at)

    return save


def asking(world: World, client_id: int, by: str) -> Work:
    async def ask_for_it(session: AsyncSession) -> None:
        if by == "bulk":
            wanted = Wanted(BulkKind.DO_NOT_CALL, "письмо")
            filters = ClientFilters(campaign_id=world.campaign_id)
            await carry_out(session, filters=filters, wanted=wanted, seen=None, now=NOON)
        else:
            client = await get_client(session, client_id)
            await keep_request(
                session, whom=Whom.ORGANISATION, target=client.organisation_id, now=NOON, evidence="письмо"
            )

    return ask_for_it


async def states(world: World) -> list[CallbackState]:
    async with world.database.reading() as session:
        return list(await session.scalars(select(Callback.state).order_by(Callback.id)))


@pytest.mark.parametrize("by", ["page", "bulk"])
async def test_a_promise_that_is_being_made_is_withdrawn_by_a_request_not_to_be_called(world: World, by: str) -> None:
    operator, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, operator)
    ends = await overlap(world.database, saving(attempt_id, operator), asking(world, client_id, by))
    assert ends == (None, None)
    assert await states(world) == [CallbackState.WITHDRAWN]
    assert await world.is_silent(client_id)


@pytest.mark.parametrize("by", ["page", "bulk"])
async def test_one_that_is_being_kept_stays_kept(world: World, by: str) -> None:
    operator, client_id = await world.operator(), await world.client()
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        await agree(session, client=client, owner_id=operator, local_at=wall("2026-11-23T14:10"), now=NOON)
    due = NOON + timedelta(minutes=11)
    async with world.transaction() as session:
        await bring_due(session, now=due)
    attempt_id = await world.call(client_id, operator, at=due)
    ends = await overlap(world.database, saving(attempt_id, operator), asking(world, client_id, by))
    assert ends == (None, None)
    assert await states(world) == [CallbackState.KEPT, CallbackState.WITHDRAWN]


async def test_a_promise_is_settled_once(world: World) -> None:
    """Whatever holds the client or does not: of two ends that meet the second sees the first."""
    operator, client_id = await world.operator(), await world.client()
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        made = await agree(session, client=client, owner_id=operator, local_at=wall("2026-11-23T14:10"), now=NOON)
    attempt_id = await world.call(client_id, operator)

    async def keep(session: AsyncSession) -> None:
        await settle_by_attempt(session, callback_id=made.id, attempt_id=attempt_id, called_at=NOON, now=NOON)

    _, refused = await overlap(world.database, keep, lambda session: withdraw(session, callback_id=made.id, now=NOON))
    assert getattr(refused, "code", "") == "callback.not_open"
    assert await states(world) == [CallbackState.KEPT]
