"""A client's answers to a questionnaire on a page of their own: filled in, corrected, and as they ever were."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from crm.clientele.clients import get_client
from crm.group import Group
from crm.questionnaires.competitor_sheets import feed_competitor
from crm.questionnaires.questionnaires import Asked, Purpose, asked_in, get_questionnaire, newest_version
from crm.questionnaires.sheets import SheetRow, answers_now, sheets_of, write_sheet
from dialer.console.desk.questionnaire import shown_sheet, typed_sheets
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import DESK_ROLES, RULE_ROLES, scope_of, visitor, words_of, zone_of
from dialer.shown.answer_words import ShownAnswer, answers_in_words
from dialer.shown.card import stored_card
from dialer.shown.formats import moment

# Whom these do not concern has no button for them.
_ONLY_OF: Final = {Purpose.ABANDONED: Group.ABANDONED, Purpose.COMPETITOR: Group.COMPETITOR}


async def sheet_page(request: web.Request) -> web.StreamResponse:
    """GET /clients/{client_id}/sheets/{questionnaire_id}"""
    words, (client_id, number) = words_of(request), _ids(request)
    async with request.app[DEPS].database.reading() as session:
        standing = await scope_of(request).standing_client(session, client_id)
        if standing != client_id:
            return see_other(f"/clients/{standing}/sheets/{number}")
        card = await stored_card(session, client_id)
        asked = Asked(await get_questionnaire(session, number), await newest_version(session, number))
        answers, seen = await answers_now(session, client_id, number)
        states = [
            each for each in await sheets_of(session, client_id, all_states=True) if each.questionnaire_id == number
        ]
    context = {
        "client_id": client_id,
        "organisation": card.organisation,
        "questionnaire": asked.questionnaire,
        "sheets": [shown_sheet(words, asked, answers, {})],
        "form": "sheet-form",
        "seen": seen,
        "states": [_state(request, each) for each in states],
        "may_note": visitor(request).role in RULE_ROLES | DESK_ROLES,
    }
    return await office_page(request, "client_sheet.html", context)


def _state(request: web.Request, row: SheetRow) -> dict[str, object]:
    words = words_of(request)
    shown: list[ShownAnswer] = answers_in_words(words, row.questions, row.answers)
    return {
        "when": moment(words, row.written_at, zone_of(request)),
        "author": row.author,
        "version": row.version,
        "complete": row.complete,
        "call": row.attempt_id or "",
        "name": row.name,
        "number": row.questionnaire_id,
        "answers": shown,
    }


async def write(request: web.Request) -> web.StreamResponse:
    """POST /clients/{client_id}/sheets/{questionnaire_id} with the fields of the questions, `version`, the number of
    the state that was shown, and `unfinished`."""
    deps, now, (client_id, number) = request.app[DEPS], request.app[DEPS].clock(), _ids(request)
    fields = {name: str(value) for name, value in (await request.post()).items()}
    if not sent.is_id(fields.get("version", "")):
        raise Trouble.unreadable()
    author_id = visitor(request).user_id
    async with deps.database.transaction() as session:
        client_id = await scope_of(request).standing_client(session, client_id)
        state = await write_sheet(
            session, client_id=client_id, questionnaire_id=number, typed=typed_sheets(fields).get(number, {}), now=now,
            author_id=author_id, seen=int(fields["version"]), must_be_complete=fields.get("unfinished") != "yes",
        )  # fmt: skip
        if state is not None and (await get_questionnaire(session, number)).purpose is Purpose.COMPETITOR:
            client = await get_client(session, client_id)
            version = await newest_version(session, number)
            await feed_competitor(
                session, client=client, questions=version.questions, answers=state.answers, now=now,
                author_id=author_id,
            )  # fmt: skip
    return see_other(f"/clients/{client_id}")


async def read_client_sheets(
    request: web.Request, session: AsyncSession, *, client_id: int, campaign_id: int, groups: Collection[str]
) -> dict[str, object]:
    """For the client's page: the sheets as they are now, and the questionnaires that can be filled in for somebody who
    is or was in these groups."""
    rows = await sheets_of(session, client_id)
    asked = await asked_in(session, campaign_id)
    return {
        "sheet_rows": [_state(request, each) for each in rows],
        "askable": [
            (each.questionnaire.id, each.questionnaire.name)
            for purpose, each in asked.items()
            if purpose not in _ONLY_OF or _ONLY_OF[purpose] in groups
        ],
    }


def _ids(request: web.Request) -> tuple[int, int]:
    return int(request.match_info["client_id"]), int(request.match_info["questionnaire_id"])
