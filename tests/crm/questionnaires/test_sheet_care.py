"""Sheets where somebody is erased, merged, or brought in by mistake."""

from __future__ import annotations

from sqlalchemy import func, select, text

from crm.care.erasures import erase_organisation, erase_person
from crm.care.merging import merge, undo
from crm.care.person_file import person_file
from crm.care.personal import ERASED
from crm.clientele.clients import Client
from crm.importing.since_import import references
from crm.questionnaires.finding import counts_of
from crm.questionnaires.sheet_rows import SheetState
from crm.questionnaires.sheets import sheets_of
from tests.crm.builders import NOON, World
from tests.crm.questionnaires.test_sheets import answer, questionnaire, read

TELLS = {"buys": "да", "whose": "lg", "said": "Петрова просила звонить после обеда"}
TELLS_NOT = {"buys": "нет", "said": "Склад на ремонте"}


async def test_of_a_person_goes_what_tells_of_them(world: World) -> None:
    number, client_id = await questionnaire(world, reports=["buys"]), await world.client()
    person_id = await world.person(client_id)
    await answer(world, client_id, number, TELLS)
    await answer(world, client_id, number, TELLS_NOT)
    async with world.database.reading() as session:
        mentions = (await person_file(session, person_id)).mentions
    assert [(each.column, each.text) for each in mentions] == [("answers.said", TELLS["said"])]
    async with world.transaction() as session:
        done = await erase_person(session, person_id=person_id, reason="письмо от 1.11", now=NOON, region="RU")
    assert done.blanked["sheet_states.answers"] == 1
    now, before = await read(world, client_id, all_states=True)
    assert now.answers["said"] == TELLS_NOT["said"]
    assert before.answers == {"buys": True, "whose": "lg", "said": ERASED}


async def test_of_an_organisation_go_all_words_and_the_counts_stay(world: World) -> None:
    number, client_id = await questionnaire(world, reports=["buys"]), await world.client()
    await answer(world, client_id, number, TELLS_NOT)
    organisation_id = (await world.get_client(client_id)).organisation_id
    async with world.transaction() as session:
        await erase_organisation(
            session, organisation_id=organisation_id, reason="письмо от 1.11", now=NOON, region="RU"
        )
    async with world.database.reading() as session:
        (state,) = await session.scalars(select(SheetState))
        (counted,) = await counts_of(session, number, [])
    assert state.answers == {"buys": False, "said": ERASED}
    assert [each.sheets for each in counted.counts] == [0, 1]


async def test_the_sheets_of_two_that_are_one_are_read_together(world: World) -> None:
    number, one, other = await questionnaire(world), await world.client("А"), await world.client("Б")
    await answer(world, one, number, TELLS)
    await answer(world, other, number, TELLS_NOT)
    ids = [(await world.get_client(each)).organisation_id for each in (one, other)]
    async with world.transaction() as session:
        made = await merge(session, survivor_id=ids[0], duplicate_id=ids[1], now=NOON)
    assert len(await read(world, one)) == 2
    async with world.transaction() as session:
        await undo(session, merge_id=made.id, now=NOON)
    async with world.database.reading() as session:
        assert [each.answers["buys"] for each in await sheets_of(session, other)] == [False]


async def test_a_client_with_a_sheet_does_not_go_with_its_import(world: World) -> None:
    number, client_id = await questionnaire(world), await world.client()
    await answer(world, client_id, number, TELLS)
    codes: dict[int, set[str]] = {client_id: set()}
    async with world.database.reading() as session:
        await references(session, Client, [client_id], codes)
        assert await session.scalar(select(func.count()).select_from(text("sheets"))) == 1
    assert codes == {client_id: {"undo.in_use"}}
