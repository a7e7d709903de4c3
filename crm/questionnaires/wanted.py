"""What sheets are looked for by: conditions on the answers that are for reports, and the place in their order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from crm.errors import Refused
from crm.questionnaires.questionnaires import over_all, versions_of
from crm.questionnaires.questions import Kind, Question, Relation, read, relations_of
from crm.questionnaires.report_columns import (
    LISTS,
    NUMBERS,
    THOUSANDTHS,
    SheetChoice,
    SheetColumns,
    as_column,
    places_of,
    step_beside,
    step_of,
)

MOST_CONDITIONS: Final = 4
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

    @property
    def is_range(self) -> bool:
        return self.relation in (Relation.GREATER, Relation.LESS)

    @property
    def step(self) -> int:
        """In a column of numbers that of the value; of a range the nearest in which there may be what is wanted."""
        kind, value = self.question.kind, int(self.value)
        between = {Relation.GREATER: 1, Relation.LESS: -1}.get(self.relation, 0)
        return step_of(kind, value + between * (THOUSANDTHS if kind is Kind.SCALE else 1))


@dataclass(frozen=True, slots=True)
class PlaceInOrder:
    """After which sheet the next page begins; `value`: what it holds in the column that gives the order, if one does;
    `step`: of two ranges the step of the other column, which comes before that."""

    sheet_id: int
    value: int | None = None
    step: int | None = None


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


def column_of(place: str) -> InstrumentedAttribute[Any]:
    """Of words, numbers or steps."""
    column: InstrumentedAttribute[Any] = getattr(SheetColumns, place)
    return column


def holds(wanted: Wanted) -> ColumnElement[bool]:
    """As a condition on `SheetColumns`."""
    if wanted.place in LISTS:
        return exists().where(
            SheetChoice.questionnaire_id == SheetColumns.questionnaire_id,
            SheetChoice.place == wanted.place,
            SheetChoice.code == wanted.value,
            SheetChoice.sheet_id == SheetColumns.sheet_id,
        )
    column = column_of(wanted.place)
    if wanted.relation is Relation.GREATER:
        return column > wanted.value
    if wanted.relation is Relation.LESS:
        return column < wanted.value
    if wanted.place in NUMBERS:
        # Says no more, but finds the index of the step with the other number.
        return and_(column == wanted.value, column_of(step_beside(wanted.place)) == wanted.step)
    return column == wanted.value
