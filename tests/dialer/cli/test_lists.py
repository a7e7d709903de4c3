"""`dialer lists`: a campaign whose lists must be approved is started from the command line."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from sqlalchemy import select, update

from config.settings import load_settings
from crm.audit import LIST_STATE_SET, AuditEntry
from crm.database import Database
from crm.day.day_plan import build
from crm.importing.tables import read_table
from crm.preparation.campaigns import Campaign
from tests.crm.builders import NOON
from tests.dialer.cli.conftest import Dialer, Said

CAMPAIGN = "First campaign"


def lists(dialer: Dialer, office: Path, action: str, *words: str) -> Said:
    return dialer("lists", action, *words, "-c", office)


@pytest.fixture
def strict_office(dialer: Dialer, office: Path, tmp_path: Path) -> Path:
    """An office whose campaign asks for approval; the list "spring" holds one client."""
    file = tmp_path / "firms.csv"
    file.write_text("list;name;city;phone\nspring;Северный ветер;Пермь;8 (342) 000-12-34\n")
    assert dialer("import", file, "--campaign", CAMPAIGN, "-c", office).code == 0
    asyncio.run(_ask_for_approval(office))
    return office


async def _ask_for_approval(config: Path) -> None:
    database = Database(load_settings(config, {}).database_url)
    async with database.transaction() as session:
        await session.execute(update(Campaign).values(lists_need_approval=True))
    await database.dispose()


def planned(config: Path) -> int:
    """How many clients come into the plan of today."""

    async def plan() -> int:
        database = Database(load_settings(config, {}).database_url)
        try:
            async with database.transaction() as session:
                now = NOON
                campaign = (await session.scalars(select(Campaign))).one()
                return await build(session, campaign_id=campaign.id, day=now.date(), now=now)
        finally:
            await database.dispose()

    return asyncio.run(plan())


def audited(config: Path) -> list[dict[str, str]]:
    async def read() -> list[dict[str, str]]:
        database = Database(load_settings(config, {}).database_url)
        try:
            async with database.reading() as session:
                noted = select(AuditEntry.details).where(AuditEntry.action == LIST_STATE_SET).order_by(AuditEntry.id)
                return list(await session.scalars(noted))
        finally:
            await database.dispose()

    return asyncio.run(read())


def test_nobody_is_called_before_the_list_is_approved(dialer: Dialer, strict_office: Path) -> None:
    assert planned(strict_office) == 0
    said = lists(dialer, strict_office, "submit", "spring", "--campaign", CAMPAIGN)
    assert (said.code, said.out.strip()) == (0, "The list “spring” is now: submitted.")
    assert planned(strict_office) == 0
    said = lists(dialer, strict_office, "approve", "spring", "--campaign", CAMPAIGN, "--by", "Ирина Заказчикова")
    assert (said.code, said.out.strip()) == (0, "The list “spring” is now: approved.")
    assert planned(strict_office) == 1
    assert [(entry["was"], entry["now"], entry["by"]) for entry in audited(strict_office)] == [
        ("draft", "submitted", ""),
        ("submitted", "approved", "Ирина Заказчикова"),
    ]


def test_the_lists_are_shown_with_state_and_signature(dialer: Dialer, strict_office: Path) -> None:
    lists(dialer, strict_office, "approve", "spring", "--campaign", CAMPAIGN, "--by", "Ирина Заказчикова")
    for words in ((), ("--campaign", CAMPAIGN)):
        said = lists(dialer, strict_office, "list", *words)
        rows = [re.split(r"  +", line) for line in said.out.splitlines()]
        assert rows == [
            ["campaign", "list", "clients", "state", "approved by"],
            [CAMPAIGN, "spring", "1", "approved", "Ирина Заказчикова"],
        ]
    lists(dialer, strict_office, "return", "spring", "--campaign", CAMPAIGN)
    assert re.search(r"spring +1 +returned +-$", lists(dialer, strict_office, "list").out, re.MULTILINE)


@pytest.mark.parametrize(
    ("action", "words", "reason"),
    [
        ("return", ("spring", "--campaign", CAMPAIGN), "A call list that is draft cannot become returned."),
        ("submit", ("autumn", "--campaign", CAMPAIGN), "There is no such call list."),
        ("submit", ("spring", "--campaign", "Другая"), "There is no campaign “Другая”."),
        ("list", ("--campaign", "Другая"), "There is no campaign “Другая”."),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    dialer: Dialer, strict_office: Path, action: str, words: tuple[str, ...], reason: str
) -> None:
    said = lists(dialer, strict_office, action, *words)
    assert (said.code, said.err.strip()) == (1, reason)
    assert audited(strict_office) == []


def test_an_approval_names_who_gave_it(dialer: Dialer, strict_office: Path) -> None:
    assert lists(dialer, strict_office, "approve", "spring", "--campaign", CAMPAIGN).code == 2
    assert planned(strict_office) == 0


def test_a_list_goes_to_the_customer_and_comes_back_marked(dialer: Dialer, strict_office: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.csv"
    more.write_text("list;name;city;phone\nspring;Южный ветер;Пермь;8 (342) 000-12-35\n")
    assert dialer("import", more, "--campaign", CAMPAIGN, "-c", strict_office).code == 0
    file = tmp_path / "spring.xlsx"
    said = lists(dialer, strict_office, "export", "spring", str(file), "--campaign", CAMPAIGN)
    assert (said.code, said.out) == (0, f"2 clients of “spring” are in {file}.\n")
    table = read_table(file)
    back = tmp_path / "back.csv"
    marks = {"Северный ветер": "yes", "Южный ветер": "no"}
    rows = [f"{row.cells[0]};{marks[row.cells[1]]};our partner" for row in table.rows]
    back.write_text("\n".join(["No.;Call them?;Remarks", *rows]))
    said = lists(dialer, strict_office, "marks", "spring", str(back), "--campaign", CAMPAIGN, "--by", "Орлова")
    assert said.out.splitlines() == [
        "Agreed: 1; taken off the list: 1; without a mark: 0.",
        "The list “spring” is now: approved.",
    ]
    assert planned(strict_office) == 1
    said = lists(dialer, strict_office, "marks", "spring", str(back), "--campaign", CAMPAIGN, "--by", "Орлова")
    assert (said.code, said.err) == (1, "The list “spring” has been approved already; return it first.\n")
    said = lists(dialer, strict_office, "return", "spring", "--campaign", CAMPAIGN, "--remarks", "one more look")
    assert audited(strict_office)[-1]["remarks"] == "one more look"
