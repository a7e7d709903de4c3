"""Filters are saved by a name, for oneself or for everybody."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from crm.audit import FILTER_REMOVED, FILTER_SAVED, AuditEntry
from crm.care.saved_filters import SavedFilter, filter_named, filters_seen_by, remove_filter, save_filter
from crm.errors import Conflict, CrmError, NotAllowed, NotFound
from crm.group import Group
from crm.reading.client_list import ClientFilters
from tests.crm.builders import NOON, World

HOT = ClientFilters(group=Group.HOT)


async def save(world: World, name: str, filters: ClientFilters = HOT, **fields: Any) -> int:
    async with world.transaction() as session:
        return (await save_filter(session, name=name, filters=filters, now=NOON, **fields)).id


async def seen(world: World, user_id: int | None) -> list[str]:
    async with world.database.reading() as session:
        return [each.name for each in await filters_seen_by(session, user_id)]


async def test_a_filter_narrows_as_it_did_when_it_was_saved(world: World) -> None:
    anna = await world.operator()
    whole = ClientFilters("ветер", world.campaign_id, world.call_list_id, Group.WARM, anna)
    await save(world, " Мои  тёплые ", whole, owner_id=anna)
    await save(world, "Ничьи", ClientFilters(owner_id=0), owner_id=anna)
    async with world.database.reading() as session:
        assert (await filter_named(session, name="мои теплые", user_id=anna)).filters == whole
        assert (await filter_named(session, name="Ничьи", user_id=anna)).filters == ClientFilters(owner_id=0)


async def test_a_private_one_is_seen_by_its_owner_alone(world: World) -> None:
    anna, egor = await world.operator("Анна"), await world.operator("Егор")
    own = await save(world, "Мои", owner_id=anna)
    await save(world, "Мои", owner_id=egor)
    await save(world, "Общий", owner_id=anna, shared=True)
    assert (await seen(world, anna), await seen(world, None)) == (["Мои", "Общий"], ["Общий"])
    async with world.transaction() as session:
        with pytest.raises(NotFound, match="There is no filter") as unknown:
            await remove_filter(session, filter_id=own, now=NOON, user_id=egor, sets_rules=True)
        assert unknown.value.code == "filter.unknown"
        await remove_filter(session, filter_id=own, now=NOON, user_id=anna, sets_rules=False)
    assert (await seen(world, anna), await seen(world, egor)) == (["Общий"], ["Мои", "Общий"])


async def test_a_shared_one_is_removed_by_its_owner_or_whoever_sets_rules(world: World) -> None:
    anna, egor = await world.operator("Анна"), await world.operator("Егор")
    shared = await save(world, "Общий", owner_id=anna, shared=True)
    async with world.transaction() as session:
        with pytest.raises(NotAllowed) as refused:
            await remove_filter(session, filter_id=shared, now=NOON, user_id=egor, sets_rules=False)
        assert refused.value.code == "filter.not_yours"
        await remove_filter(session, filter_id=shared, now=NOON, user_id=egor, sets_rules=True)
        noted = await session.execute(select(AuditEntry.action, AuditEntry.user_id).order_by(AuditEntry.id))
        assert [tuple(row) for row in noted][-2:] == [(FILTER_SAVED, anna), (FILTER_REMOVED, egor)]


async def test_what_cannot_be_saved(world: World) -> None:
    anna, egor = await world.operator("Анна"), await world.operator("Егор")
    await save(world, "Горячие", owner_id=anna)
    await save(world, "Общие", owner_id=anna, shared=True)
    for code, name, filters, shared in (
        ("filter.needs_name", " ", HOT, False),
        ("filter.narrows_nothing", "Все", ClientFilters(), False),
        ("filter.exists", "ГОРЯЧИЕ", HOT, False),
        ("filter.exists", "общие", HOT, False),
        ("filter.exists", "горячие", HOT, True),  # she would see two of that name
    ):
        with pytest.raises(CrmError) as refused:
            await save(world, name, filters, owner_id=anna if not shared else egor, shared=shared)
        assert refused.value.code == code


async def test_the_database_itself_keeps_names_apart(world: World) -> None:
    fields = {"name": "А", "name_folded": "а", "narrowing": {"text": "а"}, "created_at": NOON}
    await save(world, "а", shared=True)
    for shared, owner_id in ((True, None), (False, None)):
        with pytest.raises(IntegrityError):
            async with world.transaction() as session:
                session.add(SavedFilter(shared=shared, owner_id=owner_id, **fields))


async def test_two_who_share_the_same_name_are_told(world: World) -> None:
    await save(world, "Горячие", shared=True)
    with pytest.raises(Conflict):
        await save(world, "Горячие", shared=True)
