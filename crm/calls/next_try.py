"""When the next try at a client is due: values go in, the hours of the try come out. `crm.calls.retries` puts it into
the plan, `crm.what_if` asks what would have been."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from crm.calls.retry_rules import DEFAULTS, Rule, other_part_of_day
from crm.calls.time_rules import Caps
from crm.plan.dispositions import Disposition
from crm.preparation.calling_hours import Window, promise_window, retry_window
from crm.preparation.results import Result

IN_VAIN_BEFORE_OTHER_PART: Final = 2
MOST_LOOKED_AT: Final = 50


def in_vain(tries: Iterable[tuple[datetime, Result | None]]) -> list[datetime]:
    """Of the tries that came to the client, the newest first, when those were made that came after the last answer."""
    moments = []
    for opened_at, result in tries:
        if result is Result.ANSWERED:
            break
        moments.append(opened_at)
    return moments


@dataclass(frozen=True, slots=True)
class OpenPromise:
    """A call that is promised to the client; `tried`: by this try."""

    due_at: datetime
    time_zone: str
    tried: bool


@dataclass(frozen=True, slots=True)
class Due:
    """From when until when the client is tried again. `of_promise`: because a promised call came to nothing."""

    window: Window
    of_promise: bool = False


def is_tried_again(disposition: Disposition, result: Result | None) -> bool:
    """Whether an outcome lets the rules try the client again: nobody was reached, and a wrong number that somebody
    answered is no reason to dial another."""
    return disposition.tried_again and not (disposition.number_is_dead and result is Result.ANSWERED)


def due_again(
    rules: Caps,
    time_zone: str,
    *,
    rule: Rule,
    result: Result,
    another_number: bool,
    promise: OpenPromise | None,
    tried_today: int,
    in_vain: Sequence[datetime],
    opened_at: datetime,
    ended_at: datetime | None,
    now: datetime,
) -> Due | None:
    """When the client is tried again after a try with this `result`, for which `rule` holds; `None`: not by itself, or
    not today, as the company has had its tries. `another_number`: the one that was tried is dead, so at once. An open
    `promise` goes first. `in_vain`: the tries in vain, needed where the rule asks for another part of the day. `now`:
    when the outcome was written down."""
    if promise is not None:
        if not promise.tried or result is Result.ANSWERED:
            return None
        return Due(_of_promise(rules, promise, rule, result, ended_at or opened_at), of_promise=True)
    if tried_today >= rules.attempts_a_day or (rule.after_min is None and not another_number):
        return None
    return Due(_of_rule(rules, time_zone, None if another_number else rule, in_vain, ended_at or now, now))


def _of_rule(
    rules: Caps, time_zone: str, rule: Rule | None, in_vain: Sequence[datetime], ended_at: datetime, now: datetime
) -> Window:
    """`rule` `None`: at once."""
    if rule is None:
        return retry_window(rules, time_zone, due_at=now)
    if rule.other_part and len(in_vain) >= IN_VAIN_BEFORE_OTHER_PART:
        return other_part_of_day(rules, time_zone, tried_at=in_vain, now=now)
    due_at = ended_at + timedelta(minutes=rule.after_min or 0)
    return retry_window(rules, time_zone, due_at=max(due_at, now))


def _of_promise(rules: Caps, promise: OpenPromise, rule: Rule, result: Result, ended_at: datetime) -> Window:
    """The try at a promised call failed on our side or on the network: the promise stands, and comes back soon."""
    wait_min = rule.after_min or DEFAULTS[result].after_min or 0
    opens_at = ended_at + timedelta(minutes=wait_min)
    window = promise_window(rules, promise.time_zone, due_at=promise.due_at, now=opens_at)
    return Window(max(window.opens_at, opens_at), window.closes_at)
