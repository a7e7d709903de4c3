import pytest

from crm.errors import Refused
from crm.importing.mapping import REASON_COLUMNS, columns_of, guess_mapping, mapping_with


def test_the_header_of_the_seed_files_is_understood() -> None:
    header = ("list", "code", "name", "city", "phone", "industry", "source", "group", "headcount", "social_work")
    expected = {column: column for column in header} | {"social_work": "attributes.social_work"}
    assert guess_mapping(header) == expected


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("Название организации", "name"),
        ("НАИМЕНОВАНИЕ", "name"),
        ("Company", "name"),
        ("Телефон", "phone"),
        ("Моб. телефон", "phone"),
        ("Phone number", "phone"),
        ("ИНН", "tax_number"),
        ("E-mail", "email"),
        ("Эл. почта", "email"),
        ("Сайт", "site"),
        ("Ф.И.О.", "person"),
        ("Контактное лицо", "person"),
        ("Должность", "position"),
        ("Численность", "headcount"),
        ("Кол-во сотрудников", "headcount"),
        ("Отрасль", "industry"),
        ("Источник", "source"),
        ("Группа", "group"),
        ("Список", "list"),
        ("Населённый пункт", "city"),
        ("Соц. работа", "attributes.social_work"),
        ("Этаж", "attributes.Этаж"),
        ("Телефон 2", "phone"),
    ],
)
def test_headers_are_understood_in_both_languages(column: str, field: str) -> None:
    assert guess_mapping([column]) == {column: field}


def test_of_two_columns_for_one_field_the_first_has_it_and_the_other_is_not_lost() -> None:
    mapping = guess_mapping(["Название", "Компания", "Телефон 1", "Телефон 2"])
    assert mapping == {
        "Название": "name",
        "Компания": "attributes.Компания",
        "Телефон 1": "phone",
        "Телефон 2": "phone",
    }


def test_what_is_said_of_a_column_counts_more_than_the_guess() -> None:
    header = ("Название", "Торговая марка", "Телефон", "Факс")
    mapping = mapping_with(header, {"Торговая марка": "name", "Факс": "phone", "Телефон": ""})
    assert mapping == {
        "Название": "attributes.Название", "Торговая марка": "name", "Телефон": "", "Факс": "phone",
    }  # fmt: skip
    for said, code in (({"x": "name"}, "import.unknown_column"), ({"Факс": "fax"}, "import.unknown_field")):
        with pytest.raises(Refused) as caught:
            mapping_with(header, said)
        assert caught.value.code == code


def test_a_2gis_export_is_understood() -> None:
    header = ("Название", "Рубрика", "Подрубрика", "Регион", "Город", "Адрес", "Телефон 1", "Телефон 2",
              "Мобильный телефон", "Email", "Сайт", "Время работы", "Широта")  # fmt: skip
    mapping = guess_mapping(header)
    assert [column for column in header if mapping[column] == "phone"] == [
        "Телефон 1", "Телефон 2", "Мобильный телефон",
    ]  # fmt: skip
    fields = {"name": "Название", "industry": "Рубрика", "city": "Город", "email": "Email", "site": "Сайт"}
    assert {field: column for column, field in mapping.items() if field in fields} == fields
    assert mapping["Подрубрика"] == "attributes.Подрубрика"


@pytest.mark.parametrize("column", list(REASON_COLUMNS.values()))
def test_the_column_of_reasons_is_passed_over(column: str) -> None:
    assert guess_mapping([column]) == {column: ""}


@pytest.mark.parametrize(
    ("mapping", "code"),
    [
        ({"a": "phone"}, "import.no_name_column"),
        ({"a": "name"}, "import.no_phone_column"),
        ({"a": "name", "b": "phone", "x": "city"}, "import.unknown_column"),
        ({"a": "name", "b": "phone", "c": "shoe size"}, "import.unknown_field"),
        ({"a": "name", "b": "phone", "c": "name"}, "import.field_twice"),
        ({"a": "name", "b": "attributes.x", "c": "attributes.x"}, "import.field_twice"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(mapping: dict[str, str], code: str) -> None:
    with pytest.raises(Refused) as caught:
        columns_of(("a", "b", "c"), mapping)
    assert caught.value.code == code
