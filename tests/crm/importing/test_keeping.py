"""The rows of a file that was read are kept in short transactions; what somebody left half-read is never confirmed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from crm.errors import Conflict, Refused
from crm.importing import keeping
from crm.importing.carrying_on import left_under_way
from crm.importing.confirming import begin_confirming
from crm.importing.imports import Import, ImportState, UnderWay, get_import, list_imports
from crm.importing.keeping import LEFT_AFTER, bring_in, read_otherwise
from crm.importing.staging import Choices, discard
from crm.importing.tables import read_table
from tests.crm.builders import NOON, World
from tests.crm.importing.bringing import (
    Crash,
    at_once,
    campaign_of,
    carried_on,
    choices,
    confirmed,
    crash_in,
    file_of,
    rows_of,
    tried,
)

OTHERWISE = {"area_code": "3422"}


async def brought(
    world: World, content: bytes, breathe: Callable[[], Awaitable[None]] = at_once, limit: int = 60
) -> Import:
    table = read_table(content)
    chosen = choices(table)
    return await bring_in(
        world.database, campaign=await campaign_of(world), file_name="firms.csv", content=content, table=table,
        choices=chosen, tried=await tried(world, table, chosen), clock=lambda: NOON, breathe=breathe, limit=limit,
    )  # fmt: skip


async def read_again(world: World, found: Import, content: bytes, **how: Any) -> Import:
    table = read_table(content)
    chosen = choices(table, **OTHERWISE)
    return await read_otherwise(
        world.database, import_id=found.id, version=found.version, table=table, choices=chosen,
        tried=await tried(world, table, chosen), clock=lambda: NOON, **{"breathe": at_once, "limit": 60, **how},
    )  # fmt: skip


async def only(world: World) -> Import:
    async with world.database.reading() as session:
        (found,) = await list_imports(session)
        return found


async def left(world: World, now: datetime) -> list[int]:
    async with world.database.reading() as session:
        return await left_under_way(session, now=now)


async def test_others_write_while_rows_are_kept_and_nobody_confirms_before_the_last_one(world: World) -> None:
    met: list[tuple[UnderWay | None, int, int]] = []

    async def somebody_tries() -> None:
        half = await only(world)
        met.append((half.under_way, half.done, len(await rows_of(world, half.id))))
        with pytest.raises(Refused) as refused:
            await confirmed(world, half.id)
        assert refused.value.code == "import.under_way"
        await world.client(f"Давний {len(met)}")

    found = await brought(world, file_of(130), somebody_tries)
    assert met == [(UnderWay.STAGING, 60, 60), (UnderWay.STAGING, 120, 120)]
    assert (found.under_way, found.step_at, found.row_count, len(await rows_of(world, found.id))) == (
        None, None, 130, 130,
    )  # fmt: skip
    done = await confirmed(world, found.id, found.version)
    assert (done.taken, done.merged, done.done) == (129, 1, 130)


async def test_a_crash_leaves_what_is_read_anew_after_a_while(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    crash_in(monkeypatch, keeping, "_step", after=2)
    with pytest.raises(Crash):
        await brought(world, file_of(200))
    half = await only(world)
    assert (half.under_way, half.done, len(await rows_of(world, half.id))) == (UnderWay.STAGING, 120, 120)
    async with world.transaction() as session:
        with pytest.raises(Refused):
            await begin_confirming(session, import_id=half.id, version=None, now=NOON)
    assert await left(world, NOON + LEFT_AFTER) == [], "somebody may be at it"
    assert await left(world, NOON + LEFT_AFTER + timedelta(seconds=1)) == [half.id]
    done = await carried_on(world, half.id)
    assert (done.state, done.under_way, done.row_count) == (ImportState.STAGED, None, 200)
    rows = await rows_of(world, half.id)
    assert [row.line for row in rows] == list(range(2, 202))
    done = await confirmed(world, half.id)
    assert (done.taken, done.merged) == (198, 2)


async def test_who_was_only_slow_finds_that_somebody_else_went_on(world: World) -> None:
    async def somebody_goes_on() -> None:
        await carried_on(world, (await only(world)).id)

    with pytest.raises(Conflict) as conflict:
        await brought(world, file_of(130), somebody_goes_on)
    assert conflict.value.code == "import.broken_off"
    found = await only(world)
    assert (found.under_way, len(await rows_of(world, found.id))) == (None, 130)


async def test_a_crash_while_it_is_read_otherwise_leaves_the_other_reading_to_be_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"list;name;phone\n" + "".join(f"spring;Фирма {each};22-33-{each}\n" for each in range(10, 99)).encode()
    found = await brought(world, content)
    assert (found.taken, found.refused) == (0, 89)
    for crash_after in (0, 1, 2):
        crash_in(monkeypatch, keeping, "_step", after=crash_after)
        before = await only(world)
        with pytest.raises(Crash):
            await read_again(world, before, content)
        half = await only(world)
        if crash_after == 0:
            assert (half.version, half.under_way) == (before.version, None)
            continue
        assert (half.under_way, half.taken) == (UnderWay.STAGING, 89)
        done = await carried_on(world, found.id)
        assert (done.under_way, done.taken, done.area_code) == (None, 89, "3422")
        assert len(await rows_of(world, found.id)) == 89


async def test_what_is_being_read_may_be_discarded(world: World) -> None:
    async def somebody_discards() -> None:
        async with world.transaction() as session:
            await discard(session, import_id=1, version=None, now=NOON)

    with pytest.raises(Conflict) as conflict:
        await brought(world, file_of(200), somebody_discards)
    assert conflict.value.code == "import.broken_off"
    assert await left(world, NOON) == [1]
    half = await carried_on(world, 1, limit=40, most=1)
    assert (half.state, half.under_way, half.done, len(await rows_of(world, 1))) == (
        ImportState.DISCARDED, UnderWay.DISCARDING, 40, 20,
    )  # fmt: skip
    done = await carried_on(world, 1, limit=40)
    assert (done.state, done.under_way, await rows_of(world, 1)) == (ImportState.DISCARDED, None, [])
    async with world.transaction() as session:
        with pytest.raises(Refused) as refused:
            await discard(session, import_id=1, version=None, now=NOON)
        assert refused.value.code == "import.wrong_state"


async def test_a_file_that_fits_no_mapping_any_more_loses_its_rows(world: World) -> None:
    found = await brought(world, file_of(130))
    table = read_table(file_of(130))
    chosen = Choices({"list": "list"})
    again = await read_otherwise(
        world.database, import_id=found.id, version=found.version, table=table, choices=chosen,
        tried=await tried(world, table, chosen), clock=lambda: NOON, breathe=at_once, limit=60,
    )  # fmt: skip
    assert (again.trouble, again.under_way, again.row_count, await rows_of(world, found.id)) == (
        ["import.no_name_column", {}], None, 0, [],
    )  # fmt: skip
    async with world.database.reading() as session:
        assert (await get_import(session, found.id)).version == again.version
