"""Files that wait and rows that were refused forget whom somebody erases, and bring nobody back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation
from crm.base.phone_numbers import PhoneNumber
from crm.care.erasures import erase_organisation, erase_person
from crm.clientele.clients import get_client
from crm.database import Database
from crm.errors import Conflict, Refused
from crm.importing.confirming import begin_confirming, confirm_some
from crm.importing.imports import Import, ImportFile, ImportRow, ImportState, RowEnd, UnderWay, get_import
from crm.importing.keeping import bring_in
from crm.importing.staging import content_of
from crm.importing.tables import read_table
from tests.crm.builders import NOON, World, build_world
from tests.crm.care.what_stands import KEY, places_of
from tests.crm.importing.bringing import (
    LATER,
    at_once,
    campaign_of,
    carried_on,
    choices,
    confirmed,
    rows_of,
    staged,
    tried,
)
from tests.crm.overlap import overlap

HEADER = "list;name;phone;person;headcount\n"
OF_FIRM = "spring;СЕВЕРНЫЙ «ВЕТЕР»;22-33-44;;{}\n"  # no text of it is the base's; the digests know it all the same
OF_PERSON = "spring;Иные;8 (999) 000-11-22;Зуев Иван;\n"
OF_OTHERS = "spring;Соседи;8 (342) 000-20-01;Орлов Пётр;\n"
FILE = HEADER + OF_OTHERS + OF_FIRM.format("") + OF_PERSON
SAID: dict[str, Any] = {"area_code": "3422"}
TRACES = ("СЕВЕРН", "Северн", "22-33-44", "Зуев", "999000112", "000-11-22")


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[World]:
    """An office with its key, and with a firm of one person."""
    database = Database(database_url, KEY)
    world = await build_world(database)
    client_id = await world.client("ООО «Северный ветер»")
    person = await world.person(client_id, "Зуев Иван")
    async with world.transaction() as session:
        organisation_id = (await get_client(session, client_id)).organisation_id
        own = {"organisation_id": organisation_id, "person_id": person, "e164": "+79990001122", "raw": "", "rank": 5}
        session.add_all([PhoneNumber(**own), PhoneNumber(**own | {"e164": "+73422223344", "person_id": None})])
    yield world
    await database.dispose()


async def erase(session: AsyncSession) -> None:
    await erase_organisation(session, organisation_id=1, reason="письмо", now=LATER, region="RU")


async def erased(world: World) -> None:
    async with world.transaction() as session:
        await erase(session)


async def seen(world: World, import_id: int) -> tuple[Import, list[ImportRow]]:
    async with world.database.reading() as session:
        return await get_import(session, import_id), await rows_of(world, import_id)


def counts(found: Import) -> tuple[int, int, int, int]:
    return found.row_count, found.taken, found.merged, found.refused


async def test_rows_that_wait_are_blanked_and_refused_with_their_reason(office: World) -> None:
    before = await staged(office, FILE.encode(), **SAID)
    assert counts(before) == (3, 3, 0, 0)
    await erased(office)
    found, rows = await seen(office, before.id)
    assert (counts(found), found.version > before.version) == ((3, 1, 0, 2), True)
    assert [row.cells[1:2] for row in rows] == [["Соседи"], [], []]
    assert [row.problems for row in rows[1:]] == [[["row.erased", {}]]] * 2
    assert await places_of(office.database, TRACES) == []
    done = await confirmed(office, found.id, found.version)
    assert counts(done) == (3, 1, 0, 2)
    rows = await rows_of(office, found.id)
    assert [(row.ended, row.problems) for row in rows[1:]] == [(RowEnd.REFUSED, [["row.erased", {}]])] * 2
    async with office.database.reading() as session:
        assert set(await session.scalars(select(Organisation.name))) == {"Erased · Стёрто 1", "Соседи"}


async def test_of_a_person_too_while_others_of_the_company_stay(office: World) -> None:
    found = await staged(office, (FILE + "spring;Третьи;8 (342) 000-20-02;Зуев Иван;\n").encode(), **SAID)
    async with office.transaction() as session:
        await erase_person(session, person_id=1, reason="письмо", now=LATER, region="RU")
    _, rows = await seen(office, found.id)
    assert [bool(row.cells) for row in rows] == [True, True, False, False]
    assert (await confirmed(office, found.id)).refused == 2


async def test_a_number_in_wide_digits_is_recognised_too(office: World) -> None:
    found = await staged(office, (HEADER + "spring;СЕВЕРНЫЙ «ВЕТЕР»;８ (３４２) ２２２-３３-４４;;\n").encode())
    await erased(office)
    _, (row,) = await seen(office, found.id)
    assert (row.cells, row.problems) == ([], [["row.erased", {}]])


async def test_the_file_itself_is_let_go_of_and_can_be_read_otherwise_no_more(office: World) -> None:
    found = await staged(office, (HEADER + OF_OTHERS).encode())
    await erased(office)
    async with office.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(ImportFile)) == 0
        with pytest.raises(Refused) as refused:
            await content_of(session, found.id)
    assert refused.value.code == "import.file_gone"
    assert (await confirmed(office, found.id, found.version)).taken == 1


async def test_refused_rows_that_are_kept_are_blanked_too(office: World) -> None:
    found = await staged(office, (HEADER + OF_OTHERS + OF_FIRM.format("много")).encode(), **SAID)
    await confirmed(office, found.id)
    await erased(office)
    after, rows = await seen(office, found.id)
    assert (counts(after), after.state) == ((2, 1, 0, 1), ImportState.CONFIRMED)
    assert [(row.cells[1:2], row.problems) for row in rows] == [(["Соседи"], []), ([], [["row.erased", {}]])]


async def test_what_is_half_taken_in_goes_on_without_them(office: World) -> None:
    by_its_name = "spring;ООО «Северный ветер»;22-33-44;;\n"
    found = await staged(office, (HEADER + OF_OTHERS + by_its_name + OF_PERSON + OF_FIRM.format("")).encode(), **SAID)
    async with office.transaction() as session:
        await begin_confirming(session, import_id=found.id, version=None, now=NOON)
    await carried_on(office, found.id, limit=1, most=2)
    await erased(office)
    half, rows = await seen(office, found.id)
    assert (half.under_way, half.done, counts(half)) == (UnderWay.CONFIRMING, 2, (4, 1, 1, 2))
    assert [(bool(row.cells), row.ended) for row in rows] == [
        (True, RowEnd.TAKEN), (False, RowEnd.MERGED), (False, RowEnd.REFUSED), (False, RowEnd.REFUSED),
    ]  # fmt: skip
    done = await carried_on(office, found.id)
    assert (done.state, counts(done)) == (ImportState.CONFIRMED, (4, 1, 1, 2))
    assert await places_of(office.database, TRACES) == []


async def test_what_is_half_read_is_discarded(office: World) -> None:
    table = read_table(FILE.encode())
    chosen = choices(table, **SAID)
    calls = iter([erased])

    async def somebody_erases() -> None:
        for deed in calls:
            await deed(office)

    with pytest.raises(Conflict) as conflict:
        await bring_in(
            office.database, campaign=await campaign_of(office), file_name="firms.csv", content=FILE.encode(),
            table=table, choices=chosen, tried=await tried(office, table, chosen), clock=lambda: NOON,
            breathe=somebody_erases, limit=1,
        )  # fmt: skip
    assert conflict.value.code == "import.broken_off"
    found = await carried_on(office, 1)
    assert (found.state, await rows_of(office, 1)) == (ImportState.DISCARDED, [])
    assert await places_of(office.database, TRACES) == []


async def test_what_was_tried_before_is_not_kept_after(office: World) -> None:
    table = read_table(FILE.encode())
    chosen = choices(table, **SAID)
    before = await tried(office, table, chosen)
    await erased(office)
    told: dict[str, Any] = {
        "campaign": await campaign_of(office), "file_name": "firms.csv", "content": FILE.encode(), "table": table,
        "choices": chosen, "clock": lambda: NOON, "breathe": at_once,
    }  # fmt: skip
    with pytest.raises(Conflict) as conflict:
        await bring_in(office.database, tried=before, **told)
    assert conflict.value.code == "import.erased_meanwhile"
    found = await bring_in(office.database, tried=await tried(office, table, chosen), **told)
    _, rows = await seen(office, found.id)
    assert counts(found) == (3, 1, 0, 2)
    assert [row.problems for row in rows] == [[], [["row.organisation_erased", {}]], [["row.number_erased", {}]]]
    assert [row.cells[1:2] for row in rows] == [["Соседи"], [], []], "nothing is kept of those who were refused so"
    assert [cells[1] for _, cells in found.beginning] == ["name", "Соседи"]
    assert [cells[1] for cells in found.sample] == ["Соседи"]


@pytest.mark.parametrize("erased_first", [True, False])
async def test_taking_in_and_erasing_at_once_end_one_after_the_other(office: World, erased_first: bool) -> None:
    found = await staged(office, FILE.encode(), **SAID)
    async with office.transaction() as session:
        await begin_confirming(session, import_id=found.id, version=None, now=NOON)

    async def take_in(session: AsyncSession) -> None:
        held = await get_import(session, found.id, lock=True)
        await confirm_some(session, held, region="RU", now=LATER)

    deeds = (erase, take_in) if erased_first else (take_in, erase)
    assert await overlap(office.database, *deeds) == (None, None)
    done, _ = await seen(office, found.id)
    assert counts(done) == ((3, 1, 0, 2) if erased_first else (3, 3, 0, 0))
    if erased_first:
        assert await places_of(office.database, TRACES) == []
