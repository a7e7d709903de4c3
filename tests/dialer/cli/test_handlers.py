"""Every command has a function behind it, and no function stands there for a command that does not exist."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator

import pytest

from dialer.cli.handlers import HANDLERS, handler_of
from dialer.cli.parser import build_parser
from dialer.words import words

# They have no settings yet, or a loop of their own: `dialer.cli.main` calls them by itself.
BY_THEMSELVES = {"demo", "init", "restore", "serve"}


def commands(parser: argparse.ArgumentParser, before: str = "") -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, further in action.choices.items():
                yield from commands(further, f"{before} {name}".strip())
            return
    yield before


def test_each_command_has_its_function() -> None:
    assert set(HANDLERS) | BY_THEMSELVES == set(commands(build_parser(words("en"))))


@pytest.mark.parametrize("words_of_command", HANDLERS)
def test_it_is_there_and_takes_settings_arguments_and_terminal(words_of_command: str) -> None:
    handler = handler_of(words_of_command)
    assert inspect.iscoroutinefunction(handler)
    assert len(inspect.signature(handler).parameters) == 3
