"""People at the organisations: whom one speaks with, and who decides."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Text, UniqueConstraint, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.audit import AuditEntry
from crm.errors import NotFound
from crm.mapping import Base, UtcDateTime, Versioned
from crm.text_rules import fold, required, tidy


class Person(Versioned, Base):
    """Someone at an organisation. `decides`: about the offered product. A main contact rests on this mark, so the
    database does not let go of it once there is one."""

    __tablename__ = "people"
    __table_args__ = (
        CheckConstraint("length(trim(full_name)) > 0", name="named"),
        UniqueConstraint("id", "organisation_id", "decides", name="uq_people_of_organisation"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), index=True)
    full_name: Mapped[str] = mapped_column(Text)
    name_folded: Mapped[str] = mapped_column(Text, default="", server_default="")
    position: Mapped[str] = mapped_column(Text, default="")
    decides: Mapped[bool] = mapped_column(default=False)
    note: Mapped[str] = mapped_column(Text, default="")
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


async def add_person(
    session: AsyncSession, *, organisation_id: int, full_name: str, position: str = "", decides: bool = False
) -> Person:
    """A new person. Raises `Refused` without a name."""
    full_name = required(full_name, "person.needs_name")
    person = Person(
        organisation_id=organisation_id,
        full_name=full_name,
        name_folded=fold(full_name),
        position=tidy(position),
        decides=decides,
    )
    session.add(person)
    await session.flush()
    return person


async def set_deciding(
    session: AsyncSession,
    *,
    person: Person,
    decides: bool,
    now: datetime,
    author_id: int | None,
    outcome_id: int | None = None,
) -> None:
    """Whether the person decides. `outcome_id`: what it follows from."""
    if person.decides == decides:
        return
    person.decides = decides
    details: dict[str, Any] = {"person": person.id, "decides": [not decides, decides]}
    if outcome_id is not None:
        details["outcome"] = outcome_id
    audit.note(
        session, at=now, user_id=author_id, action=audit.PERSON_SET, subject=f"organisation:{person.organisation_id}",
        details=details,
    )  # fmt: skip
    await session.flush()


async def made_deciding_by(session: AsyncSession, *, organisation_id: int, outcome_id: int) -> int | None:
    """The id of the person who was first said to decide in this outcome."""
    found = await session.scalars(
        select(AuditEntry)
        .where(AuditEntry.action == audit.PERSON_SET, AuditEntry.subject == f"organisation:{organisation_id}")
        .order_by(AuditEntry.id.desc())
    )
    of_outcome = (entry.details for entry in found if entry.details.get("outcome") == outcome_id)
    return next((details["person"] for details in of_outcome), None)


async def person_at(session: AsyncSession, *, organisation_id: int, person_id: int) -> Person:
    """The person, who must belong to that organisation. Raises `NotFound`."""
    person = await session.get(Person, person_id)
    if person is None or person.organisation_id != organisation_id:
        raise NotFound("person.unknown")
    return person


async def people_at(session: AsyncSession, organisation_id: int) -> list[Person]:
    """Everyone known at the organisation, those who decide first."""
    found = await session.scalars(
        select(Person).where(Person.organisation_id == organisation_id).order_by(Person.decides.desc(), Person.id)
    )
    return list(found)


async def person_named(session: AsyncSession, *, organisation_id: int, full_name: str) -> Person | None:
    """The person of that name, however it is written (case, ё, spaces)."""
    wanted = fold(full_name)
    for person in await people_at(session, organisation_id):
        if fold(person.full_name) == wanted:
            return person
    return None
