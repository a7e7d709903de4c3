"""Attempts: one persisted try at one number. The row is committed before anything goes to the network; its id is the
SIP Call-ID."""

from __future__ import annotations

import uuid
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.phone_numbers import get_number
from crm.calls.dial_rules import may_dial
from crm.clientele.clients import Client, get_client
from crm.errors import Conflict, NotFound, Refused
from crm.office.users import hold_user
from crm.plan.attempt_rows import FIRST_NODE, NOT_IMPORTED, Attempt, get_attempt
from crm.plan.dispositions import propose
from crm.plan.plan_entries import PlanEntry, own_entry
from crm.preparation.results import Result

__all__ = [
    "Attempt",
    "Result",
    "finish",
    "get_attempt",
    "hold_call",
    "mark_answered",
    "mark_invited",
    "mark_ringing",
    "open_attempt",
    "pending_wrap_up",
    "recover",
]

# As long as the row of a call is on its way; from then on the call itself keeps the client.
HELD_WHILE_DIALLING: Final = timedelta(minutes=5)


async def open_attempt(
    session: AsyncSession,
    *,
    plan_entry_id: int,
    phone_number_id: int | None,
    operator_id: int,
    now: datetime,
    node: str = FIRST_NODE,
) -> Attempt:
    """The row that precedes an INVITE. Commit before dialling.

    `phone_number_id` `None` takes the first number that may be dialled; `node` names the service that will make the
    call. All rules are asked again here, in the transaction that writes the row; clicking twice, two tabs and two
    operators leave one attempt, the others get `Conflict`. Raises `Refused` for a rule, `Conflict` when the
    entry is another's or a call is open, `NotFound`.
    """
    await hold_user(session, operator_id)
    client_id = await session.scalar(select(PlanEntry.client_id).where(PlanEntry.id == plan_entry_id))
    if client_id is None:
        raise NotFound("plan.entry_unknown")
    client = await get_client(session, client_id, lock=True)
    entry = await own_entry(session, plan_entry_id, operator_id)
    # Whoever frees claims at this moment waits for this row, and looks at nothing else of it again (13.2.1).
    entry.claimed_until = max(entry.claimed_until or now, now + HELD_WHILE_DIALLING)
    await _assert_line_free(session, operator_id=operator_id, client_id=client.id)
    if phone_number_id is not None:
        await get_number(session, phone_number_id)
    verdict = await may_dial(
        session, client_id=client.id, phone_number_id=phone_number_id, operator_id=operator_id, now=now
    )
    if not verdict.allowed or verdict.phone_number_id is None:
        raise Refused(verdict.code or "dial.no_number", **verdict.params)
    number = await get_number(session, verdict.phone_number_id)
    attempt = Attempt(
        id=uuid.uuid4().hex,
        client_id=client.id,
        phone_number_id=number.id,
        dialled=number.e164,
        operator_id=operator_id,
        plan_entry_id=entry.id,
        callback_id=entry.callback_id,
        node=node,
        opened_at=now,
    )
    try:
        async with session.begin_nested():
            session.add(attempt)
    except IntegrityError as error:  # another client has the same number, and it is being called
        raise Conflict("attempt.number_busy") from error
    return attempt


async def _assert_line_free(session: AsyncSession, *, operator_id: int, client_id: int) -> None:
    pending = await pending_wrap_up(session, operator_id=operator_id)
    if pending is not None:
        raise Refused("attempt.outcome_missing", attempt_id=pending.id)
    active = await session.scalar(
        select(Attempt).where(
            Attempt.ended_at.is_(None), (Attempt.operator_id == operator_id) | (Attempt.client_id == client_id)
        )
    )
    if active is not None:
        same_client = active.client_id == client_id
        raise Conflict("attempt.already_open" if same_client else "attempt.operator_busy", attempt_id=active.id)


async def hold_call(session: AsyncSession, attempt_id: str) -> tuple[Client, Attempt]:
    """The client who was called and the attempt, both held until the transaction ends. Raises `NotFound`."""
    client = await get_client(session, (await get_attempt(session, attempt_id)).client_id, lock=True)
    return client, await get_attempt(session, attempt_id, lock=True)


async def mark_invited(session: AsyncSession, *, attempt_id: str, now: datetime) -> Attempt:
    """The INVITE is about to be handed to the network. The first time counts."""
    attempt = await _not_ended(session, attempt_id)
    attempt.invited_at = attempt.invited_at or now
    await session.flush()
    return attempt


async def mark_ringing(session: AsyncSession, *, attempt_id: str, now: datetime) -> Attempt:
    """The far end rings. The first time counts."""
    attempt = await _not_ended(session, attempt_id)
    attempt.ringing_at = attempt.ringing_at or now
    await session.flush()
    return attempt


async def mark_answered(session: AsyncSession, *, attempt_id: str, now: datetime) -> Attempt:
    """The far end answered. The first time counts."""
    attempt = await _not_ended(session, attempt_id)
    attempt.answered_at = attempt.answered_at or now
    await session.flush()
    return attempt


async def finish(
    session: AsyncSession,
    *,
    attempt_id: str,
    result: Result,
    now: datetime,
    sip_code: int | None = None,
    phrase: str = "",
    talk_seconds: float | None = None,
) -> Attempt:
    """The call is over. `talk_seconds` belongs to an answered call; without it, it is counted from the answer. Raises
    `Conflict` when the attempt has ended."""
    attempt = await _not_ended(session, attempt_id)
    if result is Result.ANSWERED and attempt.answered_at is None:
        attempt.answered_at = now - timedelta(seconds=talk_seconds or 0.0)
    if attempt.answered_at is not None:
        attempt.talk_seconds = max(
            (now - attempt.answered_at).total_seconds() if talk_seconds is None else talk_seconds, 0.0
        )
    _end(attempt, result, now)
    attempt.sip_code, attempt.phrase = sip_code, phrase.replace("\0", "")
    await session.flush()
    return attempt


async def recover(
    session: AsyncSession,
    *,
    now: datetime,
    except_nodes: AbstractSet[str] = frozenset(),
    except_ids: AbstractSet[str] = frozenset(),
    opened_before: datetime | None = None,
) -> list[Attempt]:
    """After a crash: end what was open, but for the calls of services that run (`except_nodes`), for those that
    somebody follows (`except_ids`), and for what was opened since `opened_before`. An attempt whose
    INVITE went out is interrupted, one whose INVITE may or may not have gone out is uncertain. Nothing is dialled again
    by itself: the operator is asked for the outcome first, and until then the client's plan entry stays claimed."""
    # Every further condition, or an order, would lead a database through all attempts; few are open.
    found = await session.scalars(select(Attempt).where(Attempt.ended_at.is_(None)).with_for_update())
    left_open = sorted(
        (
            attempt
            for attempt in found
            if attempt.node not in except_nodes
            and attempt.id not in except_ids
            and (opened_before is None or attempt.opened_at < opened_before)
        ),
        key=lambda attempt: attempt.opened_at,
    )
    for attempt in left_open:
        _end(attempt, Result.UNCERTAIN if attempt.invited_at is None else Result.INTERRUPTED, now)
    await session.flush()
    return left_open


async def pending_wrap_up(session: AsyncSession, *, operator_id: int) -> Attempt | None:
    """The oldest ended attempt of the operator whose outcome is not written down."""
    pending = await session.scalars(
        select(Attempt).where(
            Attempt.operator_id == operator_id,
            Attempt.wrapped_up_at.is_(None),
            NOT_IMPORTED,
            Attempt.ended_at.is_not(None),
        )
    )
    return min(pending, key=lambda attempt: attempt.opened_at, default=None)


def _end(attempt: Attempt, result: Result, now: datetime) -> None:
    attempt.result, attempt.ended_at = result, now
    attempt.proposed_disposition = propose(result)


async def _not_ended(session: AsyncSession, attempt_id: str) -> Attempt:
    attempt = await get_attempt(session, attempt_id, lock=True)
    if attempt.ended_at is not None:
        raise Conflict("attempt.already_ended")
    return attempt
