"""Files on their way into a campaign, as tests bring them in, take them back and break them off."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from crm.audit import AuditEntry
from crm.base.organisations import Organisation
from crm.clientele.clients import Client
from crm.importing.carrying_on import carry_on
from crm.importing.confirming import begin_confirming
from crm.importing.imports import Import, ImportRow, RowUndone
from crm.importing.keeping import bring_in
from crm.importing.mapping import guess_mapping
from crm.importing.staging import Choices, Tried, try_out
from crm.importing.tables import Table, read_table
from crm.importing.undoing import UndoReport, begin_undoing, undo_report
from crm.preparation.campaigns import Campaign, get_campaign
from tests.crm.builders import NOON, World

LATER = NOON + timedelta(days=1)
FILE = (
    "list;code;name;phone;group;person;city;source\n"
    "spring;1;Альфа;8 (342) 000-10-01;warm;Иванов Иван;Пермь;2GIS\n"
    "spring;2;Бета;8 (342) 000-10-02;;;;\n"
    "spring;1;Альфа;8 (342) 000-10-11;;Петров Пётр;;\n"  # the first row's client, met again
    "spring;3;;8 (342) 000-10-03;;;;\n"
).encode()


def file_of(rows: int) -> bytes:
    """So many clients, every third in a group, and after each hundred the first of them again with another number."""
    lines = ["list;code;name;phone;group;person"]
    for number in range(rows):
        again = number % 100 == 99
        of = number - 99 if again else number
        phone = f"8 (342) 1{number // 10000:02}-{number // 100 % 100:02}-{number % 100:02}"
        lines.append(f"spring;f{of};Фирма {of};{phone};{'warm' if number % 3 == 0 else ''};")
    return "\n".join(lines).encode()


def choices(table: Table, **said: Any) -> Choices:
    return Choices(guess_mapping(table.header), **said)


async def staged(world: World, content: bytes = FILE, *, author_id: int | None = None, **said: Any) -> Import:
    table = read_table(content)
    chosen = choices(table, **said)
    return await bring_in(
        world.database, campaign=await campaign_of(world), file_name="firms.csv", content=content, table=table,
        choices=chosen, tried=await tried(world, table, chosen), clock=lambda: NOON, author_id=author_id,
        breathe=at_once,
    )  # fmt: skip


async def campaign_of(world: World) -> Campaign:
    async with world.database.reading() as session:
        return await get_campaign(session, world.campaign_id)


async def tried(world: World, table: Table, chosen: Choices) -> Tried:
    async with world.database.reading() as session:
        campaign = await get_campaign(session, world.campaign_id)
        return await try_out(session, campaign=campaign, table=table, choices=chosen, region="RU", now=NOON)


async def carried_on(world: World, import_id: int, **how: Any) -> Import:
    how.setdefault("breathe", at_once)
    return await carry_on(world.database, import_id, region="RU", clock=lambda: LATER, **how)


async def at_once() -> None:
    """Nobody waits to write."""


async def confirmed(world: World, import_id: int, version: int | None = None) -> Import:
    async with world.transaction() as session:
        await begin_confirming(session, import_id=import_id, version=version, now=NOON)
    return await carried_on(world, import_id)


async def imported(world: World, content: bytes) -> int:
    found = await staged(world, content)
    await confirmed(world, found.id)
    return found.id


async def undone(world: World, import_id: int, version: int | None = None) -> UndoReport:
    async with world.transaction() as session:
        await begin_undoing(session, import_id=import_id, version=version, now=LATER)
    await carried_on(world, import_id)
    async with world.database.reading() as session:
        return await undo_report(session, import_id)


async def kept(world: World, import_id: int) -> list[tuple[int, list[str]]]:
    return [(row.line, row.kept_because) for row in await rows_of(world, import_id) if row.undone is RowUndone.KEPT]


async def whole(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """All that the base holds but of imports and of the audit; versions apart, which only rise."""
    held: dict[str, list[tuple[Any, ...]]] = {}
    async with world.database.reading() as session:
        for name, table in Import.metadata.tables.items():
            if name.startswith("import") or name == "audit_entries":
                continue
            columns = [column for column in table.columns if column.name != "version"]
            held[name] = sorted(map(tuple, await session.execute(select(*columns))), key=repr)
    return held


async def rows_of(world: World, import_id: int) -> list[ImportRow]:
    async with world.database.reading() as session:
        asked = select(ImportRow).where(ImportRow.import_id == import_id).order_by(ImportRow.line)
        return list(await session.scalars(asked))


async def audited(world: World, action: str) -> list[AuditEntry]:
    async with world.database.reading() as session:
        return list(await session.scalars(select(AuditEntry).where(AuditEntry.action == action)))


async def client_named(world: World, name: str) -> Client:
    async with world.database.reading() as session:
        asked = select(Client).join(Organisation, Organisation.id == Client.organisation_id)
        return (await session.scalars(asked.where(Organisation.name == name))).one()


class Crash(RuntimeError):
    """The program ends here."""


def crash_in(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, *, after: int) -> None:
    """Let a function do its work `after` times, and then crash at the end of it."""
    work, calls = getattr(module, name), iter(range(after))

    async def crashing(*given: Any, **named: Any) -> Any:
        found = await work(*given, **named)
        if next(calls, None) is None:
            monkeypatch.setattr(module, name, work)
            raise Crash
        return found

    monkeypatch.setattr(module, name, crashing)
