"""What the calendars of those who promised a call should say, and which messages bring them there.

Nothing is deleted from the outbox: what was not sent yet and is overtaken is cancelled, what the reader has or may have
is corrected by a message with the same UID and a higher SEQUENCE (RFC 5546 section 2.1.4).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import transitions
from crm.base.organisations import Organisation
from crm.clientele.clients import Client
from crm.mail.outbox import GOES_OUT_AFTER, MailState, OutgoingMail, Purpose
from crm.office.users import User

_NOT_SENT = (MailState.WAITING, MailState.FAILED)


class Holds(enum.Enum):
    """Whether a promise is one: it is; it is no more; the call was made."""

    YES = "yes"
    NO = "no"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Promised:
    """A promised call, as the calendars need it. `local_at` is naive, on the clock of `time_zone`."""

    callback_id: int
    client_id: int
    owner_id: int
    local_at: datetime
    time_zone: str
    due_at: datetime
    words: str
    person: str
    holds: Holds


async def follow(
    session: AsyncSession, promised: Promised, *, now: datetime, instead_of: Sequence[int] = (), anew: bool = False
) -> None:
    """Let the calendars say what is promised now. `instead_of`: callbacks whose entries this one goes on with, the most
    important first; `anew`: once more, even if nothing that we know of has changed."""
    rows = await _rows(session, [promised.callback_id, *instead_of])
    wanted = await _wanted(session, promised) if promised.holds is Holds.YES else None
    if not rows and wanted is None:
        return
    known = {row.user_id: row for row in rows if row.is_known}
    unsent = [row for row in rows if row.state in _NOT_SENT]
    messages = [] if promised.holds is Holds.DONE else await _take_outs(session, known, except_of=wanted)
    if wanted is not None and (anew or not _says(known.get(promised.owner_id), wanted)):
        messages.append(wanted)
    kept = [row for row in unsent for message in messages if not anew and _says(row, message)]
    if promised.holds is Holds.DONE:
        kept += [row for row in unsent if row.purpose is Purpose.TAKE_OUT]
    await _cancel(session, [row for row in unsent if row not in kept])
    sequence = max((row.sequence for row in rows), default=-1) + 1
    uid = rows[-1].uid if rows else uuid4().hex
    for message in messages:
        if any(_says(row, message) for row in kept):
            continue
        session.add(
            OutgoingMail(
                **message, callback_id=promised.callback_id, uid=uid, sequence=sequence, created_at=now,
                not_before=now + GOES_OUT_AFTER, next_try_at=now + GOES_OUT_AFTER,
            )
        )  # fmt: skip
    await session.flush()


async def _rows(session: AsyncSession, callback_ids: Sequence[int]) -> list[OutgoingMail]:
    """All messages of the calendar entry of the first of these callbacks that has one, the oldest first; locked."""
    for callback_id in callback_ids:
        newest = select(OutgoingMail.uid).where(OutgoingMail.callback_id == callback_id)
        uid = await session.scalar(newest.order_by(OutgoingMail.id.desc()).limit(1))
        if uid is not None:
            of_it = select(OutgoingMail).where(OutgoingMail.uid == uid).order_by(OutgoingMail.id).with_for_update()
            return list(await session.scalars(of_it.execution_options(populate_existing=True)))
    return []


async def _wanted(session: AsyncSession, promised: Promised) -> dict[str, Any] | None:
    """The message that puts the promise into its owner's calendar; `None` for who wants none."""
    owner = await session.get_one(User, promised.owner_id)
    if not (owner.active and owner.callbacks_by_mail):
        return None
    company = await session.scalar(
        select(Organisation.name)
        .join(Client, Client.organisation_id == Organisation.id)
        .where(Client.id == promised.client_id)
    )
    return {
        "purpose": Purpose.PUT_IN,
        "user_id": owner.id,
        "address": owner.email,
        "language": owner.language,
        "client_id": promised.client_id,
        "organisation": company or "",
        "person": promised.person,
        "words": promised.words,
        "local_at": promised.local_at,
        "time_zone": promised.time_zone,
        "due_at": promised.due_at,
    }


async def _take_outs(
    session: AsyncSession, known: dict[int, OutgoingMail], *, except_of: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """Messages to everybody who has the entry in the calendar and should not."""
    messages = []
    for user_id, last in known.items():
        if last.purpose is Purpose.TAKE_OUT or (except_of is not None and except_of["user_id"] == user_id):
            continue
        reader = await session.get_one(User, user_id)
        if not (reader.active and reader.callbacks_by_mail):
            continue
        same = {
            name: getattr(last, name)
            for name in ("client_id", "organisation", "person", "words", "local_at", "time_zone", "due_at")
        }
        message = {"purpose": Purpose.TAKE_OUT, "user_id": user_id, "address": reader.email}
        messages.append(message | {"language": reader.language} | same)
    return messages


def _says(row: OutgoingMail | None, message: dict[str, Any]) -> bool:
    """Whether the row says what the message does, whichever the language."""
    return row is not None and all(getattr(row, name) == value for name, value in message.items() if name != "language")


async def _cancel(session: AsyncSession, rows: Iterable[OutgoingMail]) -> None:
    for row in rows:
        was, row.state = row.state, MailState.CANCELLED
        transitions.note(session, "mail", mail=row.id, was=was, on="overtaken", now=row.state)
    await session.flush()
