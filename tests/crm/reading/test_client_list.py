"""Clients are found by what somebody knows of them, and pages of the list do not shift."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy import text as sql

from crm.audit import CLIENT_OFF_LIST, CLIENT_ON_LIST, AuditEntry
from crm.base import search_index
from crm.base.organisations import Organisation
from crm.base.people import Person, add_person
from crm.base.phone_numbers import PhoneNumber
from crm.calls.dial_rules import may_dial
from crm.clientele.clients import get_client, put_back_on_list
from crm.database import Database
from crm.day.day_plan import build
from crm.errors import Refused
from crm.group import Group
from crm.plan.callbacks import open_callback
from crm.plan.plan_entries import EntryState, PlanEntry
from crm.plan.silence import off_list
from crm.reading import client_list, client_search
from crm.reading.client_list import ClientFilters, ClientKey, clients_page
from crm.reading.client_search import Way
from crm.wrap_up.outcomes import OutcomeForm
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
        "0000001", "5902", "5902123456", "2345",
        "СЕВ", "ве", "вете", "оо", "о", "пе", "северный-ветер", 'ООО "Северный', "ерный вет",
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


@pytest.mark.parametrize("text", ["вьюга", "%", "_", "99", "123456", "\\", "в", "ет", "ерветер", "верный|я"])
async def test_what_nobody_has_finds_nobody(world: World, text: str) -> None:
    await world.client("Северный ветер")
    assert await found(world, text=text) == []


async def test_what_is_changed_is_found_as_it_is_now(world: World) -> None:
    client_id = await world.client("Вьюга")
    await world.person(client_id, "Семёнов Пётр")
    async with world.transaction() as session:
        organisation = await session.get_one(Organisation, (await get_client(session, client_id)).organisation_id)
        organisation.name, organisation.name_folded = "Метель", "метель"
        await session.execute(update(Person).values(full_name="Иванов Иван", name_folded="иванов иван"))
        await session.execute(update(PhoneNumber).values(e164="+74950009999"))
    for gone in ("вьюга", "семенов", "0000001"):
        assert await found(world, text=gone) == []
    for present in ("метель", "иванов", "0009999"):
        assert await found(world, text=present) == [client_id]
    assert await found(world) == [client_id]
    async with world.transaction() as session:
        await session.execute(delete(PhoneNumber))
        await session.execute(delete(Person))
    assert await found(world, text="иванов") == await found(world, text="0009999") == []


async def test_a_changed_name_changes_the_place_in_the_list(world: World) -> None:
    last, first = await world.client("Яхонт"), await world.client("Бирюза")
    assert await found(world) == [first, last]
    async with world.transaction() as session:
        await session.execute(
            update(Organisation).where(Organisation.name == "Яхонт").values(name="Агат", name_folded="агат")
        )
    assert await found(world) == [last, first]


async def test_of_two_who_add_to_one_company_at_once_both_are_found(world: World, database_url: str) -> None:
    client_id = await world.client("Вьюга")
    async with world.database.reading() as session:
        organisation_id = (await get_client(session, client_id)).organisation_id
    nodes = [Database(database_url) for _ in range(4)]

    async def add(node: Database, name: str) -> None:
        async with node.transaction() as session:
            await add_person(session, organisation_id=organisation_id, full_name=name)

    names = ("Семёнов", "Иванов", "Петров", "Сидоров")
    try:
        await asyncio.gather(*(add(node, name) for node, name in zip(nodes, names, strict=True)))
    finally:
        for node in nodes:
            await node.dispose()
    for name in names:
        assert await found(world, text=name) == [client_id]


class TestWhatManyHold:
    """More than a list by name holds are in the order in which the organisations came in, whichever way is taken."""

    @pytest.fixture(autouse=True, params=[None, (Way.INDEX, Way.DOCUMENTS), *((way, way) for way in Way)])
    def way(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ways where some are wanted, and where they are wanted in order."""
        monkeypatch.setattr(client_list, "MOST_BY_NAME", 5)
        if request.param is not None:
            some: Way
            in_order: Way
            some, in_order = request.param

            def way(*_: object, all_named: bool, **__: object) -> Way:
                return in_order if all_named else some

            monkeypatch.setattr(client_search.Estimate, "way", way)
            monkeypatch.setattr(client_search.Estimate, "stretch", lambda *_: 4)  # several, each with a few

    async def pages(self, world: World, **filters: Any) -> list[list[int]]:
        """Three a page, to the end."""
        pages: list[list[int]] = []
        key: ClientKey | None = None
        while True:
            async with world.database.reading() as session:
                page = await clients_page(session, filters=ClientFilters(**filters), after=key, limit=3)
            pages.append([row.client_id for row in page.rows])
            key = page.next_after
            if key is None:
                return pages

    async def test_as_they_came_in(self, world: World) -> None:
        names = ("Юг", "Строй Юг", "Авто", "Строй Авто", "Новострой", "Стройка", "Строй", "Застройщик", "Перестройка")
        ids = [await world.client(name) for name in names]
        holding = [each for each, name in zip(ids, names, strict=True) if "строй" in name.casefold()]
        assert await self.pages(world, text="строй") == [holding[:3], holding[3:6], holding[6:]]

    async def test_through_a_filter_that_few_pass(self, world: World) -> None:
        hot = [await world.client(name, group=Group.HOT) for name in ("Строй Я", "Строй А", "Вектор")]
        for _ in range(8):
            await world.client("Строй")
        assert await self.pages(world, text="строй", group=Group.HOT) == [[hot[1], hot[0]]]
        assert (await self.pages(world, text="строй", campaign_id=world.campaign_id))[0] == [hot[0], hot[1], hot[1] + 2]

    async def test_those_who_came_late_are_few(self, world: World) -> None:
        for _ in range(10):
            await world.client()
        late = [await world.client(name) for name in ("Строй Г", "Строй В", "Строй Б", "Строй А")]
        assert await self.pages(world, text="строй") == [late[:0:-1], late[:1]]


async def test_the_grams_of_the_database_are_ours(world: World) -> None:
    """On PostgreSQL the function in the index and the needle must agree; SQLite makes both itself."""
    if world.database.dialect == "sqlite":
        return
    document = "||аврион|мед\n|анна|бор|ли\n+74950000000"
    async with world.database.reading() as session:
        made = await session.scalar(sql("SELECT search_grams('||альфа 𝄞')"))
        names = await session.scalar(sql("SELECT search_grams(:document)"), {"document": document})
    assert set(made or ()) == {search_index._hash("||альфа 𝄞"[at : at + 3]) for at in range(7)}
    # Where words of one line meet there is one more: "ион|мед", "нна|бор", not "бор|ли" and not across lines.
    assert len(set(names)) == len({document[at : at + 3] for at in range(len(document) - 2)}) + 2
    parts = [document[at:end] for at in range(len(document)) for end in range(at + 3, len(document) + 1)]
    for part in (part for part in parts if "\n" not in part):
        assert set(search_index._hashes(part)) <= set(names), part
    assert set(search_index._hashes("аврион|мед")) & set(search_index._joints("ион|мед"))


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
