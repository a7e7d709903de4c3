"""A campaign's set-up on its pages: the checklist, what it is made of, signatures, candidates, and how it goes on."""

from __future__ import annotations

import re
from datetime import date

import pytest
from sqlalchemy import select, update

from crm.audit import APPROVED, SETUP_CHANGED, AuditEntry
from crm.clientele.clients import Client
from crm.database import Database
from crm.office.users import Role, User
from crm.preparation.approvals import Subject, signatures
from crm.preparation.campaign_setup import CampaignSetup, experts_of, setup_of
from crm.preparation.campaigns import Campaign
from crm.preparation.candidates import CandidateState, candidates_of
from dialer.shown.setup_labels import TASKS
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import Office
from tests.foreign_words import latin_words

SETUP = {
    "customer": "ООО Заказчик",
    "product": "Вентиляторы",
    "caller_id": "+7 342 000-12-00",
    "target_organisations": "5",
    "starts_on": "2026-05-04",
    "calling_starts_on": "2026-05-12",
    "ends_on": "",
    "segments": "Цеха от ста человек",
    "rubrics": "Заводы\r\nСклады",
    "sources": "",
}
PAGE = "/campaigns/1/setup"


@pytest.fixture
async def maria(signed_in: SignIn, office: Office) -> Browser:
    return await signed_in("maria")


async def stored(database: Database) -> CampaignSetup:
    async with database.reading() as session:
        return await setup_of(session, 1)


def row_of(page: str, task: str) -> str:
    """The line of the checklist, as text."""
    (row,) = [row for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if f">{task}<" in row]
    return " ".join(re.sub(r"<[^>]*>", " ", row).split())


async def test_it_is_written_down_and_the_checklist_follows(maria: Browser, database: Database, office: Office) -> None:
    page = await maria.text(PAGE)
    assert "Заказчик не указан." in row_of(page, "Заказчик")
    answer = await maria.post_form(PAGE, **SETUP, version="0")
    assert answer.status == 303, await answer.text()
    setup = await stored(database)
    assert (setup.customer, setup.caller_id, setup.ends_on) == ("ООО Заказчик", "+73420001200", None)
    assert (setup.rubric_names, setup.calling_starts_on) == (["Заводы", "Склады"], date(2026, 5, 12))
    page = await maria.text(PAGE)
    assert row_of(page, "Заказчик").startswith("✓ сделано")
    assert "этап 2, звонки" in page
    assert "Рабочих дней прошло: 5, запланировано: 5" in page, "the eleventh of May is a day off"
    assert "Отобрано организаций: 6 из 5." in row_of(page, "Организации для обзвона")
    async with database.reading() as session:
        noted = (await session.scalars(select(AuditEntry).where(AuditEntry.action == SETUP_CHANGED))).one()
        assert noted.user_id == office.users["maria"]


async def test_what_cannot_be_is_told_beside_what_was_typed(maria: Browser, database: Database) -> None:
    for field, typed, told in (
        ("starts_on", "завтра", "Начало подготовки: «завтра» не читается."),
        ("ends_on", "2026-05-01", "Подготовка, звонки и конец кампании должны идти друг за другом."),
        ("caller_id", "алло", "«алло» — не телефонный номер."),
        ("target_organisations", "0", "Нужна хотя бы одна организация."),
    ):
        answer = await maria.post_form(PAGE, **{**SETUP, field: typed}, version="0")
        page = await answer.text()
        assert answer.status == 422
        assert told in page
        assert f'value="{typed}"' in page
        assert "Вентиляторы" in page
    assert (await stored(database)).version == 0


async def test_two_who_change_it_at_once_lose_nothing(maria: Browser, signed_in: SignIn, database: Database) -> None:
    konst = await signed_in("konst")
    assert (await konst.post_form(PAGE, **{**SETUP, "product": "Насосы"}, version="0")).status == 303
    answer = await maria.post_form(PAGE, **SETUP, version="0")
    page = await answer.text()
    assert answer.status == 409
    assert "сейчас: Насосы" in page
    assert (await stored(database)).product == "Насосы"
    assert (await maria.post_form(PAGE, **SETUP, version="1")).status == 303
    assert (await stored(database)).product == "Вентиляторы"


async def test_the_customer_signs_and_a_change_opens_it_again(
    maria: Browser, database: Database, office: Office
) -> None:
    await maria.post_form(PAGE, **SETUP, version="0")
    assert "Ещё не согласовано." in row_of(await maria.text(PAGE), "Рубрики")
    answer = await maria.post_form("/campaigns/1/approvals", subject="rubrics", by="Орлова И.", on="2026-05-13")
    assert answer.status == 303
    assert "Подписано: Орлова И., 13 мая 2026" in row_of(await maria.text(PAGE), "Рубрики")
    await maria.post_form(PAGE, **{**SETUP, "rubrics": "Заводы"}, version="1")
    assert "Изменено после согласования." in row_of(await maria.text(PAGE), "Рубрики")
    async with database.reading() as session:
        noted = (await session.scalars(select(AuditEntry).where(AuditEntry.action == APPROVED))).one()
        assert noted.user_id == office.users["maria"]
    for fields, code in (
        ({"subject": "sources", "by": "Орлова"}, 422),
        ({"subject": "rubrics", "by": " "}, 422),
        ({"subject": "rubrics", "by": "Орлова", "on": "2026-05-15"}, 422),
        ({"subject": "weather", "by": "Орлова"}, 400),
        ({"subject": "rubrics", "by": "Орлова", "on": "вчера"}, 400),
    ):
        assert (await maria.post_form("/campaigns/1/approvals", **fields)).status == code, fields


async def test_experts_come_and_go(maria: Browser, database: Database, office: Office) -> None:
    egor, anna = str(office.users["egor"]), str(office.users["anna"])
    assert (await maria.post_form("/campaigns/1/experts", user=egor)).status == 303
    assert "Экспертов Егор" in re.sub(r"<option.*?</option>", "", await maria.text(PAGE))
    assert (await maria.post_form("/campaigns/1/experts", user=anna)).status == 422
    assert (await maria.post_form("/campaigns/1/experts", user="9999")).status == 404
    assert (await maria.post_form("/campaigns/1/experts", user="x")).status == 400
    await maria.post_form("/campaigns/1/experts", user=egor, remove="yes")
    async with database.reading() as session:
        assert await experts_of(session, 1) == []


async def test_a_candidate_is_hired_trained_and_signed_for(maria: Browser, database: Database, office: Office) -> None:
    await maria.post_form("/campaigns/1/candidates", name="Борисов Борис")
    address, oleg = "/campaigns/1/candidates/1", str(office.users["oleg"])
    assert (await maria.post_form(address, state="trained", score="90", user="", version="1")).status == 422
    assert (await maria.post_form(address, state="hired", score="", user=oleg, version="1")).status == 303
    stale = await maria.post_form(address, state="trained", score="90", user=oleg, version="1")
    assert stale.status == 409
    assert "Пока вы смотрели, кандидата изменили." in await stale.text()
    await maria.post_form(address, state="trained", score="90", user=oleg, version="2", remarks="вежлив")
    assert (
        await maria.post_form("/campaigns/1/approvals", subject="operator", candidate="1", by="Орлова")
    ).status == 303
    page = await maria.text(PAGE)
    assert "Подписано: Орлова" in row_of(page, "Обученный оператор")
    async with database.reading() as session:
        (candidate,) = await candidates_of(session, 1)
        assert (candidate.state, candidate.score, candidate.user_id, candidate.remarks) == (
            *(CandidateState.TRAINED, 90, office.users["oleg"], "вежлив"),
        )
        assert (await signatures(session, 1))[Subject.OPERATOR, 1].holds
    for fields in ({"state": "king"}, {"state": "hired", "score": "много"}, {"state": "hired", "version": ""}):
        assert (await maria.post_form(address, **{"version": "3", "user": "", **fields})).status == 400


async def test_the_campaign_goes_on_in_current_mode_and_in_the_next_one(
    maria: Browser, database: Database, office: Office
) -> None:
    assert (await maria.post_form("/campaigns/1/current", since="2026-05-14")).status == 422
    await maria.post_form(PAGE, **SETUP, version="0")
    assert (await maria.post_form("/campaigns/1/current", since="2026-05-14")).status == 303
    assert "В текущем режиме с 14 мая 2026" in await maria.text(PAGE)
    await maria.post_form("/campaigns/1/current", since="")
    assert (await stored(database)).current_since is None
    assert (await maria.post_form("/campaigns/1/next", name="Осень", list="База")).status == 422
    assert (await maria.post_form("/campaigns/1/next", name="Осень", list="База", group="none")).status == 400
    answer = await maria.post_form("/campaigns/1/next", name="Осень", list="База", group="warm")
    assert answer.headers["Location"] == "/campaigns/2/setup"
    assert "продолжает кампанию «Вентиляция-2»" in await maria.text("/campaigns/2/setup")
    async with database.reading() as session:
        assert (await session.get_one(Campaign, 2)).name == "Осень"
        (client,) = await session.scalars(select(Client).where(Client.campaign_id == 2))
        assert client.group == "warm"


async def test_who_may_only_look_finds_nothing_to_press(signed_in: SignIn, maria: Browser, office: Office) -> None:
    await maria.post_form("/campaigns/1/candidates", name="Борисов Борис")
    await maria.post_form("/campaigns/1/script", script="# Начало", version="0")
    audit = await signed_in("audit")
    for path in (PAGE, "/campaigns/1/script", "/campaigns/1/materials"):
        page = await audit.text(path)
        main = page[page.index("<main") :]
        assert "<button" not in main, path
        assert "Вентиляция-2" in main


async def test_each_task_leads_to_where_it_is_done(maria: Browser) -> None:
    page = await maria.text(PAGE)
    tasks = re.findall(r'<td class="nowrap">(?:<a href="([^"]*)">)?[^<]+(?:</a>)?</td><td>', page)
    assert len(tasks) == len(TASKS)
    for address in {address.replace("&amp;", "&") for address in tasks}:
        path, _, place = address.partition("#")
        assert f'id="{place}"' in await maria.text(path) if place else (await maria.get(path)).status == 200, address


async def test_the_pages_are_whole_in_both_languages(maria: Browser, office: Office) -> None:
    await maria.post_form(PAGE, **SETUP, version="0")
    await maria.post_form("/campaigns/1/candidates", name="Борисов Борис")
    await maria.post_form("/campaigns/1/script", script="# Начало\nПривет\n> Да -> Дальше\n# Дальше", version="0")
    paths = (PAGE, "/campaigns/1/script", "/campaigns/1/materials", "/campaigns/1")
    assert latin_words([await maria.text(path) for path in paths]) == set()


async def test_where_nobody_is_an_expert_the_page_says_how_somebody_becomes_one(
    maria: Browser, database: Database
) -> None:
    told = "Роли эксперта здесь ни у кого нет"
    assert told not in await maria.text(PAGE)
    async with database.transaction() as session:
        await session.execute(update(User).where(User.role == Role.EXPERT).values(role=Role.OPERATOR))
    assert told in await maria.text(PAGE)


async def test_who_is_an_expert_already_is_not_offered_again_and_candidates_are_named_so(
    maria: Browser, office: Office
) -> None:
    await maria.post_form(f"{PAGE.removesuffix('/setup')}/candidates", name="Новикова Ольга")
    page = await maria.text(PAGE)
    option = f'<option value="{office.users["egor"]}">'
    assert option in page
    assert '<th scope="col">Кандидат</th>' in page
    await maria.post_form(f"{PAGE.removesuffix('/setup')}/experts", user=str(office.users["egor"]))
    page = await maria.text(PAGE)
    assert "Экспертов Егор" in page
    assert option not in page
