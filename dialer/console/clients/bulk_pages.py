"""One change to all clients of a filter: what it would change, what it has changed, and taking it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy import select

from crm.care import bulk_actions
from crm.care.bulk_actions import BulkAction, BulkKind, BulkRow, Wanted
from crm.care.saved_filters import filters_of
from crm.errors import ERRORS, Conflict
from crm.office.users import User
from dialer.console.clients.client_filters import Chosen
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of, zone_of
from dialer.shown.bulk_words import KINDS, values_in_words
from dialer.shown.formats import moment
from dialer.words import Words

FIRST_ROWS: Final = 20
MOST_ROWS: Final = 500
_LONGEST_VALUE: Final = 500


async def look(request: web.Request) -> web.StreamResponse:
    """GET /clients/bulk?kind=&value= and the filters: who would be changed."""
    return await _preview(request, request.query)


async def carry_out(request: web.Request) -> web.StreamResponse:
    """POST /clients/bulk with the same, and `seen` of the look. Who looks otherwise by now is shown anew."""
    deps, fields = request.app[DEPS], await request.post()
    try:
        action = await deps.database.carry_out(
            lambda session: bulk_actions.carry_out(
                session, filters=Chosen.of(fields).filters(), wanted=_wanted(fields), seen=str(fields.get("seen", "")),
                now=deps.clock(), author_id=visitor(request).user_id,
            )
        )  # fmt: skip
    except Conflict:
        response = await _preview(request, fields, changed=True)
        response.set_status(409)
        return response
    return see_other(f"/bulk-actions/{action.id}")


def _wanted(fields: Mapping[str, Any]) -> Wanted:
    kind = str(fields.get("kind", ""))
    if kind not in set(BulkKind):
        raise Trouble.unreadable()
    return Wanted(BulkKind(kind), str(fields.get("value", "")).strip()[:_LONGEST_VALUE])


async def _preview(request: web.Request, fields: Mapping[str, Any], *, changed: bool = False) -> web.StreamResponse:
    words, chosen, wanted = words_of(request), Chosen.of(fields), _wanted(fields)
    async with request.app[DEPS].database.reading() as session:
        shown = await bulk_actions.preview(session, filters=chosen.filters(), wanted=wanted)
        values = {wanted.value, *(value for row in shown.rows for value in (row.before, row.after))}
        said = await values_in_words(session, words, wanted.kind, values)
    skipped = tuple(row for row in shown.rows if row.reason)
    context = {
        "what": words.gettext(KINDS[wanted.kind]),
        "to": said.get(wanted.value, wanted.value),
        "changed_meanwhile": changed,
        "changing": len(shown.changing),
        "skipped": [(words.gettext(ERRORS[code]), count) for code, count in shown.skipped.most_common()],
        "rows": _rows(words, shown.changing[:FIRST_ROWS], said),
        "skipped_rows": _rows(words, skipped[:FIRST_ROWS], said),
        "hidden": {**chosen.query(), "kind": wanted.kind.value, "value": wanted.value, "seen": shown.seen},
        "back": chosen.address(),
    }
    return await office_page(request, "bulk.html", context)


def _rows(words: Words, rows: Sequence[BulkRow], said: Mapping[str, str]) -> list[dict[str, object]]:
    return [
        {
            "client_id": row.client_id,
            "organisation": row.organisation,
            "before": said.get(row.before, row.before),
            "after": said.get(row.after, row.after),
            "reason": words.gettext(ERRORS[row.reason]) if row.reason else "",
        }
        for row in rows
    ]


async def actions(request: web.Request) -> web.StreamResponse:
    """GET /bulk-actions"""
    words, zone = words_of(request), zone_of(request)
    async with request.app[DEPS].database.reading() as session:
        found = await bulk_actions.actions(session)
        names = dict((await session.execute(select(User.id, User.name))).all())
        rows = []
        for action in found:
            said = await values_in_words(session, words, action.kind, [action.value])
            rows.append(
                {
                    "id": action.id,
                    "when": moment(words, action.at, zone),
                    "who": names.get(action.author_id or 0, ""),
                    "what": words.gettext(KINDS[action.kind]),
                    "to": said.get(action.value, action.value),
                    "changed": action.changed,
                    "undone": moment(words, action.undone_at, zone) if action.undone_at else "",
                }
            )
    return await office_page(request, "bulk_actions.html", {"rows": rows})


async def action_page(request: web.Request) -> web.StreamResponse:
    """GET /bulk-actions/{action_id}"""
    words, zone = words_of(request), zone_of(request)
    async with request.app[DEPS].database.reading() as session:
        action = await bulk_actions.get_action(session, _id(request))
        rows = await bulk_actions.undoing(session, action=action)
        values = {action.value, *(value for row in rows for value in (row.before, row.after))}
        said = await values_in_words(session, words, action.kind, values)
        author = await session.get(User, action.author_id) if action.author_id else None
    context = {
        "action": action,
        "what": words.gettext(KINDS[action.kind]),
        "to": said.get(action.value, action.value),
        "when": moment(words, action.at, zone),
        "who": author.name if author else "",
        "undone": moment(words, action.undone_at, zone) if action.undone_at else "",
        "can_undo": sum(not row.reason for row in rows),
        "left": sum(bool(row.reason) for row in rows),
        "skipped": [(words.gettext(ERRORS[code]), count) for code, count in action.skipped.items()],
        "rows": _rows(words, _left_first(rows)[:MOST_ROWS], said),
        "narrowed": f"/clients?{urlencode(Chosen.from_filters(filters_of(action.narrowing)).query())}",
        "may_undo": _may_undo(request, action),
    }
    return await office_page(request, "bulk_action.html", context)


def _left_first(rows: Sequence[BulkRow]) -> list[BulkRow]:
    return sorted(rows, key=lambda row: not row.reason)


def _may_undo(request: web.Request, action: BulkAction) -> bool:
    return action.undone_at is None and visitor(request).role in RULE_ROLES


async def undo(request: web.Request) -> web.StreamResponse:
    """POST /bulk-actions/{action_id}/undo"""
    deps = request.app[DEPS]
    await deps.database.carry_out(
        lambda session: bulk_actions.undo(
            session, action_id=_id(request), now=deps.clock(), author_id=visitor(request).user_id
        )
    )
    return see_other(f"/bulk-actions/{_id(request)}")


def _id(request: web.Request) -> int:
    return int(request.match_info["action_id"])
