"""Which function does the work of a command: named here, imported when it is needed, so that `dialer --help` waits for
none of them."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import Final

from config.settings import Settings
from dialer.cli.terminal import Terminal

Handler = Callable[[Settings, argparse.Namespace, Terminal], Awaitable[int]]

HANDLERS: Final[Mapping[str, str]] = {
    "check": "check:check",
    "import": "importing:import_file",
    "imports list": "imports:show_all",
    "imports mappings": "imports:show_mappings",
    "imports show": "imports:show",
    "imports confirm": "imports:take_in",
    "imports continue": "imports:go_on",
    "imports discard": "imports:forget",
    "imports undo": "imports:undo_one",
    "import-contacts": "importing:import_history",
    "lists list": "lists:show",
    "lists submit": "lists:move",
    "lists approve": "lists:move",
    "lists return": "lists:move",
    "lists export": "lists:export",
    "lists marks": "lists:take_in",
    "users add": "users:add",
    "users list": "users:show",
    "users passwd": "users:set_password",
    "users role": "users:set_role",
    "users hand-over": "users:hand_over",
    "users headset": "users:set_headset",
    "users away": "users:set_away",
    "users back": "users:set_back",
    "users mail": "users:set_mail",
    "mail list": "mail:show",
    "mail retry": "mail:retry",
    "mail test": "mail:test",
    "users off": "users:switch",
    "users on": "users:switch",
    "campaigns list": "campaigns:show",
    "campaigns add": "campaigns:add",
    "campaigns set": "campaigns:change",
    "campaigns check": "campaign_setup:check",
    "campaigns setup": "campaign_setup:change",
    "campaigns expert": "campaign_setup:change_expert",
    "campaigns approve": "campaign_setup:sign",
    "campaigns current": "campaign_setup:go_on",
    "campaigns next": "campaign_setup:follow",
    "candidates list": "candidates:show",
    "candidates add": "candidates:add",
    "candidates set": "candidates:change",
    "materials list": "materials:show",
    "materials add": "materials:add",
    "materials get": "materials:write",
    "materials remove": "materials:remove",
    "script show": "materials:show_script",
    "script set": "materials:set_script",
    "calendar show": "calendar:show",
    "calendar set": "calendar:change",
    "clients add": "clients:add",
    "clients address": "clients:note",
    "clients competitor": "clients:note",
    "clients deal": "clients:note",
    "clients former-owner": "clients:note",
    "clients show": "client_card:show",
    "clients off-list": "clients:take_off",
    "clients on-list": "clients:put_back",
    "clients list": "client_lists:show",
    "clients save-filter": "client_lists:save",
    "clients bulk": "client_lists:bulk",
    "clients filters": "client_lists:filters",
    "clients changes": "client_lists:changes",
    "clients remove-filter": "client_lists:remove",
    "clients undo": "client_lists:undo",
    "duplicates find": "duplicates:find",
    "duplicates list": "duplicates:show",
    "duplicates merge": "duplicates:merge",
    "duplicates dismiss": "duplicates:dismiss",
    "duplicates undo": "duplicates:undo",
    "abandoned list": "abandoned:show",
    "abandoned move": "abandoned:move",
    "competitors list": "competitors:show",
    "competitors set": "competitors:change",
    "retries list": "retries:show",
    "retries set": "retries:change",
    "callbacks overdue": "callbacks:show",
    "calls list": "calls:show_all",
    "calls show": "calls:show",
    "calls correct": "calls:correct",
    "calls sound": "calls:write_sound",
    "calls stop": "calls:switch",
    "calls go-on": "calls:switch",
    "dispositions list": "dispositions:show",
    "dispositions add": "dispositions:change",
    "dispositions set": "dispositions:change",
    "dispositions off": "dispositions:change",
    "dispositions on": "dispositions:change",
    "plan show": "plan:show",
    "plan add": "plan:add",
    "plan move": "plan:move",
    "plan build": "plan:build",
    "consents list": "consents:show",
    "consents add": "consents:add",
    "consents withdraw": "consents:end",
    "do-not-call list": "do_not_call:show",
    "do-not-call add": "do_not_call:add",
    "do-not-call lift": "do_not_call:end",
    "reports": "reports:show",
    "db upgrade": "database:upgrade",
    "organisations list": "organisations:show",
    "organisations set": "organisations:change",
    "organisations addresses": "organisations:show_addresses",
    "organisations address": "organisations:change_one_address",
    "people list": "people:show",
    "people add": "people:add",
    "people add-numbers": "people:add_some_numbers",
    "people set": "people:change",
    "people numbers": "people:show_numbers",
    "people number": "people:change_one_number",
    "people export": "people:export",
    "erase person": "erasing:erase",
    "erase organisation": "erasing:erase",
    "audit verify": "erasing:verify_audit",
    "backup": "backups:make",
    "backups list": "backups:show",
    "recordings seal": "recordings:seal",
}
"""Module of this package and function, by the words of the command."""


def words_of(arguments: argparse.Namespace) -> str:
    """The words of the command that was given, such as "lists approve"."""
    return f"{arguments.command} {getattr(arguments, 'action', '')}".strip()


def handler_of(words: str) -> Handler:
    """The function behind a command's words."""
    module, _, name = HANDLERS[words].partition(":")
    found: Handler = getattr(import_module(f"dialer.cli.{module}"), name)
    return found
