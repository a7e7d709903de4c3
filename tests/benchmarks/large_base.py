"""A base of a million organisations with five million activities, written fast into either database.

It is skewed as real ones are: six of ten names begin with "ООО", a quarter hold "строй", few surnames are many
people's, a third of the numbers begin alike, one campaign has half of the clients, and a tenth of the clients most of
the calls. All of it follows from one seed.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import sqlalchemy as sa

from crm.base.organisation_keys import KEY_COLUMNS, keys_of
from crm.base.search_index import refresh_now
from crm.text_rules import fold

CAMPAIGNS: Final = (55.0, 30.0, 14.9, 0.1)
LISTS: Final = 12
OPERATORS: Final = 50
GROUPS: Final = {
    "new": 55, "cold": 15, "no_contact": 12, "competitor": 6, "warm": 5, "abandoned": 3, "nonexistent": 3, "hot": 1,
}  # fmt: skip
FORMS: Final = {"ООО «{}»": 60, "ИП {}": 22, "АО «{}»": 6, "ЗАО «{}»": 4, "{}": 5, "ПАО «{}»": 1, "ГУП «{}»": 2}
_BEGINNINGS: Final = (
    "Строй Транс Мед Агро Тех Пром Авто Энерго Нефте Сиб Урал Мос Спец Рос Авиа Био Гидро Евро Инвест Климат Лес Мета"
    " Мир Мульти Ново Опт Проф Реги Снаб Торг Универ Фарма Хим Центр Эко Эксперт Элит Юг Ям Вектор"
)
_ENDINGS: Final = (
    "строй сервис торг проект монтаж маш снаб пром инвест групп холдинг мастер дом стандарт ресурс логистик системы"
    " технологии комплект центр плюс альянс трейд продукт деталь климат свет газ металл контракт"
)
_ADJECTIVES: Final = (
    "Северный Южный Первый Новый Большой Русский Уральский Сибирский Волжский Балтийский Городской Зелёный"
)
_ROOTS: Final = (
    "Иван Смирн Кузнец Поп Василь Петр Сокол Михайл Нов Фёдор Мороз Волк Алексе Лебед Семён Егор Павл Козл Степан"
    " Никола Орл Андре Макар Никит Захар Зайц Солов Борис Яковл Григор Роман Вороб Серге Кузьм Фрол Александр"
)
_FIRST: Final = "Анна Пётр Елена Иван Ольга Сергей Мария Андрей Наталья Алексей Ирина Дмитрий Татьяна Олег Юлия Артём"
_MIDDLE: Final = "Иванович Петровна Сергеевич Андреевна Олегович Ивановна Дмитриевич Алексеевна"
BEGINNINGS, ENDINGS, ADJECTIVES = _BEGINNINGS.split(), _ENDINGS.split(), _ADJECTIVES.split()
FIRST, MIDDLE = _FIRST.split(), _MIDDLE.split()
SURNAMES: Final = [f"{root}{end}" for root in _ROOTS.split() for end in ("ов", "ова", "енко", "ин", "ина", "ский")]
CODES: Final = ("495", "495", "495", "812", "812", "343", "383", "846", "342", "831", "861", "863", "916", "903", "921")
CITIES: Final = ("Москва", "Москва", "Санкт-Петербург", "Екатеринбург", "Новосибирск", "Самара", "Пермь", "Казань")
BEGIN: Final = datetime(2026, 1, 12, 6, tzinfo=UTC)
MOMENTS: Final = tuple(BEGIN + timedelta(minutes=7 * step) for step in range(64_000))
_BATCH: Final = 20_000


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is. Activities are attempts, outcomes and group moves, as 6 : 3 : 1."""

    organisations: int
    activities: int


Rows = Iterator[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Filling:
    """Rows for a table, in these columns."""

    table: str
    columns: str
    rows: Rows


def falling(count: int) -> list[float]:
    """Weights for `random.choices`, each less than the one before, added up."""
    return list(accumulate(1 / (rank + 1) for rank in range(count)))


def names(size: Size, chance: random.Random) -> Iterator[str]:
    forms, weights = list(FORMS), list(FORMS.values())
    begins, ends, surnames = (falling(len(part)) for part in (BEGINNINGS, ENDINGS, SURNAMES))
    for number in range(size.organisations):
        form = chance.choices(forms, weights)[0]
        if form.startswith("ИП"):
            yield form.format(
                f"{chance.choices(SURNAMES, cum_weights=surnames)[0]} {chance.choice('АБВГДЕИКЛМНОПРС')}."
            )
            continue
        begin, end = chance.choices(BEGINNINGS, cum_weights=begins)[0], chance.choices(ENDINGS, cum_weights=ends)[0]
        name = f"{begin}{end}" if chance.random() < 0.7 else f"{begin} {end}"
        if chance.random() < 0.3:
            name = f"{chance.choice(ADJECTIVES)} {name}"
        yield form.format(f"{name}-{number % 9973}" if chance.random() < 0.6 else name)


def fillings(size: Size, *, seed: int = 7) -> Iterator[Filling]:
    """All tables in the order in which they refer to one another; the few rows of campaigns and users come first."""
    chance = random.Random(seed)
    yield Filling("users", "id login name role password_hash language time_zone headset headset_ha1_md5"
                  " headset_ha1_sha256 active created_at version", _users())  # fmt: skip
    yield Filling("campaigns", "id name time_zone calls_from calls_until lists_need_approval target_contacts"
                  " attempts_a_day overdue_to_all_min created_at", _campaigns())  # fmt: skip
    yield Filling("call_lists", "id campaign_id name state approved_by", _lists())
    yield Filling("organisations", "id name name_folded city industry tax_number site email code attributes time_zone"
                  f" note created_at version {' '.join(KEY_COLUMNS)}", _organisations(size, chance))  # fmt: skip
    yield Filling("people", "id organisation_id full_name name_folded position decides note", _people(size, chance))
    yield Filling("phone_numbers", "id organisation_id e164 extension raw state rank", _numbers(size, chance))
    yield Filling("clients", "id campaign_id organisation_id call_list_id code client_group owner_id off_list_reason"
                  " created_at version", _clients(size, chance))  # fmt: skip
    yield Filling("attempts", "id client_id dialled operator_id node opened_at answered_at ended_at wrapped_up_at"
                  " talk_seconds result phrase imported", _attempts(size, random.Random(seed + 1)))  # fmt: skip
    yield Filling("outcomes", "attempt_id disposition full_name summary reason competitor callback_words asked_by"
                  " number_only note recorded_at author_id", _outcomes(size, random.Random(seed + 1)))  # fmt: skip
    yield Filling("group_moves", "client_id from_group to_group at cause note", _moves(size, chance))


def _users() -> Rows:
    for number in range(1, OPERATORS + 1):
        name = f"{SURNAMES[number]} {FIRST[number % len(FIRST)]}"
        yield (number, f"operator{number}", name, "operator", "$argon2id$none", "ru", "", "", "", "", True, BEGIN, 1)


def _campaigns() -> Rows:
    nine, six = datetime(2026, 1, 1, 9).time(), datetime(2026, 1, 1, 18).time()  # noqa: DTZ001 - times of day
    for number in range(1, len(CAMPAIGNS) + 1):
        yield (number, f"Кампания {number}", "Europe/Moscow", nine, six, False, 600, 3, 15, BEGIN)


def _lists() -> Rows:
    for number in range(len(CAMPAIGNS) * LISTS):
        yield (number + 1, number // LISTS + 1, f"Список {number % LISTS + 1}", "draft", "")


def _organisations(size: Size, chance: random.Random) -> Rows:
    for number, name in enumerate(names(size, chance), start=1):
        tax = f"{chance.choice((77, 77, 78, 66, 54, 59, 63))}{chance.randrange(10**8):08}"
        keys = keys_of(name=name, tax_number=tax)
        city, rest = chance.choice(CITIES), ("", "", "", "{}", "", "", BEGIN, 1)
        yield (number, name, fold(name), city, "Строительство", tax, *rest, *(keys[column] for column in KEY_COLUMNS))


def _people(size: Size, chance: random.Random) -> Rows:
    surnames, number = falling(len(SURNAMES)), 0
    for organisation in range(1, size.organisations + 1):
        for _ in range(chance.choices((0, 1, 2, 3), (20, 50, 25, 5))[0]):
            number += 1
            name = f"{chance.choices(SURNAMES, cum_weights=surnames)[0]} {chance.choice(FIRST)} {chance.choice(MIDDLE)}"
            yield (number, organisation, name, fold(name), "директор", number % 3 == 0, "")


def _numbers(size: Size, chance: random.Random) -> Rows:
    number = 0
    for organisation in range(1, size.organisations + 1):
        for rank in range(chance.choices((1, 2, 3), (60, 30, 10))[0]):
            number += 1
            e164 = f"+7{chance.choice(CODES)}{chance.randrange(10**6):06}{rank}"
            yield (number, organisation, e164, "", e164, "ok", rank)


def _clients(size: Size, chance: random.Random) -> Rows:
    groups, weights, lists, owners = list(GROUPS), list(GROUPS.values()), falling(LISTS), falling(OPERATORS)
    campaigns, operators = range(len(CAMPAIGNS)), range(1, OPERATORS + 1)
    order = list(range(1, size.organisations + 1))
    chance.shuffle(order)
    for number, organisation in enumerate(order, start=1):
        campaign = chance.choices(campaigns, CAMPAIGNS)[0]
        call_list = campaign * LISTS + chance.choices(range(LISTS), cum_weights=lists)[0] + 1
        owner = chance.choices(operators, cum_weights=owners)[0] if chance.random() < 0.6 else None
        group = chance.choices(groups, weights)[0]
        yield (number, campaign + 1, organisation, call_list, "", group, owner, "", BEGIN, 1)


def _calls(size: Size, chance: random.Random) -> Iterator[tuple[int, int, bool]]:
    """Number, client and whether it was answered; to be gone through twice with equal chances."""
    for number in range(size.activities * 6 // 10):
        # The first tenth has most of the calls, and its first the most of these.
        share = chance.random()
        client = int(size.organisations * (share**6 if number % 2 else share)) + 1
        yield number, client, number % 2 == 0


def _attempts(size: Size, chance: random.Random) -> Rows:
    for number, client, answered in _calls(size, chance):
        begun = MOMENTS[number * len(MOMENTS) // (size.activities * 6 // 10)]
        ended = MOMENTS[min(number * len(MOMENTS) // (size.activities * 6 // 10) + 1, len(MOMENTS) - 1)]
        yield (f"{number:032x}", client, f"+7495{client:07}", number % OPERATORS + 1, "", begun,
               ended if answered else None, ended, ended, 60.0 if answered else None,
               "answered" if answered else "no_answer", "", False)  # fmt: skip


def _outcomes(size: Size, chance: random.Random) -> Rows:
    for number, _client, answered in _calls(size, chance):
        if answered:
            at = MOMENTS[min(number * len(MOMENTS) // (size.activities * 6 // 10) + 1, len(MOMENTS) - 1)]
            said = ("Петрова Анна", "Просили перезвонить после праздников", "дорого", "", "", "")
            yield (f"{number:032x}", "cold", *said, False, "", at, number % OPERATORS + 1)


def _moves(size: Size, chance: random.Random) -> Rows:
    groups = list(GROUPS)
    for _ in range(size.activities // 10):
        left, entered = chance.sample(groups, 2)
        client = int(size.organisations * chance.random() ** 3) + 1
        yield (client, left, entered, MOMENTS[chance.randrange(len(MOMENTS))], "rule", "")


def _batches(rows: Rows) -> Iterator[list[tuple[Any, ...]]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch


def fill_sqlite(path: Path, size: Size) -> None:
    """Without indexes and triggers, which are made again as they were; then the search index, as a migration does."""
    stored = {moment: moment.strftime("%Y-%m-%d %H:%M:%S.%f") for moment in {*MOMENTS, BEGIN}}
    sqlite3.register_adapter(datetime, stored.__getitem__)
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("synchronous=OFF", "journal_mode=OFF", "cache_size=-1000000", "foreign_keys=OFF"):
        connection.execute(f"PRAGMA {pragma}")
    kept = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND type IN ('index', 'trigger')"
        " AND name NOT LIKE 'search_documents%' ORDER BY type"
    ).fetchall()
    connection.execute("BEGIN")
    for kind, name, _ in kept:
        connection.execute(f"DROP {kind} {name}")
    for filling in fillings(size):
        columns = filling.columns.split()
        statement = f"INSERT INTO {filling.table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        for batch in _batches(_times_as_text(filling.rows) if filling.table == "campaigns" else filling.rows):
            connection.executemany(statement, batch)
    connection.execute(
        "UPDATE clients SET name_folded = (SELECT name_folded FROM organisations WHERE id = clients.organisation_id)"
    )
    for _, _, statement in kept:
        connection.execute(statement)
    connection.execute("INSERT INTO search_stale SELECT id FROM organisations")
    connection.execute("COMMIT")
    connection.close()
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as opened:
        refresh_now(opened)
    engine.dispose()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def _times_as_text(rows: Rows) -> Rows:
    for row in rows:
        yield tuple(str(cell) if type(cell).__name__ == "time" else cell for cell in row)


async def fill_postgresql(folder: Path, name: str, size: Size) -> None:
    """By COPY, as a replica: no triggers, no foreign keys looked up, indexes made at the end."""
    connection: Any = await asyncpg.connect(host=str(folder), user="postgres", database=name)
    try:
        await connection.execute("SET session_replication_role = replica; SET maintenance_work_mem = '1GB'")
        await connection.execute("SET synchronous_commit = off")
        kept = await connection.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT IN"
            " (SELECT conname FROM pg_constraint)"
        )
        for index in kept:
            await connection.execute(f"DROP INDEX {index['indexname']}")
        for filling in fillings(size):
            for batch in _batches(filling.rows):
                await connection.copy_records_to_table(filling.table, records=batch, columns=filling.columns.split())
        await connection.execute(
            "UPDATE clients SET name_folded = o.name_folded FROM organisations o WHERE o.id = organisation_id"
        )
        await _write_documents(connection)
        for index in kept:
            await connection.execute(index["indexdef"])
        for table in ("users", "campaigns", "call_lists", "organisations", "people", "phone_numbers", "clients"):
            await connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
            )
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()


async def _write_documents(connection: Any) -> None:
    """What `refresh_now` writes; by COPY."""
    from crm.base.search_index import document_of

    async def by_organisation(columns: str, table: str, order: str) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for each in await connection.fetch(f"SELECT {columns} FROM {table} ORDER BY {order}"):
            found.setdefault(each[0], []).append(each[1])
        return found

    people = await by_organisation("organisation_id, name_folded", "people", "id")
    numbers = await by_organisation("organisation_id, e164", "phone_numbers", "id")
    rows: Iterable[Any] = await connection.fetch("SELECT id, name_folded, tax_number FROM organisations ORDER BY id")
    documents = (
        (each[0], document_of(each[1], people.get(each[0], []), numbers.get(each[0], []), each[2])) for each in rows
    )
    await connection.copy_records_to_table("search_documents", records=documents)
