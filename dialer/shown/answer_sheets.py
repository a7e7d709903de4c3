"""Answers as tables: the sheets of all versions with a column for each question, and counts of each answer."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import date, tzinfo
from decimal import Decimal
from typing import Final

import xlsxwriter
from babel.dates import format_date
from babel.numbers import format_decimal
from sqlalchemy.ext.asyncio import AsyncSession

from crm.questionnaires.finding import Count, QuestionCount, sheets_found
from crm.questionnaires.questionnaires import over_all, versions_of
from crm.questionnaires.questions import Kind, label_in
from crm.questionnaires.wanted import PlaceInOrder, wanted_of
from dialer.shown.answer_words import answer_in_words
from dialer.shown.formats import moment
from dialer.words import Words

_AT_ONCE: Final = 500
LONGEST_CELL: Final = 32_767
"""Characters that a workbook takes in one."""


async def answer_rows(
    session: AsyncSession, questionnaire_id: int, conditions: Sequence[str], *, words: Words, zone: tzinfo
) -> list[tuple[str, ...]]:
    """A heading, and a row for each sheet for which the conditions hold, as it is now. Questions that are not asked any
    more have their columns too, those that were not asked then an empty cell."""
    gettext = words.gettext
    questions = over_all(await versions_of(session, questionnaire_id))
    labels = (label_in(each.label, words.language) for each in questions.values())
    rows: list[tuple[str, ...]] = [
        (gettext("Client"), gettext("Code"), gettext("Written"), gettext("By"), gettext("Version"), *labels)
    ]
    wanted, after = await wanted_of(session, questionnaire_id, conditions), None
    further: PlaceInOrder | None
    while True:
        found, further = await sheets_found(session, questionnaire_id, wanted, after=after, limit=_AT_ONCE)
        rows += [
            (
                row.organisation, row.code, moment(words, row.written_at, zone), row.author, str(row.version),
                *(answer_in_words(words, questions[key], row.answers.get(key)) for key in questions),
            )
            for row in found
        ]  # fmt: skip
        if further is None:
            return rows
        after = further


def workbook(rows: Iterable[Sequence[str]]) -> bytes:
    """As XLSX, every cell a text: nothing is computed when it is opened."""
    content = io.BytesIO()
    book = xlsxwriter.Workbook(content, {"in_memory": True})
    page, bold = book.add_worksheet(), book.add_format({"bold": True})
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            page.write_string(number, column, cell[:LONGEST_CELL], None if number else bold)
    page.freeze_panes(1, 1)
    book.close()
    return content.getvalue()


def counted_rows(words: Words, counts: Iterable[QuestionCount]) -> list[tuple[str, ...]]:
    """A heading and the counts, each question's name on its first row."""
    gettext = words.gettext
    rows: list[tuple[str, ...]] = [(gettext("Question"), gettext("Answer"), gettext("Sheets"), gettext("Share, %"))]
    for each in counts:
        label = label_in(each.question.label, words.language)
        rows += [(label if not place else "", *cells) for place, cells in enumerate(_cells(words, each))]
    return rows


def _cells(words: Words, counted: QuestionCount) -> list[tuple[str, str, str]]:
    """Answer, sheets, share."""
    if not counted.counts:
        return [*_measures(words, counted), (words.gettext("answered"), str(counted.answered), "")]
    return [
        *(
            (answer_name(words, counted, each), str(each.sheets), share(words, each.sheets, counted.answered))
            for each in counted.counts
        ),
        (words.gettext("answered"), str(counted.answered), ""),
    ]


def answer_name(words: Words, counted: QuestionCount, count: Count) -> str:
    """What is counted, in words."""
    if counted.question.kind is Kind.YES_NO:
        return words.gettext("yes") if count.answer == "yes" else words.gettext("no")
    return label_in(counted.question.label_of(count.answer), words.language)


def share(words: Words, part: int, whole: int) -> str:
    """In per cent, "" of nothing."""
    return format_decimal(Decimal(part) * 100 / whole, "#,##0.0", locale=words.locale) if whole else ""


def _measures(words: Words, counted: QuestionCount) -> list[tuple[str, str, str]]:
    gettext = words.gettext
    named = ((gettext("lowest"), counted.low), (gettext("mean"), counted.mean), (gettext("highest"), counted.high))
    return [(name, _measure(words, value), "") for name, value in named if value is not None]


def _measure(words: Words, value: Decimal | date) -> str:
    if isinstance(value, date):
        return format_date(value, "d MMM y", locale=words.locale)
    return format_decimal(value, locale=words.locale)
