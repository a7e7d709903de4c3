"""Dates and times as operators type them, in Russian and in English: "завтра в 11", "чт 1530", "in 2 hours".

Rules where the words leave room: an hour from 1 to 7 without a leading zero, "утра" or "am" is in the afternoon; a
weekday is its next coming, today included while the time is still ahead; a date without a year is the coming one; two
numbers parted by a dot are a date when another time follows and a time when the day is known already. A part of the day
says which half of the clock its hour is in, and an hour that is not in that part is refused. Two numbers parted by a
hyphen are a time only when the second can be no hour (9-30, 10-00): "11-12" may be from 11 to 12, and is refused as a
range. "Через день" is the day after tomorrow, as people mean it of a single call; "через 1 день" is tomorrow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NoReturn

from crm.errors import Refused
from crm.plan.number_words import with_digits
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


@dataclass(frozen=True, slots=True)
class _DayPart:
    """A part of the day as `words` (a pattern) name it: `alone` is its time when no hour is said; an hour that is said
    with it is read as with `half`, and lies from `first` to before `end`."""

    words: str
    alone: time
    half: str
    first: int
    end: int


_DAY_PARTS: Final = (
    _DayPart(r"после обеда|(?:in the )?afternoon", time(14), "pm", 12, 18),
    _DayPart(r"днем", time(14), "дня", 10, 18),
    _DayPart(r"в обед|полдень|noon|midday", time(12), "", 11, 16),
    _DayPart(r"утром|с утра|(?:in the )?morning", time(10), "утра", 4, 12),
    _DayPart(r"вечером|(?:in the )?evening", time(17), "pm", 16, 24),
)
_COUNTS: Final = {"": 1.0, "a": 1.0, "an": 1.0, "пару": 2.0, "a couple of": 2.0, "полтора": 1.5}
_COUNT: Final = r"(?P<count>\d+(?:[.,]\d+)?|полтора|пару|a couple of|an?)?"
_SHORT_SPAN: Final = re.compile(
    rf"(?:через|in) ?(?P<half>пол ?часа|half an hour)|"
    rf"(?:через|in) ?{_COUNT} ?(?P<unit>ч|час|часа|часов|часик|hours?|hrs?|h|минут[уы]?|мин|м|minutes?|mins?|m)"
    r"(?:(?: and)? (?P<minutes>\d+) ?(?:минут[уы]?|мин|м|minutes?|mins?|m)?| (?P<and_half>с половиной|and a half))?"
)
_LONG_SPAN: Final = re.compile(
    rf"(?:через|in) ?{_COUNT} ?(?P<unit>день|дня|дней|сутки|недел[юиь]|недели|days?|weeks?)\b"
)
_NEXT: Final = r"(?:(?P<next>следующ\w+|next) |(?P<this>эт[ауо]т?|this|ближайш\w+) )?"
_RANGE: Final = re.compile(
    r"(?<![\d.:])\d{1,2}(?P<exact>[:.]\d{2})? ?(?:час\w* )?"
    r"(?P<until>-|–|—|до\b|по\b|till\b|until\b|to\b) ?(?P<end>\d{1,2})(?!\d)|\b(?:между|between) \d"
)
_HALF_BEFORE: Final = (
    "перв", "втор", "треть", "четверт", "пят", "шест", "седьм", "восьм", "девят", "десят", "одиннадцат", "двенадцат",
)  # fmt: skip
_HALF_HOUR: Final = re.compile(
    rf"\b(?:половин[аеу] |пол[ -]?)(?P<before>{'|'.join(_HALF_BEFORE)})(?:ого|его)\b|\bhalf past (?P<past>\d{{1,2}})\b"
)
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
        self.rest = with_digits(self.text.casefold().replace("ё", "е"))
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
        count, more = _count(found["count"]), found["minutes"] or found["and_half"]
        if found["unit"].startswith(("ч", "h")):
            return timedelta(hours=count, minutes=30 if found["and_half"] else int(found["minutes"] or 0))
        return None if more else timedelta(minutes=count)

    def _day(self) -> _Day | None:
        today = self.here.date()
        span = self._take(_LONG_SPAN)
        if span is not None:
            if span["unit"] == "день" and not span["count"]:
                return _Day(today + timedelta(days=2))
            days = _count(span["count"]) * (7 if span["unit"].startswith(("нед", "week")) else 1)
            if days % 1:
                self._refuse("callback.words")
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
            coming = today + timedelta(days=(number - today.weekday()) % 7)
            return _Day(coming, weekly=not found["this"])
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
        self._refuse_range()
        self.rest = _HALF_HOUR.sub(_half_hour, self.rest)
        found = next((taken for pattern in _CLOCKS if (taken := self._take(pattern))), None)
        parts = [part for part in _DAY_PARTS if self._take(rf"\b(?:{part.words})\b")]
        if len(parts) > 1:
            self._refuse("callback.words")
        part = parts[0] if parts else None
        return self._time_of(found, part) if found else part.alone if part else None

    def _refuse_range(self) -> None:
        found = _RANGE.search(self.rest)
        if found is None:
            return
        end = found["end"]
        minutes = found["until"] == "-" and " " not in found[0] and not found["exact"] and len(end) == 2
        if not minutes or 10 <= int(end) <= 24:
            self._refuse("callback.words_range")

    def _time_of(self, found: re.Match[str], part: _DayPart | None) -> time:
        groups = found.groupdict()
        written = groups.get("hour") or "1"
        hour, minute = int(written), int(groups.get("minute") or 0)
        half = groups.get("half") or (part.half if part and not written.startswith("0") else "")
        hour = _of_day(hour, half, exact=written.startswith("0"))
        if hour > 23 or minute > 59 or (part and not part.first <= hour < part.end):
            self._refuse("callback.words_no_such_date")
        return time(hour, minute)


def _of_day(hour: int, half: str, *, exact: bool) -> int:
    """The hour from 0 to 23 that is meant by what is said with it, "" for nothing; `exact`: written with a zero."""
    later = hour + 12 if hour < 12 else hour
    if half in ("вечера", "pm", "p.m."):
        return later
    if half == "дня":  # people say "11 дня" of the time before noon
        return later if hour < 10 else hour
    if half == "ночи":
        return later if 9 <= hour < 12 else hour % 12 if hour == 12 else hour
    if half in ("am", "a.m."):
        return 0 if hour == 12 else hour
    return later if not half and not exact and 1 <= hour <= 7 else hour


def _half_hour(found: re.Match[str]) -> str:
    """ "Half past three" and "половина четвертого" as 3:30."""
    hour = int(found["past"]) if found["past"] else _HALF_BEFORE.index(found["before"]) or 12
    return f"{hour}:30"


def _count(words: str | None) -> float:
    return _COUNTS[words or ""] if (words or "") in _COUNTS else float((words or "1").replace(",", "."))


def _month(word: str) -> int:
    return 1 + next(number for number, names in enumerate(_MONTHS) if re.match("|".join(names), word))


def _year(digits: str | None) -> int | None:
    if digits is None:
        return None
    return int(digits) + (2000 if len(digits) == 2 else 0)
