"""Questions: their kinds, their conditions, and how they are kept in the document of a version."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from crm.errors import Refused
from crm.text_rules import NO_WORDS, YES_WORDS, fold, tidy

MOST_QUESTIONS: Final = 60
MOST_CHOICES: Final = 40
LONGEST_LABEL: Final = 300
"""Characters, of a question or of a choice."""
LONGEST_TEXT: Final = 4_000
"""Characters of one answer."""
LARGEST_NUMBER: Final = Decimal(10) ** 12
DECIMALS: Final = 3
HIGHEST_SCALE: Final = 100
_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,23}")
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,23}")

Value = str | int | bool | list[str]
"""An answer as it is kept: a text, a number as its plain decimal, a choice's code, codes of several choices in their
order, a day in ISO 8601, yes or no, a step of a scale."""


class Kind(enum.StrEnum):
    """What answers a question."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    SEVERAL = "several"
    DATE = "date"
    YES_NO = "yes_no"
    SCALE = "scale"


class Relation(enum.StrEnum):
    """How a condition compares an answer."""

    IS = "="
    HAS = "has"
    GREATER = ">"
    LESS = "<"


@dataclass(frozen=True, slots=True)
class Choice:
    """What may be chosen; `label` in Russian and English, parted by " | ", or as it was typed."""

    code: str
    label: str


@dataclass(frozen=True, slots=True)
class Condition:
    """The question is asked only where the answer to an earlier one, `key`, compares so with `value`, which is kept as
    an answer is; of several choices it is one code."""

    key: str
    relation: Relation
    value: Value


@dataclass(frozen=True, slots=True)
class Question:
    """`key` stays the same over the versions of a questionnaire. `low` and `high`: the ends of a scale, 0 otherwise."""

    key: str
    kind: Kind
    label: str
    choices: tuple[Choice, ...] = ()
    required: bool = False
    condition: Condition | None = None
    low: int = 0
    high: int = 0

    def label_of(self, code: str) -> str:
        """The choice's label; its code, where there is none."""
        return next((each.label for each in self.choices if each.code == code), code)


def label_in(label: str, language: str) -> str:
    """Of "на русском | in English" the half that the reader wants."""
    russian, parted, english = label.partition(" | ")
    return english.strip() if parted and language != "ru" and english.strip() else russian.strip()


def stored(questions: Iterable[Question]) -> list[dict[str, Any]]:
    """As a version's document keeps them."""
    return [_stored(each) for each in questions]


def _stored(question: Question) -> dict[str, Any]:
    document: dict[str, Any] = {"key": question.key, "kind": question.kind.value, "label": question.label}
    if question.choices:
        document["choices"] = [{"code": each.code, "label": each.label} for each in question.choices]
    if question.required:
        document["required"] = True
    if question.condition is not None:
        asked = question.condition
        document["condition"] = {"key": asked.key, "relation": asked.relation.value, "value": asked.value}
    if question.kind is Kind.SCALE:
        document |= {"low": question.low, "high": question.high}
    return document


def loaded(document: Sequence[Mapping[str, Any]]) -> tuple[Question, ...]:
    """The questions of a document that `stored` has made. Of one that somebody wrote `written` takes care."""
    return tuple(
        Question(
            key=each["key"],
            kind=Kind(each["kind"]),
            label=each["label"],
            choices=tuple(Choice(choice["code"], choice["label"]) for choice in each.get("choices", ())),
            required=each.get("required", False),
            condition=_condition(each.get("condition")),
            low=each.get("low", 0),
            high=each.get("high", 0),
        )
        for each in document
    )


def _condition(document: Mapping[str, Any] | None) -> Condition | None:
    if document is None:
        return None
    return Condition(document["key"], Relation(document["relation"]), document["value"])


def written(document: object) -> tuple[Question, ...]:
    """The questions of a document that came in from outside. Raises `Refused` for what is no such document, and as
    `checked`."""
    if not isinstance(document, list):
        raise Refused("questionnaire.unreadable")
    try:
        return checked(loaded(document))
    except (AttributeError, InvalidOperation, KeyError, TypeError, ValueError) as error:
        raise Refused("questionnaire.unreadable") from error


def checked(questions: Sequence[Question]) -> tuple[Question, ...]:
    """The questions, if they can be asked. Raises `Refused` with the number of the one that cannot."""
    if not questions:
        raise Refused("questionnaire.no_questions")
    if len(questions) > MOST_QUESTIONS:
        raise Refused("questionnaire.most_questions", most=MOST_QUESTIONS)
    before: dict[str, Question] = {}
    for number, question in enumerate(questions, start=1):
        _assert_whole(question, number)
        if question.key in before:
            raise Refused("questionnaire.key_twice", number=number, key=question.key)
        if question.condition is not None:
            _assert_possible(question.condition, before, number)
        before[question.key] = question
    return tuple(questions)


def _assert_whole(question: Question, number: int) -> None:
    labels = [question.label, *(each.label for each in question.choices)]
    codes = [each.code for each in question.choices]
    if not _KEY.fullmatch(question.key):
        raise Refused("questionnaire.key", number=number, key=question.key[:40])
    if not all(tidy(each) == each and each for each in labels):
        raise Refused("questionnaire.label", number=number)
    if max(map(len, labels)) > LONGEST_LABEL:
        raise Refused("questionnaire.label_long", number=number, most=LONGEST_LABEL)
    of_choices = question.kind in (Kind.CHOICE, Kind.SEVERAL)
    if of_choices != bool(codes) or len(codes) > MOST_CHOICES or (of_choices and len(codes) < 2):
        raise Refused("questionnaire.choices", number=number, most=MOST_CHOICES)
    if len(set(codes)) != len(codes) or not all(map(_CODE.fullmatch, codes)):
        raise Refused("questionnaire.codes", number=number)
    low, high = question.low, question.high
    if question.kind is Kind.SCALE and not 0 <= low < high <= HIGHEST_SCALE:
        raise Refused("questionnaire.scale", number=number, most=HIGHEST_SCALE)


_RELATIONS: Final[Mapping[Kind, frozenset[Relation]]] = {
    Kind.TEXT: frozenset(),
    Kind.NUMBER: frozenset({Relation.IS, Relation.GREATER, Relation.LESS}),
    Kind.CHOICE: frozenset({Relation.IS}),
    Kind.SEVERAL: frozenset({Relation.HAS}),
    Kind.DATE: frozenset({Relation.IS, Relation.GREATER, Relation.LESS}),
    Kind.YES_NO: frozenset({Relation.IS}),
    Kind.SCALE: frozenset({Relation.IS, Relation.GREATER, Relation.LESS}),
}


def relations_of(kind: Kind) -> tuple[Relation, ...]:
    """How answers of this kind can be compared."""
    return tuple(each for each in Relation if each in _RELATIONS[kind])


def _assert_possible(condition: Condition, before: Mapping[str, Question], number: int) -> None:
    question = before.get(condition.key)
    if question is None:
        raise Refused("questionnaire.condition_key", number=number, key=condition.key[:40])
    if condition.relation not in _RELATIONS[question.kind] or not compared_with(question, condition.value):
        raise Refused("questionnaire.condition", number=number)


def compared_with(question: Question, value: object) -> bool:
    """Whether `value` is one that answers to the question can be compared with, as it is kept."""
    if question.kind is Kind.SEVERAL:
        return value in [each.code for each in question.choices]
    try:
        return is_kept(question, value) and value != ""
    except (InvalidOperation, ValueError):
        return False


def is_kept(question: Question, value: object) -> bool:
    """Whether `value` is an answer to the question, in the form in which it is kept."""
    match question.kind:
        case Kind.YES_NO:
            return isinstance(value, bool)
        case Kind.SCALE:
            return isinstance(value, int) and not isinstance(value, bool) and question.low <= value <= question.high
        case Kind.SEVERAL:
            codes = [each.code for each in question.choices]
            return isinstance(value, list) and bool(value) and value == [each for each in codes if each in value]
        case Kind.CHOICE:
            return value in [each.code for each in question.choices]
        case Kind.NUMBER:
            return isinstance(value, str) and value == plain(Decimal(value))
        case Kind.DATE:
            return isinstance(value, str) and value == date.fromisoformat(value).isoformat()
        case Kind.TEXT:
            return isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT and "\0" not in value


def plain(number: Decimal) -> str:
    """A number without an exponent and without noughts that say nothing: "12.5". Raises `ValueError` for one that is
    too large or has too many decimals."""
    if not number.is_finite() or abs(number) >= LARGEST_NUMBER or number != round(number, DECIMALS):
        raise ValueError("no number that can be kept")
    text = f"{number.normalize():f}"
    return "0" if text in ("0", "-0") else text


_NO_ANSWER: Final[Mapping[Kind, str]] = {
    Kind.TEXT: "sheet.text_long",
    Kind.NUMBER: "sheet.no_number",
    Kind.CHOICE: "sheet.no_choice",
    Kind.SEVERAL: "sheet.no_several",
    Kind.DATE: "sheet.no_date",
    Kind.YES_NO: "sheet.no_yes_no",
    Kind.SCALE: "sheet.no_scale",
}


def read(question: Question, typed: str) -> Value | None:
    """What was typed, as it is kept; `None` for nothing. Codes of several choices are parted by commas. Raises
    `Refused` with the question for what is no answer to it."""
    text = typed.replace("\0", "").strip()
    if not text:
        return None
    value = _read(question, text) if len(text) <= LONGEST_TEXT else None
    if value is None:
        raise Refused(
            _NO_ANSWER[question.kind], question=shown(question), typed=text[:40], most=LONGEST_TEXT, low=question.low,
            high=question.high,
        )  # fmt: skip
    return value


class Label(str):
    """A label in a sentence, which is told in one language."""

    __slots__ = ()


def shown(question: Question) -> Label:
    """The question as an error names it."""
    return Label(question.label)


def _read(question: Question, text: str) -> Value | None:
    match question.kind:
        case Kind.TEXT:
            return text
        case Kind.NUMBER:
            return _number(text)
        case Kind.DATE:
            return _day(text)
        case Kind.YES_NO:
            said = fold(text)
            return True if said in YES_WORDS else False if said in NO_WORDS else None
        case Kind.SCALE:
            step = int(text) if text.isascii() and text.isdecimal() and len(text) <= 3 else -1
            return step if question.low <= step <= question.high else None
        case Kind.CHOICE:
            return _code(question, text)
        case Kind.SEVERAL:
            codes = [_code(question, each.strip()) for each in text.split(",") if each.strip()]
            chosen = [each.code for each in question.choices if each.code in codes]
            return None if None in codes or not chosen else chosen


def _number(text: str) -> str | None:
    try:
        return plain(Decimal("".join(text.split()).replace(",", ".")))
    except (InvalidOperation, ValueError):
        return None


def _day(text: str) -> str | None:
    """2026-12-31 or 31.12.2026."""
    day, dot, rest = text.partition(".")
    month, _, year = rest.partition(".")
    try:
        return date.fromisoformat(f"{year}-{month:0>2}-{day:0>2}" if dot else text).isoformat()
    except ValueError:
        return None


def _code(question: Question, text: str) -> str | None:
    """By the code, or by the label in either language."""
    for each in question.choices:
        names = {each.label, *each.label.split(" | ")}
        if text == each.code or fold(text) in map(fold, names):
            return each.code
    return None
