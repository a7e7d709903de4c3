"""Wall clocks and instants: the rule for gaps and repeats."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.errors import Refused
from crm.preparation.calling_hours import promise_window, window_at_or_after, window_on
from crm.preparation.campaigns import Campaign
from crm.time_zones import instant, local, zone
from tests.crm.builders import wall

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Europe/Moscow",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Tehran",
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("shown", "name", "expected"),
    [
        ("2027-06-01T12:00", "Europe/Berlin", "2027-06-01T10:00"),
        # The clock of Berlin goes from 02:00 to 03:00 at 01:00 UTC.
        ("2027-03-28T02:00", "Europe/Berlin", "2027-03-28T01:00"),
        ("2027-03-28T02:30", "Europe/Berlin", "2027-03-28T01:00"),
        ("2027-03-28T02:59:59", "Europe/Berlin", "2027-03-28T01:00"),
        ("2027-03-28T03:00", "Europe/Berlin", "2027-03-28T01:00"),
        # And from 03:00 back to 02:00 at 01:00 UTC in autumn: 02:30 comes twice, the first counts.
        ("2027-10-31T02:30", "Europe/Berlin", "2027-10-31T00:30"),
        # Half an hour on Lord Howe Island.
        ("2026-10-04T02:15", "Australia/Lord_Howe", "2026-10-03T15:30"),
        # A day that Samoa left out.
        ("2011-12-30T10:00", "Pacific/Apia", "2011-12-30T10:00"),
    ],
)
def test_gaps_and_repeats(shown: str, name: str, expected: str) -> None:
    assert instant(wall(shown), name) == utc(expected)


@given(st.datetimes(datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2030-01-01")), st.sampled_from(ZONES))
def test_an_instant_shows_its_time_or_the_end_of_a_gap(shown: datetime, name: str) -> None:
    found = instant(shown, name)
    seen = local(found, name)
    if seen == shown:
        assert local(found - timedelta(hours=1), name) != shown
        return
    assert seen > shown
    assert local(found - timedelta(seconds=1), name) < shown


def test_an_unknown_zone_is_refused() -> None:
    for name in ("Europe/Atlantis", "", "../etc/passwd", "a" * 300):
        with pytest.raises(Refused) as refused:
            zone(name)
        assert refused.value.code == "time_zone.unknown"


HOURS = Campaign(
    time_zone="Europe/Moscow",
    calls_from=datetime.fromisoformat("2026-01-01T09:00").time(),
    calls_until=datetime.fromisoformat("2026-01-01T18:00").time(),
    country="",
    calls_on_days_off=True,
)
PERM = "Asia/Yekaterinburg"


def test_the_hours_are_the_clients() -> None:
    window = window_on(HOURS, PERM, wall("2026-11-23").date())
    assert (window.opens_at, window.closes_at) == (utc("2026-11-23T04:00"), utc("2026-11-23T13:00"))
    assert window_at_or_after(HOURS, PERM, utc("2026-11-23T02:00")) == window
    assert window_at_or_after(HOURS, PERM, utc("2026-11-23T12:59")) == window
    assert window_at_or_after(HOURS, PERM, utc("2026-11-22T13:00")) == window


@pytest.mark.parametrize(
    "moment", ["2026-11-23T20:59:59.9", "2026-11-23T21:00", "2026-11-23T22:30", "2026-11-24T20:59"]
)
def test_round_the_clock_has_no_gap_on_anybodys_clock(moment: str) -> None:
    hours = Campaign(
        time_zone="Europe/Moscow", calls_from=time(0), calls_until=time(23, 59, 59), country="", calls_on_days_off=True
    )
    for zone_name in ("Europe/Kaliningrad", "Europe/Moscow", PERM, "Asia/Kamchatka"):
        window = window_at_or_after(hours, zone_name, utc(moment))
        assert window.holds(utc(moment))
        assert local(window.opens_at, "Europe/Moscow").time() == time(0)
        assert window == window_on(hours, zone_name, local(utc(moment), "Europe/Moscow").date())


@pytest.mark.parametrize(
    ("due", "now", "opens", "closes"),
    [
        ("2026-11-23T06:00", "2026-11-23T06:00", "2026-11-23T06:00", "2026-11-23T13:00"),
        ("2026-11-23T06:00", "2026-11-23T12:00", "2026-11-23T06:00", "2026-11-23T13:00"),
        # Agreed for 19:30 in Perm, after the hours: for an hour, then not before the next morning.
        ("2026-11-23T14:30", "2026-11-23T14:40", "2026-11-23T14:30", "2026-11-23T15:30"),
        ("2026-11-23T14:30", "2026-11-23T22:00", "2026-11-24T04:00", "2026-11-24T13:00"),
        # Agreed for 08:30, before the hours: into them.
        ("2026-11-23T03:30", "2026-11-23T03:40", "2026-11-23T03:30", "2026-11-23T13:00"),
        # The service was down for the rest of the day, and for two.
        ("2026-11-23T06:00", "2026-11-23T13:00", "2026-11-24T04:00", "2026-11-24T13:00"),
        ("2026-11-23T06:00", "2026-11-25T06:00", "2026-11-25T04:00", "2026-11-25T13:00"),
    ],
)
def test_a_promise_weighs_more_than_the_hours(due: str, now: str, opens: str, closes: str) -> None:
    window = promise_window(HOURS, PERM, due_at=utc(due), now=utc(now))
    assert (window.opens_at, window.closes_at) == (utc(opens), utc(closes))
