"""Time zones, former owners and past deals in a file: read as people write them, or refused with a reason."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select

from crm.base.organisations import Organisation
from crm.base.past_deals import FormerOwner, PastDeal, add_deal, add_former_owner
from crm.errors import Refused
from crm.importing.confirming import begin_confirming
from crm.importing.imports import RowEnd
from crm.importing.mapping import guess_mapping
from crm.importing.undoing import begin_undoing
from crm.importing.written_values import WrittenDeal, read_deal, read_time_zone
from crm.problems import Problem
from tests.crm.builders import NOON, World
from tests.crm.importing.bringing import carried_on, client_named, imported, kept, rows_of, staged, undone, whole

TODAY = date(2026, 11, 23)
HEADER = "Название;Телефон;Список;Часовой пояс;Прежний менеджер;Дата сделки;Сумма сделки;Что куплено\n"
FILE = HEADER + (
    "Альфа;8 (342) 000-10-01;весна;МСК+4;Сидоров;31.05.2024;12 500,50 руб.;Печь\n"
    "Альфа;8 (342) 000-10-01;весна;;Петрова;2025-01-02;;Монтаж\n"
    "Альфа;8 (342) 000-10-01;весна;;сидоров;31.05.2024;12500.5;Печь\n"
    "Бета;8 (342) 000-10-02;весна;;;;;\n"
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", ""), (" Asia/Omsk ", "Asia/Omsk"), ("г. Томск", "Asia/Tomsk"), ("МСК", "Europe/Moscow"),
        ("мск +2", "Asia/Yekaterinburg"), ("MSK-1", "Europe/Kaliningrad"), ("UTC+7", "Asia/Krasnoyarsk"),
        ("+05:00", "Asia/Yekaterinburg"), ("GMT +10", "Asia/Vladivostok"), ("UTC", "UTC"),
    ],
)  # fmt: skip
def test_a_time_zone_however_it_is_written(text: str, name: str) -> None:
    assert read_time_zone(text) == name


@pytest.mark.parametrize("text", ["Омская", "UTC+14", "Asia/Nowhere", "5", "EST", "../etc"])
def test_what_is_no_time_zone_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        read_time_zone(text)
    assert refused.value.code == "import.time_zone"


@pytest.mark.parametrize(
    ("cells", "deal"),
    [
        (("", "", ""), None),
        (("31.05.2024", "", ""), WrittenDeal(date(2024, 5, 31), None, "")),
        (("2024-05-31 00:00:00", "12 500,50 ₽", " Печь "), WrittenDeal(date(2024, 5, 31), 1_250_050, "Печь")),
        (("23.11.2026", "1", ""), WrittenDeal(TODAY, 100, "")),
        (("24.11.2026", "1", ""), Problem("row.deal_date", {"value": "24.11.2026"})),
        (("весной", "1", ""), Problem("row.deal_date", {"value": "весной"})),
        (("", "", "Печь"), Problem("row.deal_needs_date", {"value": "Печь"})),
        (("31.05.2024", "много", ""), Problem("row.deal_amount", {"value": "много"})),
        (("31.05.2024", "-5", ""), Problem("row.deal_amount", {"value": "-5"})),
    ],
)
def test_a_deal_is_read_or_the_reason_told(cells: tuple[str, str, str], deal: object) -> None:
    assert read_deal(*cells, today=TODAY) == deal


def test_the_columns_are_guessed_in_both_languages() -> None:
    fields = ["name", "phone", "list", "time_zone", "former_owner", "deal_date", "deal_amount", "deal_what"]
    english = ["Company", "Phone", "List", "Time zone", "Former owner", "Date of purchase", "Deal amount", "Bought"]
    for header in (HEADER.strip().split(";"), english):
        assert list(guess_mapping(header).values()) == fields


async def test_they_come_with_an_import_once_and_go_with_it(world: World) -> None:
    before = await whole(world)
    import_id = await imported(world, FILE.encode())
    async with world.database.reading() as session:
        deals = select(PastDeal.made_on, PastDeal.amount_minor, PastDeal.currency, PastDeal.what)
        assert list(map(tuple, await session.execute(deals.order_by(PastDeal.made_on)))) == [
            (date(2024, 5, 31), 1_250_050, "RUB", "Печь"), (date(2025, 1, 2), None, "RUB", "Монтаж"),
        ]  # fmt: skip
        assert set(await session.scalars(select(FormerOwner.name))) == {"Сидоров", "Петрова"}
        zones = select(Organisation.time_zone).where(Organisation.name == "Альфа")
        assert await session.scalar(zones) == "Asia/Krasnoyarsk"
    await undone(world, import_id)
    assert await whole(world) == before


async def test_a_client_that_was_there_gets_them_and_loses_them_again(world: World) -> None:
    first = await imported(world, f"{HEADER}Альфа;8 (342) 000-10-01;весна;;Иванова;01.02.2020;5;\n".encode())
    before = await whole(world)
    await undone(world, await imported(world, FILE.encode()))
    assert await whole(world) == before
    client = await client_named(world, "Альфа")
    async with world.transaction() as session:
        await add_former_owner(session, client_id=client.id, name="Кто-то", now=NOON)
        await add_deal(session, organisation_id=client.organisation_id, made_on=TODAY, now=NOON)
    await undone(world, first)
    assert await kept(world, first) == [(2, ["undo.edited"])]


async def test_the_whole_file_has_a_time_zone_that_a_row_may_say_otherwise(world: World) -> None:
    found = await staged(world, FILE.encode(), time_zone="Калининград")
    assert found.time_zone == "Europe/Kaliningrad"
    async with world.transaction() as session:
        await begin_confirming(session, import_id=found.id, version=None, now=NOON)
    await carried_on(world, found.id, limit=1)
    async with world.database.reading() as session:
        zones = dict((await session.execute(select(Organisation.name, Organisation.time_zone))).all())
    assert zones == {"Альфа": "Asia/Krasnoyarsk", "Бета": "Europe/Kaliningrad"}
    async with world.transaction() as session:
        await begin_undoing(session, import_id=found.id, version=None, now=NOON)
    assert (await staged(world, FILE.encode(), time_zone="где-то")).trouble == [
        "import.time_zone", {"text": "где-то"},
    ]  # fmt: skip


async def test_what_cannot_be_read_refuses_the_row_with_every_reason(world: World) -> None:
    row = "Альфа;8 (342) 000-10-01;весна;никакой;;весной;1;\n"
    found = await staged(world, (HEADER + row).encode())
    (refused,) = await rows_of(world, found.id)
    assert refused.ended is RowEnd.REFUSED
    assert refused.problems == [["row.deal_date", {"value": "весной"}], ["row.time_zone", {"value": "никакой"}]]
