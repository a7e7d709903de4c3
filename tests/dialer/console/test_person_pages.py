"""Handing out all that is held on a person, from the client's page."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta

from sqlalchemy import select

from crm.audit import PERSON_EXPORTED, AuditEntry
from crm.base.people import Person
from crm.care.erasures import erase_person
from crm.database import Database
from crm.wrap_up.outcomes import OutcomeForm
from recordings.store import LocalStore
from tests.dialer.console.conftest import SignIn
from tests.dialer.console.seed import CLIENTS, NOW, Office, seed_call, seed_recording


async def test_a_zip_with_everything_and_the_recordings(
    office: Office, database: Database, store: LocalStore, signed_in: SignIn
) -> None:
    at = NOW - timedelta(hours=1)
    async with database.reading() as session:
        wanted = select(Person.id).where(Person.organisation_id == office.organisations[3], Person.decides)
        person_id = (await session.scalars(wanted)).one()
    form = OutcomeForm(disposition="warm", person_id=person_id, summary="хочет расчёт <b>к пятнице</b>")
    attempt_id = await seed_call(database, office, client=3, at=at, form=form)
    path = await seed_recording(database, store, attempt_id, at)
    maria = await signed_in("maria")
    assert f"/people/{person_id}/export" in await maria.text(f"/clients/{office.clients[3]}")
    konst = await signed_in("konst")
    assert "/export" not in await konst.text(f"/clients/{office.clients[3]}")
    response = await maria.post_form(f"/people/{person_id}/export")
    assert response.status == 200
    with zipfile.ZipFile(io.BytesIO(await response.read())) as archive:
        assert sorted(archive.namelist()) == ["person.html", "person.json", f"recordings/{attempt_id}.wav"]
        assert archive.read(f"recordings/{attempt_id}.wav") == path.read_bytes()
        assert json.loads(archive.read("person.json"))["contacts"][0]["summary"] == form.summary
        assert "хочет расчёт &lt;b&gt;к пятнице&lt;/b&gt;" in archive.read("person.html").decode()
    async with database.reading() as session:
        noted = (await session.scalars(select(AuditEntry).where(AuditEntry.action == PERSON_EXPORTED))).one()
    assert (noted.user_id, noted.subject) == (office.users["maria"], f"person:{person_id}")


async def test_a_recording_that_is_gone_is_named(
    office: Office, database: Database, store: LocalStore, signed_in: SignIn
) -> None:
    at = NOW - timedelta(hours=1)
    form = OutcomeForm(disposition="warm", person_id=1, summary="хочет расчёт к пятнице")
    attempt_id = await seed_call(database, office, client=0, at=at, form=form)
    (await seed_recording(database, store, attempt_id, at)).unlink()
    admin = await signed_in("admin")
    response = await admin.post_form("/people/1/export")
    with zipfile.ZipFile(io.BytesIO(await response.read())) as archive:
        assert f"recordings/{attempt_id}.wav" in archive.read("missing.txt").decode()
    assert (await admin.post_form("/people/999/export")).status == 404


async def test_an_administrator_erases_after_typing_the_name(
    office: Office, database: Database, store: LocalStore, signed_in: SignIn
) -> None:
    at = NOW - timedelta(hours=1)
    form = OutcomeForm(disposition="warm", person_id=1, summary="хочет расчёт к пятнице")
    attempt_id = await seed_call(database, office, client=0, at=at, form=form)
    path = await seed_recording(database, store, attempt_id, at)
    maria, admin = await signed_in("maria"), await signed_in("admin")
    page = f"/clients/{office.clients[0]}"
    assert "/erase" not in await maria.text(page)
    assert "Петрова Анна Сергеевна" in await admin.text(page)
    fields = {"person": "1", "reason": "письмо"}
    wrong = await admin.post_form(f"{page}/erase", name="Петрова", **fields)
    assert wrong.status == 400
    assert path.exists()
    of_other = await admin.post_form(f"/clients/{office.clients[1]}/erase", name="Петрова Анна Сергеевна", **fields)
    assert of_other.status == 404
    done = await admin.post_form(f"{page}/erase", name="Петрова Анна Сергеевна", **fields)
    assert done.status == 303
    shown = await admin.text(page)
    assert "Петрова" not in shown
    assert "Стёрто" in shown
    assert "Erased" not in shown
    assert not path.exists()
    assert (await admin.get(f"/recordings/{attempt_id}.wav")).status == 404
    assert "стёрта по просьбе" in await admin.text(f"/calls/{attempt_id}")
    whole = await admin.post_form(f"{page}/erase", name=CLIENTS[0][0], person="", reason="письмо")
    assert whole.status == 303
    assert "Северный" not in await admin.text(page)


async def test_an_erased_person_is_offered_nowhere_and_named_in_the_readers_language(
    signed_in: SignIn, office: Office, database: Database
) -> None:
    form = OutcomeForm(disposition="cold", reason="Дорого", person_name="Петрова Анна Сергеевна", person_decides=True)
    attempt_id = await seed_call(database, office, client=0, at=NOW, form=form)
    async with database.transaction() as session:
        person = await session.scalar(select(Person).where(Person.full_name == "Петрова Анна Сергеевна"))
        assert person is not None
        await erase_person(
            session, person_id=person.id, reason="письмо", now=NOW, region="RU", author_id=office.users["admin"]
        )
        person_id = person.id
    admin = await signed_in("admin")
    page = await admin.text(f"/clients/{office.clients[0]}")
    assert "Стёрто</option>" not in page
    assert f"/people/{person_id}/export" not in page
    for shown in (page, await admin.text(f"/calls/{attempt_id}")):
        assert "Erased" not in shown
        assert "Петрова" not in shown
    assert "Стёрто" in await admin.text(f"/calls/{attempt_id}")
