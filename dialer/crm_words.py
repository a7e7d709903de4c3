"""Refusals of the domain in the reader's language: the code finds the sentence, the parameters fill it in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time

from babel.dates import format_date, format_datetime

from crm.errors import ERRORS, Finding
from crm.questionnaires.questions import Label, label_in
from dialer.calls.errors import MESSAGES
from dialer.reasons import REASONS, Reason, of_database_words
from dialer.words import Words


def sentence(code: str) -> str:
    """The English sentence (a message id) behind a code of `crm.errors`, `dialer.calls.errors` or `dialer.reasons`; the
    code itself for one that is in none."""
    return ERRORS.get(code) or MESSAGES.get(code) or REASONS.get(code) or code


def explain(words: Words, code: str, params: Mapping[str, object]) -> str:
    """`code` as a sentence in the language of `words`."""
    return words.gettext(sentence(code), **{name: _readable(words, value) for name, value in params.items()})


def in_language(words: Words, reason: str) -> str:
    """A `Reason` or a `Finding` in the language of `words`; any other text as it is."""
    return explain(words, reason.code, reason.params).strip() if isinstance(reason, Reason | Finding) else reason


def database_finding(words: Words, finding: Finding) -> str:
    """What `crm.database.Database.check` found, in the language of `words`."""
    params = {
        name: of_database_words(str(value)) if name == "reason" else value for name, value in finding.params.items()
    }
    return explain(words, finding.code, params)


def _readable(words: Words, value: object) -> object:
    if isinstance(value, Reason | Finding):
        return in_language(words, value).rstrip(".")  # a sentence of its own becomes a part of another
    if isinstance(value, Label):
        return label_in(value, words.language)
    if isinstance(value, datetime):
        return format_datetime(value, "d MMM HH:mm", locale=words.locale)
    if isinstance(value, date):
        return format_date(value, "d MMMM", locale=words.locale)
    if isinstance(value, time):
        return value.strftime("%H:%M")
    return value
