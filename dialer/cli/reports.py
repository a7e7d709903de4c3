"""`dialer reports`: the tables of a campaign, on the terminal or in a file for a spreadsheet."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from config.settings import Settings
from crm.csv_sheets import csv_bytes
from crm.reports.base import base_named
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.shown.report_sheets import REPORTS, Asked, Sheet, make_sheet


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`reports KEY`: one report of a campaign."""
    gettext = terminal.words.gettext
    today = datetime.now(ZoneInfo(settings.service.time_zone)).date()
    asked = Asked(arguments.first, arguments.last, arguments.attribute, today)
    async with ready_database(settings, terminal) as database, database.reading() as session:
        base = await base_named(session, campaign=arguments.campaign, call_list=arguments.call_list)
        sheet = await make_sheet(session, base, arguments.report, asked, terminal.words)
    if arguments.csv is not None:
        _write(arguments.csv, sheet)
        terminal.say(gettext("Written to {file}.", file=arguments.csv))
        return 0
    terminal.say(gettext(REPORTS[arguments.report]))
    terminal.table(sheet.all_rows())
    return 0


def _write(path: Path, sheet: Sheet) -> None:
    path.write_bytes(csv_bytes(sheet.all_rows()))
