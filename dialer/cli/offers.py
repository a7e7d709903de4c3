"""`dialer offers`: offers to clients, what became of them, and who wants none."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from uuid import uuid4

from config.settings import Settings
from crm.base.joined import standing_client
from crm.calls.letters import Channel
from crm.clientele.clients import get_client
from crm.errors import NotFound
from crm.offers import opt_outs
from crm.offers.incoming import incoming_of, list_incoming
from crm.offers.offers import kept_file, list_offers, offers_of, send_again, withdraw_offer
from crm.offers.opt_outs import OptsOut
from crm.offers.pdf import pdf_of
from crm.offers.sending import Prepared, prepare, queue_offer, settle_doubt, whither
from crm.offers.templates import Language, newest_text
from dialer.cli.database import ready_database
from dialer.cli.terminal import CommandFailed, Terminal
from dialer.cli.users import user_named
from dialer.crm_words import explain, in_language
from dialer.mailing.imap import InboxTrouble
from dialer.mailing.inbox import InboxReader
from dialer.shown.formats import moment, zone_named
from dialer.shown.labels import INCOMING, OFFER_STATES


async def send(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers send`: shown, and with `--yes` written, to go when it cannot be taken back any more."""
    gettext, now = terminal.words.gettext, datetime.now(UTC)
    if not settings.mail.host or (arguments.fax and not settings.mail.fax_address):
        raise CommandFailed(gettext("No mail server, or no fax gateway, is set up: see [mail] in the settings."))
    async with ready_database(settings, terminal) as database:
        async with database.reading() as session:
            sender = None if arguments.by is None else await user_named(session, arguments.by)
            text = await newest_text(session, arguments.template, Language(arguments.language))
            if text is None:
                raise NotFound("offer.template_unknown")
            whom = whither(
                await standing_client(session, arguments.client),
                channel=Channel.FAX if arguments.fax else Channel.EMAIL,
                address=arguments.to, region=settings.dialing.region, person_id=arguments.person,
                asked_for=arguments.asked,
            )  # fmt: skip
            sender_id = sender.id if sender else None
            looked = await prepare(session, whom, text_id=text.id, now=now, sender_id=sender_id)
        _tell(looked, terminal)
        if not arguments.yes:
            terminal.say(gettext("Nothing has been sent. With --yes it goes."))
            return 0
        pdf = pdf_of(looked.rendered.subject, looked.rendered.body)
        async with database.transaction() as session:
            offer = await queue_offer(session, looked, pdf=pdf, key=uuid4().hex, now=now, sender_id=sender_id)
    terminal.say(gettext("Offer no. {number} goes out in some seconds.", number=offer.id))
    return 0


def _tell(looked: Prepared, terminal: Terminal) -> None:
    gettext = terminal.words.gettext
    terminal.say(f"{looked.to.address}\n{looked.rendered.subject}\n\n{looked.rendered.body}\n")
    consents = "; ".join(looked.consents) or gettext("none")
    terminal.say(f"{gettext('Consent on record:')} {consents}")
    if looked.rendered.missing:
        terminal.say(gettext("Nothing is known for: {fields}.", fields=", ".join(looked.rendered.missing)))
    if not looked.verdict.allowed:
        terminal.say(explain(terminal.words, looked.verdict.code, looked.verdict.params))


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers list`: one line an offer."""
    words = terminal.words
    zone = zone_named("", settings.service.time_zone)
    gettext = words.gettext
    heading = (
        gettext("No."), gettext("client"), gettext("written"), gettext("address"), gettext("subject"),
        gettext("state"), gettext("tries"),
    )  # fmt: skip
    rows = [heading]
    async with ready_database(settings, terminal) as database, database.reading() as session:
        if arguments.client is None:
            found = await list_offers(session)
        else:
            found = await offers_of(session, arguments.client)
        rows += [
            (
                str(each.offer.id), str(each.offer.client_id), moment(words, each.offer.queued_at, zone),
                each.offer.address, each.offer.subject, words.gettext(OFFER_STATES[each.offer.state.value]),
                str(each.offer.tries),
            )
            for each in found
        ]  # fmt: skip
    terminal.table(rows)
    return 0


async def write_file(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers file`: the PDF as it went."""
    async with ready_database(settings, terminal) as database, database.reading() as session:
        kept = await kept_file(session, arguments.number)
    arguments.file.write_bytes(kept.content)
    terminal.say(terminal.words.gettext("{file} has been written.", file=arguments.file))
    return 0


async def withdraw(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers withdraw`."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        await withdraw_offer(session, offer_id=arguments.number, now=datetime.now(UTC))
    terminal.say(terminal.words.gettext("Offer no. {number} does not go.", number=arguments.number))
    return 0


async def settle(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers settle`."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        step = settle_doubt if arguments.arrived else send_again
        await step(session, offer_id=arguments.number, now=datetime.now(UTC))
    terminal.say(terminal.words.gettext("Noted."))
    return 0


async def read(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers read`."""
    gettext = terminal.words.gettext
    if not settings.inbox.host:
        raise CommandFailed(gettext("No mailbox is set up: see [inbox] in the settings."))
    async with ready_database(settings, terminal) as database:
        reader = InboxReader(database, settings.inbox, settings.mail, clock=lambda: datetime.now(UTC))
        try:
            kept = await reader.read()
        except InboxTrouble as trouble:
            raise CommandFailed(in_language(terminal.words, trouble.reason)) from trouble
    terminal.say(gettext("Messages that came back to offers: {count}.", count=kept))
    return 0


async def show_incoming(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers incoming`: one line a message."""
    words, gettext = terminal.words, terminal.words.gettext
    zone = zone_named("", settings.service.time_zone)
    rows = [(gettext("client"), gettext("came"), gettext("sender"), gettext("subject"), gettext("what"))]
    async with ready_database(settings, terminal) as database, database.reading() as session:
        if arguments.client is None:
            found = await list_incoming(session)
        else:
            found = await incoming_of(session, await standing_client(session, arguments.client))
    rows += [
        (
            str(each.client_id), moment(words, each.mail.came_at, zone), each.mail.sender, each.mail.subject,
            gettext(INCOMING[each.mail.kind.value]),
        )
        for each in found
    ]  # fmt: skip
    terminal.table(rows)
    return 0


async def show_opt_outs(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers opt-outs`: those in force."""
    gettext = terminal.words.gettext
    rows = [(gettext("No."), gettext("about"), gettext("evidence"))]
    async with ready_database(settings, terminal) as database, database.reading() as session:
        for each in await opt_outs.opt_outs(session):
            about = each.address or f"{each.whom.value}:{each.person_id or each.organisation_id}"
            rows.append((str(each.id), about, each.evidence))
    terminal.table(rows)
    return 0


async def want_none(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers opt-out`."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        whom, target = OptsOut.ADDRESS, arguments.address or 0
        if arguments.person is not None:
            whom, target = OptsOut.PERSON, arguments.person
        elif arguments.client is not None:
            client = await get_client(session, await standing_client(session, arguments.client))
            whom, target = OptsOut.ORGANISATION, client.organisation_id
        made = await opt_outs.opt_out(
            session, whom=whom, target=target, evidence=arguments.evidence, now=datetime.now(UTC),
            region=settings.dialing.region,
        )  # fmt: skip
    terminal.say(terminal.words.gettext("Noted as no. {number}: no letters go there.", number=made.id))
    return 0


async def lift(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers lift-opt-out`."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        await opt_outs.lift_opt_out(
            session, opt_out_id=arguments.number, reason=arguments.reason, now=datetime.now(UTC)
        )
    terminal.say(terminal.words.gettext("No. {number} is lifted.", number=arguments.number))
    return 0
