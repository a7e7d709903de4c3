"""Batches of offers: one text to many clients, so many an hour; stopped, gone on with, and what became of each.

An offer of a batch is written when its turn comes, not before: until then there is nothing to be taken back, and what
the client has said meanwhile is heard.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    String,
    Text,
    and_,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit, transitions
from crm.base.organisations import Organisation
from crm.clientele.clients import Client, hold_clients
from crm.errors import Conflict, NotFound
from crm.mapping import Base, UtcDateTime, json_column, one_of
from crm.offers.letter_rules import Had
from crm.offers.offers import Offer, OfferState, turn
from crm.offers.templates import OfferTemplate, OfferText
from crm.office.users import User

MOST_AN_HOUR: Final = 3_600
_AHEAD: Final = 5
"""So many offers of a batch may wait for their first try: a server that takes nothing is given no more."""
_AGAIN_AFTER: Final = timedelta(minutes=1)
STOPPED: Final = "stopped"


class BatchStep(enum.StrEnum):
    """How far a batch has come with one client."""

    WAITING = "waiting"
    WRITTEN = "written"
    LEFT_OUT = "left_out"


class OfferBatch(Base):
    """One text to many clients. `key`: of the form that began it, 32 hexadecimal digits. `narrowing`: the filter, as in
    `crm.care.saved_filters`; `clients`: how many it left, `left_out`: how many of them got nothing from the beginning,
    by reason. It goes to nobody who had the template since `had_since`. `next_at`: when the next offer may be written.
    `ended_at`: nobody waits any more."""

    __tablename__ = "offer_batches"
    __table_args__ = (
        CheckConstraint(f"per_hour > 0 AND per_hour <= {MOST_AN_HOUR}", name="pace"),
        CheckConstraint("clients > 0", name="clients"),
        CheckConstraint("stopped_by IS NULL OR stopped_at IS NOT NULL", name="stopped"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(32), unique=True)
    text_id: Mapped[int] = mapped_column(ForeignKey("offer_texts.id"))
    narrowing: Mapped[dict[str, Any]] = mapped_column(json_column())
    per_hour: Mapped[int]
    had_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    clients: Mapped[int]
    left_out: Mapped[dict[str, Any]] = mapped_column(json_column())
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stopped_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class BatchClient(Base):
    """One client of a batch, once: one offer at most, which nothing else takes the place of unless it was withdrawn
    before it went; triggers see to that. `reason`: a code of `crm.errors.ERRORS` for one who is left out, or waits for
    `not_before`; `offer_id`: what was written."""

    __tablename__ = "offer_batch_clients"
    __table_args__ = (
        CheckConstraint("(step = 'written') = (offer_id IS NOT NULL)", name="written"),
        CheckConstraint("step <> 'left_out' OR length(reason) > 0", name="reasoned"),
        Index(None, "batch_id", "step", "place"),
        Index(None, "client_id"),
    )

    batch_id: Mapped[int] = mapped_column(ForeignKey("offer_batches.id"), primary_key=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"), primary_key=True)
    place: Mapped[int]
    step: Mapped[BatchStep] = mapped_column(one_of(BatchStep, "step"), default=BatchStep.WAITING)
    reason: Mapped[str] = mapped_column(Text, default="")
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    offer_id: Mapped[int | None] = mapped_column(ForeignKey("offers.id"), unique=True)


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch to be read. `author`: "" for nobody; `steps`: how many clients it has come so far with, those whose offer
    was written by the state of the offer."""

    batch: OfferBatch
    template: str
    author: str
    steps: Counter[str]

    @property
    def waiting(self) -> int:
        return self.steps[BatchStep.WAITING.value]


@dataclass(frozen=True, slots=True)
class BatchClientRow:
    """A client of a batch to be read. `state`: of the offer, "" while there is none."""

    client_id: int
    organisation: str
    step: BatchStep
    reason: str
    not_before: datetime | None
    offer_id: int | None
    state: str
    tries: int


async def get_batch(session: AsyncSession, batch_id: int, *, lock: bool = False) -> OfferBatch:
    """`lock` holds it, before organisations and clients. Raises `NotFound`."""
    batch = await session.get(OfferBatch, batch_id, with_for_update=lock or None, populate_existing=lock)
    if batch is None:
        raise NotFound("batch.unknown", number=batch_id)
    return batch


async def batch_of_form(session: AsyncSession, key: str) -> OfferBatch | None:
    """What the form of this key began."""
    return await session.scalar(select(OfferBatch).where(OfferBatch.key == key))


async def unless_of(session: AsyncSession, batch: OfferBatch) -> Had | None:
    """To whom it is not to go because they had it."""
    if batch.had_since is None:
        return None
    text = await session.get_one(OfferText, batch.text_id)
    return Had(text.template_id, batch.had_since)


async def batch_of(session: AsyncSession, offer_id: int) -> OfferBatch | None:
    """With what the offer goes to many clients; `None` for one that goes alone."""
    with_it = select(OfferBatch).join(BatchClient, BatchClient.batch_id == OfferBatch.id)
    return await session.scalar(with_it.where(BatchClient.offer_id == offer_id))


def is_of_a_batch() -> ColumnElement[bool]:
    """As a condition on `Offer`: it goes with others of a batch."""
    return exists().where(BatchClient.offer_id == Offer.id)


def _is_due(now: datetime) -> ColumnElement[bool]:
    return and_(OfferBatch.ended_at.is_(None), OfferBatch.stopped_at.is_(None), OfferBatch.next_at <= now)


async def next_turn(session: AsyncSession, *, now: datetime) -> tuple[OfferBatch, int] | None:
    """A batch whose time has come, with the client whose turn it is. One that waits for the mail server gets none."""
    due = select(OfferBatch).where(_is_due(now)).order_by(OfferBatch.next_at, OfferBatch.id)
    for batch in list(await session.scalars(due)):
        untried = _offers_of(batch.id).where(Offer.state == OfferState.WAITING, Offer.tries == 0)
        if len((await session.execute(untried.limit(_AHEAD))).all()) == _AHEAD:
            continue
        may = or_(BatchClient.not_before.is_(None), BatchClient.not_before <= now)
        whose = select(BatchClient.client_id).where(_waits(batch.id), may).order_by(BatchClient.place).limit(1)
        client_id = await session.scalar(whose)
        if client_id is not None:
            return batch, client_id
    return None


def _offers_of(batch_id: int) -> Select[int, int]:
    """The ids of a batch's offers, with those of their clients."""
    its = select(Offer.id, Offer.client_id).join(BatchClient, BatchClient.offer_id == Offer.id)
    return its.where(BatchClient.batch_id == batch_id)


def _waits(batch_id: int) -> ColumnElement[bool]:
    return and_(BatchClient.batch_id == batch_id, BatchClient.step == BatchStep.WAITING)


async def hold_turn(session: AsyncSession, *, batch_id: int, client_id: int) -> tuple[OfferBatch, BatchClient]:
    """Both rows, the client still waiting. Raises `Conflict` where the batch was stopped, or another service was
    first."""
    batch = await get_batch(session, batch_id, lock=True)
    member = await session.get_one(BatchClient, (batch_id, client_id), populate_existing=True)
    if batch.stopped_at is not None or member.step is not BatchStep.WAITING:
        raise Conflict("batch.overtaken")
    return batch, member


async def note_written(
    session: AsyncSession, batch: OfferBatch, member: BatchClient, offer: Offer, *, now: datetime
) -> None:
    """The offer to this client is written; the next one comes when its time has come."""
    member.step, member.offer_id, member.reason, member.not_before = BatchStep.WRITTEN, offer.id, "", None
    batch.next_at = now + timedelta(hours=1) / batch.per_hour
    await _end_if_done(session, batch, now)


async def note_left_out(
    session: AsyncSession, batch: OfferBatch, member: BatchClient, *, reason: str, now: datetime
) -> None:
    """Nothing goes to this client, for good."""
    member.step, member.reason, member.not_before = BatchStep.LEFT_OUT, reason, None
    await _end_if_done(session, batch, now)


async def note_put_off(
    session: AsyncSession, member: BatchClient, *, reason: str, until: datetime | None, now: datetime
) -> None:
    """It is this client's turn later."""
    member.reason, member.not_before = reason, until or now + _AGAIN_AFTER
    await session.flush()


async def _end_if_done(session: AsyncSession, batch: OfferBatch, now: datetime) -> None:
    await session.flush()
    if await session.scalar(select(func.count()).select_from(BatchClient).where(_waits(batch.id))):
        return
    batch.ended_at = now
    await session.flush()
    transitions.note(session, "offer batch", batch=batch.id, was="running", on="nobody waits", now="ended")


async def stop_batch(
    session: AsyncSession, *, batch_id: int, now: datetime, author_id: int | None = None
) -> OfferBatch:
    """Nothing more of it goes: what is written and has not gone is withdrawn. What the mail server is just taking goes.
    Raises `NotFound`, `Conflict` where it is stopped or has ended, with everything gone."""
    batch = await get_batch(session, batch_id, lock=True)
    if batch.stopped_at is not None:
        raise Conflict("batch.stopped")
    waiting = _offers_of(batch.id).where(Offer.state == OfferState.WAITING)
    found = (await session.execute(waiting.order_by(Offer.id))).all()
    if batch.ended_at is not None and not found:
        raise Conflict("batch.ended")
    await hold_clients(session, {client_id for _, client_id in found})
    taken_back = 0
    for offer_id, client_id in found:
        offer = await session.get_one(Offer, offer_id, with_for_update=True, populate_existing=True)
        if offer.state is not OfferState.WAITING:
            continue
        await turn(session, offer, OfferState.WITHDRAWN, on="batch stopped", now=now, last_error="batch.stopped")
        again = update(BatchClient).where(BatchClient.batch_id == batch.id, BatchClient.client_id == client_id)
        await session.execute(again.values(step=BatchStep.WAITING, offer_id=None, reason="", not_before=None))
        taken_back += 1
    batch.stopped_at, batch.stopped_by = now, author_id
    if taken_back:
        batch.ended_at = None
    await session.flush()
    _note(session, batch, audit.OFFER_BATCH_STOPPED, {"withdrawn": taken_back}, now=now, author_id=author_id)
    transitions.note(session, "offer batch", batch=batch.id, was="running", on="stopped", now=STOPPED)
    return batch


async def stop_running(session: AsyncSession, *, now: datetime) -> int:
    """Stop all that is under way, as of an office that was restored: nobody knows what went since the backup. Returns
    how many."""
    goes = exists().where(
        BatchClient.batch_id == OfferBatch.id, Offer.id == BatchClient.offer_id, Offer.state == OfferState.WAITING
    )
    running = select(OfferBatch.id).where(OfferBatch.stopped_at.is_(None), or_(OfferBatch.ended_at.is_(None), goes))
    ids = list(await session.scalars(running.order_by(OfferBatch.id)))
    for batch_id in ids:
        await stop_batch(session, batch_id=batch_id, now=now)
    return len(ids)


async def resume_batch(
    session: AsyncSession, *, batch_id: int, now: datetime, author_id: int | None = None
) -> OfferBatch:
    """It goes on with those who wait. Raises `NotFound`, `Conflict` where it is not stopped."""
    batch = await get_batch(session, batch_id, lock=True)
    if batch.stopped_at is None:
        raise Conflict("batch.not_stopped")
    batch.stopped_at, batch.stopped_by, batch.next_at = None, None, max(batch.next_at, now)
    await session.flush()
    _note(session, batch, audit.OFFER_BATCH_RESUMED, {}, now=now, author_id=author_id)
    transitions.note(session, "offer batch", batch=batch.id, was=STOPPED, on="asked to", now="running")
    return batch


def note_begun(session: AsyncSession, batch: OfferBatch, *, now: datetime) -> None:
    """That somebody began it."""
    told = {"text": batch.text_id, "narrowing": batch.narrowing, "clients": batch.clients, "per_hour": batch.per_hour}
    _note(session, batch, audit.OFFER_BATCH_BEGUN, told, now=now, author_id=batch.author_id)


def _note(
    session: AsyncSession, batch: OfferBatch, action: str, details: dict[str, object], *, now: datetime,
    author_id: int | None,
) -> None:  # fmt: skip
    audit.note(session, at=now, user_id=author_id, action=action, subject=f"offer_batch:{batch.id}", details=details)


async def batches(session: AsyncSession, *, limit: int = 50) -> list[BatchRow]:
    """The newest first."""
    newest = select(OfferBatch.id).order_by(OfferBatch.id.desc()).limit(limit)
    return await _rows(session, list(await session.scalars(newest)))


async def batch_row(session: AsyncSession, batch_id: int) -> BatchRow:
    """Raises `NotFound`."""
    await get_batch(session, batch_id)
    (row,) = await _rows(session, [batch_id])
    return row


async def _rows(session: AsyncSession, ids: Sequence[int]) -> list[BatchRow]:
    came = func.coalesce(Offer.state, BatchClient.step)
    counted = await session.execute(
        select(BatchClient.batch_id, BatchClient.step, Offer.state, func.count())
        .outerjoin(Offer, Offer.id == BatchClient.offer_id)
        .where(BatchClient.batch_id.in_(ids))
        .group_by(BatchClient.batch_id, BatchClient.step, Offer.state)
        .order_by(came)
    )
    steps: dict[int, Counter[str]] = {each: Counter() for each in ids}
    for batch_id, step, state, count in counted:
        steps[batch_id][f"offer.{state.value}" if state else step.value] += count
    found = await session.execute(
        select(OfferBatch, OfferTemplate.name, User.name)
        .join(OfferText, OfferText.id == OfferBatch.text_id)
        .join(OfferTemplate, OfferTemplate.id == OfferText.template_id)
        .outerjoin(User, User.id == OfferBatch.author_id)
        .where(OfferBatch.id.in_(ids))
        .order_by(OfferBatch.id.desc())
    )
    return [BatchRow(batch, template, author or "", steps[batch.id]) for batch, template, author in found]


async def clients_of_batch(session: AsyncSession, batch_id: int, *, limit: int = 500) -> list[BatchClientRow]:
    """What became of each, those first that somebody should look at, then in the order of the batch."""
    troubled = Offer.state.in_((OfferState.DOUBTFUL, OfferState.GIVEN_UP, OfferState.BOUNCED))
    found = await session.execute(
        select(BatchClient, Organisation.name, Offer.state, Offer.tries)
        .join(Client, Client.id == BatchClient.client_id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .outerjoin(Offer, Offer.id == BatchClient.offer_id)
        .where(BatchClient.batch_id == batch_id)
        .order_by(func.coalesce(troubled, False).desc(), BatchClient.place)
        .limit(limit)
    )
    return [
        BatchClientRow(
            member.client_id, name, member.step, member.reason, member.not_before, member.offer_id,
            state.value if state else "", tries or 0,
        )
        for member, name, state, tries in found
    ]  # fmt: skip
