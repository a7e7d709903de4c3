"""The plan on its pages: everybody's sums, one person's day, who is away."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from crm.audit import AuditEntry
from crm.database import Database
from crm.plan.callbacks import Callback
from crm.plan.plan_entries import EntryKind, EntryState, PlanEntry
from crm.reading.my_day import my_day
from crm.wrap_up.outcomes import OutcomeForm
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.fake_desk import FakeDesk
from tests.dialer.console.seed import NOW, Office, seed_call

TODAY = "2026-05-14"


@pytest.fixture
async def maria(signed_in: SignIn, office: Office) -> Browser:
    return await signed_in("maria")


async def pick(browser: Browser, client_id: int, user_id: int, day: str = TODAY) -> int:
    return (await browser.post_form(f"/clients/{client_id}/plan", day=day, person=str(user_id))).status


async def names(browser: Browser, user_id: int) -> list[str]:
    """Who waits for the person, in the order of the page."""
    page = await browser.text(f"/plan/{user_id}")
    table = page[page.index("В этом порядке") : page.index("Общие, первые")]
    return re.findall(r'class="name" href="/clients/\d+">([^<]*)<', table)


async def forms(browser: Browser, user_id: int, action: str) -> list[tuple[str, dict[str, str]]]:
    """The page's forms whose address ends with `action`: where to, and their hidden fields."""
    page = await browser.text(f"/plan/{user_id}")
    found = re.findall(rf'<form[^>]*action="(/plan/entries/\d+/{action})">(.*?)</form>', page, re.DOTALL)
    hidden = r'type="hidden" name="(\w+)" value="([^"]*)"'
    return [(address, {k: v for k, v in re.findall(hidden, form) if k != "csrf"}) for address, form in found]


async def test_clients_are_picked_and_put_in_another_order(maria: Browser, office: Office) -> None:
    anna = office.users["anna"]
    for index in (3, 4, 5):
        assert await pick(maria, office.clients[index], anna) == 303
    assert await names(maria, anna) == ["Дельта", "Гамма-Холод", "Завод «Эпсилон»"]
    down = [form for form in await forms(maria, anna, "move") if "up" not in form[1]]
    answer = await maria.post_form(down[0][0], **down[0][1])
    assert answer.headers["Location"].startswith(f"/plan/{anna}?day={TODAY}#entry-")
    assert await names(maria, anna) == ["Гамма-Холод", "Дельта", "Завод «Эпсилон»"]
    up = [form for form in await forms(maria, anna, "move") if "up" in form[1]]
    await maria.post_form(up[-1][0], **up[-1][1])
    assert await names(maria, anna) == ["Гамма-Холод", "Завод «Эпсилон»", "Дельта"]
    stale = await maria.post_form(down[0][0], **down[0][1])
    assert stale.status == 409
    assert "План изменился, пока вы смотрели." in await stale.text()


async def test_an_entry_goes_to_another_person_and_from_everybody(
    maria: Browser, office: Office, database: Database
) -> None:
    anna, oleg = office.users["anna"], office.users["oleg"]
    await pick(maria, office.clients[3], anna)
    (address, hidden), *_ = await forms(maria, anna, "assign")
    assert (await maria.post_form(address, **hidden, to=str(oleg))).status == 303
    assert await names(maria, oleg) == ["Гамма-Холод"]
    assert (await maria.post_form(address, **hidden, to=str(oleg))).status == 409
    free = [form for form in await forms(maria, oleg, "assign") if form[1].get("was") == ""]
    await maria.post_form(free[0][0], **free[0][1])
    assert len(await names(maria, oleg)) == 2
    async with database.reading() as session:
        noted = select(AuditEntry).where(AuditEntry.action == "plan.reassigned")
        assert [entry.user_id for entry in await session.scalars(noted)] == [office.users["maria"]] * 2


async def test_who_calls_picks_for_the_own_plan_alone(signed_in: SignIn, office: Office, database: Database) -> None:
    egor = await signed_in("egor")
    assert await pick(egor, office.clients[3], office.users["anna"]) == 303
    async with database.reading() as session:
        entry = (await session.scalars(select(PlanEntry).where(PlanEntry.kind == EntryKind.HANDPICKED))).one()
    assert entry.operator_id == office.users["egor"]
    assert "В мой план" in await egor.text(f"/clients/{office.clients[3]}")
    assert (await egor.post_form(f"/clients/{office.clients[3]}/plan", day="soon")).status == 400


async def test_who_is_away_hands_over_and_comes_back(maria: Browser, office: Office, database: Database) -> None:
    anna, oleg = office.users["anna"], office.users["oleg"]
    fields = {"person": str(anna), "from": TODAY, "until": TODAY, "reason": "Болеет"}
    before = await maria.text("/plan")
    due = re.search(r"Иванова Анна \(обещано звонков на сегодня: (\d)\)", before)
    assert due is not None
    assert (await maria.post_form("/plan/away", **fields)).status == 303
    page = await maria.text("/plan")
    assert "Болеет" in page
    async with database.reading() as session:
        assert set(await session.scalars(select(Callback.owner_id))) == {oleg}
    assert due[1] == "2"
    assert "Сидоров Олег: 1" in page  # the other client is in hand just now
    assert "вернуть 1 звонок" in page
    assert (await maria.post_form("/plan/back", person=str(anna), take_back="yes")).status == 303
    async with database.reading() as session:
        assert set(await session.scalars(select(Callback.owner_id))) == {anna, oleg}
    assert "Все на работе." in await maria.text("/plan")
    assert (await maria.post_form("/plan/back", person=str(anna))).status == 422
    assert (await maria.post_form("/plan/away", **{**fields, "from": "soon"})).status == 400


async def test_the_plan_is_begun_anew(maria: Browser, office: Office, database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(delete(PlanEntry))
    assert (await maria.post_form("/plan/build", campaign=str(office.campaign_id))).status == 303
    async with database.reading() as session:
        waiting = select(PlanEntry).where(PlanEntry.state == EntryState.WAITING, PlanEntry.day == NOW.date())
        assert len(list(await session.scalars(waiting))) == 4  # two of six are promised a call
    assert (await maria.post_form("/plan/build", campaign="9")).status == 404


async def test_who_may_only_look_finds_nothing_to_press(signed_in: SignIn, office: Office) -> None:
    browser = await signed_in("audit")
    for path in ("/plan", f"/plan/{office.users['anna']}"):
        assert 'method="post" action="/plan' not in await browser.text(path)
    assert (await browser.get(f"/plan/{office.users['maria']}")).status == 404


async def test_a_number_told_in_mid_call_is_on_the_card_at_once_and_dialled_after_it(
    signed_in: SignIn, office: Office, desk: FakeDesk
) -> None:
    anna, operator_id = await signed_in("anna"), office.users["anna"]
    await anna.act("ready")
    client_id = desk.views[operator_id].client_id
    await anna.act("dial", client_id=client_id)
    await desk.answer(operator_id)
    attempt_id = desk.views[operator_id].attempt_id
    fields = {"phone": "8 912 000-12-34", "person_name": "Новый Директор", "decides": "yes", "call_next": "yes"}
    stale = await anna.act("learn", client_id=99, attempt_id=attempt_id, fields=fields)
    assert stale.status == 409
    answer = await anna.act("learn", client_id=client_id, attempt_id=attempt_id, fields=fields)
    assert answer.status == 200, await answer.text()
    assert ("look again", operator_id) in desk.clicks
    page = await anna.text("/operator")
    assert "+7 912 000-12-34" in page
    assert "Новый Директор" in page
    await desk.end(operator_id)
    outcome = {"disposition": "not_main", "person_name": "Секретарь Ольга", "summary": "Дала мобильный директора"}
    await anna.act("outcome", attempt_id=attempt_id, fields=outcome)
    assert desk.views[operator_id].client_id == client_id
    refused = await anna.act("learn", client_id=client_id, fields={"phone": "абв"})
    assert refused.status == 422


async def test_a_person_s_plan_names_the_campaigns_and_calls_a_whole_day_so(
    signed_in: SignIn, office: Office, database: Database
) -> None:
    async with database.transaction() as session:
        for entry in await session.scalars(select(PlanEntry).where(PlanEntry.kind == EntryKind.GROUP)):
            entry.opens_at, entry.closes_at = NOW.replace(hour=0), NOW.replace(hour=0) + timedelta(days=1)
    page = await (await signed_in("maria")).text(f"/plan/{office.users['anna']}")
    rows = re.findall(r"<tr[^>]*><td[^>]*><a class=\"name\".*?</tr>", page, re.DOTALL)
    assert rows
    assert all("Вентиляция-2" in row for row in rows)
    assert "весь день" in page
    assert "00:00–00:00" not in page


async def test_a_day_has_come_as_far_on_the_plan_as_on_the_own_page(
    maria: Browser, signed_in: SignIn, office: Office, database: Database
) -> None:
    await maria.post_form("/plan/build", campaign="1")
    await seed_call(database, office, client=3, at=NOW - timedelta(minutes=30), form=OutcomeForm("cold", reason="нет"))
    anna = office.users["anna"]
    row = (await maria.text("/plan")).split(f'href="/plan/{anna}"')[1]
    planned = re.search(r'aria-label="(\d+) %"', row)
    own = re.search(r'<rect width="(\d+)" height="4"', await (await signed_in("anna")).text("/operator"))
    assert planned
    assert own
    assert own[1] == planned[1]
    async with database.reading() as session:
        day = await my_day(session, operator_id=anna, now=NOW)
    assert day.shared_count > 0
    assert int(own[1]) == day.percent > 0
