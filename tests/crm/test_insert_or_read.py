"""What two write down at the same moment, each for the first time: both are served, and there is one of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.audit import AuditEntry
from crm.base.do_not_call import DoNotCall, ask
from crm.base.whom import Whom
from crm.clientele.consents import ConsentGiven, give
from crm.offers.opt_outs import OptOut, OptsOut, opt_out
from crm.wrap_up.outcomes import load_draft, save_draft
from tests.crm.builders import NOON, World
from tests.crm.overlap import overlap

Kept = DoNotCall | ConsentGiven | OptOut


async def asked(session: AsyncSession, evidence: str) -> Kept:
    return await ask(session, whom=Whom.NUMBER, target="+73422001234", evidence=evidence, now=NOON)


async def given(session: AsyncSession, evidence: str) -> Kept:
    return await give(session, whom=Whom.NUMBER, target="+73422001234", evidence=evidence, now=NOON)


async def opted_out(session: AsyncSession, evidence: str) -> Kept:
    return await opt_out(session, whom=OptsOut.ADDRESS, target="k@example.ru", evidence=evidence, now=NOON)


@pytest.mark.parametrize(
    ("write", "action"),
    [(asked, audit.DO_NOT_CALL_ASKED), (given, audit.CONSENT_GIVEN), (opted_out, audit.OPT_OUT_ASKED)],
)
async def test_of_two_who_note_it_at_once_the_first_stays_and_both_have_it(
    world: World, write: Callable[[AsyncSession, str], Awaitable[Kept]], action: str
) -> None:
    first, second = await overlap(
        world.database, lambda session: write(session, "письмо"), lambda session: write(session, "звонок")
    )
    assert [(each.id, each.evidence) for each in (first, second)] == [(first.id, "письмо")] * 2
    async with world.database.reading() as session:
        told = await session.scalar(select(func.count()).where(AuditEntry.action == action))
    assert told == 1


async def test_a_draft_that_two_pages_keep_at_once_is_that_of_the_last(world: World) -> None:
    attempt_id = await world.call(await world.client(), await world.operator())
    kept = await overlap(
        world.database,
        lambda session: save_draft(session, attempt_id=attempt_id, fields={"note": "первая"}, now=NOON),
        lambda session: save_draft(session, attempt_id=attempt_id, fields={"note": "вторая"}, now=NOON),
    )
    assert kept == (None, None)
    async with world.database.reading() as session:
        assert await load_draft(session, attempt_id=attempt_id) == {"note": "вторая"}
