"""`dialer check`: is everything in place for calling, and if not, what is to be done.

The trunk and the headsets are tried with the same engine that `serve` uses, on the same ports. While the service runs
it is asked how its lines are, because the ports are its. Which service is this database's own, the lock in the
database says, not the port.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import delete, false

from config.settings import Settings
from crm.database import Database
from crm.office import users
from dialer.app import build_telephony, headset_accounts
from dialer.calls.journal import DATABASE_TROUBLE
from dialer.cli.mail_check import check_mail
from dialer.cli.running import Neighbour, who_answers
from dialer.cli.terminal import Terminal
from dialer.cli.users import headset_server
from dialer.crm_words import database_finding, in_language
from dialer.office_key import read_key
from dialer.reasons import advice_for, of_bind, of_database, of_database_words, of_error
from dialer.shown.formats import moment
from dialer.telephony import HeadsetStatus, PortBusy, Telephony, TelephonyError, TrunkStatus
from dialer.words import Words

LEVEL_WIDTH = 8
POLL_S = 0.1


class Lines(Protocol):
    """An engine that was started here, or what the running service says of its own."""

    def trunk(self) -> TrunkStatus: ...

    def headset(self, name: str) -> HeadsetStatus: ...


@dataclass(slots=True)
class Report:
    """What was found, told as it is found."""

    terminal: Terminal
    troubles: int = 0
    _words: dict[str, str] = field(default_factory=dict)

    def good(self, line: str) -> None:
        """Something is in order."""
        self._tell(self.terminal.words.gettext("ok"), line)

    def note(self, line: str) -> None:
        """Something to know, no reason to stop."""
        self._tell(self.terminal.words.gettext("note"), line)

    def trouble(self, line: str, advice: str) -> None:
        """Something is wrong, and what to do."""
        self.troubles += 1
        self._tell(self.terminal.words.gettext("trouble"), line)
        self.terminal.say(f"{'':{LEVEL_WIDTH}} {advice}")

    def _tell(self, level: str, line: str) -> None:
        self.terminal.say(f"{level:{LEVEL_WIDTH}} {line}")


async def check(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Look at everything; 1 if anything is wrong. `arguments.wait`: how long trunk and headsets may take, in s."""
    wait_s: float = arguments.wait
    gettext = terminal.words.gettext
    report = Report(terminal)
    report.good(gettext("settings: nothing is wrong or contradicts itself"))
    _check_console_safety(settings, report)
    _check_disk(settings, report)
    database = Database(settings.database_url, read_key(settings))
    try:
        usable = await _check_database(database, report)
        await check_mail(settings, database if usable else None, report)
        neighbour = await who_answers(settings)
        if not await _check_service(settings, database if usable else None, neighbour, report, wait_s):
            _check_console_port(settings, neighbour, report)
            await _check_telephony(settings, database if usable else None, report, wait_s)
    finally:
        await database.dispose()
    terminal.say()
    if report.troubles:
        terminal.say(terminal.words.ngettext("{n} trouble was found.", "{n} troubles were found.", report.troubles))
        return 1
    terminal.say(gettext("Everything is ready for calls."))
    return 0


def console_address(settings: Settings) -> str:
    """Where the console is, as people type it."""
    console = settings.console
    if console.public_url:
        return console.public_url
    host = "127.0.0.1" if console.host in ("0.0.0.0", "::") else console.host
    return f"{'https' if console.tls_certificate else 'http'}://{host}:{console.port}"


def _check_console_safety(settings: Settings, report: Report) -> None:
    console = settings.console
    local = console.host in ("127.0.0.1", "::1", "localhost")
    if not local and not console.tls_certificate and not console.behind_proxy:
        report.note(
            report.terminal.words.gettext(
                "console: passwords cross the network in the clear; set tls_certificate and tls_key, or use a proxy"
            )
        )


def _check_disk(settings: Settings, report: Report) -> None:
    gettext = report.terminal.words.gettext
    for name, folder in (("data_dir", settings.data_dir), ("recordings", settings.recordings_dir)):
        present = _nearest_existing(folder)
        if not os.access(present, os.W_OK | os.X_OK) or not present.is_dir():
            report.trouble(
                gettext("disk: {name}: nothing can be written to {folder}", name=name, folder=present),
                gettext("Give it to the user that runs the service, or set another folder."),
            )
            continue
        free_mb = shutil.disk_usage(present).free // 2**20
        needed_mb = settings.recordings.minimum_free_mb
        if free_mb < needed_mb:
            report.trouble(
                gettext(
                    "disk: {folder}: {free} MB are free, {needed} MB are needed",
                    folder=folder,
                    free=free_mb,
                    needed=needed_mb,
                ),
                gettext("Free some space, move the recordings to another disk, or lower minimum_free_mb."),
            )
            continue
        # 8000 samples a second, two channels of two bytes
        hours = (free_mb - needed_mb) * 2**20 // (8000 * 4 * 3600)
        report.good(gettext("disk: {folder}: room for {hours} hours of recorded calls", folder=folder, hours=hours))


def _nearest_existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


async def _check_database(database: Database, report: Report) -> bool:
    words = report.terminal.words
    gettext = words.gettext
    wrong = await database.check()
    if wrong is not None:
        report.trouble(
            gettext("database: {reason}", reason=database_finding(words, wrong)),
            _advice_for_database(words, of_database_words(str(wrong.params.get("reason", "")))),
        )
        return False
    try:
        async with database.transaction() as session:
            await session.execute(delete(users.User).where(false()))  # SQLite begins though it may only read
    except DATABASE_TROUBLE as error:
        reason = of_database(error)
        report.trouble(
            gettext("database: {reason}", reason=in_language(words, reason)), _advice_for_database(words, reason)
        )
        return False
    report.good(gettext("database: {kind}, up to date", kind=database.dialect))
    return True


def _advice_for_database(words: Words, reason: str) -> str:
    advice = advice_for(reason)
    if advice:
        return words.gettext(advice)
    return words.gettext("`dialer db upgrade` makes it or brings it up to date; otherwise look at database.url.")


async def _check_service(
    settings: Settings, database: Database | None, neighbour: Neighbour, report: Report, wait_s: float
) -> bool:
    """Whether the service of this database runs, and then how its lines are. Where the database cannot say whose the
    one is that answers, its ports are left alone."""
    gettext = report.terminal.words.gettext
    if database is None:
        if neighbour.dialer:
            report.note(
                gettext(
                    "service: one answers at {url}; whose it is, and how its lines are, the database has to say",
                    url=console_address(settings),
                )
            )
        return neighbour.dialer
    running = await database.running_service(node=settings.service.node, further_node=settings.service.further_node)
    if running is None:
        return False
    status = neighbour.status
    if status is None or status.started_at != running.started_at:
        report.trouble(
            gettext(
                "service: it has been running since {since} under the name {node}, but does not answer at {url}",
                since=moment(report.terminal.words, running.started_at, ZoneInfo(settings.service.time_zone)),
                node=running.node,
                url=console_address(settings),
            ),
            gettext("Was it started with other settings? Check with those. If it hangs, start it again."),
        )
        return True
    report.good(gettext("service: it is running and answers at {url}", url=console_address(settings)))
    _report_trunk(settings, status, report, wait_s)
    await _report_headsets(settings, database, status, report)
    return True


def _check_console_port(settings: Settings, neighbour: Neighbour, report: Report) -> None:
    gettext = report.terminal.words.gettext
    host, port = settings.console.host, settings.console.port
    if neighbour.dialer:
        report.trouble(
            gettext("console: {host}:{port}: a dialer with another database answers there", host=host, port=port),
            gettext("Stop it, or set another console.port (and sip.port) here."),
        )
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            report.trouble(
                gettext(
                    "console: {host}:{port}: {reason}",
                    host=host,
                    port=port,
                    reason=in_language(report.terminal.words, of_bind(error)),
                ),
                gettext("Stop the program that has this port, or set console.host and console.port."),
            )
            return
    report.good(gettext("console: {host}:{port} is free", host=host, port=port))


async def _check_telephony(settings: Settings, database: Database | None, report: Report, wait_s: float) -> None:
    gettext = report.terminal.words.gettext
    accounts = await headset_accounts(database) if database else {}
    telephony = build_telephony(settings, accounts)
    try:
        await telephony.start()
    except PortBusy as error:
        report.trouble(
            gettext("telephony: {reason}", reason=in_language(report.terminal.words, error.reason)),
            gettext("Stop the program that has this port, or set sip.host and sip.port."),
        )
        return
    except (TelephonyError, OSError) as error:
        report.trouble(
            gettext("telephony: {reason}", reason=in_language(report.terminal.words, of_error(error))),
            gettext("Look at the addresses and ports in [sip] and [media]: are they this machine's?"),
        )
        return
    try:
        report.good(gettext("telephony: the {engine} engine runs", engine=telephony.name))
        await _wait_for(telephony, settings, set(accounts), wait_s)
        _report_trunk(settings, telephony, report, wait_s)
        if database:
            await _report_headsets(settings, database, telephony, report)
    finally:
        await telephony.stop()


async def _wait_for(telephony: Telephony, settings: Settings, headsets: set[str], wait_s: float) -> None:
    """Until the trunk and all headsets are there, or the time is over."""
    if wait_s <= 0:
        return
    changed = asyncio.Event()
    telephony.on_line_event(lambda _event: changed.set())
    deadline = time.monotonic() + wait_s
    while (settings.trunk and not telephony.trunk().ready) or not all(
        telephony.headset(name).registered for name in headsets
    ):
        changed.clear()
        try:
            await asyncio.wait_for(changed.wait(), deadline - time.monotonic())
        except TimeoutError:
            return


def _report_trunk(settings: Settings, telephony: Lines, report: Report, wait_s: float) -> None:
    gettext = report.terminal.words.gettext
    trunk = settings.trunk
    if trunk is None:
        report.trouble(
            gettext("trunk: none is set up, so no client can be called"),
            gettext("Fill in [trunk] with what the telephone provider gave you."),
        )
        return
    state, address = telephony.trunk(), f"{trunk.host}:{trunk.port}"
    if state.ready:
        way = gettext("registered") if trunk.registers else gettext("answers")
        report.good(gettext("trunk: {address}: {way}", address=address, way=way))
        return
    if state.code == "trunk.not_asked_yet":
        detail = gettext("no answer within {wait} s", wait=f"{wait_s:g}")
    else:
        detail = in_language(report.terminal.words, state.detail)
    advice = advice_for(state.detail)
    told = (
        gettext("trunk: {detail}", detail=detail)
        if address in detail
        else gettext("trunk: {address}: {detail}", address=address, detail=detail)
    )
    report.trouble(told, gettext(advice) if advice else "")


async def _report_headsets(settings: Settings, database: Database, telephony: Lines, report: Report) -> None:
    gettext = report.terminal.words.gettext
    async with database.reading() as session:
        owners = [user for user in await users.list_users(session) if user.active and user.headset]
    if not owners:
        report.trouble(
            gettext("headsets: no user has one"),
            gettext("Add a user with one: dialer users add LOGIN --name NAME --headset NAME"),
        )
        return
    connected = 0
    for user in owners:
        name = f"{user.headset} ({user.name})"
        state = telephony.headset(user.headset)
        if users.headset_digests(user, database.office_key) is None:
            report.note(
                gettext(
                    "headset {name}: it has no password: dialer users passwd {login} --headset",
                    name=name,
                    login=user.login,
                )
            )
        elif state.registered:
            connected += 1
            report.good(gettext("headset {name}: connected ({contact})", name=name, contact=state.contact))
        else:
            report.note(gettext("headset {name}: not connected", name=name))
    if not connected:
        server = headset_server(settings, report.terminal.words)
        report.trouble(
            gettext("headsets: none is connected"),
            gettext(
                "Switch one on with the server {server} and its password. One that is on registers by itself within a "
                "minute after the service was started: dialer check --wait 60",
                server=server,
            ),
        )
