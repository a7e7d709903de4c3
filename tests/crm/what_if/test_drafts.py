"""Which rules can be tried: a new column of a campaign is either one of them, or stands here with the reason."""

from __future__ import annotations

from typing import Final

from crm.calls.retry_rules import RetryRule
from crm.preparation.campaigns import Campaign
from crm.what_if.drafts import COLUMNS, OF_THE_ORDER

NOT_TRIED: Final = {
    "id": "no rule",
    "name": "no rule",
    "created_at": "no rule",
    "version": "no rule",
    "target_contacts": "a target; it decides on no call",
    "sells_by_deals": "it shows pages, and decides on no call",
    "time_zone": "the days would be others, and nothing could be compared day by day",
    "country": "as days on which nobody worked: which of them would have been worked on nobody knows",
    "lists_need_approval": "when a list would have been approved nobody knows",
    "consent": "who would have agreed nobody knows",
    "ring_timeout_s": "who would have answered after more or fewer seconds nobody knows",
    "overdue_to_all_min": "who keeps a promise changes, the call does not",
    "referral_limit_min": "experts; it decides on no call of the plan",
    "referrals_by": "experts; it decides on no call of the plan",
}


def test_every_rule_can_be_tried_or_it_is_said_why_not() -> None:
    columns = {column.key for column in Campaign.__mapper__.column_attrs}
    assert set(COLUMNS) | set(NOT_TRIED) == columns
    assert set(COLUMNS) & set(NOT_TRIED) == set()
    assert set(OF_THE_ORDER) < set(COLUMNS)


def test_every_part_of_a_rule_for_next_tries_can_be_tried() -> None:
    keys, rule = {"campaign_id", "result", "disposition"}, {"after_min", "other_part"}
    assert {column.key for column in RetryRule.__mapper__.column_attrs} == keys | rule
