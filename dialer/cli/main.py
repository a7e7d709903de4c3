"""From the command line to a command, and from whatever goes wrong to a sentence."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog
from sqlalchemy.exc import DBAPIError

from config.settings import Settings, SettingsError, load_settings
from crm.errors import CrmError
from dialer.backup import BackupError
from dialer.cli.parser import build_parser
from dialer.cli.terminal import CommandFailed, Terminal, settings_refusal
from dialer.console.server import ConsoleError
from dialer.crm_words import explain, in_language
from dialer.logs import configure_logging, masked_text
from dialer.reasons import advice_for, of_database, of_error
from dialer.telephony import TelephonyError
from recordings.errors import RecordingError

log = structlog.get_logger("dialer.cli")

Command = Callable[[argparse.Namespace, Terminal], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. 0: done; 1: trouble, said in words; 2: the command line is wrong; 130: interrupted."""
    terminal = Terminal.of_process()
    configure_logging("warning", "auto", sys.stderr)
    arguments = build_parser(terminal.words).parse_args(argv)
    try:
        return _command(arguments)(arguments, terminal)
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
    if isinstance(error, BackupError):
        return in_language(terminal.words, error.reason)
    if isinstance(error, RecordingError):
        return in_language(terminal.words, of_error(error))
    if isinstance(error, TelephonyError | ConsoleError):
        return _with_advice(terminal, gettext("The service cannot run: {reason}"), error.reason)
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


def settings_file(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Path:
    """The settings file that the command line or the environment names."""
    path: Path | None = arguments.config
    return path or Path(environ.get("DIALER_CONFIG") or "dialer.toml")


def settings_of(arguments: argparse.Namespace, terminal: Terminal, environ: Mapping[str, str]) -> Settings:
    """The settings that the command line names; from then on the terminal speaks their language."""
    settings = load_settings(settings_file(arguments, environ), environ)
    terminal.speak(settings.service.language)
    return settings


def _command(arguments: argparse.Namespace) -> Command:
    """The commands are imported when they are needed: `dialer --help` waits for none of them."""
    return {
        "demo": _demo,
        "init": _init,
        "serve": _serve,
        "check": _check,
        "import": _import,
        "imports": _imports,
        "import-contacts": _import_contacts,
        "lists": _lists,
        "users": _users,
        "campaigns": _campaigns,
        "candidates": _candidates,
        "materials": _materials,
        "script": _script,
        "calendar": _calendar,
        "clients": _clients,
        "duplicates": _duplicates,
        "abandoned": _abandoned,
        "competitors": _competitors,
        "retries": _retries,
        "callbacks": _callbacks,
        "dispositions": _dispositions,
        "plan": _plan,
        "consents": _consents,
        "do-not-call": _do_not_call,
        "reports": _reports,
        "db": _db,
        "people": _people,
        "erase": _erase,
        "audit": _audit,
        "backup": _backup,
        "restore": _restore,
    }[arguments.command]


def _demo(arguments: argparse.Namespace, terminal: Terminal) -> int:
    from dialer.demo import run_demo

    return run_demo(arguments)


def _init(arguments: argparse.Namespace, terminal: Terminal) -> int:
    from dialer.cli.init import init

    return asyncio.run(init(arguments, terminal))


def _serve(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli.serve import serve

    return serve(settings, terminal)


def _check(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli.check import check

    return asyncio.run(check(settings, terminal, wait_s=arguments.wait))


def _import(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli.importing import import_file

    return asyncio.run(import_file(settings, arguments, terminal))


def _imports(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import imports

    actions = {
        "list": imports.show_all,
        "show": imports.show,
        "confirm": imports.take_in,
        "discard": imports.forget,
        "undo": imports.undo_one,
        "mappings": imports.show_mappings,
    }
    return asyncio.run(actions[arguments.action](settings, arguments, terminal))


def _import_contacts(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli.importing import import_history

    return asyncio.run(import_history(settings, arguments, terminal))


def _lists(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import lists

    actions = {"list": lists.show, "export": lists.export, "marks": lists.take_in}
    return asyncio.run(actions.get(arguments.action, lists.move)(settings, arguments, terminal))


def _campaigns(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import campaign_setup, campaigns

    actions = {
        "list": campaigns.show,
        "add": campaigns.add,
        "set": campaigns.change,
        "check": campaign_setup.check,
        "setup": campaign_setup.change,
        "expert": campaign_setup.change_expert,
        "approve": campaign_setup.sign,
        "current": campaign_setup.go_on,
        "next": campaign_setup.follow,
    }
    return asyncio.run(actions[arguments.action](settings, arguments, terminal))


def _candidates(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import candidates

    actions = {"list": candidates.show, "add": candidates.add, "set": candidates.change}
    return asyncio.run(actions[arguments.action](settings, arguments, terminal))


def _materials(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import materials

    actions = {"list": materials.show, "add": materials.add, "get": materials.write, "remove": materials.remove}
    return asyncio.run(actions[arguments.action](settings, arguments, terminal))


def _script(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import materials

    action = materials.show_script if arguments.action == "show" else materials.set_script
    return asyncio.run(action(settings, arguments, terminal))


def _calendar(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import calendar

    action = calendar.show if arguments.action == "show" else calendar.change
    return asyncio.run(action(settings, arguments, terminal))


def _clients(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import client_lists, clients

    actions = {
        "list": client_lists.show, "filters": client_lists.filters, "save-filter": client_lists.save,
        "remove-filter": client_lists.remove, "bulk": client_lists.bulk, "changes": client_lists.changes,
        "undo": client_lists.undo, "add": clients.add,
    }  # fmt: skip
    return asyncio.run(actions.get(arguments.action, clients.note)(settings, arguments, terminal))


def _duplicates(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import duplicates

    actions = {
        "find": duplicates.find, "list": duplicates.show, "merge": duplicates.merge, "dismiss": duplicates.dismiss,
        "undo": duplicates.undo,
    }  # fmt: skip
    return asyncio.run(actions[arguments.action](settings, arguments, terminal))


def _dispositions(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import dispositions

    action = dispositions.show if arguments.action == "list" else dispositions.change
    return asyncio.run(action(settings, arguments, terminal))


def _callbacks(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import callbacks

    return asyncio.run(callbacks.show(settings, arguments, terminal))


def _abandoned(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import abandoned

    action = abandoned.show if arguments.action == "list" else abandoned.move
    return asyncio.run(action(settings, arguments, terminal))


def _competitors(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import competitors

    action = competitors.show if arguments.action == "list" else competitors.change
    return asyncio.run(action(settings, arguments, terminal))


def _retries(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import retries

    action = retries.show if arguments.action == "list" else retries.change
    return asyncio.run(action(settings, arguments, terminal))


def _consents(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import consents

    actions = {"list": consents.show, "add": consents.add, "withdraw": consents.end}
    return asyncio.run(actions[arguments.action](settings, arguments, terminal))


def _plan(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import plan

    actions = {"show": plan.show, "add": plan.add, "move": plan.move, "build": plan.build}
    return asyncio.run(actions[arguments.action](settings, arguments, terminal))


def _do_not_call(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import do_not_call

    actions = {"list": do_not_call.show, "add": do_not_call.add, "lift": do_not_call.end}
    return asyncio.run(actions[arguments.action](settings, arguments, terminal))


def _users(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import users

    actions = {
        "add": users.add,
        "list": users.show,
        "passwd": users.set_password,
        "role": users.set_role,
        "headset": users.set_headset,
        "hand-over": users.hand_over,
        "away": users.set_away,
        "back": users.set_back,
        "off": users.switch,
        "on": users.switch,
    }
    return asyncio.run(actions[arguments.action](settings, arguments, terminal))


def _reports(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import reports

    return asyncio.run(reports.show(settings, arguments, terminal))


def _db(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli.database import upgrade

    return asyncio.run(upgrade(settings, terminal))


def _backup(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import backups

    return asyncio.run(backups.make(settings, arguments, terminal, settings_file=settings_file(arguments, os.environ)))


def _restore(arguments: argparse.Namespace, terminal: Terminal) -> int:
    from dialer.cli import backups

    return asyncio.run(backups.restore(arguments, terminal))


def _people(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli import people

    action = people.show if arguments.action == "list" else people.export
    return asyncio.run(action(settings, arguments, terminal))


def _erase(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli.erasing import erase

    return asyncio.run(erase(settings, arguments, terminal))


def _audit(arguments: argparse.Namespace, terminal: Terminal) -> int:
    settings = settings_of(arguments, terminal, os.environ)
    from dialer.cli.erasing import verify_audit

    return asyncio.run(verify_audit(settings, arguments, terminal))
