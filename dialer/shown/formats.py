"""Numbers, telephone numbers and moments as a person reads them, in the reader's language and zone."""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from babel.dates import format_date, format_datetime, get_timezone_location

from dialer.words import Words


def zone_named(name: str, default: str) -> tzinfo:
    """The zone `name`, or `default` where the name is empty or unknown."""
    try:
        return ZoneInfo(name or default)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(default)


def clock_time(at: datetime, zone: tzinfo) -> str:
    """`13:02`."""
    return at.astimezone(zone).strftime("%H:%M")


def short_day(words: Words, day: date) -> str:
    """`чт 15 мая` / `Thu 15 May`."""
    return format_date(day, "EEE d MMMM", locale=words.locale)


def dated(words: Words, day: date) -> str:
    """`пн 4 января 2027` / `Mon 4 January 2027`: where the next year is in sight, too."""
    return format_date(day, "EEE d MMMM y", locale=words.locale)


def long_day(words: Words, day: date) -> str:
    """`четверг, 15 мая 2026` / `Thursday, 15 May 2026`."""
    return format_date(day, "EEEE, d MMMM y", locale=words.locale)


def moment(words: Words, at: datetime, zone: tzinfo) -> str:
    """`15 мая 2026, 13:30`."""
    return format_datetime(at.astimezone(zone), "d MMM y, HH:mm", locale=words.locale)


def near_moment(words: Words, at: datetime, zone: tzinfo, now: datetime) -> str:
    """The hour alone today, with the day otherwise: `13:30`, `чт 15 мая 13:30`."""
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    if local.date() == today:
        return local.strftime("%H:%M")
    return f"{short_day(words, local.date())} {local:%H:%M}"


def naive_moment(words: Words, at: datetime) -> str:
    """A local moment without its zone: `чт 15 мая 15:30`."""
    return f"{short_day(words, at.date())} {at:%H:%M}"


def minutes(seconds: float | None) -> str:
    """`07:48`, `1:07:48`; "" for None. Whole seconds, rounded down, as a clock shows them."""
    if seconds is None:
        return ""
    whole = int(timedelta(seconds=seconds).total_seconds())
    hours, rest = divmod(whole, 3600)
    tail = f"{rest // 60:02d}:{rest % 60:02d}"
    return f"{hours}:{tail}" if hours else tail


def duration(words: Words, minutes: int | None) -> str:
    """`1 ч 34 мин`; "—" for none."""
    if minutes is None:
        return "—"
    if minutes < 60:
        return words.gettext("{minutes} min", minutes=minutes)
    return words.gettext("{hours} h {minutes} min", hours=minutes // 60, minutes=minutes % 60)


def phone(e164: str) -> str:
    """`+7 342 000-12-34`; what is no E.164 number comes back as it is."""
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return e164
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def zone_city(words: Words, zone_name: str) -> str:
    """The city that stands for a zone: `Екатеринбург`; "" when the zone has no name here."""
    if not zone_name:
        return ""
    return get_timezone_location(zone_name, locale=words.locale, return_city=True)
