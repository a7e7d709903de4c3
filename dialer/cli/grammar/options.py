"""Options that many commands have, and how their values are read."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from crm.preparation.results import Result
from crm.time_zones import typed_time
from dialer.console.web import sent
from dialer.words import Words

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

HIGHEST_PORT: Final = 65535


def command(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    """A command, or an action of one; `text` says what it does, in lists and in its own help."""
    return commands.add_parser(name, help=text, description=text)


def group(commands: Commands, name: str, text: str) -> Commands:
    """`dialer NAME ACTION`: a command of several actions, to which they are added."""
    return command(commands, name, text).add_subparsers(dest="action", required=True, metavar="ACTION")


def settings_option(parser: argparse.ArgumentParser, words: Words) -> None:
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help=words.gettext("settings file (otherwise DIALER_CONFIG, otherwise ./dialer.toml)"),
    )


def version_option(parser: argparse.ArgumentParser, words: Words, *, required: bool = False) -> None:
    parser.add_argument(
        "--version", type=number_reader(words), required=required, metavar="V",
        help=words.gettext("the version that you saw: whoever changed it since is not overwritten"),
    )  # fmt: skip


def port_reader(words: Words) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or int(text) > HIGHEST_PORT:
            refusal = words.gettext("“{text}” is no port: ports are 0 (any that is free) to 65535", text=text)
            raise argparse.ArgumentTypeError(refusal)
        return int(text)

    return read


def number_reader(words: Words) -> Callable[[str], int]:
    """A whole number that both databases can hold: of a record, or how many; whether it may be so is the rules' to
    say."""

    def read(text: str) -> int:
        if not sent.is_id(text.removeprefix("-")):
            raise argparse.ArgumentTypeError(words.gettext("“{text}” is no number", text=text))
        return int(text)

    return read


def row_reader(words: Words) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not sent.is_id(text):
            raise argparse.ArgumentTypeError(words.gettext("“{text}” is no number of a row", text=text))
        return int(text)

    return read


def day_reader(words: Words) -> Callable[[str], date]:
    def read(text: str) -> date:
        try:
            return _likely(date.fromisoformat(text))
        except ValueError:
            refusal = words.gettext("“{text}” is no day, such as 2026-12-31", text=text)
            raise argparse.ArgumentTypeError(refusal) from None

    return read


def _likely(day: date) -> date:
    """Raises `ValueError` for a day of a year in which nobody calls: a clock's zone can take it out of the calendar."""
    if day.year not in sent.YEARS:
        raise ValueError(f"no year in which somebody may call: {day.year}")
    return day


def time_reader(words: Words) -> Callable[[str], time]:
    def read(text: str) -> time:
        try:
            return typed_time(text)
        except ValueError:
            refusal = words.gettext("“{text}” is no time of day, such as 9:00", text=text)
            raise argparse.ArgumentTypeError(refusal) from None

    return read


def moment_reader(words: Words) -> Callable[[str], datetime]:
    """A day and a time on a clock, naive."""

    def read(text: str) -> datetime:
        day, _, shown = text.strip().partition(" ")
        try:
            return datetime.combine(_likely(date.fromisoformat(day)), typed_time(shown))
        except ValueError:
            refusal = words.gettext("“{text}” is no day and time, such as “2026-12-31 9:00”", text=text)
            raise argparse.ArgumentTypeError(refusal) from None

    return read


def retry_reader(words: Words) -> Callable[[str], tuple[Result, str, int, bool]]:
    """A rule for next tries: the result, the disposition ("" for all), minutes (0: not by itself), and whether then
    another part of the day."""

    def read(text: str) -> tuple[Result, str, int, bool]:
        what, _, when = text.partition("=")
        result, _, disposition = what.partition(":")
        minutes, plus, other = when.partition("+")
        known = result in {each.value for each in Result} and other in ("", "other") and bool(plus) == bool(other)
        if not known or not sent.is_id(minutes):
            refusal = words.gettext(
                "“{text}” is no rule for next tries, such as busy=20 or no_answer=90+other", text=text
            )
            raise argparse.ArgumentTypeError(refusal)
        return Result(result), disposition, int(minutes), bool(other)

    return read


def days_or_never_reader(words: Words) -> Callable[[str], int | str]:
    def read(text: str) -> int | str:
        if text == "never" or sent.is_id(text):
            return text if text == "never" else int(text)
        raise argparse.ArgumentTypeError(words.gettext("“{text}” is no number of days, nor “never”", text=text))

    return read


def number_or_nothing_reader(words: Words) -> Callable[[str], int | Literal["nothing"]]:
    """A whole number from 0; "nothing" for an empty text, which takes a value away."""

    def read(text: str) -> int | Literal["nothing"]:
        if not text:
            return "nothing"
        if sent.is_id(text):
            return int(text)
        raise argparse.ArgumentTypeError(words.gettext("“{text}” is no number", text=text))

    return read
