"""What a command says and asks, in the user's language."""

from __future__ import annotations

import getpass
import os
import re
import secrets
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from config.settings import SettingsError
from dialer.cli.commands import BY_THEMSELVES, HANDLERS
from dialer.words import Language, Words, as_language, words

# Without the letters and digits that are taken for one another when read aloud or from paper.
_CLEAR_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_COMMANDS: Final = {words.split()[0] for words in (*HANDLERS, *BY_THEMSELVES)}
_COMMAND: Final = re.compile(rf"\bdialer(?= (?:{'|'.join(_COMMANDS)})\b)")
_WITH_SETTINGS: Final = sorted({*HANDLERS, "serve"}, key=len, reverse=True)  # "mail list" before "mail"
_WITHOUT_OPTION: Final = re.compile(rf"\bdialer (?:{'|'.join(_WITH_SETTINGS)})\b(?!.* (?:-c|--config) )")


class CommandFailed(Exception):
    """The command cannot go on; the reason is a sentence in the user's language."""


def program_as_called(argument: str) -> str:
    """What the user types to call this program, from its first argument: "dialer" where the shell finds it by that
    name, else the path as it was typed."""
    called, found = Path(argument), shutil.which("dialer")
    if called.name != "dialer" or (found and os.path.realpath(found) == os.path.realpath(called)):
        return "dialer"
    return argument


def language_of(environ: Mapping[str, str]) -> Language:
    """The language of the terminal, by the variables that POSIX gives for it; English for any but ours."""
    tag = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
    return as_language(tag[:2].lower(), default="en")


@dataclass(slots=True)
class Terminal:
    """Standard input, output and error, and the words for them."""

    words: Words
    out: TextIO
    err: TextIO
    source: TextIO
    program: str = "dialer"
    settings_option: str = ""
    """As it was given, "-c FILE"; commands in sentences get it, so that they work on the same office when copied."""

    @classmethod
    def of_process(cls) -> Terminal:
        """The process's own streams, in the language of its environment."""
        return cls(words(language_of(os.environ)), sys.stdout, sys.stderr, sys.stdin, program_as_called(sys.argv[0]))

    def speak(self, language: Language) -> None:
        """From now on in `language`."""
        self.words = words(language)

    def say(self, line: str = "") -> None:
        """A line of the answer. Commands in it are written as this one was called, to be copied."""
        print(self._as_called(line), file=self.out, flush=True)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Rows with their columns below one another."""
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def warn(self, line: str) -> None:
        """A line beside the answer, written as by `say`."""
        print(self._as_called(line), file=self.err, flush=True)

    def _as_called(self, line: str) -> str:
        if self.settings_option:
            line = _WITHOUT_OPTION.sub(lambda found: f"{found[0]} {self.settings_option}", line)
        return _COMMAND.sub(lambda _found: self.program, line)

    def progress(self, line: str) -> None:
        """Overwrites the last line of progress; nothing where nobody would see it."""
        if self.err.isatty():
            print(f"\r\x1b[2K{line}", end="", file=self.err, flush=True)

    def asked(self, question: str) -> str:
        """What somebody answers, without spaces around it; "" when nobody is there."""
        print(question, end="", file=self.err, flush=True)
        return self.source.readline().strip()

    def new_password(self, *, from_stdin: bool) -> tuple[str, bool]:
        """A password, and whether it was generated: read from standard input, or typed twice without echo, or made here
        when nobody is at the terminal or nothing was typed."""
        gettext = self.words.gettext
        if from_stdin:
            return self.source.readline().rstrip("\r\n"), False
        if not self.source.isatty():
            return generated_password(), True
        first = getpass.getpass(gettext("Password (leave empty to have one made): "), stream=self.err)
        if not first:
            return generated_password(), True
        if getpass.getpass(gettext("Once more: "), stream=self.err) != first:
            raise CommandFailed(gettext("The two passwords differ; nothing was changed."))
        return first, False


def generated_password(groups: int = 4) -> str:
    """Groups of four letters: about 79 bits in four groups, easy to copy by hand."""
    return "-".join("".join(secrets.choice(_CLEAR_LETTERS) for _ in range(4)) for _ in range(groups))


def settings_refusal(terminal: Terminal, error: SettingsError) -> str:
    """Every problem of the settings, a line each."""
    gettext = terminal.words.gettext
    lines = [gettext("The settings in {path} cannot be used:", path=error.path)]
    for problem in error.problems:
        what = f"{problem.key} = {problem.value}: " if problem.value else f"{problem.key}: " if problem.key else ""
        lines.append(f"  {what}{gettext(problem.advice, **problem.params)}")
    return "\n".join(lines)
