"""Which questions are for reports. What was answered before is filled in some sheets at a time, so that whoever saves a
sheet or calls waits for no more than that; who is interrupted goes on where the last transaction ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ForeignKey, case, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.errors import Refused
from crm.mapping import Base
from crm.questionnaires.questionnaires import get_questionnaire, over_all, versions_of
from crm.questionnaires.questions import Question
from crm.questionnaires.report_columns import (
    LISTS,
    NUMBERS,
    PLACES,
    WORDS,
    ReportQuestion,
    SheetChoice,
    SheetColumns,
    marked,
    parted,
)
from crm.questionnaires.sheet_rows import Sheet, SheetState

if TYPE_CHECKING:
    from crm.database import Database

SHEETS_AT_ONCE: Final = 250


class ReportFilling(Base):
    """The columns of the questionnaire's sheets are being written anew, those up to the sheet `written_to` have been.
    What is saved meanwhile is written with all that is for reports, before its turn or after it."""

    __tablename__ = "report_fillings"

    questionnaire_id: Mapped[int] = mapped_column(
        ForeignKey("questionnaires.id"), primary_key=True, autoincrement=False
    )
    written_to: Mapped[int]


async def set_for_reports(
    session: AsyncSession,
    *,
    questionnaire_id: int,
    keys: Collection[str],
    now: datetime,
    author_id: int | None = None,
    at_once: int = SHEETS_AT_ONCE,
) -> None:
    """From now on the questions `keys` are for reports, and no others. What was answered before, in whatever version,
    is filled in, the first `at_once` sheets now, the others by `fill_some`. Raises `Refused` for a question that there
    never was, for one that is answered in free words, and where there are no columns left."""
    await get_questionnaire(session, questionnaire_id, lock=True)
    questions = over_all(await versions_of(session, questionnaire_id))
    places = {each.key: each.place for each in await marked(session, questionnaire_id)}
    wanted = set(keys)
    if wanted == places.keys():
        return
    if not wanted <= questions.keys():
        raise Refused("sheet.unknown_question", key=min(wanted - questions.keys())[:40])
    for key in sorted(places.keys() - wanted):
        of_key = (ReportQuestion.questionnaire_id == questionnaire_id, ReportQuestion.key == key)
        await session.execute(delete(ReportQuestion).where(*of_key))
        del places[key]
    for key in [each for each in questions if each in wanted and each not in places]:
        places[key] = _free_place(questions[key], set(places.values()))
        session.add(ReportQuestion(questionnaire_id=questionnaire_id, key=key, place=places[key]))
    # A place may have been another question's: every sheet is written anew, from the first one on.
    await session.merge(ReportFilling(questionnaire_id=questionnaire_id, written_to=0))
    await session.flush()
    await fill_some(session, questionnaire_id, limit=at_once)
    audit.note(
        session, at=now, user_id=author_id, action=audit.QUESTIONNAIRE_REPORTS,
        subject=f"questionnaire:{questionnaire_id}", details={"keys": sorted(wanted)},
    )  # fmt: skip
    await session.flush()


def _free_place(question: Question, taken: Collection[str]) -> str:
    places = PLACES[question.kind]
    if not places:
        raise Refused("questionnaire.text_for_reports", key=question.key)
    free = next((each for each in places if each not in taken), None)
    if free is None:
        raise Refused(
            "questionnaire.most_for_reports", key=question.key, words=len(WORDS), numbers=len(NUMBERS), lists=len(LISTS)
        )
    return free


async def fill_some(session: AsyncSession, questionnaire_id: int, *, limit: int = SHEETS_AT_ONCE) -> bool:
    """Write the columns of the next sheets; whether any are left. With the last ones everything is ready."""
    await get_questionnaire(session, questionnaire_id, lock=True)
    filling = await session.get(ReportFilling, questionnaire_id, populate_existing=True)
    if filling is None:
        return False
    found = await session.execute(
        select(Sheet.id, SheetState.answers)
        .join(SheetState, (SheetState.sheet_id == Sheet.id) & (SheetState.number == Sheet.newest))
        .where(Sheet.questionnaire_id == questionnaire_id, Sheet.id > filling.written_to)
        .order_by(Sheet.id)
        .limit(limit)
    )
    rows = list(found)
    if rows:
        await _write(session, questionnaire_id, [tuple(row) for row in rows])
        filling.written_to = rows[-1][0]
    if len(rows) < limit:
        await session.delete(filling)
        this = ReportQuestion.questionnaire_id == questionnaire_id
        await session.execute(update(ReportQuestion).where(this).values(ready=True))
    await session.flush()
    return len(rows) == limit


async def _write(session: AsyncSession, questionnaire_id: int, rows: list[tuple[int, dict[str, Any]]]) -> None:
    """The columns of these sheets anew, by their answers."""
    questions = over_all(await versions_of(session, questionnaire_id))
    places = {each.key: each.place for each in await marked(session, questionnaire_id)}
    ids = [sheet_id for sheet_id, _ in rows]
    by_sheet = {sheet_id: parted(places, questions, answers) for sheet_id, answers in rows}
    await session.execute(delete(SheetColumns).where(SheetColumns.sheet_id.in_(ids)))
    await session.execute(delete(SheetChoice).where(SheetChoice.sheet_id.in_(ids)))
    whose = {"questionnaire_id": questionnaire_id}
    await session.execute(
        insert(SheetColumns), [{"sheet_id": each, **whose, **columns} for each, (columns, _) in by_sheet.items()]
    )
    chosen = [
        {"sheet_id": each, **whose, "place": place, "code": code}
        for each, (_, choices) in by_sheet.items()
        for place, code in choices
    ]
    if chosen:
        await session.execute(insert(SheetChoice), chosen)


async def being_filled(session: AsyncSession) -> list[int]:
    """The questionnaires of which sheets are left."""
    return list(await session.scalars(select(ReportFilling.questionnaire_id).order_by(ReportFilling.questionnaire_id)))


async def fill(
    database: Database,
    questionnaire_id: int,
    *,
    breathe: Callable[[], Awaitable[None]],
    stopped: Callable[[], bool] = lambda: False,
    limit: int = SHEETS_AT_ONCE,
) -> None:
    """Until no sheet is left or when `stopped`, each time in a transaction of its own; several may do it at once."""
    left = True
    while left and not stopped():
        async with database.transaction() as session:
            left = await fill_some(session, questionnaire_id, limit=limit)
        await breathe()


async def filled_percent(session: AsyncSession, questionnaire_id: int) -> int | None:
    """How much of the sheets is written, in whole per cent; `None` where none is left."""
    filling = await session.get(ReportFilling, questionnaire_id)
    if filling is None:
        return None
    counting = select(func.count(), func.sum(case((Sheet.id <= filling.written_to, 1), else_=0)))
    every, done = (await session.execute(counting.where(Sheet.questionnaire_id == questionnaire_id))).one()
    return 100 * int(done or 0) // every if every else 0
