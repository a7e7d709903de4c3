"""Contacts, in the one sense of the word that counts.

A main contact is a conversation with a person marked as deciding. Any other contact needs the full name of the person
spoken to and a summary of why the main contact was impossible. Either needs an answered attempt with talk time, or says
that it was imported. Everything else is an attempt. The database holds to this by itself: the name and the summary by
CHECK, the person's mark and the attempt's talk time by foreign keys onto them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm.calls.attempts import Attempt
from crm.clientele.clients import Client
from crm.errors import Refused
from crm.mapping import Base, UtcDateTime
from crm.text_rules import full_name_check, is_full_name, is_summary, summary_check


class Contact(Base):
    """A contact; `at` is `None` for an imported one without a date. `deciding` and `talked` are generated: each is true
    where the definition asks for it and NULL elsewhere, and points into the row that must say the same."""

    __tablename__ = "contacts"
    __table_args__ = (
        CheckConstraint("NOT main OR person_id IS NOT NULL", name="main_names_person"),
        CheckConstraint("imported OR attempt_id IS NOT NULL", name="attempt_or_imported"),
        CheckConstraint("imported OR at IS NOT NULL", name="dated"),
        *(
            CheckConstraint(f"main OR {check(column, dialect)}", name=name).ddl_if(dialect=dialect)
            for dialect in ("sqlite", "postgresql")
            for column, check, name in (
                ("full_name", full_name_check, "full_name_two_words"),
                ("summary", summary_check, "summary_ten_letters"),
            )
        ),
        ForeignKeyConstraint(["client_id", "organisation_id"], ["clients.id", "clients.organisation_id"]),
        ForeignKeyConstraint(["person_id"], ["people.id"]),
        ForeignKeyConstraint(
            ["person_id", "organisation_id", "deciding"], ["people.id", "people.organisation_id", "people.decides"]
        ),
        ForeignKeyConstraint(["attempt_id", "client_id"], ["attempts.id", "attempts.client_id"]),
        ForeignKeyConstraint(["attempt_id", "talked"], ["attempts.id", "attempts.talked"]),
        UniqueConstraint("attempt_id"),
        Index(None, "client_id", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[int] = mapped_column()
    organisation_id: Mapped[int] = mapped_column()
    attempt_id: Mapped[str | None] = mapped_column(String(32))
    imported: Mapped[bool] = mapped_column(default=False)
    main: Mapped[bool]
    person_id: Mapped[int | None] = mapped_column(index=True)
    full_name: Mapped[str] = mapped_column(Text, default="")
    summary: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    deciding: Mapped[bool | None] = mapped_column(Computed("CASE WHEN main THEN true END", persisted=True))
    talked: Mapped[bool | None] = mapped_column(Computed("CASE WHEN NOT imported THEN true END", persisted=True))


@dataclass(frozen=True, slots=True)
class Spoken:
    """Of a conversation, what decides whether it is a contact. `person_id` and `decides` are those of the person spoken
    to, `full_name` is how that person is called."""

    person_id: int | None = None
    decides: bool = False
    full_name: str = ""
    summary: str = ""

    @property
    def is_main(self) -> bool:
        """With the person who decides."""
        return self.person_id is not None and self.decides

    @property
    def missing(self) -> str:
        """The code of what keeps it from being a contact; "" when it is one."""
        if self.is_main:
            return ""
        if not is_full_name(self.full_name):
            return "contact.needs_full_name"
        return "" if is_summary(self.summary) else "contact.needs_summary"


async def add_contact(
    session: AsyncSession,
    *,
    client: Client,
    spoken: Spoken,
    at: datetime | None,
    author_id: int | None,
    attempt_id: str | None = None,
    imported: bool = False,
    main: bool | None = None,
) -> Contact:
    """Write a contact down. `main` `False` keeps a talk with the deciding person from counting as a main contact.
    Raises `Refused` for what is none."""
    is_main = spoken.is_main if main is None else main
    if is_main and not spoken.is_main:
        raise Refused("contact.needs_decider")
    missing = "" if is_main else replace(spoken, decides=False).missing
    if missing:
        raise Refused(missing)
    if not imported and not await _talked(session, attempt_id):
        raise Refused("contact.needs_attempt")
    contact = Contact(
        client_id=client.id,
        organisation_id=client.organisation_id,
        attempt_id=attempt_id,
        imported=imported,
        main=is_main,
        person_id=spoken.person_id,
        full_name=spoken.full_name,
        summary=spoken.summary,
        at=at,
        author_id=author_id,
    )
    session.add(contact)
    await session.flush()
    return contact


async def contact_of(session: AsyncSession, attempt_id: str) -> Contact | None:
    """The contact that the attempt became, if it did."""
    return await session.scalar(select(Contact).where(Contact.attempt_id == attempt_id))


async def had_main_contact(session: AsyncSession, person_id: int) -> bool:
    """Whether a main contact rests on the person's mark of deciding."""
    main = select(Contact.id).where(Contact.person_id == person_id, Contact.main).limit(1)
    return await session.scalar(main) is not None


async def _talked(session: AsyncSession, attempt_id: str | None) -> bool:
    return bool(await session.scalar(select(Attempt.talked).where(Attempt.id == attempt_id)))
