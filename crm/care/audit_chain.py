"""A chain over the audit and the outcomes: whoever changes a row behind the program's back breaks it.

Every row gets a link: a digest of the link before, of the row's fixed columns, and of salted digests of its texts, made
with a key that comes from the office's: whoever has the database alone can make none. A text that was erased has lost
its salt, so that nobody can find out by trying what it was; that it was erased is a row, with a digest by the same key,
and the chain still verifies. Links are made once a minute and before an erasure, not with the row: they are in one
order, and writers do not wait for one another.

The links of an office from before the key were made without one. The first link of the keyed chain covers the last of
them, so that from then on none can be changed; whether one was before, they cannot say.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final

from sqlalchemy import ForeignKey, Select, String, UniqueConstraint, exists, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm.audit import AuditEntry
from crm.care.personal import ERASED
from crm.mapping import Base, json_column
from crm.office.headset_keys import OFFICE_KEY
from crm.one_at_a_time import Deed, one_at_a_time
from crm.plan.outcome_chain import Outcome

Row = AuditEntry | Outcome

_BATCH: Final = 1_000
_FIRST_LINK: Final = "0" * 64
_PURPOSE: Final = b"dialer audit chain 1"
_START: Final = "start"


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
    empty. One of the `kind` "start" is of no row: with it the links by the office's key begin."""

    __tablename__ = "chain_links"
    __table_args__ = (UniqueConstraint("kind", "row_id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16))
    row_id: Mapped[int]
    salts: Mapped[dict[str, str]] = mapped_column(json_column())
    digests: Mapped[dict[str, str]] = mapped_column(json_column())
    link: Mapped[str] = mapped_column(String(64))


class ErasedSalt(Base):
    """A text whose salt is gone because it was erased: `seal` is a digest of the rest by the office's key, without
    which nobody can say so. No `erasure_id`: it was erased before links had a key."""

    __tablename__ = "erased_salts"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    row_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    column: Mapped[str] = mapped_column("column_name", String(64), primary_key=True)
    erasure_id: Mapped[int | None] = mapped_column(ForeignKey("erasures.id"))
    seal: Mapped[str] = mapped_column(String(64))


class Key(Enum):
    """Whether the office's key at hand can verify the links. `ANOTHER` is not to be told from links before the keyed
    ones that were changed."""

    SAME = "same"
    MISSING = "missing"
    ANOTHER = "another"


@dataclass(slots=True)
class ChainReport:
    """What was found: links looked at, how many of them are older than the key, rows without one (yet), texts that were
    erased, the last link (to be kept elsewhere: with it a shortened chain is noticed), and what is `broken`, in words
    of a log. The chain is whole where nothing is broken and the key is the `SAME`."""

    links: int = 0
    unkeyed: int = 0
    keyed: bool = False
    key: Key = Key.SAME
    unlinked: int = 0
    erased: int = 0
    head: str = _FIRST_LINK
    broken: list[str] = field(default_factory=list)


async def add_links(session: AsyncSession, *, limit: int | None = None) -> int:
    """Link rows that have no link, `limit` of each kind at most; returns how many. Without the office's key none."""
    key = _key(session)
    if not key:
        return 0
    await one_at_a_time(session, Deed.LINKING)
    await session.flush()
    newest = await session.execute(select(ChainLink.id, ChainLink.link).order_by(ChainLink.id.desc()).limit(1))
    last_id, last = next(iter(newest), (0, _FIRST_LINK))
    made: list[dict[str, Any]] = []
    if not await session.scalar(select(exists().where(ChainLink.kind == _START))):
        await _keep_erased(session, key)
        last = _start(key, last, last_id + 1)
        made.append({"id": last_id + 1, "kind": _START, "row_id": 0, "salts": {}, "digests": {}, "link": last})
    linked = -len(made)
    for kind in KINDS:
        for row in await session.scalars(_unlinked(kind).order_by(kind.table.id).limit(limit)):
            salts, digests = _digests(kind, row)
            last = _link(key, last, kind, row, digests)
            made.append({
                "id": last_id + len(made) + 1, "kind": kind.name, "row_id": row.id, "salts": salts, "digests": digests,
                "link": last,
            })  # fmt: skip
    if made:
        await session.execute(insert(ChainLink), made)
    return linked + len(made)


def _key(session: AsyncSession) -> bytes:
    office_key = session.info.get(OFFICE_KEY)
    return hmac.digest(bytes(office_key), _PURPOSE, "sha256") if office_key else b""


async def _keep_erased(session: AsyncSession, key: bytes) -> None:
    """What was erased before links had a key is known from now on, and nothing is added to it."""
    known = {(each.kind, each.row_id, each.column) for each in await session.scalars(select(ErasedSalt))}
    links = select(ChainLink.kind, ChainLink.row_id, ChainLink.salts, ChainLink.digests)
    gone = [
        _erased_salt(key, kind, row_id, column, None)
        async for kind, row_id, salts, digests in await session.stream(links)
        for column in digests
        if column not in salts and (kind, row_id, column) not in known
    ]
    if gone:
        await session.execute(insert(ErasedSalt), gone)


def _erased_salt(key: bytes, kind: str, row_id: int, column: str, erasure_id: int | None) -> dict[str, Any]:
    seal = hmac.new(key, _canonical(["erased", kind, row_id, column, erasure_id]).encode(), "sha256").hexdigest()
    return {"kind": kind, "row_id": row_id, "column": column, "erasure_id": erasure_id, "seal": seal}


def _unlinked(kind: _Kind) -> Select[Any]:
    linked = exists().where(ChainLink.kind == kind.name, ChainLink.row_id == kind.table.id)
    return select(kind.table).where(~linked)


def _digests(kind: _Kind, row: Row) -> tuple[dict[str, str], dict[str, str]]:
    said = {column: value for column in kind.texts if (value := getattr(row, column))}
    salts = {column: secrets.token_hex(16) for column in said}
    return salts, {column: _digest(salts[column], value) for column, value in said.items()}


def _digest(salt: str, value: object) -> str:
    return hashlib.sha256(f"{salt}{_canonical(value)}".encode()).hexdigest()


def _link(key: bytes, before: str, kind: _Kind, row: Row, digests: dict[str, str]) -> str:
    """Without a key: as links were made before there was one."""
    fixed = {column: getattr(row, column) for column in kind.fixed}
    said = f"{before}{kind.name}{_canonical([fixed, digests])}".encode()
    return hmac.new(key, said, "sha256").hexdigest() if key else hashlib.sha256(said).hexdigest()


def _start(key: bytes, before: str, link_id: int) -> str:
    return hmac.new(key, f"{before}{_START}{link_id}".encode(), "sha256").hexdigest()


def _canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


async def verify(session: AsyncSession) -> ChainReport:
    """Walk along the whole chain."""
    report, last_id, key = ChainReport(), 0, _key(session)
    while True:
        links = select(ChainLink).where(ChainLink.id > last_id).order_by(ChainLink.id).limit(_BATCH)
        batch = list(await session.scalars(links))
        if not batch:
            break
        await _verify_batch(session, key, batch, report)
        last_id = batch[-1].id
        session.expunge_all()
    if report.links and not key:
        report.key = Key.MISSING
    elif report.links and not report.keyed:
        report.broken.append("no link is made with the office's key, as every office has one a minute after its start")
    for kind in KINDS:
        report.unlinked += await session.scalar(select(func.count()).select_from(_unlinked(kind).subquery())) or 0
    return report


async def _verify_batch(session: AsyncSession, key: bytes, batch: Sequence[ChainLink], report: ChainReport) -> None:
    rows: dict[tuple[str, int], Row] = {}
    for kind in KINDS:
        ids = [link.row_id for link in batch if link.kind == kind.name]
        wanted: Select[Any] = select(kind.table).where(kind.table.id.in_(ids))
        rows |= {(kind.name, row.id): row for row in await session.scalars(wanted)}
    erased = await _erased(session, key, batch) if key else None
    for link in batch:
        if link.id != report.links + report.keyed + 1:
            report.broken.append(f"{link.kind} {link.row_id}: links before it are gone")
        if link.kind == _START:
            _verify_start(link, key, report)
            continue
        report.links += 1
        found = rows.get((link.kind, link.row_id))
        if found is None:
            report.broken.append(f"{link.kind} {link.row_id}: the row is gone")
        else:
            _verify_row(link, found, key if report.keyed else b"", erased, report)
        report.head = link.link


def _verify_start(link: ChainLink, key: bytes, report: ChainReport) -> None:
    report.keyed, report.unkeyed = True, report.links
    if not key:
        report.key = Key.MISSING
    elif not hmac.compare_digest(_start(key, report.head, link.id), link.link):
        report.key = Key.ANOTHER
    report.head = link.link


async def is_of_this_key(session: AsyncSession) -> bool:
    """Whether the chain was begun with the office's key of this session; also where it has not begun."""
    start = await session.scalar(select(ChainLink).where(ChainLink.kind == _START))
    if start is None:
        return True
    before = await session.scalar(select(ChainLink.link).where(ChainLink.id == start.id - 1)) or _FIRST_LINK
    return hmac.compare_digest(_start(_key(session), before, start.id), start.link)


async def _erased(session: AsyncSession, key: bytes, batch: Sequence[ChainLink]) -> set[tuple[str, int, str]]:
    """The texts of these links that an erasure took, as far as the office's key says so."""
    ids = {link.row_id for link in batch if link.salts.keys() != link.digests.keys()}
    rows = list(await session.scalars(select(ErasedSalt).where(ErasedSalt.row_id.in_(ids))))
    return {
        (each.kind, each.row_id, each.column)
        for each in rows
        if _erased_salt(key, each.kind, each.row_id, each.column, each.erasure_id)["seal"] == each.seal
    }


def _verify_row(
    link: ChainLink, row: Row, key: bytes, erased: set[tuple[str, int, str]] | None, report: ChainReport
) -> None:
    """`erased` is `None` where nobody can say what was, for want of the office's key."""
    kind = _BY_NAME[link.kind]
    where = f"{kind.name} {row.id}"
    if report.key is Key.SAME and _link(key, report.head, kind, row, link.digests) != link.link:
        report.broken.append(f"{where}: the row or its place in the chain was changed")
    for column in kind.texts:
        value = getattr(row, column)
        if column in link.salts:
            if _digest(link.salts[column], value) != link.digests.get(column):
                report.broken.append(f"{where}: {column} was changed")
        elif column in link.digests:
            report.erased += 1
            if erased is not None and report.key is Key.SAME and (kind.name, row.id, column) not in erased:
                report.broken.append(f"{where}: {column} has lost its salt, and no erasure took it")
            if value not in ("", ERASED, {}):
                report.broken.append(f"{where}: {column} was erased, and something stands there")
        elif value:
            report.broken.append(f"{where}: {column} was empty")


async def forget(session: AsyncSession, row: Base, columns: Sequence[str], *, erasure_id: int) -> None:
    """Take the salts of texts that are being erased out of the row's link, if its table is in the chain, and keep that
    it was this erasure."""
    if not isinstance(row, AuditEntry | Outcome):
        return
    name, row_id = next(each.name for each in KINDS if each.table is type(row)), row.id
    link = await session.scalar(select(ChainLink).where(ChainLink.kind == name, ChainLink.row_id == row_id))
    if link is not None:
        going = [_erased_salt(_key(session), name, row_id, each, erasure_id) for each in columns if each in link.salts]
        if going:
            await session.execute(insert(ErasedSalt), going)
        link.salts = {column: salt for column, salt in link.salts.items() if column not in columns}
        await session.flush()
