"""`dialer import`: a file into a campaign, every row accounted for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select
from xlsxwriter import Workbook

from config.settings import load_settings
from crm.clientele.clients import Client
from crm.database import Database
from crm.errors import Refused
from crm.group import Group
from crm.importing import carrying_on
from tests.dialer.cli.conftest import Dialer, Said

HEADER = "list;name;city;phone;group\n"
GOOD = (
    "spring;Северный ветер;Пермь;8 (342) 000-12-34;warm\n"
    "spring;Альфа;Пермь;+7 342 000-12-35, +7 342 000-12-36 доб. 12;\n"
    "autumn;Вектор;Москва;+7 495 000-12-37;cold\n"
)
BAD = "spring;;Пермь;8 (342) 000-12-38;\nspring;Гамма;Пермь;нет;\n"


def run(dialer: Dialer, office: Path, file: Path, *options: str) -> Said:
    return dialer("import", file, "--campaign", "First campaign", "-c", office, *options)


def clients_in(config: Path) -> int:
    async def count() -> int:
        database = Database(load_settings(config, {}).database_url)
        try:
            async with database.reading() as session:
                return await session.scalar(select(func.count()).select_from(Client)) or 0
        finally:
            await database.dispose()

    return asyncio.run(count())


def test_what_was_taken_and_refused_is_told_and_adds_up(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text(HEADER + GOOD + BAD, encoding="cp1251")
    said = run(dialer, office, file)
    assert said.code == 0, said.err
    assert "firms.csv: 5 rows, cp1251, columns parted by “;”" in said.out
    assert "columns recognised: list → list; name → name of the organisation; city → city; phone" in said.out
    assert "taken: 3\n" in said.out
    assert "refused: 2\n" in said.out
    assert "line 5: The organisation has no name." in said.out
    assert "        1  Warm\n" in said.out
    assert clients_in(office) == 3


def test_a_process_of_its_own_imports_clients_of_every_group(office: Path, tmp_path: Path) -> None:
    """As at a terminal: nothing else of the program has been loaded by an earlier test."""
    file = tmp_path / "firms.csv"
    rows = [f"spring;Фирма {group};Пермь;8 (342) 000-12-{n};{group}\n" for n, group in enumerate(Group, start=10)]
    file.write_text(HEADER + "".join(rows))
    words = [
        str(Path(sys.executable).with_name("dialer")),
        "import",
        str(file),
        "--campaign",
        "First campaign",
        "-c",
        str(office),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert clients_in(office) == len(Group)


def test_refused_rows_go_to_a_file_that_can_be_mended_and_imported(
    dialer: Dialer, office: Path, tmp_path: Path
) -> None:
    file = tmp_path / "firms.csv"
    file.write_text(HEADER + GOOD + BAD)
    run(dialer, office, file)
    refused = tmp_path / "firms.refused.csv"
    rows = refused.read_text(encoding="utf-8-sig").splitlines()
    assert len(rows) == 3
    assert "The organisation has no name." in rows[1]
    mended = refused.read_text(encoding="utf-8-sig").replace("spring;;", "spring;Дельта;").replace("нет", "83420001239")
    refused.write_text(mended, encoding="utf-8")
    said = run(dialer, office, refused)
    assert "taken: 2\n" in said.out, said.out
    assert clients_in(office) == 5


def test_an_earlier_file_of_refused_rows_is_not_written_over(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text(HEADER + GOOD + BAD)
    (tmp_path / "firms.refused.csv").write_text("half mended")
    said = run(dialer, office, file)
    assert (tmp_path / "firms.refused.csv").read_text() == "half mended"
    assert "firms.refused-2.csv" in said.out
    assert (tmp_path / "firms.refused-2.csv").is_file()


def test_trying_writes_nothing(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text(HEADER + GOOD + BAD)
    said = run(dialer, office, file, "--dry-run")
    assert said.code == 0
    assert "Only tried: nothing was written." in said.out
    assert "taken: 3\n" in said.out
    assert clients_in(office) == 0
    assert not (tmp_path / "firms.refused.csv").exists()


def test_one_list_can_be_picked(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text(HEADER + GOOD)
    said = run(dialer, office, file, "--list", "autumn")
    assert "taken: 1\n" in said.out
    assert "passed over, being of other lists: 2\n" in said.out
    assert clients_in(office) == 1


def test_a_second_time_the_same_file_makes_no_double(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text(HEADER + GOOD)
    run(dialer, office, file)
    said = run(dialer, office, file)
    assert "merged with clients of the campaign: 3\n" in said.out
    assert clients_in(office) == 3


def test_a_campaign_that_is_not_there_is_answered_with_those_that_are(
    dialer: Dialer, office: Path, tmp_path: Path
) -> None:
    file = tmp_path / "firms.csv"
    file.write_text(HEADER + GOOD)
    said = dialer("import", file, "--campaign", "Second", "-c", office)
    assert said.code == 1
    assert said.err.strip() == "There is no campaign “Second”. There are: “First campaign”"


def test_a_file_of_which_no_row_can_be_used_is_a_failure(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text(HEADER + BAD)
    assert run(dialer, office, file).code == 1


def test_a_file_that_is_missing_or_no_table_is_said_in_words(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    missing = run(dialer, office, tmp_path / "none.csv")
    assert missing.code == 1
    assert "none.csv cannot be opened: No such file or directory" in missing.err
    workbook = tmp_path / "book.csv"
    workbook.write_bytes(b"PK\x03\x04rest of an archive")
    spreadsheet = run(dialer, office, workbook)
    assert spreadsheet.code == 1
    assert "The file is damaged: " in spreadsheet.err


def test_how_a_file_is_read_may_be_said(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_bytes("Кто,Куда звонить,Телефон\nАльфа,Омск,22-33-44\nБета,?,22-33-45\n".encode("cp866"))
    options = ("--list", "весна", "--encoding", "cp866", "--delimiter", ",", "--map", "Кто=name")
    said = run(dialer, office, file, *options, "--map", "Куда звонить=city", "--area-code", "(342-2)")
    assert said.code == 0, said.err
    assert "columns recognised: Кто → name of the organisation; Куда звонить → city; Телефон → phone" in said.out
    assert "taken: 2\n" in said.out
    said = run(dialer, office, file, *options[:-2])
    assert said.err == "No column holds the name of the organisation. Say which one does: --map COLUMN=name\n"
    said = run(dialer, office, file, *options, "--map", "Телефон")
    assert said.err == "“Телефон” is no COLUMN=FIELD.\n"
    said = run(dialer, office, file, *options, "--area-code", "12")
    assert said.err == "“12” is no area code: three to five digits, such as 383 or 3812.\n"


def test_which_row_is_the_header_may_be_said(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text("Отчёт;за май\nКто;Куда\nАльфа;8 (342) 000-12-34\nБета;8 (342) 000-12-35\n")
    options = ("--list", "весна", "--map")
    said = run(dialer, office, file, *options, "Кто=name", "--map", "Куда=phone", "--header-row", "2")
    assert said.code == 0, said.err
    assert "firms.csv: 2 rows, utf-8, columns parted by “;”, header in row 2\n" in said.out
    assert "taken: 2\n" in said.out
    said = run(dialer, office, file, *options, "A=name", "--map", "B=phone", "--header-row", "0")
    assert "firms.csv: 4 rows, utf-8, columns parted by “;”, without a header\n" in said.out
    assert "merged with clients of the campaign: 2\nrefused: 2\n" in said.out
    said = run(dialer, office, file, *options, "A=name", "--header-row", "9")
    assert (said.code, said.err) == (1, "Row 9 cannot be the header: it is empty, or not in the file.\n")
    assert run(dialer, office, file, "--header-row", "-1").code == 2
    assert "without a header\n" in dialer("imports", "show", "2", "-c", office).out


def test_a_workbook_is_imported_and_says_which_sheet_was_read(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "firms.xlsx"
    book = Workbook(file)
    book.add_worksheet("Пусто")
    book.add_worksheet("Пермь").add_table(0, 0, 1, 1, {"data": [["Альфа", 73420001234]], "columns": [
        {"header": "Название"}, {"header": "Телефон"},
    ]})  # fmt: skip
    book.close()
    said = run(dialer, office, file, "--list", "весна")
    assert said.code == 0, said.err
    assert "firms.xlsx: 1 row, XLSX, sheet “Пермь”, header in row 1\nsheets or tables: Пусто, Пермь\n" in said.out
    assert "taken: 1\n" in said.out
    assert "no sheet or table “Омск”" in run(dialer, office, file, "--list", "весна", "--sheet", "Омск").err


def test_progress_is_shown_to_people_only(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text(HEADER + GOOD)
    assert run(dialer, office, file).err == ""


def test_progress_is_seen_on_a_screen(
    dialer: Dialer, office: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "firms.csv"
    file.write_text(HEADER + GOOD)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert "3 of 3 rows" in run(dialer, office, file).err


def test_what_was_refused_of_a_list_named_for_all_rows_is_imported_as_it_is(
    dialer: Dialer, office: Path, tmp_path: Path
) -> None:
    file = tmp_path / "firms.csv"
    file.write_text("название\tтелефон\tсклад\nАльфа\t8 (342) 000-12-34\tда\nБета\tнет\tнет\n", encoding="utf-8-sig")
    said = run(dialer, office, file)
    assert (said.code, said.err) == (1, "No column holds the call list. Name one for all rows: --list NAME\n")
    said = run(dialer, office, file, "--list", "весна")
    assert "firms.csv: 2 rows, UTF-8, columns parted by tabs" in said.out
    assert "kept beside, not recognised: склад" in said.out
    refused = tmp_path / "firms.refused.csv"
    refused.write_text(refused.read_text("utf-8-sig").replace("нет;нет", "8 (342) 000-12-35;нет"), "utf-8-sig")
    said = run(dialer, office, refused)
    assert "firms.refused.csv: 1 row, UTF-8" in said.out
    assert "        1  весна\n" in said.out


def test_contacts_from_elsewhere(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    firms, contacts = tmp_path / "firms.csv", tmp_path / "contacts.csv"
    firms.write_text("list;code;name;phone\nspring;a-1;Альфа;8 (342) 000-12-34\n")
    assert run(dialer, office, firms).code == 0
    contacts.write_text(
        "code;date;person;main_contact;summary\n"
        "a-1;2026-03-30;Петров Пётр;yes;\n"
        "a-1;2026-03-31;Петров Пётр;no;Руководитель в командировке\n"
        "a-7;2026-03-31;Петров Пётр;yes;\n"
    )
    words = ("import-contacts", contacts, "--campaign", "First campaign", "-c", office)
    assert dialer(*words, "--dry-run").out.startswith("Only tried: nothing was written.\ntaken: 2\n")
    said = dialer(*words)
    assert said.code == 0, said.err
    assert said.out.startswith("taken: 2\nthere already: 0\nrefused: 1\n")
    assert "line 4: There is no client “a-7” in this campaign." in said.out
    refused = tmp_path / "contacts.refused.csv"
    refused.write_text(refused.read_text("utf-8-sig").replace("a-7", "a-1"), "utf-8-sig")
    again = dialer("import-contacts", refused, "--campaign", "First campaign", "-c", office)
    assert again.out.startswith("taken: 1\n")
    assert dialer(*words).out.startswith("taken: 0\nthere already: 2\n")


def test_an_import_is_listed_shown_and_undone(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text(HEADER + GOOD + BAD)
    assert run(dialer, office, file).code == 0
    listed = dialer("imports", "list", "--campaign", "First campaign", "-c", office)
    assert listed.code == 0, listed.err
    assert listed.out.splitlines()[1].split()[-8:] == ["campaign", "firms.csv", "taken", "in", "5", "3", "0", "2"]
    shown = dialer("imports", "show", "1", "-c", office)
    assert "utf-8, columns parted by “;”, header in row 1\n" in shown.out
    assert "phone → phone\n" in shown.out
    assert "line 5: The organisation has no name." in shown.out
    undone = dialer("imports", "undo", "1", "-c", office)
    assert undone.out.startswith("rows whose clients are removed: 3\n")
    assert clients_in(office) == 0
    again = dialer("imports", "undo", "1", "-c", office)
    assert (again.code, again.err) == (1, "Import 1 has been confirmed, discarded or undone already.\n")


def test_an_import_that_was_interrupted_is_gone_on_with(
    dialer: Dialer, office: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refusing(*_given: object, **_named: object) -> None:
        raise Refused("erasure.no_key")

    file = tmp_path / "firms.csv"
    file.write_text(HEADER + GOOD + BAD)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(carrying_on, "confirm_some", refusing)
        assert run(dialer, office, file).code == 1
    assert clients_in(office) == 0
    assert "being taken in, 0 of 5 rows" in dialer("imports", "list", "-c", office).out
    undone = dialer("imports", "undo", "1", "-c", office)
    assert undone.err == "Import 1 is being read, taken in, undone or discarded at the moment.\n"
    gone_on = dialer("imports", "continue", "1", "-c", office)
    assert gone_on.out.startswith("firms.csv: taken in\ntaken: 3\n")
    assert clients_in(office) == 3
    assert dialer("imports", "continue", "1", "-c", office).out == gone_on.out


def test_a_mapping_is_saved_and_used_for_the_next_file(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text("Кто;Куда;Код\nАльфа;8 (342) 000-12-34;1\n")
    options = ("--map", "Кто=name", "--map", "Куда=phone", "--save-mapping", "Справочник")
    assert run(dialer, office, file, "--list", "весна", *options).code == 0
    assert dialer("imports", "mappings", "-c", office).out.splitlines()[1].split(maxsplit=1) == [
        "Справочник", "Код → code; Кто → name; Куда → phone",
    ]  # fmt: skip
    file.write_text("Кто;Куда\nБета;8 (342) 000-12-35\n")
    said = run(dialer, office, file, "--list", "весна", "--mapping", "справочник")
    assert said.code == 0, said.err
    assert clients_in(office) == 2
    said = run(dialer, office, file, "--list", "весна", "--mapping", "Другой")
    assert said.err == "There is no saved mapping “Другой”.\n"
