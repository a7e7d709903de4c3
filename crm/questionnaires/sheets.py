"""Sheets: a client's answers to a questionnaire, written down, corrected and read. Each state stays as it was."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.base.joined import of_clients, read_as_one
from crm.clientele.clients import Client, get_client
from crm.errors import Conflict, NotFound, Refused
from crm.office.users import User
from crm.questionnaires.answers import Answers, assert_complete, missing, read_answers
from crm.questionnaires.questionnaires import (
    Purpose,
    Questionnaire,
    QuestionnaireVersion,
    newest_version,
    over_all,
    versions_of,
)
from crm.questionnaires.questions import Question
from crm.questionnaires.report_columns import write_columns
from crm.questionnaires.sheet_rows import Sheet, SheetState


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One state of a sheet to be read, with the questions of the version in which it was written. `author` is a name,
    "" for nobody; `newest` is the number of the sheet's newest state."""

    sheet_id: int
    questionnaire_id: int
    name: str
    purpose: Purpose
    number: int
    newest: int
    version: int
    questions: tuple[Question, ...]
    answers: Answers
    complete: bool
    attempt_id: str | None
    author: str
    written_at: datetime


async def write_sheet(
    session: AsyncSession,
    *,
    client_id: int,
    questionnaire_id: int,
    typed: Mapping[str, str],
    now: datetime,
    author_id: int | None = None,
    attempt_id: str | None = None,
    seen: int | None = None,
    must_be_complete: bool = True,
) -> SheetState | None:
    """Write the answers down, by the key of the question and as `questions.read` takes them, in the version that is
    asked now; `None` where that is what stands there already. `seen`: the number of the state that the author saw, 0
    for none. Raises `Refused` for what is no answer, and where one is missing unless it `must_be_complete` does not
    hold; `Conflict` when somebody has written the sheet since; `NotFound`."""
    client = await get_client(session, client_id, lock=True)
    questionnaire = await _hold(session, client, questionnaire_id)
    version = await newest_version(session, questionnaire.id)
    answers = read_answers(version.questions, typed)
    if must_be_complete:
        assert_complete(version.questions, answers)
    sheet = await sheet_of(session, client_id, questionnaire_id)
    if seen is not None and seen != (sheet.newest if sheet else 0):
        raise Conflict("sheet.changed_meanwhile")
    before = await state_of(session, sheet) if sheet is not None else None
    if before is not None and before.version_id == version.id and before.answers == answers:
        return None
    if before is None and not answers:
        return None
    if sheet is None:
        sheet = Sheet(client_id=client_id, questionnaire_id=questionnaire_id, newest=1)
        session.add(sheet)
        await session.flush()
    state = await _append(session, sheet, version, answers, before, now=now, author_id=author_id, attempt_id=attempt_id)
    questions = over_all(await versions_of(session, questionnaire_id))
    await write_columns(session, sheet=sheet, questions=questions, answers=answers)
    return state


async def _hold(session: AsyncSession, client: Client, questionnaire_id: int) -> Questionnaire:
    """The questionnaire, which nobody changes until this transaction ends."""
    found = await session.scalar(
        select(Questionnaire)
        .where(Questionnaire.id == questionnaire_id)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("questionnaire.unknown")
    if found.campaign_id not in (None, client.campaign_id):
        raise Refused("sheet.other_campaign")
    return found


async def _append(
    session: AsyncSession,
    sheet: Sheet,
    version: QuestionnaireVersion,
    answers: Answers,
    before: SheetState | None,
    *,
    now: datetime,
    author_id: int | None,
    attempt_id: str | None,
) -> SheetState:
    state = SheetState(
        sheet_id=sheet.id,
        number=before.number + 1 if before is not None else 1,
        client_id=sheet.client_id,
        questionnaire_id=sheet.questionnaire_id,
        version_id=version.id,
        attempt_id=attempt_id,
        answers=answers,
        complete=missing(version.questions, answers) is None,
        author_id=author_id,
        written_at=now,
    )
    session.add(state)
    sheet.newest = state.number
    await session.flush()
    # Not the answers: what tells of somebody stands in one place, where it is shown and erased.
    details = {
        "sheet": sheet.id, "questionnaire": sheet.questionnaire_id, "version": version.number, "state": state.number,
    }  # fmt: skip
    audit.note(
        session, at=now, user_id=author_id, action=audit.SHEET_WRITTEN, subject=f"client:{sheet.client_id}",
        details=details,
    )  # fmt: skip
    await session.flush()
    return state


async def sheet_of(session: AsyncSession, client_id: int, questionnaire_id: int) -> Sheet | None:
    """The client's sheet of this questionnaire."""
    return await session.scalar(
        select(Sheet)
        .where(Sheet.client_id == client_id, Sheet.questionnaire_id == questionnaire_id)
        .execution_options(populate_existing=True)
    )


async def state_of(session: AsyncSession, sheet: Sheet) -> SheetState | None:
    """What it says now."""
    return await session.scalar(
        select(SheetState).where(SheetState.sheet_id == sheet.id, SheetState.number == sheet.newest)
    )


async def answers_now(session: AsyncSession, client_id: int, questionnaire_id: int) -> tuple[Answers, int]:
    """What the client has answered, and the number of that state, {} and 0 for nothing. Where the client has no sheet
    of its own, that of one which is read with it: its number is 0, as the next state is the client's first."""
    sheet = await sheet_of(session, client_id, questionnaire_id)
    if sheet is not None:
        state = await state_of(session, sheet)
        return (dict(state.answers), sheet.newest) if state is not None else ({}, 0)
    joined = await read_as_one(session, client_id)
    rows = await session.scalars(
        select(SheetState)
        .join(Sheet, (Sheet.id == SheetState.sheet_id) & (Sheet.newest == SheetState.number))
        .where(of_clients(SheetState.client_id, joined), SheetState.questionnaire_id == questionnaire_id)
        .order_by(SheetState.written_at.desc(), SheetState.id.desc())
        .limit(1)
    )
    state = rows.first()
    return (dict(state.answers) if state is not None else {}), 0


async def sheets_of(session: AsyncSession, client_id: int, *, all_states: bool = False) -> list[SheetRow]:
    """The client's sheets, and those of who is read with it, as they are now, the last written first; with
    `all_states` each as it ever was."""
    clients = await read_as_one(session, client_id)
    asked = _to_read().where(of_clients(SheetState.client_id, clients))
    if not all_states:
        asked = asked.where(SheetState.number == Sheet.newest)
    return [_row(*row) for row in await session.execute(asked)]


async def sheets_of_each(session: AsyncSession, client_ids: Collection[int]) -> dict[int, list[SheetRow]]:
    """By client its own sheets as they are now, the last written first."""
    asked = _to_read().where(SheetState.client_id.in_(client_ids), SheetState.number == Sheet.newest)
    found: dict[int, list[SheetRow]] = {each: [] for each in client_ids}
    for state, newest, questionnaire, version, author in await session.execute(asked):
        found[state.client_id].append(_row(state, newest, questionnaire, version, author))
    return found


def _to_read() -> Select[SheetState, int, Questionnaire, QuestionnaireVersion, str]:
    return (
        select(SheetState, Sheet.newest, Questionnaire, QuestionnaireVersion, User.name)
        .join(Sheet, Sheet.id == SheetState.sheet_id)
        .join(Questionnaire, Questionnaire.id == SheetState.questionnaire_id)
        .join(QuestionnaireVersion, QuestionnaireVersion.id == SheetState.version_id)
        .outerjoin(User, User.id == SheetState.author_id)
        .order_by(SheetState.written_at.desc(), SheetState.id.desc())
    )


def _row(
    state: SheetState, newest: int, questionnaire: Questionnaire, version: QuestionnaireVersion, author: str | None
) -> SheetRow:
    return SheetRow(
        sheet_id=state.sheet_id,
        questionnaire_id=questionnaire.id,
        name=questionnaire.name,
        purpose=questionnaire.purpose,
        number=state.number,
        newest=newest,
        version=version.number,
        questions=version.questions,
        answers=dict(state.answers),
        complete=state.complete,
        attempt_id=state.attempt_id,
        author=author or "",
        written_at=state.written_at,
    )


def answered_of(questions: Sequence[Question], answers: Mapping[str, object]) -> int:
    """How many of these questions have an answer."""
    return sum(each.key in answers for each in questions)
