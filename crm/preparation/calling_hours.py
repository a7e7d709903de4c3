"""When a client may be called: the campaign's hours on the client's clock, as instants.

Hours from 00:00 to 23:59 mean "at any time": then it matters to nobody what the client's clock shows, and a day of the
plan is the campaign's own, without a gap at midnight.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, Protocol

from crm.time_zones import instant, local

PROMISE_GRACE: Final = timedelta(hours=1)
_LAST_MINUTE: Final = time(23, 59)
_LONGEST_REST_DAYS: Final = 400  # a calendar that never works again must not hold anybody up


class Hours(Protocol):
    """What a campaign says of its hours."""

    time_zone: str
    calls_from: time
    calls_until: time

    def calls_on(self, day: date) -> bool: ...


@dataclass(frozen=True, slots=True)
class Window:
    """From `opens_at` until before `closes_at`, in UTC."""

    opens_at: datetime
    closes_at: datetime

    def holds(self, now: datetime) -> bool:
        """Whether `now` lies within."""
        return self.opens_at <= now < self.closes_at


class Unusual(enum.Enum):
    """Why the campaign would not call at a moment by itself."""

    DAY_OFF = "day_off"
    HOURS = "hours"


def unusual(hours: Hours, zone_name: str, moment: datetime) -> Unusual | None:
    """What is unusual about a call that is agreed for `moment`, `None` within the hours of a day with calls."""
    day = day_at(hours, zone_name, moment)
    if not hours.calls_on(day):
        return Unusual.DAY_OFF
    return None if window_on(hours, zone_name, day).holds(moment) else Unusual.HOURS


def window_on(hours: Hours, zone_name: str, day: date) -> Window:
    """The hours of one day of the client's calendar, or of the campaign's if they are round the clock."""
    if _round_the_clock(hours):
        midnights = (
            instant(datetime.combine(each, time()), hours.time_zone) for each in (day, day + timedelta(days=1))
        )
        return Window(*midnights)
    return Window(
        instant(datetime.combine(day, hours.calls_from), zone_name),
        instant(datetime.combine(day, hours.calls_until), zone_name),
    )


def window_at_or_after(hours: Hours, zone_name: str, moment: datetime) -> Window:
    """The hours that hold `moment`, or the next ones, on a day on which there are calls."""
    day = day_at(hours, zone_name, moment)
    for _ in range(_LONGEST_REST_DAYS):
        window = window_on(hours, zone_name, day)
        if moment < window.closes_at and hours.calls_on(day):
            return window
        day += timedelta(days=1)
    return window_on(hours, zone_name, day)


def retry_window(hours: Hours, zone_name: str, *, due_at: datetime) -> Window:
    """The first hours from `due_at` on."""
    window = window_at_or_after(hours, zone_name, due_at)
    return Window(max(window.opens_at, due_at), window.closes_at)


def day_at(hours: Hours, zone_name: str, moment: datetime) -> date:
    """The day whose hours count at `moment`: the client's, or the campaign's if its hours are round the clock."""
    return local(moment, hours.time_zone if _round_the_clock(hours) else zone_name).date()


def _round_the_clock(hours: Hours) -> bool:
    return hours.calls_from == time() and hours.calls_until >= _LAST_MINUTE


def promise_window(hours: Hours, zone_name: str, *, due_at: datetime, now: datetime) -> Window:
    """When a promised call may be made: at the agreed time and for an hour after it whatever the hours are, later
    within the hours (a client promised a call at 19:30 is not called at 3 in the night because the service was
    down)."""
    agreed_day = window_at_or_after(hours, zone_name, due_at)
    closes_at = due_at + PROMISE_GRACE
    if agreed_day.opens_at <= closes_at:
        closes_at = max(closes_at, agreed_day.closes_at)
    if now < closes_at:
        return Window(due_at, closes_at)
    return window_at_or_after(hours, zone_name, now)
