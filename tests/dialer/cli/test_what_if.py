"""`dialer campaigns simulate`: other rules, tried on calls of the last days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from python_calamine import CalamineWorkbook
from sqlalchemy import func, select

from crm.audit import AuditEntry
from crm.calls.attempts import Result, finish, mark_invited, open_attempt
from crm.clientele.clients import Client
from crm.database import Database
from crm.day.day_plan import build, claim_next
from crm.group import Group
from crm.preparation.campaigns import change_campaign, get_campaign
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import build_world
from tests.dialer.cli.conftest import Dialer, on_database

NINE = (datetime.now(UTC) - timedelta(days=3)).replace(hour=9, minute=0, second=0, microsecond=0)


async def some_calls(database: Database) -> int:
    """Nobody reached at nine, the same client a quarter of an hour later with no more luck, another client the next
    day; returns how much was noted in the audit."""
    world = await build_world(database)
    anna, client_id = await world.operator(), await world.client()
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_campaign(session, campaign=campaign, now=NINE, calls_on_days_off=True)
    for at in (NINE, NINE + timedelta(minutes=15)):
        attempt_id = await world.call(client_id, anna, result=Result.BUSY, at=at)
        await world.outcome(attempt_id, OutcomeForm("no_contact"), anna, at=at + timedelta(minutes=1))
    await world.outcome(
        await world.call(await world.client("Альфа"), anna, at=NINE + timedelta(days=1)),
        OutcomeForm("cold", reason="дорого"), anna, at=NINE + timedelta(days=1, minutes=5),
    )  # fmt: skip
    return await noted(database)


async def a_planned_day(database: Database) -> None:
    """A warm client before noon and a cold one after it, as the plan gave them."""
    world = await build_world(database)
    anna = await world.operator()
    day = NINE.replace(hour=0)
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_campaign(session, campaign=campaign, now=day, calls_on_days_off=True, time_zone="UTC")
    for name, group in (("Тёплый", Group.WARM), ("Холодный", Group.COLD)):
        client_id = await world.client(name, group=group, time_zone="UTC")
        async with world.transaction() as session:
            (await session.get_one(Client, client_id)).created_at = day - timedelta(days=9)
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=day.date(), now=day)
    for hours in (2.5, 3.5):
        at = NINE + timedelta(hours=hours)
        async with world.transaction() as session:
            entry = await claim_next(session, operator_id=anna, now=at, lease_s=900)
            assert entry is not None
            attempt_id = (
                await open_attempt(session, plan_entry_id=entry.id, phone_number_id=None, operator_id=anna, now=at)
            ).id
            await mark_invited(session, attempt_id=attempt_id, now=at)
            await finish(session, attempt_id=attempt_id, result=Result.NO_ANSWER, now=at + timedelta(seconds=30))
        await world.outcome(attempt_id, OutcomeForm("no_contact"), anna, at=at + timedelta(minutes=1))


async def noted(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(AuditEntry)) or 0


def test_what_would_have_been_is_told_and_written_and_nothing_is_saved(
    dialer: Dialer, office: Path, tmp_path: Path
) -> None:
    before = on_database(office, some_calls)
    simulate = ("campaigns", "simulate", "Вентиляция", "-c", office)
    said = dialer(*simulate)
    assert said.code == 0, said.err
    assert "Nothing would have been otherwise." in said.out
    said = dialer(*simulate, "--attempts-a-day", "1", "--csv", tmp_path / "a.csv", "--xlsx", tmp_path / "a.xlsx")
    assert said.code == 0, said.err
    assert "1 client differs." in said.out
    attempts = next(line for line in said.out.splitlines() if line.startswith("Attempts"))
    assert attempts.split() == ["Attempts", "3", "2", "1", "3", "0"]
    written = (tmp_path / "a.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(written) == 2
    assert "Северный ветер;at another time" in written[1]
    rows = CalamineWorkbook.from_path(str(tmp_path / "a.xlsx")).get_sheet_by_index(0).to_python()
    assert rows[1][1:3] == ["Северный ветер", "at another time"]
    said = dialer(*simulate, "--retry", "busy=0")
    assert "There is no next try by itself" in said.out
    assert on_database(office, noted) == before


def test_the_order_of_the_plan_is_tried(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    on_database(office, a_planned_day)
    simulate = ("campaigns", "simulate", "Вентиляция", "-c", office)
    said = dialer(*simulate, "--group-order", "cold,warm", "--csv", tmp_path / "a.csv")
    assert said.code == 0, said.err
    assert "2 clients differ." in said.out
    assert "The order of the plan brings others first, or this client then." in said.out
    written = (tmp_path / "a.csv").read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(";")[1:3] for line in written[1:]] == [
        ["Тёплый", "at another time"], ["Холодный", "at another time"],
    ]  # fmt: skip
    said = dialer(*simulate, "--calls-a-day", "1")
    assert "1 client differs." in said.out
    said = dialer(*simulate, "--calls-a-day", "0", "--owner-keeps", "never", "--away-keeps", "--shares-by", "source")
    assert "Nothing would have been otherwise." in said.out


def test_what_cannot_be_is_said_in_words(dialer: Dialer, office: Path) -> None:
    on_database(office, some_calls)
    simulate = ("campaigns", "simulate", "Вентиляция", "-c", office)
    for words, told in (
        (("--first", "2026-05-02", "--last", "2026-05-01"), "Only days that are over can be tried"),
        (("--first", "2025-01-01", "--last", "2025-12-31"), "At most 92 days"),
        (("--attempts-a-day", "0"), "at least one attempt a day"),
        (("--from", "19:00"), "Calling hours must begin before they end."),
        (("--retry", "busy:cold=9"), "After this outcome nobody is tried again."),
    ):
        said = dialer(*simulate, *words)
        assert said.code == 1
        assert told in said.err
    for wrong in ("busy", "tired=5", "busy=soon", "busy=5+", "busy=5+noon"):
        assert dialer(*simulate, "--retry", wrong).code == 2
