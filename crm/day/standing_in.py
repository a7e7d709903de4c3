"""Being away, and who stands in: the calls that somebody promised for those days go to the others.

What else waits for a person is freed when the plan is built (`crm.day.day_plan`).
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit, transitions
from crm.calls.owners import AT_A_DESK
from crm.errors import Refused
from crm.office.absences import Absence, away_on
from crm.office.users import Role, User, get_user, hold_users
from crm.plan.callbacks import Callback, CallbackState
from crm.plan.handovers import CallbackHandover, open_promises
from crm.plan.plan_entries import EntryState, PlanEntry
from crm.plan.promise_mail import follow_all
from crm.text_rules import tidy
from crm.time_zones import instant, local


async def set_away(
    session: AsyncSession,
    *,
    user: User,
    first_day: date,
    last_day: date,
    now: datetime,
    reason: str = "",
    to: int | None = None,
    author_id: int | None = None,
) -> dict[int, list[int]]:
    """The user is away from `first_day` to `last_day`. The calls promised for those days by the user's calendar, and
    those overdue when it begins today, are handed over: to `to`, or to the operators at work in turn, who has the
    fewest first. What waits for the user goes back to everybody. Returns the ids of the callbacks by who takes them.

    Raises `Refused` for days that are over or the wrong way round, for a stand-in who is not at work, and when there
    are promises and nobody to take them.
    """
    today = local(now, user.time_zone).date()
    if last_day < first_day:
        raise Refused("absence.days")
    if last_day < today:
        raise Refused("absence.day_over")
    # Nobody is switched off, or goes away, who may be chosen to stand in.
    await hold_users(session, or_(User.id == user.id, User.role.in_(AT_A_DESK)))
    absence = Absence(
        user_id=user.id, first_day=first_day, last_day=last_day, reason=tidy(reason), noted_at=now, author_id=author_id
    )
    session.add(absence)
    await session.flush()
    details = {"from": first_day.isoformat(), "until": last_day.isoformat(), "reason": absence.reason}
    audit.note(session, at=now, user_id=author_id, action=audit.USER_AWAY, subject=f"user:{user.id}", details=details)
    handed_over = await _hand_over(session, user, first_day, last_day, now=now, to=to, author_id=author_id)
    await _free(session, user, first_day, last_day)
    await session.flush()
    return handed_over


async def set_back(session: AsyncSession, *, user: User, now: datetime, author_id: int | None = None) -> None:
    """The user is at work again from today; days away that were to come are none. What was handed over stays so.
    Raises `Refused` for somebody who is not away."""
    today = local(now, user.time_zone).date()
    found = await session.scalars(select(Absence).where(Absence.user_id == user.id, Absence.last_day >= today))
    absences = list(found)
    if not absences:
        raise Refused("absence.not_away", name=user.name)
    for absence in absences:
        if absence.first_day >= today:
            await session.delete(absence)
        else:
            absence.last_day = today - timedelta(days=1)
    audit.note(session, at=now, user_id=author_id, action=audit.USER_BACK, subject=f"user:{user.id}")
    await session.flush()


async def _hand_over(
    session: AsyncSession,
    user: User,
    first_day: date,
    last_day: date,
    *,
    now: datetime,
    to: int | None,
    author_id: int | None,
) -> dict[int, list[int]]:
    beginning, end = (
        instant(datetime.combine(day, time()), user.time_zone) for day in (first_day, last_day + timedelta(days=1))
    )
    due = select(Callback).where(Callback.owner_id == user.id, Callback.state == CallbackState.OPEN)
    due = due.where(Callback.due_at < end).order_by(Callback.due_at, Callback.id)
    if beginning > now:
        due = due.where(Callback.due_at >= beginning)
    promises = list(await session.scalars(due.with_for_update(key_share=True)))
    if not promises:
        return {}
    load = await _load(session, user, first_day, to=to)
    if not load:
        raise Refused("absence.nobody_left", count=len(promises))
    taken: dict[int, list[int]] = {}
    for promise in promises:
        receiver = min(load, key=lambda person: load[person])
        load[receiver] += 1
        await _give(session, promise, receiver, now=now, author_id=author_id)
        taken.setdefault(receiver, []).append(promise.id)
    await session.flush()
    await follow_all(session, [promise.id for promise in promises], now=now)
    for receiver, passed in taken.items():
        audit.note(
            session, at=now, user_id=author_id, action=audit.CALLBACKS_HANDED_OVER, subject=f"user:{user.id}",
            details={"to": receiver, "callbacks": passed},
        )  # fmt: skip
    return taken


async def _load(session: AsyncSession, user: User, day: date, *, to: int | None) -> dict[int, int]:
    """Who may take over, with the number of open promises that each has."""
    if to is not None:
        stand_in = await get_user(session, to)
        at_work = select(User.id).where(User.id == to, User.active, User.role.in_(AT_A_DESK), ~away_on(User.id, day))
        if to == user.id or await session.scalar(at_work) is None:
            raise Refused("plan.not_at_work", name=stand_in.name)
        return {to: 0}
    same_kind = user.role if user.role in AT_A_DESK else Role.OPERATOR
    others = select(User.id).where(User.active, User.role == same_kind, User.id != user.id, ~away_on(User.id, day))
    load = dict.fromkeys(await session.scalars(others.order_by(User.id)), 0)
    for owner_id, count in (await open_promises(session)).items():
        if owner_id in load:
            load[owner_id] = count
    return load


async def _give(
    session: AsyncSession, promise: Callback, receiver: int, *, now: datetime, author_id: int | None
) -> None:
    was, promise.owner_id = promise.owner_id, receiver
    waiting = update(PlanEntry).where(PlanEntry.callback_id == promise.id, PlanEntry.state == EntryState.WAITING)
    waiting = waiting.where(PlanEntry.operator_id == was).values(operator_id=receiver)
    await session.execute(waiting.execution_options(synchronize_session=False))
    session.add(
        CallbackHandover(callback_id=promise.id, from_user_id=was, to_user_id=receiver, at=now, author_id=author_id)
    )
    transitions.note(
        session, "callback", callback=promise.id, client=promise.client_id, was=f"owner {was}", on="handed over",
        now=f"owner {receiver}",
    )  # fmt: skip


async def _free(session: AsyncSession, user: User, first_day: date, last_day: date) -> None:
    """What waits for the user on those days is anyone's."""
    await session.execute(
        update(PlanEntry)
        .where(PlanEntry.operator_id == user.id, PlanEntry.state == EntryState.WAITING)
        .where(PlanEntry.day >= first_day, PlanEntry.day <= last_day, PlanEntry.callback_id.is_(None))
        .values(operator_id=None, place=None, assigned=False)
        .execution_options(synchronize_session=False)
    )
