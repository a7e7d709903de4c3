"""Organisations that were merged count once, with the contacts of all of them; parted, each with its own."""

from __future__ import annotations

from datetime import datetime, timedelta

from crm.care.merging import merge, undo
from crm.clientele.clients import get_client
from crm.database import Database
from crm.preparation.campaigns import get_campaign
from crm.reports.base import Base
from crm.reports.distribution import by_group, by_industry
from crm.reports.headcount import by_headcount, sum_of
from crm.reports.months import contacts_by_month, organisations_by_month
from crm.wrap_up.contacts import Spoken, add_contact
from tests.crm.builders import NOON, build_world


async def figures(database: Database, campaign_id: int) -> tuple[int, ...]:
    """Organisations by group, industry and headcount; contacts; organisations contacted."""
    async with database.reading() as session:
        base = Base(await get_campaign(session, campaign_id))
        slices = (await by_group(session, base), await by_industry(session, base))
        return (
            *(sum(each.organisations for each in found) for found in slices),
            sum_of(await by_headcount(session, base, "")).organisations,
            (await contacts_by_month(session, base)).all_rows.total,
            (await organisations_by_month(session, base)).all_rows.total,
        )


async def test_merged_organisations_count_once(database: Database) -> None:
    world = await build_world(database)
    clients = [await world.client(name) for name in ("Альфа", "Альфа плюс", "Альфа минус")]
    spoken = Spoken(full_name="Петров Пётр", summary="Руководитель в отпуске")
    organisations = []
    for number, client_id in enumerate(clients):
        async with world.transaction() as session:
            client = await get_client(session, client_id)
            organisations.append(client.organisation_id)
            at: datetime = NOON + timedelta(days=30 * number)
            await add_contact(session, client=client, spoken=spoken, at=at, author_id=None, imported=True)
    assert await figures(database, world.campaign_id) == (3, 3, 3, 3, 3)
    merges = []
    for survivor, duplicate in ((1, 0), (2, 1)):
        async with world.transaction() as session:
            made = await merge(
                session, survivor_id=organisations[survivor], duplicate_id=organisations[duplicate], now=NOON
            )
            merges.append(made.id)
    assert await figures(database, world.campaign_id) == (1, 1, 1, 3, 1)
    for merge_id in reversed(merges):
        async with world.transaction() as session:
            await undo(session, merge_id=merge_id, now=NOON)
    assert await figures(database, world.campaign_id) == (3, 3, 3, 3, 3)
