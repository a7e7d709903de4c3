"""Portfolios that passed to others, in words."""

from __future__ import annotations

from typing import Final

from crm.care.portfolio_history import PassedOn
from crm.care.portfolios import Belonging
from dialer.words import Words, mark

_OF_A_CLIENT: Final = {
    Belonging.CLIENT: mark("the client"),
    Belonging.CALLBACK: mark("what was promised"),
    Belonging.REFERRAL: mark("what waits to be accepted"),
    Belonging.DEAL: mark("the deal"),
    Belonging.PLAN_ENTRY: mark("the place in the plan"),
}


def passed_words(words: Words, row: PassedOn) -> str:
    """From whom to whom."""
    receiver = row.receiver or words.gettext("any expert of the campaign")
    return words.gettext("Passed on: {giver} → {receiver}", giver=row.giver, receiver=receiver)


def what_passed(words: Words, row: PassedOn) -> str:
    """Client, promise, deal, as far as they passed."""
    return ", ".join(words.gettext(_OF_A_CLIENT[each]) for each in row.what)
