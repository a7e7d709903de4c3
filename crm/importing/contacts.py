"""Contacts that happened before the system, or elsewhere: imported with no call behind them, dated or not.

They count as contacts by the same definition as all others; what is none is refused, row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.call_lists import CallList
from crm.campaigns import Campaign
from crm.clients import Client
from crm.contacts import Contact, Spoken, add_contact
from crm.errors import Refused
from crm.importing.clients import Progress
from crm.importing.problems import Problem
from crm.importing.report import ImportReport
from crm.importing.rows import NO_WORDS, YES_WORDS, RefusedRow, clean
from crm.importing.tables import Row, Table
from crm.organisations import Organisation
from crm.people import Person, add_person, people_at
from crm.text_rules import fold
from crm.time_zones import instant

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


@dataclass(slots=True)
class _Known:
    """The campaign's clients, and the people of those that were looked at."""

    by_code: dict[str, list[Client]] = field(default_factory=dict)
    by_name: dict[str, list[Client]] = field(default_factory=dict)
    lists: dict[int, str] = field(default_factory=dict)
    people: dict[int, dict[str, Person]] = field(default_factory=dict)
    contacts: dict[int, set[tuple[datetime | None, str, str]]] = field(default_factory=dict)


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
    """Import `table` into `campaign`, all in the caller's transaction; `dry_run` reports and
    takes everything back.

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
    tried = await session.begin_nested() if dry_run else None
    known = await _known(session, campaign)
    for number, row in enumerate(rows, 1):
        problem = await _take(session, campaign, row, places, known, report, author_id)
        if problem is not None:
            report.refused.append(RefusedRow(row.line, (problem,), row.cells))
        if progress is not None and number % 100 == 0:
            progress(number, len(rows))
    if tried is not None:
        await tried.rollback()
    else:
        counts = {"rows": report.rows, "taken": report.taken, "merged": report.merged, "refused": len(report.refused)}
        audit.note(
            session, at=now, user_id=author_id, action=audit.CONTACTS_IMPORTED, subject=f"campaign:{campaign.id}",
            details={"file": file_name, **counts},
        )  # fmt: skip
    return report


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


async def _known(session: AsyncSession, campaign: Campaign) -> _Known:
    known = _Known()
    clients = await session.execute(
        select(Client, Organisation.name_folded)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .where(Client.campaign_id == campaign.id)
    )
    for client, name in clients:
        known.by_name.setdefault(name, []).append(client)
        if client.code:
            known.by_code.setdefault(fold(client.code), []).append(client)
    lists = select(CallList.id, CallList.name).where(CallList.campaign_id == campaign.id)
    known.lists = {number: fold(name) for number, name in await session.execute(lists)}
    already = (
        select(Contact.client_id, Contact.at, Contact.full_name, Contact.summary)
        .join(Client, Client.id == Contact.client_id)
        .where(Contact.imported, Client.campaign_id == campaign.id)
    )
    for client_id, at, full_name, summary in await session.execute(already):
        known.contacts.setdefault(client_id, set()).add((at, full_name, summary))
    return known


async def _take(
    session: AsyncSession,
    campaign: Campaign,
    row: Row,
    places: Mapping[str, int],
    known: _Known,
    report: ImportReport,
    author_id: int | None,
) -> Problem | None:
    """Write the row's contact; or why it is none."""
    try:
        client = _client(row, places, known)
        at = _moment(row, places, campaign)
        main = _is_main(row, places)
        full_name, summary = _cell(row, places, "person"), _cell(row, places, "summary")
        key = (at, full_name, summary)
        if key in known.contacts.get(client.id, ()):
            report.merged += 1
            return None
        missing = Spoken(full_name=full_name, summary=summary).missing
        if missing and not (main and full_name):
            raise Refused(missing)
        person = await _person(session, client, full_name, known, decides=main) if full_name else None
        spoken = Spoken(person.id if person else None, person.decides if person else False, full_name, summary)
        await add_contact(session, client=client, spoken=spoken, at=at, author_id=author_id, imported=True, main=main)
    except Refused as refused:
        return Problem(refused.code, refused.params)
    known.contacts.setdefault(client.id, set()).add(key)
    report.taken += 1
    report.by_list[_cell(row, places, "list")] += 1
    return None


def _client(row: Row, places: Mapping[str, int], known: _Known) -> Client:
    code, name = _cell(row, places, "code"), _cell(row, places, "name")
    found = known.by_code.get(fold(code), []) if code else known.by_name.get(fold(name), [])
    wanted = fold(_cell(row, places, "list"))
    if len(found) > 1 and wanted:
        found = [client for client in found if known.lists.get(client.call_list_id) == wanted]
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


async def _person(session: AsyncSession, client: Client, full_name: str, known: _Known, *, decides: bool) -> Person:
    """The organisation's person of that name, made if there is none; whom a main contact was with decides."""
    at_it = known.people.get(client.organisation_id)
    if at_it is None:
        at_it = {person.name_folded: person for person in await people_at(session, client.organisation_id)}
        known.people[client.organisation_id] = at_it
    person = at_it.get(fold(full_name))
    if person is None:
        person = await add_person(session, organisation_id=client.organisation_id, full_name=full_name, decides=decides)
        at_it[person.name_folded] = person
    elif decides and not person.decides:
        person.decides = True
        await session.flush()
    return person
