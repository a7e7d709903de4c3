"""The groups that a client may be in."""

from __future__ import annotations

import enum


class Group(enum.StrEnum):
    """Who is in which group: see `docs/glossary.md`. The order is the order of priority in the day's plan."""

    HOT = "hot"
    WARM = "warm"
    ABANDONED = "abandoned"
    NEW = "new"
    NO_CONTACT = "no_contact"
    COLD = "cold"
    COMPETITOR = "competitor"
    NONEXISTENT = "nonexistent"
