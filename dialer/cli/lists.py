"""`dialer lists`: how far the call lists have come, and who approved them."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from config.settings import Settings
from crm.clientele.clients import Client
from crm.errors import Refused
from crm.importing.list_marks import list_for_marks, listed_clients, take_marks
from crm.importing.list_sheets import list_workbook, read_marks
from crm.preparation.call_lists import ListState, existing_list, lists_of, set_list_state
from crm.preparation.campaigns import Campaign, campaign_named, list_campaigns
from dialer.cli.database import ready_database
from dialer.cli.terminal import CommandFailed, Terminal
from dialer.shown.labels import STATES
from dialer.shown.list_words import all_sheet_words, marks_in_words, sheet_words

BECOMES: Final = {"submit": ListState.SUBMITTED, "approve": ListState.APPROVED, "return": ListState.RETURNED}


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`lists list`: one line a list."""
    gettext = terminal.words.gettext
    heading = (gettext("campaign"), gettext("list"), gettext("clients"), gettext("state"), gettext("approved by"))
    rows: list[tuple[str, ...]] = [heading]
    async with ready_database(settings, terminal) as database, database.reading() as session:
        if arguments.campaign is None:
            campaigns = await list_campaigns(session)
        else:
            campaigns = [await campaign_named(session, arguments.campaign)]
        for campaign in campaigns:
            rows += await _rows(session, campaign, terminal)
    terminal.table(rows)
    return 0


async def _rows(session: AsyncSession, campaign: Campaign, terminal: Terminal) -> list[tuple[str, ...]]:
    counting = select(Client.call_list_id, func.count()).where(Client.campaign_id == campaign.id)
    counts = dict((await session.execute(counting.group_by(Client.call_list_id))).all())
    return [
        (
            campaign.name,
            call_list.name,
            str(counts.get(call_list.id, 0)),
            terminal.words.gettext(STATES[call_list.state]),
            call_list.approved_by or "-",
        )
        for call_list in await lists_of(session, campaign_id=campaign.id)
    ]


async def export(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`lists export`: the list as a workbook in which the customer marks whom to call."""
    async with ready_database(settings, terminal) as database, database.reading() as session:
        campaign = await campaign_named(session, arguments.campaign)
        call_list = await existing_list(session, campaign_id=campaign.id, name=arguments.name)
        clients = await listed_clients(session, call_list.id)
    arguments.file.write_bytes(list_workbook(clients, sheet_words(terminal.words)))
    terminal.say(
        terminal.words.ngettext(
            "{n} client of “{name}” is in {file}.", "{n} clients of “{name}” are in {file}.", len(clients),
            name=call_list.name, file=arguments.file,
        )
    )  # fmt: skip
    return 0


async def take_in(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`lists marks`: what the customer has marked; a list that is settled is approved."""
    gettext = terminal.words.gettext
    marks = read_marks(arguments.file.read_bytes(), all_sheet_words(terminal.words))
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.campaign)
        found = await existing_list(session, campaign_id=campaign.id, name=arguments.name)
        call_list = await list_for_marks(session, campaign_id=campaign.id, call_list_id=found.id)
        taken = await take_marks(
            session, call_list=call_list, marks=marks, signer=arguments.by, now=datetime.now(UTC)
        )  # fmt: skip
    terminal.say(marks_in_words(terminal.words, taken))
    terminal.say(
        gettext("The list “{name}” is now: {state}.", name=call_list.name, state=gettext(STATES[call_list.state]))
    )
    return 0


async def move(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`lists submit|approve|return`: one list goes on, or back."""
    gettext = terminal.words.gettext
    to = BECOMES[arguments.action]
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.campaign)
        call_list = await existing_list(session, campaign_id=campaign.id, name=arguments.name)
        was = call_list.state
        try:
            await set_list_state(
                session,
                call_list_id=call_list.id,
                to=to,
                now=datetime.now(UTC),
                by=arguments.by if to is ListState.APPROVED else "",
                remarks=arguments.remarks if to is ListState.RETURNED else "",
            )
        except Refused:
            raise CommandFailed(
                gettext(
                    "A call list that is {state} cannot become {to}.",
                    state=gettext(STATES[was]),
                    to=gettext(STATES[to]),
                )
            ) from None
    terminal.say(gettext("The list “{name}” is now: {state}.", name=call_list.name, state=gettext(STATES[to])))
    return 0
