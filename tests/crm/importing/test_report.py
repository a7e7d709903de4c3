import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from crm.importing.mapping import REASON_COLUMNS
from crm.importing.report import ImportReport, refused_csv
from crm.importing.rows import RefusedRow, clean
from crm.importing.tables import read_table
from crm.problems import PROBLEMS, Problem


def report_of(header: tuple[str, ...], *rows: tuple[str, ...]) -> ImportReport:
    report = ImportReport(header, "utf-8", ";", dry_run=False, rows=len(rows))
    report.refused = [RefusedRow(line, (Problem("row.no_name"),), row) for line, row in enumerate(rows, 2)]
    return report


def test_the_file_has_the_columns_it_came_from_and_one_that_says_why() -> None:
    content = refused_csv(report_of(("name", "phone"), ("", "8 (383) 000-00-01"), ("", "1", "surplus"), ("",)))
    assert content.startswith(b"\xef\xbb\xbf")
    assert list(csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=";")) == [
        ["name", "phone", "Not imported because"],
        ["", "8 (383) 000-00-01", "The organisation has no name."],
        ["", "1", "The organisation has no name.", "surplus"],
        ["", "", "The organisation has no name."],
    ]


def test_the_reason_is_in_the_words_of_the_reader_and_never_there_twice() -> None:
    first = refused_csv(
        report_of(("name",), ("",)), words=lambda problem: "Без названия", reason_column=REASON_COLUMNS["ru"]
    )
    table = read_table(first)
    assert table.header == ("name", "Не загружено, потому что")
    assert table.rows[0].cells == ("", "Без названия")
    second = read_table(refused_csv(report_of(table.header, table.rows[0].cells)))
    assert second.header == ("name", "Not imported because")
    assert second.rows[0].cells == ("", "The organisation has no name.")


def test_no_cell_is_a_formula_for_a_spreadsheet_and_the_import_reads_it_as_it_was() -> None:
    risky = ("=1+1", "+7 383", "-5", "@SUM(A1)", ' =cmd|"/C calc"!A0', "plain", "'quoted'", "")
    header = tuple(f"c{number}" for number in range(len(risky)))
    table = read_table(refused_csv(report_of(header, risky)))
    cells = table.rows[0].cells[: len(risky)]
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in cells)
    assert [clean(cell) for cell in cells] == [clean(cell) for cell in risky]


def test_a_spreadsheet_that_parts_at_commas_or_tabs_sees_no_formula_either() -> None:
    content = refused_csv(report_of(("name", "city"), ("x,=1+cmd|'/C calc'!A0", "y\t=1+1"))).decode("utf-8-sig")
    for delimiter in ",\t":
        cells = [cell for row in csv.reader(io.StringIO(content), delimiter=delimiter) for cell in row]
        assert not any(cell.startswith("=") for cell in cells)


@given(cells=st.lists(st.text(alphabet="ab'=+-@;\"\n ", max_size=6), min_size=2, max_size=4))
def test_any_refused_row_comes_back_as_it_was(cells: list[str]) -> None:
    header = tuple(f"c{number}" for number in range(len(cells)))
    table = read_table(refused_csv(report_of(header, tuple(cells))), delimiter=";")
    assert [clean(cell) for cell in table.rows[0].cells[: len(cells)]] == [clean(cell) for cell in cells]


def test_a_cell_with_lines_like_rows_is_no_open_quote() -> None:
    table = read_table(refused_csv(report_of(("name", "city"), ("", "Perm;;\nand more"))))
    assert clean(table.rows[0].cells[1]) == "Perm;; and more"


def test_every_sentence_can_be_filled() -> None:
    for sentence in PROBLEMS.values():
        assert sentence[-1] in ".?"
        assert "{}" not in sentence
