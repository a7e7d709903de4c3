"""What the customer has marked on a call list: whom to call and whom not, kept until the list is settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, Text, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.base.organisations import Organisation
from crm.base.sources import Source
from crm.clientele.clients import Client, hold_clients
from crm.errors import NotFound, Refused
from crm.mapping import Base, UtcDateTime
from crm.plan.silence import off_list
from crm.preparation.call_lists import CallList, ListState, set_list_state
from crm.text_rules import required, tidy

NO_REMARK: Final = "—"


class ListMark(Base):
    """The customer's last word on a client of a list."""

    __tablename__ = "list_marks"
    __table_args__ = (CheckConstraint("length(trim(signer)) > 0", name="signed"),)

    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"), primary_key=True, autoincrement=False)
    call_list_id: Mapped[int] = mapped_column(ForeignKey("call_lists.id"), index=True)
    agreed: Mapped[bool]
    remark: Mapped[str] = mapped_column(Text, default="")
    signer: Mapped[str] = mapped_column(Text)
    marked_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True, slots=True)
class Mark:
    """A row as it came back: `row` of the sheet, counted from 1; `agreed` `None` where nothing was marked."""

    row: int
    client_id: int
    agreed: bool | None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class MarksTaken:
    """What became of the marks. `strangers`: rows of clients who are not on this list; `open_clients`: how many of the
    list are still without the customer's word. `approved`: the list is, by that."""

    agreed: int
    taken_off: int
    strangers: tuple[int, ...]
    open_clients: int
    approved: bool


@dataclass(frozen=True, slots=True)
class ListedClient:
    """A client as the customer sees it."""

    client_id: int
    organisation: str
    city: str
    industry: str
    tax_number: str
    site: str
    source: str
    agreed: bool | None
    remark: str


async def listed_clients(session: AsyncSession, call_list_id: int) -> list[ListedClient]:
    """Those who are on the list and were not taken off it, by name, with the marks that are known."""
    wanted = (
        select(
            Client.id, Organisation.name, Organisation.city, Organisation.industry, Organisation.tax_number,
            Organisation.site, func.coalesce(Source.name, ""), ListMark.agreed, func.coalesce(ListMark.remark, ""),
        )
        .join(Organisation, Organisation.id == Client.organisation_id)
        .join(Source, Source.id == Client.source_id, isouter=True)
        .join(ListMark, (ListMark.client_id == Client.id) & (ListMark.call_list_id == call_list_id), isouter=True)
        .where(Client.call_list_id == call_list_id, Client.off_list_reason == "")
        .order_by(Organisation.name_folded, Client.id)
    )  # fmt: skip
    return [ListedClient(*row) for row in await session.execute(wanted)]


async def take_marks(
    session: AsyncSession,
    *,
    call_list: CallList,
    marks: Sequence[Mark],
    signer: str,
    now: datetime,
    author_id: int | None = None,
) -> MarksTaken:
    """Keep the customer's marks: whom they do not want is taken off the list with their remark. Once they have said yes
    to everybody who is left, the list is approved by `signer`; until then it stays as it is. Raises `Refused` without a
    signer, for a list that is approved already, and for a sheet that holds none of the list's clients."""
    signer = required(signer, "list.needs_signature")
    if call_list.state is ListState.APPROVED:
        raise Refused("list.marks_too_late", name=call_list.name)
    these = select(Client.id).where(Client.call_list_id == call_list.id, Client.off_list_reason == "")
    held = await hold_clients(session, (await session.scalars(these)).all())
    clients = {client.id: client for client in held if not client.off_list_reason}
    known = set(await session.scalars(select(Client.id).where(Client.call_list_id == call_list.id)))
    strangers = tuple(mark.row for mark in marks if mark.client_id not in known)
    if not len(marks) > len(strangers):
        raise Refused("list.marks_of_another", name=call_list.name)
    agreed = taken_off = 0
    for mark in marks:
        client = clients.get(mark.client_id)
        if client is None or mark.agreed is None:
            continue
        await session.merge(
            ListMark(client_id=client.id, call_list_id=call_list.id, agreed=mark.agreed, remark=tidy(mark.remark),
                     signer=signer, marked_at=now)
        )  # fmt: skip
        if mark.agreed:
            agreed += 1
        elif not client.off_list_reason:
            taken_off += 1
            await off_list(session, client=client, reason=_why(signer, mark.remark), now=now, author_id=author_id)
    await session.flush()
    open_clients = await _still_open(session, call_list.id)
    details = {"name": call_list.name, "by": signer, "agreed": agreed, "taken_off": taken_off, "open": open_clients}
    audit.note(
        session, at=now, user_id=author_id, action=audit.LIST_MARKS_TAKEN, subject=f"list:{call_list.id}",
        details=details,
    )  # fmt: skip
    approved = open_clients == 0 and await _approve(session, call_list, signer, now, author_id)
    return MarksTaken(agreed, taken_off, strangers, open_clients, approved)


def _why(signer: str, remark: str) -> str:
    return f"{signer}: {tidy(remark) or NO_REMARK}"


async def _still_open(session: AsyncSession, call_list_id: int) -> int:
    settled = exists().where(
        ListMark.client_id == Client.id, ListMark.call_list_id == call_list_id, ListMark.agreed.is_(True)
    )
    counting = select(func.count()).where(Client.call_list_id == call_list_id, Client.off_list_reason == "", ~settled)
    return await session.scalar(counting) or 0


async def _approve(
    session: AsyncSession, call_list: CallList, signer: str, now: datetime, author_id: int | None
) -> bool:
    """The list goes to approved by the steps that it may take; an empty one is not."""
    left = select(func.count()).where(Client.call_list_id == call_list.id, Client.off_list_reason == "")
    if not await session.scalar(left):
        return False
    steps = [ListState.APPROVED]
    if call_list.state is ListState.RETURNED:
        steps.insert(0, ListState.SUBMITTED)
    for to in steps:
        await set_list_state(session, call_list_id=call_list.id, to=to, now=now, by=signer, author_id=author_id)
    return True


async def list_for_marks(session: AsyncSession, *, campaign_id: int, call_list_id: int) -> CallList:
    """The list, held until the transaction ends. Raises `NotFound`."""
    found = await session.get(CallList, call_list_id, with_for_update=True, populate_existing=True)
    if found is None or found.campaign_id != campaign_id:
        raise NotFound("list.unknown")
    return found
