"""Imports: files brought in, what each row became, and the mappings that people gave names."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    false,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.errors import Conflict, NotFound, Refused
from crm.mapping import WEAK_LOCK, Base, UtcDateTime, Versioned, json_column, one_of
from crm.text_rules import fold, required


class ImportState(enum.StrEnum):
    """How far an import has come."""

    STAGED = "staged"  # read and tried; nothing of it is in the campaign
    CONFIRMED = "confirmed"
    UNDONE = "undone"
    DISCARDED = "discarded"  # never confirmed


class UnderWay(enum.StrEnum):
    """What an import is in the middle of: in short transactions, of which the next goes on where the last one ended,
    whoever makes it."""

    STAGING = "staging"  # its rows are kept one after the other; nobody confirms it before the last one is
    CONFIRMING = "confirming"  # of a staged one
    UNDOING = "undoing"  # of a confirmed one
    DISCARDING = "discarding"  # of a discarded one: its rows go


class RowEnd(enum.StrEnum):
    """What a row became, or would become."""

    TAKEN = "taken"
    MERGED = "merged"
    REFUSED = "refused"


class RowUndone(enum.StrEnum):
    """What undoing the import did to a row's traces."""

    REMOVED = "removed"
    RESTORED = "restored"  # also where there was nothing to restore
    KEPT = "kept"  # all or a part of it, for what happened since


class Import(Versioned, Base):
    """A file for a campaign.

    `form`, `encoding`, `delimiter` and `part` say how it was read, `mapping` (column to field) what its columns hold;
    `header_row` is the row of the header, 0 for none (`None` in imports from before it was kept), found unless somebody
    said so (`header_said`), and `beginning` what stands in the first rows of the file: their lines and some cells.
    `list_name`, `area_code` and `time_zone` are those of the import, "" for none. The rows that were asked for add up;
    those of other lists are `not_selected`. `sample` holds the cells of the first rows, `trouble` the code and the
    parameters of why it cannot be tried, `made` the ids of the lists and sources that came with it.

    `under_way`, begun by `confirmed_by` or `undone_by`: `done` rows have been kept, taken in, undone or forgotten so
    far, and when it is being confirmed the rows up to the line `done_line` say what they became, those below what they
    would become. `step_at`: when rows were last kept, of one whose file is being read.
    """

    __tablename__ = "imports"
    __table_args__ = (
        CheckConstraint("taken + merged + refused = row_count", name="sums_agree"),
        CheckConstraint("(confirmed_at IS NULL) = (state IN ('staged', 'discarded'))", name="confirmed"),
        CheckConstraint("(undone_at IS NULL) = (state <> 'undone')", name="undone"),
        CheckConstraint(
            "under_way IS NULL OR (under_way IN ('staging', 'confirming') AND state = 'staged')"
            " OR (under_way = 'undoing' AND state = 'confirmed') OR (under_way = 'discarding' AND state = 'discarded')",
            name="steps",
        ),
        CheckConstraint("done BETWEEN 0 AND row_count", name="done"),
        CheckConstraint("step_at IS NULL OR under_way = 'staging'", name="step_at"),
        Index(None, "campaign_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    file_name: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    form: Mapped[str] = mapped_column(String(16))
    encoding: Mapped[str] = mapped_column(String(16), default="")
    delimiter: Mapped[str] = mapped_column(String(1), default="")
    part: Mapped[str] = mapped_column(Text, default="")
    parts: Mapped[list[str]] = mapped_column(json_column(), default=list)
    header: Mapped[list[str]] = mapped_column(json_column(), default=list)
    header_row: Mapped[int | None]
    header_said: Mapped[bool] = mapped_column(default=False, server_default=false())
    beginning: Mapped[list[Any]] = mapped_column(json_column(), default=list, server_default=text("'[]'"))
    mapping: Mapped[dict[str, str]] = mapped_column(json_column(), default=dict)
    list_name: Mapped[str] = mapped_column(Text, default="")
    area_code: Mapped[str] = mapped_column(String(5), default="")
    time_zone: Mapped[str] = mapped_column(Text, default="", server_default="")
    state: Mapped[ImportState] = mapped_column(one_of(ImportState, "state"), default=ImportState.STAGED)
    row_count: Mapped[int] = mapped_column(default=0)
    taken: Mapped[int] = mapped_column(default=0)
    merged: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    not_selected: Mapped[int] = mapped_column(default=0)
    sample: Mapped[list[list[str]]] = mapped_column(json_column(), default=list)
    trouble: Mapped[list[Any]] = mapped_column(json_column(), default=list)
    made: Mapped[dict[str, list[int]]] = mapped_column(json_column(), default=dict)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    confirmed_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    undone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    undone_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    under_way: Mapped[UnderWay | None] = mapped_column(one_of(UnderWay, "under_way"))
    step_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    done: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    done_line: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    version: Mapped[int] = mapped_column(default=1)


class ImportFile(Base):
    """The bytes of a file that waits to be confirmed, so that it can be read otherwise; gone afterwards."""

    __tablename__ = "import_files"

    import_id: Mapped[int] = mapped_column(ForeignKey("imports.id"), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class ImportRow(Base):
    """A row: where it stood, its cells, and what it became.

    `problems` are the reasons of a refused one and the remarks on any other, each a code and its parameters;
    `remarked`: there are some. `change` is what it changed (`crm.importing.report.RowChange`), with the versions in
    which the import left the organisation and the client. `kept_because`: codes of why undoing has left something.
    """

    __tablename__ = "import_rows"
    __table_args__ = (
        UniqueConstraint("import_id", "line"),
        Index(None, "organisation_id"),
        Index(None, "client_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    import_id: Mapped[int] = mapped_column(ForeignKey("imports.id"))
    line: Mapped[int]
    cells: Mapped[list[str]] = mapped_column(json_column())
    ended: Mapped[RowEnd] = mapped_column(one_of(RowEnd, "ended"))
    problems: Mapped[list[Any]] = mapped_column(json_column(), default=list)
    remarked: Mapped[bool] = mapped_column(default=False)
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id", ondelete="SET NULL"))
    client_id: Mapped[int | None] = mapped_column(ForeignKey("clients.id", ondelete="SET NULL"))
    organisation_version: Mapped[int | None]
    client_version: Mapped[int | None]
    change: Mapped[dict[str, Any]] = mapped_column(json_column(), default=dict)
    undone: Mapped[RowUndone | None] = mapped_column(one_of(RowUndone, "undone"))
    kept_because: Mapped[list[str]] = mapped_column(json_column(), default=list)


class SavedMapping(Base):
    """A mapping of columns under a name, for the next file of the same kind."""

    __tablename__ = "import_mappings"
    __table_args__ = (CheckConstraint("length(trim(name)) > 0", name="named"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    name_folded: Mapped[str] = mapped_column(Text, unique=True)
    mapping: Mapped[dict[str, str]] = mapped_column(json_column())
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))


async def get_import(session: AsyncSession, import_id: int, *, lock: bool = False) -> Import:
    """The import; `lock` holds its row until the transaction ends. Raises `NotFound`."""
    found = await session.get(Import, import_id, with_for_update=WEAK_LOCK if lock else None, populate_existing=lock)
    if found is None:
        raise NotFound("import.unknown")
    return found


def as_shown(found: Import, version: int | None, *states: ImportState) -> None:
    """Raises `Conflict` when somebody has changed it since `version`, and `Refused` when it is in none of `states` or
    in the middle of something."""
    if found.under_way is not None:
        raise Refused("import.under_way", number=found.id)
    if found.state not in states:
        raise Refused("import.wrong_state", number=found.id)
    if version is not None and version != found.version:
        raise Conflict("import.changed_meanwhile")


async def list_imports(session: AsyncSession, *, campaign_id: int | None = None, limit: int = 200) -> list[Import]:
    """The imports, the newest first."""
    asked = select(Import).order_by(Import.id.desc()).limit(limit)
    if campaign_id is not None:
        asked = asked.where(Import.campaign_id == campaign_id)
    return list(await session.scalars(asked))


async def save_mapping(
    session: AsyncSession, *, name: str, mapping: dict[str, str], now: datetime, author_id: int | None = None
) -> SavedMapping:
    """Keep `mapping` under `name`, in place of the one that had it. Raises `Refused` without a name."""
    name = required(name, "import.mapping_needs_name")
    found = await session.scalar(select(SavedMapping).where(SavedMapping.name_folded == fold(name)))
    if found is None:
        found = SavedMapping(name_folded=fold(name))
        session.add(found)
    found.name, found.mapping, found.saved_at, found.author_id = name, mapping, now, author_id
    audit.note(
        session, at=now, user_id=author_id, action=audit.IMPORT_MAPPING_SAVED, details={"name": name, "of": mapping}
    )
    await session.flush()
    return found


async def saved_mapping(session: AsyncSession, name: str) -> SavedMapping:
    """Raises `NotFound`."""
    found = await session.scalar(select(SavedMapping).where(SavedMapping.name_folded == fold(name)))
    if found is None:
        raise NotFound("import.mapping_unknown", name=name)
    return found


async def list_mappings(session: AsyncSession) -> list[SavedMapping]:
    """All saved mappings by name."""
    return list(await session.scalars(select(SavedMapping).order_by(SavedMapping.name_folded)))
