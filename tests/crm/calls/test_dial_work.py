"""Whether a client may be dialled is asked at each card and before each call: it costs no more in a larger base."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import count, islice

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls.attempts import Attempt, Result
from crm.calls.dial_rules import may_dial
from crm.calls.owners import set_owner
from crm.clientele.clients import get_client
from crm.day.overdue import overdue_count
from tests.crm.builders import NOON, World
from tests.crm.work import work_of

NUMBERS: Iterator[int] = count()


async def called(world: World, clients: Sequence[int], operator_id: int, times: int) -> None:
    rows = [
        {"id": f"{number:032x}", "client_id": clients[number % len(clients)], "dialled": "+74950000000",
         "operator_id": operator_id, "node": "", "opened_at": NOON - timedelta(minutes=number), "ended_at": NOON,
         "wrapped_up_at": NOON, "answered_at": NOON, "talk_seconds": 60.0, "result": Result.ANSWERED, "phrase": "",
         "imported": False}
        for number in islice(NUMBERS, times)
    ]  # fmt: skip
    async with world.database.engine.begin() as connection:
        await connection.execute(insert(Attempt), rows)
        if world.database.dialect == "postgresql":
            await connection.execute(text("ANALYZE"))


async def test_however_often_the_owner_called_others(world: World) -> None:
    client_id, owner, colleague = await world.client(), await world.operator("Анна"), await world.operator("Борис")
    others = await world.clients(500)
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        await set_owner(session, client=client, owner_id=owner, now=NOON - timedelta(days=20), author_id=None)

    async def ask(session: AsyncSession) -> None:
        await may_dial(session, client_id=client_id, operator_id=colleague, now=NOON)

    await called(world, others, owner, 2000)
    before = await work_of(world.database, ask, of="attempts")
    await called(world, others, owner, 6000)
    assert await work_of(world.database, ask, of="attempts") < before * 1.5


async def test_however_often_the_client_was_called_long_ago(world: World) -> None:
    client_id, operator, others = await world.client(), await world.operator(), await world.operator("Борис")

    async def ask(session: AsyncSession) -> None:
        await may_dial(session, client_id=client_id, operator_id=operator, now=NOON + timedelta(days=100))

    await called(world, [client_id], others, 300)
    before = await work_of(world.database, ask, of="attempts")
    await called(world, [client_id], others, 3000)
    assert await work_of(world.database, ask, of="attempts") < before * 1.5


async def test_overdue_promises_are_counted_however_many_clients_there_are(world: World) -> None:
    async def ask(session: AsyncSession) -> None:
        assert await overdue_count(session, now=NOON) == 0

    await world.clients(300)
    before = await work_of(world.database, ask, of="callbacks")
    await world.clients(3000)
    assert await work_of(world.database, ask, of="callbacks") < before * 1.5
