"""Addresses and competitors in a file: they come with an import, are not noted twice, and go with it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from crm.audit import COMPETITOR_ADDED
from crm.base.addresses import Address, AddressKind, add_address, change_address
from crm.base.competitors import Competitor, CompetitorUse, Satisfaction, change_competitor, competitor_named, uses
from crm.importing.imports import RowUndone
from crm.importing.mapping import guess_mapping
from crm.importing.rows import names_in
from tests.crm.builders import NOON, World
from tests.crm.importing.bringing import audited, client_named, imported, kept, rows_of, staged, undone, whole

HEADER = "Название;Телефон;Список;Почтовый адрес;Юр. адрес;Адрес;Доп. адрес;Конкуренты;Текущий поставщик\n"
FILE = HEADER + (
    'Альфа;8 (342) 000-10-01;весна;"614000 Пермь\n а/я  5";Пермь, Мира 1;Пермь, Мира 2;Пермь, Мира 3;"Рога, Копыта";'
    "РОГА\n"
    "Альфа;8 (342) 000-10-01;весна;614000 пермь а/я 5;Омск, Мира 1;;Пермь, Мира 4;«Рога, копыта» и К;\n"
    "Бета;8 (342) 000-10-02;весна;;;;;;\n"
)


async def addresses(world: World) -> list[tuple[AddressKind, str]]:
    async with world.database.reading() as session:
        held = select(Address.kind, Address.written).order_by(Address.id)
        return list(map(tuple, await session.execute(held)))  # type: ignore[arg-type]


async def bought_from(world: World) -> list[Any]:
    async with world.database.reading() as session:
        held = select(Competitor.name).join(CompetitorUse, CompetitorUse.competitor_id == Competitor.id)
        return list(await session.scalars(held.order_by(CompetitorUse.id)))


def test_the_columns_are_guessed_in_both_languages() -> None:
    kinds = ["address_postal", "address_legal", "address_actual", "address_other"]
    fields = ["name", "phone", "list", *kinds, "competitor", "competitor"]
    english = ["Company", "Phone", "List", "Mailing address", "Registered address", "Address", "Other address",
               "Competitor", "Current supplier"]  # fmt: skip
    for header in (HEADER.strip().split(";"), english):
        assert list(guess_mapping(header).values()) == fields
    assert [kind.removeprefix("address_") for kind in kinds] == list(AddressKind)


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("", ()), ("Рога", ("Рога",)), ("Рога; Копыта;", ("Рога", "Копыта")), ("Рога, Копыта", ("Рога", "Копыта")),
        ("Рога\nКопыта", ("Рога", "Копыта")), ("«Рога, копыта» и К, Хвост", ("«Рога, копыта» и К", "Хвост")),
        ('ООО "Рога, копыта"', ('ООО "Рога, копыта"',)), ("Рога (Пермь, Омск)", ("Рога (Пермь, Омск)",)),
        ('"Рога, копыта', ('"Рога', "копыта")),
    ],
)  # fmt: skip
def test_names_are_parted_where_people_part_them(cell: str, names: tuple[str, ...]) -> None:
    assert names_in(cell) == names


async def test_they_come_with_an_import_and_go_with_it(world: World) -> None:
    before = await whole(world)
    found = await staged(world, FILE.encode())
    assert await whole(world) == before
    assert (found.taken, found.merged, found.refused) == (2, 1, 0)
    rows = await rows_of(world, found.id)
    assert [[code, params["field"]] for code, params in rows[1].problems] == [["row.kept_existing", "Юр. адрес"]]
    import_id = await imported(world, FILE.encode())
    assert await addresses(world) == [
        ("postal", "614000 Пермь\nа/я 5"), ("legal", "Пермь, Мира 1"), ("actual", "Пермь, Мира 2"),
        ("other", "Пермь, Мира 3"), ("other", "Пермь, Мира 4"),
    ]  # fmt: skip
    assert await bought_from(world) == ["Рога", "Копыта", "«Рога, копыта» и К"]
    assert len(await audited(world, COMPETITOR_ADDED)) == 3
    await undone(world, import_id)
    assert await whole(world) == before


async def test_a_client_that_was_there_gets_them_and_loses_them_again(world: World) -> None:
    await imported(world, f"{HEADER}Альфа;8 (342) 000-10-01;весна;;Пермь, Мира 1;;;Хвосты;\n".encode())
    alpha = (await client_named(world, "Альфа")).organisation_id
    async with world.transaction() as session:
        named, _ = await competitor_named(session, "копыта", now=NOON)
        await uses(session, organisation_id=alpha, competitor=named, now=NOON, satisfaction=Satisfaction.PARTLY)
    before = await whole(world)
    import_id = await imported(world, FILE.encode())
    assert len(await addresses(world)) == 5
    assert await bought_from(world) == ["Хвосты", "копыта", "Рога", "«Рога, копыта» и К"]
    await undone(world, import_id)
    assert await whole(world) == before


async def test_what_was_changed_since_stays(world: World) -> None:
    import_id = await imported(world, FILE.encode())
    beta = (await client_named(world, "Бета")).organisation_id
    async with world.transaction() as session:
        address = (await session.scalars(select(Address).where(Address.kind == AddressKind.LEGAL))).one()
        await change_address(session, address=address, kind=address.kind, written="Омск", version=None, now=NOON)
        await add_address(session, organisation_id=beta, kind=AddressKind.LEGAL, written="Омск", now=NOON)
    await undone(world, import_id)
    assert await kept(world, import_id) == [(2, ["undo.edited"]), (4, ["undo.edited"]), (5, ["undo.edited"])]
    assert len(await bought_from(world)) == 3


async def test_a_competitor_of_whom_more_is_known_since_stays_a_record(world: World) -> None:
    import_id = await imported(world, FILE.encode())
    async with world.transaction() as session:
        named, _ = await competitor_named(session, "рога", now=NOON)
        await change_competitor(session, competitor=named, now=NOON, terms="отсрочка")
    await world.client("Гамма")
    async with world.transaction() as session:
        of, _ = await competitor_named(session, "Копыта", now=NOON)
        organisation_id = (await client_named(world, "Гамма")).organisation_id
        await uses(session, organisation_id=organisation_id, competitor=of, now=NOON)
    await undone(world, import_id)
    assert {row.undone for row in await rows_of(world, import_id)} == {RowUndone.REMOVED}
    async with world.database.reading() as session:
        assert set(await session.scalars(select(Competitor.name))) == {"Рога", "Копыта"}


async def test_a_use_that_was_said_otherwise_since_stays(world: World) -> None:
    import_id = await imported(world, f"{HEADER}Альфа;8 (342) 000-10-01;весна;;;;;Рога;\n".encode())
    alpha = (await client_named(world, "Альфа")).organisation_id
    async with world.transaction() as session:
        named, _ = await competitor_named(session, "Рога", now=NOON)
        await uses(session, organisation_id=alpha, competitor=named, now=NOON, satisfaction=Satisfaction.DISSATISFIED)
    await undone(world, import_id)
    assert await kept(world, import_id) == [(2, ["undo.edited"])]
    assert await bought_from(world) == ["Рога"]
