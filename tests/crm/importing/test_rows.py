import pytest

from crm.errors import Refused
from crm.group import Group
from crm.importing.area_codes import read_area_code
from crm.importing.cities import zone_of_city
from crm.importing.mapping import columns_of, guess_mapping
from crm.importing.rows import ClientRow, RefusedRow, read_row
from crm.importing.tables import Row


def reading(**cells: str) -> ClientRow | RefusedRow:
    """The row of a table with the columns of `cells`, and a name and a telephone if it has none."""
    said = {"name": "ООО Ромашка", "phone": "8 (383) 000-00-01"} | cells
    header = tuple(said)
    return read_row(Row(7, tuple(said.values())), columns_of(header, guess_mapping(header)))


def taken(**cells: str) -> ClientRow:
    row = reading(**cells)
    assert isinstance(row, ClientRow)
    return row


def refused(**cells: str) -> RefusedRow:
    row = reading(**cells)
    assert isinstance(row, RefusedRow)
    return row


@pytest.mark.parametrize(
    ("word", "group"),
    [
        ("", Group.NEW),
        ("hot", Group.HOT),
        ("Горячие", Group.HOT),
        ("тёплый", Group.WARM),
        ("ТЕПЛЫЕ", Group.WARM),
        ("Рынок конкурентов", Group.COMPETITOR),
        ("холодный", Group.COLD),
        ("Брошенные", Group.ABANDONED),
        ("Нет  контакта", Group.NO_CONTACT),
        ("no_contact", Group.NO_CONTACT),
        ("Не существующие", Group.NONEXISTENT),
        ("новые", Group.NEW),
    ],
)
def test_groups_are_known_by_key_and_by_word(word: str, group: Group) -> None:
    assert taken(group=word).group is group


@pytest.mark.parametrize(
    ("text", "count"), [("57", 57), ("1 200", 1200), ("1\u00a0200", 1200), ("300,0", 300), ("", None)]
)
def test_headcounts_are_numbers(text: str, count: int | None) -> None:
    assert taken(headcount=text).headcount == count


@pytest.mark.parametrize(
    ("cells", "code", "params"),
    [
        ({"name": " "}, "row.no_name", {}),
        ({"phone": ""}, "row.no_phone", {}),
        ({"phone": "7,9E+10"}, "phone.digits_lost", {"text": "7,9E+10"}),
        ({"headcount": "много"}, "row.headcount", {"value": "много"}),
        ({"headcount": "-5"}, "row.headcount", {"value": "-5"}),
        ({"headcount": "99999999999"}, "row.headcount", {"value": "99999999999"}),
        ({"headcount": "57,5"}, "row.headcount", {"value": "57,5"}),
    ],
)
def test_a_row_is_refused_with_its_line_its_reason_and_its_cells(
    cells: dict[str, str], code: str, params: dict[str, object]
) -> None:
    row = refused(**cells)
    assert (row.line, row.code, row.params) == (7, code, params)
    assert set(cells.values()) <= set(row.raw)


@pytest.mark.parametrize(
    ("field", "limit"),
    [
        ("name", 500), ("phone", 1_000), ("city", 1_000), ("note", 10_000), ("competitor", 1_000),
        ("postal address", 1_000), ("код ОКВЭД", 4_000),
    ],
)  # fmt: skip
def test_a_cell_that_is_too_long_for_its_field_is_refused_with_its_column(field: str, limit: int) -> None:
    fits = "8 (383) 000-00-01".ljust(limit) if field == "phone" else "я" * limit
    assert taken(**{field: fits}).raw
    row = refused(**{field: fits + "я", "headcount": "много"})
    told = {"column": field, "letters": limit + 1, "limit": limit}
    assert [(problem.code, problem.params) for problem in row.problems] == [("row.too_long", told)]


def test_a_column_that_is_passed_over_may_hold_anything() -> None:
    header = ("name", "phone", "вложение")
    columns = columns_of(header, guess_mapping(header) | {"вложение": ""})
    row = read_row(Row(2, ("ООО", "8 (383) 000-00-01", "x" * 30_000)), columns)
    assert isinstance(row, ClientRow)


def test_all_reasons_of_a_row_are_told_at_once() -> None:
    row = refused(name="", phone="12", group="синие", headcount="x")
    assert [problem.code for problem in row.problems] == [
        "row.no_name",
        "phone.too_short",
        "row.unknown_group",
        "row.headcount",
    ]


def test_a_cell_too_many_is_refused_and_an_empty_one_is_not() -> None:
    header = ("name", "phone")
    columns = columns_of(header, guess_mapping(header))
    good = ("ООО", "8 (383) 000-00-01")
    row = read_row(Row(2, (*good, "lost?")), columns)
    assert isinstance(row, RefusedRow)
    assert row.code == "row.too_many_cells"
    assert isinstance(read_row(Row(2, (*good, " ")), columns), ClientRow)


def test_a_row_may_end_before_the_header_does() -> None:
    header = ("name", "phone", "city", "note")
    row = read_row(Row(2, ("ООО", "8 (383) 000-00-01")), columns_of(header, guess_mapping(header)))
    assert isinstance(row, ClientRow)
    assert row.texts["city"] == ""


def test_one_good_number_is_enough_and_the_cell_with_a_bad_one_is_kept() -> None:
    header = ("name", "Телефон", "Моб. телефон")
    cells = ("ООО", "7,9E+10", "8 (383) 000-00-01")
    row = read_row(Row(2, cells), columns_of(header, guess_mapping(header)))
    assert isinstance(row, ClientRow)
    assert [phone.e164 for phone in row.phones] == ["+73830000001"]
    assert row.attributes == {"Телефон": "7,9E+10"}
    assert [remark.code for remark in row.remarks] == ["phone.digits_lost"]


def test_unknown_columns_become_attributes_and_yes_and_no_are_one_word_each() -> None:
    row = taken(Этаж="3", social_work="Да", пусто="")
    assert row.attributes == {"Этаж": "3", "social_work": "yes"}
    assert taken(social_work="нет").attributes == {"social_work": "no"}
    assert taken(social_work="иногда").attributes == {"social_work": "иногда"}


def test_a_position_without_a_person_is_not_lost() -> None:
    assert taken(Должность="директор").attributes == {"Должность": "директор"}
    row = taken(Должность="директор", person="Иванов Иван")
    assert (row.person, row.position, row.attributes) == ("Иванов Иван", "директор", {})


def test_the_apostrophe_that_guards_a_formula_is_taken_off() -> None:
    assert taken(note="'=1+1").texts["note"] == "=1+1"
    assert taken(note="'quoted'").texts["note"] == "'quoted'"


@pytest.mark.parametrize("formula", ['=HYPERLINK("http://a.invalid")', "=-cmd|'/c calc'!A0", "=СУММ(A1:A9)", "=A1"])
def test_a_formula_in_place_of_what_it_computes_is_refused(formula: str) -> None:
    row = refused(city=formula)
    assert (row.code, row.params) == ("row.formula", {"value": formula})
    assert taken(city="=Омск").texts["city"] == "=Омск"
    assert taken(note="'" + formula).texts["note"] == formula


def test_a_number_without_its_area_code_gets_that_of_the_city_or_the_one_that_was_given() -> None:
    assert taken(city="г. Омск", phone="22-33-44").phones[0].e164 == "+73812223344"
    assert taken(city="г. Омск", phone="22-33-44").phones[0].raw == "22-33-44"
    row = refused(city="Посёлок", phone="22-33-44")
    assert row.code == "phone.no_area_code"
    header = ("name", "phone")
    reading = read_row(Row(2, ("А", "22-33-44")), columns_of(header, guess_mapping(header)), area_code="8332")
    assert isinstance(reading, ClientRow)
    assert reading.phones[0].e164 == "+78332223344"


@pytest.mark.parametrize(("typed", "code"), [("", ""), ("(383)", "383"), ("8 3812", "3812"), ("831", "831")])
def test_an_area_code_is_read_as_people_write_it(typed: str, code: str) -> None:
    assert read_area_code(typed) == code


@pytest.mark.parametrize("typed", ["12", "9512", "код", "383000"])
def test_what_is_no_area_code_is_refused(typed: str) -> None:
    with pytest.raises(Refused) as caught:
        read_area_code(typed)
    assert caught.value.code == "import.area_code"


def test_a_tax_number_that_a_spreadsheet_has_rounded_is_remarked_on() -> None:
    row = taken(ИНН="5,4E+09")
    assert [(remark.code, remark.params) for remark in row.remarks] == [
        ("row.value_digits_lost", {"field": "ИНН", "value": "5,4E+09"})
    ]


@pytest.mark.parametrize(
    ("city", "phone", "zone"),
    [
        ("Калининград", "+7 913 000-00-01", "Europe/Kaliningrad"),
        ("", "8 (383) 000-00-01", "Asia/Novosibirsk"),
        ("Нигде", "8 (383) 000-00-01, 8 (495) 000-00-01", ""),
        ("", "+7 913 000-00-01", ""),
        ("Томск", "8 (495) 000-00-01", "Asia/Tomsk"),
    ],
)
def test_the_zone_is_the_citys_or_else_the_numbers(city: str, phone: str, zone: str) -> None:
    assert taken(city=city, phone=phone).time_zone == zone


@pytest.mark.parametrize(
    ("city", "zone"),
    [
        ("Новосибирск", "Asia/Novosibirsk"),
        ("г. Красноярск", "Asia/Krasnoyarsk"),
        ("Пермь г", "Asia/Yekaterinburg"),
        ("СПб", "Europe/Moscow"),
        ("санкт-петербург", "Europe/Moscow"),
        ("Орёл", "Europe/Moscow"),
        ("Барнаул", "Asia/Barnaul"),
        ("Париж", ""),
        ("", ""),
    ],
)
def test_cities_tell_their_zone(city: str, zone: str) -> None:
    assert zone_of_city(city) == zone
