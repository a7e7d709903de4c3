"""The keys by which one organisation is known for another."""

from __future__ import annotations

import pytest

from crm.base.organisation_keys import domain_key, email_key, name_key, name_skeleton, tax_key
from crm.base.organisations import add_organisation
from crm.database import Database
from tests.crm.builders import NOON


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("ООО «Ромашка»", "ромашка"),
        ("РОМАШКА, ООО", "ромашка"),
        ('О.О.О. "Ромашка"', "ромашка"),
        ("Общество с ограниченной ответственностью «Ромашка»", "ромашка"),
        ("Публичное акционерное общество «Полёт»", "полет"),
        ("ИП Сёмин А.А.", "семин аа"),
        ("Торговый дом «Север-Юг»", "торговый дом север юг"),
        ("Blue Sky Ltd.", "blue sky"),
        ("ООО", "ооо"),
        ("Б&Р", "б&р"),
        ("«»", ""),
    ],
)
def test_a_name_without_its_legal_form(name: str, key: str) -> None:
    assert name_key(name) == key


def test_a_misspelt_name_keeps_its_skeleton() -> None:
    assert name_skeleton("Металлоизделия Сервис") == name_skeleton("ООО «Сервис металоизделея»")
    assert name_skeleton("Металлоизделия Сервис") != name_skeleton("Металлопрокат Сервис")
    assert name_skeleton("Ива") == ""


@pytest.mark.parametrize(
    ("site", "key"),
    [
        ("https://www.Romashka.ru/about?x=1", "romashka.ru"),
        ("romashka.ru:8080", "romashka.ru"),
        ("m.romashka.ru", "romashka.ru"),
        ("http://xn--80aa3agjl3d.xn--p1ai/", "ромашка.рф"),
        ("Окна.РФ", "окна.рф"),
        ("vk.com/romashka", "vk.com/romashka"),
        ("vk.com", ""),
        ("нет", ""),
        ("", ""),
    ],
)
def test_a_site_is_known_by_its_domain(site: str, key: str) -> None:
    assert domain_key(site) == key


def test_other_keys() -> None:
    assert tax_key(" 5904-123456 ") == "5904123456"
    assert tax_key("нет") == ""
    assert email_key("Почта: Info@Romashka.RU, zakaz@romashka.ru") == "info@romashka.ru"
    assert email_key("romashka.ru") == ""
    assert email_key("<Анна@Ромашка.рф>; b@c.de") == "анна@ромашка.рф"
    assert email_key("@a.b x@y z@.q .@b. a@b.c.") == "a@b.c"


@pytest.mark.timeout(60)
def test_a_cell_without_end_is_read_at_once() -> None:
    """A hundred thousand letters take as long as one has to wait for them once, not for each letter before."""
    assert email_key("a" * 100_000) == ""
    assert email_key("a@" * 100_000) == ""


async def test_the_keys_follow_what_is_set(database: Database) -> None:
    async with database.transaction() as session:
        organisation = await add_organisation(session, name="ООО «Ёлка»", now=NOON, site="www.elka.ru")
        assert (organisation.name_folded, organisation.name_key) == ("ооо «елка»", "елка")
        organisation.name, organisation.site = "АО «Сосна»", ""
        await session.flush()
        await session.refresh(organisation)
        assert (organisation.name_key, organisation.domain_key) == ("сосна", "")
        assert organisation.name_folded == "ао «сосна»"
