"""Dates and times as operators type them, in Russian and in English: "завтра в 11", "чт 1530", "in 2 hours".

Rules where the words leave room: an hour from 1 to 7 without a leading zero, "утра" or "am" is in the afternoon; a
weekday is its next coming, today included while the time is still ahead; a date without a year is the coming one; two
numbers parted by a dot are a date when another time follows and a time when the day is known already.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NoReturn

from crm.errors import Refused
from crm.time_zones import instant, local

FURTHEST: Final = timedelta(days=2 * 366)  # nobody agrees on a call later than that: a slip of the finger

_MONTHS: Final = (
    ("янв", "jan"), ("фев", "feb"), ("мар", "mar"), ("апр", "apr"), ("ма[йя]", "may"), ("июн", "jun"),
    ("июл", "jul"), ("авг", "aug"), ("сен", "sep"), ("окт", "oct"), ("ноя", "nov"), ("дек", "dec"),
)  # fmt: skip
_WEEKDAYS: Final = (
    r"пн|пон|понедельник\w*|mon|monday",
    r"вт|втор|вторник\w*|tue|tues|tuesday",
    r"ср|сред[ауы]|wed|wednesday",
    r"чт|чет|четв|четверг\w*|thu|thur|thurs|thursday",
    r"пт|пят|пятниц\w*|fri|friday",
    r"сб|суб|суббот\w*|sat|saturday",
    r"вс|вск|воск|воскресень\w*|sun|sunday",
)
_MONTH: Final = "|".join(f"{russian}|{english}" for russian, english in _MONTHS)
_RELATIVE_DAYS: Final = (
    (r"послезавтра|(?:the )?day after tomorrow", 2),
    (r"завтра|tomorrow|tmrw", 1),
    (r"сегодня|today", 0),
)
_DAY_PARTS: Final = (
    (r"после обеда|afternoon|дн[её]м", time(14)),
    (r"в обед|полдень|noon|midday", time(12)),
    (r"утром|morning", time(10)),
    (r"вечером|evening", time(17)),
)
_COUNTS: Final = {"": 1.0, "a": 1.0, "an": 1.0, "один": 1.0, "одну": 1.0, "пару": 2.0, "two": 2.0, "полтора": 1.5}
_COUNT: Final = r"(?P<count>\d+(?:[.,]\d+)?|полтора|пару|один|одну|an?|two)?"
_SHORT_SPAN: Final = re.compile(
    rf"(?:через|in) ?(?P<half>пол ?часа|half an hour)|"
    rf"(?:через|in) ?{_COUNT} ?(?P<unit>ч|час|часа|часов|часик|hours?|hrs?|h|минут[уы]?|мин|м|minutes?|mins?|m)"
    r"(?: (?P<minutes>\d+) ?(?:минут[уы]?|мин|м|minutes?|mins?|m))?"
)
_LONG_SPAN: Final = re.compile(
    rf"(?:через|in) ?{_COUNT} ?(?P<unit>день|дня|дней|сутки|недел[юиь]|недели|days?|weeks?)\b"
)
_NEXT: Final = r"(?P<next>следующ\w+ |next )?"
_FILLERS: Final = re.compile(r"\b(?:в|во|на|к|at|on|by|the|of|час[аов]*|числа|г|года|around|about|около)\b|[,;]")
_HOUR_WORDS: Final = r"(?: ?(?P<half>утра|дня|вечера|ночи|am|pm|a\.m\.|p\.m\.))?"
_CLOCKS: Final = tuple(
    re.compile(rf"(?<![\d.:]){clock}{_HOUR_WORDS}(?![\d\w])")
    for clock in (
        r"(?P<hour>\d{1,2})[:.\-](?P<minute>\d{2})",
        r"(?P<hour>\d{1,2}) ?(?:ч|час|часов|часа|h) ?(?P<minute>\d{1,2}) ?(?:м|мин|минут|m|min)?",
        r"(?P<hour>\d{1,2})(?P<minute>\d{2})",
        r"(?P<hour>\d{1,2}) ?(?:ч|час|часов|часа|h|o'clock)?",
        r"(?P<one>час)",
    )
)


def parse_when(text: str, *, now: datetime, zone: str) -> datetime:
    """The naive local time in `zone` (IANA) that `text` names, seen from `now` (aware). Raises `Refused` for words that
    are not understood, name no time of day, no possible date, or a moment that has passed."""
    return _Reader(text, now, zone).read()


@dataclass
class _Day:
    """A day as it was named: `again` is the step to its next coming when it has passed, if it comes again."""

    date: date
    weekly: bool = False


class _Reader:
    """Takes understood pieces out of `rest`, until only fillers are left."""

    def __init__(self, text: str, now: datetime, zone: str) -> None:
        self.text = " ".join(text.split())
        self.rest = self.text.casefold().replace("ё", "е")
        self.now = now
        self.zone = zone
        self.here = local(now, zone)

    def read(self) -> datetime:
        try:
            return self._read()
        except OverflowError:  # beyond the calendar
            self._refuse("callback.words_no_such_date")

    def _read(self) -> datetime:
        span = self._short_span()
        if span is not None:
            return self._ahead(local(self.now.astimezone(UTC) + span, self.zone).replace(second=0, microsecond=0))
        day = self._day()
        clock = self._clock()
        if _FILLERS.sub(" ", self.rest).strip(" .") or (day is None and clock is None):
            self._refuse("callback.words")
        if clock is None:
            self._refuse("callback.words_no_time")
        day = day or _Day(self.here.date())
        found = datetime.combine(day.date, clock)
        if day.weekly and instant(found, self.zone) <= self.now:
            found += timedelta(days=7)
        return self._ahead(found)

    def _ahead(self, found: datetime) -> datetime:
        if found > self.here + FURTHEST:
            self._refuse("callback.words_no_such_date")
        if instant(found, self.zone) <= self.now:
            raise Refused("callback.in_the_past", local_at=found.strftime("%d.%m.%Y %H:%M"))
        return found

    def _refuse(self, code: str) -> NoReturn:
        raise Refused(code, text=self.text)

    def _take(self, pattern: str | re.Pattern[str]) -> re.Match[str] | None:
        found = re.search(pattern, self.rest)
        if found is not None:
            self.rest = f"{self.rest[: found.start()]} {self.rest[found.end() :]}".strip()
        return found

    def _short_span(self) -> timedelta | None:
        found = _SHORT_SPAN.fullmatch(self.rest)
        if found is None:
            return None
        if found["half"]:
            return timedelta(minutes=30)
        count = _count(found["count"])
        if found["unit"].startswith(("ч", "h")):
            return timedelta(hours=count, minutes=int(found["minutes"] or 0))
        return timedelta(minutes=count)

    def _day(self) -> _Day | None:
        today = self.here.date()
        span = self._take(_LONG_SPAN)
        if span is not None:
            days = _count(span["count"]) * (7 if span["unit"].startswith(("нед", "week")) else 1)
            return _Day(today + timedelta(days=int(days)))
        for pattern, days_ahead in _RELATIVE_DAYS:
            if self._take(rf"\b(?:{pattern})\b"):
                return _Day(today + timedelta(days=days_ahead))
        return self._written_date() or self._weekday(today)

    def _weekday(self, today: date) -> _Day | None:
        next_week = self._take(r"\b(?:на )?(?:следующей неделе|next week)\b") is not None
        for number, pattern in enumerate(_WEEKDAYS):
            found = self._take(rf"\b{_NEXT}(?:{pattern})\b\.?")
            if found is None:
                continue
            if next_week or found["next"]:
                monday = today - timedelta(days=today.weekday())
                return _Day(monday + timedelta(days=7 + number))
            return _Day(today + timedelta(days=(number - today.weekday()) % 7), weekly=True)
        return None

    def _written_date(self) -> _Day | None:
        iso = self._take(r"\b(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})\b")
        if iso is not None:
            return self._calendar_day(int(iso["day"]), int(iso["month"]), int(iso["year"]))
        for pattern in (
            rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th|-?го)?(?: of)? (?P<month>{_MONTH})\w*\.?(?:,? (?P<year>\d{{4}})\b)?",
            rf"\b(?P<month>{_MONTH})\w*\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (?P<year>\d{{4}})\b)?(?![:.]\d)",
        ):
            named = self._take(pattern)
            if named is not None:
                return self._calendar_day(int(named["day"]), _month(named["month"]), _year(named["year"]))
        dotted = re.search(r"\b(?P<day>\d{1,2})[./](?P<month>\d{1,2})(?:[./](?P<year>\d{4}|\d{2}))?\b", self.rest)
        if dotted is not None and (dotted["year"] or int(dotted["month"]) <= 12):
            self._take(re.escape(dotted[0]))
            return self._calendar_day(int(dotted["day"]), int(dotted["month"]), _year(dotted["year"]))
        of_month = self._take(r"\b(?P<day>\d{1,2})(?:-?го| числа|-?го числа)\b")
        return None if of_month is None else self._day_of_month(int(of_month["day"]))

    def _calendar_day(self, day: int, month: int, year: int | None) -> _Day:
        today = self.here.date()
        try:
            if year is not None:
                return _Day(date(year, month, day))
            this_year = date(today.year, month, day)
            # A date that has just gone by is a slip, not a promise for next year.
            return _Day(this_year if (today - this_year).days < 60 else date(today.year + 1, month, day))
        except ValueError:
            self._refuse("callback.words_no_such_date")

    def _day_of_month(self, day: int) -> _Day:
        today = self.here.date()
        month = today.year * 12 + today.month - 1 + (1 if day < today.day else 0)
        return self._calendar_day(day, month % 12 + 1, month // 12)

    def _clock(self) -> time | None:
        for pattern in _CLOCKS:
            found = self._take(pattern)
            if found is not None:
                return self._time_of(found)
        for words, moment in _DAY_PARTS:
            if self._take(rf"\b(?:{words})\b"):
                return moment
        return None

    def _time_of(self, found: re.Match[str]) -> time:
        groups = found.groupdict()
        written = groups.get("hour") or "1"
        hour, minute = int(written), int(groups.get("minute") or 0)
        half = groups.get("half") or ""
        if half in ("дня", "вечера", "pm", "p.m.") and hour < 12:
            hour += 12
        elif half in ("ночи", "am", "a.m.") and hour == 12:
            hour = 0
        elif not half and 1 <= hour <= 7 and not written.startswith("0"):
            hour += 12
        if hour > 23 or minute > 59:
            self._refuse("callback.words_no_such_date")
        return time(hour, minute)


def _count(words: str | None) -> float:
    return _COUNTS[words or ""] if (words or "") in _COUNTS else float((words or "1").replace(",", "."))


def _month(word: str) -> int:
    return 1 + next(number for number, names in enumerate(_MONTHS) if re.match("|".join(names), word))


def _year(digits: str | None) -> int | None:
    if digits is None:
        return None
    return int(digits) + (2000 if len(digits) == 2 else 0)
