"""What a correction leaves as the outcome before it had made it: what is over, or cannot be said anew, was said all the
same, and a mistyped note must not take it away."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.plan.callbacks import Callback, CallbackState
from crm.plan.dispositions import Ask, Disposition
from crm.plan.outcome_chain import Outcome


@dataclass(frozen=True, slots=True)
class Standing:
    """Of the outcome that is corrected: its `promise` to call, its `contract`."""

    promise: bool = False
    contract: bool = False


NOTHING = Standing()


async def what_stands(
    session: AsyncSession,
    previous: Outcome,
    disposition: Disposition,
    *,
    asks: Collection[Ask],
    at_local: datetime | None,
    words: str,
    now: datetime,
) -> Standing:
    """When `previous` is corrected to `disposition`, of which the form could ask only `asks`, with a promise of a call
    `at_local` (naive) on the client's clock, or in `words` that are not read yet."""
    if disposition.key != previous.disposition:
        return NOTHING
    unread = at_local is None and words.strip() != ""
    unasked = Ask.CONTRACT in disposition.asks and Ask.CONTRACT not in asks
    return Standing(promise=not unread and await _promise_stands(session, previous, at_local, now), contract=unasked)


async def _promise_stands(session: AsyncSession, previous: Outcome, at_local: datetime | None, now: datetime) -> bool:
    """Where its time has come, and is said again; where it is over, and no other is said."""
    if previous.callback_at_local is None:
        return False
    made = select(Callback).where(Callback.made_by_attempt_id == previous.attempt_id).order_by(Callback.id.desc())
    promise = await session.scalar(made.limit(1))
    if promise is None or promise.local_at != previous.callback_at_local:
        return False
    if promise.state is CallbackState.OPEN:
        return promise.due_at <= now and at_local == promise.local_at
    return at_local is None
