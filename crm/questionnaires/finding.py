"""Sheets found by their answers, whatever version they are in, a page at a time; and how many answered what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from crm.base.organisations import Organisation
from crm.clientele.clients import Client
from crm.office.users import User
from crm.questionnaires.answers import Answers
from crm.questionnaires.questionnaires import QuestionnaireVersion, over_all, versions_of
from crm.questionnaires.questions import Kind, Question
from crm.questionnaires.report_columns import LISTS, THOUSANDTHS, SheetChoice, SheetColumns, places_of
from crm.questionnaires.sheet_rows import Sheet, SheetState
from crm.questionnaires.two_ranges import ids_within, page_within, two_ranges
from crm.questionnaires.wanted import PlaceInOrder, Wanted, column_of, holds

MOST_COUNTED: Final = 10_000


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


def _ordering(wanted: Sequence[Wanted]) -> InstrumentedAttribute[Any] | None:
    """The column whose range is asked for: its index has the sheets in its order, and no other one."""
    ranges = [each for each in wanted if each.is_range]
    return column_of(ranges[0].place) if ranges else None


async def page_of(
    session: AsyncSession, questionnaire_id: int, wanted: Sequence[Wanted], *, after: PlaceInOrder | None, limit: int
) -> list[PlaceInOrder]:
    """So many sheets for which all this holds, each with its place in their order: that of what their index has."""
    ranges = two_ranges(wanted)
    if ranges is not None:
        return await page_within(session, questionnaire_id, wanted, ranges, after=after, limit=limit)
    ordering = _ordering(wanted)
    order = (SheetColumns.sheet_id,) if ordering is None else (ordering, SheetColumns.sheet_id)
    asked = _ids(questionnaire_id, wanted).add_columns(ordering if ordering is not None else func.nullif(1, 1))
    if after is not None and ordering is None:
        asked = asked.where(SheetColumns.sheet_id > after.sheet_id)
    elif after is not None and ordering is not None and after.value is not None:
        asked = asked.where(
            ordering >= after.value, tuple_(ordering, SheetColumns.sheet_id) > tuple_(after.value, after.sheet_id)
        )
    return [PlaceInOrder(*row) for row in await session.execute(asked.order_by(*order).limit(limit))]


def _ids(questionnaire_id: int, wanted: Sequence[Wanted]) -> Select[Any]:
    return select(SheetColumns.sheet_id).where(SheetColumns.questionnaire_id == questionnaire_id, *map(holds, wanted))


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
        places = await page_of(session, questionnaire_id, wanted, after=after, limit=limit + 1)
    else:
        every = select(Sheet.id).where(Sheet.questionnaire_id == questionnaire_id)
        if after is not None:
            every = every.where(Sheet.id > after.sheet_id)
        places = [PlaceInOrder(each) for each in await session.scalars(every.order_by(Sheet.id).limit(limit + 1))]
    further = places[limit - 1] if len(places) > limit else None
    return await _loaded(session, questionnaire_id, [each.sheet_id for each in places[:limit]]), further


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
    ranges = two_ranges(wanted)
    if ranges is not None:
        ids: Select[Any] = ids_within(questionnaire_id, wanted, ranges)
    elif wanted:
        ids = _ids(questionnaire_id, wanted)
    else:
        ids = select(Sheet.id).where(Sheet.questionnaire_id == questionnaire_id)
    some = ids.limit(MOST_COUNTED + 1).subquery()
    return await session.scalar(select(func.count()).select_from(some)) or 0


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
    where = (SheetColumns.questionnaire_id == questionnaire_id, *map(holds, wanted))
    counts = []
    for key, question in over_all(versions).items():
        if key not in places:
            continue
        if question.kind in (Kind.NUMBER, Kind.DATE):
            counts.append(await _measured(session, question, column_of(places[key]), where))
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
        column = column_of(place)
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
