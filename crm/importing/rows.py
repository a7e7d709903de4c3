"""One row of a table into what the base keeps of it, or into the reasons why not. Pure: no database."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from crm.base.addresses import AddressKind, lines_as_written
from crm.base.phone_parsing import ParsedPhone, read_phones, zone_of
from crm.csv_sheets import FORMULA_SIGNS
from crm.errors import Refused
from crm.group import Group
from crm.importing.area_codes import area_code_of
from crm.importing.cities import zone_of_city
from crm.importing.lengths import cells_too_long
from crm.importing.mapping import Columns
from crm.importing.tables import Row
from crm.importing.written_values import WrittenDeal, read_deal, read_time_zone
from crm.problems import Problem
from crm.text_rules import NO_WORDS, YES_WORDS, fold, tidy

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
_YES_NO_ATTRIBUTES: Final = frozenset({"social_work"})
_WHOLE: Final = re.compile(r"([0-9]{1,9})(?:[.,]0+)?", re.ASCII)
_FORMULA: Final = re.compile(r"=[-+@(\s]*(?:[A-Z0-9$\"'\[_]|[А-ЯЁ]+\()", re.IGNORECASE)
_ROUNDED: Final = re.compile(r"[0-9][.,][0-9]+[eе]\+?[0-9]+", re.IGNORECASE)
_DEAL: Final = ("deal_date", "deal_amount", "deal_what")
_ADDRESSES: Final = tuple((f"address_{kind}", kind.value) for kind in AddressKind)
_NAMES: Final = re.compile(r"""(?:"[^"]*"|«[^»]*»|“[^”]*”|\([^)]*\)|[^;,\n])+""")
TEXT_FIELDS: Final = ("name", "code", "city", "industry", "tax_number", "site", "email", "note")
"""The columns of text of an organisation that a row may fill."""


@dataclass(frozen=True)
class ClientRow:
    """A row that can be imported. `texts` holds the organisation's columns of text; `list_name` and `source` are ""
    when the row names none, `time_zone` is an IANA name or "", `deal` one of the past, `competitors` names of whom they
    buy from, each once; `raw` are the cells and `remarks` are about them."""

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
    former_owner: str
    deal: WrittenDeal | None
    addresses: tuple[tuple[str, str], ...]
    competitors: tuple[str, ...]
    remarks: tuple[Problem, ...]
    raw: tuple[str, ...]

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


def read_row(
    row: Row,
    columns: Columns,
    *,
    region: str = "RU",
    area_code: str = "",
    time_zone: str = "",
    today: date | None = None,
) -> ClientRow | RefusedRow:
    """What the row says, or every reason why it cannot be taken. `region` (ISO 3166-1) is that of numbers without a
    country's code. A number without an area code gets that of the row's city, else `area_code`. The time zone is the
    row's own, else `time_zone` (IANA), else the city's or the numbers'. No deal was made after `today`. Of a row with
    cells that are too long nothing else is looked at."""
    if overlong := cells_too_long(row, columns):
        return RefusedRow(row.line, tuple(overlong), row.cells)
    cells = [clean(cell) for cell in row.cells[: columns.count]]
    cells += [""] * (columns.count - len(cells))
    said = {name: cells[place] for name, place in columns.places.items()}
    numbers = _read_numbers(row, columns, region, _area_codes(said, area_code, region))
    group = _GROUPS.get(fold(said.get("group", "")) or Group.NEW.value)
    headcount = _headcount(said.get("headcount", ""))
    deal = read_deal(*(said.get(name, "") for name in _DEAL), today=today)
    own_zone = _own_zone(said.get("time_zone", ""))
    if (
        group is None
        or isinstance(headcount, Problem)
        or isinstance(deal, Problem)
        or isinstance(own_zone, Problem)
        or not said["name"]
        or not numbers.found
        or _surplus(row, columns)
        or _formulas(row, columns)
    ):
        return RefusedRow(row.line, _reasons(row, columns, said, numbers, deal, own_zone), row.cells)
    return ClientRow(
        line=row.line,
        list_name=said.get("list", ""),
        source=said.get("source", ""),
        group=group,
        headcount=headcount,
        texts={name: said.get(name, "") for name in TEXT_FIELDS},
        attributes=_attributes(cells, said, columns) | numbers.unread_cells,
        phones=numbers.found,
        time_zone=own_zone or time_zone or _time_zone(said.get("city", ""), numbers.found),
        person=said.get("person", ""),
        position=said.get("position", ""),
        former_owner=said.get("former_owner", ""),
        deal=deal,
        addresses=_addresses(row, columns, said),
        competitors=_competitors(row, columns),
        remarks=(*numbers.problems, *_rounded(said, columns)),
        raw=row.cells,
    )


class WhoIsToldOf(NamedTuple):
    """Who a row is about, by what it says: "" and () for what it does not."""

    organisation: str
    e164s: tuple[str, ...]
    tax_number: str
    person: str


def who_is_told_of(row: Row, columns: Columns, *, region: str, area_code: str = "") -> WhoIsToldOf:
    """Who the row is about, also where it cannot be taken; otherwise as `read_row`."""
    said = {name: clean(row.cells[place]) for name, place in columns.places.items() if place < len(row.cells)}
    numbers = _read_numbers(row, columns, region, _area_codes(said, area_code, region))
    e164s = tuple(phone.e164 for phone in numbers.found)
    return WhoIsToldOf(said.get("name", ""), e164s, said.get("tax_number", ""), said.get("person", ""))


@functools.lru_cache(maxsize=4096)  # most cells of a file say what others say
def clean(cell: str) -> str:
    """The cell without spaces to spare, and without the apostrophe that keeps a spreadsheet from computing it."""
    text = tidy(cell)
    guarded = text[1:].lstrip() if text.startswith("'") else ""
    return guarded if guarded.startswith(FORMULA_SIGNS) else text


def _addresses(row: Row, columns: Columns, said: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What the row says of each kind; an address may have several lines."""
    return tuple((kind, clean_lines(row.cells[columns.places[name]])) for name, kind in _ADDRESSES if said.get(name))


def clean_lines(cell: str) -> str:
    """As `clean`, for a cell whose lines count."""
    return lines_as_written(cell) if "\n" in cell.strip() else clean(cell)


def _competitors(row: Row, columns: Columns) -> tuple[str, ...]:
    if not columns.competitors:
        return ()
    said = [clean_lines(row.cells[place]) for place in columns.competitors if place < len(row.cells)]
    first: dict[str, str] = {}
    for cell in said:
        for name in names_in(cell):
            first.setdefault(fold(name), name)
    return tuple(first.values())


@functools.lru_cache(maxsize=1024)
def names_in(cell: str) -> tuple[str, ...]:
    """The names in a cell, parted by lines, semicolons, or commas outside of quotes and brackets."""
    return tuple(filter(None, map(str.strip, _NAMES.findall(cell))))


def _area_codes(said: Mapping[str, str], area_code: str, region: str) -> list[str]:
    if region != "RU":
        return []
    return [code for code in (area_code_of(said.get("city", "")), area_code) if code]


class _Numbers(NamedTuple):
    """All numbers of a row, each once; what is wrong with the pieces that are none; and the cells with such pieces."""

    found: tuple[ParsedPhone, ...]
    problems: tuple[Problem, ...]
    unread_cells: dict[str, str]


def _read_numbers(row: Row, columns: Columns, region: str, area_codes: list[str]) -> _Numbers:
    """One number that can be read is enough to call; the cells with others are kept whole, so that nothing is lost."""
    found: dict[tuple[str, str], ParsedPhone] = {}
    problems: list[Problem] = []
    unread_cells: dict[str, str] = {}
    for place in columns.phones:
        cell = row.cells[place] if place < len(row.cells) else ""
        reading = read_phones(cell, region=region, area_codes=area_codes)
        for phone in reading.phones:
            found.setdefault((phone.e164, phone.extension), phone)
        if reading.problems:
            problems += reading.problems
            unread_cells[columns.header[place]] = clean(cell)
    return _Numbers(tuple(found.values()), tuple(problems), unread_cells)


def _reasons(
    row: Row, columns: Columns, said: Mapping[str, str], numbers: _Numbers, *read: object
) -> tuple[Problem, ...]:
    """Everything for which the row is refused, so that it has to be mended only once; `read` may hold some of it."""
    reasons: list[Problem] = []
    if _surplus(row, columns):
        reasons.append(Problem("row.too_many_cells", {"count": len(row.cells), "columns": columns.count}))
    reasons += [Problem("row.formula", {"value": formula}) for formula in _formulas(row, columns)]
    if not said["name"]:
        reasons.append(Problem("row.no_name"))
    if not numbers.found:
        reasons += numbers.problems or [Problem("row.no_phone")]
    group = said.get("group", "")
    if group and fold(group) not in _GROUPS:
        reasons.append(Problem("row.unknown_group", {"value": group}))
    headcount = _headcount(said.get("headcount", ""))
    reasons += [each for each in (headcount, *read) if isinstance(each, Problem)]
    return tuple(reasons)


def _formulas(row: Row, columns: Columns) -> list[str]:
    """Cells that a spreadsheet would compute: what they are to say is not in the file. With an apostrophe in front, a
    cell is text."""
    if not any("=" in cell for cell in row.cells):
        return []
    named = (*columns.places.values(), *columns.phones, *columns.competitors, *columns.attributes.values())
    return [cell[:100] for place in sorted(named) if _FORMULA.match(cell := _cell(row, place))]


def _cell(row: Row, place: int) -> str:
    return tidy(row.cells[place]) if place < len(row.cells) else ""


def _surplus(row: Row, columns: Columns) -> bool:
    return any(cell.strip() for cell in row.cells[columns.count :])


def _headcount(text: str) -> int | Problem | None:
    if not text:
        return None
    whole = _WHOLE.fullmatch(text.replace(" ", ""))
    return int(whole[1]) if whole else Problem("row.headcount", {"value": text})


def _rounded(said: Mapping[str, str], columns: Columns) -> list[Problem]:
    number = said.get("tax_number", "")
    if not _ROUNDED.fullmatch(number):
        return []
    return [Problem("row.value_digits_lost", {"field": columns.title("tax_number"), "value": number})]


def _own_zone(text: str) -> str | Problem:
    try:
        return read_time_zone(text)
    except Refused:
        return Problem("row.time_zone", {"value": text})


def _attributes(cells: list[str], said: Mapping[str, str], columns: Columns) -> dict[str, str]:
    """What has no column of its own, by title; also the position of nobody who is named."""
    attributes = {name: _attribute(name, cells[place]) for name, place in columns.attributes.items() if cells[place]}
    if said.get("position") and not said.get("person"):
        attributes[columns.title("position")] = said["position"]
    return attributes


def _attribute(name: str, value: str) -> str:
    if name in _YES_NO_ATTRIBUTES:
        word = fold(value)
        return "yes" if word in YES_WORDS else "no" if word in NO_WORDS else value
    return value


def _time_zone(city: str, phones: tuple[ParsedPhone, ...]) -> str:
    """The city's zone, or the only one that the numbers tell."""
    told = zone_of_city(city)
    if told:
        return told
    zones = {zone for phone in phones if (zone := zone_of(phone.e164))}
    return zones.pop() if len(zones) == 1 else ""
