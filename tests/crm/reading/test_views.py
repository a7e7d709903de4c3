"""What pages read."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice

import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import add_organisation, get_organisation
from crm.base.people import add_person
from crm.base.sources import source_named
from crm.calls.attempts import Attempt, Result
from crm.clientele.groups import move_rows
from crm.day.day_plan import build, claim_next
from crm.errors import CrmError
from crm.group import Group
from crm.plan.plan_entries import EntryKind
from crm.reading.views import CallFilters, CallKey, call, calls_page, card
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import LEASE_S, NOON, World
from tests.crm.work import work_of


async def test_the_card(world: World) -> None:
    operator, client_id = await world.operator(), await world.client("ООО «Ёлка»", phones=2)
    await world.person(client_id, "Сидоров Олег", decides=False)
    await world.person(client_id, "Петрова Анна")
    attempt_id = await world.call(client_id, operator)
    form = OutcomeForm("warm", callback_words="чт 1530", asked_by="Петрова", note="перезвонить")
    await world.outcome(attempt_id, form, operator, at=NOON)
    async with world.database.reading() as session:
        seen = await card(session, client_id=client_id)
        with pytest.raises(CrmError):
            await card(session, client_id=999)
    assert (seen.organisation, seen.group, seen.owner) == ("ООО «Ёлка»", Group.WARM, "Анна")
    assert seen.time_zone == "Asia/Yekaterinburg"
    assert [person.full_name for person in seen.people] == ["Петрова Анна", "Сидоров Олег"]
    assert len(seen.numbers) == 2
    assert seen.promise is not None
    assert (seen.promise.asked_by, seen.promise.words, seen.promise.owner) == ("Петрова", "чт 1530", "Анна")
    assert [(row.disposition, row.note) for row in seen.last_calls] == [("warm", "перезвонить")]
    assert (seen.entry_id, seen.why_now) == (None, None)


async def test_pages_of_calls_hold_each_call_once(world: World) -> None:
    operator = await world.operator()
    made = []
    for number in range(7):
        client_id = await world.client(f"Клиент {number}")
        at = NOON + timedelta(minutes=number // 2)  # calls of the same moment, too
        made.append(await world.call(client_id, operator, at=at, result=Result.BUSY))
        await world.outcome(made[-1], OutcomeForm("no_contact"), operator, at=at)
    seen: list[str] = []
    before: CallKey | None = None
    async with world.database.reading() as session:
        while True:
            page = await calls_page(session, before=before, limit=3)
            seen += [row.attempt_id for row in page.rows]
            if page.next_before is None:
                break
            before = page.next_before
    assert sorted(seen) == sorted(made)
    assert len(seen) == 7


async def test_the_filters(world: World) -> None:
    anna, boris = await world.operator(), await world.operator("Борис")
    warm, busy = await world.client("ООО «Ёлка»"), await world.client("100% Ветер")
    first = await world.call(warm, anna, at=NOON)
    second = await world.call(busy, boris, result=Result.BUSY, at=NOON + timedelta(hours=1))
    async with world.database.reading() as session:
        dialled = (await call(session, attempt_id=first)).dialled
    draft = await world.outcome(first, OutcomeForm("cold", reason="дорого"), anna, at=NOON)
    await world.outcome(first, OutcomeForm("warm"), anna, at=NOON, corrects=draft.id)
    for filters, expected in (
        (CallFilters(operator_id=anna), [first]),
        (CallFilters(client_id=busy), [second]),
        (CallFilters(campaign_id=world.campaign_id), [second, first]),
        (CallFilters(campaign_id=999), []),
        (CallFilters(group=Group.WARM), [first]),
        (CallFilters(result=Result.BUSY), [second]),
        (CallFilters(disposition="warm"), [first]),
        (CallFilters(disposition="cold"), []),
        (CallFilters(since=NOON + timedelta(minutes=1)), [second]),
        (CallFilters(until=NOON + timedelta(hours=1)), [first]),
        (CallFilters(text="елка"), [first]),
        (CallFilters(text="100%"), [second]),
        (CallFilters(text="_"), []),
        (CallFilters(text=dialled[-7:]), [first]),
        (CallFilters(text=f"8 ({dialled[2:5]}) {dialled[5:8]}-{dialled[8:10]}-{dialled[10:]}"), [first]),
        (CallFilters(text=dialled[-2:]), []),
    ):
        async with world.database.reading() as session:
            page = await calls_page(session, filters=filters)
        assert [row.attempt_id for row in page.rows] == expected, filters


async def test_one_call_and_its_client(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    person_id = await world.person(client_id)
    attempt_id = ""
    for words, disposition in (("завтра в 11", "hot"), ("чт 1530", "warm")):
        attempt_id = await world.call(client_id, operator)
        form = OutcomeForm(disposition, person_id=person_id, callback_words=words)
        await world.outcome(attempt_id, form, operator, at=NOON)
    async with world.database.reading() as session:
        row = await call(session, attempt_id=attempt_id)
        calls = await calls_page(session, filters=CallFilters(client_id=client_id))
        moves = await move_rows(session, client_id)
        for missing in (call(session, attempt_id="0" * 32), card(session, client_id=999)):
            with pytest.raises(CrmError):
                await missing
    assert (row.contact, row.full_name, row.duration_s) == ("main", "Петрова Анна", None)
    assert len(calls.rows) == 2
    assert [(made.left, made.entered, made.author) for made in moves] == [
        (Group.HOT, Group.WARM, "Анна"),
        (Group.NEW, Group.HOT, "Анна"),
    ]


async def test_the_card_says_why_now(world: World) -> None:
    operator = await world.operator()
    await world.client("Новая")
    hot = await world.client("Горячая", group=Group.HOT)
    async with world.transaction() as session:
        await build(session, campaign_id=world.campaign_id, day=NOON.date(), now=NOON)
        claimed = await claim_next(session, operator_id=operator, now=NOON, lease_s=LEASE_S)
        seen = await card(session, client_id=hot)
    assert claimed is not None
    assert (seen.entry_id, seen.why_now) == (claimed.id, EntryKind.GROUP)


async def test_a_card_costs_the_same_however_often_somebody_was_called(world: World) -> None:
    """Nor however often others were called since."""
    client_id, other, operator = await world.client(), await world.client(), await world.operator()
    calls = iter(range(10_000))

    async def called(times: int) -> None:
        rows = [
            {"id": f"{whose:016x}{number:016x}", "client_id": whose, "dialled": "+74950000000", "operator_id": operator,
             "node": "", "opened_at": NOON + timedelta(days=10 * whose, minutes=number), "ended_at": NOON,
             "wrapped_up_at": NOON, "result": Result.BUSY, "phrase": "", "imported": False}
            for number in islice(calls, times)
            for whose in (client_id, other)
        ]  # fmt: skip
        async with world.database.engine.begin() as connection:
            await connection.execute(insert(Attempt), rows)
            if world.database.dialect == "postgresql":
                await connection.execute(text("ANALYZE"))

    async def look(session: AsyncSession) -> None:
        assert len((await card(session, client_id=client_id)).last_calls) == 5

    await called(300)
    before = await work_of(world.database, look, of="attempts")
    await called(3000)
    assert await work_of(world.database, look, of="attempts") < before * 1.5


async def test_organisations_people_sources(world: World) -> None:
    async with world.transaction() as session:
        for making, code in (
            (add_organisation(session, name="  ", now=NOON), "organisation.needs_name"),
            (add_organisation(session, name="А", now=NOON, time_zone="Nowhere"), "time_zone.unknown"),
            (add_person(session, organisation_id=1, full_name=" "), "person.needs_name"),
            (get_organisation(session, 999), "organisation.unknown"),
        ):
            with pytest.raises(CrmError) as refused:
                await making
            assert refused.value.code == code
        organisation = await add_organisation(session, name=" ООО   Ёлка ", now=NOON)
        assert (organisation.name, organisation.name_folded) == ("ООО Ёлка", "ооо елка")
        assert (await source_named(session, "2ГИС")).id == (await source_named(session, " 2ГИС ")).id
