"""From the command line to a command, and from whatever goes wrong to a sentence."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sys
import tempfile
import traceback
from collections.abc import Awaitable, Sequence

import structlog
from sqlalchemy.exc import DBAPIError

from config.settings import SettingsError
from crm.database import was_overtaken
from crm.errors import CrmError
from dialer.cli.handlers import handler_of, words_of
from dialer.cli.parser import build_parser
from dialer.cli.settings_file import settings_file, settings_of
from dialer.cli.terminal import CommandFailed, Terminal, settings_refusal
from dialer.console.server import ConsoleError
from dialer.crm_words import explain, in_language
from dialer.logs import configure_logging, masked_text
from dialer.reasons import advice_for, of_database, of_error
from dialer.telephony import TelephonyError
from dialer.upkeep_errors import UpkeepError
from recordings.errors import RecordingError

log = structlog.get_logger("dialer.cli")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. 0: done; 1: trouble, said in words; 2: the command line is wrong; 130: interrupted."""
    terminal = Terminal.of_process()
    configure_logging("warning", "auto", sys.stderr)
    arguments = build_parser(terminal.words).parse_args(argv)
    try:
        return _run(arguments, terminal)
    except KeyboardInterrupt:
        return 130
    except SettingsError as error:
        terminal.warn(settings_refusal(terminal, error))
    except CommandFailed as error:
        terminal.warn(str(error))
    except BrokenPipeError:
        # The reader of our output has gone (`dialer users list | head`): nothing is left to be said to anybody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:  # the last resort: a user gets a sentence, whoever looks after it the traceback
        terminal.warn(_foreseen(terminal, error) or _unforeseen(terminal, error, arguments.command))
    return 1


def _foreseen(terminal: Terminal, error: Exception) -> str:
    """The sentence for an error that can happen to anybody; "" for any other."""
    gettext = terminal.words.gettext
    if isinstance(error, CrmError):
        return explain(terminal.words, error.code, error.params)
    if isinstance(error, UpkeepError):
        return in_language(terminal.words, error.reason)
    if isinstance(error, RecordingError):
        return in_language(terminal.words, of_error(error))
    if isinstance(error, TelephonyError | ConsoleError):
        return _with_advice(terminal, gettext("The service cannot run: {reason}"), error.reason)
    if was_overtaken(error):
        return explain(terminal.words, "database.overtaken", {})
    # What the driver says while it connects comes as it is: nothing else of a command connects to anything by itself.
    if isinstance(error, DBAPIError | ConnectionError | socket.gaierror):
        return _with_advice(terminal, gettext("The database cannot be used: {reason}"), of_database(error))
    if isinstance(error, OSError):
        reason = in_language(terminal.words, of_error(error))
        if error.filename:
            return gettext("{file}: {reason}", file=error.filename, reason=reason)
        return gettext("The system refused: {reason}", reason=reason)
    return ""


def _with_advice(terminal: Terminal, frame: str, reason: str) -> str:
    """What is wrong, and what to do about it where that is known."""
    advice = advice_for(reason)
    told = frame.format(reason=in_language(terminal.words, reason))
    return f"{told}. {terminal.words.gettext(advice)}" if advice else told


def _unforeseen(terminal: Terminal, error: Exception, command: str) -> str:
    """A sentence; the traceback goes to the log, or where the log is the user's own screen, into a file."""
    gettext = terminal.words.gettext
    if sys.stderr.isatty():
        with tempfile.NamedTemporaryFile("w", prefix="dialer-", suffix=".log", delete=False) as file:
            file.write(masked_text("".join(traceback.format_exception(error))))
        details = file.name
    else:
        # The command may have sent the log elsewhere, and closed it.
        configure_logging("warning", "auto", sys.stderr)
        log.error("command", command=command, on=type(error).__name__, now="failed", exc_info=error)
        details = gettext("the log")
    return gettext(
        "Something happened that should not ({kind}). What was written before is kept. Please send the details to "
        "whoever looks after the program; they are in {details}.",
        kind=type(error).__name__,
        details=details,
    )


def _run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """The command's own code. Some have no settings yet, or a loop of their own."""
    if arguments.command == "demo":
        from dialer.demo import run_demo

        return run_demo(arguments, terminal.say)
    if arguments.command == "init":
        from dialer.cli.init import init

        return asyncio.run(init(arguments, terminal))
    if arguments.command == "restore":
        from dialer.cli.backups import restore

        return asyncio.run(restore(arguments, terminal))
    settings = settings_of(arguments, terminal, os.environ)
    if arguments.command == "serve":
        from dialer.cli.serve import serve

        return serve(settings, terminal, settings_file(arguments, os.environ).absolute())
    return asyncio.run(_awaited(handler_of(words_of(arguments))(settings, arguments, terminal)))


async def _awaited(work: Awaitable[int]) -> int:
    return await work
