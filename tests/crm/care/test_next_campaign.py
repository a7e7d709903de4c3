"""The next campaign goes on with the base of the one before: set-up, clients, their groups and owners."""

from __future__ import annotations

from datetime import date, time

import pytest
from sqlalchemy import select

from crm.audit import CAMPAIGN_FOLLOWED, AuditEntry
from crm.base.sources import source_named
from crm.calls.disposition_sets import disposition_of, set_disposition
from crm.calls.retry_rules import Rule, own_rules, set_rules
from crm.care.next_campaign import USUAL_GROUPS, start_next
from crm.clientele.clients import Client, get_client, take_off_list
from crm.clientele.groups import MoveCause, moves_of
from crm.day.day_plan import build
from crm.errors import Conflict, Refused
from crm.group import Group
from crm.office.users import Role, get_user
from crm.plan.callbacks import open_callback
from crm.plan.dispositions import Ask
from crm.preparation.approvals import Subject, approve, signatures
from crm.preparation.campaign_setup import change_setup, experts_of, set_expert, setup_of
from crm.preparation.campaigns import change_campaign, get_campaign, set_calendar_day
from crm.preparation.materials import MaterialKind, add_material, materials_of
from crm.preparation.results import Result
from crm.preparation.scripts import change_script, script_of
from crm.questionnaires.marking import set_for_reports
from crm.questionnaires.questionnaires import Purpose, add_questionnaire, asked_in
from crm.questionnaires.report_columns import places_of
from crm.questionnaires.wording import parse
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World


async def test_clients_come_along_with_group_owner_and_source(world: World) -> None:
    anna = await world.operator()
    warm, new = await world.client("Тёплая", group=Group.WARM), await world.client("Новая")
    for group in (Group.COMPETITOR, Group.NONEXISTENT):
        await world.client(group.value, group=group)
    off = await world.client("Снята", group=Group.HOT)
    async with world.transaction() as session:
        client = await get_client(session, warm)
        client.owner_id, client.source_id = anna, (await source_named(session, "2ГИС")).id
        await take_off_list(session, client=await get_client(session, off, lock=True), reason="не наш", now=NOON)
        campaign = await get_campaign(session, world.campaign_id)
        following, count = await start_next(
            session, campaign=campaign, name=" Весна ", list_name="База", groups=USUAL_GROUPS, now=NOON, author_id=anna
        )
    assert (following.name, count) == ("Весна", 2)
    async with world.database.reading() as session:
        mine = select(Client).where(Client.campaign_id == following.id).order_by(Client.id)
        first, second = await session.scalars(mine)
        before = await get_client(session, warm)
        assert (first.organisation_id, first.group, first.owner_id, first.source_id) == (
            *(before.organisation_id, Group.WARM, anna, before.source_id),
        )
        assert second.organisation_id == (await get_client(session, new)).organisation_id
        assert second.group is Group.NEW
        (move,) = await moves_of(session, first.id)
        assert (move.from_group, move.to_group, move.cause, move.author_id, move.at, move.note) == (
            *(Group.NEW, Group.WARM, MoveCause.RULE, anna, NOON, "Вентиляция → Весна"),
        )
        assert await moves_of(session, second.id) == []
        entry = (await session.scalars(select(AuditEntry).where(AuditEntry.action == CAMPAIGN_FOLLOWED))).one()
        assert (entry.subject, entry.details["follows"], entry.details["clients"]) == (
            *(f"campaign:{following.id}", world.campaign_id, 2),
        )
    async with world.transaction() as session:
        assert await build(session, campaign_id=following.id, day=NOON.date(), now=NOON) == 2


async def test_the_set_up_goes_on_and_is_signed_anew(world: World) -> None:
    egor = await world.operator("Егор", Role.EXPERT)
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_campaign(session, campaign=campaign, now=NOON, calls_from=time(10), gap_min=9)
        await change_setup(
            session, campaign=campaign, now=NOON, customer="Заказчик", rubrics="Заводы", caller_id="+73420001200",
            starts_on=date(2026, 9, 1), calling_starts_on=date(2026, 9, 15), current_since=date(2026, 11, 1),
        )  # fmt: skip
        await set_expert(session, campaign=campaign, user=await get_user(session, egor), belongs=True, now=NOON)
        await change_script(session, campaign=campaign, script="# Начало", now=NOON)
        await add_material(
            session, campaign=campaign, kind=MaterialKind.OFFER, file_name="кп.pdf", sha256="a" * 64, size_bytes=1,
            now=NOON,
        )  # fmt: skip
        await approve(session, campaign=campaign, subject=Subject.RUBRICS, signer="Орлова", now=NOON)
        await set_rules(session, campaign=campaign, rules={(Result.BUSY, ""): Rule(7, False)}, now=NOON)
        for day in (date(2026, 11, 20), date(2026, 12, 4)):
            await set_calendar_day(session, campaign=campaign, day=day, works=False, reason="переезд", now=NOON)
        following, _ = await start_next(
            session, campaign=campaign, name="Весна", list_name="База", groups=[Group.HOT], now=NOON
        )
    async with world.database.reading() as session:
        campaign = await get_campaign(session, following.id)
        assert (campaign.calls_from, campaign.gap_min) == (time(10), 9)
        assert [day.day for day in campaign.days] == [date(2026, 12, 4)]
        setup = await setup_of(session, campaign.id)
        assert (setup.customer, setup.rubrics, setup.caller_id) == ("Заказчик", "Заводы", "+73420001200")
        assert (setup.follows_id, setup.starts_on, setup.current_since) == (world.campaign_id, None, None)
        assert [user.id for user in await experts_of(session, campaign.id)] == [egor]
        script = await script_of(session, campaign.id)
        assert script is not None
        assert script.script == "# Начало"
        assert [(each.file_name, each.sha256) for each in await materials_of(session, campaign.id)] == [
            ("кп.pdf", "a" * 64)
        ]
        assert await own_rules(session, campaign.id) == {(Result.BUSY, ""): Rule(7, False)}
        assert await signatures(session, campaign.id) == {}


async def test_questionnaires_and_the_dispositions_that_require_them_go_on(world: World) -> None:
    asked = parse(
        "# Покупают у других?\nkey: buys\nkind: yes_no\nrequired: yes\n# Сколько\nkey: pieces\nkind: number\n"
    )
    async with world.transaction() as session:
        made = await add_questionnaire(
            session, name="О клиенте", purpose=Purpose.CLIENT, questions=asked.questions, now=NOON,
            campaign_id=world.campaign_id,
        )  # fmt: skip
        number = made.questionnaire.id
        await set_for_reports(session, questionnaire_id=number, keys={"pieces"}, now=NOON)
        required = {Ask.REASON, Ask.QUESTIONNAIRE}
        await set_disposition(session, campaign_id=world.campaign_id, key="cold", required=required, now=NOON)
        campaign = await get_campaign(session, world.campaign_id)
        following, _ = await start_next(
            session, campaign=campaign, name="Весна", list_name="База", groups=[Group.HOT], now=NOON
        )
    async with world.database.reading() as session:
        own = (await asked_in(session, following.id))[Purpose.CLIENT]
        assert (own.questionnaire.campaign_id, own.version.number) == (following.id, 1)
        assert own.questions == asked.questions
        assert (await places_of(session, own.questionnaire.id)).keys() == {"pieces"}
        assert (await disposition_of(session, following.id, "cold")).required == required
        assert (await asked_in(session, world.campaign_id))[Purpose.CLIENT].questionnaire.id == number


async def test_a_promise_stays_with_the_campaign_that_made_it(world: World) -> None:
    anna, client_id = await world.operator(), await world.client()
    attempt_id = await world.call(client_id, anna)
    await world.outcome(attempt_id, OutcomeForm("callback", callback_words="завтра в 11"), anna, at=NOON)
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        following, count = await start_next(
            session, campaign=campaign, name="Весна", list_name="База", groups=USUAL_GROUPS, now=NOON
        )
        assert count == 1
        assert await open_callback(session, client_id) is not None
        new_id = (await session.scalars(select(Client.id).where(Client.campaign_id == following.id))).one()
        assert await open_callback(session, new_id) is None


async def test_what_cannot_be(world: World) -> None:
    for name, list_name, groups, code in (
        ("Весна", " ", USUAL_GROUPS, "next.needs_list"),
        ("Весна", "База", (), "next.needs_groups"),
        ("Вентиляция", "База", USUAL_GROUPS, "campaign.exists"),
    ):
        with pytest.raises((Refused, Conflict)) as refused:
            async with world.transaction() as session:
                await start_next(
                    session, campaign=await get_campaign(session, world.campaign_id), name=name, list_name=list_name,
                    groups=groups, now=NOON,
                )  # fmt: skip
        assert refused.value.code == code
