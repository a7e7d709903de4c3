"""Wall clocks: a local time in a zone to an instant and back, by one stated rule for clock changes.

A time that the clock skips (spring) becomes the first moment after the gap; a time that comes twice (autumn) is the
first of the two.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from crm.errors import Refused


@lru_cache(maxsize=600)
def zone(name: str) -> ZoneInfo:
    """The IANA zone `name`. Raises `Refused`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Refused("time_zone.unknown", time_zone=name) from error


def local(instant: datetime, name: str) -> datetime:
    """What the wall clock in zone `name` shows at `instant`: a naive datetime."""
    return instant.astimezone(zone(name)).replace(tzinfo=None)


@lru_cache(maxsize=4096)  # the midnights and hours of few days and zones are asked for again and again
def instant(local_at: datetime, name: str) -> datetime:
    """The instant, in UTC, at which the wall clock in zone `name` first shows `local_at` or, if it never does, the
    first moment after the gap."""
    there = local_at.replace(tzinfo=zone(name), fold=0)
    found = there.astimezone(UTC)
    if local(found, name) == local_at:
        return found
    # In a gap, PEP 495 reads fold=1 by the clock after the change and fold=0 by the one before it: the first lies
    # before the change, the second after it.
    before, after = there.replace(fold=1).astimezone(UTC), found
    offset_after = after.astimezone(zone(name)).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(zone(name)).utcoffset() == offset_after:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)


def typed_time(text: str) -> time:
    """A time on a clock as people type it: `8:30`, `08.30`; `24:00`, the end of a day, is its last minute. Raises
    `ValueError`."""
    text = text.strip().replace(".", ":")
    if text == "24:00":
        return time(23, 59)
    return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - a time on a clock has no zone
