"""Clients: an organisation in a campaign, in exactly one group."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, ForeignKey, Index, Text, UniqueConstraint, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.audit import AuditEntry
from crm.base.organisations import Organisation, hold_organisations
from crm.clientele.groups import MoveCause, move
from crm.errors import Conflict, NotFound, Refused
from crm.group import Group
from crm.mapping import Base, UtcDateTime, Versioned, one_of
from crm.preparation.call_lists import CallList
from crm.preparation.campaigns import Campaign
from crm.text_rules import required

_AT_ONCE: Final = 1_000  # values in one statement


class Client(Versioned, Base):
    """A client. It begins in group "new", and only a `GroupMove` changes its group: triggers see to both.
    `off_list_reason`: "" while it is on its list. `owner_id`: the operator or expert whose client it is, since
    `owned_since` where that is known (see `crm.calls.owners`). `name_folded`: the organisation's, written by
    triggers."""

    __tablename__ = "clients"
    __table_args__ = (
        UniqueConstraint("campaign_id", "organisation_id"),
        UniqueConstraint("id", "organisation_id", name="uq_clients_of_organisation"),
        UniqueConstraint("id", "campaign_id", name="uq_clients_of_campaign"),
        Index(None, "campaign_id", "code", sqlite_where=text("code <> ''"), postgresql_where=text("code <> ''")),
        # What is sought is read in the order in which organisations came in: see `crm.reading.client_search`.
        Index(
            "ix_clients_narrowed",
            *("organisation_id", "id", "campaign_id", "call_list_id", "client_group", "owner_id"),
        ),
        Index(None, "campaign_id", "client_group", "organisation_id", "id"),
        Index(None, "call_list_id", "organisation_id", "id"),
        Index(None, "call_list_id", "client_group", "organisation_id", "id"),
        Index(None, "owner_id", "organisation_id", "id"),
        Index(None, "owner_id", "client_group", "id"),  # the plan deals a person's clients out group by group
        # Lists are read in the order of names, whatever they are narrowed to.
        Index(None, "name_folded", "id"),
        Index(None, "campaign_id", "client_group", "name_folded", "id"),
        Index(None, "campaign_id", "name_folded", "id"),
        Index(None, "call_list_id", "name_folded", "id"),
        Index(None, "owner_id", "name_folded", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    call_list_id: Mapped[int] = mapped_column(ForeignKey("call_lists.id"))
    source_id: Mapped[int | None] = mapped_column(ForeignKey("sources.id"))
    code: Mapped[str] = mapped_column(Text, default="")
    group: Mapped[Group] = mapped_column("client_group", one_of(Group, "client_group"), default=Group.NEW)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    owned_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    off_list_reason: Mapped[str] = mapped_column(Text, default="")
    name_folded: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)


async def add_client(
    session: AsyncSession,
    *,
    campaign_id: int,
    organisation_id: int,
    call_list_id: int,
    now: datetime,
    source_id: int | None = None,
    code: str = "",
    group: Group = Group.NEW,
    cause: MoveCause = MoveCause.IMPORT,
    author_id: int | None = None,
) -> Client:
    """Take the organisation into the campaign; in another group than "new" by a move with `cause`. Raises `Conflict`
    when it is in the campaign already."""
    taken = select(Client.id).where(Client.campaign_id == campaign_id, Client.organisation_id == organisation_id)
    if await session.scalar(taken) is not None:
        raise Conflict("client.exists")
    client = Client(
        campaign_id=campaign_id,
        organisation_id=organisation_id,
        call_list_id=call_list_id,
        source_id=source_id,
        code=code,
        created_at=now,
    )
    session.add(client)
    await session.flush()
    await move(session, client=client, to=group, at=now, cause=cause, author_id=author_id)
    return client


async def get_client(session: AsyncSession, client_id: int, *, lock: bool = False) -> Client:
    """The client; `lock` holds its organisation and its row until the transaction ends. Raises `NotFound`."""
    client = (
        next(iter(await hold_clients(session, [client_id])), None) if lock else await session.get(Client, client_id)
    )
    if client is None:
        raise NotFound("client.unknown")
    return client


async def hold_clients(session: AsyncSession, client_ids: Collection[int]) -> list[Client]:
    """Let nobody else call or change these until the transaction ends: their organisations are held, then they
    themselves, and what the session knows of them is read anew. Returns them by id."""
    ids, held = sorted(client_ids), set[int]()
    while wanted := await _organisations_of(session, ids) - held:  # again after a merge that this has waited for
        await hold_organisations(session, wanted)
        held |= wanted
    clients: list[Client] = []
    for first in range(0, len(ids), _AT_ONCE):
        clients += await _held(session, Client.id.in_(ids[first : first + _AT_ONCE]))
    return clients


async def hold_clients_of(session: AsyncSession, organisation_ids: Collection[int]) -> list[Client]:
    """As `hold_clients`, of all clients of these organisations; returns them by id."""
    await hold_organisations(session, organisation_ids)
    return await _held(session, Client.organisation_id.in_(organisation_ids))


async def _held(session: AsyncSession, these: ColumnElement[bool]) -> list[Client]:
    found = select(Client).where(these).order_by(Client.id).with_for_update(key_share=True)
    return list(await session.scalars(found.execution_options(populate_existing=True)))


async def _organisations_of(session: AsyncSession, client_ids: Sequence[int]) -> set[int]:
    found = set[int]()
    for first in range(0, len(client_ids), _AT_ONCE):
        of_them = select(Client.organisation_id).where(Client.id.in_(client_ids[first : first + _AT_ONCE]))
        found.update(await session.scalars(of_them))
    return found


async def take_off_list(
    session: AsyncSession, *, client: Client, reason: str, now: datetime, author_id: int | None = None
) -> None:
    """Call the client no more in this campaign, for `reason`: not of the target segments, a test. Hold the client's
    row. Raises `Refused` without a reason. What was planned and promised is `crm.plan.silence.off_list`'s."""
    reason = required(reason, "client.needs_reason")
    client.off_list_reason = reason
    audit.note(
        session, at=now, user_id=author_id, action=audit.CLIENT_OFF_LIST, subject=f"client:{client.id}",
        details={"reason": reason},
    )  # fmt: skip
    await session.flush()


async def put_back_on_list(
    session: AsyncSession, *, client: Client, now: datetime, author_id: int | None = None
) -> None:
    """Let the client be called again. Raises `Refused` for one whom the customer did not sign for: an approved list is
    returned first."""
    await _assert_signed_for(session, client)
    details = {"was": client.off_list_reason}
    client.off_list_reason = ""
    audit.note(
        session, at=now, user_id=author_id, action=audit.CLIENT_ON_LIST, subject=f"client:{client.id}",
        details=details,
    )  # fmt: skip
    await session.flush()


async def _assert_signed_for(session: AsyncSession, client: Client) -> None:
    """Where only approved lists are called: that the client was still on the list when it was approved."""
    campaign = await session.get_one(Campaign, client.campaign_id)
    call_list = await session.get_one(CallList, client.call_list_id)
    if not campaign.lists_need_approval or call_list.approved_at is None:
        return
    taken_off = select(func.max(AuditEntry.at)).where(
        AuditEntry.subject == f"client:{client.id}", AuditEntry.action == audit.CLIENT_OFF_LIST
    )
    taken_off_at = await session.scalar(taken_off)
    if taken_off_at is not None and taken_off_at <= call_list.approved_at:
        raise Refused("client.not_signed_for", name=call_list.name)


async def time_zone_of(session: AsyncSession, client: Client) -> str:
    """The IANA zone of the client's clock: the organisation's, or the campaign's while that is unknown."""
    found = await session.scalar(select(Organisation.time_zone).where(Organisation.id == client.organisation_id))
    if found:
        return found
    campaign = await session.get_one(Campaign, client.campaign_id)
    return campaign.time_zone


async def clients_of(session: AsyncSession, organisation_ids: Iterable[int]) -> dict[int, int]:
    """The newest client of each organisation that has one."""
    newest = select(Client.organisation_id, func.max(Client.id)).group_by(Client.organisation_id)
    found = await session.execute(newest.where(Client.organisation_id.in_(list(organisation_ids))))
    return dict(found.all())
