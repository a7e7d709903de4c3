"""Imports are taken in and undone in short transactions: others write in between, and a crash leaves what goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from crm import audit
from crm.audit import CLIENTS_IMPORTED, IMPORT_BEGUN, IMPORT_UNDOING, IMPORT_UNDONE
from crm.base.organisations import Organisation
from crm.base.phone_numbers import PhoneNumber
from crm.calls.attempts import Result
from crm.clientele.clients import Client
from crm.clientele.groups import GroupMove
from crm.errors import Refused
from crm.importing import confirming, undoing
from crm.importing.carrying_on import left_under_way
from crm.importing.confirming import begin_confirming, report_of
from crm.importing.imports import Import, ImportState, RowEnd, RowUndone, UnderWay, get_import
from crm.importing.staging import discard
from crm.importing.undoing import UndoReport, begin_undoing, undo_report
from tests.crm.builders import NOON, World
from tests.crm.importing.bringing import (
    FILE,
    LATER,
    Crash,
    audited,
    carried_on,
    client_named,
    crash_in,
    file_of,
    rows_of,
    staged,
    whole,
)


async def begun(world: World, content: bytes, author_id: int | None = None) -> int:
    found = await staged(world, content)
    async with world.transaction() as session:
        await begin_confirming(session, import_id=found.id, version=found.version, now=NOON, author_id=author_id)
    return found.id


async def begun_to_undo(world: World, import_id: int) -> None:
    async with world.transaction() as session:
        await begin_undoing(session, import_id=import_id, version=None, now=LATER)


async def count_of(world: World, kind: type[Any]) -> int:
    async with world.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(kind)) or 0


async def test_calls_and_other_imports_go_on_while_thousands_of_rows_come_in(world: World) -> None:
    operator = await world.operator()
    before = await whole(world)
    known = [await world.client(f"Давний {number}") for number in range(4)]
    import_id = await begun(world, file_of(2_000), operator)
    to_do: Iterator[int] = iter(known)
    other: list[int] = []

    async def others_write() -> None:
        """A call in each pause; in the first also another import, which meets one of the clients that are in."""
        if not other:
            other.append(await begun(world, FILE + "spring;f0;Фирма 0;8 (342) 100-00-00;;;;\n".encode()))
            await carried_on(world, other[0])
        await world.call(next(to_do), await world.operator(), result=Result.NO_ANSWER)

    done = await carried_on(world, import_id, breathe=others_write)
    assert next(to_do, None) is None, "there were four pauses"
    assert (done.state, done.under_way, done.done) == (ImportState.CONFIRMED, None, 2_000)
    assert (done.taken, done.merged, done.refused) == (1_980, 20, 0)
    rows = await rows_of(world, import_id)
    assert {row.ended for row in rows} == {RowEnd.TAKEN, RowEnd.MERGED}
    assert len({row.client_id for row in rows}) == 1_980
    assert await count_of(world, Client) == 1_980 + 4 + 2
    (*_, entry) = await audited(world, CLIENTS_IMPORTED)
    assert (entry.user_id, entry.details["lists"]) == (operator, {"spring": 1_980})
    assert [entry.user_id for entry in await audited(world, IMPORT_BEGUN)] == [operator, None]

    called = await client_named(world, "Фирма 5")
    await world.call(called.id, await world.operator(), result=Result.NO_ANSWER)
    late = await client_named(world, "Фирма 1501")

    async def somebody_calls() -> None:
        if not await audited(world, "late call"):
            await world.call(late.id, await world.operator(), result=Result.NO_ANSWER)
            async with world.transaction() as session:
                audit.note(session, at=LATER, user_id=None, action="late call")

    await begun_to_undo(world, import_id)
    await carried_on(world, import_id, breathe=somebody_calls)
    left = {row.line: row.kept_because[0] for row in await rows_of(world, import_id) if row.undone is RowUndone.KEPT}
    assert left == {
        2: "undo.imported_again", 101: "undo.imported_again", 7: "undo.called", 1503: "undo.called",
    }  # fmt: skip
    assert await count_of(world, Client) == 3 + 4 + 2
    assert len(before["clients"]) == 0


async def test_a_crash_leaves_an_import_that_goes_on_and_takes_nothing_in_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = await begun(world, file_of(250))
    crash_in(monkeypatch, confirming, "_write_rows", after=2)
    with pytest.raises(Crash):
        await carried_on(world, import_id, limit=60)
    async with world.database.reading() as session:
        assert await left_under_way(session, now=NOON) == [import_id]
        half = await get_import(session, import_id)
    assert (half.state, half.under_way, half.done, half.row_count) == (
        ImportState.STAGED, UnderWay.CONFIRMING, 120, 250,
    )  # fmt: skip
    assert await count_of(world, Client) == 119, "what the crash broke off is not in the base"
    done = await carried_on(world, import_id, limit=60)
    assert (done.taken, done.merged, done.done) == (248, 2, 250)
    assert [await count_of(world, kind) for kind in (Client, Organisation, PhoneNumber)] == [248, 248, 250]
    assert await count_of(world, GroupMove) == 83
    async with world.database.reading() as session:
        assert await left_under_way(session, now=NOON) == []
        report = await report_of(session, done)
    assert (report.taken, dict(report.by_list), dict(report.by_group)) == (
        248,
        {"spring": 248},
        {"new": 165, "warm": 83},
    )
    assert len(await audited(world, CLIENTS_IMPORTED)) == 1
    assert (await carried_on(world, import_id)).version == done.version, "there is nothing more to do"


async def test_a_crash_leaves_an_undoing_that_goes_on_until_the_base_is_as_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await whole(world)
    import_id = await begun(world, file_of(250))
    await carried_on(world, import_id, limit=60)
    await begun_to_undo(world, import_id)
    crash_in(monkeypatch, undoing, "_remove", after=1)
    with pytest.raises(Crash):
        await carried_on(world, import_id, limit=60)
    assert await count_of(world, Client) == 248 - 60
    async with world.database.reading() as session:
        half = await get_import(session, import_id)
    assert (half.state, half.under_way, half.done) == (ImportState.CONFIRMED, UnderWay.UNDOING, 61)
    await carried_on(world, import_id, limit=60)
    assert await whole(world) == before
    async with world.database.reading() as session:
        assert await undo_report(session, import_id) == UndoReport(removed=250, restored=0, kept=0)
    assert [len(await audited(world, action)) for action in (IMPORT_UNDOING, IMPORT_UNDONE)] == [1, 1]


async def test_what_is_changed_between_two_rows_of_one_client_is_a_change(world: World) -> None:
    rows = "list;name;phone;site\nspring;Альфа;8 (342) 000-10-01;\nspring;Альфа;8 (342) 000-10-01;{site}\n"
    import_id = await begun(world, rows.format(site="a.invalid").encode())

    async def somebody_edits() -> None:
        async with world.transaction() as session:
            (await session.scalars(select(Organisation).where(Organisation.city == ""))).one().city = "Омск"

    await carried_on(world, import_id, limit=1, most=1)
    await somebody_edits()
    await carried_on(world, import_id, limit=1)
    await begun_to_undo(world, import_id)
    await carried_on(world, import_id)
    assert [row.kept_because for row in await rows_of(world, import_id)] == [["undo.edited"]] * 2


async def test_rows_one_by_one_are_undone_as_if_they_had_come_at_once(world: World) -> None:
    before = await whole(world)
    import_id = await begun(world, FILE + "spring;1;Альфа;8 (342) 000-10-01;;;Пермь;Справочник\n".encode())
    done = await carried_on(world, import_id, limit=1)
    assert (done.taken, done.merged, done.refused) == (2, 2, 1)
    await begun_to_undo(world, import_id)
    done = await carried_on(world, import_id, limit=1)
    assert (done.state, done.done) == (ImportState.UNDONE, 5)
    assert await whole(world) == before


async def test_a_row_that_changed_nothing_is_undone_too(world: World) -> None:
    row = "list;name;phone\nspring;Альфа;8 (342) 000-10-01\n"
    await carried_on(world, await begun(world, row.encode()))
    import_id = await begun(world, row.encode())
    await carried_on(world, import_id)
    await begun_to_undo(world, import_id)
    done = await carried_on(world, import_id, most=2)
    assert (done.state, done.done) == (ImportState.UNDONE, 1)


async def test_meanwhile_it_can_be_neither_discarded_nor_begun_again(world: World) -> None:
    import_id = await begun(world, file_of(3))
    async with world.transaction() as session:
        for deed in (begin_confirming, begin_undoing, discard):
            with pytest.raises(Refused) as refused:
                await deed(session, import_id=import_id, version=None, now=LATER)
            assert refused.value.code == "import.under_way"


@pytest.mark.parametrize(
    ("under_way", "state"),
    [("undoing", "staged"), ("confirming", "discarded"), ("staging", "discarded"), ("discarding", "staged")],
)
async def test_the_database_knows_which_steps_there_are(world: World, under_way: str, state: str) -> None:
    found = await staged(world, file_of(3))
    async with world.database.engine.connect() as connection:
        with pytest.raises(IntegrityError):
            await connection.execute(
                update(Import).where(Import.id == found.id).values(state=state, under_way=under_way)
            )
