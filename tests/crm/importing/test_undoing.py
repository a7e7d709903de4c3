"""Staged, confirmed, undone: what an import leaves behind, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import delete, select, text
from sqlalchemy.exc import IntegrityError

from crm.audit import IMPORT_DISCARDED, IMPORT_MAPPING_SAVED, IMPORT_UNDONE
from crm.base.do_not_call import ask
from crm.base.organisations import Organisation
from crm.base.people import add_person
from crm.base.phone_numbers import PhoneNumber
from crm.base.whom import Whom
from crm.calls.attempts import Result
from crm.clientele.clients import Client, take_off_list
from crm.clientele.groups import GroupMove, MoveCause, move
from crm.day.day_plan import build
from crm.errors import Conflict, NotFound, Refused
from crm.group import Group
from crm.importing import staging
from crm.importing.imports import (
    Import,
    ImportState,
    RowEnd,
    RowUndone,
    get_import,
    list_imports,
    list_mappings,
    save_mapping,
    saved_mapping,
)
from crm.importing.keeping import read_otherwise
from crm.importing.report import refused_csv
from crm.importing.staging import Choices, discard
from crm.importing.tables import read_table
from crm.importing.undoing import UndoReport
from tests.crm.builders import NOON, World
from tests.crm.importing.bringing import (
    FILE,
    LATER,
    at_once,
    audited,
    carried_on,
    client_named,
    confirmed,
    imported,
    kept,
    rows_of,
    staged,
    tried,
    undone,
    whole,
)


async def test_a_staged_file_is_tried_and_nothing_of_it_is_in_the_base(world: World) -> None:
    before = await whole(world)
    found = await staged(world)
    assert await whole(world) == before
    assert (found.row_count, found.taken, found.merged, found.refused) == (4, 2, 1, 1)
    assert (found.state, found.encoding, found.delimiter, found.trouble) == (ImportState.STAGED, "utf-8", ";", [])
    assert found.sample[1] == ["spring", "2", "Бета", "8 (342) 000-10-02", "", "", "", ""]
    rows = await rows_of(world, found.id)
    assert [(row.line, row.ended) for row in rows] == [
        (2, RowEnd.TAKEN), (3, RowEnd.TAKEN), (4, RowEnd.MERGED), (5, RowEnd.REFUSED),
    ]  # fmt: skip
    assert rows[3].problems == [["row.no_name", {}]]
    async with world.database.reading() as session:
        content = refused_csv(await staging.refused_of(session, await get_import(session, found.id)))
    assert read_table(content).rows[0].cells[1] == "3"


async def test_confirming_takes_it_in_and_every_row_says_what_it_became(world: World) -> None:
    found = await staged(world)
    report = await confirmed(world, found.id, found.version)
    assert (report.state, report.taken, report.merged, report.refused) == (ImportState.CONFIRMED, 2, 1, 1)
    alpha = await client_named(world, "Альфа")
    rows = await rows_of(world, found.id)
    assert [row.client_id == alpha.id for row in rows] == [True, False, True, False]
    assert rows[0].change["client"] == {"group": ["new", "warm"]}
    assert rows[2].change == {"numbers": [["+73420001011", ""]], "people": ["Петров Пётр"]}
    with pytest.raises(Refused) as refused:
        await confirmed(world, found.id)
    assert refused.value.code == "import.wrong_state"


async def test_what_was_read_wrong_is_read_again_and_tried_again(world: World) -> None:
    found = await staged(world, "Кто;Телефон\nАльфа;8 (342) 000-10-01\n".encode("cp866"))
    assert found.trouble == ["import.no_name_column", {}]
    assert (found.row_count, await rows_of(world, found.id)) == (0, [])
    table = read_table("Кто;Телефон\nАльфа;8 (342) 000-10-01\n".encode("cp866"), encoding="cp866")
    chosen = Choices({"Кто": "name", "Телефон": "phone"}, list_name="весна")
    again = await read_otherwise(
        world.database, import_id=found.id, version=found.version, table=table, choices=chosen,
        tried=await tried(world, table, chosen), clock=lambda: NOON, breathe=at_once,
    )  # fmt: skip
    assert (again.encoding, again.taken, again.trouble, again.list_name) == ("cp866", 1, [], "весна")
    with pytest.raises(Conflict) as conflict:
        await confirmed(world, found.id, found.version)
    assert conflict.value.code == "import.changed_meanwhile"


async def test_a_discarded_file_is_forgotten_but_that_it_was_there(world: World) -> None:
    author_id = await world.operator()
    found = await staged(world, author_id=author_id)
    async with world.transaction() as session:
        await discard(session, import_id=found.id, version=found.version, now=LATER, author_id=author_id)
    await carried_on(world, found.id)
    assert await rows_of(world, found.id) == []
    with pytest.raises(Refused):
        await confirmed(world, found.id)
    assert [entry.user_id for entry in await audited(world, IMPORT_DISCARDED)] == [author_id]
    async with world.database.reading() as session:
        assert [each.state for each in await list_imports(session)] == [ImportState.DISCARDED]
        with pytest.raises(NotFound) as unknown:
            await get_import(session, 999)
        assert unknown.value.code == "import.unknown"


async def test_undone_at_once_the_base_is_as_it_was(world: World) -> None:
    known = await world.client("Гамма")
    async with world.transaction() as session:
        number = (await session.scalars(select(PhoneNumber))).one()
        content = FILE + (f"spring;4;Гамма;{number.e164}, 8 (342) 000-10-04;hot;Сидоров Сидор;Пермь;2GIS\n".encode())
    before = await whole(world)
    import_id = await imported(world, content)
    assert (await world.get_client(known)).group is Group.HOT
    async with world.transaction() as session:  # as a running service does
        await build(session, campaign_id=world.campaign_id, day=NOON.date(), now=NOON)
    async with world.transaction() as session:
        await session.execute(text("DELETE FROM plan_entries WHERE client_id = :id"), {"id": known})
    report = await undone(world, import_id)
    assert report == UndoReport(removed=3, restored=1, kept=0)
    after = await whole(world)
    moves = after.pop("group_moves")
    before.pop("group_moves")
    assert after == before
    assert [(each[2], each[3]) for each in moves] == [(Group.NEW, Group.HOT), (Group.HOT, Group.NEW)]
    assert [entry.details for entry in await audited(world, IMPORT_UNDONE)] == [
        {"file": "firms.csv", "removed": 3, "restored": 1, "kept": 0}
    ]
    with pytest.raises(Refused) as refused:
        await undone(world, import_id)
    assert refused.value.code == "import.wrong_state"
    assert await imported(world, content) > import_id  # and it may be imported again


async def called(world: World, client: Client) -> None:
    await world.call(client.id, await world.operator(), result=Result.NO_ANSWER)


async def moved(world: World, client: Client) -> None:
    async with world.transaction() as session:
        known = await session.get_one(Client, client.id)
        await move(session, client=known, to=Group.COLD, at=LATER, cause=MoveCause.USER, author_id=None)


async def taken_off(world: World, client: Client) -> None:
    async with world.transaction() as session:
        known = await session.get_one(Client, client.id)
        await take_off_list(session, client=known, reason="не целевой", now=LATER)


async def named_otherwise(world: World, client: Client) -> None:
    async with world.transaction() as session:
        (await session.get_one(Organisation, client.organisation_id)).city = "Омск"


async def got_a_person(world: World, client: Client) -> None:
    async with world.transaction() as session:
        await add_person(session, organisation_id=client.organisation_id, full_name="Новый Человек")


async def asked_off(world: World, client: Client) -> None:
    async with world.transaction() as session:
        await ask(session, whom=Whom.ORGANISATION, target=client.organisation_id, evidence="письмо", now=LATER)


async def imported_again(world: World, client: Client) -> None:
    await imported(world, "list;name;phone;note\nspring;Альфа;8 (342) 000-10-01;важно\n".encode())


@pytest.mark.parametrize(
    ("since", "code"),
    [
        (called, "undo.called"), (moved, "undo.moved"), (taken_off, "undo.edited"), (named_otherwise, "undo.edited"),
        (got_a_person, "undo.edited"), (asked_off, "undo.in_use"), (imported_again, "undo.imported_again"),
    ],
)  # fmt: skip
async def test_what_has_been_worked_with_since_is_listed_and_not_touched(
    world: World, since: Callable[[World, Client], Awaitable[None]], code: str
) -> None:
    import_id = await imported(world, FILE)
    alpha, beta = await client_named(world, "Альфа"), await client_named(world, "Бета")
    await since(world, alpha)
    report = await undone(world, import_id)
    left = await kept(world, import_id)
    assert [line for line, _ in left] == [2, 4]
    assert all(code in because for _, because in left)
    assert (report.removed, report.restored) == (1, 0)
    assert (await client_named(world, "Альфа")).id == alpha.id
    async with world.database.reading() as session:
        assert await session.get(Client, beta.id) is None
        assert await session.get(Organisation, beta.organisation_id) is None
    assert [row.undone for row in await rows_of(world, import_id)] == [
        RowUndone.KEPT, RowUndone.REMOVED, RowUndone.KEPT, None,
    ]  # fmt: skip


async def test_a_blank_that_somebody_filled_otherwise_stays_and_the_rest_is_blank_again(world: World) -> None:
    known = await world.client("Гамма")
    async with world.database.reading() as session:
        e164 = (await session.scalars(select(PhoneNumber.e164))).one()
    import_id = await imported(
        world, f"list;name;phone;city;site;склад\nПервый;Гамма;{e164};Пермь;a.invalid;да\n".encode()
    )
    client = await world.get_client(known)
    async with world.transaction() as session:
        organisation = await session.get_one(Organisation, client.organisation_id)
        assert (organisation.city, organisation.site, organisation.attributes) == (
            "Пермь",
            "a.invalid",
            {"склад": "да"},
        )
        organisation.city = "Омск"
    await undone(world, import_id)
    assert await kept(world, import_id) == [(2, ["undo.edited"])]
    async with world.database.reading() as session:
        organisation = await session.get_one(Organisation, client.organisation_id)
        assert (organisation.city, organisation.site, organisation.attributes) == ("Омск", "", {})


async def test_moves_are_deleted_with_an_undone_import_and_never_else(world: World) -> None:
    import_id = await imported(world, FILE)
    alpha = await client_named(world, "Альфа")
    with pytest.raises(IntegrityError):
        async with world.transaction() as session:
            await session.execute(delete(GroupMove).where(GroupMove.client_id == alpha.id))
    await moved(world, alpha)
    await undone(world, import_id)
    with pytest.raises(IntegrityError):
        async with world.transaction() as session:
            await session.execute(delete(GroupMove).where(GroupMove.client_id == alpha.id))


async def test_sums_that_do_not_agree_are_refused_by_the_database(world: World) -> None:
    found = await staged(world)
    with pytest.raises(IntegrityError):
        async with world.transaction() as session:
            (await session.get_one(Import, found.id)).taken += 1


async def test_mappings_are_saved_by_name_whatever_its_case(world: World) -> None:
    async with world.transaction() as session:
        await save_mapping(session, name="Справочник", mapping={"Кто": "name"}, now=NOON)
        await save_mapping(session, name=" справочник ", mapping={"Кто": "person"}, now=LATER)
    async with world.transaction() as session:
        assert [(each.name, each.mapping) for each in await list_mappings(session)] == [
            ("справочник", {"Кто": "person"})
        ]
        assert (await saved_mapping(session, "СПРАВОЧНИК")).saved_at == LATER
        with pytest.raises(NotFound) as unknown:
            await saved_mapping(session, "другой")
        assert unknown.value.code == "import.mapping_unknown"
        with pytest.raises(Refused) as refused:
            await save_mapping(session, name=" ", mapping={}, now=NOON)
        assert refused.value.code == "import.mapping_needs_name"
    assert len(await audited(world, IMPORT_MAPPING_SAVED)) == 2
