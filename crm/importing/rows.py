"""One row of a table into what the base keeps of it, or into the reasons why not. Pure: no database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from crm.groups import Group
from crm.importing.cities import zone_of_city
from crm.importing.mapping import Columns
from crm.importing.problems import Problem
from crm.importing.tables import Row
from crm.phone_parsing import ParsedPhone, read_phones, zone_of
from crm.text_rules import fold, tidy

FORMULA_SIGNS: Final = ("=", "+", "-", "@")
"""A spreadsheet takes a cell that begins with one of these for a formula."""

_GROUP_WORDS: Final[Mapping[Group, str]] = {
    Group.NEW: "новые, новый, новая",
    Group.HOT: "горячие, горячий, горячая",
    Group.WARM: "теплые, теплый, теплая",
    Group.COMPETITOR: "рынок конкурентов, рынок конкурента, конкурент, конкуренты, у конкурента, у конкурентов",
    Group.COLD: "холодные, холодный, холодная",
    Group.ABANDONED: "брошенные, брошенный, брошенная",
    Group.NO_CONTACT: "нет контакта, без контакта, no contact",
    Group.NONEXISTENT: "не существующие, несуществующие, не существует, не существующий, несуществующий",
}
_GROUPS: Final = {group.value: group for group in Group} | {
    word.strip(): group for group, words in _GROUP_WORDS.items() for word in words.split(",")
}
_YES: Final = frozenset({"yes", "да", "true", "есть", "1", "+"})
_NO: Final = frozenset({"no", "нет", "false", "0", "-"})
_YES_NO_ATTRIBUTES: Final = frozenset({"social_work"})
_WHOLE: Final = re.compile(r"([0-9]{1,9})(?:[.,]0+)?", re.ASCII)
_ROUNDED: Final = re.compile(r"[0-9][.,][0-9]+[eе]\+?[0-9]+", re.IGNORECASE)
TEXT_FIELDS: Final = ("name", "code", "city", "industry", "tax_number", "site", "email", "note")
"""The columns of text of an organisation that a row may fill."""


@dataclass(frozen=True)
class ClientRow:
    """A row that can be imported. `texts` holds the organisation's columns of text; `list_name` and `source` are ""
    when the row names none, `time_zone` is an IANA name or "", `remarks` are about this row's cells."""

    line: int
    list_name: str
    source: str
    group: Group
    headcount: int | None
    texts: Mapping[str, str]
    attributes: Mapping[str, str]
    phones: tuple[ParsedPhone, ...]
    time_zone: str
    person: str
    position: str
    remarks: tuple[Problem, ...] = field(default=())

    @property
    def name(self) -> str:
        """The organisation's name."""
        return self.texts["name"]


@dataclass(frozen=True)
class RefusedRow:
    """A row that was not imported: its line in the file, all reasons, and its cells as they stood there."""

    line: int
    problems: tuple[Problem, ...]
    raw: tuple[str, ...]

    @property
    def code(self) -> str:
        """The first reason's code."""
        return self.problems[0].code

    @property
    def params(self) -> Mapping[str, object]:
        """What fills the first reason's sentence."""
        return self.problems[0].params


def list_of(row: Row, columns: Columns) -> str:
    """The call list that the row names, or ""."""
    place = columns.places.get("list")
    return "" if place is None or place >= len(row.cells) else clean(row.cells[place])


def read_row(row: Row, columns: Columns, header: tuple[str, ...]) -> ClientRow | RefusedRow:
    """What the row says, or every reason why it cannot be taken."""
    problems: list[Problem] = []
    remarks: list[Problem] = []
    if any(cell.strip() for cell in row.cells[columns.count :]):
        problems.append(Problem("row.too_many_cells", {"count": len(row.cells), "columns": columns.count}))
    cells = [clean(cell) for cell in row.cells[: columns.count]]
    cells += [""] * (columns.count - len(cells))
    said = {name: cells[place] for name, place in columns.places.items()}
    attributes = {name: _attribute(name, cells[place]) for name, place in columns.attributes.items() if cells[place]}
    if not said["name"]:
        problems.append(Problem("row.no_name"))
    phones = _phones(row, columns, header, attributes, problems, remarks)
    group = _GROUPS.get(fold(said.get("group", "")) or Group.NEW.value)
    if group is None:
        problems.append(Problem("row.unknown_group", {"value": said["group"], "known": ", ".join(Group)}))
    headcount = _headcount(said.get("headcount", ""), problems)
    if _ROUNDED.fullmatch(said.get("tax_number", "")):
        field_name = header[columns.places["tax_number"]]
        remarks.append(Problem("row.value_digits_lost", {"field": field_name, "value": said["tax_number"]}))
    if problems or group is None:
        return RefusedRow(row.line, tuple(problems), row.cells)
    return ClientRow(
        line=row.line,
        list_name=said.get("list", ""),
        source=said.get("source", ""),
        group=group,
        headcount=headcount,
        texts={name: said.get(name, "") for name in TEXT_FIELDS},
        attributes=attributes,
        phones=phones,
        time_zone=_time_zone(said.get("city", ""), phones),
        person=said.get("person", ""),
        position=said.get("position", ""),
        remarks=tuple(remarks),
    )


def clean(cell: str) -> str:
    """The cell without spaces to spare, and without the apostrophe that keeps a spreadsheet from computing it."""
    text = tidy(cell)
    guarded = text[1:].lstrip() if text.startswith("'") else ""
    return guarded if guarded.startswith(FORMULA_SIGNS) else text


def _phones(
    row: Row,
    columns: Columns,
    header: tuple[str, ...],
    attributes: dict[str, str],
    problems: list[Problem],
    remarks: list[Problem],
) -> tuple[ParsedPhone, ...]:
    """All numbers of the row, each once. One that can be read is enough: cells with others that cannot are kept whole
    as attributes, with a remark, so that nothing is lost."""
    found: dict[tuple[str, str], ParsedPhone] = {}
    unread: list[Problem] = []
    kept: dict[str, str] = {}
    for place in columns.phones:
        cell = row.cells[place] if place < len(row.cells) else ""
        reading = read_phones(cell)
        for phone in reading.phones:
            found.setdefault((phone.e164, phone.extension), phone)
        if reading.problems:
            unread += reading.problems
            kept[header[place]] = clean(cell)
    if found:
        remarks += unread
        attributes |= kept
    else:
        problems += unread or [Problem("row.no_phone")]
    return tuple(found.values())


def _headcount(text: str, problems: list[Problem]) -> int | None:
    if not text:
        return None
    whole = _WHOLE.fullmatch(text.replace(" ", ""))
    if whole is None:
        problems.append(Problem("row.headcount", {"value": text}))
        return None
    return int(whole[1])


def _attribute(name: str, value: str) -> str:
    if name in _YES_NO_ATTRIBUTES:
        word = fold(value)
        return "yes" if word in _YES else "no" if word in _NO else value
    return value


def _time_zone(city: str, phones: tuple[ParsedPhone, ...]) -> str:
    """The city's zone, or the only one that the numbers tell."""
    told = zone_of_city(city)
    if told:
        return told
    zones = {zone for phone in phones if (zone := zone_of(phone.e164))}
    return zones.pop() if len(zones) == 1 else ""
