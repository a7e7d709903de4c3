"""Being away, and who stands in: the calls that somebody promised for those days go to the others.

What else waits for a person is freed when the plan is built (`crm.day.day_plan`).
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from sqlalchemy import Select, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from crm import audit
from crm.errors import Refused
from crm.office.absences import Absence, away_on
from crm.office.users import CALLERS, Role, User, get_user, hold_users
from crm.plan.callbacks import Callback, CallbackState
from crm.plan.handovers import CallbackHandover, open_promises, pass_on
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
    await hold_users(session, or_(User.id == user.id, User.role.in_(CALLERS)))
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


async def due_while_away(
    session: AsyncSession, *, user: User, first_day: date, last_day: date, now: datetime
) -> list[Callback]:
    """The promises that `set_away` would hand over."""
    return list(await session.scalars(_due(user, first_day, last_day, now=now)))


async def with_others(session: AsyncSession, user_id: int, *, now: datetime) -> list[Callback]:
    """The promises that others have from this person's absences, are not over, and that none of them is calling about:
    what may be given back. An absence that is over gives nothing back."""
    return list(await session.scalars(_with_others(user_id, now)))


async def set_back(
    session: AsyncSession, *, user: User, now: datetime, author_id: int | None = None, take_back: bool = False
) -> list[int]:
    """The user is at work again from today; days away that were to come are none. With `take_back` the promises that
    were handed over for them and not called yet are the user's again: their ids are returned. Raises `Refused` for
    somebody who is not away."""
    taken_back = await _take_back(session, user, now=now, author_id=author_id) if take_back else []
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
    return taken_back


async def _take_back(session: AsyncSession, user: User, *, now: datetime, author_id: int | None) -> list[int]:
    await hold_users(session, User.id == user.id)
    if not user.active:
        return []
    promises = list(await session.scalars(_with_others(user.id, now).with_for_update(key_share=True)))
    by_owner: dict[int, list[int]] = {}
    for promise in promises:
        by_owner.setdefault(promise.owner_id, []).append(promise.id)
        await pass_on(session, promise, user.id, now=now, author_id=author_id)
    await session.flush()
    await follow_all(session, [promise.id for promise in promises], now=now)
    for owner_id, passed in by_owner.items():
        audit.note(
            session, at=now, user_id=author_id, action=audit.CALLBACKS_HANDED_OVER, subject=f"user:{owner_id}",
            details={"to": user.id, "callbacks": passed},
        )  # fmt: skip
    return [promise.id for promise in promises]


def _with_others(user_id: int, now: datetime) -> Select[Callback]:
    later = aliased(CallbackHandover)
    by_absence = (
        exists()
        .where(CallbackHandover.callback_id == Callback.id, CallbackHandover.from_user_id == user_id)
        .where(Absence.user_id == user_id, Absence.noted_at == CallbackHandover.at, Absence.last_day >= _yesterday(now))
        .where(~exists().where(later.callback_id == Callback.id, later.id > CallbackHandover.id))
    )
    called_now = exists().where(PlanEntry.callback_id == Callback.id, PlanEntry.state == EntryState.CLAIMED)
    called_now = called_now.where(PlanEntry.claimed_by != user_id)
    waiting = select(Callback).where(Callback.state == CallbackState.OPEN, Callback.owner_id != user_id)
    return waiting.where(by_absence, ~called_now).order_by(Callback.due_at, Callback.id)


def _yesterday(now: datetime) -> date:
    """Over everywhere: no clock is a whole day behind."""
    return now.date() - timedelta(days=1)


def _due(user: User, first_day: date, last_day: date, *, now: datetime) -> Select[Callback]:
    beginning, end = (
        instant(datetime.combine(day, time()), user.time_zone) for day in (first_day, last_day + timedelta(days=1))
    )
    due = select(Callback).where(Callback.owner_id == user.id, Callback.state == CallbackState.OPEN)
    due = due.where(Callback.due_at < end).order_by(Callback.due_at, Callback.id)
    return due.where(Callback.due_at >= beginning) if beginning > now else due


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
    due = _due(user, first_day, last_day, now=now)
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
        await pass_on(session, promise, receiver, now=now, author_id=author_id)
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
    """Who may take over, with the number of open promises that each has; those with a headset, if there are any."""
    if to is not None:
        stand_in = await get_user(session, to)
        at_work = select(User.id).where(User.id == to, User.active, User.role.in_(CALLERS), ~away_on(User.id, day))
        if to == user.id or await session.scalar(at_work) is None:
            raise Refused("plan.not_at_work", name=stand_in.name)
        return {to: 0}
    same_kind = user.role if user.role in CALLERS else Role.OPERATOR
    others = select(User.id).where(User.active, User.role == same_kind, User.id != user.id, ~away_on(User.id, day))
    equipped = list(await session.scalars(others.where(User.headset != "").order_by(User.id)))
    load = dict.fromkeys(equipped or await session.scalars(others.order_by(User.id)), 0)
    for owner_id, count in (await open_promises(session)).items():
        if owner_id in load:
            load[owner_id] = count
    return load


async def _free(session: AsyncSession, user: User, first_day: date, last_day: date) -> None:
    """What waits for the user on those days is anyone's."""
    await session.execute(
        update(PlanEntry)
        .where(PlanEntry.operator_id == user.id, PlanEntry.state == EntryState.WAITING)
        .where(PlanEntry.day >= first_day, PlanEntry.day <= last_day, PlanEntry.callback_id.is_(None))
        .values(operator_id=None, place=None, assigned=False)
        .execution_options(synchronize_session=False)
    )
