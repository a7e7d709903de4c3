"""What a Russian page may hold in Latin letters, and why. Everything else is a sentence that nobody translated."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html.parser import HTMLParser

LATIN_ALLOWED = {
    # word: reason
    "Enter": "a key as it is printed on the keyboard",
    "Esc": "a key",
    "Ctrl": "a key",
    "Shift": "a key",
    "Z": "a key",
    "F1": "a key",
    "F2": "a key",
    "F3": "a key",
    "F4": "a key",
    "F6": "a key",
    "F7": "a key",
    "F8": "a key",
    "F9": "a key",
    "F10": "a key",
    "J": "a key of the player",
    "K": "a key of the player",
    "L": "a key of the player",
    "M": "a key of the player",
    "S": "a key of the player",
    "Unauthorized": "what a provider answered, quoted as it came (RFC 3261 section 21.4.2)",
    "Forbidden": "the same (section 21.4.4)",
    **dict.fromkeys(("CSV", "XLSX", "XLS", "ODS", "Access"), "a kind of file, as its program calls it"),
    **dict.fromkeys(
        ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1251", "cp866", "koi8-r"), "an encoding's name"
    ),
    **dict.fromkeys(("A", "B", "C"), "a column's name, as spreadsheets give it"),
    "English": "the other language names itself, for those who read no Russian",
}

_SHOWN_ATTRIBUTES = ("placeholder", "title", "aria-label", "alt", "data-reason", "data-when")


class _Shown(HTMLParser):
    """What a person sees or hears of a page: text, and the attributes that are shown or spoken."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self._hidden += 1
        self.texts += [value for name, value in attrs if name in _SHOWN_ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.texts.append(data.strip())


def shown_texts(page: str) -> list[str]:
    """Every text of an HTML page that is for people."""
    shown = _Shown()
    shown.feed(page)
    return shown.texts


def latin_words(pages: Iterable[str], *, names: Iterable[str] = ()) -> set[str]:
    """The Latin words on HTML pages that are not allowed. `names`: what people or machines of this very test are
    called; no translation could change them."""
    found: set[str] = set()
    for page in pages:
        for text in shown_texts(page):
            for name in names:
                text = text.replace(name, "")
            found |= set(re.findall(r"[A-Za-z][A-Za-z0-9'-]*", text))
    return found - LATIN_ALLOWED.keys()
