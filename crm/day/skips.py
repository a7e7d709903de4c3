"""Taking back a skip of just now, as an outcome is taken back: a slip of the finger must not cost a client its day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.audit import AuditEntry
from crm.base.organisations import Organisation
from crm.clientele.clients import Client
from crm.day.claims import release
from crm.errors import Conflict
from crm.mail.outbox import UNDO_FOR
from crm.office.users import hold_user
from crm.plan.plan_entries import EntryKind, EntryState, PlanEntry, claimed_entry, get_entry, set_state


@dataclass(frozen=True, slots=True)
class Skipped:
    """A skip that its author may take back before `until`."""

    entry_id: int
    organisation: str
    until: datetime


async def skipped_just_now(session: AsyncSession, *, operator_id: int, now: datetime) -> Skipped | None:
    """The operator's last skip while it can be taken back."""
    noted = await _last_skip(session, operator_id, now)
    if noted is None:
        return None
    name = await session.scalar(
        select(Organisation.name)
        .join(Client, Client.organisation_id == Organisation.id)
        .where(Client.id == noted.details["client"])
    )
    return Skipped(_entry_of(noted), name or "", noted.at + UNDO_FOR)


async def undo_skip(
    session: AsyncSession, *, entry_id: int, operator_id: int, now: datetime, lease_s: float
) -> PlanEntry:
    """The client is the operator's again at its old hours; what they hold goes back to the plan. Raises `Conflict` once
    ten seconds have passed, or when somebody else has the client or has changed its entry."""
    await hold_user(session, operator_id)
    noted = await _last_skip(session, operator_id, now)
    if noted is None or _entry_of(noted) != entry_id:
        raise Conflict("plan.skip_stays", seconds=int(UNDO_FOR.total_seconds()))
    held = await claimed_entry(session, operator_id)
    if held is not None:
        await release(session, entry_id=held.id, operator_id=operator_id)
    entry = await get_entry(session, entry_id)
    was = EntryState.WAITING if entry.kind is EntryKind.CALLBACK else EntryState.DROPPED
    if entry.state is not was:
        raise Conflict("plan.changed_meanwhile")
    try:
        async with session.begin_nested():
            set_state(session, entry, EntryState.CLAIMED, on="skip undone")
            entry.claimed_by, entry.claimed_at, entry.claimed_until = operator_id, now, now + timedelta(seconds=lease_s)
            entry.opens_at = datetime.fromisoformat(noted.details["opened"])
            entry.closes_at = datetime.fromisoformat(noted.details["closed"])
            entry.reason, entry.done_at = "", None
    except IntegrityError as error:  # the client has another entry by now
        raise Conflict("plan.changed_meanwhile") from error
    audit.note(session, at=now, user_id=operator_id, action=audit.PLAN_SKIP_UNDONE, subject=noted.subject)
    await session.flush()
    return entry


async def _last_skip(session: AsyncSession, operator_id: int, now: datetime) -> AuditEntry | None:
    last = await session.scalar(
        select(AuditEntry)
        .where(AuditEntry.at > now - UNDO_FOR, AuditEntry.user_id == operator_id)
        .where(AuditEntry.action.in_((audit.PLAN_SKIPPED, audit.PLAN_SKIP_UNDONE)))
        .order_by(AuditEntry.id.desc())
        .limit(1)
    )
    return last if last is not None and last.action == audit.PLAN_SKIPPED else None


def _entry_of(noted: AuditEntry) -> int:
    return int(noted.subject.removeprefix("plan_entry:"))
