"""`dialer questionnaires`: what clients are asked, written down in a text or JSON file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from config.settings import Settings
from crm.errors import Refused
from crm.importing.keeping import breather
from crm.preparation.campaigns import campaign_named, get_campaign
from crm.questionnaires.marking import fill, set_for_reports
from crm.questionnaires.questionnaires import (
    Purpose,
    add_questionnaire,
    all_questionnaires,
    change_questionnaire,
    get_questionnaire,
    get_version,
    newest_version,
    over_all,
    sheet_counts,
    versions_of,
)
from crm.questionnaires.questions import Question, stored, written
from crm.questionnaires.report_columns import marked
from crm.questionnaires.shipped import add_shipped
from crm.questionnaires.wording import Written, parse, written_out
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.shown.answer_words import PURPOSES


async def show_all(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`questionnaires list`: one line each."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        campaign = await campaign_named(session, arguments.campaign) if arguments.campaign else None
        found = await all_questionnaires(session, campaign.id if campaign else None)
        counts = await sheet_counts(session, [each.id for each in found])
        rows = [
            (
                str(each.id),
                each.name,
                gettext(PURPOSES[each.purpose]),
                (await get_campaign(session, each.campaign_id)).name if each.campaign_id else "-",
                gettext("yes") if each.active else gettext("no"),
                str((await newest_version(session, each.id)).number),
                str(counts.get(each.id, 0)),
            )
            for each in found
        ]
    heading = (
        gettext("No."), gettext("name"), gettext("who is asked"), gettext("campaign"), gettext("asked"),
        gettext("version"), gettext("sheets"),
    )  # fmt: skip
    terminal.table([heading, *rows])
    return 0


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`questionnaires show`: the text as `set` reads it."""
    async with ready_database(settings, terminal) as database, database.reading() as session:
        found = await get_questionnaire(session, arguments.number)
        if arguments.of is None:
            version = await newest_version(session, found.id)
        else:
            version = await get_version(session, found.id, arguments.of)
        places = {each.key: each.place for each in await marked(session, arguments.number)}
    terminal.say(_written_out(version.questions, places, as_json=arguments.json).rstrip("\n"))
    return 0


def _written_out(questions: Sequence[Question], places: dict[str, str], *, as_json: bool) -> str:
    if not as_json:
        return written_out(questions, places)
    return json.dumps({"questions": stored(questions), "reports": sorted(places)}, ensure_ascii=False, indent=2)


async def add(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`questionnaires add`: what was asked before for the same purpose is asked no more."""
    content, now = _read(arguments, terminal), datetime.now(UTC)
    given = _parsed(content, arguments)
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.campaign) if arguments.campaign else None
        made = await add_questionnaire(
            session, name=arguments.name, purpose=Purpose(arguments.purpose), questions=given.questions, now=now,
            campaign_id=campaign.id if campaign else None,
        )  # fmt: skip
        await set_for_reports(session, questionnaire_id=made.questionnaire.id, keys=given.for_reports, now=now)
    _tell(terminal, made.questionnaire.id, made.version.number, len(given.questions))
    return 0


async def take_shipped(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`questionnaires shipped`: one that comes with the program, asked in the whole office."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        made = await add_shipped(
            session, purpose=Purpose(arguments.purpose), language=terminal.words.language, now=datetime.now(UTC)
        )
    _tell(terminal, made.questionnaire.id, made.version.number, len(made.questions))
    return 0


async def change(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`questionnaires set`: what is not named stays."""
    now = datetime.now(UTC)
    content = _read(arguments, terminal) if arguments.file is not None else None
    async with ready_database(settings, terminal) as database:
        async with database.transaction() as session:
            await get_questionnaire(session, arguments.number, lock=True)
            before = list(over_all(await versions_of(session, arguments.number)).values())
            given = _parsed(content, arguments, before) if content is not None else None
            changed = await change_questionnaire(
                session, questionnaire_id=arguments.number, name=arguments.name, version=arguments.version, now=now,
                questions=given.questions if given is not None else None,
            )  # fmt: skip
            if given is not None:
                await set_for_reports(session, questionnaire_id=arguments.number, keys=given.for_reports, now=now)
        await fill(database, arguments.number, breathe=breather(database))
    _tell(terminal, arguments.number, changed.version.number, len(changed.questions))
    return 0


async def switch(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`questionnaires on|off`."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        changed = await change_questionnaire(
            session, questionnaire_id=arguments.number, active=arguments.action == "on", now=datetime.now(UTC)
        )
    name = changed.questionnaire.name
    said = terminal.words.gettext("“{name}” is asked from now on.", name=name)
    terminal.say(said if arguments.action == "on" else terminal.words.gettext("“{name}” is asked no more.", name=name))
    return 0


async def mark(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`questionnaires reports`: those that are named, and no others."""
    async with ready_database(settings, terminal) as database:
        async with database.transaction() as session:
            keys, now = arguments.keys, datetime.now(UTC)
            await set_for_reports(session, questionnaire_id=arguments.number, keys=keys, now=now)
        await fill(database, arguments.number, breathe=breather(database))
    named = ", ".join(arguments.keys) or terminal.words.gettext("none")
    terminal.say(terminal.words.gettext("For reports: {keys}.", keys=named))
    return 0


def _read(arguments: argparse.Namespace, terminal: Terminal) -> str:
    if str(arguments.file) == "-":
        return terminal.source.read()
    text: str = arguments.file.read_text(encoding="utf-8-sig")
    return text


def _parsed(content: str, arguments: argparse.Namespace, before: Sequence[Question] = ()) -> Written:
    if arguments.file.suffix.casefold() != ".json":
        return parse(content, before)
    try:
        document: Any = json.loads(content)
        questions, reports = document["questions"], document.get("reports", [])
        keys = frozenset(str(each) for each in reports)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise Refused("questionnaire.unreadable") from error
    return Written(written(questions), keys)


def _tell(terminal: Terminal, number: int, version: int, questions: int) -> None:
    terminal.say(
        terminal.words.ngettext(
            "Questionnaire no. {number}, version {version}: {n} question.",
            "Questionnaire no. {number}, version {version}: {n} questions.",
            questions,
            number=number,
            version=version,
        )
    )
