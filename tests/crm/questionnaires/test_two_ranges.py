"""Sheets by two ranges: whatever the answers are, pages hold each once, and all hold what a look at each says."""

from __future__ import annotations

import importlib
import random
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import product

import pytest
from sqlalchemy import select, update

from crm.questionnaires.finding import count_found, sheets_found
from crm.questionnaires.questions import Kind
from crm.questionnaires.report_columns import STEPS, SheetColumns, step_of
from crm.questionnaires.wanted import PlaceInOrder, Wanted, column_of, wanted_of
from tests.crm.builders import World
from tests.crm.questionnaires.test_sheets import answer, questionnaire
from tests.crm.work import work_of

DAY = date(2026, 1, 1)


def wording(kinds: Sequence[str]) -> str:
    return "".join(f"# Вопрос {key}\nkey: {key}\nkind: {kind}\n" for key, kind in zip("abc", kinds, strict=True))


def typed(kind: str, chance: random.Random) -> str:
    if kind == "scale":
        return str(chance.randrange(1, 11))
    if kind == "date":
        return (DAY + timedelta(days=chance.randrange(200))).isoformat()
    return str(chance.choice((chance.randrange(-20, 20), round(chance.lognormvariate(3, 2), 3))))


def number_of(text: str) -> float:
    return date.fromisoformat(text).toordinal() if text[4:5] == "-" else float(text)


async def all_pages(world: World, number: int, conditions: Sequence[str], size: int) -> list[int]:
    """The clients of all pages of this size."""
    clients: list[int] = []
    after: PlaceInOrder | None = None
    async with world.database.reading() as session:
        wanted: list[Wanted] = await wanted_of(session, number, conditions)
        while True:
            rows, after = await sheets_found(session, number, wanted, after=after, limit=size)
            clients += [row.client_id for row in rows]
            assert after is None or len(rows) == size
            if after is None:
                assert await count_found(session, number, wanted) == len(clients)
                return clients


@pytest.mark.parametrize("kinds", [("number", "scale", "date"), ("number", "number", "scale")])
async def test_pages_hold_each_once_and_no_other(world: World, kinds: Sequence[str]) -> None:
    chance = random.Random(4)
    number = await questionnaire(world, wording(kinds), reports=["a", "b", "c"])
    given: dict[int, dict[str, str]] = {}
    for client_id in await world.clients(30):
        given[client_id] = {key: typed(kind, chance) for key, kind in zip("abc", kinds, strict=True)
                            if chance.random() < 0.9}  # fmt: skip
        await answer(world, client_id, number, given[client_id])
    for (one, other), *relations in product((("a", "b"), ("b", "c"), ("c", "a")), "<>", "<>"):
        bounds = {key: typed(kinds["abc".index(key)], chance) for key in (one, other)}
        conditions = [f"{key} {relation} {bounds[key]}" for key, relation in zip((one, other), relations, strict=True)]
        expected = {
            client_id
            for client_id, answers in given.items()
            if all(
                key in answers
                and (number_of(answers[key]) - number_of(bounds[key])) * (1 if relation == ">" else -1) > 0
                for key, relation in zip((one, other), relations, strict=True)
            )
        }
        for size in (2, 50):
            clients = await all_pages(world, number, conditions, size)
            assert sorted(clients) == sorted(expected), (conditions, size)
        # A second range of one of them narrows it further.
        assert set(await all_pages(world, number, [*conditions, f"{one} > {bounds[one]}"], 4)) <= expected


async def test_a_place_without_its_values_is_the_first_page(world: World) -> None:
    number = await questionnaire(world, wording(("number", "scale", "date")), reports=["a", "b"])
    await answer(world, await world.client(), number, {"a": "5", "b": "5"})
    async with world.database.reading() as session:
        wanted = await wanted_of(session, number, ["a > 1", "b > 1"])
        for after in (PlaceInOrder(99), PlaceInOrder(99, 5_000), PlaceInOrder(99, None, 5)):
            rows, _ = await sheets_found(session, number, wanted, after=after, limit=5)
            assert len(rows) == 1


@pytest.mark.parametrize("kind", [Kind.NUMBER, Kind.DATE, Kind.SCALE])
def test_steps_never_fall_and_are_few(kind: Kind) -> None:
    thousandths = {
        Kind.NUMBER: [*range(-5_000, 5_000), *range(5_000, 10**9, 9_973)],
        Kind.DATE: [(DAY + timedelta(days=each)).toordinal() for each in range(3_650)],
        Kind.SCALE: [each * 1_000 for each in range(101)],
    }[kind]
    steps = [step_of(kind, each) for each in thousandths]
    assert steps == sorted(steps)
    assert len(set(steps)) < 400


async def test_sheets_from_before_there_were_steps_have_theirs(world: World) -> None:
    chance, kinds = random.Random(7), ("number", "scale", "date")
    number = await questionnaire(world, wording(kinds), reports=["a", "b", "c"])
    for client_id in await world.clients(20):
        answers = {key: typed(kind, chance) for key, kind in zip("abc", kinds, strict=True)}
        await answer(world, client_id, number, answers)
    steps = select(*(column_of(each) for each in STEPS)).order_by(SheetColumns.sheet_id)
    async with world.database.reading() as session:
        written = (await session.execute(steps)).all()
    migration = importlib.import_module("crm.migrations.versions.0190_steps_of_numbers")
    async with world.database.engine.begin() as connection:
        await connection.execute(update(SheetColumns).values(dict.fromkeys(STEPS)))
        await connection.run_sync(migration._fill)
    async with world.database.reading() as session:
        assert (await session.execute(steps)).all() == written
    assert all(None not in row for row in written)


async def test_ranges_that_exclude_each_other_are_no_more_work_in_a_larger_base(world: World) -> None:
    """Half of the sheets are in the one, half in the other, none in both."""
    number = await questionnaire(world, wording(("number", "number", "date")), reports=["a", "b"])

    async def work() -> int:
        async with world.database.reading() as session:
            wanted = await wanted_of(session, number, ["a > 100", "b > 100"])
        return await work_of(
            world.database, lambda session: sheets_found(session, number, wanted, limit=50), of="sheet_columns"
        )

    async def add(count: int) -> None:
        for place, client_id in enumerate(await world.clients(count)):
            answers = {"a": "50", "b": "150"} if place % 2 else {"a": "150", "b": "50"}
            await answer(world, client_id, number, answers)

    await add(20)
    few = await work()
    await add(100)
    assert await work() <= few * 1.3
