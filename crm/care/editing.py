"""Changing what is known of an organisation, its people and its numbers: nothing that somebody else has written
meanwhile is lost, and all of it is audited."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.base.organisations import Organisation, hold_organisations
from crm.base.people import Person, add_person
from crm.base.phone_numbers import NumberState, PhoneNumber
from crm.base.phone_parsing import parse_phones
from crm.errors import Conflict, NotFound, Refused
from crm.plan.promise_mail import follow_clients_of, rename_who_asked
from crm.text_rules import fold, tidy
from crm.time_zones import zone
from crm.wrap_up.contacts import had_main_contact

TEXTS: Final = ("name", "city", "industry", "tax_number", "site", "email", "code", "time_zone")


async def change_organisation(
    session: AsyncSession,
    *,
    organisation_id: int,
    version: int | None,
    now: datetime,
    author_id: int | None = None,
    **changes: Any,
) -> Organisation:
    """Change columns by name: `TEXTS`, `headcount`, `note`. `version`: that which the author saw. Raises `Conflict`
    when somebody has changed it since, `Refused` for what cannot be, `NotFound`."""
    organisation: Organisation = await _held(session, Organisation, organisation_id, "organisation.unknown")
    _assert_seen(organisation, version)
    wanted = {column: tidy(value) if column in TEXTS else value for column, value in changes.items()}
    if not wanted.get("name", "named"):
        raise Refused("organisation.needs_name")
    if wanted.get("time_zone"):
        zone(wanted["time_zone"])
    details = _set(organisation, wanted)
    _note(session, audit.ORGANISATION_CHANGED, organisation_id, details, now=now, author_id=author_id)
    await session.flush()
    if "name" in details:
        await follow_clients_of(session, [organisation_id], now=now)
    return organisation


async def set_person(
    session: AsyncSession,
    *,
    organisation_id: int,
    person_id: int | None,
    version: int | None = None,
    now: datetime,
    author_id: int | None = None,
    **changes: Any,
) -> Person:
    """Change a person's `full_name`, `position`, `decides`, `note`; `person_id` `None` adds one. Somebody with whom a
    main contact was had goes on deciding. Raises as `change_organisation`."""
    await hold_organisations(session, [organisation_id])  # promises that name the person are its clients'
    if person_id is None:
        person = await add_person(
            session, organisation_id=organisation_id, full_name=changes.get("full_name", ""),
            position=changes.get("position", ""), decides=changes.get("decides", False),
        )  # fmt: skip
        person.note = tidy(changes.get("note", ""))
        details: dict[str, Any] = {"person": person.id, "full_name": [None, person.full_name]}
    else:
        person = await _held(session, Person, person_id, "person.unknown", organisation_id=organisation_id)
        _assert_seen(person, version)
        wanted = {column: tidy(value) if isinstance(value, str) else value for column, value in changes.items()}
        if not wanted.get("full_name", "named"):
            raise Refused("person.needs_name")
        if "full_name" in wanted:
            wanted["name_folded"] = fold(wanted["full_name"])
        if person.decides and wanted.get("decides") is False and await had_main_contact(session, person.id):
            raise Refused("person.decides_by_contact")
        details = _set(person, wanted)
        details = {"person": person.id, **details} if details else {}
        await session.flush()
        if "full_name" in details:
            was, is_now = details["full_name"]
            renamed = await rename_who_asked(
                session, organisation_id=organisation_id, was=was, full_name=is_now, now=now
            )
            details |= {"callbacks": renamed} if renamed else {}
    _note(session, audit.PERSON_SET, organisation_id, details, now=now, author_id=author_id)
    await session.flush()
    return person


async def add_numbers(
    session: AsyncSession,
    *,
    organisation_id: int,
    written: str,
    now: datetime,
    region: str = "RU",
    author_id: int | None = None,
) -> list[PhoneNumber]:
    """The numbers of `written` that the organisation does not have, after its own. Raises `Refused` for what is
    none."""
    await hold_organisations(session, [organisation_id])
    mine = select(PhoneNumber).where(PhoneNumber.organisation_id == organisation_id)
    known = {(number.e164, number.extension) for number in await session.scalars(mine)}
    last = await session.scalar(
        select(func.max(PhoneNumber.rank)).where(PhoneNumber.organisation_id == organisation_id)
    )
    rank, added = -1 if last is None else last, []
    for phone in parse_phones(written, region=region):
        if (phone.e164, phone.extension) not in known:
            rank += 1
            number = PhoneNumber(
                organisation_id=organisation_id, e164=phone.e164, extension=phone.extension, raw=phone.raw, rank=rank
            )
            session.add(number)
            added.append(number)
    details = {"added": [number.e164 for number in added]} if added else {}
    _note(session, audit.NUMBER_SET, organisation_id, details, now=now, author_id=author_id)
    await session.flush()
    return added


async def change_number(
    session: AsyncSession,
    *,
    organisation_id: int,
    number_id: int,
    version: int | None,
    now: datetime,
    author_id: int | None = None,
    **changes: Any,
) -> PhoneNumber:
    """Change a number's `state` (it works or does not), `extension`, `rank`. What was dialled is no matter of this: a
    wrong number is dead, and the right one is added. Raises as `change_organisation`."""
    number: PhoneNumber = await _held(session, PhoneNumber, number_id, "phone.unknown", organisation_id=organisation_id)
    _assert_seen(number, version)
    if "state" in changes:
        changes["state"] = NumberState(changes["state"])
    details = _set(number, changes)
    details = {"number": number.id, **details} if details else {}
    _note(session, audit.NUMBER_SET, organisation_id, details, now=now, author_id=author_id)
    await session.flush()
    return number


async def _held(session: AsyncSession, kind: type[Any], row_id: int, unknown: str, **of: int) -> Any:
    row = await session.get(kind, row_id, with_for_update=True, populate_existing=True)
    if row is None or any(getattr(row, column) != value for column, value in of.items()):
        raise NotFound(unknown)
    return row


def _assert_seen(row: Any, version: int | None) -> None:
    if version is not None and version != row.version:
        raise Conflict("record.changed_meanwhile")


def _set(row: Any, changes: dict[str, Any]) -> dict[str, Any]:
    """Set what differs; each column with what it was and what it is."""
    details = {
        column: [getattr(row, column), value] for column, value in changes.items() if getattr(row, column) != value
    }
    for column, (_, value) in details.items():
        setattr(row, column, value)
    details.pop("name_folded", None)
    return details


def _note(
    session: AsyncSession,
    action: str,
    organisation_id: int,
    details: dict[str, Any],
    *,
    now: datetime,
    author_id: int | None,
) -> None:
    if details:
        audit.note(
            session, at=now, user_id=author_id, action=action, subject=f"organisation:{organisation_id}",
            details=details,
        )  # fmt: skip
