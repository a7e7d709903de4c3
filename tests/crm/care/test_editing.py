"""Organisations, people and numbers are changed, and nothing that somebody else wrote is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.audit import NUMBER_SET, ORGANISATION_CHANGED, PERSON_SET, AuditEntry
from crm.base.organisations import hold_organisations
from crm.base.people import people_at
from crm.base.phone_numbers import NumberState, numbers_of
from crm.care.editing import add_numbers, change_number, change_organisation, set_person
from crm.errors import Conflict, NotFound, Refused
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World
from tests.crm.overlap import overlap


@pytest.fixture
async def organisation_id(world: World) -> int:
    return (await world.get_client(await world.client(phones=1))).organisation_id


async def audited(world: World, action: str) -> list[dict[str, Any]]:
    async with world.database.reading() as session:
        found = select(AuditEntry.details).where(AuditEntry.action == action).order_by(AuditEntry.id)
        return list(await session.scalars(found))


async def test_an_organisation_is_changed_once_by_each(world: World, organisation_id: int) -> None:
    async with world.transaction() as session:
        seen: dict[str, Any] = {"organisation_id": organisation_id, "now": NOON}
        changed = await change_organisation(session, **seen, version=1, name="АО «Ветер»", city="Пермь", headcount=9)
        assert (changed.version, changed.name_key, changed.headcount) == (2, "ветер", 9)
        with pytest.raises(Conflict) as meanwhile:
            await change_organisation(session, **seen, version=1, city="Омск")
        assert meanwhile.value.code == "record.changed_meanwhile"
        with pytest.raises(Refused) as nameless:
            await change_organisation(session, **seen, version=2, name=" ")
        assert nameless.value.code == "organisation.needs_name"
        with pytest.raises(Refused) as nowhere:
            await change_organisation(session, **seen, version=2, time_zone="Mars")
        assert nowhere.value.code == "time_zone.unknown"
        await change_organisation(session, **seen, version=2, city="Пермь")
    assert await audited(world, ORGANISATION_CHANGED) == [
        {"name": ["Северный ветер", "АО «Ветер»"], "city": ["", "Пермь"], "headcount": [None, 9]}
    ]


async def test_people_are_added_and_changed(world: World, organisation_id: int) -> None:
    async with world.transaction() as session:
        seen: dict[str, Any] = {"organisation_id": organisation_id, "now": NOON}
        person = await set_person(session, **seen, person_id=None, full_name=" Петрова  Анна ", position="директор")
        await set_person(session, **seen, person_id=person.id, version=1, full_name="Сёмина Анна", decides=True)
        assert [
            (each.full_name, each.name_folded, each.decides) for each in await people_at(session, organisation_id)
        ] == [("Сёмина Анна", "семина анна", True)]
        with pytest.raises(Conflict):
            await set_person(session, **seen, person_id=person.id, version=1, note="в отпуске")
        with pytest.raises(NotFound):
            await set_person(session, organisation_id=99, now=NOON, person_id=person.id, version=2)
        with pytest.raises(Refused):
            await set_person(session, **seen, person_id=person.id, version=2, full_name="")
    noted = await audited(world, PERSON_SET)
    assert noted[0]["full_name"] == [None, "Петрова Анна"]
    assert noted[1] == {"person": 1, "full_name": ["Петрова Анна", "Сёмина Анна"], "decides": [False, True]}


async def test_who_decided_in_a_main_contact_goes_on_deciding(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    person_id = await world.person(client_id)
    attempt_id = await world.call(client_id, operator)
    form = OutcomeForm("warm", person_id=person_id, summary="Говорили о вентиляции")
    await world.outcome(attempt_id, form, operator, at=NOON + timedelta(minutes=5))
    client = await world.get_client(client_id)
    with pytest.raises(Refused) as refused:
        async with world.transaction() as session:
            await set_person(
                session, organisation_id=client.organisation_id, person_id=person_id, decides=False, now=NOON
            )
    assert refused.value.code == "person.decides_by_contact"


async def test_numbers_are_added_once_and_marked_dead(world: World, organisation_id: int) -> None:
    async with world.transaction() as session:
        (known,) = await numbers_of(session, organisation_id)
        written = f"{known.e164}, 8 342 200-77-77 доб. 5"
        (added,) = await add_numbers(session, organisation_id=organisation_id, written=written, now=NOON)
        assert (added.e164, added.extension, added.rank) == ("+73422007777", "5", 1)
        seen: dict[str, Any] = {"organisation_id": organisation_id, "number_id": added.id, "now": NOON}
        await change_number(session, **seen, version=1, state="dead", rank=7)
        assert (await numbers_of(session, organisation_id))[1].state is NumberState.DEAD
        with pytest.raises(Conflict):
            await change_number(session, **seen, version=1, state="ok")
        with pytest.raises(NotFound):
            await change_number(session, **{**seen, "organisation_id": 99}, version=2)
    assert [each.get("state") for each in await audited(world, NUMBER_SET)] == [None, ["ok", "dead"]]


async def test_two_who_add_the_same_number_at_once_add_it_once(world: World, organisation_id: int) -> None:
    async def add(session: AsyncSession) -> int:
        return len(await add_numbers(session, organisation_id=organisation_id, written="8 342 200-77-77", now=NOON))

    assert await overlap(world.database, add, add) == (1, 0)


async def test_who_adds_somebody_has_the_organisation_for_themselves(world: World, organisation_id: int) -> None:
    """As whoever changes people, or looks for who is there already."""

    async def add(session: AsyncSession) -> None:
        await set_person(session, organisation_id=organisation_id, person_id=None, full_name="Петрова Анна", now=NOON)

    async def count(session: AsyncSession) -> int:
        await hold_organisations(session, [organisation_id])
        return len(await people_at(session, organisation_id))

    assert await overlap(world.database, add, count) == (None, 1)
