"""The queue of organisations that may be one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from crm.audit import NOT_DUPLICATE, AuditEntry
from crm.base.organisations import Organisation, add_organisation
from crm.base.phone_numbers import PhoneNumber
from crm.base.similar import Ground
from crm.care import duplicate_search
from crm.care.duplicate_search import (
    FoundPairs,
    PairRow,
    find_duplicates,
    merges,
    not_duplicates,
    open_pair,
    open_pairs,
)
from crm.care.merging import merge, undo
from crm.errors import NotFound
from tests.crm.builders import NOON, World


async def organisations(world: World, *rows: dict[str, str]) -> list[int]:
    async with world.transaction() as session:
        return [(await add_organisation(session, now=NOON, **row)).id for row in rows]


async def found(world: World) -> FoundPairs:
    async with world.transaction() as session:
        return await find_duplicates(session, now=NOON)


async def queue(world: World) -> list[PairRow]:
    async with world.database.reading() as session:
        return await open_pairs(session)


async def test_who_has_something_in_common_is_queued_before_who_is_named_alike(world: World) -> None:
    ids = await organisations(
        world,
        {"name": "ООО «Ромашка»", "city": "Пермь"},
        {"name": "Ромашка, ЗАО", "city": "Пермь"},
        {"name": "Лютик", "tax_number": "5904123456"},
        {"name": "Василёк", "tax_number": "5904 123456"},
        {"name": "Клевер", "site": "klever.ru"},
        {"name": "Мятлик", "site": "www.klever.ru"},
        {"name": "Полынь", "email": "a@b.ru"},
        {"name": "Пижма", "email": "A@B.RU"},
        {"name": "Осока"},
        {"name": "Камыш"},
    )
    async with world.transaction() as session:
        for organisation_id in ids[-2:]:
            session.add(PhoneNumber(organisation_id=organisation_id, e164="+73420000099"))
    assert await found(world) == FoundPairs(new=5, known=0, passed_over=0)
    pairs = await queue(world)
    assert {(row.one, row.other, row.ground) for row in pairs[:4]} == {
        ("Лютик", "Василёк", Ground.TAX_NUMBER), ("Клевер", "Мятлик", Ground.DOMAIN),
        ("Полынь", "Пижма", Ground.EMAIL), ("Осока", "Камыш", Ground.PHONE),
    }  # fmt: skip
    assert (pairs[4].one, pairs[4].ground, pairs[4].score) == ("ООО «Ромашка»", Ground.NAME, 100.0)
    assert await found(world) == FoundPairs(new=0, known=5, passed_over=0)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ({"name": "Северный ветер"}, {"name": "ООО Северный Ветир"}, True),
        ({"name": "Стройсервис Плюс"}, {"name": "Плюс-Стройсервис"}, True),
        ({"name": "Ёлочка", "city": "Пермь"}, {"name": "Елочка", "city": "ПЕРМЬ"}, True),
        ({"name": "Ромашка", "city": "Пермь"}, {"name": "Ромашка", "city": "Омск"}, False),
        ({"name": "Ромашка", "city": "Пермь"}, {"name": "Ромашка"}, True),
        ({"name": "Школа № 5"}, {"name": "Школа № 6"}, False),
        ({"name": "Северный ветер"}, {"name": "Северный полюс"}, False),
    ],
)
async def test_who_is_named_alike(world: World, one: dict[str, str], other: dict[str, str], alike: bool) -> None:
    await organisations(world, one, other)
    assert (await found(world)).new == alike


async def test_what_everybody_has_says_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicate_search, "LARGEST_GROUP", 2)
    monkeypatch.setattr(duplicate_search, "LARGEST_BLOCK", 2)
    await organisations(world, *({"name": name, "site": "centre.ru"} for name in ("Агат", "Берилл", "Циркон")))
    assert await found(world) == FoundPairs(new=0, known=0, passed_over=1)


async def test_what_was_decided_is_remembered(world: World) -> None:
    one, other = await organisations(world, {"name": "Ромашка"}, {"name": "ООО Ромашка"})
    await found(world)
    (pair,) = await queue(world)
    author = await world.operator()
    async with world.transaction() as session:
        assert (await open_pair(session, pair.id)).other == "ООО Ромашка"
        await not_duplicates(session, one_id=other, other_id=one, now=NOON, author_id=author)
        assert (await session.scalars(select(AuditEntry.user_id).where(AuditEntry.action == NOT_DUPLICATE))).all() == [
            author
        ]
    assert await queue(world) == []
    assert await found(world) == FoundPairs(new=0, known=1, passed_over=0)
    async with world.database.reading() as session:
        with pytest.raises(NotFound) as decided:
            await open_pair(session, pair.id)
        assert decided.value.code == "duplicate.unknown"


async def test_a_merge_takes_the_pair_off_the_queue_and_its_undoing_brings_it_back(world: World) -> None:
    one, other, third = await organisations(world, {"name": "Ромашка"}, {"name": "ООО Ромашка"}, {"name": "АО Ромашка"})
    await found(world)
    assert len(await queue(world)) == 3
    async with world.transaction() as session:
        made = await merge(session, survivor_id=one, duplicate_id=other, now=NOON)
    assert [(row.one_id, row.other_id) for row in await queue(world)] == [(one, third)]
    assert (await found(world)).new == 0
    async with world.transaction() as session:
        assert [(row.survivor, row.duplicate, row.undone_at) for row in await merges(session)] == [
            ("Ромашка", "ООО Ромашка", None)
        ]
        await undo(session, merge_id=made.id, now=NOON + timedelta(minutes=1))
    assert len(await queue(world)) == 3


async def test_what_was_found_of_two_as_one_goes_with_whom_it_is_of(world: World) -> None:
    """Of two that were one: the number, site or name that is the duplicate's is no ground for the survivor's pair."""
    survivor, duplicate, number, site, own = await organisations(
        world,
        {"name": "Ромашка", "email": "a@b.ru"},
        {"name": "Лютик", "site": "lutik.ru"},
        {"name": "Осока"},
        {"name": "Камыш", "site": "lutik.ru"},
        {"name": "Клевер", "email": "a@b.ru"},
    )
    async with world.transaction() as session:
        for organisation_id in (duplicate, number):
            session.add(PhoneNumber(organisation_id=organisation_id, e164="+73420000099"))
        made = await merge(session, survivor_id=survivor, duplicate_id=duplicate, now=NOON)
    assert (await found(world)).new == 3
    assert {(row.one_id, row.other_id) for row in await queue(world)} == {
        (survivor, each) for each in (number, site, own)
    }
    async with world.transaction() as session:
        await session.execute(update(Organisation).where(Organisation.id == site).values(domain_key=""))
        await undo(session, merge_id=made.id, now=NOON + timedelta(minutes=1))
    assert {(row.one_id, row.other_id, row.ground) for row in await queue(world)} == {
        (survivor, duplicate, Ground.NAME), (duplicate, number, Ground.PHONE), (survivor, own, Ground.EMAIL),
    }  # fmt: skip
