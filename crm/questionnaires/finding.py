"""Sheets found by their answers, whatever version they are in, a page at a time; and how many answered what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, exists, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from crm.base.organisations import Organisation
from crm.clientele.clients import Client
from crm.errors import Refused
from crm.office.users import User
from crm.questionnaires.answers import Answers
from crm.questionnaires.questionnaires import QuestionnaireVersion, over_all, versions_of
from crm.questionnaires.questions import Kind, Question, Relation, read, relations_of
from crm.questionnaires.report_columns import LISTS, THOUSANDTHS, SheetChoice, SheetColumns, as_column, places_of
from crm.questionnaires.sheet_rows import Sheet, SheetState

MOST_CONDITIONS: Final = 4
MOST_COUNTED: Final = 10_000
_WRITTEN: Final = re.compile(r"\s*(\S+?)\s*(=|>|<|\bhas\b)\s*(.+)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an answer must be: as it was asked for (`text`), and where that stands. `place` is a column, or the list of
    a question with several choices, `value` what the column holds."""

    text: str
    question: Question
    place: str
    relation: Relation
    value: str | int


@dataclass(frozen=True, slots=True)
class PlaceInOrder:
    """After which sheet the next page begins; `value`: what it holds in the column that gives the order, if one
    does."""

    sheet_id: int
    value: int | None = None


@dataclass(frozen=True, slots=True)
class SheetFound:
    """A sheet as it is now. `questions` are those of its version."""

    sheet_id: int
    client_id: int
    organisation: str
    code: str
    version: int
    questions: tuple[Question, ...]
    answers: Answers
    complete: bool
    author: str
    written_at: datetime


async def wanted_of(session: AsyncSession, questionnaire_id: int, texts: Sequence[str]) -> list[Wanted]:
    """Conditions as people write them: "q1 = yes", "q2 > 10", "q3 has c1". Raises `Refused` for what is none, or about
    a question that is not for reports."""
    texts = [each.strip() for each in texts if each.strip()]
    if len(texts) > MOST_CONDITIONS:
        raise Refused("sheet.most_conditions", most=MOST_CONDITIONS)
    places = await places_of(session, questionnaire_id)
    questions = over_all(await versions_of(session, questionnaire_id))
    return [_wanted(each, places, questions) for each in texts]


def _wanted(text: str, places: dict[str, str], questions: dict[str, Question]) -> Wanted:
    found = _WRITTEN.fullmatch(text)
    if found is None or found[1] not in places:
        raise Refused("sheet.cannot_filter", text=text[:80])
    question, relation = questions[found[1]], Relation(found[2])
    if question.kind is Kind.SEVERAL:
        relation = Relation.HAS
    value = read(question, found[3])
    if relation not in relations_of(question.kind) or value is None:
        raise Refused("sheet.cannot_filter", text=text[:80])
    one = value[0] if isinstance(value, list) else value
    return Wanted(text, question, places[question.key], relation, as_column(question.kind, one))


def _column(place: str) -> InstrumentedAttribute[Any]:
    column: InstrumentedAttribute[Any] = getattr(SheetColumns, place)
    return column


def _holds(wanted: Wanted) -> ColumnElement[bool]:
    if wanted.place in LISTS:
        return exists().where(
            SheetChoice.questionnaire_id == SheetColumns.questionnaire_id,
            SheetChoice.place == wanted.place,
            SheetChoice.code == wanted.value,
            SheetChoice.sheet_id == SheetColumns.sheet_id,
        )
    column = _column(wanted.place)
    if wanted.relation is Relation.GREATER:
        return column > wanted.value
    return column < wanted.value if wanted.relation is Relation.LESS else column == wanted.value


def _ordering(wanted: Sequence[Wanted]) -> InstrumentedAttribute[Any] | None:
    """The column whose range is asked for: its index has the sheets in its order, and no other one."""
    ranges = [each for each in wanted if each.relation in (Relation.GREATER, Relation.LESS)]
    return _column(ranges[0].place) if ranges else None


def page_of_ids(
    questionnaire_id: int, wanted: Sequence[Wanted], *, after: PlaceInOrder | None, limit: int
) -> Select[Any]:
    """The ids of sheets for which all this holds, each with what gives the order, or NULL."""
    ordering = _ordering(wanted)
    order = (SheetColumns.sheet_id,) if ordering is None else (ordering, SheetColumns.sheet_id)
    asked = select(SheetColumns.sheet_id, ordering if ordering is not None else func.nullif(1, 1))
    asked = asked.where(SheetColumns.questionnaire_id == questionnaire_id, *map(_holds, wanted))
    if after is not None and ordering is None:
        asked = asked.where(SheetColumns.sheet_id > after.sheet_id)
    elif after is not None and ordering is not None and after.value is not None:
        asked = asked.where(
            ordering >= after.value, tuple_(ordering, SheetColumns.sheet_id) > tuple_(after.value, after.sheet_id)
        )
    return asked.order_by(*order).limit(limit)


async def sheets_found(
    session: AsyncSession,
    questionnaire_id: int,
    wanted: Sequence[Wanted],
    *,
    after: PlaceInOrder | None = None,
    limit: int,
) -> tuple[list[SheetFound], PlaceInOrder | None]:
    """So many sheets for which all this holds, and where the next page begins, `None` after the last one. Without
    conditions all sheets, those without a question for reports too."""
    if wanted:
        rows = list(await session.execute(page_of_ids(questionnaire_id, wanted, after=after, limit=limit + 1)))
    else:
        every = select(Sheet.id, func.nullif(1, 1)).where(Sheet.questionnaire_id == questionnaire_id)
        if after is not None:
            every = every.where(Sheet.id > after.sheet_id)
        rows = list(await session.execute(every.order_by(Sheet.id).limit(limit + 1)))
    further = PlaceInOrder(*rows[limit - 1]) if len(rows) > limit else None
    return await _loaded(session, questionnaire_id, [row[0] for row in rows[:limit]]), further


async def _loaded(session: AsyncSession, questionnaire_id: int, ids: Sequence[int]) -> list[SheetFound]:
    versions = {each.id: each for each in await versions_of(session, questionnaire_id)}
    questions = {each.id: each.questions for each in versions.values()}
    found = await session.execute(
        select(SheetState, Client.code, Organisation.name, User.name)
        .join(Sheet, (Sheet.id == SheetState.sheet_id) & (Sheet.newest == SheetState.number))
        .join(Client, Client.id == SheetState.client_id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .outerjoin(User, User.id == SheetState.author_id)
        .where(SheetState.sheet_id.in_(ids))
    )
    rows = {
        state.sheet_id: SheetFound(
            sheet_id=state.sheet_id,
            client_id=state.client_id,
            organisation=name,
            code=code,
            version=versions[state.version_id].number,
            questions=questions[state.version_id],
            answers=dict(state.answers),
            complete=state.complete,
            author=author or "",
            written_at=state.written_at,
        )
        for state, code, name, author in found
    }
    return [rows[each] for each in ids]


async def count_found(session: AsyncSession, questionnaire_id: int, wanted: Sequence[Wanted]) -> int:
    """How many there are, counted up to `MOST_COUNTED` + 1."""
    if wanted:
        ids: Select[Any] = page_of_ids(questionnaire_id, wanted, after=None, limit=MOST_COUNTED + 1)
    else:
        ids = select(Sheet.id).where(Sheet.questionnaire_id == questionnaire_id).limit(MOST_COUNTED + 1)
    return await session.scalar(select(func.count()).select_from(ids.subquery())) or 0


@dataclass(frozen=True, slots=True)
class Count:
    """So many sheets have this answer: a choice's code, "yes" or "no", a step of a scale."""

    answer: str
    sheets: int


@dataclass(frozen=True, slots=True)
class QuestionCount:
    """What was answered to a question, over all versions. `counts` of what can be counted, in the order of the
    choices; of numbers and days `low`, `mean` and `high` instead, of days without a mean."""

    question: Question
    answered: int
    counts: tuple[Count, ...] = ()
    low: Decimal | date | None = None
    mean: Decimal | None = None
    high: Decimal | date | None = None


async def counts_of(session: AsyncSession, questionnaire_id: int, wanted: Sequence[Wanted]) -> list[QuestionCount]:
    """What was answered to each question that is for reports, by the sheets for which `wanted` holds."""
    versions: list[QuestionnaireVersion] = await versions_of(session, questionnaire_id)
    places = await places_of(session, questionnaire_id)
    where = (SheetColumns.questionnaire_id == questionnaire_id, *map(_holds, wanted))
    counts = []
    for key, question in over_all(versions).items():
        if key not in places:
            continue
        if question.kind in (Kind.NUMBER, Kind.DATE):
            counts.append(await _measured(session, question, _column(places[key]), where))
        else:
            counts.append(await _counted(session, question, places[key], where))
    return counts


async def _counted(
    session: AsyncSession, question: Question, place: str, where: tuple[ColumnElement[bool], ...]
) -> QuestionCount:
    if place in LISTS:
        of_place = (SheetChoice.place == place, SheetChoice.questionnaire_id == SheetColumns.questionnaire_id)
        joined = select(SheetChoice.code, func.count()).join(
            SheetColumns, SheetColumns.sheet_id == SheetChoice.sheet_id
        )
        found = await session.execute(joined.where(*of_place, *where).group_by(SheetChoice.code))
        several = select(func.count(SheetChoice.sheet_id.distinct()))
        several = several.join(SheetColumns, SheetColumns.sheet_id == SheetChoice.sheet_id).where(*of_place, *where)
        answered = await session.scalar(several) or 0
    else:
        column = _column(place)
        asked = select(column, func.count()).where(*where, column.is_not(None)).group_by(column)
        found = await session.execute(asked)
        answered = 0
    by_answer = {_as_answer(question, value): count for value, count in found}
    order = [each.code for each in question.choices] or ["yes", "no"]
    if question.kind is Kind.SCALE:
        order = [str(step) for step in range(question.low, question.high + 1)]
    counts = tuple(Count(answer, by_answer.get(answer, 0)) for answer in order)
    return QuestionCount(question, answered or sum(each.sheets for each in counts), counts)


def _as_answer(question: Question, value: str | int) -> str:
    return str(int(value) // THOUSANDTHS) if question.kind is Kind.SCALE else str(value)


async def _measured(
    session: AsyncSession,
    question: Question,
    column: InstrumentedAttribute[Any],
    where: tuple[ColumnElement[bool], ...],
) -> QuestionCount:
    asked = select(func.count(column), func.min(column), func.sum(column), func.max(column)).where(*where)
    answered, low, total, high = (await session.execute(asked)).one()
    if not answered:
        return QuestionCount(question, 0)
    if question.kind is Kind.DATE:
        return QuestionCount(question, answered, low=date.fromordinal(low), high=date.fromordinal(high))
    scaled = Decimal(THOUSANDTHS)
    mean = (Decimal(int(total)) / answered / scaled).quantize(Decimal("0.01"))
    return QuestionCount(question, answered, low=low / scaled, mean=mean, high=high / scaled)
