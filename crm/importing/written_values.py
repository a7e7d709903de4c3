"""Time zones and deals of the past as people write them in a file. Pure: no database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Final

from crm.base.past_deals import read_amount
from crm.errors import Refused
from crm.importing.cities import zone_of_city
from crm.problems import Problem
from crm.text_rules import fold, tidy
from crm.time_zones import zone

_DATES: Final = ("%Y-%m-%d", "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%Y-%m-%d %H:%M:%S")
_OFFSET: Final = re.compile(
    r"(?P<from>мск|msk|utc|gmt)?\s*(?P<hours>[+-]\s*[0-9]{1,2})?(?::?00)?\s*(?:ч|час|часа|часов)?"
)
_MOSCOW: Final = 3
# The zone that most of Russia's firms of an offset are in.
_BY_OFFSET: Final = {
    2: "Europe/Kaliningrad", 3: "Europe/Moscow", 4: "Europe/Samara", 5: "Asia/Yekaterinburg", 6: "Asia/Omsk",
    7: "Asia/Krasnoyarsk", 8: "Asia/Irkutsk", 9: "Asia/Yakutsk", 10: "Asia/Vladivostok", 11: "Asia/Magadan",
    12: "Asia/Kamchatka",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class WrittenDeal:
    """A deal of the past; `amount_minor` in hundredths, `None` where the file tells none."""

    made_on: date
    amount_minor: int | None
    what: str


@lru_cache(maxsize=1024)
def read_time_zone(text: str) -> str:
    """The IANA name of a time zone given as that, as a city, or as hours from Moscow or UTC ("МСК+2", "UTC+5"), those
    in Russia; "" for nothing. Raises `Refused`."""
    text = tidy(text)
    if not text:
        return ""
    if (named := zone_of_city(text)) or (named := _by_offset(text)):
        return named
    if "/" not in text and text != "UTC":  # otherwise "Cuba" and "EST" are zones, too
        raise Refused("import.time_zone", text=text)
    try:
        zone(text)
    except Refused:
        raise Refused("import.time_zone", text=text) from None
    return text


def _by_offset(text: str) -> str:
    found = _OFFSET.fullmatch(fold(text))
    if found is None or not (found["from"] or found["hours"]):
        return ""
    hours = int((found["hours"] or "0").replace(" ", ""))
    return _BY_OFFSET.get(hours + _MOSCOW if found["from"] in ("мск", "msk") else hours, "")


def read_deal(day: str, amount: str, what: str, *, today: date | None = None) -> WrittenDeal | Problem | None:
    """The deal that the cells tell of, `None` for none at all, or why it cannot be read."""
    if not (day or amount or what):
        return None
    if not day:
        return Problem("row.deal_needs_date", {"value": amount or what})
    made_on = _day(day)
    if made_on is None or (today is not None and made_on > today):
        return Problem("row.deal_date", {"value": day})
    try:
        units = read_amount(re.sub(r"(?:руб(?:лей|ля|\.)?|₽|р\.?)$", "", amount.casefold().strip()))
    except Refused:
        return Problem("row.deal_amount", {"value": amount})
    return WrittenDeal(made_on, None if units is None else int((units * 100).to_integral_value()), tidy(what))


def _day(text: str) -> date | None:
    for form in _DATES:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day, on nobody's clock
        except ValueError:
            continue
    return None
