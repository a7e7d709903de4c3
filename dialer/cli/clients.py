"""`dialer clients`: clients entered by hand, and what the customer's own base tells of them."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from sqlalchemy import select

from config.settings import Settings
from crm.base.addresses import AddressKind, add_address
from crm.base.competitors import Satisfaction, competitor_named, uses
from crm.base.joined import standing_client
from crm.base.past_deals import add_deal, add_former_owner, read_amount
from crm.clientele.clients import get_client, put_back_on_list
from crm.importing.entering import Entry, enter_client
from crm.office.users import User
from crm.plan.silence import off_list
from crm.preparation.campaigns import campaign_named
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.shown.labels import GROUNDS


async def add(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`clients add`: one client, unless somebody has a number, tax number, domain or e-mail of it."""
    gettext = terminal.words.gettext
    entry = Entry(
        name=arguments.name, list_name=arguments.list_name, city=arguments.city, industry=arguments.industry,
        tax_number=arguments.tax_number, site=arguments.site, email=arguments.email, phones=", ".join(arguments.phone),
        person=arguments.person, position=arguments.position, decides=arguments.decides, source=arguments.source,
        note=arguments.note,
    )  # fmt: skip
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        entered = await enter_client(
            session, campaign=await campaign_named(session, arguments.campaign), entry=entry, now=datetime.now(UTC),
            region=settings.dialing.region, though_alike=arguments.though_alike,
        )  # fmt: skip
    terminal.say(gettext("“{name}” is client no. {number}.", name=entered.organisation.name, number=entered.client.id))
    for each in entered.alike:
        grounds = ", ".join(gettext(GROUNDS[ground]) for ground in each.grounds)
        place = f", {each.city}" if each.city else ""
        terminal.say(gettext("Looks alike: {name} ({grounds}).", name=f"{each.name}{place}", grounds=grounds))
    return 0


async def note(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`clients address|competitor|deal|former-owner`: one fact about a client."""
    now = datetime.now(UTC)
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        client = await get_client(session, await standing_client(session, arguments.number))
        match arguments.action:
            case "address":
                await add_address(
                    session, organisation_id=client.organisation_id, kind=AddressKind(arguments.kind),
                    written=arguments.written, now=now,
                )  # fmt: skip
            case "competitor":
                named, _ = await competitor_named(session, arguments.name, now=now)
                await uses(
                    session, organisation_id=client.organisation_id, now=now, note=arguments.note, competitor=named,
                    satisfaction=Satisfaction(arguments.satisfaction) if arguments.satisfaction else None,
                )  # fmt: skip
            case "deal":
                await add_deal(
                    session, organisation_id=client.organisation_id, made_on=arguments.on, now=now,
                    amount=read_amount(arguments.amount), currency=arguments.currency, what=arguments.what,
                    seller=arguments.seller,
                )  # fmt: skip
            case _:
                user = await session.scalar(select(User).where(User.login == arguments.name))
                await add_former_owner(
                    session, client_id=client.id, now=now, user_id=user.id if user else None, left_on=arguments.left,
                    name="" if user else arguments.name,
                )  # fmt: skip
    terminal.say(terminal.words.gettext("Written down for client no. {number}.", number=client.id))
    return 0


async def take_off(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`clients off-list`: not of the target segments, a test; what was planned and promised ends."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        client = await get_client(session, await standing_client(session, arguments.number), lock=True)
        await off_list(session, client=client, reason=arguments.reason, now=datetime.now(UTC))
    terminal.say(terminal.words.gettext("Client no. {number} is off its list.", number=client.id))
    return 0


async def put_back(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`clients on-list`."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        client = await get_client(session, await standing_client(session, arguments.number), lock=True)
        await put_back_on_list(session, client=client, now=datetime.now(UTC))
    terminal.say(terminal.words.gettext("Client no. {number} is on its list again.", number=client.id))
    return 0
