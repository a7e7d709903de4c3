"""The answers that reports use, in typed columns with an index for every two of them.

A questionnaire has a row of columns for each sheet: some for words (choices, yes and no), some for numbers (numbers,
scales, days). A question that is marked "for reports" is given a free one, and what was answered before is filled in;
so nobody has to change the schema, and the answers of all versions stand in one place
([decision 22](docs/decisions/0022-columns-for-reports.md)).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from itertools import combinations, product
from typing import Any, Final

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, delete, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm.mapping import Base
from crm.questionnaires.questions import Kind, Question, Value
from crm.questionnaires.sheet_rows import Sheet

WORDS: Final = ("word_1", "word_2", "word_3", "word_4")
NUMBERS: Final = ("number_1", "number_2", "number_3")
STEPS: Final = ("step_1", "step_2", "step_3")
"""Beside each column of numbers: in which of a few hundred steps, rising with the number, it is."""
LISTS: Final = ("list_1", "list_2", "list_3")
THOUSANDTHS: Final = 1_000
"""A number or a step of a scale is kept in these; a day as the days since 0001-01-01, in whole ones."""
_DAYS_OF_A_STEP: Final = 16
PLACES: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.TEXT: (),
    Kind.CHOICE: WORDS,
    Kind.YES_NO: WORDS,
    Kind.NUMBER: NUMBERS,
    Kind.SCALE: NUMBERS,
    Kind.DATE: NUMBERS,
    Kind.SEVERAL: LISTS,
}


class ReportQuestion(Base):
    """The question `key` is for reports: its answers stand in the column `place` of the questionnaire's sheets, of
    several choices in the list of that name. Not `ready`: what was answered before is still being filled in, and
    nothing is found by it."""

    __tablename__ = "report_questions"
    __table_args__ = (UniqueConstraint("questionnaire_id", "place"),)

    questionnaire_id: Mapped[int] = mapped_column(
        ForeignKey("questionnaires.id"), primary_key=True, autoincrement=False
    )
    key: Mapped[str] = mapped_column(String(24), primary_key=True)
    place: Mapped[str] = mapped_column(String(8))
    ready: Mapped[bool] = mapped_column(default=False, server_default=true())


def _indexes() -> Iterable[Index]:
    """One for each column alone and for every two: a column of words first, as those are compared with one value; of
    two numbers the step of the one, within which the other is in order."""
    wanted: list[tuple[str, ...]] = [(each,) for each in (*WORDS, *NUMBERS)]
    wanted += [*combinations(WORDS, 2), *product(WORDS, NUMBERS)]
    for columns in wanted:
        yield Index(f"ix_sheet_columns_{'_'.join(columns)}", "questionnaire_id", *columns, "sheet_id")
    for (step, stepped), number in product(zip(STEPS, NUMBERS, strict=True), NUMBERS):
        if number != stepped:
            name = f"ix_sheet_columns_{step}_{number}"
            yield Index(name, "questionnaire_id", step, number, "sheet_id", stepped)


class SheetColumns(Base):
    """Of one sheet the answers that are for reports, as they are now; `None` where there is none."""

    __tablename__ = "sheet_columns"
    __table_args__ = (*_indexes(),)

    sheet_id: Mapped[int] = mapped_column(ForeignKey("sheets.id"), primary_key=True, autoincrement=False)
    questionnaire_id: Mapped[int] = mapped_column(ForeignKey("questionnaires.id"))
    word_1: Mapped[str | None] = mapped_column(String(24))
    word_2: Mapped[str | None] = mapped_column(String(24))
    word_3: Mapped[str | None] = mapped_column(String(24))
    word_4: Mapped[str | None] = mapped_column(String(24))
    number_1: Mapped[int | None] = mapped_column(BigInteger)
    number_2: Mapped[int | None] = mapped_column(BigInteger)
    number_3: Mapped[int | None] = mapped_column(BigInteger)
    step_1: Mapped[int | None]
    step_2: Mapped[int | None]
    step_3: Mapped[int | None]


class SheetChoice(Base):
    """Of one sheet a choice of several, for reports."""

    __tablename__ = "sheet_choices"

    questionnaire_id: Mapped[int] = mapped_column(
        ForeignKey("questionnaires.id"), primary_key=True, autoincrement=False
    )
    place: Mapped[str] = mapped_column(String(8), primary_key=True)
    code: Mapped[str] = mapped_column(String(24), primary_key=True)
    sheet_id: Mapped[int] = mapped_column(ForeignKey("sheets.id"), primary_key=True, autoincrement=False, index=True)


def as_column(kind: Kind, value: Value) -> str | int:
    """An answer as its column holds it."""
    match kind:
        case Kind.YES_NO:
            return "yes" if value else "no"
        case Kind.DATE:
            return date.fromisoformat(str(value)).toordinal()
        case Kind.NUMBER | Kind.SCALE:
            return int(Decimal(str(value)) * THOUSANDTHS)
        case _:
            return str(value)


def step_beside(number: str) -> str:
    """The column of the steps of this column of numbers."""
    return STEPS[NUMBERS.index(number)]


def step_of(kind: Kind, value: int) -> int:
    """In which step a number is, as its column holds it: each step of a scale is one, of days sixteen are, and other
    numbers are parted so finely that one is an eighth at most above the other. Never falls while `value` rises."""
    if kind is Kind.SCALE:
        return value // THOUSANDTHS
    if kind is Kind.DATE:
        return value // _DAYS_OF_A_STEP
    shift = max(abs(value).bit_length() - 4, 0)
    step = shift * 8 + (abs(value) >> shift)
    return step if value >= 0 else -step


async def places_of(session: AsyncSession, questionnaire_id: int) -> dict[str, str]:
    """By the key of each question by which sheets can be found: where its answers stand."""
    return {each.key: each.place for each in await marked(session, questionnaire_id) if each.ready}


async def marked(session: AsyncSession, questionnaire_id: int) -> list[ReportQuestion]:
    """The questions that are for reports, those too that are not ready."""
    found = select(ReportQuestion).where(ReportQuestion.questionnaire_id == questionnaire_id)
    return list(await session.scalars(found.execution_options(populate_existing=True)))


async def write_columns(
    session: AsyncSession,
    *,
    sheet: Sheet,
    questions: Mapping[str, Question],
    answers: Mapping[str, Value],
) -> None:
    """What of `answers` is for reports, instead of what stood there. Hold the questionnaire."""
    places = {each.key: each.place for each in await marked(session, sheet.questionnaire_id)}
    columns, choices = parted(places, questions, answers)
    if not places:
        return
    await session.merge(SheetColumns(sheet_id=sheet.id, questionnaire_id=sheet.questionnaire_id, **columns))
    await session.execute(delete(SheetChoice).where(SheetChoice.sheet_id == sheet.id))
    session.add_all(
        SheetChoice(questionnaire_id=sheet.questionnaire_id, place=place, code=code, sheet_id=sheet.id)
        for place, code in choices
    )
    await session.flush()


def parted(
    places: Mapping[str, str], questions: Mapping[str, Question], answers: Mapping[str, Value]
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The columns, every one of them, and the places and codes of several choices."""
    columns: dict[str, Any] = dict.fromkeys((*WORDS, *NUMBERS, *STEPS))
    choices: list[tuple[str, str]] = []
    for key, place in places.items():
        value = answers.get(key)
        if value is None:
            continue
        if isinstance(value, list):
            choices += [(place, code) for code in value]
        else:
            kind = questions[key].kind
            held = columns[place] = as_column(kind, value)
            if isinstance(held, int):
                columns[step_beside(place)] = step_of(kind, held)
    return columns, choices
