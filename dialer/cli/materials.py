"""`dialer materials` and `dialer script`: the customer's files, and what operators say."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from config.settings import Settings
from crm.preparation.approvals import Approval, reopen_changed
from crm.preparation.campaigns import campaign_named
from crm.preparation.materials import (
    MaterialKind,
    add_material,
    clean_name,
    get_material,
    keep_file,
    materials_of,
    read_file,
    remove_material,
)
from crm.preparation.scripts import change_script, parse, script_of
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.shown.setup_labels import MATERIAL_KINDS, TASKS


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`materials list`: one line a file."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        campaign = await campaign_named(session, arguments.campaign)
        found = await materials_of(session, campaign.id)
    heading = (gettext("No."), gettext("file"), gettext("kind"), gettext("KB"), "SHA-256")
    rows = [
        (
            str(each.id), each.file_name, gettext(MATERIAL_KINDS[each.kind]), str(-(-each.size_bytes // 1024)),
            each.sha256,
        )
        for each in found
    ]  # fmt: skip
    terminal.table([heading, *rows])
    return 0


async def add(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`materials add`: a file is copied into the office's folder."""
    now = datetime.now(UTC)
    name, content = clean_name(arguments.file.name), arguments.file.read_bytes()
    async with ready_database(settings, terminal) as database:
        sha256 = keep_file(settings.materials_dir, content)
        async with database.transaction() as session:
            campaign = await campaign_named(session, arguments.campaign)
            await add_material(
                session, campaign=campaign, kind=MaterialKind(arguments.kind), file_name=name, sha256=sha256,
                size_bytes=len(content), now=now,
            )  # fmt: skip
            reopened = await reopen_changed(session, campaign_id=campaign.id, now=now)
    terminal.say(terminal.words.gettext("The file “{name}” has been added.", name=name))
    _tell(reopened, terminal)
    return 0


async def write(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`materials get`: the file as it was added."""
    async with ready_database(settings, terminal) as database, database.reading() as session:
        campaign = await campaign_named(session, arguments.campaign)
        material = await get_material(session, campaign_id=campaign.id, material_id=arguments.number)
    arguments.file.write_bytes(read_file(settings.materials_dir, material))
    terminal.say(terminal.words.gettext("{file} has been written.", file=arguments.file))
    return 0


async def remove(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`materials remove`: the file belongs to the campaign no more."""
    now = datetime.now(UTC)
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.campaign)
        material = await get_material(session, campaign_id=campaign.id, material_id=arguments.number)
        await remove_material(session, material=material, now=now)
        reopened = await reopen_changed(session, campaign_id=campaign.id, now=now)
    terminal.say(terminal.words.gettext("The file “{name}” has been taken off.", name=material.file_name))
    _tell(reopened, terminal)
    return 0


async def show_script(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`script show`: the text as it is written."""
    async with ready_database(settings, terminal) as database, database.reading() as session:
        campaign = await campaign_named(session, arguments.campaign)
        stored = await script_of(session, campaign.id)
    terminal.say(stored.script if stored is not None else "")
    return 0


async def set_script(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`script set`: the text from a file, or from standard input."""
    now = datetime.now(UTC)
    content = terminal.source.read() if str(arguments.file) == "-" else arguments.file.read_text(encoding="utf-8-sig")
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.campaign)
        stored = await change_script(session, campaign=campaign, script=content, now=now)
        reopened = await reopen_changed(session, campaign_id=campaign.id, now=now)
    steps = len(parse(stored.script))
    terminal.say(
        terminal.words.ngettext("The script has {n} step.", "The script has {n} steps.", steps)
    )  # fmt: skip
    _tell(reopened, terminal)
    return 0


def _tell(reopened: list[Approval], terminal: Terminal) -> None:
    gettext = terminal.words.gettext
    for approval in reopened:
        terminal.say(gettext("To be approved again: {what}", what=gettext(TASKS[approval.subject])))
