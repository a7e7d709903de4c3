"""Questionnaires on the operator's page and on a client's sheet: questions as fields, and what was typed there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from crm.group import Group
from crm.plan.dispositions import Ask
from crm.questionnaires.answers import Answers, as_typed
from crm.questionnaires.competitor_sheets import is_named_with_outcome
from crm.questionnaires.questionnaires import Asked, Purpose, asked_in
from crm.questionnaires.questions import Kind, Question, label_in
from crm.questionnaires.sheets import answers_now
from dialer.console.web import sent
from dialer.words import Words

BEFORE = "sheet"
"""A field is named `sheet.NUMBER.KEY`, with the number of the questionnaire, and of several choices `….CODE`, too."""


@dataclass(frozen=True, slots=True)
class AskedNow:
    """A questionnaire that this client is asked, with the answers that there are."""

    asked: Asked
    answers: Answers


@dataclass(frozen=True, slots=True)
class ShownQuestion:
    """A question as a field. `value` is what stands in it, `chosen` the codes of several choices."""

    name: str
    key: str
    label: str
    kind: str
    options: tuple[tuple[str, str], ...]
    value: str
    chosen: frozenset[str]
    required: bool
    hint: str
    when_key: str
    when_relation: str
    when_value: str


@dataclass(frozen=True, slots=True)
class ShownSheet:
    """A questionnaire as fields; `name` is another one for each version. `only_with`: what the chosen outcome must ask
    for it to be shown, "" if it always is."""

    number: int
    name: str
    title: str
    only_with: str
    questions: tuple[ShownQuestion, ...]


async def asked_now(session: AsyncSession, *, client_id: int, campaign_id: int, group: str) -> tuple[AskedNow, ...]:
    """What the client is asked: one from "abandoned" why it left, too."""
    return tuple(
        [
            AskedNow(asked, (await answers_now(session, client_id, asked.questionnaire.id))[0])
            for purpose, asked in (await asked_in(session, campaign_id)).items()
            if purpose is not Purpose.ABANDONED or group == Group.ABANDONED.value
        ]
    )


def surveys(sheets: Sequence[AskedNow]) -> bool:
    """Whether one of these asks why the client left."""
    return any(each.asked.questionnaire.purpose is Purpose.ABANDONED for each in sheets)


def shown_sheets(words: Words, sheets: Sequence[AskedNow], typed: Mapping[str, str]) -> list[ShownSheet]:
    """With what was typed and is not saved yet, else with the answers that there are."""
    return [shown_sheet(words, each.asked, each.answers, typed, on_desk=True) for each in sheets]


def shown_sheet(
    words: Words, asked: Asked, answers: Answers, typed: Mapping[str, str], *, on_desk: bool = False
) -> ShownSheet:
    """`typed`: the fields of a draft; where it has none of this questionnaire `answers` stand in them."""
    number = asked.questionnaire.id
    begun = any(name.startswith(f"{BEFORE}.{number}.") for name in typed)
    kept = typed_sheets(typed).get(number, {}) if begun else {key: as_typed(each) for key, each in answers.items()}
    questions = asked.questions
    only_with = ""
    if on_desk and asked.questionnaire.purpose is Purpose.COMPETITOR:
        # The outcome asks whose product it is: not twice.
        questions = tuple(each for each in questions if not is_named_with_outcome(each))
        only_with = Ask.COMPETITOR.value
    return ShownSheet(
        number=number,
        name=f"{BEFORE}-{number}-{asked.version.number}",
        title=asked.questionnaire.name,
        only_with=only_with,
        questions=tuple(_shown(words, number, each, kept.get(each.key, "")) for each in questions),
    )


def _shown(words: Words, number: int, question: Question, value: str) -> ShownQuestion:
    condition = question.condition
    return ShownQuestion(
        name=f"{BEFORE}.{number}.{question.key}",
        key=question.key,
        label=label_in(question.label, words.language),
        kind=question.kind.value,
        options=_options(words, question),
        value=value,
        chosen=frozenset(value.split(",")) if question.kind is Kind.SEVERAL else frozenset(),
        required=question.required,
        hint=f"{question.low}–{question.high}" if question.kind is Kind.SCALE else "",
        when_key=condition.key if condition else "",
        when_relation=condition.relation.value if condition else "",
        when_value=as_typed(condition.value) if condition else "",
    )


def _options(words: Words, question: Question) -> tuple[tuple[str, str], ...]:
    if question.kind is Kind.YES_NO:
        return (("yes", words.gettext("yes")), ("no", words.gettext("no")))
    return tuple((each.code, label_in(each.label, words.language)) for each in question.choices)


def typed_sheets(fields: Mapping[str, str]) -> dict[int, dict[str, str]]:
    """By the number of a questionnaire what was typed into its fields, by key; of several choices their codes with
    commas."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for name, text in fields.items():
        before, _, rest = name.partition(".")
        number, _, key = rest.partition(".")
        if before != BEFORE or not sent.is_id(number) or not key:
            continue
        key, dot, code = key.partition(".")
        sheet = found[int(number)]
        sheet[key] = ",".join(each for each in (sheet.get(key, ""), code) if each) if dot else text
    return dict(found)
