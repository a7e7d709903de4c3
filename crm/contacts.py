"""Contacts, in the one sense of the word that counts.

A main contact is a conversation with a person marked as deciding. Any other contact needs the full name of the person
spoken to and a summary of why the main contact was impossible. Either needs an answered attempt with talk time, or says
that it was imported. Everything else is an attempt. The database holds to this by itself: the name and the summary by
CHECK, the person's mark and the attempt's talk time by foreign keys onto them.
"""

from __future__ import annotations

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
)
from sqlalchemy.orm import Mapped, mapped_column

from crm.database import Base, UtcDateTime
from crm.text_rules import full_name_check, summary_check


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
