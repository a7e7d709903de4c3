"""The time an expert has: minutes of the campaign's working hours, on its own clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from crm.preparation.calling_hours import window_at_or_after
from crm.preparation.campaigns import Campaign

_MOST_DAYS: Final = 400  # a calendar that never works again must not hold anybody up


def after_working_minutes(campaign: Campaign, since: datetime, minutes: int) -> datetime:
    """When so many minutes of the campaign's hours will have passed."""
    left, moment = timedelta(minutes=minutes), since
    for _ in range(_MOST_DAYS):
        window = window_at_or_after(campaign, campaign.time_zone, moment)
        begins = max(window.opens_at, moment)
        if begins + left <= window.closes_at:
            return begins + left
        left -= max(window.closes_at - begins, timedelta())
        moment = window.closes_at
    return moment + left


def working_minutes(campaign: Campaign, since: datetime, until: datetime) -> int:
    """How many whole minutes of the campaign's hours lie between the two."""
    passed, moment = timedelta(), since
    for _ in range(_MOST_DAYS):
        window = window_at_or_after(campaign, campaign.time_zone, moment)
        begins, ends = max(window.opens_at, moment), min(window.closes_at, until)
        if begins >= until:
            break
        passed += max(ends - begins, timedelta())
        moment = window.closes_at
    return int(passed.total_seconds() // 60)
