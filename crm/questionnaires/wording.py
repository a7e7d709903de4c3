"""A questionnaire as the text that people write, so that it is changed without an expert:

    # Чей у вас товар? | Whose product do you use?
    key: whose
    kind: choice
    when: buys = yes
    required: yes
    reports: yes
    - daikin = Daikin
    - other = Другой | Another one

A line with `#` begins a question, one with `-` is a choice; the rest say `name: value`. Whoever leaves `key` or the
codes of choices out has them from the questionnaire before, by their words, or new ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from crm.errors import Finding, Refused
from crm.questionnaires.answers import as_typed
from crm.questionnaires.questions import (
    MOST_CHOICES,
    MOST_QUESTIONS,
    Choice,
    Condition,
    Kind,
    Question,
    Relation,
    Value,
    checked,
    read,
    relations_of,
    shown,
)
from crm.text_rules import NO_WORDS, YES_WORDS, fold, tidy

LONGEST: Final = 60_000
_CODED: Final = re.compile(r"([a-z0-9][a-z0-9_]{0,23})\s*=\s*(.+)")
_CONDITION: Final = re.compile(r"(\S+)\s*(=|>|<|\bhas\b)\s*(.+)")
_SCALE: Final = re.compile(r"(\d{1,3})\s*[-–]\s*(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Written:
    """The questions, and the keys of those that are for reports."""

    questions: tuple[Question, ...]
    for_reports: frozenset[str]


@dataclass(slots=True)
class Draft:
    """A question as it was written. "" in `key` or `kind`, and in the code of a choice, was left out; `place`: the
    number of its line, or of the question in a form, and `lines` those of what stands below it."""

    place: int
    label: str
    key: str = ""
    kind: str = ""
    when: str = ""
    scale: str = ""
    required: bool = False
    for_reports: bool = False
    choices: list[str] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, name: str) -> int:
        """Where `name` was written."""
        return self.lines.get(name, self.place)


def parse(text: str, before: Sequence[Question] = ()) -> Written:
    """The questions of a text. `before`: those of all versions until now, the newest first, whose keys and codes stay.
    Raises `Refused` with the line that cannot be."""
    if len(text) > LONGEST:
        raise Refused("questionnaire.long", most=LONGEST)
    drafts: list[Draft] = []
    for number, raw in enumerate(text.replace("\0", "").splitlines(), start=1):
        line = tidy(raw)
        if line.startswith("#"):
            drafts.append(Draft(number, tidy(line.lstrip("#"))))
        elif line and not drafts:
            raise Refused("questionnaire.before_questions", line=number)
        elif line.startswith("-"):
            drafts[-1].choices.append(tidy(line[1:]))
        elif line:
            _take(drafts[-1], line, number)
    return settled(drafts, before)


def _take(draft: Draft, line: str, number: int) -> None:
    name, colon, value = (part.strip() for part in line.partition(":"))
    match name.casefold():
        case "key" | "kind" | "when" | "scale" if colon and value:
            setattr(draft, name.casefold(), value)
            draft.lines[name.casefold()] = number
        case "required" if colon and fold(value) in YES_WORDS | NO_WORDS:
            draft.required = fold(value) in YES_WORDS
        case "reports" if colon and fold(value) in YES_WORDS | NO_WORDS:
            draft.for_reports = fold(value) in YES_WORDS
        case _:
            raise Refused("questionnaire.line", line=number, text=line[:60])


def settled(drafts: Sequence[Draft], before: Sequence[Question] = ()) -> Written:
    """The questions that were written, with the keys and codes that they have had, or new ones. Raises `Refused`; how
    many there are is looked at first, since each is compared with all."""
    if len(drafts) > MOST_QUESTIONS:
        raise Refused("questionnaire.most_questions", most=MOST_QUESTIONS)
    for number, draft in enumerate(drafts, start=1):
        if len(draft.choices) > MOST_CHOICES:
            raise Refused("questionnaire.choices", number=number, most=MOST_CHOICES)
    known = {fold(each.label): each.key for each in reversed(before)}
    taken = {each.key for each in before} | {draft.key for draft in drafts}
    questions: list[Question] = []
    for draft in drafts:
        draft.key = draft.key or known.pop(fold(draft.label), "") or _next(taken, "q")
        taken.add(draft.key)
        questions.append(_question(draft, questions, [each for each in before if each.key == draft.key]))
    for_reports = frozenset(draft.key for draft in drafts if draft.for_reports)
    return Written(checked(questions), for_reports)


def _next(taken: Iterable[str], letter: str) -> str:
    there = set(taken)
    return next(f"{letter}{number}" for number in range(1, len(there) + 2) if f"{letter}{number}" not in there)


def _question(draft: Draft, earlier: Sequence[Question], before: Sequence[Question]) -> Question:
    kind = draft.kind.casefold() or (Kind.CHOICE if draft.choices else Kind.TEXT)
    if kind not in set(Kind):
        raise Refused("questionnaire.kind", line=draft.line_of("kind"), kind=draft.kind[:40])
    low, high = _scale(draft) if kind == Kind.SCALE else (0, 0)
    condition = _condition(draft, earlier) if draft.when else None
    choices = tuple(_choices(draft, before))
    return Question(draft.key, Kind(kind), tidy(draft.label), choices, draft.required, condition, low, high)


def _scale(draft: Draft) -> tuple[int, int]:
    if not draft.scale:
        return 1, 10
    found = _SCALE.fullmatch(draft.scale)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _choices(draft: Draft, before: Sequence[Question]) -> Iterable[Choice]:
    parted = [_CODED.fullmatch(line) for line in draft.choices]
    old = [choice for question in before for choice in question.choices]
    taken = {choice.code for choice in old} | {found[1] for found in parted if found}
    for line, found in zip(draft.choices, parted, strict=True):
        code, label = (found[1], tidy(found[2])) if found else ("", line)
        if not code:
            code = next((each.code for each in old if fold(each.label) == fold(label)), "") or _next(taken, "c")
        taken.add(code)
        yield Choice(code, label)


def _condition(draft: Draft, earlier: Sequence[Question]) -> Condition:
    """Raises `Refused` with the line, and what is wrong with the condition there."""
    line, found = draft.line_of("when"), _CONDITION.fullmatch(draft.when)
    if found is None:
        raise Refused("questionnaire.when", line=line, text=draft.when[:60])
    key, relation = found[1], Relation(found[2])
    question = next((each for each in earlier if each.key == key), None)
    if question is None:
        raise Refused("questionnaire.when_key", line=line, key=key[:40])
    if relation is Relation.IS and question.kind is Kind.SEVERAL:
        relation = Relation.HAS
    possible = relations_of(question.kind)
    if not possible:
        raise Refused("questionnaire.when_text", line=line, key=key)
    if relation not in possible:
        relations = " ".join(each.value for each in possible)
        raise Refused("questionnaire.when_relation", line=line, key=key, relation=relation.value, relations=relations)
    return Condition(key, relation, _compared(question, found[3], line))


def _compared(question: Question, text: str, line: int) -> Value:
    try:
        value = read(question, text)
    except Refused as refusal:
        reason = Finding(refusal.code, **refusal.params)
        raise Refused("questionnaire.when_value", line=line, reason=reason) from refusal
    if value is None:
        raise Refused("questionnaire.when", line=line, text=text[:60])
    if not isinstance(value, list):
        return value
    if len(value) > 1:
        raise Refused("questionnaire.when_several", line=line, key=question.key)
    return value[0]


def written_out(questions: Sequence[Question], for_reports: Iterable[str]) -> str:
    """The text that `parse` reads back."""
    reported = set(for_reports)
    return "\n\n".join("\n".join(_lines(each, each.key in reported)) for each in questions) + "\n"


def _lines(question: Question, for_reports: bool) -> Iterable[str]:
    yield f"# {shown(question)}"
    yield f"key: {question.key}"
    yield f"kind: {question.kind.value}"
    if question.kind is Kind.SCALE:
        yield f"scale: {question.low}-{question.high}"
    if question.condition is not None:
        yield f"when: {when_of(question)}"
    if question.required:
        yield "required: yes"
    if for_reports:
        yield "reports: yes"
    for each in question.choices:
        yield f"- {each.code} = {each.label}"


def when_of(question: Question) -> str:
    """The condition as it is written; "" for none."""
    condition = question.condition
    if condition is None:
        return ""
    return f"{condition.key} {condition.relation.value} {as_typed(condition.value)}"
