"""Contacts that happened before the system, or elsewhere: imported with no call behind them, dated or not.

They count as contacts by the same definition as all others; what is none is refused, row by row. All rows are judged
first and then written in bulk, so that a running service waits for the database as shortly as can be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.base.organisations import Organisation
from crm.base.people import Person
from crm.base.tombstones import Erasures, person_marks
from crm.clientele.clients import Client
from crm.errors import Refused
from crm.importing.clients import Progress
from crm.importing.lengths import too_long
from crm.importing.report import ImportReport
from crm.importing.rows import RefusedRow, clean
from crm.importing.tables import Row, Table
from crm.preparation.call_lists import CallList
from crm.preparation.campaigns import Campaign
from crm.problems import Problem
from crm.text_rules import NO_WORDS, YES_WORDS, fold
from crm.time_zones import instant
from crm.wrap_up.contacts import Contact, Spoken

HEADINGS: Final[Mapping[str, str]] = {
    "list": "list, call list, список, список актуализации",
    "code": "code, client code, id, код, код клиента",
    "name": "name, organisation, company, client, название, организация, компания, клиент",
    "date": "date, day, дата, день",
    "time": "time, время",
    "person": "person, contact person, full name, фио, контактное лицо, с кем говорили",
    "main_contact": "main contact, main, главный контакт, основной контакт, главный",
    "summary": "summary, comment, result, резюме, итог, комментарий, содержание",
}
_FIELDS: Final = {word.strip(): name for name, words in HEADINGS.items() for word in words.split(",")}
_NOON: Final = time(12)  # of a day without an hour: the same day in every zone of the country
_DATES: Final = ("%Y-%m-%d", "%d.%m.%Y", "%d.%m.%y")
_TIMES: Final = ("%H:%M", "%H:%M:%S")
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class _KnownClient:
    """A client of the campaign; `list_name` folded."""

    id: int
    organisation_id: int
    list_name: str


@dataclass(slots=True)
class _KnownPerson:
    """Someone at an organisation; `id` `None` until written. `now_decides`: a row says so of somebody who did not."""

    organisation_id: int
    full_name: str
    decides: bool
    id: int | None = None
    now_decides: bool = False


@dataclass(frozen=True, slots=True)
class _Judged:
    """A row that is a contact, and new."""

    client: _KnownClient
    person: _KnownPerson
    main: bool
    at: datetime | None
    full_name: str
    summary: str


@dataclass(slots=True)
class _Base:
    """What the campaign has, and what the rows before have added."""

    by_code: dict[str, list[_KnownClient]] = field(default_factory=dict)
    by_name: dict[str, list[_KnownClient]] = field(default_factory=dict)
    people: dict[tuple[int, str], _KnownPerson] = field(default_factory=dict)
    contacts: set[tuple[int, datetime | None, str, str]] = field(default_factory=set)
    names: dict[int, str] = field(default_factory=dict)
    erasures: Erasures = field(default_factory=Erasures)

    def is_erased(self, full_name: str, organisation_id: int) -> bool:
        """Whether the organisation's person of that name was erased."""
        return self.erasures.among(person_marks(full_name, self.names[organisation_id], ()))


async def import_contacts(
    session: AsyncSession,
    *,
    campaign: Campaign,
    table: Table,
    list_name: str | None = None,
    author_id: int | None = None,
    file_name: str = "",
    now: datetime,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Import `table` into `campaign`, all in the caller's transaction; `dry_run` reports and writes nothing.

    The client is found by its code, else by its name; `list_name` picks the rows of one list. Days and hours are on the
    campaign's clock. A contact that is there already (client, moment, person, summary) is `merged`. Raises `Refused`
    when a column that is needed is missing, or no row is of the list.
    """
    places = _places(table.header)
    rows = [row for row in table.rows if list_name is None or fold(_cell(row, places, "list")) == fold(list_name)]
    if not rows:
        raise Refused("import.list_not_in_file", list=list_name or "", lists=", ".join(_lists(table, places)))
    report = ImportReport(table.header, table.encoding, table.delimiter, dry_run)
    report.rows, report.not_selected = len(rows), len(table.rows) - len(rows)
    base = await _base_of(session, campaign)
    judged = _judge_all(rows, places, campaign, base, report)
    if not dry_run:
        await _write_people(session, base)
        for start in range(0, len(judged), _BATCH):
            await _write_contacts(session, judged[start : start + _BATCH], author_id)
            if progress is not None:
                progress(min(start + _BATCH, len(judged)), len(judged))
        counts = {"rows": report.rows, "taken": report.taken, "merged": report.merged, "refused": len(report.refused)}
        audit.note(
            session, at=now, user_id=author_id, action=audit.CONTACTS_IMPORTED, subject=f"campaign:{campaign.id}",
            details={"file": file_name, **counts},
        )  # fmt: skip
    return report


def _judge_all(
    rows: Sequence[Row], places: Mapping[str, int], campaign: Campaign, base: _Base, report: ImportReport
) -> list[_Judged]:
    """The contacts that are new; of the other rows `report` says what became of them."""
    judged: list[_Judged] = []
    for row in rows:
        if overlong := _too_long(row, places, report.header):
            report.refused.append(RefusedRow(row.line, overlong, row.cells))
            continue
        try:
            contact = _judge(row, places, campaign, base)
        except Refused as refused:
            report.refused.append(RefusedRow(row.line, (Problem(refused.code, refused.params),), row.cells))
            continue
        if contact is None:
            report.merged += 1
            continue
        judged.append(contact)
        report.by_list[_cell(row, places, "list")] += 1
    report.taken = len(judged)
    return judged


def _too_long(row: Row, places: Mapping[str, int], header: Sequence[str]) -> tuple[Problem, ...]:
    cells = ((name, header[place], row.cells[place]) for name, place in places.items() if place < len(row.cells))
    return tuple(problem for cell in cells if (problem := too_long(*cell)) is not None)


def _places(header: tuple[str, ...]) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, column in enumerate(header):
        name = _FIELDS.get(fold(column).replace("_", " "))
        if name is not None and name not in places:
            places[name] = place
    if not {"code", "name"} & places.keys():
        raise Refused("contacts.no_client_column")
    for needed in ("person", "summary"):
        if needed not in places:
            raise Refused("contacts.no_column", field=needed)
    return places


def _cell(row: Row, places: Mapping[str, int], name: str) -> str:
    place = places.get(name)
    return "" if place is None or place >= len(row.cells) else clean(row.cells[place])


def _lists(table: Table, places: Mapping[str, int]) -> list[str]:
    return list(dict.fromkeys(filter(None, (_cell(row, places, "list") for row in table.rows))))[:20]


async def _base_of(session: AsyncSession, campaign: Campaign) -> _Base:
    base = _Base(erasures=await Erasures.read(session))
    clients = await session.execute(
        select(Client.id, Client.organisation_id, Client.code, Organisation.name_folded, CallList.name)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .join(CallList, CallList.id == Client.call_list_id)
        .where(Client.campaign_id == campaign.id)
    )
    for client_id, organisation_id, code, name, list_name in clients:
        client = _KnownClient(client_id, organisation_id, fold(list_name))
        base.names[organisation_id] = name
        base.by_name.setdefault(name, []).append(client)
        if code:
            base.by_code.setdefault(fold(code), []).append(client)
    people = await session.execute(
        select(Person.id, Person.organisation_id, Person.full_name, Person.name_folded, Person.decides)
        .join(Client, Client.organisation_id == Person.organisation_id)
        .where(Client.campaign_id == campaign.id)
    )
    for person_id, organisation_id, full_name, folded, decides in people:
        base.people[organisation_id, folded] = _KnownPerson(organisation_id, full_name, decides, person_id)
    contacts = await session.execute(
        select(Contact.client_id, Contact.at, Contact.full_name, Contact.summary)
        .join(Client, Client.id == Contact.client_id)
        .where(Contact.imported, Client.campaign_id == campaign.id)
    )
    base.contacts = {(client_id, at, full_name, summary) for client_id, at, full_name, summary in contacts}
    return base


def _judge(row: Row, places: Mapping[str, int], campaign: Campaign, base: _Base) -> _Judged | None:
    """The row's contact, `None` when it is there already. Raises `Refused` for what is none."""
    client = _client(row, places, base)
    at, main = _moment(row, places, campaign), _is_main(row, places)
    full_name, summary = _cell(row, places, "person"), _cell(row, places, "summary")
    missing = Spoken(full_name=full_name, summary=summary).missing
    if missing and not (main and full_name):
        raise Refused(missing)
    if base.is_erased(full_name, client.organisation_id):
        raise Refused("row.person_erased")
    key = (client.id, at, full_name, summary)
    if key in base.contacts:
        return None
    base.contacts.add(key)
    return _Judged(client, _person(client, full_name, base, decides=main), main, at, full_name, summary)


def _client(row: Row, places: Mapping[str, int], base: _Base) -> _KnownClient:
    code, name = _cell(row, places, "code"), _cell(row, places, "name")
    found = base.by_code.get(fold(code), []) if code else base.by_name.get(fold(name), [])
    wanted = fold(_cell(row, places, "list"))
    if len(found) > 1 and wanted:
        found = [client for client in found if client.list_name == wanted]
    if len(found) != 1:
        raise Refused("contacts.unknown_client" if not found else "contacts.several_clients", client=code or name)
    return found[0]


def _moment(row: Row, places: Mapping[str, int], campaign: Campaign) -> datetime | None:
    day_text, time_text = _cell(row, places, "date"), _cell(row, places, "time")
    if not day_text:
        return None
    day, hour = _read(day_text, _DATES), _read(time_text, _TIMES) if time_text else None
    if day is None or (time_text and hour is None):
        raise Refused("contacts.no_moment", value=f"{day_text} {time_text}".strip())
    at = datetime.combine(day.date(), hour.time() if hour else _NOON)
    return instant(at, campaign.time_zone)


def _read(text: str, forms: tuple[str, ...]) -> datetime | None:
    for form in forms:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - on the campaign's clock
        except ValueError:
            continue
    return None


def _is_main(row: Row, places: Mapping[str, int]) -> bool:
    said = fold(_cell(row, places, "main_contact"))
    if said in YES_WORDS:
        return True
    if said and said not in NO_WORDS:
        raise Refused("contacts.no_yes_or_no", value=said)
    return False


def _person(client: _KnownClient, full_name: str, base: _Base, *, decides: bool) -> _KnownPerson:
    """The organisation's person of that name, new if there is none; whom a main contact was with decides."""
    key = (client.organisation_id, fold(full_name))
    person = base.people.get(key)
    if person is None:
        person = base.people[key] = _KnownPerson(client.organisation_id, full_name, decides)
    elif decides and not person.decides:
        person.decides, person.now_decides = True, person.id is not None
    return person


async def _write_people(session: AsyncSession, base: _Base) -> None:
    new = [person for person in base.people.values() if person.id is None]
    for start in range(0, len(new), _BATCH):
        batch = new[start : start + _BATCH]
        values = [
            {
                "organisation_id": person.organisation_id,
                "full_name": person.full_name,
                "name_folded": fold(person.full_name),
                "decides": person.decides,
            }
            for person in batch
        ]
        written = insert(Person).returning(Person.id, sort_by_parameter_order=True)
        for person, person_id in zip(batch, await session.scalars(written, values), strict=True):
            person.id = person_id
    changed = [person.id for person in base.people.values() if person.now_decides]
    for start in range(0, len(changed), _BATCH):
        these = update(Person).where(Person.id.in_(changed[start : start + _BATCH])).values(decides=True)
        await session.execute(these.execution_options(synchronize_session=False))


async def _write_contacts(session: AsyncSession, judged: list[_Judged], author_id: int | None) -> None:
    values = [
        {
            "client_id": each.client.id,
            "organisation_id": each.client.organisation_id,
            "imported": True,
            "main": each.main,
            "person_id": each.person.id,
            "full_name": each.full_name,
            "summary": each.summary,
            "at": each.at,
            "author_id": author_id,
        }
        for each in judged
    ]
    await session.execute(insert(Contact), values)
