"""`dialer import`: a file into a campaign, and what became of each row."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from config.settings import Settings
from crm.database import Database
from crm.errors import ERRORS, NotFound
from crm.importing.carrying_on import carry_on
from crm.importing.clients import Progress
from crm.importing.confirming import begin_confirming, report_of
from crm.importing.contacts import import_contacts
from crm.importing.imports import Import, get_import, save_mapping, saved_mapping
from crm.importing.keeping import bring_in
from crm.importing.mapping import ATTRIBUTE, REASON_COLUMNS, guess_mapping, mapping_with
from crm.importing.report import ImportReport, refused_csv
from crm.importing.staging import Choices, try_out
from crm.importing.tables import Table, content_of, read_table
from crm.preparation.campaigns import Campaign, campaign_named, list_campaigns
from crm.problems import Problem
from dialer.cli.database import ready_database
from dialer.cli.terminal import CommandFailed, Terminal
from dialer.crm_words import explain
from dialer.shown.import_words import FIELD_NAMES, form_in_words
from dialer.shown.labels import group_name
from dialer.words import mark

SHOWN_ROWS: Final = 10
_REMEDIES: Final = {
    "import.no_list": mark("No column holds the call list. Name one for all rows: --list NAME"),
    "import.no_name_column": mark(
        "No column holds the name of the organisation. Say which one does: --map COLUMN=name"
    ),
    "import.no_phone_column": mark("No column holds the telephone. Say which one does: --map COLUMN=phone"),
}


async def import_file(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Import `arguments.file`; 1 if not a single row of it could be used."""
    gettext = terminal.words.gettext
    path: Path = arguments.file
    content = content_of(path)
    table = read_table(
        content, encoding=arguments.encoding, delimiter=_delimiter(arguments.delimiter), part=arguments.sheet,
        header_row=arguments.header_row,
    )  # fmt: skip
    async with ready_database(settings, terminal) as database:
        choices = Choices(
            await _mapping(database, table, arguments, terminal),
            arguments.list_name or "",
            arguments.area_code,
            arguments.time_zone,
            arguments.header_row,
        )
        _tell_file(path, table, choices.mapping, terminal)
        report = await _import(database, content, table, choices, arguments, terminal, settings)
    terminal.progress("")
    _tell(report, terminal)
    if report.refused and not arguments.dry_run:
        written = _write_refused(path, report, arguments.list_name, terminal, choices.mapping)
        terminal.say(gettext("The refused rows are in {file}: mend them there and import that file.", file=written))
    return 0 if report.taken + report.merged else 1


async def import_history(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`import-contacts`: contacts with no call behind them; 1 if not a single row of the file could be used."""
    gettext = terminal.words.gettext
    table = read_table(arguments.file)
    async with (
        ready_database(settings, terminal) as database,
        database.reading() if arguments.dry_run else database.transaction() as session,
    ):
        report = await import_contacts(
            session,
            campaign=await campaign_named(session, arguments.campaign),
            table=table,
            list_name=arguments.list_name,
            file_name=arguments.file.name,
            now=datetime.now(UTC),
            dry_run=arguments.dry_run,
            progress=_progress(terminal),
        )
    terminal.progress("")
    if report.dry_run:
        terminal.say(gettext("Only tried: nothing was written."))
    terminal.say(gettext("taken: {count}", count=report.taken))
    terminal.say(gettext("there already: {count}", count=report.merged))
    terminal.say(gettext("refused: {count}", count=len(report.refused)))
    rows = [(row.line, " ".join(in_words(problem, terminal) for problem in row.problems)) for row in report.refused]
    tell_rows(gettext("Refused:"), rows, terminal)
    if report.refused and not arguments.dry_run:
        written = _write_refused(arguments.file, report, None, terminal)
        terminal.say(gettext("The refused rows are in {file}: mend them there and import that file.", file=written))
    return 0 if report.taken + report.merged else 1


async def _mapping(
    database: Database, table: Table, arguments: argparse.Namespace, terminal: Terminal
) -> dict[str, str]:
    """The guess, with what a saved mapping says of columns that are there, and with what was said on the command
    line."""
    said = _said(arguments.mapped, terminal)
    if arguments.mapping:
        async with database.reading() as session:
            saved = (await saved_mapping(session, arguments.mapping)).mapping
        said = {column: field for column, field in saved.items() if column in table.header} | said
    return mapping_with(table.header, said)


def _delimiter(named: str | None) -> str | None:
    return "\t" if named in ("tab", "\\t") else named


def _said(mapped: list[str], terminal: Terminal) -> dict[str, str]:
    """The options `--map COLUMN=FIELD`. A column may have an equals sign in its name, a field has none."""
    said: dict[str, str] = {}
    for each in mapped:
        column, equals, field = each.rpartition("=")
        if not equals:
            raise CommandFailed(terminal.words.gettext("“{text}” is no COLUMN=FIELD.", text=each))
        said[column] = field.strip()
    return said


def _tell_file(path: Path, table: Table, mapping: Mapping[str, str], terminal: Terminal) -> None:
    """What the file was taken for, so that a wrong guess is seen."""
    gettext, say = terminal.words.gettext, terminal.say
    count = len(table.rows)
    say(terminal.words.ngettext("{file}: {n} row, {form}", "{file}: {n} rows, {form}", count, file=path.name,
                                form=form_in_words(table, terminal.words)))  # fmt: skip
    if len(table.parts) > 1:
        say(gettext("sheets or tables: {parts}", parts=", ".join(table.parts)))
    known = [f"{column} → {gettext(FIELD_NAMES[field])}" for column, field in mapping.items() if field in FIELD_NAMES]
    say(gettext("columns recognised: {columns}", columns="; ".join(known) or "-"))
    if others := [column for column, field in mapping.items() if field.startswith(ATTRIBUTE)]:
        say(gettext("kept beside, not recognised: {columns}", columns="; ".join(others)))


async def _import(
    database: Database,
    content: bytes,
    table: Table,
    choices: Choices,
    arguments: argparse.Namespace,
    terminal: Terminal,
    settings: Settings,
) -> ImportReport:
    """Try the file, and take it in unless that was all that was asked for."""
    async with database.reading() as session:
        campaign = await _campaign(session, arguments.campaign, terminal)
        tried = await try_out(
            session, campaign=campaign, table=table, choices=choices, region=settings.dialing.region,
            now=datetime.now(UTC), progress=_progress(terminal),
        )  # fmt: skip
    if tried.report is None:
        code, params = tried.trouble
        raise CommandFailed(stopped_by(code, params, terminal))
    if arguments.dry_run:
        return tried.report
    staged = await bring_in(
        database, campaign=campaign, file_name=arguments.file.name, content=content, table=table, choices=choices,
        tried=tried, clock=lambda: datetime.now(UTC),
    )  # fmt: skip
    async with database.transaction() as session:
        if arguments.save_mapping:
            await save_mapping(
                session, name=arguments.save_mapping, mapping=dict(choices.mapping), now=datetime.now(UTC)
            )
        await begin_confirming(session, import_id=staged.id, version=staged.version, now=datetime.now(UTC))
    await carried_on(database, staged.id, settings, terminal)
    async with database.reading() as session:
        return await report_of(session, await get_import(session, staged.id))


async def carried_on(database: Database, import_id: int, settings: Settings, terminal: Terminal) -> Import:
    """The import that is under way, when it is through. Interrupted, it is left to whoever goes on: the
    service, the page, or `dialer imports continue`."""
    found = await carry_on(
        database, import_id, region=settings.dialing.region, clock=lambda: datetime.now(UTC),
        progress=_progress(terminal),
    )  # fmt: skip
    terminal.progress("")
    return found


def _progress(terminal: Terminal) -> Progress:
    gettext = terminal.words.gettext
    return lambda done, of: terminal.progress(gettext("{done} of {of} rows", done=done, of=of))


def stopped_by(code: str, params: Mapping[str, object], terminal: Terminal) -> str:
    """Why no row of a file could be tried, with the option that helps: pages have fields for it."""
    sentence = _REMEDIES.get(code)
    return terminal.words.gettext(sentence) if sentence else explain(terminal.words, code, params)


async def _campaign(session: AsyncSession, name: str, terminal: Terminal) -> Campaign:
    try:
        return await campaign_named(session, name)
    except NotFound:
        known = ", ".join(f"“{campaign.name}”" for campaign in await list_campaigns(session))
        raise CommandFailed(
            terminal.words.gettext("There is no campaign “{name}”. There are: {known}", name=name, known=known or "-")
        ) from None


def _tell(report: ImportReport, terminal: Terminal) -> None:
    gettext, say = terminal.words.gettext, terminal.say
    if report.dry_run:
        say(gettext("Only tried: nothing was written."))
    say(gettext("taken: {count}", count=report.taken))
    say(gettext("merged with clients of the campaign: {count}", count=report.merged))
    say(gettext("refused: {count}", count=len(report.refused)))
    if report.not_selected:
        say(gettext("passed over, being of other lists: {count}", count=report.not_selected))
    _tell_counts(gettext("by list:"), report.by_list, terminal)
    groups = Counter({gettext(group_name(group)): count for group, count in report.by_group.items()})
    _tell_counts(gettext("by group:"), groups, terminal)
    rows = [(row.line, " ".join(in_words(problem, terminal) for problem in row.problems)) for row in report.refused]
    tell_rows(gettext("Refused:"), rows, terminal)
    tell_rows(
        gettext("Worth a look:"),
        [(remark.line, in_words(remark.problem, terminal)) for remark in report.remarks],
        terminal,
    )


def in_words(problem: Problem, terminal: Terminal) -> str:
    """The sentence of a problem in the user's language."""
    return terminal.words.gettext(ERRORS[problem.code], **problem.params)


def _tell_counts(title: str, counts: Counter[str], terminal: Terminal) -> None:
    if not counts:
        return
    terminal.say(title)
    for name, count in counts.most_common():
        terminal.say(f"  {count:7}  {name}")


def tell_rows(title: str, rows: list[tuple[int, str]], terminal: Terminal) -> None:
    """At most `SHOWN_ROWS` of the rows, each with its sentence."""
    if not rows:
        return
    gettext = terminal.words.gettext
    terminal.say(title)
    for line, sentence in rows[:SHOWN_ROWS]:
        terminal.say("  " + gettext("line {line}: {reason}", line=line, reason=sentence))
    if len(rows) > SHOWN_ROWS:
        terminal.say("  " + gettext("and {count} more", count=len(rows) - SHOWN_ROWS))


def _write_refused(
    source: Path,
    report: ImportReport,
    list_name: str | None,
    terminal: Terminal,
    mapping: Mapping[str, str] | None = None,
) -> Path:
    """Beside the file if that can be written to, else in the current folder; never over an earlier one, which may have
    been mended half."""
    listed = "list" in (mapping or guess_mapping(report.header)).values()
    written = refused_csv(
        report,
        list_column=None if listed or not list_name else (terminal.words.gettext("list"), list_name),
        words=lambda problem: in_words(problem, terminal),
        reason_column=REASON_COLUMNS[terminal.words.language],
    )
    refusal: OSError | None = None
    for folder in (source.parent, Path()):
        for number in range(1, 1000):
            path = folder / f"{source.stem}.refused{f'-{number}' if number > 1 else ''}.csv"
            try:
                with path.open("xb") as file:
                    file.write(written)
            except FileExistsError:
                continue
            except OSError as error:
                refusal = error
                break
            return path
    raise CommandFailed(
        terminal.words.gettext("The refused rows cannot be written to a file: {reason}", reason=refusal or "?")
    )
