"""Who wants no letters from us: an address (e-mail or number), a person or an organisation; each with its evidence, and
none deleted. It holds in every campaign until it is lifted."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit, transitions
from crm.base.joined import merged_into
from crm.base.organisations import Organisation
from crm.base.people import Person
from crm.clientele.clients import Client
from crm.errors import Conflict, NotFound, Refused
from crm.insert_or_read import insert_or_read
from crm.mapping import Base, UtcDateTime, one_of
from crm.offers.addresses import channel_of, letter_address
from crm.offers.offers import Offer
from crm.text_rules import lines_of, required


class OptsOut(enum.StrEnum):
    """What a request for no letters is about."""

    ADDRESS = "address"
    PERSON = "person"
    ORGANISATION = "organisation"


_COLUMNS: Final = {OptsOut.ADDRESS: "address", OptsOut.PERSON: "person_id", OptsOut.ORGANISATION: "organisation_id"}
_NAMED: Final = " AND ".join(f"(whom = '{whom}') = ({column} IS NOT NULL)" for whom, column in _COLUMNS.items())
_IN_FORCE: Final = text("lifted_at IS NULL")


class OptOut(Base):
    """A request for no letters. `whom` says which of `address` (in small letters), `person_id`, `organisation_id` is
    set; `evidence` is in words. `noted_at_id`: the organisation at whose client it was noted. It holds until it is
    lifted."""

    __tablename__ = "opt_outs"
    __table_args__ = (
        CheckConstraint(_NAMED, name="whom_is_named"),
        CheckConstraint("length(trim(evidence)) > 0", name="evidence"),
        CheckConstraint("(lifted_at IS NULL) = (length(trim(lift_reason)) = 0)", name="lifted"),
        *(
            Index(f"uq_opt_outs_{whom}", column, unique=True, sqlite_where=_IN_FORCE, postgresql_where=_IN_FORCE)
            for whom, column in _COLUMNS.items()
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    whom: Mapped[OptsOut] = mapped_column(one_of(OptsOut, "whom"))
    address: Mapped[str | None] = mapped_column(Text)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"))
    evidence: Mapped[str] = mapped_column(Text)
    noted_at_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    lifted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lifted_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    lift_reason: Mapped[str] = mapped_column(Text, default="")


async def opt_out(
    session: AsyncSession,
    *,
    whom: OptsOut,
    target: str | int,
    evidence: str,
    now: datetime,
    author_id: int | None = None,
    noted_at_id: int | None = None,
    region: str = "RU",
) -> OptOut:
    """Keep the request; `target` is an id, or an address, which is kept in the spelling in which letters go there
    (`region`: that of its number). `noted_at_id`: the organisation at whose client it was noted. Asked again the first
    one stays. Raises `Refused` without evidence, and for what is no address; `NotFound` for a person that there is
    not."""
    evidence = lines_of(evidence)
    if not evidence:
        raise Refused("opt_out.needs_evidence")
    if isinstance(target, str):
        target = letter_address(target, channel_of(target), region=region).lower()
    elif whom is OptsOut.PERSON and await session.get(Person, target) is None:
        raise NotFound("person.unknown")
    column = getattr(OptOut, _COLUMNS[whom])
    in_force = select(OptOut).where(column == target, OptOut.lifted_at.is_(None))
    known = await session.scalar(in_force)
    if known is not None:
        return known
    asked = OptOut(
        whom=whom, evidence=evidence, asked_at=now, author_id=author_id, noted_at_id=noted_at_id,
        **{_COLUMNS[whom]: target},
    )  # fmt: skip
    asked, is_new = await insert_or_read(session, asked, lambda: session.scalar(in_force))
    if not is_new:
        return asked
    transitions.note(session, "opt-out", request=asked.id, whom=whom, was="none", on="asked", now="in force")
    _note(session, asked, audit.OPT_OUT_ASKED, {"target": target, "evidence": evidence}, now=now, author_id=author_id)
    return asked


async def lift_opt_out(
    session: AsyncSession, *, opt_out_id: int, reason: str, now: datetime, author_id: int | None = None
) -> OptOut:
    """It holds no more. Raises `NotFound`, `Conflict` when it was lifted before, `Refused` without a reason."""
    found = await session.get(OptOut, opt_out_id, with_for_update=True)
    if found is None:
        raise NotFound("opt_out.unknown")
    if found.lifted_at is not None:
        raise Conflict("opt_out.lifted")
    reason = required(reason, "opt_out.needs_reason")
    found.lifted_at, found.lifted_by, found.lift_reason = now, author_id, reason
    await session.flush()
    transitions.note(session, "opt-out", request=found.id, whom=found.whom, was="in force", on="lifted", now="lifted")
    _note(session, found, audit.OPT_OUT_LIFTED, {"reason": reason}, now=now, author_id=author_id)
    return found


async def opt_outs_at(session: AsyncSession, organisation_id: int) -> list[OptOut]:
    """Those in force of the organisation and of those merged into it, of their people, of the addresses that offers to
    them went to, and what was noted at their clients."""
    read = [organisation_id, *await session.scalars(merged_into(organisation_id))]
    people = select(Person.id).where(Person.organisation_id.in_(read))
    clients = select(Client.id).where(Client.organisation_id.in_(read))
    written_to = select(func.lower(Offer.address)).where(Offer.client_id.in_(clients))
    own = select(func.lower(Organisation.email)).where(Organisation.id.in_(read))
    theirs = or_(
        OptOut.organisation_id.in_(read), OptOut.person_id.in_(people), OptOut.address.in_(written_to),
        OptOut.address.in_(own), OptOut.noted_at_id.in_(read),
    )  # fmt: skip
    these = select(OptOut).where(theirs, OptOut.lifted_at.is_(None))
    return list(await session.scalars(these.order_by(OptOut.id.desc())))


async def opt_outs(session: AsyncSession) -> Sequence[OptOut]:
    """Those in force, the newest first."""
    return list(await session.scalars(select(OptOut).where(OptOut.lifted_at.is_(None)).order_by(OptOut.id.desc())))


def _note(
    session: AsyncSession, found: OptOut, action: str, details: dict[str, object], *, now: datetime,
    author_id: int | None,
) -> None:  # fmt: skip
    details = {**details, "whom": found.whom.value}
    audit.note(session, at=now, user_id=author_id, action=action, subject=f"opt_out:{found.id}", details=details)
