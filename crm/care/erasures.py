"""Erasing a person or an organisation: their texts are blanked everywhere, what is counted stays, and they do not come
back by an import.

Of an outcome the disposition stays, and reason and competitor unless they tell of somebody: reports count them. Numbers
become placeholders that cannot be dialled. Recordings of calls with the erased lose their key, and their file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.audit import AuditEntry
from crm.base import search_index
from crm.base.do_not_call import DoNotCall
from crm.base.erasure_rows import Erased, Erasure, ErasureCompletion, Tombstone
from crm.base.joined import merged_into
from crm.base.organisation_keys import keys_of, name_key
from crm.base.organisations import Organisation, get_organisation
from crm.base.people import Person
from crm.base.phone_numbers import NumberState, PhoneNumber
from crm.base.tombstones import (
    OFFICE_MARK,
    Erasures,
    Mark,
    digests,
    number_mark,
    office_key,
    organisation_marks,
    person_marks,
)
from crm.calls.attempts import Attempt
from crm.calls.recording_facts import Recording
from crm.care.audit_chain import add_links, forget
from crm.care.erasure_imports import blank_imports, blank_recognised, hold_imports, let_go_of_files
from crm.care.erasure_tables import (
    blank_former_owners,
    blank_loose_texts,
    blank_merges,
    blank_offers,
    blank_sheets,
)
from crm.care.person_file import PersonFile, entries_about, person_file, subjects_of
from crm.care.personal import ERASED, Traces, attempts_of, places, traces
from crm.clientele.clients import Client, hold_clients_of
from crm.clientele.consents import ConsentGiven
from crm.deals.deals import Deal
from crm.errors import Conflict, Refused
from crm.mail.outbox import OutgoingMail
from crm.mapping import Base
from crm.plan.callbacks import Callback, CallbackState
from crm.plan.promise_mail import follow_all
from crm.plan.silence import off_list
from crm.text_rules import NO_WORDS, YES_WORDS, fold, required
from crm.wrap_up.contacts import Contact
from crm.wrap_up.outcomes import Outcome, OutcomeDraft

_MAY_BE_EMPTY: Final = frozenset(
    {
        ("clients", "code"),
        ("people", "position"),
        ("people", "note"),
        ("organisations", "note"),
        ("letters", "note"),
        ("deals", "product"),
        ("deals", "note"),
        ("deal_moves", "note"),
    }
)
# Counted by reports, so they go only where they tell of somebody; the plan's reasons and the rules of
# moves are codes.
_COUNTED: Final = frozenset(
    {
        ("outcomes", "reason"),
        ("outcomes", "competitor"),
        ("plan_entries", "reason"),
        ("group_moves", "note"),
        ("bulk_changes", "before"),
        ("bulk_changes", "after"),
        ("deals", "product"),
    }
)
_OF_THE_COMPANY: Final = ("outbox", "organisation")


@dataclass(frozen=True, slots=True)
class Done:
    """A finished erasure: how many texts of which column were blanked, and the store's keys of the recordings whose
    files are to be removed now."""

    erasure_id: int
    blanked: dict[str, int]
    recording_keys: tuple[str, ...]


@dataclass(slots=True)
class _Work:
    session: AsyncSession
    now: datetime
    erasure_id: int
    blanked: Counter[str]
    region: str


Tells = Callable[[Base, str, str], bool]
"""Whether the text in this column of this row goes."""


async def erase_person(
    session: AsyncSession,
    *,
    person_id: int,
    reason: str,
    now: datetime,
    region: str,
    author_id: int | None = None,
) -> Done:
    """Erase one person; their organisation stays. `region` (ISO 3166-1) is that of numbers without a country's code in
    rows of files. Raises `NotFound`, `Conflict` while somebody calls there, `Refused` without a reason or without the
    office's key."""
    await hold_imports(session)
    await _hold_company_of(session, person_id)
    held = await person_file(session, person_id)
    _assert_names_nobody(reason, held.traces)
    erasure, work = await _begin(
        session, Erased.PERSON, held.organisation.id, person_id, reason=reason, now=now, author_id=author_id,
        region=region,
    )  # fmt: skip
    own = [number.e164 for number in held.numbers]
    others = await _e164s(session, held.organisation.id)
    marks = person_marks(held.person.full_name, held.organisation.name, others) | set(map(number_mark, own))
    await _blank_texts(work, held.organisation.id, _tells_of(held))
    # Calendars that have the name already get the entry once more, without it.
    open_ones = [callback.id for callback in held.callbacks if callback.state is CallbackState.OPEN]
    await follow_all(session, open_ones, now=now, anew=True)
    await _blank_attributes(work, held.organisation, held.traces)
    await _blank_tables(work, held.organisation.id, held.traces, person_id=person_id)
    await _blank_people(work, [person_id])
    await _blank_numbers(work, [number.id for number in held.numbers])
    await _drop_drafts(work, [draft.attempt_id for draft in held.drafts])
    await _blank_audit(work, held.audit)
    keys = await _destroy_keys(work, [recording.id for recording in held.recordings])
    return await _finish(work, erasure, marks, keys)


async def erase_organisation(
    session: AsyncSession,
    *,
    organisation_id: int,
    reason: str,
    now: datetime,
    region: str,
    author_id: int | None = None,
) -> Done:
    """Erase an organisation with all its people, and those that were merged into it; industry, city and headcount stay
    for the reports. Raises as `erase_person` does."""
    await hold_imports(session)
    await _hold_company(session, organisation_id)
    further: list[str] = []
    for duplicate_id in list(await session.scalars(merged_into(organisation_id))):
        done = await _erase_whole(session, duplicate_id, reason=reason, now=now, author_id=author_id, region=region)
        further += done.recording_keys
    done = await _erase_whole(session, organisation_id, reason=reason, now=now, author_id=author_id, region=region)
    return replace(done, recording_keys=(*further, *done.recording_keys))


async def _erase_whole(
    session: AsyncSession, organisation_id: int, *, reason: str, now: datetime, author_id: int | None, region: str
) -> Done:
    organisation = await get_organisation(session, organisation_id)
    clients = list(await session.scalars(select(Client).where(Client.organisation_id == organisation_id)))
    erasure, work = await _begin(
        session, Erased.ORGANISATION, organisation_id, None, reason=reason, now=now, author_id=author_id, region=region
    )
    for client in clients:
        if not client.off_list_reason:
            await off_list(session, client=client, reason=ERASED, now=now, author_id=author_id)
    await add_links(session)
    people = list(await session.scalars(select(Person).where(Person.organisation_id == organisation_id)))
    numbers = list(await session.scalars(select(PhoneNumber).where(PhoneNumber.organisation_id == organisation_id)))
    e164s = [number.e164 for number in numbers]
    known = traces([person.full_name for person in people], e164s, phrases=[name_key(organisation.name)])
    _assert_names_nobody(reason, known)
    marks = await _marks_of_organisation(session, organisation, people, numbers)
    entries = await entries_about(session, known, subjects=await subjects_of(session, organisation_id), loosely=set())

    def tells(row: Base, column: str, text: str) -> bool:
        return (row.__tablename__, column) not in _COUNTED or known.are_in(text)

    await _blank_texts(work, organisation_id, tells)
    await _blank_people(work, [person.id for person in people])
    await _blank_numbers(work, [number.id for number in numbers])
    attempts = list(await session.scalars(attempts_of(organisation_id)))
    await _drop_drafts(work, attempts)
    await _blank_audit(work, entries)
    await _blank_organisation(work, organisation)
    await _blank_tables(work, organisation_id, known)
    recordings = select(Recording.id).where(Recording.attempt_id.in_(attempts))
    keys = await _destroy_keys(work, list(await session.scalars(recordings)))
    return await _finish(work, erasure, marks, keys)


async def _hold_company_of(session: AsyncSession, person_id: int) -> None:
    """As `_hold_company`, wherever a merge that this has waited for has put the person."""
    of_person, held = select(Person.organisation_id).where(Person.id == person_id), set[int]()
    while (organisation_id := await session.scalar(of_person)) is not None and organisation_id not in held:
        await _hold_company(session, organisation_id)
        held.add(organisation_id)


async def _hold_company(session: AsyncSession, organisation_id: int) -> None:
    """Let nobody begin a call there, or write one down, before it is erased: what is read from now on is all there
    is."""
    held = set[int]()
    while wanted := {organisation_id, *await session.scalars(merged_into(organisation_id))} - held:
        await hold_clients_of(session, wanted)
        held |= wanted


async def _begin(
    session: AsyncSession,
    whom: Erased,
    organisation_id: int,
    person_id: int | None,
    *,
    reason: str,
    now: datetime,
    author_id: int | None,
    region: str,
) -> tuple[Erasure, _Work]:
    reason = required(reason, "erasure.needs_reason")
    await Erasures.read(session)
    office_key(session)
    calling = exists().where(Attempt.id.in_(attempts_of(organisation_id)), Attempt.ended_at.is_(None))
    if await session.scalar(select(calling)):
        raise Conflict("erasure.call_open")
    await add_links(session)  # what is blanked now was as it was: the chain is to say so
    erasure = Erasure(
        whom=whom, organisation_id=organisation_id, person_id=person_id, reason=reason, author_id=author_id, at=now
    )
    session.add(erasure)
    await session.flush()
    work = _Work(session, now, erasure.id, Counter(), region)
    work.blanked["import_files.content"] += await let_go_of_files(session, now=now, author_id=author_id)
    return erasure, work


def _assert_names_nobody(reason: str, known: Traces) -> None:
    """The reason stays, so it must not be what keeps the name."""
    if known.are_in(reason):
        raise Refused("erasure.reason_names")


async def _finish(work: _Work, erasure: Erasure, marks: set[Mark], keys: Sequence[str]) -> Done:
    session = work.session
    known = set(await session.scalars(select(Tombstone.digest)))
    new = digests(office_key(session), marks | {OFFICE_MARK}) - known
    session.add_all(Tombstone(digest=digest, erasure_id=erasure.id) for digest in sorted(new))
    await session.flush()
    work.blanked["import_rows.cells"] += await blank_recognised(session, marks, region=work.region)
    blanked = dict(sorted(work.blanked.items()))
    session.add(ErasureCompletion(erasure_id=erasure.id, at=work.now, blanked=blanked))
    person, organisation = erasure.person_id, erasure.organisation_id
    audit.note(
        session, at=work.now, user_id=erasure.author_id, action=audit.ERASED,
        subject=f"person:{person}" if person else f"organisation:{organisation}", details={"erasure": erasure.id},
    )  # fmt: skip
    await session.flush()
    await search_index.refresh(session)
    return Done(erasure.id, blanked, tuple(keys))


def _tells_of(held: PersonFile) -> Tells:
    """Of a person: the texts of the conversations with them but for what is counted, and whatever tells of them."""
    rows: tuple[Outcome | Contact | Callback | DoNotCall | OutgoingMail | Deal, ...] = (
        *held.outcomes, *held.contacts, *held.callbacks, *held.requests, *held.mail, *held.deals,
    )  # fmt: skip
    theirs = {(row.__tablename__, row.id) for row in rows}

    def tells(row: Base, column: str, text: str) -> bool:
        whose = (row.__tablename__, getattr(row, "id", 0))
        if isinstance(row, Person):
            return row.id == held.person.id or held.traces.are_in(text)
        stays = (row.__tablename__, column) in _COUNTED or (row.__tablename__, column) == _OF_THE_COMPANY
        return (whose in theirs and not stays) or held.traces.are_in(text)

    return tells


async def _blank_texts(work: _Work, organisation_id: int, tells: Tells) -> None:
    for place in places(organisation_id):
        for row in list(await work.session.scalars(select(place.table).where(place.of))):
            texts = {column: getattr(row, column) for column in place.columns}
            going = [column for column, said in texts.items() if said not in ("", ERASED) and tells(row, column, said)]
            if going:
                name = place.table.__tablename__
                values = {column: "" if (name, column) in _MAY_BE_EMPTY else ERASED for column in going}
                await _blank_row(work, row, values)


async def _blank_row(work: _Work, row: Base, values: dict[str, Any]) -> None:
    key = [column == getattr(row, column.key) for column in type(row).__table__.primary_key]
    await work.session.execute(update(type(row)).where(*key).values(values))
    await forget(work.session, row, list(values), erasure_id=work.erasure_id)
    work.blanked.update(f"{type(row).__tablename__}.{column}" for column in values)


async def _blank_people(work: _Work, ids: Sequence[int]) -> None:
    blank = {"full_name": ERASED, "name_folded": "", "position": "", "note": "", "erased_at": work.now}
    await work.session.execute(update(Person).where(Person.id.in_(ids)).values(**blank, version=Person.version + 1))
    work.blanked["people.full_name"] += len(ids)


async def _blank_numbers(work: _Work, ids: Sequence[int]) -> None:
    """Each number becomes one that nobody has, and that every place which named it names from now on."""
    session = work.session
    for number in list(await session.scalars(select(PhoneNumber).where(PhoneNumber.id.in_(ids)))):
        e164, nobodys = number.e164, f"+000{number.id:010}"
        await session.execute(update(Attempt).where(Attempt.phone_number_id == number.id).values(dialled=nobodys))
        await session.execute(
            update(PhoneNumber)
            .where(PhoneNumber.id == number.id)
            .values(e164=nobodys, extension="", raw="", state=NumberState.DEAD, version=PhoneNumber.version + 1)
        )
        if not await session.scalar(select(exists().where(PhoneNumber.e164 == e164))):
            # Nobody else has it; where somebody has, the request not to be called holds for them.
            for register in (DoNotCall, ConsentGiven):
                await session.execute(update(register).where(register.e164 == e164).values(e164=nobodys))
        work.blanked["phone_numbers.e164"] += 1


async def _drop_drafts(work: _Work, attempt_ids: Sequence[str]) -> None:
    await work.session.execute(delete(OutcomeDraft).where(OutcomeDraft.attempt_id.in_(attempt_ids)))


async def _blank_audit(work: _Work, entries: Sequence[AuditEntry]) -> None:
    for entry in entries:
        if entry.details:
            await _blank_row(work, entry, {"details": {}})


async def _blank_tables(work: _Work, organisation_id: int, known: Traces, *, person_id: int | None = None) -> None:
    whole = person_id is None
    await blank_offers(work.session, known, organisation_id, person_id=person_id, now=work.now)
    rows = await blank_imports(work.session, known, organisation_id, whole=whole)
    await blank_loose_texts(work.session, known.strict())
    work.blanked["import_rows.cells"] += rows
    await blank_merges(work.session, known, organisation_id, whole=whole)
    await blank_former_owners(work.session, known, organisation_id)
    sheets = await blank_sheets(work.session, known, organisation_id, whole=whole, now=work.now)
    work.blanked["sheet_states.answers"] += sheets


async def _blank_attributes(work: _Work, organisation: Organisation, known: Traces) -> None:
    kept = {name: value for name, value in organisation.attributes.items() if not known.are_inside({name: value})}
    if kept != organisation.attributes:
        await _blank_row(work, organisation, {"attributes": kept})


async def _blank_organisation(work: _Work, organisation: Organisation) -> None:
    name = f"{ERASED} {organisation.id}"
    answers = {key: value for key, value in organisation.attributes.items() if fold(value) in YES_WORDS | NO_WORDS}
    await work.session.execute(
        update(Organisation)
        .where(Organisation.id == organisation.id)
        .values(
            name=name, name_folded=fold(name), tax_number="", site="", email="", code="", note="", attributes=answers,
            erased_at=work.now, version=Organisation.version + 1, **keys_of(name=name),
        )
    )  # fmt: skip
    work.blanked["organisations.name"] += 1


async def _destroy_keys(work: _Work, ids: Sequence[int]) -> list[str]:
    """Without its key a recording is noise, in every copy; its length stays for the reports."""
    session = work.session
    keys = list(await session.scalars(select(Recording.key).where(Recording.id.in_(ids), Recording.key != "")))
    gone = update(Recording).where(Recording.id.in_(ids)).values(wrapped_key="", erased_at=work.now)
    await session.execute(gone)
    work.blanked["recordings.key"] += len(keys)
    return keys


async def _e164s(session: AsyncSession, organisation_id: int) -> list[str]:
    found = select(PhoneNumber.e164).where(PhoneNumber.organisation_id == organisation_id)
    return list(await session.scalars(found))


async def _marks_of_organisation(
    session: AsyncSession, organisation: Organisation, people: Sequence[Person], numbers: Sequence[PhoneNumber]
) -> set[Mark]:
    e164s = [number.e164 for number in numbers]
    marks = organisation_marks(organisation.name, e164s, organisation.tax_number)
    for person in people:
        marks |= person_marks(person.full_name, organisation.name, e164s)
    # A request not to be called outlives the row that it was kept for.
    asked = select(DoNotCall.e164).where(DoNotCall.e164.in_(e164s), DoNotCall.lifted_at.is_(None))
    own = {number.e164 for number in numbers if number.person_id is not None}
    return marks | {number_mark(e164) for e164 in own | {each for each in await session.scalars(asked) if each}}


async def erased_recording_keys(session: AsyncSession) -> list[str]:
    """The store's keys of all erased recordings, whose files may still lie there after a crash."""
    erased = select(Recording.key).where(Recording.erased_at.is_not(None), Recording.key != "")
    return list(await session.scalars(erased))
