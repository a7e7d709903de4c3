"""Questionnaires for whoever sets campaigns up: which there are, what they ask, and how they asked it before."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from crm.errors import NotFound
from crm.preparation.campaigns import get_campaign, list_campaigns
from crm.questionnaires.answers import as_typed
from crm.questionnaires.marking import filled_percent, set_for_reports
from crm.questionnaires.questionnaires import (
    LONGEST_NAME,
    Purpose,
    add_questionnaire,
    all_questionnaires,
    change_questionnaire,
    get_questionnaire,
    get_version,
    newest_version,
    over_all,
    sheet_counts,
    versions_of,
)
from crm.questionnaires.questions import Kind, Question, label_in
from crm.questionnaires.report_columns import marked
from crm.questionnaires.shipped import SHIPPED, add_shipped
from crm.questionnaires.wording import written_out
from dialer.console.campaigns.questionnaire_form import read_questions, rows_of
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of, zone_of
from dialer.shown.answer_words import KINDS, PURPOSES, answer_in_words
from dialer.shown.formats import moment
from dialer.words import Words

NEW_ROWS = 5


async def questionnaires(request: web.Request) -> web.StreamResponse:
    """GET /questionnaires?campaign="""
    words, chosen = words_of(request), sent.number(request.query.get("campaign", ""))
    async with request.app[DEPS].database.reading() as session:
        campaigns = {each.id: each for each in await list_campaigns(session)}
        if chosen and chosen not in campaigns:
            raise NotFound("campaign.unknown", name="")
        found = await all_questionnaires(session, chosen or None)
        counts = await sheet_counts(session, [each.id for each in found])
    context = {
        "campaign": campaigns.get(chosen),
        "rows": [
            {
                "id": each.id,
                "name": each.name,
                "purpose": words.gettext(PURPOSES[each.purpose]),
                "campaign": campaigns[each.campaign_id].name if each.campaign_id else words.gettext("the whole office"),
                "active": each.active,
                "sheets": counts.get(each.id, 0),
            }
            for each in found
        ],
        "shipped": [
            (purpose.value, label_in(shipped.name, words.language))
            for purpose, shipped in SHIPPED.items()
            if not any(each.purpose is purpose and each.campaign_id is None for each in found)
        ],
        "may_change": visitor(request).role in RULE_ROLES,
    }
    return await office_page(request, "questionnaires.html", context)


async def new(request: web.Request) -> web.StreamResponse:
    """GET /questionnaires/new?campaign="""
    words = words_of(request)
    async with request.app[DEPS].database.reading() as session:
        campaigns = await list_campaigns(session)
    context = {
        "questionnaire": None,
        "rows": rows_of((), (), NEW_ROWS),
        "campaigns": [(each.id, each.name) for each in campaigns],
        "chosen": sent.number(request.query.get("campaign", "")),
        "purposes": [(each.value, words.gettext(PURPOSES[each])) for each in Purpose],
        "may_change": True,
        **_words_of_form(words),
    }
    return await office_page(request, "questionnaire.html", context)


async def add(request: web.Request) -> web.StreamResponse:
    """POST /questionnaires with `name`, `purpose`, `campaign` ("" for the whole office) and the questions."""
    deps, fields = request.app[DEPS], await _fields(request)
    campaign, now, author_id = fields.get("campaign", ""), deps.clock(), visitor(request).user_id
    if fields.get("purpose") not in set(Purpose) or (campaign and not sent.is_id(campaign)):
        raise Trouble.unreadable()
    given = read_questions(fields, ())
    async with deps.database.transaction() as session:
        if campaign:
            await get_campaign(session, int(campaign))
        made = await add_questionnaire(
            session, name=fields.get("name", ""), purpose=Purpose(fields["purpose"]), questions=given.questions,
            campaign_id=int(campaign) if campaign else None, now=now, author_id=author_id,
        )  # fmt: skip
        await set_for_reports(
            session, questionnaire_id=made.questionnaire.id, keys=given.for_reports, now=now, author_id=author_id
        )
    return see_other(f"/questionnaires/{made.questionnaire.id}")


async def take_shipped(request: web.Request) -> web.StreamResponse:
    """POST /questionnaires/shipped with `purpose`: the questionnaire that comes with the program, for the office."""
    deps, fields = request.app[DEPS], await _fields(request)
    if fields.get("purpose") not in set(SHIPPED):
        raise Trouble.unreadable()
    async with deps.database.transaction() as session:
        made = await add_shipped(
            session, purpose=Purpose(fields["purpose"]), language=words_of(request).language, now=deps.clock(),
            author_id=visitor(request).user_id,
        )  # fmt: skip
    return see_other(f"/questionnaires/{made.questionnaire.id}")


async def questionnaire_page(request: web.Request) -> web.StreamResponse:
    """GET /questionnaires/{questionnaire_id}"""
    words, zone = words_of(request), zone_of(request)
    async with request.app[DEPS].database.reading() as session:
        found = await get_questionnaire(session, _id(request))
        campaign = await get_campaign(session, found.campaign_id) if found.campaign_id else None
        versions = await versions_of(session, found.id)
        places = {each.key: each.place for each in await marked(session, found.id)}
        filled = await filled_percent(session, found.id)
        sheets = (await sheet_counts(session, [found.id])).get(found.id, 0)
    newest = versions[0]
    context = {
        "questionnaire": found,
        "campaign": campaign,
        "purpose": words.gettext(PURPOSES[found.purpose]),
        "rows": rows_of(newest.questions, places),
        "text": written_out(newest.questions, places),
        "newest": newest.number,
        "older": [(each.number, moment(words, each.written_at, zone)) for each in versions[1:]],
        "sheets": sheets,
        "filled": filled,
        "asked": _as_asked(words, newest.questions),
        "may_change": visitor(request).role in RULE_ROLES,
        **_words_of_form(words),
    }
    return await office_page(request, "questionnaire.html", context)


def _words_of_form(words: Words) -> dict[str, object]:
    return {
        "kinds": [(kind.value, words.gettext(KINDS[kind])) for kind in Kind],
        "longest_name": LONGEST_NAME,
    }


def _as_asked(words: Words, questions: tuple[Question, ...]) -> list[dict[str, object]]:
    by_key = {each.key: each for each in questions}
    return [
        {
            "label": label_in(each.label, words.language),
            "kind": words.gettext(KINDS[each.kind]),
            "choices": [label_in(choice.label, words.language) for choice in each.choices],
            "required": each.required,
            "when": _when(words, each, by_key),
        }
        for each in questions
    ]


def _when(words: Words, question: Question, by_key: Mapping[str, Question]) -> str:
    """The condition in words, "" for none."""
    condition = question.condition
    if condition is None:
        return ""
    other = by_key[condition.key]
    value = [str(condition.value)] if other.kind is Kind.SEVERAL else condition.value
    said = answer_in_words(words, other, value) or as_typed(condition.value)
    relation = condition.relation.value if condition.relation.value in "<>" else ":"
    return f"{label_in(other.label, words.language)} {relation} {said}".replace(" : ", ": ")


async def change(request: web.Request) -> web.StreamResponse:
    """POST /questionnaires/{questionnaire_id} with the `version` that was shown, and the questions with the `name`; or
    with `active`: "yes" or "no"."""
    deps, fields = request.app[DEPS], await _fields(request)
    if not sent.is_id(fields.get("version", "")):
        raise Trouble.unreadable()
    async with deps.database.transaction() as session:
        if "active" in fields:
            await change_questionnaire(
                session, questionnaire_id=_id(request), active=fields["active"] == "yes", now=deps.clock(),
                version=int(fields["version"]), author_id=visitor(request).user_id,
            )  # fmt: skip
        else:
            await _change_questions(request, session, fields)
    return see_other(f"/questionnaires/{_id(request)}")


async def _change_questions(request: web.Request, session: AsyncSession, fields: Mapping[str, str]) -> None:
    now, author_id = request.app[DEPS].clock(), visitor(request).user_id
    await get_questionnaire(session, _id(request), lock=True)
    given = read_questions(fields, list(over_all(await versions_of(session, _id(request))).values()))
    await change_questionnaire(
        session, questionnaire_id=_id(request), name=fields.get("name"), questions=given.questions, now=now,
        version=int(fields["version"]), author_id=author_id,
    )  # fmt: skip
    await set_for_reports(session, questionnaire_id=_id(request), keys=given.for_reports, now=now, author_id=author_id)


async def version(request: web.Request) -> web.StreamResponse:
    """GET /questionnaires/{questionnaire_id}/versions/{version_id}: as it was asked then."""
    words, number = words_of(request), int(request.match_info["version_id"])
    async with request.app[DEPS].database.reading() as session:
        found = await get_questionnaire(session, _id(request))
        newest = await newest_version(session, found.id)
        shown = await get_version(session, found.id, number)
    context = {
        "questionnaire": found,
        "number": number,
        "newest": newest.number,
        "written": moment(words, shown.written_at, zone_of(request)),
        "asked": _as_asked(words, shown.questions),
    }
    return await office_page(request, "questionnaire_version.html", context)


async def _fields(request: web.Request) -> dict[str, str]:
    return {name: str(value) for name, value in (await request.post()).items()}


def _id(request: web.Request) -> int:
    return int(request.match_info["questionnaire_id"])
