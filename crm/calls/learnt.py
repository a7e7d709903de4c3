"""What an operator learns in mid-call: another number, another person; added at once, and called next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.base.people import Person, add_person, person_named
from crm.base.phone_numbers import NumberState, PhoneNumber, may_be_dialled, numbers_of
from crm.base.phone_parsing import parse_phones
from crm.clientele.clients import Client, get_client, time_zone_of
from crm.errors import Conflict, Refused
from crm.group import Group
from crm.mapping import Base, UtcDateTime
from crm.plan.attempt_rows import Attempt, get_attempt
from crm.plan.callbacks import open_callback
from crm.plan.plan_entries import RANK_CALLBACK, EntryKind, put_in_plan
from crm.preparation.calling_hours import Window, window_at_or_after
from crm.preparation.campaigns import get_campaign
from crm.text_rules import tidy
from crm.time_zones import local


class LearntNumber(Base):
    """Where a number comes from: a call. `call_next`: it is to be dialled once that call is written down."""

    __tablename__ = "learnt_numbers"
    __table_args__ = (Index(None, "attempt_id"),)

    phone_number_id: Mapped[int] = mapped_column(ForeignKey("phone_numbers.id"), primary_key=True)
    attempt_id: Mapped[str] = mapped_column(String(32), ForeignKey("attempts.id"))
    call_next: Mapped[bool]
    learnt_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was typed: a number as it is written, a person, or both: then the number is the person's."""

    phone: str = ""
    person_name: str = ""
    position: str = ""
    decides: bool = False
    call_next: bool = True


async def learn(
    session: AsyncSession,
    *,
    client_id: int,
    learnt: Learnt,
    now: datetime,
    author_id: int | None,
    attempt_id: str | None = None,
    region: str = "RU",
) -> PhoneNumber | None:
    """Add the number and the person to the client's organisation; who is known already is not added twice. In the call
    `attempt_id` a number is dialled before the others, and next, unless `call_next` is off. Returns the number. Raises
    `Refused` for nothing, and for what is no number; `Conflict` for a call of somebody else, or one that is written
    down; `NotFound`."""
    client = await get_client(session, client_id, lock=True)
    if attempt_id is not None:
        attempt = await get_attempt(session, attempt_id)
        if attempt.client_id != client.id or attempt.operator_id != author_id or attempt.wrapped_up_at is not None:
            raise Conflict("learnt.other_call")
    name = tidy(learnt.person_name)
    if not learnt.phone.strip() and not name:
        raise Refused("learnt.nothing")
    person = await _person(session, client, name, learnt) if name else None
    number = await _number(session, client, person, learnt, region) if learnt.phone.strip() else None
    if number is not None and attempt_id is not None:
        await session.merge(
            LearntNumber(phone_number_id=number.id, attempt_id=attempt_id, call_next=learnt.call_next, learnt_at=now)
        )
    details = {"number": number.e164 if number else "", "person": person.id if person else None, "call": attempt_id}
    audit.note(
        session, at=now, user_id=author_id, action=audit.CLIENT_LEARNT, subject=f"client:{client.id}", details=details
    )
    await session.flush()
    return number


async def _person(session: AsyncSession, client: Client, name: str, learnt: Learnt) -> Person:
    organisation_id = client.organisation_id
    person = await person_named(session, organisation_id=organisation_id, full_name=name)
    if person is None:
        person = await add_person(session, organisation_id=organisation_id, full_name=name, position=learnt.position)
    person.decides = person.decides or learnt.decides
    person.position = person.position or tidy(learnt.position)
    await session.flush()
    return person


async def _number(
    session: AsyncSession, client: Client, person: Person | None, learnt: Learnt, region: str
) -> PhoneNumber:
    parsed = parse_phones(learnt.phone, region=region)[0]
    known = await numbers_of(session, client.organisation_id)
    ranks = [number.rank for number in known] or [0]
    number = next((each for each in known if (each.e164, each.extension) == (parsed.e164, parsed.extension)), None)
    if number is None:
        number = PhoneNumber(
            organisation_id=client.organisation_id, e164=parsed.e164, extension=parsed.extension, raw=parsed.raw
        )
        number.rank = max(ranks) + 1
        session.add(number)
    if learnt.call_next:
        number.rank = min(ranks) - 1
    number.state = NumberState.OK  # told just now, whatever was heard of it before
    if person is not None:
        number.person_id = person.id
    await session.flush()
    return number


async def call_learnt(session: AsyncSession, *, attempt: Attempt, client: Client, now: datetime) -> None:
    """After the outcome of the call in which a number was learnt: the client comes up again at once for that operator,
    unless a call was promised or nobody is to be called there."""
    to_dial = select(LearntNumber.phone_number_id).where(
        LearntNumber.attempt_id == attempt.id,
        LearntNumber.call_next,
        exists().where(PhoneNumber.id == LearntNumber.phone_number_id, may_be_dialled()),
    )
    if client.group is Group.NONEXISTENT or client.off_list_reason or await session.scalar(to_dial.limit(1)) is None:
        return
    if await open_callback(session, client.id) is not None:
        return
    campaign = await get_campaign(session, client.campaign_id)
    window = window_at_or_after(campaign, await time_zone_of(session, client), now)
    opens_at = max(window.opens_at, now)
    entry = await put_in_plan(
        session,
        client=client,
        day=local(opens_at, campaign.time_zone).date(),
        kind=EntryKind.HANDPICKED,
        rank=RANK_CALLBACK,
        window=Window(opens_at, window.closes_at),
        due_at=now,
        operator_id=attempt.operator_id,
    )
    if entry is not None:
        entry.assigned = True
        await session.flush()
