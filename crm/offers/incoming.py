"""What comes back to offers by e-mail: answers, replies of machines, failures, notices of the fax gateway; read from a
mailbox, each once, and kept with its offer."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, ColumnElement, ForeignKey, Index, String, Text, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit, transitions
from crm.base.joined import of_clients, read_as_one
from crm.calls.letters import Channel
from crm.errors import Conflict
from crm.mapping import Base, UtcDateTime, one_of
from crm.offers.offers import Offer, OfferState, hold_offer, turn
from crm.offers.opt_outs import OptsOut, opt_out
from crm.offers.sending import settle_doubt

LONGEST_TEXT: Final = 20_000
LONGEST_LINE: Final = 500
_GONE: Final = (OfferState.SENT, OfferState.DOUBTFUL)


class IncomingKind(enum.StrEnum):
    """What a message that came back is."""

    REPLY = "reply"
    AUTOMATIC = "automatic"  # somebody's machine answered (RFC 3834), or said that it was shown (RFC 8098)
    NO_MORE = "no_more"  # wants no letters
    BOUNCED = "bounced"  # it will not arrive (RFC 3464), or the fax did not
    DELAYED = "delayed"
    DELIVERED = "delivered"  # a server further on, or the fax gateway, says so


class IncomingMail(Base):
    """A message that came back to an offer. `came_at`: when the mailbox got it; `digest`: SHA-256 of it. Texts are
    blanked at most, and no row goes."""

    __tablename__ = "incoming_mails"
    __table_args__ = (
        CheckConstraint("length(digest) = 64", name="digest"),
        Index(None, "offer_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"))
    kind: Mapped[IncomingKind] = mapped_column(one_of(IncomingKind, "kind"))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    sender: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    came_at: Mapped[datetime] = mapped_column(UtcDateTime)
    read_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MailboxPosition(Base):
    """How far a mailbox has been read: UIDs up to `last_uid` under this UIDVALIDITY (RFC 3501 section 2.3.1.1).
    `of_no_offer`: how many of them belonged to no offer and were left alone."""

    __tablename__ = "mailbox_positions"

    mailbox: Mapped[str] = mapped_column(Text, primary_key=True)
    uid_validity: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    last_uid: Mapped[int] = mapped_column(BigInteger)
    of_no_offer: Mapped[int] = mapped_column(default=0)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message as it was understood. `keys`: of the offers that it names, the surest first; `faxed_to`: the numbers
    (digits) that a notice of the fax gateway names."""

    kind: IncomingKind
    keys: tuple[str, ...]
    faxed_to: tuple[str, ...]
    digest: str
    sender: str
    subject: str
    body: str
    came_at: datetime


@dataclass(frozen=True, slots=True)
class IncomingRow:
    """A message to be read, with its offer's client, subject and address."""

    mail: IncomingMail
    client_id: int
    offer_subject: str
    address: str


async def read_up_to(session: AsyncSession, *, mailbox: str, uid_validity: int) -> int | None:
    """The last UID that has been read; `None` before the first look."""
    found = await session.get(MailboxPosition, (mailbox, uid_validity))
    return None if found is None else found.last_uid


async def begin_at(session: AsyncSession, *, mailbox: str, uid_validity: int, last_uid: int) -> None:
    """The first look begins after this UID."""
    if await session.get(MailboxPosition, (mailbox, uid_validity)) is None:
        session.add(MailboxPosition(mailbox=mailbox, uid_validity=uid_validity, last_uid=last_uid))
        await session.flush()


async def take_in(
    session: AsyncSession, arrived: Arrived, *, mailbox: str, uid_validity: int, uid: int, now: datetime
) -> IncomingMail | None:
    """Keep the message with its offer, let it say what became of that, and note in the same transaction that it has
    been read: a crash loses none and doubles none. `None`: it belongs to no offer, or is known. Raises `Conflict` while
    its offer is being handed over: it is read again then."""
    position = await session.get_one(
        MailboxPosition, (mailbox, uid_validity), with_for_update=True, populate_existing=True
    )
    if uid <= position.last_uid:
        return None  # another service has read it
    position.last_uid = uid
    offer = await _offer_of(session, arrived)
    if offer is None:
        position.of_no_offer += 1
        await session.flush()
        return None
    if await session.scalar(select(IncomingMail.id).where(IncomingMail.digest == arrived.digest)):
        await session.flush()
        return None
    offer = await hold_offer(session, offer.id)
    if offer.state is OfferState.HANDING_OVER:
        raise Conflict("offer.overtaken")
    made = IncomingMail(
        offer_id=offer.id, kind=arrived.kind, digest=arrived.digest, sender=arrived.sender[:LONGEST_LINE],
        subject=arrived.subject[:LONGEST_LINE], body=arrived.body[:LONGEST_TEXT], came_at=arrived.came_at, read_at=now,
    )  # fmt: skip
    session.add(made)
    await session.flush()
    await _follow(session, offer, made, now=now)
    details = {"offer": offer.id, "mail": made.id, "kind": made.kind.value}
    subject = f"client:{offer.client_id}"
    audit.note(session, at=now, user_id=None, action=audit.OFFER_ANSWERED, subject=subject, details=details)
    transitions.note(session, "incoming", mail=made.id, was="unread", on=made.kind, now="kept", offer=offer.id)
    return made


async def _offer_of(session: AsyncSession, arrived: Arrived) -> Offer | None:
    """By the key, which nobody knows who has not got the offer; a fax's notice also by the number: the newest fax that
    went there."""
    if arrived.keys:
        found = {each.key: each for each in await session.scalars(select(Offer).where(Offer.key.in_(arrived.keys)))}
        for key in arrived.keys:
            if key in found:
                return found[key]
    if arrived.faxed_to:
        numbers = [f"+{digits}" for digits in arrived.faxed_to]
        faxes = select(Offer).where(Offer.channel == Channel.FAX, Offer.address.in_(numbers), Offer.state.in_(_GONE))
        return await session.scalar(faxes.order_by(Offer.id.desc()).limit(1))
    return None


async def _follow(session: AsyncSession, offer: Offer, mail: IncomingMail, *, now: datetime) -> None:
    """What a message says of its offer: a failure that it did not arrive; anything else from beyond that it did, which
    settles a doubt; and whoever wants no letters gets none."""
    if mail.kind is IncomingKind.BOUNCED:
        if offer.state in _GONE:
            await turn(session, offer, OfferState.BOUNCED, on="came back", now=now, last_error="")
    elif offer.state is OfferState.DOUBTFUL and mail.kind is not IncomingKind.DELAYED:
        await settle_doubt(session, offer_id=offer.id, now=now)
    if mail.kind is IncomingKind.NO_MORE:
        evidence = f"{mail.came_at:%Y-%m-%d %H:%M} UTC, {mail.sender}: {mail.subject}"
        await opt_out(session, whom=OptsOut.ADDRESS, target=offer.address, evidence=evidence, now=now)


async def incoming_of(session: AsyncSession, client_id: int, *, limit: int = 200) -> list[IncomingRow]:
    """All that came back from the client, and from those who are read with it, the newest first."""
    return await _rows(session, of_clients(Offer.client_id, await read_as_one(session, client_id)), limit=limit)


async def list_incoming(session: AsyncSession, *, limit: int = 200) -> list[IncomingRow]:
    """The newest of the office."""
    return await _rows(session, true(), limit=limit)


async def _rows(session: AsyncSession, which: ColumnElement[bool], *, limit: int) -> list[IncomingRow]:
    found = await session.execute(
        select(IncomingMail, Offer.client_id, Offer.subject, Offer.address)
        .join(Offer, Offer.id == IncomingMail.offer_id)
        .where(which)
        .order_by(IncomingMail.came_at.desc(), IncomingMail.id.desc())
        .limit(limit)
    )
    return [IncomingRow(*row) for row in found]


async def of_no_offer(session: AsyncSession) -> int:
    """How many messages of the mailboxes belonged to no offer and were left alone there."""
    return await session.scalar(select(func.coalesce(func.sum(MailboxPosition.of_no_offer), 0))) or 0


async def came_back_at(session: AsyncSession, address: str) -> datetime | None:
    """When the newest offer to this address came back; `None` where it did not."""
    newest = select(Offer.state, Offer.settled_at).where(
        func.lower(Offer.address) == address.lower(), Offer.state.in_((OfferState.SENT, OfferState.BOUNCED))
    )
    row = (await session.execute(newest.order_by(Offer.id.desc()).limit(1))).one_or_none()
    return row.settled_at if row is not None and row.state is OfferState.BOUNCED else None
