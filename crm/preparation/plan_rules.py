"""What a campaign says of its plan, as people type it: the order of the groups, and the shares of industries or
sources."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

from crm.errors import Refused
from crm.group import Group
from crm.text_rules import tidy


class SharesBy(enum.StrEnum):
    """What the clients of a day are mixed by."""

    NOTHING = "nothing"
    INDUSTRY = "industry"
    SOURCE = "source"


class Consent(enum.StrEnum):
    """Whether a company may be called that has not agreed to it: a number of a business is taken for agreed unless the
    campaign requires consent, and its evidence, of each."""

    PRESUMED = "presumed"
    REQUIRED = "required"


class ReferralsBy(enum.StrEnum):
    """By what an expert is chosen for a client, unless somebody names one: who has least to do, of all or of those who
    know the client's industry."""

    LOAD = "load"
    INDUSTRY = "industry"


ALL: Final = 100  # per cent
_IN_TURN: Final = tuple(group for group in Group if group is not Group.NONEXISTENT)


def written_order(groups: Iterable[str]) -> str:
    """As it is stored: the keys with commas. Raises `Refused` for what is no group that can be called, twice the same,
    or none."""
    keys = [tidy(key).casefold() for key in groups]
    keys = [key for key in keys if key]
    for key in keys:
        if key not in _IN_TURN:
            raise Refused("campaign.no_such_group", group=key)
    if not keys or len(set(keys)) != len(keys):
        raise Refused("campaign.group_order")
    return ",".join(keys)


GROUPS_IN_TURN: Final = ",".join(_IN_TURN)


def order_of(stored: str) -> tuple[Group, ...]:
    """The groups whose clients come up by themselves, the first one first. Who is in no such group is called when it
    was promised or picked by hand."""
    return tuple(Group(key) for key in stored.split(","))


def written_shares(text: str) -> str:
    """As they are stored: `Transport 40; Trade 30`. Raises `Refused` for what has no number, or for more than all."""
    shares: dict[str, int] = {}
    for part in text.replace("\n", ";").replace(",", ";").split(";"):
        words = tidy(part.replace("%", " ").replace("=", " ").replace(":", " ")).split()
        if not words:
            continue
        name, number = " ".join(words[:-1]), words[-1]
        if not name or not (number.isascii() and number.isdecimal()) or not 1 <= int(number) <= ALL or name in shares:
            raise Refused("campaign.share", text=tidy(part))
        shares[name] = int(number)
    if sum(shares.values()) > ALL:
        raise Refused("campaign.shares", sum=sum(shares.values()))
    return "; ".join(f"{name} {percent}" for name, percent in shares.items())


def shares_of(stored: str) -> dict[str, int]:
    """Per cent by name."""
    pairs = (part.rpartition(" ") for part in stored.split("; ") if part)
    return {name: int(percent) for name, _, percent in pairs}
