"""What a change to many clients changes, in words: for pages and for the command line."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.care.bulk_actions import BulkKind
from crm.office.users import User
from crm.preparation.call_lists import CallList
from dialer.shown.labels import group_name
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
    if kind in (BulkKind.OWNER, BulkKind.LIST):
        rows = select(User.id, User.name) if kind is BulkKind.OWNER else select(CallList.id, CallList.name)
        names = {str(number): name for number, name in await session.execute(rows)}  # an office has few of either
        nobody = {"": words.gettext("nobody's")} if kind is BulkKind.OWNER else {}
        return nobody | {number: name for number, name in names.items() if number in values}
    if kind is BulkKind.GROUP:
        return {value: words.gettext(group_name(value)) for value in values}
    said = {value: value for value in values}
    return said | {"": words.gettext("may be called"), "asked": words.gettext("must not be called")}
