"""Whom the plan of a day holds, and in which order: a campaign's rules as functions of values. `crm.day.whose_turn` and
`crm.day.dealing` read the rows and ask them, `crm.what_if` asks them of what happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import chain, zip_longest
from typing import Final, Protocol, TypeVar

from crm.group import Group
from crm.plan.plan_entries import group_rank
from crm.preparation.calling_hours import Hours, Window, window_on
from crm.preparation.plan_rules import ALL, SharesBy, order_of, shares_of
from crm.time_zones import instant, zone

# Days of rest after an attempt before the group's turn comes again; a promise or a retry does not wait for them.
REST_DAYS: Final[dict[Group, int]] = {
    Group.HOT: 1,
    Group.WARM: 1,
    Group.ABANDONED: 1,
    Group.NEW: 1,
    Group.NO_CONTACT: 1,
    Group.COLD: 30,
    Group.COMPETITOR: 30,
}
LOOKED_AT: Final = 4
"""Clients that are looked at for each that is wanted: a list that was imported town by town still gives a day of
several zones."""
WINDOW_ORDER: Final = ("rank", "opens_at", "closes_at")
"""By what the windows stand in which clients of the groups wait; within one by when they came into the plan."""
NO_SHARE: Final = ""
_T = TypeVar("_T")


class OrderRules(Hours, Protocol):
    """What a campaign says of its plan."""

    group_order: str
    calls_a_day: int | None
    shares_by: SharesBy
    shares: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A client whose turn it is. `stored_zone` "": the campaign's; `share`: the industry or source, whatever the shares
    go by."""

    client_id: int
    group: Group
    stored_zone: str
    share: str


def rested_since(rules: Hours, day: date, rest_days: int) -> datetime:
    """Who was called since then rests on `day`, in a group of so many days' rest."""
    return instant(datetime.combine(day - timedelta(days=rest_days - 1), time()), rules.time_zone)


def place_of(rules: OrderRules, group: Group, stored_zone: str, day: date) -> tuple[Window, int]:
    """The hours and the rank of a group's clients in that time zone, "" for the campaign's."""
    time_zone = stored_zone or rules.time_zone
    window = window_on(rules, time_zone, day)
    offset = window.opens_at.astimezone(zone(time_zone)).utcoffset() or timedelta()
    return window, group_rank(order_of(rules.group_order).index(group), int(offset.total_seconds()) // 60)


# Shares: the k-th client of a share of w per cent stands at k/w, so that every beginning holds the shares as far as
# there are clients.


def shares_in(rules: OrderRules) -> dict[str, int]:
    """Per cent by name, empty where nothing is mixed."""
    return {} if rules.shares_by is SharesBy.NOTHING else shares_of(rules.shares)


def share_of(shares: Mapping[str, int], name: str | None) -> str:
    """The share that a client of this industry or source belongs to; all without one of their own share the rest."""
    return name if name is not None and name in shares else NO_SHARE


def weight_of(shares: Mapping[str, int], share: str) -> int:
    """By what the turns of a share are divided."""
    return shares.get(share) or ALL - sum(shares.values()) or 1


def comes_last(shares: Mapping[str, int], share: str) -> int:
    """1 for those to whom the shares leave nothing, 0 for all others."""
    return int(share not in shares and sum(shares.values()) >= ALL)


def mixed_turns(turns: Iterable[Turn], shares: Mapping[str, int]) -> list[Turn]:
    """Clients, given by their ids, in the order in which the shares mix them."""
    counts: defaultdict[str, int] = defaultdict(int)
    placed = []
    for turn in turns:
        share = share_of(shares, turn.share)
        counts[share] += 1
        placed.append((comes_last(shares, share), (counts[share] - 0.5) / weight_of(shares, share), turn))
    return [turn for _, _, turn in sorted(placed, key=lambda each: (each[0], each[1], each[2].client_id))]


# Dealing: so many clients for each person.


@dataclass(frozen=True, slots=True)
class Wanted:
    """Clients that are asked for, those with the lowest ids: of a group, nobody's at the moment; of a `share`, "" for
    those without one, `None` for all."""

    group: Group
    share: str | None
    most: int


Dealing = Generator[Wanted, Sequence[Turn], list[Turn]]


def room_left(at_work: Iterable[int], calls_a_day: int, taken: Iterable[tuple[int | None, int]]) -> dict[int, int]:
    """How many clients more each person may be given, by user id; `taken`: pairs of a person and a number of clients
    that they have had or that wait for them."""
    room = dict.fromkeys(at_work, calls_a_day)
    for user_id, count in taken:
        if user_id is not None and user_id in room:
            room[user_id] = max(0, room[user_id] - count)
    return room


def kept_first(turns: Iterable[Turn], groups: Sequence[Group], most: int) -> list[Turn]:
    """Of the clients that one person keeps those who are dealt first."""
    return sorted(turns, key=lambda turn: (groups.index(turn.group), turn.client_id))[:most]


def deal_out(
    rules: OrderRules, kept: Mapping[int, Sequence[Turn]], room: dict[int, int], operators: Sequence[int]
) -> Generator[Wanted, Sequence[Turn], list[tuple[int, Turn]]]:
    """Who is given whom: first to each person what they keep, then to the operators the others, group by group. Yields
    what is `Wanted`, is sent the clients, and returns pairs of a person and a client; `room` is what is left of it."""
    groups, dealt = order_of(rules.group_order), list[tuple[int, Turn]]()
    for user_id, turns in kept.items():
        own = kept_first(turns, groups, room[user_id])
        room[user_id] -= len(own)
        dealt += [(user_id, turn) for turn in own]
    for group in groups:
        wanted = sum(room[user_id] for user_id in operators)
        found = (yield from _of_group(shares_in(rules), group, wanted)) if wanted > 0 else []
        # Alike ones side by side, so that two operators do not get one the east and the other the west.
        dealt += in_rounds(sorted(found, key=lambda turn: (turn.stored_zone, turn.share)), operators, room)
    return dealt


def _of_group(shares: Mapping[str, int], group: Group, wanted: int) -> Dealing:
    """As many of the group as are wanted or there are, in the campaign's shares as far as possible."""
    if not shares:
        return (yield from _taken(group, None, wanted))
    found = list[Turn]()
    for share, percent in shares.items():
        found += yield from _taken(group, share, wanted * percent // ALL)
    found += yield from _taken(group, NO_SHARE, wanted * (ALL - sum(shares.values())) // ALL)
    if len(found) < wanted:  # a share has run out: the day is filled up with whoever there is
        known = {turn.client_id for turn in found}
        more = yield from _taken(group, None, wanted + len(found))
        found += [turn for turn in more if turn.client_id not in known][: wanted - len(found)]
    return found


def _taken(group: Group, share: str | None, wanted: int) -> Dealing:
    """The first in the order of the base, from every time zone in turn."""
    if wanted <= 0:
        return []
    by_zone: defaultdict[str, list[Turn]] = defaultdict(list)
    for turn in (yield Wanted(group, share, wanted * LOOKED_AT)):
        by_zone[turn.stored_zone].append(turn)
    in_turn = chain.from_iterable(zip_longest(*by_zone.values()))
    return [turn for turn in in_turn if turn is not None][:wanted]


def in_rounds(these: Iterable[_T], people: Sequence[int], room: dict[int, int]) -> list[tuple[int, _T]]:
    """To one after the other, as long as there is room; always to the one who has the most."""
    dealt = []
    for each in these:
        user_id = max(people, key=lambda person: room[person], default=None)
        if user_id is None or room[user_id] <= 0:
            break
        room[user_id] -= 1
        dealt.append((user_id, each))
    return dealt


def in_plan_order(
    rules: OrderRules, dealt: Sequence[tuple[int, Turn]], day: date
) -> list[tuple[Window, int, int, Turn]]:
    """What was dealt, as hours, rank, person and client, in the order in which it comes into the plan: within a rank
    clients wait in that order, so each person's shares are mixed here."""
    shares = shares_in(rules)
    alike = {(turn.group, turn.stored_zone) for _, turn in dealt}
    places = {(group, stored_zone): place_of(rules, group, stored_zone, day) for group, stored_zone in alike}
    counts: defaultdict[tuple[int, int, str], int] = defaultdict(int)
    ordered = []
    for number, (user_id, turn) in enumerate(dealt):
        window, rank = places[turn.group, turn.stored_zone]
        share = share_of(shares, turn.share)
        counts[user_id, rank, share] += 1
        mixed = (counts[user_id, rank, share] - 0.5) / weight_of(shares, share)
        ordered.append(((rank, comes_last(shares, share), mixed, number), (window, rank, user_id, turn)))
    return [planned for _, planned in sorted(ordered, key=lambda each: each[0])]
