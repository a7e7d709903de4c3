"""The words for files that are brought in: how they were read, and what their columns hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from crm.importing.imports import Import
from dialer.shown.labels import IMPORT_STATES
from dialer.words import Words, mark

FIELD_NAMES: Final[Mapping[str, str]] = {
    "list": mark("list"),
    "code": mark("code"),
    "name": mark("name of the organisation"),
    "city": mark("city"),
    "phone": mark("phone"),
    "industry": mark("industry"),
    "source": mark("source"),
    "group": mark("group"),
    "headcount": mark("headcount"),
    "tax_number": mark("tax number"),
    "site": mark("site"),
    "email": mark("e-mail"),
    "person": mark("person"),
    "position": mark("position"),
    "note": mark("note"),
    "time_zone": mark("time zone"),
    "former_owner": mark("former owner"),
    "deal_date": mark("day of a past deal"),
    "deal_amount": mark("amount of the deal"),
    "deal_what": mark("what was bought"),
    "address_postal": mark("postal address"),
    "address_legal": mark("legal address"),
    "address_actual": mark("actual address"),
    "address_other": mark("other address"),
    "competitor": mark("competitor"),
}


class AsRead(Protocol):
    """What a table and an import both tell of how the file was read."""

    @property
    def form(self) -> str: ...
    @property
    def encoding(self) -> str: ...
    @property
    def delimiter(self) -> str: ...
    @property
    def part(self) -> str: ...
    @property
    def header_row(self) -> int | None: ...


def state_in_words(found: Import, words: Words) -> str:
    """How far an import has come; while it is being taken in or undone with the rows that are done."""
    gettext = words.gettext
    if found.under_way is None:
        return gettext(IMPORT_STATES[found.state])
    doing = gettext(IMPORT_STATES[found.under_way])
    return gettext("{doing}, {done} of {of} rows", doing=doing, done=found.done, of=found.row_count)


def form_in_words(read: AsRead, words: Words) -> str:
    """How the file was read: its form, what had to be found out about it, and where its header is."""
    gettext = words.gettext
    if read.header_row is None:
        return _form(read, words)
    if read.header_row == 0:
        return gettext("{form}, without a header", form=_form(read, words))
    return gettext("{form}, header in row {row}", form=_form(read, words), row=read.header_row)


def _form(read: AsRead, words: Words) -> str:
    gettext = words.gettext
    encoding = "UTF-8" if read.encoding == "utf-8-sig" else read.encoding
    if read.form == "csv":
        delimiter = gettext("tabs") if read.delimiter == "\t" else f"“{read.delimiter}”"
        return gettext("{encoding}, columns parted by {delimiter}", encoding=encoding, delimiter=delimiter)
    if read.form.startswith("access"):
        form = gettext("Access, table “{part}”", part=read.part)
        return f"{form}, {encoding}" if encoding else form
    return gettext("{form}, sheet “{part}”", form=read.form.upper(), part=read.part)
