"""The form of a questionnaire: a row of fields for each question, and some for new ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crm.questionnaires.questions import Kind, Question
from crm.questionnaires.wording import Draft, Written, parse, settled, when_of
from crm.text_rules import tidy
from dialer.console.web import sent

EMPTY_ROWS: Final = 3
MOST_ROWS: Final = 80


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question in its fields, whose names begin with `name`; `key` is "" in one for a new question."""

    name: str
    place: int
    key: str = ""
    label: str = ""
    kind: str = Kind.TEXT.value
    choices: str = ""
    when: str = ""
    scale: str = ""
    required: bool = False
    for_reports: bool = False


def rows_of(questions: Sequence[Question], for_reports: Collection[str], empty: int = EMPTY_ROWS) -> list[QuestionRow]:
    """Those that there are, and `empty` ones."""
    rows = [
        QuestionRow(
            name=f"q{place}",
            place=place,
            key=each.key,
            label=each.label,
            kind=each.kind.value,
            choices="\n".join(f"{choice.code} = {choice.label}" for choice in each.choices),
            when=when_of(each),
            scale=f"{each.low}-{each.high}" if each.kind is Kind.SCALE else "",
            required=each.required,
            for_reports=each.key in for_reports,
        )
        for place, each in enumerate(questions, start=1)
    ]
    return rows + [QuestionRow(f"q{place}", place) for place in range(len(rows) + 1, len(rows) + 1 + empty)]


def read_questions(fields: Mapping[str, str], before: Sequence[Question]) -> Written:
    """What was typed into the rows, in the order of their numbers, or the `text` of all of them. Raises `Refused`."""
    if "text" in fields:
        return parse(fields["text"], before)
    drafts = [draft for _, draft in sorted(_drafts(fields), key=lambda pair: pair[0])]
    for place, draft in enumerate(drafts, start=1):
        draft.place = place
    return settled(drafts, before)


def _drafts(fields: Mapping[str, str]) -> Iterator[tuple[tuple[int, int], Draft]]:
    for number in range(1, MOST_ROWS + 1):
        row = {name: fields.get(f"q{number}.{name}", "") for name in _NAMES}
        label = tidy(row["label"])
        if not label:
            continue  # a question that is to go, or was never written
        draft = Draft(
            place=number,
            label=label,
            key=tidy(row["key"]),
            kind=row["kind"],
            when=tidy(row["when"]),
            scale=tidy(row["scale"]),
            required=row["required"] == "yes",
            for_reports=row["reports"] == "yes",
            choices=[tidy(line) for line in row["choices"].splitlines() if tidy(line)],
        )
        yield (sent.number(row["place"].strip()) or number, number), draft


_NAMES: Final = ("key", "label", "kind", "choices", "when", "scale", "required", "reports", "place")
