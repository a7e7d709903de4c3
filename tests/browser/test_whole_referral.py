"""A warm client from the operator's digit key to the expert's first call, with nothing standing in: the service is a
process, the client is a softphone that speaks a tone, both headsets are on the line, and all is done by keyboard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import select

from crm.base.organisations import add_organisation
from crm.base.people import add_person
from crm.base.phone_numbers import PhoneNumber
from crm.calls.attempts import Attempt
from crm.calls.disposition_sets import set_disposition
from crm.clientele.clients import add_client
from crm.database import Database
from crm.experts.referrals import ChosenBy, Referral, ReferralState
from crm.office.users import Role, User, add_user, set_headset_password
from crm.plan.dispositions import Ask
from crm.preparation.call_lists import list_named
from crm.preparation.campaign_setup import set_expert, set_industries
from crm.preparation.campaigns import Campaign, add_campaign, change_campaign
from crm.preparation.plan_rules import ReferralsBy
from crm.questionnaires.questionnaires import Purpose, add_questionnaire
from crm.questionnaires.wording import parse
from crm.reports.first_contacts import FirstContact, first_contacts
from crm.wrap_up.outcomes import Outcome
from dialer.demo import seed
from dialer.practice.processes import PracticeHeadset
from tests import audio
from tests.browser.conftest import OpenPage, until
from tests.browser.test_whole_call import (
    CALL_STATE,
    CARD_NAME,
    PATIENCE_MS,
    Gallery,
    come_in,
    recorded,
    settled,
    tab_to,
)
from tests.peers.fixtures import Factory
from tests.peers.run_baresip import BaresipRun
from tests.peers.test_whole_sound import assert_clean, clearest_second
from tests.peers.tones import read_wav as read_heard
from tests.peers.tones import rms_dbfs
from tests.peers.whole import exchange, softphone, write_voice
from tests.scenarios.office import World, office_at, until_recorded

pytestmark = [pytest.mark.browser, pytest.mark.peer]

NORTH, SOUTH = "ООО «Северный ветер»", "ООО «Южный ветер»"
NUMBER, SOUTHS_NUMBER = "+73420000112", "+73420000113"
EGOR, ZOYA = "egor", "zoya"
CLIENT_HZ, ANNA_HZ, EGOR_HZ = 1004.0, 700.0, 500.0
CLIENT_DBFS = -13.5  # a sine of 0.3 of full scale
TALK_S = 2.0
QUESTIONS = """# Покупают у других?
key: buys
kind: yes_no
required: yes
# Сколько штук в год
key: pieces
kind: number
required: yes
when: buys = yes
"""
WORDS = {
    "ru": {
        "proposed": "По правилу: Экспертов Егор – знает эту отрасль",
        "handed": "Вам передан 1 клиент",
        "pieces": "Сколько штук в год: 12",
        "accepted": "Приняты, разговора",
        "talked": "Эксперт поговорил",
        "talking": "Разговор",
    },
    "en": {
        "proposed": "By the rule: Яшина Зоя – has least to do",
        "handed": "1 client has been",
        "pieces": "Сколько штук в год: 12",
        "accepted": "Accepted, and not",
        "talked": "Talked with",
        "talking": "Talking",
    },
}


@dataclass(frozen=True, slots=True)
class Stage:
    """The service, and the softphone behind the client's number."""

    world: World
    client: BaresipRun
    folder: Path


async def _person(session: Any, login: str, name: str, role: Role, headset: str = "") -> User:
    user = await add_user(
        session, login=login, name=name, role=role, password=seed.PASSWORD, now=datetime.now(UTC), headset=headset
    )
    if headset:
        await set_headset_password(session, user=user, password=seed.HEADSET_PASSWORD, realm="dialer")
    return user


async def _client(session: Any, campaign: Campaign, name: str, number: str) -> None:
    now = datetime.now(UTC)
    organisation = await add_organisation(session, name=name, now=now, industry="Торговля", time_zone="Europe/Moscow")
    session.add(PhoneNumber(organisation_id=organisation.id, e164=number, raw=number))
    await add_person(session, organisation_id=organisation.id, full_name="Петрова Анна Сергеевна", decides=True)
    call_list = await list_named(session, campaign_id=campaign.id, name="Первый")
    await add_client(
        session, campaign_id=campaign.id, organisation_id=organisation.id, call_list_id=call_list.id, now=now
    )


async def furnish(database_url: str, *, by: ReferralsBy) -> None:
    """A campaign at any hour whose warm outcome requires its questionnaire; Egor knows the clients' industry, and Zoya
    has been an expert longer, so that she is the one by load."""
    database, now = Database(database_url), datetime.now(UTC)
    async with database.transaction() as session:
        await _person(session, seed.OPERATOR, seed.OPERATOR_NAME, Role.OPERATOR, seed.HEADSET)
        zoya = await _person(session, ZOYA, "Яшина Зоя", Role.EXPERT)
        egor = await _person(session, EGOR, "Экспертов Егор", Role.EXPERT, EGOR)
        campaign = await add_campaign(
            session, name="Вентиляция", now=now, calls_from=time(0), calls_until=time(23, 59, 59),
            calls_on_days_off=True, lists_need_approval=False,
        )  # fmt: skip
        await change_campaign(session, campaign=campaign, now=now, referrals_by=by)
        for expert in (zoya, egor):
            await set_expert(session, campaign=campaign, user=expert, belongs=True, now=now)
        await set_industries(session, campaign=campaign, user=egor, industries=["Торговля"], now=now)
        await add_questionnaire(
            session, name="О клиенте", purpose=Purpose.CLIENT, questions=parse(QUESTIONS).questions, now=now,
            campaign_id=campaign.id,
        )  # fmt: skip
        await set_disposition(session, campaign_id=campaign.id, key="warm", required={Ask.QUESTIONNAIRE}, now=now)
        for name, number in ((NORTH, NUMBER), (SOUTH, SOUTHS_NUMBER)):
            await _client(session, campaign, name, number)
    await database.dispose()


@pytest.fixture
async def stage(tmp_path: Path, either_database_url: str, baresip: Factory, language: str) -> AsyncIterator[Stage]:
    by = ReferralsBy.INDUSTRY if language == "ru" else ReferralsBy.LOAD
    await furnish(either_database_url, by=by)
    client = await softphone(baresip, NUMBER, write_voice(tmp_path, CLIENT_HZ))
    async with AsyncExitStack() as stack:
        carrier = await stack.enter_async_context(exchange({NUMBER: (client.host, client.port)}))
        world = await stack.enter_async_context(office_at(tmp_path, carrier.address, database_url=either_database_url))
        for user, hz in ((seed.HEADSET, ANNA_HZ), (EGOR, EGOR_HZ)):
            headset = PracticeHeadset(
                registrar=("127.0.0.1", world.sip_port), user=user, password=seed.HEADSET_PASSWORD, tone_hz=hz
            )
            await stack.enter_async_context(headset)
            await headset.registered()
        yield Stage(world, client, tmp_path)


async def at_the_desk(open_page: OpenPage, stage: Stage, login: str, language: str) -> Page:
    """Signed in, Ready pressed, the headset is on the line."""
    page = await come_in(open_page, stage.world, login, language)
    await expect(page.locator("[data-do=ready]")).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-do=ready]")).to_be_hidden(timeout=PATIENCE_MS)
    return page


async def in_a_talk(page: Page, stage: Stage, language: str) -> Attempt:
    """The client in front is called, answers, and has been recorded for a while."""
    await expect(page.locator(CARD_NAME)).to_have_text(NORTH, timeout=PATIENCE_MS)
    await expect(page.locator("[data-do=dial]")).to_be_enabled(timeout=PATIENCE_MS)
    await settled(page)
    await page.keyboard.press("Enter")
    await expect(page.locator(CALL_STATE)).to_have_text(WORDS[language]["talking"], timeout=PATIENCE_MS)
    attempt = (await attempts(stage))[-1]
    begun = await stage.world.recording_begun(attempt.id)
    await until_recorded(stage.world.recording_path(begun), TALK_S)
    return attempt


async def attempts(stage: Stage) -> list[Attempt]:
    async def read(session: Any) -> list[Attempt]:
        return list(await session.scalars(select(Attempt).order_by(Attempt.opened_at)))

    return await stage.world.stored(read)


async def answer_the_questions(page: Page) -> None:
    """In the talk, as the client says it."""
    await page.keyboard.press("F1")
    await expect(page.locator("[data-question=buys] select")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-question=pieces] input")).to_be_focused()


async def hand_over(page: Page, gallery: Gallery) -> None:
    """The digit of the warm outcome, refused without the answer that it requires; by the rule, or by name."""
    await expect(page.locator("[data-save]")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("2")
    expert = page.locator("select[name=expert_id]")
    await expect(expert.locator("option:checked")).to_contain_text(WORDS[gallery.language]["proposed"])
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#outcome-form .trouble")).to_contain_text("Сколько штук в год")
    await expect(page.locator("[data-question=pieces] input")).to_be_focused()
    await page.keyboard.type("12")
    if gallery.language == "en":
        await tab_to(page, "select[name=expert_id]")
        await page.keyboard.press("ArrowDown")
        await expect(expert.locator("option:checked")).to_contain_text("Экспертов Егор")
    await gallery.keep(page)
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(CARD_NAME)).to_have_text(SOUTH)


async def listen(page: Page, stage: Stage, attempt_id: str, gallery: Gallery) -> None:
    """The expert, to what the client said to the operator; what comes over HTTP holds each voice on its side."""
    await tab_to(page, f'a[href^="/calls/{attempt_id}"]')
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/calls/{attempt_id}*")
    await expect(page.locator("svg .wave")).to_have_count(2)
    await page.keyboard.press("Space")
    await until(page, "playing")
    await page.keyboard.press("Space")
    await gallery.keep(page)
    given = await page.request.get(f"{stage.world.service.url}/recordings/{attempt_id}.wav")
    assert given.status == 200
    file = stage.folder / "given.wav"
    await asyncio.to_thread(file.write_bytes, await given.body())
    operator, client = await asyncio.to_thread(audio.read_wav, file)
    assert len(client) >= TALK_S * audio.RATE_HZ
    assert_clean(operator, ANNA_HZ, CLIENT_HZ)
    assert_clean(client, CLIENT_HZ, ANNA_HZ)
    _, second = clearest_second(client, CLIENT_HZ)
    assert rms_dbfs(second) == pytest.approx(CLIENT_DBFS, abs=0.5)


async def waited(stage: Stage) -> list[FirstContact]:
    now = datetime.now(UTC)
    return await stage.world.stored(lambda session: first_contacts(session, since=now - timedelta(days=1), now=now))


async def is_stored(stage: Stage, language: str) -> tuple[Attempt, Attempt]:
    """The two calls: whose, and what came of the client between them."""

    async def read(session: Any) -> tuple[list[Attempt], Referral, list[str], dict[int, str]]:
        calls = list(await session.scalars(select(Attempt).order_by(Attempt.opened_at)))
        outcomes = list(await session.scalars(select(Outcome.disposition).order_by(Outcome.id)))
        logins = dict((await session.execute(select(User.id, User.login))).all())
        return calls, (await session.scalars(select(Referral))).one(), outcomes, logins

    (first, second), referral, outcomes, logins = await stage.world.stored(read)
    assert [logins[each.operator_id] for each in (first, second)] == [seed.OPERATOR, EGOR]
    assert outcomes == ["warm", "hot"]
    assert (logins[referral.expert_id or 0], referral.state) == (EGOR, ReferralState.ACCEPTED)
    assert referral.chosen_by is (ChosenBy.INDUSTRY if language == "ru" else ChosenBy.NAME)
    return first, second


async def test_a_warm_client_from_the_operators_digit_to_the_experts_first_call(
    stage: Stage, open_page: OpenPage, language: str
) -> None:
    words, gallery = WORDS[language], Gallery(language)
    operator = await at_the_desk(open_page, stage, seed.OPERATOR, language)
    first = await in_a_talk(operator, stage, language)
    await answer_the_questions(operator)
    await operator.keyboard.press("F8")
    await hand_over(operator, gallery)
    await recorded(stage.world, first.id)

    expert = await at_the_desk(open_page, stage, EGOR, language)
    await expect(expert.locator("[data-region=day] a[href='/referrals']")).to_contain_text(words["handed"])
    await gallery.keep(expert)
    await tab_to(expert, "[data-region=day] a[href='/referrals']")
    await expert.keyboard.press("Enter")
    offered = expert.locator("table.sheet tbody tr")
    await expect(offered).to_contain_text([NORTH])
    await expect(offered).to_contain_text([words["pieces"]])
    await gallery.keep(expert)
    await listen(expert, stage, first.id, gallery)
    await expert.keyboard.press("Escape")
    await expert.wait_for_url("**/referrals")
    await expert.keyboard.press("1")
    await expect(expert.locator("h2")).to_contain_text(words["accepted"])
    assert [(each.waits, each.expert) for each in await waited(stage)] == [(True, "Экспертов Егор")]
    await tab_to(expert, "form[action$='/call'] button")
    await expert.keyboard.press("Enter")
    await in_a_talk(expert, stage, language)
    await expect(expert.locator("[data-region=day] li[aria-current]")).to_contain_text(NORTH)
    await expect(expert.locator("[data-question=pieces] input")).to_have_value("12")
    await gallery.keep(expert)
    await expert.keyboard.press("F8")
    await expect(expert.locator("[data-save]")).to_be_visible()
    await expert.keyboard.press("1")
    await expert.keyboard.press("Control+Enter")
    await expect(expert.locator(CARD_NAME)).not_to_have_text(NORTH)
    heard = await asyncio.to_thread(stage.client.heard)
    assert len(heard) == 2
    assert_clean(read_heard(heard[1]), EGOR_HZ, ANNA_HZ)
    _, second = await is_stored(stage, language)
    (contact,) = await waited(stage)
    assert (contact.waits, contact.talk_id) == (False, second.id)

    manager = await come_in(open_page, stage.world, seed.MANAGER, language)
    await manager.goto(f"{stage.world.service.url}/reports/experts")
    row = manager.locator("table.sheet tbody tr", has_text=NORTH)
    await expect(row).to_contain_text("Экспертов Егор")
    await expect(row.locator(f'a[href="/calls/{second.id}"]')).to_be_visible()
    await expect(row.locator(".warning")).to_have_count(0)
    await expect(manager.locator("tr", has_text=words["talked"]).locator("td").first).to_have_text("1")
    await gallery.keep(manager)
    gallery.assert_in_its_language()
