"""Headcounts crossed with a column of the customer's own, as it was written in their file."""

from __future__ import annotations

from decimal import Decimal

from crm.base.organisations import Organisation
from crm.clientele.clients import get_client
from crm.database import Database
from crm.preparation.campaigns import get_campaign
from crm.reports.base import Base
from crm.reports.headcount import attributes_of, by_headcount, sum_of
from crm.text_rules import in_every_case
from tests.crm.builders import build_world

ALARM = "Есть пожарная сигнализация"


async def test_yes_and_no_are_read_as_the_file_wrote_them(database: Database) -> None:
    world = await build_world(database)
    said = ("да", "Да", "ДА", "нет", "Нет", "есть", "", "yes")
    for number, word in enumerate(said):
        client_id = await world.client(f"Клиент {number}")
        async with world.transaction() as session:
            organisation = await session.get_one(Organisation, (await get_client(session, client_id)).organisation_id)
            organisation.headcount, organisation.attributes = 50, {ALARM: word, "Этаж": str(number)}
    async with database.reading() as session:
        base = Base(await get_campaign(session, world.campaign_id))
        assert await attributes_of(session, base) == [ALARM]
        everybody = sum_of(await by_headcount(session, base, ALARM))
    assert (everybody.organisations, everybody.yes, everybody.share) == (8, 5, Decimal("62.50"))


def test_words_in_every_case() -> None:
    assert in_every_case({"да", "+"}) == {"да", "Да", "дА", "ДА", "+"}
