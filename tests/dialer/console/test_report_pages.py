"""Reports on their page and as a file."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest

from crm.database import Database
from crm.wrap_up.outcomes import OutcomeForm
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import NOW, Office, seed_call


@pytest.fixture
async def maria(signed_in: SignIn, office: Office) -> Browser:
    return await signed_in("maria")


async def sheet(browser: Browser, path: str) -> list[list[str]]:
    """The cells of all rows, without the column of bars."""
    rows = re.findall(r"<tr>(.*?)</tr>", await browser.text(path), re.S)
    return [
        [html.unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.S)]
        for row in rows
    ]


async def test_groups_are_counted_with_their_shares(maria: Browser) -> None:
    rows = [row[:3] for row in await sheet(maria, "/reports")]
    assert rows[0] == ["Группа", "Организации", "Доля, %"]
    assert rows[-1] == ["Всего", "6", ""]
    assert {row[0]: row[2] for row in rows[1:-1]}["Тёплый"] == "16,67"
    assert sum(int(row[1]) for row in rows[1:-1]) == 6


async def test_contacts_stand_in_their_month(maria: Browser, office: Office, database: Database) -> None:
    form = OutcomeForm(disposition="cold", reason="Дорого", person_name="Петров Пётр", summary="Директор в отпуске")
    await seed_call(database, office, client=3, at=NOW - timedelta(hours=1), form=form)
    rows = await sheet(maria, "/reports?report=contacts&from=2026-04-01&to=2026-05-31")
    assert rows[0][:2] == ["Отрасль", "Без даты"]
    assert rows[0][2:] == ["апрель 2026", "май 2026", "Всего"]
    assert rows[-3][1:] == ["", "", "1", "1"]
    assert (await sheet(maria, "/reports?report=contacts&from=2026-03-01&to=2026-03-31")) == []


async def test_a_report_is_downloaded(maria: Browser) -> None:
    response = await maria.get("/reports.csv?report=groups")
    assert response.headers["Content-Disposition"] == 'attachment; filename="groups.csv"'
    lines = (await response.read()).decode("utf-8-sig").splitlines()
    assert lines[0] == "Группа;Организации;Доля, %"
    assert lines[-1] == "Всего;6;"


async def test_what_cannot_be_read_in_the_address_is_passed_over(maria: Browser) -> None:
    for nonsense in ("report=x", "campaign=²", "list=" + "9" * 30, "from=x&to=2026-99-99", "attribute=" + "я" * 500):
        assert (await maria.get(f"/reports?{nonsense}")).status == 200
    assert (await maria.get("/reports?campaign=999")).status == 404
    assert (await maria.get("/reports?report=contacts&from=2026-05-02&to=2026-05-01")).status == 422
    assert (await maria.get("/reports.csv?report=contacts&from=2026-05-02&to=2026-05-01")).status == 422
