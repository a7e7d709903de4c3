"""The next campaign on the same base: the set-up goes on, and the clients with their groups and owners."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.calls.disposition_sets import DispositionRow
from crm.calls.retry_rules import own_rules, set_rules
from crm.clientele.clients import Client
from crm.clientele.groups import GroupMove, MoveCause
from crm.errors import Refused
from crm.group import Group
from crm.preparation.call_lists import list_named
from crm.preparation.campaign_setup import (
    CampaignExpert,
    CampaignSetup,
    ExpertIndustry,
    change_setup,
    note_setup,
    setup_of,
)
from crm.preparation.campaigns import Campaign, add_campaign, get_campaign
from crm.preparation.materials import Material
from crm.preparation.scripts import change_script, script_of
from crm.preparation.working_calendar import CalendarDay
from crm.questionnaires.going_on import copy_questionnaires
from crm.text_rules import tidy
from crm.time_zones import local

USUAL_GROUPS: Final = (Group.HOT, Group.WARM, Group.ABANDONED, Group.NEW, Group.NO_CONTACT, Group.COLD)
_OWN: Final = frozenset({"id", "name", "created_at", "version"})
_SET_ANEW: Final = frozenset(
    {"campaign_id", "starts_on", "calling_starts_on", "ends_on", "current_since", "follows_id", "version"}
)


async def start_next(
    session: AsyncSession,
    *,
    campaign: Campaign,
    name: str,
    list_name: str,
    groups: Collection[Group],
    now: datetime,
    author_id: int | None = None,
) -> tuple[Campaign, int]:
    """A campaign of that name that goes on with the base of `campaign`: its rules, dispositions, set-up, experts,
    script, files and questionnaires, and the clients of `groups` who are on their lists, on one list. They keep owner,
    source and group, by moves with the cause "rule". Returns it and how many came along.

    Its days are set anew and everything is signed anew. What was promised stays with the campaign that promised it.
    Raises `Refused` without a list's name or groups, and as `add_campaign`.
    """
    if not tidy(list_name):
        raise Refused("next.needs_list")
    if not groups:
        raise Refused("next.needs_groups")
    await get_campaign(session, campaign.id, lock=True)
    rules = {
        column.key: getattr(campaign, column.key)
        for column in Campaign.__table__.columns
        if column.key not in _OWN
    }  # fmt: skip
    following = await add_campaign(session, name=name, now=now, author_id=author_id, **rules)
    await _copy_rows(session, DispositionRow.__table__, campaign, {"campaign_id": following.id, "version": 1})
    await _copy_rules(session, campaign, following, now, author_id)
    await _copy_setup(session, campaign, following, now, author_id)
    call_list = await list_named(session, campaign_id=following.id, name=list_name)
    count = await _copy_clients(session, campaign, following, call_list.id, groups, now, author_id)
    details: dict[str, object] = {"follows": campaign.id, "groups": sorted(groups), "clients": count}
    note_setup(session, following.id, audit.CAMPAIGN_FOLLOWED, details, now=now, author_id=author_id)
    await session.flush()
    return following, count


async def _copy_rules(
    session: AsyncSession, campaign: Campaign, following: Campaign, now: datetime, author_id: int | None
) -> None:
    """What the campaign has decided itself: when to try again, and on which days to come."""
    await set_rules(
        session, campaign=following, rules=await own_rules(session, campaign.id), now=now, author_id=author_id
    )  # fmt: skip
    today = local(now, campaign.time_zone).date()
    for day in campaign.days:
        if day.day >= today:
            following.days.append(
                CalendarDay(campaign_id=following.id, day=day.day, works=day.works, reason=day.reason, set_at=now)
            )  # fmt: skip


async def _copy_setup(
    session: AsyncSession, campaign: Campaign, following: Campaign, now: datetime, author_id: int | None
) -> None:
    setup = await setup_of(session, campaign.id)
    kept = [column.key for column in CampaignSetup.__table__.columns if column.key not in _SET_ANEW]
    changes: dict[str, Any] = {key: getattr(setup, key) for key in kept}
    await change_setup(
        session, campaign=following, now=now, author_id=author_id, follows_id=campaign.id, **changes
    )  # fmt: skip
    await copy_questionnaires(
        session, campaign_id=campaign.id, following_id=following.id, now=now, author_id=author_id
    )  # fmt: skip
    script = await script_of(session, campaign.id)
    if script is not None:
        await change_script(session, campaign=following, script=script.script, now=now, author_id=author_id)
    await _copy_rows(session, CampaignExpert.__table__, campaign, {"campaign_id": following.id})
    await _copy_rows(session, ExpertIndustry.__table__, campaign, {"campaign_id": following.id})
    its_own = {"campaign_id": following.id, "added_at": now, "author_id": author_id}
    await _copy_rows(session, Material.__table__, campaign, its_own, Material.removed_at.is_(None))


async def _copy_clients(
    session: AsyncSession,
    campaign: Campaign,
    following: Campaign,
    call_list_id: int,
    groups: Collection[Group],
    now: datetime,
    author_id: int | None,
) -> int:
    """All at once, however many; a client begins as new and is then moved to where it was."""
    chosen = (Client.off_list_reason == "", Client.group.in_(groups))
    its_own = {
        "campaign_id": following.id, "call_list_id": call_list_id, "client_group": Group.NEW, "created_at": now,
        "version": 1,
    }  # fmt: skip
    await _copy_rows(session, Client.__table__, campaign, its_own, *chosen)
    before, after = Client.__table__.alias("before"), Client.__table__.alias("after")
    note = f"{campaign.name} → {following.name}"
    moved = (
        select(
            after.c.id, after.c.client_group, before.c.client_group, literal(now, GroupMove.at.type),
            literal(MoveCause.RULE, GroupMove.cause.type), literal(author_id, GroupMove.author_id.type), literal(note),
        )
        .join(before, before.c.organisation_id == after.c.organisation_id)
        .where(after.c.campaign_id == following.id, before.c.campaign_id == campaign.id)
        .where(before.c.client_group != Group.NEW)
        .order_by(after.c.id)
    )  # fmt: skip
    columns = ["client_id", "from_group", "to_group", "at", "cause", "author_id", "note"]
    await session.execute(insert(GroupMove).from_select(columns, moved))
    counting = select(func.count()).where(Client.campaign_id == following.id)
    return await session.scalar(counting) or 0


async def _copy_rows(
    session: AsyncSession, table: Any, campaign: Campaign, changed: dict[str, Any], *conditions: ColumnElement[bool]
) -> None:
    """The campaign's rows of a table once more and in their order, with some columns `changed`."""
    assert isinstance(table, Table)
    columns = [column for column in table.columns if column.name != "id"]
    values = [
        literal(changed[column.name], column.type) if column.name in changed else column for column in columns
    ]  # fmt: skip
    rows = select(*values).where(table.c.campaign_id == campaign.id, *conditions).order_by(*table.primary_key)
    await session.execute(insert(table).from_select([column.name for column in columns], rows))
