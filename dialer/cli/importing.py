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
from crm.campaigns import Campaign, campaign_named, list_campaigns
from crm.database import Database
from crm.errors import ERRORS, NotFound, Refused
from crm.importing.area_codes import read_area_code
from crm.importing.clients import Progress, import_clients
from crm.importing.contacts import import_contacts
from crm.importing.mapping import ATTRIBUTE, REASON_COLUMNS, guess_mapping, mapping_with
from crm.importing.problems import Problem
from crm.importing.report import ImportReport, refused_csv
from crm.importing.tables import Table, read_table
from dialer.cli.database import ready_database
from dialer.cli.terminal import CommandFailed, Terminal
from dialer.console.labels import group_name
from dialer.words import Words, mark

SHOWN_ROWS: Final = 10
FIELD_NAMES: Final[Mapping[str, str]] = {
    "list": mark("list"),
    "code": mark("code"),
    "name": mark("name of the organisation"),
    "city": mark("city"),
    "phone": mark("phone"),
    "industry": mark("industry"),
    "source": mark("source"),
    "group": mark("group"),
    "headcount": mark("headcount"),
    "tax_number": mark("tax number"),
    "site": mark("site"),
    "email": mark("e-mail"),
    "person": mark("person"),
    "position": mark("position"),
    "note": mark("note"),
}


async def import_file(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Import `arguments.file`; 1 if not a single row of it could be used."""
    gettext = terminal.words.gettext
    path: Path = arguments.file
    table = read_table(
        path, encoding=arguments.encoding, delimiter=_delimiter(arguments.delimiter), part=arguments.sheet
    )
    mapping = mapping_with(table.header, _said(arguments.mapped, terminal))
    _tell_file(path, table, mapping, terminal)
    async with ready_database(settings, terminal) as database:
        report = await _import(database, table, mapping, arguments, terminal, settings.dialing.region)
    terminal.progress("")
    _tell(report, terminal)
    if report.refused and not arguments.dry_run:
        written = _write_refused(path, report, arguments.list_name, terminal)
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
            progress=lambda done, of: terminal.progress(gettext("{done} of {of} rows", done=done, of=of)),
        )
    terminal.progress("")
    if report.dry_run:
        terminal.say(gettext("Only tried: nothing was written."))
    terminal.say(gettext("taken: {count}", count=report.taken))
    terminal.say(gettext("there already: {count}", count=report.merged))
    terminal.say(gettext("refused: {count}", count=len(report.refused)))
    rows = [(row.line, " ".join(in_words(problem, terminal) for problem in row.problems)) for row in report.refused]
    _tell_rows(gettext("Refused:"), rows, terminal)
    if report.refused and not arguments.dry_run:
        written = _write_refused(arguments.file, report, None, terminal)
        terminal.say(gettext("The refused rows are in {file}: mend them there and import that file.", file=written))
    return 0 if report.taken + report.merged else 1


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


def form_in_words(table: Table, words: Words) -> str:
    """How the file was read: its form, then what had to be found out about it."""
    gettext = words.gettext
    encoding = "UTF-8" if table.encoding == "utf-8-sig" else table.encoding
    if table.form == "csv":
        delimiter = gettext("tabs") if table.delimiter == "\t" else f"“{table.delimiter}”"
        return gettext("{encoding}, columns parted by {delimiter}", encoding=encoding, delimiter=delimiter)
    if table.form.startswith("access"):
        form = gettext("Access, table “{part}”", part=table.part)
        return f"{form}, {encoding}" if encoding else form
    return gettext("{form}, sheet “{part}”", form=table.form.upper(), part=table.part)


async def _import(
    database: Database,
    table: Table,
    mapping: Mapping[str, str],
    arguments: argparse.Namespace,
    terminal: Terminal,
    region: str,
) -> ImportReport:
    def progress(done: int, of: int) -> None:
        terminal.progress(terminal.words.gettext("{done} of {of} rows", done=done, of=of))

    transaction = database.reading() if arguments.dry_run else database.transaction()
    async with transaction as session:
        try:
            campaign: Campaign = await campaign_named(session, arguments.campaign)
        except NotFound:
            known = ", ".join(f"“{campaign.name}”" for campaign in await list_campaigns(session))
            raise CommandFailed(
                terminal.words.gettext(
                    "There is no campaign “{name}”. There are: {known}", name=arguments.campaign, known=known or "-"
                )
            ) from None
        try:
            return await _into(session, campaign, table, mapping, arguments, region, progress)
        except Refused as error:
            if error.code != "import.no_list":
                raise
            raise CommandFailed(
                terminal.words.gettext("No column holds the call list. Name one for all rows: --list NAME")
            ) from None


async def _into(
    session: AsyncSession,
    campaign: Campaign,
    table: Table,
    mapping: Mapping[str, str],
    arguments: argparse.Namespace,
    region: str,
    progress: Progress,
) -> ImportReport:
    return await import_clients(
        session,
        campaign=campaign,
        table=table,
        mapping=mapping,
        list_name=arguments.list_name,
        file_name=arguments.file.name,
        region=region,
        area_code=read_area_code(arguments.area_code),
        now=datetime.now(UTC),
        dry_run=arguments.dry_run,
        progress=progress,
    )


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
    _tell_rows(gettext("Refused:"), rows, terminal)
    _tell_rows(
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


def _tell_rows(title: str, rows: list[tuple[int, str]], terminal: Terminal) -> None:
    if not rows:
        return
    gettext = terminal.words.gettext
    terminal.say(title)
    for line, sentence in rows[:SHOWN_ROWS]:
        terminal.say("  " + gettext("line {line}: {reason}", line=line, reason=sentence))
    if len(rows) > SHOWN_ROWS:
        terminal.say("  " + gettext("and {count} more", count=len(rows) - SHOWN_ROWS))


def _write_refused(source: Path, report: ImportReport, list_name: str | None, terminal: Terminal) -> Path:
    """Beside the file if that can be written to, else in the current folder; never over an earlier one, which may have
    been mended half."""
    listed = "list" in guess_mapping(report.header).values()
    content = refused_csv(
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
                    file.write(content)
            except FileExistsError:
                continue
            except OSError as error:
                refusal = error
                break
            return path
    raise CommandFailed(
        terminal.words.gettext("The refused rows cannot be written to a file: {reason}", reason=refusal or "?")
    )
