"""`dialer mail`: what goes out by e-mail, and whether it can."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

from config.settings import Settings
from crm.database import Database
from crm.mail import outbox
from crm.mail.outbox import MailState, Purpose
from crm.office.mail_addresses import mail_address
from crm.office.users import list_users
from dialer.cli.database import ready_database
from dialer.cli.terminal import CommandFailed, Terminal
from dialer.crm_words import in_language
from dialer.mailing.labels import PURPOSES, STATES
from dialer.mailing.messages import probe
from dialer.mailing.smtp import MailTrouble, Postman
from dialer.reasons import advice_for, unpacked
from dialer.shown.formats import moment
from dialer.words import Words


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`mail list`: one line a message, the newest first."""
    gettext = terminal.words.gettext
    wanted = (MailState(arguments.state),) if arguments.state else tuple(MailState)
    async with ready_database(settings, terminal) as database, database.reading() as session:
        found = await outbox.list_mail(session, states=wanted)
    if not found:
        terminal.say(gettext("There are no messages."))
        return 0
    zone = ZoneInfo(settings.service.time_zone)
    header = (gettext("no."), gettext("written"), gettext("to"), gettext("what"), gettext("state"), gettext("tries"))
    rows = [(*header, gettext("last trouble"))]
    for mail, _name in found:
        what = f"{gettext(PURPOSES[Purpose(mail.purpose)])}: {mail.organisation}"
        written = moment(terminal.words, mail.created_at, zone)
        trouble = in_language(terminal.words, unpacked(mail.last_error)) if mail.last_error else "-"
        state = gettext(STATES[MailState(mail.state)])
        rows.append((str(mail.id), written, mail.address, what, state, str(mail.tries), trouble))
    terminal.table(rows)
    return 0


async def retry(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`mail retry`: messages that were given up are tried anew."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        if arguments.all:
            failed = await outbox.list_mail(session, states=(MailState.FAILED,), limit=10_000)
            numbers = sorted(mail.id for mail, _name in failed)
        else:
            numbers = [arguments.number]
        for number in numbers:
            await outbox.send_again(session, mail_id=number, now=datetime.now(UTC))
    terminal.say(terminal.words.ngettext("{n} message is tried again.", "{n} messages are tried again.", len(numbers)))
    return 0


async def test(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`mail test`: one message to an address, now."""
    gettext, mail = terminal.words.gettext, settings.mail
    if not mail.host:
        raise CommandFailed(gettext("No mail server is set up: fill in [mail] in the settings."))
    address = mail_address(arguments.address)
    message = probe(sender=mail.sender, address=address, speech=terminal.words, now=datetime.now(UTC), key=uuid4().hex)
    try:
        async with Postman(mail) as postman:
            await postman.send(message, address)
    except MailTrouble as trouble:
        raise CommandFailed(told(terminal.words, trouble.reason)) from None
    terminal.say(gettext("{host} has taken a message to {address}.", host=f"{mail.host}:{mail.port}", address=address))
    return 0


def told(words: Words, reason: str) -> str:
    """What is wrong, and what to do."""
    sentence = f"{in_language(words, reason)}."
    advice = advice_for(reason)
    return f"{sentence} {words.gettext(advice)}" if advice else sentence


async def who_waits(database: Database) -> tuple[int, outbox.Counts]:
    """How many active users want their callbacks by e-mail, and how the outbox stands."""
    async with database.reading() as session:
        users = await list_users(session)
        return sum(user.active and user.callbacks_by_mail for user in users), await outbox.counts(session)
