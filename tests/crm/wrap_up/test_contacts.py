"""What counts as a contact: the domain code and, against plain SQL, the database."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from crm.calls.attempts import Result
from crm.errors import Refused
from crm.text_rules import LETTERS, is_full_name, is_summary
from crm.wrap_up.contacts import Spoken, add_contact, contact_of
from tests.crm.builders import NOON, World

INSERT = text(
    "INSERT INTO contacts (client_id, organisation_id, attempt_id, imported, main, person_id, full_name, summary, at)"
    " VALUES (:client_id, :organisation_id, :attempt_id, :imported, :main, :person_id, :full_name, :summary, :at)"
)


async def row_for(world: World, *, result: Result = Result.ANSWERED, decides: bool = True) -> dict[str, Any]:
    """A row of a main contact after an answered call, as plain SQL would write it."""
    operator = await world.operator()
    client_id = await world.client()
    person_id = await world.person(client_id, decides=decides)
    attempt_id = await world.call(client_id, operator, result=result)
    client = await world.get_client(client_id)
    return {
        "client_id": client_id,
        "organisation_id": client.organisation_id,
        "attempt_id": attempt_id,
        "imported": False,
        "main": True,
        "person_id": person_id,
        "full_name": "Петрова Анна",
        "summary": "",
        "at": NOON if world.database.dialect == "postgresql" else "2026-11-23 09:00:00.000000",
    }


async def insert(world: World, row: dict[str, Any]) -> None:
    async with world.database.engine.begin() as connection:
        await connection.execute(INSERT, row)


async def refuses(world: World, row: dict[str, Any]) -> None:
    with pytest.raises(DBAPIError, match=r"(?i)constraint|violates"):
        await insert(world, row)


async def execute(world: World, statement: str, **values: Any) -> None:
    async with world.database.engine.begin() as connection:
        await connection.execute(text(statement), values)


class TestPlainSql:
    async def test_a_main_contact_is_taken(self, world: World) -> None:
        await insert(world, await row_for(world))

    async def test_a_main_contact_without_a_person_is_refused(self, world: World) -> None:
        await refuses(world, {**await row_for(world), "person_id": None})

    async def test_a_main_contact_with_someone_who_does_not_decide_is_refused(self, world: World) -> None:
        await refuses(world, await row_for(world, decides=False))

    async def test_a_main_contact_with_a_stranger_to_the_organisation_is_refused(self, world: World) -> None:
        elsewhere = await world.person(await world.client("Чужая"))
        await refuses(world, {**await row_for(world), "person_id": elsewhere})

    @pytest.mark.parametrize("result", [Result.BUSY, Result.NO_ANSWER, Result.CANCELLED])
    async def test_an_unanswered_attempt_is_no_contact(self, world: World, result: Result) -> None:
        await refuses(world, await row_for(world, result=result))

    async def test_a_contact_without_attempt_that_was_not_imported_is_refused(self, world: World) -> None:
        await refuses(world, {**await row_for(world), "attempt_id": None})

    async def test_an_imported_contact_needs_no_attempt_and_no_date(self, world: World) -> None:
        await insert(world, {**await row_for(world), "attempt_id": None, "imported": True, "at": None})

    async def test_an_imported_contact_still_needs_its_name_and_summary(self, world: World) -> None:
        row = {**await row_for(world), "attempt_id": None, "imported": True, "main": False}
        await refuses(world, {**row, "full_name": "Петрова", "summary": "Директор в отпуске"})
        await refuses(world, {**row, "summary": "в отпуске"})
        await insert(world, {**row, "summary": "Директор в отпуске"})

    async def test_the_attempt_of_another_client_is_refused(self, world: World) -> None:
        row = await row_for(world)
        other = await world.call(await world.client("Другая"), await world.operator("Борис"))
        await refuses(world, {**row, "attempt_id": other})

    async def test_an_attempt_makes_one_contact(self, world: World) -> None:
        row = await row_for(world)
        await insert(world, row)
        await refuses(world, row)

    async def test_what_a_contact_rests_on_cannot_be_pulled_away(self, world: World) -> None:
        row = await row_for(world)
        await insert(world, row)
        for statement in (
            "UPDATE people SET decides = false WHERE id = :person_id",
            "UPDATE attempts SET talk_seconds = 0 WHERE id = :attempt_id",
            "UPDATE attempts SET talk_seconds = NULL WHERE id = :attempt_id",
            "UPDATE contacts SET person_id = NULL WHERE attempt_id = :attempt_id",
            "UPDATE contacts SET main = false WHERE attempt_id = :attempt_id",
            "UPDATE contacts SET attempt_id = NULL WHERE attempt_id = :attempt_id",
            "DELETE FROM people WHERE id = :person_id",
            "DELETE FROM attempts WHERE id = :attempt_id",
        ):
            values = {name: row[name] for name in ("person_id", "attempt_id") if f":{name}" in statement}
            with pytest.raises(DBAPIError, match=r"(?i)constraint|violates"):
                await execute(world, statement, **values)

    async def test_a_talk_of_no_length_is_no_talk(self, world: World) -> None:
        row = await row_for(world)
        await execute(world, "UPDATE attempts SET talk_seconds = 0 WHERE id = :id", id=row["attempt_id"])
        await refuses(world, row)


NAMES = st.text(st.sampled_from("аЯёЙzQÄ .-1\t\n'\""), max_size=8)
SUMMARIES = st.text(st.sampled_from("абвгдеёжЯZqÄ .,-12\n*[]?%_"), max_size=24)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(full_name=NAMES, summary=SUMMARIES)
async def test_the_database_draws_the_line_where_the_code_does(world: World, full_name: str, summary: str) -> None:
    row = {
        **(await row_for(world)),
        "main": False,
        "imported": True,
        "attempt_id": None,
        "full_name": full_name,
        "summary": summary,
    }
    if is_full_name(full_name) and is_summary(summary):
        await insert(world, row)
    else:
        await refuses(world, row)


@pytest.mark.parametrize(
    ("full_name", "summary", "counts"),
    [
        ("Сидоров Олег", "Директор болеет", True),
        ("Сидоров О.", "Директор болеет", True),
        ("Anna Smith", "abcdefghij", True),
        ("Anna Smith", "abcdefghi", False),
        ("Анна", "Директор болеет", False),
        ("Анна ", "Директор болеет", False),
        ("Анна 5", "Директор болеет", False),
        ("Анна-Мария", "Директор болеет", False),
        ("", "Директор болеет", False),
        ("Сидоров Олег", "1234567890 !!", False),
        ("Ёлкин Юрий", "ёёёёёёёёёё", True),
        ("Խաչատրյան Արամ", "ըըըըըըըըըը", True),
    ],
)
def test_name_and_summary(full_name: str, summary: str, *, counts: bool) -> None:
    assert (is_full_name(full_name) and is_summary(summary)) is counts


def test_every_letter_of_the_ranges_is_a_letter() -> None:
    ranges = [(LETTERS[at], LETTERS[at + 2]) for at in range(0, len(LETTERS), 3)]
    assert all(LETTERS[at + 1] == "-" for at in range(0, len(LETTERS), 3))
    assert all(chr(code).isalpha() for first, last in ranges for code in range(ord(first), ord(last) + 1))


async def test_the_code_says_what_is_missing(world: World) -> None:
    operator = await world.operator()
    client_id = await world.client()
    attempt_id = await world.call(client_id, operator, result=Result.BUSY)
    whole = Spoken(full_name="Сидоров Олег", summary="Директор болеет")
    client = await world.get_client(client_id)
    for spoken, main, code in (
        (Spoken(full_name="Олег", summary="Директор болеет"), None, "contact.needs_full_name"),
        (Spoken(full_name="Сидоров Олег", summary="Болеет"), None, "contact.needs_summary"),
        (whole, True, "contact.needs_decider"),
        (whole, None, "contact.needs_attempt"),
    ):
        with pytest.raises(Refused) as refused:
            async with world.transaction() as session:
                await add_contact(
                    session, client=client, spoken=spoken, at=NOON, author_id=None, attempt_id=attempt_id, main=main
                )
        assert refused.value.code == code
    async with world.database.reading() as session:
        assert await contact_of(session, attempt_id) is None
