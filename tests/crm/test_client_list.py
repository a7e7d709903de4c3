"""Clients are found by what somebody knows of them, and pages of the list do not shift."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from crm.audit import CLIENT_OFF_LIST, CLIENT_ON_LIST, AuditEntry
from crm.callbacks import open_callback
from crm.client_list import ClientFilters, ClientKey, clients_page
from crm.clients import get_client, put_back_on_list
from crm.day_plan import build
from crm.dial_rules import may_dial
from crm.errors import Refused
from crm.groups import Group
from crm.organisations import Organisation
from crm.outcomes import OutcomeForm
from crm.plan_entries import EntryState, PlanEntry
from crm.silence import off_list
from tests.crm.builders import NOON, World


async def found(world: World, **filters: Any) -> list[int]:
    async with world.database.reading() as session:
        page = await clients_page(session, filters=ClientFilters(**filters))
    return [row.client_id for row in page.rows]


@pytest.mark.parametrize(
    "text",
    [
        "ветер", "ВЕТЕР", "северный  вет", "Семёнов", "СЕМЕНОВ", "пётр", "семенов п",
        "+7 342 000-00-01", "8 342 000 00 01",
        "0000001", "5902", "5902123456",
    ],
)  # fmt: skip
async def test_one_is_found_by_a_part_of_what_is_known(world: World, text: str) -> None:
    wanted, other = await world.client("ООО «Северный ветер»"), await world.client("Альфа")
    await world.person(wanted, "Семёнов Пётр")
    await world.person(other, "Иванов Иван")
    async with world.transaction() as session:
        organisation_id = (await get_client(session, wanted)).organisation_id
        await session.execute(
            update(Organisation).where(Organisation.id == organisation_id).values(tax_number="5902123456")
        )
    assert await found(world, text=text) == [wanted]


@pytest.mark.parametrize("text", ["вьюга", "%", "_", "99", "123456", "\\"])
async def test_what_nobody_has_finds_nobody(world: World, text: str) -> None:
    await world.client("Северный ветер")
    assert await found(world, text=text) == []


async def test_filters(world: World) -> None:
    hot, new = await world.client("А", group=Group.HOT), await world.client("Б")
    anna = await world.operator()
    async with world.transaction() as session:
        (await get_client(session, new)).owner_id = anna
    assert await found(world, group=Group.HOT) == [hot]
    assert await found(world, owner_id=anna) == [new]
    assert await found(world, campaign_id=world.campaign_id, call_list_id=world.call_list_id) == [hot, new]
    assert await found(world, campaign_id=999) == []


async def test_pages_hold_everybody_once_also_when_names_are_the_same(world: World) -> None:
    for number in range(7):
        await world.client(f"Фирма {number // 3}")
    seen: list[int] = []
    key: ClientKey | None = None
    async with world.database.reading() as session:
        for size in (3, 3, 1):
            page = await clients_page(session, filters=ClientFilters(), after=key, limit=3)
            assert len(page.rows) == size
            seen += [row.client_id for row in page.rows]
            key = page.next_after
    assert key is None
    assert seen == sorted(seen)
    assert len(set(seen)) == 7


async def test_who_is_taken_off_the_list_is_called_no_more_and_may_come_back(world: World) -> None:
    operator, promised, planned = await world.operator(), await world.client("А"), await world.client("Б")
    attempt_id = await world.call(promised, operator)
    await world.outcome(attempt_id, OutcomeForm("callback", callback_words="завтра в 11"), operator, at=NOON)
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=NOON.date(), now=NOON)
        for client_id in (promised, planned):
            client = await get_client(session, client_id, lock=True)
            await off_list(session, client=client, reason=" не наш сегмент ", now=NOON, author_id=operator)
        assert await open_callback(session, promised) is None
        entries = await session.scalars(select(PlanEntry).where(PlanEntry.client_id == planned))
        assert [(entry.state, entry.reason) for entry in entries] == [(EntryState.DROPPED, "dial.off_list")]
        verdict = await may_dial(session, client_id=planned, operator_id=operator, now=NOON)
        assert (verdict.code, verdict.params) == ("dial.off_list", {"reason": "не наш сегмент"})
        client = await get_client(session, planned, lock=True)
        await put_back_on_list(session, client=client, now=NOON, author_id=operator)
        assert (await may_dial(session, client_id=planned, operator_id=operator, now=NOON)).allowed
        noted = await session.scalars(
            select(AuditEntry).where(AuditEntry.subject == f"client:{planned}").order_by(AuditEntry.id)
        )
        assert [(entry.action, entry.details) for entry in noted] == [
            (CLIENT_OFF_LIST, {"reason": "не наш сегмент"}),
            (CLIENT_ON_LIST, {"was": "не наш сегмент"}),
        ]
        with pytest.raises(Refused) as refused:
            await off_list(session, client=client, reason=" ", now=NOON)
        assert refused.value.code == "client.needs_reason"
