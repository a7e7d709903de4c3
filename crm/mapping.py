"""What all mapped classes share: the naming of constraints, and types that both databases store alike."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import JSON, DateTime, Dialect, Enum, MetaData, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.sql.selectable import ForUpdateArg
from sqlalchemy.types import TypeDecorator, TypeEngine

# A row lock that lets others go on referring to the row; SQLite, which has one writer, ignores it.
WEAK_LOCK: Final = ForUpdateArg(key_share=True)
NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The root of all mapped classes.

    Values that the database makes are fetched with the statement: an `AsyncSession` cannot load them later by itself.
    """

    metadata = MetaData(naming_convention=NAMING)
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - SQLAlchemy declares it as an instance attribute


class Versioned:
    """A record that two people may have open at once: whoever saves second is told, because `version` has gone on.

    The oldest tables have no default of the database for it, and declare it themselves.
    """

    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805 - SQLAlchemy calls it with the class
        return {"eager_defaults": True, "version_id_col": cls.version}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, stored in UTC. A naive one raises `ValueError`."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive datetime cannot be stored: {value.isoformat()}")
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def one_of(values: type[enum.StrEnum], name: str) -> Enum:
    """A text column that holds the values of `values` and, by a CHECK, nothing else."""
    return Enum(
        values,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=24,
        values_callable=lambda members: [member.value for member in members],
    )


def json_column() -> TypeEngine[Any]:
    """JSON text in SQLite, JSONB in PostgreSQL."""
    return JSON().with_variant(JSONB(), "postgresql")
