"""`dialer offers`: the templates of a campaign."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from config.settings import Settings
from crm.errors import NotFound
from crm.offers.pdf import pdf_of
from crm.offers.rendering import preview
from crm.offers.templates import (
    Language,
    add_template,
    attachments_of,
    get_template,
    newest_text,
    set_retired,
    templates_of,
    write_text,
)
from crm.preparation.campaigns import campaign_named
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal


async def show_all(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers templates`: one line a text."""
    gettext = terminal.words.gettext
    rows = [(gettext("No."), gettext("template"), gettext("language"), gettext("version"), gettext("subject"))]
    async with ready_database(settings, terminal) as database, database.reading() as session:
        campaign = await campaign_named(session, arguments.campaign)
        for template in await templates_of(session, campaign.id):
            name = f"{template.name} ({gettext('not in use')})" if template.retired_at else template.name
            found = [(each, await newest_text(session, template.id, each)) for each in Language]
            texts = [(language.value, str(text.number), text.subject) for language, text in found if text is not None]
            rows += [(str(template.id), name, *each) for each in texts or [("", "", "")]]
    terminal.table(rows)
    return 0


async def add(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers add-template`."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.campaign)
        made = await add_template(session, campaign_id=campaign.id, name=arguments.name, now=datetime.now(UTC))
    terminal.say(terminal.words.gettext("The template has no. {number}. Now write its text.", number=made.id))
    return 0


async def write(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers write`: the next version of a text."""
    body = terminal.source.read() if str(arguments.body) == "-" else arguments.body.read_text(encoding="utf-8-sig")
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        template = await get_template(session, arguments.template)
        text = await write_text(
            session, template=template, language=Language(arguments.language), subject=arguments.subject, body=body,
            attach=arguments.attach, now=datetime.now(UTC),
        )  # fmt: skip
    terminal.say(terminal.words.gettext("Written as version {number}.", number=text.number))
    return 0


async def show_text(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers text`: as it is kept, or as it looks."""
    language, gettext = Language(arguments.language), terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        template = await get_template(session, arguments.template)
        text = await newest_text(session, template.id, language)
        if text is None:
            raise NotFound("offer.template_unknown")
        subject, body = text.subject, text.body
        if arguments.filled or arguments.pdf:
            looked = await preview(
                session, campaign_id=template.campaign_id, language=language, subject=subject, body=body,
                now=datetime.now(UTC),
            )  # fmt: skip
            subject, body = looked.subject, looked.body
        files = [each.file_name for each in await attachments_of(session, text.id)]
    terminal.say(f"{subject}\n\n{body}")
    if files:
        terminal.say(f"\n{gettext('Files that go with it')}: {', '.join(files)}")
    if arguments.pdf:
        arguments.pdf.write_bytes(pdf_of(subject, body))
        terminal.say(gettext("{file} has been written.", file=arguments.pdf))
    return 0


async def retire(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`offers retire`."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        template = await get_template(session, arguments.template)
        await set_retired(session, template=template, retired=not arguments.back, now=datetime.now(UTC))
    gettext = terminal.words.gettext
    if arguments.back:
        terminal.say(gettext("The template “{name}” is used again.", name=template.name))
    else:
        terminal.say(gettext("The template “{name}” is used no more.", name=template.name))
    return 0
