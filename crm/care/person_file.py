"""All that is held on one person, to be handed to them or to be erased."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import inspect, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.audit import AuditEntry
from crm.base.do_not_call import DoNotCall
from crm.base.organisations import Organisation, get_organisation
from crm.base.people import Person
from crm.base.phone_numbers import PhoneNumber
from crm.calls.attempts import Attempt
from crm.calls.recording_facts import Recording
from crm.care.erasure_tables import sheet_texts
from crm.care.personal import Traces, attempts_of, clients_of, places, traces
from crm.deals.deals import Deal
from crm.errors import NotFound
from crm.mail.outbox import OutgoingMail
from crm.mapping import Base
from crm.plan.callbacks import Callback
from crm.text_rules import fold
from crm.wrap_up.contacts import Contact
from crm.wrap_up.outcomes import Outcome, OutcomeDraft


@dataclass(frozen=True, slots=True)
class Mention:
    """A text elsewhere that tells of the person."""

    table: str
    row: str
    column: str
    text: str


@dataclass(frozen=True, slots=True)
class PersonFile:
    """The person with everything that is known of them. `attempts` are the calls in which they were spoken with, and
    those to their own numbers; `audit` are the entries about them."""

    person: Person
    organisation: Organisation
    traces: Traces
    numbers: tuple[PhoneNumber, ...]
    attempts: tuple[Attempt, ...]
    outcomes: tuple[Outcome, ...]
    drafts: tuple[OutcomeDraft, ...]
    contacts: tuple[Contact, ...]
    callbacks: tuple[Callback, ...]
    mail: tuple[OutgoingMail, ...]
    requests: tuple[DoNotCall, ...]
    recordings: tuple[Recording, ...]
    deals: tuple[Deal, ...]
    audit: tuple[AuditEntry, ...]
    mentions: tuple[Mention, ...]

    def as_json(self) -> dict[str, Any]:
        """By table the rows as they are stored, moments in ISO 8601; what a person can read and a program too."""
        tables: dict[str, tuple[Any, ...]] = {
            "person": (self.person,),
            "phone_numbers": self.numbers,
            "calls": self.attempts,
            "outcomes": self.outcomes,
            "drafts": self.drafts,
            "contacts": self.contacts,
            "callbacks": self.callbacks,
            "mail": self.mail,
            "do_not_call": self.requests,
            "recordings": self.recordings,
            "deals": self.deals,
            "audit": self.audit,
        }
        told: dict[str, Any] = {name: [_row(each) for each in rows] for name, rows in tables.items()}
        told["mentions"] = [
            {"table": each.table, "row": each.row, "column": each.column, "text": each.text} for each in self.mentions
        ]
        return {"organisation": self.organisation.name, **told}


def _row(mapped: Base) -> dict[str, Any]:
    values = {column.key: getattr(mapped, column.key) for column in inspect(type(mapped)).column_attrs}
    return {
        name: value.isoformat() if isinstance(value, datetime | date | time) else value
        for name, value in values.items()
    }


async def get_person(session: AsyncSession, person_id: int) -> Person:
    """Raises `NotFound`."""
    person = await session.get(Person, person_id)
    if person is None:
        raise NotFound("person.unknown")
    return person


async def person_file(session: AsyncSession, person_id: int) -> PersonFile:
    """Raises `NotFound`."""
    person = await get_person(session, person_id)
    organisation = await get_organisation(session, person.organisation_id)
    numbers = tuple(await session.scalars(select(PhoneNumber).where(PhoneNumber.person_id == person_id)))
    known = traces([person.full_name], [number.e164 for number in numbers])
    outcomes = await _outcomes(session, person)
    attempts = await _attempts(session, outcomes, numbers)
    ids = [attempt.id for attempt in attempts]
    callbacks = await _callbacks(session, organisation.id, known)
    recordings = await session.scalars(select(Recording).where(Recording.attempt_id.in_(ids)).order_by(Recording.id))
    theirs = or_(DoNotCall.person_id == person_id, DoNotCall.e164.in_([number.e164 for number in numbers]))
    requests = tuple(await session.scalars(select(DoNotCall).where(theirs).order_by(DoNotCall.id)))
    loosely = await subjects_of(session, organisation.id)
    subjects = {f"person:{person_id}", *(f"do_not_call:{request.id}" for request in requests)}
    return PersonFile(
        person=person,
        organisation=organisation,
        traces=known,
        numbers=numbers,
        attempts=attempts,
        outcomes=outcomes,
        drafts=await _drafts(session, organisation.id, known),
        contacts=await _contacts(session, person),
        callbacks=callbacks,
        mail=await _mail(session, callbacks, organisation.id, known),
        requests=requests,
        recordings=tuple(recordings),
        deals=tuple(await session.scalars(select(Deal).where(Deal.person_id == person_id).order_by(Deal.id))),
        audit=await entries_about(session, known, subjects=subjects, loosely=loosely),
        mentions=await _mentions(session, organisation.id, known, except_outcomes={each.id for each in outcomes}),
    )


async def _outcomes(session: AsyncSession, person: Person) -> tuple[Outcome, ...]:
    """Those that name the person, by id or by name."""
    of_all = await session.scalars(
        select(Outcome).where(Outcome.attempt_id.in_(attempts_of(person.organisation_id))).order_by(Outcome.id)
    )
    name = fold(person.full_name)
    return tuple(each for each in of_all if each.person_id == person.id or fold(each.full_name) == name)


async def _attempts(
    session: AsyncSession, outcomes: tuple[Outcome, ...], numbers: tuple[PhoneNumber, ...]
) -> tuple[Attempt, ...]:
    spoken = [outcome.attempt_id for outcome in outcomes]
    theirs = or_(Attempt.id.in_(spoken), Attempt.phone_number_id.in_([number.id for number in numbers]))
    return tuple(await session.scalars(select(Attempt).where(theirs).order_by(Attempt.opened_at, Attempt.id)))


async def _drafts(session: AsyncSession, organisation_id: int, known: Traces) -> tuple[OutcomeDraft, ...]:
    of_all = await session.scalars(
        select(OutcomeDraft).where(OutcomeDraft.attempt_id.in_(attempts_of(organisation_id)))
    )
    return tuple(draft for draft in of_all if known.are_inside(draft.fields))


async def _contacts(session: AsyncSession, person: Person) -> tuple[Contact, ...]:
    of_all = await session.scalars(
        select(Contact).where(Contact.organisation_id == person.organisation_id).order_by(Contact.id)
    )
    name = fold(person.full_name)
    return tuple(each for each in of_all if each.person_id == person.id or fold(each.full_name) == name)


async def _callbacks(session: AsyncSession, organisation_id: int, known: Traces) -> tuple[Callback, ...]:
    of_all = await session.scalars(
        select(Callback).where(Callback.client_id.in_(clients_of(organisation_id))).order_by(Callback.id)
    )
    return tuple(each for each in of_all if known.are_in(f"{each.asked_by} {each.words}"))


async def _mail(
    session: AsyncSession, callbacks: tuple[Callback, ...], organisation_id: int, known: Traces
) -> tuple[OutgoingMail, ...]:
    """What was sent, or is to be, about promises made to them, and what names them otherwise."""
    theirs = {callback.id for callback in callbacks}
    promises = select(Callback.id).where(Callback.client_id.in_(clients_of(organisation_id)))
    of_all = await session.scalars(
        select(OutgoingMail).where(OutgoingMail.callback_id.in_(promises)).order_by(OutgoingMail.id)
    )
    return tuple(each for each in of_all if each.callback_id in theirs or known.are_in(f"{each.person} {each.words}"))


async def _mentions(
    session: AsyncSession, organisation_id: int, known: Traces, *, except_outcomes: set[int]
) -> tuple[Mention, ...]:
    attributes = (await get_organisation(session, organisation_id)).attributes
    found = [
        Mention("organisations", str(organisation_id), f"attributes.{name}", str(value))
        for name, value in attributes.items()
        if known.are_inside({name: value})
    ]
    for place in places(organisation_id):
        for row in await session.scalars(select(place.table).where(place.of)):
            if isinstance(row, Outcome) and row.id in except_outcomes:
                continue
            texts = [(column, str(getattr(row, column))) for column in place.columns]
            found += [
                Mention(place.table.__tablename__, str(getattr(row, "id", "")), column, text)
                for column, text in texts
                if known.are_in(text)
            ]
    async for state, said in sheet_texts(session, organisation_id):
        found += [
            Mention("sheet_states", str(state.id), f"answers.{key}", text)
            for key, text in said.items()
            if known.are_in(text)
        ]
    return tuple(found)


async def entries_about(
    session: AsyncSession, known: Traces, *, subjects: set[str], loosely: set[str]
) -> tuple[AuditEntry, ...]:
    """Entries of the audit about one of `subjects`; those about one of `loosely` whose details tell of them; and all
    whose details do so beyond doubt. Reads the whole audit: JSON is not searched alike by both databases."""
    strict = known.strict()

    def is_about(entry: AuditEntry) -> bool:
        traces_there = known if entry.subject in loosely else strict
        return entry.subject in subjects or traces_there.are_inside(entry.details)

    entries = await session.stream_scalars(select(AuditEntry).order_by(AuditEntry.id))
    return tuple([entry async for entry in entries if is_about(entry)])


async def subjects_of(session: AsyncSession, organisation_id: int) -> set[str]:
    """How the audit names the organisation, its clients, its people and its calls."""
    clients = await session.scalars(clients_of(organisation_id))
    attempts = await session.scalars(attempts_of(organisation_id))
    people = await session.scalars(select(Person.id).where(Person.organisation_id == organisation_id))
    (asked,) = [place.of for place in places(organisation_id) if place.table is DoNotCall]
    requests = await session.scalars(select(DoNotCall.id).where(asked))
    return {
        f"organisation:{organisation_id}",
        *(f"do_not_call:{request_id}" for request_id in requests),
        *(f"person:{person_id}" for person_id in people),
        *(f"client:{client_id}" for client_id in clients),
        *(f"attempt:{attempt_id}" for attempt_id in attempts),
    }
