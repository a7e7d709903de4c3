"""When a client whom nobody reached is tried again: a campaign's rules by what the network said and the operator chose.

A result without a row of its own has the default. A rule for one disposition weighs more than the rule for all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, String, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.calls.disposition_sets import dispositions_of
from crm.errors import Refused
from crm.mapping import Base, one_of
from crm.preparation.calling_hours import Hours, Window, day_at, window_on
from crm.preparation.campaigns import Campaign
from crm.preparation.results import Result
from crm.time_zones import instant, local

LONGEST_WAIT_MIN: Final = 30 * 24 * 60
# Parts of the day on the client's clock: before noon, early afternoon, from 15:00 on.
_PARTS: Final = (time(), time(12), time(15))
_LOOK_AHEAD_DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class Rule:
    """The next try comes `after_min` minutes after the call's end, `None`: not by itself, the day's plan brings the
    client back. With `other_part` only the first goes by the minutes: once two tries in a row were in vain, the next
    comes in a part of the client's day that has been tried least."""

    after_min: int | None
    other_part: bool = False


DEFAULTS: Final[Mapping[Result, Rule]] = {
    Result.ANSWERED: Rule(None),
    Result.BUSY: Rule(10),
    Result.NO_ANSWER: Rule(120, other_part=True),
    Result.DECLINED: Rule(240),
    Result.NO_SUCH_NUMBER: Rule(240),
    Result.UNAVAILABLE: Rule(120),
    Result.DIVERTED: Rule(240),
    Result.TRUNK_FAILURE: Rule(5),
    Result.CANCELLED: Rule(60),
    Result.INTERRUPTED: Rule(30),
    Result.UNCERTAIN: Rule(5),
}


class RetryRule(Base):
    """A campaign's own rule. `disposition` "" is for all that let a client be tried again."""

    __tablename__ = "retry_rules"
    __table_args__ = (
        CheckConstraint(f"after_min IS NULL OR after_min BETWEEN 1 AND {LONGEST_WAIT_MIN}", name="after_min"),
    )

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    result: Mapped[Result] = mapped_column(one_of(Result, "result"), primary_key=True)
    disposition: Mapped[str] = mapped_column(String(24), primary_key=True, default="")
    after_min: Mapped[int | None]
    other_part: Mapped[bool] = mapped_column(default=False)


Key = tuple[Result, str]


async def own_rules(session: AsyncSession, campaign_id: int) -> dict[Key, Rule]:
    """The rules that the campaign has decided itself."""
    found = await session.scalars(select(RetryRule).where(RetryRule.campaign_id == campaign_id))
    return {(row.result, row.disposition): Rule(row.after_min, row.other_part) for row in found}


async def rules_of(session: AsyncSession, campaign_id: int) -> dict[Key, Rule]:
    """Every result's rule for all dispositions, and those for single ones, in the order of the results."""
    own = await own_rules(session, campaign_id)
    both = {(result, ""): rule for result, rule in DEFAULTS.items()} | own
    order = list(Result)
    return dict(sorted(both.items(), key=lambda item: (order.index(item[0][0]), item[0][1])))


async def rule_for(session: AsyncSession, *, campaign_id: int, result: Result, disposition: str) -> Rule:
    """The rule that holds after this result and disposition."""
    return rule_among(await own_rules(session, campaign_id), result, disposition)


def rule_among(own: Mapping[Key, Rule], result: Result, disposition: str) -> Rule:
    """Of a campaign's own rules and the usual ones, the one that holds after this result and disposition."""
    return own.get((result, disposition)) or own.get((result, "")) or DEFAULTS[result]


async def set_rules(
    session: AsyncSession,
    *,
    campaign: Campaign,
    rules: Mapping[Key, Rule | None],
    now: datetime,
    author_id: int | None = None,
) -> None:
    """Decide these rules, `None`: the default again; the others stay. Hold the campaign's row. What was and what is
    goes into the audit. Raises `Refused` for a time, or after a disposition, that cannot be."""
    await _assert_tried_again(session, campaign.id, rules)
    own = await own_rules(session, campaign.id)
    changed: dict[str, object] = {}
    for (result, disposition), rule in rules.items():
        was = own.get((result, disposition))
        usual = None if disposition else DEFAULTS[result]
        if (rule or usual) == (was or usual):
            continue
        _assert_possible(rule)
        row = await session.get(RetryRule, (campaign.id, result, disposition))
        if row is not None:
            await session.delete(row)
            await session.flush()
        if rule is not None and rule != usual:
            row = RetryRule(campaign_id=campaign.id, result=result, disposition=disposition)
            row.after_min, row.other_part = rule.after_min, rule.other_part
            session.add(row)
        changed[f"{result} {disposition}".strip()] = [_plain(was or usual), _plain(rule or usual)]
    if changed:
        audit.note(
            session, at=now, user_id=author_id, action=audit.RETRY_RULES_SET, subject=f"campaign:{campaign.id}",
            details=changed,
        )  # fmt: skip
    await session.flush()


async def as_if_set(session: AsyncSession, campaign_id: int, rules: Mapping[Key, Rule | None]) -> dict[Key, Rule]:
    """What the campaign's own rules would be with these, as `set_rules` takes them; raises as it does."""
    await _assert_tried_again(session, campaign_id, rules)
    own = await own_rules(session, campaign_id)
    for key, rule in rules.items():
        _assert_possible(rule)
        own.pop(key, None)
        if rule is not None:
            own[key] = rule
    return own


async def _assert_tried_again(session: AsyncSession, campaign_id: int, rules: Mapping[Key, Rule | None]) -> None:
    known = await dispositions_of(session, campaign_id)
    for_all_or_one = {"", *(key for key, each in known.items() if each.tried_again)}
    if not all(disposition in for_all_or_one for _, disposition in rules):
        raise Refused("retry.not_after")


def _assert_possible(rule: Rule | None) -> None:
    if rule is not None and rule.after_min is not None and not 1 <= rule.after_min <= LONGEST_WAIT_MIN:
        raise Refused("retry.wait", most=LONGEST_WAIT_MIN)


def _plain(rule: Rule | None) -> object:
    return None if rule is None else {"after_min": rule.after_min, "other_part": rule.other_part}


def other_part_of_day(campaign: Hours, zone_name: str, *, tried_at: Sequence[datetime], now: datetime) -> Window:
    """The next part of the client's day, of those to come in the campaign's hours, in which the fewest of the tries
    `tried_at` were made; of equal ones the soonest. From its beginning to the end of that day's hours."""
    tried = Counter(_part(local(at, zone_name)) for at in tried_at)
    coming = dict[int, Window]()
    for part, window in _coming_parts(campaign, zone_name, now):
        coming.setdefault(part, window)
        if len(coming) == len(_PARTS):
            break  # further days would only have the same parts later
    return min(coming.items(), key=lambda each: (tried[each[0]], each[1].opens_at))[1]


def part_of_day(moment: datetime, zone_name: str) -> int:
    """The part of the client's day at `moment`: 0 before noon, 1 early afternoon, 2 from 15:00 on."""
    return _part(local(moment, zone_name))


def _part(shown: datetime) -> int:
    return max(part for part, begins in enumerate(_PARTS) if begins <= shown.time())


def _coming_parts(campaign: Hours, zone_name: str, now: datetime) -> Iterator[tuple[int, Window]]:
    """Parts that begin after `now`, on days on which there are calls; where the calendar knows none, tomorrow's."""
    day = day_at(campaign, zone_name, now)
    for ahead in range(_LOOK_AHEAD_DAYS):
        hours = window_on(campaign, zone_name, day)
        if campaign.calls_on(day) or ahead == _LOOK_AHEAD_DAYS - 1:
            for begins in _PARTS:
                opens_at = max(hours.opens_at, instant(datetime.combine(day, begins), zone_name))
                if now < opens_at < hours.closes_at:
                    yield _part(local(opens_at, zone_name)), Window(opens_at, hours.closes_at)
        day += timedelta(days=1)
