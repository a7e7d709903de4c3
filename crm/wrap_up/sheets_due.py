"""The questionnaires that belong to an outcome: which are asked, which must be whole, and what is written of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls.attempts import Attempt
from crm.clientele.clients import Client
from crm.group import Group
from crm.plan.dispositions import Ask, Disposition
from crm.questionnaires.answers import Answers, assert_complete, read_answers, texts_in
from crm.questionnaires.competitor_sheets import feed_competitor, is_named_with_outcome
from crm.questionnaires.questionnaires import Asked, Purpose, asked_in
from crm.questionnaires.questions import Kind, label_in
from crm.questionnaires.sheets import answers_now, write_sheet
from crm.questionnaires.shipped import WHOSE

Typed = Mapping[int, Mapping[str, str]]
"""By the number of a questionnaire: what was typed, by the key of a question."""


@dataclass(frozen=True, slots=True)
class DueSheet:
    """A questionnaire that this outcome takes along. `typed` is `None` where nothing of it was given: then `answers`
    are those from before. `must_be_complete`: the outcome is refused without the answers that it needs."""

    asked: Asked
    typed: dict[str, str] | None
    answers: Answers
    must_be_complete: bool


async def due_sheets(
    session: AsyncSession,
    *,
    client: Client,
    disposition: Disposition,
    was: Group,
    answered: bool,
    typed: Typed,
    competitor: str,
) -> dict[Purpose, DueSheet]:
    """By purpose. Every client is asked the campaign's questionnaire; one from "abandoned" why it left; one that
    names a competitor, about that: wherever the outcome is written. Nobody is asked who did not answer. Raises
    `Refused` for what is no answer."""
    if not answered:
        return {}
    due: dict[Purpose, DueSheet] = {}
    for purpose, asked in (await asked_in(session, client.campaign_id)).items():
        if not _concerns(purpose, disposition, was):
            continue
        given = typed.get(asked.questionnaire.id)
        questions, answers = asked.questions, Answers()
        known: dict[str, str] | None = None
        if given is not None:
            # Another version may be asked since the page was shown: what it asks no more is let go of.
            known = {each.key: given[each.key] for each in questions if each.key in given}
            if purpose is Purpose.COMPETITOR and competitor and any(map(is_named_with_outcome, questions)):
                known[WHOSE] = known.get(WHOSE, "").strip() or competitor
            answers = read_answers(questions, known)
        else:
            answers, _ = await answers_now(session, client.id, asked.questionnaire.id)
        due[purpose] = DueSheet(asked, known, answers, _must_be_complete(purpose, disposition))
    return due


def _concerns(purpose: Purpose, disposition: Disposition, was: Group) -> bool:
    if purpose is Purpose.ABANDONED:
        return was is Group.ABANDONED
    return purpose is Purpose.CLIENT or Ask.COMPETITOR in disposition.asks


def _must_be_complete(purpose: Purpose, disposition: Disposition) -> bool:
    return purpose is Purpose.ABANDONED or (purpose is Purpose.CLIENT and Ask.QUESTIONNAIRE in disposition.required)


def why_left(due: Mapping[Purpose, DueSheet], language: str) -> str:
    """Why an abandoned client left, in one line: the first choice of the survey and its first free words; "" where it
    was not asked."""
    survey = due.get(Purpose.ABANDONED)
    if survey is None:
        return ""
    questions = survey.asked.questions
    chosen = [
        label_in(each.label_of(str(survey.answers[each.key])), language)
        for each in questions
        if each.kind is Kind.CHOICE and each.key in survey.answers
    ]
    texts = texts_in(questions, survey.answers)
    said = [" ".join(texts[each.key].split()) for each in questions if each.key in texts]
    return ": ".join([*chosen[:1], *said[:1]])[:500]


async def write_due(
    session: AsyncSession,
    due: Mapping[Purpose, DueSheet],
    *,
    attempt: Attempt,
    client: Client,
    author_id: int,
    now: datetime,
) -> None:
    """Write down what was typed. Raises `Refused` for an answer that is missing."""
    for each in due.values():
        if each.must_be_complete:
            assert_complete(each.asked.questions, each.answers)
        if each.typed is not None:
            await write_sheet(
                session, client_id=client.id, questionnaire_id=each.asked.questionnaire.id, typed=each.typed, now=now,
                author_id=author_id, attempt_id=attempt.id, must_be_complete=each.must_be_complete,
            )  # fmt: skip


async def feed_records(
    session: AsyncSession, due: Mapping[Purpose, DueSheet], *, client: Client, author_id: int, now: datetime
) -> None:
    """What the competitor's sheet tells, into the records of competitors, which come last in the order of locks."""
    sheet = due.get(Purpose.COMPETITOR)
    if sheet is not None and sheet.typed is not None:
        await feed_competitor(
            session, client=client, questions=sheet.asked.questions, answers=sheet.answers, now=now,
            author_id=author_id,
        )  # fmt: skip
