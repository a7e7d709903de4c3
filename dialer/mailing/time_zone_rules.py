"""A time zone's rules around a moment, as a VTIMEZONE (RFC 5545 section 3.6.5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard

_AROUND: Final = timedelta(days=400)
_STEP: Final = timedelta(days=1)  # no zone has changed its clock twice in a day


def time_zone_rules(zone: ZoneInfo, around: datetime) -> Timezone:
    """Every clock change from a year before `around` (aware) to a year after it. Each observance begins on the clock as
    it was before the change, as the RFC wants it; `icalendar` gives the clock after it, which puts the hour that
    follows a change forward an hour off for readers that count in UTC."""
    rules = Timezone()
    rules.add("tzid", zone.key)
    first = around.astimezone(UTC).replace(microsecond=0) - _AROUND
    for at in (first, *_changes(zone, first, first + 2 * _AROUND)):
        after = at.astimezone(zone)
        before = after if at == first else (at - timedelta(seconds=1)).astimezone(zone)
        observance = TimezoneDaylight() if after.dst() else TimezoneStandard()
        offset_before, offset_after = before.utcoffset() or timedelta(), after.utcoffset() or timedelta()
        observance.add("dtstart", (at + offset_before).replace(tzinfo=None))
        observance.add("tzoffsetfrom", offset_before)
        observance.add("tzoffsetto", offset_after)
        observance.add("tzname", after.tzname() or zone.key)
        rules.add_component(observance)
    return rules


def _changes(zone: ZoneInfo, first: datetime, last: datetime) -> Iterator[datetime]:
    """The moments, to the second, from which another offset holds."""
    at = first
    while at < last:
        following = at + _STEP
        if at.astimezone(zone).utcoffset() != following.astimezone(zone).utcoffset():
            yield _change_between(zone, at, following)
        at = following


def _change_between(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
