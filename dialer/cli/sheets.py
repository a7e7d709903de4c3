"""`dialer questionnaires sheets|counts|export` and `dialer clients sheet`: what clients have answered."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from config.settings import Settings
from crm.base.joined import standing_client
from crm.clientele.clients import get_client
from crm.csv_sheets import csv_bytes
from crm.questionnaires.answers import as_typed
from crm.questionnaires.competitor_sheets import feed_competitor
from crm.questionnaires.finding import counts_of, sheets_found
from crm.questionnaires.questionnaires import Purpose, get_questionnaire, newest_version
from crm.questionnaires.sheets import answers_now, write_sheet
from crm.questionnaires.wanted import PlaceInOrder, wanted_of
from dialer.cli.database import ready_database
from dialer.cli.terminal import CommandFailed, Terminal
from dialer.shown.answer_sheets import answer_rows, counted_rows, workbook
from dialer.shown.answer_words import answers_in_words
from dialer.shown.formats import moment

_AT_ONCE: Final = 200


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`questionnaires sheets`: of each client the answers, as they are now."""
    words, zone = terminal.words, ZoneInfo(settings.service.time_zone)
    async with ready_database(settings, terminal) as database, database.reading() as session:
        await get_questionnaire(session, arguments.number)
        wanted = await wanted_of(session, arguments.number, arguments.where)
        after: PlaceInOrder | None = None
        while True:
            rows, after = await sheets_found(session, arguments.number, wanted, after=after, limit=_AT_ONCE)
            for row in rows:
                when = moment(words, row.written_at, zone)
                terminal.say(f"{row.client_id}  {row.organisation}  {when}  {row.author}".rstrip())
                for each in answers_in_words(words, row.questions, row.answers):
                    terminal.say(f"  {each.question}: {each.answer or '-'}")
            if after is None:
                return 0


async def count(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`questionnaires counts`: of the questions for reports, over all versions."""
    async with ready_database(settings, terminal) as database, database.reading() as session:
        await get_questionnaire(session, arguments.number)
        wanted = await wanted_of(session, arguments.number, arguments.where)
        counts = await counts_of(session, arguments.number, wanted)
    if not counts:
        terminal.say(terminal.words.gettext("No question is for reports."))
        return 0
    terminal.table(counted_rows(terminal.words, counts))
    return 0


async def export(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`questionnaires export`: a row for each client, a column for each question that there ever was."""
    suffix = arguments.file.suffix.casefold()
    if suffix not in (".csv", ".xlsx"):
        raise CommandFailed(terminal.words.gettext("Give a file that ends in .csv or .xlsx."))
    zone = ZoneInfo(settings.service.time_zone)
    async with ready_database(settings, terminal) as database, database.reading() as session:
        await get_questionnaire(session, arguments.number)
        rows = await answer_rows(session, arguments.number, arguments.where, words=terminal.words, zone=zone)
    arguments.file.write_bytes(csv_bytes(rows) if suffix == ".csv" else workbook(rows))
    terminal.say(terminal.words.gettext("{file} has been written.", file=arguments.file))
    return 0


async def write(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`clients sheet`: of one that was merged, for the client that stands for it."""
    typed = dict(_parted(each, terminal) for each in arguments.answer)
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        questionnaire = await get_questionnaire(session, arguments.questionnaire)
        client_id = await standing_client(session, arguments.number)
        before, _ = await answers_now(session, client_id, arguments.questionnaire)
        known = {key: as_typed(value) for key, value in before.items()}
        state = await write_sheet(
            session, client_id=client_id, questionnaire_id=arguments.questionnaire, typed={**known, **typed},
            now=datetime.now(UTC), must_be_complete=not arguments.unfinished,
        )  # fmt: skip
        if state is not None and questionnaire.purpose is Purpose.COMPETITOR:
            client = await get_client(session, client_id)
            version = await newest_version(session, questionnaire.id)
            await feed_competitor(
                session, client=client, questions=version.questions, answers=state.answers, now=datetime.now(UTC),
                author_id=None,
            )  # fmt: skip
    if state is None:
        terminal.say(terminal.words.gettext("That is what the sheet says already."))
    else:
        terminal.say(terminal.words.gettext("The sheet has been written."))
    return 0


def _parted(answer: str, terminal: Terminal) -> tuple[str, str]:
    key, equals, value = answer.partition("=")
    if not equals:
        raise CommandFailed(terminal.words.gettext("“{text}” is no answer, such as q1=yes.", text=answer))
    return key.strip(), value
