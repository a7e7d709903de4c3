"""What counts as a letter, a word, a full name: one definition for Python and for both databases' CHECK constraints.

Letters are ranges of code points, not a locale's idea of them: a PostgreSQL database created with the C locale holds
no Cyrillic letter for alphabetic, and SQLite knows no classes at all.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from itertools import product
from typing import Final

from crm.errors import Refused

# Latin with its extensions, Cyrillic without its signs, Armenian, Georgian.
LETTERS: Final = "A-Za-zÀ-ÖØ-öø-ɏЀ-ҁҊ-ԯԱ-Ֆա-ևა-ჺ"
LEAST_SUMMARY_LETTERS: Final = 10
YES_WORDS: Final = frozenset({"yes", "да", "true", "есть", "1", "+"})
"""Folded words that say yes in a column."""
NO_WORDS: Final = frozenset({"no", "нет", "false", "0", "-"})

_LETTER: Final = re.compile(f"[{LETTERS}]")


def tidy(text: str) -> str:
    """`text` without NULs (PostgreSQL stores none), spaces at its ends, or more than one space in a row."""
    return " ".join(text.replace("\0", "").split())


def required(text: str, code: str) -> str:
    """`text`, tidied. Raises `Refused` with `code` where nothing is left."""
    text = tidy(text)
    if not text:
        raise Refused(code)
    return text


def lines_of(text: str) -> str:
    """`text` of one line or several without NULs and without spaces at its ends."""
    return text.replace("\0", "").strip()


@functools.lru_cache(maxsize=4096)  # a file says the same cities, lists, industries and groups in every row
def fold(text: str) -> str:
    """The form in which names are compared and searched: casefolded, ё as е, single spaces."""
    return tidy(text.casefold().replace("ё", "е"))


def in_every_case(words: Iterable[str]) -> frozenset[str]:
    """All ways to write `words` with small and capital letters, for a database that folds Latin letters alone."""
    return frozenset(
        "".join(letters) for word in words for letters in product(*({each, each.upper()} for each in word))
    )


def letters_in(text: str) -> int:
    """How many letters `text` has."""
    return len(_LETTER.findall(text))


def is_full_name(text: str) -> bool:
    """Two words or more, parted by a space, each with a letter."""
    return sum(_LETTER.search(word) is not None for word in text.split(" ")) >= 2


def is_summary(text: str) -> bool:
    """Ten letters or more."""
    return letters_in(text) >= LEAST_SUMMARY_LETTERS


def full_name_check(column: str, dialect: str) -> str:
    """SQL that says of `column` what `is_full_name` says."""
    if dialect == "sqlite":
        return f"{column} GLOB '*[{LETTERS}]* *[{LETTERS}]*'"
    return f"{column} ~ '[{LETTERS}].* .*[{LETTERS}]'"


def summary_check(column: str, dialect: str) -> str:
    """SQL that says of `column` what `is_summary` says."""
    if dialect == "sqlite":
        return f"{column} GLOB '*{f'[{LETTERS}]*' * LEAST_SUMMARY_LETTERS}'"
    return f"char_length(regexp_replace({column}, '[^{LETTERS}]', '', 'g')) >= {LEAST_SUMMARY_LETTERS}"
