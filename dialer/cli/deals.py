"""`dialer deals`: the sales book from the command line."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from config.settings import Settings
from crm.base.joined import standing_client
from crm.base.past_deals import read_amount
from crm.care.portfolio_history import passed_of_deal
from crm.deals.deal_stages import DealStage
from crm.deals.deals import change_deal, open_deal
from crm.deals.lost_reasons import lost_reasons, set_lost_reason
from crm.deals.moving import Step, move_deal
from crm.group import Group
from crm.preparation.campaigns import campaign_named
from crm.reading import sales_book
from crm.reading.sales_book import BookFilters, DealDay, DealRow
from dialer.cli.database import ready_database
from dialer.cli.terminal import CommandFailed, Terminal
from dialer.cli.users import user_named
from dialer.shown.book_sheets import book_csv, book_workbook
from dialer.shown.deal_words import CAUSES, ReasonNames, money, reason_label, stage_name
from dialer.shown.formats import moment, zone_named
from dialer.shown.portfolio_words import passed_words

_DAYS = ("contract", "delivered", "paid")


async def show_all(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`deals list`: a line each, and below them the sums by currency and stage."""
    words = terminal.words
    gettext = words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        filters = await _filters(session, settings, arguments)
        rows = await sales_book.book_rows(session, filters=filters)
        sums = await sales_book.sums(session, filters=filters)
    heading = (
        gettext("no."), gettext("client"), gettext("product"), gettext("sum"), gettext("deal stage"), gettext("whose"),
        gettext("expected"), gettext("contract"),
    )  # fmt: skip
    terminal.table([heading, *(_line(row, terminal) for row in rows)])
    for each in sums:
        deals = words.ngettext("{n} deal", "{n} deals", each.deals)
        amount = money(words, each.amount_minor, each.currency)
        terminal.say(f"{stage_name(words, each.stage)}: {deals}, {amount}")
    return 0


def _line(row: DealRow, terminal: Terminal) -> tuple[str, ...]:
    return (
        str(row.id), f"{row.organisation} ({row.client_id})", row.product or "-",
        money(terminal.words, row.amount_minor, row.currency) or "-", stage_name(terminal.words, row.stage), row.owner,
        str(row.expected_on or "-"), str(row.contract_on or "-"),
    )  # fmt: skip


async def export(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`deals export`: what `deals list` lists, as CSV or a workbook."""
    gettext = terminal.words.gettext
    writers = {".csv": book_csv, ".xlsx": book_workbook}
    write = writers.get(arguments.file.suffix.lower())
    if write is None:
        raise CommandFailed(gettext("Give the file a name that ends in .xlsx or .csv."))
    async with ready_database(settings, terminal) as database, database.reading() as session:
        filters = await _filters(session, settings, arguments)
        rows = await sales_book.book_rows(session, filters=filters)
        reasons = await ReasonNames.read(session, terminal.words)
    arguments.file.write_bytes(write(rows, terminal.words, reasons, zone_named(settings.service.time_zone, "UTC")))
    terminal.say(gettext("Written to {file}.", file=arguments.file))
    return 0


async def _filters(session: AsyncSession, settings: Settings, arguments: argparse.Namespace) -> BookFilters:
    campaign = None if arguments.campaign is None else await campaign_named(session, arguments.campaign)
    owner = None if arguments.owner is None else await user_named(session, arguments.owner)
    client_id = None if arguments.client is None else await standing_client(session, arguments.client)
    return BookFilters(
        campaign_id=campaign.id if campaign else None, client_id=client_id, owner_id=owner.id if owner else None,
        stages=frozenset(map(DealStage, arguments.stage or ())), product=arguments.product, by=DealDay(arguments.by),
        first=arguments.first, last=arguments.last, time_zone=settings.service.time_zone,
    )  # fmt: skip


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`deals show`: what is known of a deal, and its moves, the newest first."""
    words, zone = terminal.words, zone_named(settings.service.time_zone, "UTC")
    gettext = words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        row = await sales_book.deal_row(session, arguments.number)
        moves = await sales_book.moves_to_read(session, [row.id])
        passed = await passed_of_deal(session, row.id)
        reasons = await ReasonNames.read(session, words)
    told = (
        (gettext("client"), f"{row.organisation} ({row.client_id})"),
        (gettext("campaign"), row.campaign),
        (gettext("product"), row.product),
        (gettext("sum"), money(words, row.amount_minor, row.currency)),
        (gettext("deal stage"), stage_name(words, row.stage)),
        (gettext("why lost"), reasons.of(row.campaign_id, row.lost_reason)),
        (gettext("whose"), row.owner),
        (gettext("person"), row.person),
        (gettext("expected"), row.expected_on),
        (gettext("contract"), row.contract_on),
        (gettext("first delivery"), row.delivered_on),
        (gettext("first payment"), row.paid_on),
        (gettext("note"), row.note),
        (gettext("version"), row.version),
    )
    for name, value in told:
        if value:
            terminal.say(f"{name}: {value}")
    for move in moves:
        left = f"{stage_name(words, move.from_stage)} → " if move.from_stage else ""
        parts = (
            moment(words, move.at, zone), f"{left}{stage_name(words, move.to_stage)}",
            money(words, move.amount_minor, move.currency), gettext(CAUSES[move.cause]), move.author,
            reasons.of(row.campaign_id, move.reason), move.note,
        )  # fmt: skip
        terminal.say("  " + "  ".join(part for part in parts if part))
    for each in passed:
        step = (moment(words, each.at, zone), passed_words(words, each), each.author)
        terminal.say("  " + "  ".join(part for part in step if part))
    return 0


async def add(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`deals add`: of a client that was merged, with the one that stands for it."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        deal = await open_deal(
            session, client_id=await standing_client(session, arguments.client), stage=DealStage(arguments.stage),
            now=datetime.now(UTC), **await _about(session, arguments),
        )  # fmt: skip
    terminal.say(terminal.words.gettext("The deal is no. {number}.", number=deal.id))
    return 0


async def change(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`deals change`: what is named."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        changes = await _about(session, arguments)
        changes |= {f"{day}_on": getattr(arguments, day) for day in _DAYS if getattr(arguments, day) is not None}
        await change_deal(
            session, deal_id=arguments.number, version=arguments.version, now=datetime.now(UTC), **changes
        )
    terminal.say(terminal.words.gettext("Deal no. {number} has been changed.", number=arguments.number))
    return 0


async def _about(session: AsyncSession, arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of a deal."""
    given: dict[str, Any] = {
        "product": arguments.product, "currency": arguments.currency, "person_id": arguments.person,
        "expected_on": arguments.expected, "note": arguments.note,
        "amount": None if arguments.amount is None else read_amount(arguments.amount),
        "owner_id": None if arguments.owner is None else (await user_named(session, arguments.owner)).id,
    }  # fmt: skip
    return {name: value for name, value in given.items() if value is not None}


async def move(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`deals move`."""
    step = Step(
        DealStage(arguments.to), reason=arguments.reason, note=arguments.note, contract_on=arguments.contract_on,
        amount=None if arguments.amount is None else read_amount(arguments.amount),
        group_then=None if arguments.group is None else Group(arguments.group),
    )  # fmt: skip
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        deal = await move_deal(
            session, deal_id=arguments.number, step=step, version=arguments.version, now=datetime.now(UTC)
        )
    stage = stage_name(terminal.words, deal.stage)
    terminal.say(terminal.words.gettext("Deal no. {number} is now: {stage}.", number=deal.id, stage=stage))
    return 0


async def show_reasons(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`deals reasons`."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        campaign = await campaign_named(session, arguments.campaign)
        found = await lost_reasons(session, campaign.id)
    rows = [(gettext("key"), gettext("reason"), gettext("offered"))]
    rows += [
        (each.key, reason_label(terminal.words, each), gettext("yes") if each.active else gettext("no"))
        for each in found.values()
    ]
    terminal.table(rows)
    return 0


async def change_reason(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`deals reason`."""
    given = {"label_ru": arguments.ru, "label_en": arguments.en, "active": arguments.active}
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.campaign)
        await set_lost_reason(
            session, campaign_id=campaign.id, key=arguments.key, now=datetime.now(UTC),
            **{name: value for name, value in given.items() if value is not None},
        )  # fmt: skip
    terminal.say(terminal.words.gettext("The reason “{key}” has been changed.", key=arguments.key))
    return 0
