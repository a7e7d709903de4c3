"""Refusals of the domain in the reader's language: the code finds the sentence, the parameters fill it in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time

from babel.dates import format_date, format_datetime

from crm.errors import ERRORS
from dialer.calls.errors import MESSAGES
from dialer.words import Words


def sentence(code: str) -> str:
    """The English sentence (a message id) behind a code of `crm.errors` or `dialer.calls.errors`; the code itself for
    one that is in neither."""
    return ERRORS.get(code) or MESSAGES.get(code) or code


def explain(words: Words, code: str, params: Mapping[str, object]) -> str:
    """`code` as a sentence in the language of `words`."""
    return words.gettext(sentence(code), **{name: _readable(words, value) for name, value in params.items()})


def _readable(words: Words, value: object) -> object:
    if isinstance(value, datetime):
        return format_datetime(value, "d MMM HH:mm", locale=words.locale)
    if isinstance(value, date):
        return format_date(value, "d MMMM", locale=words.locale)
    if isinstance(value, time):
        return value.strftime("%H:%M")
    return value
