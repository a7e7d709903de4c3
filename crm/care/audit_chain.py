"""A chain over the audit and the outcomes: whoever changes a row behind the program's back breaks it.

Every row gets a link: a digest of the link before, of the row's fixed columns, and of salted digests of its texts. A
text that was erased has lost its salt, so that nobody can find out by trying what it was; the digests stay, and the
chain still verifies. Links are made once a minute and before an erasure, not with the row: they are in one order, and
writers do not wait for one another.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, String, UniqueConstraint, exists, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm.audit import AuditEntry
from crm.care.personal import ERASED
from crm.mapping import Base, json_column
from crm.one_at_a_time import Deed, one_at_a_time
from crm.plan.outcome_chain import Outcome

Row = AuditEntry | Outcome

_BATCH: Final = 1_000
_FIRST_LINK: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class _Kind:
    """A table in the chain: what a link covers. Columns that come later are not covered: older links lack them."""

    name: str
    table: type[Row]
    fixed: tuple[str, ...]
    texts: tuple[str, ...]


KINDS: Final = (
    _Kind("audit", AuditEntry, ("id", "at", "user_id", "action", "subject"), ("details",)),
    _Kind(
        "outcome",
        Outcome,
        (
            "id", "attempt_id", "disposition", "person_id", "callback_at_local", "number_only", "recorded_at",
            "author_id", "supersedes_id",
        ),
        ("full_name", "summary", "reason", "competitor", "callback_words", "asked_by", "note"),
    ),
)  # fmt: skip
_BY_NAME: Final = {kind.name: kind for kind in KINDS}


class ChainLink(Base):
    """The link of one row; their ids have no gaps. `salts` and `digests` are by column, of the texts that were not
    empty."""

    __tablename__ = "chain_links"
    __table_args__ = (UniqueConstraint("kind", "row_id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16))
    row_id: Mapped[int]
    salts: Mapped[dict[str, str]] = mapped_column(json_column())
    digests: Mapped[dict[str, str]] = mapped_column(json_column())
    link: Mapped[str] = mapped_column(String(64))


@dataclass(slots=True)
class ChainReport:
    """What was found: links looked at, rows without one (yet), texts that were erased, the last link (to be kept
    elsewhere: with it a shortened chain is noticed), and what is `broken`, in words of a log."""

    links: int = 0
    unlinked: int = 0
    erased: int = 0
    head: str = _FIRST_LINK
    broken: list[str] = field(default_factory=list)


async def add_links(session: AsyncSession, *, limit: int | None = None) -> int:
    """Link rows that have no link, `limit` of each kind at most; returns how many."""
    await one_at_a_time(session, Deed.LINKING)
    await session.flush()
    newest = await session.execute(select(ChainLink.id, ChainLink.link).order_by(ChainLink.id.desc()).limit(1))
    last_id, last = next(iter(newest), (0, _FIRST_LINK))
    made: list[dict[str, Any]] = []
    for kind in KINDS:
        for row in await session.scalars(_unlinked(kind).order_by(kind.table.id).limit(limit)):
            salts, digests = _digests(kind, row)
            last = _link(last, kind, row, digests)
            made.append({
                "id": last_id + len(made) + 1, "kind": kind.name, "row_id": row.id, "salts": salts, "digests": digests,
                "link": last,
            })  # fmt: skip
    if made:
        await session.execute(insert(ChainLink), made)
    return len(made)


def _unlinked(kind: _Kind) -> Select[Any]:
    linked = exists().where(ChainLink.kind == kind.name, ChainLink.row_id == kind.table.id)
    return select(kind.table).where(~linked)


def _digests(kind: _Kind, row: Row) -> tuple[dict[str, str], dict[str, str]]:
    said = {column: value for column in kind.texts if (value := getattr(row, column))}
    salts = {column: secrets.token_hex(16) for column in said}
    return salts, {column: _digest(salts[column], value) for column, value in said.items()}


def _digest(salt: str, value: object) -> str:
    return hashlib.sha256(f"{salt}{_canonical(value)}".encode()).hexdigest()


def _link(before: str, kind: _Kind, row: Row, digests: dict[str, str]) -> str:
    fixed = {column: getattr(row, column) for column in kind.fixed}
    return hashlib.sha256(f"{before}{kind.name}{_canonical([fixed, digests])}".encode()).hexdigest()


def _canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


async def verify(session: AsyncSession) -> ChainReport:
    """Walk along the whole chain."""
    report, last_id = ChainReport(), 0
    while True:
        links = select(ChainLink).where(ChainLink.id > last_id).order_by(ChainLink.id).limit(_BATCH)
        batch = list(await session.scalars(links))
        if not batch:
            break
        await _verify_batch(session, batch, report)
        last_id = batch[-1].id
        session.expunge_all()
    for kind in KINDS:
        report.unlinked += await session.scalar(select(func.count()).select_from(_unlinked(kind).subquery())) or 0
    return report


async def _verify_batch(session: AsyncSession, batch: Sequence[ChainLink], report: ChainReport) -> None:
    rows: dict[tuple[str, int], Row] = {}
    for kind in KINDS:
        ids = [link.row_id for link in batch if link.kind == kind.name]
        wanted: Select[Any] = select(kind.table).where(kind.table.id.in_(ids))
        rows |= {(kind.name, row.id): row for row in await session.scalars(wanted)}
    for link in batch:
        report.links += 1
        if link.id != report.links:
            report.broken.append(f"{link.kind} {link.row_id}: links before it are gone")
        found = rows.get((link.kind, link.row_id))
        if found is None:
            report.broken.append(f"{link.kind} {link.row_id}: the row is gone")
        else:
            _verify_row(link, _BY_NAME[link.kind], found, report)
        report.head = link.link


def _verify_row(link: ChainLink, kind: _Kind, row: Row, report: ChainReport) -> None:
    where = f"{kind.name} {row.id}"
    if _link(report.head, kind, row, link.digests) != link.link:
        report.broken.append(f"{where}: the row or its place in the chain was changed")
    for column in kind.texts:
        value = getattr(row, column)
        if column in link.salts:
            if _digest(link.salts[column], value) != link.digests.get(column):
                report.broken.append(f"{where}: {column} was changed")
        elif column in link.digests:
            report.erased += 1
            if value not in ("", ERASED, {}):
                report.broken.append(f"{where}: {column} was erased, and something stands there")
        elif value:
            report.broken.append(f"{where}: {column} was empty")


async def forget(session: AsyncSession, row: Base, columns: Sequence[str]) -> None:
    """Take the salts of texts that are being erased out of the row's link, if its table is in the chain."""
    if not isinstance(row, AuditEntry | Outcome):
        return
    name, row_id = next(each.name for each in KINDS if each.table is type(row)), row.id
    link = await session.scalar(select(ChainLink).where(ChainLink.kind == name, ChainLink.row_id == row_id))
    if link is not None:
        link.salts = {column: salt for column, salt in link.salts.items() if column not in columns}
        await session.flush()
