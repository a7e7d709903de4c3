"""Forms of records: how their fields are read and shown, and what somebody else has changed meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

from crm.errors import CrmError
from crm.time_zones import typed_time
from dialer.console.web import sent
from dialer.crm_words import explain
from dialer.words import Words

LONGEST_NUMBER: Final = 6


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a record in its form. `kind`: text, lines, time, date, number, tick, choice among `choices` (value
    and label), or groups (keys of some of `choices`, with commas); `may_be_empty`: then `None`."""

    column: str
    label: str
    kind: str = "text"
    may_be_empty: bool = False
    hint: str = ""
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """A field with what stands in it. `stored`: what it is meanwhile, where somebody else has changed it."""

    field: Field
    value: str
    stored: str = ""


class Unreadable(Exception):
    """What was typed into `field` is no value of its kind."""

    def __init__(self, field: Field, typed: str) -> None:
        super().__init__(field.column)
        self.field = field
        self.typed = typed


def read(fields: Sequence[Field], typed: Mapping[str, str]) -> dict[str, object]:
    """The columns with the values that were typed; a tick that was not sent is off. Raises `Unreadable`."""
    return {field.column: _value(field, typed.get(field.column, "").strip()) for field in fields}


def _value(field: Field, text: str) -> object:
    if not text and field.may_be_empty:
        return None
    match field.kind:
        case "tick":
            return text == "yes"
        case "time":
            try:
                return typed_time(text)
            except ValueError:
                raise Unreadable(field, text) from None
        case "date":
            try:
                return date.fromisoformat(text)
            except ValueError:
                raise Unreadable(field, text) from None
        case "number":
            if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER):
                raise Unreadable(field, text)
            return int(text)
        case "choice":
            if text not in {value for value, _ in field.choices}:
                raise Unreadable(field, text)
            return text
        case "lines":
            return text.replace("\0", "").replace("\r\n", "\n")
        case _:
            return text


def shown(fields: Sequence[Field], record: object) -> list[Shown]:
    """What is stored."""
    return [Shown(field, as_typed(getattr(record, field.column))) for field in fields]


def as_sent(fields: Sequence[Field], typed: Mapping[str, str]) -> list[Shown]:
    """What was typed, whatever it is."""
    return [Shown(field, typed.get(field.column, "")) for field in fields]


def beside(fields: Sequence[Field], typed: Mapping[str, str], record: object, words: Words) -> list[Shown]:
    """What was typed, and beside it what is stored where the two differ: to be settled by whoever typed. For what
    `read` has read."""
    found = []
    for field in fields:
        stored = getattr(record, field.column)
        value = typed.get(field.column, "")
        same = _value(field, value.strip()) == stored
        found.append(Shown(field, value, "" if same else _in_words(as_typed(stored), field, words)))
    return found


def as_typed(value: object) -> str:
    """A column as the form sends it."""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, time | datetime):
        return value.strftime("%H:%M")
    return "" if value is None else str(value)


def _in_words(stored: str, field: Field, words: Words) -> str:
    if field.kind == "tick":
        return words.gettext("yes") if stored else words.gettext("no")
    if field.kind == "groups":
        return ", ".join(words.gettext(dict(field.choices)[key]) for key in stored.split(","))
    label = dict(field.choices).get(stored)
    return words.gettext(label) if label else stored or words.gettext("empty")


def version_of(typed: Mapping[str, str]) -> int:
    """The version that the form was shown with; 0, which no record has, for none."""
    return sent.number(typed.get("version", ""))


def told(words: Words, refusal: Unreadable | CrmError | None) -> str:
    """What to say of a refusal above the form; "" for none."""
    if refusal is None:
        return ""
    if isinstance(refusal, Unreadable):
        label = words.gettext(refusal.field.label)
        return words.gettext("{field}: “{typed}” cannot be read.", field=label, typed=refusal.typed)
    sentence = explain(words, refusal.code, refusal.params)
    if not refusal.code.endswith(".changed_meanwhile"):
        return sentence
    return f"{sentence} {words.gettext('What it is now stands beside what you typed; save again to keep yours.')}"
