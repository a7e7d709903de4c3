"""What was answered to a questionnaire: sheets found by their answers, how often each was given, and all of it as a
file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiMapping

from crm.csv_sheets import csv_bytes
from crm.questionnaires.finding import MOST_COUNTED, QuestionCount, count_found, counts_of, sheets_found
from crm.questionnaires.marking import filled_percent
from crm.questionnaires.questionnaires import get_questionnaire, over_all, versions_of
from crm.questionnaires.questions import Kind, Question, label_in, relations_of
from crm.questionnaires.report_columns import places_of
from crm.questionnaires.wanted import MOST_CONDITIONS, PlaceInOrder, wanted_of
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page
from dialer.console.web.uploads import attachment
from dialer.console.web.visitors import words_of, zone_of
from dialer.shown.answer_sheets import answer_name, answer_rows, counted_rows, share, workbook
from dialer.shown.answer_words import answers_in_words
from dialer.shown.formats import moment
from dialer.words import Words

PAGE_ROWS: Final = 50
SHOWN_CONDITIONS: Final = 2


async def answers(request: web.Request) -> web.StreamResponse:
    """GET /questionnaires/{questionnaire_id}/answers?key1=&is1=&value1=&…&value=&step=&id="""
    words, zone, conditions = words_of(request), zone_of(request), _conditions(request.query)
    async with request.app[DEPS].database.reading() as session:
        found = await get_questionnaire(session, _id(request))
        places = await places_of(session, found.id)
        questions = {key: each for key, each in over_all(await versions_of(session, found.id)).items() if key in places}
        wanted = await wanted_of(session, found.id, conditions)
        rows, further = await sheets_found(session, found.id, wanted, after=_after(request.query), limit=PAGE_ROWS)
        filled = await filled_percent(session, found.id)
        count = await count_found(session, found.id, wanted)
        counts = await counts_of(session, found.id, wanted)
    kept = {name: value for name, value in request.query.items() if name not in ("id", "value", "step")}
    context = {
        "questionnaire": found,
        "rows": [
            {
                "client": row.client_id,
                "name": row.organisation,
                "when": moment(words, row.written_at, zone),
                "author": row.author,
                "version": row.version,
                "complete": row.complete,
                "answers": [each for each in answers_in_words(words, row.questions, row.answers) if each.answer],
            }
            for row in rows
        ],
        "count": f"{MOST_COUNTED}+" if count > MOST_COUNTED else str(count),
        "counts": [_count(words, each) for each in counts],
        "questions": [_choice(words, each) for each in questions.values()],
        "filters": [_filter(request.query, place) for place in range(1, SHOWN_CONDITIONS + 1)],
        "filtered": bool(conditions),
        "filled": filled,
        "further": _further(request, kept, further),
        "first": _after(request.query) is None,
        "query": urlencode(kept),
    }
    return await office_page(request, "answers.html", context)


def _count(words: Words, counted: QuestionCount) -> dict[str, object]:
    """A question with its answers, each with its share, for bars; of numbers and days the measures."""
    _heading, *rows = counted_rows(words, [counted])
    bars = [
        (answer_name(words, counted, each), each.sheets, share(words, each.sheets, counted.answered),
         round(100 * each.sheets / counted.answered) if counted.answered else 0)
        for each in counted.counts
    ]  # fmt: skip
    return {
        "label": label_in(counted.question.label, words.language),
        "answered": counted.answered,
        "bars": bars,
        "measures": [] if bars else [(cells[1], cells[2]) for cells in rows[:-1]],
    }


def _choice(words: Words, question: Question) -> dict[str, object]:
    answers = [(each.code, label_in(each.label, words.language)) for each in question.choices]
    if question.kind is Kind.YES_NO:
        answers = [("yes", words.gettext("yes")), ("no", words.gettext("no"))]
    return {
        "key": question.key,
        "label": label_in(question.label, words.language),
        "answers": answers,
        "relations": [each.value for each in relations_of(question.kind)],
    }


def _filter(query: Mapping[str, str], place: int) -> dict[str, str]:
    return {
        "key": query.get(f"key{place}", ""),
        "relation": query.get(f"is{place}", "="),
        "value": query.get(f"value{place}", ""),
        "place": str(place),
    }


def _conditions(query: MultiMapping[str]) -> list[str]:
    filters = [_filter(query, place) for place in range(1, MOST_CONDITIONS + 1)]
    return [f"{each['key']} {each['relation']} {each['value']}" for each in filters if each["key"] and each["value"]]


def _after(query: Mapping[str, str]) -> PlaceInOrder | None:
    number = query.get("id", "")
    if not sent.is_id(number):
        return None
    return PlaceInOrder(int(number), _whole(query.get("value", "")), _whole(query.get("step", "")))


def _whole(text: str) -> int | None:
    return int(text) if text.removeprefix("-").isdecimal() and text.isascii() and len(text) < 18 else None


def _further(request: web.Request, kept: Mapping[str, str], further: PlaceInOrder | None) -> str:
    if further is None:
        return ""
    place = {"id": further.sheet_id, "value": further.value, "step": further.step}
    shown = {name: str(value) for name, value in place.items() if value is not None}
    return f"{request.path}?{urlencode({**kept, **shown})}"


async def as_csv(request: web.Request) -> web.StreamResponse:
    """GET /questionnaires/{questionnaire_id}/answers.csv, with what …/answers takes."""
    name, rows = await _rows(request)
    return attachment(await asyncio.to_thread(csv_bytes, rows), f"{name}.csv")


async def as_workbook(request: web.Request) -> web.StreamResponse:
    """GET /questionnaires/{questionnaire_id}/answers.xlsx, with what …/answers takes."""
    name, rows = await _rows(request)
    return attachment(await asyncio.to_thread(workbook, rows), f"{name}.xlsx")


async def _rows(request: web.Request) -> tuple[str, list[tuple[str, ...]]]:
    async with request.app[DEPS].database.reading() as session:
        found = await get_questionnaire(session, _id(request))
        rows = await answer_rows(
            session, found.id, _conditions(request.query), words=words_of(request), zone=zone_of(request)
        )
    return found.name.replace("/", " "), rows


def _id(request: web.Request) -> int:
    return int(request.match_info["questionnaire_id"])
