"""Every command has a function behind it, and no function stands there for a command that does not exist."""

from __future__ import annotations

import argparse
import inspect
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import dialer.cli
from dialer.cli.commands import BY_THEMSELVES, HANDLERS
from dialer.cli.handlers import handler_of
from dialer.cli.parser import build_parser
from dialer.cli.terminal import Terminal
from dialer.words import words


def commands(parser: argparse.ArgumentParser, before: str = "") -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, further in action.choices.items():
                yield from commands(further, f"{before} {name}".strip())
            return
    yield before


def test_each_command_has_its_function() -> None:
    assert set(HANDLERS) | BY_THEMSELVES == set(commands(build_parser(words("en"))))


def test_a_command_in_a_sentence_is_written_as_this_one_was_called() -> None:
    """So that it can be copied, whichever it is."""
    out = io.StringIO()
    terminal = Terminal(words("en"), out, out, io.StringIO(), program="./dialer")
    tops = sorted({name.split()[0] for name in commands(build_parser(words("en")))})
    for name in tops:
        terminal.say(f"dialer {name}")
    assert out.getvalue().splitlines() == [f"./dialer {name}" for name in tops]


def test_a_command_in_a_sentence_is_of_the_office_that_this_one_was_given() -> None:
    out = io.StringIO()
    terminal = Terminal(words("en"), out, out, io.StringIO(), program="./dialer", settings_option="-c 'my office.toml'")
    for line in (
        "within a minute: dialer check --wait 60",
        "`dialer mail list --state failed` or `dialer db upgrade`; the dialer serves",
        "dialer users passwd anna --headset",
        "dialer users passwd LOGIN -c FILE",
        "dialer init office",
    ):
        terminal.say(line)
    assert out.getvalue().splitlines() == [
        "within a minute: ./dialer check -c 'my office.toml' --wait 60",
        "`./dialer mail list -c 'my office.toml' --state failed` or `./dialer db upgrade -c 'my office.toml'`;"
        " the dialer serves",
        "./dialer users passwd -c 'my office.toml' anna --headset",
        "./dialer users passwd LOGIN -c FILE",
        "./dialer init office",
    ]


@pytest.mark.parametrize("words_of_command", HANDLERS)
def test_it_is_there_and_takes_settings_arguments_and_terminal(words_of_command: str) -> None:
    handler = handler_of(words_of_command)
    assert inspect.iscoroutinefunction(handler)
    assert len(inspect.signature(handler).parameters) == 3


def test_no_command_writes_a_moment_in_a_zone_that_nobody_chose() -> None:
    """UTC, as the database has it, or the machine's: `moment` asks for the zone."""
    careless = re.compile(r"format_datetime|astimezone\(\)|strftime")
    files = Path(dialer.cli.__file__).parent.rglob("*.py")
    assert [file.name for file in files if careless.search(file.read_text(encoding="utf-8"))] == []
