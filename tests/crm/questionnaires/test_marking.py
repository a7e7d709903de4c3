"""What is marked for reports later is filled in some sheets at a time, whatever is saved or broken off meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.errors import Refused
from crm.questionnaires.marking import ReportFilling, being_filled, fill, fill_some, filled_percent, set_for_reports
from crm.questionnaires.report_columns import SheetChoice, SheetColumns
from crm.questionnaires.sheets import write_sheet
from tests.crm.builders import NOON, World
from tests.crm.overlap import overlap
from tests.crm.questionnaires.test_sheets import answer, found, questionnaire


async def mark(world: World, number: int, *keys: str, at_once: int = 2) -> None:
    async with world.transaction() as session:
        await set_for_reports(session, questionnaire_id=number, keys=keys, now=NOON, at_once=at_once)


async def percent(world: World, number: int) -> int | None:
    async with world.database.reading() as session:
        return await filled_percent(session, number)


async def breathe() -> None:
    await asyncio.sleep(0)


async def test_nothing_is_found_by_it_before_all_is_there(world: World) -> None:
    number = await questionnaire(world, reports=["whose"])
    ids = [await world.client(name) for name in "АБВГД"]
    for client_id in ids:
        await answer(world, client_id, number, {"buys": "да", "whose": "lg", "pieces": "5", "matters": "price,term"})
    await mark(world, number, "whose", "pieces", "matters")
    assert await percent(world, number) == 40
    with pytest.raises(Refused) as refusal:
        await found(world, number, "pieces > 1")
    assert refusal.value.code == "sheet.cannot_filter"
    assert await found(world, number, "whose = lg") == list("АБВГД"), "what was ready stays so"
    # Meanwhile one that was filled in is corrected, one whose turn comes, and there is a further one.
    for client_id, pieces in ((ids[0], "7"), (ids[4], "8"), (await world.client("Е"), "9")):
        await answer(world, client_id, number, {"buys": "да", "pieces": pieces, "matters": "term"})
    await fill(world.database, number, breathe=breathe, limit=2)
    assert await percent(world, number) is None
    assert await found(world, number, "pieces > 1") == list("БВГАДЕ")
    assert await found(world, number, "matters has price") == list("БВГ")
    async with world.database.reading() as session:
        assert await being_filled(session) == []
        assert await session.scalar(select(func.count()).select_from(SheetColumns)) == 6
        assert await session.scalar(select(func.count()).select_from(SheetChoice)) == 9


async def test_it_goes_on_where_somebody_was_broken_off(world: World) -> None:
    number = await questionnaire(world)
    for name in "АБВГД":
        await answer(world, await world.client(name), number, {"buys": "да", "pieces": "5"})
    await mark(world, number, "pieces")

    class Broken(Exception):
        """As if the program were killed."""

    async def break_off() -> None:
        async with world.transaction() as session:
            assert await fill_some(session, number, limit=2)
            raise Broken

    with pytest.raises(Broken):
        await break_off()
    assert await percent(world, number) == 40
    await fill(world.database, number, breathe=breathe, stopped=lambda: True)
    assert await percent(world, number) == 40, "told to stop, it does nothing more"
    async with world.database.reading() as session:
        assert await being_filled(session) == [number]
    await fill(world.database, number, breathe=breathe, limit=2)
    assert await found(world, number, "pieces > 1") == list("АБВГД")


async def test_a_place_that_was_another_questions_holds_nothing_of_it(world: World) -> None:
    number = await questionnaire(world, reports=["buys", "matters"])
    for name in "АБВ":
        await answer(world, await world.client(name), number, {"buys": "да", "matters": "price"})
    await mark(world, number, "whose", at_once=1)
    await fill(world.database, number, breathe=breathe, limit=1)
    async with world.database.reading() as session:
        words = list(await session.scalars(select(SheetColumns.word_1)))
        assert (words, await session.scalar(select(SheetChoice.code))) == ([None] * 3, None)
    assert await found(world, number, "whose = lg") == []


async def test_a_sheet_that_is_saved_at_the_same_moment_is_there_once(world: World) -> None:
    number, client_id = await questionnaire(world), await world.client("А")
    await answer(world, client_id, number, {"buys": "да", "pieces": "5"})
    await answer(world, await world.client("Б"), number, {"buys": "да", "pieces": "6"})
    async with world.transaction() as session:
        await set_for_reports(session, questionnaire_id=number, keys=["pieces"], now=NOON, at_once=1)
        (filling,) = await session.scalars(select(ReportFilling))
        filling.written_to = 0

    async def save(session: AsyncSession) -> object:
        return await write_sheet(
            session, client_id=client_id, questionnaire_id=number, typed={"buys": "да", "pieces": "7"}, now=NOON
        )

    await overlap(world.database, save, lambda session: fill_some(session, number, limit=1))
    await fill(world.database, number, breathe=breathe)
    assert await found(world, number, "pieces > 1") == ["Б", "А"]
