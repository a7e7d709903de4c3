"""The form of a campaign's rules: which fields there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crm.preparation.campaigns import Campaign
from dialer.console.web import fields
from dialer.console.web.fields import LONGEST_NUMBER, Field, Shown, Unreadable
from dialer.shown.labels import GROUPS
from dialer.words import Words, mark

__all__ = ["FIELDS", "LONGEST_NUMBER", "Field", "Shown", "Unreadable", "beside", "read", "shown"]

_SHARES_BY: Final = (
    ("nothing", mark("as the clients stand in the lists")),
    ("industry", mark("by industry")),
    ("source", mark("by source")),
)
_CONSENT: Final = (
    ("presumed", mark("presumed for numbers of businesses; evidence is kept if there is some")),
    ("required", mark("required of each, with its evidence")),
)
_REFERRALS_BY: Final = (
    ("load", mark("by who has least to do")),
    ("industry", mark("by industry, then by who has least to do")),
)
FIELDS: Final = (
    Field("name", mark("Name")),
    Field("time_zone", mark("Time zone of its days")),
    Field("calls_from", mark("Calls from, on the client's clock"), "time"),
    Field("calls_until", mark("Calls until"), "time"),
    Field("country", mark("Holidays of the country"), hint=mark("two letters, such as RU; empty: weekends alone")),
    Field("calls_on_days_off", mark("Call on days off, too"), "tick"),
    Field("attempts_a_day", mark("Attempts at a company a day"), "number",
          hint=mark("calls, e-mails and faxes of all campaigns")),
    Field("number_attempts_a_day", mark("Attempts at a number a day"), "number"),
    Field("gap_min", mark("Minutes between unanswered attempts"), "number"),
    Field("ring_timeout_s", mark("Seconds that it rings"), "number", may_be_empty=True,
          hint=mark("empty: as the settings say")),
    Field("overdue_to_all_min", mark("Minutes until a promise that is overdue goes to everybody"), "number"),
    Field("target_contacts", mark("Organisations to reach"), "number"),
    Field("lists_need_approval", mark("Only approved lists are called"), "tick"),
    Field("group_order", mark("Groups in the order in which they come up"), "groups", choices=tuple(GROUPS.items()),
          hint=mark("a group that is left out comes up by promises alone")),
    Field("calls_a_day", mark("Clients a day for each person"), "number", may_be_empty=True,
          hint=mark("empty: everybody takes from all")),
    Field("shares_by", mark("The day is made up"), "choice", choices=_SHARES_BY),
    Field("shares", mark("Shares in per cent"), hint=mark("as “Transport 40; Trade 30”; the rest is for all others")),
    Field("owner_keeps_days", mark("Days without a talk after which a client is anyone's"), "number", may_be_empty=True,
          hint=mark("empty: never; 0: at once")),
    Field("away_keeps", mark("Who is away keeps the clients"), "tick"),
    Field("consent", mark("Consent to being called"), "choice", choices=_CONSENT),
    Field("referral_limit_min", mark("Minutes in which an expert accepts a client"), "number", may_be_empty=True,
          hint=mark("of the campaign's hours; empty: no limit")),
    Field("referrals_by", mark("Experts are chosen"), "choice", choices=_REFERRALS_BY),
    Field("sells_by_deals", mark("Sells by deals: stages, sums, the sales book"), "tick"),
)  # fmt: skip


def read(typed: Mapping[str, str]) -> dict[str, object]:
    """As `fields.read`."""
    return fields.read(FIELDS, typed)


def shown(campaign: Campaign, words: Words) -> list[Shown]:
    """What is stored."""
    return fields.shown(FIELDS, campaign)


def beside(typed: Mapping[str, str], campaign: Campaign, words: Words) -> list[Shown]:
    """As `fields.beside`."""
    return fields.beside(FIELDS, typed, campaign, words)
