"""The process that opens workbooks and databases which somebody sent: `python -I reader_process.py KIND FILE PART`.

It knows nothing of the project. It writes a line of JSON that says what the file is, one for each row (its number and
its cells) and one at the end; or, as the last line, what is wrong with the file. Memory, time and output are limited:
whoever began it takes its sudden death for a file that asks too much.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

MEMORY_BYTES: Final = 1536 * 1024 * 1024
CPU_S: Final = 60
UNPACKED_BYTES: Final = 400 * 1024 * 1024
OUTPUT_BYTES: Final = 20 * 1024 * 1024  # a few bytes of one text that many cells share become this
_CHUNK: Final = 1024 * 1024
_OLE: Final = b"\xd0\xcf\x11\xe0"
_FORMS: Final = {"xl/workbook.xml": "xlsx", "xl/workbook.bin": "xlsb", "content.xml": "ods"}
_OWN_TABLES: Final = re.compile(r"MSys|~|f_[0-9A-F]{32}_", re.IGNORECASE)


class Unreadable(Exception):
    """The file is not to be read; `code` and `params` are those of `crm.problems`."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


def main(kind: str, path: str, part: str) -> None:
    """Read the file and write what it holds, or why not."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", write_through=False)
    try:
        write(out, *(workbook(path, part) if kind == "workbook" else access(path, part)))
    except Unreadable as error:
        said: dict[str, Any] = {"error": error.code, "params": error.params}
    except MemoryError:
        said = {"error": "table.too_demanding", "params": {}}
    else:
        said = {"end": True}
    out.write(json.dumps(said) + "\n")
    out.flush()


def write(
    out: io.TextIOBase, form: str, part: str, parts: list[str], first_column: int, rows: Iterable[list[str]]
) -> None:
    """The first line, and one for each row that is not empty."""
    out.write(json.dumps({"form": form, "part": part, "parts": parts, "first_column": first_column}) + "\n")
    size = 0
    for line, cells in enumerate(rows, start=1):
        while cells and not cells[-1].strip():
            cells.pop()
        size += sum(len(cell.encode("utf-8", "replace")) + 4 for cell in cells)
        if size > OUTPUT_BYTES:
            raise Unreadable("table.too_demanding")
        if any(cells):
            out.write(json.dumps([line, cells], ensure_ascii=False) + "\n")


def workbook(path: str, part: str) -> tuple[str, str, list[str], int, Iterator[list[str]]]:
    """A workbook's form, the sheet that is read, all its sheets, the sheet's first column (from 0), and its rows, which
    begin with that column."""
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    form = _form_of(path)
    try:
        book = CalamineWorkbook.from_path(path)
        names = list(book.sheet_names)
        if part and part not in names:
            raise Unreadable("table.no_part", part=part, parts=", ".join(names[:20]))
        for name in [part] if part else names:
            sheet = book.get_sheet_by_name(name)
            if part or sheet.end is not None:
                first_column = sheet.start[1] if sheet.start else 0
                return form, name, names, first_column, ([_text(cell) for cell in row] for row in sheet.iter_rows())
    except PasswordError:
        raise Unreadable("table.encrypted") from None
    except CalamineError as error:
        _refuse_broken(error)
    raise Unreadable("table.empty")


def _form_of(path: str) -> str:
    with Path(path).open("rb") as file:
        if file.read(4) == _OLE:
            return _form_of_ole(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _form_of_zip(archive)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError) as error:
        _refuse_broken(error)
    except RuntimeError:  # how zipfile says that a part is encrypted
        raise Unreadable("table.encrypted") from None
    except Exception as error:
        if type(error).__module__ in ("zlib", "_lzma", "lzma"):
            _refuse_broken(error)
        raise


def _form_of_zip(archive: zipfile.ZipFile) -> str:
    """Which kind of workbook it is. All is unpacked once: what its directory says of the sizes
    may be a lie."""
    parts = archive.infolist()
    names = {each.filename for each in parts}
    forms = [form for name, form in _FORMS.items() if name in names]
    if not forms:
        raise Unreadable("table.other_format", kind="ZIP")
    if any(each.flag_bits & 1 for each in parts):
        raise Unreadable("table.encrypted")
    if any(name.lower().endswith("vbaproject.bin") or name.startswith("Basic/") for name in names):
        raise Unreadable("table.macros")
    if sum(each.file_size for each in parts) > UNPACKED_BYTES:
        raise Unreadable("table.zip_bomb", limit_mb=UNPACKED_BYTES // 1024 // 1024)
    for each in parts:
        with archive.open(each) as file:  # never gives more than the directory says, and checks the sum at the end
            while file.read(_CHUNK):
                pass
    return forms[0]


def _form_of_ole(path: str) -> str:
    """An old container: a workbook, or what a password protects, or something else."""
    content = Path(path).read_bytes()

    def has(name: str) -> bool:
        return name.encode("utf-16-le") in content

    if has("EncryptedPackage"):
        raise Unreadable("table.encrypted")
    if has("_VBA_PROJECT"):
        raise Unreadable("table.macros")
    if not has("Workbook") and not has("Book"):
        raise Unreadable("table.other_format", kind="DOC/MSI/OLE")
    return "xls"


def _text(cell: Any) -> str:
    """A cell as somebody would have typed it; a whole number without the point that the file keeps it with."""
    if isinstance(cell, str):
        return cell.replace("\0", "")
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(sep=" ")
    return str(cell)


def access(path: str, part: str) -> tuple[str, str, list[str], int, Iterator[list[str]]]:
    """An Access database's form, the table that is read, all its tables, and the table's rows under their header."""
    for program in ("mdb-tables", "mdb-export"):
        if shutil.which(program) is None:
            raise Unreadable("table.no_mdbtools")
    with Path(path).open("rb") as file:
        head = file.read(0x15)
    form = "access97" if len(head) > 0x14 and head[0x14] == 0 else "access"
    names = [name for name in _mdb("mdb-tables", "-1", path).splitlines() if name and not _OWN_TABLES.match(name)]
    if part and part not in names:
        raise Unreadable("table.no_part", part=part, parts=", ".join(names[:20]))
    for name in [part] if part else names:
        rows = list(csv.reader(io.StringIO(_export(path, name), newline="")))
        if part or len(rows) > 1:
            return form, name, names, 0, iter(rows)
    raise Unreadable("table.empty")


def _export(path: str, table: str) -> str:
    return _mdb("mdb-export", "-D", "%Y-%m-%d", "-T", "%Y-%m-%d %H:%M:%S", "-b", "strip", path, table)


def _mdb(*command: str) -> str:
    """What a program of mdbtools writes. Text of Access 97 comes byte for byte."""
    environ = {**os.environ, "MDB_JET3_CHARSET": "ISO-8859-1", "MDBICONV": "UTF-8", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=environ, check=False)
    if done.returncode != 0:
        raise Unreadable("table.damaged", reason=done.stderr.decode(errors="replace").strip()[:200])
    return done.stdout.decode("utf-8", errors="replace").replace("\0", "")


def _refuse_broken(error: Exception) -> NoReturn:
    raise Unreadable("table.damaged", reason=str(error)[:200]) from error


if __name__ == "__main__":
    main(*sys.argv[1:])
