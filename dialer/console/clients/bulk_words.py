"""What a change to many clients changes, in words: for pages and for the command line."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.care.bulk_actions import BulkKind
from crm.office.users import User
from crm.preparation.call_lists import CallList
from dialer.console.web import sent
from dialer.console.web.labels import group_name
from dialer.words import Words, mark

KINDS = {
    BulkKind.OWNER: mark("Whose"),
    BulkKind.GROUP: mark("Group"),
    BulkKind.LIST: mark("List"),
    BulkKind.DO_NOT_CALL: mark("Do not call"),
}


async def values_in_words(session: AsyncSession, words: Words, kind: BulkKind, values: Iterable[str]) -> dict[str, str]:
    """The values of `crm.care.bulk_actions.BulkAction` and `BulkRow`, by value."""
    values = set(values)
    ids = [sent.number(value) for value in values if sent.is_id(value)]
    if kind is BulkKind.OWNER:
        users = await session.execute(select(User.id, User.name).where(User.id.in_(ids)))
        return {"": words.gettext("nobody's")} | {str(user_id): name for user_id, name in users.all()}
    if kind is BulkKind.LIST:
        lists = await session.execute(select(CallList.id, CallList.name).where(CallList.id.in_(ids)))
        return {str(list_id): name for list_id, name in lists.all()}
    if kind is BulkKind.GROUP:
        return {value: words.gettext(group_name(value)) for value in values}
    said = {value: value for value in values}
    return said | {"": words.gettext("may be called"), "asked": words.gettext("must not be called")}
