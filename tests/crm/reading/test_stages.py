"""The checklist of both stages: what is missing, how many working days are planned and used, where it stands."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from crm.base.sources import source_named
from crm.clientele.clients import get_client
from crm.group import Group
from crm.office.users import Role, get_user
from crm.preparation.approvals import Signature, Subject, approve
from crm.preparation.call_lists import ListState, set_list_state
from crm.preparation.campaign_setup import change_setup, set_expert
from crm.preparation.campaigns import change_campaign, get_campaign, set_calendar_day
from crm.preparation.candidates import CandidateState, add_candidate, change_candidate, get_candidate
from crm.preparation.materials import MaterialKind, add_material
from crm.preparation.scripts import change_script
from crm.reading.stages import Checklist, Phase, Task, checklist
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World

STARTS, CALLS, ENDS = date(2026, 11, 9), date(2026, 11, 23), date(2026, 12, 22)


async def looked_at(world: World, **later: float) -> Checklist:
    async with world.database.reading() as session:
        campaign = await get_campaign(session, world.campaign_id)
        return await checklist(session, campaign=campaign, now=NOON + timedelta(**later))


async def set_up(world: World, **changes: Any) -> None:
    async with world.transaction() as session:
        await change_setup(session, campaign=await get_campaign(session, world.campaign_id), now=NOON, **changes)


def codes(found: Checklist, stage: int) -> dict[str, str]:
    return {task.key: task.code for task in found.stages[stage - 1].missing}


def task(found: Checklist, key: str) -> Task:
    (only,) = [each for stage in found.stages for each in stage.tasks if each.key == key]
    return only


async def test_at_the_beginning_everything_is_missing(world: World) -> None:
    found = await looked_at(world)
    assert codes(found, 1) == {
        "customer": "stage.no_customer",
        "product": "stage.no_product",
        "segments": "stage.no_segments",
        "experts": "stage.no_experts",
        "materials": "stage.no_materials",
        "rubrics": "stage.no_rubrics",
        "sources": "stage.no_sources",
        "organisations": "stage.organisations",
        "list": "stage.no_list",
        "offer": "stage.no_offer",
        "script": "stage.no_script",
        "operator": "stage.no_operator",
    }
    assert codes(found, 2) == {
        "tried": "stage.no_clients",
        "contacts": "stage.contacts",
        "warm": "stage.no_clients",
        "abandoned": "stage.no_clients",
    }
    assert found.phase is Phase.PLANNED
    assert [(stage.planned_days, stage.used_days) for stage in found.stages] == [(None, None)] * 2


async def test_the_preparation_is_done_thing_by_thing(world: World) -> None:
    egor = await world.operator("Егор", Role.EXPERT)
    await set_up(
        world, customer="Заказчик", product="Вентиляторы", segments="Цеха", rubrics="Заводы", sources="Каталог",
        target_organisations=1,
    )  # fmt: skip
    await world.client()
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await set_expert(session, campaign=campaign, user=await get_user(session, egor), belongs=True, now=NOON)
        await add_material(
            session, campaign=campaign, kind=MaterialKind.OFFER, file_name="кп.pdf", sha256="a" * 64, size_bytes=1,
            now=NOON,
        )  # fmt: skip
        await change_script(session, campaign=campaign, script="# Начало", now=NOON)
        boris = await add_candidate(session, campaign=campaign, name="Борис", now=NOON)
        await change_candidate(session, candidate=boris, now=NOON, state=CandidateState.HIRED)
    found = await looked_at(world)
    signed = ("rubrics", "sources", "offer", "script")
    assert codes(found, 1) == {**dict.fromkeys(signed, "stage.not_approved"), "operator": "stage.no_operator"}
    assert task(found, "operator").params == {"count": 1, "most": 15, "hired": 1}
    assert task(found, "list").code == "stage.lists_need_none"
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        boris = await get_candidate(session, campaign_id=campaign.id, candidate_id=boris.id)
        await change_candidate(session, candidate=boris, now=NOON, state=CandidateState.TRAINED, score=90)
        for subject in Subject:
            await approve(
                session, campaign=campaign, subject=subject, signer="Орлова", now=NOON,
                candidate_id=boris.id if subject is Subject.OPERATOR else None,
            )  # fmt: skip
    found = await looked_at(world)
    assert codes(found, 1) == {}
    assert task(found, "operator").signature == Signature("Орлова", NOON.date(), True)
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_script(session, campaign=campaign, script="# Иначе", now=NOON)
    assert codes(await looked_at(world), 1) == {"script": "stage.changed_since"}


async def test_lists_that_hold_anybody_are_approved_where_the_campaign_asks(world: World) -> None:
    await world.client()
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_campaign(session, campaign=campaign, now=NOON, lists_need_approval=True)
    found = task(await looked_at(world), "list")
    assert (found.code, found.params, found.done) == ("stage.lists", {"approved": 0, "count": 1}, False)
    async with world.transaction() as session:
        await set_list_state(session, call_list_id=world.call_list_id, to=ListState.APPROVED, by="Орлова", now=NOON)
    assert task(await looked_at(world), "list").done


async def test_clients_from_a_source_that_nobody_agreed_on_are_told(world: World) -> None:
    first, second = await world.client(), await world.client("Другой")
    await set_up(world, sources="2ГИС", target_organisations=2)
    async with world.transaction() as session:
        for client_id, name in ((first, "2гис"), (second, "Газета")):
            (await get_client(session, client_id)).source_id = (await source_named(session, name)).id
    found = task(await looked_at(world), "organisations")
    assert (found.code, found.params) == ("stage.strange_sources", {"names": "Газета"})
    await set_up(world, sources="2ГИС\nгазета")
    assert task(await looked_at(world), "organisations").done


async def test_days_are_counted_by_the_campaigns_calendar(world: World) -> None:
    """Nine working days, since one was decided otherwise; of the calls the first is today."""
    await set_up(world, starts_on=STARTS, calling_starts_on=CALLS, ends_on=ENDS)
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await set_calendar_day(
            session, campaign=campaign, day=date(2026, 11, 10), works=False, reason="переезд", now=NOON
        )
    first, second = (await looked_at(world)).stages
    assert (first.planned_days, first.used_days, first.last) == (9, 9, date(2026, 11, 22))
    assert (second.planned_days, second.used_days) == (22, 1)
    first, second = (await looked_at(world, days=-12)).stages
    assert (first.used_days, second.used_days) == (2, 0)


@pytest.mark.parametrize(
    ("later", "phase"),
    [
        (-15, Phase.PLANNED), (-14, Phase.PREPARING), (-1, Phase.PREPARING), (0, Phase.CALLING), (29, Phase.CALLING),
        (30, Phase.OVER),
    ],
)  # fmt: skip
async def test_where_a_campaign_stands(world: World, later: int, phase: Phase) -> None:
    await set_up(world, starts_on=STARTS, calling_starts_on=CALLS, ends_on=ENDS)
    assert (await looked_at(world, days=later)).phase is phase


async def test_in_current_mode_the_second_stage_is_over_though_its_end_is_later(world: World) -> None:
    await set_up(
        world, starts_on=STARTS, calling_starts_on=CALLS, ends_on=ENDS, current_since=date(2026, 12, 1)
    )  # fmt: skip
    assert (await looked_at(world, days=7)).phase is Phase.CALLING
    found = await looked_at(world, days=40)
    assert (found.phase, found.stages[1].last, found.stages[1].used_days) == (Phase.CURRENT, date(2026, 11, 30), 6)


async def test_the_calls_are_done_when_everybody_was_asked_and_has_somebody(world: World) -> None:
    anna = await world.operator()
    reached, gone = await world.client("А"), await world.client("Б", group=Group.NONEXISTENT)
    warm, abandoned = await world.client("В", group=Group.WARM), await world.client("Г", group=Group.ABANDONED)
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_campaign(session, campaign=campaign, now=NOON, target_contacts=2)
    assert codes(await looked_at(world), 2) == {
        "tried": "stage.untried",
        "contacts": "stage.contacts",
        "warm": "stage.unowned",
        "abandoned": "stage.abandoned",
    }
    attempt = await world.call(reached, anna)
    form = OutcomeForm("not_main", person_name="Сидоров Олег", summary="директор в отпуске до конца месяца")
    await world.outcome(attempt, form, anna, at=NOON)
    async with world.transaction() as session:
        (await get_client(session, warm)).owner_id = anna
    found = await looked_at(world)
    assert codes(found, 2) == {"abandoned": "stage.abandoned"}
    assert task(found, "contacts").params == {"count": 2, "target": 2}
    assert task(found, "abandoned").params == {"count": 1}
    assert gone != abandoned
