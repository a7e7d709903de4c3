"""The answers that reports use, in typed columns with an index for every two of them.

A questionnaire has a row of columns for each sheet: some for words (choices, yes and no), some for numbers (numbers,
scales, days). A question that is marked "for reports" is given a free one, and what was answered before is filled in;
so nobody has to change the schema, and the answers of all versions stand in one place
([decision 22](docs/decisions/0022-columns-for-reports.md)).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import combinations, product
from typing import Any, Final

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.errors import Refused
from crm.mapping import Base
from crm.questionnaires.questionnaires import get_questionnaire, over_all, versions_of
from crm.questionnaires.questions import Kind, Question, Value
from crm.questionnaires.sheet_rows import Sheet, SheetState

WORDS: Final = ("word_1", "word_2", "word_3", "word_4")
NUMBERS: Final = ("number_1", "number_2", "number_3")
STEPS: Final = ("step_1", "step_2", "step_3")
"""Beside each column of numbers: in which of a few hundred steps, rising with the number, it is."""
LISTS: Final = ("list_1", "list_2", "list_3")
THOUSANDTHS: Final = 1_000
"""A number or a step of a scale is kept in these; a day as the days since 0001-01-01, in whole ones."""
_DAYS_OF_A_STEP: Final = 16
_AT_ONCE: Final = 1_000
_OF_KIND: Final[Mapping[Kind, tuple[str, ...]]] = {
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
    several choices in the list of that name."""

    __tablename__ = "report_questions"
    __table_args__ = (UniqueConstraint("questionnaire_id", "place"),)

    questionnaire_id: Mapped[int] = mapped_column(
        ForeignKey("questionnaires.id"), primary_key=True, autoincrement=False
    )
    key: Mapped[str] = mapped_column(String(24), primary_key=True)
    place: Mapped[str] = mapped_column(String(8))


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
    """By the key of each question that is for reports: where its answers stand."""
    found = select(ReportQuestion.key, ReportQuestion.place).where(ReportQuestion.questionnaire_id == questionnaire_id)
    return dict((await session.execute(found)).all())


async def write_columns(
    session: AsyncSession,
    *,
    sheet: Sheet,
    questions: Mapping[str, Question],
    answers: Mapping[str, Value],
) -> None:
    """What of `answers` is for reports, instead of what stood there. Hold the questionnaire."""
    places = await places_of(session, sheet.questionnaire_id)
    columns, choices = _parted(places, questions, answers)
    if not places:
        return
    await session.merge(SheetColumns(sheet_id=sheet.id, questionnaire_id=sheet.questionnaire_id, **columns))
    await session.execute(delete(SheetChoice).where(SheetChoice.sheet_id == sheet.id))
    session.add_all(
        SheetChoice(questionnaire_id=sheet.questionnaire_id, place=place, code=code, sheet_id=sheet.id)
        for place, code in choices
    )
    await session.flush()


def _parted(
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


async def set_for_reports(
    session: AsyncSession,
    *,
    questionnaire_id: int,
    keys: Collection[str],
    now: datetime,
    author_id: int | None = None,
) -> None:
    """From now on the questions `keys` are for reports, and no others. What was answered before, in whatever version,
    is filled in. Raises `Refused` for a question that there never was, for one that is answered in free words, and
    where there are no columns left."""
    await get_questionnaire(session, questionnaire_id, lock=True)
    questions = over_all(await versions_of(session, questionnaire_id))
    places = await places_of(session, questionnaire_id)
    wanted = set(keys)
    if wanted == places.keys():
        return
    if not wanted <= questions.keys():
        raise Refused("sheet.unknown_question", key=min(wanted - questions.keys())[:40])
    for key in sorted(places.keys() - wanted):
        await _unmark(session, questionnaire_id, key, places.pop(key))
    added = {}
    for key in [each for each in questions if each in wanted and each not in places]:
        added[key] = places[key] = _free_place(questions[key], set(places.values()))
        session.add(ReportQuestion(questionnaire_id=questionnaire_id, key=key, place=places[key]))
    await session.flush()
    if added:
        await _fill(session, questionnaire_id, places, questions)
    audit.note(
        session, at=now, user_id=author_id, action=audit.QUESTIONNAIRE_REPORTS,
        subject=f"questionnaire:{questionnaire_id}", details={"keys": sorted(wanted)},
    )  # fmt: skip
    await session.flush()


def _free_place(question: Question, taken: Collection[str]) -> str:
    places = _OF_KIND[question.kind]
    if not places:
        raise Refused("questionnaire.text_for_reports", key=question.key)
    free = next((each for each in places if each not in taken), None)
    if free is None:
        raise Refused(
            "questionnaire.most_for_reports", key=question.key, words=len(WORDS), numbers=len(NUMBERS), lists=len(LISTS)
        )
    return free


async def _unmark(session: AsyncSession, questionnaire_id: int, key: str, place: str) -> None:
    await session.execute(
        delete(ReportQuestion).where(ReportQuestion.questionnaire_id == questionnaire_id, ReportQuestion.key == key)
    )
    if place in LISTS:
        gone = delete(SheetChoice).where(SheetChoice.questionnaire_id == questionnaire_id, SheetChoice.place == place)
        await session.execute(gone)
    else:
        column = getattr(SheetColumns, place)
        emptied = {place: None} | ({step_beside(place): None} if place in NUMBERS else {})
        await session.execute(
            update(SheetColumns)
            .where(SheetColumns.questionnaire_id == questionnaire_id, column.is_not(None))
            .values(emptied)
        )


async def _fill(
    session: AsyncSession, questionnaire_id: int, places: Mapping[str, str], questions: Mapping[str, Question]
) -> None:
    """Write the columns of all sheets anew, so many at once."""
    last = 0
    while True:
        found = await session.execute(
            select(Sheet.id, SheetState.answers)
            .join(SheetState, (SheetState.sheet_id == Sheet.id) & (SheetState.number == Sheet.newest))
            .where(Sheet.questionnaire_id == questionnaire_id, Sheet.id > last)
            .order_by(Sheet.id)
            .limit(_AT_ONCE)
        )
        rows = list(found)
        if not rows:
            return
        last = rows[-1][0]
        ids = [sheet_id for sheet_id, _ in rows]
        parted = {sheet_id: _parted(places, questions, answers) for sheet_id, answers in rows}
        await session.execute(delete(SheetColumns).where(SheetColumns.sheet_id.in_(ids)))
        await session.execute(delete(SheetChoice).where(SheetChoice.sheet_id.in_(ids)))
        whose = {"questionnaire_id": questionnaire_id}
        await session.execute(
            insert(SheetColumns), [{"sheet_id": each, **whose, **columns} for each, (columns, _) in parted.items()]
        )
        chosen = [
            {"sheet_id": each, **whose, "place": place, "code": code}
            for each, (_, choices) in parted.items()
            for place, code in choices
        ]
        if chosen:
            await session.execute(insert(SheetChoice), chosen)
