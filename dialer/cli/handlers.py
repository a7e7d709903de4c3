"""Which function does the work of a command: imported when it is needed, so that `dialer --help` waits for
none of them."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from importlib import import_module

from config.settings import Settings
from dialer.cli.commands import HANDLERS
from dialer.cli.terminal import Terminal

Handler = Callable[[Settings, argparse.Namespace, Terminal], Awaitable[int]]


def words_of(arguments: argparse.Namespace) -> str:
    """The words of the command that was given, such as "lists approve"."""
    return f"{arguments.command} {getattr(arguments, 'action', '')}".strip()


def handler_of(words: str) -> Handler:
    """The function behind a command's words."""
    module, _, name = HANDLERS[words].partition(":")
    found: Handler = getattr(import_module(f"dialer.cli.{module}"), name)
    return found
