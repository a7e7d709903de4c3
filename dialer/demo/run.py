"""`dialer demo`: practice carrier, service and practice headset, each a process of its own, until Ctrl+C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.documentation import toml_value
from config.settings import Settings
from crm.database import Database
from crm.errors import CrmError
from crm.office.users import user_by_login
from dialer.app import RunningService, running_service, utc_now
from dialer.calls.errors import DeskError
from dialer.demo import seed
from dialer.demo.once import RoundFailed, one_round, report
from dialer.logs import configure_logging
from dialer.practice.processes import PracticeCarrier, PracticeHeadset
from dialer.telephony import TelephonyError
from dialer.words import LANGUAGES, Words, mark, words

DEFAULT_FOLDER = Path("demo-data")


@dataclass(frozen=True, slots=True)
class Demo:
    """What runs."""

    service: RunningService
    carrier: PracticeCarrier
    far_end_log: Path


def run_demo(arguments: argparse.Namespace, say: Callable[[str], None]) -> int:
    """`say` prints a line. Returns the exit code: 0, or 1 if `--once` did not go round."""
    folder: Path = (arguments.data or DEFAULT_FOLDER).absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "dialer.log").open("a", encoding="utf-8") as log:
        configure_logging("info", "json", log)
        run = _once(folder) if arguments.once else _until_stopped(folder, arguments.port, say)
        return asyncio.run(run)


def demo_settings(folder: Path, *, console_port: int, carrier_port: int) -> Settings:
    """The same settings as any office's; only the trunk's address is the practice carrier's."""
    return Settings.model_validate(
        {
            "service": {"data_dir": str(folder)},
            "console": {"port": console_port},
            "sip": {"port": 0},
            "media": {"first_port": 0, "last_port": 0},
            "trunk": {"host": "127.0.0.1", "port": carrier_port, "caller_id": "+73420000000", "options_interval_s": 5},
            "recordings": {"minimum_free_mb": 20, "encrypt": False},  # whoever tries it plays the files
            "backups": {"folder": f"{folder}-backups"},
            "scheduler": {"poll_s": 2},
        }
    )


def settings_file(settings: Settings) -> str:
    """What differs from the defaults, as a file of settings, so that other commands work on the same folder."""
    lines = ["# Written by the demonstration at every start; other commands are given it with --config."]
    for name, section in settings.model_dump(mode="json", exclude_defaults=True).items():
        lines += ["", f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in section.items())]
    return "\n".join(lines) + "\n"


@contextlib.asynccontextmanager
async def running_demo(folder: Path, console_port: int) -> AsyncIterator[Demo]:
    far_end_log = folder / "practice-calls.jsonl"
    async with PracticeCarrier(log=far_end_log) as carrier:
        settings = demo_settings(folder, console_port=console_port, carrier_port=carrier.port)
        settings.recordings_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        await _fill(settings)
        async with running_service(settings, settings_file=folder / "dialer.toml") as service:
            # Only now: another one that runs in this folder refuses this one, and keeps its settings.
            (folder / "dialer.toml").write_text(settings_file(settings), encoding="utf-8")
            headset = PracticeHeadset(
                registrar=("127.0.0.1", service.sip_port), user=seed.HEADSET, password=seed.HEADSET_PASSWORD
            )
            async with headset:
                (folder / "practice.json").write_text(
                    json.dumps({"carrier_pid": carrier.pid, "headset_pid": headset.pid, "url": service.url})
                )
                yield Demo(service, carrier, far_end_log)


async def _fill(settings: Settings) -> None:
    database = Database(settings.database_url)
    try:
        await database.upgrade()
        async with database.transaction() as session:
            await seed.seed(session, now=utc_now(), realm=settings.sip.realm)
    finally:
        await database.dispose()


# -- with a browser ---------------------------------------------------------------------------------------------------


async def _until_stopped(folder: Path, port: int, say: Callable[[str], None]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    free = _is_free(port)
    async with running_demo(folder, port if free else 0) as demo:
        for line in [] if free else _another_port(port):
            say(line)
        for line in [*_welcome(demo, folder, words("ru")), "", *_welcome(demo, folder, words("en"))]:
            say(line)
        await stop.wait()
    return 0


def _another_port(port: int) -> list[str]:
    sentence = mark("Port {port} is taken by another program, so another one was chosen.")
    return [words(language).gettext(sentence, port=port) for language in LANGUAGES]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _welcome(demo: Demo, folder: Path, language: Words) -> list[str]:
    gettext = language.gettext
    return [
        gettext("Open {url} in the browser.", url=demo.service.url),
        gettext("Operator: {login}, password {password}", login=seed.OPERATOR, password=seed.PASSWORD),
        gettext("Manager:  {login}, password {password}", login=seed.MANAGER, password=seed.PASSWORD),
        gettext("Consultant: {login}, password {password}", login=seed.CONSULTANT, password=seed.PASSWORD),
        gettext("Administrator: {login}, password {password}", login=seed.ADMINISTRATOR, password=seed.PASSWORD),
        gettext(
            "Press Ready, then Next call. The clients and the headset are practice programs on this machine; the calls "
            "between them are real SIP and RTP."
        ),
        gettext("Other commands: dialer users list --config {file}", file=folder / "dialer.toml"),
        gettext("Everything is kept in {folder}. Ctrl+C stops the demonstration.", folder=folder),
    ]


# -- without ----------------------------------------------------------------------------------------------------------


async def _once(folder: Path) -> int:
    try:
        found = await _round(folder)
    except (RoundFailed, DeskError, CrmError, TelephonyError, OSError) as error:
        found = {"result": None, "problems": [str(error)]}
    sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
    return 1 if found["problems"] else 0


async def _round(folder: Path) -> dict[str, Any]:
    async with running_demo(folder, 0) as demo:
        service = demo.service
        async with service.database.reading() as session:
            operator = await user_by_login(session, seed.OPERATOR)
        assert operator is not None, "seeded above"
        attempt_id = await one_round(service, operator.id, utc_now)
        async with service.database.reading() as session:
            found = await report(session, attempt_id, service.store.root)
        found["far_end_log"] = str(demo.far_end_log)
        if not demo.carrier.running:
            found["problems"].append("the practice carrier stopped in the middle of the round")
    return found
