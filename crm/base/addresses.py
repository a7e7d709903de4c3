"""Addresses of organisations: where letters go, where it is registered, where it is."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.errors import Conflict, NotFound, Refused
from crm.mapping import Base, Versioned, one_of


class AddressKind(enum.StrEnum):
    """What an address is for."""

    POSTAL = "postal"
    LEGAL = "legal"
    ACTUAL = "actual"
    OTHER = "other"


class Address(Versioned, Base):
    """An address as one writes it on a letter, several lines if need be."""

    __tablename__ = "addresses"
    __table_args__ = (CheckConstraint("length(trim(written)) > 0", name="written"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), index=True)
    kind: Mapped[AddressKind] = mapped_column(one_of(AddressKind, "kind"))
    written: Mapped[str] = mapped_column(Text)


async def add_address(
    session: AsyncSession,
    *,
    organisation_id: int,
    kind: AddressKind,
    written: str,
    now: datetime,
    author_id: int | None = None,
) -> Address:
    """A new address. Raises `Refused` for an empty one."""
    address = Address(organisation_id=organisation_id, kind=kind, written=_clean(written))
    session.add(address)
    await session.flush()
    audit.note(
        session, at=now, user_id=author_id, action=audit.ADDRESS_SET, subject=f"organisation:{organisation_id}",
        details={"address": address.id, "kind": kind.value, "written": [None, address.written]},
    )  # fmt: skip
    return address


async def change_address(
    session: AsyncSession,
    *,
    address: Address,
    kind: AddressKind,
    written: str,
    version: int | None,
    now: datetime,
    author_id: int | None = None,
) -> None:
    """Write it otherwise; an empty text takes it away. `version`: that which the author saw. Raises `Conflict`."""
    if version is not None and version != address.version:
        raise Conflict("record.changed_meanwhile")
    details = {"address": address.id, "kind": kind.value, "written": [address.written, written.strip() or None]}
    if written.strip():
        address.kind, address.written = kind, _clean(written)
    else:
        await session.delete(address)
    audit.note(
        session, at=now, user_id=author_id, action=audit.ADDRESS_SET,
        subject=f"organisation:{address.organisation_id}", details=details,
    )  # fmt: skip
    await session.flush()


async def address_at(session: AsyncSession, *, organisation_id: int, address_id: int) -> Address:
    """The address, which must be that organisation's. Raises `NotFound`."""
    address = await session.get(Address, address_id, with_for_update=True)
    if address is None or address.organisation_id != organisation_id:
        raise NotFound("address.unknown")
    return address


async def addresses_of(session: AsyncSession, organisation_id: int) -> list[Address]:
    """All of them, the oldest first."""
    mine = select(Address).where(Address.organisation_id == organisation_id).order_by(Address.id)
    return list(await session.scalars(mine))


def lines_as_written(text: str) -> str:
    """The lines of an address without spaces to spare and empty lines."""
    lines = [" ".join(line.split()) for line in text.replace("\0", "").splitlines()]
    return "\n".join(line for line in lines if line)


def _clean(written: str) -> str:
    cleaned = lines_as_written(written)
    if not cleaned:
        raise Refused("address.empty")
    return cleaned
