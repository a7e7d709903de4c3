"""One change to all clients that a filter leaves: shown before, made in one transaction, and undone where nothing has
happened since."""

from __future__ import annotations

import enum
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Text, bindparam, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.base.do_not_call import DoNotCall, lift
from crm.base.organisations import Organisation
from crm.base.whom import Whom
from crm.calls.attempts import Attempt
from crm.calls.owners import set_owners
from crm.care.saved_filters import narrowing_of
from crm.clientele.clients import Client, hold_clients
from crm.clientele.groups import GroupMove, MoveCause
from crm.errors import Conflict, NotFound, Refused
from crm.group import Group
from crm.mapping import WEAK_LOCK, Base, UtcDateTime, json_column, one_of
from crm.office.users import CALLERS, User, keep_user
from crm.plan.silence import keep_request
from crm.preparation.call_lists import CallList, ListState, hold_lists
from crm.preparation.campaigns import Campaign
from crm.reading.client_list import ClientFilters, matching_clients
from crm.text_rules import tidy

MOST_CLIENTS: Final = 5_000
"""More than this at once would hold up those who call: SQLite has one writer."""
MOST_REQUESTS: Final = 500  # each is written with what follows from it, one by one
NOBODY: Final = ""
_CLIENTS: Final = Client.metadata.tables["clients"]
# Columns, not objects: these would go on saying what was there before.
_PRESENT: Final = (Client.id, Client.campaign_id, Client.owner_id, Client.group, Client.call_list_id)


class BulkKind(enum.StrEnum):
    """What is changed."""

    OWNER = "owner"
    GROUP = "group"
    LIST = "list"
    DO_NOT_CALL = "do_not_call"


class BulkAction(Base):
    """A change to many clients. `value`: the owner's id ("" for nobody), the group, the list's id, the evidence.
    `narrowing`: the filter, as in `crm.care.saved_filters`. `skipped`: how many it left alone, by reason."""

    __tablename__ = "bulk_actions"
    __table_args__ = (CheckConstraint("changed > 0", name="changes"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[BulkKind] = mapped_column(one_of(BulkKind, "kind"))
    value: Mapped[str] = mapped_column(Text)
    narrowing: Mapped[dict[str, Any]] = mapped_column(json_column())
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    changed: Mapped[int]
    skipped: Mapped[dict[str, Any]] = mapped_column(json_column())
    undone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    undone_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))


class BulkChange(Base):
    """What an action changed of one client, as `BulkAction.value`. `owned_since`: of the owner before. `made_id`: the
    group move or the request that it made. `undone`: the undoing reached it."""

    __tablename__ = "bulk_changes"

    action_id: Mapped[int] = mapped_column(ForeignKey("bulk_actions.id"), primary_key=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"), primary_key=True)
    before: Mapped[str] = mapped_column(Text)
    after: Mapped[str] = mapped_column(Text)
    owned_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    made_id: Mapped[int | None]
    undone: Mapped[bool] = mapped_column(default=False)


@dataclass(frozen=True, slots=True)
class BulkRow:
    """What would happen to a client, or has happened. `reason`: a code of `crm.errors.ERRORS` for one that stays as it
    is, else "". Values as `BulkAction.value`."""

    client_id: int
    organisation: str
    before: str
    after: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BulkPreview:
    """All clients of the filter. `seen` says which they are and how they are now: an action on it is refused when that
    has changed."""

    rows: tuple[BulkRow, ...]
    seen: str

    @property
    def changing(self) -> tuple[BulkRow, ...]:
        return tuple(row for row in self.rows if not row.reason)

    @property
    def skipped(self) -> Counter[str]:
        """How many stay as they are, by reason."""
        return Counter(row.reason for row in self.rows if row.reason)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A change: see `BulkAction` for `value`."""

    kind: BulkKind
    value: str


async def preview(session: AsyncSession, *, filters: ClientFilters, wanted: Wanted) -> BulkPreview:
    """Who would be changed, and who not and why. Raises `Refused` for a change that nobody can be given, for a filter
    that narrows nothing, and for too many clients at once."""
    if not narrowing_of(filters):
        raise Refused("bulk.narrow_first")
    campaign_id = await _check(session, wanted)
    most = MOST_REQUESTS if wanted.kind is BulkKind.DO_NOT_CALL else MOST_CLIENTS
    ids = await matching_clients(session, filters=filters, limit=most + 1)
    if len(ids) > most:
        raise Refused("bulk.too_many", most=most)
    rows = tuple(await _rows(session, ids, wanted, campaign_id))
    told = "\n".join(
        f"{row.client_id} {row.before} {row.reason}" for row in sorted(rows, key=lambda row: row.client_id)
    )
    return BulkPreview(rows, hashlib.sha256(f"{wanted.kind} {wanted.value}\n{told}".encode()).hexdigest())


async def _check(session: AsyncSession, wanted: Wanted) -> int | None:
    """Raises `Refused` and `NotFound`; gives the campaign that a list belongs to."""
    match wanted.kind:
        case BulkKind.OWNER:
            await _check_owner(session, wanted.value)
        case BulkKind.GROUP:
            if wanted.value not in set(Group) - {Group.NEW}:
                raise Refused("bulk.no_such_group")
        case BulkKind.LIST:
            return await _campaign_of_list(session, wanted.value)
        case BulkKind.DO_NOT_CALL:
            if not tidy(wanted.value):
                raise Refused("do_not_call.needs_evidence")
    return None


async def _check_owner(session: AsyncSession, value: str) -> None:
    if value == NOBODY:
        return
    user = await session.get(User, int(value)) if _is_id(value) else None
    if user is None:
        raise NotFound("user.unknown")
    if not user.active or user.role not in CALLERS:
        raise Refused("bulk.not_an_owner", name=user.name)


async def _campaign_of_list(session: AsyncSession, value: str) -> int:
    call_list = await session.get(CallList, int(value)) if _is_id(value) else None
    if call_list is None:
        raise NotFound("list.unknown")
    campaign = await session.get_one(Campaign, call_list.campaign_id)
    if campaign.lists_need_approval and call_list.state in (ListState.SUBMITTED, ListState.APPROVED):
        raise Refused("bulk.list_closed", name=call_list.name)
    return campaign.id


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 9


async def _rows(
    session: AsyncSession, ids: Sequence[int], wanted: Wanted, campaign_id: int | None
) -> Sequence[BulkRow]:
    """In the order of `ids`. A client that is being called, or whose outcome is to be written down, is its caller's."""
    asked = select(DoNotCall.id).where(
        DoNotCall.organisation_id == Client.organisation_id, DoNotCall.lifted_at.is_(None)
    )
    found = await session.execute(
        select(*_PRESENT, Organisation.name, _in_call(), asked.exists())
        .join(Organisation, Organisation.id == Client.organisation_id)
        .where(Client.id.in_(ids))
    )
    rows: dict[int, BulkRow] = {}
    for client in found:
        *_, name, in_call, is_silent = client
        before = _value_of(client, wanted.kind, is_silent=is_silent)
        after = "asked" if wanted.kind is BulkKind.DO_NOT_CALL else wanted.value
        reason = ""
        if before == after:
            reason = "bulk.same"
        elif in_call:
            reason = "bulk.in_call"
        elif campaign_id is not None and client.campaign_id != campaign_id:
            reason = "bulk.other_campaign"
        rows[client.id] = BulkRow(client.id, name, before, after, reason)
    return [rows[each] for each in ids if each in rows]


def _in_call() -> ColumnElement[bool]:
    return exists().where(Attempt.client_id == Client.id, Attempt.wrapped_up_at.is_(None), ~Attempt.imported)


def _value_of(client: Any, kind: BulkKind, *, is_silent: bool = False) -> str:
    match kind:
        case BulkKind.OWNER:
            return NOBODY if client.owner_id is None else str(client.owner_id)
        case BulkKind.GROUP:
            return str(client.group)
        case BulkKind.LIST:
            return str(client.call_list_id)
        case BulkKind.DO_NOT_CALL:
            return "asked" if is_silent else ""


async def carry_out(
    session: AsyncSession,
    *,
    filters: ClientFilters,
    wanted: Wanted,
    seen: str | None,
    now: datetime,
    author_id: int | None = None,
) -> BulkAction:
    """Change all who can be changed. `seen` is that of the preview somebody agreed to; `None` agrees to whatever there
    is. Raises as `preview`, `Conflict` when it looks otherwise by now, and `Refused` when nobody would be changed."""
    if wanted.kind is BulkKind.OWNER and _is_id(wanted.value):
        await keep_user(session, int(wanted.value))
    if wanted.kind is BulkKind.LIST and _is_id(wanted.value):
        await hold_lists(session, CallList.id == int(wanted.value))
    matching = await matching_clients(session, filters=filters, limit=MOST_CLIENTS + 1)
    await hold_clients(session, matching[:MOST_CLIENTS])
    shown = await preview(session, filters=filters, wanted=wanted)
    if seen is not None and seen != shown.seen:
        raise Conflict("bulk.changed_meanwhile")
    if not shown.changing:
        raise Refused("bulk.changes_nobody")
    action = BulkAction(
        kind=wanted.kind, value=wanted.value, narrowing=narrowing_of(filters), at=now, author_id=author_id,
        changed=len(shown.changing), skipped=dict(shown.skipped),
    )  # fmt: skip
    session.add(action)
    await session.flush()
    owned = await _owned_since(session, shown.changing) if wanted.kind is BulkKind.OWNER else {}
    made = await _change(session, action, shown.changing, now=now)
    changes = [
        {"action_id": action.id, "client_id": row.client_id, "before": row.before, "after": row.after,
         "owned_since": owned.get(row.client_id), "made_id": made.get(row.client_id)}
        for row in shown.changing
    ]  # fmt: skip
    await session.execute(insert(BulkChange), changes)
    details = {"kind": wanted.kind.value, "value": wanted.value, "narrowing": action.narrowing,
               "changed": action.changed}  # fmt: skip
    _note(session, action, audit.BULK_DONE, details, now=now, author_id=author_id)
    await session.flush()
    return action


async def _change(
    session: AsyncSession, action: BulkAction, rows: Sequence[BulkRow], *, now: datetime
) -> dict[int, int]:
    """The ids of the moves or requests that were made, by client."""
    match action.kind:
        case BulkKind.OWNER:
            await set_owners(session, {row.client_id: (_owner_in(row.after), now) for row in rows})
        case BulkKind.LIST:
            await _set_list(session, rows)
        case BulkKind.GROUP:
            return await _move(session, rows, now=now, author_id=action.author_id, note=f"bulk action {action.id}")
        case BulkKind.DO_NOT_CALL:
            return await _silence(session, action, rows, now=now)
    return {}


def _owner_in(value: str) -> int | None:
    return None if value == NOBODY else int(value)


async def _owned_since(session: AsyncSession, rows: Sequence[BulkRow]) -> dict[int, datetime | None]:
    ids = [row.client_id for row in rows]
    return dict((await session.execute(select(Client.id, Client.owned_since).where(Client.id.in_(ids)))).all())


async def _set_list(session: AsyncSession, rows: Sequence[BulkRow]) -> None:
    change = (
        update(_CLIENTS)
        .where(_CLIENTS.c.id == bindparam("of_id"))
        .values(call_list_id=bindparam("to_value"), version=_CLIENTS.c.version + 1)
    )
    values = [{"of_id": row.client_id, "to_value": int(row.after)} for row in rows]
    await (await session.connection()).execute(change, values)


async def _move(
    session: AsyncSession, rows: Sequence[BulkRow], *, now: datetime, author_id: int | None, note: str
) -> dict[int, int]:
    moves = [
        {"client_id": row.client_id, "from_group": Group(row.before), "to_group": Group(row.after), "at": now,
         "cause": MoveCause.USER, "author_id": author_id, "note": note}
        for row in rows
    ]  # fmt: skip
    await session.execute(insert(GroupMove), moves)
    return await _last_moves(session, [row.client_id for row in rows])


async def _last_moves(session: AsyncSession, ids: Sequence[int]) -> dict[int, int]:
    last = select(GroupMove.client_id, func.max(GroupMove.id)).where(GroupMove.client_id.in_(ids))
    return dict((await session.execute(last.group_by(GroupMove.client_id))).all())


async def _silence(
    session: AsyncSession, action: BulkAction, rows: Sequence[BulkRow], *, now: datetime
) -> dict[int, int]:
    of_clients = select(Client.id, Client.organisation_id).where(Client.id.in_([row.client_id for row in rows]))
    made = {}
    for client_id, organisation_id in (await session.execute(of_clients.order_by(Client.id))).all():
        request = await keep_request(
            session, whom=Whom.ORGANISATION, target=organisation_id, now=now, evidence=action.value,
            author_id=action.author_id,
        )  # fmt: skip
        made[client_id] = request.id
    return made


async def get_action(session: AsyncSession, action_id: int, *, lock: bool = False) -> BulkAction:
    """Raises `NotFound`."""
    action = await session.get(BulkAction, action_id, with_for_update=WEAK_LOCK if lock else None)
    if action is None:
        raise NotFound("bulk.unknown", number=action_id)
    return action


async def actions(session: AsyncSession, *, limit: int = 50) -> list[BulkAction]:
    """The newest first."""
    return list(await session.scalars(select(BulkAction).order_by(BulkAction.id.desc()).limit(limit)))


async def undoing(session: AsyncSession, *, action: BulkAction) -> tuple[BulkRow, ...]:
    """What undoing would change, or has; with a reason for each client that was changed since, and so is left alone.
    `before` is what the action found, `after` what it made."""
    changes = list(await session.scalars(select(BulkChange).where(BulkChange.action_id == action.id)))
    by_client = {change.client_id: change for change in changes}
    ids = list(by_client)
    moves = await _last_moves(session, ids) if action.kind is BulkKind.GROUP else {}
    lifted = await _lifted(session, changes) if action.kind is BulkKind.DO_NOT_CALL else frozenset()
    found = await session.execute(
        select(*_PRESENT, Organisation.name, _in_call())
        .join(Organisation, Organisation.id == Client.organisation_id)
        .where(Client.id.in_(ids))
        .order_by(Client.name_folded, Client.id)
    )
    rows = []
    for client in found:
        *_, name, in_call = client
        change = by_client[client.id]
        if action.kind is BulkKind.DO_NOT_CALL:
            since = change.made_id in lifted
        else:
            since = _value_of(client, action.kind) != change.after or moves.get(client.id) != change.made_id
        reason = "bulk.changed_since" if since else "bulk.in_call" if in_call else ""
        if action.undone_at is not None:
            reason = "" if change.undone else "bulk.changed_since"
        rows.append(BulkRow(client.id, name, change.before, change.after, reason))
    return tuple(rows)


async def _lifted(session: AsyncSession, changes: Sequence[BulkChange]) -> frozenset[int]:
    made = [change.made_id for change in changes]
    these = select(DoNotCall.id).where(DoNotCall.id.in_(made), DoNotCall.lifted_at.is_not(None))
    return frozenset(await session.scalars(these))


async def undo(
    session: AsyncSession, *, action_id: int, now: datetime, author_id: int | None = None
) -> tuple[BulkRow, ...]:
    """Put back what nobody has changed since; the rows as `undoing` gives them. Raises `NotFound`, `Conflict` when it
    was undone before, `Refused` when nothing can be put back."""
    action = await get_action(session, action_id, lock=True)
    if action.undone_at is not None:
        raise Conflict("bulk.undone")
    changed = select(BulkChange.client_id).where(BulkChange.action_id == action.id)
    await hold_clients(session, (await session.scalars(changed)).all())
    rows = await undoing(session, action=action)
    back = [BulkRow(row.client_id, row.organisation, row.after, row.before) for row in rows if not row.reason]
    if not back:
        raise Refused("bulk.nothing_to_undo")
    if action.kind is BulkKind.GROUP:
        await _move(session, back, now=now, author_id=author_id, note=f"bulk action {action.id} undone")
    elif action.kind is BulkKind.DO_NOT_CALL:
        await _lift(session, action, [row.client_id for row in back], now=now, author_id=author_id)
    elif action.kind is BulkKind.OWNER:
        was = select(BulkChange.client_id, BulkChange.owned_since).where(BulkChange.action_id == action.id)
        since = dict((await session.execute(was)).all())
        await set_owners(session, {row.client_id: (_owner_in(row.after), since[row.client_id]) for row in back})
    else:
        await _set_list(session, back)
    reached = update(BulkChange).where(BulkChange.action_id == action.id, BulkChange.client_id == bindparam("of_id"))
    await (await session.connection()).execute(reached.values(undone=True), [{"of_id": row.client_id} for row in back])
    action.undone_at, action.undone_by = now, author_id
    details = {"undone": len(back), "left": len(rows) - len(back)}
    _note(session, action, audit.BULK_UNDONE, details, now=now, author_id=author_id)
    await session.flush()
    return rows


async def _lift(
    session: AsyncSession, action: BulkAction, ids: Sequence[int], *, now: datetime, author_id: int | None
) -> None:
    made = select(BulkChange.made_id).where(BulkChange.action_id == action.id, BulkChange.client_id.in_(ids)).distinct()
    for request_id in list(await session.scalars(made)):
        if request_id is not None:
            reason = f"bulk action {action.id} undone"
            await lift(session, request_id=request_id, reason=reason, now=now, author_id=author_id)


def _note(
    session: AsyncSession,
    action: BulkAction,
    deed: str,
    details: Mapping[str, object],
    *,
    now: datetime,
    author_id: int | None,
) -> None:
    audit.note(session, at=now, user_id=author_id, action=deed, subject=f"bulk:{action.id}", details=details)
