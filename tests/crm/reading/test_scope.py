"""Who sees which clients and calls: the office all, whoever calls what may be theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import update

from crm.clientele.clients import Client, get_client
from crm.office.users import Role
from crm.plan.callbacks import agree
from crm.preparation.campaigns import Campaign
from crm.reading.client_list import ClientFilters, clients_page
from crm.reading.scope import EVERYTHING, Scope
from crm.reading.views import calls_page
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World, wall


@dataclass(frozen=True)
class Owned:
    """Anna's and Boris's clients, each with a call of hers and of his, and one of nobody."""

    anna: int
    boris: int


@pytest.fixture
async def owned(world: World) -> Owned:
    anna, boris = await world.operator("Анна"), await world.operator("Борис", Role.EXPERT)
    async with world.transaction() as session:  # who spoke first keeps no client, so that both may call
        await session.execute(update(Campaign).values(owner_keeps_days=0))
    for owner_id, name in ((anna, "Аннина"), (boris, "Борисова"), (None, "Ничья")):
        client_id = await world.client(name)
        for minutes, caller in enumerate((anna, boris)):
            at = NOON + timedelta(minutes=10 * minutes)
            attempt_id = await world.call(client_id, caller, at=at)
            await world.outcome(attempt_id, OutcomeForm("no_contact"), caller, at=at + timedelta(minutes=5))
        async with world.transaction() as session:
            await session.execute(update(Client).where(Client.id == client_id).values(owner_id=owner_id))
    return Owned(anna, boris)


async def seen(world: World, scope: Scope) -> tuple[set[str], set[tuple[str, str]]]:
    """Names of the clients, and (client, operator) of the calls."""
    async with world.database.reading() as session:
        clients = await clients_page(session, filters=ClientFilters(), scope=scope)
        calls = await calls_page(session, scope=scope)
        for row in clients.rows:
            assert await scope.has_client(session, row.client_id)
        for call in calls.rows:
            assert await scope.has_attempt(session, call.attempt_id)
        return {row.organisation for row in clients.rows}, {(row.organisation, row.operator) for row in calls.rows}


ALL = {(client, caller) for client in ("Аннина", "Борисова", "Ничья") for caller in ("Анна", "Борис")}


@pytest.mark.parametrize("role", [Role.MANAGER, Role.CONSULTANT, Role.ADMINISTRATOR, Role.AUDITOR])
async def test_the_office_sees_everything(world: World, owned: Owned, role: Role) -> None:
    someone = await world.operator("Кто-то", role)
    assert await seen(world, Scope(someone, role)) == ({"Аннина", "Борисова", "Ничья"}, ALL)


async def test_whoever_calls_sees_what_may_be_theirs(world: World, owned: Owned) -> None:
    # The clients of others are on nobody's plan after their calls.
    clients, calls = await seen(world, Scope(owned.anna, Role.OPERATOR))
    assert clients == {"Аннина", "Ничья"}
    assert calls == {("Аннина", "Анна"), ("Аннина", "Борис"), ("Борисова", "Анна"), ("Ничья", "Анна")}
    clients, calls = await seen(world, Scope(owned.boris, Role.EXPERT))
    assert clients == {"Борисова", "Ничья"}
    assert calls == {("Борисова", "Борис"), ("Борисова", "Анна"), ("Аннина", "Борис"), ("Ничья", "Борис")}


async def test_what_was_promised_by_them_is_theirs_to_see(world: World, owned: Owned) -> None:
    async with world.transaction() as session:
        found = await clients_page(session, filters=ClientFilters(text="Борисова"), scope=EVERYTHING)
        client_id = found.rows[0].client_id
        client = await get_client(session, client_id)
        await agree(session, client=client, owner_id=owned.anna, local_at=wall("2026-11-30 11:00"), now=NOON)
    anna, other = Scope(owned.anna, Role.OPERATOR), Scope(owned.anna + 100, Role.OPERATOR)
    async with world.database.reading() as session:
        assert await anna.has_client(session, client_id)
        assert not await other.has_client(session, client_id)
        assert not await anna.has_client(session, client_id + 100)
