"""Call lists: the clients to be called, agreed with the customer where the campaign asks for it."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Text, UniqueConstraint, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit, transitions
from crm.errors import NotFound, Refused
from crm.mapping import Base, UtcDateTime, one_of
from crm.text_rules import lines_of, tidy


class ListState(enum.StrEnum):
    """How far a list has come."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    RETURNED = "returned"


TRANSITIONS: dict[ListState, frozenset[ListState]] = {
    ListState.DRAFT: frozenset({ListState.SUBMITTED, ListState.APPROVED}),
    ListState.SUBMITTED: frozenset({ListState.APPROVED, ListState.RETURNED}),
    ListState.RETURNED: frozenset({ListState.SUBMITTED}),
    ListState.APPROVED: frozenset({ListState.RETURNED}),
}


class CallList(Base):
    """A list. `approved_by` is in words: the customer who signs need not be a user. `remarks`: why it was returned."""

    __tablename__ = "call_lists"
    __table_args__ = (
        UniqueConstraint("campaign_id", "name"),
        CheckConstraint("(state = 'approved') = (approved_at IS NOT NULL)", name="approved_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    name: Mapped[str] = mapped_column(Text)
    state: Mapped[ListState] = mapped_column(one_of(ListState, "state"), default=ListState.DRAFT)
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    approved_by: Mapped[str] = mapped_column(Text, default="")
    remarks: Mapped[str] = mapped_column(Text, default="", server_default="")


async def list_named(session: AsyncSession, *, campaign_id: int, name: str) -> CallList:
    """The list of that name in the campaign, made as a draft if there is none. It stays in its state until the
    transaction ends."""
    name = tidy(name)
    found = next(iter(await hold_lists(session, CallList.campaign_id == campaign_id, CallList.name == name)), None)
    if found is None:
        found = CallList(campaign_id=campaign_id, name=name)
        session.add(found)
        await session.flush()
    return found


async def hold_lists(session: AsyncSession, *these: ColumnElement[bool]) -> list[CallList]:
    """Let nobody submit, approve or return these until the transaction ends: what the customer signs is what is on the
    list. Others may put clients on it at the same time."""
    found = select(CallList).where(*these).order_by(CallList.id).with_for_update(read=True)
    return list(await session.scalars(found.execution_options(populate_existing=True)))


async def existing_list(session: AsyncSession, *, campaign_id: int, name: str) -> CallList:
    """The list of that name in the campaign. Raises `NotFound`."""
    found = await session.scalar(
        select(CallList).where(CallList.campaign_id == campaign_id, CallList.name == tidy(name))
    )
    if found is None:
        raise NotFound("list.unknown")
    return found


async def lists_of(session: AsyncSession, *, campaign_id: int) -> list[CallList]:
    """All lists of the campaign, by name."""
    found = await session.scalars(select(CallList).where(CallList.campaign_id == campaign_id).order_by(CallList.name))
    return list(found)


async def set_list_state(
    session: AsyncSession,
    *,
    call_list_id: int,
    to: ListState,
    now: datetime,
    by: str = "",
    remarks: str = "",
    author_id: int | None = None,
) -> CallList:
    """Submit, approve or return a list, and note it for the audit; `by` says in words who signed, which an approval
    needs, `remarks` why it was returned. Raises `NotFound`, `Refused`."""
    call_list = await session.get(CallList, call_list_id, with_for_update=True, populate_existing=True)
    if call_list is None:
        raise NotFound("list.unknown")
    if to not in TRANSITIONS[call_list.state]:
        raise Refused("list.wrong_state", state=call_list.state.value, to=to.value)
    if to is ListState.APPROVED and not tidy(by):
        raise Refused("list.needs_signature")
    remarks = lines_of(remarks)
    details = {"name": call_list.name, "was": call_list.state.value, "now": to.value, "by": tidy(by)}
    if remarks:
        details["remarks"] = remarks
    transitions.note(session, "call list", call_list=call_list.id, was=call_list.state, on="set", now=to)
    call_list.state = to
    call_list.approved_at = now if to is ListState.APPROVED else None
    call_list.approved_by = tidy(by) if to is ListState.APPROVED else ""
    call_list.remarks = remarks if to is ListState.RETURNED else ""
    audit.note(
        session,
        at=now,
        user_id=author_id,
        action=audit.LIST_STATE_SET,
        subject=f"list:{call_list.id}",
        details=details,
    )
    await session.flush()
    return call_list
