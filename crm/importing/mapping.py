"""Which column holds what: guessed from the header's words, in Russian and English, and checked before use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crm.errors import Refused
from crm.text_rules import fold

ATTRIBUTE: Final = "attributes."
IGNORED: Final = ""
REASON_COLUMNS: Final[Mapping[str, str]] = {"en": "Not imported because", "ru": "Не загружено, потому что"}
"""The column that a file of refused rows has more than the file that it came from, by language."""

_WORDS: Final[Mapping[str, str]] = {
    "list": "list, call list, список, лист, список актуализации, список обзвона",
    "code": "code, id, client code, external id, код, код клиента, номер клиента, идентификатор",
    "name": "name, organisation, organization, company, company name, client, название, наименование, организация,"
    " компания, фирма, предприятие, клиент, название организации, наименование организации, название компании,"
    " наименование компании, название фирмы, контрагент, юрлицо, полное наименование, краткое наименование",
    "city": "city, town, город, населенный пункт, нас пункт",
    "phone": "phone, phones, phone number, telephone, telephone number, tel, mobile, mobile phone, work phone, телефон,"
    " телефоны, тел, номер телефона, номера телефонов, контактный телефон, рабочий телефон, моб,"
    " моб телефон, сот телефон, раб телефон, телефон рабочий, телефон мобильный, телефон компании,"
    " телефоны организации, мобильный, мобильный телефон, сотовый, сотовый телефон, городской телефон,"
    " телефон организации",
    "industry": "industry, branch, sector, отрасль, сфера, сфера деятельности, вид деятельности, рубрика, рубрики,"
    " рубрикатор, категория, категории, раздел",
    "source": "source, lead source, origin, источник, источник данных, откуда",
    "group": "group, client group, группа, группа клиентов, группа клиента",
    "headcount": "headcount, employees, staff, number of employees, численность, число сотрудников,"
    " количество сотрудников, кол во сотрудников, численность персонала, численность сотрудников",
    "tax_number": "tax number, tax id, taxpayer number, inn, vat, vat number, инн, унп, бин",
    "site": "site, website, web, web site, url, www, сайт, сайты, веб сайт, интернет сайт, адрес сайта",
    "email": "e mail, email, mail, e mail address, почта, электронная почта, эл почта, емейл, имейл, адрес эл почты",
    "person": "person, contact person, contact name, full name, фио, ф и о, контактное лицо,"
    " контактная персона, имя контакта, руководитель, директор",
    "position": "position, job title, должность, должность контактного лица",
    "note": "note, notes, comment, comments, remark, примечание, примечания, комментарий, комментарии, заметки",
    "time_zone": "time zone, timezone, tz, часовой пояс, часовая зона, временная зона, временной пояс, таймзона",
    "former_owner": "former owner, former manager, previous owner, previous manager, прежний ответственный,"
    " прежний менеджер, бывший ответственный, бывший менеджер, предыдущий менеджер, предыдущий ответственный",
    "deal_date": "deal date, date of deal, last deal, last purchase, purchase date, date of purchase, дата сделки,"
    " последняя сделка, дата последней сделки, дата покупки, последняя покупка, дата последней покупки",
    "deal_amount": "deal amount, amount of deal, purchase amount, сумма сделки, сумма последней сделки, сумма покупки,"
    " сумма последней покупки",
    "deal_what": "deal, past deal, bought, purchase, сделка, предмет сделки, что куплено, что купили, что покупали,"
    " покупка",
    "address_postal": "postal address, mailing address, address for letters, почтовый адрес, адрес почтовый,"
    " адрес для писем, адрес для корреспонденции",
    "address_legal": "legal address, registered address, юридический адрес, юр адрес, адрес юридический,"
    " адрес регистрации, адрес местонахождения",
    "address_actual": "address, actual address, street address, office address, адрес, фактический адрес, факт адрес,"
    " адрес фактический, адрес офиса, адрес организации, адрес компании, местонахождение",
    "address_other": "other address, further address, delivery address, другой адрес, дополнительный адрес, доп адрес,"
    " адрес доставки, адрес склада",
    "competitor": "competitor, competitors, current supplier, конкурент, конкуренты, у кого покупают,"
    " текущий поставщик, нынешний поставщик, действующий поставщик",
    ATTRIBUTE + "social_work": "social work, social programmes, social programs, соц работа, социальная работа,"
    " социальные программы, соцпрограммы, соц программы",
}
_SYNONYMS: Final = {word.strip(): field for field, words in _WORDS.items() for word in words.split(",")}
_REASONS: Final = frozenset(fold(name) for name in REASON_COLUMNS.values())
_SEVERAL: Final = frozenset({"phone", "competitor"})
FIELDS: Final = tuple(field for field in _WORDS if not field.startswith(ATTRIBUTE))
"""The fields that a column may be mapped to, besides `attributes.<name>` and "" for a column to be passed over."""


@dataclass(frozen=True)
class Columns:
    """The places (from 0) of the columns of `header`: one for each field, several for telephones and competitors, one
    for each attribute by its name."""

    header: tuple[str, ...]
    places: Mapping[str, int]
    phones: tuple[int, ...]
    attributes: Mapping[str, int]
    competitors: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """How many columns there are."""
        return len(self.header)

    def title(self, field: str) -> str:
        """The header of the column that holds the field or attribute."""
        place = self.places.get(field, self.attributes.get(field))
        return field if place is None else self.header[place]


def known_headings(field: str) -> tuple[str, ...]:
    """The headings by which a field of `FIELDS` is recognised, folded."""
    return tuple(word.strip() for word in _WORDS[field].split(","))


def guess_mapping(header: tuple[str, ...] | list[str]) -> dict[str, str]:
    """Column to field. A column whose words are not known becomes an attribute of the organisation, under its header;
    of two columns for one field the first has it (telephones, competitors: all)."""
    mapping: dict[str, str] = {}
    for column in header:
        field = _guess(column)
        if field not in _SEVERAL and field != IGNORED and field in mapping.values():
            field = ATTRIBUTE + column
        mapping[column] = field
    return mapping


def mapping_with(header: tuple[str, ...], said: Mapping[str, str]) -> dict[str, str]:
    """The guessed mapping with what was `said` of some columns instead: a field, `attributes.<name>`, or "". A
    field that is said of one column is taken from the column for which it was guessed. Raises `Refused`."""
    given = {column: _known_field(field) for column, field in said.items()}
    for column in given:
        if column not in header:
            raise Refused("import.unknown_column", column=column)
    mapping = guess_mapping(header)
    for column, field in mapping.items():
        if column not in given and field in given.values() and field not in _SEVERAL and field != IGNORED:
            mapping[column] = ATTRIBUTE + column
    return mapping | given


def _known_field(field: str) -> str:
    if field == IGNORED or field in FIELDS or (field.startswith(ATTRIBUTE) and field != ATTRIBUTE):
        return field
    raise Refused("import.unknown_field", field=field)


def columns_of(header: tuple[str, ...], mapping: Mapping[str, str]) -> Columns:
    """`mapping` checked against `header`; a column that it does not name is passed over. Raises `Refused`."""
    places: dict[str, int] = {}
    several: dict[str, list[int]] = {field: [] for field in _SEVERAL}
    attributes: dict[str, int] = {}
    for column, field in mapping.items():
        if column not in header:
            raise Refused("import.unknown_column", column=column)
        place = header.index(column)
        if field in _SEVERAL:
            several[field].append(place)
            continue
        if field == IGNORED:
            continue
        attribute = field.removeprefix(ATTRIBUTE) if field.startswith(ATTRIBUTE) else ""
        if not attribute and field not in FIELDS:
            raise Refused("import.unknown_field", field=field)
        into, name = (attributes, attribute) if attribute else (places, field)
        if name in into:
            raise Refused("import.field_twice", field=name, columns=f"{header[into[name]]}, {column}")
        into[name] = place
    if "name" not in places:
        raise Refused("import.no_name_column")
    if not several["phone"]:
        raise Refused("import.no_phone_column")
    phones, competitors = (tuple(sorted(several[field])) for field in ("phone", "competitor"))
    return Columns(header, places, phones, attributes, competitors)


def is_known(column: str) -> bool:
    """Whether the words of this heading say what is in its column."""
    field = _guess(column)
    return field != IGNORED and not field.startswith(ATTRIBUTE)


def _guess(column: str) -> str:
    if not column or fold(column) in _REASONS:
        return IGNORED
    words = " ".join(re.findall(r"[^\W_]+", fold(column)))
    return _SYNONYMS.get(words) or _SYNONYMS.get(words.rstrip("0123456789 ")) or ATTRIBUTE + column
