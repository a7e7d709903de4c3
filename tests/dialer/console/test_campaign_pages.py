"""Campaigns on their pages: the rules, the calendar, the call lists."""

from __future__ import annotations

import re
from datetime import date, time

import pytest
from sqlalchemy import select

from crm.audit import CAMPAIGN_CHANGED, LIST_STATE_SET, AuditEntry
from crm.database import Database
from crm.preparation.call_lists import CallList, ListState
from crm.preparation.campaigns import Campaign, get_campaign
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import Office

RULES = {
    "name": "Вентиляция-3",
    "time_zone": "Europe/Moscow",
    "calls_from": "9:30",
    "calls_until": "17:30",
    "country": "RU",
    "attempts_a_day": "4",
    "number_attempts_a_day": "2",
    "gap_min": "7",
    "ring_timeout_s": "",
    "overdue_to_all_min": "20",
    "target_contacts": "300",
    "lists_need_approval": "yes",
    "group_order": "warm,hot,new",
    "calls_a_day": "80",
    "shares_by": "industry",
    "shares": "Торговля 40; Транспорт 25",
    "owner_keeps_days": "",
    "consent": "required",
    "referral_limit_min": "",
    "referrals_by": "load",
}


@pytest.fixture
async def maria(signed_in: SignIn, office: Office) -> Browser:
    return await signed_in("maria")


async def stored(database: Database, office: Office) -> Campaign:
    async with database.reading() as session:
        return await get_campaign(session, office.campaign_id)


def values_in(page: str) -> dict[str, str]:
    """What stands in the fields of the rules."""
    return dict(re.findall(r'<input name="(\w+)" value="([^"]*)"', page))


async def test_a_campaign_is_added_and_its_rules_are_changed(
    maria: Browser, database: Database, office: Office
) -> None:
    added = await maria.post_form("/campaigns", name=" Осень ")
    assert added.status == 303
    address = added.headers["Location"]
    assert "Осень" in await maria.text("/campaigns")
    page = await maria.text(address)
    assert values_in(page)["calls_from"] == "09:00"
    answer = await maria.post_form(address, **RULES, version="1")
    assert answer.status == 303, await answer.text()
    async with database.reading() as session:
        campaign = await get_campaign(session, int(address.rpartition("/")[2]))
        assert (campaign.name, campaign.calls_from, campaign.calls_until) == ("Вентиляция-3", time(9, 30), time(17, 30))
        assert (campaign.attempts_a_day, campaign.number_attempts_a_day, campaign.gap_min) == (4, 2, 7)
        assert (campaign.ring_timeout_s, campaign.calls_on_days_off) == (None, False)
        assert campaign.lists_need_approval
        assert (campaign.group_order, campaign.calls_a_day, campaign.shares_by) == ("warm,hot,new", 80, "industry")
        assert (campaign.shares, campaign.owner_keeps_days) == ("Торговля 40; Транспорт 25", None)
        assert campaign.consent == "required"
        noted = (await session.scalars(select(AuditEntry).where(AuditEntry.action == CAMPAIGN_CHANGED))).one()
        assert (noted.user_id, noted.details["gap_min"]) == (office.users["maria"], [5, 7])


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("calls_from", "18:00", "Начало часов звонков должно быть раньше конца"),
        ("gap_min", "скоро", "Минут между неотвеченными попытками: «скоро» не читается."),
        ("gap_min", "²", "«²» не читается."),
        ("target_contacts", "9999999", "«9999999» не читается."),
        ("calls_until", "25:00", "«25:00» не читается."),
        ("country", "ZZ", "Праздники страны «ZZ» неизвестны."),
        ("time_zone", "Mars", "Часового пояса «Mars» нет."),
        ("name", "", "Кампании нужно название."),
        ("group_order", "hot,hot", "Назовите хотя бы одну группу, каждую один раз."),
        ("group_order", "nonexistent", "Нет группы «nonexistent», которой можно звонить."),
        ("shares", "Торговля", "«Торговля» не доля вроде: Транспорт 40."),
        ("shares", "А 60; Б 50", "Доли дают в сумме 110 процентов, это больше целого."),
        ("shares_by", "colour", "«colour» не читается."),
        ("calls_a_day", "0", "Человеку нужен хотя бы один клиент в день"),
    ],
)
async def test_what_cannot_be_is_told_beside_what_was_typed(
    maria: Browser, database: Database, office: Office, field: str, typed: str, told: str
) -> None:
    answer = await maria.post_form("/campaigns/1", **{**RULES, field: typed}, version="1")
    page = await answer.text()
    assert answer.status == 422
    assert told in page or field == "calls_from"
    if field not in ("group_order", "shares_by"):
        assert values_in(page)[field] == typed
    assert values_in(page)["overdue_to_all_min"] == "20", "what else was typed is kept"
    assert (await stored(database, office)).name == "Вентиляция-2"


async def test_two_who_change_it_at_once_lose_nothing(
    maria: Browser, signed_in: SignIn, database: Database, office: Office
) -> None:
    konst = await signed_in("konst")
    first = await konst.post_form("/campaigns/1", **{**RULES, "gap_min": "9", "name": "Вентиляция-2"}, version="1")
    assert first.status == 303
    second = await maria.post_form("/campaigns/1", **RULES, version="1")
    page = await second.text()
    assert second.status == 409
    assert "Пока вы смотрели, кампанию изменили." in page
    assert values_in(page)["gap_min"] == "7"
    assert re.findall(r"сейчас: ([^<]*)<", page) == ["Вентиляция-2", "9"]
    assert (await stored(database, office)).gap_min == 9
    version = re.search(r'name="version" value="(\d+)"', page)
    assert version
    assert (await maria.post_form("/campaigns/1", **RULES, version=version[1])).status == 303
    assert (await stored(database, office)).gap_min == 7


async def test_a_day_is_decided_and_follows_the_calendar_again(
    maria: Browser, database: Database, office: Office
) -> None:
    page = await maria.text("/campaigns/1")
    assert "День России" in page
    await maria.post_form("/campaigns/1/calendar", day="2026-05-15", what="off", reason="Переезд")
    assert [(day.day, day.works) for day in (await stored(database, office)).days] == [(date(2026, 5, 15), False)]
    page = await maria.text("/campaigns/1")
    assert "Переезд" in page
    assert '<td class="nowrap">пт 15 мая 2026</td>' in page
    await maria.post_form("/language", language="en", back="/campaigns/1")
    assert '<td class="nowrap">Fri 15 May 2026</td>' in await maria.text("/campaigns/1")
    await maria.post_form("/language", language="ru", back="/campaigns/1")
    await maria.post_form("/campaigns/1/calendar", day="2026-05-15", what="calendar")
    assert (await stored(database, office)).days == []
    for fields in ({"day": "soon", "what": "off"}, {"day": "2026-05-15", "what": "maybe"}):
        assert (await maria.post_form("/campaigns/1/calendar", **fields)).status == 400
    assert (await maria.post_form("/campaigns/1/calendar", day="2026-05-15", what="off")).status == 422


async def test_a_list_is_returned_with_remarks_and_approved_by_somebody(
    maria: Browser, database: Database, office: Office
) -> None:
    page = await maria.text("/campaigns/1")
    assert "Заказчик, 14 мая 2026" in page
    await maria.post_form("/campaigns/1/lists/1", to="returned", remarks="Три конкурента")
    assert "Три конкурента" in await maria.text("/campaigns/1")
    await maria.post_form("/campaigns/1/lists/1", to="submitted")
    unsigned = await maria.post_form("/campaigns/1/lists/1", to="approved")
    assert unsigned.status == 422
    assert "Напишите, кто согласовал список." in await unsigned.text()
    assert (await maria.post_form("/campaigns/1/lists/1", to="approved", by="Иванов")).status == 303
    async with database.reading() as session:
        call_list = await session.get_one(CallList, 1)
        assert (call_list.state, call_list.approved_by, call_list.remarks) == (ListState.APPROVED, "Иванов", "")
        noted = await session.scalars(
            select(AuditEntry).where(AuditEntry.action == LIST_STATE_SET).order_by(AuditEntry.id)
        )
        assert [entry.user_id for entry in noted][1:] == [office.users["maria"]] * 3
    assert (await maria.post_form("/campaigns/1/lists/9", to="approved", by="Иванов")).status == 404
    assert (await maria.post_form("/campaigns/1/lists/1", to="burnt")).status == 400


async def test_who_may_only_look_finds_nothing_to_press(signed_in: SignIn, office: Office) -> None:
    page = await (await signed_in("audit")).text("/campaigns/1")
    assert "Вентиляция-2" in page
    assert 'action="/campaigns' not in re.sub(r'<form class="rules".*?</form>', "", page, flags=re.DOTALL)
    assert '<fieldset class="grid" disabled>' in page
