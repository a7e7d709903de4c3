"""Access databases, as Access has written them: 97 with eight-bit text, later ones with Unicode."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from crm.errors import Refused
from crm.importing.mapping import columns_of
from crm.importing.rows import ClientRow, read_row
from crm.importing.tables import read_table

FILES = Path(__file__).parents[2] / "data" / "access"
REASON = "mdbtools is not installed (apt-get install mdbtools)"


@pytest.fixture(autouse=True)
def _mdbtools() -> None:
    if shutil.which("mdb-export") is None:
        if os.environ.get("CI"):
            pytest.fail(REASON)
        pytest.skip(REASON)


def refusal(content: bytes, part: str = "") -> Refused:
    with pytest.raises(Refused) as caught:
        read_table(content, part=part)
    return caught.value


def test_access_97_with_cyrillic_is_read_right_and_its_encoding_is_told() -> None:
    table = read_table(FILES / "cyrillic-97.mdb")
    assert (table.form, table.encoding, table.part, table.parts) == ("access97", "cp1251", "Table1", ("Table1",))
    assert table.header[:3] == ("data1", "data3", "data4")
    assert [row.cells[0] for row in table.rows] == ["Альфа   ", "Бета-Юг ", "", "«Заря»  ", "", "", "ЪыЯч №7 "]
    assert table.rows[2].cells[7] == "чужой   "
    named = read_table(FILES / "cyrillic-97.mdb", encoding="koi8-r")
    assert (named.encoding, named.rows[0].cells[0]) == ("koi8-r", "юКЭТЮ   ")


def test_access_2010_with_cyrillic_is_read_right() -> None:
    table = read_table(FILES / "cyrillic-2010.accdb")
    assert (table.form, table.encoding) == ("access", "")
    assert [row.cells[0] for row in table.rows] == ["Альфа", "Бета ", "", "Заря ", "", "", "ЪыЯч№"]


def test_what_access_wrote_itself_is_read_as_it_is() -> None:
    table = read_table(FILES / "unicode-2003.mdb")
    assert [row.cells[1] for row in table.rows[:3]] == ["only ascii chars", "ääkkösiä", "Мир"]
    assert read_table(FILES / "plain-97.mdb").rows[1].cells == ("row2col1", "row2col3")


def test_its_rows_are_clients() -> None:
    table = read_table(FILES / "cyrillic-97.mdb")
    columns = columns_of(table.header, {"data1": "name", "data3": "phone"})
    row = read_row(table.rows[1], columns, area_code="3812")
    assert isinstance(row, ClientRow)
    assert (row.name, row.phones[0].e164) == ("Бета-Юг", "+73812223344")


def test_a_table_that_is_not_there_is_told_with_those_that_are() -> None:
    error = refusal((FILES / "plain-97.mdb").read_bytes(), "Clients")
    assert (error.code, error.params) == ("table.no_part", {"part": "Clients", "parts": "Table1"})


@pytest.mark.parametrize("name", ["cyrillic-97.mdb", "cyrillic-2010.accdb"])
@pytest.mark.parametrize("kept", [24, 4_096, 30_000])
def test_a_file_that_was_cut_off_ends_in_a_clear_message(name: str, kept: int) -> None:
    assert refusal((FILES / name).read_bytes()[:kept]).code in {"table.damaged", "table.empty", "table.too_demanding"}


@pytest.mark.parametrize("name", ["cyrillic-97.mdb", "cyrillic-2010.accdb"])
def test_a_file_of_scrambled_pages_ends_in_a_clear_message(name: str) -> None:
    content = (FILES / name).read_bytes()
    scrambled = content[:128] + bytes(byte ^ 0x5A for byte in content[128:])  # as a database password leaves it
    assert refusal(scrambled).code in {"table.damaged", "table.empty", "table.too_demanding"}


def test_without_mdbtools_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert refusal((FILES / "plain-97.mdb").read_bytes()).code == "table.no_mdbtools"


def test_the_names_of_the_fields_are_the_first_row_and_another_may_be_the_header() -> None:
    file = FILES / "plain-97.mdb"
    found, named = read_table(file), read_table(file, header_row=2)
    assert (named.header, named.header_row, named.rows) == (found.rows[0].cells, 2, found.rows[1:])
    with pytest.raises(Refused) as caught:
        read_table(file, header_row=0)
    assert caught.value.code == "table.fields_have_names"
