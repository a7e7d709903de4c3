"""The practice data: one campaign, its people, and companies whose telephones ring in the practice network.

Every number is in the unassigned exchange 000; its last two digits choose what the practice client does
(docs/practice.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time

from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import add_organisation
from crm.base.people import add_person
from crm.base.phone_numbers import PhoneNumber
from crm.base.sources import source_named
from crm.clientele.clients import add_client
from crm.group import Group
from crm.office.users import Role, add_user, set_headset_password, user_by_login
from crm.preparation.call_lists import ListState, list_named, set_list_state
from crm.preparation.campaigns import add_campaign, list_campaigns

CAMPAIGN = "Вентиляция (учебная)"
LIST = "Учебный список"
PASSWORD = "practice-makes-perfect"
OPERATOR, OPERATOR_NAME = "anna", "Иванова Анна"
MANAGER, MANAGER_NAME = "boris", "Петров Борис"
CONSULTANT, CONSULTANT_NAME = "consultant", "Соколова Ольга"
ADMINISTRATOR, ADMINISTRATOR_NAME = "admin", "Админова Дарья"
OFFICE = (
    (MANAGER, MANAGER_NAME, Role.MANAGER),
    (CONSULTANT, CONSULTANT_NAME, Role.CONSULTANT),
    (ADMINISTRATOR, ADMINISTRATOR_NAME, Role.ADMINISTRATOR),
)
HEADSET, HEADSET_PASSWORD = "anna-headset", "headset-practice"


@dataclass(frozen=True, slots=True)
class Company:
    """`ending`: the last two digits of the number; `person` decides, where one is known."""

    name: str
    city: str
    zone: str
    area: str
    ending: str
    industry: str
    group: Group = Group.NEW
    person: str = ""
    position: str = ""


COMPANIES = (
    Company("ООО «Северный ветер»", "Пермь", "Asia/Yekaterinburg", "342", "12", "Машиностроение", Group.WARM,
            "Петрова Анна Сергеевна", "директор"),
    Company("АО «Сибпроект»", "Новосибирск", "Asia/Novosibirsk", "383", "02", "Строительство", Group.WARM,
            "Кузнецов Олег Игоревич", "главный инженер"),
    Company("ООО «Альфа-Климат»", "Екатеринбург", "Asia/Yekaterinburg", "343", "20", "Торговля"),
    Company("ООО «Вектор»", "Омск", "Asia/Omsk", "381", "21", "Транспорт"),
    Company("ЗАО «Гамма-Мед»", "Томск", "Asia/Tomsk", "382", "22", "Фармацевтика"),
    Company("ООО «Дельта-Строй»", "Самара", "Europe/Samara", "846", "03", "Строительство", Group.HOT,
            "Соколова Мария Павловна", "коммерческий директор"),
    Company("ИП Ёлкин", "Казань", "Europe/Moscow", "843", "23", "Торговля"),
    Company("ООО «Заря»", "Красноярск", "Asia/Krasnoyarsk", "391", "24", "Пищевое производство"),
    Company("АО «Иртыш»", "Омск", "Asia/Omsk", "381", "25", "Связь и ИТ"),
    Company("ООО «Кама-Транс»", "Пермь", "Asia/Yekaterinburg", "342", "26", "Транспорт"),
    Company("ООО «Лидер»", "Москва", "Europe/Moscow", "495", "27", "Торговля"),
    Company("АО «Меридиан»", "Калининград", "Europe/Kaliningrad", "401", "28", "Портовые услуги", Group.ABANDONED,
            "Орлов Виктор Андреевич", "начальник отдела закупок"),
    Company("ООО «Нева»", "Санкт-Петербург", "Europe/Moscow", "812", "04", "Судоремонт", Group.ABANDONED),
    Company("ООО «Орион»", "Барнаул", "Asia/Barnaul", "385", "05", "Пищевое производство"),
    Company("ООО «Полюс»", "Иркутск", "Asia/Irkutsk", "395", "36", "Машиностроение"),
    Company("АО «Радуга»", "Москва", "Europe/Moscow", "495", "32", "Образование", Group.COLD),
    Company("ООО «Сатурн»", "Тюмень", "Asia/Yekaterinburg", "345", "33", "Нефтегазодобыча"),
    Company("ООО «Тайга»", "Томск", "Asia/Tomsk", "382", "06", "Деревообработка"),
    Company("АО «Урал-Пром»", "Челябинск", "Asia/Yekaterinburg", "351", "07", "Машиностроение", Group.COMPETITOR),
    Company("ООО «Факел»", "Уфа", "Asia/Yekaterinburg", "347", "08", "Нефтегазодобыча"),
)  # fmt: skip


async def seed(session: AsyncSession, *, now: datetime, realm: str) -> None:
    """Fill an empty database; one that has a campaign already gets only the people of the office that it lacks."""
    for login, name, role in OFFICE:
        if await user_by_login(session, login) is None:
            await add_user(session, login=login, name=name, role=role, password=PASSWORD, now=now)
    if await list_campaigns(session):
        return
    if await user_by_login(session, OPERATOR) is None:
        operator = await add_user(
            session, login=OPERATOR, name=OPERATOR_NAME, role=Role.OPERATOR, password=PASSWORD, now=now, headset=HEADSET
        )
        await set_headset_password(session, user=operator, password=HEADSET_PASSWORD, realm=realm)
    campaign = await add_campaign(
        session,
        name=CAMPAIGN,
        now=now,
        calls_from=time(0),
        calls_until=time(23, 59, 59),  # practice at any hour, on any day
        calls_on_days_off=True,
        lists_need_approval=True,
    )
    call_list = await list_named(session, campaign_id=campaign.id, name=LIST)
    source = await source_named(session, "Учебный справочник")
    for company in COMPANIES:
        await _add_company(session, company, campaign.id, call_list.id, source.id, now)
    await set_list_state(session, call_list_id=call_list.id, to=ListState.APPROVED, now=now, by=MANAGER_NAME)


async def _add_company(
    session: AsyncSession, company: Company, campaign_id: int, list_id: int, source_id: int, now: datetime
) -> None:
    organisation = await add_organisation(
        session, name=company.name, now=now, city=company.city, industry=company.industry, time_zone=company.zone
    )
    number = f"+7{company.area}00000{company.ending}"
    raw = f"8 ({company.area}) 000-00-{company.ending}"
    session.add(PhoneNumber(organisation_id=organisation.id, e164=number, raw=raw))
    if company.person:
        await add_person(
            session,
            organisation_id=organisation.id,
            full_name=company.person,
            position=company.position,
            decides=True,
        )
    await add_client(
        session,
        campaign_id=campaign_id,
        organisation_id=organisation.id,
        call_list_id=list_id,
        now=now,
        source_id=source_id,
        group=company.group,
    )
