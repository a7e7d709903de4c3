"""What a campaign is made of, who its experts are, and when it goes on in current mode."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from crm.audit import EXPERT_SET, SETUP_CHANGED, AuditEntry
from crm.errors import Conflict, NotFound, Refused
from crm.office.users import Role, get_user
from crm.preparation.campaign_setup import (
    CampaignSetup,
    change_setup,
    expert_by_login,
    experts_of,
    go_on_in_current_mode,
    set_expert,
    setup_of,
)
from crm.preparation.campaigns import get_campaign
from tests.crm.builders import NOON, World


async def changed(world: World, **changes: Any) -> CampaignSetup:
    async with world.transaction() as session:
        return await change_setup(
            session, campaign=await get_campaign(session, world.campaign_id), now=NOON, **changes
        )  # fmt: skip


async def noted(world: World, action: str) -> list[dict[str, Any]]:
    async with world.database.reading() as session:
        entries = select(AuditEntry.details).where(AuditEntry.action == action).order_by(AuditEntry.id)
        return list(await session.scalars(entries))


async def test_what_is_written_is_kept_tidy_and_audited(world: World) -> None:
    async with world.database.reading() as session:
        assert (await setup_of(session, world.campaign_id)).version == 0
    await changed(
        world, customer="  ООО  Заказчик ", rubrics="Вентиляция\n\n вентиляция  и монтаж\nВентиляция\n", version=0
    )
    await changed(world, caller_id="+7 (342) 000-12-00", starts_on=date(2026, 11, 9), version=1)
    async with world.database.reading() as session:
        setup = await setup_of(session, world.campaign_id)
    assert (setup.customer, setup.rubric_names) == ("ООО Заказчик", ["Вентиляция", "вентиляция и монтаж"])
    assert (setup.caller_id, setup.starts_on, setup.version) == ("+73420001200", date(2026, 11, 9), 2)
    first, second = await noted(world, SETUP_CHANGED)
    assert first["customer"] == ["", "ООО Заказчик"]
    assert second == {"caller_id": ["", "+73420001200"], "starts_on": [None, "2026-11-09"]}
    await changed(world, customer="ООО Заказчик")
    assert len(await noted(world, SETUP_CHANGED)) == 2, "what is as it was is no change"


async def test_who_saw_an_older_one_changes_nothing(world: World) -> None:
    await changed(world, product="Вентиляторы", version=0)
    for version in (0, 2):
        with pytest.raises(Conflict) as refused:
            await changed(world, product="Насосы", version=version)
        assert refused.value.code == "setup.changed_meanwhile"
    async with world.database.reading() as session:
        assert (await setup_of(session, world.campaign_id)).product == "Вентиляторы"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"starts_on": date(2026, 12, 2), "calling_starts_on": date(2026, 12, 1)}, "setup.dates"),
        ({"starts_on": date(2026, 12, 2), "ends_on": date(2026, 12, 1)}, "setup.dates"),
        ({"target_organisations": 0}, "setup.target"),
        ({"caller_id": "12"}, "setup.caller_id"),
        ({"caller_id": "sip:+73420001200"}, "setup.caller_id"),
        ({"caller_id": "+73420001299", "own_numbers": ("+73420001200",)}, "setup.caller_id_not_ours"),
    ],
)
async def test_what_cannot_be(world: World, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        await changed(world, **changes)
    assert refused.value.code == code
    async with world.database.reading() as session:
        assert (await setup_of(session, world.campaign_id)).version == 0


async def test_a_number_that_is_ours_may_be_shown_and_taken_back(world: World) -> None:
    await changed(world, caller_id="+73420001200", own_numbers=("+73420001200", "+73420001201"))
    await changed(world, customer="Другой", own_numbers=("+73420001201",))
    assert (await changed(world, caller_id="", own_numbers=("+73420001201",))).caller_id == ""


async def test_the_database_holds_the_order_of_the_stages(world: World) -> None:
    await changed(world, starts_on=date(2026, 12, 1), calling_starts_on=date(2026, 12, 21), ends_on=date(2027, 1, 29))
    for column in ("starts_on = '2026-12-22'", "ends_on = '2026-12-20'", "target_organisations = 0"):
        with pytest.raises(IntegrityError):
            async with world.transaction() as session:
                await session.execute(text(f"UPDATE campaign_setups SET {column}"))


async def test_experts_are_named_and_leave(world: World) -> None:
    egor, anna = await world.operator("Егор", Role.EXPERT), await world.operator("Анна")
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        expert = await get_user(session, egor)
        for belongs in (True, True):
            await set_expert(session, campaign=campaign, user=expert, belongs=belongs, now=NOON, author_id=anna)
        assert [user.id for user in await experts_of(session, campaign.id)] == [egor]
        with pytest.raises(Refused) as refused:
            await set_expert(session, campaign=campaign, user=await get_user(session, anna), belongs=True, now=NOON)
        assert (refused.value.code, refused.value.params) == ("setup.no_expert", {"name": "Анна"})
        await set_expert(session, campaign=campaign, user=expert, belongs=False, now=NOON)
        assert await experts_of(session, campaign.id) == []
        assert (await expert_by_login(session, expert.login.upper())).id == egor
        with pytest.raises(NotFound):
            await expert_by_login(session, "nobody")
    assert await noted(world, EXPERT_SET) == [{"user": egor, "belongs": True}, {"user": egor, "belongs": False}]


async def test_current_mode_comes_after_the_calls_have_begun(world: World) -> None:
    today = NOON.date()
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        for calls in (None, today):
            if calls:
                await change_setup(session, campaign=campaign, now=NOON, calling_starts_on=calls)
            with pytest.raises(Refused) as refused:
                await go_on_in_current_mode(session, campaign=campaign, since=today, now=NOON)
            assert refused.value.code == "setup.current_too_early"
        later = today + timedelta(days=1)
        assert (await go_on_in_current_mode(session, campaign=campaign, since=later, now=NOON)).current_since == later
        back = await go_on_in_current_mode(session, campaign=campaign, since=None, now=NOON)
        assert back.current_since is None
