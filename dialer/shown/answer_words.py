"""Questions and answers of questionnaires in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from babel.dates import format_date
from babel.numbers import format_decimal

from crm.care.personal import ERASED
from crm.questionnaires.answers import is_asked
from crm.questionnaires.questionnaires import Purpose
from crm.questionnaires.questions import Kind, Question, Value, label_in
from dialer.words import Words, mark

KINDS: Final[Mapping[Kind, str]] = {
    Kind.TEXT: mark("in words"),
    Kind.NUMBER: mark("a number"),
    Kind.CHOICE: mark("one choice"),
    Kind.SEVERAL: mark("several choices"),
    Kind.DATE: mark("a day"),
    Kind.YES_NO: mark("yes or no"),
    Kind.SCALE: mark("a scale"),
}
PURPOSES: Final[Mapping[Purpose, str]] = {
    Purpose.CLIENT: mark("every client"),
    Purpose.ABANDONED: mark("clients from “abandoned”"),
    Purpose.COMPETITOR: mark("clients of competitors"),
}


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """A question with its answer in words; `answer` is "" where there is none."""

    question: str
    answer: str


def answer_in_words(words: Words, question: Question, value: Value | None) -> str:
    """ "" for none."""
    if value is None:
        return ""
    if value == ERASED:
        return words.gettext("Erased")
    match question.kind:
        case Kind.YES_NO:
            return words.gettext("yes") if value else words.gettext("no")
        case Kind.NUMBER:
            return format_decimal(Decimal(str(value)), locale=words.locale)
        case Kind.DATE:
            return format_date(date.fromisoformat(str(value)), "d MMM y", locale=words.locale)
        case Kind.CHOICE:
            return label_in(question.label_of(str(value)), words.language)
        case Kind.SEVERAL:
            codes = value if isinstance(value, list) else []
            return ", ".join(label_in(question.label_of(code), words.language) for code in codes)
        case _:
            return str(value)


def answers_in_words(words: Words, questions: Sequence[Question], answers: Mapping[str, Value]) -> list[ShownAnswer]:
    """Every question that was asked, in its order."""
    return [
        ShownAnswer(label_in(each.label, words.language), answer_in_words(words, each, answers.get(each.key)))
        for each in questions
        if is_asked(each, answers)
    ]
