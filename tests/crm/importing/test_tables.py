from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crm.errors import Refused
from crm.importing import cells
from crm.importing.heading import LOOKED_AT
from crm.importing.tables import MAX_CELL, MAX_COLUMNS, read_table

SEED_CASE = Path(__file__).parents[2] / "data" / "seed-case"
RUSSIAN = "Название;Город;Телефон\nООО «Ромашка»;Нижний Новгород;8 (831) 000-00-01\nИП Ёлкин;Орёл;8 (486) 000-00-02\n"
READ = (("ООО «Ромашка»", "Нижний Новгород", "8 (831) 000-00-01"), ("ИП Ёлкин", "Орёл", "8 (486) 000-00-02"))


def refusal(content: bytes | Path, **named: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        read_table(content, **named)
    return caught.value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1251"])
def test_the_encoding_is_found_and_told(encoding: str) -> None:
    table = read_table(RUSSIAN.encode(encoding))
    assert table.encoding == encoding
    assert table.header == ("Название", "Город", "Телефон")
    assert tuple(row.cells for row in table.rows) == READ


@pytest.mark.parametrize("encoding", ["cp1251", "cp866", "koi8-r"])
@pytest.mark.parametrize(
    "text", [RUSSIAN.replace("«", "").replace("»", ""), "name;phone\nИП Щукин;8 (831) 000-00-01\n"]
)
def test_eight_bit_encodings_are_told_apart(encoding: str, text: str) -> None:
    table = read_table(text.encode(encoding))
    assert table.encoding == encoding
    assert table.rows[-1].cells[0] in text


def test_a_large_file_of_latin_letters_with_one_russian_line_is_read_right() -> None:
    text = "name;phone\n" + "Acme;8 (831) 000-00-01\n" * 50_000 + "Дальний Восток;8 (421) 000-00-01\n"
    table = read_table(text.encode("koi8-r"))
    assert table.encoding == "koi8-r"
    assert table.rows[-1].cells[0] == "Дальний Восток"


def test_a_named_encoding_and_delimiter_are_obeyed() -> None:
    table = read_table("а;б,в\n1;2,3".encode("cp866"), encoding="CP-866".replace("-", ""), delimiter=",")
    assert (table.encoding, table.delimiter) == ("cp866", ",")
    assert table.header == ("а;б", "в")


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({"encoding": "utf-7½"}, "table.unknown_encoding"),
        ({"encoding": "base64"}, "table.unknown_encoding"),
        ({"encoding": "idna"}, "table.unknown_encoding"),
        ({"encoding": "utf-8"}, "table.wrong_encoding"),
        ({"encoding": "utf-16"}, "table.wrong_encoding"),
        ({"encoding": "cp1251"}, "table.wrong_encoding"),
        ({"delimiter": ";;"}, "table.bad_delimiter"),
        ({"delimiter": "\n"}, "table.bad_delimiter"),
        ({"delimiter": '"'}, "table.bad_delimiter"),
        ({"delimiter": "x"}, "table.bad_delimiter"),
    ],
)
def test_what_is_named_wrongly_is_refused(named: dict[str, str], code: str) -> None:
    content = "Название;Телефон\nООО;1\n".encode("cp1251") + b"\x98" * 2
    assert len(content) % 2 == 1
    assert refusal(content, **named).code == code


def test_a_broken_byte_in_utf_8_is_told_with_its_line_and_not_guessed_away() -> None:
    content = RUSSIAN.encode() + b"\xff;\n"
    error = refusal(content)
    assert (error.code, error.params) == ("table.wrong_encoding", {"encoding": "utf-8", "line": 4})
    error = refusal(content, encoding="utf-8")
    assert (error.code, error.params) == ("table.wrong_encoding", {"encoding": "utf-8", "line": 4})


@pytest.mark.parametrize(
    ("text", "delimiter", "header"),
    [
        ("a;b;c\n1;2;3\n", ";", ("a", "b", "c")),
        ("a,b,c\n1,2,3\n", ",", ("a", "b", "c")),
        ("a\tb\tc\n1\t2\t3\n", "\t", ("a", "b", "c")),
        ("a|b\n1|2\n", "|", ("a", "b")),
        ("name;phone\nx;1, 2\ny;3, 4\n", ";", ("name", "phone")),
        ("name, full;phone\nx;1\ny;3\n", ";", ("name, full", "phone")),
        ('"a;b",c\n"1;2",3\n', ",", ("a;b", "c")),
        ("phone\n8 (383) 000-00-01\n", ";", ("phone",)),
        ("sep=,\na,b;c\n1,2\n", ",", ("a", "b;c")),
    ],
)
def test_the_delimiter_is_found_and_told(text: str, delimiter: str, header: tuple[str, ...]) -> None:
    table = read_table(text.encode())
    assert (table.delimiter, table.header) == (delimiter, header)


def test_rows_know_the_line_on_which_they_begin() -> None:
    table = read_table(b'a;b\r\n"1\r\n2\r\n3";x\r\n\r\n;\r\n4;"y ""z"""\r\n5')
    assert [(row.line, row.cells) for row in table.rows] == [
        (2, ("1\r\n2\r\n3", "x")),
        (7, ("4", 'y "z"')),
        (8, ("5",)),
    ]


def test_old_line_ends_are_line_ends() -> None:
    assert [row.line for row in read_table(b"a;b\r1;2\r3;4").rows] == [2, 3]


def test_a_stray_control_sign_makes_no_text_unreadable() -> None:
    rows = b"".join(b"%d;\xd0\x9f\n" % number for number in range(50))
    assert len(read_table(b"a;b\n" + rows + b"51;\x02\x1a").rows) == 51


def test_empty_columns_at_the_end_are_no_columns() -> None:
    assert read_table(b"a;b;;\n1;2;;\n").header == ("a", "b")


@pytest.mark.parametrize(
    ("content", "code", "params"),
    [
        (b"", "table.empty", {}),
        (b" \r\n\r\n", "table.empty", {}),
        (b";;\n;;\n", "table.empty", {}),
        (b"\xef\xbb\xbf", "table.empty", {}),
        (b"a;b\n", "table.no_rows", {}),
        (b"a;b\n;\n", "table.no_rows", {}),
        (b"a;b\n1;\x002", "table.not_text", {}),
        (bytes(range(1, 32)) * 20, "table.not_text", {}),
        (bytes(range(1, 256)), "table.not_text", {}),
        (b"\1\2\3\4", "table.not_text", {}),
        (b"\0\1" * 100, "table.not_text", {}),
        ("a;b\n1;\0".encode("utf-16"), "table.not_text", {}),
        (b"a;b\n1;" + b"9" * (MAX_CELL + 1), "table.cell_too_long", {"line": 2, "limit": MAX_CELL}),
        (b"a;b\n1;2\n1;" + b"9" * 200_000, "table.cell_too_long", {"line": 3, "limit": MAX_CELL}),
        (b"a" + b";" * MAX_COLUMNS, "table.too_many_columns", {"line": 1, "limit": MAX_COLUMNS}),
        ("Имя;Город;имя\n1;2;3\n".encode(), "table.duplicate_columns", {"names": "Имя, имя"}),
        (b"a;;c\n1;2;3\n", "table.unnamed_column", {"number": 2}),
        (b'a;b\n1;2\n3;"4\n5;6\n', "table.unclosed_quote", {"line": 3}),
        (b'a;b;c\n1;"2;3\n4;5;6\n7;8";9\n', "table.unclosed_quote", {"line": 2}),
    ],
)
def test_what_is_no_table_is_refused_in_words(content: bytes, code: str, params: dict[str, object]) -> None:
    error = refusal(content)
    assert (error.code, error.params) == (code, params)


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x05\x06",
        b"%PDF-1.7",
        b"\x1f\x8b\x08",
        b"<html><table>",
        b'\xef\xbb\xbf<?xml version="1.0"?>',
        b"{\\rtf1 a;b}",
    ],
)
def test_other_formats_are_known_by_their_first_bytes(content: bytes) -> None:
    error = refusal(content)
    assert error.code == "table.other_format"
    assert "CSV" in str(error)


def test_a_file_that_cannot_be_opened_is_told_with_its_name(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.csv", tmp_path, Path("a\0b")):
        error = refusal(path)
        assert error.code == "table.cannot_open"
        assert error.params["path"] == path


def test_a_table_of_too_many_cells_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "MAX_CELLS", 5)
    assert len(read_table(b"a;b\n1;2\n3;4\n").rows) == 2
    error = refusal(b"a;b\n1;2\n3;4\n5;6\n")
    assert (error.code, error.params) == ("table.too_many_cells", {"limit": 5})


def test_a_cell_of_the_greatest_length_and_a_row_of_the_greatest_width_are_read() -> None:
    header = ";".join(f"c{number}" for number in range(MAX_COLUMNS))
    table = read_table(f"{header}\n{'9' * MAX_CELL}\n".encode())
    assert len(table.header) == MAX_COLUMNS
    assert len(table.rows[0].cells[0]) == MAX_CELL


def test_the_seed_files_are_read_whole() -> None:
    whole = read_table(SEED_CASE / "organisations.csv")
    assert (len(whole.rows), whole.encoding, whole.delimiter) == (3221, "utf-8-sig", ";")
    assert {len(row.cells) for row in whole.rows} == {10}
    old = read_table(SEED_CASE / "organisations-cp1251.csv")
    assert (len(old.rows), old.encoding, old.header) == (266, "cp1251", whole.header)
    assert [row.cells for row in old.rows] == [row.cells for row in whole.rows if row.cells[0] == "contacts"]


@settings(deadline=None)  # bytes that begin like a workbook are opened by a process of its own
@given(content=st.binary(max_size=200) | st.text(alphabet='ab;,\t\n\r"\0Яё=', max_size=80).map(str.encode))
@example(content=b"\xff\xfea")
@example(content=b"sep=\n")
@example(content=b'"')
@example(content=b"\xff\xfe\x00\xd8")
def test_any_bytes_end_in_a_table_or_a_clear_error(content: bytes) -> None:
    try:
        table = read_table(content)
    except Refused as error:
        assert error.code.startswith("table.")  # noqa: PT017 - either end is right, as long as it is clear
        return
    assert table.rows
    assert all(any(cell.strip() for cell in row.cells) for row in table.rows)
    lines = [row.line for row in table.rows]
    assert lines == sorted(set(lines))
    assert lines[0] > 1


cell = st.text(
    alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"), min_size=1, max_size=8
)


@given(
    rows=st.lists(st.lists(cell, min_size=3, max_size=3), min_size=1, max_size=8),
    delimiter=st.sampled_from(";,\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_was_written_is_read(rows: list[list[str]], delimiter: str, encoding: str) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    records = [["a", "b", "c"], *rows]
    text = "\n".join(delimiter.join(map(quoted, record)) for record in records)
    wanted = [tuple(row) for row in rows if any(each.strip() for each in row)]
    if not wanted:
        assert refusal(text.encode(encoding)).code == "table.no_rows"
        return
    table = read_table(text.encode(encoding), encoding=encoding, delimiter=delimiter)
    assert [row.cells for row in table.rows] == wanted


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
@pytest.mark.parametrize("title", ["Выгрузка из 1С\n\n", "Список контрагентов\nна 12 ноября\n\n", "Выгрузка;;\n\n"])
def test_a_header_below_a_title_is_found(title: str, delimiter: str) -> None:
    table = read_table((title + RUSSIAN).replace(";", delimiter).encode())
    assert table.header == ("Название", "Город", "Телефон")
    assert tuple(row.cells for row in table.rows) == READ
    assert table.rows[0].line == title.count("\n") + 2


def test_a_header_of_unknown_words_below_a_title_is_the_first_row_as_wide_as_the_next() -> None:
    table = read_table("Отчёт за май\n\nКто;Где\nРомашка;Орёл\nАльфа;Пермь\n".encode())
    assert (table.header, len(table.rows)) == (("Кто", "Где"), 2)


@pytest.mark.parametrize("text", ["name\nРомашка, ООО\nАльфа, ЗАО\n", "Название;Где\nРомашка;\nназвание;телефон 2\n"])
def test_a_first_row_that_is_a_header_stays_one(text: str) -> None:
    assert read_table(text.encode()).header[0] == text.split("\n")[0].split(";")[0]


UNTITLED = "Отчёт за май\n\nКто;Куда\nРомашка;8 (831) 000-00-01\n"


@pytest.mark.parametrize(
    ("header_row", "header", "found", "lines"),
    [
        (None, ("Кто", "Куда"), 3, [4]),
        (1, ("Отчёт за май",), 1, [3, 4]),
        (3, ("Кто", "Куда"), 3, [4]),
        (0, ("A", "B"), 0, [1, 3, 4]),
    ],
)
def test_which_row_is_the_header_may_be_said(
    header_row: int | None, header: tuple[str, ...], found: int, lines: list[int]
) -> None:
    table = read_table(UNTITLED.encode(), header_row=header_row)
    assert (table.header, table.header_row) == (header, found)
    assert [row.line for row in table.rows] == lines
    assert [row.line for row in table.beginning] == [1, 3, 4]


@pytest.mark.parametrize("row", [2, 5, 900])
def test_an_empty_row_or_one_that_is_not_there_is_no_header(row: int) -> None:
    error = refusal(UNTITLED.encode(), header_row=row)
    assert (error.code, error.params) == ("table.no_header_row", {"row": row})


def test_a_header_may_stand_anywhere() -> None:
    title = "".join(f"строка {number};x\n" for number in range(LOOKED_AT + 5))
    table = read_table((title + RUSSIAN).encode(), header_row=LOOKED_AT + 6)
    assert (table.header, tuple(row.cells for row in table.rows)) == (("Название", "Город", "Телефон"), READ)
    assert refusal(RUSSIAN.encode(), header_row=3).code == "table.no_rows"


def test_columns_without_a_header_are_called_as_a_spreadsheet_calls_them() -> None:
    assert [cells.letters(place) for place in (0, 25, 26, 51, 52, 701, 702)] == [
        "A",
        "Z",
        "AA",
        "AZ",
        "BA",
        "ZZ",
        "AAA",
    ]
