"""Every sentence of the product that a person may read, found where it is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from babel.messages.extract import extract_from_dir

from crm.errors import ERRORS
from dialer.calls.errors import MESSAGES
from dialer.reasons import ADVICE, REASONS

ROOT = Path(__file__).resolve().parents[2]
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext.babel_extract")]
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "mark": None}
FOLDERS = ("dialer", "crm", "recordings", "config")

Msgid = str | tuple[str, ...]


def all_msgids() -> dict[Msgid, str]:
    """Message id (a pair for a plural) to a place where it stands."""
    found: dict[Msgid, str] = {}
    for folder in FOLDERS:
        for place, line, msgid, *_ in extract_from_dir(ROOT / folder, METHODS, {}, keywords=KEYWORDS):
            found.setdefault(msgid, f"{folder}/{place}:{line}")
    for table, name in (
        (ERRORS, "crm.errors"),
        (MESSAGES, "dialer.calls.errors"),
        (REASONS, "dialer.reasons"),
        (ADVICE, "dialer.reasons"),
    ):
        for code, sentence in table.items():
            found.setdefault(sentence, f"{name} {code}")
    return found


def python_sources() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (ROOT / folder).rglob("*.py")
