import csv
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from crm.audit import CLIENTS_IMPORTED, AuditEntry
from crm.base.organisations import Organisation
from crm.base.people import Person
from crm.base.phone_numbers import PhoneNumber
from crm.clientele.clients import Client
from crm.clientele.groups import GroupMove, MoveCause
from crm.database import Database
from crm.errors import Refused
from crm.group import Group
from crm.importing.clients import import_clients
from crm.importing.mapping import guess_mapping
from crm.importing.report import ImportReport, refused_csv
from crm.importing.tables import Table, read_table
from crm.office.users import Role, User
from crm.preparation.call_lists import CallList, ListState, set_list_state
from crm.preparation.campaigns import add_campaign, campaign_named
from tests.crm.builders import HASH

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SEED_CASE = Path(__file__).parents[2] / "data" / "seed-case"
HEADER = "list;code;name;phone"


@pytest.fixture
async def base(database: Database) -> Database:
    """A database with the campaigns "autumn" and "winter"."""
    async with database.transaction() as session:
        await add_campaign(session, name="autumn", now=NOW)
        await add_campaign(session, name="winter", now=NOW)
    return database


def table_of(*lines: str, header: str = HEADER) -> Table:
    return read_table("\n".join([header, *lines]).encode(), delimiter=";")


async def take(base: Database, table: Table, campaign: str = "autumn", **named: Any) -> ImportReport:
    async with base.transaction() as session:
        report = await import_clients(
            session,
            campaign=await campaign_named(session, campaign),
            table=table,
            mapping=guess_mapping(table.header),
            **{"now": NOW, **named},
        )
    assert report.taken + report.merged + len(report.refused) == report.rows
    assert report.rows + report.not_selected == len(table.rows)
    return report


async def rows_of(base: Database, query: str) -> list[tuple[Any, ...]]:
    async with base.reading() as session:
        return [tuple(row) for row in await session.execute(text(query))]


async def counts(base: Database) -> dict[str, int]:
    tables = (Organisation, Client, PhoneNumber, Person, CallList, GroupMove)
    names = [each.__tablename__ for each in tables]
    return {name: (await rows_of(base, f"SELECT count(*) FROM {name}"))[0][0] for name in [*names, "sources"]}


def expected(name: str) -> list[dict[str, str]]:
    with (SEED_CASE / "expected" / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def codes(report: ImportReport) -> list[str]:
    return [remark.problem.code for remark in report.remarks]


async def test_the_seed_file_is_imported_whole_and_gives_the_expected_tables(base: Database) -> None:
    told: list[tuple[int, int]] = []
    table = read_table(SEED_CASE / "organisations.csv")
    report = await take(base, table, progress=lambda done, total: told.append((done, total)))
    assert (report.rows, report.taken, report.merged, report.refused) == (3221, 3221, 0, [])
    assert report.by_list == {"structure": 1200, "groups": 969, "headcount": 786, "contacts": 266}
    assert (report.encoding, report.delimiter) == ("utf-8-sig", ";")
    assert told[-1] == (3221, 3221)
    assert [done for done, _ in told] == sorted({done for done, _ in told})

    groups = await rows_of(
        base,
        "SELECT c.client_group, count(*) FROM clients c JOIN call_lists l ON l.id = c.call_list_id"
        " WHERE l.name = 'groups' GROUP BY c.client_group",
    )
    assert dict(groups) == {row["group"]: int(row["organisations"]) for row in expected("groups.csv")}
    structure = await rows_of(
        base,
        "SELECT o.industry, count(*) FROM clients c JOIN call_lists l ON l.id = c.call_list_id"
        " JOIN organisations o ON o.id = c.organisation_id WHERE l.name = 'structure' GROUP BY o.industry",
    )
    assert dict(structure) == {row["industry"]: int(row["organisations"]) for row in expected("structure.csv")}
    assert await counts(base) == {
        "organisations": 3221,
        "clients": 3221,
        "phone_numbers": 3221,
        "people": 0,
        "call_lists": 4,
        "group_moves": 969,
        "sources": 5,
    }
    assert await rows_of(base, "SELECT DISTINCT state FROM call_lists") == [("draft",)]
    assert not await rows_of(base, "SELECT id FROM organisations WHERE time_zone = ''")


async def test_every_cell_of_the_seed_file_is_in_the_base(base: Database) -> None:
    await take(base, read_table(SEED_CASE / "organisations.csv"))
    with (SEED_CASE / "organisations.csv").open(encoding="utf-8-sig", newline="") as file:
        wanted = {tuple(row) for row in list(csv.reader(file, delimiter=";"))[1:]}
    async with base.reading() as session:
        found = await session.execute(
            text(
                "SELECT l.name, c.code, o.name, o.city, p.raw, o.industry, s.name, c.client_group, o.headcount, o.id"
                " FROM clients c JOIN organisations o ON o.id = c.organisation_id"
                " JOIN call_lists l ON l.id = c.call_list_id JOIN sources s ON s.id = c.source_id"
                " JOIN phone_numbers p ON p.organisation_id = o.id"
            )
        )
        stored = set()
        for *cells, group, headcount, organisation_id in found.all():
            organisation = await session.get_one(Organisation, organisation_id)
            social_work = organisation.attributes.get("social_work", "")
            told = "" if headcount is None else str(headcount)
            stored.add((*cells, "" if group == "new" else group, told, social_work))
    assert stored == wanted


async def test_the_old_windows_file_gives_the_same_clients(base: Database) -> None:
    await take(base, read_table(SEED_CASE / "organisations.csv"), list_name="contacts")
    old = await take(base, read_table(SEED_CASE / "organisations-cp1251.csv"), campaign="winter")
    assert (old.rows, old.taken, old.encoding) == (266, 266, "cp1251")
    query = (
        "SELECT o.name, o.city, o.industry, c.code, p.e164, s.name FROM clients c"
        " JOIN organisations o ON o.id = c.organisation_id JOIN phone_numbers p ON p.organisation_id = o.id"
        " JOIN sources s ON s.id = c.source_id JOIN campaigns k ON k.id = c.campaign_id WHERE k.name = '{}'"
    )
    autumn = await rows_of(base, query.format("autumn"))
    assert len(autumn) == 266
    assert sorted(autumn) == sorted(await rows_of(base, query.format("winter")))
    assert (await counts(base))["organisations"] == 266


async def test_the_same_file_again_takes_nothing_and_changes_nothing(base: Database) -> None:
    table = read_table(SEED_CASE / "organisations.csv")
    await take(base, table)
    before = await counts(base)
    again = await take(base, table, now=LATER)
    assert (again.taken, again.merged, again.refused, again.remarks) == (0, 3221, [], [])
    assert again.by_list == again.by_group == again.by_source == {}
    assert await counts(base) == before
    assert await rows_of(base, "SELECT max(version) FROM organisations") == [(1,)]
    old = await take(base, read_table(SEED_CASE / "organisations-cp1251.csv"))
    assert (old.taken, old.merged) == (0, 266)


async def test_a_dry_run_says_the_same_and_writes_nothing(base: Database) -> None:
    table = read_table(SEED_CASE / "organisations.csv")
    dry = await take(base, table, dry_run=True)
    assert set((await counts(base)).values()) == {0}
    wet = await take(base, table)
    assert dry.dry_run
    assert (dry.rows, dry.taken, dry.merged) == (wet.rows, wet.taken, wet.merged)
    assert (dry.by_list, dry.by_group, dry.by_source) == (wet.by_list, wet.by_group, wet.by_source)


async def test_a_named_list_picks_its_rows(base: Database) -> None:
    report = await take(base, read_table(SEED_CASE / "organisations.csv"), list_name="Contacts")
    assert (report.rows, report.taken, report.not_selected) == (266, 266, 2955)
    assert await rows_of(base, "SELECT name FROM call_lists") == [("Contacts",)]


async def test_a_named_list_is_for_all_rows_if_no_column_names_lists(base: Database) -> None:
    table = table_of("ООО А;8 (383) 000-00-01", "ООО Б;8 (383) 000-00-02", header="name;phone")
    with pytest.raises(Refused) as caught:
        await take(base, table)
    assert caught.value.code == "import.no_list"
    report = await take(base, table, list_name=" Весна ")
    assert report.by_list == {"Весна": 2}


async def test_a_list_that_no_row_is_of_is_told_with_those_that_there_are(base: Database) -> None:
    with pytest.raises(Refused) as caught:
        await take(base, table_of("a;1;ООО;8 (383) 000-00-01"), list_name="b")
    assert caught.value.code == "import.list_not_in_file"
    assert caught.value.params == {"list": "b", "lists": "a"}


async def test_refused_rows_are_told_with_their_lines_and_the_others_are_taken(base: Database) -> None:
    table = table_of(
        "a;1;ООО А;8 (383) 000-00-01",
        "a;2;;8 (383) 000-00-02",
        '"a";3;"ООО',
        'Две строки";8 (383) 000-00-03',
        "a;4;ООО Г;7,9E+10",
        ";5;ООО Д;8 (383) 000-00-05",
        "a;6;ООО Е;",
        "a;7;ООО Ж;8 (383) 000-00-07;лишнее",
        "a;8;ООО З;8 (383) 000-00-08",
    )
    report = await take(base, table)
    assert (report.rows, report.taken, report.merged) == (8, 3, 0)
    assert [(row.line, row.code) for row in report.refused] == [
        (3, "row.no_name"),
        (6, "phone.digits_lost"),
        (7, "row.no_list"),
        (8, "row.no_phone"),
        (9, "row.too_many_cells"),
    ]
    assert report.refused[1].raw == ("a", "4", "ООО Г", "7,9E+10")
    assert sorted(await rows_of(base, "SELECT name FROM organisations")) == [
        ("ООО А",),
        ("ООО Две строки",),
        ("ООО З",),
    ]


async def test_the_refused_rows_mended_are_imported_from_their_own_file(base: Database) -> None:
    table = table_of("a;1;=ООО А;8 (383) 000-00-01", "a;2;=ООО Б;7,9E+10", "a;3;ООО В;+7 383 000-00-03 l3")
    report = await take(base, table)
    assert report.taken == 2
    content = refused_csv(report)
    assert b";'=" in content
    mended = read_table(content.replace(b"7,9E+10;", b"'+7 383 000-00-02;", 1))
    assert mended.header == (*table.header, "Not imported because")
    again = await take(base, mended)
    assert (again.rows, again.taken, again.refused) == (1, 1, [])
    assert await rows_of(base, "SELECT name FROM organisations WHERE code = '2'") == [("=ООО Б",)]
    assert not (await rows_of(base, "SELECT id FROM people"))


async def test_group_words_move_the_client_and_the_move_says_who_and_why(base: Database) -> None:
    await take(base, table_of("a;ООО А;8 (383) 000-00-01;Горячие", header="list;name;phone;group"))
    async with base.reading() as session:
        [client] = (await session.scalars(Client.__table__.select().with_only_columns(Client.id))).all()
        move = await session.get_one(GroupMove, 1)
        found = await session.get_one(Client, client)
    assert found.group is Group.HOT
    assert (move.from_group, move.to_group, move.cause) == (Group.NEW, Group.HOT, MoveCause.IMPORT)
    assert (move.client_id, move.at, move.author_id) == (client, NOW, None)


async def test_the_same_company_twice_in_a_file_is_one_client_with_both_numbers(base: Database) -> None:
    report = await take(
        base,
        table_of(
            "a;ООО «Ёлка»;8 (383) 000-00-01;;",
            "a;ооо  «елка»;8 (383) 000-00-01, 8 (383) 000-00-02;Томск;warm",
            header="list;name;phone;city;group",
        ),
    )
    assert (report.taken, report.merged) == (1, 1)
    assert await rows_of(base, "SELECT e164, rank FROM phone_numbers ORDER BY rank") == [
        ("+73830000001", 0),
        ("+73830000002", 1),
    ]
    assert await rows_of(base, "SELECT name, city FROM organisations") == [("ООО «Ёлка»", "Томск")]
    assert await rows_of(base, "SELECT client_group FROM clients") == [("warm",)]


async def test_another_company_with_the_same_number_is_taken_and_pointed_out(base: Database) -> None:
    await take(base, table_of("a;1;ООО А;8 (383) 000-00-01"))
    report = await take(base, table_of("a;2;ООО Б;8 (383) 000-00-01", "a;3;ООО А;8 (383) 000-00-01 доб. 5"))
    assert report.taken == 2
    [remark] = report.remarks
    assert (remark.line, remark.problem.code) == (2, "row.possible_duplicate")
    assert remark.problem.params == {"name": "ООО Б", "other": "ООО А"}


async def test_the_same_code_in_the_same_list_is_the_same_client(base: Database) -> None:
    await take(base, table_of("a;1;ООО А;8 (383) 000-00-01"))
    report = await take(base, table_of("a;1;ООО А Плюс;8 (383) 000-00-09", "b;1;ООО Другая;8 (383) 000-00-10"))
    assert (report.taken, report.merged) == (1, 1)
    assert codes(report) == ["row.kept_existing"]
    assert report.remarks[0].problem.params == {
        "name": "ООО А Плюс",
        "field": "name",
        "kept": "ООО А",
        "given": "ООО А Плюс",
    }
    assert await rows_of(
        base,
        "SELECT o.name, p.e164 FROM phone_numbers p JOIN organisations o ON o.id = p.organisation_id ORDER BY p.id",
    ) == [("ООО А", "+73830000001"), ("ООО А", "+73830000009"), ("ООО Другая", "+73830000010")]


async def test_a_merged_row_fills_in_blanks_and_keeps_what_there_is(base: Database) -> None:
    header = "list;name;phone;city;headcount;note;Этаж;source;group;person"
    await take(base, table_of("a;ООО А;8 (383) 000-00-01;;;;;;warm;Иванов Иван", header=header))
    filled = "b;ООО А;8 (383) 000-00-01;Томск;50;звонить утром;3;2ГИС;;Петрова Анна"
    report = await take(base, table_of(filled, header=header), now=LATER)
    assert codes(report) == ["row.in_other_list"]
    other = "a;ООО А;8 (383) 000-00-01;Омск;60;;4;Газета;cold;иванов иван"
    report = await take(base, table_of(other, header=header), now=LATER)
    assert [remark.problem.params["field"] for remark in report.remarks] == [
        "city",
        "Этаж",
        "headcount",
        "source",
        "group",
    ]
    async with base.reading() as session:
        organisation = await session.get_one(Organisation, 1)
        client = await session.get_one(Client, 1)
        people = await rows_of(base, "SELECT full_name FROM people ORDER BY id")
        lists = await rows_of(
            base,
            "SELECT l.name, s.name FROM clients c JOIN call_lists l ON l.id = c.call_list_id"
            " JOIN sources s ON s.id = c.source_id",
        )
    assert (organisation.city, organisation.headcount, organisation.note) == ("Томск", 50, "звонить утром")
    assert organisation.attributes == {"Этаж": "3"}
    assert organisation.time_zone == "Asia/Novosibirsk"
    assert client.group is Group.WARM
    assert people == [("Иванов Иван",), ("Петрова Анна",)]
    assert lists == [("a", "2ГИС")]


async def test_a_company_of_another_campaign_becomes_a_client_of_this_one_too(base: Database) -> None:
    await take(base, table_of("a;1;ООО А;8 (383) 000-00-01"))
    report = await take(base, table_of("a;77;ооо а;8 (383) 000-00-01"), campaign="winter")
    assert (report.taken, report.merged) == (1, 0)
    found = await counts(base)
    assert (found["organisations"], found["clients"], found["call_lists"]) == (1, 2, 2)
    assert await rows_of(base, "SELECT code FROM clients ORDER BY id") == [("1",), ("77",)]


async def test_a_number_with_an_extension_is_known_again(base: Database) -> None:
    table = table_of("a;1;ООО А;8 (383) 000-00-01 доб. 5, 8 (383) 000-00-01")
    await take(base, table)
    assert (await take(base, table)).merged == 1
    assert await rows_of(base, "SELECT extension FROM phone_numbers ORDER BY rank") == [("5",), ("",)]


async def test_a_dry_run_needs_no_right_to_write(base: Database) -> None:
    table = table_of("a;1;ООО А;8 (383) 000-00-01")
    async with base.reading() as session:
        campaign = await campaign_named(session, "autumn")
        mapping = guess_mapping(table.header)
        report = await import_clients(session, campaign=campaign, table=table, mapping=mapping, now=NOW, dry_run=True)
    assert report.taken == 1


async def test_a_list_that_was_handed_in_for_approval_takes_nobody_new(base: Database) -> None:
    async with base.transaction() as session:
        await add_campaign(session, name="strict", now=NOW, lists_need_approval=True)
    first = await take(base, table_of("a;1;ООО А;8 (383) 000-00-01"), campaign="strict")
    assert first.taken == 1
    async with base.transaction() as session:
        await set_list_state(session, call_list_id=1, to=ListState.APPROVED, now=NOW, by="Customer")
    table = table_of("a;1;ООО А;8 (383) 000-00-01", "A;2;ООО Б;8 (383) 000-00-02", "b;3;ООО В;8 (383) 000-00-03")
    report = await take(base, table, campaign="strict")
    assert (report.taken, report.merged) == (1, 1)
    [refused] = report.refused
    assert (refused.line, refused.code, refused.raw) == (3, "row.list_closed", table.rows[1].cells)


async def test_rows_beyond_one_batch_find_those_before(base: Database) -> None:
    lines = [
        f"a;{number};ООО {number};8 (383) {number // 10000:03}-{number // 100 % 100:02}-{number % 100:02}"
        for number in range(1300)
    ]
    report = await take(base, table_of(*lines, *lines[::-1]))
    assert (report.taken, report.merged) == (1300, 1300)
    assert (await counts(base))["clients"] == 1300


async def test_an_import_that_fails_leaves_nothing(base: Database) -> None:
    def fail(done: int, total: int) -> None:
        if done == total:
            raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError):
        await take(base, read_table(SEED_CASE / "organisations-cp1251.csv"), progress=fail)
    assert set((await counts(base)).values()) == {0}


MUTATIONS: dict[str, tuple[Callable[[list[str]], None], str]] = {
    "a name is lost": (lambda cells: cells.__setitem__(2, " "), "row.no_name"),
    "a number is rounded": (lambda cells: cells.__setitem__(4, "7,9E+10"), "phone.digits_lost"),
    "a number is cut": (lambda cells: cells.__setitem__(4, cells[4][:-1]), "phone.too_short"),
    "a number is lost": (lambda cells: cells.__setitem__(4, ""), "row.no_phone"),
    "a group is misspelt": (lambda cells: cells.__setitem__(7, "lukewarm"), "row.unknown_group"),
    "a headcount is words": (lambda cells: cells.__setitem__(8, "около ста"), "row.headcount"),
    "a cell is added": (lambda cells: cells.append("!"), "row.too_many_cells"),
    "a list is lost": (lambda cells: cells.__setitem__(0, ""), "row.no_list"),
}


async def test_damaged_rows_of_the_seed_file_are_refused_and_no_other(base: Database) -> None:
    with (SEED_CASE / "organisations.csv").open(encoding="utf-8-sig", newline="") as file:
        records = list(csv.reader(file, delimiter=";"))
    damaged: dict[int, str] = {}
    for place, (mutate, code) in enumerate(MUTATIONS.values()):
        for at in range(50 + 7 * place, len(records), 400):
            mutate(records[at])
            damaged[at + 1] = code  # the header is line 1, and no cell of the file has a line end
    path = "".join(
        ";".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in record) + "\r\n" for record in records
    )
    report = await take(base, read_table(path.encode("cp1251")), dry_run=True)
    assert {row.line: row.code for row in report.refused} == damaged
    assert report.taken == 3221 - len(damaged)
    assert Counter(row.code for row in report.refused).keys() == {code for _, code in MUTATIONS.values()}


async def test_the_audit_keeps_who_brought_which_file_in(base: Database) -> None:
    async with base.transaction() as session:
        user = User(login="olga", name="Ольга", role=Role.MANAGER, password_hash=HASH, created_at=NOW)
        session.add(user)
        await session.flush()
    table = table_of("north;1;Альфа;8 342 000-12-34", "north;2;;8 342 000-12-35")
    await take(base, table, file_name="firms.csv", author_id=user.id, dry_run=True)
    assert await entries_of(base) == []
    await take(base, table, file_name="firms.csv", author_id=user.id)
    await take(base, table)
    counts_of = {"rows": 2, "lists": {"north": 1}, "taken": 1, "merged": 0, "refused": 1}
    again = {"rows": 2, "lists": {}, "taken": 0, "merged": 1, "refused": 1}
    ((campaign_id,),) = await rows_of(base, "SELECT id FROM campaigns WHERE name = 'autumn'")
    campaign = f"campaign:{campaign_id}"
    assert [(entry.user_id, entry.at, entry.subject, entry.details) for entry in await entries_of(base)] == [
        (user.id, NOW, campaign, {"file": "firms.csv", **counts_of}),
        (None, NOW, campaign, {"file": "", **again}),
    ]


async def test_an_import_that_fails_leaves_no_entry(base: Database) -> None:
    table = table_of("north;1;Альфа;8 342 000-12-34")

    async def take_and_fail() -> None:
        async with base.transaction() as session:
            campaign = await campaign_named(session, "autumn")
            mapping = guess_mapping(table.header)
            await import_clients(session, campaign=campaign, table=table, mapping=mapping, now=NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await take_and_fail()
    assert await entries_of(base) == []


async def entries_of(base: Database) -> list[AuditEntry]:
    async with base.reading() as session:
        noted = select(AuditEntry).where(AuditEntry.action == CLIENTS_IMPORTED).order_by(AuditEntry.id)
        return list(await session.scalars(noted))
