"""The words that people read: English message ids, and their translation from a catalogue read at the start.

A message id is an English sentence with `{name}` placeholders, so that English needs no catalogue and a gap shows as
English, not as a code. Russian stands in `dialer/locale/ru.po`.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeGuard, get_args

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

Language = Literal["ru", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
LOCALE_FOLDER = Path(__file__).with_name("locale")

_FORMS = {"one": 0, "few": 1, "many": 2, "other": 2}  # CLDR names in the order of the catalogue's Plural-Forms

_WITHIN = {"«": str.maketrans("«»", "„“"), "“": str.maketrans("“”", "‘’")}

_log = logging.getLogger(__name__)


def mark(msgid: str) -> str:
    """`msgid` itself; marks a string for translation where no language is known yet."""
    return msgid


def as_language(tag: str, *, default: Language = "ru") -> Language:
    """`tag` if it is a language of the product, else `default`."""
    return tag if is_language(tag) else default


def is_language(tag: str) -> TypeGuard[Language]:
    """Whether the product speaks it."""
    return tag in LANGUAGES


class Words:
    """Sentences in one language."""

    def __init__(self, language: Language, messages: Mapping[str, Sequence[str]]) -> None:
        self.language = language
        self.locale = Locale.parse(language)
        self._messages = messages

    def gettext(self, msgid: str, /, **params: object) -> str:
        """`msgid` in this language with its placeholders filled in."""
        forms = self._messages.get(msgid)
        return self._filled(forms[0] if forms else msgid, params)

    def ngettext(self, singular: str, plural: str, n: int, /, **params: object) -> str:
        """The form for the number `n`, which is also the placeholder `{n}`."""
        forms = self._messages.get(singular)
        if forms and len(forms) > 1:
            text = forms[min(_FORMS[str(self.locale.plural_form(n))], len(forms) - 1)]
        else:
            text = singular if n == 1 else plural
        return self._filled(text, {"n": n, **params})

    def _filled(self, text: str, params: Mapping[str, object]) -> str:
        if not params:
            return text
        try:
            return text.format_map({name: _nested(text, name, value) for name, value in params.items()})
        except (KeyError, IndexError, ValueError):
            # A sentence with a hole still tells more than an error page would.
            _log.exception("placeholders do not fit: %s", text)
            return text


def _nested(text: str, name: str, value: object) -> object:
    """`value` for `{name}`; quotes within quotes are of the other kind: «ООО „Нева“»."""
    for opening, others in _WITHIN.items():
        if isinstance(value, str) and f"{opening}{{{name}}}" in text:
            return value.translate(others)
    return value


def read_catalogue(language: Language) -> Catalog:
    """The catalogue of `language` as it stands in the file. Raises `OSError` when there is none."""
    with (LOCALE_FOLDER / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


@functools.cache
def words(language: Language) -> Words:
    """The sentences of `language`; catalogues are read once."""
    if language == "en":
        return Words(language, {})
    messages: dict[str, tuple[str, ...]] = {}
    for message in read_catalogue(language):
        if not message.id or message.fuzzy:
            continue
        key = message.id if isinstance(message.id, str) else message.id[0]
        forms = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        if forms and all(forms):
            messages[key] = forms
    return Words(language, messages)
