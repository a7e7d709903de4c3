"""Numbers that people write out, "two", "двадцать пять", as digits: what is read afterwards knows only those."""

from __future__ import annotations

import re
from typing import Final

_ONES: Final = (
    ("один", "одну", "one"), ("два", "две", "two"), ("три", "three"), ("четыре", "four"), ("пять", "five"),
    ("шесть", "six"), ("семь", "seven"), ("восемь", "eight"), ("девять", "nine"),
)  # fmt: skip
_TEENS: Final = (
    ("десять", "ten"), ("одиннадцать", "eleven"), ("двенадцать", "twelve"), ("тринадцать", "thirteen"),
    ("четырнадцать", "fourteen"), ("пятнадцать", "fifteen"), ("шестнадцать", "sixteen"), ("семнадцать", "seventeen"),
    ("восемнадцать", "eighteen"), ("девятнадцать", "nineteen"),
)  # fmt: skip
_TENS: Final = (("двадцать", "twenty"), ("тридцать", "thirty"), ("сорок", "forty"), ("пятьдесят", "fifty"))
_UP_TO_NINE: Final = {word: number for number, words in enumerate(_ONES, start=1) for word in words}
_OF_TENS: Final = {word: number for number, words in zip(range(20, 60, 10), _TENS, strict=True) for word in words}
_ALONE: Final = _UP_TO_NINE | {word: number for number, words in enumerate(_TEENS, start=10) for word in words}
_NUMBER: Final = re.compile(
    rf"\b(?:(?P<tens>{'|'.join(_OF_TENS)})(?:[ -](?P<ones>{'|'.join(_UP_TO_NINE)}))?|(?P<alone>{'|'.join(_ALONE)}))\b"
)


def with_digits(text: str) -> str:
    """`text`, casefolded, with the numbers from one to fifty-nine as digits."""
    return _NUMBER.sub(_digits, text)


def _digits(found: re.Match[str]) -> str:
    if found["alone"]:
        return str(_ALONE[found["alone"]])
    return str(_OF_TENS[found["tens"]] + _UP_TO_NINE.get(found["ones"] or "", 0))
