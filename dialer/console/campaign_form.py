"""The form of a campaign's rules: which fields there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crm.campaigns import Campaign
from dialer.console import fields
from dialer.console.fields import LONGEST_NUMBER, Field, Shown, Unreadable
from dialer.words import Words, mark

__all__ = ["FIELDS", "LONGEST_NUMBER", "Field", "Shown", "Unreadable", "beside", "read", "shown"]

FIELDS: Final = (
    Field("name", mark("Name")),
    Field("time_zone", mark("Time zone of its days")),
    Field("calls_from", mark("Calls from, on the client's clock"), "time"),
    Field("calls_until", mark("Calls until"), "time"),
    Field("country", mark("Holidays of the country"), hint=mark("two letters, such as RU; empty: weekends alone")),
    Field("calls_on_days_off", mark("Call on days off, too"), "tick"),
    Field("attempts_a_day", mark("Attempts at a company a day"), "number"),
    Field("number_attempts_a_day", mark("Attempts at a number a day"), "number"),
    Field("gap_min", mark("Minutes between unanswered attempts"), "number"),
    Field("ring_timeout_s", mark("Seconds that it rings"), "number", may_be_empty=True,
          hint=mark("empty: as the settings say")),
    Field("overdue_to_all_min", mark("Minutes until a promise that is overdue goes to everybody"), "number"),
    Field("target_contacts", mark("Contacts wanted"), "number"),
    Field("lists_need_approval", mark("Only approved lists are called"), "tick"),
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
