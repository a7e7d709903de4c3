"""The form of a campaign's rules: which fields there are, how they are read and shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Final

from crm.campaigns import Campaign
from dialer.words import Words, mark

LONGEST_NUMBER: Final = 6


@dataclass(frozen=True, slots=True)
class Field:
    """A column of `Campaign` in the form. `kind`: text, time, number, or tick; `may_be_empty`: then `None`."""

    column: str
    label: str
    kind: str = "text"
    may_be_empty: bool = False
    hint: str = ""


FIELDS: Final = (
    Field("name", mark("Name")),
    Field("time_zone", mark("Time zone of its days")),
    Field("calls_from", mark("Calls from, on the client's clock"), "time"),
    Field("calls_until", mark("Calls until"), "time"),
    Field("country", mark("Holidays of the country"), hint=mark("two letters, such as RU; empty: weekends alone")),
    Field("calls_on_days_off", mark("Call on days off, too"), "tick"),
    Field("attempts_a_day", mark("Attempts at a company a day"), "number"),
    Field("number_attempts_a_day", mark("Attempts at a number a day"), "number"),
    Field("gap_min", mark("Minutes between unanswered attempts"), "number"),
    Field("ring_timeout_s", mark("Seconds that it rings"), "number", may_be_empty=True,
          hint=mark("empty: as the settings say")),
    Field("overdue_to_all_min", mark("Minutes until a promise that is overdue goes to everybody"), "number"),
    Field("target_contacts", mark("Contacts wanted"), "number"),
    Field("lists_need_approval", mark("Only approved lists are called"), "tick"),
)  # fmt: skip


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


def read(typed: Mapping[str, str]) -> dict[str, object]:
    """The columns with the values that were typed; a tick that was not sent is off. Raises `Unreadable`."""
    return {field.column: _value(field, typed.get(field.column, "").strip()) for field in FIELDS}


def _value(field: Field, text: str) -> object:
    match field.kind:
        case "tick":
            return text == "yes"
        case "time":
            try:
                return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - a time on a clock has no zone
            except ValueError:
                raise Unreadable(field, text) from None
        case "number":
            if not text and field.may_be_empty:
                return None
            if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER):
                raise Unreadable(field, text)
            return int(text)
        case _:
            return text


def shown(campaign: Campaign, words: Words) -> list[Shown]:
    """What is stored."""
    return [Shown(field, as_typed(getattr(campaign, field.column))) for field in FIELDS]


def beside(typed: Mapping[str, str], campaign: Campaign, words: Words) -> list[Shown]:
    """What was typed, and beside it what is stored where the two differ: to be settled by whoever typed. For what
    `read` has read."""
    fields = []
    for field in FIELDS:
        stored = getattr(campaign, field.column)
        value = typed.get(field.column, "")
        same = _value(field, value.strip()) == stored
        fields.append(Shown(field, value, "" if same else _in_words(as_typed(stored), field, words)))
    return fields


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
    return stored or words.gettext("empty")
