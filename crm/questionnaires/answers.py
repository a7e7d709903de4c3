"""The answers of one sheet: read as a version asks, with its conditions; what of them is still missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from crm.errors import Refused
from crm.questionnaires.questions import Kind, Question, Relation, Value, read, shown

Answers = dict[str, Value]
"""By the question's key. What was not asked, or not answered, is not in it."""


def read_answers(questions: Sequence[Question], typed: Mapping[str, str]) -> Answers:
    """What was typed, by key, as it is kept. An answer to a question that the others leave out is not taken: nobody saw
    it asked. Raises `Refused` for what is no answer, and for a key that the questionnaire has not."""
    unknown = typed.keys() - {each.key for each in questions}
    if unknown:
        raise Refused("sheet.unknown_question", key=min(unknown)[:40])
    answers: Answers = {}
    for question in questions:
        if not is_asked(question, answers):
            continue
        value = read(question, typed.get(question.key, ""))
        if value is not None:
            answers[question.key] = value
    return answers


def is_asked(question: Question, answers: Mapping[str, Value]) -> bool:
    """Whether its condition holds for the answers to the questions before it."""
    condition = question.condition
    if condition is None:
        return True
    value = answers.get(condition.key)
    if value is None:
        return False
    if condition.relation is Relation.HAS:
        return isinstance(value, list) and condition.value in value
    if condition.relation is Relation.IS:
        return value == condition.value
    greater = _ordered(value) > _ordered(condition.value)
    less = _ordered(value) < _ordered(condition.value)
    return greater if condition.relation is Relation.GREATER else less


def _ordered(value: object) -> Decimal:
    text = str(value)
    return Decimal(date.fromisoformat(text).toordinal()) if text.count("-") == 2 else Decimal(text)


def asked(questions: Sequence[Question], answers: Mapping[str, Value]) -> list[Question]:
    """Those that are asked where these are the answers."""
    return [each for each in questions if is_asked(each, answers)]


def missing(questions: Sequence[Question], answers: Mapping[str, Value]) -> Question | None:
    """The first question that needs an answer and has none."""
    return next((each for each in asked(questions, answers) if each.required and each.key not in answers), None)


def assert_complete(questions: Sequence[Question], answers: Mapping[str, Value]) -> None:
    """Raises `Refused` with the first question that needs an answer and has none."""
    lacking = missing(questions, answers)
    if lacking is not None:
        raise Refused("sheet.needs_answer", question=shown(lacking))


def as_typed(value: Value) -> str:
    """An answer as `questions.read` takes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(value) if isinstance(value, list) else str(value)


def texts_in(questions: Sequence[Question], answers: Mapping[str, Value]) -> dict[str, str]:
    """The answers in free words: the only ones that can tell of somebody."""
    free = {each.key for each in questions if each.kind is Kind.TEXT}
    return {key: str(value) for key, value in answers.items() if key in free}
