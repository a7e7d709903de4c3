"""Whom a request or a consent is about: a number, a person or an organisation, each in a column of its own."""

from __future__ import annotations

import enum
from typing import Any, Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column
from sqlalchemy.schema import SchemaItem

from crm.mapping import one_of


class Whom(enum.StrEnum):
    """What a request or a consent is about."""

    NUMBER = "number"
    PERSON = "person"
    ORGANISATION = "organisation"


COLUMN_NAMES: Final = {Whom.NUMBER: "e164", Whom.PERSON: "person_id", Whom.ORGANISATION: "organisation_id"}


class OfWhom:
    """`whom` says which of `e164`, `person_id`, `organisation_id` is set, as `one_of_each_in_force` guarantees."""

    whom: Mapped[Whom] = mapped_column(one_of(Whom, "whom"))
    e164: Mapped[str | None] = mapped_column(String(16))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"))


def one_of_each_in_force(table: str, ended: str) -> tuple[SchemaItem, ...]:
    """What `table` guarantees: exactly the column that `whom` says is set, and of rows that have not `ended` (a column
    with a moment) there is one about each number, person, organisation."""
    named = " AND ".join(f"(whom = '{whom}') = ({column} IS NOT NULL)" for whom, column in COLUMN_NAMES.items())
    in_force = text(f"{ended} IS NULL")
    return (
        CheckConstraint(named, name="whom_is_named"),
        *(
            Index(f"uq_{table}_{whom}", column, unique=True, sqlite_where=in_force, postgresql_where=in_force)
            for whom, column in COLUMN_NAMES.items()
        ),
    )


def column_of(kind: type[OfWhom], whom: Whom) -> InstrumentedAttribute[Any]:
    """The column of `kind` that holds the target."""
    column: InstrumentedAttribute[Any] = getattr(kind, COLUMN_NAMES[whom])
    return column
