"""Delimited text (CSV, TXT) into tables: encoding and delimiter are found out, or named instead."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from charset_normalizer import from_bytes

from crm.errors import Refused
from crm.importing.cells import MAX_CELL, Row, Table, header_and_rows, within_limits
from crm.importing.heading import header_place

DELIMITERS: Final = (";", ",", "\t", "|")
ENCODINGS: Final = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1251", "cp866", "koi8-r")

_GUESSED: Final = ("cp1251", "cp866", "koi8-r")
_SAMPLE_BYTES: Final = 32_768
_SNIFFED_RECORDS: Final = 50
_SEP_LINE: Final = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f\x7f]")  # \x1a ends a file of DOS
_MOST_CONTROL: Final = 0.02
_AT_HOME: Final = re.compile(r"[\t\n\r\x20-\x7e\xa0-\xff\u0400-\u052f\u2000-\u22ff]")
_END: Final = "\0"  # no line can be this: NULs have been refused


def read_text(
    content: bytes, *, encoding: str | None = None, delimiter: str | None = None, header_row: int | None = None
) -> Table:
    """The table in the bytes of a CSV or TXT file; `header_row` as in `header_and_rows`. Raises `Refused` with a
    `table.` code for whatever is none."""
    if delimiter:
        _refuse_delimiter(delimiter)
    encoding = known_encoding(encoding) if encoding else guess_encoding(content)
    text = _decode(content, encoding)
    if "\0" in text or _is_rubbish(text):
        raise Refused("table.not_text")
    text = text.removeprefix("\ufeff")
    skipped = 0
    if said := _SEP_LINE.match(text):  # a first line by which a spreadsheet tells the delimiter
        text, skipped = text[said.end() :], 1
        if not delimiter:
            delimiter = said[1]
            _refuse_delimiter(delimiter)
    delimiter = delimiter or _guess_delimiter(text)
    records = _records(text, delimiter, skipped)
    parted = header_and_rows(records, header_row)
    for row in parted.rows:
        if _swallowed_rows(row, delimiter, len(parted.header)):
            raise Refused("table.unclosed_quote", line=row.line)
    return Table(
        parted.header, parted.rows, encoding, delimiter, header_row=parted.header_row, beginning=parted.beginning
    )


def known_encoding(name: str) -> str:
    """The name in `ENCODINGS` of an encoding however it is written. Raises `Refused`."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        found = ""
    for known in ENCODINGS:
        if found == codecs.lookup(known).name:
            return known
    raise Refused("table.unknown_encoding", encoding=name, known=", ".join(ENCODINGS))


def guess_encoding(content: bytes) -> str:
    """A BOM decides; then valid UTF-8; then the eight-bit encoding in which the text looks most like Russian."""
    if content.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in content:
        return _guess_utf_16(content)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("utf-8", errors="replace")
        bad = text.count("\ufffd")
        if sum(sign > "\x7f" for sign in text) > 5 * bad:
            # UTF-8 with a few broken bytes: any other encoding would turn all of it into nonsense.
            line = text[: text.index("\ufffd")].count("\n") + 1
            raise Refused("table.wrong_encoding", encoding="utf-8", line=line) from None
    else:
        return "utf-8"
    telling = b"\n".join(line for line in content.splitlines() if not line.isascii())[:_SAMPLE_BYTES]
    best = from_bytes(telling, cp_isolation=list(_GUESSED)).best()
    if best is None:
        rubbish = _is_rubbish(content.decode("latin-1"))
        raise Refused("table.not_text" if rubbish else "table.encoding_not_guessed")
    return known_encoding(best.encoding)


def _guess_utf_16(content: bytes) -> str:
    """Without a BOM: in the right byte order nearly all signs are Latin or Cyrillic, in the wrong one none."""
    for encoding in ("utf-16-le", "utf-16-be"):
        sample = content[: _SAMPLE_BYTES & ~1].decode(encoding, errors="ignore").replace("\0", "")
        at_home = len(_AT_HOME.findall(sample))
        if sample and at_home > 0.9 * len(sample):
            return encoding
    raise Refused("table.not_text")


def _is_rubbish(text: str) -> bool:
    """A stray control sign comes with many a text; more of them are in what is none."""
    sample = text[:_SAMPLE_BYTES]
    return len(_CONTROL.findall(sample)) > _MOST_CONTROL * len(sample)


def _decode(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode(encoding, errors="ignore")
        raise Refused("table.wrong_encoding", encoding=encoding, line=before.count("\n") + 1) from error
    except UnicodeError as error:  # UTF-16 without its BOM
        raise Refused("table.wrong_encoding", encoding=encoding, line=1) from error


def _refuse_delimiter(delimiter: str) -> None:
    if len(delimiter) != 1 or delimiter.isalnum() or delimiter in "\"'\r\n\0 ":
        raise Refused("table.bad_delimiter")


def _guess_delimiter(text: str) -> str:
    """The one that parts the header into most columns and most records into as many."""
    best, best_score = DELIMITERS[0], 0.0
    for delimiter in DELIMITERS:
        try:
            records = [record for record in islice(_reader(text, delimiter), _SNIFFED_RECORDS) if any(record)]
        except csv.Error:
            continue
        columns = len(records[header_place(records)]) if records else 0
        alike = sum(len(record) == columns for record in records)
        score = columns * alike / len(records) if columns > 1 else 0.0
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _reader(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _records(text: str, delimiter: str, skipped: int) -> Iterator[Row]:
    """The records that hold anything. After the last line comes one that no file has: a quote left open swallows it."""

    def lines() -> Iterator[str]:
        yield from io.StringIO(text, newline="")
        yield _END

    reader = csv.reader(lines(), delimiter=delimiter)
    line = skipped + 1
    try:
        for cells in reader:
            if cells == [_END]:
                return
            if any(_END in cell for cell in cells[-1:]):
                raise Refused("table.unclosed_quote", line=line)
            if (row := within_limits(line, tuple(cells))) is not None:
                yield row
            line = skipped + reader.line_num + 1
    except csv.Error as error:  # a cell beyond the csv module's own limit
        raise Refused("table.cell_too_long", line=line, limit=MAX_CELL) from error


def _swallowed_rows(row: Row, delimiter: str, columns: int) -> bool:
    """Whether a cell holds a line that looks like a row: one row's open quote was closed by another row's quote."""
    return columns > 2 and any(
        line.count(delimiter) >= columns - 1 for cell in row.cells if "\n" in cell for line in cell.split("\n")
    )
