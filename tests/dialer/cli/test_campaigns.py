"""`dialer campaigns`: the rules of a campaign without a page."""

from __future__ import annotations

import asyncio
from datetime import time
from pathlib import Path

import pytest
from sqlalchemy import select

from config.settings import load_settings
from crm.audit import CAMPAIGN_CHANGED, AuditEntry
from crm.database import Database
from crm.preparation.campaigns import Campaign, campaign_named
from tests.dialer.cli.conftest import Dialer


async def stored(config: Path, name: str) -> tuple[Campaign, list[AuditEntry]]:
    database = Database(load_settings(config, {}).database_url)
    try:
        async with database.reading() as session:
            entries = await session.scalars(select(AuditEntry).where(AuditEntry.action == CAMPAIGN_CHANGED))
            return await campaign_named(session, name), list(entries)
    finally:
        await database.dispose()


def test_a_campaign_is_added_listed_and_changed(dialer: Dialer, office: Path) -> None:
    said = dialer("campaigns", "add", "Autumn", "--from", "10:00", "--until", "17:30", "--ring", "20", "-c", office)
    assert (said.code, said.out) == (0, "The campaign “Autumn” has been added.\n")
    said = dialer(
        "campaigns", "set", "Autumn", "--name", "Winter", "--lists-need-approval", "--ring", "0", "--until", "18:00",
        "-c", office,
    )  # fmt: skip
    assert said.code == 0, said.err
    campaign, changes = asyncio.run(stored(office, "Winter"))
    assert (campaign.calls_from, campaign.calls_until, campaign.ring_timeout_s) == (time(10), time(18), None)
    assert campaign.lists_need_approval
    assert changes[0].details == {
        "name": ["Autumn", "Winter"],
        "lists_need_approval": [False, True],
        "ring_timeout_s": [20, None],
        "calls_until": ["17:30", "18:00"],
    }
    listed = dialer("campaigns", "list", "-c", office).out.splitlines()
    assert listed[1].split() == ["Winter", "10:00-18:00", "Europe/Moscow", "yes", "RU", "35", "s", "3", "600"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--from", "18:00"), "Calling hours must begin before they end."),
        (("--time-zone", "Mars/Base"), "There is no time zone “Mars/Base”."),
        (("--attempts-a-day", "0"), "A client must be allowed at least one attempt a day."),
        (("--ring", "1"), "A telephone rings for at least 5 seconds and at most 180."),
        (("--name", " "), "A campaign needs a name."),
        (("--name", "Second"), "There is a campaign named “Second” already."),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_changed(
    dialer: Dialer, office: Path, options: tuple[str, ...], words: str
) -> None:
    assert dialer("campaigns", "add", "Second", "-c", office).code == 0
    said = dialer("campaigns", "set", "First campaign", *options, "-c", office)
    assert (said.code, said.err) == (1, f"{words}\n")
    campaign, changes = asyncio.run(stored(office, "First campaign"))
    assert (campaign.calls_from, campaign.time_zone, changes) == (time(9), "Europe/Moscow", [])


def test_a_country_is_known_by_small_letters_too(dialer: Dialer, office: Path) -> None:
    assert dialer("campaigns", "set", "First campaign", "--country", "kz", "-c", office).code == 0
    assert asyncio.run(stored(office, "First campaign"))[0].country == "KZ"


def test_a_time_that_is_none_is_said_in_words(dialer: Dialer, office: Path) -> None:
    said = dialer("campaigns", "set", "First campaign", "--from", "half past", "-c", office)
    assert said.code == 2
    assert "argument --from: “half past” is no time of day, such as 9:00" in said.err
