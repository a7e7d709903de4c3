"""Which days are tried."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from crm.errors import Refused
from crm.what_if.trying import period_of
from tests.crm.what_if.test_replay import USUAL

# Past midnight in Moscow, where the campaign's days begin.
NIGHT = datetime(2026, 11, 23, 21, 30, tzinfo=UTC)


def test_by_itself_the_thirty_days_that_are_over_on_the_campaigns_clock() -> None:
    period = period_of(USUAL.campaign, None, None, now=NIGHT)
    assert (period.first, period.last) == (date(2026, 10, 25), date(2026, 11, 23))
    assert period.ends_at == datetime(2026, 11, 23, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "last", "code"),
    [
        (None, date(2026, 11, 24), "what_if.days"),
        (date(2026, 11, 3), date(2026, 11, 2), "what_if.days"),
        (date(2026, 8, 23), date(2026, 11, 23), "what_if.too_many_days"),
    ],
)
def test_only_days_that_are_over_and_not_too_many(first: date | None, last: date, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        period_of(USUAL.campaign, first, last, now=NIGHT)
    assert refusal.value.code == code


def test_ninety_two_days_can_be_tried() -> None:
    last = date(2026, 11, 23)
    assert period_of(USUAL.campaign, last - timedelta(days=91), last, now=NIGHT).last == last
