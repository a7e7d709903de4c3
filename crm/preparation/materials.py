"""Materials of a campaign: the customer's files, kept by their content below a folder of the office."""

from __future__ import annotations

import enum
import hashlib
import os
import re
import secrets
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.errors import Conflict, NotFound, Refused
from crm.mapping import Base, UtcDateTime, one_of
from crm.preparation.campaign_setup import note_setup
from crm.preparation.campaigns import Campaign, get_campaign

LARGEST_BYTES: Final = 20 * 1024 * 1024
LONGEST_NAME: Final = 120
# Documents, tables, slides and pictures: nothing that a browser would run.
EXTENSIONS: Final = frozenset(
    "csv doc docx jpeg jpg odp ods odt pdf png ppt pptx rtf txt xls xlsx".split()  # noqa: SIM905 - read as one line
)
_UNFIT: Final = re.compile(r'[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069<>:"|?*]')
_DEVICES: Final = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class MaterialKind(enum.StrEnum):
    """What a file is for. The offer is what the customer signs."""

    OFFER = "offer"
    ADVERTISING = "advertising"
    PRESENTATION = "presentation"
    OTHER = "other"


class Material(Base):
    """A file of the campaign. `sha256` names its content in the folder; a removed one stays, for what was signed."""

    __tablename__ = "materials"
    __table_args__ = (
        CheckConstraint("length(trim(file_name)) > 0", name="named"),
        CheckConstraint("length(sha256) = 64", name="sha256"),
        CheckConstraint("size_bytes > 0", name="size_bytes"),
        Index(None, "campaign_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    kind: Mapped[MaterialKind] = mapped_column(one_of(MaterialKind, "kind"))
    file_name: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int]
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


def clean_name(name: str) -> str:
    """The last part of a path, without what a file system or a reader could stumble over. Raises `Refused` for an
    extension that is not taken."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    cleaned = " ".join(_UNFIT.sub("", last).split()).strip(". ")
    stem, dot, extension = cleaned.rpartition(".")
    if not dot or not stem.strip() or extension.casefold() not in EXTENSIONS:
        raise Refused("material.extension", name=cleaned or "?", known=", ".join(sorted(EXTENSIONS)))
    stem = stem[: LONGEST_NAME - len(extension) - 1].strip()
    return f"{'_' if _DEVICES.match(stem) else ''}{stem}.{extension.casefold()}"


def keep_file(folder: Path, content: bytes) -> str:
    """Write `content` below `folder` and return its SHA-256, which is its name there; once for the same content. It is
    on the disk when this returns. Raises `Refused` for an empty or a too large one, `OSError`."""
    if not content:
        raise Refused("material.empty")
    if len(content) > LARGEST_BYTES:
        raise Refused("material.too_large", megabytes=LARGEST_BYTES // (1024 * 1024))
    sha256 = hashlib.sha256(content).hexdigest()
    path = path_of(folder, sha256)
    if path.exists():
        return sha256
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return sha256


def path_of(folder: Path, sha256: str) -> Path:
    """Where the content is kept."""
    assert _SHA256.fullmatch(sha256), "a name that is no digest could lead out of the folder"
    return folder / sha256[:2] / sha256


def read_file(folder: Path, material: Material) -> bytes:
    """The content, checked against its SHA-256. Raises `NotFound` where it is gone or another."""
    try:
        content = path_of(folder, material.sha256).read_bytes()
    except OSError:
        raise NotFound("material.lost", name=material.file_name) from None
    if hashlib.sha256(content).hexdigest() != material.sha256:
        raise NotFound("material.lost", name=material.file_name)
    return content


async def add_material(
    session: AsyncSession,
    *,
    campaign: Campaign,
    kind: MaterialKind,
    file_name: str,
    sha256: str,
    size_bytes: int,
    now: datetime,
    author_id: int | None = None,
) -> Material:
    """A file that `keep_file` has kept. Raises `Refused`, and `Conflict` when the campaign has it under this kind."""
    file_name = clean_name(file_name)
    await get_campaign(session, campaign.id, lock=True)
    if any(each.kind is kind and each.sha256 == sha256 for each in await materials_of(session, campaign.id)):
        raise Conflict("material.exists", name=file_name)
    material = Material(
        campaign_id=campaign.id, kind=kind, file_name=file_name, sha256=sha256, size_bytes=size_bytes, added_at=now,
        author_id=author_id,
    )  # fmt: skip
    session.add(material)
    await session.flush()
    details = {"material": material.id, "kind": kind.value, "name": file_name, "sha256": sha256}
    note_setup(session, campaign.id, audit.MATERIAL_ADDED, details, now=now, author_id=author_id)
    return material


async def remove_material(
    session: AsyncSession, *, material: Material, now: datetime, author_id: int | None = None
) -> None:
    """Take the file off the campaign; it stays in the folder for what was signed. Removed again nothing happens."""
    await get_campaign(session, material.campaign_id, lock=True)
    if material.removed_at is not None:
        return
    material.removed_at = now
    details = {"material": material.id, "kind": material.kind.value, "name": material.file_name}
    note_setup(session, material.campaign_id, audit.MATERIAL_REMOVED, details, now=now, author_id=author_id)
    await session.flush()


async def materials_of(session: AsyncSession, campaign_id: int) -> list[Material]:
    """Those that were not removed, in the order in which they came."""
    these = select(Material).where(Material.campaign_id == campaign_id, Material.removed_at.is_(None))
    return list(await session.scalars(these.order_by(Material.id)))


async def get_material(session: AsyncSession, *, campaign_id: int, material_id: int) -> Material:
    """One of the campaign's that was not removed. Raises `NotFound`."""
    found = await session.get(Material, material_id)
    if found is None or found.campaign_id != campaign_id or found.removed_at is not None:
        raise NotFound("material.unknown")
    return found
