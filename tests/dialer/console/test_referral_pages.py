"""Clients who are handed to experts: at the operator's desk, on the expert's page, on the manager's."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from crm.clientele.clients import Client
from crm.database import Database
from crm.experts.referrals import Referral, ReferralState
from crm.experts.referring import pass_on_lapsed
from crm.office.users import get_user
from crm.plan.callbacks import Callback
from crm.plan.plan_entries import PlanEntry
from crm.preparation.campaign_setup import industries_of, set_expert
from crm.preparation.campaigns import get_campaign
from crm.questionnaires.questionnaires import Purpose, add_questionnaire
from crm.questionnaires.sheets import write_sheet
from crm.questionnaires.wording import parse
from crm.wrap_up.outcomes import OutcomeForm
from dialer.calls.view import CallState
from recordings.store import LocalStore
from tests.crm.work import statements
from tests.dialer.console.conftest import Browser, Clock, SignIn
from tests.dialer.console.fake_desk import FakeDesk
from tests.dialer.console.seed import NOW, Office, seed_call, seed_recording

SAID = OutcomeForm("warm", person_name="Директоров Пётр", person_decides=True, note="Ждут смету")


@pytest.fixture
async def egor(office: Office, database: Database, signed_in: SignIn) -> Browser:
    """The campaign's only expert."""
    async with database.transaction() as session:
        campaign = await get_campaign(session, office.campaign_id)
        user = await get_user(session, office.users["egor"])
        await set_expert(session, campaign=campaign, user=user, belongs=True, now=NOW)
    return await signed_in("egor")


async def handed_over(database: Database, office: Office, *, client: int = 3) -> str:
    """By Anna, half an hour ago; returns the call."""
    return await seed_call(database, office, client=client, at=NOW - timedelta(minutes=30), form=SAID)


async def referrals(database: Database) -> list[Referral]:
    async with database.reading() as session:
        return list(await session.scalars(select(Referral).order_by(Referral.id)))


async def test_the_expert_reads_hears_and_accepts(
    egor: Browser, office: Office, database: Database, store: LocalStore
) -> None:
    assert "Вас ничего не ждёт" in await egor.text("/referrals")
    attempt_id = await handed_over(database, office)
    await seed_recording(database, store, attempt_id, NOW - timedelta(minutes=30))
    page = await egor.text("/referrals")
    for told in ("Гамма-Холод", "Иванова Анна", "Директоров Пётр", "Ждут смету", "слушать, 00:10", 'data-key="Digit1"'):
        assert told in page, told
    assert "Вам передан 1 клиент" in await egor.text("/operator")
    assert f'href="/calls/{attempt_id}?from=referrals"' in page
    assert 'href="/referrals" data-key="Escape"' in await egor.text(f"/calls/{attempt_id}?from=referrals")
    assert 'href="/calls" data-key="Escape"' in await egor.text(f"/calls/{attempt_id}?from=https://example.ru")
    assert (await egor.get(f"/recordings/{attempt_id}.wav")).status == 200
    assert (await egor.post_form("/referrals/1/accept")).status == 303
    page = await egor.text("/referrals")
    assert "Приняты, разговора ещё не было" in page
    assert "Вам передан" not in await egor.text("/operator")
    (row,) = await referrals(database)
    assert (row.state, row.accepted_at) == (ReferralState.ACCEPTED, NOW)
    assert "принят, 14 мая 2026, 11:02" in await egor.text(f"/clients/{office.clients[3]}")


async def test_whoever_brought_the_client_goes_on_seeing_it_and_who_lost_it_calls_no_more(
    egor: Browser, signed_in: SignIn, office: Office, database: Database
) -> None:
    await handed_over(database, office)
    client_id = office.clients[3]
    assert (await egor.post_form("/referrals/1/accept")).status == 303
    anna, oleg = await signed_in("anna"), await signed_in("oleg")
    assert "принят" in await anna.text(f"/clients/{client_id}")
    assert (await oleg.get(f"/clients/{client_id}")).status == 404
    await egor.act("ready")
    async with database.transaction() as session:
        await session.execute(update(Client).where(Client.id == client_id).values(owner_id=office.users["oleg"]))
        await session.execute(update(PlanEntry).values(operator_id=office.users["oleg"]))
        await session.execute(update(Callback).values(owner_id=office.users["oleg"]))
    assert (await egor.post_form("/referrals/1/call")).status == 404, "it has passed to somebody else"


async def test_the_expert_reads_the_answers_and_the_history_has_them(
    egor: Browser, office: Office, database: Database
) -> None:
    await handed_over(database, office)
    client_id = office.clients[3]
    async with database.transaction() as session:
        questions = parse("# Что важно\nkey: matters\n# Сколько штук\nkey: pieces\nkind: number\n").questions
        made = await add_questionnaire(session, name="О клиенте", purpose=Purpose.CLIENT, questions=questions, now=NOW)
        number = made.questionnaire.id
        await write_sheet(
            session, client_id=client_id, questionnaire_id=number, typed={"matters": "<b>срок</b>"}, now=NOW,
            author_id=office.users["anna"],
        )  # fmt: skip
    page = await egor.text("/referrals")
    assert "Что важно:</span> &lt;b&gt;срок&lt;/b&gt;" in page
    assert "Сколько штук" not in page, "what nobody answered takes no place"
    history = (await egor.text(f"/clients/{client_id}")).split('id="card-history"')[1].split("</section>")[0]
    lines = re.findall(r"<p>(?:<a href=\"([^\"]*)\"[^>]*>)?([^<]*)", history)
    assert lines[:2] == [
        (f"/clients/{client_id}/sheets/{number}", "Ответы на «О клиенте», версия 1"),
        ("", "Передан: Экспертов Егор"),
    ]


async def test_accept_and_call_lays_the_card_on_the_desk(
    egor: Browser, office: Office, database: Database, desk: FakeDesk
) -> None:
    await handed_over(database, office)
    await egor.act("ready")
    said = await egor.post_form("/referrals/1/call")
    assert (said.status, said.headers["Location"]) == (303, "/operator")
    expert_id = office.users["egor"]
    assert desk.views[expert_id].client_id == office.clients[3]
    assert (await egor.act("dial", client_id=office.clients[3])).status == 200


async def test_who_cannot_be_called_now_is_told_of_and_nothing_is_done(
    egor: Browser, office: Office, database: Database, desk: FakeDesk, clock: Clock
) -> None:
    await handed_over(database, office)
    await egor.act("ready")
    before = desk.views[office.users["egor"]]
    clock.now = NOW.replace(hour=15)
    said = await egor.post_form("/referrals/1/call", page="/referrals")
    assert (said.status, said.headers["Location"]) == (303, "/referrals")
    page = await egor.text("/referrals")
    notice = re.search(r'role="alert">([^<]*)<', page)
    assert notice
    assert notice[1] == "Гамма-Холод: сейчас не звоним. У клиента 18:02; звонить можно с 09:00 до 18:00."
    assert "Ждут, пока я приму" in page, "it is not accepted either"
    assert desk.views[office.users["egor"]] == before
    assert [row.state for row in await referrals(database)] == [ReferralState.OFFERED]


async def test_beside_a_call_nobody_else_is_called(
    egor: Browser, office: Office, database: Database, desk: FakeDesk
) -> None:
    await handed_over(database, office)
    await egor.act("ready")
    expert_id = office.users["egor"]
    for state, told in ((CallState.TALKING, "Идёт разговор"), (CallState.WRAP_UP, "ещё нет итога")):
        desk.change(expert_id, call=state)
        await egor.post_form("/referrals/1/call", page="/referrals")
        notice = re.search(r'role="alert">([^<]*)<', await egor.text("/referrals"))
        assert notice
        assert told in notice[1]
    assert [row.state for row in await referrals(database)] == [ReferralState.OFFERED]


async def test_given_back_without_a_reason_is_refused(egor: Browser, office: Office, database: Database) -> None:
    await handed_over(database, office)
    assert (await egor.post_form("/referrals/1/give-back", reason=" ")).status == 422
    assert (await egor.post_form("/referrals/1/give-back", reason="не моя отрасль")).status == 303
    assert [row.state for row in await referrals(database)] == [ReferralState.GIVEN_BACK, ReferralState.OFFERED]
    assert "Ничей: кто первый возьмёт." in await egor.text("/referrals")


async def test_what_is_another_experts_is_not_theirs_to_take(egor: Browser, office: Office, database: Database) -> None:
    await handed_over(database, office)
    async with database.transaction() as session:
        await session.execute(update(Client).values(owner_id=office.users["anna"]))
        campaign = await get_campaign(session, office.campaign_id)
        user = await get_user(session, office.users["egor"])
        await set_expert(session, campaign=campaign, user=user, belongs=False, now=NOW)
    assert (await egor.post_form("/referrals/1/give-back", reason="не моя отрасль")).status == 303
    assert (await egor.post_form("/referrals/2/accept")).status == 403
    assert (await egor.post_form("/referrals/2/call")).status == 403
    assert (await egor.post_form("/referrals/9/accept")).status == 404


async def test_the_operator_is_proposed_an_expert_with_the_reason(
    egor: Browser, signed_in: SignIn, office: Office, desk: FakeDesk, database: Database
) -> None:
    anna, operator_id = await signed_in("anna"), office.users["anna"]
    await anna.act("ready")
    client_id = desk.views[operator_id].client_id
    assert client_id is not None
    await anna.act("dial", client_id=client_id)
    await desk.answer(operator_id)
    page = await anna.text("/operator")
    assert "По правилу: Экспертов Егор – дел меньше всего (0)" in page
    await anna.act("hang-up", attempt_id=desk.views[operator_id].attempt_id)
    fields = {
        "disposition": "warm", "person_name": "Петрова Анна", "person_decides": "yes",
        "expert_id": str(office.users["egor"]),
    }  # fmt: skip
    said = await anna.act("outcome", attempt_id=desk.views[operator_id].attempt_id, fields=fields)
    assert said.status == 200
    (row,) = await referrals(database)
    assert (row.client_id, row.expert_id, row.chosen_by) == (client_id, office.users["egor"], "name")


async def test_without_experts_nothing_is_asked(signed_in: SignIn, office: Office, desk: FakeDesk) -> None:
    anna, operator_id = await signed_in("anna"), office.users["anna"]
    await anna.act("ready")
    await anna.act("dial", client_id=desk.views[operator_id].client_id)
    await desk.answer(operator_id)
    asked = re.findall(r'value="(?:hot|warm)"[^>]*data-asks="([^"]*)"', await anna.text("/operator"))
    assert asked
    assert not any("expert" in asks for asks in asked)


async def test_the_manager_sees_what_was_not_taken_in_time_and_gives_it(
    egor: Browser, signed_in: SignIn, office: Office, database: Database
) -> None:
    maria = await signed_in("maria")
    await handed_over(database, office)
    assert "не приняты в срок" not in await maria.text("/plan")
    (row,) = await referrals(database)
    assert row.due_at is not None
    async with database.transaction() as session:
        await pass_on_lapsed(session, now=row.due_at)
    page = await maria.text("/plan")
    for told in ("Переданы экспертам и не приняты в срок", "Гамма-Холод", "Экспертов Егор", "никого"):
        assert told in page, told
    assert (await maria.post_form("/referrals/2/give", to=str(office.users["egor"]))).status == 303
    *_, last = await referrals(database)
    assert (last.expert_id, last.state, last.chosen_by) == (office.users["egor"], ReferralState.OFFERED, "name")
    assert (await maria.post_form("/referrals/3/give", to=str(office.users["anna"]))).status == 422
    assert 'action="/referrals/3/give"' not in await (await signed_in("audit")).text("/plan")


async def test_the_managers_page_asks_no_more_of_the_database_the_more_clients_wait(
    egor: Browser, signed_in: SignIn, office: Office, database: Database
) -> None:
    maria = await signed_in("maria")

    async def asked(*clients: int) -> int:
        """So many the page makes, once these were let pass, too."""
        for client in clients:
            form = replace(SAID, reason="дорого")  # one of them had left
            await seed_call(database, office, client=client, at=NOW - timedelta(minutes=30), form=form)
        last = (await referrals(database))[-1]
        assert last.due_at is not None
        async with database.transaction() as session:
            await pass_on_lapsed(session, now=last.due_at)
        with statements() as made:
            page = await maria.text("/plan")
        assert page.count("/give") == len({row.client_id for row in await referrals(database)})
        return len(made)

    assert await asked(3) == await asked(2, 4, 5)


async def test_the_limit_and_the_rule_are_the_campaigns(
    egor: Browser, signed_in: SignIn, office: Office, database: Database
) -> None:
    konst, address = await signed_in("konst"), f"/campaigns/{office.campaign_id}"
    assert 'name="referral_limit_min" value="60"' in await konst.text(address)
    assert (
        await konst.post_form(f"{address}/experts", user="3", industries="Торговля; ; торговля;Металл")
    ).status == 303
    async with database.reading() as session:
        assert await industries_of(session, office.campaign_id) == {office.users["egor"]: ("Металл", "торговля")}
    assert "Металл; торговля" in await konst.text(f"{address}/setup")


async def test_the_correction_asks_for_the_expert(
    egor: Browser, signed_in: SignIn, office: Office, database: Database
) -> None:
    attempt_id = await handed_over(database, office)
    maria = await signed_in("maria")
    page = await maria.text(f"/calls/{attempt_id}")
    assert f'<option value="{office.users["egor"]}" selected>Экспертов Егор</option>' in page


async def test_the_manager_reads_how_long_clients_waited(
    egor: Browser, signed_in: SignIn, office: Office, database: Database
) -> None:
    maria = await signed_in("maria")
    assert "первого разговора" not in await maria.text("/plan")
    await handed_over(database, office)  # after a talk of 468 s, half an hour ago
    assert "1 клиент, переданный эксперту за последние 30 дней, ждёт первого разговора." in await maria.text("/plan")
    page = await maria.text("/reports/experts?days=x&campaign=99999999999")
    for told in ("Гамма-Холод", "Экспертов Егор", "ждёт", "22 мин"):
        assert told in page, told
    assert "За эти дни никого не передавали" in await maria.text("/reports/experts?campaign=99")
