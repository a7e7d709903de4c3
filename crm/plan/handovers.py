"""Promises that pass from one owner to another: all open ones of somebody who leaves, or is away, in one batch."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit, transitions
from crm.errors import Refused
from crm.mapping import Base, UtcDateTime
from crm.office.users import CALLERS, User, hold_users, set_active
from crm.plan.callbacks import Callback, CallbackState
from crm.plan.plan_entries import EntryState, PlanEntry
from crm.plan.promise_mail import follow_all


class CallbackHandover(Base):
    """One promise that was handed over. Append-only by triggers."""

    __tablename__ = "callback_handovers"
    __table_args__ = (
        CheckConstraint("from_user_id <> to_user_id", name="passes"),
        Index(None, "callback_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    callback_id: Mapped[int] = mapped_column(ForeignKey("callbacks.id"))
    from_user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    to_user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))


async def open_promises(session: AsyncSession) -> dict[int, int]:
    """How many open promises each user owns, by id; who owns none is left out."""
    counting = select(Callback.owner_id, func.count()).where(Callback.state == CallbackState.OPEN)
    return dict((await session.execute(counting.group_by(Callback.owner_id))).all())


async def hand_over_all(
    session: AsyncSession, *, of: User, to: User, now: datetime, author_id: int | None = None
) -> int:
    """Give all open promises of `of` to `to`, with their places in the plan; returns how many there were. Raises
    `Refused` for somebody who cannot call."""
    await hold_users(session, User.id.in_((of.id, to.id)))
    if to.id == of.id or not to.active or to.role not in CALLERS:
        raise Refused("callback.cannot_own", name=to.name)
    mine = select(Callback.id).where(Callback.owner_id == of.id, Callback.state == CallbackState.OPEN)
    passed = list(await session.scalars(mine.order_by(Callback.id).with_for_update()))
    if not passed:
        return 0
    of_them = Callback.id.in_(mine.scalar_subquery())
    await _move_places(session, PlanEntry.callback_id.in_(mine), was=of.id, to=to.id)
    await session.execute(update(Callback).where(of_them).values(owner_id=to.id))
    row = {"from_user_id": of.id, "to_user_id": to.id, "at": now, "author_id": author_id}
    await session.execute(insert(CallbackHandover), [{"callback_id": callback_id, **row} for callback_id in passed])
    audit.note(
        session, at=now, user_id=author_id, action=audit.CALLBACKS_HANDED_OVER, subject=f"user:{of.id}",
        details={"to": to.id, "callbacks": passed},
    )  # fmt: skip
    await follow_all(session, passed, now=now)
    names = {"was": f"owner {of.id}", "on": "handed over", "now": f"owner {to.id}"}
    transitions.note(session, "callbacks", callbacks=len(passed), **names)
    await session.flush()
    return len(passed)


async def hand_over_one(
    session: AsyncSession, promise: Callback, *, to: int, now: datetime, author_id: int | None
) -> None:
    """Give one open promise to `to`, with its place in the plan. Hold the promise, or its client."""
    was = promise.owner_id
    await pass_on(session, promise, to, now=now, author_id=author_id)
    await session.flush()
    await follow_all(session, [promise.id], now=now)
    audit.note(
        session, at=now, user_id=author_id, action=audit.CALLBACKS_HANDED_OVER, subject=f"user:{was}",
        details={"to": to, "callbacks": [promise.id]},
    )  # fmt: skip


async def pass_on(
    session: AsyncSession, promise: Callback, receiver: int, *, now: datetime, author_id: int | None
) -> None:
    """The promise with its place in the plan, without what is told of it: that is told of all together."""
    was, promise.owner_id = promise.owner_id, receiver
    await _move_places(session, PlanEntry.callback_id == promise.id, was=was, to=receiver)
    session.add(
        CallbackHandover(callback_id=promise.id, from_user_id=was, to_user_id=receiver, at=now, author_id=author_id)
    )
    transitions.note(
        session, "callback", callback=promise.id, client=promise.client_id, was=f"owner {was}", on="handed over",
        now=f"owner {receiver}",
    )  # fmt: skip


async def _move_places(session: AsyncSession, of_them: ColumnElement[bool], *, was: int, to: int) -> None:
    """In the plan. Whoever has a card open goes on with it, and gives it back to who owns the promise then."""
    open_ones = PlanEntry.state.in_((EntryState.WAITING, EntryState.CLAIMED))
    moved = update(PlanEntry).where(of_them, PlanEntry.operator_id == was, open_ones).values(operator_id=to)
    await session.execute(moved.execution_options(synchronize_session=False))


async def switch_off(
    session: AsyncSession, *, user: User, hand_over_to: User | None, now: datetime, author_id: int | None = None
) -> int:
    """Let the user sign in no more, once their promises are in other hands; returns how many were handed over. Raises
    `Refused` while they own open ones and nobody takes them."""
    passed = 0
    if hand_over_to is not None:
        passed = await hand_over_all(session, of=user, to=hand_over_to, now=now, author_id=author_id)
    await _assert_no_promises(session, user)
    await set_active(session, user=user, active=False, now=now, author_id=author_id)
    return passed


async def _assert_no_promises(session: AsyncSession, user: User) -> None:
    """Raises `Refused` while the user owns open promises; nobody can give them one meanwhile."""
    await session.execute(select(User.id).where(User.id == user.id).with_for_update())
    owned = select(func.count()).where(Callback.owner_id == user.id, Callback.state == CallbackState.OPEN)
    count = await session.scalar(owned)
    if count:
        raise Refused("user.owns_promises", login=user.login, count=count)
