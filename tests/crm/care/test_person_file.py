"""All that is held on one person, and nothing of others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from crm import audit
from crm.base.do_not_call import ask
from crm.base.phone_numbers import PhoneNumber
from crm.base.whom import Whom
from crm.calls.letters import Channel, note_letter
from crm.calls.recording_facts import exempt_recording
from crm.care.person_file import PersonFile, person_file
from crm.care.personal import surname, traces
from crm.clientele.clients import get_client
from crm.errors import NotFound
from crm.wrap_up.outcomes import OutcomeForm, save_draft
from tests.crm.builders import NOON, World

NAME = "Петрова Анна Сергеевна"
OTHER = "Зуев Иван"


@dataclass(frozen=True)
class Known:
    """Two people of one organisation, each spoken with once; a third call's note tells of the first."""

    operator: int
    person: int
    other: int
    calls: tuple[str, ...]


@pytest.fixture
async def known(world: World) -> Known:
    operator, client_id = await world.operator(), await world.client(phones=1)
    person, other = await world.person(client_id, NAME), await world.person(client_id, OTHER, decides=False)
    forms = (
        OutcomeForm("warm", person_id=person, summary="готова смотреть расчёт", note="любит чай"),
        OutcomeForm("not_main", person_id=other, summary="главного нет на месте"),
        OutcomeForm("no_contact", note="секретарь: с Петровой поговорить нельзя"),
    )
    calls = []
    for number, form in enumerate(forms):
        at = NOON + timedelta(minutes=10 * number)
        calls.append(await world.call(client_id, operator, at=at))
        await world.outcome(calls[-1], form, operator, at=at + timedelta(minutes=3))
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        own = "+79990001122"
        session.add(PhoneNumber(organisation_id=client.organisation_id, person_id=person, e164=own, raw=own, rank=5))
        await exempt_recording(session, attempt_id=calls[0])
        await ask(session, whom=Whom.PERSON, target=person, evidence="сказала сама", now=NOON)
        await note_letter(session, client_id=client_id, channel=Channel.FAX, note="Петровой: прайс", now=NOON)
        audit.note(session, at=NOON, user_id=None, action="test", subject="x:1", details={"to": ["8 (999) 000-11-22"]})
        audit.note(session, at=NOON, user_id=None, action="test", subject="x:2", details={"name": OTHER})
    return Known(operator, person, other, tuple(calls))


async def read(world: World, person_id: int) -> PersonFile:
    async with world.database.reading() as session:
        return await person_file(session, person_id)


async def test_everything_on_the_person_is_found(world: World, known: Known) -> None:
    held = await read(world, known.person)
    assert held.person.full_name == NAME
    assert [number.e164 for number in held.numbers] == ["+79990001122"]
    assert [outcome.note for outcome in held.outcomes] == ["любит чай"]
    assert [attempt.id for attempt in held.attempts] == [known.calls[0]]
    assert [contact.summary for contact in held.contacts] == ["готова смотреть расчёт"]
    assert [recording.attempt_id for recording in held.recordings] == [known.calls[0]]
    assert [request.evidence for request in held.requests] == ["сказала сама"]
    assert {entry.subject for entry in held.audit} >= {"x:1"}
    assert {(each.table, each.column) for each in held.mentions} >= {("outcomes", "note"), ("letters", "note")}


async def test_nothing_on_others_is_in_it(world: World, known: Known) -> None:
    told = str((await read(world, known.person)).as_json())
    assert "Зуев" not in told
    assert "главного нет" not in told
    other = str((await read(world, known.other)).as_json())
    assert "Петров" not in other
    assert "+7999" not in other


async def test_a_draft_that_tells_of_them_is_among_it(world: World, known: Known) -> None:
    attempt_id = await world.call(1, known.operator, at=NOON + timedelta(days=1))
    async with world.transaction() as session:
        await save_draft(session, attempt_id=attempt_id, fields={"note": "передала Петрова"}, now=NOON)
    assert [draft.attempt_id for draft in (await read(world, known.person)).drafts] == [attempt_id]
    assert (await read(world, known.other)).drafts == ()


async def test_nobody_is_not_found(world: World) -> None:
    with pytest.raises(NotFound) as unknown:
        await read(world, 77)
    assert unknown.value.code == "person.unknown"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Петрова Анна Сергеевна", "петрова"), ("Анна Петрова", "петрова"), ("Ким Ли", "ким"), ("Олег", "олег")],
)
def test_the_surname_of_a_name(name: str, expected: str) -> None:
    assert surname(name) == expected


@pytest.mark.parametrize("text", ["с Петровой", "ПЕТРОВУ позвать", "8-999-000-11-22", "тел.+7 (999)0001122 доб.1"])
def test_texts_that_tell_of_somebody(text: str) -> None:
    assert traces(["Петрова Анна"], ["+79990001122"]).are_in(text)
    assert not traces(["Зуев Иван"], ["+79990001123"]).are_in(text)
