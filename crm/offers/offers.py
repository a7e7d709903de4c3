"""Offers: each is one sending to one address, written with its text and its PDF before anything goes out.

What became of it is changed by one function. A message whose fate nobody knows is `doubtful`: it is not sent again by
itself, as a call is not dialled again.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    Select,
    String,
    Text,
    and_,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit, transitions
from crm.base.joined import of_clients, read_as_one
from crm.calls.letters import Channel
from crm.clientele.clients import Client, get_client
from crm.errors import Conflict, NotFound
from crm.mapping import Base, UtcDateTime, one_of
from crm.office.users import User

LONGEST_ERROR: Final = 500
_WAITS: Final = text("state = 'waiting'")


class OfferState(enum.StrEnum):
    """What became of an offer."""

    WAITING = "waiting"
    HANDING_OVER = "handing_over"  # from now on it may have been taken
    SENT = "sent"  # the mail server has taken it
    DOUBTFUL = "doubtful"  # the answer of the server was lost
    BOUNCED = "bounced"  # refused for good
    GIVEN_UP = "given_up"
    WITHDRAWN = "withdrawn"  # before it went


_MAY_BECOME: Final[Mapping[OfferState, frozenset[OfferState]]] = {
    OfferState.WAITING: frozenset(
        {
            OfferState.WAITING,
            OfferState.HANDING_OVER,
            OfferState.BOUNCED,
            OfferState.GIVEN_UP,
            OfferState.WITHDRAWN,
        }
    ),
    OfferState.HANDING_OVER: frozenset(
        {OfferState.SENT, OfferState.WAITING, OfferState.DOUBTFUL, OfferState.BOUNCED, OfferState.GIVEN_UP}
    ),
    OfferState.DOUBTFUL: frozenset({OfferState.SENT, OfferState.WAITING, OfferState.BOUNCED}),
    OfferState.GIVEN_UP: frozenset({OfferState.WAITING, OfferState.WITHDRAWN}),
    OfferState.SENT: frozenset({OfferState.BOUNCED}),  # servers on the way say so later
    OfferState.BOUNCED: frozenset(),
    OfferState.WITHDRAWN: frozenset(),
}


class Offer(Base):
    """An offer as it was written: `address` is an e-mail address or a number (E.164), `key` makes the Message-ID,
    `asked_for`: the client asked for it, so that the caps of the day do not hold it up. `letter_id`: the letter that
    counts since it went. Triggers let its texts be blanked only, and no row go."""

    __tablename__ = "offers"
    __table_args__ = (
        CheckConstraint("state <> 'sent' OR letter_id IS NOT NULL", name="counts"),
        CheckConstraint("length(address) > 0 AND tries >= 0", name="addressed"),
        Index("ix_offers_due", "next_try_at", sqlite_where=_WAITS, postgresql_where=_WAITS),
        Index(None, "client_id", "id"),
        Index(None, "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(32), unique=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    text_id: Mapped[int] = mapped_column(ForeignKey("offer_texts.id"))
    channel: Mapped[Channel] = mapped_column(one_of(Channel, "channel"))
    address: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    asked_for: Mapped[bool]
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    state: Mapped[OfferState] = mapped_column(one_of(OfferState, "state"), default=OfferState.WAITING)
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime] = mapped_column(UtcDateTime)
    claimed_by: Mapped[str] = mapped_column(Text, default="")
    claimed_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    letter_id: Mapped[int | None] = mapped_column(ForeignKey("letters.id"), unique=True)
    last_error: Mapped[str] = mapped_column(Text, default="")


class OfferFile(Base):
    """The PDF that went with an offer; empty once its client or person was erased."""

    __tablename__ = "offer_files"
    __table_args__ = (CheckConstraint("length(sha256) = 64", name="sha256"),)

    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"), primary_key=True, autoincrement=False)
    file_name: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(frozen=True, slots=True)
class OfferRow:
    """An offer to be read, with its author's name, "" for nobody."""

    offer: Offer
    author: str


def file_of(content: bytes, file_name: str, offer_id: int) -> OfferFile:
    """The row that keeps a PDF."""
    digest = hashlib.sha256(content).hexdigest()
    return OfferFile(offer_id=offer_id, file_name=file_name, sha256=digest, content=content)


async def turn(session: AsyncSession, offer: Offer, to: OfferState, *, on: str, now: datetime, **values: Any) -> None:
    """The one place that changes what became of an offer: in the row, and in one line of the log. `values`: of other
    columns. Raises `Conflict` for a step that there is none of."""
    if to not in _MAY_BECOME[offer.state]:
        raise Conflict("offer.overtaken")
    was, offer.state = offer.state, to
    offer.settled_at = None if to in (OfferState.WAITING, OfferState.HANDING_OVER) else now
    if to is not OfferState.HANDING_OVER:
        offer.claimed_by, offer.claimed_until = "", None
    for column, value in values.items():
        setattr(offer, column, value)
    await session.flush()
    transitions.note(session, "offer", offer=offer.id, was=was, on=on, now=to, tries=offer.tries)


async def hold_offer(session: AsyncSession, offer_id: int) -> Offer:
    """The row, to be changed, after its client's. Raises `NotFound`."""
    client_id = await session.scalar(select(Offer.client_id).where(Offer.id == offer_id))
    if client_id is None:
        raise NotFound("offer.unknown")
    await get_client(session, client_id, lock=True)
    return await session.get_one(Offer, offer_id, with_for_update=True, populate_existing=True)


async def withdraw_offer(session: AsyncSession, *, offer_id: int, now: datetime, author_id: int | None = None) -> Offer:
    """It is not to go. Raises `Conflict` where it has gone, or is just going."""
    offer = await hold_offer(session, offer_id)
    await turn(session, offer, OfferState.WITHDRAWN, on="withdrawn", now=now)
    _note(session, offer, audit.OFFER_WITHDRAWN, now=now, author_id=author_id)
    return offer


async def send_again(session: AsyncSession, *, offer_id: int, now: datetime, author_id: int | None = None) -> Offer:
    """One that was given up, or is doubtful and did not arrive, goes again, as the same message. Raises `Conflict`."""
    offer = await hold_offer(session, offer_id)
    await turn(session, offer, OfferState.WAITING, on="again", now=now, tries=0, next_try_at=now)
    _note(session, offer, audit.OFFER_AGAIN, now=now, author_id=author_id)
    return offer


def note_offer(session: AsyncSession, offer: Offer, *, now: datetime, author_id: int | None) -> None:
    """That it was written."""
    _note(session, offer, audit.OFFER_QUEUED, now=now, author_id=author_id)


def _note(session: AsyncSession, offer: Offer, action: str, *, now: datetime, author_id: int | None) -> None:
    details = {"offer": offer.id, "channel": offer.channel.value, "asked_for": offer.asked_for}
    subject = f"client:{offer.client_id}"
    audit.note(session, at=now, user_id=author_id, action=action, subject=subject, details=details)


async def offers_of(session: AsyncSession, client_id: int) -> list[OfferRow]:
    """All to the client, and to those who are read with it, the newest first."""
    found = await session.execute(
        select(Offer, User.name)
        .outerjoin(User, User.id == Offer.author_id)
        .where(of_clients(Offer.client_id, await read_as_one(session, client_id)))
        .order_by(Offer.id.desc())
    )
    return [OfferRow(offer, name or "") for offer, name in found]


async def offer_of(session: AsyncSession, offer_id: int, *, client_id: int | None = None) -> Offer:
    """Raises `NotFound`, also for another client's."""
    found = await session.get(Offer, offer_id)
    if found is None or (
        client_id is not None and offer_id not in {row.offer.id for row in await offers_of(session, client_id)}
    ):
        raise NotFound("offer.unknown")
    return found


async def kept_file(session: AsyncSession, offer_id: int) -> OfferFile:
    """The PDF as it went out. Raises `NotFound`, also where it was erased."""
    found = await session.get(OfferFile, offer_id)
    if found is None or not found.content:
        raise NotFound("offer.file_gone")
    return found


async def list_offers(session: AsyncSession, *, limit: int = 200) -> list[OfferRow]:
    """The newest of the office; those first that somebody must look at."""
    troubled = Offer.state.in_((OfferState.DOUBTFUL, OfferState.GIVEN_UP))
    found = await session.execute(
        select(Offer, User.name)
        .outerjoin(User, User.id == Offer.author_id)
        .order_by(troubled.desc(), Offer.id.desc())
        .limit(limit)
    )
    return [OfferRow(offer, name or "") for offer, name in found]


def is_troubled(offer: Offer) -> bool:
    """Whether it has not arrived, as far as is known, and somebody should see that."""
    troubled = (OfferState.DOUBTFUL, OfferState.GIVEN_UP, OfferState.BOUNCED)
    return offer.state in troubled or (offer.state is OfferState.WAITING and offer.tries > 0)


async def to_be_looked_at(session: AsyncSession) -> int:
    """How many are doubtful or were given up."""
    these = select(func.count()).where(Offer.state.in_((OfferState.DOUBTFUL, OfferState.GIVEN_UP)))
    return await session.scalar(these) or 0


def waiting_at(organisation_ids: Collection[int], *, at_turn: Offer | None = None) -> Select[int, int]:
    """How many offers are on their way to each of these organisations that one is on its way to, after its id. With
    `at_turn`, whose turn has come, only those that go before it: two never wait for each other."""
    on_the_way: ColumnElement[bool] = Offer.state.in_((OfferState.WAITING, OfferState.HANDING_OVER))
    counted = select(Client.organisation_id, func.count()).join(Offer, Offer.client_id == Client.id)
    if at_turn is not None:
        earlier = tuple_(Offer.queued_at, Offer.id) < tuple_(literal(at_turn.queued_at, UtcDateTime()), at_turn.id)
        going = and_(Offer.state == OfferState.HANDING_OVER, Offer.id != at_turn.id)
        on_the_way = and_(on_the_way, or_(earlier, going))
    return counted.where(on_the_way, Client.organisation_id.in_(organisation_ids)).group_by(Client.organisation_id)


def may_have_gone() -> ColumnElement[bool]:
    """As a condition: the client has it, or may have, or will."""
    not_there = (OfferState.BOUNCED, OfferState.GIVEN_UP, OfferState.WITHDRAWN)
    return Offer.state.not_in(not_there)
