"""Who wants promised calls in the own calendar, and what that means for those that are open."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.people import Person
from crm.clientele.clients import Client
from crm.mail.calendar_entries import follow
from crm.mail.outbox import OutgoingMail
from crm.office import users
from crm.office.users import User
from crm.plan.callbacks import Callback, CallbackState, promised
from crm.text_rules import fold


async def set_mail(
    session: AsyncSession,
    *,
    user: User,
    email: str,
    callbacks: bool,
    now: datetime,
    author_id: int | None = None,
    version: int | None = None,
) -> None:
    """As `crm.office.users.set_mail`; the calendar is brought up to date. Who wants no mail any more is sent none, not
    even about what stands in the calendar already."""
    await users.set_mail(
        session, user=user, email=email, callbacks=callbacks, now=now, author_id=author_id, version=version
    )
    if not user.callbacks_by_mail:
        return
    told_of = select(OutgoingMail.callback_id).where(OutgoingMail.user_id == user.id, OutgoingMail.due_at > now)
    theirs = (Callback.owner_id == user.id) & (Callback.state == CallbackState.OPEN) & (Callback.due_at > now)
    ids = await session.scalars(select(Callback.id).where(or_(theirs, Callback.id.in_(told_of))))
    await follow_all(session, ids.all(), now=now)


async def follow_clients_of(session: AsyncSession, organisation_ids: Collection[int], *, now: datetime) -> None:
    """As `follow_all`, for what is promised to the clients of these organisations."""
    clients = select(Client.id).where(Client.organisation_id.in_(organisation_ids))
    open_ones = select(Callback.id).where(Callback.client_id.in_(clients), Callback.state == CallbackState.OPEN)
    await follow_all(session, (await session.scalars(open_ones)).all(), now=now)


async def rename_who_asked(
    session: AsyncSession, *, organisation_id: int, was: str, full_name: str, now: datetime
) -> list[int]:
    """Somebody whose name `was` is called `full_name` now: the open promises that they asked for, and the calendars,
    say so. Hold the organisation. Where another one there has the old name it stays, for it may be theirs. Returns the
    callbacks."""
    namesake = select(Person.id).where(Person.organisation_id == organisation_id, Person.name_folded == fold(was))
    if await session.scalar(namesake.limit(1)) is not None:
        return []
    clients = select(Client.id).where(Client.organisation_id == organisation_id)
    open_ones = select(Callback).where(Callback.client_id.in_(clients), Callback.state == CallbackState.OPEN)
    held = await session.scalars(open_ones.order_by(Callback.id).with_for_update(key_share=True))
    theirs = [callback for callback in held if fold(callback.asked_by) == fold(was)]
    for callback in theirs:
        callback.asked_by = full_name
    await session.flush()
    ids = [callback.id for callback in theirs]
    await follow_all(session, ids, now=now)
    return ids


async def follow_all(
    session: AsyncSession, callback_ids: Collection[int], *, now: datetime, anew: bool = False
) -> None:
    """Let the calendars say what became of these promises; `anew`: once more, even if nothing has changed."""
    if not callback_ids:
        return
    found = select(Callback).where(Callback.id.in_(callback_ids)).order_by(Callback.id)
    for callback in (await session.scalars(found.execution_options(populate_existing=True))).all():
        if callback.state is not CallbackState.MOVED:  # another one has its entry
            await follow(session, promised(callback), now=now, anew=anew)
