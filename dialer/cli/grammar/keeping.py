"""What is kept, and brought back: recordings, backups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dialer.cli.grammar.options import command, group, settings_option
from dialer.words import Words

if TYPE_CHECKING:
    from dialer.cli.grammar.options import Commands


def add_recordings(commands: Commands, words: Words) -> None:
    """`dialer recordings`."""
    gettext = words.gettext
    actions = group(commands, "recordings", gettext("the recordings of calls"))
    seal = command(actions, "seal", gettext("seal recordings from before there were keys, one by one"))
    seal.add_argument("--dry-run", action="store_true", help=gettext("only say how many there are"))
    settings_option(seal, words)


def add_backups(commands: Commands, words: Words) -> None:
    """`dialer backups`."""
    actions = group(commands, "backups", words.gettext("the backups that there are"))
    settings_option(
        command(actions, "list", words.gettext("list the backups in the folder of the settings, the newest first")),
        words,
    )


def add_backup(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    parser = command(
        commands,
        "backup",
        gettext("copy database, recordings, files and settings into a new folder, while the service runs"),
    )
    parser.add_argument(
        "folder", type=Path, metavar="DIR", nargs="?",
        help=gettext("folder to make for the backup (otherwise a new one in that of the settings)"),
    )  # fmt: skip
    parser.add_argument(
        "--with-secrets", action="store_true", help=gettext("passwords and keys, too; then keep the folder locked away")
    )
    settings_option(parser, words)


def add_restore(commands: Commands, words: Words) -> None:
    gettext = words.gettext
    parser = command(
        commands, "restore", gettext("bring an office back from a backup, into a folder and a database that are empty")
    )
    parser.add_argument("backup", type=Path, metavar="BACKUP", help=gettext("folder that `dialer backup` made"))
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help=gettext("folder of the office; a dialer.toml in it is kept")
    )
