"""The fields of a template: a closed list of names in braces, each put in once as plain text.

There are no expressions, and a value is never read as a template again, so that nothing a client calls itself can do
more than stand there. `{person.full_name|colleagues}` says what stands where nothing is known.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crm.errors import Refused
from crm.text_rules import tidy

FIELDS: Final = (
    "client.name", "client.city", "client.industry", "person.full_name", "person.position", "campaign.name",
    "campaign.customer", "campaign.product", "sender.name", "sender.email", "day",
)  # fmt: skip
"""All there are. `person` is whom it is written to, `sender` who sends it, `day` that of sending."""
LONGEST_VALUE: Final = 300
_SHOWN: Final = 40
_BRACED: Final = re.compile(r"\{([^{}\n]*)\}|[{}]")
_INVISIBLE: Final = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")


@dataclass(frozen=True, slots=True)
class Field:
    """A place to be filled; `otherwise` stands there where nothing is known, "" for nothing."""

    name: str
    otherwise: str = ""


def parse(text: str) -> tuple[str | Field, ...]:
    """Plain text and fields in turn. Raises `Refused` for a field that is none, and for a brace that belongs to no
    field."""
    parts: list[str | Field] = []
    end = 0
    for found in _BRACED.finditer(text):
        parts.append(text[end : found.start()])
        parts.append(_field(found))
        end = found.end()
    parts.append(text[end:])
    return tuple(part for part in parts if part != "")


def _field(found: re.Match[str]) -> Field:
    if found[1] is None:
        raise Refused("offer.brace", text=found.string[found.start() : found.start() + _SHOWN])
    name, _, otherwise = found[1].partition("|")
    if name.strip() not in FIELDS:
        raise Refused("offer.field_unknown", field=found[0][:_SHOWN], known=", ".join(f"{{{each}}}" for each in FIELDS))
    return Field(name.strip(), tidy(otherwise))


def filled(parts: tuple[str | Field, ...], values: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The text with its values, and the fields of which nothing is known and nothing was said for it."""
    told: list[str] = []
    missing: list[str] = []
    for part in parts:
        if isinstance(part, str):
            told.append(part)
        elif value := plain(values.get(part.name, "")) or part.otherwise:
            told.append(value)
        else:
            missing.append(part.name)
    return "".join(told), tuple(dict.fromkeys(missing))


def plain(value: str) -> str:
    """A value as it is put in: one line of what can be seen, of 300 characters at most."""
    seen = "".join(" " if unicodedata.category(letter) in _INVISIBLE else letter for letter in value[:10_000])
    return tidy(seen)[:LONGEST_VALUE].strip()


def lines(text: str) -> str:
    """A text of several lines as it is kept: without what cannot be seen, but for line breaks and tabs."""
    broken = text.replace("\r\n", "\n").replace("\r", "\n")
    seen = "".join(
        letter for letter in broken if letter in "\n\t\u00ad" or unicodedata.category(letter) not in _INVISIBLE
    )
    return "\n".join(line.rstrip() for line in seen.split("\n")).strip("\n")
